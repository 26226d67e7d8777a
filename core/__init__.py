"""Numerics of embedding spaces: arrays in, arrays and small dataclasses out.

- `core.processing`: from the frames of a model to the vectors that are compared.
- `core.neighbors`: exact nearest neighbours, and what they say about the classes.
- `core.similarity`: how far two spaces agree, on neighbourhoods and as a whole.
- `core.separability`: how well classes stand apart, and how a space is shaped.
- `core.projection`: maps in two dimensions, and how much of the space they keep.
- `core.retrieval`: query by example, and how good its lists are.
- `core.splits`: which classes a zero-shot model is trained on, and which it is judged by.
- `core.zeroshot`, `core.heads`, `core.networks`, `core.contrastive`: models that are trained here, and
  `core.training`, what these trainings share.
- `core.losses`: what training minimises.
- `core.leakage`, `core.curation`: captions that name test classes, and pairs of sounds and captions.
- `core.listening`: what listeners prefer, and how far their answers agree.
- `core.audio`: spectra of sound.
- `core.statistics`: numbers with their uncertainty.
- `core.checks`: what all of these ask of their input.

Each folder gives its public names, loaded when they are first used.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

#: Modules that have moved into a folder, under the names that notebooks may still import them by.
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
        """Nothing is left to run: the module was run where it is now."""


sys.meta_path.insert(0, _Moved())
