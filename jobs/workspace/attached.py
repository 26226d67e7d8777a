"""Keep what belongs to a dataset when its sounds change: its spaces, and imported embeddings.

A space of an encoder is embedded again, which computes only new clips. Imported embeddings cannot be computed
again: those of sounds that remain stay attached, and the rest is listed as orphaned.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cache import CacheError
from jobs import encoders
from jobs.encoders import imported

if TYPE_CHECKING:
    from jobs.workspace.workspace import Dataset, Workspace


def dataset_before(workspace: Workspace, name: str) -> Dataset | None:
    """Return the dataset that is about to be replaced, with its clips in memory if needed; None if none."""
    # A damaged dataset can be replaced all the same.
    with suppress(ValueError, OSError):
        dataset = workspace.dataset(name)
        if imported.meanings(workspace.root, dataset.fingerprint):
            with suppress(ValueError, OSError):
                _ = dataset.clips  # read before the table is replaced
        return dataset
    return None


def earlier(old: Dataset | None, fingerprint: str) -> list[str]:
    """Return the earlier fingerprints of a dataset, the last first."""
    known = () if old is None else (old.fingerprint, *old.earlier)
    return [f for f in dict.fromkeys(known) if f != fingerprint]


def left_behind(workspace: Workspace, dataset: Dataset) -> list[str]:
    """Return the encoders of spaces that a dataset had before its sounds changed and has no more.

    Imported ones are no part of it, see `carry_over`.
    """
    present = {s.encoder for s in workspace.spaces(dataset)}
    before: set[str] = set()
    for info in workspace.cache.list(type="EmbedAudio") if dataset.earlier else ():
        with suppress(KeyError, TypeError):
            fields = info.spec["fields"]
            if fields["dataset"]["dataset"]["fingerprint"] in dataset.earlier:
                before.add(fields["encoder"])
    return sorted(e for e in before - present if not e.startswith(f"{imported.NAME}:"))


def carry_over(workspace: Workspace, old: Dataset | None, new: Dataset) -> None:
    """Attach the imported embeddings of a dataset to the dataset that has replaced it.

    A sound is the same if its content is. Embeddings already imported for the new one stay. Those of sounds
    that are gone stay where they were, as `orphans` lists them.

    Parameters
    ----------
    workspace : Workspace
    old : Dataset or None
        As `dataset_before` gave it.
    new : Dataset
    """
    if old is None or old.fingerprint == new.fingerprint or "clips" not in old.__dict__:
        return
    present = imported.meanings(workspace.root, new.fingerprint)
    for encoder, meaning in imported.meanings(workspace.root, old.fingerprint).items():
        # Damaged or missing embeddings cannot be carried over, and do not prevent the replacement.
        with suppress(CacheError):
            if encoder not in present:
                _carry_one(workspace, old, new, encoder, meaning)


def _carry_one(
    workspace: Workspace, old: Dataset, new: Dataset, encoder: str, meaning: imported.Meaning
) -> None:
    from jobs.importing.embeddings import Selection, keep_space
    from jobs.importing.files import Staged
    from jobs.tasks.reuse import contents

    started = time.monotonic()
    artifact = workspace.cache.open(meaning.key)
    sound_of = dict(zip(old.clips["clip_id"], contents(old.clips), strict=True))
    row_of: dict[Any, int] = {}
    for i, clip in enumerate(artifact.table("clips")["clip_id"].to_pylist()):
        row_of[clip, sound_of[clip]] = row_of[sound_of[clip]] = i
    ids = [str(c) for c in new.clips["clip_id"]]
    sounds = contents(new.clips)
    chosen = [
        (at, row)
        for at, (id, sound) in enumerate(zip(ids, sounds, strict=True))
        if (row := row_of.get((id, sound), row_of.get(sound))) is not None and sound is not None
    ]
    if not chosen:
        return
    taken = {at for at, _ in chosen}
    why = "it came, or changed, after the embeddings had been imported"
    excluded = {id: why for at, id in enumerate(ids) if at not in taken}
    vectors = artifact.array("embeddings")
    frames = artifact.array("frames") if "frames.npy" in artifact else None
    offsets = np.zeros(len(vectors) + 1, np.int64) if frames is None else artifact.array("offsets")
    staged = Staged(None, vectors, frames, offsets, [])
    name = encoder.partition(":")[2]
    known = encoders.card(encoder, artifact.meta)
    space = Selection(staged, chosen, excluded)
    keep_space(workspace, new, name, space, known, source=meaning.source, started=started)
    others = {d.fingerprint for d in workspace.datasets()}
    gone = old.fingerprint not in others and not workspace.damaged()  # one of those may be its twin
    if gone and {row for _, row in chosen} == set(range(len(vectors))):
        imported.forget(workspace.root, old.fingerprint, name)  # all of it lives on


@dataclass(frozen=True)
class Orphan:
    """Imported embeddings of sounds that no dataset has any more.

    Attributes
    ----------
    dataset : str
        Name of the dataset.
    encoder : str
        ``imported:NAME``.
    fingerprint : str
        Of the dataset as it was.
    n_clips : int
    """

    dataset: str
    encoder: str
    fingerprint: str
    n_clips: int


def orphans(workspace: Workspace) -> list[Orphan]:
    """List imported embeddings of sounds that no dataset of the workspace has any more.

    The list is empty while a dataset cannot be read: they may be of its sounds.
    """
    if workspace.damaged():
        return []
    present = {d.fingerprint for d in workspace.datasets()}
    lost = []
    for fingerprint, encoder, meaning in imported.everything(workspace.root):
        with suppress(CacheError):
            if fingerprint not in present:
                meta = workspace.cache.open(meaning.key).meta
                lost.append(Orphan(str(meta["dataset"]), encoder, fingerprint, int(meta["n_clips"])))
    return lost


def remove_orphans(workspace: Workspace, dataset: str, name: str) -> int:
    """Remove imported embeddings that `orphans` lists under a dataset's name; returns how many went."""
    encoder = f"{imported.NAME}:{imported.checked_name(name)}"
    lost = [o for o in orphans(workspace) if (o.dataset, o.encoder) == (dataset, encoder)]
    for orphan in lost:
        meaning = imported.meanings(workspace.root, orphan.fingerprint)[encoder]
        imported.forget(workspace.root, orphan.fingerprint, name)
        workspace.cache.delete(meaning.key)
    return len(lost)
