"""Encoders for systems from elsewhere: Freesound's features, mteb, ONNX; and what is known of every model."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from jobs import encoders
from jobs.cli import main
from jobs.encoders import Card, EncoderUnavailable, UnknownEncoder, _folders, freesound
from jobs.engine.inprocess import run
from jobs.importing.embeddings import import_embeddings
from jobs.specs import EmbedAudio
from tests.jobs import tiny_models

DOCS = Path(__file__).parents[2] / "docs"


def noise(n: int, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


def contract(name: str, model: Any) -> None:
    from tests.jobs.test_encoders import test_audio_contract

    test_audio_contract(name, lambda _: model)


# -- ONNX ----------------------------------------------------------------------------------------------------


@pytest.fixture
def onnx():
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    pytest.importorskip("onnx", reason="onnx, which makes the networks of this test, is not installed")


def _load(folder: Path) -> Any:
    return encoders.load(f"onnx:{folder}", modality="audio", device="cpu")


def _filtered(x: np.ndarray) -> np.ndarray:
    """What the network on waveforms computes, in plain NumPy: (6,)."""
    frames = np.lib.stride_tricks.sliding_window_view(x.astype(np.float64), 64)[::16]
    return np.maximum(frames @ tiny_models._weights(6, 1, 64)[:, 0].T, 0).mean(axis=0)


def test_a_network_on_whole_waveforms(onnx, tmp_path):
    model = _load(tiny_models.onnx_waveform(tmp_path / "m"))
    assert (model.sample_rate, model.dimensions, model.frame_level) == (16_000, 6, False)
    for n in (16_000, 40_001):
        np.testing.assert_allclose(model.embed([noise(n)])[0], _filtered(noise(n))[None], atol=1e-6)
    short = np.pad(noise(30), (0, 1600 - 30))  # filled up with silence to a tenth of a second
    np.testing.assert_allclose(model.embed([noise(30)])[0][0], _filtered(short), atol=1e-6)


@pytest.mark.parametrize("batch", ["batch", 1, 4])
def test_windows_cover_the_clip(batch, onnx, tmp_path):
    folder = tiny_models.onnx_waveform(tmp_path / "m", batch=batch, window=1, hop=0.5)
    model = _load(folder)
    assert model.frame_level
    assert model.min_samples == 16_000
    x = noise(37_000)
    found = model.embed([x, x[:100]])
    # The last window reaches back, so that it is whole.
    starts = [0, 8000, 16_000, 21_000]
    expected = [_filtered(x[a : a + 16_000]) for a in starts]
    np.testing.assert_allclose(found[0], expected, atol=1e-6)
    np.testing.assert_allclose(found[1], [_filtered(np.pad(x[:100], (0, 15_900)))], atol=1e-6)
    assert [len(y) for y in model.embed([x[:16_000], x[:16_001], x[:24_000]])] == [1, 2, 2]


def _by_librosa(x: np.ndarray, **changed: Any) -> np.ndarray:
    """The frames that the network on spectrograms gives, (t - 2, 5), from librosa's spectrogram."""
    librosa = pytest.importorskip("jobs.encoders._librosa").librosa
    usual = {"n_fft": 512, "hop_length": 160, "n_mels": 20, "fmin": 50, "pad_mode": "constant"}
    mel = librosa.feature.melspectrogram(y=x, sr=16_000, **(usual | changed))
    level = (10 * np.log10(np.maximum(mel, 1e-10)) + 40) / 20
    blocks = np.lib.stride_tricks.sliding_window_view(level, 3, axis=1)  # (20, t - 2, 3)
    return np.maximum(np.einsum("mtk,dkm->td", blocks, tiny_models._weights(5, 1, 3, 20)[:, 0]), 0)


def _mel(**changed: Any) -> dict[str, Any]:
    usual = {"n_fft": 512, "hop_length": 160, "n_mels": 20, "fmin": 50, "log": "db", "mean": -40, "std": 20}
    return usual | changed


@pytest.mark.parametrize(
    ("mel", "librosa"),
    [
        ({}, {}),
        ({"center": False}, {"center": False}),
        ({"power": 1}, {"power": 1.0}),
        ({"win_length": 400, "fmax": 7000}, {"win_length": 400, "fmax": 7000}),
    ],
)
def test_a_network_on_spectrograms_gets_those_of_librosa(mel, librosa, onnx, tmp_path):
    model = _load(tiny_models.onnx_mel(tmp_path / "m", mel=_mel(**mel)))
    assert (model.dimensions, model.frame_level) == (5, True)
    np.testing.assert_allclose(model.embed([noise(9000)])[0], _by_librosa(noise(9000), **librosa), atol=2e-4)


def test_filters_from_a_file(onnx, tmp_path):
    from core.audio import mel_filterbank

    plain = _load(tiny_models.onnx_mel(tmp_path / "a"))
    folder = tiny_models.onnx_mel(tmp_path / "b", mel=_mel(filters="filters.npy"))
    np.save(folder / "filters.npy", mel_filterbank(16_000, 512, n_mels=20, fmin=50).T)
    np.testing.assert_array_equal(_load(folder).embed([noise(5000)])[0], plain.embed([noise(5000)])[0])
    np.save(folder / "filters.npy", np.ones((20, 257)))
    with pytest.raises(EncoderUnavailable, match=r"has the shape \(20, 257\); filters must be .*\(257, 20\)"):
        _load(folder)
    np.save(folder / "filters.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(EncoderUnavailable, match="cannot be read as an array of numbers"):
        _load(folder)


@pytest.mark.parametrize("log", ["ln", "log10", "none"])
def test_logarithms(log):
    from jobs.encoders.onnx import Mel, log_mel

    filters = np.eye(9, dtype=np.float32)
    mel = Mel(n_fft=16, hop_length=8, n_mels=9, log=log, floor=1e-3, offset=0.5)
    x = noise(64)
    power = (
        np.abs(
            np.fft.rfft(np.lib.stride_tricks.sliding_window_view(np.pad(x, 8), 16)[::8] * np.hanning(17)[:-1])
        )
        ** 2
    )
    shifted = np.maximum(power, 1e-3) + 0.5
    expected = {"ln": np.log(shifted), "log10": np.log10(shifted), "none": power}[log]
    np.testing.assert_allclose(log_mel(x, filters, mel), expected.T, atol=1e-5)


def test_the_key_follows_the_contents_of_the_folder(onnx, tmp_path):
    folder = tiny_models.onnx_waveform(tmp_path / "my-net")
    first = encoders.identity(f"onnx:{folder}", modality="audio")
    assert first == f"onnx/1:my-net#{_folders.fingerprint(folder)}"
    tiny_models.onnx_waveform(folder, min_seconds=0.2)
    assert encoders.identity(f"onnx:{folder}", modality="audio") != first
    with pytest.raises(UnknownEncoder, match="write onnx:./my-net"):
        encoders.identity("onnx:my-net", modality="audio")
    with pytest.raises(UnknownEncoder, match="There is no folder"):
        encoders.identity(f"onnx:{tmp_path}/nowhere", modality="audio")


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"sample_rate": "fast"}, "sample_rate is 'fast'; it must be int"),
        ({"sample_rate": 0}, "sample_rate is 0; it must be more than 0"),
        ({"sample_rate": True}, "sample_rate is True; it must be int"),
        ({"rate": 16_000}, "has a field 'rate'; it can have sample_rate, input"),
        (
            {"layout": "samples batch"},
            "layout is 'samples batch'; for a waveform it must be one of 'batch samples'",
        ),
        ({"layout": "batch time mel"}, "layout is 'batch time mel'; for a waveform"),
        ({"mel": {"n_fft": 512}}, "mel lacks hop_length, n_mels"),
        ({"mel": {"n_fft": 512, "hop": 1}}, "mel has a field 'hop'"),
        ({"mel": [1]}, "mel is .*; it must be Mel or None"),
        ({"mel": _mel()}, "layout is 'batch samples'; for a log-mel spectrogram"),
        ({"mel": _mel(log="dB"), "layout": "batch time mel"}, "mel.log is 'dB'"),
        ({"mel": _mel(win_length=600), "layout": "batch time mel"}, "at most n_fft, 512"),
        ({"mel": _mel(fmin=9000), "layout": "batch time mel"}, "needed is 0 <= fmin < fmax"),
        ({"mel": _mel(hop_length=0), "layout": "batch time mel"}, "hop_length is 0"),
        ({"window": -1}, "window is -1; it must be more than 0"),
        ({"window": float("inf")}, "window is inf; it must be more than 0 and finite"),
        ({"model": "mod\0el"}, "which is no name of a file"),
        ({"card": {"size": 1}}, "card has a field 'size'"),
        ({"model": "../other.onnx"}, "names '../other.onnx', which lies outside"),
        ({"model": "other.onnx"}, "There is no other.onnx in"),
        ({"model": "hearspace.json"}, "ONNX Runtime cannot load"),
        (
            {"input": "y"},
            "has the inputs x and the outputs embedding; hearspace.json names 'y' and 'embedding'",
        ),
        ({"output": "y"}, "names 'x' and 'y'"),
        ({"frames": True}, r"has the shape \(1, 6\) for a batch of 1; .*must be \(batch, frames, d\)"),
        ({"layout": "batch 1 samples"}, "does not take the input that hearspace.json describes"),
    ],
)
def test_descriptions_that_do_not_fit(changed, says, onnx, tmp_path):
    tiny_models.onnx_waveform(tmp_path / "other")
    folder = tiny_models.onnx_waveform(tmp_path / "m", **changed)
    with pytest.raises(EncoderUnavailable, match=says) as caught:
        _load(folder)
    assert "\n" not in str(caught.value)


def test_folders_without_a_description(onnx, tmp_path):
    with pytest.raises(
        EncoderUnavailable, match="holds no hearspace.json, which describes the network's input"
    ):
        _load(tmp_path)
    for text in ("{", "[]", "\xff", "[" * 100_000):
        (tmp_path / "hearspace.json").write_text(text, encoding="latin-1")
        with pytest.raises(EncoderUnavailable, match="hearspace.json"):
            _load(tmp_path)


def test_links_out_of_the_folder_are_not_followed(onnx, tmp_path):
    folder = tiny_models.onnx_waveform(tmp_path / "m")
    (folder / "model.onnx").rename(tmp_path / "model.onnx")
    (folder / "model.onnx").symlink_to(tmp_path / "model.onnx")
    with pytest.raises(EncoderUnavailable, match="lies outside"):
        _load(folder)


def test_examples_of_the_documentation_are_descriptions(tmp_path):
    from jobs.encoders.onnx import describe

    blocks = re.findall(r"```json\n(.*?)```", (DOCS / "encoders.md").read_text(encoding="utf-8"), re.S)
    assert len(blocks) == 2
    for block in blocks:
        (tmp_path / "hearspace.json").write_text(block)
        assert describe(tmp_path).sample_rate == json.loads(block)["sample_rate"]


def test_a_described_network_embeds_a_dataset(onnx, workspace, tmp_path):
    card = {"modality": "audio", "objective": "none", "parameters": 384, "training_data": 0}
    folder = tiny_models.onnx_waveform(tmp_path / "m", card=card)
    spec = EmbedAudio(dataset=workspace.dataset("tones").ref, encoder=f"onnx:{folder}")
    assert run(workspace, spec).state == "done"
    meta = workspace.cache.open(spec.key).meta
    known = Card("audio", "none", 384, 0, 6)
    assert encoders.card(spec.encoder, meta) == known
    assert encoders.card(spec.encoder) == Card("audio", "none", 384, 0)


# -- Freesound -----------------------------------------------------------------------------------------------


def pool(level: float = 1.0) -> dict[str, Any]:
    """What the extractor gives, each number telling where it belongs: descriptor, band, statistic."""
    found: dict[str, Any] = {}
    for s, statistic in enumerate(freesound.STATISTICS):
        for b, (name, width) in enumerate(freesound.BANDS.items()):
            found[f"lowlevel.{name}.{statistic}"] = np.arange(width) + 1000 * b + 100_000 * (s + 1)
        for i, name in enumerate(freesound.SCALARS):
            found[f"lowlevel.{name}.{statistic}"] = level * (100_000 * (s + 1) + 50_000 + i)
    return found


class Extractor:
    """Instead of Essentia's: refuses what is quiet, as it does, and gives the peak in every scalar."""

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.heard: list[np.ndarray] = []

    def __call__(self, path: str) -> tuple[dict[str, Any], None]:
        import soundfile as sf

        x, rate = sf.read(path, dtype="float32")
        assert rate == 44_100
        self.heard.append(x)
        if np.sqrt(np.mean(x**2)) < 10 ** (-50 / 20):
            raise RuntimeError("In FreesoundExtractor.compute: File looks like a completely silent file...")
        return pool(float(np.abs(x).max())), None


@pytest.fixture
def essentia(monkeypatch):
    made: list[Extractor] = []

    def make(**options: Any) -> Extractor:
        made.append(Extractor(**options))
        return made[-1]

    package, standard = ModuleType("essentia"), ModuleType("essentia.standard")
    package.log = SimpleNamespace(infoActive=True, warningActive=True)  # type: ignore[attr-defined]
    package.standard, standard.FreesoundExtractor = standard, make  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "essentia", package)
    monkeypatch.setitem(sys.modules, "essentia.standard", standard)
    return made


def test_every_dimension_is_where_its_name_says():
    found = dict(zip(freesound.FEATURES, freesound.vector(pool()), strict=True))
    assert len(found) == len(freesound.FEATURES) == 112 * 6 == 672
    assert found["barkbands 26 mean"] == 100_026
    assert found["mfcc 12 dvar2"] == 603_012
    assert found["spectral_contrast_valleys 5 dmean"] == 205_005
    assert found["barkbands_kurtosis mean"] == 150_000
    assert found["zerocrossingrate dvar2"] == 650_000 + len(freesound.SCALARS) - 1


def test_freesound_model_with_a_stand_in_for_essentia(essentia):
    model = freesound.load(None, modality="audio", device="cpu")
    options = essentia[0].options
    # Without these the numbers would be other ones, or other ones each time.
    assert options["lowlevelSilentFrames"] == options["tonalSilentFrames"] == "keep"
    assert (
        options["lowlevelStats"] == options["mfccStats"] == options["gfccStats"] == list(freesound.STATISTICS)
    )
    loud, quiet, silent, short = noise(8000), noise(8000) * 1e-3, np.zeros(8000, np.float32), noise(9)
    found = model.embed([loud, quiet, silent, short])
    heard = essentia[0].heard
    np.testing.assert_array_equal(heard[0], loud)
    np.testing.assert_array_equal(heard[1], quiet)
    np.testing.assert_allclose(heard[2], quiet * (0.1 / np.abs(quiet).max()), rtol=1e-5)
    np.testing.assert_array_equal(heard[3], silent)
    assert 10 * np.log10(np.mean(heard[4] ** 2)) == pytest.approx(-40, abs=0.5)
    assert len(heard[5]) == model.min_samples
    i = freesound.FEATURES.index("pitch mean")
    assert found[0][0, i] == pytest.approx(np.abs(loud).max() * pool()["lowlevel.pitch.mean"], rel=1e-5)
    contract("freesound", model)


def test_another_release_of_essentia_is_told():
    lacking = {k: v for k, v in pool().items() if ".hfc." not in k}
    with pytest.raises(EncoderUnavailable, match="computes no hfc"):
        freesound.vector(lacking)
    with pytest.raises(EncoderUnavailable, match=r"gives mfcc in \(20,\) values, not 13"):
        freesound.vector(pool() | {f"lowlevel.mfcc.{s}": np.zeros(20) for s in freesound.STATISTICS})


def test_essentia_itself():
    pytest.importorskip("essentia", reason="Essentia is not installed")
    model = freesound.load(None, modality="audio", device="cpu")
    t = np.arange(22_050) / 44_100
    tone = (0.5 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)
    gap = np.concatenate([tone, np.zeros(22_050, np.float32)])
    found = model.embed([tone, gap, np.zeros(22_050, np.float32)])
    named = dict(zip(freesound.FEATURES, found[0][0], strict=True))
    assert named["pitch mean"] == pytest.approx(440, rel=0.05)
    assert named["spectral_centroid mean"] == pytest.approx(440, rel=0.05)
    assert all(np.isfinite(f).all() for f in found)
    np.testing.assert_array_equal(model.embed([gap])[0], found[1])


def test_the_documented_import(workspace, tmp_path, monkeypatch):
    text = (DOCS / "systems.md").read_text(encoding="utf-8")
    (combine,) = re.findall(r"```python\n(.*?)```", text, re.S)
    monkeypatch.chdir(tmp_path)
    tones = workspace.dataset("tones")
    rng = np.random.default_rng(0)
    outputs = [(str(p), rng.standard_normal((2 + i % 3, 4))) for i, p in enumerate(tones.clips["path"])]
    exec(compile(combine, "systems.md", "exec"), {"outputs": outputs})
    report = import_embeddings(workspace, tones, "openl3", tmp_path / "openl3.npz")
    assert report.n_frames == sum(len(x) for _, x in outputs)


# -- mteb ----------------------------------------------------------------------------------------------------


class Wrapped:
    """A model as mteb wraps it: takes a loader of rows, collates them its own way, gives one vector each."""

    def __init__(self, rate: int | None = 16_000) -> None:
        if rate is not None:
            self.sampling_rate = rate
        self.batches: list[int] = []
        self.result: Callable[[np.ndarray], Any] = np.asarray

    def encode(self, inputs: Any, *, task_metadata, hf_split, hf_subset, prompt_type=None, **options) -> Any:
        assert task_metadata == "about a task"
        assert prompt_type is None
        rows = []
        if "audio" in inputs.dataset.features:
            inputs.collate_fn = lambda rows: {"audio": [r.pop("audio") for r in rows]}
            for batch in inputs:
                self.batches.append(len(batch["audio"]))
                for sound in batch["audio"]:
                    x = np.asarray(sound["array"], np.float64)
                    assert len(x) >= sound["sampling_rate"]
                    rows.append([x.std(), np.abs(np.diff(x)).mean(), (x**3).mean(), 1])
        else:
            rows = [[len(t), t.count("a"), 1] for batch in inputs for t in batch["text"]]
        return self.result(np.array(rows, np.float32))


@pytest.fixture
def mteb(monkeypatch):
    """A stand-in with mteb's names, so that the test needs neither it nor its models."""
    metas = {
        "google/vggish": SimpleNamespace(modalities=["audio"], n_parameters=72_141_184, embed_dim=128),
        "microsoft/msclap-2023": SimpleNamespace(
            modalities=["audio", "text"], n_parameters=160_000_000, embed_dim=[4]
        ),
        "some/text": SimpleNamespace(modalities=["text"], n_parameters=None, embed_dim=3),
    }

    def get_model_meta(name: str, *, fetch_from_hf: bool) -> Any:
        assert not fetch_from_hf
        if name not in metas:
            raise KeyError(f"Model '{name}' not found in MTEB registry. Did you mean: 'google/vggish'?")
        return metas[name]

    stand_in: Any = ModuleType("mteb")
    stand_in.__spec__ = SimpleNamespace()
    stand_in.get_model_meta = get_model_meta
    stand_in.model = Wrapped()
    stand_in.get_model = lambda name, device: stand_in.model
    stand_in.get_tasks = lambda modalities: [SimpleNamespace(metadata="about a task")]
    monkeypatch.setitem(sys.modules, "mteb", stand_in)
    monkeypatch.setattr("jobs.encoders._hub.offline_reason", lambda: None)
    return stand_in


def test_mteb_models_keep_the_contract(mteb):
    from tests.jobs.test_encoders import test_text_contract

    model = encoders.load("mteb:microsoft/msclap-2023", modality="audio", device="cpu")
    assert (model.sample_rate, model.dimensions, model.frame_level) == (16_000, 4, False)
    contract("mteb:microsoft/msclap-2023", model)
    assert set(mteb.model.batches) == {1}
    text = encoders.load("mteb:microsoft/msclap-2023", modality="text", device="cpu")
    assert text.dimensions == 3
    test_text_contract("mteb", lambda *_: text)
    x = noise(16_000).astype(np.float64)
    np.testing.assert_allclose(model.embed([noise(16_000)])[0][0, 0], x.std(), rtol=1e-5)


def test_mteb_models_that_do_not_say_their_rate(mteb):
    mteb.model = Wrapped(rate=None)
    assert encoders.load("mteb:google/vggish", modality="audio", device="cpu").sample_rate == 48_000


def test_tensors_are_taken_too(mteb):
    import torch

    mteb.model.result = lambda x: torch.tensor(x).to(torch.bfloat16)
    assert (
        encoders.load("mteb:google/vggish", modality="audio", device="cpu").embed([noise(9)])[0].dtype
        == np.float32
    )


def _raising(error: Exception) -> Callable[..., Any]:
    def get_model(name: str, device: str) -> Any:
        raise error

    return get_model


@pytest.mark.parametrize(
    ("name", "modality", "says"),
    [
        (
            "google/vgish",
            "audio",
            "mteb has no model 'google/vgish'; it has google/vggish. `mteb.get_model_metas",
        ),
        ("google/vggish", "text", "embeds audio, not text"),
        ("some/text", "audio", "embeds text, not audio"),
    ],
)
def test_models_that_mteb_does_not_have(name, modality, says, mteb):
    with pytest.raises(EncoderUnavailable, match=says):
        encoders.load(f"mteb:{name}", modality=modality, device="cpu")


def test_models_that_mteb_cannot_load(mteb, monkeypatch):
    from huggingface_hub import constants

    mteb.get_model = _raising(ImportError("Model needs `torch-vggish-yamnet`\nand more lines."))
    with pytest.raises(
        EncoderUnavailable, match="cannot load 'google/vggish': Model needs `torch-vggish-yamnet`.$"
    ):
        encoders.load("mteb:google/vggish", modality="audio", device="cpu")
    monkeypatch.setattr("jobs.encoders._hub.offline_reason", lambda: "there is no connection")
    with pytest.raises(EncoderUnavailable, match="Nothing can be fetched now: there is no connection."):
        encoders.load("mteb:google/vggish", modality="audio", device="cpu")
    before = constants.HF_HUB_OFFLINE
    seen = []
    mteb.get_model = lambda name, device: seen.append(constants.HF_HUB_OFFLINE) or mteb.model
    encoders.load("mteb:google/vggish", modality="audio", device="cpu")
    assert seen == [True]  # so that nothing waits for what cannot come
    assert before == constants.HF_HUB_OFFLINE


def test_frames_from_mteb_are_refused(mteb):
    mteb.model.result = lambda x: np.stack([x, x], axis=1)
    with pytest.raises(
        EncoderUnavailable, match=r"array of shape \(1, 2, 4\) for 1 inputs; a model must give each one"
    ):
        encoders.load("mteb:google/vggish", modality="audio", device="cpu")


def test_code_beside_weights_is_not_run_through_mteb(mteb, tmp_path):
    from transformers import AutoModel

    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Thing: pass\n")
    maps = {"AutoConfig": "evil.Thing", "AutoModel": "evil.Thing"}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "evil", "auto_map": maps}))
    mteb.get_model = lambda name, device: AutoModel.from_pretrained(tmp_path, trust_remote_code=True)
    with pytest.raises(
        EncoderUnavailable, match="wants to run code of its own, which hearspace never allows"
    ):
        encoders.load("mteb:google/vggish", modality="audio", device="cpu")
    assert not (tmp_path / "ran").exists()


def test_cards_of_mteb(mteb, monkeypatch):
    assert encoders.card("mteb:google/vggish") == Card("audio", None, 72_141_184, None, 128)
    assert encoders.card("mteb:microsoft/msclap-2023") == Card("audio & language", None, 160_000_000)
    assert encoders.card("mteb:nosuch/model") == Card()
    assert encoders.card("mteb") == Card()
    monkeypatch.setattr("jobs.encoders.mteb.available", lambda: "not here")
    assert encoders.card("mteb:google/vggish") == Card()


@pytest.mark.parametrize(
    ("name", "package"), [("freesound", "essentia"), ("mteb:a/b", "mteb"), ("onnx:/tmp", "onnxruntime")]
)
def test_what_is_not_installed_is_named(name, package, monkeypatch):
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n, *a: None if n == package else real(n, *a))
    extra = {"onnxruntime": "onnx"}.get(package, package)
    with pytest.raises(EncoderUnavailable, match=rf"pip install 'hearspace\[{extra}\]'"):
        encoders.load(name, modality="audio", device="cpu")


# -- what is known of every model --------------------------------------------------------------------------


@pytest.mark.parametrize("name", encoders.names())
def test_cards_are_cards(name):
    card = encoders.card(name)
    for field in ("parameters", "training_data", "dimensions"):
        value = getattr(card, field)
        assert value is None or (isinstance(value, int) and value >= 0)
    assert card.modality in (None, "audio", "language")


def test_cards_tell_the_truth():
    from safetensors import safe_open

    from jobs.encoders import aisfx, handcrafted, minilm, random_cnn

    assert encoders.card("melstats").dimensions == 128
    assert encoders.card("handcrafted").dimensions == len(handcrafted.FEATURES)
    weights = random_cnn._weights("cpu")
    assert encoders.card("random-cnn").parameters == sum(w.numel() for w in weights)
    assert encoders.card("random-cnn").dimensions == random_cnn._Model.dimensions
    if aisfx.available() is None:
        learned = {k: v for k, v in aisfx._checkpoint().items() if k.startswith("embedding_net.")}
        counted = [v.numel() for k, v in learned.items() if k.endswith((".weight", ".bias"))]
        assert encoders.card("aisfx").parameters == sum(counted)
    if minilm.available() is None:
        with safe_open(minilm._folder() / "model.safetensors", "np") as file:
            sizes = [np.prod(file.get_slice(k).get_shape()) for k in file.keys()]  # noqa: SIM118
        assert encoders.card("minilm").parameters == sum(sizes)


def test_the_command_shows_the_cards(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["hearspace", "encoders", "--json"])
    with pytest.raises(SystemExit):
        main()
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["random-cnn"]["card"] == {
        "modality": "audio",
        "objective": "none (random weights)",
        "parameters": 96_912,
        "training_data": 0,
        "dimensions": 256,
    }
    assert set(rows["transformers:<model>"]["card"].values()) == {None}
    assert {"freesound", "mteb:<model>", "onnx:<model>", "imported:<model>"} <= set(rows)


# -- the page about the systems ----------------------------------------------------------------------------

SYSTEMS = (
    "Freesound", "VGGish", "YAMNet", "FSD-SINet", "BEATs", "OpenL3", "CAV-MAE", "CLAP2022", "LAION-CLAP",
    "CLAP2023", "Pengi", "AudioCLIP", "Wav2CLIP", "ImageBind",
)  # fmt: skip


def test_the_page_has_a_row_for_each_system_and_names_encoders_that_exist():
    text = (DOCS / "systems.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    assert [row.split("|")[1].strip() for row in rows] == list(SYSTEMS)
    for row in rows:
        cells = [c.strip() for c in row.strip("|").split("|")]
        assert len(cells) == 5
        assert cells[4].startswith(("real", "stand-in", "not run")), row
        named = re.findall(r"`([\w-]+(?::[\w./-]+)?)`", cells[3].replace("`essentia`", ""))
        assert named or "import its embeddings" in cells[3], row
        for name in named:
            assert encoders.get(name)[0].NAME in encoders.names("audio")
