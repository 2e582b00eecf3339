"""Notebook 01: what a dataset's classes, objects, coarse masks and splits are like.

Every function takes scenes (`data.tree.Scene`) or what another function here returned, and returns
arrays or tables. Masks are read at their own resolution, one scene at a time.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import ndimage
from scipy.spatial.distance import jensenshannon

from seglib import paths
from seglib.data.datasets import DatasetSpec, fingerprint
from seglib.data.images import read_instance_ids, read_label_ids, read_photo
from seglib.data.tree import Scene, list_scenes
from seglib.errors import ConfigError
from seglib.evaluation.boundaries import grid_ceiling
from seglib.evaluation.metrics import confusion_matrix, iou_per_class, mean_iou, pixel_accuracy
from seglib.labels import IGNORE_INDEX, ClassSet
from seglib.provenance import RESULTS_VERSION

LIMIT = 320  # scenes that are read per split, evenly spread; more only matters for Cityscapes
TINY = 16  # side in pixels, in a frame of 256 rows, below which an object counts as tiny
GRID_STRIDES = (1, 8)  # of the resized mask itself, and of the FCN's coarsest maps


def evenly(scenes: Sequence[Scene], limit: int) -> list[Scene]:
    """At most `limit` scenes, spread evenly over the list so that every city takes part."""
    count = min(limit, len(scenes))
    return [scenes[i * len(scenes) // count] for i in range(count)]


def pixel_counts(scenes: Iterable[Scene], class_set: ClassSet) -> np.ndarray:
    """Pixels of each class in each scene, int64 (N, C + 1); the last column counts ignored ones."""
    rows = []
    for scene in scenes:
        counts = np.bincount(_indices(scene, class_set).ravel(), minlength=256)
        rows.append(np.append(counts[: class_set.num_classes], counts[IGNORE_INDEX]))
    return np.array(rows, dtype=np.int64).reshape(-1, class_set.num_classes + 1)


def class_shares(counts: np.ndarray) -> np.ndarray:
    """Share of each class among the pixels that are not ignored, float64 (C,), from counts."""
    totals = counts[:, :-1].sum(axis=0)
    return totals / max(totals.sum(), 1)


def cooccurrence(counts: np.ndarray) -> np.ndarray:
    """Share of the scenes with the row's class that also hold the column's, float64 (C, C).

    `counts`: from `pixel_counts`. A class that is in no scene has a row of NaN.
    """
    present = (counts[:, :-1] > 0).astype(np.float64)
    together = present.T @ present
    return _share(together, np.broadcast_to(np.diagonal(together)[:, None], together.shape))


def spatial_priors(
    scenes: Iterable[Scene], class_set: ClassSet, grid: tuple[int, int] = (32, 64)
) -> np.ndarray:
    """Share of scenes in which a place in the frame shows each class, float64 (C, h, w).

    The frame is divided into `grid` (h, w) cells; each is the mean over its pixels and all scenes.
    Ignored pixels belong to no class, so the classes need not add up to 1.
    """
    places = grid[0] * grid[1]
    shares = []
    for scene in scenes:
        indices = _indices(scene, class_set)
        cells = _cells(indices.shape, grid)
        known = indices != IGNORE_INDEX
        pairs = indices[known].astype(np.int64) * places + cells[known]
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
    best = priors.argmax(axis=0).astype(np.uint8).ravel()
    confusion = np.zeros((class_set.num_classes,) * 2, dtype=np.int64)
    for scene in scenes:
        indices = _indices(scene, class_set)
        guess = best[_cells(indices.shape, priors.shape[1:])]
        confusion += confusion_matrix(indices, guess, class_set.num_classes)
    return confusion


def instance_table(scenes: Iterable[Scene], class_set: ClassSet) -> pd.DataFrame:
    """One row per annotated object: `scene`, `class` (name) and `pixels` (visible area).

    Scenes without an instance mask (CamVid) give no rows. Groups of objects that annotators did
    not separate are not objects and are left out.
    """
    name_of = dict(zip(class_set.ids, class_set.names, strict=True))
    rows = []
    for scene in scenes:
        if not scene.instance_ids.exists():
            continue
        ids, areas = np.unique(read_instance_ids(scene.instance_ids), return_counts=True)
        rows += [
            (scene.name, name_of[number // 1000], area)
            for number, area in zip(ids.tolist(), areas.tolist(), strict=True)
            if number >= 1000 and number // 1000 in name_of
        ]
    return pd.DataFrame(rows, columns=["scene", "class", "pixels"])


def fine_coarse_agreement(
    fine: Iterable[Scene], coarse: Iterable[Scene], class_set: ClassSet
) -> pd.DataFrame:
    """How coarse masks compare with fine ones of the same scenes, one row per class present.

    Returns:
        `class`; `covered`: share of the class's fine pixels that coarse labels at all; `recall`:
        share that coarse labels with the same class; `precision`: share of the class's coarse
        pixels that fine labels the same, where fine is not void. NaN where there is no such pixel.
    """
    classes = class_set.num_classes
    pairs = np.zeros((classes, classes + 1), dtype=np.int64)
    for exact, rough in zip(fine, coarse, strict=True):
        if exact.name != rough.name:
            raise ConfigError(f"scenes differ: fine {exact.name}, coarse {rough.name}")
        pairs += _pairs(_indices(exact, class_set), _indices(rough, class_set), classes)
    total, same = pairs.sum(axis=1), np.diagonal(pairs)
    table = pd.DataFrame(
        {
            "class": class_set.names,
            "fine_pixels": total,
            "covered": _share(pairs[:, :classes].sum(axis=1), total),
            "recall": _share(same, total),
            "precision": _share(same, pairs[:, :classes].sum(axis=0)),
        }
    )
    return table[total > 0].reset_index(drop=True)


def shrink(indices: np.ndarray, width: int) -> np.ndarray:
    """A mask (H, W) resized to a width by nearest pixel, as masks are for training."""
    rows, columns = _nearest(indices.shape, width)
    return indices[rows[:, None], columns]


def survival(scenes: Iterable[Scene], class_set: ClassSet, widths: Sequence[int]) -> pd.DataFrame:
    """What is left of each class when masks are resized to a width and back by nearest pixel.

    An object is an annotated instance, and for classes without instances (poles, lights, signs) a
    connected region. Widths beyond a mask's own are allowed and lose nothing.

    Returns:
        One row per width and class that occurs: `width`; `class`; `pixels`: share of the class's
        pixels whose label is right after the round trip; `objects`: share of the objects that keep
        at least one pixel in the small mask; `best_iou`: the IoU of the round trip, the score
        of a network that is perfect at the small size and enlarged by nearest pixel.
    """
    classes = class_set.num_classes
    pairs = {width: np.zeros((classes, classes + 1), dtype=np.int64) for width in widths}
    kept = {width: np.zeros(classes, dtype=np.int64) for width in widths}
    objects_of = np.zeros(classes, dtype=np.int64)
    for scene in scenes:
        indices = _indices(scene, class_set)
        objects, owners = _objects(scene, indices, class_set)
        objects_of += np.bincount(owners[1:], minlength=classes)
        for width in widths:
            small = shrink(indices, width)
            rows, columns = map(_centres, indices.shape, small.shape)
            pairs[width] += _pairs(indices, small[rows[:, None], columns], classes)
            left = np.unique(shrink(objects, width))
            kept[width] += np.bincount(owners[left[left > 0]], minlength=classes)
    tables = []
    for width in widths:
        total, right = pairs[width].sum(axis=1), np.diagonal(pairs[width])
        union = total + pairs[width][:, :classes].sum(axis=0) - right
        values = {
            "width": width,
            "class": class_set.names,
            "pixels": _share(right, total),
            "objects": _share(kept[width], objects_of),
            "best_iou": _share(right, union),
        }
        tables.append(pd.DataFrame(values)[total > 0])
    return pd.concat(tables, ignore_index=True)


def color_histograms(scenes: Iterable[Scene], bins: int = 8, step: int = 2) -> np.ndarray:
    """Joint RGB histogram of each image, int64 (N, bins³), from every `step`-th row and column."""
    rows = []
    for scene in scenes:
        levels = read_photo(scene.image)[::step, ::step].astype(np.int64) * bins // 256
        codes = (levels[..., 0] * bins + levels[..., 1]) * bins + levels[..., 2]
        rows.append(np.bincount(codes.ravel(), minlength=bins**3))
    return np.array(rows, dtype=np.int64).reshape(-1, bins**3)


def split_distances(
    counts: Mapping[str, np.ndarray],
    colors: Mapping[str, np.ndarray],
    seed: int = 0,
    draws: int = 200,
) -> pd.DataFrame:
    """Jensen-Shannon distances (0 to 1) between the splits, next to what chance alone gives.

    Args:
        counts, colors: split to `pixel_counts` and to `color_histograms` of its scenes. The first
            split is compared with each other one.
        seed, draws: of the random parts of the first split.

    Returns:
        Rows `pair`, `classes`, `colors`: square roots of the divergence to base 2. The first row,
        "chance", compares random parts of the first split, as large as the smallest other split,
        with its rest: 95 % of the draws lie below it, so that less between splits means nothing.
    """
    tables = {split: (counts[split][:, :-1], colors[split]) for split in counts}
    base, *others = tables

    def distances(first: Iterable[np.ndarray], second: Iterable[np.ndarray]) -> list[float]:
        summed = ((a.sum(axis=0), b.sum(axis=0)) for a, b in zip(first, second, strict=True))
        return [jensenshannon(a, b, base=2) for a, b in summed]

    total = len(counts[base])
    size = min([total // 2, *(len(counts[split]) for split in others)])
    generator = np.random.default_rng(seed)
    chance = []
    for _ in range(draws):
        part, rest = np.split(generator.permutation(total), [size])
        chance.append(distances(*([table[own] for table in tables[base]] for own in (part, rest))))
    rows = [("chance", *np.quantile(chance, 0.95, axis=0))]
    rows += [(f"{base}–{split}", *distances(tables[base], tables[split])) for split in others]
    return pd.DataFrame(rows, columns=["pair", "classes", "colors"])


def facts_file(dataset: str) -> Path:
    """Where notebook 01 writes a dataset's facts, and the report reads them."""
    return paths.results_dir() / "datasets" / f"{dataset}.json"


def dataset_facts(spec: DatasetSpec, input_size: tuple[int, int]) -> dict[str, Any]:
    """What the report says about a dataset: JSON-ready, shares of 1, lists in order of the classes.

    `input_size`: (height, width) at which the FCN sees an image. `floor` are the scores on val of
    knowing only the place, `grid` those of the truth itself at the input size, whole and with one
    label per cell of the FCN's grid; `void` is the share of training pixels that is not scored.
    """
    root, classes = spec.root(), spec.class_set
    listed = {split: list_scenes(root, split) for split in ("train", "val", "test")}
    scenes = {split: evenly(found, LIMIT) for split, found in listed.items()}
    counts = {split: pixel_counts(part, classes) for split, part in scenes.items()}
    counts = {split: table for split, table in counts.items() if table[:, :-1].any()}
    priors = spatial_priors(scenes["train"], classes)
    floor = position_baseline(scenes["val"], priors, classes)
    return {
        "results_version": RESULTS_VERSION,
        "input_size": list(input_size),
        "fingerprint": fingerprint(root),
        "scenes": {split: len(found) for split, found in listed.items()},
        "cities": {split: len({s.city for s in found}) for split, found in listed.items()},
        "shares": {split: class_shares(table).tolist() for split, table in counts.items()},
        "void": float(counts["train"][:, -1].sum() / counts["train"].sum()),
        "objects": _object_facts(spec, scenes["train"]) if spec.has_instances else None,
        "floor": _score_facts(floor),
        "grid": {
            str(stride): _score_facts(grid_ceiling(scenes["val"], classes, input_size, stride))
            for stride in GRID_STRIDES
        },
        "coarse": _coarse_facts(spec, scenes["train"]) if spec.has_coarse else None,
    }


def _score_facts(confusion: np.ndarray) -> dict[str, Any]:
    return {
        "miou": mean_iou(confusion),
        "pixel_accuracy": pixel_accuracy(confusion),
        "iou": [None if np.isnan(iou) else float(iou) for iou in iou_per_class(confusion)],
    }


def _object_facts(spec: DatasetSpec, scenes: Sequence[Scene]) -> dict[str, Any]:
    table = instance_table(scenes, spec.class_set)
    tiny = table["pixels"] < (TINY * spec.image_size[0] // 256) ** 2
    people = table["class"].isin(["person", "rider"])
    largest = table["pixels"].sort_values(ascending=False)
    return {
        "count": len(table),
        "per_scene": len(table) / len(scenes),
        "tiny": float(tiny.mean()),
        "tiny_people": float(tiny[people].mean()),
        "largest_tenth": float(largest[: len(largest) // 10].sum() / largest.sum()),
    }


def _coarse_facts(spec: DatasetSpec, scenes: Sequence[Scene]) -> dict[str, Any]:
    names = {scene.name for scene in scenes}
    rough = [s for s in list_scenes(spec.root(), "train", "coarse") if s.name in names]
    drawn = {scene.name for scene in rough}
    both = [scene for scene in scenes if scene.name in drawn]
    table = fine_coarse_agreement(both, rough, spec.class_set)
    weight = table["fine_pixels"] / table["fine_pixels"].sum()
    worst = table.sort_values("recall").head(3)
    return {
        "covered": float((weight * table["covered"]).sum()),
        "precision": float(table["precision"].min()),
        "least": [[row["class"], float(row["recall"])] for _, row in worst.iterrows()],
    }


def _indices(scene: Scene, class_set: ClassSet) -> np.ndarray:
    return class_set.encode(read_label_ids(scene.label_ids))


def _pairs(truth: np.ndarray, guess: np.ndarray, classes: int) -> np.ndarray:
    """Pixels by true and guessed class, int64 (C, C + 1); the last column is ignored in `guess`."""
    return confusion_matrix(truth, np.minimum(guess, np.uint8(classes)), classes + 1)[:-1]


def _objects(
    scene: Scene, indices: np.ndarray, class_set: ClassSet
) -> tuple[np.ndarray, np.ndarray]:
    """Objects of a scene: their numbers (H, W), 0 for none, and the class of each number.

    The class at position 0, which is no object, is meaningless.
    """
    objects, owners = np.zeros(indices.shape, dtype=np.int64), [0]
    separate = np.zeros(class_set.num_classes, dtype=bool)
    if scene.instance_ids.exists():
        separate = class_set.has_instances
        instances = read_instance_ids(scene.instance_ids)
        for number in np.unique(instances[instances >= 1000]).tolist():
            if number // 1000 in class_set.ids:
                objects[instances == number] = len(owners)
                owners.append(class_set.ids.index(number // 1000))
    for index in np.flatnonzero(~separate).tolist():
        regions, count = ndimage.label(indices == index)  # 4-connected
        objects += np.where(regions > 0, regions + len(owners) - 1, 0)
        owners += [index] * count
    return objects, np.array(owners)


def _nearest(shape: tuple[int, int], width: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows and columns that nearest resizing to `width` keeps; the aspect ratio stays."""
    height = max(1, round(shape[0] * width / shape[1]))
    return _centres(height, shape[0]), _centres(width, shape[1])


def _centres(size: int, source: int) -> np.ndarray:
    """Source position under the centre of each of `size` pixels, as Pillow's NEAREST takes them."""
    return ((np.arange(size) + 0.5) * source / size).astype(np.int64)


def _cells(shape: tuple[int, int], grid: tuple[int, int]) -> np.ndarray:
    rows = np.arange(shape[0]) * grid[0] // shape[0]
    columns = np.arange(shape[1]) * grid[1] // shape[1]
    return rows[:, None] * grid[1] + columns


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, NaN where the whole is 0."""
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
