"""The numerics of `core.listening.luce_choice`: likelihood, maximum, and links between systems."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

#: Who answered, the systems shown, and the one chosen, if any.
Answer = tuple[str, Sequence[str], str | None]


class Choices:
    """Distinct answers with a choice, and how often each listener gave them: `counts` (l, u).

    `shown` (u, s) holds the systems of each answer, padded where `mask` (u, s) is False; `chosen` is (u,).
    """

    def __init__(self, answers: Sequence[Answer], names: Sequence[str]) -> None:
        at = {name: i for i, name in enumerate(names)}
        listeners = {name: i for i, name in enumerate(dict.fromkeys(who for who, _, _ in answers))}
        kinds: dict[tuple[tuple[int, ...], int], int] = {}
        entries = []
        for who, shown, chosen in answers:
            if chosen is not None and len(shown) > 1:
                kind = (tuple(sorted(at[s] for s in shown)), at[chosen])
                entries.append((listeners[who], kinds.setdefault(kind, len(kinds))))
        widest = max((len(systems) for systems, _ in kinds), default=0)
        self.m = len(names)
        self.shown = np.zeros((len(kinds), widest), np.int64)
        self.mask = np.zeros((len(kinds), widest), bool)
        for (systems, _), row in kinds.items():
            self.shown[row, : len(systems)] = systems
            self.mask[row, : len(systems)] = True
        self.chosen = np.array([best for _, best in kinds], dtype=np.int64)
        self.counts = np.zeros((len(listeners), len(kinds)))
        for entry in entries:
            self.counts[entry] += 1

    def log_likelihood(self, weights: np.ndarray, theta: np.ndarray) -> float:
        """Sum of log P(chosen | shown), each distinct answer counted `weights` times."""
        return float(weights @ (theta[self.chosen] - self._log_sums(theta)))

    def curvature(self, weights: np.ndarray, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gradient (m,) and negative second derivative (m, m) of the log likelihood."""
        p = np.where(self.mask, np.exp(theta[self.shown] - self._log_sums(theta)[:, None]), 0.0)
        weighted = weights[:, None] * p
        expected = np.bincount(self.shown.ravel(), weighted.ravel(), self.m)
        gradient = np.bincount(self.chosen, weights, self.m) - expected
        pairs = self.shown[:, :, None] * self.m + self.shown[:, None, :]  # (u, s, s)
        joint = np.bincount(pairs.ravel(), (weighted[:, :, None] * p[:, None, :]).ravel(), self.m**2)
        return gradient, np.diag(expected) - joint.reshape(self.m, self.m)

    def _log_sums(self, theta: np.ndarray) -> np.ndarray:
        values = np.where(self.mask, theta[self.shown], -np.inf)
        top = values.max(axis=1, initial=-np.inf)
        return top + np.log(np.exp(values - top[:, None]).sum(axis=1))


def curvature(
    table: Choices, weights: np.ndarray, theta: np.ndarray, prior: float
) -> tuple[np.ndarray, np.ndarray]:
    """Gradient (m,) and negative second derivative (m, m) of the log posterior."""
    gradient, information = table.curvature(weights, theta)
    return gradient - theta / prior**2, information + np.eye(table.m) / prior**2


def maximum(table: Choices, weights: np.ndarray, prior: float, start: np.ndarray) -> np.ndarray:
    """Find the log strengths with the highest posterior by Newton's method with step halving."""

    def posterior(theta: np.ndarray) -> float:
        return table.log_likelihood(weights, theta) - float(theta @ theta) / (2 * prior**2)

    theta, value = start, posterior(start)
    for _ in range(500):
        gradient, information = curvature(table, weights, theta, prior)
        step = np.linalg.solve(information, gradient)
        # When rounding hides the increase, the last full step is as good as possible.
        small = np.abs(step).max(initial=0) <= 1e-7 * (1 + np.abs(theta).max(initial=0))
        if not small:
            while (
                posterior(theta + step) < value + 1e-4 * float(gradient @ step) and np.abs(step).max() > 1e-12
            ):
                step = step / 2
        theta = theta + step
        value = posterior(theta)
        if small:
            break
    # The prior keeps the mean at 0, except for rounding errors.
    return theta - theta.mean() if len(theta) else theta


def listener_draws(table: Choices, prior: float, start: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Log strengths of resamples of whole listeners, (resamples, m)."""
    n = len(table.counts)
    if n < 2:
        raise ValueError(
            f"There are trials of {n} listeners; resampling needs at least 2: leave resamples at 0."
        )
    random = np.random.default_rng(seed)
    drawn = random.multinomial(n, np.full(n, 1 / n), size=resamples)
    return np.array([maximum(table, times @ table.counts, prior, start) for times in drawn])


def log_odds(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log odds of each share v_i / Σ v, (m,), and their Jacobian by the log strengths, (m, m)."""
    m = len(theta)
    if m < 2:
        return np.full(m, np.inf), np.zeros((m, m))
    others = np.where(np.eye(m, dtype=bool), -np.inf, theta)  # row i: all but i
    top = others.max(axis=1, keepdims=True)
    weights = np.exp(others - top)
    sums = weights.sum(axis=1, keepdims=True)
    return theta - (top + np.log(sums))[:, 0], np.eye(m) - weights / sums


def linked(names: tuple[str, ...], wins: np.ndarray) -> tuple[tuple[tuple[str, ...], ...], bool]:
    """Groups of systems linked by choices, and whether each beat every other, directly or through others."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    if not names:
        return (), True
    graph = csr_array((wins > 0).astype(np.int8))
    count, weak = connected_components(graph, directed=True, connection="weak")
    settled = count == 1 and connected_components(graph, directed=True, connection="strong")[0] == 1
    groups = [tuple(n for n, w in zip(names, weak, strict=True) if w == k) for k in range(count)]
    return tuple(sorted(groups)), bool(settled)
