#!/usr/bin/env bash
# Rings of a whole image are counted from its lower right corner
#
# cp_measure 0.3.0 (the measurements of CellProfiler as functions), NumPy 2.3.5, SciPy 1.16.3, scikit-image 0.25.2.
#
# Where a picture is measured without objects, the whole picture is given as one object: a mask of ones. Then
# get_radial_distribution should count light in four rings around the middle of the picture, the first in the middle.
# Guess before the first run: a bright spot in the middle gives all its light to ring 1, a spot in a corner to ring 4.
#
# Seen: with a mask of ones, ring 1 is the lower right corner. A spot there has all its light in ring 1, a spot in the
# upper left corner in ring 4, and a spot in the middle is shared by rings 2 and 3. The distance to the edge of the
# object is taken inside the picture alone, and an object that fills it has no edge. For the same reason
# get_intensity gives 0 for all five intensities at the edge, however bright the border is.
# With a margin of one pixel of zeros around the mask both are as guessed. Nothing warns.
#
# Who is hurt: every table of whole crops (one cell a crop, no segmentation) with radial or edge features.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -q --disable-pip-version-check cp_measure==0.3.0 numpy==2.3.5 scipy==1.16.3 scikit-image==0.25.2
venv/bin/python -W ignore - <<'END'
import numpy as np
from cp_measure.core.measureobjectintensity import get_intensity
from cp_measure.core.measureobjectintensitydistribution import get_radial_distribution

side = 64
masks = {'mask of ones': np.ones((side, side), int), 'one pixel of margin': np.pad(np.ones((side - 2, side - 2), int), 1)}
spots = {'middle': 32, 'upper left': 6, 'lower right': 58}
seen = {}
for name, mask in masks.items():
    for where, at in spots.items():
        image = np.zeros((side, side))
        image[at - 2:at + 3, at - 2:at + 3] = 1
        rings = get_radial_distribution(mask, image)
        seen[name, where] = [round(float(rings[f'RadialDistribution_FracAtD_{k}of4'][0]), 2) for k in (1, 2, 3, 4)]
        print(f'{name:20}{where:12} share of the light in rings 1 to 4: {seen[name, where]}')
    edge = get_intensity(mask, np.ones((side, side)))
    seen[name] = {k: float(v[0]) for k, v in edge.items() if k.endswith('IntensityEdge')}
    print(f'{name:20}an image of ones, at the edge: {seen[name]}')
assert seen['mask of ones', 'lower right'] == [1, 0, 0, 0] and seen['mask of ones', 'upper left'] == [0, 0, 0, 1]
assert seen['mask of ones', 'middle'][0] == 0 and set(seen['mask of ones'].values()) == {0}
assert seen['one pixel of margin', 'middle'] == [1, 0, 0, 0] and seen['one pixel of margin', 'lower right'] == [0, 0, 0, 1]
assert seen['one pixel of margin']['Intensity_MeanIntensityEdge'] == 1
print('as described')
END
