"The atlas: what its notebook doesn't say"
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from cytoself_nb.atlas import atlas_pictures, complex_table, nuclear_light, path_order, path_sets, path_table, tight_groups
from cytoself_nb.core import NotForTheseData


def store(channels=('protein', 'distance')):
    "Six crops: the upper half is nuclear and holds 0, 1/4, 1/2, 3/4, 1 and 1/2 of the light"
    images = np.ones((6, len(channels), 8, 8), np.float16)
    for k, share in enumerate((0, .25, .5, .75, 1, .5)): images[k, 0, :4], images[k, 0, 4:] = share, 1 - share
    images[:, 1:, 4:] = -1
    return SimpleNamespace(images=images, channels=list(channels))

LABELS = pd.DataFrame(dict(protein=list('abcdef'), localization=['cytoplasm', 'cytosol', 'cytoplasm;nucleoplasm', 'nucleoplasm', 'Nucleoplasm', None], row=range(6), fov='f'))
X = np.array([[0.], [0], [5], [10], [10], [3]])


def test_light_inside_nuclei():
    assert np.allclose(nuclear_light(store(), range(6)), (0, .25, .5, .75, 1, .5))
    assert np.isnan(nuclear_light(store(('protein', 'nucleus')), range(6))).all()

def test_the_path_of_measured_proteins():
    t = path_table(X, LABELS, store()).set_index('unit')
    assert t.order.tolist() == [0, 0, .5, 1, 1, pytest.approx(.3)]
    assert t.role.tolist() == ['cytoplasm', 'cytoplasm', 'between', 'nucleus', 'nucleus', 'mixed']
    assert set(t.judged_by) == {'light inside nuclei'} and np.allclose(t.reference, t.measured)

def test_a_known_nuclear_fraction_is_the_reference():
    t = path_table(X, LABELS.assign(nuclear_fraction=np.linspace(.1, .6, 6)), store())
    assert set(t.judged_by) == {'true nuclear fraction'} and np.allclose(t.reference, np.linspace(.1, .6, 6))

def test_all_on_the_path_are_asked_where_few_are_mixed():
    assert list(path_sets(path_table(X, LABELS, store()))) == ['ends and between']

@pytest.mark.parametrize('labels,channels,message', [
    (LABELS, ('protein', 'nucleus'), 'add a nuclear channel'),
    (LABELS.assign(protein=None, fov=None), ('protein', 'distance'), 'protein or fov'),
    (LABELS[:4].assign(localization=None), ('protein', 'distance'), 'expected two annotated'),
])
def test_data_without_a_path_get_a_sentence(labels, channels, message):
    with pytest.raises(NotForTheseData, match=message): path_table(X[:len(labels)], labels, store(channels))

def test_no_complex_column():
    with pytest.raises(NotForTheseData, match='no complex'): complex_table(X, LABELS)

def test_groups_of_equal_points_or_of_one_are_not_tight():
    frame = pd.DataFrame(dict(protein=list('aaaaab'), umap_1=[0.]*5 + [1], umap_2=0.))
    assert tight_groups(frame).empty and list(tight_groups(frame)) == ['kind', 'group', 'crops', 'purity']

def test_large_maps_show_a_typical_crop():
    frame = pd.DataFrame(dict(protein=list('aaabbb'), row=range(6), umap_1=[0, 1, 2, 9, 9, 9.], umap_2=0.))
    pictures, picture = atlas_pictures(frame, store(), most=2)
    assert picture.tolist() == [0, 0, 0, 1, 1, 1] and len(pictures) == 2

def test_ends_that_coincide_give_no_order():
    t = path_order(np.ones((8, 3)), list('aabbccdd'), (['a', 'b'], ['c', 'd']))
    assert (t.order == 0).all() and (t.off == 0).all()
