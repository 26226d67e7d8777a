"""Classify the clips of a dataset by a model of two towers: each is of the class whose text is nearest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from jobs.tasks.embed_audio import EmbedAudio
from jobs.tasks.embed_text import EmbedText
from jobs.tasks.schema import Schema, array, table, value
from jobs.tasks.spec import Spec, SpecError, unusual

if TYPE_CHECKING:
    import pyarrow as pa

    from jobs.engine.context import JobContext


class Result(Schema):
    """Predicted classes of the clips; C classes, sorted; intervals are Wilson's, 95%."""

    predictions: pa.Table = table(
        "n",
        "a clip, in the order of the space",
        {
            "clip_id": ("string", "its id"),
            "label": ("string", "its class"),
            "predicted": ("string", "class whose text is nearest"),
            "score": ("float", "cosine with that text"),
            "own_score": ("float", "cosine with the text of its own class"),
        },
    )
    classes: pa.Table = table(
        "C",
        "a class",
        {
            "label": ("string", "its name"),
            "text": ("string", "its text by the first prompt"),
            "n_clips": ("int64", "its clips"),
            "accuracy": ("double", "share of them that are right; NaN without clips"),
            "n_predicted": ("int64", "clips that were predicted as it"),
        },
    )
    confusion: np.ndarray = array("int64", "C C", "clips by class (row) and prediction (column)")
    accuracy: float = value("share of clips that are right")
    low: float = value("lower end of its interval")
    high: float = value("upper end of its interval")
    balanced: float = value("mean accuracy over classes")
    chance: float = value("1/C")
    n: int = value("clips")
    n_classes: int = value("C")
    prompts: list[str] = value("the sentences around the texts")
    left_out: dict[str, int] = value(
        "clips ``without_class``, ``of_several_classes``, ``of_other_classes``, ``not_finite``"
    )


@dataclass(frozen=True, kw_only=True)
class ZeroShotClassification(Spec[Result]):
    """Classify the clips of a dataset by the text nearest to each: a model of two towers as it is.

    The class of a clip is that of the text with the largest cosine; several prompts count by the mean of
    their unit vectors. Clips of no class, of several or without a finite embedding are left out.
    """

    embedding: EmbedAudio
    #: The classes by the same model's text tower, one space a prompt.
    texts: tuple[EmbedText, ...]
    #: `Dataset.labels_fingerprint`.
    labels: str
    #: Classes to choose from; () for all that have a clip.
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.embedding, EmbedAudio):
            raise TypeError(f"embedding is {self.embedding!r}")
        if not self.texts or not all(isinstance(text, EmbedText) for text in self.texts):
            raise SpecError("texts must hold at least one embedding of the names of the classes.")
        for text in self.texts:
            if text.of == "caption":
                raise SpecError("Captions are texts of clips; classes need those of labels or descriptions.")
            if text.dataset.fingerprint != self.embedding.dataset.fingerprint:
                raise SpecError(
                    f"The sounds are of {self.embedding.dataset.name} and the texts of {text.dataset.name}; "
                    "both must be of the same dataset."
                )
        if len({text.key for text in self.texts}) < len(self.texts):
            raise SpecError("A prompt is given twice; give each once.")
        if len(set(self.classes)) < len(self.classes) or len(self.classes) == 1:
            raise SpecError("classes must hold at least 2, each once, or none for all.")
        object.__setattr__(self, "classes", tuple(sorted(map(str, self.classes))))

    def inputs(self) -> tuple[Spec, ...]:
        return (*super().inputs(), *self.texts)

    @property
    def title(self) -> str:
        prompts = ", ".join(f"“{text.template}”" for text in self.texts[:3])
        more = f" and {len(self.texts) - 3} more" if len(self.texts) > 3 else ""
        return (
            f"classify {self.embedding.dataset.name} by {self.embedding.model} and {self.texts[0].of}s "
            f"({prompts}{more}){unusual(self)}"
        )


def run(spec: ZeroShotClassification, context: JobContext) -> Result:
    """Compute `ZeroShotClassification`.

    Raises
    ------
    ValueError
        With one sentence: labels have changed, sounds and texts are not in one space, a class has no text, or
        no clip is left.
    """
    from core.statistics import share_interval
    from core.zeroshot import zero_shot

    context.progress(0, 1, "classifying")
    clips = _read(spec, context)
    prompts = [_texts(text, clips.classes, context) for text in spec.texts]
    d, d_text = clips.X.shape[1], prompts[0][1].shape[1]
    if d != d_text:
        raise ValueError(
            f"{spec.embedding.encoder} embeds sounds in {d} dimensions and {spec.texts[0].encoder} texts in "
            f"{d_text}; they must be the two towers of one model, such as CLAP."
        )
    result = zero_shot(clips.X, np.stack([vectors for _, vectors in prompts]), clips.labels, clips.classes)
    n = len(clips.ids)
    share = share_interval(int((result.predictions == result.targets).sum()), n)
    return Result(
        predictions={
            "clip_id": clips.ids,
            "label": clips.labels,
            "predicted": np.array(clips.classes, dtype=object)[result.predictions],
            "score": result.scores[np.arange(n), result.predictions],
            "own_score": result.own_scores,
        },
        classes={
            "label": clips.classes,
            "text": prompts[0][0],
            "n_clips": result.confusion.sum(axis=1),
            "accuracy": result.by_class,
            "n_predicted": result.confusion.sum(axis=0),
        },
        confusion=result.confusion,
        accuracy=share.value,
        low=share.low,
        high=share.high,
        balanced=result.macro_accuracy,
        chance=result.chance,
        n=n,
        n_classes=len(clips.classes),
        prompts=[text.template for text in spec.texts],
        left_out=clips.left_out,
    )


class _Clips(NamedTuple):
    """The n clips of exactly one class each, and the classes to choose from."""

    ids: np.ndarray
    X: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    left_out: dict[str, int]


def _read(spec: ZeroShotClassification, context: JobContext) -> _Clips:
    from jobs.presets import of_several_classes
    from jobs.tasks.labels import dataset_with, labelled

    space = labelled(spec.embedding, spec.labels, context)
    dataset = dataset_with(spec.labels, spec.embedding, context.workspace)
    ambiguous = dataset.clips["clip_id"][of_several_classes(dataset.clips)].to_numpy(str)
    ids = np.array(space.clip_ids, dtype=object)
    labels = space.labels.astype(str)
    several = np.isin(ids.astype(str), ambiguous)
    nameless = labels == ""
    single = ~nameless & ~several
    wanted = np.isin(labels, spec.classes) | (not spec.classes)
    finite = np.isfinite(space.X).all(axis=1)
    kept = np.flatnonzero(single & wanted & finite)
    if not len(kept):
        raise ValueError(
            f"No clip of {dataset.name} has exactly one class{' of those asked for' if spec.classes else ''} "
            "and an embedding; there is nothing to classify."
        )
    classes = spec.classes or tuple(sorted(set(labels[kept])))
    if len(classes) < 2:
        raise ValueError(f"The clips of {dataset.name} are all {classes[0]!r}; there is nothing to choose.")
    left_out = {
        "without_class": nameless,
        "of_several_classes": several & ~nameless,
        "of_other_classes": single & ~wanted,
        "not_finite": single & wanted & ~finite,
    }
    counts = {why: int(clips.sum()) for why, clips in left_out.items()}
    return _Clips(ids[kept], space.X[kept], labels[kept], classes, counts)


def _texts(spec: EmbedText, classes: tuple[str, ...], context: JobContext) -> tuple[list[str], np.ndarray]:
    """Return the texts of classes and their embeddings, in order."""
    embedded = context.read(spec)
    texts = embedded.texts.to_pandas().set_index("id")["text"].astype(str)
    rows = texts.index.get_indexer(list(classes))
    if (rows < 0).any():
        label = classes[int(np.argmin(rows))]
        raise ValueError(
            f"{label!r} has no {spec.of} among the texts of {spec.encoder}; embed names instead."
        )
    return texts.iloc[rows].tolist(), np.asarray(embedded.embeddings[rows])
