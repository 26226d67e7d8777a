"""Sound from files: what a file holds (`probe`), its samples (`decode`), what is odd about them (`inspect`).

libsndfile reads first (WAV, FLAC, OGG, Opus, MP3, AIFF, CAF, ...). What it cannot read goes to PyAV where it
is installed (M4A, AAC, WMA, ...). Samples are float32, full scale is 1. Samples that are not finite numbers
become 0, so that one bad sample cannot spoil an embedding. Durations are in seconds.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
import soxr

#: Name endings that are looked at as sound. PyAV is needed for those in `AV_SUFFIXES`.
# fmt: off
SNDFILE_SUFFIXES = frozenset((
    ".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc",
    ".au", ".snd", ".caf", ".w64", ".rf64",
))
AV_SUFFIXES = frozenset((
    ".m4a", ".m4b", ".mp4", ".aac", ".wma", ".webm", ".mka", ".ac3", ".eac3", ".amr", ".3gp", ".ape",
    ".wv", ".tta", ".mp2",
))
# fmt: on
SUFFIXES = SNDFILE_SUFFIXES | AV_SUFFIXES

# Containers that hold their own sound. Playlists (HLS, concat, DASH, SDP) stay out: they make FFmpeg open
# other files and addresses, and a sound file from anywhere must not be able to ask for that.
_AV_FORMATS = (
    "aac,ac3,eac3,amr,ape,asf,caf,flac,loas,matroska,webm,mov,mp3,mp4,m4a,ogg,tta,wav,wv,w64,aiff,au"
)
_AV_OPTIONS = {"format_whitelist": _AV_FORMATS, "protocol_whitelist": "none"}
_SMALL_BLOCK = 1 << 10
_BLOCK = 1 << 18  # frames read at a time: bounds memory for hour-long files of many channels


class AudioError(ValueError):
    """A file cannot be read as sound.

    Parameters
    ----------
    path : path-like
        The file.
    reason : str
        Why, in one clause that can stand in a report.
    """

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        self.path, self.reason = str(path), reason
        super().__init__(f"{self.path}: {reason}.")

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.path, self.reason)


@dataclass(frozen=True)
class AudioInfo:
    """What a file holds, as its header says.

    Parameters
    ----------
    duration : float
        Seconds.
    sample_rate : int
        Samples a second and channel.
    channels : int
    n_samples : int
        Samples in each channel; an estimate for what PyAV reads.
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
    """What a whole file turns out to hold once every sample is read.

    Parameters
    ----------
    info : AudioInfo
        With the true number of samples.
    peak : float
        Largest absolute finite sample; full scale is 1.
    n_bad : int
        Samples that are not finite numbers.
    remarks : tuple of str
        What a person should know before trusting the clip, in plain words; empty for most files.
    """

    info: AudioInfo
    peak: float
    n_bad: int
    remarks: tuple[str, ...]


def probe(path: str | os.PathLike[str]) -> AudioInfo:
    """Read the header of a sound file.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    AudioInfo

    Raises
    ------
    AudioError
        When the file is missing, empty, unreadable, or not sound.
    """
    with _Reader(path) as reader:
        return reader.info


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
        Mix the channels down to their mean.
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
        When the file cannot be read, or holds nothing in the part asked for.
    """
    if sample_rate is not None and sample_rate < 1:
        raise ValueError(f"sample_rate is {sample_rate}; it must be 1 or more, or None for the file's own.")
    with _Reader(path) as reader:
        rate = reader.info.sample_rate
        start = round(offset * rate)
        stop = None if duration is None else start + max(1, round(duration * rate))
        parts = [_finite(b.mean(axis=1) if mono else b) for b in reader.blocks(start, stop)]
    if not parts:
        raise AudioError(path, "holds no samples" + (f" after {offset:g} s" if offset else ""))
    x = np.concatenate(parts) if len(parts) > 1 else parts[0]
    return (resample(x, rate, sample_rate), sample_rate) if sample_rate else (x, rate)


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
    """Read every sample of a file, in bounded memory, and say what is odd about it.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    Inspection

    Raises
    ------
    AudioError
        When the file cannot be read or holds no samples.
    """
    n, n_bad, peak = 0, 0, 0.0
    with _Reader(path) as reader:
        info, promised = reader.info, reader.promised
        for block in reader.blocks():
            n += len(block)
            top, low = float(block.max()), float(block.min())
            if not (np.isfinite(top) and np.isfinite(low)):
                bad = ~np.isfinite(block)
                n_bad += int(bad.sum())
                block = np.where(bad, np.float32(0), block)
                top, low = float(block.max()), float(block.min())
            peak = max(peak, top, -low)
    if n == 0:
        raise AudioError(path, "holds no samples")
    remarks = []
    if promised is not None and n < promised:
        remarks.append(
            f"truncated: its header promises {promised / info.sample_rate:.2f} s, "
            f"{n / info.sample_rate:.2f} s can be read"
        )
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
    true = AudioInfo(n / info.sample_rate, info.sample_rate, info.channels, n, info.format, info.subtype)
    return Inspection(true, peak, n_bad, tuple(remarks))


def has_av() -> bool:
    """Whether PyAV is installed, which reads M4A, AAC and what else FFmpeg knows."""
    return importlib.util.find_spec("av") is not None


def _finite(x: np.ndarray) -> np.ndarray:
    x = np.ascontiguousarray(x, dtype=np.float32)
    # The sum is one pass; the mask is made only for the rare file that needs it.
    if not np.isfinite(x.sum(dtype=np.float64)):
        x = np.where(np.isfinite(x), x, np.float32(0))
    return x


class _Reader:
    """One open file: its header, and its samples in blocks of shape (n, channels)."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._sf: Any = None
        self._av: Any = None
        #: Samples a channel that the header speaks of, where that can be known.
        self.promised: int | None = None
        try:
            # Unbuffered, so that the descriptor that libsndfile copies stands where `seek` put it.
            self._file = open(self.path, "rb", buffering=0)  # noqa: SIM115 - closed in __exit__
        except FileNotFoundError:
            raise AudioError(path, "there is no such file") from None
        except IsADirectoryError:
            raise AudioError(path, "is a folder, not a file") from None
        except PermissionError:
            raise AudioError(path, "may not be read (its permissions forbid it)") from None
        except OSError as error:
            raise AudioError(path, f"cannot be opened ({error.strerror or error})") from None
        try:
            self.info = self._open()
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, *_: object) -> None:
        for opened in (self._sf, self._av, self._file):
            if opened is not None:
                opened.close()

    def _open(self) -> AudioInfo:
        if os.fstat(self._file.fileno()).st_size == 0:
            raise AudioError(self.path, "is empty (0 bytes)")
        # libsndfile quietly corrects a WAV header that promises too much, so the header is read here too.
        self.promised = _wav_promise(self._file)
        self._file.seek(0)
        try:
            # libsndfile reads a copy of the descriptor: no call back into Python for every block. The copy
            # shares its position with `_file`, which is not touched again.
            self._sf = f = sf.SoundFile(os.dup(self._file.fileno()), closefd=True)
        except (sf.LibsndfileError, RuntimeError, TypeError, ValueError):
            self._file.seek(0)
            self.promised = None
            return self._open_av()
        if f.format not in ("WAV", "WAVEX"):
            self.promised = int(f.frames) if 0 < f.frames < 2**62 else None
        return AudioInfo(f.frames / f.samplerate, f.samplerate, f.channels, f.frames, f.format, f.subtype)

    def _open_av(self) -> AudioInfo:
        if not has_av():
            if self.path.suffix.lower() in AV_SUFFIXES:
                raise AudioError(self.path, "needs PyAV to be read: pip install 'hearspace[av]'")
            raise AudioError(self.path, "is not sound that libsndfile can read")
        import av

        try:
            self._av = av.open(self._file, options=dict(_AV_OPTIONS))
        except (av.FFmpegError, OSError, ValueError):
            raise AudioError(self.path, "is not sound that libsndfile or FFmpeg can read") from None
        if not self._av.streams.audio:
            raise AudioError(self.path, "holds no sound")
        stream = self._av.streams.audio[0]
        rate, channels = stream.rate, stream.codec_context.channels
        if not rate or not channels:
            raise AudioError(self.path, "is damaged: it names no sample rate")
        seconds = 0.0
        if stream.duration is not None:
            seconds = float(stream.duration * stream.time_base)
        elif self._av.duration is not None:
            seconds = self._av.duration / 1_000_000
        name = self._av.format.name.split(",")[0].upper()
        codec = (stream.codec_context.name or "").upper()
        return AudioInfo(seconds, rate, channels, round(seconds * rate), name, codec)

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        """Yield the samples from `start` to `stop`; what is damaged in the middle ends the sound there."""
        source = self._sf_blocks(start, stop) if self._sf is not None else self._av_blocks(start, stop)
        for block in source:
            if len(block):
                yield block

    def _sf_blocks(self, start: int, stop: int | None) -> Iterator[np.ndarray]:
        f, position, size = self._sf, 0, _BLOCK
        if start:
            try:
                position = f.seek(min(start, f.frames))
            except (sf.LibsndfileError, RuntimeError):
                raise AudioError(self.path, f"cannot be read from sample {start} on") from None
        while stop is None or position < stop:
            wanted = size if stop is None else min(size, stop - position)
            try:
                block = f.read(wanted, dtype="float32", always_2d=True)
            except (sf.LibsndfileError, RuntimeError):
                if size == _SMALL_BLOCK:
                    return
                # Damage somewhere in this block: what lies before it can still be had in small steps.
                size = _SMALL_BLOCK
                try:
                    f.seek(position)
                except (sf.LibsndfileError, RuntimeError):
                    return
                continue
            if len(block) == 0:
                return
            position += len(block)
            yield block

    def _av_blocks(self, start: int, stop: int | None) -> Iterator[np.ndarray]:
        import av

        position = 0  # FFmpeg seeks by packet; counting samples is exact
        resampler = av.AudioResampler(format="fltp")
        frames = self._av.decode(audio=0)
        while stop is None or position < stop:
            try:
                decoded = resampler.resample(next(frames))
            except StopIteration:
                return
            except (av.FFmpegError, ValueError):
                return
            for frame in decoded:
                block = frame.to_ndarray().T  # (channels, n) -> (n, channels)
                low = max(0, start - position)
                high = len(block) if stop is None else min(len(block), stop - position)
                position += len(block)
                if high > low:
                    yield np.ascontiguousarray(block[low:high], dtype=np.float32)


def _wav_promise(file: Any) -> int | None:
    """Samples a channel that the header of a WAV file speaks of, or None."""
    head = file.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        return None
    width = 0
    while len(head := file.read(8)) == 8:
        size = int.from_bytes(head[4:], "little")
        if head[:4] == b"fmt ":
            width = int.from_bytes(file.read(size)[12:14], "little")
        elif head[:4] == b"data":
            # Recorders that could not go back to their header leave 0 or the largest number there.
            return size // width if width and 0 < size < 0xFFFFFF00 else None
        else:
            file.seek(size, os.SEEK_CUR)
        if size % 2:
            file.seek(1, os.SEEK_CUR)
    return None
