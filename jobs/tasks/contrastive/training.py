"""Train the backbones and the models of a grid, and embed clips, classes and captions by them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from core.contrastive import (
    CURVES,
    PRETRAINING_CURVES,
    ContrastiveModel,
    ModelPlan,
    Pretrained,
    embed_sounds,
    failed_model,
    pretrain,
    train_grid,
)
from core.words import count
from core.zeroshot import prompt_ensemble
from jobs.contrastive_presets import LIVE_PRETRAINING, LIVE_TRAINING
from jobs.engine.live import LiveCurves
from jobs.engine.training import TrainingFolder, reporter
from jobs.tasks.contrastive.data import Clips, dataset_of, read
from jobs.tasks.contrastive.measures import Spaces
from jobs.tasks.contrastive.networks import backbone_of, load_checkpoint, text_backbone_of, text_vectors
from jobs.tasks.contrastive.results import EMBEDDED, Trained
from jobs.tasks.contrastive.sounds import StoredSounds, stored_sounds
from jobs.tasks.contrastive_grid import ContrastiveGrid

if TYPE_CHECKING:
    from jobs.engine.context import JobContext

#: Progress when the clips are decoded, the texts embedded, and all is trained.
_DECODED, _TEXTS_EMBEDDED, _TRAINED = 0.04, 0.06, 0.93


def train(spec: ContrastiveGrid, context: JobContext) -> Trained:
    """Train the models of a grid and embed everything by them; goes on from the checkpoint of a killed job.

    Raises
    ------
    ValueError
        See `jobs.tasks.contrastive_grid.run`.
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
    clips = read(spec, context.workspace, unreadable)
    clock("decoding")
    context.progress(_DECODED, 1, "embedding texts")
    grid = _Grid(spec, context, clips, sounds, np.setdiff1d(np.arange(len(clips.clip_ids)), list(unreadable)))
    texts = _Texts(grid)
    clock("texts")
    backbones, pretrained = _pretrain_all(grid)
    clock("pretraining")
    models = _train_all(grid, texts, backbones, pretrained)
    clock("training")
    for reason in dict.fromkeys(model.failed for model in models if model.failed):
        context.log(reason)
    context.progress(_TRAINED, 1, "embedding")
    spaces = [_embed(grid, texts, model) for model in models]
    starts = [_embed_by_backbone(grid, backbones[name], pretrained.get(name)) for name in backbones]
    captions = [texts.embed_captions(model) for model in models]
    clock("embedding")
    context.progress(EMBEDDED, 1, "measuring")
    return Trained(
        clips=clips,
        models=models,
        spaces=spaces,
        pretrained=pretrained,
        starts=starts,
        prompts=texts.prompts[0],
        x_t0=texts.vectors.mean(axis=0, dtype=np.float64).astype(np.float32),
        captions=captions,
        text_backbone=texts.backbone,
        n_unreadable=len(unreadable),
        seconds=clock.seconds,
    )


class _Clock:
    """Seconds that each part has taken."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._then = time.perf_counter()

    def __call__(self, part: str) -> None:
        now = time.perf_counter()
        self.seconds[part] = now - self._then
        self._then = now


@dataclass(frozen=True)
class _Grid:
    """What is trained, on which clips and sounds; `readable` are the rows of clips that have a sound."""

    spec: ContrastiveGrid
    context: JobContext
    clips: Clips
    sounds: StoredSounds
    readable: np.ndarray

    @property
    def work(self) -> tuple[float, float]:
        """About how much work pre-training and training are, in passes over the clips."""
        spec = self.spec
        here = sum(name != "none" and not spec.checkpoint_of(name) for name in spec.pretraining)
        frozen = min(spec.frozen_epochs, spec.max_epochs)
        tuned = len(spec.names) * (spec.max_epochs - frozen)
        return here * spec.pretrain_epochs, tuned + len(spec.pretraining) * frozen / 3

    @property
    def pretrained(self) -> float:
        """Progress when all backbones are pre-trained."""
        before, after = self.work
        return _TEXTS_EMBEDDED + (_TRAINED - _TEXTS_EMBEDDED) * before / (before + after)

    def wide(self, X: np.ndarray) -> np.ndarray:
        """Return rows of the readable clips as rows of all clips, NaN for the others."""
        every = np.full((len(self.clips.clip_ids), X.shape[1]), np.nan, dtype=np.float32)
        every[self.readable] = X
        return every


class _Texts:
    """Captions and class names as the models take them: vectors, or texts where the backbone is trained."""

    def __init__(self, grid: _Grid) -> None:
        spec, clips, context = grid.spec, grid.clips, grid.context
        names = [label.replace("_", " ") for label in clips.classes]
        self.prompts = [[prompt.replace("{}", name) for name in names] for prompt in spec.prompts]
        flat = [text for texts in self.prompts for text in texts]
        vectors = text_vectors(
            spec,
            [*clips.texts, *flat],
            context.checkpoint,
            lambda done, total: context.progress(
                _DECODED + (_TEXTS_EMBEDDED - _DECODED) * done / total,
                1,
                f"embedding texts: {done:,} of {total:,}",
            ),
        )
        n = len(clips.texts)
        self.backbone = text_backbone_of(spec) if spec.tune_text else None
        self.captions: Any = clips.texts if spec.tune_text else vectors[:n]
        self.vectors = vectors[n:].reshape(len(spec.prompts), len(names), -1)  # (prompts, C, b)

    def embed_classes(self, model: ContrastiveModel) -> tuple[np.ndarray, np.ndarray]:
        """Return x_t and E_t of the classes: the mean over prompts, that of E_t at length 1."""
        given = self.prompts if self.backbone is not None else list(self.vectors)
        embedded = [model.embed_text(texts) for texts in given]
        x_t = np.stack([x for x, _ in embedded]).mean(axis=0, dtype=np.float64)
        return x_t.astype(np.float32), prompt_ensemble([E for _, E in embedded]).astype(np.float32)

    def embed_captions(self, model: ContrastiveModel) -> np.ndarray:
        """Return E_t of the captions, NaN where the model failed."""
        if model.failed:
            return np.full((len(self.captions), model.recipe.dim), np.nan, dtype=np.float32)
        return model.embed_text(self.captions)[1]


def _pretrain_all(grid: _Grid) -> tuple[dict[str, nn.Module], dict[str, Pretrained]]:
    """Return the backbones as contrastive training begins with them, and what is known of those made here.

    One whose training has failed is among both, with random weights.
    """
    spec, context = grid.spec, grid.context
    backbones: dict[str, nn.Module] = {}
    pretrained: dict[str, Pretrained] = {}
    with_file = [name for name in ("dirty", "clean") if spec.checkpoint_of(name)]
    hashes = dict(zip(with_file, spec.checkpoints, strict=True))
    todo = [name for name in spec.pretraining if name != "none" and not spec.checkpoint_of(name)]
    width = (grid.pretrained - _TEXTS_EMBEDDED) / max(1, len(todo))
    live = _LivePretraining(spec, context)
    for name in spec.pretraining:
        network = backbone_of(spec)
        if path := spec.checkpoint_of(name):
            network = load_checkpoint(network, path, hashes[name])
        elif name != "none":
            folder = TrainingFolder(context.checkpoint / f"pretraining-{name}")
            start = _TEXTS_EMBEDDED + width * todo.index(name)
            result = pretrain(
                network,
                grid.sounds,
                grid.clips.labels.astype(str),
                rows=grid.clips.pretraining_rows(name),
                recipe=spec.recipe,
                seed=spec.seed,
                progress=reporter(context, folder, f"{name} pre-training", start, start + width),
                watch=partial(live.show, name),
                checkpoint=folder,
            )
            live.show(name, np.stack([result.curves[column] for column in PRETRAINING_CURVES]), last=True)
            pretrained[name] = result
            network = network if result.failed else result.network
        backbones[name] = network
    return backbones, pretrained


class _LivePretraining:
    """Shows the curves of all pre-trainings while one of them goes on."""

    def __init__(self, spec: ContrastiveGrid, context: JobContext) -> None:
        shape = (len(spec.pretraining), len(PRETRAINING_CURVES), spec.pretrain_epochs)
        self._curves, self._names = np.full(shape, np.nan, dtype=np.float32), spec.pretraining
        models = [(row, spec.seed, "") for row in range(len(spec.pretraining))]
        self._live = LiveCurves(context.checkpoint, models, stage=LIVE_PRETRAINING)

    def show(self, name: str, curves: np.ndarray, *, last: bool = False) -> None:
        """Show the curves of one of them, (4, epochs)."""
        self._curves[self._names.index(name)] = curves
        self._live(self._curves, last=last)


def _train_all(
    grid: _Grid, texts: _Texts, backbones: dict[str, nn.Module], pretrained: dict[str, Pretrained]
) -> list[ContrastiveModel]:
    """Train the models; those whose pre-training has failed fail with it."""
    spec, context = grid.spec, grid.context
    every = [
        ModelPlan(f"{before}/{then}", before, grid.clips.pairs_of(then))
        for before in spec.pretraining
        for then in spec.training
    ]
    failures = {
        name: f"The {name} pre-training failed. {result.failed}"
        for name, result in pretrained.items()
        if result.failed
    }
    models = {
        plan.name: failed_model(
            plan,
            failures[plan.backbone],
            backbone=backbones[plan.backbone],
            text_dim=texts.vectors.shape[2],
            recipe=spec.recipe,
            seed=spec.seed,
        )
        for plan in every
        if plan.backbone in failures
    }
    plans = [plan for plan in every if plan.backbone not in failures]
    if plans:
        folder = TrainingFolder(context.checkpoint / "training")
        trained = train_grid(
            plans,
            grid.sounds,
            texts.captions,
            backbones=backbones,
            text_backbone=texts.backbone,
            recipe=spec.recipe,
            seeds=[spec.seed] * len(plans),
            progress=reporter(
                context, folder, f"training {count(len(plans), 'model')}", grid.pretrained, _TRAINED
            ),
            watch=_live_training(grid, [i for i, plan in enumerate(every) if plan.name not in models]),
            checkpoint=folder,
        )
        models |= {model.plan.name: model for model in trained}
    return [models[plan.name] for plan in every]


def _live_training(grid: _Grid, places: list[int]) -> Callable[[np.ndarray], None]:
    """Return what shows the curves of the models that are trained, at their places among all."""
    spec, n = grid.spec, len(grid.spec.names)
    every = np.full((n, len(CURVES), spec.max_epochs), np.nan, dtype=np.float32)
    live = LiveCurves(grid.context.checkpoint, [(i, spec.seed, "") for i in range(n)], stage=LIVE_TRAINING)

    def watch(curves: np.ndarray) -> None:
        every[places] = curves
        live(every)

    return watch


def _embed(grid: _Grid, texts: _Texts, model: ContrastiveModel) -> Spaces:
    """Embed all clips and classes by a model; NaN where it failed."""
    if model.failed:
        n, C, D = len(grid.clips.clip_ids), len(grid.clips.classes), model.recipe.dim
        a, b = int(model.audio.dim), texts.vectors.shape[2]  # type: ignore[arg-type]
        return Spaces(*(np.full(s, np.nan, dtype=np.float32) for s in ((n, a), (n, D), (C, b), (C, D))))
    x_a, E_a = model.embed_audio(grid.sounds, grid.readable)
    return Spaces(grid.wide(x_a), grid.wide(E_a), *texts.embed_classes(model))


def _embed_by_backbone(grid: _Grid, network: nn.Module, pretrained: Pretrained | None) -> np.ndarray:
    """Embed all clips by a backbone before contrastive training, (n, a); NaN where it failed."""
    if pretrained is not None and pretrained.failed:
        width = int(network.dim)  # type: ignore[arg-type]
        return np.full((len(grid.clips.clip_ids), width), np.nan, dtype=np.float32)
    return grid.wide(embed_sounds(network, grid.sounds, grid.readable, recipe=grid.spec.recipe))
