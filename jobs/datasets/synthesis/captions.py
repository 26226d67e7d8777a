"""Captions of the synthetic world: several sentences a clip about the sound of its recipe and nothing else.

Each class has phrases that name it and phrases that describe it without its name; both go into one of a few
sentences. The first caption of a clip always names its class and the second never does, so that a search for
names finds every clip of a class, and not every caption.
"""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import numpy as np

__all__ = ["MOST", "PHRASES", "captions"]

#: Captions that a clip may have.
MOST = 6

# Nothing here speaks of places, distances or company: those differ from take to take and are not looked up.
_SENTENCES = (
    "The sound of {}.",
    "{}.",
    "A recording of {}.",
    "One hears {}.",
    "{} can be heard.",
    "Listen to {}.",
)


def _read_phrases() -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    with open(Path(__file__).with_name("phrases.csv"), newline="", encoding="utf-8") as file:
        _, *rows = csv.reader(file)
    return {name: ((named1, named2), (other1, other2)) for name, named1, named2, other1, other2 in rows}


#: Of every class: phrases that name it, and phrases that do not.
PHRASES = _read_phrases()


def captions(class_name: str, index: int, *, seed: int, n: int = 3) -> list[str]:
    """Write captions of one clip: sentences about the sound of its recipe.

    Parameters
    ----------
    class_name : str
        As in `jobs.datasets.synthetic.classes`.
    index : int, >= 0
        Which take of the class.
    seed : int, >= 0
    n : int from 1 to 6, default 3

    Returns
    -------
    list of n str
        All different, the same for the same arguments, the first ones whatever `n`. The 1st, 3rd and 5th
        name the class, the others describe it without its name.

    Raises
    ------
    ValueError
        For an unknown class, or numbers out of range.

    Examples
    --------
    >>> captions("Bark", 3, seed=0, n=2)
    ['The rough barks of a dog.', 'Listen to short, rough cries of a watchful hound.']
    """
    if class_name not in PHRASES:
        raise ValueError(
            f"There is no synthetic class {class_name!r}; see `jobs.datasets.synthetic.classes`."
        )
    if index < 0 or seed < 0 or not 1 <= n <= MOST:
        raise ValueError(
            f"index is {index}, seed {seed} and n {n}; the first two must be 0 or more, n from 1 to {MOST}."
        )
    number = int.from_bytes(hashlib.sha256(class_name.encode()).digest()[:8], "little")
    # The 1 keeps these draws apart from those of the sound.
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, number, index, 1])))
    order = rng.permutation(len(_SENTENCES))
    both = PHRASES[class_name]  # phrases that name the class, and phrases that do not
    orders = [rng.permutation(len(phrases)) for phrases in both]
    sentences = []
    for i in range(n):
        phrases = both[i % 2]
        text = _SENTENCES[order[i]].format(phrases[orders[i % 2][i // 2 % len(phrases)]])
        sentences.append(text[0].upper() + text[1:])
    return sentences
