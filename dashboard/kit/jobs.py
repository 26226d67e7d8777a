"""Jobs on a page: their progress, what a missing result waits for, and submitting what is missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

import streamlit as st

from dashboard import state
from dashboard.kit import numbers
from dashboard.kit.layout import command, plain
from dashboard.state import View
from jobs.engine.queue import Job
from jobs.specs import Spec, closure
from jobs.workspace import Workspace

_Spec = TypeVar("_Spec", bound=Spec)


def progress_text(job: Job) -> tuple[float, str]:
    """Return the progress of a job, from 0 to 1, and the words beside its bar."""
    if job.state == "queued":
        return 0.0, "waiting"
    if job.progress is None:
        return 0.0, "starting"
    done, total, note = job.progress
    share = min(1.0, max(0.0, done / total)) if total else 0.0
    parts = [note or "running", f"{share:.0%}"]
    if job.eta_s is not None:
        left = numbers.duration(job.eta_s)
        parts.append("nearly done" if job.eta_s < 1 else f"about {left} left")
    return share, " · ".join(parts)


def job_bar(job: Job) -> None:
    """Show a job as a bar with words."""
    share, text = progress_text(job)
    st.progress(share, text=f"{plain(job.title)} · {text}")


def no_worker(workspace: Workspace) -> None:
    """Show how to start a worker, if none is running."""
    if not workspace.queue.worker_alive():
        st.warning(
            "No worker is running, so jobs wait. Start one in a terminal:", icon=":material/engineering:"
        )
        st.code(command(workspace, "worker"), language="bash")


def jobs_of(workspace: Workspace, spec: Spec) -> list[Job]:
    """Return the jobs that a missing result still waits for, inputs first."""
    missing = [s.key for s in closure(spec) if not workspace.cache.contains(s.key)]
    return [job for key in missing if (job := workspace.queue.get(key)) is not None]


def pending(
    workspace: Workspace,
    specs: Sequence[Spec],
    key: str,
    *,
    until: Callable[[], bool] = lambda: False,
    cancel: bool = False,
) -> None:
    """Show what missing results wait for, and draw the page anew once they exist or `until` returns True.

    With `cancel` the jobs of the results themselves can be cancelled here.
    """

    @st.fragment(run_every=1.0, key=key)
    def watch() -> None:
        missing = [s for s in specs if not workspace.cache.contains(s.key)]
        if not missing or until():
            st.session_state[state.REDRAWN] = True
            st.rerun(scope="app")
        no_worker(workspace)
        jobs = list({job.key: job for spec in missing for job in jobs_of(workspace, spec)}.values())
        for job in jobs:
            if job.state in ("failed", "cancelled"):
                left, right = st.columns([5, 1], vertical_alignment="center")
                why = job.error or "It was cancelled."
                left.error(f"{plain(job.title)}: {plain(why)}", icon=":material/error:")
                if right.button("Try again", key=f"retry-{key}-{job.key}"):
                    workspace.queue.retry(job.key)
                    st.rerun()
        active = [job for job in jobs if job.active]
        shown = [job for job in active if job.state == "running"] or active[:1]
        for job in shown:
            job_bar(job)
        mine = {spec.key for spec in specs} if cancel else set()
        for job in (job for job in active if job.key in mine):
            st.button(
                "Cancel",
                key=f"cancel-{key}-{job.key}",
                icon=":material/stop_circle:",
                type="tertiary",
                on_click=workspace.queue.cancel,
                args=(job.key,),
            )
        if len(active) > len(shown):
            waiting = len(active) - len(shown)
            st.caption(f"{numbers.count(waiting, 'more job')} {'waits' if waiting == 1 else 'wait'}.")

    watch()


def unasked(workspace: Workspace, missing: Sequence[_Spec]) -> tuple[list[_Spec], list[_Spec]]:
    """Divide missing results into those to be submitted and those whose job is active or has failed."""
    jobs = {s: workspace.queue.get(s.key) for s in missing}
    # A job that is done, but whose result is gone, has been cleared away: it is submitted again.
    going = [s for s, job in jobs.items() if job is not None and job.state != "done"]
    return [s for s in missing if s not in going], going


def compute(
    workspace: Workspace,
    missing: Sequence[Spec],
    label: str,
    key: str,
    *,
    primary: bool = True,
    text: str = "",
    each: bool = True,
) -> None:
    """Offer to compute missing results, and show the progress of those that are submitted.

    Parameters
    ----------
    workspace : Workspace
    missing : sequence of Spec
    label : str
        Of the button.
    key : str
        Of what is drawn; the button's is ``<key>-compute``.
    primary : bool
        Whether the button stands out.
    text : str
        Words above the button, Markdown.
    each : bool
        Whether the page is drawn anew with each new result, and not only with the last.
    """
    fresh, going = unasked(workspace, missing)
    if fresh:
        if text:
            st.write(text)
        kind: Literal["primary", "secondary"] = "primary" if primary else "secondary"
        if st.button(label, type=kind, icon=":material/calculate:", key=f"{key}-compute"):
            submit(workspace, fresh)
            st.rerun()
    if going:
        waiting = len(going)
        pending(
            workspace,
            going,
            f"{key}-pending",
            until=lambda: each and sum(not workspace.cache.contains(s.key) for s in going) < waiting,
        )


def start(
    workspace: Workspace,
    view: View,
    specs: Sequence[Spec],
    label: Callable[[int], str],
    key: str,
    *,
    name: str = "grid",
) -> None:
    """Draw the button that starts a training, or, once it is submitted or computed, say so.

    Parameters
    ----------
    workspace : Workspace
    view : View
    specs : sequence of Spec
        What is trained, at least one; the first is shown afterwards.
    label : callable
        Text of the button for the number of these that are to be trained.
    key : str
        Of what is drawn: the button's is ``<key>-start``, that of a computed training ``<key>-there``.
    name : str
        Of the control that chooses among trainings.
    """
    missing = [spec for spec in specs if not workspace.cache.contains(spec.key)]
    todo = [s for s in missing if (job := workspace.queue.get(s.key)) is None or not job.active]
    shown = view.key(name), specs[0].key[:12]
    if not missing:
        st.button("Show it: it is computed already", key=f"{key}-there", on_click=_show, args=shown)
    elif not todo:
        st.caption("It is on its way.")
    else:
        st.button(
            label(len(todo)),
            key=f"{key}-start",
            type="primary",
            icon=":material/model_training:",
            on_click=_submit,
            args=(workspace, todo, *shown),
        )


def _show(key: str, id: str) -> None:
    st.session_state[key] = id


def _submit(workspace: Workspace, todo: Sequence[Spec], key: str, id: str) -> None:
    submit(workspace, todo)
    _show(key, id)


def submit(workspace: Workspace, specs: Sequence[Spec]) -> None:
    """Submit the jobs of results."""
    for spec in specs:
        workspace.queue.submit(spec)
