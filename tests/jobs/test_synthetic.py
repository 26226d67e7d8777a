"""The synthetic sound world: that it is sound, deterministic, told apart by ear, and honest; and its job."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.audio import log_mel
from jobs.datasets import synthetic
from jobs.datasets.importer import COLUMNS
from jobs.datasets.synthesis.blocks import Take
from jobs.engine.execution import RunningJob
from jobs.sound import files as audio
from jobs.specs import SpecError, Synthesize
from jobs.tasks import synthesize
from jobs.tasks.synthesize import WORLD_CLASSES
from jobs.workspace.workspace import Workspace

FAMILIES = {
    "Animal",
    "Human sounds",
    "Music",
    "Natural sounds",
    "Sounds of things",
    "Source-ambiguous sounds",
}
NAMES = [sound.name for sound in synthetic.classes()]


# -- classes -------------------------------------------------------------------------------------------


def test_classes() -> None:
    table = synthetic.class_table()
    assert len(table) == WORLD_CLASSES
    assert table["family"].value_counts().to_dict() == dict.fromkeys(FAMILIES, WORLD_CLASSES // 6)
    assert table["label"].is_unique
    assert table["description"].is_unique
    assert table["description"].map(lambda d: d[0].isupper() and d.endswith(".") and len(d) > 25).all()
    assert len({synthetic.slug(name) for name in NAMES}) == len(NAMES)
    assert "96 classes" in synthetic.description(Synthesize())
    assert "12 classes" in synthetic.description(Synthesize(classes=12))
    assert "synthetic" in synthetic.NOTE
    assert "not recordings" in synthetic.NOTE


@pytest.mark.parametrize("count", [6, 7, 11, 54, 95, 96])
def test_fewer_classes_are_the_first_of_every_family(count: int) -> None:
    chosen = [sound.name for sound in synthetic.classes(count)]
    assert len(chosen) == count
    families: dict[str, list[str]] = {}
    for sound in synthetic.classes():
        families.setdefault(sound.family, []).append(sound.name)
    sizes = [len(set(chosen) & set(names)) for names in families.values()]
    assert max(sizes) - min(sizes) <= 1
    assert sizes == sorted(sizes, reverse=True)
    first = [n for names, size in zip(families.values(), sizes, strict=True) for n in names[:size]]
    assert chosen == first
    assert list(synthetic.class_table(count)["label"]) == chosen


@pytest.mark.parametrize("count", [0, 5, 97])
def test_a_world_of_too_few_or_too_many_classes(count: int) -> None:
    with pytest.raises(ValueError, match=f"classes is {count}; it must be between 6 and 96"):
        synthetic.classes(count)
    with pytest.raises(SpecError, match=f"classes is {count}; it must be between 6 and 96"):
        Synthesize(classes=count)


# -- sound ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_clip_is_sound(name: str) -> None:
    for index, difficulty in ((0, 0.0), (1, 1.0)):
        x = synthetic.render(name, index, seconds=1.5, difficulty=difficulty)
        assert x.shape == (48_000,)
        assert x.dtype == np.float32
        assert np.isfinite(x).all()
        assert 0.2 < np.abs(x).max() <= 0.9
        assert np.abs(x[[0, -1]]).max() < 1e-4  # fades in and out
        assert abs(x.mean()) < 0.05
        # Nothing but silence, or a click and silence, would have next to no energy in most of the clip.
        assert np.sqrt(np.mean(x**2)) > 0.01


@pytest.mark.parametrize("name", NAMES)
def test_no_recipe_is_silent_in_a_short_take(name: str) -> None:
    sound = next(s for s in synthetic.classes() if s.name == name)
    for i in range(5):
        x = sound.recipe(Take(np.random.default_rng(i), 8_000, 4_000, 1.2))
        assert x.shape == (4_000,)
        assert np.sqrt(np.mean(x**2)) > 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_short_and_low_rate_clips(name: str) -> None:
    for seconds, rate in ((0.25, 8_000), (0.3, 44_100)):
        x = synthetic.render(name, 3, seconds=seconds, sample_rate=rate, difficulty=1.0)
        assert x.shape == (round(seconds * rate),)
        assert np.isfinite(x).all()
        assert np.abs(x).max() > 0.1


def test_a_long_clip() -> None:
    for name in ("Stream", "Thunder", "Male speech"):
        x = synthetic.render(name, 0, seconds=60)
        assert len(x) == 60 * synthetic.SAMPLE_RATE
        halves = np.sqrt(np.mean(x.reshape(2, -1) ** 2, axis=1))
        assert halves.min() > 1e-4


def test_takes_differ() -> None:
    for name in NAMES:
        a, b = (synthetic.render(name, i, seconds=0.5, difficulty=0.0) for i in range(2))
        assert np.abs(np.corrcoef(a, b)[0, 1]) < 0.98, name


def test_errors_say_what_is_allowed() -> None:
    with pytest.raises(ValueError, match="no synthetic class 'Barks'; there are Bark, Meow"):
        synthetic.render("Barks", 0)
    with pytest.raises(ValueError, match=r"difficulty is 1.5; it must be between 0 and 1"):
        synthetic.render("Bark", 0, difficulty=1.5)
    with pytest.raises(ValueError, match="index is -1"):
        synthetic.render("Bark", -1)
    with pytest.raises(ValueError, match=r"0.01 s at 32000 Hz cannot be made"):
        synthetic.render("Bark", 0, seconds=0.01)


# -- determinism ---------------------------------------------------------------------------------------


def test_a_clip_depends_on_nothing_else() -> None:
    alone = {name: synthetic.render(name, 5, seconds=0.5, seed=3) for name in NAMES[::9]}
    for name in reversed(alone):
        synthetic.render(name, 4, seconds=0.5, seed=3)
        np.testing.assert_array_equal(synthetic.render(name, 5, seconds=0.5, seed=3), alone[name])
    np.random.seed(0)  # noqa: NPY002 - the global state must not matter
    np.testing.assert_array_equal(synthetic.render(NAMES[0], 5, seconds=0.5, seed=3), alone[NAMES[0]])


#: Root mean square and mean step of takes of 0.5 s at difficulty 1, some with another class behind them.
PINNED = [
    ("Bark", 0, 0.066210, 0.008424),
    ("Laughter", 1, 0.047429, 0.003607),
    ("Cymbal", 2, 0.076416, 0.046463),
    ("Waves", 3, 0.101970, 0.054511),
    ("Siren", 4, 0.158829, 0.032217),
    ("Hum", 5, 0.122059, 0.003808),
]


@pytest.mark.parametrize(("name", "index", "rms", "step"), PINNED)
def test_clips_stay_as_they_were_when_the_world_grows(name: str, index: int, rms: float, step: float) -> None:
    x = synthetic.render(name, index, seconds=0.5, difficulty=1.0, seed=7).astype(np.float64)
    assert np.sqrt(np.mean(x**2)) == pytest.approx(rms, abs=2e-6)
    assert np.abs(np.diff(x)).mean() == pytest.approx(step, abs=2e-6)


def test_seed_index_and_difficulty_matter() -> None:
    base = synthetic.render("Wind", 0, seconds=0.5)
    for change in ({"seed": 1}, {"difficulty": 0.6}, {"index": 1}):
        other = synthetic.render("Wind", **({"index": 0, "seconds": 0.5} | change))
        assert not np.array_equal(base, other), change


# -- how hard it is ------------------------------------------------------------------------------------


def _agreement(difficulty: float, classes: int, n: int = 5, seconds: float = 1.0) -> float:
    """Share of clips whose nearest neighbour, by mel statistics, is of their class."""
    features, labels = [], []
    for name in synthetic.class_table(classes)["label"]:
        for i in range(n):
            x = synthetic.render(name, i, seconds=seconds, difficulty=difficulty)
            mel = log_mel(x, synthetic.SAMPLE_RATE, n_fft=1024, hop_length=512, n_mels=64)
            features.append(np.concatenate([mel.mean(axis=1), mel.std(axis=1)]))
            labels.append(name)
    X = np.array(features)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    similar = X @ X.T
    np.fill_diagonal(similar, -np.inf)
    nearest = np.array(labels)[similar.argmax(axis=1)]
    return float(np.mean(nearest == np.array(labels)))


def test_classes_overlap_more_the_harder_the_world_is() -> None:
    easy, middle, hard = (_agreement(d, classes=18) for d in (0.0, 0.5, 1.0))
    assert easy > middle + 0.1
    assert middle > hard + 0.1
    assert easy > 0.8
    assert hard > 0.1


def test_the_whole_world_is_neither_trivial_nor_hopeless() -> None:
    assert 0.3 < _agreement(0.5, WORLD_CLASSES, n=3) < 0.75  # far above the 1/96 of chance, far from perfect


# -- the plan and the job ------------------------------------------------------------------------------


def test_plan() -> None:
    plan = synthetic.plan(Synthesize(clips_per_class=7, seconds=1.0))
    assert len(plan) == 7 * WORLD_CLASSES
    assert tuple(plan.columns[: len(COLUMNS)]) == COLUMNS
    assert plan["clip_id"].is_unique
    assert plan["clip_id"].map(lambda c: re.fullmatch(r"[a-z0-9-]+", c) is not None).all()
    assert plan["fold"].value_counts().index.sort_values().tolist() == [1, 2, 3, 4, 5]
    assert plan.groupby("label")["fold"].nunique().eq(5).all()
    assert plan["duration"].eq(1.0).all()
    assert plan["sha256"].isna().all()
    assert set(plan["label"]) == set(synthetic.class_table()["label"])
    smaller = synthetic.plan(Synthesize(clips_per_class=3, seconds=1.0))
    assert set(smaller["clip_id"]) < set(plan["clip_id"])
    fewer = synthetic.plan(Synthesize(classes=8, clips_per_class=7, seconds=1.0))
    assert len(fewer) == 8 * 7
    assert set(fewer["family"]) == FAMILIES
    kept = plan[plan["label"].isin(set(fewer["label"]))].reset_index(drop=True)
    pd.testing.assert_frame_equal(fewer, kept)


SPEC = Synthesize(classes=30, clips_per_class=1, seconds=0.25, seed=5)


class _Interrupted(Exception):
    pass


class _Job(RunningJob):
    """A job that is ended from outside after some clips."""

    stop_after: float = float("inf")

    def progress(self, done: float, total: float, note: str = "") -> None:
        super().progress(done, total, note)
        if done >= self.stop_after:
            raise _Interrupted


@pytest.fixture
def make_job(tmp_path: Path) -> Callable[[str], _Job]:
    def make(name: str) -> _Job:
        workspace = Workspace.open(tmp_path / name)
        workspace.add_synthetic("world", SPEC)
        workspace.queue.submit(SPEC)
        return _Job(workspace, SPEC)

    return make


def _files(workspace: Workspace) -> dict[str, str]:
    artifact = workspace.cache.open(SPEC.key)
    return {
        name: hashlib.sha256((artifact.path / name).read_bytes()).hexdigest() for name in artifact.names()
    }


def test_the_job(make_job: Callable[[str], _Job]) -> None:
    job = make_job("a")
    assert not job.workspace.dataset("world").ready
    synthesize.run(SPEC, job)
    dataset = job.workspace.dataset("world")
    assert dataset.ready
    clips = dataset.clips
    expected = synthetic.plan(SPEC)
    pd.testing.assert_frame_equal(
        clips.drop(columns=["sha256", "labels"]), expected.drop(columns=["sha256", "labels"])
    )
    assert [list(labels) for labels in clips["labels"]] == list(expected["labels"])
    for row in clips.iloc[::10].itertuples():
        path = dataset.audio_path(row.clip_id)
        assert hashlib.sha256(path.read_bytes()).hexdigest() == row.sha256
        x, rate = audio.decode(path)
        assert rate == synthetic.SAMPLE_RATE
        made = synthetic.render(row.label, row.take, seconds=0.25, seed=5)
        np.testing.assert_allclose(x, made, atol=1 / 32768)
    assert job.workspace.cache.open(SPEC.key).meta["n_clips"] == SPEC.classes
    assert list(dataset.classes["label"]) == list(expected["label"])
    assert not job.workspace.cache.verify()


def test_an_interrupted_job_ends_with_the_same_bytes(make_job: Callable[[str], _Job]) -> None:
    undisturbed, broken = make_job("a"), make_job("b")
    synthesize.run(SPEC, undisturbed)

    broken.stop_after = 20
    with pytest.raises(_Interrupted):
        synthesize.run(SPEC, broken)
    made = sorted((broken.checkpoint / "audio").glob("*.flac"))
    assert 20 <= len(made) < SPEC.classes
    assert not broken.workspace.cache.contains(SPEC.key)
    times = {path.name: path.stat().st_mtime_ns for path in made}
    made[0].write_bytes(made[0].read_bytes()[:100])  # a crash cost this one its end
    made[1].write_bytes(b"")

    broken.stop_after = float("inf")
    synthesize.run(SPEC, broken)
    assert _files(broken.workspace) == _files(undisturbed.workspace)
    again = {path.name: path.stat().st_mtime_ns for path in made[2:]}
    assert again == {name: times[name] for name in again}  # not rendered twice


# -- the documentation ---------------------------------------------------------------------------------


def test_the_documented_classes_are_those_of_the_code() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "synthetic.md"
    rows = re.findall(
        r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", page.read_text(encoding="utf-8"), re.MULTILINE
    )
    table = [tuple(row) for row in synthetic.class_table().itertuples(index=False, name=None)]
    assert [row for row in rows if row[1] in FAMILIES] == table
