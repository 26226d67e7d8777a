"""A handful of sounds in the layout of FSD50K, and a small ontology in the form of AudioSet's."""

from __future__ import annotations

import json
from pathlib import Path

from tests.jobs.mini import write_nodes, write_sound, write_table

#: Name, labels, part of the development set.
DEV = [
    ("64760", "Electric_guitar,Guitar,Musical_instrument,Music", "train"),
    ("16399", "Bark,Dog,Animal", "train"),
    ("16401", "Bell", "val"),
    ("16402", "Rain_and_drizzle", "train"),
]
EVAL = [
    ("37199", "Electric_guitar,Guitar,Musical_instrument,Music"),
    ("175151", "Bark,Dog,Animal"),
    ("253463", "Growling"),
    ("329838", "Bell"),
]
#: Id, name, children.
NODES = [
    ("/m/music", "Music", ["/m/instrument"]),
    ("/m/instrument", "Musical instrument", ["/m/guitar", "/m/bell"]),
    ("/m/guitar", "Guitar", ["/m/electric_guitar"]),
    ("/m/electric_guitar", "Electric guitar", []),
    ("/m/animal", "Animal", ["/m/dog", "/m/cat"]),
    ("/m/dog", "Dog", ["/m/bark", "/m/growling"]),
    ("/m/cat", "Cat", ["/m/growling"]),
    ("/m/bark", "Bark", []),
    ("/m/growling", "Growling", []),
    ("/m/things", "Sounds of things", ["/m/bell"]),
    ("/m/bell", "Bell", ["/m/chime"]),
    ("/m/chime", "Chime", []),
    ("/m/natural", "Natural sounds", ["/m/rain_and_drizzle"]),
    ("/m/rain_and_drizzle", "Rain, drizzle", []),
]


def write_fsd50k(root: Path, *, ontology: bool = True, metadata: bool = True) -> Path:
    """Write the dataset and return its folder."""
    truth = root / "FSD50K.ground_truth"
    labels = sorted({label for _, labels, *_ in [*DEV, *EVAL] for label in labels.split(",")})
    for subset, rows in (("dev", DEV), ("eval", EVAL)):
        table = []
        for i, (name, given, *split) in enumerate(rows):
            table.append((name, given, ",".join(f"/m/{x.lower()}" for x in given.split(",")), *split))
            write_sound(
                root / f"FSD50K.{subset}_audio" / f"{name}.wav", 200.0 + 50 * i + 500 * (subset == "dev")
            )
        header = ("fname", "labels", "mids", "split")[: 3 + (subset == "dev")]
        write_table(truth / f"{subset}.csv", header, *table)
        if metadata:
            (root / "FSD50K.metadata").mkdir(exist_ok=True)
            about = {
                name: {"title": f"sound {name}", "license": "CC0", "uploader": "someone", "tags": ["a"]}
                for name, *_ in rows
            }
            path = root / "FSD50K.metadata" / f"{subset}_clips_info_FSD50K.json"
            path.write_text(json.dumps(about), encoding="utf-8")
    write_table(
        truth / "vocabulary.csv", *((i, label, f"/m/{label.lower()}") for i, label in enumerate(labels))
    )
    if ontology:
        write_ontology(root / "ontology.json")
    return root


def write_ontology(path: Path) -> Path:
    """Write the ontology in the form of AudioSet's and return its path."""
    return write_nodes(path, NODES)
