"Challengers: scores with a known answer, the rate that is chosen, and data that are left out"
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from cytoself_nb import challengers as ch
from cytoself_nb.core import NotForTheseData, open_run


def proteins(n=8, crops=6, seed=0, name='P'):
    "Proteins of four localizations, two complexes; vectors that know the protein"
    t = pd.DataFrame(dict(protein=np.repeat([f'{name}{k}' for k in range(n)], crops)))
    k = t.protein.str[len(name):].astype(int)
    t = t.assign(fov=t.protein, localization=[f'place {i % 4}' for i in k], truth_main=[f'place {i % 4}' for i in k],
                 complex=[f'complex {i//4}' for i in k])
    rng = np.random.default_rng(seed)
    X = 6*np.eye(4, 12)[k % 4] + 2*np.eye(n, 12)[:, ::-1][k] + .3*rng.normal(size=(len(t), 12))
    return X, t

def value(rows, question, score): return next(r['value'] for r in rows if (r['question'], r['score']) == (question, score))


def test_unseen_proteins_are_named_by_the_localization_they_lie_near():
    (X, t), (Y, u) = proteins(), proteins(4, seed=1, name='U')
    right = ch.unseen_scores(dict(test=X, unseen=Y), dict(test=t, unseen=u))
    moved = u.assign(truth_main='place ' + ((u.protein.str[1:].astype(int) + 1) % 4).astype(str))
    wrong = ch.unseen_scores(dict(test=X, unseen=Y), dict(test=t, unseen=moved))
    assert [r['value'] for r in right] == [1, 1] and value(wrong, 'unseen proteins', 'localization first') == 0


def test_shared_proteins_find_themselves_once_both_lines_are_centered():
    (X, t), (Y, u) = proteins(16), proteins(16, seed=2)
    rows = ch.line_scores({'test': X, 'other line': Y + 40*np.eye(12)[0]}, {'test': t, 'other line': u})
    assert value(rows, 'other cell line', 'same protein first') == 1
    assert value(rows, 'other cell line', 'among three, not centered') < 1


def test_complexes_are_asked_within_a_localization_too_and_missing_labels_are_left_out():
    X, t = proteins(16)
    rows = ch.protein_scores(X, t)
    assert value(rows, 'localization, proteins', 'mAP') == 1
    assert {r['score'] for r in rows} == {'mAP', 'AUC of pairs', 'AUC, one localization'}
    assert ch.protein_scores(X, t.drop(columns=['localization', 'complex'])) == []


def test_a_probe_is_asked_about_other_proteins():
    rng = np.random.default_rng(0)
    t = proteins(8, 20)[1]
    own = 9*np.eye(8)[t.protein.str[1:].astype(int)] + .1*rng.normal(size=(160, 8))
    assert ch.read_classes(own, t.localization, t.protein) < .6               # only the name is in the vectors
    known = np.c_[own, 9*np.eye(4)[t.protein.str[1:].astype(int) % 4]]
    assert ch.read_classes(known, t.localization, t.protein) > .9
    assert np.isnan(ch.read_classes(known, ['one']*160, t.protein))
    q = pd.DataFrame(dict(flat=np.ones(160), per_protein=t.protein.str[1:].astype(float)))
    read = ch.read_numbers(own, q, t.protein)
    assert np.isnan(read.flat) and read.per_protein < .3


def test_a_probe_of_line_and_day_counts_crops_of_both():
    X, t = proteins(8, 10)
    Y = X + 5*np.eye(12)[11]
    X = {'test': X, 'other line': Y, 'days': np.r_[X, Y]}
    days = pd.concat([t.assign(day='day 1'), t.assign(day='day 2')], ignore_index=True)
    rows = ch.probe_rows(X, {'test': t, 'other line': t, 'days': days})
    assert value(rows, 'linear probe', 'cell line') > .95 < value(rows, 'linear probe', 'day')


def test_the_rate_is_chosen_by_validation_crops_of_the_first_run(monkeypatch, tmp_path):
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path))
    asked = []
    def trained(run, name, rate, steps):
        asked.append((run.seed, rate, steps))
        return None, pd.DataFrame(dict(organelle=[.1, {1e-3: .2, 4e-3: .3}[rate]]))
    monkeypatch.setattr(ch, 'challenger', trained)
    run = open_run('simulated', 'demo', 5, '79_challengers')
    assert ch.best_rate(run, 'masked', ch.Rules(3, dict(masked=90), {})) == 4e-3 and asked == [(3, 1e-3, 30), (3, 4e-3, 30)]
    monkeypatch.setattr(ch, 'tried_rates', lambda *_: {1e-3: np.nan, 4e-3: np.nan})
    assert ch.best_rate(run, 'masked', ch.Rules(3, dict(masked=90), {})) == 1e-3                              # no localization there to judge by


@pytest.mark.parametrize('change, said', [(dict(protein='one'), 'the data name one protein'),
                                          (dict(protein=[*'abab']), 'would give away'),
                                          (dict(localization=None), 'no column for scores|no two classes|no localizations')])
def test_data_that_cannot_be_asked_are_left_out(monkeypatch, change, said):
    t = pd.DataFrame(dict(protein=[*'PQRS'], fov=[*'PQRS'], localization=[*'abab'], split='test')).assign(**change)
    store = SimpleNamespace(labels=t)
    monkeypatch.setattr(ch, 'crop_store', lambda run: store)
    monkeypatch.setattr(ch, 'split_labels', lambda store, split: t)
    monkeypatch.setattr('cytoself_nb.runs.class_names', lambda store: sorted(set(t.protein)))
    with pytest.raises(NotForTheseData, match=said): ch.compete(SimpleNamespace(seed=0, profile=SimpleNamespace(name='smoke')))


def test_a_summary_has_median_and_range_over_seeds_and_pairs_seeds():
    rows = [dict(representation=n, question='q', score='s', value=v, seconds=60., shown=100, seed=k)
            for n, vs in dict(cytoself=(.1, .2, .6), other=(.2, .1, .9)).items() for k, v in enumerate(vs)]
    t = ch.summary(pd.DataFrame(rows)).set_index('representation')
    assert t.loc['cytoself', ['median', 'low', 'high', 'core_minutes', 'seeds']].tolist() == [.2, .1, .6, 1, 3]
    d = ch.beside(pd.DataFrame(rows), 'other').loc[('q', 's')]
    assert round(d['median'], 6) == .1 and (d.higher, d.seeds) == (2, 3)
