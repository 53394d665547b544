#!/usr/bin/env bash
# A mask with names takes the wrong cells: AnnData goes by its order alone
#
# anndata 0.12.19, pandas 2.3.3, NumPy 2.4.6, SciPy 1.17.1.
#
# Cells are often chosen by a table that was sorted or came from another program: a column of True and False with the
# names of the cells. pandas brings such a mask into the order of the table by its names.
# Guess before the first run: AnnData does so too, or refuses names in another order.
#
# Seen: adata[mask] takes the cells at the places where the mask is True and ignores its names. With four cells a to d,
# of which b is wanted, a sorted mask gives another cell; adata.obs[mask] gives b. The same holds along the genes.
# Nothing warns.
#
# Who is hurt: everyone who picks cells by a mask from a table that was sorted, joined or read from elsewhere.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -q --disable-pip-version-check anndata==0.12.19 pandas==2.3.3 numpy==2.4.6 scipy==1.17.1
venv/bin/python -W ignore - <<'END'
import numpy as np
import pandas as pd
from anndata import AnnData

obs = pd.DataFrame(dict(area=[4., 1, 3, 2]), index=list('abcd'))
cells = AnnData(np.arange(4.)[:, None] + [[0, 10, 20, 30]], obs=obs, var=pd.DataFrame(index=list('abcd')))
mask = obs.sort_values('area').area < 1.5        # only b is True; its names go b, d, c, a
pandas, anndata = list(cells.obs[mask].index), list(cells[mask].obs_names)
genes = list(cells[:, mask].var_names)
print(f'mask {mask.to_dict()}: pandas takes {pandas}, AnnData takes the cell {anndata} and the gene {genes}')
assert pandas == ['b'] and anndata == ['a'] and genes == ['a']
print('as described')
END
