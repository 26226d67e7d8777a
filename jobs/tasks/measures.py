"""The numbers that a space is judged by, one row each, and the task that computes one of them.

The score table and its CSV, ``hearspace measure``, the ranking of predictors and the table in
``docs/separability.md`` iterate over `MEASURES`. A new number is a function of `core`, a row here that names
it in ``compute``, a test and a paragraph; `Measured` computes it without touching other results.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from core.statistics import Interval, mean_interval, share_interval
from jobs.specs import ContrastiveGrid, ZeroShotGrid
from jobs.tasks.agreement import Agreement
from jobs.tasks.baselines import Baselines
from jobs.tasks.class_analogies import ClassAnalogies
from jobs.tasks.embed_audio import EmbedAudio
from jobs.tasks.retrieval import Retrieval
from jobs.tasks.schema import Schema, finite, value
from jobs.tasks.separability import DIMENSION_K, Separability
from jobs.tasks.spec import Spec, SpecError
from jobs.tasks.zero_shot_classification import ZeroShotClassification

if TYPE_CHECKING:
    from cache import ArtifactStore
    from jobs.engine.context import JobContext

NAN = float("nan")
#: An estimate of no clips: not computed, or not defined.
NOTHING = Interval(NAN, NAN, NAN, 0)
#: Size of the neighbourhood of the hubness.
HUB_K = 10


class Result(Schema):
    """One number of a space."""

    number: float | None = value("the number; None where it is not defined")
    n: int = value("clips that it is computed from")


@dataclass(frozen=True, kw_only=True)
class Measured(Spec[Result]):
    """Compute one number of a space that no other task computes: a row of the table of measures."""

    embedding: EmbedAudio
    labels: str
    measure: str

    def __post_init__(self) -> None:
        computed = [name for name, m in MEASURES.items() if m.compute]
        if self.measure not in computed:
            raise SpecError(f"measure is {self.measure!r}; it must be one of {', '.join(computed)}.")

    @property
    def title(self) -> str:
        return f"{MEASURES[self.measure].title} of {self.embedding.place}"


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One number of a space.

    Attributes
    ----------
    name : str
        Name in links and in the files of Similarity and accuracy.
    title : str
        Name on pages.
    axis : str
        Title of an axis, with the range, if not `title`; ``{}`` stands for the name of the reference, ``{k}``
        for the size of the neighbourhood.
    about : str
        What the number tells, in a sentence; "" for accuracies of other pages.
    cite : str
        Where it was defined.
    better : {"higher", "lower", ""}
        Which values are better; "" where neither are.
    limits : (float, float)
        Range of possible values.
    of : {"labelled", "clips", "pairs", "classes", "models"}
        What it is computed over: clips with a class, all clips, all clips of two spaces, classes, or models.
    source : type of Spec
        The task whose result holds it.
    get : str or callable
        Where that result has it, as ``field`` or ``field/key``, or a function ``get(result, space, k)`` that
        returns it, with its interval if it has one.
    compute : str
        The function of `core` that `Measured` runs, as ``module:name``.
    group : str
        Title above its column in the score table; "" where it has no column.
    head : str
        Title of the column, where it is not `title`; ``{k}`` stands for the neighbours that vote,
        ``{around}`` for those of the intrinsic dimension.
    form : {"figures", "signed", "percent", "hundredths", "tenths"}
        How it is written in the score table.
    bold : bool
        Whether the best of the column is bold.
    accuracy : bool
        Whether it is an accuracy, which the other measures may predict.
    variant : bool
        Whether it is a variant of another row, which predicts nothing and is not printed.
    column, short : str
        Name in the CSV of scores and in ``hearspace measure``, where that is not `name`.
    """

    name: str
    title: str
    axis: str = ""
    about: str = ""
    cite: str = ""
    better: str = ""
    limits: tuple[float, float] = (-math.inf, math.inf)
    of: str = "labelled"
    source: type[Spec[Any]] = Measured
    get: str | Callable[[Any, EmbedAudio, int], Interval | float | None] = "number"
    compute: str = ""
    group: str = ""
    head: str = ""
    form: str = "figures"
    bold: bool = False
    accuracy: bool = False
    variant: bool = False
    column: str = ""
    short: str = ""

    @property
    def axis_title(self) -> str:
        """Title of an axis, with the direction that is better, or the range of an accuracy."""
        axis = self.axis or self.title
        if self.accuracy:
            return f"{axis}, 0 to 1"
        return f"{axis}, {self.better} is better" if self.better else axis

    def spec(self, embedding: EmbedAudio, labels: str) -> Spec:
        """Return the spec of the result that holds it, for a measure of a space and its labels alone."""
        if self.source is EmbedAudio:
            return embedding
        fields: dict[str, Any] = {"embedding": embedding, "labels": labels}
        return self.source(**fields, **({"measure": self.name} if self.source is Measured else {}))

    def read(self, result: Any, space: EmbedAudio, k: int = 0) -> Interval:
        """Return the number from the result that holds it; an interval of no clips where it is not defined.

        The ends are NaN for a number without an interval; its n is then 1.
        """
        if isinstance(self.get, str):
            name, _, key = self.get.partition("/")
            number = getattr(result, name).get(key) if key else getattr(result, name)
        else:
            number = self.get(result, space, k)
        if isinstance(number, Interval):
            return number
        return NOTHING if number is None or math.isnan(number) else Interval(float(number), NAN, NAN, 1)

    def read_stored(self, cache: ArtifactStore, embedding: EmbedAudio, labels: str) -> Interval:
        """Return the number from the cache, as `read`; an interval of no clips where it is not computed."""
        spec = self.spec(embedding, labels)
        return self.read(spec.read(cache), embedding) if cache.contains(spec.key) else NOTHING


def _silhouette(metric: str) -> Callable[..., Interval]:
    def get(result: Any, space: EmbedAudio, k: int) -> Interval:
        samples = result.silhouette(metric)
        return mean_interval(samples[np.isfinite(samples)], low=-1, high=1)

    return get


def _classifier(name: str) -> Callable[..., Interval]:
    def get(result: Any, space: EmbedAudio, k: int) -> Interval:
        if result.unseen == result.n_clips:
            return NOTHING
        return share_interval(round(result.accuracy[name] * result.n_clips), result.n_clips)

    return get


def _nngs(result: Any, space: EmbedAudio, k: int) -> float:
    at = np.flatnonzero(result.ks == k)
    return float(result.jaccard[at[0]]) if len(at) else NAN


def _overlap(result: Any, space: EmbedAudio, k: int) -> float:
    from core.similarity import largest_overlap

    return largest_overlap(result.ks, result.overlap, result.n).adjusted


def _map(result: Any, space: EmbedAudio, k: int) -> Interval:
    stored = result.macro["map@15"]
    value, low, high = (NAN if (v := stored[name]) is None else v for name in ("value", "low", "high"))
    return Interval(value, low, high, result.n_queries)


def _held_out(result: Any, space: EmbedAudio, k: int) -> Interval:
    models = result.artifact.table("models").to_pandas()
    row = models[models["model"] == int(space.run.partition("_")[2])].iloc[0]
    if row["failed"]:
        return NOTHING
    value, low, high = (float(row[name]) for name in ("accuracy", "accuracy_low", "accuracy_high"))
    return Interval(value, low, high, int(row["n_test"]))


def _two_towers(result: Any, space: EmbedAudio, k: int) -> Interval:
    return Interval(result.accuracy, result.low, result.high, result.n)


def _analogy(name: str) -> Callable[..., Interval]:
    # Analogies share classes, so that no interval is known.
    return lambda result, space, k: Interval(getattr(result, name), NAN, NAN, result.n)


def _projected(result: Any, space: EmbedAudio, k: int) -> Interval:
    """Return the mean accuracy of models; the interval is over blocks, whose models share test classes."""
    models = result.artifact.table("models").to_pandas()
    models = models[(models["failed"] == "") & models["accuracy"].notna()]
    if not len(models):
        return NOTHING
    blocks = mean_interval(models["accuracy"].groupby(models["block"]).mean().to_numpy(), low=0, high=1)
    return Interval(float(models["accuracy"].mean()), blocks.low, blocks.high, blocks.n)


_TAVARES = "Tavares et al., *On class separability pitfalls in audio-text contrastive zero-shot learning*"
_APART = "classes stand apart"
_silhouettes = partial(
    Measure,
    better="higher",
    limits=(-1, 1),
    source=Separability,
    cite="Rousseeuw 1987",
    group=_APART,
    head="silhouette, −1 to 1",
    form="signed",
    bold=True,
)
_NEARER = "how much nearer a clip is to its own class than to the next one, in the mean over clips"
_accuracy = partial(Measure, accuracy=True, better="higher", limits=(0, 1), of="clips")
_unseen = partial(
    _accuracy, source=Baselines, of="labelled", group="accuracy on unseen clips", form="percent", bold=True
)
# d is the cosine distance of two clips.
_property = partial(
    Measure,
    better="lower",
    limits=(0, math.inf),
    source=Separability,
    cite="Almudévar et al., *Angular distance distribution loss for audio classification*, section 3.2",
    group="four properties, lower is better",
)
_shape = partial(
    Measure, of="clips", source=Separability, limits=(0, math.inf), group="shape of the space", form="tenths"
)
_pair = partial(Measure, of="pairs", source=Agreement, limits=(-math.inf, 1))

_ROWS = (
    _silhouettes(
        name="silhouette",
        title="silhouette",
        axis="cosine silhouette, −1 to 1",
        about=_NEARER,
        get=_silhouette("cosine"),
        column="silhouette_cosine",
        short="silhouette",
    ),
    *(
        _silhouettes(
            name=f"silhouette_{metric}",
            title=f"{name} silhouette",
            about=f"{_NEARER}, by the {name} distance",
            get=_silhouette(metric),
            column=f"silhouette_{metric}",
            variant=True,
        )
        for metric, name in (("euclidean", "Euclidean"), ("sqeuclidean", "squared Euclidean"))
    ),
    Measure(
        name="davies_bouldin",
        title="Davies–Bouldin index",
        axis="Davies–Bouldin index, from 0",
        about="width of a class over its distance to the most similar class, in the mean over classes; of "
        "unit vectors",
        cite="Davies & Bouldin 1979",
        better="lower",
        limits=(0, math.inf),
        compute="core.separability.indices:davies_bouldin",
        group=_APART,
        form="hundredths",
        bold=True,
    ),
    Measure(
        name="calinski_harabasz",
        title="Calinski–Harabasz index",
        axis="Calinski–Harabasz index, from 0",
        about="variance between classes over the variance within them, each over its degrees of freedom; of "
        "unit vectors",
        cite="Caliński & Harabasz 1974",
        better="higher",
        limits=(0, math.inf),
        compute="core.separability.indices:calinski_harabasz",
        group=_APART,
        form="tenths",
        bold=True,
    ),
    _unseen(
        name="knn",
        title="kNN accuracy",
        about="share of clips whose class most of their nearest clips in the other folds have",
        cite="Cover & Hart 1967",
        get=_classifier("knn"),
        head="{k} nearest clips",
        column="knn_accuracy",
        short="knn",
    ),
    _unseen(
        name="probe",
        title="linear probe accuracy",
        about="share of clips whose class a linear classifier trained on the other folds predicts",
        cite="Alain & Bengio 2016",
        get=_classifier("probe"),
        head="linear probe",
        column="probe_accuracy",
        short="probe",
    ),
    _property(
        name="intra_class_clustering",
        short="mu_p",
        title="intra-class clustering",
        axis="mean of d² within classes",
        about="0 if each class is one direction",
        get="properties/intra_class_clustering",
    ),
    _property(
        name="intra_class_equidistance",
        short="sigma_p",
        title="intra-class equidistance",
        axis="deviation of d² within classes",
        about="0 if all clips of a class are equally far apart",
        get="properties/intra_class_equidistance",
    ),
    _property(
        name="inter_class_separation",
        short="mu_n",
        title="inter-class separation",
        axis="mean of (1 − d)² between classes",
        about="0 if clips of different classes are at right angles",
        get="properties/inter_class_separation",
    ),
    _property(
        name="inter_class_equidistance",
        short="sigma_n",
        title="inter-class equidistance",
        axis="deviation of (1 − d)² between classes",
        about="0 if clips of different classes are equally far apart",
        get="properties/inter_class_equidistance",
    ),
    _shape(
        name="hubness",
        title="hubness",
        axis=f"skewness of {HUB_K}-occurrence",
        about="skewness of how often a clip is among the ten nearest of others; above 0, a few clips are in "
        "everyone's neighbourhood",
        cite="Radovanović et al. 2010, *JMLR* 11",
        better="lower",
        limits=(-math.inf, math.inf),
        get=f"hubness/{HUB_K}",
        head=f"hubness, k = {HUB_K}",
        form="hundredths",
        column=f"hubness_{HUB_K}",
        short=f"hubness@{HUB_K}",
    ),
    _shape(
        name="intrinsic",
        title="intrinsic dimension",
        about=f"number of directions around a clip, from the distances to its {DIMENSION_K} nearest, or to "
        "all others of a smaller space",
        cite="Levina & Bickel 2004",
        get="intrinsic_dimension",
        head="intrinsic dimension, k = {around}",
        column="intrinsic_dimension",
    ),
    _shape(
        name="effective",
        title="effective rank",
        about="number of directions that the space as a whole uses; at most d",
        cite="Roy & Vetterli 2007",
        get="effective_rank",
        column="effective_rank",
    ),
    Measure(
        name="dimensions",
        title="number of dimensions",
        about="length of an embedding",
        limits=(1, math.inf),
        of="clips",
        source=EmbedAudio,
        get=lambda result, space, k: result.embeddings.shape[1],
    ),
    _pair(
        name="overlap",
        title="topological similarity S",
        axis="topological similarity with {}<br>above chance, 1 is the same",
        about="largest share of neighbours that two spaces have in common, over k up to a fifth of the clips "
        "or classes, above chance",
        cite=_TAVARES,
        get=_overlap,
    ),
    _pair(
        name="nngs",
        title="NNGS",
        axis="NNGS at k = {k} with {}, 0 to 1",
        about="mean Jaccard index of the k nearest neighbours in two spaces",
        cite="first abstract of Tavares et al.",
        limits=(0, 1),
        get=_nngs,
    ),
    *(
        _pair(
            name=name,
            title=f"CKA, {kernel}",
            axis=f"{kernel} CKA, debiased, with {{}}<br>1 is the same",
            about=f"similarity of all distances in two spaces, by the {kernel} kernel",
            cite="Kornblith et al. 2019",
            get=f"cka/{form}",
        )
        for name, kernel, form in (("cka", "linear", "linear_debiased"), ("cka_rbf", "RBF", "rbf_debiased"))
    ),
    _accuracy(name="map@15", title="MAP@15", source=Retrieval, get=_map),
    _accuracy(
        name="held_out", title="zero-shot accuracy, held-out classes", source=ContrastiveGrid, get=_held_out
    ),
    _accuracy(
        name="two_towers",
        title="zero-shot accuracy, all classes",
        source=ZeroShotClassification,
        get=_two_towers,
    ),
    *(
        _accuracy(name=name, title=title, of="classes", source=ClassAnalogies, get=_analogy(field))
        for name, title, field in (
            ("analogy", "analogy accuracy, own texts", "analogy_pair"),
            ("analogy_released", "analogy accuracy as released, own texts", "analogy_released"),
        )
    ),
    _accuracy(
        name="projected",
        title="zero-shot accuracy, trained projections",
        of="models",
        source=ZeroShotGrid,
        get=_projected,
    ),
)

#: Every measure by name, in the order in which they are shown.
MEASURES: dict[str, Measure] = {m.name: m for m in _ROWS}


def describe() -> str:
    """Return the measures of a space as a Markdown table, which ``docs/separability.md`` holds."""
    lines = ["| number | in links and `measure` | values | better | what it is |", "|---|---|---|---|---|"]
    for m in MEASURES.values():
        if m.about:
            names = dict.fromkeys(f"`{name}`" for name in (m.name, m.short or m.column or m.name))
            low, high = ("…" if math.isinf(end) else f"{end:g}".replace("-", "−") for end in m.limits)
            cells = (m.title, ", ".join(names), f"{low} to {high}", m.better or "–", m.about)
            lines.append(f"| {' | '.join(cells)}{f' ({m.cite})' if m.cite else ''} |")
    return "\n".join(lines) + "\n"


def run(spec: Measured, context: JobContext) -> Result:
    """Compute one number of a space by the function that its row names.

    A number of classes is computed over the clips with a class; with fewer than two classes it is None.
    """
    from jobs.tasks.labels import labelled

    measure = MEASURES[spec.measure]
    space = labelled(spec.embedding, spec.labels, context)
    X: np.ndarray = np.asarray(space.X)
    module, _, name = measure.compute.partition(":")
    function = getattr(import_module(module), name)
    if measure.of != "labelled":
        context.progress(0, 1, f"{measure.title} of {len(X):,} clips")
        return Result(number=finite(function(X)), n=len(X))
    named = space.labels != ""
    X, labels = X[named], space.labels[named].astype(str)
    context.progress(0, 1, f"{measure.title} of {len(X):,} clips")
    number = function(X, labels) if len(np.unique(labels)) > 1 else NAN
    return Result(number=finite(number), n=len(X))
