"""The study's networks side by side: which are compared, and how sure their differences are.

`runs` is everywhere a dict of names to records of one dataset, in the order
in which tables and figures show them.
"""

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from seglib.evaluation.intervals import PairedDifference, holm, paired_difference
from seglib.models import MODELS
from seglib.records import Record, find_record
from seglib.text import network_name

from .measurements import is_measured, measurement
from .plan import StudyRun, load_study

SEEDS = range(10)  # of which records are looked for


def compared_runs(dataset: str, split: str = "test") -> dict[str, Record]:
    """The runs of the study's plan that are compared on a dataset, by name, as far as recorded.

    These are the full run of every architecture. One without scores on `split` is left out.
    """
    scale = "gpu" if dataset == "cityscapes" else "cpu"
    planned = load_study(scale, datasets=[dataset])
    configs = [e.config for e in planned if isinstance(e, StudyRun) and e.compared]
    found = (record for config in configs if (record := find_record(config)) is not None)
    records = [r for r in found if r.packed_scores.get(split, {}).get("miou") is not None]
    records.sort(key=lambda record: [*MODELS].index(record.config.model))
    models = [record.config.model for record in records]
    named = {}
    for record in records:
        size = record.config.model_options().get("size")
        several = models.count(record.config.model) > 1 and size
        named[network_name(record.config) + (f" {size.upper()}" if several else "")] = record
    return named


def measured(runs: Mapping[str, Record], part: str) -> dict[str, dict[str, Any]]:
    """The values of a part of the `measurements` of those runs that hold it."""
    return {name: measurement(r, part) for name, r in runs.items() if is_measured(r, part)}


class Pair(NamedTuple):
    """Two runs on the same scenes, the better one first."""

    better: str
    worse: str
    difference: PairedDifference  # of the mIoU; its p-value is corrected for all pairs

    @property
    def is_significant(self) -> bool:
        """Whether so large a difference would be seen in under 5 % of cases if there were none."""
        return self.difference.p_value < 0.05


def pairs(runs: Mapping[str, Record], split: str = "test", seed: int = 0) -> list[Pair]:
    """All pairs of runs, the largest difference first; `seed` is that of the resampled scenes.

    Compared are the means over all recorded seeds; each interval holds by itself with 95 %, and the
    p-values are corrected for the number of pairs (Holm).
    """
    scores = {name: scores_of_seeds(record, split) for name, record in runs.items()}
    ranked = sorted(runs, key=lambda name: -np.mean([each["miou"] for each in scores[name]]))
    couples = list(itertools.combinations(ranked, 2))
    found = [paired_difference(scores[a], scores[b], seed=seed) for a, b in couples]
    corrected = holm([difference.p_value for difference in found])
    pairs = [Pair(*names, difference._replace(p_value=p_value))
             for names, difference, p_value in zip(couples, found, corrected, strict=True)]
    return sorted(pairs, key=lambda pair: -pair.difference.difference)


def seeds_of(record: Record) -> list[Record]:
    """A run, then all recorded ones that differ from it in the seed alone."""
    others = (find_record(dataclasses.replace(record.config, seed=seed)) for seed in SEEDS)
    return [record, *(other for other in others if other is not None and other.id != record.id)]


def scores_of_seeds(record: Record, split: str = "test") -> list[dict[str, Any]]:
    """The scores on a split of a run and of all recorded ones that differ from it in the seed."""
    return [run.scores[split] for run in seeds_of(record) if run is record or split in run.scores]


def training_minutes(record: Record) -> float:
    """Minutes of one training: the fewest of its seeds', as some ran beside other work."""
    return min(run.environment["seconds"] for run in seeds_of(record)) / 60


def largest_confusions(scores: Mapping[str, Any], count: int = 3) -> list[tuple[str, str, float]]:
    """True class, class it was taken for, and the share of all wrong pixels, largest first."""
    wrong = np.array(scores["confusion"])
    np.fill_diagonal(wrong, 0)
    names = scores["classes"]
    shares = pd.DataFrame(wrong / wrong.sum(), names, names).stack()
    largest = shares.sort_values(ascending=False, kind="stable")[:count]
    return [(true, guess, share) for (true, guess), share in largest.items()]


def retained_miou(robustness: Mapping[str, Any]) -> dict[str, float]:
    """Share of the clean mIoU that is left under each corruption, mean over its strengths."""
    clean = robustness["clean"]["miou"]
    return {
        kind: float(np.mean([level["miou"] for level in levels])) / clean
        for kind, levels in robustness["corruptions"].items()
    }


def seed_scores(dataset: str, split: str = "test") -> dict[str, list[float]]:
    """mIoU on a split of each recorded seed of the compared runs, of those that have several."""
    found = {name: [each["miou"] for each in scores_of_seeds(record, split)]
             for name, record in compared_runs(dataset, split).items()}
    return {name: scores for name, scores in found.items() if len(scores) > 1}
