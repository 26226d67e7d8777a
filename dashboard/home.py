"""Home: the datasets of the workspace, the running jobs, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard import data, errors, results
from dashboard.kit import jobs, layout, numbers, table
from dashboard.kit.layout import plain
from jobs import encoders
from jobs.encoders import trained
from jobs.specs import EmbedAudio, Project, Spec, Synthesize
from jobs.workspace.attached import left_behind
from jobs.workspace.workspace import Dataset, Space, Workspace

TITLE = "Home"
ICON = ":material/home:"
ORDER = 10

#: States of spaces whose words are others than those of their jobs.
_STATES = {"done": "ready", "queued": "waiting"}


def render(workspace: Workspace) -> None:
    """Draw the page."""
    st.title("hearspace")
    st.caption("See, hear and test embedding spaces of sound.")
    damaged, datasets = workspace.damaged(), workspace.datasets()
    layout.damaged([*damaged, *workspace.queue.listing()[1]])
    if not (datasets or damaged):
        _empty(workspace)
        return
    _running(workspace)
    for dataset in datasets:
        errors.guarded(lambda shown=dataset: _dataset(workspace, shown))()  # type: ignore[misc]
    with st.expander("Add another dataset"):
        _how_to_add(workspace)


def _empty(workspace: Workspace) -> None:
    st.subheader("This workspace is empty", anchor=False)
    st.write("Begin with recordings of your own, one folder for each class of sound:")
    commands = [
        ("add", "mysounds", "path/to/folder"),
        ("embed", "mysounds", "melstats", "aisfx"),
        ("project", "mysounds", "aisfx"),
    ]
    st.code("\n".join(layout.command(workspace, *words) for words in commands), language="bash")
    st.write(
        "Or begin with the synthetic sound world: sounds made by formulas, named after real classes. It is "
        "meant for learning the tool; it says nothing about how models do on recordings."
    )
    _add_synthetic(workspace)
    st.caption(f"The workspace is {plain(str(workspace.root))}")


def _add_synthetic(workspace: Workspace) -> None:
    if st.button(
        "Add the synthetic sound world", type="primary", icon=":material/graphic_eq:", key="home-synth"
    ):
        spec = Synthesize()
        dataset = workspace.add_synthetic("synthetic", spec)
        jobs.submit(workspace, [spec, *_maps(dataset, ["melstats"])])
        st.rerun()


def _maps(dataset: Dataset, names: Sequence[str]) -> list[Spec]:
    spaces = [EmbedAudio(dataset=dataset.ref, encoder=encoder) for encoder in names]
    return results.maps_with_quality([Project(embedding=e, method="tsne") for e in spaces], dataset)


def _how_to_add(workspace: Workspace) -> None:
    st.write("A folder of recordings, with one folder per class, a table or the layout of ESC-50:")
    st.code(layout.command(workspace, "add", "NAME", "path/to/folder"), language="bash")
    if not any(d.name == "synthetic" for d in workspace.datasets()):
        _add_synthetic(workspace)


def _running(workspace: Workspace) -> None:
    @st.fragment(run_every=2.0, key="home-running")
    def watch() -> None:
        active = [j for j in workspace.queue.jobs() if j.active]
        # The page is drawn anew with every new result.
        n_results = len(workspace.cache.list())
        if n_results != st.session_state.setdefault("home-results", n_results):
            st.session_state["home-results"] = n_results
            st.rerun(scope="app")
        if not active:
            return
        running = [j for j in reversed(active) if j.state == "running"]
        waiting = len(active) - len(running)
        with st.container(border=True):
            st.markdown(f"**At work** · {numbers.count(len(running), 'job')} running, {waiting} waiting")
            for job in running:
                jobs.job_bar(job)
            jobs.no_worker(workspace)

    watch()


def _dataset(workspace: Workspace, dataset: Dataset) -> None:
    with st.container(border=True):
        st.subheader(dataset.name, anchor=False)
        if dataset.note:
            st.caption(plain(dataset.note))
        c = data.clips(dataset)
        n_families = len(set(c.families) - {""})
        layout.facts(
            [
                ("clips", f"{c.n:,}"),
                ("classes", f"{data.n_classes(c):,}"),
                ("families", str(n_families or "none")),
                ("total length", numbers.duration(float(c.frame["duration"].sum()))),
            ]
        )
        if len(dataset.report):
            with st.expander(f"{numbers.count(len(dataset.report), 'remark')} from the import"):
                st.dataframe(dataset.report, hide_index=True, height=220)
        spaces = workspace.spaces(dataset)
        if spaces:
            table.show(
                ["space", "state", "nearest clip has the same class", "cosine silhouette"],
                [_row(dataset, s) for s in spaces],
            )
            _how_to_read(workspace, dataset, spaces)
        _left_behind(workspace, dataset)
        _next(workspace, dataset, {s.encoder for s in spaces}, any(s.state == "done" for s in spaces))


def _row(dataset: Dataset, space: Space) -> list[str | table.Cell]:
    first = [encoders.short(space.encoder), _STATES.get(space.state, space.state)]
    q = results.quality(space.spec, dataset)
    if q is None:
        return [*first, "–", "–"]
    if not q.silhouette.n:
        why = "the silhouette compares classes, so it needs clips of at least two."
        return [*first, q.agreement.percent(), table.Cell("–", why=why)]
    return [*first, q.agreement.percent(), q.silhouette.signed()]


def _how_to_read(workspace: Workspace, dataset: Dataset, spaces: list[Space]) -> None:
    layout.reading(
        "How often a clip's nearest clip, by cosine, is of its class; and how far classes stand apart, from "
        "−1 to 1 (Rousseeuw 1987). In brackets: 95% intervals over clips."
    )
    layout.note_trained(s.spec for s in spaces)
    unmeasured = [s for s in spaces if results.quality(s.spec, dataset) is None]
    ready = [results.quality_spec(s.spec, dataset) for s in unmeasured if s.state == "done"]
    active = [s for s in ready if (job := workspace.queue.get(s.key)) is not None and job.active]
    if len(unmeasured) > len(ready) or active:
        st.caption("–: the numbers appear when the space is computed and measured.")
    if len(ready) > len(active):
        st.caption("–: not measured yet; it needs the nearest neighbours of every clip.")
        if st.button("Measure", key=f"home-measure-{dataset.name}", icon=":material/straighten:"):
            jobs.submit(workspace, ready)
            st.rerun()


def _left_behind(workspace: Workspace, dataset: Dataset) -> None:
    """Name the spaces of the dataset from before its sounds changed, and offer to compute them again."""
    lost = [e for e in left_behind(workspace, dataset) if not e.startswith(f"{trained.NAME}:")]
    if not lost:
        return
    names = plain(", ".join(map(encoders.short, lost)))
    st.caption(
        f"Its sounds have changed since it was embedded with {names}. "
        "Embedding it again computes what is new and keeps the rest."
    )
    if st.button("Embed what is new", key=f"home-again-{dataset.name}", icon=":material/refresh:"):
        try:
            jobs.submit(workspace, _maps(dataset, lost))
        except encoders.EncoderError as error:  # a folder with a model that is gone
            st.warning(plain(str(error)))
            return
        st.rerun()


def _next(workspace: Workspace, dataset: Dataset, used: set[str], ready: bool) -> None:
    rest = [
        n
        for n, m in encoders.modules("audio").items()
        if n not in used and not m.TAKES_ARGUMENT and m.available() is None
    ]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if ready and st.button(
            "Explore", key=f"home-explore-{dataset.name}", type="primary", icon=":material/scatter_plot:"
        ):
            layout.go("explore", {"dataset": dataset.name})
        if rest:
            encoder = st.selectbox(
                "Another space",
                rest,
                key=f"home-encoder-{dataset.name}",
                label_visibility="collapsed",
                width=220,
            )
            if st.button("Embed", key=f"home-embed-{dataset.name}", icon=":material/add:"):
                jobs.submit(workspace, _maps(dataset, [encoder]))
                st.rerun()
    st.caption("From a terminal, with any model:")
    words = ("embed", dataset.name, (rest or ["transformers:PATH_OR_HUB_ID"])[0])
    st.code(layout.command(workspace, *words), language="bash")
