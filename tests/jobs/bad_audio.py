"""A zoo of sound files that are odd or broken, as people really have them.

Examples
--------
    zoo = write_zoo(tmp_path)
    zoo.kept["silence"], zoo.left_out["zero bytes"]
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile as sf

from tests.waiting import PATIENCE

RATE = 44_100


@dataclass(frozen=True)
class Zoo:
    """Where the files are, relative to `root`, by what is odd about them.

    `kept` can be read, perhaps with a remark; `left_out` cannot, or may not.
    """

    root: Path
    kept: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def tone(seconds: float = 0.5, rate: int = RATE, pitch: float = 440.0) -> np.ndarray:
    """A quiet sine with a little noise, float32, shape (n,)."""
    t = np.arange(round(seconds * rate)) / rate
    rng = np.random.default_rng(round(pitch))
    return (0.4 * np.sin(2 * np.pi * pitch * t) + 0.01 * rng.standard_normal(len(t))).astype(np.float32)


def write_zoo(root: Path) -> Zoo:
    """Write every animal of the zoo, two or more to a class folder."""
    zoo = Zoo(root)

    def place(kind: str, name: str, *, keep: bool = True) -> Path:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (zoo.kept if keep else zoo.left_out)[kind] = name
        return path

    sf.write(place("plain", "good/plain.wav", keep=True), tone(), RATE)
    sf.write(place("8 bit", "good/eight bit.wav"), tone(pitch=300), RATE, subtype="PCM_U8")
    sf.write(place("24 bit", "good/24bit.wav"), tone(pitch=310), RATE, subtype="PCM_24")
    sf.write(place("96 kHz", "good/96k.wav"), tone(rate=96_000, pitch=320), 96_000)
    sf.write(place("flac", "good/a.flac"), tone(pitch=330), RATE)
    sf.write(place("ogg", "good/a.ogg"), tone(pitch=340), RATE)
    sf.write(place("quotes", 'names/it\'s "quoted" & 100% <b>.wav'), tone(pitch=350), RATE)
    sf.write(place("emoji", "names/🐕 chien d'été.wav"), tone(pitch=360), RATE)
    sf.write(place("other script", "names/雨の音.wav"), tone(pitch=370), RATE)

    bad = tone(pitch=380)
    bad[:3], bad[10] = np.nan, np.inf
    sf.write(place("not a number", "odd/nan.wav"), bad, RATE, subtype="FLOAT")
    sf.write(place("7 channels", "odd/seven.wav"), np.stack([tone(pitch=390)] * 7, axis=1), RATE)
    sf.write(place("10 ms", "odd/10ms.wav"), tone(0.01, pitch=400), RATE)
    sf.write(place("silence", "odd/silence.wav"), np.zeros(RATE // 2, np.float32), RATE)
    _truncated(place("truncated wav", "odd/truncated.wav"), "WAV", 410)
    _truncated(place("truncated flac", "odd/truncated.flac"), "FLAC", 420)
    content = (root / zoo.kept["plain"]).read_bytes()
    place("same content", "odd/copy of plain.wav").write_bytes(content)

    place("zero bytes", "bad/zero.wav", keep=False).touch()
    place("text", "bad/text.wav", keep=False).write_text("this is no sound\n" * 40)
    place("header only", "bad/header.wav", keep=False).write_bytes(content[:44])
    place("playlist", "bad/playlist.wav", keep=False).write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://{root}/good/plain.wav\n#EXT-X-ENDLIST\n"
    )
    outside = root.parent / f"outside of {root.name}.wav"
    sf.write(outside, tone(pitch=430), RATE)
    place("link out of the root", "bad/link.wav", keep=False).symlink_to(outside)
    place("broken link", "bad/broken.wav", keep=False).symlink_to("nowhere.wav")
    place("notes", "bad/notes.txt", keep=False).write_text("hello")
    place("hidden", "bad/._plain.wav", keep=False).write_bytes(b"\0" * 100)
    os.mkfifo(place("pipe", "bad/pipe.wav", keep=False))
    if importlib.util.find_spec("av"):
        write_m4a(place("m4a", "good/a.m4a"), tone(pitch=440))
    return zoo


def write_m4a(path: Path, x: np.ndarray, rate: int = RATE) -> None:
    """Write mono AAC in an M4A file by PyAV."""
    import av

    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(x[None, :].astype(np.float32), format="fltp", layout="mono")
        frame.rate, frame.pts = rate, 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)


def _truncated(path: Path, container: str, pitch: float) -> None:
    sf.write(path, tone(1.0, pitch=pitch), RATE, format=container)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def as_nobody(imports: str, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process that has given up root, for which permissions mean nothing.

    The imports come first: Python itself may lie where only root can read it.
    """
    drop = "import os\nif os.getuid() == 0:\n    os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
    return subprocess.run(
        [sys.executable, "-c", imports + drop + code, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
