"""What a dataset keeps when its sounds change: embeddings of the sounds that stay, computed or imported."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

import jobs.sound.files
from jobs.datasets.importer import import_dataset
from jobs.encoders.imported import meanings
from jobs.engine.inprocess import run
from jobs.importing.embeddings import import_embeddings
from jobs.specs import EmbedAudio
from jobs.tasks import reuse
from jobs.workspace.attached import left_behind, orphans
from jobs.workspace.workspace import Dataset, Workspace
from tests.jobs.test_cli import call
from tests.jobs.tones import RATE, write_tones

#: One with frames, which share batches on a GPU, and one without.
ENCODERS = ("random-cnn", "melstats")


def add(workspace: Workspace, root: Path, name: str = "tones") -> Dataset:
    workspace.cache.durable = False
    return workspace.add_dataset(
        name, import_dataset("folder", root, options={}), adapter="folder", root=root
    )


def another(root: Path, name: str = "new.wav", seed: int = 1) -> None:
    """Add a sound that comes first in the dataset, so that all others move within batches and shards."""
    x = 0.1 * np.random.default_rng(seed).standard_normal(3 * RATE)
    (root / "a noise").mkdir(exist_ok=True)
    sf.write(root / "a noise" / name, x.astype(np.float32), RATE)


def embed(workspace: Workspace, encoder: str, name: str = "tones") -> Any:
    spec = EmbedAudio(dataset=workspace.dataset(name).ref, encoder=encoder)
    job = run(workspace, spec)
    assert job.state == "done", job.error
    return workspace.cache.open(spec.key)


def files(artifact: Any) -> dict[str, bytes]:
    return {name: (artifact.path / name).read_bytes() for name in artifact.names()}


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are decoded."""
    names: list[str] = []
    real = jobs.sound.files.decode

    def counted(path: Path, *args: Any, **kwargs: Any) -> Any:
        names.append(Path(path).name)
        return real(path, *args, **kwargs)

    monkeypatch.setattr(jobs.sound.files, "decode", counted)
    return names


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_tones(tmp_path / "sounds", n_clips=40, n_classes=4, seconds=0.3)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_one_file_more_computes_one_clip_and_gives_the_bytes_of_a_fresh_computation(
    encoder: str, root: Path, tmp_path: Path, decoded: list[str]
) -> None:
    workspace = Workspace.open(tmp_path / "a")
    add(workspace, root)
    embed(workspace, encoder)
    another(root)
    add(workspace, root)
    decoded.clear()
    again = embed(workspace, encoder)
    assert decoded == ["new.wav"]
    fresh = Workspace.open(tmp_path / "b")
    add(fresh, root)
    assert files(again) == files(embed(fresh, encoder))
    assert again.array("embeddings").shape[0] == 41


def test_fewer_files_and_equal_sounds_under_another_name_compute_nothing(
    root: Path, tmp_path: Path, decoded: list[str]
) -> None:
    workspace = Workspace.open(tmp_path / "a")
    add(workspace, root)
    first = embed(workspace, "random-cnn")
    shutil.copytree(root / "tone 1", tmp_path / "other" / "renamed")
    decoded.clear()
    other = add(workspace, tmp_path / "other", "other")
    found = embed(workspace, "random-cnn", "other")
    assert decoded == []
    ids = first.table("clips")["clip_id"].to_pylist()
    rows = [ids.index(f"tone-1__{Path(p).stem}") for p in other.clips["path"]]
    np.testing.assert_array_equal(found.array("embeddings"), first.array("embeddings")[rows])
    assert found.array("offsets")[-1] == len(found.array("frames"))


@pytest.mark.parametrize("what", ["changed", "damaged", "another device", "other libraries", "dependent"])
def test_nothing_is_taken_where_the_bytes_could_differ(
    what: str, root: Path, tmp_path: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace.open(tmp_path / "a")
    add(workspace, root)
    first = embed(workspace, "melstats")
    another(root)
    if what == "changed":
        another(root / "tone 0" / "..", "../tone 0/0000.wav", seed=2)
    elif what == "damaged":
        file = first.path / "embeddings.npy"
        data = bytearray(file.read_bytes())
        data[-1] ^= 255
        file.chmod(0o644)
        file.write_bytes(data)
    elif what == "another device":
        monkeypatch.setattr("jobs.encoders.default_device", lambda: "cuda")
    elif what == "other libraries":
        monkeypatch.setattr(reuse, "library_versions", lambda: {"numpy": "0.1"})
    else:
        monkeypatch.delattr("jobs.encoders.melstats.INDEPENDENT")
    add(workspace, root)
    decoded.clear()
    embed(workspace, "melstats")
    assert sorted(decoded) == ["0000.wav", "new.wav"] if what == "changed" else len(decoded) == 41


def test_spaces_from_before_are_named_until_they_are_there_again(root: Path, tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path / "a")
    assert left_behind(workspace, add(workspace, root)) == []
    for encoder in ENCODERS:
        embed(workspace, encoder)
    another(root)
    assert left_behind(workspace, add(workspace, root)) == ["melstats", "random-cnn"]
    another(root, "newer.wav", seed=3)
    assert left_behind(workspace, add(workspace, root)) == ["melstats", "random-cnn"]
    embed(workspace, "melstats")
    assert left_behind(workspace, workspace.dataset("tones")) == ["random-cnn"]


@pytest.mark.parametrize(("n_new", "encoder"), [(0, "random-cnn"), (1, "random-cnn"), (1, "melstats")])
def test_results_that_are_removed_while_a_job_runs_are_computed_again(
    n_new: int,
    encoder: str,
    root: Path,
    tmp_path: Path,
    decoded: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workspace = Workspace.open(tmp_path / "a")
    add(workspace, root)
    first = embed(workspace, encoder)
    shutil.rmtree(root / "tone 3")  # else the result would be of the same sounds
    if n_new:
        another(root)
    add(workspace, root)
    real = reuse.earlier

    def and_evicted(*args: Any) -> Any:
        found = real(*args)
        assert len(found) == 30
        workspace.cache.delete(first.key)
        return found

    monkeypatch.setattr(reuse, "earlier", and_evicted)
    decoded.clear()
    again = embed(workspace, encoder)
    assert len(decoded) == 30 + n_new
    monkeypatch.setattr(reuse, "earlier", real)
    fresh = Workspace.open(tmp_path / "b")
    add(fresh, root)
    assert files(again) == files(embed(fresh, encoder))


def test_a_result_that_is_removed_while_results_are_looked_through_is_passed_over(
    root: Path, tmp_path: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace.open(tmp_path / "a")
    add(workspace, root)
    first = embed(workspace, "melstats")
    another(root)
    add(workspace, root)
    real = reuse._versions

    def and_evicted(*args: Any) -> dict[str, str]:
        workspace.cache.delete(first.key)
        return real(*args)

    monkeypatch.setattr(reuse, "_versions", and_evicted)
    decoded.clear()
    embed(workspace, "melstats")
    assert len(decoded) == 41


def test_only_results_that_hold_a_wanted_sound_are_read_wholly(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace.open(tmp_path / "a")
    add(workspace, root)
    first = embed(workspace, "melstats")
    (tmp_path / "noise").mkdir()
    another(tmp_path / "noise")
    add(workspace, tmp_path / "noise", "noise")
    embed(workspace, "melstats", "noise")
    read: list[str] = []
    real = workspace.cache.verify
    monkeypatch.setattr(type(workspace.cache), "verify", lambda self, keys: read.extend(keys) or real(keys))
    another(root, "new.wav", seed=2)
    add(workspace, root)
    embed(workspace, "melstats")
    assert read == [first.key]


# -- imported --


def imported(workspace: Workspace, dataset: Dataset, folder: Path, *, frames: bool = False) -> np.ndarray:
    ids = [str(c) for c in dataset.clips["clip_id"]]
    X = np.random.default_rng(0).standard_normal((len(ids), 4)).astype(np.float32)
    arrays = {"frames": X, "offsets": np.arange(len(ids) + 1)} if frames else {}
    np.savez(folder / "x.npz", ids=ids, embeddings=X, **arrays)
    import_embeddings(workspace, dataset, "mine", folder / "x.npz")
    return X


@pytest.mark.parametrize("frames", [False, True])
def test_imported_embeddings_stay_attached_to_the_sounds_that_stay(
    frames: bool, root: Path, tmp_path: Path
) -> None:
    workspace = Workspace.open(tmp_path / "a")
    before = add(workspace, root)
    X = imported(workspace, before, tmp_path, frames=frames)
    rows = {str(id): x for id, x in zip(before.clips["clip_id"], X, strict=True)}
    another(root)
    (root / "tone 0" / "0004.wav").rename(root / "a noise" / "moved.wav")
    after = add(workspace, root)
    (space,) = workspace.spaces(after)
    assert (space.encoder, space.state) == ("imported:mine", "done")
    artifact = workspace.cache.open(space.spec.key)
    rows["a-noise__moved"] = rows["tone-0__0004"]
    ids = artifact.table("clips")["clip_id"].to_pylist()
    np.testing.assert_array_equal(artifact.array("embeddings"), np.stack([rows[id] for id in ids]))
    lost = artifact.table("excluded").to_pydict()
    assert lost["clip_id"] == ["a-noise__new"]
    assert "after the embeddings had been imported" in lost["reason"][0]
    assert ("frames.npy" in artifact) == frames
    assert orphans(workspace) == []
    assert left_behind(workspace, after) == []


def test_what_is_kept_is_not_taken_from_another_dataset_with_the_same_sounds(
    root: Path, tmp_path: Path
) -> None:
    workspace = Workspace.open(tmp_path / "a")
    imported(workspace, add(workspace, root), tmp_path)
    twin = add(workspace, root, "twin")
    another(root)
    add(workspace, root)
    for name in ("tones", "twin"):
        assert [s.encoder for s in workspace.spaces(workspace.dataset(name))] == ["imported:mine"]
    assert workspace.dataset("twin").fingerprint == twin.fingerprint


def test_a_damaged_dataset_keeps_what_was_imported_for_it(root: Path, tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path / "a")
    imported(workspace, add(workspace, root), tmp_path)
    twin = add(workspace, root, "twin")
    file = workspace.root / "datasets" / "twin" / "dataset.json"
    before = file.read_bytes()
    file.write_bytes(b"[]")
    another(root)
    add(workspace, root)
    assert orphans(workspace) == []
    file.write_bytes(before)
    assert list(meanings(workspace.root, twin.fingerprint)) == ["imported:mine"]
    assert [s.encoder for s in workspace.spaces(workspace.dataset("twin"))] == ["imported:mine"]


def test_orphans_are_named_and_can_be_removed(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEARSPACE_HOME", str(tmp_path / "a"))
    workspace = Workspace.open(tmp_path / "a")
    imported(workspace, add(workspace, root), tmp_path)
    embed(workspace, "melstats")
    status, out, _ = call(capsys, "datasets")
    assert (status, "orphaned" in out, "have changed" in out) == (0, False, False)
    (root / "tone 0" / "0000.wav").unlink()  # its imported embedding belongs to no clip now
    after = add(workspace, root)
    (orphan,) = orphans(workspace)
    assert (orphan.dataset, orphan.encoder, orphan.n_clips) == ("tones", "imported:mine", 40)
    out = call(capsys, "datasets")[1]
    assert "`hearspace embed tones melstats` computes what is new and keeps the rest." in out
    command = "import-embeddings tones mine --remove --orphaned"
    assert f"`hearspace {command}`" in out
    assert call(capsys, *command.split())[0] == 0
    assert orphans(workspace) == []
    assert [s.encoder for s in workspace.spaces(after)] == ["imported:mine"]
    status, _, err = call(capsys, *command.split())
    assert (status, "No imported:mine of tones is orphaned" in err) == (2, True)
    # Of a dataset that is gone, `--remove` alone is enough.
    workspace.remove_dataset("tones")
    assert [o.encoder for o in orphans(workspace)] == ["imported:mine"]
    status, out, _ = call(capsys, "import-embeddings", "tones", "mine", "--remove", "--json")
    assert (status, json.loads(out)) == (0, {"removed": 1})
    assert orphans(workspace) == []
