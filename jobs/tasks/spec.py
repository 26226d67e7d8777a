"""Specs: a spec names a result before the result exists.

A spec is a frozen dataclass that holds plain values and other specs. Its `key` is the SHA-256 of its
type, its ``VERSION`` and its canonical fields, nested specs by their keys and a dataset by the
fingerprint of its clips, so the same question has the same key on every machine. ``VERSION`` goes up
when the computation behind a spec changes; what was cached under the old key is then no longer asked for.

This module is light on purpose: pages import it, so it never imports torch, dask or umap.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast, get_args

from jobs.tasks.schema import Schema

if TYPE_CHECKING:
    from cache import ArtifactStore

R = TypeVar("R", bound=Schema)

#: Every type of spec by its name; `jobs.tasks.load_all` fills it.
SPECS: dict[str, type[Spec]] = {}


class SpecError(ValueError):
    """A spec cannot be made from these values; the message names those allowed."""


@dataclass(frozen=True)
class DatasetRef:
    """A dataset as a spec sees it: a name to find it by, a fingerprint that says what is in it.

    Parameters
    ----------
    name : str
        Name in the workspace. Not part of any key.
    fingerprint : str
        SHA-256 over the clips (ids and contents), or the key of `source` where a job makes the clips.
    source : Spec, optional
        The spec whose result holds the clips, for a dataset that is generated.
    imported : mapping, optional
        What the names of its imported embeddings stand for in its workspace, by encoder; a spec that is made
        with such a name takes its identity from here. Not part of any key, nor of what is written down.
    """

    name: str
    fingerprint: str
    source: Spec | None = None
    imported: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class Spec(Generic[R]):
    """Base of all specs: identity, JSON, and the type of its result, ``class Map(Spec[Result])``."""

    VERSION: ClassVar[int] = 1
    #: The schema of the result.
    Result: ClassVar[type[Schema]] = Schema
    #: Fields that came after results were computed without them. At its default such a field is left out of
    #: the key, so that those results stay valid: the default must mean what was computed then.
    LATER: ClassVar[frozenset[str]] = frozenset()
    #: Whether a person waits for the result on a page: such jobs are short and come before others.
    AWAITED: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        SPECS[cls.__name__] = cls
        for base in cls.__dict__.get("__orig_bases__", ()):
            cls.Result = next(iter(get_args(base)), cls.Result)

    def read(self, cache: ArtifactStore) -> R:
        """Return the result, which exists; its arrays and tables are read when they are used."""
        return cast(R, self.Result.read(cache.open(self.key)))

    def store(self, cache: ArtifactStore, result: Schema, seconds: float | None = None) -> None:
        """Store a result that took so many seconds, held to its schema; raises `SchemaError`."""
        with cache.writer(self.key, spec=self.to_json()) as w:
            result.write(w)
            self.Result.check(w.path, w.meta)
            w.seconds = seconds

    @property
    def key(self) -> str:
        """SHA-256 of type, version and canonical fields, 64 hexadecimal digits."""
        asked = [f for f in fields(self) if f.name not in self.LATER or getattr(self, f.name) != f.default]
        text = json.dumps(
            {
                "type": type(self).__name__,
                "version": self.VERSION,
                "fields": {f.name: _canonical(getattr(self, f.name)) for f in asked},
            },
            sort_keys=True,
            separators=(",", ":"),
            allow_nan=False,
        )
        return hashlib.sha256(text.encode()).hexdigest()

    def inputs(self) -> tuple[Spec, ...]:
        """Specs whose results must exist before this one can be computed."""
        values = [getattr(self, f.name) for f in fields(self)]
        values = [value.source if isinstance(value, DatasetRef) else value for value in values]
        return tuple(value for value in values if isinstance(value, Spec))

    @property
    def title(self) -> str:
        """One line for people that tells what this computes."""
        return type(self).__name__

    def to_json(self) -> dict[str, Any]:
        """Plain values from which `from_json` makes an equal spec."""
        return {
            "type": type(self).__name__,
            "version": self.VERSION,
            "fields": {f.name: _plain(getattr(self, f.name)) for f in fields(self)},
        }


def from_json(data: Any) -> Spec:
    """Make a spec from what `Spec.to_json` gave.

    Raises
    ------
    SpecError
        For a type that is not known here, a version that this program no longer computes, or fields
        that do not fit.
    """
    if not isinstance(data, dict) or not isinstance(data.get("fields", {}), dict):
        raise SpecError("A spec is a JSON object with type, version and fields, as `--print-spec` writes it.")
    name = data.get("type")
    if isinstance(name, str) and name not in SPECS:
        import_module("jobs.tasks").load_all()
    if not isinstance(name, str) or name not in SPECS:
        raise SpecError(f"Spec type {name!r} is not known; this version knows {', '.join(sorted(SPECS))}.")
    cls = SPECS[name]
    if data.get("version") != cls.VERSION:
        raise SpecError(
            f"This {name} was asked for at version {data.get('version')}; this program computes version "
            f"{cls.VERSION}. Ask for it again."
        )
    given = {k: _parse(v) for k, v in data.get("fields", {}).items()}
    known = {f.name: f for f in fields(cls)}
    missing = [n for n, f in known.items() if f.default is MISSING and n not in given]
    unknown = sorted(set(given) - set(known))
    if missing or unknown:
        raise SpecError(f"{name}: missing fields {missing}, unknown fields {unknown}.")
    try:
        return cls(**given)
    except (TypeError, AttributeError, LookupError, OverflowError) as error:
        raise SpecError(f"{name}: a field has a value of the wrong kind ({error}).") from None


def _canonical(value: Any) -> Any:
    if isinstance(value, Spec):
        return value.key
    if isinstance(value, DatasetRef):
        return value.fingerprint
    if isinstance(value, tuple):
        return [_canonical(v) for v in value]
    # 30 and 30.0 are the same question.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, Spec):
        return {"spec": value.to_json()}
    if isinstance(value, DatasetRef):
        source = None if value.source is None else value.source.to_json()
        return {"dataset": {"name": value.name, "fingerprint": value.fingerprint, "source": source}}
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    return value


def _parse(value: Any) -> Any:
    if isinstance(value, dict) and "spec" in value:
        return from_json(value["spec"])
    if isinstance(value, dict) and isinstance(value.get("dataset"), dict):
        ref = value["dataset"]
        if not isinstance(ref.get("name"), str) or not isinstance(ref.get("fingerprint"), str):
            raise SpecError("A dataset in a spec needs a name and a fingerprint.")
        source = None if ref.get("source") is None else from_json(ref["source"])
        return DatasetRef(ref["name"], ref["fingerprint"], source)
    if isinstance(value, list):
        return tuple(_parse(v) for v in value)
    return value


def missing(spec: Spec, exists: Callable[[str], bool]) -> list[Spec]:
    """Return what must be computed for `spec`, inputs first, each once.

    What exists (by key) is not computed again, and neither is what only it would have needed.
    """
    needed: dict[str, Spec] = {}

    def visit(s: Spec) -> None:
        if s.key in needed or exists(s.key):
            return
        for source in s.inputs():
            visit(source)
        needed[s.key] = s

    visit(spec)
    return list(needed.values())


def closure(spec: Spec) -> list[Spec]:
    """Return `spec` and everything it needs, inputs before what uses them, each once."""
    return missing(spec, lambda key: False)


def unusual(spec: Spec, *but: str) -> str:
    """Return the options of a spec that are not as usual, for its title: `` (k 7, seed 1)``, or nothing.

    Parameters
    ----------
    spec : Spec
    *but : str
        Fields that the title names otherwise.
    """
    # What a recipe of `core` brings comes after what is the spec's own.
    own = sorted(fields(spec), key=lambda f: any(f.name in vars(base) for base in _recipes(type(spec))))
    given = [
        _option(f.name.replace("_", " "), getattr(spec, f.name))
        for f in own
        if f.default is not MISSING and f.name not in but and getattr(spec, f.name) != f.default
    ]
    more = ["…"] if len(given) > _MOST_OPTIONS else []
    return f" ({', '.join(given[:_MOST_OPTIONS] + more)})" if given else ""


def _recipes(spec: type[Spec]) -> list[type]:
    return [base for base in spec.__mro__ if base.__module__.startswith("core.")]


#: Most options that a title names; the page of the job and `--json` have them all.
_MOST_OPTIONS = 5


def _option(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return name if value else f"no {name}"
    return f"{name} {_text_of(value)}"


def _text_of(value: Any) -> str:
    if isinstance(value, tuple):
        text = "/".join(map(_text_of, value))
        return text if len(text) <= 40 else f"of {len(value)}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def between(name: str, value: float, low: float, high: float) -> None:
    """Raise `SpecError` for a value out of range."""
    if not low <= value <= high:
        raise SpecError(f"{name} is {value}; it must be between {low} and {high}.")


def parse(text: str) -> Spec:
    """Read a spec from JSON text."""
    return from_json(json.loads(text))
