"""Leaks as the page shows them: the texts that are searched, the classes, the matches, and the clean list."""

from __future__ import annotations

import hashlib
import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from core.leakage import find_leaks, leak_report, leak_spans, overlap_of_labels, searched_words
from dashboard.kit.table import csv
from dashboard.memory import once
from dashboard.state import load_view, save_view
from jobs.workspace.captions import captions_of
from jobs.workspace.text_files import TextFile, TextFileError, read_texts
from jobs.workspace.workspace import Dataset

#: What of a dataset can be searched, and how the page names it.
OF = {"captions": "captions", "labels": "class names", "descriptions": "class descriptions"}
MODES = {"words": "any word", "names": "whole names"}
RELATIONS = {
    "same": "the same",
    "within": "holds the name",
    "around": "is held by the name",
    "words": "share a word",
}
#: Largest file that is taken, in bytes, and in words.
MAX_BYTES = 20 * 2**20
MAX_TEXT = "20 MB"
#: Labels that are compared pair by pair, at most.
PAIRS = 2000
#: Largest numbers of classes and of pairs of text and class: the page waits for the search.
CLASSES = 20_000
LEAKS = 500_000


@dataclass(frozen=True, eq=False)
class Texts:
    """A list of texts."""

    key: str  # stands for its content in memory
    name: str  # shown on the page
    texts: tuple[str, ...]
    clips: tuple[str, ...] | None  # the clip of each
    labels: bool  # labels rather than captions
    file: TextFile | None = None  # the file that they are from
    dataset: str = ""  # the dataset of the clips

    @property
    def thing(self) -> str:
        """The noun for one of them: a line of a plain text may be a caption as well as a label."""
        if self.file is not None and self.file.name.lower().endswith(".txt"):
            return "line"
        return "label" if self.labels else "caption"


@dataclass(frozen=True, eq=False)
class Leaks:
    """The result of a search: the tables of `core.leakage`, and which of the n texts name a class."""

    leaks: pd.DataFrame
    report: pd.DataFrame
    named: np.ndarray  # (n,) bool
    lost: np.ndarray  # (n,) bool: these, the other captions of whole clips, and the others of a file's row


@dataclass(frozen=True)
class Search:
    """Settings of the search: the mode, whether word forms count, whether whole clips are taken out."""

    mode: str
    forms: bool
    whole: bool


# -- sources of texts --------------------------------------------------------------------------------------


def kinds_of(dataset: Dataset) -> list[str]:
    """Return the kinds of texts that a dataset has, captions first."""
    return [of for of in OF if of == "labels" or of_dataset(dataset, of).texts]


def of_dataset(dataset: Dataset, of: str) -> Texts:
    """Return the captions, class names or class descriptions of a dataset."""

    def make() -> Texts:
        if of == "captions":
            captions = captions_of(dataset)
            texts, clips = tuple(captions["caption"]), tuple(captions["clip_id"])
        else:
            column = {"labels": "label", "descriptions": "description"}[of]
            values = dataset.classes[column].dropna().astype(str)
            texts, clips = tuple(v for v in values if v.strip()), None
        key = _hashed([dataset.name, of, *texts])
        name = f"{OF[of]} of {dataset.name}"
        return Texts(key, name, texts, clips, of == "labels", dataset=dataset.name if clips else "")

    # Captions and descriptions can change while sounds and labels stay.
    return once(("leak-texts", dataset.name, dataset.fingerprint, dataset.created, of), make)


def keep(root: Path, name: str, data: bytes) -> str:
    """Keep an uploaded file; return the short name by which a link refers to it.

    Raises
    ------
    TextFileError
        For a file that is too large or is no list of texts.
    """
    if len(data) > MAX_BYTES:
        raise TextFileError(f"{name} has {len(data) / 2**20:.0f} MB; a list may have up to {MAX_TEXT}.")
    read_texts(name, data)
    return save_view(root, {"kind": "texts", "name": name, "text": data.decode("utf-8-sig")})


def kept(root: Path, name: str) -> Texts | None:
    """Return the texts of a kept file, or None for an unknown name."""

    def make() -> Texts | None:
        content = load_view(root, name)
        if content is None or content.get("kind") != "texts":
            return None
        try:
            file = read_texts(str(content.get("name")), str(content.get("text")).encode())
        except TextFileError:
            return None
        return Texts(name, file.name, file.texts, file.clip, file.labels, file)

    return once(("leak-texts", str(root), name), make) if name else None


def names_of(texts: Texts, only: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the class names in a list, each once, or those of them that are asked for."""
    names, wanted = tuple(dict.fromkeys(texts.texts)), set(only)
    return tuple(name for name in names if name in wanted) or names


# -- search --------------------------------------------------------------------------------------------------


def find(texts: Texts, names: Sequence[str], search: Search) -> Leaks:
    """Search texts for class names.

    Raises
    ------
    ValueError
        With one sentence, for more classes than `CLASSES` or more matches than `LEAKS`.
    """
    if len(names) > CLASSES:
        raise ValueError(
            f"There are {len(names):,} class names; up to {CLASSES:,} are searched for here: bring fewer, or "
            "use `hearspace leaks`."
        )
    key = ("leaks", texts.key, _hashed(names), search.mode, search.forms)
    leaks, report, named = once(key, lambda: _find(texts, names, search))
    lost = named
    if search.whole and texts.clips is not None:
        clips = np.asarray(texts.clips)
        lost = np.isin(clips, clips[named])
    if texts.file is not None:
        lost = lost.copy()
        lost[texts.file.gone(np.flatnonzero(lost).tolist())] = True
    return Leaks(leaks, report, named, lost)


def _find(
    texts: Texts, names: Sequence[str], search: Search
) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
    leaks = find_leaks(texts.texts, names, mode=search.mode, forms=search.forms, most=LEAKS)
    report = leak_report(texts.texts, names, leaks=leaks, examples=0)
    named = np.zeros(len(texts.texts), dtype=bool)
    named[leaks["row"].to_numpy()] = True
    return leaks, report, named


def overlap(texts: Texts, names: Sequence[str], search: Search) -> pd.DataFrame:
    """Compare labels with class names, pair by pair."""
    key = ("leak-pairs", texts.key, _hashed(names), search.mode, search.forms)
    return once(key, lambda: overlap_of_labels(texts.texts, names, mode=search.mode, forms=search.forms))


def words_of(names: Sequence[str]) -> dict[str, list[str]]:
    """Return the words of each name that count by themselves."""
    return once(("leak-words", _hashed(names)), lambda: searched_words(names))


def examples(leaks: Leaks, label: str) -> np.ndarray:
    """Return the rows of the texts that name a class, or any class for ""."""
    table = leaks.leaks
    return np.unique(table["row"][(table["label"] == label) | (label == "")])


def marked(text: str, names: Sequence[str], search: Search) -> str:
    """Return a text as HTML, what of it names a class marked."""
    parts, at = [], 0
    for start, end in leak_spans(text, names, mode=search.mode, forms=search.forms):
        parts += [html.escape(text[at:start]), f"<mark>{html.escape(text[start:end])}</mark>"]
        at = end
    return "".join([*parts, html.escape(text[at:])])


# -- downloads -------------------------------------------------------------------------------------------


def clean_name(texts: Texts) -> str:
    """Return the file name of the clean list."""
    if texts.file is not None:
        stem, _, ending = texts.file.name.rpartition(".")
        return f"{stem}-clean.{ending}"
    return f"{texts.name.replace(' ', '-')}-clean.{'txt' if texts.clips is None else 'csv'}"


def clean(texts: Texts, leaks: Leaks) -> bytes:
    """Return the list without the leaks."""
    if texts.file is not None:
        return texts.file.without(np.flatnonzero(leaks.lost).tolist())
    if texts.clips is None:
        kept = pd.Series(texts.texts, dtype="str")[~leaks.lost]
        return "".join(f"{text}\n" for text in kept).encode()
    return csv(pd.DataFrame({"clip_id": texts.clips, "caption": texts.texts})[~leaks.lost])


def removed(texts: Texts, leaks: Leaks) -> bytes:
    """Return the leaks as CSV: a row a text and class, with the words that name the class."""
    table = leaks.leaks.rename(columns={"label": "class"})[["row", "caption", "class", "matched"]]
    if texts.clips is not None:
        table.insert(0, "clip_id", np.asarray(texts.clips, dtype=object)[table["row"]])
    return csv(table.drop(columns="row"))


def by_class(leaks: Leaks) -> bytes:
    """Return the counts by class as CSV."""
    report = leaks.report
    words = ["; ".join(f"{word} {n}" for word, n in matched) for matched in report["matched"]]
    columns = {"class": report["label"], "texts": report["captions"], "share": report["share"]}
    return csv(pd.DataFrame(columns | {"matched": words}))


def _hashed(texts: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(list(texts)).encode()).hexdigest()[:16]
