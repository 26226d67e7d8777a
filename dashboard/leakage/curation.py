"""Pairs by curation: start a training on pairs that a model chooses itself, and compare accuracies."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from core.recipes import settings
from dashboard import grids as listed
from dashboard.kit import chart, form, jobs, layout, numbers, table
from dashboard.kit.layout import plain
from dashboard.kit.recipe import control, controls
from dashboard.leakage import curation_figures as figures
from dashboard.leakage import data as leakage
from dashboard.results import result
from dashboard.state import View
from jobs import contrastive_presets as contrastive
from jobs import encoders
from jobs.specs import CURATIONS, CuratedTraining, EmbedAudio
from jobs.tasks.curated_training import THRESHOLDS, UNCURATED, Result
from jobs.workspace.workspace import Dataset, Workspace

#: Methods of choosing pairs, by the name in the spec.
METHODS = dict(zip(CURATIONS, settings(CuratedTraining)["method"].names, strict=True))
#: Kinds of targets, and the model before training.
TARGETS = {
    UNCURATED: "uncurated model",
    "hard": "hard targets",
    "released": "soft, as released",
    "softmax": "soft, softmax",
}
_PAPER = "Wang et al., *Unsupervised improvement of audio-text cross-modal representations* (WASPAA 2023)"

Comparison = listed.Grid[CuratedTraining]


def models(workspace: Workspace, dataset: Dataset, grids: list[leakage.Grid]) -> dict[str, EmbedAudio]:
    """Return the models of two towers that can curate, by name: those trained here, then encoders.

    Of a grid the model without leaks comes first.
    """
    spaces: dict[str, EmbedAudio] = {}
    for grid in grids:
        if grid.state == "done":
            good = sorted(result(grid.spec).good.index, key=lambda name: name != "clean/clean")
            own = [s for s in contrastive.spaces_of(grid.spec, good) if s.run.startswith("Ea_")]
            spaces |= {space.encoder: space for space in own}
    for space in workspace.spaces(dataset):
        if space.state == "done" and space.spec.source is None and _embeds_text(space.encoder):
            spaces[space.encoder] = space.spec
    return spaces


def _embeds_text(encoder: str) -> bool:
    try:
        return "text" in encoders.get(encoder)[0].MODALITIES
    except encoders.UnknownEncoder:
        return False


def show(workspace: Workspace, view: View, dataset: Dataset, grids: list[leakage.Grid]) -> None:
    """Draw the part of the page, where a model can curate."""
    teachers = models(workspace, dataset, grids)
    comparisons = leakage.trainings(workspace, dataset, CuratedTraining)
    captions = leakage.captions(dataset)
    if not captions.n or not (teachers or comparisons):
        return
    st.subheader("Pairs by curation", anchor=False)
    if comparisons:
        names = {c.id: _name(c) for c in comparisons}
        chosen = view.choice("curated", list(names), comparisons[0].id, called="comparison")
        if len(comparisons) > 1:
            form.listed("Comparison", names, view.key("curated"))
        comparison = next(c for c in comparisons if c.id == chosen)
        if comparison.state == "done":
            _result(comparison.spec, result(comparison.spec), f"{dataset.name}-{comparison.id}")
        else:
            st.caption(plain(names[chosen]))
            jobs.pending(workspace, [comparison.spec], "curation-pending", cancel=True)
    if teachers:
        with st.expander("Curate and train", expanded=not comparisons, icon=":material/add_circle:"):
            if not comparisons:
                st.write(
                    "A model of sounds and texts chooses captions for clips by itself and is trained on "
                    "them: does it become better by that, or only surer of its mistakes?"
                )
            _start(workspace, view, dataset, teachers, captions.fingerprint)


def _name(c: Comparison) -> str:
    """Return the name of a comparison: its model, method, limits and seeds."""
    spec = c.spec
    words = [spec.embedding.encoder, METHODS[spec.method]]
    words += [f"{spec.k} a clip"] * spec.method.startswith("nearest")
    words += [f"to a class ≥ {spec.domain_threshold:g}"] * (spec.method in ("specific", "augmented"))
    words += [] if spec.threshold is None else [f"to the clip ≥ {spec.threshold:g}"]
    words += ["clean captions"] * (spec.training == "clean") + [numbers.count(spec.n_seeds, "seed")]
    return " · ".join(words + [c.state] * (c.state != "done"))


def method(spec: CuratedTraining) -> str:
    """Describe how the pairs of a training were chosen."""
    domain = f"captions of cosine ≥ {spec.domain_threshold:g} to a test class"
    near = f"texts of cosine ≥ {spec.threshold or 0:g} to it"
    nearest = f"every training clip got the {numbers.count(spec.k, 'caption')} nearest to it"
    return {
        "nearest": nearest,
        "nearest-specific": f"{nearest}, of those that have a word of a test class or are among the "
        f"{spec.share:.0%} nearest to one",
        "unspecific": f"every training clip got all {near}, as released",
        "specific": f"given pairs were kept that have {domain}, as released",
        "augmented": f"of the {domain}, every training clip got all {near}, as released",
    }[spec.method]


def single_accuracies(result: Result) -> list[np.ndarray]:
    """Return the accuracies of the single trainings, of each row of ``accuracies``."""
    m = result.models.to_pandas().dropna(subset="accuracy")
    kinds = result.column("accuracies", "targets")
    return [m["accuracy"][m["targets"] == kind].to_numpy(float) for kind in kinds]


def pairings(result: Result) -> list[str]:
    """Return the names of the differences, each of which has a row over seeds and one over clips."""
    return [
        f"{TARGETS[row['a']]}<br>− {TARGETS[row['b']]}"
        for row in result.differences.to_pylist()
        if row["over"] == "seeds"
    ]


def accuracies_table(result: Result) -> pd.DataFrame:
    """Return the mean of each kind of target, then every training."""
    single = result.models.to_pandas().rename(columns={"accuracy": "mean"})
    single = single.assign(n=result.n_test, over="clips")
    columns = ["targets", "seed", "mean", "low", "high", "n", "over"]
    frame = pd.concat([result.accuracies.to_pandas(), single], ignore_index=True).reindex(columns=columns)
    return frame.assign(chance=result.chance)


def _result(spec: CuratedTraining, r: Result, file: str) -> None:
    for reason in dict.fromkeys(filter(None, r.column("models", "failed"))):
        st.warning(plain(reason), icon=":material/error:")
    _figures(spec, r, file)
    layout.facts(
        [
            ("pairs", f"{r.n_pairs:,}"),
            ("training clips in a pair", f"{r.n_sounds:,} of {r.n_pool_sounds:,}"),
            ("captions in a pair", f"{r.n_texts:,} of {r.n_pool_texts:,}"),
            ("pairs whose caption is of the clip’s class", f"{r.same_class:.1%}"),
            ("computed in", numbers.duration(r.seconds)),
        ]
    )
    layout.reading(
        f"By **{plain(spec.embedding.encoder)}**, {method(spec)}. A projector behind each of its towers, "
        "which stay as they are, is trained on these pairs. **Hard** targets: each clip its own caption "
        f"alone. **Soft, as released**: by {spec.beta:.0%} also captions of clips that are similar to the "
        "model, and clips of captions that are. **Softmax**: all captions, by how near they are to the clip. "
        "The test is on held-out clips. Intervals over trainings show how much the order of the pairs "
        "matters, those over test clips how far another test might differ. "
        f"After {_PAPER}, who tune the whole model."
    )
    if spec.training == "dirty":
        st.caption(
            "Captions that name test classes were among those to choose from: a gain may be the leak that "
            "this page is about. Clean captions leave them out."
        )
    pairs = r.pairs.to_pandas()
    surest = pairs.sort_values("similarity", ascending=False, kind="stable").head(8)
    with st.expander("The surest pairs"):
        table.show(
            ["class of the clip", "caption", "cosine"],
            [[row.label, row.caption, f"{row.similarity:.3f}"] for row in surest.itertuples()],
        )
        table.button("curation-pairs-csv", f"curated-pairs-{file}", lambda: pairs, label="All pairs as CSV")


def _figures(spec: CuratedTraining, r: Result, file: str) -> None:
    """Draw the accuracies and their differences side by side."""
    of = f"{numbers.count(r.n_test, 'test clip')} of {numbers.count(r.n_test_classes, 'class')}"
    differences = r.differences.to_pandas()
    left, right = st.columns(2, gap="medium")
    with left:
        chart.show(
            lambda theme: figures.accuracy_figure(
                [TARGETS[name] for name in r.column("accuracies", "targets")],
                r.accuracies.to_pandas(),
                single_accuracies(r),
                title=f"zero-shot accuracy<br>n = {of}",
                chance=r.chance,
                theme=theme,
            ),
            remembered=("curation-accuracy", spec.key),
            key="curation-accuracy",
            file=f"curation-accuracy-{file}",
            csv=lambda: accuracies_table(r),
            alt="Zero-shot accuracy of the model before and after training on curated pairs",
        )
    with right:
        chart.show(
            lambda theme: figures.difference_figure(
                pairings(r), differences, title=f"difference in accuracy, paired<br>n = {of}", theme=theme
            ),
            remembered=("curation-differences", spec.key),
            key="curation-differences",
            file=f"curation-differences-{file}",
            csv=lambda: differences,
            alt="Paired differences in zero-shot accuracy with their intervals",
        )


def _start(
    workspace: Workspace, view: View, dataset: Dataset, teachers: dict[str, EmbedAudio], captions: str
) -> None:
    try:
        spec = _asked(view, dataset, teachers, captions)
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


def _asked(view: View, dataset: Dataset, teachers: dict[str, EmbedAudio], captions: str) -> CuratedTraining:
    a, b, c = st.columns(3, gap="small", vertical_alignment="bottom")
    teacher = form.select(view, "teacher", "Model", list(teachers), called="model", place=a)
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
    return contrastive.curated_training(dataset, teachers[teacher], captions=captions, **wanted)
