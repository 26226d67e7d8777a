"""The manifest: identity and contents of an artifact, with sizes and checksums.

``manifest.json`` holds ``format``, ``key``, ``spec``, ``meta``, ``versions`` (of libraries), ``seconds``
(duration of the computation), ``created`` (seconds since 1970) and ``files``: for each relative name its
``size`` in bytes, ``sha256``, ``kind`` and, by kind, ``dtype`` and ``shape``. ``checksum`` is the SHA-256 of
the rest.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import platform
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cache.errors import CacheError, CorruptArtifact
from cache.names import KINDS, MANIFEST

if TYPE_CHECKING:
    import numpy as np

FORMAT = 1

_LIBRARIES = (
    *(
        "hearspace",
        "numpy",
        "scipy",
        "scikit-learn",
        "pyarrow",
        "safetensors",
        "librosa",
        "soundfile",
        "soxr",
    ),
    *("torch", "transformers", "sentence-transformers", "aisfx", "openTSNE", "umap-learn", "numba"),
)


@lru_cache(maxsize=1)
def library_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that results depend on, without importing them."""
    from importlib.metadata import PackageNotFoundError, version

    versions = {"python": platform.python_version()}
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions


def sha256(path: Path) -> str:
    """Checksum of a file of any size, in constant memory."""
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def describe(path: Path) -> dict[str, Any]:
    """Describe a file for the manifest: size, sha256, kind, and the dtype and shape of its format.

    Raises
    ------
    CacheError
        If the contents do not match the suffix, or hold Python objects.
    """
    kind = KINDS.get(path.suffix, "file")
    entry: dict[str, Any] = {"size": path.stat().st_size, "sha256": sha256(path), "kind": kind}
    if kind == "file":
        return entry
    try:
        entry |= {"array": _array, "table": _table, "tensors": _tensors}[kind](path)
    except OSError:
        raise
    except Exception as error:
        raise CacheError(f"{path.name} cannot be stored: it is not a readable {kind} ({error}).") from error
    return entry


def load_array(path: Path, *, mapped: bool) -> np.ndarray:
    """Return the array of a ``.npy`` file, mapped or as a copy.

    Python before 3.11.8 may fail to parse the header if another thread parses something at the same time.
    """
    import numpy as np

    for _ in range(20):
        with suppress(SystemError):
            return np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    return np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)


def _array(path: Path) -> dict[str, Any]:
    x = load_array(path, mapped=True)
    return {"dtype": str(x.dtype), "shape": list(x.shape)}


def _table(path: Path) -> dict[str, Any]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as f:
        fields = {field.name: str(field.type) for field in f.schema_arrow}
        return {"dtype": fields, "shape": [f.metadata.num_rows, f.metadata.num_columns]}


def _tensors(path: Path) -> dict[str, Any]:
    with open(path, "rb") as f:
        n = int.from_bytes(f.read(8), "little")
        if n > 100_000_000:
            raise ValueError("its header is too long")
        header = json.loads(f.read(n))
    header.pop("__metadata__", None)
    return {
        "dtype": {k: v["dtype"] for k, v in header.items()},
        "shape": {k: v["shape"] for k, v in header.items()},
    }


def plain(value: Any, where: str) -> Any:
    """Convert a value to one that JSON represents exactly: NumPy numbers to Python's, tuples to lists.

    Raises
    ------
    CacheError
        For other values, including NaN and infinities; the message names the place.

    Examples
    --------
    >>> plain({"ks": (1, 2)}, "meta")
    {'ks': [1, 2]}
    """
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise CacheError(f"{where} is {value}; JSON has no such number, use None for an undefined value.")
        return float(value)
    if isinstance(value, dict):
        for k in value:
            if not isinstance(k, str):
                raise CacheError(f"{where} has the key {k!r}; keys must be text.")
        return {str(k): plain(v, f"{where}[{k!r}]") for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v, f"{where}[{i}]") for i, v in enumerate(value)]
    if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        return plain(value.item(), where)
    raise CacheError(
        f"{where} is a {type(value).__name__}; only text, numbers, booleans, None, lists, dicts can be kept."
    )


def checksum(manifest: dict[str, Any]) -> str:
    """Checksum of a manifest's contents, independent of its layout as text."""
    rest = {k: v for k, v in manifest.items() if k != "checksum"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def write(folder: Path, manifest: dict[str, Any]) -> None:
    """Write ``manifest.json`` with its own checksum."""
    text = json.dumps(manifest | {"checksum": checksum(manifest)}, indent=1, allow_nan=False)
    (folder / MANIFEST).write_text(text, encoding="utf-8")


def read(folder: Path, key: str) -> dict[str, Any]:
    """Read the manifest of artifact `key`.

    Raises
    ------
    FileNotFoundError
        If it does not exist.
    CorruptArtifact
        If it is invalid, belongs to another key or is of a newer format.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(str(path)) from None
    except (ValueError, RecursionError, IsADirectoryError) as error:
        raise _unreadable(key, str(error)) from error
    except OSError as error:
        if error.errno == errno.EIO:
            raise _unreadable(key, str(error.strerror)) from error
        raise CacheError(
            f"The manifest of artifact {key[:12]}… cannot be read now: {error.strerror}."
        ) from error
    if not isinstance(manifest, dict) or manifest.get("key") != key:
        raise _unreadable(key, "it does not belong to this key")
    if not isinstance(manifest.get("format"), int) or manifest["format"] > FORMAT:
        raise CorruptArtifact(
            f"Artifact {key[:12]}… has format {manifest.get('format')!r}, this program reads up to {FORMAT}; "
            "use a newer hearspace, or delete it to have it computed again."
        )
    whole = isinstance(manifest.get("files"), dict) and all(
        isinstance(f, dict) and isinstance(f.get("size"), int) for f in manifest["files"].values()
    )
    if not whole or not isinstance(manifest.get("spec"), dict) or not isinstance(manifest.get("meta"), dict):
        raise _unreadable(key, "it lacks fields")
    return manifest


def _unreadable(key: str, why: str) -> CorruptArtifact:
    return CorruptArtifact.of(f"The manifest of artifact {key[:12]}…", f"cannot be read ({why})")


def file_names(folder: Path) -> list[str]:
    """Return the sorted relative names of everything below `folder` except folders and the manifest."""
    relative = []
    for parent, folders, names in os.walk(folder):
        # A link to a folder counts as a file: it is listed, never followed.
        links = [d for d in folders if os.path.islink(os.path.join(parent, d))]
        relative += [Path(parent, name).relative_to(folder).as_posix() for name in names + links]
    return sorted(name for name in relative if name != MANIFEST)


def total_size(manifest: dict[str, Any], manifest_size: int) -> int:
    """Size of an artifact in bytes, including its manifest."""
    return manifest_size + sum(f["size"] for f in manifest["files"].values())
