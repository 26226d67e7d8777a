"""The artifact store: one immutable artifact per key, on disk, safe for concurrent processes.

``objects/ab/<key>/`` holds an artifact, ``tmp/`` those that are being written or removed, ``index.sqlite`` an
index that can be deleted at any time. An artifact appears and disappears by a single rename.
"""

from __future__ import annotations

import builtins
import os
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cache import artifact as artifacts
from cache import checks, temporary
from cache import manifest as manifests
from cache.artifact import Artifact
from cache.checks import Problem
from cache.errors import CacheError, MissingArtifact, lack_of_space, no_space, writing
from cache.index import TOUCH_EVERY, ArtifactInfo, Index, keys_on_disk
from cache.names import MANIFEST, check_key
from cache.writer import ArtifactWriter, flush


class ArtifactStore:
    """A folder of artifacts.

    Parameters
    ----------
    root : path
        Created by the first write. Everything must be on one file system.
    durable : bool, default True
        Wait for the disk before an artifact appears, so that it survives a power cut. Without this, writing
        thousands of small artifacts is much faster; for tests and temporary stores.

    Attributes
    ----------
    hits, misses : int
        Number of calls of `open`, in this object, with and without an artifact.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> folder = tempfile.TemporaryDirectory()
    >>> store = ArtifactStore(folder.name)
    >>> key = "ab" * 32
    >>> with store.writer(key, spec={"type": "Squares"}) as w:
    ...     w.array("squares", np.arange(4) ** 2)
    ...     w.meta["n"] = 4
    >>> store.contains(key)
    True
    >>> store.open(key).array("squares").tolist()
    [0, 1, 4, 9]
    >>> [(info.type, info.meta) for info in store.list()]
    [('Squares', {'n': 4})]
    """

    def __init__(self, root: str | os.PathLike[str], *, durable: bool = True) -> None:
        self.root = Path(root).expanduser().absolute()
        self.durable = durable
        self.hits = 0
        self.misses = 0
        self._objects = self.root / "objects"
        self._tmp = self.root / "tmp"
        self._index = Index(self.root, durable=durable)
        self._count = threading.Lock()

    def __repr__(self) -> str:
        return f"ArtifactStore({str(self.root)!r})"

    def folder(self, key: str) -> Path:
        """Return the folder of a key's artifact, which need not exist."""
        check_key(key)
        return self._objects / key[:2] / key

    def contains(self, key: str) -> bool:
        """Whether an artifact with this key exists; visible artifacts are complete."""
        return (self.folder(key) / MANIFEST).is_file()

    def open(self, key: str) -> Artifact:
        """Open an artifact for reading.

        Raises
        ------
        MissingArtifact
            If it does not exist.
        CorruptArtifact
            If its manifest cannot be read.
        """
        folder = self.folder(key)
        try:
            manifest = manifests.read(folder, key)
        except FileNotFoundError:
            with self._count:
                self.misses += 1
            raise MissingArtifact(
                f"There is no artifact {key[:12]}… in {self.root}; request it again."
            ) from None
        with self._count:
            self.hits += 1
        self._touch(folder)
        return Artifact(key, folder, manifest)

    @staticmethod
    def _touch(folder: Path) -> None:
        """Record the use in the folder, for all processes; a read-only store is left unchanged."""
        with suppress(OSError):
            if time.time() - (folder / MANIFEST).stat().st_mtime > TOUCH_EVERY:
                os.utime(folder / MANIFEST)
                os.utime(folder.parent)  # shows the index that something has changed

    @contextmanager
    def writer(
        self, key: str, spec: Mapping[str, Any] | None = None, *, versions: Mapping[str, str] | None = None
    ) -> Iterator[ArtifactWriter]:
        """Write the artifact of `key`; it appears as a whole when the block ends without an error.

        If another process was faster, its artifact stays and this one is dropped.

        Parameters
        ----------
        key : str
            64 lower-case hexadecimal digits.
        spec : mapping, optional
            The spec as plain values; `list` filters by its ``"type"``.
        versions : mapping, optional
            Library versions to record, by default those of the libraries that results depend on.

        Raises
        ------
        CacheError
            If something cannot be stored, or the disk is full. After any error, nothing is left behind.
        """
        target = self.folder(key)
        # Explained within the folder, too: once it is removed, the disk has space again.
        explained = self._explained
        with explained(key), temporary.temporary_folder(self._tmp) as folder, explained(key):
            w = ArtifactWriter(key, folder, spec)
            yield w
            manifest = w.finish(versions, durable=self.durable)
            first = self._publish(folder, target)
        if first:
            self._index.add(target, manifest)

    @contextmanager
    def _explained(self, key: str) -> Iterator[None]:
        """Turn errors of the disk, from any code in the block, into one sentence; others pass."""
        try:
            yield
        except CacheError:
            raise
        except Exception as error:
            reason = lack_of_space(error, self.root)
            if reason is not None:
                text = f"Artifact {key[:12]}… cannot be written: {reason}. Nothing of it was kept."
                raise no_space(text, error) from error
            if not (isinstance(error, OSError) and _is_below(error.filename, self.root)):
                raise
            raise CacheError(
                f"Artifact {key[:12]}… cannot be written to {self.root}: {error.strerror}. Nothing of it was "
                "kept."
            ) from error

    def _publish(self, folder: Path, target: Path) -> bool:
        """Make an artifact visible, unless a complete one exists; return whether it was published."""
        if not target.parent.is_dir():
            target.parent.mkdir(parents=True, exist_ok=True)
            flush(self._objects, self.durable)
        while True:
            try:
                os.rename(folder, target)
                break
            except OSError:
                if not target.is_dir():
                    raise
            if artifacts.whole(target, target.name):
                return False
            # The existing one is damaged, so it is replaced.
            self._discard(target)
        flush(target.parent, self.durable)
        return True

    def _discard(self, folder: Path) -> bool:
        """Hide an artifact by one rename, then remove it; processes that map its files keep them."""
        try:
            with temporary.temporary_folder(self._tmp) as trash:
                os.rename(folder, trash / "artifact")
        except FileNotFoundError:
            return False
        return True

    def delete(self, key: str) -> bool:
        """Remove an artifact and return whether it existed; mapped arrays stay valid."""
        folder = self.folder(key)
        with writing("The artifact to delete", self._tmp):
            return folder.is_dir() and self._discard(folder)

    def list(self, type: str | None = None) -> builtins.list[ArtifactInfo]:
        """List the artifacts, or those with specs of this type, newest first."""
        return self._index.list(type)

    def size(self) -> int:
        """Total size of all artifacts in bytes."""
        return self._index.size()

    def verify(
        self,
        keys: Iterable[str] | None = None,
        remove: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> builtins.list[Problem]:
        """Read all files of artifacts and compare them with their checksums.

        Parameters
        ----------
        keys : iterable of str, optional
            By default all. A key without an artifact is a problem.
        remove : bool, default False
            Remove damaged artifacts, so that they are computed again when requested. Files that merely cannot
            be read now, such as without permission, are kept.
        progress : callable, optional
            Called with the number of artifacts verified and their total.

        Returns
        -------
        list of Problem
            Empty if every byte is what was written.
        """
        selected = keys_on_disk(self._objects) if keys is None else list(keys)
        problems: list[Problem] = []
        for i, key in enumerate(selected):
            folder = self.folder(key)
            if keys is not None and not folder.is_dir():
                problems.append(Problem(key, "", "there is no such artifact"))
            own = checks.problems(folder, key)
            problems += own
            if remove and any(p.damaged for p in own):
                self.delete(key)
            if progress is not None:
                progress(i + 1, len(selected))
        if keys is None:
            self.rebuild_index()
        return problems

    def evict(self, max_bytes: int, keep: Collection[str] = ()) -> builtins.list[str]:
        """Remove the least recently used artifacts until the total size is at most `max_bytes`.

        Parameters
        ----------
        max_bytes : int
            0 removes everything except `keep`.
        keep : collection of str
            Keys to keep, for example of the inputs of queued jobs. They count towards the size.

        Returns
        -------
        list of str
            The removed keys, in this order. With many keys to keep, the rest can be larger than `max_bytes`.
        """
        if max_bytes < 0:
            raise CacheError(f"max_bytes is {max_bytes}; it must be 0 or more.")
        kept = {check_key(k) for k in keep}
        infos = self.list()
        total = sum(info.size for info in infos)
        removed = []
        for info in sorted(infos, key=lambda i: (i.last_used, i.created, i.key)):
            if total <= max_bytes:
                break
            if info.key in kept or self._used_since(info):
                continue
            if self.delete(info.key):
                removed.append(info.key)
            total -= info.size
        return removed

    def _used_since(self, info: ArtifactInfo) -> bool:
        with suppress(OSError):
            return (self.folder(info.key) / MANIFEST).stat().st_mtime > info.last_used
        return False

    def rebuild_index(self) -> int:
        """Rebuild the index from the manifests; return the number of artifacts."""
        return self._index.rebuild()

    def clean(self) -> int:
        """Remove what killed writers left behind; return the number of folders."""
        return temporary.clean(self._tmp)

    def export(self, key: str, target: str | os.PathLike[str]) -> Path:
        """Copy an artifact to a new folder or ``.zip`` file, verifying every byte: see `cache.export`."""
        from cache.export import export

        return export(self.open(key), target)


def _is_below(name: object, root: Path) -> bool:
    return isinstance(name, str) and Path(name).is_relative_to(root)
