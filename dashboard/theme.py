"""One theme, light and dark, as Streamlit options; fonts are the system's, so nothing is fetched."""

from __future__ import annotations

from typing import Any

from dashboard.kit.palette import BACKGROUND

_SANS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', Arial, sans-serif"
_MONO = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"

_SHARED: dict[str, Any] = {
    "font": _SANS,
    "headingFont": _SANS,
    "codeFont": _MONO,
    "baseFontSize": 15,
    "baseRadius": "8px",
    "buttonRadius": "8px",
    "headingFontSizes": ["1.7rem", "1.25rem", "1.05rem", "1rem", "0.95rem", "0.9rem"],
    "headingFontWeights": [650, 600, 600, 600, 600, 600],
    "linkUnderline": True,
    "showWidgetBorder": True,
}
LIGHT: dict[str, Any] = {
    "primaryColor": "#2f5fd0",
    "backgroundColor": BACKGROUND["light"],
    "secondaryBackgroundColor": "#f1efea",
    "textColor": "#22262c",
    "linkColor": "#2551b8",
    "borderColor": "#dedad2",
    "codeBackgroundColor": "#f1efea",
    "codeTextColor": "#4a4f57",
}
DARK: dict[str, Any] = {
    "primaryColor": "#3f6fe0",
    "backgroundColor": BACKGROUND["dark"],
    "secondaryBackgroundColor": "#1e2229",
    "textColor": "#e6e7e9",
    "linkColor": "#9db8ff",
    "borderColor": "#343a44",
    "codeBackgroundColor": "#1e2229",
    "codeTextColor": "#b9bec6",
}


def options() -> dict[str, Any]:
    """Return the options by their full names."""
    named = {f"theme.{k}": v for k, v in _SHARED.items()}
    for name, values in (("light", LIGHT), ("dark", DARK)):
        named |= {f"theme.{name}.{k}": v for k, v in values.items()}
        named |= {f"theme.{name}.sidebar.backgroundColor": values["secondaryBackgroundColor"]}
        named |= {f"theme.{name}.sidebar.secondaryBackgroundColor": values["backgroundColor"]}
    return named
