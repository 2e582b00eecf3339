"""From a scene's polygons to its masks, pixel for pixel as the official tools draw them.

`json2labelImg` and `json2instanceImg` of cityscapesscripts paint an annotation's objects in order,
later ones over earlier ones, with Pillow's polygon filling; so does this.
Source: cityscapesscripts 2.3.0, `preparation/json2labelImg.py` and `json2instanceImg.py`.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from .labels import BY_NAME, LABELS, Label


def _label(name: str) -> tuple[Label, bool]:
    """The label of an object's name, and whether it is a group that nobody told apart."""
    if name in BY_NAME:  # "polegroup" is a label of its own
        return BY_NAME[name], False
    return BY_NAME[name.removesuffix("group")], True


def _points(item: Mapping[str, Any]) -> list[tuple[float, float]]:
    return [(x, y) for x, y in item["polygon"]]


def draw_label_ids(annotation: Mapping[str, Any]) -> np.ndarray:
    """Label ids of a generated annotation: uint8 (H, W), 0 where nothing is drawn."""
    image = Image.new("L", (annotation["imgWidth"], annotation["imgHeight"]), 0)
    pen = ImageDraw.Draw(image)
    for item in annotation["objects"]:
        label, _ = _label(item["label"])
        if label.id >= 0:
            pen.polygon(_points(item), fill=label.id)
    return np.asarray(image)


def draw_instance_ids(annotation: Mapping[str, Any]) -> np.ndarray:
    """Instance ids of a generated annotation: int32 (H, W).

    Label id * 1000 + k for the k-th object of a class with instances, hidden ones counted too; the
    plain label id for groups and for all other classes.
    """
    image = Image.new("I", (annotation["imgWidth"], annotation["imgHeight"]), 0)
    pen = ImageDraw.Draw(image)
    seen: Counter[str] = Counter()
    for item in annotation["objects"]:
        label, is_group = _label(item["label"])
        value = label.id
        if label.has_instances and not is_group:
            value = label.id * 1000 + seen[label.name]
            seen[label.name] += 1
        if label.id >= 0:
            pen.polygon(_points(item), fill=value)
    return np.asarray(image)


def color_mask(label_ids: np.ndarray) -> np.ndarray:
    """The colour picture of label ids: uint8 (H, W) to RGBA uint8 (H, W, 4), as in `color.png`."""
    table = np.zeros((256, 4), np.uint8)
    table[:, 3] = 255
    for label in LABELS:
        if label.id >= 0:
            table[label.id, :3] = label.color
    return table[label_ids]
