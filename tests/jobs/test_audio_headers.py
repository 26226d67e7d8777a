"""What a file holds is what decodes, whatever its header says; files that no decoder can make sense of."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from jobs.sound import decoders as audio_decoders
from jobs.sound import files as audio
from jobs.sound import notes as audio_notes
from jobs.sound.mix import COMPARED
from tests.jobs.bad_audio import tone, write_m4a

RATE = 16_000


def encoded(x: np.ndarray, container: str, rate: int = RATE, **options: Any) -> bytes:
    target = io.BytesIO()
    sf.write(target, x, rate, format=container, **options)
    return target.getvalue()


def patched(data: bytes, at: int, value: bytes) -> bytes:
    return data[:at] + value + data[at + len(value) :]


def lengths(path: Path) -> list[int]:
    """Samples by the header, by the import, and in fact."""
    x, rate = audio.decode(path)
    seen = audio.inspect(path)
    for info in (audio.probe(path), seen.info):
        assert info.sample_rate == rate
        assert info.duration == info.n_samples / rate
    return [audio.probe(path).n_samples, seen.info.n_samples, len(x)]


def remarks(path: Path) -> str:
    return "; ".join(audio.inspect(path).remarks)


@pytest.fixture(params=["with PyAV", "without PyAV"])
def decoders(request, monkeypatch):
    """What is said of headers holds without PyAV, too."""
    if request.param == "without PyAV":
        monkeypatch.setattr(audio, "has_av", lambda: False)


# -- lengths in headers --


def flac_total(data: bytes, total: int) -> bytes:
    upper = data[21] & 0xF0
    return patched(data, 21, bytes([upper]) + total.to_bytes(4, "big"))


X = tone(1.0, RATE)
WAV = encoded(X, "WAV")
FLAC = encoded(X, "FLAC")
DATA = WAV.index(b"data") + 4


@pytest.mark.parametrize("size", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\xff\xff\xff"])
def test_a_wav_from_a_pipe_is_read_to_its_end(decoders, tmp_path, size):
    (tmp_path / "a.wav").write_bytes(patched(patched(WAV, 4, size), DATA, size))
    assert lengths(tmp_path / "a.wav") == [RATE] * 3
    assert remarks(tmp_path / "a.wav") == ""
    sf.write(tmp_path / "b.wav", X, RATE)
    np.testing.assert_array_equal(audio.decode(tmp_path / "a.wav")[0], audio.decode(tmp_path / "b.wav")[0])


def test_silence_from_a_pipe_is_read_and_what_is_no_sound_is_not(tmp_path):
    silent = encoded(np.zeros(800, np.float32), "WAV")
    (tmp_path / "a.wav").write_bytes(patched(silent, silent.index(b"data") + 4, b"\0\0\0\0"))
    assert lengths(tmp_path / "a.wav") == [800] * 3
    # An empty chunk of sound before another chunk is empty.
    nothing = patched(WAV[: DATA + 4], DATA, b"\0\0\0\0") + b"LIST" + (8).to_bytes(4, "little") + b"INFO    "
    (tmp_path / "b.wav").write_bytes(nothing)
    with pytest.raises(audio.AudioError, match="holds no samples"):
        audio.decode(tmp_path / "b.wav")
    # What comes after the sound is no sound, and no remark.
    for end in (b"LIST" + (4).to_bytes(4, "little") + b"INFO", b"TAG" + bytes(125), bytes(5000), b"x" * 900):
        (tmp_path / "c.wav").write_bytes(WAV + end)
        assert lengths(tmp_path / "c.wav") == [RATE] * 3
        assert remarks(tmp_path / "c.wav") == ""


def rf64(size: int) -> bytes:
    data = encoded(X, "RF64")
    return patched(data, data.index(b"ds64") + 16, size.to_bytes(8, "little"))


def caf(size: int) -> bytes:
    data = encoded(X, "CAF", subtype="PCM_16")
    return patched(data, data.index(b"data") + 4, size.to_bytes(8, "big", signed=True))


def au(size: int) -> bytes:
    return patched(encoded(X, "AU", subtype="PCM_16"), 8, size.to_bytes(4, "big"))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.wav", rf64(0)),
        ("a.wav", rf64(2**64 - 1)),
        ("a.caf", caf(-1)),
        ("a.au", au(0)),
        ("a.au", au(0xFFFFFFFF)),
        ("a.flac", flac_total(FLAC, 0)),
    ],
)
def test_other_formats_from_a_pipe(decoders, tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    assert lengths(tmp_path / name) == [RATE] * 3
    assert remarks(tmp_path / name) == ""
    np.testing.assert_allclose(audio.decode(tmp_path / name)[0], X, atol=1e-4)


SMALL = (8_000).to_bytes(4, "little")


@pytest.mark.parametrize(
    ("name", "data", "promised"),
    [
        ("a.wav", patched(WAV, DATA, SMALL), "0.25"),
        ("a.wav", rf64(8_000), "0.25"),
        ("a.caf", caf(8_004), "0.25"),
        ("a.au", au(8_000), "0.25"),
        ("a.flac", flac_total(FLAC, 4_000), "0.25"),
    ],
)
def test_a_header_that_promises_too_little(decoders, tmp_path, name, data, promised):
    (tmp_path / name).write_bytes(data)
    assert lengths(tmp_path / name) == [RATE] * 3
    assert f"its header promises {promised} s, but it holds 1.00 s" in remarks(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.wav", patched(WAV, DATA, (4 * RATE).to_bytes(4, "little"))),
        ("a.wav", rf64(4 * RATE)),
        ("a.caf", caf(4 * RATE + 4)),
        ("a.au", au(4 * RATE)),
        ("a.flac", flac_total(FLAC, 2 * RATE)),
        ("a.aiff", encoded(np.concatenate([X, X]), "AIFF")[:-32_000]),
        ("a.w64", encoded(np.concatenate([X, X]), "W64")[:-32_000]),
        ("a.sph", encoded(np.concatenate([X, X]), "NIST")[:-32_000]),
    ],
)
def test_a_header_that_promises_too_much(decoders, tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    n = lengths(tmp_path / name)
    assert abs(n[0] - RATE) <= 20
    assert len(set(n)) == 1
    assert "truncated: its header promises 2.00 s, 1.00 s can be read" in remarks(tmp_path / name)


def test_parts_of_files_with_wrong_headers_are_exact(tmp_path):
    for name, data in (("a.flac", flac_total(FLAC, 0)), ("a.wav", patched(WAV, DATA, SMALL))):
        (tmp_path / name).write_bytes(data)
        whole, _ = audio.decode(tmp_path / name)
        part, _ = audio.decode(tmp_path / name, offset=0.5, duration=0.25)
        np.testing.assert_array_equal(part, whole[8_000:12_000])
        with pytest.raises(audio.AudioError, match="no samples after 9 s"):
            audio.decode(tmp_path / name, offset=9)


# -- several streams in one file --


def test_joined_streams_are_read_in_full(decoders, tmp_path):
    other = tone(0.5, RATE, 700)
    for name, container in (("a.ogg", "OGG"), ("a.flac", "FLAC")):
        (tmp_path / name).write_bytes(encoded(X, container) + encoded(other, container))
        assert lengths(tmp_path / name) == [24_000] * 3
        assert "holds 2 recordings one after the other" in remarks(tmp_path / name)
        x, _ = audio.decode(tmp_path / name)
        spectrum = np.abs(np.fft.rfft(x[-8_000:]))
        assert abs(np.argmax(spectrum) * 2 - 700) <= 2
        part, _ = audio.decode(tmp_path / name, offset=0.9, duration=0.3)
        np.testing.assert_array_equal(part, x[14_400:19_200])


def test_a_second_stream_is_brought_to_the_rate_and_channels_of_the_first(tmp_path):
    stereo = np.stack([tone(0.5, 8_000)] * 2, axis=1)
    (tmp_path / "a.ogg").write_bytes(encoded(X, "OGG") + encoded(stereo, "OGG", 8_000))
    assert lengths(tmp_path / "a.ogg") == [24_000] * 3


# -- MP3 --


def mp3(x: np.ndarray, rate: int = 44_100) -> bytes:
    return encoded(x, "MP3", rate, bitrate_mode="VARIABLE", compression_level=0.3)


def first_frame(data: bytes) -> int:
    """Bytes of the first frame of an MP3 of 44.1 kHz."""
    rates = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
    return 144_000 * rates[(data[2] >> 4) - 1] // 44_100 + (data[2] >> 1 & 1)


def loud_then_quiet() -> np.ndarray:
    """Large frames at first, small ones for the rest: no estimate from the first ones is right."""
    rng = np.random.default_rng(0)
    return np.concatenate([0.5 * rng.standard_normal(22_050), 0.1 * tone(10.0)]).astype(np.float32)


@pytest.fixture(scope="module")
def vbr():
    return mp3(loud_then_quiet())


def test_an_mp3_that_announces_no_length_is_read_to_its_end(decoders, tmp_path, vbr):
    assert b"Xing" in vbr[:200]
    (tmp_path / "a.mp3").write_bytes(vbr[first_frame(vbr) :])
    assert sf.info(tmp_path / "a.mp3").frames < 0.8 * 10.5 * 44_100  # what libsndfile makes of it
    n = lengths(tmp_path / "a.mp3")
    assert len(set(n)) == 1
    assert 10.5 * 44_100 <= n[0] < 10.5 * 44_100 + 4 * 1152
    assert remarks(tmp_path / "a.mp3") == ""


def test_an_mp3_that_announces_its_length_has_it_to_the_sample(tmp_path, vbr):
    (tmp_path / "a.mp3").write_bytes(vbr)
    assert lengths(tmp_path / "a.mp3") == [round(10.5 * 44_100)] * 3
    assert remarks(tmp_path / "a.mp3") == ""
    for end in (b"TAG" + bytes(125), b"APETAGEX" + bytes(200)):
        (tmp_path / "a.mp3").write_bytes(b"ID3\4\0\0\0\0\1\0" + bytes(128) + vbr + end)
        assert lengths(tmp_path / "a.mp3") == [round(10.5 * 44_100)] * 3
        assert remarks(tmp_path / "a.mp3") == ""


def test_parts_of_an_mp3_are_those_of_the_whole(tmp_path, vbr):
    for data in (vbr, vbr[first_frame(vbr) :]):
        (tmp_path / "a.mp3").write_bytes(data)
        whole, _ = audio.decode(tmp_path / "a.mp3")
        for offset in (0.3, 6.0, 10.0):
            part, _ = audio.decode(tmp_path / "a.mp3", offset=offset, duration=0.2)
            start = round(offset * 44_100)
            np.testing.assert_array_equal(part, whole[start : start + 8_820])


def test_joined_mp3s_are_read_in_full(decoders, tmp_path):
    one, two = mp3(tone(1.0)), mp3(tone(0.5, pitch=700))
    (tmp_path / "a.mp3").write_bytes(one + two)
    assert lengths(tmp_path / "a.mp3") == [66_150] * 3
    assert "holds 2 recordings" in remarks(tmp_path / "a.mp3")
    # The second one announces nothing: more comes than the first one says.
    (tmp_path / "a.mp3").write_bytes(one + two[first_frame(two) :])
    n = lengths(tmp_path / "a.mp3")
    assert len(set(n)) == 1
    assert abs(n[0] - 66_150) < 3_000
    assert "its header promises 1.00 s, but it holds 1.5" in remarks(tmp_path / "a.mp3")
    (tmp_path / "a.mp3").write_bytes(one[: len(one) // 2])
    assert "truncated: its header promises 1.00 s, 0." in remarks(tmp_path / "a.mp3")


def test_what_libmpg123_writes_names_the_file_and_nothing_else_is_kept(tmp_path, vbr, capfd):
    damaged = bytearray(vbr)
    for at in range(2_000, len(damaged), 400):
        damaged[at : at + 20] = bytes(range(20))
    (tmp_path / "bad.mp3").write_bytes(bytes(damaged))
    (tmp_path / "good.mp3").write_bytes(vbr)
    found: dict[str, str] = {}

    def look(name: str) -> None:
        found[name] = remarks(tmp_path / f"{name}.mp3")

    threads = [threading.Thread(target=look, args=(n,)) for n in ("good", "bad")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "libmpg123, which decodes it, remarks: " in found["bad"]
    assert found["good"] == ""
    with audio_notes.gathered():
        os.write(2, b"of somebody else\n")
    assert capfd.readouterr().err == "of somebody else\n"


# -- rates and lengths --


@pytest.mark.parametrize("rate", [1, 99, 1_000_001, 0x40001F40])
def test_rates_that_no_recording_has(tmp_path, rate):
    (tmp_path / "a.wav").write_bytes(patched(WAV, 24, rate.to_bytes(4, "little")))
    for read in (audio.probe, audio.inspect, audio.decode):
        with pytest.raises(audio.AudioError, match=r"sample rate of .* Hz; it must be from 100 to 1,000,000"):
            read(tmp_path / "a.wav")


def test_files_that_last_too_long(tmp_path, monkeypatch):
    monkeypatch.setattr(audio, "LONGEST", 3600)
    data = patched(
        encoded(np.zeros(400_000, np.float32), "WAV", subtype="PCM_U8"), 24, (100).to_bytes(4, "little")
    )
    (tmp_path / "a.wav").write_bytes(data)
    (tmp_path / "a.flac").write_bytes(encoded(np.zeros(3601 * 100, np.float32), "FLAC", 100))
    for name in ("a.wav", "a.flac"):
        for read in (audio.probe, audio.inspect, audio.decode):
            with pytest.raises(audio.AudioError, match="lasts more than 1 h, the most that is read"):
                read(tmp_path / name)
        x, _ = audio.decode(tmp_path / name, duration=2)
        assert len(x) == 200


def test_what_the_memory_has_no_room_for(tmp_path, monkeypatch):
    sf.write(tmp_path / "a.wav", np.tile(tone(1.0), 20), 44_100)
    monkeypatch.setattr("jobs.sound.buffer._LARGE", 1 << 20)
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("Memory", (), {"available": 1 << 20}))
    with pytest.raises(
        audio.AudioError, match=r"a.wav: is too long for the memory of this machine: it takes"
    ):
        audio.decode(tmp_path / "a.wav")
    audio.inspect(tmp_path / "a.wav")

    def none(*args: Any, **options: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(audio_decoders.Sndfile, "_read", none)
    with pytest.raises(audio.AudioError, match="takes more memory than there is"):
        audio.decode(tmp_path / "a.wav")


def test_memory_does_not_grow_with_channels_or_length(tmp_path):
    """The import of a file of 1,024 channels, and of an hour that is decoded to a low rate."""
    sf.write(tmp_path / "wide.wav", np.zeros((20_000, 1024), np.float32), 8_000, subtype="PCM_U8")
    hour = np.zeros(3600 * 8_000, np.float32)
    sf.write(tmp_path / "hour.flac", hour, 8_000)
    code = (
        "import resource, sys\nfrom jobs.sound import files as audio\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024\n"
        "before = peak()\naudio.inspect(sys.argv[1])\naudio.inspect(sys.argv[2])\n"
        "audio.decode(sys.argv[2], 2_000)\nprint(peak() - before)"
    )
    arguments = [sys.executable, "-c", code, str(tmp_path / "wide.wav"), str(tmp_path / "hour.flac")]
    grown = int(subprocess.check_output(arguments, text=True, cwd=Path(__file__).parents[2]))
    assert grown < 100  # MB; the whole of one is 84 MB, of the other 115, and resampled 29


# -- channels --


def test_channels_that_cancel_each_other_out_are_heard(tmp_path):
    whole = np.round(X * 30_000)
    for other in (-whole, -whole + np.arange(len(whole)) % 2, -0.99 * whole):
        x = np.stack([whole, other], axis=1).astype(np.int16)
        sf.write(tmp_path / "a.wav", x, RATE)
        assert "2 channels cancel each other out: channel" in remarks(tmp_path / "a.wav")
        found, _ = audio.decode(tmp_path / "a.wav")
        loudest = int((x.astype(float) ** 2).sum(axis=0).argmax())
        np.testing.assert_array_equal(found, x[:, loudest] / np.float32(32768))
        part, _ = audio.decode(tmp_path / "a.wav", offset=0.25, duration=0.25)
        np.testing.assert_array_equal(part, found[4_000:8_000])
        np.testing.assert_array_equal(audio.decode(tmp_path / "a.wav", duration=0.5)[0], found[:8_000])


def test_channels_that_do_not_cancel_are_their_mean_to_the_bit(tmp_path):
    rng = np.random.default_rng(0)
    for x in (
        rng.standard_normal((RATE, 2)),  # nothing to do with one another
        np.stack([X, 0 * X], axis=1),
        np.stack([X, -0.9 * X], axis=1),
        np.concatenate([np.stack([X, X], axis=1), np.stack([X, -X], axis=1)]),
        np.zeros((RATE, 2)),
    ):
        sf.write(tmp_path / "a.wav", x.astype(np.float32), RATE, subtype="FLOAT")
        found, _ = audio.decode(tmp_path / "a.wav")
        np.testing.assert_array_equal(found, x.astype(np.float32).mean(axis=1))
        assert "channel 1, the loudest" not in remarks(tmp_path / "a.wav")


def test_seconds_that_cancel_are_remarked_on(tmp_path):
    x = np.concatenate([np.stack([X, X], axis=1), np.stack([X, -X], axis=1)])
    sf.write(tmp_path / "a.wav", x, RATE)
    assert "in 1.0 of 2.0 s its channels cancel each other out" in remarks(tmp_path / "a.wav")


def test_the_mix_is_chosen_over_the_first_minute_for_every_part(tmp_path):
    x = np.zeros((70 * 1_000, 2), np.float32)
    x[:, 0] = np.sin(np.arange(len(x)))
    x[:, 1] = -x[:, 0]
    x[COMPARED * 1_000 :, 1] = x[COMPARED * 1_000 :, 0]
    sf.write(tmp_path / "a.wav", x, 1_000, subtype="FLOAT")
    whole, _ = audio.decode(tmp_path / "a.wav")
    np.testing.assert_array_equal(whole, x[:, 0])
    for offset, duration in ((0.0, 1.0), (65.0, 1.0), (59.5, 1.0)):
        part, _ = audio.decode(tmp_path / "a.wav", offset=offset, duration=duration)
        start = round(offset * 1_000)
        np.testing.assert_array_equal(part, whole[start : start + 1_000])


def test_a_channel_of_nan_does_not_silence_the_other(tmp_path):
    x = np.stack([X, np.full_like(X, np.nan)], axis=1)
    sf.write(tmp_path / "a.wav", x, RATE, subtype="FLOAT")
    np.testing.assert_array_equal(audio.decode(tmp_path / "a.wav")[0], X / 2)


# -- decoders --


def test_resampling_in_blocks_is_resampling_the_whole(tmp_path):
    x = np.random.default_rng(0).standard_normal(700_001).astype(np.float32) / 10
    sf.write(tmp_path / "a.wav", x, 44_100, subtype="FLOAT")
    for to in (8_000, 22_050, 48_000):
        np.testing.assert_array_equal(audio.decode(tmp_path / "a.wav", to)[0], audio.resample(x, 44_100, to))
    sf.write(tmp_path / "b.wav", x[:1], 44_100, subtype="FLOAT")
    assert audio.decode(tmp_path / "b.wav", 8_000)[0].shape == (1,)


def test_what_a_decoder_raises_is_an_audio_error(tmp_path, monkeypatch):
    sf.write(tmp_path / "a.wav", X, RATE)

    def fail(error: Exception) -> Callable[..., None]:
        def raises(*args: Any, **options: Any) -> None:
            raise error

        return raises

    for error in (AttributeError("rate"), KeyError(3), RecursionError(), OSError(5, "Input/output error")):
        monkeypatch.setattr(audio_decoders.Sndfile, "blocks", fail(error))
        for read in (audio.inspect, audio.decode):
            with pytest.raises(audio.AudioError, match=r"a\.wav: cannot be (decoded|read) \("):
                read(tmp_path / "a.wav")
        monkeypatch.setattr("jobs.sound.files.read_layout", fail(error))
        with pytest.raises(audio.AudioError):
            audio.inspect(tmp_path / "a.wav")


def test_an_encoding_that_ffmpeg_does_not_know(tmp_path):
    pytest.importorskip("av")
    damaged = [
        ("a.wav", patched(WAV, 34, b"\0\0")),  # no bits a sample
        ("b.wav", patched(WAV, 20, b"\x77\x77")),  # no such encoding
    ]
    described = encoded(X, "CAF", subtype="PCM_16")
    damaged.append(("a.caf", patched(described, described.index(b"lpcm"), b"\xff\xff\xff\xff")))
    for name, data in damaged:
        (tmp_path / name).write_bytes(data)
        for read in (audio.probe, audio.inspect, audio.decode):
            with pytest.raises(audio.AudioError):
                read(tmp_path / name)


def test_pyav_is_asked_where_libsndfile_gives_up(tmp_path, monkeypatch):
    pytest.importorskip("av")
    (tmp_path / "a.flac").write_bytes(FLAC)
    true, _ = audio.decode(tmp_path / "a.flac")
    monkeypatch.setattr(audio_decoders._Sound, "read", lambda *a, **k: np.empty((0, 1), np.float32))
    assert lengths(tmp_path / "a.flac") == [RATE] * 3
    np.testing.assert_allclose(audio.decode(tmp_path / "a.flac")[0], true, atol=1e-7)
    monkeypatch.setattr(audio, "has_av", lambda: False)
    with pytest.raises(audio.AudioError, match="holds no samples"):
        audio.decode(tmp_path / "a.flac")


def test_a_truncated_m4a_is_remarked_on(tmp_path):
    av = pytest.importorskip("av")
    write_m4a(tmp_path / "whole.m4a", tone(2.0))
    assert remarks(tmp_path / "whole.m4a") == ""
    # With its table of contents in front, so that half a file can be read.
    with (
        av.open(str(tmp_path / "whole.m4a")) as source,
        av.open(str(tmp_path / "a.m4a"), "w", format="mp4", options={"movflags": "faststart"}) as target,
    ):
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(audio=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    content = (tmp_path / "a.m4a").read_bytes()
    (tmp_path / "half.m4a").write_bytes(content[: len(content) * 2 // 3])
    n = lengths(tmp_path / "half.m4a")
    assert len(set(n)) == 1
    assert "truncated: its header promises 2.0" in remarks(tmp_path / "half.m4a")
