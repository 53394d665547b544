"The variants of the long training: which numbers a run shows"
import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

from cytoself_nb import core
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
    def keep(variant, value, again=''):
        row = dict(level='organelle', place='representation', metric='mAP', umap=np.nan, epoch=np.nan)
        shown = (('full', .5), (variant, value)) if not again else ((variant + F.AGAIN, value),)
        table = pd.DataFrame([row | dict(representation=v, value=x) for v, x in shown])
        table.to_csv(folder/f'{F.numbers_of(variant)}{again}.csv', index=False)
    keep('no split', .4)
    return keep


def test_numbers_of_the_package_are_shown_in_demo_and_long_and_the_full_network_once(kept):
    for profile in ('demo', 'long'):
        t = F.long_numbers(open_run('simulated', profile, 0))
        assert t.set_index('representation').value.to_dict() == {'full': .5, 'no split': .4} and len(t) == 2
    kept('no identification', .3)
    assert F.long_numbers(open_run('simulated', 'demo', 0)).representation.tolist() == ['full', 'no identification', 'no split']


def test_a_second_training_that_the_package_keeps_stands_after_the_first(kept):
    kept('no split', .45, '_again')
    kept('no identification', .3)
    t = F.long_numbers(open_run('simulated', 'demo', 0))
    assert dict(zip(t.representation, t.value)) == {'full': .5, 'no identification': .3, 'no split': .4, 'no split, again': .45}
    assert t.representation.tolist()[2:] == ['no split', 'no split, again']


def test_the_committed_figure_shows_what_the_package_keeps():
    kept = [pd.read_csv(f) for f in sorted((core._KEPT/'simulated-long-0').glob('no_*_numbers*.csv'))]
    kept, committed = pd.concat(kept), pd.read_csv(ROOT/'figures/simulated/fig4_long.csv')
    values = [t.query("place == 'representation' and metric == 'mAP'").drop_duplicates(['representation', 'level'])
              .set_index(['representation', 'level']).value for t in (kept, committed)]
    assert len(values[0]) == 8 and np.allclose(values[0], values[1].reindex(values[0].index), atol=1e-4)


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
