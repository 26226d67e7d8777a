"""Retrieval jobs: the right clips, classes, frames and fallbacks; queries from outside."""

from __future__ import annotations

import hashlib
import io
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from core.processing import Processing, aggregate
from core.retrieval import evaluate, macro_interval, micro_interval, systems
from jobs import encoders
from jobs import presets as measures
from jobs.datasets.importer import Imported, labels_fingerprint
from jobs.engine import dispatcher
from jobs.engine.inprocess import run
from jobs.listening.ratings import Query, Question, System, open_ratings
from jobs.specs import EmbedAudio, EmbedQuery, Retrieval, RetrievalGrid
from jobs.tasks import retrieval, retrieval_grid
from jobs.workspace import uploads
from jobs.workspace.workspace import Dataset, Workspace, WorkspaceError

FAMILIES = {"bark": "Animal", "meow": "Animal", "rain": "Nature", "wind": "Nature", "hiss": None}
LABELS = list(FAMILIES)
N, D = 90, 120


def clip_table() -> pd.DataFrame:
    """Clips of one to three classes; one of none, one of a class of its own."""
    rng = np.random.default_rng(0)
    lists = [
        sorted(rng.choice(LABELS, rng.integers(1, 4), replace=False, p=[0.3, 0.2, 0.2, 0.2, 0.1]).tolist())
        for _ in range(N)
    ]
    lists[7], lists[8] = [], ["whistle"]
    return pd.DataFrame(
        {
            "clip_id": [f"clip-{i:03d}" for i in range(N)],
            "path": [f"{i}.wav" for i in range(N)],
            "label": [labels[0] if labels else "unlabelled" for labels in lists],
            "labels": lists,
            "family": pd.Series([None] * N, dtype="str"),
            "fold": pd.Series([None] * N, dtype="Int64"),
            "caption": pd.Series([None] * N, dtype="str"),
        }
    )


def add(workspace: Workspace, clips: pd.DataFrame, families: dict[str, str | None] = FAMILIES) -> Dataset:
    classes = pd.DataFrame(
        {"label": list(families), "family": pd.Series(list(families.values()), dtype="str")}
    )
    report = pd.DataFrame({"path": [], "status": [], "reason": []}, dtype="str")
    sounds = hashlib.sha256("".join(clips["clip_id"]).encode()).hexdigest()
    imported = Imported(clips, classes, report, sounds, labels_fingerprint(clips))
    return workspace.add_dataset("sounds", imported, adapter="folder", root=workspace.root)


def embed(
    workspace: Workspace, dataset: Dataset, name: str = "melstats", *, d: int = D, n: int = N, frames=True
):
    """Write a space in which clips of a class lie near each other; the clips come in another order."""
    spec = EmbedAudio(dataset=dataset.ref, encoder=name, identity=f"{name}/test")
    rng = np.random.default_rng(1)
    centres = {label: rng.standard_normal(d) for label in [*LABELS, "whistle"]}
    rows = rng.permutation(n)
    lists = [dataset.clips["labels"].iloc[i] for i in rows]
    counts = rng.integers(1, 5, n)
    parts = [
        (sum((centres[label] for label in labels), np.zeros(d)) + 2 * rng.standard_normal((m, d)))
        for labels, m in zip(lists, counts, strict=True)
    ]
    all_frames = np.concatenate(parts).astype(np.float32)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    with workspace.cache.writer(spec.key, spec=spec.to_json()) as w:
        w.array("embeddings", aggregate(all_frames, offsets))
        w.table("clips", {"clip_id": dataset.clips["clip_id"].iloc[rows].tolist()})
        if frames:
            w.array("frames", all_frames)
            w.array("offsets", offsets)
    relevance = pd.DataFrame(
        [[label in own for label in sorted(centres)] for own in lists], columns=sorted(centres)
    )
    return spec, all_frames, offsets, relevance


def result(workspace: Workspace, spec: Any) -> Any:
    job = run(workspace, spec)
    assert job.state == "done", job.error
    return workspace.cache.open(spec.key)


def failure(workspace: Workspace, spec: Any) -> str:
    job = run(workspace, spec)
    assert job.state == "failed"
    assert job.error is not None
    return job.error


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path / "workspace")


@pytest.fixture
def dataset(workspace: Workspace) -> Dataset:
    return add(workspace, clip_table())


@pytest.mark.parametrize(
    "options",
    [
        {"components": 20},
        {"components": 0, "aggregation": "max", "algorithm": "mips", "count_query": False},
        {"components": 30, "aggregation": "median", "normalize": True, "algorithm": "nns"},
        {"components": 25, "aggregation": "max", "scale": "minmax"},
        {"components": 0, "scale": "minmax"},
        {"components": 20, "normalize": "before"},
        {"components": 20, "normalize": "before", "scale": "minmax", "algorithm": "mips"},
    ],
)
def test_retrieval_is_that_of_core(workspace: Workspace, dataset: Dataset, options: dict[str, Any]) -> None:
    space, frames, offsets, relevance = embed(workspace, dataset)
    spec = Retrieval(embedding=space, labels=dataset.labels_fingerprint, **options)
    found = result(workspace, spec)
    processing = Processing(spec.aggregation, spec.components or None, spec.normalize, spec.scale)
    X, _ = processing.fit(frames, offsets)
    report = evaluate(X, relevance, algorithm=spec.algorithm, count_query=spec.count_query)

    queries = found.table("queries").to_pandas()
    ids = workspace.cache.open(space.key).table("clips").column("clip_id").to_pylist()
    assert queries["clip_id"].tolist() == [ids[q] for q in report.queries["query"]]
    measures = list(report.queries.columns[2:])
    assert measures == [f"{m}@{n}" for n in (15, 150) for m in ("ap", "precision", "ndcg")] + ["r1"]
    pd.testing.assert_frame_equal(queries[measures], report.queries[measures])
    classes = found.table("classes").to_pandas()
    assert classes["class"].tolist() == sorted(LABELS)
    assert classes["family"].isna().tolist() == [False, True, False, False, False]
    pd.testing.assert_frame_equal(classes[measures], report.classes[measures])
    assert found.table("excluded").to_pylist() == [{"class": "whistle", "n_relevant": 1}]
    np.testing.assert_array_equal(found.array("results"), report.indices)
    np.testing.assert_array_equal(found.array("scores"), report.scores)

    families = found.table("families").to_pandas()
    expected = report.families(FAMILIES)
    pd.testing.assert_frame_equal(
        families[list(expected.table)], expected.table, check_dtype=False, check_exact=True
    )
    animal = report.queries[report.queries["class"].isin(["bark", "meow"])]
    interval = macro_interval(animal, "ap@15")
    assert families["map@15_low"][0] == interval.low < families["map@15"][0] < families["map@15_high"][0]

    meta = found.meta
    assert (meta["n_clips"], meta["n_queries"], meta["n_classes"]) == (N, len(queries), 5)
    assert meta["left_out"] == ["hiss"]
    assert meta["note"] == ""
    assert meta["steps"] == list(processing.steps)
    assert meta["components"] == spec.components
    assert meta["dimensions"] == (spec.components or D)
    for kind, interval_of in (("macro", macro_interval), ("micro", micro_interval)):
        known = interval_of(report.queries, "r1")
        values = getattr(report, kind)
        assert meta[kind]["mr1"] == {"value": values["mr1"], "low": known.low, "high": known.high}
        assert {name: found["value"] for name, found in meta[kind].items()} == values
    if spec.components:
        assert meta["steps"] == list(processing.steps)
        # Queries from elsewhere are projected by what is stored.
        projected = (frames[:3] - found.array("mean")) @ found.array("components").T
        assert projected.shape == (3, spec.components)
        assert len(found.array("variances")) == spec.components
    else:
        assert "mean.npy" not in found
    if spec.scale == "minmax":
        clips = aggregate(frames, offsets, spec.aggregation).astype(float)
        np.testing.assert_array_equal(found.array("low"), clips.min(axis=0))
        np.testing.assert_array_equal(found.array("high"), clips.max(axis=0))
        assert "min-max scaling" in found.meta["steps"]
    else:
        assert "low.npy" not in found


def test_what_a_space_cannot_do_is_left_away_and_said(workspace: Workspace, dataset: Dataset) -> None:
    space, frames, offsets, relevance = embed(workspace, dataset, d=40, frames=False)
    spec = Retrieval(embedding=space, labels=dataset.labels_fingerprint, aggregation="max")
    found = result(workspace, spec)
    report = evaluate(aggregate(frames, offsets), relevance)
    assert found.meta["macro"]["map@15"]["value"] == report.macro["map@15"]
    assert found.meta["note"] == (
        "PCA to 100 dimensions needs as many dimensions and clips, and the model has 40: "
        "all dimensions are kept."
    )
    assert found.meta["note"] in workspace.queue.log(spec.key)
    assert found.meta["components"] == 0
    assert found.meta["steps"] == []


def test_by_family_a_clip_of_the_same_family_is_relevant(workspace: Workspace, dataset: Dataset) -> None:
    space, frames, offsets, relevance = embed(workspace, dataset)
    found = result(
        workspace, Retrieval(embedding=space, labels=dataset.labels_fingerprint, by="family", components=0)
    )
    grouped = pd.DataFrame(
        {"Animal": relevance["bark"] | relevance["meow"], "Nature": relevance["rain"] | relevance["wind"]}
    )
    report = evaluate(aggregate(frames, offsets), grouped)
    assert found.table("classes").column("class").to_pylist() == ["Animal", "Nature"]
    assert found.meta["macro"]["mr1"]["value"] == report.macro["mr1"]
    assert found.meta["left_out"] == []
    assert found.table("families").num_rows == 0
    assert len(found.table("queries")) == len(report.queries)


def test_grid_judges_every_system_and_goes_on_after_a_fall(
    workspace: Workspace, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    space, frames, offsets, relevance = embed(workspace, dataset, d=210)
    spec = RetrievalGrid(embedding=space, labels=dataset.labels_fingerprint)
    calls = []

    def counted(*args: Any, **options: Any) -> Any:
        calls.append(options["algorithm"])
        if len(calls) == 8:
            raise KeyboardInterrupt
        return evaluate(*args, **options)

    monkeypatch.setattr(retrieval_grid, "evaluate", counted)
    with pytest.raises(KeyboardInterrupt):
        run(workspace, spec)
    assert len(calls) == 8
    found = result(workspace, spec)
    assert len(calls) == 8 + 2  # 9 of 27 can be built: 90 clips have no 100 components

    table = found.table("systems").to_pandas()
    assert len(table) == 27 == found.meta["n_systems"]
    asked = [(p.aggregation, p.n_components or 0, algorithm) for p, algorithm in systems()]
    assert list(table[["aggregation", "components", "algorithm"]].itertuples(index=False, name=None)) == asked
    assert found.meta["n_skipped"] == 18
    for row, (processing, algorithm) in zip(table.to_dict("records"), systems(), strict=True):
        if processing.n_components is not None:
            assert row["skipped"].endswith("and there are 90 clips")
            assert np.isnan(row["map@15"])
            assert np.isnan(row["mr1_high"])
            continue
        report = evaluate(processing.fit(frames, offsets)[0], relevance, algorithm=algorithm)
        assert row["skipped"] == ""
        for name in ("map@15", "map@150", "mr1"):
            assert row[name] == pytest.approx(report.macro[name], abs=1e-12)
            assert row[f"{name}_low"] < row[name] < row[f"{name}_high"]
    assert found.meta["best"] == table["map@15"].idxmax()
    assert asked[found.meta["fixed"]] == ("mean", 0, "mcss")
    assert "there are 90 clips: all dimensions are kept" in found.meta["note"]
    assert found.meta["frame_level"] is True
    assert found.meta["n_classes"] == 5


def test_grid_of_clips_with_every_pca(
    workspace: Workspace, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrieval_grid, "COMPONENTS", (20, 40, None))
    monkeypatch.setattr("core.retrieval.evaluation.COMPONENTS", (20, 40, None))
    space, frames, offsets, relevance = embed(workspace, dataset, d=50, frames=False)
    found = result(workspace, RetrievalGrid(embedding=space, labels=dataset.labels_fingerprint, by="label"))
    table = found.table("systems").to_pandas()
    assert len(table) == 9
    assert set(table["aggregation"]) == {""}
    assert set(table["skipped"]) == {""}
    X = aggregate(frames, offsets)
    for row in table.to_dict("records"):
        processed, _ = Processing(n_components=row["components"] or None).fit(X)
        report = evaluate(processed, relevance, algorithm=row["algorithm"])
        assert row["map@15"] == pytest.approx(report.macro["map@15"], abs=1e-9)
        assert row["mr1"] == pytest.approx(report.macro["mr1"], abs=1e-9)


def test_grid_scales_before_every_system(workspace: Workspace, dataset: Dataset) -> None:
    space, frames, offsets, relevance = embed(workspace, dataset, d=12)
    spec = measures.grid_of_retrieval(dataset, replace(space, encoder="freesound"))
    assert spec.scale == "minmax"
    found = result(workspace, replace(spec, embedding=space))
    table = found.table("systems").to_pandas()
    assert (table["skipped"] == "").sum() == 9
    for row in table[table["skipped"] == ""].to_dict("records"):
        clips = aggregate(frames, offsets, row["aggregation"]).astype(float)
        low, high = clips.min(axis=0), clips.max(axis=0)
        report = evaluate((clips - low) / (high - low), relevance, algorithm=row["algorithm"])
        assert row["map@15"] == pytest.approx(report.macro["map@15"], abs=1e-9)


def test_grid_scales_to_unit_length_before_every_system(workspace: Workspace, dataset: Dataset) -> None:
    space, frames, offsets, relevance = embed(workspace, dataset, d=120)
    spec = measures.grid_of_retrieval(dataset, space, normalize="before")
    table = result(workspace, spec).table("systems").to_pandas()
    there = table[table["skipped"] == ""]
    for row in there.to_dict("records"):
        processing = Processing(row["aggregation"], row["components"] or None, "before")
        X, _ = processing.fit(frames, offsets)
        report = evaluate(X, relevance, algorithm=row["algorithm"])
        assert row["map@15"] == pytest.approx(report.macro["map@15"], abs=1e-9)
    # Without PCA all vectors have the same length, and so the three searches give the same list.
    whole = there[there["components"] == 0].groupby("aggregation")["map@15"].nunique()
    assert whole.tolist() == [1, 1, 1]
    assert "unit length before PCA" in spec.title


def test_freesound_is_scaled_and_no_other(workspace: Workspace, dataset: Dataset) -> None:
    for encoder, scale in (("freesound", "minmax"), ("melstats", "none"), ("imported:freesound", "none")):
        space = EmbedAudio(dataset=dataset.ref, encoder=encoder, identity="x")
        assert {s.scale for s in measures.of_retrieval(dataset, space)} == {scale}
        assert measures.grid_of_retrieval(dataset, space, by="family", count_query=False) == RetrievalGrid(
            embedding=space,
            labels=dataset.labels_fingerprint,
            by="family",
            count_query=False,
            scale=scale,
        )


def test_labels_that_changed_or_are_not_there(workspace: Workspace, dataset: Dataset) -> None:
    space, *_ = embed(workspace, dataset)
    old = dataset.labels_fingerprint
    clips = clip_table()
    clips.at[3, "labels"] = ["rain"]
    changed = add(workspace, clips, {"bark": None})
    assert "labels of sounds have changed" in failure(workspace, Retrieval(embedding=space, labels=old))
    now = changed.labels_fingerprint
    assert "has no families" in failure(workspace, Retrieval(embedding=space, labels=now, by="family"))
    clips["labels"] = [[] for _ in range(N)]
    empty = add(workspace, clips)
    spec = RetrievalGrid(embedding=space, labels=empty.labels_fingerprint)
    assert "No clip of sounds has a class" in failure(workspace, spec)


def test_single_labels_do_without_a_list(workspace: Workspace, dataset: Dataset) -> None:
    clips = clip_table().drop(columns="labels")
    clips["label"] = clips["label"].where(clips["label"] != "unlabelled")
    found = retrieval.clip_labels(clips)
    assert found["clip-007"] == set()
    assert found["clip-008"] == {"whistle"}


# -- queries from outside --


def upload(
    workspace: Workspace, tmp_path: Path, x: np.ndarray, rate: int = 16_000, **options: Any
) -> EmbedQuery:
    sf.write(tmp_path / "query.wav", x, rate, subtype="FLOAT")
    key = kept(workspace, (tmp_path / "query.wav").read_bytes())
    return EmbedQuery(encoder="melstats", upload=key, suffix=".wav", **options)


def kept(workspace: Workspace, data: bytes) -> str:
    """Keep an upload without looking at it, as earlier versions did; return its hash."""
    key = hashlib.sha256(data).hexdigest()
    path = uploads.path(workspace.root, key, ".wav")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return key


def wav(x: np.ndarray, rate: int = 16_000) -> bytes:
    target = io.BytesIO()
    sf.write(target, x, rate, subtype="FLOAT", format="WAV")
    return target.getvalue()


def tone(seconds: float) -> np.ndarray:
    return np.sin(np.arange(int(16_000 * seconds)) / 20).astype(np.float32)


@pytest.mark.parametrize("encoder", ["melstats", "random-cnn"])
def test_uploaded_sound_is_embedded_as_a_clip_is(workspace: Workspace, tmp_path: Path, encoder: str) -> None:
    spec = upload(workspace, tmp_path, tone(1.5))
    spec = EmbedQuery(encoder=encoder, upload=spec.upload, suffix=spec.suffix)
    found = result(workspace, spec)
    from jobs.sound.files import decode

    model = encoders.load(encoder, modality="audio")
    frames = model.embed([decode(tmp_path / "query.wav", model.sample_rate)[0]])[0]
    np.testing.assert_allclose(found.array("embeddings"), frames.mean(axis=0, keepdims=True), rtol=1e-5)
    assert found.array("embeddings").dtype == np.float32
    assert ("frames.npy" in found) is model.frame_level
    if model.frame_level:
        # The job has a fixed number of threads, and this process as many as the machine.
        np.testing.assert_allclose(found.array("frames"), frames, rtol=1e-5)
        assert found.array("offsets").tolist() == [0, len(frames)]
    assert found.meta["duration"] == pytest.approx(1.5)
    assert found.meta["dimensions"] == model.dimensions


class Letters:
    """A fake encoder of texts: how long, how many a's."""

    NAME, VERSION, TAKES_ARGUMENT, MODALITIES = "letters", 1, False, frozenset({"text"})
    DESCRIPTION = REFERENCE = "A fake."
    dimensions = 2

    def available(self) -> None:
        return None

    def load(self, argument: str | None, *, modality: str, device: str) -> Letters:
        return self

    def embed(self, texts: list[str]) -> np.ndarray:
        return np.array([[len(t), np.nan if "?" in t else t.count("a")] for t in texts], np.float32)


def test_typed_text_is_embedded(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(encoders.REGISTRY.builtin, "letters", Letters())
    found = result(workspace, EmbedQuery(encoder="letters", text="a  cat"))
    np.testing.assert_array_equal(found.array("embeddings"), [[5, 2]])
    assert found.meta["duration"] is None
    assert found.meta["modality"] == "text"
    assert "frames.npy" not in found
    odd = EmbedQuery(encoder="letters", text="what?")
    assert "letters gave values that are not finite numbers" in failure(workspace, odd)


def test_queries_that_cannot_be_heard_say_why(workspace: Workspace, tmp_path: Path) -> None:
    long = upload(workspace, tmp_path, tone(2.0), max_seconds=1.5)
    assert failure(workspace, long) == (
        "The uploaded sound is longer than 1.5 s, the most a query may have; cut it."
    )
    silent = upload(workspace, tmp_path, np.zeros(1600, np.float32))
    assert "silent: every sample is 0" in failure(workspace, silent)
    broken = upload(workspace, tmp_path, np.full(1600, np.nan, np.float32))
    assert failure(workspace, broken) == (
        "The uploaded sound has 1,600 samples that are not finite numbers (NaN or infinity), and nothing to "
        "hear without them; export it again."
    )
    words = EmbedQuery(encoder="melstats", upload=kept(workspace, b"these are words"), suffix=".wav")
    error = failure(workspace, words)
    assert error.startswith("The uploaded file is not sound that libsndfile")
    assert words.upload not in error
    gone = EmbedQuery(encoder="melstats", upload="0" * 64, suffix=".wav")
    assert "no longer in the workspace; upload it again" in failure(workspace, gone)
    changed = upload(workspace, tmp_path, tone(0.3))
    uploads.path(workspace.root, changed.upload, changed.suffix).write_bytes(b"something else")
    assert "no longer in the workspace" in failure(workspace, changed)


def test_a_large_file_is_refused_before_it_is_read(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = upload(workspace, tmp_path, tone(0.5))
    monkeypatch.setattr(uploads, "MAX_BYTES", 100)
    assert "larger than 50 MB" in failure(workspace, spec)


def test_an_encoder_that_changed_is_not_taken_for_the_old_one(workspace: Workspace, tmp_path: Path) -> None:
    spec = upload(workspace, tmp_path, tone(0.5), identity="melstats/0")
    assert "melstats has changed since this was asked for (from melstats/0" in failure(workspace, spec)


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("a.txt", b"x", "a.txt is not named like a sound"),
        ("../../etc/passwd", b"x", "passwd is not named like a sound"),
        ("a.wav", b"", r"a.wav is empty \(0 bytes\)"),
        ("a.wav", b"x" * (2**20 + 1), "a.wav has 1.0 MB; a query may have up to"),
    ],
)
def test_what_is_not_taken_as_a_query(
    tmp_path: Path, monkeypatch: Any, name: str, data: bytes, says: str
) -> None:
    monkeypatch.setattr(uploads, "MAX_BYTES", 2**20)
    with pytest.raises(uploads.UploadError, match=says):
        uploads.save(tmp_path, name, data)
    assert not (tmp_path / "uploads").exists()


def idle(path: Path, days: float) -> None:
    """Make as if a file had last been used that long ago."""
    then = time.time() - days * 86400
    os.utime(path, (then, then))


def test_uploads_that_nobody_uses_are_removed(workspace: Workspace, tmp_path: Path) -> None:
    home = workspace.root / "uploads"
    names = {}
    for i, name in enumerate(("fresh", "old", "asked", "waiting", "heard")):
        spec = upload(workspace, tmp_path, tone(0.1 + i / 10))
        names[name] = spec.upload + spec.suffix
        if name == "old":
            # Its embedding is kept, and is no reason to keep the sound.
            assert run(workspace, spec).state == "done"
        if name == "waiting":
            workspace.queue.submit(spec)
        idle(home / names[name], 0 if name == "fresh" else uploads.KEPT_DAYS + 1)
    assert uploads.find(workspace.root, names["heard"]) is not None
    (home / ".upload-x").write_bytes(b"cut short")
    (home / ".upload-y").write_bytes(b"on its way")
    (home / "notes.txt").write_text("of somebody else")
    for name in (".upload-x", "notes.txt"):
        idle(home / name, 99)
    question = Question(
        session="s",
        number=0,
        listener="anna",
        seed=0,
        dataset="sounds",
        fingerprint="f",
        query=Query("upload", names["asked"]),
        systems=(System("melstats"),),
        results=(("a",),),
    )
    open_ratings(workspace.root).new_question(question)
    assert sorted(uploads.tidy(workspace)) == sorted([names["old"], ".upload-x"])
    left = {p.name for p in home.iterdir()}
    assert left == {*names.values(), ".upload-y", "notes.txt"} - {names["old"]}
    assert uploads.find(workspace.root, names["old"]) is None
    assert uploads.tidy(workspace) == []


def test_a_worker_removes_old_uploads_but_not_where_ratings_are_damaged(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_client(*args: Any) -> Any:
        raise WorkspaceError("no scheduler here")

    monkeypatch.setattr(dispatcher, "_client", no_client)
    spec = upload(workspace, tmp_path, tone(0.2))
    file = uploads.path(workspace.root, spec.upload, spec.suffix)
    idle(file, uploads.KEPT_DAYS + 1)
    ratings = workspace.root / "ratings.sqlite"
    ratings.write_bytes(b"no database" * 1000)
    for there in (True, False):
        with pytest.raises(WorkspaceError, match="no scheduler"):
            dispatcher.serve(workspace)
        assert file.exists() is there
        ratings.unlink(missing_ok=True)


def test_without_uploads_nothing_is_removed(workspace: Workspace) -> None:
    assert uploads.tidy(workspace) == []


def test_one_content_is_kept_once(tmp_path: Path) -> None:
    sound = wav(tone(0.1))
    first = uploads.save(tmp_path, "a.wav", sound)
    assert first == uploads.save(tmp_path, "again.WAV", sound)
    assert first == (hashlib.sha256(sound).hexdigest(), ".wav")
    assert [p.name for p in (tmp_path / "uploads").iterdir()] == [f"{first[0]}.wav"]
    assert uploads.path(tmp_path, *first).read_bytes() == sound


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"these are words, not sound", "a.wav is not sound that"),
        (wav(np.zeros(1600, np.float32)), "a.wav is silent: every sample is 0"),
        (wav(np.full(1600, np.nan, np.float32)), "a.wav has 1,600 samples that are not finite"),
        (wav(tone(61)), "a.wav is longer than 60 s, the most a query may have"),
        (wav(tone(1), rate=10), "a.wav has a sample rate of 10 Hz"),
    ],
)
def test_what_is_no_query_is_refused_at_once(tmp_path: Path, data: bytes, says: str) -> None:
    with pytest.raises(uploads.UploadError, match=says):
        uploads.save(tmp_path, "a.wav", data)
    assert not list((tmp_path / "uploads").iterdir())


def test_channels_that_cancel_each_other_out_are_a_query(workspace: Workspace, tmp_path: Path) -> None:
    opposite = upload(workspace, tmp_path, np.column_stack([tone(0.5), -tone(0.5)]))
    alone = upload(workspace, tmp_path, tone(0.5))
    found = [result(workspace, spec).array("embeddings") for spec in (opposite, alone)]
    np.testing.assert_array_equal(*found)
