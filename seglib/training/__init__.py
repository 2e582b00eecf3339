"""Training: the loop, optimisers and schedules, losses, checkpoints, tracking."""

from .loop import build_scheduler, fit, train_one_epoch, validate

__all__ = ["build_scheduler", "fit", "train_one_epoch", "validate"]
