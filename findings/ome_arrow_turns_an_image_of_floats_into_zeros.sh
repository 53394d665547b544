#!/usr/bin/env bash
# OME-Arrow keeps 16 bits of every image: floats from 0 to 1 become zeros, and all cells beyond 65,535 become one cell
#
# ome-arrow 0.1.0, bioio 3.6.0 (bioio-ome-tiff 1.4.0), pyarrow 26.0.1, tifffile 2026.3.3, NumPy 2.4.6.
#
# Four images are put into OME-Arrow records, from memory and from OME-TIFF files, and taken out again: a picture scaled to
# 0 to 1 (float32), one with its background taken off (int16, negative pixels), labels of 70,000 cells (uint32), and the raw
# picture (uint16).
# Guess before the first run: what comes out has the pixels and the type that went in; what can't be kept is refused.
#
# Seen: everything comes out as uint16, without a word. The scaled picture is zero but for pixels of exactly 1, negative
# pixels are 0, and the 4,466 cells from 65,535 on are one. Clamping is a documented option and on by default. With it off,
# negative pixels and large labels are refused, but the scaled picture is again all zero, although the record says float32
# and float32 is asked for. Records of chunk_encoding="bytes" with clamping off keep every pixel; the type must be asked for,
# as what comes out is else uint16 again.
#
# Who is hurt: whoever files prepared pictures, probability maps or masks of large slides beside tables of features.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -q --disable-pip-version-check ome-arrow==0.1.0 pyarrow==26.0.1 tifffile==2026.3.3 numpy==2.4.6 pandas==3.1.1 \
    bioio==3.6.0 bioio-base==3.5.0 bioio-ome-tiff==1.4.0 bioio-tifffile==1.3.1 bioio-ome-zarr==3.8.1 zarr==3.1.6 ome-types==0.7.0
venv/bin/python -W ignore - 2> log.txt <<'END'
import numpy as np
import tifffile
from ome_arrow import from_numpy, from_tiff, to_numpy

rng = np.random.default_rng(0)
raw = rng.integers(100, 4001, (280, 250)).astype(np.uint16)
images = {'raw': raw, 'scaled': (raw/4000).astype(np.float32), 'background off': raw.astype(np.int16) - np.int16(2000),
          'labels': np.arange(1, 70001, dtype=np.uint32).reshape(raw.shape)}
kept = {'raw': raw, 'scaled': images['scaled'] == 1, 'background off': np.maximum(images['background off'], 0),
        'labels': np.minimum(images['labels'], 65535)}
for name, image in images.items():
    tifffile.imwrite('image.ome.tif', image, metadata=dict(axes='YX'))
    for source, record in (('memory', from_numpy(image, dim_order='YX')), ('file', from_tiff('image.ome.tif'))):
        out = to_numpy(record).squeeze()
        print(f'{name}, from {source}: {image.dtype}, {len(np.unique(image)):,} values, {image.min():.4g} to {image.max():.4g}; '
              f'back as {out.dtype}, {len(np.unique(out)):,} values, {out.min()} to {out.max()}')
        assert out.dtype == np.uint16 and (out == kept[name]).all(), 'it is kept otherwise now'

refused = []
for name, image in images.items():
    try: record = from_numpy(image, dim_order='YX', clamp_to_uint16=False)
    except (OverflowError, ValueError): refused.append(name)   # pyarrow's error is a ValueError
    else:
        out = to_numpy(record, dtype=image.dtype).squeeze()
        print(f'{name}, clamping off: the record says {record["pixels_meta"]["type"]}; {(out == image).mean():.0%} of pixels right')
        assert (out == kept[name]).all(), 'it is kept otherwise now'
    record = from_numpy(image, dim_order='YX', clamp_to_uint16=False, chunk_encoding='bytes')
    assert (to_numpy(record, dtype=image.dtype).squeeze() == image).all(), 'bytes change the image now'
print('clamping off, refused:', refused, '- as bytes, and the type asked for: all right')
assert refused == ['background off', 'labels']
print('as described')
END
