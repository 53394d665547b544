"Nearest crops, exact also where numbers are large"
import numpy as np
import pytest

from cytoself_nb.stats import neighbors


@pytest.mark.parametrize('offset,scale', [(0, 1), (1e4, 1), (-1e6, 1), (0, 1e20), (0, 1e-20), (3e20, 1e18)])
def test_neighbors_of_vectors_far_from_zero(offset, scale):
    "Differences count, not the place: float32 would lose them"
    X = np.random.default_rng(0).normal(size=(300, 8))
    want = np.argsort(((X[:, None] - X)**2).sum(-1) + np.diag([np.inf]*300), 1)[:, :5]
    got = neighbors(X*scale + offset, 5, block=77)
    assert (np.sort(got, 1) == np.sort(want, 1)).mean() > .999


def test_a_vector_that_is_no_number_has_no_say_in_others():
    X = np.random.default_rng(0).normal(size=(50, 4)); X[7] = np.nan
    others = [k for k in range(50) if k != 7]
    assert (np.sort(np.array(others)[neighbors(X[others], 3)]) == np.sort(neighbors(X, 3)[others])).all()
