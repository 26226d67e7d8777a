"""Read labels from the names of files: patterns with named parts, such as ``{label}_{speaker}_{take}``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

from jobs.datasets import OptionError

_PART = re.compile(r"\{([^{}]*)\}")
#: Names that are compared, and the fewest for which a pattern is proposed.
_SAMPLE, _FEWEST = 2_000, 8
#: Share of the names that a proposed pattern fits.
_MOST = 0.95


class Pattern:
    """A pattern of literal text and parts in braces, by which names of files are read.

    Parameters
    ----------
    text : str
        Such as ``{label}_{speaker}_{take}``, which is compared with the file's name without its ending; with
        slashes, such as ``{speaker}/{label}``, with as many folders before it, too. A part takes no character
        that is next to a part in the pattern; ``{_}`` is a part that is not kept.

    Raises
    ------
    OptionError
        For a pattern without parts, with a part twice, or with two parts that touch.
    """

    def __init__(self, text: str) -> None:
        self.text = text.strip()
        pieces = _PART.split(self.text)  # literal, part, literal, part, ..., literal
        literals, parts = pieces[::2], pieces[1::2]
        kept = [part for part in parts if part != "_"]
        example = "write one such as {label}_{speaker}_{take}"
        if not kept or any(not part.isidentifier() for part in parts):
            raise OptionError(f"name is {text!r}, which is no pattern of named parts; {example}.")
        if len(set(kept)) < len(kept) or any(c in "{}" for literal in literals for c in literal):
            raise OptionError(f"name is {text!r}; each part must be in it once, in braces: {example}.")
        if any(not literal for literal in literals[1:-1]):
            raise OptionError(f"name is {text!r}; some text must separate two parts: {example}.")
        # The last character before a part and the first after it bound it.
        bounds = {literal[0] for literal in literals[1:-1]} | {literal[-1] for literal in literals[1:-1]}
        inside = f"[^/{re.escape(''.join(sorted(bounds)))}]+"
        self.parts = tuple(kept)
        self._depth = self.text.count("/")
        written = [re.escape(literals[0])]
        for part, literal in zip(parts, literals[1:], strict=True):
            written.append(f"(?:{inside})" if part == "_" else f"(?P<{part}>{inside})")
            written.append(re.escape(literal))
        self._regex = re.compile("".join(written))

    def read(self, path: str) -> dict[str, str] | None:
        """Return the parts of a file's path, or None where it is not named so."""
        parts = PurePosixPath(path).with_suffix("").parts
        match = self._regex.fullmatch("/".join(parts[-self._depth - 1 :]))
        return None if match is None else {name: value.strip() for name, value in match.groupdict().items()}


def propose(paths: Sequence[str]) -> str | None:
    """Propose a pattern for names that look alike, with the number of values of each part; else None.

    Names look alike if almost all have the same number of parts, parted by one character, and one of the
    parts takes few values, each of several files.

    Examples
    --------
    >>> propose([f"{digit}_{who}_{take}.wav" for digit in "012" for who in "ab" for take in range(3)])
    '{label}_{part2}_{take} (3, 2 and 3 values)'
    """
    stems = [PurePosixPath(path).stem for path in paths[:_SAMPLE]]
    for between in "_-":
        split = [stem.split(between) for stem in stems]
        (n, fitting), *_ = Counter(map(len, split)).most_common(1) or [(0, 0)]
        if not 2 <= n <= 6 or fitting < max(_FEWEST, _MOST * len(stems)):
            continue
        columns = list(zip(*(parts for parts in split if len(parts) == n), strict=True))
        values = [len(set(column)) for column in columns]
        groups = [i for i, v in enumerate(values) if 2 <= v <= fitting // 2]
        # A part that counts or identifies is no class.
        words = [i for i in groups if not (i == n - 1 and all(v.isdigit() for v in columns[i]))]
        if not words:
            continue
        names = [f"part{i + 1}" for i in range(n)]
        names[words[0]] = "label"
        if all(v.isdigit() for v in columns[-1]) and words[0] != n - 1:
            names[-1] = "take"
        counts = f"{', '.join(f'{v:,}' for v in values[:-1])} and {values[-1]:,} values"
        return between.join(f"{{{name}}}" for name in names) + f" ({counts})"
    return None
