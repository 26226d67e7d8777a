"""Load models from a folder or from the Hugging Face hub, with one sentence if that fails."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from jobs.encoders import EncoderUnavailable
from jobs.encoders._folders import is_folder, resolve

T = TypeVar("T")
_ID = re.compile(r"[A-Za-z0-9_][\w.-]*(/[A-Za-z0-9_][\w.-]*)?")


def from_source(argument: str, build: Callable[[str, dict[str, Any]], T]) -> T:
    """Build a model from a folder, from the hub's cache on this machine, or from the hub itself.

    Parameters
    ----------
    argument : str
        A folder (see `is_folder`) or a hub id, optionally with ``@revision``.
    build : callable
        ``build(source, options)`` passes the options to every ``from_pretrained`` it calls.

    Raises
    ------
    EncoderUnavailable
        With one sentence: no such folder, no such model, no network, or what is wrong with the model.
    """
    if is_folder(argument):
        folder = resolve(argument)
        if not folder.is_dir():
            raise EncoderUnavailable(f"There is no folder {folder}; give one that holds a model.")
        return _try(argument, build, str(folder), {"local_files_only": True})

    id, _, revision = argument.partition("@")
    if not _ID.fullmatch(id):
        raise EncoderUnavailable(
            f"{id!r} is neither a hub id, such as laion/clap-htsat-unfused, nor a folder, "
            f"such as ./{_last(id)}."
        )
    options: dict[str, Any] = {"revision": revision} if revision else {}
    try:
        return build(id, {**options, "local_files_only": True})
    except EncoderUnavailable:
        raise
    except Exception:  # the hub may have what the cache lacks
        pass
    reason = offline_reason()
    if reason is not None:
        here = f" For the folder of that name write ./{id}." if Path(id).is_dir() else ""
        raise EncoderUnavailable(
            f"Model {id!r} is not on this machine and cannot be fetched: {reason}. Connect once, or give a "
            f"folder that holds it.{here}"
        )
    return _try(argument, build, id, options)


def _try(argument: str, build: Callable[[str, dict[str, Any]], T], source: str, options: dict[str, Any]) -> T:
    try:
        return build(source, options)
    except EncoderUnavailable:
        raise
    except Exception as error:  # these libraries raise nearly everything for a model that does not fit
        raise EncoderUnavailable(_reason(argument, error)) from error


def _reason(argument: str, error: BaseException) -> str:
    from huggingface_hub import errors

    chain: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and at not in chain:
        chain.append(at)
        at = at.__cause__ or at.__context__
    if any(isinstance(e, errors.GatedRepoError) for e in chain):
        return f"Model {argument!r} asks for an agreement on its hub page first, then `hf auth login`."
    if any(isinstance(e, errors.RevisionNotFoundError) for e in chain):
        return f"Model {argument!r} has no such revision on the hub."
    if any(isinstance(e, errors.RepositoryNotFoundError) for e in chain):
        return f"There is no model {argument!r} on the hub, or it is private; check the spelling."
    if "trust_remote_code" in str(error):
        return str(foreign_code(argument))
    return f"Model {argument!r} cannot be loaded: {first_sentence(error)}"


def foreign_code(argument: str, what: str = "") -> EncoderUnavailable:
    """Return the error for a model that comes with code."""
    return EncoderUnavailable(
        f"Model {argument!r} wants to run code of its own{what}, which hearspace never allows."
    )


def first_sentence(error: BaseException) -> str:
    """Return the first line of an error that may run over a page."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    return (text[:297] + "...") if len(text) > 300 else text.rstrip(".") + "."


def offline_reason() -> str | None:
    """Return why the hub cannot be reached, without half a minute of retries; None if it can."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    url = urlsplit(constants.ENDPOINT)
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")):
        return None  # only the proxy can tell
    try:
        port = url.port or (80 if url.scheme == "http" else 443)
        socket.create_connection((url.hostname or "huggingface.co", port), timeout=5).close()
    except OSError:
        return f"there is no connection to {url.hostname}"
    return None


def _last(id: str) -> str:
    return re.split(r"[/\\]", id)[-1] or "folder"
