"""Classifier heads on a frozen space: what a loss makes of it.

A head projects the space to embeddings, linearly or through one hidden layer, and classifies these linearly.
For every recipe, seed and fold one is trained on the other folds and judged on its own; all that have one
shape are trained as batches, each as if it were alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Unpack

import numpy as np
from numpy.typing import ArrayLike

from core.checks import matrix
from core.heads.batch import Batch
from core.heads.data import Clips
from core.heads.grid import Options, Task, make_grid
from core.heads.recipe import CURVES, HeadRecipe, HeadRun
from core.training.engine import Plan, train
from core.training.results import TrainingResult, fingerprint

_MODELS = 10  # trained as one on a CPU: more do not fit its cache, fewer cost more in calls
_GPU_ELEMENTS = 2**28  # values of weights trained as one on a GPU


def train_heads(
    X: ArrayLike,
    labels: ArrayLike,
    folds: ArrayLike,
    *,
    recipes: Sequence[HeadRecipe],
    **options: Unpack[Options],
) -> list[HeadRun]:
    """Train a head for every recipe, seed and fold, several as one batched computation, and judge it.

    Parameters
    ----------
    X : (n, d) array_like
        The frozen space; used in float32.
    labels : (n,) array_like
        One class a clip.
    folds : (n,) array_like
        Each is held out once; see `draw_folds` for clips without folds.
    recipes : sequence of HeadRecipe
    **options
        See `core.heads.Options`.

    Returns
    -------
    list of HeadRun
        Recipe after recipe, seed after seed, fold after fold. Weights equal those of a plain loop to 1e-4
        after an epoch (they differ by rounding alone), and do not depend on what else is trained beside, on
        the number of threads or on interruptions, to 1e-6. A model whose loss is no longer a number is
        marked as failed; others go on.

    Raises
    ------
    ValueError
        For arrays that do not fit, values that are not finite, fewer than two classes or folds, no or equal
        recipes, seeds that cannot be, or unknown folds, rows or epochs.

    Examples
    --------
    >>> X = np.array([[1.0, 0.1], [0.9, 0.0], [0.1, 1.0], [0.0, 0.8]])
    >>> runs = train_heads(
    ...     X, ["dog", "dog", "rain", "rain"], [1, 2, 1, 2],
    ...     recipes=[HeadRecipe(dim=2, epochs=5, learning_rate=0.1)], seeds=[0],
    ... )
    >>> [(run.fold, run.accuracy) for run in runs]
    [(1, 1.0), (2, 1.0)]
    """
    clips = Clips(X, labels, folds)
    grid = make_grid(recipes, clips.folds, len(clips.X), options)
    tasks, device = grid.tasks, grid.session.device
    plans = [
        Plan(
            f"heads-{models[0]:05d}-{len(models)}",
            tuple(models),
            partial(Batch, clips, models, [tasks[i] for i in models], grid.epochs, grid.rows, device),
        )
        for models in _batches(clips, tasks, device)
    ]
    what = fingerprint(
        *(clips.X, clips.codes, grid.epochs, grid.rows, *(fold.test for fold in clips.folds)),
        *((t.recipe, t.seed, t.fold.name, t.kept) for t in tasks),
    )
    work = [np.arange(t.recipe.epochs + 1) for t in tasks]
    results = train(plans, work, what, grid.session)
    return [_judged(clips, task, result) for task, result in zip(tasks, results, strict=True)]


def embed(run: HeadRun | Mapping[str, np.ndarray], X: ArrayLike) -> np.ndarray:
    """Project clips, of the training or new ones, as a head does.

    Parameters
    ----------
    run : HeadRun or its weights
    X : (n, d) array_like
        In the space that the head was trained on.

    Returns
    -------
    (n, dim) float32 array
        Computed in float64. Not at unit length.

    Raises
    ------
    ValueError
        For another number of dimensions, a value that is not finite, or a model that failed.
    """
    weights = run.weights if isinstance(run, HeadRun) else run
    if not weights:
        raise ValueError("This head has failed in training; there is nothing to embed with.")
    return _projected(weights, matrix(X, "X")).astype(np.float32)


def _projected(weights: Mapping[str, np.ndarray], X: np.ndarray) -> np.ndarray:
    wide = {name: w.astype(np.float64) for name, w in weights.items()}
    inputs = len(wide["hidden_weight" if "hidden_weight" in wide else "embedding_weight"])
    if X.shape[1] != inputs:
        raise ValueError(f"X has {X.shape[1]} dimensions; the head was trained on {inputs}.")
    x = X.astype(np.float64)
    if "mean" in wide:
        x = (x - wide["mean"]) / wide["scale"]
    if "hidden_weight" in wide:
        x = np.maximum(x @ wide["hidden_weight"] + wide["hidden_bias"], 0)
    return x @ wide["embedding_weight"] + wide["embedding_bias"]


def _batches(clips: Clips, tasks: Sequence[Task], device: str) -> list[list[int]]:
    """Cut the tasks into batches, whatever the number of threads: results depend on it by rounding."""
    of_shape: dict[HeadRecipe, list[int]] = {}
    for i, task in enumerate(tasks):
        of_shape.setdefault(task.recipe.shape, []).append(i)
    batches = []
    for recipe, models in of_shape.items():
        # Those with as many clips side by side, so that no place is empty; then those with one loss.
        models.sort(key=lambda i: (-len(tasks[i].fold.train), tasks[i].recipe.loss, i))
        size = _MODELS
        if device != "cpu":
            each = clips.X.shape[1] * (recipe.hidden or recipe.dim) + recipe.hidden * recipe.dim
            size = max(1, _GPU_ELEMENTS // each)
        batches += [models[start : start + size] for start in range(0, len(models), size)]
    return batches


def _judged(clips: Clips, task: Task, result: TrainingResult) -> HeadRun:
    recipe, test, weights, kept = task.recipe, task.fold.test, result.weights, result.extra["kept"]
    curves = dict(zip(CURVES, result.curves, strict=True))
    about = (recipe, task.seed, task.fold.name, clips.classes, test, clips.codes[test])
    nothing = np.empty((0, recipe.dim), dtype=np.float32)
    if result.failed:
        return HeadRun(*about, np.empty(0, dtype=np.int64), curves, {}, nothing, kept, result.failed)
    z = _projected(weights, clips.X if task.kept else clips.X[test])
    tested = z[test] if task.kept else z
    # Rounded, so that of equal scores it is always the first class.
    scores = np.round(tested @ weights["class_weight"] + weights["class_bias"], 12)
    embeddings = z.astype(np.float32) if task.kept else nothing
    return HeadRun(*about, scores.argmax(axis=1), curves, weights, embeddings, kept)
