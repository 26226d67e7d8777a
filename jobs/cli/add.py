"""The command that adds a dataset, or reads one again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.words import count
from jobs import datasets as registry
from jobs.cli.common import JsonOption, WorkspaceOption, bars, open_workspace, say, show
from jobs.cli.data import changed_remarks, dataset_row
from jobs.specs import Synthesize
from jobs.workspace.workspace import Dataset, Workspace, WorkspaceError, checked_name

if TYPE_CHECKING:
    import pandas as pd

_SYNTHETIC, _AUTO = "synthetic", "auto"
#: Names of folds that are listed.
_MOST_NAMES = 12


def register(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command()(add)


def add(
    name: Annotated[str, typer.Argument(help="Name to give it: a-z, 0-9, '.', '_' and '-'.")],
    folder: Annotated[
        Path | None,
        typer.Argument(
            help="Folder that holds the sounds; none for --adapter synthetic. With --replace, by default the "
            "folder that the dataset was read from."
        ),
    ] = None,
    adapter: Annotated[
        str | None,
        typer.Option(
            help=f"{', '.join(registry.builtin_modules())}, synthetic, or auto: recognised from the folder. "
            "[default: auto; with --replace, the one before]",
            show_default=False,
        ),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option",
            "-o",
            metavar="NAME=VALUE",
            help="Option of the adapter; may be repeated. With --replace, earlier options stay; NAME= drops "
            "one.",
        ),
    ] = None,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace",
            help="Read a dataset of this name again: its folder, adapter and options stay unless others are "
            "given, and all changes are listed.",
        ),
    ] = False,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Add a folder of recordings, or a synthetic sound world, to the workspace.

    The sounds stay where they are. Each is opened and hashed once; files that cannot be used are reported
    and left out. Without an adapter, the layout decides: a known one, a table of sounds, or else folders.

    Example: `hearspace add birds ~/recordings/birds`

    Example: `hearspace add digits ~/digits -o name={label}_{speaker}_{take} -o fold=speaker`

    Example: `hearspace add world --adapter synthetic -o clips_per_class=40 -o difficulty=0.7`

    Exit status: 0, or 2 if nothing in the folder can be used or the name is taken.
    """
    ws = open_workspace(workspace)
    if not replace and ws.has_dataset(name):
        raise WorkspaceError(f"There is a dataset {name!r} already; add --replace, or use another name.")
    checked_name(name)
    adapters = [_AUTO, *registry.names(), _SYNTHETIC]
    if adapter is not None and adapter not in adapters:
        raise WorkspaceError(f"There is no adapter {adapter!r}; there are {', '.join(adapters)}.")
    before = _before(ws, name)
    plan = _plan(name, before, folder, adapter, _options(option or []))
    old = _clips(before)
    report = _carry_out(ws, name, plan, quiet=as_json)
    row = dataset_row(ws, name)
    dataset = ws.dataset(name)
    changes = [] if before is None or old is None else _changes(before, old, dataset)
    if as_json:
        show([row | {"report": report, "notes": plan.notes, "changes": changes}], (), as_json=True, empty="")
        return
    if report:
        show(report, ("status", "path", "reason"), as_json=False, empty="")
    _describe(name, row, dataset)
    for line in (*changes, *changed_remarks(ws, dataset), *plan.notes):
        say(line)
    say(f"Next: hearspace embed {name} melstats aisfx")


@dataclass
class _Plan:
    """The folder to read, how to read it, and notes for the user."""

    folder: Path | None
    adapter: str
    options: dict[str, str]
    notes: list[str] = field(default_factory=list)
    #: Whether the adapter was recognised from the folder.
    guessed: bool = False


def _before(ws: Workspace, name: str) -> Dataset | None:
    """Return the dataset that is to be read again; None if it is new, or too damaged."""
    try:
        return ws.dataset(name)
    except WorkspaceError:
        return None


def _clips(before: Dataset | None) -> pd.DataFrame | None:
    try:
        return None if before is None else before.clips
    except WorkspaceError:  # damaged: that is why it is read again
        return None


def _plan(
    name: str, before: Dataset | None, folder: Path | None, adapter: str | None, given: Mapping[str, str]
) -> _Plan:
    """Return the plan: what was asked for, completed by what is known of the dataset."""
    if folder is not None:
        folder = folder.expanduser().resolve()
    notes = []
    known: dict[str, str] = {}
    if before is not None:
        # A folder of sounds is no synthetic world.
        if adapter is None and not (before.source is not None and folder is not None):
            adapter = before.adapter
        if folder is None and adapter != _SYNTHETIC and before.source is None:
            folder = before.root
        if adapter == before.adapter:
            known = _known_options(before)
        elif before.options:
            notes.append(f"Options of the adapter {before.adapter} were dropped: {_written(before.options)}.")
    options = {k: v for k, v in {**known, **given}.items() if v}
    adapter = adapter or _AUTO
    if adapter == _SYNTHETIC:
        return _Plan(None, adapter, options, notes)
    if folder is None:
        raise WorkspaceError(f"Say which folder holds the sounds: `hearspace add {name} FOLDER`.")
    if adapter != _AUTO:
        return _Plan(folder, adapter, options, notes)
    from jobs.datasets._detect import recognise

    seen = recognise(folder)
    return _Plan(seen.root, seen.adapter, {**seen.options, **options}, [*notes, *seen.notes], True)


def _known_options(dataset: Dataset) -> dict[str, str]:
    if dataset.source is None:
        return dict(dataset.options)
    return {key: str(value) for key, value in asdict(dataset.source).items()}


def _carry_out(ws: Workspace, name: str, plan: _Plan, *, quiet: bool) -> list[dict[str, Any]]:
    """Import a dataset as planned and return the report; names of files may add a note to the plan."""
    if plan.adapter == _SYNTHETIC:
        ws.add_synthetic(name, _synthesis(plan.options))
        return []
    assert plan.folder is not None
    from jobs.datasets import DatasetError
    from jobs.datasets.importer import import_dataset
    from jobs.engine.queue import Job

    title = Job(key="import", spec={}, title=f"import {name}", state="running", created=0)
    with bars(quiet=quiet) as report:

        def progress(done: float, total: float, note: str = "") -> None:
            report(title, done, total, note)

        try:
            imported = import_dataset(plan.adapter, plan.folder, options=plan.options, progress=progress)
        except DatasetError as error:
            instead = ["`--adapter folder` names classes by folders instead."] * plan.guessed
            advice = plan.notes or (instead if plan.adapter == "csv" else [])
            raise DatasetError(" ".join([str(error), *advice])) from None
    plan.notes += _in_names(plan, imported.clips)
    ws.add_dataset(
        name,
        imported,
        adapter=plan.adapter,
        root=plan.folder,
        options=plan.options,
        description=registry.get(plan.adapter).DESCRIPTION,
    )
    return [{str(k): v for k, v in row.items()} for row in imported.report.to_dict("records")]


def _in_names(plan: _Plan, clips: pd.DataFrame) -> list[str]:
    """Note that names of files look as if they held labels, if all clips are of one class."""
    from jobs.datasets._names import propose

    if plan.adapter != "folder" or "name" in plan.options or clips["label"].nunique() > 1:
        return []
    pattern = propose(clips["path"].tolist())
    if pattern is None:
        return []
    text, _, values = pattern.partition(" ")
    stem = Path(str(clips["path"].iloc[0])).stem
    return [
        f"All clips are of one class, and their names are alike, such as {stem}: {values.strip('()')}. If "
        f"they hold labels, `--replace -o 'name={text}'` reads them; call the parts what they are."
    ]


def _describe(name: str, row: Mapping[str, Any], dataset: Dataset) -> None:
    from jobs.presets import fold_names, group_columns

    without = f" ({row['unlabelled']:,} without a label)" if row["unlabelled"] else ""
    counts = f"{count(row['clips'], 'clip')}{without}, {count(row['classes'], 'class')}"
    say(f"Added {name}: {counts}, {count(row['folds'], 'fold')} ({row['adapter']}).")
    names = fold_names(dataset.clips)
    if names:
        listed = ", ".join(f"{n} {word}" for n, word in list(names.items())[:_MOST_NAMES])
        say(f"Folds: {listed}{', …' if len(names) > _MOST_NAMES else ''}.")
    elif not row["folds"] and (groups := group_columns(dataset.clips)):
        can = "fold" in registry.get(dataset.adapter).OPTIONS if dataset.source is None else False
        how = f": `--replace -o fold={groups[0]}`" if can else ""
        say(
            f"No folds: classifiers would be judged on folds drawn at random. Clips of one "
            f"{groups[0].replace('_', ' ')} could be held out together{how}."
        )
    if dataset.note:
        say(dataset.note)


def _changes(before: Dataset, old: pd.DataFrame, now: Dataset) -> list[str]:
    """Describe how a dataset was read again, and its changes."""
    how = f"adapter {now.adapter}" + (f", {_written(now.options)}" if now.options else "")
    notes = [f"Read again from {now.root}: {how}." if now.source is None else f"Made again: {how}."]
    if before.source is None and now.source is None and before.root != now.root:
        notes.append(f"The folder was {before.root}.")
    if before.adapter != now.adapter:
        notes.append(f"The adapter was {before.adapter}.")
    elif _known_options(before) != _known_options(now):
        notes.append(f"The options were {_written(_known_options(before)) or 'none'}.")
    new = now.clips
    sha, sha_before = (dict(zip(t["clip_id"], t["sha256"], strict=True)) for t in (new, old))
    both = sha.keys() & sha_before.keys()
    parts = [
        (len(sha.keys() - sha_before.keys()), "new"),
        (len(sha_before.keys() - sha.keys()), "gone"),
        (sum(sha[clip] != sha_before[clip] for clip in both), "with another content"),
    ]
    for column, words in (("labels", "with other labels"), ("fold", "in another fold")):
        mine, theirs = (dict(zip(t["clip_id"], t[column].map(str), strict=True)) for t in (new, old))
        parts.append((sum(mine[clip] != theirs[clip] for clip in both), words))
    changed = [f"{n:,} {words}" for n, words in parts if n]
    notes.append(f"Clips: {', '.join(changed)}." if changed else "No clip has changed.")
    return notes


def _written(options: Mapping[str, str]) -> str:
    return " ".join(f"{key}={value}" for key, value in options.items())


def _options(given: list[str]) -> dict[str, str]:
    options = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise WorkspaceError(f"Option {text!r} is not of the form NAME=VALUE.")
        options[key.strip()] = value.strip()
    return options


def _synthesis(options: dict[str, str]) -> Synthesize:
    kinds = {"classes": int, "clips_per_class": int, "seconds": float, "difficulty": float, "seed": int}
    values: dict[str, Any] = {}
    for key, text in options.items():
        if key not in kinds:
            raise WorkspaceError(f"The synthetic world has no option {key!r}; it has {', '.join(kinds)}.")
        try:
            values[key] = kinds[key](text)
        except ValueError:
            raise WorkspaceError(f"Option {key} is {text!r}; it must be a number.") from None
    return Synthesize(**values)
