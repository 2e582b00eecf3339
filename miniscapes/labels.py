"""The labels of Cityscapes: names, ids, colours, and which come as single objects.

The official table (Cordts et al., CVPR 2016).
"""

from typing import NamedTuple


class Label(NamedTuple):
    """One row of the table."""

    name: str
    id: int  # -1: annotated, but in no mask
    color: tuple[int, int, int]
    has_instances: bool


LABELS = (
    Label("unlabeled", 0, (0, 0, 0), False), Label("ego vehicle", 1, (0, 0, 0), False),
    Label("rectification border", 2, (0, 0, 0), False), Label("out of roi", 3, (0, 0, 0), False),
    Label("static", 4, (0, 0, 0), False), Label("dynamic", 5, (111, 74, 0), False),
    Label("ground", 6, (81, 0, 81), False), Label("road", 7, (128, 64, 128), False),
    Label("sidewalk", 8, (244, 35, 232), False), Label("parking", 9, (250, 170, 160), False),
    Label("rail track", 10, (230, 150, 140), False), Label("building", 11, (70, 70, 70), False),
    Label("wall", 12, (102, 102, 156), False), Label("fence", 13, (190, 153, 153), False),
    Label("guard rail", 14, (180, 165, 180), False), Label("bridge", 15, (150, 100, 100), False),
    Label("tunnel", 16, (150, 120, 90), False), Label("pole", 17, (153, 153, 153), False),
    Label("polegroup", 18, (153, 153, 153), False),
    Label("traffic light", 19, (250, 170, 30), False),
    Label("traffic sign", 20, (220, 220, 0), False), Label("vegetation", 21, (107, 142, 35), False),
    Label("terrain", 22, (152, 251, 152), False), Label("sky", 23, (70, 130, 180), False),
    Label("person", 24, (220, 20, 60), True), Label("rider", 25, (255, 0, 0), True),
    Label("car", 26, (0, 0, 142), True), Label("truck", 27, (0, 0, 70), True),
    Label("bus", 28, (0, 60, 100), True), Label("caravan", 29, (0, 0, 90), True),
    Label("trailer", 30, (0, 0, 110), True), Label("train", 31, (0, 80, 100), True),
    Label("motorcycle", 32, (0, 0, 230), True), Label("bicycle", 33, (119, 11, 32), True),
    Label("license plate", -1, (0, 0, 142), False),
)
BY_NAME = {label.name: label for label in LABELS}
BY_ID = {label.id: label for label in LABELS}
