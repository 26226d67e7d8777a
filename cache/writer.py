"""Writing of artifacts: first into a temporary folder, then visible as a whole."""

from __future__ import annotations

import errno
import math
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cache import manifest as manifests
from cache.errors import CacheError, lack_of_space, writing
from cache.names import MANIFEST, check_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, DTypeLike


class ArtifactWriter:
    """Writes one artifact. Created by `ArtifactStore.writer` and used only within its ``with`` block.

    Attributes
    ----------
    key : str
        Key of the artifact.
    path : Path
        The temporary folder. Other files written there are stored, too, under the rules of `file`.
    meta : dict
        Plain values to store with the artifact: text, finite numbers, booleans, None, lists, dicts.
    seconds : float or None
        Duration of the computation; None for the duration of the block.
    """

    def __init__(self, key: str, path: Path, spec: Mapping[str, Any] | None) -> None:
        self.key = key
        self.path = path
        self.spec: dict[str, Any] = manifests.plain(dict(spec or {}), "spec")
        self.meta: dict[str, Any] = {}
        self.seconds: float | None = None
        self._names: set[str] = set()
        self._mapped: list[np.memmap] = []
        self._started = time.monotonic()
        self._closed = False

    def array(self, name: str, values: ArrayLike) -> None:
        """Store an array of numbers, text or dates as ``<name>.npy``.

        Raises
        ------
        CacheError
            For Python objects, masked arrays, a name already used, or a full disk.
        """
        import numpy as np

        if isinstance(values, np.ma.MaskedArray):
            raise CacheError(
                f"Array {name!r} is masked, and .npy cannot store a mask; store the mask as another array."
            )
        x = np.asanyarray(values)
        _check_dtype(name, x.dtype)
        path = self._new(name, ".npy")
        with self._writing(path, x.nbytes), open(path, "wb") as f:
            np.lib.format.write_array(_Plain(f), x, allow_pickle=False)

    def empty_array(self, name: str, shape: int | Sequence[int], dtype: DTypeLike) -> np.memmap:
        """Return a writable array of zeros, mapped to ``<name>.npy``, to be filled in pieces.

        The whole file is reserved at once: writing to a mapped file on a full disk would otherwise end the
        process. The array becomes read-only when the artifact is finished.

        Parameters
        ----------
        name : str
            As for `array`.
        shape : int or sequence of int
            Any size, even larger than memory.
        dtype : dtype
            Any except Python objects.
        """
        import numpy as np

        kind = np.dtype(dtype)
        _check_dtype(name, kind)
        dims = (shape,) if isinstance(shape, int | np.integer) else tuple(int(s) for s in shape)
        if any(s < 0 for s in dims):
            raise CacheError(f"Array {name!r} cannot have the shape {dims}; lengths are 0 or more.")
        path = self._new(name, ".npy")
        with self._writing(path, math.prod(dims) * kind.itemsize):
            mapped = np.lib.format.open_memmap(path, mode="w+", dtype=kind, shape=dims)
            _reserve(path)
        self._mapped.append(mapped)
        return mapped

    def table(self, name: str, columns: Any) -> None:
        """Store a table as ``<name>.parquet``.

        Parameters
        ----------
        name : str
            As for `array`.
        columns : pyarrow.Table, mapping of column name to values, or data frame
            All columns of one length.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = columns if isinstance(columns, pa.Table) else pa.table(columns)
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise CacheError(f"Table {name!r} cannot be stored: {error}") from error
        if len(set(table.column_names)) < table.num_columns:
            raise CacheError(f"Table {name!r} cannot be stored: two of its columns have one name.")
        path = self._new(name, ".parquet")
        with self._writing(path, table.nbytes):
            try:
                pq.write_table(table, path, compression="zstd")
            except pa.ArrowException as error:
                if lack_of_space(error, path.parent):
                    raise
                raise CacheError(f"Table {name!r} cannot be stored: {error}") from error

    def tensors(self, name: str, values: Mapping[str, ArrayLike]) -> None:
        """Store named arrays, such as the weights of a model, together as ``<name>.safetensors``."""
        import numpy as np
        from safetensors import SafetensorError
        from safetensors.numpy import save_file

        # The format is written from memory, which has to be in C order.
        arrays = {k: np.array(v, order="C", copy=None) for k, v in values.items()}
        for k, x in arrays.items():
            if x.dtype.kind not in "biufc":
                raise CacheError(f"Tensor {k!r} of {name!r} holds {x.dtype}; tensors hold numbers.")
        path = self._new(name, ".safetensors")
        with self._writing(path, sum(x.nbytes for x in arrays.values())):
            try:
                save_file(arrays, path)
            except (SafetensorError, KeyError, ValueError) as error:
                if lack_of_space(error, path.parent):
                    raise OSError(str(error)) from error
                raise CacheError(f"Tensors {name!r} cannot be stored: {error}") from error

    def file(self, name: str) -> Path:
        """Return the path of a file to write, for example ``audio/x.flac``; its folder exists.

        Raises
        ------
        CacheError
            For a name that leads elsewhere or is already used, or a suffix that is not in
            `cache.names.SUFFIXES`.
        """
        return self._new(name, None)

    def _new(self, name: str, suffix: str | None) -> Path:
        if self._closed:
            raise CacheError(f"{name!r} cannot be added: artifact {self.key[:12]}… is finished.")
        full = check_name(name, suffix)
        if full in self._names:
            raise CacheError(
                f"{full!r} is already in artifact {self.key[:12]}…; every name can be used once."
            )
        self._names.add(full)
        path = self.path / full
        with self._writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _writing(self, path: Path, needed: float | None = None) -> AbstractContextManager[None]:
        what = f"{path.relative_to(self.path)} of artifact {self.key[:12]}…"
        # The store's folder, because users do not know the temporary one.
        return writing(what, self.path.parents[1], needed)

    def finish(self, versions: Mapping[str, str] | None, *, durable: bool) -> dict[str, Any]:
        """Describe every file, write the manifest, and flush everything to the disk.

        Called by the store. Nothing may be written afterwards.
        """
        self._closed = True
        seconds = time.monotonic() - self._started if self.seconds is None else float(self.seconds)
        for x in self._mapped:
            x.flush()
            x.flags.writeable = False
        names = manifests.file_names(self.path)
        missing = sorted(self._names - set(names))
        if missing:
            raise CacheError(
                f"Artifact {self.key[:12]}… lacks {missing[0]!r}: it was announced but not written."
            )
        for name in names:
            check_name(name)
            path = self.path / name
            if path.is_symlink() or not path.is_file():
                raise CacheError(f"{name!r} cannot be stored: an artifact holds files, not links or devices.")
        manifest = {
            "format": manifests.FORMAT,
            "key": self.key,
            "spec": self.spec,
            "meta": manifests.plain(self.meta, "meta"),
            "versions": dict(manifests.library_versions() if versions is None else versions),
            "seconds": round(seconds, 6),
            "created": time.time(),
            "files": dict(zip(names, self._settle(names, durable), strict=True)),
        }
        manifests.write(self.path, manifest)
        flush(self.path / MANIFEST, durable)
        self._protect(self.path / MANIFEST)
        for parent, _, _ in os.walk(self.path):
            flush(Path(parent), durable)
        return manifest

    def _protect(self, path: Path) -> None:
        """Remove all write permissions of a file; it is readable by those who may read the folder."""
        os.chmod(path, self.path.stat().st_mode & 0o444)

    def _settle(self, names: list[str], durable: bool) -> list[dict[str, Any]]:
        def settle(name: str) -> dict[str, Any]:
            path = self.path / name
            flush(path, durable)
            self._protect(path)
            return manifests.describe(path)

        if len(names) < 4:
            return [settle(n) for n in names]
        from concurrent.futures import ThreadPoolExecutor

        # Concurrent flushes share the disk's commits, and checksums run in parallel.
        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(settle, names))


class _Plain:
    """A file that NumPy does not recognise as such: its shortcut for real files loses the error number."""

    def __init__(self, f: Any) -> None:
        self.write = f.write


def _check_dtype(name: str, dtype: np.dtype) -> None:
    if dtype.hasobject:
        raise CacheError(
            f"Array {name!r} holds Python objects ({dtype}), which only pickle could store; store numbers, "
            "fixed-width text, or a table."
        )
    if dtype.kind == "V" and dtype.names is None:
        raise CacheError(
            f"Array {name!r} has the type {dtype}, which .npy cannot store; convert it to float32."
        )


def _reserve(path: Path) -> None:
    """Allocate the disk blocks of a sparse file."""
    with open(path, "r+b") as f:
        try:
            os.posix_fallocate(f.fileno(), 0, path.stat().st_size)
        except AttributeError:  # not a POSIX system
            return
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                raise


def flush(path: Path, durable: bool = True) -> None:
    """Wait until a file or folder is on the disk."""
    if not durable:
        return
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
