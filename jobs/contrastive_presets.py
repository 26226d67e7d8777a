"""Contrastive audio-text models: what is usually asked for, who is tested, and the spaces that come of it.

Light: pages and the command line use it, so it imports no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from core.contrastive.recipe import CLAP, PAPER, SMALL, ContrastiveRecipe
from core.words import count
from jobs.encoders import trained
from jobs.presets import class_texts, of_pairs
from jobs.specs import (
    ClassAnalogies,
    ContrastiveGrid,
    CuratedTraining,
    EmbedAudio,
    EmbedText,
    Separability,
    Spec,
    SpecError,
    ZeroShotClassification,
    from_json,
)
from jobs.workspace.captions import captions_fingerprint, captions_of

if TYPE_CHECKING:
    from jobs.workspace.workspace import Dataset, Workspace

#: Recipes by name, and what else goes with each.
RECIPES: dict[str, tuple[ContrastiveRecipe, dict[str, Any]]] = {
    "small": (SMALL, {"backbone": "small"}),
    "paper": (PAPER, {"backbone": "cnn14"}),
    "clap": (
        CLAP,
        {
            "backbone": "cnn14",
            "text_encoder": "class-token:google-bert/bert-base-uncased",
            "prompts": ("this is a sound of {}",),
        },
    ),
}
_ADD_CAPTIONS = (
    "give the clip table a column caption, or add a dataset that has some (`hearspace add NAME FOLDER "
    "--adapter captions`)"
)
#: Of the classes of a family, one in so many is tested.
EVERY = 4
#: The stages of a grid whose curves are shown while it trains, see `jobs.engine.live`.
LIVE_PRETRAINING, LIVE_TRAINING = "live-pretraining", "live-training"
#: The numbers of a model that its seed moves.
MEASURED = (
    *("accuracy", "silhouette_xa", "silhouette_Ea"),
    *("overlap_xa_Ea", "overlap_xt_Et", "overlap_Ea_Et"),
)
#: Sentences around class names that CLAP models are used with.
PROMPTS = ("{}", "the sound of {}", "this is a sound of {}")


def grid_of(dataset: Dataset, *, recipe: str = "small", **settings: Any) -> ContrastiveGrid:
    """Return the grid of six models of a dataset by a named recipe.

    Parameters
    ----------
    dataset : Dataset
    recipe : {"small", "paper", "clap"}, default "small"
    **settings
        Any field of `ContrastiveGrid`, in the place of what the recipe says; ``captions`` where their
        fingerprint is known already, which takes a while of very many.

    Raises
    ------
    SpecError
        With one sentence: no such recipe, a dataset without captions, classes that it does not have, or too
        few that can be tested.

    Examples
    --------
    >>> from jobs.workspace import Workspace
    >>> grid_of(Workspace.open().dataset("demo"), rate=1e-4).names  # doctest: +SKIP
    ('dirty/dirty', 'dirty/clean', 'clean/dirty', 'clean/clean', 'none/dirty', 'none/clean')
    """
    if recipe not in RECIPES:
        raise SpecError(f"The recipe is {recipe!r}; it must be one of {', '.join(RECIPES)}.")
    if "captions" not in settings:
        captions = captions_of(dataset)
        if captions.empty:
            raise SpecError(f"Dataset {dataset.name} has no captions to train on; {_ADD_CAPTIONS}.")
        settings["captions"] = captions_fingerprint(captions)
    found, more = RECIPES[recipe]
    given = {name: getattr(found, name) for name in ContrastiveRecipe.__dataclass_fields__}
    spec = ContrastiveGrid(
        dataset=dataset.ref,
        labels=dataset.labels_fingerprint,
        **(more | given | settings),
    )
    held_out_classes(dataset, spec.test_classes)
    return spec


def over_seeds(models: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the mean and the range of each number over grids that differ in their seed alone.

    Parameters
    ----------
    models : sequence of DataFrame
        ``models.parquet`` of each, see `ContrastiveGrid`.

    Returns
    -------
    DataFrame
        A row a model, in the order of the first grid: ``name``, ``pretraining``, ``training``, ``n`` (grids
        in which it did not fail) and, for each of accuracy, silhouettes and similarities, its mean over these
        by its own name, and the least and the greatest as ``..._low`` and ``..._high``.

    Examples
    --------
    >>> one = dict.fromkeys(MEASURED, 0.5) | {"name": "dirty/clean", "pretraining": "dirty", "failed": ""}
    >>> frames = [pd.DataFrame([one | {"training": "clean", "accuracy": a}]) for a in (0.25, 0.75)]
    >>> over_seeds(frames)[["name", "n", "accuracy", "accuracy_low", "accuracy_high"]].values.tolist()
    [['dirty/clean', 2, 0.5, 0.25, 0.75]]
    """
    every = pd.concat(list(models), ignore_index=True)
    every.loc[every["failed"] != "", list(MEASURED)] = np.nan
    by_name = every.groupby("name", sort=False)
    found = by_name[["pretraining", "training"]].first()
    found["n"] = (every["failed"] == "").groupby(every["name"], sort=False).sum()
    for name in MEASURED:
        found[name] = by_name[name].mean()
        found[f"{name}_low"], found[f"{name}_high"] = by_name[name].min(), by_name[name].max()
    return found.reset_index()


def held_out_classes(dataset: Dataset, asked: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the classes that models are judged by, sorted.

    Parameters
    ----------
    dataset : Dataset
    asked : sequence of str, optional
        By default every fourth class of each family, in the dataset's order, or of all where that gives fewer
        than two. Only classes of which at least two clips are of that class alone are counted.

    Raises
    ------
    SpecError
        For a class that the dataset does not have, or fewer than two that can be tested.
    """
    own = single_labels(dataset.clips)
    counts = pd.Series(own[own != ""]).value_counts()
    unknown = sorted(set(asked) - set(counts.index))
    if unknown:
        raise SpecError(
            f"No clip of {dataset.name} is of the class {unknown[0]!r} alone; test classes must have such "
            "clips."
        )
    if asked:
        return tuple(sorted(asked))
    order = [str(label) for label in dataset.classes["label"] if counts.get(label, 0) >= 2]
    family = dict(zip(dataset.classes["label"], dataset.classes["family"], strict=True))
    by_family: dict[Any, list[str]] = {}
    for label in order:
        name = family.get(label)
        by_family.setdefault(None if pd.isna(name) else name, []).append(label)
    found = [label for labels in by_family.values() for label in labels[EVERY - 1 :: EVERY]]
    if len(found) < 2:
        found = order[EVERY - 1 :: EVERY]
    if len(found) < 2:
        raise SpecError(
            f"{dataset.name} has {count(len(order), 'class')} of two or more clips; by itself, a test takes "
            f"every {EVERY}th of at least {2 * EVERY}: name test classes."
        )
    return tuple(sorted(found))


def single_labels(clips: pd.DataFrame) -> np.ndarray:
    """Return the class of every clip that is of exactly one, "" for the others; (n,) objects of str."""
    found = np.full(len(clips), "", dtype=object)
    for i, own in enumerate(label_sets(clips)):
        if len(own) == 1:
            (found[i],) = own
    return found


def label_sets(clips: pd.DataFrame) -> list[frozenset[str]]:
    """Return all classes of every clip."""
    if "labels" in clips:
        return [frozenset(map(str, own)) if np.ndim(own) == 1 else frozenset() for own in clips["labels"]]
    return [frozenset() if pd.isna(label) else frozenset([str(label)]) for label in clips["label"]]


def spaces_of(grid: ContrastiveGrid, names: Sequence[str] | None = None) -> list[EmbedAudio]:
    """Return the spaces of sounds that a grid has made: x_a and E_a of every model.

    Parameters
    ----------
    grid : ContrastiveGrid
    names : sequence of str, optional
        Models, such as "dirty/clean"; by default all.

    Returns
    -------
    list of EmbedAudio
        Of each model x_a, then E_a.
    """
    return [
        EmbedAudio(
            dataset=grid.dataset,
            encoder=trained.encoder_name(f"{what} {name}", grid.key),
            source=grid,
            run=f"{what}_{model}",
        )
        for model, name in _models(grid, names)
        for what in ("xa", "Ea")
    ]


def starts_of(grid: ContrastiveGrid) -> list[EmbedAudio]:
    """Return x_a of every pre-training before any contrastive training, in the order of the grid."""
    return [
        EmbedAudio(
            dataset=grid.dataset,
            encoder=trained.encoder_name(f"x0 {name}", grid.key),
            source=grid,
            run=f"x0_{row}",
        )
        for row, name in enumerate(grid.pretraining)
    ]


def texts_of_grid(
    grid: ContrastiveGrid, dataset: Dataset, names: Sequence[str] | None = None
) -> list[EmbedText]:
    """Return the spaces of class names that a grid has made: x_t and E_t of every model.

    Raises
    ------
    SpecError
        For a model that the grid does not have.
    """
    usual = class_texts(dataset, "minilm", of="label")
    return [
        EmbedText(
            dataset=grid.dataset,
            texts=usual.texts,
            encoder=trained.encoder_name(f"{what} {name}", grid.key),
            of="label",
            source=grid,
            run=f"{what}_{model}",
        )
        for model, name in _models(grid, names)
        for what in ("xt", "Et")
    ]


def measured_towers(grid: ContrastiveGrid, dataset: Dataset) -> list[Spec]:
    """Return E_a and E_t of every model as spaces, and what is measured of them.

    It is how well E_a parts classes, how well it fits E_t, and how often classes are found from one in the
    other.
    """
    found: list[Spec] = []
    labels = dataset.labels_fingerprint
    for heard, told in _towers(grid, dataset):
        found += [heard, told, Separability(embedding=heard, labels=labels)]
        found += of_pairs(dataset, [heard], [told], of="classes")
        found += [
            ZeroShotClassification(embedding=heard, texts=(told,), labels=labels),
            ClassAnalogies(sounds=heard, texts=told, labels=labels),
        ]
    return found


def _models(grid: ContrastiveGrid, names: Sequence[str] | None) -> list[tuple[int, str]]:
    wanted = grid.names if names is None else tuple(names)
    unknown = [name for name in wanted if name not in grid.names]
    if unknown:
        raise SpecError(f"There is no model {unknown[0]!r}; the grid has {', '.join(grid.names)}.")
    return [(grid.names.index(name), name) for name in wanted]


def classification(
    dataset: Dataset,
    encoder: str,
    *,
    workspace: Workspace | None = None,
    text: str | None = None,
    of: str = "label",
    prompts: Sequence[str] = ("{}",),
    classes: Sequence[str] = (),
) -> ZeroShotClassification:
    """Return the zero-shot classification of a dataset by a model of two towers.

    Parameters
    ----------
    dataset : Dataset
    encoder : str
        One that embeds sounds and texts, such as ``"transformers:laion/clap-htsat-unfused"``; or one of the
        spaces E_a that a grid made in `workspace`, whose texts are E_t of the same model.
    workspace : Workspace, optional
        Where trained spaces are looked for.
    text : str, optional
        Encoder of the texts; the same by default.
    of : {"label", "description"}, default "label"
    prompts : sequence of str, default ("{}",)
    classes : sequence of str, optional
        To choose from, by default all.

    Raises
    ------
    SpecError
        For classes that the dataset does not have or a trained space that is not there, besides what the
        encoders say.
    """
    unknown = sorted(set(classes) - set(dataset.classes["label"].astype(str)))
    if unknown:
        raise SpecError(f"Dataset {dataset.name} has no class {unknown[0]!r}.")
    if encoder.startswith(f"{trained.NAME}:") and workspace is not None:
        heard, texts = _trained_towers(workspace, dataset, encoder)
        if text is not None or of != "label" or tuple(prompts) != ("{}",):
            raise SpecError(
                f"{encoder} was trained together with its texts, the names of the classes in the prompts of "
                "its training; leave text, of and prompts out."
            )
    else:
        heard = EmbedAudio(dataset=dataset.ref, encoder=encoder)
        texts = tuple(class_texts(dataset, text or encoder, of=of, template=p) for p in prompts)
    return ZeroShotClassification(
        embedding=heard, texts=texts, labels=dataset.labels_fingerprint, classes=tuple(classes)
    )


def curated_training(
    dataset: Dataset,
    embedding: EmbedAudio,
    *,
    text: str | None = None,
    captions: str | None = None,
    **settings: Any,
) -> CuratedTraining:
    """Return the training on pairs of a dataset that a model of two towers curates.

    Parameters
    ----------
    dataset : Dataset
    embedding : EmbedAudio
        By an encoder that embeds texts as well, or E_a of a model that was trained here.
    text : str, optional
        Encoder of the texts; the same by default.
    captions : str, optional
        Their fingerprint where it is known.
    **settings
        Any other field of `CuratedTraining`.

    Raises
    ------
    SpecError
        With one sentence: no captions, classes that cannot be tested, or a space without texts.
    """
    if captions is None:
        table = captions_of(dataset)
        if table.empty:
            raise SpecError(f"Dataset {dataset.name} has no captions to choose from; {_ADD_CAPTIONS}.")
        captions = captions_fingerprint(table)
    spec = CuratedTraining(
        embedding=embedding,
        labels=dataset.labels_fingerprint,
        captions=captions,
        text_encoder=text or "",
        **settings,
    )
    held_out_classes(dataset, spec.split.test_classes)
    return spec


def _trained_towers(
    workspace: Workspace, dataset: Dataset, encoder: str
) -> tuple[EmbedAudio, tuple[EmbedText, ...]]:
    """Find E_a and E_t of a model of a grid by the name of its space."""
    found = []
    for grid in grids_of(workspace, dataset):
        for space, text in _towers(grid, dataset):
            if space.encoder == encoder:
                return space, (text,)
            found.append(space.encoder)
    there = f"; there are {', '.join(found)}" if found else ": `hearspace train contrastive` makes some"
    raise SpecError(f"No space {encoder!r} of two towers was trained on {dataset.name}{there}.")


def grids_of(workspace: Workspace, dataset: Dataset) -> list[ContrastiveGrid]:
    """Return the grids of a dataset that are trained, the newest first."""
    found = []
    for info in workspace.cache.list(type=ContrastiveGrid.__name__):
        # What another version made is not there.
        with suppress(SpecError):
            spec = from_json(info.spec)
            if isinstance(spec, ContrastiveGrid) and spec.dataset.fingerprint == dataset.fingerprint:
                found.append(spec)
    return found


def _towers(grid: ContrastiveGrid, dataset: Dataset) -> list[tuple[EmbedAudio, EmbedText]]:
    heard = [space for space in spaces_of(grid) if space.run.startswith("Ea")]
    told = [text for text in texts_of_grid(grid, dataset) if text.run.startswith("Et")]
    return list(zip(heard, told, strict=True))


def classifications_of(grid: ContrastiveGrid, dataset: Dataset) -> list[ZeroShotClassification]:
    """Return the classification of all clips among all classes by every model of a grid."""
    return [
        ZeroShotClassification(embedding=space, texts=(text,), labels=dataset.labels_fingerprint)
        for space, text in _towers(grid, dataset)
    ]
