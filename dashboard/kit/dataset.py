"""What every page about a dataset begins with: choosing it, waiting for its sounds, embedding it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard import state, ui
from jobs.specs import EmbedAudio
from jobs.workspace.workspace import Dataset, Space, Workspace


def none_there(title: str, to_do: str = "look at") -> None:
    """Draw the page of a workspace without a dataset."""
    st.title(title)
    st.info(f"There is no dataset to {to_do} yet. The home page says how to add one.", icon=":material/info:")


def choose(workspace: Workspace, view: state.View, names: Sequence[str]) -> Dataset:
    """Draw the control in the sidebar, and what must be said of the dataset."""
    view.choice("dataset", names, names[0])
    with st.sidebar:
        dataset = workspace.dataset(str(st.selectbox("Dataset", names, key=view.key("dataset"))))
        if dataset.note:
            st.caption(ui.plain(dataset.note))
    return dataset


def wait_for_sounds(workspace: Workspace, view: state.View, dataset: Dataset) -> None:
    """Show how far the sounds of a dataset are that is being generated."""
    st.write(f"The sounds of **{ui.plain(dataset.name)}** are being generated.")
    assert dataset.source is not None
    ui.pending(workspace, [dataset.source], f"{view.page}-generate")


def done_spaces(
    workspace: Workspace, view: state.View, dataset: Dataset, title: str, then: str
) -> dict[str, EmbedAudio] | None:
    """Return the spaces of a dataset that are there, by their encoders.

    Where none is, None is returned and the page says what it waits for, under its title: `then` says what
    spaces are here for, as in "searched".
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
    """Draw the control in the sidebar; it begins with `first`, or with the first one."""
    view.choice("space", names, first or names[0])
    with st.sidebar:
        return str(st.selectbox("Space", names, key=view.key("space")))


def no_space(
    workspace: Workspace, view: state.View, dataset: Dataset, coming: Sequence[Space], then: str
) -> None:
    """Wait for the first space, of which `then` says what it is for; or offer to make one."""
    name = ui.plain(dataset.name)
    if coming:
        st.write(f"**{name}** is being embedded; its spaces are {then} here then.")
        ui.pending(
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
    st.code(ui.command(workspace, "embed", dataset.name, *encoders), language="bash")
    if st.button(f"Embed with {' and '.join(encoders)}", type="primary"):
        for encoder in encoders:
            workspace.queue.submit(EmbedAudio(dataset=dataset.ref, encoder=encoder))
        st.rerun()
