"The answers of docs/faq.md and the Python of the how-to pages are run, one after the other, in an empty folder"
import os
import re
import subprocess
import sys
import textwrap

import pytest
from conftest import ROOT

TEXT = (ROOT/'docs/faq.md').read_text(encoding='utf-8')


def test_there_are_ten_questions_with_an_answer_each():
    questions = re.split(r'^## ', TEXT, flags=re.M)[1:]
    assert len(questions) == 10
    for q in questions: assert '```python\n' in q and len(q.split('```')[0].split()) < 90, q.splitlines()[0]


def test_all_answers_run(tmp_path):
    code = '\n'.join(re.findall(r'^```python\n(.*?)^```', TEXT, re.M | re.S))
    env = os.environ | dict(CYTOSELF_NB_OUT=str(tmp_path), MPLBACKEND='agg', PYTHONPATH=os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')]))
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', code], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


HOWTO = """
import shutil
from pathlib import Path
import numpy as np, pandas as pd, tifffile
from cytoself_nb.data import write_store
from cytoself_nb.microscope import simulated_cells, simulated_proteome, write_screen
from cytoself_nb.model import CytoselfFull
from cytoself_nb.weights import save_weights
write_screen('screen', simulated_proteome(2), 1, size=400, workers=1, progress=False)
folder, labels = Path('path/to/folder'), Path('path/to/labels')
for f in (folder, labels): f.mkdir(parents=True)
names = [f'plate1_A0{k}.tif' for k in (1, 2)]
for name, stack, truth in zip(names, sorted(Path('screen/stacks').iterdir()), sorted(Path('screen/truth').glob('*.tif'))):
    shutil.copy(stack, folder/name)
    shutil.copy(truth, labels/name)
pd.DataFrame(dict(file=names, protein=['LAMP1', 'SEC61B'], pixel_um=.2)).to_csv(folder/'stacks.csv', index=False)
store = write_store('crops.zarr', *simulated_cells(simulated_proteome(3), fields=5, cells=3, size=64))
model = CytoselfFull(size=64, n_classes=3, n_codes=32, hidden=16, decoder_width=16)
save_weights(model, 'model.safetensors', dict(channels='protein+distance'))
np.save('embedding.npy', np.random.default_rng(0).normal(size=(len(store.labels), 9)))
store.labels.to_csv('labels.csv', index=False)
"""
CROPS = """
shutil.rmtree('crops.zarr'); (folder/'stacks.csv').unlink()
for k in range(len(store.labels)): np.save(folder/f'{k}.npy', np.asarray(model_images[k], np.float32))
store.labels.assign(file=[f'{k}.npy' for k in range(len(store.labels))], field=store.labels.fov)[['file', 'protein', 'field']].to_csv(folder/'labels.csv', index=False)
"""


@pytest.mark.parametrize('page', ['another_segmenter', 'own_stacks', 'own_crops', 'outside_embeddings', 'no_training'])
def test_python_of_the_pages_runs_as_it_stands(page, tmp_path):
    blocks = re.findall(r'^ *```python\n(.*?)^ *```', (ROOT/f'docs/howto/{page}.md').read_text(encoding='utf-8'), re.M | re.S)
    blocks = [textwrap.dedent(b) for b in blocks if "open_run('simulated', 'demo'" not in b]   # that one needs an hour
    before = 'model_images = store.images[:]' + CROPS if page == 'own_crops' else ''
    (tmp_path/'page.py').write_text("if __name__ == '__main__':\n" + textwrap.indent('\n'.join([HOWTO, before, *blocks]), '    '))
    env = os.environ | dict(CYTOSELF_NB_OUT=str(tmp_path), MPLBACKEND='agg', PYTHONPATH=os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')]))
    done = subprocess.run([sys.executable, '-W', 'ignore', 'page.py'], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert blocks and done.returncode == 0, done.stderr[-2000:]
