"""The one label table: names, ids, colours and class sets, derived from torchvision's table.

Three numberings must not be mixed up: *label ids* (0..33, in `labelIds.png` files), *train ids*
(0..18 and 255, the benchmark's) and *class indices* (0..C-1 within a `ClassSet` and 255, what
networks learn). License plate has the ids -1 and is in no file; several labels share a colour.
Source: Cordts et al., "The Cityscapes Dataset", CVPR 2016; `torchvision.datasets.Cityscapes`.
"""

import ast
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .errors import DatasetError, choose


class CityscapesClass(NamedTuple):
    """A row of the table, with torchvision's names."""

    name: str
    id: int
    train_id: int
    category: str
    category_id: int
    has_instances: bool
    ignore_in_eval: bool
    color: tuple[int, int, int]


def _published() -> tuple[CityscapesClass, ...]:
    """torchvision's table, from its source: to import torchvision takes seconds."""
    folder = Path(find_spec("torchvision").origin).parent
    tree = ast.parse((folder / "datasets" / "cityscapes.py").read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    rows = [call.args for call in calls if ast.unparse(call.func) == "CityscapesClass"]
    return tuple(CityscapesClass(*map(ast.literal_eval, row)) for row in rows)


IGNORE_INDEX = 255  # class index, and train id, of pixels that are neither learned nor scored
LABELS: tuple[CityscapesClass, ...] = _published()  # 34 ids, then license plate (-1)
CATEGORIES: tuple[str, ...] = tuple(  # the 8 categories; the position is the category id
    name for _, name in sorted({(label.category_id, label.category) for label in LABELS})
)

LARGEST_LABEL_ID = max(label.id for label in LABELS)
_BY_NAME = {label.name: label for label in LABELS}


def label_by_name(name: str) -> CityscapesClass:
    """The label called `name`, for example "traffic sign"; ConfigError for an unknown name."""
    return _BY_NAME[choose("label", name, _BY_NAME)]


@dataclass(frozen=True)
class ClassSet:
    """The classes that a network learns, in index order, with the lookups to and from label ids."""

    name: str
    labels: tuple[CityscapesClass, ...]  # position is the class index

    @property
    def num_classes(self) -> int:
        """The number of classes C; class indices are 0..C-1."""
        return len(self.labels)

    @property
    def names(self) -> tuple[str, ...]:
        """The class names, in index order."""
        return tuple(label.name for label in self.labels)

    @property
    def ids(self) -> tuple[int, ...]:
        """The label id of each class, in index order."""
        return tuple(label.id for label in self.labels)

    @cached_property
    def colors(self) -> np.ndarray:
        """The RGB colour of each class, uint8 (C, 3)."""
        return _frozen([label.color for label in self.labels], np.uint8)

    @cached_property
    def category_ids(self) -> np.ndarray:
        """The category id (position in `CATEGORIES`) of each class, int64 (C,)."""
        return _frozen([label.category_id for label in self.labels], np.int64)

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories that occur in this set, each once, by category id."""
        return tuple(CATEGORIES[category] for category in np.unique(self.category_ids))

    @cached_property
    def has_instances(self) -> np.ndarray:
        """Whether the benchmark counts single objects of each class, bool (C,)."""
        return _frozen([label.has_instances for label in self.labels], np.bool_)

    @cached_property
    def encode_table(self) -> np.ndarray:
        """Label id to class index, uint8 (256,); 255 where the label is not in the set."""
        index_of = {label_id: index for index, label_id in enumerate(self.ids)}
        return _frozen([index_of.get(number, IGNORE_INDEX) for number in range(256)], np.uint8)

    @cached_property
    def decode_table(self) -> np.ndarray:
        """Class index to label id, uint8 (256,); 0 (unlabeled) for 255 and unused indices."""
        return _frozen(np.pad(self.ids, (0, 256 - self.num_classes)), np.uint8)

    def index(self, name: str) -> int:
        """The class index of the label called `name`; ConfigError if it is not in the set."""
        return self.names.index(choose(f"class of {self.name}", name, self.names))

    def encode(self, label_ids: np.ndarray) -> np.ndarray:
        """Label ids 0..33, else DatasetError, to class indices, uint8; 255 outside the set."""
        check_label_ids(label_ids)
        return np.take(self.encode_table, label_ids)  # a fifth faster than by brackets

    def decode(self, indices: np.ndarray) -> np.ndarray:
        """Class indices, 0..C-1 or 255, else DatasetError, to label ids, uint8; 0 for 255."""
        self._check_indices(indices)
        return np.take(self.decode_table, indices)

    def colorize(self, indices: np.ndarray) -> np.ndarray:
        """Class indices (H, W) as for `decode` to uint8 RGB (H, W, 3); black for 255."""
        self._check_indices(indices)
        colors = np.pad(self.colors, ((0, 256 - self.num_classes), (0, 0)))
        return np.take(colors, indices, axis=0)

    def overlay(self, image: np.ndarray, indices: np.ndarray, alpha: float = 0.55) -> np.ndarray:
        """The classes' colours laid over the image, uint8 (H, W, 3); where it is 255, the image."""
        blend = (1 - alpha) * image + alpha * self.colorize(indices).astype(np.float32)
        return np.where((indices == IGNORE_INDEX)[..., None], image, blend).round().astype(np.uint8)

    def _check_indices(self, indices: np.ndarray) -> None:
        bad = ((indices < 0) | (indices >= self.num_classes)) & (indices != IGNORE_INDEX)
        if bad.any():
            found, valid = int(indices[bad].flat[0]), f"0..{self.num_classes - 1} and 255"
            raise DatasetError(f"class index {found} is not in {self.name}; valid: {valid}")


def check_label_ids(label_ids: np.ndarray, where: str = "mask") -> None:
    """Raise DatasetError, naming `where` and the id, if an id lies outside the table's 0..33."""
    extremes = (int(label_ids.max()), int(label_ids.min())) if label_ids.size else ()
    for found in extremes:
        if not 0 <= found <= LARGEST_LABEL_ID:
            hint = " (a train-id mask?)" if found == IGNORE_INDEX else ""
            raise DatasetError(f"{where}: label id {found} is outside the table's 0..33{hint}")


def _frozen(values: object, dtype: type) -> np.ndarray:
    array = np.array(values, dtype=dtype)
    array.flags.writeable = False  # class sets are shared by everything; nobody may alter one
    return array


_SCORED = tuple(label for label in LABELS if 0 <= label.train_id < IGNORE_INDEX)
CITYSCAPES_19 = ClassSet("cityscapes19", _SCORED)
# The published order of CamVid's label bytes 0..10: Sky, Building, Pole, Road, Pavement, Tree,
# SignSymbol, Fence, Car, Pedestrian, Bicyclist (Badrinarayanan et al., PAMI 2017).
_CAMVID = "sky|building|pole|road|sidewalk|vegetation|traffic sign|fence|car|person|rider"
CAMVID_11 = ClassSet("camvid11", tuple(label_by_name(name) for name in _CAMVID.split("|")))
