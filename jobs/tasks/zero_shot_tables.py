"""The tables of a grid of zero-shot models: what was trained, on which classes, and what it predicted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from core.splits import each_split, mean_pairwise_similarity, train_test_similarity
from core.statistics import share_interval

if TYPE_CHECKING:
    import pyarrow as pa

    from core.zeroshot import ZeroShotModel
    from jobs.tasks.zero_shot_grid import Space

_PREDICTIONS = ("model", "test_set", "clip_id", "label", "predicted", "score", "own_score", "scores")


def models_table(
    setup: str, models: Sequence[ZeroShotModel], space: Space, given: Sequence[int] | None
) -> pd.DataFrame:
    """Return ``models`` of the result, a row a model and test set.

    Parameters
    ----------
    setup : str
    models : sequence of ZeroShotModel
    space : Space
    given : sequence of int or None
        The number of the given split of each model, if splits were given; their own `info` is then ignored,
        since it may hold anything.
    """
    rows: list[dict[str, Any]] = []
    names, similarity = space.names, space.similarity
    cluster_of = dict(zip(names, space.clusters.tolist(), strict=True))
    for number, model in enumerate(models):
        info = model.split.info if given is None else {}
        cluster, seed = info.get("cluster"), model.seed
        near = sum(cluster_of[c] == cluster for c in model.split.train)
        spread = mean_pairwise_similarity(model.split.train, names, similarity)
        for i, split in enumerate(each_split(model.split)):
            tested = model.tests[i] if model.tests else None
            hits = 0 if tested is None else int((tested.predictions == tested.targets).sum())
            # A failed model has judged no clip, which makes the share and its ends NaN.
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
                    "validation_accuracy": _validation_accuracy(model, i),
                    "best_epoch": model.best_epoch,
                    "train_test_similarity": train_test_similarity(split, names, similarity),
                    "mean_similarity": spread,
                    "failed": model.failed,
                }
            )
    numbers = dict.fromkeys(("ratio", "asked_ratio", "low", "high"), "Float64")
    return pd.DataFrame(rows).astype({"cluster": "Int64", "split": "Int64", **numbers})


def _validation_accuracy(model: ZeroShotModel, i: int) -> float:
    """Return the accuracy on a validation set; NaN for a single class, which is always right, or no model."""
    if not model.validation or len(model.validation[i].classes) < 2:
        return float("nan")
    return model.validation[i].accuracy


def classes_table(models: Sequence[ZeroShotModel], names: pd.DataFrame) -> pd.DataFrame:
    """Return ``classes`` of the result: the part of every class in every split; `names` has ``n_clips``."""
    n_clips = dict(zip(names["label"], names["n_clips"], strict=True))
    rows: list[tuple[int, int, str, str, float, int]] = []
    for number, model in enumerate(models):
        for i, split in enumerate(each_split(model.split)):
            accuracy = model.tests[i].by_class if model.tests else np.full(len(split.test), np.nan)
            right = dict(zip(split.test, accuracy.tolist(), strict=True))
            rows += [
                (number, i, label, part, right.get(label, np.nan), int(n_clips[label]))
                for part in ("train", "validation", "test")
                for label in getattr(split, part)
            ]
    return pd.DataFrame(rows, columns=["model", "test_set", "label", "part", "accuracy", "n_clips"])


def predictions_table(models: Sequence[ZeroShotModel], clip_ids: np.ndarray) -> pa.Table | dict[str, Any]:
    """Return ``predictions`` of the result: every test clip of every model; `clip_ids` has an id a row."""
    import pyarrow as pa

    batches = []
    for number, model in enumerate(models):
        for i, tested in enumerate(model.tests):
            n = len(tested.rows)
            each, names = np.arange(n), np.array(tested.classes, dtype=object)
            columns = {
                "model": np.full(n, number),
                "test_set": np.full(n, i),
                "clip_id": clip_ids[tested.rows],
                "label": names[tested.targets],
                "predicted": names[tested.predictions],
                "score": tested.scores[each, tested.predictions],
                "own_score": tested.scores[each, tested.targets],
                "scores": list(tested.scores),
            }
            batches.append(pa.record_batch(columns))
    return pa.Table.from_batches(batches) if batches else {name: [] for name in _PREDICTIONS}
