"""Shared by the readers of embedding files: the parts that they yield, known names, and errors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

#: Bytes of vectors in memory at once.
BLOCK = 16 << 20

IDS = ("ids", "clip_ids", "clip_id", "id")
ID_NAMES = (*IDS, "path", "filename", "file_name", "file", "fname", "audio_path", "filepath", "name")
VECTOR_NAMES = ("embeddings", "embedding", "vectors", "vector", "features")


class EmbeddingsError(ValueError):
    """Embeddings cannot be imported; the message says why and what to do."""


class Part(NamedTuple):
    """Some of the clips of a file, in its order.

    Attributes
    ----------
    ids : list of str or None
        The file's names of the clips; None if it has none, so that their order counts.
    vectors : (b, d) array or None
        One vector a clip.
    frames : (m, d) array or None
        Frames of these clips, one clip after another.
    counts : (b,) array of int or None
        Frames of each clip.
    """

    ids: list[str] | None
    vectors: np.ndarray | None
    frames: np.ndarray | None = None
    counts: np.ndarray | None = None


class Source(NamedTuple):
    """A file of embeddings that is to be read.

    Attributes
    ----------
    path : Path
    folder : Path
        For temporary files.
    notes : list of str
        Takes what was ignored, a sentence each.
    unnamed : bool
        Whether the names of the clips are given elsewhere.
    """

    path: Path
    folder: Path
    notes: list[str]
    unnamed: bool = False


def listed(names: Sequence[str]) -> str:
    """Join names for a sentence, the first ten at most."""
    return ", ".join(names[:10]) + (", …" if len(names) > 10 else "")


def unreadable(path: Path, error: BaseException) -> str:
    """Return the sentence for a file whose reader failed."""
    if "pickle" in str(error) or "Python objects" in str(error):
        return pickled(path, f"np.save({path.stem + '.npy'!r}, np.asarray(X, dtype=np.float32))")
    return f"{path} cannot be read ({' '.join(str(error).split())})."


def pickled(path: Path, words: str, what: str = "") -> str:
    """Return the sentence for a file with pickled values, with the code that saves plain arrays.

    Parameters
    ----------
    path : Path
    words : str
        Python that saves what the file should hold.
    what : str, optional
        The array of the file.
    """
    return (
        f"{path} holds Python objects, which would have to be unpickled{f', in {what}' if what else ''}; "
        f"save plain arrays instead: `{words}`."
    )
