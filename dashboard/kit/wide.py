"""Figures that keep their width in a narrow window, and are moved sideways there."""

from __future__ import annotations

import streamlit as st

#: Pixels of the names beside a matrix, and of a column in which two digits can be read.
_NAMES, _COLUMN = 110, 20
_STYLE = """
<style>
.st-key-%(key)s [data-testid="stElementContainer"]:has(.stPlotlyChart) { overflow-x: auto; }
.st-key-%(key)s :is(.stPlotlyChart, [data-testid="stFullScreenFrame"]) { min-width: %(width)dpx; }
</style>
"""


def matrix(key: str, columns: int) -> None:
    """Keep the columns of a matrix, the chart of a key, as wide as their numbers."""
    st.html(_STYLE % {"key": key, "width": _NAMES + _COLUMN * columns})
