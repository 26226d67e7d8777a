"""Which threads share an operation: never as many as are free, for sums are rounded by their number.

Many small products in a row are not shared at all: threads wait for each other on a busy machine.
"""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_info, threadpool_limits

from core.processing import fit_reducer
from core.separability import effective_rank, linear_probe
from core.training.threads import side_by_side

LABELS = np.repeat(["dog", "rain"], 20)


@pytest.mark.parametrize(
    ("measure", "of", "name"),
    [
        (effective_rank, np.linalg, "svd"),
        (lambda X: fit_reducer(X, 2), np.linalg, "svd"),
        (lambda X: linear_probe(X, LABELS, np.arange(40) % 4), LogisticRegression, "fit"),
    ],
    ids=["effective_rank", "fit_reducer", "linear_probe"],
)
def test_decompositions_run_on_one_thread(measure, of, name, monkeypatch):
    found = []
    compute = getattr(of, name)

    def watched(*args, **kwargs):
        found.extend(x["num_threads"] for x in threadpool_info() if x["user_api"] == "blas")
        return compute(*args, **kwargs)

    monkeypatch.setattr(of, name, watched)
    with threadpool_limits(2, user_api="blas"):
        measure(np.random.default_rng(0).standard_normal((40, 5)))
        after = [x["num_threads"] for x in threadpool_info() if x["user_api"] == "blas"]
    assert found
    assert set(found) == {1}
    assert set(after) == {2}


@pytest.mark.parametrize(("n", "threads", "workers"), [(1, 1, 1), (9, 1, 3), (9, 2, 1), (9, 4, 1)])
def test_an_operation_of_a_model_has_a_fixed_number_of_threads(n, threads, workers):
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with side_by_side(n, "cpu", threads) as pool:
            assert pool._max_workers == workers
            assert pool.submit(torch.get_num_threads).result() == threads == torch.get_num_threads()
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
