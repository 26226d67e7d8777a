"""How the models of a training are trained: numbers that are seldom changed, behind buttons."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import streamlit as st

from dashboard import state
from jobs.specs import LossGrid, LossNetworkGrid
from jobs.specs.losses import SCHEDULES, TAPERS, VARIANTS

_VARIANTS = dict(zip(VARIANTS, ("papers", "released code"), strict=True))


def show(view: state.View, model: str) -> dict[str, Any]:
    """Draw the controls for a head ("head") or a network; return what they ask for.

    What they begin with is that of the specs: the paper's for AST on ESC-50.
    """
    kind = LossGrid if model == "head" else LossNetworkGrid
    usual: dict[str, Any] = {field.name: field.default for field in fields(kind)}
    wanted: dict[str, Any] = {}

    def number(name: str, low: float, high: float, said: str, help: str = "", *, link: str = "") -> None:
        default = usual[name]
        whole = isinstance(default, int)
        link = link or name
        view.number(link, low, high, default, whole=whole)
        look: dict[str, Any] = {} if whole else {"format": "%g", "step": default or 0.1}
        found = st.number_input(said, low, high, key=view.key(link), help=help or None, **look)
        wanted[name] = int(found) if whole else float(found)

    with st.popover("Recipe", icon=":material/tune:"):
        number("epochs", 1, 1000, "Epochs")
        number("learning_rate", 1e-8, 10.0, "Learning rate", link="rate")
        number("batch_size", 2, 4096, "Batch size", link="batch")
        number("weight_decay", 0.0, 10.0, "Weight decay", link="decay")
        number("dim", 1, 4096, "Dimensions of the embeddings")
        if model == "head":
            number("hidden", 0, 8192, "Width of a hidden layer", "0 for a linear projection.")
        number("mixup", 0.0, 1.0, "Mixup", "Share of clips that are mixed; only for losses of soft labels.")
        number("folds", 0, 100, "Folds", "0 takes the dataset’s own; five are drawn where it has none.")
        if model != "head":
            number("warm_up", 0, 1000, "Epochs of warm-up", link="warm")
            view.choice("schedule", list(SCHEDULES), SCHEDULES[0])
            wanted["schedule"] = st.selectbox("Learning rate then", SCHEDULES, key=view.key("schedule"))
    with st.popover("Options of losses", icon=":material/functions:"):
        number("focal_gamma", 0.0, 100.0, "γ of focal loss", "0 is cross-entropy.", link="focal")
        number("opl_gamma", 0.0, 100.0, "γ of OPL", link="opl")
        number("opl_weight", 0.0, 100.0, "Weight of OPL beside cross-entropy", link="oplw")
        view.choice("variant", list(VARIANTS), VARIANTS[0])
        wanted["variant"] = st.segmented_control(
            "OPL and ADD as in the",
            list(VARIANTS),
            format_func=_VARIANTS.__getitem__,
            key=view.key("variant"),
            required=True,
            help="The released code also has γ = 0 for focal loss, and γ = 2 and a weight of 0.1 for OPL.",
        )
    if model == "head":
        return wanted
    with st.popover("Spectrograms", icon=":material/graphic_eq:"):
        number("seconds", 0.65, 60.0, "Seconds of each clip", "From its beginning.")
        number("frequency_mask", 0, 128, "Bands that are hidden, at most", "SpecAugment.", link="bands")
        number("time_mask", 0, 6000, "Frames that are hidden, at most", "10 ms each.", link="frames")
        if model == "cnn":
            view.choice("taper", list(TAPERS), TAPERS[0])
            wanted["taper"] = st.selectbox("Window of spectra", TAPERS, key=view.key("taper"))
    return wanted
