#!/usr/bin/env bash
# UMAP.update draws new rows among strangers, where transform and a new fit draw them among their own kind
#
# umap-learn 0.5.12, NumPy 2.4.6, SciPy 1.17.1, scikit-learn 1.9.1, numba 0.68.1.
#
# 600 rows in six groups that lie far apart in 20 dimensions, and 100 further rows of the same groups. Asked of three
# ways to bring the new rows onto the map: of which group is the nearest old row on the map?
# Guess before the first run: the groups can't be mixed up, so all three name the group of every new row; update is the
# one that may move old rows a little, as it goes on from where they are.
#
# Seen, seeds 0 to 2: transform and a new fit of all 700 rows name the group of each; update of 37 to 69 percent
# in two runs (17 by chance), and all old rows lie elsewhere. Unless n_epochs was given to UMAP, update takes no step at all: it
# stretches the old map into a square of ten units and leaves each new row where it would begin, at the mean of its neighbors'
# places divided by the number of dimensions of the map, so halfway to the origin. With n_epochs=200 all are at home.
# Nothing is said, and the points look like a mixture of groups.
#
# Who is hurt: whoever adds the cells of a new plate to a map by update, and reads a protein's place from it.
# transform, a new fit of all rows, or n_epochs is the way.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -q --disable-pip-version-check umap-learn==0.5.12 numba==0.68.1 numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1
venv/bin/python -W ignore - <<'END'
import numpy as np
import umap


def groups(centers, n, rng):
    "Rows around centers, and of which group each is"
    group = rng.integers(0, len(centers), n)
    return (centers[group] + rng.normal(size=(n, centers.shape[1]))).astype(np.float32), group


def named(new, group, old, groups_of_old):
    "Share of new points whose nearest old point on the map is of their group"
    nearest = ((new[:, None] - old[None])**2).sum(-1).argmin(1)
    return (groups_of_old[nearest] == group).mean()


for seed in range(3):
    rng = np.random.default_rng(seed)
    centers = 6*rng.normal(size=(6, 20))
    (old, of_old), (new, of_new) = groups(centers, 600, rng), groups(centers, 100, rng)
    def updated(**settings):
        "Share of new rows named after update, old places before and after it, share named by transform"
        model = umap.UMAP(random_state=seed, n_jobs=1, **settings).fit(old)
        before = model.embedding_.copy()
        by_transform = named(model.transform(new), of_new, before, of_old)
        model.update(new)
        after = model.embedding_
        return named(after[600:], of_new, after[:600], of_old), before, after[:600], by_transform
    by_update, before, after, by_transform = updated()
    given, *_ = updated(n_epochs=200)
    again = umap.UMAP(random_state=seed, n_jobs=1).fit(np.vstack([old, new])).embedding_
    by_fit = named(again[600:], of_new, again[:600], of_old)
    square = (before - before.min(0))/np.ptp(before, axis=0)
    stretched = np.abs((after - after.min(0))/np.ptp(after, axis=0) - square).max()
    print(f'seed {seed}: new rows beside their own group: transform {by_transform:.0%}, new fit {by_fit:.0%}, update {by_update:.0%}, '
          f'update with n_epochs=200 {given:.0%}; old map, stretched alike, differs by {stretched:.1g}')
    assert by_transform == by_fit == 1 and given > .95, 'the groups are not apart'
    assert by_update < .85 and stretched < .01, 'update draws otherwise now'
END
