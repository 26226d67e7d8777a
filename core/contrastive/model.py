"""A contrastive model while it is trained: its networks, its optimiser, and when it stops."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from core.contrastive.data import (
    VALIDATION_CROPS,
    Pairs,
    Sounds,
    Targets,
    batches,
    crop_places,
    epoch_pairs,
    random_crops,
    torch_seed,
    uniform_weights,
)
from core.contrastive.recipe import ContrastiveRecipe, ModelPlan
from core.losses.contrastive import clip_loss, kl_clip_loss, soft_clip_loss
from core.training.engine import Tick
from core.training.results import Arrays
from core.training.weights import NetworkLearner, load, weights_of

_PASSES = 64  # clips or texts that go through a network at a time where no gradient is wanted

Embed = Callable[[np.ndarray], torch.Tensor]


def linear(inputs: int, outputs: int, *, bias: bool = True) -> nn.Linear:
    """Make a linear layer without drawing its weights, which would move torch's own generator."""
    return nn.utils.skip_init(nn.Linear, inputs, outputs, bias=bias)


class Projector(nn.Module):
    """A hidden layer with ReLU between a backbone and the shared space; what comes out has length 1."""

    def __init__(
        self, inputs: int, hidden: int, outputs: int, seed: int, which: int, *, bias: bool = True
    ) -> None:
        super().__init__()
        self.first, self.second = linear(inputs, hidden, bias=bias), linear(hidden, outputs, bias=bias)
        with torch.no_grad():
            for i, layer in enumerate((self.first, self.second)):
                shape = (layer.out_features, layer.in_features)
                weight, offset = uniform_weights(seed, 2 * which + i, shape)
                layer.weight.copy_(torch.from_numpy(weight))
                if bias:
                    layer.bias.copy_(torch.from_numpy(offset))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Project (b, inputs) to (b, outputs)."""
        return nn.functional.normalize(self.second(torch.relu(self.first(x))), dim=1)


class ClapProjector(Projector):
    """The projector of the public CLAP: see `ContrastiveRecipe.projector`; what comes out has length 1."""

    def __init__(self, inputs: int, outputs: int, seed: int, which: int) -> None:
        super().__init__(inputs, outputs, outputs, seed, which, bias=False)
        self.norm, self.dropout = nn.LayerNorm(outputs), nn.Dropout(0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Project (b, inputs) to (b, outputs)."""
        hidden = self.first(x)
        more = self.dropout(self.second(nn.functional.gelu(hidden)))
        return nn.functional.normalize(self.norm(hidden + more), dim=1)


@dataclass(frozen=True)
class Material:
    """The input that all models of a grid share; its networks are in evaluation mode and never change."""

    sounds: Sounds
    x_t: torch.Tensor  # (c, d_t): the captions by the text backbone before training
    texts: list[str] | None
    backbones: dict[str, nn.Module]
    text_backbone: nn.Module | None
    recipe: ContrastiveRecipe
    device: str

    def crops(self, rows: np.ndarray, places: np.ndarray) -> torch.Tensor:
        """Cut crops, (b, samples), onto the device."""
        return torch.from_numpy(random_crops(self.sounds, rows, self.recipe, places)).to(self.device)

    def passed(self, network: nn.Module, rows: np.ndarray, places: np.ndarray, tick: Tick) -> torch.Tensor:
        """Pass the crops of many clips through a network in evaluation mode, (b, d) float32."""
        parts = []
        with torch.no_grad():
            for start in range(0, len(rows), _PASSES):
                part = rows[start : start + _PASSES]
                with precision(self.recipe, self.device):
                    parts.append(network(self.crops(part, places)).float())
                tick(len(part))
        return torch.cat(parts)


@dataclass(frozen=True)
class Task:
    """One model to train."""

    plan: ModelPlan
    seed: int
    pairs: Pairs
    soft: Callable[[np.ndarray], Targets] | None = None

    @property
    def train_clips(self) -> np.ndarray:
        """Rows of the sounds that are trained on, ascending."""
        return np.unique(self.pairs.train[:, 0])

    @property
    def validation_clips(self) -> np.ndarray:
        """Rows of the sounds that validate, ascending."""
        return np.unique(self.pairs.validation[:, 0])


def precision(recipe: ContrastiveRecipe, device: str) -> AbstractContextManager[object]:
    """Compute in bfloat16 where the recipe wants it."""
    kind = torch.device(device).type
    wanted = recipe.mixed_precision == "bfloat16" or (recipe.mixed_precision == "auto" and kind == "cuda")
    return torch.autocast(kind, dtype=torch.bfloat16, enabled=wanted)


def embed_texts(
    network: nn.Module, texts: Sequence[str], recipe: ContrastiveRecipe, device: str
) -> torch.Tensor:
    """Pass texts through a text backbone in evaluation mode, (c, d_t) float32."""
    parts = []
    with torch.no_grad():
        for start in range(0, len(texts), _PASSES):
            with precision(recipe, device):
                parts.append(network(list(texts[start : start + _PASSES])).float())
    return torch.cat(parts)


class Heads(nn.Module):
    """What is learned from the first epoch on: both projectors, and the temperature as log 1/τ."""

    def __init__(self, d_audio: int, d_text: int, recipe: ContrastiveRecipe, seed: int) -> None:
        super().__init__()

        def projector(inputs: int, which: int) -> Projector:
            if recipe.projector == "clap":
                return ClapProjector(inputs, recipe.dim, seed, which)
            return Projector(inputs, recipe.hidden or recipe.dim, recipe.dim, seed, which)

        self.audio_projector, self.text_projector = projector(d_audio, 0), projector(d_text, 1)
        self.log_scale = nn.Parameter(-torch.tensor(recipe.temperature).log())
        self.log_scale.requires_grad_(recipe.learn_temperature)

    def begin(self, plan: ModelPlan) -> Heads:
        """Take the weights that a plan begins with, if it has any."""
        parts = {"audio_projector": self.audio_projector, "text_projector": self.text_projector}
        load(parts, plan.start or {})
        return self

    def loss(
        self, x_a: torch.Tensor, x_t: torch.Tensor, clamp: float, targets: Targets | None = None
    ) -> torch.Tensor:
        """Return the CLIP loss of a batch of pairs, by soft targets where they are given."""
        audio, text, scale = self.audio_projector(x_a), self.text_projector(x_t), self.log_scale.exp()
        if targets is None:
            return clip_loss(audio, text, scale=scale, clamp=clamp)
        if isinstance(targets, tuple):
            by_audio, by_text = (torch.from_numpy(t).to(audio) for t in targets)
            return kl_clip_loss(audio, text, by_audio, by_text, scale=scale, clamp=clamp)
        return soft_clip_loss(audio, text, torch.from_numpy(targets).to(audio), scale=scale, clamp=clamp)


def unchanging_projectors(dim: int) -> Arrays:
    """Return weights of both projectors with which (b, dim) vectors of unit length stay as they are.

    The hidden layer is twice as wide: it has the positive part of x and that of -x, which the second layer
    subtracts.
    """
    eye = np.eye(dim, dtype=np.float32)
    own = {
        "first.weight": np.concatenate([eye, -eye]),
        "first.bias": np.zeros(2 * dim, dtype=np.float32),
        "second.weight": np.concatenate([eye, -eye], axis=1),
        "second.bias": np.zeros(dim, dtype=np.float32),
    }
    return {f"{part}.{n}": a for part in ("audio_projector", "text_projector") for n, a in own.items()}


class Learner(NetworkLearner):
    """A contrastive model while it is trained, an epoch at a time; its curves are `CURVES`."""

    def __init__(self, model: int, task: Task, material: Material) -> None:
        super().__init__(model, 5, material.recipe.max_epochs)
        self.task, self._material, self._recipe = task, material, material.recipe
        self._where = f" ({task.plan.name}, seed {task.seed})"
        self._audio, self._text = material.backbones[task.plan.backbone], material.text_backbone
        heads = Heads(self._audio.dim, material.x_t.shape[1], self._recipe, task.seed)  # type: ignore[arg-type]
        self._heads = heads.begin(task.plan).to(material.device)
        self._begin(self._recipe.frozen_rate)
        if self._recipe.frozen_epochs == 0:
            self._unfreeze()

    @property
    def frozen(self) -> bool:
        """Whether the next epoch leaves the backbones as they are."""
        return self.epoch < self._recipe.frozen_epochs

    def frozen_epoch(self, x_a: Embed, validation: Embed) -> None:
        """Train the projectors for an epoch; x_a of rows are looked up."""
        torch.manual_seed(torch_seed(self.task.seed, self.epoch))  # of dropout
        self._modes(training=True)
        self._run(x_a, validation, self._look_up)
        self._modes(training=False)

    def _train_epoch(self, tick: Tick) -> None:
        """Train everything for an epoch."""
        material = self._material
        seed, epoch = self.task.seed, self.epoch
        torch.manual_seed(torch_seed(seed, epoch))  # of dropout
        places = crop_places(len(material.sounds.lengths), seed, epoch)
        held = crop_places(len(material.sounds.lengths), seed, VALIDATION_CROPS)
        clips = self.task.validation_clips
        table: torch.Tensor | None = None

        def x_a(rows: np.ndarray) -> torch.Tensor:
            crops = material.crops(rows, places)
            with precision(self._recipe, material.device):
                passed = self._audio(crops).float()
            tick(3 * len(rows))
            return passed

        def validation(rows: np.ndarray) -> torch.Tensor:
            nonlocal table
            if table is None:
                table = material.passed(self._audio, clips, held, tick)
            return table[torch.from_numpy(np.searchsorted(clips, rows)).to(table.device)]

        self._modes(training=True)
        self._run(x_a, validation, self._pass_text)
        self._modes(training=False)

    def state(self) -> Arrays:
        """Return all that it takes to go on from here."""
        rate = self._optimiser.param_groups[0]["lr"]
        return super().state() | {"plateau": np.array([self._low, self._bad, self._since, rate])}

    def resume(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from the state of the same model."""
        if int(state["epoch"]) >= self._recipe.frozen_epochs:
            self._unfreeze()
        super().resume(state)
        self._low, bad, since, rate = state["plateau"].tolist()
        self._bad, self._since = int(bad), int(since)
        self._optimiser.param_groups[0]["lr"] = rate

    def _run(self, x_a: Embed, validation: Embed, x_t: Embed) -> None:
        recipe, task = self._recipe, self.task
        pairs = epoch_pairs(
            task.pairs.train, task.seed, self.epoch, None if self.frozen else recipe.captions_a_clip
        )
        total, norms, learned = 0.0, [], self._optimiser.param_groups[0]["params"]
        for batch in batches(len(pairs), recipe.batch_size):
            rows, texts = pairs[batch].T
            loss = self._heads.loss(x_a(rows), x_t(texts), recipe.clamp, self._targets(pairs[batch]))
            self._optimiser.zero_grad()
            loss.backward()
            norms.append(float(nn.utils.clip_grad_norm_(learned, recipe.gradient_limit)))
            total += float(loss.detach()) * len(rows)
            if not np.isfinite([total, norms[-1]]).all():
                self._fail("loss" if not np.isfinite(total) else "gradient", self._where)
                return
            self._optimiser.step()
        value = self._validate(validation)
        if not np.isfinite(value) if len(task.pairs.validation) else not self._finite():
            self._fail("loss in validation" if len(task.pairs.validation) else "loss", self._where)
            return
        temperature = float((-self._heads.log_scale.detach()).exp())
        rate = self._optimiser.param_groups[0]["lr"]
        self.curves[0, :, self.epoch] = total / len(pairs), value, temperature, rate, np.mean(norms)
        self.epoch += 1
        self._judge(value)

    def _validate(self, x_a: Embed) -> float:
        pairs = self.task.pairs.validation
        if not len(pairs):
            return float("nan")
        self._modes(training=False)
        total = 0.0
        with torch.no_grad():
            texts = self._validation_texts(pairs[:, 1])
            for batch in batches(len(pairs), self._recipe.batch_size):
                targets = self._targets(pairs[batch])
                loss = self._heads.loss(x_a(pairs[batch, 0]), texts[batch], self._recipe.clamp, targets)
                total += float(loss) * len(pairs[batch])
        return total / len(pairs)

    def _validation_texts(self, rows: np.ndarray) -> torch.Tensor:
        texts = self._material.texts
        if self._text is self._material.text_backbone or self._text is None or texts is None:
            return self._look_up(rows)
        return embed_texts(self._text, [texts[i] for i in rows], self._recipe, self._material.device)

    def _judge(self, value: float) -> None:
        """Note whether this epoch is the best; reduce the rate or stop where the loss no longer falls."""
        if np.isnan(value) or value < self._best_loss:
            self._best_loss, self.best_epoch = value if np.isfinite(value) else np.inf, self.epoch
            if np.isfinite(value) or self.ended:
                self._best = weights_of(self._parts())
        if self.epoch == self._recipe.frozen_epochs and not self.ended:
            self._unfreeze()
        elif self.epoch > self._recipe.frozen_epochs and np.isfinite(value):
            better = value < self._low
            self._low = min(value, self._low)
            self._bad, self._since = (0, 0) if better else (self._bad + 1, self._since + 1)
            if self._since >= self._recipe.patience and not self.ended:
                self.stopped = (
                    f"No lower loss in validation for {self._since} epochs, up to epoch {self.epoch}."
                )
            elif self._bad > self._recipe.plateau_patience:
                self._optimiser.param_groups[0]["lr"] *= self._recipe.plateau_factor
                self._bad = 0

    def _unfreeze(self) -> None:
        self._audio = copy.deepcopy(self._audio).requires_grad_(True)
        if self._recipe.tune_text:
            self._text = copy.deepcopy(self._text).requires_grad_(True)  # type: ignore[union-attr]
        self._begin(self._recipe.rate)

    def _begin(self, rate: float) -> None:
        """Start a new optimiser, and the count of epochs that are no better."""
        self._optimiser = torch.optim.Adam(self._learned(), lr=rate)
        self._low, self._bad, self._since = np.inf, 0, 0

    def _parts(self) -> dict[str, nn.Module]:
        """Return what is learned at this stage, by the name of its weights."""
        parts: dict[str, nn.Module] = {"heads": self._heads}
        if self._audio is not self._material.backbones[self.task.plan.backbone]:
            parts["audio"] = self._audio
        if self._text is not None and self._text is not self._material.text_backbone:
            parts["text"] = self._text
        return parts

    def _modes(self, *, training: bool) -> None:
        for part in self._parts().values():
            part.train(training)

    def _targets(self, pairs: np.ndarray) -> Targets | None:
        return None if self.task.soft is None else self.task.soft(pairs)

    def _look_up(self, rows: np.ndarray) -> torch.Tensor:
        return self._material.x_t[torch.from_numpy(rows).to(self._material.device)]

    def _pass_text(self, rows: np.ndarray) -> torch.Tensor:
        texts = self._material.texts
        if not self._recipe.tune_text or self._text is None or texts is None:
            return self._look_up(rows)
        with precision(self._recipe, self._material.device):
            return self._text([texts[i] for i in rows]).float()
