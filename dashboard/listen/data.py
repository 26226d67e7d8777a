"""The systems that Listen compares, what a query needs before it can be searched with, and credits of clips.

A system is an embedding with what is done to it before it is searched (`jobs.listening.ratings.System`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np

from core.processing import AGGREGATIONS
from core.retrieval import ALGORITHMS, COMPONENTS
from dashboard.data import Clips
from dashboard.memory import once
from dashboard.results import has, result
from jobs import encoders, presets
from jobs.listening.ratings import Query, Question, System
from jobs.specs import EmbedAudio, EmbedQuery, Retrieval, Spec, SpecError
from jobs.workspace import uploads
from jobs.workspace.workspace import Dataset, Workspace

#: Results on one page, and those that can be paged through: one and ten pages of Freesound.
PAGE = 15
MOST = 150
_USUAL_COMPONENTS = 100
#: An untrained network is a control, nothing to begin with.
CONTROL = "random-cnn"


class NotRanked(ValueError):
    """A system has no list for this query; the message says why."""


class NotComputed(NotRanked):
    """A list needs results that do not exist yet, those of `specs`."""

    def __init__(self, message: str, specs: Sequence[Spec]) -> None:
        super().__init__(message)
        self.specs = list(specs)


# -- systems ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Offered:
    """A system that can be listened to.

    Attributes
    ----------
    id : str
        Name in the URL: the encoder alone for the usual system, else
        ``<encoder>~<aggregation>~<components>~<algorithm>``.
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


def offered(workspace: Workspace, dataset: Dataset) -> dict[str, Offered]:
    """Return the systems of a dataset by id: the usual one of every space, then all other ways."""
    spaces = [s.spec for s in workspace.spaces(dataset) if s.state == "done"]
    systems = [o for spec in spaces for o in _systems(spec)]
    return {o.id: o for o in sorted(systems, key=lambda o: "~" in o.id)}


def _systems(spec: EmbedAudio) -> list[Offered]:
    """Return all ways to search a space, the usual one first."""

    def make() -> list[Offered]:
        has_frames = result(spec).frames is not None
        kept = [p or 0 for p in COMPONENTS if p is None or p <= min(shape(spec))]
        aggregations = AGGREGATIONS if has_frames else ("",)
        usual = (aggregations[0], kept[0] if kept[0] == _USUAL_COMPONENTS else 0, "mcss")
        ways = [(how, p, algorithm) for how in aggregations for p in kept for algorithm in ALGORITHMS]
        ways.sort(key=lambda way: way != usual)
        return [_offered(spec, *way, is_usual=way == usual) for way in ways]

    return once(("ways", spec.key), make)


def shape(spec: EmbedAudio) -> tuple[int, int]:
    """Return the number of clips and of dimensions of a space."""
    n, d = result(spec).embeddings.shape
    return n, d


def _offered(spec: EmbedAudio, how: str, components: int, algorithm: str, *, is_usual: bool) -> Offered:
    scale = presets.scale_of(spec)
    system = System(spec.encoder, how, components, algorithm=algorithm, space=spec.key, scale=scale)
    way = f"~{how or 'clips'}~{components or 'all'}~{algorithm}"
    return Offered(spec.encoder if is_usual else spec.encoder + way, system, spec)


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
    """Return the offered system that is exactly `wanted`, None where its space no longer exists."""
    return next((o for o in systems.values() if o.system == wanted), None)


def judgements(o: Offered, dataset: Dataset) -> list[Retrieval]:
    """Return the specs that evaluate this system, any of which will do; the first one is to be submitted.

    A space without 100 dimensions or clips keeps all of them when 100 are asked for, as they usually are.
    """
    s = o.system
    kept = [s.components]
    if not s.components:
        kept = [p for p in COMPONENTS if p is not None and p > min(shape(o.embedding))] + kept
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
    """Return the spec of an evaluation of this system that exists."""
    return next((spec for spec in judgements(o, dataset) if has(spec)), None)


# -- queries ----------------------------------------------------------------------------------------------


def classes(c: Clips) -> dict[str, np.ndarray]:
    """Return the rows of the clip table that carry each class, (m,) each, by name in order."""

    def collect() -> dict[str, np.ndarray]:
        rows: dict[str, list[int]] = {}
        for row, names in enumerate(labels(c)):
            for name in names:
                rows.setdefault(name, []).append(row)
        return {name: np.asarray(rows[name]) for name in sorted(rows)}

    return once(("classes", c.key), collect)


def labels(c: Clips) -> list[tuple[str, ...]]:
    """Return the classes of every clip: all that it carries, where the dataset has lists of them."""

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


def query_spec(workspace: Workspace, dataset: Dataset, o: Offered, query: Query) -> EmbedQuery:
    """Return the spec that embeds an upload or a text in the space of a system.

    Raises
    ------
    NotRanked
        Where the encoder cannot embed it, or the sound is gone.
    """
    if query.kind == "text":
        if not reads_text(o):
            raise NotRanked(f"{o.encoder} embeds no text into the space of its sounds; leave it out.")
        return embed_query(o, dataset, text=query.value)
    upload = uploads.find(workspace.root, query.value)
    if upload is None:
        raise NotRanked("An uploaded sound of this test is no longer in the workspace; make a new test.")
    return embed_query(o, dataset, upload=upload)


def embed_query(
    o: Offered, dataset: Dataset, *, upload: tuple[str, str] = ("", ""), text: str = ""
) -> EmbedQuery:
    """Return the spec that embeds a new query in the space of a system.

    Raises
    ------
    NotRanked
        Where the encoder cannot embed it, or is another one than the space was made with.
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
    """Return whether the encoder may embed texts into the same space; one that was trained here does not."""
    if o.embedding.source is not None:
        return False
    try:
        return "text" in encoders.get(o.encoder, modality="audio")[0].MODALITIES
    except encoders.EncoderError:
        return False


def sounds_of(q: Question) -> list[str]:
    """Return the sounds of a question, each once: what was searched with, then the results by column.

    A listener knows a sound by its place in this list only: its id may name its class.
    """
    return list(dict.fromkeys([q.query.value, *(clip for column in q.results for clip in column)]))


# -- credits ----------------------------------------------------------------------------------------------

_LICENCES = ("license", "licence")
_AUTHORS = ("attribution", "author", "uploader", "artist", "user", "username")
_LINKS = ("url", "link", "source_url")


def credit(c: Clips, row: int) -> tuple[str, str]:
    """Return whose sound a clip is and under which licence, and a link, each "" where there is none."""

    def texts(columns: Sequence[str]) -> list[str]:
        values = [c.frame[name].iloc[row] for name in columns if name in c.frame]
        return [text for value in values if isinstance(value, str) and (text := value.strip())]

    links = [text for text in texts(_LINKS) if text.startswith(("https://", "http://"))]
    return " · ".join(texts(_AUTHORS)[:1] + texts(_LICENCES)[:1]), next(iter(links), "")
