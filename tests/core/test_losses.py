import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.losses import warp_loss


def reference(scores, targets, margin):
    total = 0.0
    for row, y in zip(scores, targets, strict=True):
        violations = [margin + s - row[y] for c, s in enumerate(row) if c != y and margin + s - row[y] > 0]
        r = len(violations)
        if r:
            total += sum(1 / i for i in range(1, r + 1)) / r * sum(violations)
    return total / len(targets)


def reference_sampled(scores, targets, tries, margin):
    total, n_classes = 0.0, scores.shape[1]
    for row, y, tried in zip(scores, targets, tries, strict=True):
        for n, c in enumerate(tried, start=1):
            hinge = margin + row[c] - row[y]
            if c != y and hinge > 0:
                rank = max(1, (n_classes - 1) // n)
                total += sum(1 / i for i in range(1, rank + 1)) * hinge
                break
    return total / len(targets)


def problem(seed, n=7, n_classes=9):
    random = np.random.default_rng(seed)
    return random.uniform(-1, 1, (n, n_classes)), random.integers(0, n_classes, n)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**31),
    n=st.integers(1, 8),
    n_classes=st.integers(2, 10),
    margin=st.sampled_from([0.0, 0.1, 1.0, 3.0]),
)
def test_warp_equals_its_definition(seed, n, n_classes, margin):
    scores, targets = problem(seed, n, n_classes)
    found = warp_loss(torch.from_numpy(scores), torch.from_numpy(targets), margin=margin)
    assert found.item() == pytest.approx(reference(scores, targets, margin), abs=1e-9)


@settings(max_examples=60)
@given(seed=st.integers(0, 2**31), n_classes=st.integers(2, 10), margin=st.sampled_from([0.0, 0.3, 1.0]))
def test_sampled_warp_equals_its_definition_for_given_tries(seed, n_classes, margin):
    scores, targets = problem(seed, 6, n_classes)
    drawn = np.random.default_rng(seed).integers(n_classes - 1, size=(6, n_classes - 1))
    tries = drawn + (drawn >= targets[:, None])
    found = warp_loss(
        torch.from_numpy(scores),
        torch.from_numpy(targets),
        margin=margin,
        sampled=True,
        tries=torch.from_numpy(tries),
    )
    assert found.item() == pytest.approx(reference_sampled(scores, targets, tries, margin), abs=1e-9)


def test_sampled_draws_are_of_the_generator_and_never_the_right_class():
    scores, targets = (torch.from_numpy(a) for a in problem(0, 200, 6))
    draws = [
        warp_loss(scores, targets, sampled=True, generator=torch.Generator().manual_seed(s)).item()
        for s in (1, 1, 2)
    ]
    assert draws[0] == draws[1] != draws[2]
    # The right class is far ahead: nothing is found, unless it were compared to itself.
    ahead = torch.full((50, 4), -1.0)
    ahead[:, 2] = 1.0
    assert warp_loss(ahead, torch.full((50,), 2), sampled=True, margin=0.5).item() == 0


@pytest.mark.parametrize("sampled", [False, True])
def test_gradients_are_those_of_finite_differences(sampled):
    scores, targets = (torch.from_numpy(a) for a in problem(3))
    tries = torch.randint(8, (7, 8), generator=torch.Generator().manual_seed(0))
    tries = tries + (tries >= targets[:, None])

    def loss(s):
        return warp_loss(s, targets, margin=0.4, sampled=sampled, tries=tries)

    assert torch.autograd.gradcheck(loss, scores.requires_grad_())


@pytest.mark.parametrize(
    ("scores", "targets"),
    [((3, 1), (3,)), ((0, 4), (0,)), ((3, 4), (2,)), ((4,), (4,))],
)
def test_shapes_that_do_not_fit(scores, targets):
    with pytest.raises(ValueError, match="must be \\(n, C\\) and \\(n,\\), with at least one clip and two"):
        warp_loss(torch.zeros(scores), torch.zeros(targets, dtype=torch.int64))
