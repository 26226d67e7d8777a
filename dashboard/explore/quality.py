"""How far the maps of Explore can be trusted over the size of the neighbourhood; computed on demand."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from dashboard import results
from dashboard.explore import figures
from dashboard.explore.controls import Choices
from dashboard.kit import chart, jobs, layout
from dashboard.kit.layout import plain
from jobs.specs import MapQuality
from jobs.workspace.workspace import Workspace

#: A neighbourhood must be smaller than half of the clips.
FEWEST = 3


def show(workspace: Workspace, chosen: Choices) -> None:
    """Draw the curves of the maps on the page, or offer to compute them."""
    with st.expander("Trustworthiness and continuity over k", icon=":material/show_chart:"):
        specs = [MapQuality(map=m) for m in chosen.maps if results.has(m)]
        ready = [s for s in specs if results.has(s)]
        if chosen.clips.n < FEWEST:
            st.caption(f"A map needs at least {FEWEST} clips to be judged.")
            return
        if ready:
            _curves(chosen, ready)
        _compute(workspace, [s for s in specs if s not in ready])


def curves(specs: Sequence[MapQuality]) -> pd.DataFrame:
    """Return how far maps can be trusted over k, a row a space and k, with what chance gives."""
    from core.projection import chance_trustworthiness

    stored = {s.map.embedding.encoder: results.result(s) for s in specs}
    parts = [
        pd.DataFrame(
            {
                "space": space,
                "k": r.ks,
                "trustworthiness": r.trustworthiness,
                "continuity": r.continuity,
                "chance": chance_trustworthiness(r.n_clips, r.ks),
                "n": r.n_clips,
            }
        )
        for space, r in stored.items()
    ]
    return pd.concat(parts)


def _curves(chosen: Choices, specs: list[MapQuality]) -> None:
    frame = curves(specs)
    method = figures.METHOD_NAMES[specs[0].map.method]
    names = ", ".join(frame["space"].unique())
    chart.show(
        figures.quality_figure(frame, theme=layout.theme()),
        key="explore-quality",
        file=f"trust-{chosen.dataset.name}-{method}-{names}",
        csv=lambda: frame,
        alt=f"Trustworthiness and continuity of the {method} map of {names} over k",
    )
    layout.reading(
        "**Trustworthiness** falls when clips that are near on the map are far in the space: clips drawn "
        "together may not belong together. **Continuity** falls when clips that are near in the space were "
        "torn apart: clips drawn apart may belong together. Both count how far beyond the k nearest the "
        "clips are, and are 1 for a map that keeps every neighbourhood and 0 for the worst possible one; the "
        "dotted line is for a map without any relation to the space. Compare maps at the same k, not with a "
        "threshold. Exact, over all clips, whatever the filter (Venna & Kaski 2001, "
        "[ICANN](https://doi.org/10.1007/3-540-44668-0_68))."
    )


def _compute(workspace: Workspace, missing: list[MapQuality]) -> None:
    names = plain(", ".join(s.map.embedding.encoder for s in jobs.unasked(workspace, missing)[0]))
    jobs.compute(
        workspace,
        missing,
        "Compute",
        "explore-quality",
        primary=False,
        text=f"Not computed yet for this map of **{names}**: it ranks all pairs of clips.",
        each=False,
    )
