"""How sure a score is: bootstrap intervals over the images of a split, alone and paired.

Efron, "Bootstrap Methods: Another Look at the Jackknife", Annals of Statistics 1979
(https://doi.org/10.1214/aos/1176344552). Scores are recomputed from summed counts for every
resample; they are never averaged over images.
"""

from typing import Any, NamedTuple

import numpy as np

from ..errors import ConfigError
from .metrics import METRICS, aggregate


def bootstrap_interval(
    scores: dict[str, Any],
    metric: str = "miou",
    resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float]:
    """Percentile interval of a score over resamples of the scored images (Efron, 1979).

    It says how far the score depends on which images the split holds, not on the training seed.
    `scores`: from `ScoreAccumulator.scores()`. `metric`: a mean of `METRICS`, or one class or
    category as in "iou:person". Resamples in which the class is absent are left out.
    """
    return _interval(_resampled(scores, metric, resamples, seed), level)


class PairedDifference(NamedTuple):
    """A score's difference between two runs and its interval over resamples of the images."""

    difference: float
    low: float
    high: float


def paired_difference(
    scores_a: dict[str, Any],
    scores_b: dict[str, Any],
    metric: str = "miou",
    resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> PairedDifference:
    """The score of a minus that of b, with an interval from resampling both on the same images.

    Pairing removes what makes an image hard for every model, so that the interval is narrower
    than those of a and b. Raises ConfigError when the two were scored on different images.
    """
    if scores_a["images"]["names"] != scores_b["images"]["names"]:
        raise ConfigError("the two runs were scored on different images: compare one split")
    point = [
        _select(aggregate(scores["images"]), scores, metric) for scores in (scores_a, scores_b)
    ]
    drawn = [_resampled(scores, metric, resamples, seed) for scores in (scores_a, scores_b)]
    return PairedDifference(float(point[0] - point[1]), *_interval(drawn[0] - drawn[1], level))


def _resampled(scores: dict[str, Any], metric: str, resamples: int, seed: int) -> np.ndarray:
    """The metric on each resample, float64 (resamples,); one seed draws the same images."""
    count = len(scores["images"]["names"])
    # Drawing N of N with replacement is a multinomial count per image.
    weights = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), resamples)
    return _select(aggregate(scores["images"], weights), scores, metric)


def _select(values: dict[str, np.ndarray], scores: dict[str, Any], metric: str) -> np.ndarray:
    key, _, name = metric.partition(":")
    names = scores["categories" if key.startswith("category") else "classes"]
    per_class = key in ("iou", "iiou", "category_iou", "category_iiou")
    if key not in METRICS or per_class != bool(name) or (name and name not in names):
        raise ConfigError(f"unknown metric {metric!r}; valid are miou, pixel_accuracy, "
                          "mean_accuracy, category_miou, miiou, category_miiou and "
                          "iou:NAME, iiou:NAME, category_iou:NAME, category_iiou:NAME")  # fmt: skip
    if key not in values:
        raise ConfigError(f"metric {metric!r} is not available: the dataset has no instance masks")
    return values[key][..., names.index(name)] if name else values[key]


def _interval(values: np.ndarray, level: float) -> tuple[float, float]:
    values = values[~np.isnan(values)]
    if not values.size:
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
