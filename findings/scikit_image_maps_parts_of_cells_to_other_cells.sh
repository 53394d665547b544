#!/usr/bin/env bash
# scikit-image joins cells and nuclei modulo 256 or 65,536: from 255 cells of 16 bits on, most parts are mapped to other cells
#
# scikit-image 0.26.0, NumPy 2.4.6, SciPy 1.17.1.
#
# A field of cells, each with a nucleus that has its number, in masks of 8 bits (few cells), 16 bits (what most programs write)
# and 32 bits (slides). Asked of join_segmentations: the parts, two for each cell (its nucleus and what is around it), and the
# mapping from parts to cells; the documentation shows that mapping[parts] == cells, all of them.
# Guess before the first run: parts stay apart and map back; relabel_sequential, its neighbor, takes a wider type by itself.
#
# Seen: the two numbers are made into one in the type of the masks. 14 cells of 8 bits are right, 40 are not; 250 cells of
# 16 bits are right, and of 400 59% of pixels are mapped to another cell; of 10,000 all are, and 3,032 of 20,000 parts are one
# with a part of another cell, two cells' light in one measurement. Of 70,000 cells of 32 bits, 12% of pixels go elsewhere.
# No error, no warning. In a type with a sign, 400 cells are refused, as labels were negative, which they are not. With 64
# bits all are right. A public request of 2024 (scikit-image 7292) was about the type of the factor, not about its size.
#
# Who is hurt: whoever cuts cells into nucleus and cytoplasm, or asks which cells of two segmentations share pixels: the table
# names other cells. Hand over masks.astype(np.int64).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -q --disable-pip-version-check scikit-image==0.26.0 numpy==2.4.6 scipy==1.17.1
venv/bin/python - <<'END'
import numpy as np
from skimage.segmentation import join_segmentations


def field(n, kind):
    "Cells of 6 x 6 pixels side by side, a gap around each, a nucleus of 2 x 2 in the middle of each"
    side = int(np.ceil(n**.5))
    numbers = np.zeros(side*side, int)
    numbers[:n] = np.arange(1, n + 1)
    cell, nucleus = np.pad(np.ones((6, 6), int), 1), np.pad(np.ones((2, 2), int), 3)
    return [np.kron(numbers.reshape(side, side), x).astype(kind) for x in (cell, nucleus)]


def ask(n, kind):
    "Parts that share their number with another part or the background; share of pixels of cells that map back to their cell"
    cells, nuclei = field(n, kind)
    parts, to_cells, _ = join_segmentations(cells, nuclei, return_mapping=True)
    pairs = np.unique(np.stack([parts, cells, nuclei], -1).reshape(-1, 3).astype(np.int64), axis=0)
    assert len(pairs) == 2*n + 1, 'two parts a cell, and the background'
    times = np.bincount(pairs[:, 0])
    return int((times[pairs[pairs[:, 1] > 0, 0]] > 1).sum()), round(float((to_cells[parts] == cells)[cells > 0].mean()), 2)


expected = {(np.uint8, 14): (0, 1), (np.uint8, 40): (16, .15), (np.uint16, 250): (0, 1), (np.uint16, 400): (8, .41),
            (np.uint16, 10_000): (3032, 0), (np.uint32, 70_000): (0, .88), (np.int64, 40): (0, 1), (np.int64, 400): (0, 1),
            (np.int64, 10_000): (0, 1), (np.int64, 70_000): (0, 1)}
for (kind, n), right in expected.items():
    mixed, back = ask(n, kind)
    print(f'{n:6,} cells, {np.dtype(kind).name:6}: {mixed:5,} of {2*n:7,} parts are not by themselves; '
          f'{back:4.0%} of pixels map back to their cell')
    assert (mixed, back) == right, 'it is otherwise now'
try: ask(400, np.int16)
except ValueError as e: print(f'   400 cells, int16 : {e}')
else: raise AssertionError('a type with a sign is no longer refused')
END
