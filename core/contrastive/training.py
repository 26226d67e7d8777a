"""Two branches, one of sounds and one of texts, that training brings together (CLAP).

Audio backbone → x_a (n, d_a) → projector → E_a (n, D) of unit length; text backbone → x_t (C, d_t) →
projector → E_t (C, D). Backbones are frozen at first, then trained as well. Several models train as one grid,
in which those that share a backbone share its passes while it is frozen.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypedDict, Unpack

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import nn

from core.checks import class_codes, matrix, unit_rows
from core.contrastive.data import Sounds, Waveforms
from core.contrastive.grid import draws, planned, traits
from core.contrastive.input import check_sounds, chosen_rows, prepared_models
from core.contrastive.model import unchanging_projectors
from core.contrastive.pretraining import Classifier
from core.contrastive.recipe import ContrastiveRecipe, ModelPlan
from core.contrastive.result import PRETRAINING_CURVES, ContrastiveModel, Pretrained, finished
from core.training.draws import check_seed
from core.training.engine import Plan, Progress, Session, Watch, train
from core.training.results import Checkpoint, fingerprint
from core.training.threads import default_device, operation_threads
from core.training.weights import load


class SessionOptions(TypedDict, total=False):
    """Where a training runs and what it reports to, given to each function by keyword.

    Attributes
    ----------
    progress : callable, optional
        Called with work done and to do, of all models together, from the first batch on. A model that stops
        early has done its work.
    watch : callable, optional
        Called after every epoch of any model with the curves so far, (models, 5, epochs) float32, NaN where
        an epoch has not been trained.
    checkpoint : Checkpoint, optional
        Where training resumes from and what it saves to after epochs. What it holds of another training, with
        other plans, sounds, captions, backbones, seeds or recipe, is not used.
    device : str, optional
        A GPU if torch finds one, else ``"cpu"``.
    """

    progress: Progress | None
    watch: Watch | None
    checkpoint: Checkpoint | None
    device: str | None


def _check_options(session: SessionOptions) -> None:
    """Raise `TypeError` for an option that does not exist."""
    names = SessionOptions.__annotations__
    if unknown := [name for name in session if name not in names]:
        raise TypeError(f"{unknown[0]} is not an option; options are {', '.join(names)}.")


def pretrain(
    backbone: nn.Module,
    sounds: Sounds,
    labels: Sequence[str] | np.ndarray,
    *,
    rows: ArrayLike | None = None,
    recipe: ContrastiveRecipe | None = None,
    seed: int = 0,
    **session: Unpack[SessionOptions],
) -> Pretrained:
    """Train a copy of a backbone to classify recordings, as PANNs' is on AudioSet.

    Parameters
    ----------
    backbone : nn.Module
        Waveforms (b, t) in, (b, d) out, `dim` saying d; see `core.networks`. It stays as it is.
    sounds : Sounds
        At the recipe's sample rate.
    labels : (n,) sequence of str
        The class of each recording; of those that are not in `rows`, anything.
    rows : (m,) array_like of int, optional
        Which recordings are trained on, by default all.
    recipe : ContrastiveRecipe, optional
        Its crops, `validation` (by clip, of each class), gradient limit, mixed precision and ``pretrain_``
        settings.
    seed : int, default 0
    **session
        See `SessionOptions`; progress counts recordings, and `watch` is called with (4, epochs) float32.

    Returns
    -------
    Pretrained

    Raises
    ------
    ValueError
        For labels that do not fit, fewer than two classes, sounds of another sample rate or too short crops.

    Examples
    --------
    >>> from core.contrastive import SMALL
    >>> from core.networks import SmallCNN
    >>> random = np.random.default_rng(0)
    >>> tones = np.sin(np.outer(np.repeat([0.1, 1.0], 10), np.arange(4000)))
    >>> recipe = replace(SMALL, sample_rate=8000, seconds=0.5, pretrain_epochs=2)
    >>> network = SmallCNN(16, dim=8, width=2, sample_rate=8000)
    >>> result = pretrain(network, Waveforms(tones, 8000), ["low"] * 10 + ["high"] * 10, recipe=recipe)
    >>> result.classes, result.failed
    (('high', 'low'), '')
    """
    recipe = recipe or ContrastiveRecipe()
    check_sounds(sounds, {"": backbone}, recipe)
    chosen = chosen_rows(rows, len(sounds.lengths))
    if len(labels) != len(sounds.lengths):
        raise ValueError(f"There are {len(labels)} labels for {len(sounds.lengths)} sounds; each needs one.")
    classes, codes = class_codes(np.asarray(labels)[chosen], len(chosen))
    if len(classes) < 2:
        raise ValueError("There is one class alone; a classifier needs two or more.")
    check_seed(seed)
    _check_options(session)
    device = session.get("device") or default_device()
    classifier = Classifier(backbone, sounds, (chosen, codes), recipe, seed, device)
    watch = session.get("watch")
    show = None if watch is None else lambda curves: watch(curves[0])
    threads = operation_threads([backbone], device)
    (result,) = train(
        [Plan("pretraining", (0,), lambda: classifier)],
        [np.arange(recipe.pretrain_epochs + 1) * classifier.clips_an_epoch],
        fingerprint(recipe, *traits(sounds, [backbone]), chosen, codes, seed),
        Session(device, session.get("progress"), show, session.get("checkpoint"), threads),
    )
    network = copy.deepcopy(backbone).to("cpu").requires_grad_(True).eval()
    load({"audio": network}, result.weights)
    curves = dict(zip(PRETRAINING_CURVES, result.curves, strict=True))
    return Pretrained(network, curves, tuple(map(str, classes)), result.best_epoch, result.failed)


def train_grid(
    plans: Sequence[ModelPlan],
    sounds: Sounds,
    captions: ArrayLike | Sequence[str],
    *,
    backbones: Mapping[str, nn.Module],
    text_backbone: nn.Module | None = None,
    recipe: ContrastiveRecipe | None = None,
    seeds: Sequence[int],
    **session: Unpack[SessionOptions],
) -> list[ContrastiveModel]:
    """Train several models on parts of the same sounds and captions.

    Parameters
    ----------
    plans : sequence of ModelPlan
    sounds : Sounds
        At the recipe's sample rate.
    captions : (c, d_t) array_like, or (c,) sequence of str where `text_backbone` is given
        x_t of each caption, or the captions themselves.
    backbones : mapping of str to nn.Module
        Audio backbones before training: waveforms (b, t) in, (b, d) out, `dim` being d. They do not change.
    text_backbone : nn.Module, optional
        A list of texts in, (b, d_t) out, `dim` saying d_t. It stays as it is.
    recipe : ContrastiveRecipe, optional
    seeds : sequence of int
        One for each plan, from 0: of the initial projectors, the crops, the order of pairs and their split.
    **session
        See `SessionOptions`.

    Returns
    -------
    list of ContrastiveModel
        In the order of `plans`. A model whose loss is no longer a number is marked as failed; others go on.

    Raises
    ------
    ValueError
        For plans, seeds and captions that do not fit, a plan with fewer than two pairs to train on or to
        validate, sounds of another sample rate, or `tune_text` without a text backbone.

    Notes
    -----
    In an epoch one crop is cut from each clip, for all its captions and all models of one seed. While
    backbones are frozen, they are in evaluation mode, and each crop passes once through each of them. Weights
    equal those of a plain loop but for rounding, and do not depend on what else is trained. On a CPU they are
    the same to the last bit whatever the machine does beside, with any number of free threads and after
    interruptions; another kind of processor, a GPU or another version of torch rounds otherwise, which
    training makes much of. Losses in validation are of crops that are the same in every epoch.

    References
    ----------
    T. F. Tavares, F. Ayres, Z. Wang, P. Smaragdis, "On class separability pitfalls in audio-text contrastive
    zero-shot learning", section 2. B. Elizalde et al., "CLAP: learning audio concepts from natural language
    supervision", ICASSP 2023.

    Examples
    --------
    >>> from core.contrastive import SMALL
    >>> from core.networks import SmallCNN
    >>> tones = np.sin(np.outer(np.repeat([0.1, 0.3, 1.0], 10), np.arange(4000)))
    >>> texts = np.repeat(np.eye(3), 10, axis=0)
    >>> plan = ModelPlan("tones", "small", np.stack([np.arange(30), np.arange(30)], axis=1))
    >>> recipe = replace(SMALL, sample_rate=8000, seconds=0.5, max_epochs=2, dim=8)
    >>> backbones = {"small": SmallCNN(16, dim=8, width=2, sample_rate=8000)}
    >>> (model,) = train_grid(
    ...     [plan], Waveforms(tones, 8000), texts, backbones=backbones, recipe=recipe, seeds=[0]
    ... )
    >>> x_t, E_t = model.embed_text(texts[::10])
    >>> E_t.shape, model.epochs
    ((3, 8), 2)
    """
    recipe = recipe or ContrastiveRecipe()
    if len(plans) != len(seeds) or not len(plans):
        raise ValueError(f"There are {len(plans)} plans and {len(seeds)} seeds; each plan needs one.")
    _check_options(session)
    device = session.get("device") or default_device()
    tasks, material = prepared_models(
        plans, sounds, captions, (backbones, text_backbone), recipe, seeds, device
    )
    names = sorted(backbones)
    networks = [*(backbones[name] for name in names), *([] if text_backbone is None else [text_backbone])]
    what = fingerprint(
        *(recipe, *traits(sounds, networks), names, material.texts, material.x_t.cpu().numpy()),
        *(part for t in tasks for part in (t.seed, *_traits(t.plan))),
    )
    groups, work = planned(tasks, material)
    trained = list(material.backbones.values())
    if text_backbone is not None and recipe.tune_text:
        trained.append(text_backbone)
    threads = operation_threads(trained, device)
    reports = session.get("progress"), session.get("watch"), session.get("checkpoint")
    results = train(groups, work, what, Session(device, *reports, threads, draws(material)))
    return [
        finished(task, material, result, backbones, text_backbone)
        for task, result in zip(tasks, results, strict=True)
    ]


def train_towers(
    plans: Sequence[ModelPlan],
    audio: ArrayLike,
    text: ArrayLike,
    *,
    recipe: ContrastiveRecipe | None = None,
    seeds: Sequence[int],
    **session: Unpack[SessionOptions],
) -> list[ContrastiveModel]:
    """Train projectors behind two towers that are held fixed, beginning with the space that they share.

    Each projector is as wide as it takes to leave its vectors as they are, and begins so: before the first
    step a model is its teacher. It is trained by `train_grid`.

    Parameters
    ----------
    plans : sequence of ModelPlan
        Pairs are rows of `audio` and `text`; `backbone` and `start` are filled in.
    audio : (n, d) array_like
        E_a of the sounds by the tower of sounds.
    text : (c, d) array_like
        E_t of the captions by the tower of texts, in the same space.
    recipe : ContrastiveRecipe, optional
        Its `dim`, `hidden`, `frozen_epochs` and what it says of crops are filled in.
    seeds, **session
        As of `train_grid`.

    Returns
    -------
    list of ContrastiveModel
        `embed_audio` takes ``Waveforms(audio, d)`` and `embed_text` vectors of the towers at unit length.

    Raises
    ------
    ValueError
        For towers of different widths or what `train_grid` refuses.

    Examples
    --------
    >>> audio = np.repeat(np.eye(3), 10, axis=0)
    >>> plan = ModelPlan("hard", "", np.stack([np.arange(30), np.arange(30) // 10], axis=1))
    >>> recipe = ContrastiveRecipe(max_epochs=2, rate=1e-3)
    >>> (model,) = train_towers([plan], audio, np.eye(3)[[1, 2, 0]], recipe=recipe, seeds=[0])
    >>> model.embed_text(np.eye(3))[1].shape, model.epochs
    ((3, 3), 2)
    """
    a, t = matrix(audio, "audio"), matrix(text, "text")
    d = a.shape[1]
    if t.shape[1] != d:
        raise ValueError(
            f"audio has {d} dimensions and text {t.shape[1]}; both towers must be of one common space."
        )
    # A vector is a recording of d samples that no crop cuts.
    fitting = replace(
        recipe or ContrastiveRecipe(),
        dim=d,
        hidden=2 * d,
        projector="mlp",
        frozen_epochs=0,
        tune_text=False,
        sample_rate=d,
        seconds=1.0,
        standardise=False,
    )
    start = unchanging_projectors(d)
    return train_grid(
        [replace(plan, backbone="tower", start=start) for plan in plans],
        Waveforms(unit_rows(a), d),
        unit_rows(t),
        backbones={"tower": _Tower(d)},
        recipe=fitting,
        seeds=seeds,
        **session,
    )


class _Tower(nn.Module):
    """A tower that is held fixed: it returns the vectors that stand for its sounds."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def _traits(plan: ModelPlan) -> Iterator[object]:
    """Yield what tells a plan from others."""
    yield from (plan.backbone, plan.pairs, None if plan.weights is None else np.asarray(plan.weights))
    if plan.teacher is not None:
        teacher = plan.teacher
        yield f"{teacher.targets} {teacher.beta} {teacher.temperature}"
        yield from (np.asarray(teacher.audio), np.asarray(teacher.text))
    for name, array in sorted((plan.start or {}).items()):
        yield from (name, np.asarray(array))
