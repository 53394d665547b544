#!/usr/bin/env bash
# The second of three positions becomes the third when one file of a set is missing
#
# tifffile 2026.3.3, imagecodecs 2026.3.6, bioio 3.6.0, bioio-ome-tiff 1.4.0, NumPy 2.4.6.
#
# A multi-position acquisition is often a set of OME-TIFF files, one for each position, and the description in every
# file lists all of them. One file gets lost on the way to the analysis. What do readers give for the others?
# Guess before the first run: the lost position raises an error or is filled with zeros, all others stay what they are.
#
# Seen: tifffile leaves the lost image out of its series without leaving a gap, so series 1 is now the third position
# (a line in the log says that missing data are zeroed, which they are not). bioio-ome-tiff counts the positions in the
# description and the pixels in the series: the scene of the lost file returns the pixels of the next position under
# the name and with the pixel size of the lost one, and the last scene, whose file is there, can't be read.
#
# Who is hurt: everyone who copies part of a plate and goes through positions by number or by name.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -q --disable-pip-version-check tifffile==2026.3.3 imagecodecs==2026.3.6 bioio==3.6.0 bioio-ome-tiff==1.4.0 numpy==2.4.6
venv/bin/python -W ignore - 2> log.txt <<'END'
import os
import numpy as np
import tifffile
from bioio import BioImage
import bioio_ome_tiff

ids = [f'{k:08d}-0000-0000-0000-000000000000' for k in range(3)]
def description(me):
    "What each file says: three images, each in a file of its own"
    images = ''.join(
        f'<Image ID="Image:{k}" Name="position {k}"><Pixels ID="Pixels:{k}" DimensionOrder="XYZCT" Type="uint16" SizeX="40" '
        f'SizeY="40" SizeZ="1" SizeC="1" SizeT="1" PhysicalSizeX="0.{k + 1}" PhysicalSizeY="0.{k + 1}">'
        f'<Channel ID="Channel:{k}:0" SamplesPerPixel="1"/><TiffData IFD="0" PlaneCount="1">'
        f'<UUID FileName="{k}.ome.tif">urn:uuid:{ids[k]}</UUID></TiffData></Pixels></Image>' for k in range(3))
    head = '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
    return f'{head}UUID="urn:uuid:{ids[me]}">{images}</OME>'

for k in range(3):
    pixels = np.full((40, 40), 100*k + 1, np.uint16)
    tifffile.imwrite(f'{k}.ome.tif', pixels, description=description(k), metadata=None, photometric='minisblack', compression='zlib')

def seen():
    "First pixel of each series, and of each scene with its pixel size, in the first file"
    with tifffile.TiffFile('0.ome.tif') as tif: series = [int(s.asarray()[0, 0]) for s in tif.series]
    image, scenes = BioImage('0.ome.tif', reader=bioio_ome_tiff.Reader), []
    for k in range(len(image.scenes)):
        image.set_scene(k)
        try: scenes.append((int(image.data[0, 0, 0, 0, 0]), round(image.physical_pixel_sizes.X, 3)))
        except Exception as e: scenes.append(type(e).__name__)
    return series, scenes

whole = seen()
os.remove('1.ome.tif')
cut = seen()
for title, (series, scenes) in (('all three files', whole), ('the second is missing', cut)):
    print(f'{title:22} tifffile, first pixel of each series: {series}')
    print(f'{"":22} bioio, first pixel and pixel size of each scene: {scenes}')
assert whole == ([1, 101, 201], [(1, .1), (101, .2), (201, .3)])
assert cut[0] == [1, 201], 'series 1 is the third position'
assert cut[1][1] == (201, .2), 'the scene of the lost file has the pixels of the next and its own pixel size'
assert cut[1][2] == 'IndexError'
print('as described')
END
