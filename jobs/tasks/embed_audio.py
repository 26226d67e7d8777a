"""Embed the clips of a dataset.

Clips stream through: while the model works on one shard, threads decode the next, and embeddings go to disk.
So memory does not grow with the number of clips, and a job that was killed continues after its last complete
shard, to the same bytes. Sounds that the same encoder has embedded before are not embedded again."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from cache import CacheError
from jobs import encoders
from jobs.encoders import trained
from jobs.engine import shards
from jobs.tasks import reuse
from jobs.tasks.schema import Schema, array, table, value
from jobs.tasks.spec import DatasetRef, Spec, SpecError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from jobs.engine.context import JobContext
    from jobs.tasks.embed_query import EmbedQuery
    from jobs.tasks.embed_text import EmbedText

#: Decoding threads. Beside a network they wait most of the time; beside cheap features they are the work.
DECODERS = max(1, min(4, os.cpu_count() or 2))
#: Seconds of noise, which every encoder that works can embed.
_NOISE = 10.0
Decoded = np.ndarray | str  # a waveform, or why a clip has none


class Result(Schema):
    """An embedding a clip, with the L2 norm that the model gives it."""

    embeddings: np.ndarray = array("float32", "n d", "an embedding of every clip")
    clips: pa.Table = table(
        "n",
        "a clip that was embedded",
        {"clip_id": ("string", "its id"), "sha256": ("string?", "of its file; null where it is not known")},
    )
    excluded: pa.Table = table(
        "e", "a clip that was left out", {"clip_id": ("string", "its id"), "reason": ("string", "why")}
    )
    frames: np.ndarray | None = array("float32", "m d", "all frames, if the encoder has them", default=None)
    offsets: np.ndarray | None = array(
        "int64", "n+1", "frames of clip i are ``frames[offsets[i]:offsets[i + 1]]``", default=None
    )
    dataset: str = value("name of the dataset")
    encoder: str = value("name of the encoder")
    identity: str = value("what the name stands for")
    n_clips: int = value("clips that were embedded")
    n_excluded: int = value("clips that were left out")
    n_frames: int | None = value("frames, where there are any")
    dimensions: int = value("length of an embedding")
    frame_level: bool = value("whether the encoder has frames")
    card: dict[str, object] = value("the encoder's card")
    device: str | None = value("where the model ran", default=None)
    seconds: float | None = value("time of embedding, interruptions left out", default=None)

    @property
    def clip_ids(self) -> list[str]:
        """The clips in order of the rows."""
        return self.column("clips", "clip_id")


@dataclass(frozen=True, kw_only=True)
class EmbedAudio(Spec[Result]):
    """Embed every clip of a dataset by an audio encoder."""

    LATER: ClassVar[frozenset[str]] = frozenset({"source", "run"})

    dataset: DatasetRef
    encoder: str
    #: What the name stands for: the encoder's version and, for weights in a folder or embeddings that were
    #: imported, their fingerprint.
    identity: str = ""
    #: The training that the space is a part of, whose encoder is ``trained:NAME``, and the part.
    source: Spec | None = None
    run: str = ""

    def __post_init__(self) -> None:
        check_source(self)
        if not self.identity:
            object.__setattr__(self, "encoder", encoders.canonical(self.encoder, modality="audio"))
            imported = self.dataset.imported.get(self.encoder)
            identity = imported or encoders.identity(self.encoder, modality="audio")
            object.__setattr__(self, "identity", identity)

    @property
    def model(self) -> str:
        """The encoder as people call it: a model in a folder by the folder's name."""
        return encoders.short(self.encoder)

    @property
    def place(self) -> str:
        """The dataset and the encoder as people call them."""
        return f"{self.dataset.name} · {self.model}"

    @property
    def title(self) -> str:
        return f"embed {self.dataset.name} with {self.model}"


def check_source(spec: EmbedAudio | EmbedText) -> None:
    """Fill in the identity of a trained space; raise `SpecError` where one of its fields is missing."""
    named = spec.encoder.startswith(f"{trained.NAME}:")
    if spec.source is None and not spec.run and not named:
        return
    if spec.source is None or not spec.run or not named:
        raise SpecError(
            f"A trained space needs the training, the part of it and an encoder called {trained.NAME}:NAME; "
            f"given are {'a' if spec.source else 'no'} training, {spec.run!r} and {spec.encoder!r}."
        )
    object.__setattr__(spec, "identity", trained.identity_of(spec.source.key, spec.run))


def run(spec: EmbedAudio, context: JobContext) -> None:
    """Compute `EmbedAudio`: an embedding of every clip that can be read.

    Raises
    ------
    ValueError
        With one sentence: the dataset is empty or has changed, the encoder is not available or has changed,
        or not one clip could be embedded.
    """
    if spec.source is not None:
        from jobs.tasks.trained import trained_audio

        return trained_audio(spec, context)
    check_identity(spec, "audio")
    dataset = context.workspace.dataset_for(spec.dataset)
    clips = dataset.clips
    ids = [str(i) for i in clips["clip_id"]]
    sounds = reuse.contents(clips)
    if not ids:
        raise ValueError(f"Dataset {dataset.name} has no clips to embed.")
    parts = shards.plan(list(clips["duration"]) if "duration" in clips.columns else [np.nan] * len(ids))
    paths = [context.checkpoint / f"clips-{part.start:08d}-{part.stop:08d}.npz" for part in parts]
    todo = [i for i, path in enumerate(paths) if shards.load(path, ("rows", "seconds")) is None]
    done = len(ids) - sum(len(parts[i]) for i in todo)
    context.progress(done, len(ids), f"loading {spec.encoder}" if todo else "storing")
    if todo:
        if done:
            context.log(f"Going on after {done:,} of {len(ids):,} clips from the checkpoint.")
        known = _known(spec, context, sounds)
        fresh = [[row for row in parts[i] if row not in known] for i in todo]
        embedder = _Embedder(spec, dataset, ids)
        if any(fresh):
            embedder.load()
        context.progress(done, len(ids), f"{done:,} of {len(ids):,} clips")
        with closing(embedder.decode([rows for rows in fresh if rows])) as decoding:
            started = time.perf_counter()
            for i, rows in zip(todo, fresh, strict=True):
                decoded = dict(zip(rows, next(decoding), strict=True)) if rows else {}
                shard = embedder.embed(decoded, {row: known[row] for row in parts[i] if row in known})
                decoded.clear()
                shards.save(paths[i], **shard.arrays(), seconds=time.perf_counter() - started)
                started = time.perf_counter()
                for row, reason in sorted(shard.excluded.items()):
                    context.log(f"Left out {ids[row]} ({dataset.audio_path(ids[row]).name}): {reason}.")
                done += len(parts[i])
                context.progress(done, len(ids), f"{done:,} of {len(ids):,} clips")
    _store(spec, context, dataset.name, clips, paths)


def _known(spec: EmbedAudio, context: JobContext, sounds: list[str | None]) -> dict[int, reuse.Earlier]:
    """Return embeddings that exist already, by row, where taking them changes nothing."""
    device = encoders.default_device()
    if not encoders.independent(spec.encoder, device=device):
        return {}
    known = reuse.earlier(spec, context, sounds, device)
    if known:
        context.log(f"{len(known):,} of {len(sounds):,} clips were embedded before and are taken from there.")
    return known


@dataclass
class _Shard:
    """The frames of some clips by row, and the reasons why others have none."""

    frames: dict[int, np.ndarray]
    excluded: dict[int, str]
    dimensions: int
    frame_level: bool

    def arrays(self) -> dict[str, Any]:
        """Return the arrays of its checkpoint."""
        kept, lost = sorted(self.frames), sorted(self.excluded)
        frames = [self.frames[row] for row in kept]
        means = [f.mean(axis=0, dtype=np.float64) for f in frames]  # (d,) each
        nothing = np.empty((0, self.dimensions), np.float32)
        return {
            "rows": np.array(kept, np.int64),
            "embeddings": np.array(means, np.float32).reshape(-1, self.dimensions),
            "counts": np.array([len(f) for f in frames], np.int64),
            "frames": np.concatenate([*frames, nothing]) if self.frame_level else [],
            "excluded": np.array(lost, np.int64),
            "reasons": np.array([self.excluded[row] for row in lost], np.str_),
        }


class _Embedder:
    """Embeds clips of a dataset; the model is loaded when the first clip needs it."""

    def __init__(self, spec: EmbedAudio, dataset: Any, ids: list[str]) -> None:
        self._spec = spec
        self._dataset = dataset
        self._ids = ids
        self._model: encoders.AudioModel | None = None

    def load(self) -> encoders.AudioModel:
        """Return the model."""
        if self._model is None:
            self._model = encoders.load(self._spec.encoder, modality="audio")
        return self._model

    def decode(self, wanted: list[list[int]]) -> Generator[list[Decoded]]:
        """Yield the sounds of every list of rows, as `decoded_shards` does."""
        rate = self.load().sample_rate if wanted else 0
        return decoded_shards(self._dataset, [[self._ids[row] for row in rows] for rows in wanted], rate)

    def embed(self, decoded: dict[int, Decoded], known: dict[int, reuse.Earlier]) -> _Shard:
        """Return the frames of decoded clips and of those that are known, by row."""
        given: dict[int, np.ndarray | str] = {}
        gone: list[int] = []
        for row, earlier in known.items():
            try:
                given[row] = earlier.frames()
            except CacheError:  # the result was removed meanwhile
                gone.append(row)
        if gone:
            [more] = self.decode([gone])
            decoded |= zip(gone, more, strict=True)
        waveforms = {row: x for row, x in decoded.items() if not isinstance(x, str)}
        if self._model is not None:
            embedded = _embedded(self._spec, self._model, list(waveforms.values()))
            given |= zip(waveforms, embedded, strict=True)
            d, frame_level = self._model.dimensions, self._model.frame_level
        else:
            first = next(iter(known))
            d, frame_level = given[first].shape[1], known[first].frame_level  # type: ignore[union-attr]
        shard = _Shard({}, {row: x for row, x in decoded.items() if isinstance(x, str)}, d, frame_level)
        for row, f in given.items():
            if isinstance(f, str):
                shard.excluded[row] = f
            elif np.isfinite(f).all():
                shard.frames[row] = np.asarray(f, dtype=np.float32)
            else:
                shard.excluded[row] = "the encoder gave values that are not finite numbers"
        return shard


def decoded_shards(dataset: Any, wanted: list[list[str]], sample_rate: int) -> Generator[list[Decoded]]:
    """Yield the sounds of every shard while the next one is decoded: never more than two in memory."""
    from jobs.sound.files import AudioError, decode

    def read(clip_id: str) -> Decoded:
        if _changed(dataset.audio_path(clip_id), hashes.get(clip_id)):
            raise ValueError(
                f"{dataset.audio_path(clip_id)} has changed since it was added; add the dataset again "
                f"(`hearspace add {dataset.name} … --replace`)."
            )
        try:
            return decode(dataset.audio_path(clip_id), sample_rate)[0]
        except AudioError as error:
            return error.reason
        except Exception as error:  # one odd file must not end a job of thousands
            return _reason(error)

    clips = dataset.clips
    known = "sha256" in clips.columns
    hashes = dict(zip(clips["clip_id"], clips["sha256"], strict=True)) if known else {}
    pool = ThreadPoolExecutor(DECODERS, thread_name_prefix="decode")
    try:
        ahead: list[Future[Decoded]] = []
        for ids in [*wanted, []]:
            ready, ahead = ahead, [pool.submit(read, i) for i in ids]
            if ready:
                yield [ready.pop(0).result() for _ in range(len(ready))]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _changed(path: Path, sha256: Any) -> bool:
    """Return whether a file exists but holds something else than when it was imported."""
    if not isinstance(sha256, str):
        return False
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() != sha256
    except OSError:
        return False  # decoding will give the reason


def _embedded(
    spec: EmbedAudio, model: encoders.AudioModel, waveforms: list[np.ndarray]
) -> Sequence[np.ndarray | str]:
    """Embed waveforms together; where that fails, one by one, with the reason for those that fail alone.

    Raises
    ------
    Exception
        Of the encoder, where it fails for each, and for noise as well: then the clips are not the cause.
    """
    try:
        given = model.embed(waveforms) if waveforms else []
    except Exception:
        alone: list[np.ndarray | str] = []
        for_memory = False
        for x in waveforms:
            try:
                one = model.embed([x])
            except Exception as error:
                for_memory = for_memory or isinstance(error, MemoryError)
                alone.append(f"cannot be embedded by {spec.encoder}: {_reason(error)}")
            else:
                _check(spec, model, 1, one)
                alone.extend(one)
        if not for_memory and all(isinstance(x, str) for x in alone):
            # An encoder that works fails for clips that are short or odd: few may be left in a shard.
            noise = np.random.default_rng(0).normal(0, 0.1, int(_NOISE * model.sample_rate))
            model.embed([noise.astype(np.float32)])
        return alone
    _check(spec, model, len(waveforms), given)
    return given


def _reason(error: Exception) -> str:
    """Return what went wrong with a clip, as a clause."""
    message = " ".join(str(error).split()).rstrip(".")
    if isinstance(error, MemoryError):
        return "takes more memory than there is" + (f" ({message})" if message else "")
    return message or type(error).__name__


def _check(spec: EmbedAudio, model: encoders.AudioModel, n: int, given: list[np.ndarray]) -> None:
    if len(given) != n:
        raise ValueError(f"Encoder {spec.encoder} gave {len(given)} results for {n} clips.")
    for f in given:
        if np.ndim(f) != 2 or f.shape[1] != model.dimensions or len(f) < 1:
            raise ValueError(
                f"Encoder {spec.encoder} gave an array of shape {np.shape(f)} for a clip; it must be "
                f"(frames, {model.dimensions}) with at least one frame."
            )
        if not model.frame_level and len(f) != 1:
            raise ValueError(
                f"Encoder {spec.encoder} says it has no frames (frame_level is False) but gave {len(f)} "
                "for a clip."
            )


def _store(
    spec: EmbedAudio, context: JobContext, dataset: str, clips: pd.DataFrame, paths: list[Path]
) -> None:
    """Join the shards and store the artifact; arrays are written in place, a shard at a time."""
    ids, sounds = [str(i) for i in clips["clip_id"]], reuse.contents(clips)
    heads = [whole(path, ("rows", "counts", "excluded", "reasons", "seconds")) for path in paths]
    rows, lost, counts = (np.concatenate([h[k] for h in heads]) for k in ("rows", "excluded", "counts"))
    reasons = [str(r) for h in heads for r in h["reasons"]]
    if len(rows) == 0:
        raise ValueError(
            f"None of the {len(ids):,} clips of {dataset} could be embedded; the first, {ids[int(lost[0])]}: "
            f"{reasons[0]}."
        )
    # Frames are in no shard or in all.
    first = next(i for i, h in enumerate(heads) if len(h["rows"]))
    example = whole(paths[first], ("embeddings", "frames"))
    d, frame_level = example["embeddings"].shape[1], example["frames"].ndim == 2
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)  # (n + 1,)
    seconds = float(sum(h["seconds"] for h in heads))
    with context.writer() as w:
        embeddings = w.empty_array("embeddings", (len(rows), d), np.float32)
        frames = w.empty_array("frames", (int(offsets[-1]), d), np.float32) if frame_level else None
        at = 0
        for path, head in zip(paths, heads, strict=True):
            n = len(head["rows"])
            if n == 0:
                continue
            shard = whole(path, ("embeddings", "frames"))
            embeddings[at : at + n] = shard["embeddings"]
            if frames is not None:
                frames[offsets[at] : offsets[at + n]] = shard["frames"]
            at += n
        if frame_level:
            w.array("offsets", offsets)
        w.table("clips", reuse.clip_table([ids[row] for row in rows], [sounds[row] for row in rows]))
        Result.FIELDS["excluded"].write(w, {"clip_id": [ids[row] for row in lost], "reason": reasons})
        w.seconds = seconds
        w.meta.update(
            dataset=dataset,
            encoder=spec.encoder,
            identity=spec.identity,
            n_clips=len(rows),
            n_excluded=len(lost),
            n_frames=int(offsets[-1]) if frame_level else None,
            dimensions=d,
            frame_level=frame_level,
            device=encoders.default_device(),
            seconds=seconds,
            card=asdict(encoders.card(spec.encoder)),
        )
    if len(lost):
        context.log(f"{len(lost):,} of {len(ids):,} clips were left out; excluded.parquet says why.")


def whole(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Return arrays of a checkpoint; one that is damaged is removed, with a `ValueError`."""
    arrays = shards.load(path, names)
    if arrays is None:
        path.unlink(missing_ok=True)
        raise ValueError(
            f"Checkpoint {path.name} is damaged and was removed; retry the job to make it again."
        )
    return arrays


def check_identity(spec: EmbedAudio | EmbedText | EmbedQuery, modality: encoders.Modality) -> None:
    """Raise `ValueError` if the encoder is no longer the one that was asked for."""
    now = encoders.identity(spec.encoder, modality=modality)
    if now != spec.identity:
        raise ValueError(
            f"Encoder {spec.encoder} has changed since this was asked for (from {spec.identity} to {now}); "
            "ask again."
        )
