"""Every way of retrieval in one space, and the choice among them."""

from __future__ import annotations

from functools import partial

import streamlit as st

from dashboard import results
from dashboard.kit import chart, jobs, layout, table
from dashboard.kit.layout import plain
from dashboard.kit.table import Cell
from dashboard.memory import once
from dashboard.retrieval import data as retrieval
from dashboard.retrieval import figures, system_data
from dashboard.retrieval.parts import Chosen
from dashboard.retrieval.system_data import Systems
from jobs.workspace.workspace import Workspace


def show(workspace: Workspace, chosen: Chosen) -> None:
    """Draw all systems of the chosen space, and the best one of every space that was tried."""
    space = plain(chosen.space)
    st.subheader(f"All systems of {space}", anchor=False)
    if results.has(chosen.grid):
        _figure(chosen, system_data.systems(chosen.grid))
    else:
        st.write(
            "The table above fixes one system. Which way of going from frames to lists suits "
            f"{space} best is found by trying all: 3 aggregations of frames (if it has frames) × 3 numbers "
            "of components × 3 search algorithms."
        )
        jobs.compute(workspace, [chosen.grid], "Try all systems", "retrieval-systems", primary=False)
    _selection(chosen)


def _figure(chosen: Chosen, found: Systems) -> None:
    measure = chosen.measure
    best = system_data.best_system(found, measure)
    chart.show(
        lambda theme: figures.systems_figure(
            [figures.System(*values) for values in system_data.system_values(found, measure)],
            title=chosen.title(apart="<br>"),
            n=f"n = {found.n_queries:,} queries, {found.n_classes:,} "
            f"{'families' if chosen.by == 'family' else 'classes'}",
            best=best,
            fixed=found.fixed,
            digits=2 if measure == "mr1" else 3,
            theme=theme,
        ),
        remembered=("systems", chosen.grid.key, measure),
        key="retrieval-systems",
        file=chosen.file("systems", chosen.space, measure),
        csv=lambda: found.table,
        alt=f"{retrieval.MEASURES[measure]} of {len(found.table)} systems of {chosen.space}",
    )
    for line in system_data.skipped(found):
        st.caption(f"Left out: {plain(line)}")
    if said := retrieval.said_of(chosen.grid):
        st.caption(said)
    if not found.frame_level:
        st.caption("This space has one vector a clip and no frames, so there is nothing to aggregate.")
    said = ""
    if best is not None:
        systems = found.table.to_dict("records")
        names = [system_data.system_name(systems[i]) for i in (best, found.fixed)]
        numbers = [retrieval.said(systems[i][measure], measure) for i in (best, found.fixed)]
        said = (
            f" Best here: {names[0]} ({numbers[0]}); **fixed** is what the table above compares models by: "
            f"{names[1]} ({numbers[1]}). The best of many flatters itself a little, having been chosen and "
            "judged on the same clips."
        )
    layout.reading(
        "Each marker is a system: how frames become one vector a clip, how many principal components are "
        "kept, and how lists are ranked: by inner product (MIPS), cosine (MCSS) or Euclidean distance (NNS). "
        "Whiskers: 95% intervals over query clips (Figure 1 of Araz et al. 2024)." + said
    )


def _selection(chosen: Chosen) -> None:
    grids = {s: chosen.grid_of(s) for s in chosen.spaces}
    found = {s: system_data.systems(g) for s, g in grids.items() if results.has(g)}
    if len(found) < 2:
        return
    name = retrieval.MEASURES[chosen.measure]
    picked = once(
        ("retrieval-selection", tuple(g.key for g in grids.values() if results.has(g)), chosen.measure),
        partial(system_data.selection, found, chosen.measure),
    )
    m = chosen.measure
    several = bool(picked["model"].duplicated().any())
    st.markdown(f"**The best system of every space{' and model' if several else ''}**")
    rows = []
    for r in picked.to_dict("records"):
        value, low, high = (retrieval.said(r[k], m) for k in (m, f"{m}_low", f"{m}_high"))
        score = Cell(value, f"{low} to {high}", "hs-best" if several and r["chosen"] else "")
        which = [Cell(r["variation"] or "–")] if several else []
        rows.append([Cell(r["model"]), *which, Cell(r["system"]), score])
    heads = [
        ("model", ""),
        *([("variation", "hs-words")] if several else []),
        ("best system", "hs-words"),
        (f"{name} {'↑' if retrieval.better(m) > 0 else '↓'}", ""),
    ]
    table.scores(heads, rows, label="The best system of every space", kind="hs-wide")
    table.download(
        "retrieval-selection-csv",
        chosen.file("selection", chosen.measure),
        lambda: picked.drop(columns=["skipped"]),
    )
    layout.reading(
        f"The paper's choice (section II.C, Table I), by {name}: for each variation of a model its best "
        "system, then for each model its best variation. Variations are spaces of one encoder whose models' "
        "names begin alike, up to the first dash or underscore"
        + (" (bold: the best of its model)" * several)
        + "; "
        "other spaces stand for themselves. Only spaces whose systems were all tried are here."
    )
