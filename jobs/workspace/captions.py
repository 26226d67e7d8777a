"""The captions of a dataset: sentences about its clips, several a clip where it has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobs.workspace.texts import pairs_fingerprint

if TYPE_CHECKING:
    import pandas as pd


def captions_of(dataset: Any) -> pd.DataFrame:
    """Return the captions of a dataset.

    Returns
    -------
    DataFrame
        One row a caption: ``clip_id``, ``caption`` (text, single spaces, never empty), in the order of the
        clips and, of one clip, that of the dataset. A clip without a caption has no row; a dataset without
        captions gives no row at all.
    """
    import pandas as pd

    table = dataset.captions
    texts = table["caption"].astype("object").where(table["caption"].notna(), "")
    texts = texts.map(lambda text: " ".join(str(text).split()))
    rows = pd.DataFrame({"clip_id": table["clip_id"].astype("str"), "caption": texts.astype("str")})
    return rows[rows["caption"] != ""].reset_index(drop=True)


def captions_fingerprint(captions: pd.DataFrame) -> str:
    """Return the SHA-256 of clips and captions in order, 64 hexadecimal digits.

    Parameters
    ----------
    captions : DataFrame
        From `captions_of`.

    Examples
    --------
    >>> import pandas as pd
    >>> captions_fingerprint(pd.DataFrame({"clip_id": ["a"], "caption": ["a dog barks"]}))[:12]
    '0b5a2142df82'
    """
    return pairs_fingerprint(captions["clip_id"], captions["caption"])
