"Complexes: CORUM against an independent derivation, and the statistics against other ways to get them"
import numpy as np
import pandas as pd
import pytest
from conftest import need

from cytoself_nb import fig3_complexes as C
from cytoself_nb.core import NotForTheseData, fetch
from cytoself_nb.stats import permutation_p, shuffles

rng = np.random.default_rng(0)


@pytest.fixture(scope='module')
def corum(mirror):
    patch = pytest.MonkeyPatch()
    patch.setenv('CYTOSELF_NB_MIRROR', str(mirror))
    yield C.read_corum(), pd.read_csv(fetch('all-public-targets.csv', progress=False)[0])
    patch.undo()

def test_complete_complexes_of_opencell_are_those_derived_elsewhere(corum, shared):
    known = pd.read_csv(need(shared/'data/derived/tables/corum_complete_complexes_in_opencell.tsv', 'the derived table'), sep='\t', dtype=str)
    known = known[known.source.str.startswith('CORUM 2018-06') & (known.match == 'uniprot')]
    complexes, targets = corum
    ours = C.complete_complexes(complexes, targets.uniprot_id)
    names = targets.set_index('uniprot_id').target_name
    assert {frozenset(names[list(p)]) for p in ours.proteins} == {frozenset(s.split(';')) for s in known.subunits}

def test_separate_complexes_of_opencell_are_as_many_as_in_the_paper(corum):
    complexes, targets = corum
    ours = C.separate_complexes(C.complete_complexes(complexes, targets.uniprot_id))
    assert len(ours) == 38
    assert sum(map(len, ours.proteins)) == len(frozenset.union(*ours.proteins))

def test_gene_names_lead_to_corum(corum):
    _, targets = corum
    labels = pd.DataFrame(dict(protein=targets.target_name, gene=targets.target_name, localization='er', complex=None))
    sets, source = C.protein_complexes(labels)
    assert 'CORUM' in source and 300 < len(sets) < 900
    assert sets['SEC61A1' if 'SEC61A1' in sets.index else sets.index[0]]

def test_several_complexes_in_one_entry():
    labels = pd.DataFrame(dict(protein=list('abc'), gene=None, localization='er', complex=['x; y', 'y', 'z']))
    sets, _ = C.protein_complexes(labels, least=3)
    assert sets['a'] == frozenset('xy') and len(sets['a'] & sets['b']) == 1

def test_complexes_are_those_of_all_crops_of_a_protein():
    "Named for some crops and not for others, in whatever order"
    labels = pd.DataFrame(dict(protein=list('aabbcc'), gene=None, localization='er', complex=[None, 'x', 'x', 'y', 'z', None]))
    for t in (labels, labels[::-1]):
        sets, _ = C.protein_complexes(t, least=3)
        assert sets.to_dict() == dict(a=frozenset('x'), b=frozenset('xy'), c=frozenset('z'))

def test_data_without_complexes_are_told_what_is_missing():
    labels = pd.DataFrame(dict(protein=list('abc'), gene=['AAC1', 'AAC3', 'AAH1'], localization='er', complex=None))
    with pytest.raises(NotForTheseData, match='0 of 3 proteins are in a complex'): C.protein_complexes(labels)

def test_auc_of_pairs_is_that_of_scikit_learn():
    from sklearn.metrics import roc_auc_score
    r = np.corrcoef(rng.normal(size=(12, 5)))
    label = np.repeat(np.arange(4), 3)
    same = label[:, None] == label
    up = np.triu(np.ones_like(same), 1).astype(bool)
    assert np.isclose(C.pair_test(r, same)['AUC'], roc_auc_score(same[up], r[up]))
    assert np.isclose(C.permuted_auc(r, same, np.arange(12)[None])[0], roc_auc_score(same[up], r[up]))

def test_permutation_p_is_uniform_without_a_signal():
    label = np.repeat(np.arange(6), 3)
    same, p = label[:, None] == label, []
    for k in range(60):
        r = np.corrcoef(rng.normal(size=(18, 6)))
        p.append(permutation_p(C.pair_test(r, same)['AUC'], C.permuted_auc(r, same, shuffles(18, times=99, seed=k))))
    assert .35 < np.mean(p) < .65 and np.mean(np.array(p) <= .1) < .25

def test_localizations_alone_give_a_tiny_p_for_pairs_and_none_within():
    place, label = np.repeat(np.arange(5), 6), np.repeat(np.arange(10), 3)
    x = rng.normal(size=(5, 40))[place] + .5*rng.normal(size=(30, 40))     # proteins know their place, not their complex
    r, same, near = np.corrcoef(x), label[:, None] == label, place[:, None] == place
    assert C.pair_test(r, same)['P'] < 1e-8
    assert permutation_p(C.pair_test(r, same, near)['AUC'], C.permuted_auc(r, same, shuffles(30, place, 199), near)) > .01

def test_missing_localizations_swap_among_themselves():
    orders = shuffles(6, ['a', 'a', None, None, np.nan, 'b'], 50)
    assert {frozenset(o[[2, 3, 4]]) for o in orders} == {frozenset([2, 3, 4])} and (orders[:, 5] == 5).all()


@pytest.mark.parametrize('organism, n', [('Human', 1), ('human', 1), (' Human ', 1)])
def test_organisms_in_any_case(organism, n, tmp_path):
    row = {'ComplexID': '1', 'ComplexName': 'x', 'Organism': organism, 'subunits(UniProt IDs)': 'P1;P2', 'subunits(Gene name)': 'A;B'}
    pd.DataFrame([row]).to_csv(tmp_path/'t.txt', sep='\t', index=False)
    assert len(C.read_corum(tmp_path/'t.txt')) == n
    pd.DataFrame([row | dict(Organism='Mouse')]).to_csv(tmp_path/'t.txt', sep='\t', index=False)
    with pytest.raises(ValueError, match=r"organisms \['Mouse'\]; expected Human"): C.read_corum(tmp_path/'t.txt')
    (tmp_path/'t.txt').write_text('')
    with pytest.raises(ValueError, match="can't be read"): C.read_corum(tmp_path/'t.txt')


def test_complexes_are_parted_by_semicolons_alone_and_all_rows_count():
    from cytoself_nb.fig3_complexes import labeled_complexes
    labels = pd.DataFrame(dict(protein=list('AABBC'), complex=['Mediator, core', 'COP9|core; Mediator, core', 'COP9|core', None, None]))
    assert labeled_complexes(labels).to_dict() == dict(A=frozenset({'Mediator, core', 'COP9|core'}), B=frozenset({'COP9|core'}))
