"""Several classifier heads trained as one: every product goes over all models at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd

from core.heads.data import Clips, Fold, initial_weights, mixtures
from core.heads.recipe import HeadRecipe
from core.losses import binary_cross_entropy, cross_entropy, focal_loss
from core.losses.angular import add_soft_terms, add_terms, orthogonal_projection_loss
from core.training.draws import epoch_order, standardisation
from core.training.engine import Plan, Tick
from core.training.results import Arrays, TrainingResult

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Task:
    """One model to train: `kept` says whether its embeddings are kept at some epochs."""

    recipe: HeadRecipe
    seed: int
    fold: Fold
    kept: bool


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
            found = {id(t.fold): standardisation(clips.X[t.fold.train]) for t in tasks}
            for i, name in enumerate(("mean", "scale")):
                self._fixed[name] = self._tensor(np.stack([found[id(t.fold)][i] for t in tasks])[:, None])
        self._optimiser = _Optimiser(self._weights, self._sizes, self._recipe)
        self._losses = _Losses(tasks, device)
        test, there = _side_by_side([t.fold.test for t in tasks])
        self._test = self._tensor(test), self._tensor(self._codes[test]), self._tensor(there)
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
        found = {}
        keepers = self._keepers.tolist()
        arrays = {n: w.cpu().numpy() for n, w in (self._weights | self._fixed).items()}
        for i, (model, task) in enumerate(zip(self.models, self._tasks, strict=True)):
            weights = {n: (w[i] if n.endswith("weight") else w[i, 0]).copy() for n, w in arrays.items()}
            kept = self._kept[keepers.index(i)] if i in keepers else self._kept[:0].reshape(0, 0, 0)
            found[model] = result_of(task.recipe, task.seed, weights, self.curves[i], kept)
        return found

    def state(self) -> Arrays:
        """Return all that it takes to go on from here."""
        found = {name: w.cpu().numpy() for name, w in self._changing().items()}
        return found | {"epoch": np.array(self.epoch), "curves": self.curves, "kept": self._kept}

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
        rows, targets, there = self._test
        found = logits(self._weights, embedded(self._weights, self._inputs(rows, slice(None))))
        right = ((found.argmax(-1) == targets) & there).sum(1)
        return (right / there.sum(1)).cpu().numpy()

    def _train_epoch(self) -> np.ndarray:
        """Return mean loss, training accuracy and a place for the test accuracy, (m, 3) float64."""
        size, soft = self._recipe.batch_size, self._recipe.mixup > 0
        order, there = _side_by_side(
            [t.fold.train[epoch_order(t.seed, self.epoch, n)] for t, n in self._each()]
        )
        drawn = [order, self._codes[order], there]
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
        there: torch.Tensor,
        others: torch.Tensor | None = None,
        other_targets: torch.Tensor | None = None,
        shares: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Take a step with a batch for each of the first m models; return losses and hits, (m,)."""
        x, y = self._inputs(rows, slice(m)), targets
        if others is not None and other_targets is not None and shares is not None:
            own = shares[..., None]
            x = own * x + (1 - own) * self._inputs(others, slice(m))
            one_hot = torch.eye(self._n_classes, device=self._device)
            y = own * one_hot[targets] + (1 - own) * one_hot[other_targets]
        weights = {n: w[:m].detach().requires_grad_() for n, w in self._weights.items()}
        z = embedded(weights, x)
        found = logits(weights, z)
        loss = self._losses(m, z, found, y, there, self._n_classes)
        gradients = torch.autograd.grad(loss.sum(), list(weights.values()))
        self._optimiser.step(m, gradients)
        right = targets if y.ndim == 2 else y.argmax(-1)  # of a mixture, the class with the larger share
        return loss.detach(), ((found.argmax(-1) == right) & there).sum(1)


def result_of(
    recipe: HeadRecipe, seed: int, weights: Arrays, curves: np.ndarray, kept: np.ndarray
) -> TrainingResult:
    """Return what a head has come to; without weights where its loss is no longer a number."""
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


def logits(weights: Mapping[str, torch.Tensor], z: torch.Tensor) -> torch.Tensor:
    """Classify embeddings (m, B, dim): (m, B, C)."""
    return torch.baddbmm(weights["class_bias"], z, weights["class_weight"])


class _Losses:
    """The loss of each model, computed together for those that minimise the same but for weights."""

    def __init__(self, tasks: Sequence[Task], device: str) -> None:
        kinds: dict[tuple[str, str, float, str], list[int]] = {}
        for i, t in enumerate(tasks):
            own = t.recipe
            kinds.setdefault((own.loss, own.variant, own.gamma, own.entropy), []).append(i)
        self._kinds = []
        for kind, models in kinds.items():
            of_terms = torch.tensor([tasks[i].recipe.weights for i in models], device=device)
            of_loss = torch.tensor([tasks[i].recipe.loss_weight for i in models], device=device)
            self._kinds.append((kind, torch.tensor(models, device=device), of_terms, of_loss))

    def __call__(
        self,
        m: int,
        z: torch.Tensor,
        found: torch.Tensor,
        y: torch.Tensor,
        there: torch.Tensor,
        n_classes: int,
    ) -> torch.Tensor:
        total = z.new_zeros(m)
        for (loss, variant, gamma, entropy), models, of_terms, of_loss in self._kinds:
            n = int((models < m).sum())
            if not n:
                continue
            own = slice(None) if n == m else models[:n]
            own_z, own_y, mask = z[own], y[own], there[own]
            if loss == "focal":
                each = focal_loss(found[own], own_y, gamma=gamma, mask=mask)
            else:
                of = binary_cross_entropy if entropy == "sigmoid" else cross_entropy
                each = of(found[own], own_y, mask=mask)
            if loss == "opl":
                each = each + of_loss[:n] * orthogonal_projection_loss(
                    own_z, own_y, gamma=gamma, variant=variant, mask=mask
                )
            elif loss == "add":
                terms = add_terms(own_z, own_y, variant=variant, mask=mask)
                each = each + of_loss[:n] * (of_terms[:n] * terms).sum(-1)
            elif loss == "add-soft":
                shares = own_y if own_y.ndim == 3 else torch.eye(n_classes, device=z.device)[own_y]
                terms = add_soft_terms(own_z, shares, variant=variant, mask=mask)
                each = each + of_loss[:n] * (of_terms[:n] * terms).sum(-1)
            total = total.index_add(0, models[:n], each)
        return total


class _Optimiser:
    """AdamW, or stochastic gradient descent, for the first of several models that stand side by side."""

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
    """Pad vectors to (m, longest), and say what is no padding."""
    sizes = np.array([len(r) for r in rows])
    there = np.arange(sizes.max()) < sizes[:, None]
    padded = np.zeros(there.shape, dtype=rows[0].dtype)
    padded[there] = np.concatenate(rows)
    return padded, there
