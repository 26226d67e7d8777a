"""The map through training: before, and how each setting organises the space, with sound."""

from __future__ import annotations

import streamlit as st

from core.words import count
from dashboard import data, state
from dashboard.components import clips as clip_list
from dashboard.components import map as map_component
from dashboard.data import Clips
from dashboard.kit import form, layout
from dashboard.kit.layout import plain
from dashboard.losses import data as losses
from dashboard.losses import spaces
from dashboard.losses.data import AnyGrid
from dashboard.losses.spaces import BEFORE, Film
from dashboard.results import result
from jobs.workspace.workspace import Dataset, Workspace

_CLIPS = {"all": "all kept clips", "held": "held-out clips only"}
#: Settings beside the space before training: more would be too small to look at.
_SETTINGS = 3
_NEAR = 5


def show(
    workspace: Workspace, view: state.View, dataset: Dataset, c: Clips, spec: AnyGrid, file: str
) -> None:
    """Draw the maps with their slider, then what is near the chosen clip, and the selection."""
    st.subheader("The space through training", anchor=False)
    settings, held = _controls(view, spec)
    if not settings:
        st.info("Choose a setting to see what it makes of the space.", icon=":material/info:")
        return
    shown = spaces.film(spec, c, settings, held=held)
    if not shown.ids:
        st.info("None of the kept clips is held out; choose all kept clips.", icon=":material/info:")
        return
    last = len(result(spec).kept_epochs) - 1
    frame = int(view.number("frame", 0, last, last))
    clip = view.text("clip", check=lambda given: given in c.row)
    selection = view.text(
        "sel", check=lambda given: bool(clip_list.selected(workspace.root, c, dataset.name, given))
    )
    map_component.show(
        shown.content,
        key="losses-map",
        dataset=dataset.name,
        file=f"training-map-{file}",
        revision=" ".join([spec.key, *settings]),
        chosen=clip,
        neighbours=[i for i, _ in spaces.nearest_clips(spec, c, settings[0], clip, _NEAR)] if clip else [],
        selection=selection,
        page=view.page,
        frame=frame,
    )
    _explain(spec, shown, settings, chosen=bool(clip))
    if clip:
        _nearest(dataset, c, spec, settings, clip)
    if selection:
        selected = clip_list.selected(workspace.root, c, dataset.name, selection)
        ids = data.in_order(c, [i for i in selected if i in shown.ids])
        words = plain(data.selection(c, ids, len(selected) - len(ids)))
        st.markdown(f"**Selection · {count(len(ids), 'clip')}** · {words}")
        clip_list.selection(c, ids, page=view.page, dataset=dataset.name, file=file, chosen=clip)


def _controls(view: state.View, spec: AnyGrid) -> tuple[list[str], bool]:
    """Draw the controls; return the settings, and whether only held-out clips are shown."""
    left, right = st.columns([2, 1], gap="medium")
    every = losses.names(spec)
    picked = form.several(
        view,
        "map",
        f"Settings, up to {_SETTINGS}",
        every,
        losses.usual_settings(spec),
        most=_SETTINGS,
        place=left,
        placeholder="choose settings",
    )
    which = form.switch(
        view,
        "clips",
        "Clips",
        _CLIPS,
        place=right,
        help="Held-out clips show what the models will make of new sounds.",
    )
    return [name for name in every if name in picked], which == "held"


def _explain(spec: AnyGrid, shown: Film, settings: list[str], *, chosen: bool) -> None:
    explained = dict(zip(losses.names(spec), result(spec).explained, strict=True))
    shares = [(name, explained[name]) for name in settings]
    share = ", ".join(f"{name} –" if axes is None else f"{name} {axes:.0%}" for name, axes in shares)
    ring = f" Thin rings: its {_NEAR} nearest with {plain(settings[0])}." if chosen else ""
    layout.reading(
        f"{count(len(shown.ids), 'clip')}, {shown.held:,} of them held out, as the model of the first seed "
        "and fold embeds them. **Move the slider**, or press ▶, and the space organises itself: all epochs "
        "are drawn on the two main axes of the last one (PCA of directions, Pearson 1901), so points move "
        f"and axes do not. Of the variance these axes hold: {plain(share)}; classes that overlap here may be "
        "apart in other directions. Clips that were trained on gather first; held-out ones show where new "
        "sounds would end up. Click a point to hear it, draw with Lasso or Box or click a class to select in "
        f"all maps.{ring} What the losses ask for: Almudévar et al., *Angular distance distribution loss for "
        "audio classification*, section 3.2."
    )


def _nearest(dataset: Dataset, c: Clips, spec: AnyGrid, settings: list[str], clip: str) -> None:
    """List the clips nearest to the chosen one, before and after."""
    st.markdown(f"**Nearest to {plain(str(c.files[c.row[clip]]))}**")
    columns = [BEFORE] * spaces.has_before(spec) + settings
    # Four beside each other would leave no room for the names of clips.
    across = 2 if len(columns) == 4 else len(columns)
    places = [place for _ in range(0, len(columns), across) for place in st.columns(across, gap="medium")]
    for i, (place, name) in enumerate(zip(places, columns, strict=True)):
        near = spaces.nearest_clips(spec, c, name, clip, _NEAR)
        with place:
            st.markdown(plain(name))
            if not near:
                st.caption("This space does not have the clip, so nothing can be compared.")
                continue
            ids = [id for id, _ in near]
            st.caption(data.same_class(c, clip, ids))
            clip_list.show(
                c,
                ids,
                key=f"losses-near-{i}",
                dataset=dataset.name,
                label=f"Nearest clips, {name}",
                numbers={"distance": [f"{d:.3f}" for _, d in near]},
            )
