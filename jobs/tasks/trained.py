"""Take a space out of the result of the training that made it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from jobs.encoders import Card
from jobs.tasks import embed_audio, embed_text

if TYPE_CHECKING:
    from cache import Artifact
    from jobs.engine.context import JobContext
    from jobs.tasks.embed_audio import EmbedAudio
    from jobs.tasks.embed_text import EmbedText


def trained_audio(spec: EmbedAudio, context: JobContext) -> None:
    """Compute an `EmbedAudio` that has a source.

    Raises
    ------
    ValueError
        With one sentence: the training has no such part, or gave no finite embedding.
    """
    dataset = context.workspace.dataset_for(spec.dataset)
    artifact, X = _part(spec, context, "audio")
    ids = np.array(artifact.table("clips")["clip_id"].to_pylist(), dtype=object)
    if len(ids) != len(X):
        raise ValueError(f"The training has {len(X):,} embeddings for {len(ids):,} clips; repeat it.")
    finite = np.isfinite(X).all(axis=1)
    if not finite.any():
        raise ValueError(f"The part {spec.run} of the training has no finite embedding; its model failed.")
    embedded = set(ids[finite])
    excluded = [str(id) for id in dataset.clips["clip_id"] if id not in embedded]
    result = embed_audio.Result(
        embeddings=np.ascontiguousarray(X[finite], dtype=np.float32),
        clips={"clip_id": ids[finite].tolist()},
        excluded={
            "clip_id": excluded,
            "reason": ["the training gave no embedding of it"] * len(excluded),
        },
        dataset=dataset.name,
        encoder=spec.encoder,
        identity=spec.identity,
        n_clips=int(finite.sum()),
        n_excluded=len(excluded),
        n_frames=None,
        dimensions=X.shape[1],
        frame_level=False,
        card=asdict(Card(**artifact.meta.get("cards", {}).get(spec.run, {}))),
    )
    with context.writer() as writer:
        result.write(writer)
    context.progress(1, 1)


def trained_text(spec: EmbedText, context: JobContext) -> None:
    """Compute an `EmbedText` that has a source.

    Raises
    ------
    ValueError
        With one sentence: the training has no such part, or not all of the texts.
    """
    from jobs.workspace.texts import texts_fingerprint, texts_of

    dataset = context.workspace.dataset_for(spec.dataset)
    table = texts_of(dataset, spec.of)
    if texts_fingerprint(table) != spec.texts:
        raise ValueError(
            f"The {spec.of}s of {dataset.name} have changed since this was asked for; ask again."
        )
    artifact, X = _part(spec, context, "text")
    texts = artifact.table("texts").to_pydict()
    row_of = {str(id): row for row, id in enumerate(texts["id"])}
    unknown = [id for id in table["id"] if id not in row_of]
    if unknown:
        raise ValueError(f"The training has no text of {unknown[0]!r}, one of {len(unknown):,}; repeat it.")
    rows = [row_of[id] for id in table["id"]]
    if not np.isfinite(X[rows]).all():
        raise ValueError(f"The part {spec.run} of the training has no finite embedding; its model failed.")
    result = embed_text.Result(
        embeddings=np.ascontiguousarray(X[rows], dtype=np.float32),
        texts={"id": table["id"].tolist(), "text": [str(texts["text"][row]) for row in rows]},
        dataset=dataset.name,
        encoder=spec.encoder,
        identity=spec.identity,
        of=spec.of,
        n_texts=len(rows),
        dimensions=X.shape[1],
    )
    with context.writer() as writer:
        result.write(writer)
    context.progress(1, 1)


def _part(spec: EmbedAudio | EmbedText, context: JobContext, kind: str) -> tuple[Artifact, np.ndarray]:
    assert spec.source is not None
    artifact = context.open(spec.source)
    name = f"{kind}_{spec.run}.npy"
    if name not in artifact:
        raise ValueError(f"The training has no part {spec.run!r} for {kind}; ask for one that it has.")
    return artifact, artifact.array(name)
