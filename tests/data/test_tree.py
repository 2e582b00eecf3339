import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seglib.data.summary import describe
from seglib.data.tree import Scene, list_scenes
from seglib.errors import ConfigError, DatasetError

SIZE = (16, 20)


def write_scene(root, split, city, number, mode="fine", *, size=SIZE):
    """Write the files of one tiny scene: road above, a car below."""
    scene = Scene(Path(root), split, city, f"{city}_{number:06}_000019", mode)
    for path in (scene.image, scene.label_ids):
        path.parent.mkdir(parents=True, exist_ok=True)
    label_ids = np.full(size, 7, np.uint8)
    label_ids[size[0] // 2 :] = 26
    Image.fromarray(np.full((*size, 3), number, np.uint8)).save(scene.image)
    Image.fromarray(label_ids).save(scene.label_ids)
    Image.fromarray(label_ids.astype(np.uint16)).save(scene.instance_ids)
    return scene


@pytest.fixture
def root(tmp_path):
    for city, number in (("ulm", 2), ("aachen", 1), ("ulm", 1)):
        write_scene(tmp_path, "train", city, number)
    write_scene(tmp_path, "val", "bonn", 1)
    write_scene(tmp_path, "train", "ulm", 2, "coarse")
    write_scene(tmp_path, "train_extra", "jena", 5, "coarse")
    return tmp_path


def raises_one_line(*parts):
    """Expect a DatasetError of one line that contains every part."""
    pattern = "(?s)" + "".join(f"(?=.*{part})" for part in (*parts, r"^[^\n]*\Z"))
    return pytest.raises(DatasetError, match=pattern)


def test_scenes_are_sorted_and_complete(root):
    scenes = list_scenes(root, "train")
    names = ["aachen_000001_000019", "ulm_000001_000019", "ulm_000002_000019"]
    assert [scene.name for scene in scenes] == names
    first = scenes[0]
    assert first.image == root / "leftImg8bit/train/aachen/aachen_000001_000019_leftImg8bit.png"
    annotation = root / "gtFine/train/aachen/aachen_000001_000019_gtFine"
    assert first.label_ids == Path(f"{annotation}_labelIds.png")
    assert first.instance_ids == Path(f"{annotation}_instanceIds.png")


def test_coarse_masks_of_train_extra(root):
    (scene,) = list_scenes(root, "train_extra", "coarse")
    assert scene.label_ids.name == "jena_000005_000019_gtCoarse_labelIds.png"
    with raises_one_line("image without mask", "gtCoarse.zip"):
        list_scenes(root, "train", "coarse")  # two of the three images have none


def test_stray_files_are_passed_over(root):
    for place in ("leftImg8bit/train", "leftImg8bit/train/ulm", "gtFine/train"):
        (root / place / ".DS_Store").touch()
        (root / place / "notes.txt").touch()
    (root / "leftImg8bit/train/ulm/._ulm_000009_000019_leftImg8bit.png").touch()
    assert len(list_scenes(root, "train")) == 3


def test_unknown_split_and_mode(root):
    with pytest.raises(ConfigError, match="of fine masks 'train_extra' is unknown; choose one of: train, val, test"):
        list_scenes(root, "train_extra")
    with pytest.raises(ConfigError, match="'medium' is unknown; choose one of: fine, coarse"):
        list_scenes(root, "train", "medium")


def test_missing_folders(root):
    with raises_one_line("nowhere: no such folder", "leftImg8bit_trainvaltest.zip"):
        list_scenes(root / "nowhere", "train")
    with raises_one_line("leftImg8bit/test: no such folder", "leftImg8bit_trainvaltest.zip"):
        list_scenes(root, "test")
    (root / "gtFine").rename(root / "elsewhere")
    with raises_one_line("gtFine: no such folder", "gtFine_trainvaltest.zip"):
        list_scenes(root, "train")
    (root / "leftImg8bit/train_extra").rename(root / "images")
    with raises_one_line("train_extra: no such folder", "leftImg8bit_trainextra.zip"):
        list_scenes(root, "train_extra", "coarse")


def test_empty_split(root):
    (root / "leftImg8bit/test/city").mkdir(parents=True)
    with raises_one_line("leftImg8bit/test: the split is empty"):
        list_scenes(root, "test")


def test_image_and_mask_come_in_pairs(root):
    scene = list_scenes(root, "train")[1]
    scene.label_ids.rename(root / "kept.png")
    with raises_one_line(scene.image.name, "image without mask", "gtFine_trainvaltest.zip"):
        list_scenes(root, "train")
    (root / "kept.png").rename(scene.label_ids)
    scene.image.unlink()
    with raises_one_line(scene.label_ids.name, "mask without image", "leftImg8bit_trainvaltest"):
        list_scenes(root, "train")


def test_mask_in_another_citys_folder_is_no_pair(root):
    scene = list_scenes(root, "train")[0]
    scene.label_ids.rename(root / "gtFine/train/ulm" / scene.label_ids.name)
    with raises_one_line("image without mask"):
        list_scenes(root, "train")


def test_describe(root):
    for number, city in ((1, "aachen"), (1, "ulm")):
        write_scene(root, "train", city, number, "coarse")
    parts = describe(root, deep=True)
    found = [f"{part['split']} {part['mode']}" for part in parts]
    assert found == ["train fine", "val fine", "train coarse", "train_extra coarse"]
    assert parts[0]["scenes"] == 3 and parts[0]["cities"] == {"aachen": 1, "ulm": 2}
    assert parts[0]["sizes"] == {"16x20": 3}
    json.dumps(parts, allow_nan=False)


def test_describe_finds_what_is_wrong(root):
    (root / "gtCoarse/train").rename(root / "unused")
    scene = list_scenes(root, "val")[0]
    scene.instance_ids.write_bytes(b"no mask")
    describe(root)
    with raises_one_line(scene.instance_ids.name, "not an image"):
        describe(root, deep=True)
    write_scene(root, "val", "bonn", 1, size=(16, 22))
    Image.fromarray(np.full(SIZE, 7, np.uint8)).save(scene.label_ids)
    with raises_one_line("mask is 16x20", "its image is 16x22"):
        describe(root)
    (root / "gtFine/val").rename(root / "away")
    with raises_one_line("gtFine/val: no such folder"):
        describe(root)
    with raises_one_line("no such folder"):
        describe(root / "nowhere")
