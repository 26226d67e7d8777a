"""Train the contrastive models of a grid, judge them by held-out classes, and measure their spaces."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
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
from core.zeroshot import prompt_ensemble
from jobs.contrastive_presets import LIVE_PRETRAINING, LIVE_TRAINING
from jobs.engine.live import LiveCurves
from jobs.engine.training import TrainingFolder, reporter
from jobs.runners import contrastive_measures as measured
from jobs.runners.contrastive_data import Asked, checkpoint_of, dataset_of, read
from jobs.runners.contrastive_networks import backbone_of, load_checkpoint, text_backbone_of, text_vectors
from jobs.runners.contrastive_results import EMBEDDED, Trained, store
from jobs.runners.contrastive_sounds import StoredSounds, stored_sounds
from jobs.specs import ContrastiveGrid

if TYPE_CHECKING:
    from jobs.engine.context import JobContext

#: Progress when the clips are decoded, the texts embedded, and all is trained.
_DECODED, _TOLD, _TRAINED = 0.04, 0.06, 0.93


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
    models = _trained(spec, asked, sounds, said, backbones, pretrained, context)
    clock("training")
    for why in dict.fromkeys(model.failed for model in models if model.failed):
        context.log(why)
    context.progress(_TRAINED, 1, "embedding")
    readable = np.setdiff1d(np.arange(len(asked.clip_ids)), list(unreadable))
    found = Trained(
        models=models,
        spaces=[_embedded(model, said, sounds, readable, asked) for model in models],
        pretrained=pretrained,
        starts=[_start(spec, name, backbones, pretrained, sounds, readable, asked) for name in backbones],
        prompts=said.prompts[0],
        captions=[_captions(model, said, len(asked.texts)) for model in models],
        x_t0=said.vectors.mean(axis=0, dtype=np.float64).astype(np.float32),
        text_backbone=said.backbone,
        n_unreadable=len(unreadable),
    )
    clock("embedding")
    context.progress(EMBEDDED, 1, "measuring")
    store(spec, context, asked, found, lambda: clock("measuring"))
    context.progress(1, 1)


class _Clock:
    """Seconds that each part has taken."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._then = time.perf_counter()

    def __call__(self, part: str) -> dict[str, float]:
        now = time.perf_counter()
        self.seconds[part] = now - self._then
        self._then = now
        return self.seconds


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
    """Return the backbones as contrastive training begins with them, and what is known of those made here.

    One whose training has failed is among both, with random weights.
    """
    backbones: dict[str, nn.Module] = {}
    found: dict[str, Pretrained] = {}
    before, after = _work(spec)
    given = [name for name in ("dirty", "clean") if checkpoint_of(spec, name)]
    files = dict(zip(given, spec.checkpoints, strict=True))
    todo = [name for name in spec.pretraining if name != "none" and not checkpoint_of(spec, name)]
    width = (_TRAINED - _TOLD) * before / (before + after) / max(1, len(todo))
    live = _LivePretraining(spec, context)
    for name in spec.pretraining:
        network = backbone_of(spec)
        if path := checkpoint_of(spec, name):
            network = load_checkpoint(network, path, files[name])
        elif name != "none":
            folder = TrainingFolder(context.checkpoint / f"pretraining-{name}")
            at = _TOLD + width * todo.index(name)
            result = pretrain(
                network,
                sounds,
                asked.labels.astype(str),
                rows=asked.pretraining_rows(name),
                recipe=spec.recipe,
                seed=spec.seed,
                progress=reporter(context, folder, f"{name} pre-training", at, at + width),
                watch=live.watch(name),
                checkpoint=folder,
            )
            live.done(name, result)
            found[name] = result
            network = network if result.failed else result.network
        backbones[name] = network
    return backbones, found


class _LivePretraining:
    """Shows the curves of all pre-trainings while one of them goes on."""

    def __init__(self, spec: ContrastiveGrid, context: JobContext) -> None:
        shape = (len(spec.pretraining), len(PRETRAINING_CURVES), spec.pretrain_epochs)
        self._curves, self._names = np.full(shape, np.nan, dtype=np.float32), spec.pretraining
        models = [(row, spec.seed, "") for row in range(len(spec.pretraining))]
        self._live = LiveCurves(context.checkpoint, models, stage=LIVE_PRETRAINING)

    def watch(self, name: str) -> Callable[[np.ndarray], None]:
        """Return what is told the curves of one of them, (4, epochs)."""

        def told(curves: np.ndarray) -> None:
            self._curves[self._names.index(name)] = curves
            self._live(self._curves)

        return told

    def done(self, name: str, result: Pretrained) -> None:
        """Show one to its end, also where it comes from a checkpoint."""
        curves = np.stack([result.curves[what] for what in PRETRAINING_CURVES])
        self._curves[self._names.index(name)] = curves
        self._live(self._curves, last=True)


def _trained(
    spec: ContrastiveGrid,
    asked: Asked,
    sounds: StoredSounds,
    said: _Said,
    backbones: Mapping[str, nn.Module],
    pretrained: Mapping[str, Pretrained],
    context: JobContext,
) -> list[ContrastiveModel]:
    """Train the models whose backbone is there; the others fail with it."""
    every = [
        ModelPlan(f"{before}/{then}", before, asked.pairs_of(then))
        for before in spec.pretraining
        for then in spec.training
    ]
    lost = {
        name: f"The {name} pre-training failed. {result.failed}"
        for name, result in pretrained.items()
        if result.failed
    }
    plans = [plan for plan in every if plan.backbone not in lost]
    d_t = said.vectors.shape[2]
    made = {
        plan.name: failed_model(
            plan,
            lost[plan.backbone],
            backbone=backbones[plan.backbone],
            text_dim=d_t,
            recipe=spec.recipe,
            seed=spec.seed,
        )
        for plan in every
        if plan.backbone in lost
    }
    if not plans:
        return list(made.values())
    before, after = _work(spec)
    start = _TOLD + (_TRAINED - _TOLD) * before / (before + after)
    what = f"training {len(plans)} model{'' if len(plans) == 1 else 's'}"
    folder = TrainingFolder(context.checkpoint / "training")
    places = [i for i, plan in enumerate(every) if plan.backbone not in lost]
    curves = np.full((len(every), len(CURVES), spec.max_epochs), np.nan, dtype=np.float32)
    live = LiveCurves(
        context.checkpoint, [(i, spec.seed, "") for i in range(len(every))], stage=LIVE_TRAINING
    )

    def watch(found: np.ndarray) -> None:
        curves[places] = found
        live(curves)

    trained = train_grid(
        plans,
        sounds,
        said.captions,
        backbones=backbones,
        text_backbone=said.backbone,
        recipe=spec.recipe,
        seeds=[spec.seed] * len(plans),
        progress=reporter(context, folder, what, start, _TRAINED),
        watch=watch,
        checkpoint=folder,
    )
    made |= {model.plan.name: model for model in trained}
    return [made[plan.name] for plan in every]


def _start(
    spec: ContrastiveGrid,
    name: str,
    backbones: Mapping[str, nn.Module],
    pretrained: Mapping[str, Pretrained],
    sounds: StoredSounds,
    readable: np.ndarray,
    asked: Asked,
) -> np.ndarray:
    """Embed all clips by a backbone before contrastive training, (n, d_a); NaN where there is none."""
    network = backbones[name]
    if name in pretrained and pretrained[name].failed:
        d_a = int(network.dim)  # type: ignore[arg-type]
        return np.full((len(asked.clip_ids), d_a), np.nan, dtype=np.float32)
    return _wide(embed_sounds(network, sounds, readable, recipe=spec.recipe), readable, asked)


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


def _captions(model: ContrastiveModel, said: _Said, n: int) -> np.ndarray:
    """Return E_t of the n captions, NaN where the model failed."""
    if model.failed:
        return np.full((n, model.recipe.dim), np.nan, dtype=np.float32)
    return model.embed_text(said.captions)[1]
