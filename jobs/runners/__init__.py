"""What computes each spec: ``RUNNERS`` maps a spec's type to ``module:function``.

A runner takes the spec and a `jobs.engine.context.JobContext` and writes the spec's artifact. Its module may
import whatever it needs; it is imported only in the process that runs it.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobs.engine.context import JobContext
    from jobs.specs import Spec

RUNNERS = {
    "Agreement": "jobs.runners.agreement:agreement",
    "Baselines": "jobs.runners.baselines:baselines",
    "ClassAnalogies": "jobs.runners.paired:class_analogies",
    "ContrastiveGrid": "jobs.runners.contrastive:contrastive_grid",
    "CuratedTraining": "jobs.runners.curation:curated_training",
    "EmbedAudio": "jobs.runners.embed:embed_audio",
    "EmbedQuery": "jobs.runners.query:embed_query",
    "EmbedText": "jobs.runners.embed:embed_text",
    "KMeansCurve": "jobs.runners.separability:kmeans_curve",
    "LossGrid": "jobs.runners.losses:loss_grid",
    "LossNetworkGrid": "jobs.runners.loss_networks:loss_network_grid",
    "MapQuality": "jobs.runners.maps:map_quality",
    "Neighbors": "jobs.runners.maps:neighbors",
    "Project": "jobs.runners.maps:project",
    "Retrieval": "jobs.runners.retrieval:retrieval",
    "RetrievalGrid": "jobs.runners.retrieval:retrieval_grid",
    "Separability": "jobs.runners.separability:separability",
    "Synthesize": "jobs.runners.synthesize:run",
    "ZeroShotClassification": "jobs.runners.classify:zero_shot_classification",
    "ZeroShotGrid": "jobs.runners.zeroshot:zero_shot_grid",
}


def runner(spec_type: str) -> Callable[[Spec, JobContext], None]:
    """Import and return the function that computes specs of this type."""
    module, _, function = RUNNERS[spec_type].partition(":")
    found: Callable[[Spec, JobContext], None] = getattr(import_module(module), function)
    return found
