"Fig. 3: complexes beside what their localization alone brings"
import numpy as np
import pandas as pd
import pytest

from cytoself_nb.core import NotForTheseData
from cytoself_nb.fig3_path import complex_table

RNG = np.random.default_rng(0)
CLOUD = np.repeat([0, 1, 2], 60)
X = RNG.normal(size=(180, 20)) + 4*RNG.normal(size=(3, 20))[CLOUD]
PAIR = pd.DataFrame(dict(protein=CLOUD.astype(str), complex=np.where(CLOUD < 2, 'both', None), localization='x'))


def test_members_and_their_crops():
    t = complex_table(X, PAIR, most=3)
    assert t.protein.tolist() == ['0', '1'] == PAIR.protein[t.crop].tolist() and t.same.nunique() == 1

def test_a_member_on_top_of_the_other_has_no_other_neighbors():
    on_top = np.where(CLOUD[:, None] == 1, X[CLOUD == 0].mean(0), X)
    assert complex_table(on_top, PAIR).same.iloc[0] == 1

def test_a_localization_that_is_the_complex_leaves_nothing_to_add():
    t = complex_table(X, PAIR.assign(localization=np.where(CLOUD < 2, 'x', 'y')))
    assert t.by_place.tolist() == t.same.tolist()

@pytest.mark.parametrize('labels', [PAIR.assign(complex=None), PAIR.drop(columns='complex')])
def test_without_complexes_there_is_a_sentence(labels):
    with pytest.raises(NotForTheseData, match='no complex has two proteins'): complex_table(X, labels)
