"""What trainings with several losses make of the clips, for heads and networks alike: their result."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from core.words import count
from jobs.encoders import Card
from jobs.tasks.loss_training import LossTraining, TrainingClips, choose_rows
from jobs.tasks.schema import Schema, array, numbered, table, tensors, value

if TYPE_CHECKING:
    import pyarrow as pa

    from core.heads import HeadRun
    from jobs.engine.context import JobContext

#: The four properties of `core.separability.angular_properties`, by the names of their columns.
PROPERTIES = ("mu_p", "sigma_p", "mu_n", "sigma_n")
_OF_RECIPE = {
    "recipe": ("int64", "its number, from 0"),
    "name": ("string", "the loss with its weights, as people call it"),
    "loss": ("string", "the loss"),
    "weights": ("list[double]", "the weights of ADD; none for other losses"),
}
_OF_CLIP = {"clip_id": ("string", "its id"), "label": ("string", "its class")}
_HELD = {"held": ("bool", "whether it is in the first of the folds that are held out")}


class Result(Schema):
    """Models of R recipes, trained with every seed on every fold that is held out, for E epochs.

    "Before" is the space or the network that training begins with. Spaces are of the model of seed 0 and of
    the first fold that is held out: models of other folds make other spaces, which do not fit together.
    """

    recipes: pa.Table = table(
        "R",
        "a loss with its weights",
        {
            **_OF_RECIPE,
            "accuracy": ("double", "mean over seeds, each over the clips of all folds that are held out"),
            "low": ("double", "low end of its interval (Student's t)"),
            "high": ("double", "high end of its interval"),
            "sd": ("double", "standard deviation over seeds"),
            "n_failed": ("int64", "models that failed"),
            "difference": (
                "double",
                "accuracy less that of cross-entropy, paired by clip; NaN without it",
            ),
            "difference_low": ("double", "low end of its interval"),
            "difference_high": ("double", "high end of its interval"),
            "p_holm": ("double", "p of the difference, corrected for the number of recipes"),
        },
    )
    runs: pa.Table = table(
        "M",
        "a model: recipe after recipe, seed after seed, fold after fold",
        {
            "run": ("int64", "its number, from 0"),
            **_OF_RECIPE,
            "seed": ("int64", "its seed"),
            "fold": ("int64", "the fold that was held out"),
            "accuracy": ("double", "accuracy on that fold"),
            "n_test": ("int64", "clips of that fold"),
            "failed": ("string", 'why it failed, or ""; its numbers are NaN then'),
            **{name: ("double", f"{name} of the clips of that fold") for name in PROPERTIES},
            **{f"before_{name}": ("double", f"{name} before training") for name in PROPERTIES},
        },
    )
    predictions: pa.Table = table(
        "P",
        "a held-out clip, as the models of a recipe and a seed classify it",
        {
            "recipe": _OF_RECIPE["recipe"],
            "seed": ("int64", "the seed"),
            **_OF_CLIP,
            "predicted": ("string", "the class that is predicted; null where the model failed"),
        },
    )
    curves: np.ndarray = array(
        "float32",
        "M 3 E",
        "loss, training accuracy and test accuracy of every model; NaN from where it failed",
    )
    classes: pa.Table = table(
        "C", "a class, in sorted order", {"label": ("string", "its name"), "n_clips": ("int64", "its clips")}
    )
    class_mean: np.ndarray = array(
        "float64",
        "R+1 C C",
        "mean cosine distance of the held-out clips of two classes, averaged over the folds of seed 0: "
        "before training, then of every recipe; NaN where no fold has a pair",
    )
    class_cv: np.ndarray = array("float64", "R+1 C C", "coefficient of variation of these distances")
    clips: pa.Table = table("n", "a clip", {**_OF_CLIP, "fold": ("int64", "its fold"), **_HELD})
    audio: Mapping[int, np.ndarray] = numbered(
        array("float32", "n d", "the space of a recipe; NaN if its model failed")
    )
    weights: Mapping[int, dict[str, np.ndarray]] = numbered(
        tensors("weights of that model, if it did not fail; old results have none", default=None)
    )
    kept_epochs: np.ndarray = array("int64", "K", "epochs whose embeddings are kept, from 0, before training")
    kept_clips: pa.Table = table("m", "a clip whose embeddings are kept", {**_OF_CLIP, **_HELD})
    kept_space: Mapping[int, np.ndarray] = numbered(
        array("float16", "K m d", "their embeddings by that model at these epochs, at unit length")
    )
    kept_map: Mapping[int, np.ndarray] = numbered(
        array("float32", "K m 2", "the same on the first two principal axes of the last epoch")
    )
    n_clips: int = value("clips")
    n_classes: int = value("classes")
    n_models: int = value("models")
    n_failed: int = value("models that failed")
    folds: dict[str, Any] = value(
        "``source``, dataset or drawn; ``held_out``, the names in order; ``n_clips`` of each"
    )
    seeds: int = value("number of seeds")
    before: str = value("what training begins with: space or network")
    explained: list[float | None] = value(
        "share of the variance that the axes of a recipe's maps hold; null where its model failed"
    )
    note: str = value("what readers should know, or nothing")
    seconds: float = value("time of the computation")
    left_out: dict[str, int] = value("clips that are ``without_class``, ``not_finite`` or ``unreadable``")
    cards: dict[str, object] = value("the encoder's card of every recipe's space, by its number")

    @property
    def class_names(self) -> list[str]:
        """The classes in order."""
        return self.column("classes", "label")


class Judged(NamedTuple):
    """A model with the embeddings of its held-out clips, before and after training.

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


def measure(
    spec: Any,
    context: JobContext,
    clips: TrainingClips,
    judged: Sequence[Judged],
    *,
    before: str,
    parameters: int | None = None,
    started: float,
) -> Result:
    """Compute what the result holds of models that are trained.

    Parameters
    ----------
    spec : LossGrid or LossNetworkGrid
    context : JobContext
    clips : TrainingClips
    judged : sequence of Judged
        Recipe after recipe, seed after seed, fold after fold.
    before : {"space", "network"}
        What "before training" is.
    parameters : int, optional
        Weights of the trained networks.
    started : float
        `time.perf_counter` when the job began.
    """
    each = spec.seeds * len(clips.held_out)
    failed = [j.run.failed for j in judged if j.run.failed]
    for why in failed:
        context.log(why)
    classes, sizes = np.unique(clips.labels, return_counts=True)
    mean, cv = _class_pairs(judged, clips, classes, each)
    held = clips.folds == clips.held_out[0]
    about = {"clip_id": clips.clip_ids, "label": clips.labels, "fold": clips.folds, "held": held}
    every = pd.DataFrame(about).astype({"clip_id": "str", "label": "str"})
    kept = every.iloc[choose_rows(clips.labels, spec.keep_clips)]
    card = Card(
        modality="audio",
        objective="classification",
        parameters=parameters,
        training_data=int((~held).sum()),
        dimensions=spec.dim,
    )
    first = [j.run for j in judged[::each]]  # seed 0, first fold
    lost = np.full((len(held), spec.dim), np.nan, dtype=np.float32)
    spaces = [_unit(run.kept) for run in first]
    maps = [common_map(space) for space in spaces]
    return Result(
        recipes=_recipes(spec, judged, each),
        runs=_runs(spec, judged, clips, each),
        predictions=_predictions(judged, clips, each),
        curves=np.stack([np.stack(list(j.run.curves.values())) for j in judged]),
        classes={"label": classes, "n_clips": sizes},
        class_mean=mean,
        class_cv=cv,
        clips=every,
        audio={r: lost if run.failed else run.embeddings for r, run in enumerate(first)},
        weights={r: run.weights for r, run in enumerate(first) if run.weights},
        kept_epochs=np.array(spec.kept_epochs, dtype=np.int64),
        kept_clips=kept[["clip_id", "label", "held"]].reset_index(drop=True),
        kept_space={r: space.astype(np.float16) for r, space in enumerate(spaces)},
        kept_map={r: of for r, (of, _) in enumerate(maps)},
        n_clips=len(held),
        n_classes=len(classes),
        n_models=len(judged),
        n_failed=len(failed),
        folds={
            "source": "drawn" if clips.drawn else "dataset",
            "held_out": clips.held_out,
            "n_clips": [int((clips.folds == f).sum()) for f in clips.held_out],
        },
        seeds=spec.seeds,
        before=before,
        explained=[share for _, share in maps],
        note=_note(spec, clips, failed, len(judged)),
        seconds=time.perf_counter() - started,
        left_out=clips.left_out,
        cards={str(r): asdict(card) for r in range(len(first))},
    )


def _unit(kept: np.ndarray) -> np.ndarray:
    """Bring vectors to unit length in float64; zero vectors stay as they are."""
    wide = kept.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=-1, keepdims=True)
    return np.divide(wide, lengths, out=np.zeros_like(wide), where=lengths != 0)


def common_map(kept: np.ndarray) -> tuple[np.ndarray, float | None]:
    """Project a space at several epochs on the first two principal axes that it has at the last.

    Parameters
    ----------
    kept : (E, m, d) array
        Of unit vectors.

    Returns
    -------
    maps : (E, m, 2) float32 array
        On the same axes for all epochs. The second axis is 0 for a single dimension; NaN throughout where the
        last epoch is not finite.
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


def _recipes(spec: LossTraining, judged: Sequence[Judged], each: int) -> pd.DataFrame:
    from core.heads import compare_heads, score_heads
    from core.statistics import Difference, holm

    runs = [j.run for j in judged]
    plain = {runs[r * each].recipe for r, recipe in enumerate(spec.recipes) if recipe.loss == "ce"}
    rows = []
    for number, (recipe, score) in enumerate(zip(spec.recipes, score_heads(runs), strict=True)):
        compared = Difference(np.nan, np.nan, np.nan, 0, np.nan)
        for other in plain - {score.recipe}:
            compared = compare_heads(runs, score.recipe, other)
        rows.append(
            {
                "recipe": number,
                **recipe._asdict(),
                "accuracy": score.accuracy.value,
                "low": score.accuracy.low,
                "high": score.accuracy.high,
                "sd": score.sd,
                "n_failed": score.n_failed,
                "difference": compared.value,
                "difference_low": compared.low,
                "difference_high": compared.high,
                "p_holm": compared.p,
            }
        )
    frame = pd.DataFrame(rows)
    return frame.assign(p_holm=holm(frame["p_holm"].to_numpy(np.float64)))


def _runs(spec: LossTraining, judged: Sequence[Judged], clips: TrainingClips, each: int) -> pd.DataFrame:
    rows = []
    # All recipes begin with the same seeds and folds.
    before = [_properties(j.before, clips.labels[j.run.rows], "before_") for j in judged[:each]]
    for i, j in enumerate(judged):
        rows.append(
            {
                "run": i,
                "recipe": i // each,
                **spec.recipes[i // each]._asdict(),
                "seed": j.run.seed,
                "fold": j.run.fold,
                "accuracy": j.run.accuracy,
                "n_test": len(j.run.rows),
                "failed": j.run.failed,
            }
            | _properties(j.tested, clips.labels[j.run.rows])
            | before[i % each]
        )
    return pd.DataFrame(rows)


def _properties(z: np.ndarray | None, labels: np.ndarray, prefix: str = "") -> dict[str, float]:
    from core.separability import angular_properties

    if z is None or not np.isfinite(z).all():
        return {f"{prefix}{name}": np.nan for name in PROPERTIES}
    of = angular_properties(z, labels)
    return {f"{prefix}{name}": getattr(of, name) for name in PROPERTIES}


def _predictions(judged: Sequence[Judged], clips: TrainingClips, each: int) -> pd.DataFrame:
    parts = [
        pd.DataFrame(
            {
                "recipe": i // each,
                "seed": run.seed,
                "clip_id": clips.clip_ids[run.rows],
                "label": clips.labels[run.rows],
                "predicted": [None] * len(run.rows) if run.failed else list(run.classes[run.predictions]),
            }
        ).astype({"clip_id": "str", "label": "str", "predicted": "str"})
        for i, (run, _, _) in enumerate(judged)
    ]
    return pd.concat(parts, ignore_index=True)


def _class_pairs(
    judged: Sequence[Judged], clips: TrainingClips, classes: np.ndarray, each: int
) -> tuple[np.ndarray, np.ndarray]:
    """Average distances of classes over the folds of seed 0, before training and after it by recipe."""
    from core.separability import class_distances

    folds, C = len(clips.held_out), len(classes)
    models = [judged[start : start + folds] for start in range(0, len(judged), each)]
    stages: list[list[np.ndarray | None]] = [
        [j.before for j in models[0]],
        *[[j.tested for j in own] for own in models],
    ]
    averages = np.full((2, len(stages), C, C), np.nan)
    for stage, spaces in enumerate(stages):
        pairs = np.full((2, folds, C, C), np.nan)
        for fold, z in enumerate(spaces):
            if z is not None:
                of = class_distances(z, clips.labels[models[0][fold].run.rows])
                at = np.ix_(*[np.searchsorted(classes, of.classes)] * 2)
                pairs[0, fold][at], pairs[1, fold][at] = of.mean, of.cv
        averages[:, stage] = np.ma.masked_invalid(pairs).mean(axis=1).filled(np.nan)
    return averages[0], averages[1]


def _note(spec: Any, clips: TrainingClips, failed: Sequence[str], n: int) -> str:
    sentences = []
    if clips.drawn and not spec.folds:
        sentences.append(
            f"The dataset does not put every clip into a fold: {len(np.unique(clips.folds))} folds were "
            "drawn, with each class spread over them. Clips of one recording may be in several of them."
        )
    if clips.several:
        who = "1 clip has" if clips.several == 1 else f"{clips.several:,} clips have"
        sentences.append(f"{who} several classes, of which only the first is learned and tested.")
    if "embedding" in vars(spec) and spec.embedding.source is not None:
        sentences.append(
            "The space was itself trained here on clips of this dataset, and may have learned the classes of "
            "clips that are held out now: accuracies are too optimistic."
        )
    if failed:
        sentences.append(f"{len(failed)} of {count(n, 'model')} failed. {failed[0]}")
    return " ".join(sentences)
