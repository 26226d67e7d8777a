"""librosa, first imported by one process at a time.

librosa compiles functions when it is imported for the first time, and keeps them on disk. Where two processes
do so at once, the disk is left with functions of one and with calls of them by the other, and every process
that runs these from then on ends with a segmentation fault: numba's cache of gufuncs has no lock of its own.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from filelock import FileLock

#: One for each user: numba keeps what it compiles beside librosa, or in the user's own cache.
LOCK = Path(tempfile.gettempdir()) / f"hearspace-librosa-{getattr(os, 'getuid', str)()}.lock"

with FileLock(LOCK):
    import librosa
    import librosa.core.audio
    import librosa.core.pitch
    import librosa.feature
    import librosa.onset

__all__ = ["librosa"]
