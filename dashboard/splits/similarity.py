"""The similarity of the classes of splits as matrices, and how many clusters the classes make."""

from __future__ import annotations

from functools import partial

import streamlit as st

from dashboard.kit import chart, layout
from dashboard.kit import classes as class_sets
from dashboard.kit.classes import Classes
from dashboard.separability import figures as separability_figures
from dashboard.splits import data as splits
from dashboard.splits import figures
from dashboard.splits.controls import PAPER, Pick
from jobs.specs import EmbedAudio


def show(embedding: EmbedAudio, classes: Classes, k: int, picks: list[Pick]) -> None:
    """Draw the matrix of each split in its order, and the elbow."""
    st.subheader("How similar the classes are, and how many clusters they make", anchor=False)
    codes = class_sets.clusters(classes, k)
    ordered = {}
    for p in picks:
        if p.shown is not None:
            names, sizes = splits.in_order(p.shown, classes, codes)
            ordered[p.letter] = names, sizes, splits.similarities(names, classes)
    # A matrix is as wide as it is high: the second column is another one's, or the elbow's.
    places = [*st.columns(2, gap="medium"), *st.columns(2, gap="medium")]
    # One scale for all, so that they can be compared.
    limits = splits.limits(values for *_, values in ordered.values())
    for place, (letter, (names, sizes, values)) in zip(places, ordered.items(), strict=False):
        with place:
            if len(picks) > 1:
                st.markdown(f"**Split {letter}**")
            chart.show(
                partial(figures.class_similarity_figure, names, values, sizes, limits=limits),
                remembered=("class-similarity", classes.key, tuple(names), tuple(sizes), limits),
                key=f"splits-matrix-{letter.lower()}",
                file=f"class-similarity-{embedding.dataset.name}-{embedding.encoder}-{letter}",
                csv=partial(splits.matrix_table, classes, names, sizes),
                alt=f"Cosine similarity of the {len(names)} classes of split {letter}, in its order",
            )
    if ordered:
        with places[0]:
            layout.reading(
                "Cosine similarity of every two centroids; yellow is alike. Classes are ordered by part, "
                "within it by cluster and name, in columns as in rows. The block where **training meets "
                "test** is what the similarity ratio changes, the block of **training with training** what "
                f"the ranges of the diversity setup change (sections 3.1 and 3.2 of {PAPER})."
            )
    with places[len(ordered)]:
        _elbow(embedding, classes)
    # Beside the elbow where that begins a line of its own, else below it.
    with places[3 if len(ordered) == 2 else len(ordered)]:
        layout.reading(
            "K-means on the centroids at unit length, as the clusters are made (section 3.1 of the paper, "
            "where the elbow gave K = 3). Inertia falls with K by itself; the elbow is where it lies "
            "farthest below the straight line between its ends (Satopää et al. 2011). The silhouette of the "
            "clusters, by cosine distance, is highest where they are tightest (Rousseeuw 1987)."
        )


def _elbow(embedding: EmbedAudio, classes: Classes) -> None:
    ks, inertia, silhouette, bend = splits.elbow(classes)
    chart.show(
        lambda theme: separability_figures.clusters_figure(
            ks, inertia, silhouette, of=f"{len(classes.names):,} classes", elbow=bend, theme=theme
        ),
        remembered=("class-elbow", classes.key),
        key="splits-elbow",
        file=f"class-elbow-{embedding.dataset.name}-{embedding.encoder}",
        csv=lambda: splits.elbow_table(classes),
        alt="Inertia and silhouette of K-means on the centroids over the number of clusters",
    )
