"Embedding part by part: the same numbers for any number of workers, and a killed one loses nothing"
import json
import os
import signal
import threading
import time

import numpy as np
import pytest
import torch

from cytoself_nb import parts
from cytoself_nb.model import CytoselfFull


@pytest.fixture
def small(monkeypatch):
    "Parts of one shard, a shard of few crops: many parts from a small store"
    monkeypatch.setattr(parts, 'PART', 1)


def network(seed=0):
    torch.manual_seed(seed)
    model = CytoselfFull(size=64, n_classes=2, n_codes=16, hidden=8, decoder_width=16).eval()
    model.extra = dict(channels='protein+distance')
    return model


@pytest.fixture(scope='module')
def many(tmp_path_factory):
    "A store of 240 crops in shards of a few"
    import zarr
    from cytoself_nb.data import open_store, write_store
    folder, rng = tmp_path_factory.mktemp('many'), np.random.default_rng(0)
    import pandas as pd
    labels = pd.DataFrame(dict(protein=['a']*240, fov=[f'f{k % 5}' for k in range(240)], split='test'))
    write_store(folder/'big.zarr', rng.random((240, 2, 64, 64)).astype(np.float32), labels, ['protein', 'distance'])
    big = open_store(folder/'big.zarr')
    small = zarr.create_array(folder/'crops.zarr', shape=big.images.shape, dtype='float16', chunks=(30, 1, 64, 64), shards=(30, 2, 64, 64), attributes=dict(big.images.attrs))
    small[:] = big.images[:]
    big.labels.to_csv(folder/'crops.zarr/labels.csv', index=False)
    return open_store(folder/'crops.zarr')


def whole(paths, name): return np.concatenate([parts.read_part(p, name) for p in paths])


@pytest.mark.parametrize('workers', [2, pytest.param(4, marks=pytest.mark.slow)])
def test_workers_one_of_them_killed_give_the_numbers_of_one_process(many, small, tmp_path, workers):
    one = parts.embed_store(many, network(), tmp_path/'one', workers=1)
    assert len(one) == 8
    parts.plan_parts(many, network(), tmp_path/'four')
    killed = []

    def kill():
        "The first worker that is seen, as soon as it computes"
        while not killed:
            for w in list(started):
                if w.poll() is None and len(parts.missing_parts(tmp_path/'four')) < 8:
                    os.kill(w.pid, signal.SIGKILL)
                    killed.append(w.pid)
                    return
            time.sleep(.02)

    started, begin = [], parts._start
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, '_start', lambda *a: (started.append(begin(*a)), started[-1])[1])
        threading.Thread(target=kill, daemon=True).start()
        four = parts.embed_store(many, network(), tmp_path/'four', workers=workers)
    assert killed and len(started) >= workers
    for name in ('X', 'local_codes', 'global_codes'): assert np.array_equal(whole(one, name), whole(four, name)), name
    assert len(whole(one, 'X')) == 240


def test_what_is_there_is_not_computed_again_and_other_weights_begin_anew(many, small, tmp_path):
    first = parts.embed_store(many, network(), tmp_path/'p', workers=1)
    times = [p.stat().st_mtime_ns for p in first]
    first[3].unlink()
    again = parts.embed_store(many, network(), tmp_path/'p', workers=1)
    assert [p.stat().st_mtime_ns == t for p, t in zip(again, times)] == [k != 3 for k in range(8)]
    parts.plan_parts(many, network(1), tmp_path/'p')
    assert len(parts.missing_parts(tmp_path/'p')) == 8, 'parts of other weights must go'


def test_an_array_job_of_three_shares_makes_all_parts(many, small, tmp_path, capsys):
    n = len(parts.plan_parts(many, network(), tmp_path/'p')['parts'])
    for k in range(3): assert parts.main([str(tmp_path/'p'), '--share', f'{k}/3']) == 0
    assert not parts.missing_parts(tmp_path/'p') and capsys.readouterr().out.count('part') == n
    assert parts.main([str(tmp_path/'p'), '--share', '3/3']) == 1
    assert parts.main([str(tmp_path/'nothing')]) == 1


def test_parts_that_no_worker_can_make_end_in_a_sentence(many, small, tmp_path):
    plan = parts.plan_parts(many, network(), tmp_path/'p')
    (tmp_path/'p/plan.json').write_text(json.dumps(plan | dict(store=str(tmp_path/'gone'), parts=plan['parts'][:1])))
    with pytest.raises(RuntimeError, match='no worker has finished one .*has no zarr.json'): parts.run_parts(tmp_path/'p', workers=2)
