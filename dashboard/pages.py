"""The pages: the module ``page`` of each folder but the kit, and the modules Home and Jobs.

It holds ``TITLE``, ``ICON`` (a Material symbol), ``ORDER`` and ``render(workspace)``. Its name is its
address; the one with the lowest ``ORDER`` is where the dashboard opens.
"""

from __future__ import annotations

import importlib
import pkgutil
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import streamlit as st

import dashboard
from dashboard import data, errors

_SMALL = ("dashboard.home", "dashboard.jobs")


def modules() -> list[ModuleType]:
    """Return the pages in their order."""
    folders = {info.name for info in pkgutil.iter_modules(dashboard.__path__) if info.ispkg} - {"kit"}
    named = [f"dashboard.{name}.page" for name in folders if find_spec(f"dashboard.{name}.page")]
    pages: list[Any] = [importlib.import_module(name) for name in (*named, *_SMALL)]
    return sorted(pages, key=lambda m: (m.ORDER, m.__name__))


def pages() -> list[Any]:
    """Return the Streamlit pages in their order."""
    return [_page(m, default=i == 0) for i, m in enumerate(modules())]


def address(module: ModuleType) -> str:
    """Return the address of a page, below that of the dashboard."""
    return module.__name__.removesuffix(".page").rpartition(".")[2]


def _page(module: Any, *, default: bool) -> Any:
    def draw() -> None:
        module.render(data.workspace())

    return st.Page(
        errors.guarded(draw), title=module.TITLE, icon=module.ICON, url_path=address(module), default=default
    )
