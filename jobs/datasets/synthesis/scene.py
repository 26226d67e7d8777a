"""From a dry sound to a recording of one: room, distance, background, another sound, level.

`difficulty` in [0, 1] sets the amount of all that, and how far takes of a class stray from each other.
"""

from __future__ import annotations

import numpy as np
import scipy.fft

from jobs.datasets.synthesis import blocks as b
from jobs.datasets.synthesis.blocks import SoundClass, Take

_FADE = 0.008  # s
_CREST = 14.0  # highest peak over the root mean square (23 dB)


def spread(difficulty: float) -> float:
    """How far the parameters of a recipe stray."""
    return 0.3 + 0.9 * difficulty


def record(
    sound: SoundClass,
    others: tuple[SoundClass, ...],
    *,
    rng: np.random.Generator,
    n: int,
    sample_rate: int,
    difficulty: float,
) -> np.ndarray:
    """Make one clip.

    Parameters
    ----------
    sound : SoundClass
        The sound of the clip's class.
    others : tuple of SoundClass
        From which a sound in the background is drawn.
    rng : numpy Generator
        Of this clip alone; the dry sound, the room, the background draw from children of it.
    n, sample_rate : int
    difficulty : float in [0, 1]

    Returns
    -------
    ndarray of float32, shape (n,)
        Peak at most 0.9, from 0 to 0.
    """
    dry_rng, room_rng, back_rng = rng.spawn(3)
    dry = sound.recipe(Take(dry_rng, sample_rate, n, spread(difficulty)))
    wet = _room(b.level(dry), room_rng, sample_rate, difficulty)
    # A recordist's limiter: one spike must not make the rest of a clip inaudible.
    limited = _CREST * np.tanh(b.level(wet) / _CREST)
    x = limited + _background(others, back_rng, n, sample_rate, difficulty)
    peak = 0.9 * 10 ** (-12 * difficulty * room_rng.random() / 20)
    fade = min(round(_FADE * sample_rate), n // 2)
    x = b.unit(x) * peak
    ramp = 0.5 - 0.5 * np.cos(np.pi * np.arange(fade) / max(fade, 1))
    x[:fade] *= ramp
    x[n - fade :] *= ramp[::-1]
    return x.astype(np.float32)


def _room(x: np.ndarray, rng: np.random.Generator, sample_rate: int, difficulty: float) -> np.ndarray:
    """A microphone's tilt and the decaying echoes of a room, in one convolution."""
    seconds = 0.12 + 0.9 * difficulty * rng.random()
    amount = (0.03 + 0.35 * difficulty) * rng.random()
    m = round(seconds * sample_rate)
    echoes = rng.standard_normal(m, dtype=np.float32) * np.exp(-6.9 * np.arange(m) / m).astype(np.float32)
    echoes *= amount / np.sqrt(np.sum(echoes**2))
    echoes[0] += 1
    size = int(scipy.fft.next_fast_len(len(x) + m, real=True))
    f = scipy.fft.rfftfreq(size, 1 / sample_rate)
    octaves = np.log2(np.maximum(f, 40) / 1000)
    tilt = 2.5 * difficulty * rng.standard_normal()  # dB an octave
    highest = 15_000 * 2 ** (-1.5 * difficulty * rng.random())
    gain = 10 ** (np.clip(tilt, -5, 5) * octaves / 20) / np.sqrt(1 + (f / highest) ** 6)
    gain *= f**2 / (f**2 + 20**2)  # a microphone does not hear a constant
    spectrum = scipy.fft.rfft(x.astype(np.float32), size) * scipy.fft.rfft(echoes, size)
    return scipy.fft.irfft(spectrum * gain.astype(np.float32), size)[: len(x)]


def _background(
    others: tuple[SoundClass, ...], rng: np.random.Generator, n: int, sample_rate: int, difficulty: float
) -> np.ndarray:
    """Noise of a place, and, the harder the more often, another sound of the world further off."""
    take = Take(rng, sample_rate, n, spread(difficulty))
    below = 60 - 42 * difficulty * rng.random() ** 0.7  # dB under the sound
    place = take.noise(take.slope(rng.uniform(0.2, 1.2)), take.band(30, 12_000, 1))
    x = place * 10 ** (-below / 20)
    if rng.random() < 0.7 * difficulty:
        other = others[int(rng.integers(len(others)))]
        away = 24 - 16 * difficulty * rng.random()
        x += b.level(other.recipe(take)) * 10 ** (-away / 20)
    return x
