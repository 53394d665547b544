#!/usr/bin/env bash
# A graph of signed similarities: igraph reads a negative weight as 0 from a sparse matrix, and as it is from a dense one
#
# igraph 1.0.0, SciPy 1.17.1, NumPy 2.4.6.
#
# Correlations of protein profiles have a sign, and who keeps only the strongest of each protein holds them in a sparse
# matrix. Graph.Weighted_Adjacency takes both kinds. The matrix is symmetric, so that every mode for undirected graphs but
# `plus` has to give the same weights: which of two equal numbers is taken cannot matter.
# Guess before the first run: the graph of the sparse matrix is that of the dense one.
#
# Seen: by the modes `undirected` (which igraph treats as `max`) and `max`, each negative weight of the sparse matrix is 0,
# while its edge is there; the other edges are right. `min`, `upper`, `lower`, `plus` and `directed` keep the sign, and so
# does every mode of the dense matrix. No error, no warning. The number of edges gives no hint.
#
# Who is hurt: whoever clusters proteins by signed correlations (two that avoid each other become two that have nothing to
# say), or sums the weights of a protein. Use mode='upper', or check that g.es['weight'] still has its negative numbers.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -q --disable-pip-version-check igraph==1.0.0 scipy==1.17.1 numpy==2.4.6
venv/bin/python -W error - <<'END'
import igraph
import numpy as np
import scipy.sparse as sp

profiles = np.random.default_rng(0).normal(size=(40, 12)) + np.repeat(np.random.default_rng(1).normal(size=(8, 12)), 5, 0)
r = np.corrcoef(profiles)
r[np.abs(r) < .4] = 0   # the strong ones, of both signs
np.fill_diagonal(r, 0)
r = np.triu(r) + np.triu(r).T
assert (r == r.T).all()


def weights(matrix, mode):
    "The weights as a table again"
    g = igraph.Graph.Weighted_Adjacency(matrix, mode=mode)
    out = np.zeros(r.shape)
    for e in g.es: out[e.tuple] = out[e.tuple[::-1]] = e['weight']
    return out, g.ecount()


edges, negative = int((np.triu(r) != 0).sum()), int((np.triu(r) < 0).sum())
print(f'{edges} pairs, {negative} of them negative')
for mode in ('undirected', 'max', 'min', 'upper', 'lower'):
    (dense, n), (sparse, m) = weights(r, mode), weights(sp.csr_matrix(r), mode)
    off = dense != sparse
    print(f'{mode}: dense {"right" if (dense == r).all() else "wrong"}, {n} edges; sparse {int(np.triu(off).sum())} of {m} '
          f'edges differ, sum of weights {np.triu(dense).sum():.2f} and {np.triu(sparse).sum():.2f}')
    assert (dense == r).all() and n == m == edges
    if mode in ('undirected', 'max'): assert (off == (r < 0)).all() and not sparse[off].any(), 'signs are kept now'
    else: assert not off.any()
END
