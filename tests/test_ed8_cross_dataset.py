"Another cell line: what may be asked, and which proteins are"
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from cytoself_nb import ed8_cross_dataset as cd
from cytoself_nb.core import NotForTheseData, open_run

MODEL = SimpleNamespace(extra=dict(channels='protein+distance'), settings=dict(size=64))


def crops(n=2, width=100):
    "Crops with a disk for a nucleus, distances in crop widths"
    y, x = np.mgrid[:width, :width] - width/2
    far = np.clip((18 - np.hypot(y, x))/100, -1, 1)
    rng = np.random.default_rng(0)
    return np.stack([np.stack([rng.random((width, width)), far > 0, far]) for _ in range(n)]).astype(np.float32)


CHANNELS = ['protein', 'nucleus', 'distance']


@pytest.mark.parametrize('change, sentence', [
    (dict(channels=['protein', 'nucleus', 'er']), 'without distance'),
    (dict(channels=['protein', 'nucleus']), 'move the channels'),
    (dict(crop_um=20.), 'cut them wider'),
    (dict(crop_um=100.), 'higher magnification'),
], ids=['channel', 'shape', 'narrow', 'coarse'])
def test_other_channels_and_scales_are_refused(change, sentence):
    kind = dict(x=crops(), channels=CHANNELS, model=MODEL) | change
    with pytest.raises(ValueError, match=sentence): cd.fit_crops(**kind)


@pytest.mark.parametrize('spoil, sentence', [
    (lambda x: x.__setitem__((0, 0), x[0, 0]*255), 'unit_range'),
    (lambda x: x.__setitem__((0, 2), x[0, 2]*100), 'distance goes from'),
    (lambda x: x.__setitem__((0, 2), -1), 'no nucleus'),
    (lambda x: x.__setitem__((1, 0), .5), 'constant'),
    (lambda x: x.__setitem__((1, 0, 3, 3), np.nan), 'NaN'),
], ids=['counts', 'pixels', 'no nucleus', 'constant', 'nan'])
def test_other_ranges_are_refused(spoil, sentence):
    x = crops()
    spoil(x)
    with pytest.raises(ValueError, match=sentence): cd.fit_crops(x, CHANNELS, MODEL)


def test_channels_are_picked_by_name_and_distances_become_those_of_forty_micrometres():
    x = crops()
    fitted = cd.fit_crops(x[:, [2, 1, 0]], CHANNELS[::-1], MODEL)
    assert np.allclose(fitted, cd.fit_crops(x, CHANNELS, MODEL))
    wide = cd.fit_crops(np.pad(x*[[[[1]], [[1]], [[.5]]]], ((0, 0), (0, 0), (50, 50), (50, 50)), constant_values=0), CHANNELS, MODEL, 80.)
    assert np.allclose(wide, fitted, atol=1e-5)


def test_other_data_have_no_second_line(tmp_path, monkeypatch):
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path))
    with pytest.raises(NotForTheseData, match='yeast5'): cd.line_b(open_run('yeast5', 'smoke', 0, '59_ed8_cross_dataset'))


def test_shared_proteins_were_trained_on_and_have_one_localization():
    proteome = pd.DataFrame(dict(protein=list('fedcba'), localization=['x', 'x', 'x', None, 'y', 'y'], truth_main=['x', 'x', 'x', 'x', 'y', 'y'], held_out=False))
    labels = pd.DataFrame(dict(protein=list('abcdef'), split=['train']*5 + ['test']))
    assert cd.shared_proteins(labels, proteome, 1).protein.tolist() == ['a', 'd']
    assert cd.shared_proteins(labels, proteome, 2).protein.tolist() == ['a', 'b', 'd', 'e']
