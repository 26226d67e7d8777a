"""How long the dashboard takes to import, in a fresh process, and that nothing heavy comes with it.

Beside it, in the same run: importing what a page needs that computes things itself.

python -m benchmarks.dashboard_import --json dashboard_import.json
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.harness import arguments, machine, report

HEAVY = ("torch", "dask", "umap", "openTSNE", "librosa", "sklearn", "numba")
CANDIDATES = {
    "hearspace dashboard, all pages": "import dashboard.server, dashboard.media, dashboard.pages; "
    "dashboard.pages.modules()",
    "streamlit alone": "import streamlit",
    "streamlit, plotly express, umap, torch": "import streamlit, plotly.express, umap, torch",
}


def measure(code: str) -> tuple[float, list[str]]:
    """Return the seconds of running `code` in a new process, and which heavy modules it loads."""
    program = (
        f"import time, sys, json; t = time.perf_counter(); exec({code!r}); "
        f"print(json.dumps([time.perf_counter() - t, [m for m in {HEAVY!r} if m in sys.modules]]))"
    )
    command = [sys.executable, "-c", program]
    root = Path(__file__).resolve().parents[1]
    out = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    seconds, loaded = json.loads(out.stdout.splitlines()[-1])
    return seconds, loaded


def main() -> int:
    """Print the figures; exit status 1 if a heavy module is imported."""
    options = arguments("The dashboard's import, timed. It should stay under 2 s.").parse_args()
    seconds = dict.fromkeys(CANDIDATES, float("inf"))
    loaded: dict[str, list[str]] = {}
    for _ in range(options.rounds):
        for name, code in CANDIDATES.items():
            s, loaded[name] = measure(code)
            seconds[name] = min(seconds[name], s)
    ours = next(iter(CANDIDATES))
    rows = [
        {
            "what": n,
            "seconds": s,
            "ours / this": seconds[ours] / s,
            "heavy modules": ", ".join(loaded[n]) or "none",
        }
        for n, s in seconds.items()
    ]
    report("Importing the dashboard (under 2 s)", rows, machine("streamlit", "plotly"), options.json)
    return int(bool(loaded[ours]))


if __name__ == "__main__":
    sys.exit(main())
