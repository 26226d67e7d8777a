"""What a loss makes of a space: classifiers trained with several losses, on all folds and with some seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

from jobs import encoders
from jobs.tasks.embed_audio import EmbedAudio
from jobs.tasks.spec import DatasetRef, Spec, SpecError, between, unusual

#: The losses, and how many weights each takes.
LOSSES = MappingProxyType({"ce": 0, "focal": 0, "opl": 0, "add": 4, "add-soft": 2})
#: Weights of (μ_p, σ_p, μ_n, σ_n) in figure 5 of the ADD paper: all four, each alone, the two means.
ADD_WEIGHTS = (
    (1.0, 1.0, 1.0, 1.0),
    (1.0, 0.0, 0.0, 0.0),
    (0.0, 1.0, 0.0, 0.0),
    (0.0, 0.0, 1.0, 0.0),
    (0.0, 0.0, 0.0, 1.0),
    (1.0, 0.0, 1.0, 0.0),
)
VARIANTS = ("paper", "released")
#: What cross-entropy can be of.
ENTROPIES = ("softmax", "sigmoid")
#: The network that is trained from scratch; others are ``transformers:NAME``, tuned from their weights.
SMALL_CNN = "small-cnn"
#: Shapes of the window under which spectra are taken.
TAPERS = ("hann", "povey")
#: How the learning rate goes on after its warm-up.
SCHEDULES = ("constant", "decay", "cosine")
#: Models that one grid may have, of each fold.
MOST_MODELS = 500
_NAMES = {"ce": "cross-entropy", "focal": "focal", "opl": "OPL", "add": "ADD", "add-soft": "ADD, soft"}


class LossRecipe(NamedTuple):
    """A loss with its weights, and what people call it."""

    loss: str
    weights: tuple[float, ...]
    name: str


@dataclass(frozen=True, kw_only=True)
class LossTraining:
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

    Attributes
    ----------
    labels : str
        Fingerprint of what is said about the clips, which can change while the sounds stay.
    losses : tuple of str
        Of `LOSSES`, each once. With mixup, those that take soft labels: "ce" and "add-soft".
    add_weights : tuple of tuples
        Weights of "add", a recipe each: (μ_p, σ_p, μ_n, σ_n).
    soft_weights : tuple of tuples
        Weights of "add-soft": (μ, σ_p).
    variant : {"paper", "released"}
        Of OPL and ADD; see `core.losses`.
    entropy : {"softmax", "sigmoid"}
        What cross-entropy is of; see `core.heads.HeadRecipe`.
    focal_gamma, opl_gamma, opl_weight : float
        Of focal loss and of orthogonal projection; the weight is that of what is added to cross-entropy.
    dim : int
        Width of the embeddings.
    epochs, batch_size, optimizer, learning_rate, weight_decay, betas : as of `core.heads.HeadRecipe`
    mixup : float
        Share of the clips that are mixed with another one.
    seeds : int
        How many: 0, 1, ...
    folds : int
        0 takes the dataset's own folds, and draws five where it has none. From 2, so many are drawn.
    held_out : tuple of int
        Only these folds are held out, one after the other; () for all.
    keep : int
        How many epochs are kept, from before the first to the last.
    keep_clips : int
        How many clips are kept then, at most, with classes in their proportions.
    """

    labels: str
    losses: tuple[str, ...] = ("ce", "focal", "opl", "add")
    add_weights: tuple[tuple[float, ...], ...] = ADD_WEIGHTS
    soft_weights: tuple[tuple[float, ...], ...] = ((1.0, 1.0),)
    variant: str = "paper"
    entropy: str = "softmax"
    focal_gamma: float = 2.0
    opl_gamma: float = 0.5
    opl_weight: float = 1.0
    dim: int = 128
    epochs: int = 25
    batch_size: int = 32
    optimizer: str = "adamw"
    learning_rate: float = 7e-4
    weight_decay: float = 1e-2
    betas: tuple[float, float] = (0.9, 0.98)
    mixup: float = 0.0
    seeds: int = 3
    folds: int = 0
    held_out: tuple[int, ...] = ()
    keep: int = 12
    keep_clips: int = 600

    def __post_init__(self) -> None:
        _one_of(self, "variant", VARIANTS)
        _one_of(self, "entropy", ENTROPIES)
        if not self.losses or len(set(self.losses)) < len(self.losses):
            raise SpecError(f"losses are {self.losses}; give at least one, each once.")
        for loss in self.losses:
            if loss not in LOSSES:
                raise SpecError(f"{loss!r} is no loss that is known; there are {', '.join(LOSSES)}.")
        for field, loss in (("add_weights", "add"), ("soft_weights", "add-soft")):
            object.__setattr__(self, field, _weights(self, field, loss))
        for name, low, high in (
            ("dim", 1, 100_000),
            ("epochs", 1, 10_000),
            ("batch_size", 2, 100_000),
            ("seeds", 1, 1000),
            ("folds", 0, 1000),
            ("keep", 2, 1000),
            ("keep_clips", 1, 100_000),
        ):
            _whole(self, name, low, high)
        if self.folds == 1:
            raise SpecError("folds is 1, which leaves none to train on; draw 2 or more, or give 0.")
        between("learning_rate", self.learning_rate, 1e-9, 1000)
        between("weight_decay", self.weight_decay, 0, 1000)
        between("mixup", self.mixup, 0, 1)
        for name in ("focal_gamma", "opl_gamma", "opl_weight"):
            between(name, getattr(self, name), 0, 1000)
        if len(self.betas) != 2 or not all(0 <= b < 1 for b in self.betas):
            raise SpecError(f"betas are {self.betas}; they must be two numbers from 0 to below 1.")
        object.__setattr__(self, "betas", tuple(float(b) for b in self.betas))
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
    #: Width of a hidden layer before the embeddings; 0 for none.
    hidden: int = 0
    #: Bring each dimension to mean 0 and deviation 1 over the training clips.
    standardise: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.embedding, EmbedAudio):
            raise TypeError("embedding must be a space of sounds")
        _one_of(self, "optimizer", ("adamw", "sgd"))
        _whole(self, "hidden", 0, 100_000)
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
class LossNetworkGrid(LossTraining, Spec):
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
    #: Of each clip, from its beginning; shorter ones are followed by silence.
    seconds: float = 5.0
    #: Channels of the first of four convolutions of ``small-cnn``.
    width: int = 8
    #: Shape of the window of its spectrograms; a transformer's extractor has its own.
    taper: str = TAPERS[0]
    #: The widest band and the longest stretch of frames that SpecAugment hides of a clip.
    frequency_mask: int = 24
    time_mask: int = 96
    #: Epochs in which the learning rate goes from `warm_up_from` to where `schedule` has it.
    warm_up: int = 0
    warm_up_from: float = 0.0
    #: Each epoch's learning rate: one for all; multiplied by `decay` after every epoch from the last of the
    #: warm-up on; or along half a cosine over all epochs, to a thousandth.
    schedule: str = "constant"
    decay: float = 0.85

    def __post_init__(self) -> None:
        _one_of(self, "optimizer", ("adamw", "adam"))
        _one_of(self, "schedule", SCHEDULES)
        _one_of(self, "taper", TAPERS)
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
        between("seconds", self.seconds, 0.65, 60)
        between("decay", self.decay, 0.01, 1)
        between("warm_up_from", self.warm_up_from, 0, 1000)
        for name, high in (
            ("width", 1000),
            ("frequency_mask", 128),
            ("time_mask", 6000),
            ("warm_up", 10_000),
        ):
            _whole(self, name, 1 if name == "width" else 0, high)
        if not self.warm_up:
            object.__setattr__(self, "warm_up_from", type(self).warm_up_from)
        if self.schedule != "decay":
            object.__setattr__(self, "decay", type(self).decay)
        super().__post_init__()

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


def _one_of(spec: LossTraining, name: str, allowed: tuple[str, ...]) -> None:
    if getattr(spec, name) not in allowed:
        raise SpecError(f"{name} is {getattr(spec, name)!r}; it must be one of {', '.join(allowed)}.")


def _whole(spec: LossTraining, name: str, low: int, high: int) -> None:
    value = getattr(spec, name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise SpecError(f"{name} is {value!r}; it must be a whole number.")
    between(name, value, low, high)
