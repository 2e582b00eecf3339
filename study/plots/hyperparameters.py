"""A hyper-parameter search: its rungs as they went, effects of settings, single factors, seeds.

`panels` is everywhere a mapping from a title, such as a network's name, to a table. Scores are
shares of 1; diverged runs (score -inf) stand at the lower edge, runs without a score are left out.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from seglib.plots import style
from seglib.text import percent, setting_name, setting_value

from ..effects import first_rung, mean_scores
from .parts import legend_above, note, ratio_axis, whisker

Panels = Mapping[str, pd.DataFrame]
SCORE = "val mIoU (%)"
KEPT, FADED = style.COLORS[0], "#9AA4AE"
TICK = {"color": style.INK, "marker": "|", "linestyle": "none"}


@style.styled
def halving_work(rungs: pd.DataFrame) -> Figure:
    """What each rung of a halving trains, and its work against that of the full grid.

    `rungs`: a row per rung, the full grid last: `name`, `candidates`, `images` an epoch, `work`.
    """
    figure, (left, right) = style.axes_row(2, 0.6 + 0.24 * len(rungs), sharey=True)
    work = rungs["work"] / rungs["work"].iloc[-1]
    counts = [f"{row.candidates} × {row.images} images" for row in rungs.itertuples()]
    panels = ((left, rungs["candidates"], counts), (right, 100 * work, map(percent, work)))
    for axis, values, words in panels:
        bars = axis.barh(rungs.index, values, 0.7, color=[KEPT] * (len(rungs) - 1) + [FADED])
        axis.bar_label(bars, list(words), padding=3, fontsize=7.5)
        style.name_rows(axis, rungs["name"])
    left.set(xlabel="candidates", xlim=(0, 1.5 * rungs["candidates"].max()))
    right.set(xlabel="work (% of the full grid's)", xlim=(0, 118))
    return figure


@style.styled
def sweep_rungs(panels: Panels) -> Figure:
    """Each candidate's score on each rung, dropped ones faded; values: `halving.sweep_table`."""
    figure, axes = style.axes_row(len(panels), 2.3)
    hollow = {"marker": "o", "markerfacecolor": "none"}
    marks = {
        "kept": {"marker": "o", "color": KEPT},
        "dropped": {"color": FADED, **hollow},
        "undecided": {"color": style.INK, **hollow},
        "winner": {"marker": "*", "color": style.COLORS[1], "markersize": 10,
                   "markeredgecolor": "black", "markeredgewidth": 0.6},
        "diverged": {"marker": "x", "color": style.WORSE},
    }
    seen = set()
    for axis, (title, table) in zip(axes, panels.items(), strict=True):
        scored = table.dropna(subset="score")
        places = _rung_places(scored)
        for _, steps in places.groupby("candidate"):
            axis.plot(steps["x"], steps["y"], color="#C8CDD2", linewidth=0.6, zorder=1)
        for fate, rows in places.groupby("fate"):
            axis.plot(rows["x"], rows["y"], linestyle="none", zorder=2, **marks[fate])
            seen.add(fate)
        rungs = scored.groupby("rung")["images"]
        images = rungs.first().astype(object).fillna("all")
        axis.set_xticks(images.index, images.astype(str) + "\n" + rungs.size().astype(str))
        axis.set_xlim(0.55, max([*images.index, 1]) + 0.45)
        axis.tick_params(axis="x", length=0)
        axis.set(title=title, xlabel="training images, below them the number of runs")
    axes[0].set_ylabel(SCORE)
    legend_above(figure, {fate: look | {"linestyle": "none"} for fate, look in marks.items()
                          if fate in seen})
    return figure


def _rung_places(scored: pd.DataFrame) -> pd.DataFrame:
    """The scored rows with `x`, `y` and what became of each run; candidates stand side by side."""
    kept, diverged = scored["kept"].eq(True).fillna(False), np.isneginf(scored["score"])
    last = kept & (scored["rung"] == scored["rung"].max())
    fate = np.select(
        [diverged, last & (last.sum() == 1), kept, scored["kept"].isna()],
        ["diverged", "winner", "kept", "undecided"], default="dropped",
    )
    order = scored["candidate"].rank(method="dense") - 1
    spread = 0.62 * (order / max(1, order.max()) - 0.5)
    return scored.assign(x=scored["rung"] + spread, y=_heights(scored["score"]), fate=fate)


@style.styled
def parallel_coordinates(panels: Panels, fields: Sequence[str]) -> Figure:
    """One line per candidate through its settings to its score on the first rung.

    Values: `halving.sweep_table` with a complete first rung. The darker a line, the later the
    candidate was dropped. Within the bundle of a value, better candidates run higher.
    """
    figure, axes = style.axes_grid(len(panels), 1, 0.35 + 2.0 * len(panels))
    shades, best = plt.get_cmap("Purples"), {"color": style.BETTER, "linewidth": 2.5, "zorder": 3}
    left, right = ({"fontsize": 7.5, "ha": side} for side in ("right", "left"))
    for axis, (title, table) in zip(axes[:, 0], panels.items(), strict=True):
        rows = table[table["rung"] == 1].set_index("candidate")
        last = table["rung"].max()
        reached = (table.groupby("candidate")["rung"].max() - 1) / max(1, last - 1)
        final = table[(table["rung"] == last) & table["kept"].eq(True).fillna(False)]
        winner = final["candidate"].iloc[0] if last > 1 and len(final) == 1 else None
        scores = _heights(rows["score"])
        low, span = scores.min(), scores.max() - scores.min()
        values = rows[fields].infer_objects().rank(method="dense") - 1
        values /= values.max().clip(lower=1)
        bundles = [rows.groupby(name)["score"].rank(method="first", pct=True) for name in fields]
        heights = values + 0.2 * (pd.concat(bundles, axis=1, keys=fields) - 0.5)
        heights["score"] = (scores - low) / max(span, 1e-9)
        for candidate, line in heights.loc[rows.sort_values("score").index].iterrows():
            share = reached[candidate]
            look = {"color": shades(0.3 + 0.65 * share), "linewidth": 0.6 + 0.9 * share,
                    "zorder": 1 + share}
            axis.plot(line.tolist(), **(best if candidate == winner else look))
        for place, name in enumerate(fields):
            for value, height in sorted({*zip(rows[name], values[name], strict=True)}):
                note(axis, setting_value(value), (place, height), (-5, 0), **left)
        for share in (0, 0.5, 1):
            note(axis, f"{low + share * span:.1f}", (len(fields), share), (5, 0), **right)
        axis.vlines(range(len(fields) + 1), -0.12, 1.12, color="#444444", linewidth=0.6, zorder=0)
        count = rows["images"].iloc[0]
        where = "" if pd.isna(count) else f"\non {count} images"
        axis.set_xticks(range(len(fields) + 1), [*map(setting_name, fields), SCORE + where])
        axis.set(title=title, yticks=[], xlim=(-0.3, len(fields) + 0.25), ylim=(-0.12, 1.12))
        axis.tick_params(axis="x", length=0)
        axis.spines[:].set_visible(False)
    names = ("dropped at once", "dropped later", "finalist")
    shown = {name: {"color": shades(0.3 + 0.325 * i), "linewidth": 0.8 + 0.4 * i}
             for i, name in enumerate(names)}
    legend_above(figure, shown | {"winner": best})
    return figure


def _heights(scores: pd.Series) -> pd.Series:
    """Scores in percent; diverged runs stand a little below the lowest score there is."""
    finite = scores.astype(float).replace(-np.inf, np.nan)
    floor = finite.min() - 0.08 * max(finite.max() - finite.min(), 0.01)
    return 100 * finite.fillna(floor).fillna(0)  # the latter where all diverged


@style.styled
def marginal_effects(panels: Panels, fields: Sequence[str]) -> Figure:
    """Scores on the first rung by each setting's values: a dash per run, and the means, joined.

    Values: `halving.sweep_table` with a complete first rung.
    """
    figure, axes = style.axes_grid(len(panels), len(fields), 0.35 + 1.55 * len(panels),
                                   sharey="row")
    for row, (title, table) in zip(axes, panels.items(), strict=True):
        runs = first_rung(table)
        for axis, name in zip(row, fields, strict=True):
            means = mean_scores(table, [name])
            places = runs[name].map({value: place for place, value in enumerate(means.index)})
            axis.plot(places, 100 * runs["score"], **TICK | {"marker": "_", "alpha": 0.4})
            axis.plot(range(len(means)), 100 * means, **style.looks([title])[title])
            axis.set_xticks(range(len(means)), map(setting_value, means.index))
            axis.set_xlim(-0.5, len(means) - 0.5)
        row[0].set_ylabel(f"{title}\n{SCORE}")
    for axis, name in zip(axes[-1], fields, strict=True):
        axis.set_xlabel(setting_name(name))
    return figure


@style.styled
def factor_intervals(summary: pd.DataFrame, runs: pd.DataFrame) -> Figure:
    """What changing one factor at a time does to a run, and what it costs.

    `summary`: `effects.one_factor_summary` with `cost`, the work of training relative to the
    unchanged run. `runs`: `effects.one_factor_table`: every seed's gain, a small mark, and which
    level is the unchanged run itself, drawn hollow.
    """
    base = runs[runs["is_base"]].groupby("factor")["level"].first()
    names: list[str] = []
    height = 0.5 + 0.128 * (len(summary) + summary["factor"].nunique())
    figure, (left, right) = style.axes_row(2, height, sharey=True, width_ratios=(2.6, 1))
    unchanged = {"color": style.ZERO["color"], "marker": "o", "markerfacecolor": "white",
                 "linestyle": "none"}
    tick = TICK | {"markersize": 5}
    for factor, rows in summary.groupby("factor", sort=False):
        left.text(-0.02, len(names), factor, transform=left.get_yaxis_transform(), ha="right",
                  va="center", fontsize=7.5, fontweight="bold")
        names.append("")
        for row in rows.itertuples():
            place = len(names)
            names.append(row.level)
            right.plot(row.cost, place, "D", color=style.INK, markersize=3)
            if row.level == base.get(factor):
                left.plot(0, place, zorder=3, **unchanged)
                continue
            mine = runs[(runs["factor"] == factor) & (runs["level"] == row.level)]
            left.plot(100 * mine["gain"], [place] * len(mine), zorder=3, **tick)
            whisker(left, place, (row.gain, row.low, row.high))
    for axis, unchanged_at in ((left, 0), (right, 1)):
        style.name_rows(axis, names)
        axis.axvline(unchanged_at, zorder=1, **style.ZERO)
    left.set_xlabel("gain in val mIoU over the unchanged run (points)")
    ratio_axis(right, max(1, np.abs(np.log2(summary["cost"])).max()) + 0.6)
    right.set_xlabel("work of training")
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
    axis.set_xlabel("val mIoU (%)")
    return figure
