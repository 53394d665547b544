"The evaluation of function: invariances and small data"
import numpy as np
import pandas as pd
import pytest

from cytoself_nb import function as fn

RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.standard_normal((40, 12)) + 2*np.repeat(RNG.standard_normal((8, 12)), 5, 0), [f'p{k}' for k in range(40)])
SETS = pd.DataFrame(dict(set=np.repeat(list('abcdefgh'), 5), protein=X.index))


def values(x, t, **more): return {m: v for m, (v, _) in fn.score(x, t, 5, **more).items()}


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


def test_a_threshold_that_calls_everything():
    r, same = np.array([.9, .5, .1]), np.array([True, True, True])
    assert fn.best_threshold(r, same) == (pytest.approx(.1), pytest.approx(1))


def test_intervals_of_differences_are_paired():
    table, draws = fn.merge_runs(*fn.evaluate({'DeepLoc, run 1': X, 'b': X + 1e-6}, {'s': SETS}, 30))
    d = fn.difference(table, draws, 'DeepLoc', 'b')
    assert (d.difference.abs() < 1e-3).all() and (d.high - d.low < 1e-3).all() and (table.high - table.low)[table.metric != 'AMI'].gt(.01).all()
