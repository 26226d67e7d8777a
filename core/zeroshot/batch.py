"""Several zero-shot models trained as one: the steps of a plain loop over batches, with less work in each.

Nothing here is an approximation: `core.zeroshot.start` says what is learned in the place of the large text
projection, and gradients are written down and added to the weights by the very product that computes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from core.losses import harmonic_sums
from core.training.draws import epoch_order, standardisation
from core.training.engine import Plan, Tick
from core.training.results import Arrays, TrainingResult
from core.zeroshot.data import Collection, Task, epoch_tries, mean_accuracy
from core.zeroshot.start import Start

if TYPE_CHECKING:
    from core.zeroshot.training import Recipe

_TINY = 1e-12  # lengths below it count as this, as torch.nn.functional.normalize has it
_BLOCK_ELEMENTS = 2**24  # hidden values of validation clips held at once

Tensors = dict[str, torch.Tensor]


class Batch:
    """Models that are trained together, an epoch at a time; see `core.training.engine.Group`.

    Parameters
    ----------
    collection : Collection
    models : sequence of int
        Their numbers.
    tasks : sequence of Task
        One for each, by falling number of training clips, so that those that still have a batch are always
        the first ones.
    recipe : Recipe
    device : str

    Attributes
    ----------
    models, tasks : lists of int and Task
        Those that are still in training, in the order of all rows below.
    epoch : int
        Epochs done.
    curves : (m, 3, epochs) float32 array
        `core.zeroshot.CURVES`.
    """

    successors: Sequence[Plan] = ()

    def __init__(
        self,
        collection: Collection,
        models: Sequence[int],
        tasks: Sequence[Task],
        recipe: Recipe,
        device: str,
    ) -> None:
        self.models, self.tasks, self.epoch = list(models), list(tasks), 0
        self._recipe, self._device = recipe, device
        n_classes = max(len(t.train.classes) for t in tasks)
        starts = [Start(collection, t, recipe.hidden, recipe.shared, n_classes) for t in tasks]
        self._audio = self._tensor(collection.audio)
        initial = [s.learned() for s in starts]
        self._learned = {name: self._tensor(np.stack([i[name] for i in initial])) for name in initial[0]}
        self._velocity = {n: torch.zeros_like(w) for n, w in self._learned.items()} if recipe.momentum else {}
        self._best = {n: w.clone() for n, w in self._learned.items()} if recipe.patience else {}
        self._best_accuracy = np.full(len(tasks), -1.0)
        self._best_epoch = np.zeros(len(tasks), dtype=np.int64)
        self.curves = np.full((len(tasks), 3, recipe.epochs), np.nan, dtype=np.float32)
        self._fixed = self._training(collection, starts) | self._held_out(collection, starts)
        if recipe.standardise:
            fitted = [standardisation(collection.audio[t.train.rows]) for t in tasks]
            for name, arrays in zip(("mean", "scale"), zip(*fitted, strict=True), strict=True):
                self._fixed[name] = self._tensor(np.stack(arrays)[:, None])
        sums = harmonic_sums(n_classes - 1, self._audio)
        self._sums, self._weights = sums, sums / torch.arange(n_classes, device=device).clamp_min(1)

    def train_epoch(self, tick: Tick) -> dict[int, TrainingResult]:
        """Train for an epoch; return the models that have ended with it."""
        values = self._train_epoch()
        self.epoch += 1
        values[:, 2] = self._validation_accuracies()
        failed = ~np.isfinite(values[:, 0])
        self.curves[~failed, :, self.epoch - 1] = values[~failed]
        ended = failed | (self.epoch == self._recipe.epochs)
        if self._recipe.patience is None:
            self._best_epoch[:] = self.epoch
        else:
            self._remember(~failed & (values[:, 2] > self._best_accuracy), values[:, 2])
            ended |= self.epoch - self._best_epoch >= self._recipe.patience
        results = {self.models[i]: self._result(i, bool(failed[i])) for i in np.flatnonzero(ended).tolist()}
        if ended.any():
            self._keep(np.flatnonzero(~ended))
        return results

    def state(self) -> Arrays:
        """Return all that it takes to go on from here."""
        state = {
            "models": np.array(self.models),
            "epoch": np.array(self.epoch),
            "curves": self.curves,
            "best_accuracy": self._best_accuracy,
            "best_epoch": self._best_epoch,
        }
        for group, tensors in self._groups():
            state |= {f"{group}.{name}": w.cpu().numpy() for name, w in tensors.items()}
        return state

    def resume(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from the state of the same models, of which some may have ended."""
        self._keep(np.flatnonzero(np.isin(self.models, state["models"])))
        self.epoch = int(state["epoch"])
        self.curves[:] = state["curves"]
        self._best_accuracy[:] = state["best_accuracy"]
        self._best_epoch[:] = state["best_epoch"]
        for group, tensors in self._groups():
            for name, w in tensors.items():
                w.copy_(self._tensor(state[f"{group}.{name}"]))

    def _keep(self, places: np.ndarray) -> None:
        """Go on with the models in some places."""
        self.models, self.tasks = [self.models[i] for i in places], [self.tasks[i] for i in places]
        chosen = self._tensor(places)
        for tensors in (self._learned, self._velocity, self._best, self._fixed):
            for name in tensors:
                tensors[name] = tensors[name][chosen]
        self._best_accuracy, self._best_epoch = self._best_accuracy[places], self._best_epoch[places]
        self.curves = self.curves[places]

    def _groups(self) -> list[tuple[str, Tensors]]:
        return [("learned", self._learned), ("velocity", self._velocity), ("best", self._best)]

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        wanted = np.float32 if array.dtype.kind == "f" else array.dtype
        return torch.from_numpy(np.ascontiguousarray(array, dtype=wanted)).to(self._device)

    def _training(self, collection: Collection, starts: Sequence[Start]) -> Tensors:
        """Return what stays fixed of the training texts, and which rows are classes if some are padding."""
        texts = [s.texts(collection.text[t.train.texts]) for s, t in zip(starts, self.tasks, strict=True)]
        n = starts[0].n_classes
        sizes = np.array([len(t.train.classes) for t in self.tasks])
        fixed = {
            "others": self._tensor(sizes[:, None, None] - 1),
            "initial": self._tensor(_padded([t.initial for t in texts], (n, starts[0].basis.shape[1]))),
            "pull": self._tensor(_padded([t.pull for t in texts], (n, n))),
        }
        if (sizes < n).any():
            fixed["present"] = self._tensor((np.arange(n) < sizes[:, None])[:, None].astype(np.float32))
        return fixed

    def _held_out(self, collection: Collection, starts: Sequence[Start]) -> Tensors:
        """Return what stays fixed of the validation sets of each model, which lie side by side."""
        rows, texts, closed = [], [], []
        for start, task in zip(starts, self.tasks, strict=True):
            rows.append(np.concatenate([v.rows for v in task.validations]))
            texts.append(start.texts(collection.text[np.concatenate([v.texts for v in task.validations])]))
            clip_set = np.repeat(np.arange(len(task.validations)), [len(v.rows) for v in task.validations])
            class_set = np.repeat(np.arange(len(task.validations)), [len(v.texts) for v in task.validations])
            closed.append(np.where(clip_set[:, None] == class_set, 0.0, -np.inf))
        n, c = max(map(len, rows)), max(len(t.initial) for t in texts)
        return {
            "held_rows": self._tensor(_padded(rows, (n,))),
            "held_initial": self._tensor(_padded([t.initial for t in texts], (c, starts[0].basis.shape[1]))),
            "held_pull": self._tensor(_padded([t.pull for t in texts], (c, starts[0].n_classes))),
            "held_beyond": self._tensor(_padded([t.beyond[:, None] for t in texts], (c, 1))),
            # A clip is compared with the classes of its own set.
            "held_closed": self._tensor(_padded(closed, (n, c), fill=-np.inf)),
        }

    def _train_epoch(self) -> np.ndarray:
        """Return mean loss, training accuracy and a place for the validation accuracy, (m, 3) float64."""
        size = self._recipe.batch_size
        sizes = np.array([len(t.train.rows) for t in self.tasks])
        n_batches = -(-sizes // size)
        counts = np.clip(sizes[:, None] - size * np.arange(n_batches[0]), 0, size)  # clips of each batch
        shares = (np.arange(size) < counts[..., None]) / np.maximum(counts, 1)[..., None]
        orders = [a.reshape(*shares.shape, *a.shape[2:]) for a in self._orders(sizes, n_batches[0] * size)]
        rows, targets, tries, share = map(self._tensor, (*orders, shares))
        loss = torch.zeros(shares.shape[:2], device=self._device)
        right = torch.zeros(shares.shape[:2], device=self._device)
        for step in range(n_batches[0]):
            m = int((n_batches > step).sum())  # the models that have a batch, which are the first ones
            loss[:m, step], right[:m, step] = self._step(
                *(part[:m, step] for part in (rows, targets, tries, share))
            )
        met = [(mean.cpu().numpy() * counts).sum(axis=1) / sizes for mean in (loss, right)]
        return np.stack([*met, np.zeros(len(sizes))], axis=1)

    def _orders(self, sizes: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the clips of an epoch in order, their classes and the classes to try; zeros to pad."""
        rows = np.zeros((len(sizes), length), dtype=np.int64)
        targets = np.zeros_like(rows)
        tries = np.zeros((*rows.shape, len(self._sums) - 1 if self._recipe.sampled else 0), dtype=np.int64)
        for i, task in enumerate(self.tasks):
            order = epoch_order(task.seed, self.epoch, sizes[i])
            rows[i, : sizes[i]], targets[i, : sizes[i]] = task.train.rows[order], task.train.targets[order]
            if self._recipe.sampled:
                tries[i] = targets[i][:, None]  # trying the right class changes nothing
                others = len(task.train.classes) - 1
                drawn = epoch_tries(task.seed, self.epoch, task.train.targets, others + 1)
                tries[i, : sizes[i], :others] = drawn[order]
        return rows, targets, tries

    def _step(
        self, rows: torch.Tensor, targets: torch.Tensor, tries: torch.Tensor, shares: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """One step of the first m models on a batch each, (m, b); returns mean loss and accuracy, (m,)."""
        m = len(rows)
        w = {name: tensor[:m] for name, tensor in self._learned.items()}
        x = self._clips(rows)
        hidden = _hidden(w, x)
        a = torch.baddbmm(w["audio_2_bias"], hidden, w["audio_2_weight"])
        a_scale = _inverse_length(a)
        t = torch.baddbmm(self._fixed["initial"][:m], self._fixed["pull"][:m], w["text_steps"])
        t_scale = _inverse_length(t)
        t *= t_scale
        scores = torch.bmm(a, t.mT).mul_(a_scale)
        loss, right, d_scores = self._warp(scores, targets[..., None], tries, shares)

        # Of cos(a, t) by a: (t / |t| - cos · a / |a|) / |a|, and likewise by t.
        scores *= d_scores
        d_scores *= a_scale
        d_t = torch.bmm(d_scores.mT, a).sub_(scores.sum(1)[..., None] * t).mul_(t_scale)
        d_a = torch.bmm(d_scores, t).addcmul_(
            a, scores.sum(2, keepdim=True).mul_(a_scale.square_()), value=-1
        )
        d_hidden = torch.bmm(d_a, w["audio_2_weight"].mT)
        self._move("audio_2_weight", hidden.mT, d_a)
        self._move("audio_2_bias", None, d_a.sum(1, keepdim=True))
        self._move("text_steps", None, d_t)
        d_hidden = torch.ops.aten.tanh_backward(d_hidden, hidden)
        self._move("audio_1_weight", x.mT, d_hidden)
        self._move("audio_1_bias", None, d_hidden.sum(1, keepdim=True))
        return loss, right

    def _clips(self, rows: torch.Tensor) -> torch.Tensor:
        x = self._audio.index_select(0, rows.reshape(-1)).view(*rows.shape, -1)
        if "mean" in self._fixed:
            x.sub_(self._fixed["mean"][: len(rows)]).div_(self._fixed["scale"][: len(rows)])
        return x

    def _warp(
        self, scores: torch.Tensor, targets: torch.Tensor, tries: torch.Tensor, shares: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """`core.losses.warp_loss` of each model, its accuracy, and the gradient by the scores (m, b, C)."""
        m = len(scores)
        own = scores.gather(2, targets)
        hinges = (scores - own).add_(self._recipe.margin)
        wrong = (hinges > 0).to(scores.dtype).scatter_(2, targets, 0.0)
        best = scores
        if "present" in self._fixed:
            present = self._fixed["present"][:m]
            wrong *= present
            best = scores.masked_fill(present == 0, -2.0)
        right = (best.argmax(2, keepdim=True) == targets).squeeze(2)
        if self._recipe.sampled:
            violates = wrong.gather(2, tries)
            first = violates.argmax(2, keepdim=True)
            rank = torch.div(self._fixed["others"][:m], first + 1, rounding_mode="floor").clamp_min_(1)
            cost = (self._sums[rank] * violates.gather(2, first)).squeeze(2) * shares
            gradient = torch.zeros_like(scores).scatter_(2, tries.gather(2, first), cost[..., None])
            loss, total = (gradient * hinges).sum((1, 2)), cost
        else:
            rank = wrong.sum(2).long()
            cost = self._weights[rank] * shares
            gradient = wrong.mul_(cost[..., None])
            loss, total = (gradient * hinges).sum((1, 2)), cost * rank
        gradient.scatter_(2, targets, -total[..., None])
        return loss, (right * shares).sum(1), gradient

    def _move(self, name: str, left: torch.Tensor | None, gradient: torch.Tensor) -> None:
        """Step down the gradient, which is `gradient` or, if it is given, `left` times it."""
        m, rate = len(gradient), self._recipe.learning_rate
        weight = self._learned[name][:m]
        if self._recipe.momentum:
            velocity = self._velocity[name][:m].mul_(self._recipe.momentum)
            velocity += gradient if left is None else torch.bmm(left, gradient)
            weight.sub_(velocity, alpha=rate)
        elif left is None:
            weight.sub_(gradient, alpha=rate)
        else:
            weight.baddbmm_(left, gradient, alpha=-rate)

    def _validation_accuracies(self) -> np.ndarray:
        """Mean accuracy over the validation sets of each model, (m,) float64; see `mean_accuracy`."""
        w, fixed = self._learned, self._fixed
        t = torch.baddbmm(fixed["held_initial"], fixed["held_pull"], w["text_steps"])
        t /= (t.square().sum(2, keepdim=True) + fixed["held_beyond"]).sqrt_().clamp_min_(_TINY)
        # The length of a clip's projection does not change which class is nearest, so it is not needed.
        of_hidden = torch.bmm(w["audio_2_weight"], t.mT)
        of_bias = torch.bmm(w["audio_2_bias"], t.mT)
        rows, nearest = fixed["held_rows"], []
        size = max(1, _BLOCK_ELEMENTS // (len(rows) * self._recipe.hidden))
        for start in range(0, rows.shape[1], size):
            x = self._clips(rows[:, start : start + size])
            scores = torch.baddbmm(of_bias, _hidden(w, x), of_hidden)
            scores += fixed["held_closed"][:, start : start + size]
            nearest.append(scores.argmax(2))
        predicted = torch.cat(nearest, dim=1).cpu().numpy()
        accuracies = []
        for i, task in enumerate(self.tasks):
            clip, column = 0, 0
            of_sets: list[tuple[float, int]] = []
            for part in task.validations:
                classes = predicted[i, clip : clip + len(part.rows)] - column
                of_sets.append((float((classes == part.targets).mean()), len(part.classes)))
                clip, column = clip + len(part.rows), column + len(part.classes)
            accuracies.append(mean_accuracy(of_sets))
        return np.array(accuracies)

    def _remember(self, better: np.ndarray, accuracies: np.ndarray) -> None:
        """Keep the weights of the models whose validation accuracy is their best so far."""
        self._best_accuracy[better], self._best_epoch[better] = accuracies[better], self.epoch
        chosen = self._tensor(np.flatnonzero(better))
        for name, kept in self._best.items():
            kept[chosen] = self._learned[name][chosen]

    def _result(self, i: int, failed: bool) -> TrainingResult:
        curves = self.curves[i].copy()
        if failed:
            why = f"The loss was no longer a number in epoch {self.epoch} (seed {self.tasks[i].seed})."
            return TrainingResult({}, curves, 0, self.epoch, failed=why)
        learned = {name: w[i].cpu().numpy().copy() for name, w in (self._best or self._learned).items()}
        return TrainingResult(learned, curves, int(self._best_epoch[i]), self.epoch)


def _hidden(w: Tensors, x: torch.Tensor) -> torch.Tensor:
    """The hidden layer: tanh z as 2 / (1 + e^(-2z)) - 1, within 2e-7 of it and six times as fast on a CPU."""
    z = torch.baddbmm(w["audio_1_bias"], x, w["audio_1_weight"], beta=2, alpha=2)
    return z.sigmoid_().mul_(2).sub_(1)


def _inverse_length(rows: torch.Tensor) -> torch.Tensor:
    return torch.linalg.vector_norm(rows, dim=2, keepdim=True).clamp_min_(_TINY).reciprocal_()


def _padded(arrays: Sequence[np.ndarray], shape: tuple[int, ...], fill: float = 0.0) -> np.ndarray:
    """Stack arrays of different sizes in the corner of one shape each."""
    out = np.full((len(arrays), *shape), fill, dtype=arrays[0].dtype)
    for i, array in enumerate(arrays):
        out[i][tuple(map(slice, array.shape))] = array
    return out
