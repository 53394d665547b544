"Modules follow the order of the data: none imports a later one, so there is no circle either"
import ast
import re

import pytest
from conftest import ROOT

ORDER = [re.sub(r'^\d+_', '', p.stem) for p in sorted((ROOT/'nbs').glob('[0-9]*_*.ipynb')) if (ROOT/f'cytoself_nb/{p.stem.split("_", 1)[1]}.py').exists()]


def imports(source, package='cytoself_nb'):
    "Modules of the package that `source` imports, at its top or inside a function"
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import): found |= {a.name.split('.')[1] for a in node.names if a.name.startswith(f'{package}.')}
        if isinstance(node, ast.ImportFrom):
            path = (node.module or '').split('.') if node.level else (node.module or '').split('.')[1:] if (node.module or '').split('.')[0] == package else None
            if path is not None: found |= {path[0]} if path and path[0] else {a.name for a in node.names}
    return found


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
