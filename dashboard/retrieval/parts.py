"""What the parts of Retrieval share: what is chosen, and its numbers in tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core import words
from dashboard import results
from dashboard.data import Clips
from dashboard.kit import numbers
from dashboard.kit.table import Cell
from dashboard.retrieval import data as retrieval
from jobs.specs import EmbedAudio, Retrieval, RetrievalGrid
from jobs.workspace.workspace import Dataset


@dataclass(frozen=True)
class Chosen:
    """What the controls at the left say."""

    dataset: Dataset
    clips: Clips
    #: Encoder to space, of those that are done.
    spaces: dict[str, EmbedAudio]
    space: str
    by: str
    measure: str
    count_query: bool
    #: Whether vectors are scaled to unit length ahead of PCA.
    unit_first: bool = False

    @property
    def spec(self) -> Retrieval:
        """The result of the chosen space."""
        return self.asked(self.space)

    @property
    def grid(self) -> RetrievalGrid:
        """All systems of the chosen space."""
        return self.grid_of(self.space)

    def asked(self, space: str) -> Retrieval:
        """Return the result of a space."""
        return retrieval.asked(self.dataset, self.spaces[space], self.by, self.count_query, self._normalize)

    def grid_of(self, space: str) -> RetrievalGrid:
        """Return all systems of a space."""
        return retrieval.grid(self.dataset, self.spaces[space], self.by, self.count_query, self._normalize)

    @property
    def _normalize(self) -> bool | str:
        return "before" if self.unit_first else False

    @property
    def done(self) -> list[Retrieval]:
        """The results that are there, a space each."""
        return [s for s in map(self.asked, self.spaces) if results.has(s)]

    @property
    def thing(self) -> str:
        """What relevant results share: "class" or "family"."""
        return retrieval.BY[self.by]

    def title(self, *, of_class: bool = False, apart: str = ", ") -> str:
        """Name the measure with its range and, after `apart`, its direction, for an axis."""
        name = retrieval.MEASURES[self.measure]
        if of_class:
            name = retrieval.NAMES[retrieval.OF_QUERY[self.measure]]
        if self.measure == "mr1":
            return f"{name}, results before the first relevant one{apart}lower is better"
        return f"{name}, 0 to 1{apart}higher is better"

    def file(self, what: str, *parts: str) -> str:
        """Name what is saved."""
        said = [what, self.dataset.name, *parts, "by-family" if self.by == "family" else ""]
        said += ["" if self.count_query else "query-not-counted", "unit-length-first" * self.unit_first]
        return "-".join(p for p in said if p)


def ceiling(chosen: Chosen, sizes: Mapping[str, int]) -> str:
    """Say where a perfect list cannot have 1; "" where it can."""
    if not chosen.count_query or chosen.measure == "mr1":
        return ""
    highest, n = retrieval.ceiling(chosen.spec, sizes, chosen.measure)
    if not n:
        return ""
    cutoff = chosen.measure.partition("@")[2]
    few = sorted(v for v in sizes.values() if 2 <= v <= int(cutoff))
    example = f"{few[0] - 1}/{few[0]}" + ("" if few[0] == few[-1] else f" to {few[-1] - 1}/{few[-1]}")
    return (
        f"The query counts among the clips of its class though it cannot be found, so AP@{cutoff} stays "
        f"below 1 for the {n:,} {plural(chosen.by, n)} of at most {cutoff} clips (at best {example}): the "
        f"highest MAP@{cutoff} there can be here is {highest:.3f}. The switch at the left leaves the query "
        "out."
    )


def estimate(e: numbers.Estimate, measure: str, *, best: bool = False) -> Cell:
    """Make a cell of a number with its interval."""
    if not e.n:
        return Cell("–")
    text = [retrieval.said(v, measure) for v in (e.value, e.low, e.high)]
    return Cell(text[0], f"{text[1]} to {text[2]}", "hs-best" if best else "")


def plural(by: str, n: int) -> str:
    """Say "class" or "family", or several of them."""
    one = "class" if by == "label" else "family"
    return one if n == 1 else words.plural(one)
