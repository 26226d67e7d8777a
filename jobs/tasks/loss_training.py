"""What is asked of trainings with several losses, of heads and of networks, and their clips and folds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from core.heads.recipe import FIGURE_5_WEIGHTS, LOSSES, ClassifierRecipe, check_betas
from core.recipes import check, derive, setting
from jobs.engine.live import LiveCurves
from jobs.engine.training import TrainingFolder, reporter
from jobs.tasks.spec import SpecError, between

if TYPE_CHECKING:
    from core.heads import HeadRecipe
    from jobs.engine.context import JobContext

#: Weights of (μ_p, σ_p, μ_n, σ_n) in figure 5 of the ADD paper: all four, each alone, the two means.
ADD_WEIGHTS = (FIGURE_5_WEIGHTS[-1], *FIGURE_5_WEIGHTS[:-1])
#: Models that one grid may have, of each fold.
MOST_MODELS = 500
#: Folds that are drawn for a dataset that has none.
DRAWN = 5
_NAMES = {"ce": "cross-entropy", "focal": "focal", "opl": "OPL", "add": "ADD", "add-soft": "ADD, soft"}
_SHARE: dict[str, Any] = {"asked": (0.0, 1000.0), "step": 0.5}


class LossRecipe(NamedTuple):
    """A loss with its weights, and what people call it."""

    loss: str
    weights: tuple[float, ...]
    name: str


@dataclass(frozen=True, kw_only=True)
class LossTraining(ClassifierRecipe):
    """What is asked of classifiers that differ in their losses.

    With mixup, `losses` are those that take soft labels: "ce" and "add-soft". `held_out` names the folds that
    are held out, one after the other; () is all.
    """

    #: Fingerprint of the labels of the clips, which can change while the sounds stay.
    labels: str
    losses: tuple[str, ...] = setting(
        ("ce", "focal", "opl", "add"),
        "Losses",
        "Train with this loss: ce, focal, opl, add or add-soft; may be repeated.",
        usual="the first four",
        option="loss",
        repeated=True,
    )
    #: Weights of "add", a recipe each: (μ_p, σ_p, μ_n, σ_n).
    add_weights: tuple[tuple[float, ...], ...] = ADD_WEIGHTS
    #: Weights of "add-soft": (μ, σ_p).
    soft_weights: tuple[tuple[float, ...], ...] = ((1.0, 1.0),)
    focal_gamma: float = setting(
        2.0,
        "γ of focal loss",
        "γ of focal loss; 0 is cross-entropy.",
        link="focal",
        words="γ of focal loss {focal_gamma:g}",
        silent=2.0,
        **_SHARE,
    )
    opl_gamma: float = setting(
        0.5, "γ of OPL", "γ of OPL.", link="opl", words="γ of OPL {opl_gamma:g}", silent=0.5, **_SHARE
    )
    opl_weight: float = setting(
        1.0,
        "Weight of OPL",
        "Weight of OPL beside cross-entropy.",
        link="oplw",
        words="weight of OPL {opl_weight:g}",
        silent=1.0,
        **_SHARE,
    )
    seeds: int = setting(
        3, "Seeds", "How many times each model is trained: with the seeds 0, 1, ...", asked=(1, 1000)
    )
    folds: int = setting(
        0,
        "Folds",
        "Number of folds to draw; 0 takes the dataset’s own, or draws five if it has none.",
        asked=(0, 1000),
        usual="the dataset's own, or five",
    )
    held_out: tuple[int, ...] = ()
    keep: int = setting(12, "Epochs that are kept", "From before the first to the last.", asked=(2, 1000))
    keep_clips: int = setting(
        600,
        "Clips that are kept",
        "How many clips are kept at these epochs, at most, with classes in their proportions.",
        asked=(1, 100_000),
    )

    def __post_init__(self) -> None:
        check(self, asked=True, error=SpecError)
        if not self.losses or len(set(self.losses)) < len(self.losses):
            raise SpecError(f"losses are {self.losses}; give at least one, each once.")
        for loss in self.losses:
            if loss not in LOSSES:
                raise SpecError(f"{loss!r} is not a known loss; give one of {', '.join(LOSSES)}.")
        for field, loss in (("add_weights", "add"), ("soft_weights", "add-soft")):
            object.__setattr__(self, field, _weights(self, field, loss))
        if self.folds == 1:
            raise SpecError("folds is 1, which leaves none to train on; draw 2 or more, or give 0.")
        try:
            object.__setattr__(self, "betas", check_betas(self.betas))
        except ValueError as error:
            raise SpecError(str(error)) from None
        if len(set(self.held_out)) < len(self.held_out):
            raise SpecError(f"held_out is {self.held_out}; name each fold once.")
        hard = [loss for loss in self.losses if loss not in ("ce", "add-soft")]
        if self.mixup and hard:
            raise SpecError(
                f"With mixup labels are soft, which {', '.join(hard)} cannot take; use ce and add-soft."
            )
        if len(self.recipes) * self.seeds > MOST_MODELS:
            raise SpecError(
                f"These are {len(self.recipes) * self.seeds:,} models a fold; one grid may have "
                f"{MOST_MODELS:,}: ask for fewer seeds or weights."
            )

    @property
    def recipes(self) -> tuple[LossRecipe, ...]:
        """The recipes in the order of results: loss after loss, and of ADD one after another."""
        of = {"add": self.add_weights, "add-soft": self.soft_weights}
        return tuple(
            LossRecipe(loss, weights, loss_name(loss, weights))
            for loss in self.losses
            for weights in of.get(loss, ((),))
        )

    @property
    def kept_epochs(self) -> tuple[int, ...]:
        """Epochs that are kept: 0, the last, and others between, closer at the beginning."""
        n = min(self.keep, self.epochs + 1)
        # Most happens early: positions go with the square.
        wanted = [round(self.epochs * (i / (n - 1)) ** 2) for i in range(n)]
        for i in range(1, n):
            wanted[i] = max(wanted[i], wanted[i - 1] + 1)
        return tuple(wanted)

    @property
    def size(self) -> str:
        """How many losses and seeds, in words."""
        n = len(self.recipes)
        losses = "1 loss" if n == 1 else f"{n} losses"
        return f"{losses} × {self.seeds} seed{'' if self.seeds == 1 else 's'}"


def loss_name(loss: str, weights: tuple[float, ...] = ()) -> str:
    """Return what people call a loss.

    Examples
    --------
    >>> loss_name("add", (1.0, 0.0, 0.5, 0.0))
    'ADD (1, 0, 0.5, 0)'
    """
    return f"{_NAMES[loss]} ({', '.join(f'{w:.12g}' for w in weights)})" if weights else _NAMES[loss]


def _weights(spec: LossTraining, field: str, loss: str) -> tuple[tuple[float, ...], ...]:
    if loss not in spec.losses:
        # What has no use cannot split the key.
        default: tuple[tuple[float, ...], ...] = getattr(LossTraining, field)
        return default
    given = getattr(spec, field)
    takes = LOSSES[loss]
    if not given or len(set(given)) < len(given) or any(len(w) != takes for w in given):
        raise SpecError(f"{field} are {given}; give at least one setting of {takes} weights, each once.")
    for weights in given:
        for weight in weights:
            between("weight", weight, 0, 1000)
    return tuple(tuple(float(w) for w in weights) for weights in given)


class TrainingClips(NamedTuple):
    """Clips of one class each, with their folds.

    Attributes
    ----------
    clip_ids : (n,) objects of str
    X : (n, ...) array
        What models learn from.
    labels : (n,) array of str
    folds : (n,) int64 array
    drawn : bool
        Whether the folds were drawn here.
    held_out : list of int
        The folds that are held out, ascending.
    left_out : dict
        As ``left_out`` of the result.
    several : int
        Clips to which the dataset gives several classes, of which the first counts here.
    """

    clip_ids: np.ndarray
    X: np.ndarray
    labels: np.ndarray
    folds: np.ndarray
    drawn: bool
    held_out: list[int]
    left_out: dict[str, int]
    several: int


def choose_folds(
    spec: LossTraining, labels: np.ndarray, own: np.ndarray | None
) -> tuple[np.ndarray, bool, list[int]]:
    """Return the fold of every clip, whether folds were drawn, and the names of those that are held out.

    Parameters
    ----------
    spec : LossTraining
    labels : (n,) array of str
    own : (n,) int array or None
        The dataset's folds, where all clips have one.

    Raises
    ------
    ValueError
        For an unknown fold that is to be held out, more folds than clips, or a single fold.
    """
    from core.heads import draw_folds

    drawn = bool(spec.folds) or own is None
    n = len(labels)
    if n < 2:
        raise ValueError("Only one clip has a class; a training needs two or more.")
    if spec.folds > n:
        raise ValueError(
            f"{spec.folds} folds are asked for, and {n} clips have a class; ask for at most {n}."
        )
    if own is not None and not drawn and len(names := np.unique(own)) < 2:
        raise ValueError(
            f"All clips are in the dataset's fold {names[0]}, which leaves none to train on; have folds "
            "drawn, for example five."
        )
    folds = draw_folds(labels, spec.folds or min(DRAWN, n)) if drawn else np.asarray(own)
    known = np.unique(folds).tolist()
    for name in spec.held_out:
        if name not in known:
            raise ValueError(f"Fold {name} cannot be held out; the folds are {', '.join(map(str, known))}.")
    return folds, drawn, [f for f in known if f in spec.held_out] if spec.held_out else known


def choose_rows(labels: np.ndarray, most: int) -> np.ndarray:
    """Choose clips whose embeddings are kept at some epochs, with classes in their proportions.

    Parameters
    ----------
    labels : (n,) array
    most : int

    Returns
    -------
    (m,) int64 array
        Ascending; all clips if these are not more than `most`.
    """
    if len(labels) <= most:
        return np.arange(len(labels))
    by_class = np.argsort(labels, kind="stable")
    return np.sort(by_class[np.linspace(0, len(labels) - 1, most).round().astype(np.int64)])


def head_recipes(spec: LossTraining) -> list[HeadRecipe]:
    """Return how `core.heads` is to train what a spec asks for, a recipe each."""
    from core.heads import HeadRecipe

    # Each loss has a gamma of its own, or none.
    gamma = {"focal": spec.focal_gamma, "opl": spec.opl_gamma}
    return [
        derive(
            HeadRecipe,
            spec,
            loss=recipe.loss,
            weights=recipe.weights,
            gamma=gamma.get(recipe.loss, 0.0),
            loss_weight=spec.opl_weight if recipe.loss == "opl" else 1.0,
            # A network has one more, which its own training knows.
            optimizer="sgd" if spec.optimizer == "sgd" else "adamw",
        )
        for recipe in spec.recipes
    ]


def training_options(
    spec: LossTraining, context: JobContext, clips: TrainingClips, what: str, span: tuple[float, float]
) -> dict[str, Any]:
    """Return what `train_heads` and `train_networks` take alike; `span` is the job's progress meanwhile."""
    first = clips.held_out[0]
    recipes = head_recipes(spec)
    models = [(r, s, f) for r in range(len(recipes)) for s in range(spec.seeds) for f in clips.held_out]
    checkpoint = TrainingFolder(context.checkpoint / "training")
    return {
        "recipes": recipes,
        "seeds": range(spec.seeds),
        "held_out": clips.held_out,
        "keep_epochs": spec.kept_epochs,
        "keep_rows": choose_rows(clips.labels, spec.keep_clips),
        "keep_models": lambda seed, fold: seed == 0 and fold == first,
        "progress": reporter(context, checkpoint, f"training {len(models):,} {what}", *span),
        "watch": LiveCurves(context.checkpoint, models),
        "checkpoint": checkpoint,
    }
