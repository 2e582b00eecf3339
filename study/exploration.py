"""Statistics of a dataset: what its classes, objects, coarse masks and splits are like.

Every function takes scenes (`data.tree.Scene`) or what another function here returned, and returns
arrays or tables. Masks are read at their own resolution, one scene at a time.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from seglib.data.tree import (
    MASK_FOLDERS,
    SPLITS,
    Scene,
    list_scenes,
    read_image,
    read_instance_ids,
    read_label_ids,
)
from seglib.errors import ConfigError
from seglib.evaluation.metrics import confusion_matrix
from seglib.labels import IGNORE_INDEX, ClassSet


def evenly(scenes: Sequence[Scene], limit: int) -> list[Scene]:
    """At most `limit` scenes, spread evenly over the list so that every city takes part."""
    if limit < 1:
        raise ConfigError(f"limit {limit} must be 1 or more")
    if len(scenes) <= limit:
        return list(scenes)
    return [scenes[i * len(scenes) // limit] for i in range(limit)]


def tree_table(root: Path) -> pd.DataFrame:
    """The splits of a tree, one row each: `masks` (fine or coarse), `split`, `scenes`, `cities`."""
    rows = []
    for mode, splits in SPLITS.items():
        for split in splits:
            if (Path(root) / MASK_FOLDERS[mode] / split).is_dir():
                scenes = list_scenes(root, split, mode)
                cities = ", ".join(sorted({scene.city for scene in scenes}))
                rows.append((mode, split, len(scenes), cities))
    return pd.DataFrame(rows, columns=["masks", "split", "scenes", "cities"])


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
    scenes = np.diagonal(together)[:, None]
    return np.divide(together, scenes, out=np.full_like(together, np.nan), where=scenes > 0)


def spatial_priors(
    scenes: Iterable[Scene], class_set: ClassSet, grid: tuple[int, int] = (32, 64)
) -> np.ndarray:
    """Share of scenes in which a place in the frame shows each class, float64 (C, h, w).

    The frame is divided into `grid` (h, w) cells; each is the mean over its pixels and all scenes.
    Ignored pixels belong to no class, so the classes need not add up to 1.
    """
    total, cells, size = None, None, 0.0
    for scene in scenes:
        indices = _indices(scene, class_set)
        if cells is None or cells.shape != indices.shape:
            cells = _cells(indices.shape, grid)
            area = np.bincount(cells.ravel(), minlength=grid[0] * grid[1])
        if total is None:
            total = np.zeros((256, grid[0] * grid[1]))
        pairs = indices.astype(np.int64) * (grid[0] * grid[1]) + cells
        counts = np.bincount(pairs.ravel(), minlength=total.size)[: total.size]
        total += counts.reshape(total.shape) / np.maximum(area, 1)
        size += 1
    if total is None:
        raise ConfigError("no scenes given: spatial priors need at least one")
    return (total[: class_set.num_classes] / size).reshape(-1, *grid)


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
    pairs = np.zeros((classes + 1, classes + 1), dtype=np.int64)  # the last index is ignored
    for exact, rough in zip(fine, coarse, strict=True):
        if exact.name != rough.name:
            raise ConfigError(f"scenes differ: fine {exact.name}, coarse {rough.name}")
        truth = np.minimum(_indices(exact, class_set), classes).astype(np.int64)
        guess = np.minimum(_indices(rough, class_set), classes)
        codes = truth * (classes + 1) + guess
        pairs += np.bincount(codes.ravel(), minlength=pairs.size).reshape(pairs.shape)
    known = pairs[:classes]
    total, same = known.sum(axis=1), np.diagonal(pairs)[:classes]
    table = pd.DataFrame(
        {
            "class": class_set.names,
            "fine_pixels": total,
            "covered": _share(known[:, :classes].sum(axis=1), total),
            "recall": _share(same, total),
            "precision": _share(same, known[:, :classes].sum(axis=0)),
        }
    )
    return table[total > 0].reset_index(drop=True)


def shrink(indices: np.ndarray, width: int) -> np.ndarray:
    """A mask (H, W) resized to a width by nearest pixel, as masks are for training."""
    rows, columns = _nearest(indices.shape, width)
    return indices[rows[:, None], columns]


def survival(
    scenes: Iterable[Scene], class_set: ClassSet, widths: Sequence[int]
) -> pd.DataFrame:
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
    sums = {width: np.zeros((5, classes), dtype=np.int64) for width in widths}
    for scene in scenes:
        indices = _indices(scene, class_set)
        objects, owners = _objects(scene, indices, class_set)
        for width in widths:
            total, right, union, seen, kept = sums[width]
            rows, columns = _nearest(indices.shape, width)
            small = shrink(indices, width)
            back = small[
                _centres(indices.shape[0], len(rows))[:, None],
                _centres(indices.shape[1], len(columns)),
            ]
            back = np.where(indices == IGNORE_INDEX, IGNORE_INDEX, back)
            truth = np.bincount(indices.ravel(), minlength=256)[:classes]
            hit = np.bincount(indices[indices == back], minlength=256)[:classes]
            total += truth
            right += hit
            union += truth + np.bincount(back.ravel(), minlength=256)[:classes] - hit
            survivors = np.zeros(len(owners), dtype=bool)
            survivors[objects[rows[:, None], columns]] = True
            seen += np.bincount(owners[1:], minlength=classes)
            kept += np.bincount(owners[1:][survivors[1:]], minlength=classes)
    tables = []
    for width, (total, right, union, seen, kept) in sums.items():
        values = {
            "width": width,
            "class": class_set.names,
            "pixels": _share(right, total),
            "objects": _share(kept, seen),
            "best_iou": _share(right, union),
        }
        tables.append(pd.DataFrame(values)[total > 0])
    return pd.concat(tables, ignore_index=True)


def jensen_shannon(first: np.ndarray, second: np.ndarray) -> float:
    """Jensen-Shannon distance of two histograms: 0 for equal shapes, 1 for disjoint ones.

    Square root of the divergence to base 2 (Lin, "Divergence Measures Based on the Shannon
    Entropy", 1991); both are normalised to sum 1. ConfigError if one is empty.
    """
    first, second = (np.asarray(h, dtype=np.float64).ravel() for h in (first, second))
    if not first.sum() > 0 or not second.sum() > 0:
        raise ConfigError("a histogram without entries has no distance")
    first, second = first / first.sum(), second / second.sum()
    middle = (first + second) / 2
    divergence = 0.0
    for part in (first, second):
        used = part > 0
        divergence += (part[used] * np.log2(part[used] / middle[used])).sum() / 2
    return float(np.sqrt(max(divergence, 0.0)))


def color_histograms(scenes: Iterable[Scene], bins: int = 8, step: int = 2) -> np.ndarray:
    """Joint RGB histogram of each image, int64 (N, bins³), from every `step`-th row and column."""
    rows = []
    for scene in scenes:
        levels = read_image(scene.image)[::step, ::step].astype(np.int64) * bins // 256
        codes = (levels[..., 0] * bins + levels[..., 1]) * bins + levels[..., 2]
        rows.append(np.bincount(codes.ravel(), minlength=bins**3))
    return np.array(rows, dtype=np.int64).reshape(-1, bins**3)


def split_distances(
    counts: Mapping[str, np.ndarray],
    colors: Mapping[str, np.ndarray],
    seed: int = 0,
    draws: int = 200,
) -> pd.DataFrame:
    """Jensen-Shannon distances between the splits, next to what chance alone gives.

    Args:
        counts, colors: split to `pixel_counts` and to `color_histograms` of its scenes. The first
            split is compared with each other one.
        seed, draws: of the random parts of the first split.

    Returns:
        Rows `pair`, `classes`, `colors`. The first row, "chance", compares random parts of the
        first split, as large as the smallest other split, with its rest: 95 % of the draws lie
        below that distance, so that a smaller one between two splits would mean nothing.
    """
    splits = list(counts)
    base = splits[0]
    total = len(counts[base])
    size = min([total // 2, *(len(counts[split]) for split in splits[1:])])
    generator = np.random.default_rng(seed)
    tables = (counts[base][:, :-1], colors[base])
    chance = []
    for _ in range(draws):
        order = generator.permutation(total)
        part, rest = order[:size], order[size:]
        chance.append([jensen_shannon(t[part].sum(axis=0), t[rest].sum(axis=0)) for t in tables])
    rows = [("chance", *np.quantile(chance, 0.95, axis=0))]
    for split in splits[1:]:
        classes = jensen_shannon(class_shares(counts[base]), class_shares(counts[split]))
        hues = jensen_shannon(colors[base].sum(axis=0), colors[split].sum(axis=0))
        rows.append((f"{base}–{split}", classes, hues))
    return pd.DataFrame(rows, columns=["pair", "classes", "colors"])


def connected_components(mask: np.ndarray) -> np.ndarray:
    """Number the 4-connected regions of a boolean (H, W) mask: int32 (H, W), 0 outside, then 1...

    Regions are numbered by their first pixel in reading order. Works on runs of pixels and joins
    them by repeated minima, so that no loop over pixels is needed.
    """
    height, width = mask.shape
    padded = np.zeros((height, width + 2), dtype=np.int8)
    padded[:, 1:-1] = mask
    steps = np.diff(padded.ravel(), prepend=0)
    starts, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    # Runs of the next row that overlap run i are below[first[i]:last[i]].
    first = np.searchsorted(ends, starts + width + 2, side="right")
    last = np.searchsorted(starts, ends + width + 2, side="left")
    counts = np.maximum(last - first, 0)
    upper = np.repeat(np.arange(len(starts)), counts)
    lower = np.arange(len(upper)) - np.repeat(np.cumsum(counts) - counts, counts)
    lower += np.repeat(first, counts)
    region = np.arange(len(starts))
    while True:
        before = region.copy()
        smaller = np.minimum(region[upper], region[lower])
        np.minimum.at(region, region[upper], smaller)  # hang whole trees below the smaller root
        np.minimum.at(region, region[lower], smaller)
        region = np.minimum(region, region[region])
        if np.array_equal(region, before):
            break
    _, numbers = np.unique(region, return_inverse=True)
    labelled = np.zeros(padded.size, dtype=np.int32)
    change = np.zeros(padded.size + 1, dtype=np.int64)
    change[starts] += numbers + 1
    change[ends] -= numbers + 1
    labelled[:] = np.cumsum(change[:-1])
    return labelled.reshape(padded.shape)[:, 1:-1]


def _indices(scene: Scene, class_set: ClassSet) -> np.ndarray:
    return class_set.encode(read_label_ids(scene.label_ids))


def _objects(
    scene: Scene, indices: np.ndarray, class_set: ClassSet
) -> tuple[np.ndarray, np.ndarray]:
    """Objects of a scene: their numbers (H, W), 0 for none, and the class of each number.

    The class at position 0, which is no object, is meaningless.
    """
    objects = np.zeros(indices.shape, dtype=np.int64)
    owners = [0]
    separate = np.zeros(class_set.num_classes, dtype=bool)
    if scene.instance_ids.exists():
        separate = class_set.has_instances
        instances = read_instance_ids(scene.instance_ids)
        for number in np.unique(instances[instances >= 1000]).tolist():
            if number // 1000 in class_set.ids:
                objects[instances == number] = len(owners)
                owners.append(class_set.ids.index(number // 1000))
    for index in np.flatnonzero(~separate):
        regions = connected_components(indices == index)
        inside = regions > 0
        objects[inside] = regions[inside] + len(owners) - 1
        owners += [int(index)] * int(regions.max(initial=0))
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
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
