#!/usr/bin/env bash
# UMAP with random_state draws another map each time, in one process, when as many rows as it has neighbors are equal
#
# umap-learn 0.5.12, SciPy 1.17.1 (1.16.3 beside it), numba 0.68.1, scikit-learn 1.9.1, NumPy 2.4.6.
#
# 600 rows of noise and, apart from them, 16 equal rows: as many as the default of 15 neighbors and the row itself, so
# that they are a part of the graph of their own in which all are alike. random_state=0 and n_jobs=1, three times.
# Guess before the first run: with a seed and one thread the map is the same to the last bit, as the page on
# reproducibility says.
#
# Seen: three calls give three maps, some units apart, with both. UMAP starts from eigenvectors and hands SciPy a first
# vector; where that vector spans nothing more (all rows alike), ARPACK goes on from random numbers of its own: in 1.17.1
# taken from the operating system unless rng is given, before that counted on from call to call. UMAP's seed doesn't
# reach them. With rng handed to scipy.sparse.linalg.eigsh (1.17.1) maps are equal; without the equal rows they are, too.
# No error, no warning.
#
# Who is hurt: whoever draws codes of a quantized network, counts or treatments that repeat: a figure can't be drawn
# again, and a score on maps of one seed is spread as much as over several. Until UMAP hands its seed on: give init an
# array, or wrap scipy.sparse.linalg.eigsh with an rng.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > maps.py <<'END'
import inspect

import numpy as np
import scipy
import scipy.sparse.linalg as linalg
from umap import UMAP


def apart(n):
    "Largest difference of three maps of one seed, of noise and n equal rows far from it"
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(600, 10)), np.repeat(rng.normal(size=(1, 10)) + 40, n, 0)]).astype(np.float32)
    maps = [UMAP(random_state=0, n_jobs=1, n_epochs=20).fit_transform(X) for _ in range(3)]
    return max(float(np.abs(m - maps[0]).max()) for m in maps)


def say(what, far): print(f'SciPy {scipy.__version__}, {what}: three maps of one seed differ by up to {far:.2f}')


say('16 equal rows', equal := apart(16))
say('one row', single := apart(1))
assert equal > .01 and single == 0, 'this has changed'
if 'rng' in inspect.signature(own := linalg.eigsh).parameters:
    linalg.eigsh = lambda *a, **k: own(*a, **k, rng=0)
    say('16 equal rows, rng given to eigsh', given := apart(16))
    assert given == 0, 'the seed no longer helps'
END
for scipy in 1.16.3 1.17.1; do
    "${PYTHON:-python3}" -m venv "venv-$scipy"
    "venv-$scipy/bin/pip" install -q --disable-pip-version-check umap-learn==0.5.12 "scipy==$scipy" numba==0.68.1 scikit-learn==1.9.1 numpy==2.4.6
    "venv-$scipy/bin/python" -W ignore maps.py 2> log.txt
done
