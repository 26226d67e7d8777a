from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from scipy.signal import firwin, lfilter

from jobs.sound.files import AudioError
from jobs.sound.loudness import (
    CEILING,
    TARGET,
    at_equal_loudness,
    gain_db,
    integrated_loudness,
    loudness,
    true_peak,
)
from tests.waiting import PATIENCE

ROOT = Path(__file__).parents[2]
RATE = 48_000

# The coefficients that the recommendation prints, for 48 kHz.
SHELF = ([1.53512485958697, -2.69169618940638, 1.19839281085285], [1.0, -1.69065929318241, 0.73248077421585])
HIGH_PASS = ([1.0, -2.0, 1.0], [1.0, -1.99004745483398, 0.99007225036621])


def by_the_book(x: np.ndarray) -> float:
    """BS.1770 at 48 kHz in plain steps; one channel counts for two speakers."""
    x = x if x.shape[1] == 2 else np.concatenate([x, x], axis=1)
    weighted = lfilter(*HIGH_PASS, lfilter(*SHELF, x, axis=0), axis=0)
    length, step = int(0.4 * RATE), int(0.1 * RATE)
    starts = range(0, len(x) - length + 1, step)
    powers = [(weighted[i : i + length] ** 2).mean(axis=0).sum() for i in starts]

    def level(power: float) -> float:
        return -0.691 + 10 * math.log10(power) if power > 0 else -math.inf

    loud = [p for p in powers if level(p) > -70]
    if not loud:
        return -math.inf
    gate = level(sum(loud) / len(loud)) - 10
    kept = [p for p in loud if level(p) > gate]
    return level(sum(kept) / len(kept))


def tone(seconds: float, dbfs: float, frequency: float = 997.0, rate: int = RATE) -> np.ndarray:
    t = np.arange(round(seconds * rate)) / rate
    return 10 ** (dbfs / 20) * np.sin(2 * np.pi * frequency * t)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("kind", ["noise", "bursts", "fading", "rumble"])
def test_loudness_is_that_of_the_standard(kind, channels):
    random = np.random.default_rng(0)
    x = 0.1 * random.standard_normal((3 * RATE + 1234, channels))
    t = np.arange(len(x)) / RATE
    if kind == "bursts":
        x *= (t % 1 < 0.2)[:, None]
    elif kind == "fading":  # down below both gates
        x *= 10 ** (-2 * t)[:, None]
    elif kind == "rumble":
        x = 0.01 * x + 0.5 * np.sin(2 * np.pi * 25 * t)[:, None] + 0.1
    assert integrated_loudness(x, RATE) == pytest.approx(by_the_book(x), abs=1e-4)
    assert integrated_loudness(x.astype(np.float32), RATE) == pytest.approx(by_the_book(x), abs=1e-4)


@pytest.mark.parametrize("rate", [8000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000])
def test_the_level_of_a_tone_at_any_rate(rate):
    """A stereo sine of 997 Hz at -23 dBFS is -23 LUFS (EBU Tech 3341, case 1)."""
    x = tone(3, -23, rate=rate)
    assert integrated_loudness(np.stack([x, x], axis=1), rate) == pytest.approx(-23, abs=0.1)


def test_quiet_parts_are_gated_as_broadcasters_test_it():
    """EBU Tech 3341, case 3: -36 dBFS before and after -23 dBFS gives -23 LUFS; half as long."""
    x = np.concatenate([tone(5, -36), tone(30, -23), tone(5, -36)])
    assert integrated_loudness(np.stack([x, x], axis=1), RATE) == pytest.approx(-23, abs=0.1)


def test_mono_is_as_loud_as_the_same_in_stereo():
    x = tone(1, -20)
    stereo = integrated_loudness(np.stack([x, x], axis=1), RATE)
    assert integrated_loudness(x, RATE) == pytest.approx(stereo, abs=1e-9)
    assert integrated_loudness(x[:, None], RATE) == pytest.approx(stereo, abs=1e-9)
    left = integrated_loudness(np.stack([x, 0 * x], axis=1), RATE)
    assert stereo - left == pytest.approx(10 * math.log10(2), abs=1e-6)


def test_short_sounds_are_measured_with_silence_behind():
    whole = integrated_loudness(tone(0.4, -20), RATE)
    for share in (0.5, 0.25, 0.1):
        short = integrated_loudness(tone(0.4 * share, -20), RATE)
        assert short == pytest.approx(whole + 10 * math.log10(share), abs=0.1)
    padded = np.concatenate([tone(0.1, -20), np.zeros(round(0.3 * RATE))])
    assert integrated_loudness(tone(0.1, -20), RATE) == pytest.approx(integrated_loudness(padded, RATE))
    assert math.isfinite(integrated_loudness(np.array([1.0]), RATE))


def test_what_is_left_after_the_last_step_does_not_count():
    for rate in (48_000, 44_100, 11_025):
        x = tone(1.2, -20, rate=rate)
        longer = np.concatenate([x, tone(0.09, -3, rate=rate)])
        assert integrated_loudness(longer, rate) == pytest.approx(integrated_loudness(x, rate), abs=1e-3)
        louder = np.concatenate([x, tone(0.11, -3, rate=rate)])
        assert integrated_loudness(louder, rate) > integrated_loudness(x, rate) + 1


@pytest.mark.parametrize("n", [0, 1, 100, 19_199, 19_200, 19_201, 100_000])
def test_silence(n):
    assert integrated_loudness(np.zeros(n), RATE) == -math.inf
    assert integrated_loudness(np.full((n, 2), 1e-5), RATE) == -math.inf  # below the absolute gate
    assert true_peak(np.zeros(n), RATE) == -math.inf


def test_shapes_that_are_no_sound():
    for x in (np.zeros((10, 3)), np.zeros((2, 2, 2)), np.float64(0)):
        with pytest.raises(ValueError, match="they must be"):
            integrated_loudness(x, RATE)
    with pytest.raises(ValueError, match="sample_rate is 0"):
        integrated_loudness(np.zeros(10), 0)


# -- peaks and gain ------------------------------------------------------------------------------------------


def test_peaks_between_samples():
    n = 20_000
    fade = np.minimum(1, np.minimum(np.arange(n), np.arange(n)[::-1]) / 2000)
    for frequency, phase in ((1 / 4, np.pi / 4), (1 / 6, np.pi / 6), (0.01, 0.3)):
        x = 0.5 * fade * np.sin(2 * np.pi * frequency * np.arange(n) + phase)
        assert true_peak(x, RATE) == pytest.approx(20 * math.log10(0.5), abs=0.05)
    assert 20 * math.log10(np.abs(0.5 * np.sin(np.pi / 2 * np.arange(9) + np.pi / 4)).max()) < -9


def test_peaks_are_found_wherever_they_are(monkeypatch):
    random = np.random.default_rng(1)
    x = lfilter(firwin(101, 0.6), 1, random.standard_normal((30_000, 2)), axis=0)
    whole = true_peak(x, RATE)
    assert whole > 20 * math.log10(np.abs(x).max())
    monkeypatch.setattr("jobs.sound.loudness._PEAK_FRAMES", 3000)
    assert true_peak(x, RATE) == pytest.approx(whole, abs=1e-3)
    # A part cut out of a loud, low tone rings at its ends, which is no peak of the sound.
    low = np.sin(2 * np.pi * 30 * np.arange(30_000) / RATE + 1)
    assert true_peak(low, RATE) < 0.5


@pytest.mark.parametrize(
    ("lufs", "peak", "gain"),
    [
        (-23.0, -10.0, 0.0),
        (-33.0, -20.0, 10.0),
        (-33.0, -6.0, 5.0),  # the peak allows no more
        (-10.0, -0.1, -13.0),
        (-30.0, 3.0, -4.0),  # a file of numbers beyond full scale
        (-math.inf, -80.0, 0.0),
        (-math.inf, -math.inf, 0.0),
        (-math.inf, 2.0, -3.0),
    ],
)
def test_gain(lufs, peak, gain):
    assert gain_db(lufs, peak=peak) == pytest.approx(gain)


def test_gain_of_nothing():
    with pytest.raises(ValueError, match="neither can be NaN"):
        gain_db(math.nan, peak=0)
    with pytest.raises(ValueError, match="neither can be NaN"):
        gain_db(-20, peak=math.nan)
    assert gain_db(-20, -30, peak=0, ceiling=-3) == -10


# -- files ---------------------------------------------------------------------------------------------------


def write(path: Path, x: np.ndarray, rate: int = RATE, subtype: str = "FLOAT") -> Path:
    sf.write(path, x, rate, subtype=subtype)
    return path


def test_files_of_any_kind_come_out_equally_loud(tmp_path):
    random = np.random.default_rng(2)
    noise = random.standard_normal((2 * RATE, 3))
    sounds = {
        "quiet.wav": 1e-3 * noise[:, 0],
        "stereo.wav": 0.1 * noise[:, :2],
        "three.wav": 0.02 * noise,
        "beyond.wav": 5 * noise[:, 0],
        "short.wav": 0.05 * noise[:9000, 0],
        "bursts.wav": 0.1 * noise[:, 0] * (np.arange(2 * RATE) % RATE < RATE / 2),
    }
    for name, x in sounds.items():
        path = write(tmp_path / name, x)
        y, rate = at_equal_loudness(path)
        assert rate == RATE
        assert y.dtype == np.float32
        assert y.shape == (len(x), 2 if name == "stereo.wav" else 1)
        assert integrated_loudness(y, rate) == pytest.approx(TARGET, abs=1e-3), name
        assert true_peak(y, rate) < CEILING
    assert loudness(tmp_path / "quiet.wav") == pytest.approx(
        integrated_loudness(sounds["quiet.wav"], RATE), abs=1e-4
    )
    assert at_equal_loudness(tmp_path / "quiet.wav", -30)[0].std() == pytest.approx(
        at_equal_loudness(tmp_path / "quiet.wav")[0].std() * 10 ** (-7 / 20), rel=1e-5
    )


def test_a_click_is_not_clipped_and_stays_quieter(tmp_path):
    x = 1e-4 * np.random.default_rng(3).standard_normal(2 * RATE)
    x[RATE] = 0.9
    y, rate = at_equal_loudness(write(tmp_path / "click.wav", x))
    assert integrated_loudness(y, rate) < TARGET - 3
    assert true_peak(y, rate) == pytest.approx(CEILING, abs=0.01)
    assert np.abs(y).max() < 1


def test_silence_is_left_alone(tmp_path):
    y, _ = at_equal_loudness(write(tmp_path / "silent.wav", np.zeros(RATE)))
    np.testing.assert_array_equal(y, np.zeros((RATE, 1)))
    faint = 1e-5 * np.random.default_rng(4).standard_normal(RATE).astype(np.float32)
    y, _ = at_equal_loudness(write(tmp_path / "faint.wav", faint))
    np.testing.assert_array_equal(y[:, 0], faint)


def test_only_the_beginning(tmp_path):
    x = np.concatenate([tone(1, -40), tone(1, -10)])
    path = write(tmp_path / "two.wav", x)
    assert loudness(path, duration=1) == pytest.approx(integrated_loudness(x[:RATE], RATE), abs=1e-4)
    assert loudness(path) > loudness(path, duration=1) + 20
    y, _ = at_equal_loudness(path, duration=1)
    assert len(y) == RATE
    assert integrated_loudness(y, RATE) == pytest.approx(TARGET, abs=1e-3)


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "text.wav").write_text("not a sound")
    for call in (loudness, at_equal_loudness):
        with pytest.raises(AudioError):
            call(tmp_path / "text.wav")
        with pytest.raises(AudioError, match="no such file"):
            call(tmp_path / "none.wav")


def test_it_is_light_to_import():
    heavy = "{'pyloudnorm', 'scipy', 'pandas'}"
    code = f"import sys, jobs.sound.loudness\nprint({heavy} & set(m.partition('.')[0] for m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=PATIENCE
    )
    assert done.stdout.strip() == "set()"
