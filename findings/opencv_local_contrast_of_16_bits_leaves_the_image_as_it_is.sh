#!/usr/bin/env bash
# Local contrast (CLAHE) of OpenCV: the same image, with the same settings, is equalized in 8 bits and left alone in 16
#
# opencv-python-headless 5.0.0.93, NumPy 2.4.6.
#
# A field of 64 cells of many brightnesses with its photon noise, stretched over the whole range, in 8 and in 16 bits: the
# same 256 levels, once times 257. The clip limit is documented as a limit of contrast; tiles are 64 x 64 pixels.
# Guess before the first run: both give the same image to a level or two, for each limit.
#
# Seen: in 8 bits local contrast rises with the limit. In 16 bits what comes out is what went in (correlation 0.999 and more)
# for limits of 2, 4 and 40 alike. The limit counts pixels of a tile in each of 65,536 bins of gray instead of 256, and is
# then rounded up to one pixel: nearly every pixel is cut off and spread evenly, which is no equalization. With the limit times
# 256 both agree. No warning; the default limit of 40 does it too.
#
# Who is hurt: whoever evens out camera images of 16 bits before cells are found. Dim cells stay dim, the step seems to do
# nothing, and a program tested on 8 bits does something else on the raw files. Give 256 times the limit, or scikit-image's
# equalize_adapthist.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -q --disable-pip-version-check opencv-python-headless==5.0.0.93 numpy==2.4.6
venv/bin/python -W error - <<'END'
import cv2
import numpy as np

rng = np.random.default_rng(0)
y, x = np.mgrid[:512, :512]
field = np.zeros((512, 512))
for cy in range(32, 512, 64):
    for cx in range(32, 512, 64): field += np.exp(-((y - cy)**2 + (x - cx)**2)/200)*rng.uniform(.1, 1)
counts = rng.poisson(20 + 200*field)
eight = np.round(255*(counts - counts.min())/np.ptp(counts)).astype(np.uint8)
sixteen = eight.astype(np.uint16)*257
alike = lambda a, b: float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def equalized(image, limit): return cv2.createCLAHE(clipLimit=limit, tileGridSize=(8, 8)).apply(image)


for limit in (2, 4, 40):
    a, b, c = equalized(eight, limit), equalized(sixteen, limit), equalized(sixteen, 256*limit)
    print(f'limit {limit}: 8 bits like the input by {alike(a, eight):.4f}, 16 bits by {alike(b, sixteen):.4f}; spread '
          f'{a.std()/255:.3f} and {b.std()/65535:.3f} (input {eight.std()/255:.3f}); '
          f'limit times 256 like 8 bits by {alike(c, a):.4f}')
    assert alike(a, eight) < .98 and alike(c, a) > .99
    assert alike(b, sixteen) > .999, '16 bits are equalized now'
END
