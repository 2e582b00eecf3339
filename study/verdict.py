"""The verdict of the comparison in words: generated, so that it is true of the records."""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from seglib.errors import RecordError
from seglib.records import Record
from seglib.text import DATASET_NAMES, percent, score_text

from .comparison import (
    cost_points,
    front,
    generalisation_overview,
    leaders,
    measured,
    pairs,
    robustness_overview,
    seed_scores,
)


def verdict_table(runs: Mapping[str, Mapping[str, Record]], split: str = "test") -> pd.DataFrame:
    """Which run wins on each dataset, question by question, as text with the number that decides.

    `runs`: runs by dataset. A dataset without the measurement has an empty cell.
    """
    return pd.DataFrame(
        {DATASET_NAMES[dataset]: dict(_winners(named, split)) for dataset, named in runs.items()}
    ).fillna("")


def _winners(runs: Mapping[str, Record], split: str) -> Iterable[tuple[str, str]]:
    best = leaders(runs, split)[0]
    yield "highest mIoU", f"{best}, {percent(runs[best].miou(split))}"
    yield "not surely worse", ", ".join(leaders(runs, split)[1:]) or "none"
    if costs := measured(runs, "cost"):
        fast = min(costs, key=lambda name: costs[name]["seconds"]["median"])
        yield "fastest", f"{fast}, {1000 * costs[fast]['seconds']['median']:.0f} ms"
        small = min(costs, key=lambda name: costs[name]["peak_bytes"])
        yield "least memory", f"{small}, {costs[small]['peak_bytes'] / 1e6:.0f} MB"
    if bands := measured(runs, "boundaries"):
        sharp = max(bands, key=lambda name: bands[name][split]["bands"][0]["miou"])
        score = bands[sharp][split]["bands"][0]["miou"]
        yield "sharpest, within 1 pixel", f"{sharp}, {percent(score)}"
    if found := measured(runs, "calibration"):
        sure = min(found, key=lambda name: found[name][split]["ece"])
        yield "best calibrated", f"{sure}, off by {percent(found[sure][split]['ece'])}"
    table = robustness_overview(runs)
    if len(table):
        kept = percent(table["mean"].max(), 0)
        yield "toughest", f"{table['mean'].idxmax()}, keeps {kept}"
    table = generalisation_overview({runs[best].config.dataset: runs}, split)
    if len(table):
        row = table.loc[table["abroad"].idxmax()]
        yield "best abroad", f"{row['model']}, {percent(row['abroad'])}"


def findings(runs: Mapping[str, Mapping[str, Record]], split: str = "test") -> list[str]:
    """What the comparison shows, one paragraph per question, every number from the records.

    `runs`: runs by dataset. Raises `RecordError` if there is nothing to compare.
    """
    if not any(runs.values()):
        raise RecordError("no run of the study's plan is recorded with test scores: seglib study")
    topics = (_scores_found, _costs_found, _edges_found, _certainty_found, _reach_found)
    told = [[line for d, named in runs.items() for line in topic(d, named, split)]
            for topic in topics]  # fmt: skip
    return [*(" ".join(lines) for lines in told if lines), _chance_found(runs)]


def _scores_found(dataset: str, runs: Mapping[str, Record], split: str) -> Iterable[str]:
    best, *close = leaders(runs, split)
    lead = f"On {DATASET_NAMES[dataset]}, {best} scores highest: "
    lead += f"{score_text(runs[best].scores[split])} mIoU"
    if len(runs) == 1:
        yield f"{lead}; no other network is recorded."
        return
    yield f"{lead}, " + (f"but not surely above {_and(close)}." if close else "surely above all.")
    compared = pairs(runs, split)
    real = sum(pair.is_real for pair in compared)
    if len(compared) > 1:
        yield f"Of {len(compared)} pairs, {real} differ by more than the choice of scenes explains."


def _costs_found(dataset: str, runs: Mapping[str, Record], split: str) -> Iterable[str]:
    points = cost_points(runs, "seconds", split)
    if points:
        best = [
            f"{name} ({1000 * points[name][0]:.0f} ms, {percent(points[name][1])})"
            for name in front(points)
        ]
        yield f"On {DATASET_NAMES[dataset]}, the best mIoU for its time on a CPU: {_and(best)}."


def _edges_found(dataset: str, runs: Mapping[str, Record], split: str) -> Iterable[str]:
    if found := measured(runs, "boundaries"):
        sharp = max(found, key=lambda name: found[name][split]["bands"][0]["miou"])
        edge = found[sharp][split]["bands"][0]["miou"]
        inside = max(each[split]["inside"]["pixel_accuracy"] for each in found.values())
        yield (
            f"On {DATASET_NAMES[dataset]}, no network has more than {percent(edge)} mIoU within "
            f"one pixel of a boundary ({sharp}); further than 16 pixels from any, up to "
            f"{percent(inside)} of the pixels are right."
        )


def _certainty_found(dataset: str, runs: Mapping[str, Record], split: str) -> Iterable[str]:
    if found := measured(runs, "calibration"):
        order = sorted(found, key=lambda name: found[name][split]["ece"])
        modest = sum(each[split]["confidence"] < each[split]["accuracy"] for each in found.values())
        first, last = order[0], order[-1]
        worst = f", {last} worst, by {percent(found[last][split]['ece'])}" if last != first else ""
        yield (
            f"On {DATASET_NAMES[dataset]}, {first} knows best how sure it may be, off by "
            f"{percent(found[first][split]['ece'])} on average{worst}; {modest} of {len(found)} "
            "are less sure than they are right."
        )


def _reach_found(dataset: str, runs: Mapping[str, Record], split: str) -> Iterable[str]:
    table = robustness_overview(runs)
    if len(table):
        tough, kinds = table["mean"].idxmax(), table.drop(columns="mean").mean()
        yield (
            f"On bad photographs of {DATASET_NAMES[dataset]}, {tough} keeps most of its mIoU, "
            f"{percent(table['mean'].max(), 0)}; over all networks, {kinds.idxmin()} takes most "
            f"and leaves {percent(kinds.min(), 0)}."
        )
    table = generalisation_overview({dataset: runs}, split)
    for other, rows in table.groupby("scored on", sort=False):
        row = rows.loc[rows["abroad"].idxmax()]
        yield (
            f"On {DATASET_NAMES[other]}, without training there, the best is {row['model']} with "
            f"{percent(row['abroad'])} instead of {percent(row['home'])} at home."
        )


def _chance_found(runs: Mapping[str, Mapping[str, Record]]) -> str:
    spreads = {
        f"{name} on {DATASET_NAMES[dataset]}": scores
        for dataset in runs
        for name, scores in seed_scores(dataset).items()
    }
    if not spreads:
        return (
            "What the intervals leave out: they resample the scenes. Each network was trained "
            "once, so how far another seed would move these numbers is not in them."
        )
    widest = max(spreads, key=lambda name: max(spreads[name]) - min(spreads[name]))
    low, high = 100 * min(spreads[widest]), 100 * max(spreads[widest])
    return (
        "What the intervals leave out: they resample the scenes, not the training. Over "
        f"{len(spreads[widest])} seeds, the val mIoU of {widest} goes from {low:.1f} to "
        f"{high:.1f} %, the widest range of all."
    )


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
