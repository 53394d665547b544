"Put links to the previous notebook, the index, the next one and its own figures at the end of every numbered notebook"
import json
from pathlib import Path

NBS = Path(__file__).resolve().parent.parent/'nbs'
FIGURES = '../figures/simulated'   # As seen from a notebook
ID = 'neighbors'


def neighbor_rows(
    folder=NBS, # Folder of notebooks
)->dict: # Path to Markdown, in the order of the numbers
    "The row of links that belongs into each numbered notebook"
    paths = sorted(Path(folder).glob('[0-9]*_*.ipynb'))
    manifest = Path(folder)/FIGURES/'manifest.json'
    drawn = json.loads(manifest.read_text(encoding='utf-8')) if manifest.exists() else {}
    def row(i):
        before = [f'[← {p.stem}]({p.name})' for p in paths[max(i - 1, 0):i]]
        after = [f'[{p.stem} →]({p.name})' for p in paths[i + 1:i + 2]]
        kind = lambda name: 'csv' if name.startswith('table') else 'png'
        own = [f'[{name}]({FIGURES}/{name}.{kind(name)})' for name, entry in drawn.items() if entry['notebook'] == paths[i].stem]
        figures = 'Its figures: ' + ', '.join(own) + '\n\n' if own else ''
        return figures + ' · '.join([*before, '[index](index.ipynb)', *after])
    return {p: row(i) for i, p in enumerate(paths)}


def with_row(
    notebook:dict, # A notebook
    row:str,       # Its row of links
)->dict: # The notebook with the row as its last cell
    "Insert the row, or bring it up to date"
    cells = [c for c in notebook['cells'] if c.get('id') != ID]
    return notebook | dict(cells=[*cells, dict(cell_type='markdown', id=ID, metadata={}, source=row.splitlines(keepends=True))])


def update(
    folder=NBS, # Folder of notebooks
)->list: # Names of the notebooks that changed
    "Write the rows into the notebooks of `folder`; a second time nothing changes"
    changed = []
    for path, row in neighbor_rows(folder).items():
        before = path.read_text(encoding='utf-8')
        after = json.dumps(with_row(json.loads(before), row), indent=1, ensure_ascii=False, sort_keys=True) + '\n'
        if after == before: continue
        path.write_text(after, encoding='utf-8')
        changed.append(path.name)
    return changed


if __name__ == '__main__': print('\n'.join(update()) or 'nothing to change')
