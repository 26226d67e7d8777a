"""Classifier heads on a frozen space: what a loss makes of it.

A head projects the space to embeddings, linearly or through one hidden layer, and classifies these linearly.
For every recipe, seed and fold one is trained on the other folds and judged on its own; all that have one
shape are trained as batches, each as if it were alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import ArrayLike

from core._arrays import matrix
from core._head_batch import Task, Trained
from core._head_data import Clips, Fold, check_seeds, draw_folds, held, initial_weights, mixtures
from core._head_grid import Watch, train_grid
from core._training import Checkpoint, Progress, epoch_order, standardisation
from core.losses import (
    VARIANTS,
    add_loss,
    add_loss_soft,
    cross_entropy,
    focal_loss,
    orthogonal_projection_loss,
)
from core.statistics import Difference, Interval, mean_interval, paired_difference

__all__ = [
    "CURVES",
    "FIGURE_5_WEIGHTS",
    "LOSSES",
    "Checkpoint",
    "HeadRecipe",
    "HeadRun",
    "HeadScore",
    "compare_heads",
    "draw_folds",
    "embed",
    "score_heads",
    "train_head",
    "train_heads",
]

#: The curves of a model, in this order where they are stacked.
CURVES = ("loss", "train_accuracy", "test_accuracy")

#: The losses, and how many weights each takes.
LOSSES = {"ce": 0, "focal": 0, "opl": 0, "add": 4, "add-soft": 2}

#: Weights of (μ_p, σ_p, μ_n, σ_n) of which figure 5 of the ADD paper shows what they do, (a) to (f).
FIGURE_5_WEIGHTS = (
    (1.0, 0.0, 0.0, 0.0),
    (0.0, 1.0, 0.0, 0.0),
    (0.0, 0.0, 1.0, 0.0),
    (0.0, 0.0, 0.0, 1.0),
    (1.0, 0.0, 1.0, 0.0),
    (1.0, 1.0, 1.0, 1.0),
)

_GAMMA = {"focal": 2.0, "opl": 0.5}


@dataclass(frozen=True)
class HeadRecipe:
    """How heads are trained; optimiser, batches, epochs and mixtures by default as the ADD paper has them.

    Attributes
    ----------
    loss : {"ce", "focal", "opl", "add", "add-soft"}
        Cross-entropy; focal loss in its place; or cross-entropy plus `loss_weight` times orthogonal
        projection, ADD, or ADD for soft labels (with hard ones as one-hot rows).
    weights : tuple of float
        Of the terms of ADD, (μ_p, σ_p, μ_n, σ_n), or of ADD for soft labels, (μ, σ_p); all 1 if not given.
    gamma : float
        Of focal loss, by default 2, or of orthogonal projection, by default 0.5.
    loss_weight : float
        Of what is added to cross-entropy.
    variant : {"paper", "released"}
        Of what is added; see `core.losses`.
    hidden : int
        Width of a hidden layer with ReLU before the embeddings; 0 for none.
    dim : int
        Width of the embeddings.
    epochs, batch_size : int
        The last batch of an epoch holds what is left.
    optimizer : {"adamw", "sgd"}
    learning_rate, weight_decay : float
    betas : two floats
        Of AdamW.
    momentum : float
        Of stochastic gradient descent.
    mixup : float
        Share of the training clips that are mixed with another one, drawn anew in every epoch. The labels are
        then soft, which focal loss, orthogonal projection and ADD for hard labels do not take.
    mixup_beta : float
        Shares of the two clips are drawn from Beta(b, b): the larger, the nearer to equal parts.
    standardise : bool
        Whether the space is brought to mean 0 and deviation 1 in each dimension, as fitted on the training
        clips, so that a learning rate means the same in every space.
    """

    loss: str = "add"
    weights: tuple[float, ...] = ()
    gamma: float = None  # type: ignore[assignment]  # its loss's own, once made
    loss_weight: float = 1.0
    variant: str = "paper"
    hidden: int = 0
    dim: int = 128
    epochs: int = 25
    batch_size: int = 32
    optimizer: str = "adamw"
    learning_rate: float = 7e-4
    weight_decay: float = 1e-2
    betas: tuple[float, float] = (0.9, 0.98)
    momentum: float = 0.9
    mixup: float = 0.0
    mixup_beta: float = 10.0
    standardise: bool = True

    def __post_init__(self) -> None:
        for name, allowed in (("loss", LOSSES), ("variant", VARIANTS), ("optimizer", ("adamw", "sgd"))):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}; it must be one of {', '.join(allowed)}."
                )
        for name, least in (("hidden", 0), ("dim", 1), ("epochs", 1), ("batch_size", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
                raise ValueError(f"{name} is {value!r}; it must be a whole number from {least}.")
        n = LOSSES[self.loss]
        weights = tuple(float(w) for w in self.weights) or (1.0,) * n
        if len(weights) != n:
            takes = f"{n} weights" if n else "no weights"
            raise ValueError(f"weights are {self.weights}; the loss {self.loss!r} takes {takes}.")
        gamma = _GAMMA.get(self.loss, 0.0) if self.gamma is None else float(self.gamma)
        for name, values in (
            ("weights", weights),
            ("gamma", (gamma,)),
            ("loss_weight", (self.loss_weight,)),
            ("weight_decay", (self.weight_decay,)),
        ):
            if not all(0 <= v < np.inf for v in values):
                raise ValueError(f"{name} is {getattr(self, name)}; there must be nothing below 0.")
        for name in ("learning_rate", "mixup_beta"):
            if not 0 < getattr(self, name) < np.inf:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be above 0.")
        if len(self.betas) != 2 or not all(0 <= v < 1 for v in (*self.betas, self.momentum)):
            raise ValueError(
                f"betas are {self.betas} and momentum is {self.momentum}; they must be two numbers and one, "
                "from 0 to below 1."
            )
        if not 0 <= self.mixup <= 1:
            raise ValueError(f"mixup is {self.mixup}; it is a share of the clips, from 0 to 1.")
        if self.mixup and self.loss not in ("ce", "add-soft"):
            raise ValueError(
                f"The loss {self.loss!r} does not take the soft labels that mixup makes; use ce or add-soft."
            )
        # What is equal in effect is to be equal.
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "gamma", gamma)
        object.__setattr__(self, "betas", tuple(float(b) for b in self.betas))

    @property
    def shape(self) -> HeadRecipe:
        """All but the loss: recipes that are equal in it are trained in the same batches."""
        return replace(self, loss="ce", weights=(), gamma=0.0, loss_weight=1.0, variant="paper")


@dataclass(frozen=True)
class HeadRun:
    """A trained head and how it fared on the fold that it was not trained on.

    Attributes
    ----------
    recipe : HeadRecipe
    seed : int
    fold : object
        Name of the fold that was held out.
    classes : (C,) array
        Sorted.
    rows : (n_test,) int64 array
        The clips of the fold.
    targets, predictions : (n_test,) int64 arrays
        Which of the classes each is of, and is taken for; the latter is empty if the training failed.
    curves : dict of (epochs,) float32 arrays
        ``loss`` and ``train_accuracy``, both as met while the epoch went on (each batch before its step; of a
        mixture, the class with the larger share counts), and ``test_accuracy`` after it. NaN from where the
        model failed.
    weights : dict of float32 arrays
        ``embedding_weight`` (d or hidden, dim), ``class_weight`` (dim, C), with a hidden layer
        ``hidden_weight`` (d, hidden), a ``_bias`` for each, and with `HeadRecipe.standardise` ``mean`` and
        ``scale`` (d,). Empty if the training failed.
    embeddings : (n, dim) float32 array
        Of all clips after training; (0, dim) if they were not to be kept.
    kept : (E, n_kept, dim) float32 array
        Of the kept clips at the kept epochs.
    failed : str
        Why there is no model, with epoch and seed; "" if there is.
    """

    recipe: HeadRecipe
    seed: int
    fold: object
    classes: np.ndarray
    rows: np.ndarray
    targets: np.ndarray
    predictions: np.ndarray
    curves: dict[str, np.ndarray]
    weights: dict[str, np.ndarray]
    embeddings: np.ndarray
    kept: np.ndarray
    failed: str = ""

    @property
    def accuracy(self) -> float:
        """Share of the fold's clips taken for their own class, in [0, 1]; NaN if the training failed."""
        return float("nan") if self.failed else float((self.predictions == self.targets).mean())


@dataclass(frozen=True)
class HeadScore:
    """Accuracy of a recipe.

    Attributes
    ----------
    recipe : HeadRecipe
    seeds : tuple of int
    by_seed : (S,) float64 array
        Share of the clips of all folds that were taken for their own class, each by the model that had not
        heard its fold; NaN for a seed of which a model failed.
    accuracy : Interval
        Mean over the seeds that did not fail, with Student's t.
    sd : float
        Their standard deviation (n - 1); NaN for fewer than two.
    n_failed : int
        Models that failed.
    """

    recipe: HeadRecipe
    seeds: tuple[int, ...]
    by_seed: np.ndarray
    accuracy: Interval
    sd: float
    n_failed: int


def train_heads(
    X: ArrayLike,
    labels: ArrayLike,
    folds: ArrayLike,
    *,
    recipes: Sequence[HeadRecipe],
    seeds: Sequence[int] = (0, 1, 2),
    held_out: Sequence[object] | None = None,
    keep_epochs: Sequence[int] = (),
    keep_rows: ArrayLike | None = None,
    keep_models: Callable[[int, object], bool] | None = None,
    device: str | None = None,
    progress: Progress | None = None,
    watch: Watch | None = None,
    checkpoint: Checkpoint | None = None,
) -> list[HeadRun]:
    """Train a head for every recipe, seed and fold, several as one batched computation, and judge it.

    Parameters
    ----------
    X : (n, d) array_like
        The frozen space; used in float32.
    labels : (n,) array_like
        One class a clip.
    folds : (n,) array_like
        Each is held out once; see `draw_folds` where there are none.
    recipes : sequence of HeadRecipe
    seeds : sequence of int, default (0, 1, 2)
        From 0: what weights begin with, the order of the clips in every epoch, and mixtures. They are the
        same for all folds and recipes of one shape.
    held_out : sequence, optional
        The names of the folds that are held out, one after the other, in the order of the folds; all of them
        if not given.
    keep_epochs : sequence of int
        After how many epochs embeddings are kept, ascending; 0 is before the first. Those beyond the epochs
        of a recipe are NaN.
    keep_rows : (n_kept,) array_like of int, optional
        Whose embeddings are kept then; those of all clips if not given.
    keep_models : callable, optional
        By seed and fold, whether embeddings are kept, at those epochs and of all clips after training; of all
        models if not given.
    device : str, optional
        A GPU if torch finds one, else ``"cpu"``.
    progress : callable, optional
        Called with the epochs done and to do, of all models together.
    watch : callable, optional
        Called after the epochs of a batch with the curves so far, (models, 3, epochs), in the order of the
        result and of `CURVES`; NaN where there is nothing yet.
    checkpoint : Checkpoint, optional
        Where to go on from, and to save to: every 20 seconds, and when models have ended. What is found
        there of other data, seeds or recipes is not used.

    Returns
    -------
    list of HeadRun
        Recipe after recipe, seed after seed, fold after fold. Weights equal those of `train_head` to 1e-4
        after an epoch (they differ by rounding alone), and do not depend on what else is trained beside, on
        the number of threads or on interruptions, to 1e-6. A model whose loss is no longer a number is
        marked as failed; others go on.

    Raises
    ------
    ValueError
        For arrays that do not fit, values that are not finite, fewer than two classes or folds, no or equal
        recipes, seeds that are none, or folds, rows or epochs that there are not.

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
    judged = held(clips.folds, held_out)
    numbers = check_seeds(seeds)
    if not recipes or len(set(recipes)) < len(recipes):
        raise ValueError(f"There are {len(recipes)} recipes; there must be one or more, each once.")
    rows, epochs = _to_keep(len(clips.X), keep_rows, keep_epochs)
    keep = keep_models or (lambda seed, fold: True)
    tasks = [Task(r, s, f, bool(keep(s, f.name))) for r in recipes for s in numbers for f in judged]
    trained = train_grid(
        clips,
        tasks,
        [r.shape for r in recipes for _ in numbers for _ in judged],
        keep_epochs=epochs,
        keep_rows=rows,
        device=device or _default_device(),
        progress=progress,
        watch=watch,
        checkpoint=checkpoint,
    )
    of_task = [(r, s, f) for r in recipes for s in numbers for f in judged]
    return [
        _judged(clips, *which, found, task.kept)
        for which, found, task in zip(of_task, trained, tasks, strict=True)
    ]


def train_head(
    X: ArrayLike,
    labels: ArrayLike,
    folds: ArrayLike,
    *,
    recipe: HeadRecipe,
    seed: int = 0,
    fold: object = None,
    keep_epochs: Sequence[int] = (),
    keep_rows: ArrayLike | None = None,
    device: str | None = None,
) -> HeadRun:
    """Train one head by a plain loop over batches: what `train_heads` gives, slowly and easy to follow.

    Parameters and result are those of `train_heads`; `fold` names the one to hold out, by default the first.
    """
    clips = Clips(X, labels, folds)
    (seed,) = check_seeds([seed])
    rows, epochs = _to_keep(len(clips.X), keep_rows, keep_epochs)
    held = next((f for f in clips.folds if fold is None or f.name == fold), None)
    if held is None:
        raise ValueError(
            f"There is no fold {fold!r}; there are {', '.join(str(f.name) for f in clips.folds)}."
        )
    found = _train_alone(clips, recipe, seed, held, epochs, rows, device or _default_device())
    return _judged(clips, recipe, seed, held, found, True)


def embed(run: HeadRun | Mapping[str, np.ndarray], X: ArrayLike) -> np.ndarray:
    """Project clips, known or not, as a head does.

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


def score_heads(runs: Iterable[HeadRun]) -> list[HeadScore]:
    """Mean accuracy over seeds of every recipe.

    Parameters
    ----------
    runs : iterable of HeadRun
        Of any recipes, seeds and folds.

    Returns
    -------
    list of HeadScore
        In the order in which the recipes appear.
    """
    of_recipe: dict[HeadRecipe, dict[int, list[HeadRun]]] = {}
    for run in runs:
        of_recipe.setdefault(run.recipe, {}).setdefault(run.seed, []).append(run)
    scores = []
    for recipe, of_seed in of_recipe.items():
        by_seed = np.array([_pooled(of_seed[s]) for s in of_seed])
        fine = by_seed[~np.isnan(by_seed)]
        sd = float(fine.std(ddof=1)) if len(fine) > 1 else float("nan")
        interval = mean_interval(fine, low=0, high=1)
        n_failed = sum(bool(run.failed) for found in of_seed.values() for run in found)
        scores.append(HeadScore(recipe, tuple(of_seed), by_seed, interval, sd, n_failed))
    return scores


def compare_heads(runs: Iterable[HeadRun], first: HeadRecipe, second: HeadRecipe) -> Difference:
    """Accuracy of one recipe less that of another, clip by clip.

    For every clip, the share of the seeds for which its class was found is compared; seeds that failed with
    either recipe count with neither.

    Parameters
    ----------
    runs : iterable of HeadRun
        With both recipes on the same clips.
    first, second : HeadRecipe

    Returns
    -------
    Difference
        Mean over the clips with the interval and p of the paired t test; NaN if no seed is left.

    Raises
    ------
    ValueError
        If the two were not tested on the same clips with the same seeds.
    """
    shares = []
    everything = list(runs)
    failed = {run.seed for run in everything if run.failed and run.recipe in (first, second)}
    for recipe in (first, second):
        right: dict[int, dict[int, bool]] = {}
        for run in everything:
            if run.recipe == recipe and run.seed not in failed:
                found = (run.predictions == run.targets).tolist()
                right.setdefault(run.seed, {}).update(zip(run.rows.tolist(), found, strict=True))
        shares.append(right)
    if {s: set(r) for s, r in shares[0].items()} != {s: set(r) for s, r in shares[1].items()}:
        raise ValueError(
            "The recipes were tested on different clips or with different seeds; compare those of one call."
        )
    clips = sorted({clip for right in shares[0].values() for clip in right})
    x, y = (
        [np.mean([right[clip] for right in found.values() if clip in right]) for clip in clips]
        for found in shares
    )
    return paired_difference(x, y)


def _default_device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _pooled(runs: Sequence[HeadRun]) -> float:
    if any(run.failed for run in runs):
        return float("nan")
    return sum(int((r.predictions == r.targets).sum()) for r in runs) / sum(len(r.rows) for r in runs)


def _to_keep(n: int, rows: ArrayLike | None, epochs: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    chosen = np.arange(n) if rows is None else np.asarray(rows)
    if chosen.ndim != 1 or (chosen.size and chosen.dtype.kind not in "iu"):
        raise ValueError(
            f"keep_rows have shape {chosen.shape} and type {chosen.dtype}; they must be row numbers."
        )
    if chosen.size and not (chosen.min() >= 0 and chosen.max() < n):
        raise ValueError(f"keep_rows run from {chosen.min()} to {chosen.max()}; there are rows 0 to {n - 1}.")
    found = np.asarray(epochs, dtype=np.int64)
    if found.size and (found[0] < 0 or (np.diff(found) <= 0).any()):
        raise ValueError(f"keep_epochs are {list(epochs)}; they must ascend from 0 or more.")
    return chosen.astype(np.int64), found


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


def _judged(
    clips: Clips, recipe: HeadRecipe, seed: int, fold: Fold, found: Trained, with_embeddings: bool
) -> HeadRun:
    curves = dict(zip(CURVES, found.curves, strict=True))
    about = (recipe, seed, fold.name, clips.classes, fold.test, clips.codes[fold.test])
    lost = np.flatnonzero(~np.isfinite(found.curves[0]))
    if len(lost) or not all(np.isfinite(w).all() for w in found.weights.values()):
        epoch = int(lost[0]) + 1 if len(lost) else recipe.epochs
        why = f"The loss was no longer a number in epoch {epoch} (seed {seed})."
        nothing = np.empty((0, recipe.dim), dtype=np.float32)
        return HeadRun(*about, np.empty(0, dtype=np.int64), curves, {}, nothing, found.kept, why)
    rows = np.arange(len(clips.X)) if with_embeddings else fold.test
    z = _projected(found.weights, clips.X[rows])
    tested = z[fold.test] if with_embeddings else z
    # Rounded, so that of equal scores it is always the first class.
    scores = np.round(tested @ found.weights["class_weight"] + found.weights["class_bias"], 12)
    embeddings = z.astype(np.float32) if with_embeddings else np.empty((0, recipe.dim), dtype=np.float32)
    return HeadRun(*about, scores.argmax(axis=1), curves, found.weights, embeddings, found.kept)


def _train_alone(
    clips: Clips, recipe: HeadRecipe, seed: int, fold: Fold, epochs: np.ndarray, rows: np.ndarray, device: str
) -> Trained:
    n_classes = len(clips.classes)
    weights = {
        name: torch.from_numpy(values).to(device).requires_grad_()
        for name, values in initial_weights(seed, clips.X.shape[1], recipe, n_classes).items()
    }
    X, codes = torch.from_numpy(clips.X).to(device), torch.from_numpy(clips.codes).to(device)
    fixed: dict[str, np.ndarray] = {}
    if recipe.standardise:
        mean, scale = standardisation(clips.X[fold.train])
        fixed = {"mean": mean, "scale": scale}
        X = (X - torch.from_numpy(mean).to(device)) / torch.from_numpy(scale).to(device)
    one_hot = torch.nn.functional.one_hot(codes, n_classes).to(X.dtype)
    train, test = (torch.from_numpy(r).to(device) for r in (fold.train, fold.test))

    def embedded(x: torch.Tensor) -> torch.Tensor:
        if recipe.hidden:
            x = torch.relu(x @ weights["hidden_weight"] + weights["hidden_bias"])
        return x @ weights["embedding_weight"] + weights["embedding_bias"]

    def classified(z: torch.Tensor) -> torch.Tensor:
        return z @ weights["class_weight"] + weights["class_bias"]

    def keep(epoch: int) -> None:
        with torch.no_grad():
            kept[epochs == epoch] = embedded(X[torch.from_numpy(rows).to(device)]).cpu().numpy()

    optimiser: torch.optim.Optimizer
    if recipe.optimizer == "adamw":
        optimiser = torch.optim.AdamW(
            weights.values(), recipe.learning_rate, recipe.betas, weight_decay=recipe.weight_decay
        )
    else:
        optimiser = torch.optim.SGD(
            weights.values(), recipe.learning_rate, recipe.momentum, weight_decay=recipe.weight_decay
        )
    curves = np.full((len(CURVES), recipe.epochs), np.nan, dtype=np.float32)
    kept = np.full((len(epochs), len(rows), recipe.dim), np.nan, dtype=np.float32)
    keep(0)
    for epoch in range(recipe.epochs):
        order = torch.from_numpy(epoch_order(seed, epoch, len(train))).to(device)
        if recipe.mixup:
            partners, shares = (
                torch.from_numpy(drawn).to(device) for drawn in mixtures(seed, epoch, len(train), recipe)
            )
        total, right = 0.0, 0
        for batch in order.split(recipe.batch_size):
            chosen = train[batch]
            x, y, soft = X[chosen], codes[chosen], one_hot[chosen]
            if recipe.mixup:
                other, share = train[partners[batch]], shares[batch, None]
                x, soft = share * x + (1 - share) * X[other], share * soft + (1 - share) * one_hot[other]
            z = embedded(x)
            found = classified(z)
            loss = batch_loss(recipe, z, found, y, soft)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item() * len(batch)
            right += int((found.argmax(dim=1) == soft.argmax(dim=1)).sum())
        if not np.isfinite(total):
            break
        with torch.no_grad():
            tested = classified(embedded(X[test])).argmax(dim=1) == codes[test]
        curves[:, epoch] = total / len(train), right / len(train), float(tested.float().mean())
        keep(epoch + 1)
    return Trained({n: w.detach().cpu().numpy() for n, w in weights.items()} | fixed, curves, kept)


def batch_loss(
    recipe: HeadRecipe, z: torch.Tensor, logits: torch.Tensor, y: torch.Tensor, soft: torch.Tensor
) -> torch.Tensor:
    """Return the loss of a recipe for a batch: embeddings (n, dim), logits (n, C), hard and soft labels."""
    if recipe.loss == "focal":
        return focal_loss(logits, y, gamma=recipe.gamma)
    entropy = cross_entropy(logits, soft if recipe.mixup else y)
    if recipe.loss == "opl":
        more = orthogonal_projection_loss(z, y, gamma=recipe.gamma, variant=recipe.variant)
    elif recipe.loss == "add":
        more = add_loss(z, y, weights=recipe.weights, variant=recipe.variant)
    elif recipe.loss == "add-soft":
        more = add_loss_soft(z, soft, weights=recipe.weights, variant=recipe.variant)
    else:
        return entropy
    return entropy + recipe.loss_weight * more
