"""Which classes are recognised: the accuracy of each test class, and which of its properties predicts it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from core.splits import class_similarity
from core.statistics import Correlation, holm, pearson, spearman
from dashboard import data, state
from dashboard.data import Clips
from dashboard.data import workspace as shown_workspace
from dashboard.kit import chart, layout, numbers, table
from dashboard.kit.correlation import Dots, fit_line
from dashboard.kit.table import Cell
from dashboard.kit.text import whole, wrapped
from dashboard.memory import once
from dashboard.results import result, rows_of
from dashboard.zeroshot import data as zeroshot
from dashboard.zeroshot import figures
from jobs.presets import of_several_classes
from jobs.specs import EmbedAudio, ZeroShotGrid

#: Properties of a class that may predict how well it is recognised, by their names in links.
PROPERTIES = {
    "similarity": "mean similarity to the training classes",
    "nearest": "similarity to the nearest training class",
    "silhouette": "silhouette of the class",
    "text": "mean similarity of its text to those of the training classes",
    "nearest-text": "similarity of its text to the nearest of these",
}
#: Classes that a correlation needs to have an interval.
_FEWEST = 4


@dataclass(frozen=True)
class Property:
    """The correlation of a property of classes with their accuracy; None where too few classes have it.

    `adjusted` is the p of Pearson's r, corrected for the number of properties.
    """

    pearson: Correlation | None
    spearman: Correlation | None
    adjusted: float


@dataclass(frozen=True)
class ByClass:
    """The classes that were tested.

    Attributes
    ----------
    classes : DataFrame
        By class: ``accuracy`` in the mean over the models that were judged by it, ``accuracies``, how many
        these are, and the properties, named as in `PROPERTIES`.
    properties : dict of str to Property
    has_texts : bool
        Whether the embedded texts exist; they can have been evicted since the models were trained.
    """

    classes: pd.DataFrame
    properties: dict[str, Property]
    has_texts: bool

    @property
    def best(self) -> str:
        """The property with the strongest correlation, in either direction; "" where none has one."""
        r = {n: abs(p.pearson.r) for n, p in self.properties.items() if p.pearson is not None}
        return max((n for n in r if np.isfinite(r[n])), key=r.__getitem__, default="")

    def table(self) -> pd.DataFrame:
        """Return the classes as a table to save."""
        return self.classes.rename_axis("class").reset_index().rename(columns=lambda n: n.replace("-", "_"))


def by_class(spec: ZeroShotGrid, c: Clips) -> ByClass:
    """Compute how well each class is recognised over all models of a grid, and what correlates with it."""
    has_texts = shown_workspace().cache.contains(spec.text.key)
    key = ("zero-shot-classes", spec.key, c.key, has_texts)
    return once(key, lambda: _by_class(spec, c, has_texts))


def _by_class(spec: ZeroShotGrid, c: Clips, has_texts: bool) -> ByClass:
    stored = result(spec)
    classes, names = stored.classes.to_pandas(), pd.Index(stored.column("names", "label"))
    tested = classes[(classes["part"] == "test") & classes["accuracy"].notna()]
    trained = np.zeros((stored.n_models, len(names)), bool)
    of_training = classes[classes["part"] == "train"]
    trained[of_training["model"], names.get_indexer(of_training["label"])] = True
    rows, trained = names.get_indexer(tested["label"]), trained[tested["model"]]
    each: dict[str, np.ndarray] = {"accuracy": tested["accuracy"].to_numpy(float)}
    each["similarity"], each["nearest"] = _to_training(stored.similarity, rows, trained)
    texts = _text_similarity(spec, names) if has_texts else np.full(stored.similarity.shape, np.nan)
    each["text"], each["nearest-text"] = _to_training(texts, rows, trained)
    by_label = pd.DataFrame(each).groupby(tested["label"].to_numpy())
    frame = by_label.mean()
    frame.insert(1, "accuracies", by_label.size())
    frame["silhouette"] = frame.index.map(_silhouettes(spec.embedding, c)).astype(float)
    frame = frame[["accuracy", "accuracies", *PROPERTIES]]
    pairs: dict[str, tuple[Correlation | None, Correlation | None]] = {}
    for name in PROPERTIES:
        kept = frame[np.isfinite(frame[name])]
        x, y = kept[name].to_numpy(float), kept["accuracy"].to_numpy(float)
        pairs[name] = (pearson(x, y), spearman(x, y)) if len(x) > 2 else (None, None)
    adjusted = holm([float("nan") if r is None else r.p for r, _ in pairs.values()])
    properties = {n: Property(r, s, float(p)) for (n, (r, s)), p in zip(pairs.items(), adjusted, strict=True)}
    return ByClass(frame, properties, has_texts)


def _to_training(
    similarity: np.ndarray, rows: np.ndarray, trained: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and largest similarity of each class to the training classes of its model, (n,) each."""
    values = np.where(trained, similarity[rows], np.nan)
    none = ~np.isfinite(values).any(axis=1)
    values[none] = 0.0
    mean, nearest = np.nanmean(values, axis=1), np.nanmax(values, axis=1)
    mean[none] = nearest[none] = np.nan
    return mean, nearest


def _text_similarity(spec: ZeroShotGrid, names: pd.Index) -> np.ndarray:
    """Return the cosine similarity of the texts of every two classes, (C, C); NaN where a class has none."""
    texts = result(spec.text)
    at = pd.Index(texts.ids).get_indexer(names)
    similarity = np.full((len(at), len(at)), np.nan)
    known = np.flatnonzero(at >= 0)
    if len(known):
        similarity[np.ix_(known, known)] = class_similarity(texts.embeddings[at[known]].astype(float))
    return similarity


def _silhouettes(embedding: EmbedAudio, c: Clips) -> dict[str, float]:
    """Return the mean cosine silhouette of the clips of each class."""

    def compute() -> dict[str, float]:
        from core.separability import silhouette_samples

        rows = rows_of(embedding, c)
        X = np.asarray(result(embedding).embeddings)
        labels = np.where(rows >= 0, data.class_of_each(c)[rows], "").astype(str)
        # As training does: clips of several classes are left out.
        labels[of_several_classes(c.frame)[rows]] = ""
        kept = (labels != "") & np.isfinite(X).all(axis=1)
        if len(set(labels[kept])) < 2:
            return {}
        samples = pd.Series(silhouette_samples(X[kept], labels[kept]))
        means = samples.groupby(labels[kept]).mean()
        return {str(name): float(value) for name, value in means.items()}

    return once(("class-silhouettes", embedding.key, c.key), compute)


# -- on the page ------------------------------------------------------------------------------------------


def show(view: state.View, c: Clips, spec: ZeroShotGrid, file: str) -> None:
    """Draw the table of correlations, and one property beside it."""
    st.subheader("Which classes are recognised", anchor=False)
    shown = by_class(spec, c)
    if len(shown.classes) < _FEWEST:
        st.info(
            f"Only {numbers.count(len(shown.classes), 'class')} were tested; what correlates with accuracy "
            f"over classes can be computed from {_FEWEST} on. More seeds test more classes.",
            icon=":material/info:",
        )
        return
    name = view.choice("property", list(PROPERTIES), shown.best or "similarity")
    _table(shown)
    left, right = st.columns([1.15, 1], gap="medium")
    with left:
        _figure(spec, c, shown, name, file)
    with right:
        st.selectbox(
            "Property in the figure",
            list(PROPERTIES),
            format_func=PROPERTIES.__getitem__,
            key=view.key("property"),
        )
        n = shown.classes["accuracies"]
        layout.reading(
            "Each dot is a class: its accuracy, and its property, in the mean over the models that were "
            f"judged by it ({int(n.min()):,} to {int(n.max()):,} accuracies a class). Similarities are "
            "cosines, of centroids of sounds or of embeddings of texts; the silhouette is how well the class "
            "is separated from all others (Rousseeuw 1987). Intervals are Fisher’s over classes; p is "
            "corrected for five properties (Holm 1979). The properties are correlated with each other, so "
            "the strongest need not be the cause; and classes that were tested together share models, which "
            "the interval does not take into account."
        )


def _table(shown: ByClass) -> None:
    rows = []
    for name, p in shown.properties.items():
        r, s = p.pearson, p.spearman
        if r is None or s is None or not np.isfinite(r.r):
            rows.append([Cell(PROPERTIES[name]), *[Cell("–")] * 3])
            continue
        rows.append(
            [
                Cell(PROPERTIES[name], f"n = {numbers.count(r.n, 'class')}"),
                Cell(numbers.signed(r.r), numbers.ends(r)),
                Cell(numbers.p_value(p.adjusted)),
                Cell(numbers.signed(s.r)),
            ]
        )
    heads = [("property of a class", "hs-words")]
    heads += [(head, "") for head in ("r with accuracy|95% interval", "p,|corrected", "ρ")]
    table.scores(heads, rows, label="Correlations of properties of classes with their accuracy")
    if not shown.has_texts:
        st.caption(
            "The embedded texts have been cleared away since these models were trained, so similarities of "
            "texts are missing; embed the texts again to see them."
        )
    if not shown.best:
        return
    best = shown.properties[shown.best]
    assert best.pearson is not None
    if best.adjusted < 0.05:
        sign = "higher" if best.pearson.r > 0 else "lower"
        st.markdown(
            f"Best predictor here: **{PROPERTIES[shown.best]}**; accuracy is {sign} where it is higher."
        )
    else:
        st.markdown("None of them correlates with accuracy beyond chance over so many classes.")


def _figure(spec: ZeroShotGrid, c: Clips, shown: ByClass, name: str, file: str) -> None:
    kept = shown.classes[np.isfinite(shown.classes[name])]
    if not len(kept):
        st.caption("No class has this number, so there is no figure of it; choose another property.")
        return
    x, y = kept[name].to_numpy(float), kept["accuracy"].to_numpy(float)
    hover = [
        f"<b>{whole(label)}</b><br>accuracy {a:.3f}<br>{v:.3f}<br>{n:,} accuracies"
        for label, a, v, n in zip(kept.index, y, x, kept["accuracies"], strict=True)
    ]
    chart.show(
        lambda theme: figures.scatter_figure(
            Dots(list(kept.index), (), hover, x, y, np.zeros(len(x), np.int64), ["classes"]),
            x_title=wrapped(f"{PROPERTIES[name]}, −1 to 1", 40),
            line=fit_line(x, y),
            chance=zeroshot.chance(spec),
            y_title="mean accuracy of the class, 0 to 1",
            things="classes",
            theme=theme,
        ),
        remembered=("zero-shot-properties", spec.key, c.key, name, shown.has_texts),
        key="zeroshot-properties",
        file=f"class-properties-{file}",
        csv=shown.table,
        alt=f"Accuracy of classes against {PROPERTIES[name]}",
    )
