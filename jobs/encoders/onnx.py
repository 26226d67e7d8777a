"""Any network that was exported to ONNX: ``onnx:./folder``.

The folder holds the network and ``hearspace.json``, which describes its input and output; `Description` lists
the fields and ``docs/encoders.md`` has examples. Nothing in the folder is run but the network, by ONNX
Runtime, and nothing outside the folder is read.

A network with a fixed ``window`` gets consecutive windows, of which the last reaches back so that it is
whole; a shorter clip is filled up with silence. Without a window the clip goes in whole, by itself.
"""

from __future__ import annotations

import importlib.util
import json
import math
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.encoders import Card, EncoderUnavailable, UnknownEncoder

if TYPE_CHECKING:
    import numpy as np

NAME = "onnx"
VERSION = 1
MODALITIES = frozenset({"audio"})
INDEPENDENT = frozenset({"cpu"})
TAKES_ARGUMENT = True
DESCRIPTION = "A network exported to ONNX, in a folder with a small description of its input and output."
REFERENCE = "As of the network; ONNX Runtime runs it."
IMPORTS = ("onnxruntime", "scipy.fft")

FILE = "hearspace.json"
_BATCH = 16
_WAVEFORM = ("batch samples", "batch 1 samples", "samples")
_LOG_MEL = ("batch time mel", "batch mel time", "batch 1 time mel", "batch 1 mel time")
_LOGS = ("ln", "log10", "db", "none")


@dataclass(frozen=True)
class Mel:
    """The parameters of a log-mel spectrogram, as in the network's training code.

    Attributes
    ----------
    n_fft, hop_length : int
        Samples in a transform, and from one frame to the next.
    n_mels : int
        Bands.
    win_length : int, optional
        Samples under the periodic Hann window, in the middle of the transform; `n_fft` by default.
    fmin, fmax : float
        Hz; `fmax` is half the rate by default. Triangles of unit area on Slaney's scale, as in librosa.
    filters : str, optional
        Instead of those, a ``.npy`` file in the folder with the weights, (n_fft // 2 + 1, n_mels).
    center : bool, default True
        Whether frames are centred on multiples of the hop, with zeros beyond the ends.
    power : float, default 2
        2 for a power spectrum, 1 for magnitudes.
    log : {'ln', 'log10', 'db', 'none'}, default 'ln'
        ``db`` is 10 log10.
    offset, floor : float
        log(max(x, floor) + offset); 0 and 1e-10 by default.
    mean, std : float
        What is subtracted from it, and what that is divided by; 0 and 1 by default.
    """

    n_fft: int
    hop_length: int
    n_mels: int
    win_length: int | None = None
    fmin: float = 0.0
    fmax: float | None = None
    filters: str | None = None
    center: bool = True
    power: float = 2.0
    log: str = "ln"
    offset: float = 0.0
    floor: float = 1e-10
    mean: float = 0.0
    std: float = 1.0


@dataclass(frozen=True)
class Description:
    """The fields of ``hearspace.json``.

    Attributes
    ----------
    sample_rate : int
        Hz at which the network listens.
    input : str, optional
        Name of the network's input; by default its only one.
    layout : str
        The axes of the input: ``"batch samples"`` (default), ``"batch 1 samples"`` or ``"samples"``
        for a waveform; ``"batch time mel"``, ``"batch mel time"``, ``"batch 1 time mel"`` or
        ``"batch 1 mel time"`` for a log-mel spectrogram.
    mel : Mel, optional
        For a log-mel spectrogram.
    output : str, optional
        Name of the output with the embedding; by default the first.
    frames : bool, default False
        Whether it is (batch, frames, d) or (batch, d); without a batch axis in the input it has none either.
    window, hop : float, optional
        Seconds that go in at once, and from one window to the next (by default, the window).
    min_seconds : float, default 0.1
        Shorter clips are filled up with silence.
    model : str, default 'model.onnx'
        The file of the network.
    card : mapping
        ``modality``, ``objective``, ``parameters``, ``training_data``, as far as known.
    """

    sample_rate: int
    input: str | None = None
    layout: str = "batch samples"
    mel: Mel | None = None
    output: str | None = None
    frames: bool = False
    window: float | None = None
    hop: float | None = None
    min_seconds: float = 0.1
    model: str = "model.onnx"
    card: Card = field(default_factory=Card)


def available() -> str | None:
    """Return None if ONNX Runtime is installed, else how to get it."""
    if importlib.util.find_spec("onnxruntime") is None:
        return "onnx models need ONNX Runtime: pip install 'hearspace[onnx]'"
    return None


def card(argument: str) -> Card:
    """Return the card in the description of a folder's model."""
    from jobs.encoders._folders import resolve

    try:
        return describe(resolve(argument)).card
    except EncoderUnavailable:
        return Card()


def identity(argument: str | None) -> str:
    """Return the folder's last name and a fingerprint of its files; `UnknownEncoder` for no folder."""
    from jobs.encoders._folders import fingerprint, is_folder, resolve

    assert argument is not None, "the registry asks for one"
    if not is_folder(argument):
        raise UnknownEncoder(f"onnx needs a folder with a network in it: write onnx:./{argument}.")
    folder = resolve(argument)
    if not folder.is_dir():
        raise UnknownEncoder(f"There is no folder {folder}; give one that holds {FILE} and a network.")
    return f"{folder.name}#{fingerprint(folder)}"


def describe(folder: Path) -> Description:
    """Read the description of a network; `EncoderUnavailable` names what is wrong with it."""
    path = folder / FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise EncoderUnavailable(
            f"{folder} holds no {FILE}, which describes the network's input; docs/encoders.md has an example."
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise EncoderUnavailable(f"{path} cannot be read as JSON ({error}).") from None
    try:
        return _checked(content)
    except ValueError as error:
        raise EncoderUnavailable(f"{path}: {error}") from None


def _checked(content: Any) -> Description:
    values = _fields(Description, content, "the description")
    if values.get("mel") is not None:
        values["mel"] = Mel(**_fields(Mel, values["mel"], "mel"))
    known = values.pop("card", {})
    if isinstance(known, dict):
        known = {k: v for k, v in known.items() if k != "dimensions"}
    d = Description(**values, card=Card(**_fields(Card, known, "card")))
    layouts = _WAVEFORM if d.mel is None else _LOG_MEL
    if d.layout not in layouts:
        what = "a waveform" if d.mel is None else "a log-mel spectrogram (mel)"
        raise ValueError(
            f"layout is {d.layout!r}; for {what} it must be one of {', '.join(map(repr, layouts))}."
        )
    positive = {"sample_rate": d.sample_rate, "window": d.window, "hop": d.hop, "min_seconds": d.min_seconds}
    if d.mel is not None:
        m = d.mel
        positive |= {"n_fft": m.n_fft, "hop_length": m.hop_length, "n_mels": m.n_mels, "std": m.std}
        positive |= {"win_length": m.win_length, "power": m.power}
        if m.log not in _LOGS:
            raise ValueError(f"mel.log is {m.log!r}; it must be one of {', '.join(map(repr, _LOGS))}.")
        if (m.win_length or m.n_fft) > m.n_fft:
            raise ValueError(f"mel.win_length is {m.win_length}; it must be at most n_fft, {m.n_fft}.")
        if not 0 <= m.fmin < (m.fmax or d.sample_rate / 2):
            raise ValueError(f"mel.fmin is {m.fmin} and fmax is {m.fmax}; needed is 0 <= fmin < fmax.")
    for name, value in positive.items():
        if value is not None and not 0 < value < math.inf:
            raise ValueError(f"{name} is {value}; it must be more than 0 and finite.")
    return d


_KINDS: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "str": (str,),
    "bool": (bool,),
    "Mel": (dict,),
    "Card": (dict,),
    "None": (type(None),),
}


def _fields(kind: type, given: Any, what: str) -> dict[str, Any]:
    """Return the fields of a dataclass that are given, after checking their names and kinds."""
    if not isinstance(given, dict):
        raise ValueError(f"{what} is {type(given).__name__}; it must be an object with named fields.")
    known = {f.name: f for f in fields(kind)}
    for name, value in given.items():
        if name not in known:
            raise ValueError(f"{what} has a field {name!r}; it can have {', '.join(known)}.")
        names = str(known[name].type).split(" | ")
        allowed = tuple(k for n in names for k in _KINDS[n])
        if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
            raise ValueError(f"{name} is {value!r}; it must be {' or '.join(names)}.")
    lacking = [
        n
        for n, f in known.items()
        if n not in given and f.default is MISSING and f.default_factory is MISSING
    ]
    if lacking:
        raise ValueError(f"{what} lacks {', '.join(lacking)}.")
    return dict(given)


def load(argument: str | None, *, modality: str, device: str) -> _Model:
    """Load the network of a folder; `EncoderUnavailable` says why that fails."""
    from jobs.encoders._folders import resolve

    assert argument is not None, "the registry asks for one"
    folder = resolve(argument)
    if not folder.is_dir():
        raise EncoderUnavailable(f"There is no folder {folder}; give one that holds {FILE} and a network.")
    return _Model(folder, describe(folder), device)


class _Model:
    def __init__(self, folder: Path, description: Description, device: str) -> None:
        import numpy as np

        from jobs.encoders._frames import probed_dimensions

        self._d = description
        self._device = device
        self.sample_rate = description.sample_rate
        self.frame_level = description.frames or description.window is not None
        window = description.window
        self._window = None if window is None else max(1, round(window * self.sample_rate))
        hop = window if description.hop is None else description.hop
        self._hop = None if hop is None else max(1, round(hop * self.sample_rate))
        self.min_samples = self._window or max(1, round(description.min_seconds * self.sample_rate))
        self._filters = _filters(folder, description)
        self._session = _session(_inside(folder, description.model), device)
        self._input, self._output, self._fixed = _names(self._session, description)
        why = f"The network in {folder} does not take the input that {FILE} describes"
        self.dimensions = probed_dimensions(self.embed, np.zeros(self.sample_rate, np.float32), why)

    def embed(self, waveforms: list[np.ndarray]) -> list[np.ndarray]:
        from jobs.encoders._frames import embed_windows, pad, windows

        if self._window is None or self._hop is None:
            return [self._run([pad(x, self.min_samples)])[0] for x in waveforms]
        clips = [windows(pad(x, self._window), self._window, self._hop) for x in waveforms]
        return embed_windows(self._run, clips, batch=self._fixed or _BATCH, device=self._device)

    def _run(self, windows: list[np.ndarray]) -> list[np.ndarray]:
        """Embed windows of one length: (frames, d) each."""
        import numpy as np

        n = len(windows)
        windows = windows + [np.zeros_like(windows[0])] * ((self._fixed or n) - n)
        x = np.stack([self._prepared(w) for w in windows])
        if self._d.layout == "samples":
            x = x[0]
        y = np.asarray(self._session.run([self._output], {self._input: x})[0], dtype=np.float32)
        if self._d.layout == "samples":
            y = y[None]
        if y.ndim != 2 + self._d.frames or len(y) != len(windows):
            axes = "(batch, frames, d)" if self._d.frames else "(batch, d)"
            raise EncoderUnavailable(
                f"The output {self._output!r} has the shape {y.shape} for a batch of {len(windows)}; {FILE} "
                f"says frames is {str(self._d.frames).lower()}, so it must be {axes}."
            )
        return list(y if self._d.frames else y[:, None, :])[:n]

    def _prepared(self, x: np.ndarray) -> np.ndarray:
        if self._d.mel is not None:
            x = log_mel(x, self._filters, self._d.mel)  # (mel, time)
            if self._d.layout.endswith("time mel"):
                x = x.T
        return x[None] if " 1 " in self._d.layout else x


def log_mel(x: np.ndarray, filters: np.ndarray, mel: Mel) -> np.ndarray:
    """Return the log-mel spectrogram of a waveform.

    Parameters
    ----------
    x : (n,) float32 array
    filters : (n_fft // 2 + 1, n_mels) float32 array
    mel : Mel

    Returns
    -------
    (n_mels, t) float32 array
        t is 1 + n // hop_length where frames are centred, else 1 + (n - n_fft) // hop_length, at least 1.
    """
    import numpy as np

    from core.audio import frame_spectra, hann
    from jobs.encoders._frames import pad

    size = mel.win_length or mel.n_fft
    window = np.zeros(mel.n_fft, np.float32)
    start = (mel.n_fft - size) // 2
    window[start : start + size] = hann(size)
    x = np.pad(x, mel.n_fft // 2) if mel.center else pad(x, mel.n_fft)
    parts = [np.abs(s) ** mel.power @ filters for s in frame_spectra(x, window, mel.hop_length)]
    out = np.concatenate(parts).astype(np.float32, copy=False)
    if mel.log != "none":
        out = np.maximum(out, np.float32(mel.floor)) + np.float32(mel.offset)
        out = np.log(out) if mel.log == "ln" else np.log10(out) * (10 if mel.log == "db" else 1)
    return ((out - mel.mean) / mel.std).astype(np.float32).T


def _filters(folder: Path, description: Description) -> np.ndarray:
    import numpy as np

    from core.audio import mel_filterbank

    mel = description.mel
    if mel is None:
        return np.empty((0, 0), np.float32)
    if mel.filters is None:
        return mel_filterbank(
            description.sample_rate, mel.n_fft, n_mels=mel.n_mels, fmin=mel.fmin, fmax=mel.fmax
        ).T
    path = _inside(folder, mel.filters)
    try:
        weights = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise EncoderUnavailable(f"{path} cannot be read as an array of numbers ({error}).") from None
    if weights.shape != (mel.n_fft // 2 + 1, mel.n_mels):
        raise EncoderUnavailable(
            f"{path} has the shape {weights.shape}; filters must be (n_fft // 2 + 1, n_mels), "
            f"{(mel.n_fft // 2 + 1, mel.n_mels)}."
        )
    return np.asarray(weights, np.float32)


def _inside(folder: Path, name: str) -> Path:
    """Return the path of a file that the description names; it must lie in the folder."""
    if "\0" in name:
        raise EncoderUnavailable(f"{FILE} names {name!r}, which is no name of a file.")
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise EncoderUnavailable(f"{FILE} names {name!r}, which lies outside {folder}; it must be inside.")
    if not path.is_file():
        raise EncoderUnavailable(f"There is no {name} in {folder}, which {FILE} names.")
    return path


def _session(path: Path, device: str) -> Any:
    import onnxruntime

    from jobs.encoders._frames import one_line

    wanted = ["CUDAExecutionProvider"] if device == "cuda" else []
    providers = [p for p in wanted if p in onnxruntime.get_available_providers()]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors; they come back as exceptions anyway
    try:
        return onnxruntime.InferenceSession(
            str(path), options, providers=[*providers, "CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime's own errors have no common type
        raise EncoderUnavailable(f"ONNX Runtime cannot load {path}: {one_line(error)}") from error


def _names(session: Any, description: Description) -> tuple[str, str, int | None]:
    """Return the names of input and output, and the size of a batch if the network fixes it."""
    inputs = {i.name: i for i in session.get_inputs()}
    outputs = [o.name for o in session.get_outputs()]
    if description.input is None and len(inputs) != 1:
        raise EncoderUnavailable(
            f"The network has the inputs {', '.join(inputs)}; name the one for the sound in {FILE}, by input."
        )
    name = description.input or next(iter(inputs))
    output = description.output or outputs[0]
    if name not in inputs or output not in outputs:
        raise EncoderUnavailable(
            f"The network has the inputs {', '.join(inputs)} and the outputs "
            f"{', '.join(outputs)}; {FILE} names {name!r} and {output!r}."
        )
    shape = inputs[name].shape
    first = shape[0] if shape and description.layout != "samples" else 1
    return name, output, first if isinstance(first, int) and first > 0 else None
