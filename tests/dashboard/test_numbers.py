from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from dashboard.kit import numbers
from tests.waiting import PATIENCE


def test_mean_is_that_of_the_finite_values_with_students_interval() -> None:
    x = np.array([0.2, np.nan, 0.5, 0.3, np.inf, 0.9])
    finite = x[np.isfinite(x)]
    low, high = stats.t.interval(0.95, 3, finite.mean(), stats.sem(finite))
    found = numbers.mean(x)
    np.testing.assert_allclose([found.value, found.low, found.high], [finite.mean(), low, high], rtol=1e-9)
    assert found.n == 4
    assert numbers.mean(x, low=0, high=0.9).low == 0
    assert numbers.mean(x, low=0, high=0.9).high == 0.9


def test_words_of_estimates() -> None:
    assert numbers.share(np.arange(400) < 365).percent() == "91.2% (88.1 to 93.6%, n = 400)"
    assert numbers.mean(np.array([0.25, 0.25])).signed() == "+0.250 (+0.250 to +0.250)"
    assert numbers.mean(np.array([-0.5, 0.0])).signed() == "−0.250 (−3.427 to +2.927)"
    # One clip says nothing of others: the interval is all that there can be.
    assert numbers.mean(np.array([0.4]), low=-1, high=1).signed() == "+0.400 (−1.000 to +1.000)"
    assert numbers.mean(np.array([0.4])).signed() == "+0.400 (– to –)"
    assert numbers.mean(np.array([np.nan])).signed() == "–"
    assert numbers.mean(np.array([])).percent() == "no clips"


def test_importing_the_words_does_not_import_distributions() -> None:
    code = "import sys, dashboard.kit.numbers\nprint(any(m.startswith('scipy') for m in sys.modules))"
    root = Path(__file__).resolve().parents[2]
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True, timeout=PATIENCE
    )
    assert found.stdout.strip() == "False"


@pytest.mark.parametrize(("n", "noun", "text"), [(1, "clip", "1 clip"), (2000, "class", "2,000 classes")])
def test_count(n: int, noun: str, text: str) -> None:
    assert numbers.count(n, noun) == text
