"""The cache of resized scenes: what is in it, when it is made anew, and faults while it is made."""

import contextlib
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock
from PIL import Image
from processes import Process

from seglib import paths
from seglib.data import cache as cache_module
from seglib.data.cache import SceneCache, load_cache
from seglib.data.datasets import fingerprint
from seglib.data.images import read_label_ids, read_photo, resize_image
from seglib.data.tree import list_scenes
from seglib.errors import DatasetError
from seglib.files import read_json, write_json
from seglib.labels import CAMVID_11, CITYSCAPES_19

SIZE = (16, 32)


def build(root: Path, split: str = "train", mode: str = "fine", size=SIZE, classes=CITYSCAPES_19):
    return load_cache(list_scenes(root, split, mode), size, classes, progress=False)


def folders() -> list[str]:
    """Everything but locks in the cache's folder."""
    return sorted(path.name for path in paths.cache_dir().iterdir() if path.suffix != ".lock")


@pytest.mark.parametrize(("mode", "classes"), [("fine", CITYSCAPES_19), ("coarse", CAMVID_11)])
def test_the_cache_holds_what_decoding_gives(tree: Path, mode: str, classes) -> None:
    scenes = list_scenes(tree, "train", mode)
    cached = build(tree, mode=mode, size=(32, 64), classes=classes)
    assert cached.names == [scene.name for scene in scenes] and len(cached) == 6
    assert cached.images.dtype == cached.masks.dtype == np.uint8
    for position, scene in enumerate(scenes):
        image, mask = cached[position]
        assert np.array_equal(image.permute(1, 2, 0), read_photo(scene.image))
        assert np.array_equal(mask, classes.encode(read_label_ids(scene.label_ids)))


def test_resizing_filters_images_and_picks_nearest_pixels_of_masks(tree: Path) -> None:
    scene = list_scenes(tree, "val")[0]
    image, mask = build(tree, "val")[0]
    assert image.shape == (3, *SIZE) and mask.shape == SIZE
    board = np.uint8(np.indices((32, 64)).sum(0) % 2 * 255)[..., None].repeat(3, axis=2)
    grey = resize_image(board, SIZE)[1:-1, 1:-1]  # a filter averages light and dark
    assert abs(grey - 127.5).max() <= 1
    truth = CITYSCAPES_19.encode(read_label_ids(scene.label_ids))
    choices = np.stack([truth[row::2, column::2] for row in (0, 1) for column in (0, 1)])
    assert (choices == mask.numpy()).any(0).all()


def test_pictures_stay_the_right_way_up_and_together(tree: Path) -> None:
    """Each quarter of a scene has its own label and grey value: neither is turned nor mirrored."""
    quarters = np.kron(np.array([[7, 11], [21, 26]], np.uint8), np.ones((16, 32), np.uint8))
    scene = list_scenes(tree, "val")[0]
    Image.fromarray(quarters).save(scene.label_ids)
    Image.fromarray(np.repeat(quarters[..., None], 3, 2)).save(scene.image)
    for size in ((32, 64), SIZE):
        image, mask = build(tree, "val", size=size)[0]
        rows, columns = (slice(2, None, size[0] // 2), slice(2, None, size[1] // 2))
        assert mask[rows, columns].tolist() == [[0, 2], [8, 13]]  # road, building, vegetation, car
        assert image[0, rows, columns].tolist() == [[7, 11], [21, 26]]


def test_class_pixels_counts_every_mask(tree: Path) -> None:
    cached = build(tree)
    pixels = cached.class_pixels(19)
    assert pixels.dtype == torch.int64 and pixels.shape == (19,)
    for index in range(19):
        assert pixels[index] == (cached.masks == index).sum()
    assert 0 < pixels.sum() < cached.masks.size  # the bonnet is ignored


def test_a_second_call_reads_what_the_first_one_built(tree: Path, monkeypatch) -> None:
    first = build(tree)
    monkeypatch.setattr(cache_module, "_build", None)  # would fail if it were called
    second = build(tree)
    assert np.array_equal(first.images, second.images) and first.names == second.names


def test_the_key_changes_with_everything_it_depends_on(tree: Path) -> None:
    for options in ({}, {"size": (32, 64)}, {"mode": "coarse"}, {"classes": CAMVID_11}):
        build(tree, **options)
    assert len(folders()) == 4
    for split in ("train", "held_out"):
        scenes = list_scenes(tree, split, "fine", ["southtown"])
        cached = load_cache(scenes, SIZE, CITYSCAPES_19, progress=False)
        assert cached.names == [scene.name for scene in scenes] and len(cached.masks) == 3
    assert len(folders()) == 6
    scene = list_scenes(tree, "train")[0]
    for count, file in ((7, scene.label_ids), (8, scene.image)):
        os.utime(file, ns=(0, 0))
        build(tree)
        assert len(folders()) == count


def mask(label_id: int, *size: int):
    """Damage: another mask in place of the scene's."""
    pixels = np.full(size, label_id, np.uint8)
    return lambda scene: Image.fromarray(pixels).save(scene.label_ids)


@pytest.mark.parametrize(("damage", "message"), [
    (lambda scene: scene.image.write_bytes(scene.image.read_bytes()[:300]), "truncated"),
    (lambda scene: scene.label_ids.write_bytes(b"no image"), "not an image"),
    (mask(34, 32, 64), "34"), (mask(0, 32, 60), "mask is 32x60.*its image is 32x64"),
])
def test_a_broken_file_is_named_in_one_line_and_leaves_nothing(tree, damage, message) -> None:
    scene = list_scenes(tree, "train")[4]
    damage(scene)
    with pytest.raises(DatasetError, match=message) as caught:
        build(tree)
    assert scene.name in str(caught.value) and "\n" not in str(caught.value)
    assert folders() == []


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


@pytest.mark.parametrize("damage", [flip, cut, lambda file: os.truncate(file, 0), Path.unlink])
@pytest.mark.parametrize("name", ["images.npy", "masks.npy", "checksums.json"])
def test_a_damaged_cache_is_built_anew(tree: Path, capsys, damage, name: str) -> None:
    expected = build(tree)
    images, masks = expected.images.copy(), expected.masks.copy()
    (folder,) = folders()
    damage(paths.cache_dir() / folder / name)
    again = build(tree)
    assert np.array_equal(again.images, images) and np.array_equal(again.masks, masks)
    said = capsys.readouterr().err
    assert said == f"note: {paths.cache_dir() / folder} is damaged, building it anew\n"
    build(tree)
    assert not capsys.readouterr().err and folders() == [folder]


def test_train_ids_and_files_that_vanished_are_named(tree: Path) -> None:
    scenes = list_scenes(tree, "val")
    for scene, train_id in zip(scenes, (0, 2, 10), strict=True):  # road, building, sky
        mask(train_id, 32, 64)(scene)
    with pytest.raises(DatasetError, match="gtFine/val: the masks look like train ids"):
        build(tree, "val")
    scenes[0].image.unlink()
    scenes[0].image.symlink_to("nowhere")
    with pytest.raises(DatasetError, match=f"{scenes[0].name}.*: No such file"):
        build(tree, "val")


def test_names_that_are_no_utf8(tree: Path) -> None:
    city = os.fsdecode(b"K\xf6ln")
    for part in ("leftImg8bit", "gtFine"):
        folder = (tree / part / "val/northtown").rename(tree / part / "val" / city)
        for file in folder.iterdir():
            file.rename(folder / file.name.replace("northtown", city))
    assert len(build(tree, "val")) == 3
    assert len(fingerprint(tree, "val")) == 16
    write_json(tree / "names.json", {"city": city})
    assert read_json(tree / "names.json") == {"city": city}


def test_subsets_are_nested_and_random() -> None:
    images = np.arange(20, dtype=np.uint8)[:, None, None, None] + np.zeros((2, 2, 3), np.uint8)
    cached = SceneCache([f"{i:02}" for i in range(20)], images, images[..., 0])
    small, large = cached.subset(5, seed=1), cached.subset(12, seed=1)
    assert len(small) == 5 and set(small.names) < set(large.names)
    assert small.names == sorted(small.names)
    for position, name in enumerate(small.names):
        image, mask = small[position]
        assert (image == int(name)).all() and (mask == int(name)).all()
    assert set(cached.subset(5, seed=2).names) != set(small.names)
    assert len(cached.subset(100, seed=1)) == 20


# --- several processes, and faults -----------------------------------------------------------


class Told(io.StringIO):
    """What is written, with a file that says that it was."""

    def write(self, text: str) -> int:
        (paths.home() / f"told-{os.getpid()}").touch()
        return super().write(text)


def patient_build(root: Path) -> tuple[float, str]:
    """Build the train cache; return the sum of its images, and stderr."""
    with contextlib.redirect_stderr(Told()) as said:
        return float(build(root).images.sum()), said.getvalue()


def test_processes_that_want_one_cache_wait_and_say_so(tree: Path, seglib_home: Path) -> None:
    build(tree)
    folder = paths.cache_dir() / folders()[0]
    shutil.rmtree(folder)
    with FileLock(f"{folder}.lock"):
        processes = [Process(seglib_home, patient_build, tree) for _ in range(2)]
        processes[0].wait_for(lambda: len(list(seglib_home.glob("told-*"))) == 2)
    sums, said = zip(*(process.result() for process in processes), strict=True)
    assert sums[0] == sums[1] == float(build(tree).images.sum())
    assert folders() == [folder.name]
    line = f"waiting: another process builds this cache and holds {folder}.lock\n"
    assert said == (line, line)


UNGUARDED = """
import multiprocessing, sys
from seglib.files import locked
with locked(sys.argv[1], "trains it"):
    worker = multiprocessing.get_context("spawn").Process(target=print)
    worker.start()
    worker.join()
print("the end")
"""


def test_a_worker_that_runs_its_script_anew_does_not_wait_for_ever(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(UNGUARDED)
    call = [sys.executable, tmp_path / "script.py", tmp_path / "it.lock"]
    ended = subprocess.run(call, capture_output=True, text=True, timeout=600)
    assert ended.stdout == "the end\n"
    last = ended.stderr.splitlines()[-1]
    assert "it.lock: held by what started this process" in last and "__main__" in last
