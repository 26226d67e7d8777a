"""What is kept of classifiers that were trained with several losses, heads and networks alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from core.separability import angular_properties, class_distances
from core.statistics import holm
from core.words import count
from jobs.encoders import Card
from jobs.specs import LossGrid, LossTraining

if TYPE_CHECKING:
    from cache import ArtifactWriter
    from core.heads import HeadRun
    from jobs.engine.context import JobContext

PROPERTIES = ("mu_p", "sigma_p", "mu_n", "sigma_n")
#: Folds that are drawn for a dataset that has none.
DRAWN = 5


class Asked(NamedTuple):
    """Clips of one class each.

    Attributes
    ----------
    clip_ids : (n,) objects of str
    X : (n, ...) array
        What models learn from.
    labels : (n,) array of str
    folds : (n,) int64 array
    drawn : bool
        Whether the folds were drawn here.
    held_out : list of int
        The folds that are held out, ascending.
    left_out : dict
        As ``left_out`` of the result.
    several : int
        Clips that the dataset puts into several classes, of which the first counts here.
    """

    clip_ids: np.ndarray
    X: np.ndarray
    labels: np.ndarray
    folds: np.ndarray
    drawn: bool
    held_out: list[int]
    left_out: dict[str, int]
    several: int


class Judged(NamedTuple):
    """A model with the embeddings of the clips that it had not heard, before and after training.

    Attributes
    ----------
    run : HeadRun
    before : (n_test, d) array
    tested : (n_test, dim) array or None
        None if the training failed.
    """

    run: HeadRun
    before: np.ndarray
    tested: np.ndarray | None


def folds_of(
    spec: LossTraining, labels: np.ndarray, own: np.ndarray | None
) -> tuple[np.ndarray, bool, list[int]]:
    """Return the fold of every clip, whether they were drawn, and those that are held out.

    Parameters
    ----------
    spec : LossTraining
    labels : (n,) array of str
    own : (n,) int array or None
        The dataset's folds, where all clips have one.

    Raises
    ------
    ValueError
        For a fold that is to be held out and is not there, more folds than clips, or one fold alone.
    """
    from core.heads import draw_folds

    drawn = bool(spec.folds) or own is None
    n = len(labels)
    if n < 2:
        raise ValueError("Only one clip has a class; a training needs two or more.")
    if spec.folds > n:
        raise ValueError(
            f"{spec.folds} folds are asked for, and {n} clips have a class; ask for at most {n}."
        )
    if own is not None and not drawn and len(names := np.unique(own)) < 2:
        raise ValueError(
            f"All clips are in the dataset's fold {names[0]}, which leaves none to train on; have folds "
            "drawn, for example five."
        )
    folds = draw_folds(labels, spec.folds or min(DRAWN, n)) if drawn else np.asarray(own)
    there = np.unique(folds).tolist()
    for name in spec.held_out:
        if name not in there:
            raise ValueError(
                f"There is no fold {name} to hold out; there are {', '.join(str(f) for f in there)}."
            )
    return folds, drawn, [f for f in there if f in spec.held_out] if spec.held_out else there


def kept_rows(labels: np.ndarray, most: int) -> np.ndarray:
    """Choose clips whose embeddings are kept at some epochs, with classes in their proportions.

    Parameters
    ----------
    labels : (n,) array
    most : int

    Returns
    -------
    (m,) int64 array
        Ascending; all if there are not more than `most`.
    """
    if len(labels) <= most:
        return np.arange(len(labels))
    by_class = np.argsort(labels, kind="stable")
    return np.sort(by_class[np.linspace(0, len(labels) - 1, most).round().astype(np.int64)])


def keeps(asked: Asked) -> Callable[[int, object], bool]:
    """Return which models are kept whole: those of seed 0 and the first fold, whose spaces are stored."""
    return lambda seed, fold: seed == 0 and fold == asked.held_out[0]


def store(
    spec: LossTraining,
    context: JobContext,
    asked: Asked,
    judged: Sequence[Judged],
    *,
    before: str,
    card: dict[str, Any],
    started: float,
) -> None:
    """Write the artifact that `LossTraining` describes.

    Parameters
    ----------
    spec, context
    asked : Asked
    judged : sequence of Judged
        Recipe after recipe, seed after seed, fold after fold.
    before : {"space", "network"}
        What "before training" is.
    card : dict
        What `jobs.encoders.Card` is to say of the trained models.
    started : float
        `time.perf_counter` when the job began.
    """
    each = spec.seeds * len(asked.held_out)
    failed = [j.run.failed for j in judged if j.run.failed]
    for why in failed:
        context.log(why)
    classes, sizes = np.unique(asked.labels, return_counts=True)
    mean, cv = _class_pairs(judged, asked, classes, each)
    whole = [judged[r * each].run for r in range(len(spec.recipes))]  # seed 0, first fold
    rows = kept_rows(asked.labels, spec.keep_clips)
    held = asked.folds == asked.held_out[0]
    with context.writer() as w:
        w.table("recipes", _recipes(spec, judged, each))
        w.table("runs", _runs(spec, judged, asked, each))
        w.table("predictions", _predictions(judged, asked, each))
        w.array("curves", np.stack([np.stack(list(j.run.curves.values())) for j in judged]))
        w.array("class_mean", mean)
        w.array("class_cv", cv)
        w.table("classes", pd.DataFrame({"label": classes, "n_clips": sizes}).astype({"label": "str"}))
        clips = {"clip_id": asked.clip_ids, "label": asked.labels, "fold": asked.folds, "held": held}
        table = pd.DataFrame(clips).astype({"clip_id": "str", "label": "str"})
        w.table("clips", table)
        w.table("kept_clips", table.iloc[rows][["clip_id", "label", "held"]].reset_index(drop=True))
        w.array("kept_epochs", np.array(spec.kept_epochs, dtype=np.int64))
        dims = [run.kept.shape[-1] for run in whole]
        explained = [
            _keep(w, r, run, len(asked.labels), dim)
            for r, (run, dim) in enumerate(zip(whole, dims, strict=True))
        ]
        w.meta.update(
            n_clips=len(asked.labels),
            n_classes=len(classes),
            n_models=len(judged),
            n_failed=len(failed),
            folds={
                "source": "drawn" if asked.drawn else "dataset",
                "held_out": asked.held_out,
                "n_clips": [int((asked.folds == f).sum()) for f in asked.held_out],
            },
            seeds=spec.seeds,
            before=before,
            explained=explained,
            note=_note(spec, asked, failed, len(judged)),
            seconds=time.perf_counter() - started,
            left_out=asked.left_out,
            cards={
                str(r): asdict(Card(**({"modality": "audio", "dimensions": dim} | card)))
                for r, dim in enumerate(dims)
            },
        )


def common_map(kept: np.ndarray) -> tuple[np.ndarray, float | None]:
    """Show a space at several epochs on the two first principal axes that it has at the last.

    Parameters
    ----------
    kept : (E, m, d) array
        Of unit vectors.

    Returns
    -------
    maps : (E, m, 2) float32 array
        One frame for all epochs. The second axis is 0 where there is only one dimension; NaN throughout where
        the last epoch is not finite.
    explained : float or None
        Share of the last epoch's variance on these axes; None where it has none, or is not finite.
    """
    wide = kept.astype(np.float64)
    maps = np.full((*kept.shape[:2], 2), np.nan, dtype=np.float32)
    last = wide[-1]
    if not np.isfinite(last).all():
        return maps, None
    centre = last.mean(axis=0)
    _, spread, axes = np.linalg.svd(last - centre, full_matrices=False)
    axes = axes[:2]
    # Either direction of an axis is right; this one is the same on every machine.
    signs = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])
    maps[:] = 0
    maps[:, :, : len(axes)] = (wide - centre) @ (signs[:, None] * axes).T
    total = float((spread**2).sum())
    return maps, float((spread[:2] ** 2).sum()) / total if total > 0 else None


def _keep(w: ArtifactWriter, recipe: int, run: HeadRun, n: int, dim: int) -> float | None:
    """Store the space of a recipe, and how it came to be; return what its map explains."""
    z = np.full((n, dim), np.nan, dtype=np.float32) if run.failed else run.embeddings
    w.array(f"audio_{recipe}", z)
    if run.weights:
        w.tensors(f"weights_{recipe}", run.weights)
    kept = run.kept.astype(np.float64)
    lengths = np.linalg.norm(kept, axis=-1, keepdims=True)
    unit = np.divide(kept, lengths, out=np.zeros_like(kept), where=lengths != 0)
    w.array(f"kept_space_{recipe}", unit.astype(np.float16))
    maps, explained = common_map(unit)
    w.array(f"kept_map_{recipe}", maps)
    return explained


def _recipes(spec: LossTraining, judged: Sequence[Judged], each: int) -> pd.DataFrame:
    from core.heads import compare_heads, score_heads

    runs = [j.run for j in judged]
    scores = score_heads(runs)
    names = [recipe.loss for recipe in spec.recipes]
    plain = runs[names.index("ce") * each].recipe if "ce" in names else None
    nothing = (np.nan,) * 4
    differences = [nothing] * len(scores)
    for r, score in enumerate(scores):
        if plain is not None and score.recipe != plain:
            found = compare_heads(runs, score.recipe, plain)
            differences[r] = (found.value, found.low, found.high, found.p)
    value, low, high, p = np.array(differences, dtype=np.float64).T
    return pd.DataFrame(
        {
            "recipe": range(len(scores)),
            "name": [recipe.name for recipe in spec.recipes],
            "loss": names,
            "weights": [list(recipe.weights) for recipe in spec.recipes],
            "accuracy": [score.accuracy.value for score in scores],
            "low": [score.accuracy.low for score in scores],
            "high": [score.accuracy.high for score in scores],
            "sd": [score.sd for score in scores],
            "n_failed": [score.n_failed for score in scores],
            "difference": value,
            "difference_low": low,
            "difference_high": high,
            "p_holm": holm(p),
        }
    )


def _runs(spec: LossTraining, judged: Sequence[Judged], asked: Asked, each: int) -> pd.DataFrame:
    rows = []
    # All recipes begin with the same seeds and folds.
    begun = [_properties(j.before, asked.labels[j.run.rows]) for j in judged[:each]]
    for i, j in enumerate(judged):
        recipe = spec.recipes[i // each]
        after = _properties(j.tested, asked.labels[j.run.rows])
        rows.append(
            {
                "run": i,
                "recipe": i // each,
                "loss": recipe.loss,
                "weights": list(recipe.weights),
                "name": recipe.name,
                "seed": j.run.seed,
                "fold": j.run.fold,
                "accuracy": j.run.accuracy,
                "n_test": len(j.run.rows),
                "failed": j.run.failed,
            }
            | dict(zip(PROPERTIES, after, strict=True))
            | {f"before_{name}": value for name, value in zip(PROPERTIES, begun[i % each], strict=True)}
        )
    return pd.DataFrame(rows)


def _properties(z: np.ndarray | None, labels: np.ndarray) -> tuple[float, ...]:
    if z is None or not np.isfinite(z).all():
        return (np.nan,) * 4
    found = angular_properties(z, labels)
    return found.mu_p, found.sigma_p, found.mu_n, found.sigma_n


def _predictions(judged: Sequence[Judged], asked: Asked, each: int) -> pd.DataFrame:
    parts = []
    for i, j in enumerate(judged):
        run = j.run
        named = run.classes[run.predictions] if not run.failed else [None] * len(run.rows)
        parts.append(
            pd.DataFrame(
                {
                    "recipe": i // each,
                    "seed": run.seed,
                    "clip_id": asked.clip_ids[run.rows],
                    "label": asked.labels[run.rows],
                    "predicted": pd.Series(list(named), dtype="str"),
                }
            )
        )
    return pd.concat(parts, ignore_index=True).astype({"clip_id": "str", "label": "str"})


def _class_pairs(
    judged: Sequence[Judged], asked: Asked, classes: np.ndarray, each: int
) -> tuple[np.ndarray, np.ndarray]:
    """Average distances of classes over the folds of seed 0, before training and after it by recipe."""
    n_folds = len(asked.held_out)
    stages = [[(j.before, j.run) for j in judged[:n_folds]]]
    for first in range(0, len(judged), each):
        stages.append([(j.tested, j.run) for j in judged[first : first + n_folds] if j.tested is not None])
    shape = (len(stages), len(classes), len(classes))
    found = np.full((2, *shape), np.nan)
    for stage, of_folds in enumerate(stages):
        total, count = np.zeros((2, *shape[1:])), np.zeros((2, *shape[1:]))
        for z, run in of_folds:
            pairs = class_distances(z, asked.labels[run.rows])
            at = np.ix_(*[np.searchsorted(classes, pairs.classes)] * 2)
            for k, values in enumerate((pairs.mean, pairs.cv)):
                there = np.isfinite(values)
                total[k][at] += np.where(there, values, 0)
                count[k][at] += there
        np.divide(total, count, out=found[:, stage], where=count > 0)
    return found[0], found[1]


def _note(spec: LossTraining, asked: Asked, failed: Sequence[str], n: int) -> str:
    found = []
    if asked.drawn and not spec.folds:
        found.append(
            f"The dataset does not put every clip into a fold: {len(np.unique(asked.folds))} folds were "
            "drawn, with each class spread over them. Clips of one recording may stand in several."
        )
    if asked.several:
        who = "1 clip has" if asked.several == 1 else f"{asked.several:,} clips have"
        found.append(f"{who} several classes, of which only the first is learned and asked for.")
    if isinstance(spec, LossGrid) and spec.embedding.source is not None:
        found.append(
            "The space was itself trained here on clips of this dataset, and may have learned the classes of "
            "clips that are held out now: accuracies flatter it."
        )
    if failed:
        found.append(f"{len(failed)} of {count(n, 'model')} failed. {failed[0]}")
    return " ".join(found)
