"""Do other programs open our files, and do we open theirs? Each in an environment of its own, with pinned versions: `python tests/others.py FOLDER`

This needs a package index and some minutes, so it is no part of `make test`. FOLDER keeps the environments for the next time."""
import subprocess
import sys
from pathlib import Path

ENVIRONMENTS = {   # name -> packages
    'scanpy': ['scanpy==1.11.5', 'anndata==0.12.19'],
    'anndata010': ['anndata==0.10.9', 'scanpy==1.10.4', 'numpy==1.26.4', 'pandas==2.2.3', 'scipy==1.13.1'],
    'pycytominer': ['pycytominer==1.7.1', 'pyarrow==26.0.1', 'pandas==2.3.3'],
    'ome': ['ome-zarr-models==1.7', 'zarr==3.1.6'],
    'scportrait': ['anndata==0.12.19', 'xarray', 'scportrait==1.8.0'],   # the last without what it needs: 6 GB
}


# ---- run by the other environments, in the folder of files; no cytoself_nb there

def check_scanpy():
    "An embedding opens, has neighbors and a drawn map, and is written again"
    import numpy as np
    import scanpy as sc
    a = sc.read_h5ad('mine.h5ad')
    assert a.obsm['X_umap'].shape == (len(a), 2) and {'protein', 'fov', 'file', 'nucleus', 'y_raw', 'x_raw'} <= set(a.obs), list(a.obs)
    sc.pp.neighbors(a, use_rep='X')
    assert a.obsp['connectivities'].nnz > len(a)
    sc.pl.umap(a, color=['localization', 'y_raw'], show=False)
    sc.tl.umap(a)
    a.obs['group'] = np.where(a.obs.y_raw > a.obs.y_raw.median(), 'low', 'high')
    a[a.obs.y_raw.argsort()[::-1]].copy().write_h5ad(f'by_{sys.argv[2]}.h5ad')


check_anndata010 = check_scanpy


def check_pycytominer():
    "Profiles are aggregated, normalized, and written by pycytominer"
    import pandas as pd
    import pycytominer
    t = pd.read_parquet('mine.parquet')
    features = [c for c in t if not c.startswith('Metadata_')]
    assert len(features) == 2304 and 'Metadata_protein' in t
    mean = pycytominer.aggregate(t, strata=['Metadata_protein'], features=features, operation='mean')
    assert abs(mean[features[0]].sum() - t.groupby('Metadata_protein')[features[0]].mean().sum()) < 1e-4
    pycytominer.normalize(t, features=features, meta_features='infer', method='mad_robustize').to_parquet('by_pycytominer.parquet')


def check_ome():
    "The field and its labels are what OME-Zarr 0.5 says they should be"
    import zarr
    from ome_zarr_models import v05
    group = zarr.open_group('field.zarr', mode='r')
    image = v05.Image.from_zarr(group)
    scale = image.attributes.ome.multiscales[0].datasets[0].coordinateTransformations[0].scale
    assert [a.name for a in image.attributes.ome.multiscales[0].axes] == ['c', 'y', 'x'] and abs(scale[1] - .4) < 1e-6
    assert v05.Labels.from_zarr(group['labels']).attributes.ome.labels == ['nuclei', 'crops']
    for name in ('nuclei', 'crops'): v05.ImageLabel.from_zarr(group['labels'][name])


def check_scportrait():
    "Their reader, and their two writers, without the network and the viewer that the package would bring"
    import importlib.util
    from types import ModuleType
    from unittest.mock import MagicMock
    import numpy as np
    root = Path(importlib.util.find_spec('scportrait').origin).parent
    for name in ('', '.io', '.pipeline', '.pipeline._utils', '.tools', '.tools.sdata', '.tools.sdata.write'):   # skip what these import
        module = ModuleType('scportrait' + name)
        module.__path__ = [str(root/name[1:].replace('.', '/'))]
        sys.modules['scportrait' + name] = module
    sys.modules |= {'spatialdata': MagicMock(), 'spatialdata.models': MagicMock()}
    from scportrait.io.h5sc import numpy_to_h5sc, read_h5sc, write_h5sc
    a = read_h5sc('cells.h5sc')
    images = a.obsm['single_cell_images'][:]
    assert a.var.channels.tolist() == ['nucleus mask', 'protein', 'nucleus', 'distance'] and images.shape[1] == 4
    a.obsm['single_cell_images'] = images
    write_h5sc(a, 'by_scportrait.h5sc')
    light = np.clip(images[:, 1:3], 0, 1)
    numpy_to_h5sc(['nucleus'], ['DAPI', 'GFP'], images[:, :1], light[:, ::-1], 'theirs.h5sc', np.arange(len(images)) + 7, a.obs[['protein']])


# ---- run here

def write_ours(folder):
    "One small file of each kind"
    import numpy as np
    from cytoself_nb.exchange import write_h5sc, write_ome_zarr, write_profiles
    from cytoself_nb.data import open_store
    from cytoself_nb.microscope import simulated_proteome, write_screen
    from cytoself_nb.parts import embed_folder
    from cytoself_nb.preprocessing import prepare_stack
    from cytoself_nb.weights import load
    write_screen(folder/'stacks', simulated_proteome(4), 2, workers=1, progress=False)
    embed_folder(folder/'stacks', load('simulated'), folder/'mine.h5ad', workers=1)
    write_profiles(folder/'mine.parquet', folder/'mine.h5ad')
    store = open_store(folder/'mine.work/crops.zarr')
    full = store._replace(images=np.asarray(store.images)[:, [0, 2, 1]], channels=['protein', 'nucleus', 'distance'])
    write_h5sc(folder/'cells.h5sc', full)
    write_ome_zarr(folder/'field.zarr', prepare_stack(next((folder/'stacks').rglob('*.tif'))))


def read_theirs(folder):
    "What they have written, against what we had"
    import numpy as np
    from cytoself_nb.answers import as_embedding
    from cytoself_nb.exchange import read_h5sc, read_profiles
    ours = as_embedding(folder/'mine.h5ad')
    key = ours.obs.file.astype(str) + ours.obs.nucleus.astype(str)
    for name in ('scanpy', 'anndata010'):
        e = as_embedding(folder/f'by_{name}.h5ad')
        order = (e.obs.file.astype(str) + e.obs.nucleus.astype(str)).map(dict(zip(key, range(len(key))))).to_numpy()
        assert np.array_equal(e.X, ours.X[order]) and np.array_equal(e.obsm['local_codes'], ours.obsm['local_codes'][order]), name
    p = read_profiles(folder/'by_pycytominer.parquet')
    assert p.obs.protein.tolist() == ours.obs.protein.tolist() and 0 < p.shape[1] <= 2304
    before, labels, channels = read_h5sc(folder/'cells.h5sc')
    rows = np.arange(len(labels))
    again, same, _ = read_h5sc(folder/'by_scportrait.h5sc')
    assert np.array_equal(again.read(rows), before.read(rows)) and same.protein.tolist() == labels.protein.tolist()
    theirs, named, channels = read_h5sc(folder/'theirs.h5sc', dict(GFP='protein', DAPI='nucleus'))
    assert channels == ['nucleus', 'protein'] and np.array_equal(theirs.read(rows), np.clip(before.read(rows), 0, 1)[:, [1, 0]])
    assert named.nucleus.tolist() == list(rows + 7) and named.protein.tolist() == labels.protein.tolist()


def environment(folder, name):
    "A Python of its own, made once"
    python, packages = folder/name/'bin/python', ENVIRONMENTS[name]
    if python.exists(): return python
    subprocess.run([sys.executable, '-m', 'venv', folder/name], check=True)
    install = [python, '-m', 'pip', 'install', '-q', '--disable-pip-version-check']
    alone = [p for p in packages if p.startswith('scportrait')]
    subprocess.run([*install, *(p for p in packages if p not in alone)], check=True)
    if alone: subprocess.run([*install, '--no-deps', *alone], check=True)
    return python


def main(folder):
    import shutil
    import tempfile
    folder, files = Path(folder).resolve(), Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    write_ours(files)
    for name in ENVIRONMENTS:
        subprocess.run([environment(folder, name), '-W', 'ignore', __file__, 'check', name], cwd=files, check=True)
        print(f'{name}: opens our file, writes its own ({", ".join(ENVIRONMENTS[name])})', flush=True)
    read_theirs(files)
    print('we open what they have written')
    shutil.rmtree(files)


if __name__ == '__main__':
    if sys.argv[1] == 'check': globals()[f'check_{sys.argv[2]}']()
    else: main(sys.argv[1])
