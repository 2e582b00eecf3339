"""The Cityscapes tree: which scenes it holds, what is missing, and its summary."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from trees import write_scene

from seglib.data.tree import describe, has_instances, list_scenes
from seglib.errors import ConfigError, DatasetError

ULM1, ULM2, AACHEN = (f"{name}_000019" for name in ("ulm_000001", "ulm_000002", "aachen_000001"))


@pytest.fixture
def root(tmp_path):
    for name in (ULM2, AACHEN, ULM1):
        write_scene(tmp_path, "train", name)
    write_scene(tmp_path, "val", "bonn_000001_000019")
    write_scene(tmp_path, "train", ULM2, "coarse")
    return tmp_path


def raises_one_line(*parts):
    """Expect a DatasetError of one line that contains every part."""
    pattern = "(?s)" + "".join(f"(?=.*{part})" for part in (*parts, r"^[^\n]*\Z"))
    return pytest.raises(DatasetError, match=pattern)


def test_scenes_are_sorted_and_complete(root):
    scenes = list_scenes(root, "train")
    assert [scene.name for scene in scenes] == [AACHEN, ULM1, ULM2]
    first = scenes[0]
    assert first.image == root / "leftImg8bit/train/aachen/aachen_000001_000019_leftImg8bit.png"
    annotation = root / "gtFine/train/aachen/aachen_000001_000019_gtFine"
    assert first.label_ids == Path(f"{annotation}_labelIds.png")
    assert first.instance_ids == Path(f"{annotation}_instanceIds.png")


def test_coarse_masks_are_a_mode_of_their_own(root):
    with raises_one_line("image without mask", "gtCoarse/train"):
        list_scenes(root, "train", "coarse")  # two of the three images have none
    for name in (AACHEN, ULM1):
        write_scene(root, "train", name, "coarse")
    scene = list_scenes(root, "train", "coarse")[0]
    assert scene.label_ids.name == f"{AACHEN}_gtCoarse_labelIds.png"


def test_cities_are_held_out_of_train(root):
    def names(split, *cities, mode="fine"):
        return [scene.name for scene in list_scenes(root, split, mode, cities)]

    assert names("train", "aachen") == [ULM1, ULM2] and names("held_out", "aachen") == [AACHEN]
    assert names("held_out", "ulm", "aachen") == names("train") == [AACHEN, ULM1, ULM2]
    assert names("val", "ulm") == ["bonn_000001_000019"]
    for split, cities, message in (
        ("held_out", (), "no city of train is held out"),
        ("train", ("ulm", "aachen"), "hold_out ulm, aachen: no city of train is left"),
        ("train", ("ullm",), "city 'ullm' is unknown; choose one of: aachen, ulm; .*'ulm'"),
        ("held_out", ("bonn",), "city 'bonn' is unknown; choose one of: aachen, ulm"),
    ):
        with pytest.raises(ConfigError, match=message):
            names(split, *cities)


def test_what_a_tree_has_is_asked_of_the_folder(root):
    scenes = list_scenes(root, "train")
    assert has_instances(scenes)
    scenes[1].instance_ids.unlink()
    with raises_one_line(scenes[1].instance_ids.name, "no such file, but other scenes"):
        has_instances(scenes)
    assert not has_instances(scenes[1:2])


def test_stray_files_are_passed_over(root, capsys):
    for place in ("leftImg8bit/train", "leftImg8bit/train/ulm", "gtFine/train"):
        (root / place / ".DS_Store").touch()
        (root / place / "notes.txt").touch()
    (root / "leftImg8bit/train/ulm/._ulm_000009_000019_leftImg8bit.png").touch()
    (root / "leftImg8bit/train/ulm/holiday.JPG").touch()
    for _ in range(2):
        assert len(list_scenes(root, "train")) == 3
    note = "1 pictures not named *_leftImg8bit.png are passed over, such as holiday.JPG\n"
    assert capsys.readouterr().err == f"note: {root}/leftImg8bit/train: {note}"


@pytest.mark.parametrize("place", [
    "ulm/{}.PNG", "{}.png", "ulm/old/{}.png", "ulm copy/{}.png", "ulm/copy_{}.png"
])
def test_a_scene_at_another_place_is_not_dropped_in_silence(root, place):
    for part, kind in (("leftImg8bit", "_leftImg8bit"), ("gtFine", "_gtFine_labelIds")):
        file = root / part / f"train/ulm/{ULM1}{kind}.png"
        moved = root / part / "train" / place.format(file.stem)
        moved.parent.mkdir(exist_ok=True)
        file.rename(moved)
    message = "expected .*/train/<city>/<city>_<sequence>_<frame>_leftImg8bit.png"
    with raises_one_line(place.format(f"{ULM1}_leftImg8bit"), message):
        list_scenes(root, "train")


def test_links_are_followed_unless_they_lead_nowhere_or_in_circles(root):
    for part in ("leftImg8bit", "gtFine"):
        (root / part / "train/ulm").rename(root / part / "elsewhere")
        (root / part / "train/ulm").symlink_to(root / part / "elsewhere")
    assert len(list_scenes(root, "train")) == 3
    (root / "gtFine/train/jena").symlink_to(root / "gtFine/train")
    with raises_one_line("train/jena/.*_labelIds.png: expected"):
        list_scenes(root, "train")
    for target in ("nowhere", "jena"):
        (root / "gtFine/train/jena").unlink()
        (root / "gtFine/train/jena").symlink_to(root / "gtFine/train" / target)
        with raises_one_line("gtFine/train/jena: a link to nothing"):
            list_scenes(root, "train")


def test_unknown_split_and_mode(root):
    splits = "choose one of: train, val, test"
    with pytest.raises(ConfigError, match=f"of fine masks 'extra' is unknown; {splits}"):
        list_scenes(root, "extra")
    with pytest.raises(ConfigError, match="'medium' is unknown; choose one of: fine, coarse"):
        list_scenes(root, "train", "medium")


def test_missing_and_empty_folders(root):
    with raises_one_line("nowhere: no such folder"):
        list_scenes(root / "nowhere", "train")
    with raises_one_line("leftImg8bit/test: no such folder"):
        list_scenes(root, "test")
    (root / "leftImg8bit/test/city").mkdir(parents=True)
    with raises_one_line("leftImg8bit/test: the split is empty"):
        list_scenes(root, "test")
    (root / "gtFine").rename(root / "elsewhere")
    with raises_one_line("gtFine: no such folder"):
        list_scenes(root, "train")


def test_image_and_mask_come_in_pairs(root):
    scene = list_scenes(root, "train")[1]
    scene.label_ids.rename(root / "kept.png")
    with raises_one_line(scene.image.name, "image without mask"):
        list_scenes(root, "train")
    (root / "kept.png").rename(scene.label_ids)
    scene.image.unlink()
    with raises_one_line(scene.label_ids.name, "mask without image"):
        list_scenes(root, "train")


def test_describe(root):
    for name in (AACHEN, ULM1):
        write_scene(root, "train", name, "coarse")
    parts = describe(root, deep=True)
    found = [f"{part['split']} {part['mode']}" for part in parts]
    assert found == ["train fine", "val fine", "train coarse"]
    assert parts[0]["scenes"] == 3 and parts[0]["cities"] == {"aachen": 1, "ulm": 2}
    assert parts[0]["sizes"] == {"16x32": 3}
    shutil.rmtree(root / "gtCoarse")
    assert describe(root) == parts[:2]


def test_describe_finds_what_is_wrong(root):
    (root / "gtCoarse/train").rename(root / "unused")
    scene = list_scenes(root, "val")[0]
    scene.instance_ids.write_bytes(b"no mask")
    describe(root)
    with raises_one_line(scene.instance_ids.name, "not an image"):
        describe(root, deep=True)
    Image.fromarray(np.full((16, 30), 7, np.uint8)).save(scene.label_ids)
    with raises_one_line("mask is 16x30", "its image is 16x32"):
        describe(root)
    (root / "gtFine/val").rename(root / "away")
    with raises_one_line("gtFine/val: no such folder"):
        describe(root)
    with raises_one_line("no such folder"):
        describe(root / "nowhere")


def test_describe_knows_void_and_train_ids(root, capsys):
    shutil.rmtree(root / "gtCoarse")
    write_scene(root, "val", "bonn_000001_000019", label_id=3)  # out of roi, as in Cityscapes' test
    describe(root)
    assert f"note: {root}/gtFine/val: no pixel of a class that is scored" in capsys.readouterr().err
    for train_id in (2, 10):  # building and sky
        write_scene(root, "val", f"bonn_{train_id:06}_000019", label_id=train_id)
    with raises_one_line("gtFine/val: the masks look like train ids", "expected label ids"):
        describe(root)


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_a_photograph_has_the_size_of_its_mask_when_it_is_upright(tmp_path, kind, deep):
    exif = Image.Exif()
    exif[0x0112] = 6
    scene = write_scene(tmp_path, "train")
    Image.new("RGB", (16, 32)).save(scene.image, kind, exif=exif)
    assert describe(tmp_path, deep=deep)[0]["sizes"] == {"16x32": 1}
    Image.new("RGB", (32, 16)).save(scene.image, kind, exif=exif)
    with raises_one_line("mask is 16x32", "its image is 32x16"):
        describe(tmp_path, deep=deep)
