"""AudioSet (Gemmeke et al., 2017): segments of videos, with labels of its ontology.

AudioSet is a list, not a collection of sounds: rows of ``YTID, start, end, labels`` in
``balanced_train_segments.csv``, ``eval_segments.csv`` and ``unbalanced_train_segments.csv``. The sounds are
whatever files of theirs a user has. A clip here has one label, and its class is a node of the ontology that
has enough of them: the subset that Dogan et al. train zero-shot models on ("focusing on single-label
samples", "selecting the deepest node with more than 100 samples, or its parent if none qualify").

`class_of_labels` states exactly how that is read here; the documentation lists what the paper leaves open.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from core.words import count
from jobs.datasets import Clip, DatasetError, OptionError, Skipped, choice
from jobs.datasets._ontology import WHERE, Ontology, find_ontology
from jobs.datasets._tables import not_a_table
from jobs.datasets._walk import inside, unused, walk

NAME = "audioset"
DESCRIPTION = "AudioSet: single-label segments of which the folder has files, in classes with enough of them."
OPTIONS = {
    "segments": "the lists of segments, relative to the folder, with commas between several (default: every "
    "file named *_segments.csv in the folder)",
    "ontology": "AudioSet's ontology.json, which names the labels (default: ontology.json in the folder), or "
    "fetch, to get it once from GitHub",
    "threshold": "a class has more than this many clips; where a label has fewer, what lies above it is the "
    "class (default: 100)",
    "single": "which clips have a single label: 'label' (default), those with exactly one; 'branch', also "
    "those whose further labels all lie above one of them",
}

_LISTS = "*_segments.csv"
_PLACES = ("ontology.json", "ontology/ontology.json")
_NAMES = "<YTID>.wav, Y<YTID>.wav, <YTID>_<start>.wav or <YTID>_<start>_<end>.wav"
_DAMAGED = 20  # rows of a list that are reported one by one


def looks_like(root: Path) -> bool:
    """Return whether a folder holds lists of segments."""
    for path in filter(Path.is_file, root.glob(_LISTS)):
        with open(path, encoding="utf-8", errors="replace") as file:
            if "YTID" in file.read(2000):
                return True
    return False


def scan(
    root: Path,
    *,
    segments: str | None = None,
    ontology: str | None = None,
    threshold: str = "100",
    single: str = "label",
) -> Iterator[Clip | Skipped]:
    """Yield the clips that belong to a class, in the order of the lists."""
    choice("single", single, ("label", "branch"))
    if not threshold.isascii() or not threshold.isdecimal():
        raise OptionError(f"threshold is {threshold!r}; it must be a whole number, 0 or more.")
    return _scan(root, _lists(root, segments), _known(root, ontology), int(threshold), single == "branch")


def classes(
    root: Path, *, ontology: str | None = None, **others: str
) -> Iterator[tuple[str, str | None, str | None]]:
    """Yield name, family and description of every node of the ontology."""
    known = _known(root, ontology)
    for mid, name in known.names.items():
        yield name, known.family(name, mid), known.description(name, mid)


# -- classes -----------------------------------------------------------------------------------------------


def nodes_above(parents: Mapping[str, Collection[str]]) -> dict[str, str | None]:
    """Return for every node the nearest node that all ways up from it lead through.

    That is the parent if there is only one, and of several parents the deepest node through which every
    way up from each of them leads (the immediate dominator): of *Growling*, which may be a dog's or a cat's,
    the domestic animals.

    Parameters
    ----------
    parents : mapping of str to collection of str
        Parents of every node, parents before their children; none for a node at the top.

    Returns
    -------
    dict of str to str or None
        None at the top, and where the ways up part for good, as those of *Bell* do.

    Examples
    --------
    >>> nodes_above({"animal": (), "dog": ("animal",), "cat": ("animal",), "growling": ("dog", "cat")})
    {'animal': None, 'dog': 'animal', 'cat': 'animal', 'growling': 'animal'}
    """
    above: dict[str, str | None] = {}
    for node, direct in parents.items():
        ways = [_way_up(parent, above) for parent in direct]
        shared = [n for n in ways[0] if all(n in way for way in ways)] if ways else []
        above[node] = shared[0] if shared else None
    return above


def class_of_labels(
    counts: Mapping[str, int], above: Mapping[str, str | None], threshold: int = 100
) -> dict[str, str | None]:
    """Find the class of every label: the deepest node upward from it with more than `threshold` clips.

    From the bottom up, a node gathers the clips with its own label and those that the nodes below it could
    not keep. If they are more than `threshold`, it is a class and keeps them; else they go on to the node
    above. So every class has more than `threshold` clips, and each clip is in one class at most.

    Parameters
    ----------
    counts : mapping of str to int
        Clips with each label.
    above : mapping of str to str or None
        The node above every node, see `nodes_above`.
    threshold : int, default=100

    Returns
    -------
    dict of str to str or None
        A node for every label; None if too few are gathered up to the top.

    References
    ----------
    Dogan, Xie, Heittola, Virtanen, "On the Role of Training Class Distribution in Zero-Shot Audio
    Classification", section 4.1.

    Examples
    --------
    >>> above = {"animal": None, "dog": "animal", "cat": "animal", "bark": "dog", "yip": "dog"}
    >>> class_of_labels({"bark": 8, "yip": 2, "dog": 2, "cat": 1}, above, threshold=3)
    {'bark': 'bark', 'yip': 'dog', 'dog': 'dog', 'cat': None}
    """
    gathered: dict[str, list[str]] = {label: [label] for label in counts}
    class_of: dict[str, str | None] = dict.fromkeys(counts)
    for node in sorted(above, key=lambda n: len(_way_up(n, above)), reverse=True):
        labels = gathered.get(node, [])
        upper = above[node]
        if sum(counts[label] for label in labels) > threshold:
            class_of.update(dict.fromkeys(labels, node))
        elif upper is not None:
            gathered.setdefault(upper, []).extend(labels)
    return class_of


def _way_up(node: str | None, above: Mapping[str, str | None]) -> list[str]:
    """Return the node itself and all nodes above it, the highest last."""
    way = []
    while node is not None:
        way.append(node)
        node = above[node]
    return way


def _lowest(labels: list[str], parents: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return the labels that lie above none of the others, by any way."""
    higher: set[str] = set()
    for label in labels:
        stack = list(parents.get(label, ()))
        while stack:
            node = stack.pop()
            if node not in higher:
                higher.add(node)
                stack.extend(parents[node])
    return [label for label in labels if label not in higher]


# -- lists and files ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Segment:
    ytid: str
    start: float
    end: float
    labels: list[str]
    split: str
    path: str


@dataclass
class _Tally:
    """Counts of the rows of a list that cannot be used."""

    rows: int = 0
    without_file: int = 0
    first_without: str = ""
    several: int = 0
    damaged: int = 0


def _known(root: Path, given: str | None) -> Ontology:
    known = find_ontology(root, given, _PLACES)
    if known is None:
        raise DatasetError(
            f"{root} has no ontology.json, without which AudioSet's labels have no names; {WHERE} has it: "
            "put it there, or give its path with the option ontology."
        )
    if not known.parents:
        raise DatasetError(
            "The ontology holds names without ids, by which AudioSet's lists name their labels; "
            f"{WHERE} has the file that is needed, ontology.json."
        )
    return known


def _lists(root: Path, given: str | None) -> dict[str, Path]:
    """Return the lists of segments by their names relative to the folder."""
    if given is None:
        names = sorted(path.name for path in root.glob(_LISTS))
    else:
        names = list(dict.fromkeys(name.strip() for name in given.split(",") if name.strip()))
    if not names:
        raise DatasetError(
            f"{root} has no list of segments named {_LISTS}; put AudioSet's balanced_train_segments.csv or "
            "eval_segments.csv there, or name a list with the option segments."
        )
    missing = [name for name in names if not (root / name).is_file()]
    if missing:
        raise DatasetError(f"There is no list of segments {root / missing[0]}.")
    return {name: inside(root, name) for name in names}


def _scan(
    root: Path, lists: Mapping[str, Path], known: Ontology, threshold: int, branch: bool
) -> Iterator[Clip | Skipped]:
    tallies = {name: _Tally() for name in lists}
    segments: list[_Segment] = []
    yield from _segments(root, lists, tallies, segments)
    clips: list[tuple[_Segment, str]] = []
    unknown: Counter[str] = Counter()
    for segment in segments:
        labels = _lowest(segment.labels, known.parents) if branch else segment.labels
        if len(labels) > 1:
            tallies[segment.split].several += 1
        elif labels[0] not in known.parents:
            unknown[labels[0]] += 1
        else:
            clips.append((segment, labels[0]))
    yield from _summary(tallies, unknown)

    above = nodes_above(known.parents)
    counts = Counter(label for _, label in clips)
    class_of = class_of_labels(counts, above, threshold)
    lost = {label: n for label, n in counts.items() if class_of[label] is None}
    if not clips:
        raise DatasetError(
            f"None of the {len(segments)} segments that {root} has sounds of has a single label that the "
            "ontology knows; with the option single=branch, labels above another do not count."
        )
    if len(lost) == len(counts):
        raise DatasetError(
            f"No class of {root} has more than {threshold} of its {len(clips)} single-label clips, even "
            "where labels are gathered under those above; give a lower threshold."
        )
    yield from _too_few(lost, known, above, threshold)
    for segment, label in clips:
        node = class_of[label]
        if node is not None:
            yield _clip(segment, known, node, known.names[label])


def _clip(segment: _Segment, known: Ontology, node: str, label: str) -> Clip:
    name = known.names[node]
    split = PurePosixPath(segment.split).stem.removesuffix("_segments")
    extra = {"split": split, "ytid": segment.ytid, "start": segment.start, "end": segment.end}
    return Clip(
        segment.path, (name,), family=known.family(name, node), extra=extra | {"audioset_label": label}
    )


def _segments(
    root: Path, lists: Mapping[str, Path], tallies: Mapping[str, _Tally], segments: list[_Segment]
) -> Iterator[Skipped]:
    """Add the segments of all lists that have a file; yield the files and rows that are not used."""
    files: dict[str, list[str]] = {}
    for entry in walk(root):
        if isinstance(entry, str):
            files.setdefault(PurePosixPath(entry).stem, []).append(entry)
        elif not entry.path.endswith((".csv", ".json")):
            yield entry
    n_files = sum(map(len, files.values()))
    for name, path in lists.items():
        yield from _read(name, path, files, tallies[name], segments)
    if not segments:
        total = sum(tally.rows for tally in tallies.values())
        raise DatasetError(
            f"{root} holds no sound that its lists name: of {total} segments in {', '.join(lists)}, not one "
            f"is among the {n_files} sound files; they must be named {_NAMES}."
        )
    left = sorted(path for paths in files.values() for path in paths)
    yield from unused(".", "sound file", "of no segment of the lists", left)


def _read(
    name: str, path: Path, files: dict[str, list[str]], tally: _Tally, segments: list[_Segment]
) -> Iterator[Skipped]:
    """Add the segments of a list that have a file, and take their files out of `files`."""
    ids = {id for stem in files for id in _ids(stem)}
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, skipinitialspace=True)
            for row in reader:
                if not row or row[0].startswith("#"):
                    continue
                tally.rows += 1
                try:
                    ytid, start, end, labels = _parsed(row)
                except ValueError as error:
                    tally.damaged += 1
                    if tally.damaged <= _DAMAGED:
                        yield Skipped(f"{name}:{reader.line_num}", f"a row that cannot be read: {error}")
                    continue
                stems = [s for s in file_stems(ytid, start, end) if s in files] if ytid in ids else []
                if not stems:
                    tally.without_file += 1
                    tally.first_without = tally.first_without or ytid
                    continue
                chosen, *others = [p for stem in stems for p in files.pop(stem)]
                segments.append(_Segment(ytid, start, end, labels, name, chosen))
                for other in others:
                    yield Skipped(other, f"a second file of the segment that {chosen} holds")
    except (UnicodeDecodeError, csv.Error) as error:
        raise not_a_table(path, error) from None


def _parsed(row: list[str]) -> tuple[str, float, float, list[str]]:
    if len(row) != 4:
        raise ValueError(f"it has {len(row)} fields, not YTID, start, end and the labels in quotes")
    ytid = row[0].strip()
    labels = list(dict.fromkeys(label.strip() for label in row[3].split(",") if label.strip()))
    try:
        start, end = float(row[1]), float(row[2])
    except ValueError:
        start = end = math.nan
    if not (ytid and labels):
        raise ValueError("it has no YTID" if labels else "it has no label")
    if not 0 <= start < end < math.inf:
        raise ValueError(
            f"it begins at {row[1]!r} and ends at {row[2]!r}, which must be seconds, the end after the start"
        )
    return ytid, start, end, labels


def file_stems(ytid: str, start: float, end: float) -> list[str]:
    """Return the names that a file of a segment may have, without its ending.

    Times are seconds, whole or with three decimals or with six digits, or milliseconds.

    Examples
    --------
    >>> file_stems("-abc", 30.0, 40.0)[:5]
    ['-abc', '-abc_30', '-abc_30_40', '-abc_30.000', '-abc_30.000_40.000']
    """
    spelled = [
        (str(int(start)), str(int(end))),
        (f"{start:.3f}", f"{end:.3f}"),
        (f"{int(start):06d}", f"{int(end):06d}"),
        (str(round(1000 * start)), str(round(1000 * end))),
    ]
    names = [ytid] + [name for a, b in spelled for name in (f"{ytid}_{a}", f"{ytid}_{a}_{b}")]
    return list(dict.fromkeys([*names, *(f"Y{name}" for name in names)]))


def _ids(stem: str) -> set[str]:
    """Return the videos that a file of this name may be a segment of."""
    ids = {stem, stem.rsplit("_", 1)[0], stem.rsplit("_", 2)[0]}
    return ids | {id[1:] for id in ids if id.startswith("Y")}


def _summary(tallies: Mapping[str, _Tally], unknown: Mapping[str, int]) -> Iterator[Skipped]:
    for name, tally in tallies.items():
        if tally.damaged > _DAMAGED:
            yield Skipped(name, f"has {tally.damaged - _DAMAGED} more rows that cannot be read", True)
        if tally.without_file:
            yield Skipped(
                name,
                f"of its {tally.rows} segments, {tally.without_file} have no file here, the first of them "
                f"{tally.first_without}",
                summary=True,
            )
        if tally.several:
            yield Skipped(
                name,
                f"{tally.several} of its segments with a file have more than one label, so they are left out",
                summary=True,
            )
    if unknown:
        yield Skipped(
            "ontology.json",
            f"does not have {len(unknown)} of the labels, such as {next(iter(unknown))}, so the "
            f"{sum(unknown.values())} clips with one of them are left out",
            summary=True,
        )


def _too_few(
    lost: Mapping[str, int], known: Ontology, above: Mapping[str, str | None], threshold: int
) -> Iterator[Skipped]:
    """List the labels that are in no class, by the highest node up to which their clips were gathered."""
    together: dict[str, list[str]] = {}
    for label in lost:
        together.setdefault(_way_up(label, above)[-1], []).append(label)
    for top, labels in together.items():
        n = sum(lost[label] for label in labels)
        names = sorted(known.names[label] for label in labels)
        listed = ", ".join(names[:3]) + (f" and {len(names) - 3} more labels" if len(names) > 3 else "")
        yield Skipped(
            f"ontology.json: {known.names[top]}",
            f"{count(n, 'clip')} in no class: of {listed}; nothing up to {known.names[top]} has more than "
            f"{threshold}",
            summary=True,
        )
