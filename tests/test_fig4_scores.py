"Scores: ground-truth lists against an independent derivation, bad input, and properties that need many draws"
import numpy as np
import pandas as pd
import pytest

from cytoself_nb.fig4_scores import (aligned_maps, centers_and_sizes, clustering_score, labeled, opencell_lists, score_table)
from cytoself_nb.stats import average_precision, jackknife, without_each
from cytoself_nb.draw import plot_maps


@pytest.fixture(scope='module')
def lists(mirror):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('CYTOSELF_NB_MIRROR', str(mirror))
        return {g: opencell_lists(g) for g in (1, 2, 3)}


@pytest.mark.parametrize('grade, column', [(1, 'label_if_only_annotation'), (2, 'label_if_only_grade23'), (3, 'label_if_only_grade3')])
def test_single_localizations_of_opencell(lists, shared, grade, column):
    expected = pd.read_csv(shared/'data/derived/tables/opencell_single_localization.tsv', sep='\t').set_index('target_name')[column].dropna()
    also = dict(CSE1L='nucleoplasm', IPO13='nucleoplasm') if grade == 1 else {}   # their only annotation is of grade 2, which that table asks to be 3
    assert lists[grade][0].to_dict() == expected.to_dict() | also


def test_complexes_of_opencell(lists, shared):
    table = pd.read_csv(shared/'data/derived/tables/corum_complete_complexes_in_opencell.tsv', sep='\t')
    expected = table[table.source.str.startswith('CORUM 2018') & table.greedy_largest]
    found = lists[3][1]
    assert len(found) == 38
    assert {frozenset(v) for v in found.values()} == {frozenset(s.split(';')) for s in expected.subunits}
    members = [p for v in found.values() for p in v]
    assert len(members) == len(set(members))


def points(n=200, k=5, d=2, seed=0):
    rng = np.random.default_rng(seed)
    group = np.arange(n) % k
    return rng.normal(size=(n, d)) + 6*rng.normal(size=(k, d))[group], group


def test_scores_see_only_groups():
    (X, group), score = points(), clustering_score
    order = np.random.default_rng(1).permutation(len(X))
    assert score(X[order], group[order]) == pytest.approx(score(X, group))
    assert score(X*1e3, group) == pytest.approx(score(X, group))
    mixed = score(X, group[order])
    assert mixed < score(X, group)/3


def test_score_of_points_without_extent_is_nan():
    assert np.isnan(clustering_score(np.repeat(np.eye(2), 5, 0), np.repeat([0, 1], 5)))


def test_score_equals_a_plain_loop():
    X, group = points(150, 7, 6)
    centre = {g: np.median(X[group == g], 0) for g in range(7)}
    size = [np.median([np.linalg.norm(x - centre[g]) for x in X[group == g]]) for g in range(7)]
    middle = np.median(list(centre.values()), 0)
    spread = np.median([np.linalg.norm(c - middle) for c in centre.values()])
    assert clustering_score(X, group) == pytest.approx(spread/np.median(size))


@pytest.mark.parametrize('X, classes, message', [
    (np.zeros((3, 2)), ['a', 'b'], 'one class per point'), (np.zeros((3, 2)), ['a', None, 'b'], '1 points have no class'),
    (np.array([[0., 0], [np.nan, 1], [1, 1]]), list('aab'), 'not finite'), (np.zeros((2, 2)), list('aa'), 'two or more')])
def test_bad_points(X, classes, message):
    with pytest.raises(ValueError, match=message): centers_and_sizes(X, classes)


def test_others_do_not_count():
    assert not labeled(['others', 'Others', None, float('nan')]*6).any()


def test_average_precision_ignores_the_own_protein():
    X, group = points(60, 3)
    twins = np.repeat(X[:30], 2, 0)               # each crop twice, as two crops of one protein
    names = np.repeat(np.arange(30), 2)
    once, twice = average_precision(X[:30], group[:30], np.arange(30)), average_precision(twins, np.repeat(group[:30], 2), names)
    assert twice.ap.mean() > once.ap.mean() - .02 and len(twice) == 60
    assert average_precision(X, np.arange(60), np.arange(60)).empty


def test_average_precision_is_that_of_scikit_learn_with_ties():
    from sklearn.metrics import average_precision_score
    x = np.random.default_rng(0).integers(0, 3, (60, 1)).astype(float)   # many equal distances, as between crops made of the same codes
    group = np.arange(60) % 4
    got = average_precision(x, group, np.arange(60))
    expected = [average_precision_score(np.delete(group == group[q], q), -np.delete(abs(x - x[q])[:, 0], q)) for q in got.crop]
    np.testing.assert_allclose(got.ap, expected, rtol=1e-6)


def test_each_protein_is_left_out_once():
    proteins = np.repeat(np.arange(12), 5)
    out = without_each(proteins)
    assert len(out) == 12 and all(len(set(proteins) - set(proteins[d])) == 1 and len(d) == 55 for d in out)
    assert without_each(proteins, 0) == []
    grouped = without_each(np.arange(200), 7)
    assert len(grouped) == 7 and sorted(np.concatenate([np.setdiff1d(np.arange(200), d) for d in grouped])) == list(range(200))


def test_interval_of_retrieval_is_as_wide_as_its_scatter():
    "Proteins drawn anew 80 times: the standard error of one draw must be that of all draws"
    rng, value, error = np.random.default_rng(0), [], []
    classes = np.repeat(np.arange(8), 12); proteins = np.arange(96)//3    # 4 proteins a class, 3 crops each
    for _ in range(80):
        X = np.eye(8)[classes]*1.2 + rng.normal(size=(32, 8))[proteins] + .3*rng.normal(size=(96, 8))
        mean = lambda d: average_precision(X[d], classes[d], proteins[d]).ap.mean()
        value.append(mean(np.arange(96))); error.append(jackknife([mean(d) for d in without_each(proteins)]))
    assert .8 < np.mean(error)/np.std(value) < 1.6    # a bit wide rather than too narrow


def test_table_of_an_identical_pair():
    X, group = points(120, 4)
    labels = pd.DataFrame(dict(protein=(group*2 + np.arange(120)//4 % 2).astype(str), localization=group.astype(str), complex=None, fov='f'))
    t = score_table({'cytoself': X, 'CellProfiler': X.copy()}, labels, umaps=1)
    same = t[(t.representation == 'CellProfiler') & t.umap.isna()]
    assert (same.less == 0).all() and (same[['less_low', 'less_high']].dropna() == 0).all().all()


def test_maps_with_missing_groups_can_be_drawn():
    import matplotlib.pyplot as plt
    fig = plot_maps({'a': np.random.rand(10, 2), 'b': np.random.rand(10, 2)}, ['x', None]*5)
    assert len(fig.axes) == 2
    plt.close(fig)


def test_each_group_has_its_number_on_each_map():
    import matplotlib.pyplot as plt
    X, group = points(480, 12)
    named = np.where(group > 1, [f'place {g}' for g in group], None)
    fig = plot_maps({'a': X, 'b': X[::-1], 'mixed': X[np.random.default_rng(0).permutation(480)]}, named)
    names = sorted(f'place {g}' for g in range(2, 12))
    assert len(fig.axes[0].texts) == 8                     # at most so many
    assert len(fig.axes[2].texts) == 0                     # where no group holds together a number says nothing
    assert [t.get_text() for t in fig.legends[0].texts] == [f'{k}  {n}' for k, n in enumerate(names, 1)] + ['other or none']
    plt.close(fig)


def test_a_crop_lies_near_itself_on_the_next_map():
    rng = np.random.default_rng(0)
    one = rng.normal(size=(60, 8)) + 5*rng.normal(size=(3, 8))[np.arange(60) % 3]
    a, b = aligned_maps([one, one + .1*rng.normal(size=one.shape)])
    assert np.linalg.norm(a - b, axis=1).mean() < .5*np.linalg.norm(a - b[rng.permutation(60)], axis=1).mean()
    again, other = aligned_maps([one, one]), aligned_maps([one, one], seed=1)   # umap-learn alone gives one map for all seeds
    assert (again[0] == aligned_maps([one, one])[0]).all() and np.abs(again[0] - other[0]).max() > .1
    with pytest.raises(ValueError, match='the same crops in each'): aligned_maps([one, one[:5]])


def test_two_proteins_of_two_localizations_have_scores_without_an_interval():
    "Without one of them a class is gone: that draw is not defined, the score is"
    r = np.random.default_rng(0)
    labels = pd.DataFrame(dict(protein=['A']*8 + ['B']*8, fov=[f'{k}' for k in range(16)], localization=['er']*8 + ['golgi']*8))
    t = score_table({'cytoself': r.normal(0, 1, (16, 5)) + 9*np.repeat([[0], [1]], 8, 0)}, labels, umaps=1)
    whole = t[(t.metric == 'score (paper)') & t.umap.isna()]
    assert np.isfinite(whole.value).all() and whole.low.isna().all()
