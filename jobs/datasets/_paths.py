"""Find the files that the paths in a table mean, also if another system wrote them.

A path may be written with backslashes or a drive's letter, with other upper and lower case, or with accents
stored in the other of Unicode's two ways. If it then fits exactly one file, it means that file; if it fits
several, the user has to choose.
"""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from jobs.datasets._tables import lines
from jobs.datasets._walk import sounds
from jobs.sound.files import SUFFIXES

#: Paths that are compared with the files to learn how all of them differ.
_SAMPLE = 200


def key(path: str) -> str:
    """Return what is equal for two spellings of a path: without case, accents stored in one way."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())


def slashed(path: str) -> str:
    """Return a path with slashes, in place of Windows' backslashes."""
    return path.replace("\\", "/")


class Files:
    """The sounds of a folder, by what a table may call them.

    Parameters
    ----------
    root : Path
        The folder, resolved.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def paths(self) -> list[str]:
        """All sounds, relative to the root."""
        return sounds(self.root)

    def match(self, path: str) -> list[str]:
        """Return the files that a path relative to the root means: itself, else all spellings of it."""
        return [path] if os.path.lexists(self.root / path) else self._index.get(("path", key(path)), [])

    def called(self, name: str) -> list[str]:
        """Return the files of a name, or of it and an ending where it has none of a sound."""
        return self._index.get(("name", key(name))) or self._index.get(("stem", key(name)), [])

    @cached_property
    def _index(self) -> dict[tuple[str, str], list[str]]:
        index: dict[tuple[str, str], list[str]] = {}
        for path in self.paths:
            pure = PurePosixPath(path)
            for part, text in (("path", path), ("name", pure.name), ("stem", pure.stem)):
                index.setdefault((part, key(text)), []).append(path)
        return index


class Fit(NamedTuple):
    """The difference between all paths of a table and the files: folders too many or missing, an ending."""

    strip: tuple[str, ...] = ()
    folder: str = ""
    suffix: str = ""

    def apply(self, path: str) -> str:
        """Return a path with its surplus folders cut off, and the missing folder and ending added."""
        rest = _parts(path)[len(self.strip) :]
        return "/".join((*filter(None, self.folder.split("/")), *rest)) + self.suffix


class Place(NamedTuple):
    """A path of a table, relative to the root.

    Attributes
    ----------
    path : str
    exists : bool
        Whether there is such a file.
    several : list of str
        The files that it could mean, if more than one.
    how : str
        How it differs from the file's name: "", "slashes", "spelling" or "slashes spelling".
    """

    path: str
    exists: bool
    several: tuple[str, ...] = ()
    how: str = ""


class Located(NamedTuple):
    """The places of all paths of a table, and the one change that all of them needed."""

    places: list[Place]
    fit: Fit | None


def locate(files: Files, given: Sequence[str], *, prefix: str, suffix: str, fit: bool = True) -> Located:
    """Find the file of each path of a table.

    Parameters
    ----------
    files : Files
    given : sequence of str
        As the table has them.
    prefix, suffix : str
        Folder that they start from, relative to the root, and ending to add to those without one.
    fit : bool, default=True
        If no path leads to a file, try one change of all of them: dropping folders that they begin with, or
        adding a folder or an ending.
    """
    places = [_place(files, path, prefix, suffix) for path in given]
    if not fit or any(place.exists or place.several for place in places):
        return Located(places, None)
    change = _fit(files, given, prefix)
    if change is None:
        return Located(places, None)
    return Located([_fitted(files, path, change) for path in given], change)


def _place(files: Files, given: str, prefix: str, suffix: str) -> Place:
    written = _relative(files.root, prefix, given, suffix)
    if os.path.lexists(files.root / written):
        return Place(written, True)
    plain = _relative(files.root, prefix, slashed(given), suffix)
    return _spelled(files, plain, "slashes" if plain != written else "")


def _spelled(files: Files, path: str, how: str) -> Place:
    match files.match(path):
        case [one]:
            return Place(one, True, how=how if one == path else f"{how} spelling".strip())
        case [_, *_] as several:
            return Place(path, False, tuple(several), how)
    return Place(path, False, how=how)


def _fitted(files: Files, given: str, fit: Fit) -> Place:
    if _parts(given)[: len(fit.strip)] != fit.strip:
        return Place(slashed(given), False)
    return _spelled(files, fit.apply(given), "")


def _relative(root: Path, prefix: str, path: str, suffix: str) -> str:
    if suffix and os.path.splitext(path)[1].lower() not in SUFFIXES:
        path += suffix
    if os.path.isabs(path):
        # The folder may be reached through a link: compare the real paths.
        real = os.path.normpath(path)
        folder, name = os.path.split(real)
        path = os.path.relpath(os.path.join(os.path.realpath(folder), name), root)
    else:
        path = os.path.normpath(os.path.join(prefix, path))
    return Path(path).as_posix()


def _parts(path: str) -> tuple[str, ...]:
    return tuple(part for part in slashed(path).split("/") if part not in ("", "."))


def _fit(files: Files, given: Sequence[str], prefix: str) -> Fit | None:
    """Return the one change of all paths after which they lead to files; None if there is not exactly one."""
    sample = list(dict.fromkeys(given))[:_SAMPLE]
    votes: Counter[Fit] = Counter()
    for path in sample:
        votes.update(set(_fits(files, path, prefix)))
    if not votes:
        return None
    ((best, n), *others) = votes.most_common(2)
    if 2 * n < len(sample) or (others and others[0][1] == n):
        return None
    return best


def _fits(files: Files, given: str, prefix: str) -> Iterator[Fit]:
    parts = _parts(given)
    if not parts or ".." in parts:
        return
    for path in files.called(parts[-1]):
        own = path.split("/")
        suffix = "" if key(own[-1]) == key(parts[-1]) else os.path.splitext(own[-1])[1]
        same = 1
        while same < min(len(parts), len(own)) and key(parts[-same - 1]) == key(own[-same - 1]):
            same += 1
        strip, folder = parts[:-same], "/".join(own[:-same])
        # One folder in the place of another would be a guess: train/a.wav is not test/a.wav.
        if not strip or folder in ("", prefix):
            yield Fit(strip, folder, suffix)


def remarks(located: Located, given: Sequence[str], at: Sequence[int]) -> Iterator[str]:
    """Describe how the paths `given` in a table, in the lines `at`, differ from the names of the files."""
    if located.fit is not None:
        yield f"{_unlike(located.fit, given[0], at[0])}"
    for how, words in (
        ("slashes", "paths are written with backslashes, and read as with slashes"),
        ("spelling", "paths differ from the names of the files in case, or in how accents are stored"),
    ):
        rows = [i for i, place in enumerate(located.places) if place.exists and how in place.how.split()]
        if rows:
            first = f"{given[rows[0]]} is {located.places[rows[0]].path}"
            yield f"{lines(at[i] for i in rows)}: {words}: {first}"


def _unlike(fit: Fit, given: str, line: int) -> str:
    changes = []
    if fit.strip:
        changes.append(f"without {'/'.join(fit.strip)}, which is not here")
    elif fit.folder:
        changes.append(f"from the folder {fit.folder} on, as with `-o folder={fit.folder}`")
    if fit.suffix:
        changes.append(f"with {fit.suffix} added, as with `-o suffix={fit.suffix}`")
    how = " and ".join(changes)
    return f"no path leads to a file as it is written ({given}, line {line}); all are read {how}"


def advice(files: Files, given: str, prefix: str) -> str:
    """Suggest what to do about a path that leads to no file."""
    parts = _parts(given)
    alike = files.called(parts[-1]) if parts else []
    if not alike:
        name = parts[-1] if parts else given
        ending = "" if PurePosixPath(name).suffix.lower() in SUFFIXES else ", whatever its ending"
        return (
            f"no file here is called {name}{ending}; give the folder that holds the sounds, or "
            "name their column with the option path"
        )
    listed = " and ".join(alike[:2]) + (" and others" if len(alike) > 2 else "")
    known = f"a file of that name is {listed}" if len(alike) == 1 else f"files of that name are {listed}"
    own = alike[0].split("/")
    if key(own[-1]) != key(parts[-1]):
        return f"{known}: `-o suffix={os.path.splitext(own[-1])[1]}` adds the ending"
    rest = len(parts) if [key(p) for p in own[-len(parts) :]] == [key(p) for p in parts] else 0
    folder = "/".join(own[:-rest]) if rest else ""
    if folder and folder != prefix:
        return f"{known}: `-o folder={folder}` makes paths start from it"
    return f"{known}; the folders before the name differ, so the paths in the table must be changed"
