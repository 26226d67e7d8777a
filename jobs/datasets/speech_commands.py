"""Speech Commands (Warden, 2018): words of one second, with the official lists for validation and testing.

Folders are words; ``validation_list.txt`` and ``testing_list.txt`` name the clips that are not for training.
Clips of one speaker are in one of the three parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from jobs.datasets import Clip, DatasetError, OptionError, Skipped
from jobs.datasets._walk import outside, walk

NAME = "speech_commands"
DESCRIPTION = (
    "Speech Commands: spoken words of 1 s; folds 1, 2 and 3 are its training, validation and testing."
)
OPTIONS = {
    "words": "'all' (default), or words with commas between them: only clips of these",
}

#: The parts in the order of their folds, from 1.
PARTS = ("training", "validation", "testing")
_LISTS = {"validation": "validation_list.txt", "testing": "testing_list.txt"}
_NOISE = "_background_noise_"
_FILE = re.compile(r"(?P<speaker>[0-9a-f]+)_nohash_(?P<take>\d+)\.\w+")


def looks_like(root: Path) -> bool:
    """Return whether a folder is laid out as the dataset is."""
    return all((root / name).is_file() for name in _LISTS.values())


def scan(root: Path, *, words: str = "all") -> Iterator[Clip | Skipped]:
    """Yield the clips, each with its part as fold."""
    wanted = None if words == "all" else {word.strip() for word in words.split(",")} - {""}
    if wanted is not None:
        missing = sorted(word for word in wanted if not (root / word).is_dir())
        if missing or not wanted:
            folders = ", ".join(sorted(p.name for p in root.iterdir() if p.is_dir() and p.name != _NOISE))
            raise OptionError(f"words is {words!r}; there are folders of {folders}.")
    part_of = {path: part for part, name in _LISTS.items() for path in _read(root, name)}
    return _clips(root, part_of, wanted)


def _clips(root: Path, part_of: dict[str, str], wanted: set[str] | None) -> Iterator[Clip | Skipped]:
    for item in walk(root):
        if isinstance(item, Skipped):
            # The lists and the licence are part of the dataset, not sounds that were lost.
            if item.path not in (*_LISTS.values(), "LICENSE", "README.md", f"{_NOISE}/README.md"):
                yield item
            continue
        word, _, name = item.partition("/")
        if word == _NOISE:
            yield Skipped(item, "background noise, which is no word")
            continue
        match = _FILE.fullmatch(name)
        if match is None:
            yield Skipped(item, "not named 'word/speaker_nohash_take', so it is in no part")
        elif wanted is None or word in wanted:
            part = part_of.get(item, PARTS[0])
            extra = {"split": part, "speaker": match["speaker"], "take": int(match["take"])}
            yield Clip(item, (word,), fold=PARTS.index(part) + 1, extra=extra)
        else:
            yield Skipped(item, "another word than those asked for")


def _read(root: Path, name: str) -> list[str]:
    path = root / name
    reason = outside(path, root.resolve())
    if reason is not None:
        raise DatasetError(
            f"{path}: {reason}; Speech Commands has {' and '.join(_LISTS.values())} beside the folders of "
            "its words, and without them its parts are not known. Without parts, use the adapter 'folder'."
        )
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read as text ({error}).") from None
    return [line.strip() for line in lines if line.strip()]
