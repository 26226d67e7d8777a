"""Who is tested, who is trained, and what leaks: the clips and captions of a grid of contrastive models."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from core.leakage import find_leaks, overlap_of_labels
from jobs.contrastive_presets import held_out_classes, label_sets, single_labels
from jobs.presets import clip_classes
from jobs.specs import ContrastiveGrid
from jobs.workspace.captions import captions_fingerprint, captions_of

if TYPE_CHECKING:
    from jobs.workspace.workspace import Dataset, Workspace

#: What is drawn: test clips.
_TEST = 0


@dataclass(frozen=True)
class Clips:
    """The clips and captions of a grid; n clips in the order of the dataset."""

    dataset: Dataset
    clip_ids: np.ndarray  # (n,) objects of str
    labels: np.ndarray  # (n,) objects of str: the first class of each, "" where it has none
    classes: tuple[str, ...]  # sorted
    tested: tuple[str, ...]  # the test classes, sorted
    part: np.ndarray  # (n,) objects of str, as in ``clips.parquet``
    pairs: np.ndarray  # (p, 2) rows of clip and caption, of every pair that may be trained on
    clean: np.ndarray  # (p,) bool: those that clean training keeps
    texts: list[str]  # captions, each once
    n_captions: np.ndarray  # (n,) int64, of each clip
    leaks: pd.DataFrame  # as in the result
    label_leaks: pd.DataFrame

    @property
    def test(self) -> np.ndarray:
        """Rows of the test clips, ascending."""
        return np.flatnonzero(self.part == "test")

    @property
    def test_labels(self) -> np.ndarray:
        """Their classes."""
        return self.labels[self.test].astype(str)

    @property
    def tested_rows(self) -> np.ndarray:
        """Rows of the test classes among all classes."""
        return np.array([self.classes.index(label) for label in self.tested])

    def pairs_of(self, training: str) -> np.ndarray:
        """Return the pairs of a training, (q, 2)."""
        return self.pairs if training == "dirty" else self.pairs[self.clean]

    def pretraining_rows(self, pretraining: str) -> np.ndarray:
        """Return the rows of the clips of a pre-training, ascending."""
        usable = (self.part == "train") & (self.labels != "")
        if pretraining == "clean":
            left_out = frozenset(self.label_leaks["label"]) | frozenset(self.tested)
            usable &= [not own & left_out for own in label_sets(self.dataset.clips)]
        return np.flatnonzero(usable)

    @property
    def unnamed(self) -> int:
        """How many clips of test classes stay in clean training because no caption names the class."""
        kept = np.unique(self.pairs[self.clean, 0])
        sets = label_sets(self.dataset.clips)
        return sum(bool(sets[row] & frozenset(self.tested)) for row in kept)


def read(spec: ContrastiveGrid, workspace: Workspace, unreadable: Collection[int]) -> Clips:
    """Divide the clips of a dataset and look for leaks; `unreadable` are rows of clips without sound.

    Raises
    ------
    ValueError
        With one sentence: labels or captions have changed, there are none, or too few clips or classes.
    """
    dataset = dataset_of(spec, workspace)
    tested = held_out_classes(dataset, spec.test_classes)
    clips = dataset.clips
    captions = captions_of(dataset)
    ids = clips["clip_id"].astype(str).tolist()
    row_of = {id: row for row, id in enumerate(ids)}
    rows = captions["clip_id"].map(row_of).to_numpy(np.int64)
    labels, own = clip_classes(clips), single_labels(clips)
    n_captions = np.bincount(rows, minlength=len(ids))
    part = np.where((labels != "") | (n_captions > 0), "train", "other").astype(object)
    part[list(unreadable)] = "other"
    part[_test_rows(spec, clips, own, part, tested)] = "test"
    trained = part[rows] == "train"
    if not trained.any():
        raise ValueError(f"No clip of {dataset.name} has a caption to train on; add captions.")
    of, captioned = rows[trained], captions["caption"][trained].tolist()
    texts, codes = np.unique(np.array(captioned, dtype=object), return_inverse=True)
    leaks = find_leaks(captioned, tested, mode=spec.leaks)
    leaks["clip_id"] = [ids[row] for row in of[leaks["row"]]]
    overlap = overlap_of_labels(dataset.classes["label"].astype(str), tested, mode=spec.leaks)
    read = Clips(
        dataset=dataset,
        clip_ids=np.array(ids, dtype=object),
        labels=labels,
        classes=tuple(sorted(dataset.classes["label"].astype(str))),
        tested=tested,
        part=part,
        pairs=np.stack([of, codes], axis=1).astype(np.int64),
        clean=~np.isin(of, of[leaks["row"]]),
        texts=texts.tolist(),
        n_captions=n_captions,
        leaks=leaks[["caption", "clip_id", "label", "matched"]],
        label_leaks=overlap.rename(columns={"a": "label", "b": "test_class"})[
            ["label", "test_class", "matched"]
        ],
    )
    _check(spec, read)
    return read


def dataset_of(spec: ContrastiveGrid, workspace: Workspace) -> Dataset:
    """Return the dataset of a grid, whose labels and captions are those that were asked for."""
    dataset = workspace.dataset_for(spec.dataset)
    # The same sounds may have other labels under another name.
    for candidate in (dataset, *workspace.datasets()):
        if (
            candidate.fingerprint == dataset.fingerprint
            and candidate.labels_fingerprint == spec.labels
            and captions_fingerprint(captions_of(candidate)) == spec.captions
        ):
            return candidate
    raise ValueError(
        f"The labels or captions of {dataset.name} have changed since this was asked for; ask again."
    )


def _test_rows(
    spec: ContrastiveGrid, clips: pd.DataFrame, own: np.ndarray, part: np.ndarray, tested: tuple[str, ...]
) -> np.ndarray:
    """Draw the test clips: of each class those of some folds, as far as there are folds."""
    random = np.random.default_rng([spec.seed, _TEST])
    order = random.random(len(clips))
    if "fold" in clips and clips["fold"].notna().all():
        # What lies in one fold may be parts of one recording.
        folds = clips["fold"].to_numpy(np.int64)
        names, at = np.unique(folds, return_inverse=True)
        order = order + random.permutation(len(names))[at]
    chosen = []
    for label in tested:
        rows = np.flatnonzero((own == label) & (part != "other"))
        if not len(rows):
            raise ValueError(f"No clip of the test class {label!r} can be read; leave it out.")
        n = max(1, round(spec.test_share * len(rows)))
        chosen.append(rows[np.argsort(order[rows], kind="stable")[:n]])
    return np.sort(np.concatenate(chosen))


def _check(spec: ContrastiveGrid, clips: Clips) -> None:
    """Raise `ValueError` where a training or a pre-training has too little to learn from."""
    for training in spec.training:
        n = len(np.unique(clips.pairs_of(training)[:, 0]))
        if n < 4:
            why = " once the leaks are left out" if training == "clean" else ""
            raise ValueError(f"{n} clips with captions are left for {training} training{why}; it needs 4.")
    for pretraining in spec.pretraining:
        if pretraining == "none" or spec.checkpoint_of(pretraining):
            continue
        n = len(set(clips.labels[clips.pretraining_rows(pretraining)]))
        if n < 2:
            raise ValueError(
                f"{n} classes are left for {pretraining} pre-training; at least 2 are needed: name fewer "
                "test classes, or leave this pre-training out."
            )
