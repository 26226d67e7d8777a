"""The table of measures: what every row promises, and the task that computes one of them."""

from __future__ import annotations

import math
from importlib import import_module
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest

from jobs.specs import SpecError
from jobs.tasks.measures import MEASURES, Measure, Measured, describe
from jobs.tasks.spec import SPECS
from tests.jobs.made_spaces import Made, blobs

OF_A_SPACE = [m for m in MEASURES.values() if m.about and m.of != "pairs"]
COMPUTED = [m for m in MEASURES.values() if m.compute]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    made = Made(tmp_path_factory.mktemp("measured"))
    made.dataset(blobs(60, 3)[1])
    return made


@pytest.mark.parametrize("m", OF_A_SPACE, ids=lambda m: m.name)
def test_a_measure_of_a_space_is_read_from_its_task_and_within_its_limits(made: Made, m: Measure) -> None:
    space, cache = made.space(blobs(60, 3)[0]), made.workspace.cache
    number = m.read(made.run(m.spec(space, made.labels)), space)
    assert m.limits[0] <= number.value <= m.limits[1]
    assert number.n >= 1
    assert m.read_stored(cache, space, made.labels).value == number.value
    assert m.read_stored(cache, space, "other labels").n == (m.name == "dimensions")
    assert np.isnan([number.low, number.high]).all() == (m.form not in ("signed", "percent"))


def test_rows_are_complete_and_names_are_unique() -> None:
    for m in MEASURES.values():
        assert m.better in ("higher", "lower", "")
        assert m.of in ("labelled", "clips", "pairs", "classes", "models")
        assert m.source.__name__ in SPECS
        assert bool(m.compute) == (m.source is Measured)
        assert m.axis.count("{}") == (m.of == "pairs")
        assert m.about or m.accuracy
        assert bool(m.cite) == bool(m.about and m.name != "dimensions")
        assert not m.bold or m.better
    assert len({m.column or m.name for m in MEASURES.values()}) == len(MEASURES)
    assert len({m.short or m.name for m in MEASURES.values()}) == len(MEASURES)
    groups = [group for group, _ in groupby(m.group for m in MEASURES.values() if m.group)]
    assert len(set(groups)) == len(groups)  # columns of a group are side by side


def test_the_page_about_separability_has_the_table() -> None:
    page = Path(__file__).parents[2] / "docs" / "separability.md"
    assert describe() in page.read_text(encoding="utf-8"), "its table is jobs.tasks.measures.describe()"


def test_only_a_measure_with_a_function_can_be_asked_for(made: Made) -> None:
    with pytest.raises(SpecError, match="measure is 'silhouette'; it must be one of"):
        Measured(embedding=made.space(np.eye(60)), labels="", measure="silhouette")


@pytest.mark.parametrize("m", COMPUTED, ids=lambda m: m.name)
def test_a_computed_measure_is_that_of_core_over_the_clips_with_a_class(tmp_path: Path, m: Measure) -> None:
    made = Made(tmp_path)
    X, labels = blobs(60, 3)
    labels[5] = None
    result = made.measure(Measured, labels, X, measure=m.name)
    module, _, name = m.compute.partition(":")
    kept = np.array([label is not None for label in labels])
    assert m.of == "labelled"
    expected = getattr(import_module(module), name)(X[kept], [label for label in labels if label])
    assert result.number == pytest.approx(expected)
    assert math.isfinite(expected)
    assert result.n == 59
    one = made.measure(Measured, ["a"] * 60, X, measure=m.name)
    assert (one.number, one.n) == (None, 60)
