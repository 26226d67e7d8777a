"""How classifier heads are trained, and what a trained one is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.recipes import Descent, check, like, setting

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

#: OPL and ADD as the papers have them, or as the released code has.
VARIANTS = ("paper", "released")
#: What cross-entropy can be of.
ENTROPIES = ("softmax", "sigmoid")

_GAMMA = {"focal": 2.0, "opl": 0.5}


@dataclass(frozen=True, kw_only=True)
class ClassifierRecipe:
    """Settings of every training of classifiers with several losses; by default those of the ADD paper."""

    dim: int = setting(
        128,
        "Dimensions of the embeddings",
        "Width of the embeddings.",
        low=1,
        asked=(1, 100_000),
        words="{dim} dimensions",
    )
    epochs: int = like(Descent, "epochs", 25, help="Passes over the clips.")
    batch_size: int = like(Descent, "batch_size", 32, asked=(2, 100_000))
    optimizer: str = setting(
        "adamw",
        "Optimizer",
        "adamw, for heads sgd, for networks adam.",
        choices=("adamw", "sgd"),
        words="{optimizer} at {learning_rate:g}",
    )
    learning_rate: float = like(Descent, "learning_rate", 7e-4, help="Step size.", words="")
    weight_decay: float = setting(
        1e-2,
        "Weight decay",
        "How far weights are drawn to 0.",
        low=0,
        asked=(0.0, 1000.0),
        words="weight decay {weight_decay:g}",
        link="decay",
    )
    betas: tuple[float, float] = setting((0.9, 0.98), "Betas", "Of AdamW.")
    mixup: float = setting(
        0.0,
        "Mixup",
        "Share of the clips that are mixed with another one, drawn anew in every epoch; only for losses of "
        "soft labels, ce and add-soft.",
        low=0,
        high=1,
        asked=(0.0, 1.0),
        words="mixup {mixup:g}",
        silent=0.0,
    )
    variant: str = setting(
        VARIANTS[0],
        "OPL and ADD as in the",
        "Of OPL and ADD: paper or released. The released code also has γ = 0 for focal loss, and γ = 2 and a "
        "weight of 0.1 for OPL.",
        choices=VARIANTS,
        names=("papers", "released code"),
        words="the released code’s variants",
        silent=VARIANTS[0],
    )
    entropy: str = setting(
        ENTROPIES[0],
        "Cross-entropy",
        "Cross-entropy of one softmax over the classes, or of a sigmoid of each class (`sigmoid`); focal "
        "loss is of the softmax.",
        choices=ENTROPIES,
        words="a sigmoid for each class",
        silent=ENTROPIES[0],
    )


@dataclass(frozen=True, kw_only=True)
class HeadRecipe(ClassifierRecipe):
    """How heads are trained; optimiser, batches, epochs and mixtures by default as the ADD paper has them.

    `loss` is cross-entropy ("ce"); focal loss in its place; or cross-entropy plus `loss_weight` times
    orthogonal projection ("opl"), ADD ("add"), or ADD for soft labels ("add-soft", with hard ones as one-hot
    rows). `weights` are those of the terms of ADD, (μ_p, σ_p, μ_n, σ_n), or of ADD for soft labels, (μ, σ_p);
    all 1 if not given. With `mixup` labels are soft, which the other losses do not take.
    """

    loss: str = setting("add", "Loss", choices=tuple(LOSSES))
    weights: tuple[float, ...] = setting((), "Weights of ADD")
    gamma: float = setting(
        None, "γ", "Of focal loss, by default 2, or of orthogonal projection, by default 0.5.", low=0
    )
    loss_weight: float = setting(1.0, "Weight of the loss beside cross-entropy", low=0)
    hidden: int = setting(
        0,
        "Width of a hidden layer",
        "Width of a hidden layer with ReLU before the embeddings; 0 for none.",
        low=0,
        asked=(0, 100_000),
        words="a hidden layer of {hidden}",
        silent=0,
    )
    momentum: float = like(Descent, "momentum", 0.9, help="Of stochastic gradient descent.")
    mixup_beta: float = setting(
        10.0,
        "β of mixup",
        "Shares of the two clips are drawn from Beta(b, b): the larger, the nearer to equal parts.",
        above=0,
    )
    standardise: bool = setting(
        True,
        "Standardise the space",
        "Bring each dimension to mean 0 and deviation 1 over the training clips, so that a learning rate "
        "means the same in every space.",
        words="dimensions as they are",
        silent=True,
    )

    def __post_init__(self) -> None:
        check(self, {"loss"})
        n = LOSSES[self.loss]
        weights = tuple(float(w) for w in self.weights) or (1.0,) * n
        if len(weights) != n:
            takes = f"{n} weights" if n else "no weights"
            raise ValueError(f"weights are {self.weights}; the loss {self.loss!r} takes {takes}.")
        if not all(0 <= w < np.inf for w in weights):
            raise ValueError(f"weights is {self.weights}; there must be nothing below 0.")
        # What is equal in effect is to be equal.
        gamma = _GAMMA.get(self.loss, 0.0) if self.gamma is None else float(self.gamma)
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "gamma", gamma)
        object.__setattr__(self, "betas", check_betas(self.betas))
        check(self)
        if self.mixup and self.loss not in ("ce", "add-soft"):
            raise ValueError(
                f"The loss {self.loss!r} does not take the soft labels that mixup makes; use ce or add-soft."
            )

    @property
    def shape(self) -> HeadRecipe:
        """All but the loss: recipes that are equal in it are trained in the same batches."""
        own = {"weights": (), "gamma": 0.0, "loss_weight": 1.0, "variant": "paper", "entropy": "softmax"}
        return replace(self, loss="ce", **own)  # type: ignore[arg-type]


def check_betas(betas: Sequence[float]) -> tuple[float, float]:
    """Return the two betas of Adam as floats; raise ValueError if they cannot be."""
    if len(betas) != 2 or not all(0 <= b < 1 for b in betas):
        raise ValueError(f"betas are {betas}; they must be two numbers from 0 to below 1.")
    return float(betas[0]), float(betas[1])


@dataclass(frozen=True)
class HeadRun:
    """A trained head and its predictions on the fold that it was not trained on.

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
        The class of each clip and the predicted one, as indices of `classes`; no predictions if it failed.
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
        """Share of the fold's clips whose class is predicted, in [0, 1]; NaN if the training failed."""
        return float("nan") if self.failed else float((self.predictions == self.targets).mean())
