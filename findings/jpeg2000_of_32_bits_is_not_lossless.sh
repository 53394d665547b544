#!/usr/bin/env bash
# Lossless JPEG 2000 changes images of 32 bits
#
# tifffile 2026.3.3, imagecodecs 2026.3.6 (OpenJPEG 2.5.4), NumPy 2.4.6.
#
# Label images have 32 bits when there are many cells, and JPEG 2000 without loss (level 0, the default) is one of the
# usual compressions of microscope files.
# Guess before the first run: images of 32 bits are written exactly, or refused with an error.
#
# Seen: exact up to 25 bits, wrong in nearly every pixel from 26 bits on: a label of 2^26 comes back as another number,
# and background as a label. In images of a few pixels a side even small values are off by one. No error, no warning,
# on writing or on reading; 8 and 16 bits are exact.
#
# Who is hurt: label images with large numbers (numbers that encode well, field and cell), counts of 32 bits, small tiles.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -q --disable-pip-version-check tifffile==2026.3.3 imagecodecs==2026.3.6 numpy==2.4.6
venv/bin/python - <<'END'
import numpy as np
import tifffile

def kept(x):
    "Share of pixels that come back as they were"
    tifffile.imwrite('a.tif', x, compression='jpeg2000', compressionargs=dict(level=0), photometric='minisblack')
    return float((tifffile.imread('a.tif') == x).mean())

shares = {}
for bits in (8, 16, 24, 25, 26, 28, 32):
    x = np.zeros((64, 64), np.uint32 if bits > 16 else f'uint{bits}')
    x[::2] = 2**bits - 1
    shares[bits] = kept(x)
    print(f'{bits} bits in {str(x.dtype):7}: {shares[bits]:.0%} of the pixels come back as they were')
small = np.random.default_rng(0).integers(0, 250, (200, 5, 5)).astype(np.uint32)
exact = sum(kept(x) == 1 for x in small)
print(f'images of 5 x 5 pixels with values below 250 in uint32: {exact} of {len(small)} are exact')
assert all(shares[b] == 1 for b in (8, 16, 24, 25)) and all(shares[b] < .1 for b in (26, 28, 32))
assert exact < len(small)
print('as described')
END
