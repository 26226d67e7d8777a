"""Server time of Explore at 10,000 clips: a whole run of the page's script after a change of colour.

The workspace is made through the real cache: 10,000 clips of 50 classes, two spaces of 256 dimensions with
neighbours and maps. "A new colour" draws and packs its figure; "seen before" finds it kept. Beside it what
one would write without hearspace: the same points by Plotly Express in ``st.plotly_chart``, with the same
labels on hover. It should stay under 0.3 s.

python -m benchmarks.explore_server --json explore_server.json
"""

from __future__ import annotations

import logging
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.harness import arguments, machine, report
from tests.dashboard import made

COLOURS = ("family", "fold", "column:duration", "column:loudness", "kept", "class")


def workspace(root: Path) -> Any:
    """Make the workspace."""
    classes = {f"class {i:02d}": f"family {i % 6}" for i in range(50)}
    filled, dataset = made.workspace(root, per_class=200, classes=classes, sounds=False)
    for i, encoder in enumerate(("aisfx", "melstats")):
        made.map_of(filled, made.space(filled, dataset, encoder, seed=i, spread=1.0, d=256), judged=False)
    return filled


def explore_page() -> None:
    from dashboard import data
    from dashboard.explore import page as explore

    explore.render(data.workspace())


def plain_page() -> None:
    import plotly.express as px
    import streamlit as st

    from dashboard import data

    shown = data.workspace()
    frame = shown.dataset("small").clips.copy()
    by = st.selectbox("Colour", ["family", "fold", "duration", "loudness", "label"], key="explore.colour")
    for info in shown.cache.list(type="Project")[: st.session_state.get("maps", 1)]:
        frame[["x", "y"]] = shown.cache.open(info.key).array("coords")
        figure = px.scatter(
            frame, x="x", y="y", color=by, hover_data=["label", "family", "path"], custom_data=["clip_id"],
            render_mode="webgl",
        )  # fmt: skip
        st.plotly_chart(figure, key=info.key)


def timed(app: Any, colours: tuple[str, ...]) -> list[float]:
    """Seconds of a run after each change of colour."""
    seconds = []
    for colour in colours:
        app.selectbox(key="explore.colour").set_value(colour)
        began = time.perf_counter()
        app.run()
        seconds.append(time.perf_counter() - began)
        assert not app.exception, app.exception
    return seconds


def main() -> int:
    """Print the figures; exit status 1 if a figure was not drawn."""
    options = arguments("Explore's server time, measured.").parse_args()
    logging.disable(logging.WARNING)
    from streamlit.testing.v1 import AppTest

    from dashboard import data, media

    rows: list[dict[str, Any]] = []

    def add(what: str, maps: int, seconds: list[float]) -> None:
        rows.append(
            {"what": what, "maps": maps, "median s": statistics.median(seconds), "worst s": max(seconds)}
        )

    with tempfile.TemporaryDirectory() as tmp:
        data.use(workspace(Path(tmp)).root)
        for spaces in (["aisfx"], ["aisfx", "melstats"]):
            app = AppTest.from_function(explore_page, default_timeout=120)
            app.query_params["space"] = spaces
            began = time.perf_counter()
            app.run()
            add("hearspace, first visit", len(spaces), [time.perf_counter() - began])
            before = len(media._figures)
            add("hearspace, a new colour", len(spaces), timed(app, COLOURS[:-1]))
            drawn = len(media._figures) - before
            assert drawn == len(COLOURS) - 1, f"{drawn} figures were drawn"
            seen = [s for _ in range(options.rounds) for s in timed(app, COLOURS)]
            add("hearspace, a colour seen before", len(spaces), seen)
            plain = AppTest.from_function(plain_page, default_timeout=120)
            plain.session_state["maps"] = len(spaces)
            plain.run()
            columns = ("fold", "duration", "loudness", "label", "family")
            times = [s for _ in range(options.rounds) for s in timed(plain, columns)]
            add("Plotly Express in st.plotly_chart", len(spaces), times)
    for row in rows:
        plain_s = next(
            r["median s"] for r in rows if r["what"].startswith("Plotly") and r["maps"] == row["maps"]
        )
        row["of Plotly Express"] = row["median s"] / plain_s
    report("Explore, 10,000 clips (under 0.3 s)", rows, machine("streamlit", "plotly"), options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
