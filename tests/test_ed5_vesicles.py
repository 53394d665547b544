"Vesicles: the list of proteins against an independent derivation, and the scores on data with known answers"
import io

import numpy as np
import pandas as pd
import pytest
from conftest import need

from cytoself_nb import ed5_vesicles as V
from cytoself_nb.core import fetch

rng = np.random.default_rng(0)


def toy(n=6, crops=4, gap=0.):
    labels = pd.DataFrame(dict(protein=np.repeat([f'p{i:02d}' for i in range(2*n)], crops), kind=np.repeat(['lysosome', 'endosome'], n*crops), trained=False))
    own = rng.normal(size=(2*n, 8)).repeat(crops, 0)
    return own + .3*rng.normal(size=own.shape) + gap*(labels.kind == 'lysosome').to_numpy()[:, None], labels

def test_kinds_by_gene_ontology_are_those_derived_elsewhere(mirror, shared, monkeypatch):
    known = pd.read_csv(need(shared/'data/derived/tables/lysosome_endosome_candidates.tsv', 'the derived table'), sep='\t')
    monkeypatch.setenv('CYTOSELF_NB_MIRROR', str(mirror))
    targets = pd.read_csv(fetch('all-public-targets.csv', progress=False)[0])
    go = pd.read_csv(fetch('go-annotations-for-opencell-baits.csv', progress=False)[0])
    ours = V.go_kinds(io.StringIO(go.assign(gene_name=go.uniprot).to_csv(index=False)))
    ours = ours[ours.index.isin(targets.uniprot_id)]
    known = known[known.go_class != 'both'].set_index('uniprot_id').go_class
    assert ours.sort_index().to_dict() == known.sort_index().to_dict()

def test_a_table_without_terms_is_refused():
    with pytest.raises(ValueError, match='go_annot'): V.go_kinds(io.StringIO('gene_name\nA\n'))

def test_opencell_labels_need_the_annotation_vesicles(mirror, monkeypatch):
    monkeypatch.setenv('CYTOSELF_NB_MIRROR', str(mirror))
    labels = pd.DataFrame(dict(protein=['LAMP1', 'VPS4A', 'X'], gene=['LAMP1', 'VPS4A', 'X'], localization=['er', 'vesicles', 'vesicles']))
    assert 'LAMP1' not in V.vesicle_kinds(labels).index and 'X' not in V.vesicle_kinds(labels).index

def test_every_seed_is_asked_of_new_proteins_of_its_own():
    first, second = (V._new_proteome(20, seed) for seed in (1311, 1312))
    assert first.protein.tolist() == second.protein.tolist() and first.truth_main.value_counts().tolist() == [20, 20]
    looks = pd.concat([first, second]).filter(like='sig_')
    assert not looks.duplicated().any()

def test_a_large_difference_is_found():
    X, labels = toy(gap=8.)
    assert (V.separation(X, labels).AUC > .95).all()
    assert V.two_clusters(X, labels.kind)['rand'] == 1
    assert V.probe_summary(V.probe_kinds(X, labels), labels)['proteins_right'] == 12

def test_without_a_difference_proteins_say_so():
    p = []
    for k in range(25):
        X, labels = toy(5)
        level = V.permuted_separation(X, labels, 39, k)
        p.append((1 + (level >= V.separation(X, labels).AUC['proteins'] - 1e-9).sum())/40)
    assert .3 < np.mean(p) < .75 and np.mean(np.array(p) <= .05) < .25

def test_the_shuffles_keep_all_distances():
    X, labels = toy(4)
    assert np.isclose(V.permuted_separation(X, labels, 3).mean(), V.permuted_separation(X + 100, labels, 3).mean())

def test_own_protein_is_left_out_of_the_means():
    X, labels = toy(3)
    before = V.kind_score(X, labels)
    moved = X.copy(); mine = labels.protein == 'p00'
    moved[mine.to_numpy()] += 1000                      # a protein far away changes its own score, and not by being its own mean
    assert not np.allclose(V.kind_score(moved, labels)[~mine.to_numpy()], before[~mine.to_numpy()])
    assert np.abs(V.kind_score(moved, labels)[mine.to_numpy()]).max() < 1000


@pytest.mark.parametrize('terms', ['GO:0005764 GO:1', 'GO:0005764;GO:1', 'GO:1, GO:0005764', 'GO:0005764|GO:1'])
def test_terms_of_genes_however_they_are_joined(terms, tmp_path):
    pd.DataFrame(dict(gene_name=['a'], go_annot=[terms])).to_csv(tmp_path/'t.csv')
    assert V.go_kinds(tmp_path/'t.csv').to_dict() == dict(a='lysosome')


@pytest.mark.parametrize('text, says', [('', "can't be read"), ('gene_name,go_annot\na,\n', 'has no term'), ('gene,terms\na,b\n', 'no column gene_name')])
def test_tables_without_terms(text, says, tmp_path):
    (tmp_path/'t.csv').write_text(text)
    with pytest.raises(ValueError, match=says): V.go_kinds(tmp_path/'t.csv')
