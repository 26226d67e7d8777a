"""Ratings by listeners: what was asked, what was shown, what was chosen; and the plan of what to ask next.

``ratings.sqlite`` in the workspace only ever grows: a question when it is shown, a choice and marks when they
are made. Somebody who thinks again adds a second choice, and the last one counts. Triggers refuse to change
or remove a row.

Whatever `Ratings` has returned from is on disk: each call is one short transaction with SQLite's rollback
journal and ``synchronous = EXTRA``, which waits for the file and for its folder, so that it outlives a
``kill -9`` and a power cut. The rollback journal and not the write-ahead log, because workspaces are also on
network disks, where the log's shared memory does not work, and because one file is all there is to copy.
Processes that write at once wait for each other. A connection lasts one call: none is carried across
threads or a fork.

`plan_question` says what the n-th question of a session is, from a seed and nothing else.

Light to import: pages use it.
"""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import json
import random
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from core.preferences import Mark, Trial

FILE = "ratings.sqlite"
SCHEMA = 1
#: Seconds to wait for another process that is writing.
TIMEOUT = 30.0
#: Systems side by side.
MOST_COLUMNS = 4
#: Systems that a session may choose its columns from.
MOST_SYSTEMS = 12

QueryKind = Literal["clip", "upload", "text"]

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
# fmt: off
_HEADER = (
    "id", "session", "question", "repeat_of", "listener", "asked", "answered", "seed", "dataset",
    "fingerprint", "query_kind", "query", "class", "column", "system", "encoder", "aggregation", "components",
    "normalize", "algorithm", "space", "chosen", "fits", "fits_not", "results",
)
# fmt: on
#: What spreadsheets read as the beginning of a formula, in full width too.
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")
#: Results of SQLite that say something about now, not about the file.
_PASSING = {
    sqlite3.SQLITE_BUSY: "another process has kept it busy; try again",
    sqlite3.SQLITE_LOCKED: "another process has kept it busy; try again",
    sqlite3.SQLITE_FULL: "the disk is full; free some space and try again",
    sqlite3.SQLITE_IOERR: "the disk reports an error; look at the disk and try again",
    sqlite3.SQLITE_READONLY: "it may not be written to; give this user the right to write there",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; look at the rights on it and on its folder",
    sqlite3.SQLITE_PERM: "it may not be read; give this user the right to read it",
    sqlite3.SQLITE_AUTH: "it may not be read; give this user the right to read it",
    sqlite3.SQLITE_NOMEM: "memory is used up; close something and try again",
}


class RatingsError(ValueError):
    """Ratings cannot be read or kept as asked; the message says what to do."""


@dataclass(frozen=True)
class System:
    """A retrieval system: what it takes to give the same results again, as `jobs.specs.Retrieval` says it.

    Parameters
    ----------
    encoder : str
    aggregation : str, default "mean"
        How frames become a clip; "" where the encoder has no frames.
    components : int, default 100
        Principal components kept; 0 keeps all dimensions.
    normalize : bool, default False
        Whether vectors are scaled to unit length.
    algorithm : str, default "mcss"
        How the corpus is searched.
    space : str, default ""
        Key of the embedding that was searched, which says which weights and which version.
    """

    encoder: str
    aggregation: str = "mean"
    components: int = 100
    normalize: bool = False
    algorithm: str = "mcss"
    space: str = ""

    @property
    def name(self) -> str:
        """All but the key of the space: ``aisfx · mean · PCA 100 · mcss``."""
        parts = [self.encoder, self.aggregation, f"PCA {self.components}" if self.components else "no PCA"]
        parts += ["unit length" if self.normalize else "", self.algorithm]
        return " · ".join(filter(None, parts))


@dataclass(frozen=True)
class Query:
    """What is searched for: a clip id, the hash of a sound that was brought along, or a text.

    Parameters
    ----------
    kind : {'clip', 'upload', 'text'}
    value : str
    wanted : str, default ""
        The class asked for, which a listener is to judge by; "" where there is none.
    """

    kind: QueryKind
    value: str
    wanted: str = ""

    def __post_init__(self) -> None:
        if self.kind not in get_args(QueryKind):
            raise RatingsError(
                f"A query is of kind {self.kind!r}; it must be {', '.join(get_args(QueryKind))}."
            )


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question as it is shown to a listener.

    Parameters
    ----------
    session : str
        What the listener does in one go; any name that no other session has.
    number : int
        Of the question in its session, from 0.
    listener : str
        An alias, up to 64 characters; no more about a person is kept.
    seed : int
        Of the plan.
    dataset, fingerprint : str
        Name and fingerprint of the dataset searched.
    query : Query
    systems : tuple of System
        In the order of the columns shown, each once, 1 to 4.
    results : tuple of tuple of str
        The clip ids shown in each column, best first.
    repeat_of : int, optional
        Number of the earlier question of this session that this one repeats, unknown to the listener.
    """

    session: str
    number: int
    listener: str
    seed: int
    dataset: str
    fingerprint: str
    query: Query
    systems: tuple[System, ...]
    results: tuple[tuple[str, ...], ...]
    repeat_of: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "systems", tuple(self.systems))
        object.__setattr__(self, "results", tuple(tuple(column) for column in self.results))
        if not 1 <= len(self.listener.strip()) <= 64 or not self.listener.isprintable():
            raise RatingsError(f"{self.listener!r} cannot name a listener; use 1 to 64 characters.")
        if not self.session:
            raise RatingsError("A question needs the name of its session.")
        if not 1 <= len(self.systems) <= MOST_COLUMNS or len(set(self.systems)) < len(self.systems):
            raise RatingsError(
                f"A question shows {len(self.systems)} systems; it must show 1 to {MOST_COLUMNS}, each once."
            )
        if len(self.results) != len(self.systems):
            raise RatingsError(
                f"There are results of {len(self.results)} columns for {len(self.systems)} systems; each "
                "needs its own."
            )
        if self.repeat_of is not None and not 0 <= self.repeat_of < self.number:
            raise RatingsError(
                f"Question {self.number} repeats question {self.repeat_of}; it must be an earlier one."
            )

    @property
    def key(self) -> str:
        """What two listeners with the same question share: dataset, query and the systems with their results.

        The order of the columns, which is shuffled for each listener, plays no part.
        """
        columns = sorted(_plain([asdict(s), r]) for s, r in zip(self.systems, self.results, strict=True))
        text = _plain([self.fingerprint, asdict(self.query), columns])
        return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Rating:
    """A question and what its listener has answered so far. Times in seconds since 1970.

    Attributes
    ----------
    id : int
        Of the question in the database.
    question : Question
    created : float
    answered : float or None
        When the choice that counts was made; None where there is none yet.
    chosen : int or None
        Column from 0; None where nothing is answered and where none was chosen.
    marks : mapping of (int, int) to bool
        By column and position from 0: whether the result fits.
    """

    id: int
    question: Question
    created: float
    answered: float | None
    chosen: int | None
    marks: dict[tuple[int, int], bool] = field(default_factory=dict)


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

    def trials(self, *, fingerprint: str | None = None, listener: str | None = None) -> list[Trial]:
        """Answered questions, for `core.preferences`; hidden repeats are left out, see `repeats`.

        Systems have the names of `labels`.
        """
        found = self.ratings(fingerprint=fingerprint, listener=listener)
        names = labels(found)
        return [_trial(r, names) for r in found if r.answered is not None and r.question.repeat_of is None]

    def repeats(
        self, *, fingerprint: str | None = None, listener: str | None = None
    ) -> list[tuple[Trial, Trial]]:
        """First and second answers to the questions that were hidden repeats, for `core.preferences`."""
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
        """Marks of single results, for `core.preferences`; those of hidden repeats are left out."""
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
        writer.writerow(_HEADER)
        for rating in self.ratings(fingerprint=fingerprint, listener=listener):
            for row in _csv_rows(rating):
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
            except OSError as error:
                raise RatingsError(
                    f"{self.path.parent} cannot be made ({error.strerror}); ratings need a folder to be in."
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


def labels(ratings: Iterable[Rating]) -> dict[System, str]:
    """Name the systems of some ratings so that no two are mixed up.

    The name of a system; where two differ only in the space that was searched, as after an update of an
    encoder, the second one is called ``... #2``.
    """
    spaces: dict[str, list[System]] = {}
    for rating in ratings:
        for system in rating.question.systems:
            of = spaces.setdefault(system.name, [])
            if system not in of:
                of.append(system)
    return {
        system: name if i == 0 else f"{name} #{i + 1}"
        for name, systems in spaces.items()
        for i, system in enumerate(systems)
    }


def _row(question: Question) -> dict[str, Any]:
    """Return a question as the columns of its table."""
    return {name: getattr(question, name) for name in _PLAIN} | {
        "query_kind": question.query.kind,
        "query": question.query.value,
        "wanted": question.query.wanted,
        "systems": _plain([asdict(s) for s in question.systems]),
        "results": _plain(question.results),
    }


def _plain(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


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


def _csv_rows(rating: Rating) -> Iterator[list[Any]]:
    q = rating.question
    repeat_of = "" if q.repeat_of is None else q.repeat_of + 1
    about = [rating.id, q.session, q.number + 1, repeat_of, q.listener]
    about += [_moment(rating.created), _moment(rating.answered), q.seed]
    about += [q.dataset, q.fingerprint, q.query.kind, q.query.value, q.query.wanted]
    for column, (system, results) in enumerate(zip(q.systems, q.results, strict=True)):
        marked = {
            fits: " ".join(
                str(p + 1) for (c, p), f in sorted(rating.marks.items()) if c == column and f == fits
            )
            for fits in (True, False)
        }
        yield [
            *about,
            column + 1,
            system.name,
            system.encoder,
            system.aggregation,
            system.components,
            int(system.normalize),
            system.algorithm,
            system.space,
            "" if rating.answered is None else int(rating.chosen == column),
            marked[True],
            marked[False],
            _plain(results),
        ]


def _moment(seconds: float | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def harmless(value: Any) -> Any:
    """Put an apostrophe before text that a spreadsheet would read as a formula; the rest stays as it is."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


# -- the plan of a session -----------------------------------------------------------------------------------

#: Questions among which repeats and controls are spread evenly.
_BLOCK = 10
#: Questions at least between a question and its repeat.
_BETWEEN = 4


@dataclass(frozen=True)
class Planned:
    """A question to come: the systems from the left column to the right, and which question it repeats."""

    number: int
    query: Query
    systems: tuple[System, ...]
    repeat_of: int | None = None


def plan_question(
    seed: int,
    number: int,
    *,
    systems: Sequence[System],
    queries: Sequence[Query],
    listener: str = "",
    columns: int | None = None,
    control: System | None = None,
    control_rate: float = 0.2,
    repeat_rate: float = 0.1,
) -> Planned:
    """Return the question of a number in the session of a seed: see `plan_session`, whose last one it is.

    Examples
    --------
    >>> systems = [System("aisfx"), System("melstats")]
    >>> queries = [Query("clip", f"clip {i}") for i in range(40)]
    >>> planned = plan_question(7, 3, systems=systems, queries=queries, control=System("random-cnn"))
    >>> planned == plan_question(7, 3, systems=systems, queries=queries, control=System("random-cnn"))
    True
    """
    return plan_session(
        seed,
        number + 1,
        systems=systems,
        queries=queries,
        listener=listener,
        columns=columns,
        control=control,
        control_rate=control_rate,
        repeat_rate=repeat_rate,
    )[-1]


def plan_session(
    seed: int,
    n: int,
    *,
    systems: Sequence[System],
    queries: Sequence[Query],
    listener: str = "",
    columns: int | None = None,
    control: System | None = None,
    control_rate: float = 0.2,
    repeat_rate: float = 0.1,
) -> list[Planned]:
    """Plan the first n questions of a session; more questions change nothing about the first.

    Everything follows from the seed, on every machine. What is asked does not depend on the listener, so that
    listeners with one seed share their questions and their agreement can be measured; the order of
    the columns does, so that no column is better for all of them.

    Parameters
    ----------
    seed : int
    n : int
        From 1.
    systems : sequence of System
        1 to 12, each once; their order plays no part.
    queries : sequence of Query
        At least one, each once. All are asked, in an order drawn from the seed, before one is asked again.
    listener : str, default ""
        Shuffles the columns.
    columns : int, optional
        Systems side by side, 1 to 4; by default all, up to 4. Where there are more systems, every set of
        that many has its turn before one has another.
    control : System, optional
        A system that cannot be good, such as a network that was never trained. It takes the place of one of
        the systems, so that the number of columns does not tell. Among `systems` it is one of them.
    control_rate : float, default 0.2
        Share of the new questions' places that show the control, 0 to 0.5.
    repeat_rate : float, default 0.1
        Share of the questions that repeat an earlier one, its columns shuffled again, 0 to 0.3. There are
        at least four questions between; each question is repeated once at most. Where none is left to repeat
        a new one is asked.

    Returns
    -------
    list of Planned
        Both shares hold in every ten questions, but for rounding, which evens out.

    Raises
    ------
    RatingsError
        For a number, rate or column out of range, or no or repeated systems or queries.
    """
    pool = sorted(set(systems), key=lambda s: _plain(asdict(s)))
    asked = sorted(set(queries), key=lambda q: _plain(asdict(q)))
    if not 1 <= len(pool) <= MOST_SYSTEMS or len(pool) < len(systems):
        raise RatingsError(f"There are {len(systems)} systems; give 1 to {MOST_SYSTEMS}, each once.")
    if not asked or len(asked) < len(queries):
        raise RatingsError(f"There are {len(queries)} queries; give at least one, and each once.")
    most = min(MOST_COLUMNS, len(pool))
    columns = most if columns is None else columns
    if not 1 <= columns <= most:
        raise RatingsError(f"columns is {columns}; {len(pool)} systems allow 1 to {most}.")
    if n < 1:
        raise RatingsError(
            f"A session of {n} questions cannot be planned; number them from 0, and ask for 1."
        )
    for name, rate, top in (("control_rate", control_rate, 0.5), ("repeat_rate", repeat_rate, 0.3)):
        if not 0 <= rate <= top:
            raise RatingsError(f"{name} is {rate}; it must be from 0 to {top}.")
    if control is None or control in pool:
        control_rate = 0.0
    sets = list(itertools.combinations(pool, columns))
    session: list[Planned] = []
    repeated: set[int] = set()
    fresh = 0
    for number in range(n):
        repeat_here, control_here = _kind(seed, number, repeat_rate, control_rate)
        earlier = [
            p.number
            for p in session
            if p.repeat_of is None and p.number not in repeated and number - p.number > _BETWEEN
        ]
        if repeat_here and earlier:
            repeat_of = _random(seed, "repeat", number).choice(earlier)
            repeated.add(repeat_of)
            query, shown = session[repeat_of].query, session[repeat_of].systems
        else:
            repeat_of = None
            query, shown = _turn(asked, fresh, seed, "queries"), _turn(sets, fresh, seed, "systems")
            fresh += 1
            if control_here and control is not None:
                out = _random(seed, "control", number).randrange(columns)
                shown = (*shown[:out], control, *shown[out + 1 :])
        # From one order that both share, so that a repeat is shuffled independently.
        order = sorted(shown, key=lambda s: _plain(asdict(s)))
        _random(seed, "order", number, listener).shuffle(order)
        session.append(Planned(number, query, tuple(order), repeat_of))
    return session


def _random(*parts: object) -> random.Random:
    """A generator that depends on nothing but the parts: seeded by a hash of their text."""
    return random.Random(_plain([str(part) for part in parts]))


def _kind(seed: int, number: int, repeat_rate: float, control_rate: float) -> tuple[bool, bool]:
    """Whether the question of a number is to be a repeat, and whether it is to show the control."""
    block, place = divmod(number, _BLOCK)
    counts = []
    for name, rate in (("repeats", repeat_rate), ("controls", control_rate)):
        offset = _random(seed, name).random()
        per_block = rate * _BLOCK
        counts.append(int(per_block * (block + 1) + offset) - int(per_block * block + offset))
    # At the beginning there is nothing to repeat yet.
    places = list(range(_BETWEEN + 1 if block == 0 else 0, _BLOCK))
    random_ = _random(seed, "block", block)
    repeats = random_.sample(places, counts[0])
    controls = random_.sample([p for p in range(_BLOCK) if p not in repeats], counts[1])
    return place in repeats, place in controls


def _turn(things: Sequence[Any], index: int, seed: int, name: str) -> Any:
    """Take things in turn, in another order each time round."""
    time_round, at = divmod(index, len(things))
    return _random(seed, name, time_round).sample(things, len(things))[at]
