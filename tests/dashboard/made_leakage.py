"""A grid of contrastive models as its job writes it, with numbers that are computed from the spaces it holds.

Nothing is trained: spaces are centres with noise, the noisier the cleaner pre-training and training are, so
that accuracies, silhouettes and similarities follow from them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.metrics import confusion_matrix, silhouette_score

from core.leakage import find_leaks
from core.similarity import literal_topological_similarity, neighborhood_overlap, topological_similarity
from jobs.datasets.importer import Imported
from jobs.specs.contrastive import ContrastiveGrid
from jobs.workspace.captions import captions_fingerprint, captions_of
from jobs.workspace.workspace import Dataset, Workspace
from tests.dashboard import made

FAMILIES = {
    "Animals": ("Dog bark", "Cat meow", "Cow moo", "Sheep bleat", "Rooster", "Owl"),
    "Nature": ("Rain", "Thunder", "Sea waves", "Wind", "Crackling fire", "Stream"),
    "Home": ("Door knock", "Clock alarm", "Vacuum cleaner", "Kettle", "Typing", "Glass"),
    "Street": ("Siren", "Train", "Helicopter", "Chainsaw", "Car horn", "Engine"),
}
TESTS = ("Cat meow", "Cow moo", "Owl", "Thunder", "Wind", "Clock alarm", "Kettle", "Siren", "Train", "Engine")
EPOCHS, DIM = 12, 24
#: How far test classes are pulled apart: by pre-training, then by training.
_PULL = {"dirty": 1.0, "clean": 0.55, "none": 0.2}
_MEET = {"dirty": 0.9, "clean": 0.5}


def leaking(root: Path, *, sounds: bool = True, per_class: int = 8, fails: str = "") -> Workspace:
    """Make a workspace of 24 classes in four families with captions, and a grid of six models of it.

    `fails` is the model that has failed, such as "none/clean".
    """
    found, dataset = captioned(root, sounds=sounds, per_class=per_class)
    grid_of(found, dataset, fails=fails)
    return found


def captioned(root: Path, *, sounds: bool = True, per_class: int = 8) -> tuple[Workspace, Dataset]:
    """Make the workspace without the grid: every clip has two captions, of every other clip one names it."""
    classes = {name: family for family, names in FAMILIES.items() for name in names}
    found, dataset = made.workspace(root, sounds=sounds, per_class=per_class, classes=classes)
    clips = dataset.clips
    rows = []
    for i, (clip, label) in enumerate(zip(clips["clip_id"], clips["label"], strict=True)):
        named = f"The {label.lower()} is heard twice, take {i}" if i % 2 else "Something loud, then quiet"
        rows += [(clip, named), (clip, "Recorded outside in the evening")]
    captions = pd.DataFrame(rows, columns=["clip_id", "caption"])
    imported = Imported(
        clips,
        dataset.classes,
        dataset.report,
        dataset.fingerprint,
        dataset.labels_fingerprint,
        captions=captions,
    )
    return found, found.add_dataset("small", imported, adapter="folder", root=dataset.root)


def spec_of(dataset: Dataset, **changes: Any) -> ContrastiveGrid:
    """Return the grid that `leaking` holds."""
    wanted: dict[str, Any] = {
        "dataset": dataset.ref,
        "labels": dataset.labels_fingerprint,
        "captions": captions_fingerprint(captions_of(dataset)),
        "identity": "minilm/test",
        "test_classes": TESTS,
        "dim": DIM,
        "max_epochs": EPOCHS,
        "frozen_epochs": 3,
    }
    return ContrastiveGrid(**(wanted | changes))


def grid_of(found: Workspace, dataset: Dataset, *, fails: str = "", **changes: Any) -> ContrastiveGrid:
    """Write a grid under its key."""
    spec = spec_of(dataset, **changes)
    rng = np.random.default_rng(spec.seed)
    clips = dataset.clips
    ids, label = clips["clip_id"].to_numpy(str), clips["label"].to_numpy(str)
    names = sorted(set(label.tolist()))
    tests = sorted(spec.test_classes)
    code = np.array([names.index(x) for x in label])
    tested = np.isin(label, tests) & (np.arange(len(label)) % 2 == 0)
    t_rows = np.array([names.index(x) for x in tests])
    captions = captions_of(dataset)
    training = captions[captions["clip_id"].isin(ids[~tested])].reset_index(drop=True)
    leaks = find_leaks(training["caption"], tests, mode=spec.leaks)
    leaks["clip_id"] = training["clip_id"].to_numpy(str)[leaks["row"].to_numpy()]
    leaking_clips = set(leaks["clip_id"])

    family = {name: i for i, members in enumerate(FAMILIES.values()) for name in members}
    centre = rng.normal(size=(len(names), DIM)) + np.array([1.5 * _one(family[n]) for n in names])
    x_t = 0.6 * centre[:, ::-1] + rng.normal(size=(len(names), DIM))
    x0 = {
        before: _PULL[before] * centre[code] + 1.2 * rng.normal(size=(len(code), DIM))
        for before in spec.pretraining
    }
    arrays: dict[str, np.ndarray] = {}
    models, by_class, predictions = [], [], []
    confusions = np.zeros((len(spec.names), len(tests), len(tests)), np.int64)
    curves = np.full((len(spec.names), 5, EPOCHS), np.nan, np.float32)
    at = 0
    for before in spec.pretraining:
        for then in spec.training:
            name = f"{before}/{then}"
            failed = "the loss is not finite in epoch 2." if name == fails else ""
            xa = x0[before] + 0.4 * rng.normal(size=x0[before].shape)
            meet = _MEET[then]
            Ea = _unit(xa + (1 - meet) * 2.0 * rng.normal(size=xa.shape))
            Et = _unit(meet * _PULL[before] * centre + 0.5 * x_t + 0.2 * rng.normal(size=x_t.shape))
            if failed:
                xa, Ea, Et = (np.full_like(v, np.nan) for v in (xa, Ea, Et))
            parts = {"xa": xa, "Ea": Ea}
            for part, X in parts.items():
                arrays[f"audio_{part}_{at}"] = X.astype(np.float32)
                arrays[f"map_{part}_{at}"] = _flat(X[tested])
            arrays[f"text_xt_{at}"], arrays[f"text_Et_{at}"] = x_t.astype(np.float32), Et.astype(np.float32)
            arrays[f"map_xt_{at}"], arrays[f"map_Et_{at}"] = _flat(x_t[t_rows]), _flat(Et[t_rows])
            row: dict[str, Any] = {"model": at, "name": name, "pretraining": before, "training": then}
            kept = training if then == "dirty" else training[~training["clip_id"].isin(leaking_clips)]
            n_clips = kept["clip_id"].nunique()
            row |= {
                "n_pairs": len(kept),
                "n_removed": len(training) - len(kept),
                "n_train_clips": n_clips - n_clips // 5,
                "n_validation_clips": n_clips // 5,
                "n_test": int(tested.sum()),
                "chance": 1 / len(tests),
                "epochs": EPOCHS - 2,
                "best_epoch": 0 if failed else 7,
                "temperature": np.nan if failed else 0.05,
                "stopped": "" if failed else "the validation loss stopped falling",
                "failed": failed,
            }
            if failed:
                row |= dict.fromkeys(_numbers(), np.nan)
            else:
                scores = Ea[tested] @ Et[t_rows].T
                truth = np.array([tests.index(x) for x in label[tested]])
                guess = scores.argmax(axis=1)
                hits = guess == truth
                low, high = stats.binomtest(int(hits.sum()), len(hits)).proportion_ci(method="wilson")
                row |= {"accuracy": hits.mean(), "accuracy_low": low, "accuracy_high": high}
                for part, X in parts.items():
                    row[f"silhouette_{part}"] = silhouette_score(X[tested], label[tested], metric="cosine")
                row |= _similar("xa_Ea", _means(xa, tested, label, tests), _means(Ea, tested, label, tests))
                row |= _similar("xt_Et", x_t[t_rows], Et[t_rows])
                row |= _similar("Ea_Et", _means(Ea, tested, label, tests), Et[t_rows])
                confusions[at] = confusion_matrix(truth, guess, labels=range(len(tests)))
                for i, c in enumerate(tests):
                    mine = truth == i
                    by_class.append((at, c, hits[mine].mean() if mine.any() else np.nan, int(mine.sum())))
                best = scores[np.arange(len(guess)), guess], scores[np.arange(len(guess)), truth]
                for clip, a, b, score, own in zip(ids[tested], truth, guess, *best, strict=True):
                    predictions.append((at, clip, tests[a], tests[b], score, own))
                epoch = np.arange(EPOCHS - 2)
                curves[at, :, : EPOCHS - 2] = [
                    3 * np.exp(-epoch / 4) + 0.5,
                    3 * np.exp(-epoch / 4) + 0.8 + 0.01 * (epoch - 6) ** 2,
                    0.07 - 0.002 * epoch,
                    np.where(epoch < spec.frozen_epochs, spec.frozen_rate, spec.rate),
                    2 + np.cos(epoch),
                ]
            models.append(row)
            at += 1
    frame = pd.DataFrame(models)
    pretraining = []
    for i, before in enumerate(spec.pretraining):
        arrays[f"audio_x0_{i}"] = x0[before].astype(np.float32)
        arrays[f"map_x0_{i}"] = _flat(x0[before][tested])
        removed = len(tests) if before == "clean" else 0
        pretraining.append(
            {
                "pretraining": before,
                "source": "random weights" if before == "none" else "trained here",
                "n_classes": 0 if before == "none" else len(names) - removed,
                "n_clips": 0 if before == "none" else int((~tested).sum()),
                "n_removed_classes": removed,
                "best_epoch": 0 if before == "none" else 3,
                "validation_accuracy": np.nan if before == "none" else 0.8,
                "silhouette_x0": silhouette_score(x0[before][tested], label[tested], metric="cosine"),
            }
        )
    arrays["text_x0"], arrays["map_xt0"] = x_t.astype(np.float32), _flat(x_t[t_rows])
    parted = np.where(tested, "test", "train")
    per_clip = captions.groupby("clip_id").size().reindex(ids, fill_value=0).to_numpy()
    with found.cache.writer(spec.key, spec=spec.to_json()) as w:
        w.table("models", frame)
        w.table("classes", pd.DataFrame(by_class, columns=["model", "label", "accuracy", "n_clips"]))
        columns = ["model", "clip_id", "label", "predicted", "score", "own_score"]
        w.table("predictions", pd.DataFrame(predictions, columns=columns))
        w.array("confusion", confusions)
        w.table("correlations", _correlations(frame))
        w.array("curves", curves)
        w.table("pretraining", pd.DataFrame(pretraining))
        w.array("pretrain_curves", _pretraining_curves(spec))
        w.table(
            "clips", pd.DataFrame({"clip_id": ids, "label": label, "part": parted, "n_captions": per_clip})
        )
        w.table("texts", pd.DataFrame({"id": names, "text": names, "test": np.isin(names, tests)}))
        for name, array in arrays.items():
            w.array(name, array)
        w.table("leaks", leaks[["caption", "clip_id", "label", "matched"]])
        left_out = pd.DataFrame({"label": tests, "test_class": tests, "matched": tests})
        w.table("label_leaks", left_out)
        w.meta.update(
            n_models=len(frame),
            n_failed=int((frame["failed"] != "").sum()),
            n_clips=len(ids),
            n_classes=len(names),
            n_test_classes=len(tests),
            n_test=int(tested.sum()),
            n_captions=len(captions),
            n_leaks=int(leaks["row"].nunique()),
            n_leaking_clips=len(leaking_clips),
            n_unnamed=int((np.isin(label, tests) & ~tested & ~np.isin(ids, list(leaking_clips))).sum()),
            test_classes=tests,
            prompts=list(spec.prompts),
            temperature_start=spec.temperature,
            maps={"Ea": "pca", "xa": "pca", "x0": "pca", "Et": "pca"},
            sizes=[DIM, DIM, DIM],
            seconds={"training": 61.0},
            recipe={},
            note="",
        )
    return spec


def _pretraining_curves(spec: ContrastiveGrid) -> np.ndarray:
    """Loss, accuracy, and both in validation, of what is trained; without one there is nothing."""
    epoch = np.arange(4)
    found = np.full((len(spec.pretraining), 4, len(epoch)), np.nan, np.float32)
    for row, before in enumerate(spec.pretraining):
        if before != "none":
            found[row] = [3 - epoch / 2, 0.2 * epoch, 3.2 - epoch / 2 + row, 0.2 * epoch]
    return found


def _one(family: int) -> np.ndarray:
    return np.eye(4, DIM)[family] * 2


def _unit(X: np.ndarray) -> np.ndarray:
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def _flat(X: np.ndarray) -> np.ndarray:
    """Principal components, by NumPy."""
    if not np.isfinite(X).all():
        return np.full((len(X), 2), np.nan, np.float32)
    left, size, _ = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
    return np.asarray((left * size)[:, :2], np.float32)


def _means(X: np.ndarray, tested: np.ndarray, label: np.ndarray, tests: list[str]) -> np.ndarray:
    return np.array([X[tested & (label == name)].mean(axis=0) for name in tests])


def _similar(name: str, X: np.ndarray, Y: np.ndarray) -> dict[str, Any]:
    curve = neighborhood_overlap(X, Y, include_self=False)
    found = topological_similarity(curve)
    literal = literal_topological_similarity(neighborhood_overlap(X, Y, include_self=True))
    key = f"overlap_{name}"
    return {
        key: found.adjusted,
        f"{key}_k": found.adjusted_k,
        f"{key}_plain": found.value,
        f"{key}_literal": literal.value,
    }


def _numbers() -> list[str]:
    pairs = [f"overlap_{p}" for p in ("xa_Ea", "xt_Et", "Ea_Et")]
    return [
        *("accuracy", "accuracy_low", "accuracy_high", "silhouette_xa", "silhouette_Ea"),
        *[f"{p}{ending}" for p in pairs for ending in ("", "_k", "_plain", "_literal")],
    ]


def _correlations(frame: pd.DataFrame) -> pd.DataFrame:
    good = frame[frame["failed"] == ""]
    rows = []
    for x in ("silhouette_Ea", "silhouette_xa", "overlap_Ea_Et"):
        for y in ("accuracy", "log_accuracy"):
            kept = good[good["accuracy"] > 0] if y == "log_accuracy" else good
            values = np.log(kept["accuracy"]) if y == "log_accuracy" else kept["accuracy"]
            r = stats.pearsonr(kept[x], values)
            low, high = r.confidence_interval()
            rows.append((x, y, r.statistic, r.pvalue, low, high, len(kept)))
    return pd.DataFrame(rows, columns=["x", "y", "r", "p", "low", "high", "n"])
