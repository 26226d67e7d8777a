"""The artifact store: one immutable artifact a key, on disk, safe under many processes.

``objects/ab/<key>/`` holds an artifact, ``tmp/`` what is being written or removed, ``index.sqlite`` a memo
that can be thrown away at any time. An artifact appears and disappears by one rename.
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
        Made when something is written first. Everything must be on one file system.
    durable : bool, default True
        Wait for the disk before an artifact appears, so that it survives a power cut. Without it, writing
        thousands of small artifacts is much faster; for tests and stores that are thrown away.

    Attributes
    ----------
    hits, misses : int
        How often `open` found an artifact, and did not, in this object.

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
        """Return where the artifact of a key is or would be."""
        check_key(key)
        return self._objects / key[:2] / key

    def contains(self, key: str) -> bool:
        """Whether there is an artifact of this key; it is whole, since it could not be seen otherwise."""
        return (self.folder(key) / MANIFEST).is_file()

    def open(self, key: str) -> Artifact:
        """Open an artifact for reading.

        Raises
        ------
        MissingArtifact
            If there is none.
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
                f"There is no artifact {key[:12]}… in {self.root}; ask for it again."
            ) from None
        with self._count:
            self.hits += 1
        self._touch(folder)
        return Artifact(key, folder, manifest)

    @staticmethod
    def _touch(folder: Path) -> None:
        """Note the use where every process sees it; a store that is read-only stays as it is."""
        with suppress(OSError):
            if time.time() - (folder / MANIFEST).stat().st_mtime > TOUCH_EVERY:
                os.utime(folder / MANIFEST)
                os.utime(folder.parent)  # tells the index that something in there changed

    @contextmanager
    def writer(
        self, key: str, spec: Mapping[str, Any] | None = None, *, versions: Mapping[str, str] | None = None
    ) -> Iterator[ArtifactWriter]:
        """Write the artifact of `key`; it appears, whole, when the block ends without an error.

        If another process was faster, its artifact stays and this one is dropped: one key, one content.

        Parameters
        ----------
        key : str
            64 lower-case hexadecimal digits.
        spec : mapping, optional
            What was asked for, as plain values; its ``"type"`` is what `list` filters by.
        versions : mapping, optional
            Library versions to record, by default those of the libraries that results depend on.

        Raises
        ------
        CacheError
            If something cannot be stored, or the disk is full. Whatever goes wrong, nothing is left behind.
        """
        target = self.folder(key)
        # Explained within the folder too: once it is gone, the disk has room again.
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
        """Turn errors of the disk, whoever met them, into one sentence; others pass."""
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
        """Make an artifact visible, unless a whole one is there; returns whether it was."""
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
            # What is there is damaged, so it must not keep the good one out.
            self._discard(target)
        flush(target.parent, self.durable)
        return True

    def _discard(self, folder: Path) -> bool:
        """Take an artifact out of sight by one rename, then remove it; whoever maps its files keeps them."""
        try:
            with temporary.temporary_folder(self._tmp) as trash:
                os.rename(folder, trash / "artifact")
        except FileNotFoundError:
            return False
        return True

    def delete(self, key: str) -> bool:
        """Remove an artifact; arrays that are mapped stay valid. Returns whether there was one."""
        folder = self.folder(key)
        with writing("What is to be deleted", self._tmp):
            return folder.is_dir() and self._discard(folder)

    def list(self, type: str | None = None) -> builtins.list[ArtifactInfo]:
        """List the artifacts, or those whose spec has this type, newest first."""
        return self._index.list(type)

    def size(self) -> int:
        """Bytes that all artifacts take together."""
        return self._index.size()

    def verify(
        self,
        keys: Iterable[str] | None = None,
        remove: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> builtins.list[Problem]:
        """Read artifacts wholly and compare them with their checksums.

        Parameters
        ----------
        keys : iterable of str, optional
            By default all. A key without an artifact is a problem.
        remove : bool, default False
            Remove the artifacts that are damaged, so that they are computed again when asked for. What
            merely cannot be read now, for want of a permission, stays.
        progress : callable, optional
            Called with the number of artifacts done and their total.

        Returns
        -------
        list of Problem
            Empty if every byte is what was written.
        """
        wanted = keys_on_disk(self._objects) if keys is None else list(keys)
        found: list[Problem] = []
        for i, key in enumerate(wanted):
            folder = self.folder(key)
            if keys is not None and not folder.is_dir():
                found.append(Problem(key, "", "there is no such artifact"))
            bad = checks.problems(folder, key)
            found += bad
            if remove and any(p.damaged for p in bad):
                self.delete(key)
            if progress is not None:
                progress(i + 1, len(wanted))
        if keys is None:
            self.rebuild_index()
        return found

    def evict(self, max_bytes: int, keep: Collection[str] = ()) -> builtins.list[str]:
        """Remove the artifacts used longest ago until all together take at most `max_bytes`.

        Parameters
        ----------
        max_bytes : int
            0 removes everything that may go.
        keep : collection of str
            Keys that stay, for example what queued jobs need. They count towards the size.

        Returns
        -------
        list of str
            The keys removed, in that order. With much to keep, the rest can be larger than `max_bytes`.
        """
        if max_bytes < 0:
            raise CacheError(f"max_bytes is {max_bytes}; it must be 0 or more.")
        kept = {check_key(k) for k in keep}
        found = self.list()
        total = sum(info.size for info in found)
        removed = []
        for info in sorted(found, key=lambda i: (i.last_used, i.created, i.key)):
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
        """Make the index anew from the manifests; returns how many artifacts there are."""
        return self._index.rebuild()

    def clean(self) -> int:
        """Remove what writers that were killed left behind; returns how many folders."""
        return temporary.clean(self._tmp)

    def export(self, key: str, target: str | os.PathLike[str]) -> Path:
        """Copy an artifact to a new folder or ``.zip`` file, checking every byte. See `cache.export`."""
        from cache.export import export

        return export(self.open(key), target)


def _is_below(name: object, root: Path) -> bool:
    return isinstance(name, str) and Path(name).is_relative_to(root)
