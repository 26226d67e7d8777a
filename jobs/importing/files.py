"""Read embeddings that another program wrote: arrays, tables, or a folder of JSON files.

Files are read in blocks, which go to a folder of the caller as plain float32, so memory does not grow with
the number of clips. Nothing is unpickled.
"""

from __future__ import annotations

import json
import os
import re
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa

from jobs.importing.arrays import npy, npz, safetensors
from jobs.importing.parts import ID_NAMES, VECTOR_NAMES, EmbeddingsError, Part, Source, listed, unreadable
from jobs.importing.tables import arrow, delimited, names_in, parquet

_KINDS = {
    ".npy": npy,
    ".npz": npz,
    ".safetensors": safetensors,
    ".parquet": parquet,
    ".feather": arrow,
    ".arrow": arrow,
    ".csv": delimited,
    ".tsv": delimited,
}
#: Code that converts files of other kinds; opening some of these runs code, so that none is read here.
_WORDS = {
    ".pkl": "pd.read_pickle({file!r}).to_parquet('{stem}.parquet')",
    ".pt": "np.save('{stem}.npy', torch.load({file!r}).float().cpu().numpy())",
    ".h5": "f = h5py.File({file!r}); np.save('{stem}.npy', f['embeddings'][:])",
    ".mat": "np.save('{stem}.npy', scipy.io.loadmat({file!r})['embeddings'])",
    ".xlsx": "pd.read_excel({file!r}).to_csv('{stem}.csv', index=False)",
    ".json": "pd.read_json({file!r}).to_parquet('{stem}.parquet')",
    ".jsonl": "pd.read_json({file!r}, lines=True).to_parquet('{stem}.parquet')",
    ".txt": "np.save('{stem}.npy', np.loadtxt({file!r}))",
}
_WORDS |= {
    kind: _WORDS[like]
    for kind, like in {".pickle": ".pkl", ".pth": ".pt", ".hdf5": ".h5", ".xls": ".xlsx"}.items()
}

#: Errors of readers for files that are damaged, locked, or packed by an unknown method.
_DAMAGED = (
    ValueError,
    OSError,
    EOFError,
    RuntimeError,
    MemoryError,
    SyntaxError,
    tokenize.TokenError,
    pa.ArrowException,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass
class Staged:
    """The embeddings of a file, as float32 on disk.

    Attributes
    ----------
    ids : list of str or None
        The file's names of the clips, in its order.
    vectors : (n, d) float32 array
        Mapped. A clip without frames, in a file of frames, has a vector of nan.
    frames : (m, d) float32 array or None
        Mapped; None if the file has one vector a clip.
    offsets : (n + 1,) int64 array
        Frames of clip i are ``frames[offsets[i]:offsets[i + 1]]``; all 0 where there are none.
    notes : list of str
        What was ignored, a sentence each.
    """

    ids: list[str] | None
    vectors: np.ndarray
    frames: np.ndarray | None
    offsets: np.ndarray
    notes: list[str]


def stage(path: Path, folder: Path, *, ids: Path | None = None) -> Staged:
    """Read a file or folder of embeddings.

    Parameters
    ----------
    path : Path
        ``.npy``, ``.npz``, ``.safetensors``, ``.parquet``, ``.feather``, ``.arrow``, ``.csv``, ``.tsv``, or a
        folder of ``.json`` files, one a clip.
    folder : Path
        Where to put the vectors; it must outlive the result.
    ids : Path, optional
        A text file with the name of a clip a line, or a table with a column of names, for a file that holds
        none. Beside a ``.tsv`` without names, ``metadata.tsv`` is taken, as the Embedding Projector has it.

    Raises
    ------
    EmbeddingsError
        With one sentence: no such file, an unknown kind, Python objects inside, no numbers, vectors of
        different lengths.
    """
    notes: list[str] = []
    source = ids or names_beside(path)
    names = None if source is None else names_in(source)
    parts = _checked(path, _reader(Source(path, folder, notes, names is not None)))
    given: list[str] = []
    counts: list[np.ndarray] = []
    n, d, single = 0, 0, True
    raw = [folder / "vectors.f32", folder / "frames.f32"]
    # What does not fit into 32 bits becomes infinite, and is left out as such.
    with open(raw[0], "wb") as vectors, open(raw[1], "wb") as frames, np.errstate(over="ignore"):
        for part in parts:
            d = _width(part, path, d)
            n += len(_vectors(part, d, vectors))
            given += part.ids or ()
            if part.frames is not None and part.counts is not None:
                frames.write(np.ascontiguousarray(part.frames, np.float32).tobytes())
                counts.append(np.asarray(part.counts, np.int64))
                single = single and part.vectors is None and bool((counts[-1] == 1).all())
    if n == 0:
        raise EmbeddingsError(f"{path} holds no embeddings.")
    if given and ids is not None:
        raise EmbeddingsError(f"{path} names its clips itself; leave --ids out.")
    if names is not None and not given:
        if len(names) != n:
            raise EmbeddingsError(f"{source} names {len(names):,} clips and {path} holds {n:,} embeddings.")
        if ids is None and source is not None:
            notes.append(f"Names of the clips are from {source.name} beside it.")
    frame_level = bool(counts) and not single  # one frame a clip is a vector a clip
    offsets = np.zeros(n + 1, np.int64)
    if frame_level:
        np.cumsum(np.concatenate(counts), out=offsets[1:])
        if offsets[-1] == 0:
            raise EmbeddingsError(f"{path} holds no frames of any of its {n:,} clips.")
    return Staged(
        given or names,
        np.memmap(raw[0], np.float32, "r", shape=(n, d)),
        np.memmap(raw[1], np.float32, "r", shape=(int(offsets[-1]), d)) if frame_level else None,
        offsets,
        notes,
    )


def names_beside(path: Path) -> Path | None:
    """Return the table of names that goes with the Embedding Projector's table of vectors, or None."""
    if path.suffix.lower() != ".tsv":
        return None
    own = re.sub(r"(?i)tensors?|vectors?|vecs|embeddings?", "metadata", path.stem)
    beside = [path.with_name(f"{name}.tsv") for name in (own, "metadata", "meta")]
    return next((p for p in beside if p != path and p.is_file()), None)


def _checked(path: Path, parts: Iterator[Part]) -> Iterator[Part]:
    """Yield parts; an error of their reader for a damaged file becomes one sentence."""
    try:
        yield from parts
    except EmbeddingsError:
        raise
    except _DAMAGED as error:
        raise EmbeddingsError(unreadable(path, error)) from None


def _width(part: Part, path: Path, d: int) -> int:
    """Return the length of the vectors of a part, which must be `d` unless that is 0."""
    for array in (part.vectors, part.frames):
        if array is None:
            continue
        if array.ndim != 2:
            raise EmbeddingsError(
                f"{path} holds an array of shape {array.shape}; embeddings have the shape (clips, "
                "dimensions) and frames come as frames and offsets."
            )
        if array.dtype.kind not in "fiu":
            raise EmbeddingsError(f"{path} holds values of the type {array.dtype}; embeddings are numbers.")
        if array.shape[1] == 0 or (d and array.shape[1] != d):
            raise EmbeddingsError(
                f"{path} holds vectors of {array.shape[1]} numbers{f' and of {d}' if d else ''}; all must "
                "have the same length, of at least 1."
            )
        d = array.shape[1]
    return d


def _vectors(part: Part, d: int, file: IO[bytes]) -> np.ndarray:
    """Write the vectors of a part, or the means of its frames, and return them: (b, d) float32."""
    X = part.vectors
    if X is None:
        assert part.frames is not None
        assert part.counts is not None
        X = np.full((len(part.counts), d), np.nan)
        filled = np.asarray(part.counts) > 0
        starts = (np.cumsum(part.counts) - part.counts)[filled]
        if len(starts):
            sums = np.add.reduceat(np.asarray(part.frames, np.float64), starts, axis=0)
            X[filled] = sums / np.asarray(part.counts)[filled, None]
    X = np.ascontiguousarray(X, np.float32)
    file.write(X.tobytes())
    return X


def _reader(source: Source) -> Iterator[Part]:
    path = source.path
    if path.is_dir():
        return _json_folder(source)
    if not path.is_file():
        raise EmbeddingsError(f"There is no file or folder {path}.")
    kind = path.suffix.lower()
    if kind not in _KINDS:
        known = ", ".join(list(_KINDS)[:-1])
        words = _WORDS.get(kind, "").format(file=path.name, stem=path.stem)
        raise EmbeddingsError(
            f"{path} is not of a kind that is read; give {known} or .tsv, or a folder of .json files, one a "
            f"clip{f'; in Python: `{words}`' if words else ''}."
        )
    return _KINDS[kind](source)


# -- a folder of JSON files --------------------------------------------------------------------------------


def _json_folder(source: Source) -> Iterator[Part]:
    root, notes = source.path, source.notes
    passed: list[str] = []
    none = True
    for path in _json_files(root):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:  # a number of 5,000 digits, a list of lists of lists …
            raise EmbeddingsError(f"{path} is not JSON ({error}).") from None
        record = content if isinstance(content, dict) else {}
        values = next((record[k] for k in VECTOR_NAMES if k in record), None)
        if values is None:
            passed.append(path.relative_to(root).as_posix())
            continue
        none = False
        known = ("audio_path", *ID_NAMES)
        name = next((record[k] for k in known if isinstance(record.get(k), str | int)), None)
        frames = _frames(path, values)
        if frames is not None:  # without a number the width is unknown
            id = path.relative_to(root).with_suffix("").as_posix() if name is None else str(name)
            yield Part([id], None, frames, np.array([len(frames)]))
        else:
            notes.append(f"{path.name} holds no numbers.")
    if none:
        raise EmbeddingsError(f"{root} holds no .json file with embeddings in it, a list a clip.")
    if passed:
        notes.append(f"Files without embeddings: {listed(passed)}.")


def _json_files(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):
        folders.sort()
        for name in sorted(files):
            if name.lower().endswith(".json") and not name.startswith("."):
                yield Path(folder, name)


def _frames(path: Path, values: Any) -> np.ndarray | None:
    """Return the embedding of one file as (frames, d), or None if it holds no number."""
    try:
        X = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise EmbeddingsError(
            f"{path} holds embeddings that are neither a list of numbers nor a list of such lists of one "
            "length."
        ) from None
    if X.ndim not in (1, 2):
        raise EmbeddingsError(
            f"{path} holds an array of shape {X.shape}; embeddings have the shape (dimensions,) or (frames, "
            "dimensions)."
        )
    return None if X.size == 0 else np.atleast_2d(X)
