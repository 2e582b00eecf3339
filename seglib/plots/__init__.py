"""Figures that several notebooks draw: arrays or records in, a matplotlib Figure out.

Nothing here trains or loads; only `save_figure` writes. Masks are always drawn in the label palette
with a legend.
"""

from .boundaries import class_differences, closeups, error_distance, grid_phases, run_intervals
from .network import draw_network
from .results import class_iou_bars, confusion_heatmap, curves, receptive_fields
from .scenes import fine_coarse_scenes, label_pictures, predictions, show_scenes
from .style import STYLE, TEXT_WIDTH, overlay, save_figure

__all__ = [
    "STYLE",
    "TEXT_WIDTH",
    "class_differences",
    "class_iou_bars",
    "closeups",
    "confusion_heatmap",
    "curves",
    "draw_network",
    "error_distance",
    "fine_coarse_scenes",
    "grid_phases",
    "label_pictures",
    "overlay",
    "predictions",
    "receptive_fields",
    "run_intervals",
    "save_figure",
    "show_scenes",
]
