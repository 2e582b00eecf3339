"""Writing single scenes of a Cityscapes tree."""

from pathlib import Path

import numpy as np
from PIL import Image

from seglib.data.tree import Scene


def write_scene(
    root: Path, split: str, name: str = "ulm_000001_000019", mode: str = "fine",
    size: tuple[int, int] = (16, 32), label_id: int = 7,
) -> Scene:
    """Write a black photograph, and masks of one label, for the scene `name`."""
    scene = Scene(Path(root), split, name.split("_")[0], name, mode)
    for path in (scene.image, scene.label_ids):
        path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((*size, 3), np.uint8)).save(scene.image)
    for path, dtype in ((scene.label_ids, np.uint8), (scene.instance_ids, np.uint16)):
        Image.fromarray(np.full(size, label_id, dtype)).save(path)
    return scene
