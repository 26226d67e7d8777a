"""Classes as pairs of sounds and texts: how often the one leads to the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from jobs.tasks.embed_audio import EmbedAudio
from jobs.tasks.embed_text import EmbedText
from jobs.tasks.schema import Schema, table, value
from jobs.tasks.spec import Spec, SpecError

if TYPE_CHECKING:
    import pyarrow as pa

    from jobs.engine.context import JobContext


class Result(Schema):
    """Shares of right answers of n classes, and what chance gives."""

    classes: pa.Table = table("n", "a class", {"id": ("string", "its name")})
    n: int = value("classes")
    match: float = value("share whose own text is nearest to the mean of their sounds, by cosine")
    match_chance: float = value("the same by chance, and of the two analogies after the first")
    analogy_pair: float = value("share of analogies that are right by the offset of one class")
    analogy_mean: float = value("share that is right by the mean offset")
    analogy_released: float = value("share that is right as the NNGS paper's notebooks count")
    analogy_chance: float = value("the first of these by chance")
    offsets: int = value("classes whose offsets were used")


@dataclass(frozen=True, kw_only=True)
class ClassAnalogies(Spec[Result]):
    """How often the sounds of a class lead to its text: by nearness and by vector offsets.

    A class is a pair: the mean of the embeddings of its clips (`core.splits.class_centroids`), and the
    embedding of its text, of the two towers of one model. Classes that both spaces hold take part. The shares
    are those of `core.similarity.match_accuracy` and `core.similarity.analogy_accuracy`.
    """

    VERSION: ClassVar[int] = 2

    sounds: EmbedAudio
    texts: EmbedText
    #: `Dataset.labels_fingerprint`.
    labels: str

    def __post_init__(self) -> None:
        if not isinstance(self.sounds, EmbedAudio) or not isinstance(self.texts, EmbedText):
            raise TypeError(f"sounds is {self.sounds!r} and texts {self.texts!r}")
        if self.texts.of == "caption":
            raise SpecError("Captions are texts of clips; classes need those of labels or descriptions.")
        if self.texts.dataset.fingerprint != self.sounds.dataset.fingerprint:
            raise SpecError(
                f"The sounds are of {self.sounds.dataset.name} and the texts of {self.texts.dataset.name}; "
                "both must be of the same dataset."
            )

    @property
    def title(self) -> str:
        texts = f"{self.texts.model} {self.texts.texts_title}"
        return f"analogies of classes in {self.sounds.dataset.name} · {self.sounds.model} and {texts}"


def run(spec: ClassAnalogies, context: JobContext) -> Result:
    """Compute `ClassAnalogies`.

    Raises
    ------
    ValueError
        With one sentence: labels have changed, sounds and texts are not in one space, or they have fewer than
        three classes in common.
    """
    from core.similarity import analogy_accuracy, match_accuracy
    from jobs.importing.pairs import given_of
    from jobs.tasks.agreement import class_rows, shared_rows

    context.progress(0, 1, "classes")
    sounds = class_rows(spec.sounds, spec.labels, context)
    texts = class_rows(spec.texts, spec.labels, context)
    widths = sounds[1].shape[1], texts[1].shape[1]
    if widths[0] != widths[1]:
        raise ValueError(
            f"{spec.sounds.encoder} embeds sounds in {widths[0]} dimensions and {spec.texts.encoder} texts "
            f"in {widths[1]}; they must be the two towers of one model, such as CLAP."
        )
    ids, X, Y = shared_rows(sounds, texts)
    n = len(ids)
    if n < 3:
        raise ValueError(f"Sounds and texts have {n} classes in common; analogies need three or more.")
    given = given_of(n)
    context.progress(0.2, 1, "analogies")
    return Result(
        classes={"id": ids},
        n=n,
        match=match_accuracy(X, Y),
        match_chance=1 / n,
        analogy_pair=analogy_accuracy(X, Y, given=given),
        analogy_mean=analogy_accuracy(X, Y, offset="mean"),
        analogy_released=analogy_accuracy(X, Y, offset="released", given=given),
        analogy_chance=1 / (n - 1),
        offsets=n if given is None else len(given),
    )
