"""How sure a score is: bootstrap intervals over the images of a split, alone and paired.

Efron, "Bootstrap Methods: Another Look at the Jackknife", Annals of Statistics 1979
(https://doi.org/10.1214/aos/1176344552). Scores are recomputed from summed counts for every
resample; they are never averaged over images.
"""

from typing import Any, NamedTuple

import numpy as np

from ..errors import ConfigError, choose
from .metrics import aggregate

RESAMPLES = 2000


def resample(images: int, seed: int = 0) -> np.ndarray:
    """How often each image is drawn in each resample, int64 (RESAMPLES, images).

    Drawing N of N with replacement is a multinomial count; one seed draws the same images.
    """
    return np.random.default_rng(seed).multinomial(images, np.full(images, 1 / images), RESAMPLES)


def percentile_interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """The middle `level` of resampled values (R,), NaN left out; (NaN, NaN) if nothing is left."""
    if np.isnan(values).all():
        return float("nan"), float("nan")
    low, high = np.nanquantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def bootstrap_interval(
    scores: dict[str, Any], metric: str = "miou", seed: int = 0, level: float = 0.95
) -> tuple[float, float]:
    """Percentile interval of a score over resamples of the scored images (Efron, 1979).

    `scores`: from `ScoreAccumulator.scores()`. `metric`: a mean of `METRICS`, or one class or
    category as in "iou:person". Resamples in which the class is absent are left out.
    """
    weights = resample(len(scores["images"]["names"]), seed)
    return percentile_interval(_score(scores, metric, weights), level)


class PairedDifference(NamedTuple):
    """A score's difference between two runs and its interval over resamples of the images."""

    difference: float
    low: float
    high: float


def paired_difference(
    scores_a: dict[str, Any], scores_b: dict[str, Any], metric: str = "miou", seed: int = 0,
    level: float = 0.95,
) -> PairedDifference:
    """The score of a minus that of b, with an interval from resampling both on the same images.

    Pairing removes what makes an image hard for every model, so that the interval is narrower
    than those of a and b. Raises ConfigError when the two were scored on different images.
    """
    names = scores_a["images"]["names"]
    if scores_b["images"]["names"] != names:
        raise ConfigError("the two runs were scored on different images: compare one split")
    weights = resample(len(names), seed)
    drawn = _score(scores_a, metric, weights) - _score(scores_b, metric, weights)
    difference = float(_score(scores_a, metric) - _score(scores_b, metric))
    return PairedDifference(difference, *percentile_interval(drawn, level))


def _score(scores: dict[str, Any], metric: str, weights: np.ndarray | None = None) -> np.ndarray:
    """A metric recomputed from the images, float64 () or, for resamples of them, (R,)."""
    known: dict[str, np.ndarray] = {}
    for key, values in aggregate(scores["images"], weights).items():
        if values.ndim == (0 if weights is None else 1):
            known[key] = values
        else:
            names = scores["categories" if key.startswith("category") else "classes"]
            known |= {f"{key}:{name}": values[..., i] for i, name in enumerate(names)}
    without = "" if "miiou" in known else " of a dataset without instance masks"
    return known[choose(f"metric{without}", metric, known)]
