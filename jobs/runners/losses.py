"""Train heads on a frozen space with several losses, and keep what each makes of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from core.recipes import derive
from jobs.engine.live import LiveCurves
from jobs.engine.training import TrainingFolder, reporter
from jobs.presets import of_several_classes
from jobs.runners.loss_results import Asked, Judged, folds_of, keeps, kept_rows, store
from jobs.specs import LossGrid, LossTraining
from jobs.tasks.labels import dataset_with, labelled

if TYPE_CHECKING:
    from core.heads import HeadRecipe
    from jobs.engine.context import JobContext

#: Progress when all heads are trained.
_TRAINED = 0.95


def loss_grid(spec: LossGrid, context: JobContext) -> None:
    """Compute `LossGrid`; what is trained when the process is killed goes on from the checkpoint.

    Raises
    ------
    ValueError
        With one sentence: the labels have changed, there are too few classes, clips or folds, or a fold that
        is to be held out is not there.
    """
    started = time.perf_counter()
    checkpoint = TrainingFolder(context.checkpoint / "training")
    # From where the training will go on, so that the pace is not that of what was done before.
    context.progress(checkpoint.share() * _TRAINED, 1, "reading")
    # Loads torch, which takes seconds: not before the first word of progress.
    from core.heads import embed, train_heads

    asked = _read(spec, context)
    chosen = recipes(spec)
    seeds = range(spec.seeds)
    what = f"training {len(chosen) * spec.seeds * len(asked.held_out):,} heads"
    models = [(r, s, f) for r in range(len(chosen)) for s in seeds for f in asked.held_out]
    runs = train_heads(
        asked.X,
        asked.labels,
        asked.folds,
        recipes=chosen,
        seeds=seeds,
        held_out=asked.held_out,
        keep_epochs=spec.kept_epochs,
        keep_rows=kept_rows(asked.labels, spec.keep_clips),
        keep_models=keeps(asked),
        progress=reporter(context, checkpoint, what, 0, _TRAINED),
        watch=LiveCurves(context.checkpoint, models),
        checkpoint=checkpoint,
    )
    context.progress(_TRAINED, 1, "measuring")
    # One copy a fold, for all of its models.
    before: dict[object, np.ndarray] = {fold: asked.X[asked.folds == fold] for fold in asked.held_out}
    judged = [
        Judged(
            run,
            before=before[run.fold],
            tested=None if run.failed else embed(run, before[run.fold]),
        )
        for run in runs
    ]
    cards = {"objective": "classification", "training_data": int((asked.folds != asked.held_out[0]).sum())}
    store(spec, context, asked, judged, before="space", card=cards, started=started)
    context.progress(1, 1)


def recipes(spec: LossTraining) -> list[HeadRecipe]:
    """Return how `core.heads` is to train what a spec asks for, a recipe each."""
    from core.heads import HeadRecipe

    # Each loss has a gamma of its own, or none.
    gamma = {"focal": spec.focal_gamma, "opl": spec.opl_gamma}
    return [
        derive(
            HeadRecipe,
            spec,
            loss=recipe.loss,
            weights=recipe.weights,
            gamma=gamma.get(recipe.loss, 0.0),
            loss_weight=spec.opl_weight if recipe.loss == "opl" else 1.0,
            # A network has one more, which its own training knows.
            optimizer="sgd" if spec.optimizer == "sgd" else "adamw",
        )
        for recipe in spec.recipes
    ]


def _read(spec: LossGrid, context: JobContext) -> Asked:
    space = labelled(spec.embedding, spec.labels, context)
    nameless = space.labels == ""
    broken = ~nameless & ~np.isfinite(space.X).all(axis=1)
    kept = np.flatnonzero(~(nameless | broken))
    if not len(kept):
        raise ValueError(
            f"No clip of {spec.embedding.dataset.name} has a class and an embedding; there is nothing to "
            "train on."
        )
    labels = space.labels[kept].astype(str)
    own = None if space.folds is None else space.folds[kept]
    folds, drawn, held_out = folds_of(spec, labels, own)
    clip_ids = np.array(space.clip_ids, dtype=object)[kept]
    clips = dataset_with(spec.labels, spec.embedding, context.workspace).clips
    several = clips["clip_id"][of_several_classes(clips)]
    return Asked(
        clip_ids=clip_ids,
        X=np.asarray(space.X[kept]),
        labels=labels,
        folds=folds,
        drawn=drawn,
        held_out=held_out,
        left_out={"without_class": int(nameless.sum()), "not_finite": int(broken.sum()), "unreadable": 0},
        several=int(np.isin(clip_ids.astype(str), several.astype(str)).sum()),
    )
