"""Mix the channels of a recording down to one, also if their mean would lose the sound."""

from __future__ import annotations

import numpy as np

#: Seconds from the beginning over which the channels are compared.
COMPARED = 60
#: Share of the channels' power that their sum must keep.
CANCELLED = 1e-3


class Mix:
    """The mix of a file's channels: their mean, or one of them if they cancel each other out.

    Attributes
    ----------
    left : int
        Samples that are still to be compared.
    """

    def __init__(self, sample_rate: int, channels: int) -> None:
        self.left = COMPARED * sample_rate
        self._rate = sample_rate
        self._sum, self._each = 0.0, np.zeros(channels)
        self._cancelled = 0

    def add(self, block: np.ndarray) -> bool:
        """Compare the channels of a block (n, channels); return whether that is enough."""
        block = block[: self.left]
        self.left -= len(block)
        if len(self._each) > 1 and len(block):
            whole = block.sum(axis=1, dtype=np.float64)
            self._sum += float(whole @ whole)
            self._each += np.einsum("ij,ij->j", block, block, dtype=np.float64)
        return self.left == 0

    def channel(self) -> int | None:
        """Return the channel that replaces the mix, None for the mean of all."""
        together = float(self._each.sum())
        return int(self._each.argmax()) if together > 0 and self._sum < CANCELLED * together else None

    def down(self, block: np.ndarray) -> np.ndarray:
        """Return one channel (n,)."""
        channel = self.channel()
        if channel is not None:
            return np.ascontiguousarray(block[:, channel])
        with np.errstate(over="ignore"):
            return block.mean(axis=1)

    def look(self, block: np.ndarray) -> None:
        """Count the samples of a block at which its channels cancel each other out, in steps of a second."""
        if len(self._each) > 1:
            starts = np.arange(0, len(block), self._rate)
            whole = np.add.reduceat(block.sum(axis=1, dtype=np.float64) ** 2, starts)
            together = np.add.reduceat(np.einsum("ij,ij->i", block, block, dtype=np.float64), starts)
            lost = (together > 0) & (whole < CANCELLED * together)
            self._cancelled += int(np.diff(starts, append=len(block))[lost].sum())

    def remarks(self, seconds: float) -> list[str]:
        """Describe the cancellation in a file of some seconds."""
        if (channel := self.channel()) is not None:
            return [
                f"its {len(self._each)} channels cancel each other out: channel {channel + 1}, the loudest, "
                "is taken for the mix"
            ]
        if self._cancelled:
            lost = self._cancelled / self._rate
            return [
                f"in {lost:.1f} of {seconds:.1f} s its channels cancel each other out, which leaves almost "
                "nothing of them in the mix"
            ]
        return []
