"""Several processes and threads on one store."""

from __future__ import annotations

import multiprocessing
import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cache import ArtifactStore, MissingArtifact, checks
from tests.waiting import PATIENCE

from .conftest import fill, key_of, leftovers

SPAWN = multiprocessing.get_context("spawn")
KEY = key_of("shared")


def _store_same(root: Path, who: int, barrier: Barrier, rounds: int) -> None:
    store = ArtifactStore(root, durable=False)
    for i in range(rounds):
        with store.writer(key_of(i), spec={"type": "Race"}) as w:
            w.array("x", np.full(5000, who))
            w.array("y", np.full(5000, who))
            w.meta["who"] = who
            barrier.wait(PATIENCE)  # all finish at the same moment


def test_two_processes_storing_one_key_at_once(tmp_path: Path) -> None:
    rounds = 20
    barrier = SPAWN.Barrier(2)
    workers = [SPAWN.Process(target=_store_same, args=(tmp_path, i, barrier, rounds)) for i in range(2)]
    for w in workers:
        w.start()
    for w in workers:
        w.join(PATIENCE)
    assert [w.exitcode for w in workers] == [0, 0]
    store = ArtifactStore(tmp_path)
    assert store.verify() == []
    assert {i.key for i in store.list()} == {key_of(i) for i in range(rounds)}
    for i in range(rounds):
        a = store.open(key_of(i))
        assert (a.array("x") == a.meta["who"]).all()  # never a mixture of the two
        assert (a.array("y") == a.meta["who"]).all()
    assert leftovers(store) == []


def _write_and_delete(root: Path, stop: Event) -> None:
    store = ArtifactStore(root, durable=False)
    for i in range(1, 1_000_000):
        if stop.is_set():
            break
        with store.writer(KEY) as w:
            w.array("x", np.full(3000 + i % 5, i))
            w.array("y", np.full(3000 + i % 5, i))
        store.delete(KEY)


def test_a_reader_never_sees_half_an_artifact(tmp_path: Path) -> None:
    stop = SPAWN.Event()
    writer = SPAWN.Process(target=_write_and_delete, args=(tmp_path, stop))
    writer.start()
    store = ArtifactStore(tmp_path)
    seen = 0
    try:
        deadline = time.monotonic() + PATIENCE
        while seen < 200 and time.monotonic() < deadline:
            assert writer.is_alive()
            try:
                x = store.open(KEY).array("x")
            except MissingArtifact:
                continue
            assert len(x) == 3000 + int(x[0]) % 5
            assert (x == x[0]).all()
            seen += 1
    finally:
        stop.set()
        writer.join(PATIENCE)
    assert seen == 200
    assert writer.exitcode == 0
    assert leftovers(store) == []


def _busy(root: Path, seed: int, n: int) -> None:
    rng = random.Random(seed)
    store = ArtifactStore(root, durable=False)
    for i in range(n):
        fill(store, rng.randrange(30), type=f"T{seed}")
        action = rng.randrange(6)
        if action == 0:
            store.rebuild_index()
        elif action == 1:
            store.evict(store.size() // 2)
        elif action == 2:
            (root / "index.sqlite").write_bytes(b"garbage" * 1000) if i % 5 == 0 else store.list()
        elif action == 3:
            assert store.verify() == []
        elif action == 4:
            store.clean()
        else:
            store.delete(key_of(rng.randrange(30)))


def test_many_processes_doing_everything_at_once(tmp_path: Path) -> None:
    workers = [SPAWN.Process(target=_busy, args=(tmp_path, seed, 20)) for seed in range(4)]
    for w in workers:
        w.start()
    for w in workers:
        w.join(PATIENCE)
    assert [w.exitcode for w in workers] == [0] * 4
    store = ArtifactStore(tmp_path)
    on_disk = {p.name for p in (tmp_path / "objects").glob("??/*")}
    assert {i.key for i in store.list()} == on_disk
    assert store.verify() == []
    assert leftovers(store) == []


def test_threads_share_one_store(store: ArtifactStore) -> None:
    def work(i: int) -> int:
        key = fill(store, i % 10)
        store.list()
        store.size()
        return int(store.open(key).array("x").sum())

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(80))) == [45] * 80
    assert len(store.list()) == 10
    assert store.hits == 80
    assert store.verify() == []
    assert leftovers(store) == []


def test_a_slow_writer_loses_to_a_fast_one(store: ArtifactStore) -> None:
    started, go = threading.Event(), threading.Event()

    def slow() -> None:
        with store.writer(KEY) as w:
            w.meta["who"] = "slow"
            started.set()
            go.wait(PATIENCE)

    thread = threading.Thread(target=slow)
    thread.start()
    started.wait(PATIENCE)
    with store.writer(KEY) as w:
        w.meta["who"] = "fast"
    go.set()
    thread.join()
    assert store.open(KEY).meta == {"who": "fast"}
    assert store.list()[0].meta == {"who": "fast"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_store_made_before_a_fork_works_after_it(store: ArtifactStore) -> None:
    fill(store, 0)
    assert len(store.list()) == 1
    fork = multiprocessing.get_context("fork")
    workers = [fork.Process(target=lambda i=i: (fill(store, i), store.list())) for i in (1, 2)]
    for w in workers:
        w.start()
    fill(store, 3)
    for w in workers:
        w.join(PATIENCE)
    assert [w.exitcode for w in workers] == [0, 0]
    assert {i.key for i in store.list()} == {key_of(i) for i in range(4)}


def test_an_artifact_replaced_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ArtifactStore(tmp_path)
    fill(store, 1)
    key, read = key_of(1), checks.manifests.read

    def replaced(folder: Path, wanted: str) -> dict[str, Any]:
        manifest = read(folder, wanted)
        monkeypatch.setattr(checks.manifests, "read", read)
        store.delete(key)
        fill(store, 1, n=20)
        return manifest

    monkeypatch.setattr(checks.manifests, "read", replaced)
    assert store.verify() == []
