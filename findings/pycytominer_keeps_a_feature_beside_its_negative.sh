#!/usr/bin/env bash
# pycytominer leaves out features that say the same as another, but keeps a feature beside its own negative
#
# pycytominer 1.7.1, NumPy 2.4.6, pandas 3.1.1, SciPy 1.17.1, scikit-learn 1.9.1.
#
# 300 cells, two independent measurements, and the first twice more: times two (the same in another unit) and times minus
# one (as eccentricity and roundness, or a distance from the edge and one from the center, are nearly).
# Asked: feature_select with correlation_threshold, 0.9, documented as leaving features so that no two have a correlation above.
# Guess before the first run: of three that are one measurement, one stays; with Pearson's and with Spearman's correlation.
#
# Seen: two stay, the measurement and its negative, at 0.9 and 0.5 and with all three correlations: of each pair it asks
# whether the correlation is above the threshold, not its absolute value (which it does use to choose the one of a pair that
# goes). A column that is the other's negative to the last bit is still the same measurement twice: in a cosine or Euclidean
# distance between profiles it counts double, where its copy was left out. Of ten copies with alternating signs two stay.
#
# Who is hurt: whoever selects CellProfiler features with the operation that all its recipes name, and takes what is left as
# not redundant. Ask features.corr().abs() afterwards.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -q --disable-pip-version-check pycytominer==1.7.1 numpy==2.4.6 pandas==3.1.1 scipy==1.17.1 scikit-learn==1.9.1
venv/bin/python - <<'END'
import numpy as np
import pandas as pd
from pycytominer import feature_select

rng = np.random.default_rng(0)
first, other = rng.normal(size=(2, 300))
table = pd.DataFrame(dict(Metadata_Well='A01', Cells_First=first, Cells_Twice=2*first, Cells_Minus=-first, Cells_Other=other))
copies = pd.DataFrame(dict(Metadata_Well='A01', **{f'Cells_{i}': (-1)**i*(i + 1)*first for i in range(10)}))


def left(table, **how):
    "Features that stay"
    kept = feature_select(table, operation='correlation_threshold', **how)
    return [c for c in kept if c.startswith('Cells')]


for method in ('pearson', 'spearman', 'kendall'):
    for threshold in (.9, .5):
        seen = left(table, corr_threshold=threshold, corr_method=method)
        worst = table[seen].corr(method).abs().where(~np.eye(len(seen), dtype=bool)).max().max()
        print(f'{method}, {threshold}: {", ".join(seen)} stay; largest absolute correlation of two of them {worst:.2f}')
        assert len(seen) == 3 and 'Cells_Minus' in seen and worst > .999
seen = left(table.drop(columns='Cells_Minus'))
print(f'without the negative: {", ".join(seen)}')
assert len(seen) == 2
seen = left(copies)
print(f'ten copies with alternating signs: {len(seen)} stay')
assert len(seen) == 2
END
