"Ablations: intervals on made numbers, and what an interrupted or a further training leaves"
import json

import numpy as np
import pandas as pd
import pytest

from cytoself_nb import fig4_ablations as A
from cytoself_nb.core import NotForTheseData, open_run


@pytest.mark.parametrize('n, expected', [(2, 12.706), (3, 4.3027), (5, 2.7764)])
def test_interval_uses_students_quantile(n, expected):
    x = pd.DataFrame([np.arange(n, dtype=float)])
    _, half = A.t_interval(x)
    assert half[0] == pytest.approx(expected * np.std(np.arange(n), ddof=1) / n**.5, rel=1e-4)


def test_drops_are_paired_by_seed():
    rng = np.random.default_rng(0)
    level = rng.normal(size=5)   # what a seed does to all variants alike
    rows = [dict(variant=v, seed=s, level='organelle', place='representation', metric='mAP', umap=np.nan, value=base + level[s]) for v, base in (('full', 1.), ('no split', .7)) for s in range(5)]
    t = A.table_of_ablations(pd.DataFrame(rows), ['organelle'])
    one = t[(t.metric == 'mAP') & (t.variant == 'no split')].iloc[0]
    assert (one['drop'], one.low, one.high) == (pytest.approx(.3), pytest.approx(.3), pytest.approx(.3))
    assert one['sem'] > .1


def test_scores_on_maps_are_averaged_before_seeds():
    rows = [dict(variant='full', seed=s, level='organelle', place='map', metric='score (paper)', umap=u, value=v) for s, u, v in ((0, 0, 1.), (0, 1, 3.), (1, 1, 5.), (1, 2, 7.))]
    rows += [dict(rows[0], umap=np.nan, value=99.)]   # the mean over maps, kept beside them
    assert A.by_seed(pd.DataFrame(rows), 'organelle', 'map', 'score (paper)').loc['full'].tolist() == [2., 6.]


def test_without_trainings_the_sentence_says_what_to_run(tmp_path, monkeypatch):
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path))
    with pytest.raises(NotForTheseData, match='run make ablations'): A.ablation_numbers(open_run('simulated', 'demo', 0))


def fake(run, variant, value, epochs):
    "What `variant_numbers` leaves"
    folder = run.path/f'{A.variant_name(variant)}-numbers'
    folder.mkdir(parents=True)
    pd.DataFrame([dict(variant=variant, level='organelle', place='representation', metric='mAP', value=value, umap=np.nan, epoch=np.nan)]).to_csv(folder/'numbers.csv', index=False)
    model = dict(model={}, channels='protein', batch=32, rate=1e-3, start=True, epochs=epochs, seed=run.seed)
    folder.with_name(f'{folder.name}.settings.json').write_text(json.dumps(dict(made_by='56_fig4_ablations', built='2026-01-01', settings=dict(model=model))))


def test_a_further_seed_adds_to_what_is_there(tmp_path, monkeypatch):
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path))
    for seed, value in ((0, .5), (3, .6)): fake(open_run('simulated', 'demo', seed), 'full', value, 6)
    fake(open_run('simulated', 'demo', 0), 'no split', .4, 6)
    numbers = A.ablation_numbers(open_run('simulated', 'demo', 0))
    assert A.by_seed(numbers, 'organelle', 'representation', 'mAP').loc['full'].to_dict() == {0: .5, 3: .6}
    assert A.by_seed(numbers, 'organelle', 'representation', 'mAP').loc['no split'].isna().tolist() == [False, True]


@pytest.mark.parametrize('channels, expected', [(('protein', 'nucleus', 'distance'), 7), (('protein', 'distance'), 6), (('protein', 'cytosol'), 6), (('protein',), 5)])
def test_variants_that_the_channels_allow(channels, expected):
    store = type('Store', (), dict(channels=list(channels)))
    assert len(A.variants_of(store)) == expected


@pytest.mark.parametrize('value, expected', [([.1, .4, .5], .1), ([.1, .5, .5], 0), ([.1, .5, .4], -.1)])
def test_rise_is_that_of_the_last_quarter(value, expected):
    assert A.rise(pd.DataFrame(dict(epoch=[1, 6, 8], value=value))) == pytest.approx(expected)
