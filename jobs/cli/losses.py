"""Command that trains classifiers with several losses, and measures what each did to the space."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Any

import pandas as pd
import typer

from jobs import presets as measures
from jobs.cli.common import DatasetArgument, Run, say, show, space_of
from jobs.cli.options import Asked, Group, expanded
from jobs.cli.train import train_app
from jobs.specs import SETTINGS, SMALL_CNN, LossGrid, LossNetworkGrid, SpecError
from jobs.tasks.loss_results import PROPERTIES, Result
from jobs.workspace.workspace import Dataset


def register(app: typer.Typer) -> None:
    """Add the command to the group `train`, which is part of the program already."""
    train_app.command("losses")(losses)


#: Settings of the specs that have an option of their own.
_ASKED = (
    *("losses", "variant", "entropy", "hidden", "dim", "epochs", "batch_size", "optimizer"),
    *("learning_rate", "weight_decay", "focal_gamma", "opl_gamma", "opl_weight", "mixup", "seconds"),
    *("frequency_mask", "time_mask", "warm_up", "warm_up_from", "schedule", "width", "taper"),
    *("seeds", "folds"),
)


@dataclass(frozen=True)
class Trained(Group):
    """What is trained in the place of a head, on what, and whether its spaces are kept."""

    network: Annotated[
        str | None,
        typer.Option(
            help=f"Train a network instead of a head: {SMALL_CNN}, from scratch, or transformers:NAME."
        ),
    ] = None
    settings: Annotated[
        str | None,
        typer.Option(
            help=f"Named settings of a network: {', '.join(SETTINGS)}. Other options override them."
        ),
    ] = None
    weights: Annotated[
        list[str] | None,
        typer.Option(
            help="Weights of ADD, such as 1,0,1,0, or of add-soft, such as 1,1; may be repeated. "
            "[default: the six of figure 5; 1,1]"
        ),
    ] = None
    hold_out: Annotated[
        list[str] | None,
        typer.Option(
            help="Hold only this fold out, by its number or name, as for official splits; may be repeated."
        ),
    ] = None
    keep: Annotated[
        bool, typer.Option("--keep", help="Also keep the space of every loss as a space of the dataset.")
    ] = False


@expanded
def losses(
    dataset: DatasetArgument,
    encoder: Annotated[
        str | None, typer.Argument(help="The space that heads are trained on: the encoder that made it.")
    ] = None,
    *,
    trained: Trained,
    asked: Annotated[dict[str, Any], Asked((LossNetworkGrid, LossGrid), *_ASKED)],
    output: Run,
) -> None:
    """Train classifiers with several losses, and measure what each makes of the space.

    Each is trained on all folds but one and tested on that one. The table has accuracy over the seeds, the
    difference to cross-entropy clip by clip, and the four properties of held-out clips (lower is better); the
    page Losses shows all of it, also while it is trained.

    Example: `hearspace train losses esc10 aisfx --keep`, or for networks from scratch
    `hearspace train losses esc10 --network small-cnn`

    Exit status: 0 when all is trained, 1 if the job failed, 2 for unknown names or impossible settings.
    """
    ws = output.open()
    ds = ws.dataset(dataset)
    asked |= _weights(trained.weights or [])
    if trained.hold_out:
        asked["held_out"] = _held_out(ds, trained.hold_out)
    if (encoder is None) == (trained.network is None):
        raise SpecError("Give either an encoder, to train heads on its space, or --network.")
    spec: LossGrid | LossNetworkGrid
    settings = trained.settings
    if encoder is not None:
        if settings is not None:
            raise SpecError("--settings are those of a network; give --network, or leave them out.")
        _refuse_unknown(asked, LossGrid, "head", "networks")
        embedding = space_of(ws, ds, encoder)
        spec = LossGrid(embedding=embedding, labels=ds.labels_fingerprint, **asked)
    else:
        if settings is not None and settings not in SETTINGS:
            raise SpecError(f"{settings!r} is not a known setting; give one of {', '.join(SETTINGS)}.")
        _refuse_unknown(asked, LossNetworkGrid, "network", "heads")
        asked = {**(SETTINGS[settings] if settings else {}), **asked, "network": trained.network}
        spec = LossNetworkGrid(dataset=ds.ref, labels=ds.labels_fingerprint, **asked)
    spaces = measures.trained_by_losses(ds, spec) if trained.keep else []
    if not output.compute(ws, [spec, *spaces]):
        return
    result = spec.read(ws.cache)
    rows = _rows(result)
    if output.as_json:
        show([{"key": spec.key, **result.values(), "recipes": rows}], (), as_json=True, empty="")
        return
    if result.note:
        say(result.note)
    failed = ("failed",) if result.n_failed else ()
    columns = ("name", "accuracy", "sd", "difference", "p", *PROPERTIES, *failed)
    show(rows, columns, as_json=False, empty="")
    for space in spaces:
        say(f"Space: {space.encoder}")


def _held_out(ds: Dataset, given: list[str]) -> tuple[int, ...]:
    """Return folds by their numbers, of those that are given by their names."""
    numbers = {name: fold for fold, name in measures.fold_names(ds.clips).items()}
    folds = []
    for text in given:
        fold = numbers.get(text)
        if fold is None and not text.lstrip("-").isdecimal():
            known = f"its folds are {', '.join(numbers)}" if numbers else "its folds have only numbers"
            raise SpecError(f"{ds.name} has no fold {text!r} to hold out; {known}.")
        folds.append(int(text) if fold is None else fold)
    return tuple(folds)


def _weights(texts: list[str]) -> dict[str, Any]:
    """Sort settings of weights by how many they are: four are ADD's, two those of ADD for soft labels."""
    fields = {4: "add_weights", 2: "soft_weights"}
    settings: dict[str, tuple[tuple[float, ...], ...]] = {}
    for text in texts:
        try:
            values = tuple(float(part) for part in text.split(","))
        except ValueError:
            values = ()
        if len(values) not in fields:
            raise SpecError(f"weights are {text!r}; write four such as 1,0,1,0 for add, two for add-soft.")
        field = fields[len(values)]
        settings[field] = (*settings.get(field, ()), values)
    return settings


def _refuse_unknown(asked: dict[str, Any], kind: type, what: str, others: str) -> None:
    known = {field.name for field in fields(kind)}
    for name in asked:
        if name not in known:
            raise SpecError(f"A {what} has no {name.replace('_', ' ')}; the option is one of {others}.")


def _rows(result: Result) -> list[dict[str, Any]]:
    means = result.runs.to_pandas().groupby("recipe")[list(PROPERTIES)].mean()
    rows = []
    for row in result.recipes.to_pylist():
        numbers = {
            "accuracy": row["accuracy"],
            "sd": row["sd"],
            "difference": row["difference"],
            "low": row["difference_low"],
            "high": row["difference_high"],
            "p": row["p_holm"],
            **means.loc[row["recipe"]],
        }
        rows.append(
            {name: row[name] for name in ("recipe", "name", "loss", "weights")}
            | {name: None if pd.isna(value) else float(value) for name, value in numbers.items()}
            | {"failed": row["n_failed"]}
        )
    return rows
