"DeepLoc: bad input and small data"
import numpy as np
import pandas as pd
import pytest
import torch

from cytoself_nb import deeploc
from cytoself_nb.data import write_store


@pytest.fixture(scope='module')
def store(tmp_path_factory):
    rng, n = np.random.default_rng(0), 60
    labels = pd.DataFrame(dict(protein=np.repeat(list('abcdef'), 10), localization=np.repeat(['x', 'x', 'y', 'y', None, 'z'], 10), split=(['train']*7 + ['val', 'test', 'test'])*6))
    return write_store(tmp_path_factory.mktemp('store')/'crops.zarr', rng.random((n, 2, 16, 16)).astype('f4'), labels, ['protein', 'cytosol'])


def test_rows_without_localization_are_left_out(store):
    for rule in ('cells', 'proteins'):
        rows = deeploc.class_rows(store, rule)
        assert store.labels.localization.iloc[np.concatenate(list(rows.values()))].notna().all()


def test_too_few_proteins_validate_on_their_other_cells(store):
    rows = deeploc.class_rows(store, 'proteins')
    part = {s: set(store.labels.protein.iloc[r]) for s, r in rows.items()}
    assert len(rows['val']) and part['val'] <= part['train'] and not part['train'] & part['test'] and not set(rows['val']) & set(rows['train'])


def test_the_last_crop_is_never_alone(store):
    loader = deeploc.ClassLoader(store, np.arange(17), ['x', 'y', 'z'], 'protein+cytosol', batch=16, shuffle=True)
    assert [len(y) for _, y in loader] == [16]


def test_a_foreign_file_is_refused(tmp_path):
    from safetensors.torch import save_file
    save_file({'a': torch.ones(1)}, tmp_path/'a.safetensors', {'format': 'other'})
    with pytest.raises(ValueError, match="format 'other'"): deeploc.load_deeploc(tmp_path/'a.safetensors')


def test_a_loss_that_is_not_finite_stops(store):
    model = deeploc.DeepLoc(n_classes=3, size=16, width=2, hidden=8)
    with torch.no_grad(): model.last[0].weight[:] = float('nan')
    learn = deeploc.deeploc_learner(store, deeploc.class_rows(store), model, 16)
    with learn.no_bar(), learn.no_logging(), pytest.raises(ValueError, match='the loss is nan in epoch 0'): learn.fit(1)


def test_unknown_splits_and_missing_files_are_named(store, tmp_path):
    with pytest.raises(ValueError, match="unknown split 'wells'"): deeploc.class_rows(store, 'wells')
    with pytest.raises(FileNotFoundError, match='no weights at'): deeploc.load_deeploc(tmp_path/'other.safetensors')


def test_order_is_drawn_anew_and_repeats_with_the_seed(store):
    rows = deeploc.class_rows(store)['train']
    def order(): return list(deeploc.ClassLoader(store, rows, ['x', 'y', 'z'], 'protein+cytosol', 16, True).get_idxs())
    assert order() == order() != sorted(order()) and set(order()) <= set(rows)
    small = deeploc.ClassLoader(store, rows, ['x', 'y', 'z'], 'protein+cytosol', 16, size=12)
    assert small.one_batch()[0].shape[-2:] == (12, 12)


def test_features_of_every_crop_and_accuracy_by_hand(store):
    rows = deeploc.class_rows(store)['val']
    features, logits = deeploc.deeploc_features(deeploc.DeepLoc(n_classes=3, size=16, width=2), deeploc.ClassLoader(store, rows, ['x', 'y', 'z'], 'protein+cytosol'))
    assert features.shape == (len(rows), 512) and logits.shape == (len(rows), 3) and features.min() >= 0
    toy = pd.DataFrame(dict(protein=list('aabbc'), localization=['x']*4 + ['y'], guess=['x', 'x', 'x', 'y', 'y']))
    got = deeploc.class_accuracy(toy).set_index('what')
    assert got.accuracy.to_dict() == {'x': .75, 'y': 1., 'mean of classes': .875, 'all cells': .8}
    assert (got.low['x'], got.high['x']) == (.5, 1.) and np.isnan(got.low['y'])


def test_a_file_gives_back_the_network_of_the_best_epoch(store, tmp_path):
    rows, test = deeploc.class_rows(store), np.flatnonzero(store.labels.split == 'test')
    learn = deeploc.deeploc_learner(store, rows, deeploc.DeepLoc(n_classes=3, size=16, width=2, hidden=8), 16)
    loader = deeploc.ClassLoader(store, test, learn.dls.vocab, 'protein+cytosol', 128)
    keep = deeploc.ProteinMeans(loader, store.labels.protein.iloc[test].to_numpy())
    with learn.no_bar(), learn.no_logging(): learn.fit(2, cbs=keep)
    deeploc._save_training(tmp_path/'net', learn, keep, 0.)
    history, kept = pd.read_csv(tmp_path/'net'/'history.csv'), np.load(tmp_path/'net'/'means.npy')
    features, _ = deeploc.deeploc_features(deeploc.load_deeploc(tmp_path/'net'/'model.safetensors'), loader)
    now = deeploc.protein_means(features, store.labels.protein.iloc[test])
    np.testing.assert_allclose(now, kept[history.epoch[history.valid_loss.idxmin()]], atol=1e-5)
    assert now.index.tolist() == pd.read_csv(tmp_path/'net'/'proteins.csv').protein.tolist() and len(kept) == 3


def test_pooling_before_the_relu_changes_no_bit():
    model, x = deeploc.DeepLoc(n_classes=3, size=16, width=2).train(), torch.randn(4, 2, 16, 16)
    a, b = torch.nn.MaxPool2d(2, ceil_mode=True), torch.nn.ReLU()
    y = model.conv[:5](x)
    one, two = a(b(y)), b(a(y))
    assert torch.equal(one, two) and torch.equal(*(torch.autograd.grad(v.square().sum(), x0, retain_graph=True)[0] for v, x0 in ((one, y), (two, y))))
