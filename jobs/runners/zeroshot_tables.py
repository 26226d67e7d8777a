"""The tables of a grid of zero-shot models: what was trained, on which classes, and what it predicted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from core.splits import ClassSplit, mean_pairwise_similarity, train_test_similarity
from core.statistics import share_interval

if TYPE_CHECKING:
    from core.zeroshot import Tested, ZeroShotModel

_PREDICTIONS = pa.schema(
    [
        ("model", pa.int64()),
        ("test_set", pa.int64()),
        ("clip_id", pa.string()),
        ("label", pa.string()),
        ("predicted", pa.string()),
        ("score", pa.float64()),
        ("own_score", pa.float64()),
        ("scores", pa.list_(pa.float64())),
    ]
)


def models_table(
    setup: str,
    models: Sequence[ZeroShotModel],
    names: Sequence[str],
    similarity: np.ndarray,
    clusters: np.ndarray,
    given: Sequence[int] | None,
) -> pd.DataFrame:
    """Return ``models.parquet`` of `ZeroShotGrid`, a row a model and test set.

    Parameters
    ----------
    setup : str
    models : sequence of ZeroShotModel
    names : sequence of str
        The classes.
    similarity : (C, C) float64 array
        Theirs.
    clusters : (C,) int64 array
        Theirs.
    given : sequence of int or None
        Which of the given splits each model is of, if splits were given; what those say of themselves may be
        anything and is left out.
    """
    rows: list[dict[str, Any]] = []
    cluster_of = dict(zip(names, clusters.tolist(), strict=True))
    for number, model in enumerate(models):
        info = model.split.info if given is None else {}
        cluster, seed = info.get("cluster"), model.seed
        near = sum(cluster_of[c] == cluster for c in model.split.train)
        spread = mean_pairwise_similarity(model.split.train, names, similarity)
        for i, split in enumerate(_one_by_one(model)):
            tested = model.tests[i] if model.tests else None
            hits = 0 if tested is None else int((tested.predictions == tested.targets).sum())
            # No clip was judged where the training failed, which makes the share and its ends NaN.
            share = share_interval(hits, 0 if tested is None else len(tested.rows))
            rows.append(
                {
                    "model": number,
                    "test_set": i,
                    "setup": setup,
                    "cluster": cluster,
                    "ratio": None if cluster is None else near / len(model.split.train),
                    "asked_ratio": info.get("ratio"),
                    "low": info.get("low"),
                    "high": info.get("high"),
                    "split": None if given is None else given[number],
                    "seed": seed,
                    "block": f"seed {seed}" if cluster is None else f"cluster {cluster}, seed {seed}",
                    "accuracy": share.value,
                    "accuracy_low": share.low,
                    "accuracy_high": share.high,
                    "n_test": share.n,
                    "chance": 1 / len(split.test),
                    "validation_accuracy": _validated(model, i),
                    "best_epoch": model.best_epoch,
                    "train_test_similarity": train_test_similarity(split, names, similarity),
                    "mean_similarity": spread,
                    "failed": model.failed,
                }
            )
    numbers = dict.fromkeys(("ratio", "asked_ratio", "low", "high"), "Float64")
    return pd.DataFrame(rows).astype({"cluster": "Int64", "split": "Int64", **numbers})


def _validated(model: ZeroShotModel, i: int) -> float:
    """Accuracy on a validation set: none of a single class, which is always right, or without a model."""
    if not model.validation or len(model.validation[i].classes) < 2:
        return float("nan")
    return model.validation[i].accuracy


def classes_table(models: Sequence[ZeroShotModel], classes: pd.DataFrame) -> pd.DataFrame:
    """Return ``classes.parquet``: the part of every class in every split; `classes` has their ``n_clips``."""
    n_clips = dict(zip(classes["label"], classes["n_clips"], strict=True))
    rows: list[tuple[int, int, str, str, float, int]] = []
    for number, model in enumerate(models):
        for i, split in enumerate(_one_by_one(model)):
            right = model.tests[i].by_class if model.tests else np.full(len(split.test), np.nan)
            for part in ("train", "validation", "test"):
                for c, label in enumerate(getattr(split, part)):
                    accuracy = float(right[c]) if part == "test" else np.nan
                    rows.append((number, i, label, part, accuracy, int(n_clips[label])))
    return pd.DataFrame(rows, columns=["model", "test_set", "label", "part", "accuracy", "n_clips"])


def predictions_table(models: Sequence[ZeroShotModel], clip_ids: np.ndarray) -> pa.Table:
    """Return ``predictions.parquet``: every test clip of every model; `clip_ids` are those of the rows."""
    parts = [
        _predicted(tested, clip_ids, number, i)
        for number, model in enumerate(models)
        for i, tested in enumerate(model.tests)
    ]
    return pa.Table.from_batches(parts, _PREDICTIONS)


def _predicted(tested: Tested, clip_ids: np.ndarray, model: int, test_set: int) -> pa.RecordBatch:
    n = len(tested.rows)
    each, names = np.arange(n), np.array(tested.classes, dtype=object)
    columns = [
        np.full(n, model),
        np.full(n, test_set),
        clip_ids[tested.rows],
        names[tested.targets],
        names[tested.predictions],
        tested.scores[each, tested.predictions],
        tested.scores[each, tested.targets],
        list(tested.scores),
    ]
    arrays = [pa.array(values, field.type) for values, field in zip(columns, _PREDICTIONS, strict=True)]
    return pa.record_batch(arrays, schema=_PREDICTIONS)


def _one_by_one(model: ZeroShotModel) -> tuple[ClassSplit, ...]:
    return (model.split,) if isinstance(model.split, ClassSplit) else model.split.splits()
