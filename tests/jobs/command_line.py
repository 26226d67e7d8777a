"""Run the command line in this process, as a user does."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from jobs.cli import main


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Run the program in this process; return exit status, standard output and standard error."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["hearspace", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return int(ended.value.code or 0), out, err


def listed(capsys: pytest.CaptureFixture[str], *arguments: object) -> list[dict[str, Any]]:
    """Run a command that succeeds, and return the rows that it prints as JSON."""
    status, out, err = call(capsys, *arguments, "--json")
    assert status == 0, err
    return json.loads(out)
