"Projection: tables of light with a known answer, the rule for a gain, and parts that are kept"
import numpy as np
import pandas as pd
import pytest

from cytoself_nb import projection as p
from cytoself_nb.core import NotForTheseData, open_run


def cell(side=64):
    "Distance to the outline of a round nucleus in the middle (1, side, side), crop widths"
    y, x = np.mgrid[:side, :side] - (side - 1)/2
    return np.float32(((14 - np.hypot(y, x))/side)[None])


def test_a_table_of_slabs_sees_height_and_that_of_the_projection_does_not():
    d = cell()
    inside = (d > 0)[:, None]*np.ones((1, 16, 1, 1), np.float32)
    low, high = (inside*np.float32(k)[:, None, None] for k in (np.arange(16) < 4, np.arange(16) > 11))
    for a, b in ((low, high), (low[:, ::-1], low)):
        assert np.allclose(p.light_table(a.max(1, keepdims=True), d), p.light_table(b.max(1, keepdims=True), d))
        assert np.abs(p.light_table(a, d, 8) - p.light_table(b, d, 8)).max() > 1


def test_a_table_is_of_zones_and_does_not_know_the_brightness():
    d = cell()
    x = np.float32(d > 0)[:, None]
    t = p.light_table(x, d)
    assert t.shape == (1, 16)
    mean = t[0, ::2]
    assert np.allclose(mean[:4], 0) and np.allclose(mean[4:][mean[4:] > 0], 1/x.mean(), rtol=1e-4) and (mean[4:7] > 0).all()
    assert np.allclose(t[0, 1::2], 0, atol=1e-3)                     # equal light inside a zone
    assert np.allclose(p.light_table(3*x + 1, d), t, atol=1e-4)
    assert np.isfinite(p.light_table(0*x, d)).all()


def test_crops_are_named_by_trees_of_the_other_proteomes():
    rng = np.random.default_rng(0)
    truth = [np.repeat(['a', 'b', 'c'], 20) for _ in range(3)]
    tables = [5*np.eye(3)[np.repeat([0, 1, 2], 20)] + rng.normal(size=(60, 3)) for _ in range(3)]
    tables[2] = np.roll(tables[2], 1, 1)                             # the last proteome contradicts both others
    t = p.named(tables, truth)
    right = (t.found == t.truth).groupby(t.proteome).mean()
    assert right[2] < .1 and len(t) == 180
    assert (p.named(tables[:2], truth[:2]).pipe(lambda t: t.found == t.truth)).mean() > .95


def test_a_pair_is_judged_by_both_sides():
    t = pd.DataFrame(dict(proteome=0, truth=['a', 'a', 'b', 'b', 'c'], a=[.5, .1, .2, .6, 1], b=[.3, .4, .3, .5, 0], c=.2))
    assert p.pair_scores(t, (('a', 'b'), ('a', 'd'))).to_dict('records') == [dict(proteome=0, pair='a or b', right=.5)]


def rows(**values):
    "Scores of two rows for three proteomes, from localization -> (gains)"
    return pd.DataFrame([dict(row=r, vector='global', score='localization', localization=k, proteome=i, value=.5 + g*(r == 'volume'))
                         for k, v in values.items() for i, g in enumerate(v) for r in ('volume', 'projection')])


@pytest.mark.parametrize('gain, found', [((.06, .1, .05), True), ((.3, .3, -.01), False), ((.04, .04, .2), False), ((.06,), True)])
def test_a_gain_is_one_of_all_proteomes_and_of_five_hundredths(gain, found):
    t = p.gains(rows(er=gain))
    assert bool(t.gains['er']) == found and t.gain['er'] == pytest.approx(np.median(gain)) and t.proteomes['er'] == len(gain)


def test_gains_of_networks_are_paired_by_proteome_and_sorted():
    t = p.gains(rows(er=(.1, .2, .3), golgi=(.5, .6, .7)))
    assert t.index.tolist() == ['golgi', 'er'] and t.low.tolist() == pytest.approx([.5, .1])


def test_scores_know_localizations_and_partners():
    rng = np.random.default_rng(0)
    t = pd.DataFrame(dict(protein=[f'P{k//6}' for k in range(96)]))
    n = t.protein.str[1:].astype(int)
    t = t.assign(localization='place ' + (n % 2).astype(str), complex='complex ' + (n//4*2 + n % 2).astype(str))
    X = 6*np.eye(2)[n % 2] + 0
    X = np.c_[X, 3*np.eye(8)[n//4*2 + n % 2]] + rng.normal(size=(96, 10))
    s = p.vector_scores(X, t).set_index(['score', 'localization']).value
    assert s['localization', np.nan] > .95 and s['complex', np.nan] > .95 and s['complex, one localization', 'place 1'] > .9
    other = p.vector_scores(rng.normal(size=(96, 10)), t).set_index(['score', 'localization']).value
    assert other['localization', np.nan] < .6


def test_only_simulated_cells_are_asked(tmp_path, monkeypatch):
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path))
    with pytest.raises(NotForTheseData, match='volumes.volume_store'): p.volume_crops(open_run('yeast5', 'smoke', 0))


def test_a_kept_training_is_loaded_and_other_costs_are_others(tmp_path, monkeypatch):
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path))
    monkeypatch.setitem(p.SIZES, 'smoke', (1, 3, 2, 1, 1, 1))
    run, made = open_run('simulated', 'smoke', 0, '66_projection'), []
    def short(model, store, channels, crops, rate, batch, seed, watch, late):
        made.append((channels.count('+'), crops, late))
        return p.Trained(model.eval(), pd.DataFrame([dict(part=1., seconds=1., shown=crops, mAP=.5)]))
    monkeypatch.setattr(p, 'train_for', short)
    monkeypatch.setattr(p, 'speeds', lambda models, store, batch, times: dict(volume=100., projection=400.))
    for _ in range(2):
        for look, crops in (('volume', 16), ('projection', 16), ('projection', 32)): p.trained(run, look, 1e-3, crops)
    assert made == [(16, 16, None), (1, 16, None), (1, 32, None)]
    crops = p.crops_of(run)
    assert crops == {'volume': 28, 'projection': 120, 'central plane': 120}       # 0.3 s of each, whole steps
    few = p.row_numbers(run, run, p.FEW)                             # as many crops as the volumes
    assert made[3:] == [(1, 28, None)] and few.shown.eq(28).all() and set(few.vector) == {'global', 'pooled'}
