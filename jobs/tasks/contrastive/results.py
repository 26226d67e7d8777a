"""The result of a grid of contrastive models: its tables, spaces and maps from what was trained."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from torch import nn

from core.contrastive import CURVES, PRETRAINING_CURVES, ContrastiveModel, Pretrained
from core.words import count
from core.zeroshot import ZeroShotResult, zero_shot
from jobs.tasks.contrastive import measures
from jobs.tasks.contrastive.data import Clips
from jobs.tasks.contrastive_grid import ContrastiveGrid, Result

if TYPE_CHECKING:
    from jobs.engine.context import JobContext

#: Progress when all is embedded.
EMBEDDED = 0.97


@dataclass(frozen=True)
class Trained:
    """The models of a grid and what they embed."""

    clips: Clips
    models: list[ContrastiveModel]
    spaces: list[measures.Spaces]  # of each model
    pretrained: dict[str, Pretrained]  # backbones that were trained here, by name
    starts: list[np.ndarray]  # (n, a) each: x_a before contrastive training, of each pre-training
    prompts: list[str]  # the first text of each class
    x_t0: np.ndarray  # (C, b): the classes by the text backbone as it came
    captions: list[np.ndarray]  # (c, D) each: E_t of the captions by each model
    text_backbone: nn.Module | None
    n_unreadable: int
    seconds: dict[str, float]  # time of each stage so far


def result_of(spec: ContrastiveGrid, context: JobContext, trained: Trained) -> Result:
    """Measure the models of a grid, map their spaces, and return the result."""
    started = time.perf_counter()
    clips, models, spaces = trained.clips, trained.models, trained.spaces
    results = [
        None
        if model.failed
        else zero_shot(space.Ea[clips.test], space.Et[clips.tested_rows], clips.test_labels, clips.tested)
        for model, space in zip(models, spaces, strict=True)
    ]
    T = len(clips.tested)
    empty = np.zeros((T, T), dtype=np.int64)
    rows = _model_rows(trained, results)
    context.progress(EMBEDDED, 1, "drawing maps")
    return Result(
        models=rows,
        classes=measures.class_rows(results, clips.tested),
        predictions=measures.prediction_columns(results, clips.tested, clips.clip_ids[clips.test]),
        confusion=np.stack([empty if result is None else result.confusion for result in results]),
        correlations=measures.correlations(pd.DataFrame(rows)),
        curves=np.stack([[model.curves[name] for name in CURVES] for model in models]),
        pretraining=_pretraining_rows(spec, trained),
        pretrain_curves=_pretraining_curves(spec, trained),
        **_clips_and_texts(trained),
        **_spaces(trained),
        **_maps(spec, trained),
        **_counts(trained),
        prompts=list(spec.prompts),
        temperature_start=spec.temperature,
        sizes=[spaces[0].xa.shape[1], trained.x_t0.shape[1], spec.dim],
        parameters=_parameters(trained),
        seconds={
            name: round(value, 2)
            for name, value in (trained.seconds | {"measuring": time.perf_counter() - started}).items()
        },
        recipe=asdict(spec.recipe),
        note=_note(trained),
        cards=_cards(spec, trained),
    )


def _model_rows(trained: Trained, results: Sequence[ZeroShotResult | None]) -> list[dict[str, Any]]:
    rows = []
    for i, (model, space, result) in enumerate(zip(trained.models, trained.spaces, results, strict=True)):
        pretraining, training = model.plan.name.split("/")
        rows.append(
            {
                "model": i,
                "name": model.plan.name,
                "pretraining": pretraining,
                "training": training,
                "n_pairs": len(model.plan.pairs),
                "n_removed": len(trained.clips.pairs) - len(model.plan.pairs),
                "n_train_clips": len(np.unique(model.pairs.train[:, 0])),
                "n_validation_clips": len(np.unique(model.pairs.validation[:, 0])),
                **measures.measure(space, trained.clips, result),
                **{
                    name: getattr(model, name)
                    for name in ("epochs", "best_epoch", "temperature", "stopped", "failed")
                },
            }
        )
    return rows


def _pretraining_rows(spec: ContrastiveGrid, trained: Trained) -> list[dict[str, Any]]:
    clips = trained.clips
    n_all = len(set(clips.labels[clips.pretraining_rows("dirty")]))
    rows = []
    for name, X in zip(spec.pretraining, trained.starts, strict=True):
        row: dict[str, Any] = {
            "pretraining": name,
            "source": "file" if spec.checkpoint_of(name) else "random weights",
            "n_classes": 0,
            "n_clips": 0,
            "n_removed_classes": 0,
            "best_epoch": 0,
            "validation_accuracy": float("nan"),
        }
        if (made := trained.pretrained.get(name)) is not None:
            row |= {
                "source": "trained here",
                "n_classes": len(made.classes),
                "n_clips": len(clips.pretraining_rows(name)),
                "n_removed_classes": n_all - len(made.classes),
                "best_epoch": made.best_epoch,
            }
            if made.best_epoch:
                row["validation_accuracy"] = float(made.curves["validation_accuracy"][made.best_epoch - 1])
        rows.append(row | measures.silhouette("silhouette_x0", X[clips.test], clips.test_labels))
    return rows


def _pretraining_curves(spec: ContrastiveGrid, trained: Trained) -> np.ndarray:
    shape = (len(spec.pretraining), len(PRETRAINING_CURVES), spec.pretrain_epochs)
    stacked = np.full(shape, np.nan, dtype=np.float32)
    for row, name in enumerate(spec.pretraining):
        if name in trained.pretrained:
            curves = [trained.pretrained[name].curves[column] for column in PRETRAINING_CURVES]
            stacked[row, :, : len(curves[0])] = curves
    return stacked


def _clips_and_texts(trained: Trained) -> dict[str, Any]:
    """Return the tables of clips, class texts, captions and leaks."""
    clips = trained.clips
    return {
        "clips": {
            "clip_id": clips.clip_ids.tolist(),
            "label": clips.labels.tolist(),
            "part": clips.part.tolist(),
            "n_captions": clips.n_captions,
        },
        "texts": {
            "id": list(clips.classes),
            "text": trained.prompts,
            "test": np.isin(clips.classes, clips.tested),
        },
        "captions": {"caption": clips.texts},
        "leaks": clips.leaks.to_dict("list"),
        "label_leaks": clips.label_leaks.to_dict("list"),
    }


def _spaces(trained: Trained) -> dict[str, Any]:
    """Return the spaces and the weights of the models by their numbers."""
    spaces = dict(enumerate(trained.spaces))
    return {
        "audio_x0": dict(enumerate(trained.starts)),
        "audio_xa": {i: space.xa for i, space in spaces.items()},
        "audio_Ea": {i: space.Ea for i, space in spaces.items()},
        "text_x0": trained.x_t0,
        "text_xt": {i: space.xt for i, space in spaces.items()},
        "text_Et": {i: space.Et for i, space in spaces.items()},
        "caption_Et": dict(enumerate(trained.captions)),
        "weights": {i: model.state() for i, model in enumerate(trained.models) if not model.failed},
    }


def _maps(spec: ContrastiveGrid, trained: Trained) -> dict[str, Any]:
    """Return the maps of the test clips and the test classes, and how each kind of space was mapped."""
    test, tested = trained.clips.test, trained.clips.tested_rows
    points: dict[str, list[np.ndarray]] = {
        "x0": [X[test] for X in trained.starts],
        "xa": [space.xa[test] for space in trained.spaces],
        "Ea": [space.Ea[test] for space in trained.spaces],
        "xt0": [trained.x_t0[tested]],
        "xt": [space.xt[tested] for space in trained.spaces],
        "Et": [space.Et[tested] for space in trained.spaces],
    }
    methods: dict[str, str] = {}
    fields: dict[str, Any] = {}
    for space, each in points.items():
        mapped = [measures.map_points(X, spec.seed) for X in each]
        fields[f"map_{space}"] = {i: coords for i, (coords, _) in enumerate(mapped)}
        known = [method for _, method in mapped if method != "none"]
        methods |= {space: known[-1]} if known else {}
    fields["map_xt0"] = fields["map_xt0"][0]
    return fields | {"maps": methods}


def _counts(trained: Trained) -> dict[str, Any]:
    clips, models = trained.clips, trained.models
    return {
        "n_models": len(models),
        "n_failed": sum(bool(model.failed) for model in models),
        "n_clips": len(clips.clip_ids),
        "n_classes": len(clips.classes),
        "n_test_classes": len(clips.tested),
        "n_test": len(clips.test),
        "n_captions": len(clips.pairs),
        "n_leaks": len(clips.leaks[["clip_id", "caption"]].drop_duplicates()),
        "n_leaking_clips": int(clips.leaks["clip_id"].nunique()),
        "n_unnamed": clips.unnamed,
        "test_classes": list(clips.tested),
        "left_out": {
            "unreadable": trained.n_unreadable,
            "without_caption": int(((clips.n_captions == 0) & (clips.part == "train")).sum()),
        },
    }


def _size(*networks: nn.Module) -> int:
    return sum(weights.numel() for network in networks for weights in network.parameters())


def _parameters(trained: Trained) -> dict[str, int | None]:
    model, text = trained.models[0], trained.text_backbone
    return {
        "audio": _size(model.audio),
        "audio_projector": _size(model.audio_projector),
        "text_projector": _size(model.text_projector),
        # Known only where the text backbone is a network of its own.
        "text": None if text is None else _size(text),
    }


def _cards(spec: ContrastiveGrid, trained: Trained) -> dict[str, dict[str, Any]]:
    def card(modality: str, objective: str, parameters: int, n: int) -> dict[str, Any]:
        return {
            "modality": modality,
            "objective": objective,
            "parameters": parameters,
            "training_data": n,
        }

    cards: dict[str, dict[str, Any]] = {}
    for i, model in enumerate(trained.models):
        aligned = ("audio & language", "contrastive alignment")
        n = len(model.pairs.train)
        cards[f"xa_{i}"] = card(*aligned, _size(model.audio), n)
        cards[f"Ea_{i}"] = card(*aligned, _size(model.audio, model.audio_projector), n)
    for row, name in enumerate(spec.pretraining):
        objective = "none" if name == "none" else "classification"
        trained_here = name != "none" and not spec.checkpoint_of(name)
        n = len(trained.clips.pretraining_rows(name)) if trained_here else 0
        cards[f"x0_{row}"] = card("audio", objective, _size(trained.models[0].audio), n)
    return cards


def _note(trained: Trained) -> str:
    failed = [model.failed for model in trained.models if model.failed]
    sentences = []
    if failed:
        sentences.append(f"{len(failed)} of {count(len(trained.models), 'model')} failed. {failed[0]}")
    if trained.clips.unnamed:
        sentences.append(
            f"{trained.clips.unnamed:,} clips of test classes stay in the clean training: no caption of "
            "theirs names the class."
        )
    return " ".join(sentences)
