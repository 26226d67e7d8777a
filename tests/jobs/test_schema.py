"""The schema of a result: what it stores, what it refuses and in which words, how it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from cache import ArtifactStore
from jobs.tasks import describe
from jobs.tasks.schema import Schema, SchemaError, array, files, numbered, table, tensors, value
from jobs.tasks.spec import SPECS, Spec


class Result(Schema):
    """A result with a field of every kind."""

    means: np.ndarray = array("float64", "C d", "mean of each class")
    offsets: np.ndarray = array("int64", "C+1", "where each class begins")
    extra: np.ndarray | None = array("float32", "3", "three numbers", default=None)
    classes: pa.Table = table(
        "C", "a class", {"label": ("string", "its name"), "scores": ("list[float]", "some scores")}
    )
    weights: dict[str, np.ndarray] | None = tensors("weights by layer", default=None)
    spaces: Mapping[int, np.ndarray] = numbered(array("float64", "C 2", "a space of a model"))
    models: Mapping[int, dict[str, np.ndarray]] = numbered(tensors("weights of a model", default=None))
    sounds: list[str] = files("audio/*.flac", "a sound")
    n: int = value("clips")
    score: float | None = value("how good")
    by_fold: dict[str, float] = value("the same by fold", default={})


@dataclass(frozen=True, kw_only=True)
class Asked(Spec[Result]):
    """A question for tests."""

    number: int = 0


@pytest.fixture(scope="module", autouse=True)
def _not_kept() -> Any:
    yield
    SPECS.pop("Asked")


@pytest.fixture
def cache(tmp_path: Any) -> ArtifactStore:
    return ArtifactStore(tmp_path)


GIVEN: dict[str, Any] = {
    "means": np.ones((2, 4)),
    "offsets": np.arange(3),
    "spaces": {0: np.zeros((2, 2)), 12: np.ones((2, 2))},
    "classes": {"label": ["a", "b"], "scores": [[0.5], []]},
    "n": 7,
    "score": None,
}


def test_a_result_comes_back_as_it_was_given(cache: ArtifactStore) -> None:
    spec = Asked()
    spec.store(cache, Result(**GIVEN, extra=np.zeros(3, np.float32), weights={"w": np.ones(2)}), 1.5)
    found = spec.read(cache)
    assert isinstance(found.means, np.memmap)
    assert found.means is found.means
    np.testing.assert_array_equal(found.means, GIVEN["means"])
    assert found.classes.to_pydict() == GIVEN["classes"]
    assert found.extra is not None
    assert found.weights is not None
    assert found.weights["w"].tolist() == [1, 1]
    assert (found.n, found.score, found.by_fold, found.sounds) == (7, None, {}, [])
    assert list(found.spaces) == [0, 12]
    assert found.spaces[12].tolist() == [[1, 1], [1, 1]]
    assert len(found.models) == 0
    with pytest.raises(KeyError):
        _ = found.spaces[1]
    assert cache.open(spec.key).manifest["seconds"] == 1.5


def test_what_may_be_absent_is_its_default(cache: ArtifactStore) -> None:
    Asked().store(cache, Result(**GIVEN))
    found = Asked().read(cache)
    assert found.extra is None
    assert found.weights is None
    assert "extra.npy" not in cache.open(Asked().key)


def test_empty_columns_have_their_types(cache: ArtifactStore) -> None:
    empty: dict[str, Any] = {"means": np.empty((0, 4)), "offsets": np.zeros(1, int)}
    empty |= {"classes": {"label": [], "scores": []}, "spaces": {0: np.empty((0, 2))}}
    Asked().store(cache, Result(**GIVEN | empty))
    assert [str(f.type) for f in Asked().read(cache).classes.schema] == ["string", "list<element: float>"]


def test_rows_are_a_table(cache: ArtifactStore) -> None:
    rows = [{"scores": [0.5], "label": "a"}, {"label": None, "scores": []}]
    Asked().store(cache, Result(**GIVEN | {"classes": rows}))
    stored = Asked().read(cache).classes
    assert stored.column_names == ["label", "scores"]
    assert stored.column("label").to_pylist() == ["a", None]


def test_a_data_frame_is_a_table(cache: ArtifactStore) -> None:
    frame = pd.DataFrame({"label": ["a", "b"], "scores": [np.float32([1]), np.float32([])]})
    Asked().store(cache, Result(**GIVEN | {"classes": frame}))
    assert Asked().read(cache).classes.column("label").to_pylist() == ["a", "b"]


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"means": np.ones((2, 4), np.float32)}, "means.npy holds float32; it must hold float64."),
        ({"means": np.ones(2)}, "means.npy has the shape (2,); it must be (C, d)."),
        (
            {"offsets": np.arange(4)},
            "offsets.npy has the shape (4,); it must be (C+1,), and C is 2 by means.npy.",
        ),
        ({"extra": np.zeros(2, np.float32)}, "extra.npy has the shape (2,); it must be (3,)."),
        (
            {"classes": {"label": ["a", "b"]}},
            "classes.parquet lacks the column 'scores'; its columns are label, scores.",
        ),
        (
            {"classes": {"label": ["a", "b"], "scores": [[], []], "n": [1, 2]}},
            "classes.parquet has a column 'n'; its columns are label, scores.",
        ),
        (
            {"classes": pd.DataFrame({"label": [1, 2], "scores": [[0.5], [0.5]]})},
            "Column 'label' of classes.parquet holds int64; it must hold string.",
        ),
        (
            {"classes": {"label": ["a"], "scores": [[]]}},
            "classes.parquet has the shape (1,); it must be (C,), and C is 2 by means.npy.",
        ),
        (
            {"spaces": {3: np.ones((3, 2))}},
            "spaces_3.npy has the shape (3, 2); it must be (C, 2), and C is 2 by means.npy.",
        ),
        ({"spaces": {}}, "spaces_*.npy is missing from the result."),
        ({"n": 0.5}, "n in meta is 0.5; it must be int."),
        ({"n": True}, "n in meta is True; it must be int."),
        ({"score": "good"}, "score in meta is 'good'; it must be float | None."),
    ],
)
def test_what_is_not_as_declared_is_refused(cache: ArtifactStore, other: dict[str, Any], says: str) -> None:
    with pytest.raises(SchemaError) as error:
        Asked().store(cache, Result(**GIVEN | other))
    assert str(error.value) == says
    assert not cache.contains(Asked().key)


def test_every_required_field_must_be_given() -> None:
    with pytest.raises(SchemaError, match="lacks n, score"):
        Result(means=0, offsets=0, classes=0, spaces={})  # type: ignore[call-arg]
    with pytest.raises(SchemaError, match="has no field other"):
        Result(**GIVEN, other=1)


def test_what_is_written_by_hand_is_held_to_the_declaration(cache: ArtifactStore) -> None:
    with cache.writer(Asked().key) as w:
        Result(**GIVEN).write(w)
        w.file("audio/a.flac").write_bytes(b"x")
        Result.check(w.path, w.meta)
        w.file("audio/a.wav").write_bytes(b"x")
        with pytest.raises(SchemaError, match=r"audio/a\.wav is in the result"):
            Result.check(w.path, w.meta)
    assert Asked().read(cache).sounds == ["audio/a.flac"]


def test_what_is_missing_or_unknown_is_named(cache: ArtifactStore) -> None:
    with cache.writer(Asked().key) as w:
        w.array("means", GIVEN["means"])
        with pytest.raises(SchemaError, match="offsets.npy is missing from the result"):
            Result.check(w.path, w.meta)
    with pytest.raises(SchemaError, match="has no offsets.npy"):
        _ = Asked().read(cache).offsets
    with cache.writer(Asked(number=1).key) as w:
        Result(**GIVEN).write(w)
        w.meta["other"] = 1
        with pytest.raises(SchemaError, match="other in meta is in the result"):
            Result.check(w.path, w.meta)


def test_a_schema_describes_itself() -> None:
    assert list(Result.describe())[:6] == [
        ("means.npy", "(C, d) float64", "mean of each class"),
        ("offsets.npy", "(C+1,) int64", "where each class begins"),
        ("extra.npy", "(3,) float32", "three numbers (may be absent)"),
        ("classes.parquet", "table of C rows", "a class"),
        ("classes.parquet: label", "string", "its name"),
        ("classes.parquet: scores", "list[float]", "some scores"),
    ]


def test_the_page_of_results_is_that_of_the_tasks() -> None:
    page = Path(__file__).parents[2] / "docs" / "results.md"
    assert page.read_text(encoding="utf-8") == describe(), "make it anew, as it says"
