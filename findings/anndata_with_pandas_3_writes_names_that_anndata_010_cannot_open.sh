#!/usr/bin/env bash
# Tables written with pandas 3 can't be opened by AnnData 0.10, although they hold nothing new
#
# Writer: anndata 0.13.4, pandas 3.1.1, NumPy 2.5.5 (Python 3.12 or newer). Reader: anndata 0.10.9 (of scanpy 1.10),
# pandas 2.2.3, NumPy 1.26.4, where there is a Python 3.11 or 3.12.
#
# pandas 3 has a text type of its own, and AnnData writes it as nullable-string-array, a kind that 0.11 brought.
# Guess before the first run: this kind is used where a text column has gaps; names of cells and of genes, which can't
# have any, are written as string-array as ever, so that a table of numbers still opens everywhere.
#
# Seen: the names of cells and genes are written so in every file, so the smallest AnnData of one number can't be opened:
# IORegistryError, no read method for nullable-string-array. Text columns whose values repeat are no trouble, they become
# categories, which are written as string-array. An index of the type object is written as string-array, and the same
# table then opens.
#
# Who is hurt: everyone whose colleague has an older scanpy; the writer sees no warning.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
new=$(command -v python3.14 || command -v python3.13 || command -v python3.12)
old=$(command -v python3.11 || command -v python3.12)
"${NEW_PYTHON:-$new}" -m venv new
"${OLD_PYTHON:-$old}" -m venv old
new/bin/pip install -q --disable-pip-version-check anndata==0.13.4 pandas==3.1.1 numpy==2.5.5
old/bin/pip install -q --disable-pip-version-check anndata==0.10.9 pandas==2.2.3 numpy==1.26.4
new/bin/python -W ignore - <<'END'
import h5py
import numpy as np
import pandas as pd
from anndata import AnnData

def write(file, names):
    AnnData(np.ones((3, 1), 'f4'), obs=pd.DataFrame(dict(place=['er', 'golgi', 'er']), index=names('abc')),
            var=pd.DataFrame(index=names('g'))).write_h5ad(file)
    with h5py.File(file) as f:
        return {k: f[k].attrs['encoding-type'] for k in ('obs/_index', 'var/_index', 'obs/place/categories') if k in f}

plain = write('plain.h5ad', list)
objects = write('objects.h5ad', lambda s: pd.Index(list(s), dtype=object))
print('plain', plain)
print('objects', objects)
assert plain['obs/_index'] == plain['var/_index'] == 'nullable-string-array'
assert objects['obs/_index'] == objects['var/_index'] == 'string-array'
END
old/bin/python -W ignore - <<'END'
from anndata import read_h5ad

print('objects.h5ad in AnnData 0.10.9:', list(read_h5ad('objects.h5ad').obs_names))
try: read_h5ad('plain.h5ad')
except Exception as e: print('plain.h5ad in AnnData 0.10.9:', type(e).__name__, str(e).split(' from ')[0])
else: raise SystemExit('plain.h5ad opens: this has changed')
print('as described')
END
