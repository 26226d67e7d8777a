"""Make the sounds of the synthetic world: one FLAC file a clip, and the clip table.

Every clip depends on nothing but the spec and its own index, so a job that was interrupted goes on with the
files that its checkpoint holds and ends with the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import soundfile as sf

from jobs.datasets import synthetic
from jobs.sound import files as audio
from jobs.specs import Synthesize

if TYPE_CHECKING:
    from jobs.engine.context import JobContext


def run(spec: Synthesize, context: JobContext) -> None:
    """Render every clip of the plan and store the artifact."""
    clips = synthetic.plan(spec)
    folder = context.checkpoint / "audio"
    folder.mkdir(parents=True, exist_ok=True)
    n, total = round(spec.seconds * synthetic.SAMPLE_RATE), len(clips)

    def make(row: tuple[str, str, int]) -> str:
        """Render one clip unless it is there, and return the hash of its file."""
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

    found = sum(1 for _ in folder.glob("*.flac"))
    if found:
        context.log(f"{found} of {total} clips are there already")
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
    """Whether an earlier attempt left this clip entire: a file that lost its end in a crash is made again."""
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
