"""Commands of audio and text in one space: train contrastive models, and classify by two towers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.words import count
from jobs import contrastive_presets as contrastive
from jobs.cli.common import JsonOption, WorkspaceOption, compute, open_workspace, say, show, without_nan
from jobs.cli.train import DatasetArgument, train_app
from jobs.cli.work import BackgroundOption, PrintSpecOption, put_off
from jobs.specs import ContrastiveGrid, EmbedAudio, EmbedText, SpecError
from jobs.workspace.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

#: What is shown of each model: the paper's three tables side by side.
_COLUMNS = (
    *("model", "accuracy", "chance", "silhouette_xa", "silhouette_Ea"),
    *("overlap_xa_Ea", "overlap_xt_Et", "overlap_Ea_Et", "pairs", "removed", "epochs", "failed"),
)


#: Settings of the recipe and the backbone that have no option of their own.
_OTHERS = (
    *("hidden", "gradient_limit", "clamp", "plateau_factor", "plateau_patience", "standardise"),
    *("validation", "temperature", "learn_temperature", "captions_a_clip", "mixed_precision"),
    *("pretrain_rate", "pretrain_batch_size", "n_mels", "backbone_dim", "width", "projector"),
)
_SWITCHES = {"yes": True, "true": True, "no": False, "false": False}


def register(app: typer.Typer) -> None:
    """Add these commands, the first to the group `train`, which is part of the program already."""
    train_app.command("contrastive")(train)
    app.command()(classify)


def train(
    dataset: DatasetArgument,
    recipe: Annotated[
        str,
        typer.Option(help=f"Settings by name: {', '.join(contrastive.RECIPES)}. Other options go before."),
    ] = "small",
    text: Annotated[str | None, typer.Option(help="Text encoder. [default: minilm]")] = None,
    pretraining: Annotated[
        str | None,
        typer.Option(help="Pre-trainings, of dirty,clean,none; clean is without the test classes."),
    ] = None,
    training: Annotated[
        str | None,
        typer.Option(help="Trainings, of dirty,clean; clean is without captions that name a test class."),
    ] = None,
    test_class: Annotated[
        list[str] | None,
        typer.Option(help="Test this class; may be repeated. [default: every fourth of each family]"),
    ] = None,
    test_share: Annotated[
        float | None, typer.Option(help="Share of their clips that nothing is trained on. [default: 0.5]")
    ] = None,
    leaks: Annotated[
        str | None,
        typer.Option(help="A caption leaks if it has any of the words or one of the names. [default: words]"),
    ] = None,
    prompt: Annotated[
        list[str] | None,
        typer.Option(help="Sentence around a class name, {} standing for it; may be repeated. [default: {}]"),
    ] = None,
    checkpoint_file: Annotated[
        str | None, typer.Option(help="PANNs checkpoint of CNN14 in the place of dirty pre-training.")
    ] = None,
    clean_checkpoint_file: Annotated[
        str | None, typer.Option(help="The same, in the place of clean pre-training.")
    ] = None,
    backbone: Annotated[str | None, typer.Option(help="Audio backbone: small or cnn14.")] = None,
    tune_text: Annotated[
        bool | None, typer.Option("--tune-text/--keep-text", help="Train the text backbone, too, or not.")
    ] = None,
    max_epochs: Annotated[int | None, typer.Option(help="Epochs altogether.")] = None,
    frozen_epochs: Annotated[int | None, typer.Option(help="Of these, with frozen backbones.")] = None,
    frozen_rate: Annotated[float | None, typer.Option(help="Learning rate in these.")] = None,
    rate: Annotated[float | None, typer.Option(help="Learning rate after these.")] = None,
    patience: Annotated[int | None, typer.Option(help="Stop after so many epochs without better.")] = None,
    pretrain_epochs: Annotated[int | None, typer.Option(help="Epochs of pre-training.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Pairs a step.")] = None,
    dim: Annotated[int | None, typer.Option(help="Dimensions of the shared space.")] = None,
    sample_rate: Annotated[int | None, typer.Option(help="Hz that clips are resampled to.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Of the crops.")] = None,
    validation_by: Annotated[str | None, typer.Option(help="Set aside by clip or by pair.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of all that is drawn.")] = None,
    seeds: Annotated[
        int, typer.Option(min=1, max=100, help="Train so many grids, of this seed and those after it.")
    ] = 1,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help=f"Any other setting as NAME=VALUE; may be repeated: {', '.join(_OTHERS)}."
        ),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Make x_a and E_a of every model spaces like any other, too.")
    ] = False,
    background: BackgroundOption = False,
    print_spec: PrintSpecOption = False,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Train contrastive audio-text models, with and without leaks of the classes that judge them.

    Six models by default: the audio backbone pre-trained on all classes (dirty), without the test classes
    (clean) or not at all (none), and then trained on all captions (dirty) or only on those of clips of which
    none names a test class (clean). The page Leakage lab shows them.

    Example: `hearspace train contrastive demo`

    Exit status: 0 when all is trained, 1 if a job failed, 2 for unknown names or what cannot be.
    """
    ws = open_workspace(workspace)
    ds = ws.dataset(dataset)
    settings: dict[str, Any] = {
        "text_encoder": text,
        "pretraining": _parts(pretraining),
        "training": _parts(training),
        "test_classes": tuple(test_class) if test_class else None,
        "test_share": test_share,
        "leaks": leaks,
        "prompts": tuple(prompt) if prompt else None,
        "checkpoint_file": checkpoint_file,
        "clean_checkpoint_file": clean_checkpoint_file,
        "backbone": backbone,
        "tune_text": tune_text,
        "max_epochs": max_epochs,
        "frozen_epochs": frozen_epochs,
        "frozen_rate": frozen_rate,
        "rate": rate,
        "patience": patience,
        "pretrain_epochs": pretrain_epochs,
        "batch_size": batch_size,
        "dim": dim,
        "sample_rate": sample_rate,
        "seconds": seconds,
        "validation_by": validation_by,
        "seed": seed,
    }
    given = {name: value for name, value in settings.items() if value is not None} | _others(setting or ())
    spec = contrastive.grid_of(ds, recipe=recipe, **given)
    specs = [replace(spec, seed=spec.seed + i) for i in range(seeds)]
    if print_spec:
        for each in specs:
            print(json.dumps(each.to_json(), ensure_ascii=False))
        return
    kept: list[EmbedAudio | EmbedText] = []
    if keep:
        kept = [*contrastive.spaces_of(spec), *contrastive.texts_of_grid(spec, ds)]
    if background:
        put_off(ws, [*specs, *kept], as_json=as_json)
        return
    compute(ws, specs, quiet=as_json)
    if kept:
        failed = set(ws.cache.open(spec.key).table("models").to_pandas().query("failed != ''")["model"])
        # A model that failed has no spaces.
        made = [space for space in kept if int(space.run.rpartition("_")[2]) not in failed]
        compute(ws, made, quiet=True)
    if seeds > 1:
        _over_seeds(ws, specs, as_json=as_json)
        return
    found = ws.cache.open(spec.key)
    rows = [_row(model) for model in found.table("models").to_pylist()]
    correlations = _correlations(found.table("models").to_pandas())
    if as_json:
        show(
            [{"key": spec.key, **found.meta, "models": rows, "correlations": correlations}],
            (),
            as_json=True,
            empty="",
        )
        return
    if found.meta["note"]:
        say(found.meta["note"])
    show(rows, _COLUMNS, as_json=False, empty="")
    for line in _correlation_lines(correlations):
        say(line)


def _over_seeds(workspace: Workspace, specs: Sequence[ContrastiveGrid], *, as_json: bool) -> None:
    """Show what the grids of several seeds came to, as means with the least and the greatest."""
    models = [workspace.cache.open(spec.key).table("models").to_pandas() for spec in specs]
    table = contrastive.over_seeds(models)
    rows = [
        without_nan({str(name): value for name, value in row.items()}) for row in table.to_dict("records")
    ]
    if as_json:
        keys = [spec.key for spec in specs]
        show([{"keys": keys, "seeds": [s.seed for s in specs], "models": rows}], (), as_json=True, empty="")
        return
    means = ("accuracy", "accuracy_low", "accuracy_high", "silhouette_Ea", "overlap_Ea_Et")
    show(rows, ("name", "n", *means), as_json=False, empty="")
    say("Means over n seeds; low and high are the least and the greatest. Each seed has its own test clips.")


#: The two correlations that the paper reports; its similarity is not corrected for chance.
_PAPER = {
    ("silhouette_Ea", "accuracy"): "silhouette Ea and accuracy",
    ("overlap_Ea_Et", "log_accuracy"): "overlap Ea Et, above chance, and log accuracy",
    ("overlap_Ea_Et_plain", "log_accuracy"): "overlap Ea Et, plain as in the paper, and log accuracy",
}


def _correlations(models: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the correlations of a result, and those of the similarity that is not corrected for chance."""
    from jobs.runners.contrastive_measures import PREDICTORS, correlations

    found = correlations(models, (*PREDICTORS, "overlap_Ea_Et_plain"))
    return [without_nan(row) for row in found.to_dict("records")]


def _correlation_lines(correlations: list[dict[str, Any]]) -> list[str]:
    """Return a line for each correlation that the paper has and that is known here."""
    return [
        f"{_PAPER[row['x'], row['y']]}: r = {row['r']:.3f} ({row['low']:.3f} to {row['high']:.3f}), "
        f"p = {row['p']:.3g}, n = {row['n']}."
        for row in correlations
        if (row["x"], row["y"]) in _PAPER and row["r"] is not None
    ]


def _parts(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(part.strip() for part in text.split(","))


def _others(texts: Sequence[str]) -> dict[str, Any]:
    """Return settings that were given as NAME=VALUE, of the kind that their field has."""
    kinds = {f.name: str(f.type) for f in fields(ContrastiveGrid)}
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or name not in _OTHERS:
            raise SpecError(f"--set is {text!r}; give NAME=VALUE with one of {', '.join(_OTHERS)}.")
        try:
            found[name] = _parsed(value, kinds[name])
        except (KeyError, ValueError):
            raise SpecError(f"{name} is {value!r}, and it is {_WANTED[kinds[name]]}.") from None
    return found


#: What a value is, by the type of its field.
_WANTED = {
    "int": "a whole number",
    "int | None": "a whole number or none",
    "float": "a number",
    "bool": "yes or no",
    "str": "a word",
}


def _parsed(value: str, kind: str) -> Any:
    if kind == "int | None" and value.lower() == "none":
        return None
    if kind == "bool":
        return _SWITCHES[value.lower()]
    return {"int": int, "int | None": int, "float": float, "str": str}[kind](value)


def _row(model: dict[str, Any]) -> dict[str, Any]:
    return without_nan(
        {**model, "model": model["name"], "pairs": model["n_pairs"], "removed": model["n_removed"]}
    )


def classify(
    dataset: DatasetArgument,
    encoder: Annotated[str, typer.Argument(help="A model of two towers, such as transformers:<a CLAP>.")],
    text: Annotated[
        str | None, typer.Option(help="Encoder of the texts, if another. [default: the same]")
    ] = None,
    of: Annotated[str, typer.Option(help="Texts of the classes: label or description.")] = "label",
    prompt: Annotated[
        list[str] | None,
        typer.Option(help="Sentence around a class name, {} standing for it; several count by their mean."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--class", help="Choose among these classes; may be repeated. [default: all]"),
    ] = None,
    background: BackgroundOption = False,
    print_spec: PrintSpecOption = False,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Classify clips without training: each is of the class whose text is nearest to it.

    Embeds sounds and texts first where that is missing. ENCODER embeds both, or is a space that was trained
    here, such as trained:ea-dirty-clean@0123ab, whose texts are its own. `--json` has the confusion matrix,
    a row a class, in the order of the classes.

    Example: `hearspace classify esc10 transformers:laion/clap-htsat-unfused --prompt "the sound of {}"`

    Exit status: 0 when all clips are classified, 1 if a job failed, 2 for unknown names.
    """
    ws = open_workspace(workspace)
    ds = ws.dataset(dataset)
    spec = contrastive.classification(
        ds,
        encoder,
        workspace=ws,
        text=text,
        of=of,
        prompts=tuple(prompt or ["{}"]),
        classes=tuple(only or ()),
    )
    if print_spec:
        print(json.dumps(spec.to_json(), ensure_ascii=False))
        return
    if background:
        put_off(ws, [spec], as_json=as_json)
        return
    compute(ws, [spec], quiet=as_json)
    found = spec.read(ws.cache)
    rows = [without_nan(row) for row in found.classes.to_pylist()]
    confusion = found.confusion
    if as_json:
        told = {"key": spec.key, **found.values(), "classes": rows, "confusion": confusion.tolist()}
        show([told], (), as_json=True, empty="")
        return
    names = [str(row["label"]) for row in rows]
    for i, row in enumerate(rows):
        row["most_mistaken_for"] = _mistaken(confusion[i].tolist(), i, names)
    columns = ("label", "text", "accuracy", "n_clips", "n_predicted", "most_mistaken_for")
    show(rows, columns, as_json=False, empty="")
    say(
        f"Accuracy {found.accuracy:.3f} ({found.low:.3f} to {found.high:.3f}) of "
        f"{count(found.n, 'clip')} among {count(found.n_classes, 'class')}; chance is "
        f"{found.chance:.3f}."
    )


def _mistaken(taken: list[int], own: int, names: Sequence[str]) -> str:
    """Say which other class the clips of one are taken for most, and how many of them; "" for none."""
    others = [0 if i == own else n for i, n in enumerate(taken)]
    most = max(others)
    return f"{names[others.index(most)]} {most:,}" if most else ""
