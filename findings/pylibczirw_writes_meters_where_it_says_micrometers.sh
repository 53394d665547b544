#!/usr/bin/env bash
# The pixel size of a CZI file is a million times too large when it is given as documented
#
# pylibCZIrw 6.1.0 (Zeiss's own library), NumPy 2.4.6.
#
# write_metadata takes scale_x, in its documentation "the extent of a pixel in x-direction in units of µm".
# Guess before the first run: scale_x=0.2 gives a file with pixels of 0.2 µm. CZI keeps lengths in meters, so its
# metadata should say 2e-07.
#
# Seen: the metadata say 0.2, that is 0.2 m. Readers that go by the format, such as bioio-czi 3.0.1, then give a pixel
# of 200,000 µm. scale_x=2e-7, meters, gives the right file. Nothing warns. The library's own editor gives the number
# back as it stands, so a look through it does not show the fault.
#
# Who is hurt: whoever writes CZI files (stitched, deconvolved, cut out) and measures lengths or areas in them later.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -q --disable-pip-version-check pylibCZIrw==6.1.0 numpy==2.4.6
venv/bin/python - <<'END'
import re
import numpy as np
from pylibCZIrw import czi

said = ' '.join(re.search(r'scale_x:\s*(.*)', czi.CziWriter.write_metadata.__doc__)[1].split())
print('documentation of scale_x:', said)
assert said.endswith('in units of µm')
seen = {}
for scale in (.2, 2e-7):
    name = f'{scale}.czi'
    with czi.create_czi(name) as out:
        out.write(np.ones((100, 100), np.uint16), plane=dict(C=0, Z=0, T=0))
        out.write_metadata('cells', channel_names={0: 'protein'}, scale_x=scale, scale_y=scale)
    with czi.open_czi(name) as file: text = file.raw_metadata
    meters = float(re.search(r'<Distance Id="X">\s*<Value>(.*?)</Value>', text)[1])
    with czi.edit_czi(name) as file: editor = file.read_scaling_info().scale_x
    seen[scale] = meters, editor
    print(f'scale_x={scale}: the file says {meters:g} (CZI: meters, so {1e6*meters:g} µm), the editor {editor:g}')
assert seen == {.2: (.2, .2), 2e-7: (2e-7, 2e-7)}
print('as described')
END
