"Odd cells: the drawn truth, scores with a known answer, and what is refused"
import numpy as np
import pandas as pd
import pytest

from cytoself_nb import odd_cells as oc
from cytoself_nb.microscope import simulated_cells


def screen(cells=60, proteins=4, odd=6, seed=0):
    "Proteins that differ along a direction each; the first `odd` cells of P0 are where P1 is"
    rng = np.random.default_rng(seed)
    obs = pd.DataFrame(dict(protein=np.repeat([f'P{k}' for k in range(proteins)], cells)))
    obs = obs.assign(odd=(obs.protein == 'P0') & (obs.groupby('protein').cumcount() < odd))
    obs = obs.assign(share=np.where(obs.protein == 'P0', odd/cells, 0.))
    at = obs.protein.str[1:].astype(int).mask(obs.odd, 1)
    X = 6*np.eye(proteins, 16)[at] + rng.normal(size=(len(obs), 16))*np.r_[np.ones(8), 4*np.ones(8)]
    return X, obs


def test_an_odd_cell_has_its_protein_in_the_other_place_and_all_else_as_it_was():
    p = oc.odd_proteome((2, 1, 1, 1), 3).iloc[0].to_dict() | dict(truth_main='nucleolus', goal='cytoplasm')
    (usual, none), (odd, every) = (oc.mixed_field(p | dict(share=s), 0, 4, 0) for s in (0., 1.))
    assert not none.odd.any() and every.odd.all()
    assert np.array_equal(usual[:, 2], odd[:, 2])                      # the same cells
    inside = lambda x: (x[:, 0]*(x[:, 2] > 0)).sum((1, 2))/x[:, 0].sum((1, 2))
    assert (inside(usual) > inside(odd) + .2).all()
    labels = simulated_cells(pd.DataFrame([p | dict(localization=None)]), 1, 4, 64, 0)[1]
    assert none[['y', 'x']].to_numpy().tolist() == labels[['y', 'x']].to_numpy().tolist()


def test_the_moved_cells_are_found_and_the_one_far_out_elsewhere_is_not():
    X, obs = screen()
    X[100] += 60*np.eye(16)[15]
    s = oc.cell_scores(X, obs)
    assert s['distance'].idxmax() == 100
    for name in ('along proteins', 'toward another'): assert set(s[name].nlargest(6).index) == set(range(6))
    assert set(s.toward[:6]) == {'P1'}
    n = oc.cell_numbers(s, obs, top=6).set_index('score')
    assert n.auc['toward another'] == n.top['toward another'] == 1 and n.top['distance'] < .5
    assert n.by_chance['distance'] == pytest.approx(6/240)


def test_the_order_of_cells_does_not_matter():
    X, obs = screen()
    order = np.random.default_rng(1).permutation(len(X))
    s, again = oc.cell_scores(X, obs), oc.cell_scores(X[order], obs.iloc[order].reset_index(drop=True))
    assert np.allclose(s.drop(columns='toward').to_numpy()[order], again.drop(columns='toward').to_numpy(), rtol=1e-4, atol=1e-4)


def test_distance_is_from_the_mean_of_the_other_cells():
    X, obs = screen(cells=5, odd=0)
    Z, _, _ = oc.protein_space(X, obs.protein)
    assert oc.cell_scores(X, obs)['distance'][7] == pytest.approx(np.linalg.norm(Z[7] - Z[[5, 6, 8, 9]].mean(0)))


def test_the_mixed_protein_comes_first_and_says_what_it_resembles():
    X, obs = screen()
    t = oc.protein_table(oc.cell_scores(X, obs), obs)
    assert (t.protein[0], t.toward[0]) == ('P0', 'P1') and t.mixed[0] > 2 and (t.mixed[1:] < 0).all()
    assert t.cells.tolist() == [60]*4 and t.beyond.sum() == 24


def test_what_cannot_be_scored_is_refused():
    X, obs = screen(cells=5, odd=0)
    for x, o in ((X[1:], obs), (X[:5], obs[:5]), (X[3:], obs[3:].reset_index(drop=True))):
        with pytest.raises(ValueError, match='three cells of each'): oc.cell_scores(x, o)
    X[3, 3] = np.nan
    with pytest.raises(ValueError, match='NaN'): oc.cell_scores(X, obs)
    X[3, 3] = 0
    with pytest.raises(ValueError, match='plain quantities hold NaN'): oc.cell_scores(X, obs, pd.DataFrame(np.full((len(X), 2), np.nan)))
    with pytest.raises(ValueError, match='1 of 20 crops have no protein'): oc.cell_scores(X, obs.assign(protein=obs.protein.mask(obs.index == 4)))
    with pytest.raises(ValueError, match='all 20 vectors are the same'): oc.cell_scores(np.ones_like(X), obs)
