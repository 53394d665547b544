"Preprocessing: bad stacks, killed runs, workers, distances and crops; the notebook shows the good ones"
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from scipy import ndimage as ndi

from test_images import field, ome
from test_stacks import stack, write

from cytoself_nb.preprocessing import (bright_nuclei, cut_crops, distance_from_nucleus, find_nuclei, judge_nuclei, prepare_stack, prepare_stacks,
                                       read_stacks, reduce_labels, sharpness, signed_distance, unit_range)


def discs(image, diameter=None):
    "A plain segmenter: everything brighter than half of the maximum"
    return ndi.label(image > image.max()/2)[0]


@pytest.fixture
def screen(tmp_path):
    "Six stacks of two proteins with their table"
    folder = tmp_path/'screen'; folder.mkdir()
    for k in range(6): write(folder/f's{k}.ome.tif', stack(k))
    pd.DataFrame(dict(file=[f's{k}.ome.tif' for k in range(6)], protein=list('AAABBB'), field=[1, 2, 3]*2, localization='nucleus', drug=list('xyxyxy'))).to_csv(folder/'stacks.csv', index=False)
    return folder


# ---- bad stacks

@pytest.mark.parametrize('change, says', [
    (lambda f: f.write_bytes(b'not a picture'), 'damaged or cut short'),
    (lambda f: f.write_bytes(b''), 'is empty'),
    (lambda f: f.unlink(), 'no file'),
    (lambda f: write(f, stack()[0], 'ZYX', ['protein']), 'one channel'),
    (lambda f: write(f, stack().astype(np.float32)*np.inf), 'NaN or infinite'),
    (lambda f: write(f, stack()*0), 'constant in the protein channel'),
    (lambda f: write(f, np.stack([stack(), stack()]), 'TCZYX'), 'time points'),
    (lambda f: write(f, stack(), names=['GFP', 'DAPI']), "called GFP, DAPI, without protein, nucleus"),
    (lambda f: write(f, stack(side=150)), 'expected 100 x 100 at least'),
    (lambda f: write(f, np.swapaxes(stack(), 0, 1), 'CZYX', list('abc')), 'without protein'),
    (lambda f: tifffile.imwrite(f, stack(), photometric='minisblack', metadata=None, ome=False), 'expected C, Z, Y, X in any order'),
])
def test_a_bad_stack_gets_its_sentence_and_the_others_their_crops(change, says, screen, tmp_path):
    before = read_stacks(screen, tmp_path/'good', segment=discs, workers=1)[1]
    change(screen/'s2.ome.tif')
    with pytest.warns(UserWarning, match='1 of 6 stacks could not be used, first s2.ome.tif'):
        source, labels, _ = read_stacks(screen, tmp_path/'work', segment=discs, workers=1)
    rejects = pd.read_csv(tmp_path/'work/rejects.csv')
    assert rejects.file.tolist() == ['s2.ome.tif'] and says in rejects.reason[0]
    pd.testing.assert_frame_equal(labels, before[before.fov != 'A_3'].reset_index(drop=True))
    assert len(source.read(np.arange(len(labels)))) == source.shape[0] == len(labels)


def test_no_nucleus_and_a_broken_segmenter(screen, tmp_path):
    nothing = lambda image, diameter: np.zeros(image.shape, int)
    with pytest.raises(ValueError, match='none of the 6 stacks could be used, first s0.ome.tif: no nucleus was found'): prepare_stacks(screen, tmp_path/'work', nothing, workers=1)
    def broken(image, diameter): raise KeyError('weights')
    with pytest.raises(ValueError, match="first s0.ome.tif: KeyError: 'weights'"): prepare_stacks(screen, tmp_path/'work', broken, workers=1)
    assert len(pd.read_csv(tmp_path/'work/rejects.csv')) == 6 and not list((tmp_path/'work').glob('*.npy'))


def test_a_repaired_stack_is_taken_in(screen, tmp_path):
    good = (screen/'s4.ome.tif').read_bytes()
    (screen/'s4.ome.tif').write_bytes(good[:1000])
    assert prepare_stacks(screen, tmp_path/'work', discs, workers=1)[2].file.tolist() == ['s4.ome.tif']
    (screen/'s4.ome.tif').write_bytes(good)
    assert not len(prepare_stacks(screen, tmp_path/'work', discs, workers=1)[2])
    assert not len(pd.read_csv(tmp_path/'work/rejects.csv'))


def test_only_a_changed_stack_is_done_again(screen, tmp_path):
    calls = []
    def spy(image, diameter): calls.append(1); return discs(image, diameter)
    prepare_stacks(screen, tmp_path/'work', spy, workers=1)
    prepare_stacks(screen, tmp_path/'work', spy, workers=1)
    assert len(calls) == 6
    write(screen/'s1.ome.tif', stack(9))
    prepare_stacks(screen, tmp_path/'work', spy, workers=1)
    assert len(calls) == 7 and not list((tmp_path/'work').glob('.*'))     # nothing half written


def test_full_disk_stops_the_run(screen, tmp_path, monkeypatch):
    def full(*a, **k): raise OSError(28, 'No space left on device')
    monkeypatch.setattr(np, 'save', full)
    with pytest.raises(OSError, match='No space'): prepare_stacks(screen, tmp_path/'work', discs, workers=1)
    monkeypatch.undo()
    assert not list((tmp_path/'work').glob('*.json'))
    assert len([r for r in prepare_stacks(screen, tmp_path/'work', discs, workers=1)[0] if r]) == 6


# ---- many stacks

def crops_of(work): return {f.name: f.read_bytes() for f in sorted(Path(work).glob('*.npy'))}


def test_one_and_two_workers_give_the_same_bytes(screen, tmp_path):
    (screen/'s1.ome.tif').write_bytes(b'broken')
    rejects = [prepare_stacks(screen, tmp_path/f'by{n}', discs, workers=n)[2] for n in (1, 2)]
    pd.testing.assert_frame_equal(*rejects)
    assert len(crops_of(tmp_path/'by1')) == 5 and crops_of(tmp_path/'by1') == crops_of(tmp_path/'by2')


def test_a_cluster_by_its_address(screen, tmp_path):
    from distributed import LocalCluster
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None, processes=False) as cluster:
        prepare_stacks(screen, tmp_path/'there', discs, address=cluster.scheduler_address)
    prepare_stacks(screen, tmp_path/'here', discs, workers=1)
    assert crops_of(tmp_path/'there') == crops_of(tmp_path/'here')


def test_no_cluster_at_the_address(screen, tmp_path):
    with pytest.raises(OSError, match='no dask cluster answers at tcp://127.0.0.1:9'): prepare_stacks(screen, tmp_path/'work', discs, address='tcp://127.0.0.1:9')


def test_a_killed_run_continues(screen, tmp_path):
    "SIGKILL while the third field is segmented; the fields that were done are not done again"
    program = textwrap.dedent("""
        import sys, time
        from pathlib import Path
        from scipy import ndimage as ndi
        from cytoself_nb.preprocessing import prepare_stacks
        count = Path(sys.argv[3])
        def slow(image, diameter):
            with count.open('a') as f: f.write('.')
            if sys.argv[4] == 'hang' and len(count.read_text()) == 3: time.sleep(60)
            return ndi.label(image > image.max()/2)[0]
        slow.__qualname__ = 'slow'
        prepare_stacks(sys.argv[1], sys.argv[2], slow, workers=1)
    """)
    (tmp_path/'program.py').write_text(program)
    args = [sys.executable, '-W', 'ignore', str(tmp_path/'program.py'), str(screen), str(tmp_path/'work'), str(tmp_path/'count')]
    first = subprocess.Popen([*args, 'hang'])
    start = time.time()
    while time.time() - start < 60 and not ((tmp_path/'count').exists() and len((tmp_path/'count').read_text()) == 3): time.sleep(.1)
    os.kill(first.pid, signal.SIGKILL); first.wait()
    done = crops_of(tmp_path/'work')
    assert len(done) == 2
    times = {f: (tmp_path/'work'/f).stat().st_mtime_ns for f in done}
    subprocess.run([*args, 'go on'], check=True)
    assert (tmp_path/'count').read_text() == '.'*7                 # two done, one killed, four more
    assert {f: (tmp_path/'work'/f).stat().st_mtime_ns for f in done} == times and len(crops_of(tmp_path/'work')) == 6
    prepare_stacks(screen, tmp_path/'straight', discs, workers=1)
    assert list(crops_of(tmp_path/'work').values()) == list(crops_of(tmp_path/'straight').values())


@pytest.mark.parametrize('change', [dict(scale='crop'), dict(diameter_um=9.), dict(segment=lambda image, diameter: discs(image))])
def test_changed_settings_are_done_again(change, screen, tmp_path):
    prepare_stacks(screen, tmp_path/'work', discs, workers=1)
    keys = [json.loads(f.read_text())['key'] for f in sorted((tmp_path/'work').glob('*.json'))]
    prepare_stacks(screen, tmp_path/'work', **(dict(segment=discs) | change), workers=1)
    assert all(json.loads(f.read_text())['key'] != k for f, k in zip(sorted((tmp_path/'work').glob('*.json')), keys))


def test_label_images_instead_of_a_segmenter(screen, tmp_path):
    (tmp_path/'labels').mkdir()
    for k in range(6): tifffile.imwrite(tmp_path/f'labels/s{k}.tif', discs(stack(k).max(1)[1]).astype(np.int32))
    (tmp_path/'labels/s5.tif').unlink()
    with pytest.warns(UserWarning, match='no label image s5.tif'): labels = read_stacks(screen, tmp_path/'work', segment=tmp_path/'labels', workers=1)[1]
    plain = read_stacks(screen, tmp_path/'plain', segment=discs, workers=1)[1]
    plain = plain[plain.fov != 'B_3']
    assert labels.fov.tolist() == plain.fov.tolist() and (labels[['y', 'x']] - plain[['y', 'x']]).abs().max().max() <= 1


# ---- tables

def test_labels_and_source_belong_together(screen, tmp_path):
    source, labels, channels = read_stacks(screen, tmp_path/'work', segment=discs, workers=1)
    assert channels == ['protein', 'nucleus', 'distance'] and {'protein', 'fov', 'localization', 'drug', 'y', 'x'} <= set(labels)
    rows = np.array([0, len(labels)//2, len(labels) - 1])
    for x, r in zip(source.read(rows), labels.iloc[rows].itertuples()):
        f = prepare_stack(screen/r.file, discs)
        square = np.stack([*unit_range(f.image), f.distance])[:, r.y-50:r.y+50, r.x-50:r.x+50]
        np.testing.assert_allclose(x, square, atol=6e-4)
    nuclei, fields = (pd.read_csv(tmp_path/f'work/{n}.csv') for n in ('nuclei', 'fields'))
    assert nuclei.reason.isna().sum() == len(labels) == fields.crops.sum() and set(nuclei.reason.dropna()) <= {'too near the edge', 'cut by the edge', 'too small', 'too large'}


def test_the_pixel_size_of_the_table_overrides_the_file(screen, tmp_path):
    table = pd.read_csv(screen/'stacks.csv')
    table.assign(pixel_um=[.4]*6).to_csv(screen/'stacks.csv', index=False)
    read_stacks(screen, tmp_path/'work', segment=discs, workers=1)
    assert set(pd.read_csv(tmp_path/'work/fields.csv').height) == {260}


def test_the_width_of_a_nucleus_may_be_given(screen, tmp_path):
    pd.read_csv(screen/'stacks.csv').assign(diameter_um=[9., *[None]*5]).to_csv(screen/'stacks.csv', index=False)
    asked = []
    def spy(image, diameter): asked.append(diameter); return discs(image, diameter)
    _, labels, _ = read_stacks(screen, tmp_path/'work', segment=spy, workers=1)
    assert sorted(asked) == pytest.approx([9/.4, *[15/.4]*5]) and 'diameter_um' not in labels


def test_channels_file(screen, tmp_path):
    plain = read_stacks(screen, tmp_path/'plain', segment=discs, workers=1)[0]
    for k in range(6): write(screen/f's{k}.ome.tif', stack(k)[::-1], names=['a', 'b'])
    (screen/'channels.txt').write_text('nucleus\nprotein\n')
    turned = read_stacks(screen, tmp_path/'turned', segment=discs, workers=1)[0]
    np.testing.assert_array_equal(plain.read(np.arange(3)), turned.read(np.arange(3)))


def test_data_without_stacks_get_a_sentence(tmp_path, monkeypatch):
    from cytoself_nb.core import open_run
    from cytoself_nb.runs import read_run_stacks, stack_folder
    monkeypatch.setenv('CYTOSELF_NB_OUT', str(tmp_path))
    assert stack_folder(open_run('hpa5', 'smoke')) is None
    with pytest.raises(FileNotFoundError, match="data='hpa5' has no stacks"): read_run_stacks(open_run('hpa5', 'smoke'))


# ---- distance

def brute_distance(labels):
    "Half a pixel less than the way to the nearest pixel of another label"
    yx = np.argwhere(np.ones(labels.shape, bool)); l = labels.ravel()
    d = np.sqrt(((yx[:, None] - yx[None])**2).sum(-1)); d[l[:, None] == l[None]] = np.inf
    return (np.where(l > 0, 1, -1)*(d.min(1) - .5)).reshape(labels.shape)


def test_distance_against_all_pairs():
    labels = np.zeros((30, 34), int); labels[3:14, 4:15], labels[3:14, 15:25], labels[18:26, 8:30] = 1, 2, 3
    np.testing.assert_allclose(signed_distance(labels)*100, brute_distance(labels), atol=.75)   # corners: the border is a chain of pixels
    assert (np.sign(signed_distance(labels)) == np.where(labels > 0, 1, -1)).all()


def test_distance_is_clipped_and_turns_with_the_image():
    labels = np.zeros((20, 300), int); labels[5:15, 5:15] = 1
    d = signed_distance(labels)
    assert d[10, -1] == -1
    np.testing.assert_allclose(signed_distance(labels.T), d.T)


def test_distance_of_crops_scales_with_their_width():
    small = (np.hypot(*(np.mgrid[:50, :50] - 24.5)) < 12)*100.
    large = small.repeat(2, 0).repeat(2, 1)
    far = [distance_from_nucleus(x[None], lambda image, d: (image > 50).astype(int))[0] for x in (small, large)]
    np.testing.assert_allclose(far[1][::2, ::2], far[0], atol=.02)


def test_mirrored_margin_keeps_cut_nuclei():
    image = np.zeros((200, 200)); image[80:110, :12] = image[80:110, 90:120] = 100
    labels = find_nuclei(image, lambda i, d: ndi.label(i > 50)[0])
    assert (labels > 0).sum() == 30*12 + 30*30
    assert judge_nuclei(labels).reason.tolist() == ['cut by the edge', '']


def test_crops_are_the_pixels_around_the_centre():
    image = np.arange(2*150*160).reshape(2, 150, 160)
    crops = cut_crops(image, pd.DataFrame(dict(y=[50, 100], x=[50, 110])))
    np.testing.assert_array_equal(crops[0], image[:, :100, :100]); np.testing.assert_array_equal(crops[1], image[:, 50:, 60:])
    assert (crops[:, :, 50, 50] == image[:, [50, 100], [50, 110]].T).all()


def test_a_script_without_main_guard_gets_a_sentence(screen, tmp_path):
    (tmp_path/'script.py').write_text(f'from cytoself_nb.preprocessing import prepare_stacks\nprepare_stacks({str(screen)!r}, {str(tmp_path/"work")!r}, workers=2)\n')
    done = subprocess.run([sys.executable, '-W', 'ignore', str(tmp_path/'script.py')], capture_output=True, text=True)
    assert done.returncode and "a script has to call this below if __name__ == '__main__'" in done.stderr.strip().splitlines()[-1]


# ---- parts

def test_labels_are_checked_and_brought_to_size():
    image = np.zeros((20, 30)); image[5:15, 5:15] = 9
    twice = (image > 0).astype(int).repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(find_nuclei(image, twice), image > 0)
    np.testing.assert_array_equal(reduce_labels(np.arange(16).reshape(4, 4), (2, 2)), [[5, 7], [13, 15]])
    with pytest.raises(ValueError, match='expected an image of whole numbers'): find_nuclei(image, image)
    with pytest.raises(ValueError, match=r'labels have the shape \(9, 10\)'): find_nuclei(image, np.ones((9, 10), int))
    with pytest.raises(ValueError, match='no nucleus was found'): find_nuclei(image, image.astype(int)*0)


def test_reasons():
    labels = np.zeros((200, 200), int)
    labels[:20, 90:110], labels[90:110, 90:110], labels[60:75, 100:115] = 1, 2, 3       # cut by the edge, 64 µm², 36 µm²
    labels[30:50, 60:80] = 4
    assert judge_nuclei(labels).reason.tolist() == ['cut by the edge', '', 'too small', 'too near the edge']
    assert judge_nuclei(labels, (1, 50)).reason.tolist() == ['cut by the edge', 'too large', '', 'too large']


def test_a_field_without_a_crop_says_why(screen):
    path = screen/'s0.ome.tif'
    only = lambda image, diameter: np.where(np.arange(image.shape[1]) < 40, discs(image), 0)
    with pytest.raises(ValueError, match=r'1 nuclei, none to be cropped \(1 too (near the edge|small)\)'): prepare_stack(path, only)
    with pytest.raises(ValueError, match='expected field or crop'): prepare_stack(path, discs, scale='plate')


def test_a_hot_pixel_changes_nothing_and_light_no_sharpness():
    x = np.random.default_rng(0).random((1, 100, 100)); hot = x.copy(); hot[0, 3, 3] = 60_000
    np.testing.assert_allclose(unit_range(hot)[0, 50], unit_range(x)[0, 50], atol=.02)
    assert np.isclose(sharpness(x[0]), sharpness(3*x[0] + 100), rtol=1e-4)
    assert np.all(np.diff([sharpness(ndi.gaussian_filter(x[0], s)) for s in (0, 1, 2, 4)]) < 0)


def test_crops_without_a_nucleus():
    disc = (np.hypot(*(np.mgrid[:128, :128] - 64)) < 30)*200. + np.random.default_rng(0).poisson(20, (128, 128))
    assert np.unique(distance_from_nucleus(np.stack([disc, disc*0 + 20]), diameter=60)[1]) == [-1]
    with pytest.raises(ValueError, match='no nucleus in any of the 2 images'): distance_from_nucleus(np.zeros((2, 64, 64)))
    assert not bright_nuclei(disc*0).any()


# ---- whose pixels, whose nuclei, and what has changed

def test_the_same_pixels_under_another_name_are_in_one_row(screen, tmp_path):
    "Compressed otherwise, of another type, with another pixel size: still the same cells"
    write(screen/'s1.ome.tif', stack(0).astype(np.uint32), compression='zlib')
    write(screen/'s4.ome.tif', stack(2))
    with pytest.warns(UserWarning, match='3 of 6 stacks'): labels = read_stacks(screen, tmp_path/'work', segment=discs, workers=1)[1]
    reasons = pd.read_csv(tmp_path/'work/rejects.csv').set_index('file').reason
    assert reasons['s1.ome.tif'] == 'has the same pixels as s0.ome.tif, brightness aside'
    assert reasons['s2.ome.tif'] == 'has the same pixels as s4.ome.tif, brightness aside, which is given another protein' and 's4.ome.tif' in reasons
    assert set(labels.file) == {'s0.ome.tif', 's3.ome.tif', 's5.ome.tif'}


def test_a_dead_stack_with_a_hot_pixel_stops_nothing(screen, tmp_path):
    from cytoself_nb.data import write_store
    x = stack(1); x[0] = 7; x[0, 0, 3, 4] = 60_000
    write(screen/'s1.ome.tif', x)
    with pytest.warns(UserWarning, match='1 of 6 stacks'): source, labels, channels = read_stacks(screen, tmp_path/'work', segment=discs, workers=1)
    assert 'one value but for a few pixels' in pd.read_csv(tmp_path/'work/rejects.csv').reason[0]
    assert len(write_store(tmp_path/'s.zarr', source, labels.drop(columns='fov'), channels).labels) == len(labels) > 0


def test_each_stack_has_its_own_label_image(screen, tmp_path):
    "In the same subfolder, or by a column; never one for two"
    masks = tmp_path/'masks'
    for w in ('w1', 'w2'):
        (screen/w).mkdir(); (masks/w).mkdir(parents=True)
        write(screen/f'{w}/image.ome.tif', stack(int(w[1])))
        tifffile.imwrite(masks/f'{w}/image.tif', discs(stack(int(w[1])).max(1)[1]).astype(np.int32))
    table = pd.DataFrame(dict(file=['w1/image.ome.tif', 'w2/image.ome.tif'], protein=['A', 'B']))
    table.to_csv(screen/'stacks.csv', index=False)
    right = read_stacks(screen, tmp_path/'plain', segment=discs, workers=1)[1][['y', 'x']]
    got = read_stacks(screen, tmp_path/'work', segment=masks, workers=1)[1]
    assert got.fov.unique().tolist() == ['A_w1/image', 'B_w2/image'] and (got[['y', 'x']] - right).abs().max().max() <= 1
    table.assign(mask=['../masks/w1/image.tif', '../masks/w2/image.tif']).to_csv(screen/'stacks.csv', index=False)
    pd.testing.assert_frame_equal(read_stacks(screen, tmp_path/'column', workers=1)[1], got)
    table.assign(mask='../masks/w1/image.tif').to_csv(screen/'stacks.csv', index=False)
    with pytest.raises(ValueError, match='the label image image.tif belongs to 2 stacks, w1/image.ome.tif and w2/image.ome.tif'): read_stacks(screen, tmp_path/'column', workers=1)
    table.to_csv(screen/'stacks.csv', index=False)
    (masks/'w1/image.tif').rename(masks/'image.tif'); (masks/'w2/image.tif').unlink()
    with pytest.raises(ValueError, match='belongs to 2 stacks'): read_stacks(screen, tmp_path/'one', segment=masks, workers=1)
    tifffile.imwrite(masks/'image.tif', np.ones((300, 400), np.uint8)*(np.arange(400) < 200))
    with pytest.raises(ValueError, match=r'labels have the shape \(300, 400\), the stack 260 x 260 pixels'): prepare_stack(screen/'w1/image.ome.tif', tifffile.imread(masks/'image.tif'))


def test_two_files_that_change_places_are_prepared_again(screen, tmp_path):
    read_stacks(screen, tmp_path/'work', segment=discs, workers=1)
    a, b = screen/'s0.ome.tif', screen/'s1.ome.tif'
    os.utime(a, ns=(1, 1)); os.utime(b, ns=(1, 1))
    first = read_stacks(screen, tmp_path/'work', segment=discs, workers=1)[0].read(np.arange(1))
    a.rename(screen/'t'); b.rename(a); (screen/'t').rename(b)
    assert (read_stacks(screen, tmp_path/'work', segment=discs, workers=1)[0].read(np.arange(1)) != first).any()


@pytest.mark.parametrize('size, fits', [(400, True), (200, True), (100, True), (133, True), (800, True), (396, False), (404, False), (390, False), (350, False)])
def test_label_images_of_another_size(size, fits):
    "Reduced by a whole number, or cropped?"
    from cytoself_nb.preprocessing import _check_labels
    labels = np.zeros((size, size), int); labels[size//4:size//2, size//4:size//2] = 1
    check = lambda: _check_labels(labels, (400, 400), np.zeros((2, 200, 200)))
    if fits: assert check().shape == (200, 200) and abs(np.argwhere(check()).mean(0) - 74.5).max() < 1
    else:
        with pytest.raises(ValueError, match='expected the same'): check()


def test_a_number_that_two_nuclei_share():
    labels = np.zeros((300, 300), int)
    labels[60:100, 60:100], labels[200:240, 200:240], labels[60:100, 200:240], labels[62, 245] = 1, 1, 2, 2
    assert judge_nuclei(labels).reason.tolist() == ['in several pieces', '']


@pytest.mark.parametrize('period', [2, 2.3, 2.5, 3, 3.5, 4, 6])
def test_a_fine_texture_is_no_noise(period):
    y, x = np.indices((100, 100))
    dots = (y % period == 0)*(x % period == 0)*1. if period == int(period) else x*1.
    for wave in (np.cos(2*np.pi*y/period)*np.cos(2*np.pi*x/period), np.cos(2*np.pi*(y + x)/period), dots):
        assert unit_range(100*wave + np.random.default_rng(0).normal(0, 1, wave.shape)).max() > .85


def test_odd_images_in_one_range():
    rng, (y, x) = np.random.default_rng(0), np.indices((100, 100))
    noise = rng.normal(100, 5, (100, 100))
    for a in ((y + x)//20 % 2, ((y + x)//20 % 2).astype(bool), (y + x)//20 % 2*255, noise + 500*(rng.random(y.shape) < .02), np.kron(noise[:50, :50] + 300*(y[:50, :50] > 25), np.ones((2, 2))), np.eye(3), np.arange(16).reshape(4, 4)): assert unit_range(a).max() == 1 and unit_range(a).min() == 0
    for a in (noise, np.round(noise/5), rng.integers(0, 2, y.shape), rng.poisson(.5, y.shape)): assert unit_range(a).max() < .75
    assert unit_range(np.full((9, 9), 7)).max() == 0 and unit_range(np.zeros((0, 2, 9, 9))).shape == (0, 2, 9, 9)
    for bad in (np.nan, np.inf):
        holed = noise.copy(); holed[:2, :2] = bad
        got = unit_range(np.stack([holed, noise]))
        assert np.isnan(got).sum() == 4 and np.nanmax(np.abs(got[0] - got[1])) < .01
    np.testing.assert_allclose(unit_range((y//34 + 2**31).astype(np.uint32)), unit_range(y//34))


def test_memory_of_a_field_is_bounded(tmp_path):
    "A large field with a nucleus every 20 µm: 25 bytes a raw pixel at most, crops included"
    if sys.platform != 'linux': pytest.skip('reads /proc')
    for name, k in (('small', 1), ('large', 5)): ome(tmp_path/f'{name}.ome.tif', np.tile(field(planes=1), (1, 1, k, k)))
    program = ("import sys; from cytoself_nb.preprocessing import prepare_stack\n"
               "held = lambda w: next(int(l.split()[1]) for l in open('/proc/self/status') if l.startswith(w))\n"
               "prepare_stack(sys.argv[1]); open('/proc/self/clear_refs', 'w').write('5'); before = held('VmRSS')\n"
               "crops = prepare_stack(sys.argv[2]).crops; print(len(crops), (held('VmHWM') - before)*1024)")
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', program, *(str(tmp_path/f'{n}.ome.tif') for n in ('small', 'large'))], capture_output=True, text=True, check=True)
    n, held = map(int, done.stdout.split())
    assert n > 300 and held < 25*2000**2


@pytest.mark.parametrize('scale', ['field', 'crop'])
def test_crops_cut_in_parts_are_those_cut_at_once(scale, tmp_path):
    ome(tmp_path/'a.ome.tif', np.tile(field(planes=1), (1, 1, 5, 5)))
    f = prepare_stack(tmp_path/'a.ome.tif', scale=scale)
    kept = f.nuclei[f.nuclei.reason == '']
    raw = cut_crops(f.image, kept)
    assert len(kept) == len(f.crops) > 256
    np.testing.assert_array_equal(f.crops[:, :2], (cut_crops(unit_range(f.image), kept) if scale == 'field' else unit_range(raw)).astype(np.float16))
    np.testing.assert_array_equal(f.crops[:, 2], cut_crops(f.distance[None], kept)[:, 0].astype(np.float16))
    np.testing.assert_allclose(kept.protein_mean, raw[:, 0].mean((1, 2)), atol=.01)


def test_time_points_and_copies_that_no_checksum_finds_are_said(tmp_path, monkeypatch, recwarn):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(5)
    def place(seed):
        x = field(seed).astype(float); spots = ndi.gaussian_filter(np.random.default_rng(seed).random(x.shape[2:]), 8)
        x[0] += 2000*(spots - spots.min()); return x
    x = place(0)
    for t in range(2): ome(f'{"ab"[t]}.ome.tif', rng.poisson(np.roll(x, t, -1)).astype(np.uint16))
    ome('c.ome.tif', place(1).astype(np.uint16)); ome('d.ome.tif', np.ascontiguousarray((x//2)[..., ::-1, :]).astype(np.uint16))
    def said(files, proteins, **more):
        pd.DataFrame(dict(file=[f'{f}.ome.tif' for f in files], protein=list(proteins), **more)).to_csv('stacks.csv', index=False)
        recwarn.clear(); read_stacks('.', 'work', segment=discs, workers=1)
        return [str(w.message) for w in recwarn if 'alike' in str(w.message)]
    assert len(s := said('abc', 'AAA')) == 1 and '1 pair of stacks looks alike, first a.ome.tif and b.ome.tif: copies, or time points' in s[0]
    assert said('abc', 'AAA', field=[1, 1, 2]) == [] == said('ac', 'AA')
    assert '(1 of two proteins)' in said('acd', 'AAB')[0]

@pytest.mark.parametrize('damage', [b'', b'{}', b'[]', b'{"key": ', None])
def test_a_damaged_record_is_made_again(damage, screen, tmp_path):
    want = read_stacks(screen, tmp_path/'work', segment=discs, workers=1)[0].read(np.arange(3))
    record = sorted((tmp_path/'work').glob('s0*.json'))[0]
    if damage is None: record.with_suffix('.npy').write_bytes(record.with_suffix('.npy').read_bytes()[:1000])
    else: record.write_bytes(damage)
    np.testing.assert_array_equal(read_stacks(screen, tmp_path/'work', segment=discs, workers=1)[0].read(np.arange(3)), want)

def test_each_kind_of_doubt_in_its_own_words(tmp_path, monkeypatch, recwarn):
    monkeypatch.chdir(tmp_path)
    gap = field(1); gap[0] += 400; gap[0, :, :40, :40] = 0
    ome('a.ome.tif', field(0)); ome('gap.ome.tif', gap); ome('big.ome.tif', field(2), PhysicalSizeX=.35, PhysicalSizeY=.35)
    pd.DataFrame(dict(file=['a.ome.tif', 'gap.ome.tif', 'big.ome.tif'], protein=list('ABC'))).to_csv('stacks.csv', index=False)
    read_stacks('.', 'work', segment=discs, workers=1)
    said = [str(w.message) for w in recwarn]
    assert any('1 of 3 stacks have 0 in 1.0%' in s and 'first gap.ome.tif; fill that' in s and 'pixel_um' not in s for s in said)
    assert any('1 of 3 stacks have nuclei' in s and 'first big.ome.tif; check pixel_um' in s for s in said)

def test_what_is_wrong_with_a_table_is_said_once(screen, tmp_path, recwarn):
    t = pd.read_csv(screen/'stacks.csv').assign(protein=['a', 'a', 'a', 'A', 'A', 'A'], split='train', site=1, field=['1', '01', '2']*2)
    t.to_csv(screen/'stacks.csv', index=False)
    import warnings
    warnings.simplefilter('always'); read_stacks(screen, tmp_path/'work', segment=discs, workers=1)
    said = [str(w.message) for w in recwarn]
    assert len([s for s in said if 'differ only in capitals' in s]) == 2 and len(said) == len(set(said)) and any('travels as' in s for s in said)


def test_a_segmenter_that_gives_a_mask_is_refused():
    "Else two nuclei are one"
    image = np.zeros((60, 60))
    image[5:20, 5:20] = image[35:50, 35:50] = 1
    with pytest.raises(ValueError, match='a mask of 2 objects; expected a number for each nucleus'): find_nuclei(image, lambda x, diameter: x > 0)
    assert find_nuclei(image[:30, :30], lambda x, diameter: x > 0).max() == 1


def test_doubts_are_said_where_stacks_are_prepared(tmp_path):
    "Not only where their crops are read: a pixel size that nobody told, label images of other fields"
    for k in range(2): tifffile.imwrite(tmp_path/f'{k}.tif', field(k), photometric='minisblack', metadata=dict(axes='CZYX'))
    (tmp_path/'channels.txt').write_text('protein\nnucleus\n')
    pd.DataFrame(dict(file=['0.tif', '1.tif'], protein=list('AB'))).to_csv(tmp_path/'stacks.csv', index=False)
    with pytest.warns(UserWarning, match='the pixel size of 2 of 2 stacks is not known, 0.2 µm assumed'): prepare_stacks(tmp_path, tmp_path/'work', workers=1)
