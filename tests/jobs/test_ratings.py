from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import random
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import chisquare

from core.listening import Mark, Trial, consistency, luce_choice, precision
from jobs.listening import ratings as module
from jobs.listening.ratings import (
    Planned,
    Query,
    Question,
    Ratings,
    RatingsError,
    SessionPlan,
    System,
    labels,
    open_ratings,
)
from tests.processes import line, printed, python
from tests.waiting import PATIENCE, wait_for

A, B, C = System("aisfx"), System("melstats", "", 0), System("handcrafted", algorithm="nns")
CONTROL = System("random-cnn")


def question(number: int = 0, *, systems: tuple[System, ...] = (A, B), **changes: Any) -> Question:
    given: dict[str, Any] = {
        "session": "s1",
        "number": number,
        "listener": "Ada",
        "seed": 7,
        "dataset": "esc10",
        "fingerprint": "f" * 64,
        "query": Query("clip", f"dog {number}", "Dog bark"),
        "systems": systems,
        "results": tuple(tuple(f"{s.encoder} {i}" for i in range(3)) for s in systems),
    }
    return Question(**given | changes)


@pytest.fixture
def ratings(tmp_path: Path) -> Ratings:
    return open_ratings(tmp_path / "workspace")


# -- storage -----------------------------------------------------------------------------------------------


def test_everything_comes_back(ratings: Ratings) -> None:
    before = time.time()
    asked = question(systems=(B, System("aisfx", "median", 64, True, "mips", "ab" * 32), C), seed=-3)
    number = ratings.new_question(asked)
    ratings.choose(number, 2)
    ratings.mark(number, 1, 0, True)
    ratings.mark(number, 1, 2, False)
    (rating,) = open_ratings(ratings.path.parent).ratings()
    assert (rating.id, rating.question, rating.chosen) == (number, asked, 2)
    assert rating.marks == {(1, 0): True, (1, 2): False}
    assert rating.answered is not None
    assert before <= rating.created <= rating.answered <= time.time()
    assert (ratings.question(number), ratings.question(99)) == (asked, None)


def test_reading_creates_nothing(tmp_path: Path) -> None:
    ratings = open_ratings(tmp_path / "none")
    assert ratings.ratings() == []
    assert ratings.trials() == []
    assert ratings.repeats() == []
    assert ratings.marks() == []
    assert ratings.export_csv().count("\n") == 1
    assert not (tmp_path / "none").exists()


def test_not_answered_none_and_a_column_are_three_things(ratings: Ratings) -> None:
    ids = [ratings.new_question(question(i)) for i in range(3)]
    ratings.choose(ids[1], None)
    ratings.choose(ids[2], 0)
    answers = [(r.answered is not None, r.chosen) for r in ratings.ratings()]
    assert answers == [(False, None), (True, None), (True, 0)]
    assert [t.chosen for t in ratings.trials()] == [None, A.name]


def test_only_the_first_answer_is_blind(ratings: Ratings) -> None:
    number, other = (ratings.new_question(question(i)) for i in range(2))
    assert ratings.choose(number, None, first=True)
    assert not ratings.choose(number, 1, first=True)
    with pytest.raises(RatingsError, match="column is 9"):
        ratings.choose(number, 9, first=True)
    assert ratings.choose(other, 1, first=True)
    assert [r.chosen for r in ratings.ratings()] == [None, 1]


def test_the_last_answer_counts_and_the_first_stays(ratings: Ratings) -> None:
    number = ratings.new_question(question())
    for column in (0, None, 1):
        ratings.choose(number, column)
    for fits in (True, False):
        ratings.mark(number, 0, 1, fits)
    ratings.mark(number, 1, 1, True)
    ratings.mark(number, 1, 1, None)
    (rating,) = ratings.ratings()
    assert (rating.chosen, rating.marks) == (1, {(0, 1): False})
    db = sqlite3.connect(ratings.path)
    assert db.execute("SELECT col FROM choices ORDER BY id").fetchall() == [(0,), (None,), (1,)]
    assert db.execute("SELECT count(*) FROM marks").fetchone() == (4,)
    for table in ("questions", "choices", "marks"):
        for change in (f"DELETE FROM {table}", f"UPDATE {table} SET created = 0"):
            with pytest.raises(sqlite3.IntegrityError, match="only added to"):
                db.execute(change)
    db.close()


def test_a_question_is_recorded_once(ratings: Ratings) -> None:
    first = ratings.new_question(question())
    assert ratings.new_question(question()) == first
    assert len(ratings.ratings()) == 1
    with pytest.raises(RatingsError, match="Question 0 of session 's1' was a different one"):
        ratings.new_question(question(systems=(B, A)))
    assert ratings.new_question(question(session="s2")) != first


def test_filters(ratings: Ratings) -> None:
    ratings.choose(ratings.new_question(question(0)), 0)
    ratings.choose(ratings.new_question(question(1, listener="Bob", session="s2")), 1)
    ratings.choose(ratings.new_question(question(2, fingerprint="e" * 64, session="s3")), 1)
    assert [t.listener for t in ratings.trials(listener="Bob")] == ["Bob"]
    assert len(ratings.trials(fingerprint="f" * 64)) == 2
    assert len(ratings.ratings(session="s3", listener="Ada")) == 1
    assert len(ratings.ratings(session="s3", listener="Bob")) == 0


def test_hidden_repeats_are_pairs_and_not_trials(ratings: Ratings) -> None:
    first = ratings.new_question(question(0))
    ratings.choose(first, 0)
    again = question(5, systems=(B, A), query=question(0).query, repeat_of=0)
    second = ratings.new_question(again)
    assert ratings.repeats() == []  # not answered yet
    ratings.choose(second, 1)
    ratings.mark(first, 0, 0, True)
    ratings.mark(second, 0, 0, False)
    assert ratings.trials() == [Trial((A.name, B.name), A.name, "Ada", question(0).key)]
    ((one, two),) = ratings.repeats()
    assert one.question == two.question
    assert two.shown == (B.name, A.name)
    assert consistency(ratings.repeats()).value == 1
    assert ratings.marks() == [Mark(A.name, True)]
    for wrong in (
        question(6, repeat_of=0),
        question(6, query=question(0).query, repeat_of=3),
        question(6, query=question(0).query, repeat_of=0, listener="Bob"),
    ):
        with pytest.raises(RatingsError, match="does not repeat question"):
            ratings.new_question(wrong)


def test_listeners_share_a_question_whatever_its_columns(ratings: Ratings) -> None:
    base = question()
    assert base.key == question(3, query=base.query, systems=(B, A), listener="Bob", session="x", seed=1).key
    for other in (
        question(query=Query("clip", "dog 0", "Rain")),
        question(systems=(A, C)),
        question(systems=(A, B, C)),
        question(fingerprint="0" * 64),
        replace(base, results=base.results[::-1]),
    ):
        assert other.key != base.key


def test_systems_that_differ_only_in_their_space_have_different_names(ratings: Ratings) -> None:
    old, new = System("aisfx", space="1" * 64), System("aisfx", space="2" * 64)
    ratings.choose(ratings.new_question(question(0, systems=(old, B))), 0)
    ratings.choose(ratings.new_question(question(1, systems=(new, B))), 1)
    assert ratings.trials()[0].shown == (A.name, B.name)
    assert ratings.trials()[1].shown == (f"{A.name} #2", B.name)
    assert labels(ratings.ratings()) == {old: A.name, B: B.name, new: f"{A.name} #2"}


def test_ratings_become_strengths_and_precision(ratings: Ratings) -> None:
    for i in range(12):
        number = ratings.new_question(question(i, systems=(A, B) if i % 2 else (B, A)))
        ratings.choose(number, i % 2 ^ 1 if i < 9 else i % 2)  # A nine times of twelve
        ratings.mark(number, 0, 0, True)
    strengths = luce_choice(ratings.trials())
    assert strengths.systems == (A.name, B.name)
    assert strengths.decided[0, 1] == 12
    assert strengths.log_strength[0] > 0
    assert precision(ratings.marks())[A.name].n == 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"listener": ""}, "cannot name a listener"),
        ({"listener": "x" * 65}, "cannot name a listener"),
        ({"listener": "a\nb"}, "cannot name a listener"),
        ({"session": ""}, "name of its session"),
        ({"systems": (A, A)}, "each once"),
        ({"systems": tuple(System(str(i)) for i in range(5))}, "shows 5 systems"),
        ({"systems": (), "results": ()}, "shows 0 systems"),
        ({"results": (("x",),)}, "results of 1 columns for 2 systems"),
        ({"repeat_of": 0}, "must be an earlier one"),
    ],
)
def test_invalid_questions(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RatingsError, match=message):
        question(**change)


def test_invalid_answers(ratings: Ratings) -> None:
    with pytest.raises(RatingsError, match="There is no question 1 "):
        ratings.choose(1, 0)
    number = ratings.new_question(question())
    for column in (2, -1, True, 1.0):
        with pytest.raises(RatingsError, match="this question shows 2, so it must be 0 to 1"):
            ratings.choose(number, column)  # type: ignore[arg-type]
    with pytest.raises(RatingsError, match="position is 3; this question shows 3"):
        ratings.mark(number, 0, 3, True)
    with pytest.raises(RatingsError, match="There is no question 99"):
        ratings.mark(99, 0, 0, True)
    with pytest.raises(RatingsError, match="kind 'song'; it must be clip, upload, text"):
        Query("song", "x")  # type: ignore[arg-type]
    with pytest.raises(RatingsError, match="cannot store this"):
        ratings.new_question(question(1, seed=2**70))
    with pytest.raises(RatingsError, match="cannot store this"):
        ratings.new_question(question(1, dataset="\ud800"))
    assert len(ratings.ratings()) == 1


# -- the table for others ------------------------------------------------------------------------------------


def test_csv_holds_every_column_shown(ratings: Ratings) -> None:
    number = ratings.new_question(question(0, systems=(A, B)))
    ratings.choose(number, 1)
    ratings.mark(number, 1, 0, True)
    ratings.mark(number, 1, 2, True)
    ratings.mark(number, 0, 1, False)
    ratings.new_question(question(1, systems=(C,), query=Query("text", 'say "hi", then\nbark')))
    rows = list(csv.DictReader(io.StringIO(ratings.export_csv(), newline="")))
    assert [(r["question"], r["column"], r["encoder"], r["chosen"]) for r in rows] == [
        ("1", "1", "aisfx", "0"),
        ("1", "2", "melstats", "1"),
        ("2", "1", "handcrafted", ""),
    ]
    assert (rows[0]["fits"], rows[0]["fits_not"], rows[1]["fits"], rows[1]["fits_not"]) == (
        "",
        "2",
        "1 3",
        "",
    )
    assert (rows[0]["components"], rows[1]["components"], rows[0]["normalize"]) == ("100", "0", "0")
    assert (rows[0]["system"], rows[1]["system"]) == (
        "aisfx · mean · PCA 100 · mcss",
        "melstats · no PCA · mcss",
    )
    assert json.loads(rows[1]["results"]) == ["melstats 0", "melstats 1", "melstats 2"]
    assert rows[2]["query"] == 'say "hi", then\nbark'
    assert rows[0]["asked"].endswith("+00:00")
    assert rows[0]["answered"] >= rows[0]["asked"]
    assert rows[2]["answered"] == ""


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＠"])
def test_no_cell_is_a_formula(ratings: Ratings, begin: str) -> None:
    bad = f'{begin}HYPERLINK("http://x")'
    ratings.new_question(
        question(
            dataset=bad,
            session=bad,
            query=Query("text", bad, bad),
            listener=bad if begin.isprintable() else "Ada",
            systems=(System(bad, bad, 100, False, bad, bad),),
            results=((bad,),),
            seed=-5,
        )
    )
    (row,) = csv.DictReader(io.StringIO(ratings.export_csv(), newline=""))
    for name, cell in row.items():
        assert name == "seed" or not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＠")), name
    assert row["query"] == f"'{bad}"
    assert row["seed"] == "-5"  # a number is not a formula


# -- the file ------------------------------------------------------------------------------------------------


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def assert_refused(root: Path, message: str) -> None:
    """Reading, writing and opening fail with one sentence, and the file is not changed."""
    path = root / "ratings.sqlite"
    before = digest(path)
    for attempt in (
        lambda: open_ratings(root),
        lambda: Ratings(path).ratings(),
        lambda: Ratings(path).new_question(question(50)),
        lambda: Ratings(path).choose(1, 0),
    ):
        with pytest.raises(RatingsError, match=message) as caught:
            attempt()
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert digest(path) == before
    assert os.listdir(root) == ["ratings.sqlite"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (None, "is damaged"),
        ("PRAGMA user_version = 2", "is of version 2 and this hearspace reads version 1"),
        ("PRAGMA application_id = 0; PRAGMA user_version = 0", "something other than ratings"),
    ],
)
def test_other_files_are_refused(ratings: Ratings, change: str | None, message: str) -> None:
    ratings.new_question(question())
    if change is None:
        ratings.path.write_bytes(b"not a database, but longer than a header of SQLite" * 100)
    else:
        with closing(sqlite3.connect(ratings.path)) as db:
            db.executescript(change)
    assert_refused(ratings.path.parent, message)


def test_a_damaged_file(tmp_path: Path) -> None:
    ratings = open_ratings(tmp_path)
    for i in range(8):
        long = ((f"clip {i} " * 300,), ("b",))
        ratings.choose(ratings.new_question(question(i, results=long)), 0)
    whole = ratings.path.read_bytes()
    page = 4096
    assert len(whole) > 6 * page
    # Cut in the middle of a page, and every page but the first overwritten.
    for broken in (whole[: 3 * page + 100], whole[:page] + bytes([7]) * (len(whole) - page)):
        ratings.path.write_bytes(broken)
        assert_refused(tmp_path, "is damaged")
    # One page in the middle of the table: opening detects it.
    ratings.path.write_bytes(whole[: 4 * page] + bytes([7]) * page + whole[5 * page :])
    with pytest.raises(RatingsError, match="is damaged"):
        open_ratings(tmp_path)
    ratings.path.write_bytes(whole)
    assert len(open_ratings(tmp_path).trials()) == 8


def test_an_invalid_entry(tmp_path: Path) -> None:
    ratings = open_ratings(tmp_path)
    ratings.new_question(question())
    with sqlite3.connect(ratings.path) as db:
        db.execute("DROP TRIGGER questions_no_update")
        db.execute('UPDATE questions SET systems = \'[{"encoder": "x"\'')
    db.close()
    with pytest.raises(RatingsError, match="is damaged .question 1"):
        ratings.ratings()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(RatingsError, match="check the permissions"):
            open_ratings(tmp_path).new_question(question())
    finally:
        tmp_path.chmod(0o700)


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    ratings = Ratings(tmp_path / "file" / "ratings.sqlite")
    with pytest.raises(RatingsError, match="cannot be created"):
        ratings.new_question(question())
    (tmp_path / "ratings.sqlite").mkdir()
    with pytest.raises(RatingsError, match="cannot be opened"):
        open_ratings(tmp_path)


def test_writes_wait_for_the_disk(ratings: Ratings) -> None:
    """A power cut cannot be tested here; SQLite's guarantees rest on these two."""
    with ratings._writing() as db:
        assert db.execute("PRAGMA synchronous").fetchone()[0] == 3
        assert db.execute("PRAGMA journal_mode").fetchone()[0] == "delete"


def test_somebody_who_keeps_the_file_busy(ratings: Ratings, monkeypatch: pytest.MonkeyPatch) -> None:
    number = ratings.new_question(question())
    monkeypatch.setattr(module, "TIMEOUT", 0.05)
    other = sqlite3.connect(ratings.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    for attempt in (lambda: ratings.choose(number, 0), ratings.ratings):
        with pytest.raises(RatingsError, match="another process has kept it busy; try again"):
            attempt()
    other.execute("ROLLBACK")
    other.close()
    ratings.choose(number, 0)
    assert ratings.ratings()[0].chosen == 0


def test_a_read_sees_one_state(ratings: Ratings, monkeypatch: pytest.MonkeyPatch) -> None:
    ratings.new_question(question(0))
    monkeypatch.setattr(module, "TIMEOUT", 0.05)
    with ratings._reading(), pytest.raises(RatingsError, match="busy"):
        ratings.new_question(question(1))
    assert [r.question.number for r in ratings.ratings()] == [0]  # not acknowledged, not stored
    ratings.new_question(question(1))


# -- several processes, and their sudden end -----------------------------------------------------------------


WRITER = """
    import sys
    from jobs.listening.ratings import *
    root, session, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
    print("ready", flush=True)
    sys.stdin.readline()
    ratings = open_ratings(root)
    a, b = System("aisfx"), System("melstats")
    for i in range(n):
        number = ratings.new_question(Question(
            session=session, number=i, listener=session, seed=0, dataset="d", fingerprint="f",
            query=Query("clip", str(i)), systems=(a, b), results=(("x" * 300,) * 5, ("y",)),
        ))
        print("asked", i, flush=True)
        ratings.choose(number, i % 2)
        print("chose", i, flush=True)
        ratings.mark(number, 0, i % 5, True)
        print("marked", i, flush=True)
    """


def start(root: Path, *sessions: str, n: int) -> dict[str, subprocess.Popen[str]]:
    """Start writers of n questions each at the same moment, by their sessions."""
    writers = {session: python(WRITER, root, session, n) for session in sessions}
    for writer in writers.values():
        assert line(writer) == "ready"
    for writer in writers.values():
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    return writers


def acknowledged(output: str) -> Counter[str]:
    """Count the questions, choices and marks acknowledged to a writer; an incomplete line does not count."""
    return Counter(line.split()[0] for line in output.splitlines(keepends=True) if line.endswith("\n"))


def check_stored(root: Path, session: str, expected: Counter[str]) -> None:
    ratings = open_ratings(root).ratings(session=session)
    assert [r.question.number for r in ratings] == list(range(len(ratings)))
    answered, marks = sum(r.answered is not None for r in ratings), sum(len(r.marks) for r in ratings)
    stored = Counter(asked=len(ratings), chose=answered, marked=marks)
    # Everything acknowledged, and at most the one step in progress at the end.
    assert stored >= expected
    assert stored.total() <= expected.total() + 1
    for r in ratings:
        assert r.chosen == (r.question.number % 2 if r.answered is not None else None)
        assert len(r.question.results[0]) == 5


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    """Two processes write to one file; both are repeatedly killed while writing."""
    rng = random.Random(1)
    expected: dict[str, Counter[str]] = {}
    for life in range(2):
        for name, w in start(tmp_path, f"{life}-a", f"{life}-b", n=10**6).items():
            ratings = open_ratings(tmp_path)
            wait_for(lambda ratings=ratings, name=name: len(ratings.ratings(session=name)) > 3, "its ratings")
            time.sleep(0.2 * rng.random())
            os.kill(w.pid, signal.SIGKILL)
            output, _ = w.communicate(timeout=PATIENCE)
            assert w.returncode == -signal.SIGKILL
            expected[name] = acknowledged(output)
    assert sum(c["asked"] for c in expected.values()) > 10
    for name, counts in expected.items():
        check_stored(tmp_path, name, counts)
    # New ratings can be written.
    ratings = open_ratings(tmp_path)
    ratings.choose(ratings.new_question(question()), 1)
    assert ratings.ratings(session="s1")[0].chosen == 1


def test_two_processes_at_once_lose_nothing(tmp_path: Path) -> None:
    """Both start at the same moment, before the file exists."""
    n = 15
    writers = start(tmp_path, "a", "b", n=n)
    seen = 0
    while any(w.poll() is None for w in writers.values()):
        now = len(open_ratings(tmp_path).ratings())  # a reader neither fails nor sees less than before
        assert now >= seen
        seen = now
        time.sleep(0.01)
    for who, w in writers.items():
        output, _ = w.communicate(timeout=PATIENCE)
        assert w.returncode == 0
        assert acknowledged(output) == {"asked": n, "chose": n, "marked": n}
        check_stored(tmp_path, who, acknowledged(output))
    assert os.listdir(tmp_path) == ["ratings.sqlite"]


def test_a_transaction_that_a_kill_cut_short_is_rolled_back(tmp_path: Path) -> None:
    """The killed writer has already overwritten pages of the file; the journal beside it restores them."""
    ratings = open_ratings(tmp_path)
    for i in range(3):
        ratings.choose(ratings.new_question(question(i)), 1)
    before = ratings.ratings()
    code = """
        import os, sqlite3, sys
        db = sqlite3.connect(sys.argv[1], isolation_level=None)
        db.execute("PRAGMA cache_size = 1")
        db.execute("BEGIN IMMEDIATE")
        for i in range(5000):
            db.execute("INSERT INTO choices (created, question, col) VALUES (0, 1, 0)")
        print("written", flush=True)
        sys.stdin.readline()
        """
    size = ratings.path.stat().st_size
    child = python(code, ratings.path)
    assert line(child) == "written"
    os.kill(child.pid, signal.SIGKILL)
    child.communicate(timeout=PATIENCE)
    assert ratings.path.stat().st_size > size  # half of it has been written
    assert ratings.path.with_name("ratings.sqlite-journal").exists()
    assert open_ratings(tmp_path).ratings() == before
    ratings.choose(1, 0)
    assert ratings.ratings()[0].chosen == 0


# -- the plan ------------------------------------------------------------------------------------------------

SYSTEMS = [System(name) for name in "abcde"]
QUERIES = [Query("clip", f"clip {i}", "Rain") for i in range(30)]


def plan(n: int = 200, **options: Any) -> list[Planned]:
    given: dict[str, Any] = {"seed": 3, "systems": SYSTEMS[:3], "queries": QUERIES, "control": CONTROL}
    return SessionPlan(**given | options).questions(n)


def test_a_plan_follows_from_its_seed() -> None:
    assert plan() == plan()
    assert plan(seed=4) != plan()
    assert plan(50) == plan(200)[:50]  # more questions change nothing about the first
    same = SessionPlan(seed=3, systems=SYSTEMS[:3], queries=QUERIES, control=CONTROL)
    assert [same.question(i) for i in (0, 7, 49)] == [plan()[i] for i in (0, 7, 49)]
    # In what order systems and queries are given plays no part.
    assert plan(systems=SYSTEMS[2::-1], queries=QUERIES[::-1]) == plan()


def test_a_plan_is_the_same_in_another_process() -> None:
    code = """
        from jobs.listening.ratings import *
        systems = [System(name) for name in "abc"]
        queries = [Query("clip", f"clip {i}", "Rain") for i in range(30)]
        plan = SessionPlan(seed=3, systems=systems, queries=queries, control=System("random-cnn"))
        for p in plan.questions(40):
            print(p)
        """
    assert printed(code).splitlines() == [str(p) for p in plan(40)]


def test_listeners_share_questions_and_not_columns() -> None:
    ada, bob = plan(listener="Ada"), plan(listener="Bob")
    assert [(p.query, p.repeat_of, set(p.systems)) for p in ada] == [
        (p.query, p.repeat_of, set(p.systems)) for p in bob
    ]
    same = sum(a.systems == b.systems for a, b in zip(ada, bob, strict=True)) / len(ada)
    assert 0.05 < same < 0.32  # by chance one in six


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.13, 0.25])
def test_repeats_are_as_many_as_stated(rate: float) -> None:
    session = plan(400, repeat_rate=rate)
    repeats = [p for p in session if p.repeat_of is not None]
    assert abs(len(repeats) - 400 * rate) <= (0 if rate in (0.0, 0.1) else 4)
    for i in range(0, 400, 10):
        assert abs(sum(p.repeat_of is not None for p in session[i : i + 10]) - 10 * rate) < 1.01
    for p in repeats:
        assert p.repeat_of is not None
        earlier = session[p.repeat_of]
        assert earlier.repeat_of is None
        assert p.number - p.repeat_of > 4
        assert p.query == earlier.query
        assert set(p.systems) == set(earlier.systems)
    assert len({p.repeat_of for p in repeats}) == len(repeats)
    if rate:
        assert len({p.number % 10 for p in repeats}) > 5  # no place gives them away
        same = sum(p.systems == session[p.repeat_of].systems for p in repeats if p.repeat_of is not None)
        assert same < 0.5 * len(repeats)  # shuffled again


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.45])
def test_the_control_is_shown_as_often_as_stated(rate: float) -> None:
    session = plan(400, control_rate=rate, repeat_rate=0.0)
    shown = [p for p in session if CONTROL in p.systems]
    assert abs(len(shown) - 400 * rate) <= 1
    assert all(len(p.systems) == 3 for p in session)  # their number does not tell
    if rate:
        places = Counter(p.systems.index(CONTROL) for p in shown)
        assert chisquare([places[i] for i in range(3)]).pvalue > 1e-3
        left_out = Counter((set(SYSTEMS[:3]) - set(p.systems)).pop() for p in shown)
        assert chisquare([left_out[s] for s in SYSTEMS[:3]]).pvalue > 1e-3


def test_a_control_among_the_systems_is_one_of_them() -> None:
    session = plan(systems=[*SYSTEMS[:2], CONTROL])
    assert all(set(p.systems) == {*SYSTEMS[:2], CONTROL} for p in session)
    assert not any(CONTROL in p.systems for p in plan(control=None))


def test_columns_are_shuffled_evenly() -> None:
    session = plan(900, repeat_rate=0.0, control_rate=0.0)
    orders = Counter(p.systems for p in session)
    assert len(orders) == 6
    assert chisquare(list(orders.values())).pvalue > 1e-3


def test_systems_and_queries_take_turns() -> None:
    session = plan(120, systems=SYSTEMS, columns=2, repeat_rate=0.0, control_rate=0.0)
    for i in range(0, 120, 10):  # ten pairs of five
        assert len({frozenset(p.systems) for p in session[i : i + 10]}) == 10
    for i in range(0, 120, 30):
        assert {p.query for p in session[i : i + 30]} == set(QUERIES)
    assert [p.query for p in session[:30]] != [p.query for p in session[30:60]]
    four = plan(10, systems=SYSTEMS)
    assert all(len(p.systems) == 4 for p in four)


def test_few_queries_and_one_system() -> None:
    session = plan(30, systems=SYSTEMS[:1], queries=QUERIES[:1], control=None)
    assert {p.systems for p in session} == {(SYSTEMS[0],)}
    assert {p.query for p in session} == {QUERIES[0]}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"systems": []}, "There are 0 systems"),
        ({"systems": [A, A]}, "each once"),
        ({"systems": [System(str(i)) for i in range(13)]}, "give 1 to 12"),
        ({"queries": []}, "There are 0 queries"),
        ({"queries": [QUERIES[0]] * 2}, "each once"),
        ({"columns": 4}, "columns is 4; 3 systems allow 1 to 3"),
        ({"columns": 0}, "columns is 0"),
        ({"repeat_rate": 0.4}, "repeat_rate is 0.4; it must be from 0 to 0.3"),
        ({"control_rate": -0.1}, "control_rate is -0.1"),
        ({"n": 0}, "session of 0 questions"),
    ],
)
def test_invalid_plans(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RatingsError, match=message):
        plan(**options)


def test_a_plan_can_be_stored(ratings: Ratings) -> None:
    """From the plan to the answers and back, as on a page."""
    for p in plan(25, listener="Ada"):
        asked = question(
            p.number,
            query=p.query,
            systems=p.systems,
            results=tuple((f"{s.encoder} {p.query.value}",) for s in p.systems),
            repeat_of=p.repeat_of,
        )
        number = ratings.new_question(asked)
        # A listener who always chooses the best system.
        best = min(p.systems, key=lambda s: s.encoder)
        ratings.choose(number, p.systems.index(best))
    assert len(ratings.trials()) + len(ratings.repeats()) == 25
    assert consistency(ratings.repeats()).value == 1
    strengths = luce_choice(ratings.trials())
    by_name = dict(zip(strengths.systems, strengths.log_strength, strict=True))
    assert max(by_name, key=by_name.__getitem__) == SYSTEMS[0].name
    assert by_name[CONTROL.name] < 0


def test_it_is_light_to_import() -> None:
    heavy = "{'pandas', 'scipy', 'sklearn', 'torch', 'pyarrow'}"
    code = (
        f"import sys, jobs.listening.ratings\nprint({heavy} & set(m.partition('.')[0] for m in sys.modules))"
    )
    assert printed(code).strip() == "set()"
