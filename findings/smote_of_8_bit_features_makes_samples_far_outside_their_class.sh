#!/usr/bin/env bash
# SMOTE of features of 8 or 16 bits makes samples outside of the two it says it draws between, anywhere in their type
#
# imbalanced-learn 0.14.2, scikit-learn 1.9.1, SciPy 1.17.1, NumPy 2.4.6.
#
# 200 common cells and 20 rare ones with ten features of whole numbers, the rare around 150, between 130 and 170. SMOTE draws
# new rare cells between a rare cell and one of its neighbors, so that none can lie outside of their range. Asked for the same
# numbers as uint8 (pixels, gray values), uint16 (intensities), int64 and float32.
# Guess before the first run: the same new cells in all types, cut to whole numbers where the type has no others.
#
# Seen: with int64 and float32 all new values lie within the range of the rare cells. With uint8 44 % of the values
# lie outside, from 0 to 254, and with uint16 48 %, up to 65,056: the difference of the two cells
# is taken in their own type, in which 140 - 150 is 246 or 65,526. SVMSMOTE does the same. RandomOverSampler with shrinkage
# does not. No error, no warning; the type of the result is that of the input.
#
# Who is hurt: whoever balances classes of images or of measurements kept in few bits: the rare class becomes noise
# from black to white, and a classifier learns that noise. Hand over floats or int64.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -q --disable-pip-version-check imbalanced-learn==0.14.2 scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6
venv/bin/python - <<'END'
import warnings

import numpy as np
from imblearn.over_sampling import SMOTE, SVMSMOTE, RandomOverSampler

rng = np.random.default_rng(0)
x = np.r_[rng.normal(100, 5, (200, 10)), rng.normal(150, 5, (20, 10))].round()
kinds = np.r_[np.zeros(200, int), np.ones(20, int)]
low, high = x[200:].min(0), x[200:].max(0)
assert x.min() > 0 and x.max() < 256

outside = {}
for sampler in (SMOTE(random_state=0), SVMSMOTE(random_state=0), RandomOverSampler(random_state=0, shrinkage=.1)):
    name = type(sampler).__name__
    for kind in (np.uint8, np.uint16, np.int64, np.float32):
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter('always')
            new, labels = sampler.fit_resample(x.astype(kind), kinds)
        assert not any(issubclass(w.category, RuntimeWarning) for w in said), said
        assert (new[:220] == x).all() and (labels[220:] == 1).all()
        made = new[220:].astype(float)
        margin = 0 if name == 'SMOTE' else 10   # the others may step a little beyond the class
        outside[name, kind] = off = ((made < low - margin) | (made > high + margin)).mean()
        print(f'{name}, {kind.__name__}: {len(made)} new cells from {made.min():.0f} to {made.max():.0f} (rare cells: '
              f'{low.min():.0f} to {high.max():.0f}), mean {made.mean():.1f}; {100*off:.0f} % outside, warnings: {len(said)}')
for name in ('SMOTE', 'SVMSMOTE', 'RandomOverSampler'): assert outside[name, np.int64] == outside[name, np.float32] == 0
assert outside['RandomOverSampler', np.uint8] == 0
for kind in (np.uint8, np.uint16): assert outside['SMOTE', kind] > .25 and outside['SVMSMOTE', kind] > .05, 'SMOTE is right now'
END
