"""Grids of zero-shot models as the page shows them: read from results, summed up through core."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from core import statistics
from core.splits import class_similarity, held_out
from core.statistics import Correlation, Interval
from dashboard import numbers, separability, tables
from dashboard.data import Clips
from dashboard.data import workspace as shown_workspace
from dashboard.figures.zeroshot import Fitted, Models
from dashboard.memory import once
from dashboard.results import rows_of
from jobs import encoders
from jobs.queue import State
from jobs.specs import EmbedAudio, EmbedText, SpecError, ZeroShotGrid, from_json
from jobs.texts import texts_fingerprint, texts_of
from jobs.workspace import Dataset, Workspace

#: The text encoder that is offered where there is no space of texts yet.
USUAL_TEXT = "minilm"
SETUPS = {"similarity": "similarity", "diversity": "diversity", "splits": "splits of one’s own"}
#: What accuracy is set against: name in the table of models to name on the page.
AGAINST = {
    "ratio": "similarity ratio",
    "train_test_similarity": "mean train-test similarity",
    "mean_similarity": "mean similarity among training classes",
}
#: The same on the axis of a figure, with unit and meaning.
AXES = {
    "ratio": "similarity ratio: share of training classes<br>that are of the test cluster",
    "train_test_similarity": "mean cosine similarity of training<br>and test classes, −1 to 1",
    "mean_similarity": "mean pairwise cosine similarity<br>of training classes, −1 to 1",
}
#: What groups of models differ in, in a word.
VARIES = {"similarity": "ratio", "diversity": "range", "splits": "split"}
#: The number that each setup varies, and what the paper's Table 1 says of it.
VARIED = {"similarity": "ratio", "diversity": "mean_similarity", "splits": "train_test_similarity"}
PAPER = {"similarity": (0.374, "< 0.001"), "diversity": (-0.434, "< 0.001")}
PERMUTATIONS = 10_000
#: Properties of a class that may say how well it is recognised.
PROPERTIES = {
    "similarity": "mean similarity to the training classes",
    "nearest": "similarity to the nearest training class",
    "silhouette": "silhouette of the class",
    "text": "mean similarity of its text to those of the training classes",
    "nearest_text": "similarity of its text to the nearest of these",
}


@dataclass(frozen=True)
class Grid:
    """A grid that is there, or asked for."""

    spec: ZeroShotGrid
    state: State

    @property
    def id(self) -> str:
        """Short name for links."""
        return self.spec.key[:12]


@dataclass(frozen=True)
class Result:
    """What a grid came to.

    Attributes
    ----------
    models : DataFrame
        A row a model and test set that was judged, with ``id``, how links name it.
    failed : DataFrame
        Those whose training failed, with ``failed``, why.
    classes : DataFrame
        Of every model and test set: ``label``, ``part``, ``accuracy``, ``n_clips``.
    curves : ndarray, shape (M, 3, E)
    names : tuple of str, length C
    similarity : ndarray, shape (C, C)
    meta : dict
    """

    spec: ZeroShotGrid
    models: pd.DataFrame
    failed: pd.DataFrame
    classes: pd.DataFrame
    curves: np.ndarray
    names: tuple[str, ...]
    similarity: np.ndarray
    meta: dict[str, Any]

    @property
    def chance(self) -> float:
        """Accuracy of guessing; NaN where it differs between test sets."""
        found = self.models["chance"].unique()
        return float(found[0]) if len(found) == 1 else float("nan")


@dataclass(frozen=True)
class Related:
    """How accuracy goes with a number: over all accuracies, and as a test that keeps to blocks.

    `n_models` models in `n_blocks` blocks were permuted; `permuted` is its p, NaN where nothing could be.
    """

    pearson: Correlation
    spearman: Correlation
    permuted: float
    n_models: int
    n_blocks: int
    line: Fitted | None


def texts(workspace: Workspace, dataset: Dataset) -> dict[str, EmbedText]:
    """Return the spaces of class texts that can be trained with, those that are there first.

    Those of the usual encoder are offered where it is installed; descriptions come before names.
    """
    found = {s.name: s.spec for s in workspace.text_spaces(dataset) if s.state == "done"}
    if encoders.get(USUAL_TEXT)[0].available() is None:
        for of in ("description", "label"):
            try:
                given = texts_of(dataset, of)
            except ValueError:
                continue
            spec = EmbedText(dataset=dataset.ref, texts=texts_fingerprint(given), encoder=USUAL_TEXT, of=of)
            found.setdefault(f"{USUAL_TEXT} · {of}s", spec)
    described = [name for name, spec in found.items() if spec.of == "description"]
    return {name: found[name] for name in [*described, *(n for n in found if n not in described)]}


def grids(workspace: Workspace, dataset: Dataset, embedding: EmbedAudio) -> list[Grid]:
    """Return the grids of a space: those that are there, the newest first, then those that are asked for."""
    found: dict[str, Grid] = {}
    for info in workspace.cache.list(type=ZeroShotGrid.__name__):
        spec = _mine(info.spec, dataset, embedding)
        if spec is not None:
            found.setdefault(spec.key, Grid(spec, "done"))
    for job in workspace.queue.jobs():
        if job.spec.get("type") == ZeroShotGrid.__name__ and job.state != "done":
            spec = _mine(job.spec, dataset, embedding)
            if spec is not None:
                found.setdefault(spec.key, Grid(spec, job.state))
    return list(found.values())


def _mine(spec: dict[str, Any], dataset: Dataset, embedding: EmbedAudio) -> ZeroShotGrid | None:
    try:
        parsed = from_json(spec)
    except SpecError:
        return None
    if not isinstance(parsed, ZeroShotGrid) or parsed.embedding.key != embedding.key:
        return None
    # What is said of the clips now is what the page shows beside it.
    return parsed if parsed.labels == dataset.labels_fingerprint else None


def result(spec: ZeroShotGrid) -> Result:
    """Return what a grid came to."""

    def read() -> Result:
        artifact = shown_workspace().cache.open(spec.key)
        models = artifact.table("models").to_pandas()
        models["id"] = models["model"].astype(str) + "-" + (models["test_set"] + 1).astype(str)
        for name in ("ratio", "low", "high"):
            models[name] = models[name].astype(float)
        good = (models["failed"] == "") & models["accuracy"].notna()
        return Result(
            spec,
            models[good].reset_index(drop=True),
            models[~good].reset_index(drop=True),
            artifact.table("classes").to_pandas(),
            np.asarray(artifact.array("curves")),
            tuple(artifact.table("names").column("label").to_pylist()),
            np.asarray(artifact.array("similarity")),
            dict(artifact.meta),
        )

    return once(("zero-shot", spec.key), read)


# -- all models -------------------------------------------------------------------------------------------


def recipe(spec: ZeroShotGrid) -> str:
    """Say how the models of a grid are trained."""
    said = [
        f"learning rate {spec.learning_rate:g}",
        f"batches of {spec.batch_size}",
        numbers.count(spec.epochs, "epoch"),
        f"margin {spec.margin:g}",
    ]
    said += ["sampled ranks"] * spec.sampled + ["standardised sounds"] * spec.standardise
    said += [f"patience {spec.patience}"] * bool(spec.patience)
    return ", ".join(said)


@dataclass(frozen=True)
class Summary:
    """All accuracies of a grid in a few numbers.

    Attributes
    ----------
    n_models, n : int
        Models, and accuracies: several a model where there are several test sets.
    mean : Interval
        Of all accuracies. The interval is over the means of blocks, whose models share test classes.
    lowest, highest : float
    above : int
        Accuracies above chance.
    """

    n_models: int
    n: int
    mean: Interval
    lowest: float
    highest: float
    above: int


def summary(found: Result) -> Summary:
    """Sum up the accuracies of a grid."""
    m = found.models
    y = m["accuracy"]
    over_blocks = statistics.mean_interval(y.groupby(m["block"]).mean().to_numpy(), low=0, high=1)
    return Summary(
        m["model"].nunique(),
        len(m),
        replace(over_blocks, value=float(y.mean())),
        float(y.min()),
        float(y.max()),
        int((y > m["chance"]).sum()),
    )


def groups(found: Result) -> tuple[list[str], np.ndarray, str]:
    """Return the groups of the box plots, the group of each accuracy, and what the groups are."""
    m = found.models
    if found.spec.setup == "similarity":
        values = sorted(m["ratio"].unique())
        at = m["ratio"].map({v: i for i, v in enumerate(values)}).to_numpy(np.int64)
        return [f"{v:g}" for v in values], at, AXES["ratio"]
    if found.spec.setup == "diversity":
        pairs = list(zip(m["low"], m["high"], strict=True))
        ends = sorted(set(pairs))
        at = np.array([ends.index(p) for p in pairs], np.int64)
        named = [f"({low:g}, {high:g}]".replace("-", "−") for low, high in ends]
        return named, at, "range of the mean cosine similarity<br>among training classes"
    numbered = m["split"].astype(int)
    order = sorted(numbered.unique())
    at = numbered.map({v: i for i, v in enumerate(order)}).to_numpy(np.int64)
    return [_split_name(found.spec, i) for i in order], at, "split"


def _split_name(spec: ZeroShotGrid, i: int) -> str:
    info = spec.parsed_splits[i].info
    how = info.get("setup")
    said = f" by {how}" if how in ("hand", "similarity", "diversity") else ""
    return f"{i + 1}{said}"


def models(found: Result) -> Models:
    """Return the models as dots, with the test cluster or the test set as their series."""
    m = found.models
    if found.spec.setup == "similarity":
        values = sorted(m["cluster"].astype(int).unique())
        series = m["cluster"].astype(int).map({v: i for i, v in enumerate(values)}).to_numpy(np.int64)
        names = [f"test cluster {v}" for v in values]
    else:
        values = sorted(m["test_set"].unique())
        series = m["test_set"].map({v: i for i, v in enumerate(values)}).to_numpy(np.int64)
        names = [f"test set {v + 1}" for v in values]
    return Models(m["id"].tolist(), m["accuracy"].to_numpy(float), _said(found), series, names)


def _said(found: Result) -> list[str]:
    labels, at, _ = groups(found)
    what = VARIES[found.spec.setup]
    return [
        f"{what} {labels[g]}, seed {r['seed']}<br>accuracy {r['accuracy']:.3f} "
        f"({r['accuracy_low']:.3f} to {r['accuracy_high']:.3f})<br>n = {r['n_test']:,} clips"
        for g, r in zip(at.tolist(), found.models.to_dict("records"), strict=True)
    ]


def against(found: Result) -> list[str]:
    """Return what accuracy can be set against: what the setup varies comes first."""
    first = VARIED[found.spec.setup]
    rest = [name for name in AGAINST if name not in (first, "ratio")]
    return [first, *rest]


def related(found: Result, by: str) -> Related:
    """Return how accuracy goes with a number of the models.

    Pearson and Spearman are over all accuracies, as in the paper's Table 1. The permutation keeps to the
    blocks of models that share test classes, and moves whole models: the accuracies of one model on several
    test sets are one value there, their mean. Of splits of one's own it moves whole splits, whose models
    differ by their seeds alone, among those with the same test classes where there are such.
    """

    def compute() -> Related:
        m = found.models
        x, y = m[by].to_numpy(float), m["accuracy"].to_numpy(float)
        own = found.spec.setup == "splits"
        whole = m.groupby("split" if own else "model", sort=True).agg(
            x=(by, "mean"), y=("accuracy", "mean"), block=("block", "first")
        )
        if own:
            whole["block"] = _shared_tests(found.spec, whole.index.to_numpy(int))
        if len(m) < 2:
            none = statistics.Correlation(np.nan, np.nan, np.nan, np.nan, len(m))
            return Related(none, none, float("nan"), len(whole), whole["block"].nunique(), None)
        permuted = float("nan")
        if len(whole) > 2 and np.ptp(whole["x"]) > 0 and np.ptp(whole["y"]) > 0:
            permuted = float(
                statistics.blocked_permutation(
                    whole["x"].to_numpy(float),
                    whole["y"].to_numpy(float),
                    whole["block"].to_numpy(str),
                    permutations=PERMUTATIONS,
                    seed=0,
                )
            )
        return Related(
            statistics.pearson(x, y),
            statistics.spearman(x, y),
            permuted,
            len(whole),
            whole["block"].nunique(),
            line(x, y),
        )

    return once(("zero-shot-related", found.spec.key, by), compute)


def _shared_tests(spec: ZeroShotGrid, numbers: np.ndarray) -> list[str]:
    """Return which splits share their test classes; all are of one block where no two do."""
    parsed = spec.parsed_splits
    tests = [frozenset(c for t in held_out(parsed[i])[1] for c in t) for i in numbers.tolist()]
    if len(set(tests)) == len(tests):
        return ["all splits"] * len(tests)
    return [f"test classes {tests.index(t)}" for t in tests]


def line(x: np.ndarray, y: np.ndarray) -> Fitted | None:
    """Return the regression line with its band, at 60 places; None where there is none."""
    if len(x) < 3 or not np.ptp(x) > 0:
        return None
    at = np.linspace(x.min(), x.max(), 60)
    fitted = statistics.regression(x, y, at=at)
    return Fitted(at, fitted.value, fitted.low, fitted.high)


def models_table(found: Result) -> bytes:
    """Return all accuracies as CSV."""
    return tables.csv(found.models.drop(columns=["id", "failed"]))


def related_table(rows: Sequence[tuple[str, str, Related]]) -> bytes:
    """Return correlations as CSV: setup, what accuracy is set against, and the numbers."""
    out = []
    for setup, by, r in rows:
        out.append(
            {
                "setup": setup,
                "against": by,
                "pearson_r": r.pearson.r,
                "pearson_low": r.pearson.low,
                "pearson_high": r.pearson.high,
                "pearson_p": r.pearson.p,
                "spearman_r": r.spearman.r,
                "spearman_p": r.spearman.p,
                "blocked_permutation_p": r.permuted,
                "accuracies": r.pearson.n,
                "models": r.n_models,
                "blocks": r.n_blocks,
            }
        )
    return tables.csv(pd.DataFrame(out))


# -- one model --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Judged:
    """A model on one test set.

    Attributes
    ----------
    row : Series
        Its row in `Result.models`.
    classes : list of str
        The test classes, in the order of `scores`.
    clips : DataFrame
        ``clip_id``, ``label``, ``predicted``, ``score``, ``own_score`` of its test clips.
    scores : ndarray, shape (n, C)
    confusion : ndarray, shape (C, C)
    accuracy : ndarray, shape (C, 3)
        Of each class, with the ends of its interval.
    """

    row: pd.Series
    train: list[str]
    validation: list[str]
    classes: list[str]
    clips: pd.DataFrame
    scores: np.ndarray
    confusion: np.ndarray
    accuracy: np.ndarray

    @property
    def counts(self) -> list[int]:
        """Clips of each test class."""
        return [int(n) for n in self.confusion.sum(axis=1)]


def judged(found: Result, id: str) -> Judged:
    """Return a model on one test set, by its name in links."""

    def read() -> Judged:
        row = found.models[found.models["id"] == id].iloc[0]
        mine = (found.classes["model"] == row["model"]) & (found.classes["test_set"] == row["test_set"])
        parts = found.classes[mine]
        part = {p: parts["label"][parts["part"] == p].tolist() for p in ("train", "validation", "test")}
        table = _predictions(found.spec)
        at = np.flatnonzero((table["model"] == row["model"]) & (table["test_set"] == row["test_set"]))
        clips = table["clips"].take(at).to_pandas()
        test = part["test"]
        code = {name: i for i, name in enumerate(test)}
        truth, guess = (clips[name].map(code).to_numpy(np.int64) for name in ("label", "predicted"))
        n = len(test)
        confusion = np.bincount(truth * n + guess, minlength=n * n).reshape(n, n)
        shares = [numbers.share(guess[truth == i] == i) for i in range(n)]
        return Judged(
            row,
            part["train"],
            part["validation"],
            test,
            clips.drop(columns=["scores"]),
            np.stack(clips["scores"].to_list()).astype(float) if len(clips) else np.empty((0, n)),
            confusion,
            np.array([(s.value, s.low, s.high) for s in shares]),
        )

    return once(("zero-shot-model", found.spec.key, id), read)


def _predictions(spec: ZeroShotGrid) -> dict[str, Any]:
    def read() -> dict[str, Any]:
        table = shown_workspace().cache.open(spec.key).table("predictions")
        which = {name: table.column(name).to_numpy() for name in ("model", "test_set")}
        return which | {"clips": table.drop_columns(["model", "test_set"])}

    return once(("zero-shot-clips", spec.key), read)


def in_cell(shown: Judged, true: str, predicted: str) -> pd.DataFrame:
    """Return the clips of a cell of the confusion matrix, those that were nearly right first.

    On the diagonal, which holds those that were right, the first are those whose class led the next by most.
    """
    clips = shown.clips[(shown.clips["label"] == true) & (shown.clips["predicted"] == predicted)]
    if true == predicted:
        ordered = np.sort(shown.scores[clips.index], axis=1)  # (clips, C)
        margin = ordered[:, -2] - ordered[:, -1]
    else:
        margin = (clips["score"] - clips["own_score"]).to_numpy()
    return clips.assign(margin=margin).sort_values(["margin", "clip_id"], kind="stable")


def first_cell(shown: Judged) -> tuple[str, str]:
    """Return the pair of classes that is confused most, or a class that is not if none is."""
    off = shown.confusion - np.diag(np.diag(shown.confusion))
    at = off if off.any() else shown.confusion
    i, j = (int(v) for v in np.unravel_index(int(at.argmax()), at.shape))
    return shown.classes[i], shown.classes[j]


def scored(shown: Judged, clip: str) -> list[tuple[str, float]]:
    """Return the test classes with the clip's score for each, the highest first."""
    at = shown.clips["clip_id"].tolist().index(clip)
    order = np.argsort(-shown.scores[at], kind="stable")
    return [(shown.classes[i], float(shown.scores[at, i])) for i in order.tolist()]


def judged_table(shown: Judged) -> bytes:
    """Return the accuracy of each class as CSV."""
    frame = pd.DataFrame(shown.accuracy, columns=["accuracy", "low", "high"])
    frame.insert(0, "class", shown.classes)
    frame["clips"] = shown.counts
    return tables.csv(frame)


def confusion_table(shown: Judged) -> bytes:
    """Return the confusion matrix as CSV, a row a pair."""
    rows = [
        {"class": a, "taken_for": b, "clips": int(shown.confusion[i, j])}
        for i, a in enumerate(shown.classes)
        for j, b in enumerate(shown.classes)
    ]
    return tables.csv(pd.DataFrame(rows))


def curves_table(found: Result, model: int) -> bytes:
    """Return the learning curves of a model as CSV."""
    loss, train, validation = np.asarray(found.curves[model], float)
    frame = pd.DataFrame(
        {
            "epoch": np.arange(1, len(loss) + 1),
            "loss": loss,
            "train_accuracy": train,
            "validation_accuracy": validation,
        }
    )
    return tables.csv(frame)


# -- classes ----------------------------------------------------------------------------------------------


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


def by_class(found: Result, c: Clips) -> ByClass:
    """Return how well each class is recognised over all models, and what goes with that."""

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
        words = _text_similarity(found)
        each["text"], each["nearest_text"] = _to_training(words, rows, trained[which])
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
        )

    return once(("zero-shot-classes", found.spec.key, c.key), compute)


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
    artifact = shown_workspace().cache.open(found.spec.text.key)
    vectors = np.asarray(artifact.array("embeddings"), float)
    row = {str(id): i for i, id in enumerate(artifact.table("texts").column("id").to_pylist())}
    at = np.array([row.get(name, -1) for name in found.names])
    words = np.full((len(at), len(at)), np.nan)
    there = np.flatnonzero(at >= 0)
    if len(there):
        words[np.ix_(there, there)] = class_similarity(vectors[at[there]])
    return words


def _silhouettes(embedding: EmbedAudio, c: Clips) -> dict[str, float]:
    """Mean cosine silhouette of the clips of each class."""

    def compute() -> dict[str, float]:
        from core.silhouettes import silhouette_samples

        rows = rows_of(embedding, c)
        X = np.asarray(shown_workspace().cache.open(embedding.key).array("embeddings"))
        labels = np.where(rows >= 0, separability.labels_of(c)[rows], "").astype(str)
        ok = (labels != "") & np.isfinite(X).all(axis=1)
        if len(set(labels[ok])) < 2:
            return {}
        found = pd.Series(silhouette_samples(X[ok], labels[ok])).groupby(labels[ok]).mean()
        return {str(name): float(value) for name, value in found.items()}

    return once(("class-silhouettes", embedding.key, c.key), compute)


def by_class_table(shown: ByClass) -> bytes:
    """Return the classes with their properties as CSV."""
    frame = pd.DataFrame({"class": shown.names, "accuracy": shown.accuracy, "accuracies": shown.asked})
    for p in shown.properties:
        frame[p.name] = p.values
    return tables.csv(frame)
