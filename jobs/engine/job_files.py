"""The files of a job's folder: their contents, and how damaged ones are reconstructed.

After a crash or a careless edit the files may hold anything, so contents of another shape are ignored. What a
damaged file has lost is reconstructed where possible: a job whose result exists is done.
"""

from __future__ import annotations

import math
import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from cache import ArtifactStore, CacheError
from jobs.files import damage, read_json, unreadable
from jobs.specs import Spec, from_json

State = Literal["queued", "running", "done", "failed", "cancelled"]

#: Priorities: a batch, a request from a page, and a request for which a user waits with a page open.
BATCH, ASKED, AWAITED = 0, 1, 2

KEY = re.compile("[0-9a-f]{64}")
ACTIVE = ("queued", "running")
#: Fields of a job that ``state.json`` holds.
STATE_FIELDS = (
    *("state", "created", "started", "ended", "error", "attempts", "process", "priority", "lacked"),
)
_LATEST = 1e11  # seconds since 1970, beyond any clock


@dataclass(frozen=True)
class Job:
    """One job at the time it was read."""

    key: str
    spec: dict[str, Any]
    title: str
    state: State
    created: float
    started: float | None = None
    ended: float | None = None
    progress: tuple[float, float, str] | None = None
    eta_s: float | None = None
    error: str | None = None
    depends_on: tuple[str, ...] = ()
    attempts: int = 0
    process: dict[str, Any] | None = field(default=None, repr=False)
    priority: int = BATCH
    #: Key of the input whose failure made this job fail.
    lacked: str | None = None

    @property
    def active(self) -> bool:
        """Whether the job is pending: queued or running."""
        return self.state in ACTIVE


def request_of(spec: Spec) -> dict[str, Any]:
    """Return the contents of ``spec.json`` for a spec."""
    return {"spec": spec.to_json(), "title": spec.title, "depends_on": [s.key for s in spec.inputs()]}


def checked_request(data: Any) -> dict[str, Any] | None:
    """Return the contents of ``spec.json``, or None if they do not have its shape."""
    if not isinstance(data, dict) or not isinstance(spec := data.get("spec"), dict):
        return None
    needed = data.get("depends_on")
    good = (
        isinstance(spec.get("type"), str)
        and isinstance(spec.get("fields"), dict)
        and isinstance(data.get("title"), str)
        and isinstance(needed, list)
        and all(isinstance(key, str) and KEY.fullmatch(key) for key in needed)
    )
    return data if good else None


def checked_state(data: Any) -> dict[str, Any] | None:
    """Return the contents of ``state.json``, or None if they do not have its shape."""
    if not isinstance(data, dict):
        return None
    good = (
        data.get("state") in get_args(State)
        and _is_time(data.get("created"))
        and all(data.get(name) is None or _is_time(data[name]) for name in ("started", "ended"))
        and all(_is_count(data.get(name, 0)) for name in ("attempts", "priority"))
        and isinstance(data.get("error"), str | None)
        and isinstance(data.get("lacked"), str | None)
        and _is_process(data.get("process"))
    )
    return data if good else None


def presumed_request(key: str, cache: ArtifactStore) -> dict[str, Any] | None:
    """Reconstruct the contents of ``spec.json`` from the job's result; None without a result."""
    with suppress(CacheError, ValueError, OSError):
        spec = from_json(cache.open(key).spec)
        return request_of(spec) if spec.key == key else None
    return None


def presumed_state(key: str, folder: Path, cache: ArtifactStore) -> dict[str, Any] | None:
    """Reconstruct the state of a job with a damaged ``state.json`` from its result and its other files.

    None if there is no result and this account may not read the file: other accounts know the state.
    """
    with suppress(OSError):
        created = (folder / "spec.json").stat().st_mtime
        if cache.contains(key):
            return {"state": "done", "created": created}
        try:
            (folder / "state.json").open("rb").close()
        except PermissionError:
            return None
        except OSError:
            pass
        # The reserve exists while a job runs; the heartbeat will show whether it still does.
        if (folder / "reserve").exists():
            return {"state": "running", "created": created}
        # It has run and no longer does.
        if (folder / "heartbeat").exists():
            error = f"{folder / 'state.json'} was damaged, so how this job ended is unknown; retry it."
            return {"state": "failed", "created": created, "error": error}
        return {"state": "queued", "created": created}
    return {"state": "queued", "created": time.time()}


def damage_of(folder: Path, root: Path) -> str | None:
    """Describe the damage of a folder of the queue `root` that holds no job; None for an empty folder."""
    remedy = "`hearspace jobs clear` removes the job; then submit it again"
    try:
        if not any(os.scandir(folder)):  # it is being created or removed at this moment
            return None
    except OSError as error:
        return None if isinstance(error, FileNotFoundError) else unreadable(folder, error, remedy, root)
    path = folder / "spec.json"
    if (sentence := damage(path, remedy, root)) is not None:
        return sentence
    if checked_request(read_json(path)) is None:
        return f"{path} holds no spec; {remedy}."
    return damage(folder / "state.json", remedy, root)


def checked_progress(data: Any) -> tuple[tuple[float, float, str] | None, float | None]:
    """Return (done, total, note) and the remaining seconds, from the pace since the job's first report."""
    names = ("done", "total", "at", "first_at", "first_done")
    if not isinstance(data, dict) or not all(_is_number(data.get(name)) for name in names):
        return None, None
    progress = (data["done"], data["total"], str(data.get("note", "")))
    gained, spent = data["done"] - data["first_done"], data["at"] - data["first_at"]
    if gained <= 0 or spent < 1.0:
        return progress, None
    left = spent / gained * (data["total"] - data["done"])
    return progress, max(0.0, left - (time.time() - data["at"]))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf


def _is_time(value: Any) -> bool:
    return _is_number(value) and 0 <= value < _LATEST


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31


def _is_process(value: Any) -> bool:
    if value is None:
        return True
    return (
        isinstance(value, dict)
        and isinstance(value.get("host"), str)
        and _is_count(value.get("pid"))
        and (value.get("born") is None or _is_time(value["born"]))
    )
