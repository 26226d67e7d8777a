"""Where numba keeps what it compiles.

It keeps it beside the modules or in the user's own cache. Where it may write to neither, as in a container
that runs under another account or on a machine whose homes are read-only, functions that want to be kept
cannot even be defined: then the workspace is the place.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

#: Packages whose functions numba compiles and keeps.
_PACKAGES = ("librosa", "pynndescent", "umap")
_VARIABLE = "NUMBA_CACHE_DIR"


def settle(root: Path) -> None:
    """Have numba use the workspace `root` where it has no place of its own; called before it is imported.

    What numba keeps is code. A workspace that was copied from elsewhere must not bring any, so the folder is
    called after the very folder that it lies in; and one that another account has made, or may write to, is
    not used.
    """
    if _VARIABLE in os.environ or _has_place():
        return
    with suppress(OSError):
        root.mkdir(parents=True, exist_ok=True)
        about = root.stat()
        name = hashlib.sha256(
            f"{about.st_dev} {about.st_ino} {getattr(os, 'getuid', int)()}".encode()
        ).hexdigest()[:16]
        folder = root / f"numba-{name}"
        folder.mkdir(mode=0o700, exist_ok=True)
        if _own(folder):
            os.environ[_VARIABLE] = str(folder)


def _own(folder: Path) -> bool:
    """Whether it is a folder, no link to one, of this account, and only this account may write to it."""
    about = folder.lstat()
    if not stat.S_ISDIR(about.st_mode):
        return False
    return os.name == "nt" or (about.st_uid == os.getuid() and not about.st_mode & 0o022)


@functools.cache
def _has_place() -> bool:
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    if _writable(Path(cache, "numba")):
        return True
    found = (importlib.util.find_spec(name) for name in _PACKAGES)
    return all(spec is None or _writable(Path(spec.origin or "").parent / "__pycache__") for spec in found)


def _writable(folder: Path) -> bool:
    """Whether a file can be made in a folder, which is made, too, if it must be: as numba finds out."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
