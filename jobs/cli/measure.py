"""Commands that measure: how well spaces separate classes, how far they agree, how well they retrieve."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from core.words import count
from jobs import presets
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
from jobs.tasks.measures import MEASURES, Measure
from jobs.tasks.schema import finite
from jobs.workspace.workspace import Dataset, Workspace


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command()(measure)
    app.command()(compare)
    app.command()(retrieve)


#: Default size of the neighbourhoods in the table of `compare`.
_USUAL_K = 10
#: Values of `--normalize` with those of the field of a spec.
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

    Exit status: 0 when every number is computed, 1 if a job failed, 2 for unknown names.
    """
    ws = output.open()
    ds = ws.dataset(dataset)
    spaces = _spaces(ws, ds, encoders)
    specs = [spec for space in spaces for spec in presets.of_space(ds, space)]
    if ds.clips["label"][ds.clips["labels"].map(len) > 0].nunique() < 2:
        # One class cannot be classified; the other numbers can be computed.
        specs = [spec for spec in specs if not isinstance(spec, Baselines)]
    if not output.compute(ws, specs):
        return
    rows = [_space_row(ws, ds, space) for space in spaces]
    columns = [name for name in _measured() if name != "dimensions"]
    show(rows, ("space", "dimensions", *columns), as_json=output.as_json, empty="")
    if not output.as_json:
        _explain_clips(ds, rows)


def _measured() -> dict[str, Measure]:
    """Return the measures of a space by itself, by their names in the table."""
    alone = [m for m in MEASURES.values() if (m.group or not m.accuracy) and m.of != "pairs"]
    return {m.short or m.column or m.name: m for m in alone if not m.variant}


def _explain_clips(ds: Dataset, rows: list[dict[str, Any]]) -> None:
    """Print which clips the numbers of classes are over, and that folds were drawn where they were."""
    row = rows[0]
    if row["labelled"] < row["n"]:
        say(f"Numbers of classes are over the {row['labelled']:,} of {count(row['n'], 'clip')} with a class.")
    if any(r["folds"] == "drawn" for r in rows):
        columns = presets.group_columns(ds.clips)
        who = columns[0].replace("_", " ") if columns else "speaker or recording"
        say(
            f"knn and probe are over folds drawn at random: clips of one {who} may be in both training and "
            f"test, and the accuracy for a new {who} would then be lower."
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
            help="Size of the neighbourhoods in the table. [default: 10, or all if fewer]",
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

    Exit status: 0 when every number is computed, 1 if a job failed, 2 for unknown names or a k out of range.
    """
    ws = output.open()
    ds = ws.dataset(dataset)
    spaces = _spaces(ws, ds, encoders)
    texts = [_text_space(ds, name) for name in text or ()]
    if texts:
        of = "classes"
    pairs = presets.of_pairs(ds, spaces, texts, of=of, class_vectors=class_vectors)
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

    by: Annotated[str, typer.Option(help="What a relevant clip shares with the query: label or family.")] = (
        "label"
    )
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

    Exit status: 0 when every number is computed, 1 if a job failed, 2 for unknown names.
    """
    if asked.normalize not in _NORMALIZE:
        raise SpecError(f"normalize is {asked.normalize!r}; it must be one of {', '.join(_NORMALIZE)}.")
    ws = output.open()
    ds = ws.dataset(dataset)
    spaces = _spaces(ws, ds, encoders)
    make: Any = presets.grid_of_retrieval if asked.grid else presets.retrieval_of
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
    done = [space.spec for space in ws.spaces(ds) if space.state == "done"]
    if not done:
        raise SpecError(f"Dataset {ds.name} has no space yet; name encoders, or run `hearspace embed` first.")
    return done


def _text_space(ds: Dataset, encoder: str) -> EmbedText:
    from jobs.workspace.texts import texts_fingerprint, texts_of

    return EmbedText(dataset=ds.ref, texts=texts_fingerprint(texts_of(ds, "label")), encoder=encoder)


def _space_row(ws: Workspace, ds: Dataset, space: EmbedAudio) -> dict[str, Any]:
    labels = ds.labels_fingerprint
    stored = Separability(embedding=space, labels=labels).read(ws.cache)
    classified = Baselines(embedding=space, labels=labels)
    values = {name: m.read_stored(ws.cache, space, labels) for name, m in _measured().items()}
    return {
        "space": space.model,
        "encoder": space.encoder,
        "n": stored.n_clips,
        "labelled": sum(stored.classes.column("n_clips").to_pylist()),
        "classes": stored.n_classes,
        "folds": classified.read(ws.cache).folds if ws.cache.contains(classified.key) else None,
        **{name: finite(e.value) for name, e in values.items()},
        "dimensions": int(values["dimensions"].value),
    }


def _pair_row(ws: Workspace, pair: Agreement, k: int | None) -> dict[str, Any]:
    from core.similarity import largest_overlap

    stored = pair.read(ws.cache)
    ks = stored.ks
    if k is None:
        k = min(_USUAL_K, int(ks[-1]))
    if k > ks[-1]:
        raise SpecError(f"k is {k}; {pair.title} is known for k from 1 to {ks[-1]}.")
    best = largest_overlap(ks, stored.overlap, stored.n)
    at = k - 1
    return {
        "a": _name(pair.a),
        "b": _name(pair.b),
        "of": pair.of,
        "n": stored.n,
        "k": k,
        "overlap": float(stored.overlap[at]),
        "chance": float(stored.chance[at]),
        "p": float(stored.p_value[at]) if pair.permutations else None,
        "adjusted": float(stored.adjusted[at]),
        "nngs": float(stored.jaccard[at]),
        "largest": best.value,
        "at_k": best.k,
        "cka": stored.cka["linear"],
    }


def _retrieval_rows(ws: Workspace, spec: Retrieval | RetrievalGrid) -> list[dict[str, Any]]:
    from core.retrieval import highest_map

    named = {"space": spec.embedding.model, "encoder": spec.embedding.encoder, "by": spec.by}
    if isinstance(spec, RetrievalGrid):
        # NaN where a system could not be built, which JSON does not have.
        table = spec.read(ws.cache).systems.to_pandas().astype(object)
        return [named | row for row in table.where(table.notna(), None).to_dict("records")]
    stored = spec.read(ws.cache)
    row: dict[str, Any] = named | {"queries": stored.n_queries, "classes": stored.n_classes}
    for name, value in stored.macro.items():
        row |= {name: value["value"], f"{name}_low": value["low"], f"{name}_high": value["high"]}
    sizes = stored.column("classes", "n_relevant")
    for cutoff in CUTOFFS:
        highest, n = highest_map(sizes, cutoff, count_query=spec.count_query)
        row |= {f"map@{cutoff}_highest": highest, f"classes_below_1@{cutoff}": n}
    return [row | {"note": stored.note}]


def _highest_remarks(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a sentence for each cutoff at which a perfect list has a MAP below 1, as the page does."""
    for cutoff in CUTOFFS:
        limits = {(row[f"classes_below_1@{cutoff}"], f"{row[f'map@{cutoff}_highest']:.3f}") for row in rows}
        for n, highest in sorted(limits):
            if n:
                yield (
                    "The query counts among the clips of its class though it is never in its own results: "
                    f"for {count(n, 'class')} AP@{cutoff} stays below 1, and the highest possible "
                    f"MAP@{cutoff} is {highest}. --no-count-query leaves the query out."
                )


def _name(space: EmbedAudio | EmbedText) -> str:
    return space.model if isinstance(space, EmbedAudio) else f"{space.model} ({space.of}s)"
