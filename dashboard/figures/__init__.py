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

from dashboard.figures.separability import (
    CLICKABLE,
    ByClass,
    by_class_figure,
    clusters_figure,
    distance_figure,
    property_figure,
)

__all__ = [
    "AXES",
    "CLICKABLE",
    "METHOD_NAMES",
    "ByClass",
    "Colour",
    "Map",
    "by_class_figure",
    "clusters_figure",
    "distance_figure",
    "layout_grid",
    "map_figure",
    "number_range",
    "property_figure",
]
