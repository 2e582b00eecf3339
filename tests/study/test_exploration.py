"""Dataset statistics against counts done by hand or in the plainest possible way."""

import json

import numpy as np
import pytest
from PIL import Image

from seglib.data.datasets import dataset_spec
from seglib.data.tree import Scene, list_scenes
from seglib.errors import ConfigError
from seglib.evaluation.metrics import iou_per_class
from seglib.labels import CITYSCAPES_19
from study import exploration

ROAD, POLE, CAR = (CITYSCAPES_19.index(name) for name in ("road", "pole", "car"))


def write_scene(root, label_ids, instance_ids=None, name="town_000000_000019", mode="fine"):
    """A scene without an image, with masks given as arrays."""
    scene = Scene(root, "train", "town", name, mode)
    scene.label_ids.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(label_ids.astype(np.uint8)).save(scene.label_ids)
    if instance_ids is not None:
        Image.fromarray(instance_ids.astype(np.uint16)).save(scene.instance_ids)
    return scene


@pytest.fixture
def street(tmp_path):
    """Road (7) with a pole (17) one pixel wide, and two cars (26) of 8 and 2 pixels."""
    labels = np.full((8, 16), 7)
    labels[:, 5] = 17
    labels[0, 15] = 0
    instances = labels.copy()
    labels[2:4, 8:12], instances[2:4, 8:12] = 26, 26000
    labels[6, 1:3], instances[6, 1:3] = 26, 26001
    return write_scene(tmp_path, labels, instances)


def test_coarse_masks_are_looked_for_by_split(tiny_tree):
    assert exploration.has_coarse(tiny_tree) and not exploration.has_coarse(tiny_tree, "test")


def test_pixel_counts_and_shares(street):
    counts = exploration.pixel_counts([street], CITYSCAPES_19)
    assert counts.shape == (1, 20)
    expected = {ROAD: 8 * 16 - 8 - 10 - 1, POLE: 8, CAR: 10, 19: 1}
    assert {i: int(n) for i, n in enumerate(counts[0]) if n} == expected
    shares = exploration.class_shares(counts)
    assert shares[POLE] == 8 / 127 and shares.sum() == pytest.approx(1)


def test_spatial_priors(street):
    priors = exploration.spatial_priors([street, street], CITYSCAPES_19, grid=(2, 4))
    assert priors.shape == (19, 2, 4)
    assert priors[POLE].tolist() == [[0, 0.25, 0, 0], [0, 0.25, 0, 0]]
    assert priors[CAR, 0, 2] == 8 / 16 and priors[CAR, 1, 0] == 2 / 16
    assert priors.sum(axis=0)[:, 3] == pytest.approx([15 / 16, 1])  # one pixel is ignored


def test_position_baseline_knows_only_the_place(street):
    priors = exploration.spatial_priors([street], CITYSCAPES_19, grid=(8, 16))
    confusion = exploration.position_baseline([street], priors, CITYSCAPES_19)
    assert np.trace(confusion) == confusion.sum() == 127  # a cell per pixel: nothing is lost
    priors = exploration.spatial_priors([street], CITYSCAPES_19, grid=(1, 1))
    confusion = exploration.position_baseline([street], priors, CITYSCAPES_19)
    assert confusion[POLE, ROAD] == 8 and confusion[:, ROAD].sum() == 127


def test_instance_table(street):
    table = exploration.instance_table([street], CITYSCAPES_19)
    assert table[["class", "pixels"]].values.tolist() == [["car", 8], ["car", 2]]
    street.instance_ids.unlink()
    assert exploration.instance_table([street], CITYSCAPES_19).empty


def test_fine_coarse_agreement(street, tmp_path):
    rough = np.zeros((8, 16))
    rough[4:, 8:] = 7  # road, all of it right
    rough[2:4, 8:10] = 7  # road where a car is
    coarse = write_scene(tmp_path, rough, mode="coarse")
    table = exploration.fine_coarse_agreement([street], [coarse], CITYSCAPES_19).set_index("class")
    assert list(table.index) == ["road", "pole", "car"]
    assert table.loc["road", "precision"] == 32 / 36
    assert table.loc["road", "recall"] == 32 / 109
    assert table.loc["car", ["covered", "recall"]].tolist() == [4 / 10, 0]
    assert np.isnan(table.loc["car", "precision"])
    other = write_scene(tmp_path, rough, name="town_000001_000019", mode="coarse")
    with pytest.raises(ConfigError, match="scenes differ: fine town_000000_000019, coarse town_00"):
        exploration.fine_coarse_agreement([street], [other], CITYSCAPES_19)


def test_survival_of_thin_things(street):
    table = exploration.survival([street], CITYSCAPES_19, (4, 8, 16)).set_index(["width", "class"])
    assert (table.loc[16, ["pixels", "objects", "best_iou"]].to_numpy() == 1).all()
    # Halving keeps the odd columns and rows: the pole grows to twice its width, and of the small
    # car, in row 6, nothing stays.
    assert table.loc[(8, "pole"), "pixels"] == 1
    assert table.loc[(8, "pole"), "best_iou"] == 0.5
    assert table.loc[(8, "car"), "objects"] == 0.5
    assert table.loc[(4, "pole"), ["pixels", "objects", "best_iou"]].tolist() == [0, 0, 0]


def test_survival_resizes_as_pillow_does():
    # Of odd sides: no centre falls between two pixels, where Pillow's rounding errors choose one.
    mask = np.random.default_rng(0).integers(0, 19, (37, 61)).astype(np.uint8)
    for width in (17, 32, 48, 90):
        size = (width, round(37 * width / 61))
        pillow = Image.fromarray(mask).resize(size, Image.Resampling.NEAREST)
        np.testing.assert_array_equal(exploration.shrink(mask, width), np.asarray(pillow))


def test_facts_of_a_dataset(home):
    spec = dataset_spec("miniscapes")
    facts = exploration.dataset_facts(spec, (16, 32))
    assert facts == json.loads(json.dumps(facts))  # JSON-ready
    assert facts["scenes"] == {"train": 6, "val": 3, "test": 3}
    assert facts["cities"] == {"train": 2, "val": 2, "test": 2}
    assert sum(facts["shares"]["test"]) == pytest.approx(1)
    whole, cells = facts["grid"]["1"], facts["grid"]["8"]
    assert 1 > whole["miou"] > cells["miou"] and cells["pixel_accuracy"] > 0.5
    assert 0 < facts["floor"]["miou"] < whole["miou"]
    assert exploration.evenly(range(10), 3) == [0, 3, 6]
    table = exploration.instance_table(list_scenes(spec.root(), "train"), CITYSCAPES_19)
    assert facts["objects"]["count"] == len(table) == 6 * facts["objects"]["per_scene"]
    assert facts["coarse"]["covered"] < 1 and len(facts["coarse"]["least"]) == 3


def test_majority_gives_each_cell_its_commonest_class():
    mask = np.uint8([[0, 0, 1, 1, 2], [0, 2, 255, 1, 2], [255, 255, 255, 255, 3]])  # 255: void
    assert exploration.majority(mask, 2, 4).tolist() == [[0, 0, 1, 1, 2]] * 2 + [[0, 0, 1, 1, 3]]


def test_ceiling_loses_what_is_thinner_than_a_cell(tmp_path):
    label_ids = np.full((32, 64), 7, dtype=np.uint8)  # road
    label_ids[:, 32:] = 11  # building, from a line of the grid on
    label_ids[:, 10:12] = 17  # pole, two pixels wide
    scene = write_scene(tmp_path, label_ids)
    road, building, pole = (CITYSCAPES_19.index(n) for n in ("road", "building", "pole"))
    for stride, poles in ((1, 1.0), (2, 1.0), (8, 0.0)):
        confusion = exploration.grid_ceiling([scene], CITYSCAPES_19, (32, 64), stride)
        iou = iou_per_class(confusion)
        assert confusion.sum() == 32 * 64
        assert iou[pole] == poles
        assert iou[building] == 1
        assert iou[road] == (1 if stride < 8 else 30 / 32)
