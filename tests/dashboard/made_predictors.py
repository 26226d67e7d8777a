"""A workspace of spaces whose measures are computed as jobs do, for the page Similarity and accuracy."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from jobs import presets as measures
from jobs.engine import inprocess
from jobs.specs import EmbedAudio, EmbedText
from jobs.workspace.workspace import Workspace
from tests.dashboard import made

#: Encoders, each less tidy than the one before.
SPACES = ("aisfx", "handcrafted", "melstats", "random-cnn", "freesound")


def predicting(root: Path, *, sounds: bool = False, per_class: int = 6, spread: float = 0.7) -> Workspace:
    """Make five spaces with all measures but retrieval of the last, compared with texts of the classes."""
    found, dataset = made.workspace(root, sounds=sounds, per_class=per_class)
    texts = like_the_sounds(found)
    for i, encoder in enumerate(SPACES):
        spec = made.space(found, dataset, encoder, seed=3, spread=spread + 0.6 * i)
        asked = [s for s in measures.of_space(dataset, spec) if type(s).__name__ != "KMeansCurve"]
        asked += measures.of_pairs(dataset, [spec], [texts], of="classes")
        asked += measures.of_retrieval(dataset, spec)[:1] if encoder != SPACES[-1] else []
        for one in asked:
            assert inprocess.run(found, one).state == "done"
    return found


def like_the_sounds(found: Workspace) -> EmbedText:
    """Write a space of the names of the classes that lie nearly as the centres of the sounds do."""
    dataset = found.dataset("small")
    texts = made.texts_of(dataset, "label")
    spec = EmbedText(
        dataset=dataset.ref, texts=made.texts_fingerprint(texts), encoder="minilm", identity="minilm/test"
    )
    d = 32
    centres = np.random.default_rng(3).normal(size=(len(texts), d))
    order = np.argsort(np.argsort(texts["id"].to_numpy(str)))
    near = centres[order] + 0.5 * np.random.default_rng(4).normal(size=(len(texts), d))
    with found.cache.writer(spec.key, spec=spec.to_json()) as w:
        w.array("embeddings", near.astype(np.float32))
        w.table("texts", texts)
    return spec


def space_of(found: Workspace, encoder: str) -> EmbedAudio:
    """Return a space by its name."""
    return next(s.spec for s in found.spaces(found.dataset("small")) if s.encoder == encoder)
