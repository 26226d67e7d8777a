from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dashboard.kit.confusion_figures import ByClass, by_class_figure
from dashboard.kit.correlation import Dots, Fitted
from dashboard.zeroshot import figures


def models(n: int = 12, series: int = 2, groups: int = 1) -> Dots:
    rng = np.random.default_rng(0)
    return Dots(
        [f"{i}-1" for i in range(n)],
        (),
        [f"model {i}" for i in range(n)],
        np.arange(n) // max(1, n // groups),
        rng.random(n),
        np.arange(n) % series,
        [f"test cluster {i}" for i in range(series)],
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_boxes_hold_every_model_and_stand_apart_by_series(theme: str) -> None:
    shown = models(groups=2)
    figure = figures.boxes_figure(shown, ["0", "1"], title="x", chance=0.2, picked="3-1", theme=theme)
    boxes = [t for t in figure.data if t.meta == "boxes"]
    assert sum(len(t.y) for t in boxes) == 12
    assert len({float(x) for t in boxes for x in t.x}) == 4
    means = next(t for t in figure.data if t.meta == "means")
    assert means.y[1] == pytest.approx(shown.y[[1, 3, 5]].mean())
    dots = next(t for t in figure.data if t.meta == "models" and "3-1" in t.customdata)
    ring = next(t for t in figure.data if t.meta == "chosen")
    where = list(dots.customdata).index("3-1")
    assert (ring.x[0], ring.y[0]) == pytest.approx((dots.x[where], dots.y[where]))
    # A dot lies within its own box.
    width = boxes[0].width
    assert all(abs(d - b) < width / 2 for d, b in zip(dots.x, boxes[1].x, strict=True))
    assert "n = 6" in figure.layout.xaxis.ticktext[0]
    assert figure.layout.shapes[0].y0 == 0.2
    assert not figures.boxes_figure(shown, ["0", "1"], title="x", chance=np.nan).layout.shapes


def test_no_two_series_look_alike() -> None:
    shown = models(40, 20)
    figure = figures.boxes_figure(shown, ["0"], title="x", chance=0.2)
    looks = [(t.marker.color, t.marker.symbol) for t in figure.data if t.meta == "models"]
    assert len(set(looks)) == len(looks) == 20


def test_one_model_one_group_and_none() -> None:
    one = models(1, 1)
    assert figures.boxes_figure(one, ["0.5"], title="x", chance=0.5).data
    figure = figures.scatter_figure(replace(one, x=np.array([0.3])), x_title="x")
    low, high = figure.layout.xaxis.range
    assert low < 0.3 < high
    nothing = models(0, 1)
    for draw in (
        lambda: figures.boxes_figure(nothing, [], title="x", chance=0.5),
        lambda: figures.scatter_figure(nothing, x_title="x"),
    ):
        with pytest.raises(ValueError, match="nothing to draw"):
            draw()
    with pytest.raises(ValueError, match="each needs both"):
        figures.scatter_figure(replace(one, x=np.zeros(2)), x_title="x")


def test_the_scatter_has_line_and_band() -> None:
    shown = replace(models(), x=np.linspace(0, 1, 12))
    at = np.linspace(0, 1, 5)
    line = Fitted(at, at, at - 0.1, at + 0.2)
    figure = figures.scatter_figure(shown, x_title="similarity", line=line, chance=0.2, picked="0-1")
    traces = {t.meta: t for t in figure.data}
    assert list(traces["line"].y) == at.tolist()
    assert max(traces["band"].y) == pytest.approx(1.2)
    assert len(traces["band"].x) == 10
    assert "n = 12 accuracies of 12 models" in figure.layout.xaxis.title.text


def test_curves_end_where_the_model_stopped() -> None:
    curves = np.vstack([[3.0, 2, 1, np.nan], [0.1, 0.2, 0.3, np.nan], [0.1, 0.1, 0.2, np.nan]])
    figure = figures.learning_figure(curves, best=3, n_train=20, n_validation=5)
    assert [len(t.x) for t in figure.data] == [3, 3, 3]
    assert "judged: epoch 3" in figure.layout.annotations[0].text
    failed = figures.learning_figure(np.full((3, 4), np.nan), best=0, n_train=2, n_validation=1)
    assert not failed.layout.annotations
    assert [t.name for t in failed.data] == ["loss"]
    curves[2] = np.nan  # one validation class: no accuracy, and no chance beside it
    alone = figures.learning_figure(curves, best=3, n_train=20, n_validation=1)
    assert [t.name for t in alone.data] == ["training, 20 classes", "loss"]
    assert [s.y0 for s in alone.layout.shapes if s.yref == "y"] == [0.05]


def test_classes_with_their_intervals_and_chance() -> None:
    values = np.array([[0.5, 0.2, 0.8], [1.0, 0.7, 1.0]])
    shown = ByClass(["a", "b"], values, np.array([4, 9]), [], np.empty((0, 2)))
    figure = by_class_figure(shown, model="accuracy", chance=0.5)
    trace = figure.data[0]
    assert trace.error_x.array == pytest.approx([0.3, 0.0])
    assert trace.error_x.arrayminus == pytest.approx([0.3, 0.3])
    assert "n = 9" in figure.layout.yaxis.ticktext[1]
    # A third of the page less the names of the classes is about 180 pixels, 7 a letter.
    assert max(map(len, figure.layout.xaxis.title.text.split("<br>"))) <= 24
    assert figure.layout.shapes[0].x0 == 0.5
