"""Masks from polygons: equal to the official tools' masks, and clear about broken files."""

import json

import numpy as np
import pytest
from cityscapesscripts.helpers.annotation import Annotation
from cityscapesscripts.preparation.json2instanceImg import createInstanceImage
from cityscapesscripts.preparation.json2labelImg import createLabelImage

from miniscapes import render_scene
from miniscapes.annotation import (
    check_annotation,
    color_mask,
    draw_instance_ids,
    draw_label_ids,
    read_annotation,
    resolve_label,
)
from seglib.errors import DatasetError

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
    colors = np.asarray(createLabelImage(official, "color"))
    assert np.array_equal(color_mask(label_ids), colors)


@pytest.mark.parametrize(
    ("split", "city", "index", "size"),
    [
        ("train", "altenbruck", 0, (256, 512)),
        ("train", "dornwick", 3, (256, 512)),
        ("val", "ilverton", 10, (180, 321)),
        ("test", "morvessa", 6, (512, 1024)),
    ],
)
def test_generated_scenes_equal_official_masks(split, city, index, size):
    scene = render_scene(5, split, city, index, size)
    assert len(scene.polygons["objects"]) > 30 and len(scene.coarse_polygons["objects"]) > 5
    for annotation in (scene.polygons, scene.coarse_polygons):
        check_annotation(annotation)
        assert_equal_to_official(annotation)


def test_special_objects_equal_official_masks():
    annotation = annotation_of(
        {"label": "road", "polygon": [[-5, 4.5], [40, 3.25], [33.5, 25], [-2, 25]]},
        {"label": "car", "polygon": SQUARE},
        {"label": "car", "polygon": [[3, 3], [7, 3], [7, 7], [3, 7]], "deleted": 1},
        {"label": "license plate", "polygon": [[3, 3], [6, 3], [6, 5]]},
        {"label": "cargroup", "polygon": [[14, 3], [25, 3], [25, 8], [14, 8]]},
        {"label": "polegroup", "polygon": [[27, 0], [28, 0], [28, 12], [27, 12]]},
        {"label": "pole", "polygon": [[1, 0], [1, 15], [1, 7]]},
        {"label": "skygroup", "polygon": [[0, 0], [9, 0], [9, 1]]},
        {"label": "car", "polygon": [[15, 10], [22, 10], [18, 16]], "deleted": 0},
        {"label": "person", "polygon": [[5, 10], [6, 10], [6, 18], [5, 18]]},
    )
    assert_equal_to_official(annotation)
    instance_ids = draw_instance_ids(annotation)
    # The deleted car is not counted, the group has no number.
    assert {26000, 26001, 26, 24000} <= set(np.unique(instance_ids).tolist())


def test_later_objects_hide_earlier_ones():
    annotation = annotation_of(
        {"label": "building", "polygon": SQUARE}, {"label": "tunnel", "polygon": SQUARE}
    )
    assert set(np.unique(draw_label_ids(annotation)).tolist()) == {0, 16}


def test_resolve_label():
    assert resolve_label("cargroup")[0].name == "car" and resolve_label("cargroup")[1]
    assert resolve_label("polegroup")[0].name == "polegroup" and not resolve_label("polegroup")[1]
    assert resolve_label("group") is None and resolve_label("horse") is None


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        ([], "expected a JSON object"),
        ({"imgWidth": 4, "objects": []}, "'imgHeight' is missing"),
        ({"imgHeight": 4, "imgWidth": 4}, "'objects' is missing"),
        ({"imgHeight": 0, "imgWidth": 4, "objects": []}, "imgHeight is 0"),
        ({"imgHeight": 4, "imgWidth": "4", "objects": []}, "imgWidth is '4'"),
        ({"imgHeight": 4, "imgWidth": 1 << 40, "objects": []}, "imgWidth is"),
        ({"imgHeight": 4, "imgWidth": 4, "objects": {}}, "not a list"),
        (annotation_of("car"), "object 0 is not a JSON object"),
        (annotation_of({"polygon": SQUARE}), "object 0: 'label' is missing"),
        (annotation_of({"label": "car"}), "object 0: 'polygon' is missing"),
        (annotation_of({"label": "horse", "polygon": SQUARE}), "unknown label 'horse'"),
        (annotation_of({"label": 7, "polygon": SQUARE}), "unknown label 7"),
        (annotation_of({"label": "car", "polygon": SQUARE[:2]}), "at least 3 points"),
        (annotation_of({"label": "car", "polygon": [[1, 2], [3, 4], ["x", 5]]}), "not a point"),
        (annotation_of({"label": "car", "polygon": [[1, 2], [3, 4], [5]]}), "not a point"),
        (annotation_of({"label": "car", "polygon": [[1, 2], [3, 4], [5, float("nan")]]}), "point"),
    ],
)
def test_broken_annotations_get_one_line(annotation, message):
    with pytest.raises(DatasetError) as caught:
        check_annotation(annotation, "scene.json")
    text = str(caught.value)
    assert message in text and text.startswith("scene.json") and "\n" not in text


def test_read_annotation_names_the_file(tmp_path):
    path = tmp_path / "a_polygons.json"
    with pytest.raises(DatasetError, match="no such file"):
        read_annotation(path)
    path.write_text('{"imgHeight": 4')
    with pytest.raises(DatasetError, match="a_polygons.json.*not valid JSON"):
        read_annotation(path)
    path.write_text(json.dumps(annotation_of({"label": "car", "polygon": SQUARE})))
    assert draw_label_ids(read_annotation(path)).max() == 26
