"""The start of every page about a dataset: choosing it, waiting for its sounds, embedding it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import state
from dashboard.kit import jobs, layout, numbers
from dashboard.kit.layout import plain
from jobs.specs import EmbedAudio
from jobs.workspace.workspace import Dataset, Space, Workspace


def run(
    workspace: Workspace,
    name: str,
    title: str,
    draw: Callable[[Workspace, state.View, Dataset], DeltaGenerator | None],
    to_do: str = "look at",
    *,
    wait: bool = True,
) -> None:
    """Draw a page about a dataset: the choice of the dataset, then the rest by `draw`, then the link.

    Parameters
    ----------
    workspace : Workspace
    name : str
        Of the page in links.
    title : str
    draw : callable
        Draws the page of a dataset; returns the place for notes about the link, or None for no notes.
    to_do : str
        What the page does with a dataset, as in "train on".
    wait : bool
        Whether nothing is drawn before the sounds of the dataset exist.
    """
    datasets = workspace.datasets()
    if not datasets:
        without_datasets(title, to_do)
        return
    view = state.View(name, st.session_state, st.query_params)
    dataset = choose(workspace, view, [d.name for d in datasets])
    notes = None
    if wait and not dataset.ready:
        st.title(title)
        wait_for_sounds(workspace, view, dataset)
    else:
        notes = draw(workspace, view, dataset)
    view.write()
    if notes is not None:
        with notes:
            layout.notes(view.notes)


def without_datasets(title: str, to_do: str = "look at") -> None:
    """Draw the page of a workspace without a dataset."""
    st.title(title)
    st.info(f"There is no dataset to {to_do} yet. The home page says how to add one.", icon=":material/info:")


def head(title: str, dataset: Dataset) -> DeltaGenerator:
    """Draw the title of a page about a dataset; return the place below it, for notes about the link."""
    st.title(f"{title} · {dataset.name}")
    return st.container()


def words(dataset: Dataset, *parts: str) -> None:
    """Draw a few words about the dataset, and whether its sounds are synthetic."""
    st.caption(" · ".join([*parts, *["synthetic"] * bool(dataset.note)]))


def note(meta: Mapping[str, Any]) -> None:
    """Show the note of a result, where it has one."""
    if text := str(meta.get("note") or ""):
        st.info(plain(text), icon=":material/info:")


def failures(reasons: Sequence[str], n: int) -> None:
    """List why n of the models of a training failed."""
    if n:
        title = f"{numbers.count(n, 'model')} failed, the others are shown"
        with st.expander(title, icon=":material/error:"):
            for why in dict.fromkeys(reasons):
                st.markdown(f"- {plain(why)}")


def nothing_trained() -> None:
    """Warn that all models of a training failed."""
    st.warning(
        "No model could be trained, so there is nothing to compare. A lower learning rate may help.",
        icon=":material/warning:",
    )


def choose(workspace: Workspace, view: state.View, names: Sequence[str]) -> Dataset:
    """Draw the control in the sidebar, with the note of the dataset."""
    view.choice("dataset", names, names[0])
    with st.sidebar:
        dataset = workspace.dataset(str(st.selectbox("Dataset", names, key=view.key("dataset"))))
        if dataset.note:
            st.caption(plain(dataset.note))
    return dataset


def wait_for_sounds(workspace: Workspace, view: state.View, dataset: Dataset) -> None:
    """Show the progress of the sounds of a dataset that are being generated."""
    st.write(f"The sounds of **{plain(dataset.name)}** are being generated.")
    assert dataset.source is not None
    jobs.pending(workspace, [dataset.source], f"{view.page}-generate")


def done_spaces(
    workspace: Workspace, view: state.View, dataset: Dataset, title: str, then: str
) -> dict[str, EmbedAudio] | None:
    """Return the finished spaces of a dataset by their encoders.

    Without any, None is returned and the page shows what it waits for, under its title: `then` is what
    spaces are used for, as in "searched".
    """
    if not dataset.ready:
        st.title(title)
        wait_for_sounds(workspace, view, dataset)
        return None
    spaces = workspace.spaces(dataset)
    done = {s.encoder: s.spec for s in spaces if s.state == "done"}
    if done:
        return done
    st.title(f"{title} · {dataset.name}")
    no_space(workspace, view, dataset, spaces, then)
    return None


def choose_space(view: state.View, names: Sequence[str], first: str | None = None) -> str:
    """Draw the choice of a space in the sidebar; its default is `first`, or the first name."""
    view.choice("space", names, first or names[0])
    with st.sidebar:
        return str(st.selectbox("Space", names, key=view.key("space")))


def no_space(
    workspace: Workspace, view: state.View, dataset: Dataset, coming: Sequence[Space], then: str
) -> None:
    """Wait for the first space, which is then used as `then` says; or offer to make one."""
    name = plain(dataset.name)
    if coming:
        st.write(f"**{name}** is being embedded; its spaces are {then} here then.")
        jobs.pending(
            workspace,
            [s.spec for s in coming],
            f"{view.page}-embed",
            until=lambda: any(s.state == "done" for s in workspace.spaces(dataset)),
        )
        return
    st.write(f"**{name}** has no space yet: embed it with at least one model.")
    offer(workspace, dataset, ["melstats"])


def offer(workspace: Workspace, dataset: Dataset, encoders: Sequence[str]) -> None:
    """Offer to embed a dataset, as a command and as a button."""
    st.code(layout.command(workspace, "embed", dataset.name, *encoders), language="bash")
    if st.button(f"Embed with {' and '.join(encoders)}", type="primary"):
        jobs.submit(workspace, [EmbedAudio(dataset=dataset.ref, encoder=e) for e in encoders])
        st.rerun()
