"""What the pages show, read from the workspace and kept in memory by the keys of the results.

Results never change, so what is read once under a key is right for good; the caches here are shared by
all sessions and bounded. A dataset's clips are the rows of everything: coordinates, neighbours and colours
come aligned to them, with NaN or -1 where a space left a clip out.
"""

from __future__ import annotations

import functools
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dashboard import numbers, palette
from dashboard.figures import Colour, Map, map_figure
from jobs.specs import EmbedAudio, Neighbors, Project
from jobs.workspace import Dataset, Workspace

_root: Path | None = None
_lock = threading.Lock()


def use(root: Path | None) -> None:
    """Show the workspace at `root`; None for the one that the environment names."""
    global _root
    _root = root


def workspace() -> Workspace:
    """Return the workspace that is shown."""
    return _workspace(_root)


@functools.lru_cache(maxsize=8)
def _workspace(root: Path | None) -> Workspace:
    return Workspace.open(root)


@dataclass(frozen=True)
class Clips:
    """The clip table of a dataset in the form that pages use.

    Attributes
    ----------
    ids, labels, families, files : ndarray of str, shape (n,)
        "" where there is none.
    row : dict
        Clip id to row.
    styles : dict
        Class to `palette.Style`: the same on every page.
    """

    key: tuple[Any, ...]
    frame: pd.DataFrame
    ids: np.ndarray
    labels: np.ndarray
    families: np.ndarray
    files: np.ndarray
    row: dict[str, int]
    styles: dict[str, palette.Style]
    #: Lower-case text that the search looks through.
    haystack: np.ndarray

    @property
    def n(self) -> int:
        """Number of clips."""
        return len(self.ids)


def clips(dataset: Dataset) -> Clips:
    """Return the clips of a dataset."""
    key = (str(workspace().root), dataset.fingerprint, dataset.labels_fingerprint, dataset.ready)
    return _once(("clips", *key), lambda: _clips(dataset, key))


def _clips(dataset: Dataset, key: tuple[Any, ...]) -> Clips:
    frame = dataset.clips.reset_index(drop=True)
    ids = frame["clip_id"].to_numpy(dtype=str)
    labels = _strings(frame, "label")
    families = _strings(frame, "family")
    files = _strings(frame, "path")
    of: dict[str, str | None] = {}
    for label, family in zip(labels, families, strict=True):
        if label:
            of[label] = of.get(label) or (family or None)
    classes = dataset.classes
    for label, family in zip(classes["label"], classes["family"], strict=True):
        of[str(label)] = of.get(str(label)) or (family if isinstance(family, str) and family else None)
    styles = palette.class_styles(of)
    captions = _strings(frame, "caption")
    texts = ["\n".join(parts).lower() for parts in zip(labels, files, captions, families, strict=True)]
    row = {c: i for i, c in enumerate(ids.tolist())}
    return Clips(key, frame, ids, labels, families, files, row, styles, np.asarray(texts, dtype=object))


def _strings(frame: pd.DataFrame, column: str) -> np.ndarray:
    if column not in frame:
        return np.full(len(frame), "", dtype=object)
    values = frame[column].astype(object)
    return values.where(values.notna(), "").astype(str).to_numpy(dtype=object)


def matching(c: Clips, text: str, labels: list[str], families: list[str]) -> np.ndarray:
    """Return which clips pass the filter: every word of `text` found, and one of the labels and families."""
    shown = np.ones(c.n, bool)
    if labels:
        shown &= np.isin(c.labels.astype(str), labels)
    if families:
        shown &= np.isin(c.families.astype(str), families)
    for word in text.lower().split():
        shown &= np.fromiter((word in t for t in c.haystack), bool, c.n)
    return shown


@dataclass(frozen=True)
class Summary:
    """A dataset in a few numbers."""

    seconds: float
    families: int
    remarks: int


def summary(dataset: Dataset) -> Summary:
    """Return total length, families and remarks from the import."""
    c = clips(dataset)
    seconds = float(np.nansum(c.frame["duration"].to_numpy(float)))
    return Summary(seconds, len({f for f in c.families if f}), len(dataset.report))


def results(shown: Workspace) -> int:
    """How many results there are: a page that shows them is drawn anew when this changes."""
    return len(shown.cache.list())


# -- results ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Layout:
    """A map: coordinates (n, 2), share of true neighbours kept (n, len(ks)); NaN for clips left out.

    `explained` is the share of the space's variance along each axis of a PCA map.
    """

    coords: np.ndarray
    kept: np.ndarray
    ks: tuple[int, ...]
    explained: tuple[float, float] | None = None


@dataclass(frozen=True)
class Graph:
    """Nearest neighbours by row of the clip table: (n, k), -1 and NaN for clips that the space left out."""

    indices: np.ndarray
    distances: np.ndarray


@dataclass(frozen=True)
class Quality:
    """How well a space tells classes apart."""

    encoder: str
    agreement: numbers.Estimate
    silhouette: numbers.Estimate
    n: int
    dimensions: int


def rows_of(embedding: EmbedAudio, c: Clips) -> np.ndarray:
    """Rows of the clip table in the order of an embedding's rows."""

    def read() -> np.ndarray:
        ids = workspace().cache.open(embedding.key).table("clips").column("clip_id").to_pylist()
        return np.asarray([c.row.get(i, -1) for i in ids], dtype=np.int64)

    return _once(("rows", embedding.key, c.key), read)


def has(spec: Any) -> bool:
    """True if the result exists."""
    return workspace().cache.contains(spec.key)


def layout(spec: Project, c: Clips) -> Layout:
    """Return a map, aligned to the clips."""

    def read() -> Layout:
        artifact = workspace().cache.open(spec.key)
        rows = rows_of(spec.embedding, c)
        ks = tuple(int(k) for k in artifact.array("kept_ks"))
        coords = np.full((c.n, 2), np.nan, np.float32)
        kept = np.full((c.n, len(ks)), np.nan, np.float32)
        ok = rows >= 0
        coords[rows[ok]] = artifact.array("coords")[ok]
        kept[rows[ok]] = artifact.array("kept")[ok]
        explained = _explained(spec, artifact.array("coords")) if spec.method == "pca" else None
        return Layout(coords, kept, ks, explained)

    return _once(("layout", spec.key, c.key), read)


def _explained(spec: Project, coords: np.ndarray) -> tuple[float, float] | None:
    X = np.asarray(workspace().cache.open(spec.embedding.key).array("embeddings"))
    whole = float(X.var(axis=0, dtype=np.float64).sum())
    if not whole > 0:
        return None
    first, second = np.asarray(coords).var(axis=0, dtype=np.float64) / whole
    return float(first), float(second)


def graph(spec: Neighbors, c: Clips) -> Graph:
    """Return the nearest neighbours, aligned to the clips."""

    def read() -> Graph:
        artifact = workspace().cache.open(spec.key)
        rows = rows_of(spec.embedding, c)
        found = artifact.array("indices")
        indices = np.full((c.n, found.shape[1]), -1, np.int64)
        distances = np.full((c.n, found.shape[1]), np.nan, np.float32)
        ok = rows >= 0
        indices[rows[ok]] = rows[found[ok]]
        distances[rows[ok]] = artifact.array("distances")[ok]
        return Graph(indices, distances)

    return _once(("graph", spec.key, c.key), read)


def neighbours_of(spec: Neighbors, c: Clips, clip_id: str, n: int) -> list[tuple[str, float]]:
    """Return the n nearest clips in the original space with their distances, nearest first."""
    row = c.row.get(clip_id)
    if row is None:
        return []
    g = graph(spec, c)
    pairs = zip(g.indices[row, :n].tolist(), g.distances[row, :n].tolist(), strict=True)
    return [(str(c.ids[i]), d) for i, d in pairs if i >= 0]


def dimensions(embedding: EmbedAudio) -> int:
    """Number of dimensions of a space."""
    return int(workspace().cache.open(embedding.key).array("embeddings").shape[1])


def quality(embedding: EmbedAudio, dataset: Dataset) -> Quality | None:
    """Nearest-neighbour class agreement and cosine silhouette; None until the neighbours are there."""
    spec = Neighbors(embedding=embedding)
    if not (has(embedding) and has(spec)):
        return None
    c = clips(dataset)

    def compute() -> Quality:
        from core.neighbors import class_agreement_samples
        from core.separability import silhouette_samples

        rows = rows_of(embedding, c)
        X = np.asarray(workspace().cache.open(embedding.key).array("embeddings"))
        labels = c.labels[rows].astype(str)
        labels[rows < 0] = ""
        nearest = np.asarray(workspace().cache.open(spec.key).array("indices"))
        named = labels != ""
        hits = class_agreement_samples(nearest, labels, k=1)[named] if nearest.shape[1] else np.empty(0)
        enough = len(np.unique(labels[named])) > 1
        silhouette = silhouette_samples(X[named], labels[named]) if enough else np.empty(0)
        return Quality(
            embedding.encoder,
            numbers.share(hits == 1),
            numbers.mean(silhouette, low=-1, high=1),
            int(named.sum()),
            X.shape[1],
        )

    return _once(("quality", embedding.key, c.key), compute)


# -- colours ----------------------------------------------------------------------------------------------

#: Columns that are identity or text, not something to colour by.
_NOT_NUMBERS = {"clip_id", "path", "label", "labels", "family", "fold", "caption", "sha256"}
_UNITS = {"duration": "duration, s", "sample_rate": "sample rate, Hz"}
KEPT = "kept"


def colour_options(c: Clips) -> dict[str, str]:
    """What points can be coloured by: value in the URL to name on the page."""
    options = {"class": "class"}
    if any(c.families):
        options["family"] = "family"
    if "fold" in c.frame and c.frame["fold"].notna().any():
        options["fold"] = "fold"
    for name in c.frame.columns:
        if name not in _NOT_NUMBERS and pd.api.types.is_numeric_dtype(c.frame[name]):
            options[f"column:{name}"] = _UNITS.get(name, name.replace("_", " "))
    return options | {KEPT: "neighbourhood kept"}


def colour(c: Clips, by: str) -> Colour:
    """Return the colour of every clip by one of `colour_options` (all but neighbourhood kept)."""
    return _once(("colour", by, c.key), lambda: _colour(c, by))


def _colour(c: Clips, by: str) -> Colour:
    if by == "family":
        return _groups("family", c.families, palette.family_styles)
    if by == "fold":
        folds = c.frame["fold"]
        text = np.asarray([f"fold {int(f)}" if pd.notna(f) else "" for f in folds], dtype=object)
        return _groups("fold", text, palette.plain_styles)
    if by.startswith("column:"):
        name = by.removeprefix("column:")
        values = pd.to_numeric(c.frame[name], errors="coerce").to_numpy(np.float32, na_value=np.nan)
        return Colour("number", _UNITS.get(name, name.replace("_", " ")), values)
    family = dict(zip(c.labels, c.families, strict=True))
    few = len(c.styles) <= len(palette.BASE["light"])
    # Many classes are listed by family, as they are coloured.
    order = None if few else lambda name: (family.get(name) or "", name)
    return _groups("class", c.labels, lambda names: {n: c.styles[n] for n in names}, order)


def kept_colour(shown: Layout, k: int) -> Colour:
    """Colour by the share of the k true neighbours that are among the k neighbours on the map."""
    title = f"share of the {k} true neighbours kept"
    return Colour("number", title, shown.kept[:, shown.ks.index(k)], limits=(0.0, 1.0))


def _groups(
    title: str,
    values: np.ndarray,
    styles: Callable[[list[str]], dict[str, palette.Style]],
    order: Callable[[str], Any] | None = None,
) -> Colour:
    names = sorted({v for v in values if v}, key=order or _natural)
    found = styles(names)
    looks = [found[n] for n in names]
    if any(v == "" for v in values):
        names.append(f"no {title}")
        looks.append(palette.Style(palette.NEUTRAL["light"], palette.NEUTRAL["dark"]))
    code = {n: i for i, n in enumerate(names)}
    codes = np.asarray([code.get(v, len(names) - 1) for v in values], np.int16)
    return Colour("group", title, codes, names, looks)


def _natural(name: str) -> tuple[int, str]:
    tail = name.rpartition(" ")[2]
    return (int(tail), name) if tail.isdigit() else (0, name)


# -- maps and lists ---------------------------------------------------------------------------------------


def map_content(
    c: Clips, maps: list[Project], layouts: list[Layout], by: str, k: int, shown: np.ndarray
) -> bytes:
    """Return the JSON of a map figure for the browser."""
    from dashboard.components import map as map_component

    def draw() -> bytes:
        drawn = [
            Map(m.embedding.encoder, m.method, found.coords, found.explained)
            for m, found in zip(maps, layouts, strict=True)
        ]
        rows = np.flatnonzero(shown)
        colours = [kept_colour(x, _judged(x, k)) for x in layouts] if by == KEPT else [colour(c, by)]
        each = colours if len(colours) > 1 else colours[0]
        return map_component.payload(
            map_figure(drawn, clip_ids=c.ids, colour=each, shown=shown),
            clip_ids=c.ids[rows],
            labels=c.labels[rows],
            families=c.families[rows],
            files=c.files[rows],
            colours=[replace(x, values=x.values[rows], limits=x.limits or _ends(x)) for x in colours],
        )

    which = hashlib.sha256(np.packbits(shown).tobytes()).hexdigest()
    keys = tuple(m.key for m in maps)
    return _once(("content", keys, by, k if by == KEPT else 0, which, c.key), draw)


def kept_mean(spec: Project, c: Clips, k: int) -> tuple[int, numbers.Estimate]:
    """Return the k that is judged (at most what the map was judged at) and the mean share kept."""
    found = layout(spec, c)
    k = _judged(found, k)
    return k, numbers.mean(found.kept[:, found.ks.index(k)], low=0, high=1)


def _judged(found: Layout, k: int) -> int:
    """Return the largest k at which the map was judged that is at most `k`."""
    return max((x for x in found.ks if x <= k), default=found.ks[0])


def _ends(found: Colour) -> tuple[float, float] | None:
    """Ends over all clips: a filter must not change what a colour means."""
    return found.ends() if found.kind == "number" else None


def in_order(c: Clips, ids: list[str]) -> list[str]:
    """Sort clips by class, then file."""
    rows = sorted((c.row[i] for i in ids), key=lambda r: (c.labels[r], c.files[r]))
    return c.ids[rows].tolist()


def lengths(c: Clips, ids: list[str]) -> list[str]:
    """Durations as texts."""
    values = c.frame["duration"].to_numpy(float)
    return [numbers.duration(values[c.row[i]]) for i in ids]


def composition(c: Clips, ids: list[str], most: int = 6) -> str:
    """Say which classes a selection is of: ``Rain 12 · Dog bark 3``."""
    names, counts = np.unique(c.labels[[c.row[i] for i in ids]].astype(str), return_counts=True)
    order = np.lexsort((names, -counts))
    parts = [f"{names[i] or 'no class'} {counts[i]:,}" for i in order[:most]]
    if len(order) > most:
        parts.append(f"{len(order) - most} more classes")
    return " · ".join(parts)


def same_class(c: Clips, clip: str, others: list[str]) -> str:
    """Say how many of the others are of the clip's class."""
    label = c.labels[c.row[clip]]
    hits = sum(c.labels[c.row[o]] == label for o in others)
    return f"{hits} of {len(others)} of the same class" if label else f"{len(others)} nearest"


def csv_of(c: Clips, ids: list[str]) -> bytes:
    """Return rows of the clip table as CSV."""
    frame = c.frame.iloc[[c.row[i] for i in ids]].copy()
    if "labels" in frame:
        frame["labels"] = ["; ".join(map(str, v)) if v is not None else "" for v in frame["labels"]]
    return frame.to_csv(index=False).encode()


# -- keeping ----------------------------------------------------------------------------------------------

_kept: dict[str, OrderedDict[tuple[Any, ...], Any]] = {}
#: How many of each kind stay in memory; figures and graphs are megabytes each.
_MOST = {"clips": 8, "content": 32, "graph": 16, "layout": 32}


def _once(key: tuple[Any, ...], make: Callable[[], Any]) -> Any:
    """Return what was made under this key, or make it; of each kind the least recently used go first."""
    with _lock:
        kind = _kept.setdefault(key[0], OrderedDict())
        if key in kind:
            kind.move_to_end(key)
            return kind[key]
    value = make()
    with _lock:
        kind[key] = value
        kind.move_to_end(key)
        while len(kind) > _MOST.get(key[0], 64):
            kind.popitem(last=False)
    return value


def forget() -> None:
    """Empty what is kept in memory."""
    with _lock:
        _kept.clear()
    _workspace.cache_clear()
