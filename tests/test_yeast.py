"Simulated yeast: annotation against a careful second derivation, what happens without it, and what is drawn"
import io
import pickle

import numpy as np
import pandas as pd
import pytest

from cytoself_nb import runs, yeast, yeast_cells
from cytoself_nb.core import open_run

UPPER = {'cell periphery':'CELLPERIPHERY', 'spindle pole':'SPINDLEPOLE', 'bud neck':'BUDNECK', 'bud tip':'BUDTIP', 'nuclear periphery':'NUCLEARPERIPHERY', 'vacuolar membrane':'VACUOLARMEMBRANE'}


@pytest.fixture
def tables(shared, mirror, monkeypatch):
    monkeypatch.setenv('CYTOSELF_NB_MIRROR', str(mirror))
    return lambda name: pd.read_csv(shared/f'data/derived/tables/{name}.tsv', sep='\t')


def pairs(table, names=('set', 'protein')): return set(table[list(names)].itertuples(index=False, name=None))


def test_single_classes_of_huh(tables):
    want = tables('yeast_huh2003_deeploc17').set_index('orf').single17.dropna()
    got = yeast.single_class(yeast.huh_localizations()).map(lambda c: UPPER.get(c, c.upper()))
    assert got.sort_index().to_dict() == want.sort_index().to_dict()


@pytest.mark.parametrize('name, read', [('yeast_go_cc_slim_2015', lambda: yeast.go_slim('C')), ('yeast_go_bp_slim_2015', lambda: yeast.go_slim('P')), ('yeast_kegg_pathways', yeast.kegg_pathways)])
def test_standards(tables, name, read):
    nuclear = lambda t: {p for p in t if p[1].startswith('Y')}       # mitochondrial genes and plasmids are left aside
    assert nuclear(pairs(read())) == nuclear(pairs(tables(name), ('set_name', 'orf')))


def test_complexes(tables):
    pytest.importorskip('xlrd')
    assert pairs(yeast.cyc2008()) == pairs(tables('yeast_cyc2008'), ('set_name', 'orf'))


def test_named_processes(tables):
    want = tables('yeast_go_bp_named_in_paper_2014')
    assert pairs(yeast.named_processes()) == pairs(want.assign(set_name=want.set_name.map(yeast.PROCESSES)), ('set_name', 'orf'))


def test_without_any_annotation_it_is_invented(tmp_path, monkeypatch):
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path))
    def nothing(*a, **k): raise OSError('no network')
    monkeypatch.setattr(yeast, 'fetch', nothing)
    run = open_run('simulated_yeast', 'smoke', 0, 'test')
    table = runs.annotation(run)
    assert set(table.source) == {'invented'} and set(table.standard) == set(yeast.SOURCES)
    proteome = runs.yeast_proteome(run)
    assert proteome.gene.str.startswith('YZ').all() and proteome.localization.nunique() == 17
    assert runs._run_settings(run)['annotation'] == 'invented'
    x = next(yeast_cells.draw_proteome(proteome, 3))
    assert np.isfinite(x).all() and x.shape[1:] == (2, 64, 64)


def test_members_of_a_complex_look_alike():
    t = pd.DataFrame([('Complexes', 'c', p) for p in 'ab'] + [('Complexes', 'd', p) for p in 'xy'], columns=['standard', 'set', 'protein'])
    z = np.array([yeast.signatures('abxy', t, np.random.default_rng(k)).reshape(4, 8) for k in range(300)])
    apart = lambda i, j: ((z[:, i] - z[:, j])**2).mean()
    assert apart(0, 1) == pytest.approx(2*.55, rel=.1) and apart(0, 2) == pytest.approx(2, rel=.1)


class Evil:
    def __reduce__(self): return print, ('code runs',)


def test_a_pickle_can_only_hold_data():
    with pytest.raises(pickle.UnpicklingError, match='asks for builtins.print'): yeast.PlainUnpickler(io.BytesIO(pickle.dumps(Evil()))).load()
    assert yeast.PlainUnpickler(io.BytesIO(pickle.dumps({'a': ['b']}))).load() == {'a': ['b']}


def test_proteins_are_chosen_within_budget():
    toy = pd.DataFrame(dict(set=['ER', 'ER', 'nuclei', 'other'], protein=['a', 'b', 'b', 'c']))
    assert yeast.single_class(toy).to_dict() == {'a': 'ER'}
    sizes = pd.Series(dict(a=100, b=25, c=1))
    assert yeast.class_budget(sizes, 10).tolist() == [6, 3, 1]
    with pytest.raises(ValueError, match='2 proteins for 3 localizations'): yeast.class_budget(sizes, 2)
    table = yeast.invented_annotation()
    chosen = [yeast.choose_proteins(table, 100, np.random.default_rng(0)) for _ in range(2)]
    assert len(chosen[0]) == 100 and chosen[0].index.is_unique and chosen[0].nunique() == 17 and chosen[0].equals(chosen[1])


@pytest.fixture
def shapes(): return yeast_cells.grow_cells(300, np.random.default_rng(0))


def test_vacuole_and_bud_are_where_they_belong(shapes):
    assert ((shapes.bud_r > 0) == (shapes.phase > .45)).all()
    assert (np.hypot(shapes.vac_u, shapes.vac_v) + shapes.vac_r < shapes.long).all()
    m = yeast_cells.cell_maps(shapes[shapes.bud_r == 0].head(20))
    assert np.abs((m['nucleus'] > 0).sum((1, 2))/(np.pi*m['nuc_r'][:, 0, 0]**2) - 1).max() < .1


def test_a_spot_is_where_it_is_put(shapes):
    m = yeast_cells.cell_maps(shapes.head(1).assign(angle=0.))
    spot = yeast_cells.spots(m, np.array([[5.]]), np.array([[-3.]]), np.array([[1.]]), np.ones((1, 1, 1)))[0]
    y, x = np.mgrid[:64, :64] - 31.5
    assert (spot*x).sum()/spot.sum() == pytest.approx(5, abs=1e-3) and (spot*y).sum()/spot.sum() == pytest.approx(-3, abs=1e-3)
    assert spot.sum() == pytest.approx(2*np.pi, abs=1e-3)


def test_all_structures_lie_in_the_cell(shapes):
    assert sorted(yeast_cells.DRAW) == sorted(yeast.CLASSES)
    m, one, rng = yeast_cells.cell_maps(shapes.head(30)), np.ones((30, 1, 1), np.float32), np.random.default_rng(0)
    for name, draw in yeast_cells.DRAW.items():
        x = draw(m, one, one, rng)
        assert x.shape == (30, 64, 64) and np.isfinite(x).all() and x.max() > .1
        assert (x*(m['depth'] > -2.5)).sum()/x.sum() > .9, name


def test_microscope_keeps_light_and_adds_its_noise():
    rng = np.random.default_rng(0)
    light, level = np.zeros((200, 2, 64, 64), np.float32), yeast_cells.draw_fields(200, rng).assign(background=10., tilt_y=0., tilt_x=0.)
    seen = yeast_cells.expose(light, level, np.full(200, 50.), rng)
    assert seen.mean() == pytest.approx(90, abs=.1) and seen.var() == pytest.approx(94, abs=.5)      # photons, and 4 of the camera
    light[:, :, 32, 32] = 1
    total = yeast_cells.expose(light, level.assign(background=0.), np.full(200, 1e4), rng)[:, 0].sum((1, 2))
    assert abs(np.log(total/1e4).mean()) < .08


def test_labels_belong_to_the_pictures():
    "Light of nuclei lies in the middle of a crop, that of the periphery in a ring around it"
    proteome = yeast.simulated_proteome(yeast.invented_annotation(), 40)
    x, t = np.concatenate(list(yeast_cells.draw_proteome(proteome, 6))), yeast.proteome_labels(proteome, 6)
    middle = lambda c: x[t.localization == c, 0, 24:40, 24:40].mean()/x[t.localization == c, 0].mean()
    assert len(x) == len(t) and middle('nuclei') > 1.3*middle('cell periphery')
