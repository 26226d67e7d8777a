"""Zero-shot classification by models that embed sounds and texts: what can be asked for, what it came to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.statistics import intervals as statistics
from dashboard import results, tables
from dashboard.leakage.model import Judged
from dashboard.leakage.model_figures import ByClass
from dashboard.memory import once
from dashboard.predictors.board import Board, own_texts
from jobs import contrastive_presets as contrastive
from jobs import encoders
from jobs.specs import EmbedAudio, SpecError, ZeroShotClassification
from jobs.tasks.zero_shot_classification import Result as Stored

#: What stands between prompts in a link and in the field.
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
        If there is none, or one does not hold {} once.

    Examples
    --------
    >>> prompts_in("{} | the sound of {}")
    ('{}', 'the sound of {}')
    """
    found = tuple(dict.fromkeys(part.strip() for part in text.split(BETWEEN.strip()) if part.strip()))
    wrong = [prompt for prompt in found if prompt.count("{}") != 1]
    if wrong or not found:
        raise SpecError(
            f"A prompt is {wrong[0] if wrong else ''!r}; it must hold {{}} once, where the class name goes."
        )
    return found


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
    """Return what a classification came to."""

    def read() -> Classified:
        found = results.result(spec)
        counts = found.confusion.sum(axis=1)
        hits = np.diag(found.confusion).tolist()
        shares = [statistics.share_interval(h, n) for h, n in zip(hits, counts.tolist(), strict=True)]
        accuracy = np.array([(s.value, s.low, s.high) for s in shares], float).reshape(-1, 3)
        numbers_of = pd.Series({"accuracy": found.accuracy, "chance": found.chance, "n": found.n})
        judged = Judged(numbers_of, found.column("classes", "label"), counts, accuracy, found.confusion)
        return Classified(spec, found, judged, found.predictions.to_pandas())

    return once(("towers", spec.key), read)


def by_class(found: Classified) -> ByClass:
    """Return the accuracy of each class that has clips, the best first."""
    j = found.judged
    there = np.flatnonzero(j.counts > 0)
    order = there[np.lexsort((np.array(j.classes)[there], -j.accuracy[there, 0]))]
    nobody = np.empty((0, len(order)))
    return ByClass([j.classes[i] for i in order.tolist()], j.accuracy[order], j.counts[order], [], nobody)


def in_cell(found: Classified, true: str, taken: str) -> pd.DataFrame:
    """Return the clips of a class that were taken for one, those that were nearly right first."""
    p = found.predictions
    p = p[(p["label"] == true) & (p["predicted"] == taken)]
    behind = p["score"] - p["own_score"] if true != taken else -p["score"]
    return p.assign(behind=behind).sort_values(["behind", "clip_id"], kind="stable").reset_index(drop=True)


def predictions_csv(found: Classified) -> bytes:
    """Return what every clip was taken for."""
    return tables.csv(found.predictions)
