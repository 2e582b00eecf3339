"""Optimisers and learning-rate schedules."""

import math
from typing import Any

import torch
from torch import nn

from ..config import WARM_UP, RunConfig

STEP_EPOCHS = 10  # epochs between the drops of the step decay


def parameter_groups(model: nn.Module, config: RunConfig) -> list[dict[str, Any]]:
    """Parameters by learning rate (`encoder_rate` is a factor for `model.encoder`) and decay.

    Norms, biases and the architecture's `no_weight_decay` are not decayed, but with `decay_all`.
    """
    exempt = tuple(getattr(model, "no_weight_decay", ()))
    groups: dict[tuple[float, float], dict[str, Any]] = {}
    trained = [pair for pair in model.named_parameters() if pair[1].requires_grad]
    for name, parameter in trained:
        decayed = config.decay_all or (parameter.ndim > 1 and not name.endswith(exempt))
        in_encoder = name.startswith("encoder.") and config.encoder_rate is not None
        rate = config.learning_rate * (config.encoder_rate if in_encoder else 1)
        decay = config.weight_decay if decayed else 0.0
        group = groups.setdefault((rate, decay), {"params": [], "lr": rate, "weight_decay": decay})
        group["params"].append(parameter)
    return list(groups.values())


def build_optimizer(model: nn.Module, config: RunConfig, device: torch.device):
    """The config's member of the Adam family, in its fused form where there is one."""
    groups = parameter_groups(model, config)
    if config.optimizer == "adamax":
        return torch.optim.Adamax(groups)
    family = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[config.optimizer]
    return family(groups, fused=device.type in ("cpu", "cuda"))


def build_scheduler(optimizer, config: RunConfig, steps: int):
    """Learning rate by optimiser step; `steps` of them make an epoch."""
    if config.schedule == "step":
        return torch.optim.lr_scheduler.StepLR(optimizer, STEP_EPOCHS * steps, config.gamma)
    total = config.epochs * steps
    rise = WARM_UP if config.warm_up is None else config.warm_up
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: one_cycle(step / total, rise))


def one_cycle(progress: float, rise: float) -> float:
    """Share of the peak rate at `progress` (0 to 1): linear warm-up until `rise`, cosine to zero.

    Smith and Topin, "Super-Convergence", 2019 (https://arxiv.org/abs/1708.07120), with the cosine
    of Loshchilov and Hutter's SGDR (ICLR 2017) for the way down.
    """
    if progress < rise:
        return 0.04 + 0.96 * progress / rise
    return 0.5 + 0.5 * math.cos(math.pi * (progress - rise) / (1 - rise))
