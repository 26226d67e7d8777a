"""What came out of the blind tests of a dataset."""

from __future__ import annotations

import math

import numpy as np
import streamlit as st

from core.listening import RankAgreement
from core.statistics import Interval
from dashboard import state
from dashboard.kit import chart, form, jobs, layout, numbers, table
from dashboard.kit.layout import plain
from dashboard.listen import figures, preferences, reading
from dashboard.listen.preferences import Objective, Preferences
from jobs.listening.ratings import RatingsError, open_ratings
from jobs.workspace.workspace import Dataset, Workspace

EVERYBODY = "everybody"


def render(workspace: Workspace, view: state.View, dataset: Dataset) -> None:
    """Draw this part of the page."""
    try:
        who = preferences.listeners(workspace.root, dataset)
        view.choice("by", ["", *who], "")
        layout.notes(view.notes)
        if not who:
            _nothing(dataset)
            return
        with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
            by = form.listed(
                "Answers of", {"": EVERYBODY} | {name: name for name in who}, view.key("by"), width=260
            )
            table.button(
                "listen-ratings-csv",
                f"ratings-{dataset.name}",
                lambda: open_ratings(workspace.root).export_csv(
                    fingerprint=dataset.fingerprint, listener=by or None
                ),
                label="CSV of all answers",
                quiet=False,
            )
        found = preferences.counted(workspace.root, dataset, by)
    except RatingsError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    if found is None:
        st.info(
            "Only hidden repeats are answered here so far; answer more questions.", icon=":material/info:"
        )
        return
    against = preferences.objective(found, dataset)
    _facts(found)
    _shares(dataset, found, against)
    _pairs(found)
    _objective(workspace, dataset, found, against)


def _nothing(dataset: Dataset) -> None:
    st.info(
        f"Nobody has rated results of {plain(dataset.name)} yet. Begin a blind test: choose two "
        "systems, give an alias, listen, and choose the better list. What listeners prefer is counted here.",
        icon=":material/info:",
    )
    if st.button("Set up a blind test", type="primary", icon=":material/headphones:", on_click=_to_blind):
        st.rerun()


def _to_blind() -> None:
    st.session_state["listen.part"] = "blind"


def _facts(found: Preferences) -> None:
    alpha = "–" if math.isnan(found.alpha.value) else _signed(found.alpha)
    layout.facts(
        [
            ("answered questions", f"{found.questions:,}"),
            ("listeners", f"{len(found.listeners):,}"),
            ("none was good", _share(found.none)),
            (f"same answer again (chance {_number(found.consistency.chance)})", _share(found.consistency)),
            (f"agreement of listeners, α ({numbers.count(found.alpha.questions, 'shared question')})", alpha),
        ]
    )
    layout.reading(reading.FACTS)


def _shares(dataset: Dataset, found: Preferences, against: Objective) -> None:
    s = found.strengths
    order = [s.systems.index(name) for name in found.names]
    left, right = st.columns(2, gap="large")
    wins = [found.wins[name] for name in found.names]
    titles = [found.title(name) for name in found.names]
    with left:
        st.subheader("How often chosen", anchor=False)
        chart.show(
            figures.preferred_figure(
                titles,
                np.array([w.value for w in wins]),
                np.array([w.low for w in wins]),
                np.array([w.high for w in wins]),
                [w.n for w in wins],
                title="share of the questions showing it",
                chance=np.array([w.chance for w in wins]),
                theme=layout.theme(),
            ),
            key="listen-wins",
            file=f"win-rates-{dataset.name}",
            csv=lambda: preferences.table_csv(found, against),
            alt=f"How often each of {', '.join(titles)} was chosen",
        )
        layout.reading(reading.WINS)
    with right:
        st.subheader("Strength", anchor=False)
        chart.show(
            figures.preferred_figure(
                titles,
                s.share[order],
                s.share_low[order],
                s.share_high[order],
                [w.n for w in wins],
                title="would be chosen among all of them",
                theme=layout.theme(),
            ),
            key="listen-strengths",
            file=f"strengths-{dataset.name}",
            csv=lambda: preferences.table_csv(found, against),
            alt=f"Strength of each of {', '.join(titles)} by Luce's choice axiom",
        )
        drawn = s.draws is not None
        layout.reading(reading.strengths(s.settled, len(s.groups) > 1, drawn, s.n_chosen))


def _pairs(found: Preferences) -> None:
    if len(found.names) < 2:
        return
    best, second = found.names[:2]
    beats = found.strengths.beats(best, second)
    clear = "which leaves out 0.5" if beats.low > 0.5 else "which holds 0.5: more answers are needed"
    st.markdown(
        f"**{plain(found.title(best))}** would be chosen rather than "
        f"**{plain(found.title(second))}** {beats.value:.0%} of the time (95% interval {beats.low:.2f} "
        f"to {beats.high:.2f}, {clear}; {beats.n:,} answers decided between the two)."
    )
    marked = [(name, p) for name, p in found.precision.items() if p.n]
    if marked:
        table.show(
            ["system", "share of marked results that fit", "marked"],
            [
                [found.title(name), _share(p), f"{p.n:,}"]
                for name, p in sorted(marked, key=lambda x: -x[1].value)
            ],
        )


def _objective(workspace: Workspace, dataset: Dataset, found: Preferences, against: Objective) -> None:
    st.subheader("Against MAP@15", anchor=False)
    if against.missing:
        asked = [s for s in against.missing if (job := workspace.queue.get(s.key)) and job.state != "done"]
        fresh = [s for s in against.missing if s not in asked]
        if fresh and st.button(
            f"Compute MAP@15 of {numbers.count(len(fresh), 'system')}", icon=":material/play_arrow:"
        ):
            for spec in fresh:
                workspace.queue.submit(spec)
            st.rerun()
        if asked:
            jobs.pending(workspace, asked, "listen-map")
    names = [n for n in found.names if n in against.scores]
    if len(names) < 2:
        st.caption("To be held against ears, the score is needed of at least two of the systems.")
        return
    s = found.strengths
    at = [s.systems.index(n) for n in names]
    scores = [against.scores[n] for n in names]
    chart.show(
        figures.against_figure(
            [found.title(n) for n in names],
            np.array([x.value for x in scores]),
            np.array([[x.low, x.high] for x in scores]),
            s.log_strength[at],
            np.column_stack([s.low[at], s.high[at]]),
            title="MAP@15, from the labels",
            theme=layout.theme(),
        ),
        key="listen-against",
        file=f"listeners-against-map-{dataset.name}",
        csv=lambda: preferences.table_csv(found, against),
        caption=_said(against.agreement),
        alt="Strength by listeners against MAP@15",
    )
    layout.reading(reading.AGAINST)


def _said(a: RankAgreement) -> str:
    if math.isnan(a.tau):
        return f"n = {a.n} systems, of which one score or all strengths are equal: there is no correlation."
    return (
        f"Kendall’s τ = {numbers.signed(a.tau)} (p = {a.tau_p:.3f}) · Spearman’s ρ = {numbers.signed(a.rho)} "
        f"(p = {a.rho_p:.3f}) · n = {a.n} systems"
    )


def _share(x: Interval) -> str:
    return f"{x.value:.0%} ({100 * x.low:.0f} to {x.high:.0%}, n = {x.n:,})" if x.n else "–"


def _number(value: float) -> str:
    return f"{value:.0%}" if math.isfinite(value) else "–"


def _signed(x: Interval) -> str:
    ends = f" ({numbers.signed(x.low)} to {numbers.signed(x.high)})" if math.isfinite(x.low) else ""
    return numbers.signed(x.value) + ends
