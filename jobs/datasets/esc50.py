"""ESC-50 and ESC-10 (Piczak, 2015): environmental sounds of five seconds in five folds.

Two layouts are known: the present one, ``meta/esc50.csv`` beside ``audio/``; and that of the first release of
ESC-10, folders such as ``001 - Dog bark`` with files named ``fold-freesoundid-take.ogg``. Clips of one
original recording are in one fold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from jobs.datasets import Clip, DatasetError, OptionError, Skipped, choice, clean_label
from jobs.datasets._paths import Files
from jobs.datasets._tables import read_rows
from jobs.datasets._walk import walk

NAME = "esc50"
DESCRIPTION = (
    "ESC-50 or ESC-10: environmental recordings of 5 s in 5 folds, in the official or the old layout."
)
OPTIONS = {
    "subset": "'all' (default), or 'esc10': of ESC-50, only the clips of its ten-class subset",
}

# The five groups of ten classes, in the order of the dataset's class numbers.
FAMILIES = (
    "Animals",
    "Natural soundscapes & water sounds",
    "Human, non-speech sounds",
    "Interior/domestic sounds",
    "Exterior/urban noises",
)
_ESC10_FAMILY = {
    "Dog bark": 0, "Rooster": 0, "Rain": 1, "Sea waves": 1, "Fire crackling": 1,
    "Baby cry": 2, "Person sneeze": 2, "Clock tick": 3, "Helicopter": 4, "Chainsaw": 4,
}  # fmt: skip
_TABLE = "meta/esc50.csv"
_OLD_FOLDER = re.compile(r"\d+ - \S")
_FILE = re.compile(r"(\d+)-(\d+)-([A-Z])", re.IGNORECASE)
_OLD_FILE = re.compile(r"\d-\d+-[A-Z]\.\w+")


def scan(root: Path, *, subset: str = "all") -> Iterator[Clip | Skipped]:
    """Yield the clips of ESC-50, or of ESC-10 in its first layout."""
    choice("subset", subset, ("all", "esc10"))
    if (root / _TABLE).is_file():
        return _official(root, subset == "esc10")
    if any(_OLD_FOLDER.match(p.name) for p in root.iterdir() if p.is_dir()):
        if subset == "esc10":
            raise OptionError(f"{root} is ESC-10 in its first layout already; leave the option subset out.")
        return _old(root)
    within = sorted(p.parent.parent.name for p in root.glob(f"*/{_TABLE}"))
    where = f", which is {root / within[0]}" if within else ""
    raise DatasetError(
        f"{root} is neither ESC-50 (it has no {_TABLE}) nor the first ESC-10 (no folders such as "
        f"'001 - Dog bark'); give the folder that directly holds them{where}, or use the adapter 'folder'."
    )


def looks_like(root: Path) -> bool:
    """Return whether a folder is laid out as ESC-50 is, or as the first ESC-10 was."""
    if (root / _TABLE).is_file():
        return True
    folders = [p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")]
    return bool(folders) and all(
        _OLD_FOLDER.match(d.name) and any(_OLD_FILE.fullmatch(p.name) for p in d.iterdir()) for d in folders
    )


def _official(root: Path, esc10_only: bool) -> Iterator[Clip | Skipped]:
    files = Files(root)
    for line, row in enumerate(read_rows(root, _TABLE, ("filename", "fold", "target", "category")), 2):
        path = f"audio/{row['filename']}"
        spelled = files.match(path)
        path = spelled[0] if len(spelled) == 1 else path
        try:
            fold, target = int(row["fold"]), int(row["target"])
        except (TypeError, ValueError):
            yield Skipped(path, f"row {line} names no fold or class number")
            continue
        in_esc10 = (row.get("esc10") or "").strip().lower() == "true"
        if esc10_only and not in_esc10:
            yield Skipped(path, "not in the ESC-10 subset")
            continue
        family = FAMILIES[target // 10] if 0 <= target < 50 else None
        extra = {"esc10": in_esc10, "freesound_id": row.get("src_file"), "take": row.get("take")}
        yield Clip(path, (clean_label(row["category"] or ""),), fold, family, extra=extra)


def _old(root: Path) -> Iterator[Clip | Skipped]:
    for item in walk(root):
        if isinstance(item, Skipped):
            yield item
            continue
        *folders, name = item.split("/")
        match = _FILE.fullmatch(name.rsplit(".", 1)[0])
        if len(folders) != 1 or not match:
            yield Skipped(item, "not named 'class folder/fold-freesoundid-take', so its fold is not known")
            continue
        label = clean_label(folders[0])
        family = FAMILIES[_ESC10_FAMILY[label]] if label in _ESC10_FAMILY else None
        extra = {"freesound_id": match[2], "take": match[3].upper()}
        yield Clip(item, (label,), int(match[1]), family, extra=extra)
