"""The spaces of a dataset, and which result holds each of their numbers, or why a space has none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from dashboard import grids
from dashboard.memory import once
from dashboard.results import has, result
from jobs import contrastive_presets as contrastive
from jobs import presets
from jobs.specs import (
    Agreement,
    ClassAnalogies,
    ContrastiveGrid,
    EmbedAudio,
    EmbedText,
    Retrieval,
    Spec,
    SpecError,
    ZeroShotClassification,
    ZeroShotGrid,
    from_json,
)
from jobs.tasks.measures import MEASURES
from jobs.workspace.workspace import Dataset, Workspace

#: The reference that is another one for each space: the class texts of its own model.
OWN = "own texts"


@dataclass(frozen=True)
class Reference:
    """What spaces are compared with: another space, the texts of the classes, or each model's own texts."""

    name: str
    spec: EmbedAudio | EmbedText | None

    @property
    def of(self) -> str:
        """What is compared: "clips", or "classes" where texts take part."""
        return "clips" if isinstance(self.spec, EmbedAudio) else "classes"


class Test(NamedTuple):
    """What determines the test clips of a grid, and the classes that they are classified among."""

    classes: tuple[str, ...]
    share: float
    seed: int


@dataclass(frozen=True)
class Board:
    """The spaces and results of a dataset, looked up once for a page.

    `recipe` is a grid of zero-shot models whose settings most spaces share, None where none was trained.
    """

    dataset: Dataset
    spaces: dict[str, EmbedAudio]
    texts: dict[str, EmbedText]
    recipe: ZeroShotGrid | None
    #: Finished classifications by the texts of the same model, by the key of the space.
    classified: dict[str, ZeroShotClassification]
    #: The test of most models of Leakage lab; models with another test are not compared with them.
    tested: Test | None = None


@dataclass(frozen=True)
class Needed:
    """The result that holds a number, finished or not, or why the space has no such number."""

    spec: Spec | None
    why: str = ""


def board(workspace: Workspace, dataset: Dataset) -> Board:
    """Return the finished spaces of a dataset, by name, and the texts of its classes."""
    spaces = {x.encoder: x.spec for x in workspace.spaces(dataset) if x.state == "done"}
    texts = {t.name: t.spec for t in workspace.text_spaces(dataset) if t.state == "done"}
    return Board(
        dataset,
        spaces,
        texts,
        _shared_recipe(workspace, dataset, spaces),
        _classifications(workspace, dataset),
        _shared_test(spaces),
    )


def kind_of(spec: EmbedAudio) -> str:
    """Return in a word where a space comes from."""
    if spec.source is not None:
        return "trained here"
    if spec.encoder in spec.dataset.imported or spec.encoder.startswith(("imported:", "mteb:")):
        return "imported"
    return "encoder"


def references(b: Board) -> dict[str, Reference]:
    """Return what spaces can be compared with: texts first, then the models' own texts, then the spaces."""
    out = {name: Reference(name, spec) for name, spec in b.texts.items() if spec.source is None}
    if any(own_texts(b, spec) for spec in b.spaces.values()):
        out[OWN] = Reference(OWN, None)
    return out | {name: Reference(name, spec) for name, spec in b.spaces.items()}


def own_texts(b: Board, spec: EmbedAudio) -> EmbedText | None:
    """Return the space of class texts that the same model made, None for a model without texts.

    Of a model that was trained here it is the text part that belongs to the part of the sounds, of another
    model what the encoder of the same name and version made of texts.
    """
    return next((text for text in b.texts.values() if _of_one_model(spec, text)), None)


def _of_one_model(spec: EmbedAudio, text: EmbedText) -> bool:
    """Whether texts were embedded by the model that embedded the sounds."""
    if spec.source is None:
        return text.source is None and text.encoder == spec.encoder
    part, _, model = spec.run.partition("_")
    twin = {"Ea": f"Et_{model}", "xa": f"xt_{model}"}.get(part)
    return text.source is not None and text.source.key == spec.source.key and text.run == twin


def compared(b: Board, spec: EmbedAudio, reference: Reference | None) -> Needed:
    """Return the agreement of a space with the reference."""
    if reference is None:
        return Needed(None, "no space or text to compare with was chosen")
    other: EmbedAudio | EmbedText | None = reference.spec
    if other is None:
        other = own_texts(b, spec)
        if other is None:
            return Needed(None, "the model has no texts of its own")
    if isinstance(other, EmbedText):
        return Needed(presets.of_pairs(b.dataset, [spec], [other], of="classes")[0])
    if other.key == spec.key:
        return Needed(None, "it is the reference")
    return Needed(presets.of_pairs(b.dataset, [spec, other], of="clips")[0])


def needed(b: Board, spec: EmbedAudio, name: str, reference: Reference | None) -> Needed:
    """Return the result that holds a measure or an accuracy of a space."""
    m = MEASURES[name]
    if m.source is Agreement:
        return compared(b, spec, reference)
    if m.source in _SOURCES:
        return _SOURCES[m.source](b, spec)
    return Needed(m.spec(spec, b.dataset.labels_fingerprint))


def missing(b: Board, names: Sequence[str], reference: Reference | None) -> list[Spec]:
    """Return the specs that have to be computed for the numbers of all spaces."""
    wanted = [needed(b, spec, name, reference).spec for spec in b.spaces.values() for name in names]
    return list({s.key: s for s in wanted if s is not None and not has(s)}.values())


def unstored(workspace: Workspace, dataset: Dataset) -> list[Spec]:
    """Return E_a and E_t of the newest grid of Leakage lab as far as they are not stored as spaces yet."""
    grids = contrastive.grids_of(workspace, dataset)
    grid = next((g for g in grids if g.labels == dataset.labels_fingerprint), None)
    if grid is None:
        return []
    specs = contrastive.all_spaces_of(grid, dataset, result(grid).good.index.tolist())
    return [s for s in specs if s.run.startswith("E") and not has(s)]


def _table(grid: ContrastiveGrid, name: str) -> Any:
    def read() -> Any:
        stored = result(grid).artifact
        assert stored is not None
        return stored.table(name).to_pandas()

    return once((f"contrastive {name}", grid.key), read)


def without(b: Board, names: Sequence[str], reference: Reference | None) -> dict[str, list[str]]:
    """Return the reasons why spaces cannot have one of the numbers, each with its spaces."""
    out: dict[str, list[str]] = {}
    for space, spec in b.spaces.items():
        answers = [needed(b, spec, name, reference) for name in names]
        reasons = [a.why for a in answers if a.spec is None]
        if reasons:
            out.setdefault(reasons[-1], []).append(space)
    return out


def projected(b: Board, spec: EmbedAudio) -> Needed:
    """Return the grid of zero-shot models of a space, trained as those of most spaces are."""
    if b.recipe is None:
        return Needed(None, "no zero-shot models were trained yet, see the page Zero-shot")
    return Needed(replace(b.recipe, embedding=spec))


def _shared_recipe(
    workspace: Workspace, dataset: Dataset, spaces: dict[str, EmbedAudio]
) -> ZeroShotGrid | None:
    """Return the grid by similarity whose settings most spaces share, the newest of several."""
    same: dict[str, list[ZeroShotGrid]] = {}
    keys = {spec.key for spec in spaces.values()}

    def mine(spec: ZeroShotGrid) -> bool:
        ours = spec.embedding.key in keys and spec.labels == dataset.labels_fingerprint
        return ours and spec.setup == "similarity"

    for grid in grids.find(workspace, (ZeroShotGrid,), mine):
        if grid.state == "done":
            settings = replace(grid.spec, embedding=next(iter(spaces.values())))
            same.setdefault(settings.key, []).append(grid.spec)
    most = max(same.values(), key=len, default=[])
    return most[0] if most else None


def _classifications(workspace: Workspace, dataset: Dataset) -> dict[str, ZeroShotClassification]:
    """Return the newest classification of each space by texts of its own model, among all classes."""
    newest: dict[str, ZeroShotClassification] = {}
    for info in workspace.cache.list(type=ZeroShotClassification.__name__):
        try:
            spec = from_json(info.spec)
        except SpecError:
            continue
        if not isinstance(spec, ZeroShotClassification) or spec.classes:
            continue
        if spec.labels == dataset.labels_fingerprint and all(
            _of_one_model(spec.embedding, t) for t in spec.texts
        ):
            newest.setdefault(spec.embedding.key, spec)
    return newest


def two_towers(b: Board, spec: EmbedAudio) -> Needed:
    """Return the classification of all clips of a space, among all classes, by texts of its own model."""
    if isinstance(spec.source, ContrastiveGrid) and not spec.run.startswith("Ea_"):
        return Needed(None, "x_a is not the space that texts are in")
    if spec.key in b.classified:
        return Needed(b.classified[spec.key])
    texts = own_texts(b, spec)
    if texts is None:
        return Needed(None, "the model has no texts of its own")
    return Needed(ZeroShotClassification(embedding=spec, texts=(texts,), labels=b.dataset.labels_fingerprint))


def held_out(b: Board, spec: EmbedAudio) -> Needed:
    """Return the training of a model of Leakage lab, which is tested on clips that were held out."""
    if not isinstance(spec.source, ContrastiveGrid):
        return Needed(None, "it is no model of Leakage lab, which holds classes out")
    if not spec.run.startswith("Ea_"):
        return Needed(None, "x_a is not the space that texts are in")
    if _test_of(spec.source) != b.tested:
        return Needed(None, "it was tested by other clips or classes than most models here")
    return Needed(spec.source)


def _test_of(grid: ContrastiveGrid) -> Test | None:
    if not has(grid):
        return None
    return Test(tuple(result(grid).test_classes), grid.test_share, grid.seed)


def _shared_test(spaces: dict[str, EmbedAudio]) -> Test | None:
    """Return the test of most models of Leakage lab."""
    sources = [s.source for s in spaces.values() if s.run.startswith("Ea_")]
    seen = Counter(_test_of(source) for source in sources if isinstance(source, ContrastiveGrid))
    del seen[None]
    return seen.most_common(1)[0][0] if seen else None


def analogies(b: Board, spec: EmbedAudio) -> Needed:
    """Return the analogies of classes between a space and the texts of its own model."""
    texts = own_texts(b, spec)
    if texts is None or spec.run.startswith("x"):
        return Needed(None, "it has no texts of its own in the same space")
    return Needed(ClassAnalogies(sounds=spec, texts=texts, labels=b.dataset.labels_fingerprint))


_SOURCES: dict[type[Spec], Callable[[Board, EmbedAudio], Needed]] = {
    Retrieval: lambda b, spec: Needed(presets.retrieval_of(b.dataset, spec)),
    ZeroShotGrid: projected,
    ZeroShotClassification: two_towers,
    ContrastiveGrid: held_out,
    ClassAnalogies: analogies,
}
