"""Frames for networks that look at a few seconds of a spectrogram at a time.

A spectrogram here is (T, bands), time first. On a GPU, frames of all clips of a call share one batch queue,
so that short clips do not leave it waiting. On a CPU a batch holds frames of one clip only: the size of a
batch changes the last bits of what is in it, and so a clip's embedding is the same whatever is beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch


def n_blocks(length: int, size: int, hop: int) -> int:
    """Return how many whole blocks of `size` fit into `length` at steps of `hop`; at least one.

    Examples
    --------
    >>> [n_blocks(t, 100, 50) for t in (1, 100, 149, 150, 216)]
    [1, 1, 1, 2, 3]
    """
    return max(1, 1 + (length - size) // hop)


def blocks(spectrogram: np.ndarray, size: int, hop: int) -> Iterator[np.ndarray]:
    """Cut a spectrogram into blocks (size, bands); one that is shorter than a block ends in zeros."""
    short = size - len(spectrogram)
    if short > 0:
        spectrogram = np.pad(spectrogram, ((0, short), (0, 0)))
    for i in range(n_blocks(len(spectrogram), size, hop)):
        yield spectrogram[i * hop : i * hop + size]


def embed_blocks(
    network: Callable[[torch.Tensor], torch.Tensor],
    spectrograms: Iterator[np.ndarray],
    *,
    size: int,
    hop: int,
    batch: int,
    device: str,
) -> list[np.ndarray]:
    """Run a network over the blocks of several spectrograms.

    Parameters
    ----------
    network : callable
        (b, 1, size, bands) to (b, d), each row by itself.
    spectrograms : iterator of ndarray (T, bands)
        Made one at a time, as they are needed.
    size, hop, batch : int
        Frames of a block, steps between blocks, blocks in a batch.
    device : str

    Returns
    -------
    list of ndarray (blocks, d)
        One for each spectrogram.
    """
    import torch

    counts: list[int] = []
    waiting: list[np.ndarray] = []
    done: list[np.ndarray] = []

    def run() -> None:
        x = torch.from_numpy(np.stack(waiting).astype(np.float32, copy=False)).to(device)  # (b, size, bands)
        done.append(network(x.unsqueeze(1)).float().cpu().numpy())  # (b, d)
        waiting.clear()

    with torch.inference_mode(), exact(torch):
        for spectrogram in spectrograms:
            before = len(waiting) + sum(map(len, done))
            for block in blocks(spectrogram, size, hop):
                waiting.append(block)
                if len(waiting) == batch:
                    run()
            counts.append(len(waiting) + sum(map(len, done)) - before)
            if waiting and device == "cpu":
                run()
        if waiting:
            run()
    if not counts:
        return []
    return np.split(np.concatenate(done), np.cumsum(counts)[:-1])


def exact(torch: Any) -> Any:
    """Return a context in which a GPU multiplies in float32, not in the shorter TF32."""
    return torch.backends.cudnn.flags(
        enabled=torch.backends.cudnn.enabled,
        benchmark=False,
        deterministic=True,
        allow_tf32=False,
    )


def pad(x: np.ndarray, min_samples: int) -> np.ndarray:
    """Return a waveform of at least `min_samples`, with zeros at its end where it was shorter."""
    x = np.asarray(x, dtype=np.float32)
    return x if len(x) >= min_samples else np.pad(x, (0, min_samples - len(x)))
