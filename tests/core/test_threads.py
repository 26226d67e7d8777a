"""Many small products in a row are not shared among threads, which wait for each other on a busy machine."""

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from core.baselines import linear_probe
from core.geometry import effective_rank
from core.processing import fit_reducer

LABELS = np.repeat(["dog", "rain"], 20)


@pytest.mark.parametrize(
    "measure",
    [effective_rank, lambda X: fit_reducer(X, 2), lambda X: linear_probe(X, LABELS, np.arange(40) % 4)],
    ids=["effective_rank", "fit_reducer", "linear_probe"],
)
def test_decompositions_run_on_one_thread(measure, monkeypatch):
    found = []
    decompose = np.linalg.svd

    def watched(*args, **kwargs):
        found.extend(x["num_threads"] for x in threadpool_info() if x["user_api"] == "blas")
        return decompose(*args, **kwargs)

    monkeypatch.setattr(np.linalg, "svd", watched)
    with threadpool_limits(2, user_api="blas"):
        measure(np.random.default_rng(0).standard_normal((40, 5)))
        after = [x["num_threads"] for x in threadpool_info() if x["user_api"] == "blas"]
    assert found
    assert set(found) == {1}
    assert set(after) == {2}
