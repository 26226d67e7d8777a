"""Any audio model that the transformers library knows, from the hub or from a folder.

``transformers:laion/clap-htsat-unfused``, ``transformers:facebook/hubert-base-ls960@main``,
``transformers:./my-model``. What comes out depends on the kind of model:

- CLAP: the joint audio-text space; its text tower is the text encoder of the same name.
- AST: the mean of the class and distillation tokens.
- Whisper and other encoder-decoders: hidden states of the encoder; frames of a silent rest are left out.
- Others that read waveforms (wav2vec 2.0, HuBERT, WavLM, ...): hidden states of the last layer.

Clips longer than the model's window (10 s for CLAP and AST, 30 s for Whisper and waveforms) are cut into
consecutive windows, of which the last reaches back so that it is whole. A frame is one window for CLAP and
AST; hidden states, up to 50 a second, are averaged over stretches of about one second. No clip shares its
input with another; on a GPU, where several clips share a batch, its size can change the last bits.

Code that comes with a model is never run, and weights are read as safetensors, or else with ``weights_only``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jobs.encoders import EncoderUnavailable, always_available

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

NAME = "transformers"
VERSION = 1
MODALITIES = frozenset({"audio", "text"})
INDEPENDENT = frozenset({"cpu"})
TAKES_ARGUMENT = True
DESCRIPTION = "A model from the Hugging Face hub or a folder: CLAP (audio and text), AST, wav2vec 2.0, ..."
REFERENCE = "As on the model's hub page."
IMPORTS = ("torch", "transformers", "scipy.fft")
available = always_available

_LONGEST = 30.0  # seconds of waveform at once: attention takes memory with the square of it
_FRAME = 1.0  # seconds
_BATCH_CPU, _BATCH_GPU = 4, 32
#: Parameters that a checkpoint may lack without anything in an embedding depending on them.
_UNUSED = ("masked_spec_embed", "position_ids", "num_batches_tracked")


def load(argument: str | None, *, modality: str, device: str) -> Any:
    """Load the audio tower or the text tower of a model; `EncoderUnavailable` says why that fails."""
    from jobs.encoders._hub import from_source

    assert argument is not None, "the registry asks for one"
    kind: Any = _Text if modality == "text" else _Audio
    return from_source(argument, lambda source, options: kind(source, options, argument, device))


def _model(source: str, options: dict[str, Any], argument: str) -> Any:
    from transformers import AutoModel

    model, info = AutoModel.from_pretrained(
        source, trust_remote_code=False, weights_only=True, output_loading_info=True, **options
    )
    missing = [name for name in info["missing_keys"] if not name.endswith(_UNUSED)]
    if missing:
        raise EncoderUnavailable(
            f"The weights of {argument!r} lack {len(missing)} of the model's parameters (such as "
            f"{sorted(missing)[0]}), which would be random; give a complete model."
        )
    return model.eval()


def spectrogram_transformer(argument: str) -> tuple[nn.Module, Callable[[np.ndarray], np.ndarray]]:
    """Load an audio spectrogram transformer (AST) to be tuned.

    Parameters
    ----------
    argument : str
        As after ``transformers:``.

    Returns
    -------
    network : nn.Module
        Takes spectrograms (b, bands, frames) and gives (b, network.dim), the mean of the class and
        distillation tokens.
    spectrogram : callable
        Makes such a spectrogram (bands, frames) of a waveform (t,) at 16 kHz, without the model's scaling;
        what is beyond its window is cut off.

    Raises
    ------
    EncoderUnavailable
        If the model cannot be loaded, or is of another kind.
    """
    from jobs.encoders._hub import from_source

    def build(source: str, options: dict[str, Any]) -> tuple[Any, Any]:
        from transformers import AutoFeatureExtractor

        model = _model(source, options, argument)
        extractor = AutoFeatureExtractor.from_pretrained(source, trust_remote_code=False, **options)
        if type(extractor).__name__ != "ASTFeatureExtractor":
            raise EncoderUnavailable(
                f"Model {argument!r} ({type(model).__name__}) is no audio spectrogram transformer, and only "
                "these can be tuned here; give one, such as MIT/ast-finetuned-audioset-10-10-0.4593."
            )
        if extractor.sampling_rate != 16_000:
            raise EncoderUnavailable(
                f"Model {argument!r} takes {extractor.sampling_rate} Hz; what is tuned here takes 16 kHz."
            )
        extractor.do_normalize = False
        return model, extractor

    model, extractor = from_source(argument, build)

    def spectrogram(x: np.ndarray) -> np.ndarray:
        import numpy as np

        from jobs.encoders._frames import pad

        # A frame of 25 ms is the least that it takes.
        values = extractor(pad(x, 400), sampling_rate=16_000, return_tensors="np")["input_values"]
        return np.ascontiguousarray(values[0].T)

    return _tunable(model), spectrogram


def _tunable(model: Any) -> nn.Module:
    from torch import nn

    class Tunable(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model
            self.dim = int(model.config.hidden_size)

        def forward(self, mel: Any) -> Any:
            return self.model(input_values=mel.transpose(1, 2)).pooler_output

    return Tunable()


class _Audio:
    frame_level = True

    def __init__(self, source: str, options: dict[str, Any], argument: str, device: str) -> None:
        import numpy as np
        from transformers import AutoFeatureExtractor

        from jobs.encoders._frames import probed_dimensions

        model = _model(source, options, argument)
        try:
            self._extractor = AutoFeatureExtractor.from_pretrained(source, trust_remote_code=False, **options)
            self.sample_rate = int(self._extractor.sampling_rate)
        except (OSError, ValueError, AttributeError) as error:
            raise EncoderUnavailable(
                f"Model {argument!r} has no audio feature extractor (preprocessor_config.json with a "
                "sampling_rate), so it does not embed audio."
            ) from error
        self._device = device
        self._clap = hasattr(model, "get_audio_features")
        self._mel = self._extractor.__class__.__name__ == "ASTFeatureExtractor"
        self._fixed = not self._clap and not self._mel and hasattr(self._extractor, "chunk_length")
        config = model.config
        if getattr(config, "is_encoder_decoder", False):
            model = model.get_encoder()
        self._network = model.to(device)
        self._window = self._window_samples()
        self.min_samples = min(self._window, _receptive_field(config) or self.sample_rate // 10)
        why = f"Model {argument!r} ({type(model).__name__}) does not turn audio into vectors"
        self.dimensions = probed_dimensions(self.embed, np.zeros(self.sample_rate, np.float32), why)

    def _window_samples(self) -> int:
        if self._clap:
            return int(self._extractor.nb_max_samples)
        if self._mel:
            # Kaldi frames of 25 ms every 10 ms, as many as the position embedding has places for.
            return int((0.025 + 0.010 * (self._extractor.max_length - 1)) * self.sample_rate)
        if self._fixed:
            return int(self._extractor.n_samples)
        return int(_LONGEST * self.sample_rate)

    def embed(self, waveforms: list[np.ndarray]) -> list[np.ndarray]:
        import torch

        from jobs.encoders._frames import embed_windows, exact, pad, windows

        clips = [windows(pad(x, self.min_samples), self._window, self._window) for x in waveforms]
        batch = _BATCH_CPU if self._device == "cpu" else _BATCH_GPU
        with torch.inference_mode(), exact(torch):
            return embed_windows(self._run, clips, batch=batch, device=self._device)

    def _run(self, windows: list[np.ndarray]) -> list[np.ndarray]:
        """Embed windows of one length: (frames, d) each."""
        import torch

        # One at a time: CLAP's extractor marks a random clip of its batch as long, and none is here.
        inputs = [self._extractor(w, sampling_rate=self.sample_rate, return_tensors="pt") for w in windows]
        names = [n for n in ("input_values", "input_features", "attention_mask") if n in inputs[0]]
        x = {n: torch.cat([i[n] for i in inputs]).to(self._device) for n in names}
        if self._clap:
            longer = torch.zeros((len(windows), 1), dtype=torch.bool, device=self._device)
            y = self._network.get_audio_features(x["input_features"], is_longer=longer)
            return list(_pooled(y)[:, None, :])  # (b, 1, d)
        y = self._network(**x)
        if self._mel:
            return list(_pooled(y)[:, None, :])
        hidden = y.last_hidden_state.float().cpu().numpy()  # (b, t, d)
        seconds = len(windows[0]) / self.sample_rate
        if self._fixed:  # the extractor fills up the window with silence
            hidden = hidden[:, : math.ceil(hidden.shape[1] * len(windows[0]) / self._window)]
        return [_by_second(h, seconds) for h in hidden]


def _pooled(y: Any) -> np.ndarray:
    # Older versions of the library return the features themselves.
    return getattr(y, "pooler_output", y).float().cpu().numpy()


def _by_second(hidden: np.ndarray, seconds: float) -> np.ndarray:
    """Average hidden states (t, d) over equal stretches of about a second: (max(1, round(seconds)), d)."""
    import numpy as np

    n = min(len(hidden), max(1, round(seconds / _FRAME)))
    return np.stack([part.mean(axis=0) for part in np.array_split(hidden, n)])


def _receptive_field(config: Any) -> int | None:
    """Return how many samples a waveform model needs for its first hidden state, if its config says so."""
    kernels, strides = getattr(config, "conv_kernel", None), getattr(config, "conv_stride", None)
    if not isinstance(kernels, (list, tuple)) or not isinstance(strides, (list, tuple)):
        return None
    field, step = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        field += (kernel - 1) * step
        step *= stride
    return field


class _Text:
    def __init__(self, source: str, options: dict[str, Any], argument: str, device: str) -> None:
        from transformers import AutoTokenizer

        model = _model(source, options, argument)
        if not hasattr(model, "get_text_features"):
            raise EncoderUnavailable(
                f"Model {argument!r} ({type(model).__name__}) has no text tower; for a model of text alone "
                f"write sentence-transformers:{argument}."
            )
        self._network = model.to(device)
        self._device = device
        self._tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False, **options)
        config = getattr(model.config, "text_config", model.config)
        places = getattr(config, "max_position_embeddings", 512) - 2  # RoBERTa counts from its padding token
        self._longest = max(2, min(places, int(self._tokenizer.model_max_length)))
        self.dimensions = self.embed(["sound"]).shape[1]

    def embed(self, texts: list[str]) -> np.ndarray:
        import numpy as np
        import torch

        from jobs.encoders._frames import exact

        if not texts:
            return np.empty((0, self.dimensions), np.float32)
        parts = []
        with torch.inference_mode(), exact(torch):
            for a in range(0, len(texts), 32):
                tokens = self._tokenizer(
                    texts[a : a + 32],
                    padding=True,
                    truncation=True,
                    max_length=self._longest,
                    return_tensors="pt",
                ).to(self._device)
                y = self._network.get_text_features(
                    input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
                )
                parts.append(_pooled(y))  # (b, d)
        return np.concatenate(parts)
