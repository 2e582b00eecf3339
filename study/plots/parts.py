"""What the study's figures share: panels of runs, axes of ratios, legends, intervals and notes."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import NullLocator

from seglib.plots import style

Looks = Mapping[str, Mapping[str, Any]]


def run_panels(
    panels: Mapping[str, Mapping[str, Any]], height: float
) -> tuple[Figure, list[tuple[plt.Axes, Mapping[str, Any]]], Looks]:
    """A row of titled axes, each with its panel's runs, and the look of every run in any panel."""
    figure, axes = style.axes_row(len(panels), height)
    for axis, title in zip(axes, panels, strict=True):
        axis.set_title(title)
    run_looks = style.looks(name for runs in panels.values() for name in runs)
    return figure, list(zip(axes, panels.values(), strict=True)), run_looks


def legend_above(figure: Figure, marks: Looks) -> None:
    """A row above the figure with what each look, as `Axes.plot` takes it, stands for."""
    handles = [Line2D([], [], label=label, **look) for label, look in marks.items()]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))


def log_axis(axis: plt.Axes, formatter: Any, base: int = 10) -> None:
    """Make the x axis logarithmic, without ticks between the powers."""
    axis.set_xscale("log", base=base)
    axis.xaxis.set_major_formatter(formatter)
    axis.xaxis.set_minor_locator(NullLocator())


def ratio_axis(axis: plt.Axes, octaves: float) -> None:
    """Make the x axis one of ratios, ÷2, ×1, ×2, that ends so many doublings beside ×1."""
    log_axis(axis, lambda value, _: f"×{value:g}" if value >= 1 else f"÷{1 / value:g}", 2)
    whole = np.arange(-int(octaves), int(octaves) + 1)
    axis.set(xlim=(2.0**-octaves, 2.0**octaves), xticks=2.0**whole)


def signed(points: float) -> str:
    """A difference in points as in "−1.3", with a sign as long as a plus."""
    return f"{points:+.1f}".replace("-", "−")


def verdict(low: float, high: float, p_value: float) -> str:
    """The colour of a difference: grey where its interval holds 0 or p is 0.05 or more."""
    sure = p_value < 0.05
    return style.BETTER if sure and low > 0 else style.WORSE if sure and high < 0 else style.UNCLEAR


def whisker(axis: plt.Axes, place: float, shares: Sequence[float], **look: Any) -> None:
    """A dot in row `place` with its interval; `shares` of 1: middle, low, high."""
    middle, low, high = style.percentages(shares)
    look = {"marker": "o", "markersize": 4.5} | look
    axis.plot((low, high), (place, place), color=look["color"])
    axis.plot(middle, place, **look)


def note(axis: plt.Axes, text: str, point: Sequence[float], offset: Sequence[float],
         **look: Any) -> None:
    """Small words `offset` points beside a point, readable across lines."""
    look = {"fontsize": 7, "ha": "center", "va": "center", "zorder": 4} | look
    halo = [withStroke(linewidth=2, foreground="white")]
    axis.annotate(text, point, offset, textcoords="offset points", path_effects=halo, **look)
