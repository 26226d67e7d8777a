"""Import embeddings that another program computed, as a space like any other.

The result is the artifact of an `EmbedAudio` whose encoder is ``imported:NAME`` and whose identity is a
fingerprint of the vectors, so maps, neighbours and every measure work on it as on the space of an encoder
that runs here.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from core.words import count
from jobs.encoders import Card, imported
from jobs.importing.files import Staged, stage
from jobs.importing.parts import BLOCK, EmbeddingsError
from jobs.specs import EmbedAudio

if TYPE_CHECKING:
    from jobs.workspace.workspace import Dataset, Workspace


@dataclass(frozen=True)
class Report:
    """The result of an import.

    Attributes
    ----------
    spec : EmbedAudio
        Names the space.
    n_clips, dimensions : int
        Size of the space.
    n_frames : int or None
        None if each clip has one vector.
    excluded : dict of str to str
        Clips of the dataset that are not in the space, and why.
    unknown : list of str
        Names in the file that are no clip of the dataset.
    notes : list of str
        What else was ignored in the file.
    replaced : bool
        Whether the name meant something else before.
    """

    spec: EmbedAudio
    n_clips: int
    dimensions: int
    n_frames: int | None
    excluded: dict[str, str]
    unknown: list[str]
    notes: list[str]
    replaced: bool


def import_embeddings(
    workspace: Workspace,
    dataset: Dataset,
    name: str,
    path: Path,
    *,
    ids: Path | None = None,
    card: Card | None = None,
) -> Report:
    """Import embeddings of a dataset from a file, under a name that means them from then on.

    Clips are matched by id, else by path relative to the dataset, else by file name (with its ending or
    without) if only one clip has that name. Vectors are kept as float32. A clip whose vector is missing,
    not finite or all zeros is left out of the space with a reason.

    Parameters
    ----------
    workspace, dataset
    name : str
        The space will be ``imported:NAME``. An earlier import under this name stays in the cache, but the
        name no longer means it.
    path, ids
        As for `jobs.importing.files.stage`.
    card : Card, optional
        Facts about the model.

    Returns
    -------
    Report

    Raises
    ------
    EmbeddingsError, UnknownEncoder
        With one sentence about the file or the name; nothing is imported then.
    """
    started = time.monotonic()
    imported.checked_name(name)
    home = workspace.root / "imported"
    home.mkdir(parents=True, exist_ok=True)
    _sweep(home)
    # Beside the cache, because temporary folders can be small and in memory.
    with tempfile.TemporaryDirectory(prefix=".reading-", dir=home) as folder:
        staged = stage(path, Path(folder), ids=ids)
        clips = [str(c) for c in dataset.clips["clip_id"]]
        rows, unknown = _match(staged, dataset, clips, path)
        excluded = dict.fromkeys(clips, "the file has no embedding of it")
        chosen: list[tuple[int, int]] = []  # row in the clip table, row in the file
        for at, row in sorted((row, i) for i, row in enumerate(rows) if row is not None):
            reason = _flaw(staged, row)
            if reason is None:
                chosen.append((at, row))
                del excluded[clips[at]]
            else:
                excluded[clips[at]] = reason
        if not chosen:
            first = next(iter(excluded))
            raise EmbeddingsError(
                f"None of the embeddings in {path} can be used; the first clip, {first}: {excluded[first]}."
            )
        before = imported.meanings(workspace.root, dataset.fingerprint).get(f"{imported.NAME}:{name}")
        source = str(path.absolute())
        space = Selection(staged, chosen, excluded)
        spec = keep_space(workspace, dataset, name, space, card, source=source, started=started)
    return Report(
        spec,
        len(chosen),
        staged.vectors.shape[1],
        None if staged.frames is None else int(space.counts.sum()),
        excluded,
        unknown,
        staged.notes,
        before is not None and before.identity != spec.identity,
    )


@dataclass(frozen=True)
class Selection:
    """The embeddings of a file that make a space.

    Attributes
    ----------
    staged : Staged
        All embeddings of the file.
    chosen : list of pairs of int
        The row in the clip table, and the row in `staged`, of each clip of the space.
    excluded : dict of str to str
        Clips that are left out, and why.
    """

    staged: Staged
    chosen: list[tuple[int, int]]
    excluded: dict[str, str]

    @cached_property
    def rows(self) -> np.ndarray:
        """Rows in `staged`, in the order of the space."""
        return np.array([row for _, row in self.chosen], np.int64)

    @cached_property
    def counts(self) -> np.ndarray:
        """Frames of each clip of the space."""
        return np.diff(self.staged.offsets)[self.rows]

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield the vectors of the space in blocks."""
        step = max(1, BLOCK // (4 * self.staged.vectors.shape[1]))
        return (self.staged.vectors[self.rows[a : a + step]] for a in range(0, len(self.rows), step))

    def frames(self) -> Iterator[np.ndarray]:
        """Yield the frames of each clip of the space; none if clips have one vector."""
        staged = self.staged
        if staged.frames is not None:
            for row in self.rows:
                yield staged.frames[staged.offsets[row] : staged.offsets[row + 1]]

    def fingerprint(self, kept: list[str]) -> str:
        """Return 16 hexadecimal digits over the contents of the space, whatever kind of file they come from.

        Parameters
        ----------
        kept : list of str
            Ids of its clips.
        """
        d = self.staged.vectors.shape[1]
        digest = hashlib.sha256(repr((kept, sorted(self.excluded.items()), d)).encode())
        for vectors in self.blocks():
            digest.update(vectors.tobytes())
        if self.staged.frames is not None:
            digest.update(self.counts.tobytes())
            for frames in self.frames():
                digest.update(frames.tobytes())
        return digest.hexdigest()[:16]


def keep_space(
    workspace: Workspace,
    dataset: Dataset,
    name: str,
    space: Selection,
    card: Card | None,
    *,
    source: str,
    started: float,
) -> EmbedAudio:
    """Store embeddings as a space of a dataset under a name, and return its spec.

    Parameters
    ----------
    workspace, dataset, name, card
        As of `import_embeddings`.
    space : Selection
    source : str
        Where the embeddings came from.
    started : float
        When the work began, by `time.monotonic`.
    """
    ids = dataset.clips["clip_id"]
    kept = [str(ids.iloc[at]) for at, _ in space.chosen]
    identity = f"{imported.NAME}/{imported.VERSION}:{name}#{space.fingerprint(kept)}"
    spec = EmbedAudio(dataset=dataset.ref, encoder=f"{imported.NAME}:{name}", identity=identity)
    if card is not None and workspace.cache.contains(spec.key):
        workspace.cache.delete(spec.key)  # the same vectors with another card
    if not workspace.cache.contains(spec.key):
        _store(workspace, spec, space, kept, card or Card(), started)
    meaning = imported.Meaning(identity, spec.key, source, time.time())
    imported.remember(workspace.root, dataset.fingerprint, name, meaning)
    return spec


def _sweep(home: Path) -> None:
    """Remove the remains of imports that were killed, a day later."""
    for folder in home.glob(".reading-*"):
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > 24 * 3600:
                shutil.rmtree(folder)


def remove(workspace: Workspace, dataset: Dataset, name: str) -> int:
    """Forget an imported name and remove its results; returns their number.

    Raises
    ------
    EmbeddingsError
        If nothing of the dataset has that name.
    """
    encoder = f"{imported.NAME}:{imported.checked_name(name)}"
    known = imported.meanings(workspace.root, dataset.fingerprint)
    spaces = workspace.cache.list(type="EmbedAudio")
    results = {info.key for info in spaces if _is(info.spec, encoder, dataset)}
    if encoder not in known and not results:
        names = ", ".join(n.partition(":")[2] for n in known) or "none"
        raise EmbeddingsError(
            f"{dataset.name} has no imported embeddings by the name of {name}; it has: {names}."
        )
    imported.forget(workspace.root, dataset.fingerprint, name)
    return sum(workspace.cache.delete(key) for key in results)


def _is(spec: dict[str, Any], encoder: str, dataset: Dataset) -> bool:
    with suppress(KeyError, TypeError):
        fields = spec["fields"]
        return bool(
            fields["encoder"] == encoder
            and fields["dataset"]["dataset"]["fingerprint"] == dataset.fingerprint
        )
    return False


# -- match vectors to clips --------------------------------------------------------------------------------


def _match(
    staged: Staged, dataset: Dataset, clips: list[str], path: Path
) -> tuple[list[int | None], list[str]]:
    """Return the row in the clip table for each row in the file, and the names that are no clip."""
    if staged.ids is None:
        if len(staged.vectors) != len(clips):
            raise EmbeddingsError(
                f"{path} holds {len(staged.vectors):,} embeddings and does not name their clips, and "
                f"{dataset.name} has {len(clips):,} clips; give the names, one a line, by --ids FILE."
            )
        return list(range(len(clips))), []
    paths = [_tidy(str(p), dataset.root) for p in dataset.clips["path"]]
    given = [_tidy(id, dataset.root) for id in staged.ids]
    rows = _by_name(given, clips, paths)
    twice = [i for i, times in Counter(r for r in rows if r is not None).items() if times > 1]
    if twice:
        raise EmbeddingsError(
            f"{path} has more than one embedding of {count(len(twice), 'clip')}, such as "
            f"{_some(clips[i] for i in sorted(twice))}; give one of each."
        )
    unknown = [id for id, row in zip(staged.ids, rows, strict=True) if row is None]
    if len(unknown) == len(rows):
        raise EmbeddingsError(
            f"None of the {len(rows):,} names in {path}, such as {_some(unknown)}, is a clip of "
            f"{dataset.name}, whose ids are such as {_some(clips)} and whose files such as {_some(paths)}."
        )
    return rows, unknown


def _by_name(given: list[str], clips: list[str], paths: list[str]) -> list[int | None]:
    exact = {path: i for i, path in enumerate(paths)} | {clip: i for i, clip in enumerate(clips)}
    rows = [exact.get(name) for name in given]
    taken = {row for row in rows if row is not None}
    for key in (os.path.basename, _stem, _folded_stem):
        # A name that several clips have, or several names in the file reduce to, identifies none.
        names = _unique((key(path), i) for i, path in enumerate(paths) if i not in taken)
        left = {name for name, row in zip(given, rows, strict=True) if row is None}
        several = Counter(key(name) for name in left)
        for at, name in enumerate(given):
            if rows[at] is None and several[key(name)] == 1:
                rows[at] = names.get(key(name))
        taken |= {row for row in rows if row is not None}
    return rows


def _unique(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    first: dict[str, int] = {}
    several = set()
    for name, i in pairs:
        if first.setdefault(name, i) != i:
            several.add(name)
    return {name: i for name, i in first.items() if name not in several}


def _stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]


def _folded_stem(path: str) -> str:
    return _stem(path).casefold()


def _tidy(name: str, root: Path) -> str:
    # macOS takes letters and their accents apart, other systems do not.
    name = unicodedata.normalize("NFC", name.strip().replace("\\", "/"))
    return name.removeprefix(f"{root.as_posix()}/").removeprefix("./")


def _some(names: Iterable[str]) -> str:
    return ", ".join(islice(names, 3))


def _flaw(staged: Staged, row: int) -> str | None:
    """Return why a clip cannot be in the space, or None."""
    vector = staged.vectors[row]
    if staged.frames is not None:
        frames = staged.frames[staged.offsets[row] : staged.offsets[row + 1]]
        if len(frames) == 0:
            return "the file has no frames of it"
        if not np.isfinite(frames).all():
            return "its frames have values that are not finite numbers of 32 bits"
    if not np.isfinite(vector).all():
        return "its embedding has values that are not finite numbers of 32 bits"
    if not vector.any():
        return "its embedding is all zeros, which points nowhere"
    return None


# -- into the cache ----------------------------------------------------------------------------------------


def _store(
    workspace: Workspace, spec: EmbedAudio, space: Selection, kept: list[str], card: Card, started: float
) -> None:
    staged, d = space.staged, space.staged.vectors.shape[1]
    n_frames = None if staged.frames is None else int(space.counts.sum())
    with workspace.cache.writer(spec.key, spec=spec.to_json()) as w:
        _fill(w.empty_array("embeddings", (len(kept), d), np.float32), space.blocks())
        if n_frames is not None:
            _fill(w.empty_array("frames", (n_frames, d), np.float32), space.frames())
            w.array("offsets", np.concatenate([[0], np.cumsum(space.counts)]).astype(np.int64))
        w.table("clips", {"clip_id": kept})
        columns = {"clip_id": list(space.excluded), "reason": list(space.excluded.values())}
        w.table("excluded", pa.table({name: pa.array(cells, pa.string()) for name, cells in columns.items()}))
        w.seconds = time.monotonic() - started
        w.meta.update(
            dataset=spec.dataset.name,
            encoder=spec.encoder,
            identity=spec.identity,
            n_clips=len(kept),
            n_excluded=len(space.excluded),
            n_frames=n_frames,
            dimensions=d,
            frame_level=n_frames is not None,
            seconds=w.seconds,
            card=asdict(card),
        )


def _fill(array: np.ndarray, blocks: Iterator[np.ndarray]) -> None:
    at = 0
    for block in blocks:
        array[at : at + len(block)] = block
        at += len(block)
