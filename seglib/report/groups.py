"""What groups of runs say as a whole: seeds, learning rates, single factors, ablations, sweeps.

Each answers a quantity of the report with its text and its value:

    generated/seeds/pooled              how far the seed moves a score
    generated/rates/right               the architectures whose rate is the best of those tried
    generated/factors/told:masks=coarse what a change does, as the predicate of a sentence
    street/sweeps/winner:unet           the settings that a sweep chose
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import cache
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..effects import importance, pooled_deviation, rung_agreement
from ..errors import RecordError
from ..intervals import bootstrap_interval
from ..records import Record, find_record
from ..reporting import MODEL_NAMES
from ..study import one_factor_summary, one_factor_table
from ..study_plan import Entry
from ..sweep import SweepPlan, sweep_table, winner
from . import latex
from .parts import GROUPS
from .runs import ARTICLES, Runs

if TYPE_CHECKING:
    from .numbers import Numbers

Answer = tuple[str, float | None]


def entries_of(part: str, runs: Runs) -> list[Entry]:
    """The entries of a part's group; `RecordError` while one of them is not recorded."""
    if missing := runs.lacking(part):
        raise RecordError(f"part {part!r} is not complete: {missing[0]} has no record")
    return runs.group(*GROUPS[part])


# --- seeds ---------------------------------------------------------------------------------------


@cache
def seed_records(runs: Runs) -> dict[str, list[Record]]:
    """The records of every architecture's seeds, in the order of the plan."""
    found: dict[str, list[Record]] = {model: [] for model in MODEL_NAMES}
    for entry in entries_of("seeds", runs):
        found[entry.config.model].append(find_record(entry.config))
    return {model: records for model, records in found.items() if records}


def seed_scores(runs: Runs) -> dict[str, list[float]]:
    """Val mIoU of every architecture by seed, shares of 1."""
    return {model: [r.miou() for r in records] for model, records in seed_records(runs).items()}


def seeds(numbers: Numbers, quantity: str) -> Answer:
    """count, pooled, swing, reach, widest(-range); of pairs of architectures the number
    (pairs), how many have scores that lie apart (apart), and which do not (overlapping)."""
    scores = seed_scores(numbers.runs)
    pairs = list(itertools.combinations(scores, 2))
    touching = [
        (a, b)
        for a, b in pairs
        if max(min(scores[a]), min(scores[b])) <= min(max(scores[a]), max(scores[b]))
    ]
    wide = {name: max(values) - min(values) for name, values in scores.items()}
    widest = max(wide, key=wide.__getitem__)
    if quantity == "count":
        return _count(min(len(values) for values in scores.values()))
    if quantity == "pairs":
        return _count(len(pairs))
    if quantity == "apart":
        return _count(len(pairs) - len(touching))
    if quantity == "overlapping":
        return latex.listed([f"{ARTICLES[a]} with {ARTICLES[b]}" for a, b in touching]), None
    if quantity in ("pooled", "swing"):
        deviation = pooled_deviation(scores.values())
        # The swing holds 95 % of the runs to either side of the mean, as `reach` 95 % of resamples.
        return _points(deviation * (NormalDist().inv_cdf(0.975) if quantity == "swing" else 1))
    if quantity == "reach":  # of the interval over images, to either side
        spans = [bootstrap_interval(records[0].scores["val"])
                 for records in seed_records(numbers.runs).values()]  # fmt: skip
        return _points(float(np.mean([(high - low) / 2 for low, high in spans])))
    if quantity == "widest":
        return ARTICLES[widest], None
    if quantity == "widest-range":
        return _points(wide[widest])
    raise KeyError(quantity)


# --- one factor at a time, learning rates among them ----------------------------------------------


@cache
def factor_tables(runs: Runs, part: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Runs and their means over the seeds, as `study.one_factor_table` and `…_summary` have them.

    The summary has one more column, `is_base`: whether the level is the unchanged run.
    """
    table = one_factor_table(entries_of(part, runs))
    summary = one_factor_summary(table)
    keys = ["model", "factor", "level"]
    unchanged = table.groupby(keys)["is_base"].first()
    summary["is_base"] = [bool(unchanged[tuple(row)]) for row in summary[keys].to_numpy()]
    return table, summary


def factors(numbers: Numbers, quantity: str) -> Answer:
    """count, seeds, better(-count), worse(-count), best, worst; told:FACTOR=LEVEL."""
    _, summary = factor_tables(numbers.runs, "factors")
    changed = summary[~summary["is_base"]]
    better, worse = changed[changed["low"] > 0], changed[changed["high"] < 0]
    kind, _, what = quantity.partition(":")
    if kind == "count":
        return _count(len(changed))
    if kind == "seeds":
        return _count(int(summary["seeds"].min()))
    if kind in ("better-count", "worse-count"):
        return _count(len(better if kind == "better-count" else worse))
    if kind in ("better", "worse"):
        part = better if kind == "better" else worse
        order = part.reindex(part["gain"].abs().sort_values(ascending=False, kind="stable").index)
        return latex.listed([_change(row) for row in order.itertuples()]), None
    if kind in ("best", "worst"):
        gains = changed["gain"]
        row = changed.loc[gains.idxmax() if kind == "best" else gains.idxmin()]
        return f"{_change(row)} ({_gain(row)})", 100 * float(row["gain"])
    if kind == "told":
        factor, _, level = what.partition("=")
        row = changed[(changed["factor"] == factor) & (changed["level"] == level)].iloc[0]
        return _told(row), 100 * float(row["gain"])
    raise KeyError(quantity)


def _change(row: pd.Series) -> str:
    return latex.escape(f"{row.factor} {row.level}")


def _gain(row: pd.Series) -> str:
    text = rf"{latex.number(row['gain'], 1, 100, sign=True)}~points"
    if math.isnan(row["low"]):  # of a single seed
        return text
    return f"{text}, {latex.span(row['low'], row['high'], True)}"


def _told(row: pd.Series) -> str:
    size = f"{latex.number(abs(row['gain']), 1, 100)}~points"
    if row["low"] > 0:
        return f"raises the score by {size} ({latex.span(row['low'], row['high'])})"
    if row["high"] < 0:
        return f"lowers the score by {size} ({latex.span(-row['high'], -row['low'])})"
    return f"makes no difference that the seeds would not make, too ({_gain(row)})"


def rates(numbers: Numbers, quantity: str) -> Answer:
    """models, right(-count); furthest(-gap): the one that another rate would have helped most."""
    _, summary = factor_tables(numbers.runs, "rates")
    by_model = summary.groupby("model", sort=False)
    tables = {model: rows.set_index("level") for model, rows in by_model}
    chosen = {model: rows["is_base"].idxmax() for model, rows in tables.items()}
    gaps = {m: rows["miou"].max() - rows["miou"][chosen[m]] for m, rows in tables.items()}
    right = [model for model in MODEL_NAMES if model in gaps and gaps[model] == 0]
    furthest = max(gaps, key=gaps.__getitem__)
    if quantity == "models":
        return _count(len(tables))
    if quantity == "right":
        return latex.listed([ARTICLES[model] for model in right]), None
    if quantity == "right-count":
        return _count(len(right))
    if quantity == "furthest":
        return ARTICLES[furthest], None
    if quantity == "furthest-gap":
        return _points(gaps[furthest])
    raise KeyError(quantity)


# --- ablations -----------------------------------------------------------------------------------


def ablations(numbers: Numbers, quantity: str) -> Answer:
    """count:MODEL, worse-count:MODEL of the parts that were taken away; lost:MODEL=LABEL, the three
    classes that lose most, loss:MODEL=LABEL=CLASS."""
    kind, _, what = quantity.partition(":")
    model, _, label = what.partition("=")
    names = numbers.runs.ablations(model)
    reference = f"generated/{model}:reference"
    if kind == "count":
        return _count(len(names) - 1)
    if kind == "worse-count":
        others = [name for name in names.values() if name != reference]
        return _count(sum(numbers.verdict(name, reference, "val/miou") == 0 for name in others))
    label, _, class_name = label.partition("=")
    before, after = (numbers.scores(name, "val") for name in (reference, names[label]))
    pairs = zip(before["classes"], before["iou"], after["iou"], strict=True)
    losses = {name: old - new for name, old, new in pairs if None not in (old, new)}
    if kind == "loss":
        return _points(losses[class_name])
    if kind == "lost":
        most = sorted(losses, key=losses.__getitem__, reverse=True)[:3]
        return latex.listed([f"{latex.escape(n)} ({_points(losses[n])[0]})" for n in most]), None
    raise KeyError(quantity)


# --- sweeps --------------------------------------------------------------------------------------


@cache
def sweep_plans(runs: Runs) -> dict[str, SweepPlan]:
    """The finished sweeps by architecture."""
    return {entry.config.model: entry.plan for entry in entries_of("sweeps", runs)}


@cache
def sweep_rows(runs: Runs, model: str) -> pd.DataFrame:
    """The `sweep.sweep_table` of an architecture's sweep."""
    return sweep_table(sweep_plans(runs)[model])


def sweeps(numbers: Numbers, quantity: str) -> Answer:
    """names, candidates; work:MODEL, winner:MODEL, score:MODEL, place:MODEL, agreement:MODEL,
    matters:MODEL (all parts beyond chance), first:MODEL (the part with the largest share)."""
    runs = numbers.runs
    plans = sweep_plans(runs)
    kind, _, model = quantity.partition(":")
    if kind == "names":
        return latex.listed([ARTICLES[model] for model in plans]), None
    if kind == "candidates":
        return _count(next(iter(plans.values())).count)
    plan, table = plans[model], sweep_rows(runs, model)
    if kind == "work":
        total = numbers.facts("street")["scenes"]["train"]
        share = plan.image_passes(total) / (plan.base.epochs * plan.count * total)
        return latex.percent(share, 0), 100 * share
    final = table[table["rung"] == len(plan.rungs)].sort_values("rank")
    if kind == "winner":
        return latex.settings(winner(plan)), None
    if kind == "score":
        return latex.percent(final["score"].iloc[0]), 100 * float(final["score"].iloc[0])
    if kind == "place":  # of the winner on the first rung
        start = table[(table["rung"] == 1) & (table["candidate"] == final["candidate"].iloc[0])]
        return _count(int(start["rank"].iloc[0]))
    if kind == "agreement":  # of the ranks on the first rung and the second
        value = float(rung_agreement(table)["correlation"].iloc[0])
        return latex.number(value, 2), value
    shares = importance(table, list(plan.grid))
    shares = shares[shares["part"] != "rest"].sort_values("share", ascending=False)
    real = shares[shares["share"] > shares["by_chance"]]
    if kind in ("matters", "first"):
        words = [
            f"{latex.field(row.part)} ({latex.percent(row.share, 0)} of the variance)"
            for row in (real if kind == "matters" else shares[:1]).itertuples()
        ]
        return latex.listed(words) if words else "nothing", None
    raise KeyError(quantity)


def _count(number: int) -> Answer:
    return latex.counted(number), number


def _points(share: float) -> Answer:
    return f"{latex.number(share, 1, 100)}~points", 100 * float(share)


QUANTITIES: dict[str, Callable[[Numbers, str], Answer]] = {
    "ablations": ablations,
    "seeds": seeds,
    "rates": rates,
    "factors": factors,
    "sweeps": sweeps,
}
