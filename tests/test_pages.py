"The site: panels name what exists, no public figure is forgotten, dead links are found; building it is `make docs`"
import json
import re
import sys

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT/'docs'))
import pages

from cytoself_nb.core import VERDICTS

PANELS = pages.read_panels()


@pytest.mark.parametrize('panel', PANELS, ids=lambda p: f"{p['paper']}, {p['panel']}")
def test_a_panel_names_what_exists(panel):
    lost = [f for f in panel['figures'].split() for end in ('png', 'csv')[int('/table' in f):] if not (ROOT/f'figures/{f}.{end}').exists()]
    assert not lost, 'no such figure'
    for name in panel['claims'].split(): assert pages.claim(name)['verdict'] in (*VERDICTS, 'not measured yet')
    for name in panel['notebook'].split(): assert (ROOT/f'nbs/{name}.ipynb').exists(), name
    assert panel['paper'] in pages.PAPERS and all(panel[k] for k in ('described', 'why'))
    assert bool(panel['claims']) != bool(panel['no']), 'a verdict is that of a claim, or a word of its own'


def test_every_figure_is_named_by_a_panel_or_a_notebook():
    named = {f.split('/')[1] for p in PANELS for f in p['figures'].split()}
    code = '\n'.join(''.join(c['source']) for p in (ROOT/'nbs').glob('[0-9]*.ipynb') for c in json.loads(p.read_text())['cells'])
    lost = {p.stem for p in (ROOT/'figures').glob('*/*.png') if p.stem not in named and f"'{p.stem}'" not in code}
    assert not lost, 'a figure that nobody draws any more; delete it, or name it in docs/panels.csv'


def test_a_claim_that_is_gone_is_named():
    with pytest.raises(ValueError, match='no claim P9'): pages.claim('50_fig1_training:P9')


def test_the_first_claim_decides():
    assert pages.verdict(dict(no=''), [dict(verdict='agrees')]*2) == 'agrees'
    mixed = [dict(verdict=v) for v in ('weaker', 'agrees', 'agrees')]
    assert pages.verdict(dict(no=''), mixed) == 'weaker (1 of 3), agrees (2 of 3)'
    assert pages.verdict(dict(no='drawing'), []) == 'drawing'


def test_a_claim_that_was_not_measured_says_so(tmp_path):
    found = pages.claim('54_ed5_vesicles:L1', tmp_path)
    assert found['verdict'] == 'not measured yet' and found['paper'] == 'P < 1e-3'


def test_sources_are_staged_and_notebooks_keep_their_cells(tmp_path):
    folder = pages.stage(tmp_path/'source')
    text = (folder/'papers/cytoself.md').read_text()
    assert all(f"## {p['panel']}\n" in text for p in PANELS if p['paper'] == 'cytoself')
    assert (folder/'extra/figures/simulated/atlas.html').exists() and 'href="figures/simulated/atlas.html"' in (folder/'index.md').read_text()
    notebook = json.loads((folder/'nbs/23_webatlas.ipynb').read_text())
    assert not any(c['source'].startswith('#|') for c in notebook['cells']) and '](../index.md)' in notebook['cells'][-1]['source']


def test_table_1_is_text_too(tmp_path):
    lines = pages.table_text('simulated/table1_ablations')
    assert '| | organelle | complex |' in lines and any(line.startswith('| no split |') and '±' in line for line in lines)


def test_dead_links_are_found(tmp_path):
    (tmp_path/'a.html').write_text('<h1 id="x"></h1><a href="b.html#y">1</a><a href="#x">2</a><a href="b.html#z">3</a><a href="c.html">4</a>'
                                   '<img src="d.png"><script src="https://example.org/a.js"></script><a href="https://example.org">5</a>')
    (tmp_path/'b.html').write_text('<p id="y">')
    assert pages.dead_links(tmp_path) == ['a.html: b.html#z', 'a.html: c.html', 'a.html: d.png', 'a.html: loads https://example.org/a.js']


def test_every_page_that_is_linked_is_on_the_site_and_in_its_list(tmp_path):
    folder = pages.stage(tmp_path/'site')
    listed = (folder/'index.md').read_text(encoding='utf-8')
    for page in folder.rglob('*.md'):
        for link in re.findall(r'\]\(([^)#: ]+\.md)', page.read_text(encoding='utf-8')):
            assert (page.parent/link).is_file(), f'{page.name}: {link}'
    for page in [*(folder/'docs').rglob('*.md'), *(folder/'nbs').glob('*.ipynb')]:
        assert page.relative_to(folder).with_suffix('').as_posix() in listed, page
