"""What a loss makes of a space: classifiers trained with several losses, on all folds and with some seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

from core.heads.recipe import LOSSES, ClassifierRecipe, HeadRecipe, check_betas
from core.networks.recipe import Tuning
from core.recipes import check, like, setting
from jobs import encoders
from jobs.tasks.embed_audio import EmbedAudio
from jobs.tasks.spec import DatasetRef, Spec, SpecError, between, unusual

#: Weights of (μ_p, σ_p, μ_n, σ_n) in figure 5 of the ADD paper: all four, each alone, the two means.
ADD_WEIGHTS = (
    (1.0, 1.0, 1.0, 1.0),
    (1.0, 0.0, 0.0, 0.0),
    (0.0, 1.0, 0.0, 0.0),
    (0.0, 0.0, 1.0, 0.0),
    (0.0, 0.0, 0.0, 1.0),
    (1.0, 0.0, 1.0, 0.0),
)
#: The network that is trained from scratch; others are ``transformers:NAME``, tuned from their weights.
SMALL_CNN = "small-cnn"
#: Shapes of the window under which spectra are taken.
TAPERS = ("hann", "povey")
#: Models that one grid may have, of each fold.
MOST_MODELS = 500
_NAMES = {"ce": "cross-entropy", "focal": "focal", "opl": "OPL", "add": "ADD", "add-soft": "ADD, soft"}
_SHARE: dict[str, Any] = {"asked": (0.0, 1000.0), "step": 0.5}


class LossRecipe(NamedTuple):
    """A loss with its weights, and what people call it."""

    loss: str
    weights: tuple[float, ...]
    name: str


@dataclass(frozen=True, kw_only=True)
class LossTraining(ClassifierRecipe):
    """What is asked of classifiers that differ in their losses, and what results hold.

    With R recipes (`recipes`), S seeds, F folds that are held out, n clips in the order of ``clips.parquet``,
    C classes in sorted order, E epochs, E' kept epochs and m kept clips, the result is:

    ``recipes.parquet``, a row a recipe: ``recipe`` (from 0), ``name``, ``loss``, ``weights`` (list),
    ``accuracy`` with ``low`` and ``high`` (mean over seeds, by Student's t; each seed's is over the clips of
    all folds that are held out), ``sd`` (of the seeds), ``n_failed`` (models), ``difference`` to
    cross-entropy with ``difference_low`` and ``difference_high`` (paired clip by clip, by the share of seeds
    that were right) and ``p_holm`` (corrected for the number of recipes that are compared); these four are
    NaN for cross-entropy itself and where it does not take part.
    ``runs.parquet``, a row a model, recipe after recipe, seed after seed, fold after fold: ``run`` (from 0),
    ``recipe``, ``loss``, ``weights``, ``name``, ``seed``, ``fold`` (the one that was held out), ``accuracy``
    (of its clips), ``n_test``, ``failed`` ("" or why; numbers are NaN then), and of the clips of that fold
    ``mu_p``, ``sigma_p``, ``mu_n``, ``sigma_n`` (`core.separability.angular_properties`) and ``before_mu_p``
    to ``before_sigma_n``, the same before training.
    ``predictions.parquet``: ``recipe``, ``seed``, ``clip_id``, ``label``, ``predicted`` (null where the model
    failed); each clip by the model that had not heard it.
    ``curves.npy`` (R·S·F, 3, E) float32, in the order of ``runs.parquet``: loss, training accuracy and test
    accuracy (`core.heads.CURVES`); NaN from where a model failed.
    ``class_mean.npy`` and ``class_cv.npy`` (R + 1, C, C) float64: mean and coefficient of variation of the
    cosine distances of held-out clips, within each fold by the model that had not heard it, averaged over the
    folds of seed 0. 0 is before training, 1 + r is recipe r. NaN where no fold has a pair.
    ``clips.parquet``: ``clip_id``, ``label``, ``fold``, ``held`` (whether it is in the first of the folds
    that are held out, so that the spaces below are new to it).
    ``audio_<recipe>.npy`` (n, dim) float32: all clips, embedded by the model of seed 0 and of the first fold
    that is held out (others are other spaces, and cannot stand beside it). NaN if it failed.
    ``weights_<recipe>.safetensors``: the weights of that model, as in `core.heads.HeadRun` or
    `core.networks.NetworkRun`; none if it failed, or if the result was computed before they were stored.
    ``kept_epochs.npy`` (E',) int64, the first 0, before training, the last `epochs`;
    ``kept_clips.parquet``: ``clip_id``, ``label``, ``held``; and of that same model
    ``kept_space_<recipe>.npy`` (E', m, dim) float16, at unit length, and ``kept_map_<recipe>.npy`` (E', m, 2)
    float32, all epochs on the two first principal axes of the last, so that points move and axes do not.
    ``classes.parquet``: ``label``, ``n_clips``, in the order of the matrices.
    In ``meta``: ``n_clips``, ``n_classes``, ``n_models``, ``n_failed``, ``folds`` (``source``: "dataset" or
    "drawn"; ``held_out``: the names, in order; ``n_clips``: of each), ``seeds`` (how many), ``before``
    ("space", or "network": the one that training begins with), ``explained`` (a recipe each: what share of
    the variance the two axes of the last epoch hold, null where it failed), ``note`` (what people should
    know, or ""), ``seconds``, ``left_out`` (clips ``without_class``, ``not_finite``, ``unreadable``),
    ``cards`` (of each ``audio_<recipe>``).

    With mixup, `losses` are those that take soft labels: "ce" and "add-soft". `held_out` names the folds that
    are held out, one after the other; () is all.
    """

    #: Fingerprint of what is said about the clips, which can change while the sounds stay.
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
        3, "Seeds", "How many times all is trained: with the seeds 0, 1, ...", asked=(1, 1000)
    )
    folds: int = setting(
        0,
        "Folds",
        "Draw so many folds; 0 takes the dataset’s own, and draws five where it has none.",
        asked=(0, 1000),
        usual="the dataset's own, or five",
    )
    held_out: tuple[int, ...] = ()
    keep: int = setting(12, "Epochs that are kept", "From before the first to the last.", asked=(2, 1000))
    keep_clips: int = setting(
        600,
        "Clips that are kept",
        "How many clips are kept then, at most, with classes in their proportions.",
        asked=(1, 100_000),
    )

    def __post_init__(self) -> None:
        check(self, asked=True, error=SpecError)
        if not self.losses or len(set(self.losses)) < len(self.losses):
            raise SpecError(f"losses are {self.losses}; give at least one, each once.")
        for loss in self.losses:
            if loss not in LOSSES:
                raise SpecError(f"{loss!r} is no loss that is known; there are {', '.join(LOSSES)}.")
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

    def _of(self) -> str:
        n = len(self.recipes)
        losses = "1 loss" if n == 1 else f"{n} losses"
        return f"{losses} × {self.seeds} seed{'' if self.seeds == 1 else 's'}"


@dataclass(frozen=True, kw_only=True)
class LossGrid(LossTraining, Spec):
    """Heads on a frozen space, trained with several losses: see `LossTraining` for options and result."""

    LATER: ClassVar[frozenset[str]] = frozenset({"entropy"})

    embedding: EmbedAudio
    hidden: int = like(HeadRecipe, "hidden")
    standardise: bool = like(HeadRecipe, "standardise")

    def __post_init__(self) -> None:
        if not isinstance(self.embedding, EmbedAudio):
            raise TypeError("embedding must be a space of sounds")
        super().__post_init__()

    @property
    def dataset(self) -> DatasetRef:
        """The dataset of the space."""
        return self.embedding.dataset

    @property
    def title(self) -> str:
        space = f"{self.embedding.dataset.name} · {self.embedding.model}"
        return f"train heads on {space} with {self._of()}{unusual(self, 'seeds')}"


@dataclass(frozen=True, kw_only=True)
class LossNetworkGrid(Tuning, LossTraining, Spec):
    """Networks on log-mel spectrograms, trained with several losses: see `LossTraining`.

    Spectrograms are the ADD paper's: 16 kHz, 128 mel bands, windows of 25 ms every 10 ms, with mean 0 and
    deviation 0.5 over the training clips. "Before" is the network that training begins with.
    """

    VERSION: ClassVar[int] = 2

    dataset: DatasetRef
    #: ``small-cnn``, from scratch, or ``transformers:NAME`` with an audio spectrogram transformer's weights.
    network: str = SMALL_CNN
    #: What a name of weights stands for; filled in.
    identity: str = ""
    seconds: float = setting(
        5.0,
        "Seconds of each clip",
        "Seconds of each clip, for a network, from its beginning; shorter ones are followed by silence.",
        asked=(0.65, 60.0),
        words="{seconds:g} s of each clip",
    )
    width: int = setting(
        8, "Channels", f"Channels of the first of four convolutions of {SMALL_CNN}.", asked=(1, 1000)
    )
    taper: str = setting(
        TAPERS[0],
        "Window of spectra",
        f"Window of the spectra of {SMALL_CNN}, hann or povey; a transformer's extractor has its own.",
        choices=TAPERS,
        words="the window of {taper}",
        silent=TAPERS[0],
    )

    def __post_init__(self) -> None:
        if self.network != SMALL_CNN and not self.network.startswith("transformers:"):
            raise SpecError(
                f"network is {self.network!r}; it must be {SMALL_CNN}, or transformers:NAME with the name or "
                "folder of an audio spectrogram transformer."
            )
        if self.network == SMALL_CNN:
            object.__setattr__(self, "identity", f"{SMALL_CNN}/1")
        else:
            # The encoder has nothing that the small network's options change.
            object.__setattr__(self, "width", type(self).width)
            object.__setattr__(self, "taper", type(self).taper)
        if not self.identity:
            object.__setattr__(self, "network", encoders.canonical(self.network, modality="audio"))
            object.__setattr__(self, "identity", encoders.identity(self.network, modality="audio"))
        LossTraining.__post_init__(self)
        if not self.warm_up:
            object.__setattr__(self, "warm_up_from", type(self).warm_up_from)
        if self.schedule != "decay":
            object.__setattr__(self, "decay", type(self).decay)

    @property
    def title(self) -> str:
        network = encoders.short(self.network)
        options = unusual(self, "network", "identity", "seeds")
        return f"train {network} on {self.dataset.name} with {self._of()}{options}"


def loss_name(loss: str, weights: tuple[float, ...] = ()) -> str:
    """Return what people call a loss.

    Examples
    --------
    >>> loss_name("add", (1.0, 0.0, 0.5, 0.0))
    'ADD (1, 0, 0.5, 0)'
    """
    return f"{_NAMES[loss]} ({', '.join(f'{w:.12g}' for w in weights)})" if weights else _NAMES[loss]


_SOFT = {"mixup": 0.5, "losses": ("ce", "add-soft"), "seconds": 1.0}
_ADAM = {"optimizer": "adam", "betas": (0.95, 0.999), "weight_decay": 5e-6}
_ADAMW = {"optimizer": "adamw", "betas": (0.9, 0.98), "weight_decay": 1e-2}
_AST = {"epochs": 25, "batch_size": 32, "frequency_mask": 24, "time_mask": 96}
_BEATS = {"epochs": 30, "batch_size": 16, "frequency_mask": 0, "time_mask": 0}
_POVEY = {"taper": "povey"}
_WORDS = {"frequency_mask": 48, "time_mask": 48}
#: Distances of labels are what the released code asks of distances, also where labels are hard.
_RELEASED = {"variant": "released", "focal_gamma": 0.0, "opl_gamma": 2.0, "opl_weight": 0.1}
_RELEASED |= {"losses": ("ce", "focal", "opl", "add-soft"), "warm_up": 5, "warm_up_from": 1e-5}
_RELEASED_AST = _AST | _ADAM | _RELEASED | {"schedule": "decay", "decay": 0.85}
_RELEASED_BEATS = _BEATS | _ADAMW | _RELEASED
_RELEASED_SOFT = _SOFT | {"entropy": "sigmoid"}

#: Options of `LossNetworkGrid` by name: table 1 of the ADD paper, and what its released code has instead.
#: Mixup needs losses for soft labels.
SETTINGS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "paper-ast-esc50": _AST | _ADAMW | {"learning_rate": 7e-4},
        "paper-ast-ks2": _AST | _ADAMW | _WORDS | _SOFT | {"learning_rate": 6e-5},
        "paper-ast-iemocap": _AST | _ADAMW | {"learning_rate": 7e-4},
        "paper-beats-esc50": _BEATS | _POVEY | _ADAM | {"learning_rate": 8e-6},
        "paper-beats-ks2": _BEATS | _POVEY | _ADAM | _SOFT | {"learning_rate": 1e-4},
        "paper-beats-iemocap": _BEATS | _POVEY | _ADAM | {"learning_rate": 8e-6},
        "released-ast-esc50": _RELEASED_AST | {"learning_rate": 6.7e-6},
        "released-ast-ks2": _RELEASED_AST
        | _WORDS
        | _RELEASED_SOFT
        | {"learning_rate": 6.25e-5, "epochs": 30},
        "released-ast-iemocap": _RELEASED_AST | {"learning_rate": 6.7e-6, "seconds": 2.575},
        "released-beats-esc50": _RELEASED_BEATS
        | _POVEY
        | {"learning_rate": 8e-6, "epochs": 25, "schedule": "cosine"},
        "released-beats-ks2": _RELEASED_BEATS | _POVEY | _RELEASED_SOFT | {"learning_rate": 1e-4},
        "released-beats-iemocap": _RELEASED_BEATS
        | {"learning_rate": 8e-6, "epochs": 25, "schedule": "cosine", "seconds": 2.575},
    }
)


def _weights(spec: LossTraining, field: str, loss: str) -> tuple[tuple[float, ...], ...]:
    if loss not in spec.losses:
        # What has no use cannot split the key.
        default: tuple[tuple[float, ...], ...] = getattr(LossTraining, field)
        return default
    found = getattr(spec, field)
    takes = LOSSES[loss]
    if not found or len(set(found)) < len(found) or any(len(w) != takes for w in found):
        raise SpecError(f"{field} are {found}; give at least one setting of {takes} weights, each once.")
    for weights in found:
        for weight in weights:
            between("weight", weight, 0, 1000)
    return tuple(tuple(float(w) for w in weights) for weights in found)
