"""Leaks: planted names are found in every shape they take, and nothing else is."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.leakage import (
    MODES,
    STOP_WORDS,
    filter_captions,
    find_leaks,
    leak_report,
    leak_spans,
    overlap_of_labels,
    searched_words,
    word_forms,
)

CLASSES = ["dog", "church_bells", "Hand saw", "mouse click", "car horn", "sneezing", "crackling fire", "rain"]
#: Caption, and the classes it names as a whole.
PLANTED: list[tuple[str, list[str]]] = [
    ("Two DOGS bark behind a fence", ["dog"]),
    ("A church bell rings", ["church_bells"]),
    ("the church-bells of a village", ["church_bells"]),
    ("somebody uses a handsaw", ["Hand saw"]),
    ("hand saws cut through a plank", ["Hand saw"]),
    ("clicks: mouse clicks, then mouse clicking", ["mouse click"]),
    ("A car horn, and a dog's bark", ["dog", "car horn"]),
    ("he SNEEZED twice", ["sneezing"]),
    ("a sneeze", ["sneezing"]),
    ("crackling fires at night", ["crackling fire"]),
    ("It\u2019s raining on the dog\u2019s house", ["dog", "rain"]),
    ("\uff32\uff21\uff29\uff2e in wide letters", ["rain"]),
    ("two \u201cchurch\u201d bells and a car/horn", ["church_bells", "car horn"]),
    ("Chu\u0301rch be\u0300lls with odd marks", ["church_bells"]),
]
#: Captions that look like it and name nothing.
CLEAN = [
    "",
    "   ",
    "!?… 🐕",
    "a dogma of the hotdogs",
    "bells of a church",
    "in the church, bells ring. In the car: horn!",
    "a church, its organ and bells",
    "a firecracker in the fire",
    "the click of a mouse",
    "a train in the rainbow",
    "a hand and a saw",
    "horns of several cars",
    "the carhornet of a doge",
    "a sneaky terrain",
    "Schubert plays the violin — brained, restrained, drained",
]


def _pairs(frame: pd.DataFrame) -> list[tuple[int, str]]:
    return list(zip(frame["row"], frame["label"], strict=True))


def test_planted_names_are_found_and_nothing_else() -> None:
    captions = [text for pair in zip(CLEAN, [c for c, _ in PLANTED] + [""], strict=True) for text in pair]
    named = dict(PLANTED)
    expected = [(i, label) for i, text in enumerate(captions) for label in named.get(text, [])]
    found = find_leaks(captions, CLASSES, mode="names")
    assert _pairs(found) == expected
    assert [captions[row] for row in found["row"]] == found["caption"].tolist()
    for caption, matched in zip(found["caption"], found["matched"], strict=True):
        assert all(part in caption for part in matched.split(", "))
    kept = filter_captions(captions, CLASSES, mode="names")
    assert np.flatnonzero(~kept).tolist() == sorted({row for row, _ in expected})


def test_by_words_any_word_counts_but_stop_words() -> None:
    captions = [
        "a saw in his hand",
        "the can is full",
        "sealed",
        "can an opening be heard",
        None,
        float("nan"),
    ]
    found = find_leaks(captions, ["hand saw", "can_opening", "sea_waves"])
    assert found.drop(columns="caption").values.tolist() == [
        [0, "hand saw", "saw, hand"],
        [3, "can_opening", "opening"],
    ]
    assert searched_words(["can_opening", "The The"]) == {"can_opening": ["opening"], "The The": []}
    # Nothing but stop words: looked for as a whole. Other stop words: other words count.
    assert find_leaks(["the band the the plays", "the cat"], ["The The"])["row"].tolist() == [0]
    assert find_leaks(["the can is full"], ["can_opening"], stop_words=())["matched"].tolist() == ["can"]
    assert filter_captions(["waves", "the sea"], ["Sea waves"], stop_words=["Waves"]).tolist() == [
        True,
        False,
    ]


def _plain(captions: list[str], names: list[str]) -> list[tuple[int, str]]:
    """The words mode without forms, as anybody would write it."""
    found = []
    for row, caption in enumerate(captions):
        there = set(re.split("[^a-z]+", caption.lower()))
        for name in names:
            if (set(re.split("[^a-z]+", name.lower())) - STOP_WORDS - {""}) & there:
                found.append((row, name))
    return found


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_plain_sets_of_words(seed: int) -> None:
    rng = np.random.default_rng(seed)
    words = re.split(" ", "dog bark barks the of a sea wave waves rain car horn hand saw saws is train")
    captions = [" ".join(rng.choice(words, rng.integers(0, 9))).title() + "." for _ in range(300)]
    names = list(dict.fromkeys("_".join(rng.choice(words, rng.integers(1, 4))) for _ in range(20)))
    names = [name for name in names if set(name.split("_")) - STOP_WORDS]
    assert _pairs(find_leaks(captions, names, forms=False)) == _plain(captions, names)
    # Whole names: what stands in the caption, written out.
    expected = [
        (row, name)
        for row, caption in enumerate(captions)
        for name in names
        if f" {name.replace('_', ' ')} " in f" {caption.lower().rstrip('.')} "
    ]
    assert _pairs(find_leaks(captions, names, mode="names", forms=False)) == expected


TEXT = st.text(st.sampled_from("ab dogs-_,()'’éИ狗.é"), max_size=30)


@given(captions=st.lists(TEXT, max_size=6), names=st.lists(TEXT, max_size=4), forms=st.booleans())
def test_what_holds_for_any_text(captions: list[str], names: list[str], forms: bool) -> None:
    by = {mode: find_leaks(captions, names, mode=mode, forms=forms) for mode in MODES}
    assert set(_pairs(by["names"])) <= set(_pairs(by["words"]))
    for mode, found in by.items():
        kept = filter_captions(captions, names, mode=mode, forms=forms)
        assert set(np.flatnonzero(~kept)) == set(found["row"])
        report = leak_report(captions, names, mode=mode, forms=forms)
        assert report["captions"].sum() == len(found)
        assert set(report["label"]) == set(names)
        for caption in captions:
            spans = leak_spans(caption, names, mode=mode, forms=forms)
            assert bool(spans) == (caption in set(found["caption"]))
            assert all(0 <= a < b <= len(caption) for a, b in spans)
            assert all(x[1] <= y[0] for x, y in pairwise(spans))


def test_a_name_is_found_in_itself() -> None:
    names = ["Domestic animals, pets", "Bell (instrument)", "(only brackets)", "Ha/ho", "İstanbul", "Straße"]
    for name in names:
        for caption in (name, name.lower(), f"so: {name}!"):
            assert len(find_leaks([caption], [name], mode="names")) == 1, caption
    assert len(find_leaks(["STRASSE", "a bell", "pets", "animals"], ["Straße", "Bell (instrument)"])) == 2
    parts = find_leaks(["pets", "domestic animals", "animals"], ["Domestic animals, pets"], mode="names")
    assert parts["row"].tolist() == [0, 1]
    assert find_leaks(["??", "?"], ["??", ""]).empty


def test_where_it_stands() -> None:
    caption = "A “dóg” and Church-Bells, dogs"
    spans = leak_spans(caption, ["dog", "church bell"], mode="names")
    assert [caption[a:b] for a, b in spans] == ["dóg", "Church-Bells", "dogs"]
    assert leak_spans("", ["dog"]) == []
    # Names within each other are one place.
    spans = leak_spans("car horns", ["car", "car horn", "horn"], mode="names")
    assert spans == [(0, 9)]


def test_a_clip_goes_with_all_its_captions() -> None:
    captions = ["a dog", "loud", "rain", "quiet"]
    assert filter_captions(captions, ["dog"], clips=[7, 7, 8, 8]).tolist() == [False, False, True, True]
    with pytest.raises(ValueError, match="There are 2 clips for 4 captions; give one for each"):
        filter_captions(captions, ["dog"], clips=[1, 2])


def test_report() -> None:
    captions = ["a dog", "Dogs and a dog", "a dog", "rain", ""]
    report = leak_report(captions, ["rain", "dog", "cat"], examples=2)
    assert report["label"].tolist() == ["dog", "rain", "cat"]
    assert report["captions"].tolist() == [3, 1, 0]
    np.testing.assert_allclose(report["share"], [0.6, 0.2, 0.0])
    assert report["matched"].tolist() == [[("dog", 3), ("dogs", 1)], [("rain", 1)], []]
    assert report["examples"].tolist() == [["a dog", "Dogs and a dog"], ["rain"], []]
    ready = find_leaks(captions, ["rain", "dog", "cat"])
    pd.testing.assert_frame_equal(
        report, leak_report(captions, ["rain", "dog", "cat"], examples=2, leaks=ready)
    )
    assert leak_report([], ["dog"])["share"].isna().all()
    assert leak_report(captions, []).empty


def test_nothing_given() -> None:
    for found in (find_leaks([], ["dog"]), find_leaks(["a dog"], []), find_leaks([], [])):
        assert found.empty
        assert found.columns.tolist() == ["row", "caption", "label", "matched"]
    assert filter_captions([], ["dog"]).shape == (0,)
    assert filter_captions(["a dog"], []).tolist() == [True]


def test_more_than_can_be_held_is_said() -> None:
    captions = ["a dog and a cat", "the dog", "a cat"]
    assert len(find_leaks(captions, ["dog", "cat"], most=4)) == 4
    with pytest.raises(ValueError, match="The first 2 of 3 texts name classes more than 2 times, among 2"):
        find_leaks(captions, ["dog", "cat"], most=2)


def test_what_is_no_text() -> None:
    with pytest.raises(ValueError, match="mode is 'word'; it must be one of words, names"):
        find_leaks(["a"], ["b"], mode="word")
    with pytest.raises(ValueError, match="mode is 'word'"):
        overlap_of_labels(["a"], ["b"], mode="word")
    with pytest.raises(ValueError, match="Caption 1 is 3; it must be text"):
        find_leaks(["a", 3], ["b"])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="Class names are one text, 'dog'; give a list of texts"):
        find_leaks(["a"], "dog")


def test_labels_of_two_sets() -> None:
    first = ["Dogs", "Dog bark", "Church bell", "Cats", "Sea waves", "Pet, dog"]
    second = ["dog", "bell", "church bells in a village", "wave machine"]
    named = overlap_of_labels(first, second)
    assert named.values.tolist() == [
        ["Dogs", "dog", "same", "Dogs"],
        ["Dog bark", "dog", "within", "Dog"],
        ["Pet, dog", "dog", "same", "dog"],
        ["Church bell", "bell", "within", "bell"],
        ["Church bell", "church bells in a village", "around", "Church bell"],
    ]
    more = overlap_of_labels(first, second, mode="words")
    extra = [row for row in more.values.tolist() if row not in named.values.tolist()]
    assert extra == [["Sea waves", "wave machine", "words", "waves"]]
    assert overlap_of_labels([], second).columns.tolist() == ["a", "b", "relation", "matched"]


# -- forms ------------------------------------------------------------------------------------------------

SAME = """
dog dogs|mouse mice|goose geese|sneeze sneezing|sneezing sneezes|crackling crackle|
crackles crackling|church churches|wolf wolves|knife knives|child children|rain raining|
bus buses|glass glasses|fly flies|cry crying|cry cried|clap clapping|saw saws|sheep sheep|
run ran|ring rang|sing sung|knock knocked|drum drumming|man men|foot feet|baby babies|
breathe breathing|leaf leaves|blow blew|thief thieves|hoof hooves|tomato tomatoes|die dying|
picnic picnicking|signal signalling|signal signaling|hammer hammering|quiz quizzes|tie tied|
fire fires
"""
OTHER = """
engine engineer|animal animated|organ organic|universe university|car caring|saw see|news new|
hop hoping|cat cattle|crow crowd|bus busy|train trainer|wind window|ring bring|wing win|
the thing|seed see|herring her|star stare|rate rat|past paste|horse hoarse|hose horse|
music musician|plan plane|mat mate|tap tape|bar bare|tub tube|robe rob
"""


@pytest.mark.parametrize("pair", SAME.replace("\n", "").split("|"))
def test_forms_of_one_word(pair: str) -> None:
    a, b = pair.split()
    assert b in word_forms(a)
    assert a in word_forms(b)


@pytest.mark.parametrize("pair", OTHER.replace("\n", "").split("|"))
def test_words_that_only_look_alike(pair: str) -> None:
    a, b = pair.split()
    assert b not in word_forms(a)
    assert a not in word_forms(b)
