"""Helpers behind the notebooks: street-scene data, segmentation models, training, scores, plots."""

import os

__version__ = "0.1.0"
# Before torch is loaded: its threads spin less long while they wait, which costs little.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")
