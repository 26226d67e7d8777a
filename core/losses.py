"""Losses that training minimises."""

from __future__ import annotations

import torch


def warp_loss(
    scores: torch.Tensor,
    targets: torch.Tensor,
    *,
    margin: float = 1.0,
    sampled: bool = False,
    generator: torch.Generator | None = None,
    tries: torch.Tensor | None = None,
) -> torch.Tensor:
    """Weighted approximate-rank pairwise loss (WARP): wrong classes that come too near the right one.

    With F the scores, y the right class, h_c = margin + F(x, c) - F(x, y) for every other class c, r the
    number of classes with h_c > 0 and L(r) = 1 + 1/2 + ... + 1/r, the loss of a clip is
    L(r) / r · Σ max(0, h_c), and 0 where r is 0.

    Parameters
    ----------
    scores : (n, C) tensor
        Compatibility of each clip with each class.
    targets : (n,) int64 tensor
        The right class of each.
    margin : float, default 1.0
        By which the right class is to lead.
    sampled : bool, default False
        Estimate the rank as the original does, for very many classes: other classes are drawn, uniformly
        and with replacement, until one has h_c > 0. If it is the N-th, r ≈ ⌊(C - 1) / N⌋ and the loss is
        L(r) · h_c; after C - 1 draws without one it is 0.
    generator : torch.Generator, optional
        What draws.
    tries : (n, m) int64 tensor, optional
        The other classes to try, in order, instead of drawing them.

    Returns
    -------
    scalar tensor
        Mean over the clips, from 0. Gradients flow through the h_c; the rank counts as a constant.

    Raises
    ------
    ValueError
        For scores and targets that do not fit, fewer than two classes, or no clip.

    References
    ----------
    J. Weston, S. Bengio, N. Usunier, "WSABIE: scaling up to large vocabulary image annotation", IJCAI 2011:
    the weights and the sampled estimate. H. Xie, T. Virtanen, "Zero-shot audio classification via semantic
    embeddings", IEEE/ACM TASLP 29, 2021: in zero-shot audio classification.

    Examples
    --------
    >>> scores = torch.tensor([[0.5, 0.2, -0.9]])
    >>> round(float(warp_loss(scores, torch.tensor([0]))), 3)  # one class within the margin: h = 0.7
    0.7
    >>> round(float(warp_loss(scores, torch.tensor([1]))), 3)  # one class: h = 1.3
    1.3
    >>> round(float(warp_loss(scores, torch.tensor([2]))), 3)  # both: 1.5 / 2 · (2.4 + 2.1)
    3.375
    """
    if scores.ndim != 2 or targets.shape != scores.shape[:1] or scores.shape[1] < 2 or not len(scores):
        raise ValueError(
            f"scores have shape {tuple(scores.shape)} and targets {tuple(targets.shape)}; they must be "
            "(n, C) and (n,), with at least one clip and two classes."
        )
    own = scores.gather(1, targets[:, None])
    hinges = (margin + scores - own).scatter(1, targets[:, None], 0).clamp_min(0)
    others = scores.shape[1] - 1
    sums = harmonic_sums(others, scores)
    if not sampled:
        ranks = (hinges > 0).sum(dim=1)
        return (sums[ranks] / ranks.clamp_min(1) * hinges.sum(dim=1)).mean()
    if tries is None:
        tries = torch.randint(others, (len(scores), others), generator=generator, device=scores.device)
        tries = tries + (tries >= targets[:, None])  # past the right class
    tried = hinges.gather(1, tries)
    found = tried > 0
    first = found.to(torch.uint8).argmax(dim=1)
    ranks = torch.div(others, first + 1, rounding_mode="floor").clamp_min(1)
    return (sums[ranks] * tried.gather(1, first[:, None]).squeeze(1)).mean()


def harmonic_sums(largest: int, like: torch.Tensor) -> torch.Tensor:
    """Return L(0), L(1), ..., L(largest): L(r) = 1 + 1/2 + ... + 1/r, of the type and device of `like`."""
    terms = 1 / torch.arange(1, largest + 1, dtype=torch.float64)
    return torch.cat([torch.zeros(1, dtype=torch.float64), terms.cumsum(0)]).to(like)
