"""One registry from names to architectures; every one maps (N, 3, H, W) to (N, classes, H, W).

A class is imported when it is first built, so that to read configs and records needs no PyTorch.
"""

from importlib import import_module
from typing import Any, NamedTuple

from ..errors import choose


class Architecture(NamedTuple):
    """Where the class of an architecture is, and its options beside the number of classes."""

    module: str  # absolute, or relative to this package
    name: str
    defaults: dict[str, Any]


MODELS: dict[str, Architecture] = {
    "fcn": Architecture(".fcn", "FCN", {"width": 64, "dropout": 0.0, "dilation": 1, "norm": False}),
    "unet": Architecture(".unet", "UNet", {
        "width": 64, "norm": True, "skips": None, "dropout": 0.0, "levels": 4,
        "bottleneck": "doubling",
    }),
    "vit": Architecture(".vit", "ViT", {
        "size": "b16", "pretrained": False, "dropout": 0.0, "stochastic_depth": 0.1
    }),
    "swin": Architecture(".swin", "Swin", {
        "size": "t", "pretrained": False, "dropout": 0.0, "stochastic_depth": 0.1,
        "window": (7, 7), "skips": 5,
    }),
    "timm": Architecture(".encoders", "TimmUNet", {
        "encoder": "tf_efficientnet_lite0", "pretrained": False, "freeze": 0, "frozen_norm": False,
        "width": 32, "dropout": 0.0,
    }),
}


def option_defaults(name: str) -> dict[str, Any]:
    """The options of an architecture and their defaults; an unknown name raises `ConfigError`."""
    return dict(MODELS[choose("model", name, MODELS)].defaults)


def build_model(name: str, num_classes: int, **options) -> "torch.nn.Module":  # noqa: F821
    """Build a registered architecture with fresh weights; `options` go to its constructor.

    An unknown name or option raises `ConfigError` with the list of those there are.
    """
    known = option_defaults(name)
    for option in options:
        choose(f"option of {name}", option, known)
    architecture = getattr(import_module(MODELS[name].module, __name__), MODELS[name].name)
    return architecture(num_classes, **known | options)
