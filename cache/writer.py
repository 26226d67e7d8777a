"""Writing an artifact: into a temporary folder first, visible all at once."""

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
    """Fills one artifact. Made by `ArtifactStore.writer`, used in its ``with`` block only.

    Attributes
    ----------
    key : str
        Key of the artifact to be.
    path : Path
        The temporary folder. What is put there by hand is kept too, under the rules of `file`.
    meta : dict
        Plain values to keep with the artifact: text, finite numbers, booleans, None, lists, dicts.
    seconds : float or None
        What the work took; None for the time from the beginning of the block to its end.
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
            For Python objects and masked arrays, a name already used, a full disk.
        """
        import numpy as np

        if isinstance(values, np.ma.MaskedArray):
            raise CacheError(
                f"Array {name!r} is masked, and .npy cannot keep a mask; store the mask beside it."
            )
        x = np.asanyarray(values)
        _check_dtype(name, x.dtype)
        path = self._new(name, ".npy")
        with self._writing(path, x.nbytes), open(path, "wb") as f:
            np.lib.format.write_array(_Plain(f), x, allow_pickle=False)

    def empty_array(self, name: str, shape: int | Sequence[int], dtype: DTypeLike) -> np.memmap:
        """Return a writable array of zeros that lives in ``<name>.npy``, to be filled piece by piece.

        The whole file is reserved at once: writing to a mapped file on a full disk would otherwise end the
        process. The array becomes read-only when the artifact is finished.

        Parameters
        ----------
        name : str
            As for `array`.
        shape : int or sequence of int
            Any, also larger than memory.
        dtype : dtype
            Any but Python objects.
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
        """Store named arrays together as ``<name>.safetensors``, as suits the weights of a model."""
        import numpy as np
        from safetensors import SafetensorError
        from safetensors.numpy import save_file

        # The format is written from the memory as it lies, so it has to lie in C order.
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
        """Return a path to write a file to, for example ``audio/x.flac``; its folder exists.

        Raises
        ------
        CacheError
            For a name that leads elsewhere or is used already, or an ending that is not among
            `cache.names.SUFFIXES`.
        """
        return self._new(name, None)

    def _new(self, name: str, suffix: str | None) -> Path:
        if self._closed:
            raise CacheError(f"{name!r} cannot be added: artifact {self.key[:12]}… is finished.")
        full = check_name(name, suffix)
        if full in self._names:
            raise CacheError(
                f"{full!r} is in artifact {self.key[:12]}… already; every name can be used once."
            )
        self._names.add(full)
        path = self.path / full
        with self._writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _writing(self, path: Path, needed: float | None = None) -> AbstractContextManager[None]:
        what = f"{path.relative_to(self.path)} of artifact {self.key[:12]}…"
        # The store's own folder: people know nothing of the temporary one.
        return writing(what, self.path.parents[1], needed)

    def finish(self, versions: Mapping[str, str] | None, *, durable: bool) -> dict[str, Any]:
        """Describe every file, write the manifest, and flush all of it to the disk.

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
                f"Artifact {self.key[:12]}… lacks {missing[0]!r}: it was announced, never written."
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
        """Let nobody write to a file, and those read it who may enter the folder: as the umask has it."""
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

        # Several flushes at once share the disk's own commits; checksums run beside each other.
        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(settle, names))


class _Plain:
    """A file that NumPy does not recognise as one: its shortcut for real files loses the error number."""

    def __init__(self, f: Any) -> None:
        self.write = f.write


def _check_dtype(name: str, dtype: np.dtype) -> None:
    if dtype.hasobject:
        raise CacheError(
            f"Array {name!r} holds Python objects ({dtype}), which only pickle could keep; store numbers, "
            "fixed-width text, or a table."
        )
    if dtype.kind == "V" and dtype.names is None:
        raise CacheError(
            f"Array {name!r} has the type {dtype}, which .npy cannot keep; convert it to float32."
        )


def _reserve(path: Path) -> None:
    """Have the disk set aside every block of a file that is still full of holes."""
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
