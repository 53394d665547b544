#!/usr/bin/env bash
# ome-zarr loses half a count at every level of a pyramid: an image of single photons is black from the second on
#
# ome-zarr 0.18.0, zarr 3.1.6, scikit-image 0.26.0, dask 2026.8.0, NumPy 2.4.6, SciPy 1.17.1, tifffile 2026.3.3.
#
# Images of 512 x 512 pixels with 1, 2, 10 and 100 counts a pixel on average (photons of a counting detector, spots of single
# molecules, a camera), 16 bits, and one of cells as zeros and ones, written by write_image with its own settings: four lower
# levels, each half as wide. A level shows the same scene, so its mean is that of the image.
# Guess before the first run: the mean of each level is that of the image, to the rounding of a pixel, which averages out.
#
# Seen: averages are cut down to whole numbers, not rounded, and each level is made of the one above, so that the loss adds
# up: 1.00 counts become 0.48, 0.01, 0 and 0; 2.00 become 1.50, 1.01, 0.64 and 0; 10.0 (counts of the documentation's own
# first example) become 8.0, and 100.0 become 98.0. The low levels are those that viewers show first and that overviews and
# thresholds of whole slides are computed from. The method local_mean does the same, more slowly. As floats all levels are
# right; zoom and nearest, which take single pixels or places between two, keep the mean.
# Cells of 24 pixels' width, written as an image of zeros and ones, cover 56, 39, 6, 0 and 0% (labels have a function of their
# own). With 0.11.1 a NumPy array kept its mean, as nearest was set; a dask array lost it then too.
# The documentation of the methods names functions and parameters; that averages are cut is not said.
#
# Who is hurt: whoever measures, thresholds or embeds lower levels of dim images, or compares levels. Write floats, give
# method=Methods.ZOOM, or compute a level of dim data from level 0 yourself.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -q --disable-pip-version-check ome-zarr==0.18.0 zarr==3.1.6 scikit-image==0.26.0 dask==2026.8.0 \
    numpy==2.4.6 scipy==1.17.1 tifffile==2026.3.3
venv/bin/python -W ignore - <<'END'
import dask.array as da
import numpy as np
import zarr
from ome_zarr.scale import Methods
from ome_zarr.writer import write_image

rng = np.random.default_rng(0)
written = iter(range(1000))


def means(image, **how):
    "The mean of each level, as it is read"
    path = f'{next(written)}.zarr'
    write_image(image, path, axes='yx', **how)
    group = zarr.open_group(path, mode='r')
    levels = [group[d['path']] for d in group.attrs['ome']['multiscales'][0]['datasets']]
    assert [x.shape[0] for x in levels] == [512, 256, 128, 64, 32] and all(x.dtype == image.dtype for x in levels)
    return [round(float(x[:].mean()), 2) for x in levels]


seen = {}
for mean in (1, 2, 10, 100):
    image = rng.poisson(mean, (512, 512)).astype(np.uint16)
    kinds = [('as set', image, {}), ('dask', da.from_array(image, chunks=128), {}), ('float', image.astype(np.float32), {})]
    for name, x, how in kinds + [(m.value, image, dict(method=m)) for m in Methods]:
        seen[mean, name] = means(x, **how)
        print(f'{mean} counts, {name}: {seen[mean, name]}')
    assert seen[mean, 'as set'] == seen[mean, 'resize'], 'another method is set'
    for name, most in (('float', .05), ('zoom', .15*mean**.5)): assert all(abs(v - mean) < most for v in seen[mean, name])
    for a, b in zip(seen[mean, 'as set'], seen[mean, 'as set'][1:]): assert b < a - .25 or b < .02, 'nothing is lost now'
assert seen[1, 'as set'][2] < .05 and seen[1, 'dask'][2] < .05 and seen[1, 'local_mean'][4] < .05
assert abs(seen[100, 'as set'][4] - 98) < .2 and abs(seen[10, 'as set'][4] - 8) < .2
cells = np.tile(np.pad(np.ones((24, 24), np.uint8), 4), (16, 16))
seen['cells'] = means(cells)
print(f'cells as zeros and ones: {seen["cells"]}; as floats: {means(cells.astype(np.float32))}')
assert seen['cells'][0] == .56 and seen['cells'][2] < .1 and seen['cells'][3] == 0
END
