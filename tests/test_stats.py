"Nearest crops, exact also where numbers are large; intervals and chance, counted by hand"
import numpy as np
import pandas as pd
import pytest

from cytoself_nb.stats import average_precision, neighbors, over_networks, pair_ap, purity, rank_correlation, ranking_ap, shuffled_purity


@pytest.mark.parametrize('offset,scale', [(0, 1), (1e4, 1), (-1e6, 1), (0, 1e20), (0, 1e-20), (3e20, 1e18)])
def test_neighbors_of_vectors_far_from_zero(offset, scale):
    "Differences count, not the place: float32 would lose them"
    X = np.random.default_rng(0).normal(size=(300, 8))
    want = np.argsort(((X[:, None] - X)**2).sum(-1) + np.diag([np.inf]*300), 1)[:, :5]
    got = neighbors(X*scale + offset, 5, block=77)
    assert (np.sort(got, 1) == np.sort(want, 1)).mean() > .999


@pytest.mark.parametrize('apart,rows', [(1e3, 150), (1e6, 150), (1e6, 1), (1e7, 1)])
def test_neighbors_of_vectors_in_groups_far_apart(apart, rows):
    "Two far groups, or one crop that went astray: the differences within a group count"
    X = np.random.default_rng(0).normal(size=(300, 20))
    X[:rows] += apart
    want = np.argsort(((X[:, None] - X)**2).sum(-1) + np.diag([np.inf]*300), 1)[:, :5]
    right = np.sort(neighbors(X, 5, block=77), 1) == np.sort(want, 1)
    assert right[rows:].mean() > .999 and (rows < 5 or right[:rows].mean() > .999)


@pytest.mark.parametrize('known', [False, True])
def test_of_equal_vectors_the_order_of_the_table_chooses_none(known):
    "Forty heaps of fifty equal vectors, nine in ten of them A: a neighbor is of one's own label in 82 of 100 cases"
    X = np.repeat(np.random.default_rng(0).normal(size=(40, 16)), 50, 0)
    label = np.tile(list('A'*45 + 'B'*5), 40)
    want = .9*44/49 + .1*4/49
    for order in (np.argsort(label, kind='stable'), np.argsort(label, kind='stable')[::-1], np.arange(len(X))):
        far = np.linalg.norm(X[order][:, None] - X[order], axis=2) if known else None
        assert purity(neighbors(X[order], 10, far=far), label[order]) == pytest.approx(want, abs=.01)


def test_retrieval_is_that_of_the_differences():
    X = np.random.default_rng(0).normal(size=(200, 5))
    kind = np.repeat(list('abcd'), 50)
    X += np.eye(5)[pd.factorize(kind)[0]]
    want = average_precision(X, kind, np.arange(200)).ap
    assert np.allclose(average_precision(X + 1e8, kind, np.arange(200)).ap, want, atol=1e-3)


def test_counts_rank_as_their_numbers_do():
    "Whole numbers without a sign have no minus: 1 is above 0"
    score, hit = [1, 2, 3, 0], [0, 1, 0, 1]
    for kind in (np.uint8, np.uint16, np.int8, np.float16): assert ranking_ap(kind(score), hit) == ranking_ap(score, hit) == .5
    r = np.array([[0, 3, 1], [3, 0, 0], [1, 0, 0]])
    same = np.array([[0, 0, 1], [0, 0, 0], [1, 0, 0]])
    assert pair_ap(r.astype(np.uint8), same, np.ones((1, 3))) == pair_ap(r, same, np.ones((1, 3))) == .5
    assert ranking_ap(np.array([True, False]), [1, 0]) == 1


def test_a_vector_that_is_no_number_has_no_say_in_others():
    X = np.random.default_rng(0).normal(size=(50, 4)); X[7] = np.nan
    others = [k for k in range(50) if k != 7]
    assert (np.sort(np.array(others)[neighbors(X[others], 3)]) == np.sort(neighbors(X, 3)[others])).all()


def test_the_interval_over_three_networks_is_students():
    "4.303 (two degrees of freedom, 95 %) times .3/sqrt(3), with n - 1 in the spread"
    got = over_networks([.2, .5, .8], .4, .6)
    assert np.round([got['value'], got['low'], got['high']], 3).tolist() == [.5, -.245, 1.245]


def test_the_interval_of_a_full_order_lies_on_its_side():
    down = rank_correlation(range(9), -np.arange(9))
    assert down['low'] == -1 and -1 < down['high'] < -.5 and down['rho'] == pytest.approx(-1)
    up = rank_correlation(range(9), range(9))
    assert (up['low'], up['high']) == (pytest.approx(-down['high']), 1)


def test_labels_of_a_unit_move_together():
    "Two proteins of fifty crops: chance is all or nothing, crop by crop it would be a half"
    X, unit = np.random.default_rng(0).normal(size=(100, 2)), np.repeat(['p', 'q'], 50)
    X[50:] += 20
    for apart, want in ((None, 1), (unit, 0)):
        level = shuffled_purity(neighbors(X, 5, apart), np.repeat(['er', 'golgi'], 50), unit=unit, times=20)
        assert (level == want).all()


def test_a_unit_has_the_label_of_its_first_crop_that_has_one():
    X, unit = np.random.default_rng(0).normal(size=(60, 2)), np.arange(60) % 12
    values = np.array(['er', 'golgi'], object)[unit % 2]
    some = np.where(np.arange(60) < 12, None, values)   # the first crop of each protein has none
    index = neighbors(X, 5)
    assert np.array_equal(shuffled_purity(index, some, unit=unit, times=5), shuffled_purity(index, values, unit=unit, times=5))
    none = np.where(unit < 6, None, values)
    assert np.isfinite(shuffled_purity(index, none, unit=unit, times=5)).all()


def test_crops_without_a_class_have_no_say_in_average_precision():
    rng = np.random.default_rng(0)
    X, classes, proteins = rng.normal(size=(60, 3)), np.array(['a', 'b', None], object)[np.arange(60) % 3], np.arange(60) % 12
    known = classes != None   # noqa: E711
    got, want = average_precision(X, classes, proteins), average_precision(X[known], classes[known], proteins[known])
    assert len(got) == 40 and np.allclose(got[['ap', 'chance']], want[['ap', 'chance']]) and (got.crop == np.flatnonzero(known)[want.crop]).all()


def test_vectors_and_labels_that_do_not_belong_together():
    X = np.arange(12.).reshape(6, 2)
    assert (neighbors(pd.DataFrame(X, list('abcdef')), 2) == neighbors(X, 2)).all() and (neighbors(X.tolist(), 2) == neighbors(X, 2)).all()
    for wrong, said in ((lambda: neighbors(X, 2, apart=list('ab')), 'apart has 2 entries for 6 vectors'), (lambda: neighbors(X[:, 0], 2), 'expected .n, d.'),
                        (lambda: average_precision(X, list('aab'), list('xyzxyz')), 'classes has 3 entries for 6 vectors')):
        with pytest.raises(ValueError, match=said): wrong()


def test_neighbors_are_asked_by_numbers_or_a_mask_and_of_an_array():
    from scipy.sparse import csr_matrix
    X = np.random.default_rng(0).normal(size=(40, 3))
    mask = np.arange(40) % 7 == 0
    assert np.array_equal(neighbors(X, 4, asked=mask), neighbors(X, 4, asked=np.flatnonzero(mask)))
    with pytest.raises(TypeError, match='give X.toarray'): neighbors(csr_matrix(X), 4)
    with pytest.raises(TypeError, match='expected True or False for each crop'): neighbors(X, 4, among=np.arange(40))
