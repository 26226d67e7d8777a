"""The files of a dataset's folder: write them as a whole, and check them.

``dataset.json`` describes the dataset, tables beside it its clips; a dataset whose clips a job makes has no
``clips.parquet``. After a crash or a mistake by hand they may hold anything.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cache.errors import enough_space
from jobs.files import damage, new_folder, read_json, unreadable, write_json

if TYPE_CHECKING:
    import pandas as pd

#: Names that a dataset, and so its folder, may have.
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
#: Seconds within which a half-replaced dataset may still be in progress.
_AT_WORK = 600
#: Tables of a dataset and the columns that they need.
TABLES = {
    "clips": {"clip_id", "path", "label"},
    "classes": {"label", "family"},
    "report": {"path", "status", "reason"},
    "captions": {"clip_id", "caption"},
}
_OPTIONAL = {"captions"}


def stamp(folder: Path) -> int:
    """Return a number that changes with any file of a dataset."""
    with os.scandir(folder) as entries:
        return hash(tuple(sorted((e.name, e.stat().st_mtime_ns, e.stat().st_size) for e in entries)))


def remedy(name: str) -> str:
    """Return the advice for a dataset that is damaged."""
    return f"add the dataset again (`hearspace add {name} FOLDER --replace`)"


def store(home: Path, name: str, about: dict[str, Any], tables: dict[str, pd.DataFrame]) -> None:
    """Write a dataset below `home`, replacing an earlier one of that name: as a whole, or not at all.

    Raises
    ------
    NoSpace
        If the disk is full.
    """
    needed = sum(int(frame.memory_usage(deep=True).sum()) for frame in tables.values())
    with enough_space(home, needed):
        home.mkdir(parents=True, exist_ok=True)
        fresh = new_folder(home, prefix=".new-")
        try:
            for table, frame in tables.items():
                frame.to_parquet(fresh / f"{table}.parquet", index=False, write_page_checksum=True)
            write_json(fresh / "dataset.json", about)
            if (home / name).exists():
                old = new_folder(home, prefix=".old-")
                with suppress(OSError):
                    os.utime(home / name)  # so that `mend` leaves it alone meanwhile
                os.replace(home / name, old)
                try:
                    os.replace(fresh, home / name)
                except BaseException:
                    os.replace(old, home / name)
                    raise
                shutil.rmtree(old, ignore_errors=True)
            else:
                os.replace(fresh, home / name)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise


def mend(home: Path) -> None:
    """Restore a dataset whose replacement was interrupted, and remove the remains."""
    left = []
    with suppress(OSError):
        left = [e for e in os.scandir(home) if e.name.startswith((".new-", ".old-"))]
    for entry in left:
        # Another process may be mending, too.
        with suppress(OSError):
            if time.time() - entry.stat().st_mtime < _AT_WORK:
                continue
            about = read_json(Path(entry.path) / "dataset.json") if entry.name.startswith(".old-") else None
            name = about.get("name") if isinstance(about, dict) else None
            if isinstance(name, str) and NAME.fullmatch(name) and not (home / name).exists():
                os.replace(entry.path, home / name)
            else:
                shutil.rmtree(entry.path, ignore_errors=True)


def flaw(folder: Path, root: Path) -> str | None:
    """Return which file of a dataset in the workspace `root` is damaged and what to do, or None."""
    to_do = remedy(folder.name)
    path = folder / "dataset.json"
    try:
        sentence = damage(path, to_do, root)
        if sentence is not None:
            return sentence
        about = json.loads(path.read_text(encoding="utf-8"))
        if not _is_about(about, folder.name):
            return f"{path} does not describe the dataset; {to_do}."
        for name, columns in TABLES.items():
            path = folder / f"{name}.parquet"
            if (name == "clips" and about.get("source")) or (name in _OPTIONAL and not path.exists()):
                continue
            lacking = columns - _columns(path)
            if lacking:
                return f"{path} has no column {', '.join(sorted(lacking))}; {to_do}."
    except OSError as error:
        return unreadable(path, error, to_do, root)
    except Exception:  # the libraries' own messages about such a file do not help
        return f"{path} is not a whole table; {to_do}."
    return None


def _columns(path: Path) -> set[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with path.open("rb") as opened, pq.ParquetFile(pa.PythonFile(opened, mode="r")) as file:
        return set(file.schema_arrow.names)


def _is_about(about: Any, name: str) -> bool:
    if not isinstance(about, dict) or about.get("name") != name:
        return False
    texts = ("adapter", *(() if about.get("source") else ("fingerprint", "root")))
    maybe = ("note", "description", "labels_fingerprint")
    options, created = about.get("options", {}), about.get("created", 0.0)
    earlier = about.get("earlier", [])
    return (
        all(_is_text(about.get(key)) for key in texts)
        and all(isinstance(about.get(key, ""), str) for key in maybe)
        and isinstance(about.get("source"), dict | None)
        and isinstance(options, dict)
        and all(isinstance(value, str) for value in options.values())
        and isinstance(created, int | float)
        and isinstance(earlier, list)
        and all(isinstance(value, str) for value in earlier)
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and "\0" not in value
