"Stacks: every order of axes, damaged files, tables; good stacks are read in the notebook"
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import tifffile

from cytoself_nb.stacks import (StackInfo, channel_numbers, label_file, max_projection, middle_planes, name_fields, read_labels,
                                reduce_image, same_files, stack_channels, stack_info, stack_options, stacks_table)


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
    write(tmp_path/'s.ome.tif', np.tile(np.arange(512, dtype=np.uint16), (2, 30, 512, 1))*np.array([1, 2], np.uint16)[:, None, None, None], compression='zlib')
    program = ("import sys; from cytoself_nb.stacks import max_projection\n"
               "held = lambda w: next(int(l.split()[1]) for l in open('/proc/self/status') if l.startswith(w))\n"
               "before = held('VmRSS'); max_projection(sys.argv[1]); print((held('VmHWM') - before)*1024)")
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', program, str(tmp_path/'s.ome.tif')], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 30*512*512*2     # half of one channel


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
    assert table.fov.tolist() == ['A_x/s0', 'A_s1', 'NA_7']     # NA is a name here
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
    (lambda t: t.assign(protein=[None, *t.protein[1:]]), ValueError, '1 rows without protein, row 2'),
    (lambda t: t.assign(pixel_um=-1), ValueError, 'expected the width of a raw pixel'),
    (lambda t: t.assign(diameter_um='wide'), ValueError, 'expected the width of a nucleus in µm'),
])
def test_bad_tables(change, error, says, screen):
    change(pd.read_csv(screen/'stacks.csv', dtype=str, keep_default_na=False, na_values=[''])).to_csv(screen/'stacks.csv', index=False)
    with pytest.raises(error, match=says): stacks_table(screen)


@pytest.mark.parametrize('files, fields', [
    (['2026.05.01_TOMM20_1.ome.tif', '2026.05.01_TOMM20_2.ome.tif'], ['A_2026.05.01_TOMM20_1', 'A_2026.05.01_TOMM20_2']),
    (['well1/image.ome.tif', 'well2/image.ome.tif'], ['A_well1/image', 'A_well2/image']),
    (['ACTB.1.tif', 'ACTB.2.TIFF'], ['A_ACTB.1', 'A_ACTB.2']),
    (['a.tif', 'a.ome.tif'], ['A_a.tif', 'A_a.ome.tif']),
    (['p1/s 1.czi', './p1/s 2.nd2'], ['A_p1/s 1', 'A_p1/s 2'])])
def test_a_field_is_its_whole_path(files, fields, tmp_path):
    pd.DataFrame(dict(file=files, protein='A')).to_csv(tmp_path/'stacks.csv', index=False)
    assert stacks_table(tmp_path).fov.tolist() == fields


@pytest.mark.parametrize('other', ['a.tif', './a.tif', 'x/../a.tif', 'absolute', 'link.tif'])
def test_one_stack_by_two_names(other, tmp_path):
    (tmp_path/'a.tif').write_bytes(b'1'); (tmp_path/'x').mkdir(); (tmp_path/'link.tif').symlink_to('a.tif')
    if other == 'absolute': other = str(tmp_path/'a.tif')
    pd.DataFrame(dict(file=['a.tif', other, 'b.tif'], protein=list('ABA'))).to_csv(tmp_path/'stacks.csv', index=False)
    with pytest.raises(ValueError, match='stacks.csv names one file more than once, a.tif.* in row 2, 3'): stacks_table(tmp_path)


@pytest.mark.parametrize('column', 'x y height width pixel_from doubt crops nuclei nucleus area_um2 covered saturated split row protein_mean reason image_noise image_background'.split())
def test_further_columns_never_collide(column, tmp_path):
    pd.DataFrame({'file': ['a.tif'], 'protein': ['A'], column: ['1']}).to_csv(tmp_path/'stacks.csv', index=False)
    with pytest.warns(UserWarning, match=f'the column {column} of the table travels as table_{column}'): t = stacks_table(tmp_path)
    assert t[f'table_{column}'].tolist() == ['1'] and column not in t


def test_all_faults_of_a_table_in_one_message(tmp_path):
    (tmp_path/'stacks.csv').write_text('file;Protein;pixel_um;diameter_um\na.tif;;0,2;15\nb.tif;B;.2;wide\nb.tif;B;.2\nc.tif;#REF!;.2;15\n./b.tif;B;;\n')
    with pytest.raises(ValueError) as e: stacks_table(tmp_path)
    said = str(e.value)
    assert said.startswith('stacks.csv has 5 faults')
    for part in ('1 rows of another length', '1 rows without protein, row 2', 'spreadsheet, row 5', "diameter_um 'wide', row 3", 'b.tif = ./b.tif in row 3, 6'): assert part in said


def test_names_that_are_alike_or_dates(tmp_path):
    pd.DataFrame(dict(file=['a', 'b', 'c'], protein=['TOMM20', 'Tomm20', '1-Mar'])).to_csv(tmp_path/'stacks.csv', index=False)
    with pytest.warns(UserWarning) as said: stacks_table(tmp_path)
    assert 'differ only in capitals' in str(said[0].message) and '1-Mar as proteins' in str(said[1].message)


def test_paths_of_another_system(tmp_path):
    (tmp_path/'w1').mkdir(); (tmp_path/'w1/a.tif').write_bytes(b'1')
    (tmp_path/'stacks.csv').write_text('file,protein\nw1\\a.tif,A\n')
    assert stacks_table(tmp_path).file.tolist() == ['w1/a.tif']


# ---- label images

DISCS = np.zeros((40, 40), int); DISCS[5:12, 5:12], DISCS[20:30, 20:30] = 1, 7

@pytest.mark.parametrize('name', ['y.tif', 'y.TIF', 'y.ome.tif', 'y_cp_masks.png', 'y.ome_cp_masks.tif', 'y_Object Identities.tif', 'y_labels.tiff', 'y_masks.npy', 'y_nuclei.png',
                                  'y-label.h5', 'y.stardist.tif', 'sub/y_cp_masks.tif'])
def test_label_images_of_other_programs(name, tmp_path):
    from skimage.io import imsave
    path = tmp_path/'masks'/name; path.parent.mkdir(parents=True)
    if path.suffix == '.png': imsave(path, DISCS.astype(np.uint16), check_contrast=False)
    elif path.suffix == '.npy': np.save(path, DISCS)
    elif path.suffix == '.h5':
        import h5py
        with h5py.File(path, 'w') as f: f['exported_data'] = DISCS[..., None]
    else: tifffile.imwrite(path, DISCS[None].astype(np.float32))
    stack = tmp_path/('sub/y.ome.tif' if 'sub' in name else 'y.ome.tif')
    np.testing.assert_array_equal(read_labels(label_file(tmp_path/'masks', stack, tmp_path)), DISCS)


def test_dots_and_subfolders_of_label_images(tmp_path):
    for f in ('w1/image.tif', 'w2/image.tif', 'x.1.tif', 'x.2.tif'):
        (tmp_path/f).parent.mkdir(exist_ok=True); tifffile.imwrite(tmp_path/f, DISCS.astype(np.uint8))
    found = lambda f: str(label_file(tmp_path, tmp_path/'data'/f, tmp_path/'data').relative_to(tmp_path))
    assert [found(f) for f in ('w1/image.ome.tif', 'w2/image.ome.tif', 'x.1.ome.tif')] == ['w1/image.tif', 'w2/image.tif', 'x.1.tif']
    with pytest.raises(FileNotFoundError, match='no label image x.3.tif'): found('x.3.ome.tif')
    for f in ('z_masks.tif', 'z_nuclei.tif'): tifffile.imwrite(tmp_path/f, DISCS.astype(np.uint8))
    with pytest.raises(ValueError, match='z_masks.tif, z_nuclei.tif; expected one'): found('z.tif')


@pytest.mark.parametrize('image, says', [
    ((DISCS > 0)*np.uint8(255), 'is a mask, not a label image: 2 pieces share the values 255'),
    (DISCS > 0, 'is a mask'),
    (np.tile(1 + (np.indices((40, 40)).sum(0)//5 % 2), (1, 1)).astype(np.uint8), 'pieces share the values 1, 2'),
    (DISCS*1.5, 'numbers that are not whole'),
    (np.where(DISCS, DISCS, -2), 'holds -2'),
    (np.stack([DISCS]*3), r'has the shape \(3, 40, 40\)')])
def test_images_that_are_no_label_images(image, says, tmp_path):
    np.save(tmp_path/'a.npy', image)
    with pytest.raises(ValueError, match=says): read_labels(tmp_path/'a.npy')


def test_odd_label_images(tmp_path):
    np.save(tmp_path/'a.npy', np.where(DISCS, DISCS*10**11, -1))
    np.testing.assert_array_equal(read_labels(tmp_path/'a.npy'), np.where(DISCS == 7, 2, DISCS))      # too large to count by
    np.save(tmp_path/'b_seg.npy', np.array([{'masks': 1}], object), allow_pickle=True)
    with pytest.raises(ValueError, match='it holds pickled objects.; expected a number for each nucleus'): read_labels(tmp_path/'b_seg.npy')
    with pytest.raises(FileNotFoundError, match='no label image'): read_labels(tmp_path/'c.tif')


def test_label_images(tmp_path):
    from skimage.io import imsave
    x = np.arange(12, dtype=np.uint8).reshape(3, 4)
    imsave(tmp_path/'a.png', x, check_contrast=False); tifffile.imwrite(tmp_path/'b.tif', x)
    for name in ('a', 'b'): np.testing.assert_array_equal(read_labels(label_file(tmp_path, f'stacks/{name}.ome.tif')), x)




@pytest.mark.parametrize('image, says', [
    (DISCS + 1, 'has no pixel of 0'),
    (np.kron(np.arange(25).reshape(5, 5) % 5 + 1, np.pad(np.ones((6, 6), int), 2)), 'is a mask'),      # five classes
    (np.kron(np.arange(600).reshape(20, 30) % 256, np.pad(np.ones((2, 2), int), 1)).astype(np.uint8), 'is a mask')])   # 600 numbers in 8 bits
def test_more_images_that_are_no_label_images(image, says, tmp_path):
    np.save(tmp_path/'a.npy', image)
    with pytest.raises(ValueError, match=says): read_labels(tmp_path/'a.npy')


def test_label_images_of_several_positions_and_other_axes(tmp_path):
    with tifffile.TiffWriter(tmp_path/'a.ome.tif', ome=True) as t:
        for s in range(2): t.write(np.roll(DISCS, s, 0).astype(np.uint16), photometric='minisblack', metadata=dict(axes='YX'))
    with pytest.raises(ValueError, match='a.ome.tif .*holds 2 images .*; expected to be told which'): read_labels(tmp_path/'a.ome.tif')
    tifffile.imwrite(tmp_path/'b.tif', DISCS[:, :30].T.astype(np.uint16), metadata=dict(axes='XY'))
    np.testing.assert_array_equal(read_labels(tmp_path/'b.tif'), DISCS[:, :30])


@pytest.mark.parametrize('names, said', [(['Caf\u00e9', 'Cafe\u0301'], 'differ only'), (['A  B', 'A B'], 'differ only'), (['HLA\u2011A', 'HLA-A'], 'differ only'), (['A\u200b', 'A'], 'differ only'),
                                         (['2.31E+19', 'B'], '2.31E\\+19 as proteins'), (['01. Mrz', 'B'], '01. Mrz as'), (['03/01/2026', 'B'], '03/01/2026 as'), (['="SEPT2"', 'B'], '="SEPT2" as')])
def test_names_that_look_alike_or_come_from_a_spreadsheet(names, said, tmp_path):
    pd.DataFrame(dict(file=['a', 'b'], protein=names)).to_csv(tmp_path/'stacks.csv', index=False)
    with pytest.warns(UserWarning, match=said): stacks_table(tmp_path)


def test_names_of_proteins_that_are_fine(tmp_path, recwarn):
    pd.DataFrame(dict(file=list('abcd'), protein=['14-3-3', 'HLA-A', 'p53', 'NUP98'])).to_csv(tmp_path/'stacks.csv', index=False)
    stacks_table(tmp_path)
    assert not recwarn.list


def test_planes_axes_and_paths_of_a_table(tmp_path):
    def write(**c): pd.DataFrame(dict(file=['a.tif', 'b.tif'], protein=['A', 'B']) | c).to_csv(tmp_path/'stacks.csv', index=False)
    write(planes=['3.0', None], axes=['CZYX', None])
    assert stack_options(next(stacks_table(tmp_path).itertuples()))['planes'] == 3
    for bad in (dict(planes=['x', '3']), dict(planes=['0', '3']), dict(planes=['2.5', '3']), dict(axes=['QQ', 'CYX']), dict(axes=['CZ', 'CYX'])):
        write(**bad)
        with pytest.raises(ValueError, match='a.tif the (planes|axes) .*row 2'): stacks_table(tmp_path)
    (tmp_path/'w1').mkdir(); (tmp_path/'w1/n.tif').write_bytes(b'1'); (tmp_path/'u\u0308.tif').write_bytes(b'1')
    write(file=['\u00fc.tif', 'memory://x/a.zarr'], file_nucleus=['w1\\n.tif', None], mask=['w1\\n.tif', None])
    t = stacks_table(tmp_path)
    assert t.file[0] == 'u\u0308.tif' and t.file_nucleus[0] == t['mask'][0] == 'w1/n.tif' and same_files(t, tmp_path)[0] == []


@pytest.mark.parametrize('fields, names', [(['1', '1.0', '2'], ['A_1', 'A_1', 'A_2']), (['1.0', '1.5', '2.0'], ['A_1.0', 'A_1.5', 'A_2.0']), (['a.0', '1.00', None], ['A_a.0', 'A_1', 'A_2.tif'])])
def test_a_field_that_a_spreadsheet_gave_a_decimal_is_the_same_field(fields, names, tmp_path):
    "Two names of one field would let it be in train and test"
    for k in range(3): (tmp_path/f'{k}.tif').write_bytes(bytes([k]))
    pd.DataFrame(dict(file=['0.tif', '1.tif', '2.tif'], protein='A', field=fields)).to_csv(tmp_path/'stacks.csv', index=False)
    assert [f.removesuffix('.tif') for f in stacks_table(tmp_path).fov] == [n.removesuffix('.tif') for n in names]

def warned(do, *args):
    import warnings
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter('always'); do(*args)
    return ' | '.join(str(w.message) for w in heard)

@pytest.mark.parametrize('column, ours', [('masks', 'mask'), ('label_image', 'mask'), ('PixelSize', 'pixel_um'), ('pixel_um (µm)', 'pixel_um'), ('um_per_pixel', 'pixel_um'), ('fields', 'field'), ('site', 'field'), ('FieldID', 'field'), ('drug', None), ('label', None)])
def test_columns_called_nearly_as_ours_are_said(column, ours, tmp_path):
    values = ['m/a.tif', 'm/b.tif'] if ours == 'mask' else ['1', '2']
    pd.DataFrame({'file': ['a.tif', 'b.tif'], 'protein': ['A', 'B'], column: values}).to_csv(tmp_path/'stacks.csv', index=False)
    said = warned(stacks_table, tmp_path)
    assert (f'has a column {column}, which is not used; if it is meant as {ours}' in said) if ours else 'not used' not in said
    pd.DataFrame({'file': ['a.tif', 'b.tif'], 'protein': ['A', 'B'], column: values, ours or 'field': values}).to_csv(tmp_path/'stacks.csv', index=False)
    if ours != 'pixel_um': assert 'not used' not in warned(stacks_table, tmp_path)

@pytest.mark.parametrize('files, said', [
    (['a_t0.tif', 'a_t1.tif'], True), (['r01c01f01p01-ch1.tif', 'r01c01f01p02-ch1.tif'], True), (['w/x time 3.tif', 'w/x time 4.tif'], True), (['A-T=0.tif', 'A-T=1.tif'], True), (['a_000h.tif', 'a_024h.tif'], True), (['a_zstep01.tif', 'a_zstep02.tif'], True),
    (['a_1.tif', 'a_2.tif'], False), (['r01c01f01p01.tif', 'r01c01f02p02.tif'], False), (['set1.tif', 'set2.tif'], False)])
def test_time_points_and_planes_as_files_are_said(files, said, tmp_path):
    t = pd.DataFrame(dict(file=[*files, 'b.tif'], protein=['A', 'A', 'B'])); t.to_csv(tmp_path/'stacks.csv', index=False)
    assert ('a number after t, p or z only' in warned(stacks_table, tmp_path)) == said
    t.assign(field=[1, 1, 2]).to_csv(tmp_path/'stacks.csv', index=False)
    assert 'a number after' not in warned(stacks_table, tmp_path)

def test_pictures_that_show_the_same():
    "Of 40 x 56 pixels of smooth structure: turned, moved, dimmed, clipped, with a hot pixel; others are others"
    from scipy.ndimage import gaussian_filter
    from cytoself_nb.stacks import alike, small_picture
    rng = np.random.default_rng(0)
    x = gaussian_filter(rng.random((5, 2, 160, 200)), (0, 0, 5, 5)); x = (x - x.min())/np.ptp(x)*4000
    hot = x[0].copy(); hot[:, 3, 3] = 60000
    same = [x[0][:, ::-1], np.rot90(x[0], 1, (1, 2)), np.roll(x[0], 7, 2), x[0]*.6, (x[0]/16).astype(np.uint8), x[0].clip(1500), hot, rng.poisson(x[0]), x[0][:, :-2, :-2]]
    small = lambda v: np.stack([small_picture(c) for c in v])
    for copy in same: assert alike(np.stack([*map(small, x), small(copy)]), .6) == [(0, 5)]
    assert alike(np.stack([*map(small, x)]), .4) == [] == alike(np.stack([small(x[0])]), .4)
    mixed = np.stack([small(x[0]), small(np.stack([x[1, 0], x[0, 1]]))])      # two stains of a field
    assert alike(mixed, .6) == [] and alike(mixed[:, 1:], .6) == [(0, 1)]
    many = np.concatenate([rng.integers(-90, 90, (1500, 2, 32, 32)).astype(np.int8), mixed[:1], mixed[:1]])
    assert alike(many, .9) == [(1500, 1501)]

# ---- axes and numbers of label images

def numbered(n=4, size=60):
    x = np.zeros((size, size + 12), int)
    for k in range(n*n): x[5 + 14*(k//n):12 + 14*(k//n), 5 + 14*(k % n):14 + 14*(k % n)] = k + 1
    return x

def test_named_axes_of_label_images(tmp_path):
    import json
    import h5py
    import zarr
    x = numbered()
    with h5py.File(tmp_path/'a.h5', 'w') as f:
        d = f.create_dataset('exported_data', data=np.ascontiguousarray(x.T)[..., None].astype(np.uint32)); d.attrs['axistags'] = json.dumps(dict(axes=[dict(key=k) for k in 'xyc']))
    for name, axes, data in (('b', ('x', 'y'), x.T), ('c', ('y', 'x'), x), ('d', None, x)):
        zarr.create_array(tmp_path/f'{name}.zarr', data=np.ascontiguousarray(data).astype(np.uint16), dimension_names=axes)
    for f in ('a.h5', 'b.zarr', 'c.zarr', 'd.zarr'): np.testing.assert_array_equal(read_labels(tmp_path/f), x)

def test_background_of_minus_one(tmp_path):
    x = numbered()
    tifffile.imwrite(tmp_path/'from0.tif', np.where(x == 0, -1, x - 1).astype(np.int32))        # nuclei from 0
    tifffile.imwrite(tmp_path/'from1.tif', np.where(x == 0, -1, x).astype(np.int32))
    lines = x.copy(); lines[:, 17] = -1; tifffile.imwrite(tmp_path/'lines.tif', lines.astype(np.int32))   # borders
    for f in ('from0.tif', 'from1.tif'): np.testing.assert_array_equal(read_labels(tmp_path/f), x)
    np.testing.assert_array_equal(read_labels(tmp_path/'lines.tif'), np.where(lines < 0, 0, lines))

def test_more_nuclei_than_eight_bits_number(tmp_path):
    x = numbered(18, 260)
    tifffile.imwrite(tmp_path/'l16.tif', x.astype(np.uint16)); tifffile.imwrite(tmp_path/'l8.tif', (x % 256).astype(np.uint8))
    assert read_labels(tmp_path/'l16.tif').max() == 324
    with pytest.raises(ValueError, match='255 numbers, as many as 8 bits hold'): read_labels(tmp_path/'l8.tif')
    x[x > 256] = 0                                        # one more than 8 bits hold, the first is lost in the ground
    tifffile.imwrite(tmp_path/'few.tif', np.where(x == 256, 1, x).astype(np.uint8))
    with pytest.raises(ValueError, match='256 pieces and 255 numbers'): read_labels(tmp_path/'few.tif')

def test_channels_file_with_a_comment_or_a_header(tmp_path):
    for first in ('# channels', 'Channel', 'names', 'channel name'):
        (tmp_path/'channels.txt').write_text(f'{first}\nnucleus\nprotein\n')
        with pytest.raises(ValueError, match=f'has {first.lower()}, which names no channel; expected a line'): stack_channels(tmp_path)

def test_one_image_is_not_protein_and_nucleus(tmp_path):
    x = stack()
    for f, y in (('a', x[0]), ('b', x[0]), ('c', x[1])): write(tmp_path/f'{f}.ome.tif', y, 'ZYX', [''])
    for nucleus in 'ab':
        with pytest.raises(ValueError, match='gives one image as protein and as nucleus; expected two'): max_projection(tmp_path/'a.ome.tif', nucleus=tmp_path/f'{nucleus}.ome.tif')
    max_projection(tmp_path/'a.ome.tif', nucleus=tmp_path/'c.ome.tif')
    pd.DataFrame(dict(file=['a.ome.tif', 'c.ome.tif'], protein=['A', 'B'], file_nucleus=['c.ome.tif', 'a.ome.tif'])).to_csv(tmp_path/'stacks.csv', index=False)
    with pytest.warns(UserWarning, match='a.ome.tif, c.ome.tif stand in the column file, and in another row in file_nucleus'): stacks_table(tmp_path)

@pytest.mark.parametrize('names', [('АСТВ', 'ACTB'), ('Α1', 'A1')])
def test_letters_of_other_alphabets_look_alike(names, tmp_path):
    pd.DataFrame(dict(file=['a', 'b'], protein=names)).to_csv(tmp_path/'stacks.csv', index=False)
    with pytest.warns(UserWarning, match='which differ only in capitals, spaces or the code of a character'): stacks_table(tmp_path)


def test_label_images_with_a_palette(tmp_path):
    "As QuPath writes them: the colors are for the eye, the numbers are in the file"
    from PIL import Image
    image = Image.frombytes('P', DISCS.shape, DISCS.astype(np.uint8).tobytes()); image.putpalette(np.random.default_rng(0).integers(0, 255, 768).astype(np.uint8).tobytes())
    image.save(tmp_path/'a.png'); image.save(tmp_path/'b.png', transparency=0)
    tifffile.imwrite(tmp_path/'c.tif', DISCS.astype(np.uint8), photometric='palette', colormap=np.random.default_rng(0).integers(0, 65535, (3, 256)).astype(np.uint16))
    for f in ('a.png', 'b.png', 'c.tif'): np.testing.assert_array_equal(read_labels(tmp_path/f), DISCS)


def test_rings_are_no_nuclei(tmp_path):
    "Outlines with numbers, and cytoplasm without its nucleus; a nucleus with a small hole is one"
    y, x = np.mgrid[:120, :120]
    at = [(a, b) for a in (20, 60, 100) for b in (20, 60, 100)]
    far = np.min([np.hypot(y - a, x - b) for a, b in at], 0); number = 1 + np.argmin([np.hypot(y - a, x - b) for a, b in at], 0)
    for outer, inner, ring in ((12, 10, True), (17, 11, True), (12, 3, False), (12, -1, False)):
        np.save(tmp_path/'a.npy', number*((far < outer) & (far > inner)))
        if not ring: assert read_labels(tmp_path/'a.npy').max() == 9; continue
        with pytest.raises(ValueError, match='a.npy holds rings, such as outlines or cytoplasm: most numbers go around a hole; expected'): read_labels(tmp_path/'a.npy')
    np.save(tmp_path/'touching.npy', number*((y % 40 > 1) & (x % 40 > 1))); assert read_labels(tmp_path/'touching.npy').max() == 9


@pytest.mark.parametrize('name', ['a.npz', 'a.jpg', 'a.txt'])
def test_label_images_in_no_format_of_labels(name, tmp_path):
    "Other files aren't called damaged"
    (tmp_path/name).write_bytes({'a.npz': b'PK\3\4', 'a.jpg': b'\xff\xd8\xff\xe0', 'a.txt': b'1 0 0'}[name] + bytes(99))
    with pytest.raises(ValueError, match=f'cannot read the label image {name}') as e: read_labels(tmp_path/name)
    assert 'damaged' not in str(e.value)


def test_fields_of_two_proteins_have_two_names():
    "A with 1_1 and A_1 with 1 would both be A_1_1"
    t = pd.DataFrame(dict(protein=['A', 'A', 'A_1', 'A_1', 'B'], field=['1_1', '2', '1', '2', None]))
    name = name_fields(t)
    assert name[:4].tolist() == ['A__1_1', 'A_2', 'A_1__1', 'A_1_2'] and name.isna().tolist() == [False]*4 + [True]
    assert t.protein.groupby(name).nunique().max() == 1


@pytest.mark.parametrize('place, said', [(['ER', 'ER', 'er', 'er'], 'names the localizations ER, er, which differ only in capitals'), (['er', None, 'golgi', 'golgi'], '1 proteins have no localization in some rows of stacks.csv, first A'),
                                         (['er', 'golgi', 'er', 'er'], '1 proteins have several localizations in stacks.csv, first A: er, golgi')])
def test_localizations_that_may_be_a_slip_are_said(tmp_path, place, said):
    pd.DataFrame(dict(file=list('1234'), protein=list('AABB'), localization=place)).to_csv(tmp_path/'stacks.csv', index=False)
    with pytest.warns(UserWarning, match=said): stacks_table(tmp_path)


@pytest.mark.parametrize('shape', [(40, 60), (600, 600), (513, 30)])
def test_the_mark_of_a_turned_copy_is_that_of_the_image(shape):
    from cytoself_nb.stacks import pixel_mark
    x = np.random.default_rng(0).integers(0, 60_000, shape).astype(np.uint16)
    ways = x, x[::-1], x[:, ::-1], x.T, np.rot90(x), 2.5*x + 7
    assert len({pixel_mark(np.ascontiguousarray(v), turned=True) for v in ways}) == 1
    assert pixel_mark(x) != pixel_mark(x[::-1]) and pixel_mark(x) == pixel_mark(3.*x)
