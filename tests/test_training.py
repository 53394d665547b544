"A training from its first step to its last: killed and gone on, kept and found again; and its runs"
import dataclasses
import json
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import ROOT

from cytoself_nb import runs
from cytoself_nb.core import get_profile
from cytoself_nb.model import CytoselfFull
from cytoself_nb.training import code_maps, cytoself_learner, embed, resumable, start_codebooks, train_network
from cytoself_nb.data import crop_loader
from cytoself_nb.weights import load_weights

SMALL = dict(n_classes=2, size=64, n_codes=8, hidden=8, decoder_width=4)
SCRIPT = f"""
import sys
from fastai.basics import default_device
from cytoself_nb.data import open_store
from cytoself_nb.training import train_network
default_device(False)   # equal to the last digit only on a CPU
train_network(open_store(sys.argv[1]), {SMALL}, 3, batch=8, rate=1e-3, quantize_after=1, cosine_part=.5, snapshots_at=(0, 1),
              csv=sys.argv[2] + '/history.csv', checkpoint=sys.argv[2] + '/checkpoint.pt')
"""


def test_a_training_that_is_killed_goes_on_as_if_nothing_had_happened(tiny_store, tmp_path):
    "Late quantizers, a falling rate and snapshots included; killed by signal 9 when its history has a row"
    def start(folder):
        folder.mkdir(exist_ok=True)
        return subprocess.Popen([sys.executable, '-W', 'ignore', '-c', SCRIPT, tiny_store.path, folder], env=os.environ | dict(OMP_NUM_THREADS='1'))
    alone, killed = tmp_path/'alone', tmp_path/'killed'
    undisturbed, victim = start(alone), start(killed)
    while victim.poll() is None and not (killed/'history.csv').exists(): time.sleep(.02)
    victim.kill()
    victim.wait()
    assert len(pd.read_csv(killed/'history.csv')) < 3, 'it was over before it was killed'
    assert start(killed).wait() == 0 and undisturbed.wait() == 0
    whole, resumed = (pd.read_csv(f/'history.csv').drop(columns=['crops_per_s', 'peak_MiB', 'seconds', 'precision_why']) for f in (alone, killed))
    assert len(whole) == 3 and whole.train_global_perplexity.notna().tolist() == [False, True, True]
    pd.testing.assert_frame_equal(whole, resumed, rtol=1e-6)
    for key in ('model', 'callbacks'):
        a, b = (torch.load(f/'checkpoint.pt', weights_only=True)[key] for f in (alone, killed))
        if key == 'callbacks': a, b = a['snapshots']['kept'], b['snapshots']['kept']
        assert a.keys() == b.keys()
        for k in a: torch.testing.assert_close(a[k], b[k])


TOGETHER = f"""
import os, sys, time
from pathlib import Path
from cytoself_nb.data import open_store
from cytoself_nb.training import resumable, train_network
from cytoself_nb.weights import load_weights, save_weights
folder, store, rank = Path(sys.argv[2]), open_store(sys.argv[1]), os.environ['RANK']
def train(tmp, csv, checkpoint):
    learn = train_network(store, {SMALL}, 3, batch=4, rate=1e-3, quantize_after=1, snapshots_at=(1,), csv=csv, checkpoint=checkpoint)
    assert len(learn.snapshots.kept['3']) == (store.labels.split == 'val').sum(), 'not all crops of the snapshot'
    save_weights(learn.model, tmp)
    if rank == '0': time.sleep(3)   # the other process asks for the network before this one has filed it
for _ in range(2): model = resumable(folder/'model.safetensors', folder/'history.csv', dict(a=1), train, load_weights, 'test')
save_weights(model, folder/f'of-{{rank}}.safetensors')
"""


def test_two_processes_of_torchrun_train_one_network(tiny_store, tmp_path):
    "Half of each epoch in each process, on CPUs; the second time it is only loaded; the first process files it"
    (tmp_path/'together.py').write_text(TOGETHER)
    command = [sys.executable, '-W', 'ignore', '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '2', tmp_path/'together.py', tiny_store.path, tmp_path]
    env = os.environ | dict(OMP_NUM_THREADS='1', CUDA_VISIBLE_DEVICES='', PYTHONPATH=os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')]))
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    history = pd.read_csv(tmp_path/'history.csv')
    assert len(history) == 3 and history.train_global_perplexity.notna().tolist() == [False, True, True] and history.train_loss.iloc[-1] < history.train_loss.iloc[0]
    first, second, filed = (load_weights(tmp_path/f'{n}.safetensors').state_dict() for n in ('of-0', 'of-1', 'model'))
    for k, v in first.items():
        assert torch.equal(v, filed[k]), k
        if 'running' not in k and 'num_batches' not in k: assert torch.equal(v, second[k]), k
    assert not list(tmp_path.glob('*checkpoint*')) and not list(tmp_path.glob('*/*.tmp'))


def test_channels_that_do_not_fit_are_refused(tiny_store):
    with pytest.raises(ValueError, match="takes 2 channels, 'protein' has 1; build it with channels=1"):
        cytoself_learner(tiny_store, CytoselfFull(**SMALL), channels='protein')


def test_codes_start_from_different_vectors_and_stay_without(tiny_store):
    drawn = CytoselfFull(**SMALL)
    before = drawn.vq2.codebook.clone()
    started = start_codebooks(drawn, tiny_store, 'protein+distance')
    assert len(started.vq2.codebook.unique(dim=0)) == 8 and started.vq2.codebook.std() > 5*before.std()
    variant = train_network(tiny_store, SMALL | dict(quantize=False), 1, batch=8, quantize_after=1).model
    assert variant.vq1 is None or variant.quantizing


def test_embedding_does_not_depend_on_the_batch_and_leaves_the_mode(tiny_store):
    model = CytoselfFull(**SMALL).train()
    small, large = (embed(model, crop_loader(tiny_store, 'train', batch=b)) for b in (3, 100))
    assert model.training and len(embed(model, crop_loader(tiny_store, 'train', batch=3), most=4)[0]) == 4
    for a, b in zip(small, large): torch.testing.assert_close(torch.as_tensor(a), torch.as_tensor(b), rtol=1e-4, atol=1e-5)


def test_codes_of_one_position_lie_together():
    model = SimpleNamespace(settings=dict(n_splits=9))
    codes = torch.arange(4).repeat_interleave(9)[None]   # position of each code
    local, tiles = code_maps(model, torch.arange(16)[None], codes)
    assert tiles[0].tolist() == [[0]*3 + [1]*3]*3 + [[2]*3 + [3]*3]*3 and local[0, 1].tolist() == [4, 5, 6, 7]


def test_a_network_is_found_again_and_what_other_settings_left_goes(tmp_path):
    path, csv, trained = tmp_path/'model.txt', tmp_path/'history.csv', []
    def train(tmp, live, checkpoint):
        trained.append(checkpoint.name)
        for file in (tmp, live, checkpoint): file.write_text('x')
    def load(path): return SimpleNamespace(eval=path.read_text)
    def ask(rate): return resumable(path, csv, dict(rate=rate), train, load, '13_training')
    assert ask(1) == ask(1) == 'x' and len(trained) == 1
    assert sorted(p.name for p in tmp_path.glob('[!.]*')) == ['history.csv', 'model.txt', 'model.txt.settings.json']
    old = tmp_path/trained[0]
    old.write_text('of a training that was killed')
    ask(2)
    assert len(set(trained)) == 2 and not old.exists()
    csv.unlink()
    ask(2)
    assert len(trained) == 3, 'a network without its history is trained again'


def test_a_history_is_that_of_the_network_beside_it(tmp_path, monkeypatch):
    "Also when the disk was full as the settings of a network of another rate were to be filed"
    import errno
    path, csv = tmp_path/'model.txt', tmp_path/'history.csv'
    def ask(rate):
        def train(tmp, live, checkpoint): live.write_text(f'history of {rate}'); tmp.write_text(f'weights of {rate}')
        return resumable(path, csv, dict(rate=rate), train, lambda p: SimpleNamespace(eval=p.read_text), '13_training')
    def full(self, text, **options):
        if self.name == 'settings.json': raise OSError(errno.ENOSPC, 'No space left on device')
        return write(self, text, **options)
    ask(1)
    write = Path.write_text
    with monkeypatch.context() as patch, pytest.raises(OSError, match='what was there is unchanged'):
        patch.setattr(Path, 'write_text', full)
        ask(2)
    assert csv.read_text() == 'history of 1' and ask(1) == 'weights of 1' and csv.read_text() == 'history of 1'
    assert ask(2) == 'weights of 2' and csv.read_text() == 'history of 2' and not list(tmp_path.glob('model-*'))


def test_the_settings_of_a_network_keep_their_names(tiny_store, tmp_path, monkeypatch):
    "Networks that exist are found by these names, whatever the options are called"
    monkeypatch.setattr(runs, 'crop_store', lambda run: tiny_store)
    monkeypatch.setattr(runs, '_made', lambda path: dict(settings='data'))
    monkeypatch.setattr(runs, 'resumable', lambda path, csv, made_with, *more: (path.name, csv.name, made_with))
    run = SimpleNamespace(profile=get_profile('demo'), seed=3, path=tmp_path, weights='', data='hpa5')
    *names, made_with = runs.train_model(run)
    assert names == ['model.safetensors', 'history.csv'] and list(made_with) == 'model channels epochs batch rate seed start late anneal watch data'.split()
    *names, changed = runs.train_model(run, 'x', budget_share=.5, codes_from_crops=False, quantize_after=0, cosine_part=1., rate=1e-4, n_splits=1)
    assert names == ['x.safetensors', 'x-history.csv'] and changed['epochs'] == made_with['epochs']/2
    assert {k: changed[k] for k in ('start', 'late', 'anneal', 'rate')} == dict(start=False, late=0, anneal=1., rate=1e-4)
    assert changed['model'] == made_with['model'] | dict(n_splits=1)


def test_wherever_a_training_stops_it_goes_on_or_is_found(tmp_path, monkeypatch):
    "Stopped while it trains, before its history is kept, before the model and before its settings are filed, and after"
    import os as system
    from cytoself_nb import core
    def train(tmp, live, checkpoint):
        if not checkpoint.exists(): trained.append(1); checkpoint.write_text('all epochs')
        if not live.exists(): live.write_text('history')
        tmp.write_text('weights')
    def load(path): return SimpleNamespace(eval=path.read_text)
    class Killed(BaseException): pass
    for stop in range(6):
        folder, trained, left = tmp_path/str(stop), [], [stop]
        folder.mkdir()
        def ask(): return resumable(folder/'model.txt', folder/'history.csv', dict(rate=1), train, load, '13_training')
        def rename(a, b):
            left[0] -= 1
            if left[0] == 0: raise Killed
            return real(a, b)
        real = system.replace
        monkeypatch.setattr(core.os, 'replace', rename)
        try: ask()
        except Killed: pass
        monkeypatch.undo()
        assert ask() == 'weights' and len(trained) == 1, stop
        assert sorted(p.name for p in folder.glob('[!.]*')) == ['history.csv', 'model.txt', 'model.txt.settings.json'] and not list(folder.glob('.building*'))


def test_representations_that_are_not_finite_are_refused(tiny_store):
    model = CytoselfFull(**SMALL)
    with torch.no_grad(): next(model.parameters())[:] = float('nan')
    with pytest.raises(ValueError, match='representations are not finite'): embed(model, crop_loader(tiny_store, 'test'))


# ---- runs

def _settings(data='d', seed=0, more=None, **model):
    data = dict(data=data, files='f', seed=seed)
    other = dict(neighbours=10, of=dict(cellprofiler=f'2026-01-0{seed + 1} 10:00:00'), inpainting=dict(seed=seed, epochs=seed)) | (more or {})
    return dict(model=dict(dict(model={}, channels='protein', epochs=3 + seed, seed=seed, data=data) | model), trained=f'then {seed}', **other)

def test_seeds_are_pooled_over_the_same_data_and_model_only(tmp_path):
    kinds = [_settings(), _settings(seed=1), _settings('other', seed=2), _settings(seed=3, rate=1), _settings(seed=4, model=dict(size=100)),
             _settings(seed=5, epochs=300), _settings(seed=6, epochs=4, more=dict(neighbours=50)), _settings(seed=7, epochs=2)]
    for seed, settings in enumerate(kinds):
        folder = tmp_path/f'crops-demo-{seed}'; folder.mkdir()
        (folder/'x.csv').write_text('a\n1\n')
        (folder/'x.csv.settings.json').write_text(json.dumps(dict(settings=settings, built='now', made_by='x')))
    run = SimpleNamespace(path=tmp_path/'crops-demo-0', data='crops')
    assert [seed for _, seed, _ in runs.of_all_seeds(run, 'x.csv')] == [0, 1, 7]
    assert runs.tables_of_seeds(run, 'x').seed.tolist() == [0, 1, 7]


def test_further_seeds_that_the_package_keeps_are_shown_too_unless_they_were_trained_here(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, '_KEPT', tmp_path/'package')
    def put(home, seed, value, **more):
        folder = home/f'd-long-{seed}'; folder.mkdir(parents=True)
        (folder/'x.csv').write_text(f'a\n{value}\n')
        (folder/'x.csv.settings.json').write_text(json.dumps(dict(settings=_settings(seed=seed, epochs=5, **more), built='now', made_by='x')))
    for seed, value in ((1, 10), (2, 20)): put(tmp_path/'package', seed, value)
    put(tmp_path/'package', 3, 30, rate=1)                # of another kind
    for seed, value in ((0, 1), (2, 2)): put(tmp_path/'runs', seed, value)
    found = runs.tables_of_seeds(SimpleNamespace(path=tmp_path/'runs/d-long-0', data='d'), 'x')
    assert dict(zip(found.seed, found.a)) == {0: 1, 1: 10, 2: 2}


@pytest.fixture
def given(tmp_path, monkeypatch):
    "A run with a network that it was given, and a function that puts other pixels into its store, under the same labels"
    from cytoself_nb.core import open_run
    from cytoself_nb.data import write_store
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path))
    run, models = open_run('simulated', 'smoke'), {q: CytoselfFull(size=64, n_classes=2, n_codes=16, hidden=8, decoder_width=16, quantize=q).eval() for q in (True, False)}
    for m in models.values(): m.extra = dict(channels='protein+distance')
    table = pd.DataFrame(dict(protein=list('ab')*10, fov=[f'f{k}' for k in range(20)], split=['train']*8 + ['val']*4 + ['test']*8))
    def images(seed, quantize=True):
        monkeypatch.setattr(runs, 'trained_model', lambda run, name='model': models[quantize])
        x = np.random.default_rng(seed).random((20, 2, 64, 64)).astype(np.float32)
        store = write_store(tmp_path/f'{seed}.zarr', x, table, ['protein', 'distance'])
        monkeypatch.setattr(runs, 'crop_store', lambda run: store)
    monkeypatch.setattr(runs, 'which_model', lambda run, name='model': {})
    monkeypatch.setattr(runs, 'umap_xy', lambda X, seed: np.asarray(X[:, :2]))
    return dataclasses.replace(run, weights='given.safetensors'), images


def test_the_embedding_by_a_given_network_is_that_of_the_images_there(given):
    run, images = given
    images(0, quantize=False)
    first = np.array(runs.crop_embedding(run).X)
    images(1, quantize=False)
    second = np.array(runs.crop_embedding(run).X)
    assert not np.isclose(first, second, rtol=1e-6, atol=0).all(1).any()
    runs.crop_embedding(dataclasses.replace(run, weights=''))
    assert 'pixels' not in json.loads((run.path/'embedding.h5ad.settings.json').read_text())['settings'], 'a network trained here changes with its images'


def test_codes_that_find_no_room_are_a_sentence(given, monkeypatch):
    import errno, os
    run, images = given
    images(0)
    def full(*args): raise OSError(errno.ENOSPC, 'No space left on device')
    with monkeypatch.context() as patch, pytest.raises(OSError, match='cannot write .*codes-test.npy: No space left on device'):
        patch.setattr(os, 'posix_fallocate', full, raising=False)
        runs.split_codes(run, 'test')
    assert len(runs.split_codes(run, 'test')[0]) == 8


def test_what_a_given_network_cannot_know_is_said_once(tmp_path, monkeypatch):
    from cytoself_nb.core import open_run
    from cytoself_nb.data import write_store
    from cytoself_nb.weights import save_weights
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path/'out'))
    (tmp_path/'mine').mkdir()
    card = dict(name='tiny', pixel_um=40/64, scale='field')
    save_weights(CytoselfFull(size=64, n_classes=2, n_codes=16, hidden=8, decoder_width=16), tmp_path/'n.safetensors', extra=dict(channels='protein+nucleus', card=card))
    store = write_store(tmp_path/'s.zarr', np.random.default_rng(0).random((4, 3, 64, 64)), pd.DataFrame(dict(protein=['a']*4, split='test')), ['protein', 'nucleus', 'distance'])
    run = dataclasses.replace(open_run(str(tmp_path/'mine'), 'smoke'), weights=str(tmp_path/'n.safetensors'))
    monkeypatch.setattr(runs, '_made', lambda path: dict(settings={}))
    with pytest.warns(UserWarning) as told: runs.given_network(run, store)
    said = [str(w.message)[:50] for w in told]
    assert said == ['the pixel size of these crops is not known: they a', 'the network was trained on fields scaled as a whol']
    with warnings.catch_warnings(): warnings.simplefilter('error', UserWarning); runs.given_network(run, store)
    (run.path/'model.safetensors').unlink()
    monkeypatch.setattr(runs, 'micrometres', lambda run: 40.)   # own crops of the network's width are scaled one by one, too
    with pytest.warns(UserWarning) as told: runs.given_network(run, store)
    assert [str(w.message)[:50] for w in told] == said[1:]


def test_an_invented_annotation_goes_when_the_files_can_be_had(tmp_path, monkeypatch):
    from cytoself_nb.core import open_run
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path))
    run, asked = open_run('simulated_yeast', 'smoke'), []
    def table(source):
        def read(): asked.append(source); return pd.DataFrame(dict(standard=['KEGG'], set=['a'], protein=['b'], source=[source]))
        return read
    monkeypatch.setattr(runs, '_OFFLINE', [])
    monkeypatch.setattr(runs.yeast, 'read_annotation', table('invented'))
    assert [runs.annotation(run).source[0] for _ in range(3)] == ['invented']*3 and len(asked) == 1     # once in a process
    monkeypatch.setattr(runs, '_OFFLINE', [])
    monkeypatch.setattr(runs.yeast, 'read_annotation', table('real'))
    assert [runs.annotation(run).source[0] for _ in range(3)] == ['real']*3
    monkeypatch.setattr(runs, '_OFFLINE', [])
    monkeypatch.setattr(runs.yeast, 'read_annotation', table('invented'))
    assert runs.annotation(run).source[0] == 'real'


def test_one_protein_or_few_test_crops_leave_the_notebook_out(tiny_store, tmp_path, monkeypatch):
    from cytoself_nb.core import NotForTheseData, open_run
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path))
    run = open_run('simulated', 'smoke')
    one = tiny_store._replace(labels=tiny_store.labels.assign(protein='A'))
    monkeypatch.setattr(runs, 'crop_store', lambda run: one)
    with pytest.raises(NotForTheseData, match='the data name one protein, A; expected two or more'): runs.trained_model(run)
    few = tiny_store._replace(labels=tiny_store.labels.assign(split=['train']*16 + ['val']*2 + ['test']*2))
    monkeypatch.setattr(runs, 'crop_store', lambda run: few)
    with pytest.raises(NotForTheseData, match='2 test crops; expected five at least for a map'): runs.crop_embedding(run)


def test_a_network_is_asked_about_the_channels_that_it_was_trained_on(tiny_store):
    "Other channels, or the same in another order, would give other vectors without a word"
    model = CytoselfFull(channels=2, n_classes=2, size=64, n_codes=16, hidden=8, decoder_width=16)
    model.extra = dict(channels='protein+nucleus')
    assert cytoself_learner(tiny_store, model).dls.train.channels == 'protein+nucleus'
    for wrong in ('protein+distance', 'nucleus+protein'):
        with pytest.raises(ValueError, match=r'trained on protein\+nucleus, the crops come as'): embed(model, crop_loader(tiny_store, 'test', wrong))
        with pytest.raises(ValueError, match='expected the same channels in that order'): cytoself_learner(tiny_store, model, wrong)
    model.extra = {}
    cytoself_learner(tiny_store, model, 'protein+nucleus')
    assert model.extra == dict(channels='protein+nucleus') and len(embed(model, crop_loader(tiny_store, 'test', 'protein+nucleus'))[0])
