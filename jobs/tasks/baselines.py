"""Accuracy of simple classifiers in a space, on clips that they were not trained on."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.tasks.embed_audio import EmbedAudio
from jobs.tasks.schema import Schema, table, value
from jobs.tasks.spec import Spec, between, unusual

if TYPE_CHECKING:
    import pyarrow as pa

    from jobs.engine.context import JobContext

#: Folds drawn where the dataset has none of its own.
DRAWN_FOLDS = 5


class Result(Schema):
    """Predictions of two classifiers for clips that they were not trained on."""

    predictions: pa.Table = table(
        "n",
        "a clip with a class",
        {
            "clip_id": ("string", "its id"),
            "label": ("string", "its class"),
            "fold": ("int64", "the fold that it was held out with"),
            "knn": ("string", "class by its nearest neighbours"),
            "probe": ("string", "class by the linear probe"),
        },
    )
    n_clips: int = value("clips with a class")
    n_classes: int = value("classes")
    k: int = value("neighbours that vote")
    folds: str = value("whose folds: dataset or drawn")
    unseen: int = value(
        "clips of a class that no other fold has, which cannot be predicted and count as mistakes",
        default=0,
    )
    accuracy: dict[str, float | dict[str, dict[str, float]]] = value(
        "share of right predictions of ``knn`` and ``probe``, and of both in ``by_fold``"
    )


@dataclass(frozen=True, kw_only=True)
class Baselines(Spec[Result]):
    """Accuracy of simple classifiers in a space, on clips that they were not trained on.

    The folds are the dataset's where it has at least two, else five drawn by class with the seed.
    """

    embedding: EmbedAudio
    labels: str
    k: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        between("k", self.k, 1, 1000)
        between("seed", self.seed, 0, 2**32 - 1)

    @property
    def title(self) -> str:
        return f"baseline classifiers on {self.embedding.place}{unusual(self)}"


def run(spec: Baselines, context: JobContext) -> Result:
    """Predict the class of every clip by its k nearest neighbours and by a linear probe, fold by fold."""
    from core.separability import knn_classifier, linear_probe
    from jobs.tasks.labels import labelled

    name = f"{spec.embedding.dataset.name} · {spec.embedding.encoder}"
    space = labelled(spec.embedding, spec.labels, context)
    named = space.labels != ""
    labels = space.labels[named]
    n, classes = len(labels), np.unique(labels)
    if len(classes) < 2:
        why = f"all its clips with a class are {classes[0]}" if n else "it has no clip with a class"
        raise ValueError(f"{name} cannot be classified: {why}; at least 2 classes are needed.")
    X = np.asarray(space.X)[named]  # (n, d)
    own = None if space.folds is None else space.folds[named]
    folds, whose = _folds(own, labels, spec.seed)  # (n,)

    largest = int(np.unique(folds, return_counts=True)[1].max())
    k = min(spec.k, n - largest)
    if k < spec.k:
        context.log(f"k {spec.k} is lowered to {k}: there are no more clips outside the largest fold.")
    unseen = _unseen(labels, folds)
    if unseen:
        context.log(
            f"{unseen:,} of {n:,} clips are of a class that no other fold has; they count as mistaken."
        )

    def part(first: int, note: str) -> Callable[[int, int], None]:
        return lambda done, total: context.progress(first * total + done, 2 * total, note)

    context.progress(0, 1, f"{k} nearest neighbours of {n:,} clips")
    knn = knn_classifier(X, labels, folds, k=k, progress=part(0, "nearest neighbours"))
    context.progress(1, 2, "linear probe")
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        probe = linear_probe(X, labels, folds, progress=part(1, "linear probe"))
    for text in dict.fromkeys(str(w.message) for w in raised):
        context.log(text)

    predicted = {"knn": knn, "probe": probe}
    clip_ids = [clip for clip, has in zip(space.clip_ids, named.tolist(), strict=True) if has]
    accuracy: dict[str, Any] = {m: float((values == labels).mean()) for m, values in predicted.items()}
    accuracy["by_fold"] = {
        m: {
            str(fold): float((values[folds == fold] == labels[folds == fold]).mean())
            for fold in np.unique(folds)
        }
        for m, values in predicted.items()
    }
    return Result(
        predictions={"clip_id": clip_ids, "label": labels, "fold": folds, **predicted},
        n_clips=n,
        n_classes=len(classes),
        k=k,
        folds=whose,
        unseen=unseen,
        accuracy=accuracy,
    )


def _folds(own: np.ndarray | None, labels: np.ndarray, seed: int) -> tuple[np.ndarray, str]:
    """Return the fold of every clip, and whether folds are of the "dataset" or "drawn" by class."""
    from core.separability import stratified_folds

    if own is not None and len(np.unique(own)) > 1:
        return own, "dataset"
    return stratified_folds(labels, min(DRAWN_FOLDS, len(labels)), seed=seed), "drawn"


def _unseen(labels: np.ndarray, folds: np.ndarray) -> int:
    """Count the clips of classes that are in one fold alone, which cannot be predicted."""
    return sum(
        int((labels == label).sum())
        for label in np.unique(labels)
        if len(np.unique(folds[labels == label])) < 2
    )
