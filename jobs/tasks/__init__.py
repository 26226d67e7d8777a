"""Tasks: one file a question, with its spec, the schema of its result and ``run``.

The folder is the registry: a module here that defines a `jobs.tasks.spec.Spec` is a task. Modules are light,
since pages import them; what is heavy is imported inside ``run``.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobs.engine.context import JobContext
    from jobs.tasks.schema import Schema
    from jobs.tasks.spec import Spec

_HEAD = """# What results hold

A result is a folder of the cache: arrays in `.npy`, tables in `.parquet`, values in `meta` of its
`manifest.json`. Letters in a form stand for one number all over a result. This page is made from the tasks:
`python -c "from jobs.tasks import describe; print(describe(), end='')"`."""


def load_all() -> None:
    """Import every module of this folder, so that all types of specs are known."""
    import_module("jobs.specs")
    for module in pkgutil.iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")


def describe() -> str:
    """Return what every task's result holds, as Markdown: the page ``docs/results.md``."""
    from jobs.tasks.spec import SPECS

    load_all()
    lines = [_HEAD]
    for name, task in sorted(SPECS.items()):
        if task.__module__.startswith("jobs.") and task.Result.FIELDS:
            firsts = (inspect.cleandoc(c.__doc__ or "").partition("\n\n")[0] for c in (task, task.Result))
            lines += [f"\n## {name}\n", "\n\n".join(firsts), "\n| name | form | what it is |\n|---|---|---|"]
            rows = ([text.replace("|", "\\|") for text in row] for row in task.Result.describe())
            lines += [f"| `{file}` | {form} | {meaning} |" for file, form, meaning in rows]
    return "\n".join(lines) + "\n"


def run_of(spec: Spec) -> Callable[[Spec, JobContext], Schema | None]:
    """Return the function that computes a spec: ``run`` of the module that defines its type.

    It returns the result, or None where it has written it through ``context.writer`` piece by piece.
    """
    run: Callable[[Spec, JobContext], Schema | None] = import_module(type(spec).__module__).run
    return run
