"""Figures of one notebook's question each: arrays or records in, a matplotlib Figure out."""

from .attention import attention_distances, attention_maps, data_size, shift_steps, token_windows
from .comparison import (
    accuracy_cost,
    band_iou,
    pair_matrix,
    reliability,
    robustness,
)
from .diagram import draw_network
from .exploration import (
    class_frequencies,
    fine_coarse,
    fine_coarse_scenes,
    instance_sizes,
    show_scenes,
    spatial_priors,
    survival,
)
from .hyperparameters import factor_intervals, marginal_effects, seed_spread, sweep_rungs
from .networks import closeups, confusion_heatmap, error_distance, receptive_fields, run_intervals
