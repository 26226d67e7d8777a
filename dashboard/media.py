"""Routes beside the pages: sound with Range requests, spectrograms, figures and the scripts that draw them.

``/audio/<dataset>/<clip>`` the file as it is where browsers play it, else 16-bit WAV; ``?as=wav`` always the
latter; ``?level=equal`` a WAV at equal loudness (`jobs.sound.loudness`). ``/spectrogram/<dataset>/<clip>`` a
PNG, striped where the picture takes longer than `previews` allows. The dataset `UPLOADS` holds uploaded
queries, the dataset `BLIND` the sounds of a question to listeners, under names that do not identify them.
``/figures/<hash>.json`` a figure that a page has drawn, in memory. ``/selections/<id>.json`` a saved
selection. ``/assets/plotly.min.js`` Plotly as installed.

Equal loudness is in the samples and not left to the player: an audio element cannot play louder than the
file, some browsers let no page set its volume, and a WAV plays and can be sought in like any other, whatever
the file was, so that its type does not identify it.

Only clips of the workspace's datasets are served, and only from inside their dataset's folder, and uploads
by their hash.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import io
import re
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from cache.errors import NoSpace
from dashboard import data, previews, state
from dashboard.errors import log
from dashboard.listen import data as listen
from dashboard.memory import once
from jobs.listening.ratings import Question, RatingsError, open_ratings
from jobs.sound.files import AudioError, decode_checked, stream
from jobs.workspace import uploads
from jobs.workspace.workspace import WorkspaceError

#: Types that current browsers play by themselves. The player requests WAV where one does not.
TYPES = {
    ".wav": "audio/wav",
    ".wave": "audio/wav",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".oga": "audio/ogg",
    ".opus": "audio/ogg",
    ".flac": "audio/flac",
    ".m4a": "audio/mp4",
    ".aac": "audio/aac",
    ".webm": "audio/webm",
}
#: In place of a dataset, whose name cannot be this: uploaded queries, by the name of their file.
UPLOADS = "~upload"
#: The same: sounds of a question to listeners, by `blind_name`.
BLIND = "~blind"
_BLIND = re.compile(r"([0-9]{1,15})\.([0-9]{1,4})")
#: Seconds of a sound that a transcoded preview and a spectrogram show at most.
LONGEST = 600.0
#: Samples, of all channels together, that may be held in memory for one of them: ten minutes at 48 kHz.
VALUES = 28_800_000
FIGURES_KEPT = 48
FOREVER = "public, max-age=31536000, immutable"

_figures: OrderedDict[str, bytes] = OrderedDict()
_lock = threading.Lock()


class NotServed(LookupError):
    """Nothing is served under this address; the message is the answer."""


def keep_figure(payload: bytes) -> str:
    """Keep a figure's JSON in memory for browsers to fetch; return the name it is served under."""
    name = hashlib.sha256(payload).hexdigest()[:24]
    with _lock:
        _figures[name] = payload
        _figures.move_to_end(name)
        while len(_figures) > FIGURES_KEPT:
            _figures.popitem(last=False)
    return name


def routes(base_path: str = "") -> list[Route]:
    """Return the routes, below `base_path`."""
    base = f"/{base_path.strip('/')}" if base_path.strip("/") else ""
    table: dict[str, Callable[[Request], Response | Awaitable[Response]]] = {
        "/audio/{dataset}/{clip:path}": _audio,
        "/spectrogram/{dataset}/{clip:path}": _spectrogram,
        "/figures/{name}.json": _figure,
        "/selections/{name}.json": _selection,
        "/assets/plotly.min.js": _plotly,
    }
    return [Route(base + path, _endpoint(f), methods=["GET"]) for path, f in table.items()]


def _endpoint(answer: Callable[[Request], Any]) -> Callable[[Request], object]:
    async def endpoint(request: Request) -> Response:
        try:
            if inspect.iscoroutinefunction(answer):
                response: Response = await answer(request)
                return response
            response = await run_in_threadpool(answer, request)
            return response
        except NotServed as error:
            return PlainTextResponse(str(error), 404)
        except AudioError as error:
            return PlainTextResponse(f"The file of this clip {error.reason}.", 415)
        except previews.TooMuch as error:
            return PlainTextResponse(str(error), 503, headers={"Retry-After": str(error.seconds)})
        except NoSpace as error:
            return PlainTextResponse(str(error), 507)
        except Exception as error:
            log.exception("A sound could not be served", exc_info=error)
            return PlainTextResponse(f"The file of this clip cannot be served ({type(error).__name__}).", 500)

    return endpoint


# -- sound ------------------------------------------------------------------------------------------------


def blind_name(question: int, place: int) -> str:
    """Name the sound at a place of `dashboard.listen.data.sounds_of` in the question of an id."""
    return f"{question}.{place}"


def _source(request: Request) -> Path:
    dataset, clip = request.path_params["dataset"], request.path_params["clip"]
    if dataset != BLIND:
        return _upload(clip) if dataset == UPLOADS else _clip(dataset, clip)
    # Whatever is wrong, the answer must not say which clip it is.
    try:
        dataset, clip = _blind(clip)
        return _upload(clip) if dataset == UPLOADS else _clip(dataset, clip)
    except (NotServed, RatingsError):
        raise NotServed("This sound no longer exists; make a new test.") from None


def _blind(name: str) -> tuple[str, str]:
    """Return dataset and id of a sound of a question."""
    match = _BLIND.fullmatch(name)
    if match is None:
        raise NotServed
    root, number, place = data.workspace().root, int(match[1]), int(match[2])
    q: Question | None = once(("question", str(root), number), lambda: open_ratings(root).question(number))
    if q is None or place >= len(sounds := listen.sounds_of(q)) or (place == 0 and q.query.kind == "text"):
        raise NotServed
    return UPLOADS if place == 0 and q.query.kind == "upload" else q.dataset, sounds[place]


def _clip(name: str, clip: str) -> Path:
    try:
        dataset = data.workspace().dataset(name)
        path = dataset.audio_path(clip) if dataset.ready else None
    except WorkspaceError:
        # Its message names folders, which are nobody's business at the other end.
        raise NotServed("This workspace has no such clip; if it should, add its dataset again.") from None
    if path is None:
        raise NotServed(f"The sounds of {dataset.name} have not been generated yet; see the Jobs page.")
    if not path.is_file():
        raise NotServed(f"The file of clip {clip} no longer exists; add {dataset.name} again.")
    return path


def _upload(name: str) -> Path:
    upload = uploads.find(data.workspace().root, name)
    if upload is None:
        raise NotServed("There is no such upload in this workspace; upload the sound again.")
    return uploads.path(data.workspace().root, *upload)


async def _audio(request: Request) -> Response:
    path = await run_in_threadpool(_source, request)
    kind = TYPES.get(path.suffix.lower())
    headers = {"Cache-Control": "private, max-age=300", "X-Content-Type-Options": "nosniff"}
    level = request.query_params.get("level")
    if level is not None:
        # Not at its own loudness by mistake: nothing would show that a comparison is unfair.
        if level != "equal":
            return PlainTextResponse(f"level is {level!r}; the only one is 'equal'.", 400)
        equal = await previews.made(path, "-equal.wav", _as_equal_wav)
        return FileResponse(equal, media_type="audio/wav", headers=headers)
    if kind is not None and request.query_params.get("as") != "wav":
        return FileResponse(path, media_type=kind, headers=headers)
    return FileResponse(await previews.made(path, ".wav", _as_wav), media_type="audio/wav", headers=headers)


def _as_wav(path: Path, out: Path, deadline: previews.Deadline) -> None:
    import soundfile as sf

    with ExitStack() as stack:
        target: sf.SoundFile | None = None
        for x, rate in stream(path, duration=LONGEST):
            if target is None:
                target = stack.enter_context(sf.SoundFile(out, "w", rate, 1, "PCM_16", format="WAV"))
            target.write(np.clip(x, -1, 1))
            deadline.check()
    if target is None:
        raise AudioError(path, "holds no samples")


def _as_equal_wav(path: Path, out: Path, deadline: previews.Deadline) -> None:
    import soundfile as sf

    from jobs.sound.loudness import at_equal_loudness

    x, rate = at_equal_loudness(path, duration=_shown(path), check=deadline.check)
    sf.write(out, x, rate, subtype="PCM_16", format="WAV")


async def _spectrogram(request: Request) -> Response:
    path = await run_in_threadpool(_source, request)
    headers = {"Cache-Control": "private, max-age=3600"}
    try:
        return FileResponse(
            await previews.made(path, ".png", _as_png), media_type="image/png", headers=headers
        )
    except previews.TooMuch:
        return Response(_placeholder(), media_type="image/png", headers={"Cache-Control": "no-store"})


def _as_png(path: Path, out: Path, deadline: previews.Deadline) -> None:
    x, rate = decode_checked(path, deadline.check, duration=_shown(path))
    out.write_bytes(spectrogram_png(x, rate))


def _shown(path: Path) -> float:
    """Return how many seconds of a file are shown: as many as fit in memory."""
    x, rate = next(stream(path, mono=False, duration=0.001))
    return min(LONGEST, VALUES / (rate * x.shape[1]))


def spectrogram_png(x: np.ndarray, sample_rate: int) -> bytes:
    """Draw a mel spectrogram, low frequencies at the bottom, as a PNG of up to 200 by 64 pixels."""
    from core.audio import spectrogram

    x = np.clip(x, -1e9, 1e9)  # numbers whose squares are numbers
    levels = spectrogram(x, sample_rate)  # (n_mels, frames), -80 to 0 dB
    if levels.shape[1] == 0:
        levels = np.full((64, 1), -80.0, np.float32)
    # The lowest 10 of the 80 dB are mostly the recording's own noise.
    return _png(np.clip((levels[::-1] + 70) * (255 / 70), 0, 255))


def _png(codes: np.ndarray) -> bytes:
    """Encode a picture of codes from 0 to 255 in the colours of spectrograms."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(codes.astype(np.uint8))).convert("L")
    image.putpalette(_ramp())
    target = io.BytesIO()
    image.save(target, "PNG", optimize=True)
    return target.getvalue()


@functools.cache
def _ramp() -> bytes:
    """Return 256 colours from near black over violet to pale yellow, visible in either theme."""
    stops = np.array(
        [[12, 12, 26], [52, 28, 92], [128, 44, 116], [214, 86, 88], [250, 166, 94], [252, 246, 200]]
    )
    at = np.linspace(0, 1, len(stops))
    x = np.linspace(0, 1, 256)
    ramp = np.stack([np.interp(x, at, stops[:, i]) for i in range(3)], axis=1)
    return ramp.round().astype(np.uint8).tobytes()


@functools.cache
def _placeholder() -> bytes:
    """Draw stripes, as no sound looks, in place of a spectrogram that takes too long."""
    y, x = np.mgrid[:64, :200]
    return _png((x + y) // 6 % 2 * 40 + 20)


# -- figures and scripts ----------------------------------------------------------------------------------


def _figure(request: Request) -> Response:
    with _lock:
        payload = _figures.get(request.path_params["name"])
    if payload is None:
        raise NotServed("This figure is no longer kept; reload the page.")
    return Response(payload, media_type="application/json", headers={"Cache-Control": "private, max-age=600"})


def _selection(request: Request) -> Response:
    content = state.load_view(data.workspace().root, request.path_params["name"], "selection")
    if content is None:
        raise NotServed("There is no such selection in this workspace.")
    import json

    return Response(json.dumps(content), media_type="application/json", headers={"Cache-Control": FOREVER})


def plotly_version() -> str:
    """Return the version of Plotly, for an address that changes with it."""
    from importlib.metadata import version

    return version("plotly")


@functools.cache
def _plotly_gz() -> bytes:
    import gzip

    return gzip.compress(_plotly_path().read_bytes(), 6)


def _plotly_path() -> Path:
    import importlib.resources

    return Path(str(importlib.resources.files("plotly"))) / "package_data" / "plotly.min.js"


def _plotly(request: Request) -> Response:
    headers = {"Cache-Control": FOREVER, "Vary": "Accept-Encoding"}
    kind = "text/javascript; charset=utf-8"
    if "gzip" in request.headers.get("accept-encoding", ""):
        # Compressed once, not at every visit.
        return Response(_plotly_gz(), media_type=kind, headers=headers | {"Content-Encoding": "gzip"})
    return Response(_plotly_path().read_bytes(), media_type=kind, headers=headers)
