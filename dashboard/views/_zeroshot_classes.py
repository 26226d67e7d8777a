"""Which property of a class says best how well it is recognised, over all models of a grid."""

from __future__ import annotations

from functools import partial

import numpy as np
import streamlit as st

from dashboard import figures, numbers, state, ui, zeroshot
from dashboard.data import Clips
from dashboard.figures.spaces import wrapped
from dashboard.figures.zeroshot import Models
from dashboard.memory import once
from dashboard.zeroshot import ByClass, Property, Result

#: Classes that a correlation needs to have an interval.
_FEWEST = 4


def show(view: state.View, c: Clips, found: Result, file: str) -> None:
    """Draw the table of correlations, and one property beside it."""
    st.subheader("Which classes are recognised", anchor=False)
    shown = zeroshot.by_class(found, c)
    if len(shown.names) < _FEWEST:
        st.info(
            f"Only {numbers.count(len(shown.names), 'class')} were tested; what goes with accuracy over "
            f"classes can be said from {_FEWEST} on. More seeds test more classes.",
            icon=":material/info:",
        )
        return
    best = _best(shown)
    name = view.choice("property", list(zeroshot.PROPERTIES), best.name if best else "similarity")
    _table(shown, best)
    left, right = st.columns([1.15, 1], gap="medium")
    with left:
        _figure(found, c, shown, next(p for p in shown.properties if p.name == name), file)
    with right:
        st.selectbox(
            "Property in the figure",
            list(zeroshot.PROPERTIES),
            format_func=zeroshot.PROPERTIES.__getitem__,
            key=view.key("property"),
        )
        ui.reading(
            "Each dot is a class: its accuracy, and its property, in the mean over the models that were "
            f"asked about it ({int(shown.asked.min()):,} to {int(shown.asked.max()):,} accuracies a class). "
            "Similarities are cosines, of centroids of sounds or of embeddings of texts; the silhouette is "
            "how well the class stands apart from all others (Rousseeuw 1987). Intervals are Fisher’s over "
            "classes; p is corrected for five properties (Holm 1979). Properties go together, so the "
            "strongest need not be the cause; and classes that were tested together share models, which "
            "the interval does not know."
        )


def _best(shown: ByClass) -> Property | None:
    there = [p for p in shown.properties if p.pearson is not None and np.isfinite(p.pearson.r)]
    return max(there, key=lambda p: abs(p.pearson.r) if p.pearson else 0.0, default=None)


def _table(shown: ByClass, best: Property | None) -> None:
    rows = []
    for p in shown.properties:
        r, s = p.pearson, p.spearman
        if r is None or s is None or not np.isfinite(r.r):
            rows.append([zeroshot.PROPERTIES[p.name], "–", "–", "–", "–", "–"])
            continue
        adjusted = "< 0.001" if p.adjusted < 0.001 else f"{p.adjusted:.3f}"
        rows.append(
            [
                zeroshot.PROPERTIES[p.name],
                numbers.signed(r.r),
                f"{numbers.signed(r.low)} to {numbers.signed(r.high)}",
                adjusted,
                numbers.signed(s.r),
                f"{r.n:,}",
            ]
        )
    ui.table(["property of a class", "r with accuracy", "95% interval", "p, corrected", "ρ", "classes"], rows)
    if best is None or best.pearson is None:
        return
    if best.adjusted < 0.05:
        sign = "higher" if best.pearson.r > 0 else "lower"
        st.markdown(
            f"Best predictor here: **{zeroshot.PROPERTIES[best.name]}**; accuracy is {sign} where it is "
            "higher."
        )
    else:
        st.markdown("None of them goes with accuracy beyond what chance would give over so many classes.")


def _figure(found: Result, c: Clips, shown: ByClass, p: Property, file: str) -> None:
    ok = np.isfinite(p.values)
    if not ok.any():
        st.caption("There is no such number here: the classes have no texts, or no silhouette.")
        return
    theme = ui.theme()

    def draw() -> object:
        names = [n for n, there in zip(shown.names, ok, strict=True) if there]
        y, x = shown.accuracy[ok], p.values[ok]
        said = [
            f"<b>{n}</b><br>accuracy {a:.3f}<br>{v:.3f}<br>{k:,} accuracies"
            for n, a, v, k in zip(names, y, x, shown.asked[ok], strict=True)
        ]
        dots = Models(names, y, said, np.zeros(len(names), np.int64), ["classes"])
        return figures.against_similarity_figure(
            dots,
            x,
            title=wrapped(f"{zeroshot.PROPERTIES[p.name]}, −1 to 1", 40),
            line=zeroshot.line(x, y),
            chance=found.chance,
            y_title="mean accuracy of the class, 0 to 1",
            things="classes",
            theme=theme,
        )

    ui.chart(
        once(("figure", "zero-shot-properties", found.spec.key, c.key, p.name, theme), draw),
        key="zeroshot-properties",
        file=f"class-properties-{file}",
        csv=partial(zeroshot.by_class_table, shown),
        alt=f"Accuracy of classes against {zeroshot.PROPERTIES[p.name]}",
    )
