"Simulated cells: what the notebook can't show in a cell or two"
import numpy as np
import pytest
from scipy import ndimage as ndi

from cytoself_nb.simulate import (ANGLES, CELL_LINES, PATTERNS, PLANE_UM, Signature, _depth, _nearest, _noise, _outlines, _per_cell, _pick, _place,
                                  _positions, _splat, _steered, _to_border, _twice, _walk, _within, composite, draw_cells, draw_dna)

PLAIN, rng = Signature(0., 0., 0., 0.), np.random.default_rng


@pytest.fixture(scope='module')
def cells(): return draw_cells(rng(5), 384, mitosis=0.)

def whole(c):
    "Cells that the border of the field doesn't cut"
    return np.setdiff1d(np.unique(c.label), [0, *c.label[[0, -1]].ravel(), *c.label[:, [0, -1]].ravel()])


# --- tools

def test_noise_is_as_smooth_as_asked():
    n = _noise(rng(0), (200, 201), 4)
    neighbor = [np.corrcoef(n[:, k:].ravel(), n[:, :-k].ravel())[0, 1] for k in (1, 4, 8)]
    assert abs(n.mean()) < 1e-3 and abs(n.std() - 1) < 1e-3
    assert np.allclose(neighbor, [np.exp(-(k/8)**2) for k in (1, 4, 8)], atol=.12), 'a Gaussian of sigma 4, convolved with itself'

def test_small_tools():
    assert (_twice(np.array([[[0., 2.], [4., 6.]]]), 4, 3)[0] == [[0, 1, 2], [2, 3, 4], [4, 5, 6], [4, 5, 6]]).all()
    assert (_to_border(np.array([[1, 1, 1, 2, 2]]*5))[2] == [2.5, 1.5, .5, .5, 1.5]).all()
    far, value = _nearest(np.array([[True, False, False, True]]), np.array([[0, 0, 1, 1]]))
    assert (far == [[0, 1, 1, 0]]).all() and (value == [[0, 0, 1, 1]]).all()
    assert (composite(np.full((2, 2), .5)) == .5).all()
    assert (composite(np.zeros((1, 1)), np.ones((1, 1)))[0, 0] == [.05, .15, .65]).all()

def test_depth_in_a_ball():
    depth = _depth(np.array([[2., 4., 4., 1.5, 0]]), np.arange(10)*PLANE_UM, 5., (10, 40, 40))
    assert abs(depth[4, 20, 20] - 1.5) < .15 and abs((depth > 0).sum()*PLANE_UM/25 - 4/3*np.pi*1.5**3) < 1

def test_points_fall_where_they_should(cells):
    v = _splat(cells, np.array([[1., 10., 10.], [1., 10., 10.], [-50., 10., 10.]]), 2.)   # the third is far below the stack
    (z, y, x), = np.argwhere(v)
    assert v.sum() == v.max() == 4 and y == x == int(10*cells.px) and abs(cells.z[z] - 1) <= PLANE_UM/2
    picked = _pick(cells, rng(0), (cells.rim > 0)*1., 50)
    assert (cells.rim.ravel()[picked] > 0).all() and abs(len(picked)/50 - len(np.unique(cells.label[cells.rim > 0]))) < 6

def test_steered_paths_stay_in_their_cell(cells):
    start = _place(cells, rng(0), np.flatnonzero((cells.edge > 1.) & (cells.label > 0))[::199])
    heading = rng(1).uniform(0, 2*np.pi, len(start))
    paths = _walk(rng(2), start, heading, 60, .2, .06), _steered(cells, rng(2), start, heading, 60, .2, .06, 0, 1.)
    free, led = (_within(cells, p)[:, -1].mean() for p in paths)
    assert led > free + .2

def test_a_cell_holds_the_amount_asked_for(cells):
    v = _per_cell(PATTERNS['er'][0](cells, PLAIN, rng(0)), cells, np.full(len(cells.center), 2.))
    assert np.allclose([v[:, cells.label == k].sum() for k in whole(cells)], 2, atol=1e-3) and v[:, cells.label == 0].max() == 0

def test_nuclei_keep_their_distance():
    centers = _positions(rng(1), 80, CELL_LINES['a'])
    apart = np.linalg.norm(centers[:, None] - centers[None], axis=-1) + 99*np.eye(len(centers))
    no = np.zeros(len(centers), bool)
    r = _outlines(rng(0), centers, CELL_LINES['a'], no, no)
    i, j = np.nonzero(apart < 16)
    def reach(i, j): return r[i, np.rint(np.arctan2(*(centers[j] - centers[i]).T)*ANGLES/(2*np.pi)).astype(int) % ANGLES]
    assert apart.min() >= CELL_LINES['a'].gap[0] and (reach(i, j) + reach(j, i) < apart[i, j]).all()


# --- geometry and patterns

@pytest.mark.parametrize('line', list(CELL_LINES))
def test_geometry(line):
    c = draw_cells(rng(1), 256, line=line, mitosis=0.)
    assert c.rim[c.label == 0].max(initial=0) <= 0, 'no nucleus outside a cell'
    assert (c.top[c.rim > .6] >= (c.mid + c.half)[c.rim > .6]).all(), 'a nucleus does not stick out of its cell'
    assert c.top.max() < c.z[-1] + 1.5, 'cells fit into the stack'
    at = np.floor(c.center*c.px).astype(int)
    ok = ((at >= 10) & (at < 246)).all(1)
    assert (c.rim[tuple(at[ok].T)] > 1.5).all() and (c.label[tuple(at[ok].T)] == np.flatnonzero(ok) + 1).all()

@pytest.mark.parametrize('name', list(PATTERNS))
def test_each_localization_lies_where_it_should(cells, name):
    v = PATTERNS[name][0](cells, Signature(0., 0., 0., 0.), rng(0))
    assert v.shape == cells.shape and v.dtype == np.float32 and np.isfinite(v).all() and v.min() >= 0
    on_cells = v[:, cells.label > 0].sum()/v.sum()
    assert on_cells > .95, f'{1 - on_cells:.0%} of {name} lies outside cells'
    inside = (v*cells.nucleus).sum()/v.sum()
    nuclear = {'nucleoplasm', 'chromatin', 'nucleolus', 'nucleolus fc', 'nuclear punctae'}
    if name in nuclear: assert inside > .8
    elif name != 'nuclear membrane': assert inside < .3

@pytest.mark.parametrize('name', list(PATTERNS))
@pytest.mark.parametrize('extreme', [-1.2, 1.2])
def test_patterns_at_the_ends_of_the_signature(cells, name, extreme):
    v = PATTERNS[name][0](cells, Signature(extreme, extreme, extreme, extreme), rng(0))
    assert np.isfinite(v).all() and v.sum() > 0

def test_shares_on_the_nucleus_are_those_of_the_table():
    c = draw_cells(rng(3), 384)
    inner = np.isin(c.label, np.intersect1d(whole(c), c.label[60:-60, 60:-60]))
    for name, (pattern, share) in PATTERNS.items():
        v = _per_cell(pattern(c, PLAIN, rng(0)), c, np.ones(len(c.center)))
        assert abs(v[:, (c.rim > 0) & inner].sum()/v[:, inner].sum() - share) < .15, name

def test_fibrous_localizations_are_finer_than_cytoplasm(cells):
    def fine(name):
        p = ndi.gaussian_filter(PATTERNS[name][0](cells, Signature(0., 0., 0., 0.), rng(0)), (.7, .6, .6)).max(0)
        return (p - ndi.gaussian_filter(p, cells.px))[cells.label > 0].std()/p[cells.label > 0].mean()
    assert min(map(fine, ('er', 'mitochondria', 'cytoskeleton'))) > 2*fine('cytoplasm')

def test_dna_of_a_dividing_cell_is_dense():
    c = draw_cells(rng(0), 200, mitosis=.5)
    dna, mitotic = draw_dna(c, rng(0)), np.append(False, c.mitotic)[c.label]
    mean = lambda where: dna[:, where & (c.rim > .5)].max(0).mean()
    assert mean(mitotic) > 1.2*mean(~mitotic)

def test_dna_and_nucleoli_lie_in_nuclei(cells):
    dna = draw_dna(cells, rng(3))
    assert dna[cells.nucleus == 0].max() == 0 and dna[cells.nucleoli > .2].mean() < .6*dna[(cells.nucleus == 1) & (cells.nucleoli < -.5)].mean()
    assert (cells.nucleus > cells.body + 1e-6).mean() < 1e-3 and (cells.nucleoli[cells.nucleus == 0] > .6).mean() < 1e-3
