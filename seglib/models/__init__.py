"""One registry from names to architectures; every one maps (N, 3, H, W) to (N, classes, H, W)."""

import inspect

from torch import nn

from ..errors import choose
from .fcn import FCN
from .swin import Swin
from .unet import UNet
from .vit import ViT

MODELS: dict[str, type[nn.Module]] = {"fcn": FCN, "unet": UNet, "vit": ViT, "swin": Swin}


def model_class(name: str) -> type[nn.Module]:
    """The class behind a registered name; raises `ConfigError` that lists the names."""
    return MODELS[choose("model", name, MODELS)]


def option_names(name: str) -> list[str]:
    """The arguments of an architecture's constructor, beside the number of classes."""
    return list(inspect.signature(model_class(name)).parameters)[1:]


def build_model(name: str, num_classes: int, **options) -> nn.Module:
    """Build a registered architecture with fresh weights.

    `options` are the constructor's keyword arguments; one that it does not have raises
    `ConfigError` with the list of those it has, as does an unknown `name`.
    """
    for option in options:
        choose(f"option of {name}", option, option_names(name))
    return model_class(name)(num_classes, **options)
