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
from jobs.specs.retrieval import (
    CUTOFFS,
    QUERY_CHARACTERS,
    QUERY_SECONDS,
    EmbedQuery,
    Retrieval,
    RetrievalGrid,
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
from jobs.specs.zeroshot import MOST_MODELS, SETUPS, ZeroShotGrid

__all__ = [
    "CLIP_KS",
    "CUTOFFS",
    "GRAPH_K",
    "METHODS",
    "MOST_MODELS",
    "QUERY_CHARACTERS",
    "QUERY_SECONDS",
    "SETUPS",
    "SPECS",
    "Agreement",
    "Baselines",
    "DatasetRef",
    "EmbedAudio",
    "EmbedQuery",
    "EmbedText",
    "KMeansCurve",
    "MapQuality",
    "Neighbors",
    "Project",
    "Retrieval",
    "RetrievalGrid",
    "Separability",
    "Spec",
    "SpecError",
    "Synthesize",
    "ZeroShotGrid",
    "closure",
    "from_json",
    "missing",
    "parse",
]
