"""Small pieces of Neighbourhoods."""

from __future__ import annotations

import math


def broad(cell: str) -> str:
    """Let a cell of a table break into lines, but not too narrow ones."""
    return f'<div style="white-space:normal;min-width:8.5rem;max-width:20rem">{cell}</div>'


def swatch(style: str) -> str:
    """Draw a piece of a pair's line, `figures.Line.css`, for the table."""
    return f'<span style="display:inline-block;width:30px;height:3px;margin:0 10px 4px 0;{style}"></span>'


def number(value: float) -> str:
    """Say a number from -1 to 1 as it is; a dash where there is none."""
    return f"{value:.3f}".replace("-", "−") if math.isfinite(value) else "–"
