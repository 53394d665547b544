"Votes and floors: what chance does, and what must not leak"
import numpy as np
import pandas as pd
import torch

from cytoself_nb.model import CytoselfFull
from cytoself_nb.probes import neighbor_vote, paired_difference, pixel_components, probe_network, untrained

SMALL = dict(n_classes=2, size=64, n_codes=8, hidden=8, decoder_width=4)


def test_a_vote_on_noise_is_chance_and_never_asks_more_neighbours_than_there_are():
    rng = np.random.default_rng(0)
    def noise(n): return rng.normal(size=(n, 3)), rng.integers(0, 2, n)
    assert abs(neighbor_vote(noise(400), noise(400), noise(2000))['accuracy'] - .5) < .05
    assert neighbor_vote(noise(4), noise(9), noise(9))['neighbours'] <= 4


def test_components_are_fitted_on_training_crops_alone():
    rng = np.random.default_rng(0)
    train = rng.normal(size=(30, 2, 3, 3))
    one, other = (pixel_components(dict(train=(train, None), test=(test, None)), 4)['train'][0] for test in (train[:5], 100*train[:5] + 7))
    assert np.array_equal(one, other) and one.shape == (30, 4)


def test_an_untrained_network_has_statistics_and_codes_of_its_own(tiny_store):
    trained = CytoselfFull(**SMALL)
    before = {k: v.clone() for k, v in trained.state_dict().items()}
    one, two = (untrained(trained, tiny_store, 'protein+distance', seed) for seed in (0, 0))
    assert all(torch.equal(v, before[k]) for k, v in trained.state_dict().items()) and not one.training
    assert all(torch.equal(v, two.state_dict()[k]) for k, v in one.state_dict().items())
    x = torch.from_numpy(np.asarray(tiny_store.images[:8], np.float32)[:, [0, 2]])
    with torch.no_grad(): assert .05 < one._encode(x)[1].square().mean() < 20   # not the statistics it was born with


def test_a_network_without_heads_is_asked_by_votes_alone(tiny_store):
    "As those that come with the package"
    for pretext in (True, False):
        model = CytoselfFull(**SMALL, pretext=pretext).eval()
        model.extra = dict(channels='protein+distance')
        table, right = probe_network(tiny_store, model)
        assert table.index.is_unique and ('global head' in set(table.what)) == pretext and 'vote, global representation' in set(table.what)
        assert table.accuracy.between(0, 1).all() and len(right) == (tiny_store.labels.split == 'test').sum()


def test_differences_are_judged_by_fields():
    coin = pd.DataFrame(dict(a=True, b=np.arange(400) % 2 == 0, fov=np.arange(400)//4, seed=0))
    assert paired_difference(coin, 'a', 'a') == (0, 0, 0)
    assert paired_difference(coin, 'a', 'b') == (.5, .5, .5)   # every field has half of its crops wrong
    _, low, high = paired_difference(coin.assign(b=np.random.default_rng(0).random(400) < .5, fov=np.arange(400)), 'a', 'b')
    assert .07 < high - low < .13    # 2 x 1.96 x 0.5 / 20 = 0.098 for crops that are independent
    twice = pd.concat([coin.assign(b=coin.fov % 3 == 0, seed=s) for s in (0, 1)], ignore_index=True)
    once = paired_difference(twice[twice.seed == 0], 'a', 'b')   # a second seed on the same fields tells nothing new
    np.testing.assert_allclose(paired_difference(twice, 'a', 'b'), once)
    assert paired_difference(coin.assign(fov=None), 'a', 'b')[1:] != (.5, .5)   # without fields each crop is a unit


def test_fields_that_are_numbered_in_each_protein_are_units_of_their_own():
    rng, field = np.random.default_rng(0), np.repeat(np.arange(120), 10)
    a = rng.random(1200) < np.repeat(rng.random(120), 10)     # crops of a field are right together
    t = pd.DataFrame(dict(a=a, b=rng.random(1200) < .5, seed=0, protein=[f'P{k}' for k in field//3], fov=(field % 3).astype(str)))
    named = paired_difference(t.assign(fov=t.protein + '_' + t.fov), 'a', 'b')
    np.testing.assert_allclose(paired_difference(t, 'a', 'b'), named)
