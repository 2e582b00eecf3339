"""Every figure of the notebooks and the report: arrays or records in, a matplotlib Figure out.

Nothing here trains or loads; only `save_figure` writes. Masks are always drawn in the label palette
with a legend.
"""

from .attention import (
    attention_distances,
    attention_maps,
    cost_growth,
    shift_steps,
    token_windows,
)
from .comparison import (
    accuracy_cost,
    band_iou,
    class_models,
    generalisation,
    pair_matrix,
    reliability,
    robustness,
)
from .errors import class_differences, closeups, error_distance, grid_phases, run_intervals
from .network import draw_network
from .results import class_iou_bars, confusion_heatmap, curves, receptive_fields
from .scenes import fine_coarse_scenes, label_pictures, predictions, show_scenes
from .statistics import (
    class_frequencies,
    cooccurrence,
    fine_coarse,
    instance_sizes,
    spatial_priors,
    split_shift,
    survival,
)
from .style import STYLE, TEXT_WIDTH, overlay, save_figure
from .sweep import (
    cost_gain,
    factor_intervals,
    halving_work,
    importance,
    interactions,
    marginal_effects,
    parallel_coordinates,
    seed_spread,
    setting_name,
    setting_value,
    step_decay,
    sweep_rungs,
)

__all__ = [
    "STYLE", "TEXT_WIDTH", "accuracy_cost", "attention_distances", "attention_maps", "band_iou",
    "class_differences", "class_frequencies", "class_iou_bars", "class_models", "closeups",
    "confusion_heatmap", "cooccurrence", "cost_gain", "cost_growth", "curves", "draw_network",
    "error_distance", "factor_intervals", "fine_coarse", "fine_coarse_scenes", "generalisation",
    "grid_phases", "halving_work", "importance", "instance_sizes", "interactions", "label_pictures",
    "marginal_effects", "overlay", "pair_matrix", "parallel_coordinates", "predictions",
    "receptive_fields", "reliability", "robustness", "run_intervals", "save_figure", "seed_spread",
    "setting_name", "setting_value", "shift_steps", "show_scenes", "spatial_priors", "split_shift",
    "step_decay", "survival", "sweep_rungs", "token_windows",
]
