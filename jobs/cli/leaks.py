"""The command that finds leaks: captions and labels that name the classes of a test."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from core.words import count
from jobs.cli.common import Output, in_folder, say, show
from jobs.cli.options import Group, expanded
from jobs.files import output as written
from jobs.workspace.text_files import TextFile, read_texts
from jobs.workspace.workspace import Workspace, WorkspaceError


class Mode(StrEnum):
    """What a leak is."""

    words = "words"
    names = "names"


def register(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command()(leaks)


@dataclass(frozen=True)
class Search(Group):
    """What counts as a leak, and what is taken out."""

    mode: Annotated[
        Mode,
        typer.Option(help="words: any word of a name is a leak, as in the paper; names: only a whole name."),
    ] = Mode.words
    forms: Annotated[
        bool, typer.Option(help="Whether plurals and other forms of a word count as the word.")
    ] = True
    whole_clips: Annotated[
        bool, typer.Option("--whole-clips", help="Take out every caption of a clip that has one that leaks.")
    ] = False
    column: Annotated[
        str, typer.Option(help="Column of the table that is searched. [default: caption, label or the like]")
    ] = ""
    clean: Annotated[
        Path | None, typer.Option(help="File to write the clean list to, in the form of the one searched.")
    ] = None


@expanded
def leaks(
    searched: Annotated[
        str,
        typer.Argument(
            help="What is searched: a .txt, .csv or .tsv file of captions or labels, or a dataset, whose "
            "captions it is then, or else its class names."
        ),
    ],
    classes: Annotated[
        str,
        typer.Argument(
            help="The classes of the test: such a file, or a dataset, whose class names they are."
        ),
    ],
    how: Search,
    output: Output,
) -> None:
    """Find the captions, or labels of pre-training, that name the classes of a zero-shot test.

    Prints a table with a row a class, most captions first: how many name it, the share of all, and by which
    words.
    With `--json`, every caption that leaks is listed as well.

    Example: `hearspace leaks clotho_captions_development.csv esc50-classes.txt --clean clean.csv`

    Example: `hearspace leaks captioned esc50 --mode names --json`

    Exit status: 0 whether or not something leaks, 2 for an unknown file, dataset or column.
    """
    from core.leakage import find_leaks, leak_report

    if how.clean is not None:
        in_folder(how.clean)
    file = _file(searched, how.column)
    texts, clips = (list(file.texts), file.clip) if file else _of_dataset(output.open(), searched, how.column)
    other = _file(classes)
    names = list(
        dict.fromkeys(other.texts if other else output.open().dataset(classes).classes["label"].astype(str))
    )
    leaking = find_leaks(texts, names, mode=how.mode.value, forms=how.forms)
    lost = np.zeros(len(texts), dtype=bool)
    lost[leaking["row"].to_numpy()] = True
    n_named = int(lost.sum())
    if how.whole_clips:
        if clips is None:
            raise WorkspaceError(
                f"{searched} does not say which clip a caption is of; leave --whole-clips out."
            )
        of = np.asarray(clips)
        lost = np.isin(of, of[lost])
    if file is not None:
        # A row of a table goes as a whole.
        lost[file.gone(np.flatnonzero(lost).tolist())] = True
    if how.clean is not None:
        with written(how.clean) as fresh:
            fresh.write_bytes(_clean(file, texts, clips, lost))
    report = leak_report(texts, names, leaks=leaking, examples=1)
    rows = [_row(*values) for values in report.to_numpy().tolist()]
    total: dict[str, Any] = {
        "searched": len(texts),
        "name_a_class": n_named,
        "taken_out": int(lost.sum()),
        "left": int((~lost).sum()),
        "classes": len(names),
        "mode": how.mode.value,
        "forms": how.forms,
    }
    if output.as_json:
        if clips is not None:
            leaking["clip_id"] = [clips[i] for i in leaking["row"]]
        result = total | {"by_class": rows, "leaks": leaking.to_dict("records")}
        show([result], (), as_json=True, empty="")
        return
    table = [
        row | {"matched as": ", ".join(f"{word} {n:,}" for word, n in list(row["matched"].items())[:6])}
        for row in rows
        if row["texts"]
    ]
    show(table, ("class", "texts", "share", "matched as", "example"), as_json=False, empty="Nothing leaks.")
    say(
        f"{n_named:,} of {len(texts):,} name one of {count(len(names), 'class')}; {int(lost.sum()):,} taken "
        f"out, {int((~lost).sum()):,} left{f' in {how.clean}' if how.clean else ''}."
    )


def _row(
    label: str, n: int, share: float, matched: list[tuple[str, int]], examples: list[str]
) -> dict[str, Any]:
    """A row of `core.leakage.leak_report` as plain values."""
    example = next(iter(examples), None)
    return {"class": label, "texts": n, "share": share, "matched": dict(matched), "example": example}


def _file(given: str, column: str = "") -> TextFile | None:
    """Return the list in a file, or None where `given` names none."""
    path = Path(given).expanduser()
    if not path.is_file():
        if path.suffix:
            raise WorkspaceError(f"There is no file {given}; give a list of captions or labels.")
        return None
    return read_texts(path.name, path.read_bytes(), column=column)


def _of_dataset(ws: Workspace, name: str, column: str) -> tuple[list[str], list[str] | None]:
    from jobs.workspace.captions import captions_of

    dataset = ws.dataset(name)
    if column:
        raise WorkspaceError(f"{name} is a dataset, which has no column to choose; leave --column out.")
    captions = captions_of(dataset)
    if captions.empty:
        return dataset.classes["label"].astype(str).tolist(), None
    return captions["caption"].tolist(), captions["clip_id"].tolist()


def _clean(
    file: TextFile | None, texts: list[str], clips: list[str] | tuple[str, ...] | None, lost: np.ndarray
) -> bytes:
    """Return the list without the captions that are taken out."""
    if file is not None:
        return file.without(np.flatnonzero(lost).tolist())
    import pandas as pd

    table = {"caption": texts} if clips is None else {"clip_id": list(clips), "caption": texts}
    return pd.DataFrame(table)[~lost].to_csv(index=False).encode()
