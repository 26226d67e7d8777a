"""Zero-shot: how training classes decide which unseen classes a model can name."""

from __future__ import annotations

import streamlit as st

from dashboard import data, numbers, splits, state, ui, zeroshot
from dashboard.data import Clips
from dashboard.splits import Classes
from dashboard.views import _zeroshot_classes as by_class
from dashboard.views import _zeroshot_model as model
from dashboard.views import _zeroshot_results as shown
from dashboard.views import _zeroshot_start as start
from dashboard.views._dataset import choose, no_space, none_there, wait_for_sounds
from dashboard.zeroshot import Grid
from jobs.specs import EmbedAudio
from jobs.workspace import Dataset, Workspace

TITLE = "Zero-shot"
ICON = ":material/psychology:"
ORDER = 80

#: Classes that the smallest split needs.
_FEWEST = 5


def render(workspace: Workspace) -> None:
    """Draw the page."""
    datasets = workspace.datasets()
    if not datasets:
        none_there(TITLE, "train on")
        return
    view = state.View("zeroshot", st.session_state, st.query_params)
    dataset = choose(workspace, view, [d.name for d in datasets])
    embedding = _space(workspace, view, dataset)
    if embedding is None:
        view.write()
        return
    c = data.clips(dataset)
    grids = zeroshot.grids(workspace, dataset, embedding)
    grid = _grid(view, grids)
    st.title(f"{TITLE} · {dataset.name}")
    notes = st.container()
    found = _classes(embedding, c)
    if found is None:
        view.write()
        return
    words = [numbers.count(int(found.clips.sum()), "clip"), numbers.count(len(found.names), "class")]
    words.append(numbers.count(len(grids), "experiment"))
    failed = [g for g in grids if g.state == "failed"]
    words += [f"{len(failed)} failed"] * bool(failed)
    st.caption(" · ".join(words + ["synthetic"] * bool(dataset.note)))
    if not grids:
        st.write(
            "Which classes should a zero-shot model be trained on? Nothing has been trained on "
            f"**{ui.plain(embedding.encoder)}** yet. Start one of the paper’s two experiments here, or send "
            "a split of your own from **Class splits**."
        )
    start.show(workspace, view, dataset, embedding, found, first=not grids)
    if grid is not None:
        st.caption(f"{ui.plain(grid.spec.title)}. Trained with {zeroshot.recipe(grid.spec)}.")
        if grid.state == "done":
            _result(view, dataset, c, grid, grids)
        else:
            ui.pending(workspace, [grid.spec], "zeroshot-pending")
    view.write()
    with notes:
        ui.notes(view.notes)


def _space(workspace: Workspace, view: state.View, dataset: Dataset) -> EmbedAudio | None:
    if not dataset.ready:
        st.title(TITLE)
        wait_for_sounds(workspace, view, dataset)
        return None
    spaces = workspace.spaces(dataset)
    done = {s.encoder: s.spec for s in spaces if s.state == "done"}
    if not done:
        st.title(f"{TITLE} · {dataset.name}")
        no_space(workspace, view, dataset, spaces, "trained on")
        return None
    view.choice("space", list(done), _first(workspace, dataset, done))
    with st.sidebar:
        return done[str(st.selectbox("Space", list(done), key=view.key("space")))]


def _first(workspace: Workspace, dataset: Dataset, done: dict[str, EmbedAudio]) -> str:
    """Begin with a space that something was trained on."""
    trained = (name for name, spec in done.items() if zeroshot.grids(workspace, dataset, spec))
    return next(trained, next(iter(done)))


def _grid(view: state.View, grids: list[Grid]) -> Grid | None:
    if not grids:
        return None
    names = {g.id: _named(g) for g in grids}
    view.choice("grid", list(names), grids[0].id)
    with st.sidebar:
        chosen = st.selectbox(
            "Experiment",
            list(names),
            format_func=lambda i: names.get(i, i),
            key=view.key("grid"),
        )
    return next(g for g in grids if g.id == chosen)


def _named(g: Grid) -> str:
    spec = g.spec
    words = [zeroshot.SETUPS[spec.setup], numbers.count(spec.n_models, "model")]
    if spec.setup != "splits":
        words.append(str(spec.sizes))
    words += [f"rate {spec.learning_rate:g}", f"{spec.epochs} epochs"]
    return " · ".join(words + [g.state] * (g.state != "done"))


def _classes(embedding: EmbedAudio, c: Clips) -> Classes | None:
    """Return the classes, or say why there are too few."""
    try:
        found = splits.classes(embedding, c)
    except ValueError:
        found = None
    if found is not None and len(found.names) >= _FEWEST:
        return found
    there = "no clip has a class"
    if found is not None:
        there = f"there are {numbers.count(len(found.names), 'class')}"
    st.info(
        f"Zero-shot models need at least {_FEWEST} classes, two to train on, one for validation and two "
        f"that they have never met; {there}. Add a dataset with more classes, such as a folder with a "
        "folder a class.",
        icon=":material/info:",
    )
    return None


def _result(view: state.View, dataset: Dataset, c: Clips, grid: Grid, grids: list[Grid]) -> None:
    found = zeroshot.result(grid.spec)
    note = str(found.meta.get("note") or "")
    if note:
        st.info(ui.plain(note), icon=":material/info:")
    if len(found.failed):
        n = found.failed["model"].nunique()
        with st.expander(
            f"{numbers.count(n, 'model')} failed, the others are shown", icon=":material/error:"
        ):
            for why in dict.fromkeys(found.failed["failed"]):
                st.markdown(f"- {ui.plain(why)}")
    if not len(found.models):
        st.warning(
            "No model could be trained, so there is nothing to compare. A lower learning rate may help.",
            icon=":material/warning:",
        )
        return
    file = f"{dataset.name}-{grid.spec.embedding.encoder}-{grid.spec.setup}"
    best = str(found.models["id"].iloc[int(found.models["accuracy"].to_numpy().argmax())])
    picked = view.choice("model", found.models["id"].tolist(), best)
    shown.show(view, found, grids, picked, file)
    model.show(view, dataset, c, found, picked, file)
    by_class.show(view, c, found, file)
