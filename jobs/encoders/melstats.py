"""Mean and standard deviation of each band of a log-mel spectrogram: an encoder without a model.

64 bands from 0 Hz to 16 kHz, frames of 32 ms every 16 ms, in dB of power, no lower than 80 dB below the
loudest point of the clip. A vector is 64 means, low bands first, then 64 deviations, all in units of
10 dB. Loudness is part of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.encoders import Card, ClipModel, always_available

if TYPE_CHECKING:
    import numpy as np

NAME = "melstats"
VERSION = 1
MODALITIES = frozenset({"audio"})
INDEPENDENT = frozenset({"cpu", "cuda"})
TAKES_ARGUMENT = False
DESCRIPTION = "Mean and deviation of 64 log-mel bands: loudness and colour, no model."
REFERENCE = "Signal processing without weights; Slaney's mel scale."
IMPORTS = ("scipy.fft", "core.audio")
CARD = Card("audio", "none (signal processing)", parameters=0, training_data=0, dimensions=128)
available = always_available

N_MELS = 64


class _Model(ClipModel):
    sample_rate = 32_000
    dimensions = 2 * N_MELS
    min_samples = 1024

    def vector(self, x: np.ndarray) -> np.ndarray:
        import numpy as np

        from core.audio import log_mel

        db = log_mel(x, self.sample_rate, n_fft=1024, hop_length=512, n_mels=N_MELS, top_db=80)  # (64, T)
        return np.concatenate([db.mean(axis=1), db.std(axis=1)]).astype(np.float32) / 10  # (128,)


def load(argument: str | None, *, modality: str, device: str) -> _Model:
    """Return the model; it runs on the CPU whatever `device` is."""
    return _Model()
