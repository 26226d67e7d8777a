"""Questions to listeners: the systems, the query, the lists of results, and the answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

#: Maximum number of systems side by side.
MOST_COLUMNS = 4

QueryKind = Literal["clip", "upload", "text"]


class RatingsError(ValueError):
    """Ratings cannot be read or stored; the message says what to do."""


@dataclass(frozen=True)
class System:
    """A retrieval system, with everything needed to reproduce its results: see `jobs.specs.Retrieval`.

    Parameters
    ----------
    encoder : str
    aggregation : str, default "mean"
        How frames are aggregated to a clip; "" if the encoder has no frames.
    components : int, default 100
        Number of principal components; 0 keeps all dimensions.
    normalize : bool, default False
        Whether vectors are scaled to unit length.
    algorithm : str, default "mcss"
        How the corpus is searched.
    space : str, default ""
        Key of the embedding, which identifies the weights and the version.
    scale : str, default "none"
        Whether dimensions are scaled by their ranges in the corpus ("minmax"), before the reduction.
    """

    encoder: str
    aggregation: str = "mean"
    components: int = 100
    normalize: bool = False
    algorithm: str = "mcss"
    space: str = ""
    scale: str = "none"

    @property
    def name(self) -> str:
        """Name without the key of the space: ``aisfx · mean · PCA 100 · mcss``."""
        parts = [self.encoder, self.aggregation, "min-max" if self.scale == "minmax" else ""]
        parts.append(f"PCA {self.components}" if self.components else "no PCA")
        parts += ["unit length" if self.normalize else "", self.algorithm]
        return " · ".join(filter(None, parts))


@dataclass(frozen=True)
class Query:
    """A query: a clip id, the hash of an upload, or a text.

    Parameters
    ----------
    kind : {'clip', 'upload', 'text'}
    value : str
    wanted : str, default ""
        The requested class, by which listeners judge; "" for none.
    """

    kind: QueryKind
    value: str
    wanted: str = ""

    def __post_init__(self) -> None:
        if self.kind not in get_args(QueryKind):
            raise RatingsError(
                f"A query is of kind {self.kind!r}; it must be {', '.join(get_args(QueryKind))}."
            )


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question as it is shown to a listener.

    Parameters
    ----------
    session : str
        Unique name of the session.
    number : int
        Number of the question in its session, from 0.
    listener : str
        An alias, up to 64 characters; nothing else about a person is stored.
    seed : int
        Seed of the plan.
    dataset, fingerprint : str
        Name and fingerprint of the dataset searched.
    query : Query
    systems : tuple of System
        In the order of the columns, each once, 1 to 4.
    results : tuple of tuple of str
        The clip ids in each column, best first.
    repeat_of : int, optional
        Number of the earlier question of this session that this one repeats, unknown to the listener.
    """

    session: str
    number: int
    listener: str
    seed: int
    dataset: str
    fingerprint: str
    query: Query
    systems: tuple[System, ...]
    results: tuple[tuple[str, ...], ...]
    repeat_of: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "systems", tuple(self.systems))
        object.__setattr__(self, "results", tuple(tuple(column) for column in self.results))
        if not 1 <= len(self.listener.strip()) <= 64 or not self.listener.isprintable():
            raise RatingsError(f"{self.listener!r} cannot name a listener; use 1 to 64 characters.")
        if not self.session:
            raise RatingsError("A question needs the name of its session.")
        if not 1 <= len(self.systems) <= MOST_COLUMNS or len(set(self.systems)) < len(self.systems):
            raise RatingsError(
                f"A question shows {len(self.systems)} systems; it must show 1 to {MOST_COLUMNS}, each once."
            )
        if len(self.results) != len(self.systems):
            raise RatingsError(
                f"There are results of {len(self.results)} columns for {len(self.systems)} systems; each "
                "system needs one column."
            )
        if self.repeat_of is not None and not 0 <= self.repeat_of < self.number:
            raise RatingsError(
                f"Question {self.number} repeats question {self.repeat_of}; it must be an earlier one."
            )

    @property
    def key(self) -> str:
        """Key that listeners with the same question share: of dataset, query, and systems with their results.

        It does not depend on the order of the columns, which is shuffled for each listener.
        """
        columns = sorted(plain_json([asdict(s), r]) for s, r in zip(self.systems, self.results, strict=True))
        text = plain_json([self.fingerprint, asdict(self.query), columns])
        return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Rating:
    """A question and its answers so far. Times in seconds since 1970.

    Attributes
    ----------
    id : int
        Id of the question in the database.
    question : Question
    created : float
    answered : float or None
        Time of the choice that counts; None before an answer.
    chosen : int or None
        Column from 0; None before an answer, and if none was chosen.
    marks : mapping of (int, int) to bool
        By column and position from 0: whether the result fits.
    """

    id: int
    question: Question
    created: float
    answered: float | None
    chosen: int | None
    marks: dict[tuple[int, int], bool] = field(default_factory=dict)


def labels(ratings: Iterable[Rating]) -> dict[System, str]:
    """Name the systems of ratings unambiguously.

    Returns the name of each system; if two systems differ only in the space, as after an update of an
    encoder, the second one is called ``... #2``.
    """
    spaces: dict[str, list[System]] = {}
    for rating in ratings:
        for system in rating.question.systems:
            of = spaces.setdefault(system.name, [])
            if system not in of:
                of.append(system)
    return {
        system: name if i == 0 else f"{name} #{i + 1}"
        for name, systems in spaces.items()
        for i, system in enumerate(systems)
    }


def plain_json(value: Any) -> str:
    """Write canonical JSON: keys sorted, no blanks."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
