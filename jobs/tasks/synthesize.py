"""The synthetic sound world: one FLAC file a clip, and the clip table.

Every clip depends on nothing but the spec and its own index, so a job that was interrupted continues with the
files that its checkpoint holds and ends with the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from core.words import count
from jobs.tasks.schema import Schema, files, table, value
from jobs.tasks.spec import Spec, between, unusual

if TYPE_CHECKING:
    import pyarrow as pa

    from jobs.engine.context import JobContext

#: Classes of the synthetic sound world.
WORLD_CLASSES = 96


class Result(Schema):
    """The sounds and what is known of them."""

    clips: pa.Table = table(
        "n",
        "a clip, as in the clip table of a dataset",
        {
            "clip_id": ("string", "its id"),
            "path": ("string", "its file in ``audio``"),
            "label": ("string", "its class"),
            "sha256": ("string", "of its file"),
        },
        more=True,
    )
    audio: list[str] = files("audio/*.flac", "the sound of a clip")
    n_clips: int = value("clips")
    sample_rate: int = value("samples per second")
    note: str = value("what the sounds are, for people")


@dataclass(frozen=True, kw_only=True)
class Synthesize(Spec[Result]):
    """Make the synthetic sound world: labelled clips from parametric recipes, the same for the same seed."""

    VERSION: ClassVar[int] = 2

    #: How many classes, spread evenly over the six families.
    classes: int = WORLD_CLASSES
    clips_per_class: int = 12
    seconds: float = 3.0
    difficulty: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        between("classes", self.classes, 6, WORLD_CLASSES)
        between("clips_per_class", self.clips_per_class, 1, 10_000)
        between("seconds", self.seconds, 0.25, 60)
        between("difficulty", self.difficulty, 0, 1)
        between("seed", self.seed, 0, 2**32 - 1)

    @property
    def title(self) -> str:
        clips = count(self.clips_per_class, "clip")
        what = f"generate synthetic sounds, {clips} of each of {count(self.classes, 'class')}"
        return what + unusual(self, "clips_per_class", "classes")


def run(spec: Synthesize, context: JobContext) -> None:
    """Render every clip of the plan and store the artifact."""
    import pyarrow as pa
    import soundfile as sf

    from jobs.datasets import synthetic

    clips = synthetic.plan(spec)
    folder = context.checkpoint / "audio"
    folder.mkdir(parents=True, exist_ok=True)
    n, total = round(spec.seconds * synthetic.SAMPLE_RATE), len(clips)

    def make(row: tuple[str, str, int]) -> str:
        """Render one clip unless its file exists, and return the hash of the file."""
        clip_id, label, take = row
        path = folder / f"{clip_id}.flac"
        if not _whole(path, n):
            x = synthetic.render(
                label, take, seconds=spec.seconds, difficulty=spec.difficulty, seed=spec.seed
            )
            unfinished = path.with_name(f"{clip_id}.part")
            sf.write(unfinished, x, synthetic.SAMPLE_RATE, format="FLAC", subtype="PCM_16")
            os.replace(unfinished, path)
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    if existing := len(list(folder.glob("*.flac"))):
        context.log(f"{existing} of {total} clips exist already")
    context.progress(0, total, "rendering")
    rows = zip(clips["clip_id"], clips["label"], clips["take"].tolist(), strict=True)
    hashes = []
    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1), thread_name_prefix="synthesize")
    try:
        for done, (digest, label) in enumerate(zip(pool.map(make, rows), clips["label"], strict=True), 1):
            hashes.append(digest)
            context.progress(done, total, label)
    finally:
        pool.shutdown(cancel_futures=True)

    clips["sha256"] = hashes
    clips["sha256"] = clips["sha256"].astype("str")
    with context.writer() as w:
        for clip_id in clips["clip_id"]:
            _move_in(folder / f"{clip_id}.flac", w.file(f"audio/{clip_id}.flac"))
        w.table("clips", pa.Table.from_pandas(clips, preserve_index=False))
        w.meta.update(n_clips=total, sample_rate=synthetic.SAMPLE_RATE, note=synthetic.NOTE)


def _whole(path: Path, n: int) -> bool:
    """Return whether an earlier attempt left this clip complete: one cut short in a crash is made again."""
    from jobs.sound import files as audio

    if not path.exists():
        return False
    try:
        return audio.inspect(path).info.n_samples == n
    except audio.AudioError:
        return False


def _move_in(source: Path, target: Path) -> None:
    # A link costs nothing and leaves the checkpoint whole, should storing fail for want of space.
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
