"""Embed one query from outside a dataset: an uploaded sound or a typed text."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from jobs import encoders
from jobs.tasks.schema import Schema, array, value
from jobs.tasks.spec import Spec, SpecError, between

if TYPE_CHECKING:
    from jobs.engine.context import JobContext

#: Seconds of sound that a query may have, unless it says otherwise.
QUERY_SECONDS = 60.0
#: Characters that a typed query may have.
QUERY_CHARACTERS = 1000


class Result(Schema):
    """The embedding of a query; its frames where it is a sound and the encoder has them."""

    embeddings: np.ndarray = array("float32", "1 d", "the embedding")
    frames: np.ndarray | None = array("float32", "m d", "its frames", default=None)
    offsets: np.ndarray | None = array("int64", "2", "0 and the number of frames", default=None)
    encoder: str = value("name of the encoder")
    identity: str = value("what the name stands for")
    modality: str = value("audio or text")
    dimensions: int = value("length of the embedding")
    frame_level: bool = value("whether there are frames")
    duration: float | None = value("of the sound in s")


@dataclass(frozen=True, kw_only=True)
class EmbedQuery(Spec[Result]):
    """Embed one uploaded sound or one typed text, to search a dataset with it."""

    VERSION: ClassVar[int] = 2  # what a file holds is decoded to its end
    AWAITED: ClassVar[bool] = True

    encoder: str
    #: SHA-256 of the uploaded file, which `jobs.workspace.uploads.save` put into the workspace, and its
    #: name's ending.
    upload: str = ""
    suffix: str = ""
    text: str = ""
    max_seconds: float = QUERY_SECONDS
    identity: str = ""

    def __post_init__(self) -> None:
        text = " ".join(self.text.split())
        object.__setattr__(self, "text", text)
        if bool(text) == bool(self.upload):
            raise SpecError("A query is an uploaded sound or a text: give one of upload and text.")
        if len(text) > QUERY_CHARACTERS:
            raise SpecError(
                f"The text has {len(text):,} characters; a query may have {QUERY_CHARACTERS:,}: shorten it."
            )
        if text:
            # What a text does not have must not split its key.
            object.__setattr__(self, "suffix", "")
            object.__setattr__(self, "max_seconds", QUERY_SECONDS)
        elif not re.fullmatch("[0-9a-f]{64}", self.upload) or not re.fullmatch(
            r"\.[a-z0-9]{1,5}", self.suffix
        ):
            raise SpecError(
                f"upload is {self.upload!r} and suffix {self.suffix!r}; they must be what an upload gave."
            )
        between("max_seconds", self.max_seconds, 0.1, 3600)
        if not self.identity:
            modality = self.modality
            object.__setattr__(self, "encoder", encoders.canonical(self.encoder, modality=modality))
            object.__setattr__(self, "identity", encoders.identity(self.encoder, modality=modality))

    @property
    def modality(self) -> Literal["audio", "text"]:
        """What the query is."""
        return "text" if self.text else "audio"

    @property
    def title(self) -> str:
        what = (
            f"“{self.text[:40]}{'…' * (len(self.text) > 40)}”"
            if self.text
            else f"the uploaded sound {self.upload[:6]}"
        )
        return f"embed {what} with {encoders.short(self.encoder)}"


def run(spec: EmbedQuery, context: JobContext) -> Result:
    """Compute `EmbedQuery`.

    Raises
    ------
    ValueError
        With one sentence: the file is gone, too large, too long, silent or no sound; the encoder is not
        available, has changed, or gives no finite embedding.
    """
    from jobs.tasks.embed_audio import check_identity

    check_identity(spec, spec.modality)
    duration = None
    if spec.text:
        context.progress(0, 1, f"loading {spec.encoder}")
        text_model = encoders.load(spec.encoder, modality="text")
        vectors, frame_level = np.asarray(text_model.embed([spec.text]), dtype=np.float32), False  # (1, d)
    else:
        context.progress(0, 1, "reading the sound")
        waveform, rate = _sound(spec, context)
        duration = len(waveform) / rate
        context.progress(0.1, 1, f"loading {spec.encoder}")
        model = encoders.load(spec.encoder, modality="audio")
        from jobs.sound.files import resample

        embedded = model.embed([resample(waveform, rate, model.sample_rate)])[0]
        vectors, frame_level = np.asarray(embedded, dtype=np.float32), model.frame_level  # (m, d)
    if not np.isfinite(vectors).all():
        raise ValueError(
            f"Encoder {spec.encoder} gave values that are not finite numbers; try another encoder."
        )
    return Result(
        embeddings=vectors.mean(axis=0, dtype=np.float64, keepdims=True).astype(np.float32),
        frames=vectors if frame_level else None,
        offsets=np.array([0, len(vectors)], dtype=np.int64) if frame_level else None,
        encoder=spec.encoder,
        identity=spec.identity,
        modality=spec.modality,
        dimensions=int(vectors.shape[1]),
        frame_level=frame_level,
        duration=duration,
    )


def _sound(spec: EmbedQuery, context: JobContext) -> tuple[np.ndarray, int]:
    """Read an upload, at its own rate; no more of it than is needed to see that it is too long."""
    from jobs.workspace import uploads

    path = uploads.path(context.workspace.root, spec.upload, spec.suffix)
    try:
        if path.stat().st_size > uploads.MAX_BYTES:
            raise ValueError(f"The uploaded file is larger than {uploads.MAX_TEXT}; cut it or compress it.")
        with path.open("rb") as file:
            same = hashlib.file_digest(file, "sha256").hexdigest() == spec.upload
    except OSError:
        same = False
    if not same:
        raise ValueError("The uploaded file is no longer in the workspace; upload it again.")
    try:
        return uploads.sound(path, spec.max_seconds)
    except uploads.UploadError as error:
        what = "sound" if error.__cause__ is None else "file"
        raise ValueError(f"The uploaded {what} {error}") from None
