"""The HTML page around all pages, as Streamlit ships it, with a script of ours before all others."""

from __future__ import annotations

import functools
import html
import secrets
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

#: Names this run of the server: a page that was drawn by another one has to be drawn anew.
RUN = secrets.token_hex(8)
_SCRIPT = Path(__file__).parent / "components" / "shell.js"
_UNKEPT = {"Cache-Control": "no-cache"}


def routes(base: str, pages: list[str]) -> list[Route]:
    """Return the routes of the page and of what its script requests, below `base`, "" or ``/some/path``."""

    async def page(_: Request) -> Response:
        return HTMLResponse(index(base), headers=_UNKEPT)

    async def script(_: Request) -> Response:
        kind = "text/javascript; charset=utf-8"
        return Response(_SCRIPT.read_bytes(), media_type=kind, headers=_UNKEPT)

    async def run(_: Request) -> Response:
        return PlainTextResponse(RUN, headers={"Cache-Control": "no-store"})

    async def host(_: Request) -> Response:
        return JSONResponse(_HOST, headers=_UNKEPT)

    return [
        Route(f"{base}/", page),
        *(Route(f"{base}/{name}", page) for name in pages),
        Route(f"{base}/assets/shell.js", script),
        Route(f"{base}/assets/run", run),
        # The page's first request to Streamlit.
        Route(f"{base}/{{core}}/host-config", host),
    ]


#: Streamlit's settings for the host of its pages: dialogs about the connection are the script's.
_HOST = {
    "allowedOrigins": [],
    "useExternalAuthToken": False,
    "enableCustomParentMessages": False,
    "enforceDownloadInNewTab": False,
    "metricsUrl": "",
    "blockErrorDialogs": True,
    "resourceCrossOriginMode": None,
}


@functools.cache
def index(base: str = "") -> str:
    """Return the text of the page, served below `base`."""
    import streamlit

    text = (Path(streamlit.__file__).parent / "static" / "index.html").read_text("utf-8")
    where = html.escape(f"{base}/")
    script = f'<script src="{where}assets/shell.js" data-base="{where}" data-run="{RUN}"></script>'
    return text.replace("<title>Streamlit</title>", "<title>hearspace</title>").replace(
        "</title>", f"</title>\n    {script}", 1
    )
