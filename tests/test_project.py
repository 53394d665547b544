"The project: its settings, the library without nbdev, notebooks and library in step, README, figures, registry"
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from configparser import ConfigParser
from importlib import import_module, metadata
from pathlib import Path

import pandas as pd
import pytest
from conftest import ROOT

MODULES = sorted(p.stem for p in (ROOT/'cytoself_nb').glob('*.py') if not p.stem.startswith('_'))
NAMES = ROOT/'tests/public_names.json'
sys.path.insert(0, str(ROOT/'docs'))
FIGURES = sorted(p.parent for p in (ROOT/'figures').glob('*/manifest.json'))
BIN = Path(sys.executable).parent


def settings():
    config = ConfigParser(delimiters=['='], interpolation=None)
    config.read(ROOT/'settings.ini', encoding='utf-8')
    return config['DEFAULT']

def run(*command, cwd=ROOT, **env):
    "Output of a command that has to succeed"
    done = subprocess.run([str(c) for c in command], cwd=cwd, capture_output=True, text=True, env=os.environ | env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout

normal = lambda requirement: re.split(r'[<>=~!\[ ]', requirement)[0].lower().replace('_', '-')


# --- settings

def test_the_three_settings_files_agree():
    import cytoself_nb
    cfg, toml = settings(), tomllib.loads((ROOT/'pyproject.toml').read_text())
    assert set(toml) == {'build-system', 'tool'} and set(toml['tool']) == {'nbdev'}, 'name, version and requirements belong in settings.ini'
    assert toml['tool']['nbdev']['lib_path'] == cfg['lib_name'] == cytoself_nb.__name__
    assert toml['tool']['nbdev']['allowed_cell_metadata_keys'] == ['tags'], 'without this nbdev-clean deletes the parameters tag'
    name, version, python = run(sys.executable, 'setup.py', '--quiet', '--name', '--version', '--description').splitlines()[:3]
    assert (name, version, python) == (cfg['lib_name'], cfg['version'], cfg['description'])
    assert cfg['version'] == cytoself_nb.__version__

def test_constraints_pin_what_is_required_and_installed():
    pins = dict(line.split('==') for line in (ROOT/'constraints.txt').read_text().splitlines() if line and not line.startswith('#'))
    assert all(re.fullmatch(r'[0-9][0-9a-z.]*', v) for v in pins.values()), 'exact public versions only'
    required = [normal(r) for r in (settings()['requirements'] + ' ' + settings()['dev_requirements']).split()]
    assert not [r for r in required if r not in pins]
    if not (Path(sys.prefix)/'ready').exists(): pytest.skip('not the environment of `make`: its versions are free within the ranges of settings.ini')
    installed = {normal(d.metadata['Name']): d.version.split('+')[0] for d in metadata.distributions()}
    other = {name: v for name, v in installed.items() if name in pins and v != pins[name]}
    assert not other, f'installed in other versions than constraints.txt says: {other}'


# --- the library

def test_library_imports_without_nbdev():
    block = ("import sys, importlib\n"
             "class Block:\n"
             "    def find_spec(self, name, path=None, target=None):\n"
             "        if name.split('.')[0] in ('nbdev', 'execnb', 'jupyterlab'): raise ImportError(name + ' is blocked')\n"
             "sys.meta_path.insert(0, Block())\n"
             f"for m in {MODULES!r}: importlib.import_module('cytoself_nb.' + m)\n")
    run(sys.executable, '-c', block)

WITHOUT_FASTAI = ['core', 'simulate', 'segmentation', 'preprocessing', 'quantizer', 'model']   # the loader in data is one of fastai's

def test_modules_that_do_not_import_fastai():
    assert set(WITHOUT_FASTAI) <= set(MODULES)
    code = ("import sys, importlib\n"
            f"for m in {WITHOUT_FASTAI!r}:\n"
            "    importlib.import_module('cytoself_nb.' + m)\n"
            "    assert 'fastai' not in sys.modules, f'{m}: fastai takes seconds to import'")
    run(sys.executable, '-W', 'ignore', '-c', code)

def public_names(): return {m: sorted(import_module(f'cytoself_nb.{m}').__all__) for m in MODULES}

def test_public_names():
    assert public_names() == json.loads(NAMES.read_text()), 'public names have changed; if that is meant: python tests/test_project.py'

def test_no_public_name_looks_like_a_test():
    assert not [n for names in public_names().values() for n in names if n.startswith('test_')]

@pytest.fixture(scope='module')
def copy(tmp_path_factory):
    "A copy of notebooks and library, on which tools may write"
    folder = tmp_path_factory.mktemp('copy')
    for name in ('settings.ini', 'pyproject.toml'): shutil.copy(ROOT/name, folder)
    for name in ('nbs', 'cytoself_nb'): shutil.copytree(ROOT/name, folder/name, ignore=shutil.ignore_patterns('__pycache__', '.ipynb_checkpoints'))
    return folder

def differing(copy, pattern):
    files = {p.relative_to(folder) for folder in (ROOT, copy) for p in folder.glob(pattern)}
    return sorted(str(f) for f in files if not (ROOT/f).exists() or not (copy/f).exists() or (ROOT/f).read_bytes() != (copy/f).read_bytes())

def test_library_is_what_the_notebooks_export(copy):
    for path in (copy/'cytoself_nb').glob('[!_]*.py'): path.unlink()
    run(BIN/'nbdev-export', cwd=copy)
    assert not differing(copy, 'cytoself_nb/*.py'), 'run nbdev-export; hand edits belong in the notebooks'

def test_notebooks_are_clean(copy):
    run(BIN/'nbdev-clean', cwd=copy)
    assert not differing(copy, 'nbs/*.ipynb'), 'run nbdev-clean'


def test_ruff_finds_nothing():
    run(BIN/'ruff', 'check', '.')


# --- README

def test_readme_examples_run():
    blocks = re.findall(r'^```python\n(.*?)^```', (ROOT/'README.md').read_text(), re.M | re.S)
    assert any('CytoselfFull' in b for b in blocks), 'README.md has no example with CytoselfFull'
    run(sys.executable, '-W', 'ignore', '-c', '\n'.join(blocks), MPLBACKEND='agg')

@pytest.mark.skipif(not shutil.which('make'), reason='needs make')
def test_readme_is_made_from_the_index(tmp_path):
    made = tmp_path/'README.md'
    run('make', '-s', '-o', '.venv/ready', f'BIN={BIN}', f'README={made}', 'readme')
    assert made.read_text() == (ROOT/'README.md').read_text(), 'run `make readme`'

def test_readme_gives_the_commands_in_few_words():
    text = (ROOT/'README.md').read_text()
    for command in ('make figures', 'make lab', 'make test', 'pip install -c constraints.txt', 'python -m cytoself_nb.pipeline'): assert command in text, command
    assert len(text.split()) <= 1200
    assert '![' in '\n'.join(text.splitlines()[:30]), 'a picture belongs on the first screen'

def test_names_imported_in_readme_exist():
    imports = re.findall(r'^from (cytoself_nb\.\w+) import (.+)$', (ROOT/'README.md').read_text(), re.M)
    assert len(imports) > 5
    for module, names in imports:
        for name in names.split(','): assert hasattr(import_module(module), name.strip()), f'{module} has no {name.strip()}'

def test_claims_page_and_findings_are_what_the_tables_say():
    from claims import claims_page, findings, read_claims
    claims = read_claims()
    assert claims_page(claims) == (ROOT/'CLAIMS.md').read_text(), 'run `make claims`'
    assert findings(claims) in (ROOT/'README.md').read_text(), 'run `make notebooks` (nbs/index.ipynb) and `make readme`'

def test_every_claim_has_one_rule():
    from cytoself_nb.core import claim_rules
    rules = claim_rules()
    assert rules.index.is_unique and len(rules) <= 51
    assert (rules[['figure', 'claim', 'paper', 'number', 'level', 'interval', 'ceiling', 'asked_if']] != '').all(axis=None)
    assert set(rules.finding) == {'', *map(str, range(1, 12))}

def test_a_changed_verdict_has_a_line_in_the_changes():
    from claims import read_claims
    from cytoself_nb.core import VERDICTS
    part = (ROOT/'CHANGELOG.md').read_text().split('### Verdicts')[1].split('\n#')[0]
    listed = {}
    for data, word, ids in re.findall(rf"^- (\w+), ({'|'.join(VERDICTS)}): (.+)$", part, re.M):
        listed |= {(data, id): word for id in re.findall(r'[\w-]+', ids)}
    for data, id, before, after in re.findall(r'^- (\w+) ([\w-]+): (.+?) -> (.+?), because .+$', part, re.M):
        assert listed.get((data, id), 'not measured') == before, f'{data} {id} was not {before}'
        listed[data, id] = after
    found = {(r.column, r.id): r.verdict for r in read_claims().itertuples()}
    changed = {k: (listed.get(k, 'not measured'), v) for k, v in found.items() if listed.get(k) != v}
    assert not changed, f'write a line for each into CHANGELOG.md, Verdicts (DATA ID: BEFORE -> AFTER, because ...): {changed}'



def test_a_notebook_that_jupyterlab_opened_and_saved_is_unchanged(monkeypatch):
    from nbdev.clean import clean_jupyter
    path = ROOT/'nbs'/'15_stats.ipynb'
    saved, lab = json.loads(path.read_text()), json.loads(path.read_text())
    lab['metadata'] = dict(kernelspec=dict(display_name='Python 3 (ipykernel)', language='python', name='python3'),
                           language_info=dict(name='python', version='3.11.7'))
    monkeypatch.chdir(ROOT)
    clean_jupyter(str(path), dict(type='notebook', content=lab))
    assert lab == saved and 'pre_save_hook=nbdev.clean.clean_jupyter' in (ROOT/'Makefile').read_text()


# --- figures

@pytest.mark.parametrize('folder', FIGURES, ids=lambda p: p.name)
def test_figures_have_table_and_entry(folder):
    from cytoself_nb.core import sha256_of
    manifest = json.loads((folder/'manifest.json').read_text())
    pictures = {p.stem for p in folder.glob('*.png')}
    assert pictures <= set(manifest) and all(n.startswith('table') for n in set(manifest) - pictures)     # a table is text, no picture
    assert {p.stem for p in folder.glob('*.csv') if not p.stem.startswith('claims_')} == set(manifest)
    for name, entry in manifest.items():
        assert set(entry) == {'notebook', 'profile', 'data', 'seed', 'version', 'table_sha256', 'caption'}
        assert entry['table_sha256'] == sha256_of(folder/f'{name}.csv'), name
        assert entry['data'] == folder.name and entry['profile'] != 'smoke'
        assert (ROOT/f"nbs/{entry['notebook']}.ipynb").exists()
    runs = {n: {(e['profile'], e['seed']) for e in manifest.values() if e['notebook'] == n} for n in {e['notebook'] for e in manifest.values()}}
    assert all(len(r) == 1 for r in runs.values()), 'figures of several runs are mixed in one notebook'
    long = {n[:2] for n, r in runs.items() if ('long', 0) in r}     # what needs the network alone is of the long training, rivals of equal short ones
    assert long == ({'51', '52', '53', '54', '57', '58', '59', '60', '64'} if folder.name == 'simulated' else set()) and set().union(*runs.values()) <= {('demo', 0), ('long', 0)}

@pytest.mark.parametrize('folder', FIGURES, ids=lambda p: p.name)
def test_figures_fit_on_a_page(folder):
    from PIL import Image
    sizes = {p.stem: Image.open(p).size for p in folder.glob('*.png') if not p.stem.startswith('table')}
    assert not {n: s for n, s in sizes.items() if s[0] > 7.3*136 or s[1] > 10*136}     # 136 dots an inch

@pytest.mark.parametrize('path', sorted((ROOT/'figures').glob('*/claims_*.csv')), ids=lambda p: f'{p.parent.name}-{p.stem}')
def test_claims_tables(path):
    from cytoself_nb.core import CLAIM, VERDICTS, claim_rules
    claims = pd.read_csv(path, keep_default_na=False)
    assert list(claims) == CLAIM and claims.id.is_unique
    assert set(claims.verdict) <= set(VERDICTS) and set(claims.id) <= set(claim_rules().index)

def test_there_are_figures():
    assert 'simulated' in [p.name for p in FIGURES], 'run `make figures`'


# --- registry

def test_registry_is_well_formed():
    from cytoself_nb.core import registry
    table = registry()
    assert {'dataset', 'path', 'bytes', 'sha256', 'licence', 'url'} <= set(table)
    assert table.path.is_unique and (table.bytes > 0).all() and table.licence.str.len().gt(0).all()
    assert table.sha256.str.fullmatch('[0-9a-f]{64}').all()
    assert table.path.str.fullmatch(r'[\w.-]+/[\w.-]+/[0-9a-f]{40}/.+').all(), 'OWNER/REPO/COMMIT/PATH, so that a file never changes'

def test_fetch_takes_files_from_the_mirror(mirror, monkeypatch):
    from cytoself_nb.core import fetch, registry, sha256_of
    monkeypatch.setenv('CYTOSELF_NB_MIRROR', str(mirror))
    row = registry().sort_values('bytes').iloc[0]
    path = next(p for p in fetch(Path(row.path).name, progress=False) if str(p).endswith(row.path))
    assert path == mirror/row.path and sha256_of(path) == row.sha256


# --- everything

def test_no_file_names_a_path_of_one_machine():
    files = [p for folder in ('.', '.ci', 'cytoself_nb', 'docs', 'tests', 'nbs') for p in (ROOT/folder).iterdir()
             if p.is_file() and p.suffix in ('', '.py', '.ini', '.toml', '.txt', '.md', '.ipynb') and p != Path(__file__) and p.name != '.git']
    assert not [str(p.relative_to(ROOT)) for p in files if re.search(r'(?<![\w.])/(home|root|Users)/\w|' + re.escape(str(ROOT)), p.read_text(encoding='utf-8'))]


if __name__ == '__main__': NAMES.write_text(json.dumps(public_names(), indent=1) + '\n')
