"""Train classifier heads on a frozen space with several losses, and measure what each makes of the space."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from core.heads.recipe import HeadRecipe
from core.recipes import like
from jobs.engine.training import TrainingFolder
from jobs.tasks.embed_audio import EmbedAudio
from jobs.tasks.labels import dataset_with, labelled
from jobs.tasks.loss_results import Judged, Result, measure
from jobs.tasks.loss_training import LossTraining, TrainingClips, choose_folds, training_options
from jobs.tasks.spec import DatasetRef, Spec, unusual

if TYPE_CHECKING:
    from jobs.engine.context import JobContext

#: Progress when all heads are trained.
_TRAINED = 0.95


@dataclass(frozen=True, kw_only=True)
class LossGrid(LossTraining, Spec[Result]):
    """Heads on a frozen space, trained with several losses; "before" is the space itself."""

    LATER: ClassVar[frozenset[str]] = frozenset({"entropy"})

    embedding: EmbedAudio
    hidden: int = like(HeadRecipe, "hidden")
    standardise: bool = like(HeadRecipe, "standardise")

    def __post_init__(self) -> None:
        if not isinstance(self.embedding, EmbedAudio):
            raise TypeError("embedding must be a space of sounds")
        super().__post_init__()

    @property
    def dataset(self) -> DatasetRef:
        """The dataset of the space."""
        return self.embedding.dataset

    @property
    def title(self) -> str:
        return f"train heads on {self.embedding.place} with {self.size}{unusual(self, 'seeds')}"


def run(spec: LossGrid, context: JobContext) -> Result:
    """Compute `LossGrid`; a training whose process was killed goes on from its checkpoint.

    Raises
    ------
    ValueError
        With one sentence: the labels have changed, or classes, clips or folds do not suffice.
    """
    started = time.perf_counter()
    # From where the training will go on, so that the pace is not that of what was done before.
    context.progress(TrainingFolder(context.checkpoint / "training").share() * _TRAINED, 1, "reading")
    # Loads torch, which takes seconds: not before the first word of progress.
    from core.heads import embed, train_heads

    clips = _read(spec, context)
    options = training_options(spec, context, clips, "heads", (0, _TRAINED))
    runs = train_heads(clips.X, clips.labels, clips.folds, **options)
    context.progress(_TRAINED, 1, "measuring")
    # One copy a fold, for all of its models.
    before: dict[object, np.ndarray] = {fold: clips.X[clips.folds == fold] for fold in clips.held_out}
    judged = [
        Judged(run, before[run.fold], None if run.failed else embed(run, before[run.fold])) for run in runs
    ]
    return measure(spec, context, clips, judged, before="space", started=started)


def _read(spec: LossGrid, context: JobContext) -> TrainingClips:
    from jobs.presets import of_several_classes

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
    folds, drawn, held_out = choose_folds(spec, labels, None if space.folds is None else space.folds[kept])
    clip_ids = np.array(space.clip_ids, dtype=object)[kept]
    table = dataset_with(spec.labels, spec.embedding, context.workspace).clips
    several = table["clip_id"][of_several_classes(table)]
    return TrainingClips(
        clip_ids=clip_ids,
        X=np.asarray(space.X[kept]),
        labels=labels,
        folds=folds,
        drawn=drawn,
        held_out=held_out,
        left_out={"without_class": int(nameless.sum()), "not_finite": int(broken.sum()), "unreadable": 0},
        several=int(np.isin(clip_ids.astype(str), several.astype(str)).sum()),
    )
