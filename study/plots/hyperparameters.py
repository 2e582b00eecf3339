"""A hyper-parameter search: its rungs as they went, effects of settings, single factors, cost.

`panels` is everywhere a mapping from a title, such as a network's name, to a table. Scores are
shares of 1; diverged runs (score -inf) stand at the lower edge, runs without a score are left out.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from seglib.plots import style
from seglib.text import percent, setting_name, setting_value

from .parts import legend_above, ratio_axis

Panels = Mapping[str, pd.DataFrame]
SCORE = "val mIoU (%)"
KEPT, FADED = style.COLORS[0], "#9AA4AE"
TICK = {"color": style.INK, "marker": "|", "linestyle": "none"}


@style.styled
def step_decay(rates: Mapping[str, Sequence[float]], marked: int) -> Figure:
    """Learning rates by epoch, and the distance that they add up to, in epochs at the first rate.

    `rates`: label to the rate of every epoch. `marked`: the epoch after which a sweep's runs end.
    """
    figure, (rate, way) = style.axes_row(2, 2.3)
    for i, (label, values) in enumerate(rates.items()):
        values = np.asarray(values, dtype=np.float64)
        epochs = np.arange(len(values) + 1)
        look = {"markevery": 10, "label": label, **style.series(i)}
        rate.step(epochs, [*values, values[-1]], where="post", **look)
        way.plot(epochs, [0, *values.cumsum() / values[0]], **look)
    rate.set_yscale("log")
    rate.yaxis.set_minor_locator(NullLocator())
    rate.set(ylabel="learning rate")
    way.set(ylabel="distance (epochs at full rate)", ylim=(0, None))
    for axis in (rate, way):
        axis.axvline(marked, color=style.UNCLEAR, linewidth=0.8, zorder=0)
        axis.set_xlabel("epoch")
        axis.margins(x=0)
    style.note(rate, "a sweep's run ends", (marked, rate.get_ylim()[0]), (3, 8), ha="left")
    figure.legend(*rate.get_legend_handles_labels(), loc="outside upper center", ncols=len(rates))
    return figure


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
                style.note(axis, setting_value(value), (place, height), (-5, 0), **left)
        for share in (0, 0.5, 1):
            style.note(axis, f"{low + share * span:.1f}", (len(fields), share), (5, 0), **right)
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
def marginal_effects(panels: Panels) -> Figure:
    """Mean score of each setting's values, 95 % intervals; values: `anova.marginal_effects`."""
    fields = list(dict.fromkeys(next(iter(panels.values()))["field"]))
    figure, axes = style.axes_grid(len(panels), len(fields), 0.35 + 1.55 * len(panels),
                                   sharey="row")
    for row, (title, table) in zip(axes, panels.items(), strict=True):
        overall = 100 * np.average(table["mean"], weights=table["runs"])
        for axis, (_, rows) in zip(row, table.groupby("field", sort=False), strict=True):
            _interval_line(axis, rows, "value", style.looks([title])[title])
            axis.axhline(overall, color=style.UNCLEAR, linewidth=0.8, zorder=0)
        row[0].set_ylabel(f"{title}\nmean {SCORE}")
    for axis, name in zip(axes[-1], fields, strict=True):
        axis.set_xlabel(setting_name(name))
    return figure


@style.styled
def interactions(tables: Sequence[pd.DataFrame], title: str = "") -> Figure:
    """Mean scores of pairs of settings with 95 % intervals; parallel lines: no interaction.

    `tables`: `anova.mean_scores` each, whose first two columns are the pair: a line for each value
    of the first over the values of the second. `title`: such as the network.
    """
    columns = min(3, len(tables))
    rows = -(-len(tables) // columns)
    figure, axes = style.axes_grid(rows, columns, 0.15 + 1.95 * rows, sharey=True)
    for axis in axes.flat[len(tables) :]:
        axis.set_visible(False)
    for axis, table in zip(axes.flat, tables, strict=False):
        first, second = table.columns[:2]
        for i, (value, part) in enumerate(table.groupby(first, sort=False)):
            look = {"label": setting_value(value), **style.series(i)}
            shift = 0.1 * (i - (table[first].nunique() - 1) / 2)
            _interval_line(axis, part, second, look, shift)
        axis.set_xlabel(setting_name(second))
        axis.legend(
            loc="lower center", bbox_to_anchor=(0.5, 1.0), title=setting_name(first), ncols=3,
            title_fontsize=7.5, handlelength=1.8, columnspacing=0.8, borderaxespad=0.1,
        )
    for axis in axes[:, 0]:
        axis.set_ylabel(f"mean {SCORE}")
    figure.suptitle(title)
    return figure


def _interval_line(axis, rows: pd.DataFrame, column: str, look: dict, shift: float = 0) -> None:
    """Means of a setting's values, joined, with their intervals; `column` holds the values."""
    places = np.arange(len(rows)) + shift
    axis.vlines(places, 100 * rows["low"], 100 * rows["high"], color=look["color"], linewidth=1)
    axis.plot(places, 100 * rows["mean"], **look | {"linewidth": 0.9})
    axis.set_xticks(range(len(rows)), map(setting_value, rows[column]))
    axis.set_xlim(-0.5, len(rows) - 0.5)


@style.styled
def importance(panels: Panels) -> Figure:
    """Share of the scores' variance of each setting and each pair, with 95 % intervals.

    Values: `anova.importance`. Filled is what exceeds the share, marked by a tick, that a part
    without effect reaches in one of twenty cases. The axis shows square roots, on which small
    shares are seen.
    """
    parts = list(next(iter(panels.values()))["part"])
    figure, axes = style.axes_row(len(panels), 0.75 + 0.17 * len(parts), sharey=True)
    real = {"color": KEPT, "marker": "o", "markersize": 4.5}
    rest = real | {"color": FADED}
    chance = rest | {"markerfacecolor": "white"}
    tick = TICK | {"markersize": 9}
    for axis, (title, table) in zip(axes, panels.items(), strict=True):
        for place, row in enumerate(table.itertuples()):
            look = rest if row.part == "rest" else real if row.share > row.by_chance else chance
            style.whisker(axis, place, (row.share, row.low, row.high), **look)
            axis.plot(100 * row.by_chance, place, **tick)
        axis.set_xscale("function", functions=(lambda x: np.sqrt(np.maximum(x, 0)), np.square))
        axis.set_xticks([0, 1, 5, 20, 50, 100])
        style.name_rows(axis, [setting_name(part) for part in parts])
        axis.set(title=title, xlabel="share of the variance (%)", xlim=(0, 101))
    legend_above(figure, {"more than chance": real, "maybe chance": chance,
                          "reached by chance, 1 in 20": tick})
    return figure


@style.styled
def factor_intervals(summary: pd.DataFrame, runs: pd.DataFrame) -> Figure:
    """What changing one factor at a time does to a run, and what it costs.

    `summary`: `run.one_factor_summary` with `cost`, the work of training relative to the unchanged
    run. `runs`: `run.one_factor_table`: every seed's gain, a small mark, and which level is the
    unchanged run itself, drawn hollow.
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
            style.whisker(left, place, (row.gain, row.low, row.high))
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
def cost_gain(summary: pd.DataFrame, sweeps: Panels) -> Figure:
    """What more work brings: levels of single factors, and the rungs of the sweeps.

    `summary`: as `factor_intervals` takes it; levels of factors that change the work by half or
    more are joined and named. `sweeps`: title to a row per rung: `work` up to and with it, as a
    share of the full grid's, `best` score, and `images` (NaN: all).
    """
    figure, (left, *others) = style.axes_row(1 + len(sweeps), 2.5)
    dear = summary.groupby("factor")["cost"].transform(lambda cost: cost.max() / cost.min() >= 1.5)
    same = summary[~dear]
    left.plot(same["cost"], 100 * same["gain"], "_", color=style.UNCLEAR, markersize=7,
              label="other factors")
    for i, (factor, rows) in enumerate(summary[dear].groupby("factor", sort=False)):
        rows = rows.sort_values("cost")
        gains = 100 * rows["gain"]
        spans = np.abs(style.percentages(rows[["low", "high"]]).T - gains.to_numpy())
        left.errorbar(rows["cost"], gains, np.nan_to_num(spans), elinewidth=0.8, label=factor,
                      **style.series(i))
        for cost, gain, level in zip(rows["cost"], gains, rows["level"], strict=True):
            if abs(np.log2(cost)) > 0.1:
                side, anchor = (-1, "right") if cost < 1 else (1, "left")
                style.note(left, level, (cost, gain), (6 * side, -8 * side), ha=anchor)
    ratio_axis(left, max(1, np.abs(np.log2(summary["cost"])).max()) + 0.6)
    left.axhline(0, zorder=1, **style.ZERO)
    left.set(xlabel="work of training", ylabel="gain in val mIoU (points)", title="single factors")
    left.legend(loc="lower right")
    for axis, (title, rungs) in zip(others, sweeps.items(), strict=True):
        axis.sharey(others[0])
        work, best = 100 * rungs["work"], 100 * rungs["best"]
        axis.plot(work, best, **style.looks([title])[title])
        for x, y, images in zip(work, best, rungs["images"], strict=True):
            text = "all" if pd.isna(images) else f"{images:.0f}"
            style.note(axis, text, (x, y), (-4, 6), ha="right")
        axis.set(title=f"{title}'s rungs", xlabel="work (% of the grid's)", xlim=(0, None))
        axis.margins(0.1)
    others[0].set_ylabel("best val mIoU (%)")
    return figure


@style.styled
def seed_spread(scores: Mapping[str, Sequence[float]], means: Mapping[str, Any]) -> Figure:
    """A run's `scores` by seed, as ticks, and their `means`: (mean, low, high) by name."""
    figure, (axis,) = style.axes_row(1, 0.55 + 0.26 * len(scores))
    for place, (name, look) in enumerate(style.looks(scores).items()):
        style.whisker(axis, place, means[name], **look)
        places = [place] * len(scores[name])
        axis.plot(style.percentages(scores[name]), places, **TICK, markersize=7)
    style.name_rows(axis, list(scores))
    axis.set_xlabel("val mIoU (%)")
    return figure
