"""Command that trains classifiers with several losses, and says what each did to the space."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Annotated, Any

import pandas as pd
import typer

from jobs import presets as measures
from jobs.cli.common import JsonOption, WorkspaceOption, compute, open_workspace, say, show, space_of
from jobs.cli.train import DatasetArgument, train_app
from jobs.cli.work import BackgroundOption, PrintSpecOption, put_off
from jobs.specs import SETTINGS, SMALL_CNN, LossGrid, LossNetworkGrid, SpecError
from jobs.workspace.workspace import Dataset

_PROPERTIES = ("mu_p", "sigma_p", "mu_n", "sigma_n")


def register(app: typer.Typer) -> None:
    """Add the command to the group `train`, which is part of the program already."""
    train_app.command("losses")(losses)


def losses(
    dataset: DatasetArgument,
    encoder: Annotated[
        str | None, typer.Argument(help="The space that heads are trained on: the encoder that made it.")
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(
            help=f"Train a network in the place of a head: {SMALL_CNN}, from scratch, or transformers:NAME."
        ),
    ] = None,
    settings: Annotated[
        str | None,
        typer.Option(help=f"Settings of a network by name: {', '.join(SETTINGS)}. Other options go before."),
    ] = None,
    loss: Annotated[
        list[str] | None,
        typer.Option(
            help="Train with this loss: ce, focal, opl, add or add-soft; may be repeated. "
            "[default: the first four]"
        ),
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            help="Weights of ADD, such as 1,0,1,0, or of add-soft, such as 1,1; may be repeated. "
            "[default: the six of figure 5; 1,1]"
        ),
    ] = None,
    variant: Annotated[str | None, typer.Option(help="Of OPL and ADD: paper or released.")] = None,
    entropy: Annotated[
        str | None, typer.Option(help="Cross-entropy of a softmax or of sigmoids. [default: softmax]")
    ] = None,
    hidden: Annotated[int | None, typer.Option(help="Width of a head's hidden layer; 0 for none.")] = None,
    dim: Annotated[int | None, typer.Option(help="Width of the embeddings. [default: 128]")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the clips. [default: 25]")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Clips a step. [default: 32]")] = None,
    optimizer: Annotated[
        str | None, typer.Option(help="adamw, for heads sgd, for networks adam. [default: adamw]")
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Step size. [default: 0.0007]")] = None,
    weight_decay: Annotated[float | None, typer.Option(help="[default: 0.01]")] = None,
    focal_gamma: Annotated[float | None, typer.Option(help="γ of focal loss. [default: 2]")] = None,
    opl_gamma: Annotated[float | None, typer.Option(help="γ of OPL. [default: 0.5]")] = None,
    opl_weight: Annotated[
        float | None, typer.Option(help="Weight of OPL beside cross-entropy. [default: 1]")
    ] = None,
    mixup: Annotated[
        float | None, typer.Option(help="Share of clips that are mixed; with ce and add-soft.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(help="Of each clip, for a network, from its beginning. [default: 5]")
    ] = None,
    frequency_mask: Annotated[
        int | None, typer.Option(help="Bands that SpecAugment hides, at most. [default: 24]")
    ] = None,
    time_mask: Annotated[
        int | None, typer.Option(help="Frames of 10 ms that SpecAugment hides, at most. [default: 96]")
    ] = None,
    warm_up: Annotated[
        int | None, typer.Option(help="Epochs in which a network's learning rate rises. [default: 0]")
    ] = None,
    warm_up_from: Annotated[float | None, typer.Option(help="What it rises from. [default: 0]")] = None,
    schedule: Annotated[
        str | None, typer.Option(help="How it goes on: constant, decay or cosine. [default: constant]")
    ] = None,
    width: Annotated[
        int | None, typer.Option(help=f"Channels of the first layer of {SMALL_CNN}. [default: 8]")
    ] = None,
    taper: Annotated[
        str | None, typer.Option(help="Window of its spectra: hann or povey. [default: hann]")
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="How many times all is trained. [default: 3]")] = None,
    folds: Annotated[
        int | None, typer.Option(help="Draw so many folds. [default: the dataset's own, or five]")
    ] = None,
    hold_out: Annotated[
        list[str] | None,
        typer.Option(
            help="Hold only this fold out, by its number or name, as for official splits; may be repeated."
        ),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Make the space of every loss a space like any other, too.")
    ] = False,
    background: BackgroundOption = False,
    print_spec: PrintSpecOption = False,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Train classifiers with several losses, and measure what each makes of the space.

    Each is trained on all folds but one and judged by that one. The table has accuracy over the seeds, the
    difference to cross-entropy clip by clip, and the four properties of held-out clips (lower is better); the
    page Losses shows all of it, also while it is trained.

    Example: `hearspace train losses esc10 aisfx --keep`, or for networks from scratch
    `hearspace train losses esc10 --network small-cnn`

    Exit status: 0 when all is trained, 1 if the job failed, 2 for unknown names or what cannot be.
    """
    ws = open_workspace(workspace)
    ds = ws.dataset(dataset)
    given = {
        "losses": tuple(loss) if loss else None,
        "variant": variant,
        "entropy": entropy,
        "hidden": hidden,
        "dim": dim,
        "epochs": epochs,
        "batch_size": batch_size,
        "optimizer": optimizer,
        "learning_rate": learning_rate,
        "weight_decay": weight_decay,
        "focal_gamma": focal_gamma,
        "opl_gamma": opl_gamma,
        "opl_weight": opl_weight,
        "mixup": mixup,
        "seconds": seconds,
        "frequency_mask": frequency_mask,
        "time_mask": time_mask,
        "warm_up": warm_up,
        "warm_up_from": warm_up_from,
        "schedule": schedule,
        "width": width,
        "taper": taper,
        "seeds": seeds,
        "folds": folds,
        "held_out": _held_out(ds, hold_out) if hold_out else None,
    } | _weights(weights or [])
    asked = {name: value for name, value in given.items() if value is not None}
    if (encoder is None) == (network is None):
        raise SpecError("Give either an encoder, to train heads on its space, or --network.")
    spec: LossGrid | LossNetworkGrid
    if encoder is not None:
        if settings is not None:
            raise SpecError("--settings are those of a network; give --network, or leave them out.")
        _refuse_unknown(asked, LossGrid, "head", "networks")
        embedding = space_of(ws, ds, encoder)
        spec = LossGrid(embedding=embedding, labels=ds.labels_fingerprint, **asked)
    else:
        if settings is not None and settings not in SETTINGS:
            raise SpecError(f"There are no settings {settings!r}; there are {', '.join(SETTINGS)}.")
        _refuse_unknown(asked, LossNetworkGrid, "network", "heads")
        asked = dict(SETTINGS[settings]) | asked if settings else asked
        asked["network"] = network
        spec = LossNetworkGrid(dataset=ds.ref, labels=ds.labels_fingerprint, **asked)
    spaces = measures.trained_by_losses(ds, spec) if keep else []
    if print_spec:
        for each in (spec, *spaces):
            print(json.dumps(each.to_json(), ensure_ascii=False))
        return
    if background:
        put_off(ws, [spec, *spaces], as_json=as_json)
        return
    compute(ws, [spec, *spaces], quiet=as_json)
    found = ws.cache.open(spec.key)
    rows = _rows(found.table("recipes").to_pandas(), found.table("runs").to_pandas())
    if as_json:
        show([{"key": spec.key, **found.meta, "recipes": rows}], (), as_json=True, empty="")
        return
    if found.meta["note"]:
        say(found.meta["note"])
    failed = ("failed",) if found.meta["n_failed"] else ()
    columns = ("name", "accuracy", "sd", "difference", "p", *_PROPERTIES, *failed)
    show(rows, columns, as_json=False, empty="")
    for space in spaces:
        say(f"Space: {space.encoder}")


def _held_out(ds: Dataset, given: list[str]) -> tuple[int, ...]:
    """Return folds by their numbers, of those that are given by their names."""
    numbers = {name: fold for fold, name in measures.fold_names(ds.clips).items()}
    found = []
    for text in given:
        fold = numbers.get(text)
        if fold is None and not text.lstrip("-").isdecimal():
            there = f"its folds are {', '.join(numbers)}" if numbers else "its folds have only numbers"
            raise SpecError(f"{ds.name} has no fold {text!r} to hold out; {there}.")
        found.append(int(text) if fold is None else fold)
    return tuple(found)


def _weights(texts: list[str]) -> dict[str, Any]:
    """Sort settings of weights by how many they are: four are ADD's, two those of ADD for soft labels."""
    found: dict[int, list[tuple[float, ...]]] = {4: [], 2: []}
    for text in texts:
        try:
            values = tuple(float(part) for part in text.split(","))
        except ValueError:
            values = ()
        if len(values) not in found:
            raise SpecError(f"weights are {text!r}; write four such as 1,0,1,0 for add, two for add-soft.")
        found[len(values)].append(values)
    names = {4: "add_weights", 2: "soft_weights"}
    return {names[n]: tuple(own) for n, own in found.items() if own}


def _refuse_unknown(
    asked: dict[str, Any], kind: type[LossGrid] | type[LossNetworkGrid], what: str, others: str
) -> None:
    known = {field.name for field in fields(kind)}
    for name in asked:
        if name not in known:
            raise SpecError(f"A {what} has no {name.replace('_', ' ')}; the option is one of {others}.")


def _rows(recipes: pd.DataFrame, runs: pd.DataFrame) -> list[dict[str, Any]]:
    means = runs.groupby("recipe")[list(_PROPERTIES)].mean()
    rows = []
    for row in recipes.to_dict("records"):
        rows.append(
            {
                "recipe": row["recipe"],
                "name": row["name"],
                "loss": row["loss"],
                "weights": list(row["weights"]),
                "accuracy": _number(row["accuracy"]),
                "sd": _number(row["sd"]),
                "difference": _number(row["difference"]),
                "low": _number(row["difference_low"]),
                "high": _number(row["difference_high"]),
                "p": _number(row["p_holm"]),
                **{name: _number(means.loc[row["recipe"], name]) for name in _PROPERTIES},
                "failed": row["n_failed"],
            }
        )
    return rows


def _number(value: float) -> float | None:
    return None if pd.isna(value) else float(value)
