"""What zero-shot models are trained with, on any page that starts them: texts of the classes and a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from dashboard.data import USUAL_TEXT
from dashboard.kit.recipe import controls
from dashboard.state import View
from jobs import encoders
from jobs.specs import EmbedText, ZeroShotGrid
from jobs.tasks import zero_shot_grid
from jobs.workspace.texts import texts_fingerprint, texts_of
from jobs.workspace.workspace import Dataset, Workspace

_NUMBERS = ("epochs", "patience", "learning_rate", "momentum", "batch_size", "margin", "hidden", "shared")


def class_texts(workspace: Workspace, dataset: Dataset) -> dict[str, EmbedText]:
    """Return the spaces of class texts that can be trained with, by name, existing ones first.

    Those of the usual encoder are offered where it is installed. Descriptions come before names where every
    class has one, and after them where some have none.
    """
    spaces = {s.name: s.spec for s in workspace.text_spaces(dataset) if s.state == "done"}
    if encoders.get(USUAL_TEXT)[0].available() is None:
        for of in ("description", "label"):
            try:
                texts = texts_of(dataset, of)
            except ValueError:
                continue
            spec = EmbedText(dataset=dataset.ref, texts=texts_fingerprint(texts), encoder=USUAL_TEXT, of=of)
            spaces.setdefault(f"{USUAL_TEXT} · {of}s", spec)
    descriptions = dataset.classes.get("description")
    complete = descriptions is not None and (descriptions.notna() & (descriptions != "")).all()
    first = "description" if complete else "label"
    return dict(sorted(spaces.items(), key=lambda pair: pair[1].of != first))


def missing_texts(dataset: Dataset, text: EmbedText, names: Sequence[str]) -> str:
    """Return a sentence on the classes that have no text of a kind, "" where all have one."""
    known = set(texts_of(dataset, text.of)["id"])
    return zero_shot_grid.missing_texts(names, known, dataset.name, text.of)


def recipe(view: View) -> dict[str, Any]:
    """Draw the settings of the training, which are in the link, and return them."""
    with st.popover("Recipe", icon=":material/tune:"):
        numbers = controls(view, ZeroShotGrid, _NUMBERS, places=st.columns(2, gap="small"))
        return numbers | controls(view, ZeroShotGrid, ("standardise", "sampled"))
