"""A hyper-parameter search: its rungs as they went, effects of settings, single factors, seeds."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from seglib.evaluation.intervals import holm
from seglib.plots import style
from seglib.text import setting_name, setting_value

from ..effects import first_rung, mean_scores
from .parts import legend_above, verdict, whisker

SCORE = "val mIoU (%)"
KEPT, DROPPED = style.COLORS[0], "#9AA4AE"
TICK = {"color": style.INK, "marker": "|", "linestyle": "none"}


@style.styled
def sweep_rungs(table: pd.DataFrame) -> Figure:
    """The score of each candidate on each rung; `table`: `halving.sweep_table`.

    Candidates stand side by side. Runs that diverged (score -inf) or are not recorded are left out.
    """
    figure, (axis,) = style.axes_row(1, 2.3)
    marks = {
        "kept": {"marker": "o", "color": KEPT},
        "dropped": {"marker": "o", "color": DROPPED, "markerfacecolor": "none"},
        "winner": {"marker": "*", "color": style.COLORS[1], "markersize": 10,
                   "markeredgecolor": "black", "markeredgewidth": 0.6},
    }
    scored = table[np.isfinite(table["score"])]
    order = scored["candidate"].rank(method="dense") - 1
    places = scored["rung"] + 0.62 * (order / max(1, order.max()) - 0.5)
    scored = scored.assign(place=places, percent=100 * scored["score"])
    kept, last = scored["kept"].eq(True).fillna(False), scored["rung"] == table["rung"].max()
    for _, steps in scored.groupby("candidate"):
        axis.plot(steps["place"], steps["percent"], color="#C8CDD2", linewidth=0.6, zorder=1)
    for fate, rows in scored.groupby(np.select([kept & last, kept], ["winner", "kept"], "dropped")):
        axis.plot(rows["place"], rows["percent"], linestyle="none", zorder=2, **marks[fate])
    rungs = scored.groupby("rung")["images"]
    images = rungs.first().astype(object).fillna("all")
    axis.set_xticks(images.index, images.astype(str) + "\n" + rungs.size().astype(str))
    axis.tick_params(axis="x", length=0)
    axis.set(xlabel="training images (and runs), candidates side by side", ylabel=SCORE)
    legend_above(figure, {fate: look | {"linestyle": "none"} for fate, look in marks.items()})
    return figure


@style.styled
def marginal_effects(table: pd.DataFrame, fields: Sequence[str], name: str) -> Figure:
    """Scores on the first rung by each setting's values: a dash per run, and the means, joined.

    `table`: `halving.sweep_table` with a complete first rung; `name`: of the network, for its look.
    """
    figure, axes = style.axes_row(len(fields), 1.9, sharey=True)
    runs = first_rung(table)
    for axis, field in zip(axes, fields, strict=True):
        means = mean_scores(table, [field])
        places = runs[field].map({value: place for place, value in enumerate(means.index)})
        axis.plot(places, 100 * runs["score"], **TICK | {"marker": "_", "alpha": 0.4})
        axis.plot(range(len(means)), 100 * means, **style.looks([name])[name])
        axis.set_xticks(range(len(means)), map(setting_value, means.index))
        axis.set(xlim=(-0.5, len(means) - 0.5), xlabel=setting_name(field))
    axes[0].set_ylabel(SCORE)
    return figure


@style.styled
def factor_intervals(summary: pd.DataFrame, runs: pd.DataFrame) -> Figure:
    """What changing one factor at a time does to a run.

    `summary`: `effects.one_factor_summary`; gains are grey unless they stand after Holm's
    correction for their number. `runs`: `effects.one_factor_table`: every seed's gain, a small
    mark, and which level is the unchanged run itself, drawn hollow.
    """
    tested = summary["p_value"].dropna()
    corrected = dict(zip(tested.index, holm(tested), strict=True))
    names: list[str] = []
    height = 0.5 + 0.128 * (len(summary) + summary["factor"].nunique())
    figure, (axis,) = style.axes_row(1, height)
    unchanged = {"color": style.ZERO["color"], "marker": "o", "markerfacecolor": "white",
                 "linestyle": "none"}
    tick = TICK | {"markersize": 5}
    for factor, rows in summary.groupby("factor", sort=False):
        axis.text(-0.01, len(names), factor, transform=axis.get_yaxis_transform(), ha="right",
                  va="center", fontsize=7.5, fontweight="bold")
        names.append("")
        for row in rows.itertuples():
            mine = runs[(runs["factor"] == factor) & (runs["level"] == row.level)]
            if mine["is_base"].all():
                axis.plot(0, len(names), zorder=3, **unchanged)
            else:
                axis.plot(100 * mine["gain"], [len(names)] * len(mine), zorder=3, **tick)
                color = verdict(row.low, row.high, corrected.get(row.Index, 1.0))
                whisker(axis, len(names), (row.gain, row.low, row.high), color=color)
            names.append(row.level)
    style.name_rows(axis, names)
    axis.axvline(0, zorder=1, **style.ZERO)
    axis.set_xlabel("gain in val mIoU over the unchanged run (points)")
    verdicts = {"better": style.BETTER, "worse": style.WORSE, "unclear": style.UNCLEAR}
    shown = {name: {"color": color, "marker": "o"} for name, color in verdicts.items()}
    legend_above(figure, shown | {"one seed": tick, "unchanged": unchanged})
    return figure


@style.styled
def seed_spread(scores: Mapping[str, Sequence[float]], means: Mapping[str, Any]) -> Figure:
    """A run's `scores` by seed, as ticks, and their `means`: (mean, low, high) by name."""
    figure, (axis,) = style.axes_row(1, 0.55 + 0.26 * len(scores))
    for place, (name, look) in enumerate(style.looks(scores).items()):
        whisker(axis, place, means[name], **look)
        places = [place] * len(scores[name])
        axis.plot(style.percentages(scores[name]), places, **TICK, markersize=7)
    style.name_rows(axis, list(scores))
    axis.set_xlabel("mIoU (%)")
    return figure
