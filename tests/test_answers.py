"Embeddings from anywhere: checked, mapped, asked, and scored beside chance"
import json
import warnings

import numpy as np
import pandas as pd
from conftest import write_h5ad
import pytest

from cytoself_nb import answers
from cytoself_nb.any_embedding import embedding_scores
from cytoself_nb.answers import NO_OTHER, UNLIKE, as_embedding, embedding_atlas, fingerprints, halves, make_reference, read_reference, where, write_reference
from cytoself_nb.core import NotForTheseData
from cytoself_nb.maps import map_frame, purity_table, read_embedding
from cytoself_nb.predict import answer_threshold, calibrate, coverage_curve, rank_answers


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
        write_h5ad(AnnData(X=a, obs=obs), tmp_path/f'{name}.h5ad', compression='gzip')
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


def test_equal_margins_are_answered_all_or_none():
    "A limit promises a share of right answers; of equal margins it lets all pass, in whatever order they stand"
    for rank in ([1]*10 + [2]*20, [2]*20 + [1]*10):
        assert answer_threshold(pd.DataFrame(dict(margin=[.5]*30, rank=rank)), .8) == np.inf
    t = pd.DataFrame(dict(margin=[.9]*12 + [.5]*20, rank=[1]*10 + [2]*2 + [2]*20))
    assert answer_threshold(t, .8) == .9
    assert coverage_curve(t)[['answered', 'accuracy']].round(3).values.tolist() == [[12, .833], [32, .312]]
    assert len(coverage_curve(t[:0])) == 0


@pytest.mark.parametrize('form', ['frame', 'anndata'])
def test_labels_in_another_order_are_paired_by_name(form):
    from anndata import AnnData
    X, labels = vectors(60)
    labels.index = [f'cell {k}' for k in range(60)]
    named = pd.DataFrame(X, labels.index) if form == 'frame' else AnnData(X=X, obs=pd.DataFrame(index=labels.index))
    mixed = labels.sample(frac=1, random_state=1)
    assert as_embedding(named, mixed).obs.protein.tolist() == labels.protein.tolist()
    assert as_embedding(named, mixed.reset_index(drop=True)).obs.protein.tolist() == mixed.protein.tolist(), 'no names: row by row'
    assert as_embedding(X, mixed).obs.protein.tolist() == mixed.protein.tolist()
    twice = labels.set_axis(['a', 'a', *labels.index[2:]])
    for other in (labels.add_prefix('x', axis=0), twice, labels.set_axis([*labels.index[1:], 'new'])):
        with pytest.raises(ValueError, match='name their rows differently, first'): as_embedding(named, other)


def test_numbers_of_rows_in_two_orders_are_refused():
    "Row by row or by number? Either can be meant"
    X, labels = vectors(60)
    mixed = labels.sample(frac=1, random_state=1)
    with pytest.raises(ValueError, match=r"first '0' and '\d+' \(row 0\)"): as_embedding(pd.DataFrame(X), mixed)
    part = mixed[:20]   # some rows, picked alike from both, the vectors numbered anew
    assert as_embedding(pd.DataFrame(X[part.index]), part).obs.protein.tolist() == part.protein.tolist()
    assert as_embedding(pd.DataFrame(X).loc[part.index], part[::-1]).obs.protein.tolist() == part.protein.tolist()


@pytest.mark.filterwarnings('ignore:.*crops that are asked')
def test_features_in_another_order_are_asked_by_name(tmp_path):
    X, labels = vectors()
    F = pd.DataFrame(X, columns=[f'feature {k}' for k in range(10)])
    reference = make_reference(as_embedding(F, labels))
    write_reference(tmp_path/'r.h5ad', reference)
    new = labels.assign(protein='new ' + labels.protein, localization=None)
    want = where(as_embedding(F, new), reference)
    turned = F[F.columns[[1, 2, 0, *range(3, 10)]]]
    for r in (reference, read_reference(tmp_path/'r.h5ad')):
        t = where(as_embedding(turned, new), r)
        assert t.answer.tolist() == want.answer.tolist() and t.in_reference.tolist() == [30]*12, 'its crops are known again'
    plain = where(as_embedding(X, new), reference)
    assert plain.answer.tolist() == want.answer.tolist(), 'without names: by place'
    for other in (turned.rename(columns={'feature 3': 'area'}), turned.set_axis(['feature 3']*10, axis=1)):
        with pytest.raises(ValueError, match="the reference has the feature 'feature [03]', the embedding has not"): where(as_embedding(other, new), reference)
    numbered = make_reference(as_embedding(X, labels))
    assert where(as_embedding(F, new), numbered).answer.tolist() == want.answer.tolist()


def test_names_of_features_come_back_from_files(tmp_path):
    from anndata import AnnData
    X, labels = vectors(24)
    a = AnnData(X=X.astype(np.float32), obs=labels.set_axis([f'c{k}' for k in range(24)]), var=pd.DataFrame(index=[f'f{k}' for k in range(10)]))
    write_h5ad(a, tmp_path/'a.h5ad')
    assert list(as_embedding(tmp_path/'a.h5ad').var_names) == list(a.var_names)
    with pytest.warns(UserWarning, match='in the reference'): assert len(where(tmp_path/'a.h5ad', read_reference(tmp_path/'a.h5ad'))) == 12


@pytest.mark.parametrize('written', ['', ' ', 'nan', 'None', 'N/A', pd.NA])
def test_no_localization_is_none_however_it_is_written(written, tmp_path):
    from anndata import AnnData
    X, labels = vectors(240)
    half = labels.protein < 'P06'
    gaps = labels.assign(localization=labels.localization.where(half, None), complex=np.where(half, 'c1', None))
    other = labels.assign(localization=labels.localization.where(half, written), complex=np.where(half, 'c1', written), fov=labels.fov)
    if str(written) == 'nan': write_h5ad(AnnData(X=X, obs=other.astype(str).set_axis([str(k) for k in range(240)])), tmp_path/'a.h5ad')
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter('always')
        e = as_embedding(X, other) if str(written) != 'nan' else as_embedding(tmp_path/'a.h5ad')
    assert ['120 of 240 crops have the localization' in str(w.message) for w in told if 'localization' in str(w.message)] == ([True] if isinstance(written, str) and written.strip() else [])
    want = as_embedding(X, gaps)
    for c in ('localization', 'complex', 'fov'): assert e.obs[c].isna().tolist() == want.obs[c].isna().tolist()
    assert make_reference(e).families.dropna().to_dict() == make_reference(want).families.dropna().to_dict()
    frames = [pd.DataFrame(X[:, :2]).set_axis(['umap_1', 'umap_2'], axis=1).join(v.obs.reset_index(drop=True)) for v in (e, want)]
    a, b = (purity_table(X, f) for f in frames)
    pd.testing.assert_frame_equal(a, b)
    assert a.crops[0] == 120


def test_a_sparse_matrix_of_an_open_file_is_read(tmp_path):
    from anndata import AnnData, read_h5ad
    from scipy.sparse import csr_matrix
    X, labels = vectors(24)
    write_h5ad(AnnData(X=csr_matrix(X), obs=labels.set_axis([str(k) for k in range(24)])), tmp_path/'s.h5ad')
    assert np.allclose(as_embedding(read_h5ad(tmp_path/'s.h5ad', backed='r')).X, X, atol=1e-6)


def test_a_localization_with_a_space_is_the_same():
    X, labels = vectors(60)
    spaced = as_embedding(X, labels.assign(localization=[f' {v}' if k % 2 else v for k, v in enumerate(labels.localization)]))
    assert spaced.obs.localization.nunique() == 3 and as_embedding(X, labels.assign(protein='NA')).obs.protein.unique() == ['NA']


def test_two_columns_for_one_label_are_named():
    X, labels = vectors(24)
    with pytest.raises(ValueError, match="the columns 'protein' and 'Metadata_protein'; expected one 'protein'"): as_embedding(X, labels.assign(Metadata_protein='x'))
    e = as_embedding(X, labels.assign(Well='a', Metadata_Well='b'))
    assert e.obs.Well.tolist() == ['a']*24 and e.obs.Metadata_Well.tolist() == ['b']*24


def test_what_else_is_in_a_file(tmp_path):
    "A sparse matrix beside the vectors is passed by; a map of one column is named; one that is a table is a map"
    from anndata import AnnData
    from scipy.sparse import csr_matrix
    X, labels = vectors(24)
    obs = labels.set_axis([f'c{k}' for k in range(24)])
    beside = dict(sparse=csr_matrix(X), X_umap=pd.DataFrame(X[:, :2], obs.index, ['a', 'b']))
    write_h5ad(AnnData(X=X, obs=obs, obsm=beside), tmp_path/'a.h5ad')
    assert list(read_embedding(tmp_path/'a.h5ad').obsm) == ['X_umap']
    for e in (as_embedding(tmp_path/'a.h5ad'), as_embedding(AnnData(X=X, obs=obs, obsm=beside))): assert np.allclose(map_frame(e).umap_2, X[:, 1], atol=1e-6)
    with pytest.raises(ValueError, match=r'X_umap has the shape \(24, 1\); expected \(24, 2\)'): embedding_atlas(AnnData(X=X, obs=obs, obsm=dict(X_umap=X[:, :1])), tmp_path/'a.html')


@pytest.mark.filterwarnings('ignore:.*crops that are asked')
def test_groups_by_a_category_with_gaps():
    X, labels = vectors()
    reference = make_reference(as_embedding(X, labels))
    gaps = np.where(labels.protein < 'P06', labels.fov, None)
    a, b = (where(as_embedding(X, labels.assign(by=v)), reference, 'by') for v in (pd.Categorical(gaps), gaps))
    pd.testing.assert_frame_equal(a, b)
    assert a.crops['unknown'] == 180


def test_a_reference_that_is_cut_is_named(tmp_path):
    X, labels = vectors()
    write_reference(tmp_path/'r.h5ad', make_reference(as_embedding(X, labels)))
    whole = (tmp_path/'r.h5ad').read_bytes()
    for raw in (whole[:len(whole)//2], b'hello', b''):
        (tmp_path/'cut.h5ad').write_bytes(raw)
        with pytest.raises(ValueError, match='cut.h5ad is no complete .h5ad .*; expected a file of write_reference or an embedding'): read_reference(tmp_path/'cut.h5ad')


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
        warnings.simplefilter('error', UserWarning)
        t = where(as_embedding(X[300:], labels[300:]), known)   # other crops of the same proteins: nothing to say
    assert (t.in_reference == 0).all()
    with pytest.warns(UserWarning, match='in the reference too'): t = where(as_embedding(X, labels), known)
    assert t.in_reference.tolist() == [10]*30, 'a crop counts once, by its vector and by its place'
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
        warnings.simplefilter('error', UserWarning)
        assert not where(as_embedding(X[:1], labels[:1]), reference).in_reference.any()


def test_images_unlike_the_reference_are_none():
    X, labels = vectors()
    reference = make_reference(as_embedding(X, labels))
    odd = np.random.default_rng(3).normal(size=(60, 10)) + 30*np.eye(10)[9] + 3*np.eye(10)[0]
    t = where(as_embedding(odd, labels[:60].assign(protein='unlike')), reference)
    assert t.answer.tolist() == ['none']


def recorded(labels, noise, background=.02, seed=0):
    "Labels as an embedding of images has them"
    rng = np.random.default_rng(seed)
    return labels.assign(image_noise=noise*rng.uniform(1, 2, len(labels)), image_background=background*rng.uniform(1, 2, len(labels)))


@pytest.mark.filterwarnings('ignore:.*crops that are asked', 'ignore:on average')
@pytest.mark.parametrize('noise, background, word', [(.05, .02, 'noisier'), (.001, .02, 'smoother'), (.01, .2, 'with a brighter background'), (.01, .001, 'with a darker background'), (.01, .02, None)])
def test_images_of_another_kind_have_no_answer(noise, background, word, tmp_path):
    X, labels = vectors()
    write_reference(tmp_path/'r.h5ad', make_reference(as_embedding(X, recorded(labels, .01))))
    asked = recorded(labels.assign(protein='new ' + labels.protein, localization=None), noise, background, 1)
    asked.loc[asked.protein == 'new P00', 'image_noise'] = .015   # one protein's images are as they were, but for their background
    for r in (make_reference(as_embedding(X, recorded(labels, .01))), read_reference(tmp_path/'r.h5ad')):
        t = where(as_embedding(X, asked), r)
        plain = t.drop('new P00')
        if word is None: assert (plain.answer != 'none').all() and (plain.why == '').all()
        else: assert (plain.answer == 'none').all() and (plain.why == f'images unlike the reference: {word}; 99 in 100 of its kind are not').all()
        assert (t.answer['new P00'] == 'none') == ('background' in str(word))


@pytest.mark.filterwarnings('ignore:.*crops that are asked', 'ignore:on average')
@pytest.mark.parametrize('kind', [str, 'category', 'string', object])
def test_numbers_of_images_that_come_as_text_or_categories_are_numbers(kind, tmp_path):
    "So a .csv of profiles gives them back; categories had been taken for their codes"
    X, labels = vectors()
    plain, told = recorded(labels, .01), recorded(labels, .01)
    for c in ('image_noise', 'image_background'): told[c] = told[c].astype(str).astype(kind) if kind == 'category' else told[c].astype(kind)
    a, b = (make_reference(as_embedding(X, t)).images for t in (plain, told))
    assert np.allclose(a, b)
    noisy = recorded(labels.assign(protein='new ' + labels.protein), .05)
    noisy['image_noise'] = noisy.image_noise.astype(str).astype(kind) if kind == 'category' else noisy.image_noise.astype(kind)
    assert (where(as_embedding(X, noisy), make_reference(as_embedding(X, told))).answer == 'none').all()


def test_crops_without_numbers_among_others_are_said():
    X, labels = vectors()
    reference, asked = make_reference(as_embedding(X, recorded(labels, .01))), recorded(labels.assign(protein='new ' + labels.protein), .01, seed=1)
    asked.loc[asked.protein == 'new P03', 'image_noise'] = np.nan
    with pytest.warns(UserWarning, match='noise and background of 30 of 360 crops are not known'): t = where(as_embedding(X + 1e-2, asked), reference)
    assert (t.answer != 'none').all()
    with pytest.warns(UserWarning, match='known of the reference and not of the embedding'): where(as_embedding(X + 1e-2, asked.assign(image_noise=np.nan)), reference)
    assert make_reference(as_embedding(X, recorded(labels, .01).assign(image_noise=np.nan))).images is None


@pytest.mark.filterwarnings('ignore:on average')
def test_what_is_asked_of_its_own_file_does_not_widen_its_limits():
    "Proteins without a localization are asked; what their images are like is no measure for them"
    X, labels = vectors()
    noise = np.where(labels.protein < 'P03', .05, .01)
    mine = as_embedding(X, recorded(labels.assign(localization=labels.localization.mask(labels.protein < 'P03')), noise))
    with pytest.warns(UserWarning, match='in the reference'): t = where(mine, make_reference(mine))
    assert t.why.str.contains('noisier').tolist() == [True]*3 + [False]*9


def test_kinds_of_images_that_only_one_side_knows_are_said():
    X, labels = vectors()
    asked = labels.assign(protein='new ' + labels.protein, localization=None)
    known, unknown = (make_reference(as_embedding(X, t)) for t in (recorded(labels, .01), labels))
    assert unknown.images is None
    with pytest.warns(UserWarning, match='known of the reference and not of the embedding'): where(as_embedding(X + 1e-2, asked), known)
    with pytest.warns(UserWarning, match='known of the embedding and not of the reference'): where(as_embedding(X + 1e-2, recorded(asked, .01)), unknown)
    with warnings.catch_warnings():
        warnings.simplefilter('error', UserWarning)
        where(as_embedding(X + 1e-2, asked), unknown)
    with pytest.warns(UserWarning, match=r'on average the images that are asked have 4.. times the noise of those'): where(as_embedding(X + 1e-2, recorded(asked, .05)), known)


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


def test_a_map_of_few_codes_is_no_identity():
    "Two proteins whose cells are dark have the same map; with eight codes or more a map is a cell's own"
    labels, codes = pd.DataFrame(dict(protein=['a', 'b'])), np.zeros((2, 256), np.uint16)
    for n, want in ((1, 0), (7, 0), (8, 2)):
        codes[:, :n] = np.arange(n)
        e = as_embedding(np.ones((2, 20)), labels)
        e.obsm['local_codes'] = codes
        assert len(fingerprints(e)) == want


def test_one_in_twenty_of_the_questions_that_set_the_limit_is_unlike():
    X, labels = vectors(2400)
    e = as_embedding(X, labels)
    asked, scale = halves(e.obs), answers._scale_of(e.X, labels.protein)
    parts = [(e.X[a], e.obs[a].reset_index(drop=True)) for a in (~asked, asked)]
    t = calibrate(*parts[0], *parts[1], 10, mean=answers._standard(scale), reading='counts')[1]
    assert .04 < (t.r < make_reference(e).alike[1]).mean() < .06


def test_pictures_of_a_store_that_holds_other_crops_now_are_not_shown(tmp_path):
    "By its pixels, or, where a file doesn't remember them, by the labels of its rows"
    from cytoself_nb.data import _pixels, write_store
    labels = pd.DataFrame(dict(protein=list('AABBC'), fov=['f1', 'f2', 'f3', 'f4', 'f5'], split='test'))
    write = lambda name, seed, t=labels: write_store(tmp_path/name, np.random.default_rng(seed).random((len(t), 2, 64, 64)).astype(np.float32), t, ['protein', 'nucleus'])
    mine, other, few = write('mine.zarr', 0), write('other.zarr', 1), write('few.zarr', 2, labels[:3])
    others = write('others.zarr', 3, labels.assign(protein=list('VWXYZ')))
    frame = mine.labels.assign(row=range(5), umap_1=0., umap_2=0.)   # a store has an order of its own
    assert answers._shows(mine, frame, _pixels(mine)) and not answers._shows(other, frame, _pixels(mine)) and not answers._shows(few, frame, _pixels(few))
    assert answers._shows(mine, frame, None) and not answers._shows(others, frame, None) and not answers._shows(few, frame, None)
    e = as_embedding(np.random.default_rng(0).random((5, 3)), mine.labels.assign(row=range(5)))
    e.uns['settings'] = json.dumps(dict(store=str(other.path), pixels=_pixels(mine)))
    with pytest.warns(UserWarning, match='holds other crops than those that were embedded'): assert answers._pictures(e, frame, None) == (None, None)
    e.uns['settings'] = json.dumps(dict(store=str(mine.path), pixels=_pixels(mine)))
    assert len(answers._pictures(e, frame, None)[0]) == 5


def test_crops_without_a_group_and_words_for_no_localization_are_said():
    obs = pd.DataFrame(dict(protein=list('AABB'), well=['w1', None, None, 'w2'], localization=['er', 'er', 'unknown', '?']))
    with pytest.warns(UserWarning, match='2 of 4 crops have no well: they are asked as one group, unknown'): assert answers._groups_of(obs, 'well').tolist() == ['w1', 'unknown', 'unknown', 'w2']
    with pytest.raises(ValueError, match="no column 'plate'"): answers._groups_of(obs, 'plate')
    with pytest.warns(UserWarning, match="2 of 4 crops have the localization 'unknown'; taken as not known"): e = as_embedding(np.eye(4), obs)
    assert e.obs.localization.isna().tolist() == [False, False, True, True]


def test_labels_are_shuffled_by_protein_where_crops_of_one_protein_are_alike():
    from cytoself_nb.any_embedding import function_scores, localization_scores
    above = 0
    for seed in range(6):
        rng, protein = np.random.default_rng(seed), np.arange(300) % 20
        X = (rng.normal(size=(20, 8))[protein] + .3*rng.normal(size=(300, 8))).astype(np.float32)
        labels = pd.DataFrame(dict(protein=[f'P{p}' for p in protein], localization=np.array(list('abcd'))[protein % 4]))
        t = localization_scores(as_embedding(X, labels), seed).set_index('measure').loc['clustering score, map']
        above += t.value > t.shuffled_highest
    assert above <= 2, 'vectors that know the protein alone know no localization'
    sets = {'s': pd.DataFrame(dict(set=[f'S{k % 4}' for k in range(20)], protein=[f'P{k}' for k in range(20)]))}
    t = function_scores(as_embedding(X, labels), sets, times=9)
    assert (t.shuffled_highest.dropna() >= t.shuffled.dropna()).all()


def test_labels_as_bytes_are_text():
    "As h5py gives them: b'A' is A"
    e = as_embedding(np.ones((2, 3)), pd.DataFrame(dict(protein=[b'A', b'B'], localization=[b'er', b'golgi'])))
    assert e.obs.protein.tolist() == ['A', 'B'] and e.obs.localization.tolist() == ['er', 'golgi']


@pytest.mark.parametrize('x, words', [(1e39, 'not finite in 1 rows'), (1j, 'vectors are complex')])
def test_numbers_that_no_float32_holds_are_refused(x, words):
    with pytest.raises(ValueError, match=words): as_embedding(np.array([[1, 2], [x, 0]]), pd.DataFrame(dict(protein=['A', 'B'])))
