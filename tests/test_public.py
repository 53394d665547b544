"What the package offers at its top, and the page that describes it"
import importlib.util
import subprocess
import sys

import pytest
from conftest import ROOT

import cytoself_nb

FRESH = """
import sys, time
start = time.perf_counter()
import cytoself_nb
seconds = time.perf_counter() - start
heavy = [m for m in ('torch', 'pandas', 'numpy', 'matplotlib', 'fastai') if m in sys.modules]
print(seconds, *heavy)
"""


def test_import_is_quick_and_brings_nothing_heavy():
    seconds, *heavy = subprocess.run([sys.executable, '-c', FRESH], capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()
    assert float(seconds) < .3 and not heavy


@pytest.mark.parametrize('name', cytoself_nb.__all__)
def test_every_name_is_there(name):
    thing = getattr(cytoself_nb, name)
    assert thing.__module__ == f'cytoself_nb.{cytoself_nb._HOME[name]}' and thing.__doc__


def test_the_surface_is_small_and_shown():
    assert 35 <= len(cytoself_nb.__all__) <= 45
    assert set(cytoself_nb.__all__) <= set(dir(cytoself_nb)) and 'training' in dir(cytoself_nb)
    assert set(cytoself_nb._MODULES) <= set(cytoself_nb._FILES) <= set(dir(cytoself_nb))
    assert all(name in cytoself_nb.__doc__ for name in cytoself_nb.__all__)


def test_a_wrong_name_ends_in_a_sentence():
    with pytest.raises(AttributeError, match="has no 'embeed'; expected one of open_run"): cytoself_nb.embeed


def test_the_page_of_public_names_is_current():
    spec = importlib.util.spec_from_file_location('api', ROOT/'docs/api.py')
    api = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(api)
    assert (ROOT/'docs/api.md').read_text() == api.page().rstrip() + '\n', 'run `make api`'


def test_the_package_runs_as_a_program():
    done = subprocess.run([sys.executable, '-m', 'cytoself_nb', '--help'], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0 and 'cytoself-nb embed' in done.stdout
