"""The spaces that losses made, as the page shows them: distances of classes, pairs of clips, moving maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from core.processing import fit_reducer, normalize
from dashboard import results
from dashboard.components.map import Frames
from dashboard.components.matrices import Number
from dashboard.data import Clips
from dashboard.data import workspace as shown_workspace
from dashboard.explore import colours
from dashboard.explore.figures import Map, map_figure
from dashboard.kit import numbers
from dashboard.kit.table import csv
from dashboard.losses.data import Result, started_from
from dashboard.memory import once
from jobs.specs import EmbedAudio, LossGrid

#: What the space is called that training began with, where settings have names.
BEFORE = "before"
#: Classes that are compared unless others are chosen: as many as in the paper's figure 5.
USUAL_CLASSES = 10
#: Clips of a class that are looked through for the nearest pairs.
PAIR_CLIPS = 400

# -- distances between classes ----------------------------------------------------------------------------


def matrices(found: Result, classes: Sequence[str], settings: Sequence[str]) -> list[Number]:
    """Return mean and variation of the cosine distances of held-out clips, for the matrices.

    Parameters
    ----------
    found : Result
    classes : sequence of str
        Rows and columns.
    settings : sequence of str
        Names of settings, `BEFORE` for the space before training.
    """
    mean, cv = _distances(found)
    at = [0 if name == BEFORE else 1 + found.recipe(name) for name in settings]
    rows = [found.classes.index(name) for name in classes]
    cells = np.ix_(at, rows, rows)
    return [
        Number("mean cosine distance", "mean", mean[cells]),
        Number("coefficient of variation, sd / mean", "variation", cv[cells]),
    ]


def _distances(found: Result) -> tuple[np.ndarray, np.ndarray]:
    def read() -> tuple[np.ndarray, np.ndarray]:
        artifact = shown_workspace().cache.open(found.spec.key)
        return np.asarray(artifact.array("class_mean")), np.asarray(artifact.array("class_cv"))

    return once(("losses-distances", found.spec.key), read)


def first_pair(found: Result, classes: Sequence[str]) -> tuple[str, str]:
    """Return the two classes that are nearest before training."""
    mean = matrices(found, classes, [BEFORE])[0].values[0].copy()
    mean[np.tril_indices(len(mean))] = np.inf
    mean[~np.isfinite(mean)] = np.inf
    i, j = np.unravel_index(int(mean.argmin()), mean.shape)
    return classes[int(i)], classes[int(j)]


def pair_rows(
    found: Result, settings: Sequence[str], first: str, second: str
) -> list[tuple[str, float, float]]:
    """Return mean and variation of the distance of two classes in each setting."""
    mean, cv = matrices(found, list(dict.fromkeys((first, second))), settings)
    return [
        (name, float(m[0, -1]), float(v[0, -1]))
        for name, m, v in zip(settings, mean.values, cv.values, strict=True)
    ]


def matrices_table(found: Result) -> bytes:
    """Return mean and variation of all pairs of classes in all settings as CSV."""
    mean, cv = _distances(found)
    i, j = np.triu_indices(len(found.classes))
    names = np.asarray(found.classes, dtype=object)
    parts = [
        pd.DataFrame(
            {"setting": name, "class": names[i], "other_class": names[j], "mean": m[i, j], "cv": v[i, j]}
        )
        for name, m, v in zip([BEFORE, *found.names], mean, cv, strict=True)
    ]
    return csv(pd.concat(parts))


@dataclass(frozen=True)
class Pair:
    """Two clips and their cosine distance before training and after."""

    first: str
    second: str
    before: float
    after: float


def before_is(found: Result) -> str:
    """Say what training began with."""
    return "the frozen space" if isinstance(found.spec, LossGrid) else "the network that training begins with"


def has_before(found: Result) -> bool:
    """Whether the space that training began with is there: a frozen one can have been cleared away."""
    return _before(found) is not None


def pairs(
    found: Result, c: Clips, name: str, first: str, second: str, most: int, *, nearest_before: bool = False
) -> tuple[list[Pair], bool]:
    """Return the pairs of clips of two classes that a setting lays nearest, each clip once at most.

    Parameters
    ----------
    found : Result
    c : Clips
    name : str
        The setting.
    first, second : str
        Classes; the same twice for pairs within it.
    most : int
    nearest_before : bool
        Those that were nearest before training instead.

    Returns
    -------
    pairs : list of Pair
        `before` is NaN where there is no space before training.
    held : bool
        Whether only clips were taken that the model had not been trained on: False where a class has none.
    """

    start = _before(found)

    def find() -> tuple[list[Pair], bool]:
        table = _clips(found)
        after = _space(found, name)
        ids, labels = table["clip_id"].to_numpy(str), table["label"].to_numpy(str)
        held, there = table["held"].to_numpy(bool), np.isfinite(after).all(axis=1)
        least = 2 if first == second else 1
        fresh = all((held & there & (labels == label)).sum() >= least for label in (first, second))
        usable = there & (held | (not fresh)) & np.isin(ids, list(c.row))
        a, b = (np.flatnonzero(usable & (labels == label))[:PAIR_CLIPS] for label in (first, second))
        if not (len(a) and len(b)):
            return [], True
        now = _apart(after[a], after[b])
        was = np.full(now.shape, np.nan) if start is None else _apart(start[a], start[b])
        ranked = (was if nearest_before else now).copy()
        ranked[~np.isfinite(ranked)] = np.inf
        if first == second:
            ranked[np.tril_indices(len(a))] = np.inf
        cells = _nearest(ranked, most, same=first == second)
        out = [Pair(str(ids[a[i]]), str(ids[b[j]]), float(was[i, j]), float(now[i, j])) for i, j in cells]
        return out, fresh

    key = ("losses-pairs", found.spec.key, c.key, name, first, second, most, nearest_before)
    return once((*key, start is None), find)


def near(found: Result, c: Clips, name: str, clip: str, most: int) -> list[tuple[str, float]]:
    """Return the clips nearest to one, by cosine distance: before training or in a setting's space.

    [] where the space has not got it.
    """
    table = _clips(found)
    ids = table["clip_id"].astype(str).tolist()
    X = _before(found) if name == BEFORE else _space(found, name)
    if X is None or clip not in ids:
        return []
    at = ids.index(clip)
    there = np.flatnonzero(np.isfinite(X).all(axis=1))
    if at not in there:
        return []
    distances = np.full(len(X), np.inf)
    distances[there] = _apart(X[[at]], X[there])[0]
    order = [i for i in np.argsort(distances, kind="stable").tolist() if i != at and ids[i] in c.row]
    return [(ids[i], float(distances[i])) for i in order[:most] if np.isfinite(distances[i])]


def _apart(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Cosine distances, (a, b); NaN with a clip that has no embedding."""
    distances = np.full((len(A), len(B)), np.nan)
    here, there = (np.isfinite(X).all(axis=1) for X in (A, B))
    if here.any() and there.any():
        cosines = normalize(np.asarray(A[here], float)) @ normalize(np.asarray(B[there], float)).T
        distances[np.ix_(here, there)] = np.maximum(0.0, 1.0 - cosines)
    return distances


def _nearest(D: np.ndarray, most: int, *, same: bool) -> list[tuple[int, int]]:
    """Take the smallest cell, leave out its row and column, and so on."""
    D = D.copy()
    found: list[tuple[int, int]] = []
    while D.size and len(found) < most:
        i, j = (int(v) for v in np.unravel_index(int(D.argmin()), D.shape))
        if not np.isfinite(D[i, j]):
            break
        found.append((i, j))
        D[i, :], D[:, j] = np.inf, np.inf
        if same:
            D[j, :], D[:, i] = np.inf, np.inf
    return found


def _clips(found: Result) -> pd.DataFrame:
    def read() -> pd.DataFrame:
        frame: pd.DataFrame = shown_workspace().cache.open(found.spec.key).table("clips").to_pandas()
        return frame

    return once(("losses-clips", found.spec.key), read)


def _space(found: Result, name: str) -> np.ndarray:
    """The space that a setting made, (n, dim), in the order of the training's clips."""
    return np.asarray(shown_workspace().cache.open(found.spec.key).array(f"audio_{found.recipe(name)}"))


def _before(found: Result) -> np.ndarray | None:
    """The space that training began with, (n, d), in the same order; None where it is not there.

    Of a network, which all settings begin with alike, only kept clips have been embedded then: rows of others
    are NaN.
    """
    spec = found.spec
    if not isinstance(spec, LossGrid):
        return once(("losses-before", spec.key), lambda: _begun(found))
    if not shown_workspace().cache.contains(spec.embedding.key):
        return None
    return once(("losses-before", spec.key), lambda: _frozen(found, spec.embedding))


def _frozen(found: Result, embedding: EmbedAudio) -> np.ndarray:
    space = results.result(embedding)
    at = {id: i for i, id in enumerate(space.clip_ids)}
    rows = [at[id] for id in _clips(found)["clip_id"]]
    return np.asarray(space.embeddings)[rows]


def _begun(found: Result) -> np.ndarray:
    artifact = shown_workspace().cache.open(found.spec.key)
    first = np.asarray(artifact.array("kept_space_0")[0], np.float32)
    at = {str(id): i for i, id in enumerate(_clips(found)["clip_id"])}
    X = np.full((len(at), first.shape[1]), np.nan, np.float32)
    X[[at[str(id)] for id in artifact.table("kept_clips").column("clip_id").to_pylist()]] = first
    return X


# -- maps through training --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Film:
    """The map through training as the browser gets it, and what is said of it.

    Attributes
    ----------
    content : bytes
    ids : frozenset of str
        The clips on the map.
    held : int
        Of these, clips that the models were not trained on.
    epochs : list of int
    explained : list of str
        What share of the variance the axes of each setting hold, in words.
    """

    content: bytes
    ids: frozenset[str]
    held: int
    epochs: list[int]
    explained: list[str]


def film(found: Result, c: Clips, settings: Sequence[str], *, held: bool) -> Film:
    """Return the maps of kept clips: before training, and of each setting through its epochs.

    Parameters
    ----------
    found : Result
    c : Clips
    settings : sequence of str
        One to three.
    held : bool
        Only clips that the models were not trained on.
    """

    def make() -> Film:
        from dashboard.components import map as map_component

        artifact = shown_workspace().cache.open(found.spec.key)
        table = artifact.table("kept_clips").to_pandas()
        epochs = [int(e) for e in artifact.array("kept_epochs")]
        at = np.asarray([c.row.get(str(id), -1) for id in table["clip_id"]])
        fresh = table["held"].to_numpy(bool)
        rows = np.flatnonzero((at >= 0) & (fresh | (not held)))
        told = _explained(found, settings)
        if not len(rows):
            return Film(b"", frozenset(), 0, epochs, told)
        ids = c.ids[at[rows]]
        maps: list[Map] = []
        moving: list[np.ndarray | None] = []
        if start is not None:
            coords, explained = start
            maps.append(Map(f"{started_from(found.spec)}, before", "pca", coords[rows], explained))
            moving.append(None)
        learned = {name: _first_model(found, name) for name in settings}
        tested = int(found.runs["n_test"].iloc[0])
        for name in settings:
            recipe = found.recipe(name)
            xy = np.asarray(artifact.array(f"kept_map_{recipe}"), np.float32)[:, rows]
            maps.append(Map(name, "pca", xy[-1]))
            moving.append(np.ascontiguousarray(xy.transpose(0, 2, 1)))
        by = colours.colour(c, "class")
        chosen = at[rows]
        shown = type(by)(by.kind, by.title, np.asarray(by.values)[chosen], by.names, by.styles)
        figure = map_figure(maps, clip_ids=ids, colour=shown)
        _hold(figure, maps, moving)
        frames = Frames(
            "epoch of the training",
            [_said(e, epochs[-1], learned, tested) for e in epochs],
            moving,
        )
        content = map_component.payload(
            figure,
            clip_ids=ids,
            labels=c.labels[chosen],
            families=c.families[chosen],
            files=c.files[chosen],
            colours=[shown],
            frames=frames,
        )
        return Film(content, frozenset(map(str, ids)), int(fresh[rows].sum()), epochs, told)

    start = _start(found)
    return once(("losses-film", found.spec.key, c.key, tuple(settings), held, start is None), make)


def _explained(found: Result, settings: Sequence[str]) -> list[str]:
    shares = [found.meta["explained"][found.recipe(name)] for name in settings]
    return ["–" if share is None else f"{share:.0%}" for share in shares]


def _first_model(found: Result, name: str) -> np.ndarray:
    """Test accuracy over the epochs of the model that is on the map: of the first seed and fold."""
    row = int(np.flatnonzero(found.runs["recipe"] == found.recipe(name))[0])
    return np.asarray(shown_workspace().cache.open(found.spec.key).array("curves")[row, 2], float)


def _said(epoch: int, last: int, accuracy: Mapping[str, np.ndarray], tested: int) -> str:
    if epoch == 0:
        return f"epoch 0 of {last} · not trained yet"
    told = (
        f"{name} {a[epoch - 1]:.1%}" if np.isfinite(a[epoch - 1]) else f"{name} –"
        for name, a in accuracy.items()
    )
    return f"epoch {epoch} of {last} · right of {numbers.count(tested, 'held-out clip')}: {', '.join(told)}"


def _start(found: Result) -> tuple[np.ndarray, tuple[float, float]] | None:
    """Coordinates of kept clips before training, on the two main axes of their directions."""
    space = _before(found)
    if space is None:
        return None

    def compute() -> tuple[np.ndarray, tuple[float, float]] | None:
        kept = shown_workspace().cache.open(found.spec.key).table("kept_clips").column("clip_id").to_pylist()
        at = {str(id): i for i, id in enumerate(_clips(found)["clip_id"])}
        X = np.asarray(space[[at[str(id)] for id in kept]], float)
        if not np.isfinite(X).all():
            return None  # a network that began with numbers that are none
        X = normalize(X)
        reducer = fit_reducer(X, min(2, *X.shape))
        coords = np.zeros((len(X), 2), np.float32)
        coords[:, : len(reducer.components)] = reducer.transform(X)
        first, second = [*(float(v) for v in reducer.explained), 0.0][:2]
        return coords, (first, second)

    return once(("losses-start", found.spec.key), compute)


def _hold(figure: Any, maps: Sequence[Map], moving: Sequence[np.ndarray | None]) -> None:
    """Let the axes hold the points at all times."""
    for i, (m, xy) in enumerate(zip(maps, moving, strict=True)):
        suffix = "" if i == 0 else str(i + 1)
        for axis, which in enumerate("xy"):
            found = m.coords[:, axis] if xy is None else xy[:, axis]
            found = found[np.isfinite(found)]
            low, high = (float(found.min()), float(found.max())) if len(found) else (0.0, 1.0)
            edge = 0.06 * max(high - low, 1e-6)
            figure.layout[f"{which}axis{suffix}"].range = [low - edge, high + edge]
