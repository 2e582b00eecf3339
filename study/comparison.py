"""The study's networks side by side: what notebook 06 computes, all of it from records.

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
from seglib.text import DATASET_NAMES, network_name, score_text

from .beyond_scores import is_measured, measurement
from .plan import Entry, StudyRun, load_study

SEEDS = range(10)  # of which records are looked for


def compared_runs(dataset: str, split: str = "test") -> dict[str, Record]:
    """The runs of the study's plan that are compared on a dataset, by name, as far as recorded.

    These are the full run of every architecture, then those that started from another run's
    weights. A run without scores on `split` is left out.
    """
    configs = [e.config for e in _planned(dataset) if isinstance(e, StudyRun) and e.compared]
    records = [r for r in map(find_record, configs) if r is not None and split in r.scores]
    order = list(MODELS)
    records.sort(key=lambda r: (r.config.start_dataset != "", order.index(r.config.model)))
    models = [record.config.model for record in records if not record.config.start_dataset]
    named = {}
    for record in records:
        config, start = record.config, record.config.start_dataset
        several = models.count(config.model) > 1 and config.size
        name = network_name(config) + (f" {config.size.upper()}" if several else "")
        named[f"{name}, from {DATASET_NAMES[start]}" if start else name] = record
    return named


def _planned(dataset: str, *groups: str) -> list[Entry]:
    """What the study's plan has of a dataset, at the scale at which it is trained."""
    scale = "gpu" if dataset == "cityscapes" else "cpu"
    return load_study(scale, datasets=[dataset], groups=groups)


def measured(runs: Mapping[str, Record], part: str) -> dict[str, dict[str, Any]]:
    """The values of a part of the `measurements` of those runs that hold it."""
    return {name: measurement(r, part) for name, r in runs.items() if is_measured(r, part)}


def score_overview(runs: Mapping[str, Record], split: str = "test") -> pd.DataFrame:
    """Scores of a split with their 95 % intervals as text, a row per run."""
    titles = dict(
        miou="mIoU", miiou="iIoU", category_miou="category IoU", pixel_accuracy="pixel accuracy"
    )
    rows = {}
    for name, record in runs.items():
        scores = record.scores[split]
        rows[name] = ["n/a" if scores[m] is None else score_text(scores, m) for m in titles]
    return pd.DataFrame.from_dict(rows, orient="index", columns=titles.values())


def cost_overview(runs: Mapping[str, Record]) -> pd.DataFrame:
    """What the measured runs cost for one image of their size, as text, a row per run.

    On one thread of a CPU; the time is the median and, in brackets, the quartiles.
    """
    rows = {}
    for name, cost in measured(runs, "cost").items():
        low, median, high = (1000 * cost["seconds"][key] for key in ("low", "median", "high"))
        rows[name] = {
            "input": "×".join(map(str, cost["image_size"])),
            "parameters (M)": f"{cost['parameters'] / 1e6:.2f}",
            "multiply-adds (G)": f"{cost['multiply_adds'] / 1e9:.2f}",
            "CPU (ms)": f"{median:.0f} ({low:.0f} to {high:.0f})",
            "memory (MB)": f"{cost['peak_bytes'] / 1e6:.0f}",
            "training (min)": f"{runs[name].environment['seconds'] / 60:.0f}",
        }
    return pd.DataFrame.from_dict(rows, orient="index")


class Pair(NamedTuple):
    """Two runs on the same scenes, the better one first."""

    better: str
    worse: str
    difference: PairedDifference  # of the mIoU; its p-value is corrected for all pairs

    @property
    def is_real(self) -> bool:
        """Whether so large a difference would be seen in under 5 % of cases if there were none."""
        return self.difference.p_value < 0.05

    def sentence(self) -> str:
        """What this pair shows, in words."""
        value, low, high = (100 * part for part in self.difference[:3])
        gap = f"{value:.1f} points ({low:+.1f} to {high:+.1f})"
        if self.is_real:
            return f"{self.better} is better than {self.worse} by {gap}."
        return f"{self.better} and {self.worse} cannot be told apart: {gap}."


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


def scores_of_seeds(record: Record, split: str = "test") -> list[dict[str, Any]]:
    """The scores on a split of a run and of all recorded ones that differ from it in the seed."""
    configs = [dataclasses.replace(record.config, seed=seed) for seed in SEEDS]
    others = [found for config in configs if (found := find_record(config)) is not None]
    return [record.scores[split]] + [other.scores[split] for other in others
                                     if other.id != record.id and split in other.scores]


def largest_confusions(scores: Mapping[str, Any], count: int = 3) -> list[tuple[str, str, float]]:
    """True class, class it was taken for, and the share of all wrong pixels, largest first."""
    wrong = np.array(scores["confusion"])
    np.fill_diagonal(wrong, 0)
    names = scores["classes"]
    shares = pd.DataFrame(wrong / wrong.sum(), names, names).stack()
    largest = shares.sort_values(ascending=False, kind="stable")[:count]
    return [(true, guess, share) for (true, guess), share in largest.items()]


def pareto_front(points: Mapping[str, tuple[float, float]]) -> list[str]:
    """Names by rising cost whose (cost, score) no other one beats at no more cost."""

    def is_beaten(point: tuple[float, float]) -> bool:
        return any(c <= point[0] and s >= point[1] and (c, s) != point for c, s in points.values())

    return sorted((name for name in points if not is_beaten(points[name])), key=points.get)


def cost_points(
    runs: Mapping[str, Record], cost: str = "seconds", split: str = "test"
) -> dict[str, tuple[float, float]]:
    """(cost, mIoU) of the measured runs; `cost`: seconds, peak_bytes, parameters, multiply_adds."""
    points = {}
    for name, values in measured(runs, "cost").items():
        value = values[cost]["median"] if cost == "seconds" else values[cost]
        points[name] = (float(value), runs[name].miou(split))
    return points


def retained_miou(robustness: Mapping[str, Any]) -> dict[str, float]:
    """Share of the clean mIoU that is left under each corruption, mean over its strengths."""
    clean = robustness["clean"]["miou"]
    return {
        kind: float(np.mean([level["miou"] for level in levels])) / clean
        for kind, levels in robustness["corruptions"].items()
    }


def robustness_overview(runs: Mapping[str, Record]) -> pd.DataFrame:
    """The retained mIoU of the measured runs, a column per corruption and for the mean."""
    rows = {name: retained_miou(found) for name, found in measured(runs, "robustness").items()}
    table = pd.DataFrame.from_dict(rows, orient="index")
    return table.assign(mean=table.mean(axis=1))


def transfer_overview(
    runs: Mapping[str, Mapping[str, Record]], split: str = "test"
) -> pd.DataFrame:
    """mIoU over the shared classes at home and elsewhere, a row per run and other dataset.

    `runs`: by dataset and name. Columns `trained on`, `model`, `scored on`, `home`, `transfer`
    (shares of 1) and `retained` (transfer over home).
    """
    rows = []
    for dataset, named in runs.items():
        for name, found in measured(named, "generalisation").items():
            # A run that started from another dataset's weights is no stranger there.
            known = ("made_by", runs[dataset][name].config.start_dataset)
            for other in (key for key in found if key not in known):
                home, there = (found[other][where][split]["miou"] for where in ("home", "abroad"))
                rows.append((dataset, name, other, home, there, there / home))
    columns = ["trained on", "model", "scored on", "home", "transfer", "retained"]
    return pd.DataFrame(rows, columns=columns)


def seed_scores(dataset: str) -> dict[str, list[float]]:
    """Val mIoU of every architecture's full run with each recorded seed, if there are several."""
    found: dict[str, list[float]] = {}
    for entry in _planned(dataset, "seeds"):
        if (record := find_record(entry.config)) is not None:
            found.setdefault(network_name(entry.config), []).append(record.miou())
    return {name: scores for name, scores in found.items() if len(scores) > 1}


def scene_accuracies(runs: Mapping[str, Record], split: str = "test") -> pd.DataFrame:
    """Share of right pixels by scene (rows) and run (columns), from the records' counts."""
    columns = {}
    for name, record in runs.items():
        images = record.scores[split]["images"]
        right, missed = (np.sum(images[key], axis=1) for key in ("tp", "fn"))
        columns[name] = pd.Series(right / (right + missed), images["names"])
    return pd.DataFrame(columns)
