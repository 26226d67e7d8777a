"""Reading embeddings that another program wrote: .npy, .npz, Parquet, CSV, or a folder of JSON files.

Files are read in blocks and what is read goes to a folder of the caller as plain float32, so memory does not
grow with the number of clips. Nothing is unpickled.
"""

from __future__ import annotations

import json
import os
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

#: Bytes of vectors in memory at once.
BLOCK = 16 << 20

_IDS = ("ids", "clip_ids", "clip_id", "id")
ID_NAMES = (*_IDS, "path", "filename", "file_name", "file", "fname", "audio_path", "filepath", "name")
VECTOR_NAMES = ("embeddings", "embedding", "vectors", "vector", "features")


#: What readers raise of files that are damaged, or locked, or packed by a method that is not known.
_DAMAGED = (
    ValueError,
    OSError,
    EOFError,
    RuntimeError,
    MemoryError,
    SyntaxError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


class EmbeddingsError(ValueError):
    """Embeddings cannot be imported; the message says why and what to do."""


class Part(NamedTuple):
    """Some of the clips of a file, in its order.

    Attributes
    ----------
    ids : list of str or None
        How the file calls the clips; None where it does not, so that their order must say it.
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


@dataclass
class Staged:
    """What a file holds, as float32 on the disk.

    Attributes
    ----------
    ids : list of str or None
        In the file's order, as it calls the clips.
    vectors : (n, d) float32 array
        Mapped. A clip without frames, in a file of frames, has a vector of nan.
    frames : (m, d) float32 array or None
        Mapped; None where the file has one vector a clip.
    offsets : (n + 1,) int64 array
        Frames of clip i are ``frames[offsets[i]:offsets[i + 1]]``; all 0 where there are none.
    notes : list of str
        What was passed over, a sentence each.
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
        ``.npy``, ``.npz``, ``.parquet``, ``.csv``, ``.tsv``, or a folder of ``.json`` files, one a clip.
    folder : Path
        Where to put the vectors; it must outlive the result.
    ids : Path, optional
        A text file with the name of a clip a line, for a ``.npy`` or ``.npz`` that holds none.

    Raises
    ------
    EmbeddingsError
        With one sentence: no such file, an unknown kind, Python objects inside, no numbers, vectors of
        different lengths.
    """
    notes: list[str] = []
    parts = _told(path, _reader(path, notes))
    names = None if ids is None else _lines(ids)
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
    if names is not None and given:
        raise EmbeddingsError(f"{path} names its clips itself; leave --ids out.")
    if names is not None and len(names) != n:
        raise EmbeddingsError(f"{ids} names {len(names):,} clips and {path} holds {n:,} embeddings.")
    frame_level = bool(counts) and not single  # one frame a clip is a vector a clip
    offsets = np.zeros(n + 1, np.int64)
    if frame_level:
        np.cumsum(np.concatenate(counts), out=offsets[1:])
        if offsets[-1] == 0:
            raise EmbeddingsError(f"{path} holds no frames of any of its {n:,} clips.")
    return Staged(
        names or given or None,
        np.memmap(raw[0], np.float32, "r", shape=(n, d)),
        np.memmap(raw[1], np.float32, "r", shape=(int(offsets[-1]), d)) if frame_level else None,
        offsets,
        notes,
    )


def _told(path: Path, parts: Iterator[Part]) -> Iterator[Part]:
    """Yield parts; what their reader raises of a damaged file becomes one sentence."""
    try:
        yield from parts
    except EmbeddingsError:
        raise
    except _DAMAGED as error:
        raise EmbeddingsError(unreadable(path, error)) from None


def _width(part: Part, path: Path, d: int) -> int:
    """Return the length of the vectors of a part, which must be `d` where that is known."""
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
        there = np.asarray(part.counts) > 0
        starts = (np.cumsum(part.counts) - part.counts)[there]
        if len(starts):
            sums = np.add.reduceat(np.asarray(part.frames, np.float64), starts, axis=0)
            X[there] = sums / np.asarray(part.counts)[there, None]
    X = np.ascontiguousarray(X, np.float32)
    file.write(X.tobytes())
    return X


def _reader(path: Path, notes: list[str]) -> Iterator[Part]:
    if path.is_dir():
        return _json_folder(path, notes)
    if not path.is_file():
        raise EmbeddingsError(f"There is no file or folder {path}.")
    from jobs.embedding_tables import delimited, parquet

    kinds = {".npy": _npy, ".npz": _npz, ".parquet": parquet, ".csv": delimited, ".tsv": delimited}
    kind = kinds.get(path.suffix.lower())
    if kind is None:
        raise EmbeddingsError(
            f"{path} is not of a kind that is read; give .npy, .npz, .parquet, .csv or .tsv, or a folder of "
            ".json files, one a clip."
        )
    return kind(path, notes)


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise EmbeddingsError(f"{path} is not UTF-8 text; it must name a clip a line.") from None
    return [line.strip() for line in text.splitlines() if line.strip()]


# -- .npy and .npz -----------------------------------------------------------------------------------------


def _npy(path: Path, notes: list[str]) -> Iterator[Part]:
    X = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(X, np.ndarray):
        raise EmbeddingsError(f"{path} is an archive of arrays; call it .npz.")
    if X.ndim != 2:
        yield Part(None, X)  # what is wrong with it is said as of every file
    for a in range(0, len(X), _step(X)):
        yield Part(None, X[a : a + _step(X)])


def _step(X: np.ndarray) -> int:
    return max(1, BLOCK // max(1, X.itemsize * int(np.prod(X.shape[1:]))))


def unreadable(path: Path, error: BaseException) -> str:
    if "pickle" in str(error) or "Python objects" in str(error):
        return (
            f"{path} holds Python objects, which would have to be unpickled; save plain numbers, such as "
            "np.save(path, np.asarray(X, dtype=np.float32))."
        )
    return f"{path} cannot be read ({' '.join(str(error).split())})."


def _npz(path: Path, notes: list[str]) -> Iterator[Part]:
    with zipfile.ZipFile(path) as archive:
        yield from _npz_parts(path, archive)


def _npz_parts(path: Path, archive: zipfile.ZipFile) -> Iterator[Part]:
    names = {n.removesuffix(".npy") for n in archive.namelist() if n.endswith(".npy")}
    ids = next((_strings(path, archive, n) for n in _IDS if n in names), None)
    vectors = next((n for n in VECTOR_NAMES if n in names), None)
    frames = "frames" in names and "offsets" in names
    if vectors is None and not frames:
        raise EmbeddingsError(
            f"{path} holds {', '.join(sorted(names)) or 'nothing'}; it must hold embeddings (n, d), or "
            "frames (m, d) and offsets (n + 1,), and ids (n,)."
        )
    counts = _counts(path, archive) if frames else None
    blocks = None if vectors is None else _rows(path, archive, vectors)
    n = 0
    for part in _unnamed(path, archive, blocks, counts):
        b = len(part.counts) if part.counts is not None else len(np.atleast_1d(_given(part)))
        yield part._replace(ids=None if ids is None else ids[n : n + b])
        n += b
    if ids is not None and len(ids) != n:
        raise EmbeddingsError(f"{path} holds {len(ids):,} ids for {n:,} embeddings; they must be as many.")


def _given(part: Part) -> np.ndarray:
    assert part.vectors is not None
    return part.vectors


def _unnamed(
    path: Path, archive: zipfile.ZipFile, blocks: Iterator[np.ndarray] | None, counts: np.ndarray | None
) -> Iterator[Part]:
    if counts is None:
        assert blocks is not None
        yield from (Part(None, block) for block in blocks)
        return
    vectors = None if blocks is None else _Queue(path, blocks)
    frames = _Queue(path, _rows(path, archive, "frames"))
    step = max(1, int(BLOCK // (8 * frames.width * max(1.0, float(counts.mean())))))
    for a in range(0, len(counts), step):
        some = counts[a : a + step]
        X = None if vectors is None else vectors.take(len(some))
        yield Part(None, X, frames.take(int(some.sum())), some)
    if frames.rest() or (vectors is not None and vectors.rest()):
        raise EmbeddingsError(_MISFIT.format(path=path, what="more"))


_MISFIT = (
    "{path} holds {what} rows than its offsets say; they are one more than the clips and the last is the "
    "number of frames."
)


class _Queue:
    """Rows that come in blocks of one size and are taken in runs of another."""

    def __init__(self, path: Path, blocks: Iterator[np.ndarray]) -> None:
        self._path = path
        self._blocks = blocks
        self._ready = [next(blocks)]
        self.width = self._ready[0].shape[1] if self._ready[0].ndim == 2 else 1

    def take(self, n: int) -> np.ndarray:
        while sum(map(len, self._ready)) < n:
            block = next(self._blocks, None)
            if block is None:
                raise EmbeddingsError(_MISFIT.format(path=self._path, what="fewer"))
            self._ready.append(block)
        rows = np.concatenate(self._ready)
        self._ready = [rows[n:]]
        return rows[:n]

    def rest(self) -> int:
        return sum(map(len, self._ready)) + sum(map(len, self._blocks))


def _counts(path: Path, archive: zipfile.ZipFile) -> np.ndarray:
    offsets = _array(path, archive, "offsets")
    if offsets.ndim != 1 or offsets.dtype.kind not in "iu" or len(offsets) < 2:
        raise EmbeddingsError(
            f"{path} has offsets of the type {offsets.dtype} and shape {offsets.shape}; they must be "
            "(n + 1,) whole numbers."
        )
    counts = np.diff(offsets.astype(np.int64))
    if offsets[0] != 0 or counts.min() < 0:
        raise EmbeddingsError(
            f"{path} has offsets that do not rise from 0; frames of clip i are between two."
        )
    return counts


def _strings(path: Path, archive: zipfile.ZipFile, name: str) -> list[str]:
    values = _array(path, archive, name)
    if values.ndim != 1 or values.dtype.kind not in "USiu":
        raise EmbeddingsError(
            f"{path} has {name} of the type {values.dtype} and shape {values.shape}; they must be "
            "(n,) of text."
        )
    return [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values.tolist()]


def _array(path: Path, archive: zipfile.ZipFile, name: str) -> np.ndarray:
    blocks = list(_rows(path, archive, name))
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


def _rows(path: Path, archive: zipfile.ZipFile, name: str) -> Iterator[np.ndarray]:
    """Yield the rows of an array in an archive, in blocks; an empty array gives one empty block."""
    with archive.open(f"{name}.npy") as file:
        shape, fortran, dtype = _header(file)
        if dtype.hasobject:
            raise EmbeddingsError(unreadable(path, ValueError("pickle")))
        if fortran or not shape:
            whole = np.frombuffer(file.read(), dtype)
            yield whole.reshape(shape, order="F" if fortran else "C")
            return
        width = dtype.itemsize * int(np.prod(shape[1:]))
        step = max(1, BLOCK // max(1, width))
        for a in range(0, max(1, shape[0]), step):
            rows = min(step, shape[0] - a)
            data = file.read(rows * width)
            if len(data) != rows * width:
                raise EmbeddingsError(f"{path} is cut short: {name} ends before its last row.")
            yield np.frombuffer(data, dtype).reshape((rows, *shape[1:]))


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(file)
    raise ValueError(f"version {version} of the .npy format is not known")


# -- a folder of JSON files --------------------------------------------------------------------------------


def _json_folder(root: Path, notes: list[str]) -> Iterator[Part]:
    passed: list[str] = []
    none = True
    for path in _json_files(root):
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:  # a number of 5,000 digits, a list of lists of lists …
            raise EmbeddingsError(f"{path} is not JSON ({error}).") from None
        values = (
            next((found[k] for k in VECTOR_NAMES if k in found), None) if isinstance(found, dict) else None
        )
        if values is None:
            passed.append(path.relative_to(root).as_posix())
            continue
        none = False
        name = next(
            (found[k] for k in ("audio_path", *ID_NAMES) if isinstance(found.get(k), str | int)), None
        )
        frames = _frames(path, values)
        if frames is not None:  # without a number there is nothing to tell the width from
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
    """Return the embedding of one file as (frames, d), or None where there is no number in it."""
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


def listed(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
