"""Errors on a page, without a traceback: a known one is one sentence, an unknown one names the log."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import streamlit as st

from cache import CacheError
from cache.errors import explained, lack_of_space
from dashboard import data
from jobs.encoders import EncoderError
from jobs.sound.files import AudioError
from jobs.specs import SpecError
from jobs.workspace.workspace import WorkspaceError

KNOWN = (WorkspaceError, SpecError, EncoderError, AudioError, CacheError)
log = logging.getLogger("hearspace.dashboard")


def log_to(path: Path) -> None:
    """Write the details of unknown errors to `path`."""
    if any(getattr(h, "baseFilename", None) == str(path) for h in log.handlers):
        return
    with suppress(OSError):  # then the handler reports it on the terminal
        path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)


def log_path() -> str:
    """Return the path of the log."""
    for handler in log.handlers:
        if isinstance(handler, logging.FileHandler):
            return handler.baseFilename
    return "the terminal that runs the dashboard"


def show(error: Exception) -> None:
    """Show on the page what went wrong."""
    if isinstance(error, KNOWN):
        st.error(str(error), icon=":material/error:")
        return
    if isinstance(error, OSError):
        root = data.workspace().root
        if isinstance(error, PermissionError) or lack_of_space(error, root) is not None:
            st.error(explained(error, root), icon=":material/error:")
            return
    log.exception("A page failed", exc_info=error)
    st.error(
        f"Something went wrong here ({type(error).__name__}). The details are in {log_path()}. "
        "Reloading the page is safe: no result is lost.",
        icon=":material/error:",
    )


def guarded(draw: Callable[[], None]) -> Callable[[], None]:
    """Wrap a function that draws a page, so that its errors are shown on it."""

    def run() -> None:
        try:
            draw()
        except Exception as error:  # Streamlit's own stop and rerun are not Exceptions
            show(error)

    run.__name__ = getattr(draw, "__name__", "page")
    return run
