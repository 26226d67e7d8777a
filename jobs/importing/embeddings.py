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
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.encoders import Card, imported
from jobs.importing.files import Staged, stage
from jobs.importing.parts import BLOCK, EmbeddingsError
from jobs.specs import EmbedAudio

if TYPE_CHECKING:
    from jobs.workspace.workspace import Dataset, Workspace


@dataclass(frozen=True)
class Report:
    """What an import did.

    Attributes
    ----------
    spec : EmbedAudio
        Names the space.
    n_clips, dimensions : int
        Size of the space.
    n_frames : int or None
        None where each clip has one vector.
    excluded : dict of str to str
        Clips of the dataset that are not in the space, and why.
    unknown : list of str
        Names in the file that are no clip of the dataset.
    notes : list of str
        What else was passed over in the file.
    replaced : bool
        Whether the name stood for something else before.
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
    """Import embeddings of a dataset from a file, under a name that stands for them from then on.

    Clips are found by id, else by path relative to the dataset, else by file name (with its ending or
    without) where only one clip is called so. Vectors are kept as float32. A clip whose vector is missing,
    not finite or all zeros is left out of the space with a reason.

    Parameters
    ----------
    workspace, dataset
    name : str
        The space will be ``imported:NAME``. What was imported under this name before stays in the cache, but
        the name no longer means it.
    path, ids
        As for `jobs.importing.files.stage`.
    card : Card, optional
        What is known of the model.

    Returns
    -------
    Report

    Raises
    ------
    EmbeddingsError, UnknownEncoder
        With one sentence: what is wrong with the file or the name; nothing is imported then.
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
        spec = keep_space(workspace, dataset, name, staged, chosen, excluded, card, source, started)
    order = [row for _, row in chosen]
    return Report(
        spec,
        len(chosen),
        staged.vectors.shape[1],
        None if staged.frames is None else int(np.diff(staged.offsets)[order].sum()),
        excluded,
        unknown,
        staged.notes,
        before is not None and before.identity != spec.identity,
    )


def keep_space(
    workspace: Workspace,
    dataset: Dataset,
    name: str,
    staged: Staged,
    chosen: list[tuple[int, int]],
    excluded: dict[str, str],
    card: Card | None,
    source: str,
    started: float,
) -> EmbedAudio:
    """Store embeddings as a space of a dataset and let the name stand for it; returns its spec.

    Parameters
    ----------
    workspace, dataset, name, card
        As of `import_embeddings`.
    staged : Staged
        The embeddings.
    chosen : list of pairs of int
        The row in the clip table, and the row in `staged`.
    excluded : dict of str to str
        Clips that are left out, and why.
    source : str
        Where the embeddings came from.
    started : float
        When the work began, by `time.monotonic`.
    """
    order = np.array([row for _, row in chosen], np.int64)
    ids = dataset.clips["clip_id"]
    kept = [str(ids.iloc[at]) for at, _ in chosen]
    identity = f"{imported.NAME}/{imported.VERSION}:{name}#{_fingerprint(staged, order, kept, excluded)}"
    spec = EmbedAudio(dataset=dataset.ref, encoder=f"{imported.NAME}:{name}", identity=identity)
    if card is not None and workspace.cache.contains(spec.key):
        workspace.cache.delete(spec.key)  # the same vectors, about which something else is known now
    if not workspace.cache.contains(spec.key):
        _store(workspace, spec, staged, order, kept, excluded, card or Card(), started)
    meaning = imported.Meaning(identity, spec.key, source, time.time())
    imported.remember(workspace.root, dataset.fingerprint, name, meaning)
    return spec


def _sweep(home: Path) -> None:
    """Remove what imports that were killed left behind, a day later."""
    for folder in home.glob(".reading-*"):
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > 24 * 3600:
                shutil.rmtree(folder)


def remove(workspace: Workspace, dataset: Dataset, name: str) -> int:
    """Forget an imported name and remove what was imported under it; returns how many results went.

    Raises
    ------
    EmbeddingsError
        If nothing of the dataset has that name.
    """
    encoder = f"{imported.NAME}:{imported.checked_name(name)}"
    known = imported.meanings(workspace.root, dataset.fingerprint)
    found = {info.key for info in workspace.cache.list(type="EmbedAudio") if _is(info.spec, encoder, dataset)}
    if encoder not in known and not found:
        there = ", ".join(n.partition(":")[2] for n in known) or "none"
        raise EmbeddingsError(
            f"{dataset.name} has no imported embeddings by the name of {name}; it has: {there}."
        )
    imported.forget(workspace.root, dataset.fingerprint, name)
    return sum(workspace.cache.delete(key) for key in found)


def _is(spec: dict[str, Any], encoder: str, dataset: Dataset) -> bool:
    with suppress(KeyError, TypeError):
        fields = spec["fields"]
        return bool(
            fields["encoder"] == encoder
            and fields["dataset"]["dataset"]["fingerprint"] == dataset.fingerprint
        )
    return False


# -- which vector is whose ---------------------------------------------------------------------------------


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
            f"{path} has more than one embedding of {len(twice):,} {_clips(twice)}, such as "
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
        # A name that several clips have, or that different names in the file come down to, says nothing.
        names = _unique((key(path), i) for i, path in enumerate(paths) if i not in taken)
        left = {name for name, row in zip(given, rows, strict=True) if row is None}
        several = Counter(key(name) for name in left)
        for at, name in enumerate(given):
            if rows[at] is None and several[key(name)] == 1:
                rows[at] = names.get(key(name))
        taken |= {row for row in rows if row is not None}
    return rows


def _unique(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    several = set()
    for name, i in pairs:
        if found.setdefault(name, i) != i:
            several.add(name)
    return {name: i for name, i in found.items() if name not in several}


def _stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]


def _folded_stem(path: str) -> str:
    return _stem(path).casefold()


def _tidy(name: str, root: Path) -> str:
    # macOS takes letters and their accents apart, other systems do not.
    name = unicodedata.normalize("NFC", name.strip().replace("\\", "/"))
    return name.removeprefix(f"{root.as_posix()}/").removeprefix("./")


def _some(names: Iterable[str]) -> str:
    first = [name for name, _ in zip(names, range(3), strict=False)]
    return ", ".join(first)


def _clips(some: Sequence[Any]) -> str:
    return "clip" if len(some) == 1 else "clips"


def _flaw(staged: Staged, row: int) -> str | None:
    """Say why a clip cannot be in the space."""
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


def _fingerprint(staged: Staged, order: np.ndarray, kept: list[str], excluded: dict[str, str]) -> str:
    """Return 16 hexadecimal digits over what the space will hold, whatever kind of file it came from."""
    digest = hashlib.sha256(repr((kept, sorted(excluded.items()), staged.vectors.shape[1])).encode())
    for rows in _blocks(order, staged.vectors.shape[1]):
        digest.update(staged.vectors[rows].tobytes())
    if staged.frames is not None:
        digest.update(np.diff(staged.offsets)[order].tobytes())
        for row in order:
            digest.update(staged.frames[staged.offsets[row] : staged.offsets[row + 1]].tobytes())
    return digest.hexdigest()[:16]


def _blocks(order: np.ndarray, d: int) -> Iterable[np.ndarray]:
    step = max(1, BLOCK // (4 * d))
    return (order[a : a + step] for a in range(0, len(order), step))


def _store(
    workspace: Workspace,
    spec: EmbedAudio,
    staged: Staged,
    order: np.ndarray,
    kept: list[str],
    excluded: dict[str, str],
    card: Card,
    started: float,
) -> None:
    import pyarrow as pa

    d = staged.vectors.shape[1]
    counts = np.diff(staged.offsets)[order]
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    with workspace.cache.writer(spec.key, spec=spec.to_json()) as w:
        embeddings = w.empty_array("embeddings", (len(order), d), np.float32)
        at = 0
        for rows in _blocks(order, d):
            embeddings[at : at + len(rows)] = staged.vectors[rows]
            at += len(rows)
        if staged.frames is not None:
            frames = w.empty_array("frames", (int(offsets[-1]), d), np.float32)
            for i, row in enumerate(order):
                frames[offsets[i] : offsets[i + 1]] = staged.frames[
                    staged.offsets[row] : staged.offsets[row + 1]
                ]
            w.array("offsets", offsets)
        w.table("clips", {"clip_id": kept})
        left = pa.table(
            {
                "clip_id": pa.array(list(excluded), pa.string()),
                "reason": pa.array(list(excluded.values()), pa.string()),
            }
        )
        w.table("excluded", left)
        w.seconds = time.monotonic() - started
        w.meta.update(
            dataset=spec.dataset.name,
            encoder=spec.encoder,
            identity=spec.identity,
            n_clips=len(kept),
            n_excluded=len(excluded),
            n_frames=None if staged.frames is None else int(offsets[-1]),
            dimensions=d,
            frame_level=staged.frames is not None,
            seconds=w.seconds,
            card=asdict(card),
        )
