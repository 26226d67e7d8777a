"""The texts of a dataset that a text encoder embeds: class names, class descriptions, captions of clips."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

OF = ("label", "description", "caption")


def texts_of(dataset: Any, of: str) -> pd.DataFrame:
    """Return the texts of a dataset.

    Parameters
    ----------
    dataset : jobs.workspace.Dataset
    of : {"label", "description", "caption"}
        Names of the classes (with spaces for underscores), their descriptions, or captions of clips.

    Returns
    -------
    DataFrame
        Columns ``id`` (the class, for captions the clip) and ``text``, in the dataset's order. Classes
        without a description and clips without a caption are left out.

    Raises
    ------
    ValueError
        When the dataset has no such texts, or `of` is something else.
    """
    import pandas as pd

    if of not in OF:
        raise ValueError(f"of is {of!r}; it must be 'label', 'description' or 'caption'.")
    table, id = (dataset.clips, "clip_id") if of == "caption" else (dataset.classes, "label")
    values = table[of] if of in table.columns else pd.Series(None, index=table.index, dtype="object")
    texts = values.astype("object").where(values.notna(), "").map(lambda v: " ".join(str(v).split()))
    if of == "label":
        texts = texts.map(lambda t: t.replace("_", " "))
    there = texts != ""
    if not there.any():
        what = {"label": "classes", "description": "descriptions of classes", "caption": "captions"}[of]
        raise ValueError(f"Dataset {dataset.name} has no {what}.")
    found = pd.DataFrame({"id": table[id].astype(str), "text": texts})
    return found[there].reset_index(drop=True)


def texts_fingerprint(texts: pd.DataFrame) -> str:
    """Return the SHA-256 of ids and texts in order, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for id, text in zip(texts["id"], texts["text"], strict=True):
        # As JSON, because an id may hold any character that could stand between the two.
        digest.update(json.dumps([id, text]).encode() + b"\n")
    return digest.hexdigest()
