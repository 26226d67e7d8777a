"""Tables to take away, as CSV that a spreadsheet shows and does not run."""

from __future__ import annotations

import pandas as pd

from jobs.listening.rating_tables import harmless


def csv(frame: pd.DataFrame) -> bytes:
    """Return a table as CSV; text that a spreadsheet would read as a formula begins with an apostrophe.

    Parameters
    ----------
    frame : DataFrame

    Examples
    --------
    >>> csv(pd.DataFrame({"class": ["rain", "=1+1"], "ap@15": [0.5, -0.25]}))
    b"class,ap@15\\nrain,0.5\\n'=1+1,-0.25\\n"
    """
    # Column by position: names may come twice. A column of classes can be of pandas' categories.
    columns = [
        column if column.dtype.kind in "biufMm" else column.astype(object).map(harmless, na_action="ignore")
        for _, column in frame.reset_index(drop=True).items()
    ]
    shown = pd.concat(columns, axis=1) if columns else frame
    return shown.rename(columns=harmless).to_csv(index=False).encode()
