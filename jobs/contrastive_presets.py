"""Contrastive audio-text models: the usual grids, the classes that are held out, and the trained spaces.

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
    """Return the grid of six models of a dataset with the settings of a recipe of `RECIPES`.

    Settings are any fields of `ContrastiveGrid` in the place of the recipe's, and ``captions``, the
    fingerprint of the captions where it is known already.

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
    base, more = RECIPES[recipe]
    given = {name: getattr(base, name) for name in ContrastiveRecipe.__dataclass_fields__}
    spec = ContrastiveGrid(
        dataset=dataset.ref,
        labels=dataset.labels_fingerprint,
        **(more | given | settings),
    )
    held_out_classes(dataset, spec.test_classes)
    return spec


def over_seeds(models: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the mean and the range of each number over grids that differ in their seed alone.

    `models` are their tables of models. The result has a row a model, in the order of the first grid:
    ``name``, ``pretraining``, ``training``, ``n`` (grids without its failure) and, of each of `MEASURED`, the
    mean over these under its own name, the least as ``..._low`` and the greatest as ``..._high``.

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
    means = by_name[["pretraining", "training"]].first()
    means["n"] = (every["failed"] == "").groupby(every["name"], sort=False).sum()
    for name in MEASURED:
        means[name] = by_name[name].mean()
        means[f"{name}_low"], means[f"{name}_high"] = by_name[name].min(), by_name[name].max()
    return means.reset_index()


def held_out_classes(dataset: Dataset, asked: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the classes that models are judged by, sorted: those that are asked for.

    By default it is every fourth class of each family, in the dataset's order, or of all where that gives
    fewer than two. Only classes of which at least two clips are of that class alone are counted.

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
    tested = [label for labels in by_family.values() for label in labels[EVERY - 1 :: EVERY]]
    if len(tested) < 2:
        tested = order[EVERY - 1 :: EVERY]
    if len(tested) < 2:
        raise SpecError(
            f"{dataset.name} has {count(len(order), 'class')} of two or more clips; by itself, a test takes "
            f"every {EVERY}th of at least {2 * EVERY}: name test classes."
        )
    return tuple(sorted(tested))


def single_labels(clips: pd.DataFrame) -> np.ndarray:
    """Return the class of every clip that is of exactly one, "" for the others; (n,) objects of str."""
    labels = [next(iter(own)) if len(own) == 1 else "" for own in label_sets(clips)]
    return np.array(labels, dtype=object)


def label_sets(clips: pd.DataFrame) -> list[frozenset[str]]:
    """Return all classes of every clip."""
    if "labels" in clips:
        return [frozenset(map(str, own)) if np.ndim(own) == 1 else frozenset() for own in clips["labels"]]
    return [frozenset() if pd.isna(label) else frozenset([str(label)]) for label in clips["label"]]


def spaces_of(grid: ContrastiveGrid, names: Sequence[str] | None = None) -> list[EmbedAudio]:
    """Return the spaces of sounds that a grid has made: of every model x_a, then E_a.

    `names` are models, such as "dirty/clean"; by default all.
    """
    return [
        _space(grid, f"{what} {name}", f"{what}_{model}")
        for model, name in _models(grid, names)
        for what in ("xa", "Ea")
    ]


def starts_of(grid: ContrastiveGrid) -> list[EmbedAudio]:
    """Return x_a of every pre-training before any contrastive training, in the order of the grid."""
    return [_space(grid, f"x0 {name}", f"x0_{row}") for row, name in enumerate(grid.pretraining)]


def _space(grid: ContrastiveGrid, name: str, run: str) -> EmbedAudio:
    encoder = trained.encoder_name(name, grid.key)
    return EmbedAudio(dataset=grid.dataset, encoder=encoder, source=grid, run=run)


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


def all_spaces_of(
    grid: ContrastiveGrid, dataset: Dataset, names: Sequence[str] | None = None
) -> list[EmbedAudio | EmbedText]:
    """Return the spaces of sounds and of class names that a grid has made, by default of all models."""
    return [*spaces_of(grid, names), *texts_of_grid(grid, dataset, names)]


def measured_towers(grid: ContrastiveGrid, dataset: Dataset) -> list[Spec]:
    """Return E_a and E_t of every model as spaces, and what is measured of them.

    It is how well E_a separates classes, how well it fits E_t, and how often a class is classified correctly
    from one to the other.
    """
    specs: list[Spec] = []
    labels = dataset.labels_fingerprint
    for space, text in _towers(grid, dataset):
        specs += [space, text, Separability(embedding=space, labels=labels)]
        specs += of_pairs(dataset, [space], [text], of="classes")
        specs += [
            ZeroShotClassification(embedding=space, texts=(text,), labels=labels),
            ClassAnalogies(sounds=space, texts=text, labels=labels),
        ]
    return specs


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
        The workspace whose trained spaces may be named.
    text : str, optional
        Encoder of the texts; the same by default.
    of, prompts
        What of the classes is embedded, "label" or "description", and the sentences around it.
    classes : sequence of str, optional
        To choose from, by default all.

    Raises
    ------
    SpecError
        For classes that the dataset does not have, a trained space that does not exist, and whatever the
        encoders refuse.
    """
    unknown = sorted(set(classes) - set(dataset.classes["label"].astype(str)))
    if unknown:
        raise SpecError(f"Dataset {dataset.name} has no class {unknown[0]!r}.")
    if encoder.startswith(f"{trained.NAME}:") and workspace is not None:
        space, text_space = _trained_towers(workspace, dataset, encoder)
        texts: tuple[EmbedText, ...] = (text_space,)
        if text is not None or of != "label" or tuple(prompts) != ("{}",):
            raise SpecError(
                f"{encoder} was trained together with its texts, the names of the classes in the prompts of "
                "its training; leave text, of and prompts out."
            )
    else:
        space = EmbedAudio(dataset=dataset.ref, encoder=encoder)
        texts = tuple(class_texts(dataset, text or encoder, of=of, template=p) for p in prompts)
    return ZeroShotClassification(
        embedding=space, texts=texts, labels=dataset.labels_fingerprint, classes=tuple(classes)
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

    `embedding` is by an encoder that embeds texts as well, or E_a of a model that was trained here; `text` is
    another encoder of the texts, `captions` their fingerprint where it is known, and settings are any other
    fields of `CuratedTraining`.

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


def _trained_towers(workspace: Workspace, dataset: Dataset, encoder: str) -> tuple[EmbedAudio, EmbedText]:
    """Return E_a and E_t of a model of a grid by the name of its space."""
    towers = [pair for grid in grids_of(workspace, dataset) for pair in _towers(grid, dataset)]
    for space, text in towers:
        if space.encoder == encoder:
            return space, text
    names = ", ".join(space.encoder for space, _ in towers)
    others = f"; there are {names}" if names else ": `hearspace train contrastive` makes some"
    raise SpecError(f"No space {encoder!r} of two towers was trained on {dataset.name}{others}.")


def grids_of(workspace: Workspace, dataset: Dataset) -> list[ContrastiveGrid]:
    """Return the trained grids of a dataset, the newest first."""
    grids = []
    for info in workspace.cache.list(type=ContrastiveGrid.__name__):
        # A grid of another version counts as missing.
        with suppress(SpecError):
            spec = from_json(info.spec)
            if isinstance(spec, ContrastiveGrid) and spec.dataset.fingerprint == dataset.fingerprint:
                grids.append(spec)
    return grids


def _towers(grid: ContrastiveGrid, dataset: Dataset) -> list[tuple[EmbedAudio, EmbedText]]:
    """Return E_a and E_t of every model."""
    return list(zip(spaces_of(grid)[1::2], texts_of_grid(grid, dataset)[1::2], strict=True))
