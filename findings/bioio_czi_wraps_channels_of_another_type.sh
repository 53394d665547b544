#!/usr/bin/env bash
# A channel of 16 bits beside one of 8 bits loses its upper bits
#
# pylibCZIrw 6.1.0 (Zeiss's own library), bioio 3.6.0, bioio-czi 3.0.1 (on aicspylibczi 4.0.1), NumPy 2.4.6.
#
# In a CZI file each channel has its own type of pixels: a mask or a transmitted light image of 8 bits beside
# fluorescence of 16 bits, or a ratio of floats beside counts.
# Guess before the first run: bioio gives a type that holds all channels, or refuses.
#
# Seen: Zeiss's reader gives 200 and 1000. bioio gives all channels the type of the first: get_image_data and dask_data
# return 200 and 232 (1000 modulo 256); a ratio of 1.5 behind counts of 16 bits becomes 1. Nothing warns. Only
# image.data, which reads all at once, ends in an error. If the channel of 16 bits comes first, all is right.
#
# Who is hurt: whoever reads CZI files by bioio: bright pixels of the second channel become dark ones.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -q --disable-pip-version-check pylibCZIrw==6.1.0 bioio==3.6.0 bioio-czi==3.0.1 aicspylibczi==4.0.1 numpy==2.4.6
venv/bin/python -W ignore - 2> log.txt <<'END'
import numpy as np
from bioio import BioImage
from pylibCZIrw import czi

def seen(name, *channels):
    "First pixel of each channel: by Zeiss's reader, by bioio in two ways; does image.data end in an error?"
    with czi.create_czi(name) as out:
        for c, (value, kind) in enumerate(channels):
            out.write(np.full((64, 64), value, kind), plane=dict(C=c, Z=0, T=0))
        out.write_metadata('cells', channel_names={0: 'a', 1: 'b'}, scale_x=2e-7, scale_y=2e-7, scale_z=5e-7)
    with czi.open_czi(name) as file:
        zeiss = [file.read(plane=dict(C=c, Z=0, T=0))[0, 0, 0].item() for c in range(len(channels))]
    ways = [BioImage(name).get_image_data('CYX'), BioImage(name).dask_data.compute()[0, :, 0]]
    try: raised = bool(BioImage(name).data is None)
    except Exception: raised = True
    bioio = [w[:, 0, 0].tolist() for w in ways]
    print(f"{name}: Zeiss's reader {zeiss}; bioio get_image_data {bioio[0]}, dask_data {bioio[1]}; "
          f"image.data {'ends in an error' if raised else 'is read'}")
    return zeiss, *bioio, raised

u1, u2, f4 = np.uint8, np.uint16, np.float32
assert seen('8_16.czi', (200, u1), (1000, u2)) == ([200, 1000], [200, 232], [200, 232], True)
assert seen('16_float.czi', (1000, u2), (1.5, f4)) == ([1000, 1.5], [1000, 1], [1000, 1], True)
assert seen('16_8.czi', (1000, u2), (200, u1))[:3] == ([1000, 200],)*3
print('as described')
END
