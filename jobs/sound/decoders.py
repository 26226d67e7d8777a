"""The two decoders, libsndfile and FFmpeg, behind one interface: properties of a file, and its samples."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable, Iterator
from contextlib import nullcontext, suppress
from typing import Any, Protocol

import numpy as np
import soundfile as sf

from jobs.sound.layout import Part, View
from jobs.sound.notes import gathered

# Containers that hold their own sound. Playlists (HLS, concat, DASH, SDP) stay out: they make FFmpeg open
# other files and addresses, and a sound file from anywhere must not be able to ask for that.
_AV_FORMATS = (
    "aac,ac3,eac3,amr,ape,asf,caf,flac,loas,matroska,webm,mov,mp3,mp4,m4a,ogg,tta,wav,wv,w64,aiff,au"
)
_AV_OPTIONS = {"format_whitelist": _AV_FORMATS, "protocol_whitelist": "none"}
_SMALL_BLOCK = 1 << 10
_BLOCK = 1 << 18  # frames read at a time, of files of up to four channels
#: Encodings whose number of samples follows from that of the bytes.
_PLAIN = ("PCM_", "FLOAT", "DOUBLE", "ULAW", "ALAW")


class Unreadable(Exception):
    """A decoder cannot read a file; the message is the reason."""


class Empty(Unreadable):
    """A decoder knows the file well, and it holds no sample."""


class Decoder(Protocol):
    """One open stream of samples, to be read once.

    Attributes
    ----------
    sample_rate, channels : int
    format, subtype : str
        Container and encoding.
    n_samples : int
        Samples a channel, as far as known without reading them.
    exact : bool
        Whether `n_samples` is what will be read, and not an estimate.
    promised : int or None
        Samples a channel that the container promises, if it does.
    """

    sample_rate: int
    channels: int
    format: str
    subtype: str
    n_samples: int
    exact: bool
    promised: int | None

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        """Yield the samples from `start` to `stop`, or to the end: float32 of shape (n, channels)."""

    def close(self) -> None:
        """Close what was opened."""


def cut(
    blocks: Iterable[np.ndarray], start: int, stop: int | None, position: int = 0
) -> Iterator[np.ndarray]:
    """Yield the samples from `start` to `stop`, or to the end, of blocks that begin at `position`."""
    for block in blocks:
        low = max(0, start - position)
        high = len(block) if stop is None else min(len(block), stop - position)
        position += len(block)
        if high > low:
            yield block[low:high]
        if stop is not None and position >= stop:
            return


def has_av() -> bool:
    """Return whether PyAV is installed, which reads M4A, AAC and all else that FFmpeg knows."""
    return importlib.util.find_spec("av") is not None


class _Sound(sf.SoundFile):
    """Reads straight on.

    `soundfile` seeks after every read of a file in which it can. That fails at the end where the number of
    samples is an estimate, and libmpg123 does not come back to where it was in every MP3.
    """

    def seekable(self) -> bool:
        """Return False."""
        return False


class Sndfile:
    """Decoder of libsndfile: WAV, FLAC, OGG, Opus, MP3, AIFF, CAF, ...

    Parameters
    ----------
    file : binary file, unbuffered
    part : Part, optional
        By default the whole file as it is.

    Raises
    ------
    Unreadable
        If libsndfile finds no sample.
    """

    def __init__(self, file: Any, part: Part | None = None) -> None:
        self._file, self._part = file, part
        file.seek(0)
        head = file.read(3)
        # Anything that may be an MP3 is read by libmpg123, which writes to the error output.
        talks = head == b"ID3" or head[:1] in (b"\xff", b"\0")
        self._quiet = gathered if talks else nullcontext
        self._sf = f = self._open()
        self.sample_rate, self.channels = f.samplerate, f.channels
        self.format, self.subtype = f.format, f.subtype
        self._block = max(_SMALL_BLOCK, min(_BLOCK, 4 * _BLOCK // f.channels))
        endless = part is not None and (part.endless or f.format == "FLAC")
        self.n_samples = 0 if endless or not 0 < f.frames < 1 << 62 else int(f.frames)
        self.promised = None if endless or f.format == "MP3" else self.n_samples or None
        self.exact = self.n_samples > 0 and f.subtype.startswith(_PLAIN) and f.format != "FLAC"
        self._first: np.ndarray | None = None
        if self.exact:
            return
        if f.subtype.startswith(_PLAIN) and f.format != "FLAC":
            self.close()
            raise Empty("holds no samples")
        with suppress(Unreadable):
            self._first = self._read(self._block)
        if self._first is None:  # damage: in small steps something may come
            self._block = _SMALL_BLOCK
            with suppress(Unreadable):
                self._first = self._read(self._block) if self._again(0) else None
        if self._first is None or len(self._first) == 0:
            self.close()
            raise Unreadable("holds no samples")

    def _open(self) -> _Sound:
        self._file.seek(0)
        try:
            with self._quiet():
                if self._part is not None:
                    return _Sound(View(self._file, self._part))
                # libsndfile reads a copy of the descriptor: no call back into Python for every block. The
                # copy shares its position with the file, which is not touched again.
                return _Sound(os.dup(self._file.fileno()), closefd=True)
        except Exception as error:
            raise Unreadable("is not sound that libsndfile can read") from error

    def _read(self, n: int) -> np.ndarray:
        try:
            with self._quiet():
                return self._sf.read(n, dtype="float32", always_2d=True)
        except Exception as error:
            raise Unreadable("is damaged") from error

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        """Yield the samples from `start` to `stop`; damage in the middle ends the sound there."""
        position, block = self._begin(start)
        return cut(self._read_on(position, block), start, stop, position)

    def _read_on(self, position: int, block: np.ndarray | None) -> Iterator[np.ndarray]:
        """Yield all blocks from a position on, the first of which may be read already."""
        size = self._block
        while True:
            try:
                block = self._read(size) if block is None else block
            except Unreadable:
                if size == _SMALL_BLOCK:
                    return
                # Damage somewhere in this block: small steps can still read the samples before it.
                size = _SMALL_BLOCK
                if not self._again(position):
                    return
                continue
            if len(block) == 0:
                return
            yield block
            position += len(block)
            block = None

    def _begin(self, start: int) -> tuple[int, np.ndarray | None]:
        """Seek to a sample if that is exact; return the position, and the block that is read already."""
        if start and self.format != "MP3":  # libmpg123 then lacks the bits in earlier frames for later ones
            try:
                return self._sf.seek(min(start, self.n_samples) if self.exact else start), None
            except Exception:
                self._again(0)
                return 0, None
        first, self._first = self._first, None
        return 0, first

    def _again(self, position: int) -> bool:
        """Open the file anew and read up to a sample; False if that fails."""
        self._sf.close()
        try:
            self._sf = self._open()
            while position > 0 and len(block := self._read(min(position, self._block))):
                position -= len(block)
        except Unreadable:
            return False
        return position == 0

    def close(self) -> None:
        """Close libsndfile's file, not the one that was given."""
        self._sf.close()


class Av:
    """Decoder of FFmpeg, by PyAV: M4A, AAC, WMA, ...

    Raises
    ------
    Unreadable
        If FFmpeg finds no sample.
    """

    def __init__(self, file: Any) -> None:
        import av

        file.seek(0)
        try:
            # A view tolerates seeks to impossible positions.
            whole = View(file, Part(0, os.fstat(file.fileno()).st_size))
            self._av: Any = av.open(whole, options=dict(_AV_OPTIONS))
        except Exception as error:
            raise Unreadable("is not sound that libsndfile or FFmpeg can read") from error
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        if not self._av.streams.audio:
            raise Unreadable("holds no sound")
        stream = self._av.streams.audio[0]
        if stream.codec_context is None:
            raise Unreadable("is damaged, or its encoding is not one that FFmpeg knows")
        self._frames = self._decoded(stream)
        # The first frame knows better than the container: AAC may double the rate.
        self._first = next(self._frames, None)
        if self._first is None or not self._first.sample_rate or not self._first.layout.nb_channels:
            raise Unreadable("holds no samples")
        self.sample_rate, self.channels = self._first.sample_rate, self._first.layout.nb_channels
        seconds = 0.0
        if stream.duration is not None and stream.time_base is not None:
            seconds = float(stream.duration * stream.time_base)
        elif self._av.duration is not None:
            seconds = self._av.duration / 1_000_000
        self.n_samples, self.exact = max(0, round(seconds * self.sample_rate)), False
        self.format = self._av.format.name.split(",")[0].upper()
        self.subtype = (stream.codec_context.name or "").upper()
        # Only in MOV the length comes from a table and is no estimate.
        self.promised = self.n_samples or None if self.format == "MOV" else None

    def _decoded(self, stream: Any) -> Iterator[Any]:
        frames = self._av.decode(stream)
        while True:
            try:
                frame = next(frames)
            except Exception:  # the end, or damage: it ends the sound here
                return
            if frame.samples:
                yield frame

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        """Yield the samples from `start` to `stop`; FFmpeg seeks by packet, counting samples is exact."""
        blocks = cut(self._resampled(), start, stop)
        return (np.ascontiguousarray(block, dtype=np.float32) for block in blocks)

    def _resampled(self) -> Iterator[np.ndarray]:
        """Yield (n, channels) blocks, all at the rate and with the channels of the first frame."""
        import av

        first, kind, resampler = self._first, None, None
        if first is None:
            raise RuntimeError("A decoder is read once.")
        self._first = None

        def frames() -> Iterator[Any]:
            yield first
            yield from self._frames

        for frame in frames():
            now = (frame.format.name, frame.layout.name, frame.sample_rate)
            if now != kind:
                kind = now
                resampler = av.AudioResampler(format="fltp", layout=first.layout, rate=first.sample_rate)
            try:
                converted = resampler.resample(frame)  # type: ignore[union-attr]
            except Exception:
                return
            for piece in converted:
                yield piece.to_ndarray().T  # (channels, n) -> (n, channels)

    def close(self) -> None:
        """Close FFmpeg's container, not the file that was given."""
        self._av.close()
