"What bfloat16 costs in quality: the same small training in both precisions, three seeds each."
import tempfile

import pandas as pd

COLUMNS = 'loss', 'reconstruction', 'local_vq', 'global_vq', 'local_identity', 'global_identity'


def trained(seed, dtype, epochs=5):
    "Parts of the validation loss after a small training on four simulated proteins"
    from cytoself_nb.core import set_seed
    from cytoself_nb.data import write_store
    from cytoself_nb.microscope import simulated_cells, simulated_proteome
    from cytoself_nb.model import CytoselfFull
    from cytoself_nb.training import cytoself_learner, start_codebooks
    with tempfile.TemporaryDirectory() as tmp:
        store = write_store(f'{tmp}/crops.zarr', *simulated_cells(simulated_proteome(4), fields=3, cells=4, size=64))
        set_seed(seed)
        model = CytoselfFull(channels=2, n_classes=4, size=64, n_codes=64, hidden=16, decoder_width=8)
        start_codebooks(model, store, 'protein+distance', seed)
        learn = cytoself_learner(store, model, batch=8, lr=2e-3, seed=seed, dtype=dtype)
        with learn.no_bar(), learn.no_logging(): learn.fit(epochs)
    last = learn.loss_parts.rows[-1]
    return dict(seed=seed, precision=last['precision']) | {k: round(last[f'valid_{k}'], 3) for k in COLUMNS}


def quality(folder, seeds=(0, 1, 2)):
    "Both precisions, all seeds: quality.csv"
    import torch
    rows = [trained(seed, dtype) for seed in seeds for dtype in (None, torch.bfloat16)]
    pd.DataFrame(rows).to_csv(folder/'quality.csv', index=False)
