"""Spaces that a training here made: ``trained:NAME``, each a part of the training's own result.

The name is for people. What the space is says the spec: which training, and which part of its result. That
result holds ``clips.parquet`` (``clip_id``) and, in its order, ``audio_<part>.npy``, and for texts
``texts.parquet`` (``id``, ``text``) and ``text_<part>.npy``. The space is copied from there, so that it is an
artifact like that of any encoder and outlives the training's.
"""

from __future__ import annotations

import re
from typing import Any

NAME = "trained"
VERSION = 1
MODALITIES = frozenset({"audio", "text"})
TAKES_ARGUMENT = True
DESCRIPTION = "Spaces that were trained here, as the pages Losses and Leakage lab make them."
REFERENCE = "As of the training."


def encoder_name(name: str, key: str) -> str:
    """Return the encoder of a trained space: what it is called, and the training by the start of its key.

    >>> encoder_name("ADD, all four", "0123456789abcdef")
    'trained:add-all-four@012345'
    """
    plain = re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.")
    return f"{NAME}:{plain or 'space'}@{key[:6]}"


def identity_of(key: str, run: str) -> str:
    """Return ``EmbedAudio.identity`` of a part of a training."""
    return f"{NAME}/{VERSION}:{key}/{run}"


def identity(argument: str | None) -> str:
    """Raise `UnknownEncoder`: a trained space is asked for together with its training."""
    from jobs.encoders import UnknownEncoder

    raise UnknownEncoder(
        f"{NAME}:{argument} was trained here on the clips of one dataset, and nothing embeds others like "
        "them; choose a space of that dataset, or another encoder."
    )


def available() -> str | None:
    """Return None: nothing is needed."""
    return None


def load(argument: str | None, *, modality: str, device: str) -> Any:
    """Raise `UnknownEncoder`: there is no model to load."""
    return identity(argument)
