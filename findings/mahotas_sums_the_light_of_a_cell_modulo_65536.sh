#!/usr/bin/env bash
# mahotas gives the summed light of each cell modulo 256 or 65,536: it sums in the type of the image
#
# mahotas 1.4.19, NumPy 2.4.6, SciPy 1.17.1.
#
# Sixteen cells of 1,024 pixels in a row of brightness, from 100 to 800 counts a pixel, as a camera of 16 bits gives them.
# Asked: the summed light of each cell (labeled_sum), for the same counts in four types, and the area of a mask in each cell.
# Guess before the first run: the sums are right; NumPy and SciPy sum integers of 8 and 16 bits in a wider type.
#
# Seen: with 32 bits, whole numbers or floats, all 16 sums are right. With 8 and 16 bits none is, without a word: each is the
# right one modulo 256 or 65,536, so that the order of the cells is lost (correlation with the right sums 0.07 at 16 bits). With a
# mask the "number" of its pixels in a cell is True or False. The documentation says both: that a sum equals
# np.sum(array[labeled == i]), which it does not, and that sums have the type of the array. Maximum, minimum and size are right.
#
# Who is hurt: whoever measures cells of microscope images with mahotas. Give it image.astype(float), or take scipy.ndimage.sum.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -q --disable-pip-version-check mahotas==1.4.19 numpy==2.4.6 scipy==1.17.1
venv/bin/python - <<'END'
import mahotas
import numpy as np
from scipy import ndimage

one = np.ones((32, 32), int)
cells = np.kron(np.arange(16).reshape(4, 4), one).astype(np.int32)
counts = np.random.default_rng(0).poisson(100*np.kron(np.linspace(1, 8, 16).reshape(4, 4), one))

for kind, modulo, right in ((np.uint8, 256, 0), (np.uint16, 65_536, 0), (np.int32, None, 16), (np.float32, None, 16)):
    image = np.minimum(counts, 255 if kind is np.uint8 else 65_535).astype(kind)
    expected = ndimage.sum(image, cells, range(16))
    assert np.allclose(expected, [np.sum(image[cells == i]) for i in range(16)])
    seen = mahotas.labeled.labeled_sum(image, cells)
    equal = int(np.isclose(seen.astype(float), expected, rtol=1e-4).sum())
    print(f'{image.dtype}: {equal} of 16 sums right; the first is {seen[0]:.0f}, expected {expected[0]:.0f}; '
          f'correlation with the right sums {np.corrcoef(seen, expected)[0, 1]:.2f}')
    assert equal == right and seen.dtype == image.dtype
    if modulo: assert (seen == expected % modulo).all()
    assert (mahotas.labeled.labeled_max(image, cells) == ndimage.maximum(image, cells, range(16))).all()
area = mahotas.labeled.labeled_sum(counts > 300, cells)
print(f'pixels above 300 counts: {area.dtype}, {area[-1]}; expected {np.sum(counts[cells == 15] > 300)} in the last cell')
assert area.dtype == bool and area[-1]
END
