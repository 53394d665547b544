"Cell inpainting: the table of layers of the published network, pairs under stress, resuming, bad files"
import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F

from cytoself_nb.core import NotForTheseData, set_seed
from cytoself_nb.data import write_store
from cytoself_nb.inpainting import (LAYERS, DoubleConv, FastConv, PairedCellInpainting, at_points, PairLoader, field_test, inpainting_features, inpainting_learner, load_inpainting, pair_targets, still_learning, store_features, train_inpainting)
from cytoself_nb.weights import load_weights, network_file, save_weights


@pytest.mark.parametrize('outputs, taps, points', [(2, 3, (0, 1, -1)), (4, 3, (0, .75, -.75, 1.5, -1.5)), (4, 2, (0, 1, -1, 2)), (2, 5, (0, 1, -1, 2, -2))])
def test_filter_by_values_at_points(outputs, taps, points):
    (A, G, B), rng = at_points(outputs, taps, points), np.random.default_rng(0)
    x, w = rng.random(outputs + taps - 1), rng.random(taps)
    np.testing.assert_allclose(A @ ((G @ w)*(B @ x)), np.correlate(x, w), rtol=1e-9)
    assert len(G) == outputs + taps - 1


@pytest.mark.parametrize('kind, channels, size', [(FastConv, (64, 96), (8, 12)), (FastConv, (64, 96), (6, 8)), (FastConv, (8, 96), (8, 8)), (FastConv, (288, 256), (4, 4)),
                                                  (DoubleConv, (64, 96), (3, 5)), (DoubleConv, (96, 64), (1, 8)), (DoubleConv, (5, 7), (6, 8))])
def test_fewer_products_give_the_same_image_and_gradients(kind, channels, size):
    torch.manual_seed(0)
    conv, x = kind(*channels, 3, padding=1), torch.randn(2, channels[0], *size, requires_grad=True)
    before = (lambda x: F.interpolate(x, scale_factor=2)) if kind is DoubleConv else (lambda x: x)
    exact = F.conv2d(before(x.double()), conv.weight.double(), conv.bias.double(), padding=1)
    push = torch.randn(exact.shape)
    wanted = torch.autograd.grad(exact, [x, *conv.parameters()], push.double())
    for mode in (True, False):
        out = conv.train(mode)(x)
        for got, true in zip((out, *torch.autograd.grad(out, [x, *conv.parameters()], push)), (exact, *wanted)):
            assert got.shape == true.shape and (got - true).abs().max() < 1e-5*max(1, true.abs().max())


def test_in_evaluation_torch_convolves():
    "So the same file gives the same numbers, bit by bit, whatever training does"
    conv, x = FastConv(64, 64, 3, padding=1).eval(), torch.rand(1, 64, 8, 8)
    assert torch.equal(conv(x), F.conv2d(x, conv.weight, conv.bias, padding=1))


@pytest.mark.parametrize('channels, markers, count', [(2, 1, 7_323_521), (3, 2, 7_324_529)])
def test_layers_of_the_published_network(channels, markers, count):
    net = PairedCellInpainting(channels, markers)
    assert sum(t.numel() for t in net.state_dict().values() if t.is_floating_point()) == count
    shapes = {k: tuple(v.shape[1:]) for k, v in net.maps(torch.rand(1, channels, 64, 64)).items()}
    assert shapes == dict(zip((*LAYERS, 'encoded'), ((96, 64, 64), (256, 32, 32), (384, 16, 16), (384, 16, 16), (256, 16, 16), (256, 16, 16))))


def test_features_are_taken_before_batch_norm():
    net = PairedCellInpainting()
    x = torch.rand(3, 2, 64, 64)
    before = inpainting_features(net, x, 'conv1_1')
    with torch.no_grad(): net.source['conv1_1'].norm.weight.fill_(7); net.source['conv1_1'].norm.bias.fill_(3)
    np.testing.assert_allclose(inpainting_features(net, x, 'conv1_1'), before)
    assert not np.allclose(inpainting_features(net, x, 'conv2_1'), inpainting_features(PairedCellInpainting(), x, 'conv2_1'))


def test_training_mode_survives_features():
    net = PairedCellInpainting().train()
    inpainting_features(net, torch.rand(2, 2, 16, 16))
    assert net.training


@pytest.mark.parametrize('seed', range(5))
def test_pairs(seed):
    rng = np.random.default_rng(seed)
    groups = rng.choice(list('abcdefghij'), rng.integers(2, 200))
    to, size = pair_targets(groups, rng), pd.Series(groups).map(pd.Series(groups).value_counts())
    assert ((to == -1) == (size == 1)).all()
    ok = to >= 0
    assert (groups[to[ok]] == groups[ok]).all() and (to[ok] != np.flatnonzero(ok)).all()


def test_no_cells_and_one_cell():
    assert pair_targets([], np.random.default_rng(0)).tolist() == [] and pair_targets(['a'], np.random.default_rng(0)).tolist() == [-1]


def store(path, fields, channels=('protein', 'nucleus'), size=16, split=None):
    rng = np.random.default_rng(0)
    x = rng.random((len(fields), len(channels), size, size), np.float32)
    return write_store(path, x, pd.DataFrame(dict(protein='P', fov=fields, split=split or 'train')), list(channels))


def test_all_cells_alone(tmp_path):
    with pytest.raises(NotForTheseData, match='another cell of its field'): PairLoader(store(tmp_path/'s', [f'f{i}' for i in range(6)]), 'train', 'protein+nucleus')


def test_no_marker(tmp_path):
    s = store(tmp_path/'s', ['f']*4, ('protein', 'distance'))
    with pytest.raises(NotForTheseData, match='expected a marker'): inpainting_learner(s, PairedCellInpainting())


@pytest.mark.parametrize('size', [18, 30])
def test_sides_that_do_not_halve_twice(size):
    with pytest.raises(ValueError, match='multiples of 4'): PairedCellInpainting()(torch.rand(1, 2, size, size), torch.rand(1, 1, size, size))


def test_training_resumes_and_learns(tmp_path):
    s = store(tmp_path/'s', ['f0']*8 + ['f1']*8, split=['train']*8 + ['val']*8)
    def fit(epochs, checkpoint):
        set_seed(0)
        learn = inpainting_learner(s, PairedCellInpainting(), batch=4, checkpoint=checkpoint)
        with learn.no_bar(), learn.no_logging(): learn.fit(epochs)
        return [r['train_loss'] for r in learn.loss_parts.rows]
    whole = fit(3, tmp_path/'a.pt')
    fit(1, tmp_path/'b.pt')
    assert fit(3, tmp_path/'b.pt') == pytest.approx(whole, rel=1e-5)
    assert whole[-1] < whole[0]


def test_training_of_a_store_gives_a_network_that_says_its_channels(tmp_path):
    s = store(tmp_path/'s', ['f0']*6 + ['f1']*4 + ['f2']*3, split=['train']*6 + ['val']*4 + ['test']*3)
    net = train_inpainting(s, 1, batch=4, csv=tmp_path/'history.csv')
    assert net.extra == dict(channels='protein+nucleus', best_epoch=0) and not net.training and (tmp_path/'history.csv').exists()
    found = store_features(s, net, ['conv1_1'], most=5)['conv1_1']
    assert {k: v.shape for k, v in found.items()} == dict(train=(5, 96), val=(4, 96), test=(3, 96))


def test_not_finite_is_named(tmp_path):
    s = store(tmp_path/'s', ['f0']*4 + ['f1']*4, split=['train']*4 + ['val']*4)
    net = PairedCellInpainting()
    with torch.no_grad(): net.paint[-1].bias.fill_(float('nan'))
    learn = inpainting_learner(s, net, batch=4, dtype=None)
    with learn.no_bar(), learn.no_logging(), pytest.raises(ValueError, match='rows of the crop store'): learn.fit(1)


def test_files(tmp_path):
    net = PairedCellInpainting(3, 2)
    save_weights(net, tmp_path/'a.safetensors', dict(channels='protein+nucleus+microtubules'))
    back = load_inpainting(tmp_path/'a.safetensors')
    assert back.settings == net.settings and back.extra['channels'].endswith('microtubules') and not back.training
    x, m = torch.rand(1, 3, 16, 16), torch.rand(1, 2, 16, 16)
    torch.testing.assert_close(back(x, m), net.eval()(x, m))
    (tmp_path/'b.safetensors').write_bytes((tmp_path/'a.safetensors').read_bytes()[:5000])
    with pytest.raises(ValueError, match='not a complete safetensors'): load_inpainting(tmp_path/'b.safetensors')


def test_either_network_says_that_the_file_holds_the_other(tmp_path):
    "Both come with the package, side by side"
    with pytest.raises(ValueError, match='another network than cell inpainting'): load_inpainting(network_file('yeast5'))
    save_weights(PairedCellInpainting(2, 1), tmp_path/'a.safetensors', extra={})
    with pytest.raises(ValueError, match='give no network of cytoself'): load_weights(tmp_path/'a.safetensors')


def test_field_test_needs_fields():
    d = pd.DataFrame(dict(a=[0.]*8, b=[1.]*8, fov=list('aabbccdd'), protein='P'))
    assert np.isnan(field_test(d, 'a', 'b')['p']) and field_test(d, 'a', 'b')['share'] == 1


@pytest.mark.parametrize('losses, still', [([3, 2, 1], True), ([3, 2, 1, 1.1], True), ([1, 2, 2, 2, 2], False), ([2, 1, 2, 2, 2], True)])
def test_one_worse_epoch_is_no_end_of_learning(losses, still):
    assert still_learning(pd.DataFrame(dict(valid_loss=losses))) is still
