"""The texts of a dataset that a text encoder embeds: class names, class descriptions, captions of clips."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
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
        If the dataset has no such texts, or `of` is something else.
    """
    import pandas as pd

    if of not in OF:
        raise ValueError(f"of is {of!r}; it must be 'label', 'description' or 'caption'.")
    table, id = (dataset.clips, "clip_id") if of == "caption" else (dataset.classes, "label")
    values = table[of] if of in table.columns else pd.Series(None, index=table.index, dtype="object")
    texts = values.astype("object").where(values.notna(), "").map(lambda v: " ".join(str(v).split()))
    if of == "label":
        texts = texts.map(lambda t: t.replace("_", " "))
    present = texts != ""
    if not present.any():
        what = {"label": "classes", "description": "descriptions of classes", "caption": "captions"}[of]
        raise ValueError(f"Dataset {dataset.name} has no {what}.")
    rows = pd.DataFrame({"id": table[id].astype(str), "text": texts})
    return rows[present].reset_index(drop=True)


def texts_fingerprint(texts: pd.DataFrame) -> str:
    """Return the SHA-256 of ids and texts in order, 64 hexadecimal digits."""
    return pairs_fingerprint(texts["id"], texts["text"])


def pairs_fingerprint(ids: Iterable[str], texts: Iterable[str]) -> str:
    """Return the SHA-256 of pairs of an id and a text in order, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for id, text in zip(ids, texts, strict=True):
        # As JSON, because either may hold any separator.
        digest.update(json.dumps([id, text]).encode() + b"\n")
    return digest.hexdigest()
