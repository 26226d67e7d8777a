"""Listing 10,000 artifacts: the SQLite index against walking the folders and parsing every manifest.

Run ``python benchmarks/cache_listing.py``. Both answers are compared before anything is timed. The artifacts
are written by the store itself, with specs of the size that real jobs have.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from cache import ArtifactStore
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


def milliseconds(action: Callable[[], object], repeats: int) -> list[float]:
    """Wall-clock times of each of `repeats` calls."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        times.append((time.perf_counter() - start) * 1e3)
    return times


def main() -> None:
    """Fill a store, then time the two ways of listing it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=10_000, help="number of artifacts")
    parser.add_argument("--repeats", type=int, default=7)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        store = ArtifactStore(root, durable=False)
        x = np.zeros((4, 2), np.float32)
        start = time.perf_counter()
        keys = [hashlib.sha256(str(i).encode()).hexdigest() for i in range(args.n)]
        for i, key in enumerate(keys):
            with store.writer(key, spec=spec(i)) as w:
                w.array("coords", x)
                w.meta["n_clips"] = i
        each = (time.perf_counter() - start) / args.n * 1e3
        print(f"{args.n} artifacts written, {each:.2f} ms each, not waiting for the disk")

        fresh = ArtifactStore(root)
        first = milliseconds(fresh.list, 1)[0]
        assert sorted(fresh.list()) == sorted(walk(store.root / "objects"))
        assert len(fresh.list()) == args.n

        # The next listings find the folders as they were, once their times are old enough to be trusted.
        time.sleep(2.1)
        fresh.list()
        listed = milliseconds(fresh.list, args.repeats)
        filtered = milliseconds(lambda: fresh.list(type="Project"), args.repeats)
        sized = milliseconds(fresh.size, args.repeats)
        walked = milliseconds(lambda: walk(store.root / "objects"), 3)

        now = time.time() - 3600
        for key in keys[:1000]:
            os.utime(fresh.folder(key) / "manifest.json", (now, now))
        opened = milliseconds(lambda: [fresh.open(k) for k in keys[:1000]], 1)[0] / 1000
        after = milliseconds(fresh.list, 1)[0]
        rebuilt = milliseconds(fresh.rebuild_index, 1)[0]

    median = statistics.median
    print(f"first listing by a new process's store   {first:8.1f} ms")
    print(f"listing                                  {median(listed):8.1f} ms (best {min(listed):.1f})")
    print(f"listing one type of three                {median(filtered):8.1f} ms")
    print(f"total size                               {median(sized):8.1f} ms")
    print(f"listing after 1,000 were used            {after:8.1f} ms")
    print(f"opening one, its use noted               {opened:8.3f} ms")
    print(f"rebuilding the index                     {rebuilt:8.1f} ms")
    print(f"walking and parsing every manifest       {median(walked):8.1f} ms")
    print(f"ratio, listing / walking                 {median(listed) / median(walked):8.3f}")


if __name__ == "__main__":
    main()
