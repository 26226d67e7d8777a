"""The classes of a space's rows, as the tasks that measure classes need them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from jobs.engine.context import JobContext
    from jobs.specs import LossNetworkGrid
    from jobs.tasks.embed_audio import EmbedAudio
    from jobs.workspace.workspace import Dataset, Workspace


class Labelled(NamedTuple):
    """A space with the classes of its clips.

    Attributes
    ----------
    X : (n, d) float32 array
        Mapped from the file, read-only.
    clip_ids : list of str
    labels : (n,) object array of str
        The class of every clip; "" where it has none.
    folds : (n,) int64 array or None
        The dataset's own folds, -1 for a clip that has neither fold nor class; None where a clip with a class
        has no fold.
    """

    X: np.ndarray
    clip_ids: list[str]
    labels: np.ndarray
    folds: np.ndarray | None


def labelled(embedding: EmbedAudio, labels: str, context: JobContext) -> Labelled:
    """Return a space and the classes that its dataset gives to the clips.

    Parameters
    ----------
    embedding : EmbedAudio
        The space; its result exists.
    labels : str
        `Dataset.labels_fingerprint` at the time the job was asked for.
    context : JobContext

    Raises
    ------
    ValueError
        If the labels are no longer those that were asked for.
    """
    from jobs.presets import clip_classes

    clips = dataset_with(labels, embedding, context.workspace).clips
    space = context.read(embedding)
    clip_ids = space.clip_ids
    row = {str(clip): i for i, clip in enumerate(clips["clip_id"])}
    # The sounds are the same, so every clip of the space is in the table.
    rows = np.fromiter((row[clip] for clip in clip_ids), np.int64, len(clip_ids))
    classes = clip_classes(clips)[rows]
    return Labelled(space.embeddings, clip_ids, classes, _folds(clips, rows, classes))


def dataset_with(labels: str, of: EmbedAudio | LossNetworkGrid, workspace: Workspace) -> Dataset:
    """Return the dataset of a spec whose labels have this fingerprint; raises as `labelled`."""
    dataset = workspace.dataset_for(of.dataset)
    # The same sounds may have other labels under another name.
    for candidate in (dataset, *workspace.datasets()):
        if candidate.fingerprint == dataset.fingerprint and candidate.labels_fingerprint == labels:
            return candidate
    raise ValueError(f"The labels of {dataset.name} have changed since this was asked for; ask again.")


def _folds(clips: pd.DataFrame, rows: np.ndarray, classes: np.ndarray) -> np.ndarray | None:
    if "fold" not in clips:
        return None
    fold = clips["fold"].iloc[rows]
    missing = fold.isna().to_numpy()
    if (missing & (classes != "")).any():
        return None
    return np.where(missing, -1, fold.fillna(-1)).astype(np.int64)
