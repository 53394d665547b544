#!/usr/bin/env bash
# ome-writers writes the last image over earlier ones when a program fills the same array again, as cameras and loops do
#
# ome-writers 0.3.2, tifffile 2026.3.3, ome-types 0.7.0, tensorstore 0.1.86, zarr 3.1.6, yaozarrs 0.3.4, NumPy 2.4.6.
#
# Twenty images of 1,024 x 1,024 pixels, 16 bits: image k holds the number k. One array is filled with each in turn and
# handed to stream.append, which returns before the next is filled.
# Guess before the first run: append takes what the array holds at that moment, as files, tifffile and zarr do; so all
# twenty images are right, whatever format is asked for.
#
# Seen: in OME-TIFF (one backend, tifffile) nearly all images hold a later number, most of them the last; in OME-Zarr by
# tensorstore, the backend that is taken first where it is installed, mostly so too, the number differs from run to run;
# by zarr-python all are right. No error, no warning: the file has twenty images of the right size. Images are kept by
# reference until a thread writes them. With a pause of 10 ms between images all were right, so a slow try shows nothing.
# The page on append doesn't say that the array must be left alone.
#
# Who is hurt: whoever copies a stack plane by plane through one array, or records from a camera whose driver gives the
# same memory each time, faster than the disk writes. Hand over a copy: stream.append(image.copy()).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -q --disable-pip-version-check ome-writers==0.3.2 tifffile==2026.3.3 ome-types==0.7.0 tensorstore==0.1.86 zarr==3.1.6 yaozarrs==0.3.4 numpy==2.4.6
venv/bin/python -W ignore - 2> log.txt <<'END'
import tempfile
from pathlib import Path

import numpy as np
import tifffile
import zarr
from ome_writers import AcquisitionSettings, Dimension, create_stream

N, SIDE = 20, 1024


def wrong(backend, copies=False):
    "How many of twenty images don't hold their number"
    folder, tiff, image = Path(tempfile.mkdtemp(dir='.')), backend == 'tifffile', np.empty((SIDE, SIDE), 'uint16')
    axes = [Dimension(name='t', count=N, type='time'), *(Dimension(name=a, count=SIDE, type='space') for a in 'yx')]
    how = dict(name='ome-tiff' if tiff else 'ome-zarr', backend=backend)
    with create_stream(AcquisitionSettings(root_path=str(folder/'images'), dimensions=axes, dtype='uint16', format=how)) as stream:
        for k in range(N):
            image[:] = k
            stream.append(image.copy() if copies else image)
    file = next(folder.iterdir())
    found = tifffile.imread(file) if tiff else np.asarray(zarr.open(str(file), mode='r')['0'])
    assert found.shape == (N, SIDE, SIDE)
    return sum(bool((x != k).any()) for k, x in enumerate(found))


seen = {(b, c): wrong(b, c) for b in ('tifffile', 'tensorstore', 'zarr-python') for c in (False, True)}
for (backend, copies), n in seen.items():
    print(f'{backend}, {"a copy of the array" if copies else "the same array"} each time: {n} of {N} images wrong')
assert seen['tifffile', False] > 0, 'OME-TIFF no longer writes later images over earlier ones'
assert seen['zarr-python', False] == 0 and not any(n for (_, copies), n in seen.items() if copies), 'others are wrong now'
END
