"""Frames of MPEG audio (MP3): the beginning and end of each stream in a file, and its number of frames.

An MP3 has no length. Most begin with a frame that holds no sound but announces how many follow (Xing, Info,
VBRI); joined files have several, each for its own stream alone. So the frames are counted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

#: libmpg123 looks for the next frame this far.
_RESYNC = 1000
_WINDOW = 1 << 20

Read = Callable[[int, int], bytes]
_RATES = (44_100, 48_000, 32_000)
_BITRATES = {  # kbit/s by (MPEG 1?, layer)
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
#: Constants of a stream: version, layer, sample rate, whether mono.
_Kind = tuple[int, int, int, bool]
#: Length in bytes, samples, kind.
_Frame = tuple[int, int, _Kind]


def _frame(head: bytes) -> _Frame | None:
    """Read the header of a frame of MPEG audio; None if it is none, or one of free bit rate."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = (head[1] >> 3) & 3, 4 - ((head[1] >> 1) & 3)
    bitrate, rate = head[2] >> 4, (head[2] >> 2) & 3
    if version == 1 or layer == 4 or bitrate in (0, 15) or rate == 3:
        return None
    hz = _RATES[rate] >> {3: 0, 2: 1, 0: 2}[version]
    samples = 384 if layer == 1 else 1152 if layer == 2 or version == 3 else 576
    bits = 1000 * _BITRATES[version == 3, layer][bitrate - 1]
    pad = (head[2] >> 1) & 1
    length = (12 * bits // hz + pad) * 4 if layer == 1 else samples // 8 * bits // hz + pad
    return length, samples, (version, layer, hz, head[3] >> 6 == 3)


@dataclass
class Run:
    """Frames of one stream, one after the other."""

    start: int
    kind: _Kind
    samples: int
    stop: int = 0
    n_frames: int = 0
    announced: int | None = None  # frames, by the stream's first one
    places: tuple[int, int | None] = (0, None)  # positions of that number, and of the number of bytes
    cut: int = 0  # samples at both ends that are the encoder's own

    @property
    def longer(self) -> bool:
        """Whether more frames follow than announced; some encoders count the announcement."""
        return self.announced is not None and self.n_frames > self.announced + 1

    def patches(self) -> tuple[tuple[int, bytes], ...]:
        """Return positions and bytes that make the announcement true."""
        true = (self.n_frames, min(self.stop - self.start, 0xFFFFFFFF))
        return tuple(
            (at, n.to_bytes(4, "big")) for at, n in zip(self.places, true, strict=True) if at is not None
        )


def find_runs(read: Read, size: int, start: int) -> list[Run]:
    """Return the streams of a file.

    Parameters
    ----------
    read : callable
        ``read(at, n)`` returns up to n bytes.
    size : int
        Bytes of the file.
    start : int
        Where to begin.

    Returns
    -------
    list of Run
        Empty for a file that does not begin as MPEG audio, or has a free bit rate.
    """
    runs: list[Run] = []
    for at, (length, samples, kind), head in _frames(read, size, start):
        if not runs and read(start, min(at - start, _WINDOW)).strip(b"\0"):
            return []  # something else comes before the first frame
        announcement = _announcement(head, kind)
        if not runs or announcement or kind != runs[-1].kind or at > runs[-1].stop + _RESYNC:
            runs.append(Run(at, kind, samples))
        run = runs[-1]
        run.stop = min(size, at + length)
        if announcement:
            (frames, n_bytes), run.announced, run.cut = announcement
            run.places = at + frames, None if n_bytes is None else at + n_bytes
        else:
            run.n_frames += 1
    return [run for run in runs if run.n_frames]


def _announcement(head: bytes, kind: _Kind) -> tuple[tuple[int, int | None], int, int] | None:
    """Return the positions of a stream's numbers of frames and bytes, the former, and samples to cut off."""
    side = (17 if kind[3] else 32) if kind[0] == 3 else (9 if kind[3] else 17)
    at = 4 + side
    if head[at : at + 4] in (b"Xing", b"Info"):
        flags = int.from_bytes(head[at + 4 : at + 8], "big")
        if not flags & 1:
            return None
        after = at + 12 + 4 * (flags >> 1 & 1) + 100 * (flags >> 2 & 1) + 4 * (flags >> 3 & 1)
        cut = int.from_bytes(head[after + 21 : after + 24], "big")
        places = at + 8, at + 12 if flags & 2 else None
        return places, int.from_bytes(head[at + 8 : at + 12], "big"), (cut >> 12) + (cut & 0xFFF)
    if head[36:40] == b"VBRI":
        return (50, 46), int.from_bytes(head[50:54], "big"), 0
    return None


def _frames(read: Read, size: int, at: int) -> Iterator[tuple[int, _Frame, bytes]]:
    """Yield position, header and first bytes of every frame; after a gap, the next that another follows."""
    window, base, last = b"", 0, None
    known: dict[bytes, _Frame | None] = {}

    def head(at: int, n: int = 4) -> bytes:
        nonlocal window, base
        if not base <= at or at + n > base + len(window):
            window, base = read(at, _WINDOW), at
        return window[at - base : at - base + n]

    def frame(at: int) -> _Frame | None:
        key = head(at)
        if key not in known and len(known) < 4096:
            known[key] = _frame(key)
        return known[key] if key in known else _frame(key)

    while at + 4 <= size:
        current = frame(at)
        if current is not None and current[2] != last:
            # Random bytes look like a frame now and then, but seldom twice.
            then = at + current[0]
            follower = frame(then)
            if then < size and (follower is None or follower[2] != current[2]):
                current = None
        if current is None:
            head(at)
            match = re.compile(rb"\xff[\xe2-\xff]").search(window, at + 1 - base)
            at = base + match.start() if match else max(at + 1, base + len(window) - 1)
            last = None
            continue
        yield at, current, head(at, 192)
        last, at = current[2], at + current[0]
