"Core: a failed build loses nothing, axis labels are few, captions say what is shown, downloads are checked and failures are sentences"
import dataclasses
import errno
import json
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pooch
import pytest

from cytoself_nb.core import cached, fetch, log_ticks, open_run, registry, save_claims, save_fig


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path))
    yield open_run('simulated', 'smoke')
    plt.close('all')


def test_a_full_disk_leaves_the_old_artefact(run):
    path = run.path/'example.txt'
    assert cached(path, dict(a=1), lambda tmp: tmp.write_text('hello'), Path.read_text, '01_core') == 'hello'
    def full(tmp): raise OSError(errno.ENOSPC, 'No space left on device')
    with pytest.raises(OSError, match='free some space'): cached(path, dict(a=2), full, Path.read_text, '01_core')
    assert path.read_text() == 'hello' and not list(run.path.glob('.building-*'))


@pytest.mark.parametrize('limits, labels', [((.03, 25), ['0.03', '0.1', '0.3', '1', '3', '10']), ((.07, .4), ['0.1', '0.3'])])
def test_log_ticks(limits, labels):
    fig, ax = plt.subplots()
    ax.set_yscale('log')
    ax.set_ylim(*limits)
    log_ticks(ax.yaxis)
    assert [t.get_text() for t, y in zip(ax.get_yticklabels(), ax.get_yticks()) if limits[0] <= y <= limits[1]] == labels
    plt.close(fig)


def test_a_picture_of_other_cells_says_so(run):
    real = dataclasses.replace(run, data='yeast5')
    save_fig(plt.figure(figsize=(1, 1)), 'core_shows', pd.DataFrame({'x': [1]}), real, 'Example', shows='simulated cells')
    assert 'Example. Simulated cells.' in json.loads((run.figures/'manifest.json').read_text())['core_shows']['caption']


def test_bad_names_of_figures_and_verdicts(run):
    with pytest.raises(ValueError, match='panel_subject'): save_fig(plt.figure(), 'Atlas', pd.DataFrame(), run, 'x')
    row = dict(id='X1', claim='the sky is blue', paper='blue', here='grey', holds='perhaps', remark='November')
    with pytest.raises(ValueError, match='expected yes, no'): save_claims([row], run)
    assert not run.figures.exists() or not list(run.figures.iterdir())


def test_a_changed_file_in_the_mirror_is_refused(tmp_path, monkeypatch):
    small = registry().sort_values('bytes').iloc[0]
    monkeypatch.setenv('CYTOSELF_NB_MIRROR', str(tmp_path))
    bad = tmp_path/small.path
    bad.parent.mkdir(parents=True)
    bad.write_text('not the file')
    with pytest.raises(ValueError, match='another SHA-256'): fetch(Path(small.path).name, progress=False)


def test_without_network_the_message_says_where_to_put_the_file(tmp_path, monkeypatch):
    def refuse(*args, **kwargs): raise ConnectionError('no route to host')
    monkeypatch.setattr(pooch, 'retrieve', refuse)
    monkeypatch.setenv('CYTOSELF_NB_MIRROR', '')
    monkeypatch.setenv('CYTOSELF_NB_CACHE', str(tmp_path))
    name = Path(registry().sort_values('bytes').iloc[0].path).name
    with pytest.raises(OSError, match='put the file by hand'): fetch(name, progress=False)
