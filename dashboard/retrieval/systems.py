"""All systems of one space, and the best one of every space."""

from __future__ import annotations

from functools import partial

import pandas as pd
import streamlit as st

from dashboard import results
from dashboard.kit import chart, jobs, layout, table
from dashboard.kit.layout import plain
from dashboard.kit.table import Cell
from dashboard.memory import once
from dashboard.retrieval import figures, system_data
from dashboard.retrieval.data import preparation
from dashboard.retrieval.parts import Chosen
from jobs.workspace.workspace import Workspace


def show(workspace: Workspace, chosen: Chosen) -> None:
    """Draw all systems of the chosen space, and the best one of every space with such a result."""
    space = plain(chosen.space)
    st.subheader(f"All systems of {space}", anchor=False)
    if results.has(chosen.grid):
        _figure(chosen, system_data.systems(chosen.grid))
    else:
        st.write(
            "The table above fixes one system. To see which way of going from frames to lists suits "
            f"{space} best, try all: 3 aggregations of frames (if it has frames) × 3 numbers "
            "of components × 3 search algorithms."
        )
        jobs.compute(workspace, [chosen.grid], "Try all systems", "retrieval-systems", primary=False)
    _selection(chosen)


def _figure(chosen: Chosen, systems: pd.DataFrame) -> None:
    m, grid = chosen.measure, results.result(chosen.grid)
    best = system_data.best_system(systems, m)
    classes = f"{grid.n_classes:,} {chosen.things()}"
    chart.show(
        lambda theme: figures.systems_figure(
            systems,
            m,
            n=f"n = {grid.n_queries:,} queries, {classes}",
            best=best,
            fixed=grid.fixed,
            theme=theme,
        ),
        remembered=("systems", chosen.grid.key, m.name),
        key="retrieval-systems",
        file=chosen.file("systems", chosen.space, m.name),
        csv=lambda: systems,
        alt=f"{m.title} of {len(systems)} systems of {chosen.space}",
    )
    for line in system_data.skipped(systems):
        st.caption(f"Left out: {plain(line)}")
    if note := preparation(chosen.grid):
        st.caption(note)
    if not grid.frame_level:
        st.caption("This space has one vector a clip and no frames, so there is nothing to aggregate.")
    names = ""
    if best is not None:
        rows = systems.to_dict("records")
        best_name, fixed_name = (
            f"{system_data.system_name(rows[i])} ({m.text(rows[i][m.name])})" for i in (best, grid.fixed)
        )
        names = (
            f" Best here: {best_name}; **fixed** is what the table above compares models by: {fixed_name}. "
            "The best of many is slightly overestimated, having been chosen and judged on the same clips."
        )
    layout.reading(
        "Each marker is a system: how frames become one vector a clip, how many principal components are "
        "kept, and how lists are ranked: by inner product (MIPS), cosine (MCSS) or Euclidean distance (NNS). "
        "Whiskers: 95% intervals over query clips (Figure 1 of Araz et al. 2024)." + names
    )


def _selection(chosen: Chosen) -> None:
    grids = {s: chosen.grid_of(s) for s in chosen.spaces}
    tables = {s: system_data.systems(g) for s, g in grids.items() if results.has(g)}
    if len(tables) < 2:
        return
    m = chosen.measure
    picked = once(
        ("retrieval-selection", tuple(grids[s].key for s in tables), m.name),
        partial(system_data.selection, tables, m),
    )
    several = bool(picked["model"].duplicated().any())
    st.markdown(f"**The best system of every space{' and model' if several else ''}**")
    rows = []
    for r in picked.to_dict("records"):
        value, low, high = (m.text(r[k]) for k in (m.name, f"{m.name}_low", f"{m.name}_high"))
        score = Cell(value, f"{low} to {high}", "hs-best" if several and r["chosen"] else "")
        which = [Cell(r["variation"] or "–")] if several else []
        rows.append([Cell(r["model"]), *which, Cell(r["system"]), score])
    heads = [
        ("model", ""),
        *([("variation", "hs-words")] if several else []),
        ("best system", "hs-words"),
        (f"{m.title} {m.arrow}", ""),
    ]
    table.scores(heads, rows, label="The best system of every space", kind="hs-wide")
    table.download(
        "retrieval-selection-csv",
        chosen.file("selection", m.name),
        lambda: picked.drop(columns=["skipped"]),
    )
    layout.reading(
        f"The paper's choice (section II.C, Table I), by {m.title}: for each variation of a model its best "
        "system, then for each model its best variation. Variations are spaces of one encoder whose models' "
        "names share their beginning, up to the first dash or underscore"
        + " (bold: the best of its model)" * several
        + "; other spaces count as models of their own. Only spaces with all systems computed are listed."
    )
