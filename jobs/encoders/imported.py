"""Embeddings that were computed elsewhere: ``imported:NAME``, made by ``hearspace import-embeddings``.

A name means what was imported under it last, for one dataset of one workspace. That is written down in
``<workspace>/imported/<fingerprint of the dataset>/<NAME>.json``, a small file that is replaced as a whole.
The vectors are an ordinary result in the cache, whose identity is a fingerprint of what was imported. No
model stands behind the name, so what is not in the cache cannot be made: it has to be imported again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jobs.files import read_json, write_json

NAME = "imported"
VERSION = 1
MODALITIES = frozenset({"audio"})
TAKES_ARGUMENT = True
DESCRIPTION = "Embeddings from a file, computed elsewhere: `hearspace import-embeddings` brings them in."
REFERENCE = "As of the model that they come from."

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_KEY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Meaning:
    """What an imported name stands for.

    Attributes
    ----------
    identity : str
        ``EmbedAudio.identity`` of the space.
    key : str
        Key of its result.
    source : str
        The file or folder that it came from.
    created : float
        When, in seconds since 1970.
    """

    identity: str
    key: str
    source: str
    created: float


def checked_name(name: str) -> str:
    """Return `name` if embeddings can be called so; raises `UnknownEncoder` with the rule."""
    from jobs.encoders import UnknownEncoder

    if not _NAME.fullmatch(name):
        raise UnknownEncoder(
            f"{name!r} cannot name embeddings; use up to 64 of a-z, 0-9, '.', '_' and '-', beginning with a "
            "letter or digit."
        )
    return name


def remember(root: Path, dataset: str, name: str, meaning: Meaning) -> None:
    """Let `name` stand for something from now on, in the workspace `root`, for a dataset's fingerprint."""
    write_json(_path(root, dataset, name), asdict(meaning), durable=True)


def forget(root: Path, dataset: str, name: str) -> None:
    """Let `name` stand for nothing any more."""
    _path(root, dataset, name).unlink(missing_ok=True)


def meanings(root: Path, dataset: str) -> dict[str, Meaning]:
    """Return what the imported names of a dataset stand for, by the names as encoders: ``imported:NAME``."""
    return {f"{NAME}:{path.stem}": m for path in _files(root / NAME / dataset) if (m := _read(path))}


def keys(root: Path) -> set[str]:
    """Return the keys of everything that a name in the workspace `root` stands for."""
    return {meaning.key for _, _, meaning in everything(root)}


def everything(root: Path) -> Iterator[tuple[str, str, Meaning]]:
    """Yield the fingerprint of the dataset, the encoder and the meaning of all names in a workspace."""
    for folder in sorted(e.name for e in _scan(root / NAME) if e.is_dir()):
        for encoder, meaning in meanings(root, folder).items():
            yield folder, encoder, meaning


def _path(root: Path, dataset: str, name: str) -> Path:
    return root / NAME / dataset / f"{checked_name(name)}.json"


def _files(folder: Path) -> Iterator[Path]:
    for entry in sorted(_scan(folder), key=lambda e: e.name):
        if entry.name.endswith(".json") and _NAME.fullmatch(entry.name.removesuffix(".json")):
            yield Path(entry.path)


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _read(path: Path) -> Meaning | None:
    found = read_json(path)
    # None where it was removed meanwhile, other fields where another version wrote it.
    if not isinstance(found, dict) or set(found) != set(Meaning.__annotations__):
        return None
    meaning = Meaning(**found)
    texts = (meaning.identity, meaning.key, meaning.source)
    whole = all(isinstance(text, str) for text in texts) and isinstance(meaning.created, int | float)
    return meaning if whole and _KEY.fullmatch(meaning.key) else None


def identity(argument: str | None) -> str:
    """Raise `UnknownEncoder`: what a name stands for is known only with the dataset that it belongs to."""
    from jobs.encoders import UnknownEncoder

    raise UnknownEncoder(
        f"There are no embeddings by the name of {NAME}:{argument} here, and no model can make them; import "
        f"them (again): `hearspace import-embeddings DATASET {argument} FILE`."
    )


def available() -> str | None:
    """Return None: nothing is needed."""
    return None


def load(argument: str | None, *, modality: str, device: str) -> Any:
    """Raise `UnknownEncoder`: there is no model to load."""
    return identity(argument)
