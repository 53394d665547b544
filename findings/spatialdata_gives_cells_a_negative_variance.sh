#!/usr/bin/env bash
# SpatialData's variance of the light in each cell is negative, and its standard deviation missing, for images of camera counts
#
# spatialdata 0.7.3, xarray-spatial 0.5.3 (the newest for Python 3.11), dask 2026.1.1, xarray 2026.9.0, NumPy 2.4.6.
#
# A field of 20 cells as label image, 16-bit counts around 1,200 with the noise of photons; mean, variance and standard
# deviation of each cell by aggregate(values=image, by=labels, agg_func='var'), as one asks for texture or spread.
# Guess before the first run: what NumPy says of the same pixels.
#
# Seen: means and sums are right, all 20 variances are negative (-1.4 to -1.9 million, NumPy: 1,126 to 1,442) and all
# standard deviations missing. The same counts as float32 are right. Cells of less light than 256 counts are right too, and
# where only a tenth of a cell is brighter than that, the variance may look like one: 2,095 for 8,649. Squares are summed in
# the type of the image; xarray-spatial's zonal stats, which are asked here, do so of dask arrays and are right of NumPy's.
#
# Who is hurt: whoever measures cells of 8- or 16-bit images in SpatialData: the bright ones drop out as missing, which looks
# like a filter, and the dim ones stay. Hand over the image as float32.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -q --disable-pip-version-check spatialdata==0.7.3 xarray-spatial==0.5.3 dask==2026.1.1 \
    xarray==2026.9.0 numpy==2.4.6
venv/bin/python -W ignore - <<'END'
import dask
import numpy as np
import spatialdata
from spatialdata.models import Image2DModel, Labels2DModel
from xrspatial import zonal
from xarray import DataArray

dask.config.set(scheduler='synchronous')
rng = np.random.default_rng(0)
cells = np.zeros((200, 200), np.int32)
for k in range(20): cells[50*(k//5) + 5:50*(k//5) + 45, 40*(k % 5) + 4:40*(k % 5) + 36] = k + 1


def by_cell(image, what):
    "SpatialData's numbers of cells 1 to 20, and NumPy's of the same pixels"
    made = spatialdata.aggregate(Image2DModel.parse(image[None], dims=('c', 'y', 'x')),
                                 Labels2DModel.parse(cells, dims=('y', 'x')), agg_func=what)
    table = made.tables['table']
    X = table.X.toarray() if hasattr(table.X, 'toarray') else np.asarray(table.X)
    said = dict(zip(table.obs['instance_id'], X[:, 0]))
    pixels = [image[cells == k].astype(float) for k in range(1, 21)]
    return np.array([said[k] for k in range(1, 21)]), np.array([getattr(p, what)() for p in pixels])


counts = rng.poisson(1_200 + 10*cells).astype(np.uint16)
for what in ('mean', 'sum'): np.testing.assert_allclose(*by_cell(counts, what), rtol=1e-6)
variance, right = by_cell(counts, 'var')
missing = int(np.isnan(by_cell(counts, 'std')[0]).sum())
print(f'16 bits: variance {variance.min():,.0f} to {variance.max():,.0f}, NumPy {right.min():,.0f} to {right.max():,.0f}; '
      f'standard deviation missing in {missing} of 20 cells')
assert (variance < -1e6).all() and missing == 20

np.testing.assert_allclose(*by_cell(counts.astype(np.float32), 'var'), rtol=1e-3)
np.testing.assert_allclose(*by_cell(rng.poisson(100, cells.shape).astype(np.uint16), 'var'), rtol=1e-3)
print('the same as float32, and dim cells (100 counts) of 16 bits: right')

spots = np.where(np.arange(200) % 10 == 0, 360, 50)[:, None].repeat(200, 1).astype(np.uint16)
variance, right = by_cell(spots, 'var')
print(f'a tenth of each cell of 360 counts, the others of 50: {variance[0]:,.0f}, NumPy {right[0]:,.0f}')
assert abs(right[0] - 8_649) < 1 and abs(variance[0] - 2_095) < 1

own = zonal.stats(DataArray(cells, dims=('y', 'x')), DataArray(counts, dims=('y', 'x')), stats_funcs=['var']).set_index('zone')
print('xarray-spatial, the same counts as a NumPy array: right')
np.testing.assert_allclose(own['var'].loc[range(1, 21)], by_cell(counts, 'var')[1], rtol=1e-3)
END
