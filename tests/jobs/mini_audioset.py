"""Sounds named like segments of AudioSet, lists of them in its layout, and a small ontology of our own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tests.jobs.mini import write_nodes, write_sound

#: Id, name, children. Growling has two parents that meet below the top, Bell two that do not.
NODES = [
    ("/m/animal", "Animal", ["/m/pets", "/m/insect"]),
    ("/m/pets", "Domestic animals, pets", ["/m/dog", "/m/cat"]),
    ("/m/dog", "Dog", ["/m/bark", "/m/yip", "/m/growling"]),
    ("/m/cat", "Cat", ["/m/meow", "/m/growling"]),
    ("/m/bark", "Bark", []),
    ("/m/yip", "Yip", []),
    ("/m/growling", "Growling", []),
    ("/m/meow", "Meow", []),
    ("/m/insect", "Insect", []),
    ("/m/music", "Music", ["/m/bell"]),
    ("/m/things", "Sounds of things", ["/m/bell"]),
    ("/m/bell", "Bell", ["/m/church_bell"]),
    ("/m/church_bell", "Church bell", []),
]
#: For every node, what lies above it on all ways, written down by hand.
ABOVE = {
    "/m/animal": None,
    "/m/pets": "/m/animal",
    "/m/insect": "/m/animal",
    "/m/dog": "/m/pets",
    "/m/cat": "/m/pets",
    "/m/bark": "/m/dog",
    "/m/yip": "/m/dog",
    "/m/growling": "/m/pets",
    "/m/meow": "/m/cat",
    "/m/music": None,
    "/m/things": None,
    "/m/bell": None,
    "/m/church_bell": "/m/bell",
}
#: YTID, start, end, labels, name of the file if there is one.
Row = tuple[str, float, float, str, str | None]


def segments(label: str, n: int, name: str = "{id}.wav") -> list[Row]:
    """Make rows of `n` segments of one label, with files named in one way."""
    ids = [f"{label.rsplit('/', 1)[-1][:5]:_<5}{i:06d}" for i in range(n)]
    return [(id, 30.0, 40.0, label, name.format(id=id)) for id in ids]


#: Enough for one class at the threshold of the paper.
DEFAULT = {
    "balanced_train": segments("/m/bark", 101),
    "eval": [("eval-00001_", 0.0, 10.0, "/m/bark", "eval/Yeval-00001_.wav")],
}


def write_audioset(
    root: Path, lists: Mapping[str, Sequence[Row]] | None = None, *, ontology: bool = True
) -> Path:
    """Write lists, sounds and ontology, and return the folder."""
    pitch = 200.0
    for split, rows in (DEFAULT if lists is None else lists).items():
        write_list(root / f"{split}_segments.csv", rows)
        for *_, name in rows:
            if name is not None:
                pitch += 1
                write_sound(root / "audio" / name, pitch)
    if ontology:
        write_ontology(root / "ontology.json")
    return root


def write_list(path: Path, rows: Iterable[Row]) -> Path:
    """Write a list of segments as AudioSet does: three lines of comment, blanks, labels in quotes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        file.write("# Segments csv created now\n# num_ytids=1, num_segs=1\n")
        file.write("# YTID, start_seconds, end_seconds, positive_labels\n")
        for id, start, end, labels, _ in rows:
            file.write(f'{id}, {start:.3f}, {end:.3f}, "{labels}"\n')
    return path


def write_ontology(path: Path) -> Path:
    """Write the ontology in the form of AudioSet's and return its path."""
    return write_nodes(path, NODES)
