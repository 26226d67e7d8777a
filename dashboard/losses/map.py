"""The map through training: before, and how each setting organises the space, with sound."""

from __future__ import annotations

import streamlit as st

from dashboard import data, state
from dashboard.components import clips as clip_list
from dashboard.components import map as map_component
from dashboard.data import Clips
from dashboard.kit import form, layout, numbers
from dashboard.kit.layout import plain
from dashboard.losses import data as losses
from dashboard.losses import spaces as loss_spaces
from dashboard.losses.data import Result
from dashboard.losses.spaces import BEFORE
from jobs.workspace.workspace import Dataset, Workspace

_CLIPS = {"all": "all that are kept", "held": "held-out ones only"}
#: Settings beside what was before: more would be too small to look at.
_SETTINGS = 3
_NEAR = 5


def show(
    workspace: Workspace, view: state.View, dataset: Dataset, c: Clips, found: Result, file: str
) -> None:
    """Draw the maps with their slider, then what is near the chosen clip, and the selection."""
    st.subheader("The space through training", anchor=False)
    usual = losses.usual_settings(found)
    left, right = st.columns([2, 1], gap="medium")
    picked = form.several(
        view,
        "map",
        f"Settings, up to {_SETTINGS}",
        found.names,
        usual,
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
        help="Those that are held out show what the models will make of new sounds.",
    )
    settings = [name for name in found.names if name in picked]
    if not settings:
        st.info("Choose a setting to see what it makes of the space.", icon=":material/info:")
        return
    shown = loss_spaces.film(found, c, settings, held=which == "held")
    if not shown.ids:
        st.info(
            "None of the clips that are kept is held out; choose all that are kept.", icon=":material/info:"
        )
        return
    last = len(shown.epochs) - 1
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
        revision=" ".join([found.spec.key, *settings]),
        chosen=clip,
        neighbours=[i for i, _ in loss_spaces.near(found, c, settings[0], clip, _NEAR)] if clip else [],
        selection=selection,
        page=view.page,
        frame=frame,
    )
    share = ", ".join(f"{name} {axes}" for name, axes in zip(settings, shown.explained, strict=True))
    ring = f" Thin rings: its {_NEAR} nearest with {plain(settings[0])}." if clip else ""
    layout.reading(
        f"{numbers.count(len(shown.ids), 'clip')}, {shown.held:,} of them held out, as the model of the "
        "first seed and fold lays them out. **Move the slider**, or press ▶, and the space organises itself: "
        "all epochs are drawn on the two main axes of the last one (PCA of directions, Pearson 1901), so "
        f"points move and axes do not. These hold of the variance: {plain(share)}; classes that fall "
        "together here may be apart in other directions. Clips that were learned from gather first; the "
        "held-out ones show what a new sound would meet. Click a point to hear it, draw with Lasso or Box or "
        f"click a class to select in all maps.{ring} What the losses ask for: Almudévar et al., *Angular "
        "distance distribution loss for audio classification*, section 3.2."
    )
    if clip:
        _nearest(dataset, c, found, settings, clip)
    if selection:
        selected = clip_list.selected(workspace.root, c, dataset.name, selection)
        ids = data.in_order(c, [i for i in selected if i in shown.ids])
        words = plain(data.selection(c, ids, len(selected) - len(ids)))
        st.markdown(f"**Selection · {numbers.count(len(ids), 'clip')}** · {words}")
        clip_list.selection(
            c,
            ids,
            page=view.page,
            dataset=dataset.name,
            file=file,
            chosen=clip,
        )


def _nearest(dataset: Dataset, c: Clips, found: Result, settings: list[str], clip: str) -> None:
    """Let what is nearest to the chosen clip be heard, before and after."""
    st.markdown(f"**Nearest to {plain(str(c.files[c.row[clip]]))}**")
    names = [BEFORE] * loss_spaces.has_before(found) + settings
    # Four beside each other would leave no room for the names of clips.
    across = 2 if len(names) == 4 else len(names)
    places = [place for _ in range(0, len(names), across) for place in st.columns(across, gap="medium")]
    for i, (place, name) in enumerate(zip(places, names, strict=True)):
        near = loss_spaces.near(found, c, name, clip, _NEAR)
        with place:
            st.markdown(plain(name))
            if not near:
                st.caption("There is nothing to compare: this space has not got the clip.")
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
