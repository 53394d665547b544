"Embedding part by part: the same numbers for any number of workers, and a killed one loses nothing"
import json
import os
import shutil
import signal
import threading
import time

import numpy as np
import pandas as pd
import pytest
import torch
import zarr

from cytoself_nb import parts
from cytoself_nb.model import CytoselfFull
from cytoself_nb.stacks import OWN_COLUMNS


@pytest.fixture
def small(monkeypatch):
    "Parts of one shard, a shard of few crops: many parts from a small store"
    monkeypatch.setattr(parts, 'PART', 1)


def network(seed=0, **changes):
    torch.manual_seed(seed)
    model = CytoselfFull(size=64, n_classes=2, n_codes=16, hidden=8, decoder_width=16, **changes).eval()
    model.extra = dict(channels='protein+distance')
    return model


@pytest.fixture(scope='module')
def many(tmp_path_factory):
    "A store of 240 crops in shards of a few"
    from cytoself_nb.data import open_store, write_store
    folder, rng = tmp_path_factory.mktemp('many'), np.random.default_rng(0)
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


# ---- what has changed since the plan

@pytest.fixture
def few(small, tmp_path, monkeypatch):
    "A function that writes twelve crops in three shards, other pixels for another seed, and opens the store"
    from cytoself_nb import data

    def shards(path, n, c, size, attrs):
        codecs = zarr.codecs.BloscCodec(cname='lz4'), zarr.codecs.Crc32cCodec()
        return zarr.create_array(path, shape=(n, c, size, size), dtype='float16', chunks=(4, 1, size, size), shards=(4, c, size, size), compressors=codecs, attributes=attrs)

    def write(seed=0):
        shutil.rmtree(tmp_path/'few.zarr', ignore_errors=True)
        x = np.random.default_rng(seed).random((12, 2, 64, 64)).astype(np.float32)
        return data.write_store(tmp_path/'few.zarr', x, pd.DataFrame(dict(protein=['a']*12, fov=[f'f{k % 5}' for k in range(12)], split='test')), ['protein', 'distance'])
    monkeypatch.setattr(data, '_new_images', shards)
    return write


def test_parts_of_images_that_were_changed_are_made_again(few, tmp_path):
    "Equal labels, equal weights, equal path: only the pixels are others"
    parts.plan_parts(few(), network(quantize=False), tmp_path/'p')
    assert len(list(parts._embed_parts(tmp_path/'p', [0, 1]))) == 2 and parts.missing_parts(tmp_path/'p') == [2]
    parts.plan_parts(few(), network(quantize=False), tmp_path/'p')
    assert parts.missing_parts(tmp_path/'p') == [2], 'the same images, cut again'
    found, anew = (whole(parts.embed_store(few(1), network(quantize=False), tmp_path/name, workers=1), 'X') for name in 'pq')
    assert np.array_equal(found, anew) and not np.isclose(found[:4], found[4:8], rtol=1e-6, atol=0).all()


def test_a_worker_of_an_earlier_plan_writes_nothing_into_the_next(few, tmp_path, monkeypatch):
    store = few()
    parts.plan_parts(store, network(quantize=False), tmp_path/'p')
    old = parts._embed_parts(tmp_path/'p', [0, 1, 2])
    next(old)
    true = parts.embed_part

    def slow(*args):
        "The next plan is made while a part is computed"
        found = true(*args)
        parts.plan_parts(store, network(1, quantize=False), tmp_path/'p')
        return found
    monkeypatch.setattr(parts, 'embed_part', slow)
    next(old)
    monkeypatch.undo()
    monkeypatch.setattr(parts, 'PART', 1)
    assert parts.missing_parts(tmp_path/'p') == [0, 1, 2]
    with pytest.raises(ValueError, match='another plan is in .* now'): next(old)
    found, anew = (whole(parts.embed_store(store, network(1, quantize=False), tmp_path/name, workers=1), 'X') for name in 'pq')
    assert np.array_equal(found, anew)


def test_a_worker_is_told_whom_to_end_with(monkeypatch, tmp_path):
    told = []
    monkeypatch.setattr(parts.subprocess, 'Popen', lambda command, **options: command)
    monkeypatch.setattr(parts, '_end_with_parent', told.append)
    command = parts._start(tmp_path, [3, 4])
    parts.main(command[command.index('cytoself_nb.parts') + 1:])
    assert told == [os.getpid()]
    parts.main([str(tmp_path), '--share', '0/2'])
    assert told == [os.getpid()], 'a task of an array job has no parent that stays'


def test_noise_and_background_of_each_crop_are_in_the_embedding(many, small, tmp_path):
    from cytoself_nb.maps import read_embedding
    from cytoself_nb.apply import image_numbers
    made = parts.embed_store(many, network(), tmp_path/'p', workers=1)
    found = whole(made, 'images')
    assert found.shape == (240, 2) and np.array_equal(found, image_numbers(many.images[:]).to_numpy())
    assert np.allclose(found[:, 1], .05, atol=.02) and (found[:, 0] > .2).all(), 'even numbers from 0 to 1'
    parts.embed_folder(many.path, network(), tmp_path/'e.h5ad', workers=1, umap=False)
    e = read_embedding(tmp_path/'e.h5ad')
    assert np.allclose(np.sort(e.obs[['image_noise', 'image_background']], axis=0), np.sort(found, axis=0)), 'a store in another order'
    assert set(e.obs) - set(many.labels) <= OWN_COLUMNS, 'a column that embedding adds would replace one of the table'


# ---- what can't be read

@pytest.mark.parametrize('harm', [lambda raw: raw[:len(raw)//2], lambda raw: b'', lambda raw: b'text'*100])
def test_a_part_that_cannot_be_read_is_deleted_and_made_again(harm, few, tmp_path):
    store = few()
    made = parts.embed_store(store, network(), tmp_path/'p', workers=1)
    made[1].write_bytes(harm(made[1].read_bytes()))
    with pytest.raises(ValueError, match='000001.npz can.t be read .*start the same command again'): parts.merge_parts(tmp_path/'x.h5ad', made, store.labels, {})
    assert parts.missing_parts(tmp_path/'p') == [1]
    parts.merge_parts(tmp_path/'x.h5ad', parts.embed_store(store, network(), tmp_path/'p', workers=1), store.labels, {})


@pytest.mark.parametrize('text', ['', '{"store": ', '[]', '{}'])
def test_a_plan_that_cannot_be_read_is_made_again(text, few, tmp_path):
    store = few()
    parts.plan_parts(store, network(), tmp_path/'p')
    (tmp_path/'p/plan.json').write_text(text)
    with pytest.raises(ValueError, match='has no plan that can be read'): parts.missing_parts(tmp_path/'p')
    assert len(parts.plan_parts(store, network(), tmp_path/'p')['parts']) == len(parts.missing_parts(tmp_path/'p')) == 3


@pytest.mark.parametrize('workers', [0, -1, -5])
def test_less_than_one_worker_is_refused_before_crops_are_cut(workers, tmp_path, monkeypatch):
    monkeypatch.setattr(parts, 'applied_store', lambda *args: pytest.fail('crops were cut'))
    with pytest.raises(ValueError, match=f'workers={workers}; expected the number of processes, 1 or more'): parts.embed_folder(tmp_path, network(), tmp_path/'x.h5ad', workers=workers)
    with pytest.raises(ValueError, match='1 or more'): parts.run_parts(tmp_path, workers)


@pytest.mark.parametrize('name', ['mine.csv', 'mine', 'mine.h5'])
def test_an_embedding_is_written_as_h5ad_or_refused_before_anything_is_made(name, tmp_path):
    with pytest.raises(ValueError, match='expected a name that ends with .h5ad'): parts.embed_folder(tmp_path, None, tmp_path/name)
    assert not list(tmp_path.iterdir())
