"""The plan of a session: what its n-th question is, from a seed and nothing else."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from jobs.listening.questions import MOST_COLUMNS, Query, RatingsError, System, plain_json

#: Systems that a session may choose its columns from.
MOST_SYSTEMS = 12
#: Questions among which repeats and controls are spread evenly.
_BLOCK = 10
#: Questions at least between a question and its repeat.
_BETWEEN = 4


@dataclass(frozen=True)
class Planned:
    """A question to come: the systems from the left column to the right, and which question it repeats."""

    number: int
    query: Query
    systems: tuple[System, ...]
    repeat_of: int | None = None


def plan_question(
    seed: int,
    number: int,
    *,
    systems: Sequence[System],
    queries: Sequence[Query],
    listener: str = "",
    columns: int | None = None,
    control: System | None = None,
    control_rate: float = 0.2,
    repeat_rate: float = 0.1,
) -> Planned:
    """Return the question of a number in the session of a seed: see `plan_session`, whose last one it is.

    Examples
    --------
    >>> systems = [System("aisfx"), System("melstats")]
    >>> queries = [Query("clip", f"clip {i}") for i in range(40)]
    >>> planned = plan_question(7, 3, systems=systems, queries=queries, control=System("random-cnn"))
    >>> planned == plan_question(7, 3, systems=systems, queries=queries, control=System("random-cnn"))
    True
    """
    return plan_session(
        seed,
        number + 1,
        systems=systems,
        queries=queries,
        listener=listener,
        columns=columns,
        control=control,
        control_rate=control_rate,
        repeat_rate=repeat_rate,
    )[-1]


def plan_session(
    seed: int,
    n: int,
    *,
    systems: Sequence[System],
    queries: Sequence[Query],
    listener: str = "",
    columns: int | None = None,
    control: System | None = None,
    control_rate: float = 0.2,
    repeat_rate: float = 0.1,
) -> list[Planned]:
    """Plan the first n questions of a session; more questions change nothing about the first.

    Everything follows from the seed, on every machine. What is asked does not depend on the listener, so that
    listeners with one seed share their questions and their agreement can be measured; the order of
    the columns does, so that no column is better for all of them.

    Parameters
    ----------
    seed : int
    n : int
        From 1.
    systems : sequence of System
        1 to 12, each once; their order plays no part.
    queries : sequence of Query
        At least one, each once. All are asked, in an order drawn from the seed, before one is asked again.
    listener : str, default ""
        Shuffles the columns.
    columns : int, optional
        Systems side by side, 1 to 4; by default all, up to 4. Where there are more systems, every set of
        that many has its turn before one has another.
    control : System, optional
        A system that cannot be good, such as a network that was never trained. It takes the place of one of
        the systems, so that the number of columns does not tell. Among `systems` it is one of them.
    control_rate : float, default 0.2
        Share of the new questions' places that show the control, 0 to 0.5.
    repeat_rate : float, default 0.1
        Share of the questions that repeat an earlier one, its columns shuffled again, 0 to 0.3. There are
        at least four questions between; each question is repeated once at most. Where none is left to repeat
        a new one is asked.

    Returns
    -------
    list of Planned
        Both shares hold in every ten questions, but for rounding, which evens out.

    Raises
    ------
    RatingsError
        For a number, rate or column out of range, or no or repeated systems or queries.
    """
    pool = sorted(set(systems), key=lambda s: plain_json(asdict(s)))
    asked = sorted(set(queries), key=lambda q: plain_json(asdict(q)))
    if not 1 <= len(pool) <= MOST_SYSTEMS or len(pool) < len(systems):
        raise RatingsError(f"There are {len(systems)} systems; give 1 to {MOST_SYSTEMS}, each once.")
    if not asked or len(asked) < len(queries):
        raise RatingsError(f"There are {len(queries)} queries; give at least one, and each once.")
    most = min(MOST_COLUMNS, len(pool))
    columns = most if columns is None else columns
    if not 1 <= columns <= most:
        raise RatingsError(f"columns is {columns}; {len(pool)} systems allow 1 to {most}.")
    if n < 1:
        raise RatingsError(
            f"A session of {n} questions cannot be planned; number them from 0, and ask for 1."
        )
    for name, rate, top in (("control_rate", control_rate, 0.5), ("repeat_rate", repeat_rate, 0.3)):
        if not 0 <= rate <= top:
            raise RatingsError(f"{name} is {rate}; it must be from 0 to {top}.")
    if control is None or control in pool:
        control_rate = 0.0
    sets = list(itertools.combinations(pool, columns))
    session: list[Planned] = []
    repeated: set[int] = set()
    fresh = 0
    for number in range(n):
        repeat_here, control_here = _kind(seed, number, repeat_rate, control_rate)
        earlier = [
            p.number
            for p in session
            if p.repeat_of is None and p.number not in repeated and number - p.number > _BETWEEN
        ]
        if repeat_here and earlier:
            repeat_of = _random(seed, "repeat", number).choice(earlier)
            repeated.add(repeat_of)
            query, shown = session[repeat_of].query, session[repeat_of].systems
        else:
            repeat_of = None
            query, shown = _turn(asked, fresh, seed, "queries"), _turn(sets, fresh, seed, "systems")
            fresh += 1
            if control_here and control is not None:
                out = _random(seed, "control", number).randrange(columns)
                shown = (*shown[:out], control, *shown[out + 1 :])
        # From one order that both share, so that a repeat is shuffled independently.
        order = sorted(shown, key=lambda s: plain_json(asdict(s)))
        _random(seed, "order", number, listener).shuffle(order)
        session.append(Planned(number, query, tuple(order), repeat_of))
    return session


def _random(*parts: object) -> random.Random:
    """A generator that depends on nothing but the parts: seeded by a hash of their text."""
    return random.Random(plain_json([str(part) for part in parts]))


def _kind(seed: int, number: int, repeat_rate: float, control_rate: float) -> tuple[bool, bool]:
    """Whether the question of a number is to be a repeat, and whether it is to show the control."""
    block, place = divmod(number, _BLOCK)
    counts = []
    for name, rate in (("repeats", repeat_rate), ("controls", control_rate)):
        offset = _random(seed, name).random()
        per_block = rate * _BLOCK
        counts.append(int(per_block * (block + 1) + offset) - int(per_block * block + offset))
    # At the beginning there is nothing to repeat yet.
    places = list(range(_BETWEEN + 1 if block == 0 else 0, _BLOCK))
    random_ = _random(seed, "block", block)
    repeats = random_.sample(places, counts[0])
    controls = random_.sample([p for p in range(_BLOCK) if p not in repeats], counts[1])
    return place in repeats, place in controls


def _turn(things: Sequence[Any], index: int, seed: int, name: str) -> Any:
    """Take things in turn, in another order each time round."""
    time_round, at = divmod(index, len(things))
    return _random(seed, name, time_round).sample(things, len(things))[at]
