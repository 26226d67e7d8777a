"""Names hold what people have written into their files: figures draw them as text, whatever it is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from dashboard import media
from dashboard.kit.text import label, plain, short, whole, wrapped
from tests.dashboard import made, made_leakage, made_losses, made_predictors
from tests.dashboard.helpers import run, showing

#: A class is called "<b>Rain &amp; so on": drawn as markup it would be bold, and begin with R.
BEFORE, BEHIND = "<b>", " &amp; so on"
#: Keys of a figure's JSON that hold no text that is drawn.
NOT_DRAWN = {"customdata", "meta", "legendgroup", "ids", "x", "y", "uirevision"}
PAGES = {
    "separability": lambda root: _measured(root),
    "explore": lambda root: _measured(root),
    "neighbourhoods": lambda root: made.agreeing(root, sounds=False, per_class=4),
    "retrieval": lambda root: made.retrieving(root, sounds=False, per_class=4),
    "zeroshot": lambda root: made.zero_shot(root, sounds=False),
    "splits": lambda root: made.zero_shot(root, sounds=False),
    "losses": lambda root: made_losses.workspace(root, sounds=False),
    "leakage": lambda root: made_leakage.leaking(root, sounds=False, pretraining=("dirty", "none")),
    "predictors": lambda root: made_predictors.predicting(root),
}


def _measured(root: Any) -> Any:
    found, dataset = made.workspace(root, sounds=False, per_class=4)
    space = made.space(found, dataset, "aisfx", seed=0, spread=0.8)
    made.map_of(found, space)
    made.measures_of(found, dataset, space)
    return found


def drawn(part: Any, where: str = "") -> Iterator[tuple[str, str]]:
    """Every text of a figure that can be seen, with where it stands."""
    if isinstance(part, str):
        yield where, part
    elif isinstance(part, list):
        for value in part:
            yield from drawn(value, where)
    elif isinstance(part, dict):
        template = str(part.get("hovertemplate", ""))
        for key, value in part.items():
            if key not in NOT_DRAWN or f"%{{{key}" in template:
                yield from drawn(value, f"{where}.{key}")


@pytest.mark.parametrize("page", PAGES)
def test_names_are_drawn_as_text(
    page: str, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    plain_names: set[str] = set()
    original = made.workspace

    def mark(name: str) -> str:
        if name.startswith(BEFORE):
            return name
        plain_names.add(name)
        return f"{BEFORE}{name}{BEHIND}"

    def marked(root: Any, *, classes: dict[str, str] | None = None, **more: Any) -> Any:
        names = {mark(c): mark(f) for c, f in (classes or made.CLASSES).items()}
        return original(root, classes=names, **more)

    monkeypatch.setattr(made, "workspace", marked)
    families = {f: tuple(map(mark, names)) for f, names in made_leakage.FAMILIES.items()}
    monkeypatch.setattr(made_leakage, "FAMILIES", families)
    monkeypatch.setattr(made_leakage, "TESTS", tuple(map(mark, made_leakage.TESTS)))
    found = PAGES[page](tmp_path_factory.mktemp("marked"))
    media._figures.clear()
    with showing(found.root):
        app = run(page)
    figures = [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]
    figures += [f.get("figure", f) for f in map(json.loads, media._figures.values())]
    assert figures
    raw = re.compile(re.escape(BEFORE) + "(" + "|".join(map(re.escape, plain_names)) + ")")
    texts = [text for figure in figures for text in drawn(figure)]
    assert [t for t in texts if raw.search(t[1])] == []
    # The map writes no names, and these pages' figures are of spaces and settings.
    if page not in ("explore", "losses", "predictors"):
        assert any(plain(BEFORE) in t for _, t in texts)


def test_long_names_are_short_on_axes_and_whole_where_they_are_pointed_at() -> None:
    name = "word " * 39 + "end"
    assert len(short(name)) <= 26
    assert label(name).endswith("…")
    assert whole(name).replace("<br>", " ") == name
    assert max(map(len, whole(name).split("<br>"))) <= 60
    assert len(wrapped(name).split("<br>")) == 3
    assert whole("x" * 200).replace("<br>", "") == "x" * 200
    assert len(wrapped("x" * 200)) < 60
