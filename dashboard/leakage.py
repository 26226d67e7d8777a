"""Grids of contrastive models as the page shows them: what a leak of test classes does to zero-shot tests."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from core import statistics
from core.statistics import Correlation
from dashboard import numbers, palette, tables
from dashboard.data import Clips
from dashboard.data import workspace as shown_workspace
from dashboard.figures.leakage import ByClass, Dots, Panel
from dashboard.figures.zeroshot import Fitted
from dashboard.memory import once
from dashboard.zeroshot import USUAL_TEXT
from dashboard.zeroshot_related import line
from jobs import contrastive, encoders
from jobs.captions import captions_of
from jobs.queue import State
from jobs.specs import EmbedAudio, EmbedText, SpecError, from_json
from jobs.specs.contrastive import PRETRAININGS, TRAININGS, ContrastiveGrid
from jobs.workspace import Dataset, Workspace

#: What of the topological similarity is shown: name in the URL, on the page, and the column's ending.
DEFINITIONS = {
    "adjusted": ("above chance", ""),
    "plain": ("plain", "_plain"),
    "literal": ("the paper’s words, literally", "_literal"),
}
#: The pairs of Table 3.
PAIRS = {"xa_Ea": "x_a and E_a", "xt_Et": "x_t and E_t", "Ea_Et": "E_a and E_t"}
#: Which space of the sounds the first maps show.
LAYERS = {"Ea": "E_a, as Figure 2", "xa": "x_a after training"}
#: Clips of a class in a list at most.
MOST = 40
#: Classes up to which a matrix of all is drawn.
MOST_CONFUSED = 24

_CELLS = [(before, then) for then in TRAININGS for before in PRETRAININGS]


def _as_printed(values: Sequence[float]) -> dict[tuple[str, str], float]:
    return dict(zip(_CELLS, values, strict=True))


#: What Tavares et al. print: by column of our table, pre-training and training.
PAPER = {
    "accuracy": _as_printed([0.73, 0.61, 0.31, 0.48, 0.40, 0.14]),
    "silhouette_xa": _as_printed([0.35, 0.20, 0.11, 0.27, 0.16, 0.01]),
    "silhouette_Ea": _as_printed([0.34, 0.20, 0.08, 0.14, 0.15, -0.05]),
    "overlap_xa_Ea": _as_printed([0.74, 0.75, 0.77, 0.82, 0.78, 0.75]),
    "overlap_xt_Et": _as_printed([0.75, 0.72, 0.69, 0.62, 0.75, 0.56]),
    "overlap_Ea_Et": _as_printed([0.46, 0.47, 0.44, 0.50, 0.45, 0.38]),
}
PAPER_CHANCE = 0.02
#: The two correlations of the paper: what goes with what, r and p as printed.
CORRELATIONS = {
    "silhouette": ("silhouette_Ea", "accuracy", "0.97", "< 0.01"),
    "similarity": ("overlap_Ea_Et", "log_accuracy", "0.85", "0.032"),
}


@dataclass(frozen=True)
class Grid:
    """A grid that is there, or asked for."""

    spec: ContrastiveGrid
    state: State

    @property
    def id(self) -> str:
        """Short name for links."""
        return self.spec.key[:12]


@dataclass(frozen=True)
class Result:
    """What a grid came to; tables and arrays are as `ContrastiveGrid` says.

    `tests` are the test classes, sorted; `clips` the test clips, in the order of the maps; `failed` the
    models that failed, with why.
    """

    spec: ContrastiveGrid
    models: pd.DataFrame
    failed: dict[str, str]
    pretraining: pd.DataFrame
    tests: list[str]
    clips: pd.DataFrame
    predictions: pd.DataFrame
    leaks: pd.DataFrame
    label_leaks: pd.DataFrame
    meta: dict[str, Any]

    @property
    def good(self) -> pd.DataFrame:
        """The models that did not fail."""
        return self.models[self.models["failed"] == ""].reset_index(drop=True)

    def number(self, name: str) -> int:
        """Return the place of a model in arrays, by its name."""
        return int(self.models.set_index("name")["model"][name])

    def array(self, name: str) -> np.ndarray:
        """Return one of the arrays."""
        return np.asarray(shown_workspace().cache.open(self.spec.key).array(name))


@dataclass(frozen=True)
class Related:
    """One of the paper's two correlations with ours: over the models that have both numbers."""

    x: str
    y: str
    dots: Dots
    found: Correlation | None
    line: Fitted | None
    paper_r: str
    paper_p: str


@dataclass(frozen=True)
class Judged:
    """One model from near by.

    Attributes
    ----------
    row : Series
        Its row in the table of models.
    classes : list of str
        The test classes.
    counts : ndarray of int, shape (T,)
        Test clips of each.
    accuracy : ndarray, shape (T, 3)
        Of each class, with the ends of its interval.
    confusion : ndarray of int, shape (T, T)
    """

    row: pd.Series
    classes: list[str]
    counts: np.ndarray
    accuracy: np.ndarray
    confusion: np.ndarray


# -- what is there ----------------------------------------------------------------------------------------


def grids(shown: Workspace, dataset: Dataset) -> list[Grid]:
    """Return the grids of a dataset: those that are there, the newest first, then those asked for."""
    found: dict[str, Grid] = {}
    for info in shown.cache.list(type=ContrastiveGrid.__name__):
        spec = _mine(info.spec, dataset)
        if spec is not None:
            found.setdefault(spec.key, Grid(spec, "done"))
    for job in shown.queue.jobs():
        if job.spec.get("type") == ContrastiveGrid.__name__ and job.state != "done":
            spec = _mine(job.spec, dataset)
            if spec is not None:
                found.setdefault(spec.key, Grid(spec, job.state))
    return list(found.values())


def _mine(spec: dict[str, Any], dataset: Dataset) -> ContrastiveGrid | None:
    try:
        parsed = from_json(spec)
    except SpecError:
        return None
    if not isinstance(parsed, ContrastiveGrid) or parsed.dataset.fingerprint != dataset.fingerprint:
        return None
    # What is said of the clips now is what the page shows beside it.
    return parsed if parsed.labels == dataset.labels_fingerprint else None


def result(spec: ContrastiveGrid) -> Result:
    """Return what a grid came to."""

    def read() -> Result:
        artifact = shown_workspace().cache.open(spec.key)
        frames = {
            name: artifact.table(name).to_pandas()
            for name in ("models", "pretraining", "clips", "texts", "predictions", "leaks", "label_leaks")
        }
        models, clips, texts = frames["models"], frames["clips"], frames["texts"]
        failed = models[models["failed"] != ""]
        return Result(
            spec,
            models,
            dict(zip(failed["name"], failed["failed"], strict=True)),
            frames["pretraining"],
            [str(i) for i in texts["id"][texts["test"].astype(bool)]],
            clips[clips["part"] == "test"].reset_index(drop=True),
            frames["predictions"],
            frames["leaks"],
            frames["label_leaks"],
            dict(artifact.meta),
        )

    return once(("contrastive", spec.key), read)


def recipe(spec: ContrastiveGrid) -> str:
    """Say how the models of a grid are trained."""
    backbone = {"small": "a small network", "cnn14": "CNN14"}[spec.backbone]
    said = [
        f"{backbone} and {spec.text_encoder}{' (tuned)' if spec.tune_text else ''}",
        f"{spec.dim:,} dimensions",
        f"{spec.frozen_epochs} frozen epochs at {spec.frozen_rate:g}",
        f"up to {spec.max_epochs} at {spec.rate:g}",
        f"batches of {spec.batch_size}",
        f"crops of {spec.seconds:g} s at {spec.sample_rate / 1000:g} kHz",
        f"{spec.validation:.0%} for validation by {spec.validation_by}",
    ]
    return ", ".join(said)


# -- tables -----------------------------------------------------------------------------------------------


def cell(found: Result, column: str, before: str, then: str) -> float:
    """Return a number of the model of a pre-training and training; NaN where there is none."""
    m = found.models
    rows = m[(m["pretraining"] == before) & (m["training"] == then)]
    return float(rows[column].iloc[0]) if len(rows) else float("nan")


def before_training(found: Result, before: str) -> float:
    """Return the silhouette of the test clips by a backbone before contrastive training."""
    rows = found.pretraining[found.pretraining["pretraining"] == before]
    return float(rows["silhouette_x0"].iloc[0]) if len(rows) else float("nan")


def largest_k(found: Result) -> int:
    """Return the largest size in which the topological similarity is looked for: a fifth of the classes."""
    return max(1, len(found.tests) // 5)


def models_csv(found: Result) -> bytes:
    """Return the table of models."""
    return tables.csv(found.models)


# -- correlations -----------------------------------------------------------------------------------------


def related(found: Result, which: str, definition: str = "adjusted") -> Related:
    """Return one of the two correlations over the models that did not fail.

    Parameters
    ----------
    found : Result
    which : {"silhouette", "similarity"}
    definition : {"adjusted", "plain", "literal"}
        Of the topological similarity.
    """
    x_name, y_name, paper_r, paper_p = CORRELATIONS[which]
    column = x_name + (DEFINITIONS[definition][1] if x_name.startswith("overlap") else "")
    m = found.good
    x, accuracy = m[column].to_numpy(float), m["accuracy"].to_numpy(float)
    ends = m[["accuracy_low", "accuracy_high"]].to_numpy(float)
    if y_name == "log_accuracy":
        y, ends = logarithm(accuracy), logarithm(ends)
    else:
        y = accuracy
    ok = np.isfinite(x) & np.isfinite(y)
    before = m["pretraining"].to_numpy(str)[ok]
    kinds = [f"pre-training {p}" for p in PRETRAININGS]
    names = m["name"].astype(str).to_numpy()[ok].tolist()
    said = [
        f"<b>{n}</b><br>{x_name.partition('_')[0]} {v:.3f}<br>accuracy {a:.3f}"
        for n, v, a in zip(names, x[ok], accuracy[ok], strict=True)
    ]
    dots = Dots(
        names,
        names,
        said,
        x[ok],
        y[ok],
        np.array([PRETRAININGS.index(p) for p in before], np.int64),
        kinds,
        ends[ok],
        m["training"].to_numpy(str)[ok] == "clean",
    )
    enough = int(ok.sum()) >= 3
    r = statistics.pearson(x[ok], y[ok]) if enough else None
    return Related(column, y_name, dots, r, line(x[ok], y[ok]) if enough else None, paper_r, paper_p)


def logarithm(values: np.ndarray) -> np.ndarray:
    """Return natural logarithms, NaN of what is not above 0."""
    out = np.full(np.shape(values), np.nan)
    np.log(values, out=out, where=np.asarray(values) > 0)
    return out


def related_csv(shown: Related) -> bytes:
    """Return the dots of a correlation."""
    frame = pd.DataFrame({"model": shown.dots.ids, shown.x: shown.dots.x, shown.y: shown.dots.y})
    return tables.csv(frame)


# -- maps -------------------------------------------------------------------------------------------------


def maps(found: Result, c: Clips, layer: str, model: str) -> list[list[Panel]]:
    """Return the rows of small maps: Figure 2 by training, Figure 4, then Figure 3 beside its backbone.

    Parameters
    ----------
    found : Result
    c : Clips
    layer : {"Ea", "xa"}
        What the first rows show.
    model : str
        Whose texts are shown.
    """
    code = {name: i for i, name in enumerate(found.tests)}
    labels = found.clips["label"].astype(str).tolist()
    codes = np.array([code[n] for n in labels], np.int64)
    ids = found.clips["clip_id"].astype(str).tolist()
    plain = [f"<b>{n}</b><br>{_file(c, i)}" for n, i in zip(labels, ids, strict=True)]
    letters = iter("abcdef")
    heads = {"Ea": "E_a, Figure 2", "xa": "x_a"}
    lines = []
    for then in found.spec.training:
        line = []
        for i, before in enumerate(found.spec.pretraining):
            name = f"{before}/{then}"
            at = found.number(name)
            taken = taken_for(found, at)
            said = [
                f"{text}<br>{name}: taken for {taken[clip]}" if clip in taken else text
                for clip, text in zip(ids, plain, strict=True)
            ]
            title = f"({next(letters)}) {name}"
            heading = f"{heads[layer]}, trained {then} · n = {len(ids):,} clips" if i == 0 else ""
            coords = found.array(f"map_{layer}_{at}")
            line.append(_panel(title, heading, ids, coords, codes, said))
        lines.append(line)
    line = []
    for i, before in enumerate(found.pretraining["pretraining"].astype(str)):
        heading = "x_a before contrastive training, Figure 4" if i == 0 else ""
        line.append(_panel(before, heading, ids, found.array(f"map_x0_{i}"), codes, plain))
    at = found.number(model)
    said = [f"<b>{n}</b>, its text" for n in found.tests]
    texts = np.arange(len(found.tests))
    bottom = [
        Panel(model, "E_t, Figure 3", found.tests, "class", found.array(f"map_Et_{at}"), texts, said),
        Panel(
            found.spec.text_encoder,
            "x_t before, Figure 4",
            found.tests,
            "class",
            found.array("map_xt0"),
            texts,
            said,
        ),
    ]
    return [*lines, line, [p for p in bottom if np.isfinite(p.coords).all()]]


def _panel(
    title: str, heading: str, ids: list[str], coords: np.ndarray, codes: np.ndarray, said: list[str]
) -> Panel:
    ok = np.isfinite(coords).all(axis=1)
    if not ok.any():
        return Panel(f"{title}: no map", heading, [], "clip", np.empty((0, 2)), codes[:0], [])
    at = np.flatnonzero(ok).tolist()
    return Panel(title, heading, [ids[i] for i in at], "clip", coords[ok], codes[ok], [said[i] for i in at])


def _file(c: Clips, clip: str) -> str:
    return str(c.files[c.row[clip]]) if clip in c.row else clip


def styles_of(found: Result, c: Clips) -> list[palette.Style]:
    """Return how each test class looks, which is the same on every page."""
    neutral = palette.Style(palette.NEUTRAL["light"], palette.NEUTRAL["dark"])
    return [c.styles.get(name, neutral) for name in found.tests]


def taken_for(found: Result, model: int) -> dict[str, str]:
    """Return what a model took each test clip for."""

    def read() -> dict[str, str]:
        p = found.predictions[found.predictions["model"] == model]
        return dict(zip(p["clip_id"].astype(str), p["predicted"].astype(str), strict=True))

    return once(("contrastive-taken", found.spec.key, model), read)


def maps_csv(found: Result, layer: str, model: str) -> bytes:
    """Return the coordinates of all maps, a row a point."""
    frames = []
    clips, labels = (found.clips[n].astype(str).tolist() for n in ("clip_id", "label"))

    def add(space: str, of: str, ids: Sequence[str], named: Sequence[str], name: str) -> None:
        x, y = found.array(name).T
        frames.append(pd.DataFrame({"space": space, "model": of, "id": ids, "class": named, "x": x, "y": y}))

    for name, at in zip(found.models["name"], found.models["model"], strict=True):
        add(layer, name, clips, labels, f"map_{layer}_{at}")
    for i, before in enumerate(found.pretraining["pretraining"]):
        add("x0", before, clips, labels, f"map_x0_{i}")
    add("Et", model, found.tests, found.tests, f"map_Et_{found.number(model)}")
    add("xt0", found.spec.text_encoder, found.tests, found.tests, "map_xt0")
    return tables.csv(pd.concat(frames))


def of_class(found: Result, model: str, label: str, clip: str = "") -> pd.DataFrame:
    """Return the test clips of a class, or all for "", as a model took them; a chosen clip comes first.

    ``clip_id``, ``label``, ``predicted``, ``score``, ``own_score``, at most `MOST`: those that were mistaken
    come first, the most mistaken at the top.
    """
    p = found.predictions[found.predictions["model"] == found.number(model)]
    p = p[p["label"] == label] if label else p
    behind = p["score"] - p["own_score"]
    order = np.lexsort((p["clip_id"].to_numpy(str), -behind.to_numpy(), (p["clip_id"] != clip).to_numpy()))
    return p.iloc[order].head(MOST).reset_index(drop=True)


# -- one model --------------------------------------------------------------------------------------------


def judged(found: Result, model: str) -> Judged:
    """Return one model, by its name."""

    def read() -> Judged:
        at = found.number(model)
        confusion = found.array("confusion")[at].astype(np.int64)
        counts = confusion.sum(axis=1)
        shares = [
            statistics.share_interval(int(h), int(n)) for h, n in zip(np.diag(confusion), counts, strict=True)
        ]
        accuracy = np.array([(s.value, s.low, s.high) for s in shares], float).reshape(-1, 3)
        row = found.models[found.models["model"] == at].iloc[0]
        return Judged(row, found.tests, counts, accuracy, confusion)

    return once(("contrastive-model", found.spec.key, model), read)


def by_class(found: Result, model: str) -> ByClass:
    """Return the accuracy of each class by one model, and by the others, the best class first."""
    shown = judged(found, model)
    others = [n for n in found.good["name"].astype(str) if n != model]
    rest = np.array([judged(found, n).accuracy[:, 0] for n in others]).reshape(len(others), -1)
    order = np.lexsort((np.array(shown.classes), -np.nan_to_num(shown.accuracy[:, 0], nan=-1)))
    return ByClass(
        [shown.classes[i] for i in order.tolist()],
        shown.accuracy[order],
        shown.counts[order],
        others,
        rest[:, order],
    )


def by_class_csv(shown: ByClass, model: str) -> bytes:
    """Return the accuracy of each class by every model."""
    frame = pd.DataFrame(shown.accuracy, columns=[model, f"{model}_low", f"{model}_high"])
    frame.insert(0, "class", list(shown.names))
    frame["clips"] = shown.counts
    for name, values in zip(shown.others, shown.rest, strict=True):
        frame[name] = values
    return tables.csv(frame)


def confused(shown: Judged) -> tuple[list[str], np.ndarray]:
    """Return the classes of the matrix that is drawn, and it: all, or those with most mistakes."""
    n = len(shown.classes)
    if n <= MOST_CONFUSED:
        return shown.classes, shown.confusion
    off = shown.confusion - np.diag(np.diag(shown.confusion))
    at = np.sort(np.argsort(-(off.sum(axis=0) + off.sum(axis=1)), kind="stable")[:MOST_CONFUSED])
    return [shown.classes[i] for i in at.tolist()], shown.confusion[np.ix_(at, at)]


def first_cell(shown: Judged) -> tuple[str, str]:
    """Return the pair of classes that is confused most, or a class that is not if none is."""
    names, confusion = confused(shown)
    off = confusion - np.diag(np.diag(confusion))
    at = off if off.any() else confusion
    i, j = (int(v) for v in np.unravel_index(int(at.argmax()), at.shape))
    return names[i], names[j]


def in_cell(found: Result, model: str, true: str, taken: str) -> pd.DataFrame:
    """Return the clips of a cell of the confusion matrix, those that were nearly right first."""
    p = found.predictions[found.predictions["model"] == found.number(model)]
    p = p[(p["label"] == true) & (p["predicted"] == taken)]
    margin = p["score"] - p["own_score"]
    # Of those that were right the surest come first.
    margin = -p["score"] if true == taken else margin
    return p.assign(margin=margin).sort_values(["margin", "clip_id"], kind="stable").reset_index(drop=True)


def confusion_csv(shown: Judged) -> bytes:
    """Return the confusion matrix, a row a pair."""
    rows = [
        {"class": a, "taken_for": b, "clips": int(shown.confusion[i, j])}
        for i, a in enumerate(shown.classes)
        for j, b in enumerate(shown.classes)
    ]
    return tables.csv(pd.DataFrame(rows))


def curves(found: Result, model: str) -> np.ndarray:
    """Return the learning curves of a model, (5, E)."""
    return np.asarray(found.array("curves")[found.number(model)], float)


def curves_csv(found: Result, model: str) -> bytes:
    """Return the learning curves of a model."""
    names = ("loss", "validation_loss", "temperature", "learning_rate", "gradient_norm")
    frame = pd.DataFrame(dict(zip(names, curves(found, model), strict=True)))
    frame.insert(0, "epoch", np.arange(1, len(frame) + 1))
    return tables.csv(frame)


# -- leaks ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Leaks:
    """The captions that name test classes.

    `captions` and `clips` count them by class, (T,) each; `words` are what names each class, most frequent
    first.
    """

    names: list[str]
    captions: np.ndarray
    clips: np.ndarray
    words: list[list[str]]


def leaks(found: Result) -> Leaks:
    """Return the leaks by test class, the class with most first."""
    rows = found.leaks
    captions = rows.groupby("label").size().reindex(found.tests, fill_value=0)
    clips = rows.groupby("label")["clip_id"].nunique().reindex(found.tests, fill_value=0)
    order = np.lexsort((np.array(found.tests), -captions.to_numpy()))
    names = [found.tests[i] for i in order.tolist()]
    pieces = rows.assign(word=rows["matched"].str.lower().str.split(", ")).explode("word")
    counted = pieces.groupby("label")["word"].agg(lambda w: w.value_counts().index.tolist())
    words = [list(counted.get(name, [])) for name in names]
    return Leaks(names, captions.to_numpy()[order], clips.to_numpy()[order], words)


def examples(found: Result, label: str, most: int) -> pd.DataFrame:
    """Return captions that name a class, one a clip, evenly over all there are: ``caption``, ``clip_id``,
    ``matched``.
    """
    rows = found.leaks[found.leaks["label"] == label].drop_duplicates("clip_id").reset_index(drop=True)
    at = np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int))
    return rows.iloc[at].reset_index(drop=True)


def marked(caption: str, matched: str) -> list[tuple[str, bool]]:
    """Part a caption into pieces, and say of each whether it names the class.

    >>> marked("A dog barks at dogs", "dog, barks")
    [('A ', False), ('dog', True), (' ', False), ('barks', True), (' at dogs', False)]
    """
    words = sorted((w for w in matched.split(", ") if w), key=len, reverse=True)
    if not words:
        return [(caption, False)]
    pattern = r"(?<!\w)(" + "|".join(map(re.escape, words)) + r")(?!\w)"
    pieces = re.split(pattern, caption)
    return [(piece, i % 2 == 1) for i, piece in enumerate(pieces) if piece]


def leaks_csv(found: Result) -> bytes:
    """Return every caption that names a test class."""
    return tables.csv(found.leaks)


def count_of(found: Result, name: str) -> int:
    """Return one of the counts of a result."""
    return int(found.meta.get(name) or 0)


def share_said(row: pd.Series) -> str:
    """Say the accuracy of a model with its interval."""
    return f"{row['accuracy']:.3f} ({row['accuracy_low']:.3f} to {row['accuracy_high']:.3f})"


def duration(found: Result) -> str:
    """Say how long a grid took; "" where that is not known."""
    seconds = found.meta.get("seconds")
    values = seconds.values() if isinstance(seconds, dict) else [seconds]
    known = [float(v) for v in values if v is not None]
    return numbers.duration(sum(known)) if known else ""


# -- what can be asked for --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Captions:
    """How many captions a dataset has, and of how many clips."""

    n: int
    clips: int


def captions(dataset: Dataset) -> Captions:
    """Return what there is of captions."""

    def count() -> Captions:
        table = captions_of(dataset)
        return Captions(len(table), int(table["clip_id"].nunique()))

    return once(("captions", dataset.fingerprint, dataset.labels_fingerprint, len(dataset.captions)), count)


def text_encoders(shown: Workspace, dataset: Dataset) -> list[str]:
    """Return the text encoders that can be trained with: the usual one where it is here, then those used."""
    found = [USUAL_TEXT] if encoders.get(USUAL_TEXT)[0].available() is None else []
    used = [t.spec.encoder for t in shown.text_spaces(dataset) if t.spec.source is None]
    return list(dict.fromkeys([*found, *used]))


def spaces_of(dataset: Dataset, found: Result, model: str) -> list[EmbedAudio | EmbedText]:
    """Return the specs of a model's spaces: x_a, E_a, and x_t and E_t of the names of the classes."""
    return [
        *contrastive.spaces_of(found.spec, [model]),
        *contrastive.texts_of_grid(found.spec, dataset, [model]),
    ]
