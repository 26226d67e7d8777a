"""Building blocks of synthetic sounds: tones, noises, resonances, events.

A recipe gets a `Take`, one performance of a sound: its random numbers, its length, and how far it may stray
from the typical. Signals are float arrays of `Take.n` samples, in any scale; the mix sets levels.
Frequencies are in Hz, times in seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.fft
from scipy.ndimage import uniform_filter1d
from scipy.signal import lfilter

Recipe = Callable[["Take"], np.ndarray]

_TABLE = 2048  # samples in one period of a wave


@dataclass(frozen=True)
class SoundClass:
    """A class of synthetic sounds.

    Parameters
    ----------
    name : str
        Label, in the words of the AudioSet class that it imitates.
    family : str
        One of the six families of FSD50K.
    description : str
        One sentence about the sound.
    recipe : callable
        Makes the samples of one take.
    """

    name: str
    family: str
    description: str
    recipe: Recipe


class Family:
    """A family of classes; decorating a recipe with ``family(name, description)`` adds its class.

    Attributes
    ----------
    classes : list of SoundClass
        In the order of their recipes.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.classes: list[SoundClass] = []

    def __call__(self, name: str, description: str) -> Callable[[Recipe], Recipe]:
        """Return a decorator for the recipe of a class."""

        def add(recipe: Recipe) -> Recipe:
            self.classes.append(SoundClass(name, self.name, description, recipe))
            return recipe

        return add


class Take:
    """One performance of a recipe.

    Parameters
    ----------
    rng : numpy Generator
        Of this clip alone.
    sample_rate, n : int
        Hz, and samples to make.
    spread : float
        How far parameters stray: 0 not at all, 1 as far as the recipes say.
    """

    def __init__(self, rng: np.random.Generator, sample_rate: int, n: int, spread: float) -> None:
        self.rng, self.sample_rate, self.n, self.spread = rng, sample_rate, n, spread
        self.seconds = n / sample_rate

    @cached_property
    def t(self) -> np.ndarray:
        """Time of each sample, shape (n,)."""
        return np.arange(self.n) / self.sample_rate

    @cached_property
    def fft_n(self) -> int:
        """Length of the transforms that filter a whole take."""
        return int(scipy.fft.next_fast_len(self.n + self.sample_rate // 20, real=True))

    @cached_property
    def bins(self) -> np.ndarray:
        """Frequencies of the transform, shape (fft_n // 2 + 1,); the first replaces 0 Hz."""
        f = scipy.fft.rfftfreq(self.fft_n, 1 / self.sample_rate).astype(np.float32)
        f[0] = f[1]
        return f

    def near(self, value: float, octaves: float = 0.5) -> float:
        """A value about `octaves` (one standard deviation at full spread) away from `value`."""
        return float(value * 2 ** (self.spread * octaves * np.clip(self.rng.standard_normal(), -2, 2)))

    def between(self, low: float, high: float) -> float:
        """A value around the middle of a range; all of the range is reached at full spread."""
        u = 0.5 + min(self.spread, 1.0) * (self.rng.random() - 0.5)
        return float(low + u * (high - low))

    def count(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, all equally likely whatever the spread."""
        return int(self.rng.integers(low, high + 1))

    def samples(self, seconds: float) -> int:
        """Samples in a stretch of time, at least one."""
        return max(1, round(seconds * self.sample_rate))

    # -- curves over time ----------------------------------------------------------------------------------

    def drift(self, rate: float) -> np.ndarray:
        """A smooth random curve of about unit deviation that turns some `rate` times a second."""
        m = max(4, int(self.seconds * rate) + 4)
        points = self.rng.standard_normal(m)
        position = self.t * rate + self.rng.random()
        i = np.minimum(position.astype(np.int64), m - 2)
        u = position - i
        u = u * u * (3 - 2 * u)
        return points[i] * (1 - u) + points[i + 1] * u

    def regular(self, period: float, jitter: float = 0.1, start: float | None = None) -> np.ndarray:
        """Times of events that come every `period`, each off by a share `jitter` of it; at least one."""
        start = self.rng.random() * min(period, 0.3 * self.seconds) if start is None else start
        times = np.arange(start, max(self.seconds - 0.02, start + 1e-6), period)
        times = times + jitter * period * (self.rng.random(len(times)) - 0.5)
        return np.clip(times, 0, None)

    def early(self, low: float, high: float) -> float:
        """A time from `low` to `high` after the beginning; earlier in a take of less than a second."""
        return self.between(low, high) * min(self.seconds, 1.0)

    def groups(self, calls: np.ndarray, pace: float, count: int) -> np.ndarray:
        """Times of `count` events from each call on, `pace` apart, sorted; none past the end."""
        times = np.sort((calls[:, None] + pace * np.arange(count)[None, :]).ravel())
        return times[times < max(self.seconds - 0.02, times[0] + 1e-6)]

    def scattered(self, rate: float) -> np.ndarray:
        """Times of events at random, `rate` a second, sorted; at least one."""
        count = max(1, self.rng.poisson(rate * self.seconds))
        return np.sort(self.rng.random(count)) * max(self.seconds - 0.02, 0.5 * self.seconds)

    def impulses(
        self, times: np.ndarray, gains: np.ndarray | float = 1.0, *, flip: bool = False
    ) -> np.ndarray:
        """Unit impulses at the given times; with `flip`, of either sign."""
        x = np.zeros(self.n)
        at = np.minimum((times * self.sample_rate).astype(np.int64), self.n - 1)
        gains = np.broadcast_to(np.asarray(gains, dtype=np.float64), at.shape)
        if flip:
            gains = gains * self.rng.choice((-1.0, 1.0), len(at))
        np.add.at(x, at, gains)
        return x

    def hits(
        self, times: np.ndarray, attack: float, decay: float, gains: np.ndarray | float = 1.0
    ) -> np.ndarray:
        """Envelope of blows that rise in about `attack` and fall by e in `decay`; a lone one peaks at 1."""
        attack = min(attack, 0.7 * decay)
        x = self.impulses(times, gains)
        slow, fast = (np.exp(-1 / (s * self.sample_rate)) for s in (decay, attack))
        peak_at = np.log(decay / attack) * decay * attack / (decay - attack)
        peak = np.exp(-peak_at / decay) - np.exp(-peak_at / attack)
        return (lfilter([1.0], [1.0, -slow], x) - lfilter([1.0], [1.0, -fast], x)) / peak

    def notes(
        self, starts: np.ndarray, lengths: np.ndarray | float, attack: float = 0.02, release: float = 0.05
    ) -> np.ndarray:
        """Envelope that is 1 for a length from each start, with soft edges."""
        lengths = np.broadcast_to(np.asarray(lengths, dtype=np.float64), starts.shape)
        envelope = np.zeros(self.n)
        for start, length in zip(starts, lengths, strict=True):
            a = int(start * self.sample_rate)
            x = self.t[a : a + self.samples(length + release)] - start
            rise, fall = np.clip(x / attack, 0, 1), np.clip((length + release - x) / release, 0, 1)
            shape = 0.5 - 0.5 * np.cos(np.pi * rise * fall)
            envelope[a : a + len(x)] = np.maximum(envelope[a : a + len(x)], shape)
        return envelope

    def stepwise(self, starts: np.ndarray, values: np.ndarray | Sequence[float]) -> np.ndarray:
        """Curve that takes each value from its start on."""
        which = np.searchsorted(starts, self.t, side="right") - 1
        return np.asarray(values)[np.clip(which, 0, len(starts) - 1)]

    def progress(self, starts: np.ndarray, length: float) -> np.ndarray:
        """Curve that goes from 0 to 1 in some seconds from each start, and then stays."""
        return np.clip((self.t - self.stepwise(starts, starts)) / length, 0, 1)

    def glide(self, values: np.ndarray, seconds: float) -> np.ndarray:
        """Smooth the steps of a curve: a moving mean over some time."""
        smooth: np.ndarray = uniform_filter1d(
            values.astype(np.float64), self.samples(seconds), mode="nearest"
        )
        return smooth

    # -- tones ---------------------------------------------------------------------------------------------

    def _phase(self, frequency: np.ndarray | float) -> np.ndarray:
        """Periods passed at each sample."""
        if isinstance(frequency, np.ndarray):
            phase: np.ndarray = np.cumsum(frequency) / self.sample_rate
            return phase
        return self.t * frequency

    def tone(self, f0: np.ndarray | float, amplitudes: np.ndarray | Sequence[float]) -> np.ndarray:
        """Harmonic tone of a fundamental that may change; none of its harmonics is beyond Nyquist's limit."""
        amplitudes = np.asarray(amplitudes, dtype=np.float64)
        highest = float(np.max(f0))
        keep = min(len(amplitudes), _TABLE // 2 - 1, max(1, int(0.46 * self.sample_rate / highest)))
        spectrum = np.zeros(_TABLE // 2 + 1, np.complex128)
        spectrum[1 : keep + 1] = amplitudes[:keep] * np.exp(2j * np.pi * self.rng.random(keep))
        period = scipy.fft.irfft(spectrum) * _TABLE
        phase = self._phase(f0)
        position = (phase % 1.0) * _TABLE
        i = position.astype(np.int64)
        u = position - i
        table = np.concatenate([period, period[:2]])
        level = np.sqrt(0.5 * np.sum(amplitudes[:keep] ** 2)) * 2
        return (table[i] * (1 - u) + table[i + 1] * u) / max(level, 1e-9)

    def sine(self, frequency: np.ndarray | float) -> np.ndarray:
        """Sine of a frequency that may change."""
        return self.tone(frequency, [1.0])

    def fm(self, carrier: np.ndarray | float, ratio: float, index: np.ndarray | float) -> np.ndarray:
        """Frequency modulation: `index` radians by a sine at `ratio` times the carrier."""
        phase = self._phase(carrier)
        return np.sin(2 * np.pi * (phase % 1) + index * np.sin(2 * np.pi * ((phase * ratio) % 1)))

    def ring(
        self,
        times: np.ndarray,
        gains: np.ndarray | float,
        frequencies: Sequence[float] | np.ndarray,
        decays: Sequence[float] | np.ndarray,
        amplitudes: Sequence[float] | np.ndarray,
    ) -> np.ndarray:
        """Modes of a struck body: each blow sets off damped sines that fall by e in their `decays`."""
        x = self.impulses(times, gains)
        y = np.zeros(self.n)
        for frequency, decay, amplitude in zip(frequencies, decays, amplitudes, strict=True):
            if frequency < 0.46 * self.sample_rate:
                radius = np.exp(-1 / (decay * self.sample_rate))
                angle = 2 * np.pi * frequency / self.sample_rate
                y += amplitude * lfilter(
                    [0.0, np.sin(angle)], [1.0, -2 * radius * np.cos(angle), radius**2], x
                )
        return y

    # -- noises and filters --------------------------------------------------------------------------------

    def white(self) -> np.ndarray:
        """White noise of unit deviation."""
        return self.rng.standard_normal(self.n, dtype=np.float32)

    def shaped(self, x: np.ndarray, *gains: np.ndarray) -> list[np.ndarray]:
        """Filter `x` by each of some gain curves over `Take.bins`."""
        spectrum = scipy.fft.rfft(x.astype(np.float32), self.fft_n)
        return [scipy.fft.irfft(spectrum * g.astype(np.float32), self.fft_n)[: self.n] for g in gains]

    def band(self, low: float, high: float, order: float = 2.0) -> np.ndarray:
        """Gain curve: 1 from `low` to `high`, falling by 6 dB an octave and `order` on either side."""
        f = self.bins
        return 1 / np.sqrt((1 + (low / f) ** (2 * order)) * (1 + (f / high) ** (2 * order)))

    def slope(self, exponent: float) -> np.ndarray:
        """Gain curve that falls as f ** -exponent, 1 at 1 kHz and flat below 20 Hz."""
        return (np.maximum(self.bins, 20) / 1000) ** -exponent

    def peaks(
        self,
        centers: Sequence[float] | np.ndarray,
        widths: Sequence[float] | np.ndarray,
        gains: Sequence[float] | np.ndarray,
        floor: float = 0.0,
    ) -> np.ndarray:
        """Gain curve with a resonance at each center, as wide as given in Hz, over a floor."""
        f = self.bins
        curve = np.full(len(f), floor, np.float32)
        for center, width, gain in zip(centers, widths, gains, strict=True):
            curve += gain / np.sqrt(1 + ((f - center) / (0.5 * width)) ** 2)
        return curve

    def noise(self, *gains: np.ndarray) -> np.ndarray:
        """Noise of unit deviation, shaped by the product of gain curves."""
        x = self.shaped(self.white(), np.prod(gains, axis=0))[0]
        return x / max(float(np.std(x)), 1e-9)

    def moving(self, x: np.ndarray, centers: np.ndarray, width: float, steps: int = 5) -> np.ndarray:
        """Band-pass whose center moves along a curve; `width` is in octaves.

        A mixture of `steps` fixed filters: the nearest to the center is loudest.
        """
        low, high = np.log2(np.min(centers)), np.log2(max(np.max(centers), np.min(centers) * 1.01))
        grid = np.linspace(low, high, steps)
        curves = [self.band(2 ** (g - width / 2), 2 ** (g + width / 2), 3) for g in grid]
        where = np.interp(np.log2(centers), grid, np.arange(steps))
        parts = self.shaped(x, *curves)
        y = np.zeros(self.n)
        for k, part in enumerate(parts):
            y += part * np.clip(1 - np.abs(where - k), 0, 1)
        return y


def rolloff(count: int, slope: float) -> np.ndarray:
    """Amplitudes of `count` harmonics that fall as k ** -slope."""
    return np.arange(1, count + 1, dtype=np.float64) ** -slope


def saturate(x: np.ndarray, drive: float) -> np.ndarray:
    """Soft clipping of a signal brought to unit peak first."""
    return np.tanh(drive * unit(x))


def unit(x: np.ndarray) -> np.ndarray:
    """Scale to a peak of 1; silence stays."""
    peak = float(np.max(np.abs(x)))
    return x / peak if peak > 1e-12 else x


def level(x: np.ndarray) -> np.ndarray:
    """Scale to unit root mean square; silence stays."""
    rms = float(np.sqrt(np.mean(np.square(x))))
    return x / rms if rms > 1e-12 else x
