#!/usr/bin/env bash
# HDBSCAN finds six clusters and approximate_predict asks six others: the very rows of the training get other labels, or none
#
# hdbscan 0.8.44, scikit-learn 1.9.1, SciPy 1.17.1, NumPy 2.4.6.
#
# Six groups that lie far apart, of 240 rows each. In twenty data sets each group is made of eight rows of thirty copies, as
# vectors of few codes are, or as many crops of one cell; in twenty more the copies differ by a millionth; in twenty controls
# no row is near another. HDBSCAN learns them (min_samples=5, min_cluster_size=50, prediction_data=True) and is then asked
# for the same rows, as it would be for new cells.
# Guess before the first run: a row of the training gets the label that it has, with copies or without.
#
# Seen: 59 of the sixty data sets are clustered without fault, one nearly so. Without copies the answers are the same labels.
# With copies they differ in twelve data sets of twenty, and with nearly equal rows in thirteen; on average a quarter of the
# rows gets another cluster's number or none, in the worst data set all of them, without a word. The label of the nearest row
# of the training is right everywhere. Others report this with cluster_selection_epsilon (hdbscan #375, #586); it isn't set here.
#
# Who is hurt: whoever lays new cells into known clusters of an embedding.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -q --disable-pip-version-check hdbscan==0.8.44 scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6
venv/bin/python -W ignore - 2> log.txt <<'END'
import hdbscan
import numpy as np
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import KNeighborsClassifier


def asked_again(seed, copies, apart=0.):
    rng = np.random.default_rng(seed)
    middles = rng.normal(size=(6, 8))*10
    rows = np.repeat(middles, 240//copies, 0)
    rows = np.repeat(rows + rng.normal(size=rows.shape), copies, 0)
    rows = rows + rng.normal(size=rows.shape)*apart
    found = hdbscan.HDBSCAN(min_samples=5, min_cluster_size=50, prediction_data=True).fit(rows)
    labels, _ = hdbscan.approximate_predict(found, rows)
    nearest = KNeighborsClassifier(1).fit(rows, found.labels_).predict(rows)
    return (adjusted_rand_score(np.repeat(np.arange(6), 240), found.labels_), (labels == found.labels_).mean(),
            (nearest == found.labels_).mean())


different = {}
for name, how in {'no copies': (1,), '30 copies': (30,), '30 nearly equal': (30, 1e-6)}.items():
    found, same, nearest = np.array([asked_again(seed, *how) for seed in range(20)]).T
    different[name] = int((same < 1).sum())
    print(f'{name}: clusters right in {(found == 1).sum()} of 20 data sets; asked again, other labels in {different[name]} of them, '
          f'same label {same.mean():.0%} of rows, at least {same.min():.0%}; by the nearest row {nearest.mean():.0%}')
    assert (found == 1).sum() >= 19 and (nearest == 1).all(), 'the clusters are found otherwise now'
assert different['no copies'] == 0, 'ordinary rows get other labels, too'
assert different['30 copies'] >= 5 and different['30 nearly equal'] >= 5, 'rows with copies keep their labels now'
print('as described')
END
