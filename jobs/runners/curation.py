"""Curate pairs by a two-tower model, train on them with hard and soft targets, and compare the accuracies."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from core.contrastive import CURVES, ContrastiveModel, ModelPlan, Teacher, Waveforms, train_towers
from core.curation import curate_by_threshold, curate_specific, curate_unspecific, domain_texts
from core.statistics import mean_interval, paired_difference, share_interval
from core.two_towers import ZeroShotResult, zero_shot
from jobs.runners.contrastive_data import Asked, dataset_of, read
from jobs.runners.contrastive_networks import text_vectors
from jobs.runners.zeroshot import Saved
from jobs.specs import ContrastiveGrid, CuratedTraining

if TYPE_CHECKING:
    from jobs.context import JobContext

#: Progress when the texts are embedded, and when all is trained.
_EMBEDDED, _TRAINED = 0.3, 0.98
#: Pairs beyond which a threshold is taken for a mistake.
_MOST_PAIRS = 2_000_000
#: The model before it is trained any further, among the kinds of targets.
UNCURATED = "uncurated"


class _Towers(NamedTuple):
    """Clips, captions and class names in the space of the model.

    Attributes
    ----------
    asked : Asked
        How the clips are divided.
    audio : (n, d) float32 array
        Of every clip of the dataset, at unit length; 0 where it has no embedding.
    text : (c, d) float32 array
        Of `asked.texts`, likewise.
    prompts : (T, d) float32 array
        Of the test classes, likewise.
    """

    asked: Asked
    audio: np.ndarray
    text: np.ndarray
    prompts: np.ndarray


class _Pool(NamedTuple):
    """What may be paired: rows of sounds and of texts, ascending, and the given pairs of both."""

    sounds: np.ndarray
    texts: np.ndarray
    given: np.ndarray


class _Curated(NamedTuple):
    """Pairs, (p, 2) rows of sound and text, with their cosines; and how many texts the method allows."""

    pairs: np.ndarray
    similarity: np.ndarray
    n_candidates: int


def curated_training(spec: CuratedTraining, context: JobContext) -> None:
    """Compute `CuratedTraining`; training goes on from its checkpoint when the process was killed.

    Raises
    ------
    ValueError
        With one sentence: labels, captions or the text encoder have changed, sounds and texts are not in one
        space, or too few or too many pairs are near enough.
    """
    begun = time.perf_counter()
    context.progress(0, 1, "embedding texts")
    towers = _towers(spec, context)
    pool = _pool(spec, towers.asked)
    context.progress(_EMBEDDED, 1, "curating")
    curated = _curated(spec, towers, pool)
    plans = [
        (targets, seed, ModelPlan(targets, "", curated.pairs, teacher=_teacher(spec, targets, towers)))
        for targets in spec.targets
        for seed in spec.seeds
    ]
    checkpoint = Saved(context.checkpoint / "training.npz")

    def report(done: float, total: float) -> None:
        checkpoint.share = done / total
        at = _EMBEDDED + (_TRAINED - _EMBEDDED) * checkpoint.share
        context.progress(at, 1, f"training {len(plans)} models: {checkpoint.share:.0%}")

    models = train_towers(
        [plan for *_, plan in plans],
        towers.audio,
        towers.text,
        recipe=spec.recipe,
        seeds=[seed for _, seed, _ in plans],
        progress=report,
        checkpoint=checkpoint,
    )
    for why in dict.fromkeys(model.failed for model in models if model.failed):
        context.log(why)
    context.progress(_TRAINED, 1, "judging")
    labels = towers.asked.labels[towers.asked.test].astype(str)
    before = zero_shot(towers.audio[towers.asked.test], towers.prompts, labels, towers.asked.tested)
    judged = [None if model.failed else _judged(model, towers, labels) for model in models]
    hits = {UNCURATED: _hits(before, len(labels))[None]}
    for i, targets in enumerate(spec.targets):
        mine = judged[i * spec.n_seeds : (i + 1) * spec.n_seeds]
        hits[targets] = np.stack([_hits(result, len(labels)) for result in mine])
    pairs = _pairs_table(towers, curated)
    with context.writer() as w:
        keys = [(targets, seed) for targets, seed, _ in plans]
        w.table("models", _models_table(keys, models, judged))
        w.table("accuracies", accuracies(hits))
        w.table("differences", differences(hits))
        w.table("pairs", pairs)
        w.array("curves", np.stack([[model.curves[name] for name in CURVES] for model in models]))
        w.meta.update(
            n_test=len(labels),
            n_test_classes=len(towers.asked.tested),
            test_classes=list(towers.asked.tested),
            chance=before.chance,
            n_pairs=len(pairs),
            n_sounds=len(np.unique(curated.pairs[:, 0])),
            n_texts=len(np.unique(curated.pairs[:, 1])),
            n_pool_sounds=len(pool.sounds),
            n_pool_texts=len(pool.texts),
            n_candidates=curated.n_candidates,
            same_class=float(pairs["same_class"].mean()),
            seconds=round(time.perf_counter() - begun, 2),
        )
    context.progress(1, 1)


def accuracies(hits: dict[str, np.ndarray]) -> pd.DataFrame:
    """Return ``accuracies.parquet`` of `CuratedTraining`.

    Parameters
    ----------
    hits : dict of str to (seeds, n) array
        1 for each test clip that a model takes right, else 0; NaN for a model that failed. One row for the
        uncurated model.
    """
    rows = []
    for targets, every in hits.items():
        right = every[np.isfinite(every[:, 0])]
        if targets == UNCURATED:
            i = share_interval(int(right.sum()), right.size)
        else:
            i = mean_interval(right.mean(axis=1), low=0, high=1)
        over = "clips" if targets == UNCURATED else "seeds"
        rows.append(
            {"targets": targets, "mean": i.value, "low": i.low, "high": i.high, "n": i.n, "over": over}
        )
    return pd.DataFrame(rows)


def differences(hits: dict[str, np.ndarray]) -> pd.DataFrame:
    """Return ``differences.parquet`` of `CuratedTraining`; `hits` as of `accuracies`.

    A seed of which one of both models failed is left out.
    """
    against = [(a, UNCURATED) for a in hits if a != UNCURATED]
    against += [(a, "hard") for a in hits if a not in (UNCURATED, "hard") and "hard" in hits]
    rows = []
    for a, b in against:
        x, y = np.broadcast_arrays(hits[a], hits[b])
        both = np.isfinite(x[:, 0] + y[:, 0])
        x, y = x[both], y[both]
        for over, axis in (("seeds", 1), ("clips", 0)):
            d = paired_difference(*((v.mean(axis=axis) if len(v) else []) for v in (x, y)))
            rows.append(
                {"a": a, "b": b, "mean": d.value, "low": d.low, "high": d.high, "p": d.p, "n": d.n}
                | {"over": over}
            )
    return pd.DataFrame(rows)


def _towers(spec: CuratedTraining, context: JobContext) -> _Towers:
    artifact = context.open(spec.embedding)
    X = np.asarray(artifact.array("embeddings"))
    row_of = {str(id): row for row, id in enumerate(artifact.table("clips").to_pandas()["clip_id"])}
    clips = dataset_of(spec.split, context.workspace).clips
    rows = np.array([row_of.get(str(id), -1) for id in clips["clip_id"]])
    usable = (rows >= 0) & np.isfinite(X[rows]).all(axis=1)
    audio = np.zeros((len(rows), X.shape[1]), dtype=np.float32)
    audio[usable] = X[rows[usable]]
    asked = read(spec.split, context.workspace, np.flatnonzero(~usable).tolist())
    text, prompts = _own_texts(spec, asked, context) or _embedded_texts(spec, asked, context)
    if text.shape[1] != audio.shape[1]:
        raise ValueError(
            f"{spec.embedding.encoder} embeds sounds in {audio.shape[1]} dimensions and {spec.text_encoder} "
            f"texts in {text.shape[1]}; they must be the two towers of one model, such as CLAP."
        )
    return _Towers(asked, _unit(audio), _unit(text), _unit(prompts))


def _unit(X: np.ndarray) -> np.ndarray:
    size = np.linalg.norm(X, axis=1, keepdims=True)
    return (X / np.where(size > 0, size, 1)).astype(np.float32)


def _own_texts(
    spec: CuratedTraining, asked: Asked, context: JobContext
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return captions and test classes as the training of the model has embedded them."""
    source = spec.embedding.source
    if not isinstance(source, ContrastiveGrid):
        return None
    artifact, model = context.open(source), spec.embedding.run.removeprefix("Ea_")
    classes = artifact.table("texts").to_pandas()
    prompts = np.asarray(artifact.array(f"text_Et_{model}"))[classes["test"].to_numpy(bool)]
    return np.asarray(artifact.array(f"caption_Et_{model}")), prompts


def _embedded_texts(
    spec: CuratedTraining, asked: Asked, context: JobContext
) -> tuple[np.ndarray, np.ndarray]:
    names = [spec.prompt.replace("{}", label.replace("_", " ")) for label in asked.tested]
    vectors = text_vectors(
        spec,
        [*asked.texts, *names],
        context.checkpoint,
        lambda done, total: context.progress(
            _EMBEDDED * done / total, 1, f"embedding texts: {done:,} of {total:,}"
        ),
    )
    return vectors[: len(asked.texts)], vectors[len(asked.texts) :]


def _pool(spec: CuratedTraining, asked: Asked) -> _Pool:
    given = np.unique(asked.pairs_of(spec.training), axis=0)
    usable = asked.part == "train"
    if spec.training == "clean":
        usable[np.unique(asked.pairs[~asked.clean, 0])] = False
    return _Pool(np.flatnonzero(usable), np.unique(given[:, 1]), given)


def _curated(spec: CuratedTraining, towers: _Towers, pool: _Pool) -> _Curated:
    audio, text = towers.audio[pool.sounds], towers.text[pool.texts]
    near = np.arange(len(pool.texts))
    if spec.method in ("specific", "augmented"):
        near = np.flatnonzero(domain_texts(text, domain=towers.prompts, threshold=spec.domain_threshold))
        if not len(near):
            raise ValueError(
                f"No caption has a cosine of {spec.domain_threshold:g} or more to a test class by "
                f"{spec.embedding.encoder}; the largest is {_largest(text, towers.prompts):.3f}: lower "
                "domain_threshold."
            )
    if spec.method == "specific":
        pairs = pool.given[np.isin(pool.given[:, 1], pool.texts[near])]
        similarity = np.einsum("ij,ij->i", towers.audio[pairs[:, 0]], towers.text[pairs[:, 1]])
        n_candidates = len(near)
    else:
        if spec.method == "nearest":
            chosen = curate_unspecific(audio, text, min(spec.k, len(text)))
        elif spec.method == "nearest-specific":
            captions = [towers.asked.texts[i] for i in pool.texts]
            chosen = curate_specific(
                audio,
                text,
                spec.k,
                captions=captions,
                domain_terms=[label.replace("_", " ") for label in towers.asked.tested],
                domain=towers.prompts,
                share=spec.share,
            )
        else:
            assert spec.threshold is not None
            chosen = curate_by_threshold(audio, text, spec.threshold, candidates=near)
        pairs = np.stack([pool.sounds[chosen.audio], pool.texts[chosen.text]], axis=1)
        similarity, n_candidates = chosen.similarity, len(chosen.candidates)
    n = len(np.unique(pairs[:, 0]))
    if n < 4:
        hint = ""
        if spec.threshold is not None:
            most = _largest(audio, text[near])
            hint = f" The largest cosine of a sound and a text is {most:.3f}: lower threshold."
        raise ValueError(
            f"{n} of {len(pool.sounds):,} sounds are in a pair by {spec.method}; at least 4 must be.{hint}"
        )
    if len(pairs) > _MOST_PAIRS:
        raise ValueError(f"{len(pairs):,} pairs are near enough, more than {_MOST_PAIRS:,}: raise threshold.")
    return _Curated(pairs, similarity, n_candidates)


def _largest(a: np.ndarray, b: np.ndarray) -> float:
    return float(curate_unspecific(a, b).similarity.max())


def _teacher(spec: CuratedTraining, targets: str, towers: _Towers) -> Teacher | None:
    if targets == "hard":
        return None
    return Teacher(towers.audio, towers.text, targets, beta=spec.beta, temperature=spec.target_temperature)


def _judged(model: ContrastiveModel, towers: _Towers, labels: np.ndarray) -> ZeroShotResult:
    test = towers.asked.test
    E_a = model.embed_audio(Waveforms(towers.audio, towers.audio.shape[1]), test)[1]
    return zero_shot(E_a, model.embed_text(towers.prompts)[1], labels, towers.asked.tested)


def _hits(result: ZeroShotResult | None, n: int) -> np.ndarray:
    if result is None:
        return np.full(n, np.nan)
    return (result.predictions == result.targets).astype(np.float64)


def _models_table(
    keys: list[tuple[str, int]], models: list[ContrastiveModel], judged: list[ZeroShotResult | None]
) -> pd.DataFrame:
    rows = []
    for (targets, seed), model, result in zip(keys, models, judged, strict=True):
        right = None if result is None else result.predictions == result.targets
        share = None if right is None else share_interval(int(right.sum()), len(right))
        rows.append(
            {
                "targets": targets,
                "seed": seed,
                "accuracy": np.nan if share is None else share.value,
                "accuracy_low": np.nan if share is None else share.low,
                "accuracy_high": np.nan if share is None else share.high,
                "epochs": model.epochs,
                "best_epoch": model.best_epoch,
                "temperature": model.temperature,
                "stopped": model.stopped,
                "failed": model.failed,
            }
        )
    return pd.DataFrame(rows)


def _pairs_table(towers: _Towers, curated: _Curated) -> pd.DataFrame:
    asked, (sounds, texts) = towers.asked, curated.pairs.T
    classes_of: dict[int, set[str]] = {}
    for sound, text in asked.pairs.tolist():
        classes_of.setdefault(text, set()).add(str(asked.labels[sound]))
    labels = asked.labels[sounds].astype(str)
    return pd.DataFrame(
        {
            "clip_id": asked.clip_ids[sounds].astype(str),
            "label": labels,
            "caption": [asked.texts[i] for i in texts.tolist()],
            "similarity": curated.similarity.astype(np.float64),
            "same_class": [
                label != "" and label in classes_of[text]
                for label, text in zip(labels, texts.tolist(), strict=True)
            ],
        }
    )
