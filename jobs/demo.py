"""What the demo asks for: a synthetic sound world, four models of it, maps, measures and what is trained."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from jobs import contrastive_presets as contrastive
from jobs import presets as measures
from jobs.specs import EmbedAudio, LossGrid, Project, Spec, SpecError, Synthesize
from jobs.workspace.workspace import Dataset, Workspace

NAME = "demo"
WORLD = Synthesize(classes=96, clips_per_class=12, seconds=3.0, difficulty=0.5, seed=0)
ENCODERS = ("melstats", "random-cnn", "handcrafted", "aisfx")
#: Embeds the names of the classes, so that sounds and words can be compared, and their descriptions, which
#: zero-shot models learn from.
TEXT_ENCODER = "minilm"
#: Models of which every way of retrieval is tried.
GRIDS = ("melstats", "aisfx")
#: The model that zero-shot models are trained on, in both setups.
ZERO_SHOT = "aisfx"
#: Ten times the paper's: a dozen clips of a class, and not a hundred, make an eighth of the steps an epoch.
LEARNING_RATE = 0.01
#: The model on whose space heads are trained with several losses.
LOSSES = "aisfx"
#: How contrastive models are trained: somewhat smaller than usual, to take six minutes on two cores.
CONTRASTIVE: dict[str, Any] = {"seconds": 1.5, "n_mels": 40, "pretrain_epochs": 20}
#: Maps of every model; the first of each comes before the second of any.
METHODS = ("tsne", "umap", "pca")


def prepare(workspace: Workspace, world: Synthesize = WORLD) -> list[Spec]:
    """Add the demo's dataset and put its jobs into the queue; what exists is not asked for again."""
    if NAME not in [d.name for d in workspace.datasets()] or workspace.dataset(NAME).source != world:
        workspace.add_synthetic(NAME, world)
    wanted = presets(workspace)
    for spec in wanted:
        workspace.queue.submit(spec)
    return wanted


def presets(workspace: Workspace) -> list[Spec]:
    """Return the demo's results, those that give a first picture soonest first."""
    dataset = workspace.dataset(NAME)
    spaces = [EmbedAudio(dataset=dataset.ref, encoder=name) for name in ENCODERS]
    words = measures.class_texts(dataset, TEXT_ENCODER, of="label")
    sentences = measures.class_texts(dataset, TEXT_ENCODER, of="description")
    maps = [[Project(embedding=space, method=method) for method in METHODS] for space in spaces]
    first = [tsne for tsne, *_ in maps]
    rest = [spec for _, *others in maps for spec in others]
    measured = [spec for space in spaces for spec in measures.of_space(dataset, space)]
    found = [spec for space in spaces for spec in measures.of_retrieval(dataset, space)]
    pairs = [
        *measures.of_pairs(dataset, spaces),
        *measures.of_pairs(dataset, spaces, [words], of="classes"),
    ]
    grids = [measures.grid_of_retrieval(dataset, space) for space in spaces if space.encoder in GRIDS]
    heard = spaces[ENCODERS.index(ZERO_SHOT)]
    trained = measures.zero_shot_presets(dataset, heard, sentences, learning_rate=LEARNING_RATE)
    by_losses = _losses(dataset, spaces[ENCODERS.index(LOSSES)])
    return [*first, *measured, *found, *pairs, *trained, *by_losses, *_contrastive(dataset), *rest, *grids]


def _contrastive(dataset: Dataset) -> list[Spec]:
    """Return the six contrastive models, their shared spaces, and a map of the first and of the cleanest."""
    # A world of one clip a class has none to test.
    with suppress(SpecError):
        grid = contrastive.grid_of(dataset, **CONTRASTIVE)
        spaces = contrastive.spaces_of(grid, ["dirty/dirty", "clean/clean"])
        maps = [Project(embedding=own, method=METHODS[0]) for own in spaces if own.run.startswith("Ea")]
        return [grid, *contrastive.measured_towers(grid, dataset), *maps]
    return []


def _losses(dataset: Dataset, space: EmbedAudio) -> list[Spec]:
    """Return heads with every loss; of cross-entropy and of ADD with all weights, space and map too."""
    grid = LossGrid(embedding=space, labels=dataset.labels_fingerprint)
    names = [recipe.loss for recipe in grid.recipes]
    made = measures.trained_by_losses(dataset, grid)
    kept = [made[names.index(loss)] for loss in ("ce", "add")]
    return [grid, *kept, *(Project(embedding=own, method=METHODS[0]) for own in kept)]
