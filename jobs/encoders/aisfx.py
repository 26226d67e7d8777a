"""aiSFX, a convolutional network trained on commercial sound-effects libraries (Ma & Lerch, ISMIR 2022).

The weights come inside the ``aisfx`` wheel. Its code is not run: the checkpoint is read with an allow-list,
and the network (eight 3 x 3 convolutions) is applied here with batch normalisation folded into the
convolutions and the blocks of many clips in one batch. A frame is 100 columns of a spectrogram, about 2.3 s,
with 50 % hop; a rest shorter than that at the end of a longer clip is left out, as the package does.
512 dimensions.

The spectrogram follows the package's librosa version, with time along the axis on which its Essentia version,
with which the network was trained, and the network's own blocks have it.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.encoders import Card
from jobs.encoders._folders import in_package

if TYPE_CHECKING:
    import numpy as np
    import torch

NAME = "aisfx"
VERSION = 1
MODALITIES = frozenset({"audio"})
INDEPENDENT = frozenset({"cpu"})
TAKES_ARGUMENT = False
DESCRIPTION = "A network trained on sound-effects libraries, frames of 2.3 s."
REFERENCE = (
    "Ma & Lerch, Representation Learning for the Automatic Indexing of Sound Effects Libraries, ISMIR 2022; "
    "weights CC BY 4.0."
)
IMPORTS = ("torch", "scipy.fft", "core.audio")
CARD = Card("audio", "classification", parameters=4_686_144, dimensions=512)

_RATE, _N_FFT, _HOP, _N_MELS = 44_100, 2048, 1024, 96
_BLOCK, _STEP = 100, 50
# The largest value in the training set's spectrograms; the network expects values from 0 to 1.
_TOP = 9.457798957824707
# More blocks at once fall out of a core's cache and are slower; see benchmarks/aisfx_throughput.py.
_BATCH_CPU, _BATCH_GPU = 8, 256


class _Model:
    sample_rate = _RATE
    dimensions = 512
    frame_level = True
    min_samples = _N_FFT

    def __init__(self, device: str) -> None:
        self._device = device
        self._layers = _layers(_checkpoint(), device)

    def embed(self, waveforms: list[np.ndarray]) -> list[np.ndarray]:
        from jobs.encoders._frames import embed_blocks

        return embed_blocks(
            self._network,
            (spectrogram(x) for x in waveforms),
            size=_BLOCK,
            hop=_STEP,
            batch=_BATCH_CPU if self._device == "cpu" else _BATCH_GPU,
            device=self._device,
        )

    def _network(self, x: torch.Tensor) -> torch.Tensor:
        import torch
        import torch.nn.functional as F

        x = x.contiguous(memory_format=torch.channels_last)  # (b, 1, 100, 96)
        for i, (weight, bias) in enumerate(self._layers):
            x = F.relu_(F.conv2d(x, weight, bias, padding=1))
            if i in (1, 3, 5):
                x = F.max_pool2d(x, 2)
        return x.mean(dim=3).amax(dim=2)  # (b, 512, 12, 12) -> (b, 512)


def spectrogram(x: np.ndarray) -> np.ndarray:
    """Return the network's input for a waveform at 44.1 kHz: (T, 96) float32, 0 to about 1."""
    import numpy as np

    from core.audio import frame_spectra, hann
    from jobs.encoders._frames import pad

    x = pad(x, _N_FFT)
    peak = float(np.abs(x).max())
    x = np.pad(x / peak if peak > 0 else x, _N_FFT // 2)
    filters = _filters()
    power = [(s.real**2 + s.imag**2) @ filters for s in frame_spectra(x, hann(_N_FFT), _HOP)]
    return np.log10(np.concatenate(power) * 10_000 + 1) / np.float32(_TOP)


@lru_cache(maxsize=1)
def _filters() -> np.ndarray:
    """Triangles on HTK's mel scale from 0 Hz to 22.05 kHz, each with weights that sum to 1: (1025, 96)."""
    import numpy as np

    mels = np.linspace(0, 2595 * np.log10(1 + _RATE / 2 / 700), _N_MELS + 2)
    edges = 700 * (10 ** (mels / 2595) - 1)  # Hz
    bins = np.arange(_N_FFT // 2 + 1)[:, None] * _RATE / _N_FFT
    rising = (bins - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - bins) / np.diff(edges)[1:]
    weights = np.maximum(0, np.minimum(rising, falling))
    return (weights / weights.sum(axis=0)).astype(np.float32)


def _path() -> Path | None:
    return in_package("aisfx", "models", "checkpoint.pth")  # its version pins are stale


def _checkpoint() -> dict[str, Any]:
    """Read the weights. Only tensors and the whole numbers of a table of classes may be in the file."""
    import numpy as np
    import torch

    path = _path()
    assert path is not None, "load() makes sure"
    allowed: list[Any] = [
        (np.dtype, "numpy.dtype"),
        type(np.dtype(np.int64)),
        (np._core.multiarray.scalar, "numpy.core.multiarray.scalar"),  # type: ignore[attr-defined]
    ]
    with torch.serialization.safe_globals(allowed):
        weights, _classes = torch.load(path, map_location="cpu", weights_only=True)
    return weights


def _layers(weights: dict[str, Any], device: str) -> list[tuple[Any, Any]]:
    """Fold batch normalisation into the convolution before it: g (Wx - m) / s + b = (g/s) Wx + (b - gm/s)."""
    import torch

    layers = []
    for block in range(1, 5):
        for i in (1, 2):
            name = f"embedding_net.conv_block{block}"
            norm = {
                k: weights[f"{name}.bn{i}.{k}"].double()
                for k in ("weight", "bias", "running_mean", "running_var")
            }
            scale = norm["weight"] / torch.sqrt(norm["running_var"] + 1e-5)
            weight = weights[f"{name}.conv{i}.weight"].double() * scale[:, None, None, None]
            bias = norm["bias"] - norm["running_mean"] * scale
            weight = weight.float().to(device).contiguous(memory_format=torch.channels_last)
            layers.append((weight, bias.float().to(device)))
    return layers


def available() -> str | None:
    """Return None if the wheel is installed, else how to get it."""
    if _path() is None:
        return "aisfx needs the weights of the aisfx package: pip install --no-deps aisfx==0.1.2"
    return None


def load(argument: str | None, *, modality: str, device: str) -> _Model:
    """Load the weights onto `device`."""
    return _Model(device)
