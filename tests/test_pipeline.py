"The runner, on throwaway notebooks"
import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import nbformat
import psutil
import pytest
from conftest import ROOT, need, write_notebook

from cytoself_nb import inputs, kernels, pipeline
from cytoself_nb.core import open_run
from cytoself_nb.inputs import artefact_settings, imported_modules, library_files, notebook_inputs, runs_of
from cytoself_nb.kernels import side_by_side, thread_settings
from cytoself_nb.order import by_urgency, waits_for
from cytoself_nb.pipeline import (NotebookError, check_parameters, in_turn, numbered_notebooks, run_notebook,
                                  run_notebooks)

MAKE = """import json, pathlib
path = pathlib.Path(OUT)/f'runs/simulated-smoke-{seed}'
(path/'thing').write_text(str(N))
(path/'thing.settings.json').write_text(json.dumps(dict(made_by='01_make', built='', settings=N)))"""
DRAW = """import json, pathlib
from cytoself_nb.core import sha256_of
figures = pathlib.Path(OUT)/f'runs/simulated-smoke-{seed}/figures'
figures.mkdir(exist_ok=True)
for kind in ('png', 'csv'): (figures/f'fig_x.{kind}').write_text('x')
(figures/'manifest.json').write_text(json.dumps({'fig_x': dict(notebook='02_draw', seed=seed)}))"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    "A folder with two notebooks; `project(...)` runs them and gives what ran"
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path/'out'))
    head = f"OUT = {str(tmp_path/'out')!r}\n"
    def run(**options):
        done = run_notebooks(**dict(data='simulated', profile='smoke', folder=tmp_path/'nbs', jobs=1) | options)
        return done.notebook[done.reason != ''].tolist()
    def make(n): write_notebook(tmp_path/'nbs/01_make.ipynb', head + MAKE.replace('N', str(n)))
    run.make, run.path = make, tmp_path
    make(1)
    write_notebook(tmp_path/'nbs/02_draw.ipynb', head + DRAW)
    write_notebook(tmp_path/'nbs/90_pipeline.ipynb', 'raise RuntimeError')
    return run


def test_runs_then_skips_then_is_forced(project, capsys):
    assert project() == ['01_make', '02_draw']
    assert (project.path/'out/runs/simulated-smoke-0/notebooks/02_draw.ipynb').exists()
    assert project() == []
    assert capsys.readouterr().out.count('skipped') == 2
    assert project(force=True) == ['01_make', '02_draw']
    assert project(only=['1'], force=True) == ['01_make']


def test_change_upstream_reruns_downstream(project):
    project()
    project.make(2)
    assert project() == ['01_make', '02_draw']


def test_missing_artefact_is_made_again(project):
    project()
    (project.path/'out/runs/simulated-smoke-0/thing').unlink()
    assert project() == ['01_make']


def test_figure_missing_or_replaced_is_drawn_again(project):
    project()
    figures = project.path/'out/runs/simulated-smoke-0/figures'
    (figures/'fig_x.csv').unlink()
    assert project() == ['02_draw']
    (figures/'manifest.json').write_text(json.dumps({'fig_x': dict(notebook='02_draw', seed=1)}))
    assert project() == ['02_draw']


@pytest.mark.parametrize('text', ['', '{"inputs": {"a', '[]', '{}', '{"inputs": [], "figures": {}}'])
def test_notes_that_cannot_be_read_are_a_first_run(text, tmp_path, monkeypatch):
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path))
    run, path, ran = open_run('simulated', 'smoke'), write_notebook(tmp_path/'nbs/01_x.ipynb'), []
    note = run.path/'notebooks/01_x.json'
    note.parent.mkdir()
    note.write_text(text)
    monkeypatch.setattr(pipeline, 'run_notebook', lambda path, *more: ran.append(path) or 1.)
    pipeline._settle([path], run)
    assert note.read_text() == text and pipeline.run_if_needed(path, {}, run)['reason'] == 'first run' and ran == [path]
    assert pipeline.run_if_needed(path, {}, run)['reason'] == ''
    monkeypatch.setenv('CYTOSELF_NB_TRAIN', '1')   # figures may show what the package keeps
    assert pipeline.run_if_needed(path, {}, run)['reason'] == 'changed: TRAIN=1' and pipeline.run_if_needed(path, {}, run)['reason'] == ''


def test_a_full_disk_leaves_the_notes_of_the_runner(tmp_path, monkeypatch):
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path))
    run = open_run('simulated', 'smoke')
    note = run.path/'notebooks/01_x.json'
    note.parent.mkdir()
    note.write_text(whole := json.dumps(dict(inputs={f'input {k}': 'x'*64 for k in range(45)}, figures={}, seconds=1.)))
    def full(self, text, **options):
        with open(self, 'w') as f: f.write(text[:100])
        raise OSError(errno.ENOSPC, 'No space left on device')
    monkeypatch.setattr(pipeline, 'artefact_inputs', lambda path, run: dict(more='y'))
    with monkeypatch.context() as patch, pytest.raises(OSError, match='cannot write .*01_x.json: No space left on device; free some space'):
        patch.setattr(Path, 'write_text', full)
        pipeline._settle([tmp_path/'01_x.ipynb'], run)
    assert note.read_text() == whole and len(list(note.parent.iterdir())) == 1
    pipeline._settle([tmp_path/'01_x.ipynb'], run)
    assert json.loads(note.read_text())['inputs']['more'] == 'y'


def test_a_protein_called_na_is_counted(tmp_path, monkeypatch):
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path))
    run = open_run('simulated', 'smoke')
    (run.path/'crops.zarr').mkdir()
    (run.path/'crops.zarr/labels.csv').write_text('protein,fov,split\nNA,1,train\nnull,2,train\nA,3,test\n')
    assert '3 crops of 3 proteins: train 2, val 0, test 1' in pipeline.run_summary(run)


def test_other_seeds_count(project):
    project()
    assert project(seed=1) == ['01_make', '02_draw']
    assert project() == ['01_make', '02_draw'], 'the artefact of seed 1 is new'
    assert project() == []


def test_changed_library_reruns(project, monkeypatch):
    package = project.path/'cytoself_nb'
    shutil.copytree(inputs.PACKAGE, package, ignore=shutil.ignore_patterns('__pycache__'))
    monkeypatch.setattr(inputs, 'PACKAGE', package)
    project()
    with open(package/'core.py', 'a') as f: f.write('\n# changed\n')
    assert project() == ['02_draw'], 'only the second notebook imports core'


def test_changed_images_of_the_user_rerun(project):
    mine = project.path/'mine'
    mine.mkdir()
    for k in 'ab': (mine/f'{k}.png').write_text(k)
    (mine/'labels.csv').write_text('file,protein\na.png,ACTA\n')
    write_notebook(project.path/'nbs/01_make.ipynb', 'import os\nassert os.path.isabs(data) and os.path.isdir(data)')
    (project.path/'nbs/02_draw.ipynb').unlink()
    relative = os.path.relpath(mine)
    assert project(data=relative) == ['01_make']
    assert project(data=relative) == []
    (mine/'labels.csv').write_text('file,protein\na.png,ACTB\n')
    assert project(data=relative) == ['01_make']


def test_notebooks_about_stacks_are_left_out_for_crops(project, capsys):
    import nbformat
    path = project.path/'nbs/01_make.ipynb'
    nb = nbformat.read(path, 4)
    nb.cells[0].metadata['tags'] = ['parameters', 'stacks']
    nbformat.write(nb, path)
    crops, stacks = project.path/'crops', project.path/'stacks'
    for folder, table in ((crops, 'labels.csv'), (stacks, 'stacks.csv')):
        folder.mkdir(); (folder/'a').touch(); (folder/table).write_text('file,protein\na,b\n')
    made = dict(figures=0, seconds=0., reason='first run')
    ran = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, 'run_if_needed', lambda path, *a: ran.append(path.stem) or made | dict(notebook=path.stem))
        for data, only in ((crops, []), (crops, ['01']), (stacks, [])): run_notebooks(data=str(data), profile='smoke', folder=project.path/'nbs', only=only)
    assert ran == ['02_draw', '01_make', '01_make', '02_draw']
    assert capsys.readouterr().out.count('left out') == 1


def test_a_notebook_that_is_not_for_these_data_is_left_out(project, capsys):
    write_notebook(project.path/'nbs/01_make.ipynb', "from cytoself_nb.core import NotForTheseData\nraise NotForTheseData('no crop has a complex')")
    assert project() == ['02_draw']
    assert 'left out: no crop has a complex' in capsys.readouterr().out
    assert not (project.path/'out/runs/simulated-smoke-0/notebooks/01_make.json').exists()
    assert project() == [] and 'no crop has a complex' in capsys.readouterr().out


def test_further_seeds(project, monkeypatch):
    from types import SimpleNamespace
    from cytoself_nb.core import NotForTheseData
    def refuse(run): raise NotForTheseData('no labels')
    modules = dict(make=SimpleNamespace(seed_numbers=lambda run: [run.seed]*2), draw=SimpleNamespace(seed_numbers=refuse))
    monkeypatch.setattr(pipeline, 'import_module', lambda name: modules[name.split('.')[-1]])
    done = pipeline.further_seeds('simulated', 'smoke', (1, 5), project.path/'nbs')
    assert done[['seed', 'module', 'numbers']].values.tolist() == [[1, 'make', 2], [1, 'draw', 0], [5, 'make', 2], [5, 'draw', 0]]


def test_stops_at_the_first_failure(project):
    write_notebook(project.path/'nbs/01_make.ipynb', 'x = 1', "def f():\n    raise ValueError('found 3 channels, expected 2')\nf()")
    with pytest.raises(NotebookError) as e: project()
    lines = str(e.value).splitlines()
    assert lines[0] == '01_make failed in cell 3 of 3:' and lines[1].strip() == 'def f():'
    assert lines[-2] == 'ValueError: found 3 channels, expected 2' and len(lines) <= 8
    assert not (project.path/'out/runs/simulated-smoke-0/notebooks/02_draw.ipynb').exists()
    with pytest.raises(NotebookError): project()


def test_a_forced_run_that_fails_is_not_taken_for_finished(project):
    flag = project.path/'flag'
    write_notebook(project.path/'nbs/01_make.ipynb', f'import pathlib\nassert not pathlib.Path({str(flag)!r}).exists()')
    project()
    flag.touch()
    with pytest.raises(NotebookError): project(force=True)
    with pytest.raises(NotebookError): project()


def test_left_out_cells_are_not_run(project):
    write_notebook(project.path/'nbs/01_make.ipynb', '#| export\n#| eval: false\nraise RuntimeError', '# %%\nx = 1')
    assert project(only=['01']) == ['01_make']


def test_unknown_parameter_stops_before_anything_runs(project):
    write_notebook(project.path/'nbs/02_draw.ipynb', 'x = 1', head="profile = 'smoke'\ndata = 'simulated'\nsede = 0")
    with pytest.raises(ValueError, match='02_draw has no parameter seed; it has profile, data, sede'): project()
    assert not (project.path/'out/runs/simulated-smoke-0/notebooks').exists()


@pytest.mark.parametrize('arguments, sentence', [(['--only', '99'], 'no notebook has the number 99'),
    (['--data', 'nowhere'], 'neither a known data set'), (['--profile', 'huge'], 'unknown profile')])
def test_wrong_arguments_end_in_a_sentence(arguments, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path))
    assert pipeline.main(arguments) == 1 and sentence in capsys.readouterr().err


def test_command_line(tmp_path):
    start = time.time()
    done = subprocess.run([sys.executable, '-m', 'cytoself_nb.pipeline', '--profile', 'smoke', '--only', '01'], cwd=tmp_path,
                          capture_output=True, text=True, env=os.environ | dict(CYTOSELF_NB_OUT='here', PYTHONPATH=str(ROOT)))
    assert done.returncode == 0, done.stderr
    assert '\n1 run, 0 skipped' in '\n' + done.stdout and done.stderr.strip() == ''
    assert (tmp_path/'here/runs/simulated-smoke-0/notebooks/01_core.ipynb').stat().st_mtime > start - 1


# --- side by side

MEET = """import pathlib, time
(pathlib.Path(OUT)/'ME').touch()
for _ in range(600):
    if (pathlib.Path(OUT)/'OTHER').exists(): break
    time.sleep(.1)
else: raise RuntimeError('alone')"""

def test_two_notebooks_run_at_the_same_time_and_start_empty(project):
    out = project.path
    head = f"assert not [n for n in globals() if n in ('left', 'OUT')]\nleft, OUT = 1, {str(out)!r}\n"
    for me, other in (('01_make', '02_draw'), ('02_draw', '01_make')):
        write_notebook(out/f'nbs/{me}.ipynb', head + MEET.replace('ME', me).replace('OTHER', other))
    assert project(jobs=2) == ['01_make', '02_draw']


def test_a_failure_stops_the_notebook_beside_it(project):
    write_notebook(project.path/'nbs/01_make.ipynb', f"import time, pathlib\npathlib.Path({str(project.path/'on')!r}).touch()\ntime.sleep(600)")
    write_notebook(project.path/'nbs/02_draw.ipynb', f"import time, pathlib\nwhile not pathlib.Path({str(project.path/'on')!r}).exists(): time.sleep(.1)\n1/0")
    start = time.time()
    with pytest.raises(NotebookError, match='02_draw failed in cell 2 of 2'): project(jobs=2)
    assert time.time() - start < 300


def test_nobody_starts_before_those_it_waits_for_and_lines_come_in_order(monkeypatch, project, capsys):
    monkeypatch.setattr(pipeline, 'waits_for', lambda paths: {'01_make': set(), '02_draw': {'01_make'}})
    ended = []
    def work(path):
        if path.stem == '02_draw': assert ended == ['01_make']
        ended.append(path.stem)
    assert [name for name, _ in in_turn(sorted((project.path/'nbs').glob('0*')), work, 2)] == ['01_make', '02_draw']
    monkeypatch.setattr(pipeline, 'waits_for', lambda paths: {'01_make': set(), '02_draw': set()})
    monkeypatch.setattr(pipeline, 'run_if_needed', lambda path, *a: time.sleep(.3*(path.stem == '01_make')) or dict(
        notebook=path.stem, seconds=0., figures=0, reason='', left_out=''))
    project(jobs=2)
    assert [line[:7] for line in capsys.readouterr().out.splitlines()] == ['01_make', '02_draw']


def test_cores_are_divided_and_what_the_user_has_set_stays(monkeypatch):
    assert side_by_side(cores=2, memory=2**34) == (2, 1) and side_by_side(cores=8, memory=2**30) == (1, 8)
    monkeypatch.setenv('OMP_NUM_THREADS', '7')
    assert thread_settings(2)['OMP_NUM_THREADS'] == '7' and thread_settings(2)['OMP_WAIT_POLICY'] == 'PASSIVE'


def test_who_uses_the_network_waits_for_the_one_that_trains_it(tmp_path):
    ask = "from cytoself_nb.runs import {}\ndef late(): return {}(run)\nlate()"
    for number, name in enumerate(('crop_store', 'trained_model', 'crop_embedding', 'stack_folder'), 1):
        write_notebook(tmp_path/f'0{number}_x.ipynb', ask.format(name, name))
    waits = waits_for(tmp_path.glob('0*.ipynb'))
    assert waits == {'01_x': set(), '02_x': {'01_x'}, '03_x': {'01_x', '02_x'}, '04_x': {'01_x'}}
    assert by_urgency(waits) == ['01_x', '02_x', '03_x', '04_x']


# --- what a notebook depends on

def test_imports_are_read_without_running():
    assert imported_modules('import numpy\nfrom pkg.core import fetch', 'pkg') == {'core'}
    assert imported_modules('def f():\n    from .model import Net', 'pkg') == {'model'}
    assert imported_modules('%matplotlib inline\nfrom pkg import maps', 'pkg') == {'maps'}


def test_imports_are_followed(tmp_path):
    for name, text in dict(__init__='', quantizer='', model='from .quantizer import x', training='from tmp.model import y', maps='').items():
        (tmp_path/f'{name}.py').write_text(text.replace('tmp', tmp_path.name))
    found = library_files([f'from {tmp_path.name}.training import fit'], tmp_path)
    assert [p.stem for p in found] == ['__init__', 'model', 'quantizer', 'training']
    (tmp_path/'maps.html').write_text('a page')
    assert tmp_path/'maps.html' in library_files([f'from {tmp_path.name}.maps import draw'], tmp_path)


def test_artefacts_of_earlier_notebooks_and_other_seeds_count(tmp_path, monkeypatch):
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path))
    run = open_run('simulated', 'smoke')
    def artefact(folder, name, made_by):
        path = run.path.parent/folder/name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('')
        path.with_name(f'{name}.settings.json').write_text(json.dumps(dict(made_by=made_by, built='', settings={})))
    artefact('simulated-smoke-0', 'crops.zarr', '08_data')
    artefact('simulated-smoke-1', 'model', '13_training')
    artefact('simulated-smoke-0', 'map', '20_maps')
    artefact('yeast5-smoke-0', 'crops.zarr', '08_data')
    def here(): return [p for p in artefact_settings(run, '13_training') if tmp_path in p.parents]   # not of the package
    found = [f'{p.parent.name}/{p.name}' for p in here()]
    assert found == ['simulated-smoke-0/crops.zarr.settings.json', 'simulated-smoke-1/model.settings.json']
    (run.path/'crops.zarr').unlink()
    assert len(here()) == 1, 'settings without their artefact count'


def test_numbers_that_the_package_keeps_count(tmp_path, monkeypatch):
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path))
    run, path = open_run('simulated', 'long'), write_notebook(tmp_path/'51_squares.ipynb', 'sum(range(4))')
    found = notebook_inputs(path, {}, run).keys()
    assert {f'networks/runs/simulated-long-{k}/atlas_numbers.csv' for k in (1, 2)} <= found
    assert not any('no_split' in name for name in found), 'made by a later notebook'


def test_prose_and_outputs_do_not_count_and_yeast_has_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path/'out'))
    run, path = open_run('simulated', 'smoke'), write_notebook(tmp_path/'01_squares.ipynb', 'sum(range(4))')
    before = notebook_inputs(path, {}, run)
    nb = nbformat.read(path, 4)
    nb.cells.append(nbformat.v4.new_markdown_cell('A better sentence.'))
    nb.cells[1].outputs = [nbformat.v4.new_output('stream', text='6')]
    nbformat.write(nb, path)
    assert notebook_inputs(path, {}, run) == before
    write_notebook(path, 'sum(range(5))')
    assert [k for k, v in notebook_inputs(path, {}, run).items() if v != before[k]] == ['its cells']
    assert [r.path.name.split('-')[0] for r in runs_of(['cells = yeast_run(run)'], run)] == ['simulated', 'simulated_yeast']
    assert runs_of(['x = 1'], run) == [run]


def test_a_notebook_without_the_tag_is_refused_and_a_dead_kernel_is_named(tmp_path):
    bare = write_notebook(tmp_path/'01_bare.ipynb', '1', head='# nothing')
    with pytest.raises(ValueError, match='no cell with the tag'): check_parameters(bare, dict(seed=7))
    dies = write_notebook(tmp_path/'02_dies.ipynb', 'x = 1', 'import os\nos._exit(1)')
    with pytest.raises(NotebookError, match='(?s)02_dies failed in cell 3 of 3.*DeadKernelError'): run_notebook(dies, tmp_path/'x.ipynb', {})


def test_a_folder_without_notebooks_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='no numbered notebooks'): numbered_notebooks(tmp_path)


@pytest.mark.parametrize('arguments, sentence', [(['--seed', '-1'], 'expected a whole number from 0'), (['--seed', str(2**40)], 'expected a whole number from 0'),
    (['--further-seeds', '1,'], 'expected whole numbers with commas between them'), (['--further-seeds', '1,x'], "'1,x'; expected whole"), (['--ablations', '-1'], 'expected whole numbers'),
    (['--further-seeds', '1', '--weights', 'simulated'], 'leave --weights out'), (['--ablations', '1', '--further-seeds', '1'], 'leave --further-seeds out'),
    (['--only', ' '], 'expected whole numbers'), (['--only', '1,,2'], 'expected whole numbers'), (['--data', ''], "data='' is neither"), (['--data', ' '], "data=' ' is neither"),
    (['--further-seeds', '1', '--data', ''], "data='' is neither"), (['--masks', '/nowhere/at/all'], 'simulated has no stacks of one')])
def test_numbers_and_names_end_in_a_sentence_at_once(arguments, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path))
    monkeypatch.delenv('CYTOSELF_NB_MASKS', raising=False)
    assert pipeline.main(arguments) == 1
    out, err = capsys.readouterr()
    assert sentence in err and out == '' and 'CYTOSELF_NB_MASKS' not in os.environ


def test_one_runner_at_a_time_in_a_run_folder(project):
    run = open_run('simulated', 'smoke')
    with pipeline._only_one(run):
        with pytest.raises(OSError, match='another process makes the figures of'): project()
    assert project() == ['01_make', '02_draw']


def test_what_the_user_names_reaches_the_command_as_it_is(tmp_path):
    "Apostrophes, quotes, dollars and backquotes in names are only characters"
    (tmp_path/'python').write_text('#!/bin/bash\nprintf "%s\\n" "$@"\n'); (tmp_path/'python').chmod(0o755)
    (tmp_path/'ready').touch()
    os.utime(tmp_path/'ready', (2**31, 2**31))
    name = """it's $HOME $(touch x) `touch y` "z" ; touch w #"""
    def said(*variables): return subprocess.run(['make', '-s', '-C', ROOT, 'figures', f'BIN={tmp_path}', f'READY={tmp_path}/ready', *variables], capture_output=True, text=True, check=True).stdout.splitlines()
    assert said(f'DATA={name}', f'MASKS={name}', 'SEED=3', 'ONLY=1,2') == ['-m', 'cytoself_nb.pipeline', '--data', name, '--profile', 'demo', '--masks', name, '--seed', '3', '--only', '1,2']
    assert said()[2:] == ['--data', 'simulated', '--profile', 'demo', '--seed', '0']
    assert not any((ROOT/f).exists() for f in 'xyw')


def alive(pid):
    try: return open(f'/proc/{pid}/stat').read().split(')')[-1].split()[0] != 'Z'
    except OSError: return False

@pytest.mark.skipif(sys.platform != 'linux', reason='kernels are forked on Linux only')
def test_kernels_and_their_server_end_with_a_runner_that_is_killed(tmp_path):
    "A server may wait for threads of what it has imported"
    (tmp_path/'busy.py').write_text('import threading, time\nthreading.Thread(target=time.sleep, args=(300,)).start()\n')
    code = ("import asyncio, psutil, time\nfrom cytoself_nb import kernels\nkernels.WARM += ['busy']\nkernel = kernels.WarmKernels()\n"
            "asyncio.run(kernel.start_kernel())\npid = kernel.provisioner.pid\nprint(pid, psutil.Process(pid).ppid(), flush=True)\ntime.sleep(300)\n")
    (tmp_path/'script.py').write_text(code)
    parent = subprocess.Popen([sys.executable, str(tmp_path/'script.py')], stdout=subprocess.PIPE, text=True, env=os.environ | dict(PYTHONPATH=f'{ROOT}:{tmp_path}'))
    started = [int(p) for p in parent.stdout.readline().split()]
    assert len(started) == 2 and all(map(alive, started))
    parent.kill(); parent.wait()
    for _ in range(200):
        if not any(map(alive, started)): break
        time.sleep(.1)
    assert not any(map(alive, started))


def test_a_runner_that_ends_between_two_questions_ends_its_kernel_too(monkeypatch):
    "Its number is gone when its state is asked for; nothing is killed here"
    killed = []
    monkeypatch.setattr(os, 'kill', lambda *to: killed.append(to))
    monkeypatch.setattr(os, 'killpg', lambda *to: killed.append(to))
    def gone(): raise psutil.NoSuchProcess(1)
    kernels._end_after(SimpleNamespace(is_running=lambda: True, status=gone), server=os.getppid())
    assert killed == [(os.getppid(), signal.SIGKILL), (0, signal.SIGKILL)]


def test_helpers_end_with_a_process_that_is_killed(tmp_path):
    "joblib's would wait for five minutes"
    code = ("import os, time\nfrom joblib import Parallel, delayed\nfrom cytoself_nb.core import _end_with_parent\n"
            "def work(k):\n    _end_with_parent(); time.sleep(.3)\n    return os.getpid()\n"
            "print(*set(Parallel(n_jobs=2)(delayed(work)(k) for k in range(4))), flush=True)\ntime.sleep(60)\n")
    (tmp_path/'script.py').write_text(code)
    parent = subprocess.Popen([sys.executable, str(tmp_path/'script.py')], stdout=subprocess.PIPE, text=True, env=os.environ | dict(PYTHONPATH=str(ROOT)))
    helpers = [int(p) for p in parent.stdout.readline().split()]
    parent.kill(); parent.wait()
    for _ in range(100):
        if not any(map(alive, helpers)): break
        time.sleep(.1)
    assert len(helpers) == 2 and not any(map(alive, helpers))


@pytest.mark.slow
def test_published_weights_and_arrays_go_through_the_notebooks_of_figures(shared, tmp_path):
    "Each draws its figures or says why it can't; smoke sizes, crops of simulated cells in the published layout"
    import numpy as np
    import pandas as pd
    from cytoself_nb.microscope import simulated_cells, simulated_proteome
    weights = need(shared/'oracle/cytoself_tf_small.h5', "the authors' network")
    source, labels, _ = simulated_cells(simulated_proteome(12), fields=5, cells=3, size=100, workers=-1)
    x = np.concatenate([np.asarray(c) for c in source])
    x[:, 2] *= 100
    folder, number = tmp_path/'opencell', labels.protein.str[3:].astype(int)
    folder.mkdir()
    np.save(folder/'Image_data00.npy', np.moveaxis(np.concatenate([x, x[:, 2:3] > 0], 1), 1, -1).astype(np.float32))
    place = labels.localization.fillna('')
    table = dict(ensg=[f'ENSG{n:011}' for n in number], name=labels.protein, protein_id=number, FOV_id=labels.fov.str[-3:].astype(int))
    pd.DataFrame(table | dict(loc_grade1='', loc_grade2='', loc_grade3=place)).to_csv(folder/'Label_data00.csv', index=False)
    only = [p.stem[:2] for p in numbered_notebooks() if '40' <= p.stem[:2] < '76']
    command = [sys.executable, '-W', 'ignore', '-m', 'cytoself_nb.pipeline', '--data', folder, '--profile', 'smoke', '--weights', weights, '--only', ','.join(only)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | dict(CYTOSELF_NB_OUT=str(tmp_path/'out')), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    said = [line for line in done.stdout.splitlines() if re.match(r'\d\d_', line)]
    assert len(said) == len(only) and all(re.search(r'figures? |left out: .{30}', line) for line in said), said


@pytest.mark.parametrize('word', ['none', ' None '])
def test_masks_none_reaches_the_notebooks_as_a_word(word, tmp_path, monkeypatch):
    monkeypatch.setenv('CYTOSELF_NB_MASKS', word)
    assert pipeline._folders(tmp_path)['CYTOSELF_NB_MASKS'] == 'none'
    monkeypatch.setenv('CYTOSELF_NB_MASKS', 'labels')
    assert pipeline._folders(tmp_path)['CYTOSELF_NB_MASKS'] == str(Path('labels').resolve())
