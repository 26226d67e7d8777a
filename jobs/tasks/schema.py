"""The schema of a result: form and meaning of its arrays, tables and values, declared once.

A task declares its result as a class of fields::

    class Result(Schema):
        ks: np.ndarray = array("int64", "K", "numbers of clusters")
        inertia: np.ndarray = array("float64", "K", "sum of squared distances to the centres")
        elbow: int | None = value("number of clusters at the bend of the curve")

``Result(ks=…, inertia=…, elbow=…)`` holds a new result, and `Schema.write` stores it: an array as
``<name>.npy``, a table as ``<name>.parquet``, a value in ``meta`` of the manifest. `Schema.read` opens a
stored one; each field is read when it is first used, arrays mapped into memory. `Schema.check` compares the
stored files with the declaration.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, dataclass_transform

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from cache import Artifact, ArtifactWriter

_REQUIRED: Any = object()
#: A length in a shape: a letter, a letter and a number (``n + 1`` is written ``n+1``), or a number.
_LENGTH = re.compile(r"([A-Za-z_]\w*)?(?:\+?(\d+))?")

#: What counts as a value of a type, NumPy's numbers included.
_KINDS: dict[str, Any] = {
    "None": type(None),
    "bool": bool,
    "dict": dict,
    "float": Real,
    "int": Integral,
    "list": (list, tuple),
    "str": str,
}

S = TypeVar("S", bound="Schema")


class SchemaError(ValueError):
    """A result does not have the form that its task declares; the message names the difference."""


class Field:
    """One part of a result; an attribute that is read from the artifact when it is first used."""

    suffix: ClassVar[str] = ""
    owner: type

    def __init__(self, meaning: str, default: Any) -> None:
        self.meaning = meaning
        self.default = default
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.owner = owner
        self.name = name

    def __get__(self, instance: Schema | None, owner: type) -> Any:
        if instance is None:
            return self
        artifact = instance.artifact
        if artifact is None:
            raise AttributeError(f"{self.name} was not given to this result.")
        read = self.read(artifact) if self.is_in(artifact) else self.default
        if read is _REQUIRED:
            raise SchemaError(f"Artifact {artifact.key[:12]}… has no {self.file}; it must have one.")
        instance.__dict__[self.name] = read  # shadows this descriptor from now on
        return read

    @property
    def file(self) -> str:
        """Name of the file."""
        return self.name + self.suffix

    @property
    def optional(self) -> bool:
        """Whether a result may lack it."""
        return self.default is not _REQUIRED

    def is_in(self, artifact: Artifact) -> bool:
        """Return whether a stored result has it."""
        return self.file in artifact

    def read(self, artifact: Artifact) -> Any:
        """Return it from a stored result that has it."""
        raise NotImplementedError

    def write(self, writer: ArtifactWriter, given: Any) -> None:
        """Store it."""
        raise NotImplementedError

    def check(self, folder: Path, lengths: Lengths) -> None:
        """Raise `SchemaError` if the file in `folder` is not as declared."""

    def form(self) -> str:
        """Return dtype and shape as text."""
        return ""


def finite(number: float) -> float | None:
    """Return a plain number, and None for NaN and infinity, which JSON does not have."""
    return float(number) if math.isfinite(number) else None


#: What each letter of the shapes stands for in a result, and the field that fixed it.
Lengths = dict[str, tuple[int, str]]


def _shape_text(shape: Sequence[str]) -> str:
    return f"({', '.join(shape)}{',' * (len(shape) == 1)})"


def _match(lengths: Lengths, of: str, shape: Sequence[str], actual: Sequence[int]) -> None:
    """Compare a shape by letters with an actual one; raises `SchemaError`."""
    different = f"{of} has the shape {tuple(actual)}; it must be {_shape_text(shape)}"
    if len(shape) != len(actual):
        raise SchemaError(f"{different}.")
    for length, size in zip(shape, actual, strict=True):
        match = _LENGTH.fullmatch(length)
        assert match is not None, length
        letter, more = match[1], int(match[2] or 0)
        known, by = lengths.setdefault(letter, (size - more, of)) if letter else (0, "")
        if size != known + more:
            raise SchemaError(different + (f", and {letter} is {known} by {by}." if letter else "."))


class _Array(Field):
    suffix = ".npy"

    def __init__(self, dtype: str, shape: str, meaning: str, default: Any) -> None:
        super().__init__(meaning, default)
        self.dtype = dtype
        self.shape = shape.split()

    def read(self, artifact: Artifact) -> np.ndarray:
        return artifact.array(self.name)

    def write(self, writer: ArtifactWriter, given: Any) -> None:
        writer.array(self.name, given)

    def check(self, folder: Path, lengths: Lengths) -> None:
        import numpy as np

        stored = np.load(folder / self.file, mmap_mode="r")
        if stored.dtype != np.dtype(self.dtype):
            raise SchemaError(f"{self.file} holds {stored.dtype}; it must hold {self.dtype}.")
        _match(lengths, self.file, self.shape, stored.shape)

    def form(self) -> str:
        return f"{_shape_text(self.shape)} {self.dtype}"


class _Table(Field):
    suffix = ".parquet"

    def __init__(
        self, rows: str, meaning: str, columns: Mapping[str, tuple[str, str]], more: bool, default: Any
    ) -> None:
        super().__init__(meaning, default)
        self.rows = rows
        self.columns = dict(columns)
        self.more = more

    def read(self, artifact: Artifact) -> pa.Table:
        return artifact.table(self.name)

    def write(self, writer: ArtifactWriter, given: Any) -> None:
        import pandas as pd
        import pyarrow as pa

        if isinstance(given, pd.DataFrame):
            given = pa.Table.from_pandas(given)
        elif isinstance(given, list):
            given = {name: [row[name] for row in given] for name in self.columns}
        if isinstance(given, Mapping):
            # With types, because an empty list has none.
            types = {name: _type(dtype) for name, (dtype, _) in self.columns.items()}
            given = pa.table(
                {n: pa.array(v, types[n], from_pandas=False) if n in types else v for n, v in given.items()}
            )
        writer.table(self.name, given)

    def check(self, folder: Path, lengths: Lengths) -> None:
        import pyarrow.parquet as pq

        with pq.ParquetFile(folder / self.file) as stored:
            columns, rows = stored.schema_arrow, stored.metadata.num_rows
        missing = [n for n, (dtype, _) in self.columns.items() if n not in columns.names and dtype[-1] != "?"]
        unknown = [name for name in columns.names if name not in self.columns and not self.more]
        if missing or unknown:
            what = f"lacks the column {missing[0]!r}" if missing else f"has a column {unknown[0]!r}"
            raise SchemaError(f"{self.file} {what}; its columns are {', '.join(self.columns)}.")
        for name, (dtype, _) in self.columns.items():
            actual = columns.field(name).type if name in columns.names else _type(dtype)
            if not _same(actual, _type(dtype)):
                raise SchemaError(f"Column {name!r} of {self.file} holds {actual}; it must hold {dtype}.")
        _match(lengths, self.file, [self.rows], [rows])

    def form(self) -> str:
        return f"table of {self.rows} rows"


class _Tensors(Field):
    suffix = ".safetensors"

    def read(self, artifact: Artifact) -> dict[str, np.ndarray]:
        return artifact.tensors(self.name)

    def write(self, writer: ArtifactWriter, given: Any) -> None:
        writer.tensors(self.name, given)

    def form(self) -> str:
        return "arrays by name"


class _Numbered(Field):
    """Files of one form with numbers behind their name; the first is ``<name>_0``."""

    def __init__(self, one: Field) -> None:
        super().__init__(one.meaning, {} if one.optional else _REQUIRED)
        self.one = one

    @property
    def file(self) -> str:
        return f"{self.name}_*{self.one.suffix}"

    def part(self, number: int) -> Field:
        """Return the field of one of the files."""
        part = copy.copy(self.one)
        part.name = f"{self.name}_{number}"
        return part

    def numbers(self, files: Iterable[str]) -> list[int]:
        """Return the numbers of those among some files that belong to it, ascending."""
        pattern = re.compile(rf"{self.name}_(\d+){re.escape(self.one.suffix)}")
        return sorted(int(match[1]) for file in files if (match := pattern.fullmatch(file)))

    def is_in(self, artifact: Artifact) -> bool:
        return bool(self.numbers(artifact.names()))

    def read(self, artifact: Artifact) -> Mapping[int, Any]:
        return _Parts(artifact, self, self.numbers(artifact.names()))

    def write(self, writer: ArtifactWriter, given: Any) -> None:
        for number, part in given.items():
            self.part(number).write(writer, part)

    def form(self) -> str:
        return f"{self.one.form()}, each"


class _Parts(Mapping[int, Any]):
    """Stored files by their numbers, each read when it is used."""

    def __init__(self, artifact: Artifact, field: _Numbered, numbers: Sequence[int]) -> None:
        self._artifact, self._field, self._numbers = artifact, field, numbers

    def __getitem__(self, number: int) -> Any:
        if number not in self._numbers:
            raise KeyError(number)
        return self._field.part(number).read(self._artifact)

    def __iter__(self) -> Iterator[int]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)


class _Value(Field):
    def __init__(self, meaning: str, default: Any, renamed: str) -> None:
        super().__init__(meaning, default)
        self.renamed = renamed

    @property
    def stored(self) -> str:
        return self.renamed or self.name

    @property
    def file(self) -> str:
        return f"{self.stored} in meta"

    def is_in(self, artifact: Artifact) -> bool:
        return self.stored in artifact.meta

    def read(self, artifact: Artifact) -> Any:
        return artifact.meta[self.stored]

    def write(self, writer: ArtifactWriter, given: Any) -> None:
        outer = self.form()
        while "[" in outer:  # dict[str, float] | None allows dict and None
            outer = re.sub(r"\[[^][]*\]", "", outer)
        kinds = outer.split(" | ")
        accepted = tuple(_KINDS[kind] for kind in kinds)
        if not isinstance(given, accepted) or (isinstance(given, bool) and "bool" not in kinds):
            raise SchemaError(f"{self.file} is {given!r}; it must be {self.form()}.")
        writer.meta[self.stored] = given

    def form(self) -> str:
        return self.owner.__annotations__[self.name]


class _Files(Field):
    def __init__(self, pattern: str, meaning: str, default: Any) -> None:
        super().__init__(meaning, default)
        self.pattern = pattern

    @property
    def file(self) -> str:
        return self.pattern

    def is_in(self, artifact: Artifact) -> bool:
        return True

    def read(self, artifact: Artifact) -> list[str]:
        return [name for name in artifact.names() if Path(name).match(self.pattern)]

    def write(self, writer: ArtifactWriter, given: Any) -> None:
        """Do nothing: the task writes files by hand."""

    def form(self) -> str:
        return "files"


def array(dtype: str, shape: str, meaning: str, *, default: Any = _REQUIRED) -> Any:
    """Declare an array.

    Parameters
    ----------
    dtype : str
        As NumPy names it.
    shape : str
        Its lengths with spaces between: letters that stand for one number all over the result (``n C``), a
        letter plus a number (``n+1``), or numbers.
    meaning : str
        What it holds.
    default : object, optional
        What stands for it where a result lacks it; without one it is required.
    """
    return _Array(dtype, shape, meaning, default)


def table(
    rows: str,
    meaning: str,
    columns: Mapping[str, tuple[str, str]],
    *,
    more: bool = False,
    default: Any = _REQUIRED,
) -> Any:
    """Declare a table.

    Parameters
    ----------
    rows : str
        Its length, as in `array`.
    meaning : str
        What a row is.
    columns : mapping of str to (str, str)
        By name: type as Arrow names it (``string``, ``int64``, ``list[float]``), with ``?`` behind it for a
        column that may be absent, and what it holds.
    more : bool, default False
        Whether the table may have other columns too.
    default : object, optional
        As in `array`.
    """
    return _Table(rows, meaning, columns, more, default)


def tensors(meaning: str, *, default: Any = _REQUIRED) -> Any:
    """Declare arrays that are stored together by name, as the weights of a model."""
    return _Tensors(meaning, default)


def numbered(one: Any) -> Any:
    """Declare several arrays or tensors of one form, such as one for each model; read as a mapping.

    `one` declares one of them; where it has a default, there may be none.
    """
    return _Numbered(one)


def value(meaning: str, *, default: Any = _REQUIRED, stored: str = "") -> Any:
    """Declare a plain value of the manifest's ``meta``; its annotation says of what type.

    `stored` is its name in ``meta``, where that differs from the name of the field.
    """
    return _Value(meaning, default, stored)


def files(pattern: str, meaning: str) -> Any:
    """Declare files that a task writes by hand, by a pattern such as ``audio/*.flac``; read as names."""
    return _Files(pattern, meaning, ())


@dataclass_transform(kw_only_default=True, field_specifiers=(array, table, tensors, numbered, value, files))
class Schema:
    """Base of all results: declared fields, with values given or read from an artifact."""

    #: The fields by name, in the order of their declaration.
    FIELDS: ClassVar[dict[str, Field]] = {}

    def __init_subclass__(cls) -> None:
        own = {name: f for name, f in vars(cls).items() if isinstance(f, Field)}
        cls.FIELDS = cls.FIELDS | own

    def __init__(self, **values: Any) -> None:
        self._artifact: Artifact | None = None
        defaults = {name: f.default for name, f in self.FIELDS.items() if f.optional}
        missing = [name for name in self.FIELDS if name not in defaults | values]
        unknown = [name for name in values if name not in self.FIELDS]
        if missing or unknown:
            what = f"lacks {', '.join(missing)}" if missing else f"has no field {', '.join(unknown)}"
            raise SchemaError(f"This result {what}.")
        self.__dict__.update(defaults | values)

    @property
    def artifact(self) -> Artifact | None:
        """The stored result that this was read from; None for a new one."""
        return self._artifact

    @classmethod
    def read(cls: type[S], artifact: Artifact) -> S:
        """Return a stored result; its fields are read when they are used."""
        result = cls.__new__(cls)
        result._artifact = artifact
        return result

    def column(self, table: str, name: str) -> list[Any]:
        """Return a column of a table; of a stored one the others are not read."""
        if self._artifact is None or table in self.__dict__:
            return list(getattr(self, table).column(name).to_pylist())
        return list(self._artifact.table(table, [name]).column(name).to_pylist())

    def values(self) -> dict[str, Any]:
        """Return the plain values by the names that they are stored under."""
        return {f.stored: getattr(self, n) for n, f in self.FIELDS.items() if isinstance(f, _Value)}

    def write(self, writer: ArtifactWriter) -> None:
        """Store every field that was given; raises `SchemaError` for a value of another type."""
        for name, f in self.FIELDS.items():
            given = self.__dict__[name]
            if given is not None or f.default is not None:
                f.write(writer, given)

    @classmethod
    def check(cls, folder: Path, meta: Mapping[str, Any]) -> None:
        """Compare the files and the ``meta`` of an artifact with the declaration.

        Raises
        ------
        SchemaError
            With one sentence: what is missing, not declared, of another type or another shape.
        """
        lengths: Lengths = {}
        declared: set[str] = set()
        for f in cls.FIELDS.values():
            parts: list[Field] = [f]
            if isinstance(f, _Numbered):
                parts = [f.part(number) for number in f.numbers(path.name for path in folder.iterdir())]
                is_there = bool(parts)
            else:
                is_there = f.stored in meta if isinstance(f, _Value) else (folder / f.file).exists()
            declared.update(part.file for part in parts)
            if isinstance(f, _Files):
                declared.update(str(path.relative_to(folder)) for path in folder.glob(f.pattern))
            elif is_there:
                for part in parts:
                    part.check(folder, lengths)
            elif not f.optional:
                raise SchemaError(f"{f.file} is missing from the result.")
        unknown = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
        unknown = [name for name in unknown if name not in declared]
        unknown += [f"{name} in meta" for name in meta if f"{name} in meta" not in declared]
        if unknown:
            raise SchemaError(f"{unknown[0]} is in the result, and its task does not declare it.")

    @classmethod
    def describe(cls) -> Iterator[tuple[str, str, str]]:
        """Yield file or name, form and meaning of every field and column, in the order of declaration."""
        for f in cls.FIELDS.values():
            absent = " (may be absent)" if f.optional and not isinstance(f, _Files) else ""
            yield f.file, f.form(), f.meaning + absent
            if isinstance(f, _Table):
                for name, (dtype, meaning) in f.columns.items():
                    yield f"{f.file}: {name}", dtype, meaning


def _type(name: str) -> pa.DataType:
    import pyarrow as pa

    name = name.removesuffix("?")
    inner = re.fullmatch(r"list\[(.+)\]", name)
    return pa.list_(_type(inner[1])) if inner else pa.type_for_alias(name)


def _same(actual: pa.DataType, declared: pa.DataType) -> bool:
    """Whether a stored type is the declared one: long and short strings are, and a column without a value."""
    import pyarrow.types as kinds

    if kinds.is_null(actual):
        return True
    if kinds.is_list(declared) and (kinds.is_list(actual) or kinds.is_large_list(actual)):
        return _same(actual.value_type, declared.value_type)
    if kinds.is_string(declared):
        return kinds.is_string(actual) or kinds.is_large_string(actual)
    return actual == declared
