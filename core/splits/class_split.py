"""Splits of classes: what they hold, how they are checked, and how they are written as JSON."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from core.checks import whole
from core.words import count

_FORMAT = "hearspace class split"
_LONGEST_JSON = 2_000_000  # characters
#: Each part, its name in messages, and the fewest classes that it can have.
_LEAST = (("train", "training", 2), ("validation", "validation", 1), ("test", "test", 2))


def checked_seed(seed: int) -> int:
    """Return the seed; raises `SplitError` for anything but a whole number from 0."""
    if not whole(seed) or seed < 0:
        raise SplitError(f"seed is {seed!r}; it must be a whole number from 0.")
    return int(seed)


class SplitError(ValueError):
    """A split that is not possible; the message says what was asked for, what exists, and what would fit."""


@dataclass(frozen=True)
class Sizes:
    """Numbers of training, validation and test classes: at least 2, 1 and 2."""

    train: int = 20
    validation: int = 5
    test: int = 5

    def __post_init__(self) -> None:
        for part, name, least in _LEAST:
            number = getattr(self, part)
            if not whole(number) or number < least:
                raise SplitError(
                    f"The number of {name} classes is {number!r}; it must be a whole number from {least}."
                )

    def __str__(self) -> str:
        return f"{self.train}/{self.validation}/{self.test}"


PAPER_SIZES = Sizes()


@dataclass(frozen=True)
class ClassSplit:
    """Training, validation and test classes; no class is in two of them.

    Attributes
    ----------
    train, validation, test : tuple of str
        At least 2, 1 and 2 classes: with fewer, nothing can be told apart.
    info : mapping
        How it was made, in plain values: ``{"setup": "similarity", "cluster": 0, "ratio": 0.75, ...}``.

    Raises
    ------
    SplitError
        For a part with too few classes, or a class that is named twice.
    """

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    info: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for part, _, least in _LEAST:
            object.__setattr__(self, part, _part(getattr(self, part), part, least))
        _check_apart({"train": self.train, "validation": self.validation, "test": self.test})


@dataclass(frozen=True)
class ClassSplitSet:
    """One set of training classes, judged on several test sets with a validation set each.

    Attributes
    ----------
    train : tuple of str
    validations, tests : tuple of tuples of str
        As many of both, at least one. Test sets may share classes with each other, but none with a validation
        set, since one model is chosen by all of these.
    info : mapping

    Raises
    ------
    SplitError
        As for `ClassSplit`.
    """

    train: tuple[str, ...]
    validations: tuple[tuple[str, ...], ...]
    tests: tuple[tuple[str, ...], ...]
    info: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "train", _part(self.train, "train", 2))
        for part, one, least in (("validations", "validation", 1), ("tests", "test", 2)):
            sets = getattr(self, part)
            if isinstance(sets, str) or not isinstance(sets, Sequence):
                raise SplitError(f"{part} must be a list of lists of classes.")
            checked = tuple(_part(s, f"{one} set {i + 1}", least) for i, s in enumerate(sets))
            object.__setattr__(self, part, checked)
        if len(self.validations) != len(self.tests) or not self.tests:
            raise SplitError(
                f"There are {len(self.validations)} validation sets and {len(self.tests)} test sets; there "
                "must be as many of both, at least one."
            )
        _check_apart(
            {"train": self.train, "validation": _union(self.validations), "test": _union(self.tests)}
        )

    def splits(self) -> tuple[ClassSplit, ...]:
        """Return one split for each test set, all with the same training classes."""
        return tuple(
            ClassSplit(self.train, v, t, {**self.info, "test_set": i})
            for i, (v, t) in enumerate(zip(self.validations, self.tests, strict=True))
        )


def check_known(split: ClassSplit | ClassSplitSet, names: Iterable[str]) -> None:
    """Raise `SplitError` if a class of the split is not among `names`."""
    known = set(names)
    unknown = [c for c in all_classes(split) if c not in known]
    if unknown:
        more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
        raise SplitError(
            f"The split names {', '.join(map(repr, unknown[:3]))}{more}, which the dataset does not have; "
            f"it has {count(len(known), 'class')}."
        )


def all_classes(split: ClassSplit | ClassSplitSet) -> tuple[str, ...]:
    """Return every class of a split once: training, validation, then test classes."""
    validations, tests = held_out(split)
    return _union((split.train, *validations, *tests))


def held_out(split: ClassSplit | ClassSplitSet) -> tuple[tuple[tuple[str, ...], ...], ...]:
    """Return the validation sets and the test sets, one of each for a `ClassSplit`."""
    if isinstance(split, ClassSplit):
        return (split.validation,), (split.test,)
    return split.validations, split.tests


def each_split(split: ClassSplit | ClassSplitSet) -> tuple[ClassSplit, ...]:
    """Return one split for each test set: a `ClassSplit` as it is, or those of a `ClassSplitSet`."""
    return (split,) if isinstance(split, ClassSplit) else split.splits()


def fewest_validation(splits: Iterable[ClassSplit | ClassSplitSet]) -> int:
    """Return the number of classes in the largest validation set of the split that has the fewest.

    Examples
    --------
    >>> fewest_validation([ClassSplit(("a", "b"), ("c", "f"), ("d", "e"))])
    2
    """
    return min(max(map(len, held_out(split)[0])) for split in splits)


def contents(split: ClassSplit | ClassSplitSet) -> tuple[frozenset[str], frozenset[Any]]:
    """Return the classes of each part without their order and without `info`; equal for equal splits.

    Examples
    --------
    >>> one = ClassSplit(("a", "b"), ("c",), ("d", "e"), {"setup": "hand"})
    >>> contents(one) == contents(ClassSplit(("b", "a"), ("c",), ("e", "d")))
    True
    """
    validations, tests = held_out(split)
    return frozenset(split.train), frozenset(
        (frozenset(v), frozenset(t)) for v, t in zip(validations, tests, strict=True)
    )


def split_to_json(split: ClassSplit | ClassSplitSet, *, compact: bool = False) -> str:
    """Return a split as JSON that people can read, or in one line; equal splits give equal texts.

    Examples
    --------
    >>> split_from_json(split_to_json(ClassSplit(("a", "b"), ("c",), ("d", "e")))).train
    ('a', 'b')
    """
    content: dict[str, Any] = {"format": _FORMAT, "version": 1, "train": split.train}
    if isinstance(split, ClassSplit):
        content |= {"validation": split.validation, "test": split.test}
    else:
        content |= {"validations": split.validations, "tests": split.tests}
    content["info"] = {key: split.info[key] for key in sorted(split.info)}
    if compact:
        return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=2) + "\n"


def split_from_json(text: str) -> ClassSplit | ClassSplitSet:
    """Return the split that JSON of unknown origin describes.

    Parameters
    ----------
    text : str
        As `split_to_json` writes it, or just an object with ``train``, ``validation`` and ``test``, each a
        list of names (``validations`` and ``tests``, lists of lists, for several test sets).

    Returns
    -------
    ClassSplit or ClassSplitSet

    Raises
    ------
    SplitError
        For text that is no such split, in one sentence.
    """
    text = text.removeprefix("\ufeff")  # the mark that some editors begin a file with
    if len(text) > _LONGEST_JSON:
        raise SplitError(f"The text has {len(text):,} characters; a split has at most {_LONGEST_JSON:,}.")
    try:
        content = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
        text.encode()
    except json.JSONDecodeError as error:
        raise SplitError(
            f"This is no JSON: line {error.lineno}, column {error.colno}: {error.msg}."
        ) from None
    except RecursionError:
        raise SplitError("This JSON is nested too deeply for a split.") from None
    except SplitError:
        raise
    except ValueError as error:  # a whole number of thousands of digits, half of a character
        raise SplitError(f"This JSON holds what no split holds: {error}.") from None
    if not isinstance(content, dict) or content.get("format", _FORMAT) != _FORMAT:
        raise SplitError('This JSON is no split: it needs an object with "train", "validation" and "test".')
    if content.get("version", 1) != 1:
        raise SplitError(f"The split is of version {content['version']!r}; this hearspace reads version 1.")
    several = "tests" in content
    parts = ("train", "validations", "tests") if several else ("train", "validation", "test")
    missing = [part for part in parts if part not in content]
    if missing:
        raise SplitError(f'The split has no "{missing[0]}"; it needs {", ".join(parts)}.')
    info = content.get("info", {})
    if not isinstance(info, dict):
        raise SplitError('"info" of a split must be an object.')
    train, validation, test = (content[part] for part in parts)
    split = (ClassSplitSet if several else ClassSplit)(train, validation, test, info)
    try:
        # An escape can stand for half of a character, which no file can hold.
        json.dumps([split.train, split.info, validation, test], ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise SplitError("The split holds half of a character (a lone surrogate); mend its names.") from None
    return split


def _no_constant(name: str) -> float:
    raise SplitError(f"The split holds {name}, which is no JSON number.")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise SplitError(f"The split holds {text[:20]}, which is too large for a number.")
    return value


def _part(classes: Any, part: str, least: int) -> tuple[str, ...]:
    if isinstance(classes, str) or not isinstance(classes, Iterable):
        raise SplitError(f"{part} must be a list of classes.")
    names = tuple(classes)
    wrong = [c for c in names if not isinstance(c, str) or not c]
    if wrong:
        raise SplitError(f"{part} holds {wrong[0]!r}; a class is a name.")
    names = tuple(str(c) for c in names)  # numpy's strings are strings of a kind, and JSON's are not
    twice = next((c for c, n in Counter(names).items() if n > 1), None)
    if twice is not None:
        raise SplitError(f"{part} names {twice!r} twice.")
    if len(names) < least:
        raise SplitError(f"{part} has {count(len(names), 'class')}; it needs at least {least}.")
    return names


def _check_apart(parts: Mapping[str, tuple[str, ...]]) -> None:
    seen: dict[str, str] = {}
    for part, classes in parts.items():
        for c in classes:
            if c in seen:
                raise SplitError(f"{c!r} is both a {seen[c]} and a {part} class; it can be only one of them.")
        seen |= dict.fromkeys(classes, part)


def _union(sets: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(chain.from_iterable(sets)))
