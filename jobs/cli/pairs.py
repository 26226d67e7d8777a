"""The command that analyses paired embeddings: two files whose rows are pairs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from core.words import count
from jobs.cli.common import JsonOption, say, show
from jobs.cli.options import Group, expanded
from jobs.specs import SpecError

_COLUMNS = (
    "group",
    "n",
    "k",
    "overlap",
    "nngs",
    "cka",
    "match",
    "analogy_pair",
    "analogy_mean",
    "analogy_released",
)


def register(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command()(pairs)


@dataclass(frozen=True)
class Named(Group):
    """Files with names of rows."""

    groups: Annotated[
        Path | None,
        typer.Option(help="Text file with the group of each row of X, a line each; each is analysed alone."),
    ] = None
    labels: Annotated[
        Path | None,
        typer.Option(help="Text file with the class of each row of X; rows of Y are then the classes."),
    ] = None
    classes: Annotated[
        Path | None, typer.Option(help="Text file with the name of each row of Y, where it holds none.")
    ] = None


@dataclass(frozen=True)
class Measured(Group):
    """How pairs are analysed."""

    k: Annotated[int, typer.Option("-k", min=1, help="Size of the neighbourhoods in the table.")] = 10
    top: Annotated[int, typer.Option(min=1, help="An answer is right that is among so many.")] = 1
    metric: Annotated[str, typer.Option(help="What near means: cosine or euclidean.")] = "cosine"
    released: Annotated[
        bool,
        typer.Option(
            "--released",
            help="With groups: as the notebooks of the NNGS paper, neighbourhoods by the Euclidean distance, "
            "of a fifth of each group (rounded down), and partners by the cosine.",
        ),
    ] = False


@expanded
def pairs(
    x: Annotated[Path, typer.Argument(help="Embeddings: .npy, .npz, .parquet, .csv or .tsv.")],
    y: Annotated[Path, typer.Argument(help="Embeddings of their partners: a caption for each sound.")],
    files: Named,
    how: Measured,
    as_json: JsonOption = False,
) -> None:
    """Analyse paired embeddings: how alike two spaces are, and how often one half of a pair finds the other.

    Rows of the same name are pairs, or rows of the same number where a file has no names. The table has S_k
    and NNGS without the thing itself, linear CKA (debiased), the share of things whose own partner is nearest
    (match: zero-shot, with a class a pair) and of analogies that are right: by the offset of one pair, by the
    mean offset, and as the NNGS paper's notebooks count them (analogy_released: the offset is subtracted, for
    pairs i < j, and all rows of Y are candidates). With groups a row is a group, and correlations of
    similarity with accuracy over the groups follow. With labels rows of X are clips, and the accuracy of
    their classification is printed as well.

    Example: `hearspace pairs sounds.npz captions.npz -k 5`

    Example: `hearspace pairs singular.npy plural.npy --groups relation.txt --json`

    Example: `hearspace pairs singular.npy plural.npy --groups relation.txt --released`

    Exit status: 0 when all is computed, 2 for files that cannot be read or do not fit.
    """
    from core.similarity import RELEASED, paired_by_group, paired_correlations
    from jobs.importing.pairs import given_of, read_pairs

    if how.released and files.groups is None:
        raise SpecError("--released measures groups of pairs: give them with --groups.")
    options = RELEASED if how.released else {"k": how.k, "metric": how.metric}
    data = read_pairs(x, y, **asdict(files))
    n = len(data.ids)
    result: dict[str, Any] = {"pairs": n, "top": how.top, "metric": options["metric"]}
    if data.groups is None:
        rows, curve = _all_pairs(data, how)
        given = given_of(n)
        result |= {"curve": curve, "offsets": n if given is None else len(given)}
    else:
        table = paired_by_group(data.X, data.Y, data.groups, analogy_k=how.top, **options)
        rows = [_plain(row) for row in table.to_dict("records")]
        result["correlations"] = [_plain(row) for row in paired_correlations(table).to_dict("records")]
    result["groups"] = rows
    if data.labels is not None:
        result["zero_shot"] = _zero_shot(data)
    if as_json:
        show([result], (), as_json=True, empty="")
        return
    show(rows, _COLUMNS[data.groups is None :], as_json=False, empty="")
    _explain(result, rows)


def _all_pairs(data: Any, how: Measured) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the one row of all pairs together, and S_k, NNGS and chance over k."""
    from core.similarity import cka, paired_report
    from jobs.importing.pairs import given_of
    from jobs.tasks.agreement import largest_k

    n = len(data.ids)
    size = min(how.k, max(1, n - 2))
    ks = list(range(1, max(largest_k(n), size) + 1)) if n > 2 else [1]
    report = paired_report(
        data.X, data.Y, ks=ks, metric=how.metric, analogy_k=min(how.top, n - 1), given=given_of(n)
    )
    at = report.curve[report.curve["k"] == size].iloc[0]
    row: dict[str, Any] = {"n": n, "k": size}
    row |= {name: at[name] for name in ("overlap", "nngs", "chance", "chance_nngs")}
    row |= {"cka": cka(data.X, data.Y, debiased=True) if n >= 4 else None, "match": report.match}
    row |= {f"analogy_{offset}": report.analogy.get(offset) for offset in ("pair", "mean", "released")}
    row |= {"match_chance": report.match_chance, "analogy_chance": report.analogy_chance}
    return [_plain(row)], [_plain(line) for line in report.curve.to_dict("records")]


def _zero_shot(data: Any) -> dict[str, Any]:
    from core.statistics import share_interval
    from core.zeroshot import zero_shot

    result = zero_shot(data.clips, data.texts, data.labels, data.classes)
    share = share_interval(int((result.predictions == result.targets).sum()), len(result.targets))
    return {
        "accuracy": share.value,
        "low": share.low,
        "high": share.high,
        "balanced": result.macro_accuracy,
        "chance": result.chance,
        "n": share.n,
    }


def _explain(result: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Print zero-shot accuracy, chance, offsets and correlations as sentences."""
    if "zero_shot" in result:
        z = result["zero_shot"]
        say(
            f"Zero-shot accuracy {z['accuracy']:.3f} ({z['low']:.3f} to {z['high']:.3f}) of {z['n']:,} "
            f"clips; chance is {z['chance']:.3f}."
        )
    elif "correlations" not in result and rows[0]["match"] is not None:
        row = rows[0]
        analogies = f", of analogies {row['analogy_chance']:.3g}" if row["analogy_chance"] is not None else ""
        say(f"Chance of a match is {row['match_chance']:.3g}{analogies}.")
    if result.get("offsets", result["pairs"]) < result["pairs"]:
        offsets = count(result["offsets"], "pair")
        say(f"Analogies by pair were made with the offsets of {offsets}, spread evenly.")
    for row in result.get("correlations", ()):
        if row["r"] is not None:
            say(
                f"{row['similarity']} and {row['accuracy'].replace('_', ' by ')}: r = {row['r']:.3f} "
                f"({row['low']:.3f} to {row['high']:.3f}), p = {row['p']:.3g}, n = {row['n']} groups."
            )


def _plain(row: dict[Any, Any]) -> dict[str, Any]:
    """Return a row for JSON, which has neither NaN nor numbers of NumPy's."""
    plain = {str(name): value.item() if hasattr(value, "item") else value for name, value in row.items()}
    return {name: None if value != value else value for name, value in plain.items()}
