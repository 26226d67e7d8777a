from __future__ import annotations

from pathlib import Path

import pytest

from jobs.engine.inprocess import run
from tests.jobs import kills
from tests.jobs.tones import write_tones


@pytest.mark.slow
def test_after_random_kills_everything_is_done_and_equal(tmp_path: Path) -> None:
    sounds = write_tones(tmp_path / "sounds", n_clips=64, seconds=0.3)
    calm, hunted = (kills.workspace_of(tmp_path / name, sounds) for name in ("calm", "hunted"))
    specs = kills.asked(calm, ["random-cnn"])
    for spec in specs:
        assert run(calm, spec).state == "done"
    killed = kills.campaign(hunted, specs, kills=4, seed=1)
    assert (killed.total(), set(killed)) == (4, {"child", "worker", "both"})
    assert {job.state for job in hunted.queue.jobs()} == {"done"}
    assert kills.contents(hunted, specs) == kills.contents(calm, specs)
    assert hunted.cache.verify() == []
