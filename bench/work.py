"Work beside the network, one function each that returns a step and how much one step does; needs the whole project."
import importlib
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np


def one_of(*places):
    "The first of some `module.name` that this checkout has: modules were renamed"
    for place in places:
        module, name = place.split('.')
        try: return getattr(importlib.import_module(f'cytoself_nb.{module}'), name)
        except (ImportError, AttributeError): pass
    raise SystemExit(f"this checkout has none of {', '.join(places)}")


def drawing():
    "Raw stacks of simulated cells: fields"
    proteome = one_of('microscope.simulated_proteome', 'simulate.virtual_proteome')
    draw = one_of('microscope.draw_stack', 'simulate.draw_stack')
    p = SimpleNamespace(**proteome(8).to_dict('records')[0])
    return lambda: draw(p, 0, 0, 432), 1


def blobs(side=432, nuclei=5, radius=28):
    "A stack (2, 22, side, side) of disks, blurred by noise: the same for every checkout"
    rng, (y, x), step = np.random.default_rng(0), np.mgrid[:side, :side], side / nuclei
    centers = (np.indices((nuclei, nuclei)).reshape(2, -1).T + .5) * step + rng.normal(0, 4, (nuclei**2, 2))
    disks = sum(np.clip(radius - np.hypot(y - a, x - b), 0, 6) for a, b in centers)
    planes = np.exp(-.5 * ((np.arange(22) - 11) / 4)**2)[:, None, None]
    stack = np.stack([200 + 150*disks*planes, 300 + 400*disks*planes])
    return rng.poisson(stack).astype(np.uint16)


def cutting():
    "From a stack on disk to crops: fields"
    import tifffile
    prepare = one_of('preprocessing.prepare_stack')
    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name)/'blobs.ome.tif'
    tifffile.imwrite(path, blobs(), ome=True, metadata=dict(axes='CZYX', PhysicalSizeX=.2, PhysicalSizeY=.2,
                                                          Channel=dict(Name=['protein', 'nucleus'])))
    def step(): return folder and prepare(path)   # `folder` lives as long as the step
    return step, 1


def cellprofiler(n=8):
    "CellProfiler features of two channels on one core: crops"
    measure, images = one_of('cellprofiler.cellprofiler_features'), np.random.default_rng(0).random((n, 2, 64, 64))
    smooth = (images + np.roll(images, 1, 2) + np.roll(images, 1, 3) + np.roll(images, 2, 3)) / 4
    return lambda: measure(smooth, ['protein', 'nucleus'], jobs=1, progress=False), n


def inpainting(batch=4):
    "Training steps of cell inpainting: crops"
    import torch
    torch.manual_seed(0)
    model = one_of('inpainting.PairedCellInpainting')().to(memory_format=torch.channels_last)
    adam = torch.optim.Adam(model.parameters(), fused=True)
    x, marker, target = (torch.rand(batch, c, 64, 64).to(memory_format=torch.channels_last) for c in (2, 1, 1))
    def step():
        (model(x, marker) - target).square().mean().backward()
        adam.step(), adam.zero_grad()
    return step, batch


def scores(n=4000):
    "Average precision and clustering score of representations: crops"
    precision = one_of('stats.average_precision', 'scores.average_precision')
    cluster = one_of('fig4_scores.clustering_score', 'scores.clustering_score')
    rng, proteins = np.random.default_rng(0), np.arange(n) % 64
    X = (rng.normal(size=(64, 576))[proteins] + rng.normal(size=(n, 576))).astype(np.float32)
    names = np.array([f'class {p % 8}' for p in proteins])
    return lambda: (precision(X, names, proteins), cluster(X[:, :2], names)), n


WORK = dict(drawing=drawing, cutting=cutting, cellprofiler=cellprofiler, inpainting=inpainting, scores=scores)
