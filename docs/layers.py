"Write the drawing of the modules, which imports which, into CONTRIBUTING.md: `python docs/layers.py`"
import re
from pathlib import Path

from cytoself_nb.inputs import imported_modules

ROOT = Path(__file__).resolve().parent.parent
START, END = '<!-- modules: python docs/layers.py -->', '<!-- end of modules -->'


def in_order(
    folder=ROOT/'nbs', # Folder of notebooks
)->list: # Names
    "The modules in the order of their notebooks; a tour has none"
    notebooks = [p for p in sorted(Path(folder).glob('[0-9]*_*.ipynb')) if 'default_exp' in p.read_text(encoding='utf-8')]
    return [p.stem.split('_', 1)[1] for p in notebooks]


def imports(
    source:str, # Source of a module
)->frozenset: # Names of modules
    "Modules of the package that `source` imports, at its top or inside a function"
    return imported_modules(source, 'cytoself_nb')


def needed(
    graph:dict, # Module -> modules that it imports
)->dict: # The same without those that it also gets through another one
    "The graph with the long ways only, or the drawing would be all lines"
    def reach(m): return set().union(*({n} | reach(n) for n in graph[m])) if graph[m] else set()
    return {m: {n for n in ns if not any(n in reach(other) for other in ns)} for m, ns in graph.items()}


def drawing(
    root=ROOT, # The project
)->str: # Markdown
    "A mermaid diagram of the library up to `runs`, and a line for each module after it"
    order = in_order(root/'nbs')
    sources = {m: (root/f'cytoself_nb/{m}.py').read_text(encoding='utf-8') for m in order}
    graph = {m: imports(s) & set(order) - {m} for m, s in sources.items()}
    below, after = order[:order.index('runs') + 1], order[order.index('runs') + 1:]
    short = needed({m: graph[m] for m in below})
    lines = [f'    {n} --> {m}' for m in below for n in sorted(short[m], key=order.index)]
    of_figures = [f"- `{m}`: {', '.join(n for n in order if n in graph[m])}" for m in after]
    return '\n'.join(['```mermaid', 'flowchart LR', *lines, '```', '',
                      'The modules after `runs` import:', '', *of_figures])


def page(
    text:str, # CONTRIBUTING.md
)->str: # The same with the drawing of today
    "Put the drawing between its two marks"
    return re.sub(f'{START}.*{END}', lambda _: f'{START}\n{drawing()}\n{END}', text, flags=re.DOTALL)


if __name__ == '__main__':
    path = ROOT/'CONTRIBUTING.md'
    path.write_text(page(path.read_text(encoding='utf-8')), encoding='utf-8')
