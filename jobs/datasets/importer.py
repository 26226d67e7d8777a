"""Import: walk a dataset once, read and hash every sound, and report what was left out and why.

An adapter lists the clips; everything else happens here, the same for all. Nothing outside the root is read:
a path that leads out of it, by ``..`` or by a link, is left out and reported. Files are read in parallel, a
bounded number at a time, each in blocks, so memory grows only with the table.

Clip ids come from the relative path, so they are the same on every machine and stay when other files come and
go: lower case, ``a-z 0-9 -``, ``__`` between folders. Where that loses something (other scripts, emoji, more
than 80 characters) or two paths would get one id, eight hexadecimal digits of the path's SHA-256 are added.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jobs.datasets import Adapter, Clip, DatasetError, Remark, Skipped, checked_options, get
from jobs.datasets._splits import numbered
from jobs.datasets._walk import outside, printable
from jobs.sound import files as audio

LEFT_OUT = "left out"
REMARK = "kept, with a remark"
#: Label of clips that their dataset does not label.
UNLABELLED = "unlabelled"
COLUMNS = (
    "clip_id", "path", "label", "labels", "family", "fold", "caption",
    "duration", "sample_rate", "channels", "sha256",
)  # fmt: skip

Progress = Callable[[int, int, str], None]
_ID_LENGTH = 80


@dataclass(frozen=True)
class Imported:
    """The tables that an import makes.

    Parameters
    ----------
    clips : DataFrame
        One row a clip, in the adapter's order: ``clip_id``, ``path`` (relative, forward slashes), ``label``,
        ``labels`` (list), ``family``, ``fold`` (nullable integer), ``caption``, ``duration`` (s),
        ``sample_rate``, ``channels``, ``sha256``, and further columns of the dataset; ``fold_name`` if folds
        are groups that have names.
    classes : DataFrame
        ``label``, ``family`` (of most of its clips, else null), ``description`` (null).
    report : DataFrame
        ``path``, ``status`` (``left out`` or ``kept, with a remark``), ``reason``.
    fingerprint : str
        SHA-256 over ids and contents in order: it identifies the sounds.
    labels_fingerprint : str
        SHA-256 over ids, labels, folds, families and captions: it identifies the annotations.
    captions : DataFrame, optional
        ``clip_id``, ``caption``: one row a caption, by clip, if the adapter gives several a clip.
    """

    clips: pd.DataFrame
    classes: pd.DataFrame
    report: pd.DataFrame
    fingerprint: str
    labels_fingerprint: str
    captions: pd.DataFrame | None = None


@dataclass(frozen=True, slots=True)
class _Read:
    info: audio.AudioInfo
    sha256: str
    remarks: tuple[str, ...]


def import_dataset(
    adapter_name: str,
    root: str | os.PathLike[str],
    *,
    options: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    thorough: bool = True,
    threads: int | None = None,
) -> Imported:
    """Read a dataset from a folder.

    Parameters
    ----------
    adapter_name : str
        Name of an adapter, see `jobs.datasets.names`.
    root : path-like
        The folder.
    options : mapping, optional
        Options of the adapter.
    progress : callable, optional
        Called as ``progress(done, total, note)`` from this thread.
    thorough : bool, default=True
        Read every sample, which finds truncated, silent and damaged files; otherwise only headers and hashes.
    threads : int, optional
        Files read at once; by default twice the processors, at most 16.

    Returns
    -------
    Imported

    Raises
    ------
    UnknownAdapter, OptionError, DatasetError
        In one sentence: no such adapter, option, folder or column, or no sound that can be used.
    """
    adapter = get(adapter_name)
    given = checked_options(adapter, options)
    folder = _folder(root)
    listed, report, lost = _scan(adapter, folder, given)
    reads = list(_read_all(listed, folder, progress, thorough, threads))

    kept: list[tuple[Clip, _Read]] = []
    first_with: dict[str, str] = {}
    for item, read in zip(listed, reads, strict=True):
        if isinstance(read, str):
            report.append((item.path, LEFT_OUT, read))
            lost.append((item.path, read))
            continue
        kept.append((item, read))
        twin = first_with.setdefault(read.sha256, item.path)
        remarks = read.remarks if twin == item.path else (*read.remarks, f"same content as {twin}")
        report.extend((item.path, REMARK, remark) for remark in remarks)
    if not kept:
        raise DatasetError(_nothing(folder, report, lost))

    clips = _table(kept)
    report.extend(_alike(clips))
    report.extend(_alone(clips))
    about = getattr(adapter, "classes", None)
    captions = _captions(clips, [item for item, _ in kept])
    return Imported(
        clips=clips,
        classes=class_table(clips) if about is None else _all_classes(clips, about(folder, **given)),
        report=pd.DataFrame(report, columns=["path", "status", "reason"], dtype="str"),
        fingerprint=fingerprint(clips),
        labels_fingerprint=labels_fingerprint(clips, captions),
        captions=captions,
    )


def fingerprint(clips: pd.DataFrame) -> str:
    """Return the SHA-256 over the ids and contents of clips, in order."""
    return _digest(clips[["clip_id", "sha256"]].itertuples(index=False, name=None))


def labels_fingerprint(clips: pd.DataFrame, captions: pd.DataFrame | None = None) -> str:
    """Return the SHA-256 over labels, fold, family and captions of the clips, in order."""
    columns = [clips[c] for c in ("clip_id", "labels", "fold", "family", "caption")]
    rows = zip(*columns, strict=True)
    if captions is None:
        return _digest(rows)
    return _digest(chain(rows, captions[["clip_id", "caption"]].itertuples(index=False, name=None)))


def class_table(clips: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each class that is some clip's first label: label, family, description (null)."""
    known = clips.dropna(subset=["family"]).groupby("label", sort=True)["family"]
    family = {str(label): (str(group.mode().iloc[0]), None) for label, group in known}
    return _class_table(set(clips["label"]), family)


def _all_classes(clips: pd.DataFrame, about: Iterable[tuple[str, str | None, str | None]]) -> pd.DataFrame:
    """Return a row for each label of any clip, with family and description from the dataset."""
    known = {
        unicodedata.normalize("NFC", label): (family, description or None)
        for label, family, description in about
    }
    labels = {label for labels in clips["labels"] for label in labels}
    return _class_table(labels | set(clips["label"]), known)


def _class_table(labels: set[str], known: Mapping[str, tuple[str | None, str | None]]) -> pd.DataFrame:
    ordered = sorted(labels)
    rows = [(label, *known.get(label, (None, None))) for label in ordered]
    return pd.DataFrame(rows, columns=["label", "family", "description"], dtype="str")


def clip_ids(paths: Sequence[str]) -> list[str]:
    """Make the ids of clips from their relative paths, as the module's docstring describes.

    Examples
    --------
    >>> clip_ids(["001 - Dog bark/1-100032-A.ogg"])
    ['001-dog-bark__1-100032-a']
    """
    slugs = [_slug(path) for path in paths]
    times = Counter(slug for slug, _ in slugs)
    ids = []
    for path, (slug, lossy) in zip(paths, slugs, strict=True):
        tail = f"-{hashlib.sha256(path.encode()).hexdigest()[:8]}"
        ids.append(slug + tail if lossy or times[slug] > 1 else slug)
    again = Counter(ids)
    if max(again.values(), default=1) > 1:  # a file that is named like another's id
        ids = [
            f"{i}-{hashlib.sha256(p.encode()).hexdigest()[:16]}" if again[i] > 1 else i
            for i, p in zip(ids, paths, strict=True)
        ]
    return ids


def _slug(path: str) -> tuple[str, bool]:
    """Return the readable part of an id, and whether letters were lost on the way."""
    stem = path.rsplit(".", 1)[0] if "." in path.rsplit("/", 1)[-1].lstrip(".") else path
    plain = unicodedata.normalize("NFKD", stem)
    letters = "".join(c for c in plain if not unicodedata.combining(c))
    ascii_only = letters.encode("ascii", "ignore").decode()
    parts = [re.sub(r"[^a-z0-9]+", "-", part.lower()).strip("-") for part in ascii_only.split("/")]
    slug = "__".join(p for p in parts if p)
    lossy = ascii_only != letters or not all(parts) or len(slug) > _ID_LENGTH
    if len(slug) > _ID_LENGTH:
        slug = slug[-_ID_LENGTH:].lstrip("-_")  # the end tells files apart better than the beginning
    return slug or "clip", lossy


def _folder(root: str | os.PathLike[str]) -> Path:
    given = Path(root).expanduser()
    try:
        real = given.resolve(strict=True)
    except (FileNotFoundError, NotADirectoryError):
        raise DatasetError(f"There is no folder {given}.") from None
    except (OSError, RuntimeError) as error:
        raise DatasetError(f"The folder {given} cannot be read ({error}).") from None
    if not real.is_dir():
        raise DatasetError(f"{given} is a file; give the folder that holds the sounds.")
    if not os.access(real, os.R_OK | os.X_OK):
        raise DatasetError(f"The folder {given} may not be read: its permissions forbid it.")
    return real


def _scan(
    adapter: Adapter, folder: Path, options: Mapping[str, str]
) -> tuple[list[Clip], list[tuple[str, str, str]], list[tuple[str, str]]]:
    """Return the clips, the report, and of it each file that was left out for a reason of its own."""
    listed: list[Clip] = []
    report: list[tuple[str, str, str]] = []
    lost: list[tuple[str, str]] = []
    for item in adapter.scan(folder, **options):
        if isinstance(item, Clip):
            listed.append(_composed(item))
            continue
        path = printable(item.path)
        report.append((path, REMARK if isinstance(item, Remark) else LEFT_OUT, item.reason))
        if isinstance(item, Skipped) and not item.summary:
            lost.append((path, item.reason))
    return listed, report, lost


def _composed(item: Clip) -> Clip:
    """Store accents in one of Unicode's two ways in all texts of a clip, so that equal words are equal."""

    def one(value: Any) -> Any:
        return unicodedata.normalize("NFC", value) if isinstance(value, str) else value

    return replace(
        item,
        labels=tuple(dict.fromkeys(one(label) for label in item.labels)),
        fold=one(item.fold),
        family=one(item.family),
        caption=one(item.caption),
        captions=tuple(one(caption) for caption in item.captions),
        extra={one(name): one(value) for name, value in item.extra.items()},
    )


def _alike(clips: pd.DataFrame) -> Iterator[tuple[str, str, str]]:
    """Yield a remark for each class that differs from another in upper and lower case alone."""
    spellings: dict[str, list[str]] = {}
    for label in sorted(set(clips["label"])):
        spellings.setdefault(label.casefold(), []).append(label)
    for names in spellings.values():
        if len(names) > 1:
            path = str(clips.loc[clips["label"] == names[-1], "path"].iloc[0])
            listed = f"{', '.join(map(repr, names[:-1]))} and {names[-1]!r}"
            yield path, REMARK, f"{listed} differ in upper and lower case alone, and are classes of their own"


def _alone(clips: pd.DataFrame) -> Iterator[tuple[str, str, str]]:
    """Yield a remark for each clip that is the only one of its class."""
    only = clips[~clips["label"].duplicated(keep=False) & (clips["label"] != UNLABELLED)]
    for label, path in sorted(zip(only["label"], only["path"], strict=True)):
        yield path, REMARK, f"the only clip of its class, {label!r}: nothing to compare it with"


def _read_all(
    clips: list[Clip], folder: Path, progress: Progress | None, thorough: bool, threads: int | None
) -> Iterator[_Read | str]:
    """Yield the contents of each file, or why it is left out, in order."""
    threads = threads or min(16, 2 * (os.cpu_count() or 1))
    with ThreadPoolExecutor(threads, thread_name_prefix="import") as pool:
        step = 8 * threads  # what is in flight at once: bounds memory, and the wait after an interruption
        for a in range(0, len(clips), step):
            part = clips[a : a + step]
            for i, read in enumerate(pool.map(lambda c: _read(folder, c.path, thorough), part), a + 1):
                if progress is not None:
                    progress(i, len(clips), clips[i - 1].path)
                yield read


def _read(folder: Path, relative: str, thorough: bool) -> _Read | str:
    if printable(relative) != relative or "\0" in relative:
        return "its name is not valid text"
    path = folder / relative
    reason = outside(path, folder)
    if reason is not None:
        return reason
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return "not a regular file"  # opening a pipe would wait for ever
        if thorough:
            inspected = audio.inspect(path)
            info, remarks = inspected.info, inspected.remarks
        else:
            info, remarks = audio.probe(path), ()
            if info.n_samples == 0:
                return "holds no samples"
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except audio.AudioError as error:
        return error.reason
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    except Exception as error:  # one odd file, whatever is odd about it, must not end an import of thousands
        return f"cannot be read ({type(error).__name__}: {' '.join(str(error).split()).rstrip('.')})"
    return _Read(info, digest, remarks)


def _table(kept: list[tuple[Clip, _Read]]) -> pd.DataFrame:
    items, reads = [f for f, _ in kept], [r for _, r in kept]
    folds, fold_names = numbered([f.fold for f in items])
    clips = pd.DataFrame(
        {
            "clip_id": _text(clip_ids([f.path for f in items])),
            "path": _text([f.path for f in items]),
            "label": _text([f.labels[0] if f.labels else UNLABELLED for f in items]),
            "labels": pd.Series([list(f.labels) for f in items], dtype="object"),
            "family": _text([f.family for f in items]),
            "fold": pd.Series(folds, dtype="Int64"),
            "caption": _text([f.caption for f in items]),
            "duration": np.array([r.info.duration for r in reads], np.float64),
            "sample_rate": np.array([r.info.sample_rate for r in reads], np.int64),
            "channels": np.array([r.info.channels for r in reads], np.int64),
            "sha256": _text([r.sha256 for r in reads]),
        }
    )
    if fold_names:
        clips["fold_name"] = _text([None if fold is None else fold_names[fold] for fold in folds])
    extras = dict.fromkeys(name for f in items for name in f.extra)
    for name in extras:
        column = name if name not in clips.columns else f"{name} (given)"
        clips[column] = _column([f.extra.get(name) for f in items])
    return clips


def _captions(clips: pd.DataFrame, items: list[Clip]) -> pd.DataFrame | None:
    """Return a row for each caption, or None if no clip has a list of them."""
    if not any(item.captions for item in items):
        return None
    pairs = [
        (clip, caption)
        for clip, item in zip(clips["clip_id"], items, strict=True)
        for caption in item.captions or ([] if item.caption is None else [item.caption])
    ]
    return pd.DataFrame(pairs, columns=["clip_id", "caption"], dtype="str")


def _text(values: Sequence[str | None]) -> pd.Series:
    return pd.Series(list(values), dtype="str")


def _column(values: list[Any]) -> pd.Series:
    """Return numbers if every value is one, so that a page can colour by them; else text."""
    if all(isinstance(v, bool) for v in values):
        return pd.Series(values, dtype="bool")
    given = pd.Series(values, dtype="object")
    numbers = pd.to_numeric(given, errors="coerce")
    if given.notna().any() and (numbers.isna() == given.isna()).all():
        return numbers
    return _text([None if v is None else str(v) for v in values])


def _nothing(folder: Path, report: list[tuple[str, str, str]], lost: list[tuple[str, str]]) -> str:
    known = "WAV, FLAC, OGG, MP3, AIFF" + (", M4A, AAC" if audio.has_av() else "")
    sounds = f"Sounds are files such as {known}."
    if not report:
        return f"{folder} holds no sound: it is empty. {sounds}"
    if not lost:
        path, _, reason = report[0]
        return f"{folder} holds no sound that can be read; {path}: {reason}. {sounds}"
    # The most frequent reason is more telling than the first.
    [(most, n)] = Counter(reason for _, reason in lost).most_common(1)
    path = next(path for path, reason in lost if reason == most)
    if len(lost) == 1:
        return (
            f"{folder} holds no sound that can be read: the only file, {path}, was left out: {most}. {sounds}"
        )
    which = f"{n} of them" if n < len(lost) else "each"
    return (
        f"{folder} holds no sound that can be read: all {len(lost)} files were left out, {which}, such as "
        f"{path}, because: {most}. {sounds}"
    )


def _digest(rows: Any) -> str:
    digest = hashlib.sha256()
    for row in rows:
        plain = [v if isinstance(v, list) else None if pd.isna(v) else v for v in row]
        plain = [int(v) if isinstance(v, np.integer) else v for v in plain]
        digest.update(json.dumps(plain, ensure_ascii=True, separators=(",", ":")).encode() + b"\n")
    return digest.hexdigest()
