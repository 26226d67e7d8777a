"""Commands about what there is: datasets, encoders, import-embeddings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.words import count
from jobs.cli.common import (
    DatasetArgument,
    JsonOption,
    Output,
    WorkspaceOption,
    complain,
    open_workspace,
    say,
    show,
)
from jobs.cli.options import Group, expanded
from jobs.workspace.workspace import Dataset, UnknownDataset, Workspace, WorkspaceError

if TYPE_CHECKING:
    from jobs.importing.embeddings import Report


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command()(datasets)
    app.command()(encoders)
    app.command("import-embeddings")(import_embeddings)


def datasets(as_json: JsonOption = False, workspace: WorkspaceOption = None) -> None:
    """List the datasets of the workspace and the spaces that each has.

    Example: `hearspace datasets --json`

    Exit status: 0, or 1 where a dataset is damaged or may not be read.
    """
    ws = open_workspace(workspace)
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
    show(rows, columns, as_json=as_json, empty=empty)
    if not as_json:
        for line in (*remarks, *_orphan_remarks(ws)):
            say(line)
    complain(damaged)


def changed_remarks(ws: Workspace, dataset: Dataset) -> Iterator[str]:
    """Say which spaces a dataset had before its sounds changed, and how to have them again."""
    from jobs.encoders import trained
    from jobs.workspace.attached import left_behind

    lost = left_behind(ws, dataset)
    again = [e for e in lost if not e.startswith(f"{trained.NAME}:")]
    if again:
        yield (
            f"The sounds of {dataset.name} have changed since it was embedded with {', '.join(again)}: "
            f"`hearspace embed {dataset.name} {' '.join(again)}` computes what is new and keeps the rest."
        )
    if len(again) < len(lost):
        yield (
            f"The sounds of {dataset.name} have changed since "
            f"{', '.join(e for e in lost if e not in again)} was trained on them: train again."
        )


def _orphan_remarks(ws: Workspace) -> Iterator[str]:
    from jobs.workspace.attached import orphans

    for o in orphans(ws):
        name = o.encoder.partition(":")[2]
        yield (
            f"{o.encoder} is orphaned: the {o.n_clips:,} sounds of {o.dataset} that it was imported for are "
            "in no dataset any more. Import it again, or remove it: "
            f"`hearspace import-embeddings {o.dataset} {name} --remove --orphaned`."
        )


def dataset_row(ws: Workspace, name: str) -> dict[str, Any]:
    """Return what there is to say of a dataset as plain values."""
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
    """List the encoders, what each is, and whether it can run here.

    With `--json` also what is known of each model: modality, objective, parameters, training data and
    dimensions.

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
    """What is known of how a model was trained: `jobs.encoders.Card`."""

    modality: Annotated[
        str | None, typer.Option(help="What the model was trained on, such as 'audio & language'.")
    ] = None
    objective: Annotated[
        str | None, typer.Option(help="What it was trained to do, such as 'contrastive alignment'.")
    ] = None
    parameters: Annotated[
        int | None, typer.Option(min=0, help="Number of parameters of its audio encoder.")
    ] = None
    training_data: Annotated[
        int | None, typer.Option(min=0, help="Number of clips or pairs that it was trained on.")
    ] = None


@dataclass(frozen=True)
class Removal(Group):
    """Whether a space is removed instead."""

    remove: Annotated[bool, typer.Option("--remove", help="Remove the space of this name instead.")] = False
    orphaned: Annotated[
        bool, typer.Option("--orphaned", help="With --remove: only of sounds that no dataset has any more.")
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
        typer.Option(help="Names of the clips, one a line or a column of a table, for a file without any."),
    ] = None,
    *,
    card: Training,
    removal: Removal,
    output: Output,
) -> None:
    """Import embeddings that another program computed, of any model, as a space like any other.

    A `.npz` holds `ids` (or `clip_ids`) and `embeddings` (n, d), or `frames` (m, d) and `offsets` (n + 1,);
    a `.npy` (n, d) has a row a clip in the order of the dataset, or of `--ids`; tables have a column that
    names the clip and columns of numbers or a column of lists; beside `tensors.tsv` lies `metadata.tsv`; JSON
    files hold `audio_path` and `embeddings`, a list or a list of frames. Names are clip ids, paths, or file
    names that only one clip has. Importing again under a name replaces what it means.

    Example: `hearspace import-embeddings esc10 beats ~/embeddings/beats.npz`

    Exit status: 0, or 2 if nothing can be imported.
    """
    from jobs import encoders as registry
    from jobs.importing import embeddings as imports

    ws = output.open()
    if removal.remove:
        n = _remove(ws, dataset, name, orphaned=removal.orphaned)
        if output.as_json:
            print(f'{{"removed": {n}}}')
        else:
            say(f"Removed imported:{name} of {dataset}.")
        return
    ds = ws.dataset(dataset)
    if path is None:
        raise WorkspaceError(
            f"Say where the embeddings are: `hearspace import-embeddings {dataset} {name} PATH`."
        )
    known = registry.Card(**asdict(card))
    report = imports.import_embeddings(
        ws,
        ds,
        name,
        path.expanduser(),
        ids=None if ids is None else ids.expanduser(),
        card=None if known == registry.Card() else known,
    )
    if output.as_json:
        row = asdict(report) | {"spec": report.spec.to_json(), "encoder": report.spec.encoder}
        show([row | {"key": report.spec.key}], (), as_json=True, empty="")
        return
    frames = "" if report.n_frames is None else f", {count(report.n_frames, 'frame')}"
    total = report.n_clips + len(report.excluded)
    say(
        f"Imported {report.spec.encoder}: {report.n_clips:,} of {count(total, 'clip')} × "
        f"{count(report.dimensions, 'dimension')}{frames}"
        f"{'; the name stood for others before' if report.replaced else ''}."
    )
    for line in _import_remarks(report, dataset):
        say(line)
    say(f"Next: hearspace project {dataset} {report.spec.encoder}")


def _remove(ws: Workspace, dataset: str, name: str, *, orphaned: bool) -> int:
    """Remove what is imported under a name; returns how many results went."""
    from jobs.importing import embeddings as imports
    from jobs.workspace import attached

    if orphaned:
        if damaged := ws.damaged():
            raise WorkspaceError(f"What is orphaned is not known while a dataset is damaged: {damaged[0]}")
        n = attached.remove_orphans(ws, dataset, name)
        if not n:
            raise WorkspaceError(
                f"No imported:{name} of {dataset} is orphaned; `hearspace datasets` lists those that are."
            )
        return n
    # A dataset that is damaged is an error here, before anything is removed.
    known = ws.dataset(dataset) if ws.has_dataset(dataset) else None
    n = attached.remove_orphans(ws, dataset, name)
    try:
        return n + imports.remove(ws, known or ws.dataset(dataset), name)
    except (UnknownDataset, imports.EmbeddingsError):
        if not n:
            raise
        return n


def _import_remarks(report: Report, dataset: str) -> Iterator[str]:
    if report.unknown:
        names = _several(len(report.unknown), "name is", "names are")
        yield f"{names} no clip of {dataset}: {_few(report.unknown)}."
    reasons: dict[str, list[str]] = {}
    for clip, reason in report.excluded.items():
        reasons.setdefault(reason, []).append(clip)
    for reason, clips in reasons.items():
        yield f"{_several(len(clips), 'clip is', 'clips are')} left out ({_few(clips)}): {reason}."
    yield from report.notes


def _several(n: int, one: str, many: str) -> str:
    return f"{n:,} {one if n == 1 else many}"


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
