"""Precomputed embeddings become a space like any other, and what does not fit is said in a sentence."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from jobs import encoders
from jobs.cli import main
from jobs.datasets.importer import Imported, import_dataset
from jobs.encoders import Card, UnknownEncoder, imported
from jobs.engine.inprocess import run
from jobs.importing import files as embedding_files
from jobs.importing import parts as embedding_parts
from jobs.importing import tables as embedding_tables
from jobs.importing.embeddings import Report, import_embeddings, remove
from jobs.importing.parts import EmbeddingsError
from jobs.specs import EmbedAudio, Neighbors, Project, from_json
from jobs.workspace.workspace import Dataset, Workspace
from tests.jobs.tones import write_tones

D = 5


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Imported]:
    root = write_tones(tmp_path_factory.mktemp("sounds"), seconds=0.05)
    return root, import_dataset("folder", root, options={})


def _workspace(root: Path, sounds: tuple[Path, Imported]) -> Workspace:
    found = Workspace.open(root)
    found.cache.durable = False  # a test outlives no power cut
    found.add_dataset("tones", sounds[1], adapter="folder", root=sounds[0])
    return found


@pytest.fixture
def workspace(tmp_path: Path, sounds: tuple[Path, Imported]) -> Workspace:
    """A workspace with 24 clips in 4 classes."""
    return _workspace(tmp_path / "workspace", sounds)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, sounds: tuple[Path, Imported]) -> Workspace:
    """One for tests that do not mind what else was imported."""
    return _workspace(tmp_path_factory.mktemp("shared"), sounds)


@pytest.fixture
def tones(workspace: Workspace) -> Dataset:
    return workspace.dataset("tones")


@pytest.fixture
def X() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((24, D)).astype(np.float32)


def ids_of(dataset: Dataset) -> list[str]:
    return [str(c) for c in dataset.clips["clip_id"]]


def vectors(workspace: Workspace, spec: EmbedAudio) -> tuple[list[str], np.ndarray]:
    artifact = workspace.cache.open(spec.key)
    return artifact.table("clips")["clip_id"].to_pylist(), np.asarray(artifact.array("embeddings"))


# -- kinds of files: each writes what it is given and returns the path --


def _npz(path: Path, ids: list[str], X: np.ndarray) -> Path:
    np.savez(path / "x.npz", clip_ids=np.array(ids), embeddings=X)
    return path / "x.npz"


def _npz_packed(path: Path, ids: list[str], X: np.ndarray) -> Path:
    np.savez_compressed(path / "x.npz", ids=np.array([i.encode() for i in ids]), vectors=X.astype(np.float64))
    return path / "x.npz"


def _npz_fortran(path: Path, ids: list[str], X: np.ndarray) -> Path:
    np.savez(path / "x.npz", ids=np.array(ids), embeddings=np.asfortranarray(X))
    return path / "x.npz"


def _csv(path: Path, ids: list[str], X: np.ndarray) -> Path:
    frame = pd.DataFrame(X, columns=[f"e{i}" for i in range(X.shape[1])])
    frame.insert(0, "clip_id", ids)
    frame.insert(1, "label", "dog")
    frame["fold"] = 1
    frame.to_csv(path / "x.csv", index=False)
    return path / "x.csv"


def _csv_index(path: Path, ids: list[str], X: np.ndarray) -> Path:
    pd.DataFrame(X, index=ids).to_csv(path / "x.csv")
    return path / "x.csv"


def _csv_headless(path: Path, ids: list[str], X: np.ndarray) -> Path:
    pd.DataFrame(X, index=ids).to_csv(path / "x.csv", header=False, sep=";")
    return path / "x.csv"


def _tsv(path: Path, ids: list[str], X: np.ndarray) -> Path:
    frame = pd.DataFrame(X, columns=list("abcde"))
    frame.assign(filename=ids).to_csv(path / "x.tsv", index=False, sep="\t")
    return path / "x.tsv"


def _parquet(path: Path, ids: list[str], X: np.ndarray) -> Path:
    frame = pd.DataFrame(X, columns=[f"dim_{i + 1}" for i in range(X.shape[1])]).assign(path=ids)
    frame.to_parquet(path / "x.parquet")
    return path / "x.parquet"


def _parquet_lists(path: Path, ids: list[str], X: np.ndarray) -> Path:
    table = pa.table(
        {"id": ids, "embedding": pa.array(X.tolist(), pa.list_(pa.float32())), "year": [1] * len(ids)}
    )
    pq.write_table(table, path / "x.parquet")
    return path / "x.parquet"


def _parquet_fixed(path: Path, ids: list[str], X: np.ndarray) -> Path:
    column = pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), X.shape[1])
    pq.write_table(pa.table({"id": ids, "v": column}), path / "x.parquet")
    return path / "x.parquet"


def _json(path: Path, ids: list[str], X: np.ndarray) -> Path:
    folder = path / "json" / "deep"
    folder.mkdir(parents=True)
    for i, (id, x) in enumerate(zip(ids, X.tolist(), strict=True)):
        # As scripts write them: some clips as a list, some as a list of one frame.
        values = x if i % 2 else [x]
        (folder / f"{i}.json").write_text(
            json.dumps({"audio_path": id, "embeddings": values, "rate": 16_000})
        )
    return path / "json"


KINDS: dict[str, Callable[[Path, list[str], np.ndarray], Path]] = {
    f.__name__.strip("_"): f
    for f in (
        _npz, _npz_packed, _npz_fortran, _csv, _csv_index, _csv_headless, _tsv, _parquet, _parquet_lists,
        _parquet_fixed, _json,
    )
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_the_rows_in_the_order_of_the_clips(
    kind: str, shared: Workspace, X: np.ndarray, tmp_path: Path, monkeypatch
) -> None:
    workspace, tones = shared, shared.dataset("tones")
    monkeypatch.setattr(embedding_parts, "BLOCK", 64)  # so that there are many blocks
    monkeypatch.setattr(embedding_tables, "_ROWS", 7)
    ids = ids_of(tones)
    shuffled = np.random.default_rng(1).permutation(len(ids))
    path = KINDS[kind](tmp_path, [ids[i] for i in shuffled], X[shuffled])
    report = import_embeddings(workspace, tones, kind, path)
    got_ids, got = vectors(workspace, report.spec)
    assert got_ids == ids
    np.testing.assert_allclose(got, X, atol=1e-6)
    assert got.dtype == np.float32
    assert (report.n_clips, report.dimensions, report.n_frames) == (24, D, None)
    assert (report.excluded, report.unknown, report.replaced) == ({}, [], False)
    artifact = workspace.cache.open(report.spec.key)
    assert artifact.names() == ["clips.parquet", "embeddings.npy", "excluded.parquet"]
    assert artifact.meta["frame_level"] is False


def test_the_same_vectors_are_the_same_space_whatever_the_file(
    workspace: Workspace, tones: Dataset, X: np.ndarray, tmp_path: Path
) -> None:
    ids = ids_of(tones)
    found = set()
    for kind in ("npz", "npz_packed", "parquet_lists", "json"):
        (tmp_path / kind).mkdir()
        path = KINDS[kind](tmp_path / kind, ids, X)
        found.add(import_embeddings(workspace, tones, "mine", path).spec.key)
    assert len(found) == 1
    (tmp_path / "other").mkdir()
    other = import_embeddings(workspace, tones, "mine", _npz(tmp_path / "other", ids, X + 1))
    assert other.spec.key not in found
    assert other.replaced


def test_npy_in_the_order_of_the_clips_or_of_a_list(
    workspace: Workspace, tones: Dataset, X: np.ndarray, tmp_path: Path
) -> None:
    np.save(tmp_path / "x.npy", X)
    plain = import_embeddings(workspace, tones, "a", tmp_path / "x.npy")
    np.testing.assert_array_equal(vectors(workspace, plain.spec)[1], X)
    (tmp_path / "ids.txt").write_text("\n".join(reversed(ids_of(tones))) + "\n\n")
    listed = import_embeddings(workspace, tones, "b", tmp_path / "x.npy", ids=tmp_path / "ids.txt")
    np.testing.assert_array_equal(vectors(workspace, listed.spec)[1], X[::-1])
    np.save(tmp_path / "y.npy", X[:-1])
    with pytest.raises(EmbeddingsError, match=r"holds 23 embeddings .* tones has 24 clips; .*--ids FILE"):
        import_embeddings(workspace, tones, "c", tmp_path / "y.npy")
    with pytest.raises(EmbeddingsError, match=r"names 24 clips and .* holds 23 embeddings"):
        import_embeddings(workspace, tones, "c", tmp_path / "y.npy", ids=tmp_path / "ids.txt")
    path = _npz(tmp_path, ids_of(tones), X)
    with pytest.raises(EmbeddingsError, match="names its clips itself; leave --ids out"):
        import_embeddings(workspace, tones, "c", path, ids=tmp_path / "ids.txt")


# -- frames --


@pytest.mark.parametrize("kind", ["npz", "npz with embeddings", "json"])
def test_frames_are_kept_and_averaged(
    kind: str, workspace: Workspace, tones: Dataset, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(embedding_parts, "BLOCK", 256)
    rng = np.random.default_rng(2)
    ids = ids_of(tones)
    clips = [rng.standard_normal((n, D)).astype(np.float32) for n in rng.integers(1, 9, len(ids))]
    means = np.stack([c.astype(np.float64).mean(axis=0) for c in clips])
    order = rng.permutation(len(ids))
    path = tmp_path / "json"
    path.mkdir()
    if kind == "json":
        for i in order:
            text = json.dumps(
                {"audio_path": f"/elsewhere/{tones.clips['path'][i]}", "embeddings": clips[i].tolist()}
            )
            (path / f"{i:03d}.json").write_text(text)
        (path / "notes.json").write_text('{"model": "x"}')
    else:
        offsets = np.concatenate([[0], np.cumsum([len(clips[i]) for i in order])])
        arrays = {"ids": [ids[i] for i in order], "frames": np.concatenate([clips[i] for i in order])}
        if kind == "npz with embeddings":
            means = rng.standard_normal(means.shape)
            arrays["embeddings"] = means[order]
        path = tmp_path / "x.npz"
        np.savez(path, offsets=offsets, **arrays)
    report = import_embeddings(workspace, tones, "mine", path)
    artifact = workspace.cache.open(report.spec.key)
    frames, offsets = artifact.array("frames"), artifact.array("offsets")
    assert offsets.dtype == np.int64
    assert report.n_frames == len(frames) == sum(map(len, clips)) == artifact.meta["n_frames"]
    for i, clip in enumerate(clips):
        np.testing.assert_array_equal(frames[offsets[i] : offsets[i + 1]], clip)
    np.testing.assert_allclose(artifact.array("embeddings"), means, atol=1e-6)
    assert report.notes == (["Files without embeddings: notes.json."] if kind == "json" else [])


# -- which clip is meant --


def _names(dataset: Dataset, form: str) -> list[str]:
    paths = [str(p) for p in dataset.clips["path"]]
    forms: dict[str, Callable[[str], str]] = {
        "path": str,
        "path with a dot": lambda p: f"./{p}",
        "whole path": lambda p: str(dataset.root / p),
        "path of Windows": lambda p: p.replace("/", "\\"),
        "path elsewhere": lambda p: f"/data/wav/{Path(p).name}",
        "file name": lambda p: Path(p).name,
        "other ending": lambda p: f"{Path(p).stem}.mp3",
        "no ending": lambda p: Path(p).stem,
        "ending of Windows": lambda p: f"C:\\Sounds\\{Path(p).stem}.WAV",
    }
    return [forms[form](p) for p in paths]


@pytest.mark.parametrize(
    "form",
    [
        "path",
        "path with a dot",
        "whole path",
        "path of Windows",
        "path elsewhere",
        "file name",
        "other ending",
        "no ending",
        "ending of Windows",
    ],
)
def test_clips_are_found_by_their_files(form: str, shared: Workspace, X: np.ndarray, tmp_path: Path) -> None:
    tones = shared.dataset("tones")
    report = import_embeddings(shared, tones, "named", _npz(tmp_path, _names(tones, form), X))
    np.testing.assert_array_equal(vectors(shared, report.spec)[1], X)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_accents_and_capitals_make_no_other_name(
    form: Any, workspace: Workspace, tones: Dataset, X: np.ndarray, tmp_path: Path, monkeypatch
) -> None:
    paths = [f"été/Café {i}.wav" for i in range(24)]
    other = "NFD" if form == "NFC" else "NFC"
    given = [unicodedata.normalize(other, p) for p in paths]
    stored = [unicodedata.normalize(form, p) for p in paths]
    monkeypatch.setitem(tones.__dict__, "clips", tones.clips.assign(path=stored))
    for names in (given, [n.upper() for n in given]):
        report = import_embeddings(workspace, tones, "mine", _npz(tmp_path, names, X))
        np.testing.assert_array_equal(vectors(workspace, report.spec)[1], X)


def test_a_file_name_that_several_clips_have_says_nothing(
    workspace: Workspace, tones: Dataset, X: np.ndarray, tmp_path: Path, monkeypatch
) -> None:
    paths = list(tones.clips["path"])
    paths[1] = f"elsewhere/{Path(paths[0]).name}"
    monkeypatch.setitem(tones.__dict__, "clips", tones.clips.assign(path=paths))
    names = [Path(p).name for p in paths]
    report = import_embeddings(workspace, tones, "mine", _npz(tmp_path, names[1:], X[1:]))
    assert report.unknown == [names[1]]
    assert list(report.excluded) == ids_of(tones)[:2]
    # By its whole path it is known, and then the name is free for the other clip.
    names[1] = paths[1]
    report = import_embeddings(workspace, tones, "mine", _npz(tmp_path, names, X))
    assert report.unknown == []
    np.testing.assert_array_equal(vectors(workspace, report.spec)[1], X)


def test_numbers_as_names_keep_their_zeros(
    workspace: Workspace, tones: Dataset, X: np.ndarray, tmp_path: Path
) -> None:
    frame = pd.DataFrame(X).assign(fname=_names(tones, "no ending"))  # 0000, 0001, …
    frame.to_csv(tmp_path / "x.csv", index=False)
    report = import_embeddings(workspace, tones, "mine", tmp_path / "x.csv")
    np.testing.assert_allclose(vectors(workspace, report.spec)[1], X, atol=1e-6)


# -- what other programs write --


def _named(X: np.ndarray, columns: Sequence[Any] | None = None) -> pd.DataFrame:
    return pd.DataFrame(X, columns=columns or [f"e{i}" for i in range(X.shape[1])])


def _index_of_lists(path: Path, ids: list[str], X: np.ndarray) -> Path:
    table = pd.DataFrame({"label": ["dog", "cat"] * 12, "embedding": list(X)}, index=ids)
    table.to_parquet(path / "x.parquet")
    return path / "x.parquet"


def _index_beside_words(path: Path, ids: list[str], X: np.ndarray) -> Path:
    _named(X).assign(label="dog").set_index(pd.Index(ids)).to_csv(path / "x.csv")
    return path / "x.csv"


def _counted_index(path: Path, ids: list[str], X: np.ndarray) -> Path:
    # As after a filter: row numbers, which name nothing.
    _named(X, list("vwxyz")).assign(clip=ids).set_index(np.arange(24) * 2).to_csv(path / "x.csv")
    return path / "x.csv"


def _counted_index_parquet(path: Path, ids: list[str], X: np.ndarray) -> Path:
    table = _named(X, list("vwxyz")).assign(clip=ids, fold=3, speaker=np.arange(24) % 2)
    table.set_index(np.arange(24) * 2).to_parquet(path / "x.parquet")
    return path / "x.parquet"


def _feather(path: Path, ids: list[str], X: np.ndarray) -> Path:
    pd.DataFrame({"label": ["dog", "cat"] * 12, "clip": ids, "v": list(X)}).to_feather(path / "x.feather")
    return path / "x.feather"


def _tensors(path: Path, ids: list[str], X: np.ndarray) -> Path:
    kind = pa.fixed_shape_tensor(pa.float32(), [X.shape[1]])
    storage = pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), X.shape[1])
    column = pa.ExtensionArray.from_storage(kind, storage)
    pq.write_table(pa.table({"id": ids, "v": column}), path / "x.parquet")
    return path / "x.parquet"


def _texts_of(form: Callable[[np.ndarray], str]) -> Callable[[Path, list[str], np.ndarray], Path]:
    def write(path: Path, ids: list[str], X: np.ndarray) -> Path:
        frame = pd.DataFrame({"path": ids, "labels": "['dog']", "embedding": [form(x) for x in X]})
        frame.to_csv(path / "x.csv", index=False)
        return path / "x.csv"

    return write


def _text_parquet(path: Path, ids: list[str], X: np.ndarray) -> Path:
    pd.DataFrame({"path": ids, "embedding": [str(x.tolist()) for x in X]}).to_parquet(path / "x.parquet")
    return path / "x.parquet"


def _decimal_commas(path: Path, ids: list[str], X: np.ndarray) -> Path:
    _named(X).assign(id=ids).to_csv(path / "x.csv", sep=";", decimal=",", index=False)
    return path / "x.csv"


def _decimal_commas_headless(path: Path, ids: list[str], X: np.ndarray) -> Path:
    pd.DataFrame(X, index=ids).to_csv(path / "x.csv", sep=";", decimal=",", header=False)
    return path / "x.csv"


def _projector(path: Path, ids: list[str], X: np.ndarray) -> Path:
    np.savetxt(path / "tensors.tsv", X, delimiter="\t")
    rows = [f"{id}\tdog" for id in ids]
    (path / "metadata.tsv").write_text("\n".join(["file\tlabel", *rows]) + "\n")
    return path / "tensors.tsv"


def _projector_single(path: Path, ids: list[str], X: np.ndarray) -> Path:
    np.savetxt(path / "my_tensors.tsv", X, delimiter="\t")
    (path / "my_metadata.tsv").write_text("\n".join(ids) + "\n")  # a single column has no header
    return path / "my_tensors.tsv"


def _savez_without_names(path: Path, ids: list[str], X: np.ndarray) -> Path:
    np.savez(path / "x.npz", X, np.array(ids))
    return path / "x.npz"


CARELESS: dict[str, Callable[[Path, list[str], np.ndarray], Path]] = {
    f.__name__.strip("_"): f
    for f in (
        _index_of_lists, _index_beside_words, _counted_index, _counted_index_parquet, _feather, _tensors,
        _text_parquet, _decimal_commas, _decimal_commas_headless, _projector, _projector_single,
        _savez_without_names,
    )
} | {
    "numpy as text": _texts_of(str),
    "lists as text": _texts_of(lambda x: str(x.tolist())),
    "lists of numpy numbers as text": _texts_of(lambda x: repr(list(x))),
    "arrays as text": _texts_of(lambda x: repr(x[None])),
    "tensors as text": _texts_of(lambda x: f"tensor({x.tolist()}, device='cuda:0')"),
}  # fmt: skip


@pytest.mark.parametrize("kind", CARELESS)
def test_what_is_saved_without_care_is_read(
    kind: str, shared: Workspace, X: np.ndarray, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(embedding_tables, "_ROWS", 7)
    tones = shared.dataset("tones")
    shuffled = np.random.default_rng(1).permutation(24)
    names = _names(tones, "path")
    path = CARELESS[kind](tmp_path, [names[i] for i in shuffled], X[shuffled])
    report = import_embeddings(shared, tones, "careless", path)
    np.testing.assert_allclose(vectors(shared, report.spec)[1], X, atol=1e-6)
    assert (report.unknown, report.excluded) == ([], {})


def test_a_numbered_run_is_the_embedding_and_what_was_used_is_said(
    shared: Workspace, X: np.ndarray, tmp_path: Path
) -> None:
    tones = shared.dataset("tones")
    about = {"fold": 1, "take": np.arange(24), "snr": 0.5}
    runs = {
        "e0 … e4": [f"e{i}" for i in range(D)],
        "V2 … V6": [f"V{i + 2}" for i in range(D)],
        "d00_mean … d04_mean": [f"d0{i}_mean" for i in range(D)],
        "0 … 4": [str(i) for i in range(D)],
    }
    for said, columns in runs.items():
        _named(X, columns).assign(path=_names(tones, "path"), **about).to_csv(tmp_path / "x.csv", index=False)
        report = import_embeddings(shared, tones, "runs", tmp_path / "x.csv")
        assert report.dimensions == D
        passed = "other columns of numbers were passed over: fold, take, snr."
        assert report.notes == [f"The embedding is 5 columns: {said}; {passed}"]
    # Without a run, what is said of a clip by name is no dimension.
    _named(X, list("vwxyz")).assign(path=_names(tones, "path"), fold=1).to_csv(
        tmp_path / "x.csv", index=False
    )
    report = import_embeddings(shared, tones, "runs", tmp_path / "x.csv")
    said = "The embedding is 5 columns: v, w, x, y, z; other columns of numbers were passed over: fold."
    assert report.notes == [said]
    # A long run wins over a short one beside it.
    many = np.tile(X, (1, 2))
    _named(many).assign(path=_names(tones, "path"), take1=1, take2=2).to_csv(tmp_path / "x.csv", index=False)
    assert import_embeddings(shared, tones, "runs", tmp_path / "x.csv").dimensions == 2 * D


def test_names_from_elsewhere(shared: Workspace, X: np.ndarray, tmp_path: Path) -> None:
    tones = shared.dataset("tones")
    np.savetxt(tmp_path / "tensors.tsv", X, delimiter="\t")
    with pytest.raises(EmbeddingsError, match=r"metadata.tsv beside it, or .* by --ids FILE"):
        import_embeddings(shared, tones, "other", tmp_path / "tensors.tsv")
    table = pd.DataFrame({"label": "dog", "file": _names(tones, "path")})
    table.to_csv(tmp_path / "names.csv", index=False)
    report = import_embeddings(shared, tones, "other", tmp_path / "tensors.tsv", ids=tmp_path / "names.csv")
    np.testing.assert_allclose(vectors(shared, report.spec)[1], X, atol=1e-6)
    table[:-1].to_csv(tmp_path / "metadata.tsv", index=False, sep="\t")
    with pytest.raises(EmbeddingsError, match=r"metadata.tsv names 23 clips and .* holds 24 embeddings"):
        import_embeddings(shared, tones, "other", tmp_path / "tensors.tsv")
    # Names that would have to be unpickled are not needed where they are given.
    np.savez(tmp_path / "x.npz", ids=np.array(_names(tones, "path"), dtype=object), embeddings=X)
    report = import_embeddings(shared, tones, "other", tmp_path / "x.npz", ids=tmp_path / "names.csv")
    np.testing.assert_array_equal(vectors(shared, report.spec)[1], X)
    assert report.notes == ["ids in x.npz would have to be unpickled and was not read."]
    save_file({"x": X}, tmp_path / "x.safetensors")
    report = import_embeddings(shared, tones, "other", tmp_path / "x.safetensors", ids=tmp_path / "names.csv")
    np.testing.assert_array_equal(vectors(shared, report.spec)[1], X)


def test_words_to_type_save_what_could_not_be_read(shared: Workspace, X: np.ndarray, tmp_path: Path) -> None:
    tones = shared.dataset("tones")
    ids = _names(tones, "path")
    there: dict[str, Any] = {"np": np, "pd": pd, "ids": np.array(ids, dtype=object), "embeddings": X}

    def words(path: Path) -> str:
        with pytest.raises(EmbeddingsError) as caught:
            import_embeddings(shared, tones, "saved", path)
        return str(caught.value).split("`")[1]

    with contextlib.chdir(tmp_path):
        np.savez("ids.npz", ids=there["ids"], embeddings=X)
        exec(words(tmp_path / "ids.npz"), there)
        assert import_embeddings(shared, tones, "saved", tmp_path / "ids.npz").n_clips == 24
        there["d"] = dict(zip(ids, X, strict=True))
        np.save("dict.npy", there["d"])
        exec(words(tmp_path / "dict.npy"), there)
        assert import_embeddings(shared, tones, "saved", tmp_path / "dict.npz").n_clips == 24
        there["X"] = np.empty(24, dtype=object)
        there["X"][:] = list(X)
        np.save("rows.npy", there["X"])
        exec(words(tmp_path / "rows.npy"), there)
        assert import_embeddings(shared, tones, "saved", tmp_path / "rows.npy").n_clips == 24
        there["df"] = pd.DataFrame({"path": ids, "embedding": list(np.tile(X, (1, 300)))})
        with np.printoptions(threshold=100):
            there["df"].to_csv("short.csv")
        exec(words(tmp_path / "short.csv"), there)
        assert import_embeddings(shared, tones, "saved", tmp_path / "short.parquet").dimensions == 1500
        there["df"].to_pickle("frame.pkl")
        exec(words(tmp_path / "frame.pkl"), there)
        assert import_embeddings(shared, tones, "saved", tmp_path / "frame.parquet").dimensions == 1500


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"caption": [f"text {i}" for i in range(24)], "code": [f"c{i}" for i in range(24)]},
         "several columns that could name the clips, caption, code; call the one that does clip_id"),
        ({"label": ["dog", "cat"] * 12}, "no column that names the clips; its columns are label, e0, e1"),
        ({"clip": [f"{i}.wav" for i in range(24)], "e5": ["loud", "quiet"] * 12},
         "words in column 'e5' of the run e0 … e4"),
    ],
    ids=["two names", "no names", "words in a run"],
)  # fmt: skip
def test_tables_that_can_be_read_two_ways(
    columns: dict[str, list[str]], says: str, shared: Workspace, X: np.ndarray, tmp_path: Path
) -> None:
    table = pd.concat([pd.DataFrame(columns), _named(X)], axis=1)
    for kind in ("csv", "parquet"):
        path = tmp_path / f"x.{kind}"
        table.to_csv(path, index=False) if kind == "csv" else table.to_parquet(path)
        with pytest.raises(EmbeddingsError, match=says):
            import_embeddings(shared, shared.dataset("tones"), "ways", path)


# -- what does not fit --


def test_clips_without_a_good_embedding_are_left_out_with_a_reason(
    workspace: Workspace, tones: Dataset, X: np.ndarray, tmp_path: Path
) -> None:
    ids = ids_of(tones)
    X = X.astype(np.float64)
    X[1, 2], X[2, 0], X[3], X[4, 4] = np.nan, np.inf, 0, 1e300
    report = import_embeddings(workspace, tones, "mine", _npz(tmp_path, [*ids[:-2], "dog", "cat"], X))
    lost = workspace.cache.open(report.spec.key).table("excluded").to_pydict()
    assert dict(zip(lost["clip_id"], lost["reason"], strict=True)) == report.excluded
    not_finite = "its embedding has values that are not finite numbers of 32 bits"
    assert report.excluded == {
        ids[1]: not_finite,
        ids[2]: not_finite,
        ids[3]: "its embedding is all zeros, which points nowhere",
        ids[4]: not_finite,
        ids[-2]: "the file has no embedding of it",
        ids[-1]: "the file has no embedding of it",
    }
    assert report.unknown == ["dog", "cat"]
    kept, got = vectors(workspace, report.spec)
    assert kept == [ids[0], *ids[5:-2]]
    np.testing.assert_allclose(got, X[[0, *range(5, 22)]], atol=1e-6)


def test_frames_that_are_bad_or_missing(workspace: Workspace, tones: Dataset, tmp_path: Path) -> None:
    ids = ids_of(tones)
    frames = np.ones((2 * len(ids), D), np.float32)
    frames[3, 0] = np.nan
    offsets = np.arange(0, len(frames) + 1, 2)
    offsets[1] = 0  # the first clip has none, the second has four, of which one is bad
    np.savez(tmp_path / "x.npz", ids=ids, frames=frames, offsets=offsets)
    report = import_embeddings(workspace, tones, "mine", tmp_path / "x.npz")
    assert report.excluded == {
        ids[0]: "the file has no frames of it",
        ids[1]: "its frames have values that are not finite numbers of 32 bits",
    }


class Evil:
    """What unpickling would run."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path(self.path),))

    def __init__(self, path: Path) -> None:
        self.path = str(path)


def _bad_file(kind: str, folder: Path, ids: list[str], X: np.ndarray) -> Path:
    n = len(ids)
    npz: dict[str, dict[str, Any]] = {
        "no key": {"ids": ids, "logits": X},
        "few ids": {"ids": ids[1:], "embeddings": X},
        "text": {"ids": ids, "embeddings": X.astype(str)},
        "complex": {"ids": ids, "embeddings": X.astype(complex)},
        "3-d": {"ids": ids, "embeddings": X[:, None, :]},
        "scalar": {"ids": ids, "embeddings": np.float32(1)},
        "empty": {"ids": np.array([], str), "embeddings": X[:0]},
        "no width": {"ids": ids, "embeddings": X[:, :0]},
        "twice": {"ids": [*ids[:-2], *ids[:2]], "embeddings": X},
        "twice by path": {"ids": [f"x/{ids[0]}.wav"] * n, "embeddings": X},
        "strangers": {"ids": [f"dog {i}" for i in range(n)], "embeddings": X},
        "all zeros": {"ids": ids, "embeddings": X * 0},
        "number ids": {"ids": np.arange(n) / 2, "embeddings": X},
        "few frames": {"ids": ids, "frames": X, "offsets": np.arange(n + 1) * 2},
        "many frames": {"ids": ids, "frames": X, "offsets": np.r_[np.arange(n), n - 1]},
        "falling offsets": {"ids": ids, "frames": X, "offsets": np.arange(n + 1)[::-1]},
        "fractions": {"ids": ids, "frames": X, "offsets": np.arange(n + 1.0)},
        "widths": {"ids": ids, "frames": X, "offsets": np.arange(n + 1), "embeddings": X[:, :3]},
        "pickle in npz": {"ids": ids, "embeddings": np.array([Evil(folder / "ran")] * n, dtype=object)},
    }
    path = folder / "x.npz"
    if kind in npz:
        np.savez(path, **npz[kind])
        return path
    if kind == "no archive":
        path.write_bytes(b"PK\x03\x04 and no more")
    elif kind == "cut short":
        np.savez(path, ids=np.array(ids), embeddings=X)
        path.write_bytes(path.read_bytes()[:-100])
    elif kind == "pickle":
        path = folder / "x.npy"
        np.save(path, np.array([Evil(folder / "ran")] * n, dtype=object), allow_pickle=True)
    elif kind == "archive as npy":
        np.savez(path, ids=np.array(ids), embeddings=X)
        path = path.rename(folder / "x.npy")
    elif kind == "no npy":
        path = folder / "x.npy"
        path.write_bytes(b"hello")
    elif kind == "kind":
        path = folder / "x.pkl"
        path.write_bytes(b"")
    elif kind == "nowhere":
        return folder / "nowhere.npz"
    elif kind.startswith("csv"):
        path = folder / "x.csv"
        rows = [f"{id},{','.join(map(str, x))}" for id, x in zip(ids, X, strict=True)]
        tables = {
            "csv words": ["id,a,b,c,d,e", *rows[:-1], f"{ids[-1]},1,2,3,4,five"],
            "csv ragged": ["id,a,b,c,d,e", *rows[:-1], rows[-1] + ",6"],
            "csv no ids": ["a,b,c", "1,2,3"],
            "csv no numbers": ["id,label", *(f"{id},dog" for id in ids)],
            "csv two names": ["id,a,a,b,c,d", *rows],
            "csv two runs": ["id,a0,a1,b0,b1,b2", *rows],
            "csv nothing": [],
            "csv latin": [],
        }
        path.write_text("\n".join(tables[kind]))
        if kind == "csv latin":
            path.write_bytes("id,a\nété,1\n".encode("latin-1"))
    elif kind.startswith("parquet"):
        path = folder / "x.parquet"
        lists = X.tolist()
        if kind == "parquet ragged":
            lists[0].pop()
        column: Any = (
            [["a"]] * n if kind == "parquet text" else [[[1.0]]] * n if kind == "parquet deep" else lists
        )
        table = pa.table({"id": ids, "v": column} if kind != "parquet no ids" else {"v": column})
        pq.write_table(table, path)
        if kind == "parquet torn":
            path.write_bytes(path.read_bytes()[:-4])
    else:
        path = folder / "json"
        path.mkdir()
        texts = {
            "json torn": "{",
            "json words": '{"embeddings": ["a", "b"]}',
            "json ragged": '{"embeddings": [[1, 2], [1]]}',
            "json deep": '{"embeddings": [[[1]]]}',
            "json widths": '{"embeddings": [1, 2]}',
            "json none": '{"model": "x"}',
            "json list": "[1, 2]",
            "json nothing": '{"embeddings": []}',
        }
        if kind != "json empty":
            (path / "b.json").write_text(texts[kind])
        if kind == "json widths":
            (path / "a.json").write_text('{"embeddings": [1, 2, 3]}')
    return path


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("no key", r"holds ids, logits; it must hold embeddings \(n, d\), or frames"),
        ("few ids", "holds 23 ids for 24 embeddings; they must be as many"),
        ("text", "values of the type <U.*; embeddings are numbers"),
        ("complex", "values of the type complex"),
        ("3-d", r"shape \(24, 1, 5\); embeddings have the shape \(clips, dimensions\)"),
        ("scalar", r"shape \(\); embeddings have"),
        ("empty", "holds no embeddings"),
        ("no width", "vectors of 0 numbers"),
        ("twice", "more than one embedding of 2 clips, such as .*; give one of each"),
        ("twice by path", "None of the 24 names|more than one embedding of 1 clip"),
        ("strangers", r"None of the 24 names in .*, such as dog 0, dog 1, dog 2, is a clip of tones"),
        (
            "all zeros",
            "None of the embeddings in .* can be used; the first clip, .*: its embedding is all zeros",
        ),
        ("number ids", r"ids of the type float64 .*; they must be \(n,\) of text"),
        ("few frames", "fewer rows than its offsets say"),
        ("many frames", "offsets that do not rise|more rows than its offsets say"),
        ("falling offsets", "offsets that do not rise from 0"),
        ("fractions", r"offsets of the type float64 .* \(n \+ 1,\) whole numbers"),
        ("widths", "vectors of 5 numbers and of 3"),
        ("pickle in npz", "holds Python objects, which would have to be unpickled"),
        ("pickle", "holds Python objects, which would have to be unpickled"),
        ("archive as npy", "call it .npz"),
        ("no npy", "unpickled|cannot be read"),
        ("no archive", "cannot be read"),
        ("cut short", "cannot be read"),
        ("kind", "not of a kind that is read; give .npy, .npz"),
        ("nowhere", "There is no file or folder"),
        ("csv words", "has 'five' among the numbers of column 'e'; leave the cell empty"),
        ("csv ragged", "cannot be read as a table .*line 25"),
        ("csv no ids", "no column that names the clips; its columns are a, b, c: call one clip_id"),
        ("csv no numbers", "no columns of numbers"),
        ("csv two names", "two columns of one name"),
        ("csv two runs", "several numbered runs of columns, such as a0 … and b0 …"),
        ("csv nothing", "cannot be read as a table|no column"),
        ("csv latin", "not UTF-8"),
        ("parquet ragged", "vectors of 4 and of 5 numbers; all must have the same length"),
        ("parquet text", "lists of string; embeddings are lists of numbers"),
        ("parquet deep", "embeddings are lists of numbers"),
        ("parquet no ids", "no column that names the clips"),
        ("parquet torn", "cannot be read"),
        ("json torn", "b.json is not JSON"),
        ("json words", "neither a list of numbers nor a list of such lists of one length"),
        ("json ragged", "neither a list of numbers nor a list of such lists of one length"),
        ("json deep", r"shape \(1, 1, 1\)"),
        ("json widths", "vectors of 2 numbers and of 3"),
        ("json none", "holds no .json file with embeddings"),
        ("json list", "holds no .json file with embeddings"),
        ("json empty", "holds no .json file with embeddings"),
        ("json nothing", "holds no embeddings"),
    ],
)
def test_bad_files_are_one_sentence_and_import_nothing(
    kind: str, says: str, shared: Workspace, X: np.ndarray, tmp_path: Path
) -> None:
    tones = shared.dataset("tones")
    folder = tmp_path / "given"
    folder.mkdir()
    path = _bad_file(kind, folder, ids_of(tones), X)
    with pytest.raises(EmbeddingsError, match=says) as caught:
        import_embeddings(shared, tones, "bad", path)
    assert "\n" not in str(caught.value)
    assert "imported:bad" not in [s.encoder for s in shared.spaces(tones)]
    assert not (folder / "ran").exists()
    assert list((shared.root / "imported").glob(".*")) == []  # nothing is left of what was read


@pytest.mark.parametrize(
    ("kind", "packed"), [("npz", False), ("npz", True), ("npy", False), ("parquet", False)]
)
def test_damaged_files_are_one_sentence_or_numbers(
    kind: str, packed: bool, X: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / f"a.{kind}"
    ids = [f"clip-{i}" for i in range(len(X))]
    if kind == "npy":
        np.save(path, X)
    elif kind == "parquet":
        pq.write_table(pa.table({"clip_id": ids, "embedding": pa.array(list(X))}), path)
    else:
        (np.savez_compressed if packed else np.savez)(path, ids=np.array(ids), embeddings=X)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = []
    for i in range(100):
        damaged = bytearray(whole)
        # Names, shapes and types stand at the ends of these files.
        for place in rng.integers(0, min(200, len(whole)), 3):
            damaged[place if i % 2 else -1 - place] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            embedding_files.stage(path, tmp_path)
        except EmbeddingsError as error:
            refused.append(str(error))
    assert len(refused) > 10
    assert all(str(path) in said and "\n" not in said for said in refused)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"embedding": ' + "[" * 100_000, "is not JSON"),
        ('{"embedding": [1' + "0" * 5000 + "]}", "is not JSON"),
        ('{"embedding": ' + "[" * 200 + "]" * 200 + "}", "neither a list of numbers"),
    ],
    ids=["deep", "long", "nested"],
)
def test_hostile_json_is_one_sentence(text: str, says: str, tmp_path: Path) -> None:
    folder = tmp_path / "json"
    folder.mkdir()
    (folder / "a.json").write_text(text)
    with pytest.raises(EmbeddingsError, match=says) as caught:
        embedding_files.stage(folder, tmp_path)
    assert "a.json" in str(caught.value)


def test_clips_of_no_frames_at_all_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, frames=np.zeros((0, 4), np.float32), offsets=np.array([0, 0, 0]))
    with pytest.raises(EmbeddingsError, match="no frames of any of its 2 clips"):
        embedding_files.stage(path, tmp_path)


def test_the_same_file_twice_named_is_told(
    workspace: Workspace, tones: Dataset, X: np.ndarray, tmp_path: Path
) -> None:
    names = _names(tones, "file name")
    names[5] = names[4]
    with pytest.raises(
        EmbeddingsError, match=f"more than one embedding of 1 clip, such as {ids_of(tones)[4]};"
    ):
        import_embeddings(workspace, tones, "mine", _npz(tmp_path, names, X))


@pytest.mark.parametrize("name", ["", "Clap", "a b", "../x", "a/b", "-x", "x" * 65])
def test_names_that_cannot_be(
    name: str, workspace: Workspace, tones: Dataset, X: np.ndarray, tmp_path
) -> None:
    with pytest.raises(UnknownEncoder, match="cannot name embeddings; use up to 64"):
        import_embeddings(workspace, tones, name, _npz(tmp_path, ids_of(tones), X))


# -- a space like any other --


def _imported(
    workspace: Workspace, tones: Dataset, X: np.ndarray, folder: Path, name: str = "mine"
) -> Report:
    return import_embeddings(workspace, tones, name, _npz(folder, ids_of(tones), X))


def test_neighbours_and_maps_work_on_it(
    workspace: Workspace, tones: Dataset, X: np.ndarray, tmp_path: Path
) -> None:
    _imported(workspace, tones, X, tmp_path)
    spec = EmbedAudio(dataset=tones.ref, encoder="imported:mine")
    assert from_json(spec.to_json()) == spec
    assert run(workspace, Project(embedding=spec, method="pca")).state == "done"
    graph = workspace.cache.open(Neighbors(embedding=spec).key)
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    cosine = 1 - unit.astype(np.float64) @ unit.T
    np.fill_diagonal(cosine, np.inf)
    assert np.array_equal(graph.array("indices")[:, 0], cosine.argmin(axis=1))
    (space,) = workspace.spaces(tones)
    assert (space.encoder, space.state, space.spec) == ("imported:mine", "done", spec)


def test_a_name_means_what_was_imported_last(
    workspace: Workspace, tones: Dataset, X: np.ndarray, tmp_path: Path
) -> None:
    first = _imported(workspace, tones, X, tmp_path)
    second = _imported(workspace, tones, 2 * X, tmp_path)
    assert [s.spec for s in workspace.spaces(tones)] == [second.spec]
    assert EmbedAudio(dataset=tones.ref, encoder="imported:mine") == second.spec
    # The first result is older, and yet it is what the name means when it is imported again.
    again = _imported(workspace, tones, X, tmp_path)
    assert again.spec == first.spec
    assert again.replaced
    assert [s.spec for s in workspace.spaces(tones)] == [first.spec]
    assert EmbedAudio(dataset=tones.ref, encoder="imported:mine") == first.spec
    assert workspace.cache.contains(second.spec.key)


def test_names_belong_to_one_dataset(
    workspace: Workspace, tones: Dataset, X: np.ndarray, tmp_path: Path
) -> None:
    _imported(workspace, tones, X, tmp_path)
    ref = tones.ref.__class__("others", "0" * 64)
    with pytest.raises(UnknownEncoder, match="no embeddings by the name of imported:mine here"):
        EmbedAudio(dataset=ref, encoder="imported:mine")
    assert tones.ref == type(ref)(tones.name, tones.fingerprint)
    assert hash(tones.ref) == hash(type(ref)(tones.name, tones.fingerprint))


def test_eviction_keeps_what_cannot_be_made_again(
    workspace: Workspace, tones: Dataset, X: np.ndarray, tmp_path: Path
) -> None:
    old = _imported(workspace, tones, 2 * X, tmp_path)
    new = _imported(workspace, tones, X, tmp_path)
    workspace.evict(0)
    assert workspace.cache.contains(new.spec.key)
    assert not workspace.cache.contains(old.spec.key)


def test_a_job_for_what_is_gone_says_so(
    workspace: Workspace, tones: Dataset, X: np.ndarray, tmp_path: Path
) -> None:
    spec = _imported(workspace, tones, X, tmp_path).spec
    workspace.cache.delete(spec.key)
    job = run(workspace, Project(embedding=spec, method="pca"))
    assert job.state == "failed"
    assert "no embeddings by the name of imported:mine here, and no model can make them" in (job.error or "")
    assert "`hearspace import-embeddings DATASET mine FILE`" in (job.error or "")
    _imported(workspace, tones, X, tmp_path)
    assert [s.state for s in workspace.spaces(tones)] == ["done"]


def test_removing(workspace: Workspace, tones: Dataset, X: np.ndarray, tmp_path: Path) -> None:
    _imported(workspace, tones, X, tmp_path)
    _imported(workspace, tones, 2 * X, tmp_path)
    _imported(workspace, tones, X, tmp_path, "other")
    assert remove(workspace, tones, "mine") == 2
    assert [s.encoder for s in workspace.spaces(tones)] == ["imported:other"]
    with pytest.raises(EmbeddingsError, match="no imported embeddings by the name of mine; it has: other"):
        remove(workspace, tones, "mine")


def test_a_registry_of_another_version_is_not_read(
    workspace: Workspace, tones: Dataset, X: np.ndarray, tmp_path: Path
) -> None:
    _imported(workspace, tones, X, tmp_path)
    (file,) = (workspace.root / "imported" / tones.fingerprint).iterdir()
    for text in ("{", "[]", '{"identity": "x"}'):
        file.write_text(text)
        assert imported.meanings(workspace.root, tones.fingerprint) == {}
        assert len(workspace.spaces(tones)) == 1  # the result is there all the same


def test_what_is_known_of_the_model(
    workspace: Workspace, tones: Dataset, X: np.ndarray, tmp_path: Path
) -> None:
    path = _npz(tmp_path, ids_of(tones), X)
    spec = import_embeddings(workspace, tones, "mine", path).spec
    meta = workspace.cache.open(spec.key).meta
    assert encoders.card("imported:mine", meta) == Card(dimensions=D)
    card = Card("audio & language", "contrastive alignment", 31_000_000, 2_500_000)
    assert import_embeddings(workspace, tones, "mine", path, card=card).spec == spec
    meta = workspace.cache.open(spec.key).meta
    assert encoders.card("imported:mine", meta) == Card(
        *[getattr(card, n) for n in list(Card.__annotations__)[:4]], D
    )


def test_a_big_file_is_read_in_blocks(
    workspace: Workspace, tones: Dataset, tmp_path: Path, monkeypatch
) -> None:
    import tracemalloc

    n, d = 24, 250_000  # 24 MB
    X = np.ones((n, d), np.float32) + np.arange(n, dtype=np.float32)[:, None]
    path = _npz(tmp_path, ids_of(tones), X)
    monkeypatch.setattr(embedding_parts, "BLOCK", 2 << 20)
    monkeypatch.setattr("jobs.importing.embeddings.BLOCK", 2 << 20)
    tracemalloc.start()
    report = import_embeddings(workspace, tones, "mine", path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12e6
    assert np.array_equal(vectors(workspace, report.spec)[1][:, -1], X[:, -1])


def test_what_a_killed_import_left_is_removed_a_day_later(
    workspace: Workspace, tones: Dataset, X: np.ndarray, tmp_path: Path
) -> None:
    old, new = (workspace.root / "imported" / f".reading-{n}" for n in ("old", "new"))
    for folder in (old, new):
        folder.mkdir(parents=True)
        (folder / "vectors.f32").touch()
    os.utime(old, (1, 1))
    _imported(workspace, tones, X, tmp_path)
    assert (old.exists(), new.exists()) == (False, True)


# -- the command --


def call(capsys, *arguments: str) -> tuple[int, str, str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["hearspace", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


@pytest.fixture
def here(workspace: Workspace, monkeypatch) -> Workspace:
    monkeypatch.setenv("HEARSPACE_HOME", str(workspace.root))
    monkeypatch.setenv("COLUMNS", "200")
    return workspace


def test_command(here: Workspace, tones: Dataset, X: np.ndarray, tmp_path: Path, capsys) -> None:
    X[3] = 0
    path = str(_npz(tmp_path, [*ids_of(tones)[:-1], "dog"], X))
    status, out, _ = call(capsys, "import-embeddings", "tones", "clap", path, "--objective", "contrastive")
    assert status == 0
    assert "Imported imported:clap: 22 of 24 clips × 5 dimensions." in out
    assert "No clip of tones matches 1 name: dog." in out
    assert re.search(r"Excluded 1 clip \(.*\): its embedding is all zeros", out)
    assert re.search(r"Excluded 1 clip \(.*\): the file has no embedding of it", out)
    status, out, _ = call(capsys, "import-embeddings", "tones", "clap", path, "--json")
    (row,) = json.loads(out)
    assert (row["encoder"], row["n_clips"], row["unknown"]) == ("imported:clap", 22, ["dog"])
    assert from_json(row["spec"]).key == row["key"]
    assert "imported:clap" in call(capsys, "datasets")[1]
    assert call(capsys, "export", "tones", "imported:clap", str(tmp_path / "back.npz"))[0] == 0
    with np.load(tmp_path / "back.npz", allow_pickle=False) as back:
        np.testing.assert_array_equal(back["embeddings"], X[[0, 1, 2, *range(4, 23)]])
    assert call(capsys, "project", "tones", "imported:clap", "--method", "pca")[0] == 0
    assert call(capsys, "import-embeddings", "tones", "clap", "--remove")[0] == 0
    assert here.spaces(tones) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("tones", "clap"), "The path of the embeddings is missing"),
        (("tones", "clap", "nowhere.npz"), "There is no file or folder nowhere.npz"),
        (("nothing", "clap", "x.npz"), "No dataset 'nothing'"),
        (("tones", "clap", "x.npy", "--ids", "nowhere.txt"), "nowhere.txt does not exist"),
        (("tones", "clap", "--remove"), "no imported embeddings by the name of clap"),
        (("tones", "clap", "x.npy", "--parameters", "-1"), "--parameters"),
    ],
)
def test_bad_arguments_are_one_sentence_and_status_2(
    here: Workspace, tones: Dataset, X: np.ndarray, tmp_path: Path, capsys, monkeypatch, arguments, says
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", X)
    status, _, err = call(capsys, "import-embeddings", *arguments)
    assert status == 2
    assert says in re.sub(r"[\s│]+", " ", err)
    assert "Traceback" not in err


def test_a_name_that_was_never_imported(here: Workspace, capsys) -> None:
    status, _, err = call(capsys, "project", "tones", "imported:clap")
    assert status == 2
    assert "`hearspace import-embeddings DATASET clap FILE`" in err
