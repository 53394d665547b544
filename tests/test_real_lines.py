"Real tagged proteins: panels, bars and squares of the pictures, their localizations, pictures left out"
import numpy as np
import pandas as pd
import pytest
from conftest import need

from cytoself_nb import real_lines as rl
from cytoself_nb.core import fetch


@pytest.fixture(scope='module')
def panels(mirror):
    with pytest.MonkeyPatch.context() as m:
        m.setenv('CYTOSELF_NB_MIRROR', str(mirror))
        return rl.read_panels(fetch('aics_lines', progress=False))


def test_bars_are_white_wide_and_not_cells():
    rgb = np.zeros((200, 200, 3), np.uint8)
    rgb[180:184, 150:180] = 255
    assert rl.find_bar(rgb) == (180, 184, 150, 180)
    rgb[180:184, 150:180, 2] = 0                       # a yellow frame
    assert rl.find_bar(rgb) is None
    rgb[172:198, 110:140] = 255                        # a bright cell
    assert rl.find_bar(rgb) is None


def test_a_yellow_line_is_filled_from_its_neighbors():
    rgb = np.full((40, 40, 3), 90, np.uint8)
    rgb[20] = 250, 250, 0
    assert abs(rl._without_frames(rgb) - 90).max() < 1e-3


def test_squares_hold_signal_and_nothing_drawn():
    image = np.full((100, 200), .1)
    image[::5, :100:5] = 1
    at = rl.squares(image, 50)
    assert at and max(x for _, x in at) < 100
    image[-30:, 60:] = np.nan
    assert all(y + 50 <= 70 or x + 50 <= 60 for y, x in rl.squares(image, 50))
    assert rl.squares(image, 101) == [] and len(rl.squares(image, 20, .1, most=4)) == 4


def test_the_last_picture_of_a_protein_is_left_out_and_nothing_of_it_is_compared_with_itself():
    labels = pd.DataFrame(dict(protein=list('aabbc'), line=['1', '2', '1', '3', '4'], fov=list('vwxyz')))
    assert rl.left_out_pictures(labels) == {'2', '3'}
    X = np.array([[0, 0], [0, .1], [5, 5], [5, 5.1], [9, 9.]])
    first, three = rl.own_picture_rows(X, labels)
    assert (first['value'], first['units'], first['among'], three['value']) == (1, 2, 3, 1)
    assert rl.own_picture_rows(X[[0, 3, 2, 1, 4]], labels)[0]['value'] == 0


def test_panels_and_bars_are_those_seen_elsewhere(panels, shared):
    "Boxes and genes agree with the table derived elsewhere; where its bars differ, the picture was looked at"
    t = pd.read_csv(need(shared/'data/derived/tables/aics_lines.tsv', 'the derived table'), sep='\t')
    t = t.assign(line=t.line.str.removeprefix('AICS-'))
    clean, own = t[t.use.isin(['clean', 'inset'])], rl.panel_table()
    of = lambda d: sorted(zip(d.line, d.gene))
    assert of(own) == of(clean[clean.line != '86-147'])          # insets over most of it
    known = t.drop_duplicates('line').set_index('line').bar_px
    others = {'13-210': 20/46, '46-51': 5/46, '69-88': 5/46, '89-61': 5/46}   # 20 µm; its own bar; two frames
    for p in panels: assert p.um == pytest.approx(others.get(p.line, 5/known[p.line]), rel=.001), p.line
    assert {(g, l) for l, g in of(own)} - {(p.gene, p.line) for p in panels} == {('ACTB', '16-184'), ('GFP', '36-6'), ('GFP', '36-28')}
    wide = clean.assign(w=clean.x1 - clean.x0).drop_duplicates(['line', 'gene']).set_index(['line', 'gene']).w
    for p in panels: assert abs(p.image.shape[1] + 8 - wide[p.line, p.gene]) <= 2, p.name


def test_no_bar_and_no_words_are_left_in_a_crop(panels):
    for p in panels:
        drawn = ~np.isfinite(p.image)
        assert drawn.mean() < .25
        if p.line in ('59-36', '89-61'): assert drawn[:50].all()
        if p.line in ('5-50', '17-65'): assert drawn[-60:, -60:].all()   # a dim bar in the first panel too
    crops, labels = rl.line_crops(panels, 32)
    assert np.isfinite(crops).all() and crops.min() >= 0 and crops.max() <= 1
    assert labels.protein.nunique() == 34 and labels.groupby('fov').size().max() <= 9


def test_localizations_agree_with_the_table_derived_elsewhere(mirror, shared, monkeypatch):
    monkeypatch.setenv('CYTOSELF_NB_MIRROR', str(mirror))
    genes = sorted(set(rl.panel_table().gene))
    found = rl.line_localizations(genes)
    t = pd.read_csv(need(shared/'data/derived/tables/allen_tagged_genes.tsv', 'the derived table'), sep='\t').set_index('gene')
    assert found.localization[['TUBA1B', 'CDH1', 'TERF2', 'KRAS-CAAX']].tolist() == ['cytoskeleton', 'membrane', 'nuclear punctae', 'membrane']
    assert found.localization[['G3BP1', 'MAP1LC3B', 'PCNA', 'GFP']].isna().all()
    for g, r in found[found.source == 'OpenCell'].iterrows():
        assert sorted(r.annotated.split(';')) == sorted(a[:-2] for a in t.opencell_annotations[g].split(';') if a.endswith('_3'))
    asked = found.localization.dropna()
    assert set(asked) <= set(rl.PLACES) and found.source[asked.index].isin(['Allen', 'OpenCell', 'Atlas']).all()
