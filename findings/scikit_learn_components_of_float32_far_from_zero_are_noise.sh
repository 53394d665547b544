#!/usr/bin/env bash
# Principal components of float32 features far from zero: right for 500 cells, noise for 6,000
#
# scikit-learn 1.9.1, SciPy 1.17.1, NumPy 2.4.6.
#
# Sixty features of cells around 1000 (camera counts, areas, positions), float32 as image programs give them, whose spread is
# a few. They hold one true direction of twice the spread of the others. PCA() is asked with its defaults.
# Guess before the first run: PCA centers first, so that the middle does not matter and more cells only help; the page of
# the class says that the covariance is computed on centered data.
#
# Seen: with 500 cells the first component is the true one. With 6,000 it is another: 19 times too much variance, and nearly
# across the true direction (spread 1; at a spread of 3 still 0.28 of it). Ten times more cells than features turn the
# default to the solver covariance_eigh, which takes the product of the raw features and subtracts the means afterwards: in
# float32 nothing is left of the spread. At a spread of 20 it is right. So are svd_solver='full', float64, and centering
# beforehand. No warning.
#
# Who is hurt: whoever takes components of image features in float32 and gets more cells. The better the experiment, the
# worse. Hand over float64. (Our correction of days did not; it does now, and a test keeps it so.)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -q --disable-pip-version-check scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6
venv/bin/python -W error - <<'END'
import numpy as np
from sklearn.decomposition import PCA

true = np.r_[np.ones(30), -np.ones(30)]/60**.5


def features(cells, spread, middle=1000):
    "Unit noise, and two in the true direction, times the spread, around a middle"
    rng = np.random.default_rng(0)
    return (middle + spread*(rng.normal(size=(cells, 60)) + 2*rng.normal(size=(cells, 1))*true)).astype(np.float32)


def first(x, spread, **options):
    "Variance of the first component in units of the spread, its share of the true direction, the solver"
    pca = PCA(5, **options).fit(x)
    return pca.explained_variance_[0]/spread**2, abs(float(pca.components_[0] @ true)), pca._fit_svd_solver


found = {}
for cells, spread in ((500, 1), (6000, 1), (6000, 3), (6000, 20)):
    x = features(cells, spread)
    kinds = dict(float32=(x, {}), full=(x, dict(svd_solver='full')), float64=(x.astype(float), {}),
                 centered=(x - x.mean(0, dtype=float).astype(np.float32), {}))
    for kind, (v, options) in kinds.items():
        variance, share, solver = found[cells, spread, kind] = first(v, spread, **options)
        print(f'{cells} cells, spread {spread}, {kind} ({solver}): first component has variance {variance:.2f}, its '
              f'direction is the true one by {share:.2f}')
        if kind != 'float32': assert 4.5 < variance < 5.6 and share > .95
assert found[500, 1, 'float32'][1] > .95 and found[6000, 20, 'float32'][1] > .95
assert found[6000, 1, 'float32'][0] > 15 and found[6000, 1, 'float32'][1] < .5, 'components in float32 are right now'
END
