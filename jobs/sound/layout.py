"""Locate the sound in a file, and read from the header how long it should be.

Headers are often wrong about lengths: programs that write to a pipe leave 0 or the largest number there,
joined files keep the header of their first part, a transfer that broke off leaves half a file. `read_layout`
compares the header with the file, and `View` shows a decoder the part that holds sound, with a header that
matches it. Nothing is decoded here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from jobs.sound.mpeg import find_runs

#: A decoder that takes the length of an MP3 for its number of samples gets this one: to the end.
_ENDLESS = 1 << 40
#: Sizes from here on mean "unknown" in 32-bit headers.
_UNKNOWN = 0xFFFFFF00
_MOST_CHUNKS = 10_000
_WINDOW = 1 << 20

Read = Callable[[int, int], bytes]
Order = Literal["little", "big"]


@dataclass(frozen=True)
class Part:
    """Bytes of a file that one decoder reads from its beginning to its end.

    Parameters
    ----------
    start, stop : int
        Its bytes.
    patches : tuple of (int, bytes)
        Bytes that the decoder sees in place of the file's, by position in the file.
    endless : bool, default=False
        Whether the decoder is given an absurd length, so that it does not guess the number of samples from
        it.
    """

    start: int
    stop: int
    patches: tuple[tuple[int, bytes], ...] = ()
    endless: bool = False


@dataclass(frozen=True)
class Layout:
    """The parts of a file to read, and their promised length.

    Parameters
    ----------
    parts : tuple of Part
        One after the other; empty if the file can be read as it is.
    promised : int, optional
        Samples a channel that the header promises, if known.
    tolerance : int, default=0
        By how many samples an intact file of this kind may differ from its header.
    """

    parts: tuple[Part, ...] = ()
    promised: int | None = None
    tolerance: int = 0


class View:
    """A part of a file as a decoder is to see it: the file object that `soundfile` needs."""

    def __init__(self, file: Any, part: Part) -> None:
        self._file, self._part, self._position = file, part, 0
        self._size = part.stop - part.start
        self._length = _ENDLESS if part.endless else self._size

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position and return it."""
        origin = {os.SEEK_CUR: self._position, os.SEEK_END: self._length}.get(whence, 0)
        self._position = max(0, origin + offset)
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def read(self, n: int = -1) -> bytes:
        """Read at most `n` bytes."""
        left = max(0, self._length - self._position)
        n = left if n < 0 else min(n, left)
        if self._part.endless and self._position >= self._length - 128:
            data = bytes(n)  # where a decoder looks for a tag at the end
        else:
            at = self._part.start + self._position
            data = _read_at(self._file, at, min(n, max(0, self._part.stop - at)))
            for start, patch in self._part.patches:
                low, high = max(start, at), min(start + len(patch), at + len(data))
                if low < high:
                    data = data[: low - at] + patch[low - start : high - start] + data[high - at :]
        self._position += len(data)
        return data


def read_layout(file: Any) -> Layout:
    """Find the parts of an open file, and its promised length.

    Parameters
    ----------
    file : binary file, unbuffered
        Its position is not kept.

    Returns
    -------
    Layout
        Without parts or promise for an unknown format.
    """
    size = os.fstat(file.fileno()).st_size

    def read(at: int, n: int) -> bytes:
        # Headers name places that no file has.
        return _read_at(file, at, n) if at < size else b""

    head = read(0, 16)
    if head[:4] in (b"RIFF", b"RIFX", b"RF64") and head[8:12] == b"WAVE":
        return _wav(read, size, "big" if head[:4] == b"RIFX" else "little")
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return _aiff(read, size)
    if head[:4] == b"caff":
        return _caf(read, size)
    if head[:4] == b"riff" and len(head) == 16:
        return _w64(read, size)
    if head[:4] == b".snd":
        return _au(read, size)
    if head[:8] == b"NIST_1A\n":
        count = re.search(rb"\nsample_count -i (\d{1,15})\n", read(0, 1024))
        return Layout(promised=int(count[1]) if count else None)
    if head[:4] == b"OggS":
        return _ogg(read, size)
    start = _after_id3(read, 0)
    if read(start, 4) == b"fLaC":
        return _flac(read, size, start)
    return _mpeg(read, size, start)


def _read_at(file: Any, at: int, n: int) -> bytes:
    if n > 0:
        file.seek(at)
    pieces = []
    while n > 0 and (piece := file.read(n)):  # one call may give less than was asked for
        pieces.append(piece)
        n -= len(piece)
    return b"".join(pieces)


# -- containers of chunks ---------------------------------------------------------------------------------


class _Form(NamedTuple):
    """Headers of chunks: bytes of name and length, alignment, header bytes that the length includes."""

    name: int = 4
    width: int = 4
    align: int = 2
    own: int = 0


_RIFF, _CAF, _W64 = _Form(), _Form(width=8, align=1), _Form(16, 8, 8, own=24)


def _chunks(
    read: Read, at: int, size: int, order: Order, form: _Form = _RIFF
) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, start and length of the content of each chunk."""
    for _ in range(_MOST_CHUNKS):
        head = read(at, form.name + form.width)
        if len(head) < form.name + form.width:
            return
        length, at = int.from_bytes(head[form.name :], order) - form.own, at + len(head)
        if length < 0:
            return
        yield head[: form.name], at, length
        at += length + -length % form.align
        if at >= size:
            return


def _chunks_follow(read: Read, at: int, size: int, order: Order, form: _Form = _RIFF) -> bool:
    """Return whether the rest of a file is a row of chunks, or nothing."""
    for begin in (at, at + at % 2):
        end = begin
        for name, content, length in _chunks(read, begin, size, order, form):
            if not re.fullmatch(rb"[ -~]{4}", name):
                break
            end = content + length
        if size - 1 <= end <= size + 1:
            return True
    return False


def _goes_on(read: Read, at: int, size: int, order: Order, least: int, form: _Form = _RIFF) -> bool:
    """Return whether sound goes on after its end by the header: enough bytes, and no chunks, tag or zeros."""
    return (
        size - at > max(least, 1024)
        and read(at, 1024).strip(b"\0") != b""
        and read(at, 3) not in (b"TAG", b"ID3")
        and not _chunks_follow(read, at, size, order, form)
    )


#: Format tags of WAV whose samples all have the same number of bytes: PCM, float, A-law, mu-law, extensible.
_PLAIN = {1, 3, 6, 7, 0xFFFE}


def _wav(read: Read, size: int, order: Order) -> Layout:
    width = second = tag = 0
    place = 0  # of RF64's length of the sound
    for name, at, length in _chunks(read, 12, size, order):
        if name == b"ds64":
            place = at + 8
        elif name == b"fmt ":
            fields = read(at, 16)
            tag, second = int.from_bytes(fields[:2], order), int.from_bytes(fields[8:12], order)
            width = int.from_bytes(fields[12:14], order)
        elif name == b"data":
            if place and length >= _UNKNOWN:
                length = int.from_bytes(read(place, 8), order)
                length = length if length < 1 << 62 else 0
            elif length >= _UNKNOWN:
                return Layout()  # libsndfile itself reads to the end of the file
            promised = length // width if length and width and tag in _PLAIN else None
            if length == 0:
                more = at < size and not _chunks_follow(read, at, size, order)
            else:
                more = _goes_on(read, at + length, size, order, second // 10)
            patches = [(at - 4, b"\xff\xff\xff\xff")]
            if place:
                patches.append((place, (size - at).to_bytes(8, order)))
            return Layout((Part(0, size, tuple(patches)),) if more else (), promised)
    return Layout()


def _aiff(read: Read, size: int) -> Layout:
    for name, at, length in _chunks(read, 12, size, "big"):
        if name == b"COMM":
            fields = read(at, min(length, 22))
            plain = len(fields) < 22 or fields[18:22] in (
                b"NONE", b"sowt", b"twos", b"raw ", b"fl32", b"FL32", b"fl64", b"FL64", b"ulaw", b"alaw",
                b"in24", b"in32",
            )  # fmt: skip
            return Layout(promised=int.from_bytes(fields[2:6], "big") or None if plain else None)
    return Layout()


def _caf(read: Read, size: int) -> Layout:
    packet = frames = 0
    for name, at, length in _chunks(read, 8, size, "big", _CAF):
        if name == b"desc":
            fields = read(at, 32)
            packet, frames = int.from_bytes(fields[16:20], "big"), int.from_bytes(fields[20:24], "big")
        elif name == b"data":
            length, present = (length if length < 1 << 63 else 0), size - at
            promised = (length - 4) // packet * frames if length > 4 and packet else None
            # libsndfile refuses a chunk that is longer than the file.
            if length == 0 or length > present or _goes_on(read, at + length, size, "big", 1 << 14, _CAF):
                return Layout((Part(0, size, ((at - 8, present.to_bytes(8, "big")),)),), promised)
            return Layout(promised=promised)
    return Layout()


def _w64(read: Read, size: int) -> Layout:
    width = 0
    for name, at, length in _chunks(read, 40, size, "little", _W64):
        if name[:4] == b"fmt ":
            fields = read(at, 14)
            width = int.from_bytes(fields[12:14], "little") * (int.from_bytes(fields[:2], "little") in _PLAIN)
        elif name[:4] == b"data":
            return Layout(promised=length // width if width and length < 1 << 62 else None)
    return Layout()


#: Bytes of a sample by the encoding that an AU file names.
_AU_BYTES = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}


def _au(read: Read, size: int) -> Layout:
    start, length, encoding, rate, channels = (int.from_bytes(read(i, 4), "big") for i in range(4, 24, 4))
    width = _AU_BYTES.get(encoding, 0) * channels
    if length >= _UNKNOWN or not width:
        return Layout()
    more = length == 0 or _goes_on(read, start + length, size, "big", rate * width // 10)
    part = Part(0, size, ((8, b"\xff\xff\xff\xff"),))
    return Layout((part,) if more else (), length // width or None)


# -- streams ----------------------------------------------------------------------------------------------


def _positions(read: Read, size: int, pattern: bytes) -> list[int]:
    """Return the positions of a pattern of bytes in a file."""
    places, overlap = [], len(pattern) - 1
    for at in range(0, size, _WINDOW):
        window = read(at, _WINDOW + overlap)
        places += [at + m.start() for m in re.finditer(re.escape(pattern), window)]
    return places


def _after_id3(read: Read, at: int) -> int:
    """Return the end of the ID3v2 tags at a position, if any."""
    while (head := read(at, 10))[:3] == b"ID3" and len(head) == 10:
        at += 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
    return at


def _ogg(read: Read, size: int) -> Layout:
    """Separate chained streams: each begins with pages marked as first, several if streams are mixed."""
    starts, end = [], -1
    for at in _positions(read, size, b"OggS\0\x02"):
        if at != end:
            starts.append(at)
        head = read(at, 27)
        end = at + 27 + head[-1] + sum(read(at + 27, head[-1]))
    if len(starts) < 2:
        return Layout()
    stops = [*starts[1:], size]
    return Layout(tuple(Part(a, b) for a, b in zip(starts, stops, strict=True)))


def _flac(read: Read, size: int, first: int) -> Layout:
    """Patch the header to the highest number of samples, so that the last frame ends the sound."""
    starts = [first, *(at for at in _positions(read, size, b"fLaC\0\0\0\x22") if at > first)]
    parts, promised = [], 0
    for start, stop in zip(starts, [*starts[1:], size], strict=True):
        total = int.from_bytes(read(start + 21, 5), "big")
        if (known := total & 0xFFFFFFFFF) == 0:
            promised = -size  # one that does not know is enough
        promised += known
        parts.append(Part(start, stop, ((start + 21, (total | 0xFFFFFFFFF).to_bytes(5, "big")),)))
    return Layout(tuple(parts), promised if promised > 0 else None)


def _mpeg(read: Read, size: int, start: int) -> Layout:
    """Count the frames, and patch a header that announces another number or none."""
    runs = find_runs(read, size, start)
    if not runs:
        return Layout()
    known = [r.announced * r.samples - r.cut for r in runs if r.announced is not None]
    promised = sum(known) if len(known) == len(runs) else None
    tolerance = 2 * runs[0].samples * len(runs)
    if len(runs) == 1 and runs[0].announced is not None and not runs[0].longer:
        return Layout((), promised, tolerance)
    parts = [
        Part(r.start, r.stop, r.patches() if r.longer else (), endless=r.announced is None) for r in runs
    ]
    return Layout(tuple(parts), promised, tolerance)
