"""Counts of things in words."""

from __future__ import annotations


def count(n: int, noun: str) -> str:
    """Return a number with its noun, in the singular or the plural.

    Parameters
    ----------
    n : int
    noun : str
        In the singular, with a regular plural.

    Examples
    --------
    >>> count(1, "class"), count(2000, "class"), count(0, "query"), count(3, "day")
    ('1 class', '2,000 classes', '0 queries', '3 days')
    """
    return f"{n:,} {noun if n == 1 else plural(noun)}"


def there_are(n: int, noun: str) -> str:
    """Return "there is" or "there are" with a number and its noun.

    Examples
    --------
    >>> there_are(1, "class"), there_are(5, "class")
    ('there is 1 class', 'there are 5 classes')
    """
    return f"there {'is' if n == 1 else 'are'} {count(n, noun)}"


def plural(noun: str) -> str:
    """Return the regular plural of a noun.

    Examples
    --------
    >>> plural("class"), plural("family"), plural("clip"), plural("epoch"), plural("batch")
    ('classes', 'families', 'clips', 'epochs', 'batches')
    """
    if noun.endswith(("s", "x", "sh", "tch")):
        return f"{noun}es"
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}s"
