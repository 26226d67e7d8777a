"""What listeners prefer, as the page shows it: the ratings of one dataset, counted by `core.listening`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from core.listening import (
    Agreement,
    RankAgreement,
    Rate,
    Strengths,
    consistency,
    krippendorff_alpha,
    luce_choice,
    precision,
    rank_agreement,
    win_rate,
)
from core.statistics import Interval, share_interval
from dashboard.data import workspace
from dashboard.kit.table import csv
from dashboard.listen import data as listen
from dashboard.memory import once
from dashboard.results import result
from jobs.listening.ratings import Rating, System, labels, open_ratings
from jobs.specs import Retrieval
from jobs.workspace.workspace import Dataset

#: Draws of whole listeners for intervals, and listeners from which on they are drawn.
RESAMPLES = 1000
ENOUGH_LISTENERS = 10


@dataclass(frozen=True)
class Preferences:
    """Everything counted from the answers; systems are in the order of their strength, best first.

    Attributes
    ----------
    names, systems : list
        What a system is called, and what it is.
    questions, listeners : int
        Answered questions without hidden repeats, and who answered.
    none : Interval
        Share of them where no list was good.
    """

    names: list[str]
    systems: list[System]
    questions: int
    listeners: list[str]
    wins: dict[str, Rate]
    strengths: Strengths
    none: Interval
    consistency: Rate
    alpha: Agreement
    precision: dict[str, Interval]

    def title(self, name: str) -> str:
        """Name on the page: the encoder alone where no other system is of the same."""
        encoders = [s.encoder for s in self.systems]
        encoder = self.systems[self.names.index(name)].encoder
        return encoder if encoders.count(encoder) == 1 else name


def listeners(root: Path, dataset: Dataset) -> list[str]:
    """Return who has answered questions about a dataset, by name."""
    found = open_ratings(root).ratings(fingerprint=dataset.fingerprint)
    return sorted({r.question.listener for r in found if r.answered is not None})


def counted(root: Path, dataset: Dataset, listener: str = "") -> Preferences | None:
    """Count the ratings of all listeners, or of one; None where nothing is answered.

    Raises
    ------
    RatingsError
        For a file that cannot be read.
    """
    ratings = open_ratings(root)
    wishes = {"fingerprint": dataset.fingerprint, "listener": listener or None}
    found = ratings.ratings(**wishes)
    if not any(r.answered is not None and r.question.repeat_of is None for r in found):
        return None

    def count() -> Preferences:
        trials = ratings.trials(**wishes)
        who = sorted({t.listener for t in trials})
        drawn = RESAMPLES if len(who) >= ENOUGH_LISTENERS else 0
        strengths = luce_choice(trials, resamples=drawn)
        of = _systems(found)
        order = sorted(strengths.systems, key=lambda n: -strengths.log_strength[strengths.systems.index(n)])
        return Preferences(
            names=order,
            systems=[of[name] for name in order],
            questions=len(trials),
            listeners=who,
            wins=win_rate(trials),
            strengths=strengths,
            none=share_interval(sum(t.chosen is None for t in trials), len(trials)),
            consistency=consistency(ratings.repeats(**wishes)),
            alpha=krippendorff_alpha(trials),
            precision=precision(ratings.marks(**wishes), systems=order),
        )

    # Ratings only grow, so that their number and the last answers say whether they are the same.
    state = tuple((r.id, r.answered, tuple(sorted(r.marks.items()))) for r in found)
    return once(("preferences", str(root), dataset.fingerprint, listener, state), count)


def _systems(found: Sequence[Rating]) -> dict[str, System]:
    return {name: system for system, name in labels(found).items()}


@dataclass(frozen=True)
class Objective:
    """MAP@15 of the systems that have one, and how its order agrees with the listeners'.

    Attributes
    ----------
    scores : dict of str to Interval
    agreement : RankAgreement
    missing : list of Retrieval
        What would have to be computed for the others whose space is there.
    """

    scores: dict[str, Interval]
    agreement: RankAgreement
    missing: list[Retrieval]


def objective(found: Preferences, dataset: Dataset) -> Objective:
    """Hold the strengths against MAP@15."""
    there = listen.offered(workspace(), dataset)
    scores: dict[str, Interval] = {}
    missing: list[Retrieval] = []
    for name, system in zip(found.names, found.systems, strict=True):
        o = listen.find(there, system)
        if o is None:
            continue
        spec = listen.judged(o, dataset)
        if spec is None:
            missing.append(listen.judgements(o, dataset)[0])
            continue
        judged = result(spec)
        mean = judged.macro["map@15"]
        value = float("nan") if mean["value"] is None else mean["value"]
        low, high = (value if (end := mean[side]) is None else end for side in ("low", "high"))
        scores[name] = Interval(value, low, high, judged.n_queries)
    at = found.strengths.systems.index
    strengths = [float(found.strengths.log_strength[at(name)]) for name in scores]
    return Objective(scores, rank_agreement(strengths, [s.value for s in scores.values()]), missing)


def table_csv(found: Preferences, against: Objective) -> bytes:
    """Return what is shown of the systems as CSV."""
    rows = []
    for name in found.names:
        i = found.strengths.systems.index(name)
        s, wins, marked = found.strengths, found.wins[name], found.precision[name]
        score = against.scores.get(name)
        rows.append(
            {
                "system": name,
                "shown": wins.n,
                "win_rate": wins.value,
                "win_rate_low": wins.low,
                "win_rate_high": wins.high,
                "win_rate_chance": wins.chance,
                "log_strength": s.log_strength[i],
                "log_strength_low": s.low[i],
                "log_strength_high": s.high[i],
                "share": s.share[i],
                "share_low": s.share_low[i],
                "share_high": s.share_high[i],
                "marked": marked.n,
                "marked_fitting": marked.value,
                "map@15": None if score is None else score.value,
            }
        )
    return csv(pd.DataFrame(rows))
