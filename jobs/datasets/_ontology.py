"""AudioSet's ontology: its labels, their parents and their descriptions.

It is a graph, not a tree: a label may have several parents, as *Bell* does, a thing and an instrument.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from jobs.datasets import DatasetError, clean_label
from jobs.datasets._walk import inside

WHERE = "https://github.com/audioset/ontology"
#: Value of the option `ontology` that has the file fetched, and the address that it is fetched from, once.
FETCH = "fetch"
_URL = "https://raw.githubusercontent.com/audioset/ontology/master/ontology.json"
_KEPT = "audioset-ontology.json"


@dataclass(frozen=True)
class Ontology:
    """The labels, and the paths that lead to each from the top.

    Attributes
    ----------
    tops : mapping of str to list of str
        For each label, by id and by name, the top node of every path that leads to it.
    descriptions : mapping of str to str
        By id and by name.
    names : mapping of str to str
        By id; none where the file is a tree of names alone. Names that several nodes share have the id added.
    parents : mapping of str to tuple of str
        Ids by id, parents before their children; none where the file is a tree of names alone.
    """

    tops: Mapping[str, list[str]]
    descriptions: Mapping[str, str]
    names: Mapping[str, str] = field(default_factory=dict)
    parents: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def knows(self, label: str, mid: str) -> bool:
        """Return whether the label is in the ontology."""
        return mid in self.tops or _key(label) in self.tops

    def family(self, label: str, mid: str) -> str | None:
        """Return the top node of a label, or None if it is unknown or several paths lead to it."""
        tops = self.tops.get(mid) or self.tops.get(_key(label)) or []
        return tops[0] if len(tops) == 1 else None

    def description(self, label: str, mid: str) -> str | None:
        """Return the ontology's description of a label."""
        return self.descriptions.get(mid) or self.descriptions.get(_key(label))


def _key(name: str) -> str:
    """Return a name in one spelling for both FSD50K and AudioSet.

    Examples
    --------
    >>> _key("Domestic sounds, home sounds") == _key("Domestic_sounds_and_home_sounds")
    True
    """
    return clean_label(name.replace(", ", "_and_")).casefold()


def find_ontology(root: Path, given: str | None, places: Sequence[str]) -> Ontology | None:
    """Read the ontology that a user names, or one that lies in one of some places under `root`.

    Parameters
    ----------
    root : Path
    given : str or None
        Path from the user, relative to `root` or absolute, or "fetch".
    places : sequence of str
        Where to look if nothing was given, relative to `root`.

    Returns
    -------
    Ontology or None
        None if nothing was given and none of the places has one.

    Raises
    ------
    DatasetError
        If the file that was named is not there or could not be fetched, or is no ontology.
    """
    if given == FETCH:
        return fetch_ontology()
    if given is None:
        place = next((place for place in places if (root / place).is_file()), None)
        return None if place is None else read_ontology(inside(root, place))
    path = root / Path(given).expanduser()  # an absolute path stays as it is: the user names the file
    if not path.is_file():
        raise DatasetError(f"There is no ontology {path}; {WHERE} has AudioSet's ontology.json.")
    return read_ontology(path)


def fetch_ontology() -> Ontology:
    """Read AudioSet's ontology from the user's cache folder, into which the first call downloads it.

    Its authors publish no checksum, so the download must at least be an ontology: anything else is not kept.

    Raises
    ------
    DatasetError
        If it cannot be downloaded, with what to do instead.
    """
    import pooch

    folder = Path(pooch.os_cache("hearspace"))
    pooch.get_logger().setLevel("WARNING")
    try:
        path = Path(pooch.retrieve(_URL, known_hash=None, fname=_KEPT, path=folder))
    except OSError as error:  # as all errors of requests are
        why = " ".join(str(error).split())[:200]
        raise DatasetError(
            f"AudioSet's ontology could not be fetched from {_URL} ({why}); download it from {WHERE} and "
            "give its path with the option ontology."
        ) from None
    try:
        return read_ontology(path)
    except DatasetError:
        path.unlink(missing_ok=True)
        raise


def read_ontology(path: Path) -> Ontology:
    """Read AudioSet's ``ontology.json``, or a tree of ``name`` and ``children`` made of it.

    Raises
    ------
    DatasetError
        If it is neither.
    """
    stat = path.stat()
    return _read(path, stat.st_size, stat.st_mtime_ns)


def read_json(path: Path) -> Any:
    """Read a JSON file, or raise `DatasetError`."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read as JSON ({error}).") from None


@lru_cache(maxsize=4)
def _read(path: Path, size: int, mtime_ns: int) -> Ontology:
    content = read_json(path)
    tops: dict[str, list[str]] = {}
    descriptions: dict[str, str] = {}
    try:
        if isinstance(content, dict):
            for top in content["children"]:
                _walk_tree(top, clean_label(top["name"]), tops)
            return Ontology(tops, descriptions)
        nodes = {node["id"]: node for node in content}
        below = {child for node in content for child in node.get("child_ids", [])}
        for node in content:
            if node["id"] not in below:
                _walk_graph(nodes, node["id"], clean_label(node["name"]), tops, ())
            for key in (node["id"], _key(node["name"])):
                descriptions[key] = " ".join(str(node.get("description") or "").split())
        return Ontology(tops, descriptions, _names(content), _parents(nodes))
    except (KeyError, TypeError, AttributeError, RecursionError, CycleError):
        raise DatasetError(f"{path} is not AudioSet's ontology.json; {WHERE} has it.") from None


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


def _names(nodes: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    names = {node["id"]: clean_label(node["name"]) for node in nodes}
    times = Counter(names.values())
    return {id: name if times[name] == 1 else f"{name} ({id})" for id, name in names.items()}


def _parents(nodes: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the parents of every node, in an order in which parents come before their children."""
    above: dict[str, list[str]] = {id: [] for id in nodes}
    for id, node in nodes.items():
        for child in node.get("child_ids", []):
            above[child].append(id)
    order = TopologicalSorter(above).static_order()
    return {id: tuple(dict.fromkeys(above[id])) for id in order}
