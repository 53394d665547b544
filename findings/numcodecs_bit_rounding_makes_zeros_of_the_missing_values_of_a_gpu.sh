#!/usr/bin/env bash
# Bit rounding keeps the missing values of NumPy, turns those of an NVIDIA GPU into zeros and those of R into infinity
#
# numcodecs 0.16.6, zarr 3.1.6, NumPy 2.4.6.
#
# A ratio of two channels, missing (0/0) outside the cells, stored in Zarr with BitRound, which keeps 10 bits of the fraction so
# that arrays of floats become small. There are many NaN: NumPy's own is 7fc00000, an Intel processor makes ffc00000 of 0/0, an
# NVIDIA GPU 7fffffff (so its programming guide, for single precision), and the missing number NA of R ends in 1954. NumPy's
# isnan says yes to all. They are written here by their bits; no GPU and no R was used.
# Guess before the first run: a NaN stays a NaN, whoever made it, or all are refused.
#
# Seen: those of NumPy and of the processor stay. The GPU's become -0 (0 if they have a sign): the rounding adds half a
# step to the bits, and where all bits of the fraction are ones the carry runs through the exponent into the sign. So do the NaN
# of float16 and float64 that are all ones. NA of R becomes infinity, for its bits are at the end, which is cut off. All without
# a word, with every number of kept bits below the full one. The missing 41% then count as zeros: the mean of the ratio is .71
# and not 1.20. Numbers change by less than a thousandth, as they should.
#
# Who is hurt: whoever computes ratios, masked images or features on a GPU and saves them rounded: the same program on a
# processor keeps its gaps. Write x[np.isnan(x)] = np.nan before.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -q --disable-pip-version-check numcodecs==0.16.6 zarr==3.1.6 numpy==2.4.6
venv/bin/python - <<'END'
import numpy as np
import zarr
from numcodecs import BitRound

rng = np.random.default_rng(0)
y, x = np.mgrid[:128, :128]
cell = (y % 32 - 16)**2 + (x % 32 - 16)**2 < 14**2
makers = dict(NumPy=0x7fc00000, processor=0xffc00000, GPU=0x7fffffff, GPU_with_sign=0xffffffff)


def ratio(bits):
    "Cells with a ratio near 1.2, and the given missing value around them"
    a = rng.normal(1.2, .1, cell.shape).astype('f4')
    a.view('u4')[~cell] = bits
    assert (np.isnan(a) == ~cell).all()
    return a


def stored(a):
    "What zarr reads after it wrote with bit rounding"
    z = zarr.create_array({}, shape=a.shape, chunks=(64, 64), dtype=a.dtype, zarr_format=2, filters=[BitRound(10)])
    z[:] = a
    return z[:]


kept = {}
for name, bits in makers.items():
    a = ratio(bits)
    b = stored(a)
    kept[name] = float(np.isnan(b[~cell]).mean())
    print(f'{name} ({bits:08x}): {kept[name]:.0%} of missing values stay, others are {np.unique(b[~np.isnan(b) & ~cell])}; '
          f'mean {np.nanmean(a):.2f} before, {np.nanmean(b):.2f} after')
    assert abs(b[cell]/a[cell] - 1).max() < 1e-3
print(f'missing: {(~cell).mean():.0%} of pixels')
again = ratio(makers['GPU'])
again[np.isnan(again)] = np.nan
print(f'GPU, with NumPy\'s NaN written over: {np.isnan(stored(again)[~cell]).mean():.0%} stay')

for float_, whole, ones, tries in (('f2', 'u2', 0x7fff, range(10)), ('f4', 'u4', 0x7fffffff, range(1, 23)),
                                   ('f8', 'u8', 0x7fffffffffffffff, range(1, 52))):
    v = np.array([ones], whole).view(float_)
    assert np.isnan(v).all()
    out = [BitRound(k).encode(v.copy()).view(float_)[0] for k in tries if k]
    print(f'{float_}, all ones: 0 with {sum(o == 0 for o in out)} of {len(out)} numbers of bits')
    assert all(o == 0 for o in out), 'missing values of all ones stay now'
missing = np.array([0x7ff00000000007a2], 'u8').view('f8')
assert np.isnan(missing).all()
out = BitRound(20).encode(missing.copy()).view('f8')
print(f'NA of R, 20 bits: {out[0]}')
assert np.isinf(out).all(), 'NA of R stays now'
assert kept['NumPy'] == kept['processor'] == 1 and np.isnan(stored(again)[~cell]).all()
assert kept['GPU'] == kept['GPU_with_sign'] == 0, 'missing values of a GPU stay now'
END
