"The virtual microscope: what the notebook can't show in a cell or two"
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import tifffile
from scipy import ndimage as ndi

from cytoself_nb.simulate import (COMPARTMENTS, CROP_UM, LINES, PLANES, Line, Microscope, Signature, draw_cells, draw_dna, draw_protein, draw_stack, project,
                                  true_nuclei, virtual_cells, virtual_proteome, write_screen)

SIZE = 144


@pytest.fixture(scope='module')
def proteins(): return virtual_proteome(8)

@pytest.fixture(scope='module')
def cells(): return draw_cells(np.random.default_rng(5), 384, mitosis=0.)

@pytest.fixture(scope='module')
def screen(tmp_path_factory, proteins):
    folder = tmp_path_factory.mktemp('screen')/'s'
    write_screen(folder, proteins.head(2), 2, size=SIZE, workers=1, progress=False)
    return folder


# --- proteome

@pytest.mark.parametrize('n', [1, 2, 4, 8, 30, 64, 1311])
def test_proteomes_of_any_size(n):
    t = virtual_proteome(n)
    assert len(t) == n and t.protein.is_unique and t.protein.str.match(r'VIRT\d{3,}$').all()
    assert t.held_out.sum() == (n >= 8) and set(t.truth_main) <= set(COMPARTMENTS)
    assert (t.complex.value_counts() == 3).all() and t.nuclear_fraction.between(0, 1).all()
    orphan = t[t.held_out]
    assert orphan.localization.isna().all() and orphan.complex.isna().all() and (orphan.truth_main == 'er').all()

def test_the_orphan_has_company():
    for n in (8, 30, 64):
        t = virtual_proteome(n)
        assert ((t.truth_main == 'er') & ~t.held_out & t.truth_second.isna()).sum() >= 3, 'its compartment has to be known to a model that never saw it'

def test_64_proteins_fill_the_compartments():
    for seed in range(3):
        t = virtual_proteome(64, seed)
        assert t.localization.nunique() >= 12 and t.complex.nunique() >= 10
        assert {'endosome', 'lysosome'} <= set(t.truth_main) and not {'endosome', 'lysosome'} & set(t.localization)

def test_members_of_a_complex_resemble_each_other_and_are_not_the_same():
    t = virtual_proteome(64)
    sig = [f'sig_{k}' for k in Signature._fields]
    spread = t.dropna(subset='complex').groupby('complex')[sig].std().mean().mean()
    assert 0 < spread < .5*t[sig].std().mean()


# --- geometry and patterns

@pytest.mark.parametrize('line', list(LINES))
def test_geometry(line):
    c = draw_cells(np.random.default_rng(1), 256, line=line, mitosis=0.)
    assert c.rim[c.label == 0].max(initial=0) <= 0, 'no nucleus outside a cell'
    assert (c.top[c.rim > .6] >= (c.mid + c.half)[c.rim > .6]).all(), 'a nucleus does not stick out of its cell'
    assert c.top.max() < c.z[-1] + 1.5, 'cells fit into the stack'
    at = np.floor(c.centre*c.px).astype(int)
    ok = ((at >= 10) & (at < 246)).all(1)
    assert (c.rim[tuple(at[ok].T)] > 1.5).all() and (c.label[tuple(at[ok].T)] == np.flatnonzero(ok) + 1).all()

@pytest.mark.parametrize('name', list(COMPARTMENTS))
def test_each_compartment_lies_where_it_should(cells, name):
    v = COMPARTMENTS[name][0](cells, Signature(0., 0., 0., 0.), np.random.default_rng(0))
    assert v.shape == cells.shape and v.dtype == np.float32 and np.isfinite(v).all() and v.min() >= 0
    on_cells = v[:, cells.label > 0].sum()/v.sum()
    assert on_cells > .95, f'{1 - on_cells:.0%} of {name} lies outside cells'
    inside = (v*cells.nucleus).sum()/v.sum()
    nuclear = {'nucleoplasm', 'chromatin', 'nucleolus', 'nucleolus fc', 'nuclear punctae'}
    if name in nuclear: assert inside > .8
    elif name != 'nuclear membrane': assert inside < .3

@pytest.mark.parametrize('name', list(COMPARTMENTS))
@pytest.mark.parametrize('extreme', [-1.2, 1.2])
def test_patterns_at_the_ends_of_the_signature(cells, name, extreme):
    v = COMPARTMENTS[name][0](cells, Signature(extreme, extreme, extreme, extreme), np.random.default_rng(0))
    assert np.isfinite(v).all() and v.sum() > 0

def test_a_field_with_hardly_a_cell_in_it():
    "A line so sparse that a field can be empty still gives a stack"
    sparse = Line(gap=(400., 401.), nucleus=(1., 1.1), reach=(.5, .6))
    p = next(virtual_proteome(8).itertuples())
    for k in range(3):
        stack, c = draw_stack(p, k, 0, 96, line=sparse)
        assert stack.shape == (2, PLANES, 96, 96) and np.median(stack) < 120

def test_fibrous_compartments_are_finer_than_cytoplasm(cells):
    def fine(name):
        p = ndi.gaussian_filter(COMPARTMENTS[name][0](cells, Signature(0., 0., 0., 0.), np.random.default_rng(0)), (.7, .6, .6)).max(0)
        return (p - ndi.gaussian_filter(p, cells.px))[cells.label > 0].std()/p[cells.label > 0].mean()
    assert min(map(fine, ('er', 'mitochondria', 'cytoskeleton'))) > 2*fine('cytoplasm')


# --- nuisance

def test_expression_follows_the_switch(proteins, cells):
    p = next(proteins[proteins.truth_main == 'er'].itertuples())
    whole = np.setdiff1d(np.unique(cells.label), np.concatenate([[0], cells.label[[0, -1]].ravel(), cells.label[:, [0, -1]].ravel()]))
    total = lambda scope: np.bincount(cells.label.ravel(), draw_protein(p, cells, np.random.default_rng(0), scope).sum(0).ravel())[whole]
    same, varied = total(Microscope(expression=0.)), total(Microscope(expression=.6))
    assert same.std()/same.mean() < .05 < .2 < varied.std()/varied.mean()

def test_the_nucleus_channel_does_not_know_the_protein():
    t = virtual_proteome(64)
    a, b = (SimpleNamespace(**t[t.truth_main == k].iloc[0].to_dict() | dict(protein='VIRT001')) for k in ('er', 'nucleolus'))
    x, y = (draw_stack(p, 0, 0, 128, scope=Microscope(read_noise=0., photon_noise=False, debris=0.))[0] for p in (a, b))
    assert (x[1] == y[1]).all() and (x[0] != y[0]).any()

def test_dna_of_a_dividing_cell_is_dense():
    c = draw_cells(np.random.default_rng(0), 200, mitosis=.5)
    dna, mitotic = draw_dna(c, np.random.default_rng(0)), np.append(False, c.mitotic)[c.label]
    mean = lambda where: dna[:, where & (c.rim > .5)].max(0).mean()
    assert mean(mitotic) > 1.2*mean(~mitotic)


# --- stacks on disk

def test_stacks_and_tables_agree(screen):
    stacks, nuclei = pd.read_csv(screen/'stacks.csv'), pd.read_csv(screen/'truth/nuclei.csv')
    assert {'file', 'protein', 'field', 'localization', 'complex', 'pixel_um', 'held_out'} <= set(stacks) and len(stacks) == 4
    for row in stacks.itertuples():
        stack, label = tifffile.imread(screen/row.file), tifffile.imread(screen/row.truth)
        assert stack.shape == (2, PLANES, SIZE, SIZE) and stack.dtype == np.uint16 and label.shape == (SIZE, SIZE)
        of_field = nuclei[nuclei.field == row.field]
        assert sorted(of_field.nucleus) == sorted(set(np.unique(label)) - {0})
        inside, seen = label > 0, stack[1].max(0)
        assert seen[ndi.binary_erosion(inside, iterations=3)].mean() - 100 > 3*(seen[~inside].mean() - 100), 'the labels lie on the nuclei'

def test_more_fields_can_be_added_and_the_old_ones_stay(screen, proteins):
    first = screen/'stacks'/f'{proteins.protein[0]}_000.ome.tif'
    before = first.stat().st_mtime_ns
    write_screen(screen, proteins.head(2), 3, size=SIZE, workers=1, progress=False)
    assert len(pd.read_csv(screen/'stacks.csv')) == 6 and first.stat().st_mtime_ns == before
    assert not list(screen.rglob('.*.tmp'))

def test_a_killed_run_leaves_whole_files(tmp_path, proteins, monkeypatch):
    from cytoself_nb import simulate
    real, calls = simulate._write_tiff, []
    def broken(path, *args, **kwargs):
        calls.append(path)
        if len(calls) == 4: raise KeyboardInterrupt
        real(path, *args, **kwargs)
    monkeypatch.setattr(simulate, '_write_tiff', broken)
    with pytest.raises(KeyboardInterrupt): write_screen(tmp_path/'s', proteins.head(1), 3, size=96, workers=1, progress=False)
    assert len(list((tmp_path/'s/stacks').glob('*.ome.tif'))) == 1 and not (tmp_path/'s/stacks.csv').exists()
    monkeypatch.setattr(simulate, '_write_tiff', real)
    write_screen(tmp_path/'s', proteins.head(1), 3, size=96, workers=1, progress=False)
    assert len(list((tmp_path/'s/stacks').glob('*.ome.tif'))) == 3

def test_a_folder_of_another_screen_is_left_alone(screen, proteins):
    before = json.loads((screen/'screen.json').read_text())
    for change in (dict(size=160), dict(line='b'), dict(scope=Microscope(haze=0.)), dict(seed=4)):
        with pytest.raises(ValueError, match='nothing was changed'): write_screen(screen, proteins.head(2), 2, **dict(size=SIZE, progress=False) | change)
    with pytest.raises(ValueError, match='another proteome'): write_screen(screen, proteins.tail(2), 2, size=SIZE, progress=False)
    assert json.loads((screen/'screen.json').read_text()) == before

@pytest.mark.parametrize('change, message', [(dict(truth_main='spleen'), 'spleen'), (dict(protein='VIRT001'), 'twice')])
def test_a_strange_proteome_is_refused(tmp_path, proteins, change, message):
    with pytest.raises(ValueError, match=message): write_screen(tmp_path/'s', proteins.assign(**change), 1, progress=False)
    assert not (tmp_path/'s').exists()


# --- crops

def test_projection_and_truth_agree(proteins):
    stack, c = draw_stack(next(proteins.itertuples()), 0, 0, 200)
    img, (label, nuclei) = project(stack, c), true_nuclei(c)
    assert img.dtype == np.float32 and img.shape == (3, 100, 100) and img[:2].min() >= 0 and img[:2].max() <= 1
    assert ((img[2] > .02) <= (label[::2, ::2] > 0)).all() and img[2].max() < 12/CROP_UM
    assert nuclei.area_um2.max() < 350

def test_a_second_line_has_other_crops():
    p = virtual_proteome(4).head(1)
    a, b = (np.concatenate(list(virtual_cells(p, 1, 3, 48, line=k)[0])) for k in 'ab')
    assert a.shape == b.shape == (3, 3, 48, 48) and (a != b).any()


def test_a_field_has_the_same_pixels_for_any_number_of_threads():
    "Sums of linear algebra have another order on two threads: on some processors a voxel of the seed's screen was one count off"
    from threadpoolctl import threadpool_limits
    protein = list(virtual_proteome(8, 0).itertuples())[0]
    drawn = []
    for threads in (1, 2):
        with threadpool_limits(threads): drawn.append(draw_stack(protein, 1, 0, 160)[0])
    assert (drawn[0] == drawn[1]).all()
