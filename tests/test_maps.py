"Embedding files, purities and the path: what the notebook of maps doesn't say"
from types import SimpleNamespace

import h5py
import numpy as np
import pandas as pd
from conftest import write_h5ad
import pytest
import torch

from cytoself_nb import maps
from cytoself_nb.core import NotForTheseData
from cytoself_nb.maps import nuclear_light, path_order, path_sets, path_table, purity_table, read_embedding, write_embedding
from cytoself_nb.split import all_names


def store(channels=('protein', 'distance')):
    "Six crops: the upper half is nuclear and holds 0, 1/4, 1/2, 3/4, 1 and 1/2 of the light"
    images = np.ones((6, len(channels), 8, 8), np.float16)
    for k, share in enumerate((0, .25, .5, .75, 1, .5)): images[k, 0, :4], images[k, 0, 4:] = share, 1 - share
    images[:, 1:, 4:] = -1
    return SimpleNamespace(images=images, channels=list(channels))

PLACES = ['cytoplasm', 'cytosol', 'cytoplasm;nucleoplasm', 'nucleoplasm', 'Nucleoplasm', None]
LABELS = pd.DataFrame(dict(protein=list('abcdef'), localization=PLACES, row=range(6), fov='f'))
X = np.array([[0.], [0], [5], [10], [10], [3]])


@pytest.mark.parametrize('sizes, message', [((6,), '6 representations for the 7 rows'), ((7, 1), 'more representations'),
                                            ((), 'no representations')])
def test_one_representation_for_each_row(tmp_path, sizes, message):
    obs = pd.DataFrame(dict(protein=list('aabbccc')))
    with pytest.raises(ValueError, match=message): write_embedding(tmp_path/'a.h5ad', [np.ones((n, 3)) for n in sizes], obs, {})

def test_a_matrix_stays_on_disk(tmp_path):
    "No more than two blocks are alive while it is written, and reading gives a map of the file"
    import weakref
    alive = []
    def blocks():
        for _ in range(6):
            block = np.ones((50, 40), np.float32)
            alive.append(weakref.ref(block))
            assert sum(r() is not None for r in alive) <= 3
            yield block
    write_embedding(tmp_path/'a.h5ad', blocks(), pd.DataFrame(dict(protein=['a']*300)), {})
    assert isinstance(read_embedding(tmp_path/'a.h5ad').X, np.memmap)

def test_complexes_are_asked_within_localizations():
    labels = pd.DataFrame(dict(protein=np.repeat(list('abcd'), 5), localization=np.repeat(['er', 'golgi'], 10), umap_1=0., umap_2=0.))
    labels['complex'] = labels.localization   # nothing but the localization: chance is as good
    t = purity_table(np.repeat([[0.], [9]], 10, 0), labels).query('label == "complex"')
    assert (t.shuffled == t.purity).all()


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

@pytest.mark.parametrize('labels, channels, message', [
    (LABELS, ('protein', 'nucleus'), 'add a nuclear channel'),
    (LABELS.assign(protein=None, fov=None), ('protein', 'distance'), 'protein or fov'),
    (LABELS[:4].assign(localization=None), ('protein', 'distance'), 'expected two annotated'),
])
def test_data_without_a_path_get_a_sentence(labels, channels, message):
    with pytest.raises(NotForTheseData, match=message): path_table(X[:len(labels)], labels, store(channels))

def test_without_any_localization_the_ends_are_those_of_the_light():
    labels = pd.DataFrame(dict(localization=np.nan, measured=np.linspace(0, 1, 12)), [f'p{k:02}' for k in range(12)])   # a column without text
    assert maps.path_ends(labels) == (['p00', 'p01'], ['p10', 'p11'], 'by light inside nuclei')

def test_a_floor_without_a_path_takes_nothing_from_the_trained_network(monkeypatch):
    "The untrained network's ends are not in order: its row is missing, the others stay"
    def table(x, frame, store, most):
        if np.array_equal(x, X[::-1]): raise NotForTheseData('no path')
        return path_table(X, LABELS, store, most)
    monkeypatch.setattr(maps, 'path_table', table)
    monkeypatch.setattr(maps, 'untrained', lambda *_: None)
    monkeypatch.setattr(maps, 'embed_batches', lambda *_: [(X[::-1], None, None)])
    monkeypatch.setattr(maps, 'crop_loader', lambda *_, **__: [(torch.tensor(X)[:, :, None, None], None)])
    model = SimpleNamespace(extra=dict(channels='protein+distance'))
    t = maps.path_numbers(X, LABELS, store(), model)
    assert t.ordered_by.tolist() == ['trained network', 'raw pixels']

def test_a_protein_of_an_end_is_left_out_of_it():
    "At 0, 4 and 10, 14: the first from 4 to 12, the last from 2 to 10"
    t = path_order(np.array([[0.], [4], [10], [14]]), list('abcd'), (['a', 'b'], ['c', 'd']))
    assert np.allclose(t.order, [-4/8, 4/12, 8/12, 12/8]) and (t.off == 0).all()

def test_three_places_are_not_between_two():
    named = LABELS.assign(localization=[*PLACES[:2], 'cytoplasm;nucleoplasm;golgi', *PLACES[3:]])
    assert path_table(X, named, store()).set_index('unit').role['c'] == 'mixed'

def test_ends_that_coincide_give_no_order():
    t = path_order(np.ones((8, 3)), list('aabbccdd'), (['a', 'b'], ['c', 'd']))
    assert (t.order == 0).all() and (t.off == 0).all()


@pytest.mark.parametrize('change', [lambda x: x.astype(float), lambda x: np.rint(x*9).astype(np.int32), lambda x: x.astype(np.float16), 'compressed', 'sparse'])
def test_an_embedding_that_was_saved_again_is_read_by_its_type(change, tmp_path):
    from anndata import AnnData, read_h5ad
    from scipy.sparse import csr_matrix
    write_embedding(tmp_path/'a.h5ad', [np.float32(np.arange(12).reshape(4, 3)/7)], pd.DataFrame(dict(protein=list('aabb'))), {})
    x = np.asarray(read_embedding(tmp_path/'a.h5ad').X).copy()
    new = csr_matrix(x) if change == 'sparse' else x if change == 'compressed' else change(x)
    write_h5ad(AnnData(X=new, obs=read_h5ad(tmp_path/'a.h5ad').obs), tmp_path/'b.h5ad', compression='gzip' if change == 'compressed' else None)
    got = read_embedding(tmp_path/'b.h5ad').X
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, new.toarray() if change == 'sparse' else new, rtol=1e-6)


def test_what_is_no_embedding_gets_a_sentence(tmp_path):
    from anndata import AnnData
    write_embedding(tmp_path/'a.h5ad', [np.ones((4, 300), np.float32)], pd.DataFrame(dict(protein=list('aabb'))), {})
    whole = (tmp_path/'a.h5ad').read_bytes()
    for name, raw in (('cut', whole[:len(whole)//2]), ('text', b'hello'), ('none', b'')):
        (tmp_path/name).write_bytes(raw)
        with pytest.raises(ValueError, match='is no complete .h5ad with a matrix X'): read_embedding(tmp_path/name)
    write_h5ad(AnnData(obs=pd.DataFrame(index=list('ab'))), tmp_path/'noX')
    with pytest.raises(ValueError, match='is no complete .h5ad with a matrix X'): read_embedding(tmp_path/'noX')
    with pytest.raises(FileNotFoundError, match='no embedding at'): read_embedding(tmp_path/'nothing')


def test_a_map_from_known_neighbors_is_the_map_of_umap_learn(monkeypatch):
    "The crop itself first, then the nearest by rising distance, equal crops included; and the same layout"
    from sklearn.neighbors import NearestNeighbors
    rng = np.random.default_rng(0)
    X = np.repeat(rng.normal(size=(3, 12)), 40, 0).astype(np.float32) + rng.normal(size=(120, 12), scale=.3).astype(np.float32)
    X[7] = X[100]
    index, far = maps._known_neighbors(X, 15)
    want, same = NearestNeighbors(n_neighbors=15).fit(X).kneighbors(X)
    assert np.array_equal(index[:, 0], np.arange(120)) and np.allclose(far, want, atol=1e-5)
    assert all(set(a) == set(b) for a, b in zip(index, same))
    straight = maps.umap_xy(X)
    monkeypatch.setattr(maps, '_EXACT', (100, 200))
    known = maps.umap_xy(X)
    group = np.repeat([0, 1, 2], 40)
    group[7] = 2
    for xy in (straight, known): assert maps.purity(maps.neighbors(xy, 10), group) > .95


@pytest.mark.parametrize('text', [object, 'string'])
def test_names_and_text_are_written_as_old_readers_know_them(tmp_path, text):
    "AnnData 0.13 with pandas 3 writes names as nullable-string-array, which AnnData 0.10 can't open"
    obs = pd.DataFrame(dict(protein=pd.Series(['A', 'B', None], dtype=text), file=pd.Series(list('xyz'), dtype=text)))
    maps.write_embedding(tmp_path/'a.h5ad', iter([np.eye(3, dtype='f4')]), obs, {})
    from anndata import AnnData
    names = [pd.Index(list(s), dtype=text) for s in ('abc', 'xyz')]
    maps.write_anndata(tmp_path/'b.h5ad', AnnData(np.eye(3, dtype='f4'), obs.set_axis(names[0]), pd.DataFrame(index=names[1])))
    for file in 'ab':
        with h5py.File(tmp_path/f'{file}.h5ad') as f:
            kinds = {}
            f.visititems(lambda name, item: kinds.update({name: item.attrs.get('encoding-type')}))
            assert 'nullable-string-array' not in kinds.values(), kinds
            assert kinds['obs/_index'] == kinds['var/_index'] == 'string-array'


def test_too_few_crops_for_a_map_leave_a_notebook_out():
    with pytest.raises(NotForTheseData, match='a map of 2 crops; expected at least 5'): maps.umap_xy(np.zeros((2, 3)))


def test_one_seed_is_one_map_where_crops_are_equal():
    """umap-learn 0.5.12 with SciPy 1.17.1: where a part of the graph is all alike, eigenvectors go on from random numbers that its
    seed doesn't reach. The same map every time, although sixteen crops have one representation, and another for another seed"""
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(600, 10)), np.repeat(rng.normal(size=(1, 10)) + 40, 16, 0)]).astype(np.float32)
    first = maps.umap_xy(X, 0)
    for _ in range(3): assert np.array_equal(maps.umap_xy(X, 0), first)
    assert not np.array_equal(maps.umap_xy(X, 1), first)


def test_an_embedding_is_written_over_the_file_that_it_was_read_from(tmp_path):
    "Its matrix is a map of that very file; AnnData refuses it and has emptied the file by then"
    path, labels = tmp_path/'e.h5ad', pd.DataFrame(dict(protein=['a', 'b', 'b'], localization=[None, 'er', 'er'], gene=[None]*3))
    maps.write_embedding(path, [np.arange(6.).reshape(3, 2)], labels, dict(n_codes=4))
    e = maps.read_embedding(path)
    e.obs['dose'] = [1., 2., 3.]
    e.obs['nothing'] = pd.Series([None]*3, e.obs.index, dtype=object)
    maps.write_anndata(path, e)
    again = maps.read_embedding(path)
    assert again.X.tolist() == [[0, 1], [2, 3], [4, 5]] and again.obs.dose.tolist() == [1, 2, 3] and again.obs.protein.tolist() == ['a', 'b', 'b']
    assert again.uns['settings'] == e.uns['settings'] and 'nothing' not in again.obs and not list(tmp_path.glob('.*'))


def test_the_path_takes_all_localizations_of_a_protein():
    "Crops of both places: between, not an end, in whatever order the rows come"
    assert all_names(['cytoplasm', None, 'nucleoplasm']) == all_names(['nucleoplasm', 'cytoplasm']) == 'cytoplasm; nucleoplasm'
    assert all_names(['er | golgi', 'er | golgi']) == 'er | golgi' and all_names([None, np.nan]) is None and all_names(['er', 'er']) == 'er'
    rng, names = np.random.default_rng(0), np.repeat([f'P{k}' for k in range(9)], 10)
    place = np.repeat(['cytoplasm', 'nucleoplasm', None], 30).astype(object)
    place[60:65], place[65:70] = 'cytoplasm', 'nucleoplasm'
    frame = pd.DataFrame(dict(protein=names, fov='f', localization=place, row=range(90), nuclear_fraction=np.repeat([0., 1, .5], 30)))
    X = frame.nuclear_fraction.to_numpy()[:, None] + .05*rng.normal(size=(90, 3))
    store = SimpleNamespace(channels=['protein'], images=np.zeros((90, 1, 8, 8), np.float32), labels=frame)
    for order in (np.arange(90), np.arange(90)[::-1]):
        t = path_table(X[order], frame.iloc[order].reset_index(drop=True), store).set_index('unit')
        assert t.role['P6'] == 'between' and (t.role[['P0', 'P1', 'P2']] == 'cytoplasm').all()
