"Volumes: cut where they should be, in the same row as their projection, quantized and mirrored as told, in bounded memory"
import numpy as np
import pandas as pd
import pytest
import tifffile
import torch

from cytoself_nb import volumes as v
from cytoself_nb.data import crop_loader, pose, write_store
from cytoself_nb.model import CytoselfFull
from cytoself_nb.spectra import histograms, protein_spectra
from cytoself_nb.training import embed

SMALL = dict(n_classes=4, size=64, n_codes=16, code_dim=8, hidden=8, decoder_width=8)


def discs(planes=16, side=260, pixel=.4, step=.5, seed=0):
    "Two channels with nuclei as cylinders of known height: (2, Z, side, side) uint16, their centers and middle planes"
    rng = np.random.default_rng(seed)
    x = rng.normal(100, 3, (2, planes, side, side))
    yx, middle = np.array([[80, 80], [80, 170], [170, 80], [170, 170]]), np.array([5, 7, 9, 6])
    y, xx = np.mgrid[:side, :side]
    for (cy, cx), m in zip(yx, middle):
        inside = (y - cy)**2 + (xx - cx)**2 < 16**2
        for z in range(m - 3, m + 4):
            x[1, z][inside] += 800
            x[0, z][inside] += 60*z + 100
    return x.clip(0).astype(np.uint16), yx, middle


def write(path, x, pixel=.4, step=.5, **more):
    "An OME-TIFF that tells its voxels"
    voxel = dict(PhysicalSizeX=pixel, PhysicalSizeY=pixel, PhysicalSizeZ=step) | {f'PhysicalSize{a}Unit': 'µm' for a in 'XYZ'} | more
    tifffile.imwrite(path, x, ome=True, metadata=dict(axes='CZYX', Channel=dict(Name=['protein', 'nucleus'])) | voxel)
    return path


def folder_of(tmp_path, n=3, **stack):
    "A folder with stacks.csv"
    for k in range(n): write(tmp_path/f's{k}.ome.tif', discs(seed=k)[0], **stack)
    pd.DataFrame(dict(file=[f's{k}.ome.tif' for k in range(n)], protein='A', field=[str(k) for k in range(n)])).to_csv(tmp_path/'stacks.csv', index=False)
    return tmp_path


def nuclei(image, diameter): return _labels(image)

def _labels(image):
    from skimage.measure import label
    return label(image > 400).astype(np.int32)


# --- planes

@pytest.mark.parametrize('step, unit, found', [(.3, 'µm', .3), (300, 'nm', .3), (None, 'µm', None)])
def test_the_distance_of_planes_is_read_or_not_known(tmp_path, step, unit, found):
    path = write(tmp_path/'a.ome.tif', discs()[0][:, :4, :50, :50], step=step or 1, PhysicalSizeZUnit=unit) if step else tmp_path/'a.tif'
    if step is None: tifffile.imwrite(path, np.zeros((4, 8, 8), np.uint16))
    assert v.plane_step(path) == (pytest.approx(found) if found else None)


def test_imagej_tells_it_too_and_pixels_are_no_length(tmp_path):
    x = np.zeros((4, 2, 8, 8), np.uint16)
    for unit, found in (('um', .4), ('pixel', None)):
        tifffile.imwrite(tmp_path/'j.tif', x, imagej=True, metadata=dict(axes='ZCYX', spacing=.4, unit=unit))
        assert v.plane_step(tmp_path/'j.tif') == found
    assert v.plane_step(tmp_path/'no.czi') is None


def test_other_distances_are_resampled_and_never_beyond_the_stack():
    ramp = lambda n, step: v.plane_weights(n, step, 8)@(np.arange(n)*step)       # height of what each new plane holds
    assert np.allclose(ramp(20, 1.), np.arange(39)*.5)
    assert np.allclose(ramp(60, .2)[1:-1], (np.arange(24)*.5)[1:-1], atol=.06)
    w = v.plane_weights(60, .2, 8)
    assert np.allclose(w.sum(1), 1) and (w >= 0).all() and len(w) == 24


@pytest.mark.parametrize('n, step, words', [(8, .5, '8 planes of 0.5 µm make 8'), (20, .1, '20 planes of 0.1 µm make 4'),
                                            (22, None, 'not told'), (22, 3., '3 µm; expected 0.05 to 2'), (1, .5, '1 planes')])
def test_what_gives_no_volume_is_refused(n, step, words):
    with pytest.raises(ValueError, match=words): v.plane_weights(n, step)


def test_a_stack_of_eight_planes_is_refused_or_cut_as_eight(tmp_path):
    path = write(tmp_path/'a.ome.tif', discs()[0][:, :8])
    with pytest.raises(ValueError, match='give a smaller depth'): v.read_volume(path)
    assert v.read_volume(path, depth=8).image.shape == (2, 8, 260, 260)


# --- where and what is cut

def test_a_volume_is_cut_around_the_nucleus_in_all_three_directions():
    x, yx, middle = discs(22)
    found = v.focus_planes(x[1].astype(np.float32), yx, 16)
    assert np.abs(found - middle).max() < .15
    cut = v.cut_volumes(x[0], yx, found, 8)
    for c, (y, xx), m in zip(cut, yx, middle): assert np.array_equal(c, x[0, m - 4:m + 4, y - 50:y + 50, xx - 50:xx + 50])
    assert np.array_equal(v.cut_volumes(x[0], yx[:1], [20.], 8)[0], x[0, 14:, 30:130, 30:130])    # the highest there are
    with pytest.raises(ValueError, match='22 planes; expected 24'): v.cut_volumes(x[0], yx, found, 24)


def test_the_focus_is_that_of_the_nucleus_not_of_its_neighbor():
    x, yx, middle = discs(22)
    assert abs(v.focus_planes(x[1].astype(np.float32), yx[:1] + 1, 12)[0] - middle[0]) < .15
    assert v.focus_planes(np.ones((9, 20, 20)), [(10, 10)], 4)[0] == 4       # no light: the middle


def test_the_brightest_plane_of_a_volume_is_the_usual_crop(tmp_path):
    store = v.volume_store(folder_of(tmp_path), tmp_path/'work', tmp_path/'v.zarr', segment=nuclei, workers=1, progress=False)
    at = store.channels.index('protein.00')
    x = np.asarray(store.images).astype(np.float32)
    assert x.shape == (12, 19, 100, 100) and store.channels[:3] == ['protein', 'nucleus', 'distance']
    assert np.array_equal(np.clip(x[:, at:].max(1), 0, 1), x[:, 0])         # 16 planes of 0.4 µm: all of them, as they are
    assert (x[:, at:].min() < 0) and set(store.labels.fov) == {'A_0', 'A_1', 'A_2'}


def test_planes_belong_to_their_row_after_shuffling(tmp_path):
    folder = folder_of(tmp_path)
    chunks, labels, _ = v.volume_source(folder, tmp_path/'work', segment=nuclei, workers=1, progress=False)
    x = np.concatenate(list(chunks)).astype(np.float16)
    store = v.volume_store(folder, tmp_path/'work', tmp_path/'v.zarr', segment=nuclei, workers=1, progress=False)
    key = lambda t: list(zip(t.fov, t.y, t.x))
    where = {k: i for i, k in enumerate(key(labels))}
    for i, k in enumerate(key(store.labels)): assert np.array_equal(store.images[i], x[where[k]])


def test_unknown_distances_stop_a_store_and_leave_nothing(tmp_path):
    x = discs()[0]
    tifffile.imwrite(tmp_path/'a.tif', x.transpose(1, 0, 2, 3), imagej=True, metadata=dict(axes='ZCYX'))
    pd.DataFrame(dict(file=['a.tif'], protein='A', field='1', pixel_um=.4)).to_csv(tmp_path/'stacks.csv', index=False)
    (tmp_path/'channels.txt').write_text('protein\nnucleus\n')
    make = lambda **k: v.volume_store(tmp_path, tmp_path/'work', tmp_path/'v.zarr', segment=nuclei, workers=1, progress=False, **k)
    with pytest.raises(ValueError, match='give it as plane_um'): make()
    assert not (tmp_path/'v.zarr').exists()
    assert len(make(plane_um=.5).labels) == 4


def test_volumes_of_simulated_cells_are_the_simulated_crops_with_planes():
    from cytoself_nb.microscope import simulated_cells, simulated_proteome
    p = simulated_proteome(9, 0).head(1)
    chunks, labels, channels = v.simulated_volumes(p, 1, 3, 64, 0)
    usual, same, names = simulated_cells(p, 1, 3, 64, 0)
    x, flat = next(iter(chunks)), next(iter(usual))
    assert np.array_equal(x[:, :3], flat) and labels.equals(same) and channels[:3] == names
    assert x.shape == (3, 19, 64, 64) and x[:, 3:].min() >= -1 and np.corrcoef(x[:, 3:].max(1).ravel(), x[:, 0].ravel())[0, 1] > .9


# --- poses

def test_mirror_in_z_turns_planes_and_nothing_else():
    x = torch.rand(16, 17, 8, 8)
    y = v.pose_volumes(x, torch.arange(16), 16)
    for k in range(8):
        assert torch.equal(y[k], pose(x[k:k+1], torch.tensor([k]))[0])
        flat = pose(x[k + 8:k + 9], torch.tensor([k]))[0]
        assert torch.equal(y[k + 8], torch.cat([flat[:16].flip(0), flat[16:]]))
    assert torch.equal(v.pose_volumes(x[:, :2], torch.full((16,), 11), 0), pose(x[:, :2], torch.full((16,), 3)))


# --- the network

@pytest.mark.parametrize('depth', [8, 16, 24])
def test_code_maps_have_the_shapes_that_strides_give(depth):
    m = v.CytoselfVolume(depth, depth + 1, **SMALL)
    out = m(torch.rand(2, depth + 1, 64, 64))
    assert out.local_codes.shape == (2, depth//4*16*16) and out.global_codes.shape == (2, depth//8*2*2*9)
    assert out.local.shape == (2, 8, depth//4*16, 16) and out.reconstruction.shape == (2, depth + 1, 64, 64)
    assert all(torch.isfinite(o).all() for o in out)


def test_settings_build_it_again_and_wrong_ones_are_refused():
    m = v.CytoselfVolume(8, 10, **SMALL)
    again = v.CytoselfVolume(**m.settings)
    again.load_state_dict(m.state_dict())
    x = torch.rand(1, 10, 64, 64)
    assert torch.equal(m.embed(x)[1], again.embed(x)[1])
    with pytest.raises(ValueError, match='a multiple of 8'): v.CytoselfVolume(12, 13, **SMALL)
    with pytest.raises(ValueError, match='planes, then what has no height'): m(torch.rand(1, 9, 64, 64))


def test_without_decoders_or_heads():
    out = v.CytoselfVolume(**SMALL | dict(decode=False))(torch.rand(1, 17, 64, 64))
    assert out.reconstruction is None and out.local_logits.shape == (1, 4)
    assert v.CytoselfVolume(**SMALL | dict(pretext=False))(torch.rand(1, 17, 64, 64)).global_logits is None


@pytest.mark.parametrize('channels', [1, 2, 3])
def test_a_network_that_begins_with_a_projection_s_understands_equal_planes_as_the_projection(channels):
    torch.manual_seed(0)
    known = CytoselfFull(channels, **SMALL)
    known(torch.rand(8, channels, 64, 64))                          # statistics that are not the first ones
    grown, x = v.inflated(known, 8, n_classes=3).eval(), torch.rand(2, channels, 64, 64)
    with torch.no_grad(): a, b = grown(torch.cat([x[:, :1].expand(-1, 8, -1, -1), x[:, 1:]], 1)), known.eval()(x)
    for k in range(2): assert torch.equal(a.local_codes.view(2, 2, -1)[:, k], b.local_codes)
    assert torch.equal(a.global_codes, b.global_codes) and a.global_logits.shape == (2, 3)
    assert torch.allclose(a.reconstruction[:, [3, *range(8, 7 + channels)]], b.reconstruction, atol=1e-5)


def test_planes_are_stacked_and_taken_apart_in_order():
    x = torch.rand(6, 4, 5, 5)
    both = v.stacked(x, 3)
    assert both.shape == (2, 4, 15, 5) and torch.equal(v.apart(both, 3), x)
    assert torch.equal(both[1, :, 5:10], x[4])


def test_gradients_reach_all_weights():
    m = v.CytoselfVolume(8, 9, **SMALL)
    out = m(torch.rand(4, 9, 64, 64))
    sum(o.float().mean() for o in (out.reconstruction, out.local_logits, out.global_logits, out.local_vq, out.global_vq, out.intermediate)).backward()
    lost = [n for n, p in m.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    assert not lost
    assert all(p.grad.abs().sum() > 0 for n, p in m.named_parameters() if isinstance(m.get_submodule(n.rpartition('.')[0]), v.AlongZ))


# --- store, training, spectra

@pytest.fixture
def store(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.random((48, 11, 64, 64), np.float32)
    labels = pd.DataFrame(dict(protein=[f'P{k % 4}' for k in range(48)], fov=[f'P{k % 4}_{k//8}' for k in range(48)]))
    return write_store(tmp_path/'v.zarr', x, labels, ['protein', 'nucleus', 'distance', *v.plane_names(8)], 0)


def test_a_network_looks_at_planes_then_the_distance(store):
    names = v.volume_input(store)
    assert names == '+'.join([*v.plane_names(8), 'distance'])
    x, _ = next(iter(crop_loader(store, 'test', names, 2)))
    assert torch.equal(x, torch.from_numpy(np.float32(store.images[store.labels.index[store.labels.split == 'test'][:2]][:, [*range(3, 11), 2]])))
    with pytest.raises(ValueError, match='make it by volume_store'): v.volume_input(store._replace(channels=['protein', 'distance']))


def test_training_ends_with_the_crops_and_repeats(store):
    names = v.volume_input(store)
    make = lambda: (torch.manual_seed(0), v.CytoselfVolume(8, 9, **SMALL))[1]
    a, b = (v.train_for(make(), store, names, 16, batch=4, seed=1, late=.5) for _ in range(2))
    assert a.course.shown.tolist() == [8, 16] and a.course.loss.tolist() == b.course.loss.tolist()
    assert all(torch.equal(p, q) for p, q in zip(a.model.state_dict().values(), b.model.state_dict().values()))
    said = []
    model = CytoselfFull(2, **SMALL)
    before = model.vq2.codebook.detach().clone()
    v.train_for(model, store, 'protein+distance', 8, 1e-9, batch=4, watch=lambda m: said.append((m.quantizing, m.training)) or {})
    assert said == [(True, False), (True, False)] and torch.allclose(model.vq2.codebook, before, atol=1e-6)     # codes are kept
    v.train_for(model, store, 'protein+distance', 16, 1e-9, batch=4, late=.75, watch=lambda m: said.append(m.quantizing) or {})
    assert said[2:] == [False, True] and not torch.allclose(model.vq2.codebook, before, atol=1e-3) and not model.training


def test_speeds_are_the_best_of_steps_taken_in_turn(store):
    asked, times = [], iter([0, 4, 4, 5, 5, 7, 7, 17])                     # first: 4 and 2 s, second: 1 and 10 s
    def model(name):
        m = CytoselfFull(2, **SMALL)
        m.register_forward_pre_hook(lambda *_: asked.append(name))
        return m, 'protein+distance'
    found = v.speeds({k: model(k) for k in 'ab'}, store, batch=4, times=2, clock=times.__next__)
    assert asked == list('abab') and found == {'a': 4/2, 'b': 4/1}


def test_spectra_of_volumes(store):
    model = v.CytoselfVolume(8, 9, **SMALL).eval()
    codes = embed(model, crop_loader(store, 'train', v.volume_input(store), 8))[1]
    proteins = store.labels.protein[store.labels.split == 'train'].to_numpy()
    by = v.spectra_by_height(codes, proteins, 16, 2)
    assert np.allclose(by.groupby('protein').sum(), protein_spectra(codes, proteins, 16))
    assert np.allclose(by.loc[1].loc['P0'], histograms(codes[proteins == 'P0'][:, 256:], 16).mean(0))


def test_memory_does_not_grow_with_the_number_of_crops(tmp_path):
    "Peak of writing and reading a store of volumes, 900 against 2,400: all of them at once would be 34 MB more in half precision"
    import tracemalloc
    one, peak = np.random.default_rng(0).random((30, 11, 32, 32), np.float32), []
    names = ['protein', 'nucleus', 'distance', *v.plane_names(8)]
    for n in (900, 2400):
        labels = pd.DataFrame(dict(protein='A', fov=[f'{k//30 % 5}' for k in range(n)]))
        tracemalloc.start()
        s = write_store(tmp_path/str(n), (one*np.float32(1 - k/n) for k in range(n//30)), labels, names, 0)
        loader = crop_loader(s, 'train', v.volume_input(s), 16)
        loader.room = 3
        for _ in loader: pass
        peak.append(tracemalloc.get_traced_memory()[1]/2**20)
        tracemalloc.stop()
    assert peak[1] < peak[0] + 8, peak


@pytest.mark.parametrize('planes', [(26, 22), (22, 26)])
def test_files_of_unequal_planes_are_refused(planes, tmp_path):
    for name, n in zip('pn', planes):
        x = np.random.default_rng(0).integers(90, 110, (n, 64, 64)).astype('u2')
        tifffile.imwrite(tmp_path/f'{name}.tif', x, imagej=True, metadata=dict(axes='ZYX', spacing=.5, unit='um'))
    with pytest.raises(ValueError, match=f'p.tif has {planes[0]} planes of the protein and {planes[1]} of the nucleus; expected as many'):
        v.read_volume(tmp_path/'p.tif', pixel_um=.4, nucleus=tmp_path/'n.tif')
