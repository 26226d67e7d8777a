"""Trainings on curated pairs as the page shows them: what can be asked for, and what they came to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.recipes import settings
from dashboard import grids as listed
from dashboard import results
from dashboard.kit import numbers
from dashboard.leakage import data as leakage
from dashboard.memory import once
from jobs import contrastive_presets as contrastive
from jobs import encoders
from jobs.specs import CURATIONS, CuratedTraining, EmbedAudio
from jobs.specs.curation import Result as Stored
from jobs.workspace.workspace import Dataset, Workspace

#: How pairs are chosen, by the name in the spec.
METHODS = dict(zip(CURATIONS, settings(CuratedTraining)["method"].names, strict=True))
#: Kinds of targets, and the model before training.
TARGETS = {
    "uncurated": "uncurated model",
    "hard": "hard targets",
    "released": "soft, as released",
    "softmax": "soft, softmax",
}

Comparison = listed.Grid[CuratedTraining]


@dataclass(frozen=True)
class Result:
    """What a comparison came to; tables are as `CuratedTraining` says."""

    spec: CuratedTraining
    models: pd.DataFrame
    accuracies: pd.DataFrame
    differences: pd.DataFrame
    pairs: pd.DataFrame
    stored: Stored

    @property
    def names(self) -> list[str]:
        """Of the rows of `accuracies`."""
        return [TARGETS[name] for name in self.accuracies["targets"]]

    @property
    def pairings(self) -> list[str]:
        """Of the rows of `differences`, each of which is there over seeds and over clips."""
        d = self.differences[self.differences["over"] == "seeds"]
        return [f"{TARGETS[a]}<br>− {TARGETS[b]}" for a, b in zip(d["a"], d["b"], strict=True)]

    @property
    def each(self) -> list[np.ndarray]:
        """The accuracies of the single trainings, of each row of `accuracies`."""
        m = self.models.dropna(subset="accuracy")
        return [m["accuracy"][m["targets"] == t].to_numpy(float) for t in self.accuracies["targets"]]


def models(shown: Workspace, dataset: Dataset, grids: list[leakage.Grid]) -> dict[str, EmbedAudio]:
    """Return the models of two towers that can curate, by name: those trained here, then encoders.

    Of a grid the model without leaks comes first.
    """
    found: dict[str, EmbedAudio] = {}
    for grid in grids:
        if grid.state == "done":
            good = leakage.result(grid.spec).good["name"].astype(str).tolist()
            good.sort(key=lambda name: name != "clean/clean")  # the one without leaks first
            own = [s for s in contrastive.spaces_of(grid.spec, good) if s.run.startswith("Ea_")]
            found |= {space.encoder: space for space in own}
    for space in shown.spaces(dataset):
        if space.state == "done" and space.spec.source is None and _embeds_text(space.encoder):
            found[space.encoder] = space.spec
    return found


def _embeds_text(encoder: str) -> bool:
    try:
        return "text" in encoders.get(encoder)[0].MODALITIES
    except encoders.UnknownEncoder:
        return False


def comparisons(shown: Workspace, dataset: Dataset) -> list[Comparison]:
    """Return the comparisons of a dataset: those that are there, the newest first, then those asked for."""

    def mine(spec: CuratedTraining) -> bool:
        same = spec.dataset.fingerprint == dataset.fingerprint
        return same and spec.labels == dataset.labels_fingerprint

    return listed.find(shown, (CuratedTraining,), mine)


def named(c: Comparison) -> str:
    """Name a comparison for people."""
    spec = c.spec
    words = [spec.embedding.encoder, METHODS[spec.method], *_limits(spec)]
    words += ["clean captions"] * (spec.training == "clean") + [numbers.count(spec.n_seeds, "seed")]
    return " · ".join(words + [c.state] * (c.state != "done"))


def _limits(spec: CuratedTraining) -> list[str]:
    found = [f"{spec.k} a clip"] if spec.method.startswith("nearest") else []
    found += [f"to a class ≥ {spec.domain_threshold:g}"] if spec.method in ("specific", "augmented") else []
    return found + ([] if spec.threshold is None else [f"to the clip ≥ {spec.threshold:g}"])


def chosen(found: Result) -> str:
    """Say how the pairs of a result were chosen."""
    spec = found.spec
    domain = f"captions of cosine ≥ {spec.domain_threshold:g} to a test class"
    near = f"texts of cosine ≥ {spec.threshold or 0:g} to it"
    nearest = f"every training clip got the {numbers.count(spec.k, 'caption')} nearest to it"
    said = {
        "nearest": nearest,
        "nearest-specific": f"{nearest}, of those that have a word of a test class or are among the "
        f"{spec.share:.0%} nearest to one",
        "unspecific": f"every training clip got all {near}, as released",
        "specific": f"given pairs were kept that have {domain}, as released",
        "augmented": f"of the {domain}, every training clip got all {near}, as released",
    }
    return said[spec.method]


def result(spec: CuratedTraining) -> Result:
    """Return what a comparison came to."""

    def read() -> Result:
        stored = results.result(spec)
        models, accuracies = stored.models.to_pandas(), stored.accuracies.to_pandas()
        return Result(
            spec, models, accuracies, stored.differences.to_pandas(), stored.pairs.to_pandas(), stored
        )

    return once(("curated", spec.key), read)


def accuracies_table(found: Result) -> pd.DataFrame:
    """Return the mean of each kind of target, then every training."""
    single = found.models.rename(columns={"accuracy": "mean"}).assign(n=found.stored.n_test, over="clips")
    columns = ["targets", "seed", "mean", "low", "high", "n", "over"]
    frame = pd.concat([found.accuracies, single], ignore_index=True).reindex(columns=columns)
    return frame.assign(chance=found.stored.chance)
