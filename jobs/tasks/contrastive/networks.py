"""The networks that a grid of contrastive models begins with, and the texts as vectors or as a backbone."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from core.networks import Cnn14, SmallCNN, load_panns
from core.training.threads import fixed_threads
from jobs import encoders
from jobs.engine import shards
from jobs.specs import ContrastiveGrid, CuratedTraining

#: Text encoders that can be trained: models of sentence-transformers.
TUNABLE = ("minilm", "sentence-transformers", "class-token")
#: PANNs' own limit of the mel bands, Hz.
_FMAX = 14_000.0
#: Texts that are embedded between two reports of progress.
_TEXTS = 256


def backbone_of(spec: ContrastiveGrid) -> nn.Module:
    """Return the audio backbone with random weights."""
    if spec.backbone == "cnn14":
        fmax = min(_FMAX, spec.sample_rate / 2)
        return Cnn14(sample_rate=spec.sample_rate, fmax=fmax, seed=spec.seed)
    return SmallCNN(
        spec.n_mels,
        dim=spec.backbone_dim,
        width=spec.width,
        sample_rate=spec.sample_rate,
        seed=spec.seed,
    )


def load_checkpoint(network: nn.Module, path: str, sha256: str | None = None) -> nn.Module:
    """Load the weights of a PANNs file, which must have the given SHA-256, into a network.

    Raises
    ------
    ValueError
        With one sentence: the file is another one, holds no weights, or not those of CNN14.
    """
    if sha256 is not None:
        try:
            with open(path, "rb") as file:
                now = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise ValueError(f"The checkpoint {path} cannot be read ({error.strerror}).") from None
        if now != sha256:
            raise ValueError(f"The checkpoint {path} has changed since this was asked for; ask again.")
    try:
        # Anything but tensors and plain containers is refused: a file of weights must not run code.
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, TypeError):
        raise ValueError(
            f"{path} is no checkpoint of weights that can be read safely; take PANNs' Cnn14_mAP=0.431.pth."
        ) from None
    if not isinstance(loaded, dict):
        raise ValueError(f"{path} holds a {type(loaded).__name__}, not the weights of CNN14.")
    assert isinstance(network, Cnn14)
    return load_panns(network, loaded)


class TextBackbone(nn.Module):
    """A model of sentence-transformers as a network that can be trained: texts in, (b, d_t) out."""

    def __init__(self, model: Any, dim: int) -> None:
        super().__init__()
        self.model, self.dim = model, dim

    def forward(self, texts: Sequence[str]) -> torch.Tensor:
        """Embed b texts."""
        device = next(self.model.parameters()).device
        tokens = self.model.tokenize(list(texts))
        tokens = {name: t.to(device) if torch.is_tensor(t) else t for name, t in tokens.items()}
        embedded: torch.Tensor = self.model(tokens)["sentence_embedding"]
        return embedded


def text_backbone_of(spec: ContrastiveGrid) -> TextBackbone:
    """Return the text encoder as a network.

    Raises
    ------
    ValueError
        If it is of a kind that cannot be trained here.
    """
    if spec.text_encoder.partition(":")[0] not in TUNABLE:
        raise ValueError(
            f"The text encoder {spec.text_encoder} cannot be trained; choose minilm or "
            "sentence-transformers:<model> or class-token:<model>, or leave the text backbone as it is."
        )
    loaded = encoders.load(spec.text_encoder, modality="text", device="cpu")
    return TextBackbone(loaded.network, loaded.dimensions)


def text_vectors(
    spec: ContrastiveGrid | CuratedTraining,
    texts: Sequence[str],
    folder: Path,
    progress: Callable[[int, int], object],
) -> np.ndarray:
    """Embed texts by the text encoder as it is, (c, d_t) float32; kept in a folder.

    Raises
    ------
    ValueError
        If a text has no finite embedding, or the encoder has changed.
    """
    now = encoders.identity(spec.text_encoder, modality="text")
    if now != spec.identity:
        raise ValueError(
            f"Encoder {spec.text_encoder} has changed since this was asked for (from {spec.identity} to "
            f"{now}); ask again."
        )
    path = folder / "texts.npz"
    kept = shards.load(path, ("vectors",))
    if kept is not None and len(kept["vectors"]) == len(texts):
        return kept["vectors"]
    model = encoders.load(spec.text_encoder, modality="text")
    parts = []
    with fixed_threads():
        for start in range(0, len(texts), _TEXTS):
            parts.append(np.asarray(model.embed(list(texts[start : start + _TEXTS])), dtype=np.float32))
            progress(min(start + _TEXTS, len(texts)), len(texts))
    vectors = np.concatenate(parts)
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise ValueError(f"Encoder {spec.text_encoder} gave no finite embedding of {texts[bad[0]]!r}.")
    shards.save(path, vectors=vectors)
    return vectors
