"""Pages: every module in ``dashboard/views`` is one.

A view holds ``TITLE``, ``ICON`` (a Material symbol), ``ORDER`` and ``render(workspace)``. Its name is its
address; the one with the lowest ``ORDER`` is where the dashboard opens.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType
from typing import Any

import streamlit as st

from dashboard import data, errors, views


def modules() -> list[ModuleType]:
    """Return the views in their order."""
    found: list[Any] = [
        importlib.import_module(f"{views.__name__}.{info.name}")
        for info in pkgutil.iter_modules(views.__path__)
        if not info.name.startswith("_")
    ]
    return sorted(found, key=lambda m: (m.ORDER, m.__name__))


def pages() -> list[Any]:
    """Return the Streamlit pages in their order."""
    return [_page(m, default=i == 0) for i, m in enumerate(modules())]


def _page(module: Any, *, default: bool) -> Any:
    name = module.__name__.rpartition(".")[2]

    def draw() -> None:
        module.render(data.workspace())

    return st.Page(errors.guarded(draw), title=module.TITLE, icon=module.ICON, url_path=name, default=default)
