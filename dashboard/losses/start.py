"""Starting a training with several losses: what is trained, with which losses and weights, and how."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import state
from dashboard.data import Clips
from dashboard.kit import jobs
from dashboard.kit.layout import plain
from dashboard.losses import data as losses
from dashboard.losses import recipe
from dashboard.losses.data import AnyGrid
from jobs.encoders import EncoderError
from jobs.specs import SETTINGS, EmbedAudio, LossGrid, LossNetworkGrid, SpecError
from jobs.specs.losses import ADD_WEIGHTS, LOSSES, SMALL_CNN, loss_name
from jobs.workspace.workspace import Dataset, Workspace

_MODELS = {
    "head": "a head on the space",
    "cnn": "a small network from scratch",
    "tuned": "a large network, tuned",
}
_OWN = "as set here"
_USUAL = ("ce", "focal", "opl", "add")


def show(
    workspace: Workspace,
    view: state.View,
    dataset: Dataset,
    embedding: EmbedAudio | None,
    c: Clips,
    *,
    first: bool,
) -> None:
    """Draw the controls, those of networks alone without a space; `first` is True before any training."""
    with st.expander("Start a training", expanded=first, icon=":material/add_circle:"):
        spec = _controls(view, dataset, embedding, c)
        problem = spec if isinstance(spec, str) else losses.folds_problem(c, spec.folds)
        if problem or isinstance(spec, str):
            st.warning(plain(problem), icon=":material/rule:")
            return
        flattered = isinstance(spec, LossGrid) and spec.embedding.source is not None
        st.caption(
            f"{plain(spec.title)}, {losses.folds_words(c, spec)}."
            + " This space was itself trained here, and may know the clips that are held out." * flattered
        )
        jobs.start(workspace, view, [spec], lambda _: "Train", "losses")


def _controls(view: state.View, dataset: Dataset, embedding: EmbedAudio | None, c: Clips) -> AnyGrid | str:
    """Draw them; return what they ask for, or why that cannot be."""
    models = [name for name in _MODELS if embedding is not None or name != "head"]
    view.choice("model", models, models[0])
    model = str(
        st.segmented_control(
            "What is trained",
            models,
            format_func=_MODELS.__getitem__,
            key=view.key("model"),
            required=True,
            help="A head projects the frozen space at the left and is trained in seconds. A network learns "
            "from spectrograms: a small one from scratch takes minutes, tuning a large one hours.",
        )
    )
    named = _configuration(view) if model != "head" else _OWN
    if named == _OWN:
        wanted = _losses(view)
    else:
        wanted = dict(SETTINGS[named])
        if "add" in wanted.get("losses", _USUAL):
            wanted["add_weights"] = _weights(view)
    view.number("seeds", 1, 100, 3)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        wanted["seeds"] = int(
            st.number_input(
                "Seeds", 1, 100, key=view.key("seeds"), help="How often all is trained.", width=160
            )
        )
        if named == _OWN:
            wanted |= recipe.show(view, model)
    wanted["held_out"] = _held_out(view, c, wanted)
    labels = dataset.labels_fingerprint
    try:
        if embedding is not None and model == "head":
            return LossGrid(embedding=embedding, labels=labels, **wanted)
        network = SMALL_CNN
        if model == "tuned":
            name = view.text("network")
            st.text_input(
                "Name or folder of an audio spectrogram transformer",
                key=view.key("network"),
                placeholder="MIT/ast-finetuned-audioset-10-10-0.4593",
            )
            if not name:
                return "Name the weights to begin with: a folder, or what Hugging Face calls them."
            network = f"transformers:{name}"
        return LossNetworkGrid(dataset=dataset.ref, labels=labels, network=network, **wanted)
    except (SpecError, EncoderError) as error:
        return str(error)


def _configuration(view: state.View) -> str:
    names = [_OWN, *SETTINGS]
    view.choice("as", names, _OWN)
    return str(
        st.selectbox(
            "Configuration",
            names,
            key=view.key("as"),
            width=320,
            help="Of table 1 of the ADD paper, by network and dataset, or of its released code.",
        )
    )


def _losses(view: state.View) -> dict[str, Any]:
    view.many("loss", list(LOSSES), list(_USUAL))
    chosen = st.multiselect(
        "Losses",
        list(LOSSES),
        format_func=loss_name,
        key=view.key("loss"),
        placeholder="choose losses",
        help="Differences are to cross-entropy. “ADD, soft” is for the soft labels of mixup.",
    )
    wanted: dict[str, Any] = {"losses": tuple(name for name in LOSSES if name in chosen)}
    if "add" in chosen:
        wanted["add_weights"] = _weights(view)
    return wanted


def _weights(view: state.View) -> tuple[tuple[float, ...], ...]:
    """Draw the settings of ADD; those of the paper's figure 5, and one's own."""
    usual = {_text(w): w for w in ADD_WEIGHTS}
    left, right = st.columns([2, 1], gap="small")
    view.many("weights", list(usual), list(usual))
    view.text("more", check=lambda given: losses.parsed_weights(given) is not None)
    with left:
        chosen = st.multiselect(
            "Weights of ADD: (μₚ, σₚ, μₙ, σₙ)",
            list(usual),
            key=view.key("weights"),
            placeholder="choose weights",
            help="How much clips of a class are drawn together, made equally far apart, classes turned to "
            "right angles and made equally far apart.",
        )
    with right:
        more = st.text_input(
            "Further weights", key=view.key("more"), placeholder="1 0.5 1 0.5; 2 0 1 0", max_chars=200
        )
    own = losses.parsed_weights(more)
    if own is None:
        st.warning("Give four numbers a setting, with a semicolon between two.", icon=":material/rule:")
    return tuple(dict.fromkeys([*(w for t, w in usual.items() if t in chosen), *(own or ())]))


def _text(weights: tuple[float, ...]) -> str:
    return " ".join(f"{w:g}" for w in weights)


def _held_out(view: state.View, c: Clips, wanted: dict[str, Any]) -> tuple[int, ...]:
    """Draw which of the dataset's folds are held out; () for all, and where folds are drawn."""
    own = losses.own_folds(c)
    if wanted.get("folds") or len(own) < 2:
        return ()
    names = [str(fold) for fold in own]
    view.many("out", names, names)
    chosen = st.multiselect(
        "Folds that are held out, one after the other",
        names,
        format_func=lambda name: losses.fold_name(c, int(name)),
        key=view.key("out"),
        placeholder="all",
        help="All, for cross-validation; for an official split the one that is for testing.",
    )
    return () if len(chosen) in (0, len(own)) else tuple(int(name) for name in names if name in chosen)
