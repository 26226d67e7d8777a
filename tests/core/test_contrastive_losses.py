import numpy as np
import pytest
import torch

from core.curation import released_targets
from core.losses import clip_loss, kl_clip_loss, soft_clip_loss


def pairs(n=5, d=4, seed=0):
    random = np.random.default_rng(seed)
    both = random.standard_normal((2, n, d))
    return both / np.linalg.norm(both, axis=2, keepdims=True)


def by_hand(audio, text, targets, scale, clamp):
    """Both cross-entropies, value by value."""
    n = len(audio)
    C = [
        [float(np.clip(scale * sum(a * t for a, t in zip(x, y, strict=True)), -clamp, clamp)) for y in text]
        for x in audio
    ]
    total = 0.0
    for i in range(n):
        row = sum(np.exp(C[i][j]) for j in range(n))
        column = sum(np.exp(C[j][i]) for j in range(n))
        for j in range(n):
            total -= targets[i][j] / sum(targets[i]) * np.log(np.exp(C[i][j]) / row)
            total -= targets[j][i] / sum(targets[k][i] for k in range(n)) * np.log(np.exp(C[j][i]) / column)
    return total / (2 * n)


@pytest.mark.parametrize(("scale", "clamp"), [(1.0, 100.0), (14.3, 100.0), (20.0, 7.0)])
def test_losses_are_what_a_loop_gives(scale, clamp):
    audio, text = pairs()
    a, t = torch.from_numpy(audio), torch.from_numpy(text)
    expected = by_hand(audio, text, np.eye(5), scale, clamp)
    assert float(clip_loss(a, t, scale=scale, clamp=clamp)) == pytest.approx(expected, abs=1e-9)
    targets = np.random.default_rng(1).random((5, 5)) * (np.random.default_rng(2).random((5, 5)) < 0.6)
    targets += np.eye(5)
    soft = soft_clip_loss(a, t, torch.from_numpy(targets), scale=scale, clamp=clamp)
    assert float(soft) == pytest.approx(by_hand(audio, text, targets, scale, clamp), abs=1e-9)
    identity = soft_clip_loss(a, t, 3 * torch.eye(5), scale=scale, clamp=clamp)
    assert float(identity) == pytest.approx(expected, abs=1e-9)


def released_by_hand(audio, text, teacher_audio, teacher_text, beta, scale):
    """The released loss from its formula, value by value: log p_ij of rows, then of columns."""
    n, total = len(audio), 0.0
    C = [[min(scale * float(np.dot(x, y)), 100.0) for y in text] for x in audio]
    for teacher, logits in (
        (teacher_audio, C),
        (teacher_text, [list(column) for column in zip(*C, strict=True)]),
    ):
        for i in range(n):
            whole = sum(np.exp(value) for value in logits[i])
            for j in range(n):
                target = (1 - beta) * (i == j) + beta * float(np.dot(teacher[i], teacher[j]))
                if target > 0:
                    total += target * (np.log(target) - np.log(np.exp(logits[i][j]) / whole))
    return total / (2 * n)


@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0])
def test_the_released_soft_loss_is_what_a_loop_gives(beta):
    audio, text = pairs()
    teacher_audio, teacher_text = pairs(seed=1)
    assert (teacher_audio @ teacher_audio.T).min() < 0
    targets = released_targets(7 * teacher_audio, teacher_text, beta=beta)
    a, t, *soft = map(torch.from_numpy, (audio, text, *targets))
    found = float(kl_clip_loss(a, t, *soft, scale=14.3))
    assert found == pytest.approx(released_by_hand(audio, text, teacher_audio, teacher_text, beta, 14.3))
    if beta == 0:
        assert found == pytest.approx(float(clip_loss(a, t, scale=14.3)), abs=1e-9)
    # torch's own divergence, which has no value for targets below 0.
    both = (
        torch.nn.functional.kl_div(values.log_softmax(1), target.clamp_min(0), reduction="batchmean")
        for values, target in ((14.3 * a @ t.T, soft[0]), (14.3 * t @ a.T, soft[1]))
    )
    assert found == pytest.approx(float(sum(both)) / 2, abs=1e-9)


def test_released_targets_that_do_not_fit():
    with pytest.raises(ValueError, match=r"targets have shape \(2, 3\)"):
        kl_clip_loss(torch.eye(2), torch.eye(2), torch.ones(2, 3), torch.eye(2), scale=1.0)
    with pytest.raises(ValueError, match="all of them finite"):
        kl_clip_loss(torch.eye(2), torch.eye(2), torch.eye(2), torch.eye(2) / 0, scale=1.0)


def test_gradients():
    audio, text = (torch.from_numpy(x).requires_grad_() for x in pairs())
    scale = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    targets = torch.from_numpy(np.random.default_rng(3).random((5, 5)))
    assert torch.autograd.gradcheck(lambda a, t, s: clip_loss(a, t, scale=s), (audio, text, scale))
    assert torch.autograd.gradcheck(
        lambda a, t, s: soft_clip_loss(a, t, targets, scale=s), (audio, text, scale)
    )
    signed = targets - 0.4
    assert torch.autograd.gradcheck(
        lambda a, t, s: kl_clip_loss(a, t, signed, targets, scale=s), (audio, text, scale)
    )


def test_beyond_the_limit_nothing_pulls():
    x = torch.eye(3, dtype=torch.float64)
    scale = torch.tensor(250.0, dtype=torch.float64, requires_grad=True)
    loss = clip_loss(x, x, scale=scale)  # C is 250 on the diagonal, cut off at 100
    loss.backward()
    assert float(scale.grad) == 0
    free = torch.tensor(250.0, dtype=torch.float64, requires_grad=True)
    clip_loss(x, -x, scale=free, clamp=1000.0).backward()
    assert float(free.grad) > 0.5


def test_extremes():
    same = torch.ones(4, 2) / 2**0.5
    assert float(clip_loss(same, same, scale=50.0)) == pytest.approx(np.log(4), abs=1e-5)
    assert float(clip_loss(torch.eye(4), torch.eye(4), scale=100.0)) == pytest.approx(0, abs=1e-6)
    assert np.isnan(float(clip_loss(torch.full((2, 2), float("nan")), torch.eye(2), scale=1.0)))


@pytest.mark.parametrize(
    ("audio", "text", "says"),
    [
        (torch.ones(1, 2), torch.ones(1, 2), "two pairs or more"),
        (torch.ones(3, 2), torch.ones(2, 2), r"\(3, 2\)"),
        (torch.ones(3), torch.ones(3), r"\(3,\)"),
    ],
)
def test_pairs_that_do_not_fit(audio, text, says):
    with pytest.raises(ValueError, match=says):
        clip_loss(audio, text, scale=1.0)


@pytest.mark.parametrize(
    ("targets", "says"),
    [
        (torch.ones(2, 3), r"\(2, 2\)"),
        (torch.tensor([[1.0, -1], [0, 1]]), "negative"),
        (torch.tensor([[1.0, float("nan")], [0, 1]]), "not finite"),
        (torch.tensor([[1.0, 1], [0, 0]]), "sound 1 are all 0"),
        (torch.tensor([[1.0, 0], [1, 0]]), "text 1 are all 0"),
    ],
)
def test_targets_that_do_not_fit(targets, says):
    with pytest.raises(ValueError, match=says):
        soft_clip_loss(torch.eye(2), torch.eye(2), targets, scale=1.0)


def test_a_limit_has_to_be_above_0():
    with pytest.raises(ValueError, match="clamp is 0"):
        clip_loss(torch.eye(2), torch.eye(2), scale=1.0, clamp=0)
