#!/usr/bin/env bash
# Embeddings of two widths are put together without a word: the longer one is cut
#
# anndata 0.12.19, pandas 2.3.3, NumPy 2.4.6, SciPy 1.17.1. (0.13.4 with pandas 3.1.1 and NumPy 2.5.5 did the same.)
#
# Cells of two experiments were embedded by two networks, one of 4 and one of 3 numbers, and both files keep the vectors
# in obsm under the name X_embedding. anndata.concat puts the cells of both into one table.
# Guess before the first run: an error, since numbers of two spaces have nothing to do with each other; columns of a table
# may be matched by name, but columns of an array have no names.
#
# Seen: with the default join ('inner') the longer vectors lose their last columns, and all cells have vectors of 3
# numbers; with 'outer' the shorter ones get a last column of NaN. Nothing warns. A table (DataFrame) in obsm whose
# columns stand in another order is matched by its names, as expected.
#
# Who is hurt: everyone who joins cells whose vectors come from two networks, two numbers of principal components, or two
# versions of a pipeline: neighbors and maps are then drawn from the first columns of each, whatever these mean.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -q --disable-pip-version-check anndata==0.12.19 pandas==2.3.3 numpy==2.4.6 scipy==1.17.1
venv/bin/python -W error::UserWarning - <<'END'
import anndata
import numpy as np
import pandas as pd

def cells(names, vectors, columns):
    "Two cells, their vectors, and a table whose columns have names"
    table = pd.DataFrame([[1., 2], [3, 4]], columns=columns, index=names)
    return anndata.AnnData(np.ones((2, 1)), obs=pd.DataFrame(index=names), obsm=dict(X_embedding=vectors, table=table))

a = cells(['a', 'b'], np.arange(8.).reshape(2, 4), ['area', 'light'])
b = cells(['c', 'd'], np.arange(6.).reshape(2, 3), ['light', 'area'])
inner, outer = (anndata.concat([a, b], join=how) for how in ('inner', 'outer'))
print('widths 4 and 3 become', inner.obsm['X_embedding'].tolist())
print('and with join=outer', outer.obsm['X_embedding'].tolist())
assert inner.obsm['X_embedding'].tolist() == [[0, 1, 2], [4, 5, 6], [0, 1, 2], [3, 4, 5]]
assert outer.obsm['X_embedding'].shape == (4, 4) and np.isnan(outer.obsm['X_embedding'][2:, 3]).all()
assert inner.obsm['table'].loc['c', 'area'] == 2 and inner.obsm['table'].loc['a', 'area'] == 1
print('as described')
END
