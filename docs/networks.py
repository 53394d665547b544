"""Write cytoself_nb/networks/NAME.safetensors from a trained run: `python docs/networks.py hpa28-demo-0 hpa28`; then `make reference`
Of a further seed only its numbers are kept: `python docs/networks.py simulated-long-1 simulated`; of seed 0 those of the
variants of 67_fig4_long: `python docs/networks.py simulated-long-0 variants`; cell inpainting, trained to the end of its
schedule (`make figures ONLY=31 TRAIN=1`): `python docs/networks.py simulated-demo-0 inpainting`; cytoself, trained as long
(`ONLY=55`): `python docs/networks.py simulated-demo-0 converged`; what `make ablations` has left, beside what is kept of
it: `python docs/networks.py simulated-demo-0 ablations`; what both say of simulated yeast cells (`ONLY=72`):
`python docs/networks.py simulated_yeast-demo-0 means`"""
import json
import shutil
import sys

import numpy as np
import pandas as pd

from cytoself_nb.core import _KEPT, _settings_of, open_run
from cytoself_nb.data import crop_loader
from cytoself_nb.deeploc_fig1_function import SHARES_TRAINED, _means
from cytoself_nb.fig4_ablations import ablation_numbers, kept_ablations, variant_maps
from cytoself_nb.fig4_long import AGAIN, AT_LENGTH, numbers_of
from cytoself_nb.inpainting import load_inpainting
from cytoself_nb.runs import crop_store, probe_table, trained_model, training_history
from cytoself_nb.spectra import _named, protein_spectra
from cytoself_nb.training import embed
from cytoself_nb.weights import load_weights, network_file, save_weights, without_heads

CANNOT = dict(simulated='stand for a network trained on real cells: it has seen none, so on your images it is a start '
                        'to look at and no evidence; for that, cytoself-nb train FOLDER',
              hpa28='tell localization from stain: each protein is one field, so brightness and cell line name it too '
                    '(64_nuisances)',
              yeast5='say anything of other organisms, other stains or other proteins: it has seen five proteins of two '
                     'localizations')


def tested(
    run, # The run
)->str: # For the card
    "What the votes of the run's own test crops say"
    t = probe_table(run).set_index('what').accuracy
    labels = crop_store(run).labels.query('split == "test"')
    what = 'field' if run.data == 'hpa28' else 'protein'
    share = {k: f'{t[f"vote, {v}"]:.0%}'.replace('%', ' %') for k, v in dict(
        own='global representation', pixels='raw-pixel components', untrained='untrained network').items()}
    return (f'{len(labels):,} test crops: a vote of the nearest training crops names the {what} for {share["own"]} '
            f'(pixels {share["pixels"]}, untrained network {share["untrained"]})')


def main(run, name):
    "The network without its heads, numbers of 8 bits, with a card"
    data, profile, seed = run.rsplit('-', 2)
    run = open_run(data, profile, int(seed))
    if name == 'variants': return keep_variants(run)
    if name == 'ablations': return keep_ablations(run)
    if name == 'means': return keep_means(run)
    if name in ('inpainting', 'converged'): return keep_long(run, name)
    if int(seed): return keep_numbers(run, ['[!.]*_numbers'])   # hidden: left by a killed process
    model = without_heads(trained_model(run))
    shown = len(training_history(run))*int((crop_store(run).labels.split == 'train').sum())
    model.extra['card'] |= dict(name=name, tested=tested(run), cannot=CANNOT[name],
                                data=f'{model.extra["card"]["data"]}, {shown:,} crops shown in all '
                                     f'(`make figures DATA={data}`, {profile} profile, seed {seed}); '
                                     'heads left out, numbers of 8 bits')
    save_weights(model, network_file(name), bits=8)
    if profile == 'long': keep(run, name)
    print(model.card)


def keep_settings(
    file,      # What is kept
    made:dict, # What is known of its making
):
    "The settings of an artefact beside it, see `core.cached`"
    file.with_name(f'{file.name}.settings.json').write_text(json.dumps(made | dict(bytes=file.stat().st_size), indent=1) + '\n', encoding='utf-8')


def keep_beside(
    file,      # Network
    made:dict, # What is known of its training
    history,   # File
):
    "Settings and history of a network, see `runs.kept_network`"
    keep_settings(file, made)
    shutil.copyfile(history, file.with_suffix('.csv'))


def keep(
    run, # The run
    name:str,
):
    "What draws the figures of a long training again: settings and history, see `runs.kept_network`; codes of the test crops"
    file, made = network_file(name), _settings_of(run.path/'model.safetensors')
    keep_beside(file, made, run.path/'history.csv')
    model, store = load_weights(file), crop_store(run)
    _, local, codes = embed(model, crop_loader(store, 'test', model.extra['channels'], batch=128))
    labels = _named(store.labels.query('split == "test"').reset_index(drop=True))
    spectra = protein_spectra(local.astype(np.uint16), labels.protein, model.settings['n_codes'])
    columns = {c: labels[c].fillna('').to_numpy(str) for c in ('protein', 'localization', 'complex', 'fov') if c in labels}
    np.savez_compressed(file.with_suffix('.npz'), codes=codes.astype(np.uint16), names=spectra.index.to_numpy(str), spectra=spectra.to_numpy(np.float32), **columns)


def keep_long(
    run,      # The run
    name:str, # `inpainting`, or cytoself: `converged`
):
    "A network that was trained to the end of its schedule, with settings and history, numbers of 8 bits, see `runs.kept_network`"
    own, file = run.path/f'{name}.safetensors', _KEPT/run.path.name/f'{name}.safetensors'
    model = load_inpainting(own) if name == 'inpainting' else without_heads(load_weights(own))
    file.parent.mkdir(parents=True, exist_ok=True)
    save_weights(model, file, extra=model.extra, bits=8)
    keep_beside(file, _settings_of(own), run.path/f'{name}-history.csv')
    print(f'{file}: {file.stat().st_size/1e6:.1f} MB')


def keep_numbers(
    run,   # The run of a further seed, or of variants
    names, # Patterns of their names
):
    "What figures show beside the numbers of their own run, see `runs.of_all_seeds` and `fig4_long.long_numbers`"
    folder = _KEPT/run.path.name
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        if not (new := sorted(run.path.glob(f'{name}.csv*'))): continue   # not trained here: kept as before
        for old in folder.glob(f'{name}.csv*'): old.unlink()
        for file in new: shutil.copyfile(file, folder/file.name)
    print(f'{folder}: {", ".join(f.stem for f in folder.glob("*.csv"))}')


def keep_variants(
    run, # The run of seed 0
):
    "What 67_fig4_long shows; numbers of a variant that are kept already, of another training, stand beside the new ones as `AGAIN`"
    for v in AT_LENGTH:
        old, new = (folder/f'{numbers_of(v)}.csv' for folder in (_KEPT/run.path.name, run.path))
        if not (old.exists() and new.exists()) or _settings_of(old)['built'] == _settings_of(new)['built']: continue
        table, again = pd.read_csv(old).query('representation == @v'), old.with_name(f'{numbers_of(v)}_again.csv')
        table.assign(representation=v + AGAIN).to_csv(again, index=False)
        keep_settings(again, _settings_of(old))
    keep_numbers(run, [numbers_of(v, what) for v in AT_LENGTH for what in ('numbers', 'maps', 'once')])


def keep_ablations(
    run, # The run of seed 0
):
    "The numbers of all its seeds as a further run of the trainings, and its maps, see `fig4_ablations.kept_ablations`"
    files = [_KEPT/run.path.name/f'ablation_{what}.csv' for what in ('numbers', 'maps')]
    before = kept_ablations(run, 'numbers')
    number = 1 if before is None else before.training.str.extract(r'run (\d+)')[0].astype(int).max() + 1
    mine = ablation_numbers(run)
    mine['training'] += f', run {number}'
    variant_maps(run, list(dict.fromkeys(mine.variant)))
    shutil.copyfile(run.path/'ablations/maps.csv', files[1])   # an error, if nothing was trained here
    pd.concat([before, mine]).to_csv(files[0], index=False, float_format='%.6g')
    made = dict(made_by='56_fig4_ablations', built=f'run {number}', settings=dict(data=_settings_of(crop_store(run).path)['settings']))
    for file in files: keep_settings(file, made)


def keep_means(
    run, # The run of simulated yeast cells
):
    "Protein means by networks that saw as many crops as DeepLoc, 16 bits, see `deeploc_fig1_function.trained_share`"
    for network, short in SHARES_TRAINED.items():
        own, file = (folder/_means(network) for folder in (run.path/'representations', _KEPT/run.path.name))
        if (made := _settings_of(own)).get('settings', {}).get('share', short) == short: continue   # kept as before
        file.parent.mkdir(parents=True, exist_ok=True)
        with np.load(own) as z: np.savez_compressed(file, **dict(z) | dict(x=z['x'].astype(np.float16)))
        keep_settings(file, made)
        print(f'{file}: {file.stat().st_size/1e6:.1f} MB')


if __name__ == '__main__': main(*sys.argv[1:])
