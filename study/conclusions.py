"""What notebook 06 comes to, in words and numbers that are made from the records.

`runs` is everywhere a dict of datasets to runs by name, all of them measured.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from seglib.errors import RecordError
from seglib.records import Record
from seglib.text import DATASET_NAMES, listed, percent, score_text

from .beyond_scores import measurement
from .comparison import (
    cost_points,
    leaders,
    pairs,
    pareto_front,
    robustness_overview,
    seed_scores,
    transfer_overview,
)


def winners_table(runs: Mapping[str, Mapping[str, Record]], split: str = "test") -> pd.DataFrame:
    """Which run wins on each dataset, question by question, with the number that decides."""
    columns = {}
    for dataset, named in runs.items():
        (best, *close), table = leaders(named, split), _deciding_numbers(named, split)
        first, last = table.idxmax(), table.idxmin()
        transfers = transfer_overview({dataset: named}, split)
        abroad = transfers.loc[transfers["transfer"].idxmax()]
        columns[DATASET_NAMES[dataset]] = {
            "highest mIoU": f"{best}, {percent(named[best].miou(split))}",
            "not surely worse": ", ".join(close) or "none",
            "fastest": f"{last['seconds']}, {1000 * table['seconds'].min():.0f} ms",
            "least memory": f"{last['bytes']}, {table['bytes'].min() / 1e6:.0f} MB",
            "sharpest, within 1 pixel": f"{first['edge']}, {percent(table['edge'].max())}",
            "best calibrated": f"{last['ece']}, off by {percent(table['ece'].min())}",
            "toughest": f"{first['retained']}, keeps {percent(table['retained'].max(), 0)}",
            "best abroad": f"{abroad['model']}, {percent(abroad['transfer'])}",
        }
    return pd.DataFrame(columns)


def _deciding_numbers(runs: Mapping[str, Record], split: str) -> pd.DataFrame:
    """The measured numbers that decide a question, a row per run."""
    rows = {}
    for name, record in runs.items():
        cost, found = measurement(record, "cost"), measurement(record, "boundaries")[split]
        calibration = measurement(record, "calibration")[split]
        rows[name] = {
            "seconds": cost["seconds"]["median"],
            "bytes": cost["peak_bytes"],
            "edge": found["bands"][0]["miou"],
            "inside": found["inside"]["pixel_accuracy"],
            **{key: calibration[key] for key in ("ece", "confidence", "accuracy")},
        }
    table = pd.DataFrame.from_dict(rows, orient="index")
    return table.assign(retained=robustness_overview(runs)["mean"])


def findings(runs: Mapping[str, Mapping[str, Record]], split: str = "test") -> list[str]:
    """What the comparison shows, one paragraph per question, every number from the records.

    Raises `RecordError` if there is nothing to compare, or a run is not measured.
    """
    if not any(runs.values()):
        raise RecordError("no run of the study's plan is recorded with test scores: seglib study")
    told = [_told_of(dataset, named, split) for dataset, named in runs.items()]
    return [*(" ".join(topic) for topic in zip(*told, strict=True)), _told_of_seeds(runs)]


def _told_of(dataset: str, runs: Mapping[str, Record], split: str) -> list[str]:
    """Of one dataset: scores, costs, boundaries, calibration, robustness and transfer."""
    title, table = DATASET_NAMES[dataset], _deciding_numbers(runs, split)
    best, *close = leaders(runs, split)
    lead = f"On {title}, {best} scores highest: {score_text(runs[best].scores[split])} mIoU"
    if len(runs) > 1:
        found = pairs(runs, split)
        lead += f", but not surely above {listed(close)}. " if close else ", surely above all. "
        lead += f"Of {len(found)} pairs, {sum(pair.is_real for pair in found)} differ by more than "
        lead += "the choice of scenes explains."
    else:
        lead += "; no other network is recorded."
    points = cost_points(runs, "seconds", split)
    front = [
        f"{name} ({1000 * points[name][0]:.0f} ms, {percent(points[name][1])})"
        for name in pareto_front(points)
    ]
    first, last = table["ece"].idxmin(), table["ece"].idxmax()
    robust = robustness_overview(runs)
    kinds = robust.drop(columns="mean").mean()
    transfers = transfer_overview({dataset: runs}, split)
    winners = [
        rows.loc[rows["transfer"].idxmax()]
        for _, rows in transfers.groupby("scored on", sort=False)
    ]
    return [
        lead,
        f"On {title}, the best mIoU for its time on a CPU: {listed(front)}.",
        f"On {title}, no network has more than {percent(table['edge'].max())} mIoU within one "
        f"pixel of a boundary ({table['edge'].idxmax()}); further than 16 pixels from any, up to "
        f"{percent(table['inside'].max())} of the pixels are right.",
        f"On {title}, {first} knows best how sure it may be, off by "
        f"{percent(table['ece'].min())} on average, {last} worst, by "
        f"{percent(table['ece'].max())}; {(table['confidence'] < table['accuracy']).sum()} of "
        f"{len(table)} are less sure than they are right.",
        f"On bad photographs of {title}, {robust['mean'].idxmax()} keeps most of its mIoU, "
        f"{percent(robust['mean'].max(), 0)}; over all networks, {kinds.idxmin()} takes most and "
        f"leaves {percent(kinds.min(), 0)}."
        + "".join(
            f" On {DATASET_NAMES[row['scored on']]}, without training there, the best is "
            f"{row['model']} with {percent(row['transfer'])} instead of {percent(row['home'])} at "
            "home."
            for row in winners
        ),
    ]


def _told_of_seeds(runs: Mapping[str, Mapping[str, Record]]) -> str:
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
    widest = max(spreads, key=lambda name: np.ptp(spreads[name]))
    low, high = 100 * min(spreads[widest]), 100 * max(spreads[widest])
    return (
        "What the intervals leave out: they resample the scenes, not the training. Over "
        f"{len(spreads[widest])} seeds, the val mIoU of {widest} goes from {low:.1f} to "
        f"{high:.1f} %, the widest range of all."
    )
