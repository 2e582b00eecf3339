import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from seglib.data.summary import describe
from seglib.data.tree import (
    Scene,
    SceneDataset,
    list_scenes,
    read_image,
    read_instance_ids,
    read_label_ids,
    read_mask_bytes,
    read_polygons,
)
from seglib.errors import ConfigError, DatasetError

SIZE = (6, 8)
POLYGONS = {
    "imgHeight": 6,
    "imgWidth": 8,
    "objects": [{"label": "road", "polygon": [[0, 0], [7, 0], [7, 5]]}],
}


def write_scene(root, split, city, number, mode="fine", *, size=SIZE):
    """Write all five files of one tiny scene: road above, a car below."""
    scene = Scene(Path(root), split, city, f"{city}_{number:06}_000019", mode)
    for path in (scene.image, scene.label_ids):
        path.parent.mkdir(parents=True, exist_ok=True)
    label_ids = np.full(size, 7, np.uint8)
    label_ids[size[0] // 2 :] = 26
    Image.fromarray(np.full((*size, 3), number, np.uint8)).save(scene.image)
    Image.fromarray(label_ids).save(scene.label_ids)
    instance_ids = label_ids.astype(np.uint16)
    instance_ids[label_ids == 26] = 26001
    Image.fromarray(instance_ids).save(scene.instance_ids)
    Image.fromarray(np.zeros((*size, 4), np.uint8)).save(scene.color)
    scene.polygons.write_text(json.dumps(POLYGONS))
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
    assert [scene.name for scene in scenes] == [
        *("aachen_000001_000019", "ulm_000001_000019", "ulm_000002_000019"),
    ]
    first = scenes[0]
    assert first.image == root / "leftImg8bit/train/aachen/aachen_000001_000019_leftImg8bit.png"
    assert first.color == root / "gtFine/train/aachen/aachen_000001_000019_gtFine_color.png"
    for path in (first.image, first.label_ids, first.instance_ids, first.polygons, first.color):
        assert path.is_file()


def test_coarse_masks_of_train_extra(root):
    (scene,) = list_scenes(root, "train_extra", "coarse")
    assert scene.label_ids.name == "jena_000005_000019_gtCoarse_labelIds.png"
    with raises_one_line("image without mask", "gtCoarse.zip holds it"):
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
    assert len(list_scenes(root, "train", require_masks=False)) == 3
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


def test_reading(root):
    scene = list_scenes(root, "train")[2]
    image = read_image(scene.image)
    assert image.shape == (*SIZE, 3) and image.dtype == np.uint8 and (image == 2).all()
    label_ids = read_label_ids(scene.label_ids, SIZE)
    assert label_ids.dtype == np.uint8 and set(label_ids.flat) == {7, 26}
    instance_ids = read_instance_ids(scene.instance_ids, SIZE)
    assert instance_ids.dtype == np.int32 and set(instance_ids.flat) == {7, 26001}
    assert read_polygons(scene.polygons) == POLYGONS


@pytest.fixture(params=["imagecodecs", "Pillow"])
def decoder(request, monkeypatch):
    """Both ways to decode a PNG: with imagecodecs and as without it."""
    if request.param == "imagecodecs":
        pytest.importorskip("imagecodecs", reason="imagecodecs is not installed: '.[speed]'")
    else:
        monkeypatch.setitem(sys.modules, "imagecodecs", None)


def test_every_kind_of_photograph_is_decoded_as_pillow_does(tmp_path, decoder):
    pixels = np.random.default_rng(0).integers(0, 256, (9, 13, 4), np.uint8)
    rgb = Image.fromarray(pixels[..., :3])
    gamma = PngInfo()
    gamma.add(b"gAMA", (220_000).to_bytes(4, "big"))
    kinds = {
        "plain": (rgb, {}),
        "stored": (rgb, {"compress_level": 0}),
        "gamma": (rgb, {"pnginfo": gamma}),
        "transparent colour": (rgb, {"transparency": tuple(pixels[0, 0, :3].tolist())}),
        "alpha": (Image.fromarray(pixels), {}),
        "palette": (rgb.quantize(8), {}),
        "grey": (rgb.convert("L"), {}),
        "deep": (Image.fromarray(pixels[..., 0].astype(np.uint16) * 257), {}),
    }
    for name, (image, options) in kinds.items():
        path = tmp_path / f"{name}.png"
        image.save(path, **options)
        with Image.open(path) as opened:
            expected = np.asarray(opened.convert("RGB"))
        assert np.array_equal(read_image(path), expected), name


@pytest.mark.parametrize("options", [{}, {"compress_level": 0}, {"bits": 2}, {"transparency": 1}])
@pytest.mark.parametrize(
    ("read", "dtype"), [(read_mask_bytes, np.uint8), (read_instance_ids, np.uint16)]
)
def test_every_kind_of_mask_is_decoded_as_pillow_does(tmp_path, decoder, read, dtype, options):
    path = tmp_path / "mask.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 34, (9, 13)).astype(dtype)).save(
        path, **options
    )
    with Image.open(path) as opened:
        expected = np.asarray(opened)
    assert np.array_equal(read(path), expected)


def test_truncated_files(root, decoder):
    scene = list_scenes(root, "val")[0]
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(
        scene.image
    )
    scene.image.write_bytes(scene.image.read_bytes()[:-3000])
    with raises_one_line(scene.image.name, "truncated"):
        read_image(scene.image)
    with pytest.raises(DatasetError, match="truncated"):
        SceneDataset(root, "val")[0]
    scene.label_ids.write_bytes(scene.label_ids.read_bytes()[:50])
    with raises_one_line(scene.label_ids.name):
        read_label_ids(scene.label_ids)
    scene.label_ids.write_bytes(b"no image at all")
    with raises_one_line(scene.label_ids.name, "not an image"):
        read_label_ids(scene.label_ids)
    with raises_one_line("gone.png: no such file"):
        read_image(root / "gone.png")


def test_masks_that_do_not_fit(root):
    scene = list_scenes(root, "val")[0]
    with raises_one_line(scene.label_ids.name, "mask is 6x8", "image is 6x9"):
        read_label_ids(scene.label_ids, (6, 9))
    with raises_one_line("one channel of 8 bits", "RGBA"):
        read_label_ids(scene.color)
    with raises_one_line("one channel of 16 bits", "RGBA"):
        read_instance_ids(scene.color)
    Image.fromarray(np.full(SIZE, 40, np.uint8)).save(scene.label_ids)
    with raises_one_line(scene.label_ids.name, "label id 40 is outside"):
        read_label_ids(scene.label_ids)
    Image.fromarray(np.full(SIZE, 34001, np.uint16)).save(scene.instance_ids)
    with raises_one_line(scene.instance_ids.name, "label id 34 is outside"):
        read_instance_ids(scene.instance_ids)


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_instance_ids_of_the_whole_table(tmp_path, format):
    """16 bits in PNG files, as everywhere; 32 bits (mode I) in a file that only says so."""
    path = tmp_path / "a_instanceIds.png"
    dtype = np.uint16 if format == "PNG" else np.int32
    known = np.array([[0, 33, 1000, 1999, 26000, 33999]], dtype)
    Image.fromarray(known).save(path, format)
    found = read_instance_ids(path)
    assert found.dtype == np.int32 and np.array_equal(found, known)
    unknown = {34: 34, 999: 999, 34000: 34, 65535: 65}
    if format == "TIFF":
        unknown |= {-1: -1, 1_000_000: 1000}
    for value, label_id in unknown.items():
        Image.fromarray(np.array([[7, value, 26000]], dtype)).save(path, format)
        with raises_one_line(path.name, f"label id {label_id} is outside the table's 0..33"):
            read_instance_ids(path)


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"imgHeight": 2, "imgWidth": 2, "objects": [{"label": "car"}]}']
)
def test_bad_polygons(tmp_path, text):
    path = tmp_path / "a_polygons.json"
    path.write_text(text)
    with raises_one_line("a_polygons.json"):
        read_polygons(path)


def test_torchvision_dataset_follows_our_order(root):
    dataset = SceneDataset(root, "train", target_type=["semantic", "instance", "color", "polygon"])
    assert len(dataset) == 3
    image, (semantic, instance, color, polygons) = dataset[2]
    assert np.array_equal(image, read_image(dataset.scenes[2].image))
    assert np.array_equal(semantic, read_label_ids(dataset.scenes[2].label_ids))
    assert np.array_equal(instance, read_instance_ids(dataset.scenes[2].instance_ids))
    assert color.mode == "RGBA" and polygons == POLYGONS
    with pytest.raises(ConfigError, match="target 'depth' is unknown"):
        SceneDataset(root, "train", target_type="depth")


def test_describe(root):
    list_scenes(root, "train")[0].instance_ids.unlink()
    for number, city in ((1, "aachen"), (1, "ulm")):
        write_scene(root, "train", city, number, "coarse")
    summary = describe(root, deep=True)
    parts = {(part["split"], part["mode"]): part for part in summary["splits"]}
    assert list(parts) == [
        *(("train", "fine"), ("train", "coarse"), ("val", "fine"), ("train_extra", "coarse"))
    ]
    train = parts["train", "fine"]
    assert train["scenes"] == 3 and train["cities"] == {"aachen": 1, "ulm": 2}
    assert train["pixels"] == {"road": 72, "car": 72} and train["sizes"] == {"6x8": 3}
    assert parts["val", "fine"]["instances"] is True
    json.dumps(summary, allow_nan=False)


def test_describe_finds_what_is_wrong(root):
    (root / "gtCoarse/train").rename(root / "unused")
    write_scene(root, "val", "bonn", 1, size=(6, 9))
    Image.fromarray(np.full((6, 8), 7, np.uint8)).save(list_scenes(root, "val")[0].label_ids)
    with raises_one_line("mask is 6x8", "its image is 6x9"):
        describe(root)
    (root / "gtFine/val").rename(root / "away")
    with raises_one_line("gtFine/val: no such folder"):
        describe(root)
    with raises_one_line("no such folder"):
        describe(root / "nowhere")
