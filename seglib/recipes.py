"""The settings of the recorded runs, from which the command line and the notebooks start."""

import dataclasses
from typing import Any

from .config import RunConfig

# What all runs share, unless a dataset or an architecture says otherwise below.
SHARED: dict[str, Any] = {
    "loss": "cross_entropy+dice",
    # Without weights the classes that are rare in every batch are never predicted again.
    "class_weights": "sqrt_median",
    "optimizer": "adamw", "weight_decay": 1e-2, "clip_norm": 1.0,
    "learning_rate": 2e-3, "schedule": "one_cycle",
    # Flips alone: networks and trainings this small pay for more on clean photographs.
    "scale": (1.0, 1.0), "rotation": 0.0, "jitter": 0.0,
    "precision": "bf16",  # by name: a recipe is the same run on every processor
    "select_by": "miou",
    "batch_size": 4,  # few images: more steps are worth more than smoother ones
}

BY_DATASET: dict[str, dict[str, Any]] = {
    # Whole frames at a small size: context is worth more here than the pixels of thin classes.
    "miniscapes": {"image_size": (160, 320), "epochs": 30, "validate_every": 2},
    "camvid": {"image_size": (192, 256), "epochs": 60, "validate_every": 4},
    "cityscapes": {  # planned for one GPU of 16 GB
        "image_size": (512, 1024), "crop_size": (512, 512),
        "scale": (0.5, 2.0), "rotation": 5.0, "jitter": 0.4,
        "batch_size": 8, "learning_rate": 1e-3, "epochs": 120, "validate_every": 5,
    },
}

# Transformers also have stochastic depth, 0.1 if nothing else is said.
BY_MODEL: dict[str, dict[str, Any]] = {
    "vit": {"learning_rate": 5e-4},
    # Pretrained features change little and their first levels not at all, which also saves time.
    "timm": {"pretrained": True, "encoder_rate": 0.25, "freeze": 2},
}

CPU_SIZE = {"unet": {"width": 16}, "vit": {"size": "tiny"}, "swin": {"size": "nano"}}
GPU_SIZE = {
    "unet": {"width": 64},
    "vit": {"size": "b16", "pretrained": True, "encoder_rate": 0.1},
    "swin": {"size": "t", "pretrained": True, "encoder_rate": 0.1},
}


def recipe(dataset: str = "miniscapes", model: str = "unet", **changes: Any) -> RunConfig:
    """The recipe of an architecture on a dataset, with `changes` to single fields.

    What has no entry above gets what all share; `ConfigError` for an unknown name.
    """
    sizes = GPU_SIZE if dataset == "cityscapes" else CPU_SIZE
    values = SHARED | BY_DATASET.get(dataset, {}) | BY_MODEL.get(model, {}) | sizes.get(model, {})
    return RunConfig.from_dict({"dataset": dataset, "model": model, **values, **changes}).resolved()


def command(config: RunConfig) -> str:
    """The `seglib train` command of a run: what differs from its recipe, option by option."""
    own, config = recipe(config.dataset, config.model), config.resolved()
    words = [f"seglib train --dataset {config.dataset} --model {config.model}"]
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if value != getattr(own, field.name):
            parts = value if isinstance(value, tuple) else [] if field.type is bool else [value]
            off = "no-" if parts == [] and not value else ""
            words += [f"--{off}{field.name.replace('_', '-')}", *map(str, parts)]
    return " ".join(words)
