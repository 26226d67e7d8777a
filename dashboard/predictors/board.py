"""What numbers of spaces are read from: results that are there, that can be made, or why there are none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from dashboard.results import has, result
from dashboard.retrieval import data as retrieval
from dashboard.separability import data as separability
from dashboard.zeroshot import data as zeroshot
from jobs import contrastive_presets as contrastive
from jobs import presets as measures
from jobs.specs import (
    ClassAnalogies,
    ContrastiveGrid,
    EmbedAudio,
    EmbedText,
    Spec,
    SpecError,
    ZeroShotClassification,
    ZeroShotGrid,
    from_json,
)
from jobs.workspace.workspace import Dataset, Workspace

#: Measures that need something to compare with.
OF_PAIRS = ("overlap", "nngs", "cka", "cka_rbf")
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
    """What decides which clips judge the models of a grid, and among which classes."""

    classes: tuple[str, ...]
    share: float
    seed: int


@dataclass(frozen=True)
class Board:
    """What there is of a dataset to compare: looked up once for a page.

    `recipe` is a grid of zero-shot models whose settings most spaces share, None where none was trained.
    """

    dataset: Dataset
    spaces: dict[str, EmbedAudio]
    texts: dict[str, EmbedText]
    recipe: ZeroShotGrid | None
    #: Classifications by the texts of the same model that are there, by the key of the space.
    classified: dict[str, ZeroShotClassification]
    #: What most models of Leakage lab were tested by; those that were not are not compared with them.
    tested: Test | None = None


@dataclass(frozen=True)
class Needed:
    """What a number is read from: a result that is there, one that can be made, or why there is none."""

    spec: Spec | None
    why: str = ""


def board(shown: Workspace, dataset: Dataset) -> Board:
    """Return the spaces of a dataset that are there, by name, and the texts of its classes."""
    spaces = {x.encoder: x.spec for x in shown.spaces(dataset) if x.state == "done"}
    texts = {t.name: t.spec for t in shown.text_spaces(dataset) if t.state == "done"}
    return Board(
        dataset,
        spaces,
        texts,
        _shared_recipe(shown, dataset, spaces),
        _classifications(shown, dataset),
        _shared_test(spaces),
    )


def kind_of(spec: EmbedAudio) -> str:
    """Say in a word where a space comes from."""
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
    """Return the space of class texts that the same model made; None where there is none.

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


def compared(b: Board, spec: EmbedAudio, reference: Reference) -> Needed:
    """Return the agreement of a space with the reference."""
    other: EmbedAudio | EmbedText | None = reference.spec
    if other is None:
        other = own_texts(b, spec)
        if other is None:
            return Needed(None, "the model has no texts of its own")
    if isinstance(other, EmbedText):
        return Needed(measures.of_pairs(b.dataset, [spec], [other], of="classes")[0])
    if other.key == spec.key:
        return Needed(None, "it is the reference")
    return Needed(measures.of_pairs(b.dataset, [spec, other], of="clips")[0])


def needed(b: Board, spec: EmbedAudio, name: str, reference: Reference | None) -> Needed:
    """Return what a measure or an accuracy of a space is read from."""
    if name in OF_PAIRS:
        if reference is None:
            return Needed(None, "there is nothing to compare with")
        return compared(b, spec, reference)
    if name in ("knn", "probe"):
        return Needed(separability.measured(b.dataset, spec).baselines)
    if name == "map@15":
        return Needed(retrieval.asked(b.dataset, spec, "label", True))
    if name == "projected":
        return projected(b, spec)
    if name == "two_towers":
        return two_towers(b, spec)
    if name == "held_out":
        return held_out(b, spec)
    if name in ("analogy", "analogy_released"):
        return analogies(b, spec)
    return Needed(separability.measured(b.dataset, spec).separability)


def missing(b: Board, names: Sequence[str], reference: Reference | None) -> list[Spec]:
    """Return what has to be computed for the numbers of all spaces."""
    wanted = [needed(b, spec, name, reference).spec for spec in b.spaces.values() for name in names]
    return list({s.key: s for s in wanted if s is not None and not has(s)}.values())


def unkept(shown: Workspace, dataset: Dataset) -> list[Spec]:
    """Return E_a and E_t of the newest grid of Leakage lab, as far as they are no spaces of their own yet."""
    grids = contrastive.grids_of(shown, dataset)
    grid = next((g for g in grids if g.labels == dataset.labels_fingerprint), None)
    if grid is None:
        return []
    specs = contrastive.all_spaces_of(grid, dataset, result(grid).good.index.tolist())
    return [s for s in specs if s.run.startswith("E") and not has(s)]


def without(b: Board, names: Sequence[str], reference: Reference | None) -> dict[str, list[str]]:
    """Return why spaces cannot have one of the numbers, and which these are."""
    out: dict[str, list[str]] = {}
    for space, spec in b.spaces.items():
        lacking = [found.why for name in names if (found := needed(b, spec, name, reference)).spec is None]
        if lacking:
            out.setdefault(lacking[-1], []).append(space)
    return out


def projected(b: Board, spec: EmbedAudio) -> Needed:
    """Return the grid of zero-shot models of a space, trained as those of most spaces are."""
    if b.recipe is None:
        return Needed(None, "no zero-shot models were trained yet, see the page Zero-shot")
    return Needed(replace(b.recipe, embedding=spec))


def _shared_recipe(shown: Workspace, dataset: Dataset, spaces: dict[str, EmbedAudio]) -> ZeroShotGrid | None:
    """Return the grid by similarity whose settings most spaces share, the newest of several."""
    seen: dict[str, list[ZeroShotGrid]] = {}
    for spec in spaces.values():
        for grid in zeroshot.grids(shown, dataset, spec):
            if grid.state == "done" and grid.spec.setup == "similarity":
                like = replace(grid.spec, embedding=next(iter(spaces.values()))).key
                seen.setdefault(like, []).append(grid.spec)
    most = max(seen.values(), key=len, default=[])
    return most[0] if most else None


def _classifications(shown: Workspace, dataset: Dataset) -> dict[str, ZeroShotClassification]:
    """Return the classifications of a dataset's spaces by texts of their own model, of several the newest.

    Those among all classes only: what is among some is another test.
    """
    found: dict[str, ZeroShotClassification] = {}
    for info in shown.cache.list(type=ZeroShotClassification.__name__):
        try:
            spec = from_json(info.spec)
        except SpecError:
            continue
        if not isinstance(spec, ZeroShotClassification) or spec.classes:
            continue
        if spec.labels == dataset.labels_fingerprint and all(
            _of_one_model(spec.embedding, t) for t in spec.texts
        ):
            found.setdefault(spec.embedding.key, spec)
    return found


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
    """Return the training of a model of Leakage lab: it is judged by clips that it was not trained on."""
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
    """Return what most models of Leakage lab were tested by."""
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
