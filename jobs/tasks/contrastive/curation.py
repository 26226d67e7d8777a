"""Curate pairs by a two-tower model, train on them with hard and soft targets, and compare the accuracies."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from core.contrastive import CURVES, ContrastiveModel, ModelPlan, Teacher, Waveforms, train_towers
from core.curation import curate_by_threshold, curate_specific, curate_unspecific, domain_texts
from core.statistics import mean_interval, paired_difference, share_interval
from core.words import count
from core.zeroshot import zero_shot
from jobs.engine.training import TrainingFolder, reporter
from jobs.specs import ContrastiveGrid, CuratedTraining
from jobs.tasks.contrastive.data import Clips, dataset_of, read
from jobs.tasks.contrastive.networks import text_vectors
from jobs.tasks.curated_training import UNCURATED, Result

if TYPE_CHECKING:
    from jobs.engine.context import JobContext

#: Progress when the texts are embedded, and when all is trained.
_EMBEDDED, _TRAINED = 0.3, 0.98


class _Material(NamedTuple):
    """Clips, captions and class names in the space of the model, at unit length, and what may be paired."""

    clips: Clips  # how the clips are divided
    audio: np.ndarray  # (n, d): every clip of the dataset; 0 where it has no embedding
    text: np.ndarray  # (c, d): `clips.texts`
    prompts: np.ndarray  # (T, d): the test classes
    sounds: np.ndarray  # rows of `audio` that may be paired
    texts: np.ndarray  # rows of `text` that may be paired
    given: np.ndarray  # (p, 2): pairs of both that the dataset has


def curate_and_train(spec: CuratedTraining, context: JobContext) -> Result:
    """Compute `CuratedTraining`; see `jobs.tasks.curated_training.run`."""
    started = time.perf_counter()
    context.progress(0, 1, "embedding texts")
    material = _material(spec, context)
    context.progress(_EMBEDDED, 1, "curating")
    pairs, similarity, n_candidates = _curate(spec, material)
    models = _train(spec, material, pairs, context)
    context.progress(_TRAINED, 1, "judging")
    clips = material.clips
    labels = clips.test_labels
    before = zero_shot(material.audio[clips.test], material.prompts, labels, clips.tested)
    right = np.stack([_right(model, material, labels) for model in models])
    hits = {UNCURATED: (before.predictions == before.targets)[None]}
    hits |= zip(spec.targets, np.split(right, len(spec.targets)), strict=True)
    table = _pairs_table(clips, pairs, similarity)
    return Result(
        models={
            "targets": [model.plan.name for model in models],
            "seed": [model.seed for model in models],
            "accuracy": right.mean(axis=1),
            **{
                name: [getattr(model, name) for model in models]
                for name in ("epochs", "best_epoch", "temperature", "stopped", "failed")
            },
        },
        accuracies=accuracies(hits),
        differences=differences(hits),
        pairs=table,
        curves=np.stack([[model.curves[name] for name in CURVES] for model in models]),
        n_test=len(labels),
        n_test_classes=len(clips.tested),
        test_classes=list(clips.tested),
        chance=before.chance,
        n_pairs=len(pairs),
        n_sounds=len(np.unique(pairs[:, 0])),
        n_texts=len(np.unique(pairs[:, 1])),
        n_pool_sounds=len(material.sounds),
        n_pool_texts=len(material.texts),
        n_candidates=n_candidates,
        same_class=float(np.mean(table["same_class"])),
        seconds=round(time.perf_counter() - started, 2),
    )


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
            i, over = share_interval(int(right.sum()), right.size), "clips"
        else:
            i, over = mean_interval(right.mean(axis=1), low=0, high=1), "seeds"
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
        for over, axis in (("seeds", 1), ("clips", 0)):
            d = paired_difference(*(v[both].mean(axis=axis) if both.any() else [] for v in (x, y)))
            numbers = {"mean": d.value, "low": d.low, "high": d.high, "p": d.p, "n": d.n, "over": over}
            rows.append({"a": a, "b": b} | numbers)
    return pd.DataFrame(rows)


def _material(spec: CuratedTraining, context: JobContext) -> _Material:
    space = context.read(spec.embedding)
    X = np.asarray(space.embeddings)
    row_of = {id: row for row, id in enumerate(space.clip_ids)}
    dataset = dataset_of(spec.split, context.workspace)
    rows = np.array([row_of.get(str(id), -1) for id in dataset.clips["clip_id"]])
    usable = (rows >= 0) & np.isfinite(X[rows]).all(axis=1)
    audio = np.where(usable[:, None], X[rows], 0)
    clips = read(spec.split, context.workspace, np.flatnonzero(~usable).tolist())
    text, prompts = _texts(spec, clips, context)
    if text.shape[1] != audio.shape[1]:
        raise ValueError(
            f"{spec.embedding.encoder} embeds sounds in {audio.shape[1]} dimensions and {spec.text_encoder} "
            f"texts in {text.shape[1]}; they must be the two towers of one model, such as CLAP."
        )
    given = np.unique(clips.pairs_of(spec.training), axis=0)
    in_pool = clips.part == "train"
    if spec.training == "clean":
        in_pool[clips.pairs[~clips.clean, 0]] = False
    if not len(given):
        raise ValueError(f"Every caption of {spec.dataset.name} names a test class; choose training dirty.")
    return _Material(
        clips=clips,
        audio=_unit(audio),
        text=_unit(text),
        prompts=_unit(prompts),
        sounds=np.flatnonzero(in_pool),
        texts=np.unique(given[:, 1]),
        given=given,
    )


def _unit(X: np.ndarray) -> np.ndarray:
    """Return rows at length 1; a row of zeros stays one."""
    length = np.linalg.norm(X, axis=1, keepdims=True)
    return (X / np.where(length > 0, length, 1)).astype(np.float32)


def _texts(spec: CuratedTraining, clips: Clips, context: JobContext) -> tuple[np.ndarray, np.ndarray]:
    """Return the captions and the test classes as the model embeds them; its training has kept its own."""
    if isinstance(spec.embedding.source, ContrastiveGrid):
        grid, model = context.read(spec.embedding.source), int(spec.embedding.run.removeprefix("Ea_"))
        tested = np.array(grid.column("texts", "test"))
        return np.asarray(grid.caption_Et[model]), grid.text_Et[model][tested]
    names = [spec.prompt.replace("{}", label.replace("_", " ")) for label in clips.tested]

    def report(done: int, total: int) -> None:
        context.progress(_EMBEDDED * done / total, 1, f"embedding texts: {done:,} of {total:,}")

    vectors = text_vectors(spec, [*clips.texts, *names], context.checkpoint, report)
    return vectors[: len(clips.texts)], vectors[len(clips.texts) :]


def _curate(spec: CuratedTraining, m: _Material) -> tuple[np.ndarray, np.ndarray, int]:
    """Return pairs, (p, 2) rows of sound and text, their cosines, and how many texts the method allows."""
    audio, text = m.audio[m.sounds], m.text[m.texts]
    candidates = np.arange(len(text))
    if spec.method in ("specific", "augmented"):
        inside = domain_texts(text, domain=m.prompts, threshold=spec.domain_threshold)
        candidates = np.flatnonzero(inside)
        if not len(candidates):
            raise ValueError(
                f"No caption has a cosine of {spec.domain_threshold:g} or more to a test class; the largest "
                f"is {_largest(text, m.prompts):.3f}: lower domain_threshold."
            )
    if spec.method == "specific":
        pairs = m.given[np.isin(m.given[:, 1], m.texts[candidates])]
        return pairs, np.einsum("ij,ij->i", m.audio[pairs[:, 0]], m.text[pairs[:, 1]]), len(candidates)
    if spec.threshold is not None:
        chosen = curate_by_threshold(audio, text, spec.threshold, candidates=candidates)
    elif spec.method == "nearest":
        chosen = curate_unspecific(audio, text, spec.k)
    else:
        chosen = curate_specific(
            audio,
            text,
            spec.k,
            captions=[m.clips.texts[i] for i in m.texts],
            domain_terms=[label.replace("_", " ") for label in m.clips.tested],
            domain=m.prompts,
            share=spec.share,
        )
    n = len(np.unique(chosen.audio))
    if n < 4:
        raise ValueError(
            f"{n} of {len(audio):,} sounds are in a pair; at least 4 must be. The largest cosine of a sound "
            f"and a text is {_largest(audio, text[candidates]):.3f}: lower threshold."
        )
    pairs = np.stack([m.sounds[chosen.audio], m.texts[chosen.text]], axis=1)
    return pairs, chosen.similarity, len(chosen.candidates)


def _largest(a: np.ndarray, b: np.ndarray) -> float:
    return float(curate_unspecific(a, b).similarity.max())


def _train(
    spec: CuratedTraining, m: _Material, pairs: np.ndarray, context: JobContext
) -> list[ContrastiveModel]:
    """Train every kind of target with every seed, in this order."""
    soft: dict[str, Any] = {"beta": spec.beta, "temperature": spec.target_temperature}
    plans = [
        ModelPlan(name, "", pairs, teacher=None if name == "hard" else Teacher(m.audio, m.text, name, **soft))
        for name in spec.targets
        for _ in spec.seeds
    ]
    folder = TrainingFolder(context.checkpoint / "training")
    models = train_towers(
        plans,
        m.audio,
        m.text,
        recipe=spec.recipe,
        seeds=[*spec.seeds] * len(spec.targets),
        progress=reporter(context, folder, f"training {count(len(plans), 'model')}", _EMBEDDED, _TRAINED),
        checkpoint=folder,
    )
    for reason in dict.fromkeys(model.failed for model in models if model.failed):
        context.log(reason)
    return models


def _right(model: ContrastiveModel, m: _Material, labels: np.ndarray) -> np.ndarray:
    """Return which test clips a model takes right, (n,) of 0 and 1; NaN if it failed."""
    if model.failed:
        return np.full(len(labels), np.nan)
    E_a = model.embed_audio(Waveforms(m.audio, m.audio.shape[1]), m.clips.test)[1]
    result = zero_shot(E_a, model.embed_text(m.prompts)[1], labels, m.clips.tested)
    return (result.predictions == result.targets).astype(np.float64)


def _pairs_table(clips: Clips, pairs: np.ndarray, similarity: np.ndarray) -> dict[str, Any]:
    own = set(zip(clips.labels[clips.pairs[:, 0]].tolist(), clips.pairs[:, 1].tolist(), strict=True))
    sounds, texts = pairs.T
    labels = clips.labels[sounds].tolist()
    return {
        "clip_id": clips.clip_ids[sounds].tolist(),
        "label": labels,
        "caption": [clips.texts[i] for i in texts],
        "similarity": similarity.astype(np.float64),
        "same_class": [
            label != "" and (label, text) in own for label, text in zip(labels, texts.tolist(), strict=True)
        ],
    }
