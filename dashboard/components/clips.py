"""A list of clips with spectrograms and numbers, each to be played; one plays at a time on the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypedDict, Unpack

import streamlit as st

from dashboard import data, state
from dashboard.components import base_url, component
from dashboard.data import Clips
from dashboard.kit import table
from dashboard.kit.numbers import figured
from dashboard.kit.palette import NEUTRAL, Style

#: Rows sent to the browser at most.
MOST = 500


class Options(TypedDict, total=False):
    """What a list may show and do besides playing its clips.

    Attributes
    ----------
    numbers : mapping
        Title of a column to its texts, one a clip.
    chosen : str
        Clip that is marked in the list.
    chooses : str
        Key of the session that is set to a clip whose name is clicked; "" where none can be.
    on_chosen : callable
        Called instead when a clip's name is clicked; `clicked(key)` is the clip.
    """

    numbers: Mapping[str, Sequence[str]] | None
    chosen: str
    chooses: str
    on_chosen: Callable[[], None]


def show(
    clips: Clips, ids: Sequence[str], *, key: str, dataset: str, label: str, **options: Unpack[Options]
) -> None:
    """Mount a list.

    Parameters
    ----------
    clips : Clips
    ids : sequence of str
        Clips in the order of the list; the first `MOST` are shown.
    key, dataset : str
        Of the list, and the name of the dataset whose clips these are.
    label : str
        What the list is, for screen readers.
    **options
        See `Options`.
    """
    on_chosen = options.get("on_chosen")
    if options.get("chooses"):
        on_chosen = partial(_choose, key, options["chooses"])
    columns = dict(options.get("numbers") or {})
    neutral = Style(NEUTRAL["light"], NEUTRAL["dark"])
    rows: list[dict[str, Any]] = []
    for i, clip in enumerate(ids[:MOST]):
        row = clips.row.get(clip)
        if row is None:
            continue
        style = clips.styles.get(clips.labels[row], neutral)
        rows.append(
            {
                "id": clip,
                "label": clips.labels[row],
                "file": clips.files[row],
                "light": style.light,
                "dark": style.dark,
                "values": [texts[i] for texts in columns.values()],
            }
        )
    data = {
        "rows": rows,
        "columns": list(columns),
        "base": base_url(),
        "dataset": dataset,
        "label": label,
        "chosen": options.get("chosen", ""),
        "choosable": on_chosen is not None,
    }
    callbacks = {} if on_chosen is None else {"on_chosen_change": on_chosen}
    component("clips")(key=key, data=data, **callbacks)


def clicked(key: str) -> str:
    """Return the clip whose name was clicked in a list, "" for none."""
    value = st.session_state[key].get("chosen")
    return value if isinstance(value, str) else ""


def _choose(key: str, name: str) -> None:
    if clip := clicked(key):
        st.session_state[name] = clip


def show_pairs(
    clips: Clips,
    pairs: Sequence[tuple[str, str]],
    *,
    key: str,
    dataset: str,
    label: str,
    numbers: Mapping[str, Sequence[float]],
) -> None:
    """List pairs of clips, one below the other, with numbers of each pair."""
    columns = {name: [figured(v) for v in values for _ in range(2)] for name, values in numbers.items()}
    columns["pair"] = [str(i) for i, _ in enumerate(pairs, start=1) for _ in range(2)]
    show(
        clips,
        [clip for pair in pairs for clip in pair],
        key=key,
        dataset=dataset,
        label=label,
        numbers=columns,
    )


def selection(
    c: Clips,
    ids: Sequence[str],
    *,
    page: str,
    dataset: str,
    file: str,
    chosen: str,
    clear: bool = True,
) -> None:
    """Draw the clips of a selection as a list, with buttons that save them and clear the selection.

    Parameters
    ----------
    c : Clips
    ids : sequence of str
        In the order of the list.
    page : str
        Name of the page, whose controls ``clip`` and ``sel`` are the chosen clip and the selection.
    dataset, file : str
        Names of the dataset and of the table that is saved.
    chosen : str
        Clip that is marked in the list.
    clear : bool
        Whether there is a selection to clear.
    """
    with st.container(horizontal=True):
        table.button(
            f"{page}-selection-csv",
            f"{file}-clips",
            lambda: data.csv_of(c, list(ids)),
            label="CSV of these clips",
            quiet=False,
        )
        if clear:
            st.button(
                "Clear the selection",
                key=f"{page}-clear",
                on_click=st.session_state.__setitem__,
                args=(f"{page}.sel", ""),
            )
    show(
        c,
        ids,
        key=f"{page}-list",
        dataset=dataset,
        label="Clips of the selection",
        numbers={"length": data.lengths(c, list(ids[:MOST]))},
        chosen=chosen,
        chooses=f"{page}.clip",
    )


def selected(root: Path, c: Clips, dataset: str, name: str) -> list[str]:
    """Return the clips of a saved selection that the dataset still has; see `state.load_selection`."""
    return [i for i in state.load_selection(root, dataset, name) if i in c.row]
