"""Commands for results: cache, export."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cache.errors import size
from core.words import count
from jobs.cli.common import FAILED, Output, WorkspaceOption, open_workspace, say, show, space_of, writable
from jobs.cli.options import expanded
from jobs.files import output as written
from jobs.specs import SpecError, from_json
from jobs.workspace.workspace import WorkspaceError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

cache_app = typer.Typer(help="List, verify and evict cached results.", no_args_is_help=True)

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.add_typer(cache_app, name="cache")
    app.command()(export)


@cache_app.command("list")
@expanded
def list_(
    type_: Annotated[str | None, typer.Option("--type", help="Only results of this type.")] = None,
    *,
    output: Output,
) -> None:
    """List the cached results.

    Example: `hearspace cache list --type EmbedAudio`

    Exit status: 0.
    """
    names = ("key", "type", "seconds", "created", "last_used", "spec")
    rows: list[dict[str, Any]] = [
        {
            "result": info.key[:12],
            "what": _title(info.spec),
            "size": size(info.size),
            "took": f"{info.seconds:.1f} s",
            "bytes": info.size,
        }
        | {name: getattr(info, name) for name in names}
        for info in output.open().cache.list(type=type_)
    ]
    show(rows, ("result", "what", "size", "took"), as_json=output.as_json, empty="Nothing is cached yet.")


@cache_app.command("size")
@expanded
def size_(output: Output) -> None:
    """Print the number and total size of the cached results.

    Example: `hearspace cache size`

    Exit status: 0.
    """
    cache = output.open().cache
    n, total = len(cache.list()), cache.size()
    say(
        json.dumps({"results": n, "bytes": total})
        if output.as_json
        else f"{count(n, 'result')}, {size(total)}."
    )


@cache_app.command()
@expanded
def verify(
    remove: Annotated[bool, typer.Option(help="Remove damaged results, to be computed again.")] = False,
    *,
    output: Output,
) -> None:
    """Check every file of every result against its checksum.

    Example: `hearspace cache verify --remove`

    Exit status: 0 if all results are intact, 1 if one is damaged (removed or not).
    """
    problems = output.open().cache.verify(remove=remove)
    rows = [{"result": p.key[:12], "file": p.file, "reason": p.reason, "key": p.key} for p in problems]
    show(rows, ("result", "file", "reason"), as_json=output.as_json, empty="All results are intact.")
    if problems:
        raise typer.Exit(FAILED)


@cache_app.command()
def evict(
    to: Annotated[str, typer.Argument(help="Size of the cache afterwards, such as 5GB, 800MB or 0.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Remove the least recently used results until the cache has at most this size.

    The inputs and results of pending jobs are kept, and so are the sounds of generated datasets and imported
    embeddings, which cannot be computed again.

    Example: `hearspace cache evict 5GB`

    Exit status: 0, or 2 for a size that cannot be read.
    """
    ws = open_workspace(workspace)
    before = ws.cache.size()
    evicted = ws.evict(_bytes(to))
    say(f"{count(len(evicted), 'result')} removed, {size(before - ws.cache.size())} freed.")


@cache_app.command()
def rebuild(workspace: WorkspaceOption = None) -> None:
    """Rebuild the index of results from the results themselves, and remove what crashes left behind.

    Example: `hearspace cache rebuild`

    Exit status: 0.
    """
    cache = open_workspace(workspace).cache
    cleaned = cache.clean()
    say(f"{count(cache.rebuild_index(), 'result')} indexed; {cleaned} unfinished removed.")


def export(
    dataset: Annotated[str, typer.Argument(help="Name of a dataset.")],
    encoder: Annotated[str, typer.Argument(help="The space, named by its encoder.")],
    target: Annotated[
        Path,
        typer.Argument(help="File to write: .npz, .csv or .parquet; or .zip or a folder for the raw result."),
    ],
    workspace: WorkspaceOption = None,
) -> None:
    """Export a space for other programs: the embeddings and the metadata of their clips.

    `.csv` and `.parquet` files have one row per clip: clip_id, path, label, labels (all, separated by "; "),
    family, fold and the dataset's other columns, then e0 … e(d-1). `.npz` files hold clip_ids, labels (the
    first of each clip), embeddings (n, d), all_labels (separated by "; ") and an array per other column.

    Example: `hearspace export esc10 aisfx esc10-aisfx.npz`

    Exit status: 0, or 2 if the space is not computed yet, the target exists or its folder does not.
    """
    import pandas as pd

    ws = open_workspace(workspace)
    ds = ws.dataset(dataset)
    spec = space_of(ws, ds, encoder)
    if not ws.cache.contains(spec.key):
        raise SpecError(
            f"{dataset} is not embedded with {encoder} yet; run `hearspace embed {dataset} {encoder}` first."
        )
    writable(target)
    kind = target.suffix.lower()
    if kind not in (".npz", ".csv", ".parquet", ".zip", ""):
        raise SpecError(f"{target.suffix} is not a format; use .npz, .csv, .parquet, .zip or a folder.")
    if kind in (".zip", ""):
        ws.cache.export(spec.key, target)
        say(f"Written: {target}.")
        return
    space = spec.read(ws.cache)
    X = space.embeddings  # (n, d)
    rows = pd.DataFrame({"clip_id": space.clip_ids})
    clips = rows.merge(ds.clips, on="clip_id", how="left", validate="one_to_one")
    with written(target, X.nbytes) as fresh:
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
        # Names that the file and its writer use themselves.
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
    """Convert a column to an array without objects: missing values become NaN, or "" in text."""
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
        raise WorkspaceError(f"{text!r} is not a size; write a number and kB, MB, GB or TB.")
    return int(float(match[1]) * _UNITS[match[2]])


def _title(spec: dict[str, Any]) -> str:
    try:
        return from_json(spec).title
    except SpecError:
        return f"{spec.get('type')} of another version"
