"Stacks: every order of axes, damaged files, tables; good stacks are read in the notebook"
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import tifffile

from cytoself_nb.stacks import (StackInfo, channel_numbers, label_file, max_projection, middle_planes, read_labels,
                                reduce_image, stack_channels, stack_info, stack_options, stacks_table)


def stack(seed=0, planes=3, side=260, dtype=np.uint16):
    "Protein noise and four bright discs (2, planes, side, side)"
    rng, yx = np.random.default_rng(seed), np.mgrid[:side, :side]
    x = rng.poisson(20, (2, planes, side, side))
    for k, centre in enumerate([(110, 120), (155, 140), (110, 30), (250, 100)]): x[1, k % planes] += 180*(np.hypot(*(yx - np.array(centre)[:, None, None])) < 19)
    return x.astype(dtype)


def write(path, x, axes='CZYX', names=('protein', 'nucleus'), **kw):
    tifffile.imwrite(path, x, ome=True, metadata=dict(axes=axes, Channel=dict(Name=list(names)), PhysicalSizeX=.2, PhysicalSizeXUnit='µm'), **kw)
    return path


# ---- reading

@pytest.mark.parametrize('compression', [None, 'zlib'])
@pytest.mark.parametrize('share', [.0, .02, .1, .3, .5, .7, .9, .97, .999])
def test_a_stack_cut_anywhere_is_never_taken_for_whole(share, compression, tmp_path):
    x = stack(planes=5, side=64)
    whole = write(tmp_path/'w.ome.tif', x, compression=compression).read_bytes()
    (tmp_path/'cut.ome.tif').write_bytes(whole[:int(share*len(whole))])
    try: got = max_projection(tmp_path/'cut.ome.tif')
    except ValueError as e: assert 'cut.ome.tif' in str(e) and ('damaged' in str(e) or 'empty' in str(e))
    else: np.testing.assert_array_equal(got, x.max(1))   # only bytes that nobody needs were lost


@pytest.mark.parametrize('axes', ['CZYX', 'ZCYX', 'CYXZ', 'YXZC', 'YXCZ', 'ZYXC'])
@pytest.mark.parametrize('dtype', [np.uint8, np.uint16, np.float32])
def test_every_order_of_axes(axes, dtype, tmp_path):
    x = stack(planes=3, side=20).astype(dtype)
    x[:, :, 3, 4] = 255
    tifffile.imwrite(tmp_path/'a.tif', np.ascontiguousarray(x.transpose(['CZYX'.index(a) for a in axes])), photometric='minisblack')
    got = max_projection(tmp_path/'a.tif', axes, (0, 1))
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, x.max(1))


def test_metadata_axes_of_planar_and_interleaved_colours(tmp_path):
    rgb = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)
    tifffile.imwrite(tmp_path/'rgb.tif', rgb, photometric='rgb')
    np.testing.assert_array_equal(max_projection(tmp_path/'rgb.tif', channels=(1, 2)), rgb.transpose(2, 0, 1)[1:])


def test_big_endian_and_tiles(tmp_path):
    x = stack(planes=2, side=64)
    tifffile.imwrite(tmp_path/'b.tif', x, byteorder='>', photometric='minisblack', metadata=dict(axes='CZYX'))
    write(tmp_path/'t.ome.tif', x, tile=(32, 32), compression='zlib')
    np.testing.assert_array_equal(max_projection(tmp_path/'b.tif', channels=(0, 1)), x.max(1))
    np.testing.assert_array_equal(max_projection(tmp_path/'t.ome.tif'), x.max(1))


def test_flat_images_and_imagej(tmp_path):
    x = stack(planes=4, side=20)
    np.testing.assert_array_equal(max_projection(write(tmp_path/'flat.ome.tif', x.max(1), 'CYX')), x.max(1))
    tifffile.imwrite(tmp_path/'j.tif', np.swapaxes(x, 0, 1), imagej=True, resolution=(4, 4), metadata=dict(axes='ZCYX', unit='um'))
    assert stack_info(tmp_path/'j.tif')[:5] == ('ZCYX', (4, 2, 20, 20), [], .25, 'ImageJ')
    with pytest.raises(ValueError, match='called nothing, without protein, nucleus'): max_projection(tmp_path/'j.tif')
    np.testing.assert_array_equal(max_projection(tmp_path/'j.tif', channels=(1, 0)), x.max(1)[::-1])
    np.testing.assert_array_equal(middle_planes(tmp_path/'j.tif', channels=(0, 1)), x[:, 2])


def test_axes_and_channels_that_cannot_be(tmp_path):
    path = write(tmp_path/'a.ome.tif', stack(side=20))
    assert stack_info(path).planes == 3 and stack_info(write(tmp_path/'flat.ome.tif', stack(side=20)[:, 0], 'CYX')).planes == 1
    with pytest.raises(ValueError, match='expected a letter for each'): stack_info(path, 'CYX')
    with pytest.raises(ValueError, match='two different names or numbers'): max_projection(path, channels=(1, 1))
    assert channel_numbers(StackInfo('CYX', (3, 9, 9), ['DAPI', 'GFP', 'RFP'], None), ('gfp', 'dapi')) == [1, 0]


# ---- pixel size

def test_reduction_keeps_the_mean():
    x = np.random.default_rng(0).random((2, 201, 203))
    assert reduce_image(x, .2).shape == (2, 100, 101) and reduce_image(x, .13).shape == (2, 67, 67) and reduce_image(x, .25).shape == (2, 126, 127)
    for p in (.1, .2, .25, .4): np.testing.assert_allclose(reduce_image(x, p).mean(), x.mean(), atol=.01)


def test_an_edge_in_the_middle_stays_there():
    ruler = np.zeros((1, 320, 320)); ruler[:, :, 160:] = 1
    assert (reduce_image(ruler, .3)[0, 100] > .5).argmax() == 120
    assert [reduce_image(ruler, p).shape[1] for p in (None, .2, .206, .1, .4, .325)] == [160, 160, 160, 80, 320, 260]


# ---- memory and messages

def test_memory_of_a_stack_is_a_few_planes(tmp_path):
    if sys.platform != 'linux': pytest.skip('reads /proc')
    write(tmp_path/'s.ome.tif', np.tile(np.arange(512, dtype=np.uint16), (2, 30, 512, 1)), compression='zlib')
    program = ("import sys; from cytoself_nb.stacks import max_projection\n"
               "held = lambda w: next(int(l.split()[1]) for l in open('/proc/self/status') if l.startswith(w))\n"
               "before = held('VmRSS'); max_projection(sys.argv[1]); print((held('VmHWM') - before)*1024)")
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', program, str(tmp_path/'s.ome.tif')], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 16*512*512*2


def test_nothing_is_logged(tmp_path, caplog, capfd):
    path = write(tmp_path/'a.ome.tif', stack(side=64), compression='zlib')
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ValueError): stack_info(path)
    assert capfd.readouterr().err == ''


# ---- tables

@pytest.fixture
def screen(tmp_path):
    "A table of three stacks"
    folder = tmp_path/'screen'; folder.mkdir()
    pd.DataFrame(dict(file=['x/s0.ome.tif', 's1.ome.tif', 'NA_7.tif'], protein=['A', 'A', 'NA'], pixel_um=[None, .1, None])).to_csv(folder/'stacks.csv', index=False)
    return folder


def test_rows_become_options(screen):
    table = stacks_table(screen)
    assert table.fov.tolist() == ['A_s0', 'A_s1', 'NA_7']     # NA is a name here
    assert [stack_options(r)['pixel_um'] for r in table.itertuples()] == [None, .1, None]
    assert stack_options(next(table.itertuples())) == dict(axes=None, pixel_um=None, diameter_um=15.)
    with pytest.raises(FileNotFoundError, match='has no stacks.csv'): stacks_table(screen.parent)


def test_channel_names_in_a_file(screen):
    assert stack_channels(screen) == ('protein', 'nucleus')
    (screen/'channels.txt').write_text('Nucleus\nmembrane\nprotein\n')
    assert stack_channels(screen) == dict(nucleus=0, membrane=1, protein=2)
    (screen/'channels.txt').write_text('dapi\ngfp\n')
    with pytest.raises(ValueError, match='channels.txt names dapi, gfp'): stack_channels(screen)


@pytest.mark.parametrize('change, error, says', [
    (lambda t: t.drop(columns='protein'), ValueError, 'without protein'),
    (lambda t: t.iloc[:0], ValueError, 'has no rows'),
    (lambda t: t.assign(file='s0.ome.tif'), ValueError, 'more than once'),
    (lambda t: t.assign(protein=[None, *t.protein[1:]]), ValueError, '1 rows without protein, first row 1'),
    (lambda t: t.assign(pixel_um=-1), ValueError, 'expected the width of a raw pixel'),
    (lambda t: t.assign(diameter_um='wide'), ValueError, 'expected the width of a nucleus in µm'),
])
def test_bad_tables(change, error, says, screen):
    change(pd.read_csv(screen/'stacks.csv', dtype=str, keep_default_na=False, na_values=[''])).to_csv(screen/'stacks.csv', index=False)
    with pytest.raises(error, match=says): stacks_table(screen)


def test_label_images(tmp_path):
    from skimage.io import imsave
    x = np.arange(12, dtype=np.uint8).reshape(3, 4)
    imsave(tmp_path/'a.png', x, check_contrast=False); tifffile.imwrite(tmp_path/'b.tif', x)
    for name in ('a', 'b'): np.testing.assert_array_equal(read_labels(label_file(tmp_path, f'stacks/{name}.ome.tif')), x)


