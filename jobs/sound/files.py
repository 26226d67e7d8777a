"""Sound from files: properties of a file (`probe`), its samples (`decode`), their flaws (`inspect`).

libsndfile reads first (WAV, FLAC, OGG, Opus, MP3, AIFF, CAF, ...). PyAV, if installed, reads the rest (M4A,
AAC, WMA, ...). Samples are float32, full scale is 1. Samples that are not finite numbers
become 0, so that one bad sample cannot spoil an embedding. Durations are in seconds, and are those of the
samples that can be read, whatever a header says (`jobs.sound.layout`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import soxr

from jobs.sound.buffer import Collected, NoRoom
from jobs.sound.decoders import Av, Decoder, Empty, Sndfile, Unreadable, cut, has_av
from jobs.sound.layout import Layout, read_layout
from jobs.sound.mix import Mix
from jobs.sound.notes import alone, collected

#: Endings of names of sound files. PyAV is needed for those in `AV_SUFFIXES`.
# fmt: off
SNDFILE_SUFFIXES = frozenset((
    ".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc",
    ".au", ".snd", ".caf", ".w64", ".rf64", ".sph",
))
AV_SUFFIXES = frozenset((
    ".m4a", ".m4b", ".mp4", ".aac", ".wma", ".webm", ".mka", ".ac3", ".eac3", ".amr", ".3gp", ".ape",
    ".wv", ".tta", ".mp2",
))
# fmt: on
SUFFIXES = SNDFILE_SUFFIXES | AV_SUFFIXES

#: Hz that a recording can have, and seconds that it can last. Outside lies a damaged header, or more than the
#: memory can hold.
RATES = (100, 1_000_000)
LONGEST = 24 * 3600


class AudioError(ValueError):
    """A file cannot be read as sound.

    Parameters
    ----------
    path : path-like
        The file.
    reason : str
        Why, in one clause for a report.
    """

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        self.path, self.reason = str(path), reason
        super().__init__(f"{self.path}: {reason}.")

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.path, self.reason)


@dataclass(frozen=True)
class AudioInfo:
    """Length, rate, channels and encoding of a file.

    Parameters
    ----------
    duration : float
        Seconds.
    sample_rate : int
        Samples a second and channel.
    channels : int
    n_samples : int
        Samples in each channel.
    format, subtype : str
        Container and encoding, such as ``WAV`` and ``PCM_24``.
    """

    duration: float
    sample_rate: int
    channels: int
    n_samples: int
    format: str
    subtype: str


@dataclass(frozen=True)
class Inspection:
    """The result of reading every sample of a file.

    Parameters
    ----------
    info : AudioInfo
        With the true number of samples.
    peak : float
        Largest absolute finite sample; full scale is 1.
    n_bad : int
        Samples that are not finite numbers.
    remarks : tuple of str
        Flaws to know of before trusting the clip, in plain words; empty for most files.
    """

    info: AudioInfo
    peak: float
    n_bad: int
    remarks: tuple[str, ...]


def probe(path: str | os.PathLike[str]) -> AudioInfo:
    """Return the properties of a file, reading its samples only if the header does not give their number.

    Returns
    -------
    AudioInfo
        Of the length that `decode` gives.

    Raises
    ------
    AudioError
        If the file is missing, empty, unreadable, not sound, or outside `RATES` and `LONGEST`.
    """
    with _Reader(path) as reader:
        return reader.counted()


def decode(
    path: str | os.PathLike[str],
    sample_rate: int | None = None,
    *,
    mono: bool = True,
    offset: float = 0.0,
    duration: float | None = None,
) -> tuple[np.ndarray, int]:
    """Read a sound file as float32.

    Parameters
    ----------
    path : path-like
    sample_rate : int, optional
        Rate to resample to (soxr, high quality). By default the file's own.
    mono : bool, default=True
        Mix the channels down to their mean. Where they cancel each other out, so that their sum has less than
        a thousandth of the power that they have together (-30 dB, over the first minute), the mix is the one
        channel with the most power instead: `jobs.sound.mix`.
    offset : float, default=0
        Seconds to leave out at the beginning.
    duration : float, optional
        Seconds to read at most.

    Returns
    -------
    samples : ndarray of float32, shape (n,), or (n, channels) when not `mono`
        Finite, never empty; full scale is 1.
    sample_rate : int

    Raises
    ------
    AudioError
        If the file cannot be read, is outside `RATES` and `LONGEST`, holds nothing in the part asked for,
        or needs more memory than there is.
    """
    if sample_rate is not None and sample_rate < 1:
        raise ValueError(f"sample_rate is {sample_rate}; it must be 1 or more, or None for the file's own.")
    with _Reader(path) as reader:
        rate, to = reader.info.sample_rate, sample_rate or reader.info.sample_rate
        length = reader.expected()
        if duration is not None:
            length = min(length, round(duration * rate))
        collected = Collected(-(-max(0, length - (0 if duration else round(offset * rate))) * to // rate))
        stream: Any = None
        n = 0
        for block in _blocks(path, reader, mono, offset, duration):
            n += len(block)
            if to != rate:
                # Equal, to the bit, to resampling the whole, and needs no memory for the whole.
                stream = stream or soxr.ResampleStream(rate, to, block.shape[1:] or 1, "float32", "HQ")
                block = stream.resample_chunk(block)
            collected.add(block)
        if n == 0:
            raise AudioError(path, "holds no samples" + (f" after {offset:g} s" if offset else ""))
        if stream is not None:
            collected.add(stream.resample_chunk(collected.empty(), last=True))
        return collected.samples(-(-n * to // rate)), to


def stream(
    path: str | os.PathLike[str], *, mono: bool = True, duration: float | None = None
) -> Iterator[tuple[np.ndarray, int]]:
    """Yield the samples of `decode` in blocks, each with the sample rate, without holding them all."""
    with _Reader(path) as reader:
        for block in _blocks(path, reader, mono, 0.0, duration):
            yield block, reader.info.sample_rate


def decode_checked(
    path: str | os.PathLike[str],
    check: Callable[[], object],
    *,
    mono: bool = True,
    duration: float | None = None,
) -> tuple[np.ndarray, int]:
    """Decode a file, calling `check` after each block; any exception of it ends the reading."""
    blocks, rate = [], 0
    for block, rate in stream(path, mono=mono, duration=duration):  # noqa: B007 - of every block the same
        blocks.append(block)
        check()
    if not any(map(len, blocks)):
        raise AudioError(path, "holds no samples")
    return np.concatenate(blocks), rate


def _blocks(
    path: str | os.PathLike[str], reader: _Reader, mono: bool, offset: float, duration: float | None
) -> Iterator[np.ndarray]:
    rate = reader.info.sample_rate
    start = round(offset * rate)
    stop = None if duration is None else start + max(1, round(duration * rate))
    blocks = map(_finite, reader.blocks(start, stop))
    if not mono:
        return blocks
    if reader.info.channels == 1:
        return (b.mean(axis=1) for b in blocks)
    mix = Mix(rate, reader.info.channels)
    kept: list[np.ndarray] = []
    if start == 0 and (stop is None or stop >= mix.left):
        for block in blocks:
            kept.append(block)
            if mix.add(block):
                break
    else:  # the same mix as of the whole file
        with _Reader(path) as again:
            any(mix.add(_finite(block)) for block in again.blocks(0, mix.left))
    return (_finite(mix.down(b)) for b in chain(kept, blocks))  # a sum can pass the largest number


def resample(x: np.ndarray, sample_rate: int, to: int) -> np.ndarray:
    """Resample with soxr at high quality.

    Parameters
    ----------
    x : ndarray of shape (n,) or (n, channels)
    sample_rate, to : int
        The rate it has and the rate wanted.

    Returns
    -------
    ndarray of float32
        ``ceil(n * to / sample_rate)`` samples, so a clip of one sample stays a clip.
    """
    x = np.ascontiguousarray(x, dtype=np.float32)
    if sample_rate == to or len(x) == 0:
        return x
    n = -(-len(x) * to // sample_rate)
    y = soxr.resample(x, sample_rate, to, quality="HQ")[:n]
    if len(y) < n:  # soxr rounds; keep the promised length
        y = np.concatenate([y, np.zeros((n - len(y), *y.shape[1:]), np.float32)])
    return y.astype(np.float32, copy=False)


def inspect(path: str | os.PathLike[str]) -> Inspection:
    """Read every sample of a file, in bounded memory, and report its flaws.

    Returns
    -------
    Inspection

    Raises
    ------
    AudioError
        If the file cannot be read, holds no samples, or is outside `RATES` and `LONGEST`.
    """
    with collected() as notes:
        inspection = _inspect(path)
    if notes:  # perhaps those of other files, which other threads read
        with alone(), collected() as notes:
            inspection = _inspect(path)
    if not notes:
        return inspection
    remark = f"libmpg123, which decodes it, remarks: {notes[0]}"
    return replace(inspection, remarks=(*inspection.remarks, remark))


def _inspect(path: str | os.PathLike[str]) -> Inspection:
    n, n_bad, peak = 0, 0, 0.0
    with _Reader(path) as reader:
        info = reader.info
        mix = Mix(info.sample_rate, info.channels)
        for block in reader.blocks():
            n += len(block)
            top, low = float(block.max()), float(block.min())
            if not (np.isfinite(top) and np.isfinite(low)):
                bad = ~np.isfinite(block)
                n_bad += int(bad.sum())
                block = np.where(bad, np.float32(0), block)
                top, low = float(block.max()), float(block.min())
            peak = max(peak, top, -low)
            mix.add(block)
            mix.look(block)
        if n == 0:
            raise AudioError(path, "holds no samples")
        remarks = reader.remarks(n)
    if n_bad:
        remarks.append(f"{n_bad} samples are not finite numbers and are read as 0")
    if peak == 0:
        remarks.append("silent: every sample is 0")
    elif peak < 1e-4:
        remarks.append(f"almost silent: its peak is {20 * np.log10(peak):.0f} dB below full scale")
    elif peak > 10:
        remarks.append(f"its peak is {peak:.3g} times full scale")
    if n < 0.1 * info.sample_rate:
        remarks.append(f"very short: {1000 * n / info.sample_rate:.3g} ms")
    if info.channels > 2:
        remarks.append(f"{info.channels} channels, mixed down to one")
    remarks += mix.remarks(n / info.sample_rate)
    true = replace(info, duration=n / info.sample_rate, n_samples=n)
    return Inspection(true, peak, n_bad, tuple(remarks))


def _finite(x: np.ndarray) -> np.ndarray:
    x = np.ascontiguousarray(x, dtype=np.float32)
    # The sum is one pass; the mask is made only for the rare file that needs it.
    with np.errstate(invalid="ignore"):
        total = x.sum(dtype=np.float64)
    if not np.isfinite(total):
        x = np.where(np.isfinite(x), x, np.float32(0))
    return x


class _Reader:
    """One open file: its properties, and its samples in blocks of shape (n, channels), to be read once.

    Any exception of a decoder leaves the ``with`` block as an `AudioError`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._decoder: Decoder | None = None
        self._layout = Layout()
        try:
            # Unbuffered, so that the descriptor that libsndfile copies is where `seek` put it.
            self._file = open(self.path, "rb", buffering=0)  # noqa: SIM115 - closed in __exit__
        except FileNotFoundError:
            raise AudioError(path, "there is no such file") from None
        except IsADirectoryError:
            raise AudioError(path, "is a folder, not a file") from None
        except PermissionError:
            raise AudioError(path, "may not be read (its permissions forbid it)") from None
        except (OSError, ValueError) as error:
            raise AudioError(path, f"cannot be opened ({getattr(error, 'strerror', '') or error})") from None
        try:
            self.info = self._open()
        except BaseException as error:
            self.__exit__(type(error), error)

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, kind: type | None = None, error: BaseException | None = None, *_: object) -> None:
        for opened in (self._decoder, self._file):
            if opened is not None:
                with suppress(Exception):
                    opened.close()
        if isinstance(error, MemoryError):
            why = str(error) if isinstance(error, NoRoom) else "takes more memory than there is"
            raise AudioError(self.path, why) from None
        if isinstance(error, OSError):
            raise AudioError(self.path, f"cannot be read ({error.strerror or error})") from None
        if isinstance(error, Exception) and not isinstance(error, AudioError):
            why = " ".join(str(error).split()).rstrip(".")
            raise AudioError(self.path, f"cannot be decoded ({type(error).__name__}: {why})") from error
        if error is not None:
            raise error

    def _open(self) -> AudioInfo:
        if os.fstat(self._file.fileno()).st_size == 0:
            raise AudioError(self.path, "is empty (0 bytes)")
        # The decoders refuse a header that makes no sense.
        with suppress(ArithmeticError, LookupError, ValueError):
            self._layout = read_layout(self._file)
        try:
            self._decoder = d = self._open_sndfile()
        except Empty as error:
            raise AudioError(self.path, str(error)) from None
        except Unreadable as error:
            self._layout = Layout()
            self._decoder = d = self._open_av(error)
        low, high = RATES
        if not low <= d.sample_rate <= high:
            raise AudioError(
                self.path, f"has a sample rate of {d.sample_rate:,} Hz; it must be from {low} to {high:,} Hz"
            )
        return AudioInfo(
            d.n_samples / d.sample_rate, d.sample_rate, d.channels, d.n_samples, d.format, d.subtype
        )

    def _open_sndfile(self) -> Decoder:
        if self._layout.parts:
            with suppress(Unreadable):
                return Sndfile(self._file, self._layout.parts[0])
            self._layout = Layout()  # taken for what it is not
        return Sndfile(self._file)

    def _open_av(self, why: Unreadable) -> Decoder:
        if not has_av():
            if self.path.suffix.lower() in AV_SUFFIXES:
                raise AudioError(self.path, "needs PyAV to be read: pip install 'hearspace[av]'")
            raise AudioError(self.path, str(why))
        try:
            return Av(self._file)
        except Unreadable as error:
            # For a file that libsndfile knows, its reason is the better one.
            known = str(why) == "holds no samples"
            raise AudioError(self.path, str(why if known else error)) from None

    def expected(self) -> int:
        """Return how many samples the file probably holds, 0 if unknown."""
        return self._layout.promised or self.info.n_samples

    def counted(self) -> AudioInfo:
        """Return the properties of the file with the true number of samples."""
        assert self._decoder is not None
        if self._decoder.exact and len(self._layout.parts) < 2:
            self._check_length(self.info.n_samples)
            return self.info
        n = sum(map(len, self.blocks()))
        if n == 0:
            raise AudioError(self.path, "holds no samples")
        return replace(self.info, n_samples=n, duration=n / self.info.sample_rate)

    def remarks(self, n: int) -> list[str]:
        """Describe how the header disagrees with a file of `n` samples."""
        assert self._decoder is not None
        remarks, rate = [], self.info.sample_rate
        promised, tolerance = self._layout.promised, self._layout.tolerance
        if promised is None and len(self._layout.parts) < 2:
            promised = self._decoder.promised
            tolerance = rate // 10 + (promised or 0) // 100 if isinstance(self._decoder, Av) else 0
        if promised is not None and abs(n - promised) > tolerance:
            header = f"its header promises {promised / rate:.2f} s, "
            if n < promised:
                remarks.append(f"truncated: {header}{n / rate:.2f} s can be read")
            else:
                remarks.append(f"{header}but it holds {n / rate:.2f} s, which are read")
        if len(self._layout.parts) > 1:
            remarks.append(f"holds {len(self._layout.parts)} recordings one after the other, read as one")
        return remarks

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        """Yield the samples from `start` to `stop`; damage in the middle ends the sound there."""
        assert self._decoder is not None
        if len(self._layout.parts) < 2:
            return self._bounded(self._decoder.blocks(start, stop), start)
        return cut(self._bounded(self._joined()), start, stop)

    def _bounded(self, blocks: Iterator[np.ndarray], position: int = 0) -> Iterator[np.ndarray]:
        for block in blocks:
            position += len(block)
            self._check_length(position)
            yield block

    def _check_length(self, n: int) -> None:
        if n > LONGEST * self.info.sample_rate:
            raise AudioError(
                self.path,
                f"lasts more than {LONGEST // 3600} h, the most that is read; cut it into shorter files",
            )

    def _joined(self) -> Iterator[np.ndarray]:
        """Yield the blocks of all parts, at the rate and with the channels of the first."""
        assert self._decoder is not None
        yield from self._decoder.blocks()
        rate, channels = self.info.sample_rate, self.info.channels
        for part in self._layout.parts[1:]:
            self._decoder.close()
            try:
                self._decoder = d = Sndfile(self._file, part)
            except Unreadable:
                continue
            fit: Any = None
            for block in d.blocks():
                if d.channels != channels:
                    block = np.repeat(block.mean(axis=1, keepdims=True), channels, axis=1)
                if d.sample_rate != rate:
                    fit = fit or soxr.ResampleStream(d.sample_rate, rate, channels, "float32", "HQ")
                    block = fit.resample_chunk(block)
                yield block
            if fit is not None:
                yield fit.resample_chunk(np.empty((0, channels), np.float32), last=True)
