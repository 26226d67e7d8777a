"""The spaces that losses made, as the page shows them: distances of classes, pairs of clips, moving maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from core.checks import unit_rows
from core.processing import fit_reducer, normalize
from core.words import count
from dashboard.components import map as map_component
from dashboard.data import Clips
from dashboard.explore import colours
from dashboard.explore.figures import Map, map_figure
from dashboard.losses.data import AnyGrid, names, started_from
from dashboard.memory import once
from dashboard.results import has, result
from jobs.specs import LossGrid

#: What the space is called that training begins with, where settings have names.
BEFORE = "before"
#: Classes that are compared unless others are chosen: as many as in the paper's figure 5.
USUAL_CLASSES = 10
#: Clips of a class among which the nearest pairs are searched.
PAIR_CLIPS = 400


def class_distances(
    spec: AnyGrid, classes: Sequence[str], settings: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and variation of the cosine distances of held-out clips of classes, (S, C, C) each.

    `settings` are names of settings, or `BEFORE` for the space before training.
    """
    of, every = result(spec), result(spec).class_names
    at = [[BEFORE, *names(spec)].index(name) for name in settings]
    rows = [every.index(name) for name in classes]
    cells = np.ix_(at, rows, rows)
    return of.class_mean[cells], of.class_cv[cells]


def nearest_classes(spec: AnyGrid, classes: Sequence[str]) -> tuple[str, str]:
    """Return the two classes that are nearest before training."""
    mean, _ = class_distances(spec, classes, [BEFORE])
    i, j = next(iter(_smallest(mean[0], 1, same=True)), (0, 1))
    return classes[i], classes[j]


def distances_table(spec: AnyGrid) -> pd.DataFrame:
    """Return mean and variation of all pairs of classes in all settings as a table to save."""
    of, classes = result(spec), np.array(result(spec).class_names, dtype=object)
    i, j = np.triu_indices(len(classes))
    pairs = {"class": classes[i], "other_class": classes[j]}
    settings = zip([BEFORE, *names(spec)], of.class_mean, of.class_cv, strict=True)
    return pd.concat(
        [pd.DataFrame({"setting": name, **pairs, "mean": m[i, j], "cv": v[i, j]}) for name, m, v in settings]
    )


class Pair(NamedTuple):
    """Two clips and their cosine distance before training, NaN where it is not known, and after."""

    first: str
    second: str
    before: float
    after: float


def describe_start(spec: AnyGrid) -> str:
    """Return what training began with, in words."""
    return "the frozen space" if isinstance(spec, LossGrid) else "the network that training begins with"


def has_before(spec: AnyGrid) -> bool:
    """Return whether the space that training began with exists: a frozen one can have been cleared away."""
    return not isinstance(spec, LossGrid) or has(spec.embedding)


def nearest_pairs(
    spec: AnyGrid, c: Clips, name: str, classes: tuple[str, str], most: int, *, by_before: bool = False
) -> tuple[list[Pair], bool]:
    """Return the pairs of clips of two classes that are nearest in a setting's space, each clip once at most.

    Parameters
    ----------
    spec : LossGrid or LossNetworkGrid
    c : Clips
    name : str
        The setting.
    classes : (str, str)
        The same twice for pairs within a class.
    most : int
    by_before : bool
        Whether those that were nearest before training are returned instead.

    Returns
    -------
    pairs : list of Pair
    held : bool
        Whether all are held out from the model: False where a class has no such clips.
    """
    start = _before(spec)

    def search() -> tuple[list[Pair], bool]:
        table = result(spec).clips.to_pandas()
        after = result(spec).audio[names(spec).index(name)]
        ids, labels = table["clip_id"].to_numpy(str), table["label"].to_numpy(str)
        held, known = table["held"].to_numpy(bool), np.isfinite(after).all(axis=1)
        same = classes[0] == classes[1]
        fresh = all((held & known & (labels == label)).sum() > same for label in classes)
        usable = known & (held | (not fresh)) & np.isin(ids, list(c.row))
        a, b = (np.flatnonzero(usable & (labels == label))[:PAIR_CLIPS] for label in classes)
        if not (len(a) and len(b)):
            return [], True
        now = _cosine_distances(after[a], after[b])
        was = np.full(now.shape, np.nan) if start is None else _cosine_distances(start[a], start[b])
        cells = _smallest(was if by_before else now, most, same=same)
        return [
            Pair(str(ids[a[i]]), str(ids[b[j]]), float(was[i, j]), float(now[i, j])) for i, j in cells
        ], fresh

    return once(("losses-pairs", spec.key, c.key, name, classes, most, by_before, start is None), search)


def nearest_clips(spec: AnyGrid, c: Clips, name: str, clip: str, most: int) -> list[tuple[str, float]]:
    """Return the clips nearest to one, by cosine distance, in a setting's space or `BEFORE` training.

    [] where the space does not have the clip.
    """
    ids = result(spec).column("clips", "clip_id")
    X = _before(spec) if name == BEFORE else result(spec).audio[names(spec).index(name)]
    if X is None or clip not in ids:
        return []
    at = ids.index(clip)
    distances = _cosine_distances(X[[at]], X)[0]
    order = [i for i in np.argsort(distances, kind="stable").tolist() if i != at and ids[i] in c.row]
    return [(ids[i], float(distances[i])) for i in order[:most] if np.isfinite(distances[i])]


def _cosine_distances(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Return cosine distances, (a, b); NaN for a clip without an embedding."""
    known = [np.isfinite(X).all(axis=1) for X in (A, B)]
    distances = np.full((len(A), len(B)), np.nan)
    cosines = unit_rows(A[known[0]]) @ unit_rows(B[known[1]]).T
    distances[np.ix_(*known)] = np.maximum(0.0, 1.0 - cosines)
    return distances


def _smallest(D: np.ndarray, most: int, *, same: bool) -> list[tuple[int, int]]:
    """Return the smallest cell, then the smallest outside its row and column, and so on."""
    D = np.where(np.isfinite(D), D, np.inf)
    if same:
        D[np.tril_indices(len(D))] = np.inf
    cells: list[tuple[int, int]] = []
    while len(cells) < most:
        i, j = (int(v) for v in np.unravel_index(int(D.argmin()), D.shape))
        if not np.isfinite(D[i, j]):
            break
        cells.append((i, j))
        D[i, :], D[:, j] = np.inf, np.inf
        if same:
            D[j, :], D[:, i] = np.inf, np.inf
    return cells


def _before(spec: AnyGrid) -> np.ndarray | None:
    """Return the space that training began with, (n, d), a row a clip of the training; None if it is gone.

    A network, which all settings begin with alike, has embedded only kept clips then: rows of others are NaN.
    """
    if not has_before(spec):
        return None

    def read() -> np.ndarray:
        ids = result(spec).column("clips", "clip_id")
        if isinstance(spec, LossGrid):
            space = result(spec.embedding)
            return np.asarray(space.embeddings)[pd.Index(space.clip_ids).get_indexer(pd.Index(ids))]
        first = np.asarray(result(spec).kept_space[0][0], np.float32)
        X = np.full((len(ids), first.shape[1]), np.nan, np.float32)
        X[_kept_rows(spec)] = first
        return X

    return once(("losses-before", spec.key), read)


def _kept_rows(spec: AnyGrid) -> np.ndarray:
    """Return the rows of kept clips among all clips of the training."""
    ids, kept = (result(spec).column(table, "clip_id") for table in ("clips", "kept_clips"))
    return pd.Index(ids).get_indexer(pd.Index(kept))


class Film(NamedTuple):
    """The map through training as the browser draws it, its clips, and how many of these were held out."""

    content: bytes
    ids: frozenset[str]
    held: int


def film(spec: AnyGrid, c: Clips, settings: Sequence[str], *, held: bool) -> Film:
    """Return the maps of kept clips: before training, and of each setting through its epochs.

    Parameters
    ----------
    spec : LossGrid or LossNetworkGrid
    c : Clips
    settings : sequence of str
        One to three.
    held : bool
        Whether only clips are shown that the models were not trained on.
    """
    start = _start(spec)

    def make() -> Film:
        of = result(spec)
        table = of.kept_clips.to_pandas()
        at = np.asarray([c.row.get(str(id), -1) for id in table["clip_id"]])
        fresh = table["held"].to_numpy(bool)
        rows = np.flatnonzero((at >= 0) & (fresh | (not held)))
        if not len(rows):
            return Film(b"", frozenset(), 0)
        recipes = {name: names(spec).index(name) for name in settings}
        maps: list[Map] = []
        moving: list[np.ndarray | None] = []
        if start is not None:
            coords, axes = start
            maps.append(Map(f"{started_from(spec)}, before", "pca", coords[rows], axes))
            moving.append(None)
        for name, recipe in recipes.items():
            xy = np.asarray(of.kept_map[recipe], np.float32)[:, rows]
            maps.append(Map(name, "pca", xy[-1]))
            moving.append(np.ascontiguousarray(xy.transpose(0, 2, 1)))
        content = _content(c, at[rows], maps, moving, _captions(spec, recipes))
        return Film(content, frozenset(map(str, c.ids[at[rows]])), int(fresh[rows].sum()))

    return once(("losses-film", spec.key, c.key, tuple(settings), held, start is None), make)


def _content(
    c: Clips, rows: np.ndarray, maps: list[Map], moving: list[np.ndarray | None], captions: list[str]
) -> bytes:
    by = colours.colour(c, "class")
    colour = type(by)(by.kind, by.title, np.asarray(by.values)[rows], by.names, by.styles)
    figure = map_figure(maps, clip_ids=c.ids[rows], colour=colour)
    _fix_axes(figure, maps, moving)
    return map_component.payload(
        figure,
        clip_ids=c.ids[rows],
        labels=c.labels[rows],
        families=c.families[rows],
        files=c.files[rows],
        colours=[colour],
        frames=map_component.Frames("epoch of the training", captions, moving),
    )


def _captions(spec: AnyGrid, recipes: Mapping[str, int]) -> list[str]:
    """Describe the epochs, with the test accuracy of the models on the map: of the first seed and fold."""
    of, epochs = result(spec), result(spec).kept_epochs.tolist()
    last = epochs[-1]
    run = of.column("runs", "recipe").index
    tested = count(of.column("runs", "n_test")[0], "held-out clip")
    captions = [f"epoch 0 of {last} · not trained yet"]
    for epoch in epochs[1:]:
        right = {name: float(of.curves[run(recipe), 2, epoch - 1]) for name, recipe in recipes.items()}
        shares = (f"{name} {a:.1%}" if np.isfinite(a) else f"{name} –" for name, a in right.items())
        captions.append(f"epoch {epoch} of {last} · right of {tested}: {', '.join(shares)}")
    return captions


def _start(spec: AnyGrid) -> tuple[np.ndarray, tuple[float, float]] | None:
    """Return coordinates of kept clips before training, on the two main axes of their directions."""
    space = _before(spec)
    if space is None:
        return None

    def compute() -> tuple[np.ndarray, tuple[float, float]] | None:
        X = np.asarray(space[_kept_rows(spec)], float)
        if not np.isfinite(X).all():
            return None  # the network gave NaN or infinity before training
        X = normalize(X)
        reducer = fit_reducer(X, min(2, *X.shape))
        coords = np.zeros((len(X), 2), np.float32)
        coords[:, : len(reducer.components)] = reducer.transform(X)
        first, second = [*(float(v) for v in reducer.explained), 0.0][:2]
        return coords, (first, second)

    return once(("losses-start", spec.key), compute)


def _fix_axes(figure: Any, maps: Sequence[Map], moving: Sequence[np.ndarray | None]) -> None:
    """Give the axes room for the points of all epochs."""
    for i, (m, xy) in enumerate(zip(maps, moving, strict=True)):
        for axis, which in enumerate("xy"):
            values = m.coords[:, axis] if xy is None else xy[:, axis]
            values = values[np.isfinite(values)]
            low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
            edge = 0.06 * max(high - low, 1e-6)
            figure.layout[f"{which}axis{i + 1 if i else ''}"].range = [low - edge, high + edge]
