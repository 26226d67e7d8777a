from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from dashboard import data
from dashboard.components import map as map_component
from dashboard.explore import colours
from dashboard.explore import figures as explore_figures
from dashboard.explore.figures import quality_figure
from dashboard.kit import palette
from dashboard.kit.cells import rgb, robust_ends


def colour(n: int, kind: str = "group") -> explore_figures.Colour:
    if kind == "number":
        return explore_figures.Colour("number", "duration, s", np.linspace(1, 5, n))
    styles = palette.class_styles({"a": None, "b": None})
    return explore_figures.Colour("group", "class", np.arange(n) % 2, list(styles), list(styles.values()))


def maps(n: int, count: int) -> list[explore_figures.Map]:
    rng = np.random.default_rng(0)
    return [explore_figures.Map(f"space {i}", "tsne", rng.normal(size=(n, 2))) for i in range(count)]


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", ["group", "number"])
def test_figure_is_valid_plotly_with_the_same_clips_in_every_subplot(count: int, kind: str) -> None:
    ids = np.array([f"clip {i}" for i in range(30)])
    shown = np.arange(30) % 3 > 0
    figure = explore_figures.map_figure(maps(30, count), clip_ids=ids, colour=colour(30, kind), shown=shown)
    go.Figure(figure.to_dict())  # raises for what Plotly does not know
    points = [t for t in figure.data if t.meta == "points"]
    assert len(points) == count
    assert {t.xaxis for t in points} == {"x", *(f"x{i}" for i in range(2, count + 1))}
    for trace in points:
        assert list(trace.customdata) == list(ids[shown])
        assert trace.type == "scattergl"
    assert sum(t.meta == "rest" for t in figure.data) == count
    assert all("n = 20" in a.text for a in figure.layout.annotations)
    assert set(figure.layout.meta["scales"]) == {"light", "dark"}


def test_clips_missing_from_a_space_keep_their_place() -> None:
    ids = np.array(["a", "b", "c"])
    left, right = maps(3, 2)
    right.coords[1] = np.nan
    figure = explore_figures.map_figure([left, right], clip_ids=ids, colour=colour(3))
    assert np.isnan(figure.data[1].x[1])
    assert "n = 2" in figure.layout.annotations[1].text


def test_axes_say_their_unit_or_that_there_is_none() -> None:
    coords = np.zeros((2, 2))
    names = [
        explore_figures.Map("a", m, coords, e).axis(1) for m, e in (("tsne", None), ("pca", (0.5, 0.125)))
    ]
    assert names == ["t-SNE 2 (no unit)", "PC 2 (12.5% of the variance)"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_scale_of_numbers_gets_lighter_from_end_to_end(theme: str) -> None:
    scale = explore_figures.map_figure(
        maps(3, 1), clip_ids=np.array(["a", "b", "c"]), colour=colour(3, "number")
    ).layout.meta["scales"][theme]
    assert (scale[0][0], scale[-1][0]) == (0, 1)
    weights = np.array([0.2126, 0.7152, 0.0722])
    light = [weights @ rgb(c) for _, c in scale]
    assert np.all(np.diff(light) > 0)


def test_wrong_shape_is_one_sentence() -> None:
    with pytest.raises(ValueError, match=r"has shape \(2, 2\); needed is \(3, 2\)"):
        explore_figures.map_figure(maps(2, 1), clip_ids=np.array(["a", "b", "c"]), colour=colour(3))
    with pytest.raises(ValueError, match="at least one map"):
        explore_figures.map_figure([], clip_ids=np.array([]), colour=colour(0))


def test_quality_curves_name_their_map_n_and_units() -> None:
    def curves(name: str, n: int) -> pd.DataFrame:
        frame = pd.DataFrame({"space": name, "k": [1, 2, 5], "trustworthiness": [0.9, 0.8, 0.7]})
        return frame.assign(continuity=[0.7, 0.8, 0.9], chance=frame["k"] / 10, n=n)

    one = quality_figure(curves("aisfx", 400), theme="dark")
    go.Figure(one.to_dict())  # raises for what Plotly does not know
    assert [(t.name, t.meta) for t in one.data] == [
        ("trustworthiness", "trustworthiness"),
        ("continuity", "continuity"),
        ("chance", "chance"),
    ]
    assert list(one.data[1].y) == [0.7, 0.8, 0.9]
    assert one.layout.xaxis.title.text == "k, neighbours looked at · n = 400 clips"
    assert list(one.layout.xaxis.ticktext) == ["1", "2", "5"]
    two = quality_figure(pd.concat([curves("aisfx", 400), curves("melstats", 1390)]))
    assert "n = 400 and 1,390 clips" in two.layout.xaxis.title.text
    assert [t.name for t in two.data if t.meta == "continuity"] == [
        "aisfx · continuity",
        "melstats · continuity",
    ]
    looks = {(t.line.color, t.line.dash, t.marker.symbol) for t in two.data if t.meta != "chance"}
    assert len(looks) == 4
    # Chance depends on n: a line for each, one word in the legend.
    assert [bool(t.showlegend) for t in two.data if t.meta == "chance"] == [True, False]
    with pytest.raises(ValueError, match="at least one map"):
        quality_figure(curves("aisfx", 400)[:0])


@pytest.mark.parametrize("values", [[np.nan, np.nan], [3.0, 3.0], [np.nan, 1.0], []])
def test_ends_of_a_scale_are_never_equal(values: list[float]) -> None:
    low, high = robust_ends(np.array(values))
    assert low < high


def test_one_number_far_away_does_not_take_the_whole_scale() -> None:
    values = np.append(np.linspace(0, 1, 40), [1e6, np.nan])
    assert robust_ends(values) == (0, 1)
    shown = explore_figures.Colour("number", "weight", values)
    ids = np.arange(len(values)).astype(str)
    figure = explore_figures.map_figure(maps(len(values), 1), clip_ids=ids, colour=shown)
    axis = figure.layout.coloraxis
    assert (axis.cmin, axis.cmax) == (0, 1)
    assert axis.colorbar.title.text == "weight<br>1 clip above the scale, up to 1,000,000"
    # What is usual is not cut: a long tail of durations, and a column of two values.
    usual = np.random.default_rng(0).gamma(2.0, 2.0, 500)
    assert robust_ends(usual)[0] == usual.min()
    assert robust_ends(np.repeat([44_100.0, 48_000.0], [58, 2])) == (44_100, 48_000)
    assert explore_figures.Colour("number", "s", np.linspace(1, 2, 9)).outside() == ""


def test_payload_says_each_clip_once(shown: Any) -> None:
    dataset = shown.dataset("small")
    c = data.clips(dataset)
    figure = explore_figures.map_figure(maps(c.n, 4), clip_ids=c.ids, colour=colours.colour(c, "class"))
    text = map_component.payload(
        figure,
        clip_ids=c.ids,
        labels=c.labels,
        families=c.families,
        files=c.files,
        colours=[colours.colour(c, "class")],
    )
    assert text.count(b"crow__take-003") == 1
    content = json.loads(text)
    assert content["ids"] == list(c.ids)
    assert content["legend"]["counts"] == [15] * 8
    codes = np.frombuffer(__import__("base64").b64decode(content["labels"]["codes"]["bdata"]), np.int16)
    assert [content["labels"]["names"][i] for i in codes] == list(c.labels)
