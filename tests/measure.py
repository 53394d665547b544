"""What can be measured of a figure: no text on text, letters of 6 points at the width of use, a scale bar on each picture of cells.

`faults(fig)` says it in sentences. `startup.py` beside it makes notebooks tell it of each figure that they save.
"""
import json
import os
from itertools import combinations

import numpy as np
from matplotlib.axis import Axis
from matplotlib.colors import to_rgb
from matplotlib.text import Text

WIDTH = 7.2   # Inches: a figure over both columns of a page
SMALLEST = 6  # Points
ROOM = 1.5    # Pixels of 110 a inch that boxes of text may share: letters don't fill their box


def _shown(artist):
    "Is it and all that holds it visible?"
    while artist is not None:
        if not artist.get_visible(): return False
        artist = getattr(artist, 'axes', None) if not hasattr(artist, 'axison') else None
    return True


def texts(
    fig, # Figure, drawn
)->list: # Texts that are seen
    "All texts of a figure; of ticks only those inside the view"
    hidden = set()
    for axis in fig.findobj(Axis):
        drawn = axis._update_ticks() if axis.axes.axison and axis.get_visible() and axis.axes.get_visible() else []
        of_ticks = {t for tick in [*axis.majorTicks, *axis.minorTicks] for t in (tick.label1, tick.label2)}
        hidden |= of_ticks - {t for tick in drawn if tick.get_visible() for t in (tick.label1, tick.label2)}
        if not (axis.axes.axison and axis.get_visible()): hidden |= {axis.label, axis.offsetText}
    seen = [t for t in fig.findobj(Text) if t.get_text().strip() and t not in hidden and _shown(t) and (t.get_alpha() is None or t.get_alpha() > 0)]
    boxes = [t.get_window_extent() for t in seen]
    clipped = [t.get_clip_on() and t.get_clip_box() is not None and not t.get_clip_box().overlaps(b) for t, b in zip(seen, boxes)]
    return [t for t, c in zip(seen, clipped) if not c]


def overlaps(
    fig, # Figure, drawn
)->list: # Pairs of words
    "Texts that lie on each other; those at an angle aren't asked"
    level = [t for t in texts(fig) if t.get_rotation() % 90 == 0]
    boxes = [t.get_window_extent() for t in level]
    room = ROOM*fig.dpi/110
    def shared(a, b): return min(a.x1, b.x1) - max(a.x0, b.x0) > room and min(a.y1, b.y1) - max(a.y0, b.y0) > room
    return [(s.get_text(), t.get_text()) for (s, a), (t, b) in combinations(zip(level, boxes), 2) if shared(a, b)]


def _is_bar(line):
    "A thick white level line of two ends"
    y = line.get_ydata()
    return len(y) == 2 and y[0] == y[1] and line.get_linewidth() >= 1.5 and to_rgb(line.get_color()) == (1, 1, 1)


def cell_pictures(
    fig, # Figure
)->list: # Axes
    "Axes that show cells: a picture in gray or color of its own, square pixels, no axis"
    def shows(ax):
        if not ax.images or ax.get_aspect() in ('auto', None) or not ax.get_visible(): return False
        if ax.axison and (len(ax.get_xticks()) or len(ax.get_yticks())): return False
        return any(np.ndim(i.get_array()) == 3 or i.get_cmap().name in ('gray', 'grey', 'Greys_r') for i in ax.images)
    return [ax for ax in fig.axes if shows(ax)]


def faults(
    fig,             # Matplotlib figure
    bars:bool=True,  # Is the width of a picture known, so that it needs a bar?
)->list: # Sentences
    "What is wrong with a figure, as far as it can be measured"
    fig.canvas.draw()
    out = [f'{a!r} lies on {b!r}' for a, b in overlaps(fig)]
    width = max(fig.get_tightbbox(fig.canvas.get_renderer()).width, fig.get_figwidth())
    shrink = min(1, WIDTH/width)
    small = sorted({(round(t.get_fontsize()*shrink, 1), t.get_text()) for t in texts(fig) if t.get_fontsize()*shrink < SMALLEST - .05})
    if small: out.append(f'{len(small)} texts are smaller than {SMALLEST} points at {min(width, WIDTH):.1f} inches, such as {small[0][1]!r} with {small[0][0]}')
    pictures = cell_pictures(fig)
    bare = [ax for ax in pictures if not any(map(_is_bar, ax.lines))]
    if bars and bare: out.append(f'{len(bare)} of {len(pictures)} pictures of cells have no scale bar')
    return out


def listen(
    path, # File to which a line is written for each figure
):
    "From now on `save_fig` tells of each figure"
    from cytoself_nb import core
    write = core._write_png
    def measured(fig, to):
        found = faults(fig)
        with open(path, 'a') as f: f.write(json.dumps(dict(name=to.stem, faults=found)) + '\n')
        return write(fig, to)
    core._write_png = measured


if os.environ.get('CYTOSELF_NB_MEASURE') and __name__ == 'measure': listen(os.environ['CYTOSELF_NB_MEASURE'])
