"The microscope: proteins, optics, camera, stacks on disk"
import hashlib
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import tifffile
from scipy import ndimage as ndi

from cytoself_nb.microscope import (CROP_UM, Microscope, _blur, _camera, _half, draw_protein, draw_stack, project_stack, true_nuclei, simulated_cells,
                                    simulated_proteome, write_screen)
from cytoself_nb.simulate import PATTERNS, PLANES, CellLine, Signature, draw_cells

SIZE, rng = 144, np.random.default_rng


@pytest.fixture(scope='module')
def proteins(): return simulated_proteome(8)

@pytest.fixture(scope='module')
def cells(): return draw_cells(rng(5), 384, mitosis=0.)

@pytest.fixture(scope='module')
def screen(tmp_path_factory, proteins):
    folder = tmp_path_factory.mktemp('screen')/'s'
    write_screen(folder, proteins.head(2), 2, size=SIZE, workers=1, progress=False)
    return folder


# --- proteome

@pytest.mark.parametrize('n', [1, 2, 4, 8, 30, 64, 1311])
def test_proteomes_of_any_size(n):
    t = simulated_proteome(n)
    assert len(t) == n and t.protein.is_unique and t.protein.str.match(r'SIM\d{3,}$').all()
    assert t.held_out.sum() == (n >= 8) and set(t.truth_main) <= set(PATTERNS)
    assert t.complex.value_counts().isin([2, 3]).all() and t.nuclear_fraction.between(0, 1).all()
    orphan = t[t.held_out]
    assert orphan.localization.isna().all() and orphan.complex.isna().all() and (orphan.truth_main == 'er').all()

def test_the_orphan_has_company():
    for n in (8, 30, 64):
        t = simulated_proteome(n)
        assert ((t.truth_main == 'er') & ~t.held_out & t.truth_second.isna()).sum() >= 3, 'its localization has to be known to a model that never saw it'

def test_64_proteins_fill_the_localizations():
    for seed in range(3):
        t = simulated_proteome(64, seed)
        assert t.localization.nunique() >= 12 and t.complex.nunique() >= 10
        assert {'endosome', 'lysosome'} <= set(t.truth_main) and not {'endosome', 'lysosome'} & set(t.localization)

def test_members_of_a_complex_resemble_each_other_and_are_not_the_same():
    t = simulated_proteome(64)
    sig = [f'sig_{k}' for k in Signature._fields]
    spread = t.dropna(subset='complex').groupby('complex')[sig].std().mean().mean()
    assert 0 < spread < .5*t[sig].std().mean()

def test_a_proteome_follows_its_seed():
    t = simulated_proteome(64)
    assert t.equals(simulated_proteome(64, 0)) and not t.equals(simulated_proteome(64, 1))
    assert simulated_proteome(1311).protein.iloc[-1] == 'SIM1311'
    with pytest.raises(ValueError, match='at least 1'): simulated_proteome(0)

def test_complexes_come_in_pairs_and_the_series_spans_the_cell():
    t = simulated_proteome(64)
    homes = t.dropna(subset='complex').drop_duplicates('complex').localization
    assert len(homes) >= 10 and (homes.value_counts() == 2).all(), 'two complexes at a time share a localization'
    assert (t.dropna(subset='complex').groupby('complex').localization.nunique() == 1).all()
    series = t[t.truth_second.isin(['cytoplasm', 'nucleoplasm']) & t.truth_main.isin(['cytoplasm', 'nucleoplasm'])].nuclear_fraction
    assert len(series) >= 5 and series.min() < .55 and series.max() > .8


# --- optics and camera

def test_the_optics_keep_light_and_move_it():
    point = np.zeros((11, 21, 21), np.float32)
    point[5, 10, 10] = 1
    b = _blur(point, (1., 1.5, 1.5), (0, .5, 0))
    at = [np.average(np.arange(n), weights=b.sum(tuple({0, 1, 2} - {k}))) for k, n in enumerate(b.shape)]
    spread = np.sqrt(np.average((np.arange(21) - 10)**2, weights=b.sum((0, 1))))
    assert np.allclose([b.sum(), *at, spread], [1, 5, 10.5, 10, 1.5], atol=.05)

def test_photons_and_read_noise():
    still = Microscope(haze=0.)
    def counts(scope): return _camera(np.ones((22, 64, 64), np.float32), rng(0), scope, 200, np.ones((64, 64), np.float32), ((0, 0, 0), (0, 0, 0))).astype(float)
    noisy, quiet = counts(still), counts(replace(still, photon_noise=False, read_noise=0))
    assert abs(noisy.mean() - 303) < .5 and abs(noisy.var() - (203 + 1.6**2)) < 4 and quiet.min() == quiet.max()

def test_a_field_is_drawn_the_same_again(proteins):
    p = next(proteins.itertuples())
    stack, c = draw_stack(p, 0, 0, 160)
    assert stack.shape == (2, PLANES, 160, 160) and stack.dtype == np.uint16
    assert (draw_stack(p, 0, 0, 160)[0] == stack).all() and (draw_stack(p, 1, 0, 160)[0] != stack).any()
    seen = stack[1].max(0)
    assert seen[c.rim > 0].mean() - 100 > 2*(seen[c.rim <= 0].mean() - 100), 'dark counts aside'

def test_what_was_in_the_nucleus_fills_a_dividing_cell():
    t = simulated_proteome(64)
    row = next(t[t.truth_main == 'nucleolus'].itertuples())
    def on(c):
        v = draw_protein(row, c, rng(0))
        return v[:, c.rim > 0].sum()/v.sum()
    assert on(draw_cells(rng(3), 256, mitosis=0.)) > .7 > .3 > on(draw_cells(rng(0), 256, mitosis=1.))


# --- nuisance

def test_expression_follows_the_switch(proteins, cells):
    p = next(proteins[proteins.truth_main == 'er'].itertuples())
    whole = np.setdiff1d(np.unique(cells.label), np.concatenate([[0], cells.label[[0, -1]].ravel(), cells.label[:, [0, -1]].ravel()]))
    total = lambda scope: np.bincount(cells.label.ravel(), draw_protein(p, cells, rng(0), scope).sum(0).ravel())[whole]
    same, varied = total(Microscope(expression=0.)), total(Microscope(expression=.6))
    assert same.std()/same.mean() < .05 < .2 < varied.std()/varied.mean()

def test_the_nucleus_channel_does_not_know_the_protein():
    t = simulated_proteome(64)
    a, b = (SimpleNamespace(**t[t.truth_main == k].iloc[0].to_dict() | dict(protein='SIM001')) for k in ('er', 'nucleolus'))
    x, y = (draw_stack(p, 0, 0, 128, scope=Microscope(read_noise=0., photon_noise=False, debris=0.))[0] for p in (a, b))
    assert (x[1] == y[1]).all() and (x[0] != y[0]).any()

def test_a_field_with_hardly_a_cell_in_it():
    "A line so sparse that a field can be empty still gives a stack"
    sparse = CellLine(gap=(400., 401.), nucleus=(1., 1.1), reach=(.5, .6))
    p = next(simulated_proteome(8).itertuples())
    for k in range(3):
        stack, c = draw_stack(p, k, 0, 96, line=sparse)
        assert stack.shape == (2, PLANES, 96, 96) and np.median(stack) < 120

def test_a_second_line_is_larger_and_flatter(proteins):
    p = next(proteins.itertuples())
    drawn = {k: draw_stack(p, 1, 0, 384, line=k)[1] for k in 'ab'}
    area = {k: true_nuclei(c)[1].query('not at_border and not mitotic').area_um2.median() for k, c in drawn.items()}
    height = {k: np.median(c.top[c.rim > 1]) for k, c in drawn.items()}
    assert area['b'] > area['a'] and height['b'] < .8*height['a']


# --- stacks on disk

def test_stacks_and_tables_agree(screen):
    stacks, nuclei = pd.read_csv(screen/'stacks.csv'), pd.read_csv(screen/'truth/nuclei.csv')
    assert set(stacks.pixel_um) == {.2}, 'a raw pixel of the simulated camera, not a pixel of a crop'
    assert {'file', 'protein', 'field', 'localization', 'complex', 'pixel_um', 'held_out'} <= set(stacks) and len(stacks) == 4
    for row in stacks.itertuples():
        stack, label = tifffile.imread(screen/row.file), tifffile.imread(screen/row.truth)
        assert stack.shape == (2, PLANES, SIZE, SIZE) and stack.dtype == np.uint16 and label.shape == (SIZE, SIZE)
        of_field = nuclei[nuclei.field == row.field]
        assert sorted(of_field.nucleus) == sorted(set(np.unique(label)) - {0})
        inside, seen = label > 0, stack[1].max(0)
        assert seen[ndi.binary_erosion(inside, iterations=3)].mean() - 100 > 3*(seen[~inside].mean() - 100), 'the labels lie on the nuclei'

def test_a_screen_has_the_same_bytes_for_any_number_of_workers(screen, proteins, tmp_path):
    def bytes_of(folder): return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob('*') if p.is_file()}
    for name, workers in (('one', 1), ('two', 2)): write_screen(tmp_path/name, proteins.head(2), 2, size=SIZE, workers=workers, progress=False)
    one = bytes_of(tmp_path/'one')
    assert bytes_of(tmp_path/'two') == one
    kept, lost = sorted((tmp_path/'two/stacks').glob('*'))[:2]
    lost.unlink()
    before = kept.stat().st_mtime_ns
    write_screen(tmp_path/'two', proteins.head(2), 2, size=SIZE, workers=1, progress=False)
    assert bytes_of(tmp_path/'two') == one and kept.stat().st_mtime_ns == before
    with tifffile.TiffFile(kept) as f: axes, note = f.series[0].axes, f.ome_metadata
    assert axes == 'CZYX' and all(text in note for text in ('Name="protein"', 'Name="nucleus"', 'PhysicalSizeX="0.2"', 'PhysicalSizeZ="0.5"'))

def test_more_fields_can_be_added_and_the_old_ones_stay(screen, proteins):
    first = screen/'stacks'/f'{proteins.protein[0]}_000.ome.tif'
    before = first.stat().st_mtime_ns
    write_screen(screen, proteins.head(2), 3, size=SIZE, workers=1, progress=False)
    assert len(pd.read_csv(screen/'stacks.csv')) == 6 and first.stat().st_mtime_ns == before
    assert not list(screen.rglob('.*.tmp'))

def test_a_killed_run_leaves_whole_files(tmp_path, proteins, monkeypatch):
    from cytoself_nb import microscope
    real, calls = microscope._write_tiff, []
    def broken(path, *args, **kwargs):
        calls.append(path)
        if len(calls) == 4: raise KeyboardInterrupt
        real(path, *args, **kwargs)
    monkeypatch.setattr(microscope, '_write_tiff', broken)
    with pytest.raises(KeyboardInterrupt): write_screen(tmp_path/'s', proteins.head(1), 3, size=96, workers=1, progress=False)
    assert len(list((tmp_path/'s/stacks').glob('*.ome.tif'))) == 1 and not (tmp_path/'s/stacks.csv').exists()
    monkeypatch.setattr(microscope, '_write_tiff', real)
    write_screen(tmp_path/'s', proteins.head(1), 3, size=96, workers=1, progress=False)
    assert len(list((tmp_path/'s/stacks').glob('*.ome.tif'))) == 3

def test_a_folder_of_another_screen_is_left_alone(screen, proteins):
    before = json.loads((screen/'screen.json').read_text())
    for change in (dict(size=160), dict(line='b'), dict(scope=Microscope(haze=0.)), dict(seed=4)):
        with pytest.raises(ValueError, match='nothing was changed'): write_screen(screen, proteins.head(2), 2, **dict(size=SIZE, progress=False) | change)
    with pytest.raises(ValueError, match='another proteome'): write_screen(screen, proteins.tail(2), 2, size=SIZE, progress=False)
    assert json.loads((screen/'screen.json').read_text()) == before

@pytest.mark.parametrize('change, message', [
    (dict(proteins=dict(truth_main='spleen')), 'spleen'), (dict(proteins=dict(protein='SIM001')), 'twice'),
    (dict(proteins=dict(truth_main=None)), 'has no truth_main'), (dict(fields=0), 'fields=0'), (dict(line='c'), 'unknown cell line'),
    (dict(drop=['sig_place']), 'no column sig_place'), (dict(drop=['haze', 'level']), 'no column haze, level')])
def test_a_strange_screen_is_refused(tmp_path, proteins, change, message):
    change = dict(change)
    table = proteins.assign(**change.pop('proteins', {})).drop(columns=change.pop('drop', []))
    with pytest.raises(ValueError, match=message): write_screen(tmp_path/'s', table, **dict(fields=1, progress=False) | change)
    assert not (tmp_path/'s').exists(), 'nothing half made'
    if 'fields' in change or 'line' not in change:
        with pytest.raises(ValueError, match=message): simulated_cells(table, change.get('fields', 1), 4, 64)


# --- crops

def test_projection_and_truth_agree(proteins):
    stack, c = draw_stack(next(proteins.itertuples()), 0, 0, 200)
    img, (label, nuclei) = project_stack(stack, c), true_nuclei(c)
    assert img.dtype == np.float32 and img.shape == (3, 100, 100) and img[:2].min() >= 0 and img[:2].max() <= 1
    assert ((img[2] > .02) <= (label[::2, ::2] > 0)).all() and img[2].max() < 12/CROP_UM
    assert nuclei.area_um2.max() < 350

def test_a_second_line_has_other_crops():
    p = simulated_proteome(4).head(1)
    a, b = (np.concatenate(list(simulated_cells(p, 1, 3, 48, line=k)[0])) for k in 'ab')
    assert a.shape == b.shape == (3, 3, 48, 48) and (a != b).any()


def test_a_field_has_the_same_pixels_for_any_number_of_threads():
    "Sums of linear algebra have another order on two threads: on some processors a voxel of the seed's screen was one count off"
    from threadpoolctl import threadpool_limits
    protein = list(simulated_proteome(8, 0).itertuples())[0]
    drawn = []
    for threads in (1, 2):
        with threadpool_limits(threads): drawn.append(draw_stack(protein, 1, 0, 160)[0])
    assert (drawn[0] == drawn[1]).all()


def test_distances_are_those_of_the_finished_mask(proteins):
    img = project_stack(*draw_stack(next(proteins.itertuples()), 0, 0, 200))
    mask = img[2] > 0
    edt = (ndi.distance_transform_edt(mask) - ndi.distance_transform_edt(~mask))*.01
    assert np.quantile(np.abs(img[2] - edt), .98) < .02
    assert (_half(np.arange(16.).reshape(4, 4)) == [[2.5, 4.5], [10.5, 12.5]]).all()

def test_a_nucleus_stands_in_the_middle_of_each_crop():
    source, labels, channels = simulated_cells(simulated_proteome(4), 2, 4, 64)
    crops = np.concatenate(list(source))
    assert crops.shape == (len(labels), 3, 64, 64) and crops.dtype == np.float32 and channels == ['protein', 'nucleus', 'distance']
    assert crops[:, :2].min() >= 0 and crops[:, :2].max() <= 1 and np.abs(crops[:, 2]).max() <= 1
    apart = next(simulated_cells(simulated_proteome(4), 1, 4, 64, scope=Microscope(crowd=False))[0])
    assert (crops[:, 2, 32, 32] > 0).all() and (apart[:, 2, 32, 32] > 0).all()
    same = [np.corrcoef(x) - np.eye(len(x)) for x in (crops[(labels.protein == q).values, 0].reshape(-1, 64**2) for q in labels.protein.unique())]
    assert max(x.max() for x in same) < .95, 'no two crops of a protein are copies'
    backwards, other, _ = simulated_cells(simulated_proteome(4)[::-1], 1, 4, 64)
    assert (crops[(labels.fov == other.fov[0]).values] == next(backwards)).all(), 'whatever the order'
    assert next(simulated_cells(simulated_proteome(4).head(1), 1, 4, 100)[0]).shape == (4, 3, 100, 100)
