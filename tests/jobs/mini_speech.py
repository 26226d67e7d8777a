"""Tones of our own in the layouts of Speech Commands and IEMOCAP, named as those name theirs."""

from __future__ import annotations

from pathlib import Path

from tests.jobs.mini import write_sound

#: Speech Commands: file and the part that it is in.
WORDS = [
    ("no/0a7c2a8d_nohash_0.wav", "training"),
    ("no/0a7c2a8d_nohash_1.wav", "training"),
    ("no/1b4c9b89_nohash_0.wav", "validation"),
    ("no/3cfc6b3a_nohash_4.wav", "testing"),
    ("yes/0a7c2a8d_nohash_0.wav", "training"),
    ("yes/1b4c9b89_nohash_0.wav", "validation"),
    ("yes/3cfc6b3a_nohash_0.wav", "testing"),
]
#: IEMOCAP: sentence and what listeners agreed on; None where the evaluations lack it.
SENTENCES = [
    ("Ses01F_impro01_F000", "neu"),
    ("Ses01F_impro01_M000", "ang"),
    ("Ses01F_impro01_M001", "xxx"),
    ("Ses01M_script01_1_F000", "exc"),
    ("Ses01M_script01_1_M000", "fru"),
    ("Ses02F_script03_2_M040", "sad"),
    ("Ses02F_impro05a_F003", "hap"),
    ("Ses02F_impro05a_M003", None),
]


def write_speech_commands(root: Path) -> Path:
    """Write two words by three speakers, noise, and the two lists."""
    for i, (name, _) in enumerate(WORDS):
        write_sound(root / name, 300 + 10 * i)
    write_sound(root / "_background_noise_" / "pink_noise.wav", 900)
    (root / "_background_noise_" / "README.md").write_text("about")
    for part in ("validation", "testing"):
        lines = [name for name, own in WORDS if own == part]
        (root / f"{part}_list.txt").write_text("\n".join(lines) + "\n")
    return root


def write_iemocap(root: Path) -> Path:
    """Write the sentences of two sessions, and an evaluation file a dialogue."""
    of_dialogue: dict[Path, list[str]] = {}
    for i, (sentence, emotion) in enumerate(SENTENCES):
        session, dialogue = f"Session{sentence[4]}", sentence.rpartition("_")[0]
        write_sound(root / session / "sentences" / "wav" / dialogue / f"{sentence}.wav", 300 + 10 * i)
        lines = of_dialogue.setdefault(
            root / session / "dialog" / "EmoEvaluation" / f"{dialogue}.txt",
            ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""],
        )
        if emotion is not None:
            lines += [f"[6.2901 - 8.2357]\t{sentence}\t{emotion}\t[2.5000, 2.5000, 2.5000]"]
            lines += ["C-E2:\tNeutral;\t()", "A-E3:\tval 3; act 2; dom  2;\t()", ""]
    for path, lines in of_dialogue.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines))
        path.with_name(f"._{path.name}").write_bytes(b"\x00\x05\x16")
    return root
