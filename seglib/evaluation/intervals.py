"""How sure a score is: bootstrap intervals over scenes and seeds, alone and paired, and families.

Scores are recomputed from summed counts for every resample; they are never averaged over images.
What is resampled is what is independent: scenes, or where neighbouring frames of a drive resemble
each other blocks of them (Künsch, Annals of Statistics 1989; around the end of the drive, so that
every frame counts the same: Politis and Romano 1992). Where there are runs of several seeds, the
variance of their mean is added; three are too few to be drawn from themselves. A single run beside
several is taken to scatter as they do; of two single runs nothing is known but the scenes.

Intervals are basic ones of 95 % (Davison and Hinkley, "Bootstrap Methods and their Application",
1997, section 5.2): the scores of resamples are shifted, and percentile intervals with them. Three
corrections make them hold for few blocks and few seeds: deviations are scaled by √(k / (k − D)) for
k blocks in D drives, by the variance that blocks of this length miss (found by halving them), and
by Student's t with the degrees of freedom of Welch and Satterthwaite.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from ..errors import ConfigError, choose
from .metrics import aggregate, cities_of

RESAMPLES = 2000
Scores = Mapping[str, Any]  # of one split, as `ScoreAccumulator.scores()` makes them


class PairedDifference(NamedTuple):
    """A difference between scores, its interval, and the p-value of there being none."""

    difference: float
    low: float
    high: float
    p_value: float


@lru_cache(maxsize=8)
def resample(names: tuple[str, ...], block: int = 1, seed: int = 0) -> np.ndarray:
    """How often each scene is drawn in each resample, float64 (RESAMPLES, N); read-only.

    `names`: of the scenes, sorted, `{city}_{sequence}_{frame}`. `block` 1 draws N scenes of N with
    replacement; more draws runs of so many neighbours within each city, as often as fill it.
    """
    generator, count = np.random.default_rng(seed), len(names)
    if block == 1:
        weights = generator.multinomial(count, np.full(count, 1 / count), RESAMPLES)
    else:
        weights, rows = np.zeros((RESAMPLES, count), np.int64), np.arange(RESAMPLES)[:, None]
        for members in cities_of(names).values():
            own = len(members)
            size = min(block, own)
            starts = generator.integers(own, size=(RESAMPLES, -(-own // size), 1))
            drawn = (starts + np.arange(size)).reshape(RESAMPLES, -1)[:, :own] % own
            np.add.at(weights, (rows, members[drawn]), 1)
    weights = weights.astype(np.float64)  # once, not for every sum
    weights.flags.writeable = False
    return weights


def bootstrap_interval(
    scores: Scores | Sequence[Scores], metric: str = "miou", *, block: int | None = None
) -> tuple[float, float]:
    """95 % interval of a score, or of its mean over runs of several seeds; 0 to 1, or NaN.

    `scores`: of one run, or of several on the same split. `metric`: a mean of `METRICS`, or one
    class or category as in "iou:person". `block`: length of the blocks (None: the dataset's).
    """
    found = _of_groups([as_runs(scores)], metric, block, 0)
    return tuple(np.clip([found.low, found.high], 0, 1).tolist())


def paired_difference(
    scores_a: Scores | Sequence[Scores], scores_b: Scores | Sequence[Scores], metric: str = "miou",
    *, block: int | None = None, seed: int = 0,
) -> PairedDifference:
    """The score of a minus that of b, with an interval from resampling both on the same scenes.

    Each is of one run, or of several seeds, whose means are compared; the interval then is over
    seeds and scenes together. Pairing removes what makes a scene hard for every network, so that it
    is narrower than those of a and b. ConfigError when they were scored on different scenes.
    """
    return _of_groups([as_runs(scores_a), as_runs(scores_b)], metric, block, seed)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values of a family, corrected for their number (Holm, Scand. J. Statistics 1979)."""
    values = np.asarray(p_values, dtype=float)
    order, left = np.argsort(values), np.arange(len(values), 0, -1)
    corrected = np.empty_like(values)
    corrected[order] = np.maximum.accumulate(left * values[order]).clip(max=1)
    return corrected.tolist()


def _of_groups(
    groups: list[Sequence[Scores]], metric: str, block: int | None, seed: int
) -> PairedDifference:
    """Mean of the first group's runs, minus that of the second if there is one, and how sure."""
    every = [(tuple(run.get("images", {}).get("names", ())), run.get("data"))
             for runs in groups for run in runs]
    if not all(names for names, _ in every):
        raise ConfigError("scores without counts per image, as a sweep's are, have no intervals")
    if len({*every}) > 1:
        raise ConfigError("the runs were scored on different images or masks: compare one split")

    def value(weights: np.ndarray | None = None) -> np.ndarray:
        means = [np.mean([_score(run, metric, weights) for run in runs], axis=0) for runs in groups]
        return means[0] - (means[1] if len(groups) == 2 else 0)

    several = [runs for runs in groups if len(runs) > 1]
    shares = [1 / len(runs) for runs in several]
    if len(several) < len(groups):  # another seed of a single run would scatter as the others do
        shares = [sum(1 / len(runs) for runs in groups)] * len(several)
    seeds = [(share * np.var([_score(run, metric) for run in runs], ddof=1), len(runs) - 1)
             for runs, share in zip(several, shares, strict=True)]
    return interval(value, every[0][0], block or groups[0][0].get("block", 1), seeds, seed)


def interval(
    value: Callable[..., np.ndarray], names: tuple[str, ...], block: int,
    seeds: Sequence[tuple[float, int]] = (), seed: int = 0,
) -> PairedDifference:
    """Any value of scenes: `value()` is the measured one, `value(weights)` those of resamples (R,).

    `names`, `block`, `weights`: of the scenes, as in `resample`. `seeds`: the variance of the mean
    over seeds and its degrees of freedom, of each group of runs that the value is of.
    """
    point, drawn = float(value()), value(resample(names, block, seed))
    cities = [len(members) for members in cities_of(names).values()] if block > 1 else [len(names)]
    blocks = sum(own / min(block, own) for own in cities)
    freedom = blocks - len(cities)  # each city's blocks, or all scenes, vary around their mean
    if np.isnan(drawn).all() or freedom <= 0:
        return PairedDifference(point, *[float("nan")] * 3)
    scale = blocks / freedom  # resamples of few blocks vary too little
    if block > 3 and (variance := np.nanvar(drawn)):
        # Blocks this short lack about as much variance as halving them takes away.
        halved = np.nanvar(value(resample(names, block // 2, seed)))
        scale *= max(1.0, 2 - halved / variance)
    centre = 2 * point - np.nanmean(drawn)  # without the bias that resamples show
    deviation = (drawn - np.nanmean(drawn)) * scale**0.5
    parts = [(np.nanvar(deviation), freedom)]
    if seeds:  # added and taken away: b - a then has the interval of a - b
        noise = np.random.default_rng(seed).normal(0, sum(v for v, _ in seeds) ** 0.5, RESAMPLES)
        deviation = np.concatenate([deviation + noise, deviation - noise])
    parts += seeds
    total = sum(variance for variance, _ in parts)
    if not total:
        return PairedDifference(point, point, point, 1.0 if point == 0 else 0.0)
    student = stats.t(total**2 / sum(variance**2 / own for variance, own in parts))
    deviation *= student.isf(0.025) / stats.norm.isf(0.025)
    low, high = np.nanquantile(deviation, [0.025, 0.975])
    p_value = 2 * student.sf(abs(centre) / total**0.5)
    return PairedDifference(point, float(centre - high), float(centre - low), float(p_value))


def as_runs(scores: Scores | Sequence[Scores]) -> Sequence[Scores]:
    """The scores of one run or of several, as several."""
    return [scores] if isinstance(scores, Mapping) else scores


def _score(scores: Scores, metric: str, weights: np.ndarray | None = None) -> np.ndarray:
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
