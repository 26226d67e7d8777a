from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dashboard import state


class Query(dict[str, list[str]]):
    """The part of ``st.query_params`` that a view uses."""

    def get_all(self, name: str) -> list[str]:
        return self.get(name, [])

    def from_dict(self, values: Any) -> None:
        self.clear()
        self.update({k: list(v) for k, v in values.items()})


def draw(session: dict[str, Any], query: Query) -> tuple[dict[str, Any], list[str]]:
    """A page with one control of each kind."""
    view = state.View("page", session, query)
    values = {
        "dataset": view.choice("dataset", ["esc10", "small"], "small"),
        "space": view.many("space", ["a", "b", "c", "d", "e"], ["a"], most=4),
        "perplexity": view.number("perplexity", 2, 100, 30),
        "least": view.number("least", 0, 1, 0.1, whole=False),
        "find": view.text("find"),
    }
    view.write()
    return values, view.notes


DEFAULTS = {"dataset": "small", "space": ["a"], "perplexity": 30, "least": 0.1, "find": ""}


#: What a link always says, whatever the defaults are today.
WHERE = {"dataset": ["small"], "space": ["a"]}


def test_defaults_leave_only_dataset_and_space_in_the_url() -> None:
    query = Query()
    assert draw({}, query) == (DEFAULTS, [])
    assert query == WHERE


def test_a_link_means_the_same_where_the_defaults_are_others() -> None:
    query = Query()
    draw({}, query)
    linked = dict(query)
    view = state.View("page", {}, Query(linked))
    assert view.choice("dataset", ["aaa", "small"], "aaa") == "small"


def test_url_is_read_and_written_back_the_same() -> None:
    given = {
        "dataset": ["esc10"],
        "space": ["b", "d"],
        "perplexity": ["7"],
        "least": ["0.25"],
        "find": ["a b"],
    }
    query = Query(given)
    values, notes = draw({}, query)
    assert values == {"dataset": "esc10", "space": ["b", "d"], "perplexity": 7, "least": 0.25, "find": "a b"}
    assert notes == []
    assert query == given


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"dataset": ["gone"]}, "'gone' is not there (there are: esc10, small)"),
        ({"perplexity": ["101"]}, "101 is not between 2 and 100"),
        ({"perplexity": ["many"]}, "'many' is not a number"),
        ({"least": ["nan"]}, "nan is not between 0 and 1"),
        ({"space": ["z"]}, "'z' is not there"),
    ],
)
def test_an_invalid_value_is_a_note_and_the_default(given: dict[str, list[str]], said: str) -> None:
    values, notes = draw({}, Query(given))
    assert values == DEFAULTS
    assert len(notes) == 1
    assert said in notes[0]


def test_what_a_widget_says_reaches_the_url() -> None:
    session: dict[str, Any] = {}
    query = Query()
    draw(session, query)
    session["page.perplexity"] = 50
    assert draw(session, query)[0]["perplexity"] == 50
    assert query == WHERE | {"perplexity": ["50"]}
    session["page.perplexity"] = 30
    draw(session, query)
    assert query == WHERE


def test_an_emptied_choice_of_many_is_kept() -> None:
    session: dict[str, Any] = {}
    query = Query()
    draw(session, query)
    session["page.space"] = []
    assert draw(session, query)[0]["space"] == []
    assert draw({}, Query(query))[0]["space"] == []


def test_another_page_in_between_keeps_the_view() -> None:
    session: dict[str, Any] = {}
    query = Query({"perplexity": ["7"]})
    draw(session, query)
    del session["page.perplexity"]  # as Streamlit drops widgets that are not shown
    back = Query()
    assert draw(session, back)[0]["perplexity"] == 7
    assert back == WHERE | {"perplexity": ["7"]}


def test_a_url_that_is_gone_to_wins_over_the_widgets(monkeypatch: pytest.MonkeyPatch) -> None:
    session: dict[str, Any] = {}
    draw(session, Query({"perplexity": ["7"]}))
    assert draw(session, Query({"perplexity": ["9"]}))[0]["perplexity"] == 9


def test_a_url_sent_before_the_browser_heard_of_the_new_one_does_not_win() -> None:
    session: dict[str, Any] = {}
    query = Query({"perplexity": ["7"]})
    draw(session, query)
    session["page.perplexity"] = 8
    draw(session, query)
    session["page.find"] = "dog"
    values = draw(session, Query(WHERE | {"perplexity": ["7"]}))[0]
    assert (values["perplexity"], values["find"]) == (8, "dog")


def test_the_first_url_sent_again_does_not_win() -> None:
    session: dict[str, Any] = {}
    draw(session, Query({"perplexity": ["7"]}))
    session["page.perplexity"] = 8
    assert draw(session, Query({"perplexity": ["7"]}))[0]["perplexity"] == 8


def test_selections_are_kept_by_content(tmp_path: Path) -> None:
    name = state.save_selection(tmp_path, "small", ["b", "a"])
    assert name == state.save_selection(tmp_path, "small", ["a", "b", "a"])
    assert state.load_selection(tmp_path, "small", name) == ["a", "b"]
    assert state.load_selection(tmp_path, "other", name) == []
    assert state.save_selection(tmp_path, "small", []) == ""


@pytest.mark.parametrize("name", ["", "../../etc", "0123456789ab", "x" * 12, "0123456789AB"])
def test_unknown_views_are_none(tmp_path: Path, name: str) -> None:
    assert state.load_view(tmp_path, name) is None
