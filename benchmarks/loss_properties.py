"""What each weight of the ADD loss does to the clips of the fold that was held out.

    python -m benchmarks.loss_properties [SPACE.npz] [--folds PATTERN] [--hidden 256] --json properties.json

SPACE.npz and PATTERN are those of ``heads.py``. A head is trained with every loss and every setting of
weights, for each fold and three seeds; accuracy is over all clips, and the four properties (the mean and
deviation of d² within classes and of (1 - d)² between them) are measured on the held-out clips of each model
and averaged. In brackets: in how many of the models the property is lower than with cross-entropy alone, of
the same fold and seed. "Within, mean" and so on are those of figure 5, mean and coefficient of variation of d
for the pairs of classes: averaged over classes with themselves, and over different ones.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import arguments, machine, report
from benchmarks.heads import SEEDS, space
from core.heads import FIGURE_5_WEIGHTS, HeadRecipe, HeadRun, score_heads, train_heads
from core.separability import angular_properties, class_distances

PROPERTIES = ("μ_p", "σ_p", "μ_n", "σ_n")


def measured(run: HeadRun, labels: np.ndarray) -> dict[str, float]:
    """Measure the held-out clips of a model."""
    z, own = run.embeddings[run.rows], labels[run.rows]
    angles = angular_properties(z, own)
    pairs = class_distances(z, own)
    same = np.eye(len(pairs.classes), dtype=bool)
    return dict(zip(PROPERTIES, (angles.mu_p, angles.sigma_p, angles.mu_n, angles.sigma_n), strict=True)) | {
        "within, mean": float(np.nanmean(pairs.mean[same])),
        "within, cv": float(np.nanmean(pairs.cv[same])),
        "between, mean": float(pairs.mean[~same].mean()),
        "between, cv": float(pairs.cv[~same].mean()),
    }


def main() -> None:
    parser = arguments("The four properties by loss.")
    parser.add_argument("space", nargs="?", type=Path, help="an exported space")
    parser.add_argument("--folds", default=r"__(\d)-", metavar="PATTERN", help="where ids tell the fold")
    parser.add_argument("--hidden", type=int, default=0, help="width of a hidden layer")
    options = parser.parse_args()
    X, labels, folds = space(options.space, options.folds)
    recipes = [HeadRecipe(loss=loss, hidden=options.hidden) for loss in ("ce", "focal", "opl")]
    recipes += [HeadRecipe(weights=weights, hidden=options.hidden) for weights in FIGURE_5_WEIGHTS]
    runs = train_heads(X, labels, folds, recipes=recipes, seeds=SEEDS)
    properties = {(run.recipe, run.seed, run.fold): measured(run, labels) for run in runs}
    rows = []
    for score in score_heads(runs):
        mine = {key[1:]: values for key, values in properties.items() if key[0] == score.recipe}
        plain = {key[1:]: values for key, values in properties.items() if key[0] == recipes[0]}
        weights = "".join(f"{w:.0f}" for w in score.recipe.weights)
        row: dict[str, Any] = {
            "loss": f"{score.recipe.loss} {weights}".strip(),
            "accuracy": f"{100 * score.accuracy.value:.2f} ± {100 * score.sd:.2f}",
        }
        for name in next(iter(mine.values())):
            row[name] = f"{np.mean([values[name] for values in mine.values()]):.4f}"
            if name in PROPERTIES and score.recipe != recipes[0]:
                row[name] += f" ({sum(values[name] < plain[key][name] for key, values in mine.items())})"
        rows.append(row)
    title = f"{len(X):,} × {X.shape[1]}, {len(np.unique(folds))} folds × {len(SEEDS)} seeds"
    title += f", hidden layer of {options.hidden}" if options.hidden else ", linear"
    report(title, rows, machine("numpy", "torch"), options.json)


if __name__ == "__main__":
    main()
