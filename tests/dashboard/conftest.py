from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from jobs.workspace.workspace import Workspace
from tests.dashboard import made as _made
from tests.dashboard.helpers import showing


@pytest.fixture(autouse=True)
def _main_program() -> Iterator[None]:
    """Put the main program back, which new processes look for: a page that is run takes its place."""
    before = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = before


@pytest.fixture(scope="session")
def made() -> ModuleType:
    """What makes workspaces: `tests.dashboard.made`."""
    return _made


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace of 120 clips, shared: tests must not change it."""
    return _made.small(tmp_path_factory.mktemp("small"))


@pytest.fixture
def shown(small: Workspace) -> Iterator[Any]:
    """The same, as the one that the dashboard shows; a module that looks at another has its own."""
    with showing(small.root):
        yield small


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Workspace]:
    """An empty workspace, as the one that the dashboard shows; ``made`` makes things in `tmp_path`."""
    with showing(tmp_path / "workspace") as found:
        yield found
