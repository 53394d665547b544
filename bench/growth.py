"How time grows with the number of crops: measured as far as a few minutes of one core allow, extrapolated to a million."
import tempfile
import time
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

SIZES, SIDE, CODES = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000), 64, 512
SETTINGS = dict(channels=2, n_classes=50, size=SIDE, n_codes=CODES, hidden=256, decoder_width=16)   # demo


def seconds_of(f):
    "Processor time of one call, which other work on the machine hardly changes, and what it returned"
    start = time.process_time()
    out = f()
    return time.process_time() - start, out


def labels_of(n):
    "Fifty proteins, twenty crops a field"
    k = np.arange(n)
    proteins = np.array([f'P{p:02d}' for p in k % 50])
    return pd.DataFrame(dict(protein=proteins, gene=proteins, fov=[f'{p}_{f}' for p, f in zip(proteins, k // 1000)],
                             localization=[f'class {p % 8}' for p in k % 50]))


def store(n, folder):
    "Write a crop store: seconds, and the store"
    from cytoself_nb.data import write_store
    rng = np.random.default_rng(0)
    x = rng.random((100, 3, SIDE, SIDE), dtype=np.float32)
    return seconds_of(lambda: write_store(Path(folder)/f'{n}.zarr', (x for _ in range(n // 100)), labels_of(n),
                                          ['protein', 'nucleus', 'distance']))


def per_crop(made, model, batches=2):
    "Seconds for a training crop and for an embedded one, over some batches of real shards"
    from cytoself_nb.data import crop_loader
    from cytoself_nb.training import embed_batches

    from .network import adam_of, training_step
    adam, out = adam_of(model.train()), []
    loader = crop_loader(made, 'train', 'protein+distance', 32, shuffle=True, augment=True)
    def train(): return [training_step(model, adam, x, y) for x, y in islice(loader, batches)]
    def embed(): return list(islice(embed_batches(model, loader), batches))
    for f in (train, embed): out.append(seconds_of(f)[0] / (batches * 32))
    return out


def spectra(n):
    "Mean histograms of code maps"
    from cytoself_nb.spectra import protein_spectra
    codes = np.random.default_rng(0).integers(0, CODES, (n, 256)).astype(np.uint16)
    return seconds_of(lambda: protein_spectra(codes, np.arange(n) % 50, CODES))[0]


def points(n, d=576):
    "Representations with fifty clusters"
    rng = np.random.default_rng(0)
    return (rng.normal(size=(50, d))[np.arange(n) % 50] + rng.normal(size=(n, d))).astype(np.float32)


def scores(n):
    "Average precision of at most 1,000 crops among all, and the clustering score of a map"
    from cytoself_nb.fig4_scores import clustering_score
    from cytoself_nb.stats import average_precision
    X, t = points(n), labels_of(n)
    return seconds_of(lambda: (average_precision(X, t.localization, t.protein), clustering_score(X[:, :2], t.localization)))[0]


def umap(n):
    "The map"
    from cytoself_nb.maps import umap_xy
    return seconds_of(lambda: umap_xy(points(n)))[0]


def measured(limit):
    "Rows (work, crops, seconds): each work at two sizes at least, and until five times its time would pass the limit"
    from cytoself_nb.model import CytoselfFull
    rows, model = [], CytoselfFull(**SETTINGS)
    def add(work, n, s, how='measured'): rows.append(dict(work=work, crops=n, seconds=round(s, 3), how=how)); print(rows[-1], flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for n in SIZES[:3]:
            s, made = store(n, folder)
            add('store', n, s)
            for work, each in zip(('epoch', 'embedding'), per_crop(made, model)): add(work, n, each*n, 'from 64 crops')
    for work, f in dict(spectra=spectra, scores=scores, map=umap).items():
        f(SIZES[0])   # imports and compilation
        for n in SIZES:
            s = f(n)
            add(work, n, s)
            if n > SIZES[0] and s * 5 > limit: break
    return pd.DataFrame(rows)


def extrapolated(t):
    "The same, with the sizes that were not measured, and the exponent of the two largest that were"
    out = []
    for work, g in t.groupby('work', sort=False):
        (n1, s1), (n2, s2) = g[['crops', 'seconds']].to_numpy()[-2:]
        power = np.log(s2/s1) / np.log(n2/n1)
        more = [dict(work=work, crops=n, seconds=round(s2*(n/n2)**power, 3), how='extrapolated') for n in SIZES if n > n2]
        out.append(pd.concat([g, pd.DataFrame(more)]).assign(exponent=round(power, 2)))
    return pd.concat(out, ignore_index=True)


def draw(t, path):
    "Seconds against crops, both logarithmic; a dashed line is extrapolated"
    import matplotlib.pyplot as plt
    from cytoself_nb.core import figure_style
    figure_style()
    fig, ax = plt.subplots(figsize=(4.5, 3.4))
    for k, (work, g) in enumerate(t.groupby('work', sort=False)):
        known = g[g.how != 'extrapolated']
        ax.plot(known.crops, known.seconds, 'o-', color=f'C{k}', ms=3, label=f'{work}: exponent {g.exponent.iloc[0]:.2f}')
        ax.plot(g.crops.iloc[len(known) - 1:], g.seconds.iloc[len(known) - 1:], '--', color=f'C{k}')
    ax.set(xscale='log', yscale='log', xlabel='crops', ylabel='seconds of one core')
    ax.legend(fontsize=6)
    fig.savefig(path, dpi=150, bbox_inches='tight')


def growth(folder, limit=15):
    "Measure, extrapolate, draw: growth.csv and growth.png"
    t = extrapolated(measured(limit))
    t.to_csv(folder/'growth.csv', index=False)
    draw(t, folder/'growth.png')
