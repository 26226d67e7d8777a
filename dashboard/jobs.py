"""Jobs: those that wait, run, are done or have failed; cancel, retry, logs."""

from __future__ import annotations

import time

import streamlit as st

from dashboard import state
from dashboard.kit import jobs, layout, numbers
from dashboard.kit.layout import plain
from jobs.engine.queue import ASKED, AWAITED, Job
from jobs.workspace.workspace import Workspace

TITLE = "Jobs"
ICON = ":material/manufacturing:"
ORDER = 200

_SHOWN = {
    "all": ("queued", "running", "done", "failed", "cancelled"),
    "active": ("queued", "running"),
    "failed": ("failed", "cancelled"),
    "done": ("done",),
}
_COLOURS = {"queued": "gray", "running": "blue", "done": "green", "failed": "red", "cancelled": "orange"}
_PAGE = 25
_MOST = 100_000


def render(workspace: Workspace) -> None:
    """Draw the page."""
    view = state.View("jobs", st.session_state, st.query_params)
    view.choice("show", list(_SHOWN), "all")
    view.text("log", check=lambda v: workspace.queue.get(v) is not None if len(v) == 64 else False)
    view.number("rows", _PAGE, _MOST, _PAGE)
    view.write()
    st.title("Jobs")
    layout.notes(view.notes)
    st.segmented_control(
        "Show", list(_SHOWN), key=view.key("show"), required=True, label_visibility="collapsed"
    )
    _listing(workspace, view)


def _listing(workspace: Workspace, view: state.View) -> None:
    @st.fragment(run_every=1.0, key="jobs-list")
    def watch() -> None:
        alive = workspace.queue.worker_alive()
        if alive:
            st.caption(":green[●] A worker is running.")
        else:
            jobs.no_worker(workspace)
        every, damaged = workspace.queue.listing()
        layout.damaged(damaged)
        kept = [j for j in every if j.state in _SHOWN[st.session_state.get(view.key("show")) or "all"]]
        if not kept:
            st.info(
                "No jobs here. Embedding a dataset or opening a map on Explore submits one."
                if not every and not damaged
                else "No job is in this state.",
                icon=":material/info:",
            )
        most = st.session_state.get(view.key("rows"), _PAGE)
        order = {"running": 0, "queued": 1, "failed": 2, "cancelled": 2}
        kept.sort(key=lambda j: (order.get(j.state, 3), -j.priority if j.state == "queued" else 0))
        cards = [j for j in kept[:most] if j.state != "done"]
        for job in cards:
            _job(workspace, view, job)
        if len(cards) < min(len(kept), most):
            st.subheader(f"Done · {sum(j.state == 'done' for j in kept):,}", anchor=False)
            with st.container(border=True, gap=None):
                for job in kept[len(cards) : most]:
                    _done(workspace, view, job)
        if len(kept) > most and st.button(f"Show more of the {len(kept) - most:,} left", key="jobs-more"):
            view.set("rows", most + 2 * _PAGE)
            st.rerun(scope="app")

    watch()


def _job(workspace: Workspace, view: state.View, job: Job) -> None:
    open_log = st.session_state.get(view.key("log")) == job.key
    with st.container(border=True, key=f"job-{job.key}"):
        left, right = st.columns([3, 1], vertical_alignment="center")
        with left:
            st.markdown(f"**{plain(job.title)}**  :{_COLOURS[job.state]}-badge[{job.state}]")
            if job.state == "running":
                share, text = jobs.progress_text(job)
                st.progress(share, text=text)
            elif job.error:
                st.markdown(f":red[{plain(job.error)}]")
            st.caption(_when(workspace, job))
        with right, st.container(horizontal=True, horizontal_alignment="right"):
            if job.active:
                st.button(
                    "Cancel",
                    key=f"cancel-{job.key}",
                    icon=":material/stop_circle:",
                    on_click=workspace.queue.cancel,
                    args=(job.key,),
                )
            elif job.state != "done":
                st.button(
                    "Retry",
                    key=f"retry-{job.key}",
                    icon=":material/replay:",
                    on_click=_retry,
                    args=(workspace, job.key),
                )
            _log_button(view, job, open_log)
        if open_log:
            _log(workspace, job)
        problem = st.session_state.pop(f"jobs-problem-{job.key}", None)
        if problem:
            st.error(plain(problem))


def _done(workspace: Workspace, view: state.View, job: Job) -> None:
    """Draw a finished job, which needs one line only."""
    open_log = st.session_state.get(view.key("log")) == job.key
    with st.container(key=f"job-{job.key}", gap=None):
        with st.container(horizontal=True, vertical_alignment="center", key=f"done-{job.key}"):
            st.markdown(f"{plain(job.title)}  :gray[:small[{_when(workspace, job)}]]", width="stretch")
            _log_button(view, job, open_log, quiet=True)
        if open_log:
            _log(workspace, job)


def _log_button(view: state.View, job: Job, open_log: bool, *, quiet: bool = False) -> None:
    st.button(
        "Hide log" if open_log else "Log",
        key=f"log-{job.key}",
        type="tertiary" if quiet else "secondary",
        icon=":material/article:",
        on_click=st.session_state.__setitem__,
        args=(view.key("log"), "" if open_log else job.key),
    )


def _log(workspace: Workspace, job: Job) -> None:
    st.code(workspace.queue.log(job.key) or "Nothing has been logged yet.", language=None, height=260)


def _retry(workspace: Workspace, key: str) -> None:
    try:
        workspace.queue.retry(key)
    except ValueError as error:
        st.session_state[f"jobs-problem-{key}"] = str(error)


def _when(workspace: Workspace, job: Job) -> str:
    parts = [f"submitted {_ago(job.created)}"]
    if job.started and job.ended:
        parts.append(f"took {numbers.duration(job.ended - job.started)}")
    elif job.started and job.state == "running":
        parts.append(f"running for {numbers.duration(time.time() - job.started)}")
    if job.state == "queued":
        if job.priority >= AWAITED:
            parts.append("comes before all others")
        elif job.priority >= ASKED:
            parts.append("comes before batches")
        waits = [workspace.queue.get(k) for k in job.depends_on if not workspace.cache.contains(k)]
        titles = [w.title for w in waits if w is not None]
        if titles:
            parts.append(f"waits for: {', '.join(plain(t) for t in titles)}")
    if job.attempts > 1:
        parts.append(f"attempt {job.attempts}")
    parts.append(f"`{job.key[:10]}`")
    return " · ".join(parts)


def _ago(at: float) -> str:
    gone = time.time() - at
    return "just now" if gone < 5 else f"{numbers.duration(gone)} ago"
