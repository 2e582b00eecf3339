"""Training: the loop, optimisers and schedules, losses, checkpoints, tracking."""

from .loop import OutOfTime, fit, train_one_epoch, validate
from .optim import build_scheduler

__all__ = ["OutOfTime", "build_scheduler", "fit", "train_one_epoch", "validate"]
