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
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator

from seglib.plots.boundaries import TRUTH_COLOR
from seglib.plots.style import COLORS, LINES, MARKERS, TEXT_WIDTH, percent, styled
from seglib.text import setting_name, setting_value

from .exploration import _ratio

FADED = "#9AA4AE"


@styled
def step_decay(rates: Mapping[str, Sequence[float]], marked: int) -> Figure:
    """Learning rates by epoch, and the distance that they add up to.

    `rates`: label to the learning rate of every epoch. `marked`: the epoch after which the runs of
    a sweep end. The distance counts in epochs at the first learning rate.
    """
    figure, (rate, way) = plt.subplots(1, 2, figsize=(TEXT_WIDTH, 2.3), layout="constrained")
    for i, (label, values) in enumerate(rates.items()):
        values = np.asarray(values, dtype=np.float64)
        look = {"color": COLORS[i], "linestyle": LINES[i], "label": label}
        epochs = np.arange(len(values) + 1)
        rate.step(epochs, [*values, values[-1]], where="post", **look)
        way.plot(epochs, [0, *values.cumsum() / values[0]], **look)
    rate.set_yscale("log")
    rate.yaxis.set_minor_locator(NullLocator())
    rate.set(ylabel="learning rate")
    way.set(ylabel="distance (epochs at full rate)", ylim=(0, None))
    for axis in (rate, way):
        axis.axvline(marked, color=TRUTH_COLOR, linewidth=0.8, zorder=0)
        axis.set_xlabel("epoch")
        axis.margins(x=0)
        axis.grid(axis="y")
    rate.annotate(
        "a sweep's run ends", (marked, 0.03), (3, 0), xycoords=("data", "axes fraction"),
        textcoords="offset points", fontsize=7, color="#555555",
    )  # fmt: skip
    figure.legend(*rate.get_legend_handles_labels(), loc="outside upper center", ncols=len(rates),
                  handlelength=2.6)  # fmt: skip
    return figure


@styled
def halving_work(rungs: pd.DataFrame) -> Figure:
    """What each rung of a halving trains, and its work against that of the full grid.

    `rungs`: a row per rung, the full grid last: `name`, `candidates`, `images` (of one epoch) and
    `work` (any unit).
    """
    figure, (left, right) = plt.subplots(
        1, 2, sharey=True, figsize=(TEXT_WIDTH, 0.6 + 0.24 * len(rungs)), layout="constrained"
    )
    places = np.arange(len(rungs))
    full = rungs["work"].iloc[-1]
    colors = [COLORS[0]] * (len(rungs) - 1) + [FADED]
    bars = left.barh(places, rungs["candidates"], 0.7, color=colors)
    left.bar_label(
        bars,
        [f"{row.candidates} × {row.images} images" for row in rungs.itertuples()],
        padding=3,
        fontsize=7.5,
    )
    bars = right.barh(places, 100 * rungs["work"] / full, 0.7, color=colors)
    right.bar_label(bars, [f"{100 * work / full:.1f} %" for work in rungs["work"]], padding=3,
                    fontsize=7.5)  # fmt: skip
    left.set_yticks(places, rungs["name"])
    left.set(xlabel="candidates", ylim=(len(rungs) - 0.5, -0.5))
    left.set_xlim(0, 1.5 * rungs["candidates"].max())
    right.set(xlabel="work (% of the full grid's)", xlim=(0, 118))
    for axis in (left, right):
        axis.tick_params(axis="y", length=0)
        axis.grid(axis="x")
    return figure


@styled
def sweep_rungs(panels: Mapping[str, pd.DataFrame], label: str = "val mIoU (%)") -> Figure:
    """Every candidate's score on each rung, as it went: the dropped half faded, survivors joined.

    Values: `sweep.sweep_table`. `label`: of the score.
    """
    figure, axes = plt.subplots(
        1, len(panels), squeeze=False, figsize=(TEXT_WIDTH, 3.0), layout="constrained"
    )
    for axis, (title, table) in zip(axes[0], panels.items(), strict=True):
        scored = table.dropna(subset="score")
        floor = _floor(scored["score"])
        places = _rung_places(scored, floor)
        for _, steps in places.groupby("candidate"):
            axis.plot(steps["x"], steps["y"], color="#C8CDD2", linewidth=0.6, zorder=1)
        kept, dropped = places["kept"].eq(True).fillna(False), places["kept"].eq(False)
        dropped = dropped.fillna(False) & ~places["diverged"]
        groups = (
            (dropped, {"marker": "o", "color": FADED, "alpha": 0.6, "markerfacecolor": "none"}),
            (places["kept"].isna(), {"marker": "o", "color": "#333333", "markerfacecolor": "none"}),
            (places["diverged"], {"marker": "x", "color": COLORS[1]}),
            (kept, {"marker": "o", "color": COLORS[0]}),
        )
        for chosen, look in groups:
            rows = places[chosen]
            axis.plot(rows["x"], rows["y"], linestyle="none", zorder=2, **look)
        best = places[kept & (places["rung"] == places["rung"].max())]
        if len(best) == 1:
            axis.plot(best["x"], best["y"], "*", color=COLORS[2], markersize=10, zorder=3,
                      markeredgecolor="black", markeredgewidth=0.6)  # fmt: skip
        rungs = scored.groupby("rung")
        names = [
            f"{'all' if rows['images'].isna().all() else rows['images'].iloc[0]}\n{len(rows)}"
            for _, rows in rungs
        ]
        axis.set_xticks(list(rungs.groups), names)
        axis.set_xlim(0.55, max([*rungs.groups, 1]) + 0.45)
        axis.tick_params(axis="x", length=0)
        axis.set(title=title, xlabel="training images, below them the number of runs")
        axis.grid(axis="y")
    axes[0, 0].set_ylabel(label)
    marks = {"linestyle": "none", "markersize": 4.5}
    handles = {
        "kept": Line2D([], [], marker="o", color=COLORS[0], **marks),
        "dropped": Line2D([], [], marker="o", color=FADED, markerfacecolor="none", **marks),
        "winner": Line2D([], [], marker="*", color=COLORS[2], markeredgecolor="black",
                         markeredgewidth=0.6, linestyle="none", markersize=9),
    }  # fmt: skip
    if any(np.isneginf(table["score"].astype(float)).any() for table in panels.values()):
        handles["diverged"] = Line2D([], [], marker="x", color=COLORS[1], **marks)
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=4)
    return figure


@styled
def parallel_coordinates(
    panels: Mapping[str, pd.DataFrame], fields: Sequence[str], label: str = "val mIoU (%)"
) -> Figure:
    """One line per candidate through its settings to its score on the first rung.

    Values: `sweep.sweep_table` with a complete first rung. The darker a line, the later the
    candidate was dropped. Within the bundle of a value, better candidates run higher.
    """
    figure, axes = plt.subplots(
        len(panels),
        1,
        squeeze=False,
        figsize=(TEXT_WIDTH, 0.35 + 2.0 * len(panels)),
        layout="constrained",
    )
    for axis, (title, table) in zip(axes[:, 0], panels.items(), strict=True):
        rows = table[table["rung"] == 1].set_index("candidate")
        last = int(table["rung"].max())
        reached = table.groupby("candidate")["rung"].max()
        final = table[(table["rung"] == last) & table["kept"].eq(True).fillna(False)]
        winner = final["candidate"].iloc[0] if last > 1 and len(final) == 1 else None
        floor = _floor(rows["score"])
        scores = percent(rows["score"].replace(-np.inf, floor))
        low, high = scores.min(), scores.max()
        heights = {"": pd.Series((scores - low) / max(high - low, 1e-9), rows.index)}
        heights = {**{name: _bundles(rows, name) for name in fields}, **heights}
        for candidate in rows.sort_values("score").index:
            share = (reached[candidate] - 1) / max(1, last - 1)
            look = {"color": plt.get_cmap("Blues")(0.3 + 0.65 * share)}
            look |= {"linewidth": 0.6 + 0.9 * share, "zorder": 1 + share}
            if candidate == winner:
                look = {"color": COLORS[1], "linewidth": 2, "linestyle": "--", "zorder": 3}
            axis.plot([column[candidate] for column in heights.values()], **look)
        for place, name in enumerate(fields):
            axis.axvline(place, color="#444444", linewidth=0.6, zorder=0)
            for value, height in _value_heights(rows, name).items():
                axis.annotate(
                    setting_value(value), (place, height), (-5, 0), textcoords="offset points",
                    ha="right", va="center", fontsize=7.5, zorder=4,
                    bbox={"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 0.8},
                )  # fmt: skip
        axis.axvline(len(fields), color="#444444", linewidth=0.6, zorder=0)
        for share in (0, 0.5, 1):
            axis.annotate(
                f"{low + share * (high - low):.1f}", (len(fields), share), (5, 0),
                textcoords="offset points", va="center", fontsize=7.5,
            )  # fmt: skip
        count = rows["images"].iloc[0]
        where = "" if pd.isna(count) else f"\non {count} images"
        axis.set_xticks(range(len(fields) + 1), [*map(setting_name, fields), f"{label}{where}"])
        axis.set(title=title, yticks=[], xlim=(-0.3, len(fields) + 0.25), ylim=(-0.12, 1.12))
        axis.tick_params(axis="x", length=0)
        axis.spines[:].set_visible(False)
    shades = [Line2D([], [], color=plt.get_cmap("Blues")(0.3 + 0.65 * share), linewidth=w)
              for share, w in ((0, 0.8), (0.5, 1.2), (1, 1.6))]  # fmt: skip
    shades.append(Line2D([], [], color=COLORS[1], linewidth=2, linestyle="--"))
    names = ["dropped at once", "dropped later", "finalist", "winner"]
    figure.legend(shades, names, loc="outside upper center", ncols=4, handlelength=2.6)
    return figure


@styled
def marginal_effects(panels: Mapping[str, pd.DataFrame], label: str = "val mIoU (%)") -> Figure:
    """Mean score of each value of each setting with its 95 % interval; the dashes are all runs.

    Values: `effects.marginal_effects`. A row of axes per panel, a column per setting.
    """
    fields = list(dict.fromkeys(next(iter(panels.values()))["field"]))
    figure, axes = plt.subplots(
        len(panels),
        len(fields),
        squeeze=False,
        sharey="row",
        figsize=(TEXT_WIDTH, 0.35 + 1.55 * len(panels)),
        layout="constrained",
    )
    for i, (row, (title, table)) in enumerate(zip(axes, panels.items(), strict=True)):
        for axis, name in zip(row, fields, strict=True):
            rows = table[table["field"] == name]
            _interval_line(axis, rows, COLORS[i], LINES[0], MARKERS[i])
            overall = np.average(rows["mean"], weights=rows["runs"])
            axis.axhline(100 * overall, color=TRUTH_COLOR, linewidth=0.8, linestyle="--", zorder=0)
            axis.set_xticks(range(len(rows)), [setting_value(value) for value in rows["value"]])
            axis.set_xlim(-0.5, len(rows) - 0.5)
            axis.grid(axis="y")
            if i == len(panels) - 1:
                axis.set_xlabel(setting_name(name))
        row[0].set_ylabel(f"{title}\nmean {label}")
    return figure


@styled
def importance(panels: Mapping[str, pd.DataFrame]) -> Figure:
    """Share of the scores' variance of each setting and each pair, with 95 % intervals.

    Values: `effects.importance`. Solid is what exceeds the share that a part without effect
    reaches by chance in one of twenty cases, which a black tick marks; the others are hollow.
    """
    parts = list(next(iter(panels.values()))["part"])
    figure, axes = plt.subplots(
        1,
        len(panels),
        squeeze=False,
        sharey=True,
        figsize=(TEXT_WIDTH, 0.75 + 0.17 * len(parts)),
        layout="constrained",
    )
    for axis, (title, table) in zip(axes[0], panels.items(), strict=True):
        for place, row in enumerate(table.itertuples()):
            real = row.share > row.by_chance
            rest = np.isnan(row.by_chance)
            color = "#DDDDDD" if rest else COLORS[0] if real else "white"
            edge = FADED if rest else COLORS[0]
            axis.barh(place, 100 * row.share, 0.62, color=color, edgecolor=edge, linewidth=0.7)
            axis.plot((100 * row.low, 100 * row.high), (place, place), color=COLORS[2],
                      linewidth=1.6)  # fmt: skip
            if not rest:
                axis.plot([100 * row.by_chance] * 2, (place - 0.42, place + 0.42), color="black",
                          linewidth=1)  # fmt: skip
        axis.set(title=title, xlabel="share of the variance (%)", xlim=(0, 101))
        axis.set_ylim(len(parts) - 0.4, -0.6)
        axis.tick_params(axis="y", length=0)
        axis.grid(axis="x")
    axes[0, 0].set_yticks(range(len(parts)), [setting_name(part) for part in parts])
    handles = [
        plt.Rectangle((0, 0), 1, 1, color=COLORS[0]),
        plt.Rectangle((0, 0), 1, 1, facecolor="white", edgecolor=COLORS[0], linewidth=0.7),
        Line2D([], [], color=COLORS[2], linewidth=1.6),
        Line2D([], [], color="black", marker="|", linestyle="none", markersize=8),
    ]
    names = ["more than chance", "maybe chance", "95 % interval", "reached by chance, 1 in 20"]
    figure.legend(handles, names, loc="outside upper center", ncols=4)
    return figure


@styled
def interactions(
    tables: Sequence[pd.DataFrame], title: str = "", label: str = "val mIoU (%)"
) -> Figure:
    """Mean scores of pairs of settings with 95 % intervals; parallel lines: no interaction.

    `tables`: `effects.interaction` each, whose first two columns are the pair; the second setting
    is on the axis, a line is drawn for each value of the first. `title`: such as the network.
    """
    columns = min(3, len(tables))
    rows = -(-len(tables) // columns)
    figure, axes = plt.subplots(
        rows,
        columns,
        squeeze=False,
        sharey=True,
        figsize=(TEXT_WIDTH, 0.15 + 1.95 * rows),
        layout="constrained",
    )
    for axis in axes.flat[len(tables) :]:
        axis.set_visible(False)
    for axis, table in zip(axes.flat, tables, strict=False):
        first, second = table.columns[:2]
        for i, (value, part) in enumerate(table.groupby(first, sort=False)):
            _interval_line(axis, part, COLORS[i], LINES[i], MARKERS[i], setting_value(value),
                           0.1 * (i - (table[first].nunique() - 1) / 2))  # fmt: skip
        values = list(dict.fromkeys(table[second]))
        axis.set_xticks(range(len(values)), [setting_value(value) for value in values])
        axis.set(xlabel=setting_name(second), xlim=(-0.5, len(values) - 0.5))
        axis.grid(axis="y")
        axis.legend(
            loc="lower center", bbox_to_anchor=(0.5, 1.0), title=setting_name(first), ncols=3,
            title_fontsize=7.5, handlelength=1.8, columnspacing=0.8, borderaxespad=0.1,
        )  # fmt: skip
    for axis in axes[:, 0]:
        axis.set_ylabel(f"mean {label}")
    figure.suptitle(title)
    return figure


@styled
def factor_intervals(summary: pd.DataFrame, runs: pd.DataFrame) -> Figure:
    """What changing one factor at a time does to a run, and what it costs.

    Args:
        summary: `study.one_factor_summary` with a column `cost`, the work of training relative to
            the unchanged run. Lines are 95 % intervals of the mean gain, grey where they hold zero.
        runs: `study.one_factor_table`: every seed's gain, drawn as a small mark, and which level is
            the unchanged run itself, drawn hollow.
    """
    base = runs[runs["is_base"]].groupby("factor")["level"].first()
    count = len(summary) + summary["factor"].nunique()
    figure, (left, right) = plt.subplots(
        1, 2, sharey=True, figsize=(TEXT_WIDTH, 0.5 + 0.155 * count), width_ratios=(2.6, 1),
        layout="constrained",
    )  # fmt: skip
    ticks: dict[float, str] = {}
    place = 0.0
    for factor, rows in summary.groupby("factor", sort=False):
        left.text(-0.02, place, factor, transform=left.get_yaxis_transform(), ha="right",
                  va="center", fontsize=7.5, fontweight="bold")  # fmt: skip
        for row in rows.itertuples():
            place += 1
            ticks[place] = row.level
            right.plot(row.cost, place, "D", color=COLORS[0], markersize=3)
            if row.level == base.get(factor):
                left.plot(0, place, "o", color="#444444", markerfacecolor="white", zorder=3)
                continue
            clear = row.low > 0 or row.high < 0
            color = (COLORS[0] if row.gain > 0 else COLORS[1]) if clear else TRUTH_COLOR
            mine = (runs["factor"] == factor) & (runs["level"] == row.level)
            gains = percent(runs.loc[mine, "gain"])
            left.plot((100 * row.low, 100 * row.high), (place, place), color=color)
            left.plot(gains, [place] * len(gains), "|", color="#333333", markersize=5, zorder=3)
            left.plot(100 * row.gain, place, "o", color=color, markersize=4.5, zorder=2)
        place += 1
    left.axvline(0, color="#444444", linewidth=0.8, zorder=0)
    right.axvline(1, color="#444444", linewidth=0.8, zorder=0)
    left.set_yticks(list(ticks), list(ticks.values()))
    left.set(xlabel="gain in val mIoU over the unchanged run (points)", ylim=(place - 0.4, -0.6))
    _ratio_axis(right, summary["cost"])
    right.set_xlabel("work of training")
    for axis in (left, right):
        axis.tick_params(axis="y", length=0)
        axis.grid(axis="x")
    handles = [
        Line2D([], [], color=COLORS[0], marker="o", markersize=4.5),
        Line2D([], [], color=COLORS[1], marker="o", markersize=4.5),
        Line2D([], [], color=TRUTH_COLOR, marker="o", markersize=4.5),
        Line2D([], [], color="#333333", marker="|", markersize=5, linestyle="none"),
        Line2D([], [], color="#444444", marker="o", markerfacecolor="white", linestyle="none"),
    ]
    names = ["better", "worse", "unclear", "one seed", "unchanged"]
    figure.legend(handles, names, loc="outside upper center", ncols=5)
    return figure


@styled
def cost_gain(summary: pd.DataFrame, sweeps: Mapping[str, pd.DataFrame]) -> Figure:
    """What more work brings: levels of single factors, and the rungs of the sweeps.

    Args:
        summary: as `factor_intervals` takes it. Levels of factors that change the work by half or
            more are joined and named, with 95 % intervals.
        sweeps: title to a table with a row per rung: `work` up to and with it, as a share of the
            full grid's, `best` score, and `images` (NaN: all).
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(TEXT_WIDTH, 2.75), layout="constrained")
    dear = summary.groupby("factor")["cost"].transform(lambda cost: cost.max() / cost.min() >= 1.5)
    same = summary[~dear]
    left.plot(same["cost"], percent(same["gain"]), "_", color=TRUTH_COLOR, markersize=7,
              label="other factors")  # fmt: skip
    for i, (factor, rows) in enumerate(summary[dear].groupby("factor", sort=False)):
        rows = rows.sort_values("cost")
        gains = percent(rows["gain"])
        spans = np.abs(percent(rows[["low", "high"]]).T - gains)
        left.errorbar(
            rows["cost"], gains, np.nan_to_num(spans), color=COLORS[i], label=factor,
            marker=MARKERS[i], linestyle=LINES[i], elinewidth=0.8,
        )  # fmt: skip
        for cost, gain, level in zip(rows["cost"], gains, rows["level"], strict=True):
            if abs(np.log2(cost)) > 0.1:
                _beside(left, level, (cost, gain), above=cost < 1)
    _ratio_axis(left, summary["cost"])
    left.axhline(0, color="#444444", linewidth=0.8, zorder=0)
    left.set(xlabel="work of training", ylabel="gain in val mIoU (points)", title="single factors")
    highest = max(sweeps, key=lambda title: sweeps[title]["best"].max())
    for i, (title, rungs) in enumerate(sweeps.items()):
        work, best = 100 * rungs["work"], percent(rungs["best"])
        right.plot(work, best, color=COLORS[i], linestyle=LINES[i], marker=MARKERS[i], label=title)
        for x, y, images in zip(work, best, rungs["images"], strict=True):
            text = "all" if pd.isna(images) else f"{images:.0f}"
            _beside(right, text, (x, y), above=title == highest)
    right.set(xlabel="work so far (% of the full grid's)", ylabel="best val mIoU (%)",
              title="rungs of the sweeps, by training images", xlim=(0, None))  # fmt: skip
    right.margins(0.1)
    for axis in (left, right):
        axis.grid(axis="y")
    left.legend(loc="lower right")
    right.legend(loc="lower right")
    return figure


@styled
def seed_spread(scores: Mapping[str, Sequence[float]], means: Mapping[str, Any]) -> Figure:
    """Scores of the same run with several seeds, as ticks, with their mean and its 95 % interval.

    `scores`: run name to the scores of its seeds. `means`: name to (mean, low, high).
    """
    figure, axis = plt.subplots(
        figsize=(TEXT_WIDTH, 0.55 + 0.26 * len(scores)), layout="constrained"
    )
    for place, (name, values) in enumerate(scores.items()):
        mean, low, high = percent(means[name])
        axis.plot((low, high), (place, place), color=COLORS[0])
        axis.plot(mean, place, "o", color=COLORS[0], markersize=4.5)
        axis.plot(percent(values), [place] * len(values), "|", color="#333333", markersize=7,
                  zorder=3)  # fmt: skip
    axis.set_yticks(range(len(scores)), list(scores))
    axis.set(xlabel="val mIoU (%)",
             ylim=(len(scores) - 0.5, -0.5))  # fmt: skip
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x")
    return figure


def _floor(scores: pd.Series) -> float:
    """Where diverged runs are drawn: a little below the lowest score there is."""
    finite = scores.astype(float).replace(-np.inf, np.nan)
    low, high = finite.min(), finite.max()
    return 0.0 if np.isnan(low) else low - 0.08 * max(high - low, 0.01)


def _rung_places(scored: pd.DataFrame, floor: float) -> pd.DataFrame:
    """The scored rows with a place `x`, `y` each; within a rung, candidates stand side by side."""
    diverged = np.isneginf(scored["score"].astype(float))
    order = scored["candidate"].rank(method="dense") - 1
    spread = 0.62 * (order / max(1, order.max()) - 0.5)
    heights = percent(scored["score"].where(~diverged, floor))
    return scored.assign(x=scored["rung"] + spread, y=heights, diverged=diverged)


def _value_heights(rows: pd.DataFrame, field: str) -> dict[Any, float]:
    """Height of each value of a field on its axis, from 0 to 1."""
    values = sorted(dict.fromkeys(rows[field]))
    return {value: i / max(1, len(values) - 1) for i, value in enumerate(values)}


def _bundles(rows: pd.DataFrame, field: str) -> pd.Series:
    """Every candidate's height on a field's axis: its value's, a little higher the better it is."""
    heights = rows[field].map(_value_heights(rows, field))
    place = rows.groupby(field)["score"].rank(method="first", pct=True)
    return heights + 0.2 * (place - 0.5)


def _interval_line(axis, rows, color, linestyle, marker, label=None, shift=0.0) -> None:
    """Means of a setting's values, joined, with their intervals."""
    places = np.arange(len(rows)) + shift
    axis.vlines(places, percent(rows["low"]), percent(rows["high"]), color=color, linewidth=1)
    axis.plot(places, percent(rows["mean"]), color=color, linestyle=linestyle, marker=marker,
              linewidth=0.9, label=label)  # fmt: skip


def _beside(axis, text: str, point: tuple[float, float], above: bool) -> None:
    """A small word to the upper left of a point, or to its lower right."""
    axis.annotate(text, point, (-5, 5) if above else (5, -8), textcoords="offset points",
                  ha="right" if above else "left", fontsize=7)  # fmt: skip


def _ratio_axis(axis, costs: pd.Series) -> None:
    """A logarithmic axis of ratios: ÷2, ×1, ×2, with room to both sides."""
    reach = max(1.0, float(np.abs(np.log2(costs)).max()))
    axis.set_xscale("log", base=2)
    axis.set_xlim(2 ** -(reach + 0.6), 2 ** (reach + 0.6))
    axis.set_xticks([2.0**power for power in range(-round(reach), round(reach) + 1)])
    axis.xaxis.set_major_formatter(FuncFormatter(_ratio))
    axis.xaxis.set_minor_locator(NullLocator())
