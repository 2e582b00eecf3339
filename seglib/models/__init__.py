"""One registry from names to architectures; every one maps (N, 3, H, W) to (N, classes, H, W)."""

import inspect
from typing import Any

from torch import nn

from ..errors import choose
from .encoders import TimmUNet
from .fcn import FCN
from .swin import Swin
from .unet import UNet
from .vit import ViT

MODELS: dict[str, type[nn.Module]] = {
    "fcn": FCN, "unet": UNet, "vit": ViT, "swin": Swin, "timm": TimmUNet
}


def option_defaults(name: str) -> dict[str, Any]:
    """The arguments of an architecture's constructor beside the number of classes, by name."""
    arguments = inspect.signature(MODELS[choose("model", name, MODELS)]).parameters.values()
    return {argument.name: argument.default for argument in list(arguments)[1:]}


def build_model(name: str, num_classes: int, **options) -> nn.Module:
    """Build a registered architecture with fresh weights; `options` go to its constructor.

    An unknown name or option raises `ConfigError` with the list of those there are.
    """
    known = option_defaults(name)
    for option in options:
        choose(f"option of {name}", option, known)
    return MODELS[name](num_classes, **options)
