#!/usr/bin/env bash
# A stack as Fiji writes it, mapped into memory and handed to acquire-zarr, is stored with the bytes of every pixel exchanged
#
# acquire-zarr 0.10.0, tifffile 2026.3.3, zarr 3.1.6, NumPy 2.4.6, on a little-endian machine.
#
# Fiji writes TIFF big-endian. tifffile.memmap shows such a stack as an array whose type says so (>u2), as it must: the
# bytes stay in the file. Five planes of 16 bits are handed to a stream of acquire-zarr whose array is uint16, and to
# zarr; then all is read again by zarr.
# Guess before the first run: the array's type is looked at, and the pixels are turned round or refused with a sentence.
#
# Seen: acquire-zarr stores the bytes as they lie and calls them little-endian: 2037 is read as 62727. No error, no
# warning. zarr stores the same array with its own order and reads it right. tifffile.imread turns such stacks round
# while it reads, so that one program is right for a file that is read and wrong for one that is mapped.
#
# Who is hurt: whoever converts large Fiji stacks to OME-Zarr without reading them whole. Dim images become noise over
# the whole range. Hand over image.astype(image.dtype.newbyteorder('=')).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -q --disable-pip-version-check acquire-zarr==0.10.0 tifffile==2026.3.3 zarr==3.1.6 numpy==2.4.6
venv/bin/python -W ignore - 2> log.txt <<'END'
import acquire_zarr as aqz
import numpy as np
import tifffile
import zarr

stack = np.random.default_rng(0).integers(0, 4000, (5, 64, 64), dtype=np.uint16)
tifffile.imwrite('fiji.tif', stack, imagej=True, byteorder='>', metadata=dict(axes='ZYX'))
mapped, read = tifffile.memmap('fiji.tif', mode='r'), tifffile.imread('fiji.tif')
assert (mapped == stack).all() and (read == stack).all()


def by_acquire_zarr(images, name):
    "The stack as it is read after acquire-zarr has stored it"
    axes = [aqz.Dimension(name=a, kind=aqz.DimensionType.SPACE, array_size_px=n, chunk_size_px=c, shard_size_chunks=1)
            for a, n, c in zip('zyx', images.shape, (1, 64, 64))]
    array = aqz.ArraySettings(output_key='0', data_type=np.uint16, dimensions=axes)
    stream = aqz.ZarrStream(aqz.StreamSettings(store_path=name, arrays=[array], overwrite=True))
    stream.append(images)
    stream.close()
    return zarr.open(name, mode='r')['0'][:]


def by_zarr(images, name):
    "The same by zarr"
    zarr.create_array(name, data=np.asarray(images))
    return zarr.open(name, mode='r')[:]


found = {f'acquire-zarr, {what}': by_acquire_zarr(x, f'{what}.zarr') for what, x in (('mapped', mapped), ('read', read))}
found['zarr, mapped'] = by_zarr(mapped, 'other.zarr')
for name, x in found.items():
    what = 'right' if (x == stack).all() else 'bytes exchanged' if (x.byteswap() == stack).all() else 'other'
    print(f'{name}: {what}; first pixel {stack[0, 0, 0]} is {x[0, 0, 0]}')
a = found['acquire-zarr, mapped']
assert mapped.dtype.byteorder == '>' and (a.byteswap() == stack).all(), 'acquire-zarr no longer exchanges bytes'
assert (found['acquire-zarr, read'] == stack).all() and (found['zarr, mapped'] == stack).all()
END
