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
    for module in (A, runs): monkeypatch.setattr(module, '_KEPT', tmp_path/'package')
    return tmp_path/'package'


def test_without_trainings_the_sentence_says_what_to_run(package):
    with pytest.raises(NotForTheseData, match='run make ablations'): A.ablation_numbers(open_run('simulated', 'demo', 0))


def fake(folder, variant, value, epochs, kind='numbers', **data):
    "What `variant_numbers` leaves, or the package keeps"
    file = folder/f'{A.variant_name(variant)}-{kind}.csv'
    file.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame([dict(variant=variant, level='organelle', place='representation', metric='mAP', value=value, umap=np.nan, epoch=np.nan)]).to_csv(file, index=False)
    model = dict(model={}, channels='protein', batch=32, rate=1e-3, start=True, epochs=epochs, seed=int(folder.name[-1]), data=data)
    file.with_name(f'{file.name}.settings.json').write_text(json.dumps(dict(made_by='56_fig4_ablations', built='2026-01-01', bytes=file.stat().st_size, settings=dict(model=model))))


def test_a_further_seed_adds_to_what_is_there(package):
    for seed, value in ((0, .5), (3, .6)): fake(open_run('simulated', 'demo', seed).path, 'full', value, 6)
    fake(open_run('simulated', 'demo', 0).path, 'no split', .4, 6)
    numbers = A.ablation_numbers(open_run('simulated', 'demo', 0))
    assert A.by_seed(numbers, 'organelle', 'representation', 'mAP').loc['full'].to_dict() == {0: .5, 3: .6}
    assert A.by_seed(numbers, 'organelle', 'representation', 'mAP').loc['no split'].isna().tolist() == [False, True]


def test_what_the_package_keeps_stands_where_the_run_has_nothing(package, monkeypatch):
    "Numbers and maps of the very crops; of other crops none; a training of one's own hides them"
    run = open_run('simulated', 'demo', 0)
    monkeypatch.setattr(runs, 'crop_store', lambda run: SimpleNamespace(path=run.path/'crops.zarr'))
    monkeypatch.setattr(runs, '_made', lambda path: dict(settings=dict(size=64)) if path.name == 'crops.zarr' else core._settings_of(path))
    def of_full(): return A.ablation_numbers(run).query('variant == "full"').value.tolist()
    for seed, value in ((0, .5), (1, .7)): fake(package/f'simulated-demo-{seed}', 'full', value, 9, size=64)
    with pytest.raises(NotForTheseData, match='and one without a part'): A.ablation_numbers(run)
    fake(package/'simulated-demo-0', 'no split', .2, 9, size=64)
    with pytest.raises(NotForTheseData, match='no maps of the variants are kept for simulated-demo-0'): A.variant_maps(run, ['full'])
    (package/'simulated-demo-0/ablations/aligned_maps.csv').write_text('full 1,full 2\n1.5,2\n')
    fake(package/'simulated-demo-1', 'full', .8, 9, kind='again', size=64)   # for none of this seed: not shown
    assert of_full() == [.5, .7]
    fake(package/'simulated-demo-0', 'full', .6, 9, kind='again', size=64)
    assert A.by_seed(A.ablation_numbers(run), 'organelle', 'representation', 'mAP').loc['full'].to_dict() == {0: pytest.approx(.55), 1: .75}
    assert A.variant_maps(run, ['full'])['full'].tolist() == [[1.5, 2]]
    fake(run.path, 'full', .4, 9, size=64)
    assert of_full() == [.4, .7, .6, .8]
    for f in run.path.glob('ablations/*'): f.unlink()
    for variant, kind in (('full', 'numbers'), ('full', 'again'), ('no split', 'numbers')): fake(package/'simulated-demo-0', variant, .5, 9, kind=kind, size=32)
    with pytest.raises(NotForTheseData, match='run make ablations'): A.ablation_numbers(run)


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
    found = [(f, int(f.parts[-3].rsplit('-', 1)[1])) for v in A.VARIANTS for kind in ('numbers', 'again')
             for f in sorted(core._KEPT.glob(f'simulated-demo-*/{A.variant_name(v)}-{kind}.csv'))]
    numbers = pd.concat([pd.read_csv(f).assign(seed=s) for f, s in found], ignore_index=True)
    made, committed = A.table_of_ablations(numbers, ['organelle', 'complex']), pd.read_csv(ROOT/'figures/simulated/table1_ablations.csv')
    pd.testing.assert_frame_equal(made, committed, check_dtype=False, rtol=1e-4)
    seeds = committed[committed.metric == 'mAP'].groupby('variant').seeds.first()
    assert len(found) == 3*7*2 + 2 and seeds.drop('full').eq(3).all() and seeds['full'] == A.FULL_SEEDS
    for f, _ in found: assert core._settings_of(f)['bytes'] == f.stat().st_size, f
