"Any folder, without a table or with an odd one: nothing merges, nothing stops at the first file"
import errno
import os
from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import tifffile

from test_images import discs, field, table
from cytoself_nb import apply
from cytoself_nb.core import open_run
from cytoself_nb.preprocessing import read_stacks
from cytoself_nb.readers import data_state
from cytoself_nb.runs import crop_store


def test_fields_without_a_table_have_their_whole_names(tmp_path):
    names = ['2026.05.01_1.ome.tif', '2026.05.01_2.ome.tif', 'w1/image.tif', 'w2/image.tif', 'w1__image.tif']
    for k, f in enumerate(names):
        (tmp_path/'in'/f).parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(tmp_path/'in'/f, np.full((2, 400, 500), k, np.uint8), photometric='minisblack')
    work, _ = apply.without_table(tmp_path/'in', tmp_path/'work')
    t = pd.read_csv(work/'stacks.csv')
    assert t.field.tolist() == ['2026.05.01_1', '2026.05.01_2', 'w1_image', 'w1__image', 'w2_image'] and t.file.nunique() == 5
    assert [tifffile.imread(work/f).max() for f in t.file] == [0, 1, 2, 4, 3]


def test_the_first_crop_may_be_damaged(tmp_path):
    for k in range(4): tifffile.imwrite(tmp_path/f'{k}.tif', np.random.default_rng(k).integers(0, 99, (2, 30, 30), np.uint8), photometric='minisblack')
    (tmp_path/'0.tif').write_bytes((tmp_path/'0.tif').read_bytes()[:300])
    work, said = apply.without_table(tmp_path, tmp_path/'work')
    assert 'read as crops' in said
    pd.DataFrame(dict(file=[f'{k}.tif' for k in range(4)], protein=list('AABB'))).to_csv(tmp_path/'labels.csv', index=False)
    found = apply.read_any(tmp_path, work)
    assert found.source.shape == (3, 2, 30, 30) and any('1 of 4 crops' in n for n in found.notes)
    for um in (0, -.2, float('nan'), 200):
        with pytest.raises(ValueError, match='expected the width of a pixel'): apply.read_any(tmp_path, work, pixel_um=um)


def test_positions_of_one_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(apply, 'read_stacks', partial(read_stacks, segment=discs))
    with tifffile.TiffWriter('m.ome.tif', ome=True) as t:
        for k, um in enumerate((.2, .4)): t.write(field(k, px=um), photometric='minisblack', metadata=dict(axes='CZYX', Name=f'P{k}', PhysicalSizeX=um, Channel=dict(Name=['protein', 'nucleus'])))
    table(file=['m.ome.tif']*2, protein=['A', 'B'], position=['P0', 'P1'])
    found = apply.read_any('.', 'work', workers=1)
    ratio = (found.labels.y_raw + .5)/(found.labels.y + .5)
    assert ratio.groupby(found.labels.protein).mean().round(1).to_dict() == {'A': 2., 'B': 1.}
    assert 'the axes CZYX' in ' '.join(apply.look_at('.'))


@pytest.mark.parametrize('um', [.13, .2, .205, .208, .15])
def test_raw_places_of_any_pixel_size(um, tmp_path, monkeypatch):
    "Whole pixels are averaged within 5 % of a whole number, so that number counts; the nuclei lie there"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(apply, 'read_stacks', partial(read_stacks, segment=discs))
    tifffile.imwrite('m.ome.tif', field(px=um, n=round(90/um)), ome=True, photometric='minisblack', metadata=dict(axes='CZYX', PhysicalSizeX=um, PhysicalSizeXUnit='µm', Channel=dict(Name=['protein', 'nucleus'])))
    table(file=['m.ome.tif'], protein=['A'])
    labels = apply.read_any('.', 'work', workers=1).labels
    true = np.arange(10/um, round(90/um), 20/um)      # centers of the nuclei, raw pixels
    for a in ('y_raw', 'x_raw'): assert len(labels) > 3 and np.abs(labels[a].to_numpy()[:, None] - true).min(1).max() < 3, labels[a].tolist()


def test_what_is_assumed_is_said_also_without_a_run(tmp_path, monkeypatch):
    "A size that nobody knows, nuclei of another width: one sentence each among the notes"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(apply, 'read_stacks', partial(read_stacks, segment=discs))
    for k in range(2): tifffile.imwrite(f'{k}.tif', field(k, px=.2 + .1*k), photometric='minisblack', metadata=dict(axes='CZYX'))
    table(file=['0.tif', '1.tif'], protein=['A', 'B'])
    open('channels.txt', 'w').write('protein\nnucleus\n')
    notes = apply.read_any('.', 'work', workers=1).notes
    assert any('the pixel size of 2 of 2 stacks is not known, 0.2 µm assumed' in n for n in notes)


def test_label_images_without_a_run(tmp_path, monkeypatch):
    "By name, with a table and without, in subfolders; those of another field are doubted"
    monkeypatch.chdir(tmp_path)
    for k in range(2):
        (tmp_path/f'in/w{k}').mkdir(parents=True)
        x = field(k); x = np.roll(x, 37*k, -1)
        tifffile.imwrite(f'in/w{k}/a.ome.tif', x, ome=True, photometric='minisblack', metadata=dict(axes='CZYX', PhysicalSizeX=.2, Channel=dict(Name=['protein', 'nucleus'])))
        (tmp_path/f'masks/w{k}').mkdir(parents=True)
        tifffile.imwrite(f'masks/w{k}/a_cp_masks.tif', discs(x[1].max(0)).astype(np.uint16))
    table('in/stacks.csv', file=['w0/a.ome.tif', 'w1/a.ome.tif'], protein=['A', 'B'])
    told = apply.read_any('in', 'work', workers=1, masks='masks')
    own = read_stacks('in', 'own', segment=discs, workers=1)[1]
    assert len(told.labels) == len(own) and not any('brighter' in n for n in told.notes)
    (tmp_path/'in/stacks.csv').unlink()
    plain = apply.read_any('in', 'plain', workers=1, masks='masks')
    np.testing.assert_array_equal(plain.source.read(np.arange(len(own))), told.source.read(np.arange(len(own))))
    masks = [tmp_path/f'masks/w{k}/a_cp_masks.tif' for k in (0, 1)]
    first, second = (m.read_bytes() for m in masks)
    masks[0].write_bytes(second); masks[1].write_bytes(first)
    assert any('not brighter than what is around them' in n for n in apply.read_any('in', 'swapped', workers=1, masks='masks').notes)
    with pytest.raises(ValueError, match='belong to stacks'):
        tifffile.imwrite(tmp_path/'crop.tif', np.zeros((2, 30, 30), np.uint8)); apply.read_any(tmp_path, 'c', masks='masks')


def test_images_of_all_kinds_are_seen(tmp_path):
    for f in ('a.czi', 'b.lif', 'c.lsm', 'd.zarr/0/c.tif', 'e.oif', 'e.oif.files/s.tif', '.f.tif', 'w/g.nd2', 'h.txt'):
        (tmp_path/f).parent.mkdir(parents=True, exist_ok=True); (tmp_path/f).write_bytes(b'x')
    assert apply.image_files(tmp_path) == ['a.czi', 'b.lif', 'c.lsm', 'd.zarr', 'e.oif', 'w/g.nd2']


def test_nothing_of_another_folder_stays_in_the_work_folder(tmp_path, monkeypatch):
    "Images without a table: links, table and channels.txt of what was looked at before"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(apply, 'read_stacks', partial(read_stacks, segment=discs))
    for k, d in enumerate(('A', 'B')):
        (tmp_path/d).mkdir()
        tifffile.imwrite(f'{d}/img1.ome.tif', field(k), ome=True, photometric='minisblack', metadata=dict(axes='CZYX', PhysicalSizeX=.2, PhysicalSizeXUnit='µm', Channel=dict(Name=['protein', 'nucleus'])))
    (tmp_path/'A/channels.txt').write_text('protein\nnucleus\n')
    a, b, fresh = (apply.read_any(d, w, workers=1).source.read(np.arange(4)) for d, w in (('A', 'w'), ('B', 'w'), ('B', 'fresh')))
    assert np.array_equal(b, fresh) and not np.array_equal(a, b) and not list((tmp_path/'w').rglob('channels.txt'))


def test_masks_and_own_results_beside_images_are_no_images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for k in range(3):
        tifffile.imwrite(f'{k}.tif', field(k)[:, 0, :60, :60], photometric='minisblack'); tifffile.imwrite(f'{k}_cp_masks.tif', (field(k)[1, 0, :60, :60] > 200).astype(np.uint8), photometric='minisblack')
    for _ in (1, 2):
        found = apply.read_any('.', 'mine.work')
        assert len(found.labels) == 3 and any('3 label images beside them' in n for n in found.notes)


def test_what_others_keep_in_the_work_folder_stays(tmp_path):
    (tmp_path/'img').mkdir(); (tmp_path/'w').mkdir(); (tmp_path/'w/thesis.txt').write_text('mine')
    tifffile.imwrite(tmp_path/'img/0.tif', field()[:, 0, :60, :60], photometric='minisblack')
    for _ in (1, 2): apply.without_table(tmp_path/'img', tmp_path/'w')
    assert (tmp_path/'w/thesis.txt').read_text() == 'mine' and (tmp_path/'w/0.tif').is_symlink()


def test_fitted_crops_that_find_no_room_are_a_sentence(tmp_path, monkeypatch):
    (tmp_path/'in').mkdir()
    for k in range(3): np.save(tmp_path/f'in/{k}.npy', np.random.default_rng(k).random((2, 64, 64)).astype(np.float32))
    model = SimpleNamespace(extra=dict(channels='protein+nucleus', card=dict(pixel_um=None)), settings=dict(size=64))
    def full(*args): raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with monkeypatch.context() as patch, pytest.raises(OSError, match='cannot write .*crops.zarr: No space left on device; free some space'):
        patch.setattr(os, 'posix_fallocate', full, raising=False)
        apply.applied_store(tmp_path/'in', model, tmp_path/'w')
    assert not list((tmp_path/'w').glob('.building*')) and len(apply.applied_store(tmp_path/'in', model, tmp_path/'w').labels) == 3
    (tmp_path/'w/notes.txt').unlink()
    apply.applied_store(tmp_path/'in', model, tmp_path/'w')
    assert 'delete crops.zarr to have them cut again' in (tmp_path/'w/notes.txt').read_text()


def test_results_beside_images_do_not_have_crops_cut_again(tmp_path, monkeypatch):
    "An embedding and its work folder, an atlas, a network, runs and their figures: all of them in the folder of the images"
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv('CYTOSELF_NB_OUT', raising=False)
    for k in range(30): np.save(f'{k}.npy', np.random.default_rng(k).random((2, 64, 64)).astype(np.float32))
    pd.DataFrame(dict(file=[f'{k}.npy' for k in range(30)], protein=list('AB')*15, field=np.arange(30)//3)).to_csv('labels.csv', index=False)
    run = open_run('.', 'smoke')
    before = data_state(run.data)
    crop_store(run)
    for f in ('mine.h5ad', 'mine.html', 'mine.safetensors', 'figures/x/map.png', 'mine.work/notes.txt'): (tmp_path/f).parent.mkdir(parents=True, exist_ok=True); (tmp_path/f).write_text('x')
    assert run.path.is_relative_to(tmp_path) and data_state(run.data) == before
    np.save('more.npy', 0)
    assert data_state(run.data) != before, 'an image more'
    (tmp_path/'some.work').mkdir(); (tmp_path/'some.work/a.npy').write_text('x')
    first = data_state(str(tmp_path/'some.work')); (tmp_path/'some.work/a.npy').write_text('xy')
    assert data_state(str(tmp_path/'some.work')) != first, 'what is asked for by name counts, whatever it is called'


def crops_in(folder, n=6, um=None, side=40, seed=0, **columns):
    "Crops of protein and nucleus as OME-TIFF, and their table"
    folder.mkdir(parents=True, exist_ok=True)
    y, x = np.mgrid[:side, :side]
    for k in range(n):
        r = np.random.default_rng(seed + k)
        image = np.stack([r.integers(0, 900, (side, side)), 900*(np.hypot(y - side/2, x - side/2) < side/4) + r.integers(0, 50, (side, side))]).astype(np.uint16)
        said = dict(PhysicalSizeX=um, PhysicalSizeXUnit='µm', PhysicalSizeY=um, PhysicalSizeYUnit='µm') if um else {}
        tifffile.imwrite(folder/f'{k}.ome.tif', image, ome=True, photometric='minisblack', metadata=dict(axes='CYX', Channel=dict(Name=['protein', 'nucleus']), **said))
    pd.DataFrame(dict(file=[f'{k}.ome.tif' for k in range(n)], protein=[f'P{k % 2}' for k in range(n)], **columns)).to_csv(folder/'labels.csv', index=False)
    return folder


def test_the_width_of_crops_is_read_from_files_and_table(tmp_path):
    "And two that contradict each other are refused"
    width = lambda *a, **k: apply.read_any(*a, **k).um
    assert width(crops_in(tmp_path/'a'), tmp_path/'w') is None and width(tmp_path/'a', tmp_path/'w', pixel_um=.5) == 20
    assert width(crops_in(tmp_path/'b', um=.2), tmp_path/'w') == pytest.approx(8) == width(tmp_path/'b', tmp_path/'w', pixel_um=.2)
    assert width(crops_in(tmp_path/'c', pixel_um=.3), tmp_path/'w') == pytest.approx(12)
    for folder, more in ((crops_in(tmp_path/'d', um=.2, pixel_um=.3), {}), (crops_in(tmp_path/'e', pixel_um=[.2, .2, .2, .4, .4, .4]), {}), (tmp_path/'b', dict(pixel_um=.4))):
        with pytest.raises(ValueError, match='pixels of crops have several widths'): apply.read_any(folder, tmp_path/'w', **more)
    with pytest.raises(ValueError, match="has 'wide'; expected the width of a pixel"): apply.read_any(crops_in(tmp_path/'f', pixel_um='wide'), tmp_path/'w')


def test_a_pixel_size_given_for_stacks_is_used_or_refused(tmp_path):
    for k in range(2): tifffile.imwrite(tmp_path/f'{k}.tif', field(k, .1, 700)[:, 1], photometric='minisblack', metadata=dict(axes='CYX'))
    (tmp_path/'channels.txt').write_text('protein\nnucleus\n')
    work, _ = apply.without_table(tmp_path, tmp_path/'w.work', None, .1)
    assert pd.read_csv(work/'stacks.csv').pixel_um.tolist() == [.1, .1]
    pd.DataFrame(dict(file=['0.tif', '1.tif'], protein=list('AB'))).to_csv(tmp_path/'stacks.csv', index=False)
    with pytest.raises(ValueError, match='write it into the column pixel_um of stacks.csv'): apply.read_any(tmp_path, tmp_path/'w', pixel_um=.1)


def test_files_keep_their_names_without_a_table(tmp_path):
    for k in range(2): crops_in(tmp_path/f'in/w{k}', 2, seed=10*k)
    for f in (tmp_path/'in').glob('*/labels.csv'): f.unlink()
    assert sorted(apply.read_any(tmp_path/'in', tmp_path/'w').labels.file) == [f'w{k}/{j}.ome.tif' for k in range(2) for j in range(2)]


def test_a_folder_of_masks_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match='nope; expected label images'): apply.read_any(crops_in(tmp_path/'a'), tmp_path/'w', masks=tmp_path/'nope')


def test_a_run_knows_the_width_of_its_own_crops(tmp_path, monkeypatch):
    "As the command embed does; a run took any for those of the network"
    from cytoself_nb.core import open_run
    from cytoself_nb.runs import micrometres
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path/'out'))
    width = lambda folder: micrometres(open_run(str(folder), 'smoke'))
    assert width(crops_in(tmp_path/'a')) is None
    assert width(crops_in(tmp_path/'b', um=.2)) == pytest.approx(8)
    assert width(crops_in(tmp_path/'c', pixel_um=.3)) == pytest.approx(12)
    assert micrometres(open_run('simulated', 'smoke')) == 40
    with pytest.raises(ValueError, match='pixels of crops have several widths'): width(crops_in(tmp_path/'d', um=.2, pixel_um=.3))
