from __future__ import annotations

import hashlib
import io
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
from sklearn.preprocessing import MinMaxScaler
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from core.processing import aggregate, fit_reducer
from core.retrieval import evaluate, search
from core.statistics import Interval
from dashboard import data, media, results, state
from dashboard.listen import blind, blind_queries, compare, preferences, ranking
from dashboard.listen import data as listen
from dashboard.listen import figures as listen_figures
from jobs import presets as measures
from jobs.encoders import trained
from jobs.engine import inprocess
from jobs.listening.ratings import Query, Question, System, open_ratings
from jobs.specs import EmbedAudio, EmbedQuery, from_json
from jobs.workspace import uploads
from jobs.workspace.workspace import Workspace
from tests.dashboard import helpers
from tests.dashboard.helpers import everything, press, showing, store, words

run = partial(helpers.run, "listen")


def wav(n: int = 1_600, period: float = 5) -> bytes:
    target = io.BytesIO()
    sf.write(target, 0.1 * np.sin(np.arange(n) / period), 16_000, format="WAV")
    return target.getvalue()


def served() -> TestClient:
    return TestClient(Starlette(routes=media.routes()))


@pytest.fixture(scope="module")
def listening(made: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Four spaces of 120 clips in 8 classes: tests must not change the spaces."""
    return made.listening(tmp_path_factory.mktemp("listening"), sounds=False)


@pytest.fixture
def shown(listening: Any) -> Iterator[Workspace]:
    with showing(listening.root) as found:
        yield found


def relevance(c: data.Clips) -> pd.DataFrame:
    names = sorted(set(c.labels))
    return pd.DataFrame({n: c.labels == n for n in names})


# -- lists ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["mcss", "mips", "nns"])
@pytest.mark.parametrize(("encoder", "components"), [("aisfx", 100), ("aisfx", 0), ("handcrafted", 0)])
def test_lists_and_ap_are_those_of_the_evaluation(
    shown: Workspace, encoder: str, components: int, algorithm: str
) -> None:
    dataset = shown.dataset("small")
    c = data.clips(dataset)
    systems = listen.offered(shown, dataset).values()
    o = {(o.encoder, o.system.components, o.system.algorithm): o for o in systems}[
        encoder, components, algorithm
    ]
    X = np.asarray(shown.cache.open(o.embedding.key).array("embeddings"))
    if components:
        X = fit_reducer(X, components).transform(X)
    report = evaluate(X, relevance(c), algorithm=algorithm, cutoffs=(15,))
    for row in range(0, 120, 17):
        found = ranking.ranked(o, dataset, str(c.ids[row]), 15)
        assert found.ids == c.ids[report.indices[row]].tolist()
        np.testing.assert_allclose(found.scores, report.scores[row], atol=1e-9)
        judged = ranking.judge(o, c, found, c.labels[row], str(c.ids[row]))
        assert judged is not None
        expected = report.queries.query(f"query == {row}")["ap@15"].iloc[0]
        assert judged.ap == pytest.approx(expected, abs=1e-9)
        assert judged.findable == 14


def test_equal_clips_come_by_their_place_and_the_query_never() -> None:
    X = np.asarray([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    rows, scores = ranking.best(X, X[2], 3, "mcss", without=2)
    assert rows.tolist() == [0, 3, 1]
    assert scores.tolist() == [1, 1, 0]
    assert ranking.best(X, X[2], 99, "nns")[0].tolist() == [0, 2, 3, 1]


def test_the_artifact_is_read_where_there_is_one(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    found = made.listening(tmp_path, sounds=False, per_class=3)
    dataset = found.dataset("small")
    o = listen.offered(found, dataset)["handcrafted"]
    ids = ranking.clip_ids(o)
    spec = listen.judgements(o, dataset)[0]
    assert spec.components == 100  # as everybody asks, although there are 32 dimensions
    n = len(ids)
    backwards = np.asarray([[j for j in range(n - 1, -1, -1) if j != i] for i in range(n)], np.int32)
    store(found, spec, results=backwards, scores=np.tile(np.linspace(1, 0, n - 1), (n, 1)))
    assert ranking.ranked(o, dataset, ids[0]).ids == ids[:0:-1]
    other = listen.offered(found, dataset)["handcrafted~clips~all~nns"]
    assert ranking.ranked(other, dataset, ids[0]).ids != ids[:0:-1]


@pytest.mark.parametrize("how", ["mean", "median", "max"])
def test_queries_from_outside_go_the_way_of_the_corpus(
    made: Any, fresh: Workspace, tmp_path: Path, how: str
) -> None:
    found, dataset = made.workspace(tmp_path, per_class=3, sounds=False)
    rng = np.random.default_rng(0)
    n = dataset.n_clips
    offsets = np.arange(0, 4 * n + 1, 4)
    frames = rng.normal(size=(4 * n, 12)).astype(np.float32)
    spec = EmbedAudio(dataset=dataset.ref, encoder="random-cnn")
    mean = aggregate(frames, offsets, "mean")
    store(found, spec, embeddings=mean, frames=frames, offsets=offsets, clips=dataset.clips["clip_id"])
    systems = listen.offered(found, dataset)
    assert len(systems) == 9  # 3 aggregations x all dimensions x 3 algorithms: 12 dimensions are too few
    o = next(o for o in systems.values() if (o.system.aggregation, o.system.algorithm) == (how, "mcss"))
    query = listen.embed_query(o, dataset, upload=("a" * 64, ".wav"))
    mine = rng.normal(size=(5, 12)).astype(np.float32)
    store(found, query, embeddings=mine.mean(axis=0, keepdims=True), frames=mine, offsets=[0, 5])
    got = ranking.ranked_outside(o, dataset, query, 10)
    pick = {"mean": np.mean, "median": np.median, "max": np.max}[how]
    corpus = np.asarray([pick(frames[i : i + 4], axis=0) for i in offsets[:-1]], float)
    rows, scores = search(pick(mine, axis=0)[None].astype(float), corpus, 10)
    assert got.ids == [dataset.clips["clip_id"][i] for i in rows[0]]
    np.testing.assert_allclose(got.scores, scores[0], atol=1e-6)


@pytest.mark.parametrize("judged", [False, True])
def test_freesound_s_features_are_scaled_as_the_corpus_is(
    made: Any, fresh: Workspace, tmp_path: Path, judged: bool
) -> None:
    found, dataset = made.workspace(tmp_path, per_class=15, sounds=False)
    rng = np.random.default_rng(0)
    # In units of their own, one of them the same for all: 120 clips of 110 features.
    X = (rng.normal(size=(dataset.n_clips, 110)) * 10.0 ** rng.integers(-3, 9, 110)).astype(np.float32)
    X[:, 7] = 3
    spec = EmbedAudio(dataset=dataset.ref, encoder="freesound")
    store(found, spec, embeddings=X, clips=dataset.clips["clip_id"])
    o = listen.offered(found, dataset)["freesound"]
    assert o.system.scale == "minmax"
    assert o.about == "min-max · PCA 100 · MCSS"
    assert "min-max" in o.system.name
    (wanted, *_) = listen.judgements(o, dataset)
    assert wanted == measures.of_retrieval(dataset, spec)[0]
    if judged:
        assert inprocess.run(found, wanted).state == "done"
    query = listen.embed_query(o, dataset, upload=("a" * 64, ".wav"))
    mine = 2 * X[3:4]
    store(found, query, embeddings=mine)
    scaler = MinMaxScaler().fit(X.astype(float))
    corpus, theirs = scaler.transform(X.astype(float)), scaler.transform(mine.astype(float))
    corpus[:, 7] = theirs[:, 7] = 0
    reducer = fit_reducer(corpus, 100)
    ids = np.asarray(dataset.clips["clip_id"])
    for got, q, skip in (
        (ranking.ranked_outside(o, dataset, query, 10), theirs, 0),
        (ranking.ranked(o, dataset, ids[3], 10), corpus[3:4], 1),
    ):
        rows, scores = search(reducer.transform(q), reducer.transform(corpus), 10 + skip)
        assert got.ids == ids[rows[0][skip:]].tolist()
        np.testing.assert_allclose(got.scores, scores[0][skip:], atol=1e-9)


def test_ap_by_hand() -> None:
    assert ranking.average_precision([True, True], 2) == 1
    assert ranking.average_precision([False, True, True], 3) == pytest.approx((1 / 2 + 2 / 3) / 3)
    assert ranking.average_precision([False] * 15 + [True], 40) == 0
    assert ranking.average_precision([True] * 15, 40) == 1


def test_systems_have_names_that_come_back(shown: Workspace) -> None:
    systems = listen.offered(shown, shown.dataset("small"))
    assert [i for i in systems if "~" not in i] == ["aisfx", "handcrafted", "melstats", "random-cnn"]
    assert list(systems)[:4] == ["aisfx", "handcrafted", "melstats", "random-cnn"]
    assert (systems["aisfx"].system.components, systems["handcrafted"].system.components) == (100, 0)
    assert len({o.system for o in systems.values()}) == len(systems)
    assert all(listen.find(systems, o.system) is o for o in systems.values())


def test_draws_repeat_and_move_on(shown: Workspace) -> None:
    c = data.clips(shown.dataset("small"))
    drawn = [listen.draw(c, "Rain", seed) for seed in range(40)]
    assert drawn == [listen.draw(c, "Rain", seed) for seed in range(40)]
    assert len(set(drawn)) > 8
    assert all(c.labels[c.row[i]] == "Rain" for i in drawn)
    assert all(listen.draw(c, "Rain", seed, now=drawn[0]) != drawn[0] for seed in range(40))


def test_credit_is_of_the_clip(shown: Workspace) -> None:
    c = data.clips(shown.dataset("small"))
    assert listen.credit(c, 3) == ("recordist 3 · CC BY 4.0", "https://example.org/3")
    assert listen.credit(c, 4) == ("recordist 4 · CC BY 4.0", "")


def test_csv_holds_all_lists(shown: Workspace) -> None:
    dataset = shown.dataset("small")
    c = data.clips(dataset)
    pair = [listen.offered(shown, dataset)[i] for i in ("aisfx", "melstats")]
    clip = str(c.ids[0])
    lists = [ranking.ranked(o, dataset, clip) for o in pair]
    judged = [ranking.judge(o, c, x, "Dog bark", clip) for o, x in zip(pair, lists, strict=True)]
    table = pd.read_csv(io.BytesIO(ranking.lists_csv(c, pair, lists, judged, {"query": clip})))
    assert len(table) == 2 * 119
    assert table["clip_id"].tolist() == lists[0].ids + lists[1].ids
    assert table["fits"].tolist() == (table["label"] == "Dog bark").astype(int).tolist()


# -- the page ---------------------------------------------------------------------------------------------


def test_empty_states_say_how_to_begin(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    assert "no dataset" in everything(run())
    found, dataset = made.workspace(tmp_path, per_class=3, sounds=False)
    app = run()
    assert "no space" in everything(app)
    assert "embed small melstats handcrafted" in everything(app)
    app.button[0].click().run()
    assert len(found.queue.jobs()) == 2
    assert "on their way" in everything(app)
    made.space(found, dataset, "aisfx", seed=0, spread=1.0)
    app = run()
    assert "has one space" in everything(app)
    assert "1 to 15 of 23 results" in everything(app)
    assert "Nobody has rated" in everything(run(part="results"))
    assert "at least two systems" in everything(run(part="blind"))


def test_a_class_of_one_clip_and_few_results(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    found, dataset = made.workspace(
        tmp_path, per_class=1, sounds=False, classes={"Rain": "Nature", "Crow": "Animals"}
    )
    made.space(found, dataset, "aisfx", seed=0, spread=1.0)
    said = everything(run(query="rain__take-000"))
    assert "only 1 other clip to be found" in said
    assert "Rain has no other clip, so nothing that is asked for can be found" in said
    assert "No class has two clips" in everything(run(part="blind", among=["aisfx", "aisfx~clips~all~nns"]))


def test_what_is_shown_stands_in_the_url(shown: Workspace) -> None:
    app = run(system=["melstats", "aisfx~clips~all~nns"], query="rain__take-003", page="2")
    assert app.multiselect(key="listen.system").value == ["melstats", "aisfx~clips~all~nns"]
    assert app.selectbox(key="listen.class").value == "Rain"
    assert "16 to 30 of 119 results · 14 other clips of Rain to be found" in everything(app)
    app.button[0].click().run()
    clip = app.query_params["query"]
    assert clip.startswith("rain__")
    assert clip != "rain__take-003"
    assert app.query_params["draw"] == "1"
    assert "1 to 15 of" in everything(app)
    app.selectbox(key="listen.class").set_value("Crow").run()
    assert app.query_params["query"].startswith("crow__")
    again = run(**{k: app.query_params[k] for k in ("query", "system")})
    assert again.selectbox(key="listen.query").value == app.selectbox(key="listen.query").value


def test_any_nonsense_in_the_url_is_no_error(shown: Workspace) -> None:
    names = ("part", "from", "class", "query", "system", "page", "draw", "upload", "text", "loudness", "by")
    for part in ("compare", "blind", "results"):
        app = run(**{**dict.fromkeys(names, "'; drop/../<b>"), "part": part})
        assert not app.error
    assert not run(part="blind", test="ffffffffffff", listener="x").error


def test_an_upload_is_not_judged_by_the_class_of_the_clip_before_it(shown: Workspace) -> None:
    app = run(query="rain__take-000", **{"class": "Rain"})
    assert "of Rain to be found" in words(app)
    app.segmented_control(key="listen.from").set_value("upload").run()
    assert app.selectbox(key="listen.class").value == ""
    assert "class" not in app.query_params
    # One may be asked for all the same, and the clip has its own again.
    app.selectbox(key="listen.class").set_value("Crow").run()
    app.segmented_control(key="listen.from").set_value("clip").run()
    assert app.selectbox(key="listen.class").value == "Rain"
    assert app.selectbox(key="listen.query").value == "rain__take-000"


def test_a_list_without_ap_says_why(shown: Workspace) -> None:
    dataset = shown.dataset("small")
    o = next(iter(listen.offered(shown, dataset).values()))
    ranked = ranking.ranked(o, dataset, "rain__take-000")
    for judged, text in (
        (ranking.judge(o, data.clips(dataset), ranked, ""), "no class asked for"),
        (ranking.Judged([False] * len(ranked.ids), math.nan, 0), "no clip of the class to be found"),
    ):
        assert compare.column(dataset, o, ranked, judged, {}, range(15)).measure == f"{text}, so no AP@15"


def test_systems_that_cannot_embed_a_query_say_why(shown: Workspace) -> None:
    upload, suffix = uploads.save(shown.root, "a.wav", wav())
    app = run(from_="upload", upload=upload + suffix, system="handcrafted")
    assert "The space of handcrafted was made by handcrafted/test" in everything(app)
    assert not shown.queue.jobs()
    assert "None of the systems at the left embeds text" in everything(run(from_="text"))


def test_trained_spaces_are_searched_with_their_own_clips_only(
    made: Any, fresh: Workspace, tmp_path: Path
) -> None:
    found, dataset = made.workspace(tmp_path, per_class=3, sounds=False)
    frozen = made.space(found, dataset, "aisfx", seed=0, spread=1.0)
    # Any spec can stand for a training.
    name = trained.encoder_name("ADD, all four", frozen.key)
    spec = EmbedAudio(dataset=dataset.ref, encoder=name, source=frozen, run="0")
    store(found, spec, embeddings=results.result(frozen).embeddings, clips=dataset.clips["clip_id"])
    o = listen.offered(found, dataset)[name]
    assert not listen.reads_text(o)
    assert "None of the systems at the left embeds text" in everything(run(from_="text", system=name))
    assert "23 results" in everything(run(query="rain__take-000", system=name))
    upload, suffix = uploads.save(found.root, "a.wav", wav())
    said = everything(run(from_="upload", upload=upload + suffix, system=name))
    assert "nothing embeds others like them" in said
    for given in ({"upload": (upload, suffix)}, {"text": "a dog"}):
        with pytest.raises(listen.NotRanked, match="nothing embeds others like them"):
            listen.embed_query(o, dataset, **given)
    assert not found.queue.jobs()


def test_upload_is_queued_refused_once_and_found(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    found, dataset = made.workspace(tmp_path, per_class=3, sounds=False)
    for i, name in enumerate(("melstats", "handcrafted")):
        embedded(found, dataset, name, seed=i)
    # As an earlier version kept it, which did not look.
    upload, suffix = hashlib.sha256(b"no sound at all").hexdigest(), ".wav"
    file = uploads.path(found.root, upload, suffix)
    file.parent.mkdir(parents=True)
    file.write_bytes(b"no sound at all")
    app = run(from_="upload", upload=upload + suffix)
    jobs = found.queue.jobs()
    assert sorted(j.spec["fields"]["encoder"] for j in jobs) == ["handcrafted", "melstats"]
    assert "No worker is running" in everything(app)
    for job in jobs:
        spec = EmbedQuery(encoder=job.spec["fields"]["encoder"], upload=upload, suffix=suffix)
        assert inprocess.run(found, spec).state == "failed"
    app = run(from_="upload", upload=upload + suffix)
    assert len(app.error) == 1
    assert "is not sound" in app.error[0].value
    assert app.error[0].value.count(".") == 1
    # A new result is shown, whatever has happened to the others.
    spec = EmbedQuery(encoder="melstats", upload=upload, suffix=suffix)
    store(found, spec, embeddings=np.ones((1, 8), np.float32))
    assert "1 to 15 of 24 results" in everything(run(from_="upload", upload=upload + suffix))


def test_a_text_is_embedded_by_its_tower(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    found, dataset = made.workspace(tmp_path, per_class=3, sounds=False)
    spec = EmbedAudio(dataset=dataset.ref, encoder="transformers:some/clap")
    X = np.random.default_rng(0).normal(size=(24, 8)).astype(np.float32)
    store(found, spec, embeddings=X, clips=dataset.clips["clip_id"])
    assert not run(from_="text").error
    app = run(from_="text", text="a  dog", class_="Dog bark")
    (job,) = found.queue.jobs()
    assert (job.spec["fields"]["text"], job.spec["fields"]["encoder"]) == ("a dog", "transformers:some/clap")
    query = EmbedQuery(encoder="transformers:some/clap", text="a dog")
    store(found, query, embeddings=X[5:6])
    app = run(from_="text", text="a dog", class_="Dog bark")
    assert "3 clips of Dog bark to be found" in everything(app)
    o = listen.offered(found, dataset)["transformers:some/clap"]
    assert ranking.ranked_outside(o, dataset, query).ids[0] == dataset.clips["clip_id"][5]


def test_large_spaces_are_left_to_a_job(
    made: Any, fresh: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = made.listening(tmp_path, sounds=False, per_class=15)
    monkeypatch.setattr(ranking, "QUICK_PRODUCTS", 100)
    page = {"system": ["aisfx", "handcrafted"], "query": "rain__take-003"}
    said = everything(run(**page))
    assert "the lists of these systems are made once, by a job" in said
    assert "1 to 15" in said  # the other one needs no principal components
    (job,) = found.queue.jobs()  # which the page has started
    # A blind test waits for the same job.
    content = {"kind": "listening", "dataset": "small", "fingerprint": found.dataset("small").fingerprint}
    offered = listen.offered(found, found.dataset("small"))
    content |= {"systems": [asdict(offered[i].system) for i in page["system"]], "control": None}
    content |= {"columns": 2, "length": 5, "seed": 0, "queries": [["clip", "rain__take-003", "Rain"]]}
    blind_page = {"part": "blind", "test": state.save_view(found.root, content), "listener": "anna"}
    assert "its lists are made by a job" in everything(run(**blind_page))
    assert [j.key for j in found.queue.jobs()] == [job.key]
    assert inprocess.run(found, from_json(job.spec)).state == "done"
    assert "made once, by a job" not in everything(run(**page))
    assert "Question 1" in everything(run(**blind_page))


def test_without_labels_no_job_can_make_the_lists(
    made: Any, fresh: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, dataset = made.workspace(tmp_path, per_class=1, sounds=False)
    embedded(found, dataset, "melstats", seed=0)
    monkeypatch.setattr(ranking, "QUICK_PRODUCTS", 0)
    o = listen.offered(found, dataset)["melstats"]
    o = replace(o, system=replace(o.system, components=4))
    assert len(ranking.ranked(o, dataset, dataset.clips["clip_id"][0]).ids) == dataset.n_clips - 1


def test_uploads_are_served_by_their_hash_only(shown: Workspace) -> None:
    sound = wav(16_000)
    upload, suffix = uploads.save(shown.root, "mine.wav", sound)
    client = served()
    answer = client.get(f"/audio/{media.UPLOADS}/{upload}{suffix}")
    assert answer.content == sound
    assert client.get(f"/audio/{media.UPLOADS}/{upload}{suffix}?level=equal").status_code == 200
    assert client.get(f"/spectrogram/{media.UPLOADS}/{upload}{suffix}").content[:4] == b"\x89PNG"
    for name in ("0" * 64 + ".wav", "../ratings.sqlite", f"..%2F{upload}{suffix}"):
        assert client.get(f"/audio/{media.UPLOADS}/{name}").status_code == 404


def test_sounds_of_a_question_have_names_that_do_not_identify_them(
    made: Any, fresh: Workspace, tmp_path: Path
) -> None:
    found = made.listening(tmp_path, per_class=2)
    dataset = found.dataset("small")
    sound = dataset.audio_path("crow__take-000").read_bytes()
    upload = "".join(uploads.save(found.root, "mine.wav", sound))
    columns = (("rain__take-001", "crow__take-001"), ("rain__take-001", "rooster__take-000"))

    def ask(query: Query, number: int) -> int:
        question = Question(
            session="s",
            number=number,
            listener="anna",
            seed=0,
            dataset="small",
            fingerprint=dataset.fingerprint,
            query=query,
            systems=(System("aisfx"), System("melstats")),
            results=columns,
        )
        return open_ratings(found.root).new_question(question)

    client = served()

    def sound_at(question: int, place: int) -> Any:
        return client.get(f"/audio/{media.BLIND}/{media.blind_name(question, place)}")

    others = [dataset.audio_path(c).read_bytes() for c in dict.fromkeys([*columns[0], *columns[1]])]
    one = ask(Query("clip", "rain__take-000", "Rain"), 0)
    queries = {one: dataset.audio_path("rain__take-000").read_bytes(), ask(Query("upload", upload), 1): sound}
    for question, query in queries.items():
        assert [sound_at(question, i).content for i in range(4)] == [query, *others]
    texts = ask(Query("text", "a dog"), 2)
    assert [sound_at(texts, i).status_code for i in range(5)] == [404, 200, 200, 200, 404]
    for name in ("1", "1.x", "99.0", f"{one}.9", "../ratings.sqlite", "1.0.0"):
        assert client.get(f"/audio/{media.BLIND}/{name}").status_code == 404
    # What cannot be served does not give away what it is either.
    dataset.audio_path("crow__take-001").write_text("no sound")
    dataset.audio_path("rain__take-001").unlink()
    for place in (1, 2):
        answer = client.get(f"/audio/{media.BLIND}/{media.blind_name(one, place)}?level=equal")
        assert answer.status_code in (404, 415)
        assert not any(word in answer.text.lower() for word in ("rain", "crow", "take"))


# -- blind tests and their results ------------------------------------------------------------------------


@pytest.fixture
def rated(made: Any, fresh: Workspace, tmp_path: Path) -> Workspace:
    return made.listening(tmp_path, sounds=False, per_class=4)


def begin(**query: Any) -> AppTest:
    app = run(part="blind", **query)
    app.text_input(key="listen-alias").set_value("anna").run()
    app = press(app, "Begin")
    assert not app.error
    return app


def test_a_test_begins_asks_and_reveals(rated: Workspace) -> None:
    app = begin(among=["aisfx", "melstats"], length="5")
    test = app.query_params["test"]
    assert app.query_params["listener"] == "anna"
    assert "system" not in app.query_params
    said = everything(app)
    assert "Question 1" in said
    assert not any(name in said for name in ("aisfx", "melstats", "random-cnn"))
    (rating,) = open_ratings(rated.root).ratings()
    q = rating.question
    assert (q.session, q.number, q.dataset, len(q.results[0])) == (f"{test}:anna", 0, "small", 5)
    dataset = rated.dataset("small")
    systems = listen.offered(rated, dataset)
    for system, ids in zip(q.systems, q.results, strict=True):
        assert list(ids) == ranking.ranked(listen.find(systems, system), dataset, q.query.value).ids[:5]
    # The same link again is the same question, not another one.
    run(part="blind", test=test, listener="anna")
    assert len(open_ratings(rated.root).ratings()) == 1
    open_ratings(rated.root).choose(rating.id, 1)
    app = run(part="blind", test=test, listener="anna", asked="1")
    assert f"You chose **B**, which is **{q.systems[1].encoder}**" in everything(app).replace("\\", "")
    assert "Question 2" in everything(press(app, "Next question"))
    assert "asked" not in app.query_params


def test_somebody_with_the_link_is_asked_for_an_alias(rated: Workspace) -> None:
    app = begin(among=["aisfx", "melstats"])
    there = run(part="blind", test=app.query_params["test"])
    assert "Their names are hidden" in everything(there)
    there.text_input(key="listen-alias").set_value("   ").run()
    there.button[0].click().run()
    assert "alias of 1 to 64 characters" in everything(there)
    there.text_input(key="listen-alias").set_value("bert").run()
    there.button[0].click().run()
    first, second = open_ratings(rated.root).ratings()
    assert second.question.listener == "bert"
    assert first.question.key == second.question.key


def test_sessions_hold_controls_and_repeats_of_the_plan(rated: Workspace) -> None:
    app = begin(among=["aisfx", "melstats", "handcrafted"], columns="2")
    name = app.query_params["test"]
    content = state.load_view(rated.root, name)
    assert content is not None
    labels = Counter(label for _, _, label in content["queries"])
    assert set(labels.values()) == {4}
    test = blind._test(rated, name, content, "anna")
    ratings = open_ratings(rated.root)
    known: dict[int, Any] = {r.question.number: r for r in ratings.ratings(session=f"{name}:anna")}
    for number in range(20):
        known[number] = known.get(number) or blind._ask(rated, test, number, known)
        ratings.choose(known[number].id, None)
    shown = [r.question for r in ratings.ratings()]
    assert sum(q.repeat_of is not None for q in shown) == 2
    with_control = [q for q in shown if "random-cnn" in [s.encoder for s in q.systems]]
    assert sum(q.repeat_of is None for q in with_control) in (3, 4, 5)
    assert len(ratings.repeats()) == 2


def test_tests_of_earlier_versions_hold_clips() -> None:
    query = Query("upload", "x.wav", "Rain")
    assert blind_queries.kept(blind_queries.plain(query)) == query
    assert blind_queries.kept(["rain__take-000", "Rain"]) == Query("clip", "rain__take-000", "Rain")


def embedded(found: Workspace, dataset: Any, encoder: str, *, seed: int) -> None:
    """Write a space of 8 dimensions that new queries can be embedded in."""
    spec = EmbedAudio(dataset=dataset.ref, encoder=encoder)
    X = np.random.default_rng(seed).normal(size=(dataset.n_clips, 8)).astype(np.float32)
    store(found, spec, embeddings=X, clips=dataset.clips["clip_id"])


def answer_jobs(found: Workspace) -> int:
    """Write an embedding for every query that waits for one."""
    waiting = [j for j in found.queue.jobs() if j.spec["type"] == "EmbedQuery" and j.active]
    for job in waiting:
        spec = from_json(job.spec)
        x = np.random.default_rng(int(spec.key[:8], 16)).normal(size=(1, 8)).astype(np.float32)
        store(found, spec, embeddings=x)
        found.queue.claim(spec.key)
        found.queue.finish(spec.key, "done")
    return len(waiting)


def test_texts_can_be_asked_with(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    found, dataset = made.workspace(tmp_path, per_class=3, sounds=False)
    encoders = ("transformers:one/clap", "transformers:two/clap")
    for i, encoder in enumerate((*encoders, "melstats", "random-cnn")):
        embedded(found, dataset, encoder, seed=i)
    assert "Add a text to search with" in everything(run(part="blind", with_="text", among=encoders))
    content = {"kind": "queries", "of": "text", "values": ["a dog", "rain", ""]}
    brought = state.save_view(found.root, content)
    setup = {"part": "blind", "with_": "text", "brought": brought, "wanted": "Rain"}
    assert "melstats embeds no text" in everything(run(among=[encoders[0], "melstats"], **setup))
    app = run(among=encoders, **setup)
    assert app.text_area(key="listen-blind-texts").value == "a dog\nrain"
    assert "0 of 2 are embedded" in everything(app)
    assert next(b for b in app.button if b.label == "Begin").disabled
    assert answer_jobs(found) == 4  # two texts, two systems; the control reads none
    app = begin(among=encoders, **{k: v for k, v in setup.items() if k != "part"})
    said = everything(app)
    (rating,) = open_ratings(found.root).ratings()
    q = rating.question
    assert (q.query.kind, q.query.wanted) == ("text", "Rain")
    assert f"“{q.query.value}”" in said.replace("**", "")
    assert "Asked for: **Rain**" in said
    systems = listen.offered(found, dataset)
    for system, ids in zip(q.systems, q.results, strict=True):
        o = listen.find(systems, system)
        assert o is not None
        spec = listen.embed_query(o, dataset, text=q.query.value)
        assert list(ids) == ranking.ranked_outside(o, dataset, spec).ids[:10]
    open_ratings(found.root).choose(rating.id, 0)
    test = app.query_params["test"]
    # The next query has been cleared away: it is asked for again, and then goes on.
    other = next(t for t in ("a dog", "rain") if t != q.query.value)
    for o in (systems[e] for e in encoders):
        found.cache.delete(listen.embed_query(o, dataset, text=other).key)
    app = run(part="blind", test=test, listener="anna")
    assert "has to be embedded again" in everything(app)
    assert len(open_ratings(found.root).ratings()) == 1
    assert answer_jobs(found) == 2
    app = run(part="blind", test=test, listener="anna")
    assert f"“{other}”" in everything(app).replace("**", "")
    # The answer is shown although the scores of the lists are no longer known.
    for o in (systems[e] for e in encoders):
        found.cache.delete(listen.embed_query(o, dataset, text=q.query.value).key)
    assert "You chose **A**" in everything(run(part="blind", test=test, listener="anna", asked="1"))


def test_sounds_that_are_brought_along_can_be_asked_with(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    found, dataset = made.workspace(tmp_path, per_class=3, sounds=False)
    for i, encoder in enumerate(("melstats", "handcrafted", "random-cnn")):
        embedded(found, dataset, encoder, seed=i)
    names = ["".join(uploads.save(found.root, f"{i}.wav", wav(8_000, 5 + i))) for i in range(2)]
    content = {"kind": "queries", "of": "upload", "values": [*names, "0" * 64 + ".wav"]}
    setup = {"with_": "upload", "brought": state.save_view(found.root, content), "length": "5"}
    setup["among"] = ["melstats", "handcrafted"]
    app = run(part="blind", **setup)
    assert "2 sounds to search with" in everything(app)  # the third was never uploaded
    jobs = [j for j in found.queue.jobs() if j.spec["type"] == "EmbedQuery"]
    assert len(jobs) == 2 * 3  # with the control
    # One of them cannot be embedded: it is said, and the test has the other.
    for job in jobs:
        if job.spec["fields"]["upload"] in names[0]:
            found.queue.claim(job.key)
            found.queue.finish(job.key, "failed", "The uploaded sound is silent.")
    answer_jobs(found)
    app = run(part="blind", **setup)
    assert [e.value for e in app.error] == ["The uploaded sound is silent."]
    app.text_input(key="listen-alias").set_value("anna").run()
    app = press(app, "Begin")
    (rating,) = open_ratings(found.root).ratings()
    q = rating.question
    assert (q.query.kind, q.query.value, q.query.wanted) == ("upload", names[1], "")
    assert names[1] not in everything(app)
    answer = served().get(f"/audio/{media.BLIND}/{media.blind_name(rating.id, 0)}")
    assert answer.content == uploads.path(found.root, names[1], "").read_bytes()
    open_ratings(found.root).choose(rating.id, None)
    test = app.query_params["test"]
    assert "You chose none of them" in everything(run(part="blind", test=test, listener="anna", asked="1"))
    # It is kept for as long as the question is; without it the test cannot go on, and says so.
    uploads.path(found.root, names[1], "").unlink()
    assert "no longer in the workspace" in run(part="blind", test=test, listener="anna").error[0].value


def test_marks_are_kept_once_changed_and_taken_back(rated: Workspace) -> None:
    app = begin(among=["aisfx", "melstats"])
    name = app.query_params["test"]
    test = blind._test(rated, name, state.load_view(rated.root, name), "anna")  # type: ignore[arg-type]
    ratings = open_ratings(rated.root)
    (rating,) = ratings.ratings()
    for marks in ({"0,0": True}, {"0,0": True, "1,2": False}, {"0,0": None, "1,2": True}, {}):
        blind._keep_marks(rated.root, test, {"question": rating.id, "marks": marks})
    (rating,) = ratings.ratings()
    assert rating.marks == {(1, 2): True}
    ratings.choose(rating.id, 0)
    blind._keep_marks(rated.root, test, {"question": rating.id, "marks": {"0,1": True}})
    assert ratings.ratings()[0].marks == {(1, 2): True}


def test_an_answer_stands_once_the_systems_are_known(
    rated: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = begin(among=["aisfx", "melstats"])
    name = app.query_params["test"]
    test = blind._test(rated, name, state.load_view(rated.root, name), "anna")  # type: ignore[arg-type]
    (rating,) = open_ratings(rated.root).ratings()
    # Clicked twice, or in a second window that still shows the question.
    for column in (1, 1, 0):
        value = {"choice": {"question": rating.id, "marks": {}, "column": column}}
        monkeypatch.setattr(blind.st, "session_state", {"listen-blind": value})
        blind._chose(rated.root, test, rating.id, 0)
        assert blind.st.session_state["listen.asked"] == 1
    (rating,) = open_ratings(rated.root).ratings()
    assert rating.chosen == 1


def answers(found: Workspace, given: list[tuple[str, str, str | None]], systems: list[System]) -> None:
    """Write answers: listener, clip, and the encoder chosen."""
    ratings = open_ratings(found.root)
    dataset = found.dataset("small")
    counts: Counter[str] = Counter()
    for listener, clip, chosen in given:
        question = Question(
            session=f"s-{listener}",
            number=counts[listener],
            listener=listener,
            seed=0,
            dataset="small",
            fingerprint=dataset.fingerprint,
            query=Query("clip", clip, "Rain"),
            systems=tuple(systems),
            results=tuple(("x", "y") for _ in systems),
        )
        counts[listener] += 1
        at = None if chosen is None else [s.encoder for s in systems].index(chosen)
        ratings.choose(ratings.new_question(question), at)


def test_what_listeners_prefer_is_counted(rated: Workspace) -> None:
    dataset = rated.dataset("small")
    offered = listen.offered(rated, dataset)
    systems = [offered[i].system for i in ("aisfx", "melstats", "random-cnn")]
    given: list[tuple[str, str, str | None]] = [("anna", f"c{i}", "aisfx") for i in range(6)]
    given += [("anna", f"d{i}", "melstats") for i in range(3)] + [("anna", "e", None)]
    given += [("bert", f"c{i}", "aisfx") for i in range(4)] + [("bert", "d0", "random-cnn")]
    answers(rated, given, systems)
    found = preferences.counted(rated.root, dataset)
    assert found is not None
    assert [found.title(n) for n in found.names] == ["aisfx", "melstats", "random-cnn"]
    assert (found.questions, found.listeners) == (15, ["anna", "bert"])
    wins = [found.wins[n] for n in found.names]
    assert [w.value for w in wins] == pytest.approx([10 / 15, 3 / 15, 1 / 15])
    assert all(w.chance == pytest.approx(1 / 3) for w in wins)
    assert found.none.value == pytest.approx(1 / 15)
    assert found.alpha.questions == 5
    assert preferences.counted(rated.root, dataset, "bert").questions == 5  # type: ignore[union-attr]
    against = preferences.objective(found, dataset)
    assert len(against.missing) == 3
    for spec, value in zip(against.missing, (0.9, 0.4, 0.5), strict=True):
        with rated.cache.writer(spec.key, spec=spec.to_json()) as w:
            w.array("scores", np.zeros(1))
            score = {"value": value, "low": value - 0.1, "high": None}
            w.meta.update(macro={"map@15": score}, n_queries=9)
    against = preferences.objective(found, dataset)
    assert [s.value for s in against.scores.values()] == [0.9, 0.4, 0.5]
    assert against.agreement.n == 3
    assert against.agreement.tau == pytest.approx(1 / 3)
    table = pd.read_csv(io.BytesIO(preferences.table_csv(found, against)))
    assert table["map@15"].tolist() == [0.9, 0.4, 0.5]
    assert table["share"].sum() == pytest.approx(1)
    said = everything(run(part="results"))
    assert "<b>15</b>" in said
    assert "+0.333 (p = 1.000)" in said
    assert "would be chosen rather than" in said


def test_a_damaged_file_of_ratings_is_one_sentence(rated: Workspace) -> None:
    (rated.root / "ratings.sqlite").write_bytes(b"not a database" * 100)
    for query in ({"part": "results"}, {"part": "compare"}):
        app = run(**query)
        assert len(app.error) == (query["part"] == "results")
    assert "damaged" in everything(run(part="results"))


def test_figures_hold_what_they_are_given() -> None:
    values = [Interval(0.6, 0.4, 0.7, 10), Interval(0.2, 0.1, 0.5, 20)]
    drawn = listen_figures.preferred_figure(["a", "b"], values, title="share", chance=np.asarray([0.5, 0.5]))
    by = {t.meta: t for t in drawn.data}
    assert list(by["systems"].x) == [0.6, 0.2]
    np.testing.assert_allclose(by["systems"].error_x.array, [0.1, 0.3])
    np.testing.assert_allclose(by["systems"].error_x.arrayminus, [0.2, 0.1])
    assert list(by["chance"].x) == [0.5, 0.5]
    assert "n = 20" in drawn.layout.yaxis.ticktext[1]
    against = listen_figures.against_figure(["a", "b"], values, values, title="MAP@15")
    np.testing.assert_allclose(against.data[0].error_y.array, [0.1, 0.3])
