"""From polygons to masks, pixel for pixel as the official tools draw them.

`json2labelImg` and `json2instanceImg` of cityscapesscripts paint an annotation's objects in order,
later ones over earlier ones, with Pillow's polygon filling. This does the same, so that masks made
here and masks made there are equal, and it checks the file first.
Source: cityscapesscripts 2.3.0, `preparation/json2labelImg.py` and `json2instanceImg.py`.
"""

from collections.abc import Mapping
from pathlib import Path
from reprlib import repr as short
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from seglib.errors import DatasetError
from seglib.files import read_json
from seglib.labels import LABELS

_BY_NAME = {label.name: label for label in LABELS}
# Larger ones than any camera's; a typing error in a size must not fill the memory.
LARGEST_SIDE = 1 << 15
# Polygons may leave the image, but not so far that drawing them overflows.
FARTHEST_POINT = 1 << 20


def resolve_label(name: str) -> tuple[Any, bool] | None:
    """The label of an object's name, and whether it means a group ("cargroup"); None if unknown.

    "polegroup" is a label of its own and so not a group of poles.
    """
    if name in _BY_NAME:
        return _BY_NAME[name], False
    single = name.removesuffix("group")
    return (_BY_NAME[single], True) if single != name and single in _BY_NAME else None


def _is_coordinate(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and abs(value) <= FARTHEST_POINT  # which NaN is not


def check_annotation(annotation: Any, where: str = "annotation") -> None:
    """Check what the official tools take for granted.

    Args:
        annotation: a parsed `polygons.json`: imgHeight, imgWidth, and objects, each with a label
            and a polygon of [x, y] points.
        where: how messages call it, usually the file's path.

    Raises:
        DatasetError: one line that names the object and what is wrong with it.
    """
    if not isinstance(annotation, Mapping):
        raise DatasetError(f"{where}: expected a JSON object with imgHeight, imgWidth and objects")
    for key in ("imgHeight", "imgWidth", "objects"):
        if key not in annotation:
            raise DatasetError(f"{where}: '{key}' is missing")
    for key in ("imgHeight", "imgWidth"):
        side = annotation[key]
        if not isinstance(side, int) or isinstance(side, bool) or not 1 <= side <= LARGEST_SIDE:
            raise DatasetError(f"{where}: {key} is {short(side)}, expected 1..{LARGEST_SIDE}")
    if not isinstance(annotation["objects"], list):
        raise DatasetError(f"{where}: 'objects' is not a list")
    for index, item in enumerate(annotation["objects"]):
        _check_object(item, f"{where}: object {index}")


def _check_object(item: Any, where: str) -> None:
    if not isinstance(item, Mapping):
        raise DatasetError(f"{where} is not a JSON object with a label and a polygon")
    for key in ("label", "polygon"):
        if key not in item:
            raise DatasetError(f"{where}: '{key}' is missing")
    label = item["label"]
    if not isinstance(label, str) or resolve_label(label) is None:
        raise DatasetError(f"{where}: unknown label {short(label)}")
    polygon = item["polygon"]
    if not isinstance(polygon, list) or len(polygon) < 3:
        raise DatasetError(f"{where} ({label}): a polygon needs at least 3 points")
    for point in polygon:
        if not (
            isinstance(point, list | tuple) and len(point) == 2 and all(map(_is_coordinate, point))
        ):
            raise DatasetError(
                f"{where} ({label}): {short(point)} is not a point of two numbers "
                f"within ±{FARTHEST_POINT}"
            )


def read_annotation(path: Path) -> dict[str, Any]:
    """Read and check a `polygons.json`; DatasetError with one line that names the file."""
    annotation = read_json(path, DatasetError)
    check_annotation(annotation, str(path))
    return annotation


def _points(item: Mapping[str, Any]) -> list[tuple[float, float]]:
    return [(point[0], point[1]) for point in item["polygon"]]


def draw_label_ids(annotation: Mapping[str, Any]) -> np.ndarray:
    """Label ids of a checked annotation: uint8 (H, W), 0 where nothing is drawn.

    Deleted objects and negative ids (license plate) are not drawn; a group counts as its class.
    """
    image = Image.new("L", (annotation["imgWidth"], annotation["imgHeight"]), 0)
    pen = ImageDraw.Draw(image)
    for item in annotation["objects"]:
        label, _ = resolve_label(item["label"])
        if not item.get("deleted", 0) and label.id >= 0:
            pen.polygon(_points(item), fill=label.id)
    return np.asarray(image)


def draw_instance_ids(annotation: Mapping[str, Any]) -> np.ndarray:
    """Instance ids of a checked annotation: int32 (H, W).

    Label id * 1000 + k for the k-th object of a class with instances, hidden ones counted too;
    the plain label id for groups and for all other classes.
    """
    image = Image.new("I", (annotation["imgWidth"], annotation["imgHeight"]), 0)
    pen = ImageDraw.Draw(image)
    seen: dict[str, int] = {}
    for item in annotation["objects"]:
        if item.get("deleted", 0):
            continue
        label, is_group = resolve_label(item["label"])
        value = label.id
        if label.has_instances and not is_group:
            value = label.id * 1000 + seen.get(label.name, 0)
            seen[label.name] = seen.get(label.name, 0) + 1
        if value >= 0:
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
