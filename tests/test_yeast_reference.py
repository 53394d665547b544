"Reference fields of yeast: foreign files, fields without cells, and what is said without them"
import numpy as np
import pandas as pd
import pytest
import torch
from skimage.io import imsave

from cytoself_nb import s5_other_images as oi
from cytoself_nb import yeast_reference as yr
from cytoself_nb.core import fetch
from cytoself_nb.yeast import CLASSES

YX = np.mgrid[:120, :140]


def discs(*centers, radius=12):
    "Filled cells, 0..1, with a soft rim"
    return sum(1/(1 + np.exp(np.hypot(YX[0] - y, YX[1] - x) - radius)) for y, x in centers)


def write(path, x, kind):
    imsave(path, (x*np.iinfo(kind).max).astype(kind), check_contrast=False)
    return path


def test_eight_and_sixteen_bits_are_one_picture(tmp_path):
    x = .8*discs((40, 40), (80, 100))
    few, many = (yr.read_reference(write(tmp_path/f'{t.__name__}.png', x, t)) for t in (np.uint8, np.uint16))
    assert few.shape == many.shape == (116, 136) and few.dtype == np.float32
    assert np.abs(few - many).max() < 1/255 and many.max() == pytest.approx(.8, abs=.01)
    assert yr.cell_centers(few).tolist() == yr.cell_centers(many).tolist() and len(yr.cell_centers(few)) == 2


def test_of_a_colored_picture_the_brightest_color(tmp_path):
    x = discs((60, 60))
    green = np.stack([.1*x, x, 0*x], -1)
    gray, colored = (yr.read_reference(write(tmp_path/n, a, np.uint8)) for n, a in (('g.png', x), ('c.jpeg', green)))
    assert np.abs(gray - colored).mean() < .02 and len(yr.cell_centers(colored)) == 1


@pytest.mark.parametrize('x', [np.zeros((3, 120, 140), np.uint8), np.zeros((40, 140), np.uint8), np.zeros((120, 140), np.float32)], ids=str)
def test_what_is_no_field_is_refused(x, tmp_path, monkeypatch):
    monkeypatch.setattr(yr, 'read_image', lambda path: x)
    with pytest.raises(ValueError, match='expected a picture of 96 pixels'): yr.read_reference('a.png')


@pytest.mark.parametrize('x', [np.zeros((120, 140)), np.random.default_rng(0).normal(.1, .02, (120, 140)), np.random.default_rng(0).poisson(5, (120, 140))/255], ids=['black', 'camera', 'photons'])
def test_a_field_without_cells_gives_none(x):
    at = yr.cell_centers(x)
    assert at.shape == (0, 2)
    assert yr.reference_crops(x, at, 1.2, 64).shape == (0, 1, 64, 64)


def test_crops_are_as_wide_in_cells_as_asked():
    x = discs((60, 60), (60, 110))
    assert len(yr.reference_crops(x, yr.cell_centers(x), 1., 64)) == 1        # the other is too near the edge
    for factor in (1., 1.5):
        crop = yr.reference_crops(x, np.array([(60, 60)]), factor, 64)[0, 0]
        assert yr.cell_width(crop, [(31.5, 31.5)])[0] == pytest.approx(24*factor, abs=2)


def test_a_field_without_crops_is_not_counted():
    shares = yr.ask_fields(lambda x: x.mean((1, 2, 3))[:, None] + torch.arange(3), list('xyz'), np.random.default_rng(0).random((4, 1, 8, 8), np.float32), ['a', 'a', 'b', 'b'])
    assert shares.index.tolist() == ['a', 'b'] and np.allclose(shares.sum(1), 1)
    rates = yr.field_rates(shares, pd.Series(dict(a='z', b='y', empty='x')))
    assert (rates['fields'], rates['top1'], rates['top3']) == (2, .5, 1)
    assert rates['low1'] < .05 and rates['high1'] > .95                       # two fields say little
    assert len(yr.ask_fields(None, list('xyz'), np.zeros((0, 1, 8, 8), np.float32), [])) == 0


def test_neighbors_know_their_class():
    rng = np.random.default_rng(0)
    known = np.concatenate([rng.normal(m, 1, (40, 3)) for m in (0, 9)])
    shares = yr.nearest_shares(known, np.repeat(['x', 'y'], 40), known[[0, 79]], ['a', 'b'])
    assert shares.loc['a', 'x'] == shares.loc['b', 'y'] == 1
    dim, bright = (yr.plain_numbers(k*discs((60, 60))[None, None]) for k in (.5, 1))
    assert np.allclose(dim*[2, 1, 1], bright, rtol=1e-4)
    assert np.allclose(yr.small_pixels(np.float32(discs((60, 60)))[None, None, :64, :64]), yr.small_pixels(np.float32(.5*discs((60, 60)))[None, None, :64, :64]), atol=1e-5)


def test_rows_of_each_class_are_as_many():
    labels = pd.DataFrame(dict(localization=['x']*30 + ['y']*5 + ['x']*5))
    rows = yr._balanced_rows(labels, np.arange(10, 40))
    assert labels.localization.iloc[rows].value_counts().to_dict() == dict(x=5, y=5) and rows.min() >= 10


def test_the_fields_and_their_classes(mirror, monkeypatch):
    monkeypatch.setenv('CYTOSELF_NB_MIRROR', str(mirror))
    files = fetch('yeast_ref', progress=False)
    kinds = [f.stem.partition('-')[0] for f in files]
    assert len(files) == 22 and set(kinds) - set(yr.REFERENCE) == {'ERToGolgi', 'lipidParticle'}
    assert set(yr.REFERENCE) <= set(kinds) and set(yr.REFERENCE.values()) == set(CLASSES)
    found = {f.stem: len(yr.cell_centers(yr.read_reference(f))) for f in files if f.stem in ('endosome-SNF7', 'cytoplasm-TEF2')}
    assert found['endosome-SNF7'] == 2 and 25 < found['cytoplasm-TEF2'] < 35


def test_without_files_a_sentence(monkeypatch, capsys):
    def nothing(*args, **kwargs): raise OSError('no network')
    monkeypatch.setattr(oi, 'fetch', nothing)
    assert oi.real_files('yeast_ref') == [] and 'left out' in capsys.readouterr().out
