"""One registry from names to architectures; every one maps (N, 3, H, W) to (N, classes, H, W)."""

import inspect

from torch import nn

from ..errors import ConfigError, choose
from .fcn import FCN
from .swin import Swin
from .unet import UNet
from .vit import ViT

MODELS: dict[str, type[nn.Module]] = {"fcn": FCN, "unet": UNet, "vit": ViT, "swin": Swin}


def model_class(name: str) -> type[nn.Module]:
    """The class behind a registered name; raises `ConfigError` that lists the names."""
    return MODELS[choose("model", name, MODELS)]


def build_model(name: str, num_classes: int, **hparams) -> nn.Module:
    """Build a registered architecture with fresh weights.

    `hparams` are the constructor's keyword arguments; one that it does not have raises
    `ConfigError` with the list of those it has, as does an unknown `name`.
    """
    architecture = model_class(name)
    known = list(inspect.signature(architecture).parameters)[1:]
    if unknown := [key for key in hparams if key not in known]:
        options = ", ".join(known)
        raise ConfigError(f"model {name!r} has no option {unknown[0]!r}; it has: {options}")
    return architecture(num_classes, **hparams)
