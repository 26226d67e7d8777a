"""Train the contrastive models of a grid, judge them by held-out classes, and measure their spaces."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from torch import nn

from core.contrastive import (
    CURVES,
    PRETRAINING_CURVES,
    ContrastiveModel,
    ModelPlan,
    Pretrained,
    embed_sounds,
    pretrain,
    train_grid,
)
from core.two_towers import prompt_ensemble, zero_shot
from jobs.runners import contrastive_measures as measured
from jobs.runners.contrastive_data import Asked, checkpoint_of, dataset_of, read
from jobs.runners.contrastive_networks import backbone_of, load_checkpoint, text_backbone_of, text_vectors
from jobs.runners.contrastive_sounds import StoredSounds, stored_sounds
from jobs.runners.zeroshot import Saved
from jobs.specs import ContrastiveGrid

if TYPE_CHECKING:
    from cache import ArtifactWriter
    from jobs.context import JobContext

#: Progress when the clips are decoded, the texts embedded, all is trained, and all is embedded.
_DECODED, _TOLD, _TRAINED, _EMBEDDED = 0.04, 0.06, 0.93, 0.97


def contrastive_grid(spec: ContrastiveGrid, context: JobContext) -> None:
    """Compute `ContrastiveGrid`; what is done when the process is killed goes on from the checkpoint.

    Raises
    ------
    ValueError
        With one sentence: labels, captions or the text encoder have changed, there are too few clips, classes
        or captions, or a checkpoint holds something else than CNN14.
    """
    clock = _Clock()
    context.progress(0, 1, "decoding")
    dataset = dataset_of(spec, context.workspace)
    sounds, unreadable = stored_sounds(
        dataset,
        context.checkpoint,
        spec.sample_rate,
        lambda done, total: context.progress(_DECODED * done / total, 1, f"decoding: {done:,} of {total:,}"),
    )
    for row, reason in unreadable.items():
        context.log(f"Left out {dataset.clips['clip_id'].iloc[row]}: {reason}.")
    asked = read(spec, context.workspace, unreadable)
    clock("decoding")
    context.progress(_DECODED, 1, "embedding texts")
    said = _Said(spec, asked, context)
    clock("texts")
    backbones, pretrained = _pretrained(spec, asked, sounds, context)
    clock("pretraining")
    models = _trained(spec, asked, sounds, said, backbones, context)
    clock("training")
    for model in models:
        if model.failed:
            context.log(model.failed)
    context.progress(_TRAINED, 1, "embedding")
    readable = np.setdiff1d(np.arange(len(asked.clip_ids)), list(unreadable))
    starts = [
        _wide(embed_sounds(backbones[name], sounds, readable, recipe=spec.recipe), readable, asked)
        for name in spec.pretraining
    ]
    spaces = [_embedded(model, said, sounds, readable, asked) for model in models]
    clock("embedding")
    context.progress(_EMBEDDED, 1, "measuring")
    _store(spec, context, asked, models, pretrained, starts, spaces, said, len(unreadable), clock)
    context.progress(1, 1)


class _Clock:
    """Seconds that each part has taken."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._then = time.perf_counter()

    def __call__(self, part: str) -> None:
        now = time.perf_counter()
        self.seconds[part] = now - self._then
        self._then = now


class _Said:
    """Captions and class names as the models take them: vectors, or texts where the backbone is trained."""

    def __init__(self, spec: ContrastiveGrid, asked: Asked, context: JobContext) -> None:
        names = [label.replace("_", " ") for label in asked.classes]
        self.prompts = [[prompt.replace("{}", name) for name in names] for prompt in spec.prompts]
        flat = [text for texts in self.prompts for text in texts]
        vectors = text_vectors(
            spec,
            [*asked.texts, *flat],
            context.checkpoint,
            lambda done, total: context.progress(
                _DECODED + (_TOLD - _DECODED) * done / total, 1, f"embedding texts: {done:,} of {total:,}"
            ),
        )
        n = len(asked.texts)
        self.backbone = text_backbone_of(spec) if spec.tune_text else None
        self.captions: Any = asked.texts if spec.tune_text else vectors[:n]
        self.vectors = vectors[n:].reshape(len(spec.prompts), len(names), -1)  # (P, C, d_t)

    def embedded(self, model: ContrastiveModel) -> tuple[np.ndarray, np.ndarray]:
        """Return x_t and E_t of the classes: the mean over prompts, that of E_t at length 1."""
        given = self.prompts if self.backbone is not None else list(self.vectors)
        found = [model.embed_text(texts) for texts in given]
        x_t = np.stack([x for x, _ in found]).mean(axis=0, dtype=np.float64)
        return x_t.astype(np.float32), prompt_ensemble([E for _, E in found]).astype(np.float32)


def _work(spec: ContrastiveGrid) -> tuple[float, float]:
    """Return about how much work pre-training and training are, in passes over the clips."""
    here = sum(name != "none" and not checkpoint_of(spec, name) for name in spec.pretraining)
    frozen = min(spec.frozen_epochs, spec.max_epochs)
    tuned = len(spec.names) * (spec.max_epochs - frozen)
    return here * spec.pretrain_epochs, tuned + len(spec.pretraining) * frozen / 3


def _pretrained(
    spec: ContrastiveGrid, asked: Asked, sounds: StoredSounds, context: JobContext
) -> tuple[dict[str, nn.Module], dict[str, Pretrained]]:
    """Return the backbones as contrastive training begins with them, and what is known of those made here."""
    backbones: dict[str, nn.Module] = {}
    found: dict[str, Pretrained] = {}
    before, after = _work(spec)
    given = [name for name in ("dirty", "clean") if checkpoint_of(spec, name)]
    files = dict(zip(given, spec.checkpoints, strict=True))
    todo = [name for name in spec.pretraining if name != "none" and not checkpoint_of(spec, name)]
    width = (_TRAINED - _TOLD) * before / (before + after) / max(1, len(todo))
    for name in spec.pretraining:
        network = backbone_of(spec)
        if path := checkpoint_of(spec, name):
            network = load_checkpoint(network, path, files[name])
        elif name != "none":
            result = pretrain(
                network,
                sounds,
                asked.labels.astype(str),
                rows=asked.pretraining_rows(name),
                recipe=spec.recipe,
                seed=spec.seed,
                progress=_reporter(context, name, _TOLD + width * todo.index(name), width),
                checkpoint=Saved(context.checkpoint / f"pretraining-{name}.npz"),
            )
            if result.failed:
                raise ValueError(f"The {name} pre-training failed: {result.failed}")
            found[name], network = result, result.network
        backbones[name] = network
    return backbones, found


def _reporter(context: JobContext, name: str, start: float, width: float) -> Callable[[float, float], None]:
    def report(done: float, total: float) -> None:
        context.progress(start + width * done / total, 1, f"{name} pre-training: {done / total:.0%}")

    return report


def _trained(
    spec: ContrastiveGrid,
    asked: Asked,
    sounds: StoredSounds,
    said: _Said,
    backbones: Mapping[str, nn.Module],
    context: JobContext,
) -> list[ContrastiveModel]:
    plans = [
        ModelPlan(f"{before}/{then}", before, asked.pairs_of(then))
        for before in spec.pretraining
        for then in spec.training
    ]
    before, after = _work(spec)
    start = _TOLD + (_TRAINED - _TOLD) * before / (before + after)
    what = f"training {len(plans)} model{'' if len(plans) == 1 else 's'}"
    checkpoint = Saved(context.checkpoint / "training.npz")

    def report(done: float, total: float) -> None:
        checkpoint.share = done / total
        context.progress(start + (_TRAINED - start) * checkpoint.share, 1, f"{what}: {checkpoint.share:.0%}")

    kept = checkpoint.kept_share()
    if kept:
        context.log(f"Going on after {kept:.0%} of the training, from the checkpoint.")
    return train_grid(
        plans,
        sounds,
        said.captions,
        backbones=backbones,
        text_backbone=said.backbone,
        recipe=spec.recipe,
        seeds=[spec.seed] * len(plans),
        progress=report,
        checkpoint=checkpoint,
    )


def _wide(X: np.ndarray, rows: np.ndarray, asked: Asked) -> np.ndarray:
    """Return rows of clips as rows of all clips, NaN for the others."""
    found = np.full((len(asked.clip_ids), X.shape[1]), np.nan, dtype=np.float32)
    found[rows] = X
    return found


def _embedded(
    model: ContrastiveModel, said: _Said, sounds: StoredSounds, readable: np.ndarray, asked: Asked
) -> measured.Embedded:
    if model.failed:
        n, C, D = len(asked.clip_ids), len(asked.classes), model.recipe.dim
        d_a, d_t = int(model.audio.dim), said.vectors.shape[2]  # type: ignore[arg-type]
        shapes = ((n, d_a), (n, D), (C, d_t), (C, D))
        return measured.Embedded(*(np.full(shape, np.nan, dtype=np.float32) for shape in shapes))
    x_a, E_a = model.embed_audio(sounds, readable)
    x_t, E_t = said.embedded(model)
    return measured.Embedded(_wide(x_a, readable, asked), _wide(E_a, readable, asked), x_t, E_t)


def _store(
    spec: ContrastiveGrid,
    context: JobContext,
    asked: Asked,
    models: Sequence[ContrastiveModel],
    pretrained: Mapping[str, Pretrained],
    starts: Sequence[np.ndarray],
    spaces: Sequence[measured.Embedded],
    said: _Said,
    n_unreadable: int,
    clock: _Clock,
) -> None:
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
    x0 = said.vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    maps: dict[str, str] = {}
    with context.writer() as w:
        w.table("models", table)
        w.table("classes", measured.class_rows(results, asked.tested))
        w.table("predictions", measured.prediction_rows(results, asked.tested, asked.clip_ids[test]))
        w.array("confusion", confusion)
        w.table("correlations", measured.correlations(table))
        w.array("curves", np.stack([[model.curves[name] for name in CURVES] for model in models]))
        w.table("pretraining", _pretraining_table(spec, asked, pretrained, starts))
        w.array("pretrain_curves", _pretraining_curves(spec, pretrained))
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
                    "text": said.prompts[0],
                    "test": np.isin(asked.classes, asked.tested),
                }
            ),
        )
        for row, X in enumerate(starts):
            w.array(f"audio_x0_{row}", X)
            maps["x0"] = _map(w, f"x0_{row}", X[test], spec.seed)
        w.array("text_x0", x0)
        maps["xt0"] = _map(w, "xt0", x0[told], spec.seed)
        for i, (model, space) in enumerate(zip(models, spaces, strict=True)):
            context.progress(_EMBEDDED + (1 - _EMBEDDED) * i / len(models), 1, "drawing maps")
            w.array(f"audio_xa_{i}", space.xa)
            w.array(f"audio_Ea_{i}", space.Ea)
            w.array(f"text_xt_{i}", space.xt)
            w.array(f"text_Et_{i}", space.Et)
            parts = {"xa": space.xa[test], "Ea": space.Ea[test], "xt": space.xt[told], "Et": space.Et[told]}
            methods = {name: _map(w, f"{name}_{i}", X, spec.seed) for name, X in parts.items()}
            if not model.failed:
                maps |= methods
        w.table("leaks", asked.leaks)
        w.table("label_leaks", asked.label_leaks)
        clock("measuring")
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
            parameters=_parameters(models[0], said),
            seconds={name: round(value, 2) for name, value in clock.seconds.items()},
            recipe=asdict(spec.recipe),
            note=_note(asked, models),
            left_out={
                "unreadable": n_unreadable,
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


def _pretraining_table(
    spec: ContrastiveGrid,
    asked: Asked,
    pretrained: Mapping[str, Pretrained],
    starts: Sequence[np.ndarray],
) -> pd.DataFrame:
    test, labels = asked.test, asked.labels[asked.test].astype(str)
    all_of = set(asked.labels[asked.pretraining_rows("dirty")])
    rows = []
    for name, X in zip(spec.pretraining, starts, strict=True):
        here = pretrained.get(name)
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
                    float(here.curves["validation_accuracy"][best - 1]) if here else np.nan
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


def _parameters(model: ContrastiveModel, said: _Said) -> dict[str, int | None]:
    def count(network: nn.Module | None) -> int | None:
        return None if network is None else sum(w.numel() for w in network.parameters())

    return {
        "audio": count(model.audio),
        "audio_projector": count(model.audio_projector),
        "text_projector": count(model.text_projector),
        # Known only where the text backbone is there as a network.
        "text": count(said.backbone),
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
        found.append(f"{len(failed)} of {len(models)} models failed. {failed[0]}")
    if asked.unnamed:
        found.append(
            f"{asked.unnamed:,} clips of test classes stay in the clean training: no caption of theirs names "
            "the class."
        )
    return " ".join(found)
