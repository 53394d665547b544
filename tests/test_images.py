"Images: whatever is read is what was written, else a sentence says why not"
import itertools
import os
import re
import struct
import zipfile
import zlib
from pathlib import Path

import numcodecs
import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr
from scipy import ndimage as ndi
from zarr.codecs import BytesCodec
from zarr.codecs import numcodecs as numcodecs_of_3

from cytoself_nb.images import image_kind, judge_pixel, open_image, read_image
from cytoself_nb.preprocessing import prepare_stack, read_stacks
from cytoself_nb.readers import read_folder
from cytoself_nb.stacks import max_projection, no_data_value, read_labels, read_projection, reduce_image, stack_channels, stack_info, stacks_table

UM = dict(um=1, micron=1, nm=1e3, mm=1e-3, cm=1e-4, inch=1/25400, pixel=None)   # what 1 µm is in each
OME = dict(um='µm', micron='µm', nm='nm', mm='mm', cm='cm', inch='in', pixel='pixel')
ZARR = dict(um='micrometer', micron='micron', nm='nanometer', mm='millimeter', cm='centimeter', inch='inch', pixel='pixel')


def cells(seed=0, planes=3, dtype='uint16', sides=(40, 56)):
    "Two channels that differ everywhere (2, planes, Y, X)"
    x = np.random.default_rng(seed).integers(0, 250, (2, planes, *sides))
    return (x - 100 if np.dtype(dtype).kind in 'if' else x).astype(dtype)


def turned(x, axes): return np.ascontiguousarray(x.transpose(['CZYX'.index(a) for a in axes]))


def write_zarr(path, x, axes='CZYX', version='0.5', unit='um', um=.2, chunks=None, codec=None, names=('protein', 'nucleus'), attrs=None):
    kinds = dict(C='channel', T='time')
    given = [dict(name=a.lower(), type=kinds.get(a, 'space')) | ({} if a in kinds or unit is None else dict(unit=ZARR[unit])) for a in axes]
    scale = [1. if a in 'CT' else um*(UM.get(unit) or 1) for a in axes]
    ome = dict(multiscales=[dict(axes=given, datasets=[dict(path='0', coordinateTransformations=[dict(type='scale', scale=scale)])], version=version)], omero=dict(channels=[dict(label=n) for n in names]))
    group = zarr.open_group(path, mode='w', zarr_format=2 if version == '0.4' else 3)
    group.attrs.update((ome if version == '0.4' else dict(ome=ome | dict(version=version))) | (attrs or {}))
    group.create_array('0', shape=x.shape, dtype=x.dtype, chunks=chunks or (1,)*(x.ndim - 2) + x.shape[-2:], compressors='auto' if codec is None else codec)[...] = x
    return path


def write_tiff(path, x, container, axes='CZYX', unit='um', um=.2, **kw):
    "A stack in one of the ways in which programs write TIFF"
    size = um*(UM[unit] or 1)
    if container == 'ome': return tifffile.imwrite(path, x, ome=True, metadata=dict(axes=axes, Channel=dict(Name=['protein', 'nucleus']), PhysicalSizeX=size, PhysicalSizeXUnit=OME[unit], PhysicalSizeY=size, PhysicalSizeYUnit=OME[unit]), photometric='minisblack', **kw)
    if container == 'imagej': return tifffile.imwrite(path, x, imagej=True, resolution=(1/size, 1/size), metadata=dict(axes=axes, unit=unit), **kw)
    tags = dict(resolution=(1/size, 1/size), resolutionunit={'cm':3, 'inch':2}.get(unit, 1))
    if container == 'shaped': return tifffile.imwrite(path, x, photometric='minisblack', metadata=dict(axes=axes), **tags, **kw)
    flat = x.reshape(-1, *x.shape[-2:])
    return tifffile.imwrite(path, flat, photometric='minisblack', metadata=None, **tags, **kw)


def read_all(path, **told):
    with open_image(path, **told) as (info, read): return info, np.stack([[read(c, z) for z in range(info.planes)] for c in range(info.channels)])


def same(path, x, **told):
    info, got = read_all(path, **told)
    assert got.dtype == x.dtype.newbyteorder('=') and got.tobytes() == x.astype(got.dtype).tobytes(), path
    return info


# ---- everything against everything

DTYPES = 'uint8 uint16 int16 uint32 float32'.split()
PACKED = dict(none={}, deflate=dict(compression='zlib'), deflate_predictor=dict(compression='zlib', predictor=True), lzw=dict(compression='lzw'), lzw_predictor=dict(compression='lzw', predictor=True), zstd=dict(compression='zstd'), packbits=dict(compression='packbits'), lzma=dict(compression='lzma'), lerc=dict(compression='lerc'), png=dict(compression='png'), jpeg2000=dict(compression='jpeg2000', compressionargs=dict(level=0)), jpegxl=dict(compression='jpegxl', compressionargs=dict(lossless=True)), jpegxr=dict(compression='jpegxr'), tiles=dict(tile=(16, 16), compression='lzw'), big_endian=dict(byteorder='>'), bigtiff=dict(bigtiff=True))
ORDERS = dict(ome=['CZYX', 'ZCYX'], imagej=['ZCYX'], shaped=['CZYX', 'ZCYX', 'CYXZ', 'YXZC', 'ZYXC'], pages=['CZYX', 'ZCYX'])


def tiff_cases():
    for container, dtype, packed in itertools.product(ORDERS, DTYPES, PACKED):
        if packed == 'jpeg2000' and dtype in ('uint32', 'float32'): continue      # see findings/jpeg2000_of_32_bits_is_not_lossless.sh
        if container == 'imagej' and (dtype not in ('uint8', 'uint16', 'float32') or packed in ('bigtiff', 'tiles', 'big_endian') or 'predictor' in packed): continue
        for k, axes in enumerate(ORDERS[container]): yield container, dtype, packed, axes, list(UM)[(hash_of(container, dtype, packed) + k) % len(UM)]

def zarr_cases():
    for version, dtype, axes, chunks in itertools.product(('0.4', '0.5'), DTYPES, ('CZYX', 'ZCYX', 'TCZYX', 'CYX'), ('plane', 'tiles', 'whole')):
        yield version, dtype, chunks, axes, list(UM)[hash_of(version, dtype, axes, chunks) % len(UM)]

def hash_of(*what): return zlib.crc32(repr(what).encode())

def right_size(info, unit, um): return info.pixel_um is None and not info.doubt if UM[unit] is None else info.pixel_um == pytest.approx(um, rel=1e-3) and not info.doubt

def one_tiff(folder, container, dtype, packed, axes, unit):
    "`equal`, or the sentence with which it was refused"
    x = cells(hash_of(container, dtype, packed, axes) % 1000, dtype=dtype)
    path = folder/f'{container}-{dtype}-{packed}-{axes}.tif'
    try: write_tiff(path, turned(x, axes), container, axes, unit, um=.137, **PACKED[packed])
    except (ValueError, KeyError, TypeError, NotImplementedError, RuntimeError) as e: return f'not written: {e}'
    told = dict(axes=axes, planes=x.shape[1]) if container == 'pages' else {}
    try: info = same(path, x, **told)
    except ValueError as e:
        assert path.name in str(e) and 'expected' in str(e), e
        return f'refused: {e}'
    assert container in ('pages', 'shaped') and unit not in ('cm', 'inch', 'pixel') and info.pixel_um is None or right_size(info, unit, .137), (path.name, unit, info)
    return 'equal'

def one_zarr(folder, version, dtype, chunks, axes, unit):
    x = cells(hash_of(version, dtype, axes) % 1000, dtype=dtype, planes=1 if 'Z' not in axes else 3)
    y = turned(x, axes.replace('T', '')) if 'Z' in axes else x[:, 0]
    if 'T' in axes: y = y[None]
    kind = dict(plane=None, tiles=(1,)*(y.ndim - 2) + (16, 16), whole=y.shape)[chunks]
    info = same(write_zarr(folder/f'{version}-{dtype}-{chunks}-{axes}.zarr', y, axes, version, unit, .137, kind), x)
    assert right_size(info, unit, .137) and info.names == ['protein', 'nucleus']
    return 'equal'


@pytest.mark.slow
def test_no_silent_difference_from_what_was_written(tmp_path, capsys):
    "The whole sweep; python -m pytest tests/test_images.py -m slow -s"
    came = [one_tiff(tmp_path, *c) for c in tiff_cases()] + [one_zarr(tmp_path, *c) for c in zarr_cases()]
    written = [c for c in came if not c.startswith('not written')]
    with capsys.disabled(): print(f"\n{len(written)} files: {written.count('equal')} equal, {len(written) - written.count('equal')} refused, {len(came) - len(written)} that tifffile doesn't write")
    assert len(written) > 500 and written.count('equal') == len(written), [c for c in written if c != 'equal'][:5]


def test_a_sample_of_the_sweep(tmp_path):
    came = [one_tiff(tmp_path, *c) for c in list(tiff_cases())[::9]] + [one_zarr(tmp_path, *c) for c in list(zarr_cases())[::11]]
    assert came.count('equal') > 50 and not [c for c in came if c.startswith('refused')]


# ---- what real reports and files showed: more than one image

def field(seed=0, px=.2, n=400, planes=3):
    "Protein, and round nuclei 14 µm wide (2, planes, n, n)"
    r, (y, x) = np.random.default_rng(seed), np.mgrid[:n, :n]
    at = np.arange(10/px, n, 20/px)
    nuc = sum((300.*(np.hypot(y - a, x - b) < r.uniform(6.5, 7.5)/px) for a in at for b in at), np.zeros((n, n)))
    return (r.poisson(np.stack([np.stack([60 + 40*r.random((n, n)), nuc])]*planes, 1)) + 100).astype(np.uint16)

def ome(f, x, names=('protein', 'nucleus'), **m):
    tifffile.imwrite(f, x, ome=True, photometric='minisblack', metadata=dict(dict(axes='CZYX', PhysicalSizeX=.2, PhysicalSizeXUnit='µm', Channel=dict(Name=list(names))), **m))
    return f

def table(name='stacks.csv', **c): pd.DataFrame(c).to_csv(name, index=False)

def discs(image, diameter=None): return ndi.label(ndi.gaussian_filter(image.astype(float), 1) > 250)[0]

def refused(do, *args, **kw):
    with pytest.raises((ValueError, OSError)) as e: do(*args, **kw)
    assert ';' in str(e.value) and '\n' not in str(e.value) and len(str(e.value)) < 700, e.value
    return str(e.value)

@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch): monkeypatch.chdir(tmp_path)


def many(f, n=3, names='P{}', **first):
    xs = [field(k, n=100) for k in range(n)]
    with tifffile.TiffWriter(f, ome=True) as t:
        for k, x in enumerate(xs): t.write(x, photometric='minisblack', metadata=dict(axes='CZYX', Name=names.format(k), PhysicalSizeX=.1*(k + 1), Channel=dict(Name=['protein', 'nucleus'])))
    return xs

def test_many_images_in_one_file(tmp_path):
    xs = many('three.ome.tif')
    said = refused(max_projection, 'three.ome.tif')
    assert '3 images' in said and 'P0' in said and 'column position' in said and said.startswith('three.ome.tif')
    for k in range(3):
        for position in (k, str(k), f'P{k}', np.int64(k), f'{k}.0'): np.testing.assert_array_equal(max_projection('three.ome.tif', position=position), xs[k].max(1))
        assert stack_info('three.ome.tif', position=k).pixel_um == pytest.approx(.1*(k + 1)) and stack_info('three.ome.tif', position=k).position == f'P{k}'
    for position in (3, -1, 'P3', 'p0', 1.5, True): assert 'no single image' in refused(max_projection, 'three.ome.tif', position=position)
    assert '3 images' in refused(read_image, 'three.ome.tif')

def test_positions_are_rows_of_the_table():
    xs = [field(k) for k in range(2)]
    with tifffile.TiffWriter('two.ome.tif', ome=True) as t:
        for x in xs: t.write(x, photometric='minisblack', metadata=dict(axes='CZYX', PhysicalSizeX=.2, Channel=dict(Name=['protein', 'nucleus'])))
    table(file=['two.ome.tif']*2, protein='A', position=[0, 1])
    assert stacks_table('.').fov.nunique() == 2
    source, labels, _ = read_stacks('.', 'work', segment=discs, workers=1)
    one = prepare_stack('two.ome.tif', discs, position=1)
    rows = np.flatnonzero(labels.fov == stacks_table('.').fov[1])
    np.testing.assert_array_equal(source.read(rows), one.crops.astype(np.float32))
    table(file=['two.ome.tif']*3, protein='A', position=[0, 1, 2])
    with pytest.warns(UserWarning, match="1 of 3 stacks"): read_stacks('.', 'more', segment=discs, workers=1)
    rejects = pd.read_csv('more/rejects.csv')
    assert len(rejects) == 1 and "no single image '2'" in rejects.reason[0]

@pytest.mark.parametrize('packed', [None, 'zlib'])
def test_a_set_of_files_that_list_each_other(packed):
    "Each file means the image that lies in it; a lost file matters to those that need it, and never shifts the others"
    xs, ids = [field(k, n=60) for k in range(3)], [f'{k:08d}-0000-0000-0000-000000000000' for k in range(3)]
    for me in range(3):
        text = f'<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:{ids[me]}">'
        for k in range(3):
            planes = ''.join(f'<TiffData IFD="{i}" FirstZ="{i % 3}" FirstC="{i//3}" FirstT="0" PlaneCount="1"><UUID FileName="f{k}.ome.tif">urn:uuid:{ids[k]}</UUID></TiffData>' for i in range(6))
            text += f'<Image ID="Image:{k}" Name="P{k}"><Pixels ID="Pixels:{k}" DimensionOrder="XYZCT" Type="uint16" SizeX="60" SizeY="60" SizeZ="3" SizeC="2" SizeT="1" PhysicalSizeX="0.{k + 1}"><Channel ID="Channel:{k}:0" Name="protein"/><Channel ID="Channel:{k}:1" Name="nucleus"/>{planes}</Pixels></Image>'
        with tifffile.TiffWriter(f'f{me}.ome.tif') as t:
            for i, p in enumerate(xs[me].reshape(6, 60, 60)): t.write(p, description=None if i else text + '</OME>', metadata=None, photometric='minisblack', compression=packed)
    def check(names):
        for k in names:
            np.testing.assert_array_equal(max_projection(f'f{k}.ome.tif'), xs[k].max(1))
            for j in names: np.testing.assert_array_equal(max_projection(f'f{k}.ome.tif', position=j), xs[j].max(1))    # tifffile alone: those of the opened file
            assert stack_info(f'f{k}.ome.tif').pixel_um == pytest.approx(.1*(k + 1))
    check(range(3))
    os.rename('f1.ome.tif', 'gone')
    check((0, 2))
    np.testing.assert_array_equal(max_projection('f0.ome.tif', position=2), xs[2].max(1))     # tifffile alone: the second of two
    said = refused(max_projection, 'f0.ome.tif', position=1)
    assert 'f1.ome.tif is missing' in said and 'damaged' not in said

def test_a_set_with_a_channel_in_each_file():
    x, ids = field(n=60), ['aaaaaaaa-0000-0000-0000-000000000000', 'bbbbbbbb-0000-0000-0000-000000000000']
    planes = ''.join(f'<TiffData IFD="{z}" FirstZ="{z}" FirstC="{c}" FirstT="0" PlaneCount="1"><UUID FileName="c{c}.ome.tif">urn:uuid:{ids[c]}</UUID></TiffData>' for c in (0, 1) for z in range(3))
    for me in (0, 1):
        text = f'<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:{ids[me]}"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="60" SizeY="60" SizeZ="3" SizeC="2" SizeT="1"><Channel ID="Channel:0:0" Name="protein"/><Channel ID="Channel:0:1" Name="nucleus"/>{planes}</Pixels></Image></OME>'
        with tifffile.TiffWriter(f'c{me}.ome.tif') as t:
            for z in range(3): t.write(x[me, z], description=None if z else text, metadata=None, photometric='minisblack', contiguous=False, compression='zlib')
    for me in (0, 1): np.testing.assert_array_equal(max_projection(f'c{me}.ome.tif'), x.max(1))
    Path('c1.ome.tif').rename('gone')
    assert 'c1.ome.tif is missing' in refused(max_projection, 'c0.ome.tif')

def test_a_thumbnail_that_comes_first():
    x = field(n=100)
    with tifffile.TiffWriter('a.ome.tif', ome=True) as t:
        t.write(x[0, 0, ::8, ::8], photometric='minisblack', metadata=dict(axes='YX', Name='thumbnail'))
        t.write(x, photometric='minisblack', metadata=dict(axes='CZYX', Name='cells', Channel=dict(Name=['protein', 'nucleus'])))
    assert 'thumbnail' in refused(max_projection, 'a.ome.tif')
    np.testing.assert_array_equal(max_projection('a.ome.tif', position='cells'), x.max(1))
    with tifffile.TiffWriter('b.tif') as t:
        t.write(x[0, 0, ::8, ::8], photometric='minisblack', metadata=None, subfiletype=1)
        t.write(x.max(1), photometric='minisblack', metadata=dict(axes='CYX'))
    np.testing.assert_array_equal(max_projection('b.tif', 'CYX', channels=(0, 1)), x.max(1))


# ---- channels

def test_channels_file_and_stack_have_the_same_number():
    x = field(n=100); ome('a.ome.tif', np.concatenate([x[1:], field(9, n=100)[:1], x[:1]]), names=('405', '488', '561'))
    def named(text): open('channels.txt', 'w', newline='', encoding='utf-8').write(text); return max_projection('a.ome.tif', channels=stack_channels('.'))
    for text in ('nucleus\nprotein\n', 'nucleus\nprotein', 'nucleus\na\nb\nprotein\n'): assert 'a.ome.tif has 3 called 405, 488, 561' in refused(named, text)
    for text in ('nucleus\n\nprotein\n', 'nucleus\nprotein\nprotein\n', 'nucleus\nNucleus\nprotein\n', '', '\n', 'nucleus,unused,protein', 'a+b\nprotein\nnucleus'): assert 'channels.txt has' in refused(named, text)
    for text in ('nucleus\nunused\nprotein\n', '\ufeffNucleus\r\n405\r\nPROTEIN \r\n\r\n', 'nucleus\runused\rprotein'): np.testing.assert_array_equal(named(text)[0], x[0].max(0))
    open('channels.txt', 'wb').write('nucleus\nµ\nprotein\n'.encode('cp1252'))
    assert 'UTF-8' in refused(stack_channels, '.')

def test_channels_by_number_and_name_of_any_kind():
    x = field(n=60); ome('a.ome.tif', x, names=('GFP', 'DAPI'))
    for channels in ((0, 1), ('0', '1'), tuple(np.arange(2)), [np.int8(0), 'dapi'], ('gfp', 'DAPI ')): np.testing.assert_array_equal(max_projection('a.ome.tif', channels=channels), x.max(1))
    for channels in ((0, 2), (-1, 0), ('gfp', 'gfp'), (0, 'gfp'), (0,), (0, 1, 1), (True, False)): refused(max_projection, 'a.ome.tif', channels=channels)
    ome('b.ome.tif', x, names=('protein', 'protein'))
    assert 'more than one' in refused(max_projection, 'b.ome.tif')
    ome('c.ome.tif', np.concatenate([x]*6), names=[f'C:{k}' for k in range(12)])
    assert 'are these planes' in refused(max_projection, 'c.ome.tif') and len(refused(max_projection, 'c.ome.tif')) < 500

def test_one_rule_for_capitals_of_channels_in_crops():
    for k in range(3): tifffile.imwrite(f'{k}.tif', np.random.default_rng(k).random((2, 20, 20), np.float32))
    table('labels.csv', file=['0.tif', '1.tif', '2.tif'], protein='A', field=[1, 2, 3])
    open('channels.txt', 'w', encoding='utf-8-sig').write('Nucleus\nProtein\n')
    assert read_folder('.', 20)[2] == ['nucleus', 'protein']

def test_a_file_for_each_channel():
    x = field()
    for c, name in enumerate(('w1', 'w2')): tifffile.imwrite(f'{name}.tif', x[c], photometric='minisblack', metadata=dict(axes='ZYX'))
    table(file=['w1.tif'], file_nucleus=['w2.tif'], protein=['A'], pixel_um=[.2])
    source, labels, _ = read_stacks('.', 'work', segment=discs, workers=1)
    ome('both.ome.tif', x)
    np.testing.assert_array_equal(source.read(np.arange(len(labels))), prepare_stack('both.ome.tif', discs).crops.astype(np.float32))
    assert 'file_nucleus' in refused(max_projection, 'w1.tif')
    before = source.read(np.arange(4))
    tifffile.imwrite('w2.tif', x[1][:, ::-1].copy(), photometric='minisblack', metadata=dict(axes='ZYX'))
    assert not np.array_equal(read_stacks('.', 'work', segment=discs, workers=1)[0].read(np.arange(4)), before)   # a change is noticed
    tifffile.imwrite('small.tif', x[1][:, :200], photometric='minisblack', metadata=dict(axes='ZYX'))
    assert 'differ in Y' in refused(max_projection, 'w1.tif', nucleus='small.tif')
    tifffile.imwrite('flat.tif', x[1].max(0), photometric='minisblack')
    np.testing.assert_array_equal(max_projection('w1.tif', nucleus='flat.tif'), x.max(1))


# ---- pixel size

@pytest.mark.parametrize('value, unit, um', [(.13, 'µm', .13), (.13, '\u03bcm', .13), (.13, 'um', .13), (.13, 'micron', .13), (.13, 'microns', .13), (.13, 'Micrometers', .13), (.13, 'micrometre', .13), (.13, '\\u00B5m', .13), (130, 'nm', .13), (130, 'nanometer', .13), (1300, 'Å', .13), (1.3e-4, 'mm', .13), (1.3e-4, 'millimeter', .13), (1.3e-5, 'cm', .13), (1.3e-7, 'm', .13), (.13/25400, 'inch', .13), (.13, 'pixel', None), (.13, '', None), (.13, None, None), (.13, 'px', None)])
def test_units(value, unit, um):
    size, source, doubt = judge_pixel([(value, unit), (value, unit)], 'OME')
    assert size == (um if um is None else pytest.approx(um)) and not doubt and source == ('OME' if um else '')

@pytest.mark.parametrize('sizes, says', [([(6.45, 'µm')], '0.02 to 2 µm'), ([(1, 'µm')], 'exactly 1'), ([(1., 'micron'), (1., 'micron')], 'exactly 1'), ([(0, 'µm')], '0.02'), ([(-.2, 'µm')], '0.02'), ([(200, 'µm')], '0.02'), ([(float('nan'), 'µm')], '0.02'), ([(float('inf'), 'µm')], '0.02'), ([('wide', 'µm')], '0.02'), ([(.2, 'Mm')], '0.02'), ([(.2, 'furlong')], '0.02'), ([(.2, 'µm'), (.3, 'µm')], 'square'), ([(.2, 'µm'), (.2, 'nm')], '0.02')])
def test_pixel_sizes_that_need_somebodys_word(sizes, says): assert says in judge_pixel(sizes, 'OME')[2]

def test_tags_in_centimeters():
    tifffile.imwrite('cm.tif', field(px=.13, n=620), photometric='minisblack', metadata=dict(axes='CZYX'), resolution=(1e4/.13,)*2, resolutionunit='CENTIMETER')
    info = stack_info('cm.tif')
    assert info.pixel_um == pytest.approx(.13, rel=1e-4) and info.source == 'TIFF tags'
    found = prepare_stack('cm.tif', discs, channels=(0, 1)).measures
    assert 13 < found['diameter_um'] < 15 and found['pixel_from'] == 'TIFF tags' and not found['doubt']
    tifffile.imwrite('dpi.tif', field(n=40), photometric='minisblack', metadata=dict(axes='CZYX'), resolution=(72, 72), resolutionunit=2)
    assert stack_info('dpi.tif').pixel_um is None and not stack_info('dpi.tif').doubt

def test_sizes_that_are_not_credible_are_refused_unless_told():
    for size in (1.0, -.2, 200., 0, float('nan'), 1e6):
        ome('a.ome.tif', field(), PhysicalSizeX=size, PhysicalSizeY=size, PhysicalSizeYUnit='µm')
        said = refused(prepare_stack, 'a.ome.tif', discs)
        assert 'a.ome.tif: the pixel size is' in said and 'pixel_um' in said
        assert prepare_stack('a.ome.tif', discs, pixel_um=.2).measures['pixel_from'] == 'given'
    ome('a.ome.tif', field(), PhysicalSizeY=.4, PhysicalSizeYUnit='µm')
    assert 'square' in refused(prepare_stack, 'a.ome.tif', discs)
    for bad in (0, -.2, float('nan'), 1e6): assert 'pixel_um' in refused(reduce_image, field(n=20)[:, 0], bad)

@pytest.mark.parametrize('unit, um', [('cm', 6.45e-4), ('micron', 1.), ('mm', .2)])
def test_imagej_sizes(unit, um):
    tifffile.imwrite('a.tif', field(n=30).swapaxes(0, 1), imagej=True, resolution=(1/um, 1/um), metadata=dict(axes='ZCYX', unit=unit))
    assert 'ImageJ' in stack_info('a.tif').doubt

def test_assumed_sizes_and_odd_nuclei_are_said_once(recwarn):
    for k in range(3): ome(f'{k}.ome.tif', field(k), **({} if k else dict(PhysicalSizeXUnit='pixel')))
    tifffile.imwrite('3.tif', np.kron(field(3, n=300), np.ones((1, 1, 2, 2), np.uint16)), photometric='minisblack', metadata=dict(axes='CZYX'))
    table(file=['0.ome.tif', '1.ome.tif', '2.ome.tif'], protein='A')
    _, labels, _ = read_stacks('.', 'work', segment=discs, workers=1)
    said = [str(w.message) for w in recwarn if 'pixel size' in str(w.message)]
    assert said == ['the pixel size of 1 of 3 stacks is not known, 0.2 µm assumed, first 0.ome.tif; give pixel_um in stacks.csv']
    fields = pd.read_csv('work/fields.csv')
    assert fields.pixel_um.tolist() == [.2]*3 and fields.pixel_from.tolist() == ['assumed', 'OME', 'OME']
    table(file=['1.ome.tif', '2.ome.tif'], protein='A', pixel_um=[None, .35])
    with pytest.warns(UserWarning, match='1 of 2 stacks have nuclei 2.* µm wide, about 15 expected, first 2.ome.tif'): read_stacks('.', 'odd', segment=discs, workers=1)


# ---- crops: PNG, codes, types

def png(f, a, bits=16):
    "A PNG without a library: (H, W, C)"
    chunk = lambda t, d: struct.pack('>I', len(d)) + t + d + struct.pack('>I', zlib.crc32(t + d))
    kind = {1:0, 2:4, 3:2, 4:6}[a.shape[2]]
    rows = b''.join(b'\0' + r.astype('>u2' if bits == 16 else 'u1').tobytes() for r in a)
    open(f, 'wb').write(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', a.shape[1], a.shape[0], bits, kind, 0, 0, 0)) + chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b''))

@pytest.mark.parametrize('bits', [8, 16])
@pytest.mark.parametrize('n', [1, 2, 3, 4])
def test_png_of_any_depth_and_number_of_channels(n, bits):
    a = np.random.default_rng(n).integers(0, 4096 if bits == 16 else 256, (20, 24, n))
    png('a.png', a, bits)
    got = read_image('a.png')
    assert got.dtype == f'u{bits//8}'
    np.testing.assert_array_equal(got, a[..., 0] if n == 1 else a)
    if n in (2, 4):                     # an alpha channel without content is none
        a[..., -1] = 2**bits - 1; png('b.png', a, bits)
        np.testing.assert_array_equal(read_image('b.png'), a[..., 0] if n == 2 else a[..., :3])

def test_four_stains_in_a_png():
    for k in range(3): png(f'{k}.png', np.random.default_rng(k).integers(0, 255, (20, 20, 4)), 8)
    table('labels.csv', file=['0.png', '1.png', '2.png'], protein='A', field=[1, 2, 3])
    open('channels.txt', 'w').write('microtubules\nprotein\nnucleus\ner\n')
    source, _, named = read_folder('.', 20)
    assert named == ['microtubules', 'protein', 'nucleus', 'er'] and source.read(np.arange(3)).shape == (3, 4, 20, 20)

@pytest.mark.parametrize('code', [-9999, -32768, -1e20, 3.4e38, 1e30])
def test_codes_for_no_data(code):
    x = np.random.default_rng(0).random((2, 50, 50)).astype(np.float32)*4000
    assert no_data_value(x[0]) is None
    x[0, :2, :25] = code
    np.save('a.npy', x)
    table('labels.csv', file=['a.npy'], protein='A')
    assert 'no data' in refused(lambda: read_folder('.', 50)[0].read(np.array([0])))
    y = np.tile(x[:, None], (1, 2, 1, 1)); tifffile.imwrite('a.tif', y, photometric='minisblack', metadata=dict(axes='CZYX'))
    assert 'no data' in refused(max_projection, 'a.tif', channels=(0, 1))

def test_bright_things_are_no_codes():
    rng = np.random.default_rng(0)
    for x in (rng.poisson(20, (60, 60)) + 200*(rng.random((60, 60)) < .1), np.where(rng.random((60, 60)) < .5, 0, 255), np.r_[rng.poisson(100, 3599), 60000].reshape(60, 60), rng.normal(0, 50, (60, 60)), rng.exponential(3000, (60, 60)).clip(0, 65535)): assert no_data_value(x.astype(np.uint16 if x.min() >= 0 else np.float32)) is None
    assert no_data_value(np.where(rng.random((60, 60)) < .02, 65535, rng.poisson(300, (60, 60))).astype(np.uint16)) == 65535

@pytest.mark.parametrize('x', [np.ones((2, 20, 20), complex), np.array(['a']*800).reshape(2, 20, 20), np.ones((2, 20, 20), 'M8[s]'), (np.uint64(2**63) + np.arange(800, dtype=np.uint64)).reshape(2, 20, 20)])
def test_arrays_that_are_no_gray_levels(x):
    np.save('a.npy', x)
    table('labels.csv', file=['a.npy'], protein='A')
    assert 'a.npy' in refused(lambda: read_folder('.', 20)[0].read(np.array([0])))
    assert 'a.npy' in refused(max_projection, 'a.npy', axes='CYX', channels=(0, 1))


# ---- compression, pages, other files

@pytest.mark.parametrize('packed', ['lzw', 'zstd', 'jpeg2000', 'deflate', 'packbits', 'png', 'webp'])
def test_compression(packed):
    x = field(n=64)
    args = dict(compressionargs=dict(lossless=True)) if packed == 'webp' else dict(compressionargs=dict(level=0)) if packed == 'jpeg2000' else {}
    if packed == 'webp': x = np.stack([x[0].astype(np.uint8)]*2 + [x[1].astype(np.uint8)], -1)
    tifffile.imwrite('a.tif', x, photometric='rgb' if packed == 'webp' else 'minisblack', compression=packed, metadata=dict(axes='ZYXS' if packed == 'webp' else 'CZYX'), **args)
    got = max_projection('a.tif', channels=(0, 2) if packed == 'webp' else (0, 1))
    np.testing.assert_array_equal(got, x.max(0).transpose(2, 0, 1)[[0, 2]] if packed == 'webp' else x.max(1))

def test_lzw_from_pillow_as_stack_and_as_crop():
    from PIL import Image
    a, b = (Image.fromarray(p) for p in field(n=100)[:, 0])
    a.save('a.tif', compression='tiff_lzw', save_all=True, append_images=[b])
    np.testing.assert_array_equal(read_image('a.tif'), field(n=100)[:, 0])
    np.testing.assert_array_equal(max_projection('a.tif', 'CYX', (0, 1)), field(n=100)[:, 0])

def test_a_compression_that_nobody_knows():
    tifffile.imwrite('a.tif', field(n=40)[:, 0], photometric='minisblack', metadata=dict(axes='CYX'), compression='zlib')
    with tifffile.TiffFile('a.tif') as t: at = [p.tags['Compression'].valueoffset for p in t.pages]
    raw = bytearray(open('a.tif', 'rb').read())
    for k in at: raw[k:k + 2] = (34999).to_bytes(2, 'little')
    open('a.tif', 'wb').write(raw)
    for do in (read_image, lambda f: max_projection(f, channels=(0, 1))): assert '34999' in (said := refused(do, 'a.tif')) and 'without compression' in said and 'damaged' not in said

def test_pages_as_channels_and_planes():
    x = field(n=70); pages = x.reshape(-1, 70, 70)
    tifffile.imwrite('a.tif', pages, photometric='minisblack', metadata=None)
    said = refused(stack_info, 'a.tif')
    assert 'planes' in said and 'CZYX' in said and 'ZCYX' in said
    assert '6 pages' in refused(stack_info, 'a.tif', 'CZYX')
    np.testing.assert_array_equal(max_projection('a.tif', 'CZYX', (0, 1), planes=3), x.max(1))
    np.testing.assert_array_equal(max_projection('a.tif', 'CZYX', dict(protein=0, nucleus=1)), x.max(1))     # channels.txt has two lines
    np.testing.assert_array_equal(max_projection('a.tif', 'ZCYX', (0, 1), planes=3), pages.reshape(3, 2, 70, 70).max(0))
    np.testing.assert_array_equal(max_projection('a.tif', 'CYX', (0, 3)), pages[[0, 3]])
    for planes in (4, 7, 12): assert 'planes' in refused(stack_info, 'a.tif', 'CZYX', planes=planes)
    assert 'channels.txt' in refused(max_projection, 'a.tif', 'CZYX', dict(protein=0, nucleus=1, a=2, b=3))
    for axes in (' C Z Y X', 'c,z,y,x', 'C;Z;Y;X'): assert stack_info('a.tif', axes, planes=3).shape == (2, 3, 70, 70)
    table(file=['a.tif'], protein=['A'], axes=['CZYX'], planes=[3]); open('channels.txt', 'w').write('protein\nnucleus\n')
    with pytest.raises(ValueError, match='the field has 35 x 35 pixels'): read_stacks('.', 'work', segment=discs, workers=1)    # so it was read

def test_planes_that_lie_in_time():
    x = field(n=70); tifffile.imwrite('a.tif', x.swapaxes(0, 1), imagej=True, metadata=dict(axes='TCYX'))
    said = refused(stack_info, 'a.tif')
    assert '3 time points' in said and 'axes=ZCYX' in said
    np.testing.assert_array_equal(max_projection('a.tif', 'ZCYX', (0, 1)), x.max(1))

def test_axes_of_length_one_are_no_axes_of_another_name():
    "Six pages are (6, Y, X, 1) inside tifffile: four letters must not fall on these"
    tifffile.imwrite('a.tif', field(n=50).reshape(-1, 50, 50), photometric='minisblack', metadata=None)
    refused(stack_info, 'a.tif', 'CZYX')
    tifffile.imwrite('b.tif', field(n=50)[None], photometric='minisblack', metadata=dict(axes='TCZYX'))
    assert stack_info('b.tif').axes == stack_info('b.tif', 'TCZYX').axes == 'CZYX'

def test_zero_as_white_is_refused():
    tifffile.imwrite('a.tif', field(n=30), photometric='miniswhite', metadata=dict(axes='CZYX'))
    assert '0 is white' in refused(max_projection, 'a.tif', channels=(0, 1))

@pytest.mark.parametrize('name, content, says', [('a.czi', b'ZISRAWFILE' + bytes(600), 'Zeiss'), ('a.tif', b'ZISRAWFILE' + bytes(600), 'Zeiss'), ('a.nd2', b'\xda\xce\xbe\x0a' + bytes(600), 'Nikon'), ('a.lif', b'\x70\0\0\0' + bytes(600), 'Leica'), ('a.oib', b'\xd0\xcf\x11\xe0' + bytes(600), 'Olympus'), ('a.xyz', b'hello there', 'not an image'), ('a.pdf', b'%PDF-1.4', 'not an image'), ('a', b'hello', 'not an image'), ('a.tif', b'hello there', 'damaged'), ('a.png', b'hello there', 'damaged'), ('a.npy', b'\x93NUMPY\x01', 'damaged'), ('a.tif', b'', 'empty')])
def test_other_files_are_called_what_they_are(name, content, says):
    open(name, 'wb').write(content)
    for do in (stack_info, read_image): assert says in refused(do, name) and name in refused(do, name)

def test_folders_and_missing_files(tmp_path):
    (tmp_path/'a.zarr').mkdir(); (tmp_path/'b').mkdir()
    for f in ('a.zarr', 'b'): assert 'OME-Zarr' in refused(stack_info, f) and 'damaged' not in refused(stack_info, f)
    assert 'no file' in refused(stack_info, 'c.tif')


# ---- sets, numbers of channels, codes, copies

def linked_set(x, nucleus):
    "One image over two files: its protein in a.ome.tif, its nuclei in b.ome.tif, as OME writes sets"
    uid = dict(a='urn:uuid:00000000-0000-0000-0000-00000000000a', b='urn:uuid:00000000-0000-0000-0000-00000000000b')
    planes, side = x.shape[1], x.shape[-1]
    data = ''.join(f'<TiffData FirstC="{c}" FirstZ="{z}" FirstT="0" IFD="{z}" PlaneCount="1"><UUID FileName="{f}.ome.tif">{uid[f]}</UUID></TiffData>' for c, f in enumerate('ab') for z in range(planes))
    names = ''.join(f'<Channel ID="Channel:0:{c}" Name="{n}" SamplesPerPixel="1"/>' for c, n in enumerate(('protein', 'nucleus')))
    pixels = f'<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="{side}" SizeY="{side}" SizeC="2" SizeZ="{planes}" SizeT="1" PhysicalSizeX=".2" PhysicalSizeY=".2">{names}{data}</Pixels>'
    for f, y in zip('ab', (x[0], nucleus)):
        xml = f'<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{uid[f]}"><Image ID="Image:0" Name="i">{pixels}</Image></OME>'
        tifffile.imwrite(f'{f}.ome.tif', y, photometric='minisblack', metadata=None, description=xml)

def test_a_change_of_any_file_of_a_set_is_noticed(tmp_path):
    from cytoself_nb.images import image_files
    from cytoself_nb.readers import data_state
    x = field()
    linked_set(x, x[1])
    same('a.ome.tif', x)
    assert [f.name for f in image_files('a.ome.tif')] == ['a.ome.tif', 'b.ome.tif']
    table(file=['a.ome.tif'], protein=['A'])
    one = read_stacks('.', 'work', segment=discs, workers=1)[0].read(np.arange(1))
    Path('table').mkdir(); table('table/stacks.csv', file=['../a.ome.tif'], protein=['A'])
    state = data_state('table')
    linked_set(x, field(1)[1])
    assert data_state('table') != state
    two = read_stacks('.', 'work', segment=discs, workers=1)[0].read(np.arange(1))
    fresh = read_stacks('.', 'fresh', segment=discs, workers=1)[0].read(np.arange(1))
    assert not np.array_equal(one[:, 1], two[:, 1]) and np.array_equal(two, fresh)

def test_a_number_is_no_name():
    x = np.concatenate([cells(0)[1:], cells(9)[:1], cells(0)[:1]])      # nucleus, another, protein
    ome('b.ome.tif', x, names=('1', '2', '3'))
    want = np.stack([x[2], x[0]]).max(1)
    for told in ((2, 0), (np.int64(2), np.int64(0)), ('3', '1')): assert np.array_equal(max_projection('b.ome.tif', channels=told), want), told
    for told in ((3, 0), (-1, 0), (True, 0), ('4', '1')): assert 'say which they are' in refused(max_projection, 'b.ome.tif', channels=told)

@pytest.mark.parametrize('code', [-1, 9999, 4095, 65535])
def test_any_code_for_no_data_is_refused(code):
    "In both channels; in 1 % of the pixels it would flatten everything else"
    x = field().astype(np.int32)
    x[0, :, :40, :40] = code
    tifffile.imwrite('a.ome.tif', x, ome=True, photometric='minisblack', metadata=dict(axes='CZYX', PhysicalSizeX=.2, PhysicalSizeXUnit='µm', Channel=dict(Name=['protein', 'nucleus'])))
    assert f'holds {code:g} in 1.0%' in refused(prepare_stack, 'a.ome.tif', discs)

def test_black_gaps_are_a_doubt():
    "A mosaic or a mask leaves 0 where nothing was seen: said, not refused"
    x = field(); x[0] += 400; x[0, :, :40, :40] = 0
    ome('a.ome.tif', x); table(file=['a.ome.tif'], protein=['A'])
    with pytest.warns(UserWarning, match='0 in 1.0% of the protein channel, far below all other pixels'): read_stacks('.', 'work', segment=discs, workers=1)
    assert 'far below' in pd.read_csv('work/fields.csv').doubt[0]
    Path('crops').mkdir()
    for k in range(4):
        c = field(k, n=400)[:, 0, 150:250, 150:250]; c[0] += 400*(k > 1); c[0, :50] *= k != 2
        tifffile.imwrite(f'crops/{k}.tif', c, photometric='minisblack')
    table('crops/labels.csv', file=[f'{k}.tif' for k in range(4)], protein=list('AABB'), field=[1, 2]*2)
    with pytest.warns(UserWarning, match='1 of 4 crops have black parts, first 2.tif'): assert len(read_folder('crops', 32)[1]) == 4

def test_a_camera_in_the_dark_is_no_protein():
    x = field(); x[0] = 90; x[0, 0, 200, 200] = 60000
    ome('a.ome.tif', x)
    assert 'one value but for a few pixels' in refused(prepare_stack, 'a.ome.tif', discs)
    Path('crops').mkdir()
    for k in range(4): tifffile.imwrite(f'crops/{k}.tif', field(k)[:, 0, 150:250, 150:250] if k else x[:, 0, 150:250, 150:250], photometric='minisblack')
    table('crops/labels.csv', file=[f'{k}.tif' for k in range(4)], protein=list('AABB'), field=[1, 2]*2)
    with pytest.warns(UserWarning, match='1 of 4 crops .* 0.tif: .*constant protein channel, but for a few pixels'): assert len(read_folder('crops', 32)[1]) == 3

def test_copies_are_found_at_any_gain_offset_type_and_turn():
    x = field()[:, 0, 150:250, 150:250]
    copies = {'same.npy': x, 'float.tif': x.astype(np.float32), 'gain.tif': x*16, 'offset.tif': x + 50, 'unit.npy': x/65535, 'turned.tif': np.rot90(x, 1, (1, 2)).copy(), 'mirrored.tif': x[..., ::-1].copy(), 'nucleus.tif': np.stack([x[0], x[1] + 1])}
    Path('crops').mkdir()
    put = lambda f, x: np.save(f'crops/{f}', x) if f.endswith('npy') else tifffile.imwrite(f'crops/{f}', x, photometric='minisblack')
    put('a.tif', x); put('b.tif', field(1)[:, 0, 150:250, 150:250])
    for f, c in copies.items():
        put(f, c); table('crops/labels.csv', file=['a.tif', 'b.tif', f], protein=list('ABA'), field=[1, 2, 3])
        with pytest.warns(UserWarning, match='has the same pixels as a.tif, brightness aside'): assert read_folder('crops', 32)[1].file.tolist() == ['a.tif', 'b.tif'], f
    put('new.tif', field(2)[:, 0, 150:250, 150:250]); table('crops/labels.csv', file=['a.tif', 'b.tif', 'new.tif'], protein=list('ABA'), field=[1, 2, 3])
    assert len(read_folder('crops', 32)[1]) == 3

def test_stacks_at_another_gain_are_copies():
    loud = field(0); loud[0] = loud[0]*16 + 3
    ome('0.ome.tif', field(0)); ome('1.ome.tif', field(1)); ome('gain.ome.tif', loud); ome('mip.ome.tif', field(0).max(1, keepdims=True)); ome('float.ome.tif', (field(0)/1.1).astype(np.float32))
    for f in ('gain', 'mip', 'float'):
        table(file=['0.ome.tif', '1.ome.tif', f'{f}.ome.tif'], protein=list('ABC'))
        with pytest.warns(UserWarning, match='has the same pixels as'): assert read_stacks('.', 'work', segment=discs, workers=1)[1].file.unique().tolist() == ['1.ome.tif'], f

# ---- OME-Zarr

@pytest.mark.parametrize('version', ['0.4', '0.5'])
def test_plates_collections_and_several_images_of_ome_zarr(version, tmp_path):
    xs = [cells(k) for k in range(3)]
    wrap = lambda m: m if version == '0.4' else dict(ome=m)
    def group(path, **m): zarr.open_group(path, mode='a', zarr_format=2 if version == '0.4' else 3).attrs.update(wrap(m))
    group('plate.zarr', plate=dict(wells=[dict(path='A/1'), dict(path='B/2')]))
    group('plate.zarr/A/1', well=dict(images=[dict(path='0'), dict(path='1')])); group('plate.zarr/B/2', well=dict(images=[dict(path='0')]))
    for f, x in zip(('A/1/0', 'A/1/1', 'B/2/0'), xs): write_zarr(f'plate.zarr/{f}', x, version=version)
    group('all.zarr', **{'bioformats2raw.layout': 3})
    for k, x in enumerate(xs): write_zarr(f'all.zarr/{k}', x, version=version)
    assert '3 images' in refused(stack_info, 'plate.zarr') and 'A/1/0' in refused(stack_info, 'plate.zarr') and '3 images' in refused(stack_info, 'all.zarr')
    for k, f in enumerate(('A/1/0', 'A/1/1', 'B/2/0')):
        for path, position in (('plate.zarr', f), ('plate.zarr', k), (f'plate.zarr/{f}', None), ('all.zarr', k), ('all.zarr', str(k))): same(path, xs[k], position=position)

@pytest.mark.parametrize('version', ['0.4', '0.5'])
def test_a_collection_of_ome_zarr_says_which_are_its_images(version):
    "As microscopes write positions: groups with names, listed in OME; the number of an image is its place in that list"
    wrap = lambda m: m if version == '0.4' else dict(ome=m)
    group = lambda path, **m: zarr.open_group(path, mode='a', zarr_format=2 if version == '0.4' else 3).attrs.update(wrap(m))
    xs = dict(B=cells(0), A=cells(1))
    group('set.zarr', **{'bioformats2raw.layout': 3}); group('set.zarr/OME', series=['B', 'A', 'lost'])
    for name, x in xs.items(): write_zarr(f'set.zarr/{name}', x, version=version)
    assert '3 images (0: B, 1: A, 2: lost)' in refused(stack_info, 'set.zarr')
    for k, (name, x) in enumerate(xs.items()):
        for position in (name, k): same('set.zarr', x, position=position)
    assert "the image lost, which isn't there" in refused(stack_info, 'set.zarr', position=2)

@pytest.mark.parametrize('other, advice', [('set_p000.ome.tiff', 'name set_p000.ome.tiff and its position'), (r'D:\data\set.companion.ome', 'set.companion.ome; expected.* name the axes, planes and pixel_um')])
def test_a_file_of_a_set_that_holds_pixels_alone_names_the_file_that_describes_them(other, advice):
    x = cells()
    told = f'<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><BinaryOnly MetadataFile="{other}" UUID="urn:uuid:0"/></OME>'
    tifffile.imwrite('set_p001.ome.tiff', x.reshape(-1, *x.shape[-2:]), photometric='minisblack', description=told, metadata=None)
    for position in (None, 'A'): assert re.search(advice, refused(stack_info, 'set_p001.ome.tiff', position=position))
    same('set_p001.ome.tiff', x, axes='CZYX', planes=x.shape[1])

def test_two_images_of_one_name_are_two():
    "As in TIFF: which is meant has to be said by number; none wins in silence"
    xs = [cells(0), cells(1)]
    write_zarr('twins.zarr', xs[0])
    group = zarr.open_group('twins.zarr', mode='a')
    group.create_array('1', data=xs[1])
    meta = group.attrs['ome']; one = meta['multiscales'][0]
    second = one | dict(datasets=[one['datasets'][0] | dict(path='1')])
    group.attrs['ome'] = meta | dict(multiscales=[one | dict(name='raw'), second | dict(name='raw')])
    assert '2 images (0: raw, 1: raw)' in refused(stack_info, 'twins.zarr')
    for k in (0, 1): same('twins.zarr', xs[k], position=k)
    assert 'no single image' in refused(stack_info, 'twins.zarr', position='raw')
    with tifffile.TiffWriter('twins.ome.tif', ome=True) as t:
        for x in xs: t.write(x, photometric='minisblack', metadata=dict(axes='CZYX', Name='raw', Channel=dict(Name=['protein', 'nucleus'])))
    assert '2 images (0: raw, 1: raw)' in refused(stack_info, 'twins.ome.tif')

def test_an_image_that_a_well_has_lost(tmp_path):
    x = cells()
    group = lambda path, **m: zarr.open_group(path, mode='a').attrs.update(dict(ome=m))
    group('plate.zarr', plate=dict(wells=[dict(path='A/1')])); group('plate.zarr/A/1', well=dict(images=[dict(path='0'), dict(path='7')]))
    write_zarr('plate.zarr/A/1/0', x)
    same('plate.zarr', x, position='A/1/0')
    assert "the image A/1/7, which isn't there" in refused(stack_info, 'plate.zarr', position='A/1/7')

def test_ome_zarr_by_address_and_in_a_zip(tmp_path):
    import fsspec
    x = cells(); write_zarr('a.zarr', x)
    memory = fsspec.filesystem('memory')
    memory.put('a.zarr', '/images/a.zarr', recursive=True)
    same('memory://images/a.zarr', x)
    with zipfile.ZipFile('a.zarr.zip', 'w') as z:
        for f in Path('a.zarr').rglob('*'): z.write(f, f.relative_to('a.zarr'))
    same('a.zarr.zip', x)
    refused(stack_info, 'memory://images/none.zarr')

def test_missing_or_cut_chunks_of_ome_zarr():
    write_zarr('a.zarr', cells())
    (f := next(p for p in Path('a.zarr/0').rglob('c/*/*/0/0'))).write_bytes(f.read_bytes()[:20])
    assert 'a.zarr' in refused(lambda: max_projection('a.zarr'))

def test_a_changed_ome_zarr_is_noticed(tmp_path):
    x = field(); write_zarr('a.zarr', x)
    table(file=['a.zarr'], protein=['A'])
    first = read_stacks('.', 'work', segment=discs, workers=1)[0].read(np.arange(4))
    write_zarr('a.zarr', x[..., ::-1].copy())
    assert not np.array_equal(first, read_stacks('.', 'work', segment=discs, workers=1)[0].read(np.arange(4)))


def test_kinds_go_by_the_first_bytes(tmp_path):
    tifffile.imwrite('a.png', field(n=20)); np.save('b.npy', np.ones(3)); (tmp_path/'b.npy').rename('b.tif')
    assert image_kind('a.png') == 'TIFF' and image_kind('b.tif') == '.npy'


# ---- files of the microscopes' makers, where the optional packages are

def write_czi(f, planes, scenes=1, names=('protein', 'nucleus')):
    "`planes`: (c, z) -> pixels"
    czi = pytest.importorskip('pylibCZIrw.czi', reason='files of Zeiss need pylibCZIrw')
    with czi.create_czi(str(f), exist_ok=True) as out:
        for s in range(scenes):
            for (c, z), x in planes.items(): out.write(x + np.asarray(s, x.dtype), plane=dict(C=c, Z=z, T=0), **(dict(scene=s, location=(200*s, 0)) if scenes > 1 else {}))
        out.write_metadata('cells', channel_names=dict(enumerate(names)), scale_x=.2e-6, scale_y=.2e-6, scale_z=.5e-6)

def by_plane(x, z=0): return {(c, k + z): x[c, k] for c in range(len(x)) for k in range(len(x[0]))}

@pytest.mark.parametrize('first', [0, 3])
def test_a_file_of_zeiss(first, tmp_path):
    "Its planes need not begin at 0: a part of a stack keeps its numbers"
    x = field(n=100)
    write_czi('a.czi', by_plane(x, first))
    info = same('a.czi', x)
    assert info.names == ['protein', 'nucleus'] and info.pixel_um == pytest.approx(.2) and info.source == 'Zeiss' and not info.doubt
    np.testing.assert_array_equal(max_projection('a.czi'), x.max(1))
    write_czi('b.czi', by_plane(x, first), 2)
    assert '2 images (0: scene 0, 1: scene 1)' in refused(max_projection, 'b.czi')
    for s in (0, 1): same('b.czi', x + np.uint16(s), position=s)
    write_czi('c.czi', {k: v for k, v in by_plane(x, first).items() if k != (1, first + 1)})
    assert f'plane {first + 1} of channel 1 is missing' in refused(max_projection, 'c.czi')
    (tmp_path/'d.czi').write_bytes((tmp_path/'a.czi').read_bytes()[:3000])
    assert 'd.czi' in refused(max_projection, 'd.czi')
    write_czi('e.czi', {(0, 0): np.zeros((40, 40, 3), np.uint8) + np.arange(40, dtype=np.uint8)[:, None]})
    assert 'Bgr24' in refused(stack_info, 'e.czi')


def test_tiles_and_channels_of_zeiss():
    "A mosaic has as many tiles in each plane; its channels need not begin at 0"
    czi, x = pytest.importorskip('pylibCZIrw.czi', reason='files of Zeiss need pylibCZIrw'), field(n=100)
    def write(f, lost=(), first=0):
        Path(f).unlink(missing_ok=True)
        with czi.create_czi(f) as out:
            for c, z, at in itertools.product((0, 1), range(3), (0, 60)):
                if (c, z, at) not in lost: out.write(x[c, z, :, at:at + 60].copy(), plane=dict(C=c + first, Z=z, T=0), location=(at, 0))
            out.write_metadata('cells', channel_names={first:'protein', first + 1:'nucleus'}, scale_x=.2e-6, scale_y=.2e-6)
    write('a.czi'); same('a.czi', x)
    write('b.czi', [(0, 1, 60)]); assert '1 of 2 tiles of plane 1 of channel 0 is missing' in refused(max_projection, 'b.czi')
    write('c.czi', first=1); same('c.czi', x)


def test_channels_of_zeiss_keep_their_bits():
    "A reader that gives all channels the type of the first makes 232 of 1000"
    def plane(value, kind): return np.where(np.arange(64)[:, None] < 9, 7, np.full((64, 64), value)).astype(kind)
    for first, second in (((200, np.uint8), (1000, np.uint16)), ((200, np.uint8), (1.5, np.float32)), ((1000, np.uint16), (200, np.uint8))):
        write_czi('a.czi', {(0, 0): plane(*first), (1, 0): plane(*second)})
        np.testing.assert_array_equal(max_projection('a.czi')[:, [0, -1], 0], [[7, first[0]], [7, second[0]]])


def write_lif(f, **images):
    "A file as LAS X writes it: name=(axes, array), planes one after the other"
    import xml.etree.ElementTree as E
    top = E.Element('LMSDataContainerHeader', Version='2'); root = E.SubElement(E.SubElement(top, 'Element', Name='project', UniqueID='p'), 'Children')
    for k, (name, (axes, x)) in enumerate(images.items()):
        here = E.SubElement(root, 'Element', Name=name, UniqueID=f'u{k}')
        told, step = E.SubElement(E.SubElement(E.SubElement(here, 'Data'), 'Image'), 'ImageDescription'), x.itemsize
        E.SubElement(here, 'Memory', Size=str(x.nbytes), MemoryBlockID=f'MemBlock_{k}')
        channels, dims = E.SubElement(told, 'Channels'), E.SubElement(told, 'Dimensions')
        for a, n in zip(reversed(axes), reversed(x.shape)):
            if a == 'C':
                for c in range(n): E.SubElement(channels, 'ChannelDescription', DataType='0', ChannelTag='0', Resolution=str(8*x.itemsize), NameOfMeasuredQuantity='', Min='0', Max='1', Unit='', LUTName='Gray', IsLUTInverted='0', BytesInc=str(c*step), BitInc='0')
            else: E.SubElement(dims, 'DimensionDescription', DimID=str({'X':1, 'Y':2, 'Z':3, 'T':4, 'L':5, 'M':10}[a]), NumberOfElements=str(n), Origin='0', Length=str((n - 1)*.2e-6), Unit='m', BitInc='0', BytesInc=str(step))
            step *= n
        if 'C' not in axes: E.SubElement(channels, 'ChannelDescription', DataType='0', ChannelTag='0', Resolution=str(8*x.itemsize), NameOfMeasuredQuantity='', Min='0', Max='1', Unit='', LUTName='Gray', IsLUTInverted='0', BytesInc='0', BitInc='0')
    text = E.tostring(top, 'unicode').encode('utf-16-le')
    out = struct.pack('<IIBI', 0x70, len(text) + 5, 0x2a, len(text)//2) + text
    for k, (_, x) in enumerate(images.values()):
        block = f'MemBlock_{k}'.encode('utf-16-le')
        out += struct.pack('<IIBQBI', 0x70, 14 + len(block), 0x2a, x.nbytes, 0x2a, len(block)//2) + block + x.tobytes()
    Path(f).write_bytes(out)

@pytest.mark.parametrize('dtype', ['uint8', 'uint16'])
def test_a_file_of_leica(dtype):
    pytest.importorskip('liffile', reason='files of Leica need liffile')
    xs = [cells(k, dtype=dtype) for k in range(3)]
    write_lif('a.lif', one=('ZCYX', turned(xs[0], 'ZCYX')), two=('CZYX', xs[1]), flat=('CYX', xs[2][:, 0].copy()), rows=('YCZX', turned(xs[1], 'YCZX')), colors=('LYX', xs[0][:, 0].copy()), tiles=('MCYX', xs[0]), times=('TCYX', xs[0]))
    assert '7 images' in refused(stack_info, 'a.lif')
    for name, x in dict(one=xs[0], two=xs[1], flat=xs[2][:, :1], rows=xs[1]).items():
        info = same('a.lif', x, position=name)
        assert info.pixel_um == pytest.approx(.2) and info.source == 'Leica' and info.names == [] and info.position == name
    assert 'axes LYX' in refused(stack_info, 'a.lif', position='colors') and 'axes M' in refused(stack_info, 'a.lif', position='tiles') and '2 time points' in refused(stack_info, 'a.lif', position='times')
    same('a.lif', xs[0][:, :1], position='colors', axes='CYX')         # who knows it better may say so
    raw = Path('a.lif').read_bytes()
    Path('b.lif').write_bytes(raw[:len(raw)//2])
    assert 'b.lif' in refused(lambda: same('b.lif', xs[0][:, :1], position='colors', axes='CYX'))


def stand_in(monkeypatch, name, **what):
    import sys, types
    monkeypatch.setitem(sys.modules, name, types.SimpleNamespace(**what))

def test_what_packages_of_olympus_and_nikon_say_is_taken(monkeypatch):
    "No such file can be written: stand-ins give what oiffile said of a real one, and what bioio says of one with two scenes"
    from contextlib import nullcontext
    from types import SimpleNamespace as Is
    x = cells(planes=1)[:, 0]
    for f in ('a.oib', 'a.nd2'): Path(f).write_bytes(b'\xd0\xcf\x11\xe0' + bytes(99))
    said = {'Reference Image Parameter': dict(WidthConvertValue=.177, WidthUnit='um', HeightConvertValue=.177, HeightUnit='um')} | {f'Channel {k} Parameters': {'CH Name': f'CH{k}'} for k in (1, 2)}
    stand_in(monkeypatch, 'oiffile', OifFile=lambda f: nullcontext(Is(axes='CYX', shape=x.shape, dtype=x.dtype, mainfile=said, asarray=lambda: x)))
    info = same('a.oib', x[:, None])
    assert info.names == ['CH1', 'CH2'] and info.pixel_um == .177 and info.source == 'Olympus'
    class Image:
        scenes, dims, dtype, channel_names, physical_pixel_sizes = ('P0', 'P1'), Is(order='TCZYX'), x.dtype, ['protein', 'nucleus'], Is(X=.108, Y=.108)
        def __init__(self, path): self.shape = (1, 2, 1, *x.shape[1:])
        def set_scene(self, k): self.dask_data = x[None, :, None] + np.uint16(k)
    stand_in(monkeypatch, 'bioio', BioImage=Image)
    assert '2 images' in refused(stack_info, 'a.nd2')
    for k, position in ((0, 0), (1, 'P1')): assert same('a.nd2', x[:, None] + np.uint16(k), position=position).pixel_um == .108


def test_damage_of_one_file_is_not_that_of_others_read_beside_it(tmp_path):
    from concurrent.futures import ThreadPoolExecutor
    rng = np.random.default_rng(0)
    for k in range(40): tifffile.imwrite(tmp_path/f'{k:02}.tif', rng.random((2, 100, 100)).astype(np.float32))
    for k in range(0, 40, 4): (tmp_path/f'{k:02}.tif').write_bytes((tmp_path/f'{k:02}.tif').read_bytes()[:200])
    def fine(path):
        try: return read_image(path).shape == (2, 100, 100)
        except ValueError: return False
    for _ in range(5):
        with ThreadPoolExecutor(8) as pool: found = list(pool.map(fine, sorted(tmp_path.glob('*.tif'))))
        assert found == [k % 4 > 0 for k in range(40)]


# ---- further instances of the same kinds

@pytest.mark.parametrize('position, meant', [('001', 0), ('#1', 1), (1, 1), ('0', 0), ('3', 2), ('1', None), ('2.0', None), ('#3', None)])
def test_names_that_are_numbers_are_no_trap(position, meant):
    "A spreadsheet makes 1 of 001"
    with tifffile.TiffWriter('m.ome.tif', ome=True) as t:
        for s in range(3): t.write(cells(s), photometric='minisblack', metadata=dict(axes='CZYX', Name=f'{s + 1:03}'))
    if meant is not None: same('m.ome.tif', cells(meant), position=position)
    else: assert 'm.ome.tif' in (said := refused(stack_info, 'm.ome.tif', position=position)) and ('#1' in said or '#2' in said or '#3' in said)

def test_values_that_are_no_brightness():
    x, green = cells(dtype='uint8')[:, 0], np.zeros((3, 256), np.uint16)
    green[1] = np.arange(256)*257
    tifffile.imwrite('g.tif', x[0], photometric='palette', colormap=green)
    np.testing.assert_array_equal(read_image('g.tif'), x[0])
    tifffile.imwrite('i.tif', x[0], photometric='palette', colormap=green[:, ::-1])
    tifffile.imwrite('w.tif', x, photometric='miniswhite', metadata=dict(axes='CYX'))
    tifffile.imwrite('c.tif', np.concatenate([x, x]).transpose(1, 2, 0), photometric='separated')
    tifffile.imwrite('l.tif', np.concatenate([x, x[:1]]).transpose(1, 2, 0), photometric='cielab')
    for f in ('i.tif', 'w.tif', 'c.tif', 'l.tif'):
        for do in (read_image, stack_info): assert f in refused(do, f)

def test_crops_stand_upright():
    x = cells()[:, 0]
    tifffile.imwrite('a.tif', x.swapaxes(1, 2), photometric='minisblack', metadata=dict(axes='CXY'))
    np.testing.assert_array_equal(read_image('a.tif'), x)

def test_levels_and_scales_of_ome_zarr():
    x = cells(); write_zarr('a.zarr', x)
    group = zarr.open_group('a.zarr', mode='r+'); ome = dict(group.attrs['ome']); one = ome['multiscales'][0]
    group.create_array('1', shape=(2, 3, 20, 28), dtype='uint16', chunks=(1, 1, 20, 28))[...] = x[..., ::2, ::2]
    def put(datasets, **more): group.attrs['ome'] = ome | dict(multiscales=[one | dict(datasets=datasets) | more])
    level = lambda path, scale: dict(path=path, coordinateTransformations=[dict(type='scale', scale=scale)])
    put([level('1', [1, 1, .4, .4]), level('0', [1, 1, .2, .2])])
    assert same('a.zarr', x).pixel_um == .2               # the smallest pixels come last
    for both in ([dict(path='1'), dict(path='0')], [level('1', [1, 1, .2, .2]), level('0', [1, 1, .2, .2])], [level('0', [1, 1, .4, .4]), level('1', [1, 1, .2, .2])]):
        put(both); same('a.zarr', x)                      # the largest level, whatever is said of its scale
    put([level('1', [1, 1, .4, .4]), level('7', [1, 1, .2, .2])])
    assert 'a.zarr has metadata' in refused(stack_info, 'a.zarr')    # the largest is lost: the smaller is no answer
    put([dict(path='0', coordinateTransformations=[dict(type='scale', scale=[1, 500, 200, 200]), dict(type='translation', translation=[0, 0, 5, 7])])], axes=[a | (dict(unit='nanometer') if a['type'] == 'space' else {}) for a in one['axes']])
    assert same('a.zarr', x).pixel_um == .2
    for odd in ([dict(type='scale', path='scale')], [dict(type='scale', scale=[.2, .2])], [dict(type='affine', affine=[[1]])]):
        put([dict(path='0', coordinateTransformations=odd)])
        assert 'nan' in stack_info('a.zarr').doubt
    for lost in ([], [dict(path='7')]):
        put(lost)
        assert 'a.zarr has metadata' in refused(stack_info, 'a.zarr')
    put([dict(path='0')], axes=None, coordinateSystems=[dict(axes=one['axes'])])          # a version to come
    assert 'name them by axes' in refused(stack_info, 'a.zarr')

@pytest.mark.filterwarnings('ignore:Numcodecs codecs')
def test_filters_of_ome_zarr_that_count_on_another_order_of_bytes_are_refused():
    x = cells() + np.uint16(1000)
    def put(order, serializer='auto', shards=None, kind=numcodecs_of_3.Delta, **told):
        write_zarr('a.zarr', x)
        filter = kind(**(told if 'encode_dtype' in told else told | dict(dtype=f'{order}u2')))
        zarr.create_array('a.zarr/0', shape=x.shape, chunks=(1, 1, 20, 28), shards=shards, dtype=f'{order}u2', overwrite=True,
                          filters=[filter], serializer=serializer)[...] = x
    scale, shards = dict(kind=numcodecs_of_3.FixedScaleOffset, offset=0, scale=1), (1, 1, 40, 56)
    wide = lambda order: dict(kind=numcodecs_of_3.AsType, order=order, encode_dtype='<f8', decode_dtype=f'{order}u2')
    for told in (dict(order='<'), dict(order='<', shards=shards), dict(order='>', serializer=BytesCodec(endian='big')),
                 dict(order='<', **scale), dict(order='>', astype='<u2', **scale), wide('<'), wide('>')):
        put(**told); same('a.zarr', x)
    for told in (dict(order='>'), dict(order='>', shards=shards), dict(order='<', serializer=BytesCodec(endian='big')),
                 dict(order='>', **scale), dict(order='<', astype='>u2', **scale), dict(wide('<'), serializer=BytesCodec(endian='big'))):
        put(**told)                # zarr 3.1.6 reads noise from 0 to 65,535 here (findings/)
        assert 'a.zarr has a filter' in refused(stack_info, 'a.zarr')
        assert 'another order of bytes' in refused(read_labels, Path('a.zarr/0'))
    write_zarr('a.zarr', x, version='0.4')
    zarr.create_array('a.zarr/0', data=x.astype('>u2'), chunks=(1, 1, 20, 28), zarr_format=2, filters=[numcodecs.Delta('>u2')], overwrite=True)
    same('a.zarr', x)

def test_lost_chunks_and_wells_of_ome_zarr():
    x = cells() + np.uint16(100)
    for chunks, version in (((1, 1, 40, 56), '0.4'), ((1, 1, 20, 28), '0.5')):
        write_zarr('a.zarr', x, version=version, chunks=chunks)
        lost = [f for f in Path('a.zarr/0').rglob('*') if f.is_file() and f.name not in ('.zarray', '.zattrs', 'zarr.json')]
        lost[1].unlink()
        assert 'missing' in refused(max_projection, 'a.zarr')
    y = np.where(np.arange(40)[:, None] < 30, x, 0).astype(np.uint16); write_zarr('b.zarr', y, chunks=(1, 1, 20, 28))
    y[..., 20:, :] = 0; write_zarr('b.zarr', y, chunks=(1, 1, 15, 28)); same('b.zarr', y)     # what is empty isn't written
    plate = zarr.open_group('p.zarr', mode='w', zarr_format=2); plate.attrs.update(plate=dict(wells=[dict(path='A/1'), dict(path='B/1')]))
    plate.create_group('A/1').attrs.update(well=dict(images=[dict(path='0')])); write_zarr('p.zarr/A/1/0', x, version='0.4')
    same('p.zarr', x, position='A/1/0'); assert "isn't there" in refused(stack_info, 'p.zarr', position='B/1')

def test_names_in_the_files_of_crops():
    def write(names):
        for k in range(3): tifffile.imwrite(f'{k}.ome.tif', cells(k, 1, sides=(30, 30))[:, 0], ome=True, photometric='minisblack', metadata=dict(axes='CYX', Channel=dict(Name=names)))
    table('labels.csv', file=[f'{k}.ome.tif' for k in range(3)], protein=list('AAB'), field=[1, 2, 3])
    write(['Nucleus', 'Protein'])
    assert read_folder('.', 30)[2] == ['nucleus', 'protein']
    tifffile.imwrite('2.ome.tif', cells(2, 1, sides=(30, 30))[:, 0], ome=True, photometric='minisblack', metadata=dict(axes='CYX', Channel=dict(Name=['protein', 'nucleus'])))
    with pytest.warns(UserWarning, match='2.ome.tif: calls its channels protein, nucleus, the others nucleus, protein'): assert len(read_folder('.', 30)[1]) == 2
    write(['DAPI', 'GFP'])
    with pytest.warns(UserWarning, match='3 crops call their channels otherwise, first 0.ome.tif: dapi, gfp; they are taken for protein, nucleus'): read_folder('.', 30)
    open('channels.txt', 'w').write('nucleus\nprotein\n')
    assert read_folder('.', 30)[2] == ['nucleus', 'protein']

def test_a_channels_file_that_contradicts_the_stack_is_said():
    from cytoself_nb.preprocessing import _other_names
    ome('a.ome.tif', field(n=60)); info = stack_info('a.ome.tif')
    assert 'channels.txt that contradicts them' in _other_names(info, dict(nucleus=0, protein=1))
    for fine in (dict(protein=0, nucleus=1), ('protein', 'nucleus')): assert not _other_names(info, fine)
    assert not _other_names(info._replace(names=['DAPI', 'GFP']), dict(nucleus=0, protein=1))

@pytest.mark.parametrize('kind', ['ome', 'imagej'])
def test_axes_of_length_one_may_be_named(kind):
    x = cells(); write_tiff('a.tif', turned(x, 'ZCYX'), kind, 'ZCYX')
    for axes in ('ZCYX', 'TZCYX', 'T,Z,C,Y,X'): same('a.tif', x, axes=axes)
    for axes in ('TCZYXS', 'CCZYX', 'TTZCYX'): refused(stack_info, 'a.tif', axes)
    write_tiff('b.tif', x[:, 0], kind, 'CYX')
    assert 'planes' in refused(stack_info, 'b.tif', 'CZYX')

@pytest.mark.parametrize('sizes', [[(1, 'pixel'), (.3, 'µm')], [(.3, 'µm'), (1, None)], [(.2, 'µm'), (.2, '')]])
def test_a_side_without_a_unit_makes_the_other_doubtful(sizes):
    assert 'both sides' in judge_pixel(sizes, 'OME')[2] and not judge_pixel([sizes[0], (None, None)], 'OME')[2]

def test_an_imagej_file_that_counts_more_pages_than_its_axes_hold():
    x = cells(); write_tiff('a.tif', turned(x, 'ZCYX'), 'imagej', 'ZCYX'); raw = open('a.tif', 'rb').read()
    same('a.tif', x)
    for a, b in ((b'slices=3', b'slices=2'), (b'slices=3', b'slices=9'), (b'channels=2', b'channels=3'), (b'channels=2', b'channels=1')):
        open('b.tif', 'wb').write(raw.replace(a, b))
        assert 'b.tif' in refused(stack_info, 'b.tif')

@pytest.mark.parametrize('what, said, source', [('lsm_metadata', dict(VoxelSizeX=1.3e-7, VoxelSizeY=1.3e-7), 'LSM'), ('micromanager_metadata', dict(Summary=dict(PixelSize_um=.13)), 'Micro-Manager'), ('stk_metadata', dict(XCalibration=.13, YCalibration=.13, CalibrationUnits='um'), 'MetaMorph'), ('micromanager_metadata', dict(Summary=dict(PixelSize_um=0)), ''), ('stk_metadata', dict(XCalibration=1, YCalibration=1, CalibrationUnits='pixel'), '')])
def test_sizes_that_a_program_writes_in_a_way_of_its_own(what, said, source, monkeypatch):
    "No such file can be written: what tifffile says of one is put in its place"
    monkeypatch.setattr(tifffile.TiffFile, what, property(lambda self: said))
    tifffile.imwrite('a.tif', cells(), photometric='minisblack', metadata=dict(axes='CZYX'))
    info = stack_info('a.tif')
    assert (info.pixel_um, info.source, info.doubt) == (pytest.approx(.13) if source else None, source, '')


# ---- what a second review found

def nfield(seed=0, **k):
    "`field` with a background in the nuclear channel, so that either channel has contrast"
    x = field(seed, **k); x[1] += np.random.default_rng(seed + 99).poisson(20, x[1].shape).astype(np.uint16); return x

def test_numbers_beside_numbered_names_are_asked_about():
    with tifffile.TiffWriter('s.ome.tif', ome=True) as t:
        for s in (1, 2, 3): t.write(cells(s), photometric='minisblack', metadata=dict(axes='CZYX', Name=f'Position {s}', Channel=dict(Name=['protein', 'nucleus'])))
    assert 'two images that the position 1 may mean' in refused(stack_info, 's.ome.tif', position='1') and stack_info('s.ome.tif', position='3').position == 'Position 3'
    assert stack_info('s.ome.tif', position='#0').position == 'Position 1' == stack_info('s.ome.tif', position='Position 1').position

def test_channels_in_another_order_are_said():
    "channels.txt counts; files that name the same channels otherwise are not passed in silence"
    ome('day1.ome.tif', nfield(0), names=('GFP', 'DAPI')); ome('day2.ome.tif', nfield(1)[::-1], names=('DAPI', 'GFP'))
    Path('channels.txt').write_text('protein\nnucleus\n'); table(file=['day1.ome.tif', 'day2.ome.tif'], protein=['A', 'B'])
    with pytest.warns(UserWarning, match='the same channels in several orders: GFP | DAPI'): read_stacks('.', 'w', segment=lambda i, d: discs(reduce_image(field(0).max(1))[1]), workers=1)

def test_an_exchanged_pair_is_refused():
    x = nfield(0)
    ome('nucleus.ome.tif', x[1:], names=('nucleus',)); ome('protein.ome.tif', x[:1], names=('protein',))
    assert 'calls its channel nucleus; expected the protein' in refused(max_projection, 'nucleus.ome.tif', nucleus='protein.ome.tif')
    assert max_projection('protein.ome.tif', nucleus='nucleus.ome.tif').shape[0] == 2

def grown(image, diameter=None, grow=0):
    m = ndi.gaussian_filter(image.astype(float), 1) > 250
    return ndi.label(ndi.binary_dilation(m, iterations=grow) if grow else m)[0]

class Grown:
    def __init__(self, grow): self.grow = grow
    def __call__(self, image, diameter=None): return grown(image, diameter, self.grow)

def closed(grow): return lambda image, diameter=None: grown(image, diameter, grow)

@pytest.mark.parametrize('how', ['partial', 'object', 'closure'])
def test_settings_of_a_segmenter_count(how):
    from functools import partial
    made = dict(partial=lambda g: partial(grown, grow=g), object=Grown, closure=closed)[how]
    ome('a.ome.tif', field()); table(file=['a.ome.tif'], protein=['A'])
    areas = []
    for work, grow in (('w', 0), ('w', 4), ('fresh', 4)):
        read_stacks('.', work, segment=made(grow), workers=1); areas.append(pd.read_csv(f'{work}/nuclei.csv').area_um2.median())
    assert areas[0] < areas[1] == areas[2]

def test_a_table_that_contradicts_the_file_is_a_doubt():
    ome('a.ome.tif', field(), PhysicalSizeX=.15, PhysicalSizeY=.15); table(file=['a.ome.tif'], protein=['A'], pixel_um=.2)
    with pytest.warns(UserWarning, match='0.2 µm given, 0.15 in the file'): read_stacks('.', 'w', segment=discs, workers=1)

def test_two_stains_of_a_field_share_their_mask():
    x, y = field(0), field(1)
    for k, (n, z) in enumerate(dict(c2=x[0], c3=y[0], c1=x[1]).items()): tifffile.imwrite(f'f1_{n}.tif', z, photometric='minisblack', metadata=dict(axes='ZYX'))
    tifffile.imwrite('m.tif', discs(x.max(1)[1]).astype(np.uint16))
    table(file=['f1_c2.tif', 'f1_c3.tif'], protein=['A', 'B'], file_nucleus='f1_c1.tif', mask='m.tif', pixel_um=.2)
    assert read_stacks('.', 'w', workers=1)[1].protein.value_counts().nunique() == 1
    table(file=['f1_c2.tif', 'f1_c3.tif'], protein=['A', 'B'], file_nucleus=['f1_c1.tif', 'f1_c3.tif'], mask='m.tif', pixel_um=.2)
    assert 'belongs to 2 stacks' in refused(read_stacks, '.', 'w2', workers=1)

def test_windows_paths_outside_of_the_folder_are_watched():
    from cytoself_nb.readers import data_state
    Path('img').mkdir(); Path('job').mkdir()
    put = lambda s: [tifffile.imwrite(f'img/{k}.tif', field(k + s)[:, 0, :100, :100], photometric='minisblack') for k in range(2)]
    put(0); table('job/labels.csv', file=[f'..\\img\\{k}.tif' for k in range(2)], protein=list('AB'))
    state = data_state('job'); put(50)
    assert data_state('job') != state


# ---- sets of Micro-Manager, transparency, empty chunks, zips

def micromanager(path, x, pos, n, images):
    "A file of Micro-Manager for one of n positions: x (C, Z, Y, X)"
    import json
    (c_, z_, h, w), size = x.shape, x[0, 0].size*2
    summary = json.dumps(dict(MicroManagerVersion='2.0.0', Frames=1, Channels=c_, Slices=z_, Positions=n, Prefix='x', TimeFirst=False, SlicesFirst=False, PixelSize_um=.2, PixelType='GRAY16')).encode()
    xml = '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">' + ''.join(images) + '</OME>'
    body, index, prev = bytearray(40 + len(summary)), [], 4
    body += bytes(len(body) % 2)
    for z, c in itertools.product(range(z_), range(c_)):
        off, first = len(body), not index
        data = off + 6 + 12*(13 + first); at = data + size
        text = (xml + '\0').encode()*first; more = at + len(text)
        entries = [(256, 4, 1, w), (257, 4, 1, h), (258, 3, 1, 16), (259, 3, 1, 1), (262, 3, 1, 1), *[(270, 2, len(text), at)]*first, (273, 4, 1, data), (277, 3, 1, 1),
                   (278, 4, 1, h), (279, 4, 1, size), (282, 5, 1, more), (283, 5, 1, more + 8), (296, 3, 1, 3), (51123, 2, 7, more + 16)]
        struct.pack_into('<I', body, prev, off); prev = off + 2 + 12*len(entries)
        body += struct.pack('<H', len(entries)) + b''.join(struct.pack('<HHII', *e) for e in entries) + bytes(4) + x[c, z].astype('<u2').tobytes() + text + struct.pack('<IIII', 50000, 1, 50000, 1) + b'{}\0    '
        body += bytes(len(body) % 2); index.append((c, z, 0, pos, off))
    at = [len(body)]; body += struct.pack('<II', 3453623, len(index)) + b''.join(struct.pack('<5I', *i) for i in index)
    for number, text in ((347834724, b'[]'), (84720485, b'{}')): at.append(len(body)); body += struct.pack('<II', number, 2) + text
    struct.pack_into('<2sH', body, 0, b'II', 42); struct.pack_into('<8I', body, 8, 54773648, at[0], 483765892, at[1], 99384722, at[2], 2355492, len(summary)); body[40:40 + len(summary)] = summary
    Path(path).write_bytes(body)

@pytest.mark.parametrize('lists', ['all', 'own', 'none'])
def test_positions_of_micromanager(lists):
    x, files = [cells(k) for k in (0, 1)], [f'x_MMStack_Pos{k}.ome.tif' for k in (0, 1)]
    def image(k): return f'<Image ID="Image:{k}" Name="x_MMStack_Pos{k}"><Pixels ID="Pixels:{k}" DimensionOrder="XYCZT" Type="uint16" SizeX="56" SizeY="40" SizeZ="3" SizeC="2" SizeT="1" PhysicalSizeX="0.2" PhysicalSizeY="0.2">' + ''.join(f'<Channel ID="Channel:{k}:{q}" Name="{c}" SamplesPerPixel="1"/>' for q, c in enumerate(('protein', 'nucleus'))) + ''.join(f'<TiffData FirstC="{c}" FirstZ="{z}" FirstT="0" IFD="{2*z + c}" PlaneCount="1"><UUID FileName="{files[k]}">urn:uuid:{k}</UUID></TiffData>' for z in range(3) for c in (0, 1)) + '</Pixels></Image>'
    for k in (0, 1): micromanager(files[k], x[k], k, 2, dict(all=[image(0), image(1)], own=[image(k)], none=[])[lists])
    for k, name in enumerate(files):
        told = dict(channels=(0, 1)) if lists == 'none' else {}
        for p in (None, ): np.testing.assert_array_equal(max_projection(name, position=p, **told), x[k].max(1))
        for p in (0, 1):
            for q in (p, f'x_MMStack_Pos{p}'): np.testing.assert_array_equal(max_projection(name, position=q, **told), x[p].max(1))
        assert stack_info(name).pixel_um == .2
    os.remove(files[0])
    np.testing.assert_array_equal(max_projection(files[1], **told), x[1].max(1))

def test_transparency_is_no_stain():
    from PIL import Image
    y, x = np.mgrid[:40, :40]; rng = np.random.default_rng(0)
    clear = ((np.hypot(y - 20, x - 20) < 15)*255).astype(np.uint8)
    gray, stain = rng.integers(1, 200, (2, 40, 40)).astype(np.uint8)
    Image.fromarray(np.stack([gray, clear], -1)).save('a.png'); Image.fromarray(np.stack([gray]*3 + [clear], -1)).save('b.png')
    for f in ('a.png', 'b.png'): assert 'transparent in part' in refused(read_image, f)
    Image.fromarray(np.stack([gray, stain], -1)).save('c.png'); np.testing.assert_array_equal(read_image('c.png')[..., 1], stain)
    from cytoself_nb.images import _image_and_names
    assert _image_and_names('a.png', 2)[0].shape == (40, 40, 2) and _image_and_names('a.png', 1)[0].shape == (40, 40)
    tifffile.imwrite('bit.tif', gray > 100, photometric='miniswhite')
    assert '0 is white' in refused(read_image, 'bit.tif')

def test_gray_crops_saved_as_colors_and_a_channel_of_labels():
    from PIL import Image
    for k in range(4): Image.fromarray((field(k)[0, 0, 150:250, 150:250]//2).astype(np.uint8)).convert('RGB').save(f'{k}.png')
    table('labels.csv', file=[f'{k}.png' for k in range(4)], protein=list('AABB'), field=[1, 2]*2)
    source, _, named = read_folder('.', 32)
    assert named == ['protein'] and source.read(np.arange(4)).shape == (4, 1, 32, 32)
    y, x = np.mgrid[:100, :100]
    numbers = np.select([np.hypot(y - 50, x - 50) < 25, np.hypot(y - 95, x - 50) < 12, np.hypot(y - 5, x - 5) < 12], [1031, 12, 13])
    for k in range(4): np.save(f'{k}.npy', np.concatenate([nfield(k)[:, 0, 150:250, 150:250], numbers[None]]))
    table('labels.csv', file=[f'{k}.npy' for k in range(4)], protein=list('AABB'), field=[1, 2]*2); Path('channels.txt').write_text('protein\nnucleus\nlabels\n')
    assert len(read_folder('.', 32)[1]) == 4

def test_chunks_that_are_lost_beside_other_zeros_and_capital_axes():
    x = cells() + np.uint16(20); x[..., ::7, ::5] = 0            # background subtracted: zeros everywhere
    write_zarr('a.zarr', x, chunks=(1, 1, 20, 28)); same('a.zarr', x)
    next(f for f in sorted(Path('a.zarr/0').rglob('*')) if f.is_file() and f.name != 'zarr.json').unlink()
    assert 'lost, or never written' in refused(max_projection, 'a.zarr')
    write_zarr('b.zarr', x); g = zarr.open_group('b.zarr', mode='r+'); ome_ = dict(g.attrs['ome'])
    for a in ome_['multiscales'][0]['axes']: a['name'] = a['name'].upper()
    g.attrs['ome'] = ome_
    assert stack_info('b.zarr').pixel_um == pytest.approx(.2)

def test_a_zip_that_holds_the_folder_itself():
    x = cells(); write_zarr('in.zarr', x)
    with zipfile.ZipFile('in.zarr.zip', 'w') as z:
        for f in Path('in.zarr').rglob('*'):
            if f.is_file(): z.write(f, f.as_posix())
    same('in.zarr.zip', x)


# ---- planes that were never written, places on the stage

def test_planes_that_were_never_written_are_no_plane():
    for z, c, channel in (([2], 1, 'nucleus'), ([1, 2], 0, 'protein'), ([0], 0, 'protein')):
        for value in (0, 65535):
            x = nfield(1); x[c, z] = value
            ome('a.ome.tif', x); says = refused(read_projection, 'a.ome.tif')
            assert f"nothing in plane {', '.join(map(str, z))} of the {channel} channel (numbered from 0 to 2; all pixels {value})" in says
    x = nfield(1); x[0] = 0; ome('a.ome.tif', x)
    assert 'constant in the protein channel (all pixels 0)' in refused(read_projection, 'a.ome.tif')
    x = nfield(1); x[1, 1] = 7
    for c in (0, 1): tifffile.imwrite(f'{c}.tif', x[c], photometric='minisblack', metadata=dict(axes='ZYX'))
    assert '1.tif has nothing in plane 1 of the nucleus' in refused(read_projection, '0.tif', nucleus='1.tif')

def test_black_planes_of_a_black_background_are_a_doubt(recwarn):
    dark = np.where(nfield(2) > 200, nfield(2), 0); dark[0] = np.where(np.random.default_rng(0).random(dark[0].shape) < .4, dark[0] + 150, 0); dark[0, 2] = 0
    for k in range(2): ome(f'{k}.ome.tif', nfield(k))
    ome('dark.ome.tif', dark); table(file=['0.ome.tif', '1.ome.tif', 'dark.ome.tif'], protein=list('ABC'))
    read_stacks('.', 'work', segment=discs, workers=1)
    assert pd.read_csv('work/fields.csv').doubt.iloc[2] == 'planes of one value (1 of 3 of the protein channel hold 0)'
    assert sum('1 of 3 stacks have planes of one value' in str(w.message) and 'leave the stack out' in str(w.message) for w in recwarn) == 1

def placed(f, seed, y, x, unit='µm', **more):
    at = dict(PositionX=[x]*6, PositionY=[y]*6) | (dict(PositionXUnit=[unit]*6, PositionYUnit=[unit]*6) if unit else {})
    return ome(f, nfield(seed), Plane=at, **more)

@pytest.mark.parametrize('unit, um', [('µm', 1), ('mm', 1e-3), (None, 1), ('nm', 1e3)])
def test_fields_that_overlap_on_the_stage_are_said(unit, um, recwarn):
    "Fields of 80 µm: the second lies 64 µm beside the first, the third abuts, the fourth is at one place with the first"
    for k, (y, x) in enumerate([(1000, 500), (1000, 564), (1080, 500), (1000, 500)]): placed(f'{k}.ome.tif', k, y*um, x*um, unit)
    assert stack_info('1.ome.tif').place == pytest.approx((1000, 564))
    def said(**columns):
        table(file=[f'{k}.ome.tif' for k in range(4)], **columns); recwarn.clear(); read_stacks('.', 'work', segment=discs, workers=1)
        return [str(w.message) for w in recwarn if 'on the stage' in str(w.message)]
    said_once, = said(protein='A')
    assert 'overlap' in said_once and 'first 0.ome.tif and 1.ome.tif; if they are of one well or slide, give both one name in a column field' in said_once
    if unit == 'µm': assert said(protein=list('ABAA'), field=list('1234')) == [] == said(protein='A', field=['x', 'x', 'y', 'x'])

def test_places_of_other_programs(tmp_path):
    import zarr
    def metaxpress(**told):
        props = dict({'spatial-calibration-state':'on', 'spatial-calibration-x':'0.13', 'spatial-calibration-y':'0.13', 'spatial-calibration-units':'um', 'stage-position-x':'1500.5', 'stage-position-y':'-20'}, **told)
        text = '<MetaData>\n<Build>15, 5</Build>\n<PlaneInfo>\n' + '\n'.join(f'<prop id="{k}" type="float" value="{v}"/>' for k, v in props.items()) + '\n</PlaneInfo>\n</MetaData>'
        tifffile.imwrite('m.tif', cells()[0, 0], photometric='minisblack', description=text, metadata=None, software='MetaSeries', resolution=(72, 72), resolutionunit=2)
        return stack_info('m.tif')
    info = metaxpress()
    assert (info.pixel_um, info.source, info.doubt, info.place) == (.13, 'MetaXpress', '', (-20, 1500.5))
    tifffile.imwrite('dpi.tif', cells()[0, 0], photometric='minisblack', resolution=(25400, 25400), resolutionunit=2)
    assert 'exactly 1 µm' in stack_info('dpi.tif').doubt
    off = metaxpress(**{'spatial-calibration-state':'off', 'spatial-calibration-x':'1', 'spatial-calibration-units':'pixel'})
    assert (off.pixel_um, off.source) == (None, '')
    assert 'expected square' in metaxpress(**{'spatial-calibration-y':'0.2'}).doubt and '0.02 to 2' in metaxpress(**{'spatial-calibration-x':'6.45', 'spatial-calibration-y':'6.45'}).doubt
    assert metaxpress(**{'spatial-calibration-x':'', 'stage-position-x':'?'}).place == ()
    g = zarr.open_group(tmp_path/'a.zarr', mode='w', attributes=dict(ome=dict(version='0.5', multiscales=[dict(axes=[dict(name=a, type='space', unit='micrometer') for a in 'yx'], datasets=[dict(path='0', coordinateTransformations=[dict(type='scale', scale=[.2, .2]), dict(type='translation', translation=[100, 50])])])])))
    g.create_array('0', data=cells()[0, 0])
    assert stack_info(tmp_path/'a.zarr').place == (100, 50)


# ---- levels, sizes and files that contradict each other

def test_the_largest_level_of_ome_zarr_is_the_one_with_most_pixels():
    x = cells(); write_zarr('a.zarr', x)
    group = zarr.open_group('a.zarr', mode='r+'); ome_ = dict(group.attrs['ome']); one = ome_['multiscales'][0]
    group.create_array('1', data=x[..., ::2, ::2].copy())
    def put(*datasets): group.attrs['ome'] = ome_ | dict(multiscales=[one | dict(datasets=list(datasets))])
    def level(path, um=None): return dict(path=path) | ({} if um is None else dict(coordinateTransformations=[dict(type='scale', scale=[1, 1, um, um])]))
    put(level('1', .2), level('0', .2)); assert same('a.zarr', x).doubt == ''
    put(level('1'), level('0')); same('a.zarr', x)
    put(level('1', .1), level('0', .2))       # exchanged
    assert 'level 1 has fewer pixels than 0, and smaller ones by its scale' in same('a.zarr', x).doubt
    put(level('0', .2), level('lost', .4)); assert same('a.zarr', x).pixel_um == .2
    put(level('lost', .1), level('0', .2)); assert 'a.zarr has metadata' in refused(stack_info, 'a.zarr')

def test_a_zip_made_by_macos():
    x = cells(); write_zarr('in.zarr', x)
    with zipfile.ZipFile('in.zarr.zip', 'w') as z:
        for f in sorted(Path('in.zarr').rglob('*')):
            if f.is_file(): z.write(f, f.as_posix()); z.writestr(f'__MACOSX/{f}', 'x')
        z.writestr('.DS_Store', 'x')
    same('in.zarr.zip', x)

@pytest.mark.parametrize('um, dots, says', [(.2, 1e4/.2, ''), (.2, 1e4/.1, '0.2 µm (OME) and 0.1 µm (TIFF tags)'), (.2, 28.3, ''), (1., 1e4/.2, 'exactly 1 µm')])
def test_two_pixel_sizes_in_one_file(um, dots, says):
    "Dots of a printer say nothing"
    tifffile.imwrite('a.ome.tif', field(n=100), ome=True, photometric='minisblack', resolution=(dots, dots), resolutionunit=3, metadata=dict(axes='CZYX', PhysicalSizeX=um, PhysicalSizeY=um, Channel=dict(Name=['protein', 'nucleus'])))
    assert says in stack_info('a.ome.tif').doubt and bool(says) == bool(stack_info('a.ome.tif').doubt)
    if 'TIFF tags' in says: assert 'give the true one by pixel_um' in refused(prepare_stack, 'a.ome.tif')

def test_files_of_a_set_that_have_exchanged_their_names():
    "A set knows its files by UUID too"
    x = field(n=60); linked_set(x, x[1])
    for a, b in (('a.ome.tif', 'c'), ('b.ome.tif', 'a.ome.tif'), ('c', 'b.ome.tif')): os.rename(a, b)
    for f in ('a.ome.tif', 'b.ome.tif'): assert f'in which {f} is another file than it lists' in refused(max_projection, f)    # its own planes are found by its UUID

def test_two_files_of_one_field():
    x = field(n=120)
    def one(f, y, tag=1, at=None, names=None):
        plane = {} if at is None else dict(Plane=dict(PositionX=[at]*3, PositionY=[0]*3, PositionXUnit=['µm']*3, PositionYUnit=['µm']*3))
        tifffile.imwrite(f, y, ome=True, photometric='minisblack', metadata=dict(axes='ZYX', PhysicalSizeX=.2, **plane), extratags=[(274, 3, 1, tag, True)])
    one('p.ome.tif', x[0], at=0); one('n.ome.tif', x[1], at=1)
    np.testing.assert_array_equal(max_projection('p.ome.tif', nucleus='n.ome.tif'), x.max(1))
    one('n.ome.tif', x[1], 3); assert 'differ in how their rows lie (Orientation 1, 3)' in refused(max_projection, 'p.ome.tif', nucleus='n.ome.tif')
    one('n.ome.tif', x[1], at=500); assert 'differ in place on the stage (x 0, 500, y 0, 0 µm)' in refused(max_projection, 'p.ome.tif', nucleus='n.ome.tif')

def test_positions_of_two_files_in_another_order():
    def write(f, c, order):
        with tifffile.TiffWriter(f, ome=True) as t:
            for k in order: t.write(field(k, n=60)[c], photometric='minisblack', metadata=dict(axes='ZYX', Name=f'P{k}'))
    write('p.ome.tif', 0, (0, 1)); write('n.ome.tif', 1, (1, 0))
    np.testing.assert_array_equal(max_projection('p.ome.tif', nucleus='n.ome.tif', position='P1'), field(1, n=60).max(1))
    assert 'the position 1 is P1 in p.ome.tif and P0 in n.ome.tif, which has P1 too' in refused(max_projection, 'p.ome.tif', nucleus='n.ome.tif', position=1)

def test_strips_and_tiles_that_were_never_written():
    "Zeros stand for them; where the rest is no background, they are no pixels"
    def lose(f, page, **kw):
        tifffile.imwrite(f, x, photometric='minisblack', metadata=dict(axes='CZYX'), **kw)
        with tifffile.TiffFile(f) as t: tag = t.pages[page].tags['TileOffsets' if 'tile' in kw else 'StripOffsets']
        raw, size = bytearray(Path(f).read_bytes()), struct.calcsize({3:'H', 4:'I', 16:'Q'}[int(tag.dtype)])
        raw[tag.valueoffset:tag.valueoffset + size] = bytes(size); Path(f).write_bytes(raw)
    x = cells() + np.uint16(100)
    for kw in (dict(tile=(16, 16)), dict(rowsperstrip=8, compression='zlib')):
        lose('a.tif', 2, **kw)
        assert 'strips or tiles of a plane were never written' in refused(max_projection, 'a.tif', channels=(0, 1))
    x[0, 2] = 0; x[0, 2, 30:, 40:] = 7                    # nothing there: as programs leave it out
    lose('b.tif', 2, tile=(16, 16)); same('b.tif', x)

@pytest.mark.parametrize('kind', [32803, 32844, 34892])
def test_a_mosaic_of_colors_is_no_gray(kind):
    tifffile.imwrite('a.tif', cells()[0, 0], photometric='minisblack')
    with tifffile.TiffFile('a.tif') as t: at = t.pages[0].tags['PhotometricInterpretation'].valueoffset
    raw = bytearray(Path('a.tif').read_bytes()); raw[at:at + 2] = kind.to_bytes(2, 'little'); Path('a.tif').write_bytes(raw)
    for do in (read_image, stack_info): assert "whose numbers aren't brightness" in refused(do, 'a.tif')

@pytest.mark.parametrize('kind', ['unassalpha', 'assocalpha'])
def test_transparency_of_a_tiff_is_no_stain_either(kind):
    from cytoself_nb.images import _image_and_names
    y, x = np.mgrid[:40, :40]
    clear = ((np.hypot(y - 20, x - 20) < 15)*65535).astype(np.uint16)
    gray, stain = cells(planes=1, sides=(40, 40))[:, 0]
    def write(f, *channels, **kw): tifffile.imwrite(f, np.stack(channels, -1), photometric='rgb' if channels[2:] else 'minisblack', planarconfig='contig', metadata=None, extrasamples=[kind], **kw)
    write('a.tif', gray, clear); write('b.tif', gray, gray, gray, clear); write('c.tif', gray, stain); write('d.tif', gray, stain, gray, clear*0 + 65535)
    for f in ('a.tif', 'b.tif'): assert 'transparent in part' in refused(read_image, f)
    np.testing.assert_array_equal(read_image('c.tif')[..., 1], stain); assert read_image('d.tif').shape == (40, 40, 3)
    assert _image_and_names('a.tif', 2)[0].shape == (40, 40, 2) and _image_and_names('d.tif', 4)[0].shape == (40, 40, 4)


@pytest.mark.parametrize('pages', [1, 3])
@pytest.mark.parametrize('more', [{}, dict(tile=(16, 16)), dict(compressionargs=dict(compression='zstd')), dict(compressionargs=dict(compression='deflate')), dict(predictor=True)], ids=str)
def test_missing_values_in_lerc_are_no_zeros(more, pages, tmp_path):
    "tifffile 2026.3.3 with imagecodecs 2026.3.6 reads 0 for every NaN of LERC, and for what a predictor makes of pixels"
    x = np.random.default_rng(0).normal(10, 1, (pages, 64, 64)).astype(np.float32)
    write = lambda: tifffile.imwrite(tmp_path/'a.tif', x, compression='lerc', photometric='minisblack', metadata=dict(axes='CYX'), **more)
    write()
    if 'predictor' not in more: assert np.array_equal(read_image(tmp_path/'a.tif').squeeze(), x.squeeze())
    x[-1, :20] = np.nan
    write()
    def opened(path):
        with open_image(path): pass
    for read in (read_image, opened):
        with pytest.raises(ValueError, match='missing values in LERC, which tifffile reads as zeros; expected another compression'): read(tmp_path/'a.tif')
