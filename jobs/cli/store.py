"""Commands about results: cache, export."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cache.errors import size
from core.words import count
from jobs.cli.common import (
    FAILED,
    JsonOption,
    WorkspaceOption,
    open_workspace,
    say,
    show,
    space_of,
    writable,
)
from jobs.files import output
from jobs.specs import SpecError, from_json
from jobs.workspace.workspace import WorkspaceError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

cache_app = typer.Typer(help="List, check and trim what is cached.", no_args_is_help=True)

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.add_typer(cache_app, name="cache")
    app.command()(export)


@cache_app.command("list")
def list_(
    type_: Annotated[str | None, typer.Option("--type", help="Only results of this type.")] = None,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """List the cached results.

    Example: `hearspace cache list --type EmbedAudio`

    Exit status: 0.
    """
    rows: list[dict[str, Any]] = []
    for info in open_workspace(workspace).cache.list(type=type_):
        rows.append(
            {
                "result": info.key[:12],
                "what": _title(info.spec),
                "size": size(info.size),
                "took": f"{info.seconds:.1f} s",
                "key": info.key,
                "type": info.type,
                "bytes": info.size,
                "seconds": info.seconds,
                "created": info.created,
                "last_used": info.last_used,
                "spec": info.spec,
            }
        )
    show(rows, ("result", "what", "size", "took"), as_json=as_json, empty="Nothing is cached yet.")


@cache_app.command("size")
def size_(as_json: JsonOption = False, workspace: WorkspaceOption = None) -> None:
    """Print how much the cached results take.

    Example: `hearspace cache size`

    Exit status: 0.
    """
    cache = open_workspace(workspace).cache
    n, total = len(cache.list()), cache.size()
    if as_json:
        print(f'{{"results": {n}, "bytes": {total}}}')
    else:
        say(f"{count(n, 'result')}, {size(total)}.")


@cache_app.command()
def verify(
    remove: Annotated[bool, typer.Option(help="Remove what is damaged, to be computed again.")] = False,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Check every file of every result against its checksum.

    Example: `hearspace cache verify --remove`

    Exit status: 0 if all is whole, 1 if something is damaged (removed or not).
    """
    problems = open_workspace(workspace).cache.verify(remove=remove)
    rows = [{"result": p.key[:12], "file": p.file, "reason": p.reason, "key": p.key} for p in problems]
    show(rows, ("result", "file", "reason"), as_json=as_json, empty="All results are whole.")
    if problems:
        raise typer.Exit(FAILED)


@cache_app.command()
def evict(
    to: Annotated[str, typer.Argument(help="Size to come down to, such as 5GB, 800MB or 0.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Remove least recently used results down to a size.

    What a waiting or running job needs stays, and so do the sounds of generated datasets and imported
    embeddings, which could not be made again.

    Example: `hearspace cache evict 5GB`

    Exit status: 0, or 2 for a size that cannot be read.
    """
    ws = open_workspace(workspace)
    before = ws.cache.size()
    gone = ws.evict(_bytes(to))
    say(f"{count(len(gone), 'result')} removed, {size(before - ws.cache.size())} freed.")


@cache_app.command()
def rebuild(workspace: WorkspaceOption = None) -> None:
    """Make the index of results anew from the results themselves, and clear what crashes left behind.

    Example: `hearspace cache rebuild`

    Exit status: 0.
    """
    cache = open_workspace(workspace).cache
    cleaned = cache.clean()
    say(f"{count(cache.rebuild_index(), 'result')} indexed; {cleaned} unfinished ones cleared.")


def export(
    dataset: Annotated[str, typer.Argument(help="Name of a dataset.")],
    encoder: Annotated[str, typer.Argument(help="The space: the encoder that made it.")],
    target: Annotated[
        Path,
        typer.Argument(help="File to write: .npz, .csv or .parquet; or .zip or a folder for the raw result."),
    ],
    workspace: WorkspaceOption = None,
) -> None:
    """Write a space to a file for other programs: embeddings and all that is known of their clips.

    `.csv` and `.parquet` have a row a clip: clip_id, path, label, labels (all, with "; " between),
    family, fold and the dataset's other columns, then e0 … e(d-1). `.npz` holds clip_ids, labels (the first
    of each clip), embeddings (n, d), all_labels (with "; " between) and an array for every other column.

    Example: `hearspace export esc10 aisfx esc10-aisfx.npz`

    Exit status: 0, or 2 where the space is not there yet, the target exists or its folder does not.
    """
    import pandas as pd

    ws = open_workspace(workspace)
    ds = ws.dataset(dataset)
    spec = space_of(ws, ds, encoder)
    if not ws.cache.contains(spec.key):
        raise SpecError(
            f"{dataset} is not embedded with {encoder} yet; `hearspace embed {dataset} {encoder}` does it."
        )
    writable(target)
    kind = target.suffix.lower()
    if kind not in (".npz", ".csv", ".parquet", ".zip", ""):
        raise SpecError(f"{target.suffix} files are not written; use .npz, .csv, .parquet, .zip or a folder.")
    if kind in (".zip", ""):
        ws.cache.export(spec.key, target)
        say(f"Written: {target}.")
        return
    space = spec.read(ws.cache)
    X = space.embeddings  # (n, d)
    rows = pd.DataFrame({"clip_id": space.clip_ids})
    clips = rows.merge(ds.clips, on="clip_id", how="left", validate="one_to_one")
    with output(target, X.nbytes) as fresh:
        _write(fresh, kind, clips, X)
    say(f"Written: {target} ({count(X.shape[0], 'clip')} × {count(X.shape[1], 'dimension')}).")


def _write(target: Path, kind: str, clips: pd.DataFrame, X: np.ndarray) -> None:
    import numpy as np
    import pandas as pd

    joined = clips["labels"].map(lambda own: "; ".join(map(str, own)) if np.ndim(own) else "")
    if kind == ".npz":
        first = clips["label"].fillna("")
        rest = clips.drop(columns=["clip_id", "label", "labels"])
        arrays = {"clip_ids": clips["clip_id"], "labels": first, "all_labels": joined}
        # What the file and its writer call their own.
        taken = {*arrays, "ids", "embeddings", "file"}
        arrays |= {f"{c} (given)" if c in taken else str(c): rest[c] for c in rest.columns}
        columns: dict[str, Any] = {name: _plain(values) for name, values in arrays.items()}
        np.savez(target, embeddings=X, **columns)
        return
    named = [c for c in clips.columns if re.fullmatch(r"e\d+", str(c))]
    clips = clips.rename(columns={c: f"{c} (given)" for c in named})
    clips = clips.assign(labels=joined)
    frame = pd.concat([clips, pd.DataFrame(X, columns=[f"e{i}" for i in range(X.shape[1])])], axis=1)
    if kind == ".csv":
        frame.to_csv(target, index=False)
    else:
        frame.to_parquet(target, index=False)


def _plain(values: pd.Series) -> np.ndarray:
    """A column as an array without objects: numbers and NaN, or text and "", where there is none."""
    import numpy as np
    import pandas as pd

    if not pd.api.types.is_numeric_dtype(values):
        return values.astype(object).where(values.notna(), "").astype(str).to_numpy(dtype=np.str_)
    if values.isna().any():
        return values.to_numpy(dtype=np.float64, na_value=np.nan)
    return values.to_numpy(dtype=values.dtype.name.lower())


def _bytes(text: str) -> int:
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)b?\s*", text.lower())
    if match is None:
        raise WorkspaceError(f"{text!r} is no size; write a number and kB, MB, GB or TB.")
    return int(float(match[1]) * _UNITS[match[2]])


def _title(spec: dict[str, Any]) -> str:
    try:
        return from_json(spec).title
    except SpecError:
        return f"{spec.get('type')} of another version"
