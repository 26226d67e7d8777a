"""Small datasets for tests: sounds, tables and ontologies on disk, and the report of an import by path."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import soundfile as sf

from jobs.datasets.importer import LEFT_OUT, REMARK, Imported
from tests.jobs.bad_audio import RATE, tone

#: Id, name, ids of the children of a node of an ontology.
Node = tuple[str, str, list[str]]


def write_sound(path: Path, pitch: float = 440.0, seconds: float = 0.2) -> Path:
    """Write a tone and its folder, and return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, tone(seconds, pitch=pitch), RATE)
    return path


def write_sounds(root: Path, *names: str, seconds: float = 0.1, pitch: float = 300.0) -> Path:
    """Write tones of pitches from `pitch` on, and return the folder."""
    for i, name in enumerate(names):
        write_sound(root / name, pitch + 7 * i, seconds)
    return root


def write_table(path: Path, *rows: Sequence[object], delimiter: str = ",", encoding: str = "utf-8") -> Path:
    """Write the rows of a table, its columns first, and return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    return path


def write_nodes(path: Path, nodes: Sequence[Node]) -> Path:
    """Write an ontology in the form of AudioSet's, and return the path."""
    described = [
        {"id": id, "name": name, "description": f"What {name}\n is.", "child_ids": below, "restrictions": []}
        for id, name, below in nodes
    ]
    path.write_text(json.dumps(described), encoding="utf-8")
    return path


def lines_about(imported: Imported, path: str) -> list[tuple[str, str]]:
    """Return status and reason of each line of the report about a path."""
    rows = imported.report[imported.report["path"] == path]
    return list(zip(rows["status"], rows["reason"], strict=True))


def reasons(imported: Imported, path: str, status: str = REMARK) -> list[str]:
    """Return the reasons of one status in the report about a path."""
    return [reason for own, reason in lines_about(imported, path) if own == status]


def left_out(imported: Imported) -> dict[str, str]:
    """Return the reason of each path that was left out."""
    rows = imported.report[imported.report["status"] == LEFT_OUT]
    return dict(zip(rows["path"], rows["reason"], strict=True))
