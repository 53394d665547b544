"The variants of the long training: which numbers a run shows"
import numpy as np
import pandas as pd
import pytest

from cytoself_nb import fig4_long as F
from cytoself_nb.core import NotForTheseData, open_run


@pytest.fixture
def kept(tmp_path, monkeypatch):
    "A package that keeps the numbers of one variant of seed 0"
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path))
    monkeypatch.delenv('CYTOSELF_NB_TRAIN', raising=False)
    monkeypatch.setattr(F, '_KEPT', tmp_path/'package')
    folder = tmp_path/'package'/'simulated-long-0'
    folder.mkdir(parents=True)
    def keep(variant, value):
        row = dict(level='organelle', place='representation', metric='mAP', umap=np.nan, epoch=np.nan)
        table = pd.DataFrame([row | dict(representation=v, value=x) for v, x in (('full', .5), (variant, value))])
        table.to_csv(folder/f'{F.numbers_of(variant)}.csv', index=False)
    keep('no split', .4)
    return keep


def test_numbers_of_the_package_are_shown_in_demo_and_long_and_the_full_network_once(kept):
    for profile in ('demo', 'long'):
        t = F.long_numbers(open_run('simulated', profile, 0))
        assert t.set_index('representation').value.to_dict() == {'full': .5, 'no split': .4} and len(t) == 2
    kept('no identification', .3)
    assert F.long_numbers(open_run('simulated', 'demo', 0)).representation.tolist() == ['full', 'no identification', 'no split']


def test_other_data_and_seeds_say_what_would_make_them(kept):
    for data, seed in (('simulated', 1), ('yeast5', 0)):
        with pytest.raises(NotForTheseData, match=f'kept for {data}-long-{seed}.*PROFILE=long ONLY=67'):
            F.long_numbers(open_run(data, 'demo', seed))


def test_a_long_run_trains_where_nothing_is_kept_or_training_is_wanted(kept, monkeypatch):
    asked = []
    def trained(run, variant):
        asked.append(variant)
        return pd.DataFrame([dict(representation=variant, level='organelle', place='map', metric='AMI', umap=0., epoch=np.nan, value=.1)])
    monkeypatch.setattr(F, 'against_full', trained)
    F.long_numbers(open_run('simulated', 'long', 1))
    assert asked == list(F.AT_LENGTH)
    monkeypatch.setenv('CYTOSELF_NB_TRAIN', '1')
    F.long_numbers(open_run('simulated', 'long', 0))
    assert asked == 2*list(F.AT_LENGTH)
