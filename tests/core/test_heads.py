import itertools

import numpy as np
import pytest
import torch

from core.heads import HeadRecipe, compare_heads, draw_folds, embed, score_heads, train_heads
from core.heads.data import mixtures
from core.separability import angular_properties
from core.statistics import mean_interval, paired_difference
from core.training import engine
from tests.core.memory import Memory
from tests.core.references.heads import train_head

SMALL = {"dim": 6, "epochs": 3, "batch_size": 16}


def clips(n=83, d=10, classes=4, noise=2.0, seed=0):
    """Clips of classes that overlap, in folds of unequal sizes; one class is in the first two folds alone."""
    random = np.random.default_rng(seed)
    y = np.arange(n) % classes
    X = 3 * random.standard_normal((classes, d))[y] + noise * random.standard_normal((n, d)) + 5
    folds = random.choice([1, 2, 5], n, p=[0.5, 0.3, 0.2])
    folds[y == classes - 1] = np.where(folds[y == classes - 1] == 5, 1, folds[y == classes - 1])
    X[:, -1] = 7  # a dimension that does not vary
    return X, np.array(["dog", "rain", "sea", "wind"])[y], folds


def differences(a, b):
    return max(float(np.abs(a.weights[name] - b.weights[name]).max()) for name in a.weights | b.weights)


def by_key(runs):
    return {(run.recipe, run.seed, run.fold): run for run in runs}


RECIPES = [
    HeadRecipe(loss="ce", **SMALL),
    HeadRecipe(loss="focal", gamma=1.5, **SMALL),
    HeadRecipe(loss="opl", **SMALL),
    HeadRecipe(loss="opl", variant="released", **SMALL),
    HeadRecipe(loss="add", **SMALL),
    HeadRecipe(loss="add", weights=(0, 1, 0, 0.5), loss_weight=2, **SMALL),
    HeadRecipe(loss="add", variant="released", **SMALL),
    HeadRecipe(loss="add-soft", **SMALL),
    HeadRecipe(loss="add", hidden=12, **SMALL),
    HeadRecipe(loss="ce", hidden=12, **SMALL),
    HeadRecipe(loss="add", optimizer="sgd", learning_rate=0.01, **SMALL),
    HeadRecipe(loss="ce", optimizer="sgd", momentum=0.0, standardise=False, learning_rate=1e-3, **SMALL),
    HeadRecipe(loss="ce", mixup=0.5, **SMALL),
    HeadRecipe(loss="add-soft", mixup=0.7, mixup_beta=0.4, **SMALL),
    HeadRecipe(loss="add-soft", mixup=1.0, variant="released", **SMALL),
    HeadRecipe(loss="add-soft", mixup=1.0, variant="released", entropy="sigmoid", **SMALL),
    HeadRecipe(loss="opl", entropy="sigmoid", **SMALL),
]


@pytest.fixture
def one_thread():
    """Threads that wait for each other take most of the time of steps as small as these."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def grid():
    return train_heads(*clips(), recipes=RECIPES, seeds=[3, 0], keep_epochs=[0, 1, 3], keep_rows=[5, 0, 7])


@pytest.mark.usefixtures("one_thread")
def test_batches_are_each_model_alone(grid):
    seen = by_key(grid)
    assert list(seen) == list(itertools.product(RECIPES, (3, 0), (1, 2, 5)))
    keep = {"keep_epochs": [0, 1, 3], "keep_rows": [5, 0, 7]}
    for recipe, fold in itertools.product(RECIPES, (1, 5)):
        alone = train_head(*clips(), recipe=recipe, seed=0, fold=fold, **keep)
        found = seen[recipe, 0, fold]
        assert differences(alone, found) < 1e-4
        for name in alone.curves:
            np.testing.assert_allclose(alone.curves[name], found.curves[name], atol=1e-5)
        np.testing.assert_allclose(alone.kept, found.kept, atol=1e-4)
        np.testing.assert_allclose(alone.embeddings, found.embeddings, atol=1e-4)
        np.testing.assert_array_equal(alone.predictions, found.predictions)
        np.testing.assert_array_equal(alone.rows, np.flatnonzero(clips()[2] == fold))


def test_what_is_trained_beside_does_not_count(grid):
    for recipe in (RECIPES[4], RECIPES[13]):
        for run in train_heads(*clips(), recipes=[recipe], seeds=[0]):
            assert differences(run, by_key(grid)[recipe, 0, run.fold]) < 1e-6


def test_embeddings_are_of_the_weights(grid):
    X, *_ = clips()
    for run in grid:
        np.testing.assert_allclose(embed(run, X), run.embeddings, atol=1e-6)
        assert run.embeddings.shape == (len(X), 6)
        assert run.embeddings.dtype == np.float32
        np.testing.assert_allclose(run.kept[2], run.embeddings[[5, 0, 7]], atol=1e-4)
        assert np.abs(run.kept[0] - run.kept[2]).max() > 1e-3
        scores = run.embeddings @ run.weights["class_weight"] + run.weights["class_bias"]
        np.testing.assert_array_equal(run.predictions, scores[run.rows].argmax(axis=1))
        assert run.curves["test_accuracy"][-1] == pytest.approx(run.accuracy)
    for a, b in itertools.combinations([r for r in grid if r.seed == 0 and r.fold == 1][:8], 2):
        np.testing.assert_array_equal(a.kept[0], b.kept[0])  # all losses begin alike


def test_only_what_is_asked_for_is_kept():
    runs = train_heads(
        *clips(),
        recipes=[HeadRecipe(**SMALL)],
        seeds=[0, 1],
        keep_epochs=[0, 9],
        keep_models=lambda seed, fold: seed == 0 and fold == 2,
    )
    for run in runs:
        if (run.seed, run.fold) == (0, 2):
            assert run.kept.shape == (2, 83, 6)
            assert np.isfinite(run.kept[0]).all()
            assert np.isnan(run.kept[1]).all()  # there is no ninth epoch
        else:
            assert run.kept.size == 0
            assert run.embeddings.shape == (0, 6)
            assert run.accuracy == run.curves["test_accuracy"][-1]


@pytest.mark.usefixtures("one_thread")
def test_a_model_that_fails_leaves_the_others_alone():
    wild = HeadRecipe(loss="add", loss_weight=3e38, **SMALL)
    tame = HeadRecipe(loss="add", **SMALL)
    alone = train_heads(*clips(), recipes=[tame], seeds=[0])
    both = train_heads(*clips(), recipes=[wild, tame], seeds=[0], keep_epochs=[1])
    for run, expected in zip(both[3:], alone, strict=True):
        assert differences(run, expected) < 1e-6
    for run in both[:3]:
        assert run.failed == "The loss was no longer a number in epoch 1 (seed 0)."
        assert np.isnan(run.accuracy)
        assert all(np.isnan(c).all() for c in run.curves.values())
        with pytest.raises(ValueError, match="has failed in training"):
            embed(run, clips()[0])
    assert train_head(*clips(), recipe=wild).failed == both[0].failed
    failed, fine = score_heads(both)
    assert failed.n_failed == 3
    assert np.isnan(failed.accuracy.value)
    assert fine.n_failed == 0
    assert np.isnan(compare_heads(both, wild, tame).value)


def test_an_end_in_the_middle_is_no_loss(monkeypatch):
    monkeypatch.setattr(engine, "_SECONDS", 0.0)
    monkeypatch.setattr(engine, "_SAVING", 1.0)
    grids = {"recipes": [RECIPES[4], RECIPES[0], RECIPES[8], RECIPES[10], RECIPES[13]], "seeds": [0]}
    grids["keep_epochs"] = [0, 2]
    straight = train_heads(*clips(), **grids)
    kept, calls = Memory(), []

    def interrupt(done, to_do):
        calls.append(done)
        if done >= 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_heads(*clips(), **grids, progress=interrupt, checkpoint=kept)
    resumed = []
    again = train_heads(*clips(), **grids, progress=lambda *told: resumed.append(told), checkpoint=kept)
    assert resumed[0][0] >= 15
    assert resumed[-1] == (45, 45)
    assert [done for done, _ in resumed] == sorted(done for done, _ in resumed)
    for run, expected in zip(again, straight, strict=True):
        assert differences(run, expected) < 1e-6
        np.testing.assert_allclose(run.kept, expected.kept, atol=1e-6)
        np.testing.assert_array_equal(run.curves["loss"], expected.curves["loss"])
    done = []
    train_heads(*clips(), **grids, progress=lambda *told: done.append(told), checkpoint=kept)
    assert done[0] == (45, 45)  # all was there
    other = []
    train_heads(*clips(seed=1), **grids, progress=lambda *told: other.append(told), checkpoint=kept)
    assert other[0] == (0, 45)  # what is of other clips is not used


def test_curves_can_be_watched():
    seen = []
    recipes = [RECIPES[0], HeadRecipe(**{**SMALL, "epochs": 5})]
    runs = train_heads(*clips(), recipes=recipes, seeds=[0, 1], watch=seen.append)
    assert seen[0].shape == (12, 3, 5)
    assert all((np.isfinite(a) <= np.isfinite(b)).all() for a, b in itertools.pairwise(seen))
    for i, run in enumerate(runs):
        np.testing.assert_array_equal(seen[-1][i, 2, : run.recipe.epochs], run.curves["test_accuracy"])


def test_each_loss_learns_and_each_weight_does_its_own():
    X, labels, folds = clips(n=120, noise=1.2)
    settings = {"dim": 8, "epochs": 20, "learning_rate": 5e-3}
    plain = HeadRecipe(loss="ce", **settings)
    single = [HeadRecipe(weights=w, **settings) for w in np.eye(4)]
    recipes = [plain, *single, *(HeadRecipe(loss=name, **settings) for name in ("focal", "opl", "add-soft"))]
    runs = by_key(train_heads(X, labels, folds, recipes=recipes, seeds=[0]))
    assert min(run.accuracy for run in runs.values()) > 0.8  # 0.25 by chance

    def properties(recipe):
        found = angular_properties(runs[recipe, 0, 2].embeddings[folds != 2], labels[folds != 2])
        return found.mu_p, found.sigma_p, found.mu_n, found.sigma_n

    for i, recipe in enumerate(single):
        assert properties(recipe)[i] < 0.7 * properties(plain)[i]


def test_degenerate_spaces_train():
    labels, folds = ["dog", "dog", "rain", "dog"], [0, 1, 0, 1]  # all rain in one fold
    for X in (np.zeros((4, 3)), np.ones((4, 1)), np.eye(4), 1e-30 * np.eye(4), 1e30 * np.eye(4)):
        for loss in ("ce", "add", "opl", "add-soft"):
            recipe = HeadRecipe(loss=loss, dim=2, epochs=2, batch_size=1 if loss == "add" else 3)
            for run in train_heads(X, labels, folds, recipes=[recipe], seeds=[0]):
                assert not run.failed
                assert np.isfinite(run.embeddings).all()
                assert run.accuracy in (0, 0.5, 1)


@pytest.mark.parametrize(("sizes", "k"), [((4, 2), 2), ((7, 5, 1), 3), ((40,) * 10, 5), ((1, 1), 2)])
def test_drawn_folds_spread_each_class(sizes, k):
    labels = np.repeat([f"class {i}" for i in range(len(sizes))], sizes)
    folds = draw_folds(labels, k, seed=3)
    counts = np.array([[((labels == c) & (folds == f)).sum() for f in range(k)] for c in np.unique(labels)])
    assert np.ptp(counts, axis=1).max() <= 1
    assert np.ptp(counts.sum(axis=0)) <= 1
    np.testing.assert_array_equal(folds, draw_folds(labels, k, seed=3))
    if len(labels) > 10:
        assert (folds != draw_folds(labels, k, seed=4)).any()


def test_mixtures_are_of_the_share_and_the_distribution_asked_for():
    recipe = HeadRecipe(loss="ce", mixup=0.3)
    partners, shares = mixtures(0, 0, 20_000, recipe)
    mixed = shares < 1
    assert mixed.mean() == pytest.approx(0.3, abs=0.02)
    assert shares[mixed].mean() == pytest.approx(0.5, abs=0.01)
    assert shares[mixed].var() == pytest.approx(1 / (4 * 21), rel=0.1)  # of Beta(10, 10)
    assert np.bincount(partners // 2_000).min() > 1_800
    assert (mixtures(0, 1, 20_000, recipe)[0] != partners).any()


def test_scores_are_the_plain_means(grid):
    scores = {score.recipe: score for score in score_heads(grid)}
    assert list(scores) == RECIPES
    for recipe, score in scores.items():
        assert score.seeds == (3, 0)
        shares = []
        for seed in score.seeds:
            of_seed = [r for r in grid if r.recipe == recipe and r.seed == seed]
            right = sum((r.predictions == r.targets).sum() for r in of_seed)
            shares.append(right / 83)
        np.testing.assert_allclose(score.by_seed, shares, atol=1e-12)
        assert score.sd == pytest.approx(np.std(shares, ddof=1), abs=1e-12)
        assert score.accuracy == mean_interval(shares, low=0, high=1)


def test_two_recipes_are_compared_clip_by_clip(grid):
    shares = []
    for recipe in (RECIPES[4], RECIPES[0]):
        right = np.zeros(83)
        for run in grid:
            if run.recipe == recipe:
                right[run.rows] += (run.predictions == run.targets) / 2
        shares.append(right)
    expected = paired_difference(*shares)
    found = compare_heads(grid, RECIPES[4], RECIPES[0])
    assert (found.value, found.low, found.high, found.n) == pytest.approx(
        (expected.value, expected.low, expected.high, 83), abs=1e-12
    )
    with pytest.raises(ValueError, match="different clips or with different seeds"):
        compare_heads([r for r in grid if r.recipe != RECIPES[0]], RECIPES[4], RECIPES[0])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": "triplet"}, "loss is 'triplet'; it must be one of ce, focal, opl, add, add-soft"),
        ({"variant": "mine"}, "variant is 'mine'; it must be one of paper, released"),
        ({"entropy": "log"}, "entropy is 'log'; it must be one of softmax, sigmoid"),
        ({"optimizer": "adam"}, "optimizer is 'adam'; it must be one of adamw, sgd"),
        ({"dim": 0}, "dim is 0; it must be a whole number from 1"),
        ({"hidden": -1}, "hidden is -1; it must be a whole number from 0"),
        ({"epochs": 2.5}, "epochs is 2.5; it must be a whole number from 1"),
        ({"weights": (1, 1)}, r"weights are \(1, 1\); the loss 'add' takes 4 weights"),
        ({"loss": "ce", "weights": (1,)}, "the loss 'ce' takes no weights"),
        ({"weights": (1, 1, 1, -1)}, "weights is .* nothing below 0"),
        ({"learning_rate": 0}, "learning_rate is 0; it must be a number above 0"),
        ({"betas": (0.9, 1)}, "from 0 to below 1"),
        ({"loss": "ce", "mixup": 1.5}, "mixup is 1.5; it must be a number from 0 to 1"),
        ({"mixup": 0.5}, "'add' does not take the soft labels that mixup makes; use ce or add-soft"),
        ({"loss": "focal", "mixup": 0.5}, "'focal' does not take the soft labels"),
    ],
)
def test_recipes_say_what_is_wrong(settings, message):
    with pytest.raises(ValueError, match=message):
        HeadRecipe(**settings)


def test_recipes_that_do_the_same_are_equal():
    assert HeadRecipe() == HeadRecipe(weights=(1, 1, 1, 1)) == HeadRecipe(weights=np.ones(4))
    assert HeadRecipe(loss="focal") == HeadRecipe(loss="focal", gamma=2)
    assert HeadRecipe(loss="opl").gamma == 0.5
    assert len({HeadRecipe(loss=name).shape for name in ("ce", "focal", "opl", "add", "add-soft")}) == 1


def test_what_does_not_fit_is_refused():
    X, labels, folds = clips()
    recipe = HeadRecipe(**SMALL)
    for given, message in [
        ({"X": X[:, 0]}, "X has shape"),
        ({"X": X * 1e300}, "beyond float32"),
        ({"labels": labels[:9]}, "labels have shape"),
        ({"labels": np.full(83, "dog")}, "All clips are of the class 'dog'"),
        ({"folds": folds[:9]}, "folds have shape"),
        ({"folds": np.full(83, 2)}, "All clips are in fold 2"),
        ({"folds": [None, *folds[1:]]}, "1 of 83 clips have no fold"),
        ({"recipes": []}, "There are 0 recipes"),
        ({"recipes": [recipe, recipe]}, "There are 2 recipes; there must be one or more, each once"),
        ({"seeds": [0, 0]}, "each once"),
        ({"seeds": [-1]}, "seed is -1"),
        ({"keep_rows": [83]}, "there are rows 0 to 82"),
        ({"keep_epochs": [3, 1]}, "they must ascend"),
    ]:
        with pytest.raises(ValueError, match=message):
            train_heads(**({"X": X, "labels": labels, "folds": folds, "recipes": [recipe]} | given))
    with pytest.raises(ValueError, match="There is no fold 9; there are 1, 2, 5"):
        train_heads(X, labels, folds, recipes=[recipe], held_out=[9])
    with pytest.raises(ValueError, match="X has 9 dimensions; the head was trained on 10"):
        embed(train_head(X, labels, folds, recipe=recipe), X[:, :9])
    with pytest.raises(ValueError, match="k is 84; for 83 clips it must be a whole number from 2 to 83"):
        draw_folds(labels, 84)
