"Links: those of the index, README, CLAIMS.md and docs/, and the row of neighbors that ends each notebook"
import json
import re
import shutil
import sys

import nbformat
import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT/'docs'))
from neighbors import ID, neighbor_rows, update

NUMBERED = sorted((ROOT/'nbs').glob('[0-9]*_*.ipynb'))
PAGES = [ROOT/'README.md', ROOT/'CLAIMS.md', *sorted((ROOT/'docs').glob('*.md')), *sorted((ROOT/'nbs').glob('*.ipynb'))]


def markdown(path):
    "The Markdown of a page, or of the cells and outputs of a notebook"
    if path.suffix == '.md': return path.read_text(encoding='utf-8')
    cells = nbformat.read(path, 4).cells
    shown = [o['data']['text/markdown'] for c in cells if c.cell_type == 'code' for o in c.outputs if 'text/markdown' in o.get('data', {})]
    return '\n'.join([*(c.source for c in cells if c.cell_type == 'markdown'), *shown])

def links(text):
    "Targets of links and pictures that are not on the web, outside code"
    text = re.sub(r'^```.*?^```|`[^`\n]*`', '', text, flags=re.M | re.S)
    found = re.findall(r'\]\(([^)\s]+)\)', text) + re.findall(r'(?:src|href)="([^"]+)"', text)
    return [f for f in found if not re.match(r'[a-z]+:', f)]

def anchor(heading, notebook):
    "The name of a heading: JupyterLab keeps it as it is, code hosts make it small and drop signs"
    return heading.strip().replace(' ', '-') if notebook else re.sub(r'[^\w\- ]', '', heading.strip().lower()).replace(' ', '-')


@pytest.mark.parametrize('path', PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(path):
    text = markdown(path)
    anchors = [anchor(h, path.suffix == '.ipynb') for h in re.findall(r'^#+ (.+)$', text, re.M)]
    lost = [f for f in links(text) if not (f[1:] in anchors if f.startswith('#') else (path.parent/f.split('#')[0]).exists())]
    assert not lost, f'links relative to {path.parent.name}/ that lead nowhere'


def test_readme_and_index_link_the_same():
    def full(name): return [(ROOT/name).parent.joinpath(f).resolve() for f in links(markdown(ROOT/name)) if not f.startswith('#')]
    assert sorted(full('README.md')) == sorted(full('nbs/index.ipynb')), 'run `make readme`'
    assert {p.name for p in NUMBERED} <= {p.name for p in full('README.md')}, 'a notebook is not in the index'


@pytest.mark.parametrize('path', NUMBERED, ids=lambda p: p.stem)
def test_ends_with_its_neighbors(path):
    last = nbformat.read(path, 4).cells[-1]
    assert (last.get('id'), last.source) == (ID, neighbor_rows()[path]), 'run `make notebooks` or `python docs/neighbors.py`'


def test_neighbors_are_put_in_once(tmp_path):
    for path in NUMBERED[:3]: shutil.copy(path, tmp_path)
    update(tmp_path)
    first = {p: p.read_bytes() for p in tmp_path.iterdir()}
    assert not update(tmp_path) and first == {p: p.read_bytes() for p in tmp_path.iterdir()}
    middle = tmp_path/NUMBERED[1].name
    assert re.findall(r'\((.+?)\)', ''.join(json.loads(middle.read_text())['cells'][-1]['source'])) == [NUMBERED[0].name, 'index.ipynb', NUMBERED[2].name]
    (tmp_path/NUMBERED[0].name).unlink()
    assert update(tmp_path) == [NUMBERED[1].name], 'a neighbor that is gone leaves the row'
