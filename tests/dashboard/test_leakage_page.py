from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import confusion_matrix, silhouette_samples

from dashboard import data, memory
from dashboard.kit import confusion_numbers, numbers
from dashboard.kit.learning_figures import curves_table
from dashboard.leakage import captions as leakage_captions
from dashboard.leakage import curves as leakage_curves
from dashboard.leakage import data as leakage
from dashboard.leakage import maps as leakage_maps
from dashboard.leakage import model as leakage_model
from dashboard.leakage.data import Result
from dashboard.leaks import data as leaks
from jobs import contrastive_presets as contrastive
from jobs.datasets.importer import Imported
from jobs.engine import inprocess, live
from jobs.workspace.workspace import Workspace
from tests.dashboard import helpers, made_leakage
from tests.dashboard.helpers import address, everything, html, press, showing, words

run = partial(helpers.run, "leakage")


@pytest.fixture(scope="session")
def six(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with a grid of six models; tests must not change it."""
    return made_leakage.leaking(tmp_path_factory.mktemp("six"), sounds=False)


@pytest.fixture
def shown(six: Workspace) -> Iterator[Workspace]:
    with showing(six.root):
        yield six


def of(found: Workspace) -> Result:
    return leakage.result(leakage.grids(found, found.dataset("small"))[0].spec)


def table(found: Workspace, name: str) -> pd.DataFrame:
    return found.cache.open(of(found).spec.key).table(name).to_pandas()


def tables(text: str) -> list[list[list[str]]]:
    """The tables of a page as rows of texts, without their heads; small print follows after a space."""
    found = []
    for table in re.findall(r"<table.*?</table>", text):
        rows = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr.*?</tr>", table)]
        found.append([[re.sub(r"<[^>]+>", " ", cell).strip() for cell in row] for row in rows if row])
    return found


# -- what the numbers are -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("which", "x", "y"),
    [("silhouette", "silhouette_Ea", "accuracy"), ("similarity", "overlap_Ea_Et", "log_accuracy")],
)
def test_the_two_correlations_are_those_of_the_result(shown: Workspace, which: str, x: str, y: str) -> None:
    r = leakage.related(of(shown), which)
    rows = table(shown, "correlations")
    stored = rows[(rows["x"] == x) & (rows["y"] == y)]
    assert r.found is not None
    ours = [r.found.r, r.found.p, r.found.low, r.found.high, r.found.n]
    assert ours == pytest.approx(stored[["r", "p", "low", "high", "n"]].to_numpy(float)[0].tolist(), abs=1e-6)
    assert r.line is not None
    slope = np.polyfit(r.dots.x, r.dots.y, 1)[0]
    assert (r.line.y[-1] - r.line.y[0]) / (r.line.x[-1] - r.line.x[0]) == pytest.approx(slope)


def test_another_definition_of_similarity_has_its_own_correlation(shown: Workspace) -> None:
    r = leakage.related(of(shown), "similarity", "plain")
    m = table(shown, "models")
    expected = stats.pearsonr(m["overlap_Ea_Et_plain"], np.log(m["accuracy"]))
    assert r.found is not None
    assert (r.found.r, r.found.p) == pytest.approx((expected.statistic, expected.pvalue))
    # By the paper's words it is 1 for all of them, which goes with nothing.
    literal = leakage.related(of(shown), "similarity", "literal")
    assert set(literal.dots.x) == {1.0}
    assert literal.found is not None
    assert np.isnan(literal.found.r)


@pytest.mark.parametrize("definition", ["adjusted", "plain"])
def test_the_paper_s_correlation_stands_beside_the_plain_one_and_the_one_above_chance(
    shown: Workspace, definition: str
) -> None:
    said = html(run(s=definition))
    m = table(shown, "models")
    facts = [
        dict(re.findall(r"<small>([^<]*)</small><b>([^<]*)</b>", part))
        for part in said.split('class="hs-facts"')
        if "Pearson r" in part
    ]
    expected = {
        f"Pearson r, {name}": numbers.signed(stats.pearsonr(m[column], np.log(m["accuracy"])).statistic)
        for name, column in (("above chance", "overlap_Ea_Et"), ("plain", "overlap_Ea_Et_plain"))
    }
    assert {name: r for row in facts for name, r in row.items() if name in expected} == expected
    # Only what is not corrected for chance is to be compared with the paper's.
    beside = {name: row.get("paper: r") for row in facts for name in row if name.startswith("Pearson r")}
    assert beside == {"Pearson r": "+0.97", "Pearson r, above chance": None, "Pearson r, plain": "+0.85"}


def test_a_model_that_took_nothing_right_has_no_logarithm(shown: Workspace) -> None:
    found = of(shown)
    models = found.models.copy()
    models.loc[0, "accuracy"] = 0.0
    none = Result(**{**vars(found), "models": models})
    r = leakage.related(none, "similarity")
    assert "dirty/dirty" not in r.dots.ids
    assert r.found is not None
    assert r.found.n == 5
    assert leakage.related(none, "silhouette").found.n == 6  # type: ignore[union-attr]
    data.forget()
    memory.once(("contrastive", found.spec.key), lambda: none)
    assert words(run()).count("Left out, for accuracy 0 has no logarithm: dirty/dirty.") == 1


def test_a_model_is_judged_as_its_predictions_say(shown: Workspace) -> None:
    found = of(shown)
    p = table(shown, "predictions")
    p = p[p["model"] == 3]
    judged = leakage_model.judged(found, "clean/clean")
    np.testing.assert_array_equal(
        judged.confusion, confusion_matrix(p["label"], p["predicted"], labels=judged.classes)
    )
    for name, share in zip(judged.classes, judged.accuracy, strict=True):
        mine = p[p["label"] == name]
        hits = int((mine["predicted"] == name).sum())
        low, high = stats.binomtest(hits, len(mine)).proportion_ci(method="wilson")
        assert share.tolist() == pytest.approx([hits / len(mine), low, high])
    true, taken = confusion_numbers.first_cell(judged)
    off = judged.confusion - np.diag(np.diag(judged.confusion))
    assert off[judged.classes.index(true), judged.classes.index(taken)] == off.max()
    cell = confusion_numbers.in_cell(leakage_model.predictions(found, "clean/clean"), true, taken)
    assert sorted(cell["clip_id"]) == sorted(p["clip_id"][(p["label"] == true) & (p["predicted"] == taken)])
    assert (cell["score"] - cell["own_score"]).is_monotonic_increasing


def test_only_the_classes_with_most_mistakes_are_drawn_where_there_are_many() -> None:
    n, most = 60, confusion_numbers.MOST_CONFUSED
    random = np.random.default_rng(3)
    confusion = np.zeros((n, n), int)
    for i in range(n):
        # Classes are wrong less and less often; most are taken for the first ones, a few for any.
        for _ in range(12):
            right = random.random() < i / n
            confusion[i, i if right else min(n - 1, int(random.exponential(12)))] += 1
    confusion[n - 5 :] = 12 * np.eye(n, dtype=int)[n - 5 :]
    names = [f"class {i:02d}" for i in range(n)]
    judged = confusion_numbers.Judged(names, confusion)
    shown = confusion_numbers.confused(judged)
    wrong = {name: 12 - int(confusion[i, i]) for i, name in enumerate(names)}
    ranked = sorted(names, key=lambda name: (-wrong[name], name))
    assert list(shown.names) == sorted(ranked[:most])
    alike = sum(wrong[name] == wrong[ranked[most - 1]] for name in ranked[most:])
    assert alike
    said = confusion_numbers.describe_rows(shown)
    assert (
        said
        == f"rows: the 24 of 60 classes with most mistakes; {alike} more have as many as the last of them"
    )
    # Every clip of a row is in it, once: in its own column, one of a class, or that of the others.
    assert shown.taken[0] == "itself"
    assert shown.taken[-1].endswith(" others")
    assert len(shown.taken) == most
    assert (shown.counts.sum(axis=1) == 12).all()
    for name, row, held in zip(shown.names, shown.counts, shown.held, strict=True):
        i = names.index(name)
        for j, (count, classes) in enumerate(zip(row, held, strict=True)):
            assert count == sum(confusion[i, names.index(c)] for c in classes if j == 0 or c != name)
    true, taken = confusion_numbers.first_cell(judged)
    off = confusion - np.diag(np.diag(confusion))
    assert off[names.index(true), names.index(taken)] == off.max()
    # Where nothing is wrong every class is taken for itself, and none is said to have more mistakes.
    right = confusion_numbers.confused(replace(judged, confusion=12 * np.eye(n, dtype=int)))
    assert (list(right.taken), right.alike) == (["itself"], 0)


def test_the_most_mistaken_clips_of_a_class_come_first_and_a_chosen_one_before(shown: Workspace) -> None:
    found = of(shown)
    rows = leakage_maps.of_class(found, "none/clean", "Wind")
    assert set(rows["label"]) == {"Wind"}
    assert (rows["own_score"] - rows["score"]).is_monotonic_increasing
    last = rows["clip_id"].iloc[-1]
    assert leakage_maps.of_class(found, "none/clean", "Wind", last)["clip_id"].iloc[0] == last
    assert len(leakage_maps.of_class(found, "none/clean", "")) == len(found.clips)


def test_maps_hold_what_the_result_holds(shown: Workspace) -> None:
    found = of(shown)
    c = data.clips(shown.dataset("small"))
    lines = leakage_maps.maps(found, c, "Ea", "dirty/clean")
    assert [[p.title for p in line] for line in lines] == [
        ["(a) dirty/dirty", "(b) clean/dirty", "(c) none/dirty"],
        ["(d) dirty/clean", "(e) clean/clean", "(f) none/clean"],
        ["dirty", "clean", "none"],
        ["dirty/clean", "minilm"],
    ]
    artifact = shown.cache.open(found.spec.key)
    for line, names in zip(
        lines,
        (("Ea_0", "Ea_2", "Ea_4"), ("Ea_1", "Ea_3", "Ea_5"), ("x0_0", "x0_1", "x0_2"), ("Et_1", "xt0")),
        strict=True,
    ):
        for panel, name in zip(line, names, strict=True):
            np.testing.assert_array_equal(panel.coords, artifact.array(f"map_{name}"))
    tested = table(shown, "clips").query("part == 'test'")
    assert list(lines[0][0].ids) == tested["clip_id"].tolist()
    assert [found.tests[i] for i in lines[0][0].codes] == tested["label"].tolist()
    rows = pd.read_csv(io.BytesIO(leakage_maps.maps_csv(found, "Ea", "dirty/clean")))
    assert len(rows) == 9 * len(tested) + 2 * len(found.tests)


def test_silhouettes_of_test_clips_have_intervals_over_their_classes(shown: Workspace) -> None:
    found = of(shown)
    clips = table(shown, "clips")
    test = (clips["part"] == "test").to_numpy()
    labels = clips["label"][test].to_numpy(str)
    for space, column, then in (("Ea", "silhouette_Ea", "dirty"), ("xa", "silhouette_xa", "clean")):
        e = leakage.silhouette_of(found, space, "clean", then)
        assert e is not None
        assert e.value == pytest.approx(leakage.cell(found, column, "clean", then), abs=1e-6)
        each = silhouette_samples(
            found.array(f"audio_{space}_{found.number(f'clean/{then}')}")[test].astype(float),
            labels,
            metric="cosine",
        )
        assert e.value == pytest.approx(each.mean(), abs=1e-6)
        # The spread of the mean when whole classes are drawn, by the plain formula.
        means = np.array([each[labels == name].mean() for name in found.tests])
        error = means.std(ddof=1) / np.sqrt(len(means))
        assert e.low < e.value < e.high
        assert (e.high - e.low) / (2 * 1.96 * error) == pytest.approx(1, abs=0.3)
    before = leakage.silhouette_of(found, "x0", "dirty")
    assert before is not None
    assert before.value == pytest.approx(leakage.before_training(found, "dirty"), abs=1e-6)
    assert leakage.silhouette_of(found, "Ea", "odd", "clean") is None


def test_leaks_are_counted_by_class(shown: Workspace) -> None:
    found = of(shown)
    rows = table(shown, "leaks")
    leaks = leakage_captions.leaks(found)
    counts = dict(
        zip(leaks.names, zip(leaks.captions.tolist(), leaks.clips.tolist(), strict=True), strict=True)
    )
    assert set(counts) == set(made_leakage.TESTS)
    for name, (n, clips) in counts.items():
        mine = rows[rows["label"] == name]
        assert (n, clips) == (len(mine), mine["clip_id"].nunique())
    assert leaks.words[leaks.names.index("Cat meow")] == ["cat", "meow"]
    n, clips = counts[leaks.names[0]]
    assert f"{n} captions of {clips} clips" in leakage_captions.said(leaks)[0]
    some = leakage_captions.examples(found, "Cat meow", 2)
    assert len(some) == 2
    for caption, matched in zip(some["caption"], some["matched"], strict=True):
        pieces = leakage_captions.marked(caption, matched)
        assert "".join(text for text, _ in pieces) == caption
        assert [text for text, names in pieces if names] == ["cat", "meow"]


# -- the page -----------------------------------------------------------------------------------------------


def test_the_page_shows_the_tables_beside_the_papers(shown: Workspace) -> None:
    app = run()
    m = table(shown, "models").set_index("name")
    first, second, third = (t for t in tables(html(app)) if t[0][0] in ("trained dirty", "x_a and E_a"))
    for row, then in enumerate(("dirty", "clean")):
        for i, before in enumerate(("dirty", "clean", "none")):
            ours = m.loc[f"{before}/{then}"]
            interval = f"{ours['accuracy_low']:.2f} to {ours['accuracy_high']:.2f}"
            assert first[row][1 + i].split(maxsplit=1) == [f"{ours['accuracy']:.2f}", interval]
    assert first[0][4:] == ["0.73", "0.61", "0.31"]
    assert first[2] == ["chance", *["0.10"] * 3, *["0.02"] * 3]
    silhouette = f"{m['silhouette_Ea']['none/clean']:.2f}".replace("-", "−")
    assert second[3][4].split()[0] == silhouette
    assert second[3][5:] == ["0.14", "0.15", "−0.05"]
    earlier = table(shown, "pretraining")["silhouette_x0"]
    assert second[4][2].split()[0] == f"{earlier[0]:.2f}"
    e = leakage.silhouette_of(of(shown), "Ea", "none", "clean")
    assert e is not None
    ends = f"{e.low:.2f} to {e.high:.2f}".replace("-", "−")
    assert second[3][4] == f"{silhouette} {ends}"
    assert words(app).count(leakage.of_tests(of(shown))) >= 2
    ours = m.loc["clean/clean"]
    k = f"k = {ours['overlap_xt_Et_k']:.0f}"
    assert third[3][3].split(maxsplit=1) == [f"{ours['overlap_xt_Et']:.2f}", k]
    said = words(app)
    gone = int(m["n_removed"]["clean/clean"])
    assert f"clean training has {gone:,} of {m['n_pairs']['dirty/dirty']:,} pairs fewer" in said
    assert "clean pre-training 10 classes fewer" in said
    assert "for k from 1 to 2" in said
    assert "10 classes" in said
    assert address(app) == {"dataset": "small", "grid": of(shown).spec.key[:12]}


@pytest.mark.parametrize("n", [2, 3, 4])
def test_what_few_classes_cannot_say_is_a_dash_with_its_reason(tmp_path: Path, n: int) -> None:
    found, dataset = made_leakage.captioned(tmp_path, sounds=False, per_class=4)
    made_leakage.grid_of(found, dataset, test_classes=made_leakage.TESTS[:n])
    with showing(found.root):
        app = run()
        second, third = (
            t for t in tables(html(app)) if t[0][0] in ("trained dirty", "x_a and E_a") and len(t[0]) > 7
        )
        said = words(app)
        ours = [cell for row in third for cell in row[2:5]]
        assert (set(ours) == {"–"}) == (n == 2)
        assert ("each is the other’s nearest in any space" in said) == (n == 2)
        intervals = [cell.partition(" ")[2] for row in second for cell in row[2:5]]
        assert (set(intervals) == {"–"}) == (n < 4)
        assert all(" to " in interval for interval in intervals) == (n == 4)
        assert ("No intervals: over" in said) == (n < 4)
        # The paper's words give 1 whatever the spaces, which is what that view is there to show.
        literal = next(t for t in tables(html(run(s="literal"))) if t[0][0] == "x_a and E_a")
        assert {cell for row in literal for cell in row[2:5]} == {"1.00"}


def test_a_link_says_model_class_and_definition(shown: Workspace) -> None:
    app = run(model="dirty/clean", class_="Owl", s="literal", layer="xa")
    assert "Test clips of Owl as dirty/clean takes them" in words(app)
    assert "is 1 for any two spaces" in words(app)
    assert "There is no correlation (the paper’s words, literally): all models have the same" in words(app)
    m = table(shown, "models").set_index("name")
    assert f">{m['overlap_Ea_Et_literal']['dirty/dirty']:.2f}<" in html(app)
    assert address(app)["s"] == "literal"
    odd = words(run(grid="ffff", model="odd", class_="Nothing"))
    assert "The link's experiment was left at its default" in odd
    assert "'odd' is not available (available: dirty" in odd
    # Of the options that which stands for no class is none to be named.
    assert f"'Nothing' is not available (available: {sorted(made_leakage.TESTS)[0]}, " in odd


def test_a_failed_model_is_said_and_left_out(tmp_path: Path) -> None:
    found = made_leakage.leaking(tmp_path, sounds=False, per_class=4, fails="none/clean")
    with showing(found.root):
        app = run()
        assert "none/clean stopped: the loss is not finite in epoch 2." in words(app)
        assert leakage.related(of(found), "silhouette").found.n == 5  # type: ignore[union-attr]
        assert "none/clean" not in next(s for s in app.selectbox if s.key == "leakage.model").options
        assert "–" in html(app)
        lines = leakage_maps.maps(of(found), data.clips(found.dataset("small")), "Ea", "dirty/dirty")
        assert lines[1][2].title == "(f) none/clean: no map"


def test_a_grid_is_asked_for_and_its_job_is_shown(tmp_path: Path) -> None:
    found, _ = made_leakage.captioned(tmp_path, sounds=False, per_class=3)
    with showing(found.root):
        app = run(pre=["dirty", "none"], test=["Owl", "Wind", "Siren"], seed=4)
        said = everything(app)
        assert "they are said never to have met" in said
        assert "144 captions of 72 clips" in said
        press(app, "Train 4 models")
        jobs = found.queue.jobs()
        assert len(jobs) == 1
        grid = leakage.grids(found, found.dataset("small"))[0]
        usual = contrastive.grid_of(found.dataset("small"), test_classes=("Owl", "Siren", "Wind"))
        assert grid.spec.captions == usual.captions
        assert grid.spec.names == ("dirty/dirty", "dirty/clean", "none/dirty", "none/clean")
        assert grid.spec.test_classes == ("Owl", "Siren", "Wind")
        assert grid.spec.seed == 4
        assert address(app)["grid"] == grid.id
        assert "waiting" in str([e.proto.text for e in app.get("progress")])


def test_seeds_of_one_experiment_are_summed_up(tmp_path: Path) -> None:
    found, dataset = made_leakage.captioned(tmp_path, sounds=False, per_class=4)
    specs = [made_leakage.grid_of(found, dataset, seed=seed) for seed in (3, 0, 1)]
    with showing(found.root):
        assert "One seed" not in everything(run())
        grids = leakage.grids(found, dataset)
        assert [s.seed for s in leakage.of_other_seeds(grids, specs[0])] == [0, 1, 3]
        frames = [found.cache.open(s.key).table("models").to_pandas().set_index("name") for s in specs]
        values = [float(frame["accuracy"]["clean/dirty"]) for frame in frames]
        row = leakage.over_seeds(specs).set_index("name").loc["clean/dirty"]
        assert row["n"] == 3
        assert row["accuracy"] == pytest.approx(np.mean(values))
        assert (row["accuracy_low"], row["accuracy_high"]) == (min(values), max(values))
        first = tables(html(run()))[0]
        assert first[0][3] == f"{np.mean(values):.2f} {min(values):.2f} to {max(values):.2f}"
        assert "Over 3 seeds" in everything(run())
        made_leakage.grid_of(found, dataset, seed=0, max_epochs=5)
        assert "One seed, 0" in everything(run(grid=leakage.grids(found, dataset)[0].id))


def test_several_seeds_are_asked_for_at_once(tmp_path: Path) -> None:
    found, dataset = made_leakage.captioned(tmp_path, sounds=False, per_class=3)
    with showing(found.root):
        app = run(pre=["dirty"], test=["Owl", "Wind", "Siren"], seed=4, seeds=3)
        press(app, "Train 6 models")
        assert sorted(g.spec.seed for g in leakage.grids(found, dataset)) == [4, 5, 6]


def test_curves_of_a_running_grid_grow(tmp_path: Path) -> None:
    found, dataset = made_leakage.captioned(tmp_path, sounds=False, per_class=3)
    spec = made_leakage.spec_of(dataset, pretraining=("clean", "none"), max_epochs=4, pretrain_epochs=5)
    with showing(found.root):
        found.queue.submit(spec)
        assert leakage_curves.now(found, spec) == leakage_curves.Now(None, None)
        assert "Curves appear here once the networks learn" in words(run())
        folder = found.queue.folder(spec.key) / "checkpoint"
        folder.mkdir(parents=True, exist_ok=True)
        before = np.full((2, 4, 5), np.nan, np.float32)
        before[0, :, :3] = [[3, 2, 1], [0, 0.5, 1], [4, 3, 2], [0, 0.2, 0.4]]
        pairs = [(0, 0, ""), (1, 0, "")]
        live.LiveCurves(folder, pairs, stage=contrastive.LIVE_PRETRAINING)(before)
        now = leakage_curves.now(found, spec)
        assert now.models is None
        assert now.pretraining is not None
        assert now.pretraining.names == ["clean"]
        np.testing.assert_array_equal(now.pretraining["validation_accuracy"][0, :3], before[0, 3, :3])
        then = np.full((4, 5, 4), np.nan, np.float32)
        then[1, :, :2], then[2, :, :3] = 0.5, 0.25
        every = [(i, 0, "") for i in range(4)]
        live.LiveCurves(folder, every, stage=contrastive.LIVE_TRAINING)(then)
        now = leakage_curves.now(found, spec)
        assert now.models is not None
        assert now.models.names == ["clean/clean", "none/dirty"]
        assert now.models.n_epochs.tolist() == [2, 3]
        app = run()
        assert "2 of 4 models have begun; the furthest is in epoch 3 of at most 4, the last at 2" in words(
            app
        )
        assert "Pre-training of the backbones" in words(app)
        rows = curves_table(now.models)
        assert rows.query("name == 'none/dirty' and epoch == 3")["temperature"].tolist() == [0.25]


def test_pretraining_is_drawn_where_it_was_done_here(shown: Workspace, tmp_path: Path) -> None:
    stored = shown.cache.open(of(shown).spec.key).array("pretrain_curves")
    curves = leakage_curves.pretraining(of(shown))
    assert curves is not None
    assert curves.names == ["dirty", "clean"]
    np.testing.assert_allclose(curves["validation_loss"], stored[:2, 2])
    assert "How the backbones were pre-trained" in words(run())
    rows = curves_table(leakage_model.curves(of(shown), "none/dirty"))
    np.testing.assert_allclose(
        rows["validation_loss"], shown.cache.open(of(shown).spec.key).array("curves")[4, 1]
    )
    found, dataset = made_leakage.captioned(tmp_path, sounds=False, per_class=4)
    made_leakage.grid_of(found, dataset, pretraining=("none",))
    with showing(found.root):
        assert leakage_curves.pretraining(of(found)) is None
        assert "How the backbones were pre-trained" not in words(run())


def test_captions_that_have_changed_are_read_anew(tmp_path: Path) -> None:
    found, dataset = made_leakage.captioned(tmp_path, sounds=False, per_class=2)
    with showing(found.root):
        before = leakage.captions(found.dataset("small"))
        texts = leaks.of_dataset(found.dataset("small"), "captions").texts
        changed = dataset.captions.assign(caption="Nothing but wind")
        imported = Imported(
            dataset.clips,
            dataset.classes,
            dataset.report,
            dataset.fingerprint,
            dataset.labels_fingerprint,
            captions=changed,
        )
        found.add_dataset("small", imported, adapter="folder", root=dataset.root)
        after = leakage.captions(found.dataset("small"))
        assert (before.n, before.clips) == (after.n, after.clips)
        assert after.fingerprint == contrastive.grid_of(found.dataset("small")).captions != before.fingerprint
        assert (
            set(leaks.of_dataset(found.dataset("small"), "captions").texts)
            == {"Nothing but wind"}
            != set(texts)
        )


def test_what_cannot_be_trained_is_said(tmp_path: Path, made: Any) -> None:
    found, _ = made_leakage.captioned(tmp_path, sounds=False, per_class=1)
    with showing(found.root):
        assert "There is one test class" in words(run(test=["Owl"]))
        assert "pretraining is empty" in words(run(pre=[""]))
    bare, _ = made.workspace(tmp_path / "bare", per_class=2, sounds=False)
    with showing(bare.root):
        assert "small has no caption" in words(run())
    with showing(tmp_path / "nothing"):
        assert "There is no dataset to train on yet" in words(run())


def test_the_spaces_of_a_model_are_kept_as_spaces(tmp_path: Path) -> None:
    found = made_leakage.leaking(tmp_path, sounds=False, per_class=4)
    dataset = found.dataset("small")
    with showing(found.root):
        app = run(model="dirty/clean")
        press(app, "Keep the spaces of dirty/clean")
        for spec in leakage.spaces_of(dataset, of(found), "dirty/clean"):
            assert inprocess.run(found, spec).state == "done"
        kept = {s.spec.run: s.spec for s in found.spaces(dataset) if s.state == "done"}
        assert set(kept) == {"xa_1", "Ea_1"}
        X = found.cache.open(kept["Ea_1"].key).array("embeddings")
        np.testing.assert_array_equal(X, found.cache.open(of(found).spec.key).array("audio_Ea_1"))
        assert "are spaces like any other" in words(run(model="dirty/clean"))
