"""One registry from names to architectures; every one maps (N, 3, H, W) to (N, classes, H, W).

A class is imported when it is first built, so that to read configs and records needs no PyTorch.
"""

from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import choose

if TYPE_CHECKING:
    from torch import nn


class Architecture(NamedTuple):
    """Where the class of an architecture is, and its options beside the number of classes."""

    place: str  # "module:class"
    defaults: dict[str, Any]


MODELS: dict[str, Architecture] = {
    "fcn": Architecture(
        "seglib.models.fcn:FCN", {"width": 64, "dropout": 0.0, "dilation": 1, "norm": False}
    ),
    "unet": Architecture("seglib.models.unet:UNet", {
        "width": 64, "norm": True, "skips": 4, "dropout": 0.0, "levels": 4, "bottleneck": "doubling"
    }),
    "vit": Architecture("seglib.models.vit:ViT", {
        "size": "tiny", "pretrained": False, "dropout": 0.0, "stochastic_depth": 0.1
    }),
    "swin": Architecture("seglib.models.swin:Swin", {
        "size": "nano", "pretrained": False, "dropout": 0.0, "stochastic_depth": 0.1
    }),
    "timm": Architecture("seglib.models.encoders:TimmUNet", {
        "encoder": "tf_efficientnet_lite0", "pretrained": False, "freeze": 0, "frozen_norm": False,
        "width": 32, "dropout": 0.0,
    }),
}


def option_defaults(name: str) -> dict[str, Any]:
    """The options of an architecture and their defaults; an unknown name raises `ConfigError`."""
    return dict(MODELS[choose("model", name, MODELS)].defaults)


def build_model(name: str, num_classes: int, **options) -> "nn.Module":
    """Build a registered architecture with fresh weights; `options` go to its constructor.

    An unknown name or option raises `ConfigError` with the list of those there are.
    """
    known = option_defaults(name)
    for option in options:
        choose(f"option of {name}", option, known)
    return resolve_name(MODELS[name].place)(num_classes, **known | options)
