"""Spaces that a training here made: ``trained:NAME``, each a part of the training's own result.

The name is for people. The spec identifies the space by its training and the part of the result. That
result holds ``clips.parquet`` (``clip_id``) and, in its order, ``audio_<part>.npy``, and for texts
``texts.parquet`` (``id``, ``text``) and ``text_<part>.npy``. The space is copied from there, so that it is an
artifact like that of any encoder and outlives the training's.
"""

from __future__ import annotations

import re
from typing import Any

from jobs.encoders import UnknownEncoder, always_available

NAME = "trained"
VERSION = 1
MODALITIES = frozenset({"audio", "text"})
TAKES_ARGUMENT = True
DESCRIPTION = "Spaces that were trained here, as the pages Losses and Leakage lab make them."
REFERENCE = "As of the training."
available = always_available


def encoder_name(name: str, key: str) -> str:
    """Return the encoder of a trained space: its name, and the start of the training's key.

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
    raise UnknownEncoder(
        f"{NAME}:{argument} was trained here on the clips of one dataset, and nothing embeds others like "
        "them; choose a space of that dataset, or another encoder."
    )


def load(argument: str | None, *, modality: str, device: str) -> Any:
    """Raise `UnknownEncoder`: there is no model to load."""
    return identity(argument)
