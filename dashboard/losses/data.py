"""Trainings with several losses as the page lists them, and the folds that they are tested on, in words.

A setting is a loss with its weights: a recipe of a training, by its name. `dashboard.losses.numbers` has what
is measured of settings, `dashboard.losses.spaces` the spaces that they made.
"""

from __future__ import annotations

from core.recipes import describe
from core.words import count
from dashboard import grids as listed
from dashboard.data import Clips
from jobs import presets as measures
from jobs.specs import EmbedAudio, LossGrid, LossNetworkGrid
from jobs.workspace.workspace import Dataset, Workspace

AnyGrid = LossGrid | LossNetworkGrid
Grid = listed.Grid[AnyGrid]


def names(spec: AnyGrid) -> list[str]:
    """Return the names of the settings of a training."""
    return [recipe.name for recipe in spec.recipes]


def started_from(spec: AnyGrid) -> str:
    """Return what was trained: the space, or the network."""
    return spec.embedding.encoder if isinstance(spec, LossGrid) else spec.network


def grids(workspace: Workspace, dataset: Dataset, embedding: EmbedAudio | None = None) -> list[Grid]:
    """Return the trainings of a dataset: those that are done, the newest first, then those that are pending.

    With `embedding`, only heads on that space, and networks.
    """

    def mine(spec: AnyGrid) -> bool:
        if embedding is not None and isinstance(spec, LossGrid) and spec.embedding.key != embedding.key:
            return False
        # The page shows them beside the labels as they are now.
        same = spec.dataset.fingerprint == dataset.fingerprint
        return same and spec.labels == dataset.labels_fingerprint

    return listed.find(workspace, (LossGrid, LossNetworkGrid), mine)


def summarise(spec: AnyGrid) -> str:
    """Describe a training in a few words."""
    what = spec.network if isinstance(spec, LossNetworkGrid) else "linear"
    if isinstance(spec, LossGrid) and spec.hidden:
        what = f"hidden {spec.hidden}"
    sizes = count(len(spec.recipes), "loss"), count(spec.seeds, "seed"), count(spec.epochs, "epoch")
    return " · ".join([what, *sizes])


def recipe_words(spec: AnyGrid) -> str:
    """Describe how the models of a training are trained."""
    unused = {"focal": ("focal_gamma",), "opl": ("opl_gamma", "opl_weight")}
    return describe(
        spec, [name for loss, names in unused.items() if loss not in spec.losses for name in names]
    )


def own_folds(c: Clips) -> list[int]:
    """Return the dataset's own folds, ascending; [] if a clip with a class has none."""
    if "fold" not in c.frame:
        return []
    folds = c.frame["fold"][measures.clip_classes(c.frame) != ""]
    return [] if folds.isna().any() else sorted(int(fold) for fold in folds.unique())


def fold_name(c: Clips, fold: int) -> str:
    """Return the name of a fold, or its number if it has no name."""
    return measures.fold_names(c.frame).get(fold, str(fold))


def folds_problem(c: Clips, drawn: int) -> str:
    """Return why models cannot be trained on the dataset's folds (0) or on so many drawn ones, or ""."""
    n = int((measures.clip_classes(c.frame) != "").sum())
    if drawn > n:
        return f"{drawn} folds cannot be drawn from {count(n, 'clip')} with a class; ask for fewer."
    if not drawn and len(own := own_folds(c)) == 1:
        fold = fold_name(c, own[0])
        return f"All clips are in the dataset’s fold {fold}; have folds drawn, for example five: see Recipe."
    return ""


def folds_words(c: Clips, spec: AnyGrid) -> str:
    """Describe on which folds models are tested."""
    if spec.held_out:
        out = ", ".join(fold_name(c, fold) for fold in spec.held_out)
        return f"tested only on {'fold' if len(spec.held_out) == 1 else 'folds'} {out} of the dataset"
    if spec.folds or not own_folds(c):
        return f"on {spec.folds or 'five'} drawn folds, each held out once"
    return "on the dataset’s own folds, each held out once"


def parsed_weights(text: str) -> list[tuple[float, ...]] | None:
    """Read settings of four weights, with a semicolon between two; None for any other text.

    Examples
    --------
    >>> parsed_weights("1 0.5 1 0.5; 2,0,1,0"), parsed_weights(" "), parsed_weights("1 2 3")
    ([(1.0, 0.5, 1.0, 0.5), (2.0, 0.0, 1.0, 0.0)], [], None)
    """
    settings: list[tuple[float, ...]] = []
    for part in filter(str.strip, text.split(";")):
        try:
            weights = tuple(float(w) for w in part.replace(",", " ").split())
        except ValueError:
            return None
        if len(weights) != 4 or not all(0 <= w <= 1000 for w in weights):
            return None
        settings.append(weights)
    return settings


def usual_settings(spec: AnyGrid) -> list[str]:
    """Return what is compared at first: ADD with most weights, cross-entropy and the next ADD, or others."""
    plain = [r.name for r in spec.recipes if r.loss == "ce"]
    of_add = [r for r in spec.recipes if r.loss in ("add", "add-soft")]
    add = [r.name for r in sorted(of_add, key=lambda r: -sum(w > 0 for w in r.weights))]
    return list(dict.fromkeys([*add[:1], *plain, *add[1:], *names(spec)]))[:3]


def kept_space(spec: AnyGrid, dataset: Dataset, name: str) -> EmbedAudio:
    """Return the spec of the space that a setting made, which every page can show."""
    return measures.trained_by_losses(dataset, spec)[names(spec).index(name)]
