"""Train networks on log-mel spectrograms with several losses, and keep what each makes of the clips."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np

from jobs.engine import shards
from jobs.engine.live import LiveCurves
from jobs.engine.training import TrainingFolder, reporter
from jobs.presets import clip_classes, of_several_classes
from jobs.runners.loss_results import Asked, Judged, folds_of, keeps, kept_rows, store
from jobs.runners.losses import recipes
from jobs.specs import SMALL_CNN, LossNetworkGrid
from jobs.tasks.embed_audio import decoded_shards
from jobs.tasks.labels import dataset_with

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from core.networks import Tuning
    from jobs.engine.context import JobContext
    from jobs.workspace.workspace import Dataset

#: Progress when all clips are read, and when all networks are trained.
_READ, _TRAINED = 0.05, 0.97


def loss_network_grid(spec: LossNetworkGrid, context: JobContext) -> None:
    """Compute `LossNetworkGrid`; what is trained when the process is killed goes on from the checkpoint.

    Raises
    ------
    ValueError
        With one sentence: the labels, sounds or weights have changed or cannot be had, or there are too few
        classes, clips or folds.
    """
    started = time.perf_counter()
    context.progress(0, 1, "reading")
    # Loads torch, which takes seconds: not before the first word of progress.
    from core.networks import train_networks

    backbone, heard, parameters = _network(spec)
    asked = _read(spec, context, heard)
    chosen, seeds = recipes(spec), range(spec.seeds)
    models = [(r, s, f) for r in range(len(chosen)) for s in seeds for f in asked.held_out]
    what = f"training {len(models):,} networks"

    checkpoint = TrainingFolder(context.checkpoint / "training")
    runs = train_networks(
        asked.X,
        asked.labels,
        asked.folds,
        backbone=backbone,
        recipes=chosen,
        tuning=tuning(spec),
        seeds=seeds,
        held_out=asked.held_out,
        keep_epochs=spec.kept_epochs,
        keep_rows=kept_rows(asked.labels, spec.keep_clips),
        keep_models=keeps(asked),
        progress=reporter(context, checkpoint, what, _READ, _TRAINED),
        watch=LiveCurves(context.checkpoint, models),
        checkpoint=checkpoint,
    )
    context.progress(_TRAINED, 1, "measuring")
    judged = [Judged(run, before=run.before, tested=None if run.failed else run.tested) for run in runs]
    card = {
        "objective": "classification",
        "parameters": parameters,
        "training_data": int((asked.folds != asked.held_out[0]).sum()),
    }
    store(spec, context, asked, judged, before="network", card=card, started=started)
    context.progress(1, 1)


def tuning(spec: LossNetworkGrid) -> Tuning:
    """Return how `core.networks` is to tune what a spec asks for."""
    from core.networks import Tuning

    return Tuning(**{field.name: getattr(spec, field.name) for field in fields(Tuning)})


def _network(
    spec: LossNetworkGrid,
) -> tuple[Callable[[int], nn.Module], Callable[[np.ndarray], np.ndarray], int]:
    """Return what networks begin as by seed, what makes a spectrogram of a waveform, and the parameters."""
    import torch

    from core.networks import PooledCNN, paper_log_mel
    from core.networks.training import SAMPLE_RATE

    if spec.network == SMALL_CNN:
        samples = round(spec.seconds * SAMPLE_RATE)

        def mel(x: np.ndarray) -> np.ndarray:
            whole = np.zeros(samples, dtype=np.float32)
            whole[: len(x)] = x[:samples]
            found: np.ndarray = paper_log_mel(torch.from_numpy(whole)[None], taper=spec.taper)[0].numpy()
            return found

        parameters = sum(w.numel() for w in PooledCNN(dim=spec.dim, width=spec.width).parameters())
        return lambda seed: PooledCNN(dim=spec.dim, width=spec.width, seed=seed), mel, parameters
    from jobs.encoders.transformers import spectrogram_transformer

    _check_identity(spec)
    # The same weights for every seed, which draws the layers after them; each model tunes its own copy.
    network, spectrogram = spectrogram_transformer(spec.network.partition(":")[2])
    parameters = sum(w.numel() for w in network.parameters())
    return (
        lambda seed: copy.deepcopy(network),
        lambda x: spectrogram(x[: round(spec.seconds * SAMPLE_RATE)]),
        parameters,
    )


def _check_identity(spec: LossNetworkGrid) -> None:
    from jobs import encoders

    now = encoders.identity(spec.network, modality="audio")
    if now != spec.identity:
        raise ValueError(
            f"{spec.network} has changed since this was asked for (from {spec.identity} to {now}); ask again."
        )


def _read(spec: LossNetworkGrid, context: JobContext, heard: Callable[[np.ndarray], np.ndarray]) -> Asked:
    dataset = dataset_with(spec.labels, spec, context.workspace)
    classes = clip_classes(dataset.clips)
    named = np.flatnonzero(classes != "")
    if not len(named):
        raise ValueError(f"No clip of {dataset.name} has a class; there is nothing to train on.")
    path, read = _spectrograms(spec, context, dataset, named, heard)
    rows = named[read]
    labels = classes[rows].astype(str)
    own = dataset.clips["fold"].iloc[rows] if "fold" in dataset.clips else None
    if own is not None and own.isna().any():
        own = None
    folds, drawn, held_out = folds_of(spec, labels, None if own is None else own.to_numpy().astype(np.int64))
    mel = np.load(path, mmap_mode="r", allow_pickle=False)
    return Asked(
        clip_ids=dataset.clips["clip_id"].to_numpy(object)[rows],
        X=mel[: len(rows)],
        labels=labels,
        folds=folds,
        drawn=drawn,
        held_out=held_out,
        left_out={
            "without_class": len(classes) - len(named),
            "not_finite": 0,
            "unreadable": len(named) - len(rows),
        },
        several=int(of_several_classes(dataset.clips)[rows].sum()),
    )


def _spectrograms(
    spec: LossNetworkGrid,
    context: JobContext,
    dataset: Dataset,
    named: np.ndarray,
    heard: Callable[[np.ndarray], np.ndarray],
) -> tuple[Path, np.ndarray]:
    """Write the spectrograms of the clips that can be read; return the file, and which of them these are."""
    from core.networks.training import SAMPLE_RATE

    path, about = context.checkpoint / "mel.npy", context.checkpoint / "read.npz"
    known = shards.load(about, ("read",))
    if known is not None and path.is_file():
        return path, known["read"]
    clips = dataset.clips.iloc[named]
    ids = [str(id) for id in clips["clip_id"]]
    durations = list(clips["duration"]) if "duration" in clips.columns else [np.nan] * len(ids)
    parts = [[ids[i] for i in part] for part in shards.plan(durations)]
    found: np.memmap | None = None
    read: list[int] = []
    seen = 0
    for decoded in decoded_shards(dataset, parts, SAMPLE_RATE):
        for x in decoded:
            seen += 1
            if isinstance(x, str):
                context.log(f"Left out {ids[seen - 1]}: {x}.")
                continue
            mel = heard(x)
            if found is None:
                shape = (len(ids), *mel.shape)
                # Half precision is a sixteenth of a decibel at the quietest, and half the room.
                found = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape)
            found[len(read)] = mel
            read.append(seen - 1)
        context.progress(_READ * seen / len(ids), 1, f"reading {seen:,} of {len(ids):,} clips")
    if found is None:
        raise ValueError(f"None of the {len(ids):,} clips of {dataset.name} could be read.")
    found.flush()
    shards.save(about, read=np.array(read, dtype=np.int64))
    return path, np.array(read, dtype=np.int64)
