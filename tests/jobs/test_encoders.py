"""Every encoder keeps the same promises; each is right about what it computes."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from filelock import FileLock

from jobs import encoders
from jobs.encoders import EncoderUnavailable, UnknownEncoder, _folders, _hub
from tests.waiting import PATIENCE

sys.path.insert(0, str(Path(__file__).parent))
import tiny_models

AUDIO = [name for name, m in encoders.modules("audio").items() if not m.TAKES_ARGUMENT]
TEXT = [name for name, m in encoders.modules("text").items() if not m.TAKES_ARGUMENT]
CHECKPOINTS = ["clap", "clap_fusion", "ast", "wav2vec2", "whisper", "onnx_clip", "onnx_frames"]
NETWORKS = {"onnx_clip": tiny_models.onnx_waveform, "onnx_frames": tiny_models.onnx_mel}
LIBRARY_OF = {name: f"{'onnx' if name in NETWORKS else 'transformers'}:./x" for name in CHECKPOINTS}
LIBRARIES = {"sentences": "sentence-transformers"} | dict.fromkeys(NETWORKS, "onnx")


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory):
    home = tmp_path_factory.mktemp("models")
    return {
        "clap": tiny_models.clap(home / "clap"),
        "clap_fusion": tiny_models.clap(home / "clap_fusion", fusion=True),
        "ast": tiny_models.ast(home / "ast"),
        "wav2vec2": tiny_models.wav2vec2(home / "wav2vec2"),
        "whisper": tiny_models.whisper(home / "whisper"),
        "sentences": tiny_models.sentence_model(home / "sentences"),
        "onnx_clip": home / "onnx_clip",
        "onnx_frames": home / "onnx_frames",
    }


@pytest.fixture(scope="session")
def load(checkpoints):
    loaded: dict[tuple[str, str], object] = {}

    def get(name: str, modality: str = "audio"):
        if name in checkpoints:
            library = LIBRARIES.get(name, "transformers")
            if name in NETWORKS:
                pytest.importorskip("onnxruntime")
                pytest.importorskip("onnx")
                NETWORKS[name](checkpoints[name])
            full = f"{library}:{checkpoints[name]}"
        else:
            full = name
            reason = encoders.get(full)[0].available()
            if reason:
                pytest.skip(reason)
        if (full, modality) not in loaded:
            loaded[full, modality] = encoders.load(full, modality=modality, device="cpu")
        return loaded[full, modality]

    return get


def sounds(sample_rate: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    t = np.arange(round(2.6 * sample_rate)) / sample_rate
    return {
        "tone": (0.5 * np.sin(2 * np.pi * 440 * t)).astype(np.float32),
        "noise": (0.1 * rng.standard_normal(sample_rate)).astype(np.float32),
        "silence": np.zeros(sample_rate, np.float32),
        "10 ms": (0.1 * rng.standard_normal(sample_rate // 100)).astype(np.float32),
        "one sample": np.full(1, 0.5, np.float32),
        "constant": np.full(sample_rate, 0.25, np.float32),
        "loud": (3 * rng.standard_normal(sample_rate)).astype(np.float32),
        "long": (0.1 * rng.standard_normal(6 * sample_rate)).astype(np.float32),
    }


# -- the contract --


@pytest.mark.parametrize("name", encoders.names())
def test_modules_hold_what_the_registry_promises(name):
    module = encoders.modules()[name]
    assert name == module.NAME
    assert isinstance(module.VERSION, int)
    assert module.MODALITIES
    assert not set(module.MODALITIES) - {"audio", "text"}
    assert module.DESCRIPTION.endswith(".")
    assert module.REFERENCE
    assert module.available() is None or module.available().count(". ") <= 1
    assert module.__doc__


@pytest.mark.parametrize("name", AUDIO + CHECKPOINTS)
def test_audio_contract(name, load):
    model = load(name)
    assert isinstance(model, encoders.AudioModel)
    independent = encoders.independent(LIBRARY_OF.get(name, name), device="cpu")
    assert independent or name == "loudness", "of ours, none depends on its batch on a CPU"
    clips = sounds(model.sample_rate)
    before = {k: x.copy() for k, x in clips.items()}
    together = model.embed(list(clips.values()))
    again = model.embed(list(clips.values()))
    assert len(together) == len(clips)
    for (what, x), found, second in zip(clips.items(), together, again, strict=True):
        assert found.dtype == np.float32, what
        assert found.ndim == 2, what
        assert found.shape[1] == model.dimensions, what
        assert len(found) >= 1, what
        assert model.frame_level or len(found) == 1, what
        assert np.isfinite(found).all(), what
        assert np.array_equal(found, second), f"{what} differs from one time to the next"
        alone = model.embed([x])[0]
        if independent:
            assert alone.tobytes() == found.tobytes(), f"{what} depends on its batch"
        np.testing.assert_allclose(alone, found, rtol=1e-3, atol=1e-4, err_msg=f"{what} depends on its batch")
        assert np.array_equal(x, before[what]), f"{what} was changed"
    means = np.stack([f.mean(axis=0) for f in together])
    assert np.linalg.norm(means[0] - means[1]) > 1e-4, "a tone and noise look the same"
    if model.frame_level:
        assert len(together[-1]) > len(together[1]), "a long clip has more frames than a short one"
    assert model.embed([]) == []


@pytest.mark.parametrize("name", [*TEXT, "clap", "sentences"])
def test_text_contract(name, load):
    model = load(name, "text")
    assert isinstance(model, encoders.TextModel)
    texts = ["dog", "the sound of rain", "sea " * 500, "", "❤ été"]
    found = model.embed(texts)
    assert found.shape == (5, model.dimensions)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert np.array_equal(found, model.embed(texts))
    for i, text in enumerate(texts):
        np.testing.assert_allclose(model.embed([text])[0], found[i], atol=1e-5)
    assert np.linalg.norm(found[0] - found[1]) > 1e-4
    assert model.embed([]).shape == (0, model.dimensions)


def test_a_class_token_is_the_last_hidden_state_of_the_first_token(checkpoints):
    import torch
    from transformers import AutoModel, AutoTokenizer

    source = checkpoints["sentences"].parent / "base"
    model = encoders.load(f"class-token:{source}", modality="text", device="cpu")
    bert, words = AutoModel.from_pretrained(source).eval(), AutoTokenizer.from_pretrained(source)
    texts = ["dog", "the sound of rain"]
    with torch.no_grad():
        tokens = words(texts, padding=True, return_tensors="pt")
        expected = bert(**tokens).last_hidden_state[:, 0].numpy()
    np.testing.assert_allclose(model.embed(texts), expected, atol=1e-5)
    means = encoders.load(f"sentence-transformers:{source}", modality="text", device="cpu").embed(texts)
    assert np.abs(means - expected).max() > 0.01


# -- the registry --


def test_registry_is_light():
    code = (
        "import sys; from jobs import encoders; encoders.names();"
        "encoders.identity('aisfx', modality='audio');"
        "[m.available() for m in encoders.modules().values()];"
        "heavy = {'numpy', 'torch', 'librosa', 'scipy', 'transformers', 'sentence_transformers', 'aisfx'};"
        "heavy |= {'mteb', 'onnxruntime', 'essentia', 'soundfile'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_names_by_modality():
    assert {"aisfx", "handcrafted", "melstats", "random-cnn", "transformers"} <= set(encoders.names("audio"))
    assert {"minilm", "sentence-transformers", "transformers"} <= set(encoders.names("text"))
    assert "minilm" not in encoders.names("audio")


@pytest.mark.parametrize(
    ("name", "modality", "words"),
    [
        ("nosuch", "audio", "no encoder 'nosuch'; there are aisfx"),
        ("", "audio", "no encoder ''"),
        ("minilm", "audio", "minilm does not embed audio"),
        ("melstats", "text", "melstats does not embed text"),
        ("melstats:x", "audio", "takes no model"),
        ("transformers", "audio", "needs a model"),
        ("transformers:", "audio", "needs a model"),
    ],
)
def test_unknown_encoders(name, modality, words):
    with pytest.raises(UnknownEncoder, match=words) as caught:
        encoders.identity(name, modality=modality)
    assert "\n" not in str(caught.value)


def test_identity():
    assert encoders.identity("melstats", modality="audio") == "melstats/1"
    hub = encoders.identity("transformers:laion/clap-htsat-unfused", modality="text")
    assert hub == "transformers/1:laion/clap-htsat-unfused"


def test_identity_of_a_folder_follows_its_contents(tmp_path):
    folder = tmp_path / "my-model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    name = f"transformers:{folder}"
    first = encoders.identity(name, modality="audio")
    assert first.startswith("transformers/1:my-model#")
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("x")
    assert encoders.identity(name, modality="audio") == first
    folder.rename(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").rename(folder)
    assert encoders.identity(name, modality="audio") == first
    (folder / "config.json").write_text('{"a": 1}')
    assert encoders.identity(name, modality="audio") != first
    with pytest.raises(UnknownEncoder, match="There is no folder"):
        encoders.identity(f"transformers:{tmp_path}/nowhere", modality="audio")


def test_fingerprint_reads_a_file_once(tmp_path):
    (tmp_path / "weights").write_bytes(b"x" * 100)
    _folders._content.cache_clear()
    assert _folders.fingerprint(tmp_path) == _folders.fingerprint(tmp_path)
    assert (_folders._content.cache_info().misses, _folders._content.cache_info().hits) == (1, 1)


@pytest.mark.parametrize("folder", ["/a", "./a", "../a", "~/a", ".", "..", "C:\\a", "C:/a", ".\\a"])
def test_folders_by_their_spelling(folder):
    assert _folders.is_folder(folder)


@pytest.mark.parametrize("id", ["a", "a/b", "laion/clap-htsat-unfused", "a/b@main", "a.b/c"])
def test_hub_ids_by_their_spelling(id, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(id).mkdir(parents=True)
    assert not _folders.is_folder(id)
    assert encoders.canonical(f"transformers:{id}") == f"transformers:{id}"


def test_canonical_is_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert encoders.canonical("transformers:./m") == f"transformers:{tmp_path.resolve()}/m"
    assert encoders.canonical("melstats") == "melstats"


def test_warm_up_imports_what_an_encoder_names():
    assert "torch" in encoders.imports("aisfx")
    assert encoders.imports("transformers:some/model")
    assert encoders.warm_up("melstats") == list(encoders.imports("melstats"))
    assert "core.audio" in sys.modules


# -- encoders of other distributions --

EXAMPLE = Path(__file__).parents[2] / "docs" / "encoders.md"


def example_code() -> str:
    """The example of the documentation: the first block of Python."""
    return EXAMPLE.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]


@pytest.fixture
def foreign(monkeypatch):
    """Put modules into the entry-point group."""

    def install(**modules: object) -> None:
        def point(name: str, module: object) -> SimpleNamespace:
            def load() -> object:
                if isinstance(module, Exception):
                    raise module
                return module

            return SimpleNamespace(name=name, value=f"somewhere.{name}", load=load)

        points = [point(n, m) for n, m in modules.items()]
        monkeypatch.setattr("jobs.registry.entry_points", lambda group: points if "encoders" in group else [])
        encoders.REGISTRY.forget_external()

    yield install
    monkeypatch.undo()
    encoders.REGISTRY.forget_external()


def test_the_example_of_the_documentation_keeps_the_contract(foreign, load):
    module = SimpleNamespace()
    exec(compile(example_code(), str(EXAMPLE), "exec"), module.__dict__)
    foreign(loudness=module)
    assert "loudness" in encoders.names("audio")
    assert encoders.identity("loudness", modality="audio") == "loudness/1"
    test_modules_hold_what_the_registry_promises("loudness")
    test_audio_contract("loudness", load)


def test_broken_encoders_of_others_take_nothing_down(foreign):
    foreign(
        broken=ImportError("no module named 'x'"),
        half=SimpleNamespace(NAME="half", VERSION=1),
        melstats=encoders.modules()["melstats"],
    )
    assert "melstats" in encoders.names()
    assert set(encoders.problems()) == {"broken", "half", "melstats"}
    assert "lacks MODALITIES" in encoders.problems()["half"]
    with pytest.raises(UnknownEncoder, match="no module named 'x'"):
        encoders.get("broken")


# -- models that cannot be had --


@pytest.mark.parametrize("library", ["transformers", "sentence-transformers"])
def test_without_network_the_reason_comes_at_once(library, monkeypatch):
    monkeypatch.setattr(_hub, "offline_reason", lambda: "there is no connection to huggingface.co")
    modality = "audio" if library == "transformers" else "text"
    with pytest.raises(EncoderUnavailable, match="cannot be fetched: there is no connection") as caught:
        encoders.load(f"{library}:hearspace-tests/not-a-model", modality=modality)
    assert "\n" not in str(caught.value)


def test_offline_switch_is_named(monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert _hub.offline_reason() == "HF_HUB_OFFLINE is set"


def test_hub_says_no_such_model():
    from huggingface_hub.errors import RepositoryNotFoundError

    cause = RepositoryNotFoundError.__new__(RepositoryNotFoundError)
    Exception.__init__(cause, "404")
    error = OSError("long text\nwith lines")
    error.__cause__ = cause
    assert "There is no model 'a/b' on the hub" in _hub._reason("a/b", error)


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("a/b/c", "neither a hub id"),
        ("-x", "neither a hub id"),
        ("./nowhere", "There is no folder"),
        (".", "cannot be loaded"),
    ],
)
def test_arguments_that_name_nothing(argument, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EncoderUnavailable, match=words) as caught:
        encoders.load(f"transformers:{argument}", modality="audio")
    assert "\n" not in str(caught.value)


def test_a_text_model_does_not_embed_audio(checkpoints):
    with pytest.raises(EncoderUnavailable, match="no audio feature extractor"):
        encoders.load(f"transformers:{checkpoints['sentences'].parent / 'base'}", modality="audio")
    with pytest.raises(EncoderUnavailable, match="has no text tower"):
        encoders.load(f"transformers:{checkpoints['ast']}", modality="text")


def test_incomplete_weights_are_not_filled_with_random_ones(checkpoints, tmp_path):
    import shutil

    from safetensors.numpy import load_file, save_file

    folder = shutil.copytree(checkpoints["ast"], tmp_path / "ast")
    weights = load_file(folder / "model.safetensors")
    weights.pop(next(k for k in weights if "layernorm" in k))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(EncoderUnavailable, match=r"lack 1 of the model's parameters"):
        encoders.load(f"transformers:{folder}", modality="audio")


def test_code_of_a_model_is_never_run(checkpoints, tmp_path):
    import shutil

    ran = tmp_path / "ran"
    evil = f"open({str(ran)!r}, 'w')\nclass Thing: pass\n"
    folder = tmp_path / "hub"
    folder.mkdir()
    (folder / "evil.py").write_text(evil)
    config = {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Thing", "AutoModel": "evil.Thing"}}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(EncoderUnavailable, match="run code of its own"):
        encoders.load(f"transformers:{folder}", modality="audio")

    words = shutil.copytree(checkpoints["sentences"], tmp_path / "words")
    (words / "evil.py").write_text(evil)
    modules = json.loads((words / "modules.json").read_text())
    modules[0]["type"] = "evil.Thing"
    (words / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(EncoderUnavailable, match="run code of its own"):
        encoders.load(f"sentence-transformers:{words}", modality="text")
    assert not ran.exists()


# -- right results --


def test_clap_towers_agree_with_the_library(checkpoints, load):
    import torch
    from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel

    model = ClapModel.from_pretrained(checkpoints["clap"]).eval()
    extractor = ClapFeatureExtractor.from_pretrained(checkpoints["clap"])
    x = sounds(16_000)["noise"]
    with torch.inference_mode():
        audio = model.get_audio_features(**extractor(x, sampling_rate=16_000, return_tensors="pt"))
        tokens = AutoTokenizer.from_pretrained(checkpoints["clap"])(["a dog"], return_tensors="pt")
        text = model.get_text_features(tokens["input_ids"], attention_mask=tokens["attention_mask"])
    np.testing.assert_allclose(load("clap").embed([x])[0], audio.pooler_output.numpy(), atol=1e-6)
    np.testing.assert_allclose(load("clap", "text").embed(["a dog"]), text.pooler_output.numpy(), atol=1e-6)


def test_hidden_states_are_averaged_by_second(checkpoints, load):
    import torch
    from transformers import Wav2Vec2FeatureExtractor, Wav2Vec2Model

    x = sounds(16_000)["tone"]  # 2.6 s
    extractor = Wav2Vec2FeatureExtractor.from_pretrained(checkpoints["wav2vec2"])
    model = Wav2Vec2Model.from_pretrained(checkpoints["wav2vec2"]).eval()
    with torch.inference_mode():
        hidden = model(**extractor(x, sampling_rate=16_000, return_tensors="pt")).last_hidden_state[0].numpy()
    found = load("wav2vec2").embed([x])[0]
    assert len(found) == 3
    np.testing.assert_allclose(found[0], hidden[: -(-len(hidden) // 3)].mean(axis=0), atol=1e-5)


def test_windows_cover_a_long_clip(load):
    model = load("clap")  # its window is 2 s
    x = np.random.default_rng(0).standard_normal(5 * 16_000).astype(np.float32)
    found = model.embed([x])[0]
    parts = [x[:32_000], x[32_000:64_000], x[-32_000:]]
    expected = np.concatenate(model.embed(parts))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_melstats_of_a_tone(load):
    from core.audio import mel_frequencies

    t = np.arange(32_000) / 32_000
    found = load("melstats").embed([np.sin(2 * np.pi * 1000 * t).astype(np.float32)])[0][0]
    centres = mel_frequencies(66, fmax=16_000)[1:-1]
    assert abs(centres[found[:64].argmax()] - 1000) < 60
    # Ten times the amplitude is 20 dB, two units.
    louder = load("melstats").embed([(0.1 * np.sin(2 * np.pi * 1000 * t)).astype(np.float32)])[0][0]
    assert found[:64].max() - louder[:64].max() == pytest.approx(2, abs=1e-3)


def test_handcrafted_features_mean_what_their_names_say():
    from jobs.encoders import handcrafted

    t = np.arange(2 * 22_050) / 22_050
    tone = handcrafted.measure(np.sin(2 * np.pi * 440 * t).astype(np.float32))
    noise = handcrafted.measure(np.random.default_rng(0).standard_normal(len(t)).astype(np.float32) / 4)
    assert tuple(tone) == handcrafted.FEATURES
    assert len(set(handcrafted.FEATURES)) == len(handcrafted.FEATURES)
    assert tone["pitch median (octaves)"] == pytest.approx(np.log2(440), abs=0.02)
    assert tone["pitch steadiness"] > 0.95 > 0.6 > noise["pitch steadiness"]
    assert tone["centroid (octaves) mean"] == pytest.approx(np.log2(440), abs=0.2)
    assert noise["flatness (log10) mean"] > -0.5 > tone["flatness (log10) mean"]
    assert tone["crest factor (dB)"] == pytest.approx(3.01, abs=0.05)
    assert tone["energy: when (0 start to 1 end)"] == pytest.approx(0.5, abs=0.01)
    clicks = np.zeros(2 * 22_050, np.float32)
    clicks[2205::4410] = 0.9  # ten clicks, five a second
    assert handcrafted.measure(clicks)["onsets a second"] == pytest.approx(5, abs=1)
    early = np.concatenate([clicks[:4410], np.zeros(30_000, np.float32)])
    assert handcrafted.measure(early)["energy: when (0 start to 1 end)"] < 0.2


def test_handcrafted_dimensions_are_documented():
    from jobs.encoders import handcrafted

    text = EXAMPLE.read_text(encoding="utf-8")
    families = {name.split(" mean")[0].split(" std")[0].split(" change")[0] for name in handcrafted.FEATURES}
    families = {"contrast" if f.startswith("contrast") else f for f in families}
    families = {"mfcc" if f.startswith("mfcc") else f for f in families}
    assert [f for f in sorted(families) if f"`{f}" not in text] == []
    assert f"{len(handcrafted.FEATURES)} dimensions" in text


def test_random_network_is_the_same_everywhere(load):
    model = load("random-cnn")
    weight = model._weights[0].numpy().ravel()
    rng = np.random.default_rng(0)
    assert weight[0] == pytest.approx(rng.standard_normal() * np.sqrt(2 / 9), rel=1e-6)


def test_aisfx_spectrogram_is_the_packages(load):
    load("aisfx")
    from jobs.encoders._librosa import librosa
    from jobs.encoders.aisfx import spectrogram

    x = sounds(44_100)["tone"] + 0.1 * np.random.default_rng(0).standard_normal(114_660).astype(np.float32)
    y = x / np.abs(x).max()
    mel = librosa.feature.melspectrogram(
        y=y,
        sr=44_100.0,
        n_mels=96,
        norm=1.0,
        fmin=0.0,
        fmax=22_050.0,
        htk=True,
        hop_length=1024,
        win_length=2048,
    )
    expected = np.log10(mel * 10_000.0 + 1).T / 9.457798957824707
    np.testing.assert_allclose(spectrogram(x), expected, atol=1e-5)


def test_aisfx_equals_its_package(load):
    model = load("aisfx")
    import torch
    from aisfx import inference as package

    with torch.serialization.safe_globals(_allowed()):
        weights, classes = torch.load(package.get_path_modelWeights(), map_location="cpu", weights_only=True)
    theirs = package.load_bestModel(weights, classes, "cpu")
    rng = np.random.default_rng(3)
    from jobs.encoders.aisfx import spectrogram

    clips = [(rng.standard_normal(n) * 0.2).astype(np.float32) for n in (60_000, 110_000, 220_500, 400_000)]
    for x, found in zip(clips, model.embed(clips), strict=True):
        expected = package.model_get_embedding(spectrogram(x), 0.5, True, theirs, "cpu").numpy()
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() < 1e-3


def _allowed() -> list:
    scalar = (np._core.multiarray.scalar, "numpy.core.multiarray.scalar")
    return [np.dtype, type(np.dtype(np.int64)), scalar]


def test_aisfx_checkpoint_with_anything_else_in_it_is_refused(tmp_path, monkeypatch):
    import pickle

    import torch

    from jobs.encoders import aisfx

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    path = tmp_path / "checkpoint.pth"
    torch.save(({"w": torch.zeros(1)}, Evil()), path)
    monkeypatch.setattr(aisfx, "_path", lambda: path)
    with pytest.raises(pickle.UnpicklingError):
        aisfx._checkpoint()
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["aisfx", "minilm"])
def test_missing_wheel_is_said_in_one_sentence(name, monkeypatch):
    module = encoders.get(name)[0]
    monkeypatch.setattr(module, "_path" if name == "aisfx" else "_folder", lambda: None)
    modality = "audio" if name == "aisfx" else "text"
    with pytest.raises(EncoderUnavailable, match="pip install"):
        encoders.load(name, modality=modality)


def test_minilm_knows_what_is_alike(load):
    a, b, c = load("minilm", "text").embed(["a dog barks", "a puppy is barking", "rain on a tin roof"])
    assert a @ b > 0.6 > 0.3 > a @ c
    assert np.linalg.norm(a) == pytest.approx(1, abs=1e-5)


@pytest.mark.recordings
@pytest.mark.slow
def test_aisfx_on_real_recordings(load):
    data = os.environ.get("HEARSPACE_TEST_DATA")
    if not data or not Path(data, "esc10").is_dir():
        pytest.skip("HEARSPACE_TEST_DATA names no folder with esc10/ in it")
    from sklearn.metrics import silhouette_score

    from jobs.sound.files import decode

    model = load("aisfx")
    files = sorted(Path(data, "esc10").glob("*/*.ogg"))
    assert len(files) == 400
    files = files[::8]  # five a class; of all of them, it is 0.915 and 0.147
    labels = np.array([f.parent.name for f in files])
    waveforms = [decode(f, model.sample_rate)[0] for f in files]
    X = np.stack([frames.mean(axis=0) for frames in model.embed(waveforms)])
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    similar = unit @ unit.T
    np.fill_diagonal(similar, -np.inf)
    assert np.mean(labels[similar.argmax(axis=1)] == labels) == pytest.approx(0.62, abs=0.03)
    assert silhouette_score(X, labels, metric="cosine") == pytest.approx(0.138, abs=0.002)


def test_librosa_is_first_imported_by_one_process_at_a_time():
    from jobs.encoders import _librosa

    again = threading.Thread(target=importlib.reload, args=(_librosa,))
    with FileLock(_librosa.LOCK, is_singleton=False):
        again.start()
        again.join(0.3)
        assert again.is_alive()
    again.join(PATIENCE)
    assert not again.is_alive()
