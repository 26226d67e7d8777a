"""Reading sound files, good and bad, and the spectra that are made of them."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import soundfile as sf

from jobs.sound import files as audio
from tests.jobs.bad_audio import RATE, tone, write_m4a, write_zoo


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    return write_zoo(tmp_path_factory.mktemp("zoo") / "sounds")


def test_everything_that_can_be_read_gives_finite_samples(zoo):
    for kind, name in zoo.kept.items():
        x, rate = audio.decode(zoo.root / name, 32_000)
        assert rate == 32_000, kind
        assert x.dtype == np.float32, kind
        assert x.ndim == 1, kind
        assert len(x) > 0, kind
        assert np.isfinite(x).all(), kind


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("zero bytes", "empty (0 bytes)"),
        ("text", "is not sound"),
        ("header only", "holds no samples"),
        ("playlist", "is not sound"),
        ("broken link", "no such file"),
    ],
)
def test_what_cannot_be_read_says_why(zoo, kind, reason):
    path = zoo.root / zoo.left_out[kind]
    for read in (audio.inspect, audio.decode):
        with pytest.raises(audio.AudioError) as caught:
            read(path)
        assert reason in caught.value.reason
        assert str(path) in str(caught.value)


def test_probe_reads_the_header(zoo):
    info = audio.probe(zoo.root / zoo.kept["96 kHz"])
    assert (info.sample_rate, info.channels, info.n_samples) == (96_000, 1, 48_000)
    assert info.duration == 0.5
    assert audio.probe(zoo.root / zoo.kept["24 bit"]).subtype == "PCM_24"
    assert audio.probe(zoo.root / zoo.kept["8 bit"]).subtype == "PCM_U8"


def test_samples_are_those_of_the_file(tmp_path):
    x = np.stack([tone(), 0.5 * tone(pitch=300)], axis=1)
    sf.write(tmp_path / "a.wav", x, RATE, subtype="FLOAT")
    both, rate = audio.decode(tmp_path / "a.wav", mono=False)
    assert rate == RATE
    np.testing.assert_array_equal(both, x)
    mono, _ = audio.decode(tmp_path / "a.wav")
    np.testing.assert_allclose(mono, x.mean(axis=1), atol=1e-7)
    part, _ = audio.decode(tmp_path / "a.wav", offset=0.1, duration=0.2)
    np.testing.assert_array_equal(part, mono[4410 : 4410 + 8820])


def test_bad_samples_become_zero(zoo):
    x, _ = audio.decode(zoo.root / zoo.kept["not a number"])
    assert (x[[0, 1, 2, 10]] == 0).all()
    assert x[11] != 0
    assert audio.inspect(zoo.root / zoo.kept["not a number"]).n_bad == 4


def test_a_part_beyond_the_end_is_an_error(zoo):
    with pytest.raises(audio.AudioError, match=r"no samples after 9 s"):
        audio.decode(zoo.root / zoo.kept["plain"], offset=9)


@pytest.mark.parametrize("to", [8_000, 16_000, 32_000, 48_000])
def test_resampling_keeps_the_tone_and_the_length(to):
    y = audio.resample(tone(1.0), RATE, to)
    assert len(y) == to
    spectrum = np.abs(np.fft.rfft(y))
    assert np.argmax(spectrum) == 440  # 1 s: one bin a hertz
    assert len(audio.resample(np.ones(1, np.float32), 96_000, 8_000)) == 1
    assert len(audio.resample(np.zeros(0, np.float32), 96_000, 8_000)) == 0


def test_long_files_are_read_in_blocks(tmp_path):
    x = np.tile(tone(1.0), 20)  # 882,000 samples: more than three blocks
    sf.write(tmp_path / "long.wav", x, RATE, subtype="FLOAT")
    read, _ = audio.decode(tmp_path / "long.wav")
    np.testing.assert_array_equal(read, x)
    assert audio.inspect(tmp_path / "long.wav").info.n_samples == len(x)


def test_m4a_goes_through_pyav(tmp_path):
    pytest.importorskip("av")
    write_m4a(tmp_path / "a.m4a", tone(1.0))
    x, rate = audio.decode(tmp_path / "a.m4a", 44_100)
    assert rate == RATE
    assert abs(len(x) / rate - 1) < 0.06  # AAC pads to whole frames
    assert abs(np.argmax(np.abs(np.fft.rfft(x[:RATE]))) - 440) <= 1
    assert audio.probe(tmp_path / "a.m4a").subtype == "AAC"
    part, _ = audio.decode(tmp_path / "a.m4a", offset=0.25, duration=0.5)
    np.testing.assert_array_equal(part, x[11025 : 11025 + 22050])


def test_without_pyav_the_message_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "a.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(100))
    monkeypatch.setattr(audio, "has_av", lambda: False)
    with pytest.raises(audio.AudioError, match=r"pip install 'hearspace\[av\]'"):
        audio.probe(tmp_path / "a.m4a")


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    sf.write(tmp_path / "a.wav", tone(), RATE)

    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(audio.AudioError, match="may not be read"):
        audio.probe(tmp_path / "a.wav")


def test_errors_survive_pickling(tmp_path):
    error = audio.AudioError(tmp_path / "a.wav", "is broken")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert again.reason == "is broken"


def test_a_folder_and_a_missing_file(tmp_path):
    with pytest.raises(audio.AudioError, match="is a folder"):
        audio.probe(tmp_path)
    with pytest.raises(audio.AudioError, match="no such file"):
        audio.probe(tmp_path / "none.wav")


def test_descriptors_are_closed(zoo):
    before = len(os.listdir("/proc/self/fd"))
    for name in [*zoo.kept.values()] * 2:
        audio.inspect(zoo.root / name)
    for kind in ("text", "zero bytes", "header only"):
        with pytest.raises(audio.AudioError):
            audio.inspect(zoo.root / zoo.left_out[kind])
    assert len(os.listdir("/proc/self/fd")) <= before


def test_the_import_is_light():
    code = "import sys, jobs.sound.files, core.audio; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert not {"librosa", "torch", "av", "numba", "pandas"} & set(loaded)
