from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from core.statistics import Correlation
from dashboard.kit import confusion_figures, correlation, palette
from dashboard.kit.confusion_figures import ByClass, Confused
from dashboard.kit.correlation import Dots, Fitted
from dashboard.leakage import figures as maps
from dashboard.leakage.figures import Panel, contrastive_learning_figure
from dashboard.predictors import figures as over
from dashboard.predictors.data import Ranked

STYLES = [palette.Style("#437bfe", "#3a70f2"), palette.Style("#da6c28", "#d9481c", "square")]
NAMES = ["Dog bark", "Rain"]


def panel(title: str, n: int = 4, *, seed: int = 0) -> Panel:
    codes = np.arange(n) % 2
    ids = [f"clip {i}" for i in range(n)]
    coords = np.random.default_rng(seed).normal(size=(n, 2))
    return Panel(title, "group", ids, "clip", coords, codes, ids)


def texts() -> Panel:
    return Panel("texts", "", NAMES, "class", np.array([[0.0, 0.0], [1.0, 1.0]]), np.arange(2), NAMES)


def traces(figure: go.Figure, meta: str) -> list[Any]:
    return [t for t in figure.data if t.meta == meta]


def whole(figure: go.Figure) -> None:
    """Plotly takes every part of it."""
    go.Figure(figure.to_dict())


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_is_chosen_is_marked_in_every_map(theme: str) -> None:
    lines = [[panel("a"), panel("b", seed=1)], [texts()]]
    figure = maps.small_maps_figure(lines, NAMES, STYLES, chosen="Rain", clip="clip 3", theme=theme)
    whole(figure)
    points = traces(figure, "points")
    assert [list(t.customdata[1]) for t in points] == [
        ["clip", "clip 1", "Rain"],
        ["clip", "clip 1", "Rain"],
        ["class", "Rain", "Rain"],
    ]
    for trace, source in zip(points, [*lines[0], *lines[1]], strict=True):
        np.testing.assert_allclose(np.column_stack([trace.x, trace.y]), source.coords, atol=1e-6)
        opacity = np.array(trace.marker.opacity)
        assert opacity[source.codes == 1].min() > opacity[source.codes == 0].max()
        assert list(trace.marker.symbol)[:2] == ["circle", "square"]
    rings = traces(figure, "chosen")
    assert [(r.x[0], r.y[0]) for r in rings] == [(p.x[3], p.y[3]) for p in points[:2]]
    assert "<b>Rain</b>" in [text for t in traces(figure, "names") for text in t.text]
    # Panels of a row stand beside each other, those of another below.
    layout = figure.layout
    assert layout.xaxis.domain[1] < layout.xaxis2.domain[0]
    assert layout.yaxis3.domain[1] < layout.yaxis.domain[0]


def test_names_of_texts_are_written_where_they_fit_and_never_over_each_other() -> None:
    names = [f"a class of {i:02d}" for i in range(40)]
    coords = np.random.default_rng(0).normal(size=(40, 2))
    crowd = Panel("E_t", "", names, "class", coords, np.arange(40), names)
    figure = maps.small_maps_figure([[crowd, crowd]], names, STYLES * 20, chosen=names[7])
    whole(figure)
    for axes in ("x", "x2"):
        points, narrow, wide = (t for t in figure.data if t.xaxis == axes)
        assert (points.meta, narrow.meta, wide.meta) == ("points", "names", "wide names")
        assert narrow.text[0] == f"<b>{names[7]}</b>"
        assert set(narrow.text).isdisjoint(wide.text)
        assert 3 < len(narrow.text) < len(narrow.text) + len(wide.text) < 40
        # In pixels, as wide as the letters are: no two boxes meet.
        for shown, across in (([narrow], 175), ([narrow, wide], 390)):
            low, high = coords.min(axis=0), coords.max(axis=0)
            boxes = []
            for trace in shown:
                for x, y, side in zip(trace.x, trace.y, trace.textposition, strict=True):
                    px, py = (np.array([x, y]) - low) / (high - low) * (across / 1.18, 225 / 1.18)
                    up, beside = side.split()
                    left = {"left": -80, "center": -40, "right": 0}[beside]
                    down = {"bottom": -18, "middle": -6, "top": 5}[up]
                    boxes.append((px + left, py + down))
            for i, a in enumerate(boxes):
                for b in boxes[:i]:
                    assert abs(a[0] - b[0]) >= 77 or abs(a[1] - b[1]) >= 12


def test_maps_without_a_choice_are_all_bright_and_many_points_are_drawn_by_webgl() -> None:
    figure = maps.small_maps_figure([[panel("a")], [texts()]], NAMES, STYLES)
    assert all(len(set(t.marker.opacity)) == 1 for t in traces(figure, "points"))
    assert {t.type for t in figure.data} == {"scatter"}
    assert not traces(figure, "chosen")
    many = maps.small_maps_figure([[panel("a", 6001)], [texts()]], NAMES, STYLES)
    assert [t.type for t in traces(many, "points")] == ["scattergl", "scatter"]
    empty = Panel("failed: no map", "", [], "clip", np.empty((0, 2)), np.empty(0, int), [])
    whole(maps.small_maps_figure([[empty, panel("a")]], NAMES, STYLES))


def dots(n: int = 6) -> Dots:
    rng = np.random.default_rng(0)
    names = [f"model {i}" for i in range(n)]
    y = rng.random(n)
    ends = np.column_stack([y - 0.1, y + 0.1])
    return Dots(names, names, names, rng.random(n), y, np.arange(n) % 2, ["a", "b"], ends, np.arange(n) < 2)


def test_a_correlation_has_its_dots_line_and_intervals() -> None:
    shown = dots()
    at = np.linspace(0, 1, 5)
    figure = correlation.correlation_figure(
        shown,
        x_title="silhouette",
        y_title="accuracy",
        things="models",
        line=Fitted(at, at, at - 0.1, at + 0.2),
        picked="model 3",
    )
    whole(figure)
    drawn = {
        i: (x, y) for t in traces(figure, "models") for i, x, y in zip(t.customdata, t.x, t.y, strict=True)
    }
    assert drawn == {n: (x, y) for n, x, y in zip(shown.ids, shown.x, shown.y, strict=True)}
    symbols = {
        i: s for t in traces(figure, "models") for i, s in zip(t.customdata, t.marker.symbol, strict=True)
    }
    assert [symbols[f"model {i}"] for i in range(4)] == ["circle-open", "square-open", "circle", "square"]
    ring = traces(figure, "chosen")[0]
    assert (ring.x[0], ring.y[0]) == (shown.x[3], shown.y[3])
    bars = traces(figure, "intervals")[0].error_y
    assert np.asarray(bars.array) == pytest.approx(0.1)
    assert list(traces(figure, "line")[0].y) == at.tolist()
    low, high = figure.layout.xaxis.range
    assert low < min(shown.x)
    assert max(shown.x) < high
    assert "n = 6 models" in figure.layout.xaxis.title.text


def test_names_of_near_dots_do_not_lie_over_each_other() -> None:
    x, y = np.array([0.0, 0.005, 1.0]), np.array([0.0, 0.0, 1.0])
    shown = Dots(list("abc"), list("abc"), list("abc"), x, y, np.zeros(3, int), ["one"])
    figure = correlation.correlation_figure(shown, x_title="x", y_title="y", things="spaces")
    first, second, _ = traces(figure, "models")[0].textposition
    assert first != second


def test_measures_are_ranked_from_the_top() -> None:
    ranked = [
        Ranked(name, Correlation(r, 0.5, low, high, n), Correlation(-r, 0.5, -high, -low, n), 0.5)
        for name, r, low, high, n in (("silhouette", 0.9, 0.5, 0.99, 5), ("hubness", -0.3, -0.8, 0.4, 6))
    ]
    figure = over.ranked_figure(ranked, things="spaces", picked="hubness")
    whole(figure)
    r, rho = traces(figure, "pearson")[0], traces(figure, "spearman")[0]
    assert list(r.x) == [0.9, -0.3]
    assert list(rho.x) == [-0.9, 0.3]
    assert [c[0] for c in r.customdata] == ["silhouette", "hubness"]
    assert np.asarray(r.error_x.array) == pytest.approx([0.09, 0.7])
    assert figure.layout.yaxis.range[0] > figure.layout.yaxis.range[1]
    assert list(figure.layout.yaxis.ticktext) == ["silhouette", "<b>hubness</b>"]
    assert "n = 5 to 6 spaces" in figure.layout.xaxis.title.text


def test_nngs_over_k_leaves_out_where_there_is_no_correlation() -> None:
    values = np.array([[np.nan] * 3, [0.5, -0.2, 0.9], [0.7, 0.1, 0.95]])
    figure = over.over_k_figure(
        np.array([1, 2, 5]), values, [("CKA", 0.4), ("RBF", np.nan)], k=2, n=5, items="40 clips"
    )
    whole(figure)
    line = traces(figure, "nngs")[0]
    assert (list(line.x), list(line.y)) == ([2, 5], [0.5, 0.7])
    assert [list(t.y) for t in traces(figure, "cka")] == [[0.4, 0.4]]
    assert figure.layout.shapes[1].x0 == 2
    assert "n = 5 spaces" in figure.layout.xaxis.title.text


def test_classes_of_one_model_stand_beside_the_others() -> None:
    accuracy = np.array([[0.5, 0.2, 0.8], [0.25, 0.1, 0.6]])
    shown = ByClass(NAMES, accuracy, np.array([4, 8]), ["x", "y"], np.array([[1.0, 0.5], [0.0, 0.1]]))
    figure = confusion_figures.by_class_figure(shown, model="m", chance=0.1, chosen="Rain")
    whole(figure)
    assert list(traces(figure, "classes")[0].x) == [0.5, 0.25]
    others = traces(figure, "others")[0]
    assert list(zip(others.y, others.x, strict=True)) == [(0, 1.0), (1, 0.5), (0, 0.0), (1, 0.1)]
    assert figure.layout.shapes[0].x0 == 0.1
    assert "n = 12 clips" in figure.layout.xaxis.title.text


def test_cells_without_a_clip_are_blank_and_colours_are_shares_of_a_row() -> None:
    held = [[[name] for name in NAMES]] * 2
    shown = Confused(NAMES, NAMES, np.array([[3, 1], [0, 0]]), held, 2, 0)
    figure = confusion_figures.matrix_figure(shown, picked=("Dog bark", "Rain"))
    whole(figure)
    share = np.array(figure.data[0].z)
    assert share[0].tolist() == [0.75, 0.25]
    assert np.isnan(share[1]).all()
    assert list(traces(figure, "numbers")[0].text) == ["3", "1"]
    assert [list(c) for c in traces(figure, "cells")[0].customdata][1] == ["Dog bark", "Rain"]
    assert (figure.layout.shapes[0].x0, figure.layout.shapes[0].y0) == (0.5, -0.5)


def test_a_column_of_others_opens_the_first_of_them_and_right_clips_stand_in_one_column() -> None:
    held = [[["Rain"], ["Owl"], ["Rain"], ["Bee", "Bark", "Bell", "Bass", "Beep"]]]
    shown = Confused(["Rain"], ["itself", "Owl", "Rain", "5 others"], np.array([[2, 1, 0, 7]]), held, 60, 0)
    figure = confusion_figures.matrix_figure(shown, picked=("Rain", "Bell"))
    whole(figure)
    (cells,) = traces(figure, "cells")
    assert [list(c) for c in cells.customdata] == [["Rain", "Rain"], ["Rain", "Owl"], ["Rain", "Bee"]]
    assert "Bee, Bark, Bell, Bass and 1 more" in cells.hovertext[-1]
    assert [s.x0 for s in figure.layout.shapes] == [2.5]
    assert "n = 10 clips of 1 class" in figure.layout.xaxis.title.text


def test_learning_ends_where_the_model_stopped() -> None:
    curves = np.full((5, 9), np.nan)
    curves[:, :6] = np.arange(30).reshape(5, 6)
    figure = contrastive_learning_figure(curves, best=4, unfrozen=2)
    whole(figure)
    lines = {t.name: list(t.y) for t in figure.data}
    assert lines["training loss"] == [0, 1, 2, 3, 4, 5]
    assert lines["temperature"] == [12, 13, 14, 15, 16, 17]
    assert [s.x0 for s in figure.layout.shapes] == [4, 2.5]
    assert not contrastive_learning_figure(curves, best=0, unfrozen=0).layout.shapes


@pytest.mark.parametrize(
    "draw",
    [
        lambda: maps.small_maps_figure([], NAMES, STYLES),
        lambda: correlation.correlation_figure(dots(0), x_title="x", y_title="y", things="models"),
        lambda: over.ranked_figure([], things="spaces"),
        lambda: over.over_k_figure(np.array([1]), np.full((1, 3), np.nan), [], k=1, n=4, items="4 clips"),
        lambda: confusion_figures.by_class_figure(
            ByClass([], np.empty((0, 3)), np.empty(0, int), [], np.empty((0, 0))), model="m", chance=0.1
        ),
        lambda: contrastive_learning_figure(np.full((5, 3), np.nan), best=0),
    ],
)
def test_nothing_to_draw_is_said(draw: Callable[[], Any]) -> None:
    with pytest.raises(ValueError, match="nothing to draw"):
        draw()


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="needed is"):
        confusion_figures.matrix_figure(Confused(NAMES, NAMES, np.zeros((2, 3), int), [], 2, 0))
    shown = dots()
    wrong = Dots(shown.ids, shown.names, shown.hover, shown.x[:3], shown.y, shown.series, shown.kinds)
    with pytest.raises(ValueError, match="each needs both"):
        correlation.correlation_figure(wrong, x_title="x", y_title="y", things="models")
