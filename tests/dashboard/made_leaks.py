"""A workspace for Leaks: three captions a clip, some of which name classes, and clips without any."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from jobs.datasets.importer import Imported
from jobs.workspace.workspace import Workspace
from tests.dashboard import made

#: Two captions of each clip that name no class, even by one word.
CALM = ("something goes on far away", "a quiet place with people in it")
#: The third caption of the first clips of a class, and what of it names the class as a whole, "" for nothing.
NAMED = {
    "Dog bark": [("Dog barks behind a fence", "Dog barks"), ("a dog, barking", "")],
    "Rooster": [("two roosters at dawn", "roosters"), ("a ROOSTER", "ROOSTER")],
    "Sea waves": [("sea-waves on the shore", "sea-waves"), ("waves of the sea roll in", "")],
    "Chainsaw": [("a chain saw starts", "chain saw"), ("the chainsaw\u2019s engine", "chainsaw\u2019s")],
}


def workspace(root: Path, *, per_class: int = 4, sounds: bool = False) -> Workspace:
    """Make the datasets ``captioned`` and ``small``, of the same clips."""
    found, dataset = made.workspace(root, per_class=per_class, sounds=sounds)
    rows = []
    for clip, label in zip(dataset.clips["clip_id"], dataset.clips["label"], strict=True):
        take = int(clip.rsplit("-", 1)[1])
        said = NAMED.get(label, [])
        rows += [(clip, text) for text in CALM]
        rows.append((clip, said[take][0] if take < len(said) else "it is loud and then it is over"))
    captions = pd.DataFrame(rows, columns=["clip_id", "caption"]).astype("str")
    first = captions.drop_duplicates("clip_id")["caption"].to_numpy()
    clips = dataset.clips.assign(caption=first)
    imported = Imported(
        clips,
        dataset.classes,
        dataset.report,
        dataset.fingerprint,
        f"captioned {dataset.fingerprint}",
        captions,
    )
    found.add_dataset("captioned", imported, adapter="captions", root=dataset.root)
    return found
