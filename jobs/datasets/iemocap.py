"""IEMOCAP (Busso et al., 2008): sentences of ten actors in five sessions, each with an emotion.

``Session1`` to ``Session5``; in each, sounds in ``sentences/wav/<dialogue>/<sentence>.wav`` and the
emotions that listeners agreed on in ``dialog/EmoEvaluation/<dialogue>.txt``. A session has two actors that no
other has.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from pathlib import Path

from jobs.datasets import Clip, DatasetError, Skipped, choice
from jobs.datasets._walk import outside, walk

NAME = "iemocap"
DESCRIPTION = "IEMOCAP: acted sentences with an emotion each; folds are its five sessions."
OPTIONS = {
    "emotions": "'four' (default): neutral, happy, angry, sad; or 'all' that listeners agreed on",
    "excited": "'happy' (default): excited counts as happy, as in SUPERB; or 'own': it does not",
    "kind": "'all' (default), 'improvised' or 'scripted' dialogues",
}

EMOTIONS = {
    "neu": "neutral", "hap": "happy", "ang": "angry", "sad": "sad", "exc": "excited",
    "fru": "frustrated", "fea": "fearful", "sur": "surprised", "dis": "disgusted",
}  # fmt: skip
_FOUR = ("neutral", "happy", "angry", "sad")
_SESSION = re.compile(r"Session([1-5])")
_TURN = re.compile(r"\[[^\]]*\]\s+(?P<sentence>\S+)\s+(?P<emotion>[a-z]{3})\b")
_SENTENCE = re.compile(r"(?P<dialogue>Ses0\d[FM]_(?P<kind>impro|script)\w*)_(?P<gender>[FM])X?\w*")


def looks_like(root: Path) -> bool:
    """Return whether a folder is laid out as the dataset is."""
    return any((folder / "dialog" / "EmoEvaluation").is_dir() for folder in _sessions(root))


def scan(
    root: Path, *, emotions: str = "four", excited: str = "happy", kind: str = "all"
) -> Iterator[Clip | Skipped]:
    """Yield the sentences with one of the chosen emotions, each with its session as fold."""
    choice("emotions", emotions, ("four", "all"))
    choice("excited", excited, ("happy", "own"))
    choice("kind", kind, ("all", "improvised", "scripted"))
    if not looks_like(root):
        raise DatasetError(
            f"{root} is not IEMOCAP: it has none of Session1 to Session5 with dialog/EmoEvaluation in it; "
            "give the folder that directly holds them (IEMOCAP_full_release)."
        )
    return _sentences(root, emotions == "four", excited == "happy", kind)


def _sentences(root: Path, four: bool, merge: bool, kind: str) -> Iterator[Clip | Skipped]:
    for folder in _sessions(root):
        session = int(folder.name[-1])
        felt = yield from _evaluations(root, folder)
        wav = folder / "sentences" / "wav"
        if not wav.is_dir() or outside(wav, root) is not None:
            yield Skipped(f"{folder.name}/sentences/wav", "there is no such folder")
            continue
        for item in walk(wav):
            if isinstance(item, Skipped):
                yield Skipped(f"{folder.name}/sentences/wav/{item.path}", item.reason)
                continue
            path = f"{folder.name}/sentences/wav/{item}"
            sentence = item.rsplit("/", 1)[-1].rsplit(".", 1)[0]
            about = _SENTENCE.fullmatch(sentence)
            if about is None or sentence not in felt:
                yield Skipped(path, "no evaluation names it")
                continue
            of = "improvised" if about["kind"] == "impro" else "scripted"
            if kind not in ("all", of):
                yield Skipped(path, f"{of}, not {kind}")
                continue
            emotion = EMOTIONS.get(felt[sentence])
            if emotion is None:
                yield Skipped(path, f"listeners did not agree on an emotion ({felt[sentence]})")
                continue
            label = "happy" if merge and emotion == "excited" else emotion
            if four and label not in _FOUR:
                yield Skipped(path, f"{label}, which is none of the four emotions")
                continue
            extra = {"kind": of, "speaker": f"{session}{about['gender']}", "dialogue": about["dialogue"]}
            yield Clip(path, (label,), fold=session, extra=extra | {"felt": emotion})


def _evaluations(root: Path, folder: Path) -> Generator[Skipped, None, dict[str, str]]:
    """Return the emotion of every sentence of a session, after yielding the files that cannot be read."""
    felt: dict[str, str] = {}
    home = folder / "dialog" / "EmoEvaluation"
    for path in sorted(home.glob("*.txt")):
        if path.name.startswith("."):
            continue  # copies of a file system that has none of its own
        reason = outside(path, root)
        try:
            text = "" if reason else path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            reason = f"cannot be read ({error.strerror})"
        if reason:
            yield Skipped(path.relative_to(root).as_posix(), reason)
            continue
        for line in text.splitlines():
            turn = _TURN.match(line)
            if turn is not None:
                felt[turn["sentence"]] = turn["emotion"]
    return felt


def _sessions(root: Path) -> list[Path]:
    return sorted(p for p in root.iterdir() if _SESSION.fullmatch(p.name) and p.is_dir())
