#!/usr/bin/env bash
# tifffile writes missing values with lossless LERC compression and reads zeros; GDAL reads the same file right
#
# tifffile 2026.3.3, imagecodecs 2026.3.6, rasterio 1.4.4 (its own GDAL), NumPy 2.4.6.
#
# A ratio of two channels as float32 and float64, missing (NaN) outside the cells, written by tifffile with each compression
# that takes floats and is lossless, then read by tifffile; the LERC file is read by rasterio as well, which also writes one.
# Guess before the first run: all give the image back, NaN included.
#
# Seen: all but LERC do. From LERC tifffile reads 0 for every NaN; the mean of the ratio falls from 1.20 to .71. Nothing warns.
# The NaN are in the file: LERC keeps them apart as a mask, which imagecodecs gives only if asked (masks=True), and tifffile
# doesn't ask. rasterio reads NaN from the same file, and tifffile reads zeros from a file that rasterio wrote. With
# predictor=True, which tifffile takes for LERC too, an image of noise without one NaN loses pixels: their bytes are laid out
# anew for the predictor, some then look like NaN, and zeros come back in their place.
#
# Who is hurt: whoever keeps ratios or masked images so (LERC is offered for floats), or reads files of others: the gaps count
# as measured zeros. Zstandard, LZW, Deflate and lossless JPEG XL kept all.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -q --disable-pip-version-check tifffile==2026.3.3 imagecodecs==2026.3.6 rasterio==1.4.4 numpy==2.4.6
venv/bin/python -W ignore - <<'END'
import numpy as np
import rasterio
import tifffile

rng = np.random.default_rng(0)
y, x = np.mgrid[:128, :128]
cell = (y % 32 - 16)**2 + (x % 32 - 16)**2 < 14**2
same = lambda a, b: np.array_equal(a, b, equal_nan=True)


def there_and_back(a, compression, **more):
    tifffile.imwrite('a.tif', a, compression=compression, **more)
    return tifffile.imread('a.tif')


def by_rasterio(name):
    with rasterio.open(name) as f: return f.read(1)


for kind in (np.float32, np.float64):
    ratio = rng.normal(1.2, .1, cell.shape).astype(kind)
    full = ratio.copy()
    ratio[~cell] = np.nan
    others = ['zstd', 'lzw', 'deflate', 'lzma', 'packbits']
    for c in others: assert same(there_and_back(ratio, c), ratio) and same(there_and_back(ratio, c, predictor=True), ratio), c
    if kind is np.float32: assert same(there_and_back(ratio, 'jpegxl', compressionargs={'lossless': True}), ratio)
    assert same(there_and_back(full, 'lerc'), full), 'LERC without missing values'
    back = there_and_back(ratio, 'lerc')
    witness = by_rasterio('a.tif')
    print(f'{kind.__name__}: missing {np.isnan(ratio).sum()}; tifffile reads {np.isnan(back).sum()}, '
          f'{(back == 0).sum()} zeros, mean {np.nanmean(ratio):.2f} then {np.nanmean(back):.2f}; rasterio reads '
          f'{np.isnan(witness).sum()}, same image: {same(witness, ratio)}')
    with rasterio.open('b.tif', 'w', driver='GTiff', height=128, width=128, count=1, dtype=kind.__name__, compress='LERC') as f:
        f.write(ratio, 1)
    foreign = tifffile.imread('b.tif')
    print(f'  written by rasterio: rasterio reads {np.isnan(by_rasterio("b.tif")).sum()}, tifffile {np.isnan(foreign).sum()}')
    noise = rng.normal(10, 1, (64, 64)).astype(kind)
    moved = int((there_and_back(noise, 'lerc', predictor=True) != noise).sum())
    print(f'  noise without missing values, predictor: {moved} of {noise.size} pixels differ')
    assert same(witness, ratio) and same(by_rasterio('b.tif'), ratio)
    assert same(back[cell], ratio[cell]) and moved > 100
    assert not np.isnan(back).any() and (back[~cell] == 0).all() and not np.isnan(foreign).any(), 'missing values stay now'
END
