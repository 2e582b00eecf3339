"""Whether a network is as often right as it is sure: reliability and calibration error.

Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017
(https://arxiv.org/abs/1706.04599): pixels are sorted into bins by their confidence, the probability
of the predicted class, and in each bin it is compared with the share of pixels that are right.
"""

from typing import Any

import numpy as np

from seglib.evaluation.intervals import percentile_interval, resample
from seglib.labels import IGNORE_INDEX

BINS = 15


class Reliability:
    """Collects confidence and correctness image by image."""

    def __init__(self) -> None:
        self._images: list[np.ndarray] = []  # (BINS, 3): pixels, sum of confidences, right ones

    def add(self, truth: np.ndarray, prediction: np.ndarray, confidence: np.ndarray) -> None:
        """Count one image.

        `truth`, `prediction`: class indices uint8 (H, W); truth may be 255, which is not counted.
        `confidence`: float (H, W), the probability (0 to 1) of the predicted class.
        """
        scored = truth != IGNORE_INDEX
        sure = confidence[scored].astype(np.float64)
        # The upper edge belongs to a bin, as in Guo et al.
        place = np.clip(np.ceil(sure * BINS).astype(np.int64) - 1, 0, BINS - 1)
        right = (truth == prediction)[scored]
        columns = [np.bincount(place, weights, BINS) for weights in (None, sure, right)]
        self._images.append(np.stack(columns, axis=1))

    def summary(self, resamples: int = 2000, seed: int = 0) -> dict[str, Any]:
        """What was found, JSON-ready.

        Keys: `bins` (per bin of equal width, from unsure to sure: `pixels`, mean `confidence` and
        `accuracy`, None in an empty one), `confidence` and `accuracy` over all pixels, `ece` (the
        expected calibration error, 0 to 1) and its 95 % interval over resampled images in `low`
        and `high`.
        """
        images = np.stack(self._images)  # (N, BINS, 3)
        total = images.sum(axis=0)
        resampled = np.tensordot(resample(len(images), resamples, seed), images, axes=1)
        low, high = percentile_interval(calibration_error(resampled))  # of (R, BINS, 3)
        pixels, confidence, right = total.sum(axis=0)
        return {
            "bins": [
                {
                    "pixels": int(n),
                    "confidence": round(sure / n, 6) if n else None,
                    "accuracy": round(hits / n, 6) if n else None,
                }
                for n, sure, hits in total
            ],
            "confidence": round(confidence / pixels, 6),
            "accuracy": round(right / pixels, 6),
            "ece": round(float(calibration_error(total)), 6),
            "low": round(low, 6),
            "high": round(high, 6),
        }


def calibration_error(counts: np.ndarray) -> np.ndarray:
    """Expected calibration error of counts (…, BINS, 3): pixels, sum of confidences, right pixels.

    The mean over pixels of their bin's distance between confidence and accuracy, float64 (…).
    """
    pixels, confidence, right = np.moveaxis(counts, -1, 0)
    return np.abs(confidence - right).sum(axis=-1) / pixels.sum(axis=-1)
