"""How far two spaces of the same things agree: who is near whom at every scale, and CKA."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jobs.runners.labels import labelled
from jobs.specs import Agreement, EmbedAudio, EmbedText
from jobs.specs.measures import CLIP_KS

if TYPE_CHECKING:
    from jobs.engine.context import JobContext

#: Fewer things have no neighbourhoods to compare.
FEWEST = 3
#: Up to this many things are compared at every k.
EVERY_K = 2_500
#: Beyond, entries of a neighbour graph, but neighbours of each thing at least.
ENTRIES = 25_000_000
LEAST_K = 200


def agreement(spec: Agreement, context: JobContext) -> None:
    """Store the agreement of two spaces.

    CKA is that of the rows compared: of clips as the model gives them, of classes their means or texts.
    Debiased it needs four of them, and is None of three.

    Raises
    ------
    ValueError
        With one sentence: the labels have changed, or the spaces share fewer than three clips or classes.
    """
    from core.neighbors import neighbor_order
    from core.similarity import cka_both, overlap_from_neighbors, permutation_band

    ids, X, Y = _shared(spec, context)  # (n, d1), (n, d2)
    n = len(ids)
    k = largest_k(n)
    if k < n - 1:
        context.log(f"Compared for k up to {k:,} of the {n - 1:,} that {n:,} {spec.of} would allow.")
    context.progress(0, 1, f"{k:,} nearest of {n:,} {spec.of}")
    first = neighbor_order(X, k, metric=spec.metric_a)
    context.progress(0.1, 1, f"{k:,} nearest of {n:,} {spec.of}")
    second = neighbor_order(Y, k, metric=spec.metric_b)
    ks = np.arange(1, k + 1)
    context.progress(0.2, 1, "what they share")
    curve = overlap_from_neighbors(first, second, ks=ks)
    with_self = overlap_from_neighbors(first, second, ks=ks, include_self=True)

    def report(done: int, total: int) -> None:
        context.progress(0.2 + 0.7 * done / total, 1, f"{done:,} of {total:,} shuffled pairings")

    band = permutation_band(first, second, permutations=spec.permutations, seed=spec.seed, progress=report)
    context.progress(0.9, 1, "CKA")
    linear, rbf = cka_both(X, Y), cka_both(X, Y, kernel="rbf")
    clip_ks = np.array([size for size in CLIP_KS if size <= k], dtype=np.int64)
    with context.writer() as w:
        w.array("ks", curve.ks)
        w.array("overlap", curve.overlap)
        w.array("overlap_self", with_self.overlap)
        w.array("jaccard", curve.jaccard)
        w.array("chance", curve.chance)
        w.array("chance_self", with_self.chance)
        w.array("chance_jaccard", curve.chance_jaccard)
        w.array("adjusted", curve.adjusted)
        w.array("p_value", band.p_value)
        w.array("band", band.quantiles)
        w.array("clip_ks", clip_ks)
        w.array("overlap_samples", curve.samples(clip_ks).astype(np.float32))
        w.table("items", {"id": ids})
        w.meta.update(
            n=n,
            permutations=band.permutations,
            dimensions=[X.shape[1], Y.shape[1]],
            cka={
                "linear": linear[0],
                "linear_debiased": linear[1],
                "rbf": rbf[0],
                "rbf_debiased": rbf[1],
            },
        )
    context.progress(1, 1)


def largest_k(n: int) -> int:
    """Return up to which k n things are compared.

    Every k where they are at most `EVERY_K`. Beyond, a fifth of them, less where the graph would have more
    than `ENTRIES` entries, but at least `LEAST_K`.

    Examples
    --------
    >>> [largest_k(n) for n in (3, 2_500, 2_501, 20_000, 1_000_000)]
    [2, 2499, 500, 1250, 200]
    """
    if n <= EVERY_K:
        return n - 1
    return max(LEAST_K, min(n // 5, ENTRIES // n))


def _shared(spec: Agreement, context: JobContext) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return what both spaces hold, in the order of the first, and its rows in both."""
    (ids, X), (others, Y) = (
        _clips(space, context)
        if spec.of == "clips"
        else class_rows(space, spec.labels, context, vectors=spec.class_vectors)
        for space in (spec.a, spec.b)
    )
    where = {id: row for row, id in enumerate(others)}
    mine = [row for row, id in enumerate(ids) if id in where]
    shared = [ids[row] for row in mine]
    if len(shared) < FEWEST:
        raise ValueError(
            f"{_name(spec.a)} and {_name(spec.b)} have {len(shared) or 'none'} of their {spec.of} in common; "
            f"agreement needs at least {FEWEST}."
        )
    return shared, X[mine], Y[[where[id] for id in shared]]


def _clips(space: EmbedAudio | EmbedText, context: JobContext) -> tuple[list[str], np.ndarray]:
    artifact = context.open(space)
    return artifact.table("clips", ["clip_id"]).column("clip_id").to_pylist(), artifact.array("embeddings")


def class_rows(
    space: EmbedAudio | EmbedText, labels: str, context: JobContext, *, vectors: str = "raw"
) -> tuple[list[str], np.ndarray]:
    """Return the classes of a space in sorted order, and one row for each, (C, d).

    `vectors` is that of `core.splits.class_centroids`.
    """
    if isinstance(space, EmbedText):
        artifact = context.open(space)
        ids = artifact.table("texts", ["id"]).column("id").to_pylist()
        order = sorted(range(len(ids)), key=ids.__getitem__)
        return [ids[row] for row in order], artifact.array("embeddings")[order]
    from core.splits import class_centroids

    X, _, classes, _ = labelled(space, labels, context)
    if not (classes != "").any():
        return [], np.empty((0, X.shape[1]))
    names, means = class_centroids(X, classes, vectors=vectors)
    return list(names), means


def _name(space: EmbedAudio | EmbedText) -> str:
    return f"{space.dataset.name} · {space.encoder}"
