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
