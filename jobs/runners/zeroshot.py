"""Train the zero-shot models of a grid: draw the splits of classes, train, and judge by unseen classes."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from core.splits import (
    ClassSplit,
    ClassSplitSet,
    Range,
    Sizes,
    SplitError,
    all_classes,
    check_known,
    class_centroids,
    class_elbow,
    class_similarity,
    cluster_classes,
    diversity_splits,
    feasible_sizes,
    quantile_ranges,
    similarity_splits,
    split_to_json,
)
from jobs.runners import shards
from jobs.runners.labels import dataset_with, labelled
from jobs.runners.zeroshot_tables import classes_table, models_table, predictions_table
from jobs.specs import ZeroShotGrid

if TYPE_CHECKING:
    from core.zeroshot import Recipe, ZeroShotModel
    from jobs.context import JobContext

#: Progress when all models are trained.
_TRAINED = 0.98
_SHARE = "share"


class _Asked(NamedTuple):
    """Clips of one class each, and the texts of the classes."""

    clip_ids: np.ndarray  # (n,) objects of str
    X: np.ndarray  # (n, d) float32
    labels: np.ndarray  # (n,) objects of str
    left_out: dict[str, int]
    classes: pd.DataFrame  # label, n_clips, text and family of every class, by label
    text: np.ndarray  # of the classes that have a text, (C', d_t) float32


class _Space(NamedTuple):
    """Where the classes lie."""

    names: tuple[str, ...]
    centroids: np.ndarray  # (C, d)
    similarity: np.ndarray  # (C, C)
    clusters: np.ndarray  # (C,)


class _Drawn(NamedTuple):
    """A model to be trained for every split and seed."""

    splits: list[ClassSplit | ClassSplitSet]
    seeds: list[int]
    given: list[int] | None  # which of the given splits each is
    sizes: Sizes | None
    ranges: tuple[Range, ...] | None
    note: str


def zero_shot_grid(spec: ZeroShotGrid, context: JobContext) -> None:
    """Compute `ZeroShotGrid`; what is trained when the process is killed goes on from the checkpoint.

    Raises
    ------
    ValueError
        With one sentence: the labels have changed, a class has no text, or the classes do not suffice for
        what is asked.
    """
    checkpoint = Saved(context.checkpoint / "training.npz")
    # From where the training will go on, so that the pace is not that of what was done before.
    begun = checkpoint.kept_share()
    context.progress(begun * _TRAINED, 1, "reading")
    # Loads torch, which takes seconds: not before the first word of progress.
    from core.zeroshot import train_many

    asked = _read(spec, context)
    context.progress(begun * _TRAINED, 1, "drawing classes")
    names, centroids = class_centroids(asked.X, asked.labels)
    clusters = cluster_classes(centroids, spec.clusters)
    space = _Space(names, centroids, class_similarity(centroids), clusters)
    drawn = _draw(spec, space)
    if drawn.note:
        context.log(drawn.note)
    what = f"training {_several(len(drawn.splits), 'model')}"

    def report(done: int, total: int) -> None:
        checkpoint.share = done / total
        context.progress(checkpoint.share * _TRAINED, 1, f"{what}: {checkpoint.share:.0%}")

    if begun:
        context.log(f"Going on after {begun:.0%} of the training, from the checkpoint.")
    models = train_many(
        drawn.splits,
        asked.X,
        asked.labels.astype(str),
        asked.text,
        asked.classes["label"][asked.classes["text"].notna()].tolist(),
        seeds=drawn.seeds,
        recipe=recipe(spec),
        progress=report,
        checkpoint=checkpoint,
    )
    context.progress(_TRAINED, 1, "storing")
    failed = [m.failed for m in models if m.failed]
    for why in failed:
        context.log(why)
    note = " ".join(filter(None, [drawn.note, _failures(failed, len(models))]))
    _store(spec, context, asked, space, drawn, models, note)
    context.progress(1, 1)


def recipe(spec: ZeroShotGrid) -> Recipe:
    """Return how `core.zeroshot` is to train what a spec asks for."""
    from core.zeroshot import Recipe

    return Recipe(
        learning_rate=spec.learning_rate,
        batch_size=spec.batch_size,
        epochs=spec.epochs,
        margin=spec.margin,
        sampled=spec.sampled,
        patience=spec.patience or None,
        standardise=spec.standardise,
    )


class Saved:
    """A `core.zeroshot.Checkpoint` in one file, which is whole or not there.

    Attributes
    ----------
    share : float
        How much of the training is done; kept beside it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.share = 0.0

    def kept_share(self) -> float:
        """Return how much was done when it was saved last; 0 where nothing is."""
        found = shards.load(self.path, (_SHARE,))
        return 0.0 if found is None else float(found[_SHARE])

    def load(self) -> Mapping[str, np.ndarray] | None:
        """Return what was saved last; None where there is nothing, or it is damaged."""
        try:
            with np.load(self.path, allow_pickle=False) as stored:
                return {name: stored[name] for name in stored.files if name != _SHARE}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile):
            return None

    def save(self, arrays: dict[str, np.ndarray]) -> None:
        """Keep these arrays instead."""
        shards.save(self.path, **arrays, **{_SHARE: self.share})


def _read(spec: ZeroShotGrid, context: JobContext) -> _Asked:
    space = labelled(spec.embedding, spec.labels, context)
    dataset = dataset_with(spec.labels, spec.embedding, context.workspace)
    several = _of_several_classes(dataset.clips)
    nameless = space.labels == ""
    ambiguous = np.array([clip in several for clip in space.clip_ids], dtype=bool)
    broken = ~(nameless | ambiguous) & ~np.isfinite(space.X).all(axis=1)
    kept = np.flatnonzero(~(nameless | ambiguous | broken))
    if not len(kept):
        raise ValueError(
            f"No clip of {dataset.name} has exactly one class and an embedding; there is nothing to train on."
        )
    labels = space.labels[kept]
    classes = pd.Series(labels).value_counts().sort_index().rename_axis("label").reset_index(name="n_clips")
    classes["label"] = classes["label"].astype("str")
    texts = context.open(spec.text)
    told = texts.table("texts").to_pandas().set_index("id")["text"]
    classes["text"] = told.reindex(classes["label"]).to_numpy()
    _check_texts(spec, dataset.name, classes)
    families = dataset.classes.set_index("label")["family"] if "family" in dataset.classes else pd.Series()
    classes["family"] = families.astype(object).reindex(classes["label"]).to_numpy()
    row_of = {id: row for row, id in enumerate(told.index)}
    rows = [row_of[label] for label in classes["label"][classes["text"].notna()]]
    return _Asked(
        clip_ids=np.array(space.clip_ids, dtype=object)[kept],
        X=np.asarray(space.X[kept]),
        labels=labels,
        left_out={
            "without_class": int(nameless.sum()),
            "several_classes": int((ambiguous & ~nameless).sum()),
            "not_finite": int(broken.sum()),
        },
        classes=classes.astype({"text": "str", "family": "str"}),
        text=np.asarray(texts.array("embeddings")[rows]),
    )


def _of_several_classes(clips: pd.DataFrame) -> set[str]:
    if "labels" not in clips:
        return set()
    several = [np.ndim(own) == 1 and len(set(own)) > 1 for own in clips["labels"]]
    return set(clips["clip_id"][several])


def _check_texts(spec: ZeroShotGrid, dataset: str, classes: pd.DataFrame) -> None:
    """Raise `ValueError` for a class that takes part and has no text."""
    wanted = classes["label"]
    if spec.setup == "splits":
        wanted = wanted[wanted.isin([c for split in spec.parsed_splits for c in all_classes(split)])]
    silent = wanted[classes["text"].isna()].tolist()
    if silent:
        more = f" and {len(silent) - 3} more" if len(silent) > 3 else ""
        has, it = ("has", "it") if len(silent) == 1 else ("have", "them")
        advice = f"add {it}" + (", or train with names" if spec.text.of == "description" else "")
        raise ValueError(
            f"{', '.join(map(repr, silent[:3]))}{more} of {dataset} {has} no {spec.text.of} among the "
            f"embedded texts; {advice}."
        )


def _draw(spec: ZeroShotGrid, space: _Space) -> _Drawn:
    if spec.setup == "splits":
        given = spec.parsed_splits
        for split in given:
            check_known(split, space.names)
        numbers = [i for i in range(len(given)) for _ in range(spec.seeds)]
        seeds = [seed for _ in given for seed in range(spec.seeds)]
        return _Drawn([given[i] for i in numbers], seeds, numbers, None, None, "")
    draw = _similarity if spec.setup == "similarity" else _diversity
    asked = spec.sizes
    splits, ranges, sizes = draw(spec, space)
    note = "" if sizes == asked else f"Sizes were lowered from {asked} to {sizes}: the classes allow no more."
    return _Drawn(splits, [int(split.info["seed"]) for split in splits], None, sizes, ranges, note)


def _similarity(spec: ZeroShotGrid, space: _Space) -> tuple[list[ClassSplit | ClassSplitSet], None, Sizes]:
    sizes = spec.sizes
    if spec.fit_sizes:
        # Where nothing fits, the sizes that were asked for say what is missing.
        sizes = feasible_sizes(space.clusters, ratios=spec.ratios, sizes=sizes) or sizes
    found = similarity_splits(
        space.names, space.clusters, ratios=spec.ratios, seeds=range(spec.seeds), sizes=sizes
    )
    return [*found], None, sizes


def _diversity(
    spec: ZeroShotGrid, space: _Space
) -> tuple[list[ClassSplit | ClassSplitSet], tuple[Range, ...], Sizes]:
    first: SplitError | None = None
    for sizes in _smaller(spec.sizes) if spec.fit_sizes else [spec.sizes]:
        try:
            ranges = spec.asked_ranges or quantile_ranges(
                space.similarity, spec.n_ranges, sizes=sizes, n_test_sets=spec.n_test_sets
            )
            found = diversity_splits(
                space.names,
                space.similarity,
                ranges=ranges,
                seeds=range(spec.seeds),
                sizes=sizes,
                n_test_sets=spec.n_test_sets,
            )
        except SplitError as error:
            first = first or error
        else:
            return [*found], ranges, sizes
    assert first is not None
    raise first


def _smaller(sizes: Sizes) -> Iterator[Sizes]:
    """Yield these sizes and all smaller ones in about the same proportions, the largest first."""
    for train in range(sizes.train, 1, -1):
        share = train / sizes.train
        yield Sizes(train, max(1, round(share * sizes.validation)), max(2, round(share * sizes.test)))


def _store(
    spec: ZeroShotGrid,
    context: JobContext,
    asked: _Asked,
    space: _Space,
    drawn: _Drawn,
    models: list[ZeroShotModel],
    note: str,
) -> None:
    from core.zeroshot import CURVES

    elbow = class_elbow(space.centroids)
    with context.writer() as w:
        w.table("models", models_table(spec.setup, models, space.names, space.similarity, drawn.given))
        w.table("classes", classes_table(models, asked.classes))
        w.table("predictions", predictions_table(models, asked.clip_ids))
        w.table(
            "splits",
            {"model": range(len(models)), "text": [split_to_json(s, compact=True) for s in drawn.splits]},
        )
        w.array("curves", np.stack([[m.curves[name] for name in CURVES] for m in models]))
        w.table("names", asked.classes)
        w.array("centroids", space.centroids.astype(np.float32))
        w.array("similarity", space.similarity)
        w.array("clusters", space.clusters)
        w.array("elbow_ks", elbow.ks)
        w.array("elbow_inertia", elbow.inertia)
        w.array("elbow_silhouette", elbow.silhouette)
        w.meta.update(
            n_models=len(models),
            n_failed=sum(bool(m.failed) for m in models),
            n_clips=len(asked.clip_ids),
            n_classes=len(space.names),
            n_clusters=int(space.clusters.max()) + 1,
            sizes=None if drawn.sizes is None else _plain(drawn.sizes),
            asked_sizes=None if drawn.sizes is None else _plain(spec.sizes),
            ranges=None if drawn.ranges is None else [list(ends) for ends in drawn.ranges],
            elbow=elbow.elbow,
            note=note,
            left_out=asked.left_out,
        )


def _failures(failed: list[str], n: int) -> str:
    return f"{len(failed)} of {_several(n, 'model')} failed. {failed[0]}" if failed else ""


def _plain(sizes: Sizes) -> list[int]:
    return [sizes.train, sizes.validation, sizes.test]


def _several(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"
