"""Notebook 01: what a dataset's classes, objects and coarse masks are like.

Masks are read at their own resolution, one scene at a time.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import ndimage

from seglib import paths
from seglib.data.datasets import DatasetSpec, fingerprint
from seglib.data.images import read_instance_ids, read_label_ids, resize_mask
from seglib.data.tree import IMAGE_FOLDER, SPLITS, Scene, has_instances, list_scenes
from seglib.errors import ConfigError
from seglib.evaluation import metrics
from seglib.labels import IGNORE_INDEX, ClassSet
from seglib.provenance import RESULTS_VERSION

LIMIT = 400  # scenes that are read per split, evenly spread; more only matters for Cityscapes
TINY = 16  # side in pixels, in a frame of 256 rows, below which an object counts as tiny
GRID_STRIDES = (1, 8)  # of the resized mask itself, and of the FCN's coarsest maps


def evenly(scenes: Sequence[Scene], limit: int) -> list[Scene]:
    """At most `limit` scenes, spread evenly over the list so that every city takes part."""
    count = min(limit, len(scenes))
    return [scenes[i * len(scenes) // count] for i in range(count)]


def masks(scenes: Iterable[Scene], class_set: ClassSet) -> Iterator[np.ndarray]:
    """The truth of one scene after the other: class indices uint8 (H, W), 255 is ignored."""
    for scene in scenes:
        yield class_set.encode(read_label_ids(scene.label_ids))


def pixel_counts(scenes: Iterable[Scene], class_set: ClassSet) -> np.ndarray:
    """Pixels of each class in each scene, int64 (N, C + 1); the last column counts ignored ones."""
    values = [*range(class_set.num_classes), IGNORE_INDEX]
    rows = [np.bincount(m.ravel(), minlength=256)[values] for m in masks(scenes, class_set)]
    return np.array(rows, dtype=np.int64).reshape(-1, len(values))


def class_shares(counts: np.ndarray) -> np.ndarray:
    """Share of each class among the pixels that are not ignored: (N, C + 1) to float64 (C,)."""
    totals = counts[:, :-1].sum(axis=0)
    return totals / max(totals.sum(), 1)


def spatial_priors(
    scenes: Iterable[Scene], class_set: ClassSet, grid: tuple[int, int] = (32, 64)
) -> np.ndarray:
    """Share of scenes in which a place in the frame shows each class, float64 (C, h, w).

    Each of `grid` (h, w) cells is the mean over its pixels and all scenes. Ignored pixels belong to
    no class, so the classes need not add up to 1.
    """
    places = grid[0] * grid[1]
    shares = []
    for mask in masks(scenes, class_set):
        cells, known = _cells(mask.shape, grid), mask != IGNORE_INDEX
        pairs = mask[known].astype(np.int64) * places + cells[known]
        counts = np.bincount(pairs, minlength=class_set.num_classes * places)
        area = np.bincount(cells.ravel(), minlength=places)
        shares.append(counts.reshape(-1, places) / np.maximum(area, 1))
    return (sum(shares) / len(shares)).reshape(-1, *grid)


def position_baseline(
    scenes: Iterable[Scene], priors: np.ndarray, class_set: ClassSet
) -> np.ndarray:
    """Score a predictor that never looks at the image: each place gets its commonest class.

    `priors`: from `spatial_priors`. Returns the confusion matrix int64 (C, C), rows = truth.
    """
    classes, grid = priors.shape[0], priors.shape[1:]
    best = priors.argmax(axis=0).astype(np.uint8).ravel()
    found = ((mask, best[_cells(mask.shape, grid)]) for mask in masks(scenes, class_set))
    return sum(metrics.confusion_matrix(mask, guess, classes) for mask, guess in found)


def grid_ceiling(
    scenes: Iterable[Scene], class_set: ClassSet, size: tuple[int, int], stride: int
) -> np.ndarray:
    """Score the truth itself, reduced to one label per grid cell: int64 (C, C), rows = truth.

    Masks are resized to `size` (height, width), as for training; each cell of `stride` × `stride`
    pixels takes its commonest class, and the result is enlarged again.
    """
    classes = class_set.num_classes
    found = ((mask, majority(resize_mask(mask, size), stride, classes))
             for mask in masks(scenes, class_set))
    return sum(metrics.confusion_matrix(mask, resize_mask(cells, mask.shape), classes)
               for mask, cells in found)


def majority(mask: np.ndarray, stride: int, num_classes: int) -> np.ndarray:
    """Give every cell of `stride` × `stride` pixels its commonest class, uint8 (H, W).

    Void has no vote; a cell of nothing else takes the nearest one's. The first of equals wins.
    """
    votes = mask == np.arange(num_classes)[:, None, None]  # (C, H, W)
    for axis in (1, 2):
        starts = np.arange(0, votes.shape[axis], stride)
        votes = np.add.reduceat(votes, starts, axis, np.int64)
    winners = votes.argmax(axis=0).astype(np.uint8)  # (cells down, cells across)
    void = ~votes.any(axis=0)
    nearest = ndimage.distance_transform_edt(void, return_distances=False, return_indices=True)
    winners = winners[tuple(nearest)]
    return winners.repeat(stride, 0).repeat(stride, 1)[: mask.shape[0], : mask.shape[1]]


def instance_table(scenes: Iterable[Scene], class_set: ClassSet) -> pd.DataFrame:
    """One row per annotated object: `scene`, `class` (name) and `pixels` (visible area).

    Scenes without an instance mask give no rows; groups that were not separated are left out.
    """
    names = dict(zip(class_set.ids, class_set.names, strict=True))
    rows = []
    for scene in scenes:
        if scene.instance_ids.exists():
            ids, areas = np.unique(read_instance_ids(scene.instance_ids), return_counts=True)
            classes = pd.Series(ids).where(ids >= 1000).floordiv(1000).map(names)
            rows += [(scene.name, *pair) for pair in zip(classes, areas, strict=True)]
    table = pd.DataFrame(rows, columns=["scene", "class", "pixels"])
    return table.dropna(ignore_index=True)  # of stuff and of groups


def fine_coarse_agreement(
    fine: Sequence[Scene], coarse: Sequence[Scene], class_set: ClassSet
) -> pd.DataFrame:
    """How coarse masks compare with fine ones of the same scenes, one row per class present.

    Columns `class`; `fine_pixels`; `covered`: share of these that coarse labels at all; `recall`:
    share that coarse labels with the same class; `precision`: share of the class's coarse pixels
    that fine labels the same, where fine is not void, NaN without any. Raises `ConfigError` if a
    scene's name differs.
    """
    for exact, rough in zip(fine, coarse, strict=True):
        if exact.name != rough.name:
            raise ConfigError(f"scenes differ: fine {exact.name}, coarse {rough.name}")
    both = zip(masks(fine, class_set), masks(coarse, class_set), strict=True)
    pairs = sum(_pairs(*each, class_set) for each in both)
    total, same = pairs.sum(axis=1), np.diagonal(pairs)
    values = {
        "class": class_set.names, "fine_pixels": total,
        "covered": metrics.ratio(pairs[:, :-1].sum(axis=1), total),
        "recall": metrics.ratio(same, total),
        "precision": metrics.ratio(same, pairs[:, :-1].sum(axis=0)),
    }
    return pd.DataFrame(values)[total > 0].reset_index(drop=True)


def shrink(mask: np.ndarray, width: int) -> np.ndarray:
    """A mask (H, W) resized to a width by nearest pixel, as masks are for training."""
    return _resized(mask, (max(1, round(mask.shape[0] * width / mask.shape[1])), width))


def survival(scenes: Sequence[Scene], class_set: ClassSet, widths: Sequence[int]) -> pd.DataFrame:
    """What is left of each class when masks are resized to a width and back by nearest pixel.

    Returns one row per width and class that occurs: `width`; `class`; `pixels`: share of the
    class's pixels whose label is right after the round trip; `objects`: share of the objects
    (instances, or connected regions of classes without) that keep at least one pixel in the small
    mask; `best_iou`: IoU of the round trip, the score of a network that is perfect at that width.
    """
    pairs, kept, objects_of = defaultdict(int), defaultdict(int), 0  # sums of arrays
    for scene, mask in zip(scenes, masks(scenes, class_set), strict=True):
        objects, owners = _objects(scene, mask, class_set)
        objects_of += np.bincount(owners, minlength=class_set.num_classes)
        for width in widths:
            back = _resized(shrink(mask, width), mask.shape)
            pairs[width] += _pairs(mask, back, class_set)
            left = np.unique(shrink(objects, width))
            kept[width] += np.bincount(owners[left[left > 0] - 1], minlength=class_set.num_classes)
    tables = []
    for width in widths:
        total, right = pairs[width].sum(axis=1), np.diagonal(pairs[width])
        values = {
            "width": width, "class": class_set.names, "pixels": metrics.ratio(right, total),
            "objects": metrics.ratio(kept[width], objects_of),
            "best_iou": metrics.ratio(right, total + pairs[width][:, :-1].sum(axis=0) - right),
        }
        tables.append(pd.DataFrame(values)[total > 0])
    return pd.concat(tables, ignore_index=True)


def facts_file(dataset: str) -> Path:
    """Where notebook 01 writes a dataset's facts, and the report reads them."""
    return paths.results_dir() / "datasets" / f"{dataset}.json"


def dataset_facts(spec: DatasetSpec, input_size: tuple[int, int]) -> dict[str, Any]:
    """What the report says about a dataset: JSON-ready, shares of 1, lists in order of the classes.

    `input_size`: (height, width) at which the FCN sees an image. `floor`: scores on val of knowing
    only the place; `grid`: of the truth at the input size, whole and one label per cell of the
    FCN's grid; `void`: share of the training pixels that is not scored.
    """
    root, classes = spec.root(), spec.class_set
    there = [split for split in SPLITS["fine"] if (root / IMAGE_FOLDER / split).is_dir()]
    listed = {split: list_scenes(root, split) for split in there}
    scenes = {split: evenly(found, LIMIT) for split, found in listed.items()}
    counts = {split: pixel_counts(part, classes) for split, part in scenes.items()}
    counts = {split: table for split, table in counts.items() if table[:, :-1].any()}
    floor = position_baseline(scenes["val"], spatial_priors(scenes["train"], classes), classes)
    grids = {str(s): grid_ceiling(scenes["val"], classes, input_size, s) for s in GRID_STRIDES}
    return {
        "results_version": RESULTS_VERSION, "input_size": list(input_size),
        "fingerprint": {split: fingerprint(root, split) for split in listed},
        "scenes": {split: len(found) for split, found in listed.items()},
        "cities": {split: len({s.city for s in found}) for split, found in listed.items()},
        "shares": {split: class_shares(table).tolist() for split, table in counts.items()},
        "void": float(counts["train"][:, -1].sum() / counts["train"].sum()),
        "objects": _object_facts(spec, scenes["train"]), "floor": _score_facts(floor),
        "grid": {stride: _score_facts(found) for stride, found in grids.items()},
        "coarse": _coarse_facts(spec, scenes["train"]) if has_coarse(root) else None,
    }


def _score_facts(confusion: np.ndarray) -> dict[str, Any]:
    return {
        "miou": metrics.mean_iou(confusion), "pixel_accuracy": metrics.pixel_accuracy(confusion),
        "iou": [None if np.isnan(iou) else float(iou) for iou in metrics.iou_per_class(confusion)],
    }


def _object_facts(spec: DatasetSpec, scenes: Sequence[Scene]) -> dict[str, Any] | None:
    table = instance_table(scenes, spec.class_set)
    if table.empty or not has_instances(scenes):
        return None
    tiny = table["pixels"] < (TINY * spec.scene_size[0] // 256) ** 2
    people = table["class"].isin(["person", "rider"])
    largest = table["pixels"].nlargest(len(table) // 10)
    return {
        "count": len(table), "per_scene": len(table) / len(scenes), "tiny": float(tiny.mean()),
        "tiny_people": float(tiny[people].mean()) if people.any() else None,
        "largest_tenth": float(largest.sum() / table["pixels"].sum()),
    }


def has_coarse(root: Path, split: str = "train") -> bool:
    """Whether a tree has the coarse masks of a split, and images to go with them."""
    return all((Path(root) / part / split).is_dir() for part in (IMAGE_FOLDER, "gtCoarse"))


def _coarse_facts(spec: DatasetSpec, scenes: Sequence[Scene]) -> dict[str, Any]:
    coarse = {scene.name: scene for scene in list_scenes(spec.root(), "train", "coarse")}
    both = [scene for scene in scenes if scene.name in coarse]
    table = fine_coarse_agreement(both, [coarse[s.name] for s in both], spec.class_set)
    weight = table["fine_pixels"] / table["fine_pixels"].sum()
    return {
        "covered": float((weight * table["covered"]).sum()),
        "precision": float(table["precision"].min()),
        "least": table.nsmallest(3, "recall")[["class", "recall"]].to_numpy().tolist(),
    }


def _pairs(truth: np.ndarray, guess: np.ndarray, class_set: ClassSet) -> np.ndarray:
    """Confusion matrix int64 (C, C + 1) whose last column holds what `guess` leaves void."""
    classes = class_set.num_classes
    return metrics.confusion_matrix(truth, np.minimum(guess, np.uint8(classes)), classes + 1)[:-1]


def _objects(scene: Scene, mask: np.ndarray, class_set: ClassSet) -> tuple[np.ndarray, np.ndarray]:
    """Objects of a scene, numbered from 1 (H, W), 0 for none; the class of each, in that order."""
    objects, owners = np.zeros(mask.shape, dtype=np.int64), []
    in_regions = np.ones(class_set.num_classes, dtype=bool)
    if scene.instance_ids.exists():
        in_regions = ~np.array(class_set.has_instances)
        instances = read_instance_ids(scene.instance_ids)
        for number in np.unique(instances[instances >= 1000]).tolist():
            if number // 1000 in class_set.ids:
                owners.append(class_set.ids.index(number // 1000))
                objects[instances == number] = len(owners)
    for index in np.flatnonzero(in_regions).tolist():
        regions, count = ndimage.label(mask == index)  # 4-connected
        objects += np.where(regions > 0, regions + len(owners), 0)
        owners += [index] * count
    return objects, np.array(owners, dtype=np.int64)


def _resized(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A mask at `size` (H, W), each pixel from under its centre, as Pillow's NEAREST takes them."""
    rows, columns = (
        ((np.arange(side) + 0.5) * source / side).astype(np.int64)
        for side, source in zip(size, mask.shape, strict=True)
    )
    return mask[rows[:, None], columns]


def _cells(shape: tuple[int, int], grid: tuple[int, int]) -> np.ndarray:
    """The number of the cell of a `grid` (h, w) that each pixel of a frame lies in, (H, W)."""
    rows, columns = (np.arange(s) * cells // s for s, cells in zip(shape, grid, strict=True))
    return rows[:, None] * grid[1] + columns
