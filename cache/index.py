"""The index: a SQLite copy of the manifests, so that thousands of artifacts can be listed quickly.

The folders are the truth. Before each query the index checks the modification times of the (at most 256)
folders of ``objects/`` and reads again what has changed, so it is correct after a crash, a copy or a manual
deletion. When an artifact is used, the times of its manifest and of its parent folder are set to now. A
missing or damaged index is rebuilt; if none can be written, the manifests are read instead.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from cache import manifest as manifests
from cache.errors import CacheError
from cache.names import MANIFEST
from cache.temporary import locked

T = TypeVar("T")

SCHEMA = 1
TIMEOUT = 10.0
#: Minimum seconds between two records of the use of an artifact.
TOUCH_EVERY = 60.0
#: A folder changed this recently (in ns) may change again within the resolution of its time stamp.
RECENT = 2_000_000_000

_TABLES = """
CREATE TABLE artifacts (
    key TEXT PRIMARY KEY, type TEXT NOT NULL, spec TEXT NOT NULL, meta TEXT NOT NULL,
    created REAL NOT NULL, last_used REAL NOT NULL, seconds REAL NOT NULL, size INTEGER NOT NULL,
    inode INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX by_type ON artifacts (type, created);
CREATE TABLE shards (name TEXT PRIMARY KEY, changed INTEGER NOT NULL) WITHOUT ROWID;
"""
_SHARD = re.compile("[0-9a-f]{2}")
_KEY = re.compile("[0-9a-f]{64}")
_COLUMNS = "key, type, spec, meta, created, last_used, seconds, size"
#: SQLite's error codes that do not mean that the file is damaged.
_PASSING = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}
_PASSING |= {sqlite3.SQLITE_FULL, sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT}


class ArtifactInfo(NamedTuple):
    """An artifact in a listing. Times in seconds since 1970, size in bytes."""

    key: str
    type: str
    spec_json: str
    meta_json: str
    created: float
    last_used: float
    #: Time of the computation.
    seconds: float
    size: int

    @property
    def spec(self) -> dict[str, Any]:
        """The spec of the artifact, parsed on access."""
        return json.loads(self.spec_json)

    @property
    def meta(self) -> dict[str, Any]:
        """Plain values that the writer stored, parsed on access."""
        return json.loads(self.meta_json)


class Index:
    """The index of one store.

    Parameters
    ----------
    root : Path
        Folder of the store.
    durable : bool
        Whether the index has to survive a power cut.
    """

    def __init__(self, root: Path, *, durable: bool = True) -> None:
        self.durable = durable
        self.path = root / "index.sqlite"
        self.objects = root / "objects"

    def list(self, type: str | None = None) -> list[ArtifactInfo]:
        """List all artifacts, or those of one type, newest first."""

        def query(db: sqlite3.Connection) -> list[ArtifactInfo]:
            refresh(db, self.objects)
            where, values = ("", ()) if type is None else ("WHERE type = ?", (type,))
            rows = db.execute(f"SELECT {_COLUMNS} FROM artifacts {where}", values).fetchall()
            return [ArtifactInfo._make(row) for row in rows]

        try:
            infos = self._run(query)
        except sqlite3.Error:
            infos = [i for i in walk(self.objects) if type is None or i.type == type]
        return sorted(infos, key=attrgetter("created"), reverse=True)

    def size(self) -> int:
        """Bytes of all artifacts."""

        def query(db: sqlite3.Connection) -> int:
            refresh(db, self.objects)
            return db.execute("SELECT coalesce(sum(size), 0) FROM artifacts").fetchone()[0]

        try:
            return self._run(query)
        except sqlite3.Error:
            return sum(i.size for i in walk(self.objects))

    def add(self, folder: Path, manifest: dict[str, Any]) -> None:
        """Record a new artifact. Failing does no harm: the next listing reads it from the folders."""
        with suppress(OSError, sqlite3.Error):
            row = _row(manifest, os.stat(folder / MANIFEST), os.stat(folder).st_ino)
            self._run(lambda db: _insert(db, [row]))

    def rebuild(self) -> int:
        """Rebuild the index from the manifests; return the number of artifacts."""
        with suppress(OSError), locked(self._lock):
            self._remove()
        return len(self.list())

    @property
    def _lock(self) -> Path:
        return self.path.with_suffix(".lock")

    def _run(self, action: Callable[[sqlite3.Connection], T]) -> T:
        """Run `action` on the index; if the index is damaged, on a new one."""
        try:
            with closing(self._open()) as db:
                return action(db)
        except sqlite3.Error as error:
            if not _damaged(error):
                raise
        self._replace()
        with closing(self._open()) as db:
            return action(db)

    def _open(self) -> sqlite3.Connection:
        # One connection per operation: none is carried across threads or a fork. The file is created with the
        # permissions of the umask; a file created by SQLite is writable by its owner only.
        with _lock_errors():
            if not self.path.exists():
                self.path.touch()
        db = sqlite3.connect(self.path, timeout=TIMEOUT, isolation_level=None)
        try:
            if _version(db) != SCHEMA:
                with _lock_errors(), locked(self._lock):
                    _create(db)
            db.execute(f"PRAGMA synchronous = {'NORMAL' if self.durable else 'OFF'}")
        except BaseException:
            db.close()
            raise
        return db

    def _replace(self) -> None:
        with _lock_errors(), locked(self._lock):
            # Another process may have replaced it meanwhile.
            try:
                with closing(sqlite3.connect(self.path, timeout=TIMEOUT, isolation_level=None)) as db:
                    sound = db.execute("PRAGMA quick_check").fetchone()[0] == "ok" and _version(db) == SCHEMA
                    db.execute(f"SELECT {_COLUMNS}, inode FROM artifacts LIMIT 1").fetchall()
                    db.execute("SELECT name, changed FROM shards LIMIT 1").fetchall()
            except sqlite3.Error as error:
                if not _damaged(error):
                    raise
                sound = False
            if not sound:
                self._remove()

    def _remove(self) -> None:
        for ending in ("", "-wal", "-shm", "-journal"):
            Path(f"{self.path}{ending}").unlink(missing_ok=True)


def refresh(db: sqlite3.Connection, objects: Path) -> None:
    """Update the index for the folders that have changed since the last update."""
    now = time.time_ns()
    present = _shards(objects)
    known = dict(db.execute("SELECT name, changed FROM shards").fetchall())
    changed = [name for name, at in present.items() if known.get(name) != at]
    gone = [name for name in known if name not in present]
    if not changed and not gone:
        return
    new: list[tuple[Any, ...]] = []
    used: list[tuple[float, str]] = []
    lost: list[tuple[str]] = []
    for shard in changed + gone:
        rows = db.execute(
            "SELECT key, last_used, inode FROM artifacts WHERE key >= ? AND key < ?", (shard, shard + "g")
        ).fetchall()
        indexed = {key: (last_used, inode) for key, last_used, inode in rows}
        for key, inode in _keys(objects, shard) if shard in present else ():
            last_used, before = indexed.pop(key, (0.0, -1))
            # Uses are recorded at most this often, so there cannot be a later one.
            if before == inode and 0 <= present[shard] / 1e9 - last_used < TOUCH_EVERY:
                continue
            try:
                at = os.stat(f"{objects}/{shard}/{key}/{MANIFEST}")
                if before != inode:
                    new.append(_row(manifests.read(objects / shard / key, key), at, inode))
                elif at.st_mtime != last_used:
                    used.append((at.st_mtime, key))
            except (OSError, CacheError):
                if before != -1:
                    lost.append((key,))
        lost += [(key,) for key in indexed]
    settled = [(name, present[name] if now - present[name] > RECENT else 0) for name in changed]
    db.execute("BEGIN IMMEDIATE")
    with db:
        db.executemany("DELETE FROM artifacts WHERE key = ?", lost)
        _insert(db, new)
        db.executemany("UPDATE artifacts SET last_used = ? WHERE key = ?", used)
        db.executemany("DELETE FROM shards WHERE name = ?", [(name,) for name in gone])
        db.executemany("INSERT OR REPLACE INTO shards VALUES (?, ?)", settled)


def walk(objects: Path) -> list[ArtifactInfo]:
    """List the artifacts by reading every manifest: slow, but without an index."""
    infos = []
    for shard in _shards(objects):
        for key, inode in _keys(objects, shard):
            folder = objects / shard / key
            with suppress(OSError, CacheError):
                row = _row(manifests.read(folder, key), os.stat(folder / MANIFEST), inode)
                infos.append(ArtifactInfo._make(row[:-1]))
    return infos


def keys_on_disk(objects: Path) -> list[str]:
    """Return the keys of all artifact folders, whole or not, sorted."""
    return sorted(key for shard in _shards(objects) for key, _ in _keys(objects, shard))


def _shards(objects: Path) -> dict[str, int]:
    try:
        with os.scandir(objects) as entries:
            return {
                e.name: e.stat().st_mtime_ns
                for e in entries
                if _SHARD.fullmatch(e.name) and e.is_dir(follow_symlinks=False)
            }
    except FileNotFoundError:
        return {}


def _keys(objects: Path, shard: str) -> list[tuple[str, int]]:
    """Return key and inode of every artifact folder of a shard."""
    try:
        with os.scandir(objects / shard) as entries:
            return [
                (e.name, e.inode()) for e in entries if e.name.startswith(shard) and _KEY.fullmatch(e.name)
            ]
    except FileNotFoundError:
        return []


def _row(manifest: dict[str, Any], stat: os.stat_result, inode: int) -> tuple[Any, ...]:
    spec = manifest["spec"]
    return (
        manifest["key"],
        str(spec.get("type", "")),
        json.dumps(spec, separators=(",", ":")),
        json.dumps(manifest["meta"], separators=(",", ":")),
        float(manifest.get("created", stat.st_mtime)),
        stat.st_mtime,
        float(manifest.get("seconds", 0.0)),
        manifests.total_size(manifest, stat.st_size),
        inode,
    )


def _insert(db: sqlite3.Connection, rows: list[tuple[Any, ...]]) -> None:
    db.executemany(f"INSERT OR REPLACE INTO artifacts VALUES ({','.join('?' * 9)})", rows)


def _version(db: sqlite3.Connection) -> int:
    return db.execute("PRAGMA user_version").fetchone()[0]


def _create(db: sqlite3.Connection) -> None:
    if _version(db) == SCHEMA:  # another process was first
        return
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("BEGIN IMMEDIATE")
    with db:
        for table in ("artifacts", "shards"):
            db.execute(f"DROP TABLE IF EXISTS {table}")
        for statement in _TABLES.split(";"):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {SCHEMA}")


def _damaged(error: sqlite3.Error) -> bool:
    """Whether an error comes from the file itself, not from a lock, the disk or a permission."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF not in _PASSING


@contextmanager
def _lock_errors() -> Iterator[None]:
    """Treat a lock file that cannot be created like a database that cannot be opened: without an index."""
    try:
        yield
    except OSError as error:
        raise sqlite3.OperationalError(str(error)) from error
