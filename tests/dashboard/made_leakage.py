"""A grid of contrastive models as its job stores it, measured by the task itself.

Nothing is trained: spaces are centres with noise, the noisier the cleaner pre-training and training are, so
that accuracies, silhouettes and similarities follow from them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from core.contrastive import (
    CURVES,
    PRETRAINING_CURVES,
    ContrastiveModel,
    ModelPlan,
    Pretrained,
    failed_model,
)
from core.contrastive.data import split_pairs
from core.networks import SmallCNN
from jobs.datasets.importer import Imported
from jobs.specs import ContrastiveGrid
from jobs.tasks.contrastive import data, measures
from jobs.tasks.contrastive.measures import Spaces
from jobs.tasks.contrastive.results import Trained, result_of
from jobs.workspace.captions import captions_fingerprint, captions_of
from jobs.workspace.workspace import Dataset, Workspace
from tests.dashboard import made

FAMILIES = {
    "Animals": ("Dog bark", "Cat meow", "Cow moo", "Sheep bleat", "Rooster", "Owl"),
    "Nature": ("Rain", "Thunder", "Sea waves", "Wind", "Crackling fire", "Stream"),
    "Home": ("Door knock", "Clock alarm", "Vacuum cleaner", "Kettle", "Typing", "Glass"),
    "Street": ("Siren", "Train", "Helicopter", "Chainsaw", "Car horn", "Engine"),
}
TESTS = ("Cat meow", "Cow moo", "Owl", "Thunder", "Wind", "Clock alarm", "Kettle", "Siren", "Train", "Engine")
EPOCHS, DIM = 12, 24
#: How far test classes are pulled apart: by pre-training, then by training.
_PULL = {"dirty": 1.0, "clean": 0.55, "none": 0.2}
_MEET = {"dirty": 0.9, "clean": 0.5}


def leaking(
    root: Path, *, sounds: bool = True, per_class: int = 8, fails: str = "", **changes: Any
) -> Workspace:
    """Make a workspace of 24 classes in four families with captions, and a grid of six models of it.

    `fails` is the model that has failed, such as "none/clean".
    """
    found, dataset = captioned(root, sounds=sounds, per_class=per_class)
    grid_of(found, dataset, fails=fails, **changes)
    return found


def captioned(root: Path, *, sounds: bool = True, per_class: int = 8) -> tuple[Workspace, Dataset]:
    """Make the workspace without the grid: every clip has two captions, of every other clip one names it."""
    classes = {name: family for family, names in FAMILIES.items() for name in names}
    found, dataset = made.workspace(root, sounds=sounds, per_class=per_class, classes=classes)
    clips = dataset.clips
    rows = []
    for i, (clip, label) in enumerate(zip(clips["clip_id"], clips["label"], strict=True)):
        named = f"The {label.lower()} is heard twice, take {i}" if i % 2 else "Something loud, then quiet"
        rows += [(clip, named), (clip, "Recorded outside in the evening")]
    return found, add(found, dataset, pd.DataFrame(rows, columns=["clip_id", "caption"]))


def add(found: Workspace, dataset: Dataset, captions: pd.DataFrame) -> Dataset:
    """Add the dataset again, with other captions."""
    imported = Imported(
        dataset.clips,
        dataset.classes,
        dataset.report,
        dataset.fingerprint,
        dataset.labels_fingerprint,
        captions=captions,
    )
    return found.add_dataset("small", imported, adapter="folder", root=dataset.root)


def spec_of(dataset: Dataset, **changes: Any) -> ContrastiveGrid:
    """Return the grid that `leaking` holds."""
    wanted: dict[str, Any] = {
        "dataset": dataset.ref,
        "labels": dataset.labels_fingerprint,
        "captions": captions_fingerprint(captions_of(dataset)),
        "identity": "minilm/test",
        "test_classes": TESTS,
        "dim": DIM,
        "max_epochs": EPOCHS,
        "frozen_epochs": 3,
    }
    return ContrastiveGrid(**(wanted | changes))


def grid_of(found: Workspace, dataset: Dataset, *, fails: str = "", **changes: Any) -> ContrastiveGrid:
    """Store a grid under its key; `fails` is as of `leaking`."""
    spec = spec_of(dataset, **changes)
    rng = np.random.default_rng(spec.seed)
    clips = data.read(spec, found, ())
    classes = list(clips.classes)
    codes = np.array([classes.index(label) for label in clips.labels])
    family = {name: i for i, members in enumerate(FAMILIES.values()) for name in members}
    centre = rng.normal(size=(len(classes), DIM)) + 3 * np.eye(4, DIM)[[family[name] for name in classes]]
    x_t = 0.6 * centre[:, ::-1] + rng.normal(size=(len(classes), DIM))
    starts = {
        before: _PULL[before] * centre[codes] + 1.2 * rng.normal(size=(len(codes), DIM))
        for before in spec.pretraining
    }
    models, spaces = [], []
    for name in spec.names:
        before, then = name.split("/")
        xa = starts[before] + 0.4 * rng.normal(size=starts[before].shape)
        Ea = _unit(xa + (1 - _MEET[then]) * 2.0 * rng.normal(size=xa.shape))
        Et = _unit(_MEET[then] * _PULL[before] * centre + 0.5 * x_t + 0.2 * rng.normal(size=x_t.shape))
        size = np.nan if name == fails else 1.0
        spaces.append(Spaces(*((size * X).astype(np.float32) for X in (xa, Ea, x_t, Et))))
        models.append(_model(spec, ModelPlan(name, before, clips.pairs_of(then)), fails=name == fails))
    trained = Trained(
        clips=clips,
        models=models,
        spaces=spaces,
        pretrained={name: _pretrained(spec, name, classes) for name in spec.pretraining if name != "none"},
        starts=[X.astype(np.float32) for X in starts.values()],
        prompts=classes,
        x_t0=x_t.astype(np.float32),
        captions=[np.zeros((len(clips.texts), DIM), np.float32) for _ in models],
        text_backbone=None,
        n_unreadable=0,
        seconds={"training": 61.0},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measures, "FEWEST", 10_000)  # maps by PCA, which is quick
        context: Any = SimpleNamespace(progress=lambda *now: None)
        spec.store(found.cache, result_of(spec, context, trained))
    return spec


def _network() -> SmallCNN:
    return SmallCNN(16, dim=DIM, width=2, sample_rate=8000)


def _model(spec: ContrastiveGrid, plan: ModelPlan, *, fails: bool) -> ContrastiveModel:
    """Return a model with curves that nobody has trained."""
    why = "the loss is not finite in epoch 2." if fails else ""
    model = failed_model(plan, why, backbone=_network(), text_dim=DIM, recipe=spec.recipe, seed=spec.seed)
    if fails:
        return model
    epoch = np.arange(min(EPOCHS - 2, spec.max_epochs))
    curves = [
        3 * np.exp(-epoch / 4) + 0.5,
        3 * np.exp(-epoch / 4) + 0.8 + 0.01 * (epoch - 6) ** 2,
        0.07 - 0.002 * epoch,
        np.where(epoch < spec.frozen_epochs, spec.frozen_rate, spec.rate),
        2 + np.cos(epoch),
    ]
    for name, values in zip(CURVES, curves, strict=True):
        model.curves[name][: len(epoch)] = values
    return replace(
        model,
        pairs=split_pairs(plan.pairs, spec.recipe, spec.seed, int(plan.pairs[:, 0].max()) + 1),
        epochs=len(epoch),
        best_epoch=min(7, len(epoch)),
        stopped="the validation loss stopped falling",
    )


def _pretrained(spec: ContrastiveGrid, name: str, classes: list[str]) -> Pretrained:
    epoch = np.arange(4)
    curves = [3 - epoch / 2, 0.2 * epoch, 3.2 - epoch / 2, 0.2 * epoch]
    of = [label for label in classes if name == "dirty" or label not in spec.test_classes]
    named = {n: v.astype(np.float32) for n, v in zip(PRETRAINING_CURVES, curves, strict=True)}
    return Pretrained(_network(), named, tuple(of), best_epoch=3)


def _unit(X: np.ndarray) -> np.ndarray:
    return X / np.linalg.norm(X, axis=1, keepdims=True)
