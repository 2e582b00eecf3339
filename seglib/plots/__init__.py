"""Figures that several notebooks draw: arrays or records in, a matplotlib Figure out.

Nothing here trains or loads; only `save_figure` and `show` write. Masks are always drawn in the
label palette with a legend, a network always in its own colour.
"""

from .results import class_scores, curves
from .scenes import label_pictures, predictions
from .style import NETWORKS, TEXT_WIDTH, encoded_picture, looks, save_figure, show
