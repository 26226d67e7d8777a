"""Mel spectra of sound, in NumPy and SciPy alone.

Mel frequencies and filters follow Slaney's Auditory Toolbox as librosa does by default (linear below 1 kHz,
logarithmic above, triangles of unit area), so an encoder trained on librosa's features sees the same numbers.
Frequencies are in Hz, times in seconds, samples have full scale 1, levels are in dB (``10 log10`` of power).
The empty signal has zero frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.fft

_HZ_A_MEL = 200.0 / 3  # below the break: linear
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _HZ_A_MEL
_LOG_STEP = np.log(6.4) / 27.0  # above: 27 mels from 1 kHz to 6.4 kHz
_FRAMES_AT_ONCE = 2048  # bounds memory: about 30 MB of spectra at n_fft = 2048


def hz_to_mel(hz: np.ndarray | float) -> np.ndarray:
    """Convert Hz to Slaney's mel scale.

    Parameters
    ----------
    hz : array-like, >= 0

    Returns
    -------
    ndarray of float64

    Examples
    --------
    >>> round(float(hz_to_mel(1000.0)), 9)
    15.0
    """
    hz = np.asarray(hz, dtype=np.float64)
    above = _BREAK_MEL + np.log(np.maximum(hz, _BREAK_HZ) / _BREAK_HZ) / _LOG_STEP
    return np.where(hz < _BREAK_HZ, hz / _HZ_A_MEL, above)


def mel_to_hz(mel: np.ndarray | float) -> np.ndarray:
    """Convert Slaney's mel scale to Hz, the inverse of `hz_to_mel`.

    Examples
    --------
    >>> round(float(mel_to_hz(15.0)), 9)
    1000.0
    """
    mel = np.asarray(mel, dtype=np.float64)
    above = _BREAK_HZ * np.exp(_LOG_STEP * np.maximum(mel - _BREAK_MEL, 0))
    return np.where(mel < _BREAK_MEL, mel * _HZ_A_MEL, above)


def mel_frequencies(n_mels: int, *, fmin: float = 0.0, fmax: float = 11025.0) -> np.ndarray:
    """Return frequencies spaced evenly on the mel scale.

    Parameters
    ----------
    n_mels : int
    fmin, fmax : float
        First and last frequency, Hz.

    Returns
    -------
    ndarray of float64, shape (n_mels,)
    """
    return mel_to_hz(np.linspace(float(hz_to_mel(fmin)), float(hz_to_mel(fmax)), n_mels))


def mel_filterbank(
    sample_rate: int, n_fft: int, *, n_mels: int = 128, fmin: float = 0.0, fmax: float | None = None
) -> np.ndarray:
    """Return triangular mel filters of unit area.

    Parameters
    ----------
    sample_rate : int
    n_fft : int
        Length of the transform.
    n_mels : int, default=128
    fmin, fmax : float
        Lowest and highest frequency, Hz; `fmax` is half the sample rate by default.

    Returns
    -------
    ndarray of float32, shape (n_mels, n_fft // 2 + 1)
        Weights on the power in each frequency bin. A filter narrower than a bin may hold none and is 0.
    """
    fmax = sample_rate / 2 if fmax is None else fmax
    if not 0 <= fmin < fmax:
        raise ValueError(f"fmin is {fmin} and fmax is {fmax}; needed is 0 <= fmin < fmax.")
    return _filterbank(int(sample_rate), int(n_fft), int(n_mels), float(fmin), float(fmax))


@lru_cache(maxsize=32)
def _filterbank(sample_rate: int, n_fft: int, n_mels: int, fmin: float, fmax: float) -> np.ndarray:
    bins = np.arange(n_fft // 2 + 1) * (sample_rate / n_fft)
    edges = mel_frequencies(n_mels + 2, fmin=fmin, fmax=fmax)
    slopes = (edges[:, None] - bins[None, :]) / np.diff(edges, append=np.nan)[:, None]  # (n_mels + 2, bins)
    rising, falling = -slopes[:-2], (edges[2:, None] - bins[None, :]) / np.diff(edges)[1:, None]
    weights = np.maximum(0, np.minimum(rising, falling)) * (2 / (edges[2:] - edges[:-2]))[:, None]
    weights = weights.astype(np.float32)
    weights.flags.writeable = False  # shared by every caller
    return weights


def hann(size: int) -> np.ndarray:
    """Return a periodic Hann window, float32 of shape (size,)."""
    return (0.5 - 0.5 * np.cos(2 * np.pi / size * np.arange(size))).astype(np.float32)


def frame_spectra(x: np.ndarray, window: np.ndarray, hop_length: int) -> Iterator[np.ndarray]:
    """Yield the spectra of all whole frames of a signal, some thousand frames at a time.

    Parameters
    ----------
    x : ndarray, shape (n,)
    window : ndarray, shape (n_fft,)
    hop_length : int
        Samples from one frame to the next.

    Yields
    ------
    ndarray of complex, shape (frames, n_fft // 2 + 1)
    """
    frames = np.lib.stride_tricks.sliding_window_view(x, len(window))[::hop_length]  # (frames, n_fft) view
    for a in range(0, len(frames), _FRAMES_AT_ONCE):
        yield scipy.fft.rfft(frames[a : a + _FRAMES_AT_ONCE] * window, axis=1)


def mel_power(
    x: np.ndarray,
    sample_rate: int,
    *,
    n_fft: int = 2048,
    hop_length: int = 512,
    n_mels: int = 128,
    fmin: float = 0.0,
    fmax: float | None = None,
) -> np.ndarray:
    """Compute the power in mel bands over time, as librosa's ``melspectrogram`` with zeros beyond the ends.

    Parameters
    ----------
    x : ndarray, shape (n,)
    sample_rate : int
    n_fft, hop_length : int
        Samples in a frame, and from one frame to the next.
    n_mels, fmin, fmax
        As in `mel_filterbank`.

    Returns
    -------
    ndarray of float32, shape (n_mels, 1 + n // hop_length), or (n_mels, 0) for an empty signal
    """
    x = np.asarray(x, dtype=np.float32)
    if x.ndim != 1:
        raise ValueError(f"x has shape {x.shape}; it must be one channel, shape (n,).")
    if n_fft < 2 or hop_length < 1:
        raise ValueError(f"n_fft is {n_fft} and hop_length is {hop_length}; needed are 2 and 1 at least.")
    filters = mel_filterbank(sample_rate, n_fft, n_mels=n_mels, fmin=fmin, fmax=fmax)
    n_frames = 1 + len(x) // hop_length if len(x) else 0
    out = np.empty((n_mels, n_frames), np.float32)
    if n_frames == 0:
        return out
    padded = np.pad(x, n_fft // 2 + (n_fft % 2))[n_fft % 2 :]
    a = 0
    for spectrum in frame_spectra(padded, hann(n_fft), hop_length):
        power = spectrum.real**2 + spectrum.imag**2  # (frames, n_fft // 2 + 1)
        out[:, a : a + len(power)] = filters @ power.T
        a += len(power)
    return out


def power_to_db(
    power: np.ndarray, *, ref: float = 1.0, amin: float = 1e-10, top_db: float | None = None
) -> np.ndarray:
    """Convert power to dB: ``10 log10(power / ref)``, of at least `amin`, and at most `top_db` below the top.

    Parameters
    ----------
    power : ndarray
    ref : float, default=1
        Power that is 0 dB.
    amin : float, default=1e-10
        Smallest power that differs from silence.
    top_db : float, optional

    Returns
    -------
    ndarray of float32, same shape
    """
    db = 10 * np.log10(np.maximum(power, amin)) - 10 * np.log10(max(ref, amin))
    if top_db is not None and db.size:
        db = np.maximum(db, db.max() - top_db)
    return db.astype(np.float32)


def log_mel(x: np.ndarray, sample_rate: int, *, top_db: float | None = None, **params: Any) -> np.ndarray:
    """Compute a log-mel spectrogram for an encoder: `mel_power` in dB.

    Parameters
    ----------
    x : ndarray, shape (n,)
    sample_rate : int
    top_db : float, optional
        As in `power_to_db`.
    **params
        As in `mel_power`.

    Returns
    -------
    ndarray of float32, shape (n_mels, frames)
    """
    return power_to_db(mel_power(x, sample_rate, **params), top_db=top_db)


def spectrogram(
    x: np.ndarray,
    sample_rate: int,
    *,
    n_mels: int = 64,
    n_frames: int = 200,
    fmin: float = 30.0,
    fmax: float | None = None,
    top_db: float = 80.0,
) -> np.ndarray:
    """Compute a mel spectrogram for a picture: a given number of columns for a sound of any length.

    Columns are means of power, so nothing in a long sound falls between two of them.

    Parameters
    ----------
    x : ndarray, shape (n,)
    sample_rate : int
    n_mels : int, default=64
        Rows, lowest frequency first; their centres are ``mel_frequencies(n_mels + 2, ...)[1:-1]``.
    n_frames : int, default=200
        Columns; fewer for a sound of fewer samples.
    fmin, fmax : float
        Range in Hz; up to half the sample rate by default.
    top_db : float, default=80
        Range of levels kept.

    Returns
    -------
    ndarray of float32, shape (n_mels, <= n_frames)
        dB relative to the loudest point: from ``-top_db`` to 0, and ``-top_db`` throughout for silence.
    """
    x = np.asarray(x, dtype=np.float32)
    if n_frames < 1:
        raise ValueError(f"n_frames is {n_frames}; it must be 1 or more.")
    # About 46 ms: the lowest bands are separate, an onset stays sharp.
    n_fft = 1 << max(6, round(np.log2(0.046 * sample_rate)))
    fmin = min(fmin, sample_rate / 8)
    n_frames = min(n_frames, len(x))
    if n_frames == 0:
        return np.empty((n_mels, 0), np.float32)
    hop = max(1, min(n_fft // 2, len(x) // n_frames))
    power = mel_power(x, sample_rate, n_fft=n_fft, hop_length=hop, n_mels=n_mels, fmin=fmin, fmax=fmax)
    starts = np.arange(n_frames) * power.shape[1] // n_frames
    counts = np.diff(starts, append=power.shape[1])
    pooled = np.add.reduceat(power, starts, axis=1) / counts
    top = float(pooled.max())
    if top <= 1e-10:
        return np.full(pooled.shape, -top_db, np.float32)
    return np.maximum(10 * np.log10(np.maximum(pooled / top, 1e-30)), -top_db).astype(np.float32)


def waveform_peaks(x: np.ndarray, n_bins: int = 400) -> np.ndarray:
    """Find the lowest and highest sample in equal stretches of a sound, for a picture of its wave.

    Parameters
    ----------
    x : ndarray, shape (n,)
    n_bins : int, default=400
        Stretches; fewer for a sound of fewer samples.

    Returns
    -------
    ndarray of float32, shape (<= n_bins, 2)
    """
    x = np.asarray(x, dtype=np.float32)
    n_bins = min(n_bins, len(x))
    if n_bins == 0:
        return np.empty((0, 2), np.float32)
    starts = np.arange(n_bins) * len(x) // n_bins
    return np.stack([np.minimum.reduceat(x, starts), np.maximum.reduceat(x, starts)], axis=1)
