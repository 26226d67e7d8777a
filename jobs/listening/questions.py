"""Questions to listeners: the systems shown, the query, the lists of results, and what was answered."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

#: Systems side by side.
MOST_COLUMNS = 4

QueryKind = Literal["clip", "upload", "text"]


class RatingsError(ValueError):
    """Ratings cannot be read or kept as asked; the message says what to do."""


@dataclass(frozen=True)
class System:
    """A retrieval system: what it takes to give the same results again, as `jobs.specs.Retrieval` says it.

    Parameters
    ----------
    encoder : str
    aggregation : str, default "mean"
        How frames become a clip; "" where the encoder has no frames.
    components : int, default 100
        Principal components kept; 0 keeps all dimensions.
    normalize : bool, default False
        Whether vectors are scaled to unit length.
    algorithm : str, default "mcss"
        How the corpus is searched.
    space : str, default ""
        Key of the embedding that was searched, which says which weights and which version.
    scale : str, default "none"
        Whether dimensions are scaled by their ranges in the corpus ("minmax"), before the components.
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
        """All but the key of the space: ``aisfx · mean · PCA 100 · mcss``."""
        parts = [self.encoder, self.aggregation, "min-max" if self.scale == "minmax" else ""]
        parts.append(f"PCA {self.components}" if self.components else "no PCA")
        parts += ["unit length" if self.normalize else "", self.algorithm]
        return " · ".join(filter(None, parts))


@dataclass(frozen=True)
class Query:
    """What is searched for: a clip id, the hash of a sound that was brought along, or a text.

    Parameters
    ----------
    kind : {'clip', 'upload', 'text'}
    value : str
    wanted : str, default ""
        The class asked for, which a listener is to judge by; "" where there is none.
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
        What the listener does in one go; any name that no other session has.
    number : int
        Of the question in its session, from 0.
    listener : str
        An alias, up to 64 characters; no more about a person is kept.
    seed : int
        Of the plan.
    dataset, fingerprint : str
        Name and fingerprint of the dataset searched.
    query : Query
    systems : tuple of System
        In the order of the columns shown, each once, 1 to 4.
    results : tuple of tuple of str
        The clip ids shown in each column, best first.
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
                "needs its own."
            )
        if self.repeat_of is not None and not 0 <= self.repeat_of < self.number:
            raise RatingsError(
                f"Question {self.number} repeats question {self.repeat_of}; it must be an earlier one."
            )

    @property
    def key(self) -> str:
        """What two listeners with the same question share: dataset, query and the systems with their results.

        The order of the columns, which is shuffled for each listener, plays no part.
        """
        columns = sorted(plain_json([asdict(s), r]) for s, r in zip(self.systems, self.results, strict=True))
        text = plain_json([self.fingerprint, asdict(self.query), columns])
        return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Rating:
    """A question and what its listener has answered so far. Times in seconds since 1970.

    Attributes
    ----------
    id : int
        Of the question in the database.
    question : Question
    created : float
    answered : float or None
        When the choice that counts was made; None where there is none yet.
    chosen : int or None
        Column from 0; None where nothing is answered and where none was chosen.
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
    """Name the systems of some ratings so that no two are mixed up.

    The name of a system; where two differ only in the space that was searched, as after an update of an
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
    """Write JSON that is the same for what is equal: keys sorted, no blanks."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
