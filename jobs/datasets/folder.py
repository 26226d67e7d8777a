"""A folder of folders: each folder that holds sounds is a class, or the names of the files hold labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from jobs.datasets import Clip, Item, OptionError, Remark, Skipped, choice, clean_label
from jobs.datasets._names import Pattern
from jobs.datasets._splits import group
from jobs.datasets._walk import walk

NAME = "folder"
DESCRIPTION = "A class a folder: every sound is labelled by the name of the folder that it is in."
OPTIONS = {
    "label": "which folder names the class: 'parent' (the one that holds the sound, default) or 'top'",
    "family": "'none' (default), or 'top': the first folder under the root is the family",
    "clean": "'yes' (default): '001 - Dog_bark' becomes 'Dog bark'; 'no': names are kept as they are",
    "name": "the pattern of the files' names, without their endings, such as {label}_{speaker}_{take}: "
    "label, family, fold and caption are those of the clip, other parts become columns, {_} is skipped",
    "fold": "the part of the name, such as speaker, each value of which is a fold of its own",
}


def scan(
    root: Path,
    *,
    label: str = "parent",
    family: str = "none",
    clean: str = "yes",
    name: str | None = None,
    fold: str | None = None,
) -> Iterator[Item]:
    """Yield every sound under `root`; those in `root` itself are of a class named like `root`."""
    choice("label", label, ("parent", "top"))
    choice("family", family, ("none", "top"))
    tidy = clean_label if choice("clean", clean, ("yes", "no")) == "yes" else str
    pattern = None if name is None else Pattern(name)
    if fold is not None and pattern is None:
        raise OptionError("fold names a part of the files' names; give their pattern with the option name.")
    if fold is not None and pattern is not None:
        choice("fold", fold, pattern.parts)
    return _scan(root, label, family, tidy, pattern, fold)


def _scan(
    root: Path,
    label: str,
    family: str,
    tidy: Callable[[str], str],
    pattern: Pattern | None,
    fold: str | None,
) -> Iterator[Item]:
    for item in walk(root):
        if isinstance(item, Skipped):
            yield item
            continue
        folders = item.split("/")[:-1] or [root.name or "sounds"]
        name = folders[0] if label == "top" else folders[-1]
        clip = Clip(item, (tidy(name),), family=tidy(folders[0]) if family == "top" else None)
        if pattern is None:
            yield clip
            continue
        parts = pattern.read(item)
        if parts is None:
            labels = () if "label" in pattern.parts else clip.labels
            yield Remark(item, f"is not named {pattern.text}" + ("" if labels else ", so it has no label"))
            yield replace(clip, labels=labels)
        else:
            yield _named(clip, parts, tidy, fold)


def _named(clip: Clip, parts: dict[str, str], tidy: Callable[[str], str], fold: str | None) -> Clip:
    """Return a clip with the parts of its name."""
    extra = {k: v for k, v in parts.items() if k not in ("label", "family", "fold", "caption")}
    return replace(
        clip,
        labels=(tidy(parts["label"]),) if "label" in parts else clip.labels,
        family=tidy(parts["family"]) if "family" in parts else clip.family,
        fold=group(parts.get(fold or "fold")),
        caption=parts.get("caption"),
        extra=extra,
    )
