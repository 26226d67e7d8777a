"""Sounds and texts of one model as paired embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jobs.specs.base import Spec, SpecError
from jobs.specs.spaces import EmbedAudio, EmbedText


@dataclass(frozen=True, kw_only=True)
class ClassAnalogies(Spec):
    """How often a class is found among the texts from its sounds: by nearness and by vector offsets.

    A class is a pair: the mean of the embeddings of its clips (`core.splits.class_centroids`), and the
    embedding of its text, of the two towers of one model. Classes that both spaces hold take part.

    Result: ``classes.parquet`` (``id``), in order. In ``meta``: ``n`` classes; ``match``, the share of those
    whose own text is nearest to the mean of their sounds (`core.similarity.match_accuracy`, cosine), and
    ``match_chance``; ``analogy_pair``, ``analogy_mean`` and ``analogy_released``, the share of analogies
    that are right by the offset of one class, by the mean offset and as the NNGS paper's notebooks count them
    (`core.similarity.analogy_accuracy`); ``analogy_chance`` of the first, that of the other two being
    ``match_chance``; and ``offsets``, of how many classes they were.
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
