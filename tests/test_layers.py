"Modules follow the order of the data: none imports a later one, so there is no circle either"
import re
import sys

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT/'docs'))
from layers import START, imports, in_order, needed, page

ORDER = in_order()


def climbs(sources, order):
    "Pairs of a module and a later one that it imports"
    return [(m, other) for m in order for other in sorted(imports(sources[m])) if other in order and order.index(other) >= order.index(m)]


def test_numbers_are_plain_and_every_module_has_one():
    stems = [p.stem for p in (ROOT/'nbs').glob('[0-9]*.ipynb')]
    assert all(re.fullmatch(r'\d\d_[a-z0-9_]+', s) for s in stems) and len({s[:2] for s in stems}) == len(stems)
    assert set(ORDER) == {p.stem for p in (ROOT/'cytoself_nb').glob('*.py') if not p.stem.startswith('_')}


def test_no_module_imports_a_later_one():
    sources = {m: (ROOT/f'cytoself_nb/{m}.py').read_text() for m in ORDER}
    assert not climbs(sources, ORDER)
    assert sum(len(imports(s)) for s in sources.values()) > 60, 'the imports were not found'


@pytest.mark.parametrize('source', ['from .late import f', 'def g():\n    from cytoself_nb.late import f', 'import cytoself_nb.late', 'from . import late', 'from cytoself_nb import late'])
def test_a_climb_would_be_found(source):
    assert climbs(dict(early=source, late=''), ['early', 'late']) == [('early', 'late')]
    assert not climbs(dict(early='', late=source.replace('late', 'early')), ['early', 'late'])


def test_the_drawing_in_contributing_is_true():
    text = (ROOT/'CONTRIBUTING.md').read_text(encoding='utf-8')
    assert START in text and page(text) == text, 'run `python docs/layers.py`'
    assert needed(dict(a=set(), b={'a'}, c={'a', 'b'})) == dict(a=set(), b={'a'}, c={'b'})
