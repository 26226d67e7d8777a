"""Numerics of embedding spaces: arrays in, arrays and small dataclasses out.

- `core.processing`: from the frames of a model to the vectors that are compared.
- `core.neighbors`: exact nearest neighbours, and their classes.
- `core.similarity`: agreement of two spaces, by neighbourhoods and as a whole.
- `core.separability`: separation of classes, and the geometry of a space.
- `core.projection`: maps in two dimensions, and their fidelity.
- `core.retrieval`: query by example, and the quality of its result lists.
- `core.splits`: training, validation and test classes of zero-shot models.
- `core.zeroshot`, `core.heads`, `core.networks`, `core.contrastive`: trained models, and `core.training`, the
  engine that they share.
- `core.losses`: loss functions.
- `core.leakage`, `core.curation`: captions that name test classes, and pairs of sounds and captions.
- `core.listening`: preferences of listeners, and agreement of their answers.
- `core.audio`: spectra of sound.
- `core.statistics`: estimates with their uncertainty.
- `core.checks`: validation of input.

Each folder exports its public names, which are loaded on first use.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

#: Modules that have moved into a folder, by the former names that notebooks may still import.
_MOVED = {
    "core.audio_networks": "core.networks.cnn",
    "core.baselines": "core.separability.baselines",
    "core.cka": "core.similarity.alignment",
    "core.clusters": "core.separability.clusters",
    "core.geometry": "core.separability.geometry",
    "core.listener_agreement": "core.listening.agreement",
    "core.loss_networks": "core.networks.training",
    "core.map_quality": "core.projection.quality",
    "core.neighbor_order": "core.neighbors.order",
    "core.overlap_band": "core.similarity.overlap_band",
    "core.paired": "core.similarity.paired",
    "core.preferences": "core.listening.preferences",
    "core.retrieval_statistics": "core.retrieval.statistics",
    "core.silhouettes": "core.separability.silhouettes",
    "core.spectra": "core.audio.spectra",
    "core.two_towers": "core.zeroshot.two_towers",
}


class _Moved(MetaPathFinder, Loader):
    """Finds a module that has moved by its former name."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname in _MOVED else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        former = ModuleType(spec.name)
        former.__dict__.update(vars(import_module(_MOVED[spec.name])))
        return former

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: the module was executed under its new name."""


sys.meta_path.insert(0, _Moved())
