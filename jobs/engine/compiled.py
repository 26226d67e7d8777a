"""The folder where numba stores compiled functions.

By default that is beside the modules or in the user's cache. If numba may write to neither, as in a container
under another account or on a machine with read-only homes, cached functions cannot even be defined: then the
workspace is used.
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

#: Packages whose functions numba compiles and stores.
_PACKAGES = ("librosa", "pynndescent", "umap")
_VARIABLE = "NUMBA_CACHE_DIR"


def settle(root: Path) -> None:
    """Have numba store its files in the workspace `root` if it has no other place; call before importing it.

    What numba stores is code. A copied workspace must not bring any along, so the name of the folder depends
    on the device and inode of the workspace; a folder that another account created, or may write to, is not
    used.
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
    """Whether this is a folder, not a link, of this account, and only this account may write to it."""
    about = folder.lstat()
    if not stat.S_ISDIR(about.st_mode):
        return False
    return os.name == "nt" or (about.st_uid == os.getuid() and not about.st_mode & 0o022)


@functools.cache
def _has_place() -> bool:
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    if _writable(Path(cache, "numba")):
        return True
    specs = (importlib.util.find_spec(name) for name in _PACKAGES)
    return all(spec is None or _writable(Path(spec.origin or "").parent / "__pycache__") for spec in specs)


def _writable(folder: Path) -> bool:
    """Whether a file can be created in a folder, which is created if necessary, as numba tests it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
