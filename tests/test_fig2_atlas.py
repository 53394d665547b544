"Fig. 2: outlines, insets and thumbnails"
import textwrap

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
from conftest import ROOT

from cytoself_nb.core import PALETTE
from cytoself_nb.draw import crop_lines, name_groups, spread_labels
from cytoself_nb.fig2_atlas import core_hull, draw_inset, inset_groups, outline_groups, pick_thumbnails, tight_groups

CORNERS = np.array([[0., 0], [2, 0], [2, 2], [0, 2], [1, 1]])


def test_a_core_in_two_pieces_has_no_hull():
    hull, held = core_hull(CORNERS, share=1)
    assert sorted(map(tuple, hull)) == [(0, 0), (0, 2), (2, 0), (2, 2)] and held == 5
    assert core_hull(np.array([[0., 0], [1, 1], [2, 2]]))[0] is None   # on a line
    two = np.vstack([CORNERS, CORNERS + [20, 0]])                      # two islands, 18 apart
    assert core_hull(two, share=1, gap=5)[0] is None and core_hull(two, share=1, gap=18)[0] is not None

def test_groups_of_equal_points_or_of_one_are_not_tight():
    frame = pd.DataFrame(dict(protein=list('aaaaab'), umap_1=[0.]*5 + [1], umap_2=0.))
    assert tight_groups(frame).empty and list(tight_groups(frame)) == ['kind', 'group', 'crops', 'purity']

def test_members_of_a_tight_complex_are_not_outlined_again():
    rng = np.random.default_rng(0)
    xy = np.repeat([[0, 0], [30, 0], [0, 30]], 20, 0) + rng.normal(size=(60, 2))
    frame = pd.DataFrame(dict(protein=[*np.resize(['a', 'b'], 20), *['c']*20, *['d']*20], umap_1=xy[:, 0], umap_2=xy[:, 1]))
    assert tight_groups(frame.assign(complex=['both']*20 + [None]*40)).group.tolist() == ['both', 'c', 'd']

def test_numbers_of_nested_outlines_can_be_read():
    fig, ax = plt.subplots(figsize=(2.5, 2.5))
    nested = pd.DataFrame(dict(protein=np.repeat(['in', 'out'], 5), umap_1=np.r_[CORNERS[:, 0], 3*CORNERS[:, 0] - 2],
                               umap_2=np.r_[CORNERS[:, 1], 3*CORNERS[:, 1] - 2]))
    ax.set(xlim=(-4, 8), ylim=(-4, 8))
    spots = outline_groups(ax, nested, pd.DataFrame(dict(kind='protein', group=['in', 'out'])))
    fig.canvas.draw()
    name_groups(ax, nested[['umap_1', 'umap_2']].to_numpy(), nested.protein, dict.fromkeys(['in', 'out'], PALETTE[0]), spots=spots)
    assert [t.get_text() for t in ax.texts] == ['in', 'out', '1', '2']
    boxes = [t.get_window_extent() for t in ax.texts]
    plt.close(fig)
    assert not any(a.overlaps(b) for k, a in enumerate(boxes) for b in boxes[:k])

def test_names_stand_beside_islands_not_on_them():
    rng = np.random.default_rng(0)
    islands = np.vstack([rng.normal(size=(300, 2))*.5 + at for at in ([0, 0], [0, 3], [6, 0], [6, 3])])
    groups = np.repeat(['nucleoplasm', 'nuclear membrane', 'cytoplasm', 'cytoskeleton'], 300)
    fig, ax = plt.subplots(figsize=(4, 4))
    ax.scatter(*islands.T)
    ax.margins(.1)
    fig.canvas.draw()
    name_groups(ax, islands, groups, dict.fromkeys(sorted(set(groups)), 'k'))
    boxes, at = [t.get_window_extent() for t in ax.texts], ax.transData.transform(islands)
    plt.close(fig)
    assert not any(a.overlaps(b) for k, a in enumerate(boxes) for b in boxes[:k])
    assert sum(b.contains(*p) for b in boxes for p in at) < .02*len(at)     # above the middle of an island they cover a tenth

def test_a_crowded_map_keeps_its_names_near():
    everywhere = np.random.default_rng(0).random((50_000, 2))
    at = spread_labels(np.array([[.5, .5], [.5, .52]]), [.2, .2], points=everywhere)
    assert np.abs(at - [.5, .51]).max() < .08 and abs(at[0, 1] - at[1, 1]) > .049

def test_proteins_of_an_inset_have_shades_of_its_color():
    from matplotlib.colors import rgb_to_hsv, to_rgb
    from cytoself_nb.draw import LOCALIZATIONS
    from cytoself_nb.fig2_atlas import tints
    for color in LOCALIZATIONS.values():
        shades = np.array([to_rgb(c) for c in tints(color)])
        light = shades.max(1) + shades.min(1)
        assert (np.diff(light) > .4).all() and np.allclose(rgb_to_hsv(shades)[:, 0], rgb_to_hsv(to_rgb(color))[0], atol=.02)

def test_a_line_of_crops_may_have_several_titles():
    from types import SimpleNamespace
    store = SimpleNamespace(images=np.random.default_rng(0).random((8, 1, 6, 6)), channels=['protein'])
    fig = crop_lines([(list('abcd'), store, range(8)), ('one', store, range(3))], um=10)
    titles = [ax.get_title(loc='left') for ax in fig.axes]
    plt.close(fig)
    assert titles == ['a', '', 'b', '', 'c', '', 'd', '', 'one'] + ['']*7

def test_insets_name_six_proteins_and_count_the_others():
    six = pd.DataFrame(dict(localization=['a']*12 + ['b']*12 + [None]*4, protein=list('pq'*6) + ['r']*12 + ['s']*4))
    assert inset_groups(six, 'localization') == ['a'] and inset_groups(six, 'protein') == []   # b has one protein
    fig, axes = plt.subplots(1, 2)
    eight = pd.DataFrame(dict(localization='a', protein=list('pqrstuvw')*3, umap_1=np.arange(24.) % 6, umap_2=np.arange(24.) % 5))
    far = pd.DataFrame(dict(localization=[None], protein=['z'], umap_1=[100.], umap_2=[100.]))     # an inset is no wider than a third of the map
    for ax, t in zip(axes, (eight, eight[eight.protein < 's'])): draw_inset(ax, pd.concat([t, far]), 'localization', 'a', 'k')
    titles, names = [ax.get_title() for ax in axes], [[t.get_text() for t in ax.legend_.texts] for ax in axes]
    plt.close(fig)
    assert titles == ['a, + 2 more', 'a'] and len(names[0]) == 6 and sorted(names[1]) == list('pqr')

def test_a_square_shows_the_crop_nearest_to_its_middle():
    assert pick_thumbnails(np.array([[0., 0], [.2, .3], [1, 1]]), across=2).crop.tolist() == [1, 2]


def test_one_group_alone_stands_above_the_map(tmp_path):
    from cytoself_nb import draw
    from cytoself_nb.data import write_store
    cells = [c.source for c in nbformat.read(ROOT/'nbs/51_fig2_atlas.ipynb', 4).cells if 'def island_crops' in c.source or 'def _draw_islands' in c.source]
    here = dict(vars(draw), pd=pd, np=np, plt=plt, textwrap=textwrap)
    for c in cells: exec(c, here)
    rng = np.random.default_rng(0)
    store = write_store(tmp_path/'crops.zarr', rng.random((12, 1, 16, 16), np.float32), pd.DataFrame(dict(protein=list('AB')*6, localization='er', fov=[f'{p}_{k//2 % 3}' for k, p in enumerate('AB'*6)])), ['protein'], seed=0)
    frame = store.labels.assign(row=range(12), umap_1=rng.random(12), umap_2=rng.random(12))
    islands = here['island_crops'](frame)
    assert len(islands) == 1
    fig = plt.figure()
    here['_draw_islands'](fig, frame, islands, store, None)
    assert len(fig.axes) == 2
    plt.close(fig)
