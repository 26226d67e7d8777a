import math

import numpy as np
import pytest
import torch

from core.losses import (
    add_loss,
    add_loss_soft,
    binary_cross_entropy,
    cross_entropy,
    focal_loss,
    orthogonal_projection_loss,
)
from core.separability import angular_properties

SINGLE_WEIGHTS = [tuple(float(i == j) for j in range(4)) for i in range(4)]


def batch(n=9, d=5, classes=3, seed=0):
    random = np.random.default_rng(seed)
    y = np.concatenate([np.arange(classes), random.integers(classes, size=n - classes)])
    return torch.from_numpy(random.standard_normal((n, d))), torch.from_numpy(y)


def soft_batch(n=9, d=5, classes=4, seed=0):
    """Half of the labels are mixed; one mixture is there twice."""
    z, y = batch(n, d, classes, seed)
    shares = torch.nn.functional.one_hot(y, classes).double()
    shares[::2] = 0.7 * shares[::2] + 0.3 * shares.flip(0)[::2]
    shares[2] = shares[0]
    return z, shares


def distance(a, b):
    a, b = [float(v) for v in a], [float(v) for v in b]
    dot = sum(p * q for p, q in zip(a, b, strict=True))
    lengths = math.sqrt(sum(p * p for p in a)) * math.sqrt(sum(q * q for q in b))
    return 1 - (dot / lengths if lengths else 0.0)


def mean(values):
    return sum(values) / len(values) if values else 0.0


def deviation(values):
    if len(values) < 2:
        return 0.0
    centre = mean(values)
    return math.sqrt(sum((v - centre) ** 2 for v in values) / (len(values) - 1))


def pair_lists(z, same):
    """Distances within and between classes, pair by pair, as the sets of the paper are written."""
    within, between = [], []
    for i in range(len(z)):
        for j in range(len(z)):
            if i != j:
                (within if same(i, j) else between).append(distance(z[i], z[j]))
    return within, between


def plain_add(z, y, weights, variant):
    within, between = pair_lists(z, lambda i, j: int(y[i]) == int(y[j]))
    if variant == "paper":
        p, n = [d**2 for d in within], [(1 - d) ** 2 for d in between]
        terms = mean(p), deviation(p), mean(n), deviation(n)
    else:
        apart = (1 - mean(between)) ** 2 if between else 0.0
        terms = mean(within) ** 2, deviation(within), apart, deviation(between)
    return sum(w * t for w, t in zip(weights, terms, strict=True))


def plain_soft(z, y, weights, variant):
    n = len(z)
    off = [(distance(y[i], y[j]) - distance(z[i], z[j])) ** 2 for i in range(n) for j in range(n) if i != j]
    if variant == "released":
        return weights[0] * sum(off) / n**2
    within, _ = pair_lists(z, lambda i, j: distance(y[i], y[j]) < 1e-3)
    return weights[0] * mean(off) + weights[1] * deviation([d**2 for d in within])


def plain_opl(z, y, gamma, variant):
    within, between = pair_lists(z, lambda i, j: int(y[i]) == int(y[j]))
    cosines = [1 - d for d in between]
    if variant == "released":
        cosines = [abs(c) for c in cosines]
    return (mean(within) if within else 0.0) + gamma * abs(mean(cosines))


@pytest.mark.parametrize("variant", ["paper", "released"])
@pytest.mark.parametrize("weights", [*SINGLE_WEIGHTS, (1.0, 0.5, 2.0, 0.25)])
def test_add_is_what_the_paper_writes(variant, weights):
    for seed in range(3):
        z, y = batch(seed=seed)
        found = add_loss(z, y, weights=weights, variant=variant)
        assert float(found) == pytest.approx(plain_add(z, y, weights, variant), abs=1e-12)


@pytest.mark.parametrize("variant", ["paper", "released"])
@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.0, 1.0), (0.5, 2.0)])
def test_soft_add_is_what_the_paper_writes(variant, weights):
    for seed in range(3):
        z, y = soft_batch(seed=seed)
        found = add_loss_soft(z, y, weights=weights, variant=variant)
        assert float(found) == pytest.approx(plain_soft(z, y, weights, variant), abs=1e-12)


@pytest.mark.parametrize("variant", ["paper", "released"])
def test_opl_is_the_plain_sum(variant):
    z, y = batch()
    found = orthogonal_projection_loss(z, y, gamma=0.7, variant=variant)
    assert float(found) == pytest.approx(plain_opl(z, y, 0.7, variant), abs=1e-12)


def test_the_terms_are_the_four_properties_of_a_space():
    z, y = batch(n=40, d=6, classes=5)
    found = angular_properties(z.numpy(), y.numpy())
    terms = [float(add_loss(z, y, weights=w)) for w in SINGLE_WEIGHTS]
    np.testing.assert_allclose(terms, [found.mu_p, found.sigma_p, found.mu_n, found.sigma_n], atol=1e-12)


def test_labels_less_than_1e_3_apart_are_of_one_class():
    z = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]], dtype=torch.float64)

    def sigma(angle):  # the third label lies at this angle from the others, which are equal
        y = torch.tensor([[1.0, 0.0], [1.0, 0.0], [math.cos(angle), math.sin(angle)]], dtype=torch.float64)
        return float(add_loss_soft(z, y, weights=(0, 1)))

    near, far = math.acos(1 - 0.9e-3), math.acos(1 - 1.1e-3)
    assert sigma(near) == pytest.approx(deviation([0.16, 0.16, 1.0, 1.0, 0.04, 0.04]), abs=1e-12)
    assert sigma(far) == 0  # one pair is left


def named_losses():
    """Each loss as a function of z (or logits) alone, with the plain loop's answer where there is one."""
    z, y = batch()
    _, soft = soft_batch()
    named = {f"add {variant} {w}": (z, lambda z, v=variant, w=w: add_loss(z, y, weights=w, variant=v))
             for variant in ("paper", "released") for w in [*SINGLE_WEIGHTS, (1, 1, 1, 1)]}  # fmt: skip
    for variant in ("paper", "released"):
        named[f"soft {variant}"] = z, lambda z, v=variant: add_loss_soft(z, soft, variant=v)
        named[f"opl {variant}"] = z, lambda z, v=variant: orthogonal_projection_loss(z, y, variant=v)
    named["soft σ"] = z, lambda z: add_loss_soft(z, soft, weights=(0, 1))
    for gamma in (0, 0.5, 2, 3.3):
        named[f"focal {gamma}"] = z, lambda z, g=gamma: focal_loss(z, y, gamma=g)
    named["cross-entropy"] = z, lambda z: cross_entropy(z, y)
    named["cross-entropy, soft"] = z[:, :4], lambda z: cross_entropy(z, soft)
    return named


@pytest.mark.parametrize("name", named_losses())
def test_gradients_are_those_of_finite_differences(name):
    at, loss = named_losses()[name]
    assert torch.autograd.gradcheck(loss, at.clone().requires_grad_())


@pytest.mark.parametrize("name", [n for n in named_losses() if not n.startswith(("focal", "cross"))])
def test_only_directions_count(name):
    z, loss = named_losses()[name]
    lengths = torch.linspace(1e-3, 1e3, len(z), dtype=torch.float64)[:, None]
    turn = torch.linalg.qr(torch.from_numpy(np.random.default_rng(1).standard_normal((5, 5)))).Q
    before = float(loss(z))
    assert float(loss(z * lengths)) == pytest.approx(before, abs=1e-12)
    assert float(loss(z @ turn)) == pytest.approx(before, abs=1e-12)
    for extreme in (1e-200, 1e200):
        assert float(loss(z * extreme)) == pytest.approx(before, abs=1e-12)


def degenerate():
    one = torch.ones(1, 4)
    mixed = torch.tensor([[1.0, 2, 3, 4], [2.0, 0, 1, 0], [0.0, 0, 0, 5]])
    return {
        "one class": (mixed, torch.zeros(3, dtype=torch.int64)),
        "one pair of one class": (mixed[:2], torch.zeros(2, dtype=torch.int64)),
        "one pair of two classes": (mixed[:2], torch.arange(2)),
        "each its own class": (mixed, torch.arange(3)),
        "identical": (one.expand(4, 4).clone(), torch.tensor([0, 0, 1, 1])),
        "identical, one class": (one.expand(4, 4).clone(), torch.zeros(4, dtype=torch.int64)),
        "orthogonal": (torch.eye(4), torch.tensor([0, 0, 1, 2])),
        "opposite": (torch.cat([torch.eye(2), -torch.eye(2)]), torch.tensor([0, 1, 0, 1])),
        "zeros": (torch.zeros(4, 3), torch.tensor([0, 0, 1, 1])),
        "one zero": (torch.cat([torch.zeros(1, 4), mixed]), torch.tensor([0, 0, 1, 1])),
        "one clip": (one, torch.zeros(1, dtype=torch.int64)),
    }


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("variant", ["paper", "released"])
@pytest.mark.parametrize("name", degenerate())
def test_degenerate_batches_have_a_loss_and_a_gradient(name, variant, dtype):
    z, y = degenerate()[name]
    soft = torch.nn.functional.one_hot(y).to(dtype)
    tolerance = 1e-6 if dtype == torch.float32 else 1e-12
    cases = [
        (lambda z: add_loss(z, y, variant=variant), plain_add(z, y, (1, 1, 1, 1), variant)),
        (lambda z: add_loss_soft(z, soft, variant=variant), plain_soft(z, soft, (1, 1), variant)),
        (lambda z: orthogonal_projection_loss(z, y, variant=variant), plain_opl(z, y, 0.5, variant)),
    ]
    for loss, expected in cases:
        leaf = z.to(dtype).clone().requires_grad_()
        found = loss(leaf)
        found.backward()
        assert float(found.detach()) == pytest.approx(expected, abs=tolerance)
        assert bool(torch.isfinite(leaf.grad).all())
        assert float(leaf.grad[(z == 0).all(1)].abs().sum()) == 0


def test_gradients_of_what_does_not_spread_are_0():
    z = torch.ones(4, 3, dtype=torch.float64, requires_grad=True)
    add_loss(z, torch.tensor([0, 0, 1, 1]), weights=(0, 1, 0, 1)).backward()
    assert float(z.grad.abs().max()) < 1e-12


def test_focal_is_the_plain_sum():
    logits, y = batch(d=4)
    p = torch.softmax(logits, 1)[torch.arange(len(y)), y].tolist()
    for gamma in (0.5, 2.0):
        expected = sum(-((1 - v) ** gamma) * math.log(v) for v in p) / len(p)
        assert float(focal_loss(logits, y, gamma=gamma)) == pytest.approx(expected, abs=1e-12)
    assert float(focal_loss(logits, y, gamma=0)) == float(cross_entropy(logits, y))
    assert float(focal_loss(logits, y)) == float(focal_loss(logits, y, gamma=2))


def test_cross_entropy_is_that_of_torch():
    logits, shares = soft_batch(d=4)
    y = shares.argmax(1)
    reference = torch.nn.functional.cross_entropy
    assert float(cross_entropy(logits, y)) == pytest.approx(float(reference(logits, y)), abs=1e-12)
    assert float(cross_entropy(logits, shares)) == pytest.approx(float(reference(logits, shares)), abs=1e-12)


def test_binary_cross_entropy_is_sigmoids_and_binary_cross_entropy():
    logits, shares = soft_batch(d=4)
    y = shares.argmax(1)
    reference = torch.nn.BCELoss()
    for given_y, rows in ((shares, shares), (y, torch.nn.functional.one_hot(y, 4).double())):
        expected = float(reference(torch.sigmoid(logits), rows))
        assert float(binary_cross_entropy(logits, given_y)) == pytest.approx(expected, abs=1e-12)
    sure = torch.tensor([[1e4, 0.0]], requires_grad=True)
    binary_cross_entropy(sure, torch.tensor([1])).backward()
    assert bool(torch.isfinite(sure.grad).all())


@pytest.mark.parametrize("gamma", [0.0, 0.3, 1.0, 2.0])
def test_gradients_are_finite_where_a_clip_is_surely_right_or_wrong(gamma):
    logits = torch.tensor([[1e4, 0.0], [0.0, 1e4], [200.0, 0.0], [0.0, 0.0]], requires_grad=True)
    focal_loss(logits, torch.zeros(4, dtype=torch.int64), gamma=gamma).backward()
    assert bool(torch.isfinite(logits.grad).all())


def test_many_batches_with_padding_are_each_alone():
    sizes, d, classes = (9, 5, 1, 7), 5, 4
    alone = [soft_batch(n, d, classes, seed=n) if n > 4 else soft_batch(5, d, classes) for n in sizes]
    alone = [(z[:n], y[:n]) for n, (z, y) in zip(sizes, alone, strict=True)]
    Z = torch.full((len(sizes), max(sizes), d), torch.nan, dtype=torch.float64)
    Y = torch.full((len(sizes), max(sizes), classes), torch.nan, dtype=torch.float64)
    mask = torch.zeros(len(sizes), max(sizes), dtype=torch.bool)
    for i, (z, y) in enumerate(alone):
        Z[i, : len(z)], Y[i, : len(z)], mask[i, : len(z)] = z, y, True
    hard = torch.where(mask, Y.nan_to_num().argmax(-1), 0)
    weights = torch.rand(len(sizes), 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    gradients = Z.clone().requires_grad_()
    for variant in ("paper", "released"):
        hard_losses = add_loss(gradients, hard, weights=weights, variant=variant, mask=mask)
        together = {
            "add": hard_losses,
            "soft": add_loss_soft(Z, Y, weights=weights[:, :2], variant=variant, mask=mask),
            "opl": orthogonal_projection_loss(Z, hard, variant=variant, mask=mask),
            "focal": focal_loss(Z, hard, mask=mask),
            "ce": cross_entropy(Z[..., :classes], Y, mask=mask),
            "binary": binary_cross_entropy(Z[..., :classes], Y, mask=mask),
        }
        for i, (z, y) in enumerate(alone):
            own, w = y.argmax(1), weights[i].tolist()
            for name, expected in {
                "add": add_loss(z, own, weights=w, variant=variant),
                "soft": add_loss_soft(z, y, weights=w[:2], variant=variant),
                "opl": orthogonal_projection_loss(z, own, variant=variant),
                "focal": focal_loss(z, own),
                "ce": cross_entropy(z[:, :classes], y),
                "binary": binary_cross_entropy(z[:, :classes], y),
            }.items():
                assert together[name].shape == (len(sizes),)
                assert float(together[name][i].detach()) == pytest.approx(float(expected), abs=1e-12)
    hard_losses.sum().backward()
    assert bool(torch.isfinite(gradients.grad).all())
    assert float(gradients.grad[~mask].abs().sum()) == 0


@pytest.mark.parametrize(
    ("loss", "soft", "change", "message"),
    [
        (add_loss, True, {}, "for soft labels use add_loss_soft"),
        (orthogonal_projection_loss, True, {}, "for soft labels use add_loss_soft"),
        (focal_loss, True, {}, "for soft labels use cross_entropy"),
        (add_loss_soft, False, {}, "for hard labels use add_loss"),
        (add_loss, False, {"y": torch.arange(8)}, r"y has shape \(8,\)"),
        (add_loss, False, {"weights": (1, 1, 1)}, r"weights have shape \(3,\); there must be 4"),
        (add_loss, False, {"variant": "mine"}, "variant is 'mine'; it must be 'paper' or 'released'"),
        (focal_loss, False, {"gamma": -1}, "gamma is -1; it must be at least 0"),
        (cross_entropy, False, {"y": torch.ones(9).double()}, "or a row of shares"),
        (binary_cross_entropy, False, {"y": torch.ones(9).double()}, "or a row of shares"),
    ],
)
def test_labels_and_options_that_do_not_fit_are_refused(loss, soft, change, message):
    z, y = soft_batch() if soft else batch()
    with pytest.raises(ValueError, match=message):
        loss(z, **({"y": y} | change))
