"""Leakage lab: numbers against the stored result and SciPy, the page, and what it can start."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import confusion_matrix

from dashboard import data, memory
from dashboard.kit import confusion_numbers, numbers
from dashboard.kit.learning_figures import curves_table
from dashboard.leakage import data as leakage
from dashboard.leakage import leaks as leakage_leaks
from dashboard.leakage import learning, maps, model
from dashboard.leakage.data import Shown
from dashboard.leaks import data as leaks
from dashboard.results import result
from dashboard.state import View
from jobs import contrastive_presets as contrastive
from jobs.engine import inprocess, live
from jobs.specs import ContrastiveGrid
from jobs.tasks.contrastive_grid import Result
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


def grids_of(found: Workspace) -> list[leakage.Grid]:
    return leakage.trainings(found, found.dataset("small"), ContrastiveGrid)


def of(found: Workspace) -> Result:
    return result(grids_of(found)[0].spec)


def view_of(found: Workspace, name: str, label: str = "") -> Shown:
    spec, dataset = grids_of(found)[0].spec, found.dataset("small")
    return Shown(found, View("leakage", {}, {}), dataset, data.clips(dataset), spec, of(found), name, label)


def tables(text: str) -> list[list[list[str]]]:
    """The tables of a page as rows of texts, without their heads; small print follows after a space."""
    found = []
    for table in re.findall(r"<table.*?</table>", text):
        rows = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr.*?</tr>", table)]
        found.append([[re.sub(r"<[^>]+>", " ", cell).strip() for cell in row] for row in rows if row])
    return found


# -- numbers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("which", "definition", "column", "y"),
    [
        ("silhouette", "adjusted", "silhouette_Ea", "accuracy"),
        ("similarity", "adjusted", "overlap_Ea_Et", "log_accuracy"),
        ("similarity", "plain", "overlap_Ea_Et_plain", "log_accuracy"),
    ],
)
def test_the_two_correlations_are_those_of_scipy_and_of_the_result(
    shown: Workspace, which: str, definition: str, column: str, y: str
) -> None:
    related = leakage.related(of(shown), which, definition)
    m = of(shown).by_model
    expected = stats.pearsonr(m[column], np.log(m["accuracy"]) if y == "log_accuracy" else m["accuracy"])
    assert related.r is not None
    assert (related.r.r, related.r.p) == pytest.approx((expected.statistic, expected.pvalue))
    stored = of(shown).correlations.to_pandas().query(f"x == '{column}' and y == '{y}'")
    for row in stored.itertuples():
        ends = (related.r.low, related.r.high, related.r.n)
        assert ends == pytest.approx((row.low, row.high, row.n))
    assert related.line is not None
    slope = np.polyfit(related.dots.x, related.dots.y, 1)[0]
    rise, run = np.ptp(related.line.y), np.ptp(related.line.x)
    assert rise / run == pytest.approx(abs(slope))
    assert related.table.iloc[:, 1].tolist() == m[column].tolist()


def test_by_the_papers_words_similarity_is_1_and_correlates_with_nothing(shown: Workspace) -> None:
    literal = leakage.related(of(shown), "similarity", "literal")
    assert set(literal.dots.x) == {1.0}
    assert literal.r is not None
    assert np.isnan(literal.r.r)


@pytest.mark.parametrize("definition", ["adjusted", "plain"])
def test_the_paper_s_correlation_stands_beside_the_plain_one_and_the_one_above_chance(
    shown: Workspace, definition: str
) -> None:
    text = html(run(s=definition))
    m = of(shown).by_model
    facts = [
        dict(re.findall(r"<small>([^<]*)</small><b>([^<]*)</b>", part))
        for part in text.split('class="hs-facts"')
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
    none = Result.read(of(shown).artifact)  # type: ignore[arg-type]
    none.by_model.loc["dirty/dirty", "accuracy"] = 0.0
    related = leakage.related(none, "similarity")
    assert "dirty/dirty" not in related.dots.ids
    assert related.r is not None
    assert related.r.n == 5
    assert leakage.related(none, "silhouette").r.n == 6  # type: ignore[union-attr]
    data.forget()
    memory.once(("result", grids_of(shown)[0].spec.key), lambda: none)
    assert words(run()).count("Left out, for accuracy 0 has no logarithm: dirty/dirty.") == 1


def test_a_model_is_judged_as_its_predictions_say(shown: Workspace) -> None:
    p = of(shown).predictions_of("clean/clean")
    judged = model.judged(of(shown), "clean/clean")
    np.testing.assert_array_equal(
        judged.confusion, confusion_matrix(p["label"], p["predicted"], labels=judged.classes)
    )
    true, taken = confusion_numbers.first_cell(judged)
    off = judged.confusion - np.diag(np.diag(judged.confusion))
    assert off[judged.classes.index(true), judged.classes.index(taken)] == off.max()
    cell = confusion_numbers.in_cell(p, true, taken)
    assert sorted(cell["clip_id"]) == sorted(p["clip_id"][(p["label"] == true) & (p["predicted"] == taken)])
    assert (cell["score"] - cell["own_score"]).is_monotonic_increasing
    rows = model.by_class(of(shown), "clean/clean")
    assert rows.others == [name for name in of(shown).by_model.index if name != "clean/clean"]


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
    assert confusion_numbers.describe_rows(shown) == (
        f"rows: the 24 of 60 classes with most mistakes; {alike} more have as many as the last of them"
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
    view = view_of(shown, "none/clean")
    rows = maps.of_class(view, "Wind")
    assert set(rows["label"]) == {"Wind"}
    assert (rows["own_score"] - rows["score"]).is_monotonic_increasing
    last = rows["clip_id"].iloc[-1]
    assert maps.of_class(view, "Wind", last)["clip_id"].iloc[0] == last
    assert len(maps.of_class(view, "")) == of(shown).n_test


def test_maps_hold_what_the_result_holds(shown: Workspace) -> None:
    view, r = view_of(shown, "dirty/clean"), of(shown)
    lines = maps.panels(view, "Ea")
    assert [[p.title for p in line] for line in lines] == [
        ["(a) dirty/dirty", "(b) clean/dirty", "(c) none/dirty"],
        ["(d) dirty/clean", "(e) clean/clean", "(f) none/clean"],
        ["dirty", "clean", "none"],
        ["dirty/clean", "minilm"],
    ]
    expected = [
        [r.map_Ea[0], r.map_Ea[2], r.map_Ea[4]],
        [r.map_Ea[1], r.map_Ea[3], r.map_Ea[5]],
        [r.map_x0[0], r.map_x0[1], r.map_x0[2]],
        [r.map_Et[1], r.map_xt0],
    ]
    for line, arrays in zip(lines, expected, strict=True):
        for panel, coords in zip(line, arrays, strict=True):
            np.testing.assert_array_equal(panel.coords, coords)
    tested = r.test_clips
    assert list(lines[0][0].ids) == tested["clip_id"].tolist()
    assert [r.test_classes[i] for i in lines[0][0].codes] == tested["label"].tolist()
    table = maps.coordinates(view, "Ea")
    assert len(table) == 9 * len(tested) + 2 * len(r.test_classes)
    assert table[["x", "y"]].iloc[0].tolist() == r.map_Ea[0][0].tolist()


def test_leaks_are_counted_by_class(shown: Workspace) -> None:
    rows = of(shown).leaks.to_pandas()
    report = leakage_leaks.by_class(of(shown)).set_index("label")
    assert set(report.index) == set(made_leakage.TESTS)
    for name, row in report.iterrows():
        mine = rows[rows["label"] == name]
        assert (row["captions"], row["clips"]) == (len(mine), mine["clip_id"].nunique())
    assert [word for word, _ in report["matched"]["Cat meow"]] == ["cat", "meow"]
    some = leakage_leaks.examples(of(shown), "Cat meow", 2)
    assert len(some) == some["clip_id"].nunique() == 2
    assert "The <mark>cat</mark> <mark>meow</mark> is heard twice" in html(run(class_="Cat meow"))


# -- the page -----------------------------------------------------------------------------------------------


def test_the_page_shows_the_tables_beside_the_papers(shown: Workspace) -> None:
    app = run()
    m = of(shown).by_model
    first, second, third = (t for t in tables(html(app)) if t[0][0] in ("trained dirty", "x_a and E_a"))

    def shown_as(*values: float) -> str:
        return " to ".join(f"{value:.2f}" for value in values).replace("-", "−")

    for row, then in enumerate(("dirty", "clean")):
        for i, before in enumerate(("dirty", "clean", "none")):
            ours = m.loc[f"{before}/{then}"]
            interval = shown_as(ours["accuracy_low"], ours["accuracy_high"])
            assert first[row][1 + i].split(maxsplit=1) == [shown_as(ours["accuracy"]), interval]
    assert first[0][4:] == ["0.73", "0.61", "0.31"]
    assert first[2] == ["chance", *["0.10"] * 3, *["0.02"] * 3]
    ours = m.loc["none/clean"]
    interval = shown_as(ours["silhouette_Ea_low"], ours["silhouette_Ea_high"])
    assert second[3][4] == f"{shown_as(ours['silhouette_Ea'])} {interval}"
    assert second[3][5:] == ["0.14", "0.15", "−0.05"]
    assert second[4][2].split()[0] == shown_as(of(shown).column("pretraining", "silhouette_x0")[0])
    ours = m.loc["clean/clean"]
    k = f"k = {ours['overlap_xt_Et_k']:.0f}"
    assert third[3][3].split(maxsplit=1) == [shown_as(ours["overlap_xt_Et"]), k]
    text = words(app)
    assert text.count(view_of(shown, "").n_tested) >= 2
    pairs = f"{ours['n_removed']:,} of {m['n_pairs']['dirty/dirty']:,} pairs"
    assert f"clean training has {pairs} fewer" in text
    assert "clean pre-training 10 classes fewer" in text
    assert "for k from 1 to 2" in text
    assert address(app) == {"dataset": "small", "grid": grids_of(shown)[0].id}


def test_a_result_from_before_intervals_were_kept_has_dashes(shown: Workspace) -> None:
    old = Result.read(of(shown).artifact)  # type: ignore[arg-type]
    ends = [f"silhouette_{space}_{end}" for space in ("xa", "Ea") for end in ("low", "high")]
    old.models = old.models.drop_columns(ends)
    data.forget()
    memory.once(("result", grids_of(shown)[0].spec.key), lambda: old)
    app = run()
    assert "they were not kept when this result was computed" in words(app)
    second = next(t for t in tables(html(app)) if t[0][0] == "trained dirty" and len(t) > 3)
    assert all(cell.endswith(" –") for cell in second[0][2:5])


@pytest.mark.parametrize("n", [2, 3, 4])
def test_what_few_classes_cannot_say_is_a_dash_with_its_reason(tmp_path: Path, n: int) -> None:
    found, dataset = made_leakage.captioned(tmp_path, sounds=False, per_class=4)
    made_leakage.grid_of(found, dataset, test_classes=made_leakage.TESTS[:n])
    with showing(found.root):
        app = run()
        second, third = (
            t for t in tables(html(app)) if t[0][0] in ("trained dirty", "x_a and E_a") and len(t[0]) > 7
        )
        text = words(app)
        ours = [cell for row in third for cell in row[2:5]]
        assert (set(ours) == {"–"}) == (n == 2)
        assert ("each is the other’s nearest in any space" in text) == (n == 2)
        intervals = [cell.partition(" ")[2] for row in second for cell in row[2:5]]
        assert (set(intervals) == {"–"}) == (n < 4)
        assert all(" to " in interval for interval in intervals) == (n == 4)
        assert ("No intervals: resampling" in text) == (n < 4)


def test_a_link_says_model_class_and_definition(shown: Workspace) -> None:
    app = run(model="dirty/clean", class_="Owl", s="literal", layer="xa")
    assert "Test clips of Owl as classified by dirty/clean" in words(app)
    assert "is 1 for any two spaces" in words(app)
    assert "No correlation (the paper’s words, literally) can be computed: all models have the same" in words(
        app
    )
    literal = next(t for t in tables(html(app)) if t[0][0] == "x_a and E_a")
    assert {cell for row in literal for cell in row[2:5]} == {"1.00"}
    assert address(app)["s"] == "literal"
    odd = words(run(grid="ffff", model="odd", class_="Nothing"))
    assert "The link's experiment was left at its default" in odd
    assert "'odd' is not available (available: dirty" in odd
    # The option that stands for no class is not named.
    assert f"'Nothing' is not available (available: {sorted(made_leakage.TESTS)[0]}, " in odd


def test_a_failed_model_is_reported_and_left_out(tmp_path: Path) -> None:
    found = made_leakage.leaking(tmp_path, sounds=False, per_class=4, fails="none/clean")
    with showing(found.root):
        app = run()
        assert "none/clean stopped: the loss is not finite in epoch 2." in words(app)
        assert leakage.related(of(found), "silhouette").r.n == 5  # type: ignore[union-attr]
        assert "none/clean" not in next(s for s in app.selectbox if s.key == "leakage.model").options
        assert "–" in html(app)
        assert maps.panels(view_of(found, "dirty/dirty"), "Ea")[1][2].title == "(f) none/clean: no map"


def test_a_grid_is_asked_for_and_its_job_is_shown(tmp_path: Path) -> None:
    found, dataset = made_leakage.captioned(tmp_path, sounds=False, per_class=3)
    with showing(found.root):
        app = run(pre=["dirty", "none"], test=["Owl", "Wind", "Siren"], seed=4)
        assert "supposed never to have seen" in everything(app)
        assert "144 captions of 72 clips" in everything(app)
        press(app, "Train 4 models")
        assert len(found.queue.jobs()) == 1
        grid = grids_of(found)[0]
        usual = contrastive.grid_of(dataset, test_classes=("Owl", "Siren", "Wind"))
        assert grid.spec.captions == usual.captions
        assert grid.spec.names == ("dirty/dirty", "dirty/clean", "none/dirty", "none/clean")
        assert grid.spec.test_classes == ("Owl", "Siren", "Wind")
        assert grid.spec.seed == 4
        assert address(app)["grid"] == grid.id
        assert "waiting" in str([e.proto.text for e in app.get("progress")])
        press(run(pre=["dirty"], test=["Owl", "Wind", "Siren"], seed=4, seeds=3), "Train 6 models")
        assert sorted(g.spec.seed for g in grids_of(found)) == [4, 4, 5, 6]


def test_seeds_of_one_experiment_are_summed_up(tmp_path: Path) -> None:
    found, dataset = made_leakage.captioned(tmp_path, sounds=False, per_class=4)
    specs = [made_leakage.grid_of(found, dataset, seed=seed) for seed in (3, 0, 1)]
    with showing(found.root):
        app = run()
        assert "One seed" not in everything(app)
        assert [s.seed for s in leakage.of_other_seeds(grids_of(found), specs[0])] == [0, 1, 3]
        values = [float(result(s).by_model["accuracy"]["clean/dirty"]) for s in specs]
        row = leakage.over_seeds(specs).set_index("name").loc["clean/dirty"]
        assert row["n"] == 3
        assert row["accuracy"] == pytest.approx(np.mean(values))
        assert (row["accuracy_low"], row["accuracy_high"]) == (min(values), max(values))
        first = tables(html(app))[0]
        assert first[0][3] == f"{np.mean(values):.2f} {min(values):.2f} to {max(values):.2f}"
        assert "Over 3 seeds" in everything(app)
        made_leakage.grid_of(found, dataset, seed=0, max_epochs=5)
        assert "One seed, 0" in everything(run(grid=grids_of(found)[0].id))


def test_curves_of_a_running_grid_grow(tmp_path: Path) -> None:
    found, dataset = made_leakage.captioned(tmp_path, sounds=False, per_class=3)
    spec = made_leakage.spec_of(dataset, pretraining=("clean", "none"), max_epochs=4, pretrain_epochs=5)
    with showing(found.root):
        found.queue.submit(spec)
        assert learning.curves_so_far(found, spec) == (None, None)
        assert "Curves appear here once the networks learn" in words(run())
        folder = found.queue.folder(spec.key) / "checkpoint"
        folder.mkdir(parents=True, exist_ok=True)
        before = np.full((2, 4, 5), np.nan, np.float32)
        before[0, :, :3] = [[3, 2, 1], [0, 0.5, 1], [4, 3, 2], [0, 0.2, 0.4]]
        pairs = [(0, 0, ""), (1, 0, "")]
        live.LiveCurves(folder, pairs, stage=contrastive.LIVE_PRETRAINING)(before)
        pretraining, models = learning.curves_so_far(found, spec)
        assert models is None
        assert pretraining is not None
        assert pretraining.names == ["clean"]
        np.testing.assert_array_equal(pretraining["validation_accuracy"][0, :3], before[0, 3, :3])
        then = np.full((4, 5, 4), np.nan, np.float32)
        then[1, :, :2], then[2, :, :3] = 0.5, 0.25
        every = [(i, 0, "") for i in range(4)]
        live.LiveCurves(folder, every, stage=contrastive.LIVE_TRAINING)(then)
        _, models = learning.curves_so_far(found, spec)
        assert models is not None
        assert models.names == ["clean/clean", "none/dirty"]
        assert models.n_epochs.tolist() == [2, 3]
        text = words(run())
        assert (
            "2 of 4 models have started; the furthest is in epoch 3 of at most 4, the last in epoch 2" in text
        )
        assert "Pre-training of the backbones" in text
        rows = curves_table(models)
        assert rows.query("name == 'none/dirty' and epoch == 3")["temperature"].tolist() == [0.25]


def test_pretraining_is_drawn_where_it_was_done_here(shown: Workspace, tmp_path: Path) -> None:
    r = of(shown)
    curves = learning.pretraining_curves(r)
    assert curves is not None
    assert curves.names == ["dirty", "clean"]
    np.testing.assert_allclose(curves["validation_loss"], r.pretrain_curves[:2, 2])
    assert "How the backbones were pre-trained" in words(run())
    rows = curves_table(learning.model_curves(r, "none/dirty"))
    np.testing.assert_allclose(rows["validation_loss"], r.curves[4, 1])
    found, dataset = made_leakage.captioned(tmp_path, sounds=False, per_class=4)
    made_leakage.grid_of(found, dataset, pretraining=("none",))
    with showing(found.root):
        assert learning.pretraining_curves(of(found)) is None
        assert "How the backbones were pre-trained" not in words(run())


def test_captions_that_have_changed_are_read_anew(tmp_path: Path) -> None:
    found, dataset = made_leakage.captioned(tmp_path, sounds=False, per_class=2)
    with showing(found.root):
        before = leakage.captions(found.dataset("small"))
        texts = leaks.of_dataset(found.dataset("small"), "captions").texts
        assert dataset.captions is not None
        made_leakage.add(found, dataset, dataset.captions.assign(caption="Nothing but wind"))
        after = leakage.captions(found.dataset("small"))
        assert (before.n, before.clips) == (after.n, after.clips)
        assert after.fingerprint == contrastive.grid_of(found.dataset("small")).captions != before.fingerprint
        new = leaks.of_dataset(found.dataset("small"), "captions").texts
        assert set(new) == {"Nothing but wind"} != set(texts)


def test_what_cannot_be_trained_is_reported(tmp_path: Path, made: Any) -> None:
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
        press(run(model="dirty/clean"), "Keep the spaces of dirty/clean")
        for spec in contrastive.all_spaces_of(grids_of(found)[0].spec, dataset, ["dirty/clean"]):
            assert inprocess.run(found, spec).state == "done"
        kept = {s.spec.run: s.spec for s in found.spaces(dataset) if s.state == "done"}
        assert set(kept) == {"xa_1", "Ea_1"}
        np.testing.assert_array_equal(kept["Ea_1"].read(found.cache).embeddings, of(found).audio_Ea[1])
        assert "are spaces of the dataset" in words(run(model="dirty/clean"))
