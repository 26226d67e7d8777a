"""Commands that train: zero-shot models on splits of classes, and the splits that are kept for it."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from core.recipes import settings
from core.splits import (
    ClassSplit,
    ClassSplitSet,
    Range,
    SplitError,
    check_known,
    check_n_clusters,
    held_out,
    split_from_json,
    split_to_json,
)
from core.zeroshot.recipe import Recipe
from jobs import presets as measures
from jobs.cli.common import (
    DatasetArgument,
    JsonOption,
    Run,
    WorkspaceOption,
    compute,
    open_workspace,
    say,
    show,
    space_of,
)
from jobs.cli.options import Asked, Group, expanded
from jobs.specs import SpecError, ZeroShotGrid
from jobs.tasks.zero_shot_splits import check_count
from jobs.workspace import splits
from jobs.workspace.workspace import Dataset, Workspace

train_app = typer.Typer(help="Train models and judge them.", no_args_is_help=True)
splits_app = typer.Typer(help="Keep splits of classes to train on.", no_args_is_help=True)


class Setup(StrEnum):
    """What differs between the models of a grid, as an option."""

    similarity = "similarity"
    diversity = "diversity"


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.add_typer(train_app, name="train")
    app.add_typer(splits_app, name="splits")


NameArgument = Annotated[str, typer.Argument(help="Name of the split: a-z, 0-9, '.', '_' and '-'.")]


# Without a callback, a group of one command would be that command.
@train_app.callback()
def _train() -> None:
    pass


@dataclass(frozen=True)
class Drawn(Group):
    """The texts and splits that models are trained on."""

    text: Annotated[str, typer.Option(help="Encoder of the texts of the classes.")] = "minilm"
    of: Annotated[
        str | None,
        typer.Option(
            help="Texts of the classes: description or label. [default: description, if all have one]"
        ),
    ] = None
    setup: Annotated[
        Setup,
        typer.Option(
            help="Vary how near the training classes are to the test classes (similarity) or each other."
        ),
    ] = Setup.similarity
    split: Annotated[
        list[str] | None,
        typer.Option(help="Train on this saved split instead, or JSON file; may be repeated."),
    ] = None
    sizes: Annotated[str, typer.Option(help="Training, validation and test classes of each model.")] = (
        "20/5/5"
    )
    ranges: Annotated[
        str,
        typer.Option(
            help="Ranges of similarity: paper, a number of quantiles of the space's own, or such as "
            "0.1:0.3,0.3:0.5."
        ),
    ] = "paper"


#: Settings of `ZeroShotGrid` that have an option of their own.
_ASKED = ("fit_sizes", "min_clips", "clusters", "ratios", "n_test_sets", "seeds", *settings(Recipe))


@train_app.command("zero-shot")
@expanded
def zero_shot(
    dataset: DatasetArgument,
    encoder: Annotated[str, typer.Argument(help="The space of the sounds: the encoder that made it.")],
    drawn: Drawn,
    asked: Annotated[dict[str, Any], Asked(ZeroShotGrid, *_ASKED, least={"min_clips": 1})],
    output: Run,
) -> None:
    """Train zero-shot models on splits of the classes, and judge each by classes it has never met.

    Embeds sounds and texts first where that is missing. What the classes do not allow is reported before
    anything is trained; with --background, as far as it is known without a space. The table has the mean
    accuracy of each configuration over its seeds and test sets; the page Zero-shot shows every model.

    Example: `hearspace train zero-shot demo aisfx --setup diversity --ranges 5`

    Exit status: 0 when all is trained, 1 if the job failed, 2 for unknown names or what cannot be.
    """
    ws = output.open()
    ds = ws.dataset(dataset)
    n_train, n_validation, n_test = _numbers(drawn.sizes, "/", int, "sizes", "such as 20/5/5", count=3)
    if drawn.setup is Setup.similarity and not drawn.split:
        clips = asked.get("min_clips", ZeroShotGrid.min_clips)
        check_n_clusters(asked.get("clusters", ZeroShotGrid.clusters), len(_single(ds, clips)))
    spec = ZeroShotGrid(
        embedding=space_of(ws, ds, encoder),
        text=measures.class_texts(ds, drawn.text, of=drawn.of),
        labels=ds.labels_fingerprint,
        setup="splits" if drawn.split else drawn.setup.value,
        splits=tuple(split_to_json(_split(ws, ds, name)) for name in drawn.split or ()),
        n_train=n_train,
        n_validation=n_validation,
        n_test=n_test,
        ranges=_ranges(drawn.ranges),
        n_ranges=int(drawn.ranges) if drawn.ranges.isdecimal() else 0,
        **asked,
    )
    if not output.print_spec:
        _rehearse(ws, ds, spec, wait=not output.background, quiet=output.as_json)
    if not output.compute(ws, [spec]):
        return
    artifact = ws.cache.open(spec.key)
    table = artifact.table("models").to_pandas()
    by = _CONFIGURATION[spec.setup]
    rows = _configurations(table, by, drawn.split or [])
    correlation = _correlation(table, _AXIS[spec.setup])
    if output.as_json:
        about = {"key": spec.key, **artifact.meta, "configurations": rows, "correlation": correlation}
        show([about], (), as_json=True, empty="")
        return
    if artifact.meta["note"]:
        say(artifact.meta["note"])
    show(rows, (*by, "accuracy", "sd", "chance", "models", "failed"), as_json=False, empty="")
    if correlation is not None:
        say(
            f"{_AXIS[spec.setup].replace('_', ' ')} and accuracy: r = {correlation['r']:.3f} "
            f"({correlation['low']:.3f} to {correlation['high']:.3f}), p = {correlation['p']:.2g}, "
            f"n = {correlation['n']}; models that share test classes are not independent."
        )


def _rehearse(ws: Workspace, ds: Dataset, spec: ZeroShotGrid, *, wait: bool, quiet: bool) -> None:
    """Raise `ValueError` for what the job would fail of, before it is queued.

    With `wait`, the spaces that it takes to know are made first.
    """
    if ws.cache.contains(spec.key):
        return
    lacking = [s for s in (spec.embedding, spec.text) if not ws.cache.contains(s.key)]
    if lacking:
        check_count(spec, len(_single(ds, spec.min_clips)))
        if not wait:
            return
        compute(ws, lacking, quiet=quiet)
    from jobs.tasks.zero_shot_grid import rehearse

    rehearse(spec, ws)


#: What identifies a configuration, and the property that accuracy is plotted against.
_CONFIGURATION = {"similarity": ("cluster", "ratio"), "diversity": ("low", "high"), "splits": ("split",)}
_AXIS = {
    "similarity": "ratio",
    "diversity": "mean_similarity",
    "splits": "train_test_similarity",
}


def _configurations(table: pd.DataFrame, by: tuple[str, ...], names: list[str]) -> list[dict[str, Any]]:
    table = table.assign(lost=table["model"].where(table["failed"] != ""))
    frame = table.groupby(list(by), sort=False, as_index=False).agg(
        accuracy=("accuracy", "mean"),
        sd=("accuracy", "std"),
        chance=("chance", "first"),
        models=("model", "nunique"),
        failed=("lost", "nunique"),
    )
    if names:
        frame["split"] = [names[split] for split in frame["split"]]
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]


def _correlation(table: pd.DataFrame, axis: str) -> dict[str, Any] | None:
    """Return Pearson's r of a property and accuracy; None where one does not vary, or for fewer than 4."""
    from core.statistics import pearson

    known = table.dropna(subset=["accuracy"])
    x, y = known[axis].to_numpy(np.float64), known["accuracy"].to_numpy(np.float64)
    if len(x) < 4:  # without an interval
        return None
    result = pearson(x, y)
    return {"x": axis, **asdict(result)} if np.isfinite(result.r) else None


def _numbers(text: str, between: str, kind: type, name: str, example: str, count: int | None = None) -> list:
    try:
        numbers = [kind(part) for part in text.split(between)]
    except ValueError:
        numbers = []
    if not numbers or (count is not None and len(numbers) != count):
        raise SpecError(f"{name} is {text!r}; write them {example}.")
    return numbers


def _ranges(text: str) -> tuple[Range, ...]:
    if text == "paper" or (text.isdecimal() and int(text)):
        return ()
    ends = [
        _numbers(pair, ":", float, "ranges", "such as 0.1:0.3,0.3:0.5, or give paper or a number", count=2)
        for pair in text.split(",")
    ]
    return tuple((low, high) for low, high in ends)


def _split(ws: Workspace, ds: Dataset, name: str) -> ClassSplit | ClassSplitSet:
    """Return a split that is saved under a name, or stands in a file."""
    if name.endswith(".json") and name not in splits.names(ws, ds.name):
        split = splits.read(Path(name).expanduser())
    else:
        split = splits.load(ws, ds.name, name)
    check_known(split, _classes(ds))
    return split


@splits_app.command("list")
def list_(dataset: DatasetArgument, as_json: JsonOption = False, workspace: WorkspaceOption = None) -> None:
    """List the splits that are kept for a dataset.

    Example: `hearspace splits list esc10`

    Exit status: 0, or 2 for an unknown dataset.
    """
    ws = open_workspace(workspace)
    ds = ws.dataset(dataset)
    rows = [_row(ws, ds, name) for name in splits.names(ws, ds.name)]
    show(
        rows,
        ("name", "train", "validation", "test", "test_sets", "how", "problem"),
        as_json=as_json,
        empty=f"No split of {dataset} is saved yet; the page Class splits draws some.",
    )


def _row(ws: Workspace, ds: Dataset, name: str) -> dict[str, Any]:
    try:
        split = splits.load(ws, ds.name, name)
        check_known(split, _classes(ds))
    except (splits.SavedSplitError, SplitError) as error:
        return {"name": name, "problem": str(error)}
    validations, tests = held_out(split)
    return {
        "name": name,
        "train": len(split.train),
        "validation": len(validations[0]),
        "test": len(tests[0]),
        "test_sets": len(tests),
        "how": str(split.info.get("setup", "")),
        "info": dict(split.info),
        "problem": "",
    }


@splits_app.command("show")
def show_(dataset: DatasetArgument, name: NameArgument, workspace: WorkspaceOption = None) -> None:
    """Print a split as JSON, as `hearspace splits save` reads it.

    Example: `hearspace splits show esc10 mine > mine.json`

    Exit status: 0, or 2 for an unknown dataset or split.
    """
    ws = open_workspace(workspace)
    print(split_to_json(splits.load(ws, ws.dataset(dataset).name, name)), end="")


@splits_app.command()
def save(
    dataset: DatasetArgument,
    name: NameArgument,
    file: Annotated[Path, typer.Argument(help="JSON file with the split; - for standard input.")],
    replace: Annotated[bool, typer.Option("--replace", help="Replace a split that has this name.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Keep a split under a name: JSON with lists of classes under train, validation and test.

    Several test sets stand as lists of lists under validations and tests. No class may be in two parts, and
    the dataset must have all of them.

    Example: `hearspace splits save esc10 mine mine.json`

    Exit status: 0, or 2 for a file that holds no split, or a name that is taken.
    """
    ws = open_workspace(workspace)
    ds = ws.dataset(dataset)
    split = split_from_json(sys.stdin.read()) if str(file) == "-" else splits.read(file.expanduser())
    check_known(split, _classes(ds))
    splits.save(ws, ds.name, name, split, replace=replace)
    say(f"Saved {name}. Next: hearspace train zero-shot {dataset} SPACE --split {name}")


def _classes(ds: Dataset) -> set[str]:
    return set(measures.clip_classes(ds.clips).tolist()) - {""}


def _single(ds: Dataset, min_clips: int) -> set[str]:
    """Return the classes that have so many clips which are of no other."""
    labels = measures.clip_classes(ds.clips)
    sizes = Counter(labels[~measures.of_several_classes(ds.clips)].tolist())
    return {label for label, n in sizes.items() if label and n >= min_clips}


@splits_app.command()
def delete(dataset: DatasetArgument, name: NameArgument, workspace: WorkspaceOption = None) -> None:
    """Forget a split; what was trained on it stays.

    Example: `hearspace splits delete esc10 mine`

    Exit status: 0, or 2 for an unknown dataset or split.
    """
    ws = open_workspace(workspace)
    splits.delete(ws, ws.dataset(dataset).name, name)
    say(f"Deleted {name}.")
