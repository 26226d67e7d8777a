"""A workspace of spaces whose measures are computed as jobs do, for the page Similarity and accuracy."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from jobs import presets as measures
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
        made.computed(found, *asked)
    return found


def like_the_sounds(found: Workspace) -> EmbedText:
    """Write a space of the names of the classes that lie nearly as the centres of the sounds do."""
    dataset = found.dataset("small")
    ids = made.texts_of(dataset, "label")["id"].to_numpy(str)
    centres = np.random.default_rng(3).normal(size=(len(ids), 32))
    near = centres[np.argsort(np.argsort(ids))] + 0.5 * np.random.default_rng(4).normal(size=centres.shape)
    return made.store_texts(found, dataset, near)


def space_of(found: Workspace, encoder: str) -> EmbedAudio:
    """Return a space by its name."""
    return next(s.spec for s in found.spaces(found.dataset("small")) if s.encoder == encoder)
