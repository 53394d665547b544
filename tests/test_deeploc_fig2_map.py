"Processes within a localization, and principal components"
import numpy as np
import pandas as pd

from cytoself_nb.deeploc_fig1_function import _ninety_nine
from cytoself_nb.deeploc_fig2_map import WITHIN, process_separation


def test_processes_apart_are_found_and_others_are_not_asked():
    rng, genes = np.random.default_rng(0), [f'g{k}' for k in range(12)]
    sets = pd.DataFrame(dict(set=np.repeat(WITHIN['nucleolus'], 6), protein=genes))
    place = pd.Series('nucleolus', genes)
    apart = np.hstack([np.repeat(np.eye(2), 6, 0), np.zeros((12, 3))]) + .1*rng.standard_normal((12, 5))
    got, none = (process_separation(pd.DataFrame(x, genes), sets, place, 500).set_index('localization') for x in (apart, rng.standard_normal((12, 5))))
    assert got.p['nucleolus'] < .01 and got.difference['nucleolus'] > .5 and np.isnan(got.p['nuclei'])
    assert none.p['nucleolus'] > .05


def test_components_are_as_many_as_the_rank():
    x = np.random.default_rng(0).standard_normal((50, 3)) @ np.array([[1, 0, 0, 1], [0, 9, 0, 0], [0, 0, 1, 1.]])
    assert _ninety_nine(pd.DataFrame(x)).shape == (50, 3)
