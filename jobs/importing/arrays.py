"""Embeddings in arrays: ``.npy``, ``.npz`` and ``.safetensors``. Nothing is unpickled."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from jobs.importing import parts as embedding_parts
from jobs.importing.parts import IDS, VECTOR_NAMES, EmbeddingsError, Part, listed, pickled


def npy(path: Path, notes: list[str], unnamed: bool) -> Iterator[Part]:
    """Yield the rows of a ``.npy`` file, which names no clips."""
    with open(path, "rb") as file:
        start = file.read(4)
        if start == b"PK\x03\x04":
            raise EmbeddingsError(f"{path} is an archive of arrays; call it .npz.")
        if start[:1] == b"\x80":  # a pickle, whatever it is called
            raise EmbeddingsError(pickled(path, f"np.save({path.name!r}, np.asarray(X, dtype=np.float32))"))
        file.seek(0)
        shape, _, dtype = _header(file)
    if dtype.hasobject:
        words = f"np.save({path.name!r}, np.stack(X).astype(np.float32))"
        if not shape:  # a dictionary, as a rule from name to vector
            words = f"np.savez({path.stem + '.npz'!r}, ids=list(d), embeddings=np.stack(list(d.values())))"
        raise EmbeddingsError(pickled(path, words))
    X = np.load(path, mmap_mode="r", allow_pickle=False)
    if X.ndim != 2:
        yield Part(None, X)  # the check of every file refuses it
    for a in range(0, len(X), _step(X.itemsize, X.shape)):
        yield Part(None, X[a : a + _step(X.itemsize, X.shape)])


def _step(itemsize: int, shape: tuple[int, ...]) -> int:
    return max(1, embedding_parts.BLOCK // max(1, itemsize * int(np.prod(shape[1:]))))


def safetensors(path: Path, notes: list[str], unnamed: bool) -> Iterator[Part]:
    """Yield the rows of the only tensor of a ``.safetensors`` file, or of the one with a known name."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            names = list(file.keys())
            name = next((n for n in VECTOR_NAMES if n in names), names[0] if len(names) == 1 else None)
            if name is None:
                raise EmbeddingsError(
                    f"{path} holds the tensors {listed(names) or 'none'}; call the one with the embeddings "
                    "(n, d) embeddings."
                )
            rows = file.get_slice(name)
            shape = tuple(rows.get_shape())
            if len(shape) != 2:
                yield Part(None, file.get_tensor(name))
                return
            step = _step(4, shape)
            for a in range(0, shape[0], step):
                yield Part(None, rows[a : min(a + step, shape[0])])
    except (SafetensorError, TypeError) as error:  # NumPy has no bfloat16
        raise EmbeddingsError(
            f"{path} cannot be read ({' '.join(str(error).split())}); save float32, as by "
            f'`save_file({{"embeddings": X.float()}}, {path.name!r})`.'
        ) from None


def npz(path: Path, notes: list[str], unnamed: bool) -> Iterator[Part]:
    """Yield the clips of a ``.npz`` file; `unnamed` if the names of the clips are given elsewhere."""
    with zipfile.ZipFile(path) as archive:
        yield from _npz_parts(path, archive, notes, unnamed)


def _npz_parts(path: Path, archive: zipfile.ZipFile, notes: list[str], unnamed: bool) -> Iterator[Part]:
    names = {n.removesuffix(".npy") for n in archive.namelist() if n.endswith(".npy")}
    id_name = next((n for n in IDS if n in names), None)
    vectors = next((n for n in VECTOR_NAMES if n in names), None)
    frames = "frames" in names and "offsets" in names
    if vectors is None and not frames:
        id_name, vectors = _by_shape(archive, names)
    if vectors is None and not frames:
        raise EmbeddingsError(
            f"{path} holds {', '.join(sorted(names)) or 'nothing'}; it must hold embeddings (n, d), or "
            "frames (m, d) and offsets (n + 1,), and ids (n,)."
        )
    ids = None if id_name is None else _ids(path, archive, id_name, vectors, notes, unnamed)
    counts = _counts(path, archive) if frames else None
    blocks = None if vectors is None else _rows(path, archive, vectors)
    n = 0
    for part in _unnamed(path, archive, blocks, counts):
        b = len(part.counts) if part.counts is not None else len(np.atleast_1d(_given(part)))
        yield part._replace(ids=None if ids is None else ids[n : n + b])
        n += b
    if ids is not None and len(ids) != n:
        raise EmbeddingsError(f"{path} holds {len(ids):,} ids for {n:,} embeddings; they must be as many.")


def _by_shape(archive: zipfile.ZipFile, names: set[str]) -> tuple[str | None, str | None]:
    """Return the arrays of ids and of embeddings if ``np.savez`` was given no names: arr_0, arr_1."""
    if not all(re.fullmatch(r"arr_\d+", n) for n in names):
        return None, None
    heads = {}
    for name in names:
        with archive.open(f"{name}.npy") as file:
            shape, _, dtype = _header(file)
            heads[name] = len(shape), dtype.kind
    matrices = [n for n, (axes, kind) in heads.items() if axes == 2 and kind in "fiu"]
    lists = [n for n, (axes, kind) in heads.items() if axes == 1 and kind in "USO"]
    if len(matrices) != 1 or len(lists) > 1:
        return None, None
    return (lists[0] if lists else None), matrices[0]


def _ids(
    path: Path, archive: zipfile.ZipFile, name: str, vectors: str | None, notes: list[str], unnamed: bool
) -> list[str] | None:
    with archive.open(f"{name}.npy") as file:
        pickled_ids = _header(file)[2].hasobject
    if not pickled_ids:
        return _strings(path, archive, name)
    if unnamed:
        notes.append(f"{name} in {path.name} would have to be unpickled and was not read.")
        return None
    others = ", ".join(f"{n}={n}" for n in ((vectors,) if vectors else ("frames", "offsets")))
    words = f"np.savez({path.name!r}, {name}=np.asarray({name}, dtype=str), {others})"
    raise EmbeddingsError(
        pickled(path, words, name).removesuffix(".") + ", or give the names, one a line, by --ids FILE."
    )


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
    step = max(1, int(embedding_parts.BLOCK // (8 * frames.width * max(1.0, float(counts.mean())))))
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
    """Rows that arrive in blocks of one size and are taken in runs of another."""

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
            words = f"np.savez({path.name!r}, ids=ids, {name}=np.stack({name}).astype(np.float32))"
            raise EmbeddingsError(pickled(path, words, name))
        if fortran or not shape:
            whole = np.frombuffer(file.read(), dtype)
            yield whole.reshape(shape, order="F" if fortran else "C")
            return
        width = dtype.itemsize * int(np.prod(shape[1:]))
        step = max(1, embedding_parts.BLOCK // max(1, width))
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
