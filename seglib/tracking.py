"""Experiment tracking, optional: none, or Weights & Biases, offline unless asked otherwise."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from . import paths
from .config import RunConfig
from .errors import ConfigError

TRACKERS = ("none", "wandb")


class Tracker:
    """Tracks nothing. Subclasses send what they are given to a service."""

    def log(self, row: Mapping[str, Any]) -> None:
        """Losses and scores of one epoch."""

    def log_masks(self, images: Mapping[str, np.ndarray], class_names: tuple[str, ...]) -> None:
        """Predicted class indices, uint8 (H, W), of sample scenes by name."""

    def finish(self, weights: Path | None) -> None:
        """The run is over; `weights` is the file with the best ones."""


class WandbTracker(Tracker):
    """Weights & Biases. Without `WANDB_MODE` it writes offline and can be synchronised later."""

    def __init__(self, config: RunConfig) -> None:
        try:
            import wandb
        except ImportError:
            raise ConfigError(
                "tracker 'wandb' is not installed; install it with: pip install 'seglib[wandb]'"
            ) from None
        self.wandb = wandb
        mode = os.environ.get("WANDB_MODE", "offline")
        if mode == "online" and not (os.environ.get("WANDB_API_KEY") or wandb.api.api_key):
            raise ConfigError(
                "WANDB_MODE is 'online' but there is no API key; set WANDB_API_KEY or use 'offline'"
            )
        folder = paths.build_dir()
        folder.mkdir(parents=True, exist_ok=True)
        self.run = wandb.init(
            project="seglib",
            name=config.run_id,
            config=config.to_dict(),
            mode=mode,
            dir=folder,
            settings=wandb.Settings(silent=True, console="off"),
        )

    def log(self, row: Mapping[str, Any]) -> None:
        self.run.log(dict(row), step=row["epoch"])

    def log_masks(self, images: Mapping[str, np.ndarray], class_names: tuple[str, ...]) -> None:
        labels = dict(enumerate(class_names))
        self.run.log(
            {
                name: self.wandb.Image(
                    np.zeros((*indices.shape, 3), np.uint8),
                    masks={"prediction": {"mask_data": indices, "class_labels": labels}},
                )
                for name, indices in images.items()
            }
        )

    def finish(self, weights: Path | None) -> None:
        if weights is not None and weights.exists():
            artifact = self.wandb.Artifact(f"{weights.parent.name}-weights", type="model")
            artifact.add_file(str(weights))
            self.run.log_artifact(artifact)
        self.run.finish()


def check_tracker(name: str) -> None:
    """Raise `ConfigError` that lists the names unless `name` is one of `TRACKERS`."""
    if name not in TRACKERS:
        raise ConfigError(f"tracker {name!r} is unknown; choose one of: {', '.join(TRACKERS)}")


def start_tracker(name: str, config: RunConfig) -> Tracker:
    """The named tracker, started for this run; an unknown or missing one raises `ConfigError`."""
    check_tracker(name)
    return WandbTracker(config) if name == "wandb" else Tracker()
