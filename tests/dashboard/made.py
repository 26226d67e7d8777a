"""A small workspace made from the real code: sounds on disk, spaces and maps written through the cache.

The sounds are tones in noise, a pitch a class; the spaces are random features around a centre a class; their
neighbours and maps are computed by `core` and stored under the true keys, as jobs would.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile as sf
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import cdist
from scipy.stats import hypergeom, skew
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_samples, silhouette_score

from core.neighbors import knn
from core.projection import neighborhood_kept, project
from core.splits import (
    ClassSplit,
    ClassSplitSet,
    class_centroids,
    class_similarity,
    cluster_classes,
    diversity_splits,
    quantile_ranges,
    similarity_splits,
    split_to_json,
)
from jobs import presets as measures
from jobs.datasets.importer import Imported
from jobs.engine import inprocess
from jobs.specs import (
    CLIP_KS,
    Agreement,
    EmbedAudio,
    EmbedText,
    KMeansCurve,
    Neighbors,
    Project,
    Retrieval,
    RetrievalGrid,
    Spec,
    ZeroShotGrid,
)
from jobs.workspace.texts import texts_fingerprint, texts_of
from jobs.workspace.workspace import Dataset, Workspace

CLASSES = {
    "Dog bark": "Animals",
    "Rooster": "Animals",
    "Crow": "Animals",
    "Rain": "Nature",
    "Sea waves": "Nature",
    "Crackling fire": "Nature",
    "Helicopter": "Things",
    "Chainsaw": "Things",
}
RATE = 16_000
KEPT_KS = (5, 10, 15, 30, 50, 100)


def workspace(
    root: Path, *, per_class: int = 15, classes: dict[str, str] | None = None, sounds: bool = True
) -> tuple[Workspace, Dataset]:
    """Make a workspace with the dataset ``small``."""
    found = Workspace.open(root / "workspace")
    home = root / "sounds"
    rng = np.random.default_rng(0)
    rows = []
    for c, (label, family) in enumerate((classes or CLASSES).items()):
        for i in range(per_class):
            path = f"{label}/take {i:03d}.wav"
            rows.append(
                {
                    "clip_id": f"{label.lower().replace(' ', '-')}__take-{i:03d}",
                    "path": path,
                    "label": label,
                    "labels": [label],
                    "family": family,
                    "fold": i % 5 + 1,
                    "caption": None,
                    "duration": 1.5,
                    "sample_rate": RATE,
                    "channels": 1,
                    "sha256": hashlib.sha256(path.encode()).hexdigest(),
                    "loudness": float(rng.normal()),
                }
            )
            if sounds:
                (home / label).mkdir(parents=True, exist_ok=True)
                t = np.arange(int(1.5 * RATE)) / RATE
                tone = np.sin(2 * np.pi * 150 * 2 ** (c / 3) * t * (1 + 0.02 * i)) * np.exp(-2 * (t % 0.5))
                sf.write(home / path, (0.3 * tone + 0.02 * rng.normal(size=len(t))).astype(np.float32), RATE)
    home.mkdir(parents=True, exist_ok=True)
    clips = pd.DataFrame(rows)
    clips["fold"] = clips["fold"].astype("Int64")
    about = pd.DataFrame(
        {
            "label": list(classes or CLASSES),
            "family": list((classes or CLASSES).values()),
            "description": None,
        }
    )
    report = pd.DataFrame(
        {"path": ["Rain/empty.wav"], "status": ["left out"], "reason": ["the file holds no samples"]}
    )
    fingerprint = hashlib.sha256("".join(clips["clip_id"]).encode()).hexdigest()
    imported = Imported(clips, about, report, fingerprint, fingerprint)
    return found, found.add_dataset("small", imported, adapter="folder", root=home)


def space(
    found: Workspace, dataset: Dataset, encoder: str, *, seed: int, spread: float, d: int = 32
) -> EmbedAudio:
    """Write a space of the dataset and its neighbours."""
    spec = EmbedAudio(dataset=dataset.ref, encoder=encoder, identity=f"{encoder}/test")
    rng = np.random.default_rng(seed)
    clips = dataset.clips
    codes = clips["label"].astype("category").cat.codes.to_numpy()
    centres = rng.normal(size=(codes.max() + 1, d))
    X = (centres[codes] + spread * rng.normal(size=(len(clips), d))).astype(np.float32)
    with found.cache.writer(spec.key, spec=spec.to_json()) as w:
        w.array("embeddings", X)
        w.table("clips", {"clip_id": clips["clip_id"].tolist()})
        w.table("excluded", {"clip_id": pd.Series([], dtype=str), "reason": pd.Series([], dtype=str)})
    graph = Neighbors(embedding=spec)
    indices, distances = knn(X, min(graph.k, len(X) - 1))
    with found.cache.writer(graph.key, spec=graph.to_json()) as w:
        w.array("indices", indices.astype(np.int32))
        w.array("distances", distances.astype(np.float32))
    return spec


def map_of(found: Workspace, embedding: EmbedAudio, method: str = "tsne", *, judged: bool = True) -> Project:
    """Write a map under the key of `method`; its coordinates are PCA's, which is quick."""
    spec = Project(embedding=embedding, method=method)
    assert spec.neighbors is not None
    X = np.asarray(found.cache.open(embedding.key).array("embeddings"))
    indices = np.asarray(found.cache.open(spec.neighbors.key).array("indices"))
    coords = project(X, "pca").astype(np.float32)
    ks = np.asarray([k for k in KEPT_KS if k <= indices.shape[1]], np.int64)
    if judged:
        kept = neighborhood_kept(indices, coords, ks)
    else:
        kept = np.random.default_rng(0).random((len(X), len(ks)))
    with found.cache.writer(spec.key, spec=spec.to_json()) as w:
        w.array("coords", coords)
        w.array("kept", kept.astype(np.float32))
        w.array("kept_ks", ks)
    return spec


def small(root: Path) -> Workspace:
    """Make the workspace that most tests look at: two spaces with maps, two without."""
    found, dataset = workspace(root)
    for i, encoder in enumerate(("aisfx", "melstats")):
        map_of(found, space(found, dataset, encoder, seed=i, spread=0.7 + 0.5 * i))
    return found


def texts_space(found: Workspace, dataset: Dataset, *, seed: int = 0, d: int = 16) -> EmbedText:
    """Write a space of the names of the classes."""
    texts = texts_of(dataset, "label")
    spec = EmbedText(
        dataset=dataset.ref, texts=texts_fingerprint(texts), encoder="minilm", identity="minilm/test"
    )
    with found.cache.writer(spec.key, spec=spec.to_json()) as w:
        w.array("embeddings", np.random.default_rng(seed).normal(size=(len(texts), d)).astype(np.float32))
        w.table("texts", texts)
    return spec


def agreement_of(
    found: Workspace,
    dataset: Dataset,
    a: EmbedAudio | EmbedText,
    b: EmbedAudio | EmbedText,
    of: str = "clips",
    *,
    permutations: int = 20,
) -> Agreement:
    """Write the agreement of two spaces under its key, from plain sets of neighbours."""
    labels = dataset.labels_fingerprint if of == "classes" else ""
    spec = Agreement(a=a, b=b, of=of, labels=labels, permutations=measures.PAIRINGS[of])
    vectors = [_vectors(found, dataset, s, of) for s in (spec.a, spec.b)]
    ids = sorted(set(vectors[0]) & set(vectors[1]), key=list(vectors[0]).index)
    X, Y = (np.asarray([v[i] for i in ids], dtype=float) for v in vectors)
    n = len(ids)
    near = [_lists(Z) for Z in (X, Y)]  # (n, n - 1) each, nearest first
    ks = np.arange(1, n)
    common = np.asarray(
        [[len(set(p[:k]) & set(q[:k])) for k in ks] for p, q in zip(*[x.tolist() for x in near], strict=True)]
    )
    overlap = (common / ks).mean(axis=0)
    overlap_self = ((1 + np.concatenate([np.zeros((n, 1)), common[:, :-1]], axis=1)) / ks).mean(axis=0)
    chance = ks / (n - 1)
    room = np.where(chance < 1, 1 - chance, 1)
    rng = np.random.default_rng(0)
    shuffled = np.asarray([_shuffled(near, rng.permutation(n), ks) for _ in range(permutations)])
    nothing = np.full(len(ks), np.nan)
    clip_ks = np.asarray([k for k in CLIP_KS if k < n], np.int64)
    with found.cache.writer(spec.key, spec=spec.to_json()) as w:
        w.array("ks", ks.astype(np.int64))
        w.array("overlap", overlap)
        w.array("overlap_self", overlap_self)
        w.array("jaccard", (common / (2 * ks - common)).mean(axis=0))
        w.array("chance", chance)
        w.array("chance_self", (1 + (ks - 1) ** 2 / (n - 1)) / ks)
        w.array("chance_jaccard", _chance_jaccard(ks, n))
        w.array("adjusted", np.where(chance < 1, (overlap - chance) / room, 0.0))
        w.array(
            "p_value",
            (1 + (shuffled >= overlap).sum(axis=0)) / (1 + permutations) if permutations else nothing,
        )
        w.array(
            "band",
            np.quantile(shuffled, [0.025, 0.5, 0.975], axis=0).T
            if permutations
            else np.full((len(ks), 3), np.nan),
        )
        w.array("clip_ks", clip_ks)
        w.array("overlap_samples", (common[:, clip_ks - 1] / clip_ks).astype(np.float32))
        w.table("items", {"id": ids})
        w.meta.update(
            n=n,
            permutations=permutations,
            dimensions=[X.shape[1], Y.shape[1]],
            cka={"linear": 0.5, "linear_debiased": 0.25, "rbf": 0.375, "rbf_debiased": -0.125},
        )
    return spec


def _vectors(
    found: Workspace, dataset: Dataset, spec: EmbedAudio | EmbedText, of: str
) -> dict[str, np.ndarray]:
    artifact = found.cache.open(spec.key)
    X = np.asarray(artifact.array("embeddings"), dtype=float)
    if isinstance(spec, EmbedText):
        return dict(zip(artifact.table("texts").column("id").to_pylist(), X, strict=True))
    names = artifact.table("clips").column("clip_id").to_pylist()
    if of == "clips":
        return dict(zip(names, X, strict=True))
    label = dict(zip(dataset.clips["clip_id"], dataset.clips["label"], strict=True))
    mine = np.asarray([label[i] for i in names])
    return {c: X[mine == c].mean(axis=0) for c in sorted(set(mine.tolist()))}


def _lists(X: np.ndarray) -> np.ndarray:
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    order = np.argsort(np.round(1 - unit @ unit.T, 12), axis=1, kind="stable")
    return np.asarray([[j for j in row if j != i] for i, row in enumerate(order.tolist())])


def _shuffled(near: list[np.ndarray], order: np.ndarray, ks: np.ndarray) -> np.ndarray:
    """S_k where the things of the second space change their names."""
    n = len(order)
    ranks = [np.argsort(np.column_stack([np.arange(n), x]), axis=1) for x in near]  # 0 is the point itself
    later = np.maximum(ranks[0], ranks[1][np.ix_(order, order)])
    counts = np.asarray([np.bincount(row, minlength=n) for row in later])
    counts[:, 0] = 0
    return (np.cumsum(counts, axis=1)[:, 1:] / ks).mean(axis=0)


def _chance_jaccard(ks: np.ndarray, n: int) -> np.ndarray:
    values = []
    for k in ks.tolist():
        common = np.arange(k + 1)
        share = hypergeom(n - 1, k, k).pmf(common)
        values.append(float((share * common / (2 * k - common)).sum()))
    return np.asarray(values)


def agreeing(root: Path, *, sounds: bool = True, per_class: int = 15) -> Workspace:
    """Make a workspace of three spaces of sounds and one of texts, all compared: by clips and by classes."""
    found, dataset = workspace(root, sounds=sounds, per_class=per_class)
    audio = [
        space(found, dataset, encoder, seed=i, spread=0.7 + 0.5 * i)
        for i, encoder in enumerate(("aisfx", "handcrafted", "melstats"))
    ]
    texts = texts_space(found, dataset)
    for a, b in combinations(audio, 2):
        agreement_of(found, dataset, a, b)
    for x, y in combinations([*audio, texts], 2):
        agreement_of(found, dataset, x, y, "classes")
    return found


def measures_of(found: Workspace, dataset: Dataset, embedding: EmbedAudio) -> list[Spec]:
    """Write what is measured of a space, by scikit-learn, SciPy and plain NumPy.

    The local dimension is not computed, the classifiers are votes of three neighbours and the truth.
    """
    specs = measures.of_space(dataset, embedding)
    artifact = found.cache.open(embedding.key)
    X = np.asarray(artifact.array("embeddings"), float)
    table = dataset.clips.set_index("clip_id").loc[artifact.table("clips").column("clip_id").to_pylist()]
    named = table["label"].notna().to_numpy()
    y = table["label"].to_numpy(object)
    classes = sorted(set(y[named]))
    cosine = cdist(X, X, "cosine")
    silhouettes = {m: _silhouettes(X, y, named, m) for m in ("cosine", "euclidean", "sqeuclidean")}
    pairs = {
        (a, b): np.array(
            [cosine[i, j] for i in np.flatnonzero(y == a) for j in np.flatnonzero(y == b) if a != b or i < j]
        )
        for a in classes
        for b in classes
    }
    mean, sd = (
        np.array([[f(pairs[a, b]) if len(pairs[a, b]) else np.nan for b in classes] for a in classes])
        for f in (np.mean, np.std)
    )
    order = np.arange(len(classes))
    if len(classes) > 2:
        apart = mean[np.triu_indices(len(classes), 1)]
        order = leaves_list(linkage(apart, "average", optimal_ordering=True))
    d = np.concatenate([pairs[c, c] for c in classes]) ** 2
    e = np.concatenate([np.empty(0), *((1 - pairs[a, b]) ** 2 for a, b in pairs if a < b)])
    nearest = np.argsort(cosine + np.diag(np.full(len(X), np.inf)), axis=1)
    ks = [k for k in CLIP_KS if k < len(X)]
    occurrence = np.column_stack([np.bincount(nearest[:, :k].ravel(), minlength=len(X)) for k in ks])
    share = np.linalg.svd(X - X.mean(0), compute_uv=False)
    share = share / share.sum()
    with found.cache.writer(specs[0].key, spec=specs[0].to_json()) as w:
        for metric, values in silhouettes.items():
            w.array(f"silhouette_{metric}", values)
        w.array("class_mean", mean)
        w.array("class_sd", sd)
        w.array("class_cv", sd / mean)
        w.array("class_order", order.astype(np.int64))
        w.table(
            "classes",
            {
                "label": classes,
                "n_clips": [int((y == c).sum()) for c in classes],
                "silhouette_cosine": [silhouettes["cosine"][y == c].mean() for c in classes],
            },
        )
        w.array("occurrence", occurrence)
        w.array("ks", np.asarray(ks, np.int64))
        w.array("dimension", np.full(len(X), 5.0))
        w.meta.update(
            n_clips=int(named.sum()),
            n_classes=len(classes),
            properties={
                "intra_class_clustering": float(d.mean()),
                "intra_class_equidistance": float(d.std(ddof=1)),
                "inter_class_separation": float(e.mean()) if len(e) else None,
                "inter_class_equidistance": float(e.std(ddof=1)) if len(e) else None,
            },
            effective_rank=float(np.exp(-(share * np.log(share)).sum())),
            hubness={str(k): float(skew(occurrence[:, i])) for i, k in enumerate(ks)},
            intrinsic_dimension=5.0,
        )
    votes = [max(sorted(set(v)), key=list(v).count) for v in y.astype(str)[nearest[:, :3]][named]]
    truth = y[named].tolist()
    with found.cache.writer(specs[1].key, spec=specs[1].to_json()) as w:
        columns = {"clip_id": table.index[named].tolist(), "label": truth, "knn": votes, "probe": truth}
        w.table("predictions", columns | {"fold": [0] * len(truth)})
        w.meta.update(n_clips=len(truth), n_classes=len(classes), k=3, folds="drawn", accuracy={})
    for spec in specs[2:]:
        assert isinstance(spec, KMeansCurve)
        unit = X / np.linalg.norm(X, axis=1, keepdims=True)
        runs = [KMeans(k, n_init=1, random_state=0).fit(unit) for k in spec.ks]
        with found.cache.writer(spec.key, spec=spec.to_json()) as w:
            w.array("ks", np.asarray(spec.ks, np.int64))
            w.array("inertia", np.array([r.inertia_ for r in runs]))
            w.array("silhouette", np.array([silhouette_score(unit, r.labels_) for r in runs]))
            w.meta.update(n_clips=len(X), elbow=int(spec.ks[1]))
    return specs


def _silhouettes(X: np.ndarray, y: np.ndarray, named: np.ndarray, metric: str) -> np.ndarray:
    values = np.full(len(X), np.nan)
    if len(set(y[named])) > 1:
        values[named] = silhouette_samples(X[named], y[named].astype(str), metric=metric)
    return values


def retrieved(
    found: Workspace, dataset: Dataset, embedding: EmbedAudio, *, by: str = "label", count_query: bool = True
) -> Retrieval:
    """Judge the retrieval of a space as a job does, in this process."""
    asked = measures.of_retrieval(dataset, embedding, count_query=count_query)
    spec = next(s for s in asked if s.by == by)
    assert inprocess.run(found, spec).state == "done"
    return spec


def systems_of(found: Workspace, dataset: Dataset, embedding: EmbedAudio) -> RetrievalGrid:
    """Judge every system of a space as a job does, in this process."""
    spec = RetrievalGrid(embedding=embedding, labels=dataset.labels_fingerprint)
    assert inprocess.run(found, spec).state == "done"
    return spec


def framed(found: Workspace, dataset: Dataset, encoder: str, *, seed: int, d: int = 8) -> EmbedAudio:
    """Write a space whose clips have three frames each, spread around a centre a class."""
    spec = EmbedAudio(dataset=dataset.ref, encoder=encoder, identity=f"{encoder}/test")
    rng = np.random.default_rng(seed)
    codes = dataset.clips["label"].astype("category").cat.codes.to_numpy()
    centres = rng.normal(size=(codes.max() + 1, d))
    frames = (np.repeat(centres[codes], 3, axis=0) + rng.normal(size=(3 * len(codes), d))).astype(np.float32)
    with found.cache.writer(spec.key, spec=spec.to_json()) as w:
        w.array("embeddings", frames.reshape(-1, 3, d).mean(axis=1))
        w.array("frames", frames)
        w.array("offsets", np.arange(0, len(frames) + 1, 3))
        w.table("clips", {"clip_id": dataset.clips["clip_id"].tolist()})
        w.table("excluded", {"clip_id": pd.Series([], dtype=str), "reason": pd.Series([], dtype=str)})
    return spec


def retrieving(root: Path, *, sounds: bool = True, per_class: int = 12) -> Workspace:
    """Make a workspace of three spaces, two of them judged, one of those by every system."""
    found, dataset = workspace(root, sounds=sounds, per_class=per_class)
    for i, encoder in enumerate(("aisfx", "melstats")):
        retrieved(
            found, dataset, space(found, dataset, encoder, seed=i, spread=0.9 + 0.6 * i, d=120 if i else 16)
        )
    spec = framed(found, dataset, "handcrafted", seed=2)
    systems_of(found, dataset, spec)
    return found


def credited(found: Workspace, dataset: Dataset) -> Dataset:
    """Say in the clip table whose sounds these are, and what files hold, so that they can be embedded."""
    clips = dataset.clips.copy()
    files = [dataset.root / path for path in clips["path"]]
    if all(f.exists() for f in files):
        clips["sha256"] = [hashlib.sha256(f.read_bytes()).hexdigest() for f in files]
    clips["author"] = [f"recordist {i}" for i in range(len(clips))]
    clips["license"] = "CC BY 4.0"
    clips["url"] = [f"https://example.org/{i}" if i % 2 else None for i in range(len(clips))]
    imported = Imported(
        clips, dataset.classes, dataset.report, dataset.fingerprint, dataset.labels_fingerprint
    )
    return found.add_dataset(dataset.name, imported, adapter="folder", root=dataset.root)


def listening(root: Path, *, sounds: bool = True, per_class: int = 15) -> Workspace:
    """Make a workspace of four spaces, one of them the untrained control; two can be reduced to 100."""
    found, dataset = workspace(root, sounds=sounds, per_class=per_class)
    dataset = credited(found, dataset)
    for i, (encoder, d) in enumerate(
        (("aisfx", 128), ("handcrafted", 32), ("melstats", 110), ("random-cnn", 16))
    ):
        space(found, dataset, encoder, seed=i, spread=0.7 + i, d=d)
    return found


def zero_shot_of(found: Workspace, spec: ZeroShotGrid, *, fails: int = 0) -> ZeroShotGrid:
    """Write a grid without training: clips are taken for their class more often at higher ratios.

    The last `fails` models have failed.
    """
    dataset = found.dataset_for(spec.embedding.dataset)
    artifact = found.cache.open(spec.embedding.key)
    X = np.asarray(artifact.array("embeddings"), float)
    ids = artifact.table("clips").column("clip_id").to_pylist()
    label = dataset.clips.set_index("clip_id")["label"].loc[ids].to_numpy(str)
    names, centroids = class_centroids(X, label)
    similarity, clusters = class_similarity(centroids), cluster_classes(centroids, spec.clusters)
    counts = {name: int((label == name).sum()) for name in names}
    seeds = range(spec.seeds)
    drawn: Sequence[ClassSplit | ClassSplitSet]
    if spec.setup == "similarity":
        drawn = similarity_splits(names, clusters, ratios=spec.ratios, seeds=seeds, sizes=spec.sizes)
    elif spec.setup == "diversity":
        ranges = spec.asked_ranges or quantile_ranges(
            similarity, spec.n_ranges, sizes=spec.sizes, n_test_sets=spec.n_test_sets
        )
        drawn = diversity_splits(
            names,
            similarity,
            ranges=ranges,
            seeds=seeds,
            sizes=spec.sizes,
            n_test_sets=spec.n_test_sets,
        )
    else:
        drawn = [split for split in spec.parsed_splits for _ in seeds]
    rng = np.random.default_rng(0)
    models, classes, clips = [], [], []
    at = {name: i for i, name in enumerate(names)}
    for m, split in enumerate(drawn):
        failed = "loss is NaN in epoch 2 of seed 0." if m >= len(drawn) - fails else ""
        info = split.info if spec.setup != "splits" else {}
        judged = [split] if isinstance(split, ClassSplit) else split.splits()
        among = similarity[np.ix_(*[[at[c] for c in split.train]] * 2)]
        for t, one in enumerate(judged):
            rows = np.flatnonzero(np.isin(label, one.test))
            right = rng.random(len(rows)) < 0.3 + 0.4 * info.get("ratio", 0.5)
            guess = np.where(right, label[rows], rng.choice(one.test, len(rows)))
            scores = rng.uniform(-0.5, 0.5, (len(rows), len(one.test))).astype(np.float32)
            code = {name: i for i, name in enumerate(one.test)}
            scores[np.arange(len(rows)), [code[g] for g in guess]] = 0.75
            hits = guess == label[rows]
            near = np.mean([clusters[at[c]] == info.get("cluster") for c in one.train])
            across = similarity[np.ix_([at[c] for c in one.train], [at[c] for c in one.test])]
            seed = int(info.get("seed", m % spec.seeds))
            cluster = info.get("cluster")
            models.append(
                {
                    "model": m,
                    "test_set": t,
                    "setup": spec.setup,
                    "cluster": cluster,
                    "ratio": near if "ratio" in info else None,
                    "asked_ratio": info.get("ratio"),
                    "low": info.get("low"),
                    "high": info.get("high"),
                    "split": m // spec.seeds if spec.setup == "splits" else None,
                    "seed": seed,
                    "block": f"seed {seed}" if cluster is None else f"cluster {cluster}, seed {seed}",
                    "accuracy": np.nan if failed else float(hits.mean()),
                    "accuracy_low": np.nan if failed else float(max(0, hits.mean() - 0.1)),
                    "accuracy_high": np.nan if failed else float(min(1, hits.mean() + 0.1)),
                    "n_test": 0 if failed else len(rows),
                    "chance": 1 / len(one.test),
                    "validation_accuracy": np.nan if failed else 0.5,
                    "best_epoch": 0 if failed else spec.epochs,
                    "train_test_similarity": float(across.mean()),
                    "mean_similarity": float(among[np.triu_indices(len(among), 1)].mean()),
                    "failed": failed,
                }
            )
            for part in ("train", "validation", "test"):
                for name in getattr(one, part):
                    share = hits[label[rows] == name].mean() if part == "test" and not failed else np.nan
                    classes.append((m, t, name, part, share, counts[name]))
            if not failed:
                for r, g, s in zip(rows, guess, scores, strict=True):
                    own = float(s[code[label[r]]])
                    clips.append((m, t, ids[r], label[r], g, float(s[code[g]]), own, s.tolist()))
    frame = pd.DataFrame(models).astype(
        {
            "cluster": "Int64",
            "split": "Int64",
            "ratio": "Float64",
            "asked_ratio": "Float64",
            "low": "Float64",
            "high": "Float64",
        }
    )
    family = dict(zip(dataset.classes["label"], dataset.classes["family"], strict=True))
    curves = np.linspace(1, 0.1, spec.epochs) * np.array([3, 0.5, 0.4])[:, None]
    with found.cache.writer(spec.key, spec=spec.to_json()) as w:
        w.table("models", frame)
        w.table(
            "classes",
            pd.DataFrame(classes, columns=["model", "test_set", "label", "part", "accuracy", "n_clips"]),
        )
        columns = ["model", "test_set", "clip_id", "label", "predicted", "score", "own_score", "scores"]
        w.table("predictions", pd.DataFrame(clips, columns=columns))
        texts = [split_to_json(s, compact=True) for s in drawn]
        w.table("splits", {"model": range(len(drawn)), "text": texts})
        w.array("curves", np.repeat(curves[None], len(drawn), axis=0).astype(np.float32))
        w.table(
            "names",
            {
                "label": list(names),
                "n_clips": [counts[n] for n in names],
                "text": list(names),
                "family": [family[n] for n in names],
            },
        )
        w.array("similarity", similarity)
        w.array("clusters", clusters)
        sizes = None if spec.setup == "splits" else [spec.n_train, spec.n_validation, spec.n_test]
        w.meta.update(n_models=len(drawn), n_failed=fails, n_classes=len(names), sizes=sizes, note="")
    return spec


def zero_shot(root: Path, *, sounds: bool = True, per_class: int = 6) -> Workspace:
    """Make a workspace of 24 classes in three groups, with a grid of either setup of one of two spaces."""
    groups = ("Animals", "Nature", "Things")
    classes = {f"{group.rstrip('s')} {chr(65 + i)}": group for group in groups for i in range(8)}
    found, dataset = workspace(root, sounds=sounds, per_class=per_class, classes=classes)
    rng = np.random.default_rng(5)
    d = 16
    middle = {group: 2 * rng.normal(size=d) for group in groups}
    labels = dataset.clips["label"]
    named = zip(dict.fromkeys(labels), classes.values(), strict=True)
    centre = {name: middle[group] + rng.normal(size=d) for name, group in named}
    for encoder in ("aisfx", "melstats"):
        spec = EmbedAudio(dataset=dataset.ref, encoder=encoder, identity=f"{encoder}/test")
        X = np.array([centre[name] for name in labels]) + 0.5 * rng.normal(size=(len(labels), d))
        with found.cache.writer(spec.key, spec=spec.to_json()) as w:
            w.array("embeddings", X.astype(np.float32))
            w.table("clips", {"clip_id": dataset.clips["clip_id"].tolist()})
            w.table("excluded", {"clip_id": pd.Series([], dtype=str), "reason": pd.Series([], dtype=str)})
    shared: dict[str, Any] = {
        "embedding": EmbedAudio(dataset=dataset.ref, encoder="aisfx", identity="aisfx/test"),
        "text": texts_space(found, dataset),
        "labels": dataset.labels_fingerprint,
        "n_train": 4,
        "n_validation": 1,
        "n_test": 3,
        "seeds": 4,
        "epochs": 5,
    }
    zero_shot_of(found, ZeroShotGrid(setup="diversity", n_ranges=3, n_test_sets=2, **shared))
    zero_shot_of(found, ZeroShotGrid(setup="similarity", ratios=(1.0, 0.5, 0.0), **shared), fails=1)
    return found
