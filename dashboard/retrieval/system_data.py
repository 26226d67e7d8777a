"""Every way of retrieval in one space, and the choice among them, as the page shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dashboard.kit import numbers
from dashboard.memory import once
from dashboard.results import result
from dashboard.retrieval.data import ALGORITHMS, better
from jobs.specs import RetrievalGrid


@dataclass(frozen=True)
class Systems:
    """Every way of retrieval in one space.

    Attributes
    ----------
    table : DataFrame
        As in `RetrievalGrid`, with ``scale`` and ``normalize`` (as text), which are those of its spec in all
        rows.
    fixed : int
        The row that models are compared by.
    note : str
        Why that is not the one of 100 components.
    """

    table: pd.DataFrame
    fixed: int
    note: str
    n_queries: int
    n_classes: int
    dimensions: int
    frame_level: bool


def systems(spec: RetrievalGrid) -> Systems:
    """Return every way of retrieval in a space."""

    def read() -> Systems:
        found = result(spec)
        return Systems(
            found.systems.to_pandas().assign(scale=spec.scale, normalize=str(spec.normalize)),
            **{name: getattr(found, name) for name in Systems.__dataclass_fields__ if name != "table"},
        )

    return once(("retrieval-systems", spec.key), read)


def system_values(found: Systems, measure: str) -> list[tuple[str, int, str, float, float, float]]:
    """Return every system with a measure: aggregation, components, algorithm, value, low, high."""
    columns = ["aggregation", "components", "algorithm", measure, f"{measure}_low", f"{measure}_high"]
    return list(found.table[columns].itertuples(index=False, name=None))


def best_system(found: Systems, measure: str) -> int | None:
    """Return the row of the best system, the first of equals; None where no system could be built."""
    values = found.table[measure].to_numpy(float) * better(measure)
    return int(np.nanargmax(values)) if np.isfinite(values).any() else None


def system_name(system: Mapping[Any, Any]) -> str:
    """Say what a system is: ``mean, PCA to 100, MCSS``."""
    parts = [system["aggregation"], "min-max" * (system["scale"] == "minmax")]
    parts += ["unit length" * (system["normalize"] == "before")]
    parts += [kept(int(system["components"])), ALGORITHMS[system["algorithm"]]]
    return ", ".join(p for p in parts if p)


def kept(components: int) -> str:
    """Say how many components are kept."""
    return f"PCA to {components}" if components else "no PCA"


def skipped(found: Systems) -> list[str]:
    """Say which systems could not be built and why, a line for all that have one reason."""
    rows = found.table[found.table["skipped"] != ""]
    lines = []
    for reason, part in rows.groupby("skipped", sort=False):
        ways = part.drop_duplicates(["aggregation", "components"]).to_dict("records")
        what = [", ".join(p for p in (w["aggregation"], kept(int(w["components"]))) if p) for w in ways]
        lines.append(f"{' · '.join(what)} ({numbers.count(len(part), 'system')}): {reason}.")
    return lines


def variation(encoder: str) -> tuple[str, str]:
    """Return the model that an encoder is a variation of, and which one; "" where there are no others.

    An encoder that takes a model is told by its name up to the first dash or underscore.

    Examples
    --------
    >>> variation("aisfx"), variation("transformers:laion/clap-htsat-unfused")
    (('aisfx', ''), ('laion/clap', 'htsat-unfused'))
    >>> variation("imported:openl3-env-mel256"), variation("onnx:/models/yamnet")
    (('openl3', 'env-mel256'), ('yamnet', ''))
    """
    _, colon, argument = encoder.partition(":")
    if not colon:
        return encoder, ""
    # Of a folder only the last name says something.
    name = argument.rstrip("/").rpartition("/")[2] if argument.startswith(("/", ".", "~")) else argument
    owner, slash, last = name.rpartition("/")
    cut = min((i for i, x in enumerate(last) if x in "-_"), default=len(last)) or len(last)
    return f"{owner}{slash}{last[:cut]}", last[cut + 1 :]


def selection(found: Mapping[str, Systems], measure: str) -> pd.DataFrame:
    """Choose as the paper does: the best system of every variation, then the best variation of every model.

    Parameters
    ----------
    found : mapping
        Encoder to its systems.
    measure : str
        One of the `MEASURES`.

    Returns
    -------
    DataFrame
        One row a variation: ``encoder``, ``model``, ``variation``, the columns of the systems, ``system`` in
        words, and ``chosen``, whether it stands for its model.
    """
    from core.retrieval import select

    parts = [
        s.table.assign(**dict(zip(("model", "variation"), variation(e), strict=True)), encoder=e)
        for e, s in found.items()
    ]
    # An encoder is its own variation, so that two whose names say the same do not hide each other.
    variations, models = select(pd.concat(parts, ignore_index=True), variation="encoder", measure=measure)
    chosen = variations["encoder"].isin(set(models["encoder"]))
    names = [system_name(r) for r in variations.to_dict("records")]
    # Variations of a model stand together, where the first of them stands.
    place = {m: i for i, m in enumerate(dict.fromkeys(variations["model"]))}
    variations = variations.assign(system=names, chosen=chosen)
    return variations.sort_values("model", key=lambda m: m.map(place), kind="stable", ignore_index=True)
