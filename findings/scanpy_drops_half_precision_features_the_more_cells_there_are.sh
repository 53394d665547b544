#!/usr/bin/env bash
# scanpy's filter_genes leaves out features in half precision that have counts enough: the more cells, the more features
#
# scanpy 1.11.5, anndata 0.12.19, pandas 2.3.3, NumPy 2.4.6, SciPy 1.17.1, scikit-learn 1.9.1, numba 0.68.1. (scanpy 1.12.4 with
# anndata 0.13.4 and pandas 3.1.1 did the same.)
#
# Cells with 100 features of mean .2 to 4, none negative, as intensities or counts, kept as float16 (dense). filter_genes is
# asked for the features with a mean of at least 1, by min_counts=number of cells; filter_cells for the cells with a sum of at
# least 200; score_genes for a score. All of it for the same cells as float32, too.
# Guess before the first run: the same features, for scanpy takes sums and means in float64 elsewhere (aggregate, scale, PCA).
#
# Seen: of 79 such features all are kept with 1,000 cells, 72 with 5,000, 16 with 20,000 and none with 60,000, no error, no
# warning. A feature's sum is taken cell by cell in float16 and stops growing at some thousands, when a cell's value is less
# than half of the next number. With float32 it's 79 throughout. Cells are kept alike to a percent (sums along a row are short,
# and taken in pairs). score_genes chooses its controls by such means and gives other scores (correlation with those of float32
# .97 with 20,000 cells, .94 with 60,000). calculate_qc_metrics has the same sums (not run here: it is compiled for minutes).
# rank_genes_groups and the variance of aggregate refuse float16 with an error.
#
# Who is hurt: whoever keeps cells in half precision to save memory, as large atlases are, and filters features before anything
# else: a subset on which it was tried is right. adata.X = adata.X.astype('float32') is the remedy.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -q --disable-pip-version-check scanpy==1.11.5 anndata==0.12.19 pandas==2.3.3 numpy==2.4.6 scipy==1.17.1 \
    scikit-learn==1.9.1 numba==0.68.1
venv/bin/python -W ignore - <<'END'
import warnings

import numpy as np
import scanpy as sc
from anndata import AnnData

kept, score = {}, {}
for n in 1000, 5000, 20000, 60000:
    means = np.linspace(.2, 4, 100)
    cells = (np.random.default_rng(0).gamma(4, 1/4, size=(n, 100))*means).astype(np.float16)
    wanted = int((cells.mean(0, dtype=np.float64) >= 1).sum())
    for dtype in np.float16, np.float32:
        table = AnnData(cells.astype(dtype))
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter('always')
            features, _ = sc.pp.filter_genes(table, min_counts=n, inplace=False)
            rows, _ = sc.pp.filter_cells(table, min_counts=200, inplace=False)
        sc.tl.score_genes(table, [str(i) for i in range(70, 90)], ctrl_size=10, n_bins=10, random_state=0)
        name = np.dtype(dtype).name
        kept[n, name], score[n, name] = (int(features.sum()), int(rows.sum())), table.obs.score.to_numpy()
        print(f'{n:6,} cells, {name}: {features.sum()} of {wanted} features kept, {rows.sum():,} cells; '
              f'warnings: {[str(w.message) for w in heard] or "none"}')
        assert not heard
    same = np.corrcoef(score[n, 'float16'], score[n, 'float32'])[0, 1]
    print(f'        correlation of the scores {same:.3f}')
    full, half = kept[n, 'float32'], kept[n, 'float16']
    assert full[0] == wanted and abs(half[1]/full[1] - 1) < .01, 'float32 or the cells are wrong now'
    low, high = {1000: (78, 79), 5000: (65, 76), 20000: (5, 30), 60000: (0, 0)}[n]
    assert low <= half[0] <= high, 'features are added otherwise now'
    assert (same > .999) == (n < 20000), 'scores are other ones now'
print('as described')
END
