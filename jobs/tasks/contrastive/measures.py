"""What is measured of contrastive models: accuracy, silhouettes, overlaps, correlations and maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from core.projection import project
from core.similarity import literal_topological_similarity, neighborhood_overlap, topological_similarity
from core.splits import class_centroids
from core.statistics import bootstrap_interval, pearson, share_interval
from core.zeroshot import ZeroShotResult
from jobs.tasks.contrastive.data import Clips
from jobs.tasks.contrastive_grid import FEWEST_CLASSES, PAIRS

#: What accuracy is correlated with.
PREDICTORS = ("silhouette_Ea", "silhouette_xa", "overlap_Ea_Et")
#: Fewer points than this are mapped by principal components: t-SNE's neighbourhoods would be all of them.
FEWEST = 12
_SILHOUETTES = ("silhouette_xa", "silhouette_Ea")


@dataclass(frozen=True)
class Spaces:
    """The four spaces of a model: of all clips, NaN for those without sound, and of all classes."""

    xa: np.ndarray  # (n, a)
    Ea: np.ndarray  # (n, D)
    xt: np.ndarray  # (C, b)
    Et: np.ndarray  # (C, D)


def measure(spaces: Spaces, clips: Clips, result: ZeroShotResult | None) -> dict[str, Any]:
    """Return the measures of a model as columns of ``models.parquet``; `result` is None if it failed."""
    test, labels, tested = clips.test, clips.test_labels, clips.tested_rows
    row: dict[str, Any] = {"n_test": len(test), "chance": 1 / len(tested)}
    if result is None:
        names = [f"{name}{end}" for name in ("accuracy", *_SILHOUETTES) for end in ("", "_low", "_high")]
        names += [f"overlap_{pair}{end}" for pair in PAIRS for end in ("", "_plain", "_literal")]
        return row | dict.fromkeys(names, np.nan) | {f"overlap_{pair}_k": None for pair in PAIRS}
    share = share_interval(int((result.predictions == result.targets).sum()), len(test))
    row |= {"accuracy": share.value, "accuracy_low": share.low, "accuracy_high": share.high}
    row |= silhouette("silhouette_xa", spaces.xa[test], labels)
    row |= silhouette("silhouette_Ea", spaces.Ea[test], labels)
    means = {
        "xa": class_centroids(spaces.xa[test], labels)[1],
        "Ea": class_centroids(spaces.Ea[test], labels)[1],
        "xt": spaces.xt[tested],
        "Et": spaces.Et[tested],
    }
    for pair in PAIRS:
        row |= overlap(pair, *(means[space] for space in pair.split("_")))
    return row


def overlap(pair: str, X: np.ndarray, Y: np.ndarray) -> dict[str, Any]:
    """Return the topological similarity of two spaces of class means as columns of ``models.parquet``."""
    curve = neighborhood_overlap(X, Y)
    similarity = topological_similarity(curve)
    return {
        f"overlap_{pair}": similarity.adjusted,
        f"overlap_{pair}_k": similarity.adjusted_k,
        f"overlap_{pair}_plain": similarity.value,
        f"overlap_{pair}_literal": literal_topological_similarity(curve).value,
    }


def silhouette(name: str, X: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return the mean cosine silhouette and its interval as columns; NaN where they are not defined.

    Clips of a class are not independent, so whole classes are drawn for the interval
    (`core.statistics.bootstrap_interval`); of fewer than `FEWEST_CLASSES` there is none.
    """
    from core.separability import silhouette_samples

    values = dict.fromkeys((name, f"{name}_low", f"{name}_high"), float("nan"))
    classes, counts = np.unique(labels, return_counts=True)
    if not np.isfinite(X).all() or not (counts > 1).any():
        return values
    samples = silhouette_samples(X, labels)
    values[name] = float(samples.mean())
    if len(classes) >= FEWEST_CLASSES:
        interval = bootstrap_interval(samples, groups=labels)
        values |= {f"{name}_low": interval.low, f"{name}_high": interval.high}
    return values


def correlations(models: pd.DataFrame, predictors: Sequence[str] = PREDICTORS) -> list[dict[str, Any]]:
    """Correlate accuracy and its logarithm with what may predict it: the rows of ``correlations.parquet``."""
    known = models[models["failed"] == ""]
    rows = []
    for x in predictors:
        for y in ("accuracy", "log_accuracy"):
            pairs = known[[x, "accuracy"]].dropna()
            if y == "log_accuracy":
                pairs = pairs[pairs["accuracy"] > 0]
            values = np.log(pairs["accuracy"]) if y == "log_accuracy" else pairs["accuracy"]
            row: dict[str, Any] = dict.fromkeys(("r", "p", "low", "high"), np.nan)
            if len(pairs) > 2:
                c = pearson(pairs[x], values)
                row = {"r": c.r, "p": c.p, "low": c.low, "high": c.high}
            rows.append({"x": x, "y": y, **row, "n": len(pairs)})
    return rows


def map_points(X: np.ndarray, seed: int) -> tuple[np.ndarray, str]:
    """Return a map of points, (n, 2) float32, and its method: NaN and "none" if not all are finite."""
    if not np.isfinite(X).all():
        return np.full((len(X), 2), np.nan, dtype=np.float32), "none"
    method = "tsne" if len(X) >= FEWEST else "pca"
    return project(X, method, seed=seed).astype(np.float32), method


def class_rows(results: Sequence[ZeroShotResult | None], tested: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows of ``classes.parquet``."""
    return [
        {
            "model": model,
            "label": label,
            "accuracy": float(result.by_class[c]),
            "n_clips": int(result.confusion[c].sum()),
        }
        for model, result in enumerate(results)
        if result is not None
        for c, label in enumerate(tested)
    ]


def prediction_columns(
    results: Sequence[ZeroShotResult | None], tested: Sequence[str], clip_ids: np.ndarray
) -> dict[str, list[Any]]:
    """Return the columns of ``predictions.parquet``; `clip_ids` are those of the test clips."""
    names, each = np.array(tested, dtype=object), np.arange(len(clip_ids))
    columns: dict[str, list[Any]] = {
        name: [] for name in ("model", "clip_id", "label", "predicted", "score", "own_score")
    }
    for model, result in enumerate(results):
        if result is not None:
            columns["model"] += [model] * len(clip_ids)
            columns["clip_id"] += clip_ids.tolist()
            columns["label"] += names[result.targets].tolist()
            columns["predicted"] += names[result.predictions].tolist()
            columns["score"] += result.scores[each, result.predictions].tolist()
            columns["own_score"] += result.own_scores.tolist()
    return columns
