from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from functools import partial

import pytest

from jobs import specs
from jobs.specs import (
    Agreement,
    Baselines,
    ClassAnalogies,
    ContrastiveGrid,
    CuratedTraining,
    DatasetRef,
    EmbedAudio,
    EmbedQuery,
    EmbedText,
    KMeansCurve,
    LossGrid,
    LossNetworkGrid,
    MapQuality,
    Neighbors,
    Project,
    Retrieval,
    RetrievalGrid,
    Separability,
    Spec,
    Synthesize,
    ZeroShotClassification,
    ZeroShotGrid,
    closure,
    from_json,
    parse,
)
from jobs.tasks import load_all, run_of
from jobs.tasks.agreement import CLASS_VECTORS
from jobs.tasks.measures import MEASURES, Measured
from jobs.tasks.quality import Quality

REF = DatasetRef("tones", "a" * 64)
SPACE = EmbedAudio(dataset=REF, encoder="melstats")
ELSEWHERE = DatasetRef("other", "e" * 64)
OTHER = EmbedAudio(dataset=REF, encoder="handcrafted")
NAMES = EmbedText(dataset=REF, texts="b" * 64, encoder="minilm")
SPLIT = '{"train": ["a", "b"], "validation": ["c"], "test": ["d", "e"]}'
EXAMPLES = [
    Synthesize(clips_per_class=3, difficulty=0.25),
    SPACE,
    EmbedAudio(dataset=DatasetRef("demo", Synthesize().key, Synthesize()), encoder="random-cnn"),
    EmbedText(dataset=REF, texts="b" * 64, encoder="minilm", template="the sound of {}"),
    Neighbors(embedding=SPACE, metric="euclidean", k=7),
    Project(embedding=SPACE, method="tsne", perplexity=12.5),
    Project(embedding=SPACE, method="umap", n_neighbors=200, min_dist=0.3, seed=4),
    Project(embedding=SPACE, method="pca"),
    Separability(embedding=SPACE, labels="c" * 64),
    Baselines(embedding=SPACE, labels="c" * 64, k=3),
    KMeansCurve(embedding=SPACE, ks=(2, 3, 5)),
    Quality(embedding=SPACE, labels="c" * 64),
    *(Measured(embedding=SPACE, labels="c" * 64, measure=m.name) for m in MEASURES.values() if m.compute),
    MapQuality(map=Project(embedding=SPACE, method="pca")),
    Retrieval(embedding=SPACE, labels="c" * 64),
    Retrieval(embedding=SPACE, labels="c" * 64, by="family", components=0, normalize=True, algorithm="nns"),
    Retrieval(embedding=SPACE, labels="c" * 64, scale="minmax"),
    Retrieval(embedding=SPACE, labels="c" * 64, normalize="before"),
    RetrievalGrid(embedding=SPACE, labels="c" * 64, normalize="before"),
    RetrievalGrid(embedding=SPACE, labels="c" * 64, count_query=False),
    EmbedQuery(encoder="melstats", upload="d" * 64, suffix=".wav"),
    EmbedQuery(encoder="minilm", text="a dog barks"),
    LossGrid(embedding=SPACE, labels="c" * 64),
    LossGrid(embedding=SPACE, labels="c" * 64, losses=("add",), add_weights=((1, 0, 0.5, 0),), hidden=8),
    LossNetworkGrid(dataset=REF, labels="c" * 64, mixup=0.5, losses=("ce", "add-soft")),
    Agreement(a=SPACE, b=OTHER),
    Agreement(a=SPACE, b=NAMES, of="classes", labels="c" * 64, metric_a="euclidean"),
    ZeroShotGrid(embedding=SPACE, text=NAMES, labels="c" * 64),
    ZeroShotGrid(
        embedding=SPACE, text=NAMES, labels="c" * 64, setup="diversity", ranges=((0.1, 0.3),), seeds=2
    ),
    ZeroShotGrid(embedding=SPACE, text=NAMES, labels="c" * 64, setup="splits", splits=(SPLIT,)),
    ContrastiveGrid(dataset=REF, labels="c" * 64, captions="e" * 64),
    ContrastiveGrid(dataset=REF, labels="c" * 64, captions="e" * 64, training=("clean",), rate=1e-5),
    CuratedTraining(embedding=SPACE, labels="c" * 64, captions="e" * 64, text_encoder="minilm"),
    ZeroShotClassification(embedding=SPACE, texts=(NAMES,), labels="c" * 64),
    ClassAnalogies(sounds=SPACE, texts=NAMES, labels="c" * 64),
]


@pytest.mark.parametrize("spec", EXAMPLES, ids=lambda s: s.title)
def test_json_gives_back_an_equal_spec_with_the_same_key(spec):
    again = parse(json.dumps(spec.to_json()))
    assert again == spec
    assert again.key == spec.key
    assert len(spec.key) == 64


def test_every_spec_type_has_an_example_and_a_runner():
    load_all()
    ours = {name for name, cls in specs.SPECS.items() if cls.__module__.startswith("jobs.")}
    assert ours == {type(s).__name__ for s in EXAMPLES} | {"Measured"}
    for spec in EXAMPLES:
        assert callable(run_of(spec))


def test_keys_are_all_different():
    assert len({s.key for s in EXAMPLES}) == len(EXAMPLES)


def test_titles_tell_options_apart():
    titles = [s.title for s in EXAMPLES]
    assert sorted(titles) == sorted(set(titles))
    euclidean = Neighbors(embedding=SPACE, metric="euclidean", k=7)
    assert euclidean.title == "nearest neighbours in tones · melstats (euclidean, k 7)"
    for a, b in [
        (SPACE, dataclasses.replace(SPACE, encoder="handcrafted", identity="")),
        (NAMES, dataclasses.replace(NAMES, template="the sound of {}")),
        (NAMES, dataclasses.replace(NAMES, of="description")),
        (EmbedQuery(encoder="melstats", upload="d" * 64, suffix=".wav"),
         EmbedQuery(encoder="melstats", upload="e" * 64, suffix=".wav")),
        (Agreement(a=SPACE, b=NAMES, of="classes", labels="c"),
         Agreement(a=SPACE, b=dataclasses.replace(NAMES, of="description"), of="classes", labels="c")),
        *((usual, dataclasses.replace(usual, **{name: value})) for usual, name, value in [
            (Synthesize(), "seed", 1),
            (Baselines(embedding=SPACE, labels="c"), "k", 7),
            (KMeansCurve(embedding=SPACE, ks=(2, 3, 4)), "ks", (2, 4)),
            (Agreement(a=SPACE, b=OTHER), "permutations", 10),
            (ZeroShotGrid(embedding=SPACE, text=NAMES, labels="c"), "margin", 0.5),
            (LossGrid(embedding=SPACE, labels="c"), "epochs", 7),
            (LossNetworkGrid(dataset=REF, labels="c"), "width", 4),
            (ContrastiveGrid(dataset=REF, labels="c", captions="e"), "max_epochs", 7),
            (ClassAnalogies(sounds=SPACE, texts=NAMES, labels="c"), "texts",
             dataclasses.replace(NAMES, of="description")),
        ]),
    ]:  # fmt: skip
        assert a.key != b.key
        assert a.title != b.title


def test_a_model_in_a_folder_goes_by_the_name_of_the_folder(tmp_path):
    folder = tmp_path / "my-net"
    folder.mkdir()
    space = EmbedAudio(dataset=REF, encoder=f"transformers:{folder}")
    texts = EmbedText(dataset=REF, texts="b" * 64, encoder=f"transformers:{folder}")
    made = [
        space,
        texts,
        Neighbors(embedding=space),
        Project(embedding=space, method="pca"),
        Separability(embedding=space, labels="c"),
        Agreement(a=space, b=texts, of="classes", labels="c"),
        Retrieval(embedding=space, labels="c"),
        EmbedQuery(encoder=f"transformers:{folder}", text="rain"),
        LossGrid(embedding=space, labels="c"),
        LossNetworkGrid(dataset=REF, labels="c", network=f"transformers:{folder}"),
        ZeroShotGrid(embedding=space, text=texts, labels="c"),
        ZeroShotClassification(embedding=space, texts=(texts,), labels="c"),
        ClassAnalogies(sounds=space, texts=texts, labels="c"),
    ]
    for spec in made:
        assert "transformers:my-net" in spec.title
        assert str(tmp_path) not in spec.title


def test_key_is_the_same_in_another_process():
    code = (
        "from jobs.specs import *; e = EmbedAudio(dataset=DatasetRef('tones', 'a' * 64), encoder='melstats');"
        "print(Project(embedding=e, method='tsne', perplexity=12.5).key)"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == EXAMPLES[5].key


def test_key_follows_version_and_content_but_not_the_dataset_name(monkeypatch):
    renamed = EmbedAudio(dataset=DatasetRef("other name", "a" * 64), encoder="melstats")
    assert renamed.key == SPACE.key
    assert EmbedAudio(dataset=DatasetRef("tones", "c" * 64), encoder="melstats").key != SPACE.key
    space, its_map = SPACE.key, EXAMPLES[-1].key
    monkeypatch.setattr(EmbedAudio, "VERSION", EmbedAudio.VERSION + 1)
    assert SPACE.key != space
    assert EXAMPLES[-1].key != its_map  # what is made from it is another result, too


@pytest.mark.parametrize("kind", [Retrieval, RetrievalGrid])
def test_a_later_field_at_its_default_leaves_the_key_of_old_results(kind):
    now = kind(embedding=SPACE, labels="c" * 64)
    scaled = dataclasses.replace(now, scale="minmax")
    fields = {f.name: getattr(now, f.name) for f in dataclasses.fields(kind) if f.name not in kind.LATER}
    before = {"type": kind.__name__, "version": 1, "fields": fields | {"embedding": SPACE.key}}
    text = json.dumps(before, sort_keys=True, separators=(",", ":"))
    assert now.key == hashlib.sha256(text.encode()).hexdigest()
    assert scaled.key != now.key
    old = now.to_json()
    for name in kind.LATER:
        del old["fields"][name]
    assert from_json(old) == now
    assert from_json(scaled.to_json()) == scaled
    assert "min-max scaling" in scaled.title


def test_generated_dataset_is_known_by_the_key_of_its_source():
    source = Synthesize()
    before = EmbedAudio(dataset=DatasetRef("demo", source.key, source), encoder="melstats")
    after = EmbedAudio(dataset=DatasetRef("demo", source.key), encoder="melstats")
    assert before.key == after.key
    assert before.inputs() == (source,)
    assert after.inputs() == ()


def test_parameters_that_a_method_lacks_do_not_split_the_key():
    a = Project(embedding=SPACE, method="pca", perplexity=5, n_neighbors=9, seed=3)
    assert a == Project(embedding=SPACE, method="pca")
    plain = Project(embedding=SPACE, method="tsne")
    assert Project(embedding=SPACE, method="tsne", perplexity=30.0).key == plain.key
    assert Project(embedding=SPACE, method="tsne", seed=1).key != plain.key


def test_maps_of_a_space_share_one_graph_unless_they_need_a_wider_one():
    tsne, umap = Project(embedding=SPACE, method="tsne"), Project(embedding=SPACE, method="umap")
    assert tsne.neighbors == umap.neighbors == Neighbors(embedding=SPACE)
    assert Project(embedding=SPACE, method="tsne", perplexity=100).neighbors.k == 300


def test_closure_has_inputs_first_and_each_once():
    source = Synthesize()
    space = EmbedAudio(dataset=DatasetRef("demo", source.key, source), encoder="melstats")
    spec = Project(embedding=space, method="tsne")
    assert [type(s).__name__ for s in closure(spec)] == ["Synthesize", "EmbedAudio", "Neighbors", "Project"]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Project(embedding=SPACE, method="mds"), "tsne, umap, pca"),
        (lambda: Project(embedding=SPACE, method="tsne", perplexity=1), "between 2 and 500"),
        (lambda: Project(embedding=SPACE, method="umap", min_dist=2), "between 0 and 1"),
        (lambda: Neighbors(embedding=SPACE, metric="manhattan"), "'cosine' or 'euclidean'"),
        (lambda: Synthesize(clips_per_class=0), "between 1 and"),
        (lambda: EmbedText(dataset=REF, texts="", encoder="minilm", template="no place"), "{}"),
        (lambda: EmbedText(dataset=REF, texts="", encoder="minilm", of="mood"), "'label'"),
        (lambda: EmbedAudio(dataset=REF, encoder="nothing"), "melstats"),
        (lambda: EmbedAudio(dataset=REF, encoder="minilm"), "does not embed audio"),
        (lambda: from_json({"type": "Nope"}), "not known"),
        (lambda: from_json({"type": "EmbedAudio", "version": 0, "fields": {}}), "Ask for it again"),
        (lambda: from_json({"type": "EmbedAudio", "version": 1, "fields": {"x": 1}}), "unknown fields"),
        (lambda: from_json({"type": []}), "not known"),
        (lambda: from_json([]), "JSON object"),
        (lambda: from_json(3), "JSON object"),
        (
            lambda: from_json({"type": "Synthesize", "version": Synthesize.VERSION, "fields": {"seed": "x"}}),
            "wrong kind",
        ),
        (
            lambda: from_json({"type": "Project", "version": 1, "fields": {"embedding": 3, "method": "pca"}}),
            "wrong kind",
        ),
        (lambda: from_json({"type": "EmbedAudio", "version": 1, "fields": {"dataset": {}}}), "missing"),
        (lambda: Retrieval(embedding=SPACE, labels="", by="colour"), "by is 'colour'.*label, family"),
        (lambda: Retrieval(embedding=SPACE, labels="", aggregation="sum"), "mean, median, max"),
        (lambda: Retrieval(embedding=SPACE, labels="", algorithm="cosine"), "mips, mcss, nns"),
        (lambda: Retrieval(embedding=SPACE, labels="", components=-1), "between 0 and"),
        (lambda: Retrieval(embedding=SPACE, labels="", scale="log"), "scale is 'log'.*none, minmax"),
        (lambda: Retrieval(embedding=SPACE, labels="", normalize="after"), "False, True, before"),
        (lambda: RetrievalGrid(embedding=SPACE, labels="", normalize="after"), "False, True, before"),
        (lambda: RetrievalGrid(embedding=SPACE, labels="", by="colour"), "label, family"),
        (lambda: RetrievalGrid(embedding=SPACE, labels="", scale="log"), "none, minmax"),
        (lambda: EmbedQuery(encoder="minilm"), "one of upload and text"),
        (lambda: EmbedQuery(encoder="minilm", text="  "), "one of upload and text"),
        (lambda: EmbedQuery(encoder="minilm", text="x", upload="d" * 64), "one of upload and text"),
        (lambda: EmbedQuery(encoder="minilm", text="x" * 1001), "1,001 characters.*1,000"),
        (lambda: EmbedQuery(encoder="melstats", text="a dog"), "does not embed text"),
        (lambda: EmbedQuery(encoder="melstats", upload="../secret", suffix=".wav"), "an upload gave"),
        (lambda: EmbedQuery(encoder="melstats", upload="d" * 64, suffix="/../x"), "an upload gave"),
        (lambda: EmbedQuery(encoder="melstats", upload="d" * 64, suffix=".wav", max_seconds=0), "max_sec"),
        (lambda: Agreement(a=SPACE, b=NAMES), "of='classes'"),
        (lambda: Agreement(a=SPACE, b=OTHER, of="families"), "'clips' or 'classes'"),
        (lambda: Agreement(a=SPACE, b=OTHER, of="classes"), "labels_fingerprint"),
        (lambda: Agreement(a=SPACE, b=OTHER, metric_a="inner_product"), "cosine, euclidean"),
        (lambda: Agreement(a=SPACE, b=EmbedAudio(dataset=ELSEWHERE, encoder="melstats")), "same dataset"),
        (lambda: Agreement(a=SPACE, b=OTHER, permutations=-1), "between 0 and 10000"),
        (
            lambda: Agreement(a=SPACE, b=OTHER, class_vectors="whole"),
            "class_vectors is 'whole'; it must be one of raw, unit",
        ),
        *((partial(KMeansCurve, embedding=SPACE, ks=ks), "ascending") for ks in ((), (0, 2), (3, 2), (2, 2))),
    ],
)
def test_errors_say_what_is_allowed(make, says):
    with pytest.raises(ValueError, match=says):
        make()


def test_nan_cannot_be_part_of_a_question():
    @dataclass(frozen=True, kw_only=True)
    class Odd(Spec):
        x: float

    try:
        with pytest.raises(ValueError, match="JSON"):
            _ = Odd(x=float("nan")).key
    finally:
        del specs.SPECS["Odd"]


def test_agreement_is_the_same_question_either_way_round():
    there = Agreement(a=SPACE, b=OTHER, metric_a="euclidean")
    back = Agreement(a=OTHER, b=SPACE, metric_b="euclidean")
    assert there == back
    assert there.key == back.key
    assert there.key != Agreement(a=SPACE, b=OTHER, metric_b="euclidean").key


def test_agreement_on_clips_does_not_depend_on_labels():
    assert Agreement(a=SPACE, b=OTHER, labels="c" * 64) == Agreement(a=SPACE, b=OTHER)
    assert Agreement(a=SPACE, b=OTHER, class_vectors="unit") == Agreement(a=SPACE, b=OTHER)


def test_agreement_of_classes_depends_on_what_is_averaged():
    raw, unit = (
        Agreement(a=SPACE, b=NAMES, of="classes", labels="c" * 64, class_vectors=vectors)
        for vectors in CLASS_VECTORS
    )
    assert raw == Agreement(a=SPACE, b=NAMES, of="classes", labels="c" * 64)
    assert unit.key != raw.key


def test_a_typed_query_has_one_key_however_it_is_spaced():
    plain = EmbedQuery(encoder="minilm", text="a dog barks")
    spaced = EmbedQuery(encoder="minilm", text=" a  dog\nbarks", suffix=".wav", max_seconds=3)
    assert spaced == plain
    assert spaced.key == plain.key
    assert plain.modality == "text"
