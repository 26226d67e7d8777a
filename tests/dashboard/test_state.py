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
        ({"dataset": ["gone"]}, "'gone' is not available (available: esc10, small)"),
        ({"perplexity": ["101"]}, "101 is not between 2 and 100"),
        ({"perplexity": ["many"]}, "'many' is not a number"),
        ({"least": ["nan"]}, "nan is not between 0 and 1"),
        ({"space": ["z"]}, "'z' is not available"),
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


# -- from page to page --------------------------------------------------------------------------------------


def explore(session: dict[str, Any], query: Query) -> dict[str, Any]:
    view = state.View("explore", session, query)
    found = {
        "dataset": view.choice("dataset", ["esc10", "small"], "esc10"),
        "space": view.many("space", ["a", "b", "c"], ["a"], most=4),
        "clip": view.text("clip", check=lambda v: v.startswith("clip") and view_of(session) == "small"),
    }
    view.write()
    return found | {"notes": view.notes}


def view_of(session: dict[str, Any]) -> Any:
    return session["explore.dataset"]


def measure(session: dict[str, Any], query: Query, spaces: str = "a b c") -> dict[str, Any]:
    view = state.View("measure", session, query)
    found = {
        "dataset": view.choice("dataset", ["esc10", "small"], "esc10"),
        "space": view.choice("space", spaces.split(), "a"),
    }
    view.write()
    return found | {"notes": view.notes}


def listen(session: dict[str, Any], query: Query) -> dict[str, Any]:
    view = state.View("listen", session, query)
    found = {
        "dataset": view.choice("dataset", ["esc10", "small"], "esc10"),
        "system": view.many("system", ["a", "b", "c", "a~x"], ["a", "b"], most=4, least=2),
        "query": view.text("query", check=lambda v: v.startswith("clip")),
    }
    view.write()
    return found | {"notes": view.notes}


LINK = {"dataset": ["small"], "space": ["c"], "clip": ["clip 7"]}


def test_dataset_space_and_clip_go_along_to_the_next_page() -> None:
    session: dict[str, Any] = {}
    explore(session, Query(LINK))
    query = Query()
    assert measure(session, query) == {"dataset": "small", "space": "c", "notes": []}
    assert query == {"dataset": ["small"], "space": ["c"]}
    # Something to compare with stands beside it.
    found = listen(session, Query())
    assert found == {"dataset": "small", "system": ["c", "a"], "query": "clip 7", "notes": []}


def test_what_was_changed_meanwhile_goes_back_with_the_reader() -> None:
    session: dict[str, Any] = {}
    explore(session, Query(LINK | {"space": ["a", "b"]}))
    query = Query()
    measure(session, query)
    # Both were seen side by side; one of them is no reason to leave the other.
    assert explore(session, Query())["space"] == ["a", "b"]
    measure(session, query)
    session["measure.space"] = "c"
    measure(session, query)
    assert explore(session, Query())["space"] == ["c"]


def test_a_clip_of_another_dataset_does_not_go_along() -> None:
    session: dict[str, Any] = {}
    explore(session, Query(LINK))
    query = Query()
    measure(session, query)
    session["measure.dataset"] = "esc10"
    measure(session, query)
    assert "clip" not in session["carried"]
    assert explore(session, Query()) == {"dataset": "esc10", "space": ["c"], "clip": "", "notes": []}


def test_what_does_not_fit_the_page_is_left_without_a_word() -> None:
    session: dict[str, Any] = {}
    explore(session, Query(LINK))
    assert measure(session, Query(), spaces="a b") == {"dataset": "small", "space": "a", "notes": []}


def test_a_link_says_all_there_is_to_say() -> None:
    session: dict[str, Any] = {}
    explore(session, Query(LINK))
    assert measure(session, Query({"dataset": ["esc10"]})) == {"dataset": "esc10", "space": "a", "notes": []}
    # A button within the dashboard leaves the rest as it is.
    explore(session, Query(LINK))
    session["arrived"] = "measure"
    assert measure(session, Query({"dataset": ["small"]}))["space"] == "c"


def test_many_spaces_that_nobody_chose_do_not_go_along() -> None:
    session: dict[str, Any] = {}
    listen(session, Query())
    assert explore(session, Query())["space"] == ["a"]
    session = {}
    listen(session, Query({"system": ["b", "c"]}))
    assert explore(session, Query())["space"] == ["b", "c"]


def test_spaces_that_a_page_began_with_give_way_to_chosen_ones() -> None:
    opened = {"dataset": ["esc10"]}
    session: dict[str, Any] = {}
    assert listen(session, Query(opened))["system"] == ["a", "b"]
    explore(session, Query({"space": ["b"]}))
    # One is too few to listen to: the rest is as the page begins.
    assert listen(session, Query())["system"] == ["b", "a"]
    session = {}
    assert explore(session, Query(opened))["space"] == ["a"]
    listen(session, Query({"system": ["a", "c"]}))
    assert explore(session, Query())["space"] == ["a", "c"]


def test_spaces_that_were_chosen_stay_while_they_are_among_those_chosen_elsewhere() -> None:
    session: dict[str, Any] = {}
    explore(session, Query({"space": ["a", "c"]}))
    listen(session, Query({"system": ["a", "b", "c"]}))
    assert explore(session, Query())["space"] == ["a", "c"]


def test_a_page_left_and_come_back_to_at_once_is_what_it_was() -> None:
    session: dict[str, Any] = {}
    query = Query()
    draw(session, query)
    session["page.find"] = "dog"
    draw(session, query)
    for name in [k for k in session if k.startswith("page.")]:
        del session[name]
    assert draw(session, Query())[0]["find"] == "dog"


def test_selections_are_kept_by_content(tmp_path: Path) -> None:
    name = state.save_selection(tmp_path, "small", ["b", "a"])
    assert name == state.save_selection(tmp_path, "small", ["a", "b", "a"])
    assert state.load_selection(tmp_path, "small", name) == ["a", "b"]
    assert state.load_selection(tmp_path, "other", name) == []
    assert state.save_selection(tmp_path, "small", []) == ""


@pytest.mark.parametrize("name", ["", "../../etc", "0123456789ab", "x" * 12, "0123456789AB"])
def test_unknown_views_are_none(tmp_path: Path, name: str) -> None:
    assert state.load_view(tmp_path, name) is None


def test_a_page_that_draws_itself_anew_keeps_its_view(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a run brings the URL which the browser had when the result was asked for, however long ago."""
    monkeypatch.setattr(state, "LATE", 0.0)
    session: dict[str, Any] = {}
    query = Query({"dataset": ["esc10"], "space": ["b"]})
    draw(session, query)
    before = dict(query)
    session["page.find"] = "rain"
    draw(session, query)
    assert query["find"] == ["rain"]
    session[state.REDRAWN] = True
    assert draw(session, Query(before))[0]["find"] == "rain"
    assert draw(session, Query(before))[0]["find"] == ""  # typed or followed
