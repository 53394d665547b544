"Feature spectra: what the notebook does not show"
import warnings

import numpy as np
import pandas as pd
import pytest

from cytoself_nb import predict as P
from cytoself_nb import spectra as S
from cytoself_nb.apply import image_numbers
from cytoself_nb.split import tidy_labels

rng = np.random.default_rng(0)


def toy(n_proteins=12, crops=4, n_codes=30, families='xyz'):
    "Codes of proteins whose family prefers its own third of the codebook"
    names = [f'P{i:02d}' for i in range(n_proteins)]
    family = pd.Series([families[i % len(families)] for i in range(n_proteins)], names)
    start = {f: k*n_codes//len(families) for k, f in enumerate(families)}
    rows = [rng.integers(0, n_codes//len(families), 64) + start[family[p]] for p in names for _ in range(crops)]
    labels = pd.DataFrame(dict(protein=np.repeat(names, crops), localization=np.repeat(family.values, crops)))
    return np.array(rows, np.uint16), labels, n_codes


def test_spectra_do_not_depend_on_the_block_size(monkeypatch):
    codes, labels, n = toy()
    whole = S.protein_spectra(codes, labels.protein, n)
    monkeypatch.setattr(S, 'BLOCK', 5)
    pd.testing.assert_frame_equal(S.protein_spectra(codes, labels.protein, n), whole)
    assert (S.cluster_counts(codes, np.arange(n) % 3).sum(1) == 64).all()

def test_memory_mapped_codes_are_read(tmp_path):
    codes, labels, n = toy()
    np.save(tmp_path/'codes.npy', codes)
    mapped = np.load(tmp_path/'codes.npy', mmap_mode='r')
    assert (S.protein_spectra(mapped, labels.protein, n).values == S.protein_spectra(codes, labels.protein, n).values).all()

def test_clear_families_are_all_found():
    codes, labels, n = toy()
    spectra, families = S.protein_spectra(codes, labels.protein, n), S.single_localization(labels)
    for reading in S.READINGS:
        table = S.rank_table(S.leave_one_out(spectra, families, reading=reading), families)
        assert len(table) == 12 and (table['rank'] == 1).all() and (table.answer == table.family).all()

@pytest.mark.parametrize('reading', S.READINGS)
def test_leaving_out_is_what_a_loop_would_do(reading):
    codes, labels, n = toy()
    spectra, families = S.protein_spectra(codes, labels.protein, n), S.single_localization(labels)
    noisy = spectra + rng.random(spectra.shape)
    got, read = S.leave_one_out(noisy, families, reading=reading), lambda x: S.READINGS[reading](x, noisy.values)
    for p in noisy.index:
        others = S.family_spectra(noisy.drop(p), families.drop(p))
        assert np.allclose(got.loc[p], S.rank_families(read(noisy.loc[[p]]), read(others)).loc[p])

def test_a_protein_alone_in_its_family_is_not_asked_but_can_be_the_answer():
    codes, labels, n = toy()
    spectra, families = S.protein_spectra(codes, labels.protein, n), S.single_localization(labels)
    families['P00'] = 'alone'
    got = S.leave_one_out(spectra, families)
    assert 'P00' not in got.index and 'alone' in got.columns

def test_no_family_with_two_proteins_gives_an_empty_table():
    codes, labels, n = toy(3)
    families = S.single_localization(labels)
    table = S.rank_table(S.leave_one_out(S.protein_spectra(codes, labels.protein, n), families), families)
    assert len(table) == 0 and S.top_k(table, families).n.eq(0).all()

def test_mixed_localizations_belong_to_no_family():
    labels = pd.DataFrame(dict(protein=list('aabbcd'), localization=['er', 'er', 'er', 'golgi', 'er|golgi', None]))
    assert S.single_localization(labels).dropna().to_dict() == {'a': 'er'}

def test_correlation_ignores_rows_without_contrast():
    r = S.pearson(np.array([[1., 1, 1], [1, 2, 3]]), np.array([[3., 2, 1]]))
    assert np.allclose(r[:, 0], [0, -1])

def test_clusters_cover_each_code_once_and_keep_the_order():
    from scipy.cluster.hierarchy import linkage
    points = rng.normal(size=(200, 3)) + 8*rng.integers(0, 4, (200, 1))
    tree = linkage(points, 'average')
    for n in (1, 4, 11):
        clusters = S.cut_tree(tree, n)
        assert clusters.max() <= n and clusters.min() >= 0
        used = np.ones(200, bool)
        order = S.code_tree(S.code_correlation(rng.random((40, 200))), used)[1]
        assert sorted(order) == list(range(200))

def test_a_collapsed_codebook_is_named_and_still_drawn():
    used = np.array([1, 1, 0, 0, 0], bool)
    with pytest.warns(UserWarning, match='collapsed'): tree, order = S.code_tree(np.eye(5), used)
    assert sorted(order) == list(range(5)) and len(S.code_clusters(tree, used)) == 5

def test_crops_without_a_protein_are_refused():
    with pytest.raises(ValueError, match='have no protein'): S.protein_spectra(np.zeros((2, 4), int), ['a', None], 3)

def test_codes_that_are_no_integers_are_refused():
    with pytest.raises(ValueError, match='expected integers'): S.histograms(np.zeros((2, 4)), 3)

def test_threshold_is_infinite_when_no_answer_is_good_enough():
    table = pd.DataFrame(dict(margin=np.linspace(.5, .1, 20), rank=2))
    assert P.answer_threshold(table) == float('inf')

def test_threshold_keeps_its_promise_on_the_rows_it_was_set_on():
    table = pd.DataFrame(dict(margin=rng.random(200)))
    table['rank'] = np.where(rng.random(200) < table.margin, 1, 2)
    t = P.answer_threshold(table, .8)
    assert (table['rank'][table.margin >= t] == 1).mean() >= .8

def test_the_field_stands_in_where_the_protein_is_the_localization():
    labels = pd.DataFrame(dict(protein=['er', 'golgi'], localization=['er', 'golgi'], fov=['f1', 'f2']))
    assert S._named(labels).protein.tolist() == ['f1', 'f2']
    assert S._named(labels.assign(localization=['er', 'er'])).protein.tolist() == ['er', 'golgi']


@pytest.mark.parametrize('used', [1, 2, 3, 5])
def test_few_codes_in_use_are_drawn(used):
    import warnings
    import matplotlib.pyplot as plt
    from cytoself_nb.predict import _bands
    from cytoself_nb.spectra import code_clusters, code_correlation, code_profiles, code_tree
    codes = np.random.default_rng(0).integers(0, used, (45, 256))
    spectra = S.protein_spectra(codes, np.repeat(list('ABCDE'), 9), 64)
    occurs = spectra.values.sum(0) > 0
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        tree, order = code_tree(code_correlation(code_profiles(codes, spectra)), occurs)
    fig, ax = plt.subplots()
    for shown in (order, order[:int(occurs.sum())]): _bands(ax, code_clusters(tree, occurs), shown, named=True)
    plt.close(fig)


def test_without_any_localization_an_answer_is_a_sentence():
    from cytoself_nb.core import NotForTheseData
    from cytoself_nb.predict import rank_answers
    spectra = pd.DataFrame(np.eye(3), index=list('abc'))
    with pytest.raises(NotForTheseData, match='has a localization of its own'):
        rank_answers(spectra, pd.Series(1, spectra.index), spectra, pd.Series(np.nan, spectra.index), {1: .1})
    for top in (0, -1, 1.5):
        with pytest.raises(ValueError, match='expected the number of families'):
            rank_answers(spectra, pd.Series(1, spectra.index), spectra, pd.Series('x', spectra.index), {1: .1}, top)


def test_proteins_in_two_places_are_asked_too():
    codes, labels, n = toy()
    spectra, families = S.protein_spectra(codes, labels.protein, n), S.single_localization(labels).copy()
    families['P00'] = np.nan
    t = P.group_ranks(codes, labels.protein, spectra, families, 2)
    mixed = t[t.protein == 'P00']
    assert len(t) == 24 and len(mixed) == 2 and mixed.family.isna().all() and mixed['rank'].isna().all() and (mixed.answer == 'x').all()


def test_answers_are_judged_as_by_hand():
    "Eight proteins of two crops, four of them right: drawn again, 2.5 % have one right at most (binomial: .4 % none, 3.5 % one)"
    t = pd.DataFrame(dict(protein=np.repeat(list('abcdefgh'), 2), family='x', margin=.5, rank=np.repeat([1, 2], 8), limit=.5))
    rest = pd.DataFrame(dict(protein=['i', 'j', 'k'], family=['x', None, None], margin=[.4, .5, .4], rank=[1, np.nan, np.nan], limit=.5))
    got = P._judged(pd.concat([t, rest], ignore_index=True))
    assert got == {'asked': 17, 'answered': 16, 'proteins of these': 8, 'right of these': .5, '95 % interval, low': .125, 'high': .875,
                   'right without threshold': 9/17, 'mixed, asked': 2, 'mixed, answered': 1}
    whole = P._judged(t.drop_duplicates('protein').assign(rank=[1]*7 + [2]))   # one answer a protein: the exact interval
    assert np.round([whole['95 % interval, low'], whole['high']], 3).tolist() == [.473, .997]


@pytest.mark.parametrize('proteins, right, want', [(1, 1, [.025, 1]), (4, 1, [.398, 1]), (4, 0, [0, .602]), (30, 1, [.884, 1])])
def test_an_interval_of_answers_that_are_all_alike_has_a_width(proteins, right, want):
    "Two crops of each protein: proteins drawn again give the same share each time"
    t = pd.DataFrame(dict(protein=np.repeat(np.arange(proteins).astype(str), 2), family='x', margin=.5, rank=2 - right, limit=.5))
    got = P._judged(t)
    assert np.round([got['95 % interval, low'], got['high']], 3).tolist() == want
    none = P._judged(t.assign(limit=.9))
    assert none['answered'] == 0 and np.isnan([none['right of these'], none['high']]).all()


def test_equal_correlations_share_their_ranks():
    r = pd.DataFrame([[.5, .5, .1], [.5, .5, .9], [.3, .2, .1]], list('abc'), list('xyz'))
    t = S.rank_table(r, pd.Series(list('xyx'), list('abc')))
    assert t['rank'].tolist() == [1.5, 2.5, 1] and np.allclose(t.margin, [0, .4, .1])


def test_positions_of_each_cluster_and_of_none():
    counts = S.cluster_counts(np.array([[0, 1, 1, 2], [2, 2, 2, 2]]), np.array([0, 1, 2]))
    assert counts.tolist() == [[1, 2, 1], [0, 0, 4]]


def test_what_the_image_shows_at_a_code():
    "Code 0 on the left half: dark, outside; code 1 on the right: bright, inside in the lower half"
    from types import SimpleNamespace
    x = np.zeros((1, 2, 8, 8), np.float16)
    x[0, 0, :, 4:], x[0, 1] = .5, -1
    x[0, 1, 4:, 4:] = 1
    t = S.code_measures(np.array([[0, 1, 0, 1]]), SimpleNamespace(images=x, channels=['protein', 'distance']), [0], 3)
    assert t['count'].tolist() == [2, 2, 0] and t.brightness.tolist() == [0, .5, 0] and t.inside.tolist() == [0, .5, 0]


def test_groups_are_full_and_have_the_limit_of_the_next_smaller_size():
    codes, labels, n = toy(crops=5)
    t = P.group_ranks(codes, labels.protein, S.protein_spectra(codes, labels.protein, n), S.single_localization(labels), 2)
    assert len(t) == 24 and (t.groupby('protein').size() == 2).all(), 'the fifth crop is in no group'
    assert P._limits({1: .3, 2: .2, 5: .1}, [1, 2, 4, 5, 99]).tolist() == [.3, .2, .2, .1, .1]


def test_a_protein_is_not_its_own_neighbor():
    codes, labels, n = toy()
    near = P.nearest_proteins(S.protein_spectra(codes, labels.protein, n), 'P03', 3)
    assert set(near.index) == {'P00', 'P06', 'P09'} and near.is_monotonic_decreasing


def test_single_crops_are_asked_by_their_place_whatever_the_index():
    labels = pd.DataFrame(dict(protein=list('aabbccdd'), localization=['er']*4 + ['golgi']*4))
    codes = np.repeat([[0, 0, 1], [0, 0, 2], [3, 3, 1], [3, 3, 2]], 2, axis=0)
    asked = S.left_out(codes, labels, 4, by='crops')
    for index in (np.arange(8) + 5000.5, list('hgfedcba'), np.arange(8)[::-1]):
        pd.testing.assert_frame_equal(S.left_out(codes, labels.set_axis(index), 4, by='crops'), asked)


@pytest.mark.parametrize('odd', [-1, 4])
def test_codes_that_no_codebook_has_are_refused(odd):
    "-1 would be counted for the protein before"
    codes = np.array([[0, 1], [odd, 2]])
    for count in (S.histograms, lambda c, n: S.protein_spectra(c, pd.Series(['A', 'B']), n)):
        with pytest.raises(ValueError, match=f'code {odd} in a codebook of 4'): count(codes, 4)


def test_a_localization_missing_in_some_rows_is_that_of_the_others():
    labels = pd.DataFrame(dict(protein=list('AAABBCC'), localization=['er', None, np.nan, 'er', 'golgi', None, None]))
    got = S.single_localization(labels)
    assert got['A'] == 'er' and got.isna().tolist() == [False, True, True]


def test_a_separator_too_many_makes_no_family_of_its_own():
    labels = pd.DataFrame(dict(protein=list('AABCDEF'), localization=['er;', 'er', 'er', ' er ', 'er; er', 'er; golgi', ';']))
    assert S.single_localization(labels).dropna().to_dict() == dict.fromkeys('ABCD', 'er')
    tidy = tidy_labels(labels.assign(complex=['x;', 'x', None, ' x; y;', 'a|b', 'x, y', ';']))
    assert tidy.localization.tolist() == ['er', 'er', 'er', 'er', 'er; er', 'er; golgi', None]
    assert tidy['complex'].tolist() == ['x', 'x', None, 'x; y', 'a|b', 'x, y', None]


# ---- images of another kind

@pytest.mark.parametrize('sigma', [0, .01, .05, .1])
def test_noise_of_an_image_is_measured_whatever_it_shows(sigma):
    rng, (y, x) = np.random.default_rng(0), np.mgrid[:64, :64]/63
    shows = np.stack([.3 + 0*x, .2 + .6*x, .5 + .3*np.sin(3*x)*np.cos(2*y)])
    crops = (shows + rng.normal(0, 1, shows.shape)*sigma)[:, None].astype(np.float16)
    found = image_numbers(crops)
    assert np.allclose(found.noise, sigma, rtol=.04, atol=2e-4) and found.shape == (3, 2)
    assert abs(found.background[0] - (.3 - 1.645*sigma)) < .01
    assert len(image_numbers(crops[:0])) == 0


def of_proteins(k=20, crops=30, noise=.01, background=.02, seed=0, between=.3, within=.2):
    "Noise and background of the crops of some proteins, which differ among themselves"
    rng = np.random.default_rng(seed)
    protein, x = np.repeat([f'P{i:02}' for i in range(k)], crops), rng.normal(size=(k*crops, 2))*within
    made = np.exp(x + np.repeat(rng.normal(size=(k, 2))*between, crops, axis=0))*[noise, background]
    return pd.DataFrame(made, columns=['noise', 'background']), protein


def test_what_proteins_and_crops_differ_by():
    numbers, protein = of_proteins(200, 50)
    limits = P.image_limits(numbers, protein)
    floor = (np.array([.01, .02])/(np.array([.01, .02]) + P.LEAST.to_numpy()))**2   # 8 bits take some of it
    assert np.allclose(limits.between, .09*floor, rtol=.2) and np.allclose(limits.within, .04*floor, rtol=.1) and (limits.proteins == 200).all()
    assert np.isfinite(P.image_limits(*of_proteins(1))['mean']).all()


@pytest.mark.parametrize('k', [2, 3, 5, 20, 80])
def test_one_in_a_hundred_proteins_and_crops_is_withheld_however_few_the_reference_has(k):
    by_protein, by_crop, said = [], [], 0
    for seed in range(20):
        (mine, protein), (asked, theirs) = of_proteins(k, seed=seed), of_proteins(50, 20, seed=1000 + seed)
        limits = P.image_limits(mine, protein)
        by_protein.append((P.unlike_images(asked, theirs, limits) != '').mean())
        by_crop.append((P.unlike_images(asked, np.arange(len(asked)), limits) != '').mean())
        said += bool(P.images_differ(asked, theirs, limits))
    assert np.mean(by_protein) < .03 and np.mean(by_crop) < .03 and said <= 2


@pytest.mark.parametrize('noise, background, word', [(8, 1, 'noisier'), (.1, 1, 'smoother'), (1, 8, 'with a brighter background'), (1, .02, 'with a darker background'), (8, 8, 'noisier and with a brighter background')])
def test_another_recording_is_seen_and_named(noise, background, word):
    limits = P.image_limits(*of_proteins(40))
    asked, protein = of_proteins(10, noise=.01*noise, background=.02*background, seed=5, between=.1)
    found = P.unlike_images(asked, protein, limits)
    assert (found == word).mean() > .8 and P.images_differ(asked, protein, limits).count(' times the ') == (noise != 1) + (background != 1)
    t = P.withhold(pd.DataFrame(dict(answer='er', why=''), index=sorted(set(protein))), found)
    assert (t.answer == 'none').equals(t.why != '') and f'images unlike the reference: {word}; 99 in 100 of its kind are not' in set(t.why)


def test_a_small_difference_of_all_is_said_and_answers_stay():
    limits, (asked, protein) = P.image_limits(*of_proteins(40)), of_proteins(10, noise=.018, seed=5, between=.05)
    assert (P.unlike_images(asked, protein, limits) == '').mean() > .9
    assert P.images_differ(asked, protein, limits).startswith('on average the images that are asked have 1.')
    assert P.images_differ(*of_proteins(10, seed=6), limits) == ''


def test_backgrounds_that_are_zero_are_not_unlike_one_below_a_gray_level():
    numbers, protein = of_proteins(20)
    limits = P.image_limits(numbers.assign(background=0.), protein)
    for b, want in ((0., ''), (.0005, ''), (.05, 'with a brighter background')): assert set(P.unlike_images(numbers.assign(background=b), protein, limits)) == {want}


def test_numbers_that_are_missing_judge_nothing():
    (numbers, protein), (asked, theirs) = of_proteins(20), of_proteins(4, noise=.2)
    limits = P.image_limits(numbers[protein != 'P03'].reindex(numbers.index), protein)
    assert limits.proteins.iloc[0] == 19
    found = P.unlike_images(asked[theirs != 'P00'].reindex(asked.index), theirs, limits)
    assert found.to_dict() == dict(P00='', P01='noisier', P02='noisier', P03='noisier')
    half = asked.copy()
    half.iloc[::2] = np.nan
    assert (P.unlike_images(half, theirs, limits) == 'noisier').all() and P.images_differ(half, theirs, limits)
    assert P.images_differ(asked*np.nan, theirs, limits) == ''


def test_fields_of_one_data_set_are_of_one_kind_and_those_of_another_are_not(mirror, monkeypatch, tmp_path):
    "Real fields: half of them as the reference, the others asked; and those of another organism"
    from cytoself_nb.core import open_run
    from cytoself_nb.runs import crop_store
    monkeypatch.setenv('CYTOSELF_NB_MIRROR', str(mirror))
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path))
    found = {}
    for data in ('hpa5', 'yeast5'):
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            store = crop_store(open_run(data, 'demo', 0, '22_predict'))
        found[data] = image_numbers(store.images[:][:, :1]), store.labels.fov.to_numpy()
    for data, other in (('hpa5', 'yeast5'), ('yeast5', 'hpa5')):
        numbers, fov = found[data]
        half = np.isin(fov, np.random.default_rng(0).permutation(np.unique(fov))[::2])
        limits, rest = P.image_limits(numbers[half], fov[half]), numbers[~half].reset_index(drop=True)
        assert (P.unlike_images(rest, fov[~half], limits) != '').mean() < .05 and P.images_differ(rest, fov[~half], limits) == ''
        assert (P.unlike_images(*found[other], limits) != '').mean() > .9 and P.images_differ(*found[other], limits)


def test_codes_of_any_whole_numbers_are_counted():
    codes = np.array([[0, 1], [3, 3]])
    for kind in (np.uint8, np.uint64, np.int16):
        assert (S.histograms(codes.astype(kind), 4) == S.histograms(codes, 4)).all()
        assert S.protein_spectra(codes.astype(kind), ['a', 'b'], 4).equals(S.protein_spectra(codes, ['a', 'b'], 4))
