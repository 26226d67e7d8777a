"""What is written comes back, and only what may be written is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from cache import ArtifactStore, CacheError, CorruptArtifact, MissingArtifact
from cache.names import check_key, check_name
from tests.processes import printed

from .conftest import fill, key_of, leftovers

KEY = key_of("artifact")


def test_everything_comes_back(store: ArtifactStore) -> None:
    with store.writer(KEY, spec={"type": "Demo", "fields": {"k": 3}}) as w:
        w.array("x", np.arange(6.0).reshape(2, 3))
        w.table("clips", {"clip_id": ["a", "b"], "labels": [["x"], ["y", "z"]], "fold": [1, None]})
        w.tensors("weights", {"a": np.ones((2, 2), np.float32), "b": np.array(3, np.int64)})
        w.file("audio/süß & 'x'.flac").write_bytes(b"sound")
        w.meta |= {"n": np.int64(4), "ratio": np.float32(0.5), "ks": (1, 2), "nothing": None, "ok": np.True_}
    a = store.open(KEY)
    assert a.names() == ["audio/süß & 'x'.flac", "clips.parquet", "weights.safetensors", "x.npy"]
    assert "x.npy" in a
    assert "y.npy" not in a
    np.testing.assert_array_equal(a.array("x"), np.arange(6.0).reshape(2, 3))
    assert a.table("clips").to_pydict() == {
        "clip_id": ["a", "b"],
        "labels": [["x"], ["y", "z"]],
        "fold": [1, None],
    }
    assert a.table("clips", columns=["fold"]).column_names == ["fold"]
    tensors = a.tensors("weights")
    assert tensors["a"].tolist() == [[1, 1], [1, 1]]
    assert tensors["b"].shape == ()
    assert tensors["b"] == 3
    assert a.file("audio/süß & 'x'.flac").read_bytes() == b"sound"
    assert a.meta == {"n": 4, "ratio": 0.5, "ks": [1, 2], "nothing": None, "ok": True}
    assert a.spec == {"type": "Demo", "fields": {"k": 3}}
    assert a.key == KEY
    assert store.verify() == []


def test_the_manifest_describes_every_file(store: ArtifactStore) -> None:
    fill(store, "artifact", n=10)
    m = json.loads((store.root / "objects" / KEY[:2] / KEY / "manifest.json").read_text())
    assert m == store.open(KEY).manifest
    assert (m["format"], m["key"]) == (1, KEY)
    assert m["versions"]["numpy"] == np.__version__
    assert m["seconds"] >= 0
    x = m["files"]["x.npy"]
    assert (x["kind"], x["dtype"], x["shape"], x["size"]) == ("array", "float32", [10], 128 + 40)
    assert m["files"]["t.parquet"]["shape"] == [2, 2]
    assert m["files"]["t.parquet"]["dtype"] == {"a": "int64", "b": "string"}
    assert m["files"]["w.safetensors"]["shape"] == {"weight": [2, 2]}
    assert m["files"]["audio/note.txt"] == {
        "size": 5,
        "kind": "file",
        "sha256": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
    }


def test_versions_and_seconds_can_be_given(store: ArtifactStore) -> None:
    with store.writer(KEY, versions={"model": "7"}) as w:
        w.seconds = 12.5
    assert store.open(KEY).manifest["versions"] == {"model": "7"}
    assert store.open(KEY).manifest["seconds"] == 12.5
    assert store.list()[0].seconds == 12.5


@pytest.mark.parametrize(
    "x",
    [
        np.zeros((0, 5), np.float32),
        np.array(3.5),
        np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        np.arange(20)[::3],
        np.array(["kurz", "länger"]),
        np.array(["2026-01-01", "NaT"], "datetime64[D]"),
        np.array([(1, 2.0)], dtype=[("a", "i4"), ("ß", "f8")]),
        np.array([1, 2], ">i2"),
        np.array([np.nan, np.inf]),
    ],
    ids=lambda x: f"{x.dtype}{x.shape}",
)
def test_arrays_of_every_kind(store: ArtifactStore, x: np.ndarray) -> None:
    with store.writer(KEY) as w:
        w.array("x", x)
    for mmap in (True, False):
        y = store.open(KEY).array("x", mmap=mmap)
        assert y.dtype == x.dtype
        np.testing.assert_array_equal(y, x)


def test_mapped_arrays_are_read_only(store: ArtifactStore) -> None:
    fill(store, "artifact")
    x = store.open(KEY).array("x.npy")
    assert isinstance(x, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        x[0] = 1
    own = store.open(KEY).array("x", mmap=False)
    own[0] = 99
    assert store.open(KEY).array("x")[0] == 0


@pytest.mark.parametrize("shape", [(1000, 7), (0, 7), (), 12, [3, 2]])
def test_arrays_filled_piece_by_piece(store: ArtifactStore, shape: object) -> None:
    with store.writer(KEY) as w:
        x = w.empty_array("frames", shape, "float32")
        assert not x.any()
        x[...] = np.arange(x.size).reshape(x.shape)
    with pytest.raises(ValueError, match="read-only"):
        x[...] = 1
    y = store.open(KEY).array("frames")
    np.testing.assert_array_equal(y, np.arange(x.size, dtype=np.float32).reshape(x.shape))
    assert store.verify() == []


def test_a_streamed_array_has_its_disk_blocks_from_the_start(store: ArtifactStore) -> None:
    with store.writer(KEY) as w:
        w.empty_array("x", (1 << 20,), "uint8")
        stat = (w.path / "x.npy").stat()
        assert stat.st_blocks * 512 >= stat.st_size


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (np.array([{}, None]), "Python objects"),
        ([[1], [1, 2]], None),
        (np.zeros(2, dtype=[("a", object)]), "Python objects"),
        (np.ma.masked_array([1, 2], [True, False]), "masked"),
        (np.zeros(2, "V2"), "cannot store"),
    ],
)
def test_arrays_that_cannot_be_kept(store: ArtifactStore, values: object, says: str | None) -> None:
    with pytest.raises((CacheError, ValueError), match=says), store.writer(KEY) as w:
        w.array("x", values)
    assert not store.contains(KEY)
    assert leftovers(store) == []


def test_pickles_get_in_by_no_way(store: ArtifactStore) -> None:
    for name in ("model.pkl", "model.pt", "model.joblib", "x.npz", "x", ".npy", "x.npy.exe"):
        with pytest.raises(CacheError), store.writer(KEY) as w:
            w.file(name)
        with pytest.raises(CacheError), store.writer(KEY) as w:
            (w.path / name).write_bytes(b"x")
    with pytest.raises(CacheError, match="not a readable array"), store.writer(KEY) as w:
        np.save(w.file("x.npy"), np.array([{}]), allow_pickle=True)
    with pytest.raises(CacheError, match="Python objects"), store.writer(KEY) as w:
        w.empty_array("x", 3, object)
    assert not store.contains(KEY)
    assert leftovers(store) == []


def test_a_pickle_put_in_place_of_an_array_is_not_loaded(store: ArtifactStore) -> None:
    fill(store, "artifact")
    path = store.open(KEY).file("x.npy")
    size = path.stat().st_size
    path.unlink()
    np.save(path, np.array([{}]), allow_pickle=True)
    with open(path, "r+b") as f:
        f.truncate(size)
    with pytest.raises(CorruptArtifact, match="damaged"):
        store.open(KEY).array("x", mmap=False)


@pytest.mark.parametrize("suffix", [".npy", ".parquet", ".safetensors"])
def test_files_are_what_their_suffix_says(store: ArtifactStore, suffix: str) -> None:
    with pytest.raises(CacheError, match="not a readable"), store.writer(KEY) as w:
        w.file(f"x{suffix}").write_bytes(b"\xff" * 100)
    assert not store.contains(KEY)


def test_formats_may_be_written_by_other_programs(store: ArtifactStore) -> None:
    import pyarrow.parquet as pq

    with store.writer(KEY) as w:
        with pq.ParquetWriter(w.file("t.parquet"), pa.schema([("a", pa.int64())])) as out:
            for i in range(3):
                out.write_table(pa.table({"a": [i]}))
        np.save(w.path / "x.npy", np.arange(3))
    assert store.open(KEY).table("t")["a"].to_pylist() == [0, 1, 2]
    assert store.open(KEY).array("x").tolist() == [0, 1, 2]


BAD_NAMES = [
    *("", ".", "..", "/etc/passwd.txt", "../x.txt", "a/../x.txt", "a/..", "a//x.txt", "a/./x.txt", "x.txt/"),
    *(".hidden.txt", "a/.x.txt", "a\\b.txt", "a\0.txt", "a\n.txt", "manifest.json", "MANIFEST.json"),
    *("x" * 256 + ".txt", 3, None),
]


@pytest.mark.parametrize("name", BAD_NAMES, ids=repr)
def test_names_stay_inside(store: ArtifactStore, name: str) -> None:
    with pytest.raises(CacheError, match="cannot name a file"):
        check_name(name)
    fill(store, "artifact")
    with pytest.raises(CacheError):
        store.open(KEY).file(name)
    with pytest.raises(CacheError), store.writer(key_of(2)) as w:
        w.file(name)
    for method in ("array", "table", "tensors"):
        with pytest.raises(CacheError):
            getattr(store.open(KEY), method)(name)


@pytest.mark.parametrize(
    "key", ["", "ab", "AB" * 32, "zz" * 32, "ab" * 33, "../" + "a" * 61, "a" * 64 + "\n", 3, None]
)
def test_keys_are_checked_everywhere(store: ArtifactStore, key: str) -> None:
    for use in (check_key, store.contains, store.open, store.delete, lambda k: store.verify([k])):
        with pytest.raises(CacheError, match="64 lower-case hexadecimal"):
            use(key)
    with pytest.raises(CacheError), store.writer(key):
        pass
    assert not store.root.exists()


def test_links_are_refused_both_ways(store: ArtifactStore, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("hello")
    with pytest.raises(CacheError, match="not links"), store.writer(KEY) as w:
        w.file("a.txt").symlink_to(secret)
    with pytest.raises(CacheError, match="cannot be stored"), store.writer(KEY) as w:
        (w.path / "folder").symlink_to(tmp_path)
    assert not store.contains(KEY)
    fill(store, "artifact")
    path = store.open(KEY).file("audio/note.txt")
    path.unlink()
    path.symlink_to(secret)
    with pytest.raises(CorruptArtifact, match="link"):
        store.open(KEY).file("audio/note.txt")
    assert [p.reason for p in store.verify()] == ["it is a link"]
    store.verify(remove=True)
    assert secret.read_text() == "hello"


def test_a_store_behind_a_link_works(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    store = ArtifactStore(tmp_path / "link", durable=False)
    key = fill(store, 1)
    assert store.open(key).array("x")[3] == 3
    assert store.verify() == []


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (float("nan"), r"meta\['v'\] is nan"),
        ([1, {"a": np.inf}], r"meta\['v'\]\[1\]\['a'\] is inf"),
        (np.zeros(3), "is a ndarray"),
        ({1: 2}, "keys must be text"),
        (Path("x"), "Path"),
        (b"x", "bytes"),
    ],
)
def test_meta_holds_plain_values_only(store: ArtifactStore, value: object, says: str) -> None:
    with pytest.raises(CacheError, match=says), store.writer(KEY) as w:
        w.meta["v"] = value
    assert not store.contains(KEY)
    with pytest.raises(CacheError, match=says.replace("meta", "spec")), store.writer(KEY, spec={"v": value}):
        pass


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"a": [1, 2], "b": [1]}, "cannot be stored"),
        ({"a": [1, "x"]}, "cannot be stored"),
        (pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"]), "one name"),
        ("text", "cannot be stored"),
    ],
)
def test_tables_that_cannot_be_kept(store: ArtifactStore, columns: object, says: str) -> None:
    with pytest.raises(CacheError, match=says), store.writer(KEY) as w:
        w.table("t", columns)


def test_tables_from_data_frames_and_empty_ones(store: ArtifactStore) -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"label": ["a", "b"], "score": [0.5, 0.25]})
    with store.writer(KEY) as w:
        w.table("frame", frame)
        w.table("nothing", {"a": pa.array([], pa.int64())})
    pd.testing.assert_frame_equal(store.open(KEY).table("frame").to_pandas(), frame)
    assert store.open(KEY).table("nothing").num_rows == 0
    with pytest.raises(CacheError, match=r"no column x; it has label, score"):
        store.open(KEY).table("frame", columns=["x"])


def test_tensors_need_not_be_contiguous(store: ArtifactStore) -> None:
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    with store.writer(KEY) as w:
        w.tensors("w", {"t": x.T, "s": x[:, ::2]})
    got = store.open(KEY).tensors("w")
    np.testing.assert_array_equal(got["t"], x.T)
    np.testing.assert_array_equal(got["s"], x[:, ::2])
    with pytest.raises(CacheError, match="tensors hold numbers"), store.writer(key_of(2)) as w:
        w.tensors("w", {"t": np.array(["text"])})


def test_a_name_is_used_once_and_announced_files_are_written(store: ArtifactStore) -> None:
    with pytest.raises(CacheError, match="already"), store.writer(KEY) as w:
        [w.array("x", [i]) for i in (1, 2)]
    with pytest.raises(CacheError, match=r"lacks 'a\.txt'"), store.writer(KEY) as w:
        w.file("a.txt")
    with store.writer(KEY) as w:
        w.array("x", [1])
    with pytest.raises(CacheError, match="is finished"):
        w.array("y", [1])


def test_asking_for_what_is_not_there(store: ArtifactStore) -> None:
    fill(store, "artifact")
    with pytest.raises(CacheError, match=r"no file 'y.npy'; it has audio/note.txt, t.parquet"):
        store.open(KEY).array("y")
    with pytest.raises(MissingArtifact, match="There is no artifact"):
        store.open(key_of(2))


def test_an_unreadable_manifest_is_reported(store: ArtifactStore) -> None:
    fill(store, "artifact")
    path = store.root / "objects" / KEY[:2] / KEY / "manifest.json"
    good = path.read_text()
    for text, says in [
        ("{", "cannot be read"),
        ("", "cannot be read"),
        ("[]", "does not belong"),
        (good.replace(KEY, key_of(2)), "does not belong"),
        (good.replace('"format": 1', '"format": 2'), "use a newer hearspace"),
        (good.replace('"files"', '"folders"'), "lacks fields"),
    ]:
        path.unlink()
        path.write_text(text)
        with pytest.raises(CorruptArtifact, match=says):
            store.open(KEY)
        assert [p.file for p in store.verify()] == ["manifest.json"]


def test_importing_is_light() -> None:
    code = "import sys, cache; print([m for m in ('numpy', 'pyarrow', 'safetensors') if m in sys.modules])"
    assert printed(code).strip() == "[]"
