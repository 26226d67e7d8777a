"""How classifier heads are trained, and what a trained one is."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from core.losses.angular import VARIANTS

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

#: What cross-entropy can be of.
ENTROPIES = ("softmax", "sigmoid")

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
    entropy : {"softmax", "sigmoid"}
        What cross-entropy is of: one softmax over the classes, or, as `core.losses.binary_cross_entropy`, a
        sigmoid of each class by itself. Focal loss is of the softmax.
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
    entropy: str = "softmax"
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
        for name, allowed in (
            ("loss", LOSSES),
            ("variant", VARIANTS),
            ("entropy", ENTROPIES),
            ("optimizer", ("adamw", "sgd")),
        ):
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
        own = {"weights": (), "gamma": 0.0, "loss_weight": 1.0, "variant": "paper", "entropy": "softmax"}
        return replace(self, loss="ce", **own)  # type: ignore[arg-type]


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
