"""Embed one query from outside a dataset: an uploaded sound or a typed text."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from jobs import encoders
from jobs.specs import EmbedQuery
from jobs.workspace import uploads

if TYPE_CHECKING:
    from jobs.engine.context import JobContext


def embed_query(spec: EmbedQuery, context: JobContext) -> None:
    """Compute `EmbedQuery`.

    Raises
    ------
    ValueError
        With one sentence: the file is gone, too large, too long, silent or no sound; the encoder cannot be
        had, has changed, or gives no finite embedding.
    """
    now = encoders.identity(spec.encoder, modality=spec.modality)
    if now != spec.identity:
        raise ValueError(
            f"Encoder {spec.encoder} has changed since this was asked for (from {spec.identity} to {now}); "
            "ask again."
        )
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
    with context.writer() as w:
        w.array("embeddings", vectors.mean(axis=0, dtype=np.float64, keepdims=True).astype(np.float32))
        if frame_level:
            w.array("frames", vectors)
            w.array("offsets", np.array([0, len(vectors)], dtype=np.int64))
        w.meta.update(
            encoder=spec.encoder,
            identity=spec.identity,
            modality=spec.modality,
            dimensions=int(vectors.shape[1]),
            frame_level=frame_level,
            duration=duration,
        )
    context.progress(1, 1)


def _sound(spec: EmbedQuery, context: JobContext) -> tuple[np.ndarray, int]:
    """Read an upload, at its own rate; no more of it than is needed to see that it is too long."""
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
