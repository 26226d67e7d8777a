"""Embedding with aisfx: the runner of this project against the aisfx package's own loop over files.

Both read the same files from disk and end with one vector a clip, in one run, in turns. The loop is what
``aisfx.inference.main`` does, built from the package's own functions, with two changes: the checkpoint is
read with an allow-list (its own call fails since torch 2.6), and the librosa spectrogram is transposed,
because the package hands it over with frequency where its network has time.

    python -m benchmarks.aisfx_throughput [FOLDER] [--clips 200] [--rounds 3]

FOLDER holds sound files at any depth; by default ``$HEARSPACE_TEST_DATA/esc10``, else synthetic clips.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from cache import ArtifactStore
from jobs import encoders
from jobs.sound.files import SUFFIXES
from jobs.specs import DatasetRef, EmbedAudio
from jobs.tasks.embed_audio import run as embed_audio


def files_of(folder: Path | None, n: int, scratch: Path) -> list[Path]:
    """Return n sound files, evenly from the folder, or synthetic ones."""
    if folder is None:
        import soundfile as sf

        rng = np.random.default_rng(0)
        t = np.arange(5 * 44_100) / 44_100
        paths = []
        for i in range(n):
            x = np.sin(2 * np.pi * rng.uniform(100, 4000) * t) + rng.standard_normal(len(t)) * rng.uniform(
                0, 1
            )
            paths.append(scratch / f"{i:04d}.ogg")
            sf.write(paths[-1], (x / np.abs(x).max()).astype(np.float32), 44_100)
        return paths
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not paths:
        raise SystemExit(f"There are no sound files in {folder}.")
    return [paths[i * len(paths) // n] for i in range(n)] if len(paths) > n else paths


def package_loop(model, files: list[Path]) -> np.ndarray:
    """One file after another: spectrogram, normalisation, blocks, network, mean."""
    from aisfx import inference as a
    from aisfx.spectrogram.spectrogram_librosa import compute_spectrogram

    vectors = []
    for file in files:
        spec = compute_spectrogram(
            filename=str(file),
            sr=a.SAMPLE_RATE,
            block_size=a.SPEC_BLOCK_LENGTH,
            hop_size=a.SPEC_HOP_LENGTH,
            n_mels=a.MEL_BINS,
            f_min=a.F_MIN,
            f_max=a.F_MAX,
        ).T  # (time, mel)
        spec = a.spectrogram_normalize(spec)
        vectors.append(a.model_get_embedding(spec, 0.5, True, model, "cpu").numpy().mean(axis=0))
    return np.stack(vectors)


def package_model():
    """The package's network with its weights."""
    import torch
    from aisfx import inference as a

    allowed = [np.dtype, type(np.dtype(np.int64))]
    allowed.append((np._core.multiarray.scalar, "numpy.core.multiarray.scalar"))
    with torch.serialization.safe_globals(allowed):
        weights, classes = torch.load(a.get_path_modelWeights(), map_location="cpu", weights_only=True)
    return a.load_bestModel(weights, classes, "cpu")


def our_runner(files: list[Path], scratch: Path) -> np.ndarray:
    """The job as the worker runs it: decoding, network, checkpoints, artifact."""
    import pandas as pd

    ids = [f"{i:05d}" for i in range(len(files))]
    dataset = SimpleNamespace(
        name="files",
        clips=pd.DataFrame({"clip_id": ids, "duration": [5.0] * len(files)}),
        audio_path=lambda clip_id: files[int(clip_id)],
    )
    spec = EmbedAudio(dataset=DatasetRef("files", "f"), encoder="aisfx")
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        store = ArtifactStore(Path(folder, "cache"))
        checkpoint = Path(folder, "checkpoint")
        checkpoint.mkdir()

        @contextmanager
        def writer():
            with store.writer(spec.key, spec=spec.to_json()) as w:
                yield w

        embed_audio(
            spec,
            SimpleNamespace(
                workspace=SimpleNamespace(dataset_for=lambda ref: dataset),
                checkpoint=checkpoint,
                progress=lambda *_: None,
                log=print,
                writer=writer,
            ),
        )
        return np.array(store.open(spec.key).array("embeddings", mmap=False))


@contextmanager
def timed(into: list[tuple[float, float]]) -> Iterator[None]:
    """Note wall and processor seconds; the second tells what a busy machine hides."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    into.append((time.perf_counter() - wall, time.process_time() - cpu))


def main() -> None:
    """Run both in turns and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    data = os.environ.get("HEARSPACE_TEST_DATA")
    folder = args.folder or (Path(data, "esc10") if data else None)
    reason = encoders.get("aisfx")[0].available()
    if reason:
        raise SystemExit(reason)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        files = files_of(folder, args.clips, scratch)
        model = package_model()
        package_loop(model, files[:4])  # imports and compilation belong to neither
        our_runner(files[:4], scratch)
        times: dict[str, list[tuple[float, float]]] = {"theirs": [], "ours": []}
        for _ in range(args.rounds):
            with timed(times["theirs"]):
                theirs = package_loop(model, files)
            with timed(times["ours"]):
                ours = our_runner(files, scratch)
    cosines = (theirs * ours).sum(1) / np.linalg.norm(theirs, axis=1) / np.linalg.norm(ours, axis=1)
    print(f"{len(files)} clips from {folder or 'synthesis'}, {args.rounds} rounds, {os.cpu_count()} cores")
    print("                       wall    processor (medians, s)")
    for name, what in (("theirs", "aisfx package loop"), ("ours", "hearspace runner")):
        wall, cpu = (statistics.median(column) for column in zip(*times[name], strict=True))
        print(f"{what:<20}{wall:>7.2f}{cpu:>13.2f}")
    for i, what in enumerate(("throughput ratio", "processor-time ratio")):
        ratios = [a[i] / b[i] for a, b in zip(times["theirs"], times["ours"], strict=True)]
        each = ", ".join(f"{r:.2f}" for r in ratios)
        print(f"{what:<20}{statistics.median(ratios):>7.2f}   (rounds: {each})")
    print(f"largest difference  {np.abs(theirs - ours).max():.2e}, smallest cosine {cosines.min():.7f}")


if __name__ == "__main__":
    main()
