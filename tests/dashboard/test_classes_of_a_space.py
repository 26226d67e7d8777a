"""What pages say about the classes of a space beside their splits: sizes that fit, and silhouettes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import silhouette_samples

from core.splits import Sizes, SplitError, class_similarity
from dashboard import data
from dashboard.kit import classes as class_sets
from dashboard.kit.classes import Classes
from dashboard.splits import data as splits
from dashboard.splits.data import Rule
from dashboard.zeroshot import classes
from jobs.workspace.workspace import Workspace
from tests.dashboard.helpers import showing


def classes_in_groups(seed: int) -> Classes:
    """30 classes around three directions, as a page has them."""
    random = np.random.default_rng(seed)
    centroids = random.standard_normal((3, 6))[np.arange(30) % 3] + 0.6 * random.standard_normal((30, 6))
    names = tuple(f"class {i:02}" for i in range(30))
    return Classes(
        (f"groups {seed}",),
        names,
        np.full(30, 9),
        centroids,
        class_similarity(centroids),
        np.zeros((30, 2)),
        (0, 0),
    )


@pytest.fixture
def shown(made: Any, tmp_path: Path) -> Iterator[Workspace]:
    found, _ = made.workspace(tmp_path, per_class=4, sounds=False)
    with showing(found.root):
        yield found


@pytest.mark.parametrize(("ranges", "which"), [("paper", 1), ("paper", 3), ("own", 0), ("own", 4)])
def test_sizes_that_are_offered_for_a_range_are_the_first_that_can_be_drawn(
    ranges: str, which: int, shown: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.splits.diverse_sets.RANDOM_ATTEMPTS", 30)
    monkeypatch.setattr("core.splits.diverse_sets.ATTEMPTS", 40)
    found = classes_in_groups(which)

    def drawn(sizes: Sizes) -> bool:
        try:
            splits.draw(found, Rule("diversity", sizes, ranges=ranges, which=which, sets=2, seed=3))
        except SplitError:
            return False
        return True

    asked = Rule("diversity", Sizes(14, 4, 4), ranges=ranges, which=which, sets=2, seed=3)
    offered = splits.fitting(found, asked)
    tried = [Sizes(t, max(2, round(4 * t / 14)), max(2, round(4 * t / 14))) for t in range(14, 1, -1)]
    assert offered == next((s for s in tried if drawn(s)), None)
    assert offered is not None
    assert not drawn(asked.sizes)


def test_sizes_that_are_offered_at_random_fill_the_classes(shown: Workspace) -> None:
    found = classes_in_groups(0)
    assert str(splits.fitting(found, Rule("random", Sizes(400, 5, 5)))) == "26/2/2"
    assert str(class_sets.usual_sizes(found, 3)) == "6/2/2"
    few = Classes(("few",), found.names[:6], *[getattr(found, n)[:6] for n in ("clips", "centroids")],
                  found.similarity[:6, :6], found.coords[:6], (0, 0))  # fmt: skip
    assert str(splits.fitting(few, Rule("random", Sizes()))) == "2/2/2"


def test_silhouettes_are_of_the_clips_that_are_trained_on(shown: Workspace, made: Any) -> None:
    dataset = shown.dataset("small")
    space = made.space(shown, dataset, "melstats", seed=0, spread=1.0)
    clips = dataset.clips.copy()
    several = {0, 5, 6}
    for i in several:
        clips.at[i, "labels"] = ["Dog bark", "Rain"]
    imported = made.Imported(clips, dataset.classes, dataset.report, dataset.fingerprint, "other")
    changed = shown.add_dataset("small", imported, adapter="folder", root=dataset.root)
    found = classes._silhouettes(space, data.clips(changed))
    ids = shown.cache.open(space.key).table("clips").column("clip_id").to_pylist()
    X = np.asarray(shown.cache.open(space.key).array("embeddings"), float)
    single = clips.drop(index=list(several)).set_index("clip_id")["label"]
    kept = [i for i, clip in enumerate(ids) if clip in single.index]
    label = single.loc[[ids[i] for i in kept]].to_numpy(str)
    wanted = silhouette_samples(X[kept], label, metric="cosine")
    assert set(found) == set(label)
    for name, value in found.items():
        assert value == pytest.approx(wanted[label == name].mean(), abs=1e-6)
