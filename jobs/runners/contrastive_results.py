"""What a grid of contrastive models leaves behind: its tables, spaces, maps and what is said of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from torch import nn

from core.contrastive import CURVES, PRETRAINING_CURVES, ContrastiveModel, Pretrained
from core.words import count
from core.zeroshot import zero_shot
from jobs.runners import contrastive_measures as measured
from jobs.runners.contrastive_data import Asked, checkpoint_of
from jobs.specs import ContrastiveGrid

if TYPE_CHECKING:
    from cache import ArtifactWriter
    from jobs.engine.context import JobContext

#: Progress when all is embedded.
EMBEDDED = 0.97


@dataclass(frozen=True)
class Trained:
    """What a grid has come to.

    Attributes
    ----------
    models : list of ContrastiveModel
    spaces : list of Embedded
        Of each model.
    pretrained : dict of str to Pretrained
        Those that were made here, by name.
    starts : list of (n, d_a) float32 arrays
        x_a before contrastive training, of each pre-training.
    prompts : list of str
        Of the classes, the first of each.
    x_t0 : (C, d_t) float32 array
        Of the classes, by the text backbone as it came.
    captions : list of (c, D) float32 arrays
        E_t of the captions by each model.
    text_backbone : nn.Module or None
    n_unreadable : int
    """

    models: list[ContrastiveModel]
    spaces: list[measured.Embedded]
    pretrained: dict[str, Pretrained]
    starts: list[np.ndarray]
    prompts: list[str]
    x_t0: np.ndarray
    captions: list[np.ndarray]
    text_backbone: nn.Module | None
    n_unreadable: int


def store(
    spec: ContrastiveGrid,
    context: JobContext,
    asked: Asked,
    found: Trained,
    seconds: Callable[[], Mapping[str, float]],
) -> None:
    """Measure the models and write all that `ContrastiveGrid` says; `seconds` is asked when that is done."""
    models, spaces, starts, x0 = found.models, found.spaces, found.starts, found.x_t0
    test, labels = asked.test, asked.labels[asked.test].astype(str)
    told = np.array([asked.classes.index(label) for label in asked.tested])
    results = [
        None if model.failed else zero_shot(space.Ea[test], space.Et[told], labels, asked.tested)
        for model, space in zip(models, spaces, strict=True)
    ]
    table = _models_table(spec, asked, models, spaces, results, told)
    T = len(asked.tested)
    nobody = np.zeros((T, T), dtype=np.int64)
    confusion = np.stack([nobody if result is None else result.confusion for result in results])
    maps: dict[str, str] = {}
    with context.writer() as w:
        w.table("models", table)
        w.table("classes", measured.class_rows(results, asked.tested))
        w.table("predictions", measured.prediction_rows(results, asked.tested, asked.clip_ids[test]))
        w.array("confusion", confusion)
        w.table("correlations", measured.correlations(table))
        w.array("curves", np.stack([[model.curves[name] for name in CURVES] for model in models]))
        w.table("pretraining", _pretraining_table(spec, asked, found))
        w.array("pretrain_curves", _pretraining_curves(spec, found.pretrained))
        w.table(
            "clips",
            pd.DataFrame(
                {
                    "clip_id": asked.clip_ids.astype(str),
                    "label": asked.labels.astype(str),
                    "part": asked.part.astype(str),
                    "n_captions": asked.n_captions,
                }
            ),
        )
        w.table(
            "texts",
            pd.DataFrame(
                {
                    "id": list(asked.classes),
                    "text": found.prompts,
                    "test": np.isin(asked.classes, asked.tested),
                }
            ),
        )
        w.table("captions", {"caption": asked.texts})
        for i, E in enumerate(found.captions):
            w.array(f"caption_Et_{i}", E)
        for row, X in enumerate(starts):
            w.array(f"audio_x0_{row}", X)
            method = _map(w, f"x0_{row}", X[test], spec.seed)
            maps |= {} if method == "none" else {"x0": method}
        w.array("text_x0", x0)
        maps["xt0"] = _map(w, "xt0", x0[told], spec.seed)
        for i, (model, space) in enumerate(zip(models, spaces, strict=True)):
            context.progress(EMBEDDED + (1 - EMBEDDED) * i / len(models), 1, "drawing maps")
            w.array(f"audio_xa_{i}", space.xa)
            w.array(f"audio_Ea_{i}", space.Ea)
            w.array(f"text_xt_{i}", space.xt)
            w.array(f"text_Et_{i}", space.Et)
            if not model.failed:
                w.tensors(f"weights_{i}", model.state())
            parts = {"xa": space.xa[test], "Ea": space.Ea[test], "xt": space.xt[told], "Et": space.Et[told]}
            methods = {name: _map(w, f"{name}_{i}", X, spec.seed) for name, X in parts.items()}
            if not model.failed:
                maps |= methods
        w.table("leaks", asked.leaks)
        w.table("label_leaks", asked.label_leaks)
        took = seconds()
        w.meta.update(
            n_models=len(models),
            n_failed=sum(bool(model.failed) for model in models),
            n_clips=len(asked.clip_ids),
            n_classes=len(asked.classes),
            n_test_classes=T,
            n_test=len(test),
            n_captions=len(asked.pairs),
            n_leaks=int(asked.leaks[["clip_id", "caption"]].drop_duplicates().shape[0]),
            n_leaking_clips=int(asked.leaks["clip_id"].nunique()),
            n_unnamed=asked.unnamed,
            test_classes=list(asked.tested),
            prompts=list(spec.prompts),
            temperature_start=spec.temperature,
            maps=maps,
            sizes=[spaces[0].xa.shape[1], x0.shape[1], spec.dim],
            parameters=_parameters(models[0], found.text_backbone),
            seconds={name: round(value, 2) for name, value in took.items()},
            recipe=asdict(spec.recipe),
            note=_note(asked, models),
            left_out={
                "unreadable": found.n_unreadable,
                "without_caption": int(((asked.n_captions == 0) & (asked.part == "train")).sum()),
            },
            cards=_cards(spec, models, asked),
        )


def _map(w: ArtifactWriter, name: str, X: np.ndarray, seed: int) -> str:
    coords, method = measured.lay_out(X, seed)
    w.array(f"map_{name}", coords)
    return method


def _models_table(
    spec: ContrastiveGrid,
    asked: Asked,
    models: Sequence[ContrastiveModel],
    spaces: Sequence[measured.Embedded],
    results: Sequence[Any],
    told: np.ndarray,
) -> pd.DataFrame:
    test, labels = asked.test, asked.labels[asked.test].astype(str)
    rows = []
    for i, (model, space, result) in enumerate(zip(models, spaces, results, strict=True)):
        before, then = model.plan.name.split("/")
        numbers = (
            measured.unknown_model(len(test), len(told))
            if result is None
            else measured.of_model(space, test, told, labels, result)
        )
        rows.append(
            {
                "model": i,
                "name": model.plan.name,
                "pretraining": before,
                "training": then,
                "n_pairs": len(model.plan.pairs),
                "n_removed": len(asked.pairs) - len(model.plan.pairs),
                "n_train_clips": len(np.unique(model.pairs.train[:, 0])),
                "n_validation_clips": len(np.unique(model.pairs.validation[:, 0])),
                **numbers,
                "epochs": model.epochs,
                "best_epoch": model.best_epoch,
                "temperature": model.temperature,
                "stopped": model.stopped,
                "failed": model.failed,
            }
        )
    return pd.DataFrame(rows)


def _pretraining_table(spec: ContrastiveGrid, asked: Asked, found: Trained) -> pd.DataFrame:
    test, labels = asked.test, asked.labels[asked.test].astype(str)
    all_of = set(asked.labels[asked.pretraining_rows("dirty")])
    rows = []
    for name, X in zip(spec.pretraining, found.starts, strict=True):
        here = found.pretrained.get(name)
        source = "file" if checkpoint_of(spec, name) else "random weights"
        used = asked.pretraining_rows(name) if here else np.empty(0, np.int64)
        best = here.best_epoch if here else 0
        rows.append(
            {
                "pretraining": name,
                "source": "trained here" if here else source,
                "n_classes": len(here.classes) if here else 0,
                "n_clips": len(used),
                "n_removed_classes": len(all_of) - len(here.classes) if here else 0,
                "best_epoch": best,
                "validation_accuracy": (
                    float(here.curves["validation_accuracy"][best - 1]) if here and best else np.nan
                ),
                "silhouette_x0": measured.silhouette(X[test], labels),
            }
        )
    return pd.DataFrame(rows)


def _pretraining_curves(spec: ContrastiveGrid, pretrained: Mapping[str, Pretrained]) -> np.ndarray:
    shape = (len(spec.pretraining), len(PRETRAINING_CURVES), spec.pretrain_epochs)
    found = np.full(shape, np.nan, dtype=np.float32)
    for row, name in enumerate(spec.pretraining):
        if name in pretrained:
            curves = [pretrained[name].curves[what] for what in PRETRAINING_CURVES]
            found[row, :, : len(curves[0])] = curves
    return found


def _parameters(model: ContrastiveModel, text_backbone: nn.Module | None) -> dict[str, int | None]:
    def count(network: nn.Module | None) -> int | None:
        return None if network is None else sum(w.numel() for w in network.parameters())

    return {
        "audio": count(model.audio),
        "audio_projector": count(model.audio_projector),
        "text_projector": count(model.text_projector),
        # Known only where the text backbone is there as a network.
        "text": count(text_backbone),
    }


def _cards(
    spec: ContrastiveGrid, models: Sequence[ContrastiveModel], asked: Asked
) -> dict[str, dict[str, Any]]:
    def card(networks: Sequence[nn.Module], objective: str, n: int) -> dict[str, Any]:
        parameters = sum(w.numel() for network in networks for w in network.parameters())
        language = "audio & language" if objective.startswith("contrastive") else "audio"
        return {
            "modality": language,
            "objective": objective,
            "parameters": parameters,
            "training_data": n,
        }

    found: dict[str, dict[str, Any]] = {}
    for i, model in enumerate(models):
        n = len(model.pairs.train)
        found[f"xa_{i}"] = card([model.audio], "contrastive alignment", n)
        found[f"Ea_{i}"] = card([model.audio, model.audio_projector], "contrastive alignment", n)
    for row, name in enumerate(spec.pretraining):
        objective = "none" if name == "none" else "classification"
        n = 0 if name == "none" or checkpoint_of(spec, name) else len(asked.pretraining_rows(name))
        found[f"x0_{row}"] = card([models[0].audio], objective, n)
    return found


def _note(asked: Asked, models: Sequence[ContrastiveModel]) -> str:
    failed = [model.failed for model in models if model.failed]
    found = []
    if failed:
        found.append(f"{len(failed)} of {count(len(models), 'model')} failed. {failed[0]}")
    if asked.unnamed:
        found.append(
            f"{asked.unnamed:,} clips of test classes stay in the clean training: no caption of theirs names "
            "the class."
        )
    return " ".join(found)
