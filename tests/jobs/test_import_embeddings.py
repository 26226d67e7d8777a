"""Precomputed embeddings become a space like any other, and what does not fit is said in a sentence."""

from __future__ import annotations

import contextlib
import json
import os
import re
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
from tests.jobs.test_cli import call
from tests.jobs.tones import write_tones

D = 5


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    root = write_tones(tmp_path_factory.mktemp("sounds"), seconds=0.05)
    return root, import_dataset("folder", root, options={})


def _workspace(root: Path, sounds: tuple[Path, Imported]) -> Workspace:
    found = Workspace.open(root)
    found.cache.durable = False  # a test outlives no power cut
    found.add_dataset("tones", sounds[1], adapter="folder", root=sounds[0])
    return found


@pytest.fixture
def workspace(tmp_path, sounds):
    """A workspace with 24 clips in 4 classes."""
    return _workspace(tmp_path / "workspace", sounds)


@pytest.fixture(scope="module")
def shared(tmp_path_factory, sounds):
    """One for tests that do not mind what else was imported."""
    return _workspace(tmp_path_factory.mktemp("shared"), sounds)


@pytest.fixture
def tones(workspace):
    return workspace.dataset("tones")


@pytest.fixture
def X():
    return Y.copy()


def ids_of(dataset: Dataset) -> list[str]:
    return [str(c) for c in dataset.clips["clip_id"]]


def vectors(workspace: Workspace, spec: EmbedAudio) -> tuple[list[str], np.ndarray]:
    artifact = workspace.cache.open(spec.key)
    return artifact.table("clips")["clip_id"].to_pylist(), np.asarray(artifact.array("embeddings"))


# -- kinds of files --


Write = Callable[[Path], Path]


def _arrays(**given: Any) -> Write:
    def write(folder: Path) -> Path:
        np.savez(folder / "x.npz", **given)
        return folder / "x.npz"

    return write


def _packed(**given: Any) -> Write:
    def write(folder: Path) -> Path:
        np.savez_compressed(folder / "x.npz", **given)
        return folder / "x.npz"

    return write


def _frame(name: str, frame: pd.DataFrame, **options: Any) -> Write:
    def write(folder: Path) -> Path:
        writers = {"parquet": frame.to_parquet, "feather": frame.to_feather}
        writers.get(name.partition(".")[2], frame.to_csv)(folder / name, **options)
        return folder / name

    return write


def _file(name: str, content: str | bytes) -> Write:
    def write(folder: Path) -> Path:
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return folder / name

    return write


def _rows(*lines: str) -> Write:
    return _file("x.csv", "\n".join(lines))


def _column(**columns: Any) -> Write:
    def write(folder: Path) -> Path:
        pq.write_table(pa.table(columns), folder / "x.parquet")
        return folder / "x.parquet"

    return write


def _texts(**files: str) -> Write:
    def write(folder: Path) -> Path:
        (folder / "json").mkdir()
        for name, text in files.items():
            path = folder / "json" / f"{name}.json"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        return folder / "json"

    return write


def _short(write: Write, lost: int) -> Write:
    def cut(folder: Path) -> Path:
        path = write(folder)
        path.write_bytes(path.read_bytes()[:-lost])
        return path

    return cut


def _objects(name: str) -> Write:
    def write(folder: Path) -> Path:
        evil = np.array([Evil(folder / "ran")] * 24, dtype=object)
        np.savez(folder / "x.npz", ids=IDS, embeddings=evil)
        np.save(folder / "x.npy", evil, allow_pickle=True)
        return folder / name

    return write


class Evil:
    """What unpickling would run."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path(self.path),))

    def __init__(self, path: Path) -> None:
        self.path = str(path)


def _npz(path: Path, ids: list[str], X: np.ndarray) -> Path:
    return _arrays(clip_ids=np.array(ids), embeddings=X)(path)


def _named(X: np.ndarray, columns: Sequence[Any] | None = None) -> pd.DataFrame:
    return pd.DataFrame(X, columns=columns or [f"e{i}" for i in range(X.shape[1])])


def _json(ids: list[str], X: np.ndarray) -> Write:
    # As scripts write them: some clips as a list, some as a list of one frame.
    values = [x if i % 2 else [x] for i, x in enumerate(X.tolist())]
    texts = [
        json.dumps({"audio_path": id, "embeddings": v, "rate": 1}) for id, v in zip(ids, values, strict=True)
    ]
    return _texts(**{f"deep/{i}": text for i, text in enumerate(texts)})


Y = np.random.default_rng(0).standard_normal((24, D)).astype(np.float32)
KINDS: dict[str, Callable[[list[str], np.ndarray], Write]] = {
    "npz": lambda ids, X: _arrays(clip_ids=np.array(ids), embeddings=X),
    "npz_packed": lambda ids, X: _packed(
        ids=np.array([i.encode() for i in ids]), vectors=X.astype(np.float64)
    ),
    "npz_fortran": lambda ids, X: _arrays(ids=np.array(ids), embeddings=np.asfortranarray(X)),
    "csv": lambda ids, X: _frame(
        "x.csv", pd.DataFrame({"clip_id": ids, "label": "dog"}).join(_named(X)).assign(fold=1), index=False
    ),
    "csv_index": lambda ids, X: _frame("x.csv", pd.DataFrame(X, index=ids)),
    "csv_headless": lambda ids, X: _frame("x.csv", pd.DataFrame(X, index=ids), header=False, sep=";"),
    "tsv": lambda ids, X: _frame("x.tsv", _named(X, [*"abcde"]).assign(filename=ids), index=False, sep="\t"),
    "parquet": lambda ids, X: _frame(
        "x.parquet", _named(X, [f"dim_{i + 1}" for i in range(D)]).assign(path=ids)
    ),
    "parquet_lists": lambda ids, X: _column(id=ids, embedding=pa.array(X.tolist()), year=[1] * len(ids)),
    "parquet_fixed": lambda ids, X: _column(id=ids, v=_fixed(X)),
    "json": _json,
}


def _fixed(X: np.ndarray) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), X.shape[1])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_the_rows_in_the_order_of_the_clips(kind, shared, X, tmp_path, monkeypatch):
    workspace, tones = shared, shared.dataset("tones")
    monkeypatch.setattr(embedding_parts, "BLOCK", 64)  # so that there are many blocks
    monkeypatch.setattr(embedding_tables, "_ROWS", 7)
    ids = ids_of(tones)
    shuffled = np.random.default_rng(1).permutation(len(ids))
    path = KINDS[kind]([ids[i] for i in shuffled], X[shuffled])(tmp_path)
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


def test_the_same_vectors_are_the_same_space_whatever_the_file(workspace, tones, X, tmp_path):
    ids = ids_of(tones)
    found = set()
    for kind in ("npz", "npz_packed", "parquet_lists", "json"):
        (tmp_path / kind).mkdir()
        path = KINDS[kind](ids, X)(tmp_path / kind)
        found.add(import_embeddings(workspace, tones, "mine", path).spec.key)
    assert len(found) == 1
    (tmp_path / "other").mkdir()
    other = import_embeddings(workspace, tones, "mine", _npz(tmp_path / "other", ids, X + 1))
    assert other.spec.key not in found
    assert other.replaced


def test_npy_in_the_order_of_the_clips_or_of_a_list(workspace, tones, X, tmp_path):
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
def test_frames_are_kept_and_averaged(kind, workspace, tones, tmp_path, monkeypatch):
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


FORMS: dict[str, Callable[[Path, str], str]] = {
    "path": lambda root, p: p,
    "path with a dot": lambda root, p: f"./{p}",
    "whole path": lambda root, p: str(root / p),
    "path of Windows": lambda root, p: p.replace("/", "\\"),
    "path elsewhere": lambda root, p: f"/data/wav/{Path(p).name}",
    "file name": lambda root, p: Path(p).name,
    "other ending": lambda root, p: f"{Path(p).stem}.mp3",
    "no ending": lambda root, p: Path(p).stem,
    "ending of Windows": lambda root, p: f"C:\\Sounds\\{Path(p).stem}.WAV",
}


def _names(dataset: Dataset, form: str) -> list[str]:
    return [FORMS[form](dataset.root, str(p)) for p in dataset.clips["path"]]


@pytest.mark.parametrize("form", FORMS)
def test_clips_are_found_by_their_files(form, shared, X, tmp_path):
    tones = shared.dataset("tones")
    report = import_embeddings(shared, tones, "named", _npz(tmp_path, _names(tones, form), X))
    np.testing.assert_array_equal(vectors(shared, report.spec)[1], X)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_accents_and_capitals_make_no_other_name(form, workspace, tones, X, tmp_path, monkeypatch):
    paths = [f"été/Café {i}.wav" for i in range(24)]
    other = "NFD" if form == "NFC" else "NFC"
    given = [unicodedata.normalize(other, p) for p in paths]
    stored = [unicodedata.normalize(form, p) for p in paths]
    monkeypatch.setitem(tones.__dict__, "clips", tones.clips.assign(path=stored))
    for names in (given, [n.upper() for n in given]):
        report = import_embeddings(workspace, tones, "mine", _npz(tmp_path, names, X))
        np.testing.assert_array_equal(vectors(workspace, report.spec)[1], X)


def test_a_file_name_that_several_clips_have_says_nothing(workspace, tones, X, tmp_path, monkeypatch):
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


def test_numbers_as_names_keep_their_zeros(workspace, tones, X, tmp_path):
    frame = pd.DataFrame(X).assign(fname=_names(tones, "no ending"))  # 0000, 0001, …
    frame.to_csv(tmp_path / "x.csv", index=False)
    report = import_embeddings(workspace, tones, "mine", tmp_path / "x.csv")
    np.testing.assert_allclose(vectors(workspace, report.spec)[1], X, atol=1e-6)


# -- what other programs write --


def _texts_of(form: Callable[[np.ndarray], str]) -> Callable[[list[str], np.ndarray], Write]:
    return lambda ids, X: _frame(
        "x.csv",
        pd.DataFrame({"path": ids, "labels": "['dog']", "embedding": [form(x) for x in X]}),
        index=False,
    )


def _projector(tensors: str, metadata: str, head: str, form: str) -> Callable[[list[str], np.ndarray], Write]:
    def with_names(ids: list[str], X: np.ndarray) -> Write:
        def write(folder: Path) -> Path:
            np.savetxt(folder / tensors, X, delimiter="\t")
            (folder / metadata).write_text("".join([head, *(form.format(id) for id in ids)]))
            return folder / tensors

        return write

    return with_names


def _tensors(ids: list[str], X: np.ndarray) -> Write:
    kind = pa.fixed_shape_tensor(pa.float32(), [X.shape[1]])
    return _column(id=ids, v=pa.ExtensionArray.from_storage(kind, _fixed(X)))


ODD = np.arange(24) * 2  # row numbers after a filter, which name nothing
CARELESS: dict[str, Callable[[list[str], np.ndarray], Write]] = {
    "index of lists": lambda ids, X: _frame(
        "x.parquet", pd.DataFrame({"label": ["dog", "cat"] * 12, "embedding": list(X)}, index=ids)
    ),
    "index beside words": lambda ids, X: _frame(
        "x.csv", _named(X).assign(label="dog").set_index(pd.Index(ids))
    ),
    "counted index": lambda ids, X: _frame("x.csv", _named(X, [*"vwxyz"]).assign(clip=ids).set_index(ODD)),
    "counted index in parquet": lambda ids, X: _frame(
        "x.parquet",
        _named(X, [*"vwxyz"]).assign(clip=ids, fold=3, speaker=np.arange(24) % 2).set_index(ODD),
    ),
    "feather": lambda ids, X: _frame(
        "x.feather", pd.DataFrame({"label": ["dog", "cat"] * 12, "clip": ids, "v": list(X)})
    ),
    "tensors": _tensors,
    "text in parquet": lambda ids, X: _frame(
        "x.parquet", pd.DataFrame({"path": ids, "embedding": [str(x.tolist()) for x in X]})
    ),
    "decimal commas": lambda ids, X: _frame(
        "x.csv", _named(X).assign(id=ids), sep=";", decimal=",", index=False
    ),
    "decimal commas without a head": lambda ids, X: _frame(
        "x.csv", pd.DataFrame(X, index=ids), sep=";", decimal=",", header=False
    ),
    "projector": _projector("tensors.tsv", "metadata.tsv", "file\tlabel\n", "{}\tdog\n"),
    "projector of one column": _projector("my_tensors.tsv", "my_metadata.tsv", "", "{}\n"),  # has no header
    "savez without names": lambda ids, X: _arrays(arr_0=X, arr_1=np.array(ids)),
    "numpy as text": _texts_of(str),
    "lists as text": _texts_of(lambda x: str(x.tolist())),
    "lists of numpy numbers as text": _texts_of(lambda x: repr(list(x))),
    "arrays as text": _texts_of(lambda x: repr(x[None])),
    "tensors as text": _texts_of(lambda x: f"tensor({x.tolist()}, device='cuda:0')"),
}


@pytest.mark.parametrize("kind", CARELESS)
def test_what_is_saved_without_care_is_read(kind, shared, X, tmp_path, monkeypatch):
    monkeypatch.setattr(embedding_tables, "_ROWS", 7)
    tones = shared.dataset("tones")
    shuffled = np.random.default_rng(1).permutation(24)
    names = _names(tones, "path")
    path = CARELESS[kind]([names[i] for i in shuffled], X[shuffled])(tmp_path)
    report = import_embeddings(shared, tones, "careless", path)
    np.testing.assert_allclose(vectors(shared, report.spec)[1], X, atol=1e-6)
    assert (report.unknown, report.excluded) == ([], {})


def test_a_numbered_run_is_the_embedding_and_what_was_used_is_said(shared, X, tmp_path):
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


def test_names_from_elsewhere(shared, X, tmp_path):
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


def test_words_to_type_save_what_could_not_be_read(shared, X, tmp_path):
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
def test_tables_that_can_be_read_two_ways(columns, says, shared, X, tmp_path):
    table = pd.concat([pd.DataFrame(columns), _named(X)], axis=1)
    for kind in ("csv", "parquet"):
        path = tmp_path / f"x.{kind}"
        table.to_csv(path, index=False) if kind == "csv" else table.to_parquet(path)
        with pytest.raises(EmbeddingsError, match=says):
            import_embeddings(shared, shared.dataset("tones"), "ways", path)


# -- what does not fit --


def test_clips_without_a_good_embedding_are_left_out_with_a_reason(workspace, tones, X, tmp_path):
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


def test_frames_that_are_bad_or_missing(workspace, tones, tmp_path):
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


IDS = [f"tone-{k}__{i:04d}" for k in range(4) for i in range(k, 24, 4)]
LINES = [f"{id},{','.join(map(str, y))}" for id, y in zip(IDS, Y, strict=True)]
UP = np.arange(25)
#: How to write each bad file, and the sentence about it.
BAD: dict[str, tuple[Write, str]] = {
    "no key": (_arrays(ids=IDS, logits=Y), r"holds ids, logits; it must hold embeddings \(n, d\), or frames"),
    "few ids": (_arrays(ids=IDS[1:], embeddings=Y), "holds 23 ids for 24 embeddings; they must be as many"),
    "text": (_arrays(ids=IDS, embeddings=Y.astype(str)), "values of the type <U.*; embeddings are numbers"),
    "complex": (_arrays(ids=IDS, embeddings=Y.astype(complex)), "values of the type complex"),
    "3-d": (
        _arrays(ids=IDS, embeddings=Y[:, None, :]),
        r"shape \(24, 1, 5\); embeddings have the shape \(clips",
    ),
    "scalar": (_arrays(ids=IDS, embeddings=np.float32(1)), r"shape \(\); embeddings have"),
    "empty": (_arrays(ids=np.array([], str), embeddings=Y[:0]), "holds no embeddings"),
    "no width": (_arrays(ids=IDS, embeddings=Y[:, :0]), "vectors of 0 numbers"),
    "twice": (
        _arrays(ids=[*IDS[:-2], *IDS[:2]], embeddings=Y),
        "more than one embedding of 2 clips, such as .*; give",
    ),
    "twice by path": (
        _arrays(ids=[f"x/{IDS[0]}.wav"] * 24, embeddings=Y),
        "None of the 24 names|more than one",
    ),
    "strangers": (
        _arrays(ids=[f"dog {i}" for i in range(24)], embeddings=Y),
        r"None of the 24 names in .*, such as dog 0, dog 1, dog 2, is a clip of tones",
    ),
    "all zeros": (
        _arrays(ids=IDS, embeddings=Y * 0),
        "None of the embeddings in .* can be used; the first clip, .*: its embedding is all zeros",
    ),
    "number ids": (
        _arrays(ids=np.arange(24) / 2, embeddings=Y),
        r"ids of the type float64 .*; they must be \(n,\) of text",
    ),
    "few frames": (_arrays(ids=IDS, frames=Y, offsets=UP * 2), "fewer rows than its offsets say"),
    "many frames": (_arrays(ids=IDS, frames=Y, offsets=np.r_[UP[:24], 23]), "more rows than its offsets say"),
    "falling offsets": (_arrays(ids=IDS, frames=Y, offsets=UP[::-1]), "offsets that do not rise from 0"),
    "fractions": (
        _arrays(ids=IDS, frames=Y, offsets=UP * 1.0),
        r"offsets of the type float64 .* \(n \+ 1,\) whole numbers",
    ),
    "widths": (_arrays(ids=IDS, frames=Y, offsets=UP, embeddings=Y[:, :3]), "vectors of 5 numbers and of 3"),
    "pickle in npz": (_objects("x.npz"), "holds Python objects, which would have to be unpickled"),
    "pickle": (_objects("x.npy"), "holds Python objects, which would have to be unpickled"),
    "archive as npy": (lambda f: _arrays(ids=IDS, embeddings=Y)(f).rename(f / "x.npy"), "call it .npz"),
    "no npy": (_file("x.npy", b"hello"), "unpickled|cannot be read"),
    "no archive": (_file("x.npz", b"PK\x03\x04 and no more"), "cannot be read"),
    "cut short": (_short(_arrays(ids=IDS, embeddings=Y), 100), "cannot be read"),
    "kind": (_file("x.pkl", b""), "not of a kind that is read; give .npy, .npz"),
    "nowhere": (lambda f: f / "nowhere.npz", "There is no file or folder"),
    "csv words": (
        _rows("id,a,b,c,d,e", *LINES[:-1], f"{IDS[-1]},1,2,3,4,five"),
        "has 'five' among the numbers of column 'e'; leave the cell empty",
    ),
    "csv ragged": (
        _rows("id,a,b,c,d,e", *LINES[:-1], LINES[-1] + ",6"),
        "cannot be read as a table .*line 25",
    ),
    "csv no ids": (
        _rows("a,b,c", "1,2,3"),
        "no column that names the clips; its columns are a, b, c: call one",
    ),
    "csv no numbers": (_rows("id,label", *(f"{id},dog" for id in IDS)), "no columns of numbers"),
    "csv two names": (_rows("id,a,a,b,c,d", *LINES), "two columns of one name"),
    "csv two runs": (
        _rows("id,a0,a1,b0,b1,b2", *LINES),
        "several numbered runs of columns, such as a0 … and b0 …",
    ),
    "csv nothing": (_rows(), "cannot be read as a table|no column"),
    "csv latin": (_file("x.csv", "id,a\nété,1\n".encode("latin-1")), "not UTF-8"),
    "parquet ragged": (
        _column(id=IDS, v=[Y[0, 1:].tolist(), *Y[1:].tolist()]),
        "vectors of 4 and of 5 numbers; all must have the same length",
    ),
    "parquet text": (_column(id=IDS, v=[["a"]] * 24), "lists of string; embeddings are lists of numbers"),
    "parquet deep": (_column(id=IDS, v=[[[1.0]]] * 24), "embeddings are lists of numbers"),
    "parquet no ids": (_column(v=Y.tolist()), "no column that names the clips"),
    "parquet torn": (_short(_column(id=IDS, v=Y.tolist()), 4), "cannot be read"),
    "json torn": (_texts(b="{"), "b.json is not JSON"),
    "json words": (
        _texts(b='{"embeddings": ["a", "b"]}'),
        "neither a list of numbers nor a list of such lists",
    ),
    "json ragged": (
        _texts(b='{"embeddings": [[1, 2], [1]]}'),
        "neither a list of numbers nor a list of such",
    ),
    "json deep": (_texts(b='{"embeddings": [[[1]]]}'), r"shape \(1, 1, 1\)"),
    "json widths": (
        _texts(a='{"embeddings": [1, 2, 3]}', b='{"embeddings": [1, 2]}'),
        "vectors of 2 numbers and of 3",
    ),
    "json none": (_texts(b='{"model": "x"}'), "holds no .json file with embeddings"),
    "json list": (_texts(b="[1, 2]"), "holds no .json file with embeddings"),
    "json empty": (_texts(), "holds no .json file with embeddings"),
    "json nothing": (_texts(b='{"embeddings": []}'), "holds no embeddings"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_files_are_one_sentence_and_import_nothing(kind, shared, tmp_path):
    tones = shared.dataset("tones")
    write, says = BAD[kind]
    with pytest.raises(EmbeddingsError, match=says) as caught:
        import_embeddings(shared, tones, "bad", write(tmp_path))
    assert "\n" not in str(caught.value)
    assert "imported:bad" not in [s.encoder for s in shared.spaces(tones)]
    assert not (tmp_path / "ran").exists()
    assert list((shared.root / "imported").glob(".*")) == []  # nothing is left of what was read


@pytest.mark.parametrize(
    ("kind", "packed"), [("npz", False), ("npz", True), ("npy", False), ("parquet", False)]
)
def test_damaged_files_are_one_sentence_or_numbers(kind, packed, X, tmp_path):
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
def test_hostile_json_is_one_sentence(text, says, tmp_path):
    folder = tmp_path / "json"
    folder.mkdir()
    (folder / "a.json").write_text(text)
    with pytest.raises(EmbeddingsError, match=says) as caught:
        embedding_files.stage(folder, tmp_path)
    assert "a.json" in str(caught.value)


def test_clips_of_no_frames_at_all_are_told(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, frames=np.zeros((0, 4), np.float32), offsets=np.array([0, 0, 0]))
    with pytest.raises(EmbeddingsError, match="no frames of any of its 2 clips"):
        embedding_files.stage(path, tmp_path)


def test_the_same_file_twice_named_is_told(workspace, tones, X, tmp_path):
    names = _names(tones, "file name")
    names[5] = names[4]
    with pytest.raises(
        EmbeddingsError, match=f"more than one embedding of 1 clip, such as {ids_of(tones)[4]};"
    ):
        import_embeddings(workspace, tones, "mine", _npz(tmp_path, names, X))


@pytest.mark.parametrize("name", ["", "Clap", "a b", "../x", "a/b", "-x", "x" * 65])
def test_names_that_cannot_be(name, workspace, tones, X, tmp_path):
    with pytest.raises(UnknownEncoder, match="cannot name embeddings; use up to 64"):
        import_embeddings(workspace, tones, name, _npz(tmp_path, ids_of(tones), X))


# -- a space like any other --


def _imported(
    workspace: Workspace, tones: Dataset, X: np.ndarray, folder: Path, name: str = "mine"
) -> Report:
    return import_embeddings(workspace, tones, name, _npz(folder, ids_of(tones), X))


def test_neighbours_and_maps_work_on_it(workspace, tones, X, tmp_path):
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


def test_a_name_means_what_was_imported_last(workspace, tones, X, tmp_path):
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


def test_names_belong_to_one_dataset(workspace, tones, X, tmp_path):
    _imported(workspace, tones, X, tmp_path)
    ref = tones.ref.__class__("others", "0" * 64)
    with pytest.raises(UnknownEncoder, match="no embeddings by the name of imported:mine here"):
        EmbedAudio(dataset=ref, encoder="imported:mine")
    assert tones.ref == type(ref)(tones.name, tones.fingerprint)
    assert hash(tones.ref) == hash(type(ref)(tones.name, tones.fingerprint))


def test_eviction_keeps_what_cannot_be_made_again(workspace, tones, X, tmp_path):
    old = _imported(workspace, tones, 2 * X, tmp_path)
    new = _imported(workspace, tones, X, tmp_path)
    workspace.evict(0)
    assert workspace.cache.contains(new.spec.key)
    assert not workspace.cache.contains(old.spec.key)


def test_a_job_for_what_is_gone_says_so(workspace, tones, X, tmp_path):
    spec = _imported(workspace, tones, X, tmp_path).spec
    workspace.cache.delete(spec.key)
    job = run(workspace, Project(embedding=spec, method="pca"))
    assert job.state == "failed"
    assert "no embeddings by the name of imported:mine here, and no model can make them" in (job.error or "")
    assert "`hearspace import-embeddings DATASET mine FILE`" in (job.error or "")
    _imported(workspace, tones, X, tmp_path)
    assert [s.state for s in workspace.spaces(tones)] == ["done"]


def test_removing(workspace, tones, X, tmp_path):
    _imported(workspace, tones, X, tmp_path)
    _imported(workspace, tones, 2 * X, tmp_path)
    _imported(workspace, tones, X, tmp_path, "other")
    assert remove(workspace, tones, "mine") == 2
    assert [s.encoder for s in workspace.spaces(tones)] == ["imported:other"]
    with pytest.raises(EmbeddingsError, match="no imported embeddings by the name of mine; it has: other"):
        remove(workspace, tones, "mine")


def test_a_registry_of_another_version_is_not_read(workspace, tones, X, tmp_path):
    _imported(workspace, tones, X, tmp_path)
    (file,) = (workspace.root / "imported" / tones.fingerprint).iterdir()
    for text in ("{", "[]", '{"identity": "x"}'):
        file.write_text(text)
        assert imported.meanings(workspace.root, tones.fingerprint) == {}
        assert len(workspace.spaces(tones)) == 1  # the result is there all the same


def test_what_is_known_of_the_model(workspace, tones, X, tmp_path):
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


def test_a_big_file_is_read_in_blocks(workspace, tones, tmp_path, monkeypatch):
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


def test_what_a_killed_import_left_is_removed_a_day_later(workspace, tones, X, tmp_path):
    old, new = (workspace.root / "imported" / f".reading-{n}" for n in ("old", "new"))
    for folder in (old, new):
        folder.mkdir(parents=True)
        (folder / "vectors.f32").touch()
    os.utime(old, (1, 1))
    _imported(workspace, tones, X, tmp_path)
    assert (old.exists(), new.exists()) == (False, True)


# -- the command --


@pytest.fixture
def here(workspace, monkeypatch):
    monkeypatch.setenv("HEARSPACE_HOME", str(workspace.root))
    monkeypatch.setenv("COLUMNS", "200")
    return workspace


def test_command(here, tones, X, tmp_path, capsys):
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
    here, tones, X, tmp_path, capsys, monkeypatch, arguments, says
):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", X)
    status, _, err = call(capsys, "import-embeddings", *arguments)
    assert status == 2
    assert says in re.sub(r"[\s│]+", " ", err)
    assert "Traceback" not in err


def test_a_name_that_was_never_imported(here, capsys):
    status, _, err = call(capsys, "project", "tones", "imported:clap")
    assert status == 2
    assert "`hearspace import-embeddings DATASET clap FILE`" in err
