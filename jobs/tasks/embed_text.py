"""Embed the names, descriptions or captions of a dataset."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from jobs import encoders
from jobs.engine import shards
from jobs.tasks.embed_audio import check_identity, check_source, whole
from jobs.tasks.schema import Schema, array, table, value
from jobs.tasks.spec import DatasetRef, Spec, SpecError

if TYPE_CHECKING:
    import pyarrow as pa

    from jobs.engine.context import JobContext

_TEXTS = 256


class Result(Schema):
    """An embedding a text."""

    embeddings: np.ndarray = array("float32", "n d", "an embedding of every text")
    texts: pa.Table = table(
        "n",
        "a text",
        {
            "id": ("string", "the class of a name or description, the clip of a caption"),
            "text": ("string", "the text with the sentence around it"),
        },
    )
    dataset: str = value("name of the dataset")
    encoder: str = value("name of the encoder")
    identity: str = value("what the name stands for")
    of: str = value("whether texts are of a label, a description or a caption")
    n_texts: int = value("texts")
    dimensions: int = value("length of an embedding")
    seconds: float | None = value("time of embedding, interruptions left out", default=None)

    @property
    def ids(self) -> list[str]:
        """What the texts are of, in order of the rows."""
        return self.column("texts", "id")


@dataclass(frozen=True, kw_only=True)
class EmbedText(Spec[Result]):
    """Embed the names, descriptions or captions of a dataset by a text encoder."""

    LATER: ClassVar[frozenset[str]] = frozenset({"source", "run"})

    dataset: DatasetRef
    #: Fingerprint of the texts, which can change while the sounds stay.
    texts: str
    encoder: str
    of: str = "label"
    template: str = "{}"
    identity: str = ""
    #: As of `EmbedAudio`.
    source: Spec | None = None
    run: str = ""

    def __post_init__(self) -> None:
        check_source(self)
        if self.of not in ("label", "description", "caption"):
            raise SpecError(
                f"The texts to embed are {self.of!r}; they must be 'label', 'description' or 'caption'."
            )
        if self.template.count("{}") != 1:
            raise SpecError(f"template is {self.template!r}; it must hold {{}} once, where the text goes.")
        if not self.identity:
            object.__setattr__(self, "encoder", encoders.canonical(self.encoder, modality="text"))
            object.__setattr__(self, "identity", encoders.identity(self.encoder, modality="text"))

    @property
    def model(self) -> str:
        """The encoder as people call it: a model in a folder by the folder's name."""
        return encoders.short(self.encoder)

    @property
    def texts_title(self) -> str:
        """The texts as people call them, with the sentence around them."""
        return f"{self.of}s" + ("" if self.template == "{}" else f" in “{self.template}”")

    @property
    def title(self) -> str:
        return f"embed the {self.texts_title} of {self.dataset.name} with {self.model}"


def run(spec: EmbedText, context: JobContext) -> None:
    """Compute `EmbedText`: an embedding of every class name, description or caption.

    Raises
    ------
    ValueError
        With one sentence: the texts or the encoder have changed or are not available, or a text has no
        finite embedding.
    """
    from jobs.workspace.texts import texts_fingerprint, texts_of

    if spec.source is not None:
        from jobs.tasks.trained import trained_text

        return trained_text(spec, context)
    check_identity(spec, "text")
    dataset = context.workspace.dataset_for(spec.dataset)
    table = texts_of(dataset, spec.of)
    if texts_fingerprint(table) != spec.texts:
        raise ValueError(
            f"The {spec.of}s of {dataset.name} have changed since this was asked for; ask again."
        )
    texts = [spec.template.replace("{}", text) for text in table["text"]]
    n = len(texts)
    starts = range(0, n, _TEXTS)
    paths = [context.checkpoint / f"texts-{a:08d}.npz" for a in starts]
    todo = [i for i, path in enumerate(paths) if shards.load(path, ("embeddings", "seconds")) is None]
    done = n - sum(len(texts[starts[i] : starts[i] + _TEXTS]) for i in todo)
    context.progress(done, n, f"loading {spec.encoder}" if todo else "storing")
    model = encoders.load(spec.encoder, modality="text") if todo else None
    for i in todo:
        started = time.perf_counter()
        part = texts[starts[i] : starts[i] + _TEXTS]
        assert model is not None
        embeddings = np.asarray(model.embed(part), dtype=np.float32)
        if embeddings.shape != (len(part), model.dimensions):
            raise ValueError(
                f"Encoder {spec.encoder} gave an array of shape {embeddings.shape} for {len(part)} texts; it "
                f"must be ({len(part)}, {model.dimensions})."
            )
        bad = np.flatnonzero(~np.isfinite(embeddings).all(axis=1))
        if len(bad):
            raise ValueError(f"Encoder {spec.encoder} gave no finite embedding for {part[bad[0]]!r}.")
        shards.save(paths[i], embeddings=embeddings, seconds=time.perf_counter() - started)
        done += len(part)
        context.progress(done, n, f"{done:,} of {n:,} texts")

    heads = [whole(path, ("embeddings", "seconds")) for path in paths]
    with context.writer() as w:
        seconds = float(sum(h["seconds"] for h in heads))
        embeddings = np.concatenate([h["embeddings"] for h in heads])  # (n, d): texts are few beside sounds
        w.array("embeddings", embeddings)
        w.table("texts", {"id": list(table["id"]), "text": texts})
        w.seconds = seconds
        w.meta.update(
            dataset=dataset.name,
            encoder=spec.encoder,
            identity=spec.identity,
            of=spec.of,
            n_texts=n,
            dimensions=int(embeddings.shape[1]),
            seconds=seconds,
        )
