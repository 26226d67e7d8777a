"""Captions of the synthetic world: several sentences a clip about the sound of its recipe and nothing else.

Each class has phrases that name it and phrases that describe it without its name; both go into one of a few
sentences. The first caption of a clip always names its class and the second never does, so that a search for
names finds every clip of a class, and not every caption.
"""

from __future__ import annotations

import hashlib

import numpy as np

__all__ = ["MOST", "PHRASES", "captions"]

#: Captions that a clip may have.
MOST = 6

# Nothing here speaks of places, distances or company: those differ from take to take and are not looked up.
_SENTENCES = (
    "The sound of {}.",
    "{}.",
    "A recording of {}.",
    "One hears {}.",
    "{} can be heard.",
    "Listen to {}.",
)

#: Of every class: phrases that name it, and phrases that do not.
# fmt: off
PHRASES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Bark": (("a barking dog", "the rough barks of a dog"),
             ("a dog that gives short, loud calls", "short, rough cries of a watchful hound")),
    "Meow": (("a cat's long meow", "a cat that meows"),
             ("a cat that begs in a drawn-out tone", "a feline cry that opens and closes again")),
    "Purr": (("a purring cat", "the soft purr of a cat"),
             ("a contented cat that rattles with its breath", "a soft, low, even flutter of a cat")),
    "Howl": (("a howling wolf", "the long howl of a dog"),
             ("a wolf that sings one long note", "one long animal call that climbs and then sinks")),
    "Caw": (("a cawing crow", "the hoarse caws of a crow"),
            ("a crow with its harsh cries", "hoarse cries of a large black bird, one after another")),
    "Chirp": (("a small bird that chirps", "the quick chirps of a bird"),
              ("a small bird that sings", "high, quick, whistled notes of a songbird")),
    "Cricket": (("a cricket on a warm night", "the steady song of a cricket"),
                ("an insect that rubs its wings evenly", "a high, pulsing trill that goes on and on")),
    "Frog": (("a croaking frog", "the rattling call of a frog"),
             ("a low croak, again and again", "an amphibian that calls in low, rattling pulses")),
    "Bee": (("a buzzing bee", "a bee that flies around"),
            ("an insect that buzzes nearer and further", "a droning buzz that comes and goes")),
    "Yip": (("a puppy that yips", "the sharp yips of a small dog"),
            ("a small dog that yelps", "sharp, short, high cries of a puppy")),
    "Growling": (("a growling dog", "the low growl of an angry dog"),
                 ("a dog that threatens from its throat", "a long, low, rough warning of an angry animal")),
    "Hoot": (("a hooting owl", "the hollow hoots of an owl"),
             ("an owl in the night", "a few soft, hollow, low notes of a night bird")),
    "Moo": (("a mooing cow", "the deep moo of a cow"),
            ("a cow that lows", "one long, deep note of cattle")),
    "Bleat": (("a bleating sheep", "the trembling bleat of a goat"),
              ("a sheep that calls", "a trembling, nasal cry of a farm animal")),
    "Quack": (("a quacking duck", "the harsh quacks of a duck"),
              ("a duck that calls again and again", "short, nasal, harsh cries of a water bird")),
    "Mosquito": (("a mosquito by the ear", "the thin whine of a mosquito"),
                 ("a tiny insect that whines", "a thin, high, steady buzz of wings")),
    "Male speech": (("the speech of a male voice", "male speech in a low voice"),
                    ("a man who talks", "a low voice that talks, syllable after syllable")),
    "Female speech": (("the speech of a female voice", "female speech that moves up and down"),
                      ("a woman who talks", "a woman's voice that tells something")),
    "Singing": (("a person singing a slow tune", "someone who sings"),
                ("a voice that holds long notes on a vowel", "a slow vocal melody with vibrato")),
    "Whispering": (("a whispering voice", "someone who whispers"),
                   ("hushed words made of breath alone", "someone who talks under their breath")),
    "Laughter": (("the laughter of a person", "loud laughter"),
                 ("a person who is amused, in quick, falling bursts", "someone who giggles out loud")),
    "Baby cry": (("a baby that cries", "the cry of a baby"),
                 ("an infant that wails", "long, strained wails of a newborn")),
    "Cough": (("a coughing person", "someone's dry cough"),
              ("sudden bursts of air from a sore throat", "someone who clears a sore chest")),
    "Applause": (("the applause of an audience", "warm applause"),
                 ("many hands that clap at once", "an audience that shows its delight with its hands")),
    "Footsteps": (("the footsteps of a person", "footsteps on a hard floor"),
                  ("a person who walks by", "someone who strides over a hard floor")),
    "Child speech": (("the speech of a child", "a child's lively speech"),
                     ("a small kid who talks", "a high, light voice that tells a story")),
    "Chatter": (("the chatter of many people", "chatter in a full room"),
                ("a crowd that talks at once", "a babble of many voices")),
    "Humming": (("someone humming a tune", "a person who hums"),
                ("a tune through closed lips", "a soft, low melody without words")),
    "Screaming": (("a screaming person", "the scream of someone in terror"),
                  ("a shrill, rough cry of fear", "a person who shrieks, long and loud")),
    "Sneeze": (("a person who sneezes", "someone's loud sneeze"),
               ("one explosive hiss of air through the nose", "a drawn breath and then a burst of air")),
    "Snoring": (("a snoring sleeper", "the snores of someone asleep"),
                ("a sleeper with rattling breath", "a low rattle with each breath drawn in")),
    "Clapping": (("one person clapping", "even claps of someone's hands"),
                 ("palms that strike each other, evenly", "one pair of hands that beats time")),
    "Piano": (("a piano that plays a few notes", "notes of a piano"),
              ("struck strings of a keyboard that ring out", "a few chiming notes from a concert grand")),
    "Organ": (("an organ with full chords", "the steady chords of an organ"),
              ("a keyboard with pipes that holds full chords", "steady chords of many pipes in church")),
    "Acoustic guitar": (("an acoustic guitar", "the plucked strings of an acoustic guitar"),
                        ("strings that are plucked one by one", "a fingerpicked tune on six strings")),
    "Violin": (("a violin with vibrato", "the long notes of a violin"),
               ("a fiddle that is bowed", "long, bowed, high notes of a string instrument")),
    "Trumpet": (("a trumpet that plays a fanfare", "the bright tones of a trumpet"),
                ("a bright fanfare on brass", "a brass player with a bright, short call")),
    "Flute": (("a flute with a soft melody", "the airy tones of a flute"),
              ("a woodwind that is blown softly", "a soft, airy melody")),
    "Marimba": (("a marimba played with mallets", "quick notes of a marimba"),
                ("wooden bars struck by mallets", "quick, warm, wooden notes")),
    "Snare drum": (("a snare drum in a rhythm", "the sharp beat of a snare drum"),
                   ("sticks on a rattling skin, sharp and dry", "a crisp, rattling march beat")),
    "Cymbal": (("a cymbal that is struck", "the wash of a cymbal"),
               ("a bronze plate that is hit and fades", "a metallic crash that slowly dies away")),
    "Cello": (("a cello with long notes", "the warm tones of a cello"),
              ("long, deep, bowed notes", "a low string instrument played with a bow")),
    "Clarinet": (("a clarinet with a smooth tune", "the hollow tones of a clarinet"),
                 ("a woodwind with a reed, smooth and hollow", "a woody, round, hollow tune")),
    "Trombone": (("a trombone that slides", "the low notes of a trombone"),
                 ("low brass that glides from note to note", "a brassy, sliding, low melody")),
    "Harpsichord": (("a harpsichord played fast", "the bright notes of a harpsichord"),
                    ("a baroque keyboard with plucked strings", "fast, jangling, plucked notes")),
    "Glockenspiel": (("a glockenspiel", "the ringing notes of a glockenspiel"),
                     ("small metal bars that are struck", "high, bright notes that ring like little bells")),
    "Bass drum": (("a bass drum in a slow rhythm", "the deep beat of a bass drum"),
                  ("deep, dull thuds at a slow pace", "a big skin that is beaten slowly")),
    "Hi-hat": (("a hi-hat in a fast rhythm", "the ticks of a drummer's hi-hat"),
               ("two small cymbals that tick fast", "a thin, crisp, fast metallic beat")),
    "Rain": (("steady rain", "rain that falls"),
             ("a shower of many drops", "a bright, even hiss of a downpour")),
    "Raindrop": (("single raindrops", "a raindrop now and then"),
                 ("water that drips now and then", "single drips and small splashes")),
    "Stream": (("a small stream", "a stream that runs over stones"),
               ("a brook that bubbles", "water that babbles over stones")),
    "Waves": (("waves on the shore", "sea waves that break"),
              ("surf that swells and draws back", "the sea that rolls onto a beach")),
    "Wind": (("wind in gusts", "the moaning wind"),
             ("gusts of air that rise and sink", "a blustery storm of moving air")),
    "Thunder": (("rolling thunder", "a clap of thunder"),
                ("a crack in the sky that rolls away", "a deep peal after lightning")),
    "Fire": (("a crackling fire", "a wood fire that burns"),
             ("burning logs that pop", "flames that crackle over a soft roar")),
    "Waterfall": (("a waterfall", "the roar of a waterfall"),
                  ("a cascade that roars without a pause", "masses of water that plunge over a cliff")),
    "Rustling leaves": (("rustling leaves", "dry leaves that rustle"),
                        ("foliage that stirs in a breeze", "a dry whisper of branches")),
    "Rain on surface": (("rain on a hard surface", "rain that drums on the surface of a roof"),
                        ("countless hard little taps of drops on tin", "a shower that drums on a tin roof")),
    "Thunderstorm": (("a thunderstorm", "a heavy thunderstorm"),
                     ("lightning cracks over a heavy downpour", "a tempest with peals and gusts")),
    "Ocean": (("the open ocean", "the roar of the ocean"),
              ("the wide sea that rises and sinks slowly", "deep, slow swell of the open sea")),
    "Gurgling": (("gurgling water", "a drain that gurgles"),
                 ("water that runs down a drain", "low, bubbling gulps")),
    "Steam": (("steam that escapes", "a jet of steam"),
              ("a valve that hisses sharply", "a sharp, high hiss of hot vapour")),
    "Howl (wind)": (("the howl of the wind", "wind that howls through a gap"),
                    ("a draught that whistles through a gap", "a hollow, wandering tone of moving air")),
    "Wildfire": (("a wildfire", "a great wildfire"),
                 ("a burning forest", "a huge blaze that roars and crackles")),
    "Idling": (("an idling engine", "a car engine that idles"),
               ("a motor that runs slowly at rest", "a low, uneven throb of a parked vehicle")),
    "Helicopter": (("a helicopter", "the blades of a helicopter"),
                   ("rotor blades that beat the air", "a chopper that hovers")),
    "Siren": (("a siren", "the siren of an emergency vehicle"),
              ("an ambulance that wails up and down", "a warning tone that rises and falls")),
    "Car horn": (("a car horn", "the horn of a car"),
                 ("a driver who honks", "two tones at once that warn in traffic")),
    "Telephone bell": (("a telephone bell", "the bell of an old telephone"),
                       ("an old phone that rings", "an incoming call on an old handset")),
    "Tick-tock": (("the tick-tock of a clock", "a steady tick-tock"),
                  ("a clock in a quiet room", "a pendulum that beats the seconds")),
    "Computer keyboard": (("a computer keyboard", "someone at a computer keyboard"),
                          ("someone who types fast", "dry little clicks of quick typing")),
    "Drill": (("a power drill", "a drill that grinds into a wall"),
              ("a power tool that bores into a wall", "a whirring motor that bites into stone")),
    "Shatter": (("glass that shatters", "a shattering window"),
                ("glass that breaks", "splinters that tinkle on the floor")),
    "Motorcycle": (("a motorcycle", "the engine of a motorcycle"),
                   ("a motorbike that revs", "a throaty engine that revs up and down")),
    "Chainsaw": (("a chainsaw", "the scream of a chainsaw"),
                 ("a rasping little engine that cuts wood", "a loud, rasping cutting tool")),
    "Vacuum cleaner": (("a vacuum cleaner", "the motor of a vacuum cleaner"),
                       ("a hoover on the carpet", "a whining motor in a steady rush of air")),
    "Alarm clock": (("an alarm clock", "the beeps of an alarm clock"),
                    ("fast, high electronic tones that wake a sleeper", "a bedside buzzer that goes off")),
    "Church bell": (("a church bell", "the toll of a church bell"),
                    ("a heavy cast of bronze in a tower that tolls", "a slow, deep toll that rings on")),
    "Typewriter": (("a typewriter", "the clacks of an old typewriter"),
                   ("someone who types on an old machine", "hard metal clacks of typing")),
    "Foghorn": (("a foghorn", "the foghorn of a ship"),
                ("a ship that gives one very low blast", "one long, very low warning over water")),
    "Tearing": (("the tearing of paper", "cloth that is torn"),
                ("paper that is ripped apart", "a long, dry rip")),
    "Crumpling": (("the crumpling of paper", "something crisp that is crumpled"),
                  ("a thin wrapper that is squeezed", "a bright, crisp crackling of foil")),
    "Crushing": (("the crushing of something brittle", "a can that is crushed"),
                 ("something brittle that gives way with dull crunches", "dull crunches under a weight")),
    "Screech": (("a shrill screech", "the screech of one hard thing against another"),
                ("chalk on a board, shrill and piercing", "a piercing scrape of hard things")),
    "Beep": (("an electronic beep", "even beeps"),
             ("a short electronic tone that repeats", "a short, even signal of a device")),
    "Hum": (("an electric hum", "the hum of a transformer"),
            ("a low, constant mains tone", "an electric drone at a constant pitch")),
    "Rumble": (("a low rumble", "a very deep rumble"),
               ("something felt more than heard", "a very low, rolling noise")),
    "Whoosh": (("a whoosh", "the whoosh of something fast"),
               ("something that rushes past", "a quick swish through the air")),
    "Creak": (("a creak", "the slow creak of a door"),
              ("an old hinge that turns slowly", "an old floorboard under a foot")),
    "Ding": (("a single ding", "the clear ding of a glass"),
             ("a small glass that is tapped once", "one clear, high ring")),
    "Clang": (("a loud clang", "the clang of metal"),
              ("heavy metal that strikes metal", "a harsh, ringing blow")),
    "Squeal": (("squealing brakes", "the squeal of rubber"),
               ("brakes that cry out, long and thin", "a long, high, thin tone of tyres")),
    "Whir": (("the whir of a fan", "a motor that whirs"),
             ("something small that spins fast", "a little fan that runs up and down")),
    "Knock": (("a knock on wood", "someone who knocks"),
              ("knuckles on a door", "a few short, dull raps")),
    "Scratch": (("a rough scratch", "nails that scratch a surface"),
                ("a rasp over a surface, stroke after stroke", "something rough that scrapes along")),
    "Sizzle": (("sizzling fat", "the sizzle of a hot pan"),
               ("food that fries in a hot pan", "a fine, spitting, crackling hiss of frying")),
}
# fmt: on


def captions(class_name: str, index: int, *, seed: int, n: int = 3) -> list[str]:
    """Write captions of one clip: sentences about the sound of its recipe.

    Parameters
    ----------
    class_name : str
        As in `jobs.datasets.synthetic.classes`.
    index : int, >= 0
        Which take of the class.
    seed : int, >= 0
    n : int from 1 to 6, default 3

    Returns
    -------
    list of n str
        All different, the same for the same arguments, the first ones whatever `n`. The 1st, 3rd and 5th
        name the class, the others describe it without its name.

    Raises
    ------
    ValueError
        For an unknown class, or numbers out of range.

    Examples
    --------
    >>> captions("Bark", 3, seed=0, n=2)
    ['The rough barks of a dog.', 'Listen to short, rough cries of a watchful hound.']
    """
    if class_name not in PHRASES:
        raise ValueError(
            f"There is no synthetic class {class_name!r}; see `jobs.datasets.synthetic.classes`."
        )
    if index < 0 or seed < 0 or not 1 <= n <= MOST:
        raise ValueError(
            f"index is {index}, seed {seed} and n {n}; the first two must be 0 or more, n from 1 to {MOST}."
        )
    number = int.from_bytes(hashlib.sha256(class_name.encode()).digest()[:8], "little")
    # The 1 keeps these draws apart from those of the sound.
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, number, index, 1])))
    order = rng.permutation(len(_SENTENCES))
    both = PHRASES[class_name]  # phrases that name the class, and phrases that do not
    orders = [rng.permutation(len(phrases)) for phrases in both]
    sentences = []
    for i in range(n):
        phrases = both[i % 2]
        text = _SENTENCES[order[i]].format(phrases[orders[i % 2][i // 2 % len(phrases)]])
        sentences.append(text[0].upper() + text[1:])
    return sentences
