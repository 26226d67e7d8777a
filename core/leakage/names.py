"""How names of classes are found in texts: words and where they stand, names taken apart, and the search."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from core.leakage.inflection import word_forms

MODES = ("words", "names")

_APOSTROPHES = "'\u2019\u02bc\uff07"
_PLAIN = re.compile(r"[A-Za-z0-9]+(?:'[A-Za-z]+)*")
_BETWEEN_NAMES = re.compile(r"[,;/|]")
_BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
#: What may stand between the words of one name; a comma or a full stop parts two.
_GAP = re.compile(r"[\s_'\"\u2019\u201c\u201d/\u00ad\u2010\u2011-]*")
#: What two words must have at least to be looked at as one: "door bell" is a doorbell, "a way" not away.
_HALF = 3


#: A word as it is compared, and where it stands.
_Word = tuple[str, int, int]


@dataclass(slots=True)
class _Entry:
    """What a word can be: a word of some labels, the beginning of some names, all of some names."""

    single: list[int] = field(default_factory=list)
    first: list[int] = field(default_factory=list)
    joined: list[int] = field(default_factory=list)


@dataclass
class Search:
    """Class names, taken apart for being found.

    `parts` holds each name as its label and its words, these as sets of forms; `index` what each word can be;
    `halves` the beginnings of names as one word; `words` the words of each label that count for themselves.
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
    found = []
    for i, value in enumerate(values):
        if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
            value = ""
        if not isinstance(value, str):
            raise ValueError(f"{what} {i} is {value!r}; it must be text.")
        found.append(value)
    return found


def _split(text: str) -> list[_Word]:
    """The words of a text as they are compared, and where they stand."""
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
    """Small letters without accents, in one spelling of Unicode, and without a possessive."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", word).casefold())
    plain = "".join("'" if c in _APOSTROPHES else c for c in plain if not unicodedata.combining(c))
    return _bare(plain)


def _bare(word: str) -> str:
    return word.removesuffix("'s")


def _names(label: str) -> list[list[str]]:
    """The names that a label gives, each as its words."""
    parts = _BETWEEN_NAMES.split(_BRACKETS.sub(" ", label))
    split = [[word for word, _, _ in _split(part)] for part in parts]
    # A label that stands in brackets altogether is a name all the same.
    found = [words for words in split if words]
    return found or [words for words in [[word for word, _, _ in _split(label)]] if words]


# -- search -----------------------------------------------------------------------------------------------


def search_for(class_names: Iterable[str], mode: str, stop_words: Collection[str], forms: bool) -> Search:
    """Take names apart for being found in a mode."""
    if mode not in MODES:
        raise ValueError(no_mode(mode))
    ignored = frozenset(word.lower() for word in stop_words)
    search = Search(list(dict.fromkeys(texts_of(class_names, "Class name"))))
    for i, label in enumerate(search.labels):
        for words in _names(label):
            # By words, a name is looked for as a whole only where it has no word that counts.
            _add_name(search, i, words, forms, whole=mode == "names" or ignored.issuperset(words))
        own = dict.fromkeys(word for word, _, _ in _split(label) if word not in ignored)
        search.words.append(list(own))
        if mode == "words":
            for word in own:
                for form in _forms(word, forms):
                    search.entry(form).single.append(i)
    return search


def no_mode(mode: str) -> str:
    """Say that there is no such mode."""
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
    """Return where a text names each class that it names."""
    found: dict[int, list[tuple[int, int]]] = {}
    words = _split(text)
    for i, (word, start, end) in enumerate(words):
        # This loop is where the time goes: a look or two a word, and nothing else as a rule.
        entry = search.index.get(word)
        if entry is not None:
            for label in entry.single:
                found.setdefault(label, []).append((start, end))
            for label in entry.joined:
                found.setdefault(label, []).append((start, end))
            for at in entry.first:
                label, wanted = search.parts[at]
                following = words[i + 1 : i + len(wanted)]
                if (
                    len(following) == len(wanted) - 1
                    and all(other in forms for (other, *_), forms in zip(following, wanted[1:], strict=True))
                    and _together(text, words[i : i + len(wanted)])
                ):
                    found.setdefault(label, []).append((start, following[-1][2] if following else end))
        if word in search.halves and i + 1 < len(words) and len(words[i + 1][0]) >= _HALF:
            both = search.index.get(word + words[i + 1][0])
            for label in both.joined if both and _together(text, words[i : i + 2]) else ():
                # Where the words count for themselves, they are what is found.
                if entry is None or label not in entry.single:
                    found.setdefault(label, []).append((start, words[i + 1][2]))
    return found


def _together(text: str, words: Sequence[_Word]) -> bool:
    """Whether nothing parts the words but spaces, hyphens and the like."""
    return all(_GAP.fullmatch(text, a[2], b[1]) for a, b in pairwise(words))


def merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return spans in order, those that lie in each other or overlap as one."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(set(spans)):
        if found and start < found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def have_one_name(a: str, b: str, forms: bool) -> bool:
    """Say whether two labels have a name in common, up to word forms."""
    return any(
        "".join(one) == "".join(other)
        or (len(one) == len(other) and all(map(_alike, one, other, [forms] * len(one))))
        for one in _names(a)
        for other in _names(b)
    )


def _alike(a: str, b: str, forms: bool) -> bool:
    return a in _forms(b, forms) or b in _forms(a, forms)
