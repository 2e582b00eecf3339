"""What the study's figures share: panels of runs, axes of powers of two, legends above a figure."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from seglib.plots.style import axes_row, looks

Looks = Mapping[str, Mapping[str, Any]]


def run_panels(
    panels: Mapping[str, Mapping[str, Any]], height: float
) -> tuple[Figure, list[tuple[plt.Axes, Mapping[str, Any]]], Looks]:
    """A row of titled axes, each with its panel's runs, and the look of every run in any panel."""
    figure, axes = axes_row(len(panels), height)
    for axis, title in zip(axes, panels, strict=True):
        axis.set_title(title)
    run_looks = looks(name for runs in panels.values() for name in runs)
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


def binary_axis(axis: plt.Axes, values: Sequence[float]) -> None:
    """Make the x axis logarithmic to base 2, with ticks at `values` only."""
    log_axis(axis, "{x:g}", 2)
    axis.set_xticks(values)


def ratio_axis(axis: plt.Axes, octaves: float) -> None:
    """Make the x axis one of ratios, ÷2, ×1, ×2, that ends so many doublings beside ×1."""
    log_axis(axis, lambda value, _: f"×{value:g}" if value >= 1 else f"÷{1 / value:g}", 2)
    whole = np.arange(-int(octaves), int(octaves) + 1)
    axis.set(xlim=(2.0**-octaves, 2.0**octaves), xticks=2.0**whole)
