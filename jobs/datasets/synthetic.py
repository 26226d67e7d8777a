"""The synthetic sound world: labelled clips from parametric recipes, without download or recording.

Up to sixteen classes in each of FSD50K's six families, named after AudioSet classes and described in our own
words. A clip is determined by (seed, class, index) and the length, rate and difficulty asked for; neither the
other clips, nor the number of classes, nor the order in which clips are made matter.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache

import numpy as np
import pandas as pd

from jobs.datasets.synthesis import ambiguous, animal, human, music, nature, scene, things
from jobs.datasets.synthesis.blocks import SoundClass
from jobs.datasets.synthesis.captions import captions
from jobs.specs import Synthesize

SAMPLE_RATE = 32_000
FOLDS = 5
#: Captions of each clip.
CAPTIONS = 3
NOTE = (
    "These are synthetic sounds, not recordings: formulas that imitate how each class roughly sounds. "
    "They show how the methods work; what a model scores on them says little about real sounds."
)
# Only the first classes of a family sound in the background, so that a clip does not change when a class is
# added to the world.
_IN_BACKGROUND = 9


@cache
def classes(count: int | None = None) -> tuple[SoundClass, ...]:
    """Return the classes of the world by family, in an order that stays.

    Parameters
    ----------
    count : int, optional
        How many, spread evenly: of each family the first ones, one more of the first families where six does
        not divide `count`. All of them by default.

    Returns
    -------
    tuple of SoundClass

    Raises
    ------
    ValueError
        If there are not that many.
    """
    families = [module.sound.classes for module in (animal, human, music, nature, things, ambiguous)]
    total = sum(map(len, families))
    count = total if count is None else count
    if not len(families) <= count <= total:
        raise ValueError(f"classes is {count}; it must be between {len(families)} and {total}.")
    each, more = divmod(count, len(families))
    return tuple(sound for i, family in enumerate(families) for sound in family[: each + (i < more)])


@cache
def _by_name() -> dict[str, SoundClass]:
    return {sound.name: sound for sound in classes()}


@cache
def _behind(sound: SoundClass) -> tuple[SoundClass, ...]:
    """Return the classes that may sound in the background of another."""
    return tuple(s for s in classes(6 * _IN_BACKGROUND) if s is not sound)


def class_table(count: int | None = None) -> pd.DataFrame:
    """Return label, family and description of each of `count` classes, see `classes`."""
    rows = [(s.name, s.family, s.description) for s in classes(count)]
    return pd.DataFrame(rows, columns=["label", "family", "description"], dtype="str")


def description(spec: Synthesize) -> str:
    """Describe the world that `spec` asks for in one sentence."""
    return (
        f"Sounds made by formulas, in {spec.classes} classes of six families; every clip is labelled by its "
        "recipe."
    )


def render(
    class_name: str,
    index: int,
    *,
    seconds: float = 3.0,
    sample_rate: int = SAMPLE_RATE,
    difficulty: float = 0.5,
    seed: int = 0,
) -> np.ndarray:
    """Make one clip.

    Parameters
    ----------
    class_name : str
        Name of a class, see `classes`.
    index : int, >= 0
        Which take of the class.
    seconds : float, default=3
    sample_rate : int, default=32000
        Hz, 8000 or more.
    difficulty : float in [0, 1], default=0.5
        0: takes of a class are alike, close and dry; 1: they vary widely, in rooms, with noise and other
        sounds.
    seed : int, default=0

    Returns
    -------
    ndarray of float32, shape (round(seconds * sample_rate),)
        Peak at most 0.9; begins and ends at 0.

    Raises
    ------
    ValueError
        For an unknown class or a value out of range.
    """
    sound = _by_name().get(class_name)
    if sound is None:
        raise ValueError(f"There is no synthetic class {class_name!r}; there are {', '.join(_by_name())}.")
    if not 0 <= difficulty <= 1:
        raise ValueError(f"difficulty is {difficulty}; it must be between 0 and 1.")
    if index < 0 or seed < 0:
        raise ValueError(f"index is {index} and seed is {seed}; both must be 0 or more.")
    if sample_rate < 8000 or seconds * sample_rate < 2000:
        raise ValueError(
            f"{seconds} s at {sample_rate} Hz cannot be made; needed are 8000 Hz and 2000 samples at least."
        )
    number = int.from_bytes(hashlib.sha256(class_name.encode()).digest()[:8], "little")
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, number, index])))
    return scene.record(
        sound,
        _behind(sound),
        rng=rng,
        n=round(seconds * sample_rate),
        sample_rate=sample_rate,
        difficulty=difficulty,
    )


def plan(spec: Synthesize) -> pd.DataFrame:
    """Return the clip table before any sound is made: all columns of an import, with ``sha256`` null.

    Returns
    -------
    DataFrame
        One row a clip, class by class; ``take`` is the index within the class, ``path`` is relative to the
        folder of sounds.
    """
    n, sounds = spec.clips_per_class, classes(spec.classes)
    width = max(3, len(str(n - 1)))
    takes = np.tile(np.arange(n), len(sounds))
    names = np.repeat([s.name for s in sounds], n)
    ids = [f"{slug(name)}-{take:0{width}d}" for name, take in zip(names, takes, strict=True)]
    return pd.DataFrame(
        {
            "clip_id": pd.Series(ids, dtype="str"),
            "path": pd.Series([f"{i}.flac" for i in ids], dtype="str"),
            "label": pd.Series(names, dtype="str"),
            "labels": pd.Series([[str(name)] for name in names], dtype="object"),
            "family": pd.Series(np.repeat([s.family for s in sounds], n), dtype="str"),
            "fold": pd.Series(takes % FOLDS + 1, dtype="Int64"),
            "caption": pd.Series([None] * len(ids), dtype="str"),
            "duration": round(spec.seconds * SAMPLE_RATE) / SAMPLE_RATE,
            "sample_rate": SAMPLE_RATE,
            "channels": 1,
            "sha256": pd.Series([None] * len(ids), dtype="str"),
            "take": takes,
        }
    )


def caption_table(spec: Synthesize) -> pd.DataFrame:
    """Return `CAPTIONS` captions of every clip of `plan`, in its order: ``clip_id``, ``caption``."""
    clips = plan(spec)
    rows = [
        (clip_id, text)
        for clip_id, label, take in zip(clips["clip_id"], clips["label"], clips["take"], strict=True)
        for text in captions(label, int(take), seed=spec.seed, n=CAPTIONS)
    ]
    return pd.DataFrame(rows, columns=["clip_id", "caption"], dtype="str")


def slug(name: str) -> str:
    """Return a class name as part of a clip id.

    Examples
    --------
    >>> slug("Male speech"), slug("Howl (wind)")
    ('male-speech', 'howl-wind')
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
