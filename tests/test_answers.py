"Embeddings from anywhere: checked, mapped, asked, and scored beside chance"
import warnings

import numpy as np
import pandas as pd
import pytest

from cytoself_nb.any_embedding import embedding_scores
from cytoself_nb.answers import NO_OTHER, UNLIKE, as_embedding, embedding_atlas, fingerprints, halves, make_reference, read_reference, where, write_reference
from cytoself_nb.core import NotForTheseData
from cytoself_nb.maps import read_embedding
from cytoself_nb.predict import answer_threshold, calibrate, rank_answers


def vectors(n=360, seed=0, far=2.):
    "Twelve proteins in three places, told apart by the first three of ten numbers"
    rng, protein = np.random.default_rng(seed), np.arange(n) % 12
    labels = pd.DataFrame(dict(protein=[f'P{p:02}' for p in protein], fov=[f'F{k//12}_{p}' for k, p in enumerate(protein)], localization=np.array(['er', 'golgi', 'nucleus'])[protein % 3]))
    return rng.normal(size=(n, 10)) + far*np.eye(3, 10)[protein % 3], labels


def test_unknown_proteins_are_placed_and_the_answers_are_right():
    X, labels = vectors()
    known, asked = ~labels.protein.isin(['P00', 'P04', 'P08']), labels.protein.isin(['P00', 'P04', 'P08'])
    reference = make_reference(as_embedding(X[known], labels[known]))
    t = where(as_embedding(X[asked], labels[asked].assign(localization=None)), reference)
    assert t.answer.tolist() == ['er', 'golgi', 'nucleus'] and (t.why == '').all()


def test_noise_is_answered_none_with_a_reason():
    X, labels = vectors(far=0.)
    reference = make_reference(as_embedding(X, labels))
    t = where(as_embedding(*vectors(120, 1, 0.)), reference, 'crop')
    assert (t.answer == 'none').mean() > .7 and (t.why[t.answer == 'none'] != '').all()
    assert set(t.why) <= {'', 'the first two families are too close', 'no limit: too few crops to calibrate on, or too many of their answers are wrong', UNLIKE}


def test_scale_and_place_of_a_feature_do_not_matter():
    X, labels = vectors()
    a = where(as_embedding(X, labels), make_reference(as_embedding(X, labels)))
    Y = X*10.**np.arange(-4, 6) + 50
    b = where(as_embedding(Y, labels), make_reference(as_embedding(Y, labels)))
    assert a.answer.tolist() == b.answer.tolist() and np.allclose(a.r_1, b.r_1, atol=1e-3)
    flat = np.hstack([X, np.ones((len(X), 1))])
    assert where(as_embedding(flat, labels), make_reference(as_embedding(flat, labels))).answer.tolist() == a.answer.tolist()


@pytest.mark.parametrize('localization', [None, [np.nan]*360])
def test_without_localizations_a_sentence(localization):
    X, labels = vectors()
    with pytest.raises(NotForTheseData, match='none of the 12 proteins has a localization'): make_reference(as_embedding(X, labels.assign(localization=localization)))
    empty = pd.Series(np.nan, index=['a', 'b'], dtype=object)
    spectra = pd.DataFrame(np.ones((2, 3)), index=['a', 'b'])
    with pytest.raises(NotForTheseData, match='add it to stacks.csv or labels.csv'): rank_answers(spectra, pd.Series(1, index=['a', 'b']), spectra, empty, {1: 0.})
    codes = np.ones((4, 5), int)
    t = pd.DataFrame(dict(protein=['a', 'a', 'b', 'b'], localization=None))
    with pytest.raises(NotForTheseData): calibrate(codes, t, codes, t, 3)


@pytest.mark.parametrize('spoil, message', [
    (lambda X, t: (X[:5], t), 'vectors of shape'), (lambda X, t: (X[0], t), 'vectors of shape'),
    (lambda X, t: (np.where(X > 2, np.inf, X), t), 'not finite in'), (lambda X, t: (X.astype(str), t), 'remove the columns of text'),
    (lambda X, t: (X, t.drop(columns='protein')), "expected a column 'protein'"), (lambda X, t: (X[:0], t[:0]), 'at least one'),
    (lambda X, t: (X, None), 'without labels')], ids=range(7))
def test_what_is_no_embedding_is_refused(spoil, message):
    with pytest.raises(ValueError, match=message): as_embedding(*spoil(*vectors()))


def test_files_of_other_programs_open(tmp_path):
    from anndata import AnnData
    from scipy.sparse import csr_matrix
    X, labels = vectors(24)
    obs = labels.set_axis([f'cell{k}' for k in range(24)]).add_prefix('Metadata_')
    for name, a in dict(sparse=csr_matrix(X), double=X, dense=X.astype(np.float32)).items():
        AnnData(X=a, obs=obs).write_h5ad(tmp_path/f'{name}.h5ad', compression='gzip')
        e = as_embedding(tmp_path/f'{name}.h5ad')
        assert np.allclose(e.X, X, atol=1e-5) and e.obs.protein.tolist() == labels.protein.tolist()
    assert 'P03' in embedding_atlas(e, tmp_path/'a.html').read_text()
    (tmp_path/'cut.h5ad').write_bytes((tmp_path/'dense.h5ad').read_bytes()[:3000])
    with pytest.raises(ValueError, match='no complete .h5ad with a matrix X'): read_embedding(tmp_path/'cut.h5ad')
    with pytest.raises(FileNotFoundError, match='no embedding at'): read_embedding(tmp_path/'nothing.h5ad')


def test_a_reference_of_other_features_is_refused(tmp_path):
    X, labels = vectors()
    reference = make_reference(as_embedding(X, labels))
    with pytest.raises(ValueError, match='10 values, the embedding has 4 values'): where(as_embedding(X[:, :4], labels), reference)
    with pytest.raises(ValueError, match="no column 'gen'"): where(as_embedding(X, labels), reference, by='gen')
    write_reference(tmp_path/'r.h5ad', reference)
    again = read_reference(tmp_path/'r.h5ad')
    assert again.thresholds == reference.thresholds and again.families.to_dict() == reference.families.to_dict()


def test_halves_keep_fields_whole():
    labels = vectors()[1]
    asked = halves(labels)
    assert (labels.assign(asked=asked).groupby(['protein', 'fov']).asked.nunique() == 1).all() and .4 < asked.mean() < .6
    alone = halves(labels.assign(fov=None))
    assert alone.sum() == 180


def test_scores_of_vectors_with_and_without_knowledge():
    good, noise = (embedding_scores(*vectors(far=f)).set_index('measure') for f in (2., 0.))
    assert (good.value > good.shuffled_highest).all()
    assert abs(noise.value['purity, map'] - noise.shuffled['purity, map']).max() < .1


def test_too_few_right_answers_give_no_limit():
    assert answer_threshold(pd.DataFrame(dict(margin=[.5]*9, rank=[1]*9))) == np.inf


def one_place(seed=0, rows=slice(None)):
    "Thirty proteins that differ by their own feature only; the places are drawn: whoever is right has looked at the crop itself"
    rng, protein = np.random.default_rng(seed), np.arange(600) % 30
    X = rng.normal(size=(600, 40)) + 6*np.eye(30, 40)[protein]
    place = rng.permutation(np.repeat(['er', 'golgi', 'nucleus'], 10))
    labels = pd.DataFrame(dict(protein=[f'P{p:02}' for p in protein], fov=[f'F{k//30 % 4}_{p}' for k, p in enumerate(protein)], localization=place[protein], nucleus=np.arange(600)//120, y=np.arange(600) % 97, x=np.arange(600) % 101))
    return X[rows], labels[rows]


COPIES = {
    'the same': lambda X, t: (X, t),
    'a part': lambda X, t: (X[::3], t[::3]),
    'other names': lambda X, t: (X, t.assign(protein='new ' + t.protein, fov=None)),
    'only vectors': lambda X, t: (X, t[['protein']]),
    'rounded': lambda X, t: (X.astype(np.float16), t[['protein']]),
    'in another order': lambda X, t: (X[::-1], t[::-1]),
    'embedded again': lambda X, t: (X + 1e-3*np.random.default_rng(1).normal(size=X.shape), t),
    'among others': lambda X, t: (np.vstack([X, X + 1]), pd.concat([t, t.assign(y=t.y + 200)])),
}


@pytest.mark.filterwarnings('ignore:.*crops that are asked')
@pytest.mark.parametrize('by', ['protein', 'crop', 'fov'])
@pytest.mark.parametrize('copy', COPIES)
def test_asked_crops_never_answer_for_themselves(copy, by, tmp_path):
    reference = make_reference(as_embedding(*one_place()))
    write_reference(tmp_path/'r.h5ad', reference)
    asked = as_embedding(*COPIES[copy](*one_place()))
    truth = one_place()[1].drop_duplicates('protein').set_index('protein').localization
    if asked.obs.fov.isna().all() and by == 'fov': return
    t = where(asked, read_reference(tmp_path/'r.h5ad'), by)
    if by == 'protein': own = t.index.str.removeprefix('new ').map(truth)
    else: own = asked.obs.groupby(np.arange(len(asked)) if by == 'crop' else 'fov').protein.first().str.removeprefix('new ').map(truth).reindex(t.index)
    shared = (t.in_reference > 0).to_numpy()
    assert shared.sum() >= len(t)/2.1 and (t.family_1.to_numpy() == np.asarray(own))[shared].mean() < .6, 'a third is chance'


def test_shared_crops_are_told_and_others_are_not_touched():
    X, labels = one_place()
    known = make_reference(as_embedding(X[:300], labels[:300]))
    with pytest.warns(UserWarning, match='^300 of the 600 crops that are asked are in the reference too'): where(as_embedding(X, labels), known)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        t = where(as_embedding(X[300:], labels[300:]), known)   # other crops of the same proteins: nothing to say
    assert (t.in_reference == 0).all()
    old = known._replace(crops=None)
    with pytest.warns(UserWarning, match="doesn't say which crops it was made of"): where(as_embedding(X, labels), old)


def test_a_localization_that_only_the_asked_protein_has_is_answered_none():
    X, labels = vectors()
    labels.loc[labels.protein == 'P00', 'localization'] = 'its own'
    with pytest.warns(UserWarning, match='in the reference too'): t = where(as_embedding(X, labels), make_reference(as_embedding(X, labels)))
    assert t.answer['P00'] == 'none' and t.why['P00'] == NO_OTHER
    two = labels.protein.isin(['P00', 'P01'])
    few = as_embedding(X[two], labels[two])
    with pytest.warns(UserWarning): assert set(where(few, make_reference(few)).why) == {NO_OTHER}
    one = as_embedding(X[labels.protein == 'P00'], labels[labels.protein == 'P00'])
    with pytest.warns(UserWarning): assert set(where(one, make_reference(one)).answer) == {'none'}


def test_places_are_no_identity_where_they_only_look_alike():
    X, labels = one_place()
    other = np.random.default_rng(5).normal(size=X.shape)
    share = lambda a, b: fingerprints(as_embedding(other, a)).index.isin(fingerprints(as_embedding(X, b)).index).any()
    assert share(labels, labels) and not share(labels.assign(x=labels.x + 1), labels)
    files = labels[['protein']].assign(file=[f'c{k}.tif' for k in range(600)])
    assert share(files, files) and not share(files.assign(protein='q'), files) and not share(files.assign(file='field.tif'), files.assign(file='field.tif'))


def test_what_many_crops_share_is_no_identity():
    X, labels = one_place()
    X[::7] = X[0]   # a network that can't tell these apart
    labels = labels[['protein', 'localization']]
    reference = make_reference(as_embedding(X, labels))
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert not where(as_embedding(X[:1], labels[:1]), reference).in_reference.any()


def test_images_unlike_the_reference_are_none():
    X, labels = vectors()
    reference = make_reference(as_embedding(X, labels))
    odd = np.random.default_rng(3).normal(size=(60, 10)) + 30*np.eye(10)[9] + 3*np.eye(10)[0]
    t = where(as_embedding(odd, labels[:60].assign(protein='unlike')), reference)
    assert t.answer.tolist() == ['none']


def test_another_cell_with_the_same_global_codes_is_not_taken_for_the_same():
    "A vector of few codes comes again in other cells; the map of local codes does not"
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(6, 40)).astype(np.float32), pd.DataFrame(dict(protein=list('aabbcc')))
    a, b = (as_embedding(x, labels) for _ in range(2))
    a.obsm['local_codes'], b.obsm['local_codes'] = (rng.integers(0, 64, (6, 256)).astype(np.uint16) for _ in range(2))
    b.obsm['local_codes'][2] = a.obsm['local_codes'][2]
    known = fingerprints(a)
    assert fingerprints(b)[fingerprints(b).index.isin(known.index)].tolist() == [2]
    assert fingerprints(b, by_codes=False).index.isin(fingerprints(a, by_codes=False).index).all()
