"""Where class boundaries lie, and how far from them a prediction is wrong.

Masks are class indices uint8 (H, W), 255 is void. Void separates nothing: its own outline is no
boundary, and void pixels are not counted.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from scipy.ndimage import distance_transform_cdt
from scipy.signal import fftconvolve

from seglib.labels import IGNORE_INDEX

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


def busiest_window(mask: np.ndarray, size: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of the `size` (height, width) cut-out with the most class boundary in it.

    `mask`: class indices uint8 (H, W), at least as large as `size`; 255 is void. Cut-outs that are
    more than a tenth void don't count unless all are.
    """
    counted = (boundary_distance(mask, 1) == 1, mask == IGNORE_INDEX)
    boundary, void = (  # pixels in each cut-out
        np.rint(fftconvolve(each.astype(np.float64), np.ones(size), "valid")) for each in counted
    )
    clear = void <= max(0.1 * size[0] * size[1], void.min())
    corner = np.unravel_index(np.where(clear, boundary, -1).argmax(), boundary.shape)
    rows, columns = (slice(int(a), int(a) + side) for a, side in zip(corner, size, strict=True))
    return rows, columns
