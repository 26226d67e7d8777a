"""An untrained convolutional network: the control that every claim about a trained one needs.

Log-mel blocks of 2.05 s every 1.02 s pass through four convolutions with ReLU and pooling, whose weights are
He-normal from seed 0 and never trained. What it separates, the architecture and the mel scale separate.
A frame is the mean and the maximum over time and frequency of the last 128 channels.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from jobs.encoders import Card, always_available

if TYPE_CHECKING:
    import numpy as np
    import torch

NAME = "random-cnn"
VERSION = 1
MODALITIES = frozenset({"audio"})
INDEPENDENT = frozenset({"cpu"})
TAKES_ARGUMENT = False
DESCRIPTION = "An untrained network with fixed random weights: the control for trained ones."
REFERENCE = "He et al. 2015 for the scale of the weights; seed 0."
IMPORTS = ("torch", "scipy.fft", "core.audio")
CARD = Card("audio", "none (random weights)", parameters=96_912, training_data=0, dimensions=256)
available = always_available

CHANNELS = (1, 16, 32, 64, 128)
_N_MELS, _HOP, _N_FFT = 64, 512, 1024
_BLOCK, _STEP, _BATCH = 128, 64, 16


class _Model:
    sample_rate = 32_000
    dimensions = 2 * CHANNELS[-1]
    frame_level = True
    min_samples = _N_FFT

    def __init__(self, device: str) -> None:
        self._device = device
        self._weights = _weights(device)

    def embed(self, waveforms: list[np.ndarray]) -> list[np.ndarray]:
        from jobs.encoders._frames import embed_blocks

        return embed_blocks(
            self._network,
            self._spectrograms(waveforms),
            size=_BLOCK,
            hop=_STEP,
            batch=_BATCH,
            device=self._device,
        )

    def _spectrograms(self, waveforms: list[np.ndarray]) -> Iterator[np.ndarray]:
        from core.audio import log_mel
        from jobs.encoders._frames import pad

        for x in waveforms:
            db = log_mel(
                pad(x, self.min_samples),
                self.sample_rate,
                n_fft=_N_FFT,
                hop_length=_HOP,
                n_mels=_N_MELS,
                top_db=80,
            )
            yield db.T / 40 + 1  # about zero mean and unit deviation for ordinary recordings; (T, 64)

    def _network(self, x: torch.Tensor) -> torch.Tensor:
        import torch
        import torch.nn.functional as F

        for weight in self._weights:
            x = F.max_pool2d(F.relu_(F.conv2d(x, weight, padding=1)), 2)  # (b, c, T / 2, bands / 2)
        return torch.cat([x.mean(dim=(2, 3)), x.amax(dim=(2, 3))], dim=1)  # (b, 256)


def _weights(device: str) -> list[Any]:
    import numpy as np
    import torch

    # NumPy's generator, because its stream is the same on every device and in every version of torch.
    rng = np.random.default_rng(0)
    weights = []
    for fan_in, fan_out in pairwise(CHANNELS):
        w = rng.standard_normal((fan_out, fan_in, 3, 3)) * np.sqrt(2 / (9 * fan_in))
        weights.append(torch.from_numpy(w.astype(np.float32)).to(device))
    return weights


def load(argument: str | None, *, modality: str, device: str) -> _Model:
    """Make the network."""
    return _Model(device)
