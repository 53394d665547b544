"Draw the figures of the long training again, from the network that the package keeps, and compare their tables: `make check-figures`"
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import adjusted_rand_score

FIGURES = Path(__file__).resolve().parent.parent/'figures/simulated'
NEAR = .02   # Largest difference, absolute or relative; another processor rounds sums in another order
# What hangs on the last digits of a processor, though what it shows is the same: places on a map, what is picked by them, the
# order of the tree of codes and the numbers of its clusters; and of claims what repeats their numbers in words
LAYOUT = ('x', 'y', 'left', 'column', 'line', 'place', 'cluster', 'as_1', 'as_2', 'centred_1', 'centred_2', 'here', 'why')
NAMED_BY = dict(fig3a_path='unit', fig2_overview='group', fig2_thumbnails=None, s3_clusters=None)   # rows in an order of their own; None: picked
LOOSE = dict(nuisances_auc=.1)   # codes of an untrained network are at ties everywhere
DOWNLOADED = ('s5_real_fields', 's5_hpa_classes', 's5_real_why', 'claims_60_s5_other_images')   # not without a network
PICKED = dict(fig2_overview=('row', 'r'))   # which crop stands for a group


def of_long(folder=FIGURES):
    "Names of the figures that were drawn in the profile `long`, and the numbers of their notebooks"
    made = json.loads((folder/'manifest.json').read_text())
    names = [n for n, m in made.items() if m['profile'] == 'long']
    return names, sorted({made[n]['notebook'][:2] for n in names})


def difference(
    old:pd.DataFrame, # Table of a committed figure
    new:pd.DataFrame, # The same, drawn again
    name:str='',      # Of the figure
)->str: # Empty if they agree
    "Where two tables differ, apart from their layout. A crop at a tie has another code: of crops one in a hundred may differ, of codes the sums"
    key = NAMED_BY.get(name, 'code' if 'code' in old else '')
    if list(old) != list(new): return f'{list(old)} before, {list(new)} now'
    if key is None: return ''
    if len(old) != len(new): return f'{len(old)} rows before, {len(new)} now'
    if key:
        if set(old[key]) != set(new[key]): return f'{key} names others'
        old, new = (t.sort_values(key, ignore_index=True) for t in (old, new))
    if key == 'code' and 'cluster' in old and old.cluster.notna().all() and (same := adjusted_rand_score(old.cluster, new.cluster)) < .9:
        return f'clusters: adjusted Rand index {same:.2f}'
    for c in old:
        if c.startswith('umap') or c in LAYOUT + PICKED.get(name, ()): continue
        a, b = old[c], new[c]
        if not (pd.api.types.is_numeric_dtype(a) and pd.api.types.is_numeric_dtype(b)):
            if not (a.fillna('').astype(str) == b.fillna('').astype(str)).all(): return f'{c} names others'
        elif key == 'code':
            if (by := (a - b).abs().sum()/max(a.abs().sum(), 1e-9)) > NEAR: return f'{c}: {by:.0%} of its sum'
        elif (far := ~np.isclose(a, b, NEAR, LOOSE.get(name, NEAR), equal_nan=True)).mean() > (.01 if len(a) > 300 else 0):
            return f'{c}: {far.sum()} of {len(a)} apart, up to {np.nanmax(np.abs(a - b)):.3g}'
    return ''


def compared(
    new,       # Folder of the figures that were drawn again
    names,     # Of these figures
    notebooks, # Numbers of their notebooks, whose claims are compared too
)->dict: # Name -> where its table differs, empty if it agrees, None where a download is missing
    "The tables of all figures, and the values and verdicts of all claims"
    def of(name):
        if name in DOWNLOADED and not (new/f'{DOWNLOADED[0]}.csv').exists(): return None
        if not (new/f'{name}.csv').exists(): return 'not drawn'
        return difference(*(pd.read_csv(f/f'{name}.csv') for f in (FIGURES, new)), name)
    claims = [f.stem for k in notebooks for f in sorted(FIGURES.glob(f'claims_{k}_*.csv'))]
    return {n: of(n) for n in [*names, *claims]}


def main():
    names, notebooks = of_long()
    if not names: return print('no figure of the profile long is committed')
    with tempfile.TemporaryDirectory() as out:
        env = os.environ | dict(CYTOSELF_NB_OUT=os.environ.get('CYTOSELF_NB_OUT') or out)
        subprocess.run([sys.executable, '-m', 'cytoself_nb.pipeline', '--profile', 'long', '--only', ','.join(notebooks)], env=env, check=True)
        said = compared(Path(env['CYTOSELF_NB_OUT'])/'figures/simulated', names, notebooks)
    for n, why in said.items(): print(f'{n}: {"left out, it needs a download" if why is None else why or "as committed"}')
    bad, left = sum(map(bool, said.values())), list(said.values()).count(None)
    print(f'{len(said) - bad - left} of {len(said)} tables as committed' + (f', {left} left out' if left else ''))
    sys.exit(bool(bad))


if __name__ == '__main__': main()
