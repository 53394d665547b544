"Images: whatever is read is what was written, else a sentence says why not"
import itertools
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from cytoself_nb.images import image_kind, judge_pixel, known_pixel, open_image, read_image, stack_info

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
PACKED = dict(none={}, deflate=dict(compression='zlib'), deflate_predictor=dict(compression='zlib', predictor=True), lzw=dict(compression='lzw'), lzw_predictor=dict(compression='lzw', predictor=True), zstd=dict(compression='zstd'), packbits=dict(compression='packbits'), lzma=dict(compression='lzma'), lerc=dict(compression='lerc'), png=dict(compression='png'), jpeg2000=dict(compression=('jpeg2000', {'level':0})), jpegxl=dict(compression=('jpegxl', {'lossless':True})), jpegxr=dict(compression=('jpegxr', {'level':100})), tiles=dict(tile=(16, 16), compression='lzw'), big_endian=dict(byteorder='>'), bigtiff=dict(bigtiff=True))
ORDERS = dict(ome=['CZYX', 'ZCYX'], imagej=['ZCYX'], shaped=['CZYX', 'ZCYX', 'CYXZ', 'YXZC', 'ZYXC'], pages=['CZYX', 'ZCYX'])


def tiff_cases():
    for container, dtype, packed in itertools.product(ORDERS, DTYPES, PACKED):
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
