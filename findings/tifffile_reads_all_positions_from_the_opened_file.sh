#!/usr/bin/env bash
# All positions of a set of files have the pixels of the file that was opened
#
# tifffile 2026.3.3, NumPy 2.4.6.
#
# A multi-position acquisition as a set of OME-TIFF files, one for each position; the description in every file lists
# all of them and says which file holds what. tifffile offers them as series of whichever file is opened.
# Guess before the first run: series k is position k, with its own pixels, whatever the compression.
#
# Seen: packed sets are read rightly. If planes are stored without compression one after the other, as most
# microscopes write them, every series returns the pixels of the file that was opened: series 1 of file 0 is
# position 0 under the name of position 1. tifffile knows the right file (series.pages[0].parent) and the right
# position in it, but reads from the file at hand. Page by page (series.pages[0].asarray()) the pixels are right.
# Nothing warns. So imread('1.ome.tif') is position 1 without compression, and position 0 with it.
#
# Who is hurt: everyone who opens one file of a plate and goes through tif.series, or through scenes in tools on top.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -q --disable-pip-version-check "tifffile==${TIFFFILE:-2026.3.3}" numpy==2.4.6
venv/bin/python -W ignore - <<'END'
import numpy as np
import tifffile

ids = [f'{k:08d}-0000-0000-0000-000000000000' for k in range(3)]
def description(me):
    "What each file says: three images of two planes, each in a file of its own"
    planes = lambda k: ''.join(f'<TiffData IFD="{z}" FirstZ="{z}" PlaneCount="1"><UUID FileName="{k}.ome.tif">'
                               f'urn:uuid:{ids[k]}</UUID></TiffData>' for z in (0, 1))
    images = ''.join(
        f'<Image ID="Image:{k}" Name="position {k}"><Pixels ID="Pixels:{k}" DimensionOrder="XYZCT" Type="uint16" SizeX="40" '
        f'SizeY="40" SizeZ="2" SizeC="1" SizeT="1"><Channel ID="Channel:{k}:0" SamplesPerPixel="1"/>{planes(k)}'
        '</Pixels></Image>' for k in range(3))
    head = '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
    return f'{head}UUID="urn:uuid:{ids[me]}">{images}</OME>'

seen = {}
for compression in (None, 'zlib'):
    for k in range(3):
        pixels = np.full((2, 40, 40), 100*k + 1, np.uint16)
        tifffile.imwrite(f'{k}.ome.tif', pixels, description=description(k), metadata=None, photometric='minisblack',
                         compression=compression)
    with tifffile.TiffFile('0.ome.tif') as tif:
        seen[compression] = [int(s.asarray()[0, 0, 0]) for s in tif.series]
        pages = [int(s.pages[0].asarray()[0, 0]) for s in tif.series]
        files = [s.pages[0].parent.filename for s in tif.series]
    print(f'compression {compression}: first pixel of each series {seen[compression]}, of the first page of each {pages}')
    assert pages == [1, 101, 201] and files == ['0.ome.tif', '1.ome.tif', '2.ome.tif']
    seen[compression, 'imread'] = int(tifffile.imread('1.ome.tif')[0, 0, 0])
    print(f'compression {compression}: imread of file 1 begins with {seen[compression, "imread"]}')
assert seen['zlib'] == [1, 101, 201] and seen['zlib', 'imread'] == 1
assert seen[None] == [1, 1, 1] and seen[None, 'imread'] == 101
print('as described')
END
