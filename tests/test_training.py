"A training from its first step to its last: killed and gone on, kept and found again; and its runs"
import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pandas as pd
import pytest
import torch

from cytoself_nb import runs
from cytoself_nb.core import get_profile
from cytoself_nb.model import CytoselfFull
from cytoself_nb.training import code_maps, cytoself_learner, embed, resumable, start_codebooks, train_network
from cytoself_nb.data import crop_loader

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


def test_the_settings_of_a_network_keep_their_names(tiny_store, tmp_path, monkeypatch):
    "Networks that exist are found by these names, whatever the options are called"
    monkeypatch.setattr(runs, 'crop_store', lambda run: tiny_store)
    monkeypatch.setattr(runs, '_made', lambda path: dict(settings='data'))
    monkeypatch.setattr(runs, 'resumable', lambda path, csv, made_with, *more: (path.name, csv.name, made_with))
    run = SimpleNamespace(profile=get_profile('demo'), seed=3, path=tmp_path)
    *names, made_with = runs.train_model(run)
    assert names == ['model.safetensors', 'history.csv'] and list(made_with) == 'model channels epochs batch rate seed start late anneal data'.split()
    *names, changed = runs.train_model(run, 'x', budget_share=.5, codes_from_crops=False, quantize_after=0, cosine_part=1., rate=1e-4, n_splits=1)
    assert names == ['x.safetensors', 'x-history.csv'] and changed['epochs'] == made_with['epochs']/2
    assert {k: changed[k] for k in ('start', 'late', 'anneal', 'rate')} == dict(start=False, late=0, anneal=1., rate=1e-4)
    assert changed['model'] == made_with['model'] | dict(n_splits=1)
