"""People: voices with formants that follow vowels, and what hands and feet do."""

from __future__ import annotations

import numpy as np

from jobs.datasets.synthesis import blocks as b
from jobs.datasets.synthesis.blocks import Take

sound = b.Family("Human sounds")

# Typical first three formants of some vowels of an adult, Hz.
VOWELS = ((730, 1090, 2440), (530, 1840, 2480), (270, 2290, 3010), (570, 840, 2410), (300, 870, 2240))


def _vowel(take: Take, which: int, size: float) -> np.ndarray:
    centers = [size * f for f in VOWELS[which]]
    return take.peaks([*centers, 3500 * size], [90, 110, 160, 300], [1, 0.6, 0.25, 0.08], 0.004)


def _spoken(take: Take, source: np.ndarray, size: float, rate: float) -> np.ndarray:
    """Source as it would come out of a mouth that speaks some `rate` syllables a second."""
    starts = take.regular(1 / rate, 0.5)
    chosen = take.rng.permutation(len(VOWELS))[:3]
    filtered = take.shaped(source, *(_vowel(take, int(v), size) for v in chosen))
    turns = take.rng.integers(0, 3, len(starts))
    soft = take.stepwise(starts, take.rng.uniform(0.3, 1, len(starts)))
    spoken = np.zeros(take.n)
    for k, part in enumerate(filtered):
        mine = starts[turns == k]
        if len(mine):
            spoken += b.unit(part) * take.notes(mine, take.between(0.5, 0.7) / rate, 0.03, 0.06)
    hiss = take.notes(starts - np.minimum(starts, 0.05), 0.035, 0.01, 0.03)
    hiss = hiss * (take.rng.random() < 0.8) * take.stepwise(starts, take.rng.random(len(starts)) ** 2)
    return spoken * soft + 0.12 * hiss * take.noise(take.band(2500, 7500))


def _speech(take: Take, pitch: float, size: float) -> np.ndarray:
    melody = 1 + 0.12 * take.drift(2.5) - 0.08 * take.t / take.seconds + 0.01 * take.drift(40)
    voice = take.tone(pitch * melody, b.rolloff(40, take.between(1.0, 1.5))) + 0.02 * take.white()
    return _spoken(take, voice, size, take.near(4.2, 0.3))


@sound("Male speech", "A man talks in a low voice, syllable after syllable.")
def male_speech(take: Take) -> np.ndarray:
    return _speech(take, take.near(112, 0.25), take.near(0.95, 0.08))


@sound("Female speech", "A woman talks, her voice moving up and down.")
def female_speech(take: Take) -> np.ndarray:
    return _speech(take, take.near(205, 0.22), take.near(1.15, 0.08))


@sound("Singing", "One person sings a slow tune on a vowel, with vibrato.")
def singing(take: Take) -> np.ndarray:
    scale = np.array([0, 2, 4, 5, 7, 9, 12])
    starts = take.regular(take.near(0.7, 0.4), 0.1, start=0.03)
    tune = take.near(260, 0.5) * 2 ** (take.rng.choice(scale, len(starts)) / 12)
    f0 = take.glide(take.stepwise(starts, tune), 0.05)
    vibrato = 1 + take.between(0.006, 0.022) * np.sin(2 * np.pi * take.near(5.6, 0.12) * take.t)
    voice = take.tone(f0 * vibrato, b.rolloff(30, 1.1)) + 0.015 * take.white()
    mouth = _vowel(take, take.count(0, 4), take.near(1.05, 0.12))
    mouth = mouth + take.peaks([2900], [500], [take.between(0.05, 0.3)])
    return take.shaped(voice, mouth)[0] * take.notes(starts, take.near(0.55, 0.3), 0.06, 0.1)


@sound("Whispering", "Someone whispers: hushed words made of breath alone.")
def whispering(take: Take) -> np.ndarray:
    breath = take.noise(take.band(400, 9000, 1), take.slope(take.between(-0.3, 0.4)))
    return _spoken(take, breath, take.near(1.08, 0.12), take.near(4.2, 0.3))


@sound("Laughter", "A person laughs out loud in quick, falling bursts.")
def laughter(take: Take) -> np.ndarray:
    pace = take.near(0.19, 0.25)
    bouts = take.regular(take.near(1.5, 0.3), 0.2, start=take.between(0.0, 0.3))
    count = take.count(4, 7)
    times = (bouts[:, None] + pace * np.arange(count)[None, :]).ravel()
    gains = np.tile(0.85 ** np.arange(count), len(bouts))
    inside = times < take.seconds - 0.03
    ha = take.hits(times[inside], 0.03, 0.05, gains[inside])
    falling = 1 - 0.25 * take.progress(bouts, count * pace)
    f0 = take.near(230, 0.5) * falling * (1 + 0.15 * np.clip(ha, 0, 1) + 0.02 * take.drift(20))
    voice = take.tone(f0, b.rolloff(30, 0.9)) + take.between(0.1, 0.5) * take.white()
    return take.shaped(voice * ha, _vowel(take, int(take.rng.choice([0, 1, 3])), take.near(1.08, 0.12)))[0]


@sound("Baby cry", "An infant wails in long, strained, rising and falling cries.")
def baby_cry(take: Take) -> np.ndarray:
    length = take.near(0.8, 0.3)
    starts = take.regular(length + take.near(0.3, 0.3), 0.1, start=take.between(0.0, 0.25))
    x = take.progress(starts, length)
    f0 = take.near(470, 0.2) * (0.85 + 0.25 * np.sin(np.pi * x) ** 0.6) * (1 + 0.015 * take.drift(14))
    rough = 1 + take.between(0, 0.7) * (take.drift(5) > 0.8) * np.sin(
        np.pi * np.cumsum(f0) / take.sample_rate
    )
    voice = b.saturate(take.tone(f0, b.rolloff(20, 0.7)), 1.5) * rough + 0.05 * take.white()
    mouth = take.peaks(
        [take.near(1050, 0.15), take.near(3300, 0.12), 5500], [300, 500, 900], [1, 0.7, 0.2], 0.03
    )
    return take.shaped(voice, mouth)[0] * take.notes(starts, length, 0.08, 0.1)


@sound("Cough", "Someone coughs, sudden bursts of air from the throat.")
def cough(take: Take) -> np.ndarray:
    times = take.regular(take.near(0.55, 0.4), 0.35)
    burst = take.hits(times, 0.004, take.near(0.05, 0.3), take.rng.uniform(0.6, 1, len(times)))
    voiced = take.hits(times + 0.06, 0.02, take.near(0.06, 0.3))
    f0 = take.near(170, 0.4) * (1.1 - 0.2 * np.clip(voiced, 0, 1))
    size = take.near(1, 0.15)
    throat = take.peaks([600 * size, 1500 * size, 3000 * size], [400, 700, 1200], [1, 0.8, 0.5], 0.06)
    voice = take.tone(f0, b.rolloff(25, 0.9)) * voiced * take.between(0.2, 0.8) + take.white() * burst
    return take.shaped(voice, throat)[0]


@sound("Applause", "An audience claps its hands.")
def applause(take: Take) -> np.ndarray:
    rate = take.near(90, 0.8)
    swell = 1 + 0.25 * take.drift(0.8)
    clapping = np.zeros(take.n)
    for _ in range(2):
        times = take.scattered(rate)
        blows = take.impulses(times, take.rng.gamma(1.5, 1, len(times)), flip=True)
        hands = take.peaks([take.near(1100, 0.35), take.near(2300, 0.3)], [700, 1400], [1, 0.8], 0.12)
        clapping += take.shaped(blows, hands)[0]
    room = take.noise(take.peaks([1500], [2500], [1], 0.1))
    return (b.level(clapping) + 0.25 * room) * swell


@sound("Footsteps", "A person walks by on a hard floor, step after step.")
def footsteps(take: Take) -> np.ndarray:
    pace = take.near(0.52, 0.25)
    times = take.regular(pace, 0.1)
    gains = take.rng.uniform(0.7, 1, len(times)) * np.where(
        np.arange(len(times)) % 2, take.between(0.7, 1), 1
    )
    heel = take.ring(times, gains, [take.near(95, 0.4), take.near(260, 0.4)], [0.03, 0.018], [1, 0.5])
    sole = take.hits(times + 0.35 * pace * take.between(0.1, 0.4), 0.01, take.near(0.03, 0.5), gains)
    ground = take.noise(take.band(take.near(500, 0.7), take.near(4500, 0.4), 1))
    click = take.hits(times, 0.0008, 0.008, gains)
    return b.unit(heel) + ground * (0.12 * sole + take.between(0.1, 0.5) * click)


@sound("Child speech", "A small child talks in a high, light, lively voice.")
def child_speech(take: Take) -> np.ndarray:
    return _speech(take, take.near(300, 0.2), take.near(1.38, 0.08))


@sound("Chatter", "Many people talk at once, a babble of voices in a full room.")
def chatter(take: Take) -> np.ndarray:
    crowd = np.zeros(take.n)
    for pitch, size in ((120, 0.97), (210, 1.16)):
        source = 0.03 * take.white()
        for _ in range(3):
            melody = 1 + 0.12 * take.drift(2.5)
            source = source + take.tone(take.near(pitch, 0.3) * melody, b.rolloff(40, 1.2))
        chosen = take.rng.permutation(len(VOWELS))[:2]
        for part in take.shaped(source, *(_vowel(take, int(v), take.near(size, 0.08)) for v in chosen)):
            starts = take.scattered(take.near(6, 0.3))
            crowd += b.unit(part) * (0.25 + take.notes(starts, take.near(0.14, 0.2), 0.04, 0.08))
    hiss = take.noise(take.band(2500, 7000)) * np.exp(0.5 * take.drift(8))
    return b.level(crowd) + take.between(0.02, 0.08) * hiss


@sound("Humming", "Someone hums a tune with closed lips, soft and low.")
def humming(take: Take) -> np.ndarray:
    scale = np.array([0, 2, 4, 5, 7, 9, 12])
    starts = take.regular(take.near(0.6, 0.4), 0.1, start=0.03)
    tune = take.near(190, 0.5) * 2 ** (take.rng.choice(scale, len(starts)) / 12)
    f0 = take.glide(take.stepwise(starts, tune), 0.09) * (1 + 0.004 * take.drift(6))
    voice = take.tone(f0, b.rolloff(25, take.between(1.1, 1.5))) + 0.01 * take.white()
    nose = take.peaks(
        [take.near(270, 0.15), take.near(1050, 0.15), take.near(2300, 0.15)],
        [110, 250, 400],
        [1, 0.1, 0.04],
        0.003,
    )
    return take.shaped(voice, nose)[0] * (0.25 + 0.75 * take.notes(starts, take.near(0.45, 0.3), 0.1, 0.15))


@sound("Screaming", "A person screams in terror, long, loud, shrill and rough.")
def screaming(take: Take) -> np.ndarray:
    length = take.near(1.1, 0.4)
    starts = take.regular(length + take.near(0.35, 0.5), 0.08, start=take.early(0.0, 0.25))
    x = take.progress(starts, length)
    rise = np.clip(x * take.between(4, 10), 0, 1)
    f0 = take.near(980, 0.4) * (0.75 + 0.25 * rise - 0.12 * x**3) * (1 + 0.02 * take.drift(18))
    rough = 1 + take.between(0.1, 0.8) * np.sin(np.pi * np.cumsum(f0) / take.sample_rate)
    voice = b.saturate(take.tone(f0, b.rolloff(16, 0.6)) * rough, 2) + take.between(0.02, 0.12) * take.white()
    mouth = take.peaks(
        [take.near(1250, 0.2), take.near(2700, 0.2), 4200], [500, 700, 1200], [1, 0.8, 0.3], 0.04
    )
    return take.shaped(voice, mouth)[0] * take.notes(starts, length, 0.04, 0.1)


@sound("Sneeze", "Someone draws breath and sneezes, one explosive hiss of air.")
def sneeze(take: Take) -> np.ndarray:
    times = take.regular(take.near(1.5, 0.3), 0.25, start=take.between(0.3, 0.5) * min(take.seconds, 2))
    burst = take.hits(times, 0.008, take.near(0.09, 0.35), take.rng.uniform(0.7, 1, len(times)))
    breath = take.notes(np.maximum(times - take.near(0.4, 0.3), 0), 0.2, 0.15, 0.06)
    size = take.near(1, 0.15)
    hiss = take.noise(take.band(1500 * size, take.near(6500, 0.25), 1.5))
    f0 = take.near(260, 0.45) * (1 - 0.2 * np.clip(burst, 0, 1))
    voice = take.shaped(take.tone(f0, b.rolloff(25, 0.9)), _vowel(take, 3, 1.1 * size))[0]
    air = take.noise(take.band(500, 3500, 1))
    return (
        hiss * burst + take.between(0.1, 0.6) * b.unit(voice) * burst + take.between(0.02, 0.1) * air * breath
    )


@sound("Snoring", "A sleeper snores, a low rattle with each breath drawn in.")
def snoring(take: Take) -> np.ndarray:
    length = take.near(1.1, 0.25)
    starts = take.regular(length + take.near(1.0, 0.3), 0.1, start=take.early(0.0, 0.4))
    x = take.progress(starts, length)
    rate = take.near(48, 0.4) * (1 + 0.25 * np.sin(np.pi * x) + 0.08 * take.drift(12))
    flaps = np.diff(np.floor(np.cumsum(rate) / take.sample_rate), prepend=0) > 0
    source = flaps * take.rng.uniform(0.6, 1, take.n) * 6 + take.between(0.05, 0.2) * take.white()
    size = take.near(1, 0.25)
    nose = take.peaks([260 * size, 620 * size, 1500 * size], [150, 250, 600], [1, 0.8, 0.25], 0.02)
    drawn = take.shaped(source, nose)[0] * take.notes(starts, 0.8 * length, 0.3, 0.15)
    blown = take.noise(take.band(400, 2500, 1)) * take.notes(starts + 1.2 * length, 0.4, 0.2, 0.3)
    return b.unit(drawn) + take.between(0.01, 0.05) * blown


@sound("Clapping", "One person claps their hands, clap after clap, evenly.")
def clapping(take: Take) -> np.ndarray:
    times = take.regular(take.near(0.3, 0.5), 0.15)
    gains = take.rng.uniform(0.6, 1, len(times))
    palms = take.hits(times, 0.0008, take.near(0.012, 0.4), gains) * take.white()
    hollow = take.near(1150, 0.4)
    hands = take.peaks([hollow, 2.1 * hollow, 4200], [500, 900, 2500], [1, 0.7, 0.3], 0.08)
    return take.shaped(palms, hands)[0]
