"""Low-level descriptors of Essentia's FreesoundExtractor, the basis of Freesound's own sound similarity.

Each descriptor, such as the spectral centroid or one MFCC, is summed up over a clip by mean and variance,
also of its first and second differences: 112 x 6 = 672 dimensions, `FEATURES` names them. Freesound scales
each to 0..1 over all sounds and keeps 100 principal components; both depend on the other clips, so they are
no part of the vector of one. The numbers here are the extractor's own, up to 1e14, and mean little to a
distance before they are scaled: see ``docs/systems.md``.

The list is that of Araz et al. (2024) as far as present releases compute it: their 846 dimensions came from
an older one, which had 28 frequency bands and one descriptor more. Other statistics, rhythm, and tonal
descriptors are left out as there. Silent frames are kept as they are, where Freesound adds random noise to
them: a vector has to be the same every time. A clip that the extractor refuses is made louder, to a peak of
-20 dB, if it is quieter (nowhere above about -50 dB is silent to it), and else measured under faint noise
that is always the same.
"""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.encoders import Card, ClipModel, EncoderUnavailable

if TYPE_CHECKING:
    import numpy as np

NAME = "freesound"
VERSION = 1
MODALITIES = frozenset({"audio"})
INDEPENDENT = frozenset({"cpu", "cuda"})
TAKES_ARGUMENT = False
DESCRIPTION = "Spectral descriptors of Essentia's FreesoundExtractor, to be scaled before they are compared."
REFERENCE = (
    "Bogdanov et al., Essentia, ISMIR 2013; Font, PhD thesis, UPF 2010, on its use in Freesound. Essentia is "
    "under the AGPL 3."
)
IMPORTS = ("essentia.standard", "soundfile")

STATISTICS = ("mean", "dmean", "dmean2", "var", "dvar", "dvar2")
BANDS = {
    "barkbands": 27,
    "erbbands": 18,
    "gfcc": 13,
    "mfcc": 13,
    "spectral_contrast_coeffs": 6,
    "spectral_contrast_valleys": 6,
}
SCALARS = (
    "barkbands_kurtosis", "barkbands_skewness", "barkbands_spread", "dissonance", "hfc", "pitch",
    "pitch_instantaneous_confidence", "pitch_salience", "silence_rate_20dB", "silence_rate_30dB",
    "silence_rate_60dB", "spectral_centroid", "spectral_complexity", "spectral_crest", "spectral_decrease",
    "spectral_energy", "spectral_energyband_high", "spectral_energyband_low",
    "spectral_energyband_middle_high", "spectral_energyband_middle_low", "spectral_flatness_db",
    "spectral_flux", "spectral_kurtosis", "spectral_rms", "spectral_rolloff", "spectral_skewness",
    "spectral_spread", "spectral_strongpeak", "zerocrossingrate",
)  # fmt: skip

#: Name of every dimension, in order.
FEATURES = tuple(
    f"{name}{i} {statistic}"
    for name, width in [*BANDS.items(), *dict.fromkeys(SCALARS, 0).items()]
    for i in ([f" {k}" for k in range(width)] or [""])
    for statistic in STATISTICS
)
CARD = Card("audio", "none (signal processing)", parameters=0, training_data=0, dimensions=len(FEATURES))

_RATE = 44_100
_PEAK, _FAINT = 0.1, 0.01  # of a clip that was too quiet; root mean square of the noise, -40 dB


class _Model(ClipModel):
    sample_rate = _RATE
    dimensions = len(FEATURES)
    min_samples = 4410  # the extractor needs a few frames

    def __init__(self) -> None:
        self._extract = _extractor()

    def vector(self, x: np.ndarray) -> np.ndarray:
        import numpy as np

        noise = np.random.default_rng(0).standard_normal(len(x)).astype(np.float32) * np.float32(_FAINT)
        peak = np.abs(x).max()
        louder = [x * (_PEAK / peak)] if 0 < peak < _PEAK else []
        for attempt in (x, *louder):
            try:
                return vector(self._pool(attempt))
            except RuntimeError:  # silence, or not one frame with a pitch: the extractor fails
                continue
        return vector(self._pool(x + noise))

    def _pool(self, x: np.ndarray) -> Any:
        import soundfile as sf

        # The extractor reads files only.
        with tempfile.TemporaryDirectory(prefix="hearspace-") as folder:
            path = Path(folder, "clip.wav")
            sf.write(path, x, _RATE, subtype="FLOAT")
            return self._extract(str(path))[0]


def vector(pool: Any) -> np.ndarray:
    """Put the descriptors of a pool into the order of `FEATURES`: (672,) float32.

    Parameters
    ----------
    pool : essentia.Pool or mapping
        Gives a number or an array for names such as ``"lowlevel.mfcc.mean"``.

    Raises
    ------
    EncoderUnavailable
        If a descriptor is missing or has another width, as in another release of Essentia.
    """
    import numpy as np

    parts = []
    for name, width in [*BANDS.items(), *dict.fromkeys(SCALARS, 1).items()]:
        try:
            rows = [np.atleast_1d(pool[f"lowlevel.{name}.{s}"]) for s in STATISTICS]
        except KeyError as error:
            raise EncoderUnavailable(
                f"This release of Essentia computes no {name} ({error}); install essentia==2.1b6.dev1389."
            ) from None
        if {r.shape for r in rows} != {(width,)}:
            raise EncoderUnavailable(
                f"This release of Essentia gives {name} in {rows[0].shape} values, not {width}; install "
                "essentia==2.1b6.dev1389."
            )
        parts.append(np.stack(rows, axis=1).ravel())  # all statistics of a band beside each other
    return np.concatenate(parts).astype(np.float32)


def _extractor() -> Any:
    import essentia

    # Essentia would write a line about classifiers for every clip.
    essentia.log.infoActive = False
    essentia.log.warningActive = False
    import essentia.standard as standard

    statistics = list(STATISTICS)
    return standard.FreesoundExtractor(
        analysisSampleRate=_RATE,
        lowlevelStats=statistics,
        mfccStats=statistics,
        gfccStats=statistics,
        rhythmStats=["mean"],
        tonalStats=["mean"],
        rhythmMethod="degara",  # the faster one; rhythm is not used
        lowlevelSilentFrames="keep",
        tonalSilentFrames="keep",
    )


def available() -> str | None:
    """Return None if Essentia is installed, else how to get it."""
    if importlib.util.find_spec("essentia") is None:
        return "freesound needs Essentia (Linux and macOS): pip install 'hearspace[essentia]'"
    return None


def load(argument: str | None, *, modality: str, device: str) -> _Model:
    """Return the extractor; it runs on the CPU whatever `device` is."""
    return _Model()
