"""Which captions and labels name the classes that a zero-shot test is made of.

A model that was trained with a caption "a dog barks" is not tested zero-shot on the class dog. Such captions
are searched for in two ways: ``mode="words"`` returns those that contain **any word** of a class's name, stop
words aside, after the paper; ``mode="names"`` those that contain a **whole name**. Both ignore case, hyphens,
underscores, accents, plurals and other forms of a word.

A name is split at commas, semicolons and slashes, each part being a name of its own (*Domestic animals,
pets*), and its brackets are ignored. What whole names match is also matched by words.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Unpack

import numpy as np
import pandas as pd

from core.leakage.inflection import STOP_WORDS
from core.leakage.names import Matching, find, have_one_name, merged, no_mode, search_for, texts_of

_COLUMNS = ("row", "caption", "label", "matched")


def find_leaks(
    captions: Iterable[str | None],
    class_names: Iterable[str],
    *,
    mode: str = "words",
    stop_words: Collection[str] = STOP_WORDS,
    forms: bool = True,
    most: int | None = None,
) -> pd.DataFrame:
    """Find the captions that name a class.

    Parameters
    ----------
    captions : n texts
        Empty ones, None and NaN name nothing.
    class_names : C texts
        One given twice counts once. One without a letter or digit never matches.
    mode : {'words', 'names'}, default 'words'
        Whether any word of a name is a leak, or only a whole name: its words side by side and in order, no
        comma or full stop between them, or written as one (*door bell*, *doorbell*).
    stop_words : collection of str, default `STOP_WORDS`
        Words of names that do not count by themselves. A name of nothing else is searched for as a whole.
    forms : bool, default True
        Whether other forms of a word count as the word: *dogs*, *barking*, *barked* for *dog bark*. The word
        without 's counts either way.
    most : int, optional
        Largest number of rows; class names that are sentences can give very many.

    Returns
    -------
    DataFrame
        A row for each caption and class it names, by caption, then in the order of the classes: ``row`` (int,
        from 0), ``caption``, ``label``, ``matched`` (the words of the caption that name it, with ", " between
        several).

    Raises
    ------
    ValueError
        For an unknown mode, something that is no text, or more rows than `most`.

    References
    ----------
    ``mode="words"``: T. F. Tavares, F. Ayres, Z. Wang and P. Smaragdis, "On class separability pitfalls in
    audio-text contrastive zero-shot learning", ICASSP 2025, section 2.2; docs/leakage.md says what it leaves
    open.

    Examples
    --------
    >>> leaks = find_leaks(["A DOG barks", "two men talk", "barking"], ["dog_bark", "man"], mode="words")
    >>> leaks[["row", "label", "matched"]].values.tolist()
    [[0, 'dog_bark', 'DOG, barks'], [1, 'man', 'men'], [2, 'dog_bark', 'barking']]
    >>> find_leaks(["A DOG barks", "two men"], ["dog_bark", "man"], mode="names")["row"].tolist()
    [0, 1]
    """
    texts = texts_of(captions, "Caption")
    search = search_for(class_names, mode, stop_words, forms)
    rows: list[tuple[int, str, str, str]] = []
    for row, text in enumerate(texts):
        spans = find(text, search)
        for label in sorted(spans):
            matched = dict.fromkeys(text[a:b] for a, b in merged(spans[label]))
            rows.append((row, text, search.labels[label], ", ".join(matched)))
        if most is not None and len(rows) > most:
            raise ValueError(
                f"The first {row + 1:,} of {len(texts):,} texts name classes more than {most:,} times, among "
                f"{len(search.labels):,} classes; search for fewer classes, or for whole names."
            )
    frame = pd.DataFrame(rows, columns=list(_COLUMNS))
    text_columns = dict.fromkeys(_COLUMNS[1:], "str")
    return frame.astype({"row": "int64", **text_columns})


def filter_captions(
    captions: Iterable[str | None],
    class_names: Iterable[str],
    *,
    clips: Iterable[Any] | None = None,
    **matching: Unpack[Matching],
) -> np.ndarray:
    """Return which captions may stay in clean training data.

    Parameters
    ----------
    captions, class_names, **matching
        See `find_leaks`: ``mode``, ``stop_words`` and ``forms``.
    clips : n values, optional
        The clip of each caption. Where one caption of a clip names a class, all captions of the clip go.

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
    texts = texts_of(captions, "Caption")
    search = search_for(class_names, **matching)
    kept = np.array([not find(text, search) for text in texts], dtype=bool)
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
    examples: int = 3,
    leaks: pd.DataFrame | None = None,
    **matching: Unpack[Matching],
) -> pd.DataFrame:
    """Count leaks by class.

    Parameters
    ----------
    captions, class_names, **matching
        See `find_leaks`: ``mode``, ``stop_words`` and ``forms``.
    examples : int, default 3
        Captions to show of each class: the first that differ.
    leaks : DataFrame, optional
        The result of `find_leaks`, where it is known already.

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
    texts = texts_of(captions, "Caption")
    names = list(dict.fromkeys(texts_of(class_names, "Class name")))
    if leaks is None:
        leaks = find_leaks(texts, names, **matching)
    counts = dict.fromkeys(names, 0)
    matched: dict[str, dict[str, int]] = {name: {} for name in names}
    shown: dict[str, dict[str, None]] = {name: {} for name in names}
    for caption, label, pieces in zip(leaks["caption"], leaks["label"], leaks["matched"], strict=True):
        counts[label] += 1
        for text in dict.fromkeys(pieces.lower().split(", ")):
            matched[label][text] = matched[label].get(text, 0) + 1
        if len(shown[label]) < examples:
            shown[label][caption] = None
    order = sorted(names, key=counts.__getitem__, reverse=True)
    return pd.DataFrame(
        {
            "label": pd.Series(order, dtype="str"),
            "captions": np.array([counts[name] for name in order], np.int64),
            "share": np.array([counts[name] / len(texts) if texts else np.nan for name in order], float),
            "matched": [sorted(matched[name].items(), key=lambda of: (-of[1], of[0])) for name in order],
            "examples": [list(shown[name]) for name in order],
        }
    )


def leak_spans(
    caption: str, class_names: Iterable[str], **matching: Unpack[Matching]
) -> list[tuple[int, int]]:
    """Return the parts of a caption that name a class, as (start, end) in its characters, in order.

    Keyword arguments are ``mode``, ``stop_words`` and ``forms`` of `find_leaks`.

    Examples
    --------
    >>> leak_spans("A dog barks.", ["dog bark"], mode="names")
    [(2, 11)]
    """
    search = search_for(class_names, **matching)
    by_label = find(texts_of([caption], "Caption")[0], search)
    return merged([span for spans in by_label.values() for span in spans])


def searched_words(
    class_names: Iterable[str], *, stop_words: Collection[str] = STOP_WORDS
) -> dict[str, list[str]]:
    """Return the words of each name that ``mode="words"`` searches for, without their forms.

    Examples
    --------
    >>> searched_words(["Sound_of_things", "can opening"])
    {'Sound_of_things': ['sound', 'things'], 'can opening': ['opening']}
    """
    search = search_for(class_names, stop_words=stop_words)
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
        ``matched`` (the words of `a` that match). The relation is ``same``, both have a name in common, up to
        word forms; ``within``, `a` contains a whole name of `b` (*dog bark*, *dog*); ``around``, `b` contains
        one of `a`; or ``words``.

    Examples
    --------
    >>> overlap_of_labels(["Dogs", "Church bell", "Rain"], ["dog", "bell"]).values.tolist()
    [['Dogs', 'dog', 'same', 'Dogs'], ['Church bell', 'bell', 'within', 'bell']]
    """
    first = list(dict.fromkeys(texts_of(a, "Label")))
    second = list(dict.fromkeys(texts_of(b, "Label")))
    how: dict[str, Any] = {"stop_words": stop_words, "forms": forms}
    ways = {
        "within": find_leaks(first, second, mode="names", **how),
        "around": find_leaks(second, first, mode="names", **how),
    }
    if mode == "words":
        ways["words"] = find_leaks(first, second, mode="words", **how)
    elif mode != "names":
        raise ValueError(no_mode(mode))
    related: dict[tuple[str, str], tuple[str, str]] = {}
    for caption, label, matched in ways["within"][["caption", "label", "matched"]].to_numpy():
        related[caption, label] = ("within", matched)
    for caption, label in ways["around"][["caption", "label"]].to_numpy():
        already = related.get((label, caption))
        if already is None:
            related[label, caption] = ("around", label)
        elif have_one_name(label, caption, forms):
            related[label, caption] = ("same", already[1])
    for caption, label, matched in ways["words"].iloc[:, 1:].to_numpy() if "words" in ways else ():
        related.setdefault((caption, label), ("words", matched))
    place = [{name: i for i, name in enumerate(names)} for names in (first, second)]
    order = sorted(related, key=lambda pair: (place[1][pair[1]], place[0][pair[0]]))
    rows = [(*pair, *related[pair]) for pair in order]
    return pd.DataFrame(rows, columns=["a", "b", "relation", "matched"], dtype="str")
