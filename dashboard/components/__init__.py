"""Components of our own: what must respond in the browser, without the server."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

_HERE = Path(__file__).parent
#: Scripts that come before a component's own, besides those of all, in place of a bundler.
_NEEDS = {"map": ("plotly", "legend", "film"), "growing": ("plotly",)}


def base_url() -> str:
    """Return the path that the dashboard is served under, with a slash at its end."""
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base}/" if base else "/"


@cache
def _source(name: str) -> tuple[str, str]:
    names = ("shared", "player", *_NEEDS.get(name, ()), name)
    return "\n".join((_HERE / f"{n}.js").read_text("utf-8") for n in names), (
        _HERE / f"{name}.css"
    ).read_text("utf-8")


def component(name: str) -> Any:
    """Register the component of ``<name>.js`` and ``<name>.css`` and return what mounts it."""
    js, css = _source(name)
    return st.components.v2.component(f"hearspace_{name}", js=js, css=css, isolate_styles=False)
