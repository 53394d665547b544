"Segmentation: bad input gets one clear sentence, scores agree with a plain loop, results don't depend on scale, type or orientation"
import numpy as np
import pytest

from skimage.measure import label

from cytoself_nb.methods_segmentation import match_counts, overlaps, scores
from cytoself_nb.segmentation import (LENGTHS, STEPS, check_image, check_labels, close_disk, cut_gaps, distance_to, drawn_nuclei, estimate_diameter,
                                     grow_labels, half_height, high_peaks,
                                      reduction, segment_nuclei, separation)


@pytest.fixture(scope='module')
def drawn(): return drawn_nuclei(np.random.default_rng(3), 30, (200, 260))


def f1(truth, found): return scores([match_counts(truth, found)])['F1']


# ---- bad input

@pytest.mark.parametrize('image, says', [
    (np.zeros((22, 64, 64)), 'project a stack first'),
    (np.zeros((64, 64, 3)), 'expected two dimensions'),
    (np.zeros((0, 0)), 'at least 16 x 16'),
    (np.zeros(0), 'expected two dimensions'),
    (np.zeros((64, 64)), 'all pixels have the value 0'),
    (np.full((64, 64), 65535, np.uint16), 'all pixels have the value 65535'),
    (np.full((64, 64), np.nan), '4096 of 4096 pixels are NaN'),
    (np.where(np.eye(64) > 0, np.inf, 1), '64 of 4096 pixels are NaN or infinite'),
    (np.full((64, 64), 'a'), 'expected numbers'),
    (np.ones((64, 64), complex), 'expected numbers'),
])
def test_bad_image(image, says):
    for function in (check_image, segment_nuclei, estimate_diameter):
        with pytest.raises(ValueError, match=says): function(image)


@pytest.mark.parametrize('diameter', [0, -3, 4, 201, np.nan, np.inf, 'wide', [30], True, 3j])
def test_bad_diameter(diameter, drawn):
    with pytest.raises(ValueError, match='expected the width of a nucleus in pixels, 5 to 200'): segment_nuclei(drawn[0], diameter)


@pytest.mark.parametrize('labels, says', [
    (np.zeros((5, 5), int), 'expected the same'),
    (np.zeros((200, 260)), 'expected integers'),
    (np.zeros((200, 260), bool), 'a mask becomes labels'),
    (np.full((200, 260), -1), 'go down to -1'),
    (lambda image: image, 'expected integers'),
])
def test_bad_labels(labels, says, drawn):
    with pytest.raises(ValueError, match=says): check_labels(labels, drawn[0])


def test_labels_are_numbered(drawn):
    sparse = drawn[1].astype(np.uint16)*100
    np.testing.assert_array_equal(check_labels(sparse, drawn[0]) > 0, sparse > 0)
    ids = np.unique(check_labels(lambda image: sparse, drawn[0]))
    np.testing.assert_array_equal(ids, np.arange(len(ids)))


# ---- scores

def test_overlaps_agree_with_a_loop():
    rng = np.random.default_rng(0)
    t, f = rng.integers(0, 5, (30, 30))*3, rng.integers(0, 4, (30, 30))*7
    loop = [[((t == i) & (f == j)).sum()/((t == i) | (f == j)).sum() for j in np.unique(f)[1:]] for i in np.unique(t)[1:]]
    np.testing.assert_allclose(overlaps(t, f), loop)


def test_scores_of_nothing():
    nothing, one = np.zeros((8, 8), int), np.pad(np.ones((4, 4), int), 2)
    assert match_counts(nothing, nothing) == (0, 0, 0) and match_counts(one, nothing) == (0, 0, 1) and match_counts(nothing, one) == (0, 1, 0)
    assert overlaps(one, nothing).shape == (1, 0)
    with pytest.raises(ValueError, match='expected one shape'): overlaps(one, one[1:])


def test_half_an_overlap_is_not_a_match():
    t, f = np.zeros((1, 4), int), np.zeros((1, 4), int)
    t[0, :2], f[0, :1] = 1, 1
    assert match_counts(t, f) == (0, 1, 1)


# ---- segmentation

@pytest.mark.parametrize('diameter', [6, 9, 14, 30, 70])
def test_drawn_nuclei_are_found(diameter):
    image, truth = drawn_nuclei(np.random.default_rng(1), diameter, (8*diameter, 9*diameter))
    assert f1(truth, segment_nuclei(image)) > .93 and f1(truth, segment_nuclei(image, diameter)) > .93


@pytest.mark.parametrize('change', [lambda x: (x*7 + 200).astype(np.uint16), lambda x: (x/x.max()).astype(np.float64), lambda x: x.astype('>f4'), np.asfortranarray])
def test_type_and_scale_do_not_matter(change, drawn):
    a, b = segment_nuclei(drawn[0], 30), segment_nuclei(change(drawn[0]), 30)
    assert f1(a, b) > .99 and a.dtype == b.dtype == np.int32


def test_flipping_does_not_matter(drawn):
    assert f1(segment_nuclei(drawn[0], 30)[::-1], segment_nuclei(drawn[0][::-1], 30)) > .97


def test_input_is_not_changed(drawn):
    before = drawn[0].copy()
    segment_nuclei(drawn[0])
    np.testing.assert_array_equal(drawn[0], before)


def test_labels_are_consecutive(drawn):
    labels = segment_nuclei(drawn[0])
    np.testing.assert_array_equal(np.unique(labels), np.arange(labels.max() + 1))


@pytest.mark.parametrize('shape', [(16, 16), (17, 301), (301, 18)])
def test_odd_shapes(shape):
    assert segment_nuclei(np.random.default_rng(0).random(shape)).shape == shape


def test_noise_holds_no_nuclei():
    for seed in range(5):
        rng = np.random.default_rng(seed)
        for image in (rng.normal(0, 1, (150, 150)), rng.poisson(2, (150, 150)), rng.integers(0, 65535, (150, 150))):
            assert not segment_nuclei(image).any() and not segment_nuclei(image, 25).any()


def test_each_step_can_be_left_out(drawn):
    for step in STEPS: assert segment_nuclei(drawn[0], 30, (step,)).shape == drawn[0].shape
    with pytest.raises(ValueError, match='are no steps'): segment_nuclei(drawn[0], 30, ('watershed',))


def test_closing_agrees_with_scikit_image():
    from skimage.morphology import closing, disk
    mask = np.random.default_rng(0).random((80, 80)) > .8
    for r in (1, 2, 5): np.testing.assert_array_equal(close_disk(mask, r)[r*2:-r*2, r*2:-r*2], closing(mask, disk(r))[r*2:-r*2, r*2:-r*2])


def test_gaps_inside_a_nucleus_stay():
    mask, log = np.pad(np.ones((30, 30), bool), 5), np.zeros((40, 40))
    log[18:22, 18:22] = -1
    np.testing.assert_array_equal(cut_gaps(mask, log, 20), mask)


def test_large_nuclei_are_reduced_to_a_workable_size():
    for d in np.geomspace(5, 500, 50): assert min(d, 30) <= d/reduction(d) < 60
    assert max(LENGTHS.values()) < .2


def test_outlines_lie_at_half_height_and_are_one_piece():
    cone = np.clip(1 - np.hypot(*(np.indices((80, 80)) - 40))/30, 0, None)   # half of its mean height is at 25 of 30 pixels
    core = (cone > .5).astype(np.int32)
    wide = half_height(cone, core, 50)
    assert cone[wide > 0].min() == pytest.approx(cone[core > 0].mean()/2, abs=.03)
    islands = core.copy()
    islands[38:42, 75:79] = 1                                                # a crumb far away
    assert label(half_height(cone + (islands - core), islands, 20)).max() == 1


def test_a_very_bright_thing_outside_does_not_hide_nuclei():
    image, truth = drawn_nuclei(np.random.default_rng(0))
    flare = np.where(np.hypot(*(np.indices(image.shape) - 128)) < 25, 20*image.max(), image)
    assert separation(flare, truth, 30) > 50


@pytest.mark.parametrize('seed', range(20))
def test_distances_peaks_and_growing_agree_with_scipy_and_scikit_image(seed):
    from scipy import ndimage as ndi
    from skimage.morphology import h_maxima
    from skimage.segmentation import expand_labels
    rng = np.random.default_rng(seed)
    labels = (rng.random((40, 51)) < rng.choice([.01, .05, .3]))*rng.integers(1, 9, (40, 51))
    labels[rng.integers(40), rng.integers(51)] = 1
    far, at = distance_to(labels > 0)
    assert (far == ndi.distance_transform_edt(labels == 0)).all() and (labels.ravel()[at] > 0).all()
    by = rng.uniform(1, 9)
    assert (grow_labels(labels, by) == expand_labels(labels, by)).all()    # ties included
    hills = ndi.gaussian_filter(rng.random((40, 51)).astype(np.float32), 2)
    for h in (.01, .03, .1): assert (high_peaks(hills, h) == h_maxima(hills, h)).all()
