"""Scores of semantic segmentation, equal to the official Cityscapes evaluator's.

Everything comes from integer counts summed over a whole split, never from averages over batches.
The definitions follow `evalPixelLevelSemanticLabeling.py` of cityscapesScripts 2.3.0:

* IoU = TP / (TP + FP + FN) (Everingham et al., 2015). Pixels whose truth is ignored count nowhere.
  A class (or category) absent from truth and prediction is NaN and left out of the mean.
* iIoU = iTP / (iTP + FP + iFN) (Cordts et al., 2016, section 4.1): every pixel of an instance is
  weighted by the class's average instance size over this instance's size, so that a distant
  pedestrian counts as much as a near one. Groups without single instances ("car group") have no
  instance and add nothing to iTP and iFN; FP are plain pixels.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DatasetError
from ..labels import CLASS_SETS, IGNORE_INDEX, ClassSet

# Average instance sizes in pixels in the Cityscapes fine training set (2048x1024): `avgClassSize`
# of the official script. The same weights are used at every resolution, as that script does.
AVERAGE_INSTANCE_SIZE: dict[str, float] = {
    "person": 3462.4756337644,
    "rider": 3930.4788056518,
    "car": 12794.0202738185,
    "truck": 27855.1264367816,
    "bus": 35732.1511111111,
    "caravan": 36771.8241758242,
    "trailer": 16926.9763313609,
    "train": 67583.7075812274,
    "motorcycle": 6298.7200839748,
    "bicycle": 4672.3249222261,
}


def confusion_matrix(truth: np.ndarray, prediction: np.ndarray, num_classes: int) -> np.ndarray:
    """Count pixels by class of truth (rows) and of prediction (columns).

    `truth` and `prediction`: uint8 of one shape, class indices 0..num_classes-1; truth may also
    be 255, and such pixels are not counted. Returns int64 (num_classes, num_classes).
    Raises ValueError for other shapes, dtypes or indices.
    """
    if truth.shape != prediction.shape:
        raise ValueError(f"truth has shape {truth.shape}, prediction {prediction.shape}")
    pixels, runs = _runs(truth, prediction)
    return _confusion_of_runs(pixels, *runs, num_classes)


def _runs(*maps: np.ndarray) -> tuple[np.ndarray | None, list[np.ndarray]]:
    """Cut maps of one shape, read row by row, into runs of pixels in which none of them changes.

    Returns the pixels of each run, int64 (R,), and the values of each map there, (R,). Label maps
    have few runs, so that counting these instead of pixels is as exact and done many times sooner.
    Noise has many, and is not cut: None says that every value stands for one pixel.
    """
    flat = [values.ravel() for values in maps]
    begins = np.ones(flat[0].size, dtype=bool)
    np.not_equal(flat[0][1:], flat[0][:-1], out=begins[1:])
    for values in flat[1:]:
        begins[1:] |= values[1:] != values[:-1]
    if np.count_nonzero(begins) > begins.size // 4:
        return None, flat
    starts = np.flatnonzero(begins)
    return np.diff(starts, append=begins.size), [values[starts] for values in flat]


def _confusion_of_runs(
    pixels: np.ndarray | None, truth: np.ndarray, prediction: np.ndarray, num_classes: int
) -> np.ndarray:
    """`confusion_matrix` of what `_runs` returns; ValueError for dtypes or indices as there."""
    if truth.dtype != np.uint8 or prediction.dtype != np.uint8:
        raise ValueError(f"expected uint8 indices, got {truth.dtype} and {prediction.dtype}")
    # A pair of bytes is one of 65536 values; sums of weights are float64, exact up to 2^53.
    pairs = truth.astype(np.uint16) << 8 | prediction
    counts = np.bincount(pairs, pixels, minlength=1 << 16).reshape(256, 256)
    if counts[:, num_classes:].any():
        wrong = num_classes + int(np.flatnonzero(counts[:, num_classes:].any(axis=0))[0])
        raise ValueError(f"prediction holds index {wrong}; valid are 0..{num_classes - 1}")
    if counts[num_classes:IGNORE_INDEX].any():
        wrong = num_classes + int(np.flatnonzero(counts[num_classes:].any(axis=1))[0])
        raise ValueError(
            f"truth holds index {wrong}; valid are 0..{num_classes - 1} and {IGNORE_INDEX}"
        )
    return counts[:num_classes, :num_classes].astype(np.int64)


def iou_per_class(confusion: np.ndarray) -> np.ndarray:
    """IoU of each class of a confusion matrix (C, C); float64 (C,), NaN where a class is absent."""
    return _ratio(*_split(confusion))


def mean_iou(confusion: np.ndarray) -> float:
    """Mean IoU over the classes that occur in truth or prediction (NaN when none does)."""
    return float(_mean_of_present(iou_per_class(confusion)))


def pixel_accuracy(confusion: np.ndarray) -> float:
    """Share of the counted pixels whose class is right (NaN when no pixel was counted)."""
    total = confusion.sum()
    return float(np.trace(confusion) / total) if total else float("nan")


def mean_accuracy(confusion: np.ndarray) -> float:
    """Mean over the classes that occur in truth of the share of their pixels that is right."""
    tp, _, fn = _split(confusion)
    return float(_mean_of_present(_ratio(tp, 0, fn)))


def category_confusion(confusion: np.ndarray, class_set: ClassSet) -> np.ndarray:
    """Merge the classes (C, C) of `class_set` into its K `categories` (K, K), int64."""
    groups = _category_indices(class_set)
    size = len(class_set.categories)
    merged = np.zeros((size, size), dtype=np.int64)
    np.add.at(merged, (groups[:, None], groups[None, :]), confusion)
    return merged


def category_iou(confusion: np.ndarray, class_set: ClassSet) -> np.ndarray:
    """IoU of each of `class_set.categories` (K,); a mix-up inside a category is right."""
    return iou_per_class(category_confusion(confusion, class_set))


@dataclass
class _ImageCounts:
    """What one image adds to every score; `instance` is None without an instance mask."""

    pixels: tuple[np.ndarray, np.ndarray, np.ndarray]  # TP, FP, FN per class, int64 (C,)
    categories: tuple[np.ndarray, np.ndarray, np.ndarray]  # the same per category, int64 (K,)
    instance: tuple[np.ndarray, ...] | None  # iTP, iFN per class (C,); per category (K,)


class ScoreAccumulator:
    """Collects the counts of a split image by image; `merge` joins those of several processes."""

    def __init__(self, class_set: ClassSet) -> None:
        self.class_set = class_set
        self.confusion = np.zeros((class_set.num_classes,) * 2, dtype=np.int64)
        self._images: dict[str, _ImageCounts] = {}

    def __getstate__(self) -> dict[str, Any]:
        # torchvision's label tuples cannot be pickled, so a class set travels by its name.
        return self.__dict__ | {"class_set": self.class_set.name}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state | {"class_set": CLASS_SETS[state["class_set"]]})

    def __len__(self) -> int:
        return len(self._images)

    def add(
        self,
        name: str,
        truth_label_ids: np.ndarray,
        predicted_indices: np.ndarray,
        instance_ids: np.ndarray | None = None,
    ) -> None:
        """Count one image.

        `name`: unique in the split. `truth_label_ids`: uint8 (H, W), Cityscapes label ids.
        `predicted_indices`: uint8 (H, W), class indices. `instance_ids`: int (H, W), label id *
        1000 + number on instances and the label id elsewhere, as in `instanceIds.png`; None where
        the dataset has none (for all images, or for none). Raises DatasetError naming the image.
        """
        if name in self._images:
            raise DatasetError(f"{name}: counted twice, every image of a split has its own name")
        maps = [truth_label_ids, predicted_indices]
        maps += [instance_ids] if instance_ids is not None else []
        if len(sizes := {values.shape for values in maps}) > 1:
            shapes = " and ".join(str(size) for size in sorted(sizes))
            raise DatasetError(f"{name}: truth, prediction and instances differ in size: {shapes}")
        pixels, (label_ids, predicted, *instances) = _runs(*maps)
        try:
            truth = self.class_set.encode(label_ids)
            confusion = _confusion_of_runs(pixels, truth, predicted, self.class_set.num_classes)
        except (DatasetError, ValueError) as problem:
            raise DatasetError(f"{name}: {problem}") from None
        instance = None
        if instances:
            instance = _instance_counts(pixels, instances[0], predicted, self.class_set)
        categories = _split(category_confusion(confusion, self.class_set))
        self._images[name] = _ImageCounts(_split(confusion), categories, instance)
        self.confusion += confusion

    def merge(self, other: "ScoreAccumulator") -> None:
        """Add the images that another accumulator of the same class set has counted."""
        if other.class_set.ids != self.class_set.ids:
            raise ValueError(f"cannot merge {other.class_set.name} into {self.class_set.name}")
        if twice := sorted(self._images.keys() & other._images.keys()):
            raise DatasetError(f"{twice[0]}: counted twice, by two processes")
        self._images |= other._images
        self.confusion += other.confusion

    def images(self) -> dict[str, Any]:
        """The counts per image, sorted by name, JSON-ready: what `aggregate` needs.

        Lists of one row per image: "tp", "fp", "fn" per class; the same with "category_" per
        category; "instance_tp", "instance_fn" (weighted) per class of "instance_classes" (their
        indices), and with "category_" per category of "instance_categories". The six about
        instances are None when the dataset has no instance masks.
        """
        names = sorted(self._images)
        counts = [self._images[name] for name in names]
        table: dict[str, Any] = {"names": names}
        for prefix, field in (("", "pixels"), ("category_", "categories")):
            for position, key in enumerate(("tp", "fp", "fn")):
                rows = [getattr(image, field)[position].tolist() for image in counts]
                table[prefix + key] = rows
        if without := [name for name in names if self._images[name].instance is None]:
            if len(without) < len(names):
                raise DatasetError(f"{without[0]}: no instance mask, while other images have one")
        classes, categories = instance_groups(self.class_set)
        table |= {"instance_classes": classes, "instance_categories": categories}
        keys = ("instance_tp", "instance_fn", "category_instance_tp", "category_instance_fn")
        for position, key in enumerate(keys):
            columns = classes if position < 2 else categories
            table[key] = [image.instance[position][columns].tolist() for image in counts
                          if image.instance is not None]  # fmt: skip
        if without:
            table |= dict.fromkeys(("instance_classes", "instance_categories", *keys))
        return table

    def scores(self) -> dict[str, Any]:
        """Every score of the split, JSON-ready: NaN is None, and so is what needs missing masks.

        Keys: "classes", "confusion", "iou", "miou", "categories", "category_iou",
        "category_miou", "pixel_accuracy", "mean_accuracy", "iiou", "miiou", "category_iiou",
        "category_miiou", "images" (see `images`).
        """
        if not self._images:
            raise DatasetError("no image was scored: the split is empty")
        images = self.images()
        scores: dict[str, Any] = {
            "classes": list(self.class_set.names),
            "categories": list(self.class_set.categories),
            "confusion": self.confusion.tolist(),
        }
        values = aggregate(images)
        for key in METRICS:
            scores[key] = _without_nan(values[key]) if key in values else None
        return scores | {"images": images}


# The aggregated scores: one number each, or one per class or category.
METRICS = (
    *("iou", "miou", "pixel_accuracy", "mean_accuracy", "category_iou", "category_miou"),
    *("iiou", "miiou", "category_iiou", "category_miiou"),
)


def aggregate(images: dict[str, Any], weights: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Recompute the scores from per-image counts, for many resamples of the images at once.

    `images`: `ScoreAccumulator.images()` or `scores["images"]`. `weights`: how often each image
    counts, (N,) or (R, N) for R resamples; None counts each once. Returns float64 arrays by the
    names in `METRICS`: (C,) or (K,) for those per class or category and () for means, with R in
    front for resamples; NaN where absent. The four about instances are left out without masks.
    """

    def total(key: str) -> np.ndarray:
        rows = np.asarray(images[key], dtype=np.float64)  # (N, C); exact up to 2^53 pixels
        return rows.sum(axis=0) if weights is None else np.asarray(weights, np.float64) @ rows

    tp, fp, fn = total("tp"), total("fp"), total("fn")
    category_fp = total("category_fp")
    values = {
        "iou": _ratio(tp, fp, fn),
        "pixel_accuracy": _ratio(tp.sum(axis=-1), 0, fn.sum(axis=-1)),
        "mean_accuracy": _mean_of_present(_ratio(tp, 0, fn)),
        "category_iou": _ratio(total("category_tp"), category_fp, total("category_fn")),
    }
    if images.get("instance_tp") is not None:
        for prefix, false, group in (
            ("", fp, "instance_classes"),
            ("category_", category_fp, "instance_categories"),
        ):
            columns = images[group]
            scores = np.full(false.shape, np.nan)
            weighted = total(f"{prefix}instance_tp"), total(f"{prefix}instance_fn")
            scores[..., columns] = _ratio(weighted[0], false[..., columns], weighted[1])
            values[f"{prefix}iiou"] = scores
    for key in ("iou", "category_iou", "iiou", "category_iiou"):
        if key in values:
            mean_key = key.replace("category_", "category_m") if "_" in key else f"m{key}"
            values[mean_key] = _mean_of_present(values[key])
    return values


def _instance_counts(
    pixels: np.ndarray | None,
    instance_ids: np.ndarray,
    predicted: np.ndarray,
    class_set: ClassSet,
) -> tuple[np.ndarray, ...]:
    """Weighted iTP and iFN per class (C,) and per category (K,), float64, of one image's runs."""
    groups = _category_indices(class_set)
    inside = instance_ids > 1000  # smaller values are label ids: stuff, or a group of objects
    numbers, member = np.unique(instance_ids[inside], return_inverse=True)
    predicted = predicted[inside]
    pixels = np.ones(predicted.size) if pixels is None else pixels[inside]
    class_tp, class_fn = np.zeros(class_set.num_classes), np.zeros(class_set.num_classes)
    group_tp, group_fn = np.zeros(groups.max() + 1), np.zeros(groups.max() + 1)
    index_of = {id_: index for index, id_ in enumerate(class_set.ids)}
    owner = np.array([index_of.get(int(number) // 1000, -1) for number in numbers], dtype=np.int64)
    if not (owner >= 0).any():
        return class_tp, class_fn, group_tp, group_fn
    size = np.bincount(member, pixels)
    right = np.bincount(member, pixels * (predicted == owner[member]))
    right_group = np.bincount(member, pixels * (groups[predicted] == groups[owner][member]))
    average = np.array([AVERAGE_INSTANCE_SIZE.get(name, 0.0) for name in class_set.names])
    weight = np.where(owner >= 0, average[owner], 0.0) / size  # 0: the class is not scored
    known = np.maximum(owner, 0)
    np.add.at(class_tp, known, right * weight)
    np.add.at(class_fn, known, (size - right) * weight)
    np.add.at(group_tp, groups[known], right_group * weight)
    np.add.at(group_fn, groups[known], (size - right_group) * weight)
    return class_tp, class_fn, group_tp, group_fn


def instance_groups(class_set: ClassSet) -> tuple[list[int], list[int]]:
    """Indices of the classes, and of the categories all of whose classes, have instances."""
    classes = np.flatnonzero(class_set.has_instances).tolist()
    groups = _category_indices(class_set)
    without = set(groups[~np.asarray(class_set.has_instances)].tolist())
    return classes, [group for group in range(groups.max() + 1) if group not in without]


def _category_indices(class_set: ClassSet) -> np.ndarray:
    """The position in `class_set.categories` of each class's category, int64 (C,)."""
    return np.unique(class_set.category_ids, return_inverse=True)[1]


def _split(confusion: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True positives, false positives and false negatives per class, int64 (C,)."""
    tp = np.diagonal(confusion).copy()
    return tp, confusion.sum(axis=0) - tp, confusion.sum(axis=1) - tp


def _ratio(tp: Any, fp: Any, fn: Any) -> np.ndarray:
    """TP / (TP + FP + FN), NaN where nothing was counted."""
    whole = np.asarray(tp + fp + fn, dtype=np.float64)
    return np.divide(tp, whole, out=np.full(whole.shape, np.nan), where=whole > 0)


def _mean_of_present(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis without NaN; NaN where all are."""
    present = ~np.isnan(values)
    count = present.sum(axis=-1)
    total = np.where(present, values, 0.0).sum(axis=-1)
    return np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)


def _without_nan(values: np.ndarray) -> Any:
    """A float or a (nested) list with None for NaN, as JSON wants it."""
    if values.ndim == 0:
        return None if np.isnan(values) else float(values)
    return [_without_nan(value) for value in values]
