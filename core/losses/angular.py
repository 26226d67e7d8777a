"""Losses on the angles between embeddings: ADD, for hard and soft labels, and orthogonal projection.

All work on the last dimensions of what they are given, so that any number of batches, each of a model of its
own, can go through at once. d is the cosine distance, 1 - cos; a zero vector has the cosine 0 with anything,
and no gradient. The mean of an empty set of pairs counts as 0; so does the deviation of fewer than two values
or of equal ones, with the gradient 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from core.heads.recipe import VARIANTS


def add_loss(
    z: torch.Tensor,
    y: torch.Tensor,
    *,
    weights: Sequence[float] | torch.Tensor = (1, 1, 1, 1),
    variant: str = "paper",
    mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """Angular distance distribution loss (ADD): classes that are tight, apart, and evenly so.

    With D_p = {d(z_i, z_j)² : y_i = y_j, i ≠ j}, D_n = {(1 - d(z_i, z_j))² : y_i ≠ y_j}, μ the mean of a set
    and σ = √(Σ(k - μ)² / (|D| - 1)), the loss is λ_μp·μ_p + λ_σp·σ_p + λ_μn·μ_n + λ_σn·σ_n.

    Parameters
    ----------
    z : (n, d) or (..., n, d) tensor
        Embeddings, of any length: only their directions count.
    y : (n,) or (..., n) tensor of integers
        The class of each.
    weights : 4 numbers, or (..., 4) tensor
        λ of μ_p, σ_p, μ_n, σ_n, in this order.
    variant : {"paper", "released"}
        The authors' released code squares the means and not the distances: with μ and σ those of d itself,
        λ_μp·μ_p² + λ_σp·σ_p + λ_μn·(1 - μ_n)² + λ_σn·σ_n.
    mask : (n,) or (..., n) tensor of bool, optional
        False for rows that are padding and count for nothing.

    Returns
    -------
    scalar or (...) tensor
        From 0; in each term, lower is better.

    Raises
    ------
    ValueError
        For labels that are soft or do not fit, weights that are not four, or another variant.

    Notes
    -----
    The pairs are ordered, as the paper writes them: (i, j) and (j, i) are both in D. Over unordered pairs the
    means are the same, and σ differs only in |D| - 1.

    References
    ----------
    A. Almudévar, R. Serizel, A. Ortega, "Angular distance distribution loss for audio classification",
    2024, equations 1 to 5.

    Examples
    --------
    >>> z, y = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]), torch.tensor([0, 0, 1])
    >>> [round(float(add_loss(z, y, weights=w)), 4) for w in torch.eye(4)]
    [0.0858, 0.0, 0.25, 0.2887]
    """
    _check_variant(variant)
    _check_hard(z, y, "the ADD loss of hard labels", "use add_loss_soft")
    return (add_terms(z, y, variant=variant, mask=mask) * _as_weights(weights, 4, z)).sum(-1)


def add_loss_soft(
    z: torch.Tensor,
    y: torch.Tensor,
    *,
    weights: Sequence[float] | torch.Tensor = (1, 1),
    variant: str = "paper",
    same: float = 1e-3,
    mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """ADD for soft labels: distances between embeddings that follow those between the labels.

    The loss is λ_μ·μ + λ_σp·σ_p, where μ is the mean of (d(y_i, y_j) - d(z_i, z_j))² over all pairs i ≠ j,
    and σ_p the deviation of d(z_i, z_j)² over those whose labels are as good as equal.

    Parameters
    ----------
    z : (n, d) or (..., n, d) tensor
        Embeddings, of any length.
    y : (n, C) or (..., n, C) tensor of floats
        Shares of the classes, at least 0; one-hot rows for hard labels. They are brought to unit L2 length,
        so that the distance of different classes is 1.
    weights : 2 numbers, or (..., 2) tensor
        λ_μ and λ_σp.
    variant : {"paper", "released"}
        The authors' released code takes the mean over all n² pairs, the n of a clip with itself (which are 0)
        included, and leaves σ_p out, whatever its weight.
    same : float, default 1e-3
        Labels nearer than this are of the same class.
    mask : (n,) or (..., n) tensor of bool, optional
        False for rows that are padding.

    Returns
    -------
    scalar or (...) tensor
        From 0.

    Raises
    ------
    ValueError
        For labels that are hard or do not fit, weights that are not two, or another variant.

    References
    ----------
    As `add_loss`, equations 7 and 8.

    Examples
    --------
    >>> z = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> round(float(add_loss_soft(z, torch.tensor([[1.0, 0.0], [0.5, 0.5]]))), 4)  # (0.2929 - 1)²
    0.5
    """
    _check_variant(variant)
    if y.ndim != z.ndim or y.shape[:-1] != z.shape[:-1] or not y.is_floating_point():
        raise ValueError(
            f"y has shape {tuple(y.shape)} and z {tuple(z.shape)}; the ADD loss of soft labels takes a "
            "row of shares for each embedding: for hard labels use add_loss, or one-hot rows."
        )
    terms = add_soft_terms(z, y, variant=variant, same=same, mask=mask)
    return (terms * _as_weights(weights, 2, z)).sum(-1)


def orthogonal_projection_loss(
    z: torch.Tensor,
    y: torch.Tensor,
    *,
    gamma: float = 0.5,
    variant: str = "paper",
    mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """Orthogonal projection loss (OPL): one direction a class, at right angles to those of others.

    With s the mean cosine over pairs of one class and c that over pairs of different classes, the loss is
    (1 - s) + γ·|c|.

    Parameters
    ----------
    z : (n, d) or (..., n, d) tensor
        Embeddings, of any length.
    y : (n,) or (..., n) tensor of integers
        The class of each.
    gamma : float, default 0.5
        Weight of the second term.
    variant : {"paper", "released"}
        In the code that the authors of OPL trained with (CIFAR-100, ImageNet, few-shot), and in the code
        released with the ADD loss, c is the mean of |cos|: cosines of both signs do not cancel.
    mask : (n,) or (..., n) tensor of bool, optional
        False for rows that are padding.

    Returns
    -------
    scalar or (...) tensor
        From 0. Without a pair of one class the first term is 0, without one of different classes the second.

    Raises
    ------
    ValueError
        For labels that are soft or do not fit, or another variant.

    References
    ----------
    K. Ranasinghe, M. Naseer, M. Hayat, S. Khan, F. S. Khan, "Orthogonal projection loss", ICCV 2021.

    Examples
    --------
    >>> z, y = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]), torch.tensor([0, 0, 1])
    >>> round(float(orthogonal_projection_loss(z, y)), 4)  # (1 - 0.7071) + 0.5 · 0.3536
    0.4697
    """
    _check_variant(variant)
    _check_hard(z, y, "the orthogonal projection loss", "use add_loss_soft or cross_entropy")
    cosine, pairs = _cosines(z, mask)
    same = y.unsqueeze(-1) == y.unsqueeze(-2)
    within, between = (pairs & same).to(z.dtype), (pairs & ~same).to(z.dtype)
    n_within = within.sum((-2, -1))
    s = (cosine * within).sum((-2, -1)) / n_within.clamp_min(1)
    others = cosine.abs() if variant == "released" else cosine
    c = (others * between).sum((-2, -1)) / between.sum((-2, -1)).clamp_min(1)
    return (n_within > 0) * (1 - s) + gamma * c.abs()


def add_terms(
    z: torch.Tensor, y: torch.Tensor, *, variant: str = "paper", mask: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the four terms of `add_loss` before they are weighted, (..., 4)."""
    cosine, pairs = _cosines(z, mask)
    same = y.unsqueeze(-1) == y.unsqueeze(-2)
    chosen = torch.stack([pairs & same, pairs & ~same], -3)
    distance = 1 - cosine
    if variant == "released":
        mean, deviation, exist = _moments(torch.stack([distance, distance], -3), chosen)
        aim = torch.tensor([0.0, 1.0], dtype=z.dtype, device=z.device)
        mean = exist * (mean - aim) ** 2
    else:
        mean, deviation, _ = _moments(torch.stack([distance**2, cosine**2], -3), chosen)
    return torch.stack([mean, deviation], -1).flatten(-2)


def add_soft_terms(
    z: torch.Tensor,
    y: torch.Tensor,
    *,
    variant: str = "paper",
    same: float = 1e-3,
    mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the two terms of `add_loss_soft` before they are weighted, (..., 2)."""
    cosine, pairs = _cosines(z, mask)
    likeness, _ = _cosines(y, mask)
    off = (cosine - likeness) ** 2  # (1 - likeness) - (1 - cosine), squared
    if variant == "released":
        n = z.shape[-2] if mask is None else mask.sum(-1).clamp_min(1)
        mean = (off * pairs).sum((-2, -1)) / n**2
        return torch.stack([mean, torch.zeros_like(mean)], -1)
    mean = (off * pairs).sum((-2, -1)) / pairs.sum((-2, -1)).clamp_min(1)
    _, deviation, _ = _moments((1 - cosine) ** 2, pairs & (1 - likeness < same))
    return torch.stack([mean, deviation], -1)


def _cosines(z: torch.Tensor, mask: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the cosines (..., n, n), and which pairs count: without padding, and of two different clips."""
    if mask is not None:
        z = torch.where(mask.unsqueeze(-1), z, 0)
    # Directions do not change by a factor, and with this one no square overflows or vanishes.
    size = z.detach().abs().amax(-1, keepdim=True)
    empty = size == 0
    z = z / size.masked_fill(empty, 1)
    length = (z * z).sum(-1, keepdim=True).masked_fill(empty, 1).sqrt()
    unit = (z / length).masked_fill(empty, 0)
    n = z.shape[-2]
    pairs = ~torch.eye(n, dtype=torch.bool, device=z.device)
    if mask is not None:
        pairs = pairs & mask.unsqueeze(-1) & mask.unsqueeze(-2)
    return unit @ unit.transpose(-2, -1), pairs.expand(*z.shape[:-2], n, n)


def _moments(values: torch.Tensor, chosen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return mean and standard deviation of the chosen values of each matrix, and whether any are chosen."""
    weight = chosen.to(values.dtype)
    n = weight.sum((-2, -1))
    mean = (values * weight).sum((-2, -1)) / n.clamp_min(1)
    squares = ((values - mean[..., None, None]) ** 2 * weight).sum((-2, -1))
    variance = squares / (n - 1).clamp_min(1)
    # The root of 0 has no gradient that could be used; what is no spread is left as it is.
    spread = variance > 0
    return mean, torch.where(spread, torch.where(spread, variance, 1).sqrt(), 0), n > 0


def _check_variant(variant: str) -> None:
    if variant not in VARIANTS:
        raise ValueError(f"variant is {variant!r}; it must be {' or '.join(map(repr, VARIANTS))}.")


def _check_hard(z: torch.Tensor, y: torch.Tensor, what: str, instead: str) -> None:
    if y.shape != z.shape[:-1] or y.is_floating_point():
        raise ValueError(
            f"y has shape {tuple(y.shape)} and type {y.dtype}, z has shape {tuple(z.shape)}; {what} takes "
            f"one class, a whole number, for each row: for soft labels {instead}."
        )


def _as_weights(weights: Sequence[float] | torch.Tensor, n: int, z: torch.Tensor) -> torch.Tensor:
    given = torch.as_tensor(weights, dtype=z.dtype, device=z.device)
    if given.ndim == 0 or given.shape[-1] != n:
        raise ValueError(f"weights have shape {tuple(given.shape)}; there must be {n} of them.")
    return given
