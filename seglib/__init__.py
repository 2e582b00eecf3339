"""Helpers behind the notebooks: street-scene data, segmentation models, training, scores, plots."""

__version__ = "0.1.0"
