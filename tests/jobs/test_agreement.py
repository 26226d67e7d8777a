"""Jobs that compare two spaces: the same numbers as sets and textbook matrices give, of what both hold."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist, pdist, squareform

from cache import Artifact
from core.zeroshot import ZeroShotResult
from jobs import presets as measures
from jobs.datasets.importer import Imported
from jobs.engine import inprocess
from jobs.engine.queue import Job
from jobs.specs import Agreement, EmbedAudio, EmbedText
from jobs.tasks import agreement as runner
from jobs.tasks.contrastive.measures import Spaces, measure
from jobs.workspace.workspace import Workspace


class World:
    """A workspace with one dataset without sounds, whose spaces are as given."""

    def __init__(self, root: Path, labels: Sequence[str | None]) -> None:
        self.workspace = Workspace.open(root / "workspace")
        self.root = root
        self._label(labels)

    def _label(self, labels: Sequence[str | None]) -> None:
        n = len(labels)
        self.ids = [f"clip {i:03d}" for i in range(n)]
        clips = pd.DataFrame(
            {
                "clip_id": self.ids,
                "path": [f"{i}.wav" for i in range(n)],
                "label": pd.Series(labels, dtype=object),
            }
        )
        classes = sorted({v for v in labels if v is not None})
        imported = Imported(
            clips,
            pd.DataFrame({"label": classes, "family": None, "description": None}),
            pd.DataFrame({"path": [], "status": [], "reason": []}),
            f"{n:064d}",
            hashlib.sha256(repr(list(labels)).encode()).hexdigest(),
        )
        self.dataset = self.workspace.add_dataset("made", imported, adapter="folder", root=self.root)

    def space(self, name: str, X: np.ndarray, rows: Sequence[int] | None = None) -> EmbedAudio:
        """Store a space of the clips in `rows`, all unless said otherwise."""
        spec = EmbedAudio(dataset=self.dataset.ref, encoder="melstats", identity=f"melstats/{name}")
        ids = [self.ids[row] for row in (range(len(X)) if rows is None else rows)]
        with self.workspace.cache.writer(spec.key, spec=spec.to_json()) as w:
            w.array("embeddings", X.astype(np.float32))
            w.table("clips", {"clip_id": ids})
        return spec

    def texts(self, classes: Sequence[str], X: np.ndarray) -> EmbedText:
        spec = EmbedText(dataset=self.dataset.ref, texts="t" * 64, encoder="minilm", identity="minilm/made")
        with self.workspace.cache.writer(spec.key, spec=spec.to_json()) as w:
            w.array("embeddings", X.astype(np.float32))
            w.table("texts", {"id": list(classes), "text": list(classes)})
        return spec

    def run(self, spec: Agreement, seen: list[tuple[float, str]] | None = None) -> Job:
        def report(_job: Job, done: float, total: float, note: str) -> None:
            if seen is not None:
                seen.append((done / total, note))

        return inprocess.run(self.workspace, spec, report)

    def result(self, spec: Agreement) -> Artifact:
        job = self.run(spec)
        assert job.state == "done", job.error
        return self.workspace.cache.open(spec.key)


def lists(X: np.ndarray, metric: str) -> list[list[int]]:
    distances = cdist(X.astype(np.float64), X.astype(np.float64), metric)
    np.fill_diagonal(distances, -1)
    return np.argsort(distances, axis=1, kind="stable")[:, 1:].tolist()


def shares(first: list[list[int]], second: list[list[int]], k: int) -> np.ndarray:
    return np.array([len(set(p[:k]) & set(q[:k])) / k for p, q in zip(first, second, strict=True)])


def textbook_cka(X: np.ndarray, Y: np.ndarray, rbf: bool, debiased: bool) -> float:
    n = len(X)

    def gram(Z: np.ndarray) -> np.ndarray:
        Z = Z.astype(np.float64)
        if not rbf:
            return Z @ Z.T
        return np.exp(-(squareform(pdist(Z)) ** 2) / (2 * np.median(pdist(Z)) ** 2))

    def hsic(K: np.ndarray, L: np.ndarray) -> float:
        if not debiased:
            H = np.eye(n) - 1 / n
            return np.trace(K @ H @ L @ H)
        K, L = K * (1 - np.eye(n)), L * (1 - np.eye(n))
        both = (K @ L).sum()
        return np.trace(K @ L) + K.sum() * L.sum() / ((n - 1) * (n - 2)) - 2 * both / (n - 2)

    K, L = gram(X), gram(Y)
    return float(hsic(K, L) / np.sqrt(hsic(K, K) * hsic(L, L)))


def check(found: Artifact, X: np.ndarray, Y: np.ndarray, metrics: tuple[str, str] = ("cosine",) * 2) -> None:
    """Hold the result for two spaces against sets, enumeration and textbook matrices."""
    n = len(X)
    first, second = lists(X, metrics[0]), lists(Y, metrics[1])
    ks = found.array("ks")
    assert ks.dtype == np.int64
    assert ks.tolist() == list(range(1, n))
    overlap = np.array([shares(first, second, k).mean() for k in ks])
    np.testing.assert_allclose(found.array("overlap"), overlap, atol=1e-12)
    itself_first, itself_second = ([[i, *p] for i, p in enumerate(side)] for side in (first, second))
    with_self = [shares(itself_first, itself_second, k).mean() for k in ks]
    np.testing.assert_allclose(found.array("overlap_self"), with_self, atol=1e-12)
    jaccard = [
        np.mean(
            [len({*p[:k]} & {*q[:k]}) / len({*p[:k]} | {*q[:k]}) for p, q in zip(first, second, strict=True)]
        )
        for k in ks
    ]
    np.testing.assert_allclose(found.array("jaccard"), jaccard, atol=1e-12)
    chance = ks / (n - 1)
    np.testing.assert_allclose(found.array("chance"), chance)
    np.testing.assert_allclose(found.array("chance_self"), (1 + (ks - 1) * (ks - 1) / (n - 1)) / ks)
    assert found.array("chance_jaccard")[[0, -1]] == pytest.approx([1 / (n - 1), 1])
    adjusted = [*((overlap - chance)[:-1] / (1 - chance[:-1])), 0]
    np.testing.assert_allclose(found.array("adjusted"), adjusted, atol=1e-12)
    clip_ks = found.array("clip_ks")
    assert clip_ks.tolist() == [k for k in (1, 2, 5, 10, 15, 20, 30, 50, 100, 150) if k < n]
    samples = found.array("overlap_samples")
    assert (samples.dtype, samples.shape) == (np.float32, (n, len(clip_ks)))
    for column, k in enumerate(clip_ks):
        np.testing.assert_allclose(samples[:, column], shares(first, second, k), atol=1e-6)
    cka = found.meta["cka"]
    for name, rbf in (("linear", False), ("rbf", True)):
        assert cka[name] == pytest.approx(textbook_cka(X, Y, rbf, False), abs=1e-6)
        assert cka[f"{name}_debiased"] == pytest.approx(textbook_cka(X, Y, rbf, True), abs=1e-6)
    assert found.meta["n"] == n
    assert found.meta["dimensions"] == [X.shape[1], Y.shape[1]]


def related(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 6)).astype(np.float32)
    return X, np.hstack([X[:, :3] + rng.standard_normal((n, 3)), rng.standard_normal((n, 2))]).astype(
        np.float32
    )


def of_spec(spec: Agreement, spaces: dict[EmbedAudio | EmbedText, np.ndarray]) -> list[np.ndarray]:
    """Rows of both sides in the order of the spec, which sorts its spaces."""
    return [spaces[spec.a], spaces[spec.b]]


def test_clips_that_both_spaces_hold_are_compared(tmp_path: Path) -> None:
    world = World(tmp_path, [None] * 70)
    X, Y = related(70)
    first_rows, second_rows = list(range(2, 70)), [*range(20, 60), 5, 4, *range(6, 20)]
    one = world.space("one", X[first_rows], first_rows)
    two = world.space("two", Y[second_rows], second_rows)
    spec = Agreement(a=one, b=two, metric_b="euclidean", permutations=30, seed=4)
    found = world.result(spec)
    order = first_rows if spec.a == one else second_rows
    shared = [row for row in order if row in first_rows and row in second_rows]
    assert found.table("items").column("id").to_pylist() == [world.ids[row] for row in shared]
    A, B = of_spec(spec, {one: X[shared], two: Y[shared]})
    check(found, A, B, (spec.metric_a, spec.metric_b))
    assert found.meta["permutations"] == 30
    band, p = found.array("band"), found.array("p_value")
    assert band.shape == (len(shared) - 1, 3)
    assert (np.diff(band, axis=1) >= 0).all()
    np.testing.assert_allclose(band[:, 1], found.array("chance"), atol=0.05)
    assert ((p >= 1 / 31) & (p <= 1)).all()
    assert p[9] == pytest.approx(1 / 31)
    assert p[-1] == 1
    rng = np.random.default_rng(4)
    first, second = lists(A, spec.metric_a), lists(B, spec.metric_b)
    tenth = []
    for _ in range(30):
        partner = rng.permutation(len(shared))
        back = np.argsort(partner)
        tenth.append(shares(first, [[int(back[j]) for j in second[i]] for i in partner], 10).mean())
    np.testing.assert_allclose(band[9], np.quantile(tenth, [0.025, 0.5, 0.975]))


def test_progress_goes_up_to_the_end(tmp_path: Path) -> None:
    world = World(tmp_path, [None] * 12)
    X, Y = related(12)
    seen: list[tuple[float, str]] = []
    spec = Agreement(a=world.space("one", X), b=world.space("two", Y), permutations=20)
    assert world.run(spec, seen).state == "done"
    shares = [share for share, _ in seen]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert any("10 of 20 shuffled pairings" in note for _, note in seen)


def test_no_permutations(tmp_path: Path) -> None:
    world = World(tmp_path, [None] * 12)
    X, Y = related(12)
    found = world.result(Agreement(a=world.space("one", X), b=world.space("two", Y), permutations=0))
    assert np.isnan(found.array("p_value")).all()
    assert np.isnan(found.array("band")).all()
    assert found.meta["permutations"] == 0


def classes_of(
    X: np.ndarray, labels: Sequence[str | None], names: Sequence[str], vectors: str = "raw"
) -> np.ndarray:
    X = X.astype(np.float64)
    averaged = X if vectors == "raw" else X / np.linalg.norm(X, axis=1, keepdims=True)
    return np.array([averaged[[label == name for label in labels]].mean(axis=0) for name in names])


@pytest.mark.parametrize("vectors", ["raw", "unit"])
def test_classes_are_means_of_clips_beside_texts(tmp_path: Path, vectors: str) -> None:
    names = [f"class {c}" for c in "abcdefgh"]
    labels: list[str | None] = [names[i % 8] for i in range(60)]
    labels[3] = labels[17] = None
    world = World(tmp_path, labels)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 5)).astype(np.float32) * rng.uniform(0.1, 10, (60, 1)).astype(np.float32)
    texts = rng.standard_normal((7, 3)).astype(np.float32)
    order = ["class z", *reversed(names[1:7])]  # texts have an order of their own, and none of two classes
    one, two = world.space("one", X), world.texts(order, texts)
    spec = Agreement(
        a=one,
        b=two,
        of="classes",
        labels=world.dataset.labels_fingerprint,
        permutations=5,
        class_vectors=vectors,
    )
    found = world.result(spec)
    shared = names[1:7]
    assert found.table("items").column("id").to_pylist() == shared
    means = classes_of(X, labels, shared, vectors)
    check(found, *of_spec(spec, {one: means, two: texts[[order.index(name) for name in shared]]}))


def test_classes_of_two_spaces_of_sounds_take_the_clips_that_each_holds(tmp_path: Path) -> None:
    names = list("abcdef")
    labels = [names[i % 6] for i in range(48)]
    world = World(tmp_path, labels)
    X, Y = related(48, seed=2)
    rows = list(range(10, 48))
    one, two = world.space("one", X), world.space("two", Y[rows], rows)
    spec = Agreement(a=one, b=two, of="classes", labels=world.dataset.labels_fingerprint, permutations=5)
    theirs = classes_of(Y[rows], [labels[row] for row in rows], names)
    check(world.result(spec), *of_spec(spec, {one: classes_of(X, labels, names), two: theirs}))


def test_class_means_are_those_of_leakage_lab_unless_asked_otherwise(tmp_path: Path) -> None:
    names = [f"class {c:02}" for c in range(20)]
    targets = np.arange(100) % 20
    labels = [names[c] for c in targets]
    world = World(tmp_path, labels)
    rng = np.random.default_rng(3)
    # Clips of very different lengths, as backbones give them.
    X = (rng.standard_normal((100, 5)) * rng.uniform(0.1, 30, (100, 1))).astype(np.float32)
    E = (X[:, :4] + rng.standard_normal((100, 4))).astype(np.float32)
    texts = rng.standard_normal((20, 3)).astype(np.float32)
    judged = ZeroShotResult(tuple(names), targets, targets, np.eye(20, dtype=np.float32)[targets])
    clips: Any = SimpleNamespace(test=np.arange(100), test_labels=np.array(labels), tested_rows=np.arange(20))
    row = measure(Spaces(X, E, texts, texts), clips, judged)
    (spec,) = measures.of_pairs(world.dataset, [world.space("one", X), world.space("two", E)], of="classes")
    raw, unit = (world.result(replace(spec, class_vectors=v)) for v in ("raw", "unit"))
    assert world.result(spec).key == raw.key
    within = raw.array("ks") <= 20 // 5
    assert row["overlap_xa_Ea_plain"] == pytest.approx(float(raw.array("overlap")[within].max()))
    assert not np.array_equal(unit.array("overlap"), raw.array("overlap"))


def test_two_spaces_of_texts(tmp_path: Path) -> None:
    names = list("abcde")
    world = World(tmp_path, names)
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((5, 3)), rng.standard_normal((5, 2))
    one = world.texts(names, first)
    two = EmbedText(dataset=one.dataset, texts=one.texts, encoder="minilm", identity="minilm/other")
    with world.workspace.cache.writer(two.key, spec=two.to_json()) as w:
        w.array("embeddings", second.astype(np.float32))
        w.table("texts", {"id": names, "text": names})
    spec = Agreement(a=one, b=two, of="classes", labels=world.dataset.labels_fingerprint, permutations=5)
    check(world.result(spec), *of_spec(spec, {one: first.astype(np.float32), two: second.astype(np.float32)}))


def test_three_are_enough_and_two_are_not(tmp_path: Path) -> None:
    world = World(tmp_path, ["a", "b", "c", None])
    X, Y = related(4)
    three = world.space("three", X[:3], [0, 1, 2])
    found = world.result(Agreement(a=three, b=world.space("all", Y), permutations=5))
    assert found.meta["n"] == 3
    assert found.meta["cka"]["linear_debiased"] is None
    assert found.meta["cka"]["linear"] == pytest.approx(textbook_cka(X[:3], Y[:3], False, False))
    two = world.space("two", X[:2], [2, 3])
    for other, few in (
        (three, "1 of their clips"),
        (world.space("some", Y[:2], [0, 1]), "none of their clips"),
    ):
        job = world.run(Agreement(a=two, b=other))
        assert job.state == "failed"
        assert f"made · melstats have {few} in common; agreement needs at least 3." in (job.error or "")
    texts = world.texts(["a", "c", "x"], X[:3])
    job = world.run(Agreement(a=three, b=texts, of="classes", labels=world.dataset.labels_fingerprint))
    assert job.state == "failed"
    assert "have 2 of their classes in common; agreement needs at least 3." in (job.error or "")


def test_labels_that_have_changed(tmp_path: Path) -> None:
    world = World(tmp_path, list("abcabc"))
    X, Y = related(6)
    one, two = world.space("one", X), world.space("two", Y)
    job = world.run(Agreement(a=one, b=two, of="classes", labels="0" * 64))
    assert job.state == "failed"
    assert "The labels of made have changed since this was asked for; ask again." in (job.error or "")


def test_of_many_clips_not_every_k_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "EVERY_K", 20)
    monkeypatch.setattr(runner, "LEAST_K", 12)
    monkeypatch.setattr(runner, "ENTRIES", 600)
    assert [runner.largest_k(n) for n in (20, 21, 40, 100)] == [19, 12, 12, 12]
    world = World(tmp_path, [None] * 40)
    X, Y = related(40)
    one, two = world.space("one", X), world.space("two", Y)
    spec = Agreement(a=one, b=two, permutations=5)
    found = world.result(spec)
    assert found.array("ks").tolist() == list(range(1, 13))
    assert found.array("clip_ks").tolist() == [1, 2, 5, 10]
    first, second = lists(X, "cosine"), lists(Y, "cosine")
    for k in (1, 7, 12):
        assert found.array("overlap")[k - 1] == pytest.approx(shares(first, second, k).mean())
        assert found.array("overlap_self")[k - 1] == pytest.approx(
            (1 + (k - 1) * (shares(first, second, k - 1).mean() if k > 1 else 0)) / k
        )
    assert "k up to 12 of the 39" in world.workspace.queue.log(spec.key)
