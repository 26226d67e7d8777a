from __future__ import annotations

import io
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from dashboard import media, previews, state
from jobs.sound import files as audio
from tests.dashboard.helpers import showing
from tests.waiting import PATIENCE

CLIP = "/audio/small/rain__take-001"
PATHS = ("/audio/small/rain__take-000?as=wav", "/audio/small/rain__take-000?level=equal")
PICTURE = "/spectrogram/small/rain__take-000"


def served(base_path: str = "") -> TestClient:
    return TestClient(Starlette(routes=media.routes(base_path)))


@pytest.fixture
def client(shown: Any) -> TestClient:
    return served()


@pytest.fixture
def content(shown: Any) -> bytes:
    return shown.dataset("small").audio_path("rain__take-001").read_bytes()


def test_the_file_itself_with_its_type(client: TestClient, content: bytes) -> None:
    answer = client.get(CLIP)
    assert answer.status_code == 200
    assert answer.content == content
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-99", 0, 99),
        ("bytes=100-", 100, None),
        ("bytes=-50", -50, None),
        ("bytes=10-99999999", 10, None),
    ],
)
def test_ranges(client: TestClient, content: bytes, asked: str, first: int, last: int | None) -> None:
    answer = client.get(CLIP, headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.content == content[first : None if last is None else last + 1]
    assert answer.headers["content-range"].endswith(f"/{len(content)}")


def test_a_range_beyond_the_end(client: TestClient, content: bytes) -> None:
    answer = client.get(CLIP, headers={"Range": f"bytes={len(content)}-"})
    assert answer.status_code == 416


@pytest.mark.parametrize(
    "path",
    [
        "/audio/small/none",
        "/audio/none/rain__take-001",
        "/audio/small/..%2f..%2fworkspace%2fdatasets%2fsmall%2fdataset.json",
        "/audio/small/Rain/take%20001.wav",
        "/audio/..%2fsmall/rain__take-001",
        "/audio/small/%2fetc%2fpasswd",
        "/spectrogram/small/none",
        "/figures/none.json",
        "/selections/none.json",
        "/selections/..%2f..%2fdataset.json",
    ],
)
def test_what_is_not_there_is_a_plain_sentence(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "Traceback" not in answer.text
    assert "root:" not in answer.text


def test_links_out_of_the_dataset_are_not_served(made: Any, tmp_path: Path) -> None:
    found, dataset = made.workspace(tmp_path, per_class=1)
    secret = tmp_path / "secret.wav"
    sf.write(secret, np.zeros(100), 8000)
    path = dataset.audio_path("rain__take-000")
    path.unlink()
    path.symlink_to(secret)
    with showing(found.root):
        client = served()
        answer = client.get("/audio/small/rain__take-000")
        assert answer.status_code == 404
        assert "no such clip" in answer.text
        path.unlink()
        gone = client.get("/audio/small/rain__take-000")
        assert gone.status_code == 404
        assert "no longer exists; add small again" in gone.text
        # Paths of this machine are not for the other end.
        unknown = [client.get(f"/audio/{a}").text for a in ("none/x", "small/none", "~upload/x.wav")]
        for text in (answer.text, gone.text, *unknown):
            assert str(tmp_path) not in text
            assert "/" not in text


def test_wav_on_request_is_the_same_sound(client: TestClient, content: bytes) -> None:
    answer = client.get(CLIP, params={"as": "wav"})
    assert answer.status_code == 200
    x, rate = sf.read(io.BytesIO(answer.content))
    true, true_rate = sf.read(io.BytesIO(content))
    assert rate == true_rate
    np.testing.assert_allclose(x, true, atol=2 / 32768)
    assert client.get(CLIP, params={"as": "wav"}, headers={"Range": "bytes=0-3"}).content == b"RIFF"


def test_equal_loudness_on_request(client: TestClient) -> None:
    from jobs.sound.loudness import TARGET, integrated_loudness, true_peak

    own, equal = [], []
    for clip in ("rain__take-001", "crow__take-002", "chainsaw__take-000"):
        for found, params in ((own, {"as": "wav"}), (equal, {"level": "equal"})):
            answer = client.get(f"/audio/small/{clip}", params=params)
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "audio/wav"
            x, rate = sf.read(io.BytesIO(answer.content))
            found.append((len(x), integrated_loudness(x, rate)))
            assert true_peak(x, rate) < 0
    assert [n for n, _ in own] == [n for n, _ in equal]
    assert min(level for _, level in own) > TARGET + 5
    np.testing.assert_allclose([level for _, level in equal], TARGET, atol=0.02)


def test_equal_loudness_is_kept_and_can_be_sought_in(
    client: TestClient, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = client.get(CLIP, params={"level": "equal"}).content
    monkeypatch.setattr("jobs.sound.loudness.decode_checked", None)
    for params in ({"level": "equal"}, {"level": "equal", "as": "wav"}):
        answer = client.get(CLIP, params=params, headers={"Range": "bytes=1000-1999"})
        assert answer.status_code == 206
        assert answer.content == whole[1000:2000]
        assert answer.headers["content-range"].endswith(f"/{len(whole)}")
    assert client.get(CLIP).content == content  # unasked, the file as it is
    answer = client.get(CLIP, params={"level": "loud"})
    assert answer.status_code == 400
    assert answer.text == "level is 'loud'; the only one is 'equal'."


def test_a_file_that_is_not_sound(made: Any, tmp_path: Path) -> None:
    found, dataset = made.workspace(tmp_path, per_class=1)
    dataset.audio_path("rain__take-000").write_text("not a sound")
    with showing(found.root):
        for path in (*PATHS, PICTURE):
            answer = served().get(path)
            assert answer.status_code == 415
            assert answer.text.startswith("The file of this clip is not sound that")
            assert str(tmp_path) not in answer.text
        assert not list((found.root / "previews").glob("*/.new-*"))


def test_spectrogram_shows_where_the_sound_is() -> None:
    rate = 16_000
    t = np.arange(rate) / rate
    x = np.where(t < 0.5, np.sin(2 * np.pi * 4000 * t), 0.001 * np.sin(2 * np.pi * 200 * t)).astype(
        np.float32
    )
    image = Image.open(io.BytesIO(media.spectrogram_png(x, rate)))
    assert image.mode == "P"
    levels = np.asarray(image)
    assert levels.shape[0] == 64
    left, right = levels[:, : levels.shape[1] // 2 - 8], levels[:, levels.shape[1] // 2 + 8 :]
    assert left.mean(1).argmax() < 32 <= right.mean(1).argmax()  # high frequencies at the top
    assert media.spectrogram_png(np.zeros(0, np.float32), rate).startswith(b"\x89PNG")


def test_spectrogram_is_made_once(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    first = client.get("/spectrogram/small/crow__take-002")
    assert first.headers["content-type"] == "image/png"
    monkeypatch.setattr(media, "decode_checked", None)
    assert client.get("/spectrogram/small/crow__take-002").content == first.content


def raising(error: Exception) -> Any:
    def raises(*args: Any, **options: Any) -> None:
        raise error

    return raises


@pytest.fixture
def long(made: Any, tmp_path: Path) -> Any:
    """A workspace whose first clip lasts two hours, in a few kilobytes."""
    found, dataset = made.workspace(tmp_path, per_class=1)
    path = dataset.audio_path("rain__take-000")
    sf.write(path, np.zeros(7_200 * 4_000, np.float32), 4_000, format="FLAC")
    with showing(found.root):
        yield found, path


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The lengths of the pieces of sound that are read."""
    lengths: list[int] = []
    real = audio._finite

    def counted(x: np.ndarray) -> np.ndarray:
        lengths.append(len(x))
        return real(x)

    monkeypatch.setattr(audio, "_finite", counted)
    return lengths


def test_only_what_is_shown_is_decoded(long: Any, read: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    client = served()
    for path in (*PATHS, PICTURE):
        read.clear()
        answer = client.get(path)
        assert answer.status_code == 200
        assert sum(read) < (media.LONGEST + 60) * 4_000 * 1.1
        if "audio" in path:
            assert sf.info(io.BytesIO(answer.content)).duration == media.LONGEST
    # And less of what has more samples a second.
    monkeypatch.setattr(media, "VALUES", 400_000)
    assert media._shown(long[1]) == 100


def test_equal_requests_share_one_decoding(long: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made, go = [], threading.Event()
    real = media._as_png

    def slow(*args: Any) -> None:
        made.append(args)
        go.wait(PATIENCE)
        real(*args)

    monkeypatch.setattr(media, "_as_png", slow)
    client = served()
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(client.get, PICTURE) for _ in range(8)]
        # Other routes are answered meanwhile.
        assert client.get("/audio/small/crow__take-000").status_code == 200
        go.set()
        contents = {a.result().content for a in answers}
    assert len(made) == 1
    assert len(contents) == 1


def test_what_takes_too_long_has_a_placeholder(long: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(previews, "SECONDS", -1.0)
    monkeypatch.setattr(previews, "_given_up", {})
    client = served()
    for _ in range(2):
        answer = client.get(PICTURE)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        assert Image.open(io.BytesIO(answer.content)).size == (200, 64)
        answer = client.get(PATHS[0])
        assert answer.status_code == 503
        assert answer.text == "This sound takes too long to be prepared here; open its file in a player."
        assert answer.headers["retry-after"] == str(previews.PAUSE)
        # It is not tried again at once.
        monkeypatch.setattr(previews, "_make", None)
    assert not list((long[0].root / "previews").glob("*/*"))


def test_who_waits_too_long_is_answered(long: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()
    monkeypatch.setattr(previews, "PATIENCE", 0.05)
    monkeypatch.setattr(media, "_as_png", lambda source, target, deadline: go.wait(PATIENCE))
    monkeypatch.setattr(media, "_as_wav", media._as_png)
    client = served()
    try:
        assert client.get(PICTURE).headers["cache-control"] == "no-store"
        answer = client.get(PATHS[0])
        assert answer.text == "Other sounds are being prepared; try again in a moment."
        assert answer.headers["retry-after"] == str(previews.SOON)
    finally:
        go.set()


@pytest.mark.parametrize("path", [*PATHS, PICTURE])
def test_reading_ends_where_the_time_is_up(
    long: Any, read: list[int], path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = []

    class Deadline:
        def check(self) -> None:
            looked.append(1)
            if len(looked) == 2:
                raise previews.TooMuch("too long", 7)

    monkeypatch.setattr(previews, "Deadline", Deadline)
    monkeypatch.setattr(previews, "_given_up", {})
    answer = served().get(path)
    assert answer.headers.get("retry-after") == (None if path == PICTURE else "7")
    assert len(looked) == 2
    assert sum(read) < media.LONGEST * 4_000 / 2  # of the 600 s at 4 kHz that would be shown


@pytest.mark.parametrize("path", [*PATHS, PICTURE])
def test_a_preview_of_another_account_is_served(
    client: TestClient, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = client.get(path)
    monkeypatch.setattr(previews.os, "utime", raising(PermissionError()))
    again = client.get(path)
    assert (again.status_code, again.content) == (200, first.content)


def test_a_preview_that_is_trimmed_while_it_is_asked_for_is_made_anew(
    client: TestClient, shown: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = client.get(PICTURE).content
    real = previews.os.utime

    def trimmed(path: Path) -> None:
        path.unlink(missing_ok=True)
        real(path)

    monkeypatch.setattr(previews.os, "utime", trimmed)
    again = client.get(PICTURE)
    assert (again.status_code, again.content) == (200, first)


def test_whatever_a_preview_raises_is_a_plain_sentence(long: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "decode_checked", raising(AttributeError("rate")))
    answer = served().get(PICTURE)
    assert answer.status_code == 500
    assert answer.text == "The file of this clip cannot be served (AttributeError)."


def test_trim_removes_what_was_used_longest_ago(tmp_path: Path) -> None:
    (tmp_path / "ab").mkdir()
    for i in range(4):
        path = tmp_path / "ab" / f"{i}.png"
        path.write_bytes(bytes(100))
        os.utime(path, (1000 + i, 1000 + i))
    previews.trim(tmp_path, 250)
    assert sorted(p.name for p in tmp_path.glob("*/*")) == ["2.png", "3.png"]


def test_figures_and_selections(client: TestClient, shown: Any) -> None:
    name = media.keep_figure(b'{"a":1}')
    assert client.get(f"/figures/{name}.json").json() == {"a": 1}
    for i in range(media.FIGURES_KEPT):
        media.keep_figure(str(i).encode())
    assert client.get(f"/figures/{name}.json").status_code == 404
    saved = state.save_selection(shown.root, "small", ["rain__take-001"])
    assert client.get(f"/selections/{saved}.json").json()["clips"] == ["rain__take-001"]


def test_plotly_is_the_installed_one_and_small_on_the_wire(client: TestClient) -> None:
    answer = client.get("/assets/plotly.min.js")
    assert "plotly.js" in answer.text[:200]
    assert answer.headers["content-encoding"] == "gzip"
    assert "immutable" in answer.headers["cache-control"]


def test_below_a_base_path(shown: Any) -> None:
    client = served("/sounds/")
    assert client.get(f"/sounds{CLIP}").status_code == 200
    assert client.get(CLIP).status_code == 404
