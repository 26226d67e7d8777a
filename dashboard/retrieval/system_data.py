"""All systems of retrieval in one space, and the best one of each space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from dashboard.kit import numbers
from dashboard.retrieval.data import ALGORITHMS, Measure, table
from jobs.specs import RetrievalGrid


def systems(spec: RetrievalGrid) -> pd.DataFrame:
    """Return the systems of a space as in `RetrievalGrid`, with ``scale`` and ``normalize`` of the spec."""
    return table(spec, "systems").assign(scale=spec.scale, normalize=str(spec.normalize))


def best_system(table: pd.DataFrame, measure: Measure) -> int | None:
    """Return the row of the best system, the first of equals; None where no system could be built."""
    values = table[measure.name].to_numpy(float) * measure.better
    return int(np.nanargmax(values)) if np.isfinite(values).any() else None


def system_name(system: Mapping[Any, Any]) -> str:
    """Name a system by its steps: ``mean, PCA to 100, MCSS``."""
    parts = [system["aggregation"], "min-max" * (system["scale"] == "minmax")]
    parts += ["unit length" * (system["normalize"] == "before")]
    parts += [reduction(int(system["components"])), ALGORITHMS[system["algorithm"]]]
    return ", ".join(filter(None, parts))


def reduction(components: int) -> str:
    """Name the step that keeps so many components."""
    return f"PCA to {components}" if components else "no PCA"


def skipped(table: pd.DataFrame) -> list[str]:
    """List the systems that could not be built, with the reason, a line for all that share one."""
    lines = []
    for reason, part in table[table["skipped"] != ""].groupby("skipped", sort=False):
        ways = part.drop_duplicates(["aggregation", "components"]).to_dict("records")
        what = [", ".join(filter(None, (w["aggregation"], reduction(int(w["components"]))))) for w in ways]
        lines.append(f"{' · '.join(what)} ({numbers.count(len(part), 'system')}): {reason}.")
    return lines


def variation(encoder: str) -> tuple[str, str]:
    """Return the model that an encoder is a variation of, and which one; "" where there are no others.

    An encoder that takes a model is recognised by its name up to the first dash or underscore.

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
    # Of a folder only the last name matters.
    name = argument.rstrip("/").rpartition("/")[2] if argument.startswith(("/", ".", "~")) else argument
    owner, slash, last = name.rpartition("/")
    cut = min((i for i, x in enumerate(last) if x in "-_"), default=len(last)) or len(last)
    return f"{owner}{slash}{last[:cut]}", last[cut + 1 :]


def selection(tables: Mapping[str, pd.DataFrame], measure: Measure) -> pd.DataFrame:
    """Choose as the paper does: the best system of every variation, then the best variation of every model.

    `tables` are the `systems` of every encoder. The result has one row a variation: ``encoder``, ``model``,
    ``variation``, the columns of the systems, ``system`` by name, and ``chosen``, whether it stands for its
    model.
    """
    from core.retrieval import select

    parts = [
        t.assign(**dict(zip(("model", "variation"), variation(e), strict=True)), encoder=e)
        for e, t in tables.items()
    ]
    # An encoder is its own variation, so that two with the same name do not hide each other.
    every = pd.concat(parts, ignore_index=True)
    variations, models = select(every, variation="encoder", measure=measure.name)
    variations = variations.assign(
        system=[system_name(r) for r in variations.to_dict("records")],
        chosen=variations["encoder"].isin(set(models["encoder"])),
    )
    # Variations of a model stay together, at the place of the first of them.
    place = {m: i for i, m in enumerate(dict.fromkeys(variations["model"]))}
    return variations.sort_values("model", key=lambda m: m.map(place), kind="stable", ignore_index=True)
