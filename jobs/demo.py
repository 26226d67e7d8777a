"""What the demo asks for: a synthetic sound world, four models of it, and their maps."""

from __future__ import annotations

from jobs.specs import EmbedAudio, Project, Spec, Synthesize
from jobs.workspace import Workspace

NAME = "demo"
WORLD = Synthesize(clips_per_class=20, seconds=3.0, difficulty=0.5, seed=0)
ENCODERS = ("melstats", "random-cnn", "handcrafted", "aisfx")
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
    ref = workspace.dataset(NAME).ref
    spaces = [EmbedAudio(dataset=ref, encoder=name) for name in ENCODERS]
    maps = [[Project(embedding=space, method=method) for method in METHODS] for space in spaces]
    first = [tsne for tsne, *_ in maps]
    rest = [spec for _, *others in maps for spec in others]
    return [*first, *rest]
