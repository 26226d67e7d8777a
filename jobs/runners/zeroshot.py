"""Train the zero-shot models of a grid: draw the splits of classes, train, and judge by unseen classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
import pandas as pd

from core.recipes import derive
from core.splits import (
    Sizes,
    all_classes,
    class_centroids,
    class_elbow,
    class_similarity,
    cluster_classes,
    split_to_json,
)
from core.words import count
from jobs.engine.training import TrainingFolder, reporter
from jobs.grid_splits import Drawn, draw
from jobs.presets import of_several_classes
from jobs.runners.zeroshot_tables import classes_table, models_table, predictions_table
from jobs.specs import ZeroShotGrid
from jobs.tasks.labels import dataset_with, labelled

if TYPE_CHECKING:
    from cache import Artifact
    from core.zeroshot import Recipe, ZeroShotModel
    from jobs.engine.context import JobContext
    from jobs.tasks.spec import R, Spec
    from jobs.workspace.workspace import Workspace

#: Of a grid of more models, no weights are stored: those of one take 2 MB.
MOST_WEIGHTS = 500
#: Progress when all models are trained.
_TRAINED = 0.98


class _Asked(NamedTuple):
    """Clips of one class each, and the texts of the classes."""

    clip_ids: np.ndarray  # (n,) objects of str
    X: np.ndarray  # (n, d) float32
    labels: np.ndarray  # (n,) objects of str
    left_out: dict[str, int]
    note: str  # on classes that were left out
    classes: pd.DataFrame  # label, n_clips, text and family of every class, by label
    text: np.ndarray  # of the classes that have a text, (C', d_t) float32


class _Space(NamedTuple):
    """Where the classes lie."""

    names: tuple[str, ...]
    centroids: np.ndarray  # (C, d)
    similarity: np.ndarray  # (C, C)
    clusters: np.ndarray  # (C,)


def zero_shot_grid(spec: ZeroShotGrid, context: JobContext) -> None:
    """Compute `ZeroShotGrid`; what is trained when the process is killed goes on from the checkpoint.

    Raises
    ------
    ValueError
        With one sentence: the labels have changed, a class has no text, or the classes do not suffice for
        what is asked.
    """
    checkpoint = TrainingFolder(context.checkpoint / "training")
    # From where the training will go on, so that the pace is not that of what was done before.
    begun = checkpoint.share()
    context.progress(begun * _TRAINED, 1, "reading")
    # Loads torch, which takes seconds: not before the first word of progress.
    from core.zeroshot import train_many

    asked = _read(spec, context)
    context.progress(begun * _TRAINED, 1, "drawing classes")
    space = _locate(spec, asked)
    drawn = draw(spec, space.names, space.similarity, space.clusters)
    for said in filter(None, (asked.note, drawn.note)):
        context.log(said)
    what = f"training {count(len(drawn.splits), 'model')}"
    models = train_many(
        drawn.splits,
        asked.X,
        asked.labels.astype(str),
        asked.text,
        asked.classes["label"][asked.classes["text"].notna()].tolist(),
        seeds=drawn.seeds,
        recipe=recipe(spec),
        progress=reporter(context, checkpoint, what, 0, _TRAINED),
        checkpoint=checkpoint,
    )
    context.progress(_TRAINED, 1, "storing")
    failed = [m.failed for m in models if m.failed]
    for why in failed:
        context.log(why)
    note = " ".join(filter(None, [asked.note, drawn.note, _failures(failed, len(models))]))
    _store(spec, context, asked, space, drawn, models, note)
    context.progress(1, 1)


class _Reading(NamedTuple):
    """What reading needs of a job, before there is one."""

    workspace: Workspace

    def open(self, spec: Spec) -> Artifact:
        return self.workspace.cache.open(spec.key)

    def read(self, spec: Spec[R]) -> R:
        return spec.read(self.workspace.cache)


def rehearse(spec: ZeroShotGrid, workspace: Workspace) -> Drawn:
    """Do what the job will do before it trains, where its spaces are there; raises as `zero_shot_grid`."""
    # All that is read through is the two that a reading has.
    asked = _read(spec, cast("JobContext", _Reading(workspace)))
    space = _locate(spec, asked)
    return draw(spec, space.names, space.similarity, space.clusters)


def _locate(spec: ZeroShotGrid, asked: _Asked) -> _Space:
    names, centroids = class_centroids(asked.X, asked.labels)
    # Only one setup draws by clusters; of the others they are shown, as many as can be.
    n_clusters = spec.clusters if spec.setup == "similarity" else min(spec.clusters, len(names))
    clusters = cluster_classes(centroids, n_clusters)
    return _Space(names, centroids, class_similarity(centroids), clusters)


def recipe(spec: ZeroShotGrid) -> Recipe:
    """Return how `core.zeroshot` is to train what a spec asks for."""
    from core.zeroshot import Recipe

    return derive(Recipe, spec, patience=spec.patience or None)


def _read(spec: ZeroShotGrid, context: JobContext) -> _Asked:
    space = labelled(spec.embedding, spec.labels, context)
    dataset = dataset_with(spec.labels, spec.embedding, context.workspace)
    several = set(dataset.clips["clip_id"][of_several_classes(dataset.clips)])
    nameless = space.labels == ""
    ambiguous = np.array([clip in several for clip in space.clip_ids], dtype=bool)
    broken = ~(nameless | ambiguous) & ~np.isfinite(space.X).all(axis=1)
    kept = np.flatnonzero(~(nameless | ambiguous | broken))
    if not len(kept):
        raise ValueError(
            f"No clip of {dataset.name} has exactly one class and an embedding; there is nothing to train on."
        )
    kept, note = _large_enough(spec, space.labels, kept, dataset.name)
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
            "small_classes": int((~(nameless | ambiguous | broken)).sum()) - len(kept),
        },
        note=note,
        classes=classes.astype({"text": "str", "family": "str"}),
        text=np.asarray(texts.array("embeddings")[rows]),
    )


def _large_enough(
    spec: ZeroShotGrid, labels: np.ndarray, kept: np.ndarray, dataset: str
) -> tuple[np.ndarray, str]:
    """Return the rows of classes that have the clips that are asked for, and a sentence on the others."""
    if spec.setup == "splits":
        return kept, ""
    names, codes, sizes = np.unique(labels[kept].astype(str), return_inverse=True, return_counts=True)
    small = sizes < spec.min_clips
    if small.all():
        raise ValueError(
            f"No class of {dataset} has {count(spec.min_clips, 'clip')} to train on or to judge by; the "
            f"largest has {sizes.max():,}: ask for fewer clips of a class."
        )
    if not small.any():
        return kept, ""
    of = f"{small.sum():,} of {count(len(names), 'class')}"
    note = f"{of} {'has' if small.sum() == 1 else 'have'} fewer than {count(spec.min_clips, 'clip')}"
    return kept[~small[codes]], f"{note} and {'was' if small.sum() == 1 else 'were'} not drawn."


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


def _store(
    spec: ZeroShotGrid,
    context: JobContext,
    asked: _Asked,
    space: _Space,
    drawn: Drawn,
    models: list[ZeroShotModel],
    note: str,
) -> None:
    from core.zeroshot import CURVES

    elbow = class_elbow(space.centroids)
    with context.writer() as w:
        w.table(
            "models",
            models_table(spec.setup, models, space.names, space.similarity, space.clusters, drawn.given),
        )
        w.table("classes", classes_table(models, asked.classes))
        w.table("predictions", predictions_table(models, asked.clip_ids))
        w.table(
            "splits",
            {"model": range(len(models)), "text": [split_to_json(s, compact=True) for s in drawn.splits]},
        )
        w.array("curves", np.stack([[m.curves[name] for name in CURVES] for m in models]))
        for i, model in enumerate(models if len(models) <= MOST_WEIGHTS else ()):
            if not model.failed:
                w.tensors(f"weights_{i}", model.weights)
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
    return f"{len(failed)} of {count(n, 'model')} failed. {failed[0]}" if failed else ""


def _plain(sizes: Sizes) -> list[int]:
    return [sizes.train, sizes.validation, sizes.test]
