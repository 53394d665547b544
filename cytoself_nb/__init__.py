"""The cytoself paper as a library: what a user calls, by subject. Each name is imported when it is first used.

From a shell: `cytoself-nb --help` (the same: `python -m cytoself_nb`). Without training: `load`, `embed_folder`, `where`.

Use:       load, embed_folder, where
Runs:      open_run, run_notebooks, fetch
Images:    segment_nuclei, prepare_stack, prepare_stacks, prepare, read_folder, read_opencell
Crops:     write_store, open_store, crop_store, crop_loader, split_by_field
Network:   VectorQuantizer, CytoselfFull, save_weights
Training:  cytoself_loss, cytoself_learner, train_network, trained_model, embed
Maps:      umap_xy, crop_embedding, read_embedding, plot_atlas, write_atlas_html
Questions: protein_spectra, predict_localization, protein_profile, nearest_proteins
Scores:    neighbors, purity, average_precision, clustering_score
Baselines: cellprofiler_features, train_inpainting, inpainting_features
DeepLoc:   DeepLoc, train_deeploc, deeploc_features, evaluate

docs/api.md describes each of them. Everything else in the modules is internal: it can be imported, and may change."""

from pathlib import Path

__version__ = "0.1.0"

_MODULES = dict(
    core='open_run fetch', pipeline='run_notebooks', segmentation='segment_nuclei',
    preprocessing='prepare_stack prepare_stacks', readers='prepare read_folder read_opencell',
    split='split_by_field', data='write_store open_store crop_loader',
    runs='crop_store predict_localization protein_profile trained_model crop_embedding',
    quantizer='VectorQuantizer', model='CytoselfFull',
    weights='load save_weights', losses='cytoself_loss',
    training='cytoself_learner train_network embed', maps='umap_xy read_embedding',
    fig2_atlas='plot_atlas', webatlas='write_atlas_html', stats='neighbors purity average_precision',
    parts='embed_folder', answers='where',
    spectra='protein_spectra', predict='nearest_proteins', fig4_scores='clustering_score',
    cellprofiler='cellprofiler_features', inpainting='train_inpainting inpainting_features',
    deeploc='DeepLoc train_deeploc deeploc_features', function='evaluate')
_FILES = sorted(p.stem for p in Path(__file__).parent.glob('[a-z]*.py'))   # all modules
_HOME = {name: module for module, names in _MODULES.items() for name in names.split()}
__all__ = list(_HOME)


def __getattr__(name):
    "A public name or a module, imported now"
    from importlib import import_module
    if name in _HOME: return getattr(import_module(f'{__name__}.{_HOME[name]}'), name)
    if name in _FILES: return import_module(f'{__name__}.{name}')
    raise AttributeError(f"cytoself_nb has no {name!r}; expected one of {', '.join(__all__)}, or a module: {', '.join(_FILES)}")


def __dir__():
    "What tab completion shows"
    return sorted([*_HOME, *_FILES, '__version__'])
