"""Classify the clips of a dataset by a model of two towers: each is of the class whose text is nearest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from core.statistics import share_interval
from core.zeroshot import zero_shot
from jobs.contrastive_presets import label_sets
from jobs.runners.labels import dataset_with, labelled
from jobs.specs import EmbedText, ZeroShotClassification

if TYPE_CHECKING:
    from jobs.engine.context import JobContext


def zero_shot_classification(spec: ZeroShotClassification, context: JobContext) -> None:
    """Compute `ZeroShotClassification`.

    Raises
    ------
    ValueError
        With one sentence: labels have changed, sounds and texts are not in one space, a class has no text, or
        no clip is left.
    """
    context.progress(0, 1, "classifying")
    space = labelled(spec.embedding, spec.labels, context)
    dataset = dataset_with(spec.labels, spec.embedding, context.workspace)
    sets = dict(zip(dataset.clips["clip_id"].astype(str), label_sets(dataset.clips), strict=True))
    ids = np.array(space.clip_ids, dtype=object)
    several = np.array([len(sets[id]) > 1 for id in ids], dtype=bool)
    nameless = space.labels == ""
    wanted = np.isin(space.labels.astype(str), spec.classes) | (not spec.classes)
    single = ~nameless & ~several
    finite = np.isfinite(space.X).all(axis=1)
    kept = np.flatnonzero(single & wanted & finite)
    if not len(kept):
        raise ValueError(
            f"No clip of {dataset.name} has exactly one class{' of those asked for' if spec.classes else ''} "
            "and an embedding; there is nothing to classify."
        )
    labels = space.labels[kept].astype(str)
    classes = spec.classes or tuple(sorted(set(labels)))
    if len(classes) < 2:
        raise ValueError(f"The clips of {dataset.name} are all {classes[0]!r}; there is nothing to choose.")
    prompts = [_texts(text, classes, context) for text in spec.texts]
    d, d_text = space.X.shape[1], prompts[0][1].shape[1]
    if d != d_text:
        raise ValueError(
            f"{spec.embedding.encoder} embeds sounds in {d} dimensions and {spec.texts[0].encoder} texts in "
            f"{d_text}; they must be the two towers of one model, such as CLAP."
        )
    result = zero_shot(space.X[kept], np.stack([vectors for _, vectors in prompts]), labels, classes)
    hits = int((result.predictions == result.targets).sum())
    share = share_interval(hits, len(kept))
    names = np.array(classes, dtype=object)
    each = np.arange(len(kept))
    with context.writer() as w:
        w.table(
            "predictions",
            pd.DataFrame(
                {
                    "clip_id": ids[kept].astype(str),
                    "label": labels,
                    "predicted": names[result.predictions].astype(str),
                    "score": result.scores[each, result.predictions],
                    "own_score": result.own_scores,
                }
            ),
        )
        w.table(
            "classes",
            pd.DataFrame(
                {
                    "label": list(classes),
                    "text": prompts[0][0],
                    "n_clips": result.confusion.sum(axis=1),
                    "accuracy": result.by_class,
                    "n_predicted": result.confusion.sum(axis=0),
                }
            ),
        )
        w.array("confusion", result.confusion)
        w.meta.update(
            accuracy=share.value,
            low=share.low,
            high=share.high,
            balanced=result.macro_accuracy,
            chance=result.chance,
            n=len(kept),
            n_classes=len(classes),
            prompts=[text.template for text in spec.texts],
            left_out={
                "without_class": int(nameless.sum()),
                "of_several_classes": int((several & ~nameless).sum()),
                "of_other_classes": int((single & ~wanted).sum()),
                "not_finite": int((single & wanted & ~finite).sum()),
            },
        )
    context.progress(1, 1)


def _texts(spec: EmbedText, classes: tuple[str, ...], context: JobContext) -> tuple[list[str], np.ndarray]:
    """Return the texts of classes and their embeddings, in order."""
    artifact = context.open(spec)
    told = artifact.table("texts").to_pandas()
    row_of = {str(id): row for row, id in enumerate(told["id"])}
    silent = [label for label in classes if label not in row_of]
    if silent:
        raise ValueError(
            f"{silent[0]!r} has no {spec.of} among the texts of {spec.encoder}; embed names instead."
        )
    rows = [row_of[label] for label in classes]
    texts = told["text"].iloc[rows].astype(str).tolist()
    return texts, np.asarray(artifact.array("embeddings")[rows])
