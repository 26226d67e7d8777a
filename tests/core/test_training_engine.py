"""The engine of all trainings, with groups that count: what is saved when, what is told, and what ends it."""

from contextlib import suppress

import numpy as np
import pytest
import torch

from core.training import engine
from core.training.engine import Plan, Session, share_done, train
from core.training.results import TrainingResult, fingerprint
from tests.core.memory import Memory

EPOCHS = 4
WHAT = fingerprint("counting")


class Counting:
    """Models whose weight is the epoch; `ends` says after which each ends, if not the last."""

    def __init__(self, models, ends=(), then=None, error=None):
        self.models, self.epoch, self._ends, self._then, self._error = (
            list(models),
            0,
            dict(ends),
            then,
            error,
        )
        self.curves = np.full((len(models), 1, EPOCHS), np.nan, dtype=np.float32)

    @property
    def successors(self):
        alone = [Plan(f"alone-{i}", (i,), lambda i=i: self._after(i)) for i in self.models]
        return alone if self._then is not None and self.epoch >= self._then else []

    def _after(self, model):
        group = Counting([model])
        group.epoch, group.curves = self.epoch, self.curves[[self.models.index(model)]].copy()
        return group

    def train_epoch(self, tick):
        tick(0.5)
        if self._error == self.epoch:
            raise OSError("no space left")
        self.curves[:, 0, self.epoch] = self.epoch
        self.epoch += 1
        ended = [i for i in self.models if self._ends.get(i, EPOCHS) == self.epoch]
        results = {
            i: TrainingResult({"w": np.array(self.epoch)}, self.curves[p].copy(), self.epoch, self.epoch)
            for p, i in enumerate(self.models)
            if i in ended
        }
        self.curves = self.curves[[i not in ended for i in self.models]]
        self.models = [i for i in self.models if i not in ended]
        return results

    def state(self):
        return {"epoch": np.array(self.epoch), "curves": self.curves, "models": np.array(self.models)}

    def resume(self, state):
        self.models, self.epoch = state["models"].tolist(), int(state["epoch"])
        self.curves = state["curves"].copy()


def plans(n=40, size=4, **settings):
    groups = [tuple(range(start, start + size)) for start in range(0, n, size)]
    return [Plan(f"group-{m[0]}", m, lambda m=m: Counting(m, **settings)) for m in groups]


def run(groups, n=40, what=WHAT, **session):
    return train(groups, [np.arange(EPOCHS + 1)] * n, what, Session("cpu", **session))


@pytest.fixture(autouse=True)
def _always_due(monkeypatch):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    for name, value in (("_SECONDS", 0.0), ("_SAVING", 1.0), ("_TELL", 0.0)):
        monkeypatch.setattr(engine, name, value)
    yield
    torch.set_num_threads(before)


def test_a_group_that_has_ended_is_not_written_again():
    memory, told, seen = Memory(), [], []
    results = run(plans(), checkpoint=memory, progress=lambda *now: told.append(now), watch=seen.append)
    assert [int(r.weights["w"]) for r in results] == [EPOCHS] * 40
    assert {name: memory.saves.count(name) for name in memory.pieces} == {p.name: EPOCHS for p in plans()}
    assert max(sum(a.nbytes for a in piece.values()) for piece in memory.pieces.values()) < 2000
    assert (told[0], told[-1]) == ((0, 160), (160, 160))
    assert told == sorted(told)
    np.testing.assert_array_equal(seen[-1], np.tile(np.arange(4.0), (40, 1, 1)))
    # All is there: nothing is begun again.
    again = run([Plan(p.name, p.models, None) for p in plans()], checkpoint=memory)
    assert [r.curves.tolist() for r in again] == [r.curves.tolist() for r in results]
    assert len(memory.saves) == 40


@pytest.mark.parametrize("end_at", [1, 5, 9, 13, 20])
@pytest.mark.parametrize("settings", [{}, {"ends": {1: 2, 2: 3}}, {"then": 2}, {"then": 2, "ends": {0: 2}}])
def test_an_interruption_changes_nothing(settings, end_at):
    expected = run(plans(8, **settings), 8)
    memory, killed = Memory(), Memory(end_at)
    with suppress(KeyboardInterrupt):  # some have ended before
        run(plans(8, **settings), 8, checkpoint=killed)
    memory.pieces = killed.pieces
    share, told = share_done(memory.pieces), []
    results = run(plans(8, **settings), 8, checkpoint=memory, progress=lambda *now: told.append(now))
    assert told[0] == (round(32 * share), 32)
    assert told[-1] == (32, 32)
    assert told == sorted(told)
    for found, wanted in zip(results, expected, strict=True):
        assert (found.weights, found.epochs) == (wanted.weights, wanted.epochs)
        np.testing.assert_array_equal(found.curves, wanted.curves)
    assert share_done(memory.pieces) == 1
    begun = []
    run(plans(8), 8, fingerprint("another"), checkpoint=memory, progress=lambda *now: begun.append(now))
    assert begun[0] == (0, 32)


def test_what_a_group_raises_ends_the_training():
    bad = Plan("bad", (40,), lambda: Counting([40], error=1))
    memory = Memory()
    with pytest.raises(OSError, match="no space left"):
        run([*plans(), bad], 41, checkpoint=memory)
    assert int(memory.pieces["bad"]["state/epoch"]) == 1
