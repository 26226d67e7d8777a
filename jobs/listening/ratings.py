"""Ratings by listeners, on disk: what was asked, what was shown, what was chosen.

``ratings.sqlite`` in the workspace only ever grows: a question when it is shown, a choice and marks when they
are made. Somebody who thinks again adds a second choice, and the last one counts. Triggers refuse to change
or remove a row.

Whatever `Ratings` has returned from is on disk: each call is one short transaction with SQLite's rollback
journal and ``synchronous = EXTRA``, which waits for the file and for its folder, so that it outlives a
``kill -9`` and a power cut. The rollback journal and not the write-ahead log, because workspaces are also on
network disks, where the log's shared memory does not work, and because one file is all there is to copy.
Processes that write at once wait for each other. A connection lasts one call: none is carried across
threads or a fork.

What a question is stands in `jobs.listening.questions`, and what to ask next in
`jobs.listening.session_plans`. Light to import: pages use all of them.
"""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cache.errors import lack_of_space
from core.listening import Mark, Trial
from jobs.listening.questions import (
    MOST_COLUMNS,
    Query,
    QueryKind,
    Question,
    Rating,
    RatingsError,
    System,
    labels,
    plain_json,
)
from jobs.listening.rating_tables import HEADER, csv_rows, harmless
from jobs.listening.session_plans import MOST_SYSTEMS, Planned, plan_question, plan_session

__all__ = [
    "FILE",
    "MOST_COLUMNS",
    "MOST_SYSTEMS",
    "SCHEMA",
    "TIMEOUT",
    "Planned",
    "Query",
    "QueryKind",
    "Question",
    "Rating",
    "Ratings",
    "RatingsError",
    "System",
    "labels",
    "open_ratings",
    "plan_question",
    "plan_session",
]

FILE = "ratings.sqlite"
SCHEMA = 1
#: Seconds to wait for another process that is writing.
TIMEOUT = 30.0

_APPLICATION = 0x68737274  # "hsrt", in the header of the file
_TABLES = """
CREATE TABLE questions (
    id INTEGER PRIMARY KEY AUTOINCREMENT, created REAL NOT NULL, session TEXT NOT NULL,
    number INTEGER NOT NULL, listener TEXT NOT NULL, seed INTEGER NOT NULL, dataset TEXT NOT NULL,
    fingerprint TEXT NOT NULL, query_kind TEXT NOT NULL, query TEXT NOT NULL, wanted TEXT NOT NULL,
    systems TEXT NOT NULL, results TEXT NOT NULL, repeat_of INTEGER,
    UNIQUE (session, number)
);
CREATE TABLE choices (
    id INTEGER PRIMARY KEY AUTOINCREMENT, created REAL NOT NULL,
    question INTEGER NOT NULL REFERENCES questions (id), col INTEGER
);
CREATE TABLE marks (
    id INTEGER PRIMARY KEY AUTOINCREMENT, created REAL NOT NULL,
    question INTEGER NOT NULL REFERENCES questions (id), col INTEGER NOT NULL, position INTEGER NOT NULL,
    fits INTEGER
);
CREATE INDEX choices_of ON choices (question);
CREATE INDEX marks_of ON marks (question);
"""
_NAMES = ("questions", "choices", "marks")
_PLAIN = ("session", "number", "listener", "seed", "dataset", "fingerprint", "repeat_of")
#: Results of SQLite that say something about now, not about the file.
_PASSING = {
    sqlite3.SQLITE_BUSY: "another process has kept it busy; try again",
    sqlite3.SQLITE_LOCKED: "another process has kept it busy; try again",
    sqlite3.SQLITE_IOERR: "the disk reports an error; look at the disk and try again",
    sqlite3.SQLITE_READONLY: "it may not be written to; give this user the right to write there",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; look at the rights on it and on its folder",
    sqlite3.SQLITE_PERM: "it may not be read; give this user the right to read it",
    sqlite3.SQLITE_AUTH: "it may not be read; give this user the right to read it",
    sqlite3.SQLITE_NOMEM: "memory is used up; close something and try again",
}


def open_ratings(root: Path | str) -> Ratings:
    """Open the ratings of a workspace; the file comes into being with the first question.

    Parameters
    ----------
    root : path
        Folder of the workspace.

    Raises
    ------
    RatingsError
        For a file that is damaged, of a newer version, or not one of ratings. It is left as it is.
    """
    ratings = Ratings(Path(root).expanduser().absolute() / FILE)
    with ratings._reading() as db:
        if db is not None and (found := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise ratings._damaged(found.splitlines()[-1])
    return ratings


class Ratings:
    """The ratings of one workspace; `open_ratings` gives them.

    Parameters
    ----------
    path : Path
        The database.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"Ratings({str(self.path)!r})"

    # -- writing ------------------------------------------------------------------------------------

    def new_question(self, question: Question) -> int:
        """Note that a question is shown; return its id.

        The same question at the same place of its session is noted once, however often a page asks.

        Raises
        ------
        RatingsError
            If another question is noted there already, or it repeats one that is not noted or showed others.
        """
        row = _row(question)
        with self._writing() as db:
            found = db.execute(
                f"SELECT id, {', '.join(row)} FROM questions WHERE session = ? AND number = ?",
                (question.session, question.number),
            ).fetchone()
            if found is not None:
                if found[1:] != tuple(row.values()):
                    raise RatingsError(
                        f"Question {question.number} of session {question.session!r} was another one; begin "
                        "a new session."
                    )
                return int(found[0])
            if question.repeat_of is not None:
                earlier = self._by_number(db, question.session, question.repeat_of)
                if earlier is None or earlier.key != question.key or earlier.listener != question.listener:
                    raise RatingsError(
                        f"Question {question.number} does not repeat question {question.repeat_of} of "
                        f"session {question.session!r}; a repeat has the same listener, query, systems and "
                        "results."
                    )
            columns = ["created", *row]
            values = [time.time(), *row.values()]
            cursor = db.execute(
                f"INSERT INTO questions ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",
                values,
            )
            assert cursor.lastrowid is not None
            return cursor.lastrowid

    def choose(self, question: int, column: int | None, *, first: bool = False) -> bool:
        """Note a choice: a column from 0, or None for none of them. The last choice of a question counts.

        With `first` it is noted only where there is no choice yet: who is told whose lists they were can no
        longer choose blindly.

        Returns
        -------
        bool
            True if it was noted.

        Raises
        ------
        RatingsError
            If there is no such question or column.
        """
        with self._writing() as db:
            results = self._results(db, question)
            if column is not None:
                _check("column", column, len(results))
            if first and db.execute("SELECT 1 FROM choices WHERE question = ?", (question,)).fetchone():
                return False
            db.execute(
                "INSERT INTO choices (created, question, col) VALUES (?, ?, ?)",
                (time.time(), question, column),
            )
            return True

    def mark(self, question: int, column: int, position: int, fits: bool | None) -> None:
        """Note whether a result fits; None takes a mark back. The last mark of a result counts.

        Raises
        ------
        RatingsError
            If there is no such question, column or position.
        """
        with self._writing() as db:
            results = self._results(db, question)
            _check("column", column, len(results))
            _check("position", position, len(results[column]))
            db.execute(
                "INSERT INTO marks (created, question, col, position, fits) VALUES (?, ?, ?, ?, ?)",
                (time.time(), question, column, position, None if fits is None else int(fits)),
            )

    # -- reading ------------------------------------------------------------------------------------

    def ratings(
        self, *, session: str | None = None, fingerprint: str | None = None, listener: str | None = None
    ) -> list[Rating]:
        """List questions with their answers, in the order they were asked.

        Parameters
        ----------
        session, fingerprint, listener : str, optional
            Only those of one session, dataset, listener.
        """
        wishes = {"session": session, "fingerprint": fingerprint, "listener": listener}
        wishes = {name: value for name, value in wishes.items() if value is not None}
        where = " AND ".join(f"{name} = ?" for name in wishes) or "1"
        chosen: dict[int, tuple[float, int | None]] = {}
        marks: dict[int, dict[tuple[int, int], bool]] = {}
        with self._reading() as db:
            if db is None:
                return []
            rows = db.execute(f"SELECT * FROM questions WHERE {where} ORDER BY id", [*wishes.values()])
            names = [column[0] for column in rows.description]
            questions = [dict(zip(names, row, strict=True)) for row in rows]
            which = f"WHERE question IN (SELECT id FROM questions WHERE {where}) ORDER BY id"
            for question, created, column in db.execute(
                f"SELECT question, created, col FROM choices {which}", [*wishes.values()]
            ):
                chosen[question] = created, column
            for question, column, position, fits in db.execute(
                f"SELECT question, col, position, fits FROM marks {which}", [*wishes.values()]
            ):
                of = marks.setdefault(question, {})
                if fits is None:
                    of.pop((column, position), None)
                else:
                    of[column, position] = bool(fits)
        found = []
        for row in questions:
            answered, column = chosen.get(row["id"], (None, None))
            given = marks.get(row["id"], {})
            found.append(Rating(row["id"], self._question(row), row["created"], answered, column, given))
        return found

    def question(self, question: int) -> Question | None:
        """Return the question of an id as it was shown, None where there is none."""
        with self._reading() as db:
            if db is None:
                return None
            rows = db.execute("SELECT * FROM questions WHERE id = ?", (question,))
            names = [column[0] for column in rows.description]
            row = rows.fetchone()
        return None if row is None else self._question(dict(zip(names, row, strict=True)))

    def trials(self, *, fingerprint: str | None = None, listener: str | None = None) -> list[Trial]:
        """Answered questions, for `core.listening`; hidden repeats are left out, see `repeats`.

        Systems have the names of `labels`.
        """
        found = self.ratings(fingerprint=fingerprint, listener=listener)
        names = labels(found)
        return [_trial(r, names) for r in found if r.answered is not None and r.question.repeat_of is None]

    def repeats(
        self, *, fingerprint: str | None = None, listener: str | None = None
    ) -> list[tuple[Trial, Trial]]:
        """First and second answers to the questions that were hidden repeats, for `core.listening`."""
        found = self.ratings(fingerprint=fingerprint, listener=listener)
        names = labels(found)
        at = {(r.question.session, r.question.number): r for r in found if r.answered is not None}
        pairs = [
            (at.get((r.question.session, r.question.repeat_of)), r)
            for r in at.values()
            if r.question.repeat_of is not None
        ]
        return [(_trial(a, names), _trial(b, names)) for a, b in pairs if a is not None]

    def marks(self, *, fingerprint: str | None = None, listener: str | None = None) -> list[Mark]:
        """Marks of single results, for `core.listening`; those of hidden repeats are left out."""
        found = self.ratings(fingerprint=fingerprint, listener=listener)
        names = labels(found)
        return [
            Mark(names[r.question.systems[column]], fits)
            for r in found
            if r.question.repeat_of is None
            for (column, _), fits in sorted(r.marks.items())
        ]

    def export_csv(self, *, fingerprint: str | None = None, listener: str | None = None) -> str:
        """All ratings as a table, one row a column shown; columns and positions count from 1, as on the page.

        Questions count from 1, too. `chosen` is 1 for the column that was chosen, 0 for the others, and empty
        where nothing is answered yet; `fits` and `fits_not` are the positions marked so; `results` is the
        list of clips as JSON. Times are ISO 8601 in UTC. A text that a spreadsheet would take for a formula
        has an apostrophe before it.
        """
        target = io.StringIO()
        writer = csv.writer(target, lineterminator="\r\n")
        writer.writerow(HEADER)
        for rating in self.ratings(fingerprint=fingerprint, listener=listener):
            for row in csv_rows(rating):
                writer.writerow([harmless(value) for value in row])
        return target.getvalue()

    # -- the file -----------------------------------------------------------------------------------

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        """Give a connection within one transaction that reads; None where there are no ratings yet."""
        with self._told():
            try:
                self.path.stat()
            except (FileNotFoundError, NotADirectoryError):
                yield None
                return
            except OSError as error:
                raise RatingsError(f"{self.path} cannot be read ({error.strerror}).") from None
            # Not read-only: what a killed process has left half-written must be rolled back first.
            with closing(self._connect("rw")) as db:
                db.execute("BEGIN")  # all that is read is of one moment, also while the file comes into being
                yield db if self._check_version(db) else None

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Give a connection within one transaction, which is on disk when the block has ended."""
        with self._told():
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                # As the umask has it: a file that SQLite makes can be written to by its owner only.
                with suppress(PermissionError):
                    if not self.path.exists():
                        self.path.touch()
            except OSError as error:
                space = lack_of_space(error, self.path.parent)
                raise RatingsError(
                    f"{self.path} cannot be made ({space or error.strerror}); ratings need a folder to be in."
                ) from None
            with closing(self._connect("rwc")) as db:
                db.execute("PRAGMA synchronous = EXTRA")
                db.execute("PRAGMA foreign_keys = ON")
                # Not deferred: two that read first and then write would wait for each other.
                db.execute("BEGIN IMMEDIATE")
                try:
                    if not self._check_version(db):
                        _create(db)
                    yield db
                except BaseException:
                    if db.in_transaction:  # a full disk has ended it already
                        db.execute("ROLLBACK")
                    raise
                db.execute("COMMIT")

    def _connect(self, mode: str) -> sqlite3.Connection:
        db = sqlite3.connect(f"{self.path.as_uri()}?mode={mode}", TIMEOUT, isolation_level=None, uri=True)
        try:
            # Opens the file, which `connect` does not do yet.
            db.execute("PRAGMA schema_version").fetchone()
        except BaseException:
            db.close()
            raise
        return db

    def _check_version(self, db: sqlite3.Connection) -> bool:
        """Whether the tables are there; False for a file that is still empty."""
        application = db.execute("PRAGMA application_id").fetchone()[0]
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version == application == 0 and not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return False
        if application != _APPLICATION:
            raise RatingsError(f"{self.path} holds something other than ratings; move it away.")
        if version != SCHEMA:
            raise RatingsError(
                f"{self.path} is of version {version} and this hearspace reads version {SCHEMA}; use the "
                "hearspace that wrote it, or a newer one."
            )
        return True

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Say in one sentence what SQLite says in a word."""
        try:
            yield
        except (OverflowError, UnicodeError) as error:
            raise RatingsError(f"{self.path} cannot keep this: {error}.") from error
        except sqlite3.Error as error:
            code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
            space = lack_of_space(error, self.path.parent)
            if space is not None:
                raise RatingsError(f"{self.path} cannot be written: {space}.") from error
            if code in _PASSING:
                raise RatingsError(f"{self.path}: {_PASSING[code]}.") from error
            raise self._damaged(str(error)) from error

    def _damaged(self, what: str) -> RatingsError:
        return RatingsError(
            f"{self.path} is damaged ({what}); nothing was changed: put a copy back, or move the file away "
            "to begin anew."
        )

    def _results(self, db: sqlite3.Connection, question: int) -> list[list[str]]:
        row = db.execute("SELECT results FROM questions WHERE id = ?", (question,)).fetchone()
        if row is None:
            raise RatingsError(f"There is no question {question} in {self.path}; note it first.")
        return json.loads(row[0])

    def _by_number(self, db: sqlite3.Connection, session: str, number: int) -> Question | None:
        rows = db.execute("SELECT * FROM questions WHERE session = ? AND number = ?", (session, number))
        names = [column[0] for column in rows.description]
        row = rows.fetchone()
        return None if row is None else self._question(dict(zip(names, row, strict=True)))

    def _question(self, row: dict[str, Any]) -> Question:
        try:
            return Question(
                **{name: row[name] for name in _PLAIN},
                query=Query(row["query_kind"], row["query"], row["wanted"]),
                systems=tuple(System(**s) for s in json.loads(row["systems"])),
                results=tuple(tuple(column) for column in json.loads(row["results"])),
            )
        except (TypeError, ValueError) as error:
            raise self._damaged(f"question {row['id']}: {error}") from None


def _row(question: Question) -> dict[str, Any]:
    """Return a question as the columns of its table."""
    return {name: getattr(question, name) for name in _PLAIN} | {
        "query_kind": question.query.kind,
        "query": question.query.value,
        "wanted": question.query.wanted,
        "systems": plain_json([asdict(s) for s in question.systems]),
        "results": plain_json(question.results),
    }


def _create(db: sqlite3.Connection) -> None:
    for statement in filter(str.strip, _TABLES.split(";")):
        db.execute(statement)
    for table in _NAMES:
        for change in ("UPDATE", "DELETE"):
            db.execute(
                f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
                "BEGIN SELECT RAISE(ABORT, 'ratings are only added to'); END"
            )
    db.execute(f"PRAGMA application_id = {_APPLICATION}")
    db.execute(f"PRAGMA user_version = {SCHEMA}")


def _check(what: str, value: int, count: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < count:
        raise RatingsError(
            f"{what} is {value!r}; this question shows {count}, so it must be 0 to {count - 1}."
        )


def _trial(rating: Rating, names: dict[System, str]) -> Trial:
    shown = tuple(names[s] for s in rating.question.systems)
    chosen = None if rating.chosen is None else shown[rating.chosen]
    return Trial(shown, chosen, rating.question.listener, rating.question.key)
