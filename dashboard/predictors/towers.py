"""Zero-shot classification by models that embed sounds and texts: specs and results."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from dashboard import results
from dashboard.kit.confusion_numbers import Judged
from dashboard.memory import once
from dashboard.predictors.board import Board, own_texts
from jobs import contrastive_presets as contrastive
from jobs import encoders
from jobs.specs import EmbedAudio, SpecError, ZeroShotClassification
from jobs.tasks.zero_shot_classification import Result as Stored

#: Separator of prompts in a link and in the field.
BETWEEN = " | "


@dataclass(frozen=True)
class Classified:
    """A classification: its result, with what the confusion explorer needs."""

    spec: ZeroShotClassification
    result: Stored
    judged: Judged
    predictions: pd.DataFrame


def candidates(b: Board) -> dict[str, EmbedAudio]:
    """Return the spaces of models that embed texts as well, by name."""
    return {name: spec for name, spec in b.spaces.items() if _has_texts(b, spec)}


def _has_texts(b: Board, spec: EmbedAudio) -> bool:
    if spec.source is not None:
        return spec.run.startswith("Ea_") and own_texts(b, spec) is not None
    try:
        return "text" in encoders.get(spec.encoder)[0].MODALITIES
    except encoders.UnknownEncoder:
        return False


def prompts_in(text: str) -> tuple[str, ...]:
    """Return the prompts in a field.

    Raises
    ------
    SpecError
        For no prompt, or one that does not hold {} once.

    Examples
    --------
    >>> prompts_in("{} | the sound of {}")
    ('{}', 'the sound of {}')
    """
    prompts = tuple(dict.fromkeys(part.strip() for part in text.split(BETWEEN.strip()) if part.strip()))
    wrong = [prompt for prompt in prompts if prompt.count("{}") != 1]
    if wrong or not prompts:
        raise SpecError(
            f"A prompt is {wrong[0] if wrong else ''!r}; it must hold {{}} once, where the class name goes."
        )
    return prompts


def asked(b: Board, space: str, prompts: tuple[str, ...]) -> ZeroShotClassification:
    """Return the classification of a space by texts of its own model.

    One that was trained here has the prompts of its training. Raises what `contrastive.classification` does.
    """
    spec = b.spaces[space]
    if spec.source is None:
        return contrastive.classification(b.dataset, spec.encoder, prompts=prompts)
    texts = own_texts(b, spec)
    assert texts is not None
    return ZeroShotClassification(embedding=spec, texts=(texts,), labels=b.dataset.labels_fingerprint)


def result(spec: ZeroShotClassification) -> Classified:
    """Return the result of a classification."""

    def read() -> Classified:
        stored = results.result(spec)
        judged = Judged(stored.column("classes", "label"), np.asarray(stored.confusion, np.int64))
        return Classified(spec, stored, judged, stored.predictions.to_pandas())

    return once(("towers", spec.key), read)
