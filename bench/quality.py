"What bfloat16 costs in quality: the same small training in both precisions, three seeds each."
import tempfile

import pandas as pd


def quality(folder, seeds=(0, 1, 2), epochs=6):
    "Losses and accuracy on validation crops of four simulated proteins: quality.csv"
    import torch
    from cytoself_nb.core import set_seed
    from cytoself_nb.data import write_store
    from cytoself_nb.microscope import simulated_cells, simulated_proteome
    from cytoself_nb.model import CytoselfFull
    from cytoself_nb.training import cytoself_learner, start_codebooks
    rows = []
    with tempfile.TemporaryDirectory() as tmp:
        store = write_store(f'{tmp}/crops.zarr', *simulated_cells(simulated_proteome(4), fields=5, cells=5, size=64))
        for seed in seeds:
            for dtype in (None, torch.bfloat16):
                set_seed(seed)
                model = CytoselfFull(channels=2, n_classes=4, size=64, n_codes=64, hidden=32, decoder_width=8)
                start_codebooks(model, store, 'protein+distance', seed)
                learn = cytoself_learner(store, model, batch=8, lr=2e-3, seed=seed, dtype=dtype)
                with learn.no_bar(), learn.no_logging(): learn.fit(epochs)
                best = learn.loss_parts.rows[learn.keep_best.epoch_of_best]
                columns = 'loss', 'reconstruction', 'global_identity', 'accuracy', 'global_perplexity'
                rows.append(dict(seed=seed, precision=best['precision']) | {k: round(best[f'valid_{k}'], 3) for k in columns})
                print(rows[-1], flush=True)
    pd.DataFrame(rows).to_csv(folder/'quality.csv', index=False)
