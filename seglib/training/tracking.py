"""Experiment tracking, optional: none, or Weights & Biases, offline unless asked otherwise."""

import importlib.util
import netrc
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from .. import paths
from ..config import RunConfig
from ..errors import ConfigError, choose

TRACKERS = ("none", "wandb")
WANDB_MODES = ("online", "offline", "disabled")


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
        import wandb

        self.wandb = wandb
        folder = paths.build_dir()
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self.run = wandb.init(
                project="seglib",
                name=config.run_id,
                config=config.to_dict(),
                mode=wandb_mode(),
                dir=folder,
                settings=wandb.Settings(silent=True, console="off"),
            )
        except wandb.Error as problem:
            reason = " ".join(str(problem).split())
            raise ConfigError(f"tracker 'wandb' did not start: {reason}") from None

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


def wandb_mode() -> str:
    """`WANDB_MODE`, offline by default; `ConfigError` where wandb would fail or ask for a login."""
    mode = os.environ.get("WANDB_MODE", "offline")
    choose("WANDB_MODE", mode, WANDB_MODES)
    if mode == "online" and not (os.environ.get("WANDB_API_KEY") or _stored_key()):
        raise ConfigError(
            "WANDB_MODE is 'online' but there is no API key; set WANDB_API_KEY or use 'offline'"
        )
    return mode


def _stored_key() -> bool:
    """Whether `wandb login` has left a key in the user's netrc file."""
    host = urlsplit(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    try:
        return netrc.netrc(os.environ.get("NETRC")).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False


def check_tracker(name: str) -> None:
    """Raise `ConfigError` unless `name` is one of `TRACKERS` and can be started."""
    choose("tracker", name, TRACKERS)
    if name == "wandb":
        if importlib.util.find_spec("wandb") is None:
            raise ConfigError(
                "tracker 'wandb' is not installed; install it with: pip install 'seglib[wandb]'"
            )
        wandb_mode()


def start_tracker(name: str, config: RunConfig) -> Tracker:
    """The named tracker, started for this run; an unknown or missing one raises `ConfigError`."""
    check_tracker(name)
    return WandbTracker(config) if name == "wandb" else Tracker()
