"""Where in the frame a prediction is wrong: near boundaries, along a network's grid, or anywhere.

Masks are class indices uint8 (H, W), 255 is void. Void separates nothing: its own outline is no
boundary, and void pixels are not counted.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from scipy.ndimage import distance_transform_cdt

from ..labels import IGNORE_INDEX

BANDS = (1, 2, 4, 8, 16, 32)  # largest distance of each band; one more band holds the rest


def boundary_distance(mask: np.ndarray, limit: int = BANDS[-1]) -> np.ndarray:
    """Distance of each pixel to the nearest pixel of another class, in steps to 8 neighbours.

    `mask`: class indices uint8 (H, W), 255 is void. Returns int32 (H, W): 1 for a pixel that
    touches another class, `limit` + 1 for one that has none within `limit` steps.
    """
    # The two smallest of the distances to each class: a pixel's own is at 0, void has none.
    nearest = second = np.full(mask.shape, limit + 1, dtype=np.int32)
    for index in np.setdiff1d(mask, [IGNORE_INDEX]):
        distance = distance_transform_cdt(mask != index, metric="chessboard")
        second = np.minimum(second, np.maximum(nearest, distance))
        nearest = np.minimum(nearest, distance)
    return second


def errors_by_distance(
    truths: Iterable[np.ndarray], predictions: Iterable[np.ndarray], bands: Sequence[int] = BANDS
) -> pd.DataFrame:
    """How many pixels are wrong at which distance from the nearest class boundary of the truth.

    `truths`, `predictions`: masks, pairwise of one shape. `bands`: rising largest distances; a last
    band holds what is further away. Returns a row per band: `distance` (text such as "3–4"),
    `pixels`, `wrong`.
    """
    pixels, wrong = np.zeros((2, len(bands) + 1), dtype=np.int64)
    for truth, prediction in zip(truths, predictions, strict=True):
        band = np.searchsorted(bands, boundary_distance(truth, bands[-1]))
        scored = truth != IGNORE_INDEX
        pixels += np.bincount(band[scored], minlength=len(pixels))
        wrong += np.bincount(band[scored & (truth != prediction)], minlength=len(wrong))
    starts = [1, *(band + 1 for band in bands)]
    names = [f"{a}" if a == b else f"{a}–{b}" for a, b in zip(starts, bands, strict=False)]
    names.append(f"> {bands[-1]}")
    return pd.DataFrame({"distance": names, "pixels": pixels, "wrong": wrong})


def boundary_phases(
    masks: Iterable[np.ndarray], size: tuple[int, int], stride: int = 8
) -> np.ndarray:
    """Where class boundaries lie between the lines of a network's grid, int64 (stride,).

    `masks`: at the labels' resolution. `size`: (height, width) at which the network saw the image;
    its coarsest maps have one position per `stride` × `stride` pixels of that. Boundaries between
    neighbouring pixels are counted by the nearest line: element 0 on the lines of the grid, element
    j at j pixels of `size` beyond them. Without influence of the grid they are spread evenly.
    """
    counts = np.zeros(stride, dtype=np.int64)
    for mask in masks:
        for axis in (0, 1):
            turned = np.moveaxis(mask, axis, 0)
            known = turned != IGNORE_INDEX
            changes = (turned[:-1] != turned[1:]) & known[:-1] & known[1:]
            places = np.arange(1, len(turned)) * size[axis] / len(turned)
            nearest = np.floor(places + 0.5).astype(np.int64) % stride
            np.add.at(counts, nearest, changes.sum(axis=1))
    return counts
