"""The neighbours of a clip or a class in two spaces, side by side.

Only things that the two spaces are compared by take part, so that what is shared here is what the overlap
counts. Clips come from the neighbour graphs; classes are few, so their distances are measured on the spot.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from core.processing import normalize
from core.splits import class_centroids
from dashboard import results
from dashboard.data import Clips
from dashboard.memory import once
from dashboard.neighbourhoods.data import Compared, Pair, class_of_clips, measured
from jobs.specs import EmbedAudio, EmbedText, Neighbors


class Neighbour(NamedTuple):
    """A near clip or class.

    Attributes
    ----------
    id : str
    distance : float
        Cosine distance, 0 to 2.
    elsewhere : int or None
        Its place in the other space's list; None where it is beyond what is kept of that.
    shared : bool
        Whether it is among the k nearest in both.
    """

    id: str
    distance: float
    elsewhere: int | None
    shared: bool


class Classes(NamedTuple):
    """The classes of a space: names, places by distance (C, C - 1), distances (C, C), and a clip of each."""

    names: list[str]
    order: np.ndarray
    distances: np.ndarray
    #: The clip nearest to its class's mean; "" for a space of texts.
    typical: list[str]


def graphs(pair: Pair) -> list[Neighbors]:
    """Return the specs of the neighbour graphs of clips; none where classes are compared."""
    if pair.spec.of == "classes":
        return []
    return [Neighbors(embedding=s.spec) for s in (pair.a, pair.b) if isinstance(s.spec, EmbedAudio)]


def near(pair: Pair, c: Clips, thing: str, k: int) -> tuple[list[Neighbour], list[Neighbour]]:
    """Return the k nearest of a clip or class in the first space and in the second, nearest first."""
    one, two = (_in_order(pair, space, c, thing) for space in (pair.a, pair.b))
    return _side(one, two, k), _side(two, one, k)


def _side(own: list[tuple[str, float]], other: list[tuple[str, float]], k: int) -> list[Neighbour]:
    place = {name: i for i, (name, _) in enumerate(other, start=1)}
    return [Neighbour(name, d, place.get(name), place.get(name, k + 1) <= k) for name, d in own[:k]]


def _in_order(pair: Pair, space: Compared, c: Clips, thing: str) -> list[tuple[str, float]]:
    """Return all neighbours that are known with their distances, nearest first."""
    ids = measured(pair).ids
    if pair.spec.of == "classes":
        names, order, distances, _ = classes(space, ids, c, pair.spec.class_vectors)
        if thing not in names:
            return []
        i = names.index(thing)
        return [(names[j], float(distances[i, j])) for j in order[i]]
    assert isinstance(space.spec, EmbedAudio)
    compared = once(("compared", pair.spec.key), lambda: frozenset(ids))
    graph = Neighbors(embedding=space.spec)
    return [(i, d) for i, d in results.neighbours_of(graph, c, thing, graph.k) if i in compared]


def classes(space: Compared, names: tuple[str, ...], c: Clips, vectors: str = "raw") -> Classes:
    """Measure how near the classes `names` are to each other, by the cosine distance of their vectors.

    A class's vector is the mean of its clips' embeddings, raw or at unit length (`vectors`), or its text's
    embedding. Distances are rounded to 12 decimals and ties go to the class that comes first, as everywhere.
    """

    def measure() -> Classes:
        means, typical = _of_text(space.spec, names) if isinstance(space.spec, EmbedText) else _of_clips()
        unit = normalize(means)
        distances = np.round(np.clip(1 - unit @ unit.T, 0, 2), 12)
        np.fill_diagonal(distances, -1)  # itself first, to be taken out
        order = np.argsort(distances, axis=1, kind="stable")[:, 1:]
        np.fill_diagonal(distances, 0)
        return Classes(list(names), order, distances, typical)

    def _of_clips() -> tuple[np.ndarray, list[str]]:
        assert isinstance(space.spec, EmbedAudio)
        rows = results.rows_of(space.spec, c)
        X = np.asarray(results.result(space.spec).embeddings)
        code = {name: i for i, name in enumerate(names)}
        labels = class_of_clips(c)
        codes = np.asarray([code.get(labels[r], -1) if r >= 0 else -1 for r in rows.tolist()])
        of = np.array([*names, ""])[codes]
        known, means = class_centroids(X, of, vectors=vectors)
        means = means[[known.index(name) for name in names]]
        typical = []
        for i, mean in enumerate(means):
            members = np.flatnonzero(codes == i)
            unit = normalize(X[members].astype(np.float64))
            typical.append(str(c.ids[rows[members[int(np.argmax(unit @ mean))]]]))
        return means, typical

    return once(("classes near", space.spec.key, c.key, names, vectors), measure)


def _of_text(spec: EmbedText, names: tuple[str, ...]) -> tuple[np.ndarray, list[str]]:
    texts = results.result(spec)
    row = {name: i for i, name in enumerate(texts.ids)}
    X = texts.embeddings.astype(np.float64)
    return X[[row[n] for n in names]], [""] * len(names)


def typical_clips(pair: Pair, c: Clips) -> dict[str, str]:
    """Return for every class a clip to listen to: its most typical in the pair's first space of sounds.

    For two spaces of texts it is the first clip of the class.
    """
    names = measured(pair).ids
    for space in (pair.a, pair.b):
        if isinstance(space.spec, EmbedAudio):
            typical = classes(space, names, c, pair.spec.class_vectors).typical
            return dict(zip(names, typical, strict=True))
    first: dict[str, str] = {}
    for label, clip in zip(class_of_clips(c).tolist(), c.ids.tolist(), strict=True):
        first.setdefault(label, clip)
    return {name: first[name] for name in names if name in first}
