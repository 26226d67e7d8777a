"""The specs that pages, commands and the demo submit for the spaces of a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd

from core.splits import PAPER_RANGES
from jobs.encoders import trained
from jobs.specs import (
    Agreement,
    Baselines,
    EmbedAudio,
    EmbedText,
    KMeansCurve,
    LossGrid,
    LossNetworkGrid,
    Retrieval,
    RetrievalGrid,
    Separability,
    Spec,
    ZeroShotGrid,
)
from jobs.tasks.measures import MEASURES
from jobs.tasks.quality import Quality
from jobs.workspace.texts import texts_fingerprint, texts_of
from jobs.workspace.workspace import Dataset

#: Shuffled pairings of an agreement. Classes are few and quickly compared, and 200 pairings would leave a p
#: of 0.05 uncertain by ±0.03.
PAIRINGS = {"clips": 200, "classes": 2_000}
#: Spaces whose dimensions are in units of their own, by encoder, with the scaling that makes them comparable:
#: Freesound scales its features by their ranges in the collection before anything else.
SCALES = {"freesound": "minmax"}
#: Columns that every clip table has, or that name what another column numbers.
_STANDARD = frozenset(
    ("clip_id", "path", "label", "labels", "family", "fold", "fold_name", "caption", "sha256")
)


def cluster_numbers(n_clips: int, n_classes: int) -> tuple[int, ...]:
    """Return numbers of clusters about the number of classes: from 2 to twice as many, at least to 12.

    Every number up to 8, then ten more in equal ratios.

    Examples
    --------
    >>> cluster_numbers(400, 10)
    (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 18, 20)
    """
    last = min(max(2 * n_classes, 12), n_clips - 1)
    if last < 2:
        return ()
    wide = np.geomspace(min(8, last), last, 10).round().astype(int)
    return tuple(sorted({*range(2, min(8, last) + 1), *wide.tolist()}))


def clip_classes(clips: pd.DataFrame) -> np.ndarray:
    """Return the class of every clip of a dataset's table, "" where it has none; (n,) objects of str.

    Examples
    --------
    >>> clip_classes(pd.DataFrame({"label": ["Rain", "unlabelled"], "labels": [["Rain"], []]})).tolist()
    ['Rain', '']
    """
    label = clips["label"].astype(object)
    named = label.notna().to_numpy(copy=True)
    if "labels" in clips:
        # The label of a clip with an empty list of classes is a word for that, which is no class.
        named &= np.array([np.ndim(values) == 0 or len(values) > 0 for values in clips["labels"]], dtype=bool)
    classes = np.full(len(clips), "", dtype=object)
    classes[named] = [str(value) for value in label[named]]
    return classes


def fold_names(clips: pd.DataFrame) -> dict[int, str]:
    """Return the names of a dataset's folds by number, {} where folds are only numbers.

    Examples
    --------
    >>> fold_names(pd.DataFrame({"fold": [1, 2, 1], "fold_name": ["george", "theo", "george"]}))
    {1: 'george', 2: 'theo'}
    """
    if "fold_name" not in clips or "fold" not in clips:
        return {}
    named = clips[["fold", "fold_name"]].dropna().drop_duplicates("fold").sort_values("fold")
    return {int(fold): str(name) for fold, name in named.itertuples(index=False, name=None)}


def group_columns(clips: pd.DataFrame) -> list[str]:
    """Return the columns that could be held out as groups: speakers, recordings, places.

    These are columns of the dataset's own with a text for every clip, and with groups of which most have
    clips of several classes: of others nothing could be learned from the rest.

    Examples
    --------
    >>> table = pd.DataFrame({"label": list("xyxy"), "labels": [["x"], ["y"]] * 2, "who": list("aabb")})
    >>> group_columns(table)
    ['who']
    """
    labels = clip_classes(clips)
    columns = []
    for name in clips.columns:
        if name in _STANDARD or pd.api.types.is_numeric_dtype(clips[name]) or clips[name].isna().any():
            continue
        values = clips[name].astype(str)
        if not 2 <= values.nunique() <= len(clips) // 2:
            continue
        classes = pd.Series(labels).groupby(values.to_numpy()).nunique()
        if 2 * int((classes > 1).sum()) > len(classes):
            columns.append(str(name))
    return columns


def of_several_classes(clips: pd.DataFrame) -> np.ndarray:
    """Return which clips of a dataset's table have more than one class, (n,) bool.

    Examples
    --------
    >>> of_several_classes(pd.DataFrame({"labels": [["Rain"], ["Rain", "Wind"], []]})).tolist()
    [False, True, False]
    """
    if "labels" not in clips:
        return np.zeros(len(clips), dtype=bool)
    return np.array([np.ndim(own) == 1 and len(set(own)) > 1 for own in clips["labels"]], dtype=bool)


def of_space(dataset: Dataset, embedding: EmbedAudio) -> list[Spec]:
    """Return the specs that measure one space."""
    labels = dataset.labels_fingerprint
    specs: list[Spec] = [
        Separability(embedding=embedding, labels=labels),
        Baselines(embedding=embedding, labels=labels),
        Quality(embedding=embedding, labels=labels),
        *(m.spec(embedding, labels) for m in MEASURES.values() if m.compute),
    ]
    classes = set(clip_classes(dataset.clips).tolist()) - {""}
    ks = cluster_numbers(dataset.n_clips, len(classes))
    return [*specs, KMeansCurve(embedding=embedding, ks=ks)] if ks else specs


def of_pairs(
    dataset: Dataset,
    spaces: Sequence[EmbedAudio],
    texts: Sequence[EmbedText] = (),
    *,
    of: str = "clips",
    class_vectors: str = "raw",
) -> list[Agreement]:
    """Return the agreement of every two spaces; those of texts take part where classes are compared.

    Spaces that were made under the name of another dataset of the same clips are named after this one.
    """
    labels = dataset.labels_fingerprint if of == "classes" else ""
    ref = dataset.ref
    compared: list[EmbedAudio | EmbedText] = [replace(space, dataset=ref) for space in spaces]
    if of == "classes":
        compared += [replace(text, dataset=ref) for text in texts]
    return [
        Agreement(
            a=a, b=b, of=of, labels=labels, permutations=PAIRINGS.get(of, 0), class_vectors=class_vectors
        )
        for a, b in combinations(compared, 2)
    ]


def of_retrieval(
    dataset: Dataset, embedding: EmbedAudio, *, count_query: bool = True, normalize: bool | str = False
) -> list[Retrieval]:
    """Return the retrieval specs of a space, by label and, for classes with families, by family."""
    by = ["label", "family"] if dataset.classes["family"].notna().any() else ["label"]
    return [retrieval_of(dataset, embedding, by=b, count_query=count_query, normalize=normalize) for b in by]


def retrieval_of(
    dataset: Dataset,
    embedding: EmbedAudio,
    *,
    by: str = "label",
    count_query: bool = True,
    normalize: bool | str = False,
) -> Retrieval:
    """Return the retrieval spec of a space by the system that models are compared by.

    It is mean, 100 components, cosine, on dimensions scaled as by `scale_of`; `normalize` is as in
    `Retrieval`.
    """
    return Retrieval(
        embedding=embedding,
        labels=dataset.labels_fingerprint,
        by=by,
        count_query=count_query,
        scale=scale_of(embedding),
        normalize=normalize,
    )


def grid_of_retrieval(
    dataset: Dataset,
    embedding: EmbedAudio,
    *,
    by: str = "label",
    count_query: bool = True,
    normalize: bool | str = False,
) -> RetrievalGrid:
    """Return all systems of a space, on dimensions scaled as by `scale_of`."""
    return RetrievalGrid(
        embedding=embedding,
        labels=dataset.labels_fingerprint,
        by=by,
        count_query=count_query,
        scale=scale_of(embedding),
        normalize=normalize,
    )


def scale_of(embedding: EmbedAudio) -> str:
    """Return how the dimensions of a space are scaled before they are compared: "none" but for `SCALES`."""
    return SCALES.get(embedding.encoder, "none")


def class_texts(dataset: Dataset, encoder: str, *, of: str | None = None, template: str = "{}") -> EmbedText:
    """Return a space of texts of a dataset's classes.

    Parameters
    ----------
    dataset : Dataset
    encoder : str
    of : {"description", "label"}, optional
        By default descriptions where every class has one, else names.
    template : str, default "{}"
    """
    if of is None:
        texts = dataset.classes.get("description")
        of = "description" if texts is not None and (texts.notna() & (texts != "")).all() else "label"
    fingerprint = texts_fingerprint(texts_of(dataset, of))
    return EmbedText(dataset=dataset.ref, texts=fingerprint, encoder=encoder, of=of, template=template)


def zero_shot_presets(
    dataset: Dataset,
    embedding: EmbedAudio,
    text: EmbedText,
    *,
    learning_rate: float = ZeroShotGrid.learning_rate,
) -> list[ZeroShotGrid]:
    """Return the grids of zero-shot models of both setups: by similarity, then by diversity.

    They are the paper's but for two settings that depend on the space and are determined in training: sizes
    are lowered for a dataset of few classes, and the ranges of similarity are quantiles of those that its
    classes can reach.
    """
    similarity = ZeroShotGrid(
        embedding=embedding,
        text=text,
        labels=dataset.labels_fingerprint,
        fit_sizes=True,
        learning_rate=learning_rate,
    )
    return [similarity, replace(similarity, setup="diversity", n_ranges=len(PAPER_RANGES))]


def trained_by_losses(dataset: Dataset, grid: LossGrid | LossNetworkGrid) -> list[EmbedAudio]:
    """Return the spaces that a training with several losses makes, a recipe each, in its order."""
    of = grid.embedding.encoder if isinstance(grid, LossGrid) else grid.network
    return [
        EmbedAudio(
            dataset=dataset.ref,
            encoder=trained.encoder_name(f"{recipe.name} on {of}", grid.key),
            source=grid,
            run=str(number),
        )
        for number, recipe in enumerate(grid.recipes)
    ]
