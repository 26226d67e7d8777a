"""Helpers of the tests of pages: a page is run as the navigation runs it, and read as text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from streamlit.testing.v1 import AppTest

from dashboard import data
from jobs.workspace.workspace import Workspace
from tests.waiting import PATIENCE

#: What holds words: `AppTest`'s names of elements.
KINDS = ("markdown", "caption", "info", "success", "warning", "error", "title", "subheader", "code")


def run(page: str, /, **query: Any) -> AppTest:
    """Run a page of the dashboard under a link: ``run("listen", from_="upload", system=["a", "b"])``.

    Words of Python's own are written with an underscore behind.
    """

    def shown(name: str) -> None:
        import importlib

        from dashboard import data, errors

        small = name in ("home", "jobs")
        module = importlib.import_module(f"dashboard.{name}" if small else f"dashboard.{name}.page")
        errors.guarded(lambda: module.render(data.workspace()))()

    app = AppTest.from_function(shown, kwargs={"name": page}, default_timeout=PATIENCE)
    for key, value in query.items():
        app.query_params[key.rstrip("_")] = value
    return ran(app)


def ran(app: AppTest) -> AppTest:
    """Run a page again after something was changed in it; nothing may have been raised."""
    app.run()
    assert not app.exception
    return app


def press(app: AppTest, label: str) -> AppTest:
    """Press the first button with this label."""
    next(b for b in app.button if b.label == label).click()
    return ran(app)


def words(app: AppTest) -> str:
    """Return the texts of the page, without Markdown's backslashes."""
    return "\n".join(str(e.value) for kind in KINDS for e in app.get(kind)).replace("\\", "")


def html(app: AppTest) -> str:
    """Return what is drawn as HTML, such as tables and lists."""
    return "\n".join(e.proto.body for e in app.get("html"))


def everything(app: AppTest) -> str:
    """Return texts and HTML."""
    return f"{words(app)}\n{html(app)}"


def address(app: AppTest) -> dict[str, str]:
    """Return the values of the link, the first one of each name."""
    values = {k: app.query_params[k] for k in app.query_params}
    return {k: v[0] if isinstance(v, list) else v for k, v in values.items()}


def store(workspace: Workspace, spec: Any, *, clips: Any = None, **arrays: Any) -> None:
    """Write the result of a spec: its arrays, and the clips of its rows."""
    with workspace.cache.writer(spec.key, spec=spec.to_json()) as w:
        for name, values in arrays.items():
            w.array(name, np.asarray(values))
        if clips is not None:
            w.table("clips", {"clip_id": list(clips)})


@contextmanager
def showing(root: Path) -> Iterator[Workspace]:
    """Let the dashboard show the workspace at `root`; nothing of another is remembered."""
    data.forget()
    data.use(root)
    try:
        yield data.workspace()
    finally:
        data.use(None)
        data.forget()
