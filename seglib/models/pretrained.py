"""ImageNet weights that torchvision publishes: found in torch's cache or fetched, verified, loaded.

The files are pickles. They are read with `weights_only`, which builds tensors and plain containers
and nothing else, and only after their sha256 has matched the one in their published name.
"""

import pickle
import re
from pathlib import Path

import torch
from filelock import FileLock
from torch import nn
from torchvision.models import get_model_weights

from ..errors import RecordError
from ..files import atomic_path, sha256_of


def load_published(encoder: nn.Module, name: str, head: str) -> None:
    """Load torchvision's ImageNet weights into an encoder with torchvision's parameter names.

    Args:
        encoder: torchvision's architecture without its classifier.
        name: torchvision's name of the architecture, such as "swin_t".
        head: name of the classifier, whose weights are left out.

    Raises:
        RecordError: the file is not to be had, is not the published one, or does not fit.
    """
    file = published_file(published_url(name))
    try:
        weights = torch.load(file, map_location="cpu", weights_only=True)
        weights = {key: value for key, value in weights.items() if not key.startswith(f"{head}.")}
    except (pickle.UnpicklingError, RuntimeError, OSError, EOFError, AttributeError) as problem:
        reason = " ".join(str(problem).split())[:120]
        raise RecordError(f"{file}: not a readable weights file of {name} ({reason})") from None
    try:
        encoder.load_state_dict(weights)
    except RuntimeError as problem:
        reason = str(problem).splitlines()[-1].strip()[:200]
        raise RecordError(f"{file}: not the weights of {name}: {reason}") from None


def published_url(name: str) -> str:
    """Address of the first ImageNet weights of an architecture, by torchvision's name of it."""
    return get_model_weights(name)["IMAGENET1K_V1"].url


def published_file(url: str) -> Path:
    """The verified file behind a published address, fetched unless torch's cache has it.

    The place is the one that torch.hub uses (`TORCH_HOME`), so that a file which another program
    fetched serves as well.

    Raises:
        RecordError: the file can't be fetched, or its sha256 does not begin as its name says.
    """
    file = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    digits = re.fullmatch(r".+-([0-9a-f]{8,64})\.pth", file.name)[1]
    if not file.exists():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{file}.lock"):
                if not file.exists():
                    _fetch(url, file, digits)
        except (OSError, ValueError) as problem:  # requests' exceptions are OSErrors
            reason = " ".join(str(problem).split())[:120]
            raise RecordError(
                f"pretrained weights {file.name} can't be fetched ({reason}); download {url} "
                f"elsewhere and put it in {file.parent}, or set pretrained to False"
            ) from None
    if not sha256_of(file).startswith(digits):
        raise RecordError(
            f"{file}: its sha256 does not begin with {digits}, so it is not the published file; "
            "delete it and it is fetched again"
        )
    return file


def _fetch(url: str, file: Path, digits: str) -> None:
    """Download to a temporary name; the file appears only when it is complete and verified."""
    import pooch  # here because a file in the cache needs neither it nor a network

    with atomic_path(file) as temporary:
        pooch.HTTPDownloader(progressbar=True, timeout=30)(url, str(temporary), None)
        if not sha256_of(temporary).startswith(digits):
            raise ValueError(f"what arrived has a sha256 that does not begin with {digits}")
