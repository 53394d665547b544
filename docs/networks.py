"Write cytoself_nb/networks/NAME.safetensors from a trained run: `python docs/networks.py hpa28-demo-0 hpa28`; then `make reference`"
import sys

from cytoself_nb.core import open_run
from cytoself_nb.runs import crop_store, probe_table, trained_model, training_history
from cytoself_nb.weights import network_file, save_weights, without_heads

CANNOT = dict(simulated='stand for a network trained on real cells: it has seen none, so on your images it is a start '
                        'to look at and no evidence; for that, cytoself-nb train FOLDER',
              hpa28='tell localization from stain: each protein is one field, so brightness and cell line name it too '
                    '(64_nuisances)',
              yeast5='say anything of other organisms, other stains or single proteins: it has seen five localizations')


def tested(
    run, # The run
)->str: # For the card
    "What the votes of the run's own test crops say"
    t = probe_table(run).set_index('what').accuracy
    labels = crop_store(run).labels.query('split == "test"')
    what = {'yeast5': 'localization', 'hpa28': 'field'}.get(run.data, 'protein')
    share = {k: f'{t[f"vote, {v}"]:.0%}'.replace('%', ' %') for k, v in dict(
        own='global representation', pixels='raw-pixel components', untrained='untrained network').items()}
    return (f'{len(labels):,} test crops: a vote of the nearest training crops names the {what} for {share["own"]} '
            f'(pixels {share["pixels"]}, untrained network {share["untrained"]})')


def main(run, name):
    "The network without its heads, numbers of 8 bits, with a card"
    data, profile, seed = run.rsplit('-', 2)
    run = open_run(data, profile, int(seed))
    model = without_heads(trained_model(run))
    shown = len(training_history(run))*int((crop_store(run).labels.split == 'train').sum())
    model.extra['card'] |= dict(name=name, tested=tested(run), cannot=CANNOT[name],
                                data=f'{model.extra["card"]["data"]}, {shown:,} crops shown in all '
                                     f'(`make figures DATA={data}`, {profile} profile, seed {seed}); '
                                     'heads left out, numbers of 8 bits')
    save_weights(model, network_file(name), bits=8)
    print(model.card)


if __name__ == '__main__': main(*sys.argv[1:])
