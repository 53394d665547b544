"The command: from a folder to answers, exit codes, sentences instead of tracebacks"
import re
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import tifffile
import torch
from conftest import ROOT, write_h5ad

from cytoself_nb import apply, cli, parts
from cytoself_nb.answers import about_embedding, read_reference, where, write_reference
from cytoself_nb.maps import read_embedding
from cytoself_nb.microscope import simulated_proteome, write_screen
from cytoself_nb.model import CytoselfFull
from cytoself_nb.weights import load, reference_file, save_weights


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    torch.manual_seed(0)
    model = CytoselfFull(size=64, n_classes=2, n_codes=32, hidden=8, decoder_width=16).eval()
    path = tmp_path_factory.mktemp('weights')/'tiny.safetensors'
    save_weights(model, path, dict(channels='protein+distance', classes=['a', 'b'], card=dict(name='tiny', data='noise', pixel_um=40/64, scale='field')))
    return path


def write_crops(folder, n=24, table=True, side=100):
    "Crops with a disk for a nucleus and two kinds of protein"
    folder.mkdir()
    y, x = np.mgrid[:side, :side] - side/2
    nucleus, rng = np.exp(-(np.hypot(y, x)/(.15*side))**4), np.random.default_rng(0)
    for k in range(n):
        protein = (nucleus if k % 2 else 1 - nucleus)*(.5 + rng.random((side, side)))
        tifffile.imwrite(folder/f'c{k:02}.tif', np.stack([protein, nucleus + .02*rng.random((side, side))]).astype(np.float32))
    if table:
        kind = ['nucleus' if k % 2 else 'cytosol' for k in range(n)]
        pd.DataFrame(dict(file=[f'c{k:02}.tif' for k in range(n)], protein=[f'{v}{k//2 % 3}' for k, v in enumerate(kind)], field=[f'f{k//6}' for k in range(n)], localization=kind)).to_csv(folder/'labels.csv', index=False)
    return folder


@pytest.fixture(scope='module')
def embedded(weights, tmp_path_factory):
    "Crops with a table, embedded: the file and the folder of crops"
    folder = tmp_path_factory.mktemp('own')
    crops = write_crops(folder/'crops')
    (crops/'c05.tif').write_bytes((crops/'c05.tif').read_bytes()[:200])
    assert cli.main(['embed', str(crops), '--weights', str(weights), '-o', str(folder/'mine.h5ad'), '--pixel-um', '0.4', '--workers', '1']) == 0
    return folder/'mine.h5ad', crops


def test_embed_reads_crops_and_leaves_a_broken_one_out(embedded):
    e = read_embedding(embedded[0])
    assert e.shape == (23, 2304) and e.obsm['local_codes'].shape == (23, 256) and e.obsm['X_umap'].shape == (23, 2)
    assert 'c05.tif' not in set(e.obs.file) and set(e.obs.localization) == {'nucleus', 'cytosol'}
    notes = embedded[0].with_suffix('.work')/'notes.txt'
    text = notes.read_text()
    assert '1 of 24 crops could not be used, first c05.tif' in text and 'distance to the nuclear envelope is measured' in text and 'one by one' in text
    assert pd.read_csv(notes.with_name('rejects.csv')).file.tolist() == ['c05.tif']
    assert len(about_embedding(e)['network']) == 16


def test_atlas_and_where(embedded, weights, capsys, tmp_path):
    path = embedded[0]
    assert cli.main(['atlas', str(path), '-o', str(tmp_path/'a.html')]) == 0
    text = (tmp_path/'a.html').read_text()
    assert 'data:image/webp' in text and 'nucleus2' in text
    assert cli.main(['atlas', str(path), '-o', str(tmp_path/'a.html')]) == 1 and '--force' in capsys.readouterr().err
    assert cli.main(['where', str(path), '--reference', str(path), '-o', str(tmp_path/'where.csv')]) == 0
    told, table = capsys.readouterr(), pd.read_csv(tmp_path/'where.csv', keep_default_na=False)
    assert 'note: 23 of the 23 crops that are asked are in the reference too' in told.err and table.in_reference.sum() == 23
    said = told.out
    assert len(table) == 6 and 'of 6 answered' in said and 'reference: 6 proteins of 2 localizations' in said and set(table.answer) <= {'none', 'nucleus', 'cytosol'}
    assert (table.why[table.answer == 'none'] != '').all() and (table.why[table.answer != 'none'] == '').all()
    reference = read_reference(path)
    write_reference(tmp_path/'r.h5ad', reference)
    pd.testing.assert_frame_equal(where(path, read_reference(tmp_path/'r.h5ad')), where(path, reference), atol=1e-5)
    other = reference._replace(network='another')
    with pytest.raises(ValueError, match='different networks'): where(path, other)


def test_a_folder_without_a_table_and_crops_of_other_widths(weights, tmp_path, capsys):
    folder = write_crops(tmp_path/'plain', 6, table=False, side=120)
    out = str(tmp_path/'p.h5ad')
    command = ['embed', str(folder), '--weights', str(weights), '-o', out, '--workers', '1']
    assert cli.main([*command, '--pixel-um', '0.2']) == 1
    assert 'crops of 24 µm; the network was trained on 40 µm' in capsys.readouterr().err
    assert cli.main([*command, '--pixel-um', '0.5']) == 0
    said = capsys.readouterr().out
    assert 'no table: 6 images are read as crops' in said and 'crops of 60 µm are cut to the middle 40 µm' in said and 'tiny' in said
    e = read_embedding(out)
    assert set(e.obs.protein) == {'unknown'} and len(e) == 6
    assert cli.main(['where', out, '--reference', out]) == 1 and 'has a localization' in capsys.readouterr().err


def test_stacks_keep_the_way_back_to_the_raw_pixel(weights, tmp_path, capsys):
    write_screen(tmp_path/'stacks', simulated_proteome(2), 1, size=400, workers=1, progress=False)
    assert cli.main(['embed', str(tmp_path/'stacks'), '--weights', str(weights), '-o', str(tmp_path/'s.h5ad'), '--workers', '1']) == 0
    said = capsys.readouterr().out
    assert '2 fields' in said and 'cut by the edge' in said
    assert re.search(r'crops in \d+ s: \d+ s to read and cut them, \d+ s to embed them \([\d,]+ crops a second\), \d+ s for the file', said)
    e = read_embedding(tmp_path/'s.h5ad')
    assert {'file', 'fov', 'nucleus', 'y', 'x', 'y_raw', 'x_raw', 'row'} <= set(e.obs)
    r = e.obs.iloc[0]
    from cytoself_nb.preprocessing import prepare_stack
    nuclei = prepare_stack(tmp_path/'stacks'/r.file).nuclei.set_index('nucleus')
    assert (nuclei.y[r.nucleus], nuclei.x[r.nucleus]) == (r.y, r.x) and abs(r.y_raw - (2*r.y + .5)) < .06
    assert cli.main(['doctor', str(tmp_path/'stacks')]) == 0
    assert '2 stacks of 2 proteins' in capsys.readouterr().out


def test_fields_of_hpa28_by_name(mirror, weights, tmp_path, monkeypatch, capsys):
    from cytoself_nb import real_fields
    monkeypatch.setenv('CYTOSELF_NB_MIRROR', str(mirror))
    fetch = real_fields.fetch
    monkeypatch.setattr(real_fields, 'fetch', lambda *a, **k: [f for f in fetch(*a, **k) if f.name == 'train.csv' or f.name.startswith('000a9596')])
    assert cli.main(['embed', 'hpa28', '--weights', str(weights), '-o', str(tmp_path/'h.h5ad'), '--workers', '1', '--no-map']) == 0
    assert '1 fields' in capsys.readouterr().out and set(read_embedding(tmp_path/'h.h5ad').obs.localization) == {'nuclear bodies'}


def test_crops_are_cut_first_and_embedded_by_an_array_job(weights, tmp_path, capsys):
    folder, out = write_crops(tmp_path/'crops', 8), tmp_path/'j.h5ad'
    command = ['embed', str(folder), '--weights', str(weights), '-o', str(out), '--workers', '1', '--no-map']
    assert cli.main([*command, '--prepare']) == 0 and not out.exists()
    line = re.search('python -m (.*) --share K/N', capsys.readouterr().out)[1].split()
    assert line[0] == 'cytoself_nb.parts' and parts.main([line[1], '--share', '0/1']) == 0
    assert cli.main(command) == 0 and '(8 were there)' in capsys.readouterr().out
    straight = [*command[:5], str(tmp_path/'straight.h5ad'), *command[6:]]
    assert cli.main(straight) == 0
    a, b = read_embedding(out), read_embedding(tmp_path/'straight.h5ad')
    assert np.array_equal(a.X, b.X) and np.array_equal(a.obsm['local_codes'], b.obsm['local_codes'])


def test_the_reference_of_the_package_is_of_its_network(tmp_path, capsys):
    model, reference = load('simulated'), read_reference(reference_file('simulated'))
    assert reference.network == parts.weights_checksum(model), 'another network: make reference'
    assert reference_file('simulated').stat().st_size < 1_500_000 and '--reference simulated' in str(model.card)
    assert reference.families.notna().sum() == 87 and reference.families.nunique() == 16 and len(reference.crops)


def test_simulated_cells_are_asked_without_drawing_any(tmp_path, capsys, embedded):
    "New cells of proteins that the network knows are answered rightly where they are answered; another network is refused"
    known = simulated_proteome(106, 0, 51).query('not held_out')[::3].reset_index(drop=True)   # those of its training
    write_screen(tmp_path/'stacks', known, 1, 5, workers=1, progress=False)
    out = str(tmp_path/'mine.h5ad')
    assert cli.main(['embed', str(tmp_path/'stacks'), '-o', out, '--workers', '1', '--no-map']) == 0
    said = capsys.readouterr().out
    assert 'map' not in said.split(' crops in ')[1].split('embedding')[0], 'no map was asked for'
    assert cli.main(['where', out, '--reference', 'simulated', '-o', str(tmp_path/'w.csv')]) == 0
    assert 'invented cells only' in capsys.readouterr().out
    table = pd.read_csv(tmp_path/'w.csv', keep_default_na=False).set_index('group')
    truth = known.set_index('protein').localization.reindex(table.index)
    answered = table[table.answer != 'none']
    assert len(answered) and (answered.answer == truth[answered.index]).mean() >= .5 and not table.in_reference.any()
    assert cli.main(['where', str(embedded[0]), '--reference', 'simulated']) == 1 and 'different networks' in capsys.readouterr().err


@pytest.mark.parametrize('words, wanted', [
    (['w'], 'where'), (['embed', 'folder', '--wei'], '--weights'), (['embed', 'folder', '--weights', 'simu'], 'simulated'),
    (['where', 'a.h5ad', '--reference', 's'], 'simulated'), (['train', 'x', '--profile', 'd'], 'demo'), (['embed', 'my'], '')], ids=str)
def test_the_tab_key(words, wanted, tmp_path, capsys):
    assert cli.main(['completion', 'bash']) == 0
    script = capsys.readouterr().out
    (tmp_path/'c.sh').write_text(script + '\nCOMP_WORDS=(cytoself-nb "$@"); COMP_CWORD=$#; _cytoself_nb; echo "${COMPREPLY[*]}"\n')
    done = subprocess.run(['bash', str(tmp_path/'c.sh'), *words], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == wanted and not done.stderr
    assert cli.main(['completion', 'zsh']) == 0 and 'bashcompinit' in capsys.readouterr().out


def test_nuclei_are_found_by_processes_as_by_one(weights, tmp_path):
    folder = write_crops(tmp_path/'crops', 12)
    (folder/'c07.tif').write_bytes((folder/'c07.tif').read_bytes()[:2000])
    model, steps = load(str(weights)), []
    images = apply.read_any(folder, tmp_path/'work', pixel_um=.4)
    one, two = (apply.fit_images(images, model, tmp_path/f'{w}.npy', steps.append, block=5, workers=w) for w in (1, 2))
    assert one[1] == ['protein', 'distance', 'nucleus'] and np.array_equal(one[0], two[0]) and np.array_equal(one[2], two[2])
    pd.testing.assert_frame_equal(one[3], two[3])
    assert sum(steps) == 2*len(images.labels)


def test_other_channels_are_refused(weights, tmp_path, capsys):
    folder = write_crops(tmp_path/'crops', 4)
    (folder/'channels.txt').write_text('protein\ncytosol\n')
    assert cli.main(['embed', str(folder), '--weights', str(weights), '-o', str(tmp_path/'x.h5ad')]) == 1
    assert 'without distance; the network was trained on protein and distance' in capsys.readouterr().err
    assert not (tmp_path/'x.h5ad').exists()


@pytest.mark.parametrize('command, code, words', [
    (['embed', '.', '--weights', 'nothing', '-o', 'x.h5ad'], 1, "no weights called 'nothing'"),
    (['embed', 'nowhere', '-o', 'x.h5ad'], 1, '^\\nno folder nowhere; expected'),
    (['atlas', 'nothing.h5ad'], 1, 'no embedding at nothing.h5ad'),
    (['where', 'nothing.h5ad', '--reference', 'none.h5ad'], 1, 'no reference at none.h5ad'),
    (['where', 'nothing.h5ad', '--reference', 'yeast5'], 1, 'no reference for .yeast5.'),
    (['where', 'nothing.h5ad', '--reference', 'simulated'], 1, 'no embedding at nothing.h5ad'),
    (['train', 'nowhere'], 1, 'nor one of the runs'),
    (['train', 'simulated', '--profile', 'huge'], 1, 'unknown profile'),
    ([], 2, ''),
], ids=str)
def test_errors_are_sentences(command, code, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path))
    assert cli.main(command) == code
    said = capsys.readouterr()
    assert re.search(words, said.err) and 'Traceback' not in said.err
    assert not [p for p in tmp_path.iterdir() if p.name not in ('runs',)], 'something was left behind'


@pytest.mark.parametrize('command, words', [
    ('train crops --bits 8', '--bits without --out'), ('train crops --force', '--force without --out'),
    ('train crops -o net.h5', 'expected a name that ends in .safetensors'),
    ('embed hpa5 --pixel-um .05 --prepare -o z.h5ad', 'pixel_um=0.05 for hpa5, whose crops come as they were published'),
    ('embed hpa5 --masks crops --prepare -o z.h5ad', 'crops for hpa5, whose crops come as they were published')])
def test_options_that_nothing_comes_of_are_refused(command, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_crops(tmp_path/'crops', 6)
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path))
    assert cli.main(command.split()) == 1 and words in capsys.readouterr().err
    assert not {'net.h5', 'z.h5ad', 'runs'} & {p.name for p in tmp_path.iterdir()}


def test_a_given_network_is_not_called_trained(tmp_path, monkeypatch, weights, capsys):
    monkeypatch.setenv('CYTOSELF_NB_WEIGHTS', str(weights))
    assert cli.main(['train', str(write_crops(tmp_path/'crops', 6)), '-o', str(tmp_path/'net.safetensors')]) == 1
    assert 'a network is given' in capsys.readouterr().err and not (tmp_path/'net.safetensors').exists()


@pytest.fixture
def table(tmp_path, monkeypatch):
    "A small embedding, a table of sets, in the folder where the command is called"
    from anndata import AnnData
    rng, protein = np.random.default_rng(0), np.arange(96) % 12
    obs = pd.DataFrame(dict(protein=[f'P{p:02}' for p in protein], fov=[f'F{k//12}_{p}' for k, p in enumerate(protein)], localization=np.array(['er', 'golgi', 'nucleus'])[protein % 3]), [str(k) for k in range(96)])
    X = (rng.normal(size=(96, 10)) + 3*np.eye(3, 10)[protein % 3]).astype(np.float32)
    write_h5ad(AnnData(X=X, obs=obs, obsm=dict(X_umap=X[:, :2])), tmp_path/'m.h5ad')
    for name, text in dict(s='set,protein\na,P00\na,NA\n', empty='', other='a;b\n1;2\n').items(): (tmp_path/f'{name}.csv').write_text(text)
    (tmp_path/'binary.csv').write_bytes(b'\xff\xfe\x00\x01')
    (tmp_path/'cut.h5ad').write_bytes((tmp_path/'m.h5ad').read_bytes()[:9000])
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize('command, says', [
    (['where', 'm.h5ad', '--reference', 'cut.h5ad'], 'cut.h5ad is no complete .h5ad'), (['where', 'cut.h5ad', '--reference', 'm.h5ad'], 'cut.h5ad is no complete .h5ad'),
    (['scores', 'm.h5ad', '--sets', 'empty.csv'], 'empty.csv is empty; expected a row of names'), (['scores', 'm.h5ad', '--sets', 'binary.csv'], 'binary.csv'),
    (['scores', 'm.h5ad', '--sets', 'none.csv'], 'no table at none.csv; expected'), (['scores', 'm.h5ad', '--sets', 'other.csv'], 'without set, protein; expected'),
    (['scores', 'm.h5ad', '-o', 's.csv'], 's.csv is there already'), (['scores', 'm.h5ad', '-o', 's.csv/t.csv'], 's.csv is no folder'),
    (['atlas', 'm.h5ad', '-o', 'm.h5ad', '--force'], 'm.h5ad is what is read; expected another'), (['atlas', '.'], 'no embedding at .;'), (['atlas', 'm.h5ad', '-o', '.'], 'is a folder; expected a file'),
    (['where', 'm.h5ad', '--reference', 'm.h5ad', '-o', 'm.h5ad', '--force'], 'is what is read'), (['where', 'm.h5ad', '--reference', 'cut.h5ad', '-o', 'cut.h5ad', '--force'], 'is what is read'),
    (['scores', 'm.h5ad', '--sets', 's.csv', '-o', 's.csv', '--force'], 'is what is read')], ids=lambda v: ' '.join(v) if isinstance(v, list) else '')
def test_files_that_are_no_good_or_no_place_to_write(command, says, table, capsys):
    before = {p: p.read_bytes() for p in table.iterdir()}
    assert cli.main(command) == 1
    said = capsys.readouterr().err
    assert says in said and 'Traceback' not in said and 'Errno' not in said.replace(says, '') and before == {p: p.read_bytes() for p in table.iterdir()}


def test_tables_go_into_a_folder_that_is_made(table, capsys):
    assert cli.main(['where', 'm.h5ad', '--reference', 'm.h5ad', '-o', 'new/w/where.csv']) == 0 and len(pd.read_csv(table/'new/w/where.csv')) == 12
    assert cli.main(['scores', 'm.h5ad', '--sets', 's.csv', '-o', 'more/scores.csv']) == 0
    assert [p.name for p in (table/'more').iterdir()] == ['scores.csv'] and 'question' in pd.read_csv(table/'more/scores.csv')
    (table/'new/s.csv').write_bytes((table/'s.csv').read_bytes())
    sets = cli._sets(['s.csv', 'new/s.csv'])
    assert list(sets) == ['s.csv', 'new/s.csv'], 'two files of one name are two tables'
    assert sets['s.csv'].protein.tolist() == ['P00', 'NA'], 'a protein may be called NA'


@pytest.mark.parametrize('option', [['--workers', '0'], ['--workers', '-5'], ['--workers', 'all']], ids=' '.join)
def test_no_workers_is_not_understood(option, capsys):
    with pytest.raises(SystemExit) as e: cli.main(['embed', 'folder', '-o', 'x.h5ad', *option])
    assert e.value.code == 2 and 'is no number from 1' in capsys.readouterr().err


def test_debug_shows_the_traceback(tmp_path):
    with pytest.raises(FileNotFoundError): cli.main(['atlas', str(tmp_path/'nothing.h5ad'), '--debug'])


@pytest.mark.parametrize('command', [None, *cli.COMMANDS])
def test_help_has_examples(command, capsys):
    with pytest.raises(SystemExit) as e: cli.main([*([command] if command else []), '--help'])
    said = capsys.readouterr().out
    assert e.value.code == 0 and f'cytoself-nb {command or "embed my_stacks"}' in said and 'example' in said


def test_help_imports_nothing_heavy():
    code = "import sys; from cytoself_nb.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\nprint([m for m in ('torch', 'numpy', 'pandas') if m in sys.modules])"
    start = time.perf_counter()
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.splitlines()[-1] == '[]' and time.perf_counter() - start < 10


def test_what_has_to_fit_is_said():
    model = CytoselfFull(size=64, n_classes=2, n_codes=16, hidden=8, decoder_width=16)
    model.extra = dict(channels='protein+distance', card=dict(pixel_um=None, scale='crop'))
    assert apply.network_um(model) is None
    assert any('only resized' in s for s in apply.notes_on_fit(['protein', 'distance'], model, 40.))
    model.extra['card']['pixel_um'] = .625
    assert any('taken as 40 µm wide' in s for s in apply.notes_on_fit(['protein', 'distance'], model))
