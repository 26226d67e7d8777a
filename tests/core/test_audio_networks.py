import copy

import librosa
import numpy as np
import pytest
import torch

from core.audio import spectra
from core.networks import Cnn14, SmallCNN, initialise, load_panns, log_mel, spec_augment


def waves(b=2, t=8000, seed=0):
    return np.random.default_rng(seed).standard_normal((b, t)).astype(np.float32)


def panns_names():
    """The names of a checkpoint of PANNs' CNN14, as its files have them, front end and all."""
    names = ["spectrogram_extractor.stft.conv_real.weight", "spectrogram_extractor.stft.conv_imag.weight"]
    names += ["logmel_extractor.melW"]
    norm = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    names += [f"bn0.{n}" for n in norm]
    for i in range(1, 7):
        names += [f"conv_block{i}.conv1.weight", f"conv_block{i}.conv2.weight"]
        names += [f"conv_block{i}.bn{j}.{n}" for j in (1, 2) for n in norm]
    return [*names, "fc1.weight", "fc1.bias", "fc_audioset.weight", "fc_audioset.bias"]


class Narrow(Cnn14):
    """CNN14 with fewer channels, which is all that a test can wait for."""

    channels = (2, 3, 4, 4, 5, 6)


@pytest.fixture
def cnn14():
    return Narrow(seed=3).eval()


@pytest.mark.parametrize(
    ("n_fft", "window", "pad", "fmax"), [(None, 400, "constant", None), (512, 400, "reflect", 7000.0)]
)
def test_log_mel_is_librosas(n_fft, window, pad, fmax):
    x = waves()
    options = {"n_mels": 40, "window": window, "hop": 160, "n_fft": n_fft, "fmax": fmax, "pad": pad}
    found = log_mel(torch.from_numpy(x), sample_rate=16_000, **options)
    for clip, mel in zip(x, found, strict=True):
        power = librosa.feature.melspectrogram(
            y=clip,
            sr=16_000,
            n_fft=n_fft or window,
            win_length=window,
            hop_length=160,
            n_mels=40,
            fmin=50,
            fmax=fmax,
            pad_mode=pad,
        )
        np.testing.assert_allclose(mel, 10 * np.log10(np.maximum(power, 1e-10)), atol=1e-3)
    own = spectra.log_mel(x[0], 16_000, n_fft=1024, hop_length=320, n_mels=64, fmin=50.0)
    np.testing.assert_allclose(log_mel(torch.from_numpy(x), sample_rate=16_000)[0], own, atol=1e-3)
    assert float(log_mel(torch.zeros(1, 4000), sample_rate=16_000).max()) == -100
    with torch.autocast("cpu", dtype=torch.bfloat16):  # which is for networks alone
        assert torch.equal(log_mel(torch.from_numpy(x), sample_rate=16_000, **options), found)


def test_spec_augment_hides_one_stretch_of_each():
    mel = torch.from_numpy(np.random.default_rng(0).standard_normal((200, 12, 30))).float()
    generator = torch.Generator().manual_seed(4)
    found = spec_augment(mel, time=9, frequency=5, generator=generator)
    hidden = found != mel
    columns, rows = hidden.all(dim=1), hidden.all(dim=2)
    assert torch.equal(hidden, columns[:, None, :] | rows[:, :, None])
    for stretches, most in ((columns, 9), (rows, 5)):
        widths = stretches.sum(dim=1)
        assert set(widths.tolist()) == set(range(most + 1))
        edges = stretches.int().diff(dim=1).abs().sum(dim=1) + stretches[:, 0].int() + stretches[:, -1].int()
        assert set(edges[widths > 0].tolist()) == {2}  # in one piece
        assert bool(stretches.any(dim=0).all())  # anywhere
    np.testing.assert_allclose(
        found[hidden], mel.mean(dim=(1, 2), keepdim=True).expand_as(mel)[hidden], atol=1e-6
    )
    again = spec_augment(mel, time=9, frequency=5, generator=torch.Generator().manual_seed(4))
    assert torch.equal(found, again)
    assert torch.equal(spec_augment(mel, time=0, frequency=0, generator=generator), mel)
    assert torch.isfinite(spec_augment(mel, time=99, frequency=99, generator=generator)).all()


def test_small_network_is_its_layers():
    """Written anew from what the docstring says."""
    network = SmallCNN(20, dim=5, width=3, seed=1).eval()
    network.norms[2].running_mean.uniform_(-1, 1)
    x = torch.from_numpy(waves())
    h = log_mel(x, sample_rate=16_000, n_mels=20, window=512, hop=320) / 20
    h = h[:, None]
    for convolution, norm in zip(network.convolutions, network.norms, strict=True):
        h = torch.nn.functional.conv2d(h, convolution.weight, padding=1)
        shape = (1, -1, 1, 1)
        h = (h - norm.running_mean.reshape(shape)) / (norm.running_var.reshape(shape) + 1e-5).sqrt()
        h = torch.nn.functional.max_pool2d(h.clamp_min(0), 2)
    pooled = torch.cat([h.mean(dim=(2, 3)), h.amax(dim=(2, 3))], dim=1)
    expected = (pooled @ network.out.weight.T + network.out.bias).clamp_min(0)
    assert h.shape[1] == 24
    np.testing.assert_allclose(network(x).detach(), expected.detach(), atol=1e-4)


def test_weights_are_of_the_seed_alone():
    torch.manual_seed(0)
    one, two, other = SmallCNN(16, seed=2), SmallCNN(16, seed=2), SmallCNN(16, seed=3)
    for name, weight in one.state_dict().items():
        assert torch.equal(weight, two.state_dict()[name])
    assert not torch.equal(one.out.weight, other.out.weight)
    changed = copy.deepcopy(other)
    torch.nn.init.ones_(changed.out.bias)
    changed.norms[0].running_mean += 1
    assert all(torch.equal(w, one.state_dict()[n]) for n, w in initialise(changed, 2).state_dict().items())


def test_cnn14_has_panns_names_and_shapes():
    cnn14 = Cnn14()
    own = [n for n in panns_names() if not n.startswith(("spectrogram", "logmel"))]
    state = cnn14.state_dict()
    assert set(state) == set(own)
    assert sum(p.numel() for p in cnn14.parameters()) == 80_753_615  # as PANNs counts them
    assert state["conv_block6.conv2.weight"].shape == (2048, 2048, 3, 3)
    assert state["fc_audioset.weight"].shape == (527, 2048)


def test_cnn14_takes_a_checkpoint_as_panns_writes_it(cnn14):
    front = {"spectrogram_extractor.stft.conv_real.weight": torch.zeros(513, 1, 1024)}
    front |= {"spectrogram_extractor.stft.conv_imag.weight": torch.zeros(513, 1, 1024)}
    front |= {"logmel_extractor.melW": torch.zeros(513, 64)}
    other = copy.deepcopy(cnn14)
    for weight in other.state_dict().values():
        weight.zero_()
    loaded = load_panns(other, {"iteration": 600_000, "model": front | cnn14.state_dict()})
    for name, weight in cnn14.state_dict().items():
        assert torch.equal(weight, loaded.state_dict()[name])
    x = torch.from_numpy(waves(1, 10_240))
    with torch.no_grad():
        found = loaded(x)
        assert found.shape == (1, 6)
        # Pooling and order of bands and frames, written anew.
        h = log_mel(x, sample_rate=32_000, fmax=14_000.0, pad="reflect") / (1 + 1e-5) ** 0.5
        h = h.transpose(1, 2)[:, None]
        for i in range(1, 7):
            block = getattr(cnn14, f"conv_block{i}")
            for convolution in (block.conv1, block.conv2):
                h = torch.nn.functional.conv2d(h, convolution.weight, padding=1) / (1 + 1e-5) ** 0.5
                h = h.clamp_min(0)
            h = torch.nn.functional.avg_pool2d(h, 2) if i < 6 else h
        h = h.mean(dim=3)
        expected = (cnn14.fc1.weight @ (h.max(dim=2)[0] + h.mean(dim=2))[0]).clamp_min(0)
        np.testing.assert_allclose(found[0], expected, rtol=1e-3, atol=1e-3 * float(expected.max()))


def test_files_that_are_not_of_cnn14(cnn14):
    state = cnn14.state_dict()
    wrong = {
        "lacks fc1.weight;": {n: w for n, w in state.items() if n != "fc1.weight"},
        "lacks bn0.weight and 67 other layers": {"text.weight": torch.zeros(2)},
        "holds conv_block7.conv1.weight": {**state, "conv_block7.conv1.weight": torch.zeros(1)},
        r"fc1.bias is \(3,\), not \(6,\)": {**state, "fc1.bias": torch.zeros(3)},
        "fc1.bias is str": {**state, "fc1.bias": "x"},
        "damaged: fc1.bias": {**state, "fc1.bias": torch.full((6,), torch.nan)},
    }
    before = {name: weight.clone() for name, weight in state.items() if "fc1" in name}
    for says, found in wrong.items():
        with pytest.raises(ValueError, match=says):
            load_panns(cnn14, {"model": found})
    with pytest.raises(ValueError, match="not of PANNs"):
        load_panns(cnn14, {"model": 3})
    assert all(torch.equal(weight, cnn14.state_dict()[name]) for name, weight in before.items())


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: log_mel(torch.zeros(5), sample_rate=8000), r"must be \(b, t\)"),
        (lambda: log_mel(torch.zeros(1, 512), sample_rate=8000, pad="reflect"), "more than 512"),
        (lambda: log_mel(torch.zeros(1, 999), sample_rate=8000, window=9, n_fft=8), "window 9"),
        (lambda: log_mel(torch.zeros(1, 999), sample_rate=8000, hop=0), "hop is 0"),
        (lambda: log_mel(torch.zeros(1, 999), sample_rate=8000, fmin=5000.0), "fmin < fmax"),
        (lambda: log_mel(torch.zeros(1, 999), sample_rate=8000, taper="box"), "it must be 'hann' or 'povey'"),
        (lambda: spec_augment(torch.zeros(3, 3), time=1, frequency=1), r"\(b, n_mels, frames\)"),
        (lambda: spec_augment(torch.zeros(1, 3, 3), time=-1, frequency=1), "time is -1"),
        (lambda: SmallCNN(8), "n_mels is 8"),
        (lambda: SmallCNN()(torch.zeros(2, 5119)), "t from 5120"),
    ],
)
def test_what_does_not_fit_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()
