#!/usr/bin/env bash
# copairs gives mean average precision 1 and a small P value to profiles that say nothing, if many of them are equal
#
# copairs 0.5.5, NumPy 2.4.6, pandas 3.1.1.
#
# 60 proteins with six crops each. The profile of a crop is one of five codes, drawn by lot (one-hot), so that it can't
# tell anything of the protein; then the same with one code for all crops, and with ordinary noise of 16 numbers.
# Guess before the first run: a crop that is as near to crops of its own protein as to those of others can't be ordered,
# so ties count as half right, or lie in some arbitrary order; the mean average precision is then that of noise,
# and about one protein in twenty has P < .05.
#
# Seen: equal neighbors of the same protein are counted before equal neighbors of others, whatever the order of the
# table. All profiles the same: mean average precision 1.000, all 60 proteins significant after correction. One of five
# codes by lot: 0.24 instead of 0.03, and again all of them. The null distribution has no ties, so it
# doesn't see it. Noise of 16 numbers: 0.03 and none; so do the five codes once a hundredth of noise is added to each.
#
# Who is hurt: whoever asks with copairs whether codes, counts, one-hot classes, 8-bit features or the vectors of a
# network with few codes tell proteins or compounds apart: the coarser the profile, the better the answer.
# A little noise on every profile before asking is a way out.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -q --disable-pip-version-check copairs==0.5.5 numpy==2.4.6 pandas==3.1.1 scipy==1.17.1
venv/bin/python -W ignore - 2> log.txt <<'END'
import numpy as np
import pandas as pd
from copairs.map import average_precision, mean_average_precision

rng = np.random.default_rng(0)
crops = pd.DataFrame(dict(protein=np.repeat([f'P{i:02}' for i in range(60)], 6)))


def found(profiles, order=None):
    "Mean average precision, share of proteins that are significant after correction"
    table = crops if order is None else crops.iloc[order].reset_index(drop=True)
    profiles = profiles if order is None else profiles[order]
    each = average_precision(table, profiles, pos_sameby=['protein'], pos_diffby=[], neg_sameby=[], neg_diffby=['protein'])
    mean = mean_average_precision(each, sameby=['protein'], null_size=5000, threshold=.05, seed=0)
    return mean.mean_average_precision.mean(), mean.below_corrected_p.mean()


def say(what, profiles, order=None):
    value, share = found(profiles.astype(np.float32), order)
    print(f'{what}: mean average precision {value:.3f}, significant {share:.0%}')
    return value, share


codes = np.eye(5)[rng.integers(0, 5, len(crops))]
value, share = say('all profiles equal', np.ones((len(crops), 10)))
assert value == 1 and share == 1, 'equal profiles are no longer found'
value, share = say('one of five codes by lot', codes)
assert value > .2 and share > .9, 'ties are counted otherwise now'
again, _ = say('the same, rows in another order', codes, rng.permutation(len(crops)))
assert abs(again - value) < 1e-6, 'the order of the table has an effect now'
value, share = say('the same, a hundredth of noise added', codes + .01*rng.normal(size=codes.shape))
assert value < .06 and share < .1, 'even without ties it is found'
value, share = say('noise of 16 numbers', rng.normal(size=(len(crops), 16)))
assert value < .06 and share < .1, 'noise is found'
print('as described')
END
