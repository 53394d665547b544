"Write docs/api.md: the public names of the package with their parameters, from the source alone"
import ast
import re
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEAD = """# Public names

What `cytoself_nb` offers at its top: `from cytoself_nb import predict_localization`. Everything else in the modules is internal: it can be imported, and may change.
This page is written by `make api` from the docstrings and the comments beside the parameters.
"""


def definition(module, name):
    "The source of a function or class, and its node in the tree"
    source = (ROOT/f'cytoself_nb/{module}.py').read_text()
    node = next(n for n in ast.parse(source).body if getattr(n, 'name', '') == name)
    return source.splitlines(), node


def parameters(lines, node):
    "Rows (parameter, what it is) from the comments beside the parameters; those of a class from its `__init__`"
    init = next((n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == '__init__'), None) if isinstance(node, ast.ClassDef) else node
    if init is None: return [], ''
    rows = []
    for arg in [*init.args.args, *init.args.kwonlyargs, *filter(None, [init.args.vararg, init.args.kwarg])]:
        if arg.arg == 'self': continue
        code, _, comment = lines[arg.lineno - 1].partition('#')
        declared = re.match(r'\s*(\*{0,2}' + arg.arg + r'.*?),?\s*$', code)
        rows.append((declared[1] if declared and code.count(',') < 2 else arg.arg, comment.strip()))
    head = '\n'.join(lines[init.lineno - 1:init.body[0].lineno - 1])
    returned = re.search(r'\)\s*->[^#\n]*#\s*(.+)', head)
    return rows, returned[1] if returned else ''


def entry(module, name):
    "Markdown for one name"
    lines, node = definition(module, name)
    rows, returned = parameters(lines, node)
    doc = (ast.get_docstring(node) or '').splitlines()[0]
    table = ''.join(f'| `{a}` | {b} |\n' for a, b in ((a.replace('|', '/'), b.replace('|', '/')) for a, b in rows))
    return (f'### {name}\n\n{doc}.' + (f' Gives: {returned}.' if returned else '') + '\n\n'
            + (f'| parameter | what it is |\n| --- | --- |\n{table}\n' if table else ''))


def page():
    "The whole page"
    package = import_module('cytoself_nb')
    sections = [f'## cytoself_nb.{module}\n\n' + ''.join(entry(module, n) for n in names.split()) for module, names in package._MODULES.items()]
    return HEAD + '\n' + '\n'.join(sections)


if __name__ == '__main__': (ROOT/'docs/api.md').write_text(page().rstrip() + '\n')
