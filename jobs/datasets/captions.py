"""Sounds with several captions each: Clotho, AudioCaps and MACS, as they are published.

======================================  =====================================================================
Clotho (Drossos et al., 2020)           ``clotho_captions_<subset>.csv`` with five captions a row, beside
                                        ``clotho_metadata_<subset>.csv``
AudioCaps (Kim et al., 2019)            ``train.csv``, ``val.csv``, ``test.csv`` with a caption a row; the
                                        names of the files identify their clips
MACS (Martín-Morató & Mesaros, 2021)    ``MACS.yaml``, captions and tags by several people for clips of TAU
                                        Urban Acoustic Scenes 2019
======================================  =====================================================================

The sounds may lie anywhere in the folder; their names identify them. All captions of a clip are kept, in
their order, and the first is its caption wherever a page shows one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from jobs.datasets import Clip, DatasetError, OptionError, Skipped, choice, clean_label
from jobs.datasets._paths import key
from jobs.datasets._tables import read_rows
from jobs.datasets._walk import inside, unused, walk
from jobs.datasets.audioset import file_stems

NAME = "captions"
DESCRIPTION = "Sounds with several captions each, in the layout of Clotho, AudioCaps or MACS."
OPTIONS = {
    "layout": "'auto' (default: what the folder looks like), 'clotho', 'audiocaps' or 'macs'",
    "subset": "the parts to take, with commas between several, such as development or train,val (default: "
    "all there are; MACS has none)",
    "labels": "'auto' (default: the scene in MACS, none elsewhere), 'tags' (Clotho's keywords, MACS's tags, "
    "those of most people first) or 'none'",
}

_SECONDS = 10.0  # of every clip of AudioCaps
_AUDIOCAPS = ("youtube_id", "start_time", "caption")
_CLOTHO = "clotho_captions_"
_ABOUT = {
    "keywords": "keywords",
    "freesound_id": "sound_id",
    "uploader": "manufacturer",
    "license": "license",
}
_MACS = "MACS.yaml"


@dataclass(frozen=True)
class _Captioned:
    """The captions and labels of a clip, and the names that its file may have."""

    names: Sequence[str]
    captions: Sequence[str]
    subset: str = ""
    labels: Sequence[str] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


def looks_like(root: Path) -> bool:
    """Return whether a folder holds one of the layouts."""
    return _layout(root) is not None


def scan(
    root: Path, *, layout: str = "auto", subset: str | None = None, labels: str = "auto"
) -> Iterator[Clip | Skipped]:
    """Yield the clips that have captions, in the order of the tables."""
    choice("layout", layout, ("auto", *_LAYOUTS))
    choice("labels", labels, ("auto", "tags", "none"))
    name = _layout(root) if layout == "auto" else layout
    if name is None:
        raise DatasetError(
            f"{root} holds no captions that are known: it lacks {_CLOTHO}<subset>.csv, AudioCaps' train.csv, "
            f"val.csv or test.csv, and {_MACS}; for another table use the adapter csv."
        )
    if name == "audiocaps" and labels == "tags":
        raise OptionError("labels is 'tags', and AudioCaps gives none; leave the option out.")
    wanted = [s.strip() for s in (subset or "").split(",") if s.strip()]
    return _scan(root, _LAYOUTS[name](root, wanted, labels))


def _scan(root: Path, clips: Iterator[_Captioned | Skipped]) -> Iterator[Clip | Skipped]:
    files: dict[str, list[str]] = {}
    n_files = 0
    for entry in walk(root):
        if isinstance(entry, str):
            n_files += 1
            path = PurePosixPath(entry)
            for name in {path.name, path.stem}:
                files.setdefault(key(name), []).append(entry)
        elif not entry.path.endswith((".csv", ".yaml")):
            yield entry
    used: set[str] = set()
    without: Counter[str] = Counter()
    first_without: dict[str, str] = {}
    for clip in clips:
        if isinstance(clip, Skipped):
            yield clip
            continue
        chosen = _file(clip, files)
        if chosen is None:
            without[clip.subset] += 1
            first_without.setdefault(clip.subset, clip.names[0])
        elif chosen in used:
            yield Skipped(chosen, "named again; the captions that came first count")
        else:
            used.add(chosen)
            captions = tuple(dict.fromkeys(clip.captions))
            yield Clip(
                chosen,
                tuple(clip.labels),
                caption=captions[0] if captions else None,
                extra=({"split": clip.subset} if clip.subset else {}) | dict(clip.extra),
                captions=captions,
            )
    for part, n in without.items():
        yield Skipped(
            part or _MACS,
            f"{n} of its clips have no file here, the first of them {first_without[part]}",
            summary=True,
        )
    unnamed = sorted({path for paths in files.values() for path in paths} - used)
    yield from unused(".", "sound", "without captions", unnamed)
    if not used:
        raise DatasetError(
            f"{root} holds no sound that its captions are of: {without.total()} clips have captions, and "
            f"{n_files} files are sounds; the files must keep the names that the dataset gives them."
        )


def _file(clip: _Captioned, files: Mapping[str, list[str]]) -> str | None:
    """Return the file of a clip; of several with its name, the one in the folder of its subset."""
    for name in clip.names:
        paths = files.get(key(name), [])
        # Two files may differ in their spelling alone.
        paths = [p for p in paths if name in (PurePosixPath(p).name, PurePosixPath(p).stem)] or paths
        if paths:
            own = [p for p in paths if any(clip.subset in part for part in PurePosixPath(p).parent.parts)]
            return (own or paths)[0]
    return None


# -- Clotho -----------------------------------------------------------------------------------------------


def _clotho_tables(root: Path) -> dict[str, Path]:
    tables: dict[str, Path] = {}
    for path in [*sorted(root.glob(f"{_CLOTHO}*.csv")), *sorted(root.glob(f"*/{_CLOTHO}*.csv"))]:
        tables.setdefault(path.stem.removeprefix(_CLOTHO), path)
    return _in_order(tables, ("development", "validation", "evaluation"))


def _clotho(root: Path, wanted: list[str], labels: str) -> Iterator[_Captioned | Skipped]:
    tables = _clotho_tables(root)
    for part in _subsets(tables, wanted, f"{_CLOTHO}<subset>.csv", root):
        table = tables[part]
        about = _about_clotho(table.with_name(f"clotho_metadata_{part}.csv"), root)
        for row in _rows(table, root, ("file_name", "caption_1")):
            name = (row["file_name"] or "").strip()
            if not name:
                yield Skipped(table.name, "a row that names no file")
                continue
            columns = sorted(c for c in row if isinstance(c, str) and c.startswith("caption_"))
            details = about.get(name, {})
            extra = {key: (details.get(column) or None) for key, column in _ABOUT.items()} if about else {}
            tags = [clean_label(tag) for tag in (details.get("keywords") or "").split(";") if tag.strip()]
            yield _Captioned(
                [name, name.replace(":", "_")],  # some systems allow no colon in names
                _texts(row[c] for c in columns),
                part,
                tags if labels == "tags" else (),
                extra,
            )


def _about_clotho(path: Path, root: Path) -> Mapping[str, Mapping[str, Any]]:
    """Return Freesound's details of each clip by file name; {} if there is no such table."""
    if not path.is_file():
        return {}
    # The published files are not UTF-8.
    return {(row["file_name"] or "").strip(): row for row in _rows(path, root, ("file_name",), "latin-1")}


# -- AudioCaps --------------------------------------------------------------------------------------------


def _audiocaps_tables(root: Path) -> dict[str, Path]:
    tables: dict[str, Path] = {}
    for path in sorted([*root.glob("*.csv"), *root.glob("dataset/*.csv")]):
        if not path.is_file():
            continue
        with open(path, encoding="utf-8-sig", errors="replace") as file:
            head = [name.strip().strip('"') for name in file.readline(10_000).split(",")]
        if set(_AUDIOCAPS) <= set(head):
            tables.setdefault(path.stem, path)
    return _in_order(tables, ("train", "train_v2", "val", "test"))


def _audiocaps(root: Path, wanted: list[str], labels: str) -> Iterator[_Captioned | Skipped]:
    tables = _audiocaps_tables(root)
    for part in _subsets(tables, wanted, "train.csv, val.csv or test.csv", root):
        clips: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        for row in _rows(tables[part], root, _AUDIOCAPS):
            key = ((row["youtube_id"] or "").strip(), (row["start_time"] or "").strip())
            clips.setdefault(key, []).append(row)
        for (video, start), rows in clips.items():
            try:
                seconds = float(start)
            except ValueError:
                seconds = -1.0
            if not video or not 0 <= seconds < 1e6:
                yield Skipped(
                    tables[part].name,
                    f"a clip of {video!r} from {start!r}, which must be a number of seconds",
                )
                continue
            own = [str(row.get("audiocap_id") or "").strip() for row in rows]
            names = [*file_stems(video, seconds, seconds + _SECONDS), *filter(None, own)]
            # The time tells two clips of one video apart, so the name without it comes last.
            names.sort(key=lambda name: name in (video, f"Y{video}"))
            extra = {"ytid": video, "start": seconds, "end": seconds + _SECONDS}
            yield _Captioned(names, _texts(row["caption"] for row in rows), part, (), extra)


# -- MACS -------------------------------------------------------------------------------------------------


def _macs_table(root: Path) -> Path | None:
    return next((p for p in (root / _MACS, *sorted(root.glob(f"*/{_MACS}"))) if p.is_file()), None)


def _macs(root: Path, wanted: list[str], labels: str) -> Iterator[_Captioned | Skipped]:
    if wanted:
        raise OptionError(f"subset is {', '.join(wanted)}, and MACS has no parts; leave the option out.")
    table = _macs_table(root)
    if table is None:
        raise DatasetError(f"{root} holds no {_MACS}; give the folder that has it.")
    for entry in _macs_files(inside(root, str(table.relative_to(root)))):
        name = str(entry.get("filename") or "").strip() if isinstance(entry, dict) else ""
        notes = entry.get("annotations") if name else None
        if not isinstance(notes, list) or not all(isinstance(one, dict) for one in notes):
            yield Skipped(
                table.name, f"an entry without a file name or its annotations ({name or 'no name'})"
            )
            continue
        # As published: scene, city, place, number, device.
        parts = PurePosixPath(name).stem.split("-")
        tags = Counter(clean_label(tag) for one in notes for tag in _listed(one.get("tags")))
        most_first = [tag for tag, _ in tags.most_common()]
        extra = {"city": parts[1] if len(parts) > 2 else None, "tags": "; ".join(most_first) or None}
        of = {"auto": [clean_label(parts[0])], "tags": most_first, "none": []}[labels]
        yield _Captioned(
            [PurePosixPath(name).name],
            _texts(s for one in notes if isinstance(s := one.get("sentence"), str)),
            labels=of,
            extra=extra,
        )


def _listed(tags: Any) -> list[str]:
    """Return the texts in a list, and none of anything else."""
    return [tag for tag in tags if isinstance(tag, str) and tag.strip()] if isinstance(tags, list) else []


def _macs_files(table: Path) -> list[Any]:
    import yaml

    try:
        with open(table, encoding="utf-8") as file:
            # The loader in C reads the published 6 MB in seconds, not in minutes.
            content = yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        reason = str(error).splitlines()[0]
        raise DatasetError(f"{table} cannot be read as YAML ({reason}).") from None
    files = content.get("files") if isinstance(content, dict) else None
    if not isinstance(files, list):
        raise DatasetError(f"{table} has no list named files; MACS has one entry a clip in it.")
    return files


# -- tables -----------------------------------------------------------------------------------------------


_LAYOUTS: dict[str, Callable[[Path, list[str], str], Iterator[_Captioned | Skipped]]] = {
    "clotho": _clotho,
    "audiocaps": _audiocaps,
    "macs": _macs,
}


def _layout(root: Path) -> str | None:
    if _clotho_tables(root):
        return "clotho"
    if _macs_table(root) is not None:
        return "macs"
    return "audiocaps" if _audiocaps_tables(root) else None


def _in_order(tables: Mapping[str, Path], order: Sequence[str]) -> dict[str, Path]:
    """Return the parts as their dataset lists them, training first; then any others."""
    known = [part for part in order if part in tables]
    return {part: tables[part] for part in [*known, *sorted(set(tables) - set(known))]}


def _subsets(tables: Mapping[str, Path], wanted: list[str], needed: str, root: Path) -> list[str]:
    """Return the parts to read, of those in the folder."""
    if not tables:
        raise DatasetError(f"{root} holds no {needed}; give the folder that has it.")
    missing = [part for part in wanted if part not in tables]
    if missing:
        raise OptionError(f"subset is {missing[0]!r}; there are {', '.join(tables)}.")
    return wanted or list(tables)


def _rows(
    table: Path, root: Path, needed: Sequence[str], encoding: str = "utf-8-sig"
) -> Iterator[dict[str, Any]]:
    return read_rows(root, str(table.relative_to(root)), needed, encoding)


def _texts(values: Iterator[Any]) -> list[str]:
    """Return captions with single spaces, without empty ones."""
    texts = (" ".join(str(value).split()) for value in values if value is not None)
    return [text for text in texts if text]
