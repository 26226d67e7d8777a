from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from dashboard.kit import look, palette
from dashboard.kit.text import row_height
from dashboard.separability import figures as separability_figures
from dashboard.separability.figures import ByClass


def checked(figure: go.Figure) -> go.Figure:
    """Have Plotly check every property, which is left out for speed where a figure is made."""
    go.Figure(figure.to_dict())  # raises for what Plotly does not know
    return figure


def by_class(classes: int = 4, each: int = 10) -> ByClass:
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(classes), each)
    values = rng.uniform(-0.4, 0.9, classes * each)
    groups = values.reshape(classes, each)
    means = np.column_stack([groups.mean(1), groups.mean(1) - 0.05, groups.mean(1) + 0.05])
    quartiles = np.quantile(groups, [0.25, 0.5, 0.75], axis=1).T
    ids = np.asarray([f"clip-{i}" for i in range(len(codes))])
    return ByClass([f"class {i}" for i in range(classes)], codes, values, ids, means, quartiles)


def trace(figure: go.Figure, meta: str) -> Any:
    return next(t for t in figure.data if t.meta == meta)


def contrast(first: str, second: str) -> float:
    def light(colour: str) -> float:
        rgb = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4 for v in rgb]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(first), light(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_of_figures_can_be_read(theme: str) -> None:
    assert contrast(look.INK[theme], palette.BACKGROUND[theme]) >= 7
    assert contrast(look.RULE[theme], palette.BACKGROUND[theme]) >= 2


def test_the_look_leaves_the_figure_as_it_is() -> None:
    figure = separability_figures.by_class_figure(by_class(), title="silhouette", styles={})
    before = figure.to_json()
    found = checked(look.dressed(figure, "dark"))
    assert figure.to_json() == before
    assert found.layout.xaxis.title.text == figure.layout.xaxis.title.text
    assert found.layout.xaxis.tickfont.color == look.INK["dark"]
    assert found.layout.dragmode is False
    assert found.layout.height == figure.layout.height


def test_one_pair_far_away_does_not_take_the_whole_scale_of_distances() -> None:
    names = [f"class {i}" for i in range(12)]
    values = np.random.default_rng(0).uniform(0.2, 0.6, (12, 12))
    values = (values + values.T) / 2
    values[3, 8] = values[8, 3] = 900.0
    figure = checked(separability_figures.distance_figure(names, values, np.full((12, 12), 9), title="ratio"))
    heat = figure.data[0]
    assert heat.zmax < 1
    assert heat.colorbar.title.text == "ratio<br>1 pair above the scale, up to 900"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_clip_lies_in_the_row_of_its_class(theme: str) -> None:
    shown = by_class()
    styles = palette.class_styles(dict.fromkeys(shown.names))
    figure = checked(
        separability_figures.by_class_figure(shown, title="silhouette", styles=styles, theme=theme)
    )
    points, means = trace(figure, "points"), trace(figure, "classes")
    np.testing.assert_allclose(points.x, shown.values, atol=1e-6)
    assert np.array_equal(np.round(points.y), shown.codes)
    assert len(set(points.y.tolist())) > 20  # spread within the row, so that clips do not hide one another
    assert list(points.customdata) == shown.ids.tolist()
    assert list(means.customdata) == list(shown.names)
    np.testing.assert_allclose(means.x, shown.means[:, 0])
    np.testing.assert_allclose(means.error_x.array, shown.means[:, 2] - shown.means[:, 0])
    np.testing.assert_allclose(means.error_x.arrayminus, shown.means[:, 0] - shown.means[:, 1])
    assert np.array_equal(np.round(means.y), np.arange(4))
    bars = [s for s in figure.layout.shapes if s.layer == "above" and s.y0 == s.y1]
    np.testing.assert_allclose([(s.x0, s.x1) for s in bars], shown.quartiles[:, [0, 2]])
    colours = [c for _, c in points.marker.colorscale]
    assert colours[::2] == [getattr(styles[n], theme) for n in shown.names]
    assert "n = 40 clips" in figure.layout.xaxis.title.text


def test_many_clips_are_drawn_by_webgl_and_many_classes_thin_their_names() -> None:
    few = separability_figures.by_class_figure(by_class(2, 3), title="silhouette", styles={})
    many = checked(separability_figures.by_class_figure(by_class(200, 20), title="silhouette", styles={}))
    assert trace(few, "points").type == "scatter"
    assert {t.type for t in many.data if t.meta in ("points", "classes")} == {"scattergl"}
    assert few.layout.height < many.layout.height < 1800
    at = np.asarray(many.layout.yaxis.tickvals)
    pixels = row_height(200) * np.diff(at)
    assert pixels.min() >= 13
    assert len(at) == len(many.layout.yaxis.ticktext)
    assert list(few.layout.yaxis.ticktext) == ["class 0", "class 1"]


def test_one_clip_a_class_is_drawn() -> None:
    shown = by_class(2, 1)
    checked(separability_figures.by_class_figure(shown, title="silhouette", styles={}))
    nothing, rows = np.empty(0), np.empty((0, 3))
    empty = ByClass([], nothing.astype(int), nothing, nothing, rows, rows)
    with pytest.raises(ValueError, match="no clip has a class"):
        separability_figures.by_class_figure(empty, title="silhouette", styles={})


def distances(classes: int) -> tuple[list[str], np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    half = rng.uniform(0.1, 1.2, (classes, classes))
    grid = (half + half.T) / 2
    return [f"class {i}" for i in range(classes)], grid, np.full((classes, classes), 12)


def test_cells_of_few_classes_can_be_clicked() -> None:
    names, grid, pairs = distances(5)
    grid[2, 2] = np.nan
    figure = checked(
        separability_figures.distance_figure(names, grid, pairs, title="mean", chosen=("class 1", "class 3"))
    )
    heat, cells = figure.data[0], trace(figure, "cells")
    np.testing.assert_allclose(heat.z, grid, atol=1e-6)
    assert [list(c) for c in cells.customdata] == [[a, b] for a in names for b in names]
    assert list(cells.y) == [a for a in names for _ in names]
    assert "12 pairs" in cells.text[0]
    assert "no pair of clips" in cells.text[12]
    frames = [(s.x0 + 0.5, s.y0 + 0.5) for s in figure.layout.shapes]
    assert sorted(frames) == [(1, 3), (3, 1)]


def test_small_distances_are_said_with_their_figures() -> None:
    names, grid, pairs = distances(2)
    grid[:] = [[0.00034561, 0.0012344], [0.0012344, 0.0]]
    texts = trace(separability_figures.distance_figure(names, grid, pairs, title="mean"), "cells").text
    assert [t.split("<br>")[1] for t in texts] == ["0.000346", "0.00123", "0.00123", "0"]


def test_a_cell_of_the_diagonal_is_framed_once() -> None:
    names, grid, pairs = distances(3)
    figure = separability_figures.distance_figure(
        names, grid, pairs, title="mean", chosen=("class 1", "class 1")
    )
    assert len(figure.layout.shapes) == 1
    assert not separability_figures.distance_figure(
        names, grid, pairs, title="mean", chosen=("", "")
    ).layout.shapes


def test_many_classes_have_no_points_and_few_names() -> None:
    names, grid, pairs = distances(200)
    figure = checked(separability_figures.distance_figure(names, grid, pairs, title="mean"))
    assert len(figure.data) == 1
    assert "%{customdata" in figure.data[0].hovertemplate
    assert len(figure.layout.xaxis.tickvals) < 40
    assert len(figure.layout.xaxis.tickvals) == len(figure.layout.xaxis.ticktext)


@pytest.mark.parametrize("values", [np.zeros((2, 2)), np.full((2, 2), np.nan)])
def test_distances_that_are_all_equal_or_missing_are_drawn(values: np.ndarray) -> None:
    figure = checked(
        separability_figures.distance_figure(
            ["a", "b"], values, np.ones((2, 2), int), title="mean", theme="dark"
        )
    )
    assert figure.data[0].zmin < figure.data[0].zmax
    assert list(figure.data[0].colorbar.ticktext or ["0"]) == ["0"]


def test_scales_of_small_numbers_have_no_prefixes_of_units() -> None:
    names, grid, pairs = distances(2)
    heat = separability_figures.distance_figure(names, 1e-4 * grid, pairs, title="mean")
    dots = separability_figures.property_figure(["a"], [0.0002], title="mean")
    assert heat.data[0].colorbar.exponentformat == dots.layout.xaxis.exponentformat == "none"
    one = separability_figures.distance_figure(names, np.full((2, 2), 2e-4), pairs, title="mean")
    assert list(one.data[0].colorbar.tickvals) == [2e-4]
    assert list(one.data[0].colorbar.ticktext) == ["0.000200"]
    rounding = separability_figures.distance_figure(names, 1e-16 * grid, pairs, title="mean").data[0]
    assert list(rounding.colorbar.ticktext) == ["0"]
    assert rounding.zmax - rounding.zmin >= 1e-16
    assert list(separability_figures.property_figure(["a"], [1e-17], title="mean").layout.xaxis.range) == [
        0,
        1,
    ]


def test_a_property_that_no_space_has_says_so() -> None:
    nothing = checked(
        separability_figures.property_figure(
            ["a", "b"], [float("nan")] * 2, title="x", nothing="not defined: one class"
        )
    )
    assert [a.text for a in nothing.layout.annotations] == ["not defined: one class"]
    assert nothing.layout.xaxis.showticklabels is False
    assert not separability_figures.property_figure(["a"], [0.1], title="x", nothing="no").layout.annotations


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 2\), a row and a column a class"):
        separability_figures.distance_figure(["a", "b"], np.zeros((3, 3)), np.zeros((3, 3)), title="mean")
    with pytest.raises(ValueError, match="one each is needed"):
        separability_figures.property_figure(["a"], [0.1, 0.2], title="x")


def test_a_property_has_a_dot_and_its_number_for_every_space_that_has_one() -> None:
    figure = checked(
        separability_figures.property_figure(
            ["aisfx", "melstats", "new"], [0.2, 0.00034, float("nan")], title="mean", chosen="melstats"
        )
    )
    dots = trace(figure, "spaces")
    assert list(dots.customdata) == ["aisfx", "melstats"]
    assert [t.strip() for t in dots.text] == ["0.200", "0.000340"]
    assert list(figure.layout.yaxis.ticktext) == ["aisfx", "melstats", "new"]
    assert (figure.layout.shapes[0].y0, figure.layout.shapes[0].y1) == (0.5, 1.5)
    checked(separability_figures.property_figure(["a"], [float("nan")], title="mean"))
    checked(separability_figures.property_figure(["a"], [0.0], title="mean"))


@pytest.mark.parametrize(
    ("elbow", "n_classes", "texts"),
    [
        (4, 10, {"elbow, K = 4", "10 classes"}),
        (10, 10, {"elbow and classes, K = 10"}),
        (None, 10, {"10 classes"}),
        (4, 100, {"elbow, K = 4"}),
        (None, 0, set()),
    ],
)
def test_elbow_and_number_of_classes_are_marked(elbow: int | None, n_classes: int, texts: set[str]) -> None:
    ks = np.arange(2, 21)
    silhouette = np.full(len(ks), 0.1)
    silhouette[0] = np.nan
    figure = checked(
        separability_figures.clusters_figure(
            ks, 100 / ks, silhouette, of="400 clips", elbow=elbow, n_classes=n_classes
        )
    )
    assert {a.text for a in figure.layout.annotations} == texts
    assert {s.x0 for s in figure.layout.shapes} == {a.x for a in figure.layout.annotations}
    np.testing.assert_allclose(figure.data[0].y, 100 / ks)
    np.testing.assert_allclose(figure.data[1].y, silhouette)
    assert "n = 400 clips" in figure.layout.xaxis.title.text
    anchors = [a.xanchor for a in sorted(figure.layout.annotations, key=lambda a: a.x)]
    assert anchors in ([], ["left"], ["right", "left"])  # two never run into each other


def test_one_number_of_clusters_is_drawn() -> None:
    figure = checked(
        separability_figures.clusters_figure(np.array([2]), np.array([3.0]), np.array([0.5]), of="3 clips")
    )
    low, high = figure.layout.xaxis.range
    assert low < 2 < high
    assert (figure.layout.xaxis.dtick, figure.layout.xaxis.tick0) == (1, 0)
    wide = separability_figures.clusters_figure(
        np.array([2, 90]), np.array([3.0, 1.0]), np.array([0.5, 0.4]), of="99 clips"
    )
    assert wide.layout.xaxis.dtick is None  # not a tick a number
    assert wide.layout.xaxis.tickformat == ",d"
