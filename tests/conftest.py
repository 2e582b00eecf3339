"""Fixtures that several test files share."""

import json
import shutil
import signal
from collections import Counter
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image, ImageDraw

import miniscapes

# Jobs in the background start deaf to Ctrl-C, and so would be the programs that tests stop.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Label ids, colours and instance flags are spelled out here, so that the fixture does not rest on
# the code that it tests.
LABELS = {
    "unlabeled": (0, (0, 0, 0), False), "ego vehicle": (1, (0, 0, 0), False),
    "road": (7, (128, 64, 128), False), "sidewalk": (8, (244, 35, 232), False),
    "building": (11, (70, 70, 70), False), "pole": (17, (153, 153, 153), False),
    "vegetation": (21, (107, 142, 35), False), "sky": (23, (70, 130, 180), False),
    "person": (24, (220, 20, 60), True), "rider": (25, (255, 0, 0), True),
    "car": (26, (0, 0, 142), True), "bicycle": (33, (119, 11, 32), True),
}
SCENES = {"train": (3, 3), "val": (2, 1), "test": (1, 2)}
CITIES = ("northtown", "southtown")
HEIGHT, WIDTH = 32, 64


def _box(left: int, top: int, right: int, bottom: int) -> list[list[int]]:
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def _street(random: np.random.Generator) -> list[tuple[str, list]]:
    """A street's labels and polygons in painting order: later ones cover earlier ones."""
    horizon = int(random.integers(12, 17))
    shift = int(random.integers(0, 12))
    return [
        ("sky", _box(0, 0, 63, horizon)),
        ("building", _box(0, 4 + shift // 4, 22 + shift, horizon)),
        ("vegetation", [[50 - shift, horizon], [56 - shift, 3], [63, 5], [63, horizon]]),
        ("road", _box(0, horizon, 63, 31)),
        ("sidewalk", [[0, horizon], [20, horizon], [4, 31], [0, 31]]),
        ("pole", _box(28 + shift, 4, 29 + shift, horizon + 3)),
        ("person", _box(5 + shift // 3, horizon - 3, 9 + shift // 3, horizon + 7)),
        ("person", _box(12 + shift // 3, horizon - 2, 14 + shift // 3, horizon + 5)),
        ("bicycle", _box(46, horizon + 4, 53, horizon + 9)),
        ("rider", _box(48, horizon - 1, 51, horizon + 6)),
        ("car", _box(26 + shift, horizon - 1, 36 + shift, horizon + 5)),
        ("car", _box(54, horizon, 63, horizon + 8)),
        ("ego vehicle", [[18, 31], [22, 29], [44, 29], [48, 31]]),
    ]


def _coarse(objects: list[tuple[str, list]]) -> list[tuple[str, list]]:
    """The same street drawn in a hurry: large things only, well inside their outline."""
    result = []
    for label, polygon in objects:
        corners = np.array(polygon)
        if np.ptp(corners[:, 0]) >= 8 and np.ptp(corners[:, 1]) >= 4:
            shrunk = np.rint(corners + 0.25 * (corners.mean(axis=0) - corners)).astype(int)
            result.append((label, shrunk.tolist()))
    return result


def _write_annotation(stem: Path, objects: list[tuple[str, list]]) -> np.ndarray:
    """Write the two masks of one scene; return its label ids."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    label_ids = Image.new("L", (WIDTH, HEIGHT), 0)
    instance_ids = Image.new("I", (WIDTH, HEIGHT), 0)
    counts: Counter[str] = Counter()
    for label, corners in objects:
        number, _, has_instances = LABELS[label]
        instance = number * 1000 + counts[label] if has_instances else number
        counts[label] += 1
        polygon = [tuple(corner) for corner in corners]
        ImageDraw.Draw(label_ids).polygon(polygon, fill=number)
        ImageDraw.Draw(instance_ids).polygon(polygon, fill=instance)
    label_ids.save(f"{stem}_labelIds.png")
    # Sixteen bits, as in the published files; Pillow 13 can't write its 32-bit mode "I" as PNG.
    Image.fromarray(np.array(instance_ids).astype(np.uint16)).save(f"{stem}_instanceIds.png")
    return np.array(label_ids)


@pytest.fixture
def agg():
    """Figures that need no screen, closed afterwards."""
    matplotlib.use("Agg")
    yield
    plt.close("all")


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Compute on one thread, as the tests' further processes do: sums then have one order."""
    import torch
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a Cityscapes tree: 2 cities; 6 train, 3 val and 3 test scenes of 32x64 pixels.

    Fine masks for all splits, coarse ones for train and val. A class has one colour plus noise, so
    that a small network learns it in seconds. Shared by the whole session: a test that changes
    anything works on a copy.
    """
    root = tmp_path_factory.mktemp("tiny_tree")
    version = {"version": miniscapes.VERSION}
    (root / "dataset.json").write_text(json.dumps(version))  # as if it were generated
    palette = np.zeros((256, 3))
    for number, rgb, _ in LABELS.values():
        palette[number] = rgb
    random = np.random.default_rng(0)
    sequence = 0
    for split, scenes_per_city in SCENES.items():
        for city, scenes in zip(CITIES, scenes_per_city, strict=True):
            for _ in range(scenes):
                name = f"{city}_{sequence:06d}_000019"
                sequence += 1
                objects = _street(random)
                fine = root / "gtFine" / split / city / f"{name}_gtFine"
                label_ids = _write_annotation(fine, objects)
                if split != "test":
                    coarse = root / "gtCoarse" / split / city / f"{name}_gtCoarse"
                    _write_annotation(coarse, _coarse(objects))
                noise = random.normal(0, 12, (HEIGHT, WIDTH, 3))
                photo = np.clip(0.7 * palette[label_ids] + 40 + noise, 0, 255).astype(np.uint8)
                image = root / "leftImg8bit" / split / city / f"{name}_leftImg8bit.png"
                image.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(photo).save(image)
    return root


@pytest.fixture
def seglib_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that holds everything seglib reads and writes during one test."""
    for name in ("SEGLIB_RESULTS", "SEGLIB_FIGURES", "SEGLIB_RETRAIN", "CITYSCAPES_DATASET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SEGLIB_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def home(seglib_home: Path, tiny_tree: Path) -> Path:
    """A home in which the tiny tree is the dataset `miniscapes`."""
    (seglib_home / "data").mkdir()
    (seglib_home / "data" / "miniscapes").symlink_to(tiny_tree)
    return seglib_home


@pytest.fixture
def cityscapes_home(seglib_home: Path, tiny_tree: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home in which the tiny tree is the user's Cityscapes."""
    monkeypatch.setenv("CITYSCAPES_DATASET", str(tiny_tree))
    return seglib_home


@pytest.fixture
def tree(seglib_home: Path, tiny_tree: Path) -> Path:
    """A copy of the tiny tree that a test may change, as the dataset `miniscapes`."""
    return Path(shutil.copytree(tiny_tree, seglib_home / "data" / "miniscapes"))
