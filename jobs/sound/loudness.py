"""Measure loudness and play sounds equally loud: ITU-R BS.1770, without clipping.

A louder sound is taken for the better one, so clips that are judged against each other are played at equal
loudness. Loudness is measured as a browser plays the file: mono through both speakers, which makes it 3 dB
louder than the standard's single channel, stereo as it is, and more channels mixed down to mono.

Light to import; pyloudnorm, which filters and gates as the standard says, is loaded where it measures.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable

import numpy as np

from jobs.sound.files import decode, decode_checked, resample, stream

#: LUFS that sounds are played at: the level of European broadcasts (EBU R 128).
TARGET = -23.0
#: dB of full scale that the true peak of what is played stays below (EBU R 128).
CEILING = -1.0

_BLOCK = 0.4  # seconds, the standard's gating block
_STEP = 0.1  # seconds from one block to the next
_OVERSAMPLING = 4
_PEAK_FRAMES = 1 << 18  # frames oversampled at a time
_MARGIN = 1 << 10  # frames on either side of them, longer than the filter


def loudness(path: str | os.PathLike[str], *, duration: float | None = None) -> float:
    """Measure the integrated loudness of a sound file as a browser plays it.

    Parameters
    ----------
    path : path-like
    duration : float, optional
        Seconds to measure from the beginning; all by default.

    Returns
    -------
    float
        LUFS. ``-inf`` for silence, which is what the standard calls all below -70 LUFS.

    Raises
    ------
    AudioError
        When the file cannot be read.

    See Also
    --------
    integrated_loudness : for samples, and for the treatment of short sounds.
    """
    return integrated_loudness(*_played(path, duration))


def integrated_loudness(x: np.ndarray, sample_rate: int) -> float:
    """Measure the integrated loudness of samples.

    Parameters
    ----------
    x : (n,), (n, 1) or (n, 2) array
        Full scale is 1. One channel counts as played by both speakers: 3 dB more than the standard says of
        a single one, and as much as the same sound in a stereo file.
    sample_rate : int
        Hz.

    Returns
    -------
    float
        LUFS; ``-inf`` for silence. A sound shorter than the standard's block of 400 ms is measured with
        silence behind it, which is close to hearing: half as long is 3 dB less loud. As in the standard, the
        rest after the last whole step of 100 ms is not measured.

    Raises
    ------
    ValueError
        For samples of another shape, or a sample rate below 100 Hz.

    References
    ----------
    Recommendation ITU-R BS.1770-5, "Algorithms to measure audio programme loudness and true-peak audio
    level", 2023. C. J. Steinmetz and J. D. Reiss, "pyloudnorm: a simple yet flexible loudness meter in
    Python", 150th AES Convention, 2021.

    Examples
    --------
    >>> t = np.arange(48_000) / 48_000
    >>> tone = 10 ** (-23 / 20) * np.sin(2 * np.pi * 997 * t)
    >>> round(integrated_loudness(np.stack([tone, tone], axis=1), 48_000), 2)
    -23.0
    >>> integrated_loudness(np.zeros(100), 48_000)
    -inf
    """
    x = np.asarray(x)
    if x.dtype != np.float32:  # filters run in float64 either way; ten minutes are held as they come
        x = x.astype(np.float64)
    if x.ndim == 1:
        x = x[:, None]
    if x.ndim != 2 or x.shape[1] not in (1, 2):
        raise ValueError(f"Samples have shape {x.shape}; they must be (n,), (n, 1) or (n, 2).")
    if sample_rate < 100:
        raise ValueError(f"sample_rate is {sample_rate}; it must be at least 100 Hz.")
    from pyloudnorm import Meter

    # Never fewer than one block; then whole steps.
    shortest = math.ceil(_BLOCK * sample_rate)
    if len(x) < shortest:
        x = np.concatenate([x, np.zeros((shortest - len(x), x.shape[1]), x.dtype)])
    steps = math.floor((len(x) - _BLOCK * sample_rate) / (_STEP * sample_rate) + 1e-9)
    x = x[: math.ceil((_BLOCK + steps * _STEP) * sample_rate - 1e-6)]
    if x.shape[1] == 1:
        x = x * math.sqrt(2)  # the energy of two speakers
    # Of pyloudnorm's filters, these have the coefficients of the standard at every rate.
    return float(Meter(sample_rate, filter_class="DeMan").integrated_loudness(x))


def true_peak(x: np.ndarray, sample_rate: int) -> float:
    """Measure the largest absolute value that a sound reaches, also between its samples, in dB full scale.

    Parameters
    ----------
    x : (n,) or (n, channels) array
    sample_rate : int
        Hz.

    Returns
    -------
    float
        dBTP, measured at four times the sample rate, as in BS.1770's annex 2; ``-inf`` for silence.

    Examples
    --------
    >>> between = np.tile([0.5, 0.5, -0.5, -0.5], 1000)  # a sine whose crests fall between samples
    >>> bool(true_peak(between, 8000) > 20 * np.log10(0.5) + 3)
    True
    """
    x = np.asarray(x, dtype=np.float32)
    peak = float(np.abs(x).max(initial=0.0))
    for start in range(0, len(x), _PEAK_FRAMES):
        before = min(start, _MARGIN)
        part = x[start - before : start + _PEAK_FRAMES + _MARGIN]
        finer = resample(part, sample_rate, _OVERSAMPLING * sample_rate)
        # The filter rings where a part was cut; there it is the neighbouring part that is looked at.
        inner = finer[_OVERSAMPLING * before : _OVERSAMPLING * (before + _PEAK_FRAMES)]
        peak = max(peak, float(np.abs(inner).max(initial=0.0)))
    return 20 * math.log10(peak) if peak > 0 else -math.inf


def gain_db(lufs: float, target: float = TARGET, *, peak: float, ceiling: float = CEILING) -> float:
    """Return the gain that brings a sound to the target loudness, or as near as possible without clipping.

    Parameters
    ----------
    lufs : float
        Its loudness; ``-inf`` for silence.
    target : float, default -23
        LUFS.
    peak : float
        Its true peak in dBTP.
    ceiling : float, default -1
        Highest dBTP allowed.

    Returns
    -------
    float
        dB. Less than ``target - lufs`` where the peak would pass the ceiling: a sound of few short peaks then
        stays quieter than the others. 0 for silence, less if even its peak is above the ceiling.

    Raises
    ------
    ValueError
        For NaN.

    Examples
    --------
    >>> gain_db(-33.0, peak=-20.0)
    10.0
    >>> gain_db(-33.0, peak=-6.0)
    5.0
    """
    if math.isnan(lufs) or math.isnan(peak):
        raise ValueError(f"Loudness is {lufs} and peak {peak}; neither can be NaN.")
    wanted = 0.0 if lufs == -math.inf else target - lufs
    return min(wanted, ceiling - peak)


def at_equal_loudness(
    path: str | os.PathLike[str],
    target: float = TARGET,
    *,
    duration: float | None = None,
    check: Callable[[], object] | None = None,
) -> tuple[np.ndarray, int]:
    """Read a sound file as a browser plays it, at the target loudness.

    Parameters
    ----------
    path : path-like
    target : float, default -23
        LUFS.
    duration : float, optional
        Seconds to read from the beginning; all by default.
    check : callable, optional
        Called after each block that is read; any exception of it ends the reading.

    Returns
    -------
    samples : (n, channels) float32 array
        One or two channels. Never above `CEILING`, even between samples; `gain_db` says what that costs.
    sample_rate : int

    Raises
    ------
    AudioError
        When the file cannot be read.
    """
    x, rate = _played(path, duration, check)
    gain = gain_db(integrated_loudness(x, rate), target, peak=true_peak(x, rate))
    return x * np.float32(10 ** (gain / 20)), rate


def _played(
    path: str | os.PathLike[str], duration: float | None, check: Callable[[], object] | None = None
) -> tuple[np.ndarray, int]:
    """Read samples as a browser plays them, (n, 1) or (n, 2), and their rate."""
    first, _ = next(stream(path, mono=False, duration=0.001))
    read = decode if check is None else functools.partial(decode_checked, check=check)
    x, rate = read(path, mono=first.shape[1] > 2, duration=duration)
    return x.reshape(len(x), -1), rate
