"""The command that pairs sounds and texts, by a CLAP checkpoint of random weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.curation import curate_specific, curate_unspecific
from jobs import encoders
from jobs.datasets.importer import import_dataset
from jobs.specs import EmbedAudio
from jobs.workspace.workspace import Workspace
from tests.jobs import tiny_models
from tests.jobs.test_cli import call


@pytest.fixture(scope="module")
def clap(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"transformers:{tiny_models.clap(tmp_path_factory.mktemp('clap'))}"


TEXTS = ["a dog", "the rain", "sea waves", "a bark", "the sound of the sea"]


def test_sounds_are_paired_with_texts_and_can_be_added(
    make_workspace: Callable[..., Workspace],
    clap: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    workspace = make_workspace(n_clips=8)
    dataset = workspace.dataset("tones")
    file, out = tmp_path / "texts.txt", dataset.root / "curated.csv"
    file.write_text("\n".join([*TEXTS, TEXTS[0]]))
    where = ("-w", str(workspace.root))
    status, said, err = call(capsys, "curate", "tones", clap, str(file), "--out", str(out), *where)
    assert status == 0, err
    assert f"8 pairs of 8 sounds with {pd.read_csv(out)['caption'].nunique()} of 5 texts" in said
    audio = workspace.cache.open(EmbedAudio(dataset=dataset.ref, encoder=clap).key).array("embeddings")
    model = encoders.load(clap, modality="text")
    vectors = model.embed(TEXTS)
    expected = curate_unspecific(audio, vectors)
    table = pd.read_csv(out)
    assert table["path"].tolist() == dataset.clips["path"].tolist()
    assert table["caption"].tolist() == [TEXTS[i] for i in expected.text]
    np.testing.assert_allclose(table["similarity"], expected.similarity, atol=1e-9)
    added = import_dataset("csv", dataset.root, options={"file": "curated.csv"})
    assert added.clips["caption"].tolist() == table["caption"].tolist()
    # Of a domain only: what holds a word of its terms, and what is nearest to them.
    link = tmp_path / "link.csv"
    link.symlink_to("linked.csv")
    options = ("-k", "2", "--term", "sea", "--share", "0.2", "--json", "--out", str(link))
    status, said, err = call(capsys, "curate", "tones", clap, str(file), *options, *where)
    assert status == 0, err
    assert link.is_symlink()
    assert len(pd.read_csv(tmp_path / "linked.csv")) == 16
    (told,) = json.loads(said)
    near = curate_specific(
        audio, vectors, 2, captions=TEXTS, domain_terms=["sea"], domain=model.embed(["sea"]), share=0.2
    )
    assert told["candidates"] == len(near.candidates) < 5
    assert [row["caption"] for row in told["rows"]] == [TEXTS[i] for i in near.text]
    assert [row["weight"] for row in told["rows"]] == pytest.approx(near.weight.tolist())
    # As the released code does: by threshold, of any text and of those near to a prompt.
    prompts = model.embed(["this is a sound of sea"])
    limit, domain = float(np.median(expected.similarity)) - 1e-9, float(np.median(_cosine(vectors, prompts)))
    released = ("--threshold", str(limit), "--json")
    for options, inside in (
        (released, np.arange(5)),
        (
            ("--term", "sea", "--domain-threshold", str(domain), *released),
            np.flatnonzero(_cosine(vectors, prompts)[:, 0] >= domain),
        ),
    ):
        status, said, err = call(capsys, "curate", "tones", clap, str(file), *options, *where)
        assert status == 0, err
        (told,) = json.loads(said)
        cosine = _cosine(audio, vectors[inside])
        pairs = {(dataset.clips["path"][i], TEXTS[inside[j]]) for i, j in np.argwhere(cosine >= limit)}
        assert {(row["path"], row["caption"]) for row in told["rows"]} == pairs
        assert told["candidates"] == len(inside)


def _cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = (x.astype(float) / np.linalg.norm(x.astype(float), axis=1, keepdims=True) for x in (a, b))
    return np.round(a @ b.T, 12)


@pytest.mark.parametrize(
    ("encoder", "file", "options", "says"),
    [
        ("melstats", "texts.txt", (), "does not embed text"),
        ("{clap}", "nowhere.txt", (), "There is no file"),
        ("{clap}", "texts.txt", ("-k", "9"), "there are 5 texts"),
        ("{clap}", "texts.txt", ("--temperature", "0"), "temperature is 0"),
    ],
)
def test_what_cannot_be_paired(
    make_workspace: Callable[..., Workspace],
    clap: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    encoder: str,
    file: str,
    options: tuple[str, ...],
    says: str,
) -> None:
    workspace = make_workspace(n_clips=4)
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS))
    name = encoder.replace("{clap}", clap)
    where = ("-w", str(workspace.root))
    status, _, err = call(capsys, "curate", "tones", name, str(tmp_path / file), *options, *where)
    assert (status, says in err) == (2, True), err
