#!/usr/bin/env bash
# virtual-tiff reads noise from big-endian TIFF files with horizontal differences, although it names both byte orders
#
# virtual-tiff 0.5.0 (virtualizarr 2.5.1, async-tiff 0.7.2), zarr 3.1.6, tifffile 2026.3.3, Pillow 11.3.0, NumPy 2.4.6.
#
# A nucleus on a dark background, 16 bits, in tiles, written by tifffile in both byte orders, with LZW, Deflate and without
# compression, with and without horizontal differences (predictor 2, common with LZW and 16 bits; both together are what
# Photoshop on a Mac writes). virtual-tiff shows such a file as a Zarr array whose chunks lie in the file: no copy. Its table
# of features names both byte orders and LZW.
# Guess before the first run: the pixels of tifffile and Pillow, or a refusal in words.
#
# Seen: eight of ten files are read exactly. Big-endian files with differences are not: some 1% of pixels are right,
# the brightest is 65,534 instead of 3,237, and the correlation with the image is -0.05. Each row starts right. Type, shape
# and metadata are right, and nothing warns, when the store is made or when it is read. 8 bits and floats (predictor 3) are
# right. The public issue virtual-tiff 19, open since 2025, says that two test images with predictor 2 can't be read
# rightly, and doesn't name the byte order.
#
# Who is hurt: whoever publishes or trains on an archive of microscope TIFF files through virtual Zarr: the noise is found
# by looking at pixels alone. Compare one plane of each source with tifffile; rewrite such files in the other byte order.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -q --disable-pip-version-check virtual-tiff==0.5.0 virtualizarr==2.5.1 async-tiff==0.7.2 obstore==0.12.1 \
    obspec-utils==0.9.0 zarr==3.1.6 tifffile==2026.3.3 imagecodecs==2026.3.6 imagecodecs-numcodecs==2026.3.6 pillow==11.3.0 \
    xarray==2026.9.0 numpy==2.4.6
venv/bin/python -W ignore - <<'END'
from pathlib import Path

import numpy as np
import tifffile
import zarr
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore
from PIL import Image
from virtual_tiff import VirtualTIFF

y, x = np.mgrid[:256, :256]
light = 100 + 3000*np.exp(-((y - 128)**2 + (x - 100)**2)/2000)
counts = np.random.default_rng(0).poisson(light)


def virtual(path):
    "The file as a Zarr array, read by zarr"
    registry = ObjectStoreRegistry({'file://': LocalStore()})
    store = VirtualTIFF(ifd=0)(url=f'file://{Path(path).resolve()}', registry=registry)
    return next(iter(zarr.open_group(store, mode='r', zarr_format=3).arrays()))[1][:]


wrong = []
for order in '<>':
    for compression, predictor in ((None, None), ('lzw', None), ('lzw', 2), ('zlib', None), ('zlib', 2)):
        image = counts.astype(np.uint16)
        tifffile.imwrite('a.tif', image, byteorder=order, compression=compression, predictor=predictor, tile=(128, 128))
        assert (tifffile.imread('a.tif') == image).all() and (np.asarray(Image.open('a.tif')) == image).all(), 'the file is bad'
        seen = virtual('a.tif')
        right, alike = (seen == image).mean(), np.corrcoef(seen.ravel(), image.ravel())[0, 1]
        name = 'big-endian' if order == '>' else 'little-endian'
        print(f'{name}, {compression}, predictor {predictor}: {right:.0%} of pixels right, brightest {seen.max():,} of '
              f'{image.max():,}, correlation {alike:.2f}')
        assert seen.dtype == image.dtype and seen.shape == image.shape
        if right < 1:
            wrong.append((order, compression, predictor))
            assert right < .05 and abs(alike) < .2 and (seen[:, 0] == image[:, 0]).all()
assert wrong == [('>', 'lzw', 2), ('>', 'zlib', 2)], wrong
for kind, predictor in ((np.uint8, 2), (np.float32, 3)):
    image = np.minimum(counts, 255).astype(kind)
    tifffile.imwrite('a.tif', image, byteorder='>', compression='lzw', predictor=predictor, tile=(128, 128))
    assert (virtual('a.tif') == image).all()
print('big-endian with 8 bits and floats: right')
END
