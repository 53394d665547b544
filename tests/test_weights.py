"Weights by name, path, address and hub id; cards; and what is refused"
import os
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import need
from safetensors import safe_open
from safetensors.torch import save

from cytoself_nb import weights
from cytoself_nb.model import CytoselfFull
from cytoself_nb.weights import load, save_weights, without_heads

ORACLE = Path(os.environ.get('CYTOSELF_NB_ORACLE') or Path(__file__).resolve().parents[2]/'shared'/'oracle')/'cytoself_tf_small.h5'
CARD = dict(name='tiny', data='noise', pixel_um=40/64, scale='field', license='BSD-3-Clause', tested='nothing', cannot='anything')


@pytest.fixture
def file(tmp_path, monkeypatch):
    "A small network in a file, and no cache but an empty one"
    monkeypatch.setenv('CYTOSELF_NB_CACHE', str(tmp_path/'cache'))
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path/'out'))
    torch.manual_seed(0)
    model = CytoselfFull(size=64, n_classes=2, n_codes=16, hidden=8, decoder_width=16).eval()
    save_weights(model, tmp_path/'tiny.safetensors', extra=dict(channels='protein+distance', classes=['a', 'b'], card=CARD))
    return tmp_path/'tiny.safetensors'


def same(a, b):
    x = torch.rand(2, a.settings['channels'], a.settings['size'], a.settings['size'])
    return all(torch.equal(p, q) for p, q in zip(a.embed(x), b.embed(x)))


def test_a_card_travels_with_the_weights_and_says_sizes(file):
    model = load(file)
    text = str(model.card)
    for words in ('tiny', 'noise', 'protein and distance', '64 x 64 pixels of 0.625 µm, 40 µm wide', '16 codes', 'BSD-3-Clause', 'anything', '1 is 40 µm'):
        assert words in text, words
    assert f'representation of {model.embed(torch.rand(1, 2, 64, 64))[1].numel():,} values' in text
    assert model.card['pixel_um'] == 40/64 and '**tiny**' in model.card._repr_markdown_()
    save_weights(model, file.with_name('again.safetensors'))
    assert load(file.with_name('again.safetensors')).card == model.card


def test_a_network_without_a_card_says_so(file):
    model = load(file)
    model.extra = dict(channels='protein')
    assert 'not said' in str(model.card) and 'without a name' in str(model.card)


def test_names_resolve_to_files_of_the_package_and_of_runs(file, tmp_path, monkeypatch):
    monkeypatch.setattr(weights, 'network_file', lambda name: tmp_path/'networks'/f'{name}.safetensors')
    with pytest.raises(FileNotFoundError, match="'simulated' is not among the files .* make it .cytoself-nb train simulated -o simulated.safetensors"): load('simulated')
    (tmp_path/'networks').mkdir()
    shutil.copy(file, tmp_path/'networks/simulated.safetensors')
    assert same(load('simulated'), load(file)) and 'simulated' in weights.available()
    (tmp_path/'out/runs/mine-demo-0').mkdir(parents=True)
    shutil.copy(file, tmp_path/'out/runs/mine-demo-0/model.safetensors')
    assert load('mine-demo-0').card['name'] == 'tiny'
    with pytest.raises(FileNotFoundError, match='expected one of simulated, .*mine-demo-0'): load('mine-demo-1')


def test_shipped_networks_have_full_cards():
    for name, path in weights.available().items():
        if path != weights.network_file(name): continue
        card = load(name).card
        assert all(card.get(k) for k in weights.FIELDS if k != 'reference' or name == 'simulated'), name


def test_without_heads_the_codes_are_the_same(file):
    model = load(file)
    small = without_heads(model)
    assert same(model, small) and small.card['data'] == model.card['data'] and small.settings['pretext'] is False
    assert sum(v.numel() for v in small.parameters()) < sum(v.numel() for v in model.parameters())


def test_the_network_of_the_package_is_there_and_small():
    path = weights.network_file('simulated')
    model = load('simulated')
    assert path.stat().st_size < 10e6 and model.extra['channels'] == 'protein+distance' and len(model.extra['classes']) == 105
    with torch.no_grad(): _, representation, codes, _ = model.embed(torch.rand(2, 2, 64, 64))
    assert representation.isfinite().all() and codes.max() < model.settings['n_codes']


@pytest.fixture
def server(tmp_path):
    "The files of a folder, over http on this machine"
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_): pass
    served = ThreadingHTTPServer(('127.0.0.1', 0), partial(Quiet, directory=str(tmp_path)))
    threading.Thread(target=served.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{served.server_port}'
    served.shutdown()


@pytest.mark.skipif(bool(os.environ.get('NO_NETWORK')), reason='asks a server on this machine')
def test_an_address_is_downloaded_once_and_a_web_page_is_refused(file, server, tmp_path):
    assert same(load(f'{server}/tiny.safetensors'), load(file))
    file.rename(file.with_name('moved.safetensors'))
    assert load(f'{server}/tiny.safetensors').card['name'] == 'tiny', 'from the cache'
    with pytest.raises(OSError, match='cannot download .*put it by hand'): load(f'{server}/nothing.safetensors')
    (tmp_path/'page.h5').write_text('<!DOCTYPE html><title>sign in</title>')
    with pytest.raises(ValueError, match='gives a web page'): load(f'{server}/page.h5')
    with pytest.raises(ValueError, match='gives a web page'): load(f'{server}/page.h5')


def test_a_hub_id_is_looked_up_in_the_cache_first(file, tmp_path, monkeypatch):
    import huggingface_hub
    asked = []

    def hub(repo, name, local_files_only=False):
        asked.append((repo, name, local_files_only))
        if local_files_only and repo == 'lab/known': return str(file)
        raise huggingface_hub.errors.LocalEntryNotFoundError('not here')
    monkeypatch.setattr(huggingface_hub, 'hf_hub_download', hub)
    assert same(load('hf:lab/known'), load(file)) and asked == [('lab/known', 'model.safetensors', True)]
    assert same(load('lab/known'), load(file))
    load('hf:lab/known/small/one.safetensors')
    assert asked[-1] == ('lab/known', 'small/one.safetensors', True)
    with pytest.raises(OSError, match='cannot get model.safetensors of lab/unknown'): load('hf:lab/unknown')
    with pytest.raises(ValueError, match='expected a .safetensors file'): load('hf:lab/known/pytorch_model.bin')


@pytest.mark.parametrize('name, channels, given', [('pro_nucdist.h5', 'protein+distance', None), ('pro_nuc.h5', 'protein+nucleus', None), ('x.h5', 'protein+nucleus', 'protein+nucleus')])
def test_files_of_the_authors_say_their_channels_by_name(file, tmp_path, name, channels, given):
    shutil.copy(need(ORACLE, "the authors' small file"), tmp_path/name)
    model = load(tmp_path/name, given)
    assert model.extra['channels'] == channels and model.settings['size'] == 100
    assert 'Kobayashi' in str(model.card) and model.card['pixel_um'] == .4
    save_weights(model, tmp_path/'ours.safetensors')
    assert same(load(tmp_path/'ours.safetensors'), model) and load(tmp_path/'ours.safetensors').card == model.card


def test_a_file_of_two_unknown_channels_warns_and_other_numbers_are_refused(file, tmp_path):
    shutil.copy(need(ORACLE, "the authors' small file"), tmp_path/'weights.h5')
    with pytest.warns(UserWarning, match="doesn't say which; taken as protein and distance"): load(tmp_path/'weights.h5')
    with pytest.raises(ValueError, match='expected 2 names joined by'): load(tmp_path/'weights.h5', 'protein')
    with pytest.raises(ValueError, match='was trained on protein.distance, not on protein.nucleus'): load(file, 'protein+nucleus')


def test_the_one_channel_variant(tmp_path):
    import h5py
    from cytoself_nb.weights import GROUPS, _targets
    source = CytoselfFull(size=64, n_classes=2, n_codes=16, hidden=8, decoder_width=32, channels=1).eval()
    with h5py.File(tmp_path/'pro.h5', 'w') as f:
        for group, attr in GROUPS.items():
            g, names = f.create_group(group), []
            for i, (name, t) in enumerate(_targets(getattr(source, attr))):
                a, deep = t.detach().numpy(), t.ndim == 4 and t.shape[1] == 1 and 'body' in name
                names.append(f'layer_{i}/{name}:0')
                g[names[-1]] = (a.transpose(2, 3, 0, 1) if deep else a.transpose(2, 3, 1, 0)) if a.ndim == 4 else a.T
            g.attrs['weight_names'] = names
    model = load(tmp_path/'pro.h5')
    assert model.extra['channels'] == 'protein' and same(model, source)


def test_files_that_do_not_say_their_channels_ask_for_them(file):
    model = load(file)
    save_weights(model, file.with_name('silent.safetensors'), extra={})
    with pytest.raises(ValueError, match="say so: channels='protein.distance'"): load(file.with_name('silent.safetensors'))
    assert load(file.with_name('silent.safetensors'), 'protein+nucleus').extra['channels'] == 'protein+nucleus'


def test_a_quarter_of_the_bytes_is_read_back_within_half_a_step(file):
    "Matrices of 8 bits with a scale for each output; codebooks and small tensors keep 16"
    model, path = load(file), file.with_name('quarter.safetensors')
    save_weights(model, path, bits=8)
    again = load(path).state_dict()
    assert path.stat().st_size < .3*file.stat().st_size
    for k, v in model.state_dict().items():
        if not v.is_floating_point(): continue
        each = v.abs().amax(tuple(range(1, v.ndim)), keepdim=True) if v.ndim > 1 else v.abs()
        assert ((v - again[k]).abs() <= each/127*.51 + 1e-6).all(), k
    with safe_open(path, 'pt') as f:
        tensors, about = {k: f.get_tensor(k) for k in f.keys()}, f.metadata()
    name = next(k for k in tensors if k.endswith(' scale'))
    for bad in ({name: tensors[name][:-1]}, {name.removesuffix(' scale'): tensors[name.removesuffix(' scale')].float()}):
        path.write_bytes(save(tensors | bad, about))
        with pytest.raises(ValueError, match='belongs to no matrix of 8 bits'): load(path)
    with pytest.raises(ValueError, match='expected 8, 16 or 32'): save_weights(model, path, bits=4)


def test_half_the_bytes_and_nearly_the_same_numbers(file):
    model = load(file)
    save_weights(model, file.with_name('half.safetensors'), bits=16)
    again = load(file.with_name('half.safetensors'))
    assert file.with_name('half.safetensors').stat().st_size < .52*file.stat().st_size
    for p, q in zip(model.state_dict().values(), again.state_dict().values()): assert p.dtype == q.dtype and torch.allclose(p.float(), q.float(), rtol=1e-3, atol=1e-6)
    with torch.no_grad(): model.head1[0].weight[0, 0] = 1e9
    save_weights(model, file.with_name('big.safetensors'), bits=16)   # what does not fit keeps its 32 bits
    assert load(file.with_name('big.safetensors')).state_dict()['head1.0.weight'][0, 0] == 1e9
    with torch.no_grad(): model.head1[0].weight[0, 0] = np.nan
    with pytest.raises(ValueError, match='not finite.*train again'): save_weights(model, file.with_name('nan.safetensors'))
    assert not file.with_name('nan.safetensors').exists()


def test_torch_files_are_not_opened_under_any_name(file, tmp_path):
    torch.save(dict(a=1), tmp_path/'model.pt')
    for name in ('model.pt', 'model.h5'):
        if name != 'model.pt': shutil.copy(tmp_path/'model.pt', tmp_path/name)
        with pytest.raises(ValueError, match='not a complete (safetensors|HDF5) file'): load(tmp_path/name)


def test_a_plan_loads_no_compiler(file):
    import subprocess
    import sys
    code = f"import sys; from cytoself_nb.weights import load; load({str(file)!r}); print('torch._dynamo' in sys.modules)"
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == 'False', 'torch loads its compiler, for seconds'


def test_others_can_read_what_we_write(tmp_path):
    "As any file: what the umask allows"
    save_weights(CytoselfFull(size=64, n_classes=2, n_codes=16, hidden=8, decoder_width=16), tmp_path/'a.safetensors')
    (tmp_path/'b').touch()
    assert (tmp_path/'a.safetensors').stat().st_mode == (tmp_path/'b').stat().st_mode


@pytest.mark.parametrize('scale, one', [('crop', 'the width of a crop'), ('field', '40 µm')])
def test_the_card_says_what_one_is_in_the_distance(scale, one, file):
    model = load(file)
    model.extra['card'] = dict(name='mine', scale=scale, pixel_um=60/64)
    assert model.card['scaling'].endswith(f'1 is {one}')
