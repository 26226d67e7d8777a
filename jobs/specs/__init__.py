"""What can be asked for, by name: see `jobs.specs.base` for what a spec is."""

from jobs.specs.base import (
    SPECS,
    DatasetRef,
    Spec,
    SpecError,
    closure,
    from_json,
    missing,
    parse,
)
from jobs.specs.measures import (
    CLIP_KS,
    Agreement,
    Baselines,
    KMeansCurve,
    MapQuality,
    Separability,
)
from jobs.specs.spaces import (
    GRAPH_K,
    METHODS,
    EmbedAudio,
    EmbedText,
    Neighbors,
    Project,
    Synthesize,
)

__all__ = [
    "CLIP_KS",
    "GRAPH_K",
    "METHODS",
    "SPECS",
    "Agreement",
    "Baselines",
    "DatasetRef",
    "EmbedAudio",
    "EmbedText",
    "KMeansCurve",
    "MapQuality",
    "Neighbors",
    "Project",
    "Separability",
    "Spec",
    "SpecError",
    "Synthesize",
    "closure",
    "from_json",
    "missing",
    "parse",
]
