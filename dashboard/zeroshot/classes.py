"""Classes that zero-shot models were asked about: how well each is recognised, and what goes with that."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from core import statistics
from core.splits import class_similarity
from core.statistics import Correlation
from dashboard import data
from dashboard.data import Clips
from dashboard.data import workspace as shown_workspace
from dashboard.kit.table import csv
from dashboard.memory import once
from dashboard.results import result, rows_of
from dashboard.zeroshot.data import Result
from jobs.presets import of_several_classes
from jobs.specs import EmbedAudio

#: Properties of a class that may say how well it is recognised; links say the same words.
PROPERTIES = {
    "similarity": "mean similarity to the training classes",
    "nearest": "similarity to the nearest training class",
    "silhouette": "silhouette of the class",
    "text": "mean similarity of its text to those of the training classes",
    "nearest-text": "similarity of its text to the nearest of these",
}


@dataclass(frozen=True)
class Property:
    """A property of classes beside their accuracy."""

    name: str
    values: np.ndarray
    pearson: Correlation | None
    spearman: Correlation | None
    #: Of the p of Pearson's r, corrected for the number of properties.
    adjusted: float


@dataclass(frozen=True)
class ByClass:
    """The classes that were tested: mean accuracy over the models that were asked about them."""

    names: list[str]
    accuracy: np.ndarray
    asked: np.ndarray
    properties: list[Property]
    #: Whether the embedded texts are there; they can have been cleared away since the models were trained.
    told: bool = True

    @property
    def best(self) -> Property | None:
        """The property that goes with accuracy most strongly, in either direction; None where none can."""
        there = [p for p in self.properties if p.pearson is not None and np.isfinite(p.pearson.r)]
        return max(there, key=lambda p: abs(p.pearson.r) if p.pearson else 0.0, default=None)


def by_class(found: Result, c: Clips) -> ByClass:
    """Return how well each class is recognised over all models, and what goes with that."""
    told = shown_workspace().cache.contains(found.spec.text.key)

    def compute() -> ByClass:
        tested = found.classes[(found.classes["part"] == "test") & found.classes["accuracy"].notna()]
        index = {name: i for i, name in enumerate(found.names)}
        trained = np.zeros((len(found.curves), len(index)), bool)
        of_training = found.classes[found.classes["part"] == "train"]
        trained[of_training["model"], of_training["label"].map(index)] = True
        rows = tested["label"].map(index).to_numpy(np.int64)
        which = tested["model"].to_numpy(np.int64)
        each: dict[str, np.ndarray] = {"accuracy": tested["accuracy"].to_numpy(float)}
        each["similarity"], each["nearest"] = _to_training(found.similarity, rows, trained[which])
        words = _text_similarity(found) if told else np.full(found.similarity.shape, np.nan)
        each["text"], each["nearest-text"] = _to_training(words, rows, trained[which])
        mean = pd.DataFrame(each).groupby(tested["label"].to_numpy()).mean()
        asked = tested.groupby("label").size().reindex(mean.index)
        silhouettes = _silhouettes(found.spec.embedding, c)
        mean["silhouette"] = [silhouettes.get(name, float("nan")) for name in mean.index]
        y = mean["accuracy"].to_numpy(float)
        pairs = []
        for name in PROPERTIES:
            x = mean[name].to_numpy(float)
            ok = np.isfinite(x)
            there = ok.sum() > 2
            pairs.append(
                (
                    name,
                    x,
                    statistics.pearson(x[ok], y[ok]) if there else None,
                    statistics.spearman(x[ok], y[ok]) if there else None,
                )
            )
        adjusted = statistics.holm([float("nan") if r is None else r.p for _, _, r, _ in pairs])
        return ByClass(
            [str(n) for n in mean.index],
            y,
            asked.to_numpy(np.int64),
            [Property(n, x, r, s, float(p)) for (n, x, r, s), p in zip(pairs, adjusted, strict=True)],
            told,
        )

    return once(("zero-shot-classes", found.spec.key, c.key, told), compute)


def _to_training(
    similarity: np.ndarray, rows: np.ndarray, trained: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and largest similarity of each class to the training classes of its model, (n,) each."""
    values = np.where(trained, similarity[rows], np.nan)
    none = ~np.isfinite(values).any(axis=1)
    values[none] = 0.0
    mean, nearest = np.nanmean(values, axis=1), np.nanmax(values, axis=1)
    mean[none] = nearest[none] = np.nan
    return mean, nearest


def _text_similarity(found: Result) -> np.ndarray:
    """Cosine similarity of the texts of every two classes, (C, C); NaN where a class has none."""
    texts = result(found.spec.text)
    vectors = texts.embeddings.astype(float)
    row = {id: i for i, id in enumerate(texts.ids)}
    at = np.array([row.get(name, -1) for name in found.names])
    words = np.full((len(at), len(at)), np.nan)
    there = np.flatnonzero(at >= 0)
    if len(there):
        words[np.ix_(there, there)] = class_similarity(vectors[at[there]])
    return words


def _silhouettes(embedding: EmbedAudio, c: Clips) -> dict[str, float]:
    """Mean cosine silhouette of the clips of each class."""

    def compute() -> dict[str, float]:
        from core.separability import silhouette_samples

        rows = rows_of(embedding, c)
        X = np.asarray(result(embedding).embeddings)
        labels = np.where(rows >= 0, data.class_of_each(c)[rows], "").astype(str)
        # As training does: a clip of several classes says nothing of one.
        labels[of_several_classes(c.frame)[rows]] = ""
        ok = (labels != "") & np.isfinite(X).all(axis=1)
        if len(set(labels[ok])) < 2:
            return {}
        found = pd.Series(silhouette_samples(X[ok], labels[ok])).groupby(labels[ok]).mean()
        return {str(name): float(value) for name, value in found.items()}

    return once(("class-silhouettes", embedding.key, c.key), compute)


def against_property(shown: ByClass, name: str) -> tuple[ByClass, np.ndarray]:
    """Return the classes that have a property, and its values, (c,)."""
    values = next(p.values for p in shown.properties if p.name == name)
    ok = np.isfinite(values)
    kept = [n for n, there in zip(shown.names, ok, strict=True) if there]
    return ByClass(kept, shown.accuracy[ok], shown.asked[ok], []), values[ok]


def by_class_table(shown: ByClass) -> bytes:
    """Return the classes with their properties as CSV."""
    frame = pd.DataFrame({"class": shown.names, "accuracy": shown.accuracy, "accuracies": shown.asked})
    for p in shown.properties:
        frame[p.name.replace("-", "_")] = p.values
    return csv(frame)
