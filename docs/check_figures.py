"Draw the figures of the long training again, from the network that the package keeps, and compare their tables: `make check-figures`"
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

FIGURES = Path(__file__).resolve().parent.parent/'figures/simulated'
NEAR = .02   # Largest difference, absolute or relative; another processor rounds sums in another order


def of_long(folder=FIGURES):
    "Names of the figures that were drawn in the profile `long`, and the numbers of their notebooks"
    made = json.loads((folder/'manifest.json').read_text())
    names = [n for n, m in made.items() if m['profile'] == 'long']
    return names, sorted({made[n]['notebook'][:2] for n in names})


def difference(
    old:pd.DataFrame, # Table of a committed figure
    new:pd.DataFrame, # The same, drawn again
)->str: # Empty if they agree
    "Where two tables differ; places on a map are not compared, since they depend on the machine"
    if list(old) != list(new) or len(old) != len(new): return f'{len(old)} x {list(old)} before, {len(new)} x {list(new)} now'
    for c in old:
        if c.startswith('umap') or c in ('x', 'y', 'left', 'column', 'line'): continue
        a, b = old[c], new[c]
        if pd.api.types.is_numeric_dtype(a) and pd.api.types.is_numeric_dtype(b):
            if not np.allclose(a, b, NEAR, NEAR, equal_nan=True): return f'{c}: up to {np.nanmax(np.abs(a - b)):.3g} apart'
        elif not (a.fillna('').astype(str) == b.fillna('').astype(str)).all(): return f'{c} names others'
    return ''


def main():
    names, notebooks = of_long()
    if not names: return print('no figure of the profile long is committed')
    with tempfile.TemporaryDirectory() as out:
        env = os.environ | dict(CYTOSELF_NB_OUT=os.environ.get('CYTOSELF_NB_OUT') or out)
        subprocess.run([sys.executable, '-m', 'cytoself_nb.pipeline', '--profile', 'long', '--only', ','.join(notebooks)], env=env, check=True)
        new = Path(env['CYTOSELF_NB_OUT'])/'figures/simulated'
        said = {n: difference(*(pd.read_csv(f/f'{n}.csv') for f in (FIGURES, new))) if (new/f'{n}.csv').exists() else 'not drawn'
                for n in names}
    for n, why in said.items(): print(f'{n}: {why or "as committed"}')
    bad = sum(map(bool, said.values()))
    print(f'{len(said) - bad} of {len(said)} tables as committed')
    sys.exit(bool(bad))


if __name__ == '__main__': main()
