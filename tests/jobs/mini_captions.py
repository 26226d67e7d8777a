"""Sounds and captions of our own in the layouts of Clotho, AudioCaps and MACS, named as those name theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.jobs.mini import write_sounds, write_table

#: Clotho: subset, file, captions, keywords.
CLOTHO = [
    ("development", "Gate squeak.wav", ["a gate squeaks", "A gate, opened", "hinges"], "gate;metal_squeak"),
    ("development", "rain: roof.wav", ["rain falls", "it rains on a roof", "rain falls"], "rain"),
    ("evaluation", "Gate squeak.wav", ["another gate squeaks", "", "a squeak"], "gate;Café"),
]
#: AudioCaps: subset, id of the row, video, start, caption, name of the file.
AUDIOCAPS = [
    ("train", 91139, "r1nicOVtvkQ", 130, "A woman talks nearby as water pours", "r1nicOVtvkQ_130.wav"),
    ("train", 58146, "-5GcZwBvBdI", 30, "Food is frying", "Y-5GcZwBvBdI.wav"),
    ("train", 7, "gone-video_", 0, "A sound that is not there any more", None),
    ("val", 97151, "vfY_TJq7n_U", 30, "Rustling occurs, ducks quack", "val/97151.wav"),
    ("val", 97152, "vfY_TJq7n_U", 30, "Ducks quack loudly", None),
    ("val", 97153, "vfY_TJq7n_U", 130, "A dog barks", "val/vfY_TJq7n_U_130_140.wav"),
]
#: MACS: file, then a caption and tags by each person.
MACS: list[tuple[str, list[tuple[str, list[str]]]]] = [
    (
        "airport-barcelona-0-0-a.wav",
        [
            ("adults talking and some footsteps", ["adults_talking", "footsteps"]),
            ("people talk in a hall", ["adults_talking"]),
        ],
    ),
    ("airport-stockholm-12-488-a.wav", [("a trolley rolls by", ["footsteps"])]),
    ("public_square-helsinki-111-3230-a.wav", [("music and birds", ["music", "birds_singing"])] * 2),
    ("public_square-lyon-1-1-a.wav", [("traffic noise", ["traffic_noise"])]),
]


def write_clotho(root: Path) -> Path:
    """Write tables and sounds as Clotho's archives hold them, and return the folder."""
    for subset in dict.fromkeys(row[0] for row in CLOTHO):
        rows = [row for row in CLOTHO if row[0] == subset]
        captions = [(name, *texts) for _, name, texts, _ in rows]
        head = ("file_name", "caption_1", "caption_2", "caption_3")
        write_table(root / f"clotho_captions_{subset}.csv", head, *captions)
        details = [
            (name, words, i, "", "[0, 1]", "somebody", "CC0") for i, (_, name, _, words) in enumerate(rows)
        ]
        head = (
            *("file_name", "keywords", "sound_id", "sound_link", "start_end_samples"),
            *("manufacturer", "license"),
        )
        write_table(root / f"clotho_metadata_{subset}.csv", head, *details, encoding="latin-1")
        names = [name.replace(":", "_") for _, name, _, _ in rows]
        write_sounds(root / subset, *names, seconds=0.2, pitch=200.0 + 10 * len(subset))
    return root


def write_audiocaps(root: Path, *, tables: str = ".") -> Path:
    """Write tables and sounds as people have them of AudioCaps, and return the folder."""
    for subset in dict.fromkeys(row[0] for row in AUDIOCAPS):
        rows = [row for row in AUDIOCAPS if row[0] == subset]
        head = ("audiocap_id", "youtube_id", "start_time", "caption")
        write_table(root / tables / f"{subset}.csv", head, *(row[1:5] for row in rows))
    write_sounds(root / "audio", *(name for *_, name in AUDIOCAPS if name is not None), seconds=0.2)
    return root


def write_macs(root: Path) -> Path:
    """Write MACS's list and the sounds of TAU Urban Acoustic Scenes, and return the folder."""
    write_sounds(
        root / "TAU-urban-acoustic-scenes-2019-development" / "audio",
        *(name for name, _ in MACS),
        seconds=0.2,
    )
    lines = ["files:"]
    for name, said in MACS:
        lines += [f"- filename: {name}", "  annotations:"]
        for who, (sentence, tags) in enumerate(said):
            lines += [f"  - annotator_id: {who}", f"    sentence: {sentence}", "    tags:"]
            lines += [f"    - {tag}" for tag in tags]
    (root / "MACS.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def expected_captions(rows: Sequence[tuple[str, Sequence[str]]]) -> Mapping[str, list[str]]:
    """Captions of each path that a reader should find: without empty ones, each once."""
    return {path: list(dict.fromkeys(text for text in texts if text)) for path, texts in rows}
