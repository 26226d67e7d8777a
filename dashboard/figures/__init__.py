"""Figures: pure functions from arrays to Plotly, a module a page.

A figure holds no theme where it can help it: text and background are transparent or neutral.
"""

from dashboard.figures.maps import (
    AXES,
    METHOD_NAMES,
    Colour,
    Map,
    layout_grid,
    map_figure,
    number_range,
)

__all__ = ["AXES", "METHOD_NAMES", "Colour", "Map", "layout_grid", "map_figure", "number_range"]
