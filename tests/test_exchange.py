"Files of other programs: written, read back, and read by these programs where they are installed"
import h5py
import numpy as np
import pandas as pd
import pytest
import zarr

from cytoself_nb import exchange
from cytoself_nb.answers import as_embedding
from cytoself_nb.data import write_store
from cytoself_nb.preprocessing import Field


def test_crops_come_back_from_h5sc_bit_by_bit(tiny_store, tmp_path):
    rows = np.array([7, 3, 12])
    exchange.write_h5sc(tmp_path/'cells.h5sc', tiny_store, rows)
    source, labels, channels = exchange.read_h5sc(tmp_path/'cells.h5sc')
    assert channels == tiny_store.channels and source.shape == (3, 3, 64, 64)
    for k, r in enumerate(rows): assert np.array_equal(source.read([k])[0], np.asarray(tiny_store.images[int(r)], np.float32))
    assert np.array_equal(source.read([2, 0, 2]), np.stack([np.asarray(tiny_store.images[int(r)], np.float32) for r in (12, 7, 12)]))
    assert labels.protein.tolist() == tiny_store.labels.protein[rows].tolist()
    assert labels.localization.isna().tolist() == tiny_store.labels.localization[rows].isna().tolist()
    with h5py.File(tmp_path/'cells.h5sc') as f:
        images = f['obsm/single_cell_images']
        assert images.dtype == np.float16 and set(np.unique(images[:, 0])) <= {0, 1}
        assert [v.decode() for v in images.attrs['channel_mapping']] == ['mask', *['image_channel']*3]
    again = write_store(tmp_path/'again.zarr', source, labels.assign(split='test'), channels)
    assert len(again.labels) == 3


def test_a_mask_of_rows_is_no_list_of_rows(tiny_store, tmp_path):
    mask = np.arange(20) % 7 == 3
    exchange.write_h5sc(tmp_path/'cells.h5sc', tiny_store, mask)
    source, labels, _ = exchange.read_h5sc(tmp_path/'cells.h5sc')
    assert len(labels) == 3 and labels.protein.tolist() == tiny_store.labels.protein[mask].tolist()
    assert np.array_equal(source.read([0, 1, 2]), np.asarray(tiny_store.images[:], np.float32)[mask])


@pytest.mark.parametrize('nucleus, first', [(None, 'None'), ('a', 'a'), (1.5, '1.5'), (-1, '-1')])
def test_a_nucleus_without_a_number_is_named_and_no_file_is_left(nucleus, first, tiny_store, tmp_path):
    labels = tiny_store.labels.assign(nucleus=np.arange(20)).astype(dict(nucleus=object))
    labels.loc[3, 'nucleus'] = nucleus
    with pytest.raises(ValueError, match=f'^1 of 20 crops have no number of a nucleus, first {first};'): exchange.write_h5sc(tmp_path/'a.h5sc', tiny_store._replace(labels=labels))
    with pytest.raises(ValueError, match='no rows to write'): exchange.write_h5sc(tmp_path/'a.h5sc', tiny_store, [])
    assert not list(tmp_path.glob('*.h5sc'))


def test_channels_of_others_are_named_and_a_missing_protein_is_said(tiny_store, tmp_path):
    store = tiny_store._replace(channels=['GFP', 'DAPI', 'distance'])
    exchange.write_h5sc(tmp_path/'cells.h5sc', store)
    with pytest.raises(ValueError, match=r"name it, such as names=\{'GFP': 'protein'\}"): exchange.read_h5sc(tmp_path/'cells.h5sc')
    _, _, channels = exchange.read_h5sc(tmp_path/'cells.h5sc', dict(GFP='protein', DAPI='nucleus'))
    assert channels == ['protein', 'nucleus', 'distance']
    with h5py.File(tmp_path/'other.h5sc', 'w') as f: f.create_group('obsm')
    with pytest.raises(ValueError, match='has no obsm/single_cell_images'): exchange.read_h5sc(tmp_path/'other.h5sc')
    with pytest.raises(FileNotFoundError, match='no file'): exchange.read_h5sc(tmp_path/'nothing.h5sc')


def test_scportrait_reads_our_file(tiny_store, tmp_path):
    h5sc = pytest.importorskip('scportrait.io.h5sc', exc_type=ImportError)
    exchange.write_h5sc(tmp_path/'cells.h5sc', tiny_store)
    theirs = h5sc.read_h5sc(tmp_path/'cells.h5sc')
    assert theirs.obsm['single_cell_images'].shape == (20, 4, 64, 64)
    assert theirs.var.channels.tolist()[1:] == tiny_store.channels


@pytest.fixture
def vectors():
    labels = pd.DataFrame(dict(protein=['a', 'b', 'a'], fov=['f', 'g', 'h'], localization=['er', None, 'er'], y=[1, 2, 3], nucleus=[4, 5, 6]))
    return as_embedding(np.arange(12.).reshape(3, 4), labels)


@pytest.mark.parametrize('end', ['csv', 'parquet'])
def test_profiles_come_back(vectors, tmp_path, end):
    if end == 'parquet': pytest.importorskip('pyarrow')
    path = tmp_path/f'profiles.{end}'
    exchange.write_profiles(path, vectors)
    again = exchange.read_profiles(path)
    assert np.array_equal(again.X, vectors.X)
    assert again.obs.protein.tolist() == ['a', 'b', 'a'] and again.obs.localization.isna().tolist() == [False, True, False]
    assert again.obs.nucleus.tolist() == [4, 5, 6] and list(again.var_names) == list(vectors.var_names)
    t = pd.read_csv(path) if end == 'csv' else pd.read_parquet(path)
    assert [c for c in t if not c.startswith('Metadata_')] == list(vectors.var_names)


def test_pycytominer_reads_and_aggregates_our_parquet(vectors, tmp_path):
    pytest.importorskip('pyarrow')
    pycytominer = pytest.importorskip('pycytominer', exc_type=ImportError)
    exchange.write_profiles(tmp_path/'p.parquet', vectors)
    found = pycytominer.aggregate(pd.read_parquet(tmp_path/'p.parquet'), strata=['Metadata_protein'], features=list(vectors.var_names))
    assert found.set_index('Metadata_protein').loc['a'].tolist() == vectors.X[[0, 2]].mean(0).tolist()


def test_profiles_of_others(tmp_path):
    t = pd.DataFrame(dict(Metadata_gene=['x', 'y'], Metadata_Well=['A1', 'A2'], Cells_Area=[1., 2.], Cells_Gap=[np.nan, 1.]))
    t.to_csv(tmp_path/'p.csv', index=False)
    e = exchange.read_profiles(tmp_path/'p.csv', dict(Metadata_gene='protein', Metadata_Well='fov'))
    assert e.obs.protein.tolist() == ['x', 'y'] and e.obs.fov.tolist() == ['A1', 'A2'] and list(e.var_names) == ['Cells_Area']
    with pytest.raises(ValueError, match="expected a column 'protein'"): exchange.read_profiles(tmp_path/'p.csv')
    t[['Metadata_gene']].to_csv(tmp_path/'q.csv', index=False)
    with pytest.raises(ValueError, match='no column of numbers'): exchange.read_profiles(tmp_path/'q.csv', dict(Metadata_gene='protein'))


def test_numbers_of_objects_and_places_are_no_features(tmp_path):
    "Else the number of an image is a feature, and its crops are found by it"
    t = pd.DataFrame(dict(Metadata_protein=['x', 'y'], Cells_AreaShape_Area=[1., 2.], Location_of_spots=[3., 4.], Cells_Number_of_spots=[1, 2]))
    kept = list(t)[1:]
    other = ['ImageNumber', 'ObjectNumber', 'Cells_Number_Object_Number', 'Location_Center_X', 'Cells_Location_MaxIntensity_Y_DNA', 'Nuclei_AreaShape_Center_Y', 'AreaShape_BoundingBoxMinimum_X', 'Cells_Parent_Nuclei', 'Neighbors_FirstClosestObjectNumber_5', 'index', 'level_0']
    t.assign(**{c: [1., 2.] for c in other}).to_csv(tmp_path/'p.csv')   # with the index of pandas
    with pytest.warns(UserWarning, match='12 columns of p.csv say which object it is and where, first Unnamed: 0; left out'): e = exchange.read_profiles(tmp_path/'p.csv')
    assert list(e.var_names) == kept


@pytest.fixture
def field():
    labels = np.zeros((200, 180), np.int32)
    labels[80:100, 80:100], labels[90:120, 5:20] = 3, 9
    nuclei = pd.DataFrame(dict(nucleus=[3, 9], y=[90, 105], x=[90, 12], area_um2=[64., 72.], reason=['', 'too near the edge']))
    return Field(np.random.default_rng(0).random((2, 200, 180)).astype(np.float32), labels, None, nuclei, None, {})


def test_masks_and_squares_as_ome_zarr(field, tmp_path):
    path = exchange.write_ome_zarr(tmp_path/'field.zarr', field)
    nuclei, crops = (zarr.open_array(path/'labels'/n/'0')[:] for n in ('nuclei', 'crops'))
    assert np.array_equal(nuclei, field.labels) and np.array_equal(zarr.open_array(path/'0')[:], field.image)
    assert (crops[40:140, 40:140] == 3).all() and (crops == 3).sum() == 100*100 and 9 not in crops
    with pytest.raises(ValueError, match='is there already'): exchange.write_ome_zarr(path, field)
    assert [p.name for p in tmp_path.iterdir()] == ['field.zarr']


def test_ome_zarr_models_accepts_image_and_labels(field, tmp_path):
    v05 = pytest.importorskip('ome_zarr_models.v05', exc_type=ImportError)
    group = zarr.open_group(exchange.write_ome_zarr(tmp_path/'field.zarr', field), mode='r')
    assert v05.Image.from_zarr(group).attributes.ome.multiscales[0].axes[0].type == 'channel'
    assert v05.Labels.from_zarr(group['labels']).attributes.ome.labels == ['nuclei', 'crops']
    for name in ('nuclei', 'crops'): v05.ImageLabel.from_zarr(group['labels'][name])


def test_files_that_are_none(tmp_path, vectors):
    import h5py
    (tmp_path/'a.h5sc').write_bytes(b'\x89HDF\r\n\x1a\n' + bytes(9)); (tmp_path/'b.h5sc').write_bytes(b'text')
    for f in 'ab':
        with pytest.raises((ValueError, OSError), match='h5sc'): exchange.read_h5sc(tmp_path/f'{f}.h5sc')
    with h5py.File(tmp_path/'c.h5sc', 'w') as f: f['obsm/single_cell_images'] = np.zeros((1, 2, 4, 4), np.float16)
    with pytest.raises(ValueError, match='says nothing of channel_names, channel_mapping'): exchange.read_h5sc(tmp_path/'c.h5sc')
    (tmp_path/'p.csv').write_text('Metadata_protein;a\nx;1\n')
    with pytest.raises(ValueError, match='commas between columns'): exchange.read_profiles(tmp_path/'p.csv')
    pd.DataFrame(dict(protein=['x', 'y'], a=[1., np.inf], b=[1., 2.])).to_csv(tmp_path/'q.csv', index=False)
    assert list(exchange.read_profiles(tmp_path/'q.csv').var_names) == ['b']


def test_labels_of_a_csv_come_as_they_are_written(tmp_path):
    "007 and 7 are two proteins, 1E5 is a name, and so is NA; an empty cell is none, and NA among numbers a gap"
    (tmp_path/'p.csv').write_text('Metadata_protein,Metadata_Plate,Metadata_localization,Metadata_y,Cells_Area,Cells_Gap\n007,01,er,3,1.5,NA\n7,1,NA,4,2.5,1\n1E5,1,,5,3.5,2\nNA,2,er,6,4.5,3\n')
    e = exchange.read_profiles(tmp_path/'p.csv')
    assert e.obs.protein.tolist() == ['007', '7', '1E5', 'NA'] and e.obs.localization.isna().tolist() == [False, True, True, False]
    assert e.obs.Plate.tolist() == ['01', '1', '1', '2'] and e.obs.y.tolist() == [3, 4, 5, 6] and list(e.var_names) == ['Cells_Area'] and e.X.ravel().tolist() == [1.5, 2.5, 3.5, 4.5]
    exchange.write_profiles(tmp_path/'q.csv', e)
    assert exchange.read_profiles(tmp_path/'q.csv').obs.protein.tolist() == e.obs.protein.tolist()


def test_numbers_of_wells_and_doses_are_no_features_and_names_say_the_kind(vectors, tmp_path):
    t = pd.DataFrame(dict(Metadata_protein=['x', 'y'], Cells_Area=[1., 2.]))
    t.assign(plate=[1, 2], cell_id=[5, 6], Site=[1, 1], dose=[.1, .2]).to_csv(tmp_path/'p.csv', index=False)
    with pytest.warns(UserWarning, match='4 columns of p.csv say which object it is and where, first plate'): e = exchange.read_profiles(tmp_path/'p.csv')
    assert list(e.var_names) == ['Cells_Area']
    for name in ('p.tsv', 'p.csv.gz', 'p.PARQUET'):
        with pytest.raises(ValueError, match='expected a name that ends with .csv or .parquet'): exchange.write_profiles(tmp_path/name, vectors)
