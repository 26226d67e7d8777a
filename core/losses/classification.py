"""Losses of classifiers: cross-entropy and its kin, and the WARP loss."""

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
    first = (tried > 0).to(torch.uint8).argmax(dim=1)
    ranks = torch.div(others, first + 1, rounding_mode="floor").clamp_min(1)
    return (sums[ranks] * tried.gather(1, first[:, None]).squeeze(1)).mean()


def harmonic_sums(largest: int, like: torch.Tensor) -> torch.Tensor:
    """Return L(0), L(1), ..., L(largest): L(r) = 1 + 1/2 + ... + 1/r, of the type and device of `like`."""
    terms = 1 / torch.arange(1, largest + 1, dtype=torch.float64)
    return torch.cat([torch.zeros(1, dtype=torch.float64), terms.cumsum(0)]).to(like)


def cross_entropy(logits: torch.Tensor, y: torch.Tensor, *, mask: torch.Tensor | None = None) -> torch.Tensor:
    """Mean over the clips of -Σ_c y_c · log p_c, p being the softmax of the logits.

    Parameters
    ----------
    logits : (n, C) or (..., n, C) tensor
    y : (n,) or (..., n) tensor of integers, or tensor of floats of the shape of `logits`
        The right class of each, or shares of the classes.
    mask : (n,) or (..., n) tensor of bool, optional
        False for rows that are padding and count for nothing.

    Returns
    -------
    scalar or (...) tensor
        In nats; 0 where all rows are padding.

    Raises
    ------
    ValueError
        For labels that do not fit.

    Examples
    --------
    >>> logits = torch.tensor([[0.0, 0.0]])
    >>> round(float(cross_entropy(logits, torch.tensor([1]))), 4)
    0.6931
    >>> round(float(cross_entropy(logits, torch.tensor([[0.25, 0.75]]))), 4)
    0.6931
    """
    logs = logits.log_softmax(-1)
    hard = _is_hard(logits, y)
    each = logs.gather(-1, y.unsqueeze(-1)).squeeze(-1) if hard else (y * logs).sum(-1)
    return _mean_over_clips(-each, mask)


def binary_cross_entropy(
    logits: torch.Tensor, y: torch.Tensor, *, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """Mean over clips and classes of -y_c · log s_c - (1 - y_c) · log(1 - s_c), s being sigmoids of logits.

    Each class is separated from all others by itself. The code released with the ADD loss takes this in
    the place of `cross_entropy` where clips are mixed.

    Parameters
    ----------
    logits, y, mask
        As of `cross_entropy`.

    Returns
    -------
    scalar or (...) tensor
        In nats; 0 where all rows are padding.

    Raises
    ------
    ValueError
        For labels that do not fit.

    Examples
    --------
    >>> round(float(binary_cross_entropy(torch.zeros(1, 3), torch.tensor([[0.4, 0.6, 0.0]]))), 4)
    0.6931
    """
    if _is_hard(logits, y):
        y = torch.nn.functional.one_hot(y, logits.shape[-1]).to(logits)
    each = torch.nn.functional.binary_cross_entropy_with_logits(logits, y, reduction="none")
    return _mean_over_clips(each.mean(-1), mask)


def _is_hard(logits: torch.Tensor, y: torch.Tensor) -> bool:
    """Whether labels are whole numbers and not rows of shares; raises `ValueError` for what is neither."""
    hard = y.shape == logits.shape[:-1] and not y.is_floating_point()
    if not hard and (y.shape != logits.shape or not y.is_floating_point()):
        raise ValueError(
            f"y has shape {tuple(y.shape)} and type {y.dtype}, logits have shape {tuple(logits.shape)}; "
            "there must be one class, a whole number, or a row of shares for each row."
        )
    return hard


def focal_loss(
    logits: torch.Tensor, y: torch.Tensor, *, gamma: float = 2.0, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """Focal loss: cross-entropy in which clips that are right already count less.

    The mean over the clips of -(1 - p)^γ · log p, where p is the probability of the right class.

    Parameters
    ----------
    logits : (n, C) or (..., n, C) tensor
    y : (n,) or (..., n) tensor of integers
        The right class of each.
    gamma : float, default 2.0
        At least 0; with 0 this is cross-entropy.
    mask : (n,) or (..., n) tensor of bool, optional
        False for rows that are padding.

    Returns
    -------
    scalar or (...) tensor
        In nats; 0 where all rows are padding.

    Raises
    ------
    ValueError
        For labels that are soft or do not fit, or a negative gamma.

    References
    ----------
    T.-Y. Lin, P. Goyal, R. Girshick, K. He, P. Dollár, "Focal loss for dense object detection", ICCV 2017.

    Examples
    --------
    >>> logits = torch.tensor([[0.0, 0.0]])
    >>> round(float(focal_loss(logits, torch.tensor([0]))), 4)  # (1 - 0.5)² · log 2
    0.1733
    """
    if y.shape != logits.shape[:-1] or y.is_floating_point():
        raise ValueError(
            f"y has shape {tuple(y.shape)} and type {y.dtype}, logits have shape {tuple(logits.shape)}; the "
            "focal loss takes one class, a whole number, for each row: for soft labels use cross_entropy."
        )
    if not gamma >= 0:
        raise ValueError(f"gamma is {gamma}; it must be at least 0.")
    if gamma == 0:
        return cross_entropy(logits, y, mask=mask)
    logs = logits.log_softmax(-1).gather(-1, y.unsqueeze(-1)).squeeze(-1)
    # A power below 1 has no gradient at 0, where the logarithm is 0 and nothing is left to learn.
    doubt = (-torch.expm1(logs)).clamp_min(torch.finfo(logs.dtype).tiny)
    return _mean_over_clips(-(doubt**gamma) * logs, mask)


def _mean_over_clips(values: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    if mask is None:
        return values.mean(-1)
    return torch.where(mask, values, 0).sum(-1) / mask.sum(-1).clamp_min(1)
