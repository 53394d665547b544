"Readers: files become crops, labels and channel names; bad files get one clear sentence"
import os

import numpy as np
import pandas as pd
import pytest
import tifffile
from scipy.ndimage import gaussian_filter

from cytoself_nb.core import open_run
from cytoself_nb.split import SPLITS, split_by_field
from cytoself_nb.data import class_names, default_channels, write_store
from cytoself_nb.preprocessing import unit_range
from cytoself_nb.readers import (check_data, composite_cells, data_state, nucleus_center, prepare, read_folder, read_hpa3, read_hpa5, read_image,
                                 read_opencell, read_opencell_proteins, read_yeast5, same_cell, with_distance)
from cytoself_nb.runs import crop_store

CHANNELS = ['protein', 'nucleus']


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
            with pytest.raises(ValueError, match=f'{f} is (empty|damaged or cut short).*expected.*copy( or download)? it again'): read_image(tmp_path/f)
    with pytest.raises(FileNotFoundError, match='no file'): read_image(tmp_path/'b.tif')


class Evil:
    def __reduce__(self): return os.system, ('touch evil',)


def test_pickle_is_never_loaded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save(tmp_path/'a.npy', np.array([Evil()], object), allow_pickle=True)
    with pytest.raises(ValueError, match='holds pickled objects'): read_image(tmp_path/'a.npy')
    assert not (tmp_path/'evil').exists()


def test_prepare_scales_to_unit_range():
    smooth = gaussian_filter(np.random.default_rng(0).random((6, 2, 16, 16)), (0, 0, 3, 3))*4095
    x = prepare(smooth, range(6), CHANNELS, 16)
    assert x.min() == 0 and x.max() == 1 and x.dtype == np.float32
    assert unit_range(np.full((1, 1, 4, 4), 7)).max() == 0


def test_prepare_leaves_a_distance_alone_and_refuses_pixels():
    x = np.linspace(-1, 1, 2*64).reshape(1, 2, 8, 8)
    np.testing.assert_allclose(prepare(x, ['one'], ['protein', 'distance'], 8)[:, 1], x[:, 1], rtol=1e-6)
    with pytest.raises(ValueError, match='the distance channel of one goes from'): prepare(x*90, ['one'], ['protein', 'distance'], 8)


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
    with pytest.raises(ValueError, match='Image_data00.npy is damaged or cut short'): read_opencell(tmp_path)
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
    with pytest.raises(ValueError, match='none of the 3 crops could be used, first 0.png: the distance channel goes from'): read_folder(tmp_path, 20)   # a colour is no distance
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
    (lambda t: t.assign(protein=None), '40 rows without protein'),
])
def test_own_folder_bad_table(own, change, says):
    rewrite(own, change)
    with pytest.raises((ValueError, FileNotFoundError)) as e: read_folder(own, 32)
    assert says in str(e.value) and '\n' not in str(e.value)


@pytest.mark.parametrize('image, says', [
    (np.full((2, 30, 30), 5.), 'has a constant protein channel'),
    (np.full((2, 30, 30), np.nan), 'NaN or infinite pixels'),
    (np.random.rand(2, 30, 31), 'expected one square crop'),
    (np.random.rand(30, 30, 30), 'expected one square crop'),
    (np.random.rand(3, 30, 30), 'has 3 channels; expected 2'),
    (np.random.rand(5), 'expected one square crop'),
    (None, 'damaged or cut short'),
])
def test_one_bad_crop_is_a_row_of_rejects(own, image, says, tmp_path):
    if image is None: (own/'cell01.npy').write_bytes((own/'cell03.npy').read_bytes()[:500])
    else: np.save(own/'cell01.npy', image)
    with pytest.warns(UserWarning, match='1 of 40 crops could not be used, first cell01.npy'): source, table, channels = read_folder(own, 32, tmp_path)
    rejects = pd.read_csv(tmp_path/'rejects.csv')
    assert rejects.file.tolist() == ['cell01.npy'] and says in rejects.reason[0]
    assert len(table) == 39 == source.shape[0] and channels == CHANNELS
    np.testing.assert_array_equal(source.read(np.arange(1, 2))[0], prepare(read_image(own/'cell02.tif')[None], ['x'], CHANNELS, 32)[0])
    for f in own.glob('cell*'): np.save(own/f.name, np.zeros((2, 30, 30))) if f.suffix == '.npy' else tifffile.imwrite(f, np.zeros((2, 30, 30), np.uint8))
    with pytest.raises(ValueError, match='none of the 40 crops could be used, first cell00.tif: has a constant protein'): read_folder(own, 32)


def test_the_same_pixels_are_in_one_row_only(own, tmp_path):
    "A copy under another name, in another format, of another protein; one file by two spellings"
    np.save(own/'cell01.npy', tifffile.imread(own/'cell00.tif'))            # both of A: the second goes
    np.save(own/'cell21.npy', tifffile.imread(own/'cell04.tif').astype(float))   # A and B: neither can be right
    with pytest.warns(UserWarning, match='3 of 40 crops'): table = read_folder(own, 32, tmp_path)[1]
    reasons = pd.read_csv(tmp_path/'rejects.csv').set_index('file').reason
    assert reasons['cell01.npy'] == 'has the same pixels as cell00.tif, brightness aside'
    assert reasons['cell04.tif'] == 'has the same pixels as cell21.npy, brightness aside, which is given another protein'
    assert sorted(reasons.index) == ['cell01.npy', 'cell04.tif', 'cell21.npy'] and len(table) == 37
    for other in ('./cell00.tif', 'x/../cell00.tif', str(own/'cell00.tif'), 'link.tif', 'cell00.tif'):
        (own/'x').mkdir(exist_ok=True)
        if other == 'link.tif': (own/other).symlink_to('cell00.tif')
        rewrite(own, lambda t: pd.concat([t.iloc[:1], t.iloc[:1].assign(file=other, protein='B')]))
        with pytest.raises(ValueError, match='labels.csv names one file more than once, cell00.tif.* in row 2, 3'): read_folder(own, 32)


def test_a_channel_that_is_empty_everywhere_is_refused(tmp_path):
    "A colour picture whose blue is empty would be a distance of 0"
    rng = np.random.default_rng(0)
    for k in range(3): tifffile.imwrite(tmp_path/f'{k}.tif', np.stack([*rng.integers(0, 255, (2, 20, 20), np.uint8), np.zeros((20, 20), np.uint8)]), photometric='minisblack')
    pd.DataFrame({'file': ['0.tif', '1.tif', '2.tif'], 'protein': 'A', 'field': [1, 2, 3]}).to_csv(tmp_path/'labels.csv', index=False)
    with pytest.raises(ValueError, match='the distance channel is constant'): read_folder(tmp_path, 20)


def test_further_columns_and_fields_of_crops(own):
    rewrite(own, lambda t: t.assign(split='train', row=1, dose=2, fov='x', **{'ng/ml': 3}))
    with pytest.warns(UserWarning, match='the column split of the table travels as table_split'): table = read_folder(own, 32)[1]
    assert {'table_split', 'table_row', 'table_fov', 'dose', 'ng_ml'} <= set(table) and table.split.isna().all() and table.fov[0] == 'A_0'
    rewrite(own, lambda t: t.drop(columns=['field', 'split', 'row']))
    assert read_folder(own, 32)[1].fov[0] == 'A_x'                          # a column fov is a field


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


# ---- cells of composites

def test_cells_of_a_composite_are_centered_on_their_nucleus():
    disc = 200.*(np.hypot(*(np.mgrid[:512, :512] - np.array([300, 140])[:, None, None])) < 60)
    disc[:40, :40] = 200                               # a smaller bright object
    np.testing.assert_allclose(nucleus_center(disc), (300, 140), atol=4)
    assert nucleus_center(disc*0.01) is None
    picture = np.zeros((1536, 1536)); picture[512:1024, 1024:] = disc
    x, tiles = composite_cells(picture, picture)
    assert tiles == [5] and x.shape == (1, 2, 320, 320) and (x[0, 1, 110:210, 160] == 200).all()
    assert composite_cells(0*picture, 0*picture)[0].shape == (0, 2, 320, 320)


def test_files_of_hpa3_and_hpa5(tmp_path):
    "Small files in the published layout"
    from PIL import Image
    rng = np.random.default_rng(0)
    (tmp_path/'A1CF_762_F2').mkdir()
    for c in ('green', 'blue', 'red'): tifffile.imwrite(tmp_path/f'A1CF_762_F2/762_F2_1_10_{c}.tif', rng.random((128, 128), np.float32))
    x, table, channels = read_hpa3(64, sorted((tmp_path/'A1CF_762_F2').iterdir()))
    assert x.shape == (1, 3, 64, 64) and table.iloc[0].tolist() == ['A1CF', 'A1CF', '762_F2_1', '10']
    (tmp_path/'img_comb1').mkdir()
    picture = np.zeros((1536, 1536)); picture[700:800, 1200:1300] = 200
    rows = [('mixed_img0', '25', '1_0'), ('mixed_img1', '0', '0_1'), ('mixed_img2', '25 0', '0.5_0.5')]
    pd.DataFrame(rows, columns=['Id', 'Target', 'm_rate']).to_csv(tmp_path/'img_comb1.csv', index=False)
    for k in range(2):
        seen = (picture + 50*rng.random(picture.shape)*(picture > 0)).astype(np.uint8)
        for c in ('green', 'blue'): Image.fromarray(seen).save(tmp_path/f'img_comb1/mixed_img{k}_{c}.jpg')
    files = [tmp_path/'img_comb1.csv', *sorted((tmp_path/'img_comb1').iterdir())]
    x, table, channels = read_hpa5(64, files)
    assert x.shape == (2, 2, 64, 64) and table.protein.tolist() == ['cytosol', 'nucleoplasm'] and table.tile.tolist() == [5, 5]
    with pytest.raises(FileNotFoundError, match='whose images are not there'): read_hpa5(64, files[:-1])


def test_distance_needs_a_nucleus():
    disc = (np.hypot(*(np.mgrid[:64, :64] - 31.5)) < 12).astype(np.float32)*0.8 + 0.1*np.random.default_rng(0).random((64, 64), np.float32)
    with pytest.raises(ValueError, match='no nucleus was found in 1 of 2 crops, first 1'): with_distance(np.stack([[disc, disc], [0*disc, 0*disc]]), CHANNELS)


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


# ---- what has changed, and what is said before the first notebook

def test_a_change_of_any_file_is_noticed(tmp_path, monkeypatch):
    "Outside the folder, in a linked folder, in a folder that is an image, of the label images; two files that change places"
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path/'out'))
    job, far, linked = tmp_path/'job', tmp_path/'far', tmp_path/'linked'
    for f in (job/'x.zarr/0', far, linked, tmp_path/'masks', tmp_path/'out/runs'): f.mkdir(parents=True)
    files = [far/'a.tif', far/'nuclei.tif', linked/'b.tif', job/'x.zarr/0/c', tmp_path/'masks/a.tif', job/'d.tif', job/'channels.txt']
    for f in files: f.write_text('x')
    (job/'link').symlink_to(linked); (linked/'circle').symlink_to(job)
    pd.DataFrame(dict(file=[str(far/'a.tif'), 'link/b.tif', 'x.zarr', 'd.tif'], protein='A', file_nucleus=[str(far/'nuclei.tif'), None, None, None])).to_csv(job/'stacks.csv', index=False)
    monkeypatch.setenv('CYTOSELF_NB_MASKS', str(tmp_path/'masks'))
    states = [data_state(str(job))]
    for f in files: f.write_text('xy'); states.append(data_state(str(job)))
    monkeypatch.delenv('CYTOSELF_NB_MASKS')
    assert data_state(str(job)) == states[-1], 'the label images are remembered'
    for f in (job/'d.tif', far/'a.tif'): os.utime(f, ns=(5, 5))
    states.append(data_state(str(job)))
    (job/'d.tif').rename(job/'t'); (far/'a.tif').rename(job/'d.tif'); (job/'t').rename(far/'a.tif')
    states.append(data_state(str(job)))
    assert len(set(states)) == len(states) and data_state(str(job)) == states[-1]


def test_images_outside_the_folder_are_read_again_when_they_change(tmp_path, monkeypatch):
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path/'out'))
    (tmp_path/'job').mkdir()
    def put(seed):
        for k in range(6): np.save(tmp_path/f'{k}.npy', np.random.default_rng(k + seed).random((2, 20, 20)))
    put(0)
    pd.DataFrame(dict(file=[str(tmp_path/f'{k}.npy') for k in range(6)], protein=list('AAABBB'), field=[1, 2, 3]*2)).to_csv(tmp_path/'job/labels.csv', index=False)
    run = open_run(str(tmp_path/'job'), 'smoke')
    first = crop_store(run).images[:]
    put(50)
    assert not np.array_equal(first, crop_store(run).images[:])


@pytest.mark.parametrize('table, says', [
    ('file,protein\n', 'has no rows'), ('file;protein\na.npy;A;x\n', 'another length'), ('file,protein\ngone.npy,A\nb.npy,B\n', '1 of them are not in'),
    ('name\nx\n', 'without file, protein')])
def test_tables_are_checked_before_the_first_notebook(table, says, own, tmp_path, monkeypatch):
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path/'out'))
    for k in 'ab': np.save(own/f'{k}.npy', np.random.rand(2, 9, 9))
    (own/'labels.csv').write_text(table)
    with pytest.raises((ValueError, OSError), match=says): check_data(str(own))
    (own/'labels.csv').rename(own/'stacks.csv')
    with pytest.raises((ValueError, OSError), match=says.replace('1 of them are not in', 'x')) if 'them' not in says else pytest.warns(UserWarning, match='1 of 2 stacks are not there, first gone.npy'): check_data(str(own))
    (own/'stacks.csv').unlink()
    with pytest.raises(FileNotFoundError, match='neither stacks.csv nor labels.csv'): check_data(str(own))
    check_data('simulated')


def test_one_protein_is_said_at_the_table(own):
    rewrite(own, lambda t: t.assign(protein='A'))
    with pytest.warns(UserWarning, match='labels.csv names one protein, A: no network can learn'): check_data(str(own))


def test_label_images_of_a_run(own, tmp_path, monkeypatch):
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path/'out'))
    monkeypatch.setenv('CYTOSELF_NB_MASKS', str(tmp_path))
    with pytest.raises(ValueError, match='has no stacks.csv, and label images belong to stacks'): check_data(str(own))
    (own/'labels.csv').rename(own/'stacks.csv')
    monkeypatch.setenv('CYTOSELF_NB_MASKS', str(tmp_path/'nowhere'))
    with pytest.raises(FileNotFoundError, match='expected label images, one for each stack; check MASKS'): check_data(str(own))


def test_fields_that_stand_for_proteins(mirror, tmp_path, monkeypatch):
    "hpa28: 83 fields, 43 with one localization; no tested pixel was trained on"
    from cytoself_nb.data import n_proteins
    from cytoself_nb.real_fields import hpa28_stacks
    from cytoself_nb.split import split_by_place
    monkeypatch.setenv('CYTOSELF_NB_MIRROR', str(mirror))
    table = hpa28_stacks(tmp_path)
    one = table.localization[~table.localization.str.contains(';')]
    assert len(table) == table.protein.nunique() == 83 and len(one) == 43 and one.nunique() == 15
    assert one.value_counts()[['mitochondria', 'golgi apparatus', 'cytosol']].tolist() == [6, 6, 5]
    rng = np.random.default_rng(0)
    t = pd.DataFrame(dict(protein='a', fov='a', y=rng.uniform(50, 360, 40), x=rng.uniform(50, 360, 40)))
    for seed in range(8):
        s = split_by_place(t, 100, seed)
        gap = np.abs(s[s.split == 'test'][['y', 'x']].to_numpy()[:, None] - s[s.split == 'train'][['y', 'x']].to_numpy()).max(-1)
        assert set(s.split) == set(SPLITS) and gap.min() >= 100
    assert n_proteins(t.assign(localization='x')) is None and set(split_by_place(t[:2], 100).split) == {'train'}


@pytest.mark.parametrize('n, side', [(2, 300), (3, 120), (5, 60), (10, 150), (60, 150), (200, 250), (40, 360)])
def test_no_tested_pixel_is_trained_on(n, side, recwarn):
    from cytoself_nb.split import split_by_place
    for seed in range(3):
        at = np.random.default_rng(seed).uniform(0, side, (n, 2))
        s = split_by_place(pd.DataFrame(dict(protein='a', fov='a', y=at[:, 0], x=at[:, 1])), 100, seed)
        test, train = (at[s.split == p] for p in ('test', 'train'))
        assert len(train) and (not len(test) or np.abs(test[:, None] - train).max(-1).min() >= 100)
        assert set(s.split_rule) == ({'place'} if len(test) else {'no room'}) and bool(len(test)) != any('no room' in str(w.message) for w in recwarn)
        recwarn.clear()
    assert side > 100 or not len(test)


def test_each_side_of_a_field_is_tested_by_some_seed():
    from cytoself_nb.split import split_by_place
    at, sides = np.random.default_rng(0).uniform(0, 900, (60, 2)), set()
    for seed in range(12):
        off = at[split_by_place(pd.DataFrame(dict(protein='a', fov='a', y=at[:, 0], x=at[:, 1])), 100, seed).split == 'test'].mean(0) - 450
        sides.add((int(np.abs(off).argmax()), bool(off[np.abs(off).argmax()] > 0)))
    assert len(sides) == 4


def test_one_crop_trains_whatever_share_is_tested():
    from cytoself_nb.split import split_by_place
    t = pd.DataFrame(dict(protein='a', fov='a', y=np.arange(10.)*50, x=np.arange(10.)*50))
    assert split_by_place(t, 10, share=.9).split.value_counts().to_dict() == {'test': 9, 'train': 1}


def test_places_that_are_not_known():
    from cytoself_nb.split import split_by_place
    t = pd.DataFrame(dict(protein='a', fov='a', y=np.arange(9.)*50, x=1.))
    for bad in (t.assign(y=[np.nan, *t.y[1:]]), t.drop(columns='x'), t.drop(columns='fov')):
        with pytest.raises(ValueError, match='have no place'): split_by_place(bad, 100)
    with pytest.raises(ValueError, match='reach=nan'): split_by_place(t, np.nan)


def test_codes_of_localizations():
    "As the competition numbers them: HPA5 names five of the same codes"
    from cytoself_nb.real_fields import HPA28
    from cytoself_nb.readers import HPA5
    assert len(HPA28) == 28 and all(HPA28) and HPA28[0] == 'nucleoplasm' and HPA28[27] == 'rods & rings'
    assert {k: HPA28[int(k)] for k in HPA5} == HPA5


# ---- distances, stains, headers

def png(path, x):
    from imagecodecs import png_encode
    path.write_bytes(png_encode(np.ascontiguousarray(np.moveaxis(x, 0, -1))))

def cell(k, n=60):
    "Protein and nucleus of a cell, and its distance to the envelope, (3, n, n)"
    r, (y, x) = np.random.default_rng(k), np.mgrid[:n, :n]
    far = n/5 - np.hypot(y - n/2, x - n/2)
    return np.stack([r.poisson(50*np.exp(-far**2/200)) + 10, r.poisson(20 + 100*(far > 0)), .01*far*100/n])

def folder_of(path, crops, **table):
    path.mkdir()
    for k, x in enumerate(crops): np.save(path/f'{k}.npy', x.astype(np.float32))
    pd.DataFrame(dict(file=[f'{k}.npy' for k in range(len(crops))], protein=['A', 'B']*(len(crops)//2)) | table).to_csv(path/'labels.csv', index=False)
    return path

BLUE = {'is never negative': lambda d, r: d - d.min() + .01, 'is never positive': lambda d, r: d - d.max() - .01, 'is as rough as noise': lambda d, r: r.normal(0, .2, d.shape),
        'goes from': lambda d, r: d*100, 'is constant': lambda d, r: d*0, 'nucleus is darker': lambda d, r: -d, 'never negative': lambda d, r: r.integers(0, 2, d.shape)}

@pytest.mark.parametrize('why', BLUE)
def test_a_third_channel_that_is_no_distance_is_refused(why, tmp_path):
    "Noise in the blue of a color picture, a stain, the wrong sign: the network would be shown it"
    odd = [np.stack([*c[:2], BLUE[why](c[2], np.random.default_rng(k))]) for k, c in enumerate(map(cell, range(6)))]
    with pytest.raises(ValueError, match=f'none of the 6 crops .*{why}.*expected'): read_folder(folder_of(tmp_path/'odd', odd), 32)
    assert len(read_folder(folder_of(tmp_path/'true', [cell(k) for k in range(6)]), 32)[1]) == 6

def test_names_of_channels_say_where_the_distance_is(tmp_path):
    turned = [cell(k)[[2, 1, 0]] for k in range(6)]
    f = folder_of(tmp_path/'turned', turned)
    (f/'channels.txt').write_text('distance\nnucleus\nprotein\n')
    source, labels, channels = read_folder(f, 60)
    assert len(labels) == 6 and np.allclose(source.read(np.arange(1))[0, 0], turned[0][0], atol=1e-6)

def test_four_stains_of_which_one_is_empty_in_a_crop(tmp_path):
    "A constant fourth channel of a PNG is no alpha where the crops have four stains"
    for k in range(6):
        x = np.stack([*cell(k)[:2], *cell(k + 9)[:2]]).astype(np.uint16); x[3] *= k > 0
        png(tmp_path/f'{k}.png', x)
    pd.DataFrame(dict(file=[f'{k}.png' for k in range(6)], protein=list('AAABBB'))).to_csv(tmp_path/'labels.csv', index=False)
    (tmp_path/'channels.txt').write_text('protein\nnucleus\ner\ntubulin\n')
    source, labels, channels = read_folder(tmp_path, 32)
    assert len(labels) == 6 and source.shape[1] == 4 and not source.read(np.arange(1))[0, 3].any()

@pytest.mark.parametrize('header', ['FOV', 'fov', 'Fov ', 'Field', 'FIELD'])
def test_capitals_of_a_header(header, tmp_path):
    from cytoself_nb.readers import labels_table
    from cytoself_nb.stacks import stacks_table
    f = folder_of(tmp_path/'f', [cell(k) for k in range(4)], **{header: list('1122')})
    assert labels_table(f).fov.tolist() == ['A_1', 'B_1', 'A_2', 'B_2']
    os.rename(f/'labels.csv', f/'stacks.csv')
    assert stacks_table(f).fov.tolist() == ['A_1', 'B_1', 'A_2', 'B_2']

@pytest.mark.parametrize('fields,said', [(['F1', 'f1', 'F1', 'f1'], 'F1, f1'), (['01', '01', '1', '1'], '01, 1'), (['s 1', 's1', 's1', 's2'], 's 1, s1'), (['1', '10', '2', '11'], ''), (['1', '1', '1', '1'], '')])
def test_fields_that_differ_in_capitals_or_zeros(fields, said, tmp_path, recwarn):
    from cytoself_nb.readers import labels_table
    labels_table(folder_of(tmp_path/'f', [cell(k) for k in range(4)], field=fields, protein=list('AABA')))
    assert [f'fields are named {said}, which' in str(w.message) for w in recwarn.list] == [True]*bool(said)

def test_copies_in_arrays_are_said(tmp_path):
    "A store of equal crops that fields have put into training and test"
    from cytoself_nb.split import split_by_field
    x = np.stack([unit_range(cell(k)[:1]) for k in range(30)]); x[20] = x[3]
    labels = pd.DataFrame(dict(protein=['A']*15 + ['B']*15, fov=[f'{p}_{k}' for p in 'AB' for k in range(15)]))
    labels = split_by_field(labels, 0)
    with pytest.warns(UserWarning, match='2 of 30 crops occur more than once, brightness aside, first rows'): write_store(tmp_path/'s.zarr', x, labels, ['protein'])
    one = labels.assign(protein='A', split=np.where(np.arange(30) == 20, 'test', 'train'))   # the copy is of the same protein
    with pytest.warns(UserWarning, match='2 of 30 crops occur more than once.*\\(A, train\\).*\\(A, test\\)'): write_store(tmp_path/'one.zarr', x, one, ['protein'])

# ---- several widths, units of the distance, copies that no checksum finds

def said_of(folder, **more):
    import warnings
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter('always'); found = read_folder(folder, 50, **more)
    return found, ' | '.join(str(w.message) for w in heard)

def disc_crop(seed, n, unit=None):
    "A round nucleus in noise, perhaps with its distance"
    from cytoself_nb.preprocessing import signed_distance
    rng, yx = np.random.default_rng(seed), np.mgrid[:n, :n]
    inside = np.hypot(*(yx - n/2)) < n*.18
    x = [rng.poisson(60 + 400*gaussian_filter(rng.random((n, n)), 3)), rng.poisson(20 + 300*inside)]
    return np.stack([*x, signed_distance(inside.astype(int), unit)] if unit else x).astype(np.float32)

def put_crops(folder, crops):
    for k, x in enumerate(crops): np.save(folder/f'{k}.npy', x)
    pd.DataFrame(dict(file=[f'{k}.npy' for k in range(len(crops))], protein=['AB'[k % 2] for k in range(len(crops))], field=range(len(crops)))).to_csv(folder/'labels.csv', index=False)

def test_crops_of_several_widths_are_said_and_refused_with_a_pixel_size(tmp_path):
    put_crops(tmp_path, [disc_crop(k, n) for k, n in enumerate((60, 100, 100, 140))])
    assert 'crops have 60 to 140 pixels a side (most have 100, 0.npy has not); each is brought to one size' in said_of(tmp_path)[1]
    with pytest.raises(ValueError, match='expected one width where a pixel size holds for all'): read_folder(tmp_path, 50, pixel_um=.4)
    put_crops(tmp_path, [disc_crop(k, n) for k, n in enumerate((98, 100, 100, 101))])
    assert 'pixels a side' not in said_of(tmp_path, pixel_um=.4)[1]

@pytest.mark.parametrize('n, unit, factor', [(200, 1/200, 1), (200, .01, .5), (50, .01, 2), (50, .02, 1), (100, .01, 1), (100, .003, 1/.3), (33, 1/33, 1)])
def test_a_distance_of_another_unit_is_brought_to_crop_widths(n, unit, factor, tmp_path):
    "50 pixels of a crop: a pixel is 0.02 of its width"
    put_crops(tmp_path, [disc_crop(k, n, unit) for k in range(4)])
    (source, _, channels), said = said_of(tmp_path)
    d = source.read(np.arange(4))[:, 2]
    assert channels[2] == 'distance' and np.allclose(d[:, 25, 44] - d[:, 25, 39], -.1, atol=.02) and abs(d[0, 25, 25] - .18) < .03
    assert ('in crop widths it would be' in said) == (factor != 1)

def test_a_distance_whose_slope_tells_nothing_is_left_alone(tmp_path):
    crops = [disc_crop(k, 60, 1/60) for k in range(4)]
    for x in crops: x[2] = np.tanh(gaussian_filter(x[2], 6)*40)*.5
    put_crops(tmp_path, crops)
    assert 'in crop widths' not in said_of(tmp_path)[1]

def test_copies_of_crops_that_no_checksum_finds_are_said(tmp_path):
    crops = [disc_crop(k, 100) for k in range(4)]
    put_crops(tmp_path, crops)
    assert 'alike' not in said_of(tmp_path)[1]
    for copy in ((crops[0]/4).astype(np.uint8), np.where(np.indices(crops[0].shape).sum(0) == 0, 5000, crops[0]), np.rot90(crops[0]*.3, 1, (1, 2)).astype(np.int16)):
        put_crops(tmp_path, [*crops, copy])
        assert '1 pair of crops looks alike, first 0.npy and 4.npy: copies' in said_of(tmp_path)[1]

def test_one_file_that_names_its_channels_otherwise_than_usual(tmp_path):
    crops = [disc_crop(k, 40) for k in range(4)]
    put_crops(tmp_path, crops)
    tifffile.imwrite(tmp_path/'0.ome.tif', crops[0][::-1], ome=True, photometric='minisblack', metadata=dict(axes='CYX', Channel=dict(Name=['nucleus', 'protein'])))
    t = pd.read_csv(tmp_path/'labels.csv'); t.loc[0, 'file'] = '0.ome.tif'; t.to_csv(tmp_path/'labels.csv', index=False)
    found, said = said_of(tmp_path)
    assert found[2] == ['nucleus', 'protein'] and "3 crops don't name their channels, first 1.npy; they are taken for nucleus, protein" in said

def test_crops_cut_some_pixels_apart_are_said(tmp_path):
    rng = np.random.default_rng(0)
    wide = [np.pad(disc_crop(k, 100), ((0, 0), (6, 6), (6, 6)), mode='edge').astype(float) for k in range(5)]
    for x in wide: x[:2] += rng.poisson(30, x[:2].shape)
    cut = lambda k, y, x: wide[k][:, 6 + y:106 + y, 6 + x:106 + x]
    crops = [cut(k, 0, 0) for k in range(5)]
    put_crops(tmp_path, crops)
    assert 'share pixels' not in said_of(tmp_path)[1]
    for y, x in ((1, 0), (0, -1), (3, 5)):
        other = cut(1, y, x); other[0] = other[0]*.5 + 7
        put_crops(tmp_path, [*crops, other])
        assert '2 of 6 crops share pixels with one of another field, first 1.npy and 5.npy: cut from one place' in said_of(tmp_path)[1]
    t = pd.read_csv(tmp_path/'labels.csv').assign(protein=list('ABABAB'), field=[0, 1, 2, 3, 4, 1]); t.to_csv(tmp_path/'labels.csv', index=False)
    assert 'share pixels' not in said_of(tmp_path)[1]

def test_a_channel_that_was_not_acquired_in_some_crops(tmp_path):
    crops = [np.stack([*disc_crop(k, 100)[:2], disc_crop(k + 9, 100)[0]]) for k in range(5)]
    crops[1][1] = 0; crops[3][2] = 0
    put_crops(tmp_path, crops)
    (tmp_path/'channels.txt').write_text('protein\nnucleus\ner\n')
    (_, labels, _), said = said_of(tmp_path)
    assert labels.file.tolist() == ['0.npy', '2.npy', '3.npy', '4.npy']
    assert '1.npy: has a constant nucleus channel (all pixels 0), others have not' in said and 'the channel er has one value in 1 of 5 crops, first 3.npy' in said

def test_label_images_that_were_given_can_be_taken_back(own, tmp_path, monkeypatch):
    from cytoself_nb.readers import mask_folder
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path/'out')); (own/'labels.csv').rename(own/'stacks.csv')
    (masks := tmp_path/'masks').mkdir(); monkeypatch.setenv('CYTOSELF_NB_MASKS', str(masks))
    assert mask_folder(str(own)) == masks.resolve()
    monkeypatch.delenv('CYTOSELF_NB_MASKS'); masks.rmdir()
    with pytest.raises(FileNotFoundError, match='given for .* before; expected it again; give MASKS=folder, or MASKS=none'): mask_folder(str(own))
    monkeypatch.setenv('CYTOSELF_NB_MASKS', 'none'); check_data('simulated')
    assert mask_folder(str(own)) is None
    monkeypatch.delenv('CYTOSELF_NB_MASKS')
    assert mask_folder(str(own)) is None

def test_a_gray_crop_saved_as_colors_is_not_protein_and_nucleus(tmp_path):
    crops = [np.stack([*disc_crop(k, 60)[:2], disc_crop(k + 9, 60)[0]]) for k in range(5)]
    crops[2][:] = crops[2][:1]
    put_crops(tmp_path, crops); (tmp_path/'channels.txt').write_text('protein\nnucleus\ner\n')
    (_, labels, _), said = said_of(tmp_path)
    assert '2.npy' not in labels.file.tolist() and '2.npy: has one image as protein and as nucleus' in said
