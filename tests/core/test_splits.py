import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from core.splits import (
    PAPER_RANGES,
    PAPER_RATIOS,
    ClassSplit,
    ClassSplitSet,
    Sizes,
    SplitError,
    all_classes,
    class_centroids,
    class_elbow,
    class_similarity,
    cluster_classes,
    contents,
    distinct_ratios,
    diversity_splits,
    feasible_diversity_sizes,
    feasible_sizes,
    from_test_cluster,
    hand_split,
    largest_sizes,
    mean_pairwise_similarity,
    quantile_ranges,
    random_split,
    similarity_split,
    similarity_splits,
    split_from_json,
    split_to_json,
    train_test_similarity,
)
from core.splits.diverse_sets import grow, reachable
from core.splits.sizes import halved_sizes

SMALL = Sizes(6, 2, 3)


def classes(n=50, d=8, seed=0, families=3):
    """Names and centroids that lie around some directions."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((families, d))
    return [f"class {c:02}" for c in range(n)], centres[
        np.arange(n) % families
    ] + 0.7 * random.standard_normal((n, d))


def smooth(n=80, seed=0):
    """Names and similarities that fill the paper's ranges, as VGGish's do."""
    random = np.random.default_rng(seed)
    along = random.uniform(0, 1, (n, 3))
    points = np.concatenate([np.full((n, 1), 0.45), along], axis=1)
    return [f"class {c:02}" for c in range(n)], class_similarity(points)


def test_centroids_and_similarities_equal_plain_python():
    random = np.random.default_rng(0)
    X = random.standard_normal((40, 5)).astype(np.float32)
    labels = np.array(["", "b", "a", "c"])[random.integers(0, 4, 40)]
    names, centroids = class_centroids(X, labels)
    assert names == ("a", "b", "c")
    for name, centroid in zip(names, centroids, strict=True):
        rows = [X[i].astype(float) for i in range(40) if labels[i] == name]
        np.testing.assert_allclose(centroid, sum(rows) / len(rows), atol=1e-12)
    for name, centroid in zip(*class_centroids(X, labels, vectors="unit"), strict=True):
        rows = [X[i].astype(float) for i in range(40) if labels[i] == name]
        expected = sum(row / np.linalg.norm(row) for row in rows) / len(rows)
        np.testing.assert_allclose(centroid, expected, atol=1e-12)
    similarity = class_similarity(centroids)
    for i, j in itertools.product(range(3), range(3)):
        a, b = centroids[i], centroids[j]
        assert similarity[i, j] == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b), abs=1e-11)
    assert (np.diag(similarity) == 1).all()
    assert (similarity == similarity.T).all()
    assert class_similarity([[0.0, 0.0], [1.0, 0.0]]).tolist() == [[1, 0], [0, 1]]


def test_clusters_equal_those_of_k_means_on_unit_vectors():
    _, centroids = classes()
    scaled = centroids * np.random.default_rng(1).uniform(0.1, 10, (50, 1))
    found = cluster_classes(scaled, 3, seed=4)
    unit = centroids / np.linalg.norm(centroids, axis=1, keepdims=True)
    expected = KMeans(3, n_init=10, random_state=4).fit_predict(unit)
    pairs = set(zip(found.tolist(), expected.tolist(), strict=True))
    assert len(pairs) == 3
    sizes = np.bincount(found)
    assert (np.diff(sizes) <= 0).all()
    # Of clusters of one size, the one with the first class comes first.
    two = cluster_classes([[0, 1], [1, 0], [1, 0.1], [0.1, 1]], 2)
    assert two.tolist() == [0, 1, 1, 0]
    assert cluster_classes([[1.0, 1.0]] * 4, 3).tolist() == [0, 0, 0, 0]


def test_elbow_is_over_unit_vectors():
    _, centroids = classes(d=3)
    found = class_elbow(centroids * 100, range(1, 7), seed=0)
    assert found.ks.tolist() == [1, 2, 3, 4, 5, 6]
    unit = centroids / np.linalg.norm(centroids, axis=1, keepdims=True)
    assert found.inertia[0] == pytest.approx(((unit - unit.mean(axis=0)) ** 2).sum())
    assert class_elbow(centroids[:4]).ks.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("seed", [0, 5])
def test_similarity_splits_are_as_the_paper_has_them(seed):
    names = [f"class {c:02}" for c in range(60)]
    clusters = np.arange(60) % 3
    found = similarity_splits(names, clusters, seeds=[seed, seed + 1], sizes=SMALL)
    assert len(found) == 3 * 2 * 5
    cluster_of = dict(zip(names, clusters, strict=True))
    for split in found:
        at, ratio = split.info["cluster"], split.info["ratio"]
        assert (len(split.train), len(split.validation), len(split.test)) == (6, 2, 3)
        assert {cluster_of[c] for c in split.test + split.validation} == {at}
        assert sum(cluster_of[c] == at for c in split.train) == from_test_cluster(ratio, 6)
        assert len(set(all_classes(split))) == 11
    for start in range(0, 30, 5):
        grid = found[start : start + 5]
        assert [s.info["ratio"] for s in grid] == list(PAPER_RATIOS)
        assert len({(s.test, s.validation) for s in grid}) == 1
        near = [{c for c in s.train if cluster_of[c] == s.info["cluster"]} for s in grid]
        far = [set(s.train) - n for s, n in zip(grid, near, strict=True)]
        assert all(b <= a for a, b in itertools.pairwise(near))
        assert all(a <= b for a, b in itertools.pairwise(far))
    assert len({s.test for s in found}) == 6


def test_splits_depend_on_seed_and_names_and_not_on_their_order():
    names, similarity = smooth()
    clusters = np.arange(80) % 3
    order = np.random.default_rng(0).permutation(80)
    shuffled = [names[i] for i in order]
    among = similarity[np.ix_(order, order)]
    for one, other in [
        (
            similarity_split(names, clusters, cluster=1, ratio=0.5, seed=3, sizes=SMALL),
            similarity_split(shuffled, clusters[order], cluster=1, ratio=0.5, seed=3, sizes=SMALL),
        ),
        (random_split(names, seed=2, sizes=SMALL), random_split(shuffled, seed=2, sizes=SMALL)),
        (
            diversity_splits(names, similarity, seeds=[1], sizes=SMALL)[2],
            diversity_splits(shuffled, among, seeds=[1], sizes=SMALL)[2],
        ),
    ]:
        assert one == other
    assert random_split(names, seed=2) != random_split(names, seed=3)


def test_diversity_splits_are_as_the_paper_has_them():
    names, similarity = smooth()
    found = diversity_splits(names, similarity, seeds=range(4), sizes=SMALL)
    assert len(found) == 4 * 5
    index = {name: i for i, name in enumerate(names)}
    for number, split in enumerate(found):
        low, high = split.info["low"], split.info["high"]
        assert (low, high) == PAPER_RANGES[number % 5]
        for k in range(1, 6):
            before = [index[c] for c in split.train[:k]]
            mean = np.mean([similarity[index[split.train[k]], b] for b in before])
            assert low < mean <= high
        pairs = [similarity[index[a], index[b]] for a, b in itertools.combinations(split.train, 2)]
        assert split.info["mean_similarity"] == pytest.approx(np.mean(pairs), abs=1e-9)
        assert low < split.info["mean_similarity"] <= high
        held = split.tests + split.validations
        assert [len(s) for s in held] == [3, 3, 3, 2, 2, 2]
        assert len(set(itertools.chain(split.train, *held))) == 6 + 15
        assert mean_pairwise_similarity(split.train, names, similarity) == split.info["mean_similarity"]
    for start in range(0, 20, 5):
        assert len({(s.tests, s.validations) for s in found[start : start + 5]}) == 1
    assert len({s.tests for s in found}) == 4
    # A range does not depend on which others are asked for.
    alone = diversity_splits(names, similarity, ranges=PAPER_RANGES[3:4], seeds=[2], sizes=SMALL)
    assert alone[0] == found[2 * 5 + 3]
    one = found[7].splits()
    assert [s.test for s in one] == list(found[7].tests)
    assert [s.info["test_set"] for s in one] == [0, 1, 2]


def test_a_set_grows_only_within_its_range_and_says_how_far_it_came():
    # Two groups of four: 1 within, 0 between.
    similarity = np.kron(np.eye(2), np.ones((4, 4)))
    full, attempts = grow(similarity, 4, 0.9, 1.0, np.random.default_rng(0))
    assert len(full) == 4
    assert len({c // 4 for c in full}) == 1
    assert attempts == 1
    short, attempts = grow(similarity, 5, 0.9, 1.0, np.random.default_rng(0))
    assert (len(short), attempts) == (4, 1000)
    none, _ = grow(similarity, 2, 0.2, 0.8, np.random.default_rng(0))
    assert len(none) == 1


@pytest.mark.parametrize("ends", [(0.55, 0.6), (0.8, 0.84), (0.945, 1.0)])
def test_a_set_is_grown_as_a_plain_loop_grows_it(ends, monkeypatch):
    _, similarity = smooth(30, seed=2)
    monkeypatch.setattr("core.splits.diverse_sets.RANDOM_ATTEMPTS", 4)
    monkeypatch.setattr("core.splits.diverse_sets.ATTEMPTS", 8)

    def within(chosen, c):
        return ends[0] < round(float(np.mean(similarity[c, chosen])), 12) <= ends[1]

    def plain(size, random):
        best = []
        for attempt in range(1, 9):
            chosen = [int(random.integers(30))]
            while len(chosen) < size:
                free = [c for c in range(30) if c not in chosen]
                fitting = [c for c in free if within(chosen, c)]
                if not fitting:
                    break
                if attempt > 4:
                    # A class counts among those that it leaves, as similar to itself as can be.
                    left = [sum(within([*chosen, c], other) for other in free) for c in fitting]
                    fitting = [c for c, n in zip(fitting, left, strict=True) if n == max(left)]
                chosen.append(fitting[random.integers(len(fitting))])
            best = max(best, chosen, key=len)
            if len(best) == size:
                return best, attempt
        return best, 8

    for seed in range(5):
        for size in (3, 9, 25):
            wanted = plain(size, np.random.default_rng(seed))
            assert grow(similarity, size, *ends, np.random.default_rng(seed)) == wanted
    few, attempts = grow(similarity, 25, *ends, np.random.default_rng(0), attempts=2)
    assert attempts <= 2
    assert len(few) <= len(plain(25, np.random.default_rng(0))[0])


def test_looking_ahead_finds_what_chance_does_not(monkeypatch):
    similarity = class_similarity(np.random.default_rng(4).standard_normal((40, 12)) + 0.8)
    low, high = reachable(similarity, 12)
    high = low + 0.1 * (high - low)
    monkeypatch.setattr("core.splits.diverse_sets.RANDOM_ATTEMPTS", 300)
    monkeypatch.setattr("core.splits.diverse_sets.ATTEMPTS", 300)
    assert len(grow(similarity, 12, low, high, np.random.default_rng(0))[0]) == 11
    monkeypatch.setattr("core.splits.diverse_sets.ATTEMPTS", 600)
    found, attempts = grow(similarity, 12, low, high, np.random.default_rng(0))
    assert len(set(found)) == 12
    assert 300 < attempts <= 600
    for k in range(1, 12):
        assert low < similarity[found[k], found[:k]].mean() <= high


def test_reachable_means_hold_all_sets_of_few_classes():
    _, similarity = smooth(9)
    means = [
        np.mean([similarity[a, b] for a, b in itertools.combinations(chosen, 2)])
        for chosen in itertools.combinations(range(9), 3)
    ]
    low, high = reachable(similarity, 3)
    assert min(means) - 1e-9 <= low <= np.quantile(means, 0.1)
    assert np.quantile(means, 0.9) <= high <= max(means) + 1e-9


def test_quantile_ranges_hold_equal_shares_of_pairs():
    _, similarity = smooth()
    pairs = similarity[np.triu_indices(80, 1)]
    ranges = quantile_ranges(similarity, 4)
    shares = [((pairs > low) & (pairs <= high)).mean() for low, high in ranges]
    np.testing.assert_allclose(shares, 0.25, atol=0.02)
    assert all(a[1] == b[0] for a, b in itertools.pairwise(ranges))
    # In a space where the paper's ranges are out of reach, they give a training set for each.
    names, centroids = classes(70, d=30, families=5)
    similarity = class_similarity(centroids)
    with pytest.raises(SplitError, match="No 12 of 28 classes have a mean similarity within"):
        diversity_splits(names, similarity, seeds=[0], sizes=Sizes(12, 7, 7))
    wanted = quantile_ranges(similarity, 5, sizes=Sizes(12, 3, 3))
    found = diversity_splits(names, similarity, ranges=wanted, seeds=range(3), sizes=Sizes(12, 3, 3))
    assert len(found) == 15


def test_a_range_that_no_class_can_satisfy_names_those_that_fit():
    names, centroids = classes(50, d=30, families=2)
    similarity = class_similarity(centroids)
    with pytest.raises(SplitError) as caught:
        diversity_splits(names, similarity, ranges=[(0.95, 1.0), (0.97, 1.0)], seeds=[3], sizes=SMALL)
    message = str(caught.value)
    assert message.startswith("No 6 of 35 classes have a mean similarity within (0.95, 1]: seed 3 came to ")
    fitting = message.partition("ranges that fit are ")[2].rstrip(".")
    ranges = [tuple(map(float, r.strip("(] ").split(","))) for r in fitting.split("],")]
    assert ranges
    assert len(diversity_splits(names, similarity, ranges=ranges, seeds=[3], sizes=SMALL)) == len(ranges)


def test_what_a_dataset_cannot_give_is_said_with_numbers_and_what_would_fit():
    names = [f"c{i:02}" for i in range(58)]
    clusters = [0] * 22 + [1] * 18 + [2] * 18
    with pytest.raises(SplitError) as caught:
        similarity_split(names, clusters, cluster=2, ratio=1.0, seed=0)
    assert str(caught.value) == (
        "Cluster 2 has 18 classes; ratio 1 needs 30 (20 for training, 5 for validation, 5 for the test); "
        "sizes 12/3/3 would fit (12/3/3 for the ratios 0 to 1 of all clusters)."
    )
    fitting = feasible_sizes(clusters)
    assert len(similarity_splits(names, clusters, seeds=[0], sizes=fitting)) == 15
    # What is asked of all clusters is answered for all of them, though cluster 0 alone has room for more.
    with pytest.raises(SplitError, match="Cluster 0 has 22 classes; .* sizes 12/3/3 would fit\\.$"):
        similarity_splits(names, clusters, seeds=[0])
    with pytest.raises(SplitError):
        similarity_splits(names, clusters, seeds=[0], sizes=Sizes(13, 3, 3))
    assert feasible_sizes([0, 0, 0, 1]) is None


def test_ratios_that_come_to_the_same_classes_are_one():
    names = [f"c{i:02}" for i in range(30)]
    clusters = np.arange(30) % 2
    assert [from_test_cluster(r, 20) for r in PAPER_RATIOS] == [20, 15, 10, 5, 0]
    assert [from_test_cluster(r, 2) for r in (0.25, 0.5, 0.75)] == [1, 1, 2]  # halves up
    assert distinct_ratios(PAPER_RATIOS, 20) == PAPER_RATIOS
    assert distinct_ratios((0.6, 0.5, 0.45, 0.1), 3) == (0.6, 0.45, 0.1)  # 2, 2, 1 and 0 of 3
    for sizes, kept in ((Sizes(2, 1, 2), (1.0, 0.5, 0.0)), (Sizes(3, 1, 2), (1.0, 0.75, 0.25, 0.0))):
        found = similarity_splits(names, clusters, seeds=range(2), sizes=sizes)
        assert [s.info["ratio"] for s in found[: len(kept)]] == list(kept)
        assert len(found) == len({(s.train, s.test) for s in found}) == 4 * len(kept)
        # Those that are left out are none but those that are there.
        for ratio in PAPER_RATIOS:
            one = similarity_split(names, clusters, cluster=0, ratio=ratio, seed=0, sizes=sizes)
            assert one.train in {s.train for s in found}


def test_sizes_that_fit_keep_the_proportions_and_two_validation_classes():
    def within(n):
        return lambda s: s.train + s.validation + s.test <= n

    for asked, n, expected in (
        ("20/5/5", 99, "20/5/5"),
        ("20/5/5", 25, "17/4/4"),
        ("300/5/5", 40, "36/2/2"),
        ("20/5/5", 7, "3/2/2"),
        ("20/5/5", 6, "2/2/2"),
        ("20/5/5", 5, "2/1/2"),
        ("20/5/5", 4, "None"),
        ("20/1/5", 20, "15/1/4"),
        ("2/30/30", 5, "2/1/2"),
    ):
        assert str(largest_sizes(Sizes(*map(int, asked.split("/"))), within(n))) == expected


def test_diversity_sizes_fit_all_ranges_and_seeds_and_none_before_them_do(monkeypatch):
    monkeypatch.setattr("core.splits.diverse_sets.RANDOM_ATTEMPTS", 10)
    monkeypatch.setattr("core.splits.diverse_sets.ATTEMPTS", 15)
    names, centroids = classes(34, d=6, seed=1, families=3)
    similarity = class_similarity(centroids)
    asked, sets = Sizes(20, 4, 4), 2

    def own(sizes):
        return quantile_ranges(similarity, 3, sizes=sizes, n_test_sets=sets)

    for ranges in (own, own(Sizes(5, 2, 2)), [(-0.5, 0.2), (0.2, 0.9)], [(0.99, 1.0)]):
        tried = []

        def draws(sizes, ranges=ranges, tried=tried):
            tried.append(sizes)
            try:
                wanted = ranges(sizes) if callable(ranges) else ranges
                diversity_splits(
                    names, similarity, ranges=wanted, seeds=range(3), sizes=sizes, n_test_sets=sets
                )
            except SplitError:
                return False
            return True

        found = feasible_diversity_sizes(
            names, similarity, ranges=ranges, seeds=range(3), sizes=asked, n_test_sets=sets
        )
        assert found == largest_sizes(asked, draws)
        assert len(tried) > 1


def test_sizes_are_found_by_halving_after_few_trials():
    tried = []

    def within(n):
        def fits(s):
            tried.append(s)
            return s.train + s.validation + s.test <= n

        return fits

    for asked in (Sizes(20, 5, 5), Sizes(300, 5, 5), Sizes(20, 1, 5), Sizes(2, 30, 30)):
        for n in (99, 40, 25, 7, 6, 5, 4):
            tried.clear()
            assert halved_sizes(asked, within(n)) == largest_sizes(asked, lambda s, n=n: sum_of(s) <= n)
            assert len(tried) <= 2 * np.log2(asked.train) + 3


def sum_of(sizes):
    return sizes.train + sizes.validation + sizes.test


def test_a_short_search_finds_sizes_that_fit_or_says_none(monkeypatch):
    monkeypatch.setattr("core.splits.diverse_sets.RANDOM_ATTEMPTS", 10)
    monkeypatch.setattr("core.splits.diverse_sets.ATTEMPTS", 15)
    names, centroids = classes(34, d=6, seed=1, families=3)
    similarity = class_similarity(centroids)
    options = {"seeds": range(3), "n_test_sets": 2}
    calls = itertools.count(1)

    def own(sizes):
        next(calls)
        return quantile_ranges(similarity, 3, sizes=sizes, n_test_sets=2)

    asked = Sizes(20, 4, 4)
    found = feasible_diversity_sizes(
        names, similarity, ranges=own, sizes=asked, until=lambda: False, **options
    )
    assert next(calls) < 12
    most = feasible_diversity_sizes(names, similarity, ranges=own, sizes=asked, **options)
    assert 2 <= found.train <= most.train
    drawn = diversity_splits(names, similarity, ranges=own(found), sizes=found, **options)
    assert len(drawn) == 9
    assert not feasible_diversity_sizes(
        names, similarity, ranges=own, sizes=asked, until=lambda: True, **options
    )


@settings(max_examples=60)
@given(
    counts=st.lists(st.integers(1, 14), min_size=1, max_size=4),
    wanted=st.tuples(st.integers(2, 12), st.integers(1, 4), st.integers(2, 4)),
)
def test_feasible_sizes_do_fit_and_are_not_said_without_need(counts, wanted):
    clusters = np.repeat(np.arange(len(counts)), counts)
    names = [f"c{i:02}" for i in range(len(clusters))]
    sizes = Sizes(*wanted)

    def fits(candidate):
        try:
            similarity_splits(names, clusters, seeds=[0], sizes=candidate)
        except SplitError:
            return False
        return True

    found = feasible_sizes(clusters, sizes=sizes)
    assert (found == sizes) == fits(sizes)
    if found is None:
        assert not fits(Sizes(2, 1, 2))
    else:
        assert fits(found)


def test_similarities_of_a_split_equal_loops():
    names, centroids = classes(20)
    similarity = class_similarity(centroids)
    split = random_split(names, seed=1, sizes=SMALL)
    pairs = [similarity[names.index(a), names.index(b)] for a in split.train for b in split.test]
    assert train_test_similarity(split, names, similarity) == pytest.approx(np.mean(pairs))
    assert np.isnan(mean_pairwise_similarity(["class 00"], names, similarity))


def test_splits_come_back_from_json():
    names, similarity = smooth()
    splits = [
        random_split(names, seed=0, sizes=SMALL),
        diversity_splits(names, similarity, seeds=[0], sizes=SMALL)[0],
        hand_split(
            ["Öl", 'a "quoted" name'], ["鳥"], ["d", "e"], names=["Öl", 'a "quoted" name', "鳥", "d", "e"]
        ),
    ]
    for split in splits:
        for compact in (False, True):
            text = split_to_json(split, compact=compact)
            assert split_from_json(text) == split
            assert split_to_json(split_from_json(text), compact=compact) == text
        assert "\n" not in split_to_json(split, compact=True)
    assert "鳥" in split_to_json(splits[2])
    assert json.loads(split_to_json(splits[0]))["train"] == list(splits[0].train)
    assert list(json.loads(split_to_json(splits[1]))["info"]) == sorted(splits[1].info)
    by_hand = split_from_json('{"train": ["a", "b"], "validation": ["c"], "test": ["d", "e"]}')
    assert by_hand.info == {}
    assert split_from_json("\ufeff" + split_to_json(by_hand)) == by_hand


def test_splits_hold_the_same_whatever_the_order_and_whatever_they_say():
    one = ClassSplit(("a", "b"), ("c",), ("d", "e"), {"ratio": 0.5})
    assert contents(one) == contents(ClassSplit(("b", "a"), ("c",), ("e", "d"), {"ratio": 0.45}))
    assert contents(one) != contents(ClassSplit(("a", "b"), ("d",), ("c", "e")))
    shared = ClassSplitSet(("a", "b"), (("c",), ("d",)), (("e", "f"), ("f", "g")))
    assert all_classes(shared) == tuple("abcdefg")
    several = ClassSplitSet(("a", "b"), (("c",), ("d",)), (("e", "f"), ("g", "h")))
    turned = ClassSplitSet(("b", "a"), (("d",), ("c",)), (("h", "g"), ("e", "f")))
    crossed = ClassSplitSet(("a", "b"), (("d",), ("c",)), (("e", "f"), ("g", "h")))
    assert contents(several) == contents(turned) != contents(crossed)
    assert contents(ClassSplitSet(("a", "b"), (("c",),), (("d", "e"),))) == contents(one)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "This is no JSON: line 1, column 1"),
        ('{"train": ["a",]}', "This is no JSON: line 1"),
        ("[1, 2]", "This JSON is no split"),
        ('{"format": "playlist"}', "This JSON is no split"),
        ('{"version": 9}', "version 9; this hearspace reads version 1"),
        ('{"train": ["a", "b"], "test": ["c", "d"]}', 'The split has no "validation"'),
        ('{"train": "ab", "validation": ["c"], "test": ["d", "e"]}', "train must be a list of classes"),
        ('{"train": ["a", 1], "validation": ["c"], "test": ["d", "e"]}', "train holds 1; a class is a name"),
        (
            '{"train": ["a", "b"], "validation": ["a"], "test": ["d", "e"]}',
            "'a' is both a train and a validation",
        ),
        (
            '{"train": ["a", "b"], "validations": 3, "tests": [["d", "e"]]}',
            "validations must be a list of lists",
        ),
        (
            '{"train": ["a", "b"], "validations": [3], "tests": [["d", "e"]]}',
            "validation set 1 must be a list",
        ),
        (
            '{"train": ["a", "b"], "validation": ["c"], "test": ["d", "e"], "info": 3}',
            '"info" of a split must',
        ),
        ('{"train": ["a", "b"], "info": {"ratio": NaN}}', "holds NaN"),
        ('{"train": ["a", "b"], "info": {"ratio": 1e999}}', "1e999, which is too large"),
        ('{"train": ["a", "b"], "info": {"seed": ' + "9" * 5000 + "}}", "holds what no split holds"),
        ('{"train": ["a\\ud800", "b"], "validation": ["c"], "test": ["d", "e"]}', "half of a character"),
        (json.dumps({"train": ["a"] * 200_000, "validation": ["c"], "test": ["d"]}), "names 'a' twice"),
        (
            json.dumps({"train": [str(i) for i in range(200_000)], "validation": ["7"], "test": ["d", "e"]}),
            "'7' is both",
        ),
        ("[" * 100_000, "nested too deeply"),
        ("x" * 3_000_000, "has 3,000,000 characters"),
    ],
)
def test_json_that_is_no_split(text, message):
    with pytest.raises(SplitError, match=message):
        split_from_json(text)


LEAST = Sizes(2, 1, 2)
TWENTY = [f"class {c:02}" for c in range(20)]


def cluster_splits(clusters, *ratios, sizes=LEAST):
    """Draw similarity splits of classes in these clusters; the paper's ratios by default."""
    names = [f"c{i:02}" for i in range(len(clusters))]
    return similarity_splits(names, clusters, ratios=ratios or PAPER_RATIOS, seeds=[0], sizes=sizes)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: cluster_splits([0] * 7 + [1], 0, sizes=Sizes(4, 1, 2)),
            "other than 0 have 1 class; ratio 0 needs 4",
        ),
        (
            lambda: cluster_splits([0] * 4 + [1] * 4 + [2] * 4),
            "not even 2/1/2 would fit: choose fewer clusters",
        ),
        (lambda: cluster_splits([0] * 4 + [1] * 4, 1), "choose fewer clusters"),
        (
            lambda: cluster_splits([0] * 4 + [1] * 4),
            "choose another number of clusters, or a dataset with more",
        ),
        (
            lambda: cluster_splits([0] * 30),
            "one cluster only; ratio 0.5 .* more clusters, or the ratio 1 alone",
        ),
        (
            lambda: diversity_splits(TWENTY + list("abcdefghij"), np.eye(30), seeds=[0]),
            "There are 30 classes; sizes 20/5/5 with 3 .* need 50; sizes 12/3/3 would",
        ),
        (
            lambda: diversity_splits(TWENTY[:10], np.eye(10), seeds=[0]),
            "not even sizes 2/1/2 would fit; fewer test sets would",
        ),
        (
            lambda: random_split("abcd", seed=0, sizes=Sizes(2, 1, 2)),
            "There are 4 classes; sizes 2/1/2 need 5; not even sizes 2/1/2 would fit",
        ),
        (lambda: ClassSplit(("a", "b"), ("c",), ("d", "b")), "'b' is both a train and a test class"),
        (lambda: ClassSplit(("a", "b", "a"), ("c",), ("d", "e")), "train names 'a' twice"),
        (lambda: ClassSplit(("a", "b"), ("c",), ("d",)), "test has 1 class; it needs at least 2"),
        (lambda: hand_split("ab", [], "de", names="abcde"), "validation has 0 classes; it needs at least 1"),
        (lambda: hand_split("ab", "c", "dx", names="abcd"), "names 'x', which the .* have; it has 4 classes"),
        (
            lambda: ClassSplitSet(("a", "b"), (("c",), ("d",)), (("e", "f"), ("g", "c"))),
            "'c' is both a validation and a test class",
        ),
        (
            lambda: ClassSplitSet(("a", "b"), (("c",), ("d",)), (("e", "f"),)),
            "2 validation sets and 1 test sets",
        ),
        (
            lambda: mean_pairwise_similarity(["class 00", "unheard"], TWENTY, np.eye(20)),
            "'unheard' is not among the 20 classes",
        ),
        (lambda: Sizes(1, 1, 2), "The number of training classes is 1; it must be a whole number from 2"),
        (lambda: Sizes(2, 0, 2), "number of validation classes is 0; it must be a whole number from 1"),
        (lambda: Sizes(2, 1, True), "number of test classes is True"),
        (lambda: class_centroids([[1.0]], [""]), "No clip has a class"),
        (lambda: class_centroids([[1.0]], ["a"], vectors="both"), "vectors is 'both'; it must be one of raw"),
        (lambda: class_centroids([[1.0]], ["a", "b"]), "one for each of 1 rows"),
        (lambda: class_centroids([[np.nan]], ["a"]), "Row 0 of X holds NaN"),
        (
            lambda: cluster_classes([[1.0]], 2),
            "2 clusters are asked for, and there is 1 class",
        ),
        (
            lambda: similarity_split("abc", [0, 0], cluster=0, ratio=1, seed=0),
            "There are 3 names for 2 classes",
        ),
        (lambda: similarity_split("aab", [0] * 3, cluster=0, ratio=1, seed=0), "A class is named twice"),
        (lambda: similarity_split("ab", [0.5, 1], cluster=0, ratio=1, seed=0), "must be \\(C,\\) integers"),
        (
            lambda: similarity_split("ab", [0, 1], cluster=7, ratio=1, seed=0),
            "no cluster 7; the clusters are \\[0, 1\\]",
        ),
        (
            lambda: similarity_split("ab", [0, 1], cluster=0, ratio=75, seed=0),
            "ratio is 75; it must be from 0 to 1",
        ),
        (lambda: random_split("abcde", seed=-1, sizes=Sizes(2, 1, 2)), "seed is -1"),
        (lambda: quantile_ranges(np.eye(4), 3), "do not give 3 ranges; ask for fewer"),
        (lambda: quantile_ranges(np.eye(4), 0), "0 ranges are asked for"),
        (lambda: quantile_ranges(np.ones((2, 3))), "it must be \\(C, C\\)"),
        (
            lambda: diversity_splits(
                "abcdefgh", np.eye(8), ranges=[(0.6, 0.5)], seeds=[0], sizes=Sizes(2, 1, 2), n_test_sets=1
            ),
            "\\(0.6, 0.5\\] is no range",
        ),
        (lambda: diversity_splits("ab", np.eye(2), seeds=[0], n_test_sets=0), "0 test sets are asked for"),
    ],
)
def test_errors_say_what_and_what_is_allowed(call, message):
    with pytest.raises(ValueError, match=message):
        call()
