"""The ratings of listeners on disk: what they were asked and shown, and what they chose.

``ratings.sqlite`` in the workspace only ever grows: by a question when it is shown, by a choice and marks
when they are made. Whoever reconsiders adds a second choice, and the last one counts. Triggers refuse to
change or remove a row.

When a method of `Ratings` has returned, its data is on disk: each call is one short transaction with SQLite's
rollback journal and ``synchronous = EXTRA``, which waits for the file and for its folder, so that it survives
a ``kill -9`` and a power cut. The rollback journal rather than the write-ahead log, because workspaces are
also on network disks, where the log's shared memory does not work, and because there is a single file to
copy. Concurrent writers wait for each other. Each call opens its own connection: none is carried across
threads or a fork.

Questions are defined in `jobs.listening.questions` and planned in `jobs.listening.session_plans`. Pages
import all of these modules, so they are light.
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
from jobs.listening.session_plans import MOST_SYSTEMS, Planned, SessionPlan

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
    "SessionPlan",
    "System",
    "labels",
    "open_ratings",
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
#: SQLite's error codes for temporary problems, which do not mean that the file is damaged.
_TEMPORARY = {
    sqlite3.SQLITE_BUSY: "another process has kept it busy; try again",
    sqlite3.SQLITE_LOCKED: "another process has kept it busy; try again",
    sqlite3.SQLITE_IOERR: "the disk reports an error; check the disk and try again",
    sqlite3.SQLITE_READONLY: "it may not be written; give this account the permission to write it",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check the permissions of the file and of its folder",
    sqlite3.SQLITE_PERM: "it may not be read; give this account the permission to read it",
    sqlite3.SQLITE_AUTH: "it may not be read; give this account the permission to read it",
    sqlite3.SQLITE_NOMEM: "memory is used up; close other programs and try again",
}


def open_ratings(root: Path | str) -> Ratings:
    """Open the ratings of a workspace; the first question creates the file.

    Parameters
    ----------
    root : path
        Folder of the workspace.

    Raises
    ------
    RatingsError
        For a file that is damaged, of a newer version, or not one of ratings. It is not changed.
    """
    ratings = Ratings(Path(root).expanduser().absolute() / FILE)
    with ratings._reading() as db:
        if db is not None and (check := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise ratings._damaged(check.splitlines()[-1])
    return ratings


class Ratings:
    """The ratings of one workspace; see `open_ratings`.

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
        """Record that a question is shown and return its id.

        A question is recorded once for its number and session, however often a page requests it.

        Raises
        ------
        RatingsError
            If the session has another question with this number, or if this one repeats a question that does
            not exist or showed something else.
        """
        row = _row(question)
        with self._writing() as db:
            existing = _by_number(db, question.session, question.number)
            if existing is not None:
                if any(existing[name] != value for name, value in row.items()):
                    raise RatingsError(
                        f"Question {question.number} of session {question.session!r} was a different one; "
                        "start a new session."
                    )
                return int(existing["id"])
            if question.repeat_of is not None:
                repeated = _by_number(db, question.session, question.repeat_of)
                earlier = None if repeated is None else self._question(repeated)
                if earlier is None or earlier.key != question.key or earlier.listener != question.listener:
                    raise RatingsError(
                        f"Question {question.number} does not repeat question {question.repeat_of} of "
                        f"session {question.session!r}; a repeat has the same listener, query, systems and "
                        "results."
                    )
            return _insert(db, "questions", **row)

    def choose(self, question: int, column: int | None, *, first: bool = False) -> bool:
        """Record a choice: a column from 0, or None for none of them. The last choice of a question counts.

        With `first` it is recorded only if there is no choice yet: once the systems are revealed, a listener
        can no longer choose blindly.

        Returns
        -------
        bool
            Whether it was recorded.

        Raises
        ------
        RatingsError
            If the question or the column does not exist.
        """
        with self._writing() as db:
            results = self._results(db, question)
            if column is not None:
                _check("column", column, len(results))
            if first and db.execute("SELECT 1 FROM choices WHERE question = ?", (question,)).fetchone():
                return False
            _insert(db, "choices", question=question, col=column)
            return True

    def mark(self, question: int, column: int, position: int, fits: bool | None) -> None:
        """Record whether a result fits; None removes a mark. The last mark of a result counts.

        Raises
        ------
        RatingsError
            If the question, column or position does not exist.
        """
        with self._writing() as db:
            results = self._results(db, question)
            _check("column", column, len(results))
            _check("position", position, len(results[column]))
            _insert(db, "marks", question=question, col=column, position=position, fits=fits)

    # -- reading ------------------------------------------------------------------------------------

    def ratings(
        self, *, session: str | None = None, fingerprint: str | None = None, listener: str | None = None
    ) -> list[Rating]:
        """List questions with their answers, in the order in which they were asked.

        Parameters
        ----------
        session, fingerprint, listener : str, optional
            Only the questions of one session, dataset, listener.
        """
        filters = {"session": session, "fingerprint": fingerprint, "listener": listener}
        filters = {name: value for name, value in filters.items() if value is not None}
        where = " AND ".join(f"{name} = ?" for name in filters) or "1"
        chosen: dict[int, tuple[float, int | None]] = {}
        marks: dict[int, dict[tuple[int, int], bool]] = {}
        with self._reading() as db:
            if db is None:
                return []

            def select(table: str, where: str) -> list[sqlite3.Row]:
                query = f"SELECT * FROM {table} WHERE {where} ORDER BY id"
                return db.execute(query, [*filters.values()]).fetchall()

            questions = select("questions", where)
            answers_to = f"question IN (SELECT id FROM questions WHERE {where})"
            for row in select("choices", answers_to):
                chosen[row["question"]] = row["created"], row["col"]
            for row in select("marks", answers_to):
                of = marks.setdefault(row["question"], {})
                of.pop((row["col"], row["position"]), None)
                if row["fits"] is not None:
                    of[row["col"], row["position"]] = bool(row["fits"])
        return [
            Rating(row["id"], self._question(row), row["created"], answered, column, marks.get(row["id"], {}))
            for row in questions
            for answered, column in [chosen.get(row["id"], (None, None))]
        ]

    def question(self, question: int) -> Question | None:
        """Return the question with an id as it was shown, or None if it does not exist."""
        with self._reading() as db:
            if db is None:
                return None
            row = db.execute("SELECT * FROM questions WHERE id = ?", (question,)).fetchone()
        return None if row is None else self._question(row)

    def trials(self, *, fingerprint: str | None = None, listener: str | None = None) -> list[Trial]:
        """Answered questions, for `core.listening`, without hidden repeats: see `repeats`.

        Systems have the names of `labels`.
        """
        ratings, names = self._named(fingerprint, listener)
        return [_trial(r, names) for r in ratings if r.answered is not None and r.question.repeat_of is None]

    def repeats(
        self, *, fingerprint: str | None = None, listener: str | None = None
    ) -> list[tuple[Trial, Trial]]:
        """First and second answers to the questions with hidden repeats, for `core.listening`."""
        ratings, names = self._named(fingerprint, listener)
        at = {(r.question.session, r.question.number): r for r in ratings if r.answered is not None}
        pairs = [
            (at.get((r.question.session, r.question.repeat_of)), r)
            for r in at.values()
            if r.question.repeat_of is not None
        ]
        return [(_trial(a, names), _trial(b, names)) for a, b in pairs if a is not None]

    def marks(self, *, fingerprint: str | None = None, listener: str | None = None) -> list[Mark]:
        """Marks of single results, for `core.listening`, without those of hidden repeats."""
        ratings, names = self._named(fingerprint, listener)
        return [
            Mark(names[r.question.systems[column]], fits)
            for r in ratings
            if r.question.repeat_of is None
            for (column, _), fits in sorted(r.marks.items())
        ]

    def _named(self, fingerprint: str | None, listener: str | None) -> tuple[list[Rating], dict[System, str]]:
        ratings = self.ratings(fingerprint=fingerprint, listener=listener)
        return ratings, labels(ratings)

    def export_csv(self, *, fingerprint: str | None = None, listener: str | None = None) -> str:
        """Return all ratings as a table with one row per column shown.

        Questions, columns and positions count from 1, as on the page. `chosen` is 1 for the chosen column, 0
        for the others, and empty before an answer; `fits` and `fits_not` are the positions with such marks;
        `results` is the list of clips as JSON. Times are ISO 8601 in UTC. Text that a spreadsheet would read
        as a formula is preceded by an apostrophe.
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
        """Yield a connection within one reading transaction; None if there are no ratings yet."""
        with self._explained():
            try:
                self.path.stat()
            except (FileNotFoundError, NotADirectoryError):
                yield None
                return
            except OSError as error:
                raise RatingsError(f"{self.path} cannot be read ({error.strerror}).") from None
            # Not read-only: an unfinished transaction of a killed process must be rolled back first.
            with closing(self._connect("rw")) as db:
                db.execute("BEGIN")  # all reads see the same state, even while the file is being created
                yield db if self._check_version(db) else None

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection within one transaction, which is on disk when the block has ended."""
        with self._explained():
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                # With the permissions of the umask: a file created by SQLite is writable by its owner only.
                with suppress(PermissionError):
                    if not self.path.exists():
                        self.path.touch()
            except OSError as error:
                space = lack_of_space(error, self.path.parent)
                raise RatingsError(
                    f"{self.path} cannot be created ({space or error.strerror}); ratings need a folder."
                ) from None
            with closing(self._connect("rwc")) as db:
                db.execute("PRAGMA synchronous = EXTRA")
                db.execute("PRAGMA foreign_keys = ON")
                # Not deferred: two processes that first read and then write would wait for each other.
                db.execute("BEGIN IMMEDIATE")
                try:
                    if not self._check_version(db):
                        _create(db)
                    yield db
                except BaseException:
                    if db.in_transaction:  # a full disk ends it
                        db.execute("ROLLBACK")
                    raise
                db.execute("COMMIT")

    def _connect(self, mode: str) -> sqlite3.Connection:
        db = sqlite3.connect(f"{self.path.as_uri()}?mode={mode}", TIMEOUT, isolation_level=None, uri=True)
        db.row_factory = sqlite3.Row
        try:
            # This opens the file; `connect` does not.
            db.execute("PRAGMA schema_version").fetchone()
        except BaseException:
            db.close()
            raise
        return db

    def _check_version(self, db: sqlite3.Connection) -> bool:
        """Whether the tables exist; False for an empty file."""
        application = db.execute("PRAGMA application_id").fetchone()[0]
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version == application == 0 and not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return False
        if application != _APPLICATION:
            raise RatingsError(f"{self.path} is a database of something other than ratings; move it away.")
        if version != SCHEMA:
            raise RatingsError(
                f"{self.path} is of version {version} and this hearspace reads version {SCHEMA}; use the "
                "version that wrote it, or a newer one."
            )
        return True

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn errors of SQLite into one sentence."""
        try:
            yield
        except (OverflowError, UnicodeError) as error:
            raise RatingsError(f"{self.path} cannot store this: {error}.") from error
        except sqlite3.Error as error:
            code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
            space = lack_of_space(error, self.path.parent)
            if space is not None:
                raise RatingsError(f"{self.path} cannot be written: {space}.") from error
            if code in _TEMPORARY:
                raise RatingsError(f"{self.path}: {_TEMPORARY[code]}.") from error
            raise self._damaged(str(error)) from error

    def _damaged(self, what: str) -> RatingsError:
        return RatingsError(
            f"{self.path} is damaged ({what}); nothing was changed: restore a copy, or move the file away to "
            "start again."
        )

    def _results(self, db: sqlite3.Connection, question: int) -> list[list[str]]:
        row = db.execute("SELECT results FROM questions WHERE id = ?", (question,)).fetchone()
        if row is None:
            raise RatingsError(f"There is no question {question} in {self.path}; record it first.")
        return json.loads(row[0])

    def _question(self, row: sqlite3.Row) -> Question:
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


def _insert(db: sqlite3.Connection, table: str, **values: Any) -> int:
    """Add a row, with the time of its creation; return its id."""
    values = {"created": time.time(), **values}
    places = ", ".join("?" * len(values))
    statement = f"INSERT INTO {table} ({', '.join(values)}) VALUES ({places})"
    return db.execute(statement, [*values.values()]).lastrowid or 0


def _by_number(db: sqlite3.Connection, session: str, number: int) -> sqlite3.Row | None:
    return db.execute(
        "SELECT * FROM questions WHERE session = ? AND number = ?", (session, number)
    ).fetchone()


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
