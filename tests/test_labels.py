import numpy as np
import pytest
from torchvision.datasets import Cityscapes

from seglib import labels
from seglib.errors import ConfigError, DatasetError
from seglib.labels import CAMVID_11, CITYSCAPES_19, IGNORE_INDEX, LABELS, label_by_name


def test_table_is_torchvisions_and_agrees_with_the_official_scripts():
    assert list(LABELS) == Cityscapes.classes
    assert [label.id for label in LABELS] == [*range(34), -1]
    assert " ".join(labels.CATEGORIES) == "void flat construction object nature sky human vehicle"
    assert all(labels.CATEGORIES[label.category_id] == label.category for label in LABELS)
    official = pytest.importorskip("cityscapesscripts.helpers.labels").labels
    # Both are tuples: name, id, train id, category, its id, has instances, ignored, colour.
    assert sorted(map(tuple, LABELS)) == sorted(map(tuple, official))


def test_an_unknown_label_is_named_with_the_nearest():
    assert all(label_by_name(label.name) is label for label in LABELS)
    with pytest.raises(ConfigError, match="label 'side walk' is unknown.*mean 'sidewalk'"):
        label_by_name("side walk")
    with pytest.raises(ConfigError, match="choose one of: unlabeled, ego vehicle"):
        label_by_name("zebra-striped")


def test_the_19_are_the_train_ids():
    assert CITYSCAPES_19.num_classes == 19
    assert [label.train_id for label in CITYSCAPES_19.labels] == list(range(19))
    assert not any(label.ignore_in_eval for label in CITYSCAPES_19.labels)
    assert CITYSCAPES_19.categories == labels.CATEGORIES[1:]
    instances = np.array(CITYSCAPES_19.names)[CITYSCAPES_19.has_instances]
    assert " ".join(instances) == "person rider car truck bus train motorcycle bicycle"


def test_the_order_of_the_other_classes():
    # Weights, records and masks number the classes by it: swapping two is another task.
    camvid = "sky, building, pole, road, sidewalk, vegetation, traffic sign, fence, car, person, "
    assert ", ".join(CAMVID_11.names) == camvid + "rider"


@pytest.mark.parametrize("class_set", [CITYSCAPES_19, CAMVID_11], ids=["19", "11"])
def test_encode_decode_and_colors(class_set):
    every_id = np.arange(34, dtype=np.uint8).reshape(2, 17)
    indices = class_set.encode(every_id)
    assert indices.dtype == np.uint8
    kept = indices != IGNORE_INDEX
    assert kept.sum() == class_set.num_classes
    assert np.array_equal(class_set.decode(indices), np.where(kept, every_id, 0))
    picture = class_set.colorize(indices)
    assert picture.shape == (2, 17, 3) and picture.dtype == np.uint8
    for label, index, color in zip(LABELS, indices.flat, picture.reshape(-1, 3), strict=False):
        assert tuple(color) == (label.color if index != IGNORE_INDEX else (0, 0, 0))
        if index != IGNORE_INDEX:
            assert class_set.index(label.name) == index and label.id == class_set.ids[index]
            assert class_set.category_ids[index] == label.category_id
    for array in (class_set.colors, class_set.encode_table, class_set.category_ids):
        assert not array.flags.writeable


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
@pytest.mark.parametrize("shape", [(5, 6), (0, 4), (30,)])
def test_every_kind_of_array_is_looked_up(dtype, shape):
    label_ids = np.resize(np.arange(34, dtype=dtype), shape)
    indices = CITYSCAPES_19.encode(label_ids)
    assert indices.shape == shape and indices.dtype == np.uint8
    expected = [CITYSCAPES_19.encode_table[label_id] for label_id in label_ids.flat]
    assert indices.flatten().tolist() == expected
    assert np.array_equal(CITYSCAPES_19.encode(label_ids.T), indices.T)
    indices[...] = 0  # the caller's own: the table refuses


def test_ids_outside_the_table_are_named():
    with pytest.raises(DatasetError, match="label id 34 is outside the table's 0..33"):
        CITYSCAPES_19.encode(np.array([[7, 34]], dtype=np.uint8))
    with pytest.raises(DatasetError, match=r"m.png: label id 255 .*train-id mask"):
        labels.check_label_ids(np.array([255], dtype=np.uint8), "m.png")
    with pytest.raises(DatasetError, match="label id -1 "):
        labels.check_label_ids(np.array([-1, 3], dtype=np.int32))


def test_indices_outside_the_set_are_named():
    for use in (CAMVID_11.decode, CAMVID_11.colorize):
        with pytest.raises(DatasetError, match="class index 11 is not in camvid11"):
            use(np.array([[255, 10, 11]], dtype=np.uint8))
    with pytest.raises(ConfigError, match="class of camvid11 'terrain' is unknown"):
        CAMVID_11.index("terrain")
