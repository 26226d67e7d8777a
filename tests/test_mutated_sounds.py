"""Hundreds of damaged sounds through import, embedding, uploads and previews: nothing ends, none is lost."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from dashboard import media
from jobs import encoders
from jobs.datasets.importer import import_dataset
from jobs.engine import inprocess
from jobs.sound import files as audio
from jobs.specs import EmbedAudio
from jobs.workspace import uploads
from jobs.workspace.workspace import Workspace
from tests.dashboard.helpers import showing
from tests.jobs.mutated_audio import write_mutated

N = 1000


class Levels:
    """A fake encoder: level and length, which takes no time."""

    NAME, VERSION, TAKES_ARGUMENT, MODALITIES = "levels", 1, False, frozenset({"audio"})
    DESCRIPTION = REFERENCE = "A fake."
    sample_rate, dimensions, frame_level, min_samples = 8_000, 2, False, 1

    def available(self) -> None:
        return None

    def load(self, argument: str | None, *, modality: str, device: str) -> Levels:
        return self

    def embed(self, waveforms: list[np.ndarray]) -> list[np.ndarray]:
        return [np.array([[np.abs(x).mean(dtype=np.float64), len(x)]], np.float32) for x in waveforms]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Any:
    root = tmp_path_factory.mktemp("mutated")
    folder = root / "sounds" / "class"
    folder.mkdir(parents=True)
    names = write_mutated(folder, N)
    workspace = Workspace(root / "workspace")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(encoders.REGISTRY.builtin, "levels", Levels())
        imported = import_dataset("folder", root / "sounds")
        dataset = workspace.add_dataset("mutated", imported, adapter="folder", root=root / "sounds")
        spec = EmbedAudio(dataset=dataset.ref, encoder="levels")
        job = inprocess.run(workspace, spec)
        yield SimpleNamespace(
            workspace=workspace, dataset=dataset, names=names, folder=folder, job=job, spec=spec
        )


def test_every_file_is_imported_or_named_with_its_reason(world: Any) -> None:
    report: pd.DataFrame = world.dataset.report
    left_out = report[report["status"] == "left out"]
    kept = {Path(p).name for p in world.dataset.clips["path"]}
    assert kept | {Path(p).name for p in left_out["path"]} == set(world.names)
    assert not kept & {Path(p).name for p in left_out["path"]}
    assert left_out["reason"].str.len().min() > 5
    assert N / 3 < len(kept) < N


def test_lengths_are_those_that_decode(world: Any) -> None:
    for path, seconds in zip(world.dataset.clips["path"], world.dataset.clips["duration"], strict=True):
        x, rate = audio.decode(world.folder.parent / path)
        assert len(x) / rate == seconds
        assert np.isfinite(x).all()


def test_every_clip_is_embedded_or_named_with_its_reason(world: Any) -> None:
    assert world.job.state == "done"
    artifact = world.workspace.cache.open(world.spec.key)
    done = artifact.table("clips")["clip_id"].to_pylist()
    lost = artifact.table("excluded").to_pydict()
    assert sorted(done + lost["clip_id"]) == sorted(world.dataset.clips["clip_id"])
    assert not lost["clip_id"]  # what decodes at import decodes later


def test_every_upload_is_taken_or_refused_in_a_sentence(world: Any, tmp_path: Path) -> None:
    refused: dict[str, str] = {}
    for name in world.names:
        try:
            uploads.save(tmp_path, name, (world.folder / name).read_bytes())
        except uploads.UploadError as error:
            refused[name] = str(error)
    assert N / 3 < len(refused) < 2 * N / 3
    assert all(message.startswith(f"{name} ") and "\n" not in message for name, message in refused.items())
    assert len(list((tmp_path / "uploads").iterdir())) <= N - len(refused)  # nothing is left of the others


def test_every_preview_is_a_picture_and_a_sound(world: Any) -> None:
    app = Starlette(routes=media.routes())
    with showing(world.workspace.root), TestClient(app) as client:
        for i, clip in enumerate(world.dataset.clips["clip_id"]):
            assert client.get(f"/spectrogram/mutated/{clip}").status_code == 200
            if i % 3 == 0:  # the same decoding again
                assert client.get(f"/audio/mutated/{clip}?as=wav").status_code == 200
