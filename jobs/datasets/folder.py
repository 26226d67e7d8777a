"""A folder of folders: each folder that holds sounds is a class."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from jobs.datasets import Found, LeftOut, choice, clean_label
from jobs.datasets._walk import walk

NAME = "folder"
DESCRIPTION = "A class a folder: every sound is labelled by the name of the folder that it is in."
OPTIONS = {
    "label": "which folder names the class: 'parent' (the one that holds the sound, default) or 'top'",
    "family": "'none' (default), or 'top': the first folder under the root is the family",
    "clean": "'yes' (default): '001 - Dog_bark' becomes 'Dog bark'; 'no': names are kept as they are",
}


def scan(
    root: Path, *, label: str = "parent", family: str = "none", clean: str = "yes"
) -> Iterator[Found | LeftOut]:
    """Yield every sound under `root`; those in `root` itself are of a class named like `root`."""
    choice("label", label, ("parent", "top"))
    choice("family", family, ("none", "top"))
    tidy = clean_label if choice("clean", clean, ("yes", "no")) == "yes" else str
    for item in walk(root):
        if isinstance(item, LeftOut):
            yield item
            continue
        folders = item.split("/")[:-1] or [root.name or "sounds"]
        name = folders[0] if label == "top" else folders[-1]
        yield Found(item, (tidy(name),), family=tidy(folders[0]) if family == "top" else None)
