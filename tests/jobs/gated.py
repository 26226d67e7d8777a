"""An encoder from another distribution that comes to its last clips only when it is let.

Jobs that are to be killed in the middle ask for it: they stand in the middle for as long as a test needs,
busy, however fast or slow the machine is.
"""

from __future__ import annotations

from pathlib import Path

#: Clips that are embedded at once; the gate stands before the next.
FREE = 64
CODE = """
import os
import time
from pathlib import Path

NAME, VERSION, TAKES_ARGUMENT, MODALITIES = "gated", 1, False, frozenset({"audio"})
DESCRIPTION, REFERENCE = "Energy in 16 bands.", "None."


def available():
    return None


def load(argument, *, modality, device):
    return Model()


class Model:
    sample_rate, dimensions, frame_level, min_samples = 16_000, 16, True, 32

    def __init__(self):
        self.done = 0

    def embed(self, waveforms):
        values = [bands(x) for x in waveforms]
        while self.done + len(values) > FREE and not Path(os.environ["HEARSPACE_TEST_GATE"]).exists():
            values = [bands(x) for x in waveforms]
            time.sleep(0.01)
        self.done += len(values)
        return values


def bands(x):
    import numpy as np

    parts = [np.abs(np.fft.rfft(p)) for p in np.array_split(x, 2)]
    return np.array([[b.mean() for b in np.array_split(p, 16)] for p in parts], np.float32)
"""


def install(folder: Path) -> None:
    """Write the distribution into a folder of packages."""
    about = folder / "gated-1.0.dist-info"
    about.mkdir(parents=True)
    (folder / "gated.py").write_text(CODE.replace("FREE", str(FREE)))
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: gated\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[hearspace.encoders]\ngated = gated\n")
