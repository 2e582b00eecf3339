"""ImageNet weights that torchvision publishes, from torch's cache or fetched into it."""

import pickle
from pathlib import Path

import torch
from torch import nn
from torchvision.models import get_model_weights

from ..errors import RecordError


def load_published(encoder: nn.Module, name: str, head: str) -> None:
    """Load torchvision's ImageNet weights into an encoder with torchvision's parameter names.

    `name` is torchvision's name of the architecture, such as "swin_t"; the weights of its
    classifier `head` are left out. Raises `RecordError` that says what to put where, if they are
    not to be had.
    """
    published = get_model_weights(name)["IMAGENET1K_V1"]
    try:
        # `weights_only` builds tensors and plain containers and runs nothing else.
        weights = published.get_state_dict(check_hash=True, map_location="cpu", weights_only=True)
        encoder.load_state_dict({k: v for k, v in weights.items() if not k.startswith(f"{head}.")})
    except (OSError, RuntimeError, EOFError, AttributeError, pickle.UnpicklingError) as problem:
        reason = " ".join(str(problem).split())[:160]
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        raise RecordError(
            f"pretrained weights of {name} can't be loaded ({reason}); download {published.url} "
            f"elsewhere and put it in {folder}, or set pretrained to False"
        ) from None
