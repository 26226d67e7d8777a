"""Classifier heads of all folds, seeds and losses, against plain PyTorch, one model after another.

    python -m benchmarks.heads [SPACE.npz] [--alone 4] [--folds PATTERN] --json heads.json

SPACE.npz is what ``hearspace export`` writes, with ``embeddings``, ``labels`` and ``clip_ids``; without it
400 clips of 10 classes are drawn. Folds are what PATTERN finds in the ids (its first group), else drawn. The
plain loop is timed with one thread and with as many as torch takes, on ``--alone`` models, evenly from all
losses; its time is that of these, times all models over these. Both have to come to the same predictions.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch

from benchmarks.harness import arguments, best_of, machine, report
from core.heads import HeadRecipe, HeadRun, draw_folds, train_heads
from tests.core.references.heads import train_head

SEEDS = (0, 1, 2)
LOSSES = ("ce", "focal", "opl", "add")


def space(path: Path | None, pattern: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return embeddings, labels and folds."""
    if path is None:
        random = np.random.default_rng(0)
        codes = np.arange(400) % 10
        X = random.standard_normal((10, 512))[codes] + 3 * random.standard_normal((400, 512))
        return X.astype(np.float32), codes, draw_folds(codes)
    with np.load(path, allow_pickle=False) as file:
        X, labels, ids = file["embeddings"], file["labels"], file["clip_ids"]
    matches = [re.search(pattern, str(i)) for i in ids]
    if not all(matches):
        return X, labels, draw_folds(labels)
    return X, labels, np.array([int(m[1]) for m in matches if m])


def main() -> None:
    parser = arguments("Classifier heads, timed.")
    parser.add_argument("space", nargs="?", type=Path, help="an exported space")
    parser.add_argument("--folds", default=r"__(\d)-", metavar="PATTERN", help="where ids tell the fold")
    parser.add_argument("--alone", type=int, default=4, metavar="N", help="models of the plain loop")
    parser.set_defaults(rounds=1)
    options = parser.parse_args()
    X, labels, folds = space(options.space, options.folds)
    recipes = [HeadRecipe(loss=loss) for loss in LOSSES]
    names = np.unique(folds).tolist()
    jobs = [(recipe, seed, fold) for seed in SEEDS for fold in names for recipe in recipes][: options.alone]
    train_heads(X, labels, folds, recipes=[HeadRecipe(epochs=1)], seeds=[0])  # what loads on first use
    runs: dict[str, list[HeadRun]] = {}

    def batched() -> None:
        runs["batched"] = train_heads(X, labels, folds, recipes=recipes, seeds=SEEDS)

    def alone(threads: int) -> None:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        runs["alone"] = [
            train_head(X, labels, folds, recipe=recipe, seed=seed, fold=fold) for recipe, seed, fold in jobs
        ]
        torch.set_num_threads(before)

    threads = torch.get_num_threads()
    candidates = {"batched": batched, "one thread": lambda: alone(1)}
    if threads > 1:
        candidates[f"{threads} threads"] = lambda: alone(threads)
    seconds = best_of(options.rounds, candidates)
    together = {(run.recipe, run.seed, run.fold): run for run in runs["batched"]}
    for run in runs["alone"]:
        np.testing.assert_array_equal(run.predictions, together[run.recipe, run.seed, run.fold].predictions)
    n = len(runs["batched"])
    rows = [{"what": f"{n} models, batched", "seconds": seconds.pop("batched"), "models": n, "ratio": 1.0}]
    for name, each in seconds.items():
        whole = each * n / len(jobs)
        rows.append(
            {
                "what": f"one after another, {name}, from {len(jobs)} of them",
                "seconds": whole,
                "models": n,
                "ratio": whole / float(rows[0]["seconds"]),
            }
        )
    title = (
        f"Heads on {len(X):,} × {X.shape[1]}: {len(names)} folds × {len(SEEDS)} seeds × {len(LOSSES)} losses"
    )
    report(f"{title}, {recipes[0].epochs} epochs", rows, machine("numpy", "torch"), options.json)


if __name__ == "__main__":
    main()
