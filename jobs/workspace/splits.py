"""Saved splits of classes: ``<workspace>/splits/<dataset>/<name>.json``, one file a split.

The files hold what `core.splits.split_to_json` writes, which a person can read and change. Light to import:
pages use it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from core.splits import ClassSplit, ClassSplitSet, SplitError, split_from_json, split_to_json
from jobs.files import write_json
from jobs.workspace.workspace import Workspace
from jobs.workspace.workspace import checked_name as checked_dataset

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
#: Largest file that is read, in bytes; a split of a thousand classes has a tenth of it.
LARGEST = 2_000_000


class SavedSplitError(ValueError):
    """A split cannot be saved, loaded or deleted; the message says why and what to do."""


def save(
    workspace: Workspace,
    dataset: str,
    name: str,
    split: ClassSplit | ClassSplitSet,
    *,
    replace: bool = False,
) -> Path:
    """Save a split of a dataset's classes under a name.

    Parameters
    ----------
    workspace : Workspace
    dataset : str
        The dataset's name.
    name : str
        As `checked_name` allows.
    split : ClassSplit or ClassSplitSet
    replace : bool, default False
        Whether to replace one that has this name.

    Returns
    -------
    Path
        The file, which appears whole or not at all.

    Raises
    ------
    SavedSplitError
        For a name that is not allowed, or is taken.
    """
    path = _path(workspace, dataset, name)
    if path.exists() and not replace:
        raise SavedSplitError(
            f"There is a split {name!r} of {dataset} already; delete it first, or use another name."
        )
    try:
        write_json(path, json.loads(split_to_json(split)))
    except OSError as error:
        raise SavedSplitError(f"{path} cannot be written: {error.strerror}.") from None
    return path


def load(workspace: Workspace, dataset: str, name: str) -> ClassSplit | ClassSplitSet:
    """Return the split that was saved under a name.

    Raises
    ------
    SavedSplitError
        Where none has the name, with the names that exist, or where the file holds no split, with what is
        wrong.
    """
    path = _path(workspace, dataset, name)
    try:
        return read(path)
    except FileNotFoundError:
        raise _unknown(workspace, dataset, name) from None


def read(path: Path) -> ClassSplit | ClassSplitSet:
    """Return the split in a file; raises `SavedSplitError` where it holds none, or cannot be read.

    A missing file raises `FileNotFoundError`.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise SavedSplitError(f"{path} has more than {LARGEST / 1e6:g} MB; no split of classes does.")
        return split_from_json(content.decode())
    except FileNotFoundError:
        raise
    except OSError as error:
        raise SavedSplitError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise SavedSplitError(f"{path} holds no text in UTF-8; a split is a JSON file.") from None
    except SplitError as error:
        raise SavedSplitError(f"{path} holds no split: {error}") from None


def names(workspace: Workspace, dataset: str) -> list[str]:
    """Return the names of the saved splits of a dataset, sorted."""
    return sorted(
        path.stem for path in _home(workspace, dataset).glob("*.json") if _NAME.fullmatch(path.stem)
    )


def delete(workspace: Workspace, dataset: str, name: str) -> None:
    """Delete a saved split, but nothing trained on it; raises `SavedSplitError` if none has the name."""
    try:
        _path(workspace, dataset, name).unlink()
    except FileNotFoundError:
        raise _unknown(workspace, dataset, name) from None
    except OSError as error:
        raise SavedSplitError(f"The split {name!r} cannot be deleted: {error.strerror}.") from None


def checked_name(name: str) -> str:
    """Return `name` if it can name a split; raises `SavedSplitError` with the rule."""
    if not _NAME.fullmatch(name):
        raise SavedSplitError(
            f"{name!r} cannot name a split; use up to 64 of a-z, 0-9, '.', '_' and '-', beginning with a "
            "letter or digit."
        )
    return name


def _path(workspace: Workspace, dataset: str, name: str) -> Path:
    return _home(workspace, dataset) / f"{checked_name(name)}.json"


def _home(workspace: Workspace, dataset: str) -> Path:
    return workspace.root / "splits" / checked_dataset(dataset)


def _unknown(workspace: Workspace, dataset: str, name: str) -> SavedSplitError:
    known = names(workspace, dataset)
    saved = f"there are: {', '.join(known)}" if known else "there is none yet"
    return SavedSplitError(f"No split {name!r} of {dataset} is saved; {saved}.")
