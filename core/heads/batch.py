"""Several classifier heads trained as one: every product goes over all models at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import numpy as np
import torch
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd

from core.heads.data import Clips, initial_weights, mixtures
from core.heads.grid import Task
from core.heads.recipe import HeadRecipe
from core.losses import binary_cross_entropy, cross_entropy, focal_loss
from core.losses.angular import add_soft_terms, add_terms, orthogonal_projection_loss
from core.training.draws import epoch_order, standardisation
from core.training.engine import Plan, Tick
from core.training.results import Arrays, TrainingResult

Tensors = dict[str, torch.Tensor]


class Batch:
    """Models of one shape that are trained together, an epoch at a time; see `core.training.engine.Group`.

    Parameters
    ----------
    clips : Clips
    models : sequence of int
        Their numbers.
    tasks : sequence of Task
        One for each, of recipes that differ in their losses alone; by falling number of training clips, so
        that those that still have a batch are always the first ones.
    keep_epochs, keep_rows : arrays of int
        When embeddings are kept, 0 being before the first epoch, and whose.
    device : str

    Attributes
    ----------
    epoch : int
        Epochs done.
    curves : (m, 3, epochs) float32 array
        Loss, training accuracy and test accuracy.
    """

    successors: Sequence[Plan] = ()

    def __init__(
        self,
        clips: Clips,
        models: Sequence[int],
        tasks: Sequence[Task],
        keep_epochs: np.ndarray,
        keep_rows: np.ndarray,
        device: str,
    ) -> None:
        self.models, self.epoch = models, 0
        self._tasks, self._recipe, self._device = list(tasks), tasks[0].recipe, device
        self._codes, self._n_classes = clips.codes, len(clips.classes)
        self._sizes = np.array([len(t.fold.train) for t in tasks])
        self._X = self._tensor(clips.X)
        starts = [initial_weights(t.seed, clips.X.shape[1], t.recipe, self._n_classes) for t in tasks]
        # Biases as (m, 1, outputs), to be added to (m, clips, outputs).
        self._weights = {
            name: self._tensor(np.stack([s[name].reshape(-1, s[name].shape[-1]) for s in starts]))
            for name in starts[0]
        }
        self._fixed: Tensors = {}
        if self._recipe.standardise:
            scales = {id(t.fold): standardisation(clips.X[t.fold.train]) for t in tasks}
            for i, name in enumerate(("mean", "scale")):
                self._fixed[name] = self._tensor(np.stack([scales[id(t.fold)][i] for t in tasks])[:, None])
        self._optimiser = _Optimiser(self._weights, self._sizes, self._recipe)
        self._losses = _Losses(tasks, device)
        test, mask = _side_by_side([t.fold.test for t in tasks])
        self._test = self._tensor(test), self._tensor(self._codes[test]), self._tensor(mask)
        self.curves = np.full((len(tasks), 3, self._recipe.epochs), np.nan, dtype=np.float32)
        self._keep_epochs, self._keep_rows = keep_epochs, self._tensor(keep_rows)
        self._keepers = np.flatnonzero([t.kept for t in tasks])
        shape = (len(self._keepers), len(keep_epochs), len(keep_rows), self._recipe.dim)
        self._kept = np.full(shape, np.nan, dtype=np.float32)

    def train_epoch(self, tick: Tick) -> dict[int, TrainingResult]:
        """Train for an epoch; all models end with the last one."""
        if self.epoch == 0:
            self._keep()
        values = self._train_epoch()
        values[:, 2] = self._test_accuracies()
        before = self.curves[:, 0, : self.epoch]
        # A model that has failed stays in the batch, where it does not touch the others.
        fine = np.isfinite(values[:, 0]) & np.isfinite(before).all(axis=1)
        self.curves[fine, :, self.epoch] = values[fine]
        self.epoch += 1
        self._keep()
        return self._results() if self.epoch == self._recipe.epochs else {}

    def _results(self) -> dict[int, TrainingResult]:
        results = {}
        keepers = self._keepers.tolist()
        arrays = {n: w.cpu().numpy() for n, w in (self._weights | self._fixed).items()}
        for i, (model, task) in enumerate(zip(self.models, self._tasks, strict=True)):
            weights = {n: (w[i] if n.endswith("weight") else w[i, 0]).copy() for n, w in arrays.items()}
            kept = self._kept[keepers.index(i)] if i in keepers else self._kept[:0].reshape(0, 0, 0)
            results[model] = result_of(task.recipe, task.seed, weights, self.curves[i], kept)
        return results

    def state(self) -> Arrays:
        """Return all that it takes to go on from here."""
        arrays = {name: w.cpu().numpy() for name, w in self._changing().items()}
        return arrays | {"epoch": np.array(self.epoch), "curves": self.curves, "kept": self._kept}

    def resume(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from the state of the same models."""
        self.epoch = int(state["epoch"])
        self.curves[:], self._kept[:] = state["curves"], state["kept"]
        for name, w in self._changing().items():
            w.copy_(torch.from_numpy(state[name]))

    def _changing(self) -> Tensors:
        return {f"weights.{name}": w for name, w in self._weights.items()} | self._optimiser.tensors()

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device)

    def _inputs(self, rows: torch.Tensor, which: slice | torch.Tensor) -> torch.Tensor:
        """Gather clips (m, B, d) for some of the models."""
        x = self._X[rows]
        if self._fixed:
            x = (x - self._fixed["mean"][which]) / self._fixed["scale"][which]
        return x

    def _keep(self) -> None:
        chosen = torch.from_numpy(self._keepers).to(self._device)
        for position in np.flatnonzero(self._keep_epochs == self.epoch):
            weights = {n: w[chosen] for n, w in self._weights.items()}
            for i in range(len(self._keepers)):  # one by one: all clips of all models need not fit
                x = self._inputs(self._keep_rows[None], chosen[i : i + 1])
                z = embedded({n: w[i : i + 1] for n, w in weights.items()}, x)
                self._kept[i, position] = z[0].cpu().numpy()

    def _test_accuracies(self) -> np.ndarray:
        rows, targets, mask = self._test
        scores = classified(self._weights, embedded(self._weights, self._inputs(rows, slice(None))))
        right = ((scores.argmax(-1) == targets) & mask).sum(1)
        return (right / mask.sum(1)).cpu().numpy()

    def _train_epoch(self) -> np.ndarray:
        """Return mean loss, training accuracy and a place for the test accuracy, (m, 3) float64."""
        size, soft = self._recipe.batch_size, self._recipe.mixup > 0
        order, mask = _side_by_side(
            [t.fold.train[epoch_order(t.seed, self.epoch, n)] for t, n in self._each()]
        )
        drawn = [order, self._codes[order], mask]
        if soft:
            partners, shares = [], []
            for t, n in self._each():
                own = epoch_order(t.seed, self.epoch, n)
                other, share = mixtures(t.seed, self.epoch, n, self._recipe)
                partners.append(t.fold.train[other[own]])
                shares.append(share[own])
            other, share = _side_by_side(partners)[0], _side_by_side(shares)[0]
            drawn += [other, self._codes[other], share]
        data = [self._tensor(array) for array in drawn]
        loss = torch.zeros(len(self._sizes), dtype=torch.float64, device=self._device)
        right = torch.zeros(len(self._sizes), dtype=torch.int64, device=self._device)
        for start in range(0, int(self._sizes[0]), size):
            m = int((self._sizes > start).sum())  # the models that have a batch
            batch = [d[:m, start : start + size] for d in data]
            each, hits = self._step(m, *batch)
            loss[:m] += each * batch[2].sum(1)
            right[:m] += hits
        return (
            np.stack([loss.cpu().numpy(), right.cpu().numpy(), 0 * self._sizes], axis=1)
            / self._sizes[:, None]
        )

    def _each(self) -> Iterator[tuple[Task, int]]:
        return zip(self._tasks, self._sizes.tolist(), strict=True)

    def _step(
        self,
        m: int,
        rows: torch.Tensor,
        targets: torch.Tensor,
        mask: torch.Tensor,
        *mixed: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Take a step with a batch for each of the first m models; return losses and hits, (m,).

        `mixed` are the clips that others are mixed with, their classes, and the shares of the first ones.
        """
        x, y = self._inputs(rows, slice(m)), targets
        if mixed:
            others, other_targets, shares = mixed
            own = shares[..., None]
            x = own * x + (1 - own) * self._inputs(others, slice(m))
            one_hot = torch.eye(self._n_classes, device=self._device)
            y = own * one_hot[targets] + (1 - own) * one_hot[other_targets]
        weights = {n: w[:m].detach().requires_grad_() for n, w in self._weights.items()}
        z = embedded(weights, x)
        scores = classified(weights, z)
        loss = self._losses(m, z, scores, y, mask)
        gradients = torch.autograd.grad(loss.sum(), list(weights.values()))
        self._optimiser.step(m, gradients)
        right = targets if y.ndim == 2 else y.argmax(-1)  # of a mixture, the class with the larger share
        return loss.detach(), ((scores.argmax(-1) == right) & mask).sum(1)


def result_of(
    recipe: HeadRecipe, seed: int, weights: Arrays, curves: np.ndarray, kept: np.ndarray
) -> TrainingResult:
    """Return the result of a head; without weights where its loss is no longer a number."""
    lost = np.flatnonzero(~np.isfinite(curves[0]))
    if not len(lost) and all(np.isfinite(w).all() for w in weights.values()):
        return TrainingResult(weights, curves, recipe.epochs, recipe.epochs, extra={"kept": kept})
    epoch = int(lost[0]) + 1 if len(lost) else recipe.epochs
    why = f"The loss was no longer a number in epoch {epoch} (seed {seed})."
    return TrainingResult({}, curves, 0, recipe.epochs, failed=why, extra={"kept": kept})


def embedded(weights: Mapping[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Project clips (m, B, d), standardised where the models are trained so, to embeddings (m, B, dim)."""
    if "hidden_weight" in weights:
        x = torch.baddbmm(weights["hidden_bias"], x, weights["hidden_weight"]).relu()
    return torch.baddbmm(weights["embedding_bias"], x, weights["embedding_weight"])


def classified(weights: Mapping[str, torch.Tensor], z: torch.Tensor) -> torch.Tensor:
    """Classify embeddings (m, B, dim): (m, B, C)."""
    return torch.baddbmm(weights["class_bias"], z, weights["class_weight"])


def classification_loss(
    recipe: HeadRecipe,
    z: torch.Tensor,
    logits: torch.Tensor,
    y: torch.Tensor,
    *,
    mask: torch.Tensor | None = None,
    weights: torch.Tensor | None = None,
    loss_weight: torch.Tensor | float | None = None,
) -> torch.Tensor:
    """Return the loss of a recipe for a batch, or of several models that differ in their weights alone.

    Parameters
    ----------
    recipe : HeadRecipe
    z, logits : (..., n, dim) and (..., n, C) tensors
    y : (..., n) tensor of int or (..., n, C) tensor of float
        Classes, or shares of the classes.
    mask : (..., n) tensor of bool, optional
        False for padding.
    weights, loss_weight : tensors, optional
        Those of each model in the place of the recipe's.
    """
    if recipe.loss == "focal":
        return focal_loss(logits, y, gamma=recipe.gamma, mask=mask)
    of = binary_cross_entropy if recipe.entropy == "sigmoid" else cross_entropy
    entropy = of(logits, y, mask=mask)
    if recipe.loss == "ce":
        return entropy
    loss_weight = recipe.loss_weight if loss_weight is None else loss_weight
    if recipe.loss == "opl":
        more = orthogonal_projection_loss(z, y, gamma=recipe.gamma, variant=recipe.variant, mask=mask)
        return entropy + loss_weight * more
    if recipe.loss == "add":
        terms = add_terms(z, y, variant=recipe.variant, mask=mask)
    else:
        shares = y if y.is_floating_point() else torch.eye(logits.shape[-1], device=z.device)[y]
        terms = add_soft_terms(z, shares, variant=recipe.variant, mask=mask)
    weights = z.new_tensor(recipe.weights) if weights is None else weights
    return entropy + loss_weight * (weights * terms).sum(-1)


class _Losses:
    """The loss of each model, computed together for those that minimise the same but for weights."""

    def __init__(self, tasks: Sequence[Task], device: str) -> None:
        kinds: dict[tuple[str, str, float, str], list[int]] = {}
        for i, recipe in enumerate(t.recipe for t in tasks):
            kinds.setdefault((recipe.loss, recipe.variant, recipe.gamma, recipe.entropy), []).append(i)
        self._kinds = []
        for models in kinds.values():
            recipes = [tasks[i].recipe for i in models]
            weights = torch.tensor([r.weights for r in recipes], device=device)
            loss_weights = torch.tensor([r.loss_weight for r in recipes], device=device)
            self._kinds.append((recipes[0], torch.tensor(models, device=device), weights, loss_weights))

    def __call__(
        self, m: int, z: torch.Tensor, logits: torch.Tensor, y: torch.Tensor, mask: torch.Tensor
    ) -> torch.Tensor:
        total = z.new_zeros(m)
        for recipe, models, weights, loss_weights in self._kinds:
            n = int((models < m).sum())
            if n:
                own = slice(None) if n == m else models[:n]
                each = classification_loss(
                    recipe,
                    z[own],
                    logits[own],
                    y[own],
                    mask=mask[own],
                    weights=weights[:n],
                    loss_weight=loss_weights[:n],
                )
                total = total.index_add(0, models[:n], each)
        return total


class _Optimiser:
    """AdamW, or stochastic gradient descent, for the first of several models beside each other."""

    def __init__(self, weights: Tensors, sizes: np.ndarray, recipe: HeadRecipe) -> None:
        self._recipe, self._weights = recipe, weights
        # Models with as many clips take as many steps, and so go through an update together.
        ends = np.cumsum([len(list(group)) for _, group in groupby(sizes.tolist())]).tolist()
        self._runs = list(zip([0, *ends[:-1]], ends, strict=True))
        self._first = {n: torch.zeros_like(w) for n, w in weights.items()}
        self._second = {n: torch.zeros_like(w) for n, w in weights.items()} if self._adam else {}
        self._steps = {
            f"{n}.{start}": torch.zeros((), device=w.device)
            for n, w in weights.items()
            for start, _ in (self._runs if self._adam else ())
        }

    @property
    def _adam(self) -> bool:
        return self._recipe.optimizer == "adamw"

    def tensors(self) -> Tensors:
        """Return the state, by name."""
        groups = {"first": self._first, "second": self._second, "steps": self._steps}
        return {f"{group}.{n}": w for group, tensors in groups.items() for n, w in tensors.items()}

    def step(self, m: int, gradients: Sequence[torch.Tensor]) -> None:
        """Change the weights of the first m models."""
        runs = [(start, stop) for start, stop in self._runs if stop <= m]

        def cut(tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
            return [w[start:stop] for w in tensors for start, stop in runs]

        weights, first = cut(list(self._weights.values())), cut(list(self._first.values()))
        recipe = self._recipe
        if self._adam:
            adamw(
                weights,
                cut(gradients),
                first,
                cut(list(self._second.values())),
                [],
                [self._steps[f"{n}.{start}"] for n in self._weights for start, _ in runs],
                fused=True,
                amsgrad=False,
                beta1=recipe.betas[0],
                beta2=recipe.betas[1],
                lr=recipe.learning_rate,
                weight_decay=recipe.weight_decay,
                eps=1e-8,
                maximize=False,
            )
        else:
            sgd(
                weights,
                cut(gradients),
                list(first),
                fused=True,
                lr=recipe.learning_rate,
                momentum=recipe.momentum,
                weight_decay=recipe.weight_decay,
                dampening=0.0,
                nesterov=False,
                maximize=False,
            )


def _side_by_side(rows: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Pad vectors to (m, longest), and return what is no padding."""
    sizes = np.array([len(r) for r in rows])
    mask = np.arange(sizes.max()) < sizes[:, None]
    padded = np.zeros(mask.shape, dtype=rows[0].dtype)
    padded[mask] = np.concatenate(rows)
    return padded, mask
