"""The search for class names in texts: words and their positions, names and their parts, and matching."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Any, TypedDict

import numpy as np
import pandas as pd

from core.leakage.inflection import STOP_WORDS, word_forms

MODES = ("words", "names")

_APOSTROPHES = "'\u2019\u02bc\uff07"
_PLAIN = re.compile(r"[A-Za-z0-9]+(?:'[A-Za-z]+)*")
_BETWEEN_NAMES = re.compile(r"[,;/|]")
_BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
#: What may stand between the words of one name; a comma or a full stop parts two.
_GAP = re.compile(r"[\s_'\"\u2019\u201c\u201d/\u00ad\u2010\u2011-]*")
#: What two words must have at least to be looked at as one: "door bell" is a doorbell, "a way" not away.
_HALF = 3


#: A word as it is compared, and its position.
_Word = tuple[str, int, int]


@dataclass(slots=True)
class _Entry:
    """The labels that a word names alone, the names that it begins, and the labels that it is all of."""

    single: list[int] = field(default_factory=list)
    first: list[int] = field(default_factory=list)
    joined: list[int] = field(default_factory=list)


@dataclass
class Search:
    """Class names, prepared for the search.

    `parts` holds each name as its label and its words, these as sets of forms; `index` what each word can be;
    `halves` the beginnings of names as one word; `words` the words of each label that count by themselves.
    """

    labels: list[str]
    parts: list[tuple[int, tuple[frozenset[str], ...]]] = field(default_factory=list)
    index: dict[str, _Entry] = field(default_factory=dict)
    halves: set[str] = field(default_factory=set)
    words: list[list[str]] = field(default_factory=list)

    def entry(self, word: str) -> _Entry:
        return self.index.setdefault(word, _Entry())


# -- words ------------------------------------------------------------------------------------------------


def texts_of(values: Iterable[Any], what: str) -> list[str]:
    """Return texts as they were given, those that are missing as ""; `what` names them in an error."""
    if isinstance(values, str):
        raise ValueError(f"{what}s are one text, {values[:60]!r}; give a list of texts.")
    texts = []
    for i, value in enumerate(values):
        if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
            value = ""
        if not isinstance(value, str):
            raise ValueError(f"{what} {i} is {value!r}; it must be text.")
        texts.append(value)
    return texts


def _split(text: str) -> list[_Word]:
    """Return the words of a text as they are compared, and their positions."""
    if text.isascii():
        return [(_bare(m[0].lower()), m.start(), m.end()) for m in _PLAIN.finditer(text)]
    words: list[_Word] = []
    start = None
    for i, char in enumerate(text + " "):
        # Letters, digits, and the marks upon them, which are characters of their own in some texts.
        inside = unicodedata.category(char)[0] in "LNM"
        if char in _APOSTROPHES and start is not None:
            inside = unicodedata.category(text[i + 1])[0] == "L" if i + 1 < len(text) else False
        if inside and start is None:
            start = i
        elif not inside and start is not None:
            words.append((_folded(text[start:i]), start, i))
            start = None
    return words


@lru_cache(maxsize=50_000)
def _folded(word: str) -> str:
    """Return a word in small letters without accents and possessive, in one spelling of Unicode."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", word).casefold())
    plain = "".join("'" if c in _APOSTROPHES else c for c in plain if not unicodedata.combining(c))
    return _bare(plain)


def _bare(word: str) -> str:
    return word.removesuffix("'s")


def _names(label: str) -> list[list[str]]:
    """Return the names in a label, each as its words."""
    parts = _BETWEEN_NAMES.split(_BRACKETS.sub(" ", label))
    split = [[word for word, _, _ in _split(part)] for part in parts]
    # A label that stands in brackets altogether is a name all the same.
    names = [words for words in split if words]
    return names or [words for words in [[word for word, _, _ in _split(label)]] if words]


# -- search -----------------------------------------------------------------------------------------------


class Matching(TypedDict, total=False):
    """How class names are matched: the keyword arguments of the same names of `core.leakage.find_leaks`."""

    mode: str
    stop_words: Collection[str]
    forms: bool


def search_for(
    class_names: Iterable[str],
    mode: str = "words",
    stop_words: Collection[str] = STOP_WORDS,
    forms: bool = True,
) -> Search:
    """Prepare names for the search in a mode."""
    if mode not in MODES:
        raise ValueError(no_mode(mode))
    ignored = frozenset(word.lower() for word in stop_words)
    search = Search(list(dict.fromkeys(texts_of(class_names, "Class name"))))
    for i, label in enumerate(search.labels):
        for words in _names(label):
            # By words, a name is searched for as a whole only where it has no word that counts.
            _add_name(search, i, words, forms, whole=mode == "names" or ignored.issuperset(words))
        own = dict.fromkeys(word for word, _, _ in _split(label) if word not in ignored)
        search.words.append(list(own))
        if mode == "words":
            for word in own:
                for form in _forms(word, forms):
                    search.entry(form).single.append(i)
    return search


def no_mode(mode: str) -> str:
    """Return the message for an unknown mode."""
    return f"mode is {mode!r}; it must be one of {', '.join(MODES)}."


def _forms(word: str, forms: bool) -> frozenset[str]:
    return word_forms(word) if forms else frozenset((word,))


def _add_name(search: Search, label: int, words: Sequence[str], forms: bool, *, whole: bool) -> None:
    if whole:
        wanted = tuple(_forms(word, forms) for word in words)
        for form in wanted[0]:
            search.entry(form).first.append(len(search.parts))
        search.parts.append((label, wanted))
    for form in _forms("".join(words), forms):
        search.entry(form).joined.append(label)
        search.halves.update(form[:n] for n in range(_HALF, len(form) - _HALF + 1))


def find(text: str, search: Search) -> dict[int, list[tuple[int, int]]]:
    """Return the parts of a text that name a class, by the number of the class."""
    spans: dict[int, list[tuple[int, int]]] = {}
    words = _split(text)
    for i, (word, start, end) in enumerate(words):
        # Most of the time is spent in this loop: a lookup or two a word, and usually nothing else.
        entry = search.index.get(word)
        if entry is not None:
            for label in entry.single:
                spans.setdefault(label, []).append((start, end))
            for label in entry.joined:
                spans.setdefault(label, []).append((start, end))
            for at in entry.first:
                label, wanted = search.parts[at]
                following = words[i + 1 : i + len(wanted)]
                if (
                    len(following) == len(wanted) - 1
                    and all(other in forms for (other, *_), forms in zip(following, wanted[1:], strict=True))
                    and _together(text, words[i : i + len(wanted)])
                ):
                    spans.setdefault(label, []).append((start, following[-1][2] if following else end))
        if word in search.halves and i + 1 < len(words) and len(words[i + 1][0]) >= _HALF:
            both = search.index.get(word + words[i + 1][0])
            for label in both.joined if both and _together(text, words[i : i + 2]) else ():
                # Where the words count by themselves, they match already.
                if entry is None or label not in entry.single:
                    spans.setdefault(label, []).append((start, words[i + 1][2]))
    return spans


def _together(text: str, words: Sequence[_Word]) -> bool:
    """Return whether only spaces, hyphens and the like are between the words."""
    return all(_GAP.fullmatch(text, a[2], b[1]) for a, b in pairwise(words))


def merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return spans in order, overlapping ones as one."""
    disjoint: list[tuple[int, int]] = []
    for start, end in sorted(set(spans)):
        if disjoint and start < disjoint[-1][1]:
            disjoint[-1] = (disjoint[-1][0], max(end, disjoint[-1][1]))
        else:
            disjoint.append((start, end))
    return disjoint


def have_one_name(a: str, b: str, forms: bool) -> bool:
    """Return whether two labels have a name in common, up to word forms."""
    return any(
        "".join(one) == "".join(other)
        or (len(one) == len(other) and all(map(_alike, one, other, [forms] * len(one))))
        for one in _names(a)
        for other in _names(b)
    )


def _alike(a: str, b: str, forms: bool) -> bool:
    return a in _forms(b, forms) or b in _forms(a, forms)
