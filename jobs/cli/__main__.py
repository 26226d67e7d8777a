"""``python -m jobs.cli``: the same as ``hearspace``."""

from jobs.cli import main

main()
