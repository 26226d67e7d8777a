from __future__ import annotations

import numpy as np
import pytest

from dashboard.zeroshot import figures as zeroshot_figures
from dashboard.zeroshot import model_figures as zeroshot_model_figures
from dashboard.zeroshot.figures import Fitted, Models


def models(n: int = 12, series: int = 2) -> Models:
    rng = np.random.default_rng(0)
    names = [f"test cluster {i}" for i in range(series)]
    return Models(
        [f"{i}-1" for i in range(n)],
        rng.random(n),
        [f"model {i}" for i in range(n)],
        np.arange(n) % series,
        names,
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_boxes_hold_every_model_and_stand_apart_by_series(theme: str) -> None:
    shown, at = models(), np.arange(12) // 6
    figure = zeroshot_figures.boxes_figure(
        shown, ["0", "1"], at, title="x", chance=0.2, picked="3-1", theme=theme
    )
    boxes = [t for t in figure.data if t.meta == "boxes"]
    assert sum(len(t.y) for t in boxes) == 12
    assert len({float(x) for t in boxes for x in t.x}) == 4
    means = next(t for t in figure.data if t.meta == "means")
    assert means.y[1] == pytest.approx(shown.accuracy[[1, 3, 5]].mean())
    dots = next(t for t in figure.data if t.meta == "models" and "3-1" in t.customdata)
    ring = next(t for t in figure.data if t.meta == "chosen")
    where = list(dots.customdata).index("3-1")
    assert (ring.x[0], ring.y[0]) == pytest.approx((dots.x[where], dots.y[where]))
    # A dot lies within its own box.
    width = boxes[0].width
    assert all(abs(d - b) < width / 2 for d, b in zip(dots.x, boxes[1].x, strict=True))
    assert "n = 6" in figure.layout.xaxis.ticktext[0]
    assert figure.layout.shapes[0].y0 == 0.2
    assert not zeroshot_figures.boxes_figure(shown, ["0", "1"], at, title="x", chance=np.nan).layout.shapes


def test_no_two_series_look_alike() -> None:
    shown, at = models(40, 20), np.zeros(40, int)
    figure = zeroshot_figures.boxes_figure(shown, ["0"], at, title="x", chance=0.2)
    looks = [(t.marker.color, t.marker.symbol) for t in figure.data if t.meta == "models"]
    assert len(set(looks)) == len(looks) == 20


def test_one_model_one_group_and_none() -> None:
    one = models(1, 1)
    assert zeroshot_figures.boxes_figure(one, ["0.5"], np.zeros(1, int), title="x", chance=0.5).data
    figure = zeroshot_figures.against_similarity_figure(one, np.array([0.3]), title="x")
    low, high = figure.layout.xaxis.range
    assert low < 0.3 < high
    nothing = models(0, 1)
    for draw in (
        lambda: zeroshot_figures.boxes_figure(nothing, [], np.zeros(0, int), title="x", chance=0.5),
        lambda: zeroshot_figures.against_similarity_figure(nothing, np.zeros(0), title="x"),
    ):
        with pytest.raises(ValueError, match="nothing to draw"):
            draw()
    with pytest.raises(ValueError, match="each needs a number"):
        zeroshot_figures.against_similarity_figure(one, np.zeros(2), title="x")


def test_the_scatter_has_line_and_band() -> None:
    shown = models()
    at = np.linspace(0, 1, 5)
    line = Fitted(at, at, at - 0.1, at + 0.2)
    figure = zeroshot_figures.against_similarity_figure(
        shown, np.linspace(0, 1, 12), title="similarity", line=line, chance=0.2, picked="0-1"
    )
    traces = {t.meta: t for t in figure.data}
    assert list(traces["line"].y) == at.tolist()
    assert max(traces["band"].y) == pytest.approx(1.2)
    assert len(traces["band"].x) == 10
    assert "n = 12 accuracies of 12 models" in figure.layout.xaxis.title.text


def test_confusion_is_coloured_by_row_and_says_counts() -> None:
    counts = np.array([[8, 2], [0, 0]])
    figure = zeroshot_model_figures.confusion_figure(["a", "b"], counts, picked=("a", "b"))
    heat = figure.data[0]
    assert np.array(heat.z)[0].tolist() == [0.8, 0.2]
    assert np.isnan(np.array(heat.z)[1]).all()
    cells = next(t for t in figure.data if t.meta == "cells")
    assert ["a", "b"] in [list(c) for c in cells.customdata]
    assert "2 of 10 clips" in cells.hovertext[1]
    assert len(figure.layout.shapes) == 1
    with pytest.raises(ValueError, match="a row and a column a class"):
        zeroshot_model_figures.confusion_figure(["a"], counts)


def test_curves_end_where_the_model_stopped() -> None:
    curves = np.vstack([[3.0, 2, 1, np.nan], [0.1, 0.2, 0.3, np.nan], [0.1, 0.1, 0.2, np.nan]])
    figure = zeroshot_model_figures.learning_figure(
        curves, best=3, n_train=20, n_validation=5, chance=(0.05, 0.2)
    )
    assert [len(t.x) for t in figure.data] == [3, 3, 3]
    assert "judged: epoch 3" in figure.layout.annotations[0].text
    failed = zeroshot_model_figures.learning_figure(
        np.full((3, 4), np.nan), best=0, n_train=2, n_validation=1, chance=(0.5, 1)
    )
    assert not failed.layout.annotations
    assert [t.name for t in failed.data] == ["loss"]
    curves[2] = np.nan  # one validation class: no accuracy, and no chance beside it
    alone = zeroshot_model_figures.learning_figure(
        curves, best=3, n_train=20, n_validation=1, chance=(0.05, 1)
    )
    assert [t.name for t in alone.data] == ["loss", "training, 20 classes"]
    assert [s.y0 for s in alone.layout.shapes if s.yref != "paper"] == [0.05]


def test_classes_with_their_intervals_and_chance() -> None:
    values = np.array([[0.5, 0.2, 0.8], [1.0, 0.7, 1.0]])
    figure = zeroshot_model_figures.class_accuracy_figure(["a", "b"], values, [4, 9], chance=0.5)
    trace = figure.data[0]
    assert trace.error_x.array == pytest.approx([0.3, 0.0])
    assert trace.error_x.arrayminus == pytest.approx([0.3, 0.3])
    assert "n = 9" in figure.layout.yaxis.ticktext[1]
    # A third of the page less the names of the classes is about 180 pixels, 7 a letter.
    assert max(map(len, figure.layout.xaxis.title.text.split("<br>"))) <= 24
    assert figure.layout.shapes[0].x0 == 0.5
