"""A workspace with trained losses: heads trained by `core.heads` on a small space, stored as the job would.

The layout is that of `jobs.specs.losses.LossTraining`; what the job computes elsewhere is computed here by
plain NumPy, SciPy and scikit-learn.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA

from jobs.specs import EmbedAudio, LossGrid, LossNetworkGrid, Spec
from jobs.workspace.workspace import Dataset, Workspace
from tests.dashboard import made

WEIGHTS = ((1.0, 1.0, 1.0, 1.0), (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0))
PROPERTIES = ("mu_p", "sigma_p", "mu_n", "sigma_n")


def workspace(root: Path, *, sounds: bool = True, per_class: int = 10) -> Workspace:
    """Make a workspace with a trained grid on ``aisfx``, and a space ``melstats`` without one."""
    found, dataset = made.workspace(root, per_class=per_class, sounds=sounds)
    frozen = made.space(found, dataset, "aisfx", seed=0, spread=1.6)
    made.space(found, dataset, "melstats", seed=1, spread=2.0)
    grid(found, dataset, frozen)
    return found


def spec_of(dataset: Dataset, frozen: EmbedAudio, **changes: Any) -> LossGrid:
    """Return what is asked for: quick to train, with a rate at which something is learned."""
    asked: dict[str, Any] = {"add_weights": WEIGHTS, "dim": 8, "epochs": 6, "learning_rate": 0.01}
    asked |= {"seeds": 2, "keep": 5, "keep_clips": 60, "labels": dataset.labels_fingerprint}
    return LossGrid(embedding=frozen, **(asked | changes))


def grid(found: Workspace, dataset: Dataset, frozen: EmbedAudio, **changes: Any) -> LossGrid:
    """Train a grid of heads and store what came of it under its key."""
    import torch

    from core.heads import HeadRecipe, train_heads

    spec = spec_of(dataset, frozen, **changes)
    artifact = found.cache.open(frozen.key)
    X = np.asarray(artifact.array("embeddings"))
    table = dataset.clips.set_index("clip_id").loc[artifact.table("clips").column("clip_id").to_pylist()]
    ids, labels = table.index.to_numpy(str), table["label"].to_numpy(str)
    folds = table["fold"].to_numpy(int)
    recipes = [
        HeadRecipe(
            loss=r.loss,
            weights=r.weights,
            dim=spec.dim,
            epochs=spec.epochs,
            learning_rate=spec.learning_rate,
        )
        for r in spec.recipes
    ]
    kept = np.sort(np.random.default_rng(0).choice(len(X), min(spec.keep_clips, len(X)), replace=False))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        runs = train_heads(
            X,
            labels,
            folds,
            recipes=recipes,
            seeds=range(spec.seeds),
            keep_epochs=spec.kept_epochs,
            keep_rows=kept,
            device="cpu",
        )
    finally:
        torch.set_num_threads(threads)
    names = sorted(set(labels.tolist()))
    held_out = sorted(set(folds.tolist()))
    with found.cache.writer(spec.key, spec=spec.to_json()) as w:
        w.table("runs", _runs(spec, runs, X, labels, len(held_out)))
        w.table("predictions", _predictions(runs, recipes, ids, names))
        w.table("recipes", _recipes(spec, runs, recipes, labels))
        w.array("curves", np.stack([np.stack(list(run.curves.values())) for run in runs]))
        first = [run for run in runs if run.seed == 0]
        spaces = [[run.embeddings for run in first if run.recipe == r] for r in recipes]
        matrices = [_matrices([X] * len(held_out), labels, folds, names)]
        matrices += [_matrices(mine, labels, folds, names) for mine in spaces]
        w.array("class_mean", np.stack([mean for mean, _ in matrices]))
        w.array("class_cv", np.stack([cv for _, cv in matrices]))
        held = folds == held_out[0]
        w.table("clips", {"clip_id": ids, "label": labels, "fold": folds, "held": held})
        w.table("classes", {"label": names, "n_clips": [int((labels == name).sum()) for name in names]})
        w.table("kept_clips", {"clip_id": ids[kept], "label": labels[kept], "held": held[kept]})
        w.array("kept_epochs", np.asarray(spec.kept_epochs, np.int64))
        explained = []
        for i, recipe in enumerate(recipes):
            run = next(r for r in first if r.recipe == recipe and r.fold == held_out[0])
            unit = run.kept / np.linalg.norm(run.kept, axis=2, keepdims=True)
            axes = PCA(2).fit(unit[-1])
            explained.append(float(axes.explained_variance_ratio_.sum()))
            w.array(f"audio_{i}", run.embeddings)
            w.array(f"kept_space_{i}", unit.astype(np.float16))
            w.array(f"kept_map_{i}", np.stack([axes.transform(x) for x in unit]).astype(np.float32))
        w.meta.update(
            n_clips=len(X),
            n_classes=len(names),
            n_models=len(runs),
            n_failed=0,
            folds={
                "source": "dataset",
                "held_out": held_out,
                "n_clips": [int((folds == f).sum()) for f in held_out],
            },
            seeds=spec.seeds,
            before="space",
            explained=explained,
            note="",
            seconds=1.0,
            left_out={"without_class": 0, "not_finite": 0, "unreadable": 0},
            cards={},
        )
    return spec


def _runs(spec: LossGrid, runs: list[Any], X: np.ndarray, labels: np.ndarray, n_folds: int) -> pd.DataFrame:
    rows = []
    for i, run in enumerate(runs):
        at = i // (spec.seeds * n_folds)
        row = {
            "run": i,
            "recipe": at,
            "loss": spec.recipes[at].loss,
            "weights": list(spec.recipes[at].weights),
        }
        row |= {"name": spec.recipes[at].name, "seed": run.seed, "fold": run.fold}
        row |= {"accuracy": run.accuracy, "n_test": len(run.rows), "failed": ""}
        row |= _properties(run.embeddings[run.rows], labels[run.rows], "")
        rows.append(row | _properties(X[run.rows], labels[run.rows], "before_"))
    return pd.DataFrame(rows)


def _properties(X: np.ndarray, labels: np.ndarray, before: str) -> dict[str, float]:
    d = cdist(X, X, "cosine")
    same = labels[:, None] == labels
    within = d[same & ~np.eye(len(X), dtype=bool)] ** 2
    between = (1 - d[~same]) ** 2
    values = (within.mean(), within.std(ddof=1), between.mean(), between.std(ddof=1))
    return {f"{before}{name}": float(v) for name, v in zip(PROPERTIES, values, strict=True)}


def _predictions(runs: list[Any], recipes: list[Any], ids: np.ndarray, names: list[str]) -> pd.DataFrame:
    return pd.concat(
        pd.DataFrame(
            {
                "recipe": recipes.index(run.recipe),
                "seed": run.seed,
                "clip_id": ids[run.rows],
                "label": [names[t] for t in run.targets],
                "predicted": [names[p] for p in run.predictions],
            }
        )
        for run in runs
    )


def _recipes(spec: LossGrid, runs: list[Any], recipes: list[Any], labels: np.ndarray) -> pd.DataFrame:
    # Whether each clip was right, by recipe and seed: (R, S, n).
    right = np.zeros((len(recipes), spec.seeds, len(labels)))
    for run in runs:
        right[recipes.index(run.recipe), run.seed, run.rows] = run.predictions == run.targets
    rows = []
    for i, recipe in enumerate(spec.recipes):
        by_seed = right[i].mean(axis=1)
        error = stats.sem(by_seed) * stats.t.ppf(0.975, len(by_seed) - 1)
        row = {"recipe": i, "name": recipe.name, "loss": recipe.loss, "weights": list(recipe.weights)}
        row |= {"accuracy": by_seed.mean(), "low": max(0.0, by_seed.mean() - error)}
        row |= {"high": min(1.0, by_seed.mean() + error), "sd": by_seed.std(ddof=1), "n_failed": 0}
        apart = right[i].mean(axis=0) - right[0].mean(axis=0)
        found = stats.ttest_1samp(apart, 0) if apart.any() else None
        ends = found.confidence_interval() if found is not None else (0.0, 0.0)
        row |= {"difference": apart.mean(), "difference_low": ends[0], "difference_high": ends[1]}
        rows.append(row | {"p": found.pvalue if found is not None else 1.0})
    frame = pd.DataFrame(rows)
    p = frame.pop("p").to_numpy()[1:]
    order = np.argsort(p)
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    frame["p_holm"] = [np.nan, *corrected]
    frame.loc[0, ["difference", "difference_low", "difference_high"]] = np.nan
    return frame


def _matrices(
    spaces: list[np.ndarray], labels: np.ndarray, folds: np.ndarray, names: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    means, cvs = [], []
    for X, fold in zip(spaces, sorted(set(folds.tolist())), strict=True):
        Z, own = X[folds == fold], labels[folds == fold]
        d = cdist(Z, Z, "cosine")
        mean, cv = np.full((2, len(names), len(names)), np.nan)
        for i, a in enumerate(names):
            for j, b in enumerate(names):
                block = d[np.ix_(own == a, own == b)]
                pairs = block[np.triu_indices(len(block), 1)] if a == b else block.ravel()
                if len(pairs):
                    mean[i, j], cv[i, j] = pairs.mean(), pairs.std() / (pairs.mean() or 1.0)
        means.append(mean)
        cvs.append(cv)
    return np.nanmean(means, axis=0), np.nanmean(cvs, axis=0)


def network_like(
    found: Workspace, dataset: Dataset, heads: LossGrid, *, failed: int | None = None
) -> LossNetworkGrid:
    """Store what heads came to as if a network had been trained: before it there is no space.

    The models of the recipe `failed` are stored as failed ones are.
    """
    same = (
        "labels",
        "losses",
        "add_weights",
        "dim",
        "epochs",
        "learning_rate",
        "seeds",
        "keep",
        "keep_clips",
    )
    spec = LossNetworkGrid(dataset=dataset.ref, **{name: getattr(heads, name) for name in same})
    artifact = found.cache.open(heads.key)
    tables = ("runs", "predictions", "recipes", "clips", "classes", "kept_clips")
    arrays = ["curves", "class_mean", "class_cv", "kept_epochs"]
    for i in range(len(spec.recipes)):
        arrays += [f"audio_{i}", f"kept_space_{i}", f"kept_map_{i}"]
    with found.cache.writer(spec.key, spec=spec.to_json()) as w:
        for name in tables:
            table = artifact.table(name).to_pandas()
            if failed is not None and name in ("runs", "recipes"):
                table.loc[table["recipe"] == failed, [*PROPERTIES] if name == "runs" else ["sd"]] = np.nan
                table.loc[table["recipe"] == failed, "accuracy"] = np.nan
            if failed is not None and name == "runs":
                table.loc[table["recipe"] == failed, "failed"] = "The loss was no longer a number."
            w.table(name, table)
        for name in arrays:
            values = np.array(artifact.array(name))
            if name.endswith(f"_{failed}"):
                values[:] = np.nan
            w.array(name, values)
        explained = [None if i == failed else 0.5 for i in range(len(spec.recipes))]
        w.meta.update(artifact.meta | {"before": "network", "explained": explained})
    return spec


def waiting(found: Workspace, dataset: Dataset, frozen: EmbedAudio, **changes: Any) -> Spec:
    """Ask for a grid, and let a worker have begun with it."""
    spec = spec_of(dataset, frozen, **changes)
    found.queue.submit(spec)
    found.queue.claim(spec.key)
    return spec
