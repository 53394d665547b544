"Take the outputs of a run into the notebooks: cells whose source is that of the executed copy get its outputs"
import json
import sys
from pathlib import Path

NBS = Path(__file__).resolve().parent.parent/'nbs'


def shown(
    cell:dict, # Code cell of an executed copy
)->list: # Its outputs without errors and without what was written to stderr
    "What a reader sees below a cell"
    return [o for o in cell.get('outputs', []) if o['output_type'] != 'error' and o.get('name') != 'stderr']


def take_outputs(
    notebook:dict, # As it stands in nbs/, changed in place
    executed:dict, # Its executed copy
)->list: # Cells left as they were, since their source has changed since the run
    "Give the code cells of a notebook the outputs of the same cells of its executed copy"
    ran, left = {c.get('id'): c for c in executed['cells'] if c['cell_type'] == 'code'}, []
    for c in notebook['cells']:
        if c['cell_type'] != 'code' or 'parameters' in c['metadata'].get('tags', []): continue
        same = c['id'] in ran and ''.join(ran[c['id']]['source']).strip() == ''.join(c['source']).strip()
        if same: c['outputs'] = shown(ran[c['id']])
        else: left.append(c['id'])
    return left


def main(run, numbers):
    "All executed copies of a run, or those of `numbers`"
    copies = sorted(Path(run).glob('notebooks/[0-9][0-9]_*.ipynb'))
    copies = [p for p in copies if not numbers or p.name[:2] in numbers]
    if not copies: sys.exit(f"no executed notebook in {run}/notebooks; run `make figures` first, or name another RUN")
    for copy in copies:
        path = NBS/copy.name
        notebook = json.loads(path.read_text(encoding='utf-8'))
        left = take_outputs(notebook, json.loads(copy.read_text(encoding='utf-8')))
        path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + '\n', encoding='utf-8')
        print(copy.stem, f"cells changed since the run: {', '.join(left)}" if left else 'all cells')


if __name__ == '__main__': main(sys.argv[1], sys.argv[2].split(',') if len(sys.argv) > 2 and sys.argv[2] else [])
