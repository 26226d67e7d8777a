"""Two files of embeddings whose rows are pairs: things and their partners, or clips and their classes."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jobs.importing.files import Staged, stage
from jobs.importing.parts import EmbeddingsError

#: Most answers to analogies that are computed: of more pairs, only some give their offsets.
MOST_ANSWERS = 2e9


@dataclass(frozen=True, eq=False)
class Pairs:
    """Two spaces of the same things.

    Attributes
    ----------
    ids : list of str
        Of the things; their number, from 0, if the files have no names.
    X, Y : (n, d1) and (n, d2) float32 arrays
    groups : list of str or None
        Of each pair.
    clips : (m, d1) float32 array or None
        If rows of the first file are clips: all of them, with `X` the means of the classes.
    labels : list of str or None
        The one of `ids` that is the class of each clip.
    classes : list of str or None
        Names of all rows of the second file, with or without clips.
    texts : (C, d2) float32 array or None
        These rows.
    """

    ids: list[str]
    X: np.ndarray
    Y: np.ndarray
    groups: list[str] | None = None
    clips: np.ndarray | None = None
    labels: list[str] | None = None
    classes: list[str] | None = None
    texts: np.ndarray | None = None


def read_pairs(
    x: Path,
    y: Path,
    *,
    groups: Path | None = None,
    labels: Path | None = None,
    classes: Path | None = None,
) -> Pairs:
    """Read two files of embeddings and bring their rows together.

    Parameters
    ----------
    x, y : Path
        As for `jobs.importing.files.stage`. If both name their rows, rows of one name are a pair
        and the others are left out; else row i of both is a pair.
    groups : Path, optional
        The group of each row of `x`, a line each.
    labels : Path, optional
        The class of each row of `x`, a line each, if these are clips and rows of `y` are classes.
    classes : Path, optional
        The name of each row of `y`, a line each, if the file has none.

    Raises
    ------
    EmbeddingsError
        With one sentence: what is wrong with a file, or that they do not fit.
    """
    with tempfile.TemporaryDirectory(prefix="hearspace-pairs-") as folder:
        first, second = (_staged(path, Path(folder) / name) for path, name in ((x, "x"), (y, "y")))
    of_x = {
        what: None if path is None else _lines(path, len(first[1]), x)
        for what, path in (("groups", groups), ("labels", labels))
    }
    names = second[0] if classes is None else _lines(classes, len(second[1]), y)
    if of_x["labels"] is not None:
        if groups is not None:
            raise EmbeddingsError("There are labels and groups; give one of the two.")
        return _classified(first[1], second[1], of_x["labels"], names, y)
    return _matched(first, (names, second[1]), of_x["groups"], x, y)


def _staged(path: Path, folder: Path) -> tuple[list[str] | None, np.ndarray]:
    folder.mkdir()
    staged: Staged = stage(path, folder)
    if staged.ids is not None and len(set(staged.ids)) < len(staged.ids):
        raise EmbeddingsError(f"{path} names a row twice; each name must be unique.")
    # Read into memory, because the folder is temporary.
    return staged.ids, np.array(staged.vectors)


def _lines(path: Path, n: int, of: Path) -> list[str]:
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise EmbeddingsError(f"{path} cannot be read as text ({error}).") from None
    if len(lines) != n or not all(lines):
        raise EmbeddingsError(
            f"{path} has {len([line for line in lines if line]):,} lines of text for {n:,} rows of {of}; it "
            "must have one for each."
        )
    return lines


def _matched(
    first: tuple[list[str] | None, np.ndarray],
    second: tuple[list[str] | None, np.ndarray],
    groups: list[str] | None,
    x: Path,
    y: Path,
) -> Pairs:
    (ids, X), (others, Y) = first, second
    if ids is None or others is None:
        if len(X) != len(Y):
            raise EmbeddingsError(
                f"{x} has {len(X):,} rows and {y} {len(Y):,}; without names in both, row i of both must be a "
                "pair."
            )
        return Pairs(ids or others or [str(i) for i in range(len(X))], X, Y, groups)
    where = {name: row for row, name in enumerate(others)}
    mine = [row for row, name in enumerate(ids) if name in where]
    if len(mine) < 2:
        raise EmbeddingsError(f"{x} and {y} have {len(mine)} names in common; they must have two or more.")
    kept = None if groups is None else [groups[row] for row in mine]
    return Pairs([ids[row] for row in mine], X[mine], Y[[where[ids[row]] for row in mine]], kept)


def _classified(X: np.ndarray, Y: np.ndarray, labels: list[str], names: list[str] | None, y: Path) -> Pairs:
    from core.splits import class_centroids

    if names is None:
        raise EmbeddingsError(f"{y} does not name its rows; give their classes, a line each.")
    where = {name: row for row, name in enumerate(names)}
    unknown = sorted(set(labels) - set(where))
    if unknown:
        raise EmbeddingsError(f"{y} has no row for the class {unknown[0]!r}.")
    if len(set(labels)) < 2:
        raise EmbeddingsError(f"All clips are of the class {labels[0]!r}; there is nothing to compare.")
    ids, means = class_centroids(X, np.array(labels))
    present = [str(name) for name in ids]
    return Pairs(
        present,
        np.asarray(means, dtype=np.float32),
        Y[[where[name] for name in present]],
        clips=X,
        labels=labels,
        classes=names,
        texts=Y,
    )


def given_of(n: int) -> np.ndarray | None:
    """Return the rows whose offsets analogies are made with: None for all, else some, spread evenly.

    Examples
    --------
    >>> given_of(1000) is None, len(given_of(10_000))
    (True, 20)
    """
    most = int(MOST_ANSWERS // (n * n)) if n else 0
    return None if most >= n else np.unique(np.linspace(0, n - 1, max(1, most)).round().astype(np.int64))
