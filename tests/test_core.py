"Core: a failed build loses nothing, axis labels are few, captions say what is shown, downloads are checked and failures are sentences"
import dataclasses
import errno
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pooch
import pytest
from filelock import FileLock

from cytoself_nb.core import PALETTE, _alone, _new_array, _replace_text, cached, data_label, fetch, log_ticks, open_run, read_table, registry, save_claims, save_fig


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


@pytest.mark.parametrize('limits, labels', [((.03, 25), ['0.03', '0.1', '0.3', '1', '3', '10']), ((.07, .4), ['0.1', '0.2', '0.3'])])
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
    row = dict(id='U1a', here='63 %', value=.63, low=.5, high=.7, level=.1, n=49, verdict='agrees', why='')
    with pytest.raises(ValueError, match='expected one of agrees, weaker'): save_claims([row | dict(verdict='yes')], run)
    with pytest.raises(ValueError, match="'D7' is not in rules.csv"): save_claims([row | dict(id='D7')], run)
    with pytest.raises(ValueError, match='has the fields'): save_claims([row | dict(holds='yes')], run)
    with pytest.raises(ValueError, match='each of them once'): save_claims([row, row], run)
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


# ---- tables

AB = [['a.tif', 'A'], ['b.tif', 'B']]

@pytest.mark.parametrize('raw', [
    'file,protein\na.tif,A\nb.tif,B\n', 'file;protein\na.tif;A\nb.tif;B\n', 'file\tprotein\r\na.tif\tA\r\nb.tif\tB', 'sep=;\nfile;protein\na.tif;A\nb.tif;B\n',
    'File, Protein \n a.tif,A \nb.tif,"B"\n', 'FILE,PROTEIN\ra.tif,A\rb.tif,B\r', '\ufefffile,protein\na.tif,A\nb.tif,B\n', 'file,protein,,\na.tif,A,,\nb.tif,B,,\n,,,\n\n',
    ',file,protein\n0,a.tif,A\n1,b.tif,B\n', 'file,protein\na.tif,A,\nb.tif,B,,\n', 'file|protein\na.tif|A\nb.tif|B\n'])
@pytest.mark.parametrize('encoding', ['utf-8', 'utf-16', 'utf-16-le'])
def test_tables_as_spreadsheets_write_them(raw, encoding, tmp_path):
    (tmp_path/'t.csv').write_bytes(raw.encode(encoding))
    assert read_table(tmp_path/'t.csv', ('file', 'protein')).values.tolist() == AB


def test_another_code_page_is_read_with_a_warning(tmp_path):
    (tmp_path/'t.csv').write_bytes('file,protein\nb.tif,B\na.tif,xAß2\n'.encode('cp1252'))
    with pytest.warns(UserWarning, match=r't.csv is not UTF-8 and was read as Windows-1252.*line 3: xAß2'): t = read_table(tmp_path/'t.csv', ('file', 'protein'))
    assert t.protein.tolist() == ['B', 'xAß2']


@pytest.mark.parametrize('raw, says', [
    ('file,protein\na.tif,A,x\nb.tif,B,y\n', 'has 2 rows of another length than its header of 2 columns, row 2, 3'), ('file,protein\na.tif,A\nb.tif\n', '1 rows of another length.*row 3'),
    ('file,protein\na.tif,A\nb.tif,0,2\n', 'row 3; expected a separator between cells and none inside a number'), ('', 'is empty'), ('\n\n', 'is empty'), ('file,protein\n', 'has no rows'),
    ('file,protein\n"a.tif,A\n', 'is no table'), (b'\x89PNG\r\n\x1a\n\0\0\0\rIHDR\x81', '.'), (b'file,protein\n\x81\x81\x8d,A\n', 'is no table'), ('name,gene\na,b\n', 'without file, protein; expected file and protein'),
    ('file,protein\na.tif,#N/A\n', 'errors of a spreadsheet, row 2'), ('file,protein,file\na,b,c\n', 'names the column file twice'), ('file,,protein\na,x,b\n', 'no name for column 2'), ('file,protein\na, \n', '1 rows without protein, row 2')])
def test_tables_that_are_refused(raw, says, tmp_path):
    (tmp_path/'t.csv').write_bytes(raw if isinstance(raw, bytes) else raw.encode())
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        with pytest.raises(ValueError, match=f'^t.csv .*{says}'): read_table(tmp_path/'t.csv', ('file', 'protein'))
    (tmp_path/'d.csv').mkdir()
    with pytest.raises(ValueError, match='d.csv is no table'): read_table(tmp_path/'d.csv', ('file', 'protein'))


def test_a_million_rows(tmp_path):
    "Half a minute on a busy machine for 10**6; here a tenth of a percent of it"
    (tmp_path/'t.csv').write_text('file,protein,field\n' + ''.join(f'p{k}/w.tif,P{k % 9},{k}\n' for k in range(1000)))
    assert read_table(tmp_path/'t.csv', ('file', 'protein', 'field')).shape == (1000, 3)


# ---- names of runs

def test_two_folders_of_one_name_are_two_runs(tmp_path, monkeypatch):
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path/'out'))
    monkeypatch.chdir(tmp_path)
    folders = ['plate1/crops', 'plate2/crops', 'plate3/Crops', 'клетки', '细胞', 'my cells', 'my+cells', 'yeast5']
    for f in folders: Path(f).mkdir(parents=True)
    made = [open_run(f'./{f}', profile) for f in folders for profile in ('smoke', 'demo')]
    assert len({r.path for r in made}) == 2*len(folders) and len({r.figures for r in made}) == 2*len(folders)
    assert made[0].path.name == 'crops-smoke-0' and made[2].path.name.startswith('crops-') and made[6].path.parent.name == 'runs'
    assert [open_run(f'./{f}', profile).path for f in folders for profile in ('smoke', 'demo')] == [r.path for r in made]      # and stay so
    assert open_run(str(tmp_path/'plate1/crops'), 'demo') == made[1] == open_run('plate1/../plate1/crops', 'demo')
    assert 'crops-' in data_label(made[2]) and data_label(made[0]) == 'own crops (crops)'


def two_folders(tmp_path, monkeypatch):
    "Runs of two folders of one name, each with its crop store"
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path/'out'))
    folders = [tmp_path/f'p{k}/crops' for k in (1, 2)]
    for f in folders: f.mkdir(parents=True)
    made = [open_run(str(f), 'smoke').path for f in folders]
    for f, p in zip(folders, made): (p/'crops.zarr.settings.json').write_text(json.dumps(dict(settings=dict(data=str(f)), built='', made_by='08_data')))
    return folders, made


@pytest.mark.parametrize('text', ['', '{"crops": ', '[]', b'\xff\xfe\xfa'])
def test_folders_of_one_name_keep_their_places_when_the_list_of_names_is_damaged(text, tmp_path, monkeypatch):
    folders, made = two_folders(tmp_path, monkeypatch)
    (tmp_path/'out/runs/folders.json').write_bytes(text if isinstance(text, bytes) else text.encode())
    assert [open_run(str(f), 'smoke').path for f in reversed(folders)] == made[::-1]
    (tmp_path/'p3/crops').mkdir(parents=True)
    assert open_run(str(tmp_path/'p3/crops'), 'smoke').path not in made and len(json.loads((tmp_path/'out/runs/folders.json').read_text())) == 3


def test_a_run_whose_settings_are_empty_is_not_known_by_its_name(tmp_path, monkeypatch):
    _, made = two_folders(tmp_path, monkeypatch)
    assert open_run('crops', 'smoke').path == made[0]
    (made[0]/'crops.zarr.settings.json').write_text('')
    with pytest.raises(FileNotFoundError, match="data='crops' is neither a known data set"): open_run('crops', 'smoke')


def test_a_complete_run_of_a_folder_opens_on_a_disk_that_is_read_only(tmp_path, monkeypatch):
    folders, made = two_folders(tmp_path, monkeypatch)
    text = lambda: cached(made[0]/'x.txt', dict(a=1), lambda tmp: tmp.write_text('x'), Path.read_text, 'x')
    text()
    def refuse(*args, **kwargs): raise OSError(errno.EROFS, os.strerror(errno.EROFS))
    monkeypatch.setattr(FileLock, 'acquire', refuse)
    monkeypatch.setattr(os, 'replace', refuse)
    assert [open_run(str(f), 'smoke').path for f in folders] == made and text() == 'x'
    with _alone(made[0]/'fields'): _replace_text(made[0]/'x.txt', 'x')          # the same again: nothing to write
    with pytest.raises(OSError, match='Read-only'), _alone(made[0]/'fields'): _replace_text(made[0]/'x.txt', 'y')
    (tmp_path/'p3/crops').mkdir(parents=True)
    with pytest.raises(OSError, match='cannot make the run folder'): open_run(str(tmp_path/'p3/crops'), 'smoke')


@pytest.mark.parametrize('data', ['', ' ', 'nowhere', 'simulated '])
def test_no_data(data, run):
    with pytest.raises(FileNotFoundError, match='neither a known data set'): open_run(data, 'smoke')


@pytest.mark.parametrize('seed', [-1, 2**32, 2**40, 1.5, '1', True])
def test_no_seed(seed, run):
    with pytest.raises(ValueError, match='expected a whole number from 0'): open_run('simulated', 'smoke', seed)


# ---- artefacts

def test_what_a_killed_build_left_goes_with_the_next(run):
    old = run.path/'.building-example.txt-abc'
    old.mkdir(); (old/'half').write_text('x')
    (run.path/'.building-other.txt-abc').mkdir()          # perhaps somebody builds it now
    cached(run.path/'example.txt', dict(a=1), lambda tmp: tmp.write_text('hello'), Path.read_text, '01_core')
    assert [p.name for p in run.path.glob('.building-*')] == ['.building-other.txt-abc']


@pytest.mark.parametrize('note', ['', '{', '{}', '[]', '{"settings": {"a": 1}}'])
def test_settings_that_cannot_be_read_are_built_again(note, run):
    built = []
    def build(tmp): built.append(1); tmp.write_text('hello')
    for _ in range(2):
        (run.path/'example.txt.settings.json').write_text(note)
        cached(run.path/'example.txt', dict(a=1), build, Path.read_text, '01_core')
    assert len(built) == 2


def test_a_disk_that_fills_up_at_the_settings_leaves_the_old_artefact(run, monkeypatch):
    path = run.path/'example.txt'
    cached(path, dict(a=1), lambda tmp: tmp.write_text('hello'), Path.read_text, '01_core')
    def full(self, text, **kw):
        if self.name == 'settings.json': raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(self, text, **kw)
    write = Path.write_text
    monkeypatch.setattr(Path, 'write_text', full)
    with pytest.raises(OSError, match='what was there is unchanged'): cached(path, dict(a=2), lambda tmp: write(tmp, 'new'), Path.read_text, '01_core')
    monkeypatch.undo()
    assert path.read_text() == 'hello' and cached(path, dict(a=1), None, Path.read_text, '01_core') == 'hello'


def test_an_artefact_that_was_cut_is_named(run):
    path = run.path/'example.txt'
    get = lambda: cached(path, dict(a=1), lambda tmp: tmp.write_text('hello'), Path.read_text, '01_core')
    get()
    path.write_text('hel')
    with pytest.raises(ValueError, match='example.txt has 3 bytes, and 5 when it was made.*delete it'): get()
    path.unlink()
    assert get() == 'hello'


@pytest.mark.parametrize('harm, says', [
    (lambda f: f.write_bytes(f.read_bytes()[:40]), 'probe/table.csv has 40 bytes, and 3,892 when it was made.*delete probe'),
    (Path.unlink, 'probe/table.csv is gone; delete probe')])
def test_a_table_in_an_artefact_that_is_a_folder_was_cut_or_is_gone(harm, says, run):
    def build(tmp): tmp.mkdir(); pd.DataFrame(dict(a=range(1000))).to_csv(tmp/'table.csv', index=False)
    get = lambda: cached(run.path/'probe', dict(a=1), build, lambda p: len(pd.read_csv(p/'table.csv')), '14_probes')
    side, kept = run.path/'probe.settings.json', (get(), get())
    (run.path/'probe/note').write_text('what others add does not count')
    assert kept == (1000, 1000) == (get(), get())
    harm(run.path/'probe/table.csv')
    with pytest.raises(ValueError, match=says): get()
    side.write_text(json.dumps({k: v for k, v in json.loads(side.read_text()).items() if k != 'bytes'}))    # as earlier versions wrote it
    if (run.path/'probe/table.csv').exists(): assert get() < 1000


def test_a_crop_store_has_a_seal_and_no_sizes(run):
    def build(tmp): (tmp/'c').mkdir(parents=True); (tmp/'zarr.json').write_text('{}'); (tmp/'c/0').write_text('x')
    cached(run.path/'crops.zarr', dict(a=1), build, Path.exists, '08_data')
    assert 'bytes' not in json.loads((run.path/'crops.zarr.settings.json').read_text())


def test_a_file_that_is_too_large_for_the_disk_is_a_sentence(run):
    def big(tmp): raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    with pytest.raises(OSError, match='cannot write .*example.txt: File too large; free some space'): cached(run.path/'example.txt', {}, big, None, '01_core')


def test_the_blocks_of_a_mapped_array_are_there_or_it_is_refused(tmp_path, monkeypatch):
    path = tmp_path/'x.npy'
    _new_array(path, np.float16, (300, 1000))[:] = 2
    assert path.stat().st_blocks*512 >= 600_000 and (np.load(path) == 2).all()
    def no(code):
        def call(fd, at, n): raise OSError(code, os.strerror(code))
        return call
    monkeypatch.setattr(os, 'posix_fallocate', no(errno.EOPNOTSUPP), raising=False)      # a file system that has no such thing
    assert _new_array(path, np.uint16, (3, 2)).shape == (3, 2)
    monkeypatch.setattr(os, 'posix_fallocate', no(errno.ENOSPC), raising=False)
    with pytest.raises(OSError, match='No space left'): _new_array(path, np.uint16, (3, 2))


def test_a_worker_ends_with_the_process_it_was_told(tmp_path):
    "Also where that had ended before the worker has begun to watch"
    code = "import time; from cytoself_nb.core import _end_with_parent; _end_with_parent(2**22 + 1); time.sleep(60)"
    ended = subprocess.run([sys.executable, '-c', code], timeout=30, capture_output=True, text=True)
    assert ended.returncode == 1 and ended.stderr == ''


def test_a_full_disk_at_a_figure_is_a_sentence(run, monkeypatch):
    def full(*args): raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    monkeypatch.setattr(Path, 'write_bytes', full)
    with pytest.raises(OSError, match='cannot write .*core_disk.png.*free some space'): save_fig(plt.figure(figsize=(1, 1)), 'core_disk', pd.DataFrame({'x': [1]}), run, 'Example')
    assert not list(run.figures.glob('.*.tmp'))


def test_a_caption_stands_below_the_legend_of_the_figure(tmp_path, monkeypatch):
    "While a tight picture is written the frame reaches down to the caption, and a legend that hangs on the frame goes with it"
    import matplotlib.pyplot as plt
    from matplotlib.legend import Legend
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path))
    fig, ax = plt.subplots(layout='constrained')
    for k in range(9): ax.plot([0, 1], label=f'line {k}')
    fig.legend(loc='outside lower center', ncols=3)
    seen, draw = [], Legend.draw
    def spy(legend, renderer):
        seen.append((legend.get_window_extent(renderer).y0, max(t.get_window_extent(renderer).y1 for t in fig.texts)) if fig.texts else (1, 0))
        return draw(legend, renderer)
    monkeypatch.setattr(Legend, 'draw', spy)
    save_fig(fig, 'fig1_caption', pd.DataFrame(dict(x=[1])), open_run('simulated', 'smoke', 0), 'Fig. 1, ' + 'a long caption, '*20)
    plt.close(fig)
    assert len(seen) > 1 and all(legend > caption for legend, caption in seen)


def test_categories_keep_their_colors_in_a_small_png():
    "Two colors of the table beside a colored heat map stay two"
    import io
    import matplotlib.pyplot as plt
    from PIL import Image
    from cytoself_nb.core import PALETTE, _palette_png
    fig, axes = plt.subplots(1, 3, figsize=(4, 2))
    axes[0].imshow(np.linspace(-1, 1, 10000).reshape(100, 100), cmap='RdBu_r')
    axes[1].imshow(np.random.default_rng(0).random((100, 100)), cmap='gray')
    for k, c in enumerate(PALETTE): axes[2].add_patch(plt.Rectangle((0, k/12), 1, 1/12, color=c, lw=0))
    raw = io.BytesIO(); fig.savefig(raw, format='png', dpi=136); plt.close(fig)
    small = _palette_png(raw.getvalue())
    x, y = (np.asarray(Image.open(io.BytesIO(b)).convert('RGB')).reshape(-1, 3).astype(int) for b in (raw.getvalue(), small))
    assert len(small) < .6*len(raw.getvalue()) and np.abs(x - y).max() < 40
    for c in PALETTE:
        rgb = [int(c[i:i + 2], 16) for i in (1, 3, 5)]
        assert (y == rgb).all(1).sum() >= (x == rgb).all(1).sum() > 100, c


def test_what_cannot_be_read_in_print_is_said(run):
    table = pd.DataFrame(dict(x=[1]))
    fig, ax = plt.subplots(figsize=(9, 2))
    ax.text(.5, .5, 'tiny', fontsize=5)
    ax.text(.5, .5, 'gone', fontsize=4, visible=False)
    with pytest.warns(UserWarning, match='expected') as said: save_fig(fig, 'fig1_wide', table, run, 'Fig. 1')
    assert sum("'tiny' is smaller than 6" in str(w.message) or '7.3 x 10' in str(w.message) for w in said) == 2
    fig.set_size_inches(6, 2)
    ax.texts[0].set_fontsize(6)
    with warnings.catch_warnings():
        warnings.simplefilter('error', UserWarning)
        save_fig(fig, 'fig1_wide', table, run, 'Fig. 1')
    plt.close(fig)


def test_a_table_has_no_picture(tmp_path, monkeypatch):
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path))
    run = open_run('simulated', 'smoke', 0, '55_x')
    run.figures.mkdir(parents=True)
    (run.figures/'table1_x.png').write_text('old')
    made = save_fig(None, 'table1_x', pd.DataFrame(dict(x=[1])), run, 'Table 1')
    assert made.suffix == '.csv' and [p.name for p in run.figures.glob('table1_x.*')] == ['table1_x.csv']
    from cytoself_nb.inputs import manifest_entries
    assert list(manifest_entries(run, '55_x')) == ['table1_x']


def test_bands_beside_a_heat_map_keep_their_colors(run):
    "Eleven clusters in a strip below thousands of shades: two of them must not become one"
    from PIL import Image
    fig, (a, b) = plt.subplots(2, 1, figsize=(5, 5), height_ratios=(20, 1), layout='none', gridspec_kw=dict(left=0, right=1))
    a.imshow(np.random.default_rng(0).normal(size=(150, 150)).cumsum(0), cmap='RdBu_r', aspect='auto', interpolation='nearest')
    for k, color in enumerate(PALETTE[:11]): b.axvspan(k, k + 1, color=color, lw=0)
    b.axis('off')
    kept = {c for _, c in Image.open(save_fig(fig, 'fig1_bands', pd.DataFrame(dict(x=[1])), run, 'Fig. 1')).convert('RGB').getcolors(10**6)}
    assert not [c for c in PALETTE[:11] if tuple(bytes.fromhex(c[1:])) not in kept]

def test_what_is_replaced_is_on_the_disk_before(tmp_path, monkeypatch):
    "A power cut may keep the new name and lose what was written under it"
    import stat
    from cytoself_nb import core
    flushed, real, put = set(), os.fsync, os.replace
    def fsync(f): flushed.add(os.fstat(f).st_ino); real(f)
    def replace(a, b):
        files = [a] if stat.S_ISREG(os.stat(a).st_mode) else [p for p in Path(a).iterdir() if p.is_file()]
        assert files and {os.stat(p).st_ino for p in files} <= flushed
        put(a, b)
    monkeypatch.setattr(core.os, 'fsync', fsync); monkeypatch.setattr(core.os, 'replace', replace)
    core._replace_text(tmp_path/'a.json', '{}')
    core.cached(tmp_path/'b.csv', {}, lambda f: f.write_text('x'), Path.read_text, '01_core')
    def folder(f): f.mkdir(); (f/'seal.json').write_text('{}')
    core.cached(tmp_path/'c', {}, folder, lambda f: f, '01_core')
    source = {f.name: f.read_text() for f in Path(core.__file__).parent.glob('*.py')}
    assert {n for n, t in source.items() if 'os.replace(' in t or 'tmp.replace(' in t} == {'core.py'} and source['core.py'].count('os.replace(') == 1


@pytest.fixture
def known_run(tmp_path, monkeypatch):
    "A run of one's own crops, and its folder of crops"
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path/'out'))
    (tmp_path/'crops').mkdir()
    (tmp_path/'crops/labels.csv').write_text('file,protein\na.png,A\n')
    run = open_run(str(tmp_path/'crops'), 'smoke', 3)
    made = dict(settings=dict(data=str(tmp_path/'crops')), built='', made_by='')
    (run.path/'crops.zarr.settings.json').write_text(json.dumps(made))
    return run, tmp_path/'crops'


def test_a_run_is_opened_by_its_name(known_run):
    run, crops = known_run
    for again in (open_run('crops-smoke-3'), open_run('crops-smoke-3', 'smoke', 3), open_run('crops', 'smoke', 3)):
        assert (again.path, again.data, again.profile.name, again.seed) == (run.path, str(crops), 'smoke', 3)


@pytest.mark.parametrize('more, words', [(dict(seed=5), "seed=5 for the run crops-smoke-3, which has 3"), (dict(profile='demo'), "profile='demo' for the run crops-smoke-3, which has 'smoke'")])
def test_another_seed_or_profile_than_that_of_a_named_run_is_refused(known_run, more, words):
    "It was ignored: replicates would have been one network"
    with pytest.raises(ValueError, match=words): open_run('crops-smoke-3', **more)


def test_figures_of_a_run_by_its_name(known_run):
    from cytoself_nb.pipeline import _named
    assert _named('crops-smoke-3', None, None) == (str(known_run[1]), 'smoke', 3)
    assert _named('embedded', None, 2) == ('simulated', 'demo', 2)
    with pytest.raises(ValueError, match='seed=0 for the run'): _named('crops-smoke-3', 'smoke', 0)
