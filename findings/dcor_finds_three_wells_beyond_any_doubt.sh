#!/usr/bin/env bash
# dcor's permutation test of three wells against three says P = 0.0001 where no permutation test can say less than 0.1
#
# dcor 0.7, SciPy 1.17.1, NumPy 2.4.6.
#
# Profiles of three treated and three control wells, far apart: does the treatment change them? Energy distance with
# permutations, the usual question of a screen. Six wells can be parted in ten ways into three and three, and the one that was
# seen is always among them, so no P is below 1/10, however many permutations are drawn. Two against two: 1/3.
# Guess before the first run: P near 0.1, of two against two near 0.33, with any number of permutations.
#
# Seen: P is 1 / (1 + number of permutations): 0.001 of 999, 0.0001 of 9,999, for three against three and for two against two
# as well. Permutations that give back the very groups that were seen are counted as if they were less far apart. Where
# treatment does nothing, 100 comparisons of three with three give P = 0.01 of 99 permutations six times; more permutations
# make that P smaller, not rarer. A sample against its own copy, which nothing can be nearer to, gets P = 0.64 instead of 1.
# SciPy's permutation test with dcor's own energy distance says 0.1 and 0.33.
#
# Who is hurt: screens with two to four replicates, where most tests of this kind are made: of compounds without
# effect up to one in ten passes any correction for many tests, as soon as enough permutations are drawn. Hand
# dcor.energy_distance to scipy.stats.permutation_test instead.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -q --disable-pip-version-check dcor==0.7 scipy==1.17.1 numpy==2.4.6
venv/bin/python - <<'END'
import dcor
import numpy as np
from scipy.stats import permutation_test


def energy_p(x, y, permutations):
    return dcor.homogeneity.energy_test(x, y, num_resamples=permutations, random_state=0).pvalue


def exact_p(x, y):
    "SciPy's test over all ways to part the wells, of the same distance"
    wells = np.r_[x, y]
    distance = lambda i, j: float(dcor.energy_distance(wells[i.astype(int)], wells[j.astype(int)]))
    rows = np.arange(len(wells), dtype=float)
    return permutation_test((rows[:len(x)], rows[len(x):]), distance, n_resamples=np.inf, alternative='greater').pvalue


rng = np.random.default_rng(0)
for n, least in ((2, 1/3), (3, 1/10)):
    control, treated = rng.normal(0, 1, (n, 5)), rng.normal(6, 1, (n, 5))
    few, many, right = energy_p(control, treated, 999), energy_p(control, treated, 9_999), exact_p(control, treated)
    print(f'{n} wells against {n}: P = {few:g} of 999 permutations, {many:g} of 9,999; SciPy {right:.2f}, '
          f'the least possible {least:.2f}')
    assert abs(few - 1/1_000) < 1e-9 and abs(many - 1/10_000) < 1e-9 and abs(right - least) < 1e-9

pairs = [(rng.normal(size=(3, 5)), rng.normal(size=(3, 5))) for _ in range(100)]
least = sum(energy_p(x, y, 99) < .011 for x, y in pairs)
print(f'three against three without any effect: P = 0.01 in {least} of 100')
assert 4 <= least <= 18

same = rng.integers(0, 2, (10, 1)).astype(float)
p = energy_p(same, same.copy(), 999)
print(f'a sample against its copy: P = {p:.2f}')
assert p < .8
END
