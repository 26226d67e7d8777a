"""The dashboard as a web server on this machine."""

from __future__ import annotations

import errno
import logging
import socket
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("app.py")


class ServerError(RuntimeError):
    """The dashboard cannot be served; the message says what to do."""


def options(base_path: str = "") -> dict[str, Any]:
    """Return the Streamlit options that the dashboard runs under."""
    from dashboard import theme

    return theme.options() | {
        "server.headless": True,
        "server.baseUrlPath": base_path,
        "server.fileWatcherType": "none",
        "server.runOnSave": False,
        "server.enableStaticServing": False,
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "client.showSidebarNavigation": True,
        "global.developmentMode": False,
    }


def application(
    root: Path, *, host: str = "127.0.0.1", allowed_hosts: Sequence[str] = (), base_path: str = ""
) -> Any:
    """Return the ASGI application that shows the workspace at `root`; the parameters are those of `serve`."""
    import streamlit as st
    from starlette.middleware import Middleware
    from streamlit import config
    from streamlit.web import bootstrap

    from dashboard import data, errors, guard, media, pages, shell

    config._main_script_path = str(SCRIPT)
    bootstrap.load_config_options(options(base_path))
    data.use(root)
    errors.log_to(root / "dashboard.log")
    base = f"/{base_path.strip('/')}" if base_path.strip("/") else ""
    try:
        hosts = guard.hosts_of(host, allowed_hosts)
    except ValueError as error:
        raise ServerError(str(error)) from None
    names = [pages.address(m) for m in pages.modules()]
    return st.App(
        SCRIPT,
        routes=[*media.routes(base_path), *shell.routes(base, names)],
        middleware=[
            Middleware(
                guard.Guard,
                hosts=hosts,
                scripts=guard.inline_scripts(shell.index(base)),
            )
        ],
        on_script_error=_failed,
    )


def serve(
    root: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8501,
    allowed_hosts: Sequence[str] = (),
    base_path: str = "",
    open_browser: bool = False,
    announce: bool = True,
) -> None:
    """Serve the dashboard of a workspace until interrupted.

    Parameters
    ----------
    root : Path
        The workspace.
    host : str, default="127.0.0.1"
        Address to listen on; only this machine can reach the default.
    port : int, default=8501
        0 takes any free one.
    allowed_hosts : sequence of str
        Names besides `host` and those of this machine under which the dashboard may be requested, such as
        that of a reverse proxy, each with the port in the browser's address bar where that is not 80 or 443.
    base_path : str, default=""
        Path under which a proxy shows the dashboard.
    open_browser : bool, default=False
    announce : bool, default=True
        Print the address.

    Raises
    ------
    ServerError
        If the address cannot be used, or one of `allowed_hosts` is no name.
    """
    listener = _listen(host, port)
    import uvicorn

    app = application(root, host=host, allowed_hosts=allowed_hosts, base_path=base_path)
    port = listener.getsockname()[1]
    url = f"http://{_shown(host)}:{port}/{base_path.strip('/')}"
    if announce:
        print(f"hearspace is at {url}", flush=True)
    if open_browser:
        webbrowser.open(url)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        ws="websockets-sansio",
        ws_max_size=200 * 2**20,
        timeout_graceful_shutdown=1,
    )
    try:
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        listener.close()


def _shown(host: str) -> str:
    if host in ("0.0.0.0", "::"):
        return "localhost"
    return f"[{host}]" if ":" in host else host


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        number = getattr(error, "errno", None)
        if number == errno.EADDRINUSE:
            raise ServerError(
                f"Port {port} on {host} is in use, perhaps by a dashboard that runs already; stop it or "
                "choose another with --port."
            ) from None
        if number == errno.EACCES:
            raise ServerError(f"Port {port} is not allowed to this user; choose one above 1023.") from None
        raise ServerError(f"Cannot listen on {host}, port {port}: {error}.") from None
    return listener


def _failed(error: Exception) -> bool:
    from dashboard import errors

    errors.show(error)
    return True
