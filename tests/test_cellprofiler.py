"CellProfiler features: bad input, odd crops, names, and standardization that looks at training only"
import numpy as np
import pandas as pd
import pytest

from cytoself_nb.cellprofiler import cellprofiler_features, crop_features, in_paper, standardize, texture_features

SCALES = (3, 5)


def crops(n=3, channels=2, size=24, seed=0): return np.random.default_rng(seed).random((n, channels, size, size))


def test_names_say_module_measure_channel_and_scale():
    names = list(crop_features(crops()[0], ['protein', 'nucleus'], SCALES))
    assert len(names) == len(set(names))
    assert {'Texture_Contrast_protein_3-00', 'Granularity_Spectrum_nucleus_16', 'Correlation_Pearson_protein-nucleus', 'Radial_FracAtD_protein_1'} <= set(names)
    assert not [n for n in names if '{' in n]


def test_one_and_three_channels():
    assert not [n for n in crop_features(crops(channels=1)[0], ['protein'], SCALES) if n.startswith('Correlation')]
    three = [n for n in crop_features(crops(channels=3)[0], ['a', 'b', 'c'], SCALES) if n.startswith('Correlation_Pearson')]
    assert three == ['Correlation_Pearson_a-b', 'Correlation_Pearson_a-c', 'Correlation_Pearson_b-c']


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize('image', [np.zeros((24, 24)), np.ones((24, 24)), np.eye(24)], ids=['black', 'white', 'line'])
def test_odd_crops_give_numbers_or_nan_and_no_warning(image):
    values = np.array(list(crop_features(np.stack([image, crops()[0, 0]]), ['protein', 'nucleus'], SCALES).values()))
    assert not np.isinf(values).any()


def test_black_pixels_are_not_left_out():
    "A cell on black, as whole image: its texture differs from that of the cell alone"
    black = np.pad(crops(size=12)[0, 0], 6)
    plain = texture_features(black, [3])
    assert plain['Texture_AngularSecondMoment_{}_3-00'] > .2     # most pairs are black on black


@pytest.mark.parametrize('images, message', [(crops()[:, 0], 'one name per channel'), (crops()*300, 'expected 0 to 1'), (np.where(crops() > .9, np.nan, crops()), 'not finite'),
                                             (crops()[:0], 'no crops at all'), (crops(size=8), 'below the side')])
def test_bad_images(images, message):
    with pytest.raises(ValueError, match=message): cellprofiler_features(images, ['protein', 'nucleus'], jobs=1, progress=False)


def test_standardization_looks_at_training_only():
    train = pd.DataFrame(np.random.default_rng(0).normal(3, 2, (50, 4)), columns=list('abcd'))
    test = train*5 + 100
    z, _ = standardize(dict(train=train, test=test), None)
    np.testing.assert_allclose(z['test'], (test - train.mean())/train.std(ddof=0), rtol=1e-4)


def test_additions_are_kept_apart():
    names = ['Texture_a', 'Intensity_a', 'Radial_b', 'Correlation_c', 'Granularity_d']
    assert in_paper(names) == ['Texture_a', 'Correlation_c', 'Granularity_d']
