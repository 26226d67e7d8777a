"""The results of the blind tests of a dataset."""

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
        shown = preferences.counted(workspace.root, dataset, by)
    except RatingsError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    if shown is None:
        st.info(
            "Only hidden repeats are answered here so far; answer more questions.", icon=":material/info:"
        )
        return
    against = preferences.objective(shown, dataset)
    _facts(shown)
    _shares(dataset, shown, against)
    _pairs(shown)
    _objective(workspace, dataset, shown, against)


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


def _facts(shown: Preferences) -> None:
    again, alpha = shown.consistency, shown.alpha
    chance = f" (chance {again.chance:.0%})" if math.isfinite(again.chance) else ""
    questions = numbers.count(alpha.questions, "shared question")
    agreement = numbers.signed(alpha.value)
    if math.isfinite(alpha.low):
        agreement += f" ({numbers.signed(alpha.low)} to {numbers.signed(alpha.high)})"
    layout.facts(
        [
            ("answered questions", f"{shown.questions:,}"),
            ("listeners", f"{len(shown.listeners):,}"),
            ("none was good", _share(shown.none)),
            (f"same answer again{chance}", _share(again) if again.n else "no repeat answered yet"),
            (
                f"agreement of listeners, α ({questions})",
                "needs shared questions with different answers" if math.isnan(alpha.value) else agreement,
            ),
        ]
    )
    layout.reading(reading.FACTS)


def _shares(dataset: Dataset, shown: Preferences, against: Objective) -> None:
    wins = [shown.wins[name] for name in shown.names]
    titles = [shown.title(name) for name in shown.names]

    def csv() -> bytes:
        return preferences.table_csv(shown, against)

    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("How often chosen", anchor=False)
        chart.show(
            figures.preferred_figure(
                titles,
                wins,
                title="share of the questions showing it",
                chance=np.array([w.chance for w in wins]),
                theme=layout.theme(),
            ),
            key="listen-wins",
            file=f"win-rates-{dataset.name}",
            csv=csv,
            alt=f"How often each of {', '.join(titles)} was chosen",
        )
        layout.reading(reading.WINS)
    with right:
        st.subheader("Strength", anchor=False)
        chart.show(
            figures.preferred_figure(
                titles,
                [shown.share(name) for name in shown.names],
                title="would be chosen among all of them",
                theme=layout.theme(),
            ),
            key="listen-strengths",
            file=f"strengths-{dataset.name}",
            csv=csv,
            alt=f"Strength of each of {', '.join(titles)} by Luce's choice axiom",
        )
        layout.reading(reading.strengths(shown.strengths))


def _pairs(shown: Preferences) -> None:
    if len(shown.names) < 2:
        return
    best, second = shown.names[:2]
    beats = shown.strengths.beats(best, second)
    clear = "which leaves out 0.5" if beats.low > 0.5 else "which holds 0.5: more answers are needed"
    st.markdown(
        f"**{plain(shown.title(best))}** would be chosen rather than "
        f"**{plain(shown.title(second))}** {beats.value:.0%} of the time (95% interval {beats.low:.2f} "
        f"to {beats.high:.2f}, {clear}; {beats.n:,} answers decided between the two)."
    )
    marked = [(name, p) for name, p in shown.precision.items() if p.n]
    if marked:
        marked.sort(key=lambda x: -x[1].value)
        table.show(
            ["system", "share of marked results that fit", "marked"],
            [[shown.title(name), _share(p), f"{p.n:,}"] for name, p in marked],
        )


def _objective(workspace: Workspace, dataset: Dataset, shown: Preferences, against: Objective) -> None:
    st.subheader("Against MAP@15", anchor=False)
    n = len(jobs.unasked(workspace, against.missing)[0])
    label = f"Compute MAP@15 of {numbers.count(n, 'system')}"
    jobs.compute(workspace, against.missing, label, "listen-map", primary=False, each=False)
    names = [n for n in shown.names if n in against.scores]
    if len(names) < 2:
        st.caption("Comparing the score with listeners needs the score of at least two systems.")
        return
    chart.show(
        figures.against_figure(
            [shown.title(n) for n in names],
            [against.scores[n] for n in names],
            [shown.log_strength(n) for n in names],
            title="MAP@15, from the labels",
            theme=layout.theme(),
        ),
        key="listen-against",
        file=f"listeners-against-map-{dataset.name}",
        csv=lambda: preferences.table_csv(shown, against),
        caption=_agreement(against.agreement),
        alt="Strength by listeners against MAP@15",
    )
    layout.reading(reading.AGAINST)


def _agreement(a: RankAgreement) -> str:
    if math.isnan(a.tau):
        return f"n = {a.n} systems, of which all scores or all strengths are equal: there is no correlation."
    return (
        f"Kendall’s τ = {numbers.signed(a.tau)} (p = {a.tau_p:.3f}) · Spearman’s ρ = {numbers.signed(a.rho)} "
        f"(p = {a.rho_p:.3f}) · n = {a.n} systems"
    )


def _share(x: Interval) -> str:
    return f"{x.value:.0%} ({100 * x.low:.0f} to {x.high:.0%}, n = {x.n:,})"
