from __future__ import annotations

import io
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.leakage import filter_captions, find_leaks
from dashboard.leaks import data as leaks
from dashboard.leaks.data import Search
from dashboard.leaks.figures import leaks_figure
from jobs.workspace.captions import captions_of
from jobs.workspace.text_files import TextFileError, read_texts
from jobs.workspace.workspace import Workspace
from tests.dashboard import helpers, made_leaks
from tests.dashboard.helpers import address, everything, html, showing, words

run = partial(helpers.run, "leaks")
WORDS = Search("words", True, False)
NAMES = Search("names", True, False)


@pytest.fixture(scope="session")
def captioned(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Datasets with captions and without; tests must not change them."""
    return made_leaks.workspace(tmp_path_factory.mktemp("leaks"))


@pytest.fixture
def shown(captioned: Workspace) -> Iterator[Workspace]:
    with showing(captioned.root):
        yield captioned


def marks(app: AppTest) -> list[str]:
    """What is marked in the captions that are shown."""
    listed = html(app).split('<ul class="hs-captions">')[1]
    return re.findall("<mark>(.*?)</mark>", listed)


def test_planted_names_are_shown_and_nothing_else(shown: Workspace) -> None:
    whole = [matched for said in made_leaks.NAMED.values() for _, matched in said if matched]
    app = run(mode="names")
    assert sorted(marks(app)) == sorted(whole)
    assert f"<small>captions searched</small><b>{8 * 4 * 3}</b>" in html(app)
    assert "<small>captions that name a class</small><b>6 · 6.2%</b>" in html(app)
    assert "<small>classes named</small><b>4 of 8</b>" in html(app)
    assert "4 classes not named by any" in words(app)
    assert not any(text in html(app) for text in made_leaks.CALM)
    # By words the two whose names stand apart are found as well.
    app = run()
    apart = ["dog", "barking", "waves", "sea"]
    kept = [word for matched in whole for word in re.split("[ -]", matched) if matched != "chain saw"]
    assert sorted(marks(app)) == sorted([*kept, *apart, "chain saw"])


def test_the_rule_is_not_said_to_be_the_authors_own(shown: Workspace) -> None:
    said = " ".join(everything(run()).split())
    assert "That is not quite what Tavares et al." in said
    assert "The paper does not mention forms such as plurals, and counting them takes out more" in said
    # Which is so: a plural is taken out, and stays where words are looked for as they stand.
    assert filter_captions(["two dogs"], ["dog"]).tolist() == [False]
    assert filter_captions(["two dogs"], ["dog"], forms=False).tolist() == [True]


def test_a_class_is_chosen_by_its_link(shown: Workspace) -> None:
    app = run(class_="Rooster")
    assert "two <mark>roosters</mark> at dawn" in html(app)
    assert marks(app) == ["roosters", "ROOSTER"]
    assert "1 to 2 of 2 captions" in words(app)
    assert address(app)["class"] == "Rooster"
    gone = run(class_="Helicopter")
    assert "'Helicopter' is not available" in words(gone)


def test_only_some_classes_are_tested(shown: Workspace) -> None:
    app = run(only=["Rooster", "Rain"])
    assert "<b>1 of 2</b>" in html(app)
    assert marks(app) == ["roosters", "ROOSTER"]


def test_labels_are_compared_pair_by_pair(shown: Workspace) -> None:
    app = run(dataset="small", of="labels", test_dataset="captioned")
    assert "Label by label" in words(app)
    assert html(app).count("the same") == 8
    assert "The clean list has **0 labels**" in words(app)


def test_files_are_brought_kept_and_found_by_their_link(fresh: Workspace) -> None:
    captions = b"file_name,caption_1,caption_2\na.wav,a dog,loud\nb.wav,rain,it rains\nc.wav,wind,\n"
    one = leaks.keep(fresh.root, "train.csv", captions)
    two = leaks.keep(fresh.root, "classes.txt", b"dog\nsea waves\n")
    assert "Choose both lists" in words(run(file=one))
    app = run(file=one, **{"test-file": two})
    assert "5 captions of 3 clips · train.csv" in words(app)
    assert "2 lines · classes.txt" in words(app)
    assert "a <mark>dog</mark>" in html(app)
    assert "A row of the file goes if one of its captions does." in words(app)
    assert "The clean list has **3 captions**; 2 captions are taken out." in words(app)
    assert "all captions of its clip" not in words(app)
    texts = leaks.kept(fresh.root, one)
    assert texts is not None
    found = leaks.find(texts, ["dog", "sea waves"], WORDS)
    assert leaks.clean(texts, found) == b"file_name,caption_1,caption_2\nb.wav,rain,it rains\nc.wav,wind,\n"
    assert leaks.clean_name(texts) == "train-clean.csv"
    assert leaks.kept(fresh.root, "0" * 12) is None
    with pytest.raises(TextFileError, match=r"x.doc ends in .doc; give a list as .txt, .csv, .tsv"):
        leaks.keep(fresh.root, "x.doc", b"dog")


def test_nothing_leaks(fresh: Workspace) -> None:
    name = leaks.keep(fresh.root, "calm.txt", b"rain on a roof\nfar away\n")
    classes = leaks.keep(fresh.root, "classes.txt", b"dog\nthe who\n")
    app = run(file=name, **{"test-file": classes})
    assert "names a class: the list is clean as it is" in words(app)
    assert "so they are searched for as a whole: the who" in words(app)
    assert "The clean list has **2" in words(app)


def test_lists_that_are_too_long_for_a_page_are_said(
    fresh: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    captions = leaks.keep(fresh.root, "many.txt", b"a dog and a cat are heard\nthe dog is loud again\n")
    classes = leaks.keep(fresh.root, "classes.txt", b"dog\ncat\nsea\n")
    monkeypatch.setattr(leaks, "LEAKS", 2)
    app = run(file=captions, **{"test-file": classes})
    assert "The first 2 of 2 texts name classes more than 2 times" in words(app)
    monkeypatch.setattr(leaks, "CLASSES", 2)
    app = run(file=captions, **{"test-file": classes})
    assert "There are 3 class names; up to 2 are searched for here" in words(app)
    assert not app.multiselect


def test_what_can_be_taken_away(shown: Workspace) -> None:
    texts = leaks.of_dataset(shown.dataset("captioned"), "captions")
    names = leaks.names_of(leaks.of_dataset(shown.dataset("captioned"), "labels"))
    captions = captions_of(shown.dataset("captioned"))
    expected = find_leaks(captions["caption"], names, mode="words")
    found = leaks.find(texts, names, WORDS)
    content = leaks.clean(texts, found)
    assert leaks.clean_name(texts) == "captions-of-captioned-clean.csv"
    kept = pd.read_csv(io.BytesIO(content))
    pd.testing.assert_frame_equal(
        kept, captions.drop(expected["row"].unique()).reset_index(drop=True), check_dtype=False
    )
    whole = leaks.find(texts, names, Search("words", True, True))
    fewer = pd.read_csv(io.BytesIO(leaks.clean(texts, whole)))
    lost = set(captions["clip_id"].iloc[expected["row"]])
    assert set(fewer["clip_id"]) == set(captions["clip_id"]) - lost
    table = pd.read_csv(io.BytesIO(leaks.removed(texts, found)))
    assert table["matched"].tolist() == expected["matched"].tolist()
    assert table["clip_id"].tolist() == captions["clip_id"].iloc[expected["row"]].tolist()
    counts = pd.read_csv(io.BytesIO(leaks.by_class(found))).set_index("class")["texts"]
    assert counts.to_dict() == {n: int((expected["label"] == n).sum()) for n in names}


def test_a_bar_a_class_and_its_number() -> None:
    figure = leaks_figure(["dog", "<b>cat"], [3, 1], total=8, things="captions", chosen="dog")
    (bars,) = figure.data
    assert list(bars.x) == [3, 1]
    assert list(bars.customdata) == ["dog", "<b>cat"]
    assert list(bars.text) == ["3 · 37.5%", "1 · 12.5%"]
    assert bars.marker.opacity[0] > bars.marker.opacity[1]
    assert figure.layout.xaxis.title.text == "captions that name the class"
    assert "&lt;b&gt;cat" in figure.layout.yaxis.ticktext[1]
    hover = leaks_figure(["dog"], [3], total=8, things="captions", hover=["three"]).data[0].hovertext
    assert list(hover) == ["three"]
    assert leaks_figure([], [], total=0, things="labels").data[0].x.size == 0


def test_marks_are_safe() -> None:
    marked = leaks.marked('a <b>dog</b> & "cat"', ["dog"], NAMES)
    assert marked == "a &lt;b&gt;<mark>dog</mark>&lt;/b&gt; &amp; &quot;cat&quot;"


def test_a_workspace_without_datasets(fresh: Workspace) -> None:
    app = run()
    assert "Choose both lists" in words(app)
    assert "caption_1" in everything(app)


# -- files ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data", "texts", "labels"),
    [
        ("a.txt", "\ufeffdog\r\n\r\n sea  waves \r\n", ["dog", "sea waves"], True),
        ("a.txt", "a dog barks now\nit rains all day\n", ["a dog barks now", "it rains all day"], False),
        ("a.csv", 'index,mid,display_name\n0,/m/1,Speech\n1,/m/2,"Bark, b"\n', ["Speech", "Bark, b"], True),
        ("a.csv", "audiocap_id;youtube_id;start_time;caption\n1;x;0;a dog\n", ["a dog"], False),
        ("a.tsv", "label\tcaption\nx\ta, b\n", ["a, b"], False),
        ("a.csv", "dog\nrain\n", ["dog", "rain"], True),
    ],
)  # fmt: skip
def test_lists_are_read(name: str, data: str, texts: list[str], labels: bool) -> None:
    found = read_texts(name, data.encode())
    assert (list(found.texts), found.labels) == (texts, labels)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.csv", b"x,y\n1,2\n", "no column that is known to hold captions or labels; its columns are x, y"),
        ("a.txt", b"\xff\xfe", "not UTF-8 text"),
        ("a.txt", b"\n \n", "holds no text"),
        ("a.csv", b"caption\n", "holds no text"),
        ("a.csv", b"", "holds no text"),
        ("a.txt", b"a\0b", "holds NUL"),
        ("a", b"dog", "ends in nothing"),
    ],
)
def test_files_that_are_no_lists(name: str, data: bytes, message: str) -> None:
    with pytest.raises(TextFileError, match=message):
        read_texts(name, data)


def test_a_column_is_named(tmp_path: Path) -> None:
    assert read_texts("a.csv", b"x,caption\none,two\n", column="x").texts == ("one",)
    with pytest.raises(TextFileError, match="no column 'z'; its columns are x, caption"):
        read_texts("a.csv", b"x,caption\none,two\n", column="z")
