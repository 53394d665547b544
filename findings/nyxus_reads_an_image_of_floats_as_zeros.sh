#!/usr/bin/env bash
# Nyxus measures whole numbers: an image of floats from 0 to 1 is all zero to it, and one with negative pixels is shifted
#
# nyxus 0.11.0, NumPy 2.4.6, pandas 2.3.3, tifffile 2026.3.3.
#
# Mean and standard deviation of two nuclei in the same picture: as uint16, as the same numbers in float32, divided by 4,000
# (what scaling to 0 to 1 gives), and as int32 with 2,000 taken off (what background subtraction gives).
# Guess before the first run: means and deviations are those of the pixels, to rounding, in all four.
#
# Seen: right for uint16 and for large floats. From 0 to 1 every mean and every deviation is 0, from memory
# and from TIFF files alike, without a word, also when min_intensity=0, max_intensity=1 and dynamic_range=10000 are given, which
# the documentation names for images of floating point. With negative pixels the darkest pixel of the whole picture,
# wherever it is, becomes 0, so that the mean of a nucleus is 1,966.8 instead of 66.8; its deviation is right.
# Deviations divide by the number of pixels less one.
#
# Who is hurt: whoever normalizes before measuring, as networks want it. Texture of such pictures is that of a black square.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -q --disable-pip-version-check nyxus==0.11.0 numpy==2.4.6 pandas==2.3.3 tifffile==2026.3.3
venv/bin/python -W ignore - 2> log.txt <<'END'
from pathlib import Path

import numpy as np
import tifffile
from nyxus import Nyxus

labels = np.zeros((100, 120), np.uint16)
labels[10:30, 10:40], labels[50:80, 60:100] = 1, 2
raw = np.random.default_rng(0).integers(100, 4000, labels.shape).astype(np.uint16)
pictures = {'uint16': raw, 'float32, the same': raw.astype(np.float32), 'float32, 0 to 1': (raw/4000).astype(np.float32),
            'int32, background off': raw.astype(np.int32) - 2000}
MEASURES = ['MEAN', 'STANDARD_DEVIATION']
range_told = dict(min_intensity=0., max_intensity=1., dynamic_range=10000)


def of_first(table): return [float(v) for v in table.sort_values('ROI_label')[MEASURES].iloc[0]]


for name, picture in pictures.items():
    inside = picture[labels == 1].astype(float)
    true, seen = [inside.mean(), inside.std(ddof=1)], of_first(Nyxus(MEASURES).featurize(picture, labels))
    print(f'{name}: mean and deviation {np.round(true, 3).tolist()}, Nyxus says {np.round(seen, 3).tolist()}')
    expected = dict(zip(pictures, (true, true, [0, 0], [true[0] - float(picture.min()), true[1]])))[name]
    assert np.allclose(seen, expected, rtol=1e-4), f'it is measured otherwise now; expected {expected}'
told = of_first(Nyxus(MEASURES, **range_told).featurize(pictures['float32, 0 to 1'], labels))
for kind, picture in (('images', pictures['float32, 0 to 1']), ('labels', labels)):
    Path(kind).mkdir()
    tifffile.imwrite(f'{kind}/a.tif', picture)
files = of_first(Nyxus(MEASURES, **range_told).featurize_directory('images/', 'labels/'))
print(f'0 to 1, its range told: from memory {told}, from files {files}')
assert told == files == [0, 0], 'the range is used now'
print('as described')
END
