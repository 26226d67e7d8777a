"""Zero-shot audio classifiers: audio and class texts projected into one space and compared by angle.

f_a(x) = W₂ᵀ tanh(W₁ᵀ x + b₁) + b₂ and f_t(c) = Wᵀ c + b are learned from the training classes; a clip of
an unseen class goes to the test class whose projected text is nearest by cosine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import ArrayLike

from core.checks import matrix, unit_rows
from core.splits import ClassSplit, ClassSplitSet, split_to_json
from core.training.draws import standardisation
from core.training.engine import Plan, Progress, Session, train
from core.training.results import Checkpoint, TrainingResult, fingerprint
from core.training.threads import default_device, fixed_threads
from core.zeroshot.batch import Batch
from core.zeroshot.data import Collection, Part, Task, mean_accuracy
from core.zeroshot.recipe import Recipe
from core.zeroshot.start import Start
from core.zeroshot.two_towers import ZeroShotResult

__all__ = ["CURVES", "Checkpoint", "Progress", "Recipe", "Tested", "ZeroShotModel", "predict", "train_many"]

_MODELS = 6  # trained as one on a CPU: more do not fit its cache, fewer cost more in calls
_GPU_SHARE = 0.5  # of the free memory

#: The curves of a model, in this order where they are stacked.
CURVES = ("loss", "train_accuracy", "validation_accuracy")


@dataclass(frozen=True)
class Tested(ZeroShotResult):
    """Predictions among some classes, none of which the model was trained on.

    `scores` are float64 cosines of the clips' projections with those of the classes' texts.

    Attributes
    ----------
    rows : (n,) int64 array
        The clips.
    """

    rows: np.ndarray


@dataclass(frozen=True)
class ZeroShotModel:
    """A trained model and its predictions on held-out classes.

    Attributes
    ----------
    split : ClassSplit or ClassSplitSet
    seed : int
    tests, validation : tuple of Tested
        One for each test set and validation set of the split; empty if the training failed.
    curves : dict of (epochs,) float32 arrays
        ``loss`` and ``train_accuracy``, both as met while the epoch went on (each batch before its step), and
        ``validation_accuracy`` after it, the mean over the validation sets; NaN where these have one class
        each, which is always right. NaN after the model stopped.
    weights : dict of float32 arrays
        ``audio_1_weight`` (d_a, hidden), ``audio_2_weight`` (hidden, shared), ``text_weight`` (d_t, shared),
        a ``_bias`` for each, and with `Recipe.standardise` ``audio_mean`` and ``audio_scale`` (d_a,).
    best_epoch : int
        The epoch, from 1, that the weights are of.
    failed : str
        Why the training failed, with epoch and seed; "" if it did not.
    """

    split: ClassSplit | ClassSplitSet
    seed: int
    tests: tuple[Tested, ...]
    validation: tuple[Tested, ...]
    curves: dict[str, np.ndarray]
    weights: dict[str, np.ndarray]
    best_epoch: int
    failed: str = ""

    @property
    def validation_accuracy(self) -> float:
        """Mean accuracy over the validation sets of several classes; NaN without one, or without a model."""
        return mean_accuracy([(v.accuracy, len(v.classes)) for v in self.validation])


def train_many(
    splits: Sequence[ClassSplit | ClassSplitSet],
    audio: ArrayLike,
    labels: ArrayLike,
    text: ArrayLike,
    classes: Sequence[str],
    *,
    seeds: Sequence[int],
    recipe: Recipe | None = None,
    device: str | None = None,
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
) -> list[ZeroShotModel]:
    """Train a model for each split, several in one batched computation, and judge it on its test classes.

    Parameters
    ----------
    splits : sequence of ClassSplit or ClassSplitSet
    audio : (n, d_a) array_like
        Embeddings of clips, in the scale they are to be trained in; used in float32.
    labels : (n,) array_like of str
        The class of each clip; clips of classes that a split does not name play no part in it.
    text : (C, d_t) array_like
        Embeddings of the texts of classes.
    classes : (C,) sequence of str
        Whose texts they are.
    seeds : sequence of int
        One for each split, from 0: what weights begin with and the order of the clips in every epoch.
    recipe : Recipe, optional
    device : str, optional
        A GPU if torch finds one, else ``"cpu"``.
    progress : callable, optional
        Called with the epochs done and to do, of all models together.
    checkpoint : Checkpoint, optional
        What to resume from, and to save to: every 20 seconds, and when models have ended. Checkpoints of
        other splits, data, seeds or recipes are ignored.

    Returns
    -------
    list of ZeroShotModel
        In the order of `splits`. The weights equal those of a plain loop to 1e-4 after an epoch (they differ
        by rounding alone), and do not depend on what else is trained beside, on the number of threads or on
        interruptions, to 1e-6. A model whose loss is no longer a number is marked as failed; others go on.

    Raises
    ------
    ValueError
        For arrays that do not fit, seeds that are not one a split, values that are not finite, a class
        without clips or without text, or `Recipe.patience` where the only validation set has one class.

    Notes
    -----
    Linear layers begin uniformly within ±1/√(inputs). See `core.zeroshot.start` for what is learned in the
    place of the text projection.

    References
    ----------
    D. Dogan, H. Xie, T. Heittola, T. Virtanen, "On the role of training class distribution in zero-shot audio
    classification", sections 2 and 4.2.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> labels = np.repeat(list("abcdefg"), 20)
    >>> text = random.standard_normal((7, 8))
    >>> audio = np.repeat(text, 20, axis=0) + 0.1 * random.standard_normal((140, 8))
    >>> split = ClassSplit(("a", "b", "c", "d"), ("e",), ("f", "g"))
    >>> recipe = Recipe(epochs=30, learning_rate=0.1)
    >>> model, again = train_many([split, split], audio, labels, text, "abcdefg", seeds=[0, 1], recipe=recipe)
    >>> model.tests[0].accuracy > 0.9
    True
    """
    recipe = recipe or Recipe()
    device = device or default_device()
    collection, tasks = _prepared(splits, audio, labels, text, classes, seeds, recipe)
    order = sorted(range(len(tasks)), key=lambda i: -len(tasks[i].train.rows))
    size = _batch_size(collection, tasks, recipe, device)
    plans = [
        Plan(
            f"models-{models[0]:05d}-{len(models)}",
            tuple(models),
            partial(Batch, collection, models, [tasks[i] for i in models], recipe, device),
        )
        for models in (order[start : start + size] for start in range(0, len(order), size))
    ]
    what = fingerprint(
        *(recipe, collection.audio, collection.text),
        *(part for t in tasks for part in (split_to_json(t.split, compact=True), t.seed)),
        *(a for t in tasks for p in (t.train, *t.validations) for a in (p.rows, p.targets, p.texts)),
    )
    work = [np.arange(recipe.epochs + 1)] * len(tasks)
    results = train(plans, work, what, Session(device, progress, checkpoint=checkpoint))
    with fixed_threads():
        return [_finished(task, collection, recipe, r) for task, r in zip(tasks, results, strict=True)]


def predict(
    model: ZeroShotModel | Mapping[str, np.ndarray], audio: ArrayLike, text: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """Return the class and the scores of clips among classes, seen in training or not.

    Parameters
    ----------
    model : ZeroShotModel or its weights
    audio : (n, d_a) array_like
    text : (C, d_t) array_like

    Returns
    -------
    predictions : (n,) int64 array
        The class with the highest score, of equal ones the first.
    scores : (n, C) float64 array
        Cosines in [-1, 1], rounded to 12 decimals; a projection of length 0 has the cosine 0.
    """
    weights = {
        k: v.astype(np.float64)
        for k, v in (model.weights if isinstance(model, ZeroShotModel) else model).items()
    }
    x = matrix(audio, "audio").astype(np.float64)
    c = matrix(text, "text").astype(np.float64)
    for name, given, key in (("audio", x, "audio_1_weight"), ("text", c, "text_weight")):
        if given.shape[1] != len(weights[key]):
            raise ValueError(
                f"{name} has {given.shape[1]} dimensions; the model was trained on {len(weights[key])}."
            )
    if "audio_mean" in weights:
        x = (x - weights["audio_mean"]) / weights["audio_scale"]
    hidden = np.tanh(x @ weights["audio_1_weight"] + weights["audio_1_bias"])
    a = unit_rows(hidden @ weights["audio_2_weight"] + weights["audio_2_bias"])
    t = unit_rows(c @ weights["text_weight"] + weights["text_bias"])
    scores = np.round(a @ t.T, 12)
    return scores.argmax(axis=1), scores


def _prepared(
    splits: Sequence[ClassSplit | ClassSplitSet],
    audio: ArrayLike,
    labels: ArrayLike,
    text: ArrayLike,
    classes: Sequence[str],
    seeds: Sequence[int],
    recipe: Recipe,
) -> tuple[Collection, list[Task]]:
    if len(splits) != len(seeds):
        raise ValueError(f"There are {len(splits)} splits and {len(seeds)} seeds; each split needs one.")
    collection = Collection(audio, labels, text, classes)
    tasks = [collection.task(split, seed) for split, seed in zip(splits, seeds, strict=True)]
    for task in tasks:
        if recipe.patience is not None and max(len(v.classes) for v in task.validations) < 2:
            raise ValueError(
                "A validation set of one class is always right, which tells no epoch from another; give it "
                "two classes, or no patience."
            )
    return collection, tasks


def _judged(weights: Mapping[str, np.ndarray], collection: Collection, part: Part) -> Tested:
    predictions, scores = predict(weights, collection.audio[part.rows], collection.text[part.texts])
    return Tested(part.classes, part.targets, predictions, scores, part.rows)


def _finished(task: Task, collection: Collection, recipe: Recipe, result: TrainingResult) -> ZeroShotModel:
    weights = {}
    if not result.failed:
        start = Start(collection, task, recipe.hidden, recipe.shared, len(result.weights["text_steps"]))
        weights = start.finish(result.weights)
        if recipe.standardise:
            fitted = standardisation(collection.audio[task.train.rows])
            weights |= dict(zip(("audio_mean", "audio_scale"), fitted, strict=True))
    return _judge(task, collection, replace(result, weights=weights))


def _judge(task: Task, collection: Collection, result: TrainingResult) -> ZeroShotModel:
    """Return a model with its predictions by its weights."""
    curves, why = dict(zip(CURVES, result.curves, strict=True)), result.failed
    if not all(np.isfinite(w).all() for w in result.weights.values()):
        # The loss was a number before the last step, not after it.
        why = f"The loss was no longer a number in epoch {result.best_epoch} (seed {task.seed})."
    if why:
        return ZeroShotModel(task.split, task.seed, (), (), curves, {}, 0, why)
    tests, validation = (
        tuple(_judged(result.weights, collection, part) for part in parts)
        for parts in (task.tests, task.validations)
    )
    return ZeroShotModel(task.split, task.seed, tests, validation, curves, result.weights, result.best_epoch)


def _batch_size(collection: Collection, tasks: Sequence[Task], recipe: Recipe, device: str) -> int:
    """Return how many models are trained as one, whatever the number of threads: results depend on it."""
    if device == "cpu":
        return max(1, min(_MODELS, -(-len(tasks) // 2)))
    train = max(len(t.train.rows) for t in tasks)
    held = max(sum(len(v.rows) for v in t.validations) for t in tasks)
    classes = max(len(t.train.classes) + sum(len(v.classes) for v in t.validations) for t in tasks)
    inputs = collection.audio.shape[1]
    weights = (inputs + recipe.shared) * recipe.hidden + classes * recipe.shared
    values = recipe.batch_size * (inputs + 2 * recipe.hidden + 3 * recipe.shared + 8 * classes)
    of_tries = len(tasks[0].train.classes) if recipe.sampled else 0
    each = 4 * (4 * weights + 2 * values + held * (classes + 2)) + 8 * train * (3 + of_tries)
    free, _ = torch.cuda.mem_get_info(device)
    return max(1, min(len(tasks), int(_GPU_SHARE * free / each)))
