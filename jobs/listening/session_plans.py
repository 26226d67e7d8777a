"""The plan of a session: its questions follow from a seed alone."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from jobs.listening.questions import MOST_COLUMNS, Query, RatingsError, System, plain_json

#: Maximum number of systems in a session.
MOST_SYSTEMS = 12
#: Questions among which repeats and controls are spread evenly.
_BLOCK = 10
#: Minimum number of questions between a question and its repeat.
_BETWEEN = 4


@dataclass(frozen=True)
class Planned:
    """A planned question: the systems from left to right, and the question that it repeats."""

    number: int
    query: Query
    systems: tuple[System, ...]
    repeat_of: int | None = None


@dataclass(frozen=True, kw_only=True)
class SessionPlan:
    """A plan for the questions of a session.

    The same plan gives the same questions on every machine. The questions do not depend on the listener, so
    that listeners with the same seed share them and their agreement can be measured; the order of the columns
    does, so that no column is the best for all of them.

    Parameters
    ----------
    seed : int
    systems : sequence of System
        1 to 12, each once; their order is irrelevant.
    queries : sequence of Query
        At least one, each once. All are used, in an order drawn from the seed, before one is used again.
    listener : str, default ""
        Determines the order of the columns.
    columns : int, optional
        Number of systems side by side, 1 to 4; by default all, up to 4. With more systems than columns, every
        combination is shown once before one is shown again.
    control : System, optional
        A poor system, such as an untrained network. It replaces one of the systems, so that the number of
        columns does not reveal it. If it is among `systems`, it is treated like the others.
    control_rate : float, default 0.2
        Share of the new questions that show the control, 0 to 0.5.
    repeat_rate : float, default 0.1
        Share of the questions that repeat an earlier one with its columns shuffled again, 0 to 0.3. At least
        four questions lie between; each question is repeated at most once. If none is left to repeat, a new
        question follows.

    Raises
    ------
    RatingsError
        For a rate or number of columns out of range, and for missing or repeated systems or queries.

    Examples
    --------
    >>> systems = [System("aisfx"), System("melstats")]
    >>> queries = [Query("clip", f"clip {i}") for i in range(40)]
    >>> plan = SessionPlan(seed=7, systems=systems, queries=queries, control=System("random-cnn"))
    >>> plan.question(3) == plan.questions(10)[3]
    True
    """

    seed: int
    systems: Sequence[System]
    queries: Sequence[Query]
    listener: str = ""
    columns: int | None = None
    control: System | None = None
    control_rate: float = 0.2
    repeat_rate: float = 0.1

    def __post_init__(self) -> None:
        n = len(set(self.systems))
        if not 1 <= n <= MOST_SYSTEMS or n < len(self.systems):
            raise RatingsError(f"There are {len(self.systems)} systems; give 1 to {MOST_SYSTEMS}, each once.")
        if not self.queries or len(set(self.queries)) < len(self.queries):
            raise RatingsError(f"There are {len(self.queries)} queries; give at least one, and each once.")
        most = min(MOST_COLUMNS, n)
        if self.columns is not None and not 1 <= self.columns <= most:
            raise RatingsError(f"columns is {self.columns}; {n} systems allow 1 to {most}.")
        for name, top in (("control_rate", 0.5), ("repeat_rate", 0.3)):
            if not 0 <= getattr(self, name) <= top:
                raise RatingsError(f"{name} is {getattr(self, name)}; it must be from 0 to {top}.")

    def question(self, number: int) -> Planned:
        """Return the question with this number, from 0."""
        return self.questions(number + 1)[-1]

    def questions(self, n: int) -> list[Planned]:
        """Return the first n questions; they do not depend on n.

        The shares of repeats and controls hold in every ten questions, except for rounding, which evens out.
        """
        if n < 1:
            raise RatingsError(f"A session of {n} questions cannot be planned; it must have at least 1.")
        pool, queries = _sorted(self.systems), _sorted(self.queries)
        columns = self.columns or min(MOST_COLUMNS, len(pool))
        sets = list(itertools.combinations(pool, columns))
        session: list[Planned] = []
        repeated: set[int] = set()
        fresh = 0
        for number in range(n):
            repeat_here, control_here = self._kind(number)
            earlier = [
                p.number
                for p in session
                if p.repeat_of is None and p.number not in repeated and number - p.number > _BETWEEN
            ]
            if repeat_here and earlier:
                repeat_of = self._random("repeat", number).choice(earlier)
                repeated.add(repeat_of)
                query, shown = session[repeat_of].query, session[repeat_of].systems
            else:
                repeat_of = None
                query, shown = self._turn(queries, fresh, "queries"), self._turn(sets, fresh, "systems")
                fresh += 1
                if control_here and self.control is not None:
                    out = self._random("control", number).randrange(columns)
                    shown = (*shown[:out], self.control, *shown[out + 1 :])
            # From the same initial order for both, so that a repeat is shuffled independently.
            order = _sorted(shown)
            self._random("order", number, self.listener).shuffle(order)
            session.append(Planned(number, query, tuple(order), repeat_of))
        return session

    def _random(self, *parts: object) -> random.Random:
        """Return a generator seeded by a hash of the seed and the parts."""
        return random.Random(plain_json([str(part) for part in (self.seed, *parts)]))

    def _kind(self, number: int) -> tuple[bool, bool]:
        """Return whether a question is planned as a repeat, and whether to show the control."""
        block, place = divmod(number, _BLOCK)
        has_control = self.control is not None and self.control not in self.systems
        counts = []
        for name, rate in (("repeats", self.repeat_rate), ("controls", self.control_rate * has_control)):
            offset = self._random(name).random()
            per_block = rate * _BLOCK
            counts.append(int(per_block * (block + 1) + offset) - int(per_block * block + offset))
        # The first questions have none to repeat yet.
        places = list(range(_BETWEEN + 1 if block == 0 else 0, _BLOCK))
        drawn = self._random("block", block)
        repeats = drawn.sample(places, counts[0])
        controls = drawn.sample([p for p in range(_BLOCK) if p not in repeats], counts[1])
        return place in repeats, place in controls

    def _turn(self, things: Sequence[Any], index: int, name: str) -> Any:
        """Take things in turn, in a different order in every round."""
        turn, at = divmod(index, len(things))
        return self._random(name, turn).sample(things, len(things))[at]


def _sorted(things: Iterable[Any]) -> list[Any]:
    return sorted(things, key=lambda thing: plain_json(asdict(thing)))
