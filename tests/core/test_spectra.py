"""Mel spectra against librosa, and the edges."""

from __future__ import annotations

import numpy as np
import pytest

from core.audio import spectra

SETTINGS = [
    (32_000, 2048, 512, 128, 0.0, None),
    (44_100, 1024, 441, 64, 50.0, 14_000.0),
    (16_000, 400, 160, 80, 20.0, None),
    (22_050, 511, 200, 40, 0.0, None),
]


@pytest.mark.parametrize(("rate", "n_fft", "hop", "n_mels", "fmin", "fmax"), SETTINGS)
def test_as_librosa(rate, n_fft, hop, n_mels, fmin, fmax):
    librosa = pytest.importorskip("jobs.encoders._librosa").librosa
    mel = {"n_mels": n_mels, "fmin": fmin, "fmax": fmax}
    theirs = librosa.filters.mel(sr=rate, n_fft=n_fft, **mel)
    np.testing.assert_allclose(spectra.mel_filterbank(rate, n_fft, **mel), theirs, atol=1e-7)

    x = np.random.default_rng(0).normal(size=rate + 17).astype(np.float32) * 0.1
    theirs = librosa.feature.melspectrogram(
        y=x, sr=rate, n_fft=n_fft, hop_length=hop, pad_mode="constant", **mel
    )
    ours = spectra.mel_power(x, rate, n_fft=n_fft, hop_length=hop, **mel)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    for top_db in (None, 60.0):
        np.testing.assert_allclose(
            spectra.log_mel(x, rate, n_fft=n_fft, hop_length=hop, top_db=top_db, **mel),
            librosa.power_to_db(theirs, top_db=top_db),
            atol=1e-3,
        )


def test_mel_scale():
    librosa = pytest.importorskip("jobs.encoders._librosa").librosa
    hz = np.linspace(0, 16_000, 500)
    np.testing.assert_allclose(spectra.hz_to_mel(hz), librosa.hz_to_mel(hz), rtol=1e-12)
    np.testing.assert_allclose(spectra.mel_to_hz(spectra.hz_to_mel(hz)), hz, atol=1e-8)
    np.testing.assert_allclose(
        spectra.mel_frequencies(40, fmin=30, fmax=8000), librosa.mel_frequencies(40, fmin=30, fmax=8000)
    )


@pytest.mark.parametrize("n", [1, 2, 63, 441, 5000, 44_100, 1_000_000])
def test_a_picture_has_the_columns_asked_for(n):
    x = np.random.default_rng(1).normal(size=n).astype(np.float32)
    picture = spectra.spectrogram(x, 44_100, n_mels=32, n_frames=100)
    assert picture.shape == (32, min(n, 100))
    assert picture.max() == 0
    assert picture.min() >= -80


def test_a_picture_shows_the_tone_where_it_is():
    rate = 32_000
    t = np.arange(rate) / rate
    picture = spectra.spectrogram(np.sin(2 * np.pi * 2000 * t) * (t > 0.5), rate, n_frames=100)
    centers = spectra.mel_frequencies(66, fmin=30, fmax=16_000)[1:-1]
    assert abs(centers[picture[:, 80].argmax()] - 2000) < 150
    assert picture[:, 80].max() > -3
    assert picture[:, 20].max() < -60


def test_silence_and_nothing():
    assert (spectra.spectrogram(np.zeros(1000), 16_000) == -80).all()
    assert spectra.spectrogram(np.zeros(0), 16_000).shape == (64, 0)
    assert spectra.mel_power(np.zeros(0), 16_000).shape == (128, 0)
    assert np.isfinite(spectra.log_mel(np.zeros(1000), 16_000)).all()
    assert spectra.waveform_peaks(np.zeros(0)).shape == (0, 2)


def test_peaks_hold_the_extremes():
    x = np.random.default_rng(2).normal(size=10_007).astype(np.float32)
    peaks = spectra.waveform_peaks(x, 100)
    assert peaks.shape == (100, 2)
    assert peaks[:, 0].min() == x.min()
    assert peaks[:, 1].max() == x.max()
    np.testing.assert_array_equal(spectra.waveform_peaks(x[:3], 100), np.stack([x[:3], x[:3]], axis=1))


def test_errors_say_what_is_allowed():
    with pytest.raises(ValueError, match=r"shape \(2, 3\)"):
        spectra.mel_power(np.zeros((2, 3)), 16_000)
    with pytest.raises(ValueError, match="0 <= fmin < fmax"):
        spectra.mel_filterbank(16_000, 512, fmin=900, fmax=100)
    with pytest.raises(ValueError, match="1 or more"):
        spectra.spectrogram(np.zeros(10), 16_000, n_frames=0)
