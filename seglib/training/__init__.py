"""Training: the loop, optimisers and schedules, losses, checkpoints, tracking."""

from .loop import fit, train_one_epoch, validate
from .optim import build_scheduler

__all__ = ["build_scheduler", "fit", "train_one_epoch", "validate"]
