"""The specs of the demo: a synthetic dataset, four spaces of it, maps, measures and trainings."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from jobs import contrastive_presets as contrastive
from jobs import presets as measures
from jobs.specs import EmbedAudio, LossGrid, Project, Spec, SpecError, Synthesize, closure
from jobs.tasks.quality import Quality
from jobs.workspace.workspace import Dataset, Workspace

NAME = "demo"
WORLD = Synthesize(classes=96, clips_per_class=12, seconds=3.0, difficulty=0.5, seed=0)
ENCODERS = ("melstats", "random-cnn", "handcrafted", "aisfx")
#: Embeds the names of the classes, to compare sounds and words, and their descriptions, on which zero-shot
#: models are trained.
TEXT_ENCODER = "minilm"
#: Encoders for which all retrieval systems are evaluated.
GRIDS = ("melstats", "aisfx")
#: The encoder of the zero-shot models, in both setups.
ZERO_SHOT = "aisfx"
#: Ten times the paper's: a dozen clips per class instead of a hundred make an eighth of the steps.
LEARNING_RATE = 0.01
#: The encoder whose space the heads are trained on with several losses.
LOSSES = "aisfx"
#: Recipe of the contrastive models: smaller than usual, to take six minutes on two cores.
CONTRASTIVE: dict[str, Any] = {"seconds": 1.5, "n_mels": 40, "pretrain_epochs": 20}
#: Maps of every space; the first of each space comes before the second of any.
METHODS = ("tsne", "umap", "pca")


def prepare(workspace: Workspace, world: Synthesize = WORLD) -> list[Spec]:
    """Add the demo's dataset and submit its specs; existing results are not computed again."""
    if NAME not in [d.name for d in workspace.datasets()] or workspace.dataset(NAME).source != world:
        workspace.add_synthetic(NAME, world)
    specs = presets(workspace)
    for spec in specs:
        workspace.queue.submit(spec)
    return specs


def presets(workspace: Workspace) -> list[Spec]:
    """Return the demo's specs, beginning with those that soonest give an overview."""
    dataset = workspace.dataset(NAME)
    spaces = [EmbedAudio(dataset=dataset.ref, encoder=name) for name in ENCODERS]
    words = measures.class_texts(dataset, TEXT_ENCODER, of="label")
    sentences = measures.class_texts(dataset, TEXT_ENCODER, of="description")
    maps = [[Project(embedding=space, method=method) for method in METHODS] for space in spaces]
    first = [tsne for tsne, *_ in maps]
    rest = [spec for _, *others in maps for spec in others]
    measured = [spec for space in spaces for spec in measures.of_space(dataset, space)]
    retrieved = [spec for space in spaces for spec in measures.of_retrieval(dataset, space)]
    pairs = [
        *measures.of_pairs(dataset, spaces),
        *measures.of_pairs(dataset, spaces, [words], of="classes"),
    ]
    grids = [measures.grid_of_retrieval(dataset, space) for space in spaces if space.encoder in GRIDS]
    audio = spaces[ENCODERS.index(ZERO_SHOT)]
    trained = measures.zero_shot_presets(dataset, audio, sentences, learning_rate=LEARNING_RATE)
    losses = _losses(dataset, spaces[ENCODERS.index(LOSSES)])
    specs = [*first, *measured, *retrieved, *pairs, *trained, *losses, *_contrastive(dataset)]
    made = {s.key: s for spec in specs for s in closure(spec) if isinstance(s, EmbedAudio)}
    qualities = [Quality(embedding=s, labels=dataset.labels_fingerprint) for s in made.values()]
    return list({spec.key: spec for spec in [*specs, *qualities, *rest, *grids]}.values())


def _contrastive(dataset: Dataset) -> list[Spec]:
    """Return the six contrastive models, their shared spaces, and a map of the first and of the cleanest."""
    # A dataset with one clip per class has none left for testing.
    with suppress(SpecError):
        grid = contrastive.grid_of(dataset, **CONTRASTIVE)
        spaces = contrastive.spaces_of(grid, ["dirty/dirty", "clean/clean"])
        maps = [Project(embedding=own, method=METHODS[0]) for own in spaces if own.run.startswith("Ea")]
        return [grid, *contrastive.measured_towers(grid, dataset), *maps]
    return []


def _losses(dataset: Dataset, space: EmbedAudio) -> list[Spec]:
    """Return heads with every loss, and spaces and maps of cross-entropy and of ADD with all weights."""
    grid = LossGrid(embedding=space, labels=dataset.labels_fingerprint)
    names = [recipe.loss for recipe in grid.recipes]
    spaces = measures.trained_by_losses(dataset, grid)
    kept = [spaces[names.index(loss)] for loss in ("ce", "add")]
    return [grid, *kept, *(Project(embedding=own, method=METHODS[0]) for own in kept)]
