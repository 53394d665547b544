"Objectives on one encoder: losses with a known answer, partners, hidden patches, the teacher, and what a step costs"
import numpy as np
import pandas as pd
import pytest
import torch

from cytoself_nb import objectives as o
from cytoself_nb.data import write_store

SETTINGS = dict(channels=2, n_classes=4, size=64, n_codes=16, hidden=8, decoder_width=4)


@pytest.fixture(scope='module')
def store(tmp_path_factory):
    "Four proteins in four fields of four crops, another brightness for each protein; one has no localization"
    rng, n = np.random.default_rng(0), 64
    labels = pd.DataFrame(dict(protein=[f'P{k//16}' for k in range(n)], fov=[f'F{k//4}' for k in range(n)], split='train'))
    labels['localization'] = labels.protein.map(dict(P0='er', P1='er', P2='golgi'))
    x = rng.random((n, 2, 64, 64), np.float32)*(1 + np.arange(n)//16)[:, None, None, None]/4
    labels.loc[labels.fov.isin(['F3', 'F7', 'F11', 'F15']), 'split'] = 'val'
    labels.loc[labels.fov.isin(['F2', 'F6']), 'split'] = 'test'
    return write_store(tmp_path_factory.mktemp('objectives')/'crops.zarr', x, labels, ['protein', 'distance'])


def test_pair_loss_is_the_formula_and_counts_only_crops_with_partners():
    z, y = torch.randn(6, 5, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 0, 1, 1, 1, 2])
    u, each = torch.nn.functional.normalize(z, dim=1).numpy().astype(float), []
    for i in range(5):                                                            # the sixth has no partner
        e = {j: np.exp(u[i] @ u[j]/.1) for j in range(6) if j != i}
        mine = [j for j in e if y[j] == y[i]]
        each.append(-np.mean([np.log(e[j]/sum(e.values())) for j in mine]))
    assert abs(o.pair_loss(z, y).item() - np.mean(each)) < 1e-4
    assert o.pair_loss(z, torch.arange(6)).item() == 0


def test_agreement_is_with_the_other_window():
    a, b = torch.eye(3)[[0, 1, 2]], torch.eye(3)[[1, 2, 0]]                       # the windows are of other kinds
    same, other = (o.agreement_loss(s, (a, b), torch.zeros(3)).item() for s in ((a, b), (b, a)))
    assert other < .01 < 5 < same


def test_the_center_keeps_kinds_apart():
    t = .2*torch.randn(64, 8, generator=torch.Generator().manual_seed(0)) + torch.tensor([1.] + [0.]*7)
    loss = lambda s, center: o.agreement_loss((s, s), (t, t), center).item()
    collapsed = torch.tensor([1.] + [-1.]*7).expand(64, -1)
    assert loss(collapsed, torch.zeros(8)) < .1                                   # all in one kind would be perfect
    assert loss(collapsed, t.mean(0)) > 5 > loss(t - t.mean(0), t.mean(0))        # centered it is not


@pytest.mark.parametrize('size', [64, 65, 100])
def test_patches_are_those_of_the_crop(size):
    x = torch.rand(2, 2, size, size)
    side = -(-size//8)
    p = o.patches(x)
    assert p.shape == (2, 64, 2*side**2)
    assert torch.equal(p[1, 8 + 2].view(2, side, side), x[1, :, side:2*side, 2*side:3*side])
    hidden = torch.zeros(2, 64, dtype=torch.bool)
    hidden[0, 10] = True
    h = o.hide(x, hidden)
    assert torch.equal(h[1], x[1]) and h[0, 0, side:2*side, 2*side:3*side].std() < 1e-6
    assert (h != x).any(1).sum() == side**2


def test_only_hidden_patches_count():
    truth, hidden = torch.rand(3, 64, 8), torch.rand(3, 64) < .6
    wrong = torch.where(hidden[..., None], truth + 1, truth + 99)
    assert abs(o.hidden_loss(wrong, truth, hidden).item() - 1) < 1e-5


def test_the_transformer_sees_nothing_of_hidden_patches():
    torch.manual_seed(0)
    e, x = o.PatchEncoder(2, 64, 16, 1, 2).eval(), torch.rand(1, 2, 64, 64)
    shown, other = torch.tensor([[0, 1, 9]]), x.clone()
    other[..., 16:, 16:] = 0
    assert torch.equal(e(x, shown), e(other, shown)) and not torch.equal(e(x), e(other))
    assert torch.allclose(e(x, torch.arange(64)[None]), e(x), atol=1e-6)


def test_a_partner_is_of_the_protein_and_of_another_field_where_there_is_one():
    t = pd.DataFrame(dict(protein=[*'AAAABBC'], fov=[*'1122334']))
    groups, rng = t.groupby('protein').indices, np.random.default_rng(0)
    found = [{o.partner(k, t, groups, rng) for _ in range(50)} for k in range(7)]
    assert found == [{2, 3}, {2, 3}, {0, 1}, {0, 1}, {5}, {4}, {6}]              # C has one crop: itself


def test_batches_hold_partners_and_leave_out_crops_without_a_class(store):
    x, y = next(o.training_batches(store, 'protein+distance', 8, 'protein', True))
    assert torch.equal(y[:4], y[4:]) and x.shape == (8, 2, 64, 64)
    some = o.training_batches(store, 'protein+distance', 8, 'localization')
    y = torch.cat([next(some)[1] for _ in range(8)])
    assert set(y.tolist()) == {0, 1} and (y == 0).float().mean() < .75          # of P3 nothing is known


def test_a_window_lies_inside_the_crop_and_is_enlarged():
    torch.manual_seed(0)
    ramp = torch.linspace(0, 1, 64).expand(40, 1, 64, 64).contiguous()
    w = o.windows(ramp)
    spread = w.amax((1, 2, 3)) - w.amin((1, 2, 3))
    assert w.min() >= 0 and w.max() <= 1 and .55 < spread.min() < spread.max() <= 1
    assert spread.std() > .05


def test_the_teacher_follows_slowly_and_is_not_trained(store):
    torch.manual_seed(0)
    task = o.self_distillation(o.PatchEncoder(2, 64, 16, 1, 2), SETTINGS)
    student, teacher = (task.parts[k][1].kinds for k in ('student', 'teacher'))
    assert not any(p.requires_grad for p in task.parts['teacher'].parameters())
    before = teacher.clone()
    task.loss(torch.rand(4, 2, 64, 64), None).backward()
    with torch.no_grad(): student += 1
    task.after(0.)
    assert torch.allclose(teacher, before + .02, atol=1e-5)
    task.after(1.)                                                              # in the end it stays
    assert torch.allclose(teacher, before + .02, atol=1e-5)


def train(store, name, kind='transformer', steps=12, **more):
    return o.train_objective(name, kind, store, 'protein+distance', SETTINGS, steps, 1e-3, 8, **more)

@pytest.mark.parametrize('name', o.OBJECTIVES)
def test_all_train_as_many_steps_as_asked_and_keep_a_finite_encoder(store, name):
    seen = []
    found = train(store, name, watch=lambda e: seen.append(e.training) or dict(asked=len(seen)))
    assert found.course.part.tolist() == [.25, .5, 1] and found.course.asked.tolist() == [1, 2, 3]
    assert found.course.shown.tolist() == [24, 48, 96] and seen == [False]*3 and not found.encoder.training
    v = o.pooled_rows(found.encoder, store, 'protein+distance', [0, 5, 40])
    assert np.isfinite(v).all() and v.std(0).max() > 0


def test_a_training_is_the_same_again_and_few_steps_are_enough_to_look(store):
    a, b = (train(store, 'identification', seed=3) for _ in range(2))
    assert a.course.equals(b.course) and not a.course.equals(train(store, 'identification', seed=4).course)
    assert train(store, 'masked', steps=1).course.part.tolist() == [1]


def test_a_step_is_measured_in_turn_and_the_shortest_counts(store, monkeypatch):
    order = []
    def step(self, rate): order.append(self.objective); return 0., 8
    monkeypatch.setattr(o._Training, 'step', step)
    times = iter([0, 9, 10, 12, 20, 24, 30, 36])                                  # begin and end of each measurement
    monkeypatch.setattr(o.time, 'process_time', lambda: next(times))
    monkeypatch.setattr(o.torch.cuda, 'is_available', lambda: False)
    whom = dict(a=('transformer', 'identification'), b=('transformer', 'masked'))
    found = o.step_seconds(whom, store, 'protein+distance', SETTINGS, 8, rounds=2, steps=2)
    assert found == dict(a=2, b=1)                                                # (9, 4)/2 and (2, 6)/2
    assert [order[k] is order[0] for k in range(2, 10)] == [True]*2 + [False]*2 + [True]*2 + [False]*2


def test_the_rate_rises_falls_and_what_is_not_finite_is_said(store):
    assert [round(o.rate_at(p), 3) for p in (0, .025, .05, 1, 2)] == [0, .499, .994, 0, 0]
    broken = dict(o.OBJECTIVES)
    def nan(encoder, *_): return o.Objective(encoder, encoder, lambda x, y: o.pooled(encoder, x).sum()*float('nan'))
    o.OBJECTIVES['nan'] = (nan, None, False)
    try:
        with pytest.raises(ValueError, match='the loss is nan; expected a number; lower the rate'): train(store, 'nan')
    finally:
        o.OBJECTIVES.clear(); o.OBJECTIVES.update(broken)


def test_quantizers_start_late(store):
    task = o.cytoself(None, SETTINGS, store, 'protein+distance')
    before = task.encoder.vq1.codebook.clone()
    task.after(.1)
    assert not task.encoder.quantizing and torch.equal(task.encoder.vq1.codebook, before)
    task.after(.2)
    assert task.encoder.quantizing and not torch.equal(task.encoder.vq1.codebook, before)
