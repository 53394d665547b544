"What several test files share: folders, throwaway notebooks, and one pass over all notebooks"
import os
import re
import runpy
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')   # the notebooks run beside the tests: no threads that wait for each other
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')

import cytoself_nb.inputs   # noqa: F401  before nbformat, which then loads in a tenth of the time
import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent/'shared'


if os.environ.get('NO_NETWORK'):   # `make test NO_NETWORK=1`: all tests as on a machine without network, mirror and earlier downloads
    SHARED = Path('/no/shared')
    os.environ.pop('CYTOSELF_NB_MIRROR', None)
    os.environ.pop('CI', None)
    os.environ['CYTOSELF_NB_CACHE'] = tempfile.mkdtemp()
    os.environ['PYTHONPATH'] = os.pathsep.join(filter(None, [str(ROOT/'tests/no_network'), os.environ.get('PYTHONPATH')]))
    runpy.run_path(str(ROOT/'tests/no_network/sitecustomize.py'))   # this process has started already


def need(path, what):
    "`path` if it is there; without it a test is skipped, and under CI it fails"
    if path.exists(): return path
    message = f'{what} is not at {path}'
    if os.environ.get('CI', '').lower() in ('1', 'true'): pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope='session')
def mirror():
    "Folder with copies of the registered downloads"
    return need(Path(os.environ.get('CYTOSELF_NB_MIRROR') or SHARED/'data/mirror'), 'the mirror of downloads')


@pytest.fixture(scope='session')
def shared():
    "Folder with reference data and the authors' network"
    return need(SHARED, 'the folder of reference data')


HEAD = "profile = 'smoke'\ndata = 'simulated'\nseed = 0"

def write_notebook(path, *cells, head=HEAD):
    "A notebook with one tagged parameters cell, then `cells`"
    cells = [nbformat.v4.new_code_cell(c) for c in (head, *cells)]
    cells[0].metadata['tags'] = ['parameters']
    kernel = dict(kernelspec=dict(name='python3', language='python', display_name='python3'), language_info=dict(name='python'))
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)
    return path


SMOKE = {}   # The process that runs all notebooks, and its folder

def pytest_configure(config):
    "Slow sweeps run when they are asked for: -m slow"
    config.addinivalue_line('markers', 'slow: sweeps of minutes, left out unless asked for by -m slow')
    if not config.option.markexpr: config.option.markexpr = 'not slow'


def pytest_collection_modifyitems(items):
    "What needs the run of all notebooks comes last: they run beside the other tests"
    items.sort(key=lambda item: 'smoke_run' in item.fixturenames)


def pytest_collection_finish(session):
    "Start the run of all notebooks, if a test asks for it"
    if session.config.option.collectonly or not any('smoke_run' in i.fixturenames for i in session.items): return
    out = Path(tempfile.mkdtemp(prefix='smoke-'))
    folders = dict(CYTOSELF_NB_OUT=str(out))
    measured = dict(PYTHONSTARTUP=str(ROOT/'tests/startup.py'), CYTOSELF_NB_MEASURE=str(out/'measured.jsonl'))
    if (SHARED/'data/mirror').is_dir() and not os.environ.get('CYTOSELF_NB_MIRROR'):
        folders['CYTOSELF_NB_MIRROR'] = str(SHARED/'data/mirror')
    command = [sys.executable, '-W', 'ignore', '-m', 'cytoself_nb.pipeline', '--profile', 'smoke']
    with open(out/'said.txt', 'w') as said:
        SMOKE.update(out=out, folders=folders, process=subprocess.Popen(
            command, cwd=ROOT, env=os.environ | folders | measured, stdout=subprocess.DEVNULL, stderr=said))


def pytest_sessionfinish(session):
    if not SMOKE: return
    SMOKE['process'].terminate()
    SMOKE['process'].wait()
    shutil.rmtree(SMOKE['out'], ignore_errors=True)


@pytest.fixture(scope='session')
def smoke_run():
    "All numbered notebooks, once, in the smoke profile: (run folder, message of the failure or empty)"
    SMOKE['process'].wait()
    with pytest.MonkeyPatch.context() as patch:
        for name, folder in SMOKE['folders'].items(): patch.setenv(name, folder)
        said = (SMOKE['out']/'said.txt').read_text().strip()
        failed = re.search(r'^\d\d_\w+ failed.*', said, re.MULTILINE | re.DOTALL)   # kernels beside it are stopped and say so
        yield SMOKE['out']/'runs/simulated-smoke-0', failed[0] if failed else said


@pytest.fixture(scope='session')
def real_pictures():
    "Can pictures of real cells be had here? Under CI they have to be"
    from cytoself_nb.core import fetch
    mirror = SHARED/'data/mirror'
    with pytest.MonkeyPatch.context() as patch:
        if mirror.is_dir() and not os.environ.get('CYTOSELF_NB_MIRROR'): patch.setenv('CYTOSELF_NB_MIRROR', str(mirror))
        try: return bool(fetch('opencell9', progress=False))
        except OSError as e:
            if os.environ.get('CI', '').lower() in ('1', 'true'): pytest.fail(f'no pictures of real cells: {e}')
            return False


@pytest.fixture(scope='session')
def tiny_store(tmp_path_factory):
    "Twenty crops of two simulated proteins"
    from cytoself_nb.data import write_store
    from cytoself_nb.microscope import simulated_cells, simulated_proteome
    return write_store(tmp_path_factory.mktemp('tiny')/'crops.zarr', *simulated_cells(simulated_proteome(2), fields=5, cells=2, size=64))


def write_h5ad(e, path, **more):
    "A file as another program writes it; AnnData 0.12 beside pandas 3 asks to be told that text may be written as it is"
    import anndata
    with anndata.settings.override(allow_write_nullable_strings=True): e.write_h5ad(path, **more)
