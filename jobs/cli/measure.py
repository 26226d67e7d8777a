"""Commands that measure: how well spaces tell classes apart, how far they agree, and what they find."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import typer

from core.words import count
from jobs import presets as measures
from jobs.cli.common import DatasetArgument, Run, say, show, space_of
from jobs.cli.options import Group, expanded
from jobs.specs import (
    CUTOFFS,
    Agreement,
    Baselines,
    EmbedAudio,
    EmbedText,
    Retrieval,
    RetrievalGrid,
    Separability,
    SpecError,
)
from jobs.workspace.workspace import Dataset, Workspace


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command()(measure)
    app.command()(compare)
    app.command()(retrieve)


#: Size of the neighbourhoods in the table of `compare`, where nothing else is asked for.
_USUAL_K = 10
#: Values of `--normalize`, with what a spec calls them.
_NORMALIZE: dict[str, bool | str] = {"none": False, "after": True, "before": "before"}

SpacesArgument = Annotated[
    list[str] | None, typer.Argument(help="Spaces, by encoder. [default: all that the dataset has]")
]


@expanded
def measure(
    dataset: DatasetArgument,
    encoders: SpacesArgument = None,
    *,
    output: Run,
) -> None:
    """Measure how well spaces tell the classes apart: silhouettes, classifiers, the four properties, shape.

    Embeds the dataset first where that is missing. K-means over the number of clusters is computed as well,
    for the page.

    Example: `hearspace measure esc10 melstats aisfx`

    Exit status: 0 when every number is there, 1 if a job failed, 2 for unknown names.
    """
    ws = output.open()
    ds = ws.dataset(dataset)
    spaces = _spaces(ws, ds, encoders)
    specs = [spec for space in spaces for spec in measures.of_space(ds, space)]
    if ds.clips["label"][ds.clips["labels"].map(len) > 0].nunique() < 2:
        # There is nothing to classify; the rest still says something.
        specs = [spec for spec in specs if not isinstance(spec, Baselines)]
    if not output.compute(ws, specs):
        return
    columns = ("space", "dimensions", "silhouette", "knn", "probe", *_PROPERTIES, "hubness@10")
    rows = [_space_row(ws, ds, space) for space in spaces]
    show(rows, (*columns, "intrinsic_dimension", "effective_rank"), as_json=output.as_json, empty="")
    if not output.as_json:
        _say_folds(ds, rows)


def _say_folds(ds: Dataset, rows: list[dict[str, Any]]) -> None:
    """Say of which clips the numbers of classes are, and over which folds the accuracies are."""
    row = rows[0]
    if row["labelled"] < row["n"]:
        say(f"Of {count(row['n'], 'clip')}, {row['labelled']:,} have a class, which the numbers are of.")
    if any(r["folds"] == "drawn" for r in rows):
        columns = measures.group_columns(ds.clips)
        who = columns[0].replace("_", " ") if columns else "speaker or recording"
        say(
            f"knn and probe are over folds drawn at random: clips of one {who} may be in both training and "
            "test, and the accuracy of a new one would then be lower."
        )


@expanded
def compare(
    dataset: DatasetArgument,
    encoders: SpacesArgument = None,
    text: Annotated[
        list[str] | None,
        typer.Option(
            help="Text encoder whose embeddings of the class names take part; implies --of classes."
        ),
    ] = None,
    of: Annotated[str, typer.Option(help="What is compared: clips or classes.")] = "clips",
    k: Annotated[
        int | None,
        typer.Option(
            "-k",
            min=1,
            help="Size of the neighbourhoods in the table. [default: 10, or all where there are fewer]",
        ),
    ] = None,
    class_vectors: Annotated[
        str,
        typer.Option(help="What the mean of a class is of: raw embeddings, or unit (scaled to length 1)."),
    ] = "raw",
    *,
    output: Run,
) -> None:
    """Compare spaces pair by pair: do they agree on which sounds are near each other?

    The table has S_k without the point itself at one k, what unrelated spaces would have, NNGS (the mean
    Jaccard index), the largest S_k over k up to a fifth of the clips, and linear CKA.

    Example: `hearspace compare esc10 melstats aisfx --text minilm -k 5`

    Exit status: 0 when every number is there, 1 if a job failed, 2 for unknown names or a k out of range.
    """
    ws = output.open()
    ds = ws.dataset(dataset)
    spaces = _spaces(ws, ds, encoders)
    texts = [_text_space(ds, name) for name in text or ()]
    if texts:
        of = "classes"
    pairs = measures.of_pairs(ds, spaces, texts, of=of, class_vectors=class_vectors)
    if not pairs:
        raise SpecError(f"There is only one space of {ds.name} to compare; name at least two.")
    if not output.compute(ws, pairs):
        return
    rows = [_pair_row(ws, pair, k) for pair in pairs]
    columns = ("a", "b", "n", "k", "overlap", "chance", "p", "nngs", "largest", "at_k", "cka")
    show(rows, columns, as_json=output.as_json, empty="")


@dataclass(frozen=True)
class Searched(Group):
    """How spaces are searched: fields of `Retrieval`."""

    by: Annotated[
        str, typer.Option(help="What a clip that is found must share with the query: label or family.")
    ] = "label"
    grid: Annotated[
        bool,
        typer.Option("--grid", help="Judge every system of a space (27 with frames, else 9), one row each."),
    ] = False
    count_query: Annotated[
        bool,
        typer.Option(help="Count the query among the clips that AP divides by, as the paper's code does."),
    ] = True
    normalize: Annotated[
        str,
        typer.Option(
            help="Scale vectors to unit length: none; after PCA; or before it, as the paper's code has done "
            "since July 2024."
        ),
    ] = "none"


@expanded
def retrieve(
    dataset: DatasetArgument, encoders: SpacesArgument = None, *, asked: Searched, output: Run
) -> None:
    """Measure how well spaces find clips of the class of a query: MAP@15, MAP@150 and MR1.

    Models are compared by one system: mean of the frames, 100 principal components, cosine. Numbers are
    averages over the queries of a class, then over classes; intervals are in the JSON.

    Example: `hearspace retrieve esc10 melstats aisfx`

    Example: `hearspace retrieve esc10 aisfx --grid --normalize before`

    Exit status: 0 when every number is there, 1 if a job failed, 2 for unknown names.
    """
    if asked.normalize not in _NORMALIZE:
        raise SpecError(f"normalize is {asked.normalize!r}; it must be one of {', '.join(_NORMALIZE)}.")
    ws = output.open()
    ds = ws.dataset(dataset)
    spaces = _spaces(ws, ds, encoders)
    make: Any = measures.grid_of_retrieval if asked.grid else measures.retrieval_of
    how: dict[str, Any] = {"count_query": asked.count_query, "normalize": _NORMALIZE[asked.normalize]}
    specs: list[Retrieval | RetrievalGrid] = [make(ds, space, by=asked.by, **how) for space in spaces]
    if not output.compute(ws, specs):
        return
    rows = [row for spec in specs for row in _retrieval_rows(ws, spec)]
    numbers = ("map@15", "map@150", "mr1")
    system = ("aggregation", "components", "algorithm")
    columns = (
        ("space", *system, *numbers, "skipped") if asked.grid else ("space", "queries", "classes", *numbers)
    )
    show(rows, columns, as_json=output.as_json, empty="")
    if not (output.as_json or asked.grid):
        for line in _highest_remarks(rows):
            say(line)


def _spaces(ws: Workspace, ds: Dataset, encoders: list[str] | None) -> list[EmbedAudio]:
    if encoders:
        return list({e: space_of(ws, ds, e) for e in encoders}.values())
    found = [space.spec for space in ws.spaces(ds) if space.state == "done"]
    if not found:
        raise SpecError(f"Dataset {ds.name} has no space yet; name encoders, or run `hearspace embed` first.")
    return found


def _text_space(ds: Dataset, encoder: str) -> EmbedText:
    from jobs.workspace.texts import texts_fingerprint, texts_of

    return EmbedText(dataset=ds.ref, texts=texts_fingerprint(texts_of(ds, "label")), encoder=encoder)


#: The four properties by the signs of their paper.
_PROPERTIES = {
    "mu_p": "intra_class_clustering",
    "sigma_p": "intra_class_equidistance",
    "mu_n": "inter_class_separation",
    "sigma_n": "inter_class_equidistance",
}


def _space_row(ws: Workspace, ds: Dataset, space: EmbedAudio) -> dict[str, Any]:
    labels = ds.labels_fingerprint
    shape = Separability(embedding=space, labels=labels).read(ws.cache)
    simple = Baselines(embedding=space, labels=labels).key
    about = ws.cache.open(simple).meta if ws.cache.contains(simple) else {}
    accuracy = about.get("accuracy", {})
    known = shape.silhouette_cosine[np.isfinite(shape.silhouette_cosine)]
    return {
        "space": space.model,
        "encoder": space.encoder,
        "n": shape.n_clips,
        "labelled": sum(shape.classes.column("n_clips").to_pylist()),
        "classes": shape.n_classes,
        "dimensions": int(ws.cache.open(space.key).array("embeddings").shape[1]),
        "silhouette": float(known.mean()) if len(known) else None,
        "knn": accuracy.get("knn"),
        "probe": accuracy.get("probe"),
        "folds": about.get("folds"),
        **{sign: shape.properties[name] for sign, name in _PROPERTIES.items()},
        "hubness@10": shape.hubness.get("10"),
        "intrinsic_dimension": shape.intrinsic_dimension,
        "effective_rank": shape.effective_rank,
    }


def _pair_row(ws: Workspace, pair: Agreement, k: int | None) -> dict[str, Any]:
    from core.similarity import largest_overlap

    found = pair.read(ws.cache)
    ks = found.ks
    if k is None:
        k = min(_USUAL_K, int(ks[-1]))
    if k > ks[-1]:
        raise SpecError(f"k is {k}; {pair.title} is known for k from 1 to {ks[-1]}.")
    best = largest_overlap(ks, found.overlap, found.n)
    at = k - 1
    return {
        "a": _name(pair.a),
        "b": _name(pair.b),
        "of": pair.of,
        "n": found.n,
        "k": k,
        "overlap": float(found.overlap[at]),
        "chance": float(found.chance[at]),
        "p": float(found.p_value[at]) if pair.permutations else None,
        "adjusted": float(found.adjusted[at]),
        "nngs": float(found.jaccard[at]),
        "largest": best.value,
        "at_k": best.k,
        "cka": found.cka["linear"],
    }


def _retrieval_rows(ws: Workspace, spec: Retrieval | RetrievalGrid) -> list[dict[str, Any]]:
    from core.retrieval import highest_map

    named = {"space": spec.embedding.model, "encoder": spec.embedding.encoder, "by": spec.by}
    if isinstance(spec, RetrievalGrid):
        # NaN where a system could not be built, which JSON does not have.
        table = spec.read(ws.cache).systems.to_pandas().astype(object)
        return [named | row for row in table.where(table.notna(), None).to_dict("records")]
    found = spec.read(ws.cache)
    row: dict[str, Any] = named | {"queries": found.n_queries, "classes": found.n_classes}
    for name, value in found.macro.items():
        row |= {name: value["value"], f"{name}_low": value["low"], f"{name}_high": value["high"]}
    sizes = found.column("classes", "n_relevant")
    for cutoff in CUTOFFS:
        highest, n = highest_map(sizes, cutoff, count_query=spec.count_query)
        row |= {f"map@{cutoff}_highest": highest, f"classes_below_1@{cutoff}": n}
    return [row | {"note": found.note}]


def _highest_remarks(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Say where a perfect list cannot have a MAP of 1, as the page does."""
    for cutoff in CUTOFFS:
        said = {(row[f"classes_below_1@{cutoff}"], f"{row[f'map@{cutoff}_highest']:.3f}") for row in rows}
        for n, highest in sorted(said):
            if n:
                yield (
                    f"The query counts among the clips of its class though it cannot be found: for "
                    f"{count(n, 'class')} AP@{cutoff} stays below 1, and the highest MAP@{cutoff} there can "
                    f"be is {highest}. --no-count-query leaves the query out."
                )


def _name(space: EmbedAudio | EmbedText) -> str:
    return space.model if isinstance(space, EmbedAudio) else f"{space.model} ({space.of}s)"
