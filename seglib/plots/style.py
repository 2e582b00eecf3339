"""One look for every figure: the report's page size, fonts, a colour per network, saved files."""

import base64
import io
import itertools
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.transforms import offset_copy
from PIL import Image

from ..files import atomic_path
from ..labels import IGNORE_INDEX
from ..paths import figures_dir

TEXT_WIDTH = 6.3  # inches: the report's text block

# A network's colour and marker in every figure, by the first word of its name. From Paul Tol's
# "high contrast" and "medium contrast" schemes, so that colour-blind readers and grey print tell
# them apart; what is left over in hue, purple and green, draws everything that is no network.
NETWORKS = {
    "FCN": ("#000000", "D"),
    "U-Net": ("#004488", "o"),
    "Swin": ("#BB5566", "s"),
    "EfficientNet-Lite0": ("#6699CC", "v"),
    "ViT": ("#DDAA33", "^"),
}
COLORS = ("#762A83", "#5AAE61", "#C2A5CF", "#1B7837", "#9970AB", "#A6DBA0", "#997700")
MARKERS = ("P", "X", "<", "*", ">", "p", "H")
BETTER, WORSE, UNCLEAR = "#1B7837", "#762A83", "#999999"
TRAINING, VALIDATION = "-", "--"  # a line's style never means anything else
INK, PALE = "#333333", "#BBBBBB"
ZERO = {"color": "#444444", "linewidth": 0.8}  # the line of no difference
CORRECT, WRONG = (222, 226, 230), (187, 35, 60)

STYLE = Path(__file__).with_name("seglib.mplstyle")
# A decorator: draws with the project's style and leaves matplotlib's settings as they were.
styled = plt.style.context(STYLE)


def series(number: int) -> dict[str, Any]:
    """Colour and marker of the `number`-th of several things that are no networks."""
    return {"color": COLORS[number % len(COLORS)], "marker": MARKERS[number % len(MARKERS)]}


def looks(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Colour, marker and filling of every run in a figure, by name, as `Axes.plot` takes them.

    A name that begins with a network's looks like it; with more words, as in "U-Net, from
    MiniScapes", it is hollow and thin. Other names are a `series`.
    """
    found: dict[str, dict[str, Any]] = {}
    others = itertools.count()
    for name in dict.fromkeys(names):
        word, *more = re.split(r"[ ,:]+", name)
        if word in NETWORKS:
            color, marker = NETWORKS[word]
            hollow = {"markerfacecolor": "white", "linewidth": 0.8} if more else {}
            found[name] = {"color": color, "marker": marker, **hollow}
        else:
            found[name] = series(next(others))
    return found


def save_figure(figure: Figure, name: str, dataset: str = "miniscapes") -> None:
    """Write a figure into `figures/`, with the same bytes every time.

    `name`: "02_fcn_curves.pdf" for a plot or "01_scenes.png" for pictures.
    Another dataset's figures go to a folder of its name, which git ignores: they neither replace
    the committed ones nor publish photographs under licences of their own.
    """
    folder = figures_dir() if dataset == "miniscapes" else figures_dir() / dataset
    kind, drawn = name[-3:], io.BytesIO()
    about = {"Creator": "seglib", "Producer": "matplotlib", "CreationDate": None}
    # Drawn in memory: on a full disk matplotlib's PDF writer fails with an error of its own.
    with plt.style.context(STYLE):
        figure.savefig(drawn, format=kind, dpi=200, metadata=about if kind == "pdf" else None)
    with atomic_path(folder / name) as path:
        path.write_bytes(drawn.getvalue() if kind == "pdf" else encoded_picture(drawn))


def show(figure: Figure, alt: str, name: str | None = None, dataset: str = "miniscapes",
         width: int = 760) -> None:
    """Show a figure in a notebook, twice as fine as `width` browser pixels, and close it.

    `alt`: what it shows, for who can't see it. `name`, `dataset`: also saves it as `save_figure`.
    """
    from IPython.display import display  # here: only notebooks have it
    if name is not None:
        save_figure(figure, name, dataset)
    drawn = io.BytesIO()
    with plt.style.context(STYLE):
        figure.savefig(drawn, format="png", dpi=2 * width / figure.get_size_inches()[0])
    plt.close(figure)
    kinds = ("png", "jpeg") if any(axis.images for axis in figure.axes) else ("png",)
    encoded = {kind: encoded_picture(drawn, kind) for kind in kinds}
    kind, content = min(encoded.items(), key=lambda item: len(item[1]))
    metadata = {f"image/{kind}": {"width": Image.open(drawn).width // 2, "alt": alt}}
    data = {f"image/{kind}": base64.b64encode(content).decode(), "text/plain": alt}
    display(data, metadata=metadata, raw=True)


def encoded_picture(drawn: io.BytesIO, kind: str = "png") -> bytes:
    """A drawn picture as JPEG, or as PNG of 256 colours, which is a third as large as with all."""
    picture, packed = Image.open(drawn).convert("RGB"), io.BytesIO()
    if kind == "png":  # this method keeps the colours of small things apart, such as a legend's
        picture = picture.quantize(256, method=Image.Quantize.FASTOCTREE)
    picture.save(packed, kind, optimize=True)
    return packed.getvalue()


def percentages(shares: Any) -> np.ndarray:
    """Shares of 1 in percent, float64; None becomes NaN."""
    return 100 * np.asarray(shares, dtype=np.float64)


def axes_grid(rows: int, columns: int, height: float, **options: Any) -> tuple[Figure, np.ndarray]:
    """A figure as wide as the text with axes (rows, columns); `options` as `plt.subplots` takes."""
    options |= {"squeeze": False, "figsize": (TEXT_WIDTH, height)}
    return plt.subplots(rows, columns, **{"layout": "constrained"} | options)


def axes_row(count: int, height: float, **options: Any) -> tuple[Figure, list[plt.Axes]]:
    """`axes_grid` of a single row."""
    figure, axes = axes_grid(1, count, height, **options)
    return figure, list(axes[0])


def picture_axes(
    count: int, columns: int, aspect: float, head: float = 0.18, extra: float = 0.0
) -> tuple[Figure, list[plt.Axes]]:
    """Axes without frames for equal pictures of one `aspect` (height over width), row by row.

    `head`: inches above each row, for titles. `extra`: inches of the whole figure for a legend.
    """
    columns = min(columns, count)
    rows = -(-count // columns)
    height = rows * (TEXT_WIDTH / columns * aspect + head) + extra
    figure, axes = axes_grid(rows, columns, height, layout="compressed")
    figure.get_layout_engine().set(w_pad=0.015, h_pad=0.015, wspace=0.01, hspace=0.01)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    for axis in axes.flat[count:]:
        axis.set_visible(False)
    return figure, list(axes.flat[:count])


def name_rows(axis: plt.Axes, names: Sequence[str], colors: Sequence[np.ndarray] = ()) -> None:
    """Make the y axis a list of names from the top down, the first beside `colors`, uint8 (3,)."""
    axis.set_yticks(range(len(names)), names)
    axis.tick_params(axis="y", length=0, pad=11 if len(colors) else 3)
    axis.set_ylim(len(names) - 0.4, -0.6)
    axis.grid(False)
    axis.grid(True, axis="x")
    beside = offset_copy(axis.get_yaxis_transform(), axis.figure, x=-6.5, units="points")
    chip = {"marker": "s", "markersize": 5, "markeredgecolor": "#666666", "markeredgewidth": 0.3}
    for place, color in enumerate(colors):
        axis.plot(0, place, color=color / 255, clip_on=False, transform=beside, **chip)


def class_legend(
    figure: Figure, class_set: Any, masks: Iterable[np.ndarray], extra: Sequence[Patch] = ()
) -> None:
    """Put a legend of the classes that occur in `masks` under the figure, and make room for it."""
    present = set().union(*(np.unique(mask).tolist() for mask in masks))
    thin = {"edgecolor": "#666666", "linewidth": 0.3}
    handles = [
        Patch(facecolor=class_set.colors[index] / 255, label=class_set.names[index], **thin)
        for index in sorted(present - {IGNORE_INDEX})
    ]
    if IGNORE_INDEX in present:
        handles.append(Patch(facecolor="black", label="void"))
    handles += extra
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + 0.16 * -(-len(handles) // 8) + 0.08)
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 8),
                  handlelength=1.1, handleheight=0.9, columnspacing=1.0, handletextpad=0.4,
                  labelspacing=0.3)


def joint_legend(figure: Figure, where: str = "outside upper center") -> None:
    """One legend for all panels of a figure, each label once."""
    handles: dict[str, Any] = {}
    for axis in figure.axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(handles.values(), handles.keys(), loc=where, ncols=5)
