"""Take a space out of the result of the training that made it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from jobs.encoders import Card
from jobs.specs import EmbedAudio, EmbedText

if TYPE_CHECKING:
    from cache import Artifact
    from jobs.engine.context import JobContext


def trained_audio(spec: EmbedAudio, context: JobContext) -> None:
    """Compute an `EmbedAudio` that has a source.

    Raises
    ------
    ValueError
        With one sentence: the training has no such part, or gave no finite embedding.
    """
    dataset = context.workspace.dataset_for(spec.dataset)
    artifact, found = _part(spec, context, "audio")
    ids = artifact.table("clips").to_pandas()["clip_id"].astype(str).to_numpy()
    if len(ids) != len(found):
        raise ValueError(f"The training has {len(found):,} embeddings for {len(ids):,} clips; repeat it.")
    finite = np.isfinite(found).all(axis=1)
    if not finite.any():
        raise ValueError(f"The part {spec.run} of the training has no finite embedding; its model failed.")
    there = set(ids[finite])
    lost = [str(id) for id in dataset.clips["clip_id"] if id not in there]
    with context.writer() as w:
        w.array("embeddings", np.ascontiguousarray(found[finite], dtype=np.float32))
        w.table("clips", {"clip_id": ids[finite].tolist()})
        excluded = {"clip_id": lost, "reason": ["the training gave no embedding of it"] * len(lost)}
        w.table("excluded", pd.DataFrame(excluded, dtype="str"))
        w.meta.update(
            dataset=dataset.name,
            encoder=spec.encoder,
            identity=spec.identity,
            n_clips=int(finite.sum()),
            n_excluded=len(lost),
            n_frames=None,
            dimensions=int(found.shape[1]),
            frame_level=False,
            card=asdict(Card(**artifact.meta.get("cards", {}).get(spec.run, {}))),
        )
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
    artifact, found = _part(spec, context, "text")
    told = artifact.table("texts").to_pandas()
    row_of = {str(id): row for row, id in enumerate(told["id"])}
    unknown = [id for id in table["id"] if id not in row_of]
    if unknown:
        raise ValueError(f"The training has no text of {unknown[0]!r}, one of {len(unknown):,}; repeat it.")
    rows = [row_of[id] for id in table["id"]]
    if not np.isfinite(found[rows]).all():
        raise ValueError(f"The part {spec.run} of the training has no finite embedding; its model failed.")
    with context.writer() as w:
        w.array("embeddings", np.ascontiguousarray(found[rows], dtype=np.float32))
        w.table("texts", {"id": table["id"].tolist(), "text": told["text"].iloc[rows].astype(str).tolist()})
        w.meta.update(
            dataset=dataset.name,
            encoder=spec.encoder,
            identity=spec.identity,
            of=spec.of,
            n_texts=len(rows),
            dimensions=int(found.shape[1]),
        )
    context.progress(1, 1)


def _part(spec: EmbedAudio | EmbedText, context: JobContext, kind: str) -> tuple[Artifact, np.ndarray]:
    assert spec.source is not None
    artifact = context.open(spec.source)
    name = f"{kind}_{spec.run}.npy"
    if name not in artifact:
        raise ValueError(f"The training has no part {spec.run!r} for {kind}; ask for one that it has.")
    return artifact, artifact.array(name)
