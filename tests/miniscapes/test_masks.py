"""Masks from polygons: equal to the official tools' masks."""

import json

import numpy as np
import pytest
from cityscapesscripts.helpers.annotation import Annotation
from cityscapesscripts.helpers.labels import labels as official_labels
from cityscapesscripts.preparation.json2instanceImg import createInstanceImage
from cityscapesscripts.preparation.json2labelImg import createLabelImage

from miniscapes import render_scene
from miniscapes.labels import LABELS
from miniscapes.masks import color_mask, draw_instance_ids, draw_label_ids

SQUARE = [[2, 2], [12, 2], [12, 9], [2, 9]]


def annotation_of(*objects, size=(20, 30)):
    return {"imgHeight": size[0], "imgWidth": size[1], "objects": list(objects)}


def assert_equal_to_official(annotation):
    official = Annotation()
    official.fromJsonText(json.dumps(annotation))
    label_ids = draw_label_ids(annotation)
    assert label_ids.dtype == np.uint8
    assert np.array_equal(label_ids, np.asarray(createLabelImage(official, "ids")))
    instance_ids = draw_instance_ids(annotation)
    assert instance_ids.dtype == np.int32
    assert np.array_equal(instance_ids, np.asarray(createInstanceImage(official, "ids")))
    assert np.array_equal(color_mask(label_ids), np.asarray(createLabelImage(official, "color")))


@pytest.mark.parametrize(("split", "city", "index", "size"), [
    ("train", "altenbruck", 0, (256, 512)), ("train", "dornwick", 3, (256, 512)),
    ("val", "ilverton", 10, (180, 321)), ("test", "morvessa", 6, (512, 1024)),
])
def test_generated_scenes_equal_official_masks(split, city, index, size):
    scene = render_scene(5, split, city, index, size)
    assert len(scene.polygons["objects"]) > 30 and len(scene.coarse_polygons["objects"]) > 5
    for annotation in (scene.polygons, scene.coarse_polygons):
        assert_equal_to_official(annotation)


def test_the_labels_are_those_of_the_official_table():
    official = {label.name: label for label in official_labels}
    assert [label.name for label in LABELS] == list(official)
    for label in LABELS:
        row = official[label.name]
        assert label[1:] == (row.id, row.color, row.hasInstances), label.name


def test_groups_are_no_objects_and_all_objects_count():
    annotation = annotation_of(
        {"label": "road", "polygon": [[-5, 4.5], [40, 3.25], [33.5, 25], [-2, 25]]},
        {"label": "car", "polygon": SQUARE},
        {"label": "cargroup", "polygon": [[14, 3], [25, 3], [25, 8], [14, 8]]},
        {"label": "polegroup", "polygon": [[27, 0], [28, 0], [28, 12], [27, 12]]},
        {"label": "pole", "polygon": [[1, 0], [1, 15], [1, 7]]},
        {"label": "car", "polygon": [[15, 10], [22, 10], [18, 16]]},
        {"label": "person", "polygon": [[5, 10], [6, 10], [6, 18], [5, 18]]},
    )
    assert_equal_to_official(annotation)
    assert {26000, 26001, 26, 24000} <= set(np.unique(draw_instance_ids(annotation)).tolist())
