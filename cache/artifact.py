"""Reading an artifact: arrays, tables, tensors and files, by name."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cache import manifest as manifests
from cache.errors import CacheError, CorruptArtifact, MissingArtifact
from cache.names import check_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pyarrow as pa

T = TypeVar("T")


class Artifact:
    """One immutable result on disk. Made by `ArtifactStore.open`.

    Attributes
    ----------
    key : str
        64 hexadecimal digits.
    path : Path
        The artifact's folder; never write into it.
    manifest : dict
        The whole manifest, see `cache.manifest`.
    """

    def __init__(self, key: str, path: Path, manifest: dict[str, Any]) -> None:
        self.key = key
        self.path = path
        self.manifest = manifest

    def __repr__(self) -> str:
        return f"Artifact({self.key[:12]}…, {self.spec.get('type', 'no type')}, {len(self.names())} files)"

    @property
    def meta(self) -> dict[str, Any]:
        """Plain values that the writer stored."""
        return self.manifest["meta"]

    @property
    def spec(self) -> dict[str, Any]:
        """The spec of the artifact."""
        return self.manifest["spec"]

    def names(self) -> list[str]:
        """Relative names of all files except the manifest, sorted."""
        return sorted(self.manifest["files"])

    def __contains__(self, name: object) -> bool:
        return name in self.manifest["files"]

    def array(self, name: str, mmap: bool = True) -> np.ndarray:
        """Return the array `name`.

        Parameters
        ----------
        name : str
            With or without ``.npy``.
        mmap : bool, default True
            Map the file, read-only, so that only accessed parts are read; else load a copy. A mapped array
            stays valid if the artifact is deleted meanwhile.

        Raises
        ------
        CacheError
            If the artifact has no such array. `CorruptArtifact` if the file is damaged, `MissingArtifact`
            if the artifact was removed.
        """
        return self._read(check_name(name, ".npy"), lambda p: manifests.load_array(p, mapped=mmap))

    def table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the table `name` (with or without ``.parquet``), all columns or some.

        Raises
        ------
        CacheError
            As for `array`; also for an unknown column.
        """
        import pyarrow.parquet as pq

        def load(path: Path) -> pa.Table:
            with pq.ParquetFile(path) as f:
                unknown = sorted(set(columns or ()) - set(f.schema_arrow.names))
                if unknown:
                    raise CacheError(
                        f"Table {name!r} of artifact {self.key[:12]}… has no column {', '.join(unknown)}; "
                        f"it has {', '.join(f.schema_arrow.names)}."
                    )
                return f.read(columns=None if columns is None else list(columns))

        return self._read(check_name(name, ".parquet"), load)

    def tensors(self, name: str) -> dict[str, np.ndarray]:
        """Return the arrays of the safetensors file `name` (with or without ``.safetensors``), by name."""
        from safetensors.numpy import load_file

        return self._read(check_name(name, ".safetensors"), load_file)

    def file(self, name: str) -> Path:
        """Return the path of a file of this artifact, for example ``audio/x.flac``.

        Raises
        ------
        CacheError
            If the name is not one of `names`. `CorruptArtifact` if the file is missing, of another size, or
            a link.
        """
        return self._read(check_name(name), lambda p: p)

    def _read(self, name: str, load: Callable[[Path], T]) -> T:
        """Check and load a file; distinguish an artifact that was removed from one that is damaged."""
        for _ in range(5):
            before = _stamp(self.path / name)
            problem = self._problem(name)
            if problem is None:
                try:
                    loaded = load(self.path / name)
                    # NumPy opens a file twice to map it, so these could have been two different files.
                    if _stamp(self.path / name) == before:
                        return loaded
                    problem = "it changed while it was read"
                except (CacheError, MemoryError, ImportError):
                    raise
                except Exception as error:
                    if isinstance(error, OSError) and error.errno not in (None, errno.ENOENT, errno.EIO):
                        # Too many open files, no permission: the artifact itself is intact.
                        raise CacheError(
                            f"{name} of artifact {self.key[:12]}… cannot be read now: {error.strerror}."
                        ) from error
                    problem = str(error) or type(error).__name__
            # The artifact may have been removed since it was opened, or removed and computed again.
            try:
                now = manifests.read(self.path, self.key)
            except FileNotFoundError:
                if self.path.is_dir():
                    continue
                raise MissingArtifact(
                    f"Artifact {self.key[:12]}… was removed after it had been opened; request it again."
                ) from None
            if now == self.manifest:
                break
            self.manifest = now
        raise CorruptArtifact.of(f"{name} in artifact {self.key[:12]}…", f"is damaged ({problem})")

    def _problem(self, name: str) -> str | None:
        if name not in self.manifest["files"]:
            some = self.names()[:10]
            more = " …" if len(self.names()) > 10 else ""
            raise CacheError(
                f"Artifact {self.key[:12]}… has no file {name!r}; it has {', '.join(some) or 'none'}{more}."
            )
        return misfit(self.path, name, self.manifest["files"][name]["size"])


def _stamp(path: Path) -> tuple[int, int, int] | None:
    with suppress(OSError):
        status = path.lstat()
        return status.st_ino, status.st_size, status.st_mtime_ns
    return None


def misfit(folder: Path, name: str, size: int) -> str | None:
    """Explain why a file is not the one that was written, without reading it; None if it may be."""
    path = os.path.join(folder, *name.split("/"))
    try:
        # Links are refused, whatever their target: an artifact holds its own files.
        if os.path.realpath(path) != os.path.join(os.path.realpath(folder), *name.split("/")):
            return "it is a link"
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return "it is missing"
    if not stat.S_ISREG(status.st_mode):
        return "it is not a file"
    return None if status.st_size == size else f"it has {status.st_size} bytes, the manifest says {size}"


def whole(folder: Path, key: str) -> bool:
    """Whether an artifact has a readable manifest and files of the right sizes; contents are not read."""
    try:
        files = manifests.read(folder, key)["files"]
    except (FileNotFoundError, CorruptArtifact):
        return False
    return all(misfit(folder, name, entry["size"]) is None for name, entry in files.items())
