"""Which models a training trains: every recipe with every seed on every fold that is held out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypedDict

import numpy as np
from numpy.typing import ArrayLike

from core.heads.data import Fold
from core.heads.recipe import HeadRecipe
from core.training.draws import check_seed
from core.training.engine import Progress, Session, Watch
from core.training.results import Checkpoint
from core.training.threads import default_device


class Options(TypedDict, total=False):
    """What `train_heads` and `core.networks.train_networks` take besides data and recipes.

    Attributes
    ----------
    seeds : sequence of int, default (0, 1, 2)
        From 0: what weights begin with, the order of the clips in every epoch, and mixtures. They are the
        same for all folds and recipes of one shape.
    held_out : sequence, optional
        The names of the folds that are held out, one after the other, in the order of the folds; all of them
        if not given.
    keep_epochs : sequence of int
        After how many epochs embeddings are kept, ascending; 0 is before the first. Those beyond the epochs
        of a recipe are NaN.
    keep_rows : (n_kept,) array_like of int, optional
        Whose embeddings are kept then; those of all clips if not given.
    keep_models : callable, optional
        By seed and fold, whether embeddings are kept, at those epochs and of all clips after training; of all
        models if not given.
    device : str, optional
        A GPU if torch has one, else ``"cpu"``.
    progress : callable, optional
        Called with the epochs done and to do, of all models together.
    watch : callable, optional
        Called after the epochs of a batch with the curves so far, (models, 3, epochs), in the order of the
        result and of `CURVES`; NaN for epochs to come.
    checkpoint : Checkpoint, optional
        Where to go on from, and to save to: every 20 seconds, and when models have ended. Those of other
        data, seeds or recipes are not used.
    """

    seeds: Sequence[int]
    held_out: Sequence[object] | None
    keep_epochs: Sequence[int]
    keep_rows: ArrayLike | None
    keep_models: Callable[[int, object], bool] | None
    device: str | None
    progress: Progress | None
    watch: Watch | None
    checkpoint: Checkpoint | None


@dataclass(frozen=True)
class Task:
    """One model to train: `kept` says whether its embeddings are kept at some epochs."""

    recipe: HeadRecipe
    seed: int
    fold: Fold
    kept: bool


class Grid(NamedTuple):
    """The models in the order of the result, the epochs and rows that are kept of them, and the session."""

    tasks: list[Task]
    epochs: np.ndarray
    rows: np.ndarray
    session: Session


def make_grid(recipes: Sequence[HeadRecipe], folds: Sequence[Fold], n: int, options: Options) -> Grid:
    """Return the grid of a training on n clips.

    Raises
    ------
    ValueError
        For no or equal recipes, seeds that cannot be, or unknown folds, rows or epochs.
    TypeError
        For an option that does not exist.
    """
    if unknown := [name for name in options if name not in Options.__annotations__]:
        raise TypeError(f"{unknown[0]} is not an option; options are {', '.join(Options.__annotations__)}.")
    chosen = _held_out(folds, options.get("held_out"))
    seeds = [check_seed(seed) for seed in options.get("seeds", (0, 1, 2))]
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds are {seeds}; there must be one or more, each once.")
    if not recipes or len(set(recipes)) < len(recipes):
        raise ValueError(f"There are {len(recipes)} recipes; there must be one or more, each once.")
    keep = options.get("keep_models") or (lambda seed, fold: True)
    session = Session(
        options.get("device") or default_device(),
        options.get("progress"),
        options.get("watch"),
        options.get("checkpoint"),
    )
    return Grid(
        [Task(r, s, f, bool(keep(s, f.name))) for r in recipes for s in seeds for f in chosen],
        _kept_epochs(options.get("keep_epochs", ())),
        _kept_rows(n, options.get("keep_rows")),
        session,
    )


def _held_out(folds: Sequence[Fold], names: Sequence[object] | None) -> list[Fold]:
    known = [fold.name for fold in folds]
    for name in names or ():
        if name not in known:
            raise ValueError(f"There is no fold {name!r}; there are {', '.join(map(str, known))}.")
    if names is not None and not len(names):
        raise ValueError("held_out is empty; name at least one fold, or leave it out for all.")
    return [fold for fold in folds if names is None or fold.name in names]


def _kept_rows(n: int, rows: ArrayLike | None) -> np.ndarray:
    chosen = np.arange(n) if rows is None else np.asarray(rows)
    if chosen.ndim != 1 or (chosen.size and chosen.dtype.kind not in "iu"):
        raise ValueError(
            f"keep_rows have shape {chosen.shape} and type {chosen.dtype}; they must be row numbers."
        )
    if chosen.size and not (chosen.min() >= 0 and chosen.max() < n):
        raise ValueError(f"keep_rows run from {chosen.min()} to {chosen.max()}; there are rows 0 to {n - 1}.")
    return chosen.astype(np.int64)


def _kept_epochs(epochs: Sequence[int]) -> np.ndarray:
    chosen = np.asarray(epochs, dtype=np.int64)
    if chosen.size and (chosen[0] < 0 or (np.diff(chosen) <= 0).any()):
        raise ValueError(f"keep_epochs are {list(epochs)}; they must ascend from 0 or more.")
    return chosen
