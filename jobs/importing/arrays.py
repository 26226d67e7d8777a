"""Embeddings in arrays: ``.npy``, ``.npz`` and ``.safetensors``. Nothing is unpickled."""

from __future__ import annotations

import math
import re
import zipfile
from collections.abc import Iterator
from typing import IO

import numpy as np

from jobs.importing import parts as embedding_parts
from jobs.importing.parts import IDS, VECTOR_NAMES, EmbeddingsError, Part, Source, listed, pickled


def npy(source: Source) -> Iterator[Part]:
    """Yield the rows of a ``.npy`` file, which names no clips."""
    path = source.path
    with open(path, "rb") as file:
        start = file.read(4)
        if start == b"PK\x03\x04":
            raise EmbeddingsError(f"{path} is an archive of arrays; call it .npz.")
        if start[:1] == b"\x80":  # a pickle, whatever its name
            raise EmbeddingsError(pickled(path, f"np.save({path.name!r}, np.asarray(X, dtype=np.float32))"))
        file.seek(0)
        shape, _, dtype = _header(file)
    if dtype.hasobject:
        words = f"np.save({path.name!r}, np.stack(X).astype(np.float32))"
        if not shape:  # a dictionary, as a rule from name to vector
            words = f"np.savez({path.stem + '.npz'!r}, ids=list(d), embeddings=np.stack(list(d.values())))"
        raise EmbeddingsError(pickled(path, words))
    yield from _parts(None, np.load(path, mmap_mode="r", allow_pickle=False), None, None)


def safetensors(source: Source) -> Iterator[Part]:
    """Yield the rows of the only tensor of a ``.safetensors`` file, or of the one with a known name."""
    from safetensors import SafetensorError, safe_open

    path = source.path
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
            step = _step(4 * shape[1])
            for a in range(0, shape[0], step):
                yield Part(None, rows[a : min(a + step, shape[0])])
    except (SafetensorError, TypeError) as error:  # NumPy has no bfloat16
        raise EmbeddingsError(
            f"{path} cannot be read ({' '.join(str(error).split())}); save float32, as by "
            f'`save_file({{"embeddings": X.float()}}, {path.name!r})`.'
        ) from None


def npz(source: Source) -> Iterator[Part]:
    """Yield the clips of a ``.npz`` file."""
    with zipfile.ZipFile(source.path) as file:
        archive = _Archive(source, file)
        names, path = archive.names, source.path
        id_name = next((n for n in IDS if n in names), None)
        vectors = next((n for n in VECTOR_NAMES if n in names), None)
        has_frames = "frames" in names and "offsets" in names
        if vectors is None and not has_frames:
            id_name, vectors = archive.by_shape()
        if vectors is None and not has_frames:
            raise EmbeddingsError(
                f"{path} holds {', '.join(sorted(names)) or 'nothing'}; it must hold embeddings (n, d), or "
                "frames (m, d) and offsets (n + 1,), and ids (n,)."
            )
        ids = None if id_name is None else archive.ids(id_name, (vectors,) if vectors else None)
        counts = archive.counts() if has_frames else None
        X = None if vectors is None else archive.load(vectors)
        frames = archive.load("frames") if has_frames else None
    if all(array is None or array.ndim == 2 for array in (X, frames)):
        n = len(counts) if counts is not None else len(X) if X is not None else 0
        for array, rows in ((X, n), (frames, 0 if counts is None else int(counts.sum()))):
            if array is not None and len(array) != rows:
                what = "fewer" if len(array) < rows else "more"
                raise EmbeddingsError(
                    f"{path} holds {what} rows than its offsets say; they are one more than the clips and "
                    "the last is the number of frames."
                )
        if ids is not None and len(ids) != n:
            raise EmbeddingsError(
                f"{path} holds {len(ids):,} ids for {n:,} embeddings; they must be as many."
            )
    yield from _parts(ids, X, frames, counts)


def _parts(
    ids: list[str] | None, X: np.ndarray | None, frames: np.ndarray | None, counts: np.ndarray | None
) -> Iterator[Part]:
    """Yield the clips in blocks of bounded size; arrays of a wrong shape as they are, to be refused."""
    arrays = [array for array in (X, frames) if array is not None]
    if any(array.ndim != 2 for array in arrays):
        yield Part(None, X, frames, counts)
        return
    if frames is None or counts is None:
        n, width = (0, 0) if X is None else (len(X), X.itemsize * X.shape[1])
        ends = np.zeros(n + 1, np.int64)
    else:
        n, width = len(counts), 8 * frames.shape[1] * max(1.0, float(counts.mean()))
        ends = np.concatenate([[0], np.cumsum(counts)])
    step = _step(width)
    for a in range(0, n, step):
        b = min(a + step, n)
        yield Part(
            None if ids is None else ids[a:b],
            None if X is None else X[a:b],
            None if frames is None else frames[ends[a] : ends[b]],
            None if counts is None else counts[a:b],
        )


def _step(width: float) -> int:
    return max(1, int(embedding_parts.BLOCK // max(1, width)))


class _Archive:
    """The arrays of a ``.npz`` file, which are unpacked to disk and mapped."""

    def __init__(self, source: Source, file: zipfile.ZipFile) -> None:
        self._source, self._file = source, file
        self.names = {n.removesuffix(".npy") for n in file.namelist() if n.endswith(".npy")}

    def header(self, name: str) -> tuple[tuple[int, ...], bool, np.dtype]:
        """Return shape, whether in Fortran's order, and type of an array."""
        with self._file.open(f"{name}.npy") as file:
            return _header(file)

    def load(self, name: str) -> np.ndarray:
        """Return an array, mapped; one of Python objects is refused."""
        path = self._source.path
        unpacked = self._source.folder / f"array-{sorted(self.names).index(name)}"
        with self._file.open(f"{name}.npy") as packed, open(unpacked, "wb") as file:
            shape, fortran, dtype = _header(packed)
            if dtype.hasobject:
                words = f"np.savez({path.name!r}, ids=ids, {name}=np.stack({name}).astype(np.float32))"
                raise EmbeddingsError(pickled(path, words, name))
            left = size = dtype.itemsize * math.prod(shape)
            while left and (block := packed.read(min(left, embedding_parts.BLOCK))):
                left -= file.write(block)
        if left:
            raise EmbeddingsError(f"{path} is cut short: {name} ends before its last row.")
        if size == 0:  # which cannot be mapped
            return np.empty(shape, dtype)
        return np.memmap(unpacked, dtype, "r", shape=shape, order="F" if fortran else "C")

    def by_shape(self) -> tuple[str | None, str | None]:
        """Return the arrays of ids and of embeddings if ``np.savez`` was given no names: arr_0, arr_1."""
        if not all(re.fullmatch(r"arr_\d+", n) for n in self.names):
            return None, None
        heads = {name: self.header(name) for name in self.names}
        matrices = [n for n, (shape, _, dtype) in heads.items() if len(shape) == 2 and dtype.kind in "fiu"]
        lists = [n for n, (shape, _, dtype) in heads.items() if len(shape) == 1 and dtype.kind in "USO"]
        if len(matrices) != 1 or len(lists) > 1:
            return None, None
        return (lists[0] if lists else None), matrices[0]

    def ids(self, name: str, vectors: tuple[str, ...] | None) -> list[str] | None:
        """Return the names of the clips; None if they would have to be unpickled and are given elsewhere."""
        path, notes = self._source.path, self._source.notes
        if self.header(name)[2].hasobject:
            if self._source.unnamed:
                notes.append(f"{name} in {path.name} would have to be unpickled and was not read.")
                return None
            others = ", ".join(f"{n}={n}" for n in vectors or ("frames", "offsets"))
            words = f"np.savez({path.name!r}, {name}=np.asarray({name}, dtype=str), {others})"
            refused = pickled(path, words, name).removesuffix(".")
            raise EmbeddingsError(f"{refused}, or give the names, one a line, by --ids FILE.")
        values = self.load(name)
        if values.ndim != 1 or values.dtype.kind not in "USiu":
            raise EmbeddingsError(
                f"{path} has {name} of the type {values.dtype} and shape {values.shape}; they must be "
                "(n,) of text."
            )
        return [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values.tolist()]

    def counts(self) -> np.ndarray:
        """Return the number of frames of each clip."""
        path, offsets = self._source.path, self.load("offsets")
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


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(file)
    raise ValueError(f"version {version} of the .npy format is not known")
