"""Pairs by curation: start a training on pairs that a model chooses itself, and see whether it helps."""

from __future__ import annotations

import streamlit as st

from core.recipes import settings
from dashboard import state
from dashboard.kit import chart, form, jobs, layout, numbers, table
from dashboard.kit.layout import plain
from dashboard.kit.recipe import control, controls
from dashboard.leakage import curation
from dashboard.leakage import curation_figures as figures
from dashboard.leakage import data as leakage
from dashboard.leakage.curation import Result
from jobs import contrastive_presets as contrastive
from jobs.specs import CuratedTraining, EmbedAudio
from jobs.specs.curation import THRESHOLDS
from jobs.workspace.workspace import Dataset, Workspace

_PAPER = "Wang et al., *Unsupervised improvement of audio-text cross-modal representations* (WASPAA 2023)"


def show(workspace: Workspace, view: state.View, dataset: Dataset, grids: list[leakage.Grid]) -> None:
    """Draw the part of the page, where there is a model that can curate."""
    models = curation.models(workspace, dataset, grids)
    made = curation.comparisons(workspace, dataset)
    captions = leakage.captions(dataset)
    if not captions.n or not (models or made):
        return
    st.subheader("Pairs by curation", anchor=False)
    names = {c.id: curation.named(c) for c in made}
    chosen = view.choice("curated", list(names), made[0].id, called="comparison") if made else ""
    if len(made) > 1:
        st.selectbox("Comparison", list(names), format_func=names.__getitem__, key=view.key("curated"))
    if made:
        comparison = next(c for c in made if c.id == chosen)
        if comparison.state == "done":
            _result(curation.result(comparison.spec), f"{dataset.name}-{comparison.id}")
        else:
            st.caption(plain(names[chosen]))
            jobs.pending(workspace, [comparison.spec], "curation-pending", cancel=True)
    if models:
        _start(workspace, view, dataset, models, captions.fingerprint, first=not made)


def _result(found: Result, file: str) -> None:
    stored = found.stored
    for why in dict.fromkeys(found.models["failed"].loc[lambda f: f != ""]):
        st.warning(plain(why), icon=":material/error:")
    of = f"{numbers.count(stored.n_test, 'test clip')} of {numbers.count(stored.n_test_classes, 'class')}"
    left, right = st.columns(2, gap="medium")
    with left:
        chart.show(
            lambda theme: figures.accuracy_figure(
                found.names,
                found.accuracies,
                found.each,
                title=f"zero-shot accuracy<br>n = {of}",
                chance=stored.chance,
                theme=theme,
            ),
            remembered=("curation-accuracy", found.spec.key),
            key="curation-accuracy",
            file=f"curation-accuracy-{file}",
            csv=lambda: curation.accuracies_table(found),
            alt="Zero-shot accuracy of the model before and after training on curated pairs",
        )
    with right:
        chart.show(
            lambda theme: figures.difference_figure(
                found.pairings,
                found.differences,
                title=f"difference in accuracy, paired<br>n = {of}",
                theme=theme,
            ),
            remembered=("curation-differences", found.spec.key),
            key="curation-differences",
            file=f"curation-differences-{file}",
            csv=lambda: found.differences,
            alt="Paired differences in zero-shot accuracy with their intervals",
        )
    layout.facts(
        [
            ("pairs", f"{stored.n_pairs:,}"),
            ("training clips in a pair", f"{stored.n_sounds:,} of {stored.n_pool_sounds:,}"),
            ("captions in a pair", f"{stored.n_texts:,} of {stored.n_pool_texts:,}"),
            ("pairs whose caption is of the clip’s class", f"{stored.same_class:.1%}"),
            ("computed in", numbers.duration(stored.seconds)),
        ]
    )
    layout.reading(
        f"By **{plain(found.spec.embedding.encoder)}**, {curation.chosen(found)}. A projector behind each "
        "of its towers, which stay as they are, is trained on these pairs. **Hard** targets: each clip its "
        f"own caption alone. **Soft, as released**: by {found.spec.beta:.0%} also captions of clips that are "
        "alike to the model, and clips of captions that are. **Softmax**: all captions, by how near they are "
        "to the clip. Held-out clips judge. Intervals over trainings say how much the order of the pairs "
        "matters, those over test clips how far another test might differ. "
        f"After {_PAPER}, who tune the whole model."
    )
    if found.spec.training == "dirty":
        st.caption(
            "Captions that name test classes were among those to choose from: a gain may be the leak that "
            "this page is about. Clean captions leave them out."
        )
    some = found.pairs.sort_values("similarity", ascending=False, kind="stable").head(8)
    with st.expander("The surest pairs"):
        table.show(
            ["class of the clip", "caption", "cosine"],
            [[r["label"], r["caption"], f"{r['similarity']:.3f}"] for r in some.to_dict("records")],
        )
        table.button(
            "curation-pairs-csv", f"curated-pairs-{file}", lambda: found.pairs, label="All pairs as CSV"
        )


def _start(
    workspace: Workspace,
    view: state.View,
    dataset: Dataset,
    models: dict[str, EmbedAudio],
    captions: str,
    *,
    first: bool,
) -> None:
    with st.expander("Curate and train", expanded=first, icon=":material/add_circle:"):
        if first:
            st.write(
                "A model of sounds and texts chooses captions for clips by itself and is trained on them: "
                "does it become better by that, or only surer of its mistakes?"
            )
        try:
            spec = _asked(view, dataset, models, captions)
        except ValueError as error:
            st.warning(plain(str(error)), icon=":material/rule:")
            return
        jobs.start(
            workspace,
            view,
            [spec],
            lambda _: f"Curate, and train {numbers.count(len(spec.targets) * spec.n_seeds, 'model')}",
            "curation",
            name="curated",
        )


def _asked(
    view: state.View, dataset: Dataset, models: dict[str, EmbedAudio], captions: str
) -> CuratedTraining:
    a, b, c = st.columns(3, gap="small", vertical_alignment="bottom")
    model = form.select(view, "teacher", "Model", list(models), called="model", place=a)
    wanted = controls(view, CuratedTraining, ("method", "training"), places=(b, c), listed=True)
    method = wanted["method"]
    d, e, f = st.columns(3, gap="small", vertical_alignment="bottom")
    if method in THRESHOLDS:
        of, usual = settings(CuratedTraining)["threshold"], THRESHOLDS[method]
        wanted["threshold"] = control(view, of, usual, place=d, link=f"cosine-{method}")
    if method.startswith("nearest"):
        wanted |= controls(view, CuratedTraining, ["k"], places=[d])
    if method in ("specific", "augmented"):
        wanted |= controls(view, CuratedTraining, ["domain_threshold"], places=[e])
    wanted |= controls(view, CuratedTraining, ["n_seeds"], places=[f])
    return contrastive.curated_training(dataset, models[model], captions=captions, **wanted)
