"The network of the long training is kept: runs of its settings start from it, and its codes give the committed tables again"
import json
import re
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from conftest import ROOT
from cytoself_nb import deeploc, runs
from cytoself_nb import deeploc_fig1_function as fig1
from cytoself_nb.core import _settings_of, get_profile, n_epochs, open_run
from cytoself_nb.inpainting import PairedCellInpainting, load_inpainting
from cytoself_nb.model import CytoselfFull
from cytoself_nb.weights import network_file, save_weights

sys.path.insert(0, str(ROOT/'docs'))
TINY = dict(channels=2, n_classes=3, size=64, n_codes=16, hidden=8, decoder_width=16)


@pytest.fixture
def kept(tmp_path, monkeypatch):
    "A run, and a package that keeps a network trained with the settings {'a': [1, 2]}"
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path/'out'))
    monkeypatch.delenv('CYTOSELF_NB_TRAIN', raising=False)
    file = tmp_path/'package/simulated.safetensors'
    file.parent.mkdir()
    save_weights(CytoselfFull(**TINY), file, extra=dict(channels='protein+nucleus'), bits=8)
    file.with_suffix('.csv').write_text('epoch,rate\n0,0.002\n')
    (file.parent/f'{file.name}.settings.json').write_text(json.dumps(dict(settings=dict(a=[1, 2]), built='then', made_by='13_training', bytes=file.stat().st_size)))
    monkeypatch.setattr(runs, 'network_file', lambda name: tmp_path/f'package/{name}.safetensors')
    monkeypatch.setattr(runs, '_KEPT', tmp_path/'package/runs')
    return open_run('simulated', 'smoke', 0)


def test_a_run_of_the_same_settings_starts_from_it(kept):
    "A tuple is a list in JSON; the history comes along; what was trained before with other settings is replaced"
    (kept.path/'history.csv').write_text('of another training')
    model = runs.kept_network(kept, dict(a=(1, 2)))
    assert not model.training and model.extra['channels'] == 'protein+nucleus' and model.settings['n_codes'] == 16
    assert pd.read_csv(kept.path/'history.csv').rate.tolist() == [.002] and _settings_of(kept.path/'model.safetensors')['settings'] == dict(a=[1, 2])


def test_other_settings_or_the_wish_to_train(kept, monkeypatch):
    assert runs.kept_network(kept, dict(a=[1, 3])) is None and not (kept.path/'model.safetensors').exists()
    monkeypatch.setenv('CYTOSELF_NB_TRAIN', '1')
    assert runs.kept_network(kept, dict(a=[1, 2])) is None
    monkeypatch.setenv('CYTOSELF_NB_TRAIN', '')
    assert runs.kept_network(kept, dict(a=[1, 2])) is not None


def test_the_wish_to_train_after_figures_were_drawn_from_it(kept, monkeypatch):
    "The copy in the run goes, or it would be taken for a network that was trained here; one that was stays"
    assert runs.kept_network(kept, dict(a=[1, 2])) is not None and (kept.path/'model.safetensors').exists()
    monkeypatch.setenv('CYTOSELF_NB_TRAIN', '1')
    assert runs.kept_network(kept, dict(a=[1, 2])) is None and not (kept.path/'model.safetensors').exists()
    save_weights(CytoselfFull(**TINY), kept.path/'model.safetensors', extra=dict(channels='protein+nucleus'), bits=16)
    assert runs.kept_network(kept, dict(a=[1, 2])) is None and (kept.path/'model.safetensors').exists()


def test_its_history_comes_again_but_not_over_that_of_ones_own_training(kept, monkeypatch):
    for _ in range(2):
        runs.kept_network(kept, dict(a=[1, 2]))
        assert pd.read_csv(kept.path/'history.csv').rate.tolist() == [.002]
        (kept.path/'history.csv').unlink()
    save_weights(CytoselfFull(**TINY), kept.path/'model.safetensors', extra=dict(channels='protein+nucleus'), bits=16)
    side = kept.path/'model.safetensors.settings.json'
    side.write_text(json.dumps(json.loads(side.read_text()) | dict(bytes=(kept.path/'model.safetensors').stat().st_size)))
    (kept.path/'history.csv').write_text('of ones own')
    runs.kept_network(kept, dict(a=[1, 2]))
    assert (kept.path/'history.csv').read_text() == 'of ones own'


def test_a_full_disk_leaves_the_old_history(kept, monkeypatch):
    (kept.path/'history.csv').write_text('of another training')
    def full(*args): raise OSError(28, 'No space left on device')
    monkeypatch.setattr(runs.shutil, 'copyfile', lambda a, b: full() if str(b).endswith('model.safetensors') else b.write_bytes(a.read_bytes()))
    with pytest.raises(OSError, match='unchanged'): runs.kept_network(kept, dict(a=[1, 2]))
    assert (kept.path/'history.csv').read_text() == 'of another training'


def test_data_without_a_network(kept):
    assert runs.kept_network(open_run('hpa5', 'smoke', 0), dict(a=[1, 2])) is None


def test_cell_inpainting_of_the_package_comes_with_its_history(kept, tmp_path):
    "Under its own names, so that neither network hides the history of the other"
    file = tmp_path/'package/runs'/kept.path.name/'inpainting.safetensors'
    file.parent.mkdir(parents=True)
    save_weights(PairedCellInpainting(2, 1), file, extra=dict(channels='protein+nucleus'), bits=8)
    file.with_suffix('.csv').write_text('epoch,valid_loss\n0,0.01\n')
    (file.parent/f'{file.name}.settings.json').write_text(json.dumps(dict(settings=dict(a=[1, 2]), built='then', made_by='31_inpainting', bytes=file.stat().st_size)))
    model = runs.kept_network(kept, dict(a=[1, 2]), 'inpainting', load_inpainting, '31_inpainting')
    assert isinstance(model, PairedCellInpainting) and not model.training and model.extra == dict(channels='protein+nucleus')
    assert pd.read_csv(kept.path/'inpainting-history.csv').valid_loss.tolist() == [.01] and not (kept.path/'history.csv').exists()
    assert _settings_of(kept.path/'inpainting.safetensors')['made_by'] == '31_inpainting'


@pytest.mark.parametrize('profile, share, train, epochs', [('demo', None, '', 6), ('demo', None, '1', 100), ('long', None, '', 100), ('demo', .1, '1', 2), ('smoke', None, '1', 1)])
def test_how_long_cell_inpainting_is_trained(tmp_path, monkeypatch, profile, share, train, epochs):
    "To the end of its schedule with TRAIN=1 and in the long profile; one that was, here, is not replaced by a shorter one"
    labels = pd.DataFrame(dict(split=['train']*2000))
    monkeypatch.setenv('CYTOSELF_NB_TRAIN', train)
    monkeypatch.setattr(runs, 'crop_store', lambda run: SimpleNamespace(labels=labels, path='store', channels=['protein', 'nucleus']))
    monkeypatch.setattr(runs, '_made', lambda path: dict(settings='data'))
    monkeypatch.setattr(runs, '_KEPT', tmp_path/'package')
    monkeypatch.setattr(runs, 'resumable', lambda path, csv, made_with, *more: (path, made_with))
    run = SimpleNamespace(profile=get_profile(profile), seed=0, path=tmp_path, weights='', data='mine')
    path, made = runs.inpainting_model(run, share)
    assert made['epochs'] == epochs and path == tmp_path/'inpainting.safetensors'
    path.write_text('a network')
    whole = made | dict(epochs=100)
    path.with_name(f'{path.name}.settings.json').write_text(json.dumps(dict(settings=whole, built='then', made_by='31_inpainting', bytes=path.stat().st_size)))
    assert runs.inpainting_model(run, share)[1]['epochs'] == (epochs if share else 100)


@pytest.mark.parametrize('profile, train, weights, where, name', [
    ('demo', '', '', None, 'model'), ('demo', '1', '', None, 'converged'), ('demo', '', '', 'package', 'converged'), ('demo', '', '', 'run', 'converged'),
    ('demo', '1', 'mine.safetensors', None, 'model'), ('long', '1', '', 'package', 'model'), ('smoke', '1', '', None, 'model'), ('demo', '', '', 'other data', 'model')])
def test_which_network_is_compared_with_rivals(tmp_path, monkeypatch, profile, train, weights, where, name):
    "One trained to the end of its schedule on the same crops, where there is one; other profiles train as they do"
    monkeypatch.setenv('CYTOSELF_NB_TRAIN', train)
    monkeypatch.setattr(runs, '_KEPT', tmp_path/'package')
    monkeypatch.setattr(runs, 'crop_store', lambda run: SimpleNamespace(path='store'))
    monkeypatch.setattr(runs, '_made', lambda path: dict(settings=dict(data='mine')))   # of the crops
    run = SimpleNamespace(profile=get_profile(profile), path=tmp_path/'mine-demo-0', weights=weights)
    if where:
        folder = run.path if where == 'run' else tmp_path/'package/mine-demo-0'
        folder.mkdir(parents=True)
        made = dict(settings=dict(data=dict(data='other' if where == 'other data' else 'mine')), built='then', made_by='13_training')
        (folder/'converged.safetensors.settings.json').write_text(json.dumps(made))
    assert runs.converged_or_model(run) == name


def beside(file, settings):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.with_name(f'{file.name}.settings.json').write_text(json.dumps(dict(settings=settings, built='then', made_by='72_deeploc_fig1_function')))


@pytest.mark.parametrize('profile, train, where, share', [
    ('demo', '', None, .12), ('demo', '1', None, 2), ('demo', '', 'package', 2), ('demo', '', 'run', 2), ('demo', '', 'short', .12),
    ('demo', '', 'other data', .12), ('long', '', None, None), ('paper', '1', 'package', None), ('smoke', '1', 'package', .12)])
def test_how_long_rivals_of_the_second_paper_are_trained(tmp_path, monkeypatch, profile, train, where, share):
    "With as many crops as DeepLoc where that is wanted, kept or was done on these crops; nothing that took an hour is replaced by a short training"
    monkeypatch.setenv('CYTOSELF_NB_TRAIN', train)
    monkeypatch.setattr(runs, '_KEPT', tmp_path/'package')
    labels = pd.DataFrame(dict(split=['train']*5120 + ['test']*9))   # eight epochs of the budget, DeepLoc has 16
    for module in (runs, fig1): monkeypatch.setattr(module, 'crop_store', lambda run: SimpleNamespace(path='store', labels=labels))
    monkeypatch.setattr(runs, '_made', lambda path: dict(settings=dict(data='mine')))   # of the crops
    run = SimpleNamespace(profile=get_profile(profile), path=tmp_path/'mine-demo-0')
    if where:
        folder = tmp_path/'package/mine-demo-0' if where == 'package' else run.path/'representations'
        beside(folder/'cell_inpainting.npz', dict(data=dict(data='other' if where == 'other data' else 'mine'), share=.12 if where == 'short' else 2))
    assert fig1.trained_share(run, 'cell inpainting') == share and fig1.trained_share(run, 'cytoself') in (None, 1., 2)
    if share == 2: assert round(n_epochs(run.profile, 5120)*share) == deeploc.DEEPLOC_SIZES['demo']['epochs']


def test_means_of_the_package_stand_where_the_run_has_none(tmp_path, monkeypatch):
    "And with `TRAIN=1` they are made; a mean is paired with its protein by name"
    monkeypatch.setenv('CYTOSELF_NB_TRAIN', '')
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path/'out'))
    monkeypatch.setattr(runs, '_KEPT', tmp_path/'package')
    run, labels = open_run('simulated_yeast', 'demo', 0), pd.DataFrame(dict(protein=['B', 'A'], gene=['gb', 'ga'], split='train'))
    for module in (runs, deeploc, fig1): monkeypatch.setattr(module, 'crop_store', lambda run: SimpleNamespace(path=run.path/'crops.zarr', labels=labels))
    beside(run.path/'crops.zarr', dict(size=64))
    file = tmp_path/'package'/run.path.name/'cell_inpainting.npz'
    beside(file, dict(data=dict(size=64), share=2))
    np.savez_compressed(file, x=np.array([[1, 2], [3, 4]], np.float16), proteins=np.array(['A', 'B']), course=np.array([16, np.nan, 1e-4]), seconds=9.)
    for _ in range(2): assert fig1.representation(run, 'cell inpainting').to_dict('list') == {0: [1, 3], 1: [2, 4]}
    assert fig1.representation(run, 'cell inpainting').index.tolist() == ['ga', 'gb'] and fig1._built(run, 'cell inpainting')['course'][0] == 16
    monkeypatch.setitem(fig1.BUILDERS, 'cell inpainting', lambda run: pytest.fail('trained'))
    monkeypatch.setenv('CYTOSELF_NB_TRAIN', '1')   # the copy in the run goes
    with pytest.raises(pytest.fail.Exception, match='trained'): fig1.representation(run, 'cell inpainting')


# ---- what is in the package

@pytest.fixture(scope='module')
def codes():
    file = network_file('simulated').with_suffix('.npz')
    if not file.exists(): pytest.skip('the package keeps no codes of test crops')
    with np.load(file) as z: return {k: z[k] for k in z.files}


def of_long(name):
    "The table of a committed figure, if it was drawn from the network that is kept"
    made = json.loads((ROOT/'figures/simulated/manifest.json').read_text())[name]
    if made['profile'] != 'long': pytest.skip(f'{name} is of the profile {made["profile"]}')
    return pd.read_csv(ROOT/f'figures/simulated/{name}.csv')


def test_settings_and_history_lie_beside_the_network(codes):
    file = network_file('simulated')
    made, history = _settings_of(file), pd.read_csv(file.with_suffix('.csv'))
    p = get_profile('long')
    assert made['bytes'] == file.stat().st_size and made['settings']['rate'] == p.rate and made['settings']['data']['proteins'] == p.proteins
    assert len(history) <= made['settings']['epochs'] and history.epoch.is_monotonic_increasing


def test_spectra_of_the_kept_codes_are_those_of_the_figure(codes):
    "Suppl. 6a: the correlation of every pair of proteins"
    table = of_long('s6a_pairs')
    r = pd.DataFrame(np.corrcoef(codes['spectra'].astype(float)), codes['names'], codes['names'])
    assert np.allclose([r.loc[a, b] for a, b in zip(table.a, table.b)], table.r, atol=2e-3)


def test_the_kept_codes_give_the_purity_of_the_atlas(codes):
    "Global codes and the codebook are the representation; its neighbors are those that the claims count"
    from cytoself_nb.stats import neighbors
    from cytoself_nb.weights import load_weights
    atlas, model = of_long('fig2_atlas'), load_weights(network_file('simulated'))
    k, book = model.settings['n_splits'], model.vq2.codebook.detach()
    side = int((codes['codes'].shape[1]//k)**.5)
    X = book[torch.from_numpy(codes['codes'].astype(np.int64))].reshape(len(codes['codes']), side, side, -1).permute(0, 3, 1, 2).flatten(1).numpy()
    assert (codes['protein'] == atlas.protein).all() and (codes['fov'] == atlas.fov).all()
    place = pd.Series(codes['localization']).replace('', np.nan)
    known = place.notna().to_numpy()
    near = neighbors(X, 10, codes['protein'], np.flatnonzero(known), known)
    share = (place.to_numpy()[near] == place[known].to_numpy()[:, None]).mean()
    cells = json.loads((ROOT/'nbs/51_fig2_atlas.ipynb').read_text(encoding='utf-8'))['cells']
    tables = ' '.join(''.join(o.get('data', {}).get('text/html', [])) for c in cells for o in c.get('outputs', []))
    row = re.search(r'localization, of other proteins, representation</th>((?:\s*<td>[\d.]+</td>)+)', tables)[1]
    purity = [float(v) for v in re.findall(r'<td>([\d.]+)', row)][:3]   # of the three trainings
    said = pd.read_csv(ROOT/'figures/simulated/claims_51_fig2_atlas.csv').set_index('id').here['U1a'].split('in the representation ')[1]
    assert abs(np.mean(purity) - float(said.rstrip('%'))/100) < .006, 'the claim has the mean, to a percent'
    assert abs(share - purity[0]) < .02, 'there it is a mean over proteins, here over crops'


# ---- the committed figures, drawn again on another machine

def drawn(n=400, seed=0):
    "A table of crops and one of codes"
    rng = np.random.default_rng(seed)
    crops = pd.DataFrame(dict(row=range(n), protein=rng.choice(list('abc'), n), score=rng.normal(5, 1, n), umap_1=rng.normal(size=n)))
    return crops, pd.DataFrame(dict(code=rng.permutation(n), place=range(n), cluster=np.arange(n)//50, count=rng.integers(50, 500, n)))


def test_what_another_processor_changes_is_no_difference_and_what_a_mistake_changes_is():
    from check_figures import difference
    crops, codes = drawn()
    assert difference(crops, crops.assign(umap_1=0.)) == '' and difference(crops, crops.assign(score=crops.score*1.01)) == ''
    tied = crops.assign(score=crops.score.mask(crops.row < 4, 9.))
    assert difference(crops, tied) == '' and difference(crops[:100], tied[:100]).startswith('score: 4 of 100 apart')
    assert difference(crops, crops.assign(score=crops.score.mask(crops.row < 8, 9.))).startswith('score: 8 of 400 apart')
    assert difference(crops, crops.assign(protein='d')) == 'protein names others' and difference(crops, crops[1:]) == '400 rows before, 399 now'
    turned = codes.iloc[::-1].assign(place=range(400), cluster=7 - codes.cluster.iloc[::-1])
    assert difference(codes, turned) == '', 'the same tree, turned around'
    assert difference(codes, codes.assign(cluster=np.arange(400) % 8)).startswith('clusters: adjusted Rand index')
    assert difference(codes, codes.assign(count=codes['count'] + 20)).startswith('count: ') and difference(codes, codes.assign(count=codes['count'] + 1)) == ''
    assert 'before' in difference(crops, crops.rename(columns={'score': 'r'}))


def test_claims_are_compared_by_value_and_verdict(tmp_path):
    import check_figures
    for f in check_figures.FIGURES.glob('claims_5[123]_*.csv'): (tmp_path/f.name).write_text(f.read_text())
    said = check_figures.compared(tmp_path, [], ['51', '52', '53'])
    assert len(said) == 3 and not any(said.values())
    changed = pd.read_csv(tmp_path/'claims_52_fig3_path.csv')
    for c, v in (('verdict', 'contradicts'), ('value', .5)):
        changed.assign(**{c: v}).to_csv(tmp_path/'claims_52_fig3_path.csv', index=False)
        assert check_figures.compared(tmp_path, [], ['51', '52'])['claims_52_fig3_path'].startswith(c)
    assert check_figures.compared(tmp_path, ['fig2_atlas'], ['51'])['fig2_atlas'] == 'not drawn'
    assert check_figures.compared(tmp_path, ['s5_real_why', 's5_tolerance'], []) == dict(s5_real_why=None, s5_tolerance='not drawn')
