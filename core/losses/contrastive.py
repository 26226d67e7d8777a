"""Losses between the embeddings of sounds and of texts that belong together."""

from __future__ import annotations

import torch


def clip_loss(
    audio: torch.Tensor, text: torch.Tensor, *, scale: torch.Tensor | float, clamp: float = 100.0
) -> torch.Tensor:
    """CLIP loss: each sound is to find its own text among those of the batch, and each text its sound.

    With C = scale · E_a E_tᵀ, limited to [-clamp, clamp], the mean of the cross-entropy of its rows and that
    of its columns, pair i being right for both.

    Parameters
    ----------
    audio, text : (n, D) tensors
        Embeddings of unit length; row i of one belongs to row i of the other.
    scale : scalar tensor or float
        1 / τ, one over the temperature.
    clamp : float, default 100.0
        Beyond which values of C are cut off, and pass no gradient.

    Returns
    -------
    scalar tensor
        In nats; log n for embeddings that are all alike.

    Raises
    ------
    ValueError
        For embeddings that do not fit, fewer than two pairs, or a clamp that is not above 0.

    References
    ----------
    A. Radford et al., "Learning transferable visual models from natural language supervision", ICML 2021.
    T. F. Tavares et al., "On class separability pitfalls in audio-text contrastive zero-shot learning",
    section 2.1 (g): the limit.

    Examples
    --------
    >>> round(float(clip_loss(torch.eye(2), torch.eye(2), scale=1.0)), 4)  # log(1 + 1/e)
    0.3133
    """
    similarities = _similarities(audio, text, scale, clamp)
    own = torch.arange(len(similarities), device=similarities.device)
    rows = torch.nn.functional.cross_entropy(similarities, own)
    return (rows + torch.nn.functional.cross_entropy(similarities.T, own)) / 2


def soft_clip_loss(
    audio: torch.Tensor,
    text: torch.Tensor,
    targets: torch.Tensor,
    *,
    scale: torch.Tensor | float,
    clamp: float = 100.0,
) -> torch.Tensor:
    """CLIP loss for pairs that fit more or less, and for sounds that fit several texts.

    Rows of `targets`, brought to sum 1, are what each sound's distribution over the texts should be, columns
    what each text's over the sounds; the loss is the mean of both cross-entropies. With the identity it is
    `clip_loss`.

    Parameters
    ----------
    audio, text : (n, D) tensors
        Embeddings of unit length.
    targets : (n, n) tensor
        How well sound i (row) and text j (column) fit, from 0, as weights of any scale.
    scale, clamp
        As in `clip_loss`.

    Returns
    -------
    scalar tensor
        In nats. Its least value is the mean entropy of the targets.

    Raises
    ------
    ValueError
        For what `clip_loss` refuses, targets of another shape, negative or not finite, or a sound or a text
        that fits nothing.

    Examples
    --------
    >>> alike = torch.ones(2, 2)
    >>> round(float(soft_clip_loss(torch.eye(2), torch.eye(2), alike, scale=1.0)), 4)
    0.8133
    """
    similarities = _similarities(audio, text, scale, clamp)
    if targets.shape != similarities.shape:
        raise ValueError(
            f"targets have shape {tuple(targets.shape)}; for {len(audio)} pairs they must be "
            f"{tuple(similarities.shape)}."
        )
    if not bool((torch.isfinite(targets) & (targets >= 0)).all()):
        raise ValueError("targets hold values that are negative or not finite; they must be weights from 0.")
    targets = targets.to(similarities)
    losses = []
    for values, weights, what in ((similarities, targets, "sound"), (similarities.T, targets.T, "text")):
        sums = weights.sum(dim=1, keepdim=True)
        if not bool((sums > 0).all()):
            raise ValueError(
                f"targets of {what} {int((sums <= 0).to(torch.uint8).argmax())} are all 0; leave it out."
            )
        losses.append(-(weights / sums * values.log_softmax(dim=1)).sum(dim=1).mean())
    return (losses[0] + losses[1]) / 2


def kl_clip_loss(
    audio: torch.Tensor,
    text: torch.Tensor,
    by_audio: torch.Tensor,
    by_text: torch.Tensor,
    *,
    scale: torch.Tensor | float,
    clamp: float = 100.0,
) -> torch.Tensor:
    """Soft-labelled contrastive loss of the released curation code: divergence of the model from its targets.

    With C = scale · E_a E_tᵀ, P the softmax of its rows and Q that of its columns, the mean of
    Σ_ij A_ij (log A_ij - log P_ij) / n and Σ_ij T_ij (log T_ij - log Q_ji) / n, where A and T are the targets
    as they are, not brought to sum 1: a sound that is like many of its batch counts more. With identities
    for targets it is `clip_loss`.

    Parameters
    ----------
    audio, text : (n, D) tensors
        Embeddings of unit length.
    by_audio, by_text : (n, n) tensors
        A and T, as `core.curation.released_targets` gives them. Values that are not above 0 count as 0: the
        released code does so by the version of torch that it asks for (1.10); newer ones would give NaN.
    scale : scalar tensor or float
        As in `clip_loss`.
    clamp : float, default 100.0
        Beyond which values of C are cut off, above alone.

    Returns
    -------
    scalar tensor
        In nats; below 0 where rows sum to less than 1.

    Raises
    ------
    ValueError
        For what `clip_loss` refuses, or targets of another shape or not finite.

    References
    ----------
    Z. Wang et al., "Unsupervised improvement of audio-text cross-modal representations", WASPAA 2023, and the
    code that its authors released (zhepeiw/clap_curation, ``SoftCLAPLoss``).

    Examples
    --------
    >>> unit, alike = torch.eye(2), torch.tensor([[1.0, 0.3], [0.3, 1.0]])
    >>> round(float(kl_clip_loss(unit, unit, alike, alike, scale=1.0)), 4)
    0.346
    """
    similarities = _similarities(audio, text, scale, clamp, low=-float("inf"))
    losses = []
    for values, targets in ((similarities, by_audio), (similarities.T, by_text)):
        if targets.shape != values.shape or not bool(torch.isfinite(targets).all()):
            raise ValueError(
                f"targets have shape {tuple(targets.shape)}; for {len(audio)} pairs they must be "
                f"{tuple(values.shape)}, all of them finite."
            )
        weights = targets.to(values).clamp_min(0)
        each = torch.xlogy(weights, weights) - weights * values.log_softmax(dim=1)
        losses.append(each.sum() / len(audio))
    return (losses[0] + losses[1]) / 2


def _similarities(
    audio: torch.Tensor,
    text: torch.Tensor,
    scale: torch.Tensor | float,
    clamp: float,
    *,
    low: float | None = None,
) -> torch.Tensor:
    if audio.ndim != 2 or audio.shape != text.shape or len(audio) < 2:
        raise ValueError(
            f"audio has shape {tuple(audio.shape)} and text {tuple(text.shape)}; both must be (n, D), with "
            "two pairs or more."
        )
    if not clamp > 0:
        raise ValueError(f"clamp is {clamp}; it must be above 0.")
    return (scale * (audio @ text.T)).clamp(-clamp if low is None else low, clamp)
