"""Waiting for a state: as long as it takes on a machine that has much else to do."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Seconds after which something that a test waits for is taken not to come at all.
PATIENCE = 240


def wait_for(true: Callable[[], object], what: str) -> None:
    """Wait until `true` returns something true; `what` is named in the error of a test that waits in vain."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, f"waited {PATIENCE} s for {what}"
        time.sleep(0.05)
