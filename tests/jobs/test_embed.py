"""Embedding jobs: right rows, bounded memory, exclusions with reasons, and the same bytes after a fall."""

from __future__ import annotations

import gc
import hashlib
import threading
import time
import tracemalloc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from cache import ArtifactStore
from jobs import encoders
from jobs.engine import shards
from jobs.specs import DatasetRef, EmbedAudio, EmbedText
from jobs.tasks import run_of
from jobs.workspace.texts import texts_fingerprint, texts_of
from tests.waiting import wait_for

RATE = 8_000


class Encoder:
    """A fake encoder module: level, sign changes and length; two frames a clip; may be told to fail."""

    NAME, VERSION, TAKES_ARGUMENT = "fake", 1, False
    MODALITIES = frozenset({"audio", "text"})
    DESCRIPTION, REFERENCE = "A fake.", "None."
    sample_rate, min_samples = RATE, 1

    def __init__(self, frame_level: bool = True) -> None:
        self.frame_level, self.dimensions = frame_level, 3
        self.fail_after: int | None = None
        self.calls: list[int] = []
        self.slow = 0.0

    def available(self) -> None:
        return None

    def load(self, argument: str | None, *, modality: str, device: str) -> Any:
        return self if modality == "audio" else SimpleNamespace(dimensions=2, embed=self.embed_texts)

    def embed(self, waveforms: list[np.ndarray]) -> list[np.ndarray]:
        if self.fail_after is not None and len(self.calls) >= self.fail_after:
            raise KeyboardInterrupt
        self.calls.append(len(waveforms))
        time.sleep(self.slow)
        # Depends on the batch on purpose, as floating point does: only equal batches give equal bytes.
        shift = np.float32(1e-6) * len(waveforms)
        return [self.one(x) + shift for x in waveforms]

    def one(self, x: np.ndarray) -> np.ndarray:
        if x[0] > 0.9:
            return np.full((1, 3), np.nan, np.float32)
        parts = np.array_split(x, 2) if self.frame_level and len(x) > 1 else [x]
        rows = [[np.sqrt(np.mean(p**2)), np.mean(np.diff(np.sign(p)) != 0), len(p) / RATE] for p in parts]
        return np.array(rows, np.float32)

    def embed_texts(self, texts: list[str]) -> np.ndarray:
        self.calls.append(len(texts))
        if self.fail_after is not None and len(self.calls) > self.fail_after:
            raise KeyboardInterrupt
        return np.array([[len(t), t.count("a")] for t in texts], np.float32)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Encoder:
    module = Encoder()
    monkeypatch.setitem(encoders.REGISTRY.builtin, "fake", module)
    return module


class Context:
    """A job context over a store in a temporary folder, for a dataset that is a folder of WAV files."""

    def __init__(self, root: Path, clips: pd.DataFrame, folder: Path, classes: pd.DataFrame | None = None):
        self.store = ArtifactStore(root / "cache")
        self.checkpoint = root / "checkpoint"
        self.checkpoint.mkdir(parents=True, exist_ok=True)
        self.dataset = SimpleNamespace(
            name="sounds", clips=clips, classes=classes, audio_path=lambda i: folder / f"{i}.wav"
        )
        self.workspace = SimpleNamespace(dataset_for=lambda ref: self.dataset, cache=self.store)
        self.reports: list[tuple[float, float, str]] = []
        self.lines: list[str] = []

    def progress(self, done: float, total: float, note: str = "") -> None:
        self.reports.append((done, total, note))

    def log(self, message: str) -> None:
        self.lines.append(message)

    def writer(self) -> Any:
        return self.store.writer(self.spec.key, spec=self.spec.to_json())

    def run(self, spec: EmbedAudio | EmbedText) -> Any:
        self.spec = spec
        run_of(spec)(spec, self)
        return self.store.open(spec.key)


@pytest.fixture
def sounds(tmp_path: Path) -> tuple[pd.DataFrame, Path]:
    """100 clips of 50 to 150 ms."""
    folder = tmp_path / "sounds"
    folder.mkdir()
    rng = np.random.default_rng(0)
    ids = [f"clip {i:03d}" for i in range(100)]
    seconds = []
    for id in ids:
        x = (0.1 * rng.standard_normal(rng.integers(400, 1200))).astype(np.float32)
        sf.write(folder / f"{id}.wav", x, RATE, subtype="FLOAT")
        seconds.append(len(x) / RATE)
    return pd.DataFrame({"clip_id": ids, "duration": seconds}), folder


def audio_spec() -> EmbedAudio:
    return EmbedAudio(dataset=DatasetRef("sounds", "f"), encoder="fake")


def file_bytes(artifact: Any) -> dict[str, bytes]:
    return {name: (artifact.path / name).read_bytes() for name in artifact.names()}


def test_rows_frames_and_tables(fake: Encoder, sounds: Any, tmp_path: Path) -> None:
    context = Context(tmp_path, *sounds)
    artifact = context.run(audio_spec())
    X, frames, offsets = (artifact.array(n) for n in ("embeddings", "frames", "offsets"))
    ids = artifact.table("clips")["clip_id"].to_pylist()
    assert ids == list(sounds[0]["clip_id"])
    assert X.shape == (100, 3)
    assert X.dtype == frames.dtype == np.float32
    assert offsets.dtype == np.int64
    assert offsets.tolist() == list(range(0, 201, 2))
    for i in (0, 31, 32, 99):
        x = sf.read(sounds[1] / f"{ids[i]}.wav", dtype="float32")[0]
        np.testing.assert_allclose(frames[offsets[i] : offsets[i + 1]], fake.one(x), atol=1e-4)
        np.testing.assert_allclose(X[i], fake.one(x).mean(axis=0), atol=1e-4)
    assert artifact.table("excluded").num_rows == 0
    assert artifact.table("excluded").column_names == ["clip_id", "reason"]
    assert artifact.meta["n_clips"] == 100
    assert artifact.meta["dimensions"] == 3
    assert artifact.meta["frame_level"] is True
    assert artifact.meta["encoder"] == "fake"
    assert artifact.meta["dataset"] == "sounds"
    assert artifact.meta["seconds"] >= 0
    assert fake.calls == [32, 32, 32, 4]


def test_no_frames_where_the_encoder_has_none(fake: Encoder, sounds: Any, tmp_path: Path) -> None:
    fake.frame_level = False
    artifact = Context(tmp_path, *sounds).run(audio_spec())
    assert artifact.array("embeddings").shape == (100, 3)
    assert not {"frames.npy", "offsets.npy"} & set(artifact.names())


def test_progress_counts_clips(fake: Encoder, sounds: Any, tmp_path: Path) -> None:
    context = Context(tmp_path, *sounds)
    context.run(audio_spec())
    assert context.reports[0] == (0, 100, "loading fake")
    assert (64, 100, "64 of 100 clips") in context.reports
    assert context.reports[-1] == (100, 100, "100 of 100 clips")
    done = [r[0] for r in context.reports]
    assert done == sorted(done)


@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_resumed_result_is_the_same_to_the_byte(
    after: int, fake: Encoder, sounds: Any, tmp_path: Path
) -> None:
    (sounds[1] / "clip 040.wav").write_bytes(b"")
    whole = file_bytes(Context(tmp_path / "a", *sounds).run(audio_spec()))
    fake.calls.clear()
    fake.fail_after = after
    with pytest.raises(KeyboardInterrupt):
        Context(tmp_path / "b", *sounds).run(audio_spec())
    fake.fail_after = None
    again = Context(tmp_path / "b", *sounds)
    resumed = file_bytes(again.run(audio_spec()))
    assert {n: whole[n] for n in whole if n != "manifest.json"} == {
        n: resumed[n] for n in resumed if n != "manifest.json"
    }
    assert fake.calls == [32, 31, 32, 4]  # nothing was computed twice
    assert again.reports[0][0] == [0, 32, 64, 96][after]


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "other"])
def test_damaged_shard_is_made_again(damage: str, fake: Encoder, sounds: Any, tmp_path: Path) -> None:
    whole = file_bytes(Context(tmp_path / "a", *sounds).run(audio_spec()))
    context = Context(tmp_path / "b", *sounds)
    context.run(audio_spec())
    shard = sorted(context.checkpoint.iterdir())[1]
    data = bytearray(shard.read_bytes())
    if damage == "truncated":
        data = data[: len(data) // 2]
    elif damage == "flipped":
        at = bytes(data).index(b"rows.npy") + 140  # in the middle of the numbers
        data[at] ^= 0xFF
    elif damage == "empty":
        data = bytearray()
    else:
        np.savez(shard, rows=np.array([{}], dtype=object), seconds=0)
        data = bytearray(shard.read_bytes())
    shard.write_bytes(bytes(data))
    context.store.delete(audio_spec().key)
    fake.calls.clear()
    again = file_bytes(context.run(audio_spec()))
    assert fake.calls == [32]
    assert again["embeddings.npy"] == whole["embeddings.npy"]
    assert again["frames.npy"] == whole["frames.npy"]


def test_clips_that_cannot_be_embedded_are_left_out_with_a_reason(
    fake: Encoder, sounds: Any, tmp_path: Path
) -> None:
    folder = sounds[1]
    (folder / "clip 003.wav").write_bytes(b"")
    (folder / "clip 004.wav").write_text("not a sound")
    (folder / "clip 005.wav").unlink()
    sf.write(folder / "clip 050.wav", np.full(800, 0.95, np.float32), RATE, subtype="FLOAT")
    nan = np.full(800, np.nan, np.float32)
    sf.write(folder / "clip 051.wav", nan, RATE, subtype="FLOAT")
    context = Context(tmp_path, *sounds)
    artifact = context.run(audio_spec())
    lost = artifact.table("excluded").to_pydict()
    assert lost["clip_id"] == ["clip 003", "clip 004", "clip 005", "clip 050"]
    assert lost["reason"][0] == "is empty (0 bytes)"
    assert lost["reason"][2] == "there is no such file"
    assert "not finite" in lost["reason"][3]
    kept = artifact.table("clips")["clip_id"].to_pylist()
    assert len(kept) == len(artifact.array("embeddings")) == 96
    assert "clip 051" in kept  # its bad samples are read as silence
    assert np.isfinite(artifact.array("embeddings")).all()
    assert artifact.meta["n_excluded"] == 4
    assert any("clip 004" in line for line in context.lines)
    assert context.reports[-1][0] == 100


@pytest.mark.parametrize("error", [MemoryError("Unable to allocate 3 GiB"), RuntimeError("too long")])
def test_a_clip_that_the_encoder_fails_for_is_left_out_alone(
    fake: Encoder, sounds: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    sf.write(sounds[1] / "clip 040.wav", np.full(800, 0.5, np.float32), RATE, subtype="FLOAT")
    real = fake.embed

    def embed_but_one(waveforms: list[np.ndarray]) -> list[np.ndarray]:
        if any(x[0] == 0.5 for x in waveforms):
            raise error
        return real(waveforms)

    monkeypatch.setattr(fake, "embed", embed_but_one)
    context = Context(tmp_path, *sounds)
    artifact = context.run(audio_spec())
    lost = artifact.table("excluded").to_pydict()
    assert lost["clip_id"] == ["clip 040"]
    assert "cannot be embedded by fake: " in lost["reason"][0]
    assert str(error) in lost["reason"][0]
    assert artifact.array("embeddings").shape == (99, 3)
    assert any(line.startswith("Left out clip 040 (clip 040.wav): cannot be") for line in context.lines)


@pytest.mark.parametrize("case", ["first shard", "last shard", "only new ones"])
def test_clips_that_fail_are_left_out_also_where_they_are_all_of_a_shard(
    case: str, fake: Encoder, sounds: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips, folder = sounds
    bad = list(clips["clip_id"][:32] if case == "first shard" else clips["clip_id"][96:])
    for id in bad:
        sf.write(folder / f"{id}.wav", np.full(800, 0.5, np.float32), RATE, subtype="FLOAT")
    real = fake.embed

    def embed_but_bad(waveforms: list[np.ndarray]) -> list[np.ndarray]:
        if any(x[0] == 0.5 for x in waveforms):
            raise RuntimeError("too short")
        return real(waveforms)

    monkeypatch.setattr(fake, "embed", embed_but_bad)
    context = Context(tmp_path, *sounds)
    if case == "only new ones":
        clips["sha256"] = [
            hashlib.sha256((folder / f"{i}.wav").read_bytes()).hexdigest() for i in clips["clip_id"]
        ]
        monkeypatch.setattr(fake, "INDEPENDENT", frozenset({"cpu"}), raising=False)
        other = Context(tmp_path / "b", clips[:96], folder)
        other.store = context.store
        other.run(EmbedAudio(dataset=DatasetRef("others", "g"), encoder="fake"))
    artifact = context.run(audio_spec())
    lost = artifact.table("excluded").to_pydict()
    assert lost["clip_id"] == bad
    assert set(lost["reason"]) == {"cannot be embedded by fake: too short"}
    assert len(artifact.array("embeddings")) == 100 - len(bad)


def test_an_encoder_that_breaks_on_the_way_fails_the_job(
    fake: Encoder, sounds: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fake.embed

    def broken_later(waveforms: list[np.ndarray]) -> list[np.ndarray]:
        if len(fake.calls) >= 2:
            raise RuntimeError("the device is lost")
        return real(waveforms)

    monkeypatch.setattr(fake, "embed", broken_later)
    context = Context(tmp_path, *sounds)
    with pytest.raises(RuntimeError, match="the device is lost"):
        context.run(audio_spec())
    monkeypatch.setattr(fake, "embed", real)
    assert len(context.run(audio_spec()).array("embeddings")) == 100


def test_an_encoder_that_fails_for_all_fails_the_job(
    fake: Encoder, sounds: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(waveforms: list[np.ndarray]) -> list[np.ndarray]:
        raise RuntimeError("no such operator")

    monkeypatch.setattr(fake, "embed", broken)
    with pytest.raises(RuntimeError, match="no such operator"):
        Context(tmp_path, *sounds).run(audio_spec())


def test_a_clip_that_does_not_fit_into_memory_is_left_out(
    fake: Encoder, sounds: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = __import__("jobs.sound.files", fromlist=["decode"]).decode

    def short(path: Path, *args: Any) -> Any:
        if path.name == "clip 007.wav":
            raise MemoryError
        return decode(path, *args)

    monkeypatch.setattr("jobs.sound.files.decode", short)
    lost = Context(tmp_path, *sounds).run(audio_spec()).table("excluded").to_pydict()
    assert lost == {"clip_id": ["clip 007"], "reason": ["takes more memory than there is"]}


def test_a_shard_of_bad_clips_alone(fake: Encoder, sounds: Any, tmp_path: Path) -> None:
    for i in range(32):
        (sounds[1] / f"clip {i:03d}.wav").write_bytes(b"")
    artifact = Context(tmp_path, *sounds).run(audio_spec())
    assert artifact.array("embeddings").shape == (68, 3)
    assert artifact.array("offsets")[-1] == len(artifact.array("frames")) == 136


def test_nothing_left_is_one_clear_sentence(fake: Encoder, sounds: Any, tmp_path: Path) -> None:
    for path in sounds[1].iterdir():
        path.write_bytes(b"")
    context = Context(tmp_path, *sounds)
    with pytest.raises(ValueError, match=r"None of the 100 clips .* clip 000: is empty \(0 bytes\)\."):
        context.run(audio_spec())
    assert not context.store.contains(audio_spec().key)


def test_no_clips_at_all(fake: Encoder, tmp_path: Path) -> None:
    empty = pd.DataFrame({"clip_id": [], "duration": []})
    with pytest.raises(ValueError, match="has no clips"):
        Context(tmp_path, empty, tmp_path).run(audio_spec())


def test_an_encoder_that_has_changed(fake: Encoder, sounds: Any, tmp_path: Path) -> None:
    spec = audio_spec()
    fake.VERSION = 2
    with pytest.raises(ValueError, match=r"has changed since .* \(from fake/1 to fake/2\)"):
        Context(tmp_path, *sounds).run(spec)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (lambda ws: [], "gave 0 results for 32 clips"),
        (lambda ws: [np.zeros(3, np.float32)] * len(ws), r"shape \(3,\)"),
        (lambda ws: [np.zeros((1, 4), np.float32)] * len(ws), r"shape \(1, 4\)"),
        (lambda ws: [np.zeros((0, 3), np.float32)] * len(ws), "at least one frame"),
    ],
)
def test_encoders_that_break_their_promise(
    given: Any, words: str, fake: Encoder, sounds: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fake, "embed", given)
    with pytest.raises(ValueError, match=words):
        Context(tmp_path, *sounds).run(audio_spec())


def test_every_shard_is_decoded_while_the_one_before_is_embedded(
    fake: Encoder, sounds: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, read, furthest = threading.Lock(), [0], []
    expected = [64, 96, 100, 100]  # one shard ahead, and never more
    decode = __import__("jobs.sound.files", fromlist=["decode"]).decode

    def counted(*args: Any, **kwargs: Any) -> Any:
        with lock:
            read[0] += 1
        return decode(*args, **kwargs)

    real = fake.embed

    def slow(waveforms: list[np.ndarray]) -> list[np.ndarray]:
        wait_for(lambda: read[0] >= expected[len(furthest)], "the next shard")
        time.sleep(0.2)  # in which more would be decoded, if anything let it
        furthest.append(read[0])
        return real(waveforms)

    monkeypatch.setattr("jobs.sound.files.decode", counted)
    monkeypatch.setattr(fake, "embed", slow)
    Context(tmp_path, *sounds).run(audio_spec())
    assert furthest == expected


def test_memory_does_not_grow_with_the_number_of_clips(
    fake: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "sounds"
    folder.mkdir()
    sf.write(folder / "x.wav", 0.1 * np.random.default_rng(0).standard_normal(4 * RATE), RATE)

    def wide(waveforms: list[np.ndarray]) -> list[np.ndarray]:
        return [np.full((64, 256), float(np.abs(x).mean()), np.float32) for x in waveforms]

    fake.dimensions = 256
    monkeypatch.setattr(fake, "embed", wide)

    def peak(n: int) -> float:
        clips = pd.DataFrame({"clip_id": [f"{i:06d}" for i in range(n)], "duration": 4.0})
        context = Context(tmp_path / str(n), clips, folder)
        context.dataset.audio_path = lambda i: folder / "x.wav"
        gc.collect()
        tracemalloc.start()
        context.run(audio_spec())
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found / 1e6

    peak(64)  # first use of libraries
    # 1,280 clips are 164 MB of sound and 84 MB of frames. Two shards of each are 12 MB, and how much of
    # that is there at once is for the threads to say.
    assert peak(1280) < 30
    assert peak(128) < 30


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ([], []),
        ([1.0] * 32, [(0, 32)]),
        ([1.0] * 33, [(0, 32), (32, 33)]),
        ([7200.0, 1.0, 1.0], [(0, 1), (1, 3)]),
        ([float("nan"), None, float("inf")], [(0, 3)]),
        ([240.0] * 3, [(0, 2), (2, 3)]),
    ],
)
def test_plan_of_shards(seconds: list[Any], expected: list[tuple[int, int]]) -> None:
    assert [(s.start, s.stop) for s in shards.plan(seconds)] == expected


def test_shard_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: Any, **arrays: Any) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="disk is full"):
        shards.save(tmp_path / "a.npz", x=np.zeros(3))
    assert list(tmp_path.iterdir()) == []


# -- texts --

CLASSES = pd.DataFrame(
    {
        "label": ["dog_bark", "rain", "sea waves"],
        "family": ["Animals", None, None],
        "description": ["A dog\n barks.", None, "Waves."],
    }
)
CLIPS = pd.DataFrame({"clip_id": ["a", "b", "c"], "caption": ["one dog", None, "  "], "duration": 1.0})


@pytest.fixture
def texts(tmp_path: Path) -> Context:
    return Context(tmp_path, CLIPS, tmp_path, CLASSES)


def text_spec(context: Context, of: str, **fields: Any) -> EmbedText:
    fingerprint = texts_fingerprint(texts_of(context.dataset, of))
    return EmbedText(
        dataset=DatasetRef("sounds", "f"),
        texts=fingerprint,
        encoder=fields.pop("encoder", "fake"),
        of=of,
        **fields,
    )


def test_texts_of_a_dataset(texts: Context) -> None:
    labels = texts_of(texts.dataset, "label")
    assert labels["id"].tolist() == ["dog_bark", "rain", "sea waves"]
    assert labels["text"].tolist() == ["dog bark", "rain", "sea waves"]
    described = texts_of(texts.dataset, "description")
    assert described.to_dict("list") == {"id": ["dog_bark", "sea waves"], "text": ["A dog barks.", "Waves."]}
    assert texts_of(texts.dataset, "caption").to_dict("list") == {"id": ["a"], "text": ["one dog"]}
    with pytest.raises(ValueError, match="of is 'x'"):
        texts_of(texts.dataset, "x")
    texts.dataset.clips = CLIPS.drop(columns="caption")
    with pytest.raises(ValueError, match="Dataset sounds has no captions"):
        texts_of(texts.dataset, "caption")


def test_fingerprint_of_texts_sees_every_change() -> None:
    a = pd.DataFrame({"id": ["a", "b"], "text": ["x", "y"]})
    variants = [
        a,
        a.assign(text=["x", "z"]),
        a.assign(id=["a", "c"]),
        a.iloc[::-1],
        pd.DataFrame({"id": ["a"], "text": ["x"]}),
        pd.DataFrame({"id": ["ab"], "text": ["xy"]}),
    ]
    assert len({texts_fingerprint(v) for v in variants}) == len(variants)
    assert texts_fingerprint(a) == texts_fingerprint(a.copy())


def test_embed_text(fake: Encoder, texts: Context) -> None:
    artifact = texts.run(text_spec(texts, "label", template="a {} sound"))
    assert artifact.table("texts").to_pydict() == {
        "id": ["dog_bark", "rain", "sea waves"],
        "text": ["a dog bark sound", "a rain sound", "a sea waves sound"],
    }
    X = artifact.array("embeddings")
    assert X.dtype == np.float32
    assert X.tolist() == [[16, 2], [12, 2], [17, 3]]
    assert artifact.meta["n_texts"] == 3
    assert texts.reports[-1] == (3, 3, "3 of 3 texts")


def test_embed_text_resumes(fake: Encoder, tmp_path: Path) -> None:
    clips = pd.DataFrame({"clip_id": [f"{i}" for i in range(600)], "caption": [f"a{i}" for i in range(600)]})
    context = Context(tmp_path, clips, tmp_path, CLASSES)
    spec = text_spec(context, "caption")
    fake.fail_after = 1
    with pytest.raises(KeyboardInterrupt):
        context.run(spec)
    fake.fail_after = None
    fake.calls.clear()
    assert context.run(spec).array("embeddings").shape == (600, 2)
    assert fake.calls == [256, 88]


def test_embed_text_that_has_changed(fake: Encoder, texts: Context) -> None:
    spec = text_spec(texts, "label")
    texts.dataset.classes = CLASSES.iloc[:2]
    with pytest.raises(ValueError, match="labels of sounds have changed"):
        texts.run(spec)


def test_embed_text_without_a_finite_result(
    fake: Encoder, texts: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fake, "embed_texts", lambda t: np.array([[1, 1], [np.nan, 1], [1, 1]], np.float32))
    with pytest.raises(ValueError, match="no finite embedding for 'rain'"):
        texts.run(text_spec(texts, "label"))


# -- with real encoders --


@pytest.mark.parametrize("name", ["melstats", "random-cnn"])
def test_real_encoders_give_the_same_bytes_twice(name: str, sounds: Any, tmp_path: Path) -> None:
    spec = EmbedAudio(dataset=DatasetRef("sounds", "f"), encoder=name)
    a = Context(tmp_path / "a", *sounds).run(spec)
    b = Context(tmp_path / "b", *sounds).run(spec)
    assert file_bytes(a)["embeddings.npy"] == file_bytes(b)["embeddings.npy"]
    assert np.isfinite(a.array("embeddings")).all()
