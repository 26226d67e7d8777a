"""Curate pairs by a two-tower model, train on them with hard and soft targets, and compare the accuracies."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from core.contrastive import CURVES, ContrastiveModel, ModelPlan, Teacher, Waveforms, train_towers
from core.curation import curate_by_threshold, curate_specific, curate_unspecific, domain_texts
from core.statistics import mean_interval, paired_difference, share_interval
from core.zeroshot import zero_shot
from jobs.engine.training import TrainingFolder, reporter
from jobs.runners.contrastive_data import Asked, dataset_of, read
from jobs.runners.contrastive_networks import text_vectors
from jobs.specs import ContrastiveGrid, CuratedTraining
from jobs.specs.curation import Result

if TYPE_CHECKING:
    from jobs.engine.context import JobContext

#: Progress when the texts are embedded, and when all is trained.
_EMBEDDED, _TRAINED = 0.3, 0.98
#: The model before it is trained any further, among the kinds of targets.
UNCURATED = "uncurated"


class _Material(NamedTuple):
    """Clips, captions and class names in the space of the model, at unit length, and what may be paired.

    Attributes
    ----------
    asked : Asked
        How the clips are divided.
    audio : (n, d) float32 array
        Of every clip of the dataset; 0 where it has no embedding.
    text, prompts : (c, d), (T, d) float32 arrays
        Of `asked.texts` and of the test classes.
    sounds, texts : (a,), (b,) int64 arrays
        Rows of `audio` and `text` that may be paired.
    given : (p, 2) int64 array
        Pairs of both that the dataset has.
    """

    asked: Asked
    audio: np.ndarray
    text: np.ndarray
    prompts: np.ndarray
    sounds: np.ndarray
    texts: np.ndarray
    given: np.ndarray


def curated_training(spec: CuratedTraining, context: JobContext) -> Result:
    """Compute `CuratedTraining`; training goes on from its checkpoint when the process was killed.

    Raises
    ------
    ValueError
        With one sentence: labels, captions or the text encoder have changed, sounds and texts are not in one
        space, or too few or too many pairs are near enough.
    """
    begun = time.perf_counter()
    context.progress(0, 1, "embedding texts")
    material = _material(spec, context)
    context.progress(_EMBEDDED, 1, "curating")
    pairs, similarity, n_candidates = _curated(spec, material)
    models = _trained(spec, material, pairs, context)
    context.progress(_TRAINED, 1, "judging")
    asked = material.asked
    labels = asked.labels[asked.test].astype(str)
    before = zero_shot(material.audio[asked.test], material.prompts, labels, asked.tested)
    right = np.stack([_right(model, material, labels) for model in models])
    parts = np.split(right, len(spec.targets))
    hits = {
        UNCURATED: (before.predictions == before.targets)[None],
        **dict(zip(spec.targets, parts, strict=True)),
    }
    table = _pairs_table(asked, pairs, similarity)
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
        n_test_classes=len(asked.tested),
        test_classes=list(asked.tested),
        chance=before.chance,
        n_pairs=len(pairs),
        n_sounds=len(np.unique(pairs[:, 0])),
        n_texts=len(np.unique(pairs[:, 1])),
        n_pool_sounds=len(material.sounds),
        n_pool_texts=len(material.texts),
        n_candidates=n_candidates,
        same_class=float(table["same_class"].mean()),
        seconds=round(time.perf_counter() - begun, 2),
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
        over = "clips" if targets == UNCURATED else "seeds"
        by_clip = over == "clips"
        i = (
            share_interval(int(right.sum()), right.size)
            if by_clip
            else mean_interval(right.mean(axis=1), low=0, high=1)
        )
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
            found = {"mean": d.value, "low": d.low, "high": d.high, "p": d.p, "n": d.n, "over": over}
            rows.append({"a": a, "b": b} | found)
    return pd.DataFrame(rows)


def _material(spec: CuratedTraining, context: JobContext) -> _Material:
    artifact = context.open(spec.embedding)
    X = np.asarray(artifact.array("embeddings"))
    row_of = {str(id): row for row, id in enumerate(artifact.table("clips").to_pandas()["clip_id"])}
    clips = dataset_of(spec.split, context.workspace).clips
    rows = np.array([row_of.get(str(id), -1) for id in clips["clip_id"]])
    usable = (rows >= 0) & np.isfinite(X[rows]).all(axis=1)
    audio = np.where(usable[:, None], X[rows], 0)
    asked = read(spec.split, context.workspace, np.flatnonzero(~usable).tolist())
    text, prompts = _texts(spec, asked, context)
    if text.shape[1] != audio.shape[1]:
        raise ValueError(
            f"{spec.embedding.encoder} embeds sounds in {audio.shape[1]} dimensions and {spec.text_encoder} "
            f"texts in {text.shape[1]}; they must be the two towers of one model, such as CLAP."
        )
    given = np.unique(asked.pairs_of(spec.training), axis=0)
    mine = asked.part == "train"
    if spec.training == "clean":
        mine[asked.pairs[~asked.clean, 0]] = False
    if not len(given):
        raise ValueError(f"Every caption of {spec.dataset.name} names a test class; choose training dirty.")
    return _Material(
        asked=asked,
        audio=_unit(audio),
        text=_unit(text),
        prompts=_unit(prompts),
        sounds=np.flatnonzero(mine),
        texts=np.unique(given[:, 1]),
        given=given,
    )


def _unit(X: np.ndarray) -> np.ndarray:
    size = np.linalg.norm(X, axis=1, keepdims=True)
    return (X / np.where(size > 0, size, 1)).astype(np.float32)


def _texts(spec: CuratedTraining, asked: Asked, context: JobContext) -> tuple[np.ndarray, np.ndarray]:
    """Return the captions and the test classes as the model embeds them; its training has kept its own."""
    if isinstance(spec.embedding.source, ContrastiveGrid):
        artifact, model = context.open(spec.embedding.source), spec.embedding.run.removeprefix("Ea_")
        tested = artifact.table("texts").to_pandas()["test"].to_numpy(bool)
        captions, classes = (np.asarray(artifact.array(f"{of}_Et_{model}")) for of in ("caption", "text"))
        return captions, classes[tested]
    names = [spec.prompt.replace("{}", label.replace("_", " ")) for label in asked.tested]

    def report(done: int, total: int) -> None:
        context.progress(_EMBEDDED * done / total, 1, f"embedding texts: {done:,} of {total:,}")

    vectors = text_vectors(spec, [*asked.texts, *names], context.checkpoint, report)
    return vectors[: len(asked.texts)], vectors[len(asked.texts) :]


def _curated(spec: CuratedTraining, m: _Material) -> tuple[np.ndarray, np.ndarray, int]:
    """Return pairs, (p, 2) rows of sound and text, their cosines, and how many texts the method allows."""
    audio, text = m.audio[m.sounds], m.text[m.texts]
    near = np.arange(len(text))
    if spec.method in ("specific", "augmented"):
        near = np.flatnonzero(domain_texts(text, domain=m.prompts, threshold=spec.domain_threshold))
        if not len(near):
            raise ValueError(
                f"No caption has a cosine of {spec.domain_threshold:g} or more to a test class; the largest "
                f"is {_largest(text, m.prompts):.3f}: lower domain_threshold."
            )
    if spec.method == "specific":
        pairs = m.given[np.isin(m.given[:, 1], m.texts[near])]
        return pairs, np.einsum("ij,ij->i", m.audio[pairs[:, 0]], m.text[pairs[:, 1]]), len(near)
    if spec.threshold is not None:
        chosen = curate_by_threshold(audio, text, spec.threshold, candidates=near)
    elif spec.method == "nearest":
        chosen = curate_unspecific(audio, text, spec.k)
    else:
        chosen = curate_specific(
            audio,
            text,
            spec.k,
            captions=[m.asked.texts[i] for i in m.texts],
            domain_terms=[label.replace("_", " ") for label in m.asked.tested],
            domain=m.prompts,
            share=spec.share,
        )
    n = len(np.unique(chosen.audio))
    if n < 4:
        raise ValueError(
            f"{n} of {len(audio):,} sounds are in a pair; at least 4 must be. The largest cosine of a sound "
            f"and a text is {_largest(audio, text[near]):.3f}: lower threshold."
        )
    pairs = np.stack([m.sounds[chosen.audio], m.texts[chosen.text]], axis=1)
    return pairs, chosen.similarity, len(chosen.candidates)


def _largest(a: np.ndarray, b: np.ndarray) -> float:
    return float(curate_unspecific(a, b).similarity.max())


def _trained(
    spec: CuratedTraining, m: _Material, pairs: np.ndarray, context: JobContext
) -> list[ContrastiveModel]:
    """Train every kind of target with every seed, in this order."""
    soft = {"beta": spec.beta, "temperature": spec.target_temperature}
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
        progress=reporter(context, folder, f"training {len(plans)} models", _EMBEDDED, _TRAINED),
        checkpoint=folder,
    )
    for why in dict.fromkeys(model.failed for model in models if model.failed):
        context.log(why)
    return models


def _right(model: ContrastiveModel, m: _Material, labels: np.ndarray) -> np.ndarray:
    """Say which test clips a model takes right, (n,) of 0 and 1; NaN if it failed."""
    if model.failed:
        return np.full(len(labels), np.nan)
    E_a = model.embed_audio(Waveforms(m.audio, m.audio.shape[1]), m.asked.test)[1]
    result = zero_shot(E_a, model.embed_text(m.prompts)[1], labels, m.asked.tested)
    return (result.predictions == result.targets).astype(np.float64)


def _pairs_table(asked: Asked, pairs: np.ndarray, similarity: np.ndarray) -> pd.DataFrame:
    own = set(zip(asked.labels[asked.pairs[:, 0]].tolist(), asked.pairs[:, 1].tolist(), strict=True))
    sounds, texts = pairs.T
    labels = asked.labels[sounds].astype(str)
    return pd.DataFrame(
        {
            "clip_id": asked.clip_ids[sounds].astype(str),
            "label": labels,
            "caption": [asked.texts[i] for i in texts],
            "similarity": similarity.astype(np.float64),
            "same_class": [
                label != "" and (label, text) in own
                for label, text in zip(labels.tolist(), texts.tolist(), strict=True)
            ],
        }
    )
