"""One look for every figure: the report's page size, fonts, colours, and how files are saved."""

import functools
import io
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ..errors import ConfigError, choose
from ..files import atomic_path
from ..paths import figures_dir

TEXT_WIDTH = 6.3  # inches: the report's text block
IGNORED = 255
VOID_COLOR = (0, 0, 0)

# Paul Tol's "high contrast" and "medium contrast" schemes: safe for colour-blind readers, and dark,
# middle and light in this order, so that the first three differ in grey print too.
COLORS = ("#004488", "#BB5566", "#DDAA33", "#000000", "#6699CC", "#EE99AA", "#997700")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
CORRECT, WRONG = (222, 226, 230), (187, 35, 60)

STYLE: dict[str, Any] = {
    "font.family": ["STIXGeneral"],  # ships with matplotlib, so it is the same on every machine
    "mathtext.fontset": "stix",
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.labelsize": 8.5,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "figure.titlesize": 9.5,
    "figure.dpi": 120,
    "figure.figsize": (TEXT_WIDTH, 2.6),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.edgecolor": "#444444",
    "axes.axisbelow": True,
    "axes.grid": False,
    "axes.prop_cycle": matplotlib.cycler(color=COLORS),
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.visible": False,
    "ytick.minor.visible": False,
    "lines.linewidth": 1.3,
    "lines.markersize": 3.5,
    "image.interpolation": "nearest",
    "hatch.linewidth": 0.5,
    "pdf.fonttype": 42,
    "svg.hashsalt": "seglib",
    "savefig.bbox": "tight",
    "savefig.pad_inches": 0.03,
}


def styled(function: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draw with the project's style and leave matplotlib's settings as they were."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Figure:
        with plt.rc_context(STYLE):
            return function(*args, **kwargs)

    return wrapper


def save_figure(figure: Figure, name: str, kind: str = "plot", note: str | None = None) -> None:
    """Write a figure into `figures/`, with the same bytes every time.

    Args:
        figure: what one of the plot functions returned.
        name: file name without suffix; its prefix names the notebook, as in "02_fcn_curves".
        kind: "plot" writes a PDF, "picture" (photographs, masks) a PNG of 200 dots per inch.
        note: kept in the file's metadata, such as what it was drawn from.

    Raises:
        ConfigError: `kind` is another word, or `name` is not a plain file name.
    """
    choose("figure kind", kind, ("plot", "picture"))
    if not name or not name.replace("_", "").replace("-", "").isalnum():
        raise ConfigError(f"figure name {name!r}: use letters, digits, '_' and '-' only")
    fixed = {"Creator": "seglib", "Producer": "matplotlib", "CreationDate": None}
    about = {"Software": "seglib"}
    if note is not None:
        fixed["Subject"] = about["Description"] = note
    # Drawn in memory: on a full disk matplotlib's PDF writer fails with an error of its own.
    drawn = io.BytesIO()
    with plt.rc_context(STYLE):
        if kind == "plot":
            figure.savefig(drawn, format="pdf", metadata=fixed)
        else:
            figure.savefig(drawn, format="png", dpi=200, metadata=about)
    suffix = "pdf" if kind == "plot" else "png"
    with atomic_path(figures_dir() / f"{name}.{suffix}") as path:
        path.write_bytes(drawn.getvalue())


def percent(values: Any) -> np.ndarray:
    """Shares as percentages, float64; None becomes NaN."""
    return 100 * np.asarray(values, dtype=np.float64)


def colorize(mask: np.ndarray, class_set: Any) -> np.ndarray:
    """Class indices uint8 (H, W) in the label palette, uint8 (H, W, 3); ignored is black."""
    return class_set.colorize(mask)


def overlay(image: np.ndarray, mask: np.ndarray, class_set: Any, alpha: float = 0.55) -> np.ndarray:
    """The mask's colours laid over the image, uint8 (H, W, 3); ignored pixels show the image."""
    colors = colorize(mask, class_set).astype(np.float32)
    blend = (1 - alpha) * image + alpha * colors
    return np.where((mask == IGNORED)[..., None], image, blend).round().astype(np.uint8)


def class_legend(
    figure: Figure, class_set: Any, masks: Sequence[np.ndarray], extra: Sequence[Patch] = ()
) -> None:
    """Put a legend of the classes that occur in `masks` under the figure."""
    present = sorted(set().union(*(np.unique(mask).tolist() for mask in masks)))
    handles = [
        Patch(facecolor=class_set.colors[index] / 255.0, edgecolor="#666666", linewidth=0.3,
              label=class_set.names[index])
        for index in present
        if index != IGNORED
    ]
    if IGNORED in present:
        handles.append(Patch(facecolor="black", label="void"))
    handles += extra
    figure.legend(
        handles=handles, loc="outside lower center", ncols=min(len(handles), 8),
        handlelength=1.1, handleheight=0.9, columnspacing=1.0, handletextpad=0.4, labelspacing=0.3,
    )


def legend_height(entries: int) -> float:
    """Inches that a class legend of so many entries takes."""
    return 0.16 * -(-entries // 8) + 0.08
