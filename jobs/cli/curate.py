"""The command that pairs sounds with texts that nobody has paired, by a model that embeds both."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from jobs import encoders
from jobs.cli.common import (
    JsonOption,
    WorkspaceOption,
    compute,
    in_folder,
    open_workspace,
    say,
    show,
    space_of,
)
from jobs.cli.train import DatasetArgument
from jobs.specs import SpecError
from jobs.text_files import read_texts

#: Texts that are embedded at once.
_TEXTS = 256
#: Pairs that are shown.
_SHOWN = 10


def register(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command()(curate)


def curate(
    dataset: DatasetArgument,
    encoder: Annotated[str, typer.Argument(help="A model of sound and text, such as transformers:<a CLAP>.")],
    texts: Annotated[Path, typer.Argument(help="Texts to choose from: a .txt, .csv or .tsv file.")],
    out: Annotated[
        Path | None, typer.Option(help="CSV to write: path, label, caption, similarity and weight.")
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Texts for each sound.")] = 1,
    term: Annotated[
        list[str] | None,
        typer.Option(help="Keep to texts of a domain that this names, or that are near it; may be repeated."),
    ] = None,
    share: Annotated[
        float, typer.Option(help="Part of the texts, the nearest to the terms, that is of the domain.")
    ] = 0.2,
    temperature: Annotated[float, typer.Option(help="Of the weights of several texts of a sound.")] = 0.07,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Pair sounds with the texts nearest to them, which can then be trained on.

    Without `--term` any text may be chosen (domain-unspecific curation); with terms only those that hold a
    word of one, or that are nearest to them (domain-specific). Weights say how a sound's k texts share it. A
    table with one text a sound, put into their folder, is a dataset by the adapter csv.

    Example: `hearspace curate birds transformers:laion/clap-htsat-unfused texts.txt --term bird --out a.csv`

    Exit status: 0 when all sounds have a text, 1 if the sounds could not be embedded, 2 for what cannot be.
    """
    from core.curation import curate_specific, curate_unspecific

    ws = open_workspace(workspace)
    if out is not None:
        in_folder(out)
    ds = ws.dataset(dataset)
    if not texts.is_file():
        raise SpecError(f"There is no file {texts}; give a list of texts.")
    told = list(dict.fromkeys(read_texts(texts.name, texts.read_bytes()).texts))
    space = space_of(ws, ds, encoder)
    model = encoders.load(space.encoder, modality="text")
    compute(ws, [space], quiet=True)
    artifact = ws.cache.open(space.key)
    clips = artifact.table("clips", ["clip_id"]).column("clip_id").to_pylist()
    audio = np.asarray(artifact.array("embeddings"))
    embedded = _embedded(model, told)
    how: dict[str, Any] = {"temperature": temperature}
    if term:
        how |= {"captions": told, "domain_terms": term, "domain": _embedded(model, term), "share": share}
    pairs = (curate_specific if term else curate_unspecific)(audio, embedded, k, **how)
    about = ds.clips.set_index("clip_id").loc[[clips[i] for i in pairs.audio]]
    table = pd.DataFrame(
        {
            "path": about["path"].to_numpy(),
            "label": about["label"].to_numpy(),
            "caption": [told[i] for i in pairs.text],
            "similarity": pairs.similarity,
            "weight": pairs.weight,
        }
    )
    if out is not None:
        table.to_csv(out, index=False)
    plain = table.astype(object).where(table.notna(), None)
    rows = [{str(name): value for name, value in row.items()} for row in plain.to_dict("records")]
    total = {"pairs": len(table), "texts": len(told), "candidates": len(pairs.candidates)}
    if as_json:
        show([total | {"rows": rows}], (), as_json=True, empty="")
        return
    show(rows[:_SHOWN], ("path", "label", "caption", "similarity", "weight"), as_json=False, empty="")
    say(
        f"{len(table):,} pairs of {len(clips):,} sounds with {len(set(pairs.text.tolist())):,} of "
        f"{len(pairs.candidates):,} texts{f', in {out}' if out else ''}."
    )


def _embedded(model: Any, texts: list[str]) -> np.ndarray:
    parts = [
        np.asarray(model.embed(texts[start : start + _TEXTS]), dtype=np.float32)
        for start in range(0, len(texts), _TEXTS)
    ]
    return np.concatenate(parts)
