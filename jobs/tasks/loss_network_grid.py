"""Train networks on log-mel spectrograms with several losses, and measure what each makes of the clips."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from core.networks.recipe import Tuning
from core.recipes import derive, setting
from jobs import encoders
from jobs.engine import shards
from jobs.tasks.embed_audio import decoded_shards
from jobs.tasks.labels import dataset_with
from jobs.tasks.loss_results import Judged, Result, measure
from jobs.tasks.loss_training import LossTraining, TrainingClips, choose_folds, training_options
from jobs.tasks.spec import DatasetRef, Spec, SpecError, unusual

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from jobs.engine.context import JobContext
    from jobs.workspace.workspace import Dataset

    ToSpectrogram = Callable[[np.ndarray], np.ndarray]

#: The network that is trained from scratch; others are ``transformers:NAME``, tuned from their weights.
SMALL_CNN = "small-cnn"
#: Shapes of the window under which spectra are taken.
TAPERS = ("hann", "povey")
#: Progress when all clips are read, and when all networks are trained.
_READ, _TRAINED = 0.05, 0.97


@dataclass(frozen=True, kw_only=True)
class LossNetworkGrid(Tuning, LossTraining, Spec[Result]):
    """Networks on log-mel spectrograms, trained with several losses; "before" is how the network begins.

    Spectrograms are the ADD paper's: 16 kHz, 128 mel bands, windows of 25 ms every 10 ms, with mean 0 and
    deviation 0.5 over the training clips.
    """

    VERSION: ClassVar[int] = 2

    dataset: DatasetRef
    #: ``small-cnn``, from scratch, or ``transformers:NAME`` with an audio spectrogram transformer's weights.
    network: str = SMALL_CNN
    #: What a name of weights stands for; filled in.
    identity: str = ""
    seconds: float = setting(
        5.0,
        "Seconds of each clip",
        "Seconds of each clip, for a network, from its beginning; shorter ones are followed by silence.",
        asked=(0.65, 60.0),
        words="{seconds:g} s of each clip",
    )
    width: int = setting(
        8, "Channels", f"Channels of the first of four convolutions of {SMALL_CNN}.", asked=(1, 1000)
    )
    taper: str = setting(
        TAPERS[0],
        "Window of spectra",
        f"Window of the spectra of {SMALL_CNN}, hann or povey; a transformer's extractor has its own.",
        choices=TAPERS,
        words="the window of {taper}",
        silent=TAPERS[0],
    )

    def __post_init__(self) -> None:
        if self.network != SMALL_CNN and not self.network.startswith("transformers:"):
            raise SpecError(
                f"network is {self.network!r}; it must be {SMALL_CNN}, or transformers:NAME with the name or "
                "folder of an audio spectrogram transformer."
            )
        if self.network == SMALL_CNN:
            object.__setattr__(self, "identity", f"{SMALL_CNN}/1")
        else:
            # The encoder has nothing that the small network's options change.
            object.__setattr__(self, "width", type(self).width)
            object.__setattr__(self, "taper", type(self).taper)
        if not self.identity:
            object.__setattr__(self, "network", encoders.canonical(self.network, modality="audio"))
            object.__setattr__(self, "identity", encoders.identity(self.network, modality="audio"))
        LossTraining.__post_init__(self)
        if not self.warm_up:
            object.__setattr__(self, "warm_up_from", type(self).warm_up_from)
        if self.schedule != "decay":
            object.__setattr__(self, "decay", type(self).decay)

    @property
    def title(self) -> str:
        network = encoders.short(self.network)
        options = unusual(self, "network", "identity", "seeds")
        return f"train {network} on {self.dataset.name} with {self.size}{options}"


_SOFT = {"mixup": 0.5, "losses": ("ce", "add-soft"), "seconds": 1.0}
_ADAM = {"optimizer": "adam", "betas": (0.95, 0.999), "weight_decay": 5e-6}
_ADAMW = {"optimizer": "adamw", "betas": (0.9, 0.98), "weight_decay": 1e-2}
_AST = {"epochs": 25, "batch_size": 32, "frequency_mask": 24, "time_mask": 96}
_BEATS = {"epochs": 30, "batch_size": 16, "frequency_mask": 0, "time_mask": 0}
_POVEY = {"taper": "povey"}
_WORDS = {"frequency_mask": 48, "time_mask": 48}
#: Distances of labels are what the released code asks of distances, also where labels are hard.
_RELEASED = {"variant": "released", "focal_gamma": 0.0, "opl_gamma": 2.0, "opl_weight": 0.1}
_RELEASED |= {"losses": ("ce", "focal", "opl", "add-soft"), "warm_up": 5, "warm_up_from": 1e-5}
_RELEASED_AST = _AST | _ADAM | _RELEASED | {"schedule": "decay", "decay": 0.85}
_RELEASED_BEATS = _BEATS | _ADAMW | _RELEASED
_RELEASED_SOFT = _SOFT | {"entropy": "sigmoid"}
_COSINE = {"learning_rate": 8e-6, "epochs": 25, "schedule": "cosine"}
_SLOW = {"learning_rate": 6.7e-6}
_IEMOCAP = {"seconds": 2.575}

#: Options of `LossNetworkGrid` by name: table 1 of the ADD paper, and what its released code has instead.
#: Mixup needs losses for soft labels.
SETTINGS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "paper-ast-esc50": _AST | _ADAMW | {"learning_rate": 7e-4},
        "paper-ast-ks2": _AST | _ADAMW | _WORDS | _SOFT | {"learning_rate": 6e-5},
        "paper-ast-iemocap": _AST | _ADAMW | {"learning_rate": 7e-4},
        "paper-beats-esc50": _BEATS | _POVEY | _ADAM | {"learning_rate": 8e-6},
        "paper-beats-ks2": _BEATS | _POVEY | _ADAM | _SOFT | {"learning_rate": 1e-4},
        "paper-beats-iemocap": _BEATS | _POVEY | _ADAM | {"learning_rate": 8e-6},
        "released-ast-esc50": _RELEASED_AST | _SLOW,
        "released-ast-ks2": _RELEASED_AST
        | _WORDS
        | _RELEASED_SOFT
        | {"learning_rate": 6.25e-5, "epochs": 30},
        "released-ast-iemocap": _RELEASED_AST | _SLOW | _IEMOCAP,
        "released-beats-esc50": _RELEASED_BEATS | _POVEY | _COSINE,
        "released-beats-ks2": _RELEASED_BEATS | _POVEY | _RELEASED_SOFT | {"learning_rate": 1e-4},
        "released-beats-iemocap": _RELEASED_BEATS | _COSINE | _IEMOCAP,
    }
)


def run(spec: LossNetworkGrid, context: JobContext) -> Result:
    """Compute `LossNetworkGrid`; a training whose process was killed goes on from its checkpoint.

    Raises
    ------
    ValueError
        With one sentence: the labels, sounds or weights have changed or cannot be read, or classes, clips or
        folds do not suffice.
    """
    started = time.perf_counter()
    context.progress(0, 1, "reading")
    # Loads torch, which takes seconds: not before the first word of progress.
    from core.networks import train_networks

    backbone, to_spectrogram, parameters = _network(spec)
    clips = _read(spec, context, to_spectrogram)
    runs = train_networks(
        clips.X,
        clips.labels,
        clips.folds,
        backbone=backbone,
        tuning=derive(Tuning, spec),
        **training_options(spec, context, clips, "networks", (_READ, _TRAINED)),
    )
    context.progress(_TRAINED, 1, "measuring")
    judged = [Judged(run, run.before, None if run.failed else run.tested) for run in runs]
    return measure(spec, context, clips, judged, before="network", parameters=parameters, started=started)


def _network(spec: LossNetworkGrid) -> tuple[Callable[[int], nn.Module], ToSpectrogram, int]:
    """Return what networks begin as by seed, what makes a spectrogram of a waveform, and the parameters."""
    import torch

    from core.networks import PooledCNN, paper_log_mel
    from core.networks.training import SAMPLE_RATE

    samples = round(spec.seconds * SAMPLE_RATE)
    if spec.network == SMALL_CNN:

        def mel(x: np.ndarray) -> np.ndarray:
            whole = np.zeros(samples, dtype=np.float32)
            whole[: len(x)] = x[:samples]
            bands: np.ndarray = paper_log_mel(torch.from_numpy(whole)[None], taper=spec.taper)[0].numpy()
            return bands

        small = PooledCNN(dim=spec.dim, width=spec.width)
        parameters = sum(w.numel() for w in small.parameters())
        return lambda seed: PooledCNN(dim=spec.dim, width=spec.width, seed=seed), mel, parameters
    from jobs.encoders.transformers import spectrogram_transformer

    now = encoders.identity(spec.network, modality="audio")
    if now != spec.identity:
        raise ValueError(
            f"{spec.network} has changed since this was asked for (from {spec.identity} to {now}); ask again."
        )
    # The same weights for every seed, which draws the layers after them; each model tunes its own copy.
    network, spectrogram = spectrogram_transformer(spec.network.partition(":")[2])
    parameters = sum(w.numel() for w in network.parameters())
    return lambda seed: copy.deepcopy(network), lambda x: spectrogram(x[:samples]), parameters


def _read(spec: LossNetworkGrid, context: JobContext, to_spectrogram: ToSpectrogram) -> TrainingClips:
    from jobs.presets import clip_classes, of_several_classes

    dataset = dataset_with(spec.labels, spec, context.workspace)
    classes = clip_classes(dataset.clips)
    named = np.flatnonzero(classes != "")
    if not len(named):
        raise ValueError(f"No clip of {dataset.name} has a class; there is nothing to train on.")
    path, read = _spectrograms(spec, context, dataset, named, to_spectrogram)
    rows = named[read]
    labels = classes[rows].astype(str)
    own = dataset.clips["fold"].iloc[rows] if "fold" in dataset.clips else None
    known = None if own is None or own.isna().any() else own.to_numpy().astype(np.int64)
    folds, drawn, held_out = choose_folds(spec, labels, known)
    left_out = {"without_class": len(classes) - len(named), "not_finite": 0}
    return TrainingClips(
        clip_ids=dataset.clips["clip_id"].to_numpy(object)[rows],
        X=np.load(path, mmap_mode="r", allow_pickle=False)[: len(rows)],
        labels=labels,
        folds=folds,
        drawn=drawn,
        held_out=held_out,
        left_out=left_out | {"unreadable": len(named) - len(rows)},
        several=int(of_several_classes(dataset.clips)[rows].sum()),
    )


def _spectrograms(
    spec: LossNetworkGrid,
    context: JobContext,
    dataset: Dataset,
    named: np.ndarray,
    to_spectrogram: ToSpectrogram,
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
    spectrograms: np.memmap | None = None
    read: list[int] = []
    seen = 0
    for decoded in decoded_shards(dataset, parts, SAMPLE_RATE):
        for x in decoded:
            seen += 1
            if isinstance(x, str):
                context.log(f"Left out {ids[seen - 1]}: {x}.")
                continue
            mel = to_spectrogram(x)
            if spectrograms is None:
                shape = (len(ids), *mel.shape)
                # Half precision is a sixteenth of a decibel at the quietest, and half the room.
                spectrograms = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape)
            spectrograms[len(read)] = mel
            read.append(seen - 1)
        context.progress(_READ * seen / len(ids), 1, f"reading {seen:,} of {len(ids):,} clips")
    if spectrograms is None:
        raise ValueError(f"None of the {len(ids):,} clips of {dataset.name} could be read.")
    spectrograms.flush()
    shards.save(about, read=np.array(read, dtype=np.int64))
    return path, np.array(read, dtype=np.int64)
