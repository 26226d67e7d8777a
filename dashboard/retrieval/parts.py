"""What the parts of Retrieval share: what is chosen at the left, and numbers as cells of tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core import words
from dashboard import results
from dashboard.data import Clips
from dashboard.kit import numbers
from dashboard.kit.table import Cell
from dashboard.retrieval.data import BY, Measure, ceiling
from jobs import presets
from jobs.specs import EmbedAudio, Retrieval, RetrievalGrid
from jobs.workspace.workspace import Dataset


@dataclass(frozen=True)
class Chosen:
    """The values of the controls at the left."""

    dataset: Dataset
    clips: Clips
    #: Encoder to space, of those that are done.
    spaces: dict[str, EmbedAudio]
    space: str
    by: str
    measure: Measure
    count_query: bool
    #: Whether vectors are scaled to unit length ahead of PCA.
    unit_first: bool = False

    @property
    def spec(self) -> Retrieval:
        """The result of the chosen space."""
        return self.of_space(self.space)

    @property
    def grid(self) -> RetrievalGrid:
        """All systems of the chosen space."""
        return self.grid_of(self.space)

    def of_space(self, space: str) -> Retrieval:
        """Return the spec of a space."""
        normalize = "before" if self.unit_first else False
        return presets.retrieval_of(
            self.dataset, self.spaces[space], by=self.by, count_query=self.count_query, normalize=normalize
        )

    def grid_of(self, space: str) -> RetrievalGrid:
        """Return the spec of all systems of a space."""
        normalize = "before" if self.unit_first else False
        return presets.grid_of_retrieval(
            self.dataset, self.spaces[space], by=self.by, count_query=self.count_query, normalize=normalize
        )

    @property
    def done(self) -> list[Retrieval]:
        """The specs whose results exist, one a space."""
        return [s for s in map(self.of_space, self.spaces) if results.has(s)]

    @property
    def thing(self) -> str:
        """What relevant results share: "class" or "family"."""
        return BY[self.by]

    def things(self, n: int = 2) -> str:
        """Return the word for n classes or families."""
        return self.thing if n == 1 else words.plural(self.thing)

    def file(self, what: str, *parts: str) -> str:
        """Return a name for a file to save."""
        names = [what, self.dataset.name, *parts, "by-family" if self.by == "family" else ""]
        names += ["" if self.count_query else "query-not-counted", "unit-length-first" * self.unit_first]
        return "-".join(filter(None, names))


def ceiling_note(chosen: Chosen, sizes: Mapping[str, int]) -> str:
    """Return a sentence on perfect lists that cannot reach 1; "" where all can."""
    if not chosen.count_query or chosen.measure.better < 0:
        return ""
    highest, n = ceiling(chosen.spec, sizes, chosen.measure.name)
    if not n:
        return ""
    cutoff = chosen.measure.name.partition("@")[2]
    few = sorted(v for v in sizes.values() if 2 <= v <= int(cutoff))
    example = f"{few[0] - 1}/{few[0]}" + ("" if few[0] == few[-1] else f" to {few[-1] - 1}/{few[-1]}")
    return (
        f"The query counts among the clips of its class though no list can contain it, so AP@{cutoff} stays "
        f"below 1 for the {n:,} {chosen.things(n)} of at most {cutoff} clips (at best {example}): the "
        f"highest MAP@{cutoff} possible here is {highest:.3f}. The switch at the left leaves the query out."
    )


def estimate_cell(e: numbers.Estimate, measure: Measure, *, best: bool = False) -> Cell:
    """Return a cell with a number and its interval."""
    if not e.n:
        return Cell("–")
    value, low, high = map(measure.text, (e.value, e.low, e.high))
    return Cell(value, f"{low} to {high}", "hs-best" if best else "")
