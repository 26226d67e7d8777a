"""Starting a training with several losses: what is trained, with which losses and weights, and how."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.heads.recipe import LOSSES
from dashboard import state
from dashboard.data import Clips
from dashboard.kit import form, jobs
from dashboard.kit.layout import plain
from dashboard.kit.recipe import controls
from dashboard.losses import data as losses
from dashboard.losses.data import AnyGrid
from jobs.encoders import EncoderError
from jobs.specs import ADD_WEIGHTS, SETTINGS, SMALL_CNN, EmbedAudio, LossGrid, LossNetworkGrid, SpecError
from jobs.tasks.loss_training import loss_name
from jobs.workspace.workspace import Dataset, Workspace

_MODELS = {
    "head": "a head on the space",
    "cnn": "a small network from scratch",
    "tuned": "a large network, tuned",
}
_OWN = "as set here"
_USUAL = ("ce", "focal", "opl", "add")
_RECIPE = ("epochs", "learning_rate", "batch_size", "weight_decay", "dim")


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
        trained_here = isinstance(spec, LossGrid) and spec.embedding.source is not None
        st.caption(
            f"{plain(spec.title)}, {losses.folds_words(c, spec)}."
            + " This space was itself trained here, maybe on the clips that are held out now." * trained_here
        )
        jobs.start(workspace, view, [spec], lambda _: "Train", "losses")


def _controls(view: state.View, dataset: Dataset, embedding: EmbedAudio | None, c: Clips) -> AnyGrid | str:
    """Draw them; return what they ask for, or why that cannot be."""
    model = form.switch(
        view,
        "model",
        "What is trained",
        {name: words for name, words in _MODELS.items() if embedding is not None or name != "head"},
        help="A head projects the frozen space at the left and is trained in seconds. A network learns "
        "from spectrograms: a small one from scratch takes minutes, tuning a large one hours.",
    )
    named = _OWN
    if model != "head":
        of = "Of table 1 of the ADD paper, by network and dataset, or of its released code."
        named = form.select(view, "as", "Configuration", [_OWN, *SETTINGS], width=320, help=of)
    wanted: dict[str, Any] = _losses(view) if named == _OWN else dict(SETTINGS[named])
    if "add" in wanted.get("losses", _USUAL):
        wanted["add_weights"] = _weights(view)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        times = "How many times each model is trained."
        wanted["seeds"] = form.whole(view, "seeds", "Seeds", 1, 100, 3, help=times, width=160)
        if named == _OWN:
            wanted |= _recipe(view, model)
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
                return "Name the weights to start from: a folder, or a name on Hugging Face."
            network = f"transformers:{name}"
        return LossNetworkGrid(dataset=dataset.ref, labels=labels, network=network, **wanted)
    except (SpecError, EncoderError) as error:
        return str(error)


def _losses(view: state.View) -> dict[str, Any]:
    chosen = form.several(
        view,
        "loss",
        "Losses",
        {name: loss_name(name) for name in LOSSES},
        _USUAL,
        placeholder="choose losses",
        help="Differences are relative to cross-entropy. “ADD, soft” is for the soft labels of mixup.",
    )
    return {"losses": tuple(name for name in LOSSES if name in chosen)}


def _weights(view: state.View) -> tuple[tuple[float, ...], ...]:
    """Draw the settings of ADD: those of the paper's figure 5, and further ones."""
    usual = {" ".join(f"{w:g}" for w in weights): weights for weights in ADD_WEIGHTS}
    left, right = st.columns([2, 1], gap="small")
    view.text("more", check=lambda given: losses.parsed_weights(given) is not None)
    chosen = form.several(
        view,
        "weights",
        "Weights of ADD: (μₚ, σₚ, μₙ, σₙ)",
        list(usual),
        list(usual),
        place=left,
        placeholder="choose weights",
        help="How strongly clips of a class are pulled together and made equally far apart, and classes are "
        "turned to right angles and made equally far apart.",
    )
    more = right.text_input(
        "Further weights", key=view.key("more"), placeholder="1 0.5 1 0.5; 2 0 1 0", max_chars=200
    )
    own = losses.parsed_weights(more)
    if own is None:
        st.warning("Give four numbers per setting, and a semicolon between settings.", icon=":material/rule:")
    return tuple(dict.fromkeys([*(w for t, w in usual.items() if t in chosen), *(own or ())]))


def _recipe(view: state.View, model: str) -> dict[str, Any]:
    """Draw settings of the training that are seldom changed, behind buttons, and return them.

    Their defaults are those of the specs: the paper's for AST on ESC-50.
    """
    head = model == "head"
    kind = LossGrid if head else LossNetworkGrid
    own = ("hidden", "mixup", "folds") if head else ("mixup", "folds", "warm_up", "schedule")
    with st.popover("Recipe", icon=":material/tune:"):
        wanted = controls(view, kind, (*_RECIPE, *own))
    with st.popover("Options of losses", icon=":material/functions:"):
        wanted |= controls(view, kind, ("focal_gamma", "opl_gamma", "opl_weight", "variant"))
    if not head:
        taper = ("taper",) if model == "cnn" else ()
        with st.popover("Spectrograms", icon=":material/graphic_eq:"):
            wanted |= controls(view, kind, ("seconds", "frequency_mask", "time_mask", *taper))
    return wanted


def _held_out(view: state.View, c: Clips, wanted: dict[str, Any]) -> tuple[int, ...]:
    """Draw which of the dataset's folds are held out; return () for all, and where folds are drawn."""
    own = losses.own_folds(c)
    if wanted.get("folds") or len(own) < 2:
        return ()
    names = {str(fold): losses.fold_name(c, fold) for fold in own}
    chosen = form.several(
        view,
        "out",
        "Folds that are held out, one after the other",
        names,
        list(names),
        placeholder="all",
        help="All, for cross-validation; for an official split the one that is for testing.",
    )
    return () if len(chosen) in (0, len(own)) else tuple(fold for fold in own if str(fold) in chosen)
