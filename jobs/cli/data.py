"""Commands for datasets, encoders and imported embeddings: datasets, encoders, import-embeddings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.words import count
from jobs.cli.common import DatasetArgument, JsonOption, Output, complain, say, show
from jobs.cli.options import Group, expanded
from jobs.workspace.workspace import Dataset, UnknownDataset, Workspace, WorkspaceError

if TYPE_CHECKING:
    from jobs.importing.embeddings import Report


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command()(datasets)
    app.command()(encoders)
    app.command("import-embeddings")(import_embeddings)


@expanded
def datasets(output: Output) -> None:
    """List the datasets of the workspace and their spaces.

    Example: `hearspace datasets --json`

    Exit status: 0, or 1 if a dataset is damaged or may not be read.
    """
    ws = output.open()
    rows: list[dict[str, Any]] = []
    remarks: list[str] = []
    damaged = ws.damaged()
    for dataset in ws.datasets():
        try:
            rows.append(dataset_row(ws, dataset.name))
            remarks += changed_remarks(ws, dataset)
        except WorkspaceError as error:
            damaged.append(str(error))
    unlabelled = ["unlabelled"] if any(row["unlabelled"] for row in rows) else []
    adds = "`hearspace add NAME FOLDER` adds one, `hearspace demo` shows one."
    empty = f"There are no datasets yet; {adds}" if not damaged else "No dataset can be read."
    columns = ("name", "adapter", "clips", "classes", *unlabelled, "folds", "spaces")
    show(rows, columns, as_json=output.as_json, empty=empty)
    if not output.as_json:
        for line in (*remarks, *_orphan_remarks(ws)):
            say(line)
    complain(damaged)


def changed_remarks(ws: Workspace, dataset: Dataset) -> Iterator[str]:
    """Yield which spaces a dataset had before its sounds changed, and how to compute them again."""
    from jobs.encoders import trained
    from jobs.workspace.attached import left_behind

    lost = left_behind(ws, dataset)
    own = [e for e in lost if e.startswith(f"{trained.NAME}:")]
    changed = f"The sounds of {dataset.name} have changed since"
    if again := [e for e in lost if e not in own]:
        yield (
            f"{changed} it was embedded with {', '.join(again)}: "
            f"`hearspace embed {dataset.name} {' '.join(again)}` computes what is new and keeps the rest."
        )
    if own:
        yield f"{changed} {', '.join(own)} was trained on them: train again."


def _orphan_remarks(ws: Workspace) -> Iterator[str]:
    from jobs.workspace.attached import orphans

    for o in orphans(ws):
        name = o.encoder.partition(":")[2]
        yield (
            f"{o.encoder} is orphaned: the {o.n_clips:,} sounds of {o.dataset} that it was imported for are "
            "no longer in any dataset. Import it again, or remove it: "
            f"`hearspace import-embeddings {o.dataset} {name} --remove --orphaned`."
        )


def dataset_row(ws: Workspace, name: str) -> dict[str, Any]:
    """Return the description of a dataset as plain values."""
    from jobs.presets import clip_classes, fold_names

    d = ws.dataset(name)
    clips = d.clips
    classes = clip_classes(clips)
    return {
        "name": d.name,
        "adapter": d.adapter,
        "clips": len(clips),
        "classes": len(set(classes.tolist()) - {""}),
        "unlabelled": int((classes == "").sum()),
        "folds": int(clips["fold"].nunique()),
        "fold_names": fold_names(clips),
        "hours": float(clips["duration"].sum()) / 3600,
        "ready": d.ready,
        "spaces": ", ".join(s.spec.model for s in ws.spaces(d) if s.state == "done"),
        "fingerprint": d.fingerprint,
        "root": str(d.root),
        "note": d.note,
    }


def encoders(as_json: JsonOption = False) -> None:
    """List the encoders, with a description of each and whether it can run here.

    `--json` adds the modality, objective, parameters, training data and dimensions of each model.

    Example: `hearspace encoders`

    Exit status: 0.
    """
    from jobs import encoders as registry

    rows = [
        {
            "name": f"{name}:<model>" if module.TAKES_ARGUMENT else name,
            "embeds": " and ".join(sorted(module.MODALITIES)),
            "here": (missing := module.available()) or "yes",
            "what": module.DESCRIPTION,
            "available": missing is None,
            "reference": module.REFERENCE,
            "card": asdict(registry.card(name)),
        }
        for name, module in registry.modules().items()
    ]
    show(rows, ("name", "embeds", "here", "what"), as_json=as_json, empty="There are no encoders.")
    if not as_json:
        for problem in registry.problems().values():
            say(problem)


@dataclass(frozen=True)
class Training(Group):
    """How the model was trained: fields of `jobs.encoders.Card`."""

    modality: Annotated[
        str | None, typer.Option(help="What the model was trained on, such as 'audio & language'.")
    ] = None
    objective: Annotated[
        str | None, typer.Option(help="Training objective, such as 'contrastive alignment'.")
    ] = None
    parameters: Annotated[
        int | None, typer.Option(min=0, help="Number of parameters of the audio encoder.")
    ] = None
    training_data: Annotated[
        int | None, typer.Option(min=0, help="Number of clips or pairs the model was trained on.")
    ] = None


@dataclass(frozen=True)
class Removal(Group):
    """Options to remove a space instead of importing one."""

    remove: Annotated[bool, typer.Option("--remove", help="Remove the space of this name instead.")] = False
    orphaned: Annotated[
        bool, typer.Option("--orphaned", help="With --remove: only for sounds no longer in any dataset.")
    ] = False


@expanded
def import_embeddings(
    dataset: DatasetArgument,
    name: Annotated[str, typer.Argument(help="Name of the model; the space will be imported:NAME.")],
    path: Annotated[
        Path | None,
        typer.Argument(
            help="A .npy, .npz, .safetensors, .parquet, .feather, .arrow, .csv or .tsv file, or a folder of "
            ".json files."
        ),
    ] = None,
    ids: Annotated[
        Path | None,
        typer.Option(
            help="File with the names of the clips, one per line or in a column, if PATH has no names."
        ),
    ] = None,
    *,
    card: Training,
    removal: Removal,
    output: Output,
) -> None:
    """Import embeddings of any model, computed by another program, as a space like any other.

    A `.npz` file holds `ids` (or `clip_ids`) and `embeddings` (n, d), or `frames` (m, d) and
    `offsets` (n + 1,). A `.npy` file (n, d) has one row per clip in the order of the dataset, or of `--ids`.
    Tables have a column with clip names, and columns of numbers or one column of lists. `tensors.tsv` needs
    `metadata.tsv` beside it. JSON files hold `audio_path` and `embeddings`, a list or a list of frames. Names
    are clip ids, paths, or unique file names. Importing again under the same name replaces the space.

    Example: `hearspace import-embeddings esc10 beats ~/embeddings/beats.npz`

    Exit status: 0, or 2 if nothing can be imported.
    """
    from jobs import encoders as registry
    from jobs.importing import embeddings as imports

    ws = output.open()
    if removal.remove:
        n = _remove(ws, dataset, name, orphaned=removal.orphaned)
        say(f'{{"removed": {n}}}' if output.as_json else f"Removed imported:{name} of {dataset}.")
        return
    ds = ws.dataset(dataset)
    if path is None:
        raise WorkspaceError(
            f"The path of the embeddings is missing: `hearspace import-embeddings {dataset} {name} PATH`."
        )
    own = registry.Card(**asdict(card))
    report = imports.import_embeddings(
        ws,
        ds,
        name,
        path.expanduser(),
        ids=None if ids is None else ids.expanduser(),
        card=None if own == registry.Card() else own,
    )
    if output.as_json:
        row = asdict(report) | {"spec": report.spec.to_json(), "encoder": report.spec.encoder}
        show([row | {"key": report.spec.key}], (), as_json=True, empty="")
        return
    for line in _import_remarks(report, dataset):
        say(line)
    say(f"Next: hearspace project {dataset} {report.spec.encoder}")


def _remove(ws: Workspace, dataset: str, name: str, *, orphaned: bool) -> int:
    """Remove the space imported under a name; return how many results were removed."""
    from jobs.importing import embeddings as imports
    from jobs.workspace import attached

    if orphaned:
        if damaged := ws.damaged():
            raise WorkspaceError(f"Orphans cannot be determined while a dataset is damaged: {damaged[0]}")
        n = attached.remove_orphans(ws, dataset, name)
        if not n:
            raise WorkspaceError(
                f"No imported:{name} of {dataset} is orphaned; `hearspace datasets` lists those that are."
            )
        return n
    # A damaged dataset is an error here, before anything is removed.
    known = ws.dataset(dataset) if ws.has_dataset(dataset) else None
    n = attached.remove_orphans(ws, dataset, name)
    try:
        return n + imports.remove(ws, known or ws.dataset(dataset), name)
    except (UnknownDataset, imports.EmbeddingsError):
        if not n:
            raise
        return n


def _import_remarks(report: Report, dataset: str) -> Iterator[str]:
    frames = "" if report.n_frames is None else f", {count(report.n_frames, 'frame')}"
    replaced = "; this replaces an earlier import" if report.replaced else ""
    total = report.n_clips + len(report.excluded)
    yield (
        f"Imported {report.spec.encoder}: {report.n_clips:,} of {count(total, 'clip')} × "
        f"{count(report.dimensions, 'dimension')}{frames}{replaced}."
    )
    if report.unknown:
        yield f"No clip of {dataset} matches {count(len(report.unknown), 'name')}: {_few(report.unknown)}."
    reasons: dict[str, list[str]] = {}
    for clip, reason in report.excluded.items():
        reasons.setdefault(reason, []).append(clip)
    for reason, clips in reasons.items():
        yield f"Excluded {count(len(clips), 'clip')} ({_few(clips)}): {reason}."
    yield from report.notes


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
