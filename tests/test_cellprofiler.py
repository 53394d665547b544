"CellProfiler features: against their definitions and CellProfiler's own code, bad input, odd crops, names, standardization"
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import map_coordinates
from scipy.stats import pearsonr
from skimage import color, data
from skimage.morphology import dilation, disk, erosion, reconstruction

from cytoself_nb.cellprofiler import HARALICK, cellprofiler_features, in_paper, machine_code, measure_crops, standardize, texture_features

SCALES, CHANNELS = (3, 5), ['protein', 'nucleus']


def crops(n=3, channels=2, size=24, seed=0): return np.random.default_rng(seed).random((n, channels, size, size))


def unit(x): return (x - x.min((2, 3), keepdims=True))/np.ptp(x, (2, 3), keepdims=True)


def real_crops(size=48):
    "Tissue under the microscope, antibody and nuclei, a picture that comes with scikit-image"
    stain = color.rgb2hed(data.immunohistochemistry()).transpose(2, 0, 1)[[2, 0]]
    return unit(np.stack([stain[:, y:y+size, x:x+size] for y, x in product((0, 200, 400), (30, 230, 430))]))


def simulated_crops(size=48):
    "A nucleus and spots around it, to 8 bits"
    rng, (y, x) = np.random.default_rng(0), np.mgrid[:size, :size]
    def blob(r): return np.exp(-((y - rng.normal(size/2, r/2))**2 + (x - rng.normal(size/2, r/2))**2)/r**2)
    return np.round(255*unit(np.stack([[sum(blob(3) for _ in range(6)), blob(12)] for _ in range(4)])))/255


def odd_crops(size=24):
    "Black, white, gray, one pixel, a line, noise, two levels: each with each"
    one, noise = np.zeros((size, size)), crops(1, 1, size)[0, 0]
    one[11, 9] = 1
    images = [0*one, 0*one + 1, 0*one + .3, one, np.eye(size), noise, noise.round(), 1 - noise]
    return np.array(list(product(images, images)))


ALL = dict(real=real_crops, simulated=simulated_crops, odd=odd_crops)


# The definitions, one crop and one pixel at a time

def entropy(p): return -(p[p > 0]*np.log2(p[p > 0])).sum()


def haralick(levels, dy, dx):
    "From the whole table of grey levels (Haralick et al. 1973)"
    p, h, w = np.zeros((256, 256)), *levels.shape
    for y, x in product(range(h - dy), range(max(0, -dx), w - max(0, dx))):
        a, b = levels[y, x], levels[y + dy, x + dx]
        p[a, b] += 1
        p[b, a] += 1
    p = (p/p.sum())[:levels.max() + 1, :levels.max() + 1]
    i, j = np.indices(p.shape)
    one, mean = p.sum(0), (i*p).sum()
    both, apart = np.bincount((i + j).ravel(), p.ravel()), np.bincount(abs(i - j).ravel(), p.ravel())
    variance, average = ((i - mean)**2*p).sum(), (np.arange(len(both))*both).sum()
    h1, cross = entropy(one), np.outer(one, one)
    hxy = -(p[p > 0]*np.log2(cross[p > 0])).sum()
    return [(p**2).sum(), ((i - j)**2*p).sum(), ((i - mean)*(j - mean)*p).sum()/variance if variance > 0 else 1, variance,
            (p/(1 + (i - j)**2)).sum(), average, ((np.arange(len(both)) - average)**2*both).sum(), entropy(both), entropy(p),
            apart.var(), entropy(apart), (entropy(p) - hxy)/(h1 or 1), np.sqrt(max(0, 1 - np.exp(2*(entropy(p) - entropy(cross)))))]


def granularity(image):
    h, w = image.shape
    back = dilation(erosion(image[::4, ::4], disk(10)), disk(10))
    at = [np.arange(n)*((n/4 - 1)/(n - 1)) for n in (h, w)]
    image, small = (np.maximum(image - map_coordinates(back, np.meshgrid(*at, indexing='ij'), order=1), 0), ) * 2
    means = []
    for _ in range(16):
        small = erosion(small, disk(1))
        means.append(reconstruction(small, image, footprint=disk(1)).mean())
    return means


def costes(a, b):
    "Candidates from above, a sixth of what is left at a time (CellProfiler's fastest search)"
    seen = (a > 0) | (b > 0)
    xx, xy, _, yy = np.cov(a[seen], b[seen]).ravel()
    if abs(xy) < 1e-14: return [np.nan]*2
    slope = (yy - xx + np.hypot(yy - xx, 2*xy))/(2*xy)
    offset = b[seen].mean() - slope*a[seen].mean()
    def below(level):
        chosen = (a < level/255) | (b < slope*level/255 + offset)
        if chosen.sum() < 3 or np.ptp(a[chosen]) == 0 or np.ptp(b[chosen]) == 0: return np.nan
        return pearsonr(a[chosen], b[chosen])[0]
    low, high, level, last, valid = 1, 255, 212, 0, None
    while last != level:
        if below(level) >= 0: high, valid = level + 1, level
        else: low = level - 1
        last, level = level, low + int((high - low)//(6/5 if high - low > 6 else 2))
    if valid is None or np.isnan(below(valid - 1)): return [np.nan]*2
    t = (valid - 1)/255, slope*(valid - 1)/255 + offset
    lit = [v[v >= s].sum() for v, s in zip((a, b), t)]
    if min(lit) <= 0: return [np.nan]*2
    return [v[(a > t[0]) & (b > t[1])].sum()/of for v, of in zip((a, b), lit)]


def correlation(a, b):
    a, b = a.ravel(), b.ravel()
    if np.ptp(a) == 0 or np.ptp(b) == 0: return [np.nan]*11
    lit = a >= .15*a.max(), b >= .15*b.max()
    both = lit[0] & lit[1]
    ranks = [np.unique(v, return_inverse=True)[1] for v in (a, b)]
    weight = 1 - abs(ranks[0] - ranks[1])/(max(r.max() for r in ranks) + 1)
    dot, of = (a*b)[both].sum(), (a[lit[0]].sum(), b[lit[1]].sum())
    aa, bb = (a**2)[both].sum(), (b**2)[both].sum()
    fold = [dot/np.sqrt(aa*bb), dot/aa, dot/bb, a[both].sum()/of[0], b[both].sum()/of[1],
            (a*weight)[both].sum()/of[0], (b*weight)[both].sum()/of[1]] if both.any() else [0]*7
    return [np.corrcoef(a, b)[0, 1], np.polyfit(a, b, 1)[0], *fold, *costes(a, b)]


def brightness(image):
    (y, x), median = np.indices(image.shape), np.median(image)
    off = [(v*image).sum()/image.sum() - v.mean() if image.any() else np.nan for v in (y, x)]
    q = np.percentile(image, [25, 75])
    edge = np.concatenate([image[0], image[-1], image[1:-1, 0], image[1:-1, -1]])
    return [image.mean(), image.std(), np.hypot(*off), q[0], median, np.median(abs(image - median)), q[1], edge.mean(), edge.std()]


def defined(a, b):
    "Two channels: name -> value, as far as defined above"
    out = {}
    for name, image in (('protein', a), ('nucleus', b)):
        levels = np.rint(np.clip(image, 1/255, 1)*255).astype(int)
        for s, (d, (dy, dx)) in product(SCALES, enumerate([(0, 1), (1, 1), (1, 0), (1, -1)])):
            out |= {f'Texture_{k}_{name}_{s}-{d:02}': v for k, v in zip(HARALICK, haralick(levels, s*dy, s*dx))}
        left = [image.mean(), *granularity(image)]
        lost = -100*np.diff(left)/max(left[0], np.finfo(float).eps)
        out |= {f'Granularity_Spectrum_{name}_{k}': v for k, v in enumerate(lost, 1)}
        kinds = ('Mean', 'Std', 'MassDisplacement', 'LowerQuartile', 'Median', 'MAD', 'UpperQuartile', 'MeanEdge', 'StdEdge')
        out |= {f'Intensity_{k}_{name}': v for k, v in zip(kinds, brightness(image))}
    kinds = ('Pearson', 'Slope', 'Overlap', 'K1', 'K2', 'Manders1', 'Manders2', 'RWC1', 'RWC2', 'Costes1', 'Costes2')
    return out | {f'Correlation_{k}_protein-nucleus': v for k, v in zip(kinds, correlation(a, b))}


def of_cellprofiler(a, b):
    "Two channels, measured by cp_measure: the whole crop is the one object"
    from cp_measure.core import measurecolocalization as m
    from cp_measure.core.measuregranularity import get_granularity
    from cp_measure.core.measureobjectintensity import get_intensity
    from cp_measure.core.measureobjectintensitydistribution import get_radial_distribution
    from cp_measure.core.measuretexture import get_texture
    whole, out = np.ones(a.shape, int), {}
    inside = np.pad(whole, 1)   # a mask without margin has no edge: rings around a corner (findings/)
    for name, image in (('protein', a), ('nucleus', b)):
        for scale in SCALES:
            for k, v in get_texture(whole, np.clip(image, 1/255, 1), scale).items():
                measure, _, d, _ = k.split('_')
                out[f'Texture_{measure}_{name}_{scale}-{d}'] = v[0]
        found = get_granularity(whole, image, subsample_size=1, image_sample_size=.25)
        out |= {f'Granularity_Spectrum_{name}_{k}': v[0] for k, v in enumerate(found.values(), 1)}
        for k, v in get_intensity(inside, np.pad(image, 1)).items(): out[f'Intensity_{k.split("_")[1].replace("Intensity", "")}_{name}'] = v[0]
        for k, v in get_radial_distribution(inside, np.pad(image, 1)).items():
            _, measure, ring = k.split('_')
            out[f'Radial_{measure}_{name}_{ring[0]}'] = v[0]
    if np.ptp(a) and np.ptp(b):
        measures = m.get_correlation_pearson, m.get_correlation_overlap, m.get_correlation_manders_fold, m.get_correlation_rwc
        for found in (*(f(a, b, whole) for f in measures), m.get_correlation_costes(a, b, whole, scale_max=255)):
            out |= {f'Correlation_{k.removeprefix("Correlation_").replace("_", "")}_protein-nucleus': v[0] for k, v in found.items()}
    return out


def compare(images, measure):
    got = measure_crops(images, CHANNELS, SCALES)
    with np.errstate(all='ignore'): expected = pd.DataFrame([measure(*x) for x in images])
    expected = expected[[c for c in got if c in expected]]   # the extremes are not kept
    np.testing.assert_array_equal(got[expected.columns].isna(), expected.isna())
    error = abs(got[expected.columns] - expected)/expected.abs().clip(lower=1)
    assert error.max().max() < 1e-5, error.max().nlargest(5)
    return list(expected)


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('kind', ALL)
def test_definitions(kind):
    names = compare(ALL[kind](), defined)
    assert len(names) == 2*(13*4*2 + 16 + 9) + 11


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('kind', ALL)
def test_the_same_as_cellprofilers_own_code(kind):
    pytest.importorskip('cp_measure', reason='cp_measure is not installed')
    names = compare(ALL[kind](), of_cellprofiler)
    assert set(names) == set(measure_crops(crops(), CHANNELS, SCALES))


def test_the_first_ring_is_in_the_middle():
    image = np.zeros((1, 2, 32, 32))
    image[:, :, 14:18, 14:18] = 1
    rings = measure_crops(image, CHANNELS, SCALES)[[f'Radial_FracAtD_protein_{k}' for k in (1, 2, 3, 4)]]
    np.testing.assert_allclose(rings, [[1, 0, 0, 0]])


def test_many_crops_are_measured_as_one_by_one():
    images = crops(70, size=20)
    one = pd.concat([measure_crops(x[None], CHANNELS, SCALES) for x in images], ignore_index=True)
    pd.testing.assert_frame_equal(cellprofiler_features(images, CHANNELS, SCALES, jobs=2, progress=False), one, rtol=1e-9)


def test_sides_need_not_be_equal(): compare(np.random.default_rng(0).random((2, 2, 26, 21)), defined)


def test_compiled_where_no_folder_can_be_written(monkeypatch):
    "An installation that can't be written, and no folder of one's own either"
    from numba.core.caching import CacheImpl
    def double(x): return 2*x
    monkeypatch.setattr(CacheImpl, '_locator_classes', [])
    assert machine_code(double)(3) == 6


def test_names_say_module_measure_channel_and_scale():
    names = list(measure_crops(crops(), CHANNELS, SCALES))
    assert len(names) == len(set(names))
    assert {'Texture_Contrast_protein_3-00', 'Granularity_Spectrum_nucleus_16', 'Correlation_Pearson_protein-nucleus', 'Radial_FracAtD_protein_1'} <= set(names)
    assert not [n for n in names if '{' in n]


def test_one_and_three_channels():
    assert not [n for n in measure_crops(crops(channels=1), ['protein'], SCALES) if n.startswith('Correlation')]
    three = [n for n in measure_crops(crops(channels=3), ['a', 'b', 'c'], SCALES) if n.startswith('Correlation_Pearson')]
    assert three == ['Correlation_Pearson_a-b', 'Correlation_Pearson_a-c', 'Correlation_Pearson_b-c']


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize('image', [np.zeros((24, 24)), np.ones((24, 24)), np.eye(24)], ids=['black', 'white', 'line'])
def test_odd_crops_give_numbers_or_nan_and_no_warning(image):
    values = measure_crops(np.stack([image, crops()[0, 0]])[None], CHANNELS, SCALES).to_numpy()
    assert not np.isinf(values).any()


def test_black_pixels_are_not_left_out():
    "A cell on black, as whole image: its texture differs from that of the cell alone"
    black = np.pad(crops(size=12)[0, 0], 6)
    plain = texture_features(black[None], [3])
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
