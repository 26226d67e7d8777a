from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from dashboard.components import map as map_component
from dashboard.components import matrices
from dashboard.components.matrices import Number
from dashboard.explore import figures as explore_figures
from dashboard.explore.figures import Colour, Map
from dashboard.kit.learning_figures import curves_figure
from dashboard.kit.palette import BASE, Style
from dashboard.losses.figures import change_figure

NAN = np.nan


def checked(figure: go.Figure) -> list[dict[str, Any]]:
    """The traces, as Plotly itself takes them."""
    return [_plain(t.to_plotly_json()) for t in go.Figure(figure.to_dict()).data]


def _plain(found: Any) -> Any:
    if isinstance(found, dict):
        if "bdata" in found:
            return np.frombuffer(base64.b64decode(found["bdata"]), found["dtype"]).tolist()
        return {name: _plain(value) for name, value in found.items()}
    return list(found) if isinstance(found, tuple | np.ndarray) else found


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_curves_grow_into_the_epochs_to_come(theme: str) -> None:
    values = np.array([[0.2, 0.4, NAN, NAN], [NAN] * 4, [0.1, 0.2, 0.3, 0.4]])
    drawn = curves_figure(
        ["a", "b", "c"], values, title="t", beside=values / 2, beside_name="training", share=True, theme=theme
    )
    traces = checked(drawn)
    lines = {t["name"]: t for t in traces if t.get("meta") == "curves"}
    assert [len(lines[n]["x"]) for n in "abc"] == [2, 0, 4]
    np.testing.assert_array_equal(lines["c"]["y"], values[2])
    assert lines["a"]["line"]["color"] == BASE[theme][0]
    thin = [t for t in traces if t.get("meta") == "beside"]
    np.testing.assert_array_equal(thin[2]["y"], values[2] / 2)
    assert not any(t["showlegend"] for t in thin)
    # As long as there are epochs, whatever is there yet.
    assert list(drawn.layout.xaxis.range) == [0.5, 4.5]
    low, high = drawn.layout.yaxis.range
    assert low < 0.05
    assert high > 1


def test_one_epoch_is_a_dot_and_none_is_nothing() -> None:
    (one,) = checked(curves_figure(["a"], np.array([[0.5]]), title="loss"))
    assert one["mode"] == "markers"
    (none,) = checked(curves_figure(["a"], np.empty((1, 0)), title="loss"))
    assert len(none["x"]) == 0


def test_many_settings_differ_in_more_than_the_colour() -> None:
    traces = checked(curves_figure([f"s{i}" for i in range(12)], np.ones((12, 3)), title="loss"))
    looks = {(t["line"]["color"], t["line"]["dash"]) for t in traces}
    assert len(looks) == 12


def test_curves_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="a row a name"):
        curves_figure(["a"], np.ones((2, 3)), title="t")
    with pytest.raises(ValueError, match="a row a name"):
        curves_figure(["a"], np.ones((1, 3)), title="t", beside=np.ones((1, 4)))


def change(**columns: Any) -> go.Figure:
    given: dict[str, Any] = {
        "setting": ["plain", "own", "lost"],
        "loss": ["ce", "add", "opl"],
        "before": [0.5, 0.5, 0.5],
        "after": [0.3, 0.1, NAN],
        "sd": [0.05, NAN, NAN],
        "asked_for": [False, True, False],
        "lower_than_cross_entropy": [0, 3, 0],
        "models_compared": [0, 3, 0],
    }
    return change_figure(pd.DataFrame(given | columns), title="t")


def test_before_and_after_differ_in_shape() -> None:
    drawn = change()
    traces = {t.get("meta"): t for t in checked(drawn)}
    assert list(traces["before"]["customdata"]) == ["plain", "own", "lost"]
    assert (list(traces["after"]["customdata"]), list(traces["after"]["x"])) == (["plain"], [0.3])
    assert (list(traces["own"]["customdata"]), list(traces["own"]["y"])) == (["own"], [1])
    assert "lower than with cross-entropy in 3 of 3 models" in traces["own"]["text"][0]
    assert len({t["marker"]["symbol"] for m, t in traces.items() if m in ("before", "own")}) == 2
    assert list(traces["after"]["error_x"]["array"]) == [0.05]
    assert list(traces["own"]["error_x"]["array"]) == [0]
    (line,) = drawn.layout.shapes
    assert line.x0 == 0.3
    # A setting without a number after has no line to it either.
    assert list(traces[None]["y"]) == [0, 0, None, 1, 1, None]
    assert not change(loss="opl").layout.shapes


def test_nothing_at_all_leaves_an_axis() -> None:
    drawn = change(before=NAN, after=NAN, sd=NAN)
    assert drawn.layout.xaxis.range[1] > 0
    assert not any(len(t.get("x", ())) for t in checked(drawn))


def test_matrices_have_one_scale_and_say_what_is_missing() -> None:
    values = np.array([[[0.0, NAN], [NAN, 0.25]], [[1.5, 1.0], [1.0, 0.5]]])
    found = matrices.content(["a", "b"], ["x", "y"], ["", "z"], [Number("mean", "mean", values)])
    (number,) = found["numbers"]
    assert number["ends"] == [0.0, 1.5]
    assert number["values"][0] == [[0.0, None], [None, 0.25]]
    assert found["settings"] == [{"name": "x", "about": ""}, {"name": "y", "about": "z"}]
    assert len(found["scales"]["dark"]) == len(found["scales"]["light"]) == 11
    assert Number("m", "m", np.full((1, 1, 1), NAN)).ends == (0.0, 1.0)
    assert Number("m", "m", np.full((1, 2, 2), 0.5)).ends == (0.0, 1.0)
    with pytest.raises(ValueError, match="pairs of classes"):
        matrices.content(["a"], ["x"], [""], [Number("mean", "mean", values)])
    many = [str(i) for i in range(matrices.MOST + 1)]
    with pytest.raises(ValueError, match="choose at most"):
        matrices.content(many, ["x"], [""], [Number("m", "m", np.zeros((1, len(many), len(many))))])


def test_frames_travel_with_their_map() -> None:
    ids = np.array(["a", "b"])
    coords = np.array([[0.0, 1.0], [2.0, 3.0]], np.float32)
    xy = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    colour = Colour("group", "class", np.zeros(2), ["x"], [Style("#000000", "#ffffff")])
    frames = map_component.Frames("epoch", ["0", "1", "2"], [None, xy])
    packed = json.loads(
        map_component.payload(
            explore_figures.map_figure(
                [Map("m", "pca", coords), Map("n", "pca", xy[-1].T)], clip_ids=ids, colour=colour
            ),
            clip_ids=ids,
            labels=ids,
            families=ids,
            files=ids,
            colours=[colour],
            frames=frames,
        )
    )
    assert packed["frames"]["words"] == ["0", "1", "2"]
    still, moving = packed["frames"]["xy"]
    assert still is None
    np.testing.assert_array_equal(np.frombuffer(base64.b64decode(moving["bdata"]), "f4"), xy.ravel())
