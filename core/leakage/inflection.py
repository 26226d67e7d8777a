"""English word forms without a dictionary: plurals, the forms of verbs, and their bases.

The forms of a word are made **forwards** by the rules of spelling (*care* gives *caring*, *car* would give
*carring*), and a base is only believed where its forms hold the word that it was made from. So *caring* has
nothing to do with *car*, which cutting off endings could not tell. What rules cannot know stands in a table.
Only inflection is followed: an engineer is no form of an engine, a drummer none of a drum.
"""

from __future__ import annotations

import re
from functools import cache


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Words that do not describe a sound: articles, pronouns, prepositions, auxiliaries and the like.
STOP_WORDS = _words(
    """a about above across after again against all along also although always am among an and another any are
    around as at away be because been before behind being below beneath beside between beyond both but by can
    cannot could did do does doing done down during each either else ever every few for from further had has
    have having he her here hers herself him himself his how i if in inside into is it its itself just may me
    might mine more most much must my myself near neither no nor not now of off often on once one only onto or
    other others ought our ours ourselves out outside over own per perhaps quite rather same shall she should
    since so some still such than that the their theirs them themselves then there these they this those
    though through throughout thus to together too toward towards under until up upon us very was we were what
    when where whether which while who whom whose why will with within without would yet you your yours
    yourself yourselves"""
)

#: Singular and plurals that no rule gives.
_PLURALS = """man men|woman women|child children|foot feet|tooth teeth|goose geese|mouse mice|louse lice|
ox oxen|person persons people|wolf wolves|knife knives|leaf leaves|calf calves|half halves|
hoof hooves hoofs|life lives|loaf loaves|scarf scarves scarfs|self selves|shelf shelves|thief thieves|
wife wives|sheaf sheaves|elf elves|quiz quizzes|cactus cacti|fungus fungi|stimulus stimuli|
medium media|phenomenon phenomena|axis axes|crisis crises|analysis analyses|sheep|fish fishes|deer|moose|
aircraft|spacecraft|hovercraft|series|species|news|salmon|shrimp shrimps"""
#: Verbs whose past is irregular: base, then past and participle. Left out where the past is rather another
#: word (saw, ground, wound, rose, left, felt): names of sounds are searched for.
_VERBS = """
beat beaten|become became|bend bent|bind bound|bite bit bitten|bleed bled|blow blew blown|
break broke broken|breed bred|bring brought|build built|burst|buy bought|catch caught|cling clung|
come came|creep crept|cut|deal dealt|dig dug|do did done|draw drew drawn|drink drank drunk|
drive drove driven|eat ate eaten|fall fell fallen|feed fed|feel|fight fought|find|flee fled|
fling flung|fly flew flown|freeze froze frozen|get got gotten|give gave given|go went gone|grind|
grow grew grown|hang hung|hear heard|hide hid hidden|hit|hold held|hurt|keep kept|kneel knelt|
know knew known|lay laid|lead led|leave|let|lie|light lit lighted|lose lost|make made|meet met|
mow mown mowed|pay paid|put|read|ride rode ridden|ring rang rung|rise risen|run ran|saw sawn sawed|
see seen|sell sold|send sent|set|sew sewn sewed|shake shook shaken|shear shorn sheared|shine shone|
shoot shot|shrink shrank shrunk|shut|sing sang sung|sink sank sunk|sit sat|sleep slept|slide slid|
sling slung|slit|speak spoke spoken|speed sped|spin spun|spit spat|split|spread|
spring sprang sprung|stand stood|steal stole stolen|stick stuck|sting stung|stink stank stunk|
stride strode|strike struck|string strung|swear swore sworn|sweep swept|swim swam swum|swing swung|
take took taken|teach taught|tear tore torn|tell told|think thought|throw threw thrown|
tread trod trodden|wake woke woken|wear wore worn|weave wove woven|weep wept|win won|wind|
wring wrung|write wrote written
"""
#: Words that end like a form of another one and are none.
_NO_FORM = _words("evening herring morning news wicked")

_VOWELS = "aeiou"
#: A syllable that doubles its last letter before -ing and -ed: consonant, one vowel, consonant.
_DOUBLES = re.compile(r"(?:^|.*[^aeiou])(?:qu)?[aeiouy][^aeiouwxy]")
_SYLLABLES = re.compile(r"[aeiou]+|(?<![aeiou])y+")


def _table(text: str) -> dict[str, tuple[str, ...]]:
    rows = (row.split() for row in text.replace("\n", "").split("|"))
    return {row[0]: tuple(row[1:]) for row in rows}


_PLURAL_OF = _table(_PLURALS)
_PAST_OF = _table(_VERBS)
_BASES_OF: dict[str, tuple[str, ...]] = {}
for _given in (_PLURAL_OF, _PAST_OF):
    for _base, _others in _given.items():
        for _other in _others:
            _BASES_OF[_other] = (*_BASES_OF.get(_other, ()), _base)


@cache
def word_forms(word: str) -> frozenset[str]:
    """Return every form of the word that this is a form of, itself among them.

    Parameters
    ----------
    word : str
        One word in small letters. Other words than English ones have only themselves and what English rules
        would make of them, which no text in their language holds.

    Returns
    -------
    frozenset of str

    Examples
    --------
    >>> sorted(word_forms("bell"))
    ['bell', 'belled', 'belling', 'bells']
    >>> "crackles" in word_forms("crackling"), "caring" in word_forms("car")
    (True, False)
    """
    forms = {word}
    if not word.isalpha() or word in STOP_WORDS:
        return frozenset(forms)
    for base in {word, *_bases(word)}:
        forms |= _forms(base)
    return frozenset(forms - (_NO_FORM - {word}))


def _forms(base: str) -> set[str]:
    """Return the base, its plural or third person, its -ing and its past."""
    forms = {base, *_PLURAL_OF.get(base, ()), *_PAST_OF.get(base, ())}
    if len(base) < 2:
        return forms
    forms |= _plain_s(base) | _with(base, "ing")
    if base not in _PAST_OF:
        forms |= _with(base, "ed")
    return forms


def _plain_s(base: str) -> set[str]:
    if base.endswith(("s", "x", "z", "ch", "sh")):
        plurals = {base + "es"}
        if base.endswith(("as", "us")):
            plurals.add(base + "ses")  # gasses, busses
        if base.endswith("ch"):
            plurals.add(base + "s")  # stomachs
        return plurals
    if base.endswith("y") and base[-2] not in _VOWELS:
        return {base[:-1] + "ies"}
    if base.endswith("o") and base[-2] not in _VOWELS:
        return {base + "s", base + "es"}
    return {base + "s"}


def _with(base: str, ending: str) -> set[str]:
    """Return a word with -ing or -ed added as English spells it."""
    if ending == "ing" and base.endswith("ie"):
        return {base[:-2] + "ying"}
    if base.endswith("e"):
        stem = base if ending == "ing" and base.endswith(("ee", "oe", "ye")) else base[:-1]
        return {stem + ending}
    if ending == "ed" and base.endswith("y") and base[-2] not in _VOWELS:
        return {base[:-1] + "ied"}
    if base.endswith("c") and base[-2] in _VOWELS:
        return {base + "k" + ending}
    twice = base + base[-1] + ending
    if base.endswith("l") and base[-3:-1].strip(_VOWELS) == "":
        return {twice, base + ending}  # dialling or dialing
    if not _DOUBLES.fullmatch(base):
        return {base + ending}
    if len(_SYLLABLES.findall(base)) == 1:
        return {twice} | ({base + ending} if base.endswith("s") else set())
    # Which syllable is stressed cannot be seen: patrolling, hammering, signalling or signaling.
    return {twice, base + ending}


def _bases(word: str) -> set[str]:
    """Return the words that this may be a form of: their forms contain it, and they are no stop words."""
    if word in _NO_FORM or word in _PLURAL_OF or word in _PAST_OF:
        return set(_BASES_OF.get(word, ()))
    tried = set()
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        tried.add(word[:-1])
        if word.endswith("es"):
            tried.add(word[:-2])
        if word.endswith("ses"):
            tried.add(word[:-3])
        if word.endswith("ies"):
            tried.add(word[:-3] + "y")
    for ending in ("ing", "ed"):
        stem = word.removesuffix(ending)
        if stem != word and word[-3:] != "eed" and any(c in _VOWELS + "y" for c in stem):
            tried |= {stem, stem + "e"}
            if stem[-1:] == stem[-2:-1]:
                tried.add(stem[:-1])
            if stem.endswith("y"):
                tried.add(stem[:-1] + "ie")
            if stem.endswith("i"):
                tried.add(stem[:-1] + "y")
            if stem.endswith("ck"):
                tried.add(stem[:-1])
    regular = {b for b in tried if len(b) > 2 and b not in STOP_WORDS and word in _forms(b)}
    return regular | set(_BASES_OF.get(word, ()))
