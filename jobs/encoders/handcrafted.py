"""Handcrafted features, as used before networks: the meaning of each number is known.

`FEATURES` names every dimension. Each number is ``(value - centre) / spread`` with a fixed centre and spread:
the median and the half-width of the middle 68 % on ordinary recordings, rounded, so that hertz, decibels and
counts weigh alike in a distance. They are constants, so a vector depends on its clip alone. Values are
kept within -10 and 10.

At 22.05 kHz, frames of 93 ms every 23 ms. ``mean`` and ``std`` run over frames. Frequencies are in octaves
above 1 Hz.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.encoders import Card, ClipModel, always_available

if TYPE_CHECKING:
    import numpy as np

NAME = "handcrafted"
VERSION = 1
MODALITIES = frozenset({"audio"})
INDEPENDENT = frozenset({"cpu", "cuda"})
TAKES_ARGUMENT = False
DESCRIPTION = "Spectral shape, MFCC, pitch and onset statistics, each dimension with a name."
REFERENCE = "McFee et al., librosa, SciPy 2015; de Cheveigné & Kawahara, YIN, JASA 2002 for pitch."
IMPORTS = ("jobs.encoders._librosa", "scipy.fft", "core.audio")
CARD = Card("audio", "none (signal processing)", parameters=0, training_data=0, dimensions=97)
available = always_available

_RATE, _N_FFT, _HOP = 22_050, 2048, 512
_PITCH = (65.0, 2093.0)  # C2 to C7

#: Centre and spread of the mean and of the standard deviation over frames, by name.
_OVER_FRAMES: dict[str, tuple[float, float, float, float]] = {
    "level (dB)": (-35, 22, 8, 12),
    "zero crossings (log10 of rate)": (-1.1, 0.71, 0.19, 0.59),
    "centroid (octaves)": (11, 1.5, 0.4, 1.4),
    "bandwidth (octaves)": (11.1, 1.4, 0.2, 1.4),
    "rolloff 85 % (octaves)": (12.1, 1.8, 0.4, 1.6),
    "flatness (log10)": (-1.71, 0.9, 0.44, 0.48),
    "contrast 1 (dB)": (17, 4, 4.6, 1.1),
    "contrast 2 (dB)": (12.5, 2.4, 3.4, 1),
    "contrast 3 (dB)": (14.8, 3.8, 3.4, 1.4),
    "contrast 4 (dB)": (15, 3.4, 2.6, 1.4),
    "contrast 5 (dB)": (16, 3.3, 2.3, 1.4),
    "contrast 6 (dB)": (16.1, 3.1, 1.8, 1.4),
    "contrast 7 (dB)": (45.6, 5.8, 4.1, 4.6),
    "mfcc 0": (-195, 150, 64, 54),
    "mfcc 1": (44, 32, 17, 12),
    "mfcc 2": (-5, 20, 11, 10),
    "mfcc 3": (5, 13, 7, 5.6),
    "mfcc 4": (-2, 10, 5.8, 4.5),
    "mfcc 5": (2.4, 7.7, 5.1, 3.6),
    "mfcc 6": (-1.5, 7.1, 4.9, 3.6),
    "mfcc 7": (1.6, 6.3, 4.4, 3),
    "mfcc 8": (0, 5.3, 4.2, 2.9),
    "mfcc 9": (1.3, 4.9, 4, 2.8),
    "mfcc 10": (-0.1, 4.5, 3.8, 2.9),
    "mfcc 11": (0.9, 3.9, 3.7, 2.4),
    "mfcc 12": (-0.5, 3.6, 3.6, 2.5),
    "mfcc 13": (0.7, 3.6, 3.5, 2.7),
    "mfcc 14": (-0.6, 3.1, 3.3, 2.3),
    "mfcc 15": (0.5, 3, 3.2, 2.1),
    "mfcc 16": (-0.6, 2.8, 3.1, 1.8),
    "mfcc 17": (0, 2.4, 3.1, 2),
    "mfcc 18": (-0.7, 2.6, 3, 2.1),
    "mfcc 19": (0.3, 2.2, 2.9, 2.6),
}
#: Centre and spread of the mean step from frame to frame, by coefficient.
_MFCC_CHANGE = (
    (7.1, 7.2), (3.6, 2.7), (3, 1.7), (2.5, 1.1), (2.25, 0.86), (2.18, 0.71), (2.13, 0.7),
    (2.04, 0.65), (1.99, 0.64), (1.98, 0.58), (1.92, 0.53), (1.91, 0.53), (1.89, 0.54), (1.86, 0.57),
    (1.81, 0.53), (1.81, 0.54), (1.76, 0.54), (1.75, 0.52), (1.71, 0.49), (1.7, 0.48),
)  # fmt: skip
#: Name of every dimension, centre and spread.
_SCALES: tuple[tuple[str, float, float], ...] = (
    *(
        (f"{name} {statistic}", *scale)
        for name, (m, m_spread, s, s_spread) in _OVER_FRAMES.items()
        for statistic, scale in (("mean", (m, m_spread)), ("std", (s, s_spread)))
    ),
    *((f"mfcc {i} change", *scale) for i, scale in enumerate(_MFCC_CHANGE)),
    ("pitch median (octaves)", 7.9, 1.5),
    ("pitch spread (octaves)", 1.5, 1.2),
    ("pitch steadiness", 0.65, 0.2),
    ("onset strength mean", 0.87, 0.47),
    ("onset strength std", 1.3, 1.2),
    ("onset strength max", 9.6, 8),
    ("onsets a second", 3.4, 2.8),
    ("energy: when (0 start to 1 end)", 0.48, 0.15),
    ("energy: spread in time", 0.255, 0.098),
    ("energy: active share", 0.7, 0.4),
    ("crest factor (dB)", 18.2, 5.3),
)
FEATURES = tuple(name for name, _, _ in _SCALES)


class _Model(ClipModel):
    sample_rate = _RATE
    dimensions = len(_SCALES)
    min_samples = 2 * _N_FFT

    def vector(self, x: np.ndarray) -> np.ndarray:
        import numpy as np

        _, centre, spread = zip(*_SCALES, strict=True)
        values = np.fromiter(measure(x).values(), dtype=np.float64, count=len(_SCALES))
        return np.clip((values - np.array(centre)) / np.array(spread), -10, 10).astype(np.float32)


def measure(x: np.ndarray) -> dict[str, float]:
    """Return every feature of a waveform at 22.05 kHz, by name, in its own unit."""
    import numpy as np

    from core.audio import mel_power, power_to_db
    from jobs.encoders._frames import pad
    from jobs.encoders._librosa import librosa

    x = pad(x, 2 * _N_FFT)
    magnitude = np.abs(librosa.stft(x, n_fft=_N_FFT, hop_length=_HOP))  # (1025, T)
    mel = mel_power(x, _RATE, n_fft=_N_FFT, hop_length=_HOP, n_mels=64)  # (64, T)
    db = power_to_db(mel, top_db=80)
    rms = librosa.feature.rms(S=magnitude, frame_length=_N_FFT)[0]
    level = 20 * np.log10(np.maximum(rms, 1e-5))
    shape = {
        "level (dB)": level,
        "zero crossings (log10 of rate)": np.log10(
            np.maximum(librosa.feature.zero_crossing_rate(x, frame_length=_N_FFT, hop_length=_HOP)[0], 1e-4)
        ),
        "centroid (octaves)": _octaves(librosa.feature.spectral_centroid(S=magnitude, sr=_RATE)[0]),
        "bandwidth (octaves)": _octaves(librosa.feature.spectral_bandwidth(S=magnitude, sr=_RATE)[0]),
        "rolloff 85 % (octaves)": _octaves(librosa.feature.spectral_rolloff(S=magnitude, sr=_RATE)[0]),
        "flatness (log10)": np.log10(librosa.feature.spectral_flatness(S=magnitude)[0]),
    }
    contrast = librosa.feature.spectral_contrast(S=magnitude, sr=_RATE, n_bands=6)  # (7, T)
    shape |= {f"contrast {i + 1} (dB)": row for i, row in enumerate(contrast)}
    mfcc = librosa.feature.mfcc(S=db, n_mfcc=20)  # (20, T)
    shape |= {f"mfcc {i}": row for i, row in enumerate(mfcc)}

    features: dict[str, float] = {}
    for name, row in shape.items():
        features |= {f"{name} mean": float(row.mean()), f"{name} std": float(row.std())}
    change = np.abs(np.diff(mfcc, axis=1)).mean(axis=1) if mfcc.shape[1] > 1 else np.zeros(20)
    features |= {f"mfcc {i} change": float(c) for i, c in enumerate(change)}
    return features | _pitch(x, level) | _onsets(db, len(x)) | _over_time(rms, level) | _crest(x)


def _octaves(hz: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.log2(np.maximum(hz, 20.0))


def _pitch(x: np.ndarray, level: np.ndarray) -> dict[str, float]:
    """Return median and spread in octaves over frames within 30 dB of the loudest, and steadiness.

    Steadiness is the share of steps under a semitone.
    """
    import numpy as np

    from jobs.encoders._librosa import librosa

    f0 = librosa.yin(x, fmin=_PITCH[0], fmax=_PITCH[1], sr=_RATE, frame_length=_N_FFT, hop_length=_HOP)
    n = min(len(f0), len(level))
    loud = np.flatnonzero((level[:n] > level.max() - 30) & (level[:n] > -80))
    octaves = np.log2(f0[:n])
    steps = np.abs(np.diff(octaves))[loud[loud < n - 1]] if n > 1 else np.empty(0)
    pitch = octaves[loud]
    return {
        "pitch median (octaves)": float(np.median(pitch)) if len(pitch) else float(np.log2(_PITCH[0])),
        "pitch spread (octaves)": (
            float(np.subtract(*np.percentile(pitch, (84, 16)))) if len(pitch) else 0.0
        ),
        "pitch steadiness": float(np.mean(steps < 1 / 12)) if len(steps) else 0.0,
    }


def _onsets(db: np.ndarray, n: int) -> dict[str, float]:
    from jobs.encoders._librosa import librosa

    strength = librosa.onset.onset_strength(S=db, sr=_RATE, hop_length=_HOP)  # (T,)
    # Envelopes are scaled to their own peak before peaks are picked: in noise without a beat there are many.
    onsets = librosa.onset.onset_detect(onset_envelope=strength, sr=_RATE, hop_length=_HOP, units="frames")
    return {
        "onset strength mean": float(strength.mean()),
        "onset strength std": float(strength.std()),
        "onset strength max": float(strength.max()),
        "onsets a second": len(onsets) * _RATE / n,
    }


def _over_time(rms: np.ndarray, level: np.ndarray) -> dict[str, float]:
    import numpy as np

    energy = rms.astype(np.float64) ** 2
    share = energy / energy.sum() if energy.sum() > 0 else np.full(len(energy), 1 / len(energy))
    at = (np.arange(len(share)) + 0.5) / len(share)
    middle = float(share @ at)
    return {
        "energy: when (0 start to 1 end)": middle,
        "energy: spread in time": float(np.sqrt(share @ (at - middle) ** 2)),
        "energy: active share": float(np.mean(level > level.max() - 20)),
    }


def _crest(x: np.ndarray) -> dict[str, float]:
    import numpy as np

    power = float(np.mean(x.astype(np.float64) ** 2))
    crest = 20 * float(np.log10(np.abs(x).max() / np.sqrt(power))) if power > 0 else 0.0
    return {"crest factor (dB)": crest}


def load(argument: str | None, *, modality: str, device: str) -> _Model:
    """Return the model; it runs on the CPU whatever `device` is."""
    return _Model()
