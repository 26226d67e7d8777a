"""Listing 10,000 artifacts: the SQLite index against walking the folders and parsing every manifest.

Both answers are compared before they are timed. The artifacts are written by the store itself, with specs of
the size that real jobs have.

    python -m benchmarks.cache_listing [--artifacts 10000] [--rounds 3] [--json PATH]
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Callable

import numpy as np

from benchmarks.harness import arguments, best_of, machine, report
from cache import ArtifactInfo, ArtifactStore
from cache.index import walk


def spec(i: int) -> dict:
    """A spec of about 500 bytes, as for a map of an embedding."""
    dataset = {"name": f"dataset {i % 7}", "fingerprint": hashlib.sha256(b"d").hexdigest(), "source": None}
    embedding = {
        "type": "EmbedAudio",
        "version": 1,
        "fields": {"dataset": {"dataset": dataset}, "encoder": "aisfx"},
    }
    fields = {
        "embedding": {"spec": embedding},
        "method": "tsne",
        "metric": "cosine",
        "perplexity": 30,
        "seed": i,
    }
    return {"type": ("Project", "Neighbors", "EmbedAudio")[i % 3], "version": 1, "fields": fields}


def main() -> None:
    """Fill a store, then list it in both ways."""
    parser = arguments("Listing a cache, timed.")
    parser.add_argument("--artifacts", type=int, default=10_000)
    options = parser.parse_args()
    n = options.artifacts
    keys = [hashlib.sha256(str(i).encode()).hexdigest() for i in range(n)]
    with tempfile.TemporaryDirectory() as root:
        store = ArtifactStore(root, durable=False)
        coords = np.zeros((4, 2), np.float32)

        def write() -> None:
            for i, key in enumerate(keys):
                with store.writer(key, spec=spec(i)) as w:
                    w.array("coords", coords)
                    w.meta["n_clips"] = i

        def walked() -> list[ArtifactInfo]:
            return walk(store.root / "objects")

        seconds = {f"writing {n:,}, not waiting for the disk": timed(write)}
        seconds["first listing after that"] = timed(ArtifactStore(root).list)
        assert sorted(store.list()) == sorted(walked())
        assert len(store.list()) == n
        time.sleep(2.1)  # by then the folders have been as they are for long enough to be trusted
        store.list()
        names = ("listing", "listing one type of three", "total size", "walking and parsing every manifest")
        actions = (store.list, lambda: store.list(type="Project"), store.size, walked)
        seconds |= best_of(options.rounds, dict(zip(names, actions, strict=True)))

        past = time.time() - 3600
        for key in keys:
            os.utime(store.folder(key) / "manifest.json", (past, past))
        store.rebuild_index()
        some = keys[:: max(1, n // 100)]
        seconds[f"opening {len(some)}, their use noted"] = timed(lambda: [store.open(k) for k in some])
        seconds["listing after that"] = timed(store.list)
        seconds["rebuilding the index"] = timed(store.rebuild_index)

    walking = seconds["walking and parsing every manifest"]
    rows = [{"what": name, "ms": t * 1e3, "this / walking": t / walking} for name, t in seconds.items()]
    report(f"A cache of {n:,} artifacts", rows, machine("numpy"), options.json)


def timed(action: Callable[[], object]) -> float:
    """Seconds of one call."""
    return best_of(1, {"it": action})["it"]


if __name__ == "__main__":
    main()
