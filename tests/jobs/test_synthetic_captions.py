"""Captions of the synthetic world: as many and as varied as promised, and named where they say so."""

from __future__ import annotations

import pytest

from core.leakage import find_leaks
from jobs.datasets import synthetic
from jobs.datasets.synthesis.captions import MOST, PHRASES, captions
from jobs.specs import Synthesize
from jobs.workspace.captions import captions_fingerprint, captions_of
from jobs.workspace.workspace import Workspace

NAMES = [sound.name for sound in synthetic.classes()]


def test_every_class_has_phrases_and_no_phrase_is_of_two():
    assert list(PHRASES) == NAMES
    phrases = [phrase for parts in PHRASES.values() for part in parts for phrase in part]
    assert len(phrases) == len(set(phrases)) == 4 * len(NAMES)


@pytest.mark.parametrize("mode", ["words", "names"])
def test_the_odd_captions_name_their_class_and_the_even_ones_do_not(mode):
    for name in NAMES:
        sentences = captions(name, 0, seed=0, n=MOST) + captions(name, 1, seed=0, n=MOST)
        found = find_leaks(sentences, [name], mode="words")["row"].tolist()
        assert found == [i for i in range(2 * MOST) if i % 2 == 0], name
        # A whole name is never found where none of its words is.
        assert set(find_leaks(sentences, [name], mode=mode)["row"]) <= set(found)


def test_captions_are_the_same_for_the_same_clip_and_vary_between_clips():
    for name in NAMES[::7]:
        one = captions(name, 4, seed=2, n=MOST)
        assert one == captions(name, 4, seed=2, n=MOST)
        assert one[:3] == captions(name, 4, seed=2) == captions(name, 4, seed=2, n=3)
        assert len(set(one)) == MOST
        assert len({text for i in range(12) for text in captions(name, i, seed=2)}) > 12
        assert one != captions(name, 4, seed=3, n=MOST)
        for text in one:
            assert text[0].isupper()
            assert text.endswith(".")
            assert "  " not in text
            assert "{" not in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("Unicorn", 0, 0, 3), "no synthetic class 'Unicorn'"),
        (("Bark", -1, 0, 3), "index is -1"),
        (("Bark", 0, -1, 3), "seed -1"),
        (("Bark", 0, 0, 7), "n 7"),
        (("Bark", 0, 0, 0), "n 0"),
    ],
)
def test_what_cannot_be_is_refused(arguments, message):
    name, index, seed, n = arguments
    with pytest.raises(ValueError, match=message):
        captions(name, index, seed=seed, n=n)


def test_a_synthetic_dataset_has_captions_before_it_has_sounds(tmp_path):
    spec = Synthesize(classes=6, clips_per_class=2, seed=5)
    dataset = Workspace.open(tmp_path).add_synthetic("world", spec)
    assert not dataset.ready
    table = captions_of(dataset)
    assert table["clip_id"].tolist() == [id for id in dataset.clips["clip_id"] for _ in range(3)]
    assert table["caption"].tolist()[:3] == captions("Bark", 0, seed=5)
    again = captions_of(Workspace.open(tmp_path).dataset("world"))
    assert captions_fingerprint(table) == captions_fingerprint(again)
    # What is said of single clips elsewhere stays as it was.
    assert dataset.clips["caption"].isna().all()
