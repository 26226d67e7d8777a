"""Figures: pure functions from arrays to Plotly, a module a page.

A figure holds no theme where it can help it: text and background are transparent or neutral.
"""

from dashboard.figures.agreement import (
    Curve,
    Line,
    agreement_figure,
    overlap_by_class_figure,
    pair_lines,
)
from dashboard.figures.listening import against_figure, preferred_figure
from dashboard.figures.maps import (
    AXES,
    METHOD_NAMES,
    Colour,
    Map,
    layout_grid,
    map_figure,
    quality_figure,
)
from dashboard.figures.retrieval import System, classes_figure, groups_figure, systems_figure
from dashboard.figures.separability import (
    CLICKABLE,
    ByClass,
    by_class_figure,
    clusters_figure,
    distance_figure,
    property_figure,
)
from dashboard.figures.spaces import spaces_figure
from dashboard.figures.splits import Centroids, centroids_figure, class_similarity_figure
from dashboard.figures.zeroshot import against_similarity_figure, boxes_figure, learning_figure

__all__ = [
    "AXES",
    "CLICKABLE",
    "METHOD_NAMES",
    "ByClass",
    "Centroids",
    "Colour",
    "Curve",
    "Line",
    "Map",
    "System",
    "against_figure",
    "against_similarity_figure",
    "agreement_figure",
    "boxes_figure",
    "by_class_figure",
    "centroids_figure",
    "class_similarity_figure",
    "classes_figure",
    "clusters_figure",
    "distance_figure",
    "groups_figure",
    "layout_grid",
    "learning_figure",
    "map_figure",
    "overlap_by_class_figure",
    "pair_lines",
    "preferred_figure",
    "property_figure",
    "quality_figure",
    "spaces_figure",
    "systems_figure",
]
