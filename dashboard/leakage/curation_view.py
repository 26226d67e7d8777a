"""Pairs by curation: start a training on pairs that a model chooses itself, and see whether it helps."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st

from dashboard import numbers, state, ui
from dashboard.leakage import curation
from dashboard.leakage import curation_figures as figures
from dashboard.leakage import data as leakage
from dashboard.leakage.curation import METHODS, Result
from dashboard.memory import once
from jobs import contrastive_presets as contrastive
from jobs.specs import CuratedTraining, EmbedAudio
from jobs.specs.contrastive import TRAININGS
from jobs.specs.curation import THRESHOLDS
from jobs.workspace.workspace import Dataset, Workspace

_CAPTIONS = {"dirty": "all captions", "clean": "clean: none of a clip that names a test class"}
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
            st.caption(ui.plain(names[chosen]))
            ui.pending(workspace, [comparison.spec], "curation-pending")
    if models:
        _start(workspace, view, dataset, models, captions.fingerprint, first=not made)


def _result(found: Result, file: str) -> None:
    stored, theme = found.stored, ui.theme()
    for why in dict.fromkeys(found.models["failed"].loc[lambda f: f != ""]):
        st.warning(ui.plain(why), icon=":material/error:")
    of = f"{numbers.count(stored.n_test, 'test clip')} of {numbers.count(stored.n_test_classes, 'class')}"
    left, right = st.columns(2, gap="medium")
    with left:
        ui.chart(
            once(
                ("figure", "curation-accuracy", found.spec.key, theme),
                lambda: figures.accuracy_figure(
                    found.names,
                    found.accuracies,
                    found.each,
                    title=f"zero-shot accuracy<br>n = {of}",
                    chance=stored.chance,
                    theme=theme,
                ),
            ),
            key="curation-accuracy",
            file=f"curation-accuracy-{file}",
            csv=partial(curation.accuracies_csv, found),
            alt="Zero-shot accuracy of the model before and after training on curated pairs",
        )
    with right:
        ui.chart(
            once(
                ("figure", "curation-differences", found.spec.key, theme),
                lambda: figures.difference_figure(
                    found.pairings,
                    found.differences,
                    title=f"difference in accuracy, paired<br>n = {of}",
                    theme=theme,
                ),
            ),
            key="curation-differences",
            file=f"curation-differences-{file}",
            csv=partial(curation.differences_csv, found),
            alt="Paired differences in zero-shot accuracy with their intervals",
        )
    ui.facts(
        [
            ("pairs", f"{stored.n_pairs:,}"),
            ("training clips in a pair", f"{stored.n_sounds:,} of {stored.n_pool_sounds:,}"),
            ("captions in a pair", f"{stored.n_texts:,} of {stored.n_pool_texts:,}"),
            ("pairs whose caption is of the clip’s class", f"{stored.same_class:.1%}"),
            ("computed in", numbers.duration(stored.seconds)),
        ]
    )
    ui.reading(
        f"By **{ui.plain(found.spec.embedding.encoder)}**, {curation.chosen(found)}. A projector behind each "
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
        ui.table(
            ["class of the clip", "caption", "cosine"],
            [[r["label"], r["caption"], f"{r['similarity']:.3f}"] for r in some.to_dict("records")],
        )
        st.download_button(
            "All pairs as CSV",
            data=partial(curation.pairs_csv, found),
            file_name=f"curated-pairs-{file}.csv",
            mime="text/csv",
            icon=":material/download:",
            type="tertiary",
            on_click="ignore",
            key="curation-pairs-csv",
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
            st.warning(ui.plain(str(error)), icon=":material/rule:")
            return
        job = workspace.queue.get(spec.key)
        if workspace.cache.contains(spec.key):
            st.button(
                "Show it: it is computed already", key="curation-there", on_click=_choose, args=(view, spec)
            )
        elif job is not None and job.active:
            st.caption("It is on its way.")
        else:
            st.button(
                f"Curate, and train {numbers.count(len(spec.targets) * spec.n_seeds, 'model')}",
                key="curation-start",
                type="primary",
                icon=":material/model_training:",
                on_click=_submit,
                args=(workspace, view, spec),
            )


def _asked(
    view: state.View, dataset: Dataset, models: dict[str, EmbedAudio], captions: str
) -> CuratedTraining:
    a, b, c = st.columns(3, gap="small", vertical_alignment="bottom")
    view.choice("teacher", list(models), next(iter(models)), called="model")
    view.choice("method", list(METHODS), CuratedTraining.method)
    view.choice("pool", list(TRAININGS), "dirty", called="captions")
    model = str(a.selectbox("Model", list(models), key=view.key("teacher")))
    method = str(b.selectbox("Pairs", list(METHODS), format_func=METHODS.__getitem__, key=view.key("method")))
    pool = str(
        c.selectbox("Captions", list(TRAININGS), format_func=_CAPTIONS.__getitem__, key=view.key("pool"))
    )
    settings: dict[str, Any] = {"method": method, "training": pool}
    d, e, f = st.columns(3, gap="small", vertical_alignment="bottom")
    if method in THRESHOLDS:
        name = f"cosine-{method}"
        view.number(name, -1, 1, THRESHOLDS[method], whole=False)
        settings["threshold"] = float(
            d.number_input("Least cosine of clip and caption", -1.0, 1.0, step=0.05, key=view.key(name))
        )
    if method.startswith("nearest"):
        view.number("captions", 1, 100, 1)
        settings["k"] = int(d.number_input("Captions for each clip", 1, 100, key=view.key("captions")))
    if method in ("specific", "augmented"):
        view.number("domain", -1, 1, CuratedTraining.domain_threshold, whole=False)
        settings["domain_threshold"] = float(
            e.number_input("Least cosine of caption and class", -1.0, 1.0, step=0.05, key=view.key("domain"))
        )
    view.number("repeats", 1, 20, CuratedTraining.n_seeds)
    settings["n_seeds"] = int(f.number_input("Trainings of each kind", 1, 20, key=view.key("repeats")))
    return contrastive.curated_training(dataset, models[model], captions=captions, **settings)


def _choose(view: state.View, spec: CuratedTraining) -> None:
    view.set("curated", spec.key[:12])


def _submit(workspace: Workspace, view: state.View, spec: CuratedTraining) -> None:
    workspace.queue.submit(spec)
    _choose(view, spec)
