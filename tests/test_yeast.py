"Virtual yeast: annotation against a careful second derivation, and what happens without it"
import numpy as np
import pandas as pd
import pytest

from cytoself_nb import yeast
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


def test_complex_portal_needs_a_translation(tables):
    t = yeast.complex_portal({'P32797':'YDL220C', 'P38960':'YDR082W', 'Q07921':'YLR010C'})      # the three subunits of CST
    assert set(t[t.set == 'CST complex'].protein) == {'YDL220C', 'YDR082W', 'YLR010C'}


def test_without_any_annotation_it_is_invented(tmp_path, monkeypatch):
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path))
    def nothing(*a, **k): raise OSError('no network')
    monkeypatch.setattr(yeast, 'fetch', nothing)
    run = open_run('virtual_yeast', 'smoke', 0, 'test')
    table = yeast.annotation(run)
    assert set(table.source) == {'invented'} and set(table.standard) == set(yeast.SOURCES)
    proteome = yeast.virtual_proteome(run)
    assert proteome.gene.str.startswith('YZ').all() and proteome.localization.nunique() == 17
    assert yeast.yeast_settings(run)['annotation'] == 'invented'
    x = next(yeast.draw_proteome(proteome, 3))
    assert np.isfinite(x).all() and x.shape[1:] == (2, 64, 64)


def test_members_of_a_complex_look_alike():
    t = pd.DataFrame([('Complexes', 'c', p) for p in 'ab'] + [('Complexes', 'd', p) for p in 'xy'], columns=['standard', 'set', 'protein'])
    z = np.array([yeast.signatures('abxy', t, np.random.default_rng(k)).reshape(4, 8) for k in range(300)])
    apart = lambda i, j: ((z[:, i] - z[:, j])**2).mean()
    assert apart(0, 1) == pytest.approx(2*.55, rel=.1) and apart(0, 2) == pytest.approx(2, rel=.1)
