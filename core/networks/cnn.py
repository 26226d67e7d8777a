"""Networks that embed sound: waveforms in, one vector a clip out.

`SmallCNN` trains on two cores. `Cnn14` is the network of PANNs, whose checkpoints it takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from core.audio import mel_filterbank

_FRONT_END = ("spectrogram_extractor.", "logmel_extractor.")  # computed here, never learned
_WINDOW, _HOP = 0.032, 0.02  # seconds, of SmallCNN
_POOLINGS = 5  # halvings of time and frequency in Cnn14


def log_mel(
    waveforms: torch.Tensor,
    *,
    sample_rate: int,
    window: int = 1024,
    hop: int = 320,
    n_fft: int | None = None,
    pad: str = "constant",
    taper: str = "hann",
    **bands: Any,
) -> torch.Tensor:
    """Log-mel spectrograms of a batch: power in Slaney's mel bands, in dB.

    Parameters
    ----------
    waveforms : (b, t) float tensor
        Full scale is 1.
    sample_rate : int
        Hz.
    window, hop : int
        Samples under the window, and from one frame to the next.
    n_fft : int, optional
        Length of the transform, at least `window`, which it is by default.
    pad : {"constant", "reflect"}
        What is beyond the ends: zeros, or the sound mirrored.
    taper : {"hann", "povey"}
        Shape of the window: Hann's, or Kaldi's, a symmetric Hann window to the power of 0.85.
    **bands
        ``n_mels``, by default 64, and in Hz ``fmin``, by default 50, and ``fmax``, by default half the sample
        rate; see `core.audio.mel_filterbank`.

    Returns
    -------
    (b, n_mels, 1 + t // hop) tensor
        From -100 dB, which is silence. As `core.audio.log_mel`, with gradients and on any device.

    Raises
    ------
    ValueError
        For waveforms that are no batch or, mirrored, shorter than half a window, a window beyond the
        transform or of another shape, and what `core.audio.mel_filterbank` refuses.

    Examples
    --------
    >>> log_mel(torch.zeros(2, 3200), sample_rate=16000).shape
    torch.Size([2, 64, 11])
    """
    n_fft = window if n_fft is None else n_fft
    if waveforms.ndim != 2:
        raise ValueError(f"waveforms have shape {tuple(waveforms.shape)}; they must be (b, t).")
    if hop < 1 or not 2 <= window <= n_fft:
        raise ValueError(
            f"hop is {hop}, window {window} and n_fft {n_fft}; a hop has 1 sample or more, a window from 2 "
            "to n_fft."
        )
    if pad == "reflect" and waveforms.shape[1] <= n_fft // 2:
        raise ValueError(
            f"waveforms have {waveforms.shape[1]} samples; mirrored at the ends, they need more than "
            f"{n_fft // 2}."
        )
    if taper not in ("hann", "povey"):
        raise ValueError(f"taper is {taper!r}; it must be 'hann' or 'povey'.")
    tapered = torch.hann_window(window, periodic=taper == "hann", device=waveforms.device)
    filters = torch.tensor(mel_filterbank(sample_rate, n_fft, **{"n_mels": 64, "fmin": 50.0} | bands))
    with torch.autocast(waveforms.device.type, enabled=False):  # sums of powers need all their digits
        spectra = torch.stft(
            waveforms.float(),
            n_fft,
            hop_length=hop,
            win_length=window,
            window=tapered if taper == "hann" else tapered**0.85,
            pad_mode=pad,
            return_complex=True,
        )
        power = filters.to(waveforms.device) @ (spectra.real.square() + spectra.imag.square())
    return 10 * power.clamp_min(1e-10).log10()


def spec_augment(
    mel: torch.Tensor, *, time: int, frequency: int, generator: torch.Generator | None = None
) -> torch.Tensor:
    """Hide a stretch of time and a band of each spectrogram, as SpecAugment does.

    Parameters
    ----------
    mel : (b, n_mels, frames) tensor
    time, frequency : int
        The most frames and bands that are hidden; how many, from 0 to this, and where is drawn for each clip.
        0 hides none. More than there are counts as all.
    generator : torch.Generator, optional
        What draws, on the CPU.

    Returns
    -------
    (b, n_mels, frames) tensor
        What is hidden holds the clip's mean.

    Raises
    ------
    ValueError
        For a spectrogram of another shape, or a negative number.

    References
    ----------
    D. S. Park et al., "SpecAugment: a simple data augmentation method for automatic speech recognition",
    Interspeech 2019.

    Examples
    --------
    >>> mel = torch.arange(12.0).reshape(1, 3, 4)
    >>> hidden = spec_augment(mel, time=0, frequency=2, generator=torch.Generator().manual_seed(1))
    >>> int((hidden != mel).all(dim=2).sum()) <= 2
    True
    """
    if mel.ndim != 3:
        raise ValueError(f"mel has shape {tuple(mel.shape)}; it must be (b, n_mels, frames).")
    if time < 0 or frequency < 0:
        raise ValueError(f"time is {time} and frequency is {frequency}; both must be at least 0.")
    b, n_mels, frames = mel.shape
    rows = _stretch(b, n_mels, frequency, generator).to(mel.device)
    columns = _stretch(b, frames, time, generator).to(mel.device)
    hidden = rows[:, :, None] | columns[:, None, :]
    return torch.where(hidden, mel.mean(dim=(1, 2), keepdim=True), mel)


def _stretch(b: int, size: int, most: int, generator: torch.Generator | None) -> torch.Tensor:
    """Draw a stretch of at most `most` of `size` places for each of b clips, as (b, size) bool."""
    drawn = torch.rand(2, b, 1, generator=generator)
    width = (drawn[0] * (min(most, size) + 1)).floor()
    start = (drawn[1] * (size - width + 1)).floor()
    place = torch.arange(size)
    return (place >= start) & (place < start + width)


def initialise(network: nn.Module, seed: int) -> nn.Module:
    """Draw weights anew, in place: the same for the same seed, whatever was drawn before.

    Convolutions and linear layers are He-normal for what goes in, biases 0; norms are 1 and 0, and their
    statistics those of data that are standardised already.

    Parameters
    ----------
    network : nn.Module
    seed : int

    Returns
    -------
    nn.Module
        The same network.
    """
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            drawn = torch.empty(module.weight.shape)  # in the usual order, whatever that of the weight
            nn.init.kaiming_normal_(drawn, nonlinearity="relu", generator=generator)
            with torch.no_grad():
                module.weight.copy_(drawn)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
    return network


class SmallCNN(nn.Module):
    """Four convolutions on a log-mel spectrogram: small enough to train on two cores.

    Spectrograms have windows of 32 ms every 20 ms. Each of the four convolutions has 3 × 3 filters, batch
    normalisation, ReLU and 2 × 2 max pooling, with 1, 2, 4 and 8 times `width` channels. Means and maxima
    over time and frequency go through one linear layer with ReLU.

    Parameters
    ----------
    n_mels : int, default 64
        At least 16.
    dim : int, default 128
        Of what comes out.
    width : int, default 16
    sample_rate : int, default 16000
        Hz.
    seed : int, default 0
        Of `initialise`.

    Attributes
    ----------
    dim : int
    sample_rate : int
    min_samples : int
        What a waveform must have at least.

    Examples
    --------
    >>> network = SmallCNN(32, dim=10, width=4)
    >>> network(torch.zeros(2, 16000)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self,
        n_mels: int = 64,
        *,
        dim: int = 128,
        width: int = 16,
        sample_rate: int = 16_000,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if n_mels < 16 or dim < 1 or width < 1:
            raise ValueError(
                f"n_mels is {n_mels}, dim {dim} and width {width}; n_mels must be at least 16, the others 1."
            )
        self.dim, self.sample_rate = dim, sample_rate
        window, hop = (round(seconds * sample_rate) for seconds in (_WINDOW, _HOP))
        self._spectra = {"sample_rate": sample_rate, "n_mels": n_mels, "window": window, "hop": hop}
        self.min_samples = 16 * hop
        channels = [1, width, 2 * width, 4 * width, 8 * width]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1, bias=False) for a, b in pairwise(channels)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(c) for c in channels[1:])
        self.out = nn.Linear(2 * channels[-1], dim)
        initialise(self, seed)
        # In this order of values so few channels take a third of the time.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Embed waveforms (b, t) as (b, dim)."""
        return self.embed(self.mel(waveforms))

    def mel(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Return log-mel spectrograms (b, n_mels, frames), in dB, brought to the order of 1."""
        _check_length(waveforms, self.min_samples)
        # A sound of variance 1 has about 20 dB in a band of noise; where it is silent, 40 to 80 dB less.
        return log_mel(waveforms, **self._spectra) / 20  # type: ignore[arg-type]

    def embed(self, mel: torch.Tensor) -> torch.Tensor:
        """Embed what `mel` gives, as it is or masked."""
        x = mel.unsqueeze(1)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = F.max_pool2d(F.relu(norm(convolution(x))), 2)
        return F.relu(self.out(torch.cat([x.mean(dim=(2, 3)), x.amax(dim=(2, 3))], dim=1)))


class _Block(nn.Module):
    """Two convolutions, named as in PANNs."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


class Cnn14(nn.Module):
    """CNN14 of PANNs: twelve convolutions on 64 mel bands, 2,048 dimensions, 80 million weights.

    Layers have PANNs' names, so that `load_panns` takes its checkpoints. Dropout is theirs: 0.2 after each
    block, 0.5 around the last layer, in training alone.

    Parameters
    ----------
    sample_rate : int, default 32000
        Hz, at which PANNs was trained. At another rate (the paper's 44,100) window and hop keep their number
        of samples, as in the paper, and mel bands their frequencies.
    fmin, fmax : float
        Range of the mel bands, Hz.
    seed : int, default 0
        Of `initialise`.
    classes : int, default 527
        Of the layer `fc_audioset`, which embeddings do not use: AudioSet's classes.

    Attributes
    ----------
    dim, sample_rate, min_samples : int
        As in `SmallCNN`.

    References
    ----------
    Q. Kong et al., "PANNs: large-scale pretrained audio neural networks for audio pattern recognition",
    IEEE/ACM TASLP 28, 2020.
    """

    channels = (64, 128, 256, 512, 1024, 2048)  # of the blocks

    def __init__(
        self,
        *,
        sample_rate: int = 32_000,
        fmin: float = 50.0,
        fmax: float = 14_000.0,
        seed: int = 0,
        classes: int = 527,
    ) -> None:
        super().__init__()
        self.sample_rate = sample_rate
        self._spectra = {"sample_rate": sample_rate, "fmin": fmin, "fmax": fmax, "pad": "reflect"}
        self.min_samples = 320 * 2**_POOLINGS
        self.bn0 = nn.BatchNorm2d(64)
        self.dim = self.channels[-1]
        for i, (a, b) in enumerate(pairwise([1, *self.channels])):
            self.add_module(f"conv_block{i + 1}", _Block(a, b))
        self.fc1 = nn.Linear(self.dim, self.dim)
        self.fc_audioset = nn.Linear(self.dim, classes)
        self.block_dropout, self.last_dropout = nn.Dropout(0.2), nn.Dropout(0.5)
        initialise(self, seed)

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Embed waveforms (b, t) as (b, 2048)."""
        return self.embed(self.mel(waveforms))

    def mel(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Return log-mel spectrograms (b, 64, frames) in dB."""
        _check_length(waveforms, self.min_samples)
        return log_mel(waveforms, **self._spectra)  # type: ignore[arg-type]

    def embed(self, mel: torch.Tensor) -> torch.Tensor:
        """Embed what `mel` gives, as it is or masked."""
        x = self.bn0(mel.unsqueeze(3)).permute(0, 3, 2, 1)  # (b, 1, frames, bands)
        for i in range(1, 7):
            x = self.get_submodule(f"conv_block{i}")(x)
            if i <= _POOLINGS:
                x = F.avg_pool2d(x, 2)
            x = self.block_dropout(x)
        x = x.mean(dim=3)
        x = self.last_dropout(x.amax(dim=2) + x.mean(dim=2))
        return self.last_dropout(F.relu(self.fc1(x)))


def _check_length(waveforms: torch.Tensor, least: int) -> None:
    if waveforms.ndim != 2 or waveforms.shape[1] < least:
        raise ValueError(
            f"waveforms have shape {tuple(waveforms.shape)}; they must be (b, t) with t from {least} samples."
        )


def load_panns(network: Cnn14, checkpoint: Mapping[str, object]) -> Cnn14:
    """Put the weights of a PANNs checkpoint of CNN14 into a network.

    Parameters
    ----------
    network : Cnn14
    checkpoint : mapping
        What a file of PANNs holds, read with ``weights_only=True``: ``{"model": state}``, or that state.
        Its spectrogram layers are left aside: they are numbers that `log_mel` computes.

    Returns
    -------
    Cnn14
        The same network.

    Raises
    ------
    ValueError
        For what is not of CNN14: names that are missing or too many, other shapes, values not finite.

    Examples
    --------
    >>> load_panns(Cnn14(), {"model": {}})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: The checkpoint is not of PANNs' CNN14: it lacks bn0.weight and 67 other layers...
    """
    inner = checkpoint.get("model", checkpoint)
    state = {
        str(name): values
        for name, values in (inner.items() if isinstance(inner, Mapping) else ())
        if not str(name).startswith(_FRONT_END)
    }
    expected = network.state_dict()
    # Files from before 2018 do not count batches, and nothing needs the number.
    needed = [name for name in expected if not name.endswith("num_batches_tracked")]
    for names, what in (
        ([n for n in needed if n not in state], "lacks"),
        ([n for n in state if n not in expected], "holds"),
    ):
        if names:
            others = f" and {len(names) - 1} other layers" if len(names) > 1 else ""
            raise ValueError(
                f"The checkpoint is not of PANNs' CNN14: it {what} {names[0]}{others}; take a file such as "
                "Cnn14_mAP=0.431.pth."
            )
    for name, values in state.items():
        if not isinstance(values, torch.Tensor) or values.shape != expected[name].shape:
            shape = tuple(values.shape) if isinstance(values, torch.Tensor) else type(values).__name__
            raise ValueError(
                f"The checkpoint is not of PANNs' CNN14: {name} is {shape}, not "
                f"{tuple(expected[name].shape)}."
            )
        if values.is_floating_point() and not bool(torch.isfinite(values).all()):
            raise ValueError(f"The checkpoint is damaged: {name} holds values that are not finite.")
    network.load_state_dict({**expected, **state})
    return network
