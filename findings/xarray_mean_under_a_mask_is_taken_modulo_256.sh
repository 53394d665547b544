#!/usr/bin/env bash
# xarray's weighted mean of a cell under its mask: 100 counts become 430, -4156 or 0.1, as sums wrap in the type of the mask
#
# xarray 2026.9.0, NumPy 2.4.6, pandas 2.3.3.
#
# A cell of 1,000 pixels of about 100 counts in a dark field; its mask of zeros and ones weights the field, as
# image.weighted(mask).mean(). Image and mask in the types that images have. np.average gets the same numbers.
# Guess before the first run: about 100 for each pair of types. A mean is taken in floats, as by xarray's plain mean, and a
# mask of True and False, which once was counted wrongly, was mended long ago (issue 4074).
#
# Seen: an image of float64 with a mask of uint8 has a mean of 430, with one of int8 of -4156: the sum of the weights is
# 1,000 modulo 256. With a mask of True and False the sum of the weights is right, but that of an image of uint8 is taken
# modulo 256 (mean 0.1) and that of uint16 modulo 65,536 (mean 34). Masks of 16 bits count the cell rightly and leave an image
# of 16 bits wrong. Cells of 100 pixels are right for floats. np.average and image.where(mask).mean() are right. No warning.
#
# Who is hurt: whoever measures images under masks with xarray (what xarray reads from files often has 8 or 16 bits): small
# cells are right, larger ones are anything, still of a plausible size. Hand over image.astype(float) and mask.astype(float).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -q --disable-pip-version-check xarray==2026.9.0 numpy==2.4.6 pandas==2.3.3
venv/bin/python -W error - <<'END'
import numpy as np
import xarray as xr

rng = np.random.default_rng(0)
means = {}
for pixels in (100, 1000):
    counts, cell = np.zeros((64, 64)), np.zeros((64, 64), bool)
    cell.ravel()[500:500 + pixels] = True
    counts[cell] = rng.normal(100, 5, pixels).round()
    for kind in (np.float64, np.uint8, np.uint16):
        image = xr.DataArray(counts.astype(kind), dims=('y', 'x'))
        for mask_kind in (bool, np.uint8, np.int8, np.uint16, np.float64):
            mask = xr.DataArray(cell.astype(mask_kind), dims=('y', 'x'))
            w = image.weighted(mask)
            true = np.average(image.values, weights=mask.values.astype(float))
            assert abs(true - counts[cell].mean()) < 1e-9 and abs(float(image.where(cell).mean()) - true) < 1e-3
            means[pixels, kind, mask_kind] = mean = float(w.mean())
            print(f'{pixels} pixels, image {kind.__name__}, mask {mask_kind.__name__}: mean {mean:.1f} (true {true:.1f}), '
                  f'sum of weights {float(w.sum_of_weights()):.0f}')


def right(pixels, kind, mask_kind): return abs(means[pixels, kind, mask_kind] - 100) < 2


assert all(right(p, k, np.float64) for p in (100, 1000) for k in (np.float64, np.uint8, np.uint16))
assert right(1000, np.float64, bool) and right(1000, np.float64, np.uint16)
assert all(right(100, np.float64, m) for m in (bool, np.uint8, np.int8, np.uint16))
assert means[1000, np.float64, np.uint8] > 400 and means[1000, np.float64, np.int8] < -4000, 'masks are counted rightly now'
assert means[1000, np.uint8, bool] < 1 and means[1000, np.uint16, bool] < 40, 'images are summed rightly now'
END
