"Crop store, splits and loader: bad input gets one clear sentence, good input survives the round trip"
import errno, json, os
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
import torch
import zarr
from filelock import FileLock

from cytoself_nb import data
from cytoself_nb.core import cached
from cytoself_nb.split import SPLITS, cut_fields, names_in, split_by_crop, split_by_field, tidy_labels
from cytoself_nb.data import (array_source, check_crops, class_names, crop_loader, data_variance, default_channels, n_proteins,
    open_store, pose, select_channels, split_labels, split_rows, write_store)
from cytoself_nb.split import store_order
from cytoself_nb.stacks import Source

CHANNELS = ['protein', 'nucleus']


def crops(n=60, channels=2, size=16, seed=0):
    "Random crops whose first pixel is their row number / 1024, exact in float16"
    x = np.random.default_rng(seed).random((n, channels, size, size), np.float32)
    x[:, 0, 0, 0] = np.arange(n) / 1024
    return x


def labels(n=60, fields=5):
    return pd.DataFrame({'protein':['AB'[i % 2] for i in range(n)], 'fov':[f'{"AB"[i % 2]}_{i//2 % fields}' for i in range(n)], 'row':range(n)})


@pytest.fixture
def store(tmp_path): return write_store(tmp_path/'crops.zarr', crops(), labels(), CHANNELS, seed=3)


# ---- round trip

def check_rows(store): np.testing.assert_allclose(store.images[:, 0, 0, 0]*1024, store.labels.row)


def test_round_trip(store):
    check_rows(store)
    np.testing.assert_allclose(store.images[:].astype(np.float32), crops()[store.labels.row], atol=3e-4)
    assert store.images.dtype == np.float16 and store.channels == CHANNELS
    assert store.labels.split.tolist() == sorted(store.labels.split, key=SPLITS.index)


def test_sources_agree(store, tmp_path):
    x = crops()
    np.save(tmp_path/'a.npy', x[:25]); np.save(tmp_path/'b.npy', x[25:])
    maps = [np.load(tmp_path/f, mmap_mode='r') for f in ('a.npy', 'b.npy')]
    lazy = Source(x.shape, lambda rows: x[rows])
    for k, source in enumerate((maps, lazy, iter(np.array_split(x, 7)), (c for c in np.array_split(x, 3)), [x[:25], x[25:]])):
        other = write_store(tmp_path/f'{k}.zarr', source, labels(), CHANNELS, seed=3)
        np.testing.assert_allclose(other.images[:], store.images[:], atol=1e-3)
        assert other.labels.equals(store.labels)


def test_many_shards(tmp_path):
    x = crops(500, size=100)
    many = write_store(tmp_path/'many.zarr', x, labels(500, 12), CHANNELS)
    assert many.images.shards[0] < 250
    check_rows(many)
    for split in SPLITS:
        x, y = zip(*crop_loader(many, split, 'protein+nucleus', batch=7, shuffle=True))
        seen = (torch.cat(x)[:, 0, 0, 0]*1024).round().long().numpy()
        rows = many.labels[many.labels.split == split].row
        assert sorted(seen) == sorted(rows)
        assert (np.array(class_names(many))[torch.cat(y).numpy()] == np.array(['A', 'B'])[seen % 2]).all()


def test_names_like_missing_values_survive(tmp_path):
    table = labels().assign(protein=['NA', 'null'] * 30, complex=['007', None] * 30)
    s = write_store(tmp_path/'na.zarr', crops(), table, CHANNELS)
    assert class_names(s) == ['NA', 'null'] and set(s.labels.complex.dropna()) == {'007'}


def test_columns_of_the_user_come_back_as_they_are(tmp_path):
    "Numbers are what is written as a number; a name that looks like one stays a name, and one word makes a column words"
    words = dict(plate=['00123']*60, well=['1E5', '3E1', '2.0']*20, code=['001', '1', '01']*20, version=['1.10', '1.2']*30, long=['20231105123456789012', '1']*30, mixed=[*map(str, range(59)), 'P7'],
                 sign=['+1', '1']*30)
    numbers = dict(day=[1, 2, None]*20, dose=[.5, 1.25]*30, tiny=[1e-7, 3e20]*30, count=list(range(60)), y=['12.50', '7.0']*30, area_um2=['1.10']*60, flag=[True, False]*30)
    s = write_store(tmp_path/'s.zarr', crops(), labels().assign(number=range(60), **words, **numbers), CHANNELS)
    t = s.labels.sort_values('number').reset_index(drop=True)
    for c, given in words.items(): assert t[c].tolist() == given, c
    for c, given in numbers.items():
        assert t[c].dtype.kind in 'iufb', c
        np.testing.assert_array_equal(t[c].astype(float), np.array(given, float), c)


def test_a_column_of_many_numbers_and_a_word_is_text(tmp_path):
    "pandas reads a table in blocks, and each of them by itself"
    n = 300_000
    pd.DataFrame(dict(protein='A', gene='', fov='f', localization='', complex='', split='test', y='', x='', plate=[*map(str, range(n - 1)), 'P7'])).to_csv(tmp_path/'labels.csv', index=False)
    t = data._read_store_labels(tmp_path)
    assert set(t.plate.map(type)) == {str} and t.plate.iloc[[0, -1]].tolist() == ['0', 'P7'] and t.y.isna().all()


def test_resize_and_variance(tmp_path):
    s = write_store(tmp_path/'small.zarr', crops(), labels(), CHANNELS, size=8)
    assert s.images.shape == (60, 2, 8, 8)
    train = s.images[:len(split_rows(s, 'train'))].astype(float)
    assert data_variance(s, 'protein+nucleus') == pytest.approx(train.var())


# ---- bad input of the store

def bad(value):
    x = crops(); x[7, 1, 2, 2] = value
    return x


def flat():
    x = crops(); x[9, 0] = 0.25
    return x


@pytest.mark.parametrize('x, table, channels, says', [
    (crops(59), labels(60), CHANNELS, '59 images and 60 labels; expected as many images as labels'),
    (iter([crops(59)]), labels(60), CHANNELS, '59 images and 60 labels; expected as many images as labels'),
    (iter([crops(61)]), labels(60), CHANNELS, 'go on after 60 crops'),
    (bad(np.nan), labels(), CHANNELS, '1 of 60 crops hold NaN or infinite pixels, first 7'),
    (bad(np.inf), labels(), CHANNELS, '1 of 60 crops hold NaN or infinite pixels, first 7'),
    (iter([bad(-np.inf)]), labels(), CHANNELS, 'NaN or infinite pixels, first 7'),
    (flat(), labels(), CHANNELS, '1 of 60 crops have a constant protein channel, first 9'),
    (crops()*4095, labels(), CHANNELS, 'scale them with unit_range'),
    (bad(-2), labels(), CHANNELS, 'pixels go from -2 to'),
    (crops(), labels().drop(columns='protein'), CHANNELS, "expected a column 'protein'"),
    (crops(), labels().assign(protein=None), CHANNELS, '60 labels have no protein'),
    (crops(), labels().assign(protein=['A', 'B', '']*20), CHANNELS, '20 labels have a protein that is empty or holds'),
    (crops(), labels().assign(protein=['A', 'B', 'a\rb']*20), CHANNELS, '20 labels have a protein that is empty or holds a carriage return'),
    (crops(), labels().assign(notes=['A', 'B', 'a\0b']*20), CHANNELS, '20 labels have a notes that is empty or holds'),
    (iter([flat()]), labels(), CHANNELS, '1 of 60 crops have a constant protein channel, first 9'),
    (crops(), labels().assign(split='valid'), CHANNELS, "name the splits ['valid']; expected train, val, test"),
    (crops(), labels(), ['protein'], 'expected one name per channel'),
    (crops(), labels(), ['protein', 'protein'], 'expected each name once'),
    (crops()[..., :12], labels(), CHANNELS, 'expected squares'),
    (crops()[:, 0], labels(), CHANNELS, 'expected (N, C, H, W)'),
    (crops(0), labels(0), CHANNELS, 'no crops at all'),
    (iter([crops(30), crops(30, size=8)]), labels(), CHANNELS, 'expected one shape'),
    (crops(), labels().assign(fov=[None] + ['a']*59), CHANNELS, '1 of 60 labels have no field of view'),
])
def test_bad_store(x, table, channels, says, tmp_path):
    with pytest.raises(ValueError) as e: write_store(tmp_path/'bad.zarr', x, table, channels)
    assert says in str(e.value) and '\n' not in str(e.value)
    assert not list(tmp_path.iterdir())     # nothing half written


def test_failure_names_the_right_row_after_shuffling(tmp_path):
    x = crops(500, size=100); x[431] = np.nan
    with pytest.raises(ValueError, match='first 431'): write_store(tmp_path/'bad.zarr', x, labels(500, 12), CHANNELS)


def test_existing_store_is_kept(store):
    with pytest.raises(ValueError, match='exists already'): write_store(store.path, crops(), labels(), CHANNELS)
    check_rows(open_store(store.path))


def test_incomplete_store(store):
    (store.path/'labels.csv').unlink()
    with pytest.raises(FileNotFoundError, match='no labels.csv; expected a folder written by write_store'): open_store(store.path)
    with pytest.raises(FileNotFoundError, match='no zarr.json'): open_store(store.path.parent/'nothing.zarr')


def test_store_with_lost_labels(store):
    store.labels[:-1].to_csv(store.path/'labels.csv', index=False)
    with pytest.raises(ValueError, match='60 images and 59 labels'): open_store(store.path)


@pytest.mark.parametrize('code', [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EFBIG])
def test_disk_refuses(code, store, tmp_path):
    def refuse(*args, **kwargs): raise OSError(code, os.strerror(code))
    with patch.object(zarr, 'create_array', refuse), pytest.raises(OSError) as e: write_store(tmp_path/'new.zarr', crops(), labels(), CHANNELS)
    assert 'free some space or choose a folder you can write to' in str(e.value) and str(tmp_path/'new.zarr') in str(e.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ['crops.zarr']
    check_rows(open_store(store.path))


def test_disk_full_half_way(store, tmp_path):
    "The second shard does not fit: nothing of the new store stays, the old one is whole"
    real, calls = zarr.Array.__setitem__, []
    def write(self, *args):
        calls.append(1)
        if len(calls) > 1: raise OSError(errno.ENOSPC, 'No space left on device')
        return real(self, *args)
    with patch.object(zarr.Array, '__setitem__', write), pytest.raises(OSError, match='No space left on device.*unchanged'):
        write_store(tmp_path/'new.zarr', crops(500, size=100), labels(500, 12), CHANNELS)
    assert len(calls) > 1 and sorted(p.name for p in tmp_path.iterdir()) == ['crops.zarr']
    check_rows(open_store(store.path))


def test_disk_full_for_a_stream(store, tmp_path, monkeypatch):
    "A stream goes to a file that is mapped: its blocks are asked for before any pixel is written"
    def full(*args): raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    monkeypatch.setattr(os, 'posix_fallocate', full, raising=False)
    with pytest.raises(OSError, match='cannot write .*new.zarr .No space left on device.*unchanged'): write_store(tmp_path/'new.zarr', iter(np.array_split(crops(), 8)), labels(), CHANNELS)
    assert [p.name for p in tmp_path.iterdir()] == ['crops.zarr']


def test_a_stream_may_have_an_empty_nucleus(tmp_path):
    x = crops(); x[9, 0] = .5
    s = write_store(tmp_path/'s.zarr', iter(np.array_split(x, 8)), labels(), CHANNELS[::-1])
    assert s.channels == ['nucleus', 'protein'] and len(s.labels) == 60


def test_what_a_killed_process_left_goes_with_the_next(tmp_path):
    for name in ('.writing-new.zarr-gone', '.writing-new.zarr-now', '.writing-other.zarr-gone'): (tmp_path/name).mkdir(); (tmp_path/name/'spool.npy').write_text('x')
    with FileLock(tmp_path/'.writing-new.zarr-now/lock'): write_store(tmp_path/'new.zarr', crops(), labels(), CHANNELS)   # somebody writes there
    assert sorted(p.name for p in tmp_path.iterdir()) == ['.writing-new.zarr-now', '.writing-other.zarr-gone', 'new.zarr']


def test_the_checksum_of_all_pixels(store, tmp_path):
    x = crops(); x[17, 1, 3, 3] += .25
    same, other = (write_store(tmp_path/f'{k}.zarr', y, labels(), CHANNELS, seed=3) for k, y in enumerate((crops(), x)))
    assert data._pixels(store) == data._pixels(same) != data._pixels(other)


def test_folder_that_is_a_file(tmp_path):
    (tmp_path/'file').write_text('x')
    with pytest.raises(OSError, match='cannot write'): write_store(tmp_path/'file'/'crops.zarr', crops(), labels(), CHANNELS)


@pytest.mark.skipif(not hasattr(os, 'geteuid') or os.geteuid() == 0, reason='permissions do not bind this user')
def test_no_permission(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OSError, match='Permission denied'): write_store(tmp_path/'crops.zarr', crops(), labels(), CHANNELS)
    finally: tmp_path.chmod(0o700)


def test_artefact_survives_a_failed_rebuild(tmp_path):
    "In a run folder the old store stays usable when a rebuild fails"
    build = lambda x: (lambda path: write_store(path, x, labels(), CHANNELS))
    cached(tmp_path/'crops.zarr', dict(a=1), build(crops()), open_store, '08_data')
    with pytest.raises(ValueError, match='NaN'): cached(tmp_path/'crops.zarr', dict(a=2), build(bad(np.nan)), open_store, '08_data')
    check_rows(cached(tmp_path/'crops.zarr', dict(a=1), build(None), open_store, '08_data'))


# ---- channels and splits

def test_channels(store):
    assert default_channels(store) == 'protein+nucleus'
    assert default_channels(store._replace(channels=['protein', 'nucleus', 'distance'])) == 'protein+distance'
    assert default_channels(store._replace(channels=['protein', 'cytosol'])) == 'protein+cytosol'
    assert default_channels(store._replace(channels=['protein'])) == 'protein'
    for wanted in ('protein+distance', 'nucleus+', 'gfp'):
        with pytest.raises(ValueError, match='unknown channel .*; the store has protein, nucleus'): select_channels(store, wanted)
    x, _ = next(iter(crop_loader(store, 'test', 'nucleus+protein', batch=2)))
    both, _ = next(iter(crop_loader(store, 'test', 'protein+nucleus', batch=2)))
    assert torch.equal(x, both.flip(1))


def test_empty_split(store):
    with pytest.raises(ValueError, match="the split 'test' is empty .*; expected"): crop_loader(store._replace(labels=store.labels.assign(split='train')), 'test', 'protein')
    with pytest.raises(ValueError, match="unknown split 'valid'; expected one of train, val, test"): crop_loader(store, 'valid', 'protein')


@pytest.mark.parametrize('seed', range(8))
def test_split_by_field_random(seed):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame([(p, f'{p}_{f}') for p in range(12) for f in range(rng.integers(10, 25)) for _ in range(rng.integers(20, 70))], columns=['protein', 'fov'])
    split = split_by_field(table, seed)
    assert split.groupby('fov').split.nunique().max() == 1
    assert (split.groupby('protein').split.nunique() == 3).all()
    share = split.groupby('protein').split.value_counts(normalize=True).unstack()
    assert share.train.between(0.7, 0.9).all() and share.val.between(0.03, 0.18).all() and share.test.between(0.03, 0.18).all()
    assert split.split.value_counts(normalize=True).train == pytest.approx(0.8, abs=0.02)
    assert split.equals(split_by_field(table, seed)) and not split.split.equals(split_by_field(table, seed + 100).split)


def test_crowded_fields_do_not_always_train():
    sizes, rng = np.array([100]*3 + [20]*17), np.random.default_rng(0)
    parts = np.array([cut_fields(sizes, rng) for _ in range(300)])
    assert 0.1 < (parts[:, :3] > 0).mean() < 0.3          # about a fifth, as for any field
    for n in range(3, 40): assert set(cut_fields(rng.integers(1, 90, n), rng)) == {0, 1, 2}


def test_field_numbers_restart_for_each_protein():
    table = pd.DataFrame([(p, f) for p in 'AB' for f in range(10) for _ in range(5)], columns=['protein', 'fov'])
    split = split_by_field(table, 0)
    assert split.groupby(['protein', 'fov']).split.nunique().max() == 1
    assert split.groupby('protein').split.value_counts().unstack()[list(SPLITS)].to_numpy().tolist() == [[40, 5, 5]]*2


def test_the_smallest_field_is_not_always_held_out():
    "Of four fields each part has about a quarter: with a tenth in mind only the smallest would validate"
    from cytoself_nb.split import cut_fields
    parts = np.array([cut_fields([15, 25, 25, 35], np.random.default_rng(s)) for s in range(30)])
    assert len(set((parts == 1).argmax(1))) > 2 and (np.sort(parts) == [0, 0, 1, 2]).all()


def test_a_store_is_shuffled_within_its_parts_by_its_seed():
    from cytoself_nb.split import store_order
    split = np.array(SPLITS)[np.arange(90) % 3]
    a, b, again = store_order(split, 0), store_order(split, 1), store_order(split, 0)
    assert (split[a] == np.repeat(SPLITS, 30)).all() and sorted(a) == list(range(90)) and np.array_equal(a, again)
    assert (a != b).mean() > .8 and all((np.diff(part) < 0).any() for part in a.reshape(3, 30))


def test_few_fields():
    table = pd.DataFrame([('one', 'a')]*5 + [(p, f'{p}{f}') for p in ('two', 'zwei') for f in 'bc' for _ in range(5)], columns=['protein', 'fov'])
    with pytest.warns(UserWarning) as said: split = split_by_field(table, 0)
    assert any('one field of view and are only trained on (one)' in str(w.message) for w in said)
    assert any('two fields of view' in str(w.message) and '(two, zwei)' in str(w.message) for w in said)
    assert split.groupby('fov').split.nunique().max() == 1 and set(split.split) == set(SPLITS)
    assert split.set_index('protein').split_rule.loc['one'].iloc[0] == 'one field'
    assert (split[split.protein == 'one'].split == 'train').all()


def test_no_fields():
    table = labels().drop(columns='fov')
    with pytest.warns(UserWarning, match='name no field of view'): split = split_by_field(table, 0)
    assert (split.split_rule == 'crop').all()
    assert split.split.value_counts().to_dict() == {'train':48, 'val':6, 'test':6}


def test_split_by_crop_small():
    split = split_by_crop(pd.DataFrame({'protein':list('AAABB')}))
    assert sorted(split.split[:3]) == ['test', 'train', 'val'] and set(split.split[3:]) == {'train'}


# ---- loader

def test_eight_poses_equally_likely(tmp_path):
    x = np.tile(np.random.default_rng(0).random((1, 1, 6, 6), np.float32), (4000, 1, 1, 1))
    s = write_store(tmp_path/'one.zarr', x, pd.DataFrame({'protein':['A']*4000, 'split':['train']*3990 + ['val']*5 + ['test']*5}), ['protein'])
    all_eight = pose(torch.from_numpy(s.images[:1]).float().expand(8, -1, -1, -1), torch.arange(8)).flatten(1)
    assert len(all_eight.unique(dim=0)) == 8
    seen = torch.cat([x for x, _ in crop_loader(s, 'train', 'protein', augment=True, shuffle=True)]).flatten(1)
    counts = (seen[:, None] == all_eight[None]).all(-1).sum(0).numpy()
    assert counts.sum() == 3990
    assert ((counts - 3990/8)**2/(3990/8)).sum() < 24.3          # chi-square, 7 degrees of freedom, p = 0.001
    plain = torch.cat([x for x, _ in crop_loader(s, 'train', 'protein')]).flatten(1)
    assert (plain == all_eight[0]).all()


def test_pose_keeps_channels_together():
    x = torch.rand(1, 1, 5, 5).expand(8, 3, 5, 5)
    turned = pose(x, torch.arange(8))
    assert torch.equal(turned[:, 0], turned[:, 1]) and torch.equal(turned[0], x[0])


def test_epochs_differ_and_resume(store):
    read = lambda loader: torch.cat([x[:, 0, 0, 0] for x, _ in loader])
    make = lambda seed=0: crop_loader(store, 'train', 'protein', batch=8, shuffle=True, augment=True, seed=seed)
    a, b = make(), make()
    one, two = read(a), read(a)
    assert not torch.equal(one, two)
    b.epoch = 1
    assert torch.equal(read(b), two)
    assert not torch.equal(read(make(1)), one)


def test_fastai_shares_the_loader(store):
    "Two processes get halves of one epoch that together are the epoch"
    import warnings
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        from fastai.distributed import DistributedDL
    rows = []
    for rank in range(2):
        loader = crop_loader(store, 'train', 'protein', batch=4, shuffle=True, seed=5)
        part = DistributedDL(loader, rank, 2)
        part._broadcast = lambda t, rank: t
        rows += (torch.cat([x[:, 0, 0, 0] for x, _ in part])*1024).round().long().tolist()
    assert set(rows) == set(store.labels.row[store.labels.split == 'train'])


def test_new_loader_is_plain(store):
    loader = crop_loader(store, 'train', 'protein', batch=8, shuffle=True, augment=True).new()
    assert not loader.shuffle and not loader.augment and len(loader) == -(-len(split_rows(store, 'train'))//8)


# ---- small questions

def test_names_and_checks():
    assert names_in('er; golgi') == {'er', 'golgi'} and names_in('26S proteasome, human', ';') == {'26S proteasome, human'}
    assert names_in(' ; ') == names_in(None) == set()
    with pytest.raises(ValueError, match='first cell3'): check_crops(bad(np.nan)[5:8], ['cell1', 'cell2', 'cell3'])
    assert tidy_labels(labels()).columns[0] == 'protein'
    assert array_source(crops()).read(np.array([2, 5])).shape == (2, 2, 16, 16)
    assert store_order(['test', 'train', 'val', 'train'], 0)[2:].tolist() == [2, 0]


def test_labels_of_a_split(store):
    assert split_labels(store, 'test').row.tolist() == store.labels.row[list(split_rows(store, 'test'))].tolist()
    assert n_proteins(store.labels) == 2
    assert n_proteins(store.labels.assign(localization=store.labels.protein)) is None     # localizations, not proteins


def test_building_and_reading_hold_a_few_shards(tmp_path):
    "What the store is for: never more than a shard is asked of the source, and shards are let go"
    x, asked = crops(1000, size=100), []
    def read(rows):
        asked.append(len(rows))
        return x[rows]
    s = write_store(tmp_path/'crops.zarr', Source(x.shape, read), labels(1000, 12), CHANNELS)
    assert max(asked) == s.images.shards[0] < 250
    loader = crop_loader(s, 'train', 'protein', shuffle=True)
    loader.room = 2
    for _ in loader: assert len(loader.held) <= 2


# ---- a store that has changed

def _shard(store): return store.path/'c/0/0/0/0'

def _swap(store):
    a, b = store.path/'c/0/0/0/0', store.path/'c/1/0/0/0'
    x, y = a.read_bytes(), b.read_bytes(); a.write_bytes(y); b.write_bytes(x)

def _attrs(store, **new):
    note = store.path/'zarr.json'; meta = json.loads(note.read_text()); meta['attributes'] |= new; note.write_text(json.dumps(meta))

def _labels(store, change): change(pd.read_csv(store.path/'labels.csv')).to_csv(store.path/'labels.csv', index=False)

@pytest.mark.parametrize('harm, says', [
    (lambda s: _shard(s).unlink(), 'a shard that is lost or empty'), (lambda s: _shard(s).write_bytes(b''), 'a shard that is lost or empty'),
    (lambda s: _shard(s).write_bytes(_shard(s).read_bytes()[:-100]), 'shards that have changed, first 0'), (_swap, 'shards that have changed, first 0, 1|shards that have changed, first 0'),
    (lambda s: _labels(s, lambda t: t.sort_values('protein')), 'not in the order train, val, test'), (lambda s: _labels(s, lambda t: t.sort_values(['split', 'protein'], ascending=False)), 'order'),
    (lambda s: _labels(s, lambda t: t.assign(protein=t.protein[::-1].to_numpy())), 'labels in another order than the images'),
    (lambda s: _labels(s, lambda t: t.drop(columns='split')), 'labels without split'), (lambda s: _labels(s, lambda t: t.assign(protein=[None, *t.protein[1:]])), '1 labels without protein'),
    (lambda s: _attrs(s, channels=['nucleus', 'protein']), r"channels called \['nucleus', 'protein'\]"), (lambda s: _attrs(s, channels=['protein', 'nucleus', 'x']), '2 channels called'),
    (lambda s: _attrs(s, channels=None), '2 channels called None'), (lambda s: (s.path/'zarr.json').write_text('{'), "files that can't be read"),
    (lambda s: (s.path/'labels.csv').write_text(''), "files that can't be read")])
def test_a_store_that_has_changed_is_refused(harm, says, tmp_path, monkeypatch):
    monkeypatch.setattr(data, '_new_images', lambda path, n, c, size, attrs: _small_shards(path, n, c, size, attrs))
    s = write_store(tmp_path/'crops.zarr', crops(), labels(), CHANNELS, seed=3)
    open_store(s.path)
    harm(s)
    with pytest.raises(ValueError, match=f'crops.zarr has .*({says}).*delete it to have it built again'): open_store(s.path)

def _small_shards(path, n, c, size, attrs):
    lz4 = zarr.codecs.BloscCodec(cname='lz4')
    return zarr.create_array(path, shape=(n, c, size, size), dtype='float16', chunks=(20, 1, size, size), shards=(20, c, size, size),
                             compressors=(lz4, zarr.codecs.Crc32cCodec()), fill_value=np.nan, attributes=attrs)


def test_every_changed_bit_of_a_shard_is_noticed(store):
    whole, rng = _shard(store).read_bytes(), np.random.default_rng(0)
    for at in rng.integers(0, len(whole), 25):
        _shard(store).write_bytes(whole[:at] + bytes([whole[at] ^ 1 << int(rng.integers(8))]) + whole[at+1:])
        with pytest.raises(ValueError, match='damaged|have changed'): crop_loader(open_store(store.path), 'train', 'protein+nucleus').gather(np.arange(8))


def test_further_columns_may_be_added_to_the_labels_of_a_store(store):
    _labels(store, lambda t: t.assign(localization='er', mine=1))
    assert open_store(store.path).labels.localization.eq('er').all()


def test_a_given_split_that_shares_a_field_is_named(tmp_path):
    with pytest.warns(UserWarning, match='the split puts .* fields into two parts'):
        write_store(tmp_path/'s.zarr', crops(), labels().assign(split=['train', 'val', 'test']*20), CHANNELS)
    for size in (0, -1, 1.5):
        with pytest.raises(ValueError, match='expected the side of a crop'): write_store(tmp_path/'t.zarr', crops(), labels(), CHANNELS, size=size)


@pytest.mark.parametrize('batch', [0, -1, 1.5, True])
def test_no_batch(store, batch):
    with pytest.raises(ValueError, match='expected a whole number of crops'): crop_loader(store, 'train', 'protein', batch)


def test_a_store_of_no_crops(tmp_path):
    with pytest.raises(ValueError, match='no crops at all; expected one at least'): write_store(tmp_path/'a.zarr', iter([]), pd.DataFrame(dict(protein=[])), ['protein'])


def test_a_split_that_some_crops_lack_is_not_drawn_anew(tmp_path):
    some = labels().assign(split=['train']*40 + ['val']*10 + ['test']*10)
    some.loc[7, 'split'] = np.nan
    with pytest.raises(ValueError, match='1 of 60 labels have no split, first row 7; expected one for all crops or for none'):
        write_store(tmp_path/'s.zarr', crops(), some, CHANNELS)
    assert not (tmp_path/'s.zarr').exists()
    assert set(write_store(tmp_path/'n.zarr', crops(), some.assign(split=None), CHANNELS).labels.split) == set(SPLITS)


def test_crops_are_read_in_any_order_by_a_list():
    x = np.arange(6, dtype=np.float32)[:, None, None, None]*np.ones((1, 1, 2, 2), np.float32)
    assert array_source([x[:2], x[2:]]).read([5, 2, 2, 0])[:, 0, 0, 0].tolist() == [5, 2, 2, 0]
