"""Whether a network is as often right as it is sure, and what one temperature changes about it.

Guo et al., "On Calibration of Modern Neural Networks", ICML 2017
(https://arxiv.org/abs/1706.04599). Divided by a temperature, logits choose the same labels.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor
from torch.nn import functional

from seglib.evaluation.intervals import interval
from seglib.evaluation.metrics import cities_of
from seglib.labels import IGNORE_INDEX

BINS = 15  # of confidence
PIXELS = 4096  # of every scene, on which temperatures are fitted and judged
# Names of scenes, logits (N, PIXELS, C) and true classes (N, PIXELS), 255 is void, drawn from them.
Sample = tuple[list[str], Tensor, Tensor]


def reliability_counts(
    truth: np.ndarray, predicted: np.ndarray, confidence: np.ndarray, *more: np.ndarray
) -> np.ndarray:
    """Pixels of one image by confidence, float64 (BINS, 3): how many, their sum, how many right.

    `truth`, `predicted`: class indices (H, W); 255 in truth is not counted. `confidence`: float
    (H, W), the probability (0 to 1) of what is predicted. `more` (H, W) are summed up in further
    columns. Bins are of equal width and hold their upper edge.
    """
    scored = truth != IGNORE_INDEX
    right, confidence = (truth == predicted)[scored], confidence[scored].astype(np.float64)
    place = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    columns = (None, confidence, right, *(each[scored] for each in more))
    return np.stack([np.bincount(place, each, BINS) for each in columns], axis=1)


def calibration(images: np.ndarray, names: Sequence[str], block: int) -> dict[str, Any]:
    """Whether a network is as often right as it is sure, JSON-ready, from counts (N, BINS, 3).

    Keys: `bins` (from unsure to sure: `pixels`, mean `confidence` and `accuracy`), `confidence` and
    `accuracy` over all pixels, `ece` (the expected calibration error, 0 to 1) and in `low`, `high`
    its 95 % interval over resampled scenes of these `names`, or blocks of frames, which takes off
    the excess that few scenes give.
    """
    total = pd.DataFrame(images.sum(axis=0), columns=["pixels", "confidence", "accuracy"])
    bins = total.div(total["pixels"], axis=0).assign(pixels=total["pixels"].astype(int))
    whole = total.sum() / total["pixels"].sum()
    error = dict(zip(("ece", "low", "high"), _measured(calibration_error, images, names, block),
                     strict=True))
    return {"bins": bins.to_dict("records"), **whole[["confidence", "accuracy"]].to_dict(), **error}


def calibration_error(counts: np.ndarray) -> np.ndarray:
    """Mean distance of a pixel's bin between confidence and accuracy: (…, BINS, 3) to (…)."""
    pixels, confidence, right, *_ = np.moveaxis(counts, -1, 0)
    return np.abs(confidence - right).sum(axis=-1) / pixels.sum(axis=-1)


def mean_loss(counts: np.ndarray) -> np.ndarray:
    """Mean negative log-likelihood, whose sums are in a fourth column: (…, BINS, 4) to (…)."""
    return counts[..., 3].sum(axis=-1) / counts[..., 0].sum(axis=-1)


METRICS = {"ece": calibration_error, "nll": mean_loss}
SIGNS = {"before": (1, 0), "after": (0, 1), "change": (-1, 1)}


def _measured(
    metric: Callable, counts: np.ndarray, names: Sequence[str], block: int, signs: Any = 1
) -> list[float]:
    """A metric of counts (N, …, BINS, columns), summed up with `signs`, and its interval."""

    def value(weights: np.ndarray | None = None) -> np.ndarray:
        weights = np.ones(len(counts)) if weights is None else weights
        return np.dot(metric(np.tensordot(weights, counts, axes=1)), signs)

    point, low, high, _ = interval(value, tuple(names), block)
    return [point, low if np.sum(signs) == 0 else max(low, 0.0), high]


def draw(logits: Tensor, truth: np.ndarray, seed: int) -> tuple[Tensor, Tensor]:
    """Random pixels of logits (C, h, w) and a mask uint8 (H, W): (PIXELS, C) and (PIXELS,)."""
    pixels = torch.from_numpy(np.random.default_rng(seed).integers(truth.size, size=PIXELS))
    whole = functional.interpolate(logits[None].float(), truth.shape, mode="bilinear")[0]
    return whole.flatten(1)[:, pixels].T, torch.from_numpy(truth).flatten()[pixels]


def fitted_temperature(logits: Tensor, truth: Tensor) -> float:
    """The temperature, from 1/20 to 20, at which the true classes are likeliest."""
    scored = truth != IGNORE_INDEX
    logits, truth = logits[scored], truth[scored]

    def loss(logarithm: float) -> float:
        return functional.cross_entropy(logits / math.exp(logarithm), truth).item()

    limits = (-math.log(20), math.log(20))
    return math.exp(minimize_scalar(loss, bounds=limits, method="bounded").x)


def counts_at(logits: Tensor, truth: Tensor, temperatures: Sequence[float]) -> np.ndarray:
    """`reliability_counts` of every scene at its temperature, with losses (N, BINS, 4)."""
    tables = []
    for logit, true, temperature in zip(logits, truth, temperatures, strict=True):
        logs = (logit / temperature).log_softmax(1)
        confidence, predicted = logs.exp().max(1)
        loss = functional.nll_loss(logs, true, ignore_index=IGNORE_INDEX, reduction="none")
        tables.append(reliability_counts(*(x.numpy() for x in (true, predicted, confidence, loss))))
    return np.stack(tables)


def temperature_scaling(samples: Mapping[str, Sample], block: int) -> Iterator[dict[str, Any]]:
    """Calibration before and after temperature scaling, rows by `split`, `city` and `fitted_on`.

    A `temperature` is fitted on "val", whose own rows thus judge it on the same pixels, or for each
    city of test on its "other cities"; all scenes (city "") then have None. `ece` and `nll` (mean
    negative log-likelihood) have `before`, `after`, `change`: value, 95 % interval, T held fixed.
    """
    on_val = fitted_temperature(*samples["val"][1:])
    for split, (names, *pixels) in samples.items():
        everyone, cities = np.arange(len(names)), cities_of(names)
        fits = {"val": np.full(len(names), on_val)}
        if split == "test" and len(cities) > 1:
            fits["other cities"] = own = np.empty(len(names))
            for members in cities.values():
                others = np.delete(everyone, members)
                own[members] = fitted_temperature(*(part[others] for part in pixels))
        before = counts_at(*pixels, np.ones(len(names)))
        for fitted_on, temperatures in fits.items():
            both = np.stack([before, counts_at(*pixels, temperatures)], axis=1)
            for city, members in {"": everyone, **cities}.items():
                scenes = both[members], [names[i] for i in members], block
                first, *more = set(temperatures[members])
                yield {
                    "split": split, "city": city, "fitted_on": fitted_on,
                    "temperature": None if more else first,
                    **{key: {part: _measured(metric, *scenes, signs)
                             for part, signs in SIGNS.items()} for key, metric in METRICS.items()},
                }
