"""What listeners prefer: the ratings of one dataset, counted by `core.listening`."""

from __future__ import annotations

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
from jobs.listening.ratings import System, labels, open_ratings
from jobs.specs import Retrieval
from jobs.workspace.workspace import Dataset

#: Draws of whole listeners for intervals, and listeners from which on they are drawn.
RESAMPLES = 1000
ENOUGH_LISTENERS = 10


@dataclass(frozen=True)
class Preferences:
    """The counts of all answers; systems are in the order of their strength, best first.

    Attributes
    ----------
    systems : dict of str to System
        By name.
    questions, listeners : int, list of str
        Answered questions without hidden repeats, and who answered.
    none : Interval
        Share of them where no list was good.
    """

    systems: dict[str, System]
    questions: int
    listeners: list[str]
    wins: dict[str, Rate]
    strengths: Strengths
    none: Interval
    consistency: Rate
    alpha: Agreement
    precision: dict[str, Interval]

    @property
    def names(self) -> list[str]:
        """Names of the systems, the strongest first."""
        return list(self.systems)

    def title(self, name: str) -> str:
        """Name on the page: the encoder alone where no other system has the same one."""
        encoders = [s.encoder for s in self.systems.values()]
        encoder = self.systems[name].encoder
        return encoder if encoders.count(encoder) == 1 else name

    def share(self, name: str) -> Interval:
        """How often a system would be chosen if all were shown."""
        s, i = self.strengths, self.strengths.systems.index(name)
        return Interval(float(s.share[i]), float(s.share_low[i]), float(s.share_high[i]), self.wins[name].n)

    def log_strength(self, name: str) -> Interval:
        """Strength of a system, as a logarithm."""
        s, i = self.strengths, self.strengths.systems.index(name)
        return Interval(float(s.log_strength[i]), float(s.low[i]), float(s.high[i]), self.wins[name].n)


def listeners(root: Path, dataset: Dataset) -> list[str]:
    """Return who has answered questions about a dataset, by name."""
    ratings = open_ratings(root).ratings(fingerprint=dataset.fingerprint)
    return sorted({r.question.listener for r in ratings if r.answered is not None})


def counted(root: Path, dataset: Dataset, listener: str = "") -> Preferences | None:
    """Count the ratings of all listeners, or of one; None where nothing is answered.

    Raises
    ------
    RatingsError
        For a file that cannot be read.
    """
    file = open_ratings(root)
    wishes = {"fingerprint": dataset.fingerprint, "listener": listener or None}
    ratings = file.ratings(**wishes)
    if not any(r.answered is not None and r.question.repeat_of is None for r in ratings):
        return None

    def count() -> Preferences:
        trials = file.trials(**wishes)
        who = sorted({t.listener for t in trials})
        strengths = luce_choice(trials, resamples=RESAMPLES if len(who) >= ENOUGH_LISTENERS else 0)
        by_name = {name: system for system, name in labels(ratings).items()}
        by_strength = dict(zip(strengths.systems, strengths.log_strength, strict=True))
        names = sorted(strengths.systems, key=lambda name: -by_strength[name])
        return Preferences(
            systems={name: by_name[name] for name in names},
            questions=len(trials),
            listeners=who,
            wins=win_rate(trials),
            strengths=strengths,
            none=share_interval(sum(t.chosen is None for t in trials), len(trials)),
            consistency=consistency(file.repeats(**wishes)),
            alpha=krippendorff_alpha(trials),
            precision=precision(file.marks(**wishes), systems=names),
        )

    # Ratings only grow, so that their number and the last answers say whether they are the same.
    state = tuple((r.id, r.answered, tuple(sorted(r.marks.items()))) for r in ratings)
    return once(("preferences", str(root), dataset.fingerprint, listener, state), count)


@dataclass(frozen=True)
class Objective:
    """MAP@15 of the systems that have one, and how its order agrees with the listeners'.

    Attributes
    ----------
    scores : dict of str to Interval
    agreement : RankAgreement
    missing : list of Retrieval
        What would have to be computed for the others whose space exists.
    """

    scores: dict[str, Interval]
    agreement: RankAgreement
    missing: list[Retrieval]


def objective(shown: Preferences, dataset: Dataset) -> Objective:
    """Compare the order of the strengths with that by MAP@15."""
    offered = listen.offered(workspace(), dataset)
    scores: dict[str, Interval] = {}
    missing: list[Retrieval] = []
    for name, system in shown.systems.items():
        o = listen.find(offered, system)
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
    strengths = [shown.log_strength(name).value for name in scores]
    return Objective(scores, rank_agreement(strengths, [s.value for s in scores.values()]), missing)


def table_csv(shown: Preferences, against: Objective) -> bytes:
    """Return what is shown of the systems as CSV."""
    rows = []
    for name in shown.names:
        wins, marked, score = shown.wins[name], shown.precision[name], against.scores.get(name)
        row: dict[str, object] = {"system": name, "shown": wins.n}
        row |= _ends("win_rate", wins) | {"win_rate_chance": wins.chance}
        row |= _ends("log_strength", shown.log_strength(name)) | _ends("share", shown.share(name))
        row |= {"marked": marked.n, "marked_fitting": marked.value}
        rows.append(row | {"map@15": None if score is None else score.value})
    return csv(pd.DataFrame(rows))


def _ends(name: str, x: Interval) -> dict[str, float]:
    return {name: x.value, f"{name}_low": x.low, f"{name}_high": x.high}
