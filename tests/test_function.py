"The evaluation of function: scikit-learn's values, invariances and small data"
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_mutual_info_score, average_precision_score, fbeta_score

from cytoself_nb import function as fn

RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.standard_normal((40, 12)) + 2*np.repeat(RNG.standard_normal((8, 12)), 5, 0), [f'p{k}' for k in range(40)])
SETS = pd.DataFrame(dict(set=np.repeat(list('abcdefgh'), 5), protein=X.index))
GROUP = RNG.integers(0, 5, 30)
SAME, (I, J) = GROUP[:, None] == GROUP, np.triu_indices(30, 1)
R = fn.similarity(RNG.standard_normal((30, 6)))


def values(x, t, **more): return {m: v for m, (v, _) in fn.score(x, t, 5, **more).items()}


@pytest.mark.parametrize('r', [R, np.round(R, 1)], ids=['distinct', 'tied'])
def test_average_precision_is_that_of_sklearn(r):
    once, twice = np.ones(30), np.ones(30)
    twice[3] = 2
    of = [average_precision_score(SAME[I, J], r[I, J], sample_weight=w[I]*w[J]) for w in (once, twice)]
    assert fn.pair_ap(r, SAME, [once, twice]) == pytest.approx(of, abs=1e-6)
    partner = [a for a in range(30) if np.delete(SAME[a], a).any()]
    loop = [average_precision_score(np.delete(SAME[a], a), np.delete(r[a], a)) for a in partner]
    assert fn.protein_ap(r, SAME)[partner] == pytest.approx(loop, abs=1e-6)


def test_ami_is_that_of_sklearn():
    one = np.zeros(40, int)
    for a, b in ((GROUP, RNG.integers(0, 9, 30)), (GROUP, GROUP + 3), (one, one), (one, np.arange(40)), (np.arange(40), np.arange(40))):
        assert fn._ami(a, b) == pytest.approx(adjusted_mutual_info_score(a, b), abs=1e-12)


@pytest.mark.parametrize('r', [R, np.round(R, 1)], ids=['distinct', 'tied'])
def test_the_best_threshold_is_that_of_a_search(r):
    t, f = fn.best_threshold(r[I, J], SAME[I, J])
    tried = [fbeta_score(SAME[I, J], r[I, J] >= c, beta=.5) for c in r[I, J]]
    assert f == pytest.approx(max(tried)) and f == pytest.approx(fbeta_score(SAME[I, J], r[I, J] >= t, beta=.5))


def test_ends_of_the_scale():
    none = np.zeros_like(R)
    assert np.isnan(fn.pair_ap(R, none > 0, [np.ones(30)])).all()
    assert fn.pair_ap(none, SAME, [np.ones(30)]) == pytest.approx(SAME[I, J].mean(), abs=1e-6)   # all alike: chance
    assert fn.f_half(SAME.astype(float), SAME, np.ones((2, 30))) == pytest.approx([1, 1])
    alone = fn.protein_ap(np.array([[1, .9, .1], [.9, 1, .2], [.1, .2, 1]]), np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]], bool))
    np.testing.assert_allclose(alone, [.5, np.nan, .5])
    clear = fn.cluster_tree(fn.similarity(np.repeat(np.eye(4), 8, 0) + .05*RNG.standard_normal((32, 4)), False))
    assert fn.ami_of(clear, np.repeat(list('abcd'), 8), [4, 32])[0] == pytest.approx([1, 0], abs=1e-6)


def test_similarity_is_correlation_and_equal_vectors_tie():
    x = RNG.standard_normal((30, 6))
    assert fn.similarity(x, scale=False) == pytest.approx(np.corrcoef(x), abs=1e-5)
    assert len(np.unique(fn.similarity(pd.get_dummies(GROUP))[I, J][SAME[I, J]])) == 1


def test_which_sets_and_labels_count():
    toy = pd.DataFrame([('a', p) for p in 'pqr'] + [('b', p) for p in 'pq'] + [('c', p) for p in 'pqrstuvwxyz'], columns=['set', 'protein'])
    assert set(fn.restrict(toy, 'pqrstuvwxyz', 3, .5).set) == {'a'} and set(fn.restrict(toy, 'pqrstuvwxyz', 2, 1).set) == {'a', 'b', 'c'}
    toy = pd.DataFrame([('a', 'p'), ('a', 'q'), ('b', 'q'), ('b', 'r'), ('b', 's')], columns=['set', 'protein'])
    assert fn.one_label(toy).to_dict() == {'r': 'b', 's': 'b'}
    assert fn.one_label(toy, 'smallest').to_dict() == {'p': 'a', 'q': 'a', 'r': 'b', 's': 'b'}
    with pytest.raises(ValueError, match="unknown way 'all'"): fn.one_label(toy, 'all')


def test_names_and_order_do_not_matter():
    swap = dict(zip('abcdefgh', 'hgfedcba'))
    base = values(X, SETS)
    assert values(X.sample(frac=1, random_state=1), SETS) == pytest.approx(base, abs=1e-5)
    assert values(X, SETS.assign(set=SETS.set.map(swap))) == pytest.approx(base, abs=1e-5)


def test_scaling_makes_units_irrelevant():
    units = X*np.geomspace(1e-3, 1e3, 12)
    assert values(units, SETS) == pytest.approx(values(X, SETS), abs=1e-4)
    assert values(units, SETS, scale=False)['AP'] < values(X, SETS, scale=False)['AP']


def test_shuffled_sets_are_chance():
    floor = fn.shuffled_scores(X, {'s': SETS}, 30).set_index('metric').value
    assert abs(floor['AMI']) < .1 and floor['AP'] == pytest.approx(4/39, abs=.04) and floor['AP'] < values(X, SETS)['AP']


def test_nothing_to_ask_gives_nan_not_an_error():
    table, draws = fn.evaluate({'x': X}, {'empty': SETS.iloc[:0], 'tiny': SETS.iloc[:3]}, 5)
    assert table.value.isna().all() and np.isnan(draws).all()


def test_a_protein_without_vector_is_named():
    with pytest.raises(ValueError, match='1 proteins of the standard have no vector, first zz'):
        fn.score(X, pd.concat([SETS, pd.DataFrame(dict(set=['a'], protein=['zz']))]))


def test_a_threshold_that_calls_everything():
    r, same = np.array([.9, .5, .1]), np.array([True, True, True])
    assert fn.best_threshold(r, same) == (pytest.approx(.1), pytest.approx(1))


def test_intervals_of_differences_are_paired():
    table, draws = fn.merge_runs(*fn.evaluate({'DeepLoc, run 1': X, 'b': X + 1e-6}, {'s': SETS}, 30))
    d = fn.difference(table, draws, 'DeepLoc', 'b')
    assert (d.difference.abs() < 1e-3).all() and (d.high - d.low < 1e-3).all() and (table.high - table.low)[table.metric != 'AMI'].gt(.01).all()


def test_a_mirror_image_scores_the_same():
    table, draws = fn.merge_runs(*fn.evaluate({'DeepLoc, run 1': X, 'DeepLoc, run 2': X, 'other': X*-1}, {'s': SETS}, 5))
    assert table.representation.unique().tolist() == ['DeepLoc', 'other']
    assert fn.difference(table, draws, 'DeepLoc', 'other').difference.to_numpy() == pytest.approx(0, abs=1e-5)


def test_a_constant_feature_says_nothing_however_it_is_rounded():
    "Means of float32 leave a constant 5e-8 to 4e-3 of spread; the same code at a position in every crop is such a feature"
    x = RNG.standard_normal((60, 64)).astype(np.float32)
    for value in (.3, 7, 1000, 1e5):
        constant = np.stack([np.full(n, value, np.float32).mean(dtype=np.float32) + np.float32(0) for n in RNG.integers(3, 400, 60)])
        constant = np.tile(constant[:, None], (1, 16))*(1 + RNG.uniform(-3e-7, 3e-7, (60, 16)).astype(np.float32))
        both = fn.similarity(np.concatenate([x, constant.astype(np.float32)], 1))
        np.testing.assert_allclose(both, fn.similarity(np.concatenate([x, 0*constant], 1)), atol=1e-5)
        assert abs(both[np.triu_indices(60, 1)].mean()) < .03


def test_a_fold_has_an_interval_of_resamples():
    table = pd.DataFrame([dict(representation=r, standard='s', metric='AMI', value=v) for r, v in (('a', .6), ('b', .3), ('none', .005))])
    draws = np.array([[.5, .6, .7], [.3, .3, .3], [-.1, 0, .1]])
    one = fn.difference(table, draws, 'a', 'b').iloc[0]
    assert one.fold == 2 and one.fold_low < 2 < one.fold_high < 2.4 and one.low < .3 < one.high
    assert np.isnan(fn.difference(table, draws, 'a', 'none').fold[0])


def test_vectors_that_are_no_numbers_and_rows_without_a_set():
    "One NaN made every feature zero for everybody; a row without a set joined the last one"
    x = pd.DataFrame(np.repeat(np.eye(4), 3, 0) + .01*np.random.default_rng(0).standard_normal((12, 4)), [f'g{k}' for k in range(12)])
    sets = pd.DataFrame(dict(set=np.repeat(list('abcd'), 3), protein=x.index))
    good = {m: v for m, (v, _) in fn.score(x, sets, 1).items()}
    more = pd.concat([sets, sets[:2], pd.DataFrame(dict(set=[None, 'a'], protein=['g11', None]))])
    assert {m: v for m, (v, _) in fn.score(x, more, 1).items()} == good and good['mAP'] == pytest.approx(1)
    with pytest.raises(ValueError, match='1 of 12 vectors are not finite, first g3'): fn.score(x.mask(np.repeat((x.index == 'g3')[:, None], 4, 1)), sets, 1)
    with pytest.raises(ValueError, match='g0 has several vectors'): fn.score(pd.concat([x, x[:1]]), sets, 1)
