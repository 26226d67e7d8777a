"""Commands of audio and text in one space: train contrastive models, and classify by two towers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.contrastive.recipe import ContrastiveRecipe
from core.recipes import settings
from core.words import count
from jobs import contrastive_presets as contrastive
from jobs.cli.common import DatasetArgument, Run, compute, say, show, without_nan
from jobs.cli.options import Asked, Group, expanded
from jobs.cli.train import train_app
from jobs.specs import ContrastiveGrid, EmbedAudio, EmbedText, SpecError
from jobs.workspace.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

#: What is shown of each model: the paper's three tables side by side.
_COLUMNS = (
    *("model", "accuracy", "chance", "silhouette_xa", "silhouette_Ea"),
    *("overlap_xa_Ea", "overlap_xt_Et", "overlap_Ea_Et", "pairs", "removed", "epochs", "failed"),
)


#: Settings that have an option of their own.
_ASKED = (
    *("text_encoder", "pretraining", "training", "test_classes", "test_share", "leaks", "prompts"),
    *("checkpoint_file", "clean_checkpoint_file", "backbone", "tune_text", "max_epochs", "frozen_epochs"),
    *("frozen_rate", "rate", "patience", "pretrain_epochs", "batch_size", "dim", "sample_rate", "seconds"),
    *("validation_by", "seed"),
)
#: Settings of the recipe and the backbone that have none.
_OTHERS = {name: of.kind for name, of in settings(ContrastiveGrid).items() if name not in _ASKED}
_SWITCHES = {"yes": True, "true": True, "no": False, "false": False}


def register(app: typer.Typer) -> None:
    """Add these commands, the first to the group `train`, which is part of the program already."""
    train_app.command("contrastive")(train)
    app.command()(classify)


@dataclass(frozen=True)
class Trained(Group):
    """The recipe, the number of seeds, and settings without an option of their own."""

    recipe: Annotated[
        str,
        typer.Option(
            help=f"Settings by name: {', '.join(contrastive.RECIPES)}. Other options take precedence."
        ),
    ] = "small"
    seeds: Annotated[
        int, typer.Option(min=1, max=100, help="Train this many grids, with this seed and the following.")
    ] = 1
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help=f"Any other setting as NAME=VALUE; may be repeated: {', '.join(_OTHERS)}."
        ),
    ] = None
    keep: Annotated[
        bool, typer.Option("--keep", help="Also keep x_a and E_a of every model as spaces of the dataset.")
    ] = False


@expanded
def train(
    dataset: DatasetArgument,
    trained: Trained,
    asked: Annotated[
        dict[str, Any],
        Asked(ContrastiveGrid, *_ASKED, unstated=(*settings(ContrastiveRecipe), "backbone")),
    ],
    output: Run,
) -> None:
    """Train contrastive audio-text models, with and without leaks of the classes that judge them.

    Six models by default: the audio backbone pre-trained on all classes (dirty), without the test classes
    (clean) or not at all (none), and then trained on all captions (dirty) or only on those of clips without a
    caption that names a test class (clean). The page Leakage lab shows them.

    Example: `hearspace train contrastive demo`

    Exit status: 0 when all is trained, 1 if a job failed, 2 for unknown names or impossible settings.
    """
    ws = output.open()
    ds = ws.dataset(dataset)
    spec = contrastive.grid_of(ds, recipe=trained.recipe, **asked, **_others(trained.setting or ()))
    specs = [replace(spec, seed=spec.seed + i) for i in range(trained.seeds)]
    kept: list[EmbedAudio | EmbedText] = []
    if trained.keep:
        kept = contrastive.all_spaces_of(spec, ds)
    if not output.compute(ws, [*specs, *(kept if output.background and not output.print_spec else ())]):
        return
    if kept:
        good = set(spec.read(ws.cache).good["model"])  # a model that failed has no spaces
        compute(ws, [space for space in kept if int(space.run.rpartition("_")[2]) in good], quiet=True)
    if trained.seeds > 1:
        _over_seeds(ws, specs, as_json=output.as_json)
        return
    result = spec.read(ws.cache)
    rows = [_row(model) for model in result.models.to_pylist()]
    correlations = _correlations(result.by_model)
    if output.as_json:
        stored = {"key": spec.key, **result.values(), "models": rows, "correlations": correlations}
        show([stored], (), as_json=True, empty="")
        return
    if result.note:
        say(result.note)
    show(rows, _COLUMNS, as_json=False, empty="")
    for line in _correlation_lines(correlations):
        say(line)


def _over_seeds(workspace: Workspace, specs: Sequence[ContrastiveGrid], *, as_json: bool) -> None:
    """Show the means over the grids of several seeds, with the least and the greatest value."""
    means = contrastive.over_seeds([spec.read(workspace.cache).models.to_pandas() for spec in specs])
    rows = [
        without_nan({str(name): value for name, value in row.items()}) for row in means.to_dict("records")
    ]
    if as_json:
        keys = [spec.key for spec in specs]
        show([{"keys": keys, "seeds": [s.seed for s in specs], "models": rows}], (), as_json=True, empty="")
        return
    columns = ("name", "n", "accuracy", "accuracy_low", "accuracy_high", "silhouette_Ea", "overlap_Ea_Et")
    show(rows, columns, as_json=False, empty="")
    say(
        "Means over n seeds; low and high are the least and the greatest value. Each seed draws its own "
        "test clips."
    )


#: The two correlations that the paper reports; its similarity is not corrected for chance.
_PAPER = {
    ("silhouette_Ea", "accuracy"): "silhouette Ea and accuracy",
    ("overlap_Ea_Et", "log_accuracy"): "overlap Ea Et, above chance, and log accuracy",
    ("overlap_Ea_Et_plain", "log_accuracy"): "overlap Ea Et, plain as in the paper, and log accuracy",
}


def _correlations(models: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the correlations of a result, and those of the similarity that is not corrected for chance."""
    from jobs.tasks.contrastive.measures import PREDICTORS, correlations

    return [without_nan(row) for row in correlations(models, (*PREDICTORS, "overlap_Ea_Et_plain"))]


def _correlation_lines(correlations: list[dict[str, Any]]) -> list[str]:
    """Return a line for each correlation that the paper reports and that is defined here."""
    return [
        f"{_PAPER[row['x'], row['y']]}: r = {row['r']:.3f} ({row['low']:.3f} to {row['high']:.3f}), "
        f"p = {row['p']:.3g}, n = {row['n']}."
        for row in correlations
        if (row["x"], row["y"]) in _PAPER and row["r"] is not None
    ]


def _others(texts: Sequence[str]) -> dict[str, Any]:
    """Return settings that were given as NAME=VALUE, of the kind that their field has."""
    values: dict[str, Any] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or name not in _OTHERS:
            raise SpecError(f"--set is {text!r}; give NAME=VALUE with one of {', '.join(_OTHERS)}.")
        try:
            values[name] = _parse(value, _OTHERS[name])
        except (KeyError, ValueError):
            raise SpecError(f"{name} is {value!r}, and it is {_WANTED[_OTHERS[name]]}.") from None
    return values


#: What a value is, by the type of its field.
_WANTED = {
    "int": "a whole number",
    "int | None": "a whole number or none",
    "float": "a number",
    "bool": "yes or no",
    "str": "a word",
}


def _parse(value: str, kind: str) -> Any:
    if kind == "int | None" and value.lower() == "none":
        return None
    if kind == "bool":
        return _SWITCHES[value.lower()]
    return {"int": int, "int | None": int, "float": float, "str": str}[kind](value)


def _row(model: dict[str, Any]) -> dict[str, Any]:
    return without_nan(
        {**model, "model": model["name"], "pairs": model["n_pairs"], "removed": model["n_removed"]}
    )


@dataclass(frozen=True)
class Texts(Group):
    """The classes to choose from, as texts."""

    text: Annotated[
        str | None, typer.Option(help="Encoder of the texts, if another. [default: the same]")
    ] = None
    of: Annotated[str, typer.Option(help="Texts of the classes: label or description.")] = "label"
    prompt: Annotated[
        list[str] | None,
        typer.Option(help="Sentence around a class name, {} standing for it; several count by their mean."),
    ] = None
    only: Annotated[
        list[str] | None,
        typer.Option("--class", help="Choose among these classes; may be repeated. [default: all]"),
    ] = None


@expanded
def classify(
    dataset: DatasetArgument,
    encoder: Annotated[str, typer.Argument(help="A model with two towers, such as transformers:<a CLAP>.")],
    texts: Texts,
    output: Run,
) -> None:
    """Classify clips without training: each is of the class whose text is nearest to it.

    Embeds sounds and texts first where that is missing. ENCODER embeds both, or is a space that was trained
    in this workspace, such as trained:ea-dirty-clean@0123ab, which brings its own texts. `--json` has the
    confusion matrix, a row a class, in the order of the classes.

    Example: `hearspace classify esc10 transformers:laion/clap-htsat-unfused --prompt "the sound of {}"`

    Exit status: 0 when all clips are classified, 1 if a job failed, 2 for unknown names.
    """
    ws = output.open()
    spec = contrastive.classification(
        ws.dataset(dataset),
        encoder,
        workspace=ws,
        text=texts.text,
        of=texts.of,
        prompts=tuple(texts.prompt or ["{}"]),
        classes=tuple(texts.only or ()),
    )
    if not output.compute(ws, [spec]):
        return
    result = spec.read(ws.cache)
    rows = [without_nan(row) for row in result.classes.to_pylist()]
    confusion = result.confusion
    if output.as_json:
        stored = {"key": spec.key, **result.values(), "classes": rows, "confusion": confusion.tolist()}
        show([stored], (), as_json=True, empty="")
        return
    names = [str(row["label"]) for row in rows]
    for i, row in enumerate(rows):
        row["most_mistaken_for"] = _mistaken(confusion[i].tolist(), i, names)
    columns = ("label", "text", "accuracy", "n_clips", "n_predicted", "most_mistaken_for")
    show(rows, columns, as_json=False, empty="")
    say(
        f"Accuracy {result.accuracy:.3f} ({result.low:.3f} to {result.high:.3f}) of "
        f"{count(result.n, 'clip')} among {count(result.n_classes, 'class')}; chance is "
        f"{result.chance:.3f}."
    )


def _mistaken(taken: list[int], own: int, names: Sequence[str]) -> str:
    """Return the class that most clips of another are mistaken for, and how many are; "" for none."""
    others = [0 if i == own else n for i, n in enumerate(taken)]
    most = max(others)
    return f"{names[others.index(most)]} {most:,}" if most else ""
