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
from core.statistics import pearson, share_interval
from core.zeroshot import ZeroShotResult

#: Pairs of spaces whose topological similarity is measured; a, b: the columns are ``overlap_a_b``.
PAIRS = (("xa", "Ea"), ("xt", "Et"), ("Ea", "Et"))
#: What accuracy is set against.
PREDICTORS = ("silhouette_Ea", "silhouette_xa", "overlap_Ea_Et")
#: Fewer points than this are laid out by principal components: t-SNE's neighbourhoods would be all of them.
FEWEST = 12


@dataclass(frozen=True)
class Embedded:
    """The four spaces of a model.

    Attributes
    ----------
    xa, Ea : (n, d_a) and (n, D) float32 arrays
        Of all clips; NaN for those that have no sound.
    xt, Et : (C, d_t) and (C, D) float32 arrays
        Of all classes.
    """

    xa: np.ndarray
    Ea: np.ndarray
    xt: np.ndarray
    Et: np.ndarray


def of_model(
    embedded: Embedded,
    test: np.ndarray,
    told: np.ndarray,
    labels: np.ndarray,
    result: ZeroShotResult,
) -> dict[str, Any]:
    """Return the measures of a model as columns of ``models.parquet``."""
    hits = int((result.predictions == result.targets).sum())
    share = share_interval(hits, len(test))
    row: dict[str, Any] = {
        "accuracy": share.value,
        "accuracy_low": share.low,
        "accuracy_high": share.high,
        "n_test": len(test),
        "chance": 1 / len(told),
        "silhouette_xa": silhouette(embedded.xa[test], labels),
        "silhouette_Ea": silhouette(embedded.Ea[test], labels),
    }
    means = {
        "xa": class_centroids(embedded.xa[test], labels)[1],
        "Ea": class_centroids(embedded.Ea[test], labels)[1],
        "xt": embedded.xt[told],
        "Et": embedded.Et[told],
    }
    for a, b in PAIRS:
        curve = neighborhood_overlap(means[a], means[b])
        found = topological_similarity(curve)
        row |= {
            f"overlap_{a}_{b}": found.adjusted,
            f"overlap_{a}_{b}_k": found.adjusted_k,
            f"overlap_{a}_{b}_plain": found.value,
            f"overlap_{a}_{b}_literal": literal_topological_similarity(curve).value,
        }
    return row


def unknown_model(n_test: int, n_classes: int) -> dict[str, Any]:
    """Return what `of_model` does, of a model that failed."""
    names = ["accuracy", "accuracy_low", "accuracy_high", "silhouette_xa", "silhouette_Ea"]
    names += [f"overlap_{a}_{b}{end}" for a, b in PAIRS for end in ("", "_k", "_plain", "_literal")]
    return dict.fromkeys(names, np.nan) | {"n_test": n_test, "chance": 1 / n_classes}


def silhouette(X: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean cosine silhouette; NaN where no class has two clips, or there is no space."""
    from core.separability import silhouette_score

    if not np.isfinite(X).all():
        return float("nan")
    _, counts = np.unique(labels, return_counts=True)
    return float(silhouette_score(X, labels)) if (counts > 1).any() else float("nan")


def correlations(models: pd.DataFrame, predictors: Sequence[str] = PREDICTORS) -> pd.DataFrame:
    """Set accuracy, and its logarithm, against what may predict it: ``correlations.parquet``."""
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
                found = pearson(pairs[x], values)
                row = {"r": found.r, "p": found.p, "low": found.low, "high": found.high}
            rows.append({"x": x, "y": y, **row, "n": len(pairs)})
    return pd.DataFrame(rows)


def lay_out(X: np.ndarray, seed: int) -> tuple[np.ndarray, str]:
    """Return a map of points, (n, 2) float32, and how it was made: NaN and "none" if not all are finite."""
    if not np.isfinite(X).all():
        return np.full((len(X), 2), np.nan, dtype=np.float32), "none"
    method = "tsne" if len(X) >= FEWEST else "pca"
    return project(X, method, seed=seed).astype(np.float32), method


def class_rows(results: Sequence[ZeroShotResult | None], tested: Sequence[str]) -> pd.DataFrame:
    """Return ``classes.parquet``."""
    rows = [
        (model, label, float(result.by_class[c]), int(result.confusion[c].sum()))
        for model, result in enumerate(results)
        if result is not None
        for c, label in enumerate(tested)
    ]
    return pd.DataFrame(rows, columns=["model", "label", "accuracy", "n_clips"])


def prediction_rows(
    results: Sequence[ZeroShotResult | None], tested: Sequence[str], clip_ids: np.ndarray
) -> pd.DataFrame:
    """Return ``predictions.parquet``; `clip_ids` are those of the test clips."""
    names, parts = np.array(tested, dtype=object), []
    for model, result in enumerate(results):
        if result is not None:
            each = np.arange(len(clip_ids))
            parts.append(
                pd.DataFrame(
                    {
                        "model": model,
                        "clip_id": clip_ids,
                        "label": names[result.targets],
                        "predicted": names[result.predictions],
                        "score": result.scores[each, result.predictions],
                        "own_score": result.own_scores,
                    }
                )
            )
    columns = ["model", "clip_id", "label", "predicted", "score", "own_score"]
    found = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
    texts = dict.fromkeys(("clip_id", "label", "predicted"), "str")
    return found.astype({"model": "int64", **texts, "score": "float64", "own_score": "float64"})
