"""Commands of pairs that a model of sounds and texts curates: a table of them, and training on them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from jobs import contrastive_presets as contrastive
from jobs import encoders
from jobs.cli.common import DatasetArgument, Output, Run, compute, in_folder, say, show, space_of, without_nan
from jobs.cli.options import Asked, Group, expanded
from jobs.cli.train import train_app
from jobs.files import output as written
from jobs.specs import CuratedTraining, SpecError
from jobs.workspace.text_files import read_texts

#: What the released code makes of a label.
PROMPT = CuratedTraining.prompt
#: Texts that are embedded at once.
_TEXTS = 256
#: Pairs that are shown.
_SHOWN = 10


def register(app: typer.Typer) -> None:
    """Add these commands, the second to the group `train`, which is part of the program already."""
    app.command()(curate)
    train_app.command("curated")(train)


@dataclass(frozen=True)
class Chosen(Group):
    """How texts are chosen, and where the pairs are written to."""

    out: Annotated[
        Path | None, typer.Option(help="CSV to write: path, label, caption, similarity and weight.")
    ] = None
    k: Annotated[int, typer.Option("-k", min=1, help="Texts for each sound.")] = 1
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Instead of k texts: every text of this cosine or more. The released code has 0.75."
        ),
    ] = None
    term: Annotated[
        list[str] | None,
        typer.Option(help="Keep to texts of a domain that this names, or that are near it; may be repeated."),
    ] = None
    share: Annotated[
        float, typer.Option(help="Part of the texts, the nearest to the terms, that is of the domain.")
    ] = 0.2
    domain_threshold: Annotated[
        float | None,
        typer.Option(
            help="Instead of words and share: texts of this cosine or more to “this is a sound of <term>”. "
            "The released code has 0.7."
        ),
    ] = None
    temperature: Annotated[float, typer.Option(help="Of the weights of several texts of a sound.")] = 0.07


@expanded
def curate(
    dataset: DatasetArgument,
    encoder: Annotated[str, typer.Argument(help="A model of sound and text, such as transformers:<a CLAP>.")],
    texts: Annotated[Path, typer.Argument(help="Texts to choose from: a .txt, .csv or .tsv file.")],
    how: Chosen,
    output: Output,
) -> None:
    """Pair sounds with the texts nearest to them, which can then be trained on.

    Without `--term` any text may be chosen (domain-unspecific curation); with terms only those that contain a
    word of one, or that are nearest to them (domain-specific). The weights of a sound's texts sum to 1. With
    `--threshold` 0.75, or 0.7 and `--domain-threshold` 0.7, pairs are those of the authors' released code. A
    table with one text a sound in their folder can be added as a dataset by the adapter csv.

    Example: `hearspace curate birds transformers:laion/clap-htsat-unfused texts.txt --term bird --out a.csv`

    Exit status: 0 when all sounds have a text, 1 if the sounds could not be embedded, 2 for unknown names or
    impossible settings.
    """
    from core.curation import curate_by_threshold, curate_specific, curate_unspecific, domain_texts

    ws = output.open()
    if how.out is not None:
        in_folder(how.out)
    ds = ws.dataset(dataset)
    if not texts.is_file():
        raise SpecError(f"There is no file {texts}; give a list of texts.")
    candidates = list(dict.fromkeys(read_texts(texts.name, texts.read_bytes()).texts))
    space = space_of(ws, ds, encoder)
    model = encoders.load(space.encoder, modality="text")
    compute(ws, [space], quiet=True)
    embedded = space.read(ws.cache)
    clips, audio = embedded.clip_ids, np.asarray(embedded.embeddings)
    vectors = _embed(model, candidates)
    domain = _domain(how, model, candidates)
    if how.threshold is not None:
        inside = np.flatnonzero(domain_texts(vectors, **domain)) if domain else None
        pairs = curate_by_threshold(
            audio, vectors, how.threshold, candidates=inside, temperature=how.temperature
        )
    elif domain:
        pairs = curate_specific(audio, vectors, how.k, **domain, temperature=how.temperature)
    else:
        pairs = curate_unspecific(audio, vectors, how.k, temperature=how.temperature)
    about = ds.clips.set_index("clip_id").loc[[clips[i] for i in pairs.audio]]
    table = pd.DataFrame(
        {
            "path": about["path"].to_numpy(),
            "label": about["label"].to_numpy(),
            "caption": [candidates[i] for i in pairs.text],
            "similarity": pairs.similarity,
            "weight": pairs.weight,
        }
    )
    if how.out is not None:
        with written(how.out) as fresh:
            table.to_csv(fresh, index=False)
    plain = table.astype(object).where(table.notna(), None)
    rows = [{str(name): value for name, value in row.items()} for row in plain.to_dict("records")]
    total = {"pairs": len(table), "texts": len(candidates), "candidates": len(pairs.candidates)}
    if output.as_json:
        show([total | {"rows": rows}], (), as_json=True, empty="")
        return
    show(rows[:_SHOWN], ("path", "label", "caption", "similarity", "weight"), as_json=False, empty="")
    say(
        f"{len(table):,} pairs of {len(clips):,} sounds with {len(set(pairs.text.tolist())):,} of "
        f"{len(pairs.candidates):,} texts{f', in {how.out}' if how.out else ''}."
    )


def _domain(how: Chosen, model: Any, texts: list[str]) -> dict[str, Any]:
    """Return what `core.curation.domain_texts` takes; empty where no term is given."""
    if not how.term:
        return {}
    if how.domain_threshold is not None:
        prompts = [PROMPT.replace("{}", name) for name in how.term]
        return {"domain": _embed(model, prompts), "threshold": how.domain_threshold}
    return {
        "captions": texts,
        "domain_terms": how.term,
        "domain": _embed(model, how.term),
        "share": how.share,
    }


#: Settings of `CuratedTraining` that have an option.
_ASKED = (
    *("method", "k", "share", "threshold", "domain_threshold", "prompt", "training", "test_classes"),
    *("test_share", "targets", "beta", "target_temperature", "n_seeds", "seed", "rate", "max_epochs"),
    *("patience", "batch_size"),
)


@expanded
def train(
    dataset: DatasetArgument,
    encoder: Annotated[
        str,
        typer.Argument(
            help="A model of sound and text: transformers:<a CLAP>, or a space trained:ea-… of the workspace."
        ),
    ],
    text: Annotated[str | None, typer.Option(help="Encoder of the texts. [default: the same]")] = None,
    *,
    asked: Annotated[dict[str, Any], Asked(CuratedTraining, *_ASKED)],
    output: Run,
) -> None:
    """Curate pairs of a dataset's sounds and captions, train on them, and compare accuracies.

    The model pairs training clips with captions, regardless of the given pairs; projectors behind its two
    towers are trained on these pairs with hard and with soft targets, several seeds of each; held-out clips
    test them and the model as it was. The page Leakage lab shows the result.

    Example: `hearspace train curated clotho transformers:laion/clap-htsat-unfused --method augmented`

    Exit status: 0 when all is trained, 1 if a job failed, 2 for unknown names or impossible settings.
    """
    ws = output.open()
    ds = ws.dataset(dataset)
    spec = contrastive.curated_training(ds, space_of(ws, ds, encoder), text=text, **asked)
    if not output.compute(ws, [spec]):
        return
    result = spec.read(ws.cache)
    tables = {
        name: [without_nan(row) for row in getattr(result, name).to_pylist()]
        for name in ("accuracies", "differences", "models")
    }
    if output.as_json:
        show([{"key": spec.key, **result.values(), **tables}], (), as_json=True, empty="")
        return
    show(tables["accuracies"], ("targets", "mean", "low", "high", "n", "over"), as_json=False, empty="")
    rows = [row | {"difference": f"{row['a']} - {row['b']}"} for row in tables["differences"]]
    show(rows, ("difference", "over", "mean", "low", "high", "p", "n"), as_json=False, empty="")
    say(
        f"{result.n_pairs:,} pairs of {result.n_sounds:,} sounds with {result.n_texts:,} of "
        f"{result.n_candidates:,} captions, {result.same_class:.0%} of them of the sound's class; "
        f"{result.n_test:,} test clips of {result.n_test_classes} classes, chance is {result.chance:.3f}."
    )


def _embed(model: Any, texts: list[str]) -> np.ndarray:
    parts = [
        np.asarray(model.embed(texts[start : start + _TEXTS]), dtype=np.float32)
        for start in range(0, len(texts), _TEXTS)
    ]
    return np.concatenate(parts)
