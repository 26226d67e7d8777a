"""The keys and file names that the cache accepts."""

from __future__ import annotations

import re

from cache.errors import CacheError

MANIFEST = "manifest.json"

_KEY = re.compile(r"[0-9a-f]{64}")

#: Formats with their own methods of the writer and the artifact.
KINDS = {".npy": "array", ".parquet": "table", ".safetensors": "tensors"}

#: Formats that may be written into an artifact. None of them can contain code that Python would run on
#: reading, which excludes pickles, ``.pt``, ``.joblib`` and ``.npz``.
SUFFIXES = frozenset(
    {
        *KINDS,
        *(".flac", ".wav", ".ogg", ".opus", ".mp3", ".m4a"),
        *(".json", ".jsonl", ".txt", ".md", ".csv", ".tsv", ".toml", ".yaml", ".yml", ".log"),
        *(".png", ".jpg", ".jpeg", ".webp", ".svg", ".html", ".pdf", ".onnx"),
    }
)


def check_key(key: str) -> str:
    """Return `key` if it is 64 lower-case hexadecimal digits.

    Raises
    ------
    CacheError
        For anything else, so that no key leads out of the store.
    """
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise CacheError(f"{_short(key)} is not a key; a key is 64 lower-case hexadecimal digits.")
    return key


def check_name(name: str, suffix: str | None = None) -> str:
    """Return a valid relative file name.

    Parameters
    ----------
    name : str
        Relative, parts separated by ``/``.
    suffix : str, optional
        Appended if `name` does not end in it; without it the name must end in one of `SUFFIXES`.

    Returns
    -------
    str
        A name that stays inside any folder to which it is joined.

    Raises
    ------
    CacheError
        For absolute names, ``..``, hidden or unnamed parts, backslashes, control characters, parts longer
        than 255 bytes, ``manifest.json``, and endings that are not allowed.

    Examples
    --------
    >>> check_name("embeddings", ".npy")
    'embeddings.npy'
    >>> check_name("../x.txt")
    Traceback (most recent call last):
    ...
    cache.errors.CacheError: '../x.txt' cannot name a file in an artifact: part '..' begins with a dot.
    """
    reason = _wrong(name)
    if reason:
        raise CacheError(f"{_short(name)} cannot name a file in an artifact: {reason}.")
    if suffix is not None:
        return name if name.endswith(suffix) else check_name(name + suffix, suffix)
    ending = name[name.rfind(".") :].lower() if "." in name.rpartition("/")[2] else ""
    if ending not in SUFFIXES:
        raise CacheError(
            f"{_short(name)} cannot be stored: files may end in {' '.join(sorted(SUFFIXES))}, not in "
            f"{ending or 'nothing'}."
        )
    return name


def _wrong(name: str) -> str | None:
    if not isinstance(name, str) or not name:
        return "it must be text that is not empty"
    if name.lower() == MANIFEST:
        return "the store writes that file itself"
    if name.startswith("/"):
        return "it is absolute"
    if "\\" in name or not name.isprintable():
        return "it holds a backslash or a character that cannot be printed"
    for part in name.split("/"):
        if not part:
            return "it has an empty part"
        if part.startswith("."):
            return f"part {part!r} begins with a dot"
        if len(part.encode("utf-8", "surrogatepass")) > 255:
            return "a part is longer than 255 bytes"
    return None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 100 else text[:99] + "…"
