from __future__ import annotations

import io

import numpy as np
import pandas as pd

from dashboard.kit.table import csv


def test_spreadsheets_run_nothing_and_programs_read_the_same() -> None:
    names = ["=cmd|' /C calc'!A1", "+1", "-1", "@SUM(A1)", "\tx", "rain, light", 'a "b"', "", None]
    frame = pd.DataFrame(
        {
            "class": names,
            "ap@15": np.linspace(-1, 1, len(names)) / 3,
            "n": np.arange(len(names)) - 4,
            "=label": pd.Categorical(["-b"] * len(names)),
            "fits": [True, None] * 4 + [False],
        },
        index=[0] * len(names),
    )
    read = pd.read_csv(io.BytesIO(csv(frame)), keep_default_na=False)
    assert read.columns.tolist() == ["class", "ap@15", "n", "'=label", "fits"]
    assert read["class"].tolist() == [f"'{name}" for name in names[:5]] + ["rain, light", 'a "b"', "", ""]
    assert set(read["'=label"]) == {"'-b"}
    assert read["ap@15"].tolist() == frame["ap@15"].tolist()
    assert read["n"].tolist() == frame["n"].tolist()
    assert read["fits"].tolist() == ["True", ""] * 4 + ["False"]


def test_a_table_without_rows_keeps_its_columns() -> None:
    assert csv(pd.DataFrame({"a": [], "b": []})) == b"a,b\n"
    assert csv(pd.DataFrame({"a": pd.Series([], dtype=str)})) == b"a\n"
