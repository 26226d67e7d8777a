"""One contrastive model: its classes, what it confuses, how it learned."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dashboard.kit import confusion_numbers as confusion
from dashboard.kit.confusion_figures import ByClass
from dashboard.kit.confusion_numbers import Judged
from dashboard.kit.learning_figures import Curves
from dashboard.leakage import curves as leakage_curves
from dashboard.leakage.data import Result
from dashboard.memory import once


def judged(found: Result, model: str) -> Judged:
    """Return what one model, by its name, took the test clips for."""

    def read() -> Judged:
        return Judged(found.tests, found.array("confusion")[found.number(model)].astype(np.int64))

    return once(("contrastive-model", found.spec.key, model), read)


def row(found: Result, model: str) -> pd.Series:
    """Return the row of a model in the table of models."""
    return found.models[found.models["name"] == model].iloc[0]


def by_class(found: Result, model: str) -> ByClass:
    """Return the accuracy of each class by one model, and by the others, the best class first."""
    others = [n for n in found.good["name"].astype(str) if n != model]
    rest = {name: judged(found, name).accuracy[:, 0] for name in others}
    return confusion.by_class(judged(found, model), rest)


def predictions(found: Result, model: str) -> pd.DataFrame:
    """Return what a model took each test clip for."""
    return found.predictions[found.predictions["model"] == found.number(model)]


def curves(found: Result, model: str) -> Curves:
    """Return the learning curves of a model."""
    every = leakage_curves.models(found)
    return Curves([model], every.values[[found.number(model)]], every.columns)
