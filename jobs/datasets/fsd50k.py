"""FSD50K (Fonseca et al., 2022): 51,197 sounds of Freesound with 200 labels of the AudioSet ontology.

The official layout: ``FSD50K.dev_audio/`` and ``FSD50K.eval_audio/`` beside ``FSD50K.ground_truth/`` with
``dev.csv`` and ``eval.csv``; ``FSD50K.metadata/``, where it is there, says whose each sound is. A clip has
several labels, of which the first given is its class; parents of a label are labels, too.

The family of a class is its top node in the AudioSet ontology, a file that is not part of FSD50K. A label to
which several paths lead down (*Bell* is a thing and an instrument) gets no family: of FSD50K's labels those
are 22, the ones that Araz et al. (2024) leave out of families for the same reason.
"""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from core.words import count
from jobs.datasets import DatasetError, Found, LeftOut, choice, clean_label
from jobs.datasets._ontology import WHERE, Ontology, find_ontology, inside, read_json

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
    """Whether a folder holds FSD50K."""
    return any((root / _TRUTH / f"{s}.csv").is_file() and (root / _audio(s)).is_dir() for s in _SUBSETS)


def scan(root: Path, *, subset: str = "all", ontology: str | None = None) -> Iterator[Found | LeftOut]:
    """Yield the clips of the development and the evaluation set."""
    choice("subset", subset, ("all", *_SUBSETS))
    wanted = _SUBSETS if subset == "all" else (subset,)
    there = [s for s in wanted if (root / _TRUTH / f"{s}.csv").is_file() and (root / _audio(s)).is_dir()]
    if not there:
        needed = " or ".join(f"{_audio(s)}/ with {_TRUTH}/{s}.csv" for s in wanted)
        raise DatasetError(
            f"{root} does not hold FSD50K: it lacks {needed}; give the folder that holds them."
        )
    return _scan(root, wanted, there, find_ontology(root, ontology, _PLACES))


def classes(
    root: Path, *, subset: str = "all", ontology: str | None = None
) -> Iterator[tuple[str, str | None, str | None]]:
    """Yield label, family and description of every class, whether or not it is the first of some clip."""
    known = find_ontology(root, ontology, _PLACES)
    for s in _SUBSETS:
        if known is not None and (root / _TRUTH / f"{s}.csv").is_file():
            for row in _rows(root, s):
                for label, mid in zip(_split(row["labels"]), _split(row.get("mids")), strict=False):
                    yield clean_label(label), known.family(label, mid), known.description(label, mid)


def _audio(subset: str) -> str:
    return f"FSD50K.{subset}_audio"


def _scan(
    root: Path, wanted: tuple[str, ...], there: list[str], known: Ontology | None
) -> Iterator[Found | LeftOut]:
    if known is None:
        yield LeftOut("ontology.json", f"there is none, so no class has a family; {WHERE} has it", True)
    strangers: Counter[str] = Counter()
    for subset in wanted:
        if subset not in there:
            yield LeftOut(
                _audio(subset), "is not there, or its table is not, so none of its clips is added", True
            )
            continue
        about = _about(root, subset)
        named = set()
        for row in _rows(root, subset):
            name = (row["fname"] or "").strip()
            path = f"{_audio(subset)}/{name}.wav"
            if not name or path in named:
                yield LeftOut(path, "a row that names no file, or one named before")
                continue
            named.add(path)
            labels, mids = _split(row["labels"]), _split(row.get("mids"))
            if len(mids) != len(labels):
                mids = [""] * len(labels)
            if known is not None:
                pairs = zip(labels, mids, strict=True)
                strangers.update(label for label, mid in pairs if not known.knows(label, mid))
            extra = {"split": (row.get("split") or subset).strip(), "freesound_id": name}
            said = about.get(name, {})
            yield Found(
                path,
                tuple(dict.fromkeys(clean_label(label) for label in labels)),
                family=known.family(labels[0], mids[0]) if known and labels else None,
                extra=extra | {k: str(said[k]) if said.get(k) else None for k in _ABOUT if about},
            )
        yield from _unnamed(root, subset, named)
    if strangers:
        yield LeftOut(
            "ontology.json",
            f"does not have {len(strangers)} of the labels, such as {strangers.most_common(1)[0][0]}, so "
            "they have no family",
            summary=True,
        )


def _unnamed(root: Path, subset: str, named: set[str]) -> Iterator[LeftOut]:
    files = sorted(e.name for e in os.scandir(root / _audio(subset)) if not e.name.startswith("."))
    left = [name for name in files if f"{_audio(subset)}/{name}" not in named]
    if left:
        yield LeftOut(
            _audio(subset),
            f"holds {count(len(left), 'file')} that no row names, the first of them {left[0]}",
            summary=True,
        )


def _rows(root: Path, subset: str) -> Iterator[dict[str, Any]]:
    table = inside(root, f"{_TRUTH}/{subset}.csv")
    try:
        with open(table, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = list(reader.fieldnames or ())
            missing = [c for c in ("fname", "labels") if c not in columns]
            if missing:
                raise DatasetError(
                    f"{table} has no column {', '.join(missing)}; its columns are {', '.join(columns)}."
                )
            yield from reader
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{table} cannot be read as a table ({error}).") from None


def _split(cell: str | None) -> list[str]:
    return [part.strip() for part in (cell or "").split(",") if part.strip()]


def _about(root: Path, subset: str) -> Mapping[str, Mapping[str, Any]]:
    """What Freesound says of each clip, by file name: title, licence, uploader."""
    path = root / "FSD50K.metadata" / f"{subset}_clips_info_FSD50K.json"
    if not path.is_file():
        return {}
    found = read_json(inside(root, str(path.relative_to(root))))
    return {k: v for k, v in found.items() if isinstance(v, dict)} if isinstance(found, dict) else {}
