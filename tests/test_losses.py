"The loss and the callbacks: what is counted, what stops a training, and what a checkpoint holds"
import json
import os
import pickle
import random
import sys
import time
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fastai.basics import Callback, CancelFitException, DataLoaders, Learner, OptimWrapper, partial
from fastai.test_utils import synth_learner

from cytoself_nb import losses
from cytoself_nb.core import get_profile, set_seed
from cytoself_nb.data import crop_loader
from cytoself_nb.losses import (AutoPrecision, Checkpoint, FiniteGuard, KeepBest, LossParts, Meter, PaperSchedule,
                                _random_state, _set_random_state, best_dtype, chosen_precision, cytoself_loss, keep_freed_memory, loss_parts, watched_loss)
from cytoself_nb.model import CytoselfFull, CytoselfOutput

SMALL = dict(n_classes=2, size=64, n_codes=8, hidden=8, decoder_width=4)


def fit(store, *cbs, epochs=1, **kw):
    "A small learner after some epochs"
    set_seed(0)
    loaders = DataLoaders(*(crop_loader(store, s, batch=8) for s in ('train', 'val')))
    adam = partial(OptimWrapper, opt=torch.optim.Adam)
    learn = Learner(loaders, CytoselfFull(**SMALL | kw), cytoself_loss(1.), adam, cbs=[LossParts(1., 8), *cbs])
    with learn.no_bar(), learn.no_logging(): learn.fit(epochs, 1e-3)
    return learn


class Spoil(Callback):
    "Break the second batch"
    def before_batch(self):
        if self.training and self.iter == 1: self.learn.xb = (self.xb[0]*float('nan'),)


def test_the_parts_of_the_loss_by_hand():
    "Squares of 3 over a variance of 4, a logarithm of two for heads that know nothing, the rest as it comes"
    x, each, none = torch.zeros(2, 1, 4, 4), torch.tensor([1., 2.]), torch.zeros(2, 2)
    out = CytoselfOutput(reconstruction=x + 3, local_logits=none, global_logits=none, local=None, global_=None, local_codes=None, global_codes=None, local_vq=each, global_vq=each*10, intermediate=each*100)
    y = torch.tensor([0, 1])
    parts = {k: v.tolist() for k, v in loss_parts(out, y, x, 4.).items()}
    half = pytest.approx([np.log(2)]*2)
    assert parts == dict(reconstruction=[2.25]*2, local_vq=[1, 2], global_vq=[10, 20], local_identity=half, global_identity=half, intermediate=[100, 200])
    assert cytoself_loss(4.)(out, y, x).item() == pytest.approx(2.25 + 2*np.log(2) + 166.5)


def test_the_schedule_of_the_paper_counts_epochs_without_a_better_loss():
    "An equal loss is not better; a tenth of the rate after four such epochs, the end after more than twelve"
    opt, cb, best = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 1.), PaperSchedule(), KeepBest()
    cb.learn = best.learn = SimpleNamespace(opt=SimpleNamespace(opt=opt), loss_parts=SimpleNamespace(row={}), model=torch.nn.Linear(1, 1))
    cb.before_fit()
    rates = []
    with pytest.raises(CancelFitException):
        for epoch in range(20):
            cb.learn.loss_parts.row = dict(epoch=epoch, valid_loss=1.)
            cb.before_epoch()
            rates.append(cb.learn.loss_parts.row['rate'])
            cb.after_epoch(); best.after_epoch()
    assert np.allclose(rates, [1]*5 + [.1]*4 + [.01]*4 + [.001]) and best.epoch_of_best == 0


def test_an_epoch_is_the_mean_over_crops_whatever_the_batches():
    parts = LossParts(1., 4)
    parts.row = {}
    parts.before_validate()
    for values in ([1000.], [1.]*99):   # batches of 1 and 99 crops
        seen, none = torch.tensor(values).sqrt()[:, None, None, None], torch.zeros(len(values))
        out = CytoselfOutput(seen, *[None]*4, None, None, none, none, none)
        parts.learn = SimpleNamespace(pred=out, yb=(none.long(), torch.zeros_like(seen)))
        parts.after_loss()
    parts.after_validate()
    assert parts.row['valid_loss'] == pytest.approx(1099/100)
    assert [k for k in parts.row if 'loss' in k] == ['valid_loss']


def test_a_collapsed_codebook_is_told_once_it_lasts():
    parts = LossParts(1., n_codes=512)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        for _ in range(3):
            parts.row = dict(train_local_perplexity=300., train_global_perplexity=1.3)
            parts.after_epoch()
    assert len(caught) == 1 and 'the global codebook has collapsed: 1.3 of 512 codes' in str(caught[0].message)


def test_a_loss_that_is_not_finite_stops_and_leaves_no_autocast(tiny_store):
    with pytest.raises(ValueError, match=r'reconstruction.*epoch 0, batch 1; look at these rows of the crop store: \[\d'):
        fit(tiny_store, FiniteGuard(), Spoil(), AutoPrecision(torch.bfloat16))
    assert not torch.is_autocast_enabled('cpu')


def test_without_a_better_epoch_nothing_is_put_back():
    best = KeepBest()
    best.learn = SimpleNamespace(loss_parts=SimpleNamespace(row=dict(valid_loss=float('nan'), epoch=0)), model=None)
    best.after_epoch()
    best.after_fit()
    assert best.epoch_of_best is None


def test_the_best_epoch_by_all_parts_and_by_the_heads():
    "Epoch 0 has the lowest sum, because its quantizers have not started; the heads learn until epoch 2"
    rows = [dict(epoch=0, valid_loss=9., valid_local_identity=5., valid_global_identity=4., valid_global_vq=0.),
            dict(epoch=1, valid_loss=11., valid_local_identity=4., valid_global_identity=4., valid_global_vq=3.),
            dict(epoch=2, valid_loss=10., valid_local_identity=3., valid_global_identity=4., valid_global_vq=3.)]
    def best_epoch(watch, rows):
        best = KeepBest(watch)
        for row in rows:
            best.learn = SimpleNamespace(loss_parts=SimpleNamespace(row=row), model=torch.nn.Linear(1, 1))
            best.after_epoch()
        return best.epoch_of_best
    assert (best_epoch('loss', rows), best_epoch('identity', rows)) == (0, 2)
    bare = [{k: v for k, v in r.items() if 'identity' not in k} for r in rows]   # a variant without heads
    assert best_epoch('identity', bare) == 0 and get_profile('paper').watch == 'loss'
    with pytest.raises(ValueError, match="expected 'loss' or 'identity'"): watched_loss(rows[0], 'accuracy')


def test_the_meter_counts_training_crops(tiny_store):
    row = fit(tiny_store, Meter()).loss_parts.rows[0]
    n = (tiny_store.labels.split == 'train').sum()
    assert n/row['seconds'] < row['crops_per_s'] < 3*n/row['seconds'] and row['peak_MiB'] > 200   # PyTorch alone takes that


def test_the_history_says_which_precision_and_why(tiny_store, tmp_path, monkeypatch):
    monkeypatch.setenv('CYTOSELF_NB_CACHE', str(tmp_path))
    row = fit(tiny_store, AutoPrecision()).loss_parts.rows[0]
    assert (row['precision'], row['precision_why']) == tuple(chosen_precision('cpu')[k] for k in ('dtype', 'why'))
    row = fit(tiny_store, AutoPrecision(None)).loss_parts.rows[0]
    assert (row['precision'], row['precision_why']) == ('float32', 'asked for')


def test_float16_trains_with_its_scaler():
    "CPUs are very slow in float16, so on a straight line; the first gradients overflow and their steps are skipped"
    line = synth_learner(cbs=[AutoPrecision(torch.float16)], lr=.05)
    with line.no_bar(), line.no_logging(): line.fit(4)
    assert line.recorder.values[-1][1] < .5*line.recorder.values[0][1]
    assert best_dtype('mps') is None


@pytest.mark.skipif(sys.platform != 'linux', reason='glibc')
def test_glibc_takes_the_settings(): assert keep_freed_memory()


def test_random_state_comes_back():
    state = _random_state()
    first = random.random(), np.random.rand(), torch.rand(1).item()
    _set_random_state(state)
    assert (random.random(), np.random.rand(), torch.rand(1).item()) == first


def test_a_file_that_is_no_checkpoint_of_this_training_is_refused(tiny_store, tmp_path):
    good, cut, strange = (tmp_path/f'{k}.pt' for k in ('good', 'cut', 'strange'))
    fit(tiny_store, Checkpoint(good))
    cut.write_bytes(good.read_bytes()[:10_000])
    strange.write_bytes(pickle.dumps(print))
    for path, more in ((cut, {}), (strange, {}), (good, dict(hidden=9))):
        with pytest.raises(ValueError, match='is not a checkpoint of this training.*delete it to start anew'):
            fit(tiny_store, Checkpoint(path), **more)
    with pytest.raises(ValueError, match='KeyError'): fit(tiny_store, Checkpoint(good), PaperSchedule())   # other callbacks


def test_a_complete_training_does_nothing_more(tiny_store, tmp_path):
    first = fit(tiny_store, Checkpoint(tmp_path/'c.pt'))
    again = fit(tiny_store, Checkpoint(tmp_path/'c.pt'))
    assert again.loss_parts.rows == first.loss_parts.rows
    for a, b in zip(first.model.parameters(), again.model.parameters()): assert torch.equal(a, b)


def test_precision_is_measured_and_kept_for_a_day(tmp_path, monkeypatch):
    "What was measured beside other work was wrong for ever"
    monkeypatch.setenv('CYTOSELF_NB_CACHE', str(tmp_path))
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    first = chosen_precision('cpu')
    assert torch.rand(1) == expected and 'ms in bfloat16' in first['why']   # training draws the same numbers
    kept = next(tmp_path.glob('precision-*.json'))
    other = {'float32': 'bfloat16', 'bfloat16': 'float32'}[first['dtype']]
    kept.write_text(json.dumps(dict(dtype=other, why='by hand')))
    assert chosen_precision('cpu')['dtype'] == other
    assert best_dtype('cpu') == (torch.bfloat16 if other == 'bfloat16' else None)
    yesterday = time.time() - 90_000
    os.utime(kept, (yesterday, yesterday))
    assert 'ms in bfloat16' in chosen_precision('cpu')['why']
    kept.write_text('{"cut')
    assert 'ms in bfloat16' in chosen_precision('cpu')['why']


@pytest.mark.parametrize('text, age', [('{"dtype": "other", "why": ""}', -10**6), ('{}', 0), ('[]', 0), ('5', 0), ('', 0)])
def test_a_precision_of_the_future_or_without_a_name_is_measured_again(text, age, tmp_path, monkeypatch):
    monkeypatch.setenv('CYTOSELF_NB_CACHE', str(tmp_path))
    monkeypatch.setattr(losses, 'measure_precision', lambda: dict(dtype='float32', why='measured now'))
    chosen_precision('cpu')
    kept, then = next(tmp_path.glob('precision-*.json')), time.time() - age
    kept.write_text(text); os.utime(kept, (then, then))
    assert chosen_precision('cpu')['why'] == 'measured now' and abs(time.time() - kept.stat().st_mtime) < 60
    os.utime(kept, (1, 1)); chosen_precision('cpu')
    assert abs(time.time() - kept.stat().st_mtime) < 60, 'the same again counts from now'
