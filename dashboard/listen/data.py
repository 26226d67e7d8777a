"""What the page Listen plays: systems, and the queries that they are asked.

A system is an embedding with what is done to it before it is searched (`jobs.listening.ratings.System`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np

from core.processing import AGGREGATIONS
from core.retrieval import ALGORITHMS, COMPONENTS
from dashboard.data import Clips
from dashboard.memory import once
from dashboard.results import has, result
from jobs import encoders
from jobs import presets as measures
from jobs.listening.ratings import Question, System
from jobs.specs import EmbedAudio, EmbedQuery, Retrieval, SpecError
from jobs.workspace.workspace import Dataset, Workspace

#: Results on one page, and those that can be paged through: one and ten pages of Freesound.
PAGE = 15
MOST = 150
_USUAL_COMPONENTS = 100
#: An untrained network is a control, nothing to begin with.
CONTROL = "random-cnn"


class NotRanked(ValueError):
    """A system has no list for this query; the message says why."""


class TooLarge(NotRanked):
    """A list takes longer to make than a page may: the job of the system's `judgements` brings it."""


# -- systems ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Offered:
    """A system that can be listened to; `id` stands in the URL.

    Attributes
    ----------
    id : str
        The encoder alone for the usual system, else ``<encoder>~<aggregation>~<components>~<algorithm>``.
    """

    id: str
    system: System
    embedding: EmbedAudio

    @property
    def encoder(self) -> str:
        """Name of the encoder."""
        return self.system.encoder

    @property
    def about(self) -> str:
        """What is done to the embeddings: ``mean · PCA 100 · MCSS``."""
        s = self.system
        parts = [s.aggregation, "min-max" if s.scale == "minmax" else ""]
        parts += [f"PCA {s.components}" if s.components else "no PCA", s.algorithm.upper()]
        return " · ".join(filter(None, parts))

    @property
    def name(self) -> str:
        """Name in lists of systems: the encoder alone where the rest is as usual."""
        return self.encoder if "~" not in self.id else f"{self.encoder} · {self.about}"


def offered(shown: Workspace, dataset: Dataset) -> dict[str, Offered]:
    """Return the systems of a dataset by id: the usual one of every space, then all other ways."""
    spaces = [s.spec for s in shown.spaces(dataset) if s.state == "done"]
    found = [o for spec in spaces for o in _ways(spec)]
    return {o.id: o for o in sorted(found, key=lambda o: "~" in o.id)}


def _ways(spec: EmbedAudio) -> list[Offered]:
    def find() -> list[Offered]:
        shape, frames = facts(spec)
        kept = [p or 0 for p in COMPONENTS if p is None or p <= min(shape)]
        usual = (AGGREGATIONS[0] if frames else "", kept[0] if kept[0] == _USUAL_COMPONENTS else 0, "mcss")
        ways = [
            (how, p, algorithm)
            for how in (AGGREGATIONS if frames else ("",))
            for p in kept
            for algorithm in ALGORITHMS
        ]
        ways.sort(key=lambda way: way != usual)
        return [_offered(spec, *way, usual=way == usual) for way in ways]

    return once(("ways", spec.key), find)


def facts(spec: EmbedAudio) -> tuple[tuple[int, int], bool]:
    """Return the shape of a space, (n, d), and whether it has frames."""
    space = result(spec)
    n, d = space.embeddings.shape
    return (n, d), space.frames is not None


def _offered(spec: EmbedAudio, how: str, components: int, algorithm: str, *, usual: bool) -> Offered:
    scale = measures.scale_of(spec)
    system = System(spec.encoder, how, components, algorithm=algorithm, space=spec.key, scale=scale)
    way = f"~{how or 'clips'}~{components or 'all'}~{algorithm}"
    return Offered(spec.encoder if usual else spec.encoder + way, system, spec)


def beside(first: str, others: Sequence[str]) -> list[str]:
    """Return two systems to compare: `first`, and the first of the others that is a model of its own.

    Examples
    --------
    >>> beside("aisfx", ["aisfx", "random-cnn", "melstats"]), beside("aisfx", ["aisfx"])
    (['aisfx', 'melstats'], ['aisfx'])
    """
    rest = sorted((o for o in others if o != first), key=lambda o: o == CONTROL)
    return [first, *rest[:1]]


def find(systems: Mapping[str, Offered], wanted: System) -> Offered | None:
    """Return the offered system that is exactly `wanted`, None where its space is no longer there."""
    return next((o for o in systems.values() if o.system == wanted), None)


def judgements(o: Offered, dataset: Dataset) -> list[Retrieval]:
    """Return the specs of what judges this system, any of which will do; the first one is to be asked for.

    A space without 100 dimensions or clips keeps all of them when asked for 100, as everybody asks.
    """
    s = o.system
    shape, _ = facts(o.embedding)
    kept = [s.components]
    if not s.components:
        kept = [p for p in COMPONENTS if p is not None and p > min(shape)] + kept
    return [
        Retrieval(
            embedding=o.embedding,
            labels=dataset.labels_fingerprint,
            aggregation=s.aggregation or AGGREGATIONS[0],
            components=p,
            normalize=s.normalize,
            algorithm=s.algorithm,
            scale=s.scale,
        )
        for p in kept
    ]


def judged(o: Offered, dataset: Dataset) -> Retrieval | None:
    """Return the spec of a judgement that exists."""
    return next((spec for spec in judgements(o, dataset) if has(spec)), None)


# -- queries ----------------------------------------------------------------------------------------------


def classes(c: Clips) -> dict[str, np.ndarray]:
    """Return the rows of the clip table that carry each class, (m,) each, by name in order."""

    def collect() -> dict[str, np.ndarray]:
        found: dict[str, list[int]] = {}
        for row, names in enumerate(labels(c)):
            for name in names:
                found.setdefault(name, []).append(row)
        return {name: np.asarray(found[name]) for name in sorted(found)}

    return once(("classes", c.key), collect)


def labels(c: Clips) -> list[tuple[str, ...]]:
    """Return the classes of every clip: all that it carries, where the dataset says more than one."""

    def read() -> list[tuple[str, ...]]:
        several = c.frame["labels"] if "labels" in c.frame else [None] * c.n
        return [
            tuple(dict.fromkeys(map(str, many))) if np.ndim(many) else (one,) if one else ()
            for many, one in zip(several, c.labels.tolist(), strict=True)
        ]

    return once(("labels", c.key), read)


def draw(c: Clips, label: str, seed: int, *, now: str = "") -> str:
    """Draw a clip of a class, of all clips where `label` is ""; another one than `now`, if there is one."""
    rows = classes(c)[label] if label else np.arange(c.n)
    ids = [str(i) for i in c.ids[rows] if i != now] or [now]
    return Random(f"{label}\n{seed}").choice(ids)


def embed_query(
    o: Offered, dataset: Dataset, *, upload: tuple[str, str] = ("", ""), text: str = ""
) -> EmbedQuery:
    """Return the spec that embeds a query from outside in the space of a system.

    Raises
    ------
    NotRanked
        Where the encoder cannot do it, or is another one than the space was made with.
    """
    name = o.encoder
    if dataset.ref.imported.get(name):
        raise NotRanked(f"The embeddings of {name} were imported; nothing here embeds a new query like them.")
    try:
        spec = EmbedQuery(encoder=name, upload=upload[0], suffix=upload[1], text=text)
    except (SpecError, encoders.EncoderError) as error:
        raise NotRanked(str(error)) from None
    if spec.identity != o.embedding.identity:
        raise NotRanked(
            f"The space of {name} was made by {o.embedding.identity}, which is {spec.identity} now; embed "
            "the dataset again to search it with new queries."
        )
    return spec


def reads_text(o: Offered) -> bool:
    """True if the encoder may have a text tower of the same space; what was trained here embeds nothing."""
    if o.embedding.source is not None:
        return False
    try:
        return "text" in encoders.get(o.encoder, modality="audio")[0].MODALITIES
    except encoders.EncoderError:
        return False


def heard(q: Question) -> list[str]:
    """Return what is heard in a question, each once: what was searched with, then the results by column.

    Its place here is all that a listener is told of a sound, whose id may name its class.
    """
    return list(dict.fromkeys([q.query.value, *(clip for column in q.results for clip in column)]))


# -- what is said about a clip ----------------------------------------------------------------------------

_LICENCES = ("license", "licence")
_AUTHORS = ("attribution", "author", "uploader", "artist", "user", "username")
_LINKS = ("url", "link", "source_url")


def credit(c: Clips, row: int) -> tuple[str, str]:
    """Return whose sound a clip is and under which licence, and a link, each "" where there is none."""
    authors = [t for name in _AUTHORS if (t := _cell(c, name, row))][:1]
    licences = [t for name in _LICENCES if (t := _cell(c, name, row))][:1]
    links = [t for name in _LINKS if (t := _cell(c, name, row)).startswith(("https://", "http://"))]
    return " · ".join(authors + licences), links[0] if links else ""


def _cell(c: Clips, name: str, row: int) -> str:
    if name not in c.frame:
        return ""
    value: Any = c.frame[name].iloc[row]
    return value.strip() if isinstance(value, str) else ""
