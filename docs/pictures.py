"Give the pictures in saved outputs of notebooks at most 160 colors, as figures have: half the bytes"
import base64
import io
import json
from pathlib import Path

from PIL import Image

from cytoself_nb.core import _palette_png

NBS = Path(__file__).resolve().parent.parent/'nbs'


def smaller(
    text:str, # A PNG in base64
)->str: # The same picture with a palette, if that is smaller
    "Fewer bytes for a picture in a notebook; a picture that has a palette stays as it is"
    raw = base64.b64decode(text)
    if Image.open(io.BytesIO(raw)).mode == 'P': return text
    small = _palette_png(raw)
    return base64.b64encode(small).decode() if len(small) < len(raw) else text


def update(folder=NBS):
    "Rewrite the notebooks of `folder` whose pictures get smaller; gives their names"
    changed = []
    for path in sorted(Path(folder).glob('*.ipynb')):
        nb = json.loads(path.read_text(encoding='utf-8'))
        data = [o['data'] for c in nb['cells'] for o in c.get('outputs', []) if 'image/png' in o.get('data', {})]
        before = [''.join(d['image/png']) for d in data]
        for d, text in zip(data, before): d['image/png'] = smaller(text)
        if [d['image/png'] for d in data] == before: continue
        path.write_text(json.dumps(nb, indent=1, ensure_ascii=False, sort_keys=True) + '\n', encoding='utf-8')
        changed.append(path.name)
    return changed


if __name__ == '__main__': print(*update() or ['no picture gets smaller'], sep='\n')
