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
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from jobs.datasets import DatasetError, Found, LeftOut, choice, clean_label

NAME = "fsd50k"
DESCRIPTION = "FSD50K: sounds of Freesound with several labels each, in the official layout."
OPTIONS = {
    "subset": "'all' (default: whatever is there), 'dev' or 'eval'",
    "ontology": "AudioSet's ontology.json, which gives classes their families and descriptions (default: "
    "ontology.json in the folder or its FSD50K.ground_truth, where there is one)",
}

_TRUTH = "FSD50K.ground_truth"
_SUBSETS = ("dev", "eval")
_ABOUT = ("title", "license", "uploader")
_WHERE = "https://github.com/audioset/ontology"


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
    return _scan(root, wanted, there, _ontology(root, ontology))


def classes(
    root: Path, *, subset: str = "all", ontology: str | None = None
) -> Iterator[tuple[str, str | None, str | None]]:
    """Yield label, family and description of every class, whether or not it is the first of some clip."""
    known = _ontology(root, ontology)
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
        yield LeftOut("ontology.json", f"there is none, so no class has a family; {_WHERE} has it")
    strangers: Counter[str] = Counter()
    for subset in wanted:
        if subset not in there:
            yield LeftOut(_audio(subset), "is not there, or its table is not, so none of its clips is added")
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
        )


def _unnamed(root: Path, subset: str, named: set[str]) -> Iterator[LeftOut]:
    files = sorted(e.name for e in os.scandir(root / _audio(subset)) if not e.name.startswith("."))
    left = [name for name in files if f"{_audio(subset)}/{name}" not in named]
    if left:
        yield LeftOut(
            _audio(subset), f"holds {len(left)} files that no row names, the first of them {left[0]}"
        )


def _rows(root: Path, subset: str) -> Iterator[dict[str, Any]]:
    table = _inside(root, f"{_TRUTH}/{subset}.csv")
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
    found = _json(_inside(root, str(path.relative_to(root))))
    return {k: v for k, v in found.items() if isinstance(v, dict)} if isinstance(found, dict) else {}


def _inside(root: Path, name: str) -> Path:
    path = (root / name).resolve()
    if not path.is_relative_to(root.resolve()):
        raise DatasetError(f"{root / name} links out of {root}; copy the file there.")
    return path


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read as JSON ({error}).") from None


# -- families ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ontology:
    """Which labels there are, and how many ways lead to each from the top.

    Attributes
    ----------
    tops : mapping of str to list of str
        For each label, by id and by name, the top node of every path that leads to it.
    descriptions : mapping of str to str
        By id and by name.
    """

    tops: Mapping[str, list[str]]
    descriptions: Mapping[str, str]

    def knows(self, label: str, mid: str) -> bool:
        """Whether the label is in the ontology."""
        return mid in self.tops or _key(label) in self.tops

    def family(self, label: str, mid: str) -> str | None:
        """Return the top node of a label, or None where it is not known or several paths lead to it."""
        tops = self.tops.get(mid) or self.tops.get(_key(label)) or []
        return tops[0] if len(tops) == 1 else None

    def description(self, label: str, mid: str) -> str | None:
        """Return what the ontology says of a label."""
        return self.descriptions.get(mid) or self.descriptions.get(_key(label))


def _key(name: str) -> str:
    """A name as FSD50K and AudioSet both would spell it.

    Examples
    --------
    >>> _key("Domestic sounds, home sounds") == _key("Domestic_sounds_and_home_sounds")
    True
    """
    return clean_label(name.replace(", ", "_and_")).casefold()


def _ontology(root: Path, given: str | None) -> Ontology | None:
    if given is None:
        places = [root / "ontology.json", root / _TRUTH / "ontology.json"]
        found = next((p for p in places if p.is_file()), None)
        return None if found is None else read_ontology(_inside(root, str(found.relative_to(root))))
    path = root / Path(given).expanduser()  # an absolute path stays as it is: the user says which file
    if not path.is_file():
        raise DatasetError(f"There is no ontology {path}; {_WHERE} has AudioSet's ontology.json.")
    return read_ontology(path)


def read_ontology(path: Path) -> Ontology:
    """Read AudioSet's ``ontology.json``, or a tree of ``name`` and ``children`` made of it.

    Raises
    ------
    DatasetError
        If it is neither.
    """
    stat = path.stat()
    return _read(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=4)
def _read(path: Path, size: int, mtime_ns: int) -> Ontology:
    found = _json(path)
    tops: dict[str, list[str]] = {}
    descriptions: dict[str, str] = {}
    try:
        if isinstance(found, dict):
            for top in found["children"]:
                _walk_tree(top, clean_label(top["name"]), tops)
        else:
            nodes = {node["id"]: node for node in found}
            below = {child for node in found for child in node.get("child_ids", [])}
            for node in found:
                if node["id"] not in below:
                    _walk_graph(nodes, node["id"], clean_label(node["name"]), tops, ())
                for key in (node["id"], _key(node["name"])):
                    descriptions[key] = " ".join(str(node.get("description") or "").split())
    except (KeyError, TypeError, AttributeError, RecursionError):
        raise DatasetError(f"{path} is not AudioSet's ontology.json; {_WHERE} has it.") from None
    return Ontology(tops, descriptions)


def _walk_tree(node: Mapping[str, Any], top: str, tops: dict[str, list[str]]) -> None:
    tops.setdefault(_key(node["name"]), []).append(top)
    for child in node.get("children", []):
        _walk_tree(child, top, tops)


def _walk_graph(
    nodes: Mapping[str, Any], id: str, top: str, tops: dict[str, list[str]], above: tuple[str, ...]
) -> None:
    if id in above:
        raise RecursionError
    for key in (id, _key(nodes[id]["name"])):
        tops.setdefault(key, []).append(top)
    for child in nodes[id].get("child_ids", []):
        _walk_graph(nodes, child, top, tops, (*above, id))
