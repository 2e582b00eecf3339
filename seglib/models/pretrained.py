"""ImageNet weights that torchvision publishes, from torch's cache or fetched into it."""

import pickle
from pathlib import Path

import torch
from torch import nn
from torchvision.models import get_model_weights

from ..errors import RecordError


def load_published(encoder: nn.Module, name: str) -> None:
    """Load the ImageNet weights of torchvision's `name`, such as "swin_t", but its classifier's.

    Raises `RecordError` that says what to put where, if they are not to be had.
    """
    published = get_model_weights(name)["IMAGENET1K_V1"]
    try:
        weights = published.get_state_dict(check_hash=True, map_location="cpu", weights_only=True)
        encoder.load_state_dict({k: v for k, v in weights.items() if not k.startswith("head")})
    except (OSError, RuntimeError, EOFError, AttributeError, pickle.UnpicklingError) as problem:
        reason = " ".join(str(problem).split())[:160]
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        raise RecordError(
            f"pretrained weights of {name} can't be loaded ({reason}); download {published.url} "
            f"elsewhere and put it in {folder}, or set pretrained to False"
        ) from None
