"Days: corrections with a known answer, what can't be corrected, and Harmony where it isn't installed"
import sys
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from cytoself_nb import batches as b
from cytoself_nb.answers import as_embedding


def screen(n=12, day_shift=4., seed=0):
    "Four controls and two others on two days: vectors of ten numbers, a shift along the last on Friday"
    rng, rows = np.random.default_rng(seed), []
    for p in range(6):
        for day in ('Monday', 'Friday'): rows += [dict(protein=f'P{p}', day=day, control=p < 4)]*n
    obs = pd.DataFrame(rows)
    X = 5*np.eye(6, 10)[obs.protein.str[1:].astype(int)] + rng.normal(size=(len(obs), 10))
    X[:, 9] += day_shift*(obs.day == 'Friday')
    return X, obs

def apart(Z, obs, of=None):
    "How far the means of both days lie apart"
    on = (obs.day == 'Friday').to_numpy()
    use = np.ones(len(Z), bool) if of is None else (obs.protein == of).to_numpy()
    return np.linalg.norm(Z[on & use].mean(0) - Z[~on & use].mean(0))


def test_controls_take_out_the_shift_of_a_day_and_leave_proteins():
    X, obs = screen()
    Z = b.by_controls(X, obs.day, obs.control)
    assert apart(X, obs) > 3.5 and apart(Z, obs) < 1
    middle = pd.DataFrame(Z).groupby(obs.protein).mean().to_numpy()
    assert np.linalg.norm(middle[4] - middle[5]) > 5


def test_where_a_day_has_a_protein_of_its_own_centering_takes_it_away_and_controls_do_not():
    X, obs = screen()
    keep = (obs.control | (obs.protein == 'P4') & (obs.day == 'Monday') | (obs.protein == 'P5') & (obs.day == 'Friday')).to_numpy()
    X, obs = np.concatenate([X[keep], *[X[keep & ~obs.control]]*9]), pd.concat([obs[keep], *[obs[keep & ~obs.control]]*9])
    far = lambda Z: np.linalg.norm(Z[(obs.protein == 'P4').to_numpy()].mean(0) - Z[(obs.protein == 'P5').to_numpy()].mean(0))
    assert far(b.center_days(X, obs.day)) < 2 < 5 < far(b.by_controls(X, obs.day, obs.control))


def test_sphering_shrinks_days_within_controls_and_proteins_only_if_told_so():
    X, obs = screen(40, 8.)
    ratio = lambda Z: apart(Z, obs)/np.linalg.norm(np.diff(pd.DataFrame(Z).groupby(obs.protein).mean().to_numpy()[:2], axis=0))
    within, every = b.sphered(X, obs.protein, obs.control), b.sphered(X, None, obs.control)
    assert ratio(within) < .5*ratio(X)
    assert ratio(every) > 1.3*ratio(within)


def test_components_of_features_far_from_zero_are_those_of_the_same_around_zero():
    "scikit-learn 1.9.1 centers a covariance after its product: in float32 the first component of such features was noise"
    X, obs = screen(100)
    near, far = (b.correct_batches(as_embedding((X + shift).astype(np.float32), obs), methods=['as they are']).obsm['X_pca']
                 for shift in (0, 3000))
    assert np.allclose(near.std(0), far.std(0), rtol=1e-3)


def test_what_cannot_be_corrected_is_refused():
    X, obs = screen()
    e = as_embedding(X, obs)
    with pytest.raises(ValueError, match='no column plate'): b.correct_batches(e, 'plate')
    with pytest.raises(ValueError, match='24 crops have no day'):
        b.correct_batches(as_embedding(X, obs.assign(day=obs.day.mask(obs.protein == 'P1'))))
    with pytest.raises(ValueError, match='nothing to correct'): b.correct_batches(as_embedding(X, obs.assign(day='Monday')))
    with pytest.raises(ValueError, match='other values than true'):
        b.correct_batches(as_embedding(X, obs.assign(control='yes')), 'day', 'control')
    with pytest.raises(ValueError, match='Friday: fewer than two crops of controls'):
        b.correct_batches(as_embedding(X, obs.assign(control=obs.control & (obs.day == 'Monday'))), 'day', 'control')
    with pytest.raises(ValueError, match="unknown method 'combat'"): b.correct_batches(e, methods=['combat'])
    with pytest.raises(ValueError, match='no column of controls'): b.correct_batches(e, methods=['by controls'])


def test_without_controls_and_without_harmonypy_what_is_left_is_made(monkeypatch):
    X, obs = screen()
    monkeypatch.setattr(b, 'find_spec', lambda name: None)
    assert list(b.correct_batches(as_embedding(X, obs)).obsm) == ['X_pca', 'X_pca_centered']
    both = b.correct_batches(as_embedding(X, obs), 'day', 'control')
    assert set(both.obsm) == {v for k, v in b.BASES.items() if k != 'Harmony'}
    monkeypatch.setitem(sys.modules, 'harmonypy', None)
    with pytest.raises(ImportError, match='pip install harmonypy'): b.correct_batches(as_embedding(X, obs), methods=['Harmony'])


@pytest.mark.parametrize('turn', [np.asarray, np.transpose], ids=['crops first', 'crops last'])
def test_harmony_gives_a_row_per_crop_in_old_and_new_versions(monkeypatch, turn):
    X, obs = screen()
    def fake(Z, meta, name, **kwargs):
        assert Z.dtype == np.float64 and meta[name].tolist() == obs.day.tolist()
        return SimpleNamespace(Z_corr=turn(Z + 1))
    monkeypatch.setitem(sys.modules, 'harmonypy', SimpleNamespace(run_harmony=fake))
    assert np.allclose(b.harmony(X, obs.day), X + 1)


@pytest.mark.skipif(not find_spec('harmonypy'), reason='needs harmonypy')
def test_harmony_itself_mixes_days():
    X, obs = screen(40)
    e = b.correct_batches(as_embedding(X, obs), 'day', methods=['Harmony'])
    assert apart(e.obsm['X_pca_harmony'], obs) < .5*apart(e.obsm['X_pca'], obs)


def test_the_four_numbers_of_vectors_that_know_one_thing_only():
    rows = [dict(day=d, role=role, truth_main=f'place {k % 4}', protein=f'{role} {k}')
            for d in range(3) for role, n in (('control', 4), ('other', 4), ('witness', 2)) for k in range(n) for _ in range(6)]
    obs = pd.DataFrame(rows)
    tiny = 1e-3*np.random.default_rng(0).normal(size=(len(obs), 30))
    def of(column): return b.batch_scores(tiny[:, :1] + pd.get_dummies(obs[column]).to_numpy(float), obs)
    assert of('day')['same day'] == 1 and of('day')['localization, other days'] < .6
    place = of('truth_main')
    assert place['localization, other days'] == place['localization, same day'] == 1 and place['same day'] < .6
    assert of('protein')['same protein'] == 1


def test_designs_of_a_screen():
    t = b.screen_design(3, 1)
    assert t.role.value_counts().to_dict() == {'control': 8, 'witness': 4, 'other': 12}
    o = t[t.role == 'other']
    assert (o.groupby('day').truth_main.nunique() == 3).all() and (o.groupby('day_confounded').truth_main.nunique() == 1).all()
    assert set(o.truth_main) <= set(t.truth_main[t.role == 'control']) and t.protein.is_unique


def test_what_others_have_left_is_not_taken_for_ours():
    "scanpy keeps its Harmony under the same name"
    import anndata
    rng = np.random.default_rng(0)
    e = anndata.AnnData(rng.standard_normal((40, 6)).astype(np.float32), obs=pd.DataFrame(dict(protein=list('abcd')*10, day=['1', '2']*20), index=[str(k) for k in range(40)]))
    e.obsm['X_pca_harmony'] = np.ones((40, 3))
    assert 'X_pca_harmony' not in b.correct_batches(e, methods=['centered by day']).obsm


def test_conditions_on_plates_of_their_own_are_left_out():
    "What the plate does can't be told from a move; categories and numbers as conditions are read as text"
    from cytoself_nb.variants import move_table
    rng, rows = np.random.default_rng(0), []
    for p in range(8):
        for c in (0, 10):
            for w in range(4): rows += [dict(protein=f'P{p}', condition=c, well=f'{c}{w}', plate=f'p{c}' if p < 4 else f'p{w % 2}')]*5
    obs = pd.DataFrame(rows).astype(dict(protein='category', plate='category'))
    X = rng.standard_normal((len(obs), 5)) + (obs.plate == 'p10').to_numpy()[:, None]
    with pytest.warns(UserWarning, match='4 of 8 proteins and conditions share no plate with their reference, first P0, 10'): t = move_table(X, obs, 0)
    assert set(t.protein) == {'P4', 'P5', 'P6', 'P7'} and (t.says == 'no move seen').all()


def test_false_alarms_need_five_wells_and_doses_are_numbers():
    from cytoself_nb.variants import dose_trend, false_alarms
    obs = pd.DataFrame(dict(protein='p', condition='untreated', well=[f'w{k//2}' for k in range(8)]))
    X = np.random.default_rng(0).normal(size=(8, 3))
    with pytest.raises(ValueError, match="no protein has more than 4 wells of 'untreated'; expected five"): false_alarms(X, obs, 'untreated')
    with pytest.raises(ValueError, match="no crop has the condition 'DMSO'; expected one of untreated"): false_alarms(X, obs, 'DMSO')
    five = obs.assign(well=[f'w{k % 5}' for k in range(8)])
    assert false_alarms(X, five, 'untreated', draws=1)['asked'] == 1
    with pytest.raises(ValueError, match="'0 nM'; expected doses as numbers, all in one unit"): dose_trend(X[:4], ['0 nM', '10 nM', '100 nM', '1 uM'])


@pytest.mark.parametrize('both', [True, False], ids=['both conditions on both plates', 'the variant on one of two plates'])
@pytest.mark.parametrize('spread', [.5, 3.])
def test_what_plates_do_is_no_move(spread, both):
    from cytoself_nb.variants import move_table
    P, moves = [], 0
    for seed in range(3):
        rng, X, rows = np.random.default_rng(seed), [], []
        for k in range(30):                       # every five proteins share two plates
            if k % 5 == 0: plates = rng.normal(0, spread, (2, 8))
            own = rng.normal(0, 3, 8)
            wells = [(c, q, 10*i + w) for i, (c, on) in enumerate((('wild', (0, 1)), ('other', (0, 1)[:1 + both]))) for q in on for w in range(4)]
            for c, q, w in wells:
                X.append(own + plates[q] + rng.normal(0, .5, 8) + rng.normal(0, 1, (20, 8)))
                rows += [dict(protein=f'P{k}', condition=c, plate=f'{k//5} {q}', well=f'w{w}')]*20
        t = move_table(np.concatenate(X), pd.DataFrame(rows), 'wild')
        P, moves = [*P, *t.P], moves + (t.says == 'moves').sum()
        assert len(t) == 30 and (t.P_own >= t.P_own_least - 1e-9).all()
    assert moves <= 1 and np.mean(np.less(P, .05)) < .12, (moves, np.mean(np.less(P, .05)))


def test_one_well_of_each_condition_on_each_plate_is_enough():
    from cytoself_nb.variants import move_table
    rng, X, rows = np.random.default_rng(0), [], []
    for k in range(20):
        own, far = rng.normal(0, 3, 8), rng.normal(0, 3, 8)*(k < 4)
        for q in range(4):
            plate = rng.normal(0, 2, 8)
            for c in ('wild', 'other'):
                X.append(own + plate + far*(c == 'other') + rng.normal(0, .3, 8) + rng.normal(0, 1, (20, 8)))
                rows += [dict(protein=f'P{k:02}', condition=c, plate=f'{k} {q}', well=f'{c} {q}')]*20
    t = move_table(np.concatenate(X), pd.DataFrame(rows), 'wild')
    assert set(t.protein[:4]) == {'P00', 'P01', 'P02', 'P03'} and (t.move[:4] > 3*t.move[4:].max()).all()


def test_vectors_in_half_precision_are_corrected_as_in_full():
    from cytoself_nb.batches import by_controls, sphered
    rng = np.random.default_rng(0)
    Z = (rng.normal(size=(12_000, 6)) + np.repeat(rng.normal(size=(2, 6)), 6000, axis=0)).astype(np.float16)
    day, control, protein = np.repeat([0, 1], 6000), rng.random(12_000) < .9, np.arange(12_000) % 5
    for f, also in ((by_controls, (day, control)), (sphered, (protein, control))):
        np.testing.assert_allclose(f(Z, *also), f(Z.astype(np.float64), *also), rtol=1e-9)
