#!/usr/bin/env bash
# Of several scenes in a CZI file only the first is shown
#
# pylibCZIrw 6.1.0 (Zeiss's own library), bioio 3.6.0, bioio-czi 3.0.1, NumPy 2.4.6.
#
# A CZI file with two scenes (positions), written by Zeiss's library, as programs do that stitch or deconvolve.
# Guess before the first run: bioio lists two scenes, as Zeiss's reader does.
#
# Seen: Zeiss's reader lists two scenes. bioio lists one, called Image:0, in both of its modes, and gives the pixels of
# the first. It counts scenes by their names in the metadata, which this writer leaves out, and not in the pixels.
# Nothing warns; the second scene can't be reached.
#
# Who is hurt: whoever reads processed CZI files by bioio and goes through image.scenes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -q --disable-pip-version-check pylibCZIrw==6.1.0 bioio==3.6.0 bioio-czi==3.0.1 numpy==2.4.6
venv/bin/python -W ignore - 2> log.txt <<'END'
import numpy as np
from bioio import BioImage
from pylibCZIrw import czi

with czi.create_czi('two.czi') as out:
    for scene in range(2):
        plane = np.full((100, 100), 1000*scene + 7, np.uint16)
        out.write(plane, plane=dict(C=0, Z=0, T=0), scene=scene, location=(200*scene, 0))
    out.write_metadata('cells', channel_names={0: 'protein'}, scale_x=2e-7, scale_y=2e-7)
with czi.open_czi('two.czi') as file: zeiss = len(file.scenes_bounding_rectangle)
print(f"Zeiss's reader: {zeiss} scenes")
seen = []
for options in ({}, dict(use_aicspylibczi=True)):
    image = BioImage('two.czi', **options)
    seen.append((image.scenes, np.unique(image.data).tolist()))
    print(f'bioio {options or ""}: scenes {seen[-1][0]}, pixels {seen[-1][1]}')
assert zeiss == 2 and all(scenes == ('Image:0',) and pixels == [7] for scenes, pixels in seen)
print('as described')
END
