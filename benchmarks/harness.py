"""Shared by the benchmarks: fair timing, the machine it was on, a table, JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


def best_of(n: int, candidates: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Return the best seconds of n rounds for each candidate.

    Every round times all of them one after another, so that a busy moment of the machine meets all alike.
    """
    seconds = dict.fromkeys(candidates, float("inf"))
    for _ in range(n):
        for name, run in candidates.items():
            start = time.perf_counter()
            run()
            seconds[name] = min(seconds[name], time.perf_counter() - start)
    return seconds


def machine(*packages: str) -> dict[str, Any]:
    """Say what the numbers were measured on."""
    info: dict[str, Any] = {
        "date": datetime.now(UTC).date().isoformat(),
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "python": platform.python_version(),
    }
    for package in packages:
        try:
            info[package] = version(package)
        except PackageNotFoundError:
            info[package] = None
    return info


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def arguments(description: str) -> argparse.ArgumentParser:
    """Parser with what every benchmark takes: ``--json PATH`` and ``--rounds N``."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the results here as well")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="rounds, of which the best counts")
    return parser


def report(title: str, rows: list[dict[str, Any]], info: dict[str, Any], path: Path | None) -> None:
    """Print the rows as a table, and write them as JSON where a path is given."""
    print(title)
    print(" · ".join(f"{k} {v}" for k, v in info.items()))
    columns = list(rows[0])
    cells = [[_text(row[c]) for c in columns] for row in rows]
    widths = [max(len(c), *(len(row[i]) for row in cells)) for i, c in enumerate(columns)]
    for line in [columns, ["-" * w for w in widths], *cells]:
        print("  ".join(text.ljust(w) for text, w in zip(line, widths, strict=True)).rstrip())
    if path is not None:
        path.write_text(json.dumps({"title": title, "machine": info, "rows": rows}, indent=2) + "\n")


def _text(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
