#!/usr/bin/env bash
# A sweep over wavelengths in a LIF file is described as one plane, and vertical sections have a shape but no pixels
#
# bioio 3.6.0, bioio-lif 2.0.1, liffile 2026.2.16, NumPy 2.4.6.
#
# A LIF file with three images, laid out as Leica's program does: a sweep over five wavelengths, four vertical sections
# (a scan in x and z, repeated in y), and a plain stack of five planes. liffile, another
# reader, is the witness that pixels and axes are as meant.
# Guess before the first run: bioio gives the five wavelengths as channels or in an axis of their own, or refuses the
# image in words; the sections come as a stack.
#
# Seen: liffile reads all three as they were written. bioio describes the sweep as one plane, T1 C1 Z1, without a word of
# the five wavelengths; the same for sweeps with channels, planes or time points. Only when pixels are asked for does it
# fail, by a NumPy error that names no axis. The sections are described rightly, and their pixels can't be read. The plain
# stack is right. A real file of a sweep, 20 wavelengths of 64 x 64, was described as one plane too.
#
# Who is hurt: whoever sorts or counts images of LIF files by bioio's dimensions: a sweep looks like a single picture.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -q --disable-pip-version-check bioio==3.6.0 bioio-lif==2.0.1 liffile==2026.2.16 numpy==2.4.6
venv/bin/python -W ignore - 2> log.txt <<'END'
import struct
import xml.etree.ElementTree as E
from pathlib import Path

import liffile
import numpy as np
from bioio import BioImage

DIMENSION = {'X': 1, 'Y': 2, 'Z': 3, 'T': 4, 'L': 5}   # Leica's numbers of axes; L: wavelength


def write(path, **images):
    "name=(axes, array), no channels, one memory block for each image"
    top = E.Element('LMSDataContainerHeader', Version='2')
    children = E.SubElement(E.SubElement(top, 'Element', Name='project', UniqueID='0'), 'Children')
    for k, (name, (axes, x)) in enumerate(images.items()):
        one = E.SubElement(children, 'Element', Name=name, UniqueID=str(k + 1))
        told = E.SubElement(E.SubElement(E.SubElement(one, 'Data'), 'Image'), 'ImageDescription')
        E.SubElement(one, 'Memory', Size=str(x.nbytes), MemoryBlockID=f'MemBlock_{k}')
        E.SubElement(E.SubElement(told, 'Channels'), 'ChannelDescription', DataType='0', ChannelTag='0', Resolution='16',
                     NameOfMeasuredQuantity='', Min='0', Max='1', Unit='', LUTName='Gray', IsLUTInverted='0', BytesInc='0', BitInc='0')
        dimensions, step = E.SubElement(told, 'Dimensions'), x.itemsize
        for axis, n in zip(reversed(axes), reversed(x.shape)):
            E.SubElement(dimensions, 'DimensionDescription', DimID=str(DIMENSION[axis]), NumberOfElements=str(n), Origin='0',
                         Length=str((n - 1)*2e-7), Unit='m', BitInc='0', BytesInc=str(step))
            step *= n
    text = E.tostring(top, 'unicode').encode('utf-16-le')
    out = struct.pack('<IIBI', 0x70, len(text) + 5, 0x2a, len(text)//2) + text
    for k, (_, x) in enumerate(images.values()):
        name = f'MemBlock_{k}'.encode('utf-16-le')
        out += struct.pack('<IIBQBI', 0x70, 14 + len(name), 0x2a, x.nbytes, 0x2a, len(name)//2) + name + x.tobytes()
    Path(path).write_bytes(out)


def pixels(image):
    "The pixels, or the error in the place of them"
    try: return image.data
    except ValueError as e: return str(e)


sweep = np.arange(5*8*12, dtype=np.uint16).reshape(5, 8, 12)
sections = np.arange(4*3*12, dtype=np.uint16).reshape(4, 3, 12)
images = dict(sweep=('LYX', sweep), sections=('YZX', sections), stack=('ZYX', sweep))
write('three.lif', **images)
with liffile.LifFile('three.lif') as file:
    for image, (_, x) in zip(file.images, images.values()):
        print(f'liffile: {image.name} {image.dims} {image.shape}')
        assert np.array_equal(image.asarray(), x)
seen = {}
for k, name in enumerate(images):
    image = BioImage('three.lif')
    image.set_scene(k)
    seen[name] = image.shape, pixels(image)
    print(f'bioio: {name} {image.dims.order} {image.shape}; pixels: {seen[name][1] if isinstance(seen[name][1], str) else "read"}')
assert seen['sweep'] == ((1, 1, 1, 8, 12), "axes don't match array")
assert seen['sections'][0] == (1, 1, 3, 4, 12) and 'cannot select frame dimension' in seen['sections'][1]
assert np.array_equal(seen['stack'][1][0, 0], sweep)
print('as described')
END
