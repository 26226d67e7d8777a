"""FSD50K (Fonseca et al., 2022): 51,197 sounds of Freesound with 200 labels of the AudioSet ontology.

The official layout: ``FSD50K.dev_audio/`` and ``FSD50K.eval_audio/`` beside ``FSD50K.ground_truth/`` with
``dev.csv`` and ``eval.csv``; ``FSD50K.metadata/``, if present, gives title, licence and uploader of each
sound. A clip has several labels, of which the first given is its class; parents of a label are labels, too.

The family of a class is its top node in the AudioSet ontology, a file that is not part of FSD50K. A label to
which several paths lead down (*Bell* is a thing and an instrument) gets no family: of FSD50K's labels those
are 22, the ones that Araz et al. (2024) leave out of families for the same reason.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jobs.datasets import Clip, DatasetError, Skipped, choice, clean_label
from jobs.datasets._ontology import WHERE, Ontology, find_ontology, read_json
from jobs.datasets._tables import read_rows
from jobs.datasets._walk import inside, unused

NAME = "fsd50k"
DESCRIPTION = "FSD50K: sounds of Freesound with several labels each, in the official layout."
OPTIONS = {
    "subset": "'all' (default: whatever is there), 'dev' or 'eval'",
    "ontology": "AudioSet's ontology.json, which gives classes their families and descriptions (default: "
    "ontology.json in the folder or its FSD50K.ground_truth, where there is one), or fetch, to get it once "
    "from GitHub",
}

_TRUTH = "FSD50K.ground_truth"
_SUBSETS = ("dev", "eval")
_PLACES = ("ontology.json", f"{_TRUTH}/ontology.json")
_ABOUT = ("title", "license", "uploader")


def looks_like(root: Path) -> bool:
    """Return whether a folder holds FSD50K."""
    return any(_is_here(root, subset) for subset in _SUBSETS)


def scan(root: Path, *, subset: str = "all", ontology: str | None = None) -> Iterator[Clip | Skipped]:
    """Yield the clips of the development and the evaluation set."""
    choice("subset", subset, ("all", *_SUBSETS))
    wanted = _SUBSETS if subset == "all" else (subset,)
    if not any(_is_here(root, s) for s in wanted):
        needed = " or ".join(f"{_audio(s)}/ with {_table(s)}" for s in wanted)
        raise DatasetError(
            f"{root} does not hold FSD50K: it lacks {needed}; give the folder that holds them."
        )
    return _scan(root, wanted, find_ontology(root, ontology, _PLACES))


def classes(
    root: Path, *, subset: str = "all", ontology: str | None = None
) -> Iterator[tuple[str, str | None, str | None]]:
    """Yield label, family and description of every class, whether or not it is the first of some clip."""
    known = find_ontology(root, ontology, _PLACES)
    for s in _SUBSETS:
        if known is not None and (root / _table(s)).is_file():
            for row in _rows(root, s):
                for label, mid in zip(_split(row["labels"]), _split(row.get("mids")), strict=False):
                    yield clean_label(label), known.family(label, mid), known.description(label, mid)


def _audio(subset: str) -> str:
    return f"FSD50K.{subset}_audio"


def _table(subset: str) -> str:
    return f"{_TRUTH}/{subset}.csv"


def _is_here(root: Path, subset: str) -> bool:
    return (root / _table(subset)).is_file() and (root / _audio(subset)).is_dir()


def _scan(root: Path, wanted: tuple[str, ...], known: Ontology | None) -> Iterator[Clip | Skipped]:
    if known is None:
        yield Skipped("ontology.json", f"there is none, so no class has a family; {WHERE} has it", True)
    unknown: Counter[str] = Counter()
    for subset in wanted:
        if _is_here(root, subset):
            yield from _clips(root, subset, known, unknown)
        else:
            missing = "is not there, or its table is not, so none of its clips is added"
            yield Skipped(_audio(subset), missing, True)
    if unknown:
        yield Skipped(
            "ontology.json",
            f"does not have {len(unknown)} of the labels, such as {unknown.most_common(1)[0][0]}, so "
            "they have no family",
            summary=True,
        )


def _clips(
    root: Path, subset: str, known: Ontology | None, unknown: Counter[str]
) -> Iterator[Clip | Skipped]:
    about = _about(root, subset)
    named = set()
    for row in _rows(root, subset):
        name = (row["fname"] or "").strip()
        path = f"{_audio(subset)}/{name}.wav"
        if not name or path in named:
            yield Skipped(path, "a row that names no file, or one named before")
            continue
        named.add(path)
        labels, mids = _split(row["labels"]), _split(row.get("mids"))
        if len(mids) != len(labels):
            mids = [""] * len(labels)
        if known is not None:
            pairs = zip(labels, mids, strict=True)
            unknown.update(label for label, mid in pairs if not known.knows(label, mid))
        extra = {"split": (row.get("split") or subset).strip(), "freesound_id": name}
        details = about.get(name, {})
        yield Clip(
            path,
            tuple(dict.fromkeys(clean_label(label) for label in labels)),
            family=known.family(labels[0], mids[0]) if known and labels else None,
            extra=extra | {k: str(details[k]) if details.get(k) else None for k in _ABOUT if about},
        )
    files = sorted(e.name for e in os.scandir(root / _audio(subset)) if not e.name.startswith("."))
    left = [name for name in files if f"{_audio(subset)}/{name}" not in named]
    yield from unused(_audio(subset), "file", "that no row names", left)


def _rows(root: Path, subset: str) -> Iterator[dict[str, Any]]:
    return read_rows(root, _table(subset), ("fname", "labels"))


def _split(cell: str | None) -> list[str]:
    return [part.strip() for part in (cell or "").split(",") if part.strip()]


def _about(root: Path, subset: str) -> Mapping[str, Mapping[str, Any]]:
    """Return Freesound's title, licence and uploader of each clip, by file name."""
    name = f"FSD50K.metadata/{subset}_clips_info_FSD50K.json"
    if not (root / name).is_file():
        return {}
    about = read_json(inside(root, name))
    return {k: v for k, v in about.items() if isinstance(v, dict)} if isinstance(about, dict) else {}
