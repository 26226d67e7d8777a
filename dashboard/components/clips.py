"""A list of clips with spectrograms and numbers, each to be heard; one sounds at a time on the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dashboard.components import base_url, component
from dashboard.data import Clips
from dashboard.kit.palette import NEUTRAL, Style

#: Rows sent to the browser at most.
MOST = 500


def show(
    clips: Clips,
    ids: Sequence[str],
    *,
    key: str,
    dataset: str,
    label: str,
    numbers: Mapping[str, Sequence[str]] | None = None,
    chosen: str = "",
    on_chosen: Callable[[], None] | None = None,
) -> None:
    """Mount a list.

    Parameters
    ----------
    clips : Clips
    ids : sequence of str
        Clips in the order of the list; the first `MOST` are shown.
    label : str
        What the list is, for screen readers.
    numbers : mapping, optional
        Title of a column to its texts, one a clip.
    chosen : str
        Marked in the list.
    on_chosen : callable, optional
        Called when a clip's name is clicked; ``st.session_state[key]["chosen"]`` is the clip.
    """
    columns = dict(numbers or {})
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
        "chosen": chosen,
        "choosable": on_chosen is not None,
    }
    callbacks = {} if on_chosen is None else {"on_chosen_change": on_chosen}
    component("clips")(key=key, data=data, **callbacks)
