"""What can be asked for, by name: see `jobs.tasks.spec` for what a spec is."""

from jobs.tasks.agreement import Agreement
from jobs.tasks.baselines import Baselines
from jobs.tasks.class_analogies import ClassAnalogies
from jobs.tasks.contrastive_grid import (
    BACKBONES,
    LEAK_MODES,
    PRETRAININGS,
    TRAININGS,
    ContrastiveGrid,
)
from jobs.tasks.curated_training import CURATIONS, TARGETS, CuratedTraining
from jobs.tasks.embed_audio import EmbedAudio
from jobs.tasks.embed_query import QUERY_CHARACTERS, QUERY_SECONDS, EmbedQuery
from jobs.tasks.embed_text import EmbedText
from jobs.tasks.kmeans_curve import KMeansCurve
from jobs.tasks.loss_grid import LossGrid
from jobs.tasks.loss_network_grid import SETTINGS, SMALL_CNN, LossNetworkGrid
from jobs.tasks.loss_training import ADD_WEIGHTS, LossTraining
from jobs.tasks.map_quality import MapQuality
from jobs.tasks.neighbors import CLIP_KS, GRAPH_K, Neighbors
from jobs.tasks.project import METHODS, Project
from jobs.tasks.retrieval import CUTOFFS, Retrieval
from jobs.tasks.retrieval_grid import RetrievalGrid
from jobs.tasks.separability import Separability
from jobs.tasks.spec import (
    SPECS,
    DatasetRef,
    Spec,
    SpecError,
    closure,
    from_json,
    missing,
    parse,
)
from jobs.tasks.synthesize import Synthesize
from jobs.tasks.zero_shot_classification import ZeroShotClassification
from jobs.tasks.zero_shot_grid import MOST_MODELS, SETUPS, ZeroShotGrid

__all__ = [
    "ADD_WEIGHTS",
    "BACKBONES",
    "CLIP_KS",
    "CURATIONS",
    "CUTOFFS",
    "GRAPH_K",
    "LEAK_MODES",
    "METHODS",
    "MOST_MODELS",
    "PRETRAININGS",
    "QUERY_CHARACTERS",
    "QUERY_SECONDS",
    "SETTINGS",
    "SETUPS",
    "SMALL_CNN",
    "SPECS",
    "TARGETS",
    "TRAININGS",
    "Agreement",
    "Baselines",
    "ClassAnalogies",
    "ContrastiveGrid",
    "CuratedTraining",
    "DatasetRef",
    "EmbedAudio",
    "EmbedQuery",
    "EmbedText",
    "KMeansCurve",
    "LossGrid",
    "LossNetworkGrid",
    "LossTraining",
    "MapQuality",
    "Neighbors",
    "Project",
    "Retrieval",
    "RetrievalGrid",
    "Separability",
    "Spec",
    "SpecError",
    "Synthesize",
    "ZeroShotClassification",
    "ZeroShotGrid",
    "closure",
    "from_json",
    "missing",
    "parse",
]
