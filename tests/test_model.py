"""The network against arrays that the authors' own TensorFlow graph has written, and weight files that don't fit."""
import os, pickle, shutil
from contextlib import nullcontext
from copy import deepcopy
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from conftest import need

from fastcore.test import test_close as close
from torch.nn import functional as F

from cytoself_nb import model as model_module
from cytoself_nb.model import ConvUnit, CytoselfFull, MBConv, MergeUnit, Residual, SqueezeExcite, decoder_scales, fan_out_, glorot_, norm_swish, resize_matrix, same_pad
from cytoself_nb.quantizer import Quantized, VectorQuantizer
from cytoself_nb.weights import GROUPS, _targets, load_published_weights, load_weights, save_weights

ORACLE = Path(os.environ.get('CYTOSELF_NB_ORACLE') or Path(__file__).resolve().parents[2]/'shared'/'oracle')
SMALL = dict(size=64, n_codes=16, hidden=8, decoder_width=16, n_classes=3)


# --- the network as one would write it first: same weights, none of the shortcuts

def _plain_unit(self, x):
    x = self.norm(self.conv(x if self.pad is None else F.pad(x, self.pad)))
    return F.silu(x) if self.act else x


def _plain_merge(self, maps):
    "Resize all channels of the global map, concatenate, convolve"
    coarse, fine = maps
    m = resize_matrix(coarse.shape[-1], fine.shape[-1]).to(coarse)
    return _plain_unit(self, torch.cat([torch.einsum('bcij,hi,wj->bchw', coarse, m, m), fine], 1))


def _plain_quantizer(self, x):
    "All distances at once, then the smallest"
    z = x.permute(0, 2, 3, 1).reshape(-1, self.dim)
    codes = torch.cdist(z, self.codebook).argmin(1)
    chosen = self.codebook[codes]
    loss = (z.detach() - chosen).square() + self.commitment * (z - chosen.detach()).square()
    through = (z + (chosen - z).detach()).view(len(x), *x.shape[2:], -1).permute(0, 3, 1, 2)
    return Quantized(through, codes.view(len(x), -1), loss.view(len(x), -1).mean(1))


def plain_port(model):
    "A copy of `model`, channels first, nothing folded or rearranged"
    plain = deepcopy(model).to(memory_format=torch.contiguous_format)
    plain.layout = torch.contiguous_format
    for m in plain.modules():
        forward = {ConvUnit: _plain_unit, MergeUnit: _plain_merge, VectorQuantizer: _plain_quantizer}.get(type(m))
        if forward: m.forward = partial(forward, m)
    return plain


@pytest.fixture(scope='module')
def oracle():
    "Weight file and arrays, as paths and a dict"
    h5, io = ORACLE/'cytoself_tf_small.h5', ORACLE/'cytoself_tf_small_io.npz'
    need(h5, 'the weight file of the authors\' network')
    return h5, dict(np.load(need(io, 'its arrays')))


@pytest.fixture(scope='module')
def outputs(oracle):
    "Everything our network computes from the oracle's input, in the oracle's names and order of axes"
    h5, io = oracle
    model = load_published_weights(h5)
    x = torch.from_numpy(io['x']).permute(0, 3, 1, 2)
    last = lambda t: t.permute(0, 2, 3, 1).numpy()
    with torch.no_grad():
        out, (e1, e2) = model(x), model._encode(x)
        decoded = model.decoder2(out.global_)
    counts = lambda codes: np.stack([np.bincount(c, minlength=model.settings['n_codes']) for c in codes.numpy()])
    b = len(x)
    return dict(encoder1=last(e1), encoder2=last(e2), recon=last(out.reconstruction), decoder2=last(decoded), vqvec1=last(out.local),
                vqvec2=last(out.global_).reshape(b, 12, 12, 64), fc1_softmax=out.local_logits.softmax(1).numpy(), fc2_softmax=out.global_logits.softmax(1).numpy(),
                vqind1=out.local_codes.numpy().reshape(b, 25, 25), vqind2=out.global_codes.numpy().reshape(b, 12, 12),
                vqindhist1=counts(out.local_codes), vqindhist2=counts(out.global_codes))


def test_every_array_of_the_oracle_is_checked(oracle, outputs):
    assert set(outputs) == set(oracle[1]) - {'x'}


@pytest.mark.parametrize('name', ['encoder1', 'encoder2', 'recon', 'decoder2', 'vqvec1', 'vqvec2', 'fc1_softmax', 'fc2_softmax', 'vqindhist1', 'vqindhist2'])
def test_floats_agree_with_the_authors_graph(oracle, outputs, name):
    want, got = oracle[1][name], outputs[name]
    assert want.shape == got.shape
    assert np.abs(want - got).max() <= 1e-5


@pytest.mark.parametrize('name', ['vqind1', 'vqind2'])
def test_codes_are_equal(oracle, outputs, name): assert np.array_equal(oracle[1][name], outputs[name])


def test_settings_come_from_the_file(oracle):
    s = load_published_weights(oracle[0]).settings
    assert {k: s[k] for k in ('channels', 'n_classes', 'size', 'n_codes', 'code_dim', 'n_splits', 'hidden', 'decoder_width')} == dict(
        channels=2, n_classes=11, size=100, n_codes=128, code_dim=64, n_splits=9, hidden=20, decoder_width=64)


def test_embed_and_the_plain_network_agree_too(oracle, outputs):
    model, x = load_published_weights(oracle[0]), torch.from_numpy(oracle[1]['x']).permute(0, 3, 1, 2)
    local, globl, codes1, codes2 = model.train().embed(x)
    with torch.no_grad(): plain = plain_port(model.eval())(x)
    for got in ((local, codes1, codes2), (plain.local, plain.local_codes, plain.global_codes)):
        assert np.abs(got[0].permute(0, 2, 3, 1).numpy() - outputs['vqvec1']).max() <= 1e-5
        assert np.array_equal(got[1].reshape(-1, 25, 25).numpy(), oracle[1]['vqind1']) and np.array_equal(got[2].reshape(-1, 12, 12).numpy(), oracle[1]['vqind2'])
    assert np.abs(plain.reconstruction.permute(0, 2, 3, 1).numpy() - oracle[1]['recon']).max() <= 1e-5


def test_oracle_survives_our_own_format(oracle, outputs, tmp_path):
    save_weights(load_published_weights(oracle[0]), tmp_path/'model.safetensors')
    with torch.no_grad(): out = load_weights(tmp_path/'model.safetensors')(torch.from_numpy(oracle[1]['x']).permute(0, 3, 1, 2))
    assert np.array_equal(out.reconstruction.permute(0, 2, 3, 1).numpy(), outputs['recon'])


@pytest.mark.parametrize('group, index, shape', [('encoder1', 3, (3, 3, 31, 1)), ('decoder2', 4, (3, 3, 64, 32)), ('VQ2', 0, (64, 100)), ('fc1', 0, (39999, 20)), ('fc2', 3, (12,))])
def test_a_published_file_that_differs_names_the_array(oracle, tmp_path, group, index, shape):
    path = tmp_path/'changed.h5'
    shutil.copy(oracle[0], path); path.chmod(0o644)
    with h5py.File(path, 'r+') as f:
        name = f[group].attrs['weight_names'][index]
        del f[group][name]
        f[group][name] = np.zeros(shape, 'float32')
    with pytest.raises(ValueError, match=f'{group}/{name}'.replace('(', '.')): load_published_weights(path)


def test_a_published_file_with_a_missing_array_or_cut_short_is_refused(oracle, tmp_path):
    path = tmp_path/'missing.h5'
    shutil.copy(oracle[0], path); path.chmod(0o644)
    with h5py.File(path, 'r+') as f: f['decoder1'].attrs['weight_names'] = f['decoder1'].attrs['weight_names'][:-1]
    with pytest.raises(ValueError, match='decoder1 holds 67 arrays; expected 68'): load_published_weights(path)
    (tmp_path/'cut.h5').write_bytes(Path(oracle[0]).read_bytes()[:100_000])
    with pytest.raises(ValueError, match='not a complete HDF5 file'): load_published_weights(tmp_path/'cut.h5')


def test_full_size_checkpoints_have_the_shapes_of_the_default_network(oracle):
    table = ORACLE.parent/'reference'/'official_tf_weights.tsv'
    if not table.is_file(): pytest.skip(f'no list of the published arrays at {table}')
    rows = pd.read_csv(table, sep='\t')
    with torch.device('meta'): model = CytoselfFull()
    for group, attr in GROUPS.items():
        want = [tuple(map(int, s.strip('()').rstrip(',').split(','))) for s in rows[rows.h5_group == group]['shape']]
        got = [tuple(t.shape) for _, t in _targets(getattr(model, attr))]
        assert [sorted(s) for s in want] == [sorted(s) for s in got]


def test_paper_sizes():
    with torch.device('meta'): model = CytoselfFull()
    n = lambda m: sum(t.numel() for k, t in m.state_dict().items() if not k.endswith('num_batches_tracked'))
    assert n(model) == 57_120_828
    assert {k: n(getattr(model, k)) for k in ('encoder1', 'encoder2', 'decoder1', 'decoder2', 'head1', 'head2')} == dict(
        encoder1=71_170, encoder2=3_758_586, decoder1=583_746, decoder2=602_560, head1=41_313_311, head2=10_529_311)


@pytest.mark.parametrize('size', [64, 65, 79, 97, 100, 128, 131, 256])
def test_any_side_from_64_to_256(size):
    model = CytoselfFull(**SMALL | dict(size=size))
    out, (l, g) = model(torch.rand(2, 2, size, size)), (-(-size//4), -(-size//32))
    assert out.reconstruction.shape == (2, 2, size, size)
    assert out.local.shape == (2, 64, l, l) and out.global_.shape == (2, 576, g, g)
    assert out.local_codes.shape == (2, l*l) and out.global_codes.shape == (2, 9*g*g)
    assert all(v.shape == (2,) for v in (out.local_vq, out.global_vq, out.intermediate))


@pytest.mark.parametrize('wrong, message', [(dict(size=63), 'size=63'), (dict(size=257), 'size=257'), (dict(size=64.), 'size=64.0'), (dict(channels=0), 'channels=0'),
    (dict(n_codes=1), 'n_codes=1'), (dict(n_splits=True), 'n_splits=True'), (dict(dropout=1), 'dropout=1'), (dict(pretext=False, decode=False), 'nothing to learn')])
def test_impossible_settings_say_which(wrong, message):
    with pytest.raises(ValueError, match=message): CytoselfFull(**SMALL | wrong)


def test_strange_weight_files_raise_and_run_nothing(tmp_path):
    class Trap:
        def __reduce__(self): return Path.touch, (tmp_path/'ran',)
    (tmp_path/'a.pt').write_bytes(pickle.dumps(Trap()))
    torch.save({'x': Trap()}, tmp_path/'b.pt')
    (tmp_path/'c.safetensors').write_bytes(b'')
    for name in ('a.pt', 'b.pt', 'c.safetensors'):
        with pytest.raises(ValueError, match='not a complete safetensors file'): load_weights(tmp_path/name)
    with pytest.raises(ValueError, match='not a complete HDF5 file'): load_published_weights(tmp_path/'b.pt')
    with pytest.raises(FileNotFoundError, match='no weights at'): load_weights(tmp_path/'nothing')
    assert not (tmp_path/'ran').exists()


def test_autocast_trains_with_finite_gradients():
    model, x = CytoselfFull(**SMALL), torch.rand(4, 2, 64, 64)
    with torch.autocast('cpu', dtype=torch.bfloat16): out = model(x)
    assert out.local.dtype == out.local_logits.dtype == out.intermediate.dtype == torch.float32
    (out.reconstruction.float().square().mean() + out.local_logits.square().mean() + out.global_logits.square().mean()
     + (out.local_vq + out.global_vq + out.intermediate).mean()).backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_gradients_of_the_plain_network_agree():
    def loss_of(model, x):
        o = model(x)
        return (o.reconstruction.square().mean() + o.local_logits.square().mean() + o.global_logits.square().mean()
                + (o.local_vq + o.global_vq + o.intermediate).mean())
    torch.manual_seed(0)
    ours, x = CytoselfFull(**SMALL | dict(dropout=0.)), torch.rand(3, 2, 64, 64)
    plain = plain_port(ours)
    losses = [loss_of(m, x) for m in (ours, plain)]
    for l in losses: l.backward()
    assert losses[0].item() == pytest.approx(losses[1].item(), abs=1e-4)
    scale = max(t.grad.abs().max() for t in plain.parameters())   # a bias in front of a norm has a gradient of rounding only
    assert all((a.grad - b.grad).abs().max() < 1e-3*scale for a, b in zip(ours.parameters(), plain.parameters()))


def test_padding_and_starting_values_are_those_of_the_authors():
    assert (same_pad(3, 2, 100), same_pad(3, 2, 25), same_pad(5, 1, 25)) == ((0, 1), (1, 1), (2, 2))
    wide, deep, dense = torch.nn.Conv2d(320, 576, 1), torch.nn.Conv2d(1152, 1152, 5, groups=1152), torch.nn.Linear(400, 200)
    fan_out_(wide), fan_out_(deep), glorot_(dense)
    close(wide.weight.std().item(), (2/576)**.5, eps=1e-3)
    close(deep.weight.std().item(), (2/25)**.5, eps=5e-3)
    close(dense.weight.std().item(), (2/600)**.5, eps=1e-3)
    assert not dense.bias.any() and ConvUnit(4, 4, 3).norm.eps == 1e-3


def test_units():
    gate, x = SqueezeExcite(8, 2), torch.randn(2, 8, 5, 5)
    torch.nn.init.zeros_(gate.expand.weight)                 # every gate is sigmoid(0) = 1/2
    assert (gate(x) - x/2).abs().max() < 1e-6
    unit, x = Residual(4).eval(), torch.randn(2, 4, 5, 5)
    torch.nn.init.zeros_(unit.second.norm.weight)            # silenced: what is left is swish of the input
    assert (unit(x) - F.silu(x)).abs().max() < 1e-6
    n = lambda m: sum(t.numel() for k, t in m.state_dict().items() if not k.endswith('num_batches_tracked'))
    assert n(MBConv(24, 24, 3, 1, 6, 25, nominal=24)) == 11_334   # block 2b of the authors' list
    assert n(MBConv(64, 80, 3, 2, 6, 25, nominal=40)) == 44_010   # the first of the second encoder
    deep = ConvUnit(4, 4, 3, pad=(1, 1), groups=4)
    with torch.autocast('cpu', dtype=torch.bfloat16): assert deep(torch.randn(2, 4, 5, 5).bfloat16()).dtype == torch.float32


def test_sides_of_the_decoder():
    sides, x = [], torch.randn(2, 64, 4, 4)
    for step in decoder_scales(64, 4, 25, last=64):
        x = step(x)
        if isinstance(step, ConvUnit): sides.append(tuple(x.shape[1:3]))
    assert sides == [(32, 7), (32, 13), (64, 25)]


def test_a_folded_norm_gives_the_same_map():
    unit, x = ConvUnit(3, 6, 3, 2, same_pad(3, 2, 10), bias=True), torch.randn(2, 3, 10, 10)
    unit.norm.running_mean.normal_(0, .2), unit.norm.running_var.uniform_(.5, 2)
    torch.nn.init.uniform_(unit.norm.weight, .5, 2)
    unit.eval()
    with torch.no_grad(): folded = unit(x)
    assert folded.shape == (2, 6, 5, 5) and (folded - unit(x)).abs().max() < 1e-5


def test_files_of_others_and_mixed_settings_are_refused(tmp_path):
    from safetensors.torch import save_file
    save_file({'weight': torch.zeros(3)}, tmp_path/'other.safetensors')
    with pytest.raises(ValueError, match='of another program'): load_weights(tmp_path/'other.safetensors')
    model = CytoselfFull(**SMALL)
    model.settings['hidden'] += 1
    save_weights(model, tmp_path/'mixed.safetensors')
    with pytest.raises(ValueError, match='head1.0.bias is'): load_weights(tmp_path/'mixed.safetensors')
    model.settings = dict(layers=3)
    save_weights(model, tmp_path/'bad.safetensors')
    with pytest.raises(ValueError, match='give no network of cytoself'): load_weights(tmp_path/'bad.safetensors')
    with h5py.File(tmp_path/'empty.h5', 'w') as f: f['x'] = 1
    with pytest.raises(ValueError, match='group encoder1 is missing; found x'): load_published_weights(tmp_path/'empty.h5')
    with pytest.raises(FileNotFoundError, match='no weights at'): load_published_weights(tmp_path/'nothing.h5')


def test_a_batch_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match='this network expects'): CytoselfFull(**SMALL)(torch.rand(3, 1, 64, 64))


@pytest.mark.parametrize('with_skip', (False, True))
def test_norm_and_swish_in_one_step_are_the_same_function(with_skip):
    "Output, all gradients and running statistics, in double precision, and the slope against differences"
    torch.manual_seed(0)
    maps = [torch.randn(2, 3, 5, 4, dtype=torch.double) for _ in range(1 + with_skip)]
    results = []
    for f in (norm_swish, lambda norm, x, skip=None: F.silu(norm(x) if skip is None else norm(x) + skip)):
        torch.manual_seed(1)
        norm = torch.nn.BatchNorm2d(3, eps=1e-3).double()
        torch.nn.init.normal_(norm.weight), torch.nn.init.normal_(norm.bias)
        leaves = [m.clone().requires_grad_() for m in maps]
        out = f(norm, *leaves)
        out.pow(3).sum().backward()
        results.append([out, *(t.grad for t in leaves), *(p.grad for p in norm.parameters()), *norm.buffers()])
    for new, old in zip(*results): torch.testing.assert_close(new, old)
    assert torch.autograd.gradcheck(lambda *m: norm_swish(norm, *m), leaves)


def test_what_is_computed_again_gives_the_same_gradients(monkeypatch):
    "With maps kept and with maps computed again"
    def gradients(context):
        monkeypatch.setattr(model_module, '_keep_less', context)
        torch.manual_seed(0)
        net, x = CytoselfFull(**SMALL | dict(dropout=0.)), torch.rand(3, 2, 64, 64)
        o = net(x)
        (o.reconstruction.square().mean() + o.local_logits.square().mean() + o.global_logits.square().mean()
         + (o.local_vq + o.global_vq + o.intermediate).mean()).backward()
        return {k: p.grad for k, p in net.named_parameters()}
    computed, kept = gradients(model_module._keep_less), gradients(nullcontext)
    scale = max(g.abs().max() for g in kept.values())
    assert all((computed[k] - g).abs().max() <= 1e-5*scale for k, g in kept.items())


def test_maps_that_can_be_computed_again_are_not_kept():
    norm = torch.nn.BatchNorm2d(3)
    x = torch.randn(2, 3, 8, 8, requires_grad=True)
    out = norm_swish(norm, x)
    torch.testing.assert_close(out.again(), out)
    with model_module._keep_less(x): y = out.square()
    again = y.grad_fn._saved_self
    assert again.data_ptr() != out.data_ptr()
    torch.testing.assert_close(again, out)


@pytest.mark.parametrize('harm, says', [(lambda t: t.__setitem__((0,)*t.ndim, float('nan')), 'not finite'), (lambda t: t.__setitem__((0,)*t.ndim, float('inf')), 'not finite')])
def test_weights_that_are_not_finite_are_refused(harm, says, tmp_path):
    model = CytoselfFull(**SMALL)
    with torch.no_grad(): harm(next(model.parameters()))
    with pytest.raises(ValueError, match=says): save_weights(model, tmp_path/'m.safetensors')
    from safetensors import safe_open
    from safetensors.torch import save_file
    save_weights(CytoselfFull(**SMALL), tmp_path/'good.safetensors')
    with safe_open(tmp_path/'good.safetensors', 'pt') as f: about = f.metadata()
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, tmp_path/'m.safetensors', about)
    with pytest.raises(ValueError, match=says): load_weights(tmp_path/'m.safetensors')


def test_weights_of_another_type_are_refused(tmp_path):
    save_weights(CytoselfFull(**SMALL).double(), tmp_path/'m.safetensors')
    with pytest.raises(ValueError, match='holds torch.float64; expected torch.float32'): load_weights(tmp_path/'m.safetensors')
    assert not list(tmp_path.glob('.*'))


def test_a_published_file_that_declares_more_than_it_holds_takes_no_memory(oracle, tmp_path, monkeypatch):
    "Shapes alone: nothing is built before they are compared"
    import shutil
    for group, index, shape, says in (('fc1', 0, (40_000, 20_000), 'fc1|hidden'), ('VQ1', 0, (64, 10**9), 'n_codes=1,000,000,000'), ('fc1', -1, (10**8,), 'n_classes=100,000,000')):
        shutil.copy(oracle[0], path := tmp_path/'big.h5')
        with h5py.File(path, 'r+') as f:
            names = [n.decode() if isinstance(n, bytes) else n for n in f[group].attrs['weight_names']]
            del f[group][names[index]]
            f[group].create_dataset(names[index], shape, 'f4', chunks=True)
        with pytest.raises(ValueError, match=says): load_published_weights(path)
    shutil.copy(oracle[0], path)
    with h5py.File(path, 'r+') as f:
        name = f['VQ1'].attrs['weight_names'][0]; a = f['VQ1'][name][()]
        del f['VQ1'][name]; f['VQ1'][name] = a.astype(int)
    with pytest.raises(ValueError, match='expected floating point numbers'): load_published_weights(path)
