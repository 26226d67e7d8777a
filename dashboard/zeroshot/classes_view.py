"""Which property of a class says best how well it is recognised, over all models of a grid."""

from __future__ import annotations

from functools import partial

import numpy as np
import streamlit as st

from dashboard import state
from dashboard.data import Clips
from dashboard.kit import chart, layout, numbers, table
from dashboard.kit.correlation import Dots, fit_line
from dashboard.kit.table import Cell
from dashboard.kit.text import whole, wrapped
from dashboard.memory import once
from dashboard.zeroshot import classes as zeroshot_classes
from dashboard.zeroshot import figures
from dashboard.zeroshot.classes import PROPERTIES, ByClass
from dashboard.zeroshot.data import Result

#: Classes that a correlation needs to have an interval.
_FEWEST = 4


def show(view: state.View, c: Clips, found: Result, file: str) -> None:
    """Draw the table of correlations, and one property beside it."""
    st.subheader("Which classes are recognised", anchor=False)
    shown = zeroshot_classes.by_class(found, c)
    if len(shown.names) < _FEWEST:
        st.info(
            f"Only {numbers.count(len(shown.names), 'class')} were tested; what goes with accuracy over "
            f"classes can be said from {_FEWEST} on. More seeds test more classes.",
            icon=":material/info:",
        )
        return
    best = shown.best
    name = view.choice("property", list(PROPERTIES), best.name if best else "similarity")
    _table(shown)
    left, right = st.columns([1.15, 1], gap="medium")
    with left:
        _figure(found, c, shown, name, file)
    with right:
        st.selectbox(
            "Property in the figure",
            list(PROPERTIES),
            format_func=PROPERTIES.__getitem__,
            key=view.key("property"),
        )
        layout.reading(
            "Each dot is a class: its accuracy, and its property, in the mean over the models that were "
            f"asked about it ({int(shown.asked.min()):,} to {int(shown.asked.max()):,} accuracies a class). "
            "Similarities are cosines, of centroids of sounds or of embeddings of texts; the silhouette is "
            "how well the class stands apart from all others (Rousseeuw 1987). Intervals are Fisher’s over "
            "classes; p is corrected for five properties (Holm 1979). Properties go together, so the "
            "strongest need not be the cause; and classes that were tested together share models, which "
            "the interval does not know."
        )


def _table(shown: ByClass) -> None:
    rows = []
    for p in shown.properties:
        r, s = p.pearson, p.spearman
        if r is None or s is None or not np.isfinite(r.r):
            rows.append([Cell(PROPERTIES[p.name]), *[Cell("–")] * 3])
            continue
        rows.append(
            [
                Cell(PROPERTIES[p.name], f"n = {numbers.count(r.n, 'class')}"),
                Cell(numbers.signed(r.r), numbers.ends(r)),
                Cell(numbers.p_value(p.adjusted)),
                Cell(numbers.signed(s.r)),
            ]
        )
    heads = [("property of a class", "hs-words")]
    heads += [(head, "") for head in ("r with accuracy|95% interval", "p,|corrected", "ρ")]
    table.scores(heads, rows, label="Correlations of properties of classes with their accuracy")
    if not shown.told:
        st.caption(
            "The embedded texts have been cleared away since these models were trained, so nothing can be "
            "said of them; embed them again to see it."
        )
    best = shown.best
    if best is None or best.pearson is None:
        return
    if best.adjusted < 0.05:
        sign = "higher" if best.pearson.r > 0 else "lower"
        st.markdown(
            f"Best predictor here: **{PROPERTIES[best.name]}**; accuracy is {sign} where it is higher."
        )
    else:
        st.markdown("None of them goes with accuracy beyond what chance would give over so many classes.")


def _figure(found: Result, c: Clips, shown: ByClass, name: str, file: str) -> None:
    there, x = zeroshot_classes.against_property(shown, name)
    if not len(x):
        st.caption("There is no such number here, so there is no figure of it; choose another property.")
        return
    theme = layout.theme()

    def draw() -> object:
        said = [
            f"<b>{whole(n)}</b><br>accuracy {a:.3f}<br>{v:.3f}<br>{k:,} accuracies"
            for n, a, v, k in zip(there.names, there.accuracy, x, there.asked, strict=True)
        ]
        kinds = np.zeros(len(x), np.int64)
        return figures.against_similarity_figure(
            Dots(there.names, (), said, x, there.accuracy, kinds, ["classes"]),
            title=wrapped(f"{PROPERTIES[name]}, −1 to 1", 40),
            line=fit_line(x, there.accuracy),
            chance=found.chance,
            y_title="mean accuracy of the class, 0 to 1",
            things="classes",
            theme=theme,
        )

    chart.show(
        once(("figure", "zero-shot-properties", found.spec.key, c.key, name, shown.told, theme), draw),
        key="zeroshot-properties",
        file=f"class-properties-{file}",
        csv=partial(zeroshot_classes.by_class_table, shown),
        alt=f"Accuracy of classes against {PROPERTIES[name]}",
    )
