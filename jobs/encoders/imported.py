"""Embeddings that were computed elsewhere: ``imported:NAME``, made by ``hearspace import-embeddings``.

A name means the last import under it, for one dataset of one workspace, as recorded in
``<workspace>/imported/<fingerprint of the dataset>/<NAME>.json``, a small file that is replaced as a whole.
The vectors are an ordinary result in the cache, whose identity is a fingerprint of what was imported. No
model stands behind the name, so what is not in the cache cannot be computed: it has to be imported again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jobs.encoders import UnknownEncoder, always_available
from jobs.files import read_json, write_json

NAME = "imported"
VERSION = 1
MODALITIES = frozenset({"audio"})
TAKES_ARGUMENT = True
DESCRIPTION = "Embeddings from a file, computed elsewhere: `hearspace import-embeddings` brings them in."
REFERENCE = "As of the model that they come from."
available = always_available

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_KEY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Meaning:
    """The meaning of an imported name.

    Attributes
    ----------
    identity : str
        ``EmbedAudio.identity`` of the space.
    key : str
        Key of its result.
    source : str
        The imported file or folder.
    created : float
        Time of the import, in seconds since 1970.
    """

    identity: str
    key: str
    source: str
    created: float


def checked_name(name: str) -> str:
    """Return `name` if it can name embeddings, else raise `UnknownEncoder` with the rule."""
    if not _NAME.fullmatch(name):
        raise UnknownEncoder(
            f"{name!r} cannot name embeddings; use up to 64 of a-z, 0-9, '.', '_' and '-', beginning with a "
            "letter or digit."
        )
    return name


def remember(root: Path, dataset: str, name: str, meaning: Meaning) -> None:
    """Record the meaning of `name` in the workspace `root`, for a dataset's fingerprint."""
    write_json(_path(root, dataset, name), asdict(meaning), durable=True)


def forget(root: Path, dataset: str, name: str) -> None:
    """Delete the meaning of `name`."""
    _path(root, dataset, name).unlink(missing_ok=True)


def meanings(root: Path, dataset: str) -> dict[str, Meaning]:
    """Return the meanings of a dataset's imported names, by encoder: ``imported:NAME``."""
    return {f"{NAME}:{path.stem}": m for path in _files(root / NAME / dataset) if (m := _read(path))}


def keys(root: Path) -> set[str]:
    """Return the keys of all results that a name in the workspace `root` means."""
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
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _read(path: Path) -> Meaning | None:
    content = read_json(path)
    # None if it was removed meanwhile, other fields if another version wrote it.
    if not isinstance(content, dict) or set(content) != set(Meaning.__annotations__):
        return None
    meaning = Meaning(**content)
    texts = (meaning.identity, meaning.key, meaning.source)
    whole = all(isinstance(text, str) for text in texts) and isinstance(meaning.created, int | float)
    return meaning if whole and _KEY.fullmatch(meaning.key) else None


def identity(argument: str | None) -> str:
    """Raise `UnknownEncoder`: a name has a meaning only together with its dataset."""
    raise UnknownEncoder(
        f"There are no embeddings by the name of {NAME}:{argument} here, and no model can make them; import "
        f"them (again): `hearspace import-embeddings DATASET {argument} FILE`."
    )


def load(argument: str | None, *, modality: str, device: str) -> Any:
    """Raise `UnknownEncoder`: there is no model to load."""
    return identity(argument)
