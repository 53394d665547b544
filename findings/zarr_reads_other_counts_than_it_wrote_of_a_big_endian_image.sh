#!/usr/bin/env bash
# zarr reads other counts than it wrote where an image of big-endian numbers is kept with differences
#
# zarr 3.1.6 (the newest for Python 3.11), numcodecs 0.16.6, zarrs 0.2.3 (its second reader, in Rust), tifffile 2026.3.3,
# NumPy 2.4.6.
#
# Fiji writes TIFF with the high byte first; mapped into memory, as one does with large stacks (tifffile.memmap), such an
# image is of dtype >u2. It is kept in a Zarr array of its type with numcodecs' filter Delta of its type, as one does with
# slowly changing counts, all other options left as they are, and read again.
# Guess before the first run: the counts that were written; if not, then that both readers agree.
#
# Seen: the array is made, written and read without a word about it, and practically all counts are others, anywhere between
# 0 and 65,535: a smooth image of 1,000 to 1,255 counts comes back with a standard deviation of 14,700 instead of 52. int32
# and float32 do the same, and so does the scaling filter (FixedScaleOffset); there zarrs reads the right counts from the
# folder that zarr reads wrong, so what lies on the disk is right. Without a filter, in Zarr format 2, or with numbers of the
# machine's own order all is well; these fail too once their bytes are asked for in the other order (BytesCodec(endian='big')).
#
# Who is hurt: whoever moves stacks from Fiji into Zarr; checks of shape and type pass, and the TIFF is gone. Before, turn
# the numbers round: image.astype(image.dtype.newbyteorder('=')).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -q --disable-pip-version-check zarr==3.1.6 numcodecs==0.16.6 zarrs==0.2.3 tifffile==2026.3.3 numpy==2.4.6
venv/bin/python - <<'END'
import warnings

import numpy as np, tifffile, zarr
from zarr.codecs import BytesCodec, numcodecs

warnings.filterwarnings('ignore', message='Numcodecs codecs are not in the Zarr version 3 specification')
rows, columns = np.mgrid[:256, :256]
tifffile.imwrite('fiji.tif', (1000 + (rows + columns) // 2).astype('>u2'), byteorder='>', imagej=True)
image = tifffile.memmap('fiji.tif', mode='r')
assert image.dtype == np.dtype('>u2') and (image.min(), image.max()) == (1000, 1255)


def wrong(path, image, **options):
    "Share of counts that zarr reads otherwise than it wrote them, and what it read."
    array = zarr.create_array(path, shape=image.shape, chunks=(64, 64), dtype=image.dtype, overwrite=True, **options)
    array[:] = image
    read = zarr.open_array(path, mode='r')[:]
    return (read != image).mean(), read


delta = lambda kind: [numcodecs.Delta(dtype=np.dtype(kind).str)]
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter('always')
    share, read = wrong('delta.zarr', image, filters=delta('>u2'))
print('read without a filter:', f"{wrong('none.zarr', image)[0]:.0%} wrong")
print(f'read with Delta: {share:.0%} wrong, from {read.min()} to {read.max()}, standard deviation {read.std():,.0f} '
      f'(written: {image.std():.0f}); warnings about the order of bytes:', sum('ndian' in str(w.message) for w in said))
assert wrong('none.zarr', image)[0] == 0 and share > .9 and read.std() > 10_000

scaled = [numcodecs.FixedScaleOffset(offset=0, scale=1, dtype='>u2', astype='>u2')]
share, _ = wrong('scaled.zarr', image, filters=scaled)
zarr.config.set({'codec_pipeline.path': 'zarrs.ZarrsCodecPipeline'})
other = zarr.open_array('scaled.zarr', mode='r')[:]
zarr.config.set({'codec_pipeline.path': 'zarr.core.codec_pipeline.BatchedCodecPipeline'})
print(f'FixedScaleOffset, >u2: {share:.0%} wrong; zarrs from the same folder: {(other != image).mean():.0%} wrong')
assert share > .9 and (other == image).all()

cases = {'Delta, >i4': (image.astype('>i4'), dict(filters=delta('>i4'))),
         'Delta, >f4': (image.astype('>f4'), dict(filters=delta('>f4'))),
         'Delta, <u2, bytes in the other order': (image.astype('<u2'), dict(filters=delta('<u2'),
                                                                            serializer=BytesCodec(endian='big'))),
         'Delta, <u2': (image.astype('<u2'), dict(filters=delta('<u2')))}
for name, (x, options) in cases.items():
    share = wrong('case.zarr', x, **options)[0]
    print(f'{name}: {share:.0%} wrong')
    assert share == 0 if name == 'Delta, <u2' else share > .9, name

import numcodecs as v2
share = wrong('v2.zarr', image, zarr_format=2, filters=[v2.Delta(dtype='>u2')])[0]
print(f'Zarr format 2: {share:.0%} wrong')
assert share == 0
END
