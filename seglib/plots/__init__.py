"""Figures that several notebooks draw: arrays or records in, a matplotlib Figure out.

Nothing here trains or loads; only `save_figure` writes. Masks are always drawn in the label palette
with a legend, a network always in its own colour.
"""

from .network import draw_network
from .results import (
    class_differences,
    class_scores,
    confusion_heatmap,
    curves,
    error_distance,
    grid_phases,
    receptive_fields,
    run_intervals,
)
from .scenes import closeups, fine_coarse_scenes, label_pictures, predictions, show_scenes
from .style import NETWORKS, STYLE, TEXT_WIDTH, looks, overlay, save_figure
