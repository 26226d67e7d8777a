"""Full disks and killed writers: nothing half-done is ever seen, and nothing is left for good."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from cache import ArtifactStore, ArtifactWriter, CacheError, MissingArtifact
from tests.processes import line, python
from tests.waiting import PATIENCE

from .conftest import fill, key_of, leftovers

KEY = key_of("fault")


def assert_untouched(store: ArtifactStore, good: str) -> None:
    """Only the artifact `good` exists, complete, and nothing else is left."""
    assert not store.contains(KEY)
    assert leftovers(store) == []
    assert [i.key for i in store.list()] == [good]
    assert store.verify() == []
    fill(store, "fault")
    assert store.contains(KEY)


@pytest.mark.parametrize("error", [RuntimeError("mine"), KeyboardInterrupt(), SystemExit(1)])
def test_an_error_in_the_block_passes_through_and_leaves_nothing(
    store: ArtifactStore, error: BaseException
) -> None:
    good = fill(store, "good")
    with pytest.raises(type(error)) as caught, store.writer(KEY) as w:  # noqa: PT012
        w.array("x", np.zeros(100))
        raise error
    assert caught.value is error
    assert_untouched(store, good)


@pytest.mark.parametrize(
    "where",
    [
        "os.fsync",
        "os.rename",
        "os.posix_fallocate",
        "numpy.lib.format.write_array",
        "pyarrow.parquet.write_table",
        "safetensors.numpy.save_file",
        "cache.manifest.write",
        "pathlib.Path.mkdir",
    ],
)
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_one_clear_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, code: int
) -> None:
    import safetensors.numpy  # noqa: F401

    store = ArtifactStore(tmp_path / "cache")
    good = fill(store, "good")

    def full(*args: object, **kwargs: object) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(where, full)
        with pytest.raises(CacheError) as caught, store.writer(KEY) as w:  # noqa: PT012
            w.array("x", np.zeros(100))
            w.empty_array("e", 100, "f4")[:] = 1
            w.table("t", {"a": [1]})
            w.tensors("w", {"a": np.zeros(3, np.float32)})
            w.file("deep/down/a.txt").write_text("x")
    expected = {
        errno.ENOSPC: "the disk is full",
        errno.EDQUOT: "the disk quota is used up",
        errno.EFBIG: "the file is larger than the system allows",
    }[code]
    assert expected in str(caught.value)
    assert str(store.root) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert_untouched(store, good)


def test_a_full_disk_met_by_other_code_in_the_block(store: ArtifactStore) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    good = fill(store, "good")
    with pytest.raises(CacheError, match="the disk is full"), store.writer(KEY), open("/dev/full", "w") as f:
        f.write("x" * 100_000)
    with pytest.raises(CacheError, match="the disk is full"), store.writer(KEY):
        raise RuntimeError("IO failed: No space left on device (os error 28)")
    assert_untouched(store, good)


def test_another_system_error_names_the_store(store: ArtifactStore) -> None:
    store.root.mkdir()
    (store.root / "objects").write_text("a file where a folder belongs")
    with pytest.raises(CacheError, match="cannot be written to .*: (File exists|Not a directory)"):
        fill(store, "fault")
    assert leftovers(store) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a real file system of 2 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("this system has no mount command")
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("kind", ["array", "empty_array", "table", "tensors", "file", "sound", "many files"])
def test_a_disk_that_is_really_full(small_disk: Path, kind: str) -> None:
    store = ArtifactStore(small_disk / "cache")
    good = fill(store, "good")
    noise = np.random.default_rng(0).random(2_000_000)
    write: dict[str, Callable[[ArtifactWriter], object]] = {
        "array": lambda w: w.array("x", noise),
        "empty_array": lambda w: np.copyto(w.empty_array("x", noise.shape, noise.dtype), noise),
        "table": lambda w: w.table("t", {"a": noise}),
        "tensors": lambda w: w.tensors("w", {"a": noise}),
        "file": lambda w: w.file("a.txt").write_bytes(noise.tobytes()),
        "sound": lambda w: pytest.importorskip("soundfile").write(w.file("a.wav"), noise, 32000),
        "many files": lambda w: [w.file(f"{i}.txt").write_bytes(bytes(1000)) for i in range(10_000)],
    }
    with pytest.raises(CacheError, match="the disk is full"), store.writer(KEY) as w:
        write[kind](w)
    assert_untouched(store, good)


def test_a_limit_on_file_size(store: ArtifactStore) -> None:
    good = fill(store, "good")
    code = """
        import resource, sys
        import numpy as np
        from cache import ArtifactStore, CacheError
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        for method, args in (("array", (np.zeros(1 << 18),)), ("empty_array", (1 << 18, "f8"))):
            try:
                with ArtifactStore(sys.argv[1]).writer(sys.argv[2]) as w:
                    getattr(w, method)("x", *args)
            except CacheError as error:
                print(error)
    """
    out, err = python(code, store.root, KEY).communicate(timeout=PATIENCE)
    lines = out.splitlines()
    assert len(lines) == 2, err
    assert all("the file is larger than the system allows" in line for line in lines)
    assert_untouched(store, good)


WRITE_AND_WAIT = """
    import sys, time
    import numpy as np
    from cache import ArtifactStore
    with ArtifactStore(sys.argv[1]).writer(sys.argv[2]) as w:
        w.array("x", np.zeros(100_000))
        frames = w.empty_array("frames", (1000, 100), "f4")
        frames[:10] = 1
        w.table("t", {"a": [1]})
        print("half-way", flush=True)
        time.sleep(1000)
"""


def test_a_writer_killed_midway_leaves_what_clean_removes(store: ArtifactStore) -> None:
    good = fill(store, "good")
    child = python(WRITE_AND_WAIT, store.root, KEY)
    try:
        assert line(child) == "half-way"
        assert not store.contains(KEY)
        with pytest.raises(MissingArtifact):
            store.open(KEY)
        assert len(leftovers(store)) == 2  # the folder and its lock
        assert store.clean() == 0  # its owner lives
        assert len(leftovers(store)) == 2
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait(PATIENCE)
    assert not store.contains(KEY)
    assert [i.key for i in store.list()] == [good]
    assert store.verify() == []
    assert len(leftovers(store)) == 2
    assert store.clean() == 1
    assert store.clean() == 0
    assert_untouched(store, good)


def test_writers_killed_at_any_moment(store: ArtifactStore) -> None:
    code = """
        import sys
        import numpy as np
        from cache import ArtifactStore
        store = ArtifactStore(sys.argv[1])
        for i in range(100_000):
            with store.writer(f"{i:064x}") as w:
                w.array("x", np.full(20_000, i))
                w.meta["i"] = i
            if i % 3 == 0:
                store.delete(f"{i:064x}")
            if i == 1:
                print("begin", flush=True)
    """
    for i in range(5):
        child = python(code, store.root)
        assert line(child) == "begin"
        time.sleep(0.01 + 0.0437 * i)
        child.kill()
        child.communicate(timeout=PATIENCE)
        assert store.verify() == []
        infos = store.list()
        assert infos
        for info in infos:
            assert int(info.key, 16) == info.meta["i"]
            assert (store.open(info.key).array("x") == info.meta["i"]).all()
        store.clean()
        assert leftovers(store) == []


def test_clean_spares_folders_in_use_and_removes_old_ones_of_unknown_origin(store: ArtifactStore) -> None:
    with store.writer(KEY) as w:
        os.utime(w.path, (0, 0))
        assert store.clean() == 0
        w.array("x", [1])
    assert store.contains(KEY)
    young, old = store.root / "tmp" / "young", store.root / "tmp" / "old"
    young.mkdir()
    old.mkdir()
    (old / "x.npy").write_bytes(b"x")
    os.utime(old, (time.time() - 3700,) * 2)
    (store.root / "tmp" / "lonely.lock").touch()
    assert store.clean() == 1
    assert leftovers(store) == ["young"]


def test_the_artifact_survives_a_failing_index(store: ArtifactStore, monkeypatch: pytest.MonkeyPatch) -> None:
    import sqlite3

    def full(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("cache.index.sqlite3.connect", full)
        fill(store, "fault")
        assert [i.key for i in store.list()] == [KEY]
        assert store.size() > 0
        assert store.verify() == []
    assert [i.key for i in store.list()] == [KEY]
