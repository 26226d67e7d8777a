"""Retrieval at the size of FSD50K's evaluation set against a loop over queries, in Python and in NumPy.

python -m benchmarks.retrieval --json retrieval.json
"""

from __future__ import annotations

import resource
import time

import numpy as np

from benchmarks.harness import arguments, best_of, machine, report
from core.processing import aggregate, fit_reducer
from core.retrieval import CUTOFFS, evaluate, systems


def collection(n: int, d: int, n_classes: int, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames (n · frames, d) of clips whose classes have parents, as an ontology's have, and who has what."""
    rng = np.random.default_rng(0)
    parents = [rng.integers(0, max(7, min(c, n_classes // 4))) if c >= 7 else -1 for c in range(n_classes)]
    often = rng.lognormal(0, 0.6, n_classes) * np.where(np.arange(n_classes) < n_classes // 4, 0.05, 1)
    relevance = np.zeros((n, n_classes), dtype=bool)
    for i in range(n):
        for chosen in rng.choice(n_classes, 1 + (rng.random() < 0.2), p=often / often.sum(), replace=False):
            c = int(chosen)
            while c >= 0:
                relevance[i, c] = True
                c = int(parents[c])
    centres = 0.12 * rng.standard_normal((n_classes, d)) * rng.lognormal(0, 0.5, (n_classes, 1))
    spread = rng.uniform(0.3, 1.5, d)
    clips = relevance @ centres + spread * rng.standard_normal((n, d))
    each = np.repeat(clips.astype(np.float32), frames, axis=0)
    return each + 0.5 * rng.standard_normal(each.shape, dtype=np.float32), relevance


def python_loop(X: np.ndarray, classes: list[set[int]], sizes: list[int], queries: list[int]) -> list[float]:
    """AP@15, AP@150 and R1 of some queries, for each of their classes, as one writes it from the paper."""
    figures = []
    lengths = [float(np.linalg.norm(x)) for x in X]
    for q in queries:
        scores = [float(np.dot(X[q], X[j])) / (lengths[q] * lengths[j]) for j in range(len(X))]
        ranking = sorted((j for j in range(len(X)) if j != q), key=lambda j: -scores[j])
        for c in sorted(classes[q]):
            relevant = [c in classes[j] for j in ranking]
            for n in CUTOFFS:
                hits, total = 0, 0.0
                for i in range(n):
                    if relevant[i]:
                        hits += 1
                        total += hits / (i + 1)
                figures.append(total / min(n, sizes[c]))
            figures.append(relevant.index(True))
    return figures


def numpy_loop(X: np.ndarray, relevance: np.ndarray, queries: list[int]) -> list[float]:
    """The same with NumPy for each query."""
    figures = []
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    sizes = relevance.sum(axis=0)
    for q in queries:
        scores = unit @ unit[q]
        scores[q] = -np.inf
        ranking = np.argsort(-scores, kind="stable")[:-1]
        for c in np.flatnonzero(relevance[q]):
            relevant = relevance[ranking, c]
            for n in CUTOFFS:
                shown = relevant[:n]
                precision = np.cumsum(shown) / np.arange(1, n + 1)
                figures.append((precision * shown).sum() / min(n, sizes[c]))
            figures.append(relevant.argmax())
    return figures


def grid(frames: np.ndarray, offsets: np.ndarray, relevance: np.ndarray) -> None:
    """All 27 systems, with what they share computed once, as the job does."""
    clips, aggregation, reducer = np.empty(0), "", None
    for processing, algorithm in systems():
        if processing.aggregation != aggregation:
            aggregation = processing.aggregation
            clips = aggregate(frames, offsets, aggregation)
            reducer = fit_reducer(clips, 200)
        assert reducer is not None
        p = processing.n_components
        evaluate(clips if p is None else reducer.keep(p).transform(clips), relevance, algorithm=algorithm)


def main() -> None:
    parser = arguments("Retrieval, timed.")
    parser.add_argument("--clips", type=int, default=10_231)
    parser.add_argument("--dimensions", type=int, default=512)
    parser.add_argument("--classes", type=int, default=200)
    parser.add_argument("--frames", type=int, default=8, help="of each clip, for the 27 systems")
    parser.add_argument("--sample", type=int, default=100, help="queries that the loops are timed on")
    options = parser.parse_args()
    n = options.clips
    frames, relevance = collection(n, options.dimensions, options.classes, options.frames)
    offsets = np.arange(n + 1) * options.frames
    X = aggregate(frames, offsets)
    sizes = relevance.sum(axis=0)
    relevance = relevance[:, sizes >= 2]
    classes = [set(np.flatnonzero(row).tolist()) for row in relevance]
    asking = [i for i in range(n) if classes[i]]
    sample = np.random.default_rng(1).choice(asking, options.sample, replace=False).tolist()
    of_all = len(asking) / len(sample)
    wide = X.astype(np.float64)

    judged = evaluate(X, relevance)
    rows = judged.queries.set_index("query")
    ours = np.concatenate([rows.loc[[q], ["ap@15", "ap@150", "r1"]].to_numpy().ravel() for q in sample])
    loop = python_loop(wide, classes, relevance.sum(axis=0).tolist(), sample)
    np.testing.assert_allclose(ours, loop, atol=1e-9)

    seconds = best_of(
        options.rounds,
        {
            "evaluate, mcss": lambda: evaluate(X, relevance),
            "evaluate, mips": lambda: evaluate(X, relevance, algorithm="mips"),
            "evaluate, nns": lambda: evaluate(X, relevance, algorithm="nns"),
            "Python loop": lambda: python_loop(wide, classes, relevance.sum(axis=0).tolist(), sample),
            "NumPy loop": lambda: numpy_loop(wide, relevance, sample),
        },
    )
    for name in ("Python loop", "NumPy loop"):
        seconds[f"{name}, from {len(sample)} queries"] = seconds.pop(name) * of_all
    start = time.perf_counter()
    grid(frames, offsets, relevance)
    seconds["27 systems, once"] = time.perf_counter() - start
    one = seconds["evaluate, mcss"]
    table = [{"what": name, "seconds": t, "this / evaluate, mcss": t / one} for name, t in seconds.items()]
    info = machine("numpy", "pandas", "numba")
    info["peak memory"] = f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB"
    asked = f"{len(judged.queries):,} queries of {len(judged.classes)} classes"
    macro = ", ".join(f"{name} {judged.macro[name]:.3f}" for name in ("map@15", "map@150", "mr1"))
    report(f"Retrieval in {n:,} × {options.dimensions}, {asked}: {macro}", table, info, options.json)


if __name__ == "__main__":
    main()
