"""Scores of semantic segmentation, equal to the official Cityscapes evaluator's.

Everything comes from counts summed over a whole split, never from averages over batches:

* IoU = TP / (TP + FP + FN) (Everingham et al., 2015). Pixels whose truth is ignored count nowhere.
  A class (or category) absent from truth and prediction is NaN and left out of the mean.
* iIoU = iTP / (iTP + FP + iFN) (Cordts et al., 2016, section 4.1): every pixel of an instance is
  weighted by the class's average instance size over this instance's size, so that a distant
  pedestrian counts as much as a near one. Groups ("car group") add nothing to iTP and iFN.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import DatasetError
from ..labels import IGNORE_INDEX, ClassSet

# Average instance sizes in pixels in the Cityscapes fine training set (1024x2048): `avgClassSize`
# of the official script. The same weights are used at every resolution, as that script does.
AVERAGE_INSTANCE_SIZE: dict[str, float] = {
    "person": 3462.4756337644, "rider": 3930.4788056518, "car": 12794.0202738185,
    "truck": 27855.1264367816, "bus": 35732.1511111111, "caravan": 36771.8241758242,
    "trailer": 16926.9763313609, "train": 67583.7075812274, "motorcycle": 6298.7200839748,
    "bicycle": 4672.3249222261,
}


def confusion_matrix(
    truth: np.ndarray, prediction: np.ndarray, num_classes: int, pixels: np.ndarray | None = None
) -> np.ndarray:
    """Count pixels by class of truth (rows) and of prediction (columns).

    `truth` and `prediction`: uint8 of one shape, class indices 0..num_classes-1; truth may also
    be 255, and such pixels are not counted. `pixels`: how many each of them stands for, (R,); None
    is one. Returns int64 (num_classes, num_classes). ValueError for other shapes, dtypes, indices.
    """
    if pixels is None:
        pixels, truth, prediction = runs_of(truth, prediction)
    if truth.dtype != np.uint8 or prediction.dtype != np.uint8:
        raise ValueError(f"expected uint8 indices, got {truth.dtype} and {prediction.dtype}")
    # A pair of bytes is one of 65536 values; sums of weights are float64, exact up to 2^53.
    pairs = truth.astype(np.uint16) << 8 | prediction
    counts = np.bincount(pairs, pixels, minlength=1 << 16).reshape(256, 256)
    valid = f"valid are 0..{num_classes - 1}"
    if (wrong := np.flatnonzero(counts[:, num_classes:].any(axis=0))).size:
        raise ValueError(f"prediction holds index {num_classes + wrong[0]}; {valid}")
    if (wrong := np.flatnonzero(counts[num_classes:IGNORE_INDEX].any(axis=1))).size:
        raise ValueError(f"truth holds index {num_classes + wrong[0]}; {valid} and {IGNORE_INDEX}")
    return counts[:num_classes, :num_classes].astype(np.int64)


def runs_of(*maps: np.ndarray) -> list[np.ndarray]:
    """Cut maps of one shape, read row by row, into runs of pixels in which none of them changes.

    Returns the pixels of each run, int64 (R,), and the values of each map there, (R,). Label maps
    have few runs, so that counting these instead of pixels is as exact and done many times sooner.
    """
    if len({values.shape for values in maps}) > 1:
        raise ValueError(f"maps differ in shape: {', '.join(str(each.shape) for each in maps)}")
    flat = [values.ravel() for values in maps]
    begins = np.zeros(flat[0].size, dtype=bool)
    begins[:1] = True
    for values in flat:
        begins[1:] |= values[1:] != values[:-1]
    starts = np.flatnonzero(begins)
    return [np.diff(starts, append=begins.size), *(values[starts] for values in flat)]


def iou_per_class(confusion: np.ndarray) -> np.ndarray:
    """IoU of each class of a confusion matrix (C, C); float64 (C,), NaN where a class is absent."""
    tp, fp, fn = _split(confusion)
    return ratio(tp, tp + fp + fn)


def mean_iou(confusion: np.ndarray) -> float:
    """Mean IoU over the classes that occur in truth or prediction (NaN when none does)."""
    return float(_mean_of_present(iou_per_class(confusion)))


def pixel_accuracy(confusion: np.ndarray) -> float:
    """Share of the counted pixels whose class is right (NaN when no pixel was counted)."""
    return float(ratio(np.trace(confusion), confusion.sum()))


# The scores: one number each, or one per class or category. The last four need instance masks.
METRICS = ("iou", "miou", "pixel_accuracy", "mean_accuracy", "category_iou", "category_miou")
METRICS += ("iiou", "miiou", "category_iiou", "category_miiou")

# Weighted iTP and iFN of the classes, and of the categories, that have instances.
_INSTANCE_COUNTS = ("instance_tp", "instance_fn", "category_instance_tp", "category_instance_fn")


class ScoreAccumulator:
    """Collects the counts of a split image by image; `block` goes into its scores."""

    def __init__(self, class_set: ClassSet, block: int = 1) -> None:
        self.class_set, self.block = class_set, block
        # Confusion matrix and, where there is an instance mask, `_INSTANCE_COUNTS` by image. Those
        # of several processes are joined by `|=`.
        self.counts: dict[str, tuple[np.ndarray, list[np.ndarray] | None]] = {}

    @property
    def confusion(self) -> np.ndarray:
        """Pixels of all images by class of truth (rows) and prediction, int64 (C, C)."""
        nothing = np.zeros((self.class_set.num_classes,) * 2, dtype=np.int64)
        return sum((confusion for confusion, _ in self.counts.values()), nothing)

    def add(
        self, name: str, truth_label_ids: np.ndarray, predicted_indices: np.ndarray,
        instance_ids: np.ndarray | None = None,
    ) -> None:
        """Count one image.

        `name`: unique in the split. `truth_label_ids`: uint8 (H, W), Cityscapes label ids.
        `predicted_indices`: uint8 (H, W), class indices. `instance_ids`: int (H, W), label id *
        1000 + number on instances and the label id elsewhere, as in `instanceIds.png`; None where
        the dataset has none (for all images, or for none). Raises DatasetError naming the image.
        """
        if name in self.counts:
            raise DatasetError(f"{name}: counted twice, every image of a split has its own name")
        maps = [truth_label_ids, predicted_indices]
        maps += [] if instance_ids is None else [instance_ids]
        try:
            pixels, label_ids, predicted, *rest = runs_of(*maps)
            truth = self.class_set.encode(label_ids)
            confusion = confusion_matrix(truth, predicted, self.class_set.num_classes, pixels)
        except (DatasetError, ValueError) as problem:
            raise DatasetError(f"{name}: {problem}") from None
        instances = _instance_counts(pixels, predicted, rest[0], self.class_set) if rest else None
        self.counts[name] = confusion, instances

    def images(self) -> dict[str, Any]:
        """The counts per image, sorted by name, JSON-ready: what `aggregate` needs.

        Lists of one row per image: "tp", "fp", "fn" per class; the same with "category_" per
        category; "instance_tp", "instance_fn" (weighted) per class of "instance_classes" (their
        indices), and with "category_" per category of "instance_categories". The six about
        instances are None when the dataset has no instance masks.
        """
        names = sorted(self.counts)
        table: dict[str, Any] = {"names": names}
        confusion = np.stack([self.counts[name][0] for name in names])  # (N, C, C)
        categories = np.eye(len(self.class_set.categories), dtype=np.int64)
        member = categories[_category_indices(self.class_set)]  # (C, K)
        merged = member.T @ confusion @ member  # (N, K, K)
        for prefix, matrices in (("", confusion), ("category_", merged)):
            for key, values in zip(("tp", "fp", "fn"), _split(matrices), strict=True):
                table[prefix + key] = values.tolist()
        without = [name for name in names if self.counts[name][1] is None]
        if 0 < len(without) < len(names):
            raise DatasetError(f"{without[0]}: no instance mask, while other images have one")
        columns = (None, None) if without else _instance_columns(self.class_set)
        table["instance_classes"], table["instance_categories"] = columns
        for position, key in enumerate(_INSTANCE_COUNTS):
            rows = (self.counts[name][1] for name in names)
            table[key] = None if without else [row[position].tolist() for row in rows]
        return table

    def scores(self) -> dict[str, Any]:
        """Every score of the split, JSON-ready: NaN is None, and so is what needs missing masks.

        Keys: "block" (neighbouring scenes that intervals keep together), "classes", "categories",
        "confusion", `METRICS`, "cities" (see `by_city`), "images" (see `images`).
        """
        images = self.images()
        values = dict.fromkeys(METRICS) | aggregate(images)
        return {
            "block": self.block, "classes": list(self.class_set.names),
            "categories": list(self.class_set.categories), "confusion": self.confusion.tolist(),
            **{key: _json(each) for key, each in values.items()},
            "cities": by_city(images), "images": images,
        }


def cities_of(names: Sequence[str]) -> dict[str, np.ndarray]:
    """The positions of each city's scenes (drive's frames), by names `{city}_{seq}_{frame}`."""
    cities = np.array([name.rsplit("_", 2)[0] for name in names])
    return {str(city): np.flatnonzero(cities == city) for city in np.unique(cities)}


def by_city(images: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Number of scenes, mIoU and pixel accuracy of each city, JSON-ready, from per-image counts."""
    cities = cities_of(images["names"])
    weights = np.zeros((len(cities), len(images["names"])))
    for row, members in zip(weights, cities.values(), strict=True):
        row[members] = 1
    values = aggregate(images, weights)
    return {
        city: {"scenes": len(members), "miou": _json(values["miou"][row]),
               "pixel_accuracy": _json(values["pixel_accuracy"][row])}
        for row, (city, members) in enumerate(cities.items())
    }


def _json(values: np.ndarray | None) -> Any:
    """Numbers with None for NaN."""
    return np.where(values != values, None, values).tolist()


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

    values: dict[str, np.ndarray] = {}
    for prefix, columns in (("", "instance_classes"), ("category_", "instance_categories")):
        tp, fp, fn = (total(f"{prefix}{key}") for key in ("tp", "fp", "fn"))
        values[f"{prefix}iou"] = ratio(tp, tp + fp + fn)
        if not prefix:
            values["pixel_accuracy"] = ratio(tp.sum(axis=-1), (tp + fn).sum(axis=-1))
            values["mean_accuracy"] = _mean_of_present(ratio(tp, tp + fn))
        if (present := images.get(columns)) is not None:
            itp, ifn = total(f"{prefix}instance_tp"), total(f"{prefix}instance_fn")
            iiou = np.full(fp.shape, np.nan)
            iiou[..., present] = ratio(itp, itp + fp[..., present] + ifn)
            values |= {f"{prefix}iiou": iiou, f"{prefix}miiou": _mean_of_present(iiou)}
        values[f"{prefix}miou"] = _mean_of_present(values[f"{prefix}iou"])
    return values


def _instance_counts(
    pixels: np.ndarray, predicted: np.ndarray, instance_ids: np.ndarray, class_set: ClassSet
) -> list[np.ndarray]:
    """`_INSTANCE_COUNTS` of one image's runs, float64."""
    inside = instance_ids > 1000  # smaller values are label ids: stuff, or a group of objects
    numbers, member = np.unique(instance_ids[inside], return_inverse=True)
    predicted, pixels = predicted[inside], pixels[inside]
    size = np.bincount(member, pixels)
    # The class of each instance; those of no class in the set weigh nothing.
    index_of = {id_: index for index, id_ in enumerate(class_set.ids)}
    owner = np.array([index_of.get(int(number) // 1000, -1) for number in numbers], dtype=np.int64)
    average = np.array([AVERAGE_INSTANCE_SIZE.get(name, 0.0) for name in class_set.names])
    weight = np.where(owner >= 0, average[owner], 0.0) / size
    owner = np.maximum(owner, 0)
    counts = []
    groupings = np.arange(class_set.num_classes), _category_indices(class_set)
    for group, columns in zip(groupings, _instance_columns(class_set), strict=True):
        right = np.bincount(member, pixels * (group[predicted] == group[owner][member]))
        for part in (right, size - right):
            total = np.bincount(group[owner], part * weight, minlength=group.max() + 1)
            counts.append(total[columns])
    return counts


def _instance_columns(class_set: ClassSet) -> tuple[list[int], list[int]]:
    """Indices of the classes, and of the categories all of whose classes, have instances."""
    groups, has_instances = _category_indices(class_set), np.asarray(class_set.has_instances)
    categories = np.setdiff1d(groups[has_instances], groups[~has_instances])
    return np.flatnonzero(has_instances).tolist(), categories.tolist()


def _category_indices(class_set: ClassSet) -> np.ndarray:
    """The position in `class_set.categories` of each class's category, int64 (C,)."""
    return np.unique(class_set.category_ids, return_inverse=True)[1]


def _split(confusion: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """TP, FP and FN per class, int64 (…, C), of confusion matrices (…, C, C)."""
    tp = np.diagonal(confusion, axis1=-2, axis2=-1)
    return tp, confusion.sum(axis=-2) - tp, confusion.sum(axis=-1) - tp


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, float64, NaN where the whole is 0."""
    whole = np.asarray(whole, dtype=np.float64)
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)


def _mean_of_present(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis without NaN; NaN where all are."""
    return ratio(np.nansum(values, axis=-1), (~np.isnan(values)).sum(axis=-1))
