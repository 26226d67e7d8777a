from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from dashboard.kit import cells, palette
from dashboard.neighbourhoods import figures
from dashboard.neighbourhoods.figures import Curve, p_text, pair_lines, spaces_figure


def curve(name: str = "a × b", n: int = 60, *, band: bool = True, seed: int = 0) -> Curve:
    ks = np.arange(1, n)
    chance = ks / (n - 1)
    values = chance + (1 - chance) * np.random.default_rng(seed).uniform(0.2, 0.4, len(ks))
    around = np.column_stack([chance - 0.02, chance + 0.02]) if band else None
    p = np.full(len(ks), 0.01) if band else None
    line = pair_lines([name])[name]
    peak = min(7, len(ks))
    return Curve(ks, values, chance, around, p, 100, (peak, float(values[peak - 1])), name, line)


def draw(curves: list[Curve], **options: Any) -> go.Figure:
    usual: dict[str, Any] = {"title": "S", "things": "clips; n = 60", "k": 10}
    return figures.agreement_figure(curves, **(usual | options))


def traces(figure: go.Figure, meta: str) -> list[Any]:
    return [t for t in figure.data if t.meta == meta]


@pytest.mark.parametrize("log", [True, False])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_curve_is_drawn_as_it_is_with_its_cues(log: bool, theme: str) -> None:
    one = curve("a × b")
    two = replace(curve("a × c", seed=1), line=pair_lines(["a × b", "a × c"])["a × c"])
    figure = draw([one, two], log=log, theme=theme, limits=(1, 12))
    first, second = traces(figure, "curve")
    np.testing.assert_array_equal(first.x, one.ks)
    np.testing.assert_array_equal(first.y, one.values)
    assert first.name == "a × b"
    assert "p = " in first.hovertemplate
    assert first.line.color != second.line.color
    assert first.line.dash != second.line.dash
    assert first.line.color == one.line.colour(theme)
    # Both have the same chance: one line says so.
    assert len(traces(figure, "chance")) == 1
    assert [t.showlegend for t in traces(figure, "band")] == [True, False]
    assert figure.layout.xaxis.type == ("log" if log else "linear")
    assert "n = 60" in figure.layout.xaxis.title.text
    assert figure.layout.hovermode == "x unified"


def test_the_chosen_k_and_the_peak_are_marked_on_the_curve() -> None:
    c = curve()
    figure = draw([c], k=23, limits=(2, 12))
    (chosen,) = traces(figure, "chosen")
    assert (chosen.x[0], chosen.y[0]) == (23, c.values[22])
    (peak,) = traces(figure, "peak")
    assert (peak.x[0], peak.y[0]) == (7, c.values[6])
    upright, span = figure.layout.shapes
    assert (upright.x0, upright.x1) == (23, 23)
    assert (span.x0, span.x1) == (2, 12)
    # A k beyond a shorter curve has no point on it.
    assert not traces(draw([curve(n=20)], k=40), "chosen")


def test_the_band_lies_between_its_ends() -> None:
    c = curve()
    (band,) = traces(draw([c]), "band")
    half = len(band.x) // 2
    np.testing.assert_array_equal(band.y[:half], c.band[:, 0])
    np.testing.assert_array_equal(band.y[half:][::-1], c.band[:, 1])
    assert band.hoverinfo == "skip"
    assert not traces(draw([curve(band=False)]), "band")


def test_a_long_curve_is_thinned_and_keeps_what_is_marked() -> None:
    n = 10_000
    ks = np.arange(1, n)
    values = np.sin(ks / 900) ** 2
    c = Curve(ks, values, ks / (n - 1), peak=(1234, float(values[1233])), line=pair_lines(["x"])["x"])
    (drawn,) = traces(draw([c], k=777), "curve")
    assert len(drawn.x) <= figures.MOST_POINTS + 2
    assert {1, 2, 3, 777, 1234, n - 1} <= set(drawn.x)
    assert np.all(np.diff(drawn.x) > 0)
    np.testing.assert_array_equal(drawn.y, values[np.asarray(drawn.x) - 1])
    # Nowhere on either axis is there a hole to be seen, past the first few sizes.
    assert np.diff(drawn.x).max() <= n / 100
    assert np.diff(np.log10(drawn.x))[10:].max() <= 0.06


def test_negative_values_are_in_sight() -> None:
    c = curve()
    low = replace(c, values=c.values - 0.5)
    assert draw([low]).layout.yaxis.range[0] < float(low.values.min())
    nothing = replace(c, values=np.full(len(c.ks), np.nan))
    assert draw([nothing]).layout.yaxis.range[0] < 0


def test_ticks_of_a_logarithmic_axis_are_whole_numbers_up_to_the_last() -> None:
    axis = draw([curve(n=400)]).layout.xaxis
    assert list(axis.ticktext) == ["1", "2", "5", "10", "20", "50", "100", "200"]
    assert list(axis.tickvals) == [1, 2, 5, 10, 20, 50, 100, 200]


def test_nothing_to_draw_is_one_sentence() -> None:
    with pytest.raises(ValueError, match="at least one pair"):
        draw([])


def test_two_things_have_a_curve_of_one_point() -> None:
    figure = draw([curve(n=2)], k=1)
    assert list(traces(figure, "curve")[0].x) == [1]
    assert figure.layout.xaxis.range[0] < figure.layout.xaxis.range[1]


def test_lines_of_sixty_pairs_differ_and_the_dash_is_drawn_in_the_table_too() -> None:
    lines = pair_lines([str(i) for i in range(60)])
    assert len({(x.light, x.plotly) for x in lines.values()}) == 60
    assert {x.light for x in lines.values()} == set(palette.BASE["light"])
    solid, dashed = lines["0"], lines["1"]
    assert solid.css("light") == f"background:{solid.light}"
    assert dashed.plotly == "9px,4px"
    assert (
        dashed.css("dark") == "background:repeating-linear-gradient(90deg,"
        f"{dashed.dark} 0px 9px,transparent 9px 13px)"
    )


NAMES = ["aisfx", "melstats", "minilm · labels in “a sound of {}”"]
VALUES = np.array([[1.0, 0.25, -0.125], [0.25, 1.0, np.nan], [-0.125, np.nan, 1.0]])
IDS = [["", "a~b", "a~c"], ["a~b", "", "b~c"], ["a~c", "b~c", ""]]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_matrix_has_a_number_in_every_cell_that_has_one(theme: str) -> None:
    figure = spaces_figure(NAMES, VALUES, title="Overlap", ids=IDS, picked="a~c", theme=theme)
    numbers = figure.data[2]
    written = {(y, x): t for y, x, t in zip(numbers.y, numbers.x, numbers.text, strict=True)}
    assert written == {(0, 1): "0.25", (1, 0): "0.25", (0, 2): "−0.12", (2, 0): "−0.12"}
    assert np.isnan(figure.data[0].z.diagonal()).all()
    assert (figure.data[0].zmin, figure.data[0].zmax) == (-0.125, 1)
    cells = figure.data[1]
    assert len(cells.x) == 6
    for x, y, name in zip(cells.x, cells.y, cells.customdata, strict=True):
        assert name == IDS[y][x]
    assert "not computed" in cells.hovertext[3]
    outlined = {(s.y0 + 0.5, s.x0 + 0.5) for s in figure.layout.shapes}
    assert outlined == {(0, 2), (2, 0)}
    assert list(figure.layout.xaxis.ticktext) == ["A", "B", "C"]
    assert figure.layout.yaxis.ticktext[2] == "minilm · labels in<br>“a sound of {}”  <b>C</b>"


def test_numbers_in_cells_stand_out_from_them() -> None:
    for theme in ("light", "dark"):
        scale = cells.reach(theme)
        for share, colour in scale:
            on = cells.ink_on(scale, share)
            assert contrast(colour, on) >= 4.5, (theme, share)


def contrast(one: str, other: str) -> float:
    def light(colour: str) -> float:
        values = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
        return float(np.dot([0.2126, 0.7152, 0.0722], linear))

    low, high = sorted([light(one), light(other)])
    return (high + 0.05) / (low + 0.05)


def test_matrix_of_the_wrong_shape_is_one_sentence() -> None:
    with pytest.raises(ValueError, match=r"shape \(2, 2\); needed is \(3, 3\)"):
        spaces_figure(NAMES, np.zeros((2, 2)), title="x")


def test_classes_are_drawn_with_their_intervals() -> None:
    columns = {"overlap": [0.1, 0.5], "low": [0.0, 0.4], "high": [0.3, 0.7]}
    names = ["Dog bark", "Rain of a very long afternoon"]
    classes = pd.DataFrame(columns | {"label": names, "n": [12, 1200]})
    figure = figures.overlap_by_class_figure(
        classes, title="mean overlap", everyone=0.4, line=pair_lines(["x"])["x"]
    )
    (points,) = figure.data
    np.testing.assert_allclose(points.x - points.error_x.arrayminus, classes["low"])
    np.testing.assert_allclose(points.x + points.error_x.array, classes["high"])
    # One line a class, which a phone has room for.
    assert list(figure.layout.yaxis.ticktext) == ["Dog bark · 12", "Rain of a very long… · 1,200"]
    assert figure.layout.yaxis.range[0] > figure.layout.yaxis.range[1]  # the first class is at the top
    assert figure.layout.shapes[0].x0 == 0.4
    assert figure.layout.xaxis.title.text == "mean overlap"


@pytest.mark.parametrize(
    "title",
    ["Overlap<br>clips; n = 60", "Above chance at k = 1,000, with the point itself<br>classes; n = 9"],
)
def test_the_title_of_a_matrix_has_room(title: str) -> None:
    layout = spaces_figure(NAMES, VALUES, title=title).layout
    lines = layout.title.text.split("<br>")
    assert " ".join(lines) == title.replace("<br>", " ")
    assert max(map(len, lines)) <= 40
    # The title above the letters of the columns, a line and the space at the top.
    assert layout.margin.t >= 18 * len(lines) + layout.title.pad.t + 20
    assert layout.height >= layout.margin.t + 46 * 3


def test_long_names_break_where_a_phone_ends() -> None:
    name = "handcrafted × minilm · labels in “the sound of {} in a recording”"
    (drawn,) = traces(draw([curve(name)]), "curve")
    assert drawn.name.replace("<br>", " ") == name
    assert max(map(len, drawn.name.split("<br>"))) <= 38


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_band_can_be_seen_however_thin_and_many(theme: str) -> None:
    bands = traces(draw([curve("a × b"), curve("a × c"), curve("b × c")], theme=theme), "band")
    for band in bands:
        assert contrast(band.fillcolor, palette.BACKGROUND[theme]) >= 1.5
        assert band.line.color == band.fillcolor
        assert band.line.width >= 2
    (chance,) = traces(draw([curve()], theme=theme), "chance")
    assert contrast(chance.line.color, bands[0].fillcolor) >= 2.5


@pytest.mark.parametrize("permutations", [20, 200, 2_000])
def test_a_p_has_the_digits_that_the_pairings_support(permutations: int) -> None:
    for above in (0, 1, permutations // 20, permutations // 2, permutations - 1):
        p = (1 + above) / (1 + permutations)
        text = p_text(p, permutations)
        error = max((p * (1 - p) / permutations) ** 0.5, 1 / (permutations + 1))
        step = 10.0 ** -len(text.partition(".")[2])
        # The last digit is that of the error: one more would say nothing, one less would lose something.
        assert step <= error < 10 * step or (error >= 0.1 and step == 0.1)
        assert abs(float(text) - p) <= step / 2 + 1e-12
        assert float(text) > 0
    assert p_text(float("nan"), permutations) == "–"


def test_figures_beside_each_other_can_have_one_scale() -> None:
    figure = spaces_figure(NAMES, np.abs(np.nan_to_num(VALUES)), title="Overlap", low=-0.5)
    assert (figure.data[0].zmin, figure.data[0].zmax) == (-0.5, 1)
    assert spaces_figure(NAMES, VALUES, title="Overlap", low=-0.05).data[0].zmin == -0.125
