"""A figure that grows in place while a job runs: a chart of Streamlit's would be drawn anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboard import media
from dashboard.components import base_url, component
from dashboard.kit.look import dressed

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def show(figure: Figure, *, key: str, file: str, alt: str, theme: str) -> None:
    """Mount the figure, or update the one that is mounted.

    Parameters
    ----------
    figure : Figure
        Lines only; those with ``meta`` "curves" grow.
    key : str
    file : str
        Name, without ending, of the image that its camera saves.
    alt : str
        What it shows, for screen readers.
    theme : {"light", "dark"}
    """
    import plotly.io

    drawn: str = plotly.io.to_json(dressed(figure, theme), validate=False)
    component("growing")(
        key=key,
        data={
            "figure": media.keep_figure(drawn.encode()),
            "base": base_url(),
            "plotly": f"assets/plotly.min.js?v={media.plotly_version()}",
            "file": file,
            "alt": alt,
        },
    )
