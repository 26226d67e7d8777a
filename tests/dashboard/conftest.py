from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def made() -> Any:
    spec = importlib.util.spec_from_file_location("hearspace_made", Path(__file__).with_name("made.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def small(made: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A workspace of 120 clips, shared: tests must not change it."""
    return made.small(tmp_path_factory.mktemp("small"))


@pytest.fixture
def shown(small: Any) -> Iterator[Any]:
    """The same, as the one that the dashboard shows."""
    from dashboard import data

    data.forget()
    data.use(small.root)
    yield small
    data.use(None)
    data.forget()
