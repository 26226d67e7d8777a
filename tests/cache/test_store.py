"""Finding, counting, listing, checking, evicting and exporting artifacts."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from cache import ArtifactStore, CacheError, CorruptArtifact, MissingArtifact, Problem
from cache.index import walk

from .conftest import fill, key_of, leftovers


def used(store: ArtifactStore, key: str, ago: float) -> None:
    """Make it look as if an artifact had last been used `ago` seconds ago."""
    folder = store.root / "objects" / key[:2] / key
    when = time.time() - ago
    os.utime(folder / "manifest.json", (when, when))
    store.rebuild_index()


def test_hits_and_misses_are_counted(store: ArtifactStore) -> None:
    key = fill(store, 1)
    for _ in range(3):
        store.open(key)
    with pytest.raises(MissingArtifact):
        store.open(key_of(2))
    assert store.contains(key)
    assert not store.contains(key_of(2))
    assert (store.hits, store.misses) == (3, 1)


def test_looking_into_a_store_that_does_not_exist_makes_nothing(store: ArtifactStore) -> None:
    assert store.list() == []
    assert store.size() == 0
    assert store.verify(keys=[]) == []
    assert store.evict(0) == []
    assert store.clean() == 0
    assert not store.contains(key_of(1))
    assert not store.delete(key_of(1))
    assert not store.root.exists()


def test_an_artifact_is_never_replaced(store: ArtifactStore) -> None:
    key = fill(store, 1, n=3)
    inode = (store.open(key).path / "x.npy").stat().st_ino
    fill(store, 1, n=5)
    assert store.open(key).array("x").shape == (3,)
    assert (store.open(key).path / "x.npy").stat().st_ino == inode
    assert leftovers(store) == []


def _overwrite(path: Path, text: str) -> None:
    path.unlink()
    path.write_text(text)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "no manifest": lambda folder: (folder / "manifest.json").unlink(),
    "broken manifest": lambda folder: _overwrite(folder / "manifest.json", "{"),
    "missing file": lambda folder: (folder / "x.npy").unlink(),
    "truncated file": lambda folder: os.truncate(folder / "x.npy", 130),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_artifact_is_replaced(store: ArtifactStore, damage: str) -> None:
    key = fill(store, 1)
    DAMAGE[damage](store.open(key).path)
    assert store.contains(key) == (damage != "no manifest")
    assert store.verify()
    fill(store, 1)
    assert store.verify() == []
    assert store.open(key).array("x")[9] == 9
    assert leftovers(store) == []


def test_listing_tells_what_the_manifests_tell(store: ArtifactStore) -> None:
    keys = [fill(store, i, n=i + 1, type="Even" if i % 2 == 0 else "Odd") for i in range(20)]
    infos = store.list()
    assert [i.key for i in infos] == keys[::-1]  # newest first
    for info in infos:
        a = store.open(info.key)
        assert info.spec == a.spec
        assert info.meta == a.meta
        assert info.type == a.spec["type"]
        assert (info.created, info.seconds) == (a.manifest["created"], a.manifest["seconds"])
        assert info.size == sum(p.stat().st_size for p in a.path.rglob("*") if p.is_file())
    assert [i.key for i in store.list(type="Odd")] == keys[::-1][::2]
    assert store.list(type="Neither") == []
    assert store.size() == sum(i.size for i in infos)
    assert sorted(infos) == sorted(walk(store.root / "objects"))


def test_listing_follows_what_others_do_to_the_folders(store: ArtifactStore, tmp_path: Path) -> None:
    a, b = fill(store, 1), fill(store, 2)
    assert len(store.list()) == 2
    shutil.rmtree(store.root / "objects" / a[:2] / a)
    assert [i.key for i in store.list()] == [b]
    other = ArtifactStore(tmp_path / "other", durable=False)
    c = fill(other, 3)
    shutil.copytree(other.root / "objects" / c[:2], store.root / "objects" / c[:2])
    assert {i.key for i in store.list()} == {b, c}
    shutil.rmtree(store.root / "objects")
    assert store.list() == []
    assert store.size() == 0


def test_listing_notices_an_artifact_computed_again(store: ArtifactStore) -> None:
    key = fill(store, 1, n=3)
    assert store.list()[0].meta == {"n": 3}
    store.delete(key)
    fill(store, 1, n=4)
    assert store.list()[0].meta == {"n": 4}


def test_last_used_is_noted_once_a_minute(store: ArtifactStore) -> None:
    key = fill(store, 1)
    used(store, key, ago=3600)
    assert store.list()[0].last_used == pytest.approx(time.time() - 3600, abs=600)
    store.open(key)
    first = store.list()[0].last_used
    assert first == pytest.approx(time.time(), abs=600)
    time.sleep(0.02)
    store.open(key)
    assert store.list()[0].last_used == first
    store.contains(key)
    assert store.rebuild_index() == 1
    assert store.list()[0].last_used == first


def test_eviction_takes_the_longest_unused_first(store: ArtifactStore) -> None:
    keys = [fill(store, i) for i in range(6)]
    for ago, i in zip((600, 500, 400, 300, 200, 100), (3, 1, 5, 0, 2, 4), strict=True):
        used(store, keys[i], ago)
    one = store.list()[0].size
    assert store.evict(10 * one) == []
    assert store.evict(store.size()) == []
    store.open(keys[3])  # now the one used last
    assert store.evict(4 * one + 100, keep={keys[1]}) == [keys[5], keys[0]]
    assert {i.key for i in store.list()} == {keys[i] for i in (1, 2, 3, 4)}
    assert store.evict(0, keep=[keys[2], key_of("not here")]) == [keys[1], keys[4], keys[3]]
    assert store.size() == store.list()[0].size
    assert store.evict(0) == [keys[2]]
    assert store.size() == 0
    assert leftovers(store) == []
    with pytest.raises(CacheError, match="must be 0 or more"):
        store.evict(-1)


def test_an_artifact_used_while_others_are_evicted_stays(
    store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = fill(store, 1), fill(store, 2)
    used(store, a, 200)
    used(store, b, 100)
    delete = store.delete

    def and_someone_opens_b(key: str) -> bool:
        ArtifactStore(store.root).open(b)
        return delete(key)

    monkeypatch.setattr(store, "delete", and_someone_opens_b)
    assert store.evict(0) == [a]
    assert store.contains(b)


def test_deleting_does_not_disturb_readers(store: ArtifactStore) -> None:
    with store.writer(key_of(1)) as w:
        w.array("x", np.arange(1 << 18))
    a = store.open(key_of(1))
    x = a.array("x")
    assert store.delete(key_of(1))
    assert not store.delete(key_of(1))
    assert x[-1] == (1 << 18) - 1
    assert int(x.sum()) == sum(range(1 << 18))
    with pytest.raises(MissingArtifact, match="was removed after it had been opened"):
        a.array("x")
    assert store.list() == []
    assert leftovers(store) == []
    # Computed again, possibly with other sizes, the old handle reads the new artifact.
    with store.writer(key_of(1)) as w:
        w.array("x", np.arange(3))
    assert a.array("x").tolist() == [0, 1, 2]


def test_files_in_the_store_are_write_protected(store: ArtifactStore) -> None:
    a = store.open(fill(store, 1))
    for name in (*a.names(), "manifest.json"):
        assert (a.path / name).stat().st_mode & 0o222 == 0


def test_verify_finds_every_kind_of_damage(store: ArtifactStore) -> None:
    keys = [fill(store, i, n=1000) for i in range(8)]
    assert store.verify() == []

    def path(i: int, name: str = "x.npy") -> Path:
        file = store.root / "objects" / keys[i][:2] / keys[i] / name
        file.chmod(0o644) if file.exists() else None
        return file

    data = bytearray(path(0).read_bytes())
    data[2000] ^= 1
    path(0).write_bytes(data)
    path(1).unlink()
    path(2, "extra.txt").write_text("x")
    os.truncate(path(3), 1000)
    path(4, "manifest.json").unlink()
    manifest = json.loads(path(5, "manifest.json").read_text())
    path(5, "manifest.json").write_text(json.dumps(manifest | {"meta": {"n": 1001}}))
    path(6, "manifest.json").write_text(json.dumps(manifest)[:-10])

    differs = "its contents are not what was written: the checksum differs"
    expected = {
        Problem(keys[0], "x.npy", differs),
        Problem(keys[1], "x.npy", "it is missing"),
        Problem(keys[2], "extra.txt", "it is not in the manifest"),
        Problem(keys[3], "x.npy", "it has 1000 bytes, the manifest says 4128"),
        Problem(keys[4], "manifest.json", "it is missing"),
        Problem(keys[5], "manifest.json", differs),
    }
    problems = set(store.verify())
    assert expected < problems
    (broken,) = problems - expected
    assert (broken.key, broken.file) == (keys[6], "manifest.json")
    assert store.verify(keys=[keys[7]]) == []
    assert store.verify(keys=[keys[0], keys[7]]) == [Problem(keys[0], "x.npy", differs)]
    assert store.verify(keys=[key_of("no")]) == [Problem(key_of("no"), "", "there is no such artifact")]

    steps: list[tuple[int, int]] = []
    assert (
        set(store.verify(remove=True, progress=lambda done, total: steps.append((done, total)))) == problems
    )
    assert steps == [(i + 1, 8) for i in range(8)]
    assert store.verify() == []
    assert [i.key for i in store.list()] == [keys[7]]
    for i in range(7):
        assert not store.contains(keys[i])
    fill(store, 0, n=1000)
    assert store.open(keys[0]).array("x")[999] == 999


def test_reading_a_damaged_file_says_so(store: ArtifactStore) -> None:
    key = fill(store, 1)
    a = store.open(key)
    os.truncate(a.path / "t.parquet", 20)
    with pytest.raises(
        CorruptArtifact, match=r"t\.parquet in artifact .* has 20 bytes, .*verify\(remove=True\)"
    ):
        a.table("t")
    size = (a.path / "w.safetensors").stat().st_size
    (a.path / "w.safetensors").chmod(0o644)
    (a.path / "w.safetensors").write_bytes(b"\xff" * size)
    with pytest.raises(CorruptArtifact, match="is damaged"):
        a.tensors("w")
    (a.path / "audio/note.txt").unlink()
    with pytest.raises(CorruptArtifact, match="it is missing"):
        a.file("audio/note.txt")


def test_what_cannot_be_read_now_is_reported_and_not_removed(
    store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = fill(store, 1)

    def refuse(path: Path) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr("cache.manifest.sha256", refuse)
        problems = store.verify(remove=True)
    assert {p.reason for p in problems} == {"it cannot be read: Permission denied"}
    assert store.contains(key)
    monkeypatch.setattr(np, "load", lambda path, **_: refuse(path))
    with pytest.raises(CacheError, match="cannot be read now: Permission denied") as caught:
        store.open(key).array("x")
    assert not isinstance(caught.value, CorruptArtifact)


def _zero(path: Path) -> None:
    with open(path, "r+b") as f:
        f.seek(4096)
        f.write(bytes(path.stat().st_size - 4096))


def _change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in statements:
            db.execute(statement)


def _other_tables(path: Path) -> None:
    path.unlink()
    _change(path, "CREATE TABLE artifacts (id)", "PRAGMA user_version = 1")


def _as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


RUIN: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("not a database, and longer than the header of one" * 100),
    "half": lambda path: os.truncate(path, path.stat().st_size // 2),
    "zeros inside": _zero,
    "other tables": _other_tables,
    "older schema": lambda path: _change(path, "PRAGMA user_version = 99"),
    "a folder": _as_folder,
}


@pytest.mark.parametrize("kind", RUIN)
def test_a_ruined_index_costs_nothing_but_time(store: ArtifactStore, kind: str) -> None:
    for i in range(30):
        fill(store, i, n=i, type="Long " * 200)
    before, size = store.list(), store.size()
    RUIN[kind](store.root / "index.sqlite")
    again = ArtifactStore(store.root, durable=False)
    assert again.list() == before
    assert again.size() == size
    fill(again, 100)
    assert len(store.list()) == 31
    assert len(again.list(type="Thing")) == 1
    if kind != "a folder":
        assert again.rebuild_index() == 31
        with closing(sqlite3.connect(store.root / "index.sqlite")) as db:
            assert db.execute("SELECT count(*) FROM artifacts").fetchone() == (31,)
            assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_an_index_that_is_locked_for_good_is_done_without(
    store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = fill(store, 1)
    monkeypatch.setattr("cache.index.TIMEOUT", 0.05)
    db = sqlite3.connect(store.root / "index.sqlite", isolation_level=None)
    db.execute("BEGIN EXCLUSIVE")
    other = fill(store, 2)
    assert {i.key for i in store.list()} == {key, other}
    db.execute("ROLLBACK")
    db.close()
    assert {i.key for i in store.list()} == {key, other}


def test_export_to_a_folder_and_an_archive(store: ArtifactStore, tmp_path: Path) -> None:
    key = fill(store, 1, n=1000)
    a = store.open(key)
    folder = store.export(key, tmp_path / "out" / "folder")
    archive = store.export(key, tmp_path / "out" / "x.zip")
    names = {*a.names(), "manifest.json"}
    assert {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} == names
    with zipfile.ZipFile(archive) as z:
        assert set(z.namelist()) == names
        assert z.testzip() is None
        for name in names:
            assert z.read(name) == (folder / name).read_bytes() == (a.path / name).read_bytes()
    (folder / "x.npy").write_bytes(b"mine")  # a copy is free to be changed
    assert store.verify() == []
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["folder", "x.zip"]
    for taken in (folder, archive):
        with pytest.raises(CacheError, match="exists; give a new name"):
            store.export(key, taken)
    (tmp_path / "empty").mkdir()
    assert (store.export(key, tmp_path / "empty") / "x.npy").is_file()
    with pytest.raises(CacheError, match="inside the artifact"):
        store.export(key, a.path / "copy")
    with pytest.raises(MissingArtifact):
        store.export(key_of(2), tmp_path / "none")


def test_export_leaves_nothing_of_a_damaged_artifact(store: ArtifactStore, tmp_path: Path) -> None:
    key = fill(store, 1, n=1000)
    path = store.open(key).file("x.npy")
    path.chmod(0o644)
    with open(path, "r+b") as f:
        f.seek(500)
        f.write(b"\xff")
    for target in ("folder", "x.zip"):
        with pytest.raises(CorruptArtifact, match="checksum differs"):
            store.export(key, tmp_path / "out" / target)
    assert list((tmp_path / "out").iterdir()) == []
