from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy.sparse import random_array

from core.projection import tsne as _tsne


def reference(coords):
    difference = coords[:, None] - coords[None]  # (n, n, 2)
    weight = 1 / (1 + (difference**2).sum(axis=2))
    forces = (weight[..., None] ** 2 * difference).sum(axis=1)
    return forces, weight.sum() - len(coords)


def clumps(span, n=1200, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.uniform(-0.5, 0.5, (20, 2))
    return span * (centres[rng.integers(0, 20, n)] + rng.standard_normal((n, 2)) / 40)


@pytest.mark.parametrize("span", [1e-4, 1e-2, 1, 10, 40, 150])
@pytest.mark.parametrize("offset", [0, 1000])
def test_repulsion_equals_the_sum_over_all_pairs(span, offset):
    coords = clumps(span)
    forces, total = _tsne.repulsion(coords + offset * span)
    expected, expected_total = reference(coords)
    assert np.linalg.norm(forces - expected) < 0.02 * np.linalg.norm(expected)
    assert total == pytest.approx(expected_total, rel=2e-3)


def test_error_falls_with_the_grid(monkeypatch):
    coords = clumps(20)
    expected, _ = reference(coords)
    errors = []
    for spacing in (0.5, 0.25, 0.1):
        monkeypatch.setattr(_tsne, "SPACING", spacing)
        errors.append(np.linalg.norm(_tsne.repulsion(coords)[0] - expected) / np.linalg.norm(expected))
    assert errors[1] < errors[0] / 20
    assert errors[2] < 1e-6


def test_error_is_below_that_of_opentsne_on_a_map_of_usual_size():
    from openTSNE._tsne import estimate_negative_gradient_fft_2d

    coords = clumps(100)
    expected, _ = reference(coords)
    theirs = np.zeros_like(coords)
    total = estimate_negative_gradient_fft_2d(coords, theirs, 3, 50, 1, 1)
    error = np.linalg.norm(-theirs * total - expected)
    assert np.linalg.norm(_tsne.repulsion(coords)[0] - expected) < error


@pytest.mark.parametrize(
    "coords", [np.zeros((1, 2)), np.ones((7, 2)), np.array([[0.0, 0.0], [1e5, 3.0]]), clumps(40, n=300)]
)
def test_few_points_are_summed_exactly(coords):
    forces, total = _tsne.repulsion(coords)
    expected, expected_total = reference(coords)
    np.testing.assert_allclose(forces, expected, atol=1e-11)
    assert total == pytest.approx(expected_total, rel=1e-12)


@pytest.mark.parametrize("coords", [np.ones((500, 2)), np.append(clumps(30), [[1e5, 3.0]], axis=0)])
def test_degenerate_maps_of_many_points(coords):
    forces, total = _tsne.repulsion(coords)
    assert np.isfinite(forces).all()
    assert total > 0
    if coords.std() == 0:
        np.testing.assert_allclose(forces, 0, atol=1e-6)
        assert total == pytest.approx(500 * 499)


def test_a_map_that_is_not_finite_is_an_error():
    with pytest.raises(FloatingPointError, match="without bound"):
        _tsne.repulsion(np.array([[0.0, np.nan], [1.0, 1.0]]))


def test_gradient_equals_its_formula_and_threads_do_not_change_it():
    coords = clumps(30, n=3000)
    P = random_array((3000, 3000), density=0.02, format="csr", rng=np.random.default_rng(0))
    P /= P.sum()
    results = []
    for workers in (1, 2, 5):
        with ThreadPoolExecutor(workers) as pool:
            results.append(_tsne.objective(pool, workers)(coords, P, dof=1)[1])
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])
    dense = P.toarray()
    difference = coords[:, None] - coords[None]
    weight = 1 / (1 + (difference**2).sum(axis=2))
    attraction = ((dense * weight)[..., None] * difference).sum(axis=1)
    repulsion, total = reference(coords)
    expected = attraction - repulsion / total
    assert np.linalg.norm(results[0] - expected) < 0.02 * np.linalg.norm(expected)
