"""Run every benchmark, one after another: ``python -m benchmarks`` or ``make bench``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> int:
    """Return 0 if every benchmark ran to its end."""
    wanted = sys.argv[1:] or sorted(p.stem for p in HERE.glob("[a-z]*.py") if p.stem != "harness")
    failed = []
    for name in wanted:
        print(f"\n== {name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode:
            failed.append(name)
    if failed:
        print(f"\nDid not finish: {', '.join(failed)}")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
