"""Which captions and labels name the classes that a zero-shot test is made of.

A model that was trained with a caption "a dog barks" is not tested without examples when it is asked to tell
dogs. Here is what finds such captions, in two ways: ``mode="words"`` finds those that hold **any word** of a
class's name, stop words aside, as the paper removed them; ``mode="names"`` those that hold a **whole name**.
Both see through case, hyphens, underscores, accents, plurals and other forms of a word.

A name is taken apart at commas, semicolons and slashes, each part being a name of its own (*Domestic animals,
pets*), and does without what it has in brackets. What is found by whole names is found by words, too.
"""

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

from core._word_forms import STOP_WORDS, word_forms

__all__ = [
    "MODES",
    "STOP_WORDS",
    "filter_captions",
    "find_leaks",
    "leak_report",
    "leak_spans",
    "overlap_of_labels",
    "searched_words",
    "word_forms",
]

MODES = ("words", "names")

_COLUMNS = ("row", "caption", "label", "matched")
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
class _Search:
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


def find_leaks(
    captions: Iterable[str | None],
    class_names: Iterable[str],
    *,
    mode: str = "words",
    stop_words: Collection[str] = STOP_WORDS,
    forms: bool = True,
) -> pd.DataFrame:
    """Find the captions that name a class.

    Parameters
    ----------
    captions : n texts
        Empty ones, None and NaN name nothing.
    class_names : C texts
        One given twice counts once. One without a letter or digit is never found.
    mode : {'words', 'names'}, default 'words'
        Whether any word of a name is a leak, or only a whole name: its words side by side and in order, no
        comma or full stop between them, or written as one (*door bell*, *doorbell*).
    stop_words : collection of str, default `STOP_WORDS`
        Words of names that do not count for themselves. A name of nothing else is looked for as a whole.
    forms : bool, default True
        Whether other forms of a word count as the word: *dogs*, *barking*, *barked* for *dog bark*. The word
        without 's counts either way.

    Returns
    -------
    DataFrame
        A row for each caption and class it names, by caption, then in the order of the classes: ``row`` (int,
        from 0), ``caption``, ``label``, ``matched`` (what of the caption names it, as it stands there, with
        ", " between several).

    Raises
    ------
    ValueError
        For an unknown mode, or something that is no text.

    References
    ----------
    ``mode="words"``: T. F. Tavares, F. Ayres, Z. Wang and P. Smaragdis, "On class separability pitfalls in
    audio-text contrastive zero-shot learning", ICASSP 2025, section 2.2; docs/leakage.md says what it leaves
    open.

    Examples
    --------
    >>> found = find_leaks(["A DOG barks", "two men talk", "barking"], ["dog_bark", "man"], mode="words")
    >>> found[["row", "label", "matched"]].values.tolist()
    [[0, 'dog_bark', 'DOG, barks'], [1, 'man', 'men'], [2, 'dog_bark', 'barking']]
    >>> find_leaks(["A DOG barks", "two men"], ["dog_bark", "man"], mode="names")["row"].tolist()
    [0, 1]
    """
    texts = _texts(captions, "Caption")
    search = _search(class_names, mode, stop_words, forms)
    rows: list[tuple[int, str, str, str]] = []
    for row, text in enumerate(texts):
        found = _find(text, search)
        for label in sorted(found):
            matched = dict.fromkeys(text[a:b] for a, b in _merged(found[label]))
            rows.append((row, text, search.labels[label], ", ".join(matched)))
    frame = pd.DataFrame(rows, columns=list(_COLUMNS))
    text_columns = dict.fromkeys(_COLUMNS[1:], "str")
    return frame.astype({"row": "int64", **text_columns})


def filter_captions(
    captions: Iterable[str | None],
    class_names: Iterable[str],
    *,
    mode: str = "words",
    clips: Iterable[Any] | None = None,
    stop_words: Collection[str] = STOP_WORDS,
    forms: bool = True,
) -> np.ndarray:
    """Say which captions may stay in clean training data.

    Parameters
    ----------
    captions, class_names, mode, stop_words, forms
        See `find_leaks`.
    clips : n values, optional
        The clip of each caption. Where one caption of a clip names a class, none of that clip's stays.

    Returns
    -------
    (n,) bool array
        True for what is kept.

    Raises
    ------
    ValueError
        As `find_leaks`, or if there is not one clip for each caption.

    Examples
    --------
    >>> captions = ["a dog", "it is loud", "rain on a roof"]
    >>> filter_captions(captions, ["dog"]).tolist()
    [False, True, True]
    >>> filter_captions(captions, ["dog"], clips=["a", "a", "b"]).tolist()
    [False, False, True]
    """
    texts = _texts(captions, "Caption")
    search = _search(class_names, mode, stop_words, forms)
    kept = np.array([not _find(text, search) for text in texts], dtype=bool)
    if clips is None:
        return kept
    of = list(clips)
    if len(of) != len(texts):
        raise ValueError(f"There are {len(of)} clips for {len(texts)} captions; give one for each.")
    lost = {clip for clip, keep in zip(of, kept.tolist(), strict=True) if not keep}
    return np.array([clip not in lost for clip in of], dtype=bool)


def leak_report(
    captions: Iterable[str | None],
    class_names: Iterable[str],
    *,
    mode: str = "words",
    stop_words: Collection[str] = STOP_WORDS,
    forms: bool = True,
    examples: int = 3,
    leaks: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Count leaks by class.

    Parameters
    ----------
    captions, class_names, mode, stop_words, forms
        See `find_leaks`.
    examples : int, default 3
        Captions to show of each class: the first that differ.
    leaks : DataFrame, optional
        From `find_leaks`, where it is there already.

    Returns
    -------
    DataFrame
        A row a class, also of those that nothing names, most captions first, then in the order given:
        ``label``; ``captions``, how many name it; ``share`` of all captions, in [0, 1], NaN where there is
        none; ``matched``, a list of (text in small letters, captions that hold it), most first; ``examples``,
        a list of captions.

    Examples
    --------
    >>> report = leak_report(["a dog", "Dogs bark", "rain"], ["cat", "dog"])
    >>> report[["label", "captions", "matched"]].values.tolist()
    [['dog', 2, [('dog', 1), ('dogs', 1)]], ['cat', 0, []]]
    """
    texts = _texts(captions, "Caption")
    names = list(dict.fromkeys(_texts(class_names, "Class name")))
    if leaks is None:
        leaks = find_leaks(texts, names, mode=mode, stop_words=stop_words, forms=forms)
    counts = dict.fromkeys(names, 0)
    matched: dict[str, dict[str, int]] = {name: {} for name in names}
    shown: dict[str, dict[str, None]] = {name: {} for name in names}
    for caption, label, found in zip(leaks["caption"], leaks["label"], leaks["matched"], strict=True):
        counts[label] += 1
        for text in dict.fromkeys(found.lower().split(", ")):
            matched[label][text] = matched[label].get(text, 0) + 1
        if len(shown[label]) < examples:
            shown[label][caption] = None
    order = sorted(names, key=lambda name: -counts[name])
    return pd.DataFrame(
        {
            "label": pd.Series(order, dtype="str"),
            "captions": np.array([counts[name] for name in order], np.int64),
            "share": np.array([counts[name] / len(texts) if texts else np.nan for name in order], float),
            "matched": [sorted(matched[name].items(), key=_most_first) for name in order],
            "examples": [list(shown[name]) for name in order],
        }
    )


def _most_first(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


def leak_spans(
    caption: str,
    class_names: Iterable[str],
    *,
    mode: str = "words",
    stop_words: Collection[str] = STOP_WORDS,
    forms: bool = True,
) -> list[tuple[int, int]]:
    """Say which parts of a caption name a class, as (start, end) in its characters, in order and apart.

    Examples
    --------
    >>> leak_spans("A dog barks.", ["dog bark"], mode="names")
    [(2, 11)]
    """
    search = _search(class_names, mode, stop_words, forms)
    found = _find(_texts([caption], "Caption")[0], search)
    return _merged([span for spans in found.values() for span in spans])


def searched_words(
    class_names: Iterable[str], *, stop_words: Collection[str] = STOP_WORDS
) -> dict[str, list[str]]:
    """Return the words of each name that ``mode="words"`` looks for, without their forms.

    Examples
    --------
    >>> searched_words(["Sound_of_things", "can opening"])
    {'Sound_of_things': ['sound', 'things'], 'can opening': ['opening']}
    """
    search = _search(class_names, "words", stop_words, True)
    return dict(zip(search.labels, search.words, strict=True))


def overlap_of_labels(
    a: Iterable[str],
    b: Iterable[str],
    *,
    mode: str = "names",
    stop_words: Collection[str] = STOP_WORDS,
    forms: bool = True,
) -> pd.DataFrame:
    """Compare two sets of labels, such as those of pre-training and those of a test.

    Parameters
    ----------
    a, b : texts
        One given twice counts once.
    mode : {'names', 'words'}, default 'names'
        With ``"words"`` also pairs that only share a word.
    stop_words, forms
        See `find_leaks`.

    Returns
    -------
    DataFrame
        A row for each pair that overlaps, in the order of `b`, then of `a`: ``a``, ``b``, ``relation``,
        ``matched`` (what of `a` it is). The relation is ``same``, both have a name in common, up to word
        forms; ``within``, `a` holds a whole name of `b` (*dog bark*, *dog*); ``around``, `b` holds one of
        `a`; or ``words``.

    Examples
    --------
    >>> overlap_of_labels(["Dogs", "Church bell", "Rain"], ["dog", "bell"]).values.tolist()
    [['Dogs', 'dog', 'same', 'Dogs'], ['Church bell', 'bell', 'within', 'bell']]
    """
    first = list(dict.fromkeys(_texts(a, "Label")))
    second = list(dict.fromkeys(_texts(b, "Label")))
    how: dict[str, Any] = {"stop_words": stop_words, "forms": forms}
    ways = {
        "within": find_leaks(first, second, mode="names", **how),
        "around": find_leaks(second, first, mode="names", **how),
    }
    if mode == "words":
        ways["words"] = find_leaks(first, second, mode="words", **how)
    elif mode != "names":
        raise ValueError(_no_mode(mode))
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for caption, label, matched in ways["within"][["caption", "label", "matched"]].to_numpy():
        found[caption, label] = ("within", matched)
    for caption, label in ways["around"][["caption", "label"]].to_numpy():
        already = found.get((label, caption))
        if already is None:
            found[label, caption] = ("around", label)
        elif _have_one_name(label, caption, forms):
            found[label, caption] = ("same", already[1])
    for caption, label, matched in ways["words"].iloc[:, 1:].to_numpy() if "words" in ways else ():
        found.setdefault((caption, label), ("words", matched))
    place = [{name: i for i, name in enumerate(names)} for names in (first, second)]
    order = sorted(found, key=lambda pair: (place[1][pair[1]], place[0][pair[0]]))
    rows = [(*pair, *found[pair]) for pair in order]
    return pd.DataFrame(rows, columns=["a", "b", "relation", "matched"], dtype="str")


# -- words ------------------------------------------------------------------------------------------------


def _texts(values: Iterable[Any], what: str) -> list[str]:
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


def _search(class_names: Iterable[str], mode: str, stop_words: Collection[str], forms: bool) -> _Search:
    if mode not in MODES:
        raise ValueError(_no_mode(mode))
    ignored = frozenset(word.lower() for word in stop_words)
    search = _Search(list(dict.fromkeys(_texts(class_names, "Class name"))))
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


def _no_mode(mode: str) -> str:
    return f"mode is {mode!r}; it must be one of {', '.join(MODES)}."


def _forms(word: str, forms: bool) -> frozenset[str]:
    return word_forms(word) if forms else frozenset((word,))


def _add_name(search: _Search, label: int, words: Sequence[str], forms: bool, *, whole: bool) -> None:
    if whole:
        wanted = tuple(_forms(word, forms) for word in words)
        for form in wanted[0]:
            search.entry(form).first.append(len(search.parts))
        search.parts.append((label, wanted))
    for form in _forms("".join(words), forms):
        search.entry(form).joined.append(label)
        search.halves.update(form[:n] for n in range(_HALF, len(form) - _HALF + 1))


def _find(text: str, search: _Search) -> dict[int, list[tuple[int, int]]]:
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


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans in order, those that lie in each other or overlap as one."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(set(spans)):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _have_one_name(a: str, b: str, forms: bool) -> bool:
    """Whether two labels have a name in common, up to word forms."""
    return any(
        "".join(one) == "".join(other)
        or (len(one) == len(other) and all(map(_alike, one, other, [forms] * len(one))))
        for one in _names(a)
        for other in _names(b)
    )


def _alike(a: str, b: str, forms: bool) -> bool:
    return a in _forms(b, forms) or b in _forms(a, forms)
