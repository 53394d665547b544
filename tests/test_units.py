"Fields and composites are not called proteins; a number has its noun"
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from matplotlib.text import Text

from cytoself_nb import draw
from cytoself_nb.core import PALETTE, log_ticks
from cytoself_nb.predict import _bands
from cytoself_nb.spectra import ROMAN

RATES = pd.DataFrame(dict(top=[.5, .6, .7], majority=.3, chance=.2, n=8), index=[1, 2, 3])
SQUARE = pd.DataFrame(np.eye(2), ['er', 'golgi'], ['er', 'golgi'])
SPECTRA = pd.DataFrame(np.random.default_rng(0).random((2, 12)), ['er', 'golgi'])
USE = pd.DataFrame(dict(brightness=[.1, .2, .4], spread=[1., 2, 1], share=[.3, .3, .4], cluster=['i', '', 'ii']))
GROWTH = pd.DataFrame(dict(crops=[1, 1, 2, 2], top=[.1, .2, .3, .4]))


def cells(number, *names):
    "The functions that draw in a notebook, without what runs below them"
    here = dict(vars(draw), plt=plt, np=np, pd=pd, PALETTE=PALETTE, ROMAN=ROMAN, _bands=_bands, log_ticks=log_ticks)
    path = next((ROOT/'nbs').glob(f'{number}_*.ipynb'))
    for c in nbformat.read(path, 4).cells:
        if c.cell_type == 'code' and any(f'def {n}(' in c.source for n in names): exec(c.source, here)
    return [here[n] for n in names]


@pytest.mark.parametrize('number, name, arguments', [
    ('58', 'plot_left_out', (RATES, SQUARE, pd.Series(4, ['er', 'golgi']))),
    ('58', 'plot_growth', (GROWTH, (4, .5))),
    ('57', 'plot_workflow', (np.zeros((4, 4, 3)), np.arange(9).reshape(3, 3), SPECTRA, np.eye(12), np.arange(12), 'a crop')),
    ('57', 'plot_spectra', (np.eye(12), np.arange(12), np.repeat([1, 2], 6), SPECTRA, [2, 2])),
    ('57', 'plot_code_use', (USE, 4))], ids=lambda x: x if isinstance(x, str) else '')
def test_a_figure_of_fields_names_no_protein(number, name, arguments):
    plot = cells(number, *dict.fromkeys(['_spectrum_row', name] if name == 'plot_spectra' else [name]))[-1]
    said = {}
    for unit in ('proteins', 'fields'):
        with plt.rc_context({'figure.constrained_layout.use': True}): fig = plot(*arguments, unit)
        said[unit] = ' '.join(t.get_text() for t in fig.findobj(Text))
        plt.close(fig)
    assert 'protein' in said['proteins'] and 'field' in said['fields']
    assert 'protein' not in said['fields'] or name == 'plot_code_use'      # the protein channel has a brightness


def test_no_caption_leaves_the_number_open():
    cells = (c.source for p in (ROOT/'nbs').glob('[0-9]*.ipynb') for c in nbformat.read(p, 4).cells if c.cell_type == 'code')
    assert not [s for s in cells if any(w in s for w in ('map(s)', 'network(s)', 'seed(s)'))]
