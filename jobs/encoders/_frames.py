"""Cut clips into what a network takes at a time: blocks of a spectrogram, or windows of a waveform.

A spectrogram here is (T, bands), time first. On a GPU, blocks or windows of all clips of a call share
batches, so that short clips do not leave it idle. On a CPU a batch holds those of one clip only: the size of
a batch changes the last bits of its results, and so a clip's embedding is the same whatever is beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
    """Run a network over the blocks of several spectrograms, and return (blocks, d) for each.

    Parameters
    ----------
    network : callable
        (b, 1, size, bands) to (b, d), each row by itself.
    spectrograms : iterator of ndarray (T, bands)
        Made one at a time, as they are needed.
    size, hop, batch : int
        Frames of a block, steps between blocks, blocks in a batch.
    device : str
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


def windows(x: np.ndarray, size: int, hop: int) -> list[np.ndarray]:
    """Cut a waveform into windows, the last of which reaches back so that it is whole.

    A waveform that is shorter than a window is one as it is.

    Examples
    --------
    >>> [w.tolist() for w in windows(np.arange(5), 3, 3)]
    [[0, 1, 2], [2, 3, 4]]
    """
    last = max(0, len(x) - size)
    return [x[a : a + size] for a in (*range(0, last, hop), last)]


def embed_windows(
    run: Callable[[list[np.ndarray]], Sequence[np.ndarray]],
    clips: Sequence[Sequence[np.ndarray]],
    *,
    batch: int,
    device: str,
) -> list[np.ndarray]:
    """Run a network over the windows of several clips, and return (frames, d) for each.

    `run` embeds up to `batch` windows of one length: (frames, d) each.
    """
    # Only equal lengths share a batch: padding would change the results of some models.
    alike: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for i, parts in enumerate(clips):
        for j, window in enumerate(parts):
            alike.setdefault((len(window), i if device == "cpu" else 0), []).append((i, j))
    frames: dict[tuple[int, int], np.ndarray] = {}
    for places in alike.values():
        for a in range(0, len(places), batch):
            chosen = places[a : a + batch]
            frames.update(zip(chosen, run([clips[i][j] for i, j in chosen]), strict=True))
    return [np.concatenate([frames[i, j] for j in range(len(parts))]) for i, parts in enumerate(clips)]


def probed_dimensions(embed: Callable[[list[np.ndarray]], list[np.ndarray]], x: np.ndarray, why: str) -> int:
    """Return the length of a model's embeddings by embedding a waveform, before any clip is decoded.

    Where the model cannot embed it, `EncoderUnavailable` has `why` and the beginning of the error.
    """
    from jobs.encoders import EncoderUnavailable

    try:
        return embed([x])[0].shape[1]
    except EncoderUnavailable:
        raise
    except Exception as error:  # the libraries' own errors have no common type
        raise EncoderUnavailable(f"{why}: {one_line(error)}") from error


def one_line(error: BaseException) -> str:
    """Return the first 300 characters of an error in one line."""
    return " ".join(str(error).split())[:300]


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
