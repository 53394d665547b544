"Ablations: intervals on made numbers, and what an interrupted or a further training leaves"
import json
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from conftest import ROOT
from cytoself_nb import core, runs
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


@pytest.fixture
def package(tmp_path, monkeypatch):
    "A package that keeps nothing, and runs elsewhere"
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path/'out'))
    monkeypatch.setattr(runs, '_KEPT', tmp_path/'package')
    monkeypatch.setattr(runs, 'crop_store', lambda run: SimpleNamespace(path=run.path/'crops.zarr'))
    return tmp_path/'package'


def test_without_trainings_the_sentence_says_what_to_run(package):
    with pytest.raises(NotForTheseData, match='run make ablations'): A.ablation_numbers(open_run('simulated', 'demo', 0))


def beside(file, settings):
    "What stands beside an artefact"
    file.with_name(f'{file.name}.settings.json').write_text(json.dumps(dict(made_by='56_fig4_ablations', built='2026-01-01', bytes=file.stat().st_size if file.is_file() else 0, settings=settings)))


def fake(run, variant, value, epochs):
    "What `variant_numbers` leaves"
    file = run.path/f'{A.variant_name(variant)}-numbers.csv'
    file.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame([dict(variant=variant, level='organelle', place='representation', metric='mAP', value=value, umap=np.nan, epoch=np.nan)]).to_csv(file, index=False)
    beside(file, dict(model=dict(model={}, channels='protein', batch=32, rate=1e-3, start=True, epochs=epochs, seed=run.seed)))


def test_a_further_seed_adds_to_what_is_there(package):
    for seed, value in ((0, .5), (3, .6)): fake(open_run('simulated', 'demo', seed), 'full', value, 6)
    fake(open_run('simulated', 'demo', 0), 'no split', .4, 6)
    numbers = A.ablation_numbers(open_run('simulated', 'demo', 0))
    assert A.by_seed(numbers, 'organelle', 'representation', 'mAP').loc['full'].to_dict() == {0: .5, 3: .6}
    assert A.by_seed(numbers, 'organelle', 'representation', 'mAP').loc['no split'].isna().tolist() == [False, True]


def test_what_the_package_keeps_stands_where_the_run_has_nothing(package):
    "Numbers and maps of the very crops, two trainings of a seed as their mean; of other crops none; a training of one's own hides them"
    run = open_run('simulated', 'demo', 0)
    store = run.path/'crops.zarr'
    store.mkdir(parents=True)
    beside(store, dict(size=64))
    kept = package/'simulated-demo-0'
    kept.mkdir(parents=True)
    rows = [dict(variant='full', level='organelle', place='representation', metric='mAP', value=v, seed=s, training=f'{s}, run {k}') for s, k, v in ((0, 1, .5), (0, 2, .6), (1, 1, .7))]
    pd.DataFrame(rows).to_csv(kept/'ablation_numbers.csv', index=False)
    (kept/'ablation_maps.csv').write_text('full 1,full 2\n1.5,2\n')
    for what in ('numbers', 'maps'): beside(kept/f'ablation_{what}.csv', dict(data=dict(size=64)))
    assert A.by_seed(A.ablation_numbers(run).assign(umap=np.nan), 'organelle', 'representation', 'mAP').loc['full'].to_dict() == {0: pytest.approx(.55), 1: .7}
    assert A.variant_maps(run, ['full'])['full'].tolist() == [[1.5, 2]]
    beside(store, dict(size=32))
    with pytest.raises(NotForTheseData, match='run make ablations'): A.ablation_numbers(run)
    fake(run, 'full', .4, 9)
    assert A.ablation_numbers(run).value.tolist() == [.4]


def test_the_full_network_is_trained_five_times(monkeypatch):
    "Others for the seeds that are asked; nothing is trained here"
    asked = []
    monkeypatch.setattr(A, 'crop_store', lambda run: SimpleNamespace(channels=['protein']))
    monkeypatch.setattr(A, 'ProcessPoolExecutor', lambda *_: nullcontext(SimpleNamespace(submit=lambda f, *job: asked.append(job[2:4]) or SimpleNamespace(result=lambda: (*job[2:4], 1)))))
    monkeypatch.setattr(A, 'as_completed', list)
    done = A.train_ablations(seeds=(0, 2))
    assert [s for s, v in asked if v == 'full'] == [0, 2, 1, 3, 4] and len(done) == 2*5 + 3


@pytest.mark.parametrize('channels, expected', [(('protein', 'nucleus', 'distance'), 7), (('protein', 'distance'), 6), (('protein', 'cytosol'), 6), (('protein',), 5)])
def test_variants_that_the_channels_allow(channels, expected):
    store = type('Store', (), dict(channels=list(channels)))
    assert len(A.variants_of(store)) == expected


@pytest.mark.parametrize('value, expected', [([.1, .4, .5], .1), ([.1, .5, .5], 0), ([.1, .5, .4], -.1)])
def test_rise_is_that_of_the_last_quarter(value, expected):
    assert A.rise(pd.DataFrame(dict(epoch=[1, 6, 8], value=value))) == pytest.approx(expected)


def test_the_committed_table_is_that_of_the_kept_numbers():
    "Networks, seeds and all: `make figures` draws Fig. 4 and Table 1 from what the package keeps"
    numbers, committed = pd.read_csv(core._KEPT/'simulated-demo-0/ablation_numbers.csv'), pd.read_csv(ROOT/'figures/simulated/table1_ablations.csv')
    pd.testing.assert_frame_equal(A.table_of_ablations(numbers, ['organelle', 'complex']), committed, check_dtype=False, rtol=1e-4)
    seeds = numbers.groupby('variant').seed.nunique()
    assert seeds.drop('full').eq(3).all() and seeds['full'] == A.FULL_SEEDS and numbers.groupby('variant').training.nunique().sum() == 44
