"Other images: the nine renderings, foreign files, and lists that are derived elsewhere"
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from conftest import need

from cytoself_nb import s5_other_images as oi
from cytoself_nb.core import fetch
from cytoself_nb.readers import read_image
from cytoself_nb.real_fields import find_scale_bar


def test_scale_bars_of_the_real_pictures(mirror, monkeypatch):
    "The bar is found in all nine, also where a bright nucleus touches it, and the fields have a plausible width"
    monkeypatch.setenv('CYTOSELF_NB_MIRROR', str(mirror))
    files = oi.real_files('opencell9')
    assert {f.stem for f in files} == set(oi.REAL)
    for f in files:
        r = oi.read_rendering(f)
        assert 55 < r.protein.shape[0]*.4 < 75 and .11 < r.pixel_um < .41, f.stem
        left, below = np.asarray(read_image(f)).shape[1], find_scale_bar(read_image(f)[..., :3])
        assert below[3] - below[2] > 10*(below[1] - below[0])/2 and below[3] < left


def test_a_picture_without_bar_or_colour_is_refused(tmp_path):
    from skimage.io import imsave
    imsave(tmp_path/'grey.png', np.tile(np.arange(128, dtype=np.uint8), (128, 1)), check_contrast=False)
    with pytest.raises(ValueError, match='colored picture'): oi.read_rendering(tmp_path/'grey.png')
    with pytest.raises(ValueError, match='no scale bar'): find_scale_bar(np.zeros((100, 100, 3)))


def test_rates_with_families_that_are_missing():
    r = pd.DataFrame([[3., 2], [2, 3.]], index=['p', 'q'], columns=['x', 'y'])
    assert oi.rank_rates(r, pd.Series(dict(p='x', q='nowhere')))['n'] == 1
    assert oi.class_rates(r, ['x', 'nowhere']) == dict(n=1)


def test_structures_of_the_allen_institute_are_those_derived_elsewhere(mirror, shared, monkeypatch):
    monkeypatch.setenv('CYTOSELF_NB_MIRROR', str(mirror))
    known = pd.read_csv(need(shared/'data/derived/tables/allen_tagged_genes.tsv', 'the derived table'), sep='\t').query('in_hipsc_single_cell_2022')
    assert oi.allen_structures().values.tolist() == known[['gene', 'structure']].values.tolist()
    graded = pd.read_csv(fetch('2021-09-29-public-annotations-flat.csv', progress=False)[0])
    assert set(known.gene[known.in_opencell]) == set(known.gene) & set(graded.target_name)


def test_a_further_seed_asks_the_profiles_of_line_a(monkeypatch):
    "Nothing is computed before by a notebook, and the files are there"
    asked = []
    def tables(run, a, families):
        asked.append(a)
        return pd.DataFrame([dict(reading='counts', crops='as it is', top1=.5)]), pd.DataFrame()
    labels = pd.DataFrame(dict(protein=['P'], localization=['er']))
    made = dict(real_tables=tables, line_profiles=lambda run: dict(a='of line a', b='of line b'), single_localization=lambda t: t,
                crop_store=lambda run: SimpleNamespace(labels=labels), real_files=lambda name: ['a file'],
                seed_table=lambda run, name, build, *_, **__: build())
    for name, value in made.items(): monkeypatch.setattr(oi, name, value)
    found = oi.seed_numbers(SimpleNamespace(profile=SimpleNamespace(name='smoke')))
    assert asked == ['of line a'] and found.way.tolist() == ['counts, as it is'] and found.asked.tolist() == ['OpenCell']
