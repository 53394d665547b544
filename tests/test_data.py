"Crop store, splits, readers and loader: bad input gets one clear sentence, good input survives the round trip"
import errno, os
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
import tifffile
import torch
import zarr

from cytoself_nb.core import cached, open_run
from cytoself_nb.data import (SPLITS, Source, array_source, check_crops, class_names, crop_loader, crop_store, cut_fields, data_variance, default_channels,
                              open_store, pose, prepare, read_folder, read_hpa3, read_hpa5, read_image, read_opencell, read_opencell_proteins, read_yeast5,
                              same_cell, select_channels, split_by_crop, split_by_field, split_rows, tidy_labels, write_store)
from cytoself_nb.preprocessing import unit_range

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
    (crops(), labels().drop(columns='protein'), CHANNELS, "expected a column 'protein'"),
    (crops(), labels().assign(protein=None), CHANNELS, '60 labels have no protein'),
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


@pytest.mark.parametrize('code', [errno.ENOSPC, errno.EACCES, errno.EROFS])
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


# ---- reading files

def test_truncated_files(tmp_path):
    from PIL import Image
    x = np.arange(10000, dtype=np.uint16).reshape(100, 100)
    np.save(tmp_path/'a.npy', x); tifffile.imwrite(tmp_path/'a.tif', x); Image.fromarray((x//40).astype(np.uint8)).save(tmp_path/'a.png')
    for f in ('a.npy', 'a.tif', 'a.png'):
        assert read_image(tmp_path/f).shape == (100, 100)
        whole = (tmp_path/f).read_bytes()
        for keep in (len(whole)//2, 60, 0):
            (tmp_path/f).write_bytes(whole[:keep])
            with pytest.raises(ValueError, match=f'cannot read .*{f}.*expected a complete TIFF, PNG, JPEG or .npy file; copy or download it again'): read_image(tmp_path/f)
    with pytest.raises(FileNotFoundError, match='no file'): read_image(tmp_path/'b.tif')


class Evil:
    def __reduce__(self): return os.system, ('touch evil',)


def test_pickle_is_never_loaded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save(tmp_path/'a.npy', np.array([Evil()], object), allow_pickle=True)
    with pytest.raises(ValueError, match='holds pickled objects'): read_image(tmp_path/'a.npy')
    assert not (tmp_path/'evil').exists()


def test_unit_range_and_checks():
    x = prepare(crops()*4095, range(60), CHANNELS, 16)
    assert x.min() == 0 and x.max() == 1 and x.dtype == np.float32
    assert unit_range(np.full((1, 1, 4, 4), 7)).max() == 0
    with pytest.raises(ValueError, match='first cell3'): check_crops(bad(np.nan)[5:8], ['cell1', 'cell2', 'cell3'])
    assert tidy_labels(labels()).columns[0] == 'protein'
    assert array_source(crops()).read(np.array([2, 5])).shape == (2, 2, 16, 16)


# ---- published OpenCell arrays

def write_part(folder, k, n, columns=('ensg', 'name', 'loc_grade1', 'loc_grade2', 'loc_grade3', 'protein_id', 'FOV_id'), n_labels=None):
    x = np.random.default_rng(k).random((n, 100, 100, 4))
    x[..., 2] = x[..., 2]*240 - 120
    np.save(folder/f'Image_data{k:02d}.npy', x)
    pd.DataFrame([('ENSG1', 'AB'[k], 'membrane', '', '', 10 + k, i//3) for i in range(n_labels or n)], columns=columns).to_csv(folder/f'Label_data{k:02d}.csv', index=False)
    return x


def test_opencell_arrays(tmp_path):
    x = np.concatenate([write_part(tmp_path, 0, 30), write_part(tmp_path, 1, 33)])
    source, table, channels = read_opencell(tmp_path)
    assert channels == ['protein', 'nucleus', 'distance', 'mask'] and source.shape == (63, 4, 100, 100)
    got = source.read(np.array([3, 29, 30, 62]))
    np.testing.assert_allclose(got[:, 0], x[[3, 29, 30, 62], ..., 0], rtol=1e-6)
    np.testing.assert_allclose(got[:, 2], np.clip(x[[3, 29, 30, 62], ..., 2]*0.01, -1, 1), rtol=1e-5)
    s = write_store(tmp_path/'crops.zarr', source, table, channels, size=64)
    assert s.images.shape == (63, 4, 64, 64) and class_names(s) == ['A', 'B'] and default_channels(s) == 'protein+distance'
    assert set(s.labels.fov.str[0]) == {'A', 'B'}


def test_opencell_bad(tmp_path):
    with pytest.raises(FileNotFoundError, match='no Image_dataNN.npy'): read_opencell(tmp_path)
    write_part(tmp_path, 0, 6, n_labels=5)
    with pytest.raises(ValueError, match='Image_data00.npy has 6 images, Label_data00.csv 5 labels'): read_opencell(tmp_path)
    write_part(tmp_path, 0, 6, columns=('ensg', 'name', 'a', 'b', 'c', 'd', 'e'))
    with pytest.raises(ValueError, match='without loc_grade1.*expected ensg, name'): read_opencell(tmp_path)
    whole = (tmp_path/'Image_data00.npy').read_bytes()
    (tmp_path/'Image_data00.npy').write_bytes(whole[:len(whole)//2])
    with pytest.raises(ValueError, match='cannot read .*Image_data00.npy'): read_opencell(tmp_path)
    np.save(tmp_path/'Image_data00.npy', np.zeros((6, 100, 100, 2)))
    with pytest.raises(ValueError, match=r'expected \(N, 100, 100, 4\)'): read_opencell(tmp_path)
    (tmp_path/'Label_data00.csv').unlink()
    with pytest.raises(FileNotFoundError, match='no Label_data00.csv beside it'): read_opencell(tmp_path)


def test_opencell_infinity_is_not_clipped_away(tmp_path):
    x = write_part(tmp_path, 0, 12)
    x[4, 50, 50, 0] = np.inf; np.save(tmp_path/'Image_data00.npy', x)
    with pytest.raises(ValueError, match='NaN or infinite pixels, first 4'): read_opencell(tmp_path)[0].read(np.arange(12))


@pytest.mark.parametrize('columns', [3, 4])
def test_opencell_proteins(tmp_path, columns):
    for p in ('LMNB1', 'NPM1'):
        for kind, k in (('pro', 1), ('nuc', 1), ('nucdist', 150)): np.save(tmp_path/f'{p}_{kind}.npy', np.random.default_rng(k).random((12, 100, 100))*k)
        np.save(tmp_path/f'{p}_label.npy', np.array([['ENSG1', p, 'nucleus', str(i//3)][:columns] for i in range(12)]))
    source, table, channels = read_opencell_proteins(tmp_path)
    assert channels == ['protein', 'nucleus', 'distance'] and source.shape == (24, 3, 100, 100)
    x = source.read(np.array([0, 23]))
    assert x[:, 2].max() == 1 and x[:, 2].mean() == pytest.approx(0.66, abs=0.03)      # 0.01 x uniform(0, 150), clipped at 1
    assert ('fov' in table) == (columns == 4)
    assert read_opencell_proteins(tmp_path, ['NPM1'])[0].shape[0] == 12
    np.save(tmp_path/'NPM1_nuc.npy', np.zeros((11, 100, 100)))
    with pytest.raises(ValueError, match=r'files of NPM1 hold \[12, 11, 12, 12\] rows'): read_opencell_proteins(tmp_path)
    (tmp_path/'NPM1_nuc.npy').unlink()
    with pytest.raises(FileNotFoundError, match='NPM1_nuc.npy'): read_opencell_proteins(tmp_path)


# ---- a folder of one's own

@pytest.fixture
def own(tmp_path):
    folder = tmp_path/'my cells'; folder.mkdir()
    rng, rows = np.random.default_rng(0), []
    for k in range(40):
        x, name = (rng.random((2, 30 + k % 3, 30 + k % 3))*4000).astype(np.uint16), f'cell{k:02d}.' + ('tif', 'npy')[k % 2]
        if k % 2: np.save(folder/name, np.moveaxis(x, 0, -1))
        else: tifffile.imwrite(folder/name, x)
        rows.append((name, 'AB'[k//20], k//4 % 5, 'cytosol', 'ribosome'))
    pd.DataFrame(rows, columns=['file', 'protein', 'field', 'localization', 'complex']).to_csv(folder/'labels.csv', index=False)
    return folder


def rewrite(folder, change): change(pd.read_csv(folder/'labels.csv')).to_csv(folder/'labels.csv', index=False)


def test_own_folder(own, tmp_path, monkeypatch):
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path))
    run = open_run(str(own), 'smoke', 0, '08_data')
    s = crop_store(run)
    assert s.images.shape == (40, 2, 64, 64) and s.channels == CHANNELS and class_names(s) == ['A', 'B']
    assert set(s.labels.fov) == {f'{p}_{f}' for p in 'AB' for f in range(5)} and set(s.labels.complex) == {'ribosome'}
    assert s.labels.split.value_counts().to_dict() == {'train':24, 'val':8, 'test':8}
    built = (run.path/'crops.zarr.settings.json').stat().st_mtime_ns
    crop_store(run)
    assert (run.path/'crops.zarr.settings.json').stat().st_mtime_ns == built                 # loaded
    rewrite(own, lambda t: t[t.file != 'cell00.tif'])
    assert crop_store(run).images.shape[0] == 39                                             # changed: built again


def test_own_folder_png_and_channel_names(tmp_path):
    from PIL import Image
    for k in range(3): Image.fromarray(np.random.default_rng(k).integers(0, 255, (20, 20, 3), np.uint8)).save(tmp_path/f'{k}.png')
    pd.DataFrame({'file':['0.png', '1.png', '2.png'], 'protein':'A', 'field':[1, 2, 3]}).to_csv(tmp_path/'labels.csv', index=False)
    source, _, channels = read_folder(tmp_path, 20)
    assert channels == ['protein', 'nucleus', 'distance']
    with pytest.raises(ValueError, match='the distance channel of 0.png goes from'): source.read(np.arange(3))   # a colour is no distance
    (tmp_path/'channels.txt').write_text('microtubules\nprotein\nnucleus\n')
    source, _, channels = read_folder(tmp_path, 20)
    assert channels == ['microtubules', 'protein', 'nucleus'] and source.read(np.arange(3)).shape == (3, 3, 20, 20)
    (tmp_path/'channels.txt').write_text('protein')
    with pytest.raises(ValueError, match='channels.txt names 1 channels, 0.png has 3'): read_folder(tmp_path, 20)


def test_own_folder_without_fields(own, tmp_path):
    rewrite(own, lambda t: t[['file', 'protein']])
    with pytest.warns(UserWarning, match='Add a column with the field'): s = write_store(tmp_path/'x.zarr', *read_folder(own, 32))
    assert set(s.labels.split_rule) == {'crop'} and set(s.labels.split) == set(SPLITS)


@pytest.mark.parametrize('change, says', [
    (lambda t: t.drop(columns='protein'), 'without protein; expected file and protein'),
    (lambda t: t.drop(columns='file'), 'without file; expected file and protein'),
    (lambda t: t.iloc[:0], 'no rows'),
    (lambda t: t.replace('cell00.tif', 'gone.tif'), '1 of them are not in'),
    (lambda t: t.assign(protein=None), 'have no protein'),
])
def test_own_folder_bad_table(own, change, says):
    rewrite(own, change)
    with pytest.raises((ValueError, FileNotFoundError)) as e: read_folder(own, 32)
    assert says in str(e.value) and '\n' not in str(e.value)


@pytest.mark.parametrize('image, says', [
    (np.full((2, 30, 30), 5.), 'constant protein channel, first cell01.npy'),
    (np.full((2, 30, 30), np.nan), 'NaN or infinite pixels, first cell01.npy'),
    (np.random.rand(2, 30, 31), 'expected one square crop'),
    (np.random.rand(30, 30, 30), 'expected one square crop'),
    (np.random.rand(3, 30, 30), 'cell01.npy has 3 channels, cell00.tif has 2'),
    (np.random.rand(5), 'expected one square crop'),
])
def test_own_folder_bad_image(own, image, says, tmp_path):
    np.save(own/'cell01.npy', image)
    source, table, channels = read_folder(own, 32)
    with pytest.raises(ValueError) as e: write_store(tmp_path/'x.zarr', source, table, channels)
    assert says in str(e.value) and not (tmp_path/'x.zarr').exists()


def test_own_folder_truncated_image(own, tmp_path):
    (own/'cell02.tif').write_bytes((own/'cell02.tif').read_bytes()[:500])
    source, table, channels = read_folder(own, 32)
    with pytest.raises(ValueError, match='cannot read .*cell02.tif'): write_store(tmp_path/'x.zarr', source, table, channels)


def test_folder_without_anything(tmp_path, monkeypatch):
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path/'out'))
    (tmp_path/'empty').mkdir()
    with pytest.raises(FileNotFoundError, match='neither stacks.csv nor labels.csv nor published OpenCell arrays'): crop_store(open_run(str(tmp_path/'empty'), 'smoke'))
    with pytest.raises(FileNotFoundError, match='no labels.csv'): read_folder(tmp_path/'empty', 32)


def test_folder_of_published_arrays(tmp_path, monkeypatch):
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path/'out'))
    (tmp_path/'opencell').mkdir(); write_part(tmp_path/'opencell', 0, 30); write_part(tmp_path/'opencell', 1, 30)
    s = crop_store(open_run(str(tmp_path/'opencell'), 'smoke'))
    assert s.images.shape == (60, 4, 64, 64) and set(s.labels.split) == set(SPLITS)


# ---- real images, where a mirror has them

real = pytest.mark.skipif(not os.environ.get('CYTOSELF_NB_MIRROR'), reason='CYTOSELF_NB_MIRROR is not set')


@real
def test_yeast5():
    x, table, channels = read_yeast5(64)
    assert x.shape == (1642, 2, 64, 64) and channels == ['protein', 'cytosol']
    assert table.protein.value_counts().to_dict() == {'AAC3':416, 'AAC1':366, 'AAR2':349, 'AAP1':308, 'AAH1':203}
    assert (table.groupby('protein').fov.nunique() == 4).all()


@real
def test_hpa3():
    x, table, channels = read_hpa3(64)
    assert x.shape == (62, 3, 64, 64) and channels == ['protein', 'nucleus', 'microtubules']
    assert table.protein.value_counts().to_dict() == {'A1CF':34, 'AAAS':22, 'A4GALT':6}


@real
def test_hpa5():
    x, table, channels = read_hpa5(64)
    assert x.shape == (809, 2, 64, 64) and channels == CHANNELS
    assert table.protein.value_counts().to_dict() == {'cytosol':324, 'nucleoplasm':314, 'plasma membrane':90, 'nucleoli':45, 'mitochondria':36}
    assert table.copy_of.notna().sum() == 15
    centre = x[:, 1, 22:42, 22:42].mean((1, 2)); rim = x[:, 1, :6].mean((1, 2))
    assert (centre > rim).mean() > 0.99                       # the nucleus is in the middle
    split = split_by_field(table, 0)
    first = same_cell(x)
    assert (split.split.to_numpy() == split.split.to_numpy()[first]).all()       # no cell in two parts
