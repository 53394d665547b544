"Localization or stain: pairs with a known answer, units, and the picture book of the Human Protein Atlas"
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cytoself_nb import nuisances as nu
from cytoself_nb.real_fields import HPA28, hpa_dict_stacks


def units(n=24, places=4, seed=0):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(rng.normal(size=(n, len(nu.QUANTITIES))), columns=nu.QUANTITIES)
    return table.assign(localization=[f'place {k % places}' for k in range(n)]), rng


def test_what_knows_the_localization_and_what_knows_the_quantities_only():
    table, rng = units()
    place = np.eye(4)[np.arange(24) % 4] + .2*rng.normal(size=(24, 4))
    knows, = [r for r in nu.pair_rows(place, table, 200) if r['part'] == 'beyond']
    plain = {r['part']: r for r in nu.pair_rows(table[nu.QUANTITIES].to_numpy(), table, 200)}
    assert knows['value'] > .9 and knows['p'] < .01 and knows['low'] > .8
    assert abs(plain['beyond']['value'] - .5) < .1 and plain['all']['p'] > .05


def test_a_unit_of_several_localizations_is_not_asked():
    table, rng = units()
    table.loc[:3, 'localization'] = np.nan
    assert {r['units'] for r in nu.pair_rows(rng.normal(size=(24, 3)), table, 20)} == {20}


def test_what_can_be_read_off_a_unit_left_out():
    table, rng = units(60)
    X = np.hstack([table[['brightness']].to_numpy() @ rng.normal(size=(1, 30)), rng.normal(size=(60, 5))])
    found = {r['quantity']: r['value'] for r in nu.read_rows(X, table)}
    assert found['brightness'] > .95 and found['sharpness'] < .3


def test_the_nucleus_in_the_middle_counts_and_its_size_is_in_square_micrometers():
    crops = np.full((1, 2, 40, 40), -1, np.float32)
    crops[0, 0], crops[0, 1, 15:25, 15:25], crops[0, 1, :5, :5] = .5, 1, 1
    assert nu.plain_quantities(crops, um=20)['nucleus size'][0] == 25
    crops[0, 1, 15:25, 15:25] = -1
    assert nu.plain_quantities(crops, um=20)['nucleus size'][0] == 0   # none in the middle


def test_the_picture_book_has_all_localizations_and_no_bars(mirror, monkeypatch, tmp_path):
    from cytoself_nb.core import fetch
    from cytoself_nb.images import read_image
    monkeypatch.setenv('CYTOSELF_NB_MIRROR', str(mirror))
    files = fetch('hpa_dict', progress=False)
    files = [Path(f) for f in files]
    assert len(files) == 82
    table = hpa_dict_stacks(tmp_path, [f for f in files if f.stem in ('0-1-a', '20-1-a', '7-1-a')])
    assert table.set_index('protein').localization.to_dict() == {'dict_0-1-a': HPA28[0], 'dict_20-1-a': HPA28[20], 'dict_7-1-a': HPA28[7]}
    green = read_image(tmp_path/'dict_0-1-a.tif')
    assert green.shape == (820, 820) and green[790:800, 670:800].max() < 200   # here was a white bar


@pytest.mark.parametrize('where', [['x']*4, ['x', 'y', None, None]])
def test_too_few_localizations_are_refused(where, monkeypatch):
    from cytoself_nb.core import NotForTheseData
    class Store:
        channels, images = ['protein', 'distance'], np.random.default_rng(0).random((4, 2, 8, 8))
        labels = pd.DataFrame(dict(protein=list('abcd'), localization=where))
    monkeypatch.setattr(nu, 'crop_store', lambda run: Store)
    monkeypatch.setattr(nu, 'unseen_crops', lambda run: [0, 1, 2, 3])
    monkeypatch.setattr(nu, 'micrometres', lambda run: 40.)
    with pytest.raises(NotForTheseData, match='expected four or more in two'): nu.units_of(None)
