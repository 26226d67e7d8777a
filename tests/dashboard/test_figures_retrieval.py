from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from dashboard.kit import cells, look, palette
from dashboard.retrieval.data import MEASURES
from dashboard.retrieval.figures import classes_figure, families_figure, systems_figure

MAP, MR1 = MEASURES["map@15"], MEASURES["mr1"]


def checked(figure: go.Figure) -> go.Figure:
    """Have Plotly check every property, which is left out for speed where a figure is made."""
    go.Figure(figure.to_dict())  # raises for what Plotly does not know
    go.Figure(look.dressed(figure).to_dict())
    return figure


def trace(figure: go.Figure, meta: str) -> Any:
    return next(t for t in figure.data if t.meta == meta)


def contrast(first: str, second: str) -> float:
    def light(colour: str) -> float:
        rgb = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4 for v in rgb]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(first), light(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


COLUMNS = ["aggregation", "components", "algorithm", "map@15", "map@15_low", "map@15_high"]


def systems(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=COLUMNS)


def all_systems(skip: int = 200) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = []
    for aggregation in ("mean", "median", "max"):
        for components in (100, 200, 0):
            for algorithm in ("mips", "mcss", "nns"):
                v = math.nan if components == skip else float(rng.uniform(0.2, 0.8))
                rows.append((aggregation, components, algorithm, v, v - 0.02, v + 0.03))
    return systems(rows)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_system_stands_at_its_processing_in_its_algorithms_look(theme: str) -> None:
    table = all_systems()
    figure = checked(systems_figure(table, MAP, n="n = 9 queries", best=7, theme=theme))
    looks = set()
    for i, algorithm in enumerate(("mips", "mcss", "nns")):
        drawn = trace(figure, algorithm)
        mine = table[(table["algorithm"] == algorithm) & (table["components"] != 200)]
        np.testing.assert_allclose(drawn.y, mine["map@15"])
        np.testing.assert_allclose(drawn.error_y.array, [0.03] * 6)
        np.testing.assert_allclose(drawn.error_y.arrayminus, [0.02] * 6)
        # Of nine processings the second of each three was left out, so its place stays empty.
        assert np.array_equal(np.round(drawn.x), [0, 2, 3, 5, 6, 8])
        np.testing.assert_allclose(np.asarray(drawn.x) - np.round(drawn.x), (i - 1) * 0.24, atol=1e-9)
        assert drawn.name == algorithm.upper()
        looks.add((drawn.marker.color, drawn.marker.symbol))
        assert contrast(drawn.marker.color, palette.BACKGROUND[theme]) >= 3
    assert len({c for c, _ in looks}) == len({s for _, s in looks}) == 3
    ticks = [t.partition("<br>")[0] for t in figure.layout.xaxis.ticktext]
    assert ticks == ["100", "200", "all"] * 3
    assert [t for t in figure.layout.xaxis.ticktext if "<b>" in t] == [
        f"200<br><b>{a}</b>" for a in ("mean", "median", "max")
    ]
    assert "n = 9 queries" in figure.layout.yaxis.title.text
    assert sum(a.text == "left out" for a in figure.layout.annotations) == 3


def test_the_best_and_the_fixed_system_are_named() -> None:
    table = all_systems(skip=-1)
    figure = checked(systems_figure(table, MAP, n="", best=7, fixed=1))
    ring = trace(figure, "best")
    assert ring.y == (table["map@15"][7],)
    assert round(ring.x[0]) == 2  # all dimensions, of the mean
    high = table["map@15_high"]
    assert {a.text: a.y for a in figure.layout.annotations} == {"best": high[7], "fixed": high[1]}
    both = systems_figure(table, MAP, n="", best=1, fixed=1)
    assert [a.text for a in both.layout.annotations] == ["best, and fixed"]
    bottom, top = figure.layout.yaxis.range
    assert bottom < table["map@15_low"].min() < high.max() < top


def test_systems_without_frames_or_intervals_are_drawn() -> None:
    few = systems([("", p, a, 0.5, -math.inf, math.inf) for p in (100, 0) for a in ("mcss", "nns")])
    figure = checked(systems_figure(few, MAP, n="", best=0))
    assert trace(figure, "mcss").error_y.array.tolist() == [0, 0]
    assert list(figure.layout.xaxis.ticktext) == ["100", "all"]
    assert "aggregation" not in figure.layout.xaxis.title.text
    checked(systems_figure(systems([("", 0, "nns", math.nan, math.nan, math.nan)]), MAP, n=""))
    with pytest.raises(ValueError, match="no system was tried"):
        systems_figure(systems([]), MAP, n="")


def groups(measure: Any = MAP, **options: Any) -> go.Figure:
    values = pd.DataFrame(
        [[0.1, 0.9, np.nan], [0.5, 0.2, 0.4]],
        index=["aisfx", "melstats"],
        columns=["Animals", "Natural soundscapes & water sounds", "Music"],
    )
    contents = ["2 classes, n = 80", "1 class, n = 40", "n = 7"]
    return checked(families_figure(values, measure, contents=contents, **options))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("higher", [True, False])
def test_numbers_stand_in_their_cells_and_can_be_read(theme: str, higher: bool) -> None:
    figure = groups(MAP if higher else MR1, theme=theme)
    numbers, heat = trace(figure, "numbers"), figure.data[0]
    there = dict(zip(zip(numbers.y, numbers.x, strict=True), numbers.text, strict=True))
    texts = {
        k: v + "0" * higher for k, v in zip(there, ("0.10", "0.90", "0.50", "0.20", "0.40"), strict=True)
    }
    assert there == texts
    # The best is at the yellow end whichever way the measure runs.
    assert heat.z[0, 1] == (1 if higher else 0)
    assert heat.z[0, 0] == (0 if higher else 1)
    scale = cells.reach(theme)
    for (i, j), ink in zip(there, numbers.textfont.color, strict=True):
        cell = scale[round(float(heat.z[i, j]) * 10)][1]
        assert contrast(ink, cell) >= 4.5
    assert "2 classes, n = 80" in figure.layout.xaxis.ticktext[0]
    assert list(figure.layout.yaxis.ticktext) == ["aisfx", "melstats"]


def test_every_cell_can_be_clicked_and_the_picked_one_is_outlined() -> None:
    figure = groups(picked=("melstats", "Music"))
    cells = trace(figure, "cells")
    assert len(cells.customdata) == 6
    assert list(cells.customdata[5]) == ["melstats", "Music"]
    assert (cells.y[5], cells.x[5]) == (1, 2)
    assert "not computed" in cells.hovertext[2]
    (frame,) = figure.layout.shapes
    assert (frame.x0, frame.x1, frame.y0, frame.y1) == (1.5, 2.5, 0.5, 1.5)
    assert not groups(picked=("melstats", "Elsewhere")).layout.shapes


def test_equal_or_missing_numbers_are_drawn() -> None:
    equal = pd.DataFrame([[0.5, 0.5]], index=["a"], columns=["x", "y"])
    checked(families_figure(equal, MAP, contents=["", ""]))
    empty = checked(families_figure(equal * np.nan, MAP, contents=["", ""]))
    assert len(trace(empty, "numbers").text) == 0


def classes(values: Any, n: Any, names: list[str]) -> pd.DataFrame:
    return pd.DataFrame(values, columns=["value", "low", "high"], index=names).assign(n=n)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_classes_are_dots_with_intervals_one_marker_a_space(theme: str) -> None:
    names = ["Rain", "Crow", "Rooster"]
    values = np.array([[0.9, 0.8, 1.0], [0.6, 0.5, 0.7], [0.3, np.nan, np.nan]])
    shown = {e: classes(values - x, [40, 40, 2], names) for e, x in (("aisfx", 0), ("melstats", 0.1))}
    figure = checked(classes_figure(shown, MAP, chosen="Crow", theme=theme))
    for space, frame in shown.items():
        drawn = trace(figure, space)
        np.testing.assert_allclose(drawn.x, frame["value"])
        assert np.array_equal(np.round(drawn.y), [0, 1, 2])
        assert list(drawn.customdata) == names
        np.testing.assert_allclose(drawn.error_x.array, [0.1, 0.1, 0])
        assert "n = 40 queries" in drawn.text[0]
    assert trace(figure, "aisfx").marker.symbol != trace(figure, "melstats").marker.symbol
    (band,) = figure.layout.shapes
    assert (band.y0, band.y1) == (0.5, 1.5)
    assert figure.layout.xaxis.range[1] == pytest.approx(1.03)


def test_many_classes_keep_the_page_short_and_long_names_leave_room() -> None:
    values = np.column_stack([np.linspace(1, 0, 200)] * 3)
    many = classes(values, 2, [f"a class of sounds with a long name, {i}" for i in range(200)])
    figure = checked(classes_figure({"a": many}, MR1))
    assert figure.layout.height < 1800
    assert len(figure.layout.yaxis.tickvals) < 200
    assert max(map(len, figure.layout.yaxis.ticktext)) <= 20
    alone = checked(classes_figure({"s": classes(np.zeros((1, 3)), 2, ["a"])}, MR1))
    assert alone.layout.xaxis.range[1] > 0
    with pytest.raises(ValueError, match="no class has a number"):
        classes_figure({"a": many[:0]}, MR1)
